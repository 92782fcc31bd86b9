"""Ejecuta una rejilla de entrenamientos cortos y la guarda en un solo archivo.

Cada ejecución terminada se aparta en `_build/experiments/`: una interrupción no pierde más que la que estaba en
marcha. Cuando están todas se escribe el registro.
"""

import hashlib
import json
import os
import time
from datetime import date
from pathlib import Path

import numpy as np

from helpers._keras import keras
from helpers.augmentation import to_augmenter
from helpers.data import frame_tiles, load_dataset
from helpers.evaluation import predict_probabilities, shift_images
from helpers.experiments import records
from helpers.experiments.catalogue import HOMEWORK_AUGMENTATION, Grid
from helpers.experiments.runner import environment
from helpers.models import build_cnn
from helpers.sample.make_sample import FILES, read_idx
from helpers.training import compile_model, train

PARTS = Path(__file__).resolve().parents[2] / "_build" / "experiments"
IDX_VARIABLE = "FASHION_MNIST_IDX"
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
SHIFT = 3  # píxeles
CURVES = ("loss", "accuracy", "val_loss", "val_accuracy")


def run_grid(
    grid: Grid,
    *,
    folder: Path = records.RESULTS,
    repeat: bool = False,
    parts: Path = PARTS,
    assemble: bool = False,
) -> dict:
    """Ejecuta lo que falte de la rejilla y guarda su registro.

    Con `assemble` rehace el registro aunque exista, con los puntos apartados en `parts`.
    """
    path = Path(folder) / f"{grid.name}.json"
    if path.exists() and not repeat and not assemble:
        print(f"{path.name}: ya está hecho.", flush=True)
        return json.loads(path.read_text(encoding="utf-8"))
    dataset, test = load_dataset(grid.dataset), official_test()
    runs, pending = [], grid.runs()
    for number, (point, seed) in enumerate(pending, start=1):
        part = part_path(grid, number, parts)
        run = None if repeat else finished_part(part, grid, point, seed)
        if run is not None:
            runs.append(run)
            continue
        run = keep_part(part, grid, point, seed, measure_point(grid, point, seed, dataset, test))
        runs.append(run)
        print(
            f"{number}/{len(pending)} {point}, semilla {seed}: prueba {run['test_accuracy']:.3f}", flush=True
        )
    record = {
        "schema": records.SCHEMA,
        "kind": "grid",
        "experiment": grid.name,
        "title": grid.title,
        "axes": grid.axes,
        "default": grid.default,
        "epochs": grid.epochs,
        "batch_size": grid.batch_size,
        "data": {"name": dataset.name, "sha256": dataset.sha256, "source": dataset.source},
        "test": {
            "n": len(test[1]),
            "sha256": hashlib.sha256(test[0].tobytes() + test[1].tobytes()).hexdigest(),
            "what": "las 10 000 imágenes oficiales de prueba de Fashion-MNIST",
            "shift": f"{SHIFT} píxeles: un cuarto de las imágenes en cada una de las cuatro direcciones",
        },
        "environment": environment(),
        "date": date.today().isoformat(),
        "seconds": {key: round(sum(run["seconds"][key] for run in runs), 1) for key in ("wall", "cpu")},
        "runs": [
            {key: value for key, value in run.items() if key not in ("epochs", "seconds")} for run in runs
        ],
        "command": f"python -m helpers.experiments run {grid.name}",
    }
    records.save_record(record, folder, digits=4)
    return record


def part_path(grid: Grid, number: int, parts: Path = PARTS) -> Path:
    """Dónde se aparta el punto `number`, contado desde 1."""
    return Path(parts) / grid.name / f"{number:03d}.json"


def finished_part(path: Path, grid: Grid, point: dict, seed: int) -> dict | None:
    """El punto apartado en `path`, si existe y es el que se pide."""
    if not path.exists():
        return None
    run, wanted = json.loads(path.read_text(encoding="utf-8")), _identity(grid, point, seed)
    return run if {key: run[key] for key in wanted} == wanted else None


def keep_part(path: Path, grid: Grid, point: dict, seed: int, measures: dict) -> dict:
    """Aparta un punto terminado en `path` y lo devuelve."""
    run = {**_identity(grid, point, seed), **measures}
    path.parent.mkdir(parents=True, exist_ok=True)
    records.write_text_atomically(path, json.dumps(run))
    return run


def _identity(grid: Grid, point: dict, seed: int) -> dict:
    return records.rounded({"point": point, "seed": seed, "epochs": grid.epochs})


def measure_point(grid: Grid, point: dict, seed: int, dataset, test) -> dict:
    """Entrena una combinación y la mide con los pesos de su mejor época."""
    keras.backend.clear_session()  # sin esto, noventa redes seguidas acumulan varios gigabytes
    keras.utils.set_random_seed(seed)
    model = compile_model(
        build_cnn(filters=point["filters"], dropout=point["dropout"]), learning_rate=point["learning_rate"]
    )
    augment = to_augmenter(HOMEWORK_AUGMENTATION, seed=seed) if point["augmentation"] else None
    wall, cpu = time.perf_counter(), time.process_time()
    result = train(
        model,
        dataset.x_train,
        dataset.y_train,
        validation_data=(dataset.x_val, dataset.y_val),
        batch_size=grid.batch_size,
        epochs=grid.epochs,
        seed=seed,
        augment=augment,
        verbose=False,
    )
    seconds = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    x, y = test
    return {
        "history": {name: result.history[name] for name in CURVES},
        "best_epoch": result.best_epoch,
        "test_accuracy": _accuracy(model, x, y),
        "shifted_test_accuracy": _accuracy(model, shift_every_way(x, SHIFT), y),
        "seconds": seconds,
    }


def _accuracy(model, x, y) -> float:
    return float((predict_probabilities(model, x).argmax(axis=1) == y).mean())


def shift_every_way(x: np.ndarray, pixels: int) -> np.ndarray:
    """Desplaza cada imagen `pixels` píxeles: la primera arriba, la segunda abajo, la tercera a la izquierda…"""
    shifted = np.empty_like(x)
    for first, (dy, dx) in enumerate(((-pixels, 0), (pixels, 0), (0, -pixels), (0, pixels))):
        shifted[first::4] = shift_images(x[first::4], dy, dx)
    return shifted


def official_test() -> tuple[np.ndarray, np.ndarray]:
    """Las 10 000 imágenes oficiales de prueba de Fashion-MNIST, en la forma que pide la red.

    Las lee de la carpeta que indica FASHION_MNIST_IDX, de la que instala el paquete de Debian o, si no están, de la
    descarga de Keras. No viajan con el libro: solo las necesita quien repite la rejilla.

    Devuelve:
        Imágenes uint8 (10000, 32, 32, 3) y etiquetas int64 (10000,).
    """
    folder = os.environ.get(IDX_VARIABLE) or (DEBIAN_FOLDER if DEBIAN_FOLDER.is_dir() else None)
    if folder:
        tiles, labels = (read_idx(folder, stem) for stem in FILES["test"])
    else:
        tiles, labels = keras.datasets.fashion_mnist.load_data()[1]
    return frame_tiles(tiles), labels.astype(np.int64)
