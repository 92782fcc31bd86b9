"""`ConvolutionStepper`: recorrer el mapa de una convolución y ver, en cada posición, los nueve productos y su suma.

La cuenta está escrita dos veces: en JavaScript, para que responda en la página, y aquí, con NumPy (sin Keras), para la
figura fija y para las pruebas, que comparan las dos con `Conv2D`. Los pesos tienen centésimas y los píxeles son
enteros, así que la cuenta se hace entera con enteros y no hay redondeos que puedan separarlas.
"""

import base64
import binascii
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from helpers.widgets.base import Control, Picture, format_integer, svg_picture, svg_rect, svg_text

__all__ = ["Convolution", "ConvolutionStepper", "KERNELS", "LEARNED", "compute", "format_hundredths"]

SIDE = 32
WINDOW = 3
MAXIMUM_WEIGHT = 99
MAXIMUM_DIVISOR = 100
PADDINGS = ("valid", "same")
STRIDES = (1, 2)
IMAGES = (("Bolso", 19), ("Botín", 2), ("Pantalón", 8), ("Sandalia", 7))
"""Imágenes que se pueden elegir: su nombre y su puesto en el entrenamiento de la muestra."""

LEARNED = {
    "Aprendido, filtro 3": 3,
    "Aprendido, filtro 17": 17,
    "Aprendido, filtro 20": 20,
}
"""Filtros de la primera convolución de `book/results/baseline-fashion-s0.weights.h5`, contando desde 0. Los tres canales
de la muestra son iguales, así que sus tres núcleos, sumados, hacen el mismo trabajo; están redondeados a centésimas."""

KERNELS: dict[str, tuple[tuple[float, ...], int]] = {
    "Bordes verticales": ((-1, 0, 1, -1, 0, 1, -1, 0, 1), 1),
    "Bordes horizontales": ((-1, -1, -1, 0, 0, 0, 1, 1, 1), 1),
    "Sobel, bordes verticales": ((-1, 0, 1, -2, 0, 2, -1, 0, 1), 1),
    "Sobel, bordes horizontales": ((-1, -2, -1, 0, 0, 0, 1, 2, 1), 1),
    "Desenfoque": ((1, 1, 1, 1, 1, 1, 1, 1, 1), 9),
    "Enfoque": ((0, -1, 0, -1, 5, -1, 0, -1, 0), 1),
    "Identidad": ((0, 0, 0, 0, 1, 0, 0, 0, 0), 1),
    "Aprendido, filtro 3": ((-0.62, -0.8, -0.77, -0.32, -0.91, -0.43, 0.17, 0.33, 0.51), 1),
    "Aprendido, filtro 17": ((0.26, 0.06, -0.34, 0.17, 0.19, -0.41, 0.17, 0.19, -0.32), 1),
    "Aprendido, filtro 20": ((-0.43, 0.16, 0.04, -0.46, 0.58, -0.09, -0.27, 0.49, 0.07), 1),
}
"""Núcleos que se pueden elegir: sus nueve pesos, por filas, y entre cuánto se divide la suma."""


# --- La cuenta -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Convolution:
    """El mapa de una convolución, en enteros.

    Atributos:
        sums: (alto, ancho) int64, la suma de los nueve productos por 100; sin ReLU y sin dividir.
        result: lo mismo, con la ReLU si está puesta.
        pooled: (alto//2, ancho//2) int64, el máximo de cada 2×2 de `result`; None sin agrupación.
        pad: ceros que el relleno pone antes de la primera fila y de la primera columna.
        divisor: entre cuánto se divide la suma.
    """

    sums: np.ndarray
    result: np.ndarray
    pooled: np.ndarray | None
    pad: int
    divisor: int

    @property
    def values(self) -> np.ndarray:
        """El mapa con sus números de verdad, float64."""
        return self.result / (100 * self.divisor)


def decode_image(text: str) -> np.ndarray:
    """De los píxeles como texto (base64 de direcciones, sin relleno) a una imagen (32, 32) uint8.

    Lanza:
        ValueError: si el texto no son 32×32 bytes.
    """
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, TypeError, ValueError):
        raw = b""
    if len(raw) != SIDE * SIDE:
        raise ValueError(f"La imagen del estado tiene que ser el texto de {SIDE}×{SIDE} píxeles de un byte.")
    return np.frombuffer(raw, dtype=np.uint8).reshape(SIDE, SIDE)


def encode_image(image: Any) -> str:
    """De una imagen (32, 32) con enteros de 0 a 255 a texto.

    Lanza:
        ValueError: si tiene otra forma u otros valores.
    """
    image = np.asarray(image)
    if image.shape != (SIDE, SIDE):
        raise ValueError(f"image tiene que ser de {SIDE}×{SIDE}, en gris, y su forma es {image.shape}.")
    if image.dtype.kind not in "iu" or image.min() < 0 or image.max() > 255:
        raise ValueError("image tiene que tener enteros de 0 a 255 (uint8, como los de load_dataset).")
    return base64.urlsafe_b64encode(image.astype(np.uint8).tobytes()).decode("ascii").rstrip("=")


def output_side(padding: str, stride: int) -> int:
    """Lado del mapa para una imagen de 32 y una ventana de 3."""
    return (SIDE - WINDOW) // stride + 1 if padding == "valid" else -(-SIDE // stride)


def compute(state: Mapping[str, Any]) -> Convolution:
    """Hace la convolución que describe el estado del control, ya limpio.

    Fuente:
        El relleno `same` es el de TensorFlow: los ceros que faltan se reparten y, si sobra uno, va al final.
    """
    side, stride = output_side(state["padding"], state["stride"]), state["stride"]
    missing = max((side - 1) * stride + WINDOW - SIDE, 0) if state["padding"] == "same" else 0
    pad = missing // 2
    image = np.pad(decode_image(state["image"]).astype(np.int64), (pad, missing - pad))
    weights = [_hundredths(weight) for weight in state["kernel"]]
    sums = np.zeros((side, side), dtype=np.int64)
    for place, weight in enumerate(weights):
        row, column = divmod(place, WINDOW)
        last = (side - 1) * stride + 1
        sums += weight * image[row : row + last : stride, column : column + last : stride]
    result = np.maximum(sums, 0) if state["relu"] else sums
    pooled = None
    if state["pool"]:
        half = side // 2
        pooled = result[: 2 * half, : 2 * half].reshape(half, 2, half, 2).max(axis=(1, 3))
    return Convolution(sums, result, pooled, pad, state["divisor"])


def _hundredths(weight: float) -> int:
    return math.floor(100 * weight + 0.5)


def format_hundredths(number: int, divisor: int = 1) -> str:
    """`number` centésimas entre `divisor`, con dos decimales como mucho; los empates se alejan de cero."""
    scaled = (2 * abs(number) + divisor) // (2 * divisor)
    whole, fraction = divmod(scaled, 100)
    text = format_integer(whole) + (f".{fraction:02d}".rstrip("0") if fraction else "")
    return ("−" if number < 0 and scaled else "") + text


# --- El control ----------------------------------------------------------------------------------------------


class ConvolutionStepper(Control):
    """Convolución paso a paso: una imagen, un núcleo de 3×3 y el mapa que sale, posición a posición.

    Argumentos:
        kernel: nombre de un núcleo de `KERNELS`, o 3×3 números de −99 a 99 con centésimas.
        image: imagen (32, 32) en gris, con enteros de 0 a 255. Sin ella, el bolso del capítulo.
        divisor: entero de 1 a 100 entre el que se divide la suma; con un nombre, el de ese núcleo.
        padding, stride: relleno ("valid" o "same") y paso (1 o 2), como en `Conv2D`.
        relu, pool: si se aplica la ReLU, y la agrupación máxima de 2×2.
        row, column: posición del mapa que se mira, desde 0.

    Lanza:
        ValueError: si algo no vale; dice qué.
    """

    title = "Convolución paso a paso"

    def __init__(
        self,
        kernel: str | Sequence = "Bordes verticales",
        *,
        image: Any = None,
        divisor: int | None = None,
        padding: str = "valid",
        stride: int = 1,
        relu: bool = False,
        pool: bool = False,
        row: int = 18,
        column: int = 7,
    ):
        """Prepara el control; se muestra dejándolo en la última línea de una celda."""
        if isinstance(kernel, str):
            if kernel not in KERNELS:
                raise ValueError(f"No hay ningún núcleo {kernel!r}. Los que hay: {', '.join(KERNELS)}.")
            weights, own_divisor = KERNELS[kernel]
        else:
            weights, own_divisor = np.ravel(np.asarray(kernel)).tolist(), 1
        super().__init__(
            {
                "image": _sample_images()[0][1] if image is None else encode_image(image),
                "kernel": list(weights),
                "divisor": own_divisor if divisor is None else divisor,
                "padding": padding,
                "stride": stride,
                "relu": relu,
                "pool": pool,
                "row": row,
                "column": column,
            }
        )

    @classmethod
    def data(cls) -> Mapping[str, Any]:
        """Las imágenes que se pueden elegir."""
        return {"images": [list(pair) for pair in _sample_images()]}

    @classmethod
    def clean_state(cls, state: Mapping[str, Any]) -> dict[str, Any]:
        """Comprueba que todo vale; una posición fuera del mapa pasa a la última."""
        names = ("image", "kernel", "divisor", "padding", "stride", "relu", "pool", "row", "column")
        if not isinstance(state, Mapping) or not set(names) <= set(state):
            raise ValueError(f"El estado tiene que ser un diccionario con {', '.join(names)}.")
        decode_image(state["image"])
        kernel = state["kernel"]
        if isinstance(kernel, str) or not isinstance(kernel, Sequence) or len(kernel) != WINDOW**2:
            raise ValueError(f"kernel tiene que tener 3×3 números, por filas, y es {kernel!r}.")
        for weight in kernel:
            numeric = isinstance(weight, (int, float)) and not isinstance(weight, bool)
            if not numeric or not abs(weight) <= MAXIMUM_WEIGHT:
                raise ValueError(f"Cada peso tiene que ser un número de −99 a 99, y hay un {weight!r}.")
        for name, options, text in (
            ("divisor", range(1, MAXIMUM_DIVISOR + 1), "un entero de 1 a 100"),
            ("stride", STRIDES, "1 o 2"),
            ("row", range(SIDE), "un entero de 0 a 31"),
            ("column", range(SIDE), "un entero de 0 a 31"),
        ):
            value = state[name]
            if not isinstance(value, int) or isinstance(value, bool) or value not in options:
                raise ValueError(f"{name} tiene que ser {text}, y es {value!r}.")
        if state["padding"] not in PADDINGS:
            raise ValueError(f"padding tiene que ser 'valid' o 'same', y es {state['padding']!r}.")
        for name in ("relu", "pool"):
            if not isinstance(state[name], bool):
                raise ValueError(f"{name} tiene que ser True o False, y es {state[name]!r}.")
        last = output_side(state["padding"], state["stride"]) - 1
        clean = {name: state[name] for name in names}
        hundredths = [_hundredths(weight) for weight in kernel]
        clean["kernel"] = [n // 100 if n % 100 == 0 else n / 100 for n in hundredths]
        return {**clean, "row": min(state["row"], last), "column": min(state["column"], last)}

    def compute(self) -> Convolution:
        """La convolución que hay ahora en el control."""
        return compute(self.state)

    def products(self) -> tuple[np.ndarray, np.ndarray]:
        """La ventana de la posición elegida (3, 3), y sus nueve productos por 100; los dos int64."""
        state, result = self.state, self.compute()
        image = np.pad(decode_image(state["image"]).astype(np.int64), WINDOW)
        top = state["row"] * state["stride"] - result.pad + WINDOW
        left = state["column"] * state["stride"] - result.pad + WINDOW
        window = image[top : top + WINDOW, left : left + WINDOW]
        weights = np.array([_hundredths(weight) for weight in state["kernel"]]).reshape(WINDOW, WINDOW)
        return window, window * weights

    def summary(self) -> str:
        """Lado del mapa, núcleo y opciones."""
        state, result = self.state, self.compute()
        side = len(result.sums)
        extras = [name for name, on in (("ReLU", state["relu"]), ("agrupación 2×2", state["pool"])) if on]
        start = f"imagen {SIDE}×{SIDE}, {state['padding']}, paso {state['stride']}, mapa {side}×{side}"
        return ", ".join([start, *extras])

    def caption(self) -> str:
        """Los nueve productos de la posición elegida y su suma."""
        state, result = self.state, self.compute()
        window, products = self.products()
        place = (state["row"], state["column"])
        terms = " + ".join(
            f"{pixel}·{_signed(_hundredths(weight))}"
            for pixel, weight in zip(window.flat, state["kernel"], strict=True)
        )
        total = format_hundredths(int(products.sum()))
        if result.divisor > 1:
            total += (
                f", que entre {result.divisor} es {format_hundredths(int(products.sum()), result.divisor)}"
            )
        if state["relu"]:
            total += f"; con la ReLU, {format_hundredths(int(result.result[place]), result.divisor)}"
        side = len(result.sums)
        text = f"Fila {place[0] + 1}, columna {place[1] + 1} del mapa de {side}×{side}: {terms} = {total}."
        if result.pooled is not None:
            text += f" La agrupación máxima lo deja en {side // 2}×{side // 2}."
        return text

    def picture(self) -> Picture:
        """La imagen con su ventana, el núcleo y el mapa."""
        state, result = self.state, self.compute()
        side, scale, top = len(result.sums), 6, 40
        size = SIDE * scale
        cell = size / side
        right = 640 - 16 - size
        window_x = (state["column"] * state["stride"] - result.pad) * scale + 16
        window_y = (state["row"] * state["stride"] - result.pad) * scale + top
        map_x, map_y = right + state["column"] * cell, top + state["row"] * cell
        frame = {"fill": "none", "stroke": "#d55e00", "stroke_width": 3}
        greys = [(level,) * 3 for level in range(256)]
        image = decode_image(state["image"])
        parts = [
            svg_text(16, 26, f"Imagen, {SIDE}×{SIDE}", font_weight=600),
            _bitmap(16, top, size, image, greys),
            svg_rect(window_x, window_y, WINDOW * scale, WINDOW * scale, **frame),
            svg_text(320, 26, "Núcleo, 3×3", font_weight=600, text_anchor="middle"),
            svg_text(right, 26, f"Mapa, {side}×{side}", font_weight=600),
        ]
        for place, weight in enumerate(state["kernel"]):
            row, column = divmod(place, WINDOW)
            x, y = 320 + 54 * (column - 1), top + 52 + 44 * row
            parts.append(svg_rect(x - 27, y - 22, 54, 44, fill="#f3f6f8", stroke="#76808a"))
            parts.append(svg_text(x, y + 5, format_hundredths(_hundredths(weight)), text_anchor="middle"))
        if result.divisor > 1:
            parts.append(svg_text(320, top + 190, f"entre {result.divisor}", text_anchor="middle"))
        levels, palette = _levels(result)
        parts.append(_bitmap(right, top, size, levels, palette))
        parts.append(
            svg_rect(map_x - 3, map_y - 3, cell + 6, round(cell + 6, 3), **{**frame, "stroke_width": 2})
        )
        low, high = (
            format_hundredths(int(n), result.divisor) for n in (result.result.min(), result.result.max())
        )
        parts.append(svg_text(right, top + size + 22, f"De {low} a {high}", fill="#57606a"))
        kernel = ", ".join(format_hundredths(_hundredths(weight)) for weight in state["kernel"])
        alt = f"Una imagen, el núcleo ({kernel}) y el mapa de {side}×{side} que sale, de {low} a {high}. {self.caption()}"
        return svg_picture(parts, width=640, height=top + size + 36, alt=alt)


def _signed(hundredths: int) -> str:
    text = format_hundredths(hundredths)
    return f"({text})" if hundredths < 0 else text


def _sample_images() -> list[tuple[str, str]]:
    from helpers.data import load_dataset

    images = load_dataset().x_train
    return [(name, encode_image(images[index, :, :, 0])) for name, index in IMAGES]


def _levels(result: Convolution) -> tuple[np.ndarray, list[tuple[int, int, int]]]:
    """Niveles de 0 a 255 y su paleta: de rojo (negativo) a azul (positivo) si la suma tiene negativos; si no, gris."""
    largest = max(int(np.abs(result.sums).max()), 1)
    if result.sums.min() < 0:
        ends = [(178, 24, 43), (255, 255, 255), (33, 102, 172)]
        palette = []
        for level in range(256):
            share = (level - 128) / 127
            end = ends[0] if share < 0 else ends[2]
            palette.append(tuple(int(255 + (c - 255) * min(abs(share), 1) + 0.5) for c in end))
        return 128 + (254 * result.result + largest) // (2 * largest), palette
    return (510 * result.result + largest) // (2 * largest), [(level,) * 3 for level in range(256)]


def _bitmap(x: float, y: float, size: float, levels: np.ndarray, palette: Sequence[Sequence[int]]) -> str:
    """Una imagen de niveles dentro del dibujo. En BMP, que no se comprime: sale igual con cualquier zlib."""
    height, width = levels.shape
    rows = np.zeros((height, -(-width // 4) * 4), dtype=np.uint8)
    rows[:, :width] = levels[::-1]
    colours = b"".join(bytes((blue, green, red, 0)) for red, green, blue in palette)
    start = 14 + 40 + len(colours)
    header = struct.pack("<2sIHHI", b"BM", start + rows.size, 0, 0, start)
    header += struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 0, rows.size, 2835, 2835, 256, 256)
    encoded = base64.b64encode(header + colours + rows.tobytes()).decode("ascii")
    return (
        f'<image x="{x:g}" y="{y:g}" width="{size:g}" height="{size:g}" style="image-rendering:pixelated" '
        f'href="data:image/bmp;base64,{encoded}"/>'
    )
