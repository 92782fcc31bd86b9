"""El libro para llevar: un zip que se abre desde el disco y un PDF.

    python -m helpers.packaging usb    _build/usb/redes-convolucionales.zip (sitio, cuadernos, paquete y LEEME.html)
    python -m helpers.packaging pdf    _build/pdf/redes-convolucionales.pdf (con Chromium y pypdf)

Las dos órdenes parten del sitio ya construido en `_build/html` (`make usb` y `make pdf` lo construyen antes).
"""

import argparse
import html
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
    "LICENSE-texto.md",
)
LEFT_OUT = {"__pycache__", ".ipynb_checkpoints", "_build"}
# Fecha fija: el mismo contenido da el mismo zip.
DATE = (2026, 1, 1, 0, 0, 0)

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
code, pre, kbd {{ background: #eef2f4; border-radius: 0.25rem; }}
pre {{ padding: 0.75rem; overflow-x: auto; }}
@media (prefers-color-scheme: dark) {{
  body {{ color: #e8e8ee; background: #16181c; }}
  a {{ color: #6cc5dc; }}
  code, pre, kbd {{ background: #262a30; }}
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
<p>Están en <code>cuadernos/book</code>. Necesitas Python 3.10, 3.11, 3.12 o 3.13, de 64 bits. La primera vez hace falta internet
para instalar TensorFlow. Abre una terminal en la carpeta <code>cuadernos</code> y escribe, línea a línea:</p>
<h3>Windows</h3>
<p>Para abrir la terminal: en el Explorador, entra en <code>cuadernos</code>, escribe <code>cmd</code> en la barra de direcciones
y pulsa <kbd>Intro</kbd>. Extrae el zip en una carpeta de ruta corta, como <code>C:\\libro</code>: TensorFlow tiene archivos de
nombre muy largo.</p>
<pre>py -m venv .venv
.venv\\Scripts\\python -m pip install -r requirements.txt
.venv\\Scripts\\python -m jupyter lab book</pre>
<h3>macOS y Linux</h3>
<pre>python3 -m venv .venv
.venv/bin/python -m pip install -r requirements.txt
.venv/bin/python -m jupyter lab book</pre>
<p>Las siguientes veces basta la última línea, y no hace falta internet.</p>
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


def main(arguments=None):
    """Ejecuta la orden y devuelve 0, o 1 con el motivo escrito."""
    parser = argparse.ArgumentParser(prog="python -m helpers.packaging", description="El libro para llevar.")
    parser.add_argument("orden", choices=["usb", "pdf"], help="qué hacer")
    order = parser.parse_args(arguments).orden
    try:
        if order == "pdf":
            from helpers.pdf import make_pdf

            target = make_pdf(ROOT / "_build" / order / f"{NAME}.pdf")
        else:
            target = make_usb(ROOT / "_build" / order / f"{NAME}.zip")
    except PackagingError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Listo: {target} ({target.stat().st_size / 1e6:.1f} MB)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
