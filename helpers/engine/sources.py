"""Los archivos del motor, listos para la página: todo en un texto, porque desde disco no se puede pedir nada más."""

import base64
import re
import textwrap
from pathlib import Path

FOLDER = Path(__file__).parent
WASM_PATH = FOLDER / "engine.wasm"


def _read(name):
    return (FOLDER / name).read_text(encoding="utf-8")


def _without_comments(script):
    """Quita los comentarios que ocupan líneas enteras: son para quien lee el código, no para quien lo descarga."""
    script = re.sub(r"^[ \t]*/\*\*.*?\*/\n", "", script, flags=re.M | re.S)
    return re.sub(r"^[ \t]*(//.*)?\n", "", script, flags=re.M)


def page_scripts():
    """Lo que necesita la página para hablar con el motor: `weights.js` (leer y escribir pesos), sin el motor."""
    return _without_comments(_read("weights.js"))


def worker_source():
    """Un script clásico con el motor entero: se guarda en un Blob y se arranca como *Worker*.

    Lleva dentro `engine.wasm` en base64, porque un *Worker* nacido de un Blob en una página abierta desde disco no puede
    leer ningún archivo.
    """
    wasm = base64.b64encode(WASM_PATH.read_bytes()).decode("ascii")
    scripts = (_without_comments(_read(name)) for name in ("weights.js", "engine.js", "worker.js"))
    return "\n".join((f'const ENGINE_WASM = "{wasm}";', *scripts))


def read_function(name, function):
    """El código de una función del motor, sin el comentario que la precede y sin sangría, para enseñarlo.

    Argumentos:
        name: archivo, relativo a `helpers/engine`: `twin.js`, `src/layers.c`.
        function: nombre de la función; el de un método lleva delante su clase (`TwinNetwork.backward`).

    Lanza:
        ValueError: si en el archivo no hay una función con ese nombre, o hay más de una.
    """
    text, (owner, _, method) = _read(name), function.partition(".")
    if method:
        classes = re.search(rf"^class {owner} {{\n(.*?)^}}$", text, re.M | re.S)
        text, indent, start = classes.group(1) if classes else "", "  ", ""
    else:
        method, indent, start = owner, "", r"[A-Za-z][\w *]*[ *]"
    # Empieza en la línea de su nombre, abre con una llave y acaba en la primera llave con la misma sangría.
    pattern = rf"^{indent}{start}{method}\([^;]*?\) {{\n.*?^{indent}}}$"
    found = re.findall(pattern, text, re.M | re.S)
    if len(found) != 1:
        raise ValueError(
            f"En helpers/engine/{name} hay {len(found)} funciones «{function}» y tendría que haber una. "
            "Si ha cambiado de nombre, cámbialo también donde se pide."
        )
    return textwrap.dedent(found[0])
