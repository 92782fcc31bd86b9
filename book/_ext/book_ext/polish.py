"""Retoques del HTML ya escrito: lo que las plantillas del tema traen fijo y no se puede configurar."""

import json
import re
from pathlib import Path

from .interface import SEARCH_MESSAGES

# Texto fijo de las plantillas → texto del libro.
_INDEX, _CONTENTS = "Mostrar u ocultar el índice", "Contenidos de esta página"
REPLACEMENTS = {
    # Una opción (`-r`) no se parte tras su guion.
    '<span class="pre">-': '<span class="pre opcion">-',
    'title="Toggle primary sidebar"': f'title="{_INDEX}" aria-label="{_INDEX}"',
    'title="Toggle secondary sidebar"': f'title="{_CONTENTS}" aria-label="{_CONTENTS}"',
    'bd-docs-nav" aria-label="Main"': 'bd-docs-nav" aria-label="Índice del libro"',
    '<nav aria-label="Page">': f'<nav aria-label="{_CONTENTS}">',
    # El nombre de un bloque plegado es el título que se ve, no este, que lo taparía.
    ' aria-label="Toggle hidden content"': "",
    'alt="Binder logo"': 'alt=""',
    'alt="Colab logo"': 'alt=""',
    'fa-rocket"></i>': 'fa-rocket"></i><span class="boton-ejecutar">Ejecutar</span>',
    # El único icono de marca haría cargar otra fuente entera (118 KB) en cada página.
    "fab fa-github": "fa-solid fa-code-branch",
    'console.log("[PST]': 'void("[PST]',
    "title=Issue%20on%20page%20%2F": "title=P%C3%A1gina%20%2F",
    "&body=Your%20issue%20content%20here.": "&amp;body=%C2%BFQu%C3%A9%20falla%20y%20d%C3%B3nde%3F",
}

# 1,4 MB de iconos en JavaScript (la ruta depende de la versión del tema): bastan las fuentes web de iconos.
_FONTAWESOME = re.compile(
    r"\s*<(?:script|link)[^>]*/(?:scripts/fontawesome|fontawesome/[\d.]+/js/all\.min)\.js[^>]*>(?:</script>)?"
)
_UNUSED_FILES = (
    "scripts/fontawesome.js*",
    "vendor/fontawesome/*/js/*",
    "**/*.map",  # solo sirven para depurar el tema
    "*webpack-macros.html",
    "vendor/fontawesome/webfonts/fa-brands-*",
    "vendor/fontawesome/webfonts/fa-v4*",
    "vendor/fontawesome/webfonts/*.ttf",
)
# El tema de Python 3.10 pide antes de tiempo las fuentes de iconos, y desde el disco el navegador lo rechaza.
_FONT_PRELOAD = re.compile(r'\s*<link rel="preload" as="font"[^>]*/?>')
# El mismo tema repite este identificador en la página de búsqueda.
_REPEATED_INPUT = re.compile(r'(id="search-input".*?)\s*id="search-input"', re.DOTALL)
# Los nombres largos se parten donde se leen bien (las tablas no dejan que el navegador corte en otro sitio).
_TABLE = re.compile(r"<table\b.*?</table>", re.DOTALL)
_TABLE_CODE = re.compile(r'(<span class="pre">)(.*?)(</span>)', re.DOTALL)
_BREAKS = re.compile(r"([_=/]|[.(](?=[^\W\d]))(?=\w)")
# Todo lo que se lee está en una zona con nombre: el enlace a la portada queda fuera de las que pone el tema.
_HOME_LINK = re.compile(r'<div class="sidebar-primary-item">(?=\s*<a class="navbar-brand)')
# El hueco de la publicidad de Read the Docs, que el libro no usa.
_AD_PLACE = re.compile(
    r'<div class="sidebar-primary-item">\s*<div id="ethical-ad-placement"[^>]*>\s*</div>\s*</div>'
)
# Los programas del buscador y su índice solo hacen falta en la página de búsqueda.
_SEARCH_SCRIPTS = re.compile(
    r'\s*<script src="[^"]*(?:searchtools|language_data|searchindex)\.js[^"]*"[^>]*></script>'
)
# Las figuras guardadas en los cuadernos: a partir de la segunda, se cargan cuando el lector se acerca.
_FIGURE = re.compile(r'<img (?=[^>]*src="[^"]*_images/)(?![^>]*loading=)')
_REPEATED_TITLE = re.compile(r"<title>(.+?) (?:—|&#8212;|-) \1</title>")

INDEX_PAGE = """<!DOCTYPE html>
<html lang="es">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<meta http-equiv="refresh" content="0; url={url}">
<link rel="canonical" href="{url}">
</head>
<body><p><a href="{url}">Abrir «{title}»</a></p></body>
</html>
"""


def break_long_code(table):
    """Deja que el código de una tabla se parta tras `_`, `=` o `/` y entre palabras, y no a media palabra."""
    return _TABLE_CODE.sub(lambda found: found[1] + _BREAKS.sub(r"\1<wbr>", found[2]) + found[3], table[0])


def load_figures_late(html):
    """Aplaza la carga de todas las figuras menos la primera, que suele estar a la vista."""
    first = _FIGURE.search(html)
    if not first:
        return html
    return html[: first.end()] + _FIGURE.sub('<img loading="lazy" ', html[first.end() :])


def polish_html(html):
    """Devuelve la página sin el programa de iconos, con los textos fijos en español y el código de las tablas partible."""
    html = _FONTAWESOME.sub("", html)
    html = _FONT_PRELOAD.sub("", html)
    html = _REPEATED_INPUT.sub(r"\1", html)
    html = _REPEATED_TITLE.sub(r"<title>\1</title>", html)
    html = _HOME_LINK.sub('<div class="sidebar-primary-item" role="navigation" aria-label="Portada">', html)
    html = _AD_PLACE.sub("", html)
    if 'id="search-results"' not in html:
        html = _SEARCH_SCRIPTS.sub("", html)
    for old, new in REPLACEMENTS.items():
        html = html.replace(old, new)
    return _TABLE.sub(break_long_code, load_figures_late(html))


def rewrite(path, change):
    """Aplica `change` al texto de un archivo y lo guarda solo si cambia."""
    text = path.read_text(encoding="utf-8")
    changed = change(text)
    if changed != text:
        path.write_text(changed, encoding="utf-8")


def append_once(line):
    """Devuelve una función que añade `line` al final de un texto que aún no la tenga."""
    return lambda text: text if line in text else f"{text}\n{line}\n"


def polish_scripts(static):
    """Retoca los programas del tema y de Sphinx en la carpeta `static`.

    - translations.js: los mensajes del buscador.
    - documentation_options.js: desde el disco el navegador no deja leer otras páginas, así que el buscador no
      intenta mostrar extractos (y no llena la consola de errores).
    - el tema: sin sus mensajes informativos, para que la consola solo enseñe errores.
    """
    messages = json.dumps(SEARCH_MESSAGES, ensure_ascii=False)
    rewrite(
        static / "translations.js", append_once(f"Object.assign(Documentation.TRANSLATIONS, {messages});")
    )
    rewrite(
        static / "documentation_options.js",
        append_once('DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = location.protocol !== "file:";'),
    )
    for script in static.glob("scripts/*theme.js"):
        rewrite(script, lambda text: text.replace("console.log(", "void("))
    for pattern in _UNUSED_FILES:
        for unused in static.glob(pattern):
            unused.unlink()


def polish_site(app, exception):
    """Retoca cada página y añade la página de entrada y `.nojekyll`."""
    if exception or app.builder.format != "html":
        return
    site = Path(app.outdir)
    polish_scripts(site / "_static")
    for page in site.rglob("*.html"):
        rewrite(page, polish_html)
    index = INDEX_PAGE.format(title=app.config.html_title, url=f"{app.config.root_doc}.html")
    (site / "index.html").write_text(index, encoding="utf-8")
    # Sin este archivo, GitHub Pages no publica las carpetas que empiezan por «_» y el libro pierde su CSS.
    (site / ".nojekyll").touch()


def setup(app):
    """Conecta los retoques al final de la construcción."""
    app.connect("build-finished", polish_site, priority=900)
