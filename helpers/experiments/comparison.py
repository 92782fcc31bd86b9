"""Compara ejecuciones repetidas (en otra máquina, con otra copia de los datos) con las registradas. Sin TensorFlow."""

from dataclasses import dataclass
from pathlib import Path

from helpers.experiments import records
from helpers.experiments.sheet import load_all
from helpers.formats import MINUS

TOLERANCE = 0.03
"""Cuánto puede distar una exactitud sin que llame la atención: unas tres veces la dispersión entre semillas de
`baseline`, que es lo que puede mover otra máquina, y algo más por las imágenes originales, sin JPEG."""


@dataclass(frozen=True)
class Difference:
    """Lo que distan una ejecución registrada y su repetición.

    Argumentos:
        name: archivo del registro, por ejemplo `baseline-s0.json`.
        validation, test: exactitud (registrada, repetida) en la mejor época de cada una.
        best_epoch: mejor época (registrada, repetida).
        notes: en qué no son la misma ejecución (datos, versiones…), una frase cada una.
        problems: por qué la repetición no vale, si no vale.
    """

    name: str
    validation: tuple[float, float]
    test: tuple[float, float]
    best_epoch: tuple[int, int]
    notes: tuple[str, ...]
    problems: tuple[str, ...]


def compare_records(recorded: dict, repeated: dict, tolerance: float = TOLERANCE) -> Difference:
    """Compara dos registros de la misma ejecución.

    Son problemas: que la configuración o el número de parámetros no sean los mismos, y que la exactitud de validación
    o la de prueba disten más de `tolerance`. Que cambien los datos, las versiones o la máquina se anota.

    Argumentos:
        recorded: el registro guardado.
        repeated: el de la repetición.
        tolerance: diferencia de exactitud admitida, de 0 a 1.

    Devuelve:
        Una `Difference`.
    """
    pairs = {
        part: (recorded["best"][part]["accuracy"], repeated["best"][part]["accuracy"])
        for part in ("validation", "test")
    }
    problems = [
        f"{what} no es lo registrado: {recorded[key]} y ahora {repeated[key]}."
        for key, what in (("config", "La configuración"), ("parameters", "El número de parámetros"))
        if recorded[key] != repeated[key]
    ]
    for part, name in (("validation", "validación"), ("test", "prueba")):
        before, now = pairs[part]
        if abs(now - before) > tolerance:
            problems.append(
                f"La exactitud de {name} dista {_points(now - before)} puntos; se admiten {100 * tolerance:.1f}."
            )
    notes = []
    if recorded["data"]["sha256"] != repeated["data"]["sha256"]:
        before, now = (record["data"].get("copy", "sin describir") for record in (recorded, repeated))
        notes.append(f"Otra copia de los datos. Registro: {before}. Repetición: {now}.")
    for key, now in repeated["environment"].items():
        before = recorded["environment"].get(key)
        if before != now:
            notes.append(f"`{key}`: {before} en el registro, {now} en la repetición.")
    return Difference(
        records.record_name(recorded["experiment"], recorded["seed"]),
        pairs["validation"],
        pairs["test"],
        (recorded["best_epoch"], repeated["best_epoch"]),
        tuple(notes),
        tuple(problems),
    )


def compare_folders(
    repeated: Path, recorded: Path = records.RESULTS, tolerance: float = TOLERANCE
) -> list[Difference]:
    """Compara cada ejecución de una carpeta con la del mismo nombre entre las registradas.

    Lanza:
        records.RecordError: si la carpeta no existe o no tiene ninguna ejecución, si falta el registro con que
            comparar o si alguno no cumple el esquema.
    """
    repeated = Path(repeated)
    runs = [document for document in load_all(repeated) if not records.is_grid(document)]
    if not runs:
        raise records.RecordError(
            f"En «{repeated}» no hay ninguna ejecución que comparar. "
            f"Para hacer una: python -m helpers.experiments --folder {repeated} run NOMBRE --seed 0"
        )
    return [
        compare_records(records.load_record(run["experiment"], run["seed"], recorded), run, tolerance)
        for run in runs
    ]


def _points(difference: float) -> str:
    """Diferencia de exactitud en puntos porcentuales, con signo y un decimal."""
    text = f"{100 * abs(difference):.1f}"
    return text if text == "0.0" else ("+" if difference > 0 else MINUS) + text


def markdown(differences: list[Difference]) -> str:
    """Las diferencias como Markdown: una tabla, lo que cambia entre las dos y el veredicto."""
    lines = [
        "# Experimentos repetidos",
        "",
        "Cada casilla: registro → repetición (diferencia en puntos porcentuales).",
        "",
        "| ejecución | exactitud de validación | exactitud de prueba | mejor época | ¿vale? |",
        "|---|---|---|---|---|",
    ]
    for difference in differences:
        cells = [
            f"{before:.3f} → {now:.3f} ({_points(now - before)})"
            for before, now in (difference.validation, difference.test)
        ]
        lines.append(
            f"| `{difference.name}` | {cells[0]} | {cells[1]} | {difference.best_epoch[0]} → {difference.best_epoch[1]} "
            f"| {'no' if difference.problems else 'sí'} |"
        )
    for difference in differences:
        notes = [*(f"**{problem}**" for problem in difference.problems), *difference.notes]
        if notes:
            lines += ["", f"## `{difference.name}`", "", *(f"- {note}" for note in notes)]
    wrong = [difference.name for difference in differences if difference.problems]
    verdict = (
        f"No concuerdan: {', '.join(wrong)}."
        if wrong
        else "Todas las ejecuciones repetidas concuerdan con sus registros."
    )
    return "\n".join([*lines, "", verdict])
