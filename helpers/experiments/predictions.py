"""Probabilidades registradas: lo que una red guardada responde a las imágenes de prueba.

Van en `book/results/`, junto a los pesos de los que salen, como una matriz (N, K) de NumPy en float16: bastan para mover
un umbral o dibujar una calibración sin TensorFlow. La suma las cubre `SHA256SUMS`, y el registro dice de qué archivo son.
"""

from pathlib import Path

import numpy as np

from helpers.experiments import records


def predictions_name(experiment: str, seed: int = 0) -> str:
    """Nombre del archivo, por ejemplo `baseline-fashion-s0.probabilities.npy`."""
    return f"{experiment}-s{seed}.probabilities.npy"


def save_predictions(model, x, experiment: str, seed: int, folder: Path = records.RESULTS) -> dict:
    """Guarda las probabilidades de `model` para las imágenes `x`.

    Devuelve:
        Lo que el registro anota en su clave `probabilities`: archivo y suma.
    """
    from helpers.evaluation import predict_probabilities

    path = Path(folder) / predictions_name(experiment, seed)
    np.save(path, predict_probabilities(model, x).astype(np.float16), allow_pickle=False)
    return {"file": path.name, "sha256": records.file_sha256(path)}


def rebuild_predictions(experiment, seed: int, folder: Path = records.RESULTS) -> dict:
    """Rehace las probabilidades desde los pesos registrados, sin entrenar, y lo anota en el registro.

    Argumentos:
        experiment: un `Experiment` del catálogo.
        seed: una semilla con pesos guardados.
        folder: carpeta de los registros.

    Devuelve:
        El registro.

    Lanza:
        records.RecordError: si no hay registro o no guarda pesos.
    """
    from helpers.data import load_dataset
    from helpers.experiments.runner import build_network

    record = records.load_record(experiment.name, seed, folder)
    if not record["weights"]:
        raise records.RecordError(
            f"{records.record_name(experiment.name, seed)} no guarda pesos, así que no se pueden rehacer sus "
            "probabilidades sin volver a entrenar."
        )
    model = build_network(experiment)
    model.load_weights(Path(folder) / record["weights"]["file"])
    x_test = load_dataset(experiment.dataset).x_test
    record["probabilities"] = save_predictions(model, x_test, experiment.name, seed, folder)
    records.save_record(record, folder)
    return record


def load_predictions(experiment: str, seed: int = 0, folder: Path = records.RESULTS) -> np.ndarray:
    """Probabilidades registradas, (N, K) en float64; el orden es el de las imágenes de prueba de `load_dataset`.

    Lanza:
        records.RecordError: si no están, con la orden que las rehace.
    """
    path = Path(folder) / predictions_name(experiment, seed)
    if not path.exists():
        raise records.RecordError(
            f"No hay probabilidades de «{experiment}» con semilla {seed}. "
            f"Para rehacerlas: python -m helpers.experiments predict {experiment} --seed {seed}"
        )
    return np.load(path, allow_pickle=False).astype(np.float64)
