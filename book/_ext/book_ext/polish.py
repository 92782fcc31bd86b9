"""Retoques del HTML ya escrito: lo que las plantillas del tema traen fijo y no se puede configurar."""

import re
from pathlib import Path

# Texto fijo de las plantillas → texto del libro.
REPLACEMENTS = {}

# 1,4 MB de iconos en JavaScript: las fuentes web de iconos, que ya van en el libro, bastan.
_FONTAWESOME = re.compile(
    r"\s*<script[^>]*scripts/fontawesome\.js[^>]*></script>|\s*<link[^>]*scripts/fontawesome\.js[^>]*/?>"
)

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


def polish_html(html):
    """Devuelve la página sin el programa de iconos y con los textos fijos en español."""
    html = _FONTAWESOME.sub("", html)
    for old, new in REPLACEMENTS.items():
        html = html.replace(old, new)
    return html


def polish_site(app, exception):
    """Retoca cada página y añade la página de entrada y `.nojekyll`."""
    if exception or app.builder.format != "html":
        return
    site = Path(app.outdir)
    for page in site.rglob("*.html"):
        html = page.read_text(encoding="utf-8")
        polished = polish_html(html)
        if polished != html:
            page.write_text(polished, encoding="utf-8")
    for script in site.glob("_static/scripts/fontawesome.js*"):
        script.unlink()
    index = INDEX_PAGE.format(title=app.config.html_title, url=f"{app.config.root_doc}.html")
    (site / "index.html").write_text(index, encoding="utf-8")
    # Sin este archivo, GitHub Pages no publica las carpetas que empiezan por «_» y el libro pierde su CSS.
    (site / ".nojekyll").touch()


def setup(app):
    """Conecta los retoques al final de la construcción."""
    app.connect("build-finished", polish_site, priority=900)
