"""Fórmulas sin internet: MathJax se copia dentro del libro y solo lo cargan las páginas con fórmulas."""

import shutil
from importlib.util import find_spec
from pathlib import Path

from sphinx.errors import ExtensionError

PACKAGE = "sphinx-mathjax-offline"  # también es el nombre de su módulo; solo se usan sus archivos
SCRIPT = "tex-chtml.js"
FONTS = "output/chtml/fonts/woff-v2"


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
