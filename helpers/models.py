"""La red de la tarea y las cuentas que se pueden hacer sobre ella sin entrenarla.

`build_cnn` construye la red convolucional del libro; con sus valores por omisión es, exactamente, la de la
tarea (315 722 parámetros). `build_compact_cnn` y `build_dense_network` construyen las dos redes con que se compara.
`describe_layers` cuenta, capa por capa, la forma de la salida, los parámetros, las
multiplicaciones y el campo receptivo, y `layers_table` lo escribe como tabla. `layer_activations` da lo que sale
de cada capa y `unused_input_mask` dice qué píxeles de la entrada no pueden influir en la salida.
"""

import math
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from helpers._keras import keras
from helpers.formats import format_integer

__all__ = [
    "LayerRow",
    "build_cnn",
    "build_compact_cnn",
    "build_dense_network",
    "describe_layers",
    "format_integer",
    "layer_activations",
    "layers_table",
    "summary_text",
    "unused_input_mask",
]


# --- Construir la red ---------------------------------------------------------------------------------------


def build_cnn(
    *,
    input_shape: Sequence[int] = (32, 32, 3),
    filters: Sequence[int] = (32, 64),
    kernel_size: int | Sequence[int] = (3, 3),
    pool_size: int | Sequence[int] = (2, 2),
    dense_units: int = 128,
    dropout: float = 0.0,
    num_classes: int = 10,
    batch_norm: bool = False,
    name: str = "red_de_la_tarea",
) -> keras.Sequential:
    """Construye la red del libro: bloques de convolución y agrupación, una capa densa y la salida softmax.

    Cada bloque es `Conv2D` (relleno `"valid"`, paso 1) → ReLU → `MaxPooling2D`; después vienen `Flatten`,
    `Dense(dense_units, relu)` y `Dense(num_classes, softmax)`. Con los valores por omisión salen las siete capas
    de la tarea y sus 315 722 parámetros. La red no queda compilada: eso lo hace `helpers.training.compile_model`.

    La salida se calcula siempre en float32, también con la política `mixed_float16`: una softmax en float16
    vuelve inestable la pérdida.

    Argumentos:
        input_shape: forma de una imagen: (alto, ancho, canales), en ese orden.
        filters: cuántos filtros tiene cada bloque; su longitud es el número de bloques.
        kernel_size: tamaño del núcleo (alto, ancho) en píxeles, o un entero si es cuadrado.
        pool_size: ventana de la agrupación máxima (alto, ancho), o un entero si es cuadrada. El paso es igual.
        dense_units: unidades de la capa densa.
        dropout: fracción de las unidades de la capa densa que se apagan al azar en cada paso de entrenamiento,
            en [0, 1). Con 0 no se añade ninguna capa `Dropout`.
        num_classes: número de clases, una unidad de salida por clase.
        batch_norm: si es verdadero, cada bloque es convolución sin sesgo → normalización por lotes → ReLU →
            agrupación (el sesgo sobra porque la normalización ya suma el suyo).
        name: nombre del modelo.

    Devuelve:
        Un `keras.Sequential` construido que recibe float32 (N, alto, ancho, canales) en [0, 1] y da
        probabilidades float32 (N, num_classes).

    Lanza:
        ValueError: si un hiperparámetro no vale, o si la imagen es demasiado pequeña para tantos bloques.
    """
    shape = _integers("input_shape", input_shape, length=3, meaning="(alto, ancho, canales)")
    filters = _integers("filters", filters, meaning="un número de filtros por bloque, p. ej. (32, 64)")
    kernel = _pair("kernel_size", kernel_size)
    pool = _pair("pool_size", pool_size)
    dense_units = _integer("dense_units", dense_units)
    num_classes = _integer("num_classes", num_classes, minimum=2)
    dropout = _fraction("dropout", dropout)
    _check_image_fits(shape, len(filters), kernel, pool)

    layers = keras.layers
    model = keras.Sequential(name=name)
    model.add(keras.Input(shape=shape, name="input"))
    for block, count in enumerate(filters, start=1):
        if batch_norm:
            model.add(layers.Conv2D(count, kernel, use_bias=False, name=f"conv_{block}"))
            model.add(layers.BatchNormalization(name=f"batch_norm_{block}"))
            model.add(layers.Activation("relu", name=f"relu_{block}"))
        else:
            model.add(layers.Conv2D(count, kernel, activation="relu", name=f"conv_{block}"))
        model.add(layers.MaxPooling2D(pool, name=f"pool_{block}"))
    model.add(layers.Flatten(name="flatten"))
    model.add(layers.Dense(dense_units, activation="relu", name="dense"))
    if dropout:
        model.add(layers.Dropout(dropout, name="dropout"))
    model.add(layers.Dense(num_classes, activation="softmax", dtype="float32", name="output"))
    return model


def build_compact_cnn(
    *,
    input_shape: Sequence[int] = (32, 32, 3),
    filters: Sequence[int] = (32, 48, 48, 96, 96, 96, 80),
    pool_after: Sequence[int] = (2, 4, 6),
    batch_norm: bool = True,
    head: str = "max",
    num_classes: int = 10,
    name: str = "red_compacta",
) -> keras.Sequential:
    """Construye `compact`: siete convoluciones y una cabeza sin capa densa intermedia (314 698 parámetros).

    Cada bloque es `Conv2D` de 3×3 (relleno `"same"`, sin sesgo) → [`MaxPooling2D(2)`] → `BatchNormalization` → ReLU.
    Agrupar antes de normalizar da casi lo mismo y deja una cuarta parte de los números por normalizar. Los
    parámetros que la red de la tarea gasta en su capa densa aquí están en más convoluciones.

    Argumentos:
        input_shape: forma de una imagen: (alto, ancho, canales).
        filters: filtros de cada convolución.
        pool_after: tras qué convoluciones, contando desde 1, se agrupa de 2×2 en 2×2.
        batch_norm: si es falso, las convoluciones llevan sesgo y no hay normalización.
        head: cómo se resume cada mapa final en un número: "max" (su máximo) o "average" (su media).
        num_classes: número de clases.
        name: nombre del modelo.

    Devuelve:
        Un `keras.Sequential` sin compilar que recibe float32 (N, alto, ancho, canales) en [0, 1] y da
        probabilidades float32 (N, num_classes).

    Lanza:
        ValueError: si un hiperparámetro no vale, o si la imagen se queda sin píxeles antes del final.
    """
    shape = _integers("input_shape", input_shape, length=3, meaning="(alto, ancho, canales)")
    filters = _integers("filters", filters, meaning="un número de filtros por convolución")
    pool_after = _integers(
        "pool_after", pool_after, meaning="los números de las convoluciones tras las que se agrupa"
    )
    num_classes = _integer("num_classes", num_classes, minimum=2)
    if max(pool_after) > len(filters):
        raise ValueError(f"pool_after nombra la convolución {max(pool_after)} y solo hay {len(filters)}.")
    if head not in ("max", "average"):
        raise ValueError(f'head tiene que ser "max" o "average" y es {head!r}.')
    height, width = (side // 2 ** len(pool_after) for side in shape[:2])
    if min(height, width) < 1:
        raise ValueError(
            f"Una imagen de {shape[0]}×{shape[1]} no admite {len(pool_after)} agrupaciones: usa una imagen mayor "
            "o agrupa menos veces."
        )
    layers = keras.layers
    model = keras.Sequential(name=name)
    model.add(keras.Input(shape=shape, name="input"))
    for block, count in enumerate(filters, start=1):
        model.add(layers.Conv2D(count, 3, padding="same", use_bias=not batch_norm, name=f"conv_{block}"))
        if block in pool_after:
            model.add(layers.MaxPooling2D(name=f"pool_{block}"))
        if batch_norm:
            # Memoria corta: con pocas épocas, la de Keras (0.99) llegaría tarde a los pesos finales.
            model.add(layers.BatchNormalization(momentum=0.9, name=f"batch_norm_{block}"))
        model.add(layers.ReLU(name=f"relu_{block}"))
    if head == "max":
        model.add(layers.MaxPooling2D((height, width), name="global_max"))
        model.add(layers.Flatten(name="flatten"))
    else:
        model.add(layers.GlobalAveragePooling2D(name="global_average"))
    model.add(layers.Dense(num_classes, activation="softmax", dtype="float32", name="output"))
    return model


def build_dense_network(
    *,
    input_shape: Sequence[int] = (32, 32, 3),
    units: Sequence[int] = (102,),
    num_classes: int = 10,
    name: str = "red_densa",
) -> keras.Sequential:
    """Construye una red sin convoluciones: `Flatten`, capas densas con ReLU y la salida softmax.

    Con los valores por omisión es la de una capa oculta que más se acerca a los parámetros de la red de la tarea sin
    pasar de ellos: 314 476. Sirve para compararlas con los mismos parámetros.

    Argumentos:
        input_shape: forma de una imagen: (alto, ancho, canales).
        units: unidades de cada capa oculta.
        num_classes: número de clases.
        name: nombre del modelo.

    Devuelve:
        Un `keras.Sequential` sin compilar que recibe float32 (N, alto, ancho, canales) en [0, 1] y da
        probabilidades float32 (N, num_classes).

    Lanza:
        ValueError: si un hiperparámetro no vale.
    """
    shape = _integers("input_shape", input_shape, length=3, meaning="(alto, ancho, canales)")
    units = _integers("units", units, meaning="un número de unidades por capa oculta, p. ej. (102,)")
    num_classes = _integer("num_classes", num_classes, minimum=2)

    layers = keras.layers
    model = keras.Sequential(name=name)
    model.add(keras.Input(shape=shape, name="input"))
    model.add(layers.Flatten(name="flatten"))
    for number, count in enumerate(units, start=1):
        model.add(layers.Dense(count, activation="relu", name=f"dense_{number}"))
    model.add(layers.Dense(num_classes, activation="softmax", dtype="float32", name="output"))
    return model


def _integer(name: str, value, minimum: int = 1) -> int:
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise ValueError(f"{name} tiene que ser un número entero y es {value!r}.") from None
    if number < minimum:
        raise ValueError(f"{name} tiene que ser {minimum} o más y es {number}.")
    return number


def _integers(name: str, values, *, meaning: str, length: int | None = None) -> tuple[int, ...]:
    if isinstance(values, str) or not hasattr(values, "__iter__"):
        raise ValueError(f"{name} tiene que ser una tupla de enteros, {meaning}, y es {values!r}.")
    values = tuple(values)
    if len(values) != (length or len(values)) or not values:
        raise ValueError(f"{name} tiene que ser {meaning}, y tiene {len(values)} elementos: {values!r}.")
    return tuple(_integer(f"{name}[{position}]", value) for position, value in enumerate(values))


def _pair(name: str, value) -> tuple[int, int]:
    if hasattr(value, "__iter__"):
        return _integers(name, value, length=2, meaning="(alto, ancho)")
    return (_integer(name, value),) * 2


def _fraction(name: str, value) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} tiene que ser un número entre 0 y 1 y es {value!r}.") from None
    if not 0 <= number < 1:
        raise ValueError(
            f"{name} tiene que ser 0 o más y menor que 1 (es una fracción: 0.5 apaga la mitad), y es {value!r}."
        )
    return number


def _check_image_fits(
    shape: tuple[int, ...], blocks: int, kernel: tuple[int, int], pool: tuple[int, int]
) -> None:
    """Recorre los bloques y avisa en el primero en el que ya no cabe el núcleo o la ventana."""
    height, width, channels = shape
    remedy = "Usa una imagen mayor, menos bloques, o un núcleo o una ventana menores."
    if height < width and channels > 4 and height <= 4:
        remedy += f" ¿Seguro que {shape} está en el orden (alto, ancho, canales)?"
    for block in range(1, blocks + 1):
        after_conv = height - kernel[0] + 1, width - kernel[1] + 1
        for label, window, arriving in (
            ("la convolución", kernel, (height, width)),
            ("la agrupación", pool, after_conv),
        ):
            if arriving[0] < window[0] or arriving[1] < window[1]:
                raise ValueError(
                    f"La imagen de {shape[0]}×{shape[1]} es demasiado pequeña para esta red: en el bloque {block} "
                    f"de {blocks}, {label} necesita al menos {window[0]}×{window[1]} y le llegan "
                    f"{arriving[0]}×{arriving[1]}. {remedy}"
                )
        height, width = after_conv[0] // pool[0], after_conv[1] // pool[1]


# --- Describir la red ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LayerRow:
    """Una fila de la descripción de una red: lo que se sabe de una capa sin entrenarla.

    Atributos:
        name: nombre de la capa en el modelo.
        type: clase de Keras, p. ej. `"Conv2D"`.
        hyperparameters: sus hiperparámetros, en español.
        output_shape: forma de la salida para una imagen (sin el lote).
        params: parámetros (pesos y sesgos; en la normalización, también las medias y varianzas que no se entrenan).
        arithmetic: de dónde sale ese número, p. ej. `"(3×3×3+1)×32 = 896"`; vacío si no tiene parámetros.
        macs: multiplicaciones con suma por imagen en las capas con pesos (Conv2D y Dense); 0 en las demás.
        receptive_field: lado, en píxeles de la entrada, de la ventana que ve una posición de la salida; una pareja
            (alto, ancho) si no es cuadrada y None cuando la salida ya no tiene posiciones (desde Flatten en adelante).
    """

    name: str
    type: str
    hyperparameters: str
    output_shape: tuple[int, ...]
    params: int
    arithmetic: str
    macs: int
    receptive_field: int | tuple[int, int] | None


def describe_layers(model: keras.Model) -> list[LayerRow]:
    """Describe las capas de una red que forma una sola fila, de la entrada a la salida.

    Los parámetros se calculan con la fórmula de cada capa y se comparan con los que cuenta Keras. Las
    multiplicaciones cuentan también las que caen sobre el relleno, como es costumbre; no cuentan las de la
    normalización por lotes.

    Argumentos:
        model: un `Sequential` (o un modelo funcional sin ramas) construido, con formas de entrada conocidas.

    Devuelve:
        Una lista de `LayerRow`, en orden; la entrada no cuenta como capa.

    Lanza:
        ValueError: si el modelo aún no está construido o su entrada no tiene un tamaño fijo.
        TypeError: si alguna capa es de una clase que esta función no sabe contar.

    Fuente:
        Campo receptivo: r ← r + (k − 1)·d·s y s ← s·paso, de la entrada a la salida (Araujo, Norris y Sim,
        *Computing Receptive Fields of Convolutional Neural Networks*, 2019).
    """
    shape = _model_input_shape(model)
    field, jump = np.ones(2, dtype=int), np.ones(2, dtype=int)
    rows = []
    for layer in _stack(model):
        details = _describer(layer)(layer, shape)
        output_shape = tuple(layer.output.shape[1:])
        window = _window(layer)
        if window is not None:
            field = field + (np.array(window.kernel) - 1) * window.dilation * jump
            jump = jump * window.strides
        if details.params != layer.count_params():
            raise ValueError(
                f"La capa «{layer.name}» ({type(layer).__name__}) tiene {layer.count_params()} parámetros según Keras y "
                f"{details.params} según la fórmula: usa alguna opción que describe_layers no conoce."
            )
        rows.append(
            LayerRow(
                name=layer.name,
                type=type(layer).__name__,
                hyperparameters=details.hyperparameters,
                output_shape=output_shape,
                params=details.params,
                arithmetic=details.arithmetic,
                macs=details.macs,
                receptive_field=_field(field) if len(output_shape) == 3 else None,
            )
        )
        shape = output_shape
    return rows


def _field(field: np.ndarray) -> int | tuple[int, int]:
    height, width = (int(side) for side in field)
    return height if height == width else (height, width)


def _model_input_shape(model: keras.Model) -> tuple[int, ...]:
    # Un Sequential sin `keras.Input` no conoce sus formas hasta que ve la primera imagen.
    if not getattr(model, "inputs", None):
        raise ValueError(
            "El modelo todavía no conoce la forma de su entrada. Empieza con keras.Input((alto, ancho, canales)) "
            "o llama a model.build((None, alto, ancho, canales))."
        )
    shape = tuple(model.inputs[0].shape[1:])
    if None in shape:
        raise ValueError(
            f"La entrada del modelo no tiene un tamaño fijo: {shape}. Pon números en keras.Input(...)."
        )
    return shape


def _stack(model: keras.Model) -> list:
    return [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]


@dataclass(frozen=True)
class _Details:
    hyperparameters: str = "—"
    params: int = 0
    arithmetic: str = ""
    macs: int = 0


def _describe_conv(layer, shape: tuple[int, ...]) -> _Details:
    height, width = layer.kernel_size
    depth = shape[-1] // layer.groups
    output_height, output_width = layer.output.shape[1:3]
    weights = height * width * depth
    volume = f"{height}×{width}×{depth}"
    extras = [f"dilatación {_sides(layer.dilation_rate)}"] if layer.dilation_rate != (1, 1) else []
    extras += [f"{layer.groups} grupos"] if layer.groups > 1 else []
    return _Details(
        hyperparameters=_join(
            f"{layer.filters} filtros de {volume}",
            f"paso {_sides(layer.strides)}",
            f"relleno «{layer.padding}»",
            *extras,
            *_activation(layer),
            *_bias(layer),
        ),
        params=(weights + layer.use_bias) * layer.filters,
        arithmetic=_count(volume, layer.use_bias, layer.filters, weights),
        macs=output_height * output_width * weights * layer.filters,
    )


def _describe_dense(layer, shape: tuple[int, ...]) -> _Details:
    inputs = shape[-1]
    return _Details(
        hyperparameters=_join(f"{layer.units} unidades", *_activation(layer), *_bias(layer)),
        params=(inputs + layer.use_bias) * layer.units,
        arithmetic=_count(format_integer(inputs), layer.use_bias, layer.units, inputs),
        # Sobre una entrada con posiciones, Dense se aplica en cada una de ellas.
        macs=math.prod(shape[:-1]) * inputs * layer.units,
    )


def _describe_pooling(layer, shape: tuple[int, ...]) -> _Details:
    return _Details(
        hyperparameters=_join(
            f"ventana {_sides(layer.pool_size, always_both=True)}",
            f"paso {_sides(layer.strides)}",
            f"relleno «{layer.padding}»",
        )
    )


def _describe_batch_norm(layer, shape: tuple[int, ...]) -> _Details:
    channels = shape[layer.axis if layer.axis < 0 else layer.axis - 1]
    trained = layer.center + layer.scale
    params = (trained + 2) * channels
    return _Details(
        hyperparameters=_join(f"momento {layer.momentum:g}", f"épsilon {layer.epsilon:g}"),
        params=params,
        arithmetic=f"{trained + 2}×{channels} = {format_integer(params)} "
        f"({format_integer(trained * channels)} se entrenan)",
    )


def _describe_dropout(layer, shape: tuple[int, ...]) -> _Details:
    return _Details(hyperparameters=f"apaga el {format(100 * layer.rate, 'g')}\u202f%")


def _describe_activation(layer, shape: tuple[int, ...]) -> _Details:
    return _Details(hyperparameters=_join(*_activation(layer)) or "lineal")


def _describe_relu(layer, shape: tuple[int, ...]) -> _Details:
    return _Details(hyperparameters="ReLU")


def _describe_rescaling(layer, shape: tuple[int, ...]) -> _Details:
    return _Details(hyperparameters=f"multiplica por {layer.scale:.4g} y suma {layer.offset:g}")


def _describe_plain(layer, shape: tuple[int, ...]) -> _Details:
    return _Details()


_DESCRIBERS: dict[str, Callable] = {
    "Conv2D": _describe_conv,
    "MaxPooling2D": _describe_pooling,
    "AveragePooling2D": _describe_pooling,
    "GlobalAveragePooling2D": _describe_plain,
    "Flatten": _describe_plain,
    "Dense": _describe_dense,
    "Dropout": _describe_dropout,
    "BatchNormalization": _describe_batch_norm,
    "Activation": _describe_activation,
    "ReLU": _describe_relu,
    "Rescaling": _describe_rescaling,
}


def _describer(layer) -> Callable:
    kind = type(layer).__name__
    if kind not in _DESCRIBERS:
        raise TypeError(
            f"No sé contar la capa «{layer.name}», de la clase {kind}. Sé contar: {', '.join(_DESCRIBERS)}."
        )
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        raise TypeError(
            f"La capa «{layer.name}» pone los canales primero; el libro solo usa (alto, ancho, canales)."
        )
    return _DESCRIBERS[kind]


def _count(factor: str, use_bias: bool, outputs: int, weights: int) -> str:
    factor = f"({factor}+1)" if use_bias else factor
    return f"{factor}×{outputs} = {format_integer((weights + use_bias) * outputs)}"


def _activation(layer) -> tuple[str, ...]:
    name = getattr(layer.activation, "__name__", "")
    return () if name == "linear" else ({"relu": "ReLU"}.get(name, name),)


def _bias(layer) -> tuple[str, ...]:
    return () if layer.use_bias else ("sin sesgo",)


def _sides(sides: Sequence[int], always_both: bool = False) -> str:
    height, width = sides
    return str(height) if height == width and not always_both else f"{height}×{width}"


def _join(*parts: str) -> str:
    return ", ".join(parts)


_COLUMNS: dict[str, tuple[str, str, Callable[[LayerRow], str]]] = {
    "name": ("Capa", ":--", lambda row: row.name),
    "type": ("Tipo", ":--", lambda row: row.type),
    "hyperparameters": ("Hiperparámetros", ":--", lambda row: row.hyperparameters),
    "output_shape": ("Salida", "--:", lambda row: "×".join(map(format_integer, row.output_shape))),
    "params": ("Parámetros", "--:", lambda row: format_integer(row.params)),
    "arithmetic": ("De dónde salen", ":--", lambda row: row.arithmetic or "—"),
    "macs": ("Multiplicaciones", "--:", lambda row: format_integer(row.macs)),
    "receptive_field": ("Campo receptivo", "--:", lambda row: _field_text(row.receptive_field)),
}


def _field_text(field: int | tuple[int, int] | None) -> str:
    if field is None:
        return "—"
    height, width = field if isinstance(field, tuple) else (field, field)
    return f"{height}×{width}"


def layers_table(
    rows: Sequence[LayerRow],
    columns: Sequence[str] = (
        "name",
        "type",
        "output_shape",
        "params",
        "arithmetic",
        "macs",
        "receptive_field",
    ),
) -> str:
    """Escribe las filas de `describe_layers` como tabla de Markdown en español.

    Si se piden los parámetros o las multiplicaciones, la última fila lleva sus totales.

    Argumentos:
        rows: las filas, en orden.
        columns: qué columnas, por el nombre del campo de `LayerRow`.

    Devuelve:
        El texto Markdown; en un cuaderno se muestra con `IPython.display.Markdown`.

    Lanza:
        ValueError: si se pide una columna que no existe o no se pide ninguna.
    """
    unknown = [column for column in columns if column not in _COLUMNS]
    if unknown or not columns:
        raise ValueError(f"Columnas desconocidas: {unknown}. Se puede elegir entre: {', '.join(_COLUMNS)}.")
    totals = {
        "params": format_integer(sum(row.params for row in rows)),
        "macs": format_integer(sum(row.macs for row in rows)),
    }
    last = [f"**{totals[column]}**" if column in totals else "" for column in columns]
    # La palabra «Total» va en la primera columna, salvo que esa columna ya lleve un total.
    last[0] = last[0] or "**Total**"
    lines = [
        [_COLUMNS[column][0] for column in columns],
        [_COLUMNS[column][1] for column in columns],
        *([_COLUMNS[column][2](row) for column in columns] for row in rows),
        *([last] if totals.keys() & set(columns) else []),
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def summary_text(model: keras.Model) -> str:
    """Lo que escribe `model.summary()`, en texto llano: sin las rayas de la tabla ni los colores de la terminal.

    Argumentos:
        model: una red construida.

    Devuelve:
        Una línea por capa y las líneas de totales de Keras, en inglés y con sus comas de los miles. Necesita 80
        columnas: en una terminal más estrecha Keras parte las líneas (Jupyter siempre las tiene).
    """
    from IPython.utils.capture import capture_output

    parts: list[str] = []
    # En un cuaderno, la biblioteca que dibuja la tabla muestra además una salida vacía.
    with capture_output(stdout=False, stderr=False, display=True):
        model.summary(line_length=80, print_fn=parts.append)
    lines = re.sub("[│┃]", " ", "".join(parts)).splitlines()
    # Las líneas que solo tienen rayas no dicen nada.
    return "\n".join(line.strip() for line in lines if any(character.isalnum() for character in line))


# --- Mirar por dentro ---------------------------------------------------------------------------------------


def layer_activations(model: keras.Model, x: np.ndarray) -> dict[str, np.ndarray]:
    """Da lo que sale de cada capa de la red para unas imágenes, con la red en modo de uso (no de entrenamiento).

    Argumentos:
        model: una red construida.
        x: imágenes (N, alto, ancho, canales), o una sola (alto, ancho, canales). Las de uint8 se llevan a [0, 1].

    Devuelve:
        Un diccionario ordenado: nombre de la capa → salida (N, …), con el tipo numérico que usa la red.

    Lanza:
        ValueError: si la forma de las imágenes no es la que espera la red.
    """
    shape = _model_input_shape(model)
    x = np.asarray(x)
    batch = x[np.newaxis] if x.ndim == len(shape) else x
    if batch.shape[1:] != shape:
        raise ValueError(
            f"La red espera imágenes de forma {shape} (alto, ancho, canales), o un lote de ellas, y recibió {x.shape}."
        )
    batch = batch.astype("float32") / (255 if batch.dtype == np.uint8 else 1)
    layers = _stack(model)
    probe = keras.Model(model.inputs[0], [layer.output for layer in layers])
    outputs = probe(batch, training=False)
    return {
        layer.name: keras.ops.convert_to_numpy(output) for layer, output in zip(layers, outputs, strict=True)
    }


@dataclass(frozen=True)
class _Window:
    """Ventana deslizante de una capa: cada par es (alto, ancho)."""

    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilation: tuple[int, int]
    padding: str


def _window(layer) -> _Window | None:
    """La ventana de una capa que desliza una, o None si la capa deja cada posición en su sitio."""
    kind = type(layer).__name__
    if kind == "Conv2D":
        return _Window(layer.kernel_size, layer.strides, layer.dilation_rate, layer.padding)
    if kind in ("MaxPooling2D", "AveragePooling2D"):
        return _Window(layer.pool_size, layer.strides, (1, 1), layer.padding)
    return None


def unused_input_mask(model: keras.Model) -> np.ndarray:
    """Dice qué píxeles de la entrada no pueden influir en la salida, valgan lo que valgan los pesos.

    Se recorre la red de la salida a la entrada y se marca, en cada capa, qué filas y qué columnas toca alguna
    ventana cuya salida se usa. Lo que no toca ninguna tiene gradiente exactamente 0: son las filas y columnas que
    se pierden cuando el tamaño no es múltiplo del paso.

    Argumentos:
        model: una red como las que admite `describe_layers`, con imágenes a la entrada.

    Devuelve:
        Un arreglo bool (alto, ancho): verdadero donde el píxel no se usa.

    Lanza:
        ValueError: si la entrada del modelo no es una imagen o el modelo no está construido.
        TypeError: si hay una capa que no se sabe contar.
    """
    shape = _model_input_shape(model)
    if len(shape) != 3:
        raise ValueError(
            f"La entrada del modelo tiene que ser una imagen (alto, ancho, canales) y es {shape}."
        )
    layers = _stack(model)
    sizes = [shape, *(tuple(layer.output.shape[1:]) for layer in layers)]
    for layer in layers:
        _describer(layer)
    # Las ventanas son rectángulos: filas y columnas se pueden seguir por separado.
    used = None
    for layer, before, after in reversed(list(zip(layers, sizes, sizes[1:], strict=False))):
        if len(before) != 3:
            continue
        if used is None or len(after) != 3:
            # Desde aquí hacia la salida (Flatten, Dense…) se usan todas las posiciones que llegan.
            used = tuple(np.ones(size, dtype=bool) for size in (after if len(after) == 3 else before)[:2])
        window = _window(layer)
        if window is not None:
            used = tuple(_used_inputs(used[axis], before[axis], window, axis) for axis in (0, 1))
    return ~np.outer(*used)


def _used_inputs(used_outputs: np.ndarray, size: int, window: _Window, axis: int) -> np.ndarray:
    """Posiciones de la entrada, en un eje, que toca alguna ventana de las salidas que se usan."""
    stride, reach = window.strides[axis], (window.kernel[axis] - 1) * window.dilation[axis] + 1
    # Con "same" se rellena lo justo para que quepan techo(tamaño / paso) ventanas; si sobra uno, va al final.
    missing = (len(used_outputs) - 1) * stride + reach - size if window.padding == "same" else 0
    before = max(missing, 0) // 2
    offsets = np.arange(window.kernel[axis]) * window.dilation[axis] - before
    touched = (np.flatnonzero(used_outputs)[:, np.newaxis] * stride + offsets).ravel()
    used = np.zeros(size, dtype=bool)
    used[touched[(touched >= 0) & (touched < size)]] = True
    return used
