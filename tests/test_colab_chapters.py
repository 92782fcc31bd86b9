"""Cada capítulo en Colab, de principio a fin: sus versiones, su kernel, una carpeta vacía y solo el cuaderno.

El sustituto es fiel en lo que el libro toca: las versiones de Colab (`.venv-colab`), `google.colab` ya cargado cuando
empieza el cuaderno, ningún `helpers` instalado y una carpeta `/content` vacía. De GitHub hace un repositorio local con los
archivos de esta carpeta: la celda inicial lo clona de verdad.
"""

import json
import os
import shutil
import subprocess

import pytest
from built_book import ROOT

from helpers import notebooks

pytestmark = [pytest.mark.completo, pytest.mark.timeout(600)]

REPOSITORY = notebooks.read_repository(ROOT)
CHAPTERS = notebooks.find_notebooks()

# Lo que Colab ya tiene cargado cuando se abre un cuaderno.
STARTUP = "import sys, types\nsys.modules['google.colab'] = types.ModuleType('google.colab')\n"

# Ejecuta el cuaderno con la celda inicial repetida, como hace quien la pulsa dos veces, y lo guarda con sus salidas.
EXECUTE = """
import copy, sys, nbformat
from nbclient import NotebookClient
path, folder = sys.argv[1:]
notebook = nbformat.read(path, as_version=4)
first = next(i for i, cell in enumerate(notebook.cells) if "celda-inicial" in cell.metadata.get("tags", []))
notebook.cells.insert(first + 1, copy.deepcopy(notebook.cells[first]))
notebook.cells.append(nbformat.v4.new_code_cell("import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"))
NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": folder}}).execute()
nbformat.write(notebook, path)
"""


def git(*arguments, **options):
    subprocess.run(["git", *arguments], check=True, **options)


@pytest.fixture(scope="module")
def python():
    path = ROOT / ".venv-colab" / "bin" / "python"
    assert path.exists(), f"Falta {path}: créalo con «make entorno-colab»."
    return path


@pytest.fixture(scope="module")
def remote(tmp_path_factory):
    """El repositorio que se clona: los archivos de esta carpeta, también los que aún no se han confirmado."""
    folder = tmp_path_factory.mktemp("remoto")
    source = folder / "origen"
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        check=True, capture_output=True, text=True, encoding="utf-8",
    ).stdout.split("\0")  # fmt: skip
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name)
    git("-C", source, "init", "--quiet", f"--initial-branch={REPOSITORY.branch}")
    git("-C", source, "add", "--all")
    identity = ["-c", "user.name=Libro", "-c", "user.email=libro@ejemplo.org", "-c", "commit.gpgsign=false"]
    git("-C", source, *identity, "commit", "--quiet", "-m", "Prueba")
    return source.as_uri()


def run_chapter(chapter, folder, python, url):
    """Ejecuta un capítulo en una carpeta vacía y devuelve (código de salida, lo que dijo, el cuaderno)."""
    content = folder / "content"
    content.mkdir()
    notebook = json.loads(chapter.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = []
        if "celda-inicial" in cell["metadata"].get("tags", []):
            source = "".join(cell["source"])
            cell["source"] = source.replace(REPOSITORY.url, url).replace(
                '"/content/', f'"{content.as_posix()}/'
            )
            assert url in cell["source"] and content.as_posix() in cell["source"]
    path = content / chapter.name
    path.write_text(json.dumps(notebook), encoding="utf-8")
    startup = folder / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00-colab.py").write_text(STARTUP, encoding="utf-8")
    environment = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")
    }
    environment |= {
        "IPYTHONDIR": str(folder / "ipython"),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TRACE": str(folder / "git.log"),
    }
    done = subprocess.run(
        [python, "-I", "-c", EXECUTE, path, content],
        env=environment, cwd=content, capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip
    return done, json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_every_chapter_runs_to_the_end_in_colab(chapter, tmp_path, python, remote):
    done, notebook = run_chapter(chapter, tmp_path, python, remote)
    assert done.returncode == 0, done.stderr[-3000:]

    # B01: Binder da 2 GB por lector; con esto sobra sitio para el servidor. En Linux, ru_maxrss va en kilobytes.
    peak = int("".join(notebook["cells"].pop()["outputs"][0]["text"])) * 1024
    assert peak < 1.6e9, f"el kernel llegó a ocupar {peak / 1e9:.2f} GB"

    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert not [output for output in outputs if output.get("name") == "stderr"], "hay avisos en rojo"

    # Los controles que guarda el capítulo salen aquí enteros: con su programa y sin el gestor de widgets.
    stored = chapter.read_text(encoding="utf-8").count("<div data-control=")
    htmls = ["".join(output.get("data", {}).get("text/html", "")) for output in outputs]
    alone = [html for html in htmls if "data-control=" in html and "<script>" in html]
    assert len(alone) == stored
    shown = [kind for output in outputs for kind in output.get("data", {})]
    views = shown.count("application/vnd.jupyter.widget-view+json")
    assert views == 0 or "TrainingPanel" in chapter.read_text(encoding="utf-8")

    # Con la celda inicial ejecutada dos veces, una sola descarga.
    log = tmp_path / "git.log"
    clones = log.read_text(encoding="utf-8").count("built-in: git clone") if log.exists() else 0
    assert clones == 1


def test_a_chapter_that_fails_is_noticed(tmp_path, python, remote):
    """Sin la celda inicial, o con una celda rota, el cuaderno no llega al final."""
    setup = {
        "cell_type": "code", "id": "a", "execution_count": None, "outputs": [],
        "metadata": {"tags": ["celda-inicial"]}, "source": notebooks.setup_source(REPOSITORY),
    }  # fmt: skip
    broken = {**setup, "id": "b", "metadata": {}, "source": "import helpers\nhelpers.no_existe"}
    chapter = tmp_path / "roto.ipynb"
    text = {"cells": [setup, broken], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    chapter.write_text(json.dumps(text), encoding="utf-8")
    done, _ = run_chapter(chapter, tmp_path, python, remote)
    assert done.returncode != 0
    assert "no_existe" in done.stderr
