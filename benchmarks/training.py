"""Lo que tarda en entrenar la red de la tarea: como la escribe la tarea, con `helpers.training`, y con lo que la acelera."""

import subprocess
import sys

import numpy as np

from benchmarks.table import Figure, Measured
from benchmarks.timing import best_quarter, interleaved, ratio

FIGURES = (
    Figure("homework", "paso de la tarea, con model.fit y lote 32", "ms"),
    Figure("ours", "paso con helpers.training y lote 32", "ms"),
    # La misma tarea medida dos veces por turnos difiere hasta en un 5 %: eso es «no más lento».
    Figure("over_homework", "helpers.training frente a model.fit", "×", 1.05, 1, decimals=2),
    Figure("batch_128", "una época con lote 128 frente a lote 32", "×", decimals=2),
    Figure("batch_512", "una época con lote 512 frente a lote 32", "×", decimals=2),
    Figure("steps", "una época con steps_per_execution=8 frente a 1", "×", decimals=2),
    Figure("bfloat16", "una época con mixed_bfloat16 frente a float32", "×", decimals=2),
    Figure("bfloat16_512", "lo mismo, las dos con lote 512", "×", decimals=2),
    Figure("one_thread", "una época con un hilo frente a todos", "×", decimals=2),
)

# Los hilos se eligen antes de que TensorFlow arranque: hace falta otro proceso. Imprime los segundos de una época.
EPOCH_WITH_THREADS = """
import sys, time
import helpers
import tensorflow as tf
if int(sys.argv[1]):
    tf.config.threading.set_intra_op_parallelism_threads(int(sys.argv[1]))
    tf.config.threading.set_inter_op_parallelism_threads(int(sys.argv[1]))
from helpers.data import load_dataset
from helpers.models import build_cnn
from helpers.training import compile_model, train
data, model = load_dataset(), compile_model(build_cnn())
options = {"epochs": 1, "keep_best": False, "verbose": False}
train(model, data.x_train[:320], data.y_train[:320], **options)  # aquí se prepara el grafo
started = time.perf_counter()
train(model, data.x_train, data.y_train, **options)
print(time.perf_counter() - started)
"""


def epoch_with_threads(threads: int) -> float:
    """Los segundos de una época en otro proceso, con esos hilos (0: los que TensorFlow quiera)."""
    command = [sys.executable, "-c", EPOCH_WITH_THREADS, str(threads)]
    run = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=True)
    return float(run.stdout)


def one_thread_over_all(rounds: int = 5) -> float:
    """Cuántas veces tarda una época con un solo hilo, por turnos."""
    turns = [(epoch_with_threads(1), epoch_with_threads(0)) for _ in range(rounds)]
    one, every = zip(*turns, strict=True)
    return best_quarter(one) / best_quarter(every)


def measure() -> dict[str, Measured]:
    """Mide una época de cada forma, por turnos; los cocientes son de segundos, así que menos de 1 es más rápido."""
    from helpers._keras import keras
    from helpers.data import load_dataset
    from helpers.models import build_cnn
    from helpers.training import compile_model, train

    data = load_dataset()
    x, y = data.x_train, data.y_train  # enteras: con pocas imágenes pesaría lo que cuesta montar los lotes

    def network(policy="float32", steps=1):
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(policy)
        try:
            keras.utils.set_random_seed(0)
            return compile_model(build_cnn(), steps_per_execution=steps)
        finally:
            keras.config.set_dtype_policy(before)

    def ours(model, batch_size=32):
        return lambda: train(model, x, y, batch_size=batch_size, epochs=1, keep_best=False, verbose=False)

    # Como la tarea: la parte entera dividida entre 255 y las etiquetas one-hot, todo en memoria.
    floats, labels = x / np.float32(255), keras.utils.to_categorical(y, 10)
    homework = network()
    times = interleaved(
        {
            "homework": lambda: homework.fit(floats, labels, batch_size=32, epochs=1, verbose=0),
            "ours": ours(network()),
            "batch_128": ours(network(), 128),
            "batch_512": ours(network(), 512),
            "steps": ours(network(steps=8)),
            "bfloat16": ours(network("mixed_bfloat16")),
            "bfloat16_512": ours(network("mixed_bfloat16"), 512),
        },
        rounds=8,
    )
    steps = len(x) / 32
    return {
        "homework": Measured(best_quarter(times["homework"]) / steps * 1e3),
        "ours": Measured(best_quarter(times["ours"]) / steps * 1e3),
        "over_homework": Measured(ratio(times, "ours", "homework")),
        **{
            name: Measured(ratio(times, name, "ours"))
            for name in ("batch_128", "batch_512", "steps", "bfloat16")
        },
        "bfloat16_512": Measured(ratio(times, "bfloat16_512", "batch_512")),
        "one_thread": Measured(one_thread_over_all()),
    }
