"""El motor, línea por línea: pone en la página el texto mismo de las funciones que explica.

Donde la página dice `<!-- código: twin.js reluBackward -->`, aparece esa función tal como está en `helpers/engine/twin.js`.
Así el código que se lee es el que se ejecuta y se comprueba: no puede quedarse viejo.
"""

import re

from sphinx.errors import ExtensionError

PAGE = "motor"
LANGUAGES = {".js": "javascript", ".c": "c"}
_SLOT = re.compile(r"^<!-- código: (\S+) (\S+) -->$", re.MULTILINE)


def find_slots(text):
    """Las parejas (archivo, función) que pide un texto, en orden."""
    return _SLOT.findall(text)


def fill_slots(text, read_function):
    """El texto con cada hueco cambiado por un bloque con el código de su función.

    Argumentos:
        text: Markdown con huecos.
        read_function: la que devuelve el código, dados el archivo y el nombre (`helpers.engine.sources.read_function`).
    """

    def fill(found):
        name, function = found.groups()
        language = LANGUAGES[name[name.rindex(".") :]]
        return f"```{language}\n{read_function(name, function)}\n```"

    return _SLOT.sub(fill, text)


def fill_page(app, docname, source):
    """Rellena los huecos de la página; si cambia un archivo del motor, Sphinx vuelve a leerla.

    Lanza:
        ExtensionError: si falta el paquete del libro, o si la página pide una función que no existe.
    """
    if docname.rsplit("/", 1)[-1] != PAGE:
        return
    try:
        from helpers.engine import sources

        for name in sorted({name for name, _ in find_slots(source[0])}):
            app.env.note_dependency(str(sources.FOLDER / name))
        source[0] = fill_slots(source[0], sources.read_function)
    except (ImportError, KeyError, OSError, ValueError) as error:
        raise ExtensionError(f"{docname}: no se puede poner el código del motor. {error}") from error


def setup(app):
    """Conecta el relleno, antes de que se lea la página."""
    app.connect("source-read", fill_page)
