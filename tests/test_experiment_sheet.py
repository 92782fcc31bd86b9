"""La ficha y la comparación: la página dice lo que dicen los registros, y una repetición que no concuerda se descubre."""

import copy
import json
import re
import shutil
import subprocess
import sys

import pytest
import yaml

from helpers.experiments import comparison, records, sheet
from helpers.experiments.__main__ import main
from helpers.experiments.catalogue import find_experiment
from helpers.formats import format_integer

PAGE = "book/ficha.md"


@pytest.fixture
def folder(tmp_path):
    """Dos semillas de un experimento y una rejilla, con valores elegidos."""
    base = records.load_record("baseline-fashion", 0)
    for seed, accuracy in enumerate((0.61, 0.65)):
        record = copy.deepcopy(base) | {"experiment": "prueba", "seed": seed, "weights": None}
        record["command"] = f"python -m helpers.experiments run prueba --seed {seed}"
        record["best"]["test"]["accuracy"] = accuracy
        record["seconds"] = {"wall": 18496.4, "cpu": 525.0}
        records.save_record(record, tmp_path)
    point = {"dropout": 0.0, "filters": [8, 16]}
    runs = [
        {
            "point": point | {"dropout": dropout},
            "seed": seed,
            "history": {"loss": [1.0]},
            "test_accuracy": accuracy,
            "shifted_test_accuracy": accuracy / 2,
        }
        for dropout, seed, accuracy in ((0.0, 0, 0.7), (0.5, 0, 0.8), (0.0, 1, 0.72))
    ]
    grid = {key: base[key] for key in ("schema", "data", "environment", "date", "seconds")} | {
        "kind": "grid",
        "experiment": "rejilla",
        "title": "Una rejilla.",
        "axes": {"dropout": [0.0, 0.5]},
        "default": point,
        "epochs": 1,
        "batch_size": 32,
        "test": {"n": 10, "what": "diez imágenes", "shift": "un píxel", "sha256": "ab12"},
        "runs": runs,
        "command": "python -m helpers.experiments run rejilla",
    }
    records.save_record(grid, tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def page(root):
    return (root / PAGE).read_text(encoding="utf-8")


# --- La ficha --------------------------------------------------------------------------------------------------


def test_sheet_says_what_the_records_say(folder, page):
    text = sheet.render(page, folder)
    assert not sheet.PLACEHOLDER.search(text)
    assert "| `prueba` | 2 | 0.630 ± 0.028 | 1050 |" in text
    assert "| `rejilla` | 3 | 0.700 a 0.800 |" in text
    assert f"| 0.610 | 0.364 | {format_integer(18496)} | 525 |" in text
    assert "python -m helpers.experiments run prueba --seed 1" in text
    assert "| prueba | 0.700 | 0.750 | 0.800 | 0.710 ± 0.014 |" in text
    assert "`dropout=0.0`, `filters=[8, 16]`" in text, "un cero se dice; solo se calla lo apagado"
    off = {"network": {"batch_norm": False}, "recipe": {"one_cycle": False, "shift": 2}}
    assert sheet._settings(off) == "`network` (`batch_norm=False`), `recipe` (`shift=2`)"


def test_sheet_groups_configurations_that_differ(folder, page):
    path = folder / "prueba-s1.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record["config"]["learning_rate"] = 0.5
    records.save_record(record, folder)
    text = sheet.render(page, folder)
    assert "Configuración (semillas 0)" in text and "Configuración (semillas 1)" in text


def test_sheet_tells_which_seconds_can_be_compared(folder, page):
    assert "Con otros trabajos a la vez" in sheet.render(page, folder)
    for path in folder.glob("*.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        record["environment"]["shared"] = False
        records.save_record(record, folder)
    assert "Con otros trabajos a la vez" not in sheet.render(page, folder)


def test_sheet_covers_every_committed_record(page):
    text = sheet.render(page)
    for record in records.all_records():
        assert f"### `{record['experiment']}`" in text
        assert record["command"] in text and record["data"]["sha256"] in text
        assert f"{record['best']['test']['accuracy']:.3f}" in text
        if record["weights"]:
            assert record["weights"]["sha256"] in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("<!-- ficha: datos -->", ""), "necesita un hueco.*resumen, datos"),
        (lambda text: text + "<!-- ficha: otra -->", "otra"),
        (lambda text: "", "ninguno"),
    ],
)
def test_page_without_its_placeholders_is_refused(page, folder, change, message):
    with pytest.raises(ValueError, match=message):
        sheet.render(change(page), folder)


def test_broken_record_is_named(folder, page):
    (folder / "rota-s0.json").write_text("{", encoding="utf-8")
    with pytest.raises(records.RecordError, match="rota-s0.json: no es JSON"):
        sheet.render(page, folder)


def test_page_is_written_without_tensorflow():
    code = (
        "import sys; from helpers.experiments import comparison, sheet; sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_page_changes_when_a_record_changes(folder, page, root, tmp_path_factory, monkeypatch):
    """Sphinx escribe la página con los registros, y la vuelve a leer sola cuando uno cambia o llega."""
    from sphinx.application import Sphinx

    source, out = tmp_path_factory.mktemp("ficha"), tmp_path_factory.mktemp("html")
    (source / "ficha.md").write_text(page, encoding="utf-8")
    config = f"import sys\nsys.path.insert(0, {str(root / 'book/_ext')!r})\n"
    config += "extensions = ['myst_parser', 'book_ext.experiments']\nroot_doc = 'ficha'\n"
    (source / "conf.py").write_text(config, encoding="utf-8")
    monkeypatch.setattr(records, "RESULTS", folder)

    def built():
        app = Sphinx(source, source, out, out / ".doctrees", "html", status=None, warning=None)
        app.build()
        html = (out / "ficha.html").read_text(encoding="utf-8")
        return re.sub(r"<[^>]+>", " ", html)

    first = built()
    assert "0.610" in first and "0.777" not in first
    record = json.loads((folder / "prueba-s0.json").read_text(encoding="utf-8"))
    record["best"]["test"]["accuracy"] = 0.777
    records.save_record(record, folder)
    second = built()
    assert "0.777" in second and "0.610" not in second
    records.save_record(record | {"experiment": "nuevo"}, folder)
    assert "nuevo" not in second and "nuevo" in built()


def test_built_page_shows_every_run(book):
    html = (book.site / "book/ficha.html").read_text(encoding="utf-8")
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", html))
    assert "<!-- ficha" not in html
    for record in records.all_records():
        assert record["command"] in text, record["command"]


# --- La comparación --------------------------------------------------------------------------------------------


@pytest.fixture
def repeated(folder, tmp_path_factory):
    """Una repetición de la semilla 0 en otra máquina, con otra copia de los datos y un punto más de exactitud."""
    record = json.loads((folder / "prueba-s0.json").read_text(encoding="utf-8"))
    record["best"]["test"]["accuracy"] += 0.01
    record["data"] |= {"sha256": "0" * 64, "copy": "las originales"}
    record["environment"]["processor"] = "otro procesador"
    target = tmp_path_factory.mktemp("repetidos")
    records.save_record(record, target)
    return target


def alter(folder, change):
    record = json.loads((folder / "prueba-s0.json").read_text(encoding="utf-8"))
    change(record)
    records.save_record(record, folder)


def test_compare_accepts_a_close_run_and_says_what_differs(folder, repeated, capsys):
    assert main(["--folder", str(folder), "compare", str(repeated)]) == 0
    out = capsys.readouterr().out
    assert "0.610 → 0.620 (+1.0)" in out and "| sí |" in out
    assert "Repetición: las originales." in out
    assert "`processor`:" in out and "otro procesador" in out
    assert "concuerdan con sus registros" in out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda record: record["best"]["test"].update(accuracy=0.57),
            "prueba dista \N{MINUS SIGN}4.0 puntos",
        ),
        (lambda record: record["best"]["validation"].update(accuracy=0.95), "validación dista"),
        (lambda record: record.update(parameters=10), "parámetros no es lo registrado"),
        (lambda record: record["config"].update(batch_size=64), "La configuración no es"),
    ],
)
def test_compare_refuses_a_run_that_does_not_agree(folder, repeated, capsys, change, message):
    alter(repeated, change)
    assert main(["--folder", str(folder), "compare", str(repeated)]) == 1
    out = capsys.readouterr().out
    assert message in out and "| no |" in out and "No concuerdan: prueba-s0.json." in out


def test_compare_tolerance_is_an_option(folder, repeated):
    arguments = ["--folder", str(folder), "compare", str(repeated), "--tolerance"]
    assert main([*arguments, "0.005"]) == 1 and main([*arguments, "0.02"]) == 0


def test_compare_needs_something_to_compare(folder, repeated, tmp_path_factory, capsys):
    empty = tmp_path_factory.mktemp("vacía")
    for missing in (empty, empty / "nada"):
        assert main(["--folder", str(folder), "compare", str(missing)]) == 2
        assert "no hay ninguna ejecución que comparar" in capsys.readouterr().err
    (folder / "prueba-s0.json").unlink()
    assert main(["--folder", str(folder), "compare", str(repeated)]) == 2
    assert "No hay registro de «prueba» con semilla 0" in capsys.readouterr().err


def test_committed_records_agree_with_themselves(tmp_path):
    shutil.copy(records.RESULTS / "baseline-s0.json", tmp_path)
    (same,) = comparison.compare_folders(tmp_path)
    assert same.problems == () and same.notes == ()


def test_workflow_repeats_experiments_that_exist_and_keeps_the_differences(root):
    text = (root / ".github/workflows/experimentos.yml").read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)
    assert {"workflow_dispatch", "schedule"} == set(workflow[True])  # YAML 1.1 lee «on» como verdadero
    assert workflow["permissions"] == {"contents": "read"}
    job = workflow["jobs"]["repetir"]
    assert job["timeout-minutes"] <= 180
    runs = " ".join(step.get("run", "") for step in job["steps"])
    names, seed, target = re.search(r"--folder (?P<t>\S+) run (?P<n>.+?) --seed (?P<s>\d+)", runs).group(
        "n", "s", "t"
    )
    for name in names.split():
        assert records.load_record(name, int(seed))["config"] == records.rounded(
            find_experiment(name).config()
        )
    assert "CIFAR10_NPZ" not in text, "con las imágenes originales, no con una copia"
    assert f"compare {target}" in runs
    upload = job["steps"][-1]
    assert upload["if"] == "always()" and upload["with"]["path"] == target
