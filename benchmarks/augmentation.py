"""Imágenes por segundo al aumentar, y lo que añade a entrenar."""

import numpy as np

from benchmarks.table import Figure, Measured
from benchmarks.timing import best_quarter, interleaved, ratio

N_IMAGES, BATCH = 2048, 32
FIGURES = (
    Figure("generator", "aumentar con ImageDataGenerator", "imágenes/s", decimals=0),
    Figure("layers", "aumentar con las capas de Keras", "imágenes/s", decimals=0),
    Figure("ours", "aumentar con helpers.augmentation", "imágenes/s", decimals=0),
    Figure("over_generator", "helpers.augmentation frente a ImageDataGenerator", "×", 3, 10, more_is_better=True),
    Figure("training", "una época con aumento frente a una sin él", "×", 1.25, decimals=2),
)  # fmt: skip


def measure() -> dict[str, Measured]:
    """Mide las tres formas de aumentar los mismos lotes, por turnos, y después una época con y sin aumento."""
    from helpers._keras import keras
    from helpers.augmentation import (
        AugmentationConfig,
        to_augmenter,
        to_image_data_generator,
        to_keras_layers,
    )
    from helpers.data import load_dataset, make_batches
    from helpers.models import build_cnn
    from helpers.training import compile_model, train

    data, config = load_dataset(), AugmentationConfig()
    x = data.x_train[:N_IMAGES]
    floats = x / np.float32(255)
    generator = to_image_data_generator(config).flow(floats, batch_size=BATCH, shuffle=False)
    layers, augmenter = to_keras_layers(config, seed=0), to_augmenter(config, seed=0)
    by_layers = make_batches(x, batch_size=BATCH, augment=lambda batch: layers(batch, training=True))
    by_us = make_batches(x, batch_size=BATCH, augment=augmenter)

    def read(batches):
        for _ in batches:
            pass

    times = interleaved(
        {
            "generator": lambda: [generator[i] for i in range(len(generator))],
            "layers": lambda: read(by_layers),
            "ours": lambda: read(by_us),
        },
        rounds=5,
    )
    speeds = {name: Measured(N_IMAGES / best_quarter(values)) for name, values in times.items()}

    keras.utils.set_random_seed(0)
    models = {name: compile_model(build_cnn()) for name in ("plain", "augmented")}
    x, y = data.x_train, data.y_train  # enteras: con pocas imágenes pesaría lo que cuesta montar los lotes
    options = {"batch_size": BATCH, "epochs": 1, "keep_best": False, "verbose": False}
    epochs = interleaved(
        {
            "plain": lambda: train(models["plain"], x, y, **options),
            "augmented": lambda: train(models["augmented"], x, y, augment=augmenter, **options),
        },
        rounds=8,
    )
    return {
        **speeds,
        "over_generator": Measured(ratio(times, "generator", "ours")),
        "training": Measured(ratio(epochs, "augmented", "plain")),
    }
