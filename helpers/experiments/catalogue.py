"""Qué experimentos hay. Cada uno es una configuración con nombre; las semillas son sus repeticiones."""

import itertools
from dataclasses import asdict, dataclass, field

from helpers.augmentation import AugmentationConfig


@dataclass(frozen=True)
class Recipe:
    """Cómo se entrena `compact`: descenso de gradiente con momento de Nesterov, y lo que lo acompaña.

    Argumentos:
        one_cycle: si la tasa sube hasta `learning_rate` y baja a cero (`OneCycle`); si no, es constante.
        momentum: del optimizador.
        weight_decay: decaimiento de los pesos de Keras, que se multiplica por la tasa en cada paso. No toca sesgos ni
            normalización. Con momento 0.9, 0.005 equivale a una penalización L2 de 0.0005.
        label_smoothing: suavizado de las etiquetas.
        shift: píxeles que se mueve cada imagen, como mucho, además del volteo; None es sin aumento de datos.
        precision: política numérica de Keras mientras entrena. Se mide siempre en float32.
    """

    one_cycle: bool = True
    momentum: float = 0.9
    weight_decay: float = 0.005
    label_smoothing: float = 0.1
    shift: int | None = 2
    precision: str = "mixed_bfloat16"


@dataclass(frozen=True)
class Experiment:
    """Configuración de un experimento.

    Argumentos:
        name: nombre en la línea de órdenes y en los archivos.
        title: qué mide, en una frase.
        dataset: nombre para `load_dataset`.
        seeds: semillas con las que se repite.
        builder: función de `helpers.models` que construye la red.
        network: sus argumentos; vacío, con `build_cnn`, es la red de la tarea.
        augmentation: aumento de datos de entrenamiento, o None.
        epochs, batch_size, learning_rate: del entrenamiento (Adam, si no hay receta).
        recipe: otra manera de entrenar, o None.
        reevaluate_train: medir también la pérdida de entrenamiento al final de cada época.
        keep_weights: semillas cuyos pesos (los de la mejor época) se guardan.
        keep_probabilities: semillas cuyas probabilidades en la prueba se guardan.
        validation: "val" usa la parte de validación; "test" repite a propósito el error de validar con la prueba.
    """

    name: str
    title: str
    dataset: str = "cifar10"
    seeds: tuple[int, ...] = (0, 1, 2)
    builder: str = "build_cnn"
    network: dict = field(default_factory=dict)
    augmentation: AugmentationConfig | None = None
    epochs: int = 30
    batch_size: int = 32
    learning_rate: float = 1e-3
    recipe: Recipe | None = None
    reevaluate_train: bool = False
    keep_weights: tuple[int, ...] = ()
    keep_probabilities: tuple[int, ...] = ()
    validation: str = "val"

    def config(self) -> dict:
        """La configuración que se guarda en el registro: todo menos el nombre, el título y las semillas.

        `builder` y `recipe` solo se anotan cuando no son los de la red de la tarea.
        """
        apart = {"name", "title", "seeds", "keep_weights", "keep_probabilities"}
        if self.builder == "build_cnn":
            apart.add("builder")
        if self.recipe is None:
            apart.add("recipe")
        return {k: v for k, v in asdict(self).items() if k not in apart}


HOMEWORK_AUGMENTATION = AugmentationConfig()


def _compact_short(
    suffix: str, title: str, seeds=(0,), network=None, learning_rate=0.2, **recipe
) -> Experiment:
    """`compact` en el tiempo de las 30 épocas de `baseline`, o lo mismo sin uno de sus ingredientes."""
    return Experiment(
        f"compact-short{suffix}",
        title,
        seeds=seeds,
        builder="build_compact_cnn",
        network=network or {},
        epochs=7,
        batch_size=128,
        learning_rate=learning_rate,
        recipe=Recipe(**recipe),
    )


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
        Experiment(
            "dense",
            "Una red densa, sin convoluciones, con los parámetros de la red de la tarea, 30 épocas.",
            builder="build_dense_network",
        ),
        Experiment(
            "baseline-fashion-chosen-on-test",
            "baseline-fashion eligiendo la época con el conjunto de prueba: lo que engaña hacerlo.",
            dataset="fashion_mnist",
            seeds=(0, 1, 2, 3, 4),
            epochs=12,
            validation="test",
        ),
        # 47 épocas de 12 pasos son los 564 pasos de tres épocas de 188. Su historial sirve también a épocas iguales.
        Experiment(
            "baseline-fashion-batch-512",
            "baseline-fashion con lotes de 512: en 47 épocas da los pasos que con lotes de 32 caben en tres.",
            dataset="fashion_mnist",
            epochs=47,
            batch_size=512,
        ),
        Experiment(
            "compact",
            "La red compacta en CIFAR-10, 45 épocas.",
            seeds=(0,),
            builder="build_compact_cnn",
            epochs=45,
            batch_size=128,
            learning_rate=0.2,
            recipe=Recipe(shift=4),
            keep_weights=(0,),
        ),
        Experiment(
            "baseline-timed",
            "La red de la tarea en CIFAR-10, 30 épocas sin medidas de más: el tiempo con que se compara compact-short.",
            seeds=(0,),
        ),
        _compact_short("", "La red compacta en el tiempo de baseline: 7 épocas.", seeds=(0, 1, 2)),
        _compact_short(
            "-without-batch-norm",
            "compact-short sin normalización por lotes (tasa máxima 0.02: con 0.2 diverge).",
            network={"batch_norm": False},
            learning_rate=0.02,
        ),
        _compact_short(
            "-without-one-cycle",
            "compact-short con tasa constante 0.05.",
            learning_rate=0.05,
            one_cycle=False,
        ),
        _compact_short("-without-augmentation", "compact-short sin aumento de datos.", shift=None),
        _compact_short(
            "-without-label-smoothing", "compact-short sin suavizado de etiquetas.", label_smoothing=0.0
        ),
        _compact_short("-without-weight-decay", "compact-short sin decaimiento de pesos.", weight_decay=0.0),
        _compact_short(
            "-without-max-head",
            "compact-short con la media de cada mapa final en lugar de su máximo.",
            network={"head": "average"},
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
