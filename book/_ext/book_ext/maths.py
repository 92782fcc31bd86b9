"""Fórmulas sin internet: MathJax se copia dentro del libro y solo lo cargan las páginas con fórmulas."""

import re
import shutil
from importlib.util import find_spec
from pathlib import Path

from sphinx.errors import ExtensionError

PACKAGE = "sphinx-mathjax-offline"  # también es el nombre de su módulo; solo se usan sus archivos
SCRIPT = "tex-chtml.js"
FONTS = "output/chtml/fonts/woff-v2"
# Una fórmula en línea y el signo que la cierra: el navegador puede cortar entre los dos.
_CLOSED = re.compile(r'(<span class="math notranslate nohighlight">\\\([^<]*\\\)</span>)([.,;:!?)\]»…%]+)')


def mathjax_source():
    """Devuelve la carpeta de MathJax dentro del paquete instalado.

    Lanza:
        ExtensionError: si el paquete no está instalado.
    """
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise ExtensionError(
            f"Falta el paquete {PACKAGE}, que trae MathJax para las fórmulas. "
            'Instálalo con: pip install -e ".[libro]"'
        )
    return Path(spec.origin).parent / "static" / "mathjax"


def use_local_mathjax(app, config):
    """Apunta Sphinx a la copia local y apaga el menú de MathJax, que está en inglés."""
    config.mathjax_path = f"mathjax/{SCRIPT}"
    settings = dict(config.mathjax3_config or {})
    settings["options"] = {**settings.get("options", {}), "enableMenu": False}
    config.mathjax3_config = settings


def drop_unused_mathjax(app, pagename, templatename, context, doctree):
    """Quita MathJax de las páginas sin fórmulas: Sphinx lo carga en la portada si otro capítulo las tiene."""
    if re.search(r'class="math[ "]', context.get("body") or ""):
        return
    context["script_files"] = [script for script in context["script_files"] if not is_mathjax(script)]


def keep_with_sign(app, pagename, templatename, context, doctree):
    """Mantiene en la misma línea una fórmula y el signo que la sigue."""
    if context.get("body"):
        context["body"] = _CLOSED.sub(r'<span class="con-signo">\1\2</span>', context["body"])


def is_mathjax(script):
    """Si un programa de la página es MathJax o su configuración."""
    body = getattr(script, "attributes", {}).get("body") or ""
    return "mathjax" in str(getattr(script, "filename", "")) or body.startswith("window.MathJax")


def copy_mathjax(app):
    """Copia el programa y las fuentes de MathJax en `_static/mathjax` (1,5 MB de los 15 del paquete)."""
    if app.builder.format != "html":
        return
    source, target = mathjax_source(), Path(app.outdir, "_static", "mathjax")
    target.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source / SCRIPT, target / SCRIPT)
    shutil.copytree(source / FONTS, target / FONTS, dirs_exist_ok=True)


def setup(app):
    """Conecta la configuración y la copia."""
    app.connect("config-inited", use_local_mathjax, priority=900)
    app.connect("builder-inited", copy_mathjax)
    app.connect("html-page-context", drop_unused_mathjax, priority=900)
    app.connect("html-page-context", keep_with_sign)
