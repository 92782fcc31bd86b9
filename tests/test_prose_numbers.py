"""Los números de la prosa: los del libro, la marca, el valor, la reescritura y la barrera que no deja ninguno suelto."""

import copy
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from docutils.core import publish_parts
from markdown_it import MarkdownIt
from myst_parser.parsers.docutils_ import Parser
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from helpers import notebooks
from helpers import prose_numbers as numbers
from helpers.experiments.records import load_record, save_record
from helpers.prose_numbers import Exceptions, NumberError

ROOT = Path(__file__).resolve().parent.parent
NARROW = "\u202f"
MINUS = "\u2212"


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Registros de tres semillas con valores elegidos, y un archivo de resultados que no es una ejecución."""
    folder = tmp_path_factory.mktemp("registros")
    for seed, accuracy in enumerate((0.66, 0.67, 0.71)):
        record = copy.deepcopy(load_record("baseline-fashion"))
        record.update(experiment="prueba", seed=seed, best_epoch=2, weights=None)
        record["config"]["epochs"] = 4
        record["history"] = {
            "val_accuracy": [0.5, accuracy, accuracy, 0.6],
            "val_loss": [1.5, 0.98, 1.1, 3.549],
        }
        record["best"]["test"].update(accuracy=accuracy, loss=1.0)
        record["seconds"] = {"wall": 18496.4, "cpu": 525.0}
        save_record(record, folder)
    single = load_record("prueba", 0, folder) | {"experiment": "sola"}
    save_record(single, folder)
    (folder / "rota-s0.json").write_text("{", encoding="utf-8")
    (folder / "rejilla.json").write_text(
        json.dumps({"a/b": {"m~n": [1, 315722]}, "nota": "x"}), encoding="utf-8"
    )
    return folder


def marked(printed, body="prueba-s0 /best/test/accuracy .3f"):
    return f"{printed}<!-- dato: {body} -->"


def messages(text, folder):
    return [str(problem) for problem in numbers.check(text, "aumento.ipynb, celda 3", folder)]


# --- El libro --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", numbers.find_documents(), ids=lambda path: path.stem)
def test_every_number_of_the_book_is_that_of_its_record(path):
    assert [str(problem) for problem in numbers.problems_of(path)] == []


def test_every_decimal_of_the_book_says_where_it_comes_from():
    assert [str(problem) for problem in numbers.coverage_problems()] == []


def test_coverage_starts_at_augmentation_and_follows_the_table_of_contents(tmp_path):
    names = [path.stem for path in numbers.covered_chapters()]
    assert names[:3] == ["aumento", "entrenamiento", "evaluacion"]
    assert {"datos", "licencias", "referencias"}.isdisjoint(names)
    (tmp_path / "_toc.yml").write_text("chapters:\n  - file: book/datos\n", encoding="utf-8")
    with pytest.raises(NumberError, match="no nombra book/aumento"):
        numbers.covered_chapters(tmp_path)


def test_rewriting_the_book_would_change_nothing(tmp_path):
    for path in numbers.find_documents():
        copied = Path(shutil.copy(path, tmp_path))
        assert not numbers.rewrite_file(copied), path.name
        assert copied.read_bytes() == path.read_bytes()


def test_checking_needs_no_tensorflow():
    code = (
        "import sys; from helpers import prose_numbers as n; n.main(['comprobar']); "
        "sys.exit(bool({'tensorflow', 'keras'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True).returncode == 0


# --- Un número que cambia ----------------------------------------------------------------------------------------


def test_a_number_equal_to_its_record_is_right(records):
    assert messages(f"Acierta {marked('0.660')} y punto.", records) == []


def test_one_changed_digit_in_prose_is_red(records):
    assert messages(f"Primera línea.\n\nAcierta {marked('0.661')}.", records) == [
        "aumento.ipynb, celda 3, línea 3: dice «0.661» y el registro, «0.660» "
        "(dato: prueba-s0 /best/test/accuracy .3f). make numeros"
    ]


def test_one_changed_digit_in_a_record_is_red(records, tmp_path):
    record = load_record("prueba", 0, records)
    record["best"]["test"]["accuracy"] = 0.6606
    save_record(record, tmp_path)
    assert "dice «0.660» y el registro, «0.661»" in messages(marked("0.660"), tmp_path)[0]
    record["best"]["test"]["accuracy"] = 0.6604  # no cambia nada de lo que se imprime
    save_record(record, tmp_path)
    assert messages(marked("0.660"), tmp_path) == []


def test_only_the_spaces_may_be_wrong(records):
    problem = messages(marked("66.0 %", "prueba-s0 /best/test/accuracy .1%"), records)
    assert len(problem) == 1 and "solo cambian los espacios" in problem[0]


# --- El valor ----------------------------------------------------------------------------------------------------

VALUES = {
    "prueba-s1 /best/test/accuracy .2f": "0.67",
    "prueba@media /best/test/accuracy .3f": "0.680",
    "prueba@dispersion /best/test/accuracy .4f": "0.0265",  # n − 1; con n serían 0.0216
    "prueba@min /best/test/accuracy .1%": f"66.0{NARROW}%",
    "prueba@max /best/test/accuracy .1p": "71.0",
    "prueba-s0 /history/val_accuracy/1 .2f": "0.66",
    "prueba-s0 /history/val_accuracy@max .2f": "0.66",
    "prueba-s0 /history/val_loss@min .2f": "0.98",
    "prueba-s0 /history/val_loss@final .2f": "3.55",
    "prueba-s0 /history/val_loss@mejor .2f": "0.98",
    "prueba-s0 /history/val_loss@3 .1f": "1.1",
    "prueba-s0 /history/val_accuracy@epoca_max d": "2",  # la primera de las dos iguales, contando desde 1
    "prueba-s0 /history/val_loss@epoca_min d": "2",
    "prueba@media /history/val_loss@epoca_min .1f": "2.0",
    "prueba-s0 /parameters d": f"315{NARROW}722",
    "prueba-s0 /seconds/wall .0f": f"18{NARROW}496",
    "prueba-s0 /seconds/cpu d": "525",
    "rejilla /a~1b/m~0n/1 d": f"315{NARROW}722",
    "prueba-s1 /best/test/accuracy - prueba-s0 /best/test/accuracy +.1p": "+1.0",
    "prueba-s0 /history/val_accuracy@final - prueba-s0 /history/val_accuracy@max .2f": f"{MINUS}0.06",
    "prueba-s0 /history/val_loss@final / prueba-s0 /history/val_loss@min .1f": "3.6",
    "prueba@media /best/test/accuracy - sola@media /best/test/accuracy +.3f": "+0.020",
}


@pytest.mark.parametrize("body", VALUES)
def test_value(body, records):
    datum = numbers.parse(body)
    assert numbers.format_number(numbers.resolve(datum, records), datum.format) == VALUES[body]


@pytest.mark.parametrize(
    ("value", "spec", "text"),
    [
        (2304, "d", "2304"),
        (18496, "d", f"18{NARROW}496"),
        (4188800, "d", f"4{NARROW}188{NARROW}800"),
        (12345.678, ".1f", f"12{NARROW}345.7"),
        (0.6667, ".0%", f"67{NARROW}%"),
        (-0.0021, ".1%", f"{MINUS}0.2{NARROW}%"),
        (-0.0001, ".2f", "0.00"),
        (0.0001, "+.2f", "0.00"),
        (-3, "+d", f"{MINUS}3"),
        (3.0, "+d", "+3"),
    ],
)
def test_format(value, spec, text):
    assert numbers.format_number(value, spec) == text


FAULTS = {
    "nada-s0 /best/test/accuracy .3f": "python -m helpers.experiments run nada --seed 0",
    "prueba-s9 /best/test/accuracy .3f": "No hay registro de «prueba» con semilla 9",
    "nada@media /best/test/accuracy .3f": "No hay registro de «nada»",
    "rota-s0 /best/test/accuracy .3f": "un archivo de «rota-s0» no es JSON válido",
    "prueba /best/test/accuracy .3f": "Una ejecución se nombra con su semilla (prueba-s0)",
    "prueba@mediana /best/test/accuracy .3f": "sobre las semillas hay @media, @dispersion, @min, @max",
    "sola@dispersion /best/test/accuracy .3f": "necesita dos semillas",
    "Prueba-s0 /best/test/accuracy .3f": "no nombra un registro",
    "prueba-s0 /best/prueba/accuracy .3f": "el puntero /best/prueba/accuracy no existe: en «/best» hay validation, test",
    "prueba-s0 /history/val_accuracy/4 .3f": "hay una lista de 4, con posiciones desde 0",
    "prueba-s0 /history/val_accuracy/01 .3f": "no existe",
    "prueba-s0 /parameters/0 d": "hay 315722",
    "prueba-s0 best.test.accuracy .3f": "no es un puntero",
    "prueba-s0 /history/val_accuracy .3f": "Si es una lista, añade un resumen",
    "prueba-s0 /history/val_accuracy@mediana .3f": "de una lista hay @max",
    "prueba-s0 /history/val_accuracy@5 .3f": "pide la época 5 y hay 4, contadas desde 1",
    "prueba-s0 /history/val_accuracy@0 .3f": "pide la época 0",
    "prueba-s0 /parameters@max d": "no hay una lista de números",
    "prueba-s0 /title .3f": "en /title no hay un número",
    "prueba-s0 /best/test/accuracy 3f": "«3f» no es un formato",
    "prueba-s0 /best/test/accuracy d": "usa .0f para redondearlo",
    "prueba-s0 /best/test/accuracy": "REGISTRO PUNTERO FORMATO",
    "prueba-s0 /best/test/accuracy * prueba-s0 /best/test/loss .3f": "REGISTRO PUNTERO FORMATO",
    "prueba@max /best/test/accuracy - prueba@min /best/test/accuracy .3f": "solo se restan o dividen medias",
    "prueba-s0 /best/test/loss / rejilla /nota .3f": "en /nota no hay un número",
}


@pytest.mark.parametrize("body", FAULTS)
def test_a_wrong_marker_says_what_and_where(body, records):
    problems = messages(f"Línea.\nVale {marked('0.660', body)}.", records)
    assert len(problems) == 1
    assert problems[0].startswith("aumento.ipynb, celda 3, línea 2: ")
    assert FAULTS[body] in problems[0]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "Acierta <!-- dato: prueba-s0 /best/test/accuracy .3f -->",
            "no va pegada a un número: ahí va 0.660",
        ),
        ("Vale 0.660 <!-- dato: prueba-s0 /best/test/accuracy .3f -->", "no va pegada a un número"),
        ("Vale $0.660<!-- dato: prueba-s0 /best/test/accuracy .3f -->$", "dentro de una fórmula"),
        ("## Acierta 0.660<!-- dato: prueba-s0 /best/test/accuracy .3f -->", "está en un título"),
        ("Vale 0.660<!-- dato: prueba-s0 /best/test/accuracy .3f", "no se cierra"),
        ("Vale 0.660<!-- dato prueba-s0 /best/accuracy .3f -->", "no existe"),
    ],
)
def test_a_misplaced_marker_is_red(text, fault, records):
    problems = messages(text, records)
    assert len(problems) == 1 and fault in problems[0]


# --- La reescritura ----------------------------------------------------------------------------------------------

REWRITES = {
    marked("0"): marked("0.660"),
    f"**{marked('0.6')}**": f"**{marked('0.660')}**",
    marked("**0.6**"): "**0.660**<!-- dato: prueba-s0 /best/test/accuracy .3f -->",
    f"±{marked('0.9', 'prueba@dispersion /best/test/accuracy .3f')}": f"±{marked('0.026', 'prueba@dispersion /best/test/accuracy .3f')}",
    f"de 2015 {marked('315 000', 'prueba-s0 /parameters d')}": f"de 2015 {marked(f'315{NARROW}722', 'prueba-s0 /parameters d')}",
    f"en 2015 {marked('315', 'prueba-s0 /seconds/cpu d')}": f"en 2015 {marked('525', 'prueba-s0 /seconds/cpu d')}",
    marked("66 %", "prueba-s0 /best/test/accuracy .1%"): marked(
        f"66.0{NARROW}%", "prueba-s0 /best/test/accuracy .1%"
    ),
    marked("+3", "prueba-s0 /best/test/loss - prueba-s1 /history/val_loss@final .1f"): marked(
        f"{MINUS}2.5", "prueba-s0 /best/test/loss - prueba-s1 /history/val_loss@final .1f"
    ),
    f"de 0.5 a 0.6, entre 0.5-{marked('0.9')}": f"de 0.5 a 0.6, entre 0.5-{marked('0.660')}",
    # Lo que no es una marca correcta se queda como está.
    f"`{marked('0.1')}`": f"`{marked('0.1')}`",
    f"```text\n{marked('0.1')}\n```\n": f"```text\n{marked('0.1')}\n```\n",
    marked("0.1", "nada-s0 /best/test/accuracy .3f"): marked("0.1", "nada-s0 /best/test/accuracy .3f"),
    "Un 0.1 <!-- nota: 0.2 --> y 0.3": "Un 0.1 <!-- nota: 0.2 --> y 0.3",
}


@pytest.mark.parametrize("text", REWRITES)
def test_rewrite(text, records):
    expected = REWRITES[text]
    assert numbers.rewrite(text, records) == expected
    assert numbers.rewrite(expected, records) == expected


def test_rewriting_a_notebook_changes_the_number_and_nothing_else(records, tmp_path):
    code = new_code_cell(
        "0.1<2", execution_count=1, outputs=[new_output("stream", name="stdout", text="0.1\n")]
    )
    path = tmp_path / "capitulo.ipynb"
    cells = [
        new_markdown_cell(f"# T\n\nAcierta {marked('0.661')}, no 0.661."),
        code,
        new_markdown_cell("0.661"),
    ]
    notebooks.write_notebook(path, notebooks.normalize(new_notebook(cells=cells)))
    before = json.loads(path.read_text(encoding="utf-8"))
    assert numbers.rewrite_file(path, records)
    text = path.read_text(encoding="utf-8")
    assert text == notebooks.to_text(notebooks.normalize(notebooks.read_notebook(path)))
    after = json.loads(text)
    assert "".join(after["cells"][0]["source"]) == f"# T\n\nAcierta {marked('0.660')}, no 0.661."
    before["cells"][0] = after["cells"][0] = None
    assert after == before
    modified = path.stat().st_mtime_ns
    assert not numbers.rewrite_file(path, records)
    assert path.stat().st_mtime_ns == modified


def test_rewriting_a_page_keeps_its_line_endings(records, tmp_path):
    path = tmp_path / "pagina.md"
    path.write_bytes(f"# Página\r\n\r\nVale {marked('0.1')}.\r\n".encode())
    assert numbers.rewrite_file(path, records)
    assert path.read_bytes() == f"# Página\r\n\r\nVale {marked('0.660')}.\r\n".encode()
    assert not numbers.rewrite_file(path, records)


def book(folder, text, toc="aumento"):
    """Un libro de una página, con su índice."""
    (folder / "book").mkdir()
    (folder / "book" / f"{toc}.md").write_text(text, encoding="utf-8")
    (folder / "_toc.yml").write_text(f"chapters:\n  - file: book/{toc}\n", encoding="utf-8")
    return folder


def test_the_commands_say_what_they_did(records, tmp_path, capsys):
    root = book(tmp_path, f"# A\n\n{marked('0.1')} y {marked('0.2', 'nada-s0 /x .1f')}\n")
    assert numbers.run_rewrite(root, records) == 1
    printed = capsys.readouterr()
    assert "Cambian: aumento.md" in printed.out
    assert "aumento.md, línea 3: No hay registro de «nada»" in printed.err
    (root / "book" / "aumento.md").write_text(f"# A\n\n{marked('0.660')}\n", encoding="utf-8")
    assert numbers.run_rewrite(root, records) == 0
    assert "Cambian: ninguno" in capsys.readouterr().out
    (root / "book" / "numeros.toml").write_text("", encoding="utf-8")
    assert numbers.run_check(root, records) == 0
    assert "1 números marcados en 1 documentos: todo en orden" in capsys.readouterr().out
    (root / "book" / "aumento.md").write_text(f"# A\n\n{marked('0.661')} y 0.5\n", encoding="utf-8")
    assert numbers.run_check(root, records) == 1
    printed = capsys.readouterr()
    assert "dice «0.661»" in printed.err and "«0.5» no dice de dónde sale" in printed.err
    assert "hay faltas" in printed.out


# --- Ningún número suelto ------------------------------------------------------------------------------------------


def uncovered(text, *exceptions, cells=frozenset()):
    document = numbers.Document(Path("aumento.ipynb"), (("aumento.ipynb, celda 3", text),), cells)
    return [str(problem) for problem in numbers.check_coverage(document, exceptions)]


@pytest.mark.parametrize(
    "number",
    [
        "0.667",
        "66.7 %",
        f"20{NARROW}%",
        "20%",
        "20&nbsp;%",
        "0,5",
        "veinte y 20 por ciento",
        "1.2.3",
        f"{MINUS}0.5",
    ]
    + [
        f"18{NARROW}496.5",
        "**0.5**",
        "| a | 0.5 |",
        "±0.5",
        "(0.5)",
        "x0.5",
        "![con 0.5](figura.png)",
        "0.5.",
    ],
)
def test_a_loose_number_is_red(number):
    problems = uncovered(f"Línea.\nAlgo {number} algo.")
    assert len(problems) == 1
    assert problems[0].startswith("aumento.ipynb, celda 3, línea 2: «")
    assert "no dice de dónde sale" in problems[0] and "book/numeros.toml" in problems[0]


@pytest.mark.parametrize(
    "text",
    [
        "`0.667`",
        "``0.5 ` 0.6``",
        "```python\nx = 0.5\n```",
        "> ```python\n> x = 0.5\n> ```",
        "~~~text\n0.5\n~~~",
        "```{code-block} python\nx = 0.5\n```",
        "```{figure} figura.png\n:width: 50%\n\nUn pie.\n```",
        "$0.5 + 0.1$",
        "$$\n0.5\n\n0.6\n$$",
        "[enlace](https://ejemplo.org/3.15)",
        "<https://ejemplo.org/3.15>",
        '<img src="a" width="0.5">',
        "<!-- una nota: 0.5 -->",
        f"2304, 18{NARROW}496 y 3×3, 5/7, capítulo 3.",
        marked("0.667"),
        f"**{marked('0.667')}**",
        f"| a | {marked(f'66.7{NARROW}%')} |",
        f"±{marked('0.012')}",
    ],
)
def test_code_maths_addresses_and_marked_numbers_are_covered(text):
    assert uncovered(text) == []


def test_what_follows_code_or_maths_is_prose_again():
    text = (
        "`a` 0.1 `b`\n\n```text\n0.2\n```\n0.3\n\n$x$ 0.4 $y$ y 5 $ sueltos 0.5\n\n<!-- a --> 0.6 <!-- b -->"
    )
    found = [re.search(r"«(.*?)»", problem).group(1) for problem in uncovered(text)]
    assert found == ["0.1", "0.3", "0.4", "0.5", "0.6"]


def test_the_prose_of_a_directive_is_prose():
    text = "````{note}\n:class: 0.1\n0.2\n```python\n0.3\n```\n0.4\n````\n0.5\n\n```a 0.6``` 0.7\n\n0.8"
    found = [re.search(r"«(.*?)»", problem).group(1) for problem in uncovered(text)]
    assert found == ["0.2", "0.4", "0.5", "0.7", "0.8"]


def test_exceptions_cover_what_they_name():
    text = "Con umbral\n> 0.5 acierta el 20 % y el 0.30."
    assert len(uncovered(text)) == 3
    groups = (
        Exceptions("Definiciones de la tarea.", texts=("umbral 0.5",), numbers=(f"20{NARROW}%",)),
        Exceptions("Lo imprime una celda.", cells=("0.30",)),
    )
    assert uncovered(text, *groups, cells=frozenset({numbers._canonical("0.3")})) == []
    assert len(uncovered("umbral 0.55", groups[0])) == 3  # el número y las dos excepciones que ya no se usan
    assert len(uncovered("20.0 y 0.5", Exceptions("Ni lo uno.", numbers=("20 %",)))) == 3


def test_an_exception_that_is_not_used_is_red():
    problems = uncovered("Nada.", Exceptions("Ya no hace falta.", texts=("umbral 0.5",), numbers=("0.2",)))
    assert len(problems) == 2
    assert all("book/numeros.toml, aumento" in problem and "sobra" in problem for problem in problems)
    problems = uncovered(
        f"Ahora es {marked('0.667')}", Exceptions("Antes iba sin marca.", texts=("Ahora es 0.667",))
    )
    assert len(problems) == 1 and "sobra" in problems[0]


def notebook_with(tmp_path, cell):
    path = tmp_path / "aumento.ipynb"
    notebooks.write_notebook(
        path, notebooks.normalize(new_notebook(cells=[new_markdown_cell("Sale 0.714."), cell]))
    )
    return [
        str(p)
        for p in numbers.check_coverage(numbers.read_document(path), [Exceptions("Sale.", cells=("0.714",))])
    ]


def test_a_cell_exception_must_be_in_the_chapter(tmp_path):
    def cell(source="x", output="", tags=()):
        outputs = [new_output("stream", name="stdout", text=output)] if output else []
        return new_code_cell(source, outputs=outputs, execution_count=1, metadata={"tags": list(tags)})

    assert notebook_with(tmp_path, cell(output="precisión 0.714\n")) == []
    assert notebook_with(tmp_path, cell(source="x = 0.7140")) == []
    for changed in (
        cell(output="precisión 0.715\n"),
        cell(output="0.714\n", tags=["nbval-ignore-output"]),
        cell(),
    ):
        problems = notebook_with(tmp_path, changed)
        assert len(problems) == 1 and "no está en ninguna celda de código de aumento.ipynb" in problems[0]


def test_exceptions_of_an_unknown_chapter_are_red(tmp_path):
    root = book(tmp_path, "# A\n")
    problems = numbers.coverage_problems(root, {"aumentos": (Exceptions("Una errata."),)})
    assert len(problems) == 1 and "«aumentos» no es un capítulo" in str(problems[0])


@pytest.mark.parametrize(
    ("toml", "fault"),
    [
        ('[[aumento]]\nnumeros = ["0.5"]\n', "no dice su razón"),
        ('[[aumento]]\nrazon = "porque sí"\n', "no dice su razón"),
        ('[[aumento]]\nrazon = "Es una definición."\ntexto = ["0.5"]\n', "no conozco «texto»"),
        ('[aumento]\nrazon = "Es una definición."\n', "con dos corchetes"),
        ("[[aumento]\n", "no es TOML"),
    ],
)
def test_a_wrong_exceptions_file_says_why(toml, fault, tmp_path):
    path = tmp_path / "numeros.toml"
    path.write_text(toml, encoding="utf-8")
    with pytest.raises(NumberError, match=fault):
        numbers.load_exceptions(path)
    with pytest.raises(NumberError, match="No existe"):
        numbers.load_exceptions(tmp_path / "otro.toml")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("Un 20% más", "espacio fino"),
        ("Un 20 % más", "espacio fino"),
        ("Son 315 722 parámetros", "millares"),
        ("Vale 0,5", "coma decimal"),
    ],
)
def test_typography_of_every_number(text, fault):
    problems = numbers.check_typography(text, "datos.ipynb, celda 1")
    assert len(problems) == 1 and fault in str(problems[0])
    assert numbers.check_typography(f"Un 20{NARROW}% más, 18{NARROW}496, `18 496`, `20%`, $20\\%$, 0.5") == []


# --- Lo que ve quien lee ---------------------------------------------------------------------------------------

SAMPLE = f"""\
Acierta 0.660{{marca}} de las imágenes y **0.660{{marca}}**, un 66.0{NARROW}%{{marca}}; ±0.026{{marca}}.

> **Error frecuente.** Decir 0.660{{marca}} sin decir con cuántas semillas.

| red | exactitud | dispersión |
|---|---:|---:|
| `baseline` | 0.660{{marca}} | 0.026{{marca}} |

- Una lista con 0.660{{marca}}, $x = 1$ y 0.026{{marca}}

<details><summary>Solución</summary>

Son 0.660{{marca}}.

</details>
"""


def render_commonmark(text):
    """Como JupyterLab y Colab: Markdown de GitHub con HTML."""
    return MarkdownIt("commonmark").enable("table").render(text)


def render_myst(text):
    """Como el libro."""
    settings = {
        "myst_enable_extensions": ["dollarmath"],
        "report_level": 2,
        "halt_level": 2,
        "raw_enabled": True,
    }
    return publish_parts(text, parser=Parser(), writer_name="html5", settings_overrides=settings)["body"]


@pytest.mark.parametrize("render", [render_commonmark, render_myst])
def test_markers_are_hidden_comments_that_change_nothing_else(render):
    marker = "<!-- dato: prueba@dispersion /history/val_accuracy@epoca_max .3f -->"
    without, with_markers = (render(SAMPLE.format(marca=text)) for text in ("", marker))
    assert "<td" in without and without.count("0.660") == 6
    assert with_markers.count(marker) == SAMPLE.count("{marca}") == 10
    assert with_markers.replace(marker, "") == without


def test_the_reference_of_speed_is_read_by_part_and_figure(tmp_path):
    rows = [
        {"part": "entrenamiento", "key": "batch_512", "value": 0.6249},
        {"part": "motor", "key": "keras", "value": 10},
    ]
    (tmp_path / "rendimiento.json").write_text(json.dumps({"rows": rows}), encoding="utf-8")
    folder = tmp_path / "results"
    assert messages(marked("0.62", "rendimiento /entrenamiento/batch_512 .2f"), folder) == []
    assert "0.62" in messages(marked("0.63", "rendimiento /entrenamiento/batch_512 .2f"), folder)[0]
    assert "hay keras" in messages(marked("0.63", "rendimiento /motor/nada .2f"), folder)[0]
