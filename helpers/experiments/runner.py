"""Ejecuta un experimento: entrena, mide y devuelve el registro."""

import math
import os
import platform
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np

from helpers import models
from helpers._keras import keras
from helpers.augmentation import to_augmenter, to_flip_and_shift
from helpers.data import ImageDataset, load_dataset
from helpers.engine.description import describe
from helpers.evaluation import (
    apply_temperature,
    evaluate,
    evaluate_probabilities,
    fit_temperature,
    predict_probabilities,
    reliability_bins,
)
from helpers.experiments import records
from helpers.experiments.catalogue import Experiment
from helpers.experiments.predictions import save_predictions
from helpers.training import OneCycle, compile_model, train

# Copias conocidas de los datos, por la suma que calcula `load_dataset`: cada registro dice con cuál se entrenó.
KNOWN_COPIES = {
    "2ee450281920e0a0953ce8c27c53a31417a8e9687d4995afd0e910460ea0f9fe": (
        "copia JPEG de CIFAR-10: píxeles a 5.9 niveles de gris de los originales, de media"
    ),
}


def run(
    experiment: Experiment,
    seed: int,
    *,
    folder: Path = records.RESULTS,
    repeat: bool = False,
    alone: bool = False,
) -> dict:
    """Ejecuta una repetición y guarda su registro; si ya existe con la misma configuración, lo devuelve.

    Con `alone` el registro dice que la máquina no hacía otra cosa, así que sus segundos se pueden comparar: lo afirma
    quien ejecuta.

    Lanza:
        records.RecordError: si existe un registro de ese nombre con otra configuración y no se pidió `repeat`.
    """
    done = None if repeat else records.finished_record(experiment, seed, folder)
    if done is not None:
        return done
    print(f"{experiment.name}, semilla {seed}: {experiment.title}", flush=True)
    dataset = load_dataset(experiment.dataset)
    record, model = measure(experiment, seed, dataset)
    record["environment"]["shared"] = not alone
    if seed in experiment.keep_weights:
        # Una red sin compilar: la compilada guardaría también el estado de Adam, el triple de bytes.
        bare = build_network(experiment)
        bare.set_weights(model.get_weights())
        file = Path(folder) / f"{experiment.name}-s{seed}.weights.h5"
        file.parent.mkdir(parents=True, exist_ok=True)
        bare.save_weights(file)
        record["weights"] = {"file": file.name, "sha256": records.file_sha256(file)}
    if seed in experiment.keep_probabilities:
        record["probabilities"] = save_predictions(model, dataset.x_test, experiment.name, seed, folder)
    records.save_record(record, folder)
    return record


def build_network(experiment: Experiment) -> keras.Model:
    """La red del experimento, sin compilar y con la política numérica que haya puesta."""
    return getattr(models, experiment.builder)(**experiment.network)


def prepare(experiment: Experiment, seed: int, n_train: int) -> tuple[keras.Model, Callable | None]:
    """La red compilada, en la precisión con la que se entrena, y la función de aumento (o None).

    Argumentos:
        n_train: imágenes de entrenamiento; de ellas sale cuántos pasos dura el calendario de la tasa.
    """
    keras.utils.set_random_seed(seed)
    recipe = experiment.recipe
    if recipe is None:
        model = compile_model(build_network(experiment), learning_rate=experiment.learning_rate)
        augmentation = experiment.augmentation
        return model, to_augmenter(augmentation, seed=seed) if augmentation else None

    usual = keras.config.dtype_policy()
    keras.config.set_dtype_policy(recipe.precision)
    try:
        model = build_network(experiment)
    finally:
        keras.config.set_dtype_policy(usual)
    steps = experiment.epochs * math.ceil(n_train / experiment.batch_size)
    peak = experiment.learning_rate
    optimizer = keras.optimizers.SGD(
        OneCycle(peak, steps) if recipe.one_cycle else peak,
        momentum=recipe.momentum,
        nesterov=True,
        weight_decay=recipe.weight_decay or None,
    )
    if recipe.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    compile_model(model, optimizer=optimizer, label_smoothing=recipe.label_smoothing)
    augment = None if recipe.shift is None else to_flip_and_shift(recipe.shift, seed=seed)
    return model, augment


def measure(experiment: Experiment, seed: int, dataset: ImageDataset) -> tuple[dict, "keras.Model"]:
    """Entrena una repetición y la mide. La prueba se usa una vez, con los pesos de la mejor época.

    Devuelve:
        El registro, sin los pesos, y la red con los pesos de la mejor época.
    """
    model, augment = prepare(experiment, seed, len(dataset.x_train))
    chosen = "test" if experiment.validation == "test" else "val"
    x_val, y_val = getattr(dataset, f"x_{chosen}"), getattr(dataset, f"y_{chosen}")

    # Los pesos de la última época se copian antes de que `train` recupere los de la mejor.
    last_weights = []
    keep_last = keras.callbacks.LambdaCallback(
        on_train_end=lambda logs: last_weights.extend(model.get_weights())
    )
    wall, cpu = time.perf_counter(), time.process_time()
    result = train(
        model,
        dataset.x_train,
        dataset.y_train,
        validation_data=(x_val, y_val),
        batch_size=experiment.batch_size,
        epochs=experiment.epochs,
        seed=seed,
        augment=augment,
        reevaluate_train=experiment.reevaluate_train,
        callbacks=[keep_last],
    )
    seconds = {"wall": round(time.perf_counter() - wall, 1), "cpu": round(time.process_time() - cpu, 1)}

    best_weights = model.get_weights()
    if experiment.recipe is not None:
        # Se mide como se usará: en float32 y con la entropía cruzada de siempre.
        model = compile_model(build_network(experiment))
        model.set_weights(best_weights)
    names = dataset.class_names
    best = {
        "validation": part_report(model, x_val, y_val, names),
        "test": part_report(model, dataset.x_test, dataset.y_test, names),
    }
    model.set_weights(last_weights)
    last = {"validation": part_report(model, x_val, y_val, names)}
    model.set_weights(best_weights)

    record = {
        "schema": records.SCHEMA,
        "experiment": experiment.name,
        "seed": seed,
        "title": experiment.title,
        "config": experiment.config(),
        "data": {
            "name": dataset.name,
            "sha256": dataset.sha256,
            "source": dataset.source,
            "copy": KNOWN_COPIES.get(dataset.sha256, "tal como la publica su fuente"),
            "sizes": [len(dataset.y_train), len(dataset.y_val), len(dataset.y_test)],
        },
        "parameters": model.count_params(),
        "architecture": describe(model),
        "environment": environment(),
        "date": date.today().isoformat(),
        "seconds": seconds,
        "history": result.history,
        "best_epoch": result.best_epoch,
        "best": best,
        "last": last,
        "weights": None,
        "command": f"python -m helpers.experiments run {experiment.name} --seed {seed}",
    }
    return record, model


def part_report(model: keras.Model, x, y, class_names) -> dict:
    """Todo lo que un capítulo puede querer de una red sobre una parte de los datos.

    Además de las métricas: matriz de confusión, tramos de fiabilidad, confianza media, qué parte de los fallos
    lleva una confianza mayor que 0.99, y lo mismo tras dividir los logits por la temperatura que mejor ajusta
    esta parte (solo tiene sentido leerla en la de validación).
    """
    probabilities = predict_probabilities(model, x)
    report = evaluate(model, x, y, class_names)
    confidence, wrong = probabilities.max(axis=1), probabilities.argmax(axis=1) != y
    temperature = fit_temperature(probabilities, y)
    cooled = apply_temperature(probabilities, temperature)
    return {
        "n": report.n,
        "loss": float(report.loss),
        "accuracy": float(report.accuracy),
        "threshold": report.threshold,
        "micro_precision": float(report.micro_precision),
        "micro_recall": float(report.micro_recall),
        "macro_precision": float(report.macro_precision),
        "macro_recall": float(report.macro_recall),
        "macro_f1": float(report.macro_f1),
        "per_class": [
            {"name": c.name, "precision": float(c.precision), "recall": float(c.recall), "f1": float(c.f1)}
            for c in report.per_class
        ],
        "confusion_matrix": np.asarray(report.confusion_matrix).tolist(),
        "reliability": reliability(probabilities, y),
        "mean_confidence": float(confidence.mean()),
        "wrong_above_99": float((confidence[wrong] > 0.99).mean()) if wrong.any() else 0.0,
        "temperature": float(temperature),
        "cooled": {
            "loss": float(evaluate_probabilities(cooled, y, class_names).loss),
            "mean_confidence": float(cooled.max(axis=1).mean()),
            "reliability": reliability(cooled, y),
        },
    }


def reliability(probabilities, y) -> dict:
    """Tramos de fiabilidad como listas; un tramo sin imágenes guarda None."""
    bins = reliability_bins(probabilities, y)

    def numbers(values):
        return [None if not np.isfinite(v) else float(v) for v in values]

    return {
        "edges": numbers(bins.edges),
        "confidence": numbers(bins.confidence),
        "accuracy": numbers(bins.accuracy),
        "count": [int(c) for c in bins.count],
        "ece": float(bins.ece),
    }


def environment() -> dict:
    """Versiones y máquina, sin nada que identifique a quien ejecuta."""
    import tensorflow as tf

    return {
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "desconocido"
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "desconocido"
    )
