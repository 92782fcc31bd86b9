"""La ficha de los experimentos: el Markdown de la página, escrito entero a partir de los registros.

La página `book/ficha.md` solo trae el texto fijo y tres huecos (`<!-- ficha: datos -->`…); la extensión del libro los
rellena al construirlo. Así no hay ninguna copia de los números que pueda quedarse vieja. Sin TensorFlow.
"""

import json
import re
import statistics
from itertools import groupby
from pathlib import Path

from helpers.experiments import records
from helpers.formats import format_integer

PLACEHOLDER = re.compile(r"<!-- ficha: (\w+) -->")


def render(text: str, folder: Path = records.RESULTS) -> str:
    """El texto de la página con sus huecos rellenos.

    Lanza:
        ValueError: si un hueco no se conoce o si el texto no tiene los tres.
        records.RecordError: si un registro no cumple el esquema.
    """
    asked = PLACEHOLDER.findall(text)
    if sorted(asked) != sorted(SECTIONS):
        raise ValueError(
            f"La ficha necesita un hueco de cada una de estas partes: {', '.join(SECTIONS)}. Tiene: "
            f"{', '.join(asked) or 'ninguno'}. Un hueco se escribe <!-- ficha: NOMBRE -->."
        )
    documents = load_all(folder)
    return PLACEHOLDER.sub(lambda found: SECTIONS[found[1]](documents), text)


def load_all(folder: Path = records.RESULTS) -> list[dict]:
    """Todos los registros, también los de rejillas, por nombre y semilla.

    Lanza:
        records.RecordError: si alguno no es JSON o no cumple el esquema.
    """
    documents = []
    for path in sorted(Path(folder).glob("*.json")):
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise records.RecordError(f"{path.name}: no es JSON válido ({error}).") from error
        records.check_record(document, path.name)
        documents.append(document)
    return sorted(documents, key=lambda document: (document["experiment"], document.get("seed", 0)))


def _by_experiment(documents: list[dict]) -> list[list[dict]]:
    return [list(group) for _, group in groupby(documents, key=lambda document: document["experiment"])]


def _table(header: list[str], rows: list[list[str]], left: int = 1) -> str:
    """Tabla Markdown; las columnas desde `left` van alineadas a la derecha."""
    marks = ["---"] * left + ["---:"] * (len(header) - left)
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, marks, *rows))


def mean_and_spread(values: list[float]) -> str:
    """Media ± desviación típica de la muestra, con tres decimales; de un solo valor no hay dispersión."""
    if len(values) < 2:
        return f"{values[0]:.3f}"
    return f"{statistics.fmean(values):.3f} ± {statistics.stdev(values):.3f}"


def _test_accuracies(documents: list[dict]) -> list[float]:
    if records.is_grid(documents[0]):
        return [run["test_accuracy"] for run in documents[0]["runs"]]
    return [document["best"]["test"]["accuracy"] for document in documents]


def summary(documents: list[dict]) -> str:
    """Una fila por experimento: cuántas ejecuciones, exactitud de prueba y segundos de procesador de todas."""
    rows = []
    for group in _by_experiment(documents):
        values = _test_accuracies(group)
        spread = (
            f"{min(values):.3f} a {max(values):.3f}" if records.is_grid(group[0]) else mean_and_spread(values)
        )
        cpu = sum(document["seconds"]["cpu"] for document in group)
        rows.append([f"`{group[0]['experiment']}`", str(len(values)), spread, format_integer(round(cpu))])
    return _table(["experimento", "ejecuciones", "exactitud de prueba", "segundos de procesador"], rows)


def _names(documents: list[dict]) -> str:
    return ", ".join(f"`{name}`" for name in dict.fromkeys(document["experiment"] for document in documents))


def _grouped(documents: list[dict], key) -> list[list[dict]]:
    """Grupos de registros con la misma clave, en el orden en que aparecen."""
    groups: dict = {}
    for document in documents:
        groups.setdefault(key(document), []).append(document)
    return list(groups.values())


def data_and_machines(documents: list[dict]) -> str:
    """Con qué datos y en qué máquinas se hicieron, y qué experimentos usan cada cosa."""
    lines = ["### Datos", ""]
    for group in _grouped(documents, lambda document: document["data"]["sha256"]):
        # La ficha completa de los datos está en las ejecuciones sueltas; una rejilla guarda menos campos.
        data = max((document["data"] for document in group), key=len)
        lines.append(f"- **`{data['name']}`**: {_autolink(data['source'])}.")
        if "copy" in data:
            lines.append(f"  - Versión: {data['copy']}.")
        if "sizes" in data:
            train, validation, test = map(format_integer, data["sizes"])
            lines.append(
                f"  - Reparto: {train} de entrenamiento, {validation} de validación y {test} de prueba."
            )
        lines.append(f"  - SHA-256 de los datos leídos: `{data['sha256']}`.")
        lines.append(f"  - Lo usan: {_names(group)}.")
    lines += ["", "### Máquinas y versiones", ""]
    for group in _grouped(documents, lambda document: tuple(sorted(document["environment"].items()))):
        environment = group[0]["environment"]
        dates = sorted({document["date"] for document in group})
        when = dates[0] if len(dates) == 1 else f"del {dates[0]} al {dates[-1]}"
        lines.append(
            f"- **{environment['processor']}, {environment['cores']} núcleos** ({environment['system']}), {when}."
        )
        lines.append(
            f"  - Python {environment['python']}, TensorFlow {environment['tensorflow']}, "
            f"Keras {environment['keras']}, NumPy {environment['numpy']}."
        )
        lines.append(f"  - {_sharing(environment)}")
        lines.append(f"  - Lo usan: {_names(group)}.")
    return "\n".join(lines)


def _autolink(text: str) -> str:
    return re.sub(r"https?://[^\s,)]+", lambda found: f"<{found[0]}>", text)


def _sharing(environment: dict) -> str:
    if environment.get("shared") is False:
        return "Sin otros trabajos a la vez: los segundos de reloj se pueden comparar."
    return (
        "Con otros trabajos a la vez: los segundos de reloj salen largos y no se comparan entre sí; los de "
        "procesador, mejor."
    )


def experiments(documents: list[dict]) -> str:
    """Una sección por experimento."""
    return "\n\n".join(
        grid_section(group[0]) if records.is_grid(group[0]) else experiment_section(group)
        for group in _by_experiment(documents)
    )


def _settings(config: dict, hidden: tuple = (None, False)) -> str:
    """La configuración como se escribe en Python; lo que está vacío o apagado (None, False) no se nombra.

    De la red se nombra también lo apagado: su función puede tenerlo encendido por omisión.
    """
    parts = []
    for key, value in config.items():
        if any(value is off for off in hidden) or value == {}:
            continue
        if isinstance(value, dict):
            parts.append(f"`{key}` ({_settings(value, (None,) if key == 'network' else hidden)})")
        else:
            text = str(value) if isinstance(value, bool) else json.dumps(value, ensure_ascii=False)
            parts.append(f"`{key}={text}`")
    return ", ".join(parts)


def _heading(document: dict) -> list[str]:
    return [f"### `{document['experiment']}`", "", document["title"], ""]


def _commands(documents: list[dict]) -> list[str]:
    return ["```bash", *dict.fromkeys(document["command"] for document in documents), "```"]


def experiment_section(group: list[dict]) -> str:
    """Un experimento con sus semillas: configuración, resultados, pesos guardados y la orden que lo repite."""
    rows = [
        [
            str(document["seed"]),
            str(document["best_epoch"]),
            f"{document['best']['validation']['accuracy']:.3f}",
            f"{document['best']['test']['accuracy']:.3f}",
            f"{document['best']['test']['loss']:.3f}",
            format_integer(round(document["seconds"]["wall"])),
            format_integer(round(document["seconds"]["cpu"])),
        ]
        for document in group
    ]
    validation = [document["best"]["validation"]["accuracy"] for document in group]
    if len(group) > 1:
        rows.append(
            ["**media**", "", f"{statistics.fmean(validation):.3f}"]
            + [f"{statistics.fmean(_test_accuracies(group)):.3f}"]
            + [f"{statistics.fmean(document['best']['test']['loss'] for document in group):.3f}"]
            + [
                format_integer(round(statistics.fmean(document["seconds"][key] for document in group)))
                for key in ("wall", "cpu")
            ]
        )
    header = ["semilla", "época", "validación", "prueba", "pérdida", "s reloj", "s procesador"]
    lines = _heading(group[0]) + [f"- Parámetros: {format_integer(group[0]['parameters'])}."]
    for same in _grouped(group, lambda document: json.dumps(document["config"], sort_keys=True)):
        seeds = "" if len(same) == len(group) else f" (semillas {', '.join(str(d['seed']) for d in same)})"
        lines.append(f"- Configuración{seeds}: {_settings(same[0]['config'])}.")
    lines.append(f"- Exactitud de prueba: {mean_and_spread(_test_accuracies(group))}.")
    for document in group:
        if document["weights"]:
            weights = document["weights"]
            lines.append(
                f"- Pesos de la semilla {document['seed']}: `{weights['file']}`, SHA-256 `{weights['sha256']}`."
            )
    return "\n".join([*lines, "", _table(header, rows, left=0), "", *_commands(group)])


def grid_section(grid: dict) -> str:
    """Una rejilla resumida: sus ejes, cuántas ejecuciones, entre qué valores y la dispersión de la combinación repetida."""
    runs = grid["runs"]
    first = [run for run in runs if run["seed"] == 0]
    repeated = [run for run in runs if run["point"] == grid["default"]]
    best = max(first, key=lambda run: run["test_accuracy"])
    lines = _heading(grid)
    lines.append(f"- Ejecuciones: {len(runs)}, de {grid['epochs']} épocas y lotes de {grid['batch_size']}.")
    lines += [
        f"- Eje `{axis}`: {', '.join(f'`{json.dumps(v)}`' for v in values)}."
        for axis, values in grid["axes"].items()
    ]
    lines.append(f"- Combinación que se repite con {len(repeated)} semillas: {_settings(grid['default'])}.")
    lines.append(f"- Imágenes de prueba: {grid['test']['what']}; SHA-256 `{grid['test']['sha256']}`.")
    lines.append(f"- Desplazamiento: {grid['test']['shift']}.")
    lines.append(
        f"- La de mayor exactitud de prueba: {_settings(best['point'])}. Elegida así, sale favorecida."
    )
    lines.append(
        f"- Segundos de todas: {format_integer(round(grid['seconds']['wall']))} de reloj y "
        f"{format_integer(round(grid['seconds']['cpu']))} de procesador."
    )
    rows = []
    for label, key in (("prueba", "test_accuracy"), ("prueba desplazada", "shifted_test_accuracy")):
        values = [run[key] for run in first]
        rows.append(
            [label, f"{min(values):.3f}", f"{statistics.median(values):.3f}", f"{max(values):.3f}"]
            + [mean_and_spread([run[key] for run in repeated])]
        )
    table = _table(["exactitud", "mínima", "mediana", "máxima", "la repetida"], rows)
    return "\n".join([*lines, "", table, "", *_commands([grid])])


SECTIONS = {"resumen": summary, "datos": data_and_machines, "experimentos": experiments}
"""Lo que puede ir en cada hueco de la página."""
