"""El libro construido y servido, para las pruebas que lo miran. Se construye una vez por sesión (`conftest.py`)."""

import contextlib
import functools
import http.server
import shutil
import subprocess
import sys
import threading
from collections import namedtuple
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
DRAFT = "book/zz_borrador"

BuiltBook = namedtuple("BuiltBook", "source site returncode log html")


def build_book(source):
    """Construye en `source` una copia del libro con un borrador fuera del índice, con la orden de `make libro`."""
    for name in ("_config.yml", "_toc.yml"):
        shutil.copyfile(ROOT / name, source / name)
    ignore = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", "_build")
    shutil.copytree(ROOT / "book", source / "book", ignore=ignore)
    draft = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Borrador")])
    nbformat.write(draft, source / f"{DRAFT}.ipynb")
    command = [sys.executable, "-m", "helpers.book"]
    run = subprocess.run(command, cwd=source, capture_output=True, text=True, encoding="utf-8", timeout=300)
    site = source / "_build" / "html"
    if not (site / "index.html").exists():
        pytest.fail(f"El libro no se construye:\n{(run.stdout + run.stderr)[-4000:]}")
    html = {}
    for path in sorted(site.rglob("*.html")):
        html[path.relative_to(site).as_posix()] = path.read_text(encoding="utf-8")
    return BuiltBook(source, site, run.returncode, run.stdout + run.stderr, html)


class SilentHandler(http.server.SimpleHTTPRequestHandler):
    """Sirve archivos sin escribir una línea por petición."""

    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def serve(folder):
    """Sirve una carpeta en este equipo y da su dirección."""
    handler = functools.partial(SilentHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_address[1]}"
        httpd.shutdown()
        thread.join()
