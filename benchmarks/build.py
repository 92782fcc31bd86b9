"""Lo que tarda en construirse el libro entero, y otra vez tras cambiar un capítulo."""

import functools
import shutil
import sys
import tempfile
from pathlib import Path

import nbformat

from benchmarks.table import Figure, Measured
from benchmarks.timing import command_seconds

ROOT = Path(__file__).resolve().parent.parent
CHAPTER = "convolucion"
FIGURES = (
    Figure("cold", "construir el libro desde cero", "s", 15),
    Figure("one_chapter", "construirlo tras cambiar un capítulo", "s", 5),
)


def copy_book(target: Path) -> None:
    """Copia lo que hace falta para construir el libro: no se mide sobre la carpeta de nadie."""
    for name in ("_config.yml", "_toc.yml"):
        shutil.copyfile(ROOT / name, target / name)
    ignore = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", "_build")
    shutil.copytree(ROOT / "book", target / "book", ignore=ignore)


def build(source: Path) -> float:
    """Construye con la orden de `make libro` y devuelve los segundos.

    Lanza:
        RuntimeError: si el libro no se construye.
    """
    return command_seconds([sys.executable, "-m", "helpers.book"], source, "El libro no se construye")


@functools.cache
def cold_build() -> tuple[Path, float]:
    """El libro recién construido, una vez por pasada: también lo usa la parte de las páginas. La carpeta se borra al salir."""
    folder = tempfile.TemporaryDirectory(prefix="libro-")
    cold_build.folder = folder  # mientras viva la función, vive la carpeta
    source = Path(folder.name)
    copy_book(source)
    return source, build(source)


def measure() -> dict[str, Measured]:
    """Construye en una copia, cambia una frase de un capítulo y vuelve a construir."""
    source, cold = cold_build()
    path = source / "book" / f"{CHAPTER}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    next(cell for cell in notebook.cells if cell.cell_type == "markdown").source += "\n\nUna frase más.\n"
    nbformat.write(notebook, path)
    return {"cold": Measured(cold), "one_chapter": Measured(build(source), CHAPTER)}
