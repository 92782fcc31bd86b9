"""Los archivos del motor, listos para la página: todo en un texto, porque desde disco no se puede pedir nada más."""

import base64
import re
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
