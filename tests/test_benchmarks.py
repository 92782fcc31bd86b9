"""`make bench`: la tabla dice lo que no llega, cada suelo prometido tiene su fila y la página *Rendimiento* sale de la medida."""

import json
import math
import re
import subprocess
import sys

import pytest
from built_book import ROOT

from benchmarks import __main__ as bench
from benchmarks import chapters, controls, engine, memory, tests
from benchmarks.table import Figure, Measured, falls_short, rows_of, write_table
from benchmarks.timing import best_quarter, interleaved, ratio

sys.path.insert(0, str(ROOT / "book" / "_ext"))

# Los suelos que el proyecto promete, uno a uno: parte, cifra, suelo y si es un mínimo.
FLOORS = {
    ("motor", "over_keras"): (2.5, False),
    ("aumento", "over_generator"): (3, True),
    ("aumento", "training"): (1.25, False),
    ("entrenamiento", "over_homework"): (1.05, False),
    ("memoria", "cifar10"): (1.2, False),
    ("memoria", "sample"): (0.9, False),
    ("construccion", "cold"): (15, False),
    ("construccion", "one_chapter"): (5, False),
    ("capitulos", "slowest"): (60, False),
    ("capitulos", "largest"): (1.6, False),
    ("capitulos", "all"): (300, False),
    ("controles", "slowest"): (50, False),
    ("controles", "heaviest"): (300, False),
    ("paginas", "engine"): (20, False),
    ("paginas", "weights"): (700, False),
    ("pruebas", "all"): (12, False),
}
GOALS = {("motor", "over_keras"): 1.5, ("aumento", "over_generator"): 10}
INFORMED = {("motor", name) for name in ("keras", "engine", "twin", "keras_inference", "engine_inference")}


def figures():
    return {(part, figure.key): figure for part in bench.PARTS for figure in bench.module(part).FIGURES}


def test_every_promised_floor_has_its_row():
    found = figures()
    with_floor = {
        key: (figure.floor, figure.more_is_better)
        for key, figure in found.items()
        if figure.floor is not None
    }
    assert with_floor == FLOORS
    assert {key: found[key].goal for key in GOALS} == GOALS
    assert set(found) >= INFORMED


LESS = Figure("less", "tarda", "s", 5, 2)
MORE = Figure("more", "rinde", "×", 3, 10, more_is_better=True)
TOLD = Figure("told", "se cuenta", "ms", decimals=0)


@pytest.mark.parametrize(
    ("figure", "value", "verdict"),
    [
        (LESS, 5.0, "cumple"),
        (LESS, 5.01, "NO LLEGA"),  # aunque escrito sea 5.0
        (LESS, 2.0, "llega a la meta"),
        (LESS, math.nan, "NO LLEGA"),
        (MORE, 3.0, "cumple"),
        (MORE, 2.99, "NO LLEGA"),
        (MORE, 10.0, "llega a la meta"),
        (MORE, math.nan, "NO LLEGA"),
        (TOLD, 1e9, "—"),
    ],
)
def test_verdicts(figure, value, verdict):
    assert figure.verdict(value) == verdict


def test_numbers_are_written_for_people():
    assert Figure("a", "a", "imágenes/s", decimals=0).write(12_345.6) == "12\u202f346 imágenes/s"
    assert TOLD.write(2386.4) == "2386 ms" and TOLD.write(math.nan) == "nan ms"
    assert MORE.limit(3) == "≥ 3.0 ×" and MORE.limit(None) == "—"


def test_the_table_says_what_falls_short():
    values = {"less": Measured(5.2, "datos"), "more": Measured(12), "told": Measured(3)}
    rows = rows_of("prueba", (LESS, MORE, TOLD), values)
    assert falls_short(rows) == ["prueba: tarda (datos)"]
    lines = [line.split() for line in write_table(rows).splitlines()]
    assert lines[0] == ["cifra", "medido", "suelo", "meta", "veredicto"] and lines[1] == ["[prueba]"]
    assert lines[2] == "tarda (datos) 5.2 s ≤ 5.0 s ≤ 2.0 s NO LLEGA".split()
    assert lines[3] == "rinde 12.0 × ≥ 3.0 × ≥ 10.0 × llega a la meta".split()
    assert lines[4] == "se cuenta 3 ms — — —".split()
    assert " ".join(lines[5]) == "No llega a su suelo: prueba: tarda (datos)."
    assert write_table(rows[1:]).endswith("Todo llega a su suelo.")


def test_a_part_measures_what_it_promises():
    with pytest.raises(ValueError, match="La parte «prueba» mide .*'otra'.* y promete .*'less'"):
        rows_of("prueba", (LESS,), {"otra": Measured(1)})


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """Una pasada sin medir nada: cada parte da sus suelos justos, y `spoil` empeora una cifra."""
    monkeypatch.setattr(bench, "OUTPUT", tmp_path / "bench" / "medidas.json")
    monkeypatch.setattr(bench, "REFERENCE", tmp_path / "rendimiento.json")
    spoiled = {}

    def module(part):
        class Part:
            FIGURES = original(part).FIGURES

            @staticmethod
            def measure():
                limits = {figure.key: 1 if figure.floor is None else figure.floor for figure in Part.FIGURES}
                return {key: Measured(spoiled.get((part, key), limit)) for key, limit in limits.items()}

        return Part

    original = bench.module
    monkeypatch.setattr(bench, "module", module)
    return spoiled


def test_one_command_prints_saves_and_fails(measured, capsys):
    assert bench.main([]) == 0
    saved = json.loads(bench.OUTPUT.read_text(encoding="utf-8"))
    assert {row["part"] for row in saved["rows"]} == set(bench.PARTS) == set(saved["seconds"])
    assert saved["machine"]["cores"] >= 1 and saved["machine"]["versions"]["python"]
    assert not bench.REFERENCE.exists()
    printed = capsys.readouterr().out
    assert "Todo llega a su suelo." in printed and saved["machine"]["processor"] in printed
    for key, (floor, more) in FLOORS.items():
        measured.clear()
        measured[key] = floor - 0.01 if more else floor + 0.01
        assert bench.main([key[0]]) == 1, key
        assert "No llega a su suelo: " + key[0] in capsys.readouterr().out


def test_what_is_measured_before_a_failure_is_kept(measured):
    first, second = list(bench.PARTS)[:2]
    measured[(second, bench.module(second).FIGURES[0].key)] = "no es un número"
    with pytest.raises(TypeError):
        bench.main([first, second])
    assert list(json.loads(bench.OUTPUT.read_text(encoding="utf-8"))["seconds"]) == [first]


def test_the_reference_needs_every_part(measured, capsys):
    with pytest.raises(SystemExit):
        bench.main(["motor", "--referencia"])
    assert "la referencia lleva todas las partes" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        bench.main(["cocina"])
    assert "no hay ninguna parte cocina; hay: construccion," in capsys.readouterr().err
    assert bench.main(["--referencia"]) == 0 and bench.REFERENCE.exists()


def test_jobs_take_turns():
    order = []
    times = interleaved({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, rounds=2)
    assert "".join(order) == "ababab" and len(times["a"]) == len(times["b"]) == 2
    # A una le toca dos veces la vuelta lenta, y a la otra ninguna: el cociente es el de las rápidas.
    assert ratio({"a": [2.0, 4.0, 2.0, 4.0, 2.0], "b": [1.0, 1.0, 1.0, 1.0, 1.0]}, "a", "b") == 2
    assert best_quarter([4.0, 1.0, 3.0, 2.0, 5.0]) == 2 and best_quarter([7.0]) == 7


def test_each_part_names_its_worst():
    found = chapters.summarise(
        [
            {"chapter": "datos", "seconds": 61.0, "gigabytes": 0.5},
            {"chapter": "aumento", "seconds": 5.0, "gigabytes": 1.7},
        ]
    )
    assert found["slowest"] == Measured(61.0, "datos") and found["largest"] == Measured(1.7, "aumento")
    assert found["all"].value == 66
    row = {"control": "A", "slowest": "Filtros", "milliseconds": 20.0, "kilobytes": 30.0}
    found = controls.summarise([row, {**row, "control": "B", "kilobytes": 31.0, "first_milliseconds": 400.0}])
    assert found["slowest"] == Measured(20.0, "A, «Filtros»") and found["heaviest"] == Measured(31.0, "B")
    assert found["first"].value == 400
    assert ("arquitectura", "LayerCalculator") in [control[:2] for control in controls.stored_controls()]
    times = {"keras": [10.0, 10.0], "engine": [26.0, 26.0], "twin": [500.0, 500.0],
             "keras_inference": [4.0, 4.0], "engine_inference": [8.0, 8.0]}  # fmt: skip
    found = engine.summarise(times)
    assert found["over_keras"].value == 2.6 and found["engine_inference"].value == 4000


def test_memory_is_of_the_program_and_not_of_who_starts_it():
    """Un programa que reserva 300 MB los cuenta; uno que no, no hereda los de este proceso."""

    def peak(code):
        run = subprocess.run(
            [sys.executable, "-c", memory.PEAK + code], check=True, stdout=subprocess.PIPE, encoding="utf-8"
        )
        return int(run.stdout) / 1e6

    mine = bytearray(b"\1" * 400_000_000)
    small, large = peak("print(peak())"), peak("big = bytearray(b'\\1' * 300_000_000); print(peak())")
    assert len(mine) and small < 100 and 300 < large < 700


def test_tests_that_fail_are_not_timed():
    assert 0 < tests.run_tests((sys.executable, "-c", "")) < 60
    with pytest.raises(RuntimeError, match="Las pruebas no pasan:\n1 failed"):
        tests.run_tests((sys.executable, "-c", "print('1 failed'); raise SystemExit(1)"))


# --- La página -------------------------------------------------------------------------------------------------------
def test_the_page_is_written_from_the_reference(book, root):
    document = json.loads((root / "book" / "rendimiento.json").read_text(encoding="utf-8"))
    parts = {row["part"] for row in document["rows"]}
    assert {(row["part"], row["key"]) for row in document["rows"]} == {f for f in figures() if f[0] in parts}
    page = (root / "book" / "rendimiento.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"<!-- rendimiento: (\w+) -->", page)) == sorted(["maquina", *bench.PARTS])
    html = re.sub(r"<[^>]+>", "", book.html["book/rendimiento.html"])
    assert document["machine"]["processor"].split(" @")[0] in html
    for row in document["rows"]:
        line = "\n".join(row[name] for name in ("label", "measured", "floor", "goal", "verdict"))
        assert line in html, row["label"]
    # Lo juzgado es lo medido, con los suelos de hoy.
    for row in document["rows"]:
        assert row["verdict"] == figures()[row["part"], row["key"]].verdict(row["value"])


def test_the_page_complains_of_missing_and_unknown_gaps():
    from book_ext import performance

    document = {
        "machine": {"processor": "P", "cores": 2, "system": "S", "date": "2026-01-01", "load": 0.1, "versions": {"python": "3.11"}},
        "seconds": {"motor": 120.0},
        "rows": rows_of("motor", (MORE,), {"more": Measured(4, "a|b")}),
    }  # fmt: skip
    text = performance.render("<!-- rendimiento: maquina -->\n\n<!-- rendimiento: motor -->", document)
    assert "**P, 2 núcleos** (S), el 2026-01-01, con carga 0.1" in text and "tardó 2 minutos" in text
    assert "| rinde (a\\|b) | 4.0 × | ≥ 3.0 × | ≥ 10.0 × | cumple |" in text
    assert performance.write_part(document, "memoria") == "*Esta parte no se midió.*"
    with pytest.raises(
        ValueError, match="un hueco de cada una de estas partes: maquina, motor. Tiene: ninguno"
    ):
        performance.render("nada", document)


def test_a_missing_reference_stops_the_build_with_the_remedy(tmp_path):
    from book_ext import performance
    from sphinx.errors import ExtensionError

    class App:
        class env:  # noqa: N801
            doc2path = staticmethod(lambda name: tmp_path / "rendimiento.md")
            note_dependency = staticmethod(lambda path: None)

    with pytest.raises(ExtensionError, match="python -m benchmarks --referencia"):
        performance.fill_page(App, "book/rendimiento", [""])
    performance.fill_page(App, "book/otra", [""])  # no es la suya
