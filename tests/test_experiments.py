"""Los experimentos: el registro es fiel, entero y verificable; una carpeta alterada se descubre."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from helpers.experiments import records
from helpers.experiments.__main__ import main
from helpers.experiments.catalogue import CATALOGUE, GRID, Experiment, Grid, find_experiment

SMALL = Experiment(
    "prueba",
    "Una red pequeña.",
    dataset="fashion_mnist",
    epochs=2,
    network={"filters": (4, 8), "dense_units": 16},
    keep_weights=(0,),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tiny_dataset):
    """Una carpeta con dos ejecuciones de verdad, sobre 200 imágenes."""
    from helpers.experiments import runner

    folder = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "load_dataset", lambda name: tiny_dataset)
        for seed in (0, 1):
            runner.run(SMALL, seed, folder=folder)
    return folder


@pytest.fixture
def copy(folder, tmp_path):
    """Una copia que se puede estropear."""
    return shutil.copytree(folder, tmp_path / "results")


def test_record_tells_the_truth(folder, tiny_dataset):
    from helpers.evaluation import evaluate
    from helpers.models import build_cnn

    record = records.load_record("prueba", 0, folder)
    assert record["data"]["sha256"] == tiny_dataset.sha256
    assert record["config"]["network"] == {"filters": [4, 8], "dense_units": 16}
    model = build_cnn(**SMALL.network)
    assert record["parameters"] == model.count_params()
    model.load_weights(folder / record["weights"]["file"])
    report = evaluate(model, tiny_dataset.x_test, tiny_dataset.y_test, tiny_dataset.class_names)
    assert record["best"]["test"]["accuracy"] == pytest.approx(report.accuracy, abs=1e-5)
    assert record["best"]["validation"]["loss"] == pytest.approx(min(record["history"]["val_loss"]), rel=1e-4)
    matrix = record["best"]["test"]["confusion_matrix"]
    assert sum(map(sum, matrix)) == len(tiny_dataset.y_test)
    assert sum(record["best"]["test"]["reliability"]["count"]) == len(tiny_dataset.y_test)
    assert record["last"]["validation"]["accuracy"] == pytest.approx(
        record["history"]["val_accuracy"][-1], abs=1e-5
    )
    assert (folder / record["weights"]["file"]).stat().st_size < 4.6 * record[
        "parameters"
    ] + 40_000  # sin el estado de Adam


def test_finished_run_is_not_repeated(copy, capsys):
    from helpers.experiments import runner

    before = (copy / "prueba-s0.json").read_bytes()
    runner.run(SMALL, 0, folder=copy)
    assert "ya está hecho" in capsys.readouterr().out
    assert (copy / "prueba-s0.json").read_bytes() == before
    other = Experiment("prueba", "Otra configuración.", dataset="fashion_mnist", epochs=3)
    with pytest.raises(records.RecordError, match="otra configuración.*--repeat"):
        runner.run(other, 0, folder=copy)


def test_interruption_leaves_nothing(tmp_path, tiny_dataset, monkeypatch):
    from helpers.experiments import runner

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "load_dataset", lambda name: tiny_dataset)
    monkeypatch.setattr(runner, "part_report", interrupted)
    with pytest.raises(KeyboardInterrupt):
        runner.run(SMALL, 0, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_verify_accepts_an_intact_folder(copy):
    assert records.verify(copy) == []
    assert main(["--folder", str(copy), "verify"]) == 0


@pytest.mark.parametrize("name", ["prueba-s0.json", "prueba-s1.json", "prueba-s0.weights.h5"])
def test_one_byte_is_enough(copy, name, capsys):
    path = copy / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert main(["--folder", str(copy), "verify"]) == 1
    assert name in capsys.readouterr().out


def test_verify_names_missing_and_extra_files(copy):
    (copy / "prueba-s1.json").unlink()
    (copy / "suelto.json").write_text("{}", encoding="utf-8")
    problems = "\n".join(records.verify(copy))
    assert "prueba-s1.json: está en SHA256SUMS y no en la carpeta" in problems
    assert "suelto.json: está en la carpeta y no en SHA256SUMS" in problems


def test_verify_checks_the_schema_even_with_good_sums(copy):
    path = copy / "prueba-s0.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    del record["best_epoch"]
    path.write_text(json.dumps(record), encoding="utf-8")
    records.write_sums(copy)
    assert any("prueba-s0.json: falta la clave «best_epoch»" in problem for problem in records.verify(copy))


def test_missing_record_says_how_to_make_it(folder):
    with pytest.raises(records.RecordError, match="run baseline --seed 7"):
        records.load_record("baseline", 7, folder)


def test_load_seeds_is_in_order(folder):
    assert [record["seed"] for record in records.load_seeds("prueba", folder)] == [0, 1]


def test_table_has_one_row_per_run(copy, capsys):
    assert main(["--folder", str(copy), "table"]) == 0
    assert capsys.readouterr().out.count("| prueba |") == 2


def test_unknown_name_lists_the_known_ones(capsys):
    with pytest.raises(KeyError, match="baseline"):
        find_experiment("bseline")
    assert main(["run", "bseline"]) == 2
    assert "baseline" in capsys.readouterr().err


def test_every_experiment_builds_its_network():
    from helpers.experiments.runner import build_network

    for experiment in CATALOGUE.values():
        assert build_network(experiment).count_params() <= 315_722 + 64, experiment.name
    assert CATALOGUE["baseline"].network == {}
    assert (
        build_network(CATALOGUE["compact"]).count_params()
        <= build_network(CATALOGUE["baseline"]).count_params()
    )


def test_a_recipe_trains_in_its_precision_and_is_measured_in_float32(tmp_path, tiny_dataset, monkeypatch):
    """El registro de `compact` dice su receta, y sus pesos dan en float32 la exactitud registrada."""
    from dataclasses import replace

    from helpers.engine.description import build_model
    from helpers.evaluation import predict_probabilities
    from helpers.experiments import runner

    monkeypatch.setattr(runner, "load_dataset", lambda name: tiny_dataset)
    small = {"filters": (4, 6, 8), "pool_after": (1, 2)}
    experiment = replace(CATALOGUE["compact"], name="prueba", epochs=2, network=small)
    model, augment = runner.prepare(experiment, 0, len(tiny_dataset.x_train))
    assert model.layers[0].compute_dtype == "bfloat16"
    assert augment is not None
    steps = 2 * -(-len(tiny_dataset.x_train) // 128)
    assert float(model.optimizer._learning_rate(steps)) == 0.0
    assert runner.keras.config.dtype_policy().name == "float32"

    record = runner.run(experiment, 0, folder=tmp_path, alone=True)
    assert record["environment"]["shared"] is False
    assert record["config"]["recipe"]["shift"] == 4
    assert record["config"]["builder"] == "build_compact_cnn"
    network = build_model(record["architecture"])
    network.load_weights(tmp_path / record["weights"]["file"])
    predicted = predict_probabilities(network, tiny_dataset.x_test).argmax(axis=1)
    assert (predicted == tiny_dataset.y_test).mean() == pytest.approx(record["best"]["test"]["accuracy"])
    assert records.verify(tmp_path) == []


def test_only_weights_of_kernels_decay():
    """Sin gradiente, un paso encoge los núcleos y deja igual la normalización y los sesgos."""
    import numpy as np

    from helpers.experiments import runner

    model, _ = runner.prepare(CATALOGUE["compact-short-without-one-cycle"], 0, 1000)
    before = [v.numpy() for v in model.trainable_variables]
    model.optimizer.build(model.trainable_variables)
    model.optimizer.apply([np.zeros_like(b) for b in before], model.trainable_variables)
    for variable, old in zip(model.trainable_variables, before, strict=True):
        shrink = 1 - 0.05 * 0.005 if variable.name == "kernel" else 1
        np.testing.assert_allclose(variable.numpy(), old * shrink, rtol=1e-6, err_msg=variable.path)


def test_committed_results_are_intact():
    assert records.verify() == []


def test_committed_records_match_the_catalogue():
    """Un registro de un experimento del catálogo se hizo con la configuración que el catálogo dice hoy."""
    for record in records.all_records():
        assert record["config"] == records.rounded(find_experiment(record["experiment"]).config())


def test_records_are_read_without_tensorflow():
    code = "import sys; from helpers.experiments import records; records.all_records(); sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.fixture
def small_grid(tiny_dataset, monkeypatch):
    """Una rejilla de tres ejecuciones de una época, con su prueba reducida."""
    from helpers.experiments import grid

    monkeypatch.setattr(grid, "load_dataset", lambda name: tiny_dataset)
    monkeypatch.setattr(grid, "official_test", lambda: (tiny_dataset.x_test, tiny_dataset.y_test))
    point = {"learning_rate": 1e-3, "dropout": 0.0, "augmentation": False, "filters": (4, 8)}
    axes = {key: (value,) for key, value in point.items()} | {"augmentation": (False, True)}
    return Grid("rejilla", "Una rejilla pequeña.", axes=axes, default=point, extra_seeds=(1,), epochs=1)


def test_grid_is_resumed_and_recorded(small_grid, tmp_path, monkeypatch):
    from helpers.experiments import grid

    results, parts = tmp_path / "results", tmp_path / "partes"
    measure, done = grid.measure_point, []

    def until_interrupted(*args):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(args[1])
        return measure(*args)

    with monkeypatch.context() as patch:
        patch.setattr(grid, "measure_point", until_interrupted)
        with pytest.raises(KeyboardInterrupt):
            grid.run_grid(small_grid, folder=results, parts=parts)
    assert not results.exists()
    done.clear()
    monkeypatch.setattr(grid, "measure_point", lambda *args: (done.append(args[1]), measure(*args))[1])
    grid.run_grid(small_grid, folder=results, parts=parts)
    assert len(done) == 1, "lo ya hecho no se repite"

    record = records.load_record("rejilla", None, results)
    assert [(run["point"]["augmentation"], run["seed"]) for run in record["runs"]] == [
        (False, 0),
        (True, 0),
        (False, 1),
    ]
    assert all(0 <= run["shifted_test_accuracy"] <= 1 for run in record["runs"])
    assert records.verify(results) == [] and records.all_records(results) == []


def test_shift_moves_a_quarter_each_way():
    from helpers.experiments.grid import shift_every_way

    x = np.zeros((8, 9, 9, 1), np.uint8)
    x[:, 4, 4] = 1
    places = [tuple(int(v) for v in np.argwhere(image[..., 0])[0]) for image in shift_every_way(x, 3)]
    assert places == [(1, 4), (7, 4), (4, 1), (4, 7)] * 2


def test_the_grid_has_the_planned_size():
    assert len(GRID.runs()) == 95 and len({json.dumps(run) for run in GRID.runs()}) == 95
