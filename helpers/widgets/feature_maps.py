"""`FeatureMaps`: lo que sale de cada capa de la red para una imagen, y la cuenta que hay detrás de cada número.

La red es la de la muestra de ropa, registrada. En la página la calcula el motor del libro; aquí está la misma cuenta con
NumPy, en float64, que sirve para la figura fija y para comprobar la página.
"""

import base64
import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from helpers.engine import describe_cnn
from helpers.experiments.records import RESULTS
from helpers.widgets.base import (
    Control,
    Picture,
    engine_script,
    format_probability,
    svg_bitmap,
    svg_picture,
    svg_rect,
    svg_text,
)
from helpers.widgets.image_classifier import CLOTHES_NETWORK, STRIP, load_strip, strip_data

__all__ = [
    "FIELDS",
    "SHAPES",
    "Explanation",
    "FeatureMaps",
    "Part",
    "explain",
    "forward",
    "occlude",
    "receptive_box",
]

SIDE = 32
VIEWS = ("mapas", "oclusion")
SHAPES = {
    "conv_1": (30, 30, 32),
    "pool_1": (15, 15, 32),
    "conv_2": (13, 13, 64),
    "pool_2": (6, 6, 64),
    "dense": (1, 1, 128),
    "output": (1, 1, 10),
}
"""Forma de la salida de cada capa que se enseña: (alto, ancho, mapas). En una densa, cada unidad es un mapa de 1×1."""
FIELDS = {"conv_1": (3, 1), "pool_1": (4, 2), "conv_2": (8, 2), "pool_2": (10, 4)}
"""Campo receptivo de cada capa y píxeles de la entrada que hay entre dos casillas vecinas."""
LABELS = {
    "conv_1": "Convolución 1",
    "pool_1": "Agrupación 1",
    "conv_2": "Convolución 2",
    "pool_2": "Agrupación 2",
    "dense": "Capa densa",
    "output": "Salida",
}
SQUARES = (4, 8, 12)
FILLS = {"negro": 0, "gris": 128, "blanco": 255}
POSITIONS = 16  # el cuadrado se pone en 16×16 sitios, de dos en dos píxeles


# --- La red, con NumPy ---------------------------------------------------------------------------------------


@functools.cache
def load_weights() -> dict[str, np.ndarray]:
    """Los pesos que usa la página, por nombre («conv_1/kernel»): los registrados, redondeados a 16 bits.

    Lanza:
        FileNotFoundError, ValueError: si faltan o no son los del registro.
    """
    from helpers.engine.description import weight_shapes
    from helpers.web_export import read_keras_weights

    record = CLOTHES_NETWORK.record()
    description = describe_cnn(**record["config"]["network"])
    path = RESULTS / record["weights"]["file"]
    arrays = read_keras_weights(path, description, sha256=record["weights"]["sha256"])
    names = [name for name, _ in weight_shapes(description)]
    return {
        name: array.astype(np.float16).astype(np.float64) for name, array in zip(names, arrays, strict=True)
    }


def forward(image: np.ndarray, weights: Mapping[str, np.ndarray] | None = None) -> dict[str, np.ndarray]:
    """Lo que sale de cada capa.

    Argumentos:
        image: (32, 32, 3) uint8, o un lote (N, 32, 32, 3).
        weights: por nombre; si no se dan, los de la página.

    Devuelve:
        Capa → (alto, ancho, mapas) float64, como en `SHAPES`, o (N, alto, ancho, mapas). Además, "logits".
    """
    weights = load_weights() if weights is None else weights
    batch = np.asarray(image)[None] if np.ndim(image) == 3 else np.asarray(image)
    x = batch / 255.0
    out = {"input": x}
    for block in (1, 2):
        kernel = weights[f"conv_{block}/kernel"]
        windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2], axis=(1, 2))
        x = np.tensordot(windows, kernel, axes=([4, 5, 3], [0, 1, 2])) + weights[f"conv_{block}/bias"]
        x = out[f"conv_{block}"] = np.maximum(x, 0)
        height, width = (side // 2 * 2 for side in x.shape[1:3])
        pairs = x[:, :height, :width].reshape(len(x), height // 2, 2, width // 2, 2, -1)
        x = out[f"pool_{block}"] = pairs.max(axis=(2, 4))
    flat = x.reshape(len(x), -1)
    dense = np.maximum(flat @ weights["dense/kernel"] + weights["dense/bias"], 0)
    logits = dense @ weights["output/kernel"] + weights["output/bias"]
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    out["dense"] = dense[:, None, None]
    out["logits"] = logits[:, None, None]
    out["output"] = (powers / powers.sum(axis=1, keepdims=True))[:, None, None]
    return out if np.ndim(image) == 4 else {name: values[0] for name, values in out.items()}


# --- La cuenta de una casilla --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """Un sumando de la cuenta: lo que aporta un mapa de entrada, o una casilla en una capa densa.

    Atributos:
        source: de dónde sale: (mapa,) en una convolución, (mapa, fila, columna) en la primera densa, (unidad,) en la salida.
        inputs, weights: lo que entra y por cuánto se multiplica, como arrays de la misma forma.
        total: la suma de sus productos.
    """

    source: tuple[int, ...]
    inputs: np.ndarray
    weights: np.ndarray
    total: float


@dataclass(frozen=True)
class Explanation:
    """La cuenta que da el valor de una casilla.

    Atributos:
        parts: los sumandos, de mayor a menor en valor absoluto; en una agrupación, uno solo sin pesos.
        bias: el sesgo.
        total: suma de los sumandos y el sesgo; en una agrupación, el máximo.
        value: lo que sale de la capa: tras la ReLU, o la probabilidad.
    """

    parts: tuple[Part, ...]
    bias: float
    total: float
    value: float


def explain(
    activations: Mapping[str, np.ndarray],
    layer: str,
    map_index: int,
    row: int = 0,
    column: int = 0,
    weights: Mapping[str, np.ndarray] | None = None,
) -> Explanation:
    """La cuenta de una casilla.

    Argumentos:
        activations: lo que da `forward` para una imagen.
        layer, map_index, row, column: la casilla, contando desde 0.
        weights: los mismos que en `forward`.
    """
    weights = load_weights() if weights is None else weights
    value = float(activations[layer][row, column, map_index])
    if layer.startswith("pool"):
        window = activations[layer.replace("pool", "conv")][
            2 * row : 2 * row + 2, 2 * column : 2 * column + 2
        ]
        values = window[..., map_index]
        return Explanation((Part((map_index,), values, np.ones_like(values), value),), 0.0, value, value)
    kernel, bias = weights[f"{layer}/kernel"], float(weights[f"{layer}/bias"][map_index])
    if layer.startswith("conv"):
        source = activations["input" if layer == "conv_1" else "pool_1"]
        window = source[row : row + 3, column : column + 3]
        parts = [
            Part(
                (c,),
                window[..., c],
                kernel[..., c, map_index],
                float((window[..., c] * kernel[..., c, map_index]).sum()),
            )
            for c in range(window.shape[2])
        ]
    else:
        source = activations["pool_2" if layer == "dense" else "dense"]
        flat = source.reshape(-1)
        parts = []
        for place, (x, w) in enumerate(zip(flat, kernel[:, map_index], strict=True)):
            y, rest = divmod(place, source.shape[1] * source.shape[2])
            where = (rest % source.shape[2], y, rest // source.shape[2]) if layer == "dense" else (place,)
            parts.append(Part(where, np.array([x]), np.array([w]), float(x * w)))
    # Con empates manda el orden de entrada: la página hace lo mismo.
    parts.sort(key=lambda part: -abs(part.total))
    total = math.fsum(part.total for part in parts) + bias
    return Explanation(tuple(parts), bias, total, value)


def receptive_box(layer: str, row: int, column: int) -> tuple[int, int, int, int]:
    """Píxeles de la entrada de los que depende una casilla: (fila, columna, alto, ancho). En una densa, todos los que ve la red."""
    if layer not in FIELDS:
        return 0, 0, 30, 30
    size, step = FIELDS[layer]
    return row * step, column * step, size, size


# --- Oclusión ------------------------------------------------------------------------------------------------


def occlude(image: np.ndarray, size: int, fill: int) -> np.ndarray:
    """La imagen con un cuadrado tapado, en cada uno de los 16×16 sitios.

    El centro del cuadrado del sitio (i, j) está entre los píxeles 2i y 2i + 1, y 2j y 2j + 1; lo que se sale, no tapa.

    Argumentos:
        image: (32, 32, 3) uint8.
        size: lado del cuadrado, par.
        fill: nivel de gris con que se tapa, de 0 a 255.

    Devuelve:
        (256, 32, 32, 3) uint8.
    """
    half = size // 2
    covered = np.repeat(np.asarray(image)[None], POSITIONS**2, axis=0)
    for place in range(POSITIONS**2):
        y, x = (2 * n + 1 for n in divmod(place, POSITIONS))
        covered[place, max(0, y - half) : y + half, max(0, x - half) : x + half] = fill
    return covered


# --- El control ----------------------------------------------------------------------------------------------


class FeatureMaps(Control):
    """Los mapas de cada capa para una imagen de la muestra, con la cuenta de cada casilla, y la oclusión.

    Argumentos:
        view: "mapas" u "oclusion".
        image: imagen de la tira, de 0 a 23.
        layer, map, row, column: la casilla que se explica, contando desde 0.
        size: lado del cuadrado que tapa: 4, 8 o 12 píxeles.
        fill: con qué tapa: "negro", "gris" o "blanco".
        target: clase cuya probabilidad se mira, de 0 a 9; -1 es la que dice la red.
        compare: si al lado se enseña el mapa de la clase rival, la más probable de las demás.
        y, x: sitio del cuadrado, de 0 a 15.

    Lanza:
        ValueError: si algo no vale; dice qué.
    """

    title = "Por dentro de la red"

    def __init__(
        self,
        view: str = "mapas",
        *,
        image: int = 0,
        layer: str = "conv_1",
        map: int = 23,
        row: int = 13,
        column: int = 8,
        size: int = 8,
        fill: str = "gris",
        target: int = -1,
        compare: bool = False,
        y: int = 8,
        x: int = 8,
    ):
        """Prepara el control; se muestra dejándolo en la última línea de una celda."""
        super().__init__(
            {
                "view": view,
                "image": image,
                "layer": layer,
                "map": map,
                "row": row,
                "column": column,
                "size": size,
                "fill": fill,
                "target": target,
                "compare": compare,
                "y": y,
                "x": x,
            }  # fmt: skip
        )

    @classmethod
    def clean_state(cls, state: Mapping[str, Any]) -> dict[str, Any]:
        """Comprueba que la imagen, la capa, la casilla y el cuadrado existen."""
        keys = (
            "view",
            "image",
            "layer",
            "map",
            "row",
            "column",
            "size",
            "fill",
            "target",
            "compare",
            "y",
            "x",
        )
        if not isinstance(state, Mapping) or not set(keys) <= set(state):
            raise ValueError(f"El estado tiene que ser un diccionario con {', '.join(keys)}.")
        _choice("view", state["view"], VIEWS)
        _choice("layer", state["layer"], tuple(SHAPES))
        _choice("fill", state["fill"], tuple(FILLS))
        _choice("size", state["size"], SQUARES)
        if not isinstance(state["compare"], bool):
            raise ValueError(f"compare tiene que ser True o False, y es {state['compare']!r}.")
        height, width, maps = SHAPES[state["layer"]]
        for name, low, high in (
            ("image", 0, STRIP), ("map", 0, maps), ("row", 0, height), ("column", 0, width),
            ("target", -1, 10), ("y", 0, POSITIONS), ("x", 0, POSITIONS),
        ):  # fmt: skip
            value = state[name]
            if not isinstance(value, int) or isinstance(value, bool) or value not in range(low, high):
                raise ValueError(f"{name} tiene que ser un entero de {low} a {high - 1}, y es {value!r}.")
        return {name: state[name] for name in keys}

    @classmethod
    def data(cls) -> Mapping[str, Any]:
        """La tira de imágenes, lo que se sabe de la red, los colores y los primeros mapas, que se ven antes de cargarla."""
        first = _strip_activations(0)["conv_1"]
        return {
            "preview": {
                "image": 0,
                "levels": base64.b64encode(_levels(first, first.max()).tobytes()).decode("ascii"),
                "high": round(float(first.max()), 4),
            },
            "strip": strip_data(),
            "network": CLOTHES_NETWORK.about(),
            "palette": base64.b64encode(_palette().tobytes()).decode("ascii"),
        }

    @classmethod
    def files(cls) -> Mapping[str, Callable[[], str]]:
        """El motor y los pesos, que solo se cargan cuando el lector los usa."""
        return {"motor": engine_script, CLOTHES_NETWORK.name: CLOTHES_NETWORK.script}

    def summary(self) -> str:
        """Qué se ve."""
        state = self.state
        if state["view"] == "oclusion":
            return f"imagen {state['image'] + 1}, oclusión con un cuadrado {state['fill']} de {state['size']}×{state['size']}"
        return f"imagen {state['image'] + 1}, {self._place()}"

    def caption(self) -> str:
        """La cuenta de la casilla elegida, o lo que cambia al tapar."""
        state = self.state
        if state["view"] == "oclusion":
            return self._occlusion_caption()
        found = explain(self._activations(), state["layer"], state["map"], state["row"], state["column"])
        place = self._place()
        if state["layer"].startswith("pool"):
            values = ", ".join(format_value(v) for v in found.parts[0].inputs.flat)
            return f"{place}: el mayor de {values} es {format_value(found.value)}."
        total = math.fsum(part.total for part in found.parts)
        text = f"{place}: {format_value(total)} de {_sources(state['layer'], len(found.parts))}"
        text += f" más {format_value(found.bias)} de sesgo son {format_value(found.total)}"
        if state["layer"] == "output":
            return f"{text}, y la softmax lo convierte en {format_probability(found.value)}."
        return f"{text}; con la ReLU, {format_value(found.value)}."

    def picture(self) -> Picture:
        """La imagen con el recuadro que mira la casilla, y el mapa o el mapa de oclusión."""
        state = self.state
        scale, top = 6, 40
        image = load_strip().images[state["image"]]
        if state["view"] == "oclusion":
            half = state["size"] // 2
            y, x = (max(0, 2 * state[name] + 1 - half) for name in ("y", "x"))
            box = (y, x, min(SIDE, 2 * state["y"] + 1 + half) - y, min(SIDE, 2 * state["x"] + 1 + half) - x)
            values = self._occlusion()[1]
            title, cell = f"Probabilidad de «{self._names()[self._target()]}»", (state["y"], state["x"])
            high = 1.0
            scale_text = f"De {format_probability(values.min())} a {format_probability(values.max())}"
        else:
            activations = self._activations()[state["layer"]]
            box = receptive_box(state["layer"], state["row"], state["column"])
            values, cell = activations[..., state["map"]], (state["row"], state["column"])
            title = f"{LABELS[state['layer']]}, mapa {state['map'] + 1}, {values.shape[0]}×{values.shape[1]}"
            high = float(activations.max())
            scale_text = f"De {format_value(values.min())} a {format_value(values.max())}"
        size = SIDE * scale
        side = size / len(values)
        frame = {"fill": "none", "stroke": "#d55e00", "stroke_width": 3}
        parts = [
            svg_text(16, 26, "La imagen, 32×32", font_weight=600),
            svg_bitmap(16, top, size, image),
            svg_rect(16 + scale * box[1], top + scale * box[0], scale * box[3], scale * box[2], **frame),
            svg_text(300, 26, title, font_weight=600),
            svg_bitmap(300, top, size, _palette()[_levels(values, high)]),
            svg_rect(
                300 + side * cell[1] - 2,
                round(top + side * cell[0] - 2, 3),
                side + 4,
                round(side + 4, 3),
                **frame,
            ),
            svg_text(300, top + size + 22, scale_text, fill="#57606a"),
        ]
        alt = f"Una imagen de la muestra y, al lado, {title[0].lower() + title[1:]}. {scale_text}. {self.caption()}"
        return svg_picture(parts, width=640, height=top + size + 36, alt=alt)

    def _names(self) -> list[str]:
        return CLOTHES_NETWORK.class_names()

    def _activations(self) -> dict[str, np.ndarray]:
        return _strip_activations(self.state["image"])

    def _place(self) -> str:
        state = self.state
        label = LABELS[state["layer"]]
        if state["layer"] == "output":
            return f"{label}, clase «{self._names()[state['map']]}»"
        if state["layer"] == "dense":
            return f"{label}, unidad {state['map'] + 1}"
        return f"{label}, mapa {state['map'] + 1}, fila {state['row'] + 1}, columna {state['column'] + 1}"

    def _target(self) -> int:
        target = self.state["target"]
        return int(self._activations()["output"].argmax()) if target < 0 else target

    def _occlusion(self) -> tuple[float, np.ndarray]:
        """Probabilidad de la clase sin tapar nada, y en cada sitio (16, 16)."""
        state, target = self.state, self._target()
        covered = occlude(load_strip().images[state["image"]], state["size"], FILLS[state["fill"]])
        said = forward(covered)["output"].reshape(POSITIONS, POSITIONS, -1)
        return float(self._activations()["output"][0, 0, target]), said[..., target]

    def _occlusion_caption(self) -> str:
        state = self.state
        whole, values = self._occlusion()
        there = float(values[state["y"], state["x"]])
        return (
            f"Sin tapar nada, la red da a «{self._names()[self._target()]}» {format_probability(whole)}. Con un cuadrado "
            f"{state['fill']} de {state['size']}×{state['size']} píxeles en el sitio marcado, {format_probability(there)}."
        )


@functools.lru_cache(maxsize=4)
def _strip_activations(image: int) -> dict[str, np.ndarray]:
    return forward(load_strip().images[image])


def _levels(values: np.ndarray, high: float) -> np.ndarray:
    """Posición en la paleta, de 0 a 255, de unos valores entre 0 y `high`."""
    return np.clip(np.floor(255 * values / (high or 1) + 0.5), 0, 255).astype(np.uint8)


@functools.cache
def _palette() -> np.ndarray:
    """Los 256 colores de los mapas (256, 3): los mismos que en las figuras del libro."""
    from matplotlib import colormaps

    from helpers.plots import FEATURE_MAP

    return colormaps[FEATURE_MAP](np.arange(256), bytes=True)[:, :3].copy()


def _sources(layer: str, count: int) -> str:
    return {
        "conv_1": f"los {count} canales",
        "conv_2": f"los {count} mapas de la agrupación 1",
        "dense": f"las {count} casillas de la agrupación 2",
        "output": f"las {count} unidades de la capa densa",
    }[layer]


def format_value(value: float) -> str:
    """Un número de la red con tres decimales y signo menos de imprenta, igual que en la página."""
    text = f"{abs(value):.3f}"
    return f"−{text}" if value < 0 and float(text) else text


def _choice(name: str, value: Any, options: tuple) -> None:
    if value not in options or isinstance(value, bool):
        raise ValueError(f"{name} tiene que ser {', '.join(map(repr, options))}, y es {value!r}.")
