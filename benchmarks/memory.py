"""La memoria máxima de cargar los datos, entrenar una época y evaluar, cada cosa en un proceso recién nacido."""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.table import Figure, Measured

ROOT = Path(__file__).resolve().parent.parent
FIGURES = (
    Figure("imported", "importar TensorFlow y Keras", "GB", decimals=2),
    Figure("sample", "entrenar y evaluar con la muestra", "GB", 0.9, decimals=2),
    Figure("cifar10", "entrenar y evaluar con CIFAR-10", "GB", 1.2, decimals=2),
)

# VmHWM empieza de cero en cada programa; ru_maxrss, en Linux, hereda el máximo del proceso que lo lanza.
PEAK = """
def peak():
    try:
        with open("/proc/self/status", encoding="utf-8") as lines:
            return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    except OSError:
        import resource, sys
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
"""
PROGRAM = """
import sys
from helpers.data import load_dataset
from helpers.evaluation import evaluate
from helpers.models import build_cnn
from helpers.training import compile_model, train
if sys.argv[1] != "imported":
    data = load_dataset(sys.argv[2], *sys.argv[3:])
    model = compile_model(build_cnn())
    train(model, data.x_train, data.y_train, validation_data=(data.x_val, data.y_val), batch_size=32, epochs=1, verbose=False)
    evaluate(model, data.x_test, data.y_test, data.class_names)
print(peak())
"""


def write_noise(path: Path) -> None:
    """Un archivo como el de CIFAR-10 con ruido por imágenes: ocupa lo mismo y no hay que descargar nada."""
    rng = np.random.default_rng(0)
    parts = {}
    for name, count in (("train", 50_000), ("test", 10_000)):
        parts[f"x_{name}"] = rng.integers(0, 256, (count, 32, 32, 3), np.uint8)
        parts[f"y_{name}"] = np.arange(count, dtype=np.uint8)[:, None] % 10
    np.savez(path, **parts)


def peak_gigabytes(*arguments: str) -> float:
    """Gigabytes que llega a ocupar el programa con esos argumentos."""
    run = subprocess.run(
        [sys.executable, "-c", PEAK + PROGRAM, *arguments],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
    )
    return int(run.stdout.split()[-1]) / 1e9


def measure() -> dict[str, Measured]:
    """Mide los tres procesos, uno detrás de otro."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ruido.npz"
        write_noise(path)
        return {
            "imported": Measured(peak_gigabytes("imported")),
            "sample": Measured(peak_gigabytes("sample", "fashion_mnist")),
            "cifar10": Measured(peak_gigabytes("cifar10", "cifar10", str(path))),
        }
