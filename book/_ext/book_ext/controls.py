"""Los controles interactivos: pone en marcha los `<div data-control="…">` que traen las salidas de los cuadernos.

Cada página lleva, dentro de ella, solo los programas de los controles que tiene, así que funciona también abierta desde
el disco. Lo que pesa mucho, como los pesos de una red, va en archivos aparte que se piden cuando el lector los necesita. Si un
control falla, su figura fija se queda donde estaba.
"""

import hashlib
import re
from pathlib import Path

from sphinx.errors import ExtensionError

STYLESHEET = "controles.css"
FILES = "_static/controles"
_CONTROL = re.compile(r'<div data-control="(\w+)" data-state=')


def controls_in(html):
    """Nombres de los controles de una página, sin repetir y en orden alfabético."""
    return sorted(set(_CONTROL.findall(html)))


def load_base():
    """El módulo `helpers.widgets.base`.

    Lanza:
        ExtensionError: si el paquete del libro no está instalado donde se construye.
    """
    try:
        from helpers.widgets import base
    except ModuleNotFoundError as error:
        raise ExtensionError(
            f"Los controles del libro necesitan el paquete «helpers» ({error}). Instálalo con: pip install -e ."
        ) from error
    return base


def fingerprint(folder):
    """Huella de los programas de los controles: si cambia, Sphinx vuelve a escribir las páginas."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.*")):
        if path.suffix in {".js", ".css", ".py"}:
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def copy_stylesheet(app):
    """Escribe el CSS común en `_static`, una vez para todo el libro."""
    if app.builder.format != "html":
        return
    target = Path(app.outdir, "_static", STYLESHEET)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(load_base().stylesheet(), encoding="utf-8")


def write_files(folder, controls):
    """Escribe los archivos que piden los controles (`Control.files`), cada uno una vez."""
    for control in controls:
        for name, make in control.files().items():
            path = folder / f"{name}.js"
            text = make()
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                folder.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")


def add_controls(app, pagename, templatename, context, doctree):
    """Añade a la página el CSS y los programas de sus controles; las demás no llevan nada.

    Lanza:
        ExtensionError: si una salida pide un control que no existe o que no se puede juntar.
    """
    names = controls_in(context.get("body") or "")
    if not names:
        return
    base = load_base()
    try:
        controls = [base.find_control(name) for name in names]
        folder = context["pathto"](FILES, 1) if app.builder.format == "html" else FILES
        script = base.page_script(controls, folder=folder)
        write_files(Path(app.outdir, FILES), controls)
    except (LookupError, FileNotFoundError, ValueError) as error:
        raise ExtensionError(f"{pagename}: {error}") from error
    app.add_css_file(STYLESHEET)
    app.add_js_file(None, body=script, type="module")


def setup(app):
    """Conecta el CSS y los programas, y anota su huella en la configuración."""
    app.add_config_value("controls_fingerprint", fingerprint(Path(load_base().__file__).parent), "html", str)
    app.connect("builder-inited", copy_stylesheet)
    app.connect("html-page-context", add_controls)
