"""`AugmentationPreview`: los siete parámetros del aumento de la tarea sobre una imagen, con once muestras a la vista.

La transformación está escrita dos veces: en `helpers.augmentation`, que es la del generador de Keras y la que usan aquí
la figura fija y las cuentas, y en JavaScript, para que la página responda. Las pruebas comparan matrices y píxeles.

El azar es el mismo en los dos sitios porque no sale de un generador sino de una cuenta con enteros de 32 bits: la
semilla, el número de la muestra y el del parámetro dan siempre el mismo número (`unit_draw`).
"""

import base64
import functools
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from helpers.augmentation import (
    AffineParameters,
    AugmentationConfig,
    affine_matrix,
    displacement,
    sample_parameters,
    transform_images,
)
from helpers.widgets.base import Control, Picture, format_integer, svg_picture, svg_rect, svg_text

__all__ = [
    "SUBJECTS",
    "AugmentationPreview",
    "Report",
    "Subject",
    "corners",
    "draw_parameters",
    "report",
    "unit_draw",
]

SIDE = 32
SAMPLES = 11
"""Muestras a la vista; con la original, doce: caben en filas de cuatro y de seis."""

DRAWS = 200
"""Sorteos con los que se cuenta lo que se rompe; los once primeros son las muestras."""

HALF = 0.5
"""Parte del objeto que, fuera del cuadro, cuenta como etiqueta perdida."""

MAXIMUM_SEED = 9999
FIELDS = ("rotation_range", "width_shift_range", "height_shift_range", "shear_range", "zoom_range")
BREAKS, CARE = "rompe", "ojo"


@dataclass(frozen=True)
class Subject:
    """Una imagen que se puede elegir y lo que se sabe de su etiqueta.

    Atributos:
        key: nombre corto, el que viaja en el estado.
        name: nombre en la lista.
        label: su etiqueta.
        of: «del botín», para las frases.
        turn: (grados, gravedad, por qué): a partir de qué giro hay algo que decir.
        flip: (gravedad, por qué) si reflejarla cambia la etiqueta; None si no.
    """

    key: str
    name: str
    label: str
    of: str
    turn: tuple[int, str, str]
    flip: tuple[str, str] | None = None


def _upside_down(what: str) -> tuple[int, str, str]:
    return 90, CARE, f"{what}, pero casi ninguna foto llega así"


SUBJECTS = (
    Subject("botin", "Botín", "botín", "del botín", _upside_down("boca abajo sigue siendo un botín")),
    Subject("bolso", "Bolso", "bolso", "del bolso", _upside_down("boca abajo sigue siendo un bolso")),
    Subject("sueter", "Suéter", "suéter", "del suéter", _upside_down("boca abajo sigue siendo un suéter")),
    Subject(
        "gato", "Gato (fotografía)", "gato", "de la cara", _upside_down("boca abajo sigue siendo un gato")
    ),
    Subject(
        "seis",
        "Cifra 6",
        "6",
        "de la cifra",
        (90, BREAKS, "desde ahí se parece más a un 9"),
        (BREAKS, "un 6 reflejado no es ninguna cifra"),
    ),
    Subject(
        "flecha",
        "Flecha a la izquierda",
        "izquierda",
        "de la flecha",
        (45, BREAKS, "desde ahí ya no señala a la izquierda"),
        (BREAKS, "la flecha pasa a señalar a la derecha"),
    ),
)
"""Tres prendas de la muestra, la gata Chelsea y dos dibujos del libro. La fotografía es de Stefan van der Walt (CC0): un
cuadrado de la que trae scikit-image, reducido a 32×32 con la media de cada zona."""

_SAMPLE_INDEX = {"botin": 68, "bolso": 51, "sueter": 38}
_DRAWN = {
    "seis": ".###. #.... #.... ####. #...# #...# .###.",
    "flecha": "...#... ..##... .###### ####### .###### ..##... ...#...",
}
_CAT = Path(__file__).with_name("augmentation_cat.png")
_FACE = (slice(4, 31), slice(3, 30))
"""Filas y columnas de la cara en la fotografía: ahí el objeto no se distingue del fondo por el brillo."""

TEXTS = {
    "rotation_range": "±{value}° = RandomRotation({factor})",
    "width_shift_range": "Hasta un {percent}\u202f% del ancho",
    "height_shift_range": "Hasta un {percent}\u202f% del alto",
    "shear_range": "±{value}° = RandomShear({factor})",
    "zoom_range": "Dos factores, de {low} a {high}",
    "corner": "mueve la esquina hasta {pixels} px",
    "holds": "La etiqueta «{label}» sigue valiendo en los {draws} sorteos.",
    "fails": "La etiqueta «{label}» deja de valer en {count} de {draws} sorteos.",
    "turn": "En {count} de {draws} sorteos el giro pasa de {limit}°: {why}.",
    "flip": "En {count} de {draws} sorteos se refleja: {why}.",
    "lost": "En {count} de {draws} sorteos más de la mitad {of} queda fuera del cuadro.",
    "stretch": "La ampliación puede estirar un lado {ratio} veces más que el otro.",
    "shear": (
        "shear_range={value} son grados: separa la primera fila de la última {pixels} px, y no se ve. "
        "RandomShear({value}) es otra cosa, un {percent}\u202f%: {layer} px."
    ),
    "invented": "De media, {percent} de cada 100 píxeles los inventa el modo de relleno.",
    "wrap": "Con «wrap», lo que sale por un lado entra por el otro: puede parecer que hay dos.",
    "nothing": "Con estos valores no cambia nada: todas las muestras son la original.",
    "original": "original",
    "whole": "entera",
    "outside": "fuera {percent}\u202f%",
    "turned": "giro {degrees}°",
    "flipped": "reflejada",
}
"""Lo que dicen el control y su figura fija; el JavaScript usa estas mismas frases."""


# --- El azar ---------------------------------------------------------------------------------------------------


def unit_draw(seed: int, sample: int, place: int) -> float:
    """Número de 0 (incluido) a 1 que toca a un parámetro de una muestra; siempre el mismo.

    Argumentos:
        seed: semilla, entero de 0 a 9999.
        sample: número de la muestra, desde 0.
        place: puesto del parámetro: giro, columnas, filas, cizallamiento, factor horizontal, factor vertical y volteo.

    Fuente:
        La mezcla final de MurmurHash3, de Austin Appleby (dominio público).
    """
    return _mix(_mix(seed ^ 0x9E3779B9) + 7 * sample + place) / 2**32


def _mix(number: int) -> int:
    number &= 0xFFFFFFFF
    number = ((number ^ number >> 16) * 0x85EBCA6B) & 0xFFFFFFFF
    number = ((number ^ number >> 13) * 0xC2B2AE35) & 0xFFFFFFFF
    return number ^ number >> 16


class _Draws:
    """Lo que `sample_parameters` pide a un generador de NumPy, con los números de `unit_draw`."""

    def __init__(self, seed: int, sample: int):
        self._seed, self._sample, self._place = seed, sample, -1

    def random(self) -> float:
        self._place += 1
        return unit_draw(self._seed, self._sample, self._place)

    def uniform(self, low: float, high: float) -> float:
        return low + (high - low) * self.random()


def draw_parameters(config: AugmentationConfig, seed: int, count: int = DRAWS) -> list[AffineParameters]:
    """Los parámetros de las primeras `count` muestras de una semilla, sorteados como en `sample_parameters`."""
    return [sample_parameters(config, _Draws(seed, sample), SIDE, SIDE) for sample in range(count)]


# --- La cuenta ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Report:
    """Lo que les pasa a los 200 sorteos de una semilla.

    Atributos:
        parameters: los de cada sorteo.
        matrices: (200, 3, 3), de píxeles de salida a píxeles de entrada.
        lost: (200,), parte del objeto que queda fuera del cuadro, de 0 a 1.
        reasons: por qué deja de valer la etiqueta en cada sorteo: "giro", "volteo", "fuera" o "" si vale.
        invented: parte de los píxeles que pone el modo de relleno, en media.
        notes: pares (gravedad, frase), de lo más grave a lo menos.
        verdict: si la etiqueta vale, en una frase.
    """

    parameters: list[AffineParameters]
    matrices: np.ndarray
    lost: np.ndarray
    reasons: list[str]
    invented: float
    notes: list[tuple[str, str]]
    verdict: str

    @property
    def broken(self) -> int:
        """En cuántos sorteos deja de valer la etiqueta."""
        return sum(reason != "" for reason in self.reasons)


def report(state: Mapping[str, Any]) -> Report:
    """Cuenta lo que hace, sobre su imagen, la configuración de un estado ya limpio."""
    config, subject = _config(state), _subject(state["image"])
    parameters = draw_parameters(config, state["seed"])
    matrices = np.stack([affine_matrix(one, SIDE, SIDE) for one in parameters])
    rows, columns = np.nonzero(object_mask(subject.key))
    # Adónde va cada píxel del objeto: la matriz dice de dónde viene cada píxel, así que se invierte.
    placed = np.linalg.inv(matrices) @ np.stack([columns, rows, np.ones_like(rows)]).astype(float)
    lost = 1 - _inside(placed).mean(axis=1)
    grid_rows, grid_columns = np.divmod(np.arange(SIDE**2), SIDE)
    read = matrices @ np.stack([grid_columns, grid_rows, np.ones_like(grid_rows)]).astype(float)
    invented = 1 - _inside(read).mean()
    limit, turn_level, turn_why = subject.turn
    turned = [abs(one.theta) > limit for one in parameters]
    flipped = [subject.flip is not None and one.flip for one in parameters]
    reasons = [
        "giro" if turn and turn_level == BREAKS else "volteo" if flip else "fuera" if gone else ""
        for turn, flip, gone in zip(turned, flipped, lost > HALF, strict=True)
    ]
    notes = []
    if any(turned):
        notes.append((turn_level, _say("turn", count=sum(turned), limit=limit, why=turn_why)))
    if any(flipped):
        notes.append((subject.flip[0], _say("flip", count=sum(flipped), why=subject.flip[1])))
    gone = int((lost > HALF).sum())
    if gone:
        notes.append((BREAKS, _say("lost", count=gone, of=subject.of)))
    notes += [(CARE, text) for text in _remarks(config, invented)]
    broken = sum(reason != "" for reason in reasons)
    verdict = _say("fails" if broken else "holds", label=subject.label, count=broken)
    return Report(
        parameters,
        matrices,
        lost,
        reasons,
        float(invented),
        sorted(notes, key=lambda n: n[0] != BREAKS),
        verdict,
    )


def _remarks(config: AugmentationConfig, invented: float) -> list[str]:
    """Lo que no rompe la etiqueta pero conviene saber."""
    if not config.is_geometric and not config.horizontal_flip:
        return [TEXTS["nothing"]]
    found = []
    zoom, shear = config.zoom_range, config.shear_range
    if zoom >= 0.5:
        found.append(_say("stretch", ratio=format_decimal((1 + zoom) / (1 - zoom), 1)))
    if 0 < shear < 1:
        found.append(
            _say(
                "shear",
                value=format_decimal(shear, 4),
                pixels=format_decimal((SIDE - 1) * np.sin(np.deg2rad(shear)), 2),
                percent=format_decimal(100 * shear, 1),
                layer=format_decimal((SIDE - 1) * shear, 1),
            )
        )
    if config.is_geometric and config.fill_mode == "wrap":
        found.append(TEXTS["wrap"])
    if invented > 0:
        found.append(_say("invented", percent=format_decimal(100 * invented, 0)))
    return found


def corners(config: AugmentationConfig) -> dict[str, float]:
    """Píxeles que se mueve la esquina de la imagen con el máximo de cada parámetro, él solo."""
    cases = {
        "rotation_range": AffineParameters(theta=config.rotation_range),
        "width_shift_range": AffineParameters(tx=config.width_shift_range * SIDE),
        "height_shift_range": AffineParameters(ty=config.height_shift_range * SIDE),
        "shear_range": AffineParameters(shear=config.shear_range),
        "zoom_range": AffineParameters(zx=1 + config.zoom_range, zy=1 + config.zoom_range),
    }
    return {
        name: float(displacement(affine_matrix(case, SIDE, SIDE), SIDE, SIDE)[0, 0])
        for name, case in cases.items()
    }


def format_decimal(number: float, decimals: int) -> str:
    """Un número que no es negativo, sin ceros de sobra; los empates se redondean hacia arriba, como en la página."""
    scaled = int(np.floor(number * 10**decimals + 0.5))
    whole, fraction = divmod(scaled, 10**decimals)
    tail = f"{fraction:0{decimals}d}".rstrip("0") if decimals else ""
    return format_integer(whole) + (f".{tail}" if tail else "")


def _say(name: str, **values: Any) -> str:
    return TEXTS[name].format(draws=DRAWS, **values)


def _inside(points: np.ndarray) -> np.ndarray:
    return ((points[..., :2, :] >= -0.5) & (points[..., :2, :] < SIDE - 0.5)).all(axis=-2)


# --- Las imágenes ------------------------------------------------------------------------------------------------


@functools.cache
def subject_image(key: str) -> np.ndarray:
    """La imagen de un tema, (32, 32, 3) uint8."""
    if key in _SAMPLE_INDEX:
        from helpers.data import load_dataset

        return np.array(load_dataset().x_train[_SAMPLE_INDEX[key]])
    if key in _DRAWN:
        bitmap = np.array(
            [[255 * (mark == "#") for mark in line] for line in _DRAWN[key].split()], dtype=np.uint8
        )
        bitmap = np.kron(bitmap, np.ones((3, 3), dtype=np.uint8))
        margins = [((SIDE - size) // 2, SIDE - size - (SIDE - size) // 2) for size in bitmap.shape]
        return np.stack([np.pad(bitmap, margins)] * 3, axis=-1)
    from PIL import Image

    return np.asarray(Image.open(_CAT).convert("RGB"))


def object_mask(key: str) -> np.ndarray:
    """Dónde está el objeto, (32, 32) bool: lo que no es fondo negro; en la fotografía, la cara."""
    if key == "gato":
        mask = np.zeros((SIDE, SIDE), dtype=bool)
        mask[_FACE] = True
        return mask
    return subject_image(key).max(axis=-1) > 32


def _subject(key: str) -> Subject:
    return next(subject for subject in SUBJECTS if subject.key == key)


def _config(state: Mapping[str, Any]) -> AugmentationConfig:
    names = (*FIELDS, "horizontal_flip", "fill_mode")
    return AugmentationConfig(**{name: state[name] for name in names})


# --- El control --------------------------------------------------------------------------------------------------


class AugmentationPreview(Control):
    """Aumento a la vista: los siete parámetros de la tarea, once muestras y lo que le pasa a la etiqueta.

    Argumentos:
        config: configuración inicial; sin ella, la de la tarea.
        image: clave de una imagen de `SUBJECTS`.
        seed: semilla, entero de 0 a 9999. La misma da siempre las mismas muestras.

    Lanza:
        ValueError: si algo no vale; dice qué.
        TypeError: si un parámetro no es del tipo esperado.
    """

    title = "Aumento a la vista"

    def __init__(self, config: AugmentationConfig | None = None, *, image: str = "botin", seed: int = 0):
        """Prepara el control; se muestra dejándolo en la última línea de una celda."""
        config = AugmentationConfig() if config is None else config
        super().__init__({"image": image, **vars(config), "seed": seed})

    @classmethod
    def data(cls) -> Mapping[str, Any]:
        """Las imágenes, dónde está el objeto en cada una, lo que se sabe de ella y las frases."""
        return {
            "texts": TEXTS,
            "subjects": [
                {
                    **{name: getattr(one, name) for name in ("key", "name", "label", "of")},
                    "turn": list(one.turn),
                    "flip": one.flip and list(one.flip),
                    "pixels": _base64(_compact(subject_image(one.key)).tobytes()),
                    "mask": _base64(np.packbits(object_mask(one.key)).tobytes()),
                }
                for one in SUBJECTS
            ],
        }

    @classmethod
    def clean_state(cls, state: Mapping[str, Any]) -> dict[str, Any]:
        """Comprueba que todo vale, con los límites de `AugmentationConfig`."""
        names = ("image", *FIELDS, "horizontal_flip", "fill_mode", "seed")
        if not isinstance(state, Mapping) or not set(names) <= set(state):
            raise ValueError(f"El estado tiene que ser un diccionario con {', '.join(names)}.")
        keys = [subject.key for subject in SUBJECTS]
        if state["image"] not in keys:
            raise ValueError(f"No hay ninguna imagen {state['image']!r}. Las que hay: {', '.join(keys)}.")
        seed = state["seed"]
        if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed <= MAXIMUM_SEED:
            raise ValueError(f"seed tiene que ser un entero de 0 a {MAXIMUM_SEED}, y es {seed!r}.")
        config = _config(state)
        # Los enteros van sin decimales, como los escribe el navegador.
        numbers = {name: getattr(config, name) for name in FIELDS}
        return {
            "image": state["image"],
            **{name: int(value) if value == int(value) else value for name, value in numbers.items()},
            "horizontal_flip": config.horizontal_flip,
            "fill_mode": config.fill_mode,
            "seed": seed,
        }

    @property
    def config(self) -> AugmentationConfig:
        """La configuración que hay ahora en el control, lista para entrenar con ella."""
        return _config(self.state)

    def report(self) -> Report:
        """Lo que les pasa a los 200 sorteos de la semilla actual."""
        return report(self.state)

    def samples(self) -> np.ndarray:
        """Las once muestras que se ven, (11, 32, 32, 3) uint8."""
        state = self.state
        copies = np.stack([subject_image(state["image"])] * SAMPLES)
        return transform_images(copies, self.report().matrices[:SAMPLES], state["fill_mode"])

    def captions(self) -> list[str]:
        """Lo que se lee debajo de cada muestra."""
        found = self.report()
        return [sample_caption(found, sample)[0] for sample in range(SAMPLES)]

    def summary(self) -> str:
        """Imagen, semilla y en cuántos sorteos deja de valer la etiqueta."""
        state = self.state
        count = self.report().broken
        return (
            f"imagen {state['image']}, semilla {state['seed']}, etiqueta rota en {count} de {DRAWS} sorteos"
        )

    def caption(self) -> str:
        """La configuración, lo que mueve cada parámetro y lo que le pasa a la etiqueta."""
        state, found = self.state, self.report()
        moved = corners(self.config)
        values = ", ".join(
            f"{name}={format_decimal(state[name], 4)} ({format_decimal(moved[name], 2)} px)"
            for name in FIELDS
        )
        return (
            f"La original y once muestras con {values}, horizontal_flip={state['horizontal_flip']} y "
            f'fill_mode="{state["fill_mode"]}"; entre paréntesis, lo que mueve la esquina cada parámetro, él solo. '
            f"{found.verdict}"
        )

    def picture(self) -> Picture:
        """La original y las once muestras, en dos filas de seis."""
        state, found = self.state, self.report()
        original = subject_image(state["image"])
        cell, gap, size = 104, 4, 96
        parts = []
        alts = []
        for place, image in enumerate([original, *self.samples()]):
            row, column = divmod(place, 6)
            x, y = 10 + column * cell, 10 + row * (cell + 22)
            text, broken = (TEXTS["original"], False) if place == 0 else sample_caption(found, place - 1)
            parts.append(_bitmap(x, y, size, image))
            edge = {"stroke": "#d55e00", "stroke_width": 3} if broken else {"stroke": "#76808a"}
            parts.append(svg_rect(x, y, size, size, fill="none", **edge))
            weight = {"font_weight": 600} if broken or not place else {}
            parts.append(
                svg_text(
                    x + size / 2, y + size + gap + 13, text, text_anchor="middle", font_size=13, **weight
                )
            )
            if place:
                alts.append(f"{place}, {text}")
        alt = f"{_subject(state['image']).name} y once muestras: {'; '.join(alts)}. {self.caption()}"
        return svg_picture(parts, width=640, height=264, alt=alt)


def sample_caption(found: Report, sample: int) -> tuple[str, bool]:
    """Lo que se lee debajo de una muestra, y si su etiqueta ya no vale."""
    reason = found.reasons[sample]
    lost = format_decimal(100 * found.lost[sample], 0)
    text = {
        "giro": TEXTS["turned"].format(degrees=format_decimal(abs(found.parameters[sample].theta), 0)),
        "volteo": TEXTS["flipped"],
    }.get(reason) or (TEXTS["outside"].format(percent=lost) if lost != "0" else TEXTS["whole"])
    return (f"✗ {text}", True) if reason else (text, False)


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _compact(image: np.ndarray) -> np.ndarray:
    """Un solo canal si los tres son iguales."""
    grey = (image == image[..., :1]).all()
    return image[..., 0] if grey else image


def _bitmap(x: float, y: float, size: float, image: np.ndarray) -> str:
    """Una imagen dentro del dibujo. En BMP, que no se comprime: sale igual con cualquier zlib."""
    pixels = _compact(image)
    height, width = image.shape[:2]
    palette = b"".join(bytes((level, level, level, 0)) for level in range(256)) if pixels.ndim == 2 else b""
    bits = 8 if palette else 24
    # De abajo arriba, y en azul, verde y rojo; 32 píxeles ya son múltiplo de cuatro bytes.
    rows = (pixels if palette else pixels[..., ::-1])[::-1].tobytes()
    start = 14 + 40 + len(palette)
    header = struct.pack("<2sIHHI", b"BM", start + len(rows), 0, 0, start)
    header += struct.pack(
        "<IiiHHIIiiII", 40, width, height, 1, bits, 0, len(rows), 2835, 2835, len(palette) // 4, 0
    )
    return (
        f'<image x="{x:g}" y="{y:g}" width="{size:g}" height="{size:g}" style="image-rendering:pixelated" '
        f'href="data:image/bmp;base64,{_base64(header + palette + rows)}"/>'
    )
