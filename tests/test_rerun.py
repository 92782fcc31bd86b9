"""Volver a ejecutar un cuaderno del libro que no entrena deja los mismos bytes, figuras y controles incluidos."""

import json
import shutil

import pytest
from built_book import ROOT

from helpers import notebooks


def trains(path):
    """Si alguna celda de un cuaderno enseña valores de un entrenamiento en vivo, que cambian de una vez a otra."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return any("nbval-ignore-output" in cell["metadata"].get("tags", []) for cell in cells)


QUIET = [path for path in sorted((ROOT / "book").glob("*.ipynb")) if not trains(path)]


def run_again(path, folder):
    """Los bytes del cuaderno después de volver a ejecutarlo en su carpeta, escritos en `folder`."""
    copy = folder / path.name
    notebooks.write_notebook(copy, notebooks.execute(notebooks.read_notebook(path), path.parent))
    return copy.read_bytes()


@pytest.mark.completo
@pytest.mark.parametrize("path", QUIET, ids=[path.stem for path in QUIET])
def test_running_a_chapter_again_leaves_the_same_bytes(path, tmp_path):
    # Con lo guardado no se compara: lo escribió otra máquina, y un decimal de otro procesador cambia el dibujo.
    assert run_again(path, tmp_path) == run_again(path, tmp_path)


def test_chapters_that_do_not_train_are_tested():
    assert {"arquitectura", "convolucion", "datos"} <= {path.stem for path in QUIET}


@pytest.mark.completo
def test_a_chapter_that_changes_is_noticed(tmp_path):
    path = tmp_path / "azar.ipynb"
    shutil.copy(ROOT / "book" / "como-usar.ipynb", path)
    notebook = notebooks.read_notebook(path)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    code[-1].source = "import random\nprint(random.random())"
    notebooks.write_notebook(path, notebook)
    (tmp_path / "otra").mkdir()
    assert run_again(path, tmp_path / "otra") != run_again(path, tmp_path / "otra")
