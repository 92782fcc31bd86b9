"""`LayerCalculator`: apilar y editar capas y ver formas, parámetros, trabajo, campo receptivo y memoria.

La cuenta está escrita dos veces: en JavaScript, para que responda en la página, y aquí, en Python puro (sin Keras),
para la figura fija y para las pruebas, que comparan las dos con Keras.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from helpers.widgets.base import (
    Control,
    Picture,
    format_bytes,
    format_integer,
    svg_picture,
    svg_rect,
    svg_text,
)

__all__ = ["CalculatedLayer", "Calculation", "LayerCalculator", "compute"]

BYTES = 4  # float32
MAXIMUM_LAYERS = 40
MAXIMUM_SIDE = 512
ACTIVATIONS = ("linear", "relu", "sigmoid", "tanh", "softmax")
PADDINGS = ("valid", "same")
RATES = tuple(index * 5 / 100 for index in range(19))

# Por cada capa, sus hiperparámetros en orden: valor por omisión y valores que admite (un rango o una lista).
KINDS: dict[str, dict[str, tuple[Any, Sequence]]] = {
    "Conv2D": {
        "filters": (32, range(1, 1025)),
        "kernel_size": (3, (1, 3, 5, 7)),
        "strides": (1, range(1, 9)),
        "padding": ("valid", PADDINGS),
        "activation": ("relu", ACTIVATIONS),
    },
    "MaxPooling2D": {"pool_size": (2, range(1, 9)), "strides": (None, range(1, 9))},
    "GlobalAveragePooling2D": {},
    "Flatten": {},
    "Dense": {"units": (128, range(1, 4097)), "activation": ("relu", ACTIVATIONS)},
    "Dropout": {"rate": (0.5, RATES)},
    "BatchNormalization": {},
}
_ON_MAPS = ("Conv2D", "MaxPooling2D", "GlobalAveragePooling2D")

HOMEWORK = (
    {"type": "Conv2D", "filters": 32},
    {"type": "MaxPooling2D"},
    {"type": "Conv2D", "filters": 64},
    {"type": "MaxPooling2D"},
    {"type": "Flatten"},
    {"type": "Dense", "units": 128},
    {"type": "Dense", "units": 10, "activation": "softmax"},
)
"""Las siete capas de la red de la tarea."""


# --- La cuenta -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CalculatedLayer:
    """Lo que se sabe de una capa.

    Atributos:
        shape: forma de la salida, sin el lote; None si la capa, o una anterior, no es posible.
        params, trainable: parámetros, y cuántos de ellos se entrenan.
        macs: multiplicaciones con suma por imagen (solo Conv2D y Dense).
        field: lado del campo receptivo en píxeles de la entrada; None cuando la salida ya no tiene posiciones.
        weight_bytes: memoria de los parámetros, en float32.
        activation_bytes: memoria de lo que sale de la capa para una imagen, en float32.
        arithmetic: de dónde salen los parámetros; vacío si no tiene.
        note: aviso de algo que funciona y quizá no es lo que se quería.
        error: por qué la capa no es posible; vacío si lo es.
    """

    shape: tuple[int, ...] | None = None
    params: int = 0
    trainable: int = 0
    macs: int = 0
    field: int | None = None
    weight_bytes: int = 0
    activation_bytes: int = 0
    arithmetic: str = ""
    note: str = ""
    error: str = ""


@dataclass(frozen=True)
class Calculation:
    """La cuenta de una red.

    Atributos:
        rows: una `CalculatedLayer` por capa.
        failed: posición de la primera capa imposible, o None.
        shape: forma de la salida de la última capa posible.
    """

    rows: tuple[CalculatedLayer, ...]
    failed: int | None
    shape: tuple[int, ...]

    @property
    def params(self) -> int:
        """Parámetros de toda la red."""
        return sum(row.params for row in self.rows)

    @property
    def macs(self) -> int:
        """Multiplicaciones con suma por imagen."""
        return sum(row.macs for row in self.rows)

    @property
    def field(self) -> int:
        """Lado del campo receptivo de la última capa con posiciones."""
        return max((row.field or 1 for row in self.rows), default=1)

    @property
    def weight_bytes(self) -> int:
        """Memoria de todos los parámetros, en float32."""
        return sum(row.weight_bytes for row in self.rows)

    @property
    def activation_bytes(self) -> int:
        """Memoria de lo que sale de todas las capas para una imagen, en float32."""
        return sum(row.activation_bytes for row in self.rows)


def compute(state: Mapping[str, Any]) -> Calculation:
    """Hace la cuenta de una red descrita por el estado del control.

    Argumentos:
        state: `{"input": [alto, ancho, canales], "layers": [{"type": …, …}, …]}`, ya limpio.

    Devuelve:
        Una `Calculation`. Una capa imposible no lanza nada: su fila dice por qué, y las siguientes quedan sin forma.

    Fuente:
        Campo receptivo: r ← r + (k − 1)·s y s ← s·paso (Araujo, Norris y Sim, *Computing Receptive Fields of
        Convolutional Neural Networks*, 2019). Formas: las de Keras con relleno «valid» y «same».
    """
    shape = tuple(state["input"])
    field, jump, failed = 1, 1, None
    rows = []
    for index, layer in enumerate(state["layers"]):
        if failed is not None:
            rows.append(CalculatedLayer())
            continue
        result, window, stride = _compute_layer(layer, shape)
        if "error" in result:
            failed = index
            rows.append(CalculatedLayer(**result))
            continue
        shape = result["shape"]
        field += (window - 1) * jump
        jump *= stride
        rows.append(
            CalculatedLayer(
                **result,
                field=field if len(shape) == 3 else None,
                weight_bytes=BYTES * result.get("params", 0),
                activation_bytes=BYTES * math.prod(shape),
            )
        )
    return Calculation(tuple(rows), failed, shape)


def _compute_layer(layer: Mapping[str, Any], shape: tuple[int, ...]) -> tuple[dict[str, Any], int, int]:
    """Los campos que se saben de una capa, y su ventana y su paso para el campo receptivo."""
    kind = layer["type"]
    if kind in _ON_MAPS and len(shape) != 3:
        error = (
            f"{kind} necesita mapas (alto×ancho×canales) y le llega una fila de {format_integer(shape[0])} números. "
            "Súbela por encima de la capa que los pone en fila."
        )
        return {"error": error}, 1, 1
    if kind == "Conv2D":
        return _compute_conv(layer, shape), layer["kernel_size"], layer["strides"]
    if kind == "MaxPooling2D":
        return _compute_pool(layer, shape), layer["pool_size"], layer["strides"]
    if kind == "GlobalAveragePooling2D":
        return {"shape": shape[2:]}, 1, 1
    if kind == "Flatten":
        return {"shape": (math.prod(shape),)}, 1, 1
    if kind == "Dense":
        return _compute_dense(layer, shape), 1, 1
    if kind == "BatchNormalization":
        return _compute_normalization(shape), 1, 1
    return {"shape": shape}, 1, 1  # Dropout


def _compute_conv(layer: Mapping[str, Any], shape: tuple[int, ...]) -> dict[str, Any]:
    height, width, depth = shape
    side, stride, filters = layer["kernel_size"], layer["strides"], layer["filters"]
    valid = layer["padding"] == "valid"
    if valid and (height < side or width < side):
        return {
            "error": f"El núcleo de {side}×{side} no cabe en mapas de {height}×{width}. "
            "Usa un núcleo menor, el relleno same o una agrupación menos."
        }
    places = tuple((size - side) // stride + 1 if valid else -(-size // stride) for size in (height, width))
    weights = side * side * depth
    params = (weights + 1) * filters
    return {
        "shape": (*places, filters),
        "params": params,
        "trainable": params,
        "macs": math.prod(places) * weights * filters,
        "arithmetic": f"({side}×{side}×{depth}+1)×{filters} = {format_integer(params)}",
        "note": _leftover_note(shape, side, stride, places) if valid else "",
    }


def _compute_pool(layer: Mapping[str, Any], shape: tuple[int, ...]) -> dict[str, Any]:
    height, width, depth = shape
    side, stride = layer["pool_size"], layer["strides"]
    if height < side or width < side:
        return {
            "error": f"La ventana de {side}×{side} no cabe en mapas de {height}×{width}. "
            "Usa una ventana menor o una agrupación menos."
        }
    places = tuple((size - side) // stride + 1 for size in (height, width))
    return {"shape": (*places, depth), "note": _leftover_note(shape, side, stride, places)}


def _leftover_note(shape: tuple[int, ...], side: int, stride: int, places: tuple[int, ...]) -> str:
    lost = [size - ((count - 1) * stride + side) for size, count in zip(shape, places, strict=False)]
    if max(lost) <= 0:
        return ""
    return f"Sobran {lost[0]} filas y {lost[1]} columnas: la última ventana no llega hasta ellas."


def _compute_dense(layer: Mapping[str, Any], shape: tuple[int, ...]) -> dict[str, Any]:
    inputs, units = shape[-1], layer["units"]
    params = (inputs + 1) * units
    per_place = "Se aplica en cada posición de los mapas: casi siempre falta un Flatten antes."
    return {
        "shape": (*shape[:-1], units),
        "params": params,
        "trainable": params,
        "macs": math.prod(shape[:-1]) * inputs * units,
        "arithmetic": f"({format_integer(inputs)}+1)×{units} = {format_integer(params)}",
        "note": per_place if len(shape) == 3 else "",
    }


def _compute_normalization(shape: tuple[int, ...]) -> dict[str, Any]:
    channels = shape[-1]
    trained = format_integer(2 * channels)
    return {
        "shape": shape,
        "params": 4 * channels,
        "trainable": 2 * channels,
        "arithmetic": f"4×{channels} = {format_integer(4 * channels)} ({trained} se entrenan)",
    }


# --- Validar -------------------------------------------------------------------------------------------------


def _options_text(options: Sequence) -> str:
    if isinstance(options, range):
        return f"un entero de {options[0]} a {options[-1]}"
    if options is RATES:
        return "una fracción de 0 a 0.9, de 0.05 en 0.05"
    return "uno de estos: " + ", ".join(map(repr, options))


def _is_option(value: Any, options: Sequence) -> bool:
    if options is RATES:
        numeric = isinstance(value, (int, float)) and not isinstance(value, bool)
        return numeric and any(abs(value - rate) < 1e-9 for rate in RATES)
    if isinstance(options[0], int):
        return isinstance(value, int) and not isinstance(value, bool) and value in options
    return isinstance(value, str) and value in options


def _clean_layer(layer: Any, position: int) -> dict[str, Any]:
    if not isinstance(layer, Mapping) or "type" not in layer:
        raise ValueError(
            f'La capa {position} tiene que ser un diccionario con su "type", como '
            f'{{"type": "Conv2D", "filters": 32}}, y es {layer!r}.'
        )
    kind = layer["type"]
    if kind not in KINDS:
        raise ValueError(
            f"La capa {position} es de la clase {kind!r}. La calculadora conoce: {', '.join(KINDS)}."
        )
    unknown = sorted(set(layer) - set(KINDS[kind]) - {"type"})
    if unknown:
        known = ", ".join(KINDS[kind]) or "ninguno"
        raise ValueError(
            f"La capa {position}, {kind}, no tiene {', '.join(unknown)}. Sus hiperparámetros: {known}."
        )
    clean = {"type": kind}
    for name, (default, options) in KINDS[kind].items():
        # Como en Keras, el paso de la agrupación es, si no se dice, el de su ventana.
        value = layer.get(name, clean["pool_size"] if default is None else default)
        if not _is_option(value, options):
            raise ValueError(
                f"En la capa {position}, {kind}, {name} tiene que ser {_options_text(options)}, y es {value!r}."
            )
        clean[name] = next(rate for rate in RATES if abs(value - rate) < 1e-9) if options is RATES else value
    return clean


# --- El control ----------------------------------------------------------------------------------------------

_COLOURS = {
    "Conv2D": "#56b4e9",
    "MaxPooling2D": "#cc79a7",
    "GlobalAveragePooling2D": "#cc79a7",
    "Dense": "#e69f00",
}


class LayerCalculator(Control):
    """Calculadora de capas: qué sale de cada capa, cuántos parámetros tiene, cuánto trabaja y cuánto ve.

    Argumentos:
        layers: las capas, en orden: diccionarios con su `"type"` y sus hiperparámetros; los que falten toman el valor
            por omisión. Sin `layers`, las de la red de la tarea.
        input_shape: (alto, ancho, canales) de la imagen.

    Lanza:
        ValueError: si una capa no existe o un hiperparámetro no vale. Una red imposible no es un error: el control
            explica qué capa falla.

    Ejemplo:
        LayerCalculator([{"type": "Conv2D", "filters": 16}, {"type": "Flatten"}, {"type": "Dense", "units": 10}])
    """

    title = "Calculadora de capas"

    def __init__(
        self, layers: Sequence[Mapping[str, Any]] | None = None, *, input_shape: Sequence[int] = (32, 32, 3)
    ):
        """Prepara el control; se muestra dejándolo en la última línea de una celda."""
        super().__init__({"input": input_shape, "layers": HOMEWORK if layers is None else layers})

    @classmethod
    def clean_state(cls, state: Mapping[str, Any]) -> dict[str, Any]:
        """Completa las capas con sus valores por omisión y comprueba que todas valen."""
        if not isinstance(state, Mapping) or not {"input", "layers"} <= set(state):
            raise ValueError('El estado tiene que ser un diccionario con "input" y "layers".')
        sides = state["input"]
        is_sides = isinstance(sides, Sequence) and not isinstance(sides, str) and len(sides) == 3
        if not is_sides or not all(_is_option(side, range(1, MAXIMUM_SIDE + 1)) for side in sides):
            raise ValueError(
                "input_shape tiene que ser (alto, ancho, canales), tres enteros de 1 a "
                f"{MAXIMUM_SIDE}, y es {sides!r}."
            )
        layers = state["layers"]
        if isinstance(layers, (str, Mapping)) or not isinstance(layers, Sequence):
            raise ValueError(f"layers tiene que ser una lista de capas y es {layers!r}.")
        if len(layers) > MAXIMUM_LAYERS:
            raise ValueError(f"La calculadora admite hasta {MAXIMUM_LAYERS} capas y hay {len(layers)}.")
        return {
            "input": list(sides),
            "layers": [_clean_layer(layer, position) for position, layer in enumerate(layers, start=1)],
        }

    @property
    def layers(self) -> list[dict[str, Any]]:
        """Las capas, con todos sus hiperparámetros, tal como están ahora en el control."""
        return self.state["layers"]

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(alto, ancho, canales) de la imagen."""
        return tuple(self.state["input"])

    def compute(self) -> Calculation:
        """La cuenta de la red que hay ahora en el control."""
        return compute(self.state)

    def summary(self) -> str:
        """Entrada, salida, capas y parámetros."""
        result = self.compute()
        count = len(self.layers)
        start = f"entrada {_times(self.input_shape)}, {count} capa{'' if count == 1 else 's'}"
        if result.failed is not None:
            return f"{start}, imposible desde la {result.failed + 1}"
        return f"{start}, salida {_times(result.shape)}, {format_integer(result.params)} parámetros"

    def caption(self) -> str:
        """Los totales, o qué capa falla y por qué."""
        result = self.compute()
        if result.failed is not None:
            failing = self.layers[result.failed]["type"]
            return f"Esta red no se puede construir. Capa {result.failed + 1}, {failing}: {result.rows[result.failed].error}"
        return (
            f"{format_integer(result.params)} parámetros ({format_bytes(result.weight_bytes)}) y "
            f"{format_integer(result.macs)} multiplicaciones por imagen; las activaciones de una imagen ocupan "
            f"{format_bytes(result.activation_bytes)}, y cada posición ve {_times([result.field] * 2)} píxeles."
        )

    def picture(self) -> Picture:
        """La tabla de capas, con barras para los parámetros y las multiplicaciones."""
        layers, result = self.layers, self.compute()
        width, top, step = 640, 58, 34
        columns = {"shape": 330, "params": 470, "macs": 624}
        parts = [
            svg_text(16, 24, "Qué sale de cada capa, cuánto aprende y cuánto trabaja", font_weight=600),
            svg_text(columns["shape"], 46, "Salida", text_anchor="end", fill="#57606a"),
            svg_text(columns["params"], 46, "Parámetros", text_anchor="end", fill="#57606a"),
            svg_text(columns["macs"], 46, "Multiplicaciones", text_anchor="end", fill="#57606a"),
        ]
        sentences = []
        for index, (layer, row) in enumerate(zip(layers, result.rows, strict=True)):
            y = top + step * index
            colour = _COLOURS.get(layer["type"], "#76808a")
            name = f"{index + 1}. {layer['type']}"
            parts += [svg_rect(8, y, 5, step - 4, fill=colour), svg_text(20, y + 19, name)]
            if row.shape is None:
                parts.append(
                    svg_text(columns["shape"], y + 19, "imposible" if row.error else "—", text_anchor="end")
                )
                sentences.append(f"{name}: {'imposible' if row.error else 'sin calcular'}")
                continue
            shape = _times(row.shape)
            parts.append(svg_text(columns["shape"], y + 19, shape, text_anchor="end"))
            for column, value, total in (
                ("params", row.params, result.params),
                ("macs", row.macs, result.macs),
            ):
                parts.append(svg_text(columns[column], y + 19, format_integer(value), text_anchor="end"))
                if value:
                    length = max(2, 110 * value / total)
                    parts.append(svg_rect(columns[column] - length, y + 24, length, 5, fill=colour))
            sentences.append(f"{name}: {shape}, {format_integer(row.params)} parámetros")
        alt = f"Tabla de la red, de {_times(self.input_shape)} a la salida. " + "; ".join(sentences) + "."
        return svg_picture(parts, width=width, height=top + step * len(layers) + 8, alt=alt)


def _times(sides: Sequence[int]) -> str:
    return "×".join(map(format_integer, sides))
