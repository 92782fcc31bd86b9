"""La página del rendimiento: rellena sus huecos con la medida de referencia cada vez que se construye el libro."""

import json
import re
from pathlib import Path

from sphinx.errors import ExtensionError

PAGE = "rendimiento"
REFERENCE = "rendimiento.json"
PLACEHOLDER = re.compile(r"<!-- rendimiento: (\w+) -->")
COLUMNS = {"label": "cifra", "measured": "medido", "floor": "suelo", "goal": "meta", "verdict": "veredicto"}


def write_machine(document):
    """Una frase con la máquina, la fecha y las versiones."""
    where = document["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in where["versions"].items())
    return (
        f"**{where['processor']}, {where['cores']} núcleos** ({where['system']}), el {where['date']}, con carga "
        f"{where['load']} al empezar. Versiones: {versions}. Toda la medida tardó "
        f"{round(sum(document['seconds'].values()) / 60)} minutos."
    )


def write_part(document, part):
    """La tabla de una parte, o una frase si en esta referencia no se midió."""
    rows = [row for row in document["rows"] if row["part"] == part]
    if not rows:
        return "*Esta parte no se midió.*"
    lines = [list(COLUMNS.values()), ["---", "---:", "---:", "---:", "---"]]
    lines += [[row[name].replace("|", "\\|") for name in COLUMNS] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def render(text, document):
    """El texto de la página con sus huecos rellenos.

    Lanza:
        ValueError: si falta el hueco de una parte medida, o hay dos iguales.
    """
    asked = PLACEHOLDER.findall(text)
    wanted = ["maquina", *dict.fromkeys(row["part"] for row in document["rows"])]
    if len(set(asked)) < len(asked) or set(wanted) - set(asked):
        raise ValueError(
            f"la página necesita un hueco de cada una de estas partes: {', '.join(wanted)}. Tiene: "
            f"{', '.join(asked) or 'ninguno'}. Un hueco se escribe <!-- rendimiento: PARTE -->"
        )
    return PLACEHOLDER.sub(
        lambda found: write_machine(document) if found[1] == "maquina" else write_part(document, found[1]),
        text,
    )


def fill_page(app, docname, source):
    """Rellena los huecos de la página; si cambia la medida, Sphinx vuelve a leerla.

    Lanza:
        ExtensionError: si falta la medida, si está mal o si la página no tiene sus huecos.
    """
    if docname.rsplit("/", 1)[-1] != PAGE:
        return
    path = Path(app.env.doc2path(docname)).with_name(REFERENCE)
    try:
        app.env.note_dependency(str(path))
        source[0] = render(source[0], json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError) as error:
        raise ExtensionError(
            f"{docname}: no se puede escribir la página del rendimiento. {error}. La medida se rehace con "
            "python -m benchmarks --referencia."
        ) from error


def setup(app):
    """Conecta el relleno, antes de que se lea la página."""
    app.connect("source-read", fill_page)
