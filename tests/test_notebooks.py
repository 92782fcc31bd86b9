"""Los cuadernos guardados, las barreras que los vigilan, la herramienta que los ejecuta y la celda inicial."""

import base64
import io
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from helpers import notebook_checks as checks
from helpers import notebooks
from helpers.notebooks import NotebookError, Repository

ROOT = Path(__file__).resolve().parent.parent
REPOSITORY = notebooks.read_repository(ROOT)
SOURCE = notebooks.setup_source(REPOSITORY)
BOOK = notebooks.find_notebooks(ROOT)
HOSTILE = {"COLUMNS": "60", "TERM": "dumb", "MPLBACKEND": "", "OMP_NUM_THREADS": "1"}


def png(color=(255, 255, 255, 255)):
    buffer = io.BytesIO()
    Image.new("RGBA", (4, 4), color).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def stream(text, name="stdout"):
    return new_output("stream", name=name, text=text)


def figure(data=None, alt="Una recta que sube de cero a uno"):
    metadata = {"image/png": {"alt": alt}} if alt else {}
    return new_output("display_data", data={"image/png": data or png(), "text/plain": "<Figura>"}, metadata=metadata)


def failure():
    return new_output("error", ename="ValueError", evalue="no vale", traceback=["ValueError: no vale"])


def one_cell(*outputs, source="x = 1", tags=(), heading="# Título"):
    """Cuaderno correcto de una celda, salvo lo que se le cambie."""
    cell = new_code_cell(source, execution_count=1, outputs=list(outputs), metadata={"tags": list(tags)})
    return new_notebook(cells=[new_markdown_cell(heading), cell])


# --- Lo guardado en el libro ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", BOOK, ids=lambda path: path.stem)
def test_book_notebook_is_clean_and_in_normal_form(path):
    assert notebooks.problems_of(path, SOURCE) == []


def test_book_has_its_notebooks():
    toc = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    assert BOOK
    assert [path.stem for path in BOOK if f"book/{path.stem}" not in toc] == []


def test_every_address_agrees_with_config():
    assert notebooks.address_problems(ROOT) == []


def test_citation_and_readme_carry_the_address():
    assert f'repository-code: "{REPOSITORY.url}"' in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"colab.research.google.com/github/{REPOSITORY.owner}/{REPOSITORY.name}/" in readme


# --- Cada barrera puede fallar ---------------------------------------------------------------------------------


def test_a_correct_notebook_has_no_problems():
    good = one_cell(stream("exactitud: 0.87\n"), figure())
    assert checks.check_notebook(good) == []


FAULTS = {
    "apartado pegado dos veces": (one_cell(heading="# Título\n\n## Datos\n\n## Red\n\n## Datos"), "«Datos» está dos veces"),
    "retorno de carro (K13)": (one_cell(stream("época 1\r")), "caracteres de control"),
    "retroceso (K13)": (one_cell(stream("10\x08\x08 %")), "caracteres de control"),
    "color ANSI (K13)": (one_cell(stream("\x1b[1m1/32\x1b[0m")), "caracteres de control"),
    "barra de progreso": (one_cell(stream("32/32 ━━━━━━━━━━ 1s\n")), "barra de progreso"),
    "barra de progreso antigua": (one_cell(stream("32/32 [=======>....] - ETA: 1s\n")), "barra de progreso"),
    "ruta de Linux": (one_cell(stream("guardado en /home/ana/red.keras\n")), "ruta de este equipo"),
    "ruta de Colab": (one_cell(stream("en /content/libro\n")), "ruta de este equipo"),
    "ruta de Windows": (one_cell(stream("en C:\\Users\\ana\n")), "ruta de este equipo"),
    "traza con ruta": (one_cell(stream("lib/site-packages/keras/x.py:3\n")), "ruta de este equipo"),
    "dirección de memoria": (one_cell(stream("<Sequential at 0x7f31a2b4c5d0>\n")), "representación"),
    "representación de una figura (N03)": (one_cell(stream("<Figure size 640x480 with 1 Axes>")), "representación"),
    "stderr (J12)": (one_cell(stream("algo\n", name="stderr")), "escribe en stderr"),
    "aviso de Keras (K02)": (one_cell(stream("layer.py:9: UserWarning: Do not pass")), "lleva un aviso"),
    "arranque de TensorFlow": (one_cell(stream("2026-11-25 10:00:00.123456: I tensorflow/core")), "lleva un aviso"),
    "registro de absl": (one_cell(stream("I0000 00:00:1700000000.1 12 cuda.cc:1]"[:5] + " 10:00:00.1")), "un aviso"),
    "orden mágica inexistente (N01)": (
        one_cell(stream("UsageError: Line magic function `%matplot` not found.")),
        "orden mágica",
    ),
    "error sin etiqueta": (one_cell(failure()), "guarda un error"),
    "etiqueta sin error (N01)": (one_cell(tags=["raises-exception"]), "no falla"),
    "imagen repetida (P01)": (one_cell(figure(), figure()), "dos veces"),
    "imagen transparente (P03)": (one_cell(figure(png((255, 255, 255, 0)))), "transparentes"),
    "figura sin texto alternativo": (one_cell(figure(alt=None)), "sin texto alternativo"),
    "imagen HTML sin texto alternativo": (
        one_cell(new_output("display_data", data={"text/html": '<img src="x.png" alt="">'})),
        "HTML sin texto alternativo",
    ),
    "imagen Markdown sin texto alternativo": (one_cell(heading="# T\n\n![](x.png)"), "en el texto sin texto"),
    "celda vacía": (one_cell(source="  "), "vacía"),
    "instala con %pip (B05)": (one_cell(source="%pip install keras"), "instala paquetes"),
    "instala con ! (B05)": (one_cell(source="!pip install -q -r requirements.txt"), "instala paquetes"),
    "instala con subprocess (B05)": (one_cell(source='run([exe, "-m", "pip", "install", "x"])'), "instala paquetes"),
    "gestor de controles (W03)": (
        one_cell(source="output." + "enable_custom_widget" + "_manager()"),
        "gestor de controles",
    ),
    "formato antiguo (K08)": (one_cell(source="model.save('red." + "h5')"), "formato antiguo"),
    "formato antiguo hdf5 (K08)": (one_cell(source="model.save('red." + "hdf5')"), "formato antiguo"),
    "valida con la prueba (K09)": (
        one_cell(source="model.fit(x, y, validation_data" + "=(dataset.x_test, dataset.y_test))"),
        "valida con el conjunto de prueba",
    ),
    "valida con la prueba (experimento)": (one_cell(source='run(validation="test")'), "valida con el conjunto"),
    "dibuja con graphviz (B06)": (one_cell(source="plot" + "_model(red)"), "graphviz"),
    "código más ancho que la página": (one_cell(source="x = " + "1 + " * 20 + "1"), "línea de 85 columnas"),
    "sin título": (one_cell(heading="## Sección"), "0 títulos de primer nivel"),
    "dos títulos (J04)": (one_cell(heading="# Uno\n\n# Dos"), "2 títulos de primer nivel"),
    "nivel saltado (A01)": (one_cell(heading="# Uno\n\n### Tres"), "salta de un título de nivel 1 a uno de nivel 3"),
    "directiva de MyST": (one_cell(heading="# Uno\n\n```{note}\nAlgo\n```"), "solo entiende MyST"),
    "rol de MyST": (one_cell(heading="# Uno\n\n{cite}`lecun1998`"), "solo entiende MyST"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_caught(name):
    notebook, message = FAULTS[name]
    problems = checks.check_notebook(notebook)
    assert len(problems) == 1, problems
    assert message in problems[0]


@pytest.mark.parametrize(
    "source", ["model.save('red.keras')", "model.save_weights('red.weights." + "h5')", "print('pip install x')"]
)
def test_correct_code_is_not_forbidden(source):
    assert checks.check_notebook(one_cell(source=source)) == []


def test_folded_code_may_be_wide():
    assert checks.check_code_width(one_cell(source="x" * 81, tags=["hide-input"])) == []
    assert checks.check_code_width(one_cell(source="x" * 80)) == []


def test_code_fences_are_not_headings():
    assert checks.check_notebook(one_cell(heading="# Uno\n\n```python\n# comentario\n```")) == []


def test_never_executed_and_out_of_order_cells_are_caught():
    notebook = one_cell()
    notebook.cells[1].execution_count = None
    assert checks.check_executed(notebook) == ["celda 2: nunca se ejecutó"]
    notebook.cells[1].execution_count = 7
    assert checks.check_executed(notebook) == ["celda 2: se ejecutó en el puesto 7 y le toca el 1"]


def test_widget_state_and_views_are_caught():
    view = new_output("display_data", data={notebooks.WIDGET_VIEW: {"model_id": "x"}, "text/plain": "control"})
    notebook = one_cell(view)
    notebook.metadata["widgets"] = {"state": {}}
    assert checks.check_widgets(notebook) == [
        "el cuaderno guarda el estado de ipywidgets",
        "celda 2: guarda la vista de un control de ipywidgets",
    ]


def test_heavy_file_is_caught(tmp_path):
    path = tmp_path / "pesado.ipynb"
    notebooks.write_notebook(path, notebooks.normalize(one_cell(stream("dato\n" * 200_001))))
    assert any("el máximo es 1000000" in problem for problem in notebooks.problems_of(path, None))


def test_setup_cell_differing_missing_or_repeated_is_caught():
    good = one_cell(source=SOURCE, tags=["celda-inicial", "hide-input"])
    assert checks.check_setup_cell(good, SOURCE) == []
    other = one_cell(source=SOURCE + "\n", tags=["celda-inicial"])
    assert "no es la de la plantilla" in checks.check_setup_cell(other, SOURCE)[0]
    assert "la primera celda de código" in checks.check_setup_cell(one_cell(), SOURCE)[0]
    good.cells.append(good.cells[1])
    assert "y solo ella" in checks.check_setup_cell(good, SOURCE)[0]
    noisy = one_cell(stream("listo\n"), source=SOURCE, tags=["celda-inicial"])
    assert checks.check_setup_cell(noisy, SOURCE) == ["la celda inicial tiene salida"]


def test_file_out_of_normal_form_is_caught(tmp_path):
    path = tmp_path / "cuaderno.ipynb"
    path.write_text(nbformat.writes(one_cell()), encoding="utf-8")
    assert any("forma normal" in problem for problem in notebooks.problems_of(path, None))


# --- Forma normal ------------------------------------------------------------------------------------------------


def test_normalize_is_idempotent_and_drops_what_changes():
    notebook = one_cell(
        stream("a\n"),
        stream("aviso\n", name="stderr"),
        stream("b\n"),
        new_output("error", ename="E", evalue="\x1b[31mmal\x1b[0m", traceback=["\x1b[31m/home/ana/x.py\x1b[0m"]),
        new_output("display_data", data={notebooks.WIDGET_VIEW: {"model_id": "x"}, "text/html": "<p>control</p>"}),
        figure(),
        tags=["remove-cell"],
    )
    notebook.cells[1].metadata["execution"] = {"iopub.status.busy": "2026-11-25T10:00:00Z"}
    notebook.cells[1].execution_count = 41
    notebook.metadata = {"widgets": {}, "kernelspec": {"name": "otro"}, "language_info": {"version": "3.11.2"}}
    text = notebooks.to_text(notebooks.normalize(notebook))
    normal = nbformat.reads(text, as_version=4)
    cell = normal.cells[1]
    assert notebooks.to_text(notebooks.normalize(normal)) == text
    assert normal.metadata == {"kernelspec": notebooks.KERNEL, "language_info": {"name": "python"}}
    assert cell.execution_count == 1
    assert cell.metadata == {"tags": ["remove-cell"], "jupyter": {"source_hidden": True}, "cellView": "form"}
    assert [output.output_type for output in cell.outputs] == ["stream", "stream", "error", *["display_data"] * 2]
    assert cell.outputs[0].text == "a\nb\n"
    assert cell.outputs[2].traceback == ["E: mal"]
    assert cell.outputs[3].data == {"text/html": "<p>control</p>"}
    assert cell.outputs[4].metadata["image/png"]["alt"] == "Una recta que sube de cero a uno"
    assert "widget-view" not in text and text.endswith("}\n")


def test_a_folded_cell_shows_its_title_on_the_page():
    folded = one_cell(source="# @title Entrena la red\nx = 1", tags=["hide-input"])
    assert notebooks.normalize(folded).cells[1].metadata["mystnb"] == {"code_prompt_show": "Entrena la red"}
    visible = one_cell(source="# @title Entrena la red\nx = 1")
    assert "mystnb" not in notebooks.normalize(visible).cells[1].metadata


def test_cell_ids_depend_on_content_and_never_repeat():
    cells = [new_markdown_cell("# Uno"), new_code_cell("x"), new_code_cell("x"), new_code_cell("x")]
    ids = [cell.id for cell in notebooks.normalize(new_notebook(cells=cells)).cells]
    again = [cell.id for cell in notebooks.normalize(new_notebook(cells=cells[1:])).cells]
    assert len(set(ids)) == 4
    assert ids[1:] == again


# --- Ejecutar ----------------------------------------------------------------------------------------------------

TINY_PACKAGE = '''
from helpers.plots import new_figure

FACTOR = 2


def double(x):
    return FACTOR * x


def line(height):
    figure, axes = new_figure(alt=f"Una recta que sube de 0 a {height}", title="Sube")
    axes.plot([0, height])
    return figure
'''


# Lo que un cuaderno correcto hace, celda a celda; con `AVISA` en el entorno, la última se queja.
GREEN = (
    ("import paquete\nprint('doble:', paquete.double(21))\nprint('fin')\npaquete.double(4)", ()),
    ("paquete.line(paquete.double(1))", ()),
    ("raise ValueError('a propósito')", ("raises-exception",)),
    ("import os, warnings\nif os.environ.get('AVISA'):\n    warnings.warn('cuidado', stacklevel=1)", ()),
)
# Lo que nbval da por bueno y la segunda barrera no.
RED = (
    ("%matplot inline\nraise ValueError('nadie lo ve')", ("nbval-ignore-output",)),
    ("x = 1", ("raises-exception",)),
    ("import sys\nprint('aviso', file=sys.stderr)", ("nbval-ignore-output",)),
    ("print('1/32 ━━━━━━━━\\r')", ("nbval-ignore-output",)),
)


def write_tiny(folder, name, cells):
    code = [new_code_cell(source, metadata={"tags": list(tags)}) for source, tags in cells]
    path = folder / f"{name}.ipynb"
    notebooks.write_notebook(path, notebooks.normalize(new_notebook(cells=[new_markdown_cell(f"# {name}"), *code])))
    return path


def execute_file(path):
    notebooks.write_notebook(path, notebooks.execute(notebooks.read_notebook(path), path.parent))


def run_nbval(*paths, folder, **environment):
    """Ejecuta la orden de `make test` sobre esos cuadernos y devuelve {celda: mensaje de fallo o None}."""
    shutil.copy(ROOT / "book" / "conftest.py", folder / "conftest.py")
    report = folder / "informe.xml"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--nbval", f"--junitxml={report}"]
    command += ["--nbval-sanitize-with", str(ROOT / "tests" / "nbval-sanear.cfg"), f"--rootdir={folder}"]
    done = subprocess.run(
        [*command, *map(str, paths)],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert report.exists(), done.stdout + done.stderr
    results = {}
    for case in ElementTree.parse(report).iter("testcase"):
        failed = [child for child in case if child.tag in ("failure", "error")]
        name = f"{case.get('classname').removesuffix('.ipynb').split('.')[-1]}:{case.get('name').removeprefix('Cell ')}"
        results[name] = failed[0].text if failed else None
    return results


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """Cuaderno de `GREEN` ejecutado y guardado, junto a su paquete diminuto."""
    folder = tmp_path_factory.mktemp("cuadernos")
    (folder / "paquete.py").write_text(TINY_PACKAGE, encoding="utf-8")
    path = write_tiny(folder, "verde", GREEN)
    execute_file(path)
    return path


def test_running_again_leaves_the_same_bytes(executed):
    before = executed.read_bytes()
    execute_file(executed)
    assert executed.read_bytes() == before
    cells = notebooks.read_notebook(executed).cells
    assert cells[1].outputs[0].text == "doble: 42\nfin\n"
    assert cells[2].outputs[0].metadata["image/png"]["alt"] == "Una recta que sube de 0 a 2"


def test_nbval_accepts_the_stored_outputs_even_in_a_hostile_terminal(executed):
    """N03: otra anchura, otro terminal, otro número de hilos; el mismo resultado."""
    chapter = Path(shutil.copy(ROOT / "book" / "como-usar.ipynb", executed.parent))
    results = run_nbval(executed, chapter, folder=executed.parent, **HOSTILE)
    cells = checks.code_cells(notebooks.read_notebook(chapter))
    expected = [f"verde:{n}" for n in range(len(GREEN))] + [f"como-usar:{n}" for n in range(len(cells))]
    assert results == dict.fromkeys(expected)


def test_nbval_and_the_second_gate_turn_red(executed, tmp_path):
    """Un ayudante cambiado (J02), un aviso nuevo (N03) y lo que nbval solo no ve (N01)."""
    shutil.copy(executed, tmp_path)
    changed = TINY_PACKAGE.replace("FACTOR = 2", "FACTOR = 3")
    (tmp_path / "paquete.py").write_text(changed, encoding="utf-8")
    write_tiny(tmp_path, "rojo", RED)
    results = run_nbval(tmp_path / "verde.ipynb", tmp_path / "rojo.ipynb", folder=tmp_path, AVISA="1")
    assert "doble: 63" in results["verde:0"]
    assert "el texto alternativo de una figura ha cambiado" in results["verde:1"]
    assert results["verde:2"] is None
    assert "{'stderr'}" in results["verde:3"]
    assert "una orden mágica no existe" in results["rojo:0"]
    assert "lleva la etiqueta raises-exception y no falla" in results["rojo:1"]
    assert "escribe en stderr" in results["rojo:2"]
    assert "caracteres de control" in results["rojo:3"] and "barra de progreso" in results["rojo:3"]


def test_the_kernel_environment_is_neutral(tmp_path, monkeypatch):
    for name, value in HOSTILE.items():
        monkeypatch.setenv(name, value)
    source = "import os\nprint([os.environ.get(n) for n in ('COLUMNS', 'LINES', 'LC_ALL', 'PYTHONWARNINGS')])"
    cells = [new_code_cell(source), new_code_cell("import os\nprint(os.path.basename(os.getcwd()))")]
    executed = notebooks.execute(new_notebook(cells=cells), tmp_path)
    assert executed.cells[0].outputs[0].text == "[None, None, 'C.UTF-8', None]\n"
    assert executed.cells[1].outputs[0].text == f"{tmp_path.name}\n"


def test_a_failing_notebook_keeps_its_file_and_shows_cell_and_error(tmp_path, capsys):
    path = write_tiny(tmp_path, "roto", [("x = 1", ()), ("y = x + falta", ())])
    before = path.read_bytes()
    assert notebooks.run_execute([path], 60, SOURCE) == 1
    message = capsys.readouterr().err
    assert path.read_bytes() == before
    assert "roto.ipynb: falló la celda 4:" in message
    assert "    y = x + falta\n" in message and "NameError" in message and "El archivo queda como estaba." in message
    assert "\x1b" not in message


def test_a_misspelt_magic_is_shown(tmp_path):
    with pytest.raises(NotebookError, match=r"falló la celda 1:\n    %matplot\n[\s\S]*%matplot` not found"):
        notebooks.execute(new_notebook(cells=[new_code_cell("%matplot")]), tmp_path)


def test_a_slow_cell_stops_with_its_name(tmp_path):
    notebook = new_notebook(cells=[new_code_cell("import time\ntime.sleep(30)")])
    with pytest.raises(NotebookError, match=r"falló la celda 1:[\s\S]*tardó más de 1 segundos"):
        notebooks.execute(notebook, tmp_path, timeout=1)


def test_a_dead_kernel_is_explained(tmp_path):
    notebook = new_notebook(cells=[new_code_cell("import os\nos._exit(1)")])
    with pytest.raises(NotebookError, match="el kernel murió"):
        notebooks.execute(notebook, tmp_path)


def test_reading_errors_are_explained(tmp_path):
    with pytest.raises(NotebookError, match="No existe"):
        notebooks.read_notebook(tmp_path / "nada.ipynb")
    (tmp_path / "roto.ipynb").write_text("{", encoding="utf-8")
    with pytest.raises(NotebookError, match="no es un cuaderno de Jupyter"):
        notebooks.read_notebook(tmp_path / "roto.ipynb")


def test_the_command_checks_and_rewrites_setup_cells(tmp_path, capsys):
    path = write_tiny(tmp_path, "cuaderno", [("x = 1", ())])
    assert notebooks.main(["comprobar", str(path)]) == 1
    message = capsys.readouterr()
    assert "cuaderno.ipynb: celda 2: nunca se ejecutó" in message.err and "hay faltas" in message.out
    assert notebooks.main(["celda-inicial", str(path)]) == 0
    assert notebooks.read_notebook(path).cells[1].source == SOURCE
    execute_file(path)
    assert notebooks.main(["comprobar", str(path)]) == 0
    assert notebooks.main(["comprobar", str(tmp_path / "nada.ipynb")]) == 1
    assert "No existe" in capsys.readouterr().err


# --- Dirección del repositorio -----------------------------------------------------------------------------------


@pytest.fixture
def small_repository(tmp_path):
    """Copia de lo que lleva la dirección, con un cuaderno y un enlace de cada clase."""
    root = tmp_path / "libro"
    (root / "book").mkdir(parents=True)
    for name in ("_config.yml", "CITATION.cff"):
        shutil.copy(ROOT / name, root / name)
    path = f"{REPOSITORY.owner}/{REPOSITORY.name}"
    (root / "README.md").write_text(
        f"https://colab.research.google.com/github/{path}/blob/main/book/portada.ipynb\n"
        f"https://mybinder.org/v2/gh/{path}/main?urlpath=lab/tree/book/portada.ipynb\n"
        f"https://{REPOSITORY.owner}.github.io/{REPOSITORY.name}/\n"
        f"git clone {REPOSITORY.url}\ncd {REPOSITORY.name}\n"
        f"pip install {REPOSITORY.name}\nhttps://github.com/zalandoresearch/fashion-mnist\n",
        encoding="utf-8",
    )
    notebook = one_cell(source=SOURCE, tags=["celda-inicial", "hide-input"])
    notebooks.write_notebook(root / "book" / "portada.ipynb", notebooks.normalize(notebook))
    return root


def test_repository_command_rewrites_every_address(small_repository):
    root = small_repository
    notebooks.run_repository("https://github.com/escuela-x/redes.git", root)
    new = Repository("escuela-x", "redes", "main")
    assert notebooks.read_repository(root) == new
    assert notebooks.address_problems(root) == []
    assert notebooks.problems_of(root / "book" / "portada.ipynb", notebooks.setup_source(new)) == []
    for path in notebooks.text_files(root):
        text = path.read_text(encoding="utf-8")
        assert REPOSITORY.url not in text and f"{REPOSITORY.owner}/{REPOSITORY.name}" not in text, path
    readme = (root / "README.md").read_text(encoding="utf-8")
    assert "https://escuela-x.github.io/redes/\n" in readme
    assert "git clone https://github.com/escuela-x/redes\ncd redes\n" in readme
    assert "https://github.com/zalandoresearch/fashion-mnist" in readme
    assert f"pip install {REPOSITORY.name}" in readme  # el paquete no cambia de nombre


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("https://mybinder.org/v2/gh/otra/persona/main", "Binder"),
        ("https://colab.research.google.com/github/otra/persona/blob/main/x.ipynb", "Colab"),
        ("git clone --depth=1 https://github.com/otra/persona", "git clone"),
        ('repository-code: "https://github.com/otra/persona"', "repository-code"),
        ("https://otra.github.io/persona/", "GitHub Pages"),
    ],
)
def test_a_differing_address_is_caught(small_repository, line, kind):
    (small_repository / "CONTRIBUTING.md").write_text(line + "\n", encoding="utf-8")
    (problem,) = notebooks.address_problems(small_repository)
    assert problem.startswith(f"CONTRIBUTING.md: la dirección de {kind} no es la de _config.yml")


def test_a_differing_branch_is_caught(small_repository):
    line = f"https://mybinder.org/v2/gh/{REPOSITORY.owner}/{REPOSITORY.name}/otra\n"
    (small_repository / "CONTRIBUTING.md").write_text(line, encoding="utf-8")
    assert len(notebooks.address_problems(small_repository)) == 1


def test_address_errors_are_explained(tmp_path):
    with pytest.raises(NotebookError, match="no es una dirección de GitHub"):
        notebooks.parse_url("https://ejemplo.org/libro")
    with pytest.raises(NotebookError, match="No existe"):
        notebooks.read_repository(tmp_path)
    (tmp_path / "_config.yml").write_text("title: Libro\n", encoding="utf-8")
    with pytest.raises(NotebookError, match="no dice «repository: url:»"):
        notebooks.read_repository(tmp_path)


# --- Celda inicial -----------------------------------------------------------------------------------------------


def test_setup_cell_is_short_and_never_installs():
    assert len(SOURCE.splitlines()) <= 20
    assert "pip install -r requirements.txt" in SOURCE  # solo como consejo, dentro de un mensaje
    assert checks.check_forbidden_code(one_cell(source=SOURCE)) == []


def test_setup_cell_is_written_once_before_the_first_code_cell():
    notebook = new_notebook(cells=[new_markdown_cell("# T"), new_code_cell("x = 1")])
    once = notebooks.write_setup_cell(notebook, SOURCE)
    twice = notebooks.write_setup_cell(once, SOURCE)
    assert [cell.source for cell in twice.cells] == ["# T", SOURCE, "x = 1"]
    assert twice.cells[1].metadata["tags"] == ["celda-inicial", "hide-input"]
    only_text = new_notebook(cells=[new_markdown_cell("# T")])
    assert len(notebooks.write_setup_cell(only_text, SOURCE).cells) == 1


def test_setup_cell_does_nothing_where_helpers_is_installed(tmp_path):
    before = dict(os.environ)
    path = list(sys.path)
    exec(compile(SOURCE, "celda", "exec"), {})
    assert os.environ == before and sys.path == path


class Colab:
    """Un Colab de mentira: un Python sin `helpers`, un módulo `google.colab` y una carpeta `/content` propia."""

    def __init__(self, folder, python):
        self.folder, self.python = folder, python
        self.content = folder / "content"
        self.content.mkdir()
        self.clone = self.content / REPOSITORY.name

    def run(self, url, *, colab=True, times=1, path=os.environ["PATH"], last="import helpers; print(helpers.__file__)"):
        source = SOURCE.replace(REPOSITORY.url, url).replace("/content", self.content.as_posix())
        assert url in source
        lines = ["import sys, types"]
        if colab:
            lines.append("sys.modules['google.colab'] = types.ModuleType('google.colab')")
        lines += ["cell = " + repr(source), f"for _ in range({times}): exec(cell, {{}})", last]
        environment = {
            "PATH": path,
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_SYSTEM": os.devnull,
            "PYTHONUTF8": "1",
            "GIT_TRACE": str(self.folder / "git.log"),
        }
        return subprocess.run(
            [self.python, "-I", "-X", "utf8", "-c", "\n".join(lines)],
            cwd=self.content,
            env=environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
        )

    def clones(self):
        log = self.folder / "git.log"
        return log.read_text(encoding="utf-8").count("built-in: git clone") if log.exists() else 0


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory):
    """Un entorno virtual vacío: sin `helpers` y sin nada instalado."""
    folder = tmp_path_factory.mktemp("entorno")
    venv.create(folder, with_pip=False)
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


@pytest.fixture(scope="module")
def remote(tmp_path_factory):
    """Repositorio local que hace de GitHub, con los módulos de `helpers` de verdad."""
    folder = tmp_path_factory.mktemp("remoto")
    source = folder / "origen"
    (source / "helpers").mkdir(parents=True)
    for module in (ROOT / "helpers").glob("*.py"):
        shutil.copy(module, source / "helpers")
    identity = ["-c", "user.name=Libro", "-c", "user.email=libro@ejemplo.org", "-c", "commit.gpgsign=false"]
    for order in (
        ["init", "--quiet", f"--initial-branch={REPOSITORY.branch}"],
        ["add", "helpers"],
        [*identity, "commit", "--quiet", "-m", "Prueba"],
    ):
        subprocess.run(["git", "-C", source, *order], check=True)
    bare = folder / "libro.git"
    subprocess.run(["git", "clone", "--quiet", "--bare", source, bare], check=True)
    return bare.as_uri()


@pytest.fixture
def colab(tmp_path, bare_python):
    return Colab(tmp_path, bare_python)


def test_colab_clones_once_and_imports_helpers(colab, remote):
    for _ in range(2):  # la segunda vez es como reiniciar el kernel: la carpeta ya está
        done = colab.run(remote, times=2)
        assert done.returncode == 0, done.stderr
        assert Path(done.stdout.strip()) == colab.clone / "helpers" / "__init__.py"
    assert done.stderr == ""
    assert colab.clones() == 1


def test_colab_without_network_says_what_to_do_and_stops(colab, tmp_path):
    done = colab.run((tmp_path / "no-existe.git").as_uri(), last="print('siguió')")
    assert done.returncode == 1 and "siguió" not in done.stdout
    assert "RuntimeError: No se pudo descargar el libro de file://" in done.stderr
    assert "Comprueba que hay conexión y que git funciona, y vuelve a ejecutar esta celda." in done.stderr
    assert not colab.clone.exists()


def test_colab_can_retry_after_a_failure(colab, tmp_path, remote):
    assert colab.run((tmp_path / "no-existe.git").as_uri()).returncode == 1
    assert colab.run(remote).returncode == 0


def test_colab_without_git_says_what_to_do_and_stops(colab, remote, tmp_path):
    done = colab.run(remote, path=str(tmp_path / "vacio"), last="print('siguió')")
    assert done.returncode == 1 and "siguió" not in done.stdout
    assert "RuntimeError: No se pudo descargar el libro" in done.stderr
    assert "No such file or directory: 'git'" in done.stderr


def test_outside_colab_the_missing_package_is_explained_without_touching_the_network(colab, remote):
    done = colab.run(remote, colab=False, last="print('siguió')")
    assert done.returncode == 1 and "siguió" not in done.stdout
    assert "ModuleNotFoundError: Falta el paquete «helpers» del libro." in done.stderr
    assert "pip install -r requirements.txt" in done.stderr
    assert colab.clones() == 0 and list(colab.content.iterdir()) == []


# N02: nbval espera cinco segundos fijos a que lleguen las salidas después de la respuesta del kernel. Una celda que
# escribe poco no se acerca nunca; el aviso «Timeout of» de nbval, además, haría fallar la ejecución.
def most_printed_lines(notebook):
    """Líneas que escribe la celda más habladora."""
    texts = [
        "".join(output.text for output in cell.outputs if output.output_type == "stream")
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]
    return max(text.count("\n") for text in texts)


@pytest.mark.parametrize("path", BOOK, ids=lambda path: path.stem)
def test_cells_print_little(path):
    assert most_printed_lines(nbformat.read(path, as_version=4)) <= 40


def test_talkative_cell_is_caught():
    assert most_printed_lines(one_cell(stream("paso\n" * 188))) == 188
