"""La tabla de `make bench`: cada cifra con lo medido, su suelo, su meta y si llega."""

import math
import os
import platform
from dataclasses import dataclass
from datetime import date
from importlib import metadata

from helpers.formats import format_integer

PACKAGES = ("tensorflow", "keras", "numpy", "jupyter-book", "wasmtime")
REACHES, HOLDS, SHORT, ONLY_TOLD = "llega a la meta", "cumple", "NO LLEGA", "—"


@dataclass(frozen=True)
class Figure:
    """Una cifra que se mide siempre igual.

    Atributos:
        key: su nombre en el JSON.
        label: su nombre en la tabla.
        unit: lo que se escribe detrás del número.
        floor: lo peor que se admite; `None` si la cifra solo informa.
        goal: lo que se querría.
        more_is_better: si suelo y meta son mínimos; si no, son máximos.
        decimals: con cuántos decimales se escribe.
    """

    key: str
    label: str
    unit: str
    floor: float | None = None
    goal: float | None = None
    more_is_better: bool = False
    decimals: int = 1

    def write(self, value: float | None) -> str:
        """El número con sus decimales y su unidad, o una raya si no lo hay."""
        if value is None:
            return "—"
        whole = self.decimals == 0 and math.isfinite(value)
        number = format_integer(round(value)) if whole else f"{value:.{self.decimals}f}"
        return f"{number} {self.unit}".strip()

    def limit(self, value: float | None) -> str:
        """Un suelo o una meta, con el sentido en que se compara."""
        return "—" if value is None else ("≥ " if self.more_is_better else "≤ ") + self.write(value)

    def verdict(self, value: float) -> str:
        """Si llega. Se compara el número medido, no el redondeado; lo que no es un número no llega."""
        if self.floor is None:
            return ONLY_TOLD

        def reaches(limit):
            return value >= limit if self.more_is_better else value <= limit

        if math.isnan(value) or not reaches(self.floor):
            return SHORT
        return REACHES if self.goal is not None and reaches(self.goal) else HOLDS


@dataclass(frozen=True)
class Measured:
    """Un valor medido y, si hace falta, a qué se refiere (qué capítulo, qué control)."""

    value: float
    note: str = ""


def rows_of(part: str, figures: tuple[Figure, ...], values: dict[str, Measured]) -> list[dict]:
    """Las filas de una parte, como van al JSON: los números, y también escritos y juzgados.

    Lanza:
        ValueError: si lo medido no es lo que la parte promete medir.
    """
    if set(values) != {figure.key for figure in figures}:
        raise ValueError(f"La parte «{part}» mide {sorted(values)} y promete {[f.key for f in figures]}.")
    return [
        {
            "part": part,
            "key": figure.key,
            "label": figure.label + (f" ({values[figure.key].note})" if values[figure.key].note else ""),
            "value": values[figure.key].value,
            "measured": figure.write(values[figure.key].value),
            "floor": figure.limit(figure.floor),
            "goal": figure.limit(figure.goal),
            "verdict": figure.verdict(values[figure.key].value),
        }
        for figure in figures
    ]


def falls_short(rows: list[dict]) -> list[str]:
    """Las cifras que no llegan a su suelo."""
    return [f"{row['part']}: {row['label']}" for row in rows if row["verdict"] == SHORT]


def write_table(rows: list[dict]) -> str:
    """La tabla en texto, con una línea al final que dice qué no llega."""
    cells = [["cifra", "medido", "suelo", "meta", "veredicto"]]
    cells += [[row[name] for name in ("label", "measured", "floor", "goal", "verdict")] for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(5)]

    def write(line):
        numbers = [text.rjust(width) for text, width in zip(line[1:4], widths[1:4], strict=True)]
        return "  ".join([line[0].ljust(widths[0]), *numbers, line[4]])

    lines, part = [write(cells[0])], None
    for row, line in zip(rows, cells[1:], strict=True):
        if row["part"] != part:
            part = row["part"]
            lines.append(f"[{part}]")
        lines.append(write(line))
    short = falls_short(rows)
    lines.append("Todo llega a su suelo." if not short else "No llega a su suelo: " + "; ".join(short) + ".")
    return "\n".join(lines)


def processor() -> str:
    """El nombre del procesador."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _version(package):
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def machine() -> dict:
    """Dónde y con qué se mide."""
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "date": date.today().isoformat(),
        "versions": {
            "python": platform.python_version(),
            **{name: version for name in PACKAGES if (version := _version(name))},
        },
    }
