"""Título, descripción y tarjeta de cada página, y el mapa del sitio: lo que leen los buscadores y quien comparte un enlace."""

import re
from html import escape, unescape
from pathlib import Path
from urllib.parse import quote

from docutils import nodes

from .repository import PLACEHOLDER

MAXIMUM = 160
MINIMUM = 50
SEARCH = "Busca en todas las páginas de «{title}», con o sin acentos, en singular o en plural."


def shorten(text, limit=MAXIMUM):
    """Corta `text` en el último final de frase que quepa en `limit` letras o, si no lo hay, en la última palabra."""
    text = re.sub(r"\s+", " ", text).strip()
    if len(text) <= limit:
        return text
    ends = [found.end() for found in re.finditer(r"[.?!](?= )", text[: limit + 1])]
    if ends and ends[-1] >= MINIMUM:
        return text[: ends[-1]]
    return text[: limit - 1].rpartition(" ")[0].rstrip(",;:") + "…"


def describe(doctree):
    """Descripción de una página: sus primeros párrafos hasta reunir `MINIMUM` letras, sin pasar de `MAXIMUM`."""
    text = ""
    for paragraph in doctree.findall(nodes.paragraph):
        text = f"{text} {paragraph.astext()}".strip()
        if len(text) >= MINIMUM:
            break
    return shorten(text)


def site_address(repository):
    """Dirección en GitHub Pages de un repositorio de GitHub; None si la dirección es la provisional o no es de GitHub."""
    found = re.fullmatch(r"https://github\.com/([\w.-]+)/([\w.-]+?)(?:\.git)?/?", repository)
    if not found or found[1] == PLACEHOLDER:
        return None
    owner, name = found[1].lower(), found[2]
    return f"https://{owner}.github.io/" + ("" if name.lower() == f"{owner}.github.io" else f"{name}/")


def sitemap(address, pages):
    """Texto del mapa del sitio: una dirección por página."""
    urls = "\n".join(f"  <url><loc>{escape(address + quote(page))}</loc></url>" for page in pages)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{urls}\n</urlset>\n'
    )


def meta_tags(title, description, site_name, url=None):
    """Etiquetas `<meta>` de una página: la descripción y la tarjeta (Open Graph)."""
    card = {
        "og:title": title,
        "og:description": description,
        "og:type": "article",
        "og:locale": "es",
        "og:site_name": site_name,
    }
    if url:
        card["og:url"] = url
    tags = [f'<meta name="description" content="{escape(description)}" />']
    tags += [f'<meta property="{name}" content="{escape(value)}" />' for name, value in card.items()]
    return "\n".join(tags) + (f'\n<link rel="canonical" href="{escape(url)}" />' if url else "")


def plain_title(title):
    """El título sin etiquetas ni el número del capítulo, que solo tiene sentido dentro del libro."""
    return re.sub(r"^\s*\d+\.\s*", "", unescape(re.sub(r"<[^>]+>", "", title))).strip()


def add_metadata(app, pagename, templatename, context, doctree):
    """Añade las etiquetas a la cabecera de la página."""
    site_name = app.config.html_title
    title = plain_title(context.get("title") or "") or (site_name if doctree else "Buscar")
    description = describe(doctree) if doctree else SEARCH.format(title=site_name)
    address = site_address(app.config.html_theme_options.get("repository_url", ""))
    url = f"{address}{pagename}.html" if address else None
    context["metatags"] = (
        (context.get("metatags") or "") + "\n" + meta_tags(title, description, site_name, url)
    )


def write_sitemap(app, exception):
    """Escribe `sitemap.xml` y `robots.txt` cuando la dirección es la de verdad."""
    address = site_address(app.config.html_theme_options.get("repository_url", ""))
    if exception or app.builder.format != "html" or not address:
        return
    pages = [f"{name}.html" for name in sorted(app.env.found_docs)]
    Path(app.outdir, "sitemap.xml").write_text(sitemap(address, pages), encoding="utf-8")
    Path(app.outdir, "robots.txt").write_text(
        f"User-agent: *\nAllow: /\nSitemap: {address}sitemap.xml\n", encoding="utf-8"
    )


def setup(app):
    """Conecta las etiquetas y el mapa."""
    app.connect("html-page-context", add_metadata)
    app.connect("build-finished", write_sitemap)
