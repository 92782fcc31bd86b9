"""Lo que tarda el motor frente a Keras y al gemelo, en una sola pasada.

Las tres medidas se turnan: en una máquina ocupada solo se pueden comparar tiempos tomados a la vez, y solo su cociente dice algo.
El motor y el gemelo corren en V8, como en el navegador: en Node si lo hay y, si no, en Chromium.
"""

import base64
import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.table import Figure, Measured
from benchmarks.timing import best_quarter
from helpers.engine import WASM_PATH, describe
from helpers.engine.sources import FOLDER

BATCH = 32
MAX_RATIO = 2.5  # el motor, como mucho, esto por Keras con dos núcleos
ROUNDS = 12
FIGURES = (
    Figure("keras", "paso de entrenamiento en Keras", "ms"),
    Figure("engine", "paso de entrenamiento en el motor", "ms"),
    Figure("twin", "paso de entrenamiento en el gemelo", "ms", decimals=0),
    Figure("over_keras", "el motor frente a Keras", "×", MAX_RATIO, 1.5, decimals=2),
    Figure("keras_inference", "clasificar con Keras", "imágenes/s", decimals=0),
    Figure("engine_inference", "clasificar con el motor", "imágenes/s", decimals=0),
)

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
        self._folder = tempfile.TemporaryDirectory()
        path = Path(self._folder.name) / "motor.cjs"
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
        self._folder.cleanup()


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


def take_times(rounds=ROUNDS):
    """Milisegundos por paso de lote 32 de cada uno, tomados por turnos."""
    model, train, infer = keras_step()
    script = "\n".join(
        (FOLDER / name).read_text(encoding="utf-8") for name in ("weights.js", "engine.js", "twin.js")
    )
    wasm = base64.b64encode(WASM_PATH.read_bytes()).decode("ascii")
    script += SERVER % (json.dumps(describe(model)), wasm, BATCH)
    times = {"keras": [], "engine": [], "twin": [], "keras_inference": [], "engine_inference": []}
    with (Node if shutil.which("node") else Chromium)(script) as v8:
        for turn in range(rounds + 2):  # las dos primeras vueltas calientan
            for _ in range(8):
                row = {
                    "keras": train(),
                    "engine": v8.measure("engine"),
                    "keras_inference": infer(),
                    "engine_inference": v8.measure("inference"),
                }
                if turn >= 2:
                    for name, value in row.items():
                        times[name].append(value)
            if turn % 4 == 3:
                times["twin"].append(v8.measure("twin"))
    return times


def summarise(times) -> dict[str, Measured]:
    """Milisegundos por paso, imágenes por segundo y el cociente.

    Compara los cuartos de cada lista: la mediana de una máquina ocupada mide a los vecinos.
    """
    quarter = {name: best_quarter(values) for name, values in times.items()}
    return {
        **{name: Measured(quarter[name]) for name in ("keras", "engine", "twin")},
        "over_keras": Measured(quarter["engine"] / quarter["keras"]),
        **{name: Measured(BATCH / quarter[name] * 1e3) for name in ("keras_inference", "engine_inference")},
    }


def measure() -> dict[str, Measured]:
    """Mide la red del libro, con lotes de 32 y Adam."""
    return summarise(take_times())
