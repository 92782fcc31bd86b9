"""`RunExplorer`: las 90 ejecuciones registradas de la rejilla, sus curvas y lo que se puede concluir de ellas.

Lee `book/results/grid-fashion.json`. La selección (cuál es la mejor, cuáles no se distinguen de ella) se hace aquí, una
vez, y el JavaScript la recibe hecha en `data()`, junto con las curvas en diezmilésimas: enteros, para que las dos partes
impriman lo mismo.
"""

import functools
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from helpers.experiments.records import load_record
from helpers.widgets.base import Control, Picture, svg_picture, svg_rect, svg_text

__all__ = ["CRITERIA", "RunExplorer", "cannot_be_told", "expected_best_of", "margin"]

GRID = "grid-fashion"
UNIT = 10_000
AXES = ("learning_rate", "dropout", "augmentation", "filters")
CURVES = ("loss", "val_loss", "accuracy", "val_accuracy")
CRITERIA = {
    "validation": ("exactitud de validación", 1000),
    "test": ("exactitud en la prueba oficial", 10_000),
    "shifted": ("exactitud en la prueba desplazada", 10_000),
}
"""Con qué se ordenan las ejecuciones: su nombre y cuántas imágenes hay detrás."""

SURE = 1.96
"""Desviaciones típicas que deja dentro un intervalo normal del 95 %."""

CHANCE = 0.1
LEARNT = 1.5 * CHANCE
"""Exactitud de validación con la que una red de diez clases ha aprendido algo."""


# --- La regla --------------------------------------------------------------------------------------------------


def margin(first: float, second: float, seed_deviation: float, count: int) -> float:
    """Diferencia que dos ejecuciones, con una semilla cada una, pueden tener por azar.

    Suma las varianzas de las dos semillas y las dos binomiales de medir sobre `count` imágenes. Las dos redes se miden
    con las mismas imágenes y la dispersión de las semillas ya lleva algo de ese azar, así que el margen peca de ancho:
    antes calla una diferencia verdadera que anuncia una falsa.

    Argumentos:
        first, second: exactitudes, de 0 a 1.
        seed_deviation: desviación típica entre semillas de una misma combinación.
        count: imágenes con que se mide.

    Fuente:
        Aproximación normal a la binomial, con la suma de varianzas de cuatro errores independientes.
    """
    sampling = (first * (1 - first) + second * (1 - second)) / count
    return SURE * math.sqrt(2 * seed_deviation**2 + sampling)


def cannot_be_told(first: float, second: float, seed_deviation: float, count: int) -> bool:
    """Si la diferencia entre dos exactitudes cabe en lo que hace el azar (`margin`)."""
    return abs(first - second) <= margin(first, second, seed_deviation, count)


def expected_best_of(count: int) -> float:
    """Desviaciones típicas sobre la media a las que sale, de media, la mejor de `count` redes iguales.

    Fuente:
        Blom, *Statistical Estimates and Transformed Beta-Variables* (1958): posición α = 0.375.
    """
    return statistics.NormalDist().inv_cdf((count - 0.375) / (count + 0.25))


# --- La rejilla ------------------------------------------------------------------------------------------------


def _units(value: float | None) -> int | None:
    return None if value is None or not math.isfinite(value) else round(UNIT * value)


def pack(record: Mapping[str, Any]) -> dict[str, Any]:
    """La rejilla, compacta: ejecuciones en el orden de los ejes, banda de las semillas y selección por criterio."""
    axes = {name: list(record["axes"][name]) for name in AXES}
    default = [axes[name].index(record["default"][name]) for name in AXES]
    runs, seeds = {}, []
    for run in record["runs"]:
        place = tuple(axes[name].index(run["point"][name]) for name in AXES)
        packed = {
            "history": [[_units(value) for value in run["history"][name]] for name in CURVES],
            "epoch": run["best_epoch"],
            "test": _units(run["test_accuracy"]),
            "shifted": _units(run["shifted_test_accuracy"]),
        }
        packed["validation"] = packed["history"][3][run["best_epoch"] - 1] if run["best_epoch"] else None
        packed["failed"] = _failed(packed)
        if list(place) == default:
            seeds.append(packed)
        runs.setdefault(place, packed)  # la primera es la de la semilla 0
    ordered = [runs[place] for place in sorted(runs)]
    band = [
        [
            [min(values), max(values)]
            for values in zip(*(seed["history"][index] for seed in seeds), strict=True)
        ]
        for index in range(len(CURVES))
    ]
    return {
        "axes": axes,
        "default": default,
        "runs": ordered,
        "band": band,
        "seeds": len(seeds),
        "criteria": {name: _select(ordered, seeds, name) for name in CRITERIA},
        "failed": sum(run["failed"] for run in ordered),
    }


def _failed(run: Mapping[str, Any]) -> bool:
    """Si la ejecución dio un NaN o no pasó de lo que acierta el azar."""
    values = [value for curve in run["history"] for value in curve]
    return None in values or max(run["history"][3]) < LEARNT * UNIT


def limits_of(shown: Sequence[Mapping[str, Any]], band: Sequence) -> list[list[float]]:
    """Ejes de la pérdida y de la exactitud, en décimas, para lo que se ve: la banda y las ejecuciones elegidas."""
    limits = []
    for curves in ((0, 1), (2, 3)):
        values = [value for curve in curves for pair in band[curve] for value in pair]
        values += [value for run in shown for curve in curves for value in run["history"][curve]]
        values = [value for value in values if value is not None]
        limits.append([math.floor(min(values) / 1000) / 10, math.ceil(max(values) / 1000) / 10])
    return limits


def _select(
    runs: Sequence[Mapping[str, Any]], seeds: Sequence[Mapping[str, Any]], name: str
) -> dict[str, Any]:
    """La selección con un criterio: orden, las que no se distinguen de la mejor, y cuánto engaña la mejor."""
    label, count = CRITERIA[name]
    scores = [(run[name] or 0) / UNIT for run in runs]
    order = sorted(range(len(runs)), key=lambda index: (-scores[index], index))
    deviation = statistics.stdev(seed[name] / UNIT for seed in seeds)
    best = scores[order[0]]
    return {
        "label": label,
        "count": count,
        "deviation": deviation,
        "order": order,
        "equal": [index for index in order if cannot_be_told(best, scores[index], deviation, count)],
        "luck": _units(expected_best_of(len(runs)) * deviation),
    }


@functools.cache
def packed_grid() -> dict[str, Any]:
    """La rejilla registrada, compacta (se lee una vez)."""
    return pack(load_record(GRID, None))


# --- Números para personas ---------------------------------------------------------------------------------------


def format_units(value: int | None) -> str:
    """Diezmilésimas con tres decimales; los empates se alejan de cero, igual que en JavaScript."""
    if value is None:
        return "NaN"
    thousandths = (abs(value) + 5) // 10
    sign = "−" if value < 0 and thousandths else ""
    return f"{sign}{thousandths // 1000}.{thousandths % 1000:03d}"


def format_points(value: int) -> str:
    """Diezmilésimas como puntos porcentuales con un decimal, sin signo."""
    tenths = (abs(value) + 5) // 10
    return f"{tenths // 10}.{tenths % 10}"


def point_text(point: Sequence[Any]) -> str:
    """Una combinación en palabras."""
    rate, dropout, augmentation, filters = point
    return (
        f"tasa {rate:g}, dropout {dropout:g}, {'con' if augmentation else 'sin'} aumento, "
        f"filtros {'/'.join(map(str, filters))}"
    )


# --- El control --------------------------------------------------------------------------------------------------


class RunExplorer(Control):
    """Explorador de ejecuciones: una combinación de la rejilla, o dos, con sus curvas y sus números.

    Argumentos:
        learning_rate, dropout, augmentation, filters: la combinación, con valores de la rejilla.
        compare: otra combinación, como diccionario con los que cambian respecto a la primera.
        criterion: con qué se dice cuál es mejor: "validation", "test" o "shifted".

    Lanza:
        ValueError: si algo no está en la rejilla; dice lo que hay.
    """

    title = "Explorador de ejecuciones"

    def __init__(
        self,
        *,
        learning_rate: float = 0.001,
        dropout: float = 0.0,
        augmentation: bool = False,
        filters: Sequence[int] = (32, 64),
        compare: Mapping[str, Any] | None = None,
        criterion: str = "validation",
    ):
        """Prepara el control; se muestra dejándolo en la última línea de una celda."""
        point = dict(zip(AXES, (learning_rate, dropout, augmentation, filters), strict=True))
        other = None if compare is None else _place({**point, **compare})
        super().__init__({"a": _place(point), "b": other, "criterion": criterion})

    @classmethod
    def clean_state(cls, state: Mapping[str, Any]) -> dict[str, Any]:
        """Comprueba que las combinaciones están en la rejilla."""
        if not isinstance(state, Mapping) or set(state) != {"a", "b", "criterion"}:
            raise ValueError("El estado tiene que ser un diccionario con a, b y criterion.")
        if state["criterion"] not in CRITERIA:
            raise ValueError(
                f"criterion tiene que ser uno de estos: {', '.join(CRITERIA)}; y es {state['criterion']!r}."
            )
        sizes = [len(values) for values in packed_grid()["axes"].values()]
        for name in ("a", "b"):
            place = state[name]
            if name == "b" and place is None:
                continue
            fits = isinstance(place, Sequence) and not isinstance(place, str) and len(place) == len(sizes)
            if not fits or not all(
                type(at) is int and 0 <= at < size for at, size in zip(place, sizes, strict=True)
            ):
                raise ValueError(
                    f"{name} tiene que ser cuatro posiciones en los ejes {sizes}, desde 0, y es {place!r}."
                )
        return {
            "a": list(state["a"]),
            "b": None if state["b"] is None else list(state["b"]),
            "criterion": state["criterion"],
        }

    @classmethod
    def data(cls) -> Mapping[str, Any]:
        """La rejilla entera, compacta; la página la lleva una vez."""
        return packed_grid()

    def point(self, which: str = "a") -> dict[str, Any]:
        """Los hiperparámetros de la ejecución A o B."""
        axes = packed_grid()["axes"]
        return {name: axes[name][at] for name, at in zip(AXES, self.state[which], strict=True)}

    def run(self, which: str = "a") -> dict[str, Any]:
        """La ejecución A o B, en diezmilésimas, como la lleva `data()`."""
        return packed_grid()["runs"][run_index(self.state[which])]

    def verdict(self) -> str:
        """Lo que se puede concluir de la ejecución A, o de A frente a B."""
        state, grid = self.state, packed_grid()
        chosen = grid["criteria"][state["criterion"]]
        index = run_index(state["a"])
        if state["b"] is None:
            return _against(grid, chosen, state["criterion"], index, chosen["order"][0], "la mejor")
        return _against(grid, chosen, state["criterion"], index, run_index(state["b"]), "B")

    def caption(self) -> str:
        """Los números de la ejecución A, y de B si se compara."""
        parts = [self._sentence("a")] + ([] if self.state["b"] is None else [self._sentence("b")])
        band = f"La banda son las {packed_grid()['seeds']} semillas de la combinación por omisión."
        return f"{' '.join(parts)} {self.verdict()} {band}"

    def _sentence(self, which: str) -> str:
        run = self.run(which)
        at = run["epoch"] - 1
        loss, val_loss, accuracy, val_accuracy = (curve[at] for curve in run["history"])
        return (
            f"{which.upper()}: {point_text(list(self.point(which).values()))}. Mejor época, la {run['epoch']} de "
            f"{len(run['history'][0])}: pérdida {format_units(loss)} en entrenamiento y {format_units(val_loss)} en validación; "
            f"exactitud {format_units(accuracy)} y {format_units(val_accuracy)}. Prueba oficial {format_units(run['test'])}; "
            f"desplazada {format_units(run['shifted'])}."
        )

    def summary(self) -> str:
        """La combinación y su exactitud de validación."""
        other = "" if self.state["b"] is None else "; frente a " + point_text(list(self.point("b").values()))
        return f"{point_text(list(self.point().values()))}{other}"

    def picture(self) -> Picture:
        """Pérdida y exactitud de la ejecución A (y debajo B), con la banda."""
        grid = packed_grid()
        shown = ["a"] if self.state["b"] is None else ["a", "b"]
        limits = limits_of([self.run(which) for which in shown], grid["band"])
        width, step = 720, 280
        parts: list[str] = []
        for row, which in enumerate(shown):
            run, top = self.run(which), row * step
            name = f"{which.upper()}: {point_text(list(self.point(which).values()))}"
            parts.append(svg_text(16, top + 22, name, font_weight="600"))
            for column, (label, ends) in enumerate(zip(("pérdida", "exactitud"), limits, strict=True)):
                box = (58 + 355 * column, top + 40, 280, 170)
                curves = (2 * column, 2 * column + 1)
                parts += _chart(
                    box,
                    [run["history"][at] for at in curves],
                    [grid["band"][at] for at in curves],
                    ends,
                    label,
                )
        bottom = len(shown) * step - 6
        for x, text, colour, dash in (
            (58, "entrenamiento", "#0072b2", ""),
            (230, "validación", "#d55e00", "7 4"),
        ):
            parts.append(
                f'<path d="M{x} {bottom - 5}h34" stroke="{colour}" stroke-width="2.2" stroke-dasharray="{dash}"/>'
            )
            parts.append(svg_text(x + 42, bottom, text))
        parts.append(svg_rect(390, bottom - 11, 34, 12, fill="#8a949e", opacity="0.4"))
        parts.append(svg_text(432, bottom, f"{grid['seeds']} semillas por omisión"))
        alt = f"Curvas de pérdida y exactitud por época. {self.caption()}"
        return svg_picture(parts, width=width, height=len(shown) * step + 6, alt=alt)


def _chart(box, curves, bands, limits, label) -> list[str]:
    """Los elementos de una gráfica pequeña: ejes, bandas y dos curvas."""
    left, top, width, height = box
    epochs = len(curves[0])

    def x(epoch):
        return left + (epoch - 1) * width / (epochs - 1)

    def y(value):
        return top + height * (1 - (value / UNIT - limits[0]) / (limits[1] - limits[0]))

    parts = [f'<path d="M{left} {top}V{top + height}H{left + width}" fill="none" stroke="#76808a"/>']
    low, high = (round(10 * limit) for limit in limits)
    for tenths in range(low, high + 1, 1 if high - low <= 5 else 2 if high - low <= 10 else 5):
        at = y(UNIT * tenths / 10)
        parts.append(f'<path d="M{left} {at:.1f}h{width}" stroke="#cfd6dc"/>')
        parts.append(svg_text(left - 6, round(at + 5, 1), f"{tenths / 10:.1f}", text_anchor="end"))
    for epoch in range(2, epochs + 1, 2):
        parts.append(svg_text(round(x(epoch), 1), top + height + 18, str(epoch), text_anchor="middle"))
    parts.append(svg_text(left + width / 2, top + height + 36, f"época · {label}", text_anchor="middle"))
    for curve, band, colour, dash in zip(curves, bands, ("#0072b2", "#d55e00"), ("", "7 4"), strict=True):
        edge = [(epoch, high) for epoch, (_, high) in enumerate(band, 1)]
        edge += [(epoch, low) for epoch, (low, _) in reversed(list(enumerate(band, 1)))]
        points = " ".join(f"{x(epoch):.1f},{y(value):.1f}" for epoch, value in edge)
        parts.append(f'<polygon points="{points}" fill="{colour}" opacity="0.2"/>')
        line = " ".join(
            f"{x(epoch):.1f},{y(value):.1f}" for epoch, value in enumerate(curve, 1) if value is not None
        )
        parts.append(
            f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2.2" stroke-dasharray="{dash}"/>'
        )
    return parts


def _place(point: Mapping[str, Any]) -> list[int]:
    """Posiciones de una combinación en los ejes."""
    axes, place = packed_grid()["axes"], []
    unknown = sorted(set(point) - set(AXES))
    if unknown:
        raise ValueError(f"La rejilla no tiene {', '.join(unknown)}. Sus ejes: {', '.join(AXES)}.")
    for name in AXES:
        wanted = list(point[name]) if isinstance(point[name], tuple) else point[name]
        same = [
            at
            for at, value in enumerate(axes[name])
            if value == wanted and isinstance(value, bool) == isinstance(wanted, bool)
        ]
        if not same:
            raise ValueError(
                f"{name} tiene que ser uno de {axes[name]}, los de la rejilla, y es {point[name]!r}."
            )
        place += same
    return place


def run_index(place: Sequence[int]) -> int:
    """Posición de una combinación en `data()["runs"]`."""
    index = 0
    for at, values in zip(place, packed_grid()["axes"].values(), strict=True):
        index = index * len(values) + at
    return index


def _against(grid, chosen, criterion: str, first: int, second: int, name: str) -> str:
    """Qué se puede decir de una ejecución frente a otra."""
    run, other = grid["runs"][first], grid["runs"][second]
    if run["failed"]:
        return "A no ha aprendido: su pérdida dejó de ser un número o acierta lo que el azar."
    if first == second:
        return (
            f"A es {name} de las {len(grid['runs'])} en {chosen['label']}."
            if name == "la mejor"
            else "A y B son la misma ejecución."
        )
    if other["failed"]:
        return f"{name} no ha aprendido: su pérdida dejó de ser un número o acierta lo que el azar."
    gap = run[criterion] - other[criterion]
    room = _units(
        margin(run[criterion] / UNIT, other[criterion] / UNIT, chosen["deviation"], chosen["count"])
    )
    where = f"{format_points(gap)} puntos {'menos' if gap < 0 else 'más'} que {name} en {chosen['label']}"
    if abs(gap) <= room:
        return f"A no se distingue de {name}: {where}, y el azar solo ya hace hasta {format_points(room)}."
    return f"A se distingue de {name}: {where}, y el azar solo hace hasta {format_points(room)}."
