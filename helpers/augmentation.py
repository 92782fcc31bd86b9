"""Aumento de datos: los siete parámetros de la tarea y tres maneras fieles de aplicarlos.

Una sola configuración, `AugmentationConfig`, alimenta el generador heredado (`ImageDataGenerator`), las
capas actuales de Keras y `to_augmenter`, que compone las siete transformaciones y remuestrea el lote una sola
vez: es la que el libro usa para entrenar. Se comparan como matrices afines de 3×3 que llevan cada píxel de la
*salida* al punto de la *entrada* de donde toma su valor. Las coordenadas son (columna, fila, 1), en píxeles,
con el origen en el centro del píxel superior izquierdo.

Unidades, de uno a otro:

| parámetro            | configuración y generador       | capa actual                                   |
|----------------------|---------------------------------|-----------------------------------------------|
| `rotation_range`     | grados                          | `RandomRotation`: vueltas (grados / 360)      |
| `width_shift_range`  | fracción del ancho              | `RandomTranslation(width_factor)`: la misma   |
| `height_shift_range` | fracción del alto               | `RandomTranslation(height_factor)`: la misma  |
| `shear_range`        | grados                          | `RandomShear(x_factor)`: seno del ángulo      |
| `zoom_range`         | z: factores entre 1 − z y 1 + z | `RandomZoom(height_factor, width_factor)`: z  |
| `horizontal_flip`    | sí o no                         | `RandomFlip("horizontal")`                    |
| `fill_mode`          | modo de relleno                 | el mismo nombre en las cuatro capas afines    |

En qué las capas actuales no pueden ser fieles (las pruebas lo miden):

* `RandomShear` no fija el centro sino la esquina superior izquierda: además de cizallar, desplaza la imagen;
  y no multiplica las filas por el coseno del ángulo, como hace el generador (a 0.2°, seis millonésimas).
* El generador compone una matriz y remuestrea una vez; las capas remuestrean cada una, hasta cuatro veces, y
  cada remuestreo emborrona y rellena bordes.
* `RandomTranslation` cuenta el desplazamiento con el signo contrario (como el sorteo es simétrico, no se
  nota).
* `RandomZoom` con un solo factor conserva la proporción: hay que darle los dos para que x e y se sorteen
  aparte.
* El orden de las capas importa: giro, desplazamiento, cizallamiento, ampliación y volteo dan la composición
  del generador.
* `fill_mode="wrap"` repite la imagen con periodo n − 1 en el generador y n en las capas; con `"constant"` el
  generador corta en el borde y las capas funden el último píxel con el valor de relleno.

Y dos defectos del generador heredado (Keras 3.12 a 3.15): al sortear cruza los ejes, de modo que
`width_shift_range` mueve la imagen en vertical (lo corrige `to_image_data_generator`); y si la imagen no es
cuadrada, cruza también las coordenadas del centro, así que gira alrededor de otro punto (`affine_matrix` lo
reproduce tal cual).

Este módulo se importa sin TensorFlow: solo las funciones `to_…` cargan Keras, y ninguna toca el azar global
(el generador heredado sí, cuando se usa).
"""

from __future__ import annotations

import importlib.util
import math
from dataclasses import dataclass, fields
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import keras
    import tensorflow as tf
    from numpy.typing import ArrayLike

__all__ = [
    "FILL_MODES",
    "AffineParameters",
    "AugmentationConfig",
    "ClassModeSettings",
    "affine_matrix",
    "augment_batch",
    "class_mode_settings",
    "displacement",
    "keras_layer_matrices",
    "keras_layers_matrix",
    "sample_parameters",
    "to_augmenter",
    "to_flip_and_shift",
    "to_image_data_generator",
    "to_keras_layers",
    "transform_images",
]

FILL_MODES = ("nearest", "constant", "reflect", "wrap")


@dataclass(frozen=True)
class _Limit:
    """Máximo de un parámetro y el consejo para quien se pasa, que casi siempre confundió la unidad."""

    maximum: float
    unit: str
    remedy: str
    closed: bool = False


_LIMITS = {
    "rotation_range": _Limit(180.0, "grados", "Más de 180° repite giros menores: pon 180.", closed=True),
    "width_shift_range": _Limit(1.0, "fracción del ancho", "Para mover hasta un 20 % del ancho: 0.2."),
    "height_shift_range": _Limit(1.0, "fracción del alto", "Para mover hasta un 20 % del alto: 0.2."),
    "shear_range": _Limit(90.0, "grados", "A 90° la imagen se aplasta en una línea: usa un ángulo menor."),
    "zoom_range": _Limit(1.0, "variación de la escala", "Para ampliar o reducir hasta un 20 %: 0.2."),
}


@dataclass(frozen=True)
class AugmentationConfig:
    """Los siete parámetros de aumento de la tarea; los valores por omisión son los suyos.

    Cada imagen recibe valores sorteados de manera uniforme e independiente dentro de estos límites.

    Atributos:
        rotation_range: giro máximo, en grados, en los dos sentidos (0 a 180).
        width_shift_range: desplazamiento horizontal máximo, como fracción del ancho (0 ≤ w < 1).
        height_shift_range: desplazamiento vertical máximo, como fracción del alto (0 ≤ h < 1).
        shear_range: ángulo máximo de cizallamiento, en **grados** (0 ≤ s < 90): 0.2 no es un 20 %.
        zoom_range: z; los factores horizontal y vertical se sortean aparte entre 1 − z y 1 + z (0 ≤ z < 1).
            Un factor mayor que 1 aleja: abarca más entrada en la misma salida.
        horizontal_flip: si la mitad de las imágenes se refleja de izquierda a derecha.
        fill_mode: con qué se rellena lo que queda fuera: "nearest", "constant" (ceros), "reflect" o "wrap".

    Lanza:
        TypeError: si un valor no es del tipo esperado.
        ValueError: si un número se sale de su intervalo o el modo de relleno no existe.
    """

    rotation_range: float = 20.0
    width_shift_range: float = 0.2
    height_shift_range: float = 0.2
    shear_range: float = 0.2
    zoom_range: float = 0.2
    horizontal_flip: bool = True
    fill_mode: str = "nearest"

    def __post_init__(self) -> None:
        """Comprueba tipos e intervalos y dice qué unidad se esperaba."""
        for name, limit in _LIMITS.items():
            value = getattr(self, name)
            if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
                raise TypeError(f"{name} es un solo número ({limit.unit}); se recibió {value!r}.")
            value = float(value)
            if not math.isfinite(value):
                raise ValueError(f"{name} es un número finito ({limit.unit}); se recibió {value!r}.")
            if value < 0:
                raise ValueError(
                    f"{name}={value!r} es negativo, y es un máximo ({limit.unit}) en los dos sentidos: "
                    "quita el signo."
                )
            if value > limit.maximum or (value == limit.maximum and not limit.closed):
                bracket = "]" if limit.closed else ")"
                raise ValueError(
                    f"{name}={value!r} se sale del intervalo [0, {limit.maximum:g}{bracket}; "
                    f"su unidad es: {limit.unit}. {limit.remedy}"
                )
            # Keras solo reconoce los números de Python, no los de NumPy.
            object.__setattr__(self, name, value)
        if not isinstance(self.horizontal_flip, (bool, np.bool_)):
            raise TypeError(f"horizontal_flip es True o False; se recibió {self.horizontal_flip!r}.")
        object.__setattr__(self, "horizontal_flip", bool(self.horizontal_flip))
        _check_fill_mode(self.fill_mode)

    @property
    def is_geometric(self) -> bool:
        """Si hay algo que remuestrear (giro, desplazamiento, cizallamiento o ampliación)."""
        return any(getattr(self, name) > 0 for name in _LIMITS)


@dataclass(frozen=True)
class AffineParameters:
    """Lo que se aplica a una imagen concreta, con los nombres y signos del generador heredado.

    Atributos:
        theta: giro, en grados; positivo gira el contenido en sentido antihorario.
        tx: desplazamiento del punto de lectura en columnas (píxeles): positivo mueve el contenido a la
            izquierda.
        ty: lo mismo en filas: positivo mueve el contenido hacia arriba.
        shear: ángulo de cizallamiento, en grados.
        zx: factor horizontal; mayor que 1 aleja.
        zy: factor vertical; mayor que 1 aleja.
        flip: si se refleja de izquierda a derecha.

    Los valores por omisión dejan la imagen como está.
    """

    theta: float = 0.0
    tx: float = 0.0
    ty: float = 0.0
    shear: float = 0.0
    zx: float = 1.0
    zy: float = 1.0
    flip: bool = False


def sample_parameters(
    config: AugmentationConfig, rng: np.random.Generator, height: int, width: int
) -> AffineParameters:
    """Sortea los parámetros de una imagen, con las mismas distribuciones que `to_image_data_generator`.

    Argumentos:
        config: límites de cada parámetro.
        rng: generador de NumPy (`np.random.default_rng(semilla)`); es el único azar que se usa.
        height: alto de la imagen, en píxeles.
        width: ancho de la imagen, en píxeles.

    Devuelve:
        Los parámetros, con los desplazamientos ya en píxeles.
    """
    return AffineParameters(
        theta=float(rng.uniform(-config.rotation_range, config.rotation_range)),
        tx=float(rng.uniform(-config.width_shift_range, config.width_shift_range)) * width,
        ty=float(rng.uniform(-config.height_shift_range, config.height_shift_range)) * height,
        shear=float(rng.uniform(-config.shear_range, config.shear_range)),
        zx=float(rng.uniform(1 - config.zoom_range, 1 + config.zoom_range)),
        zy=float(rng.uniform(1 - config.zoom_range, 1 + config.zoom_range)),
        # Se sortea siempre, para que activar el volteo no cambie los demás valores de la misma semilla.
        flip=bool(rng.random() < 0.5) and config.horizontal_flip,
    )


def affine_matrix(params: AffineParameters, height: int, width: int) -> np.ndarray:
    """Matriz que compone el generador heredado: de píxeles de salida a píxeles de entrada.

    Es C · giro · desplazamiento · cizallamiento · ampliación · C⁻¹ · volteo, donde C lleva el origen al
    centro. Se remuestrea una sola vez con ella. En imágenes no cuadradas el generador toma (alto/2 − ½,
    ancho/2 − ½) como (columna, fila) del centro, con los lados cruzados; aquí se reproduce.

    Argumentos:
        params: valores concretos.
        height: alto de la imagen, en píxeles.
        width: ancho de la imagen, en píxeles.

    Devuelve:
        Matriz float64 de 3×3 sobre coordenadas (columna, fila, 1).

    Fuente:
        `apply_affine_transform` y `apply_transform` de `keras/src/legacy/preprocessing/image.py` (Keras 3.12
        a 3.15).
    """
    shear = math.radians(params.shear)
    matrix = (
        _rotation(params.theta)
        @ _translation(params.tx, params.ty)
        @ np.array([[1.0, -math.sin(shear), 0.0], [0.0, math.cos(shear), 0.0], [0.0, 0.0, 1.0]])
        @ np.diag([params.zx, params.zy, 1.0])
    )
    # Los lados van cruzados a propósito: así los usa el generador heredado.
    matrix = _about((height - 1) / 2, (width - 1) / 2, matrix)
    return matrix @ _flip(width) if params.flip else matrix


def keras_layer_matrices(params: AffineParameters, height: int, width: int) -> dict[str, np.ndarray]:
    """Matriz de cada capa actual de Keras para los mismos parámetros, en el orden de `to_keras_layers`.

    Traduce los parámetros como lo hacen las capas: el desplazamiento con signo contrario (y su matriz lo
    vuelve a cambiar) y el cizallamiento como tangente x_factor = −sen(ángulo), alrededor de la esquina
    superior izquierda.

    Argumentos:
        params: valores concretos, con los signos del generador.
        height: alto de la imagen, en píxeles.
        width: ancho de la imagen, en píxeles.

    Devuelve:
        Diccionario de nombre de capa a matriz float64 de 3×3 (salida → entrada, coordenadas (columna, fila,
        1)).

    Fuente:
        `random_rotation.py`, `random_translation.py`, `random_shear.py`, `random_zoom.py` y `random_flip.py`
        de `keras/src/layers/preprocessing/image_preprocessing/` (Keras 3.12 a 3.15).
    """
    center = ((width - 1) / 2, (height - 1) / 2)
    shear_factor = -math.sin(math.radians(params.shear))
    return {
        "RandomRotation": _about(*center, _rotation(params.theta)),
        "RandomTranslation": _translation(params.tx, params.ty),
        "RandomShear": np.array([[1.0, shear_factor, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
        "RandomZoom": _about(*center, np.diag([params.zx, params.zy, 1.0])),
        "RandomFlip": _flip(width) if params.flip else np.eye(3),
    }


def keras_layers_matrix(params: AffineParameters, height: int, width: int) -> np.ndarray:
    """Composición de las matrices de las capas actuales: lo que harían si remuestrearan una sola vez.

    La primera capa es la que lee la imagen original, así que su matriz queda a la izquierda del producto.
    En imágenes cuadradas solo se distingue de `affine_matrix` por el cizallamiento.

    Argumentos:
        params: valores concretos, con los signos del generador.
        height: alto de la imagen, en píxeles.
        width: ancho de la imagen, en píxeles.

    Devuelve:
        Matriz float64 de 3×3 (salida → entrada).
    """
    matrix = np.eye(3)
    for layer_matrix in keras_layer_matrices(params, height, width).values():
        matrix = matrix @ layer_matrix
    return matrix


def displacement(
    matrix: ArrayLike, height: int, width: int, *, reference: ArrayLike | None = None
) -> np.ndarray:
    """Cuántos píxeles separa una matriz de otra el punto que lee cada píxel de salida.

    Argumentos:
        matrix: matriz 3×3 (salida → entrada).
        height: alto de la imagen, en píxeles.
        width: ancho de la imagen, en píxeles.
        reference: la otra matriz; sin ella, la identidad (cuánto se mueve cada píxel).

    Devuelve:
        float64 (alto, ancho): distancia en píxeles.
    """
    other = np.eye(3) if reference is None else np.asarray(reference, dtype=np.float64)
    points = _pixel_grid(height, width)
    moved = (np.asarray(matrix, dtype=np.float64) - other) @ points
    return np.hypot(moved[0], moved[1]).reshape(height, width)


def transform_images(
    x: np.ndarray, matrices: ArrayLike, fill_mode: str = "nearest", fill_value: float = 0.0
) -> np.ndarray:
    """Remuestrea imágenes con interpolación bilineal: cada píxel de salida lee el punto que dice su matriz.

    Es lo que hace el generador heredado con `interpolation_order=1`, en NumPy y por lotes.

    Argumentos:
        x: imágenes (N, alto, ancho, canales), o una sola (alto, ancho, canales); uint8 o de coma flotante.
        matrices: una matriz 3×3 para todas o un arreglo (N, 3, 3), de salida a entrada.
        fill_mode: qué se lee fuera de la imagen: "nearest", "constant", "reflect" o "wrap".
        fill_value: valor con `fill_mode="constant"`, en las unidades de `x`.

    Devuelve:
        Arreglo nuevo con la forma y el tipo de `x` (los enteros, redondeados).

    Lanza:
        ValueError: si la forma de `x` o de `matrices` no es la esperada, o el modo de relleno no existe.
    """
    _check_fill_mode(fill_mode)
    x = np.asarray(x)
    if x.ndim == 3:
        return transform_images(x[np.newaxis], matrices, fill_mode, fill_value)[0]
    if x.ndim != 4:
        raise ValueError(
            "Se esperaban imágenes (N, alto, ancho, canales) o (alto, ancho, canales); "
            f"x tiene forma {x.shape}."
        )
    count, height, width, channels = x.shape
    matrices = np.asarray(matrices, dtype=np.float64)
    if matrices.shape not in {(3, 3), (count, 3, 3)}:
        raise ValueError(
            f"Se esperaba una matriz (3, 3) o una por imagen, ({count}, 3, 3); "
            f"matrices tiene forma {matrices.shape}."
        )
    matrices = np.broadcast_to(matrices, (count, 3, 3))

    source = matrices @ _pixel_grid(height, width)
    columns, inside_columns = _fold_coordinates(source[:, 0], width, fill_mode)
    rows, inside_rows = _fold_coordinates(source[:, 1], height, fill_mode)

    left = np.floor(columns).astype(np.int64)
    top = np.floor(rows).astype(np.int64)
    column_weight = (columns - left)[..., np.newaxis]
    row_weight = (rows - top)[..., np.newaxis]
    # Con "reflect" una coordenada plegada puede quedar hasta medio píxel fuera: el vecino que falta es el
    # borde.
    left, right = np.clip(left, 0, width - 1), np.clip(left + 1, 0, width - 1)
    top, bottom = np.clip(top, 0, height - 1), np.clip(top + 1, 0, height - 1)

    image = np.arange(count)[:, np.newaxis]
    upper = x[image, top, left] * (1 - column_weight) + x[image, top, right] * column_weight
    lower = x[image, bottom, left] * (1 - column_weight) + x[image, bottom, right] * column_weight
    values = upper * (1 - row_weight) + lower * row_weight
    if fill_mode == "constant":
        values = np.where((inside_columns & inside_rows)[..., np.newaxis], values, fill_value)
    values = values.reshape(count, height, width, channels)
    if np.issubdtype(x.dtype, np.integer):
        limits = np.iinfo(x.dtype)
        values = np.clip(np.rint(values), limits.min, limits.max)
    return values.astype(x.dtype)


def augment_batch(x: np.ndarray, config: AugmentationConfig, seed: int) -> np.ndarray:
    """Aumenta un lote como lo haría el generador heredado; para figuras y vistas previas.

    Argumentos:
        x: imágenes (N, alto, ancho, canales), uint8 o de coma flotante.
        config: parámetros del aumento.
        seed: semilla; la misma da las mismas imágenes, y el azar global no se toca.

    Devuelve:
        Arreglo nuevo con la forma y el tipo de `x`.

    Lanza:
        ValueError: si `x` no es un lote de imágenes.
    """
    x = np.asarray(x)
    if x.ndim != 4:
        raise ValueError(f"Se esperaba un lote (N, alto, ancho, canales); x tiene forma {x.shape}.")
    rng = np.random.default_rng(seed)
    height, width = x.shape[1:3]
    drawn = [sample_parameters(config, rng, height, width) for _ in range(len(x))]
    matrices = [affine_matrix(params, height, width) for params in drawn]
    return transform_images(x, np.reshape(matrices, (len(x), 3, 3)), config.fill_mode)


def to_image_data_generator(config: AugmentationConfig, *, rescale: float | None = None):
    """El generador heredado de Keras con esta configuración.

    Es `ImageDataGenerator` con una corrección: el original cruza los ejes al sortear y `width_shift_range`
    mueve la imagen en vertical. Con los dos desplazamientos iguales, como en la tarea, no se nota.

    El generador usa el azar global de NumPy, y `flow(..., seed=s)` lo vuelve a sembrar en cada lote: es así
    en Keras.

    Argumentos:
        config: parámetros del aumento.
        rescale: factor que multiplica los píxeles *después* de transformarlos. Usa 1/255 si la red se entrena
            con valores entre 0 y 1; sin él, el generador entrega valores entre 0 y 255.

    Devuelve:
        Un `ImageDataGenerator` con `flow`, `flow_from_directory` y lo demás.

    Lanza:
        ModuleNotFoundError: si falta scipy, que Keras usa para transformar y no instala, o si falta Keras.

    Fuente:
        keras-team/keras, incidencia 17398 (ejes cruzados).
    """
    # El cizallamiento y el giro fallarían a mitad del entrenamiento, dentro de Keras y en inglés: mejor aquí.
    if config.is_geometric and importlib.util.find_spec("scipy") is None:
        raise ModuleNotFoundError(
            "Falta el paquete «scipy». ImageDataGenerator lo necesita para girar, desplazar, cizallar y "
            "ampliar, y Keras no lo instala. Instálalo con: pip install scipy "
            "(o pip install -r requirements.txt).",
            name="scipy",
        )
    generator_class = _legacy_generator_class()

    class AxisAwareImageDataGenerator(generator_class):
        """`ImageDataGenerator` cuyo desplazamiento de ancho es horizontal."""

        def get_random_transform(self, img_shape, seed=None):
            """Sortea como el original y descruza los desplazamientos."""
            transform = super().get_random_transform(img_shape, seed)
            # El original guarda en "ty" el sorteo de ancho × ancho y en "tx" el de alto × alto; pero al
            # aplicarlos "tx" mueve columnas y "ty", filas.
            transform["tx"], transform["ty"] = transform["ty"], transform["tx"]
            return transform

    return AxisAwareImageDataGenerator(
        **{field.name: getattr(config, field.name) for field in fields(config)}, rescale=rescale
    )


def to_keras_layers(config: AugmentationConfig, *, seed: int | None = None) -> keras.Sequential:
    """Las capas actuales de Keras con esta configuración y las unidades convertidas.

    Solo entran las capas que hacen algo, en el orden que da la composición del generador. Aceptan lotes de
    cualquier tamaño de imagen y conservan el intervalo de valores. Transforman con `training=True` (o
    llamadas solas) y dejan la imagen como está con `training=False`: validación y prueba no se aumentan.

    Argumentos:
        config: parámetros del aumento.
        seed: semilla; cada capa recibe una propia derivada de ella. Con la misma semilla y en la misma
            máquina, la sucesión de lotes se repite. Sin ella, cada ejecución sortea otra cosa.

    Devuelve:
        `keras.Sequential` llamada "aumento".

    Lanza:
        ModuleNotFoundError: si falta Keras o TensorFlow.
    """
    from helpers._keras import keras

    # Una semilla por capa: con la misma, el giro y el desplazamiento saldrían del mismo número y caminarían
    # juntos.
    seeds = [None] * 5 if seed is None else [int(s) for s in np.random.SeedSequence(seed).generate_state(5)]
    fill = config.fill_mode
    layers = []
    if config.rotation_range:
        layers.append(keras.layers.RandomRotation(config.rotation_range / 360, fill_mode=fill, seed=seeds[0]))
    if config.width_shift_range or config.height_shift_range:
        layers.append(
            keras.layers.RandomTranslation(
                height_factor=config.height_shift_range,
                width_factor=config.width_shift_range,
                fill_mode=fill,
                seed=seeds[1],
            )
        )
    if config.shear_range:
        # La capa sortea entre los dos valores y luego el signo.
        factor = math.sin(math.radians(config.shear_range))
        layers.append(keras.layers.RandomShear(x_factor=(0.0, factor), fill_mode=fill, seed=seeds[2]))
    if config.zoom_range:
        # Con width_factor=None la capa copiaría el factor vertical.
        layers.append(
            keras.layers.RandomZoom(
                height_factor=config.zoom_range,
                width_factor=config.zoom_range,
                fill_mode=fill,
                seed=seeds[3],
            )
        )
    if config.horizontal_flip:
        layers.append(keras.layers.RandomFlip("horizontal", seed=seeds[4]))
    return keras.Sequential(layers or [keras.layers.Identity()], name="aumento")


def to_augmenter(config: AugmentationConfig, *, seed: int | None = None) -> Callable[[tf.Tensor], tf.Tensor]:
    """Función que aumenta un lote con una sola transformación por imagen, para `make_batches` y `train`.

    Sortea lo mismo que el generador, compone los siete parámetros en una matriz por imagen y remuestrea el lote
    entero con una operación de TensorFlow: emborrona una vez, como el generador, y no cuatro, como las capas. En
    imágenes cuadradas la matriz es la de `affine_matrix`; en las demás el centro es el de verdad. El modo "wrap"
    repite la imagen cada n píxeles, como las capas.

    Argumentos:
        config: parámetros del aumento.
        seed: semilla. Con la misma y en la misma máquina se repite la sucesión de lotes; sin ella, cada ejecución
            sortea otra cosa. El azar global no se toca.

    Devuelve:
        Función de un lote float32 (N, alto, ancho, canales) en otro igual.

    Lanza:
        ModuleNotFoundError: si falta TensorFlow.
    """
    from helpers._keras import keras  # noqa: F401  (dice en español que falta TensorFlow)

    import tensorflow as tf  # isort: skip

    with tf.device("/CPU:0"):  # donde se preparan los lotes
        random = (
            tf.random.Generator.from_non_deterministic_state()
            if seed is None
            else tf.random.Generator.from_seed(seed)
        )

    def augment(x):
        count, height, width = tf.shape(x)[0], x.shape[1], x.shape[2]
        *draws, coin = tf.unstack(random.uniform([7, count], -1.0, 1.0))
        theta, tx, ty, shear, zx, zy = (
            limit * draw
            for limit, draw in zip(
                (
                    math.radians(config.rotation_range),
                    config.width_shift_range * width,
                    config.height_shift_range * height,
                    math.radians(config.shear_range),
                    config.zoom_range,
                    config.zoom_range,
                ),
                draws,
                strict=True,
            )
        )
        flip = tf.where(coin < 0, -1.0, 1.0) if config.horizontal_flip else tf.ones([count])
        return _resample(tf, x, (theta, tx, ty, shear, 1 + zx, 1 + zy, flip), config.fill_mode)

    return augment


def to_flip_and_shift(
    pixels: int, *, seed: int | None = None, shape: tuple[int, int, int] = (32, 32, 3)
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Función que voltea la mitad de las imágenes y mueve cada una un número entero de píxeles.

    Al mover píxeles enteros no hay que interpolar: la imagen no se emborrona. Lo que entra por el borde es el
    reflejo de la propia imagen.

    Argumentos:
        pixels: desplazamiento máximo, en píxeles, en los dos ejes y los dos sentidos.
        seed: semilla, como en `to_augmenter`.
        shape: forma de una imagen (alto, ancho, canales).

    Devuelve:
        Función de un lote float32 (N, alto, ancho, canales) en otro igual.

    Lanza:
        ValueError: si el desplazamiento no cabe en la imagen.
        ModuleNotFoundError: si falta TensorFlow.
    """
    height, width, _ = shape
    if not 0 <= pixels < min(height, width):
        raise ValueError(
            f"pixels va de 0 a {min(height, width) - 1} en imágenes de {height}×{width}; es {pixels!r}."
        )
    from helpers._keras import keras  # noqa: F401  (dice en español que falta TensorFlow)

    import tensorflow as tf  # isort: skip

    with tf.device("/CPU:0"):  # donde se preparan los lotes
        random = (
            tf.random.Generator.from_non_deterministic_state()
            if seed is None
            else tf.random.Generator.from_seed(seed)
        )

    def augment(x):
        count = tf.shape(x)[0]
        rows, columns = (
            random.uniform([count, 1], 0, 2 * pixels + 1, tf.int32) + tf.range(side)[None]
            for side in (height, width)
        )
        x = tf.pad(x, [[0, 0], [pixels, pixels], [pixels, pixels], [0, 0]], "REFLECT")
        x = tf.gather(tf.gather(x, rows, axis=1, batch_dims=1), columns, axis=2, batch_dims=1)
        x = tf.ensure_shape(x, [None, *shape])
        return tf.where(random.uniform([count, 1, 1, 1]) < 0.5, x[:, :, ::-1], x)

    return augment


def _resample(tf, x, parameters, fill_mode: str):
    """Aplica a cada imagen la composición de sus parámetros (tensores (N,); ángulos en radianes, `flip` ±1)."""
    theta, tx, ty, shear, zx, zy, flip = parameters
    height, width = x.shape[1], x.shape[2]
    cosine, sine = tf.cos(theta), tf.sin(theta)
    # Giro · cizallamiento · ampliación · volteo, como en `affine_matrix`. Reflejar alrededor del centro es
    # cambiar de signo la primera columna.
    a, b = flip * zx * cosine, zy * (-cosine * tf.sin(shear) - sine * tf.cos(shear))
    c, d = flip * zx * sine, zy * (-sine * tf.sin(shear) + cosine * tf.cos(shear))
    column, row = (width - 1) / 2, (height - 1) / 2
    columns = column + cosine * tx - sine * ty - (a * column + b * row)
    rows = row + sine * tx + cosine * ty - (c * column + d * row)
    zero = tf.zeros_like(a)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=x,
        transforms=tf.stack([a, b, columns, c, d, rows, zero, zero], axis=1),
        output_shape=[height, width],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode=fill_mode.upper(),
    )


@dataclass(frozen=True)
class ClassModeSettings:
    """Lo que tiene que ir junto según `class_mode`.

    Atributos:
        class_mode: valor del argumento de `flow_from_directory`.
        label_shape: forma de las etiquetas de un lote, con N imágenes, como texto.
        loss: pérdida de Keras que espera esas etiquetas.
        units: unidades de la última capa.
        activation: activación de la última capa.
    """

    class_mode: str
    label_shape: str
    loss: str
    units: int
    activation: str


def class_mode_settings(class_mode: str, num_classes: int) -> ClassModeSettings:
    """Qué etiquetas entrega `flow_from_directory` y qué pérdida y última capa les corresponden.

    Keras no comprueba que los tres casen: con `class_mode="binary"` y diez carpetas entrega 0, 1, …, 9 sin
    quejarse.

    Argumentos:
        class_mode: "categorical", "sparse" o "binary".
        num_classes: número de carpetas (clases).

    Devuelve:
        El conjunto coherente.

    Lanza:
        ValueError: si el modo no existe, si hay menos de dos clases o si "binary" no tiene exactamente dos.
    """
    if num_classes < 2:
        raise ValueError(f"Hacen falta al menos dos clases y hay {num_classes}: revisa las carpetas.")
    if class_mode == "categorical":
        return ClassModeSettings(
            class_mode, f"(N, {num_classes})", "categorical_crossentropy", num_classes, "softmax"
        )
    if class_mode == "sparse":
        loss = "sparse_categorical_crossentropy"
        return ClassModeSettings(class_mode, "(N,)", loss, num_classes, "softmax")
    if class_mode == "binary":
        if num_classes != 2:
            raise ValueError(
                f'class_mode="binary" es para dos clases y hay {num_classes}: '
                'usa "categorical" (one-hot) o "sparse".'
            )
        return ClassModeSettings(class_mode, "(N,)", "binary_crossentropy", 1, "sigmoid")
    raise ValueError(f'class_mode={class_mode!r} no existe: elige "categorical", "sparse" o "binary".')


def _check_fill_mode(fill_mode: object) -> None:
    if fill_mode not in FILL_MODES:
        known = ", ".join(f'"{mode}"' for mode in FILL_MODES)
        raise ValueError(f"fill_mode={fill_mode!r} no existe: elige uno de {known}.")


def _legacy_generator_class():
    """La clase heredada; Keras 3 solo la ofrece con el nombre antiguo de TensorFlow."""
    from helpers._keras import keras  # noqa: F401  (si falta, su error es más claro)

    try:
        from tensorflow.keras.preprocessing.image import ImageDataGenerator
    except ImportError:
        from keras.src.legacy.preprocessing.image import ImageDataGenerator
    return ImageDataGenerator


def _rotation(degrees: float) -> np.ndarray:
    angle = math.radians(degrees)
    cosine, sine = math.cos(angle), math.sin(angle)
    return np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])


def _translation(columns: float, rows: float) -> np.ndarray:
    return np.array([[1.0, 0.0, columns], [0.0, 1.0, rows], [0.0, 0.0, 1.0]])


def _flip(width: int) -> np.ndarray:
    return np.array([[-1.0, 0.0, width - 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])


def _about(column: float, row: float, matrix: np.ndarray) -> np.ndarray:
    """La misma transformación con el punto fijo en (columna, fila) en vez de en el origen."""
    return _translation(column, row) @ matrix @ _translation(-column, -row)


def _pixel_grid(height: int, width: int) -> np.ndarray:
    """Coordenadas homogéneas (3, alto × ancho) de todos los píxeles, por filas."""
    rows, columns = np.divmod(np.arange(height * width), width)
    return np.stack([columns, rows, np.ones_like(rows)]).astype(np.float64)


def _fold_coordinates(values: np.ndarray, size: int, fill_mode: str) -> tuple[np.ndarray, np.ndarray]:
    """Devuelve las coordenadas llevadas dentro de [0, size) según el modo, y cuáles estaban ya dentro.

    Fuente: modos de `scipy.ndimage.affine_transform`, que es lo que usa el generador heredado; "wrap" tiene
        ahí
    periodo size − 1.
    """
    last = size - 1
    inside = (values >= 0) & (values <= last)
    if fill_mode == "reflect":
        period = np.mod(values + 0.5, 2 * size)
        return np.minimum(period, 2 * size - period) - 0.5, inside
    if fill_mode == "wrap" and last > 0:
        return np.where(inside, values, np.mod(values, last)), inside
    return np.clip(values, 0, last), inside
