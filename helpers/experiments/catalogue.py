"""Qué experimentos hay. Cada uno es una configuración con nombre; las semillas son sus repeticiones."""

import itertools
from dataclasses import asdict, dataclass, field

from helpers.augmentation import AugmentationConfig


@dataclass(frozen=True)
class Experiment:
    """Configuración de un experimento.

    Argumentos:
        name: nombre en la línea de órdenes y en los archivos.
        title: qué mide, en una frase.
        dataset: nombre para `load_dataset`.
        seeds: semillas con las que se repite.
        network: argumentos de `build_cnn`; vacío es la red de la tarea.
        augmentation: aumento de datos de entrenamiento, o None.
        epochs, batch_size, learning_rate: del entrenamiento (Adam).
        reevaluate_train: medir también la pérdida de entrenamiento al final de cada época.
        keep_weights: semillas cuyos pesos (los de la mejor época) se guardan.
        keep_probabilities: semillas cuyas probabilidades en la prueba se guardan.
        validation: "val" usa la parte de validación; "test" repite a propósito el error de validar con la prueba.
    """

    name: str
    title: str
    dataset: str = "cifar10"
    seeds: tuple[int, ...] = (0, 1, 2)
    network: dict = field(default_factory=dict)
    augmentation: AugmentationConfig | None = None
    epochs: int = 30
    batch_size: int = 32
    learning_rate: float = 1e-3
    reevaluate_train: bool = False
    keep_weights: tuple[int, ...] = ()
    keep_probabilities: tuple[int, ...] = ()
    validation: str = "val"

    def config(self) -> dict:
        """La configuración que se guarda en el registro: todo menos el nombre, el título y las semillas."""
        apart = {"name", "title", "seeds", "keep_weights", "keep_probabilities"}
        return {k: v for k, v in asdict(self).items() if k not in apart}


HOMEWORK_AUGMENTATION = AugmentationConfig()

CATALOGUE = {
    experiment.name: experiment
    for experiment in (
        Experiment(
            "baseline",
            "La red de la tarea en CIFAR-10, 30 épocas.",
            reevaluate_train=True,
            keep_weights=(0,),
        ),
        Experiment(
            "baseline-fashion",
            "La red de la tarea en la muestra de Fashion-MNIST, 12 épocas.",
            dataset="fashion_mnist",
            seeds=(0, 1, 2, 3, 4),
            epochs=12,
            reevaluate_train=True,
            keep_weights=(0,),
            keep_probabilities=(0,),
        ),
        Experiment(
            "baseline-augmentation",
            "La red de la tarea en CIFAR-10 con el aumento de datos de la tarea, 30 épocas.",
            augmentation=HOMEWORK_AUGMENTATION,
        ),
        Experiment(
            "baseline-dropout",
            "La red de la tarea en CIFAR-10 con dropout 0.5, 30 épocas.",
            network={"dropout": 0.5},
        ),
        Experiment(
            "baseline-augmentation-dropout",
            "La red de la tarea en CIFAR-10 con aumento de datos y dropout 0.5, 30 épocas.",
            network={"dropout": 0.5},
            augmentation=HOMEWORK_AUGMENTATION,
        ),
    )
}


@dataclass(frozen=True)
class Grid:
    """Una rejilla de ejecuciones cortas que se guardan juntas en un solo archivo.

    Argumentos:
        name, title: como en `Experiment`.
        axes: valores de cada hiperparámetro; la rejilla son todas sus combinaciones, con semilla 0.
        default: la combinación que se repite con `extra_seeds`, para conocer la dispersión.
        epochs, batch_size: de cada ejecución.
    """

    name: str
    title: str
    axes: dict
    default: dict
    extra_seeds: tuple[int, ...]
    dataset: str = "fashion_mnist"
    epochs: int = 12
    batch_size: int = 32

    def runs(self) -> list[tuple[dict, int]]:
        """Todas las ejecuciones, como (hiperparámetros, semilla), en orden fijo."""
        points = [
            dict(zip(self.axes, values, strict=True)) for values in itertools.product(*self.axes.values())
        ]
        return [(point, 0) for point in points] + [(self.default, seed) for seed in self.extra_seeds]


GRID = Grid(
    "grid-fashion",
    "Tasa de aprendizaje, dropout, aumento de datos y filtros en la muestra de Fashion-MNIST.",
    axes={
        "learning_rate": (1e-4, 3e-4, 1e-3, 3e-3, 1e-2),
        "dropout": (0.0, 0.25, 0.5),
        "augmentation": (False, True),
        "filters": ((8, 16), (16, 32), (32, 64)),
    },
    default={"learning_rate": 1e-3, "dropout": 0.0, "augmentation": False, "filters": (32, 64)},
    extra_seeds=(1, 2, 3, 4, 5),
)


def find_experiment(name: str) -> "Experiment | Grid":
    """El experimento de ese nombre.

    Lanza:
        KeyError: con los nombres que existen.
    """
    known = {**CATALOGUE, GRID.name: GRID}
    if name not in known:
        raise KeyError(f"No hay ningún experimento «{name}». Existen: {', '.join(known)}.")
    return known[name]
