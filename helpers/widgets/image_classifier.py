"""`ImageClassifier`: una red registrada clasifica una imagen en la página del lector, sin servidor y sin enviar nada.

Con la ropa, la red es la de la muestra; con una foto, las de CIFAR-10. Las cuentas las hace el motor del libro
(`helpers.engine`). Aquí están los datos que la página necesita, la figura fija y la reducción de una foto a 32×32, que en
la página se hace igual.
"""

import base64
import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from helpers.engine import describe_cnn, describe_compact_cnn
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

__all__ = ["CLOTHES_NETWORK", "PHOTO_NETWORKS", "ImageClassifier", "RecordedNetwork", "reduce_photo"]

SIDE = 32
STORED = 28  # las imágenes de la muestra, sin su borde negro
STRIP = 24
VIEWS = ("ropa", "foto")
CAT = Path(__file__).with_name("classifier_cat.jpg")
"""*Chelsea*, de Stéfan van der Walt, en el dominio público (CC0); viene con scikit-image y aquí está reducida."""


# --- Las redes -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RecordedNetwork:
    """Una red de `book/results` que se puede usar en la página.

    Atributos:
        name: la ejecución registrada, como `baseline-s0`.
        label: cómo se llama en la página, con mayúscula.
        describe: función que recibe `config["network"]` de su registro y da la descripción para el motor, sin TensorFlow.
    """

    name: str
    label: str
    describe: Callable[..., dict] = describe_cnn

    def record(self) -> dict[str, Any]:
        """Su registro."""
        return json.loads((RESULTS / f"{self.name}.json").read_text(encoding="utf-8"))

    def script(self) -> str:
        """Sus pesos, como el script que carga la página.

        Lanza:
            FileNotFoundError, ValueError: si faltan o no son los del registro.
        """
        from helpers.web_export import export_weights  # pide h5py, que solo hace falta al construir el libro

        record = self.record()
        description = self.describe(**record["config"]["network"])
        path = RESULTS / record["weights"]["file"]
        return export_weights(
            path,
            description,
            name=self.name,
            class_names=self.class_names(),
            sha256=record["weights"]["sha256"],
        )

    def class_names(self) -> list[str]:
        """Los nombres de sus clases."""
        return [row["name"] for row in self.record()["best"]["test"]["per_class"]]

    def about(self) -> dict[str, Any]:
        """Lo que la página dice de ella antes de cargarla."""
        record = self.record()
        test = record["best"]["test"]
        return {
            "file": self.name,
            "label": self.label,
            "classNames": self.class_names(),
            # Dos bytes por parámetro y, comprimido, algo menos: lo que viaja, redondeado.
            "kilobytes": round(2 * record["parameters"] / 1024),
            "count": test["n"],
            "accuracy": test["accuracy"],
            "confidence": test["mean_confidence"],
        }


CLOTHES_NETWORK = RecordedNetwork("baseline-fashion-s0", "La red de la tarea")
PHOTO_NETWORKS = tuple(
    network
    for network in (
        RecordedNetwork("baseline-s0", "La red de la tarea"),
        RecordedNetwork("compact-s0", "La compacta", describe_compact_cnn),
    )
    if (RESULTS / f"{network.name}.weights.h5").exists()
)
"""Las que miran una foto, en el orden en que se ven. Añadir otra es añadirla aquí; la que no se ha registrado no sale."""


# --- Reducir una foto ----------------------------------------------------------------------------------------


def reduce_photo(pixels: Any, size: int = SIDE) -> np.ndarray:
    """Recorta una foto en un cuadrado centrado y la reduce: cada píxel es la media, por área, de los que caen en él.

    Se promedian los valores tal como están guardados, con su gamma, como en las imágenes con las que aprendió la red. La
    página hace la misma cuenta.

    Argumentos:
        pixels: (alto, ancho, 3), enteros de 0 a 255.
        size: lado del resultado.

    Devuelve:
        (size, size, 3) uint8.

    Lanza:
        ValueError: si no tiene esa forma o está vacía.
    """
    pixels = np.asarray(pixels)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise ValueError(f"La foto tiene que tener forma (alto, ancho, 3), y la suya es {pixels.shape}.")
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = pixels[top : top + side, left : left + side].astype(np.float64)
    # cover[casilla, píxel]: qué parte de la casilla ocupa ese píxel; cada fila suma 1.
    edges = np.arange(size + 1) * side / size
    first, last = edges[:-1, None], edges[1:, None]
    place = np.arange(side)
    cover = np.clip(np.minimum(last, place + 1) - np.maximum(first, place), 0, None) * size / side
    reduced = np.einsum("yi,ijc,xj->yxc", cover, square, cover, optimize=True)
    return np.floor(reduced + 0.5).astype(np.uint8)


# --- Los datos de la página ----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Strip:
    """Las imágenes de la tira: las primeras de la prueba, sin escoger.

    Atributos:
        images: (24, 32, 32, 3) uint8.
        labels: sus clases.
        probabilities: (24, 10), lo que la red registrada dijo de cada una.
    """

    images: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray


@functools.cache
def load_strip() -> Strip:
    """La tira de imágenes y lo que la red dijo de ellas al registrarla.

    Lanza:
        FileNotFoundError: si faltan las probabilidades registradas.
    """
    from helpers.data import load_dataset

    dataset = load_dataset()
    recorded = np.load(RESULTS / f"{CLOTHES_NETWORK.name}.probabilities.npy", allow_pickle=False)
    return Strip(
        dataset.x_test[:STRIP], dataset.y_test[:STRIP], np.asarray(recorded[:STRIP], dtype=np.float64)
    )


def strip_data() -> dict[str, Any]:
    """La tira, como la lee `decodeStrip` de base.js: sin su borde negro, que es siempre el mismo."""
    strip = load_strip()
    border = (SIDE - STORED) // 2
    stored = strip.images[:, border:-border, border:-border, 0]
    return {
        "stored": STORED,
        "pixels": base64.b64encode(stored.tobytes()).decode("ascii"),
        "labels": strip.labels.tolist(),
        "probabilities": [[round(float(p), 5) for p in row] for row in strip.probabilities],
    }


# --- El control ----------------------------------------------------------------------------------------------


class ImageClassifier(Control):
    """Clasifica una imagen ahora: ropa de la muestra o la foto que elija el lector.

    La foto se queda en el dispositivo y no forma parte del estado.

    Argumentos:
        view: "ropa" o "foto".
        image: imagen elegida de la tira, de 0 a 23.

    Lanza:
        ValueError: si algo no vale; dice qué.
    """

    title = "Clasifica una imagen ahora"

    def __init__(self, view: str = "ropa", *, image: int = 0):
        """Prepara el control; se muestra dejándolo en la última línea de una celda."""
        super().__init__({"view": view, "image": image})

    @classmethod
    def clean_state(cls, state: Mapping[str, Any]) -> dict[str, Any]:
        """Comprueba que la vista y la imagen existen."""
        if not isinstance(state, Mapping) or not {"view", "image"} <= set(state):
            raise ValueError("El estado tiene que ser un diccionario con view e image.")
        view, image = state["view"], state["image"]
        if view not in VIEWS:
            raise ValueError(f"view tiene que ser 'ropa' o 'foto', y es {view!r}.")
        if not isinstance(image, int) or isinstance(image, bool) or image not in range(STRIP):
            raise ValueError(f"image tiene que ser un entero de 0 a {STRIP - 1}, y es {image!r}.")
        return {"view": view, "image": image}

    @classmethod
    def data(cls) -> Mapping[str, Any]:
        """La tira con sus respuestas guardadas, la foto de prueba y lo que se sabe de cada red."""
        return {
            "strip": strip_data(),
            "cat": base64.b64encode(CAT.read_bytes()).decode("ascii"),
            "clothes": CLOTHES_NETWORK.about(),
            "photos": [network.about() for network in PHOTO_NETWORKS],
        }

    @classmethod
    def files(cls) -> Mapping[str, Callable[[], str]]:
        """El motor y los pesos de cada red, que solo se cargan cuando el lector los usa."""
        networks = (CLOTHES_NETWORK, *PHOTO_NETWORKS)
        return {"motor": engine_script, **{network.name: network.script for network in networks}}

    def summary(self) -> str:
        """Qué se ve y qué dice la red."""
        if self.state["view"] == "foto":
            return f"una foto, {len(PHOTO_NETWORKS)} redes de CIFAR-10"
        label, said, _ = self._answer()
        return f"imagen {self.state['image'] + 1} de {STRIP}, etiqueta {label}, la red dice {said}"

    def caption(self) -> str:
        """Lo que dice la red, con su probabilidad."""
        if self.state["view"] == "foto":
            names = ", ".join(PHOTO_NETWORKS[0].class_names())
            return (
                f"Una foto, reducida a {SIDE}×{SIDE}, que es lo que ve la red. Conoce diez clases: {names}."
            )
        label, said, probability = self._answer()
        about = CLOTHES_NETWORK.about()
        end = "y acierta" if label == said else f"y falla: su etiqueta es «{label}»"
        return (
            f"La red dice «{said}» ({format_probability(probability)}) {end}. En las {about['count']} imágenes de prueba "
            f"acierta el {100 * about['accuracy']:.0f}\u202f%."
        )

    def picture(self) -> Picture:
        """La imagen y las diez probabilidades; con una foto, la foto y sus 32×32 píxeles."""
        if self.state["view"] == "foto":
            return self._photo_picture()
        strip, place = load_strip(), self.state["image"]
        names = CLOTHES_NETWORK.class_names()
        probabilities = strip.probabilities[place]
        best = int(probabilities.argmax())
        parts = [
            svg_text(16, 26, f"La red ve {SIDE}×{SIDE}", font_weight=600),
            svg_bitmap(16, 40, 192, strip.images[place]),
            svg_text(240, 26, "Probabilidad de cada clase", font_weight=600),
        ]
        for k, (name, probability) in enumerate(zip(names, probabilities, strict=True)):
            y = 40 + 20 * k
            weight = {"font_weight": 700} if k == best else {}
            colour = "#0b6e8a" if k == best else "#57606a"
            parts.append(svg_text(240, y + 13, name, **weight))
            parts.append(svg_rect(326, y + 2, 226, 13, fill="#f3f6f8"))
            parts.append(svg_rect(326, y + 2, max(1.0, 226 * float(probability)), 13, fill=colour))
            text = format_probability(float(probability))
            parts.append(svg_text(624, y + 13, text, text_anchor="end", **weight))
        order = np.argsort(-probabilities)[:3]
        said = ", ".join(f"{names[k]} {format_probability(float(probabilities[k]))}" for k in order)
        label = names[strip.labels[place]]
        alt = f"Imagen de prueba {place + 1}, con etiqueta «{label}», y lo que dice la red: {said} y las demás, menos."
        return svg_picture(parts, width=640, height=252, alt=alt)

    def _photo_picture(self) -> Picture:
        from PIL import Image

        pixels = np.asarray(Image.open(CAT).convert("RGB"))
        parts = [
            svg_text(16, 26, "La foto, recortada", font_weight=600),
            svg_bitmap(16, 40, 192, reduce_photo(pixels, 192)),
            svg_text(240, 26, f"La red ve {SIDE}×{SIDE}", font_weight=600),
            svg_bitmap(240, 40, 192, reduce_photo(pixels)),
        ]
        alt = (
            f"Foto de un gato atigrado, de cerca, y la misma con {SIDE}×{SIDE} píxeles: se reconoce todavía."
        )
        return svg_picture(parts, width=640, height=252, alt=alt)

    def _answer(self) -> tuple[str, str, float]:
        """Etiqueta, respuesta y probabilidad de la imagen elegida."""
        strip, place = load_strip(), self.state["image"]
        names = CLOTHES_NETWORK.class_names()
        best = int(strip.probabilities[place].argmax())
        return names[strip.labels[place]], names[best], float(strip.probabilities[place][best])
