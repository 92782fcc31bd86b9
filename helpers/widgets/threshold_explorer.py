"""`ThresholdExplorer`: mover el umbral sobre predicciones registradas y ver qué métricas se mueven y cuál no.

Las predicciones son las de `baseline-fashion` (semilla 0) en las 2000 imágenes de prueba de la muestra. La cuenta está
escrita dos veces: en JavaScript, para que responda en la página, y aquí, con NumPy, para la figura fija y para las
pruebas, que comparan las dos con `helpers.evaluation.evaluate_probabilities`. Todo son recuentos enteros y un cociente al
final, así que no hay redondeos que puedan separarlas.
"""

import base64
import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from helpers.experiments.predictions import load_predictions
from helpers.formats import format_integer
from helpers.widgets.base import Control, Picture, svg_picture, svg_rect, svg_text

__all__ = ["EXPERIMENT", "Counts", "ThresholdExplorer", "compute"]

EXPERIMENT, SEED = "baseline-fashion", 0
THRESHOLDS = tuple(index / 100 for index in range(1, 100))
PER_HUNDREDTH, DOUBTFUL = 2, 50
"""Imágenes que la página lleva de cada centésima de confianza, hasta la de `DOUBTFUL`: bastan para enseñar algunas con
cualquier umbral. De las demás lleva una, que de esas hay más donde elegir."""
GREYS = 16
"""Grises de las imágenes que la página lleva: con más pesan el doble y a 28×28 no se nota."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Lo que el control necesita de los datos.

    Atributos:
        probabilities: (N, K) float64, las registradas en float16.
        labels: (N,) int64.
        class_names: los K nombres.
        picture_indices: puestos, en la prueba, de las imágenes que se pueden enseñar.
        pictures: (M, 28, 28) uint8, esas imágenes con `GREYS` grises y sin el marco que las lleva a 32×32.
    """

    probabilities: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    picture_indices: np.ndarray
    pictures: np.ndarray


@functools.cache
def load_sample() -> Sample:
    """Las predicciones registradas, con las etiquetas y unas pocas imágenes de la muestra."""
    from helpers.data import load_dataset

    dataset, probabilities = load_dataset(), load_predictions(EXPERIMENT, SEED)
    hundredth = np.floor(100 * probabilities.max(axis=1)).astype(int)
    chosen = [
        np.flatnonzero(hundredth == value)[: PER_HUNDREDTH if value < DOUBTFUL else 1] for value in range(100)
    ]
    indices = np.concatenate(chosen)
    step = 255 // (GREYS - 1)
    pictures = step * np.rint(dataset.x_test[indices][:, 2:30, 2:30, 0] / step).astype(np.uint8)
    return Sample(probabilities, dataset.y_test, dataset.class_names, indices, pictures)


# --- La cuenta -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Counts:
    """Los recuentos de un estado; las métricas micro son sus cocientes.

    Atributos:
        n: imágenes. right: las que aciertan con la clase más probable.
        said: casillas que se cuentan como dichas. hits: las dichas que son la verdadera.
        none, several: imágenes que no reciben ninguna clase, y que reciben más de una.
        row: de las imágenes de la clase elegida, cuántas veces se dice cada clase.
        row_none: de esas, cuántas no reciben ninguna. row_total: cuántas son.
        column: cuántas veces se dice la clase elegida en toda la prueba.
    """

    n: int
    right: int
    said: int
    hits: int
    none: int
    several: int
    row: tuple[int, ...]
    row_none: int
    row_total: int
    column: int

    @property
    def accuracy(self) -> float:
        """Aciertos de la clase más probable entre imágenes: no depende del umbral."""
        return self.right / self.n

    @property
    def precision(self) -> float:
        """Precisión micro; 0 si no se dice nada."""
        return self.hits / self.said if self.said else 0.0

    @property
    def recall(self) -> float:
        """Exhaustividad micro."""
        return self.hits / self.n

    @property
    def f1(self) -> float:
        """F1 micro, la media armónica de las dos."""
        return 2 * self.hits / (self.n + self.said)


def compute(state: Mapping[str, Any]) -> Counts:
    """Los recuentos del estado, ya limpio. Como en Keras, se dice toda casilla *mayor* que el umbral."""
    sample = load_sample()
    p, labels, chosen = sample.probabilities, sample.labels, state["label"]
    best = p.argmax(axis=1)
    said = best[:, None] == np.arange(p.shape[1]) if state["argmax"] else p > state["threshold"]
    per_image, mine = said.sum(axis=1), labels == chosen
    return Counts(
        n=len(labels),
        right=int((best == labels).sum()),
        said=int(said.sum()),
        hits=int(said[np.arange(len(labels)), labels].sum()),
        none=int((per_image == 0).sum()),
        several=int((per_image > 1).sum()),
        row=tuple(int(count) for count in said[mine].sum(axis=0)),
        row_none=int((per_image[mine] == 0).sum()),
        row_total=int(mine.sum()),
        column=int(said[:, chosen].sum()),
    )


@functools.cache
def _curves() -> tuple[Counts, ...]:
    return tuple(compute({"threshold": threshold, "argmax": False, "label": 0}) for threshold in THRESHOLDS)


# --- El control ----------------------------------------------------------------------------------------------


class ThresholdExplorer(Control):
    """El umbral y las métricas: qué mueve un umbral, qué no, y a qué imágenes deja sin clase.

    Argumentos:
        threshold: de 0.01 a 0.99, con centésimas. Se dice toda clase cuya probabilidad lo supera.
        argmax: si en vez del umbral se cuenta la clase más probable.
        label: la clase cuyas confusiones se miran: su nombre o su número, de 0 a 9.

    Lanza:
        ValueError: si algo no vale; dice qué.
    """

    title = "El umbral y las métricas"

    def __init__(self, threshold: float = 0.5, *, argmax: bool = False, label: str | int = "camisa"):
        """Prepara el control; se muestra dejándolo en la última línea de una celda."""
        names = load_sample().class_names
        if isinstance(label, str):
            if label not in names:
                raise ValueError(f"No hay ninguna clase {label!r}. Las que hay: {', '.join(names)}.")
            label = names.index(label)
        super().__init__({"threshold": threshold, "argmax": argmax, "label": label})

    @classmethod
    def data(cls) -> Mapping[str, Any]:
        """Las probabilidades, en float16; las etiquetas, una cifra por imagen; y las imágenes, una cifra por píxel.

        Las probabilidades que no pasan del umbral más bajo van como 0: ni se dicen nunca ni son la mayor de su imagen.
        """
        sample = load_sample()
        probabilities = np.where(sample.probabilities > THRESHOLDS[0], sample.probabilities, 0)
        return {
            "probabilities": _text(probabilities.astype("<f2")),
            "labels": "".join(map(str, sample.labels.tolist())),
            "classes": list(sample.class_names),
            "indices": sample.picture_indices.tolist(),
            "pictures": "".join(
                f"{grey:x}" for grey in (sample.pictures.ravel() // (255 // (GREYS - 1))).tolist()
            ),
        }

    @classmethod
    def clean_state(cls, state: Mapping[str, Any]) -> dict[str, Any]:
        """Comprueba que todo vale y deja el umbral en centésimas."""
        names = ("threshold", "argmax", "label")
        if not isinstance(state, Mapping) or not set(names) <= set(state):
            raise ValueError(f"El estado tiene que ser un diccionario con {', '.join(names)}.")
        threshold, argmax, label = (state[name] for name in names)
        numeric = isinstance(threshold, (int, float)) and not isinstance(threshold, bool)
        if not numeric or not THRESHOLDS[0] <= threshold <= THRESHOLDS[-1]:
            raise ValueError(f"threshold tiene que ser un número de 0.01 a 0.99, y es {threshold!r}.")
        if not isinstance(argmax, bool):
            raise ValueError(f"argmax tiene que ser True o False, y es {argmax!r}.")
        if not isinstance(label, int) or isinstance(label, bool) or not 0 <= label <= 9:
            raise ValueError(f"label tiene que ser un entero de 0 a 9, y es {label!r}.")
        return {"threshold": math.floor(100 * threshold + 0.5) / 100, "argmax": argmax, "label": label}

    def compute(self) -> Counts:
        """Los recuentos de lo que hay ahora en el control."""
        return compute(self.state)

    def _rule(self) -> str:
        state = self.state
        return "la clase más probable" if state["argmax"] else f"umbral {state['threshold']:.2f}"

    def summary(self) -> str:
        """La regla y las métricas."""
        counts = self.compute()
        return (
            f"{self._rule()}: exactitud {counts.accuracy:.3f}, precisión {counts.precision:.3f}, "
            f"exhaustividad {counts.recall:.3f}, F1 {counts.f1:.3f}"
        )

    def caption(self) -> str:
        """Las métricas, los recuentos de que salen y la confusión de la clase elegida."""
        counts, names = self.compute(), load_sample().class_names
        chosen = self.state["label"]
        others = sorted(
            ((count, -place) for place, count in enumerate(counts.row) if place != chosen and count),
            reverse=True,
        )
        confused = ", ".join(f"{names[-place]} {count}" for count, place in others[:3])
        return (
            f"{format_integer(counts.n)} imágenes de prueba, con {self._rule()}: "
            f"precisión {counts.hits}/{counts.said} = {counts.precision:.3f}, "
            f"exhaustividad {counts.hits}/{counts.n} = {counts.recall:.3f} y F1 {counts.f1:.3f}; "
            f"la exactitud, {counts.right}/{counts.n} = {counts.accuracy:.3f}, no depende del umbral. "
            f"Sin ninguna clase se quedan {counts.none}. De las {counts.row_total} de {names[chosen]}, "
            f"se dice {names[chosen]} en {counts.row[chosen]}"
            + (f" y, sobre todo, {confused}." if confused else ".")
        )

    def picture(self) -> Picture:
        """Las tres métricas según el umbral, con el elegido marcado."""
        state, counts = self.state, self.compute()
        left, right, top, bottom, low = 52, 470, 34, 268, 0.4

        def at(threshold: float, value: float) -> tuple[float, float]:
            return left + threshold * (right - left), bottom - (value - low) / (1 - low) * (bottom - top)

        def line(values, color, dash):
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(at, THRESHOLDS, values) if y <= bottom)
            return f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="2.5"{dash}/>'

        parts = [svg_text(left, 22, "Las métricas según el umbral", font_weight=600)]
        for tick in range(4, 11):
            y = at(0, tick / 10)[1]
            parts.append(svg_rect(left, round(y, 1), right - left, 1, fill="#cfd6dc"))
            parts.append(svg_text(left - 8, round(y + 5, 1), f"{tick / 10:.1f}", text_anchor="end"))
        for tick in range(0, 11, 2):
            x = at(tick / 10, low)[0]
            parts.append(svg_text(round(x, 1), bottom + 20, f"{tick / 10:.1f}", text_anchor="middle"))
        parts.append(svg_text((left + right) / 2, bottom + 42, "umbral", text_anchor="middle"))
        curves = _curves()
        shown = (
            ("Exactitud", counts.accuracy, [c.accuracy for c in curves], "#1f2328", ""),
            ("Precisión", counts.precision, [c.precision for c in curves], "#b34700", "8 4"),
            ("Exhaustividad", counts.recall, [c.recall for c in curves], "#0072b2", "8 3 2 3"),
            ("F1", counts.f1, [c.f1 for c in curves], "#00785a", "2 3"),
        )
        if not state["argmax"]:
            x = round(at(state["threshold"], low)[0] - 1, 1)
            parts.append(svg_rect(x, top, 2, bottom - top, fill="#57606a"))
        parts.append(svg_text(right + 22, 62, self._rule()[0].upper() + self._rule()[1:], font_weight=600))
        for place, (name, value, values, color, dashes) in enumerate(shown):
            dash = f' stroke-dasharray="{dashes}"' if dashes else ""
            parts.append(line(values, color, dash))
            y = 92 + 34 * place
            key = f'x1="{right + 22}" x2="{right + 54}" y1="{y - 5}" y2="{y - 5}" stroke="{color}" stroke-width="2.5"'
            parts.append(f"<line {key}{dash}/>")
            parts.append(svg_text(right + 62, y, name))
            parts.append(svg_text(right + 222, y, f"{value:.3f}", text_anchor="end", font_weight=600))
        parts.append(svg_text(right + 22, 232, f"{counts.none} imágenes sin clase", fill="#57606a"))
        lowest, highest = curves[0], curves[-1]
        alt = (
            "Curvas según el umbral, de 0.01 a 0.99. La exactitud es una recta en "
            f"{counts.accuracy:.3f}; la precisión sube de {lowest.precision:.3f} a {highest.precision:.3f}, la "
            f"exhaustividad baja de {lowest.recall:.3f} a {highest.recall:.3f} y la F1 sube y luego baja hasta "
            f"{highest.f1:.3f}. {self.caption()}"
        )
        return svg_picture(parts, width=716, height=bottom + 56, alt=alt)


def _text(values: np.ndarray) -> str:
    return base64.b64encode(values.tobytes()).decode("ascii")
