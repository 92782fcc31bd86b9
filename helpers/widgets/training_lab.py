"""`TrainingLab`: la red del libro aprende en la página del lector, sin servidor y sin instalar nada.

Entrena el motor del libro (`helpers.engine`) con una parte de la muestra o con imágenes del lector. El motor y la muestra
son archivos aparte que la página pide al pulsar Entrenar. Los pesos que se guardan se abren con `helpers.web_export.load`.
"""

import functools
import json
from collections.abc import Callable, Mapping
from typing import Any

from helpers.experiments.records import RESULTS
from helpers.formats import format_integer
from helpers.widgets.base import Control, Picture, engine_script, svg_picture, svg_rect, svg_text

__all__ = ["CHOICES", "DEFAULT", "N_TRAIN", "N_VAL", "TrainingLab", "sample_script"]

N_TRAIN, N_VAL = 2000, 500
RECORD = "baseline-fashion-s0"

CHOICES = {
    "images": (50, 100, 200, 500, 1000, 2000),
    "filters1": (4, 8, 16, 32, 64),
    "filters2": (8, 16, 32, 64, 128),
    "dense": (16, 32, 64, 128, 256),
    "batch_norm": (False, True),
    "dropout": (0, 0.25, 0.5),
    "optimizer": ("adam", "sgd"),
    "rate": (0.00001, 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 1, 10),
    "batch": (8, 16, 32, 64, 128),
    "epochs": (1, 2, 3, 4, 6, 8, 12, 20, 30),
    "augmentation": (False, True),
    "seed": range(10_000),
    "trial": ("normal", "ceros", "etiquetas", "pixeles"),
}
"""Lo que se puede elegir, en el orden del estado. Una prueba lo compara con el JavaScript."""

DEFAULT = {
    "images": 2000, "filters1": 32, "filters2": 64, "dense": 128, "batch_norm": False, "dropout": 0,
    "optimizer": "adam", "rate": 0.001, "batch": 32, "epochs": 6, "augmentation": False, "seed": 0, "trial": "normal",
}  # fmt: skip
"""La red del libro, con menos imágenes y menos épocas."""


@functools.cache
def sample_script() -> str:
    """La muestra que carga la página: 2000 imágenes para entrenar y 500 para validar."""
    from helpers.data import load_dataset
    from helpers.web_export import export_sample

    return export_sample(load_dataset(), n_train=N_TRAIN, n_val=N_VAL, seed=0, name="muestra")


class TrainingLab(Control):
    """Entrena la red en la página: arquitectura, hiperparámetros y experimentos preparados.

    Argumentos:
        **choices: lo que cambia respecto a `DEFAULT`: images, filters1, filters2, dense, batch_norm, dropout, optimizer,
            rate, batch, epochs, augmentation, seed y trial ("normal", "ceros", "etiquetas" o "pixeles").

    Lanza:
        ValueError: si algo no vale; dice qué.
    """

    title = "El laboratorio: entrena la red en esta página"

    def __init__(self, **choices: Any):
        """Prepara el control; se muestra dejándolo en la última línea de una celda."""
        unknown = sorted(set(choices) - set(DEFAULT))
        if unknown:
            raise ValueError(f"No existe la opción {unknown[0]!r}. Las que hay: {', '.join(DEFAULT)}.")
        super().__init__({**DEFAULT, **choices})

    @classmethod
    def clean_state(cls, state: Mapping[str, Any]) -> dict[str, Any]:
        """Comprueba que cada valor es uno de los que se pueden elegir."""
        if not isinstance(state, Mapping) or not set(CHOICES) <= set(state):
            raise ValueError(f"El estado tiene que ser un diccionario con {', '.join(CHOICES)}.")
        for name, allowed in CHOICES.items():
            value = state[name]
            is_flag = allowed == (False, True)
            if isinstance(value, bool) != is_flag or value not in allowed:
                options = (
                    "un entero de 0 a 9999" if name == "seed" else f"uno de {', '.join(map(repr, allowed))}"
                )
                raise ValueError(f"{name} tiene que ser {options}, y es {value!r}.")
        return {name: state[name] for name in CHOICES}

    @classmethod
    def files(cls) -> Mapping[str, Callable[[], str]]:
        """El motor y la muestra, que solo se cargan al entrenar."""
        return {"motor": engine_script, "muestra": sample_script}

    def summary(self) -> str:
        """La red y cómo se entrena."""
        state = self.state
        return (
            f"filtros {state['filters1']} y {state['filters2']}, densa de {state['dense']}, {state['optimizer']} con tasa "
            f"{state['rate']:g}, lote {state['batch']}, {state['epochs']} épocas, {state['images']} imágenes"
        )

    def caption(self) -> str:
        """Qué se hace aquí y de dónde son las curvas de la figura."""
        record = _record()
        history = record["history"]
        return (
            f"Con el laboratorio, la red aprende en la página con {format_integer(self.state['images'])} imágenes. Las curvas de la "
            f"figura son de una ejecución registrada de la misma red con todas, en {len(history['val_accuracy'])} épocas: la "
            f"exactitud de validación va de {history['val_accuracy'][0]:.3f} a {history['val_accuracy'][-1]:.3f}."
        )

    def picture(self) -> Picture:
        """Las curvas de exactitud de la ejecución registrada."""
        history = _record()["history"]
        left, right, top, bottom, low = 56, 480, 36, 236, 0.6
        epochs = len(history["accuracy"])

        def points(values):
            places = (
                (
                    left + place / (epochs - 1) * (right - left),
                    bottom - (max(v, low) - low) / (1 - low) * (bottom - top),
                )
                for place, v in enumerate(values)
            )
            return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)

        parts = [svg_text(left, 22, "La red aprende época a época", font_weight=600)]
        for tick in (0.6, 0.7, 0.8, 0.9, 1.0):
            y = bottom - (tick - low) / (1 - low) * (bottom - top)
            parts.append(svg_rect(left, round(y, 1), right - left, 1, fill="#cfd6dc"))
            parts.append(svg_text(left - 8, round(y + 5, 1), f"{tick:.1f}", text_anchor="end"))
        for place in sorted({0, epochs // 2, epochs - 1}):
            x = left + place / (epochs - 1) * (right - left)
            parts.append(svg_text(round(x, 1), bottom + 20, str(place + 1), text_anchor="middle"))
        parts.append(svg_text((left + right) / 2, bottom + 42, "época", text_anchor="middle"))
        for row, (name, key, color, dash) in enumerate(
            (
                ("entrenamiento", "accuracy", "#0072B2", ""),
                ("validación", "val_accuracy", "#D55E00", ' stroke-dasharray="7 4"'),
            )
        ):
            line = f'fill="none" stroke="{color}" stroke-width="2.5"{dash}'
            parts.append(f'<polyline points="{points(history[key])}" {line}/>')
            y = 70 + 30 * row
            parts.append(f'<line x1="500" x2="532" y1="{y - 5}" y2="{y - 5}" {line}/>')
            parts.append(svg_text(540, y, name))
        alt = (
            f"Exactitud por época de una ejecución registrada: el entrenamiento va de {history['accuracy'][0]:.3f} a "
            f"{history['accuracy'][-1]:.3f} y la validación, de {history['val_accuracy'][0]:.3f} a {history['val_accuracy'][-1]:.3f}."
        )
        return svg_picture(parts, width=660, height=bottom + 56, alt=alt)


@functools.cache
def _record() -> dict[str, Any]:
    return json.loads((RESULTS / f"{RECORD}.json").read_text(encoding="utf-8"))
