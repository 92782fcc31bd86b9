"""El libro para llevar: un zip que se abre desde el disco y un PDF.

    python -m helpers.packaging usb    _build/usb/redes-convolucionales.zip (sitio, cuadernos, paquete y LEEME.html)
    python -m helpers.packaging pdf    _build/pdf/redes-convolucionales.pdf (con Chromium y pypdf)

Las dos órdenes parten del sitio ya construido en `_build/html` (`make usb` y `make pdf` lo construyen antes).
"""

import argparse
import html
import io
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
NAME = "redes-convolucionales"
# Lo que hace falta para ejecutar los cuadernos, además del sitio.
RUNNABLE = (
    "book",
    "helpers",
    "pyproject.toml",
    "requirements.txt",
    "requirements.lock",
    "README.md",
    "LICENSE",
)
LEFT_OUT = {"__pycache__", ".ipynb_checkpoints", "_build"}
# Fecha fija: el mismo contenido da el mismo zip.
DATE = (2026, 1, 1, 0, 0, 0)
MAXIMUM_PDF = 15_000_000

README = """<!DOCTYPE html>
<html lang="es">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Léeme: {title}</title>
<style>
body {{ max-width: 42rem; margin: 2rem auto; padding: 0 1rem; font: 1.05rem/1.6 system-ui, sans-serif;
  color: #1c1c22; background: #fff; }}
a {{ color: #0b6e8a; }}
code, pre {{ background: #eef2f4; border-radius: 0.25rem; }}
pre {{ padding: 0.75rem; overflow-x: auto; }}
@media (prefers-color-scheme: dark) {{
  body {{ color: #e8e8ee; background: #16181c; }}
  a {{ color: #6cc5dc; }}
  code, pre {{ background: #262a30; }}
}}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>Esta carpeta lleva el libro entero. No necesita internet.</p>
<h2>Leer</h2>
<p><a href="sitio/{root}.html">Abre el libro</a> en tu navegador. Los controles, la búsqueda y el laboratorio funcionan
desde el disco. Si abriste el zip sin extraerlo, extráelo antes: dentro del zip los enlaces no funcionan.</p>
<h2>Ejecutar los cuadernos</h2>
<p>Están en <code>cuadernos/book</code>. Necesitas Python 3.10, 3.11, 3.12 o 3.13. La primera vez hace falta internet
para instalar TensorFlow. Abre una terminal en la carpeta <code>cuadernos</code> y escribe:</p>
<pre>python -m venv .venv
.venv/bin/python -m pip install -r requirements.txt
.venv/bin/python -m jupyter lab book</pre>
<p>En Windows, cambia <code>.venv/bin/python</code> por <code>.venv\\Scripts\\python</code>.</p>
<h2>Copiar</h2>
<p>Puedes copiar la carpeta y darla a quien quieras. El texto lleva licencia CC BY 4.0 y el código, licencia MIT. Las demás
licencias están en <a href="sitio/book/licencias.html">Licencias</a>.</p>
</main>
</body>
</html>
"""


class PackagingError(Exception):
    """No se pudo hacer el zip o el PDF; el mensaje dice por qué y qué hacer."""


def read_contents(root=ROOT):
    """Devuelve el título del libro y su índice: una lista de (parte, documentos); la portada va sin parte."""
    title = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))["title"]
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    parts = [(part["caption"], [chapter["file"] for chapter in part["chapters"]]) for part in toc["parts"]]
    return title, [(None, [toc["root"]]), *parts]


def require_site(site):
    """Comprueba que el sitio está construido.

    Lanza:
        PackagingError: si falta.
    """
    if not (site / "index.html").exists():
        raise PackagingError(f"No hay un libro construido en {site}. Constrúyelo con: make libro")


def files_of(root, names):
    """Los archivos de cada nombre de `names` (archivo o carpeta de `root`), sin cachés, en orden."""
    found = []
    for name in names:
        path = root / name
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        found += [
            file for file in inside if file.is_file() and not LEFT_OUT & set(file.relative_to(root).parts)
        ]
    return found


def make_usb(target, root=ROOT, site=None):
    """Escribe en `target` un zip con el sitio, lo que ejecuta los cuadernos y la página que dice cómo.

    Argumentos:
        target: ruta del zip.
        root: raíz del repositorio.
        site: carpeta del sitio construido; por omisión, `_build/html`.

    Devuelve:
        La ruta del zip.

    Lanza:
        PackagingError: si el sitio no está construido.
    """
    site = site or root / "_build" / "html"
    require_site(site)
    title, contents = read_contents(root)
    entries = {f"sitio/{file.relative_to(site).as_posix()}": file for file in files_of(site, ["."])}
    entries |= {f"cuadernos/{file.relative_to(root).as_posix()}": file for file in files_of(root, RUNNABLE)}
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        readme = README.format(title=html.escape(title), root=contents[0][1][0])
        archive.writestr(zipfile.ZipInfo(f"{NAME}/LEEME.html", DATE), readme, zipfile.ZIP_DEFLATED)
        for name, file in sorted(entries.items()):
            archive.writestr(zipfile.ZipInfo(f"{NAME}/{name}", DATE), file.read_bytes(), zipfile.ZIP_DEFLATED)
    return target


# Prepara una página para el papel: aspecto claro, respuestas y soluciones abiertas, y figuras y fórmulas dibujadas.
PREPARE = """
async () => {
  document.documentElement.dataset.theme = "light";
  document.documentElement.dataset.mode = "light";
  for (const details of document.querySelectorAll("article details:not(.hide)")) details.open = true;
  for (const image of document.images) image.loading = "eager";
  if (document.querySelector("article .math") && window.MathJax?.startup) await MathJax.startup.promise;
  await Promise.all([...document.images].map((image) => image.decode().catch(() => {})));
  await document.fonts.ready;
}
"""
# Los programas de los controles buscan este atributo; sin él, queda a la vista la figura que guardó el cuaderno.
KEEP_FIGURES = """
document.addEventListener("readystatechange", () => {
  for (const host of document.querySelectorAll("[data-control][data-state]")) host.removeAttribute("data-state");
});
"""
FOOTER = (
    '<div style="width:100%;padding:0 15mm;font:8px sans-serif;color:#555;display:flex;justify-content:space-between">'
    "<span>{title}</span><span>{chapter}</span></div>"
)


def print_pages(documents, site, chapter_titles, title):
    """Imprime cada documento con Chromium, sin programas de controles: queda la figura que los sustituye.

    Devuelve:
        Los bytes de un PDF por documento, en el mismo orden.
    """
    sys.path.insert(0, str(ROOT / "tests"))
    from browsers import chromium

    printed = []
    with chromium(offline=True) as browser:
        page = browser.new_page(locale="es", viewport={"width": 794, "height": 1123}, color_scheme="light")
        page.add_init_script(KEEP_FIGURES)
        for document in documents:
            page.goto((site / f"{document}.html").as_uri(), wait_until="load")
            page.evaluate(PREPARE)
            footer = FOOTER.format(title=html.escape(title), chapter=html.escape(chapter_titles[document]))
            printed.append(
                page.pdf(
                    format="A4",
                    margin={"top": "18mm", "bottom": "18mm", "left": "16mm", "right": "16mm"},
                    display_header_footer=True,
                    header_template="<span></span>",
                    footer_template=footer,
                    print_background=True,
                    tagged=True,
                    outline=True,
                )
            )
    return printed


def page_title(page_html):
    """El título de una página construida, como texto."""
    found = re.search(r'<h1[^>]*>((?:(?!</h1>).)*?)<a class="headerlink"', page_html, re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", "", found[1])).strip() if found else ""


def make_pdf(target, root=ROOT, site=None):
    """Escribe en `target` el libro en un solo PDF, con el índice de partes, capítulos y secciones como marcadores.

    Lanza:
        PackagingError: si falta el sitio o pypdf, o si el PDF pesa más de lo prometido.
    """
    try:
        from pypdf import PdfReader, PdfWriter
    except ModuleNotFoundError:
        raise PackagingError(
            "Falta pypdf, que une los capítulos. Instálalo con: pip install -e '.[pruebas]'"
        ) from None
    site = site or root / "_build" / "html"
    require_site(site)
    title, contents = read_contents(root)
    documents = [document for _, names in contents for document in names]
    titles = {name: page_title((site / f"{name}.html").read_text(encoding="utf-8")) for name in documents}
    chapters = dict(zip(documents, print_pages(documents, site, titles, title), strict=True))
    writer = PdfWriter()
    for part, names in contents:
        parent = None
        for name in names:
            reader, first = PdfReader(io.BytesIO(chapters[name])), len(writer.pages)
            for page in reader.pages:
                writer.add_page(page)
            if part and parent is None:
                parent = writer.add_outline_item(part, first)
            chapter = writer.add_outline_item(titles[name], first, parent=parent)
            for heading, number in headings(reader):
                writer.add_outline_item(heading, first + number, parent=chapter)
    writer.add_metadata({"/Title": title, "/Author": f"Autores de «{title}»"})
    writer.root_object[_name("/Lang")] = _text("es")
    writer.page_mode = "/UseOutlines"
    writer.compress_identical_objects()
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        writer.write(file)
    size = target.stat().st_size
    if size > MAXIMUM_PDF:
        raise PackagingError(
            f"El PDF pesa {size / 1e6:.1f} MB y no debe pasar de {MAXIMUM_PDF / 1e6:.0f} MB: {target}"
        )
    return target


def headings(reader):
    """Las secciones (H2) de un capítulo impreso: (título, página desde 0), de los marcadores que pone Chromium."""
    found = []
    for item in reader.outline:
        if isinstance(item, list):
            sections = [inner for inner in item if not isinstance(inner, list)]
            found += [(inner.title, reader.get_destination_page_number(inner)) for inner in sections]
    return found


def _name(text):
    from pypdf.generic import NameObject

    return NameObject(text)


def _text(text):
    from pypdf.generic import TextStringObject

    return TextStringObject(text)


def main(arguments=None):
    """Ejecuta la orden y devuelve 0, o 1 con el motivo escrito."""
    parser = argparse.ArgumentParser(prog="python -m helpers.packaging", description="El libro para llevar.")
    parser.add_argument("orden", choices=["usb", "pdf"], help="qué hacer")
    order = parser.parse_args(arguments).orden
    make = {"usb": (make_usb, "zip"), "pdf": (make_pdf, "pdf")}[order]
    try:
        target = make[0](ROOT / "_build" / order / f"{NAME}.{make[1]}")
    except (PackagingError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Listo: {target} ({target.stat().st_size / 1e6:.1f} MB)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
