"""Lo que tarda el motor frente a Keras y al gemelo, en una sola pasada. `python -m benchmarks.engine`.

Las tres medidas se turnan: en una máquina ocupada solo se pueden comparar tiempos tomados a la vez, y solo su cociente dice algo.
El motor y el gemelo corren en V8, como en el navegador: en Node si lo hay y, si no, en Chromium.
"""

import argparse
import base64
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from helpers.engine import WASM_PATH, describe
from helpers.engine.sources import FOLDER

OUTPUT = Path(__file__).resolve().parent.parent / "_build" / "bench" / "motor.json"
BATCH = 32
MAX_RATIO = 2.5  # el motor, como mucho, esto por Keras con dos núcleos

# Un servidor por entrada y salida estándar: cada línea pide una medida y contesta con milisegundos.
SERVER = """
const description = %s, wasm = bytesFromBase64("%s"), batch = %d;
let engine, twin, images, labels;
async function prepare() {
  engine = await Engine.create(wasm, description, { batchSize: batch });
  engine.initWeights(1);
  twin = new TwinNetwork(engine.getWeights().map((w) => w.values));
  const random = seededRandom(2);
  images = Float32Array.from({ length: batch * engine.imageSize }, random);
  labels = Uint32Array.from({ length: batch }, (_, i) => i %% engine.numClasses);
}
const jobs = {
  engine: () => engine.trainStep(images, labels, { name: "adam", learning_rate: 1e-4 }),
  twin: () => twin.trainStep(images, labels, 1e-4),
  inference: () => engine.forward(images),
};
function measure(job) {
  const started = performance.now();
  jobs[job]();
  return performance.now() - started;
}
"""


class Node:
    """V8 en un proceso de Node."""

    def __init__(self, script):
        """Arranca el proceso y prepara la red."""
        loop = """
        prepare().then(() => require("readline").createInterface({ input: process.stdin })
          .on("line", (job) => console.log(measure(job))));"""
        path = OUTPUT.parent / "motor.cjs"
        path.write_text(script + loop, encoding="utf-8")
        self._process = subprocess.Popen(
            ["node", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8", bufsize=1
        )

    def measure(self, job):
        """Milisegundos de una ejecución."""
        self._process.stdin.write(job + "\n")
        return float(self._process.stdout.readline())

    def __enter__(self):
        """Nada que preparar: ya está en marcha."""
        return self

    def __exit__(self, *_):
        """Cierra la entrada, y con ella el proceso."""
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


class Chromium:
    """V8 en una página de Chromium."""

    def __init__(self, script):
        """Abre el navegador y prepara la red."""
        from tests.browsers import chromium

        self._context = chromium()
        self._page = self._context.__enter__().new_page()
        self._page.add_script_tag(content=script)
        self._page.evaluate("prepare()")

    def measure(self, job):
        """Milisegundos de una ejecución."""
        return self._page.evaluate(f"measure({job!r})")

    def __enter__(self):
        """Nada que preparar: ya está en marcha."""
        return self

    def __exit__(self, *error):
        """Cierra el navegador."""
        self._context.__exit__(*error)


def keras_step():
    """Una función que da un paso de entrenamiento con Keras y dice cuántos milisegundos tardó."""
    import tensorflow as tf

    from helpers._keras import keras
    from helpers.models import build_cnn

    model = build_cnn()
    optimizer = keras.optimizers.Adam(1e-4)
    optimizer.build(model.trainable_variables)
    rng = np.random.default_rng(0)
    x = tf.constant(rng.random((BATCH, 32, 32, 3), dtype=np.float32))
    y = tf.constant(np.arange(BATCH) % 10)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            probabilities = model(x, training=True)
            loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, probabilities))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    @tf.function
    def infer():
        return model(x, training=False)

    def timed(job):
        started = time.perf_counter()
        job().numpy()
        return (time.perf_counter() - started) * 1e3

    return model, (lambda: timed(step)), (lambda: timed(infer))


def measure(rounds):
    """Milisegundos por paso de lote 32 de cada uno, tomados por turnos."""
    model, train, infer = keras_step()
    script = "\n".join(
        (FOLDER / name).read_text(encoding="utf-8") for name in ("weights.js", "engine.js", "twin.js")
    )
    wasm = base64.b64encode(WASM_PATH.read_bytes()).decode("ascii")
    script += SERVER % (json.dumps(describe(model)), wasm, BATCH)
    times = {"keras": [], "motor": [], "gemelo": [], "keras, inferencia": [], "motor, inferencia": []}
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    with (Node if shutil.which("node") else Chromium)(script) as v8:
        for turn in range(rounds + 2):  # las dos primeras vueltas calientan
            for _ in range(8):
                row = {
                    "keras": train(),
                    "motor": v8.measure("engine"),
                    "keras, inferencia": infer(),
                    "motor, inferencia": v8.measure("inference"),
                }
                if turn >= 2:
                    for name, value in row.items():
                        times[name].append(value)
            if turn % 4 == 3:
                times["gemelo"].append(v8.measure("twin"))
    return times


def report(times):
    """La tabla en texto y si el motor cumple.

    Compara los cuartos de cada lista: la mediana de una máquina ocupada mide a los vecinos.
    """
    quarter = {
        name: statistics.quantiles(values, n=4)[0] for name, values in times.items() if len(values) > 1
    }
    keras = quarter["keras"]
    lines = [f"paso de entrenamiento, lote {BATCH}, la red del libro, Adam ({os.cpu_count()} núcleos)"]
    lines += [
        f"  {n:8} {quarter[n]:8.2f} ms   {quarter[n] / keras:6.2f} × Keras"
        for n in ("keras", "motor", "gemelo")
    ]
    lines += ["imágenes por segundo al clasificar"]
    lines += [f"  {n:8} {BATCH / quarter[n + ', inferencia'] * 1e3:8.0f}" for n in ("keras", "motor")]
    ratio = quarter["motor"] / keras
    lines += [f"límite: {MAX_RATIO} × Keras" + ("" if ratio <= MAX_RATIO else "   SE PASA")]
    return "\n".join(lines), ratio <= MAX_RATIO


def main(arguments=None):
    """Mide e imprime; devuelve 1 si el motor se pasa."""
    parser = argparse.ArgumentParser(description="Mide el motor del navegador frente a Keras.")
    parser.add_argument("--vueltas", type=int, default=12, help="cuántas veces se turnan (por defecto 12)")
    times = measure(parser.parse_args(arguments).vueltas)
    text, fits = report(times)
    OUTPUT.write_text(json.dumps(times), encoding="utf-8")
    print(text)
    return 0 if fits else 1


if __name__ == "__main__":
    sys.exit(main())
