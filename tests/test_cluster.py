"""Repartir experimentos: qué se reparte, qué se guarda de lo que vuelve y qué se dice cuando algo falla."""

import json
import pickle
import socket
import subprocess
import sys

import pytest

from helpers.experiments import cluster, records
from helpers.experiments.__main__ import main
from helpers.experiments.catalogue import CATALOGUE, GRID, Experiment, Grid

SMALL = Experiment(
    "prueba",
    "Una red pequeña.",
    dataset="fashion_mnist",
    seeds=(0, 1),
    epochs=2,
    network={"filters": (4, 8), "dense_units": 16},
    keep_weights=(0,),
    keep_probabilities=(0,),
)


class Here:
    """Ejecuta las tareas en este proceso, de la última a la primera: el orden no debe importar.

    Lo que va y lo que vuelve pasa por `pickle`, como en un clúster.
    """

    def __init__(self, address="aquí", interrupt_after=None):
        self.address, self.interrupt_after, self.names = address, interrupt_after, []

    def __enter__(self):
        return self

    def __exit__(self, *problem):
        pass

    def outcomes(self, jobs):
        for job in reversed(jobs):
            if len(self.names) == self.interrupt_after:
                raise KeyboardInterrupt
            self.names.append(job.name)
            work = pickle.loads(pickle.dumps(job.work))
            yield job, pickle.loads(pickle.dumps(cluster.attempt(work)))


@pytest.fixture
def tiny(tiny_dataset, monkeypatch):
    from helpers.experiments import runner

    monkeypatch.setattr(runner, "load_dataset", lambda name: tiny_dataset)


@pytest.fixture(scope="module")
def returned(tiny_dataset):
    """Lo que devuelve un nodo por la semilla 0."""
    from helpers.experiments import runner

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "load_dataset", lambda name: tiny_dataset)
        return cluster.run_apart(SMALL, 0)


def same_but_for_time(record):
    return {key: value for key, value in record.items() if key not in {"seconds", "date"}}


def test_the_records_are_those_of_the_local_run(tmp_path, tiny, capsys):
    """Mismos registros, mismos pesos y mismas probabilidades que sin clúster, y la carpeta se verifica."""
    from helpers.experiments import runner

    for seed in SMALL.seeds:
        runner.run(SMALL, seed, folder=tmp_path / "aquí")
    here = Here()
    assert cluster.run_on_cluster([SMALL], "x", folder=tmp_path / "lejos", connect=lambda address: here) == []
    assert here.names == ["prueba-s1.json", "prueba-s0.json"]
    assert records.verify(tmp_path / "lejos") == []
    names = sorted(path.name for path in (tmp_path / "lejos").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "aquí").iterdir())
    for seed in SMALL.seeds:
        there, local = (records.load_record("prueba", seed, tmp_path / name) for name in ("lejos", "aquí"))
        assert there["history"]["loss"] == pytest.approx(local["history"]["loss"], rel=1e-3)
        assert same_but_for_time(there).keys() == same_but_for_time(local).keys()
        assert there["command"] == local["command"] and there["config"] == local["config"]
    assert "2/2 prueba-s0.json: hecho en" in capsys.readouterr().out


def test_a_finished_run_is_not_repeated(tmp_path, returned, capsys):
    cluster.keep_run(SMALL, 0, tmp_path, returned)
    assert [job.name for job in cluster.experiment_jobs(SMALL, SMALL.seeds, tmp_path)] == ["prueba-s1.json"]
    assert "prueba-s0.json: ya está hecho" in capsys.readouterr().out
    assert len(cluster.experiment_jobs(SMALL, SMALL.seeds, tmp_path, repeat=True)) == 2
    other = Experiment("prueba", "Otra configuración.", dataset="fashion_mnist", epochs=3)
    with pytest.raises(records.RecordError, match="otra configuración.*--repeat"):
        cluster.experiment_jobs(other, [0], tmp_path)


def test_with_everything_done_no_cluster_is_needed(tmp_path, returned, capsys):
    cluster.keep_run(SMALL, 0, tmp_path, returned)

    def nobody(address):
        raise AssertionError("no hacía falta conectarse")

    assert cluster.run_on_cluster([SMALL], "x", seeds=[0], folder=tmp_path, connect=nobody) == []
    assert "Está todo hecho" in capsys.readouterr().out


def test_a_failing_run_does_not_stop_the_others(tmp_path, capsys):
    """Cada fallo se dice con el nombre de la ejecución; lo demás se guarda."""

    def kept(value):
        stored.append(value)

    stored = []
    jobs = [
        cluster.Job("bien-s0.json", int, kept),
        cluster.Job("mal-s0.json", _missing_data, kept),
        cluster.Job("peor-s0.json", _bug, kept),
        cluster.Job("fin-s0.json", int, kept),
    ]
    assert cluster.dispatch(jobs, Here()) == ["peor-s0.json", "mal-s0.json"]
    assert stored == [0, 0]
    errors = capsys.readouterr().err
    assert "mal-s0.json: FALLÓ en" in errors and "No está. Los datos tienen que estar en cada nodo" in errors
    assert "peor-s0.json: FALLÓ en" in errors and "ZeroDivisionError" in errors


def _missing_data():
    raise FileNotFoundError("No está.")


def _bug():
    return 1 // 0


def test_an_interruption_keeps_whole_records_only(tmp_path, tiny):
    with pytest.raises(KeyboardInterrupt):
        cluster.run_on_cluster([SMALL], "x", folder=tmp_path, connect=lambda a: Here(interrupt_after=1))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["SHA256SUMS", "prueba-s1.json"]
    assert records.verify(tmp_path) == []
    here = Here()
    assert cluster.run_on_cluster([SMALL], "x", folder=tmp_path, connect=lambda a: here) == []
    assert here.names == ["prueba-s0.json"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda files: files.pop("prueba-s0.json"), "no devolvió prueba-s0.json"),
        (lambda files: files.update({"prueba-s0.weights.h5": b"medio"}), "weights.h5 no llegó entero"),
        (lambda files: files.pop("prueba-s0.probabilities.npy"), "probabilities.npy no llegó entero"),
    ],
)
def test_what_does_not_arrive_whole_is_not_written(tmp_path, returned, spoil, message):
    files = dict(returned)
    spoil(files)
    with pytest.raises(records.RecordError, match=message):
        cluster.keep_run(SMALL, 0, tmp_path, files)
    assert list(tmp_path.iterdir()) == []


def test_a_node_with_another_version_or_other_data_is_refused(tmp_path, returned):
    other = Experiment("prueba", "Otra.", dataset="fashion_mnist", epochs=3)
    with pytest.raises(records.RecordError, match="otra versión del libro"):
        cluster.keep_run(other, 0, tmp_path, returned)
    cluster.keep_run(SMALL, 0, tmp_path, returned)
    record = json.loads(returned["prueba-s0.json"]) | {"seed": 1, "weights": None, "probabilities": None}
    record["data"]["sha256"] = "otra"
    with pytest.raises(records.RecordError, match="otra copia de «fashion_mnist».*--folder"):
        cluster.keep_run(SMALL, 1, tmp_path, {"prueba-s1.json": json.dumps(record).encode()})


def test_a_grid_is_spread_by_points(tmp_path, tiny_dataset, monkeypatch):
    """El registro de una rejilla repartida es el de la rejilla entera, y un punto hecho no se repite."""
    from helpers.experiments import grid

    monkeypatch.setattr(grid, "load_dataset", lambda name: tiny_dataset)
    monkeypatch.setattr(grid, "official_test", lambda: (tiny_dataset.x_test, tiny_dataset.y_test))
    point = {"learning_rate": 1e-3, "dropout": 0.0, "augmentation": False, "filters": (4, 8)}
    axes = {key: (value,) for key, value in point.items()} | {"dropout": (0.0, 0.5)}
    small = Grid("rejilla", "Una rejilla pequeña.", axes=axes, default=point, extra_seeds=(1,), epochs=1)

    places = {"folder": tmp_path / "results", "parts": tmp_path / "partes"}
    with pytest.raises(KeyboardInterrupt):
        cluster.run_on_cluster([small], "x", **places, connect=lambda a: Here(interrupt_after=1))
    assert not places["folder"].exists()
    here = Here()
    assert cluster.run_on_cluster([small], "x", **places, connect=lambda a: here) == []
    assert here.names == ["rejilla, punto 2", "rejilla, punto 1"]
    record = records.load_record("rejilla", None, places["folder"])
    assert [(run["point"]["dropout"], run["seed"]) for run in record["runs"]] == [
        (0.0, 0),
        (0.5, 0),
        (0.0, 1),
    ]
    assert records.verify(places["folder"]) == []


def test_every_run_of_the_book_can_travel():
    """Lo que se manda a un nodo se serializa, y con rejilla y todo no llega a un kilobyte por tarea."""
    jobs = [job for e in CATALOGUE.values() for job in cluster.experiment_jobs(e, e.seeds, "x", repeat=True)]
    assert len(jobs) == sum(len(e.seeds) for e in CATALOGUE.values())
    jobs += cluster.grid_jobs(GRID, records.RESULTS, repeat=True)
    assert all(len(pickle.dumps(job.work)) < 2000 for job in jobs)


# --- Sin clúster -----------------------------------------------------------------------------------------------


def test_without_ray_the_remedy_is_told(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(
        cluster.ClusterError, match=r"Falta Ray, que es opcional.*pip install -e '\.\[escalar\]'"
    ):
        cluster.import_ray()
    assert main(["--folder", str(tmp_path), "run", "baseline", "--ray", "local"]) == 2
    assert "Falta Ray" in capsys.readouterr().err


@pytest.mark.parametrize("address", ["aula", "aula:", ":6379", "ray://aula", "aula:seis"])
def test_a_badly_written_address(address):
    with pytest.raises(cluster.ClusterError, match="no es una dirección de Ray.*ray://HOST:10001"):
        cluster.check_reachable(address)


@pytest.mark.parametrize("prefix", ["", "ray://"])
def test_an_address_where_nobody_answers_is_told_at_once(prefix):
    """Ray tarda más de tres minutos en rendirse."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        cluster.check_reachable(f"{prefix}127.0.0.1:{port}")
    with pytest.raises(cluster.ClusterError, match="Ningún clúster de Ray responde.*ray start --head"):
        cluster.check_reachable(f"{prefix}127.0.0.1:{port}")


def test_alone_and_a_cluster_do_not_go_together(capsys):
    assert main(["run", "baseline", "--alone", "--ray", "local"]) == 2
    assert "--alone y --ray no van juntos" in capsys.readouterr().err


def test_failures_set_the_exit_code(monkeypatch, capsys):
    monkeypatch.setattr(cluster, "run_on_cluster", lambda *args, **kwargs: ["baseline-s0.json"])
    assert main(["run", "baseline", "--ray", "local"]) == 1
    assert "Fallaron 1: baseline-s0.json. La misma orden repite solo esas." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (type("WorkerCrashedError", (Exception,), {})(), "faltara memoria: pide 1.1 GB"),
        (RuntimeError("… No module named 'helpers.experiments'"), "no tiene el paquete del libro"),
        (RuntimeError("algo raro"), "RuntimeError: algo raro"),
    ],
)
def test_what_ray_says_is_explained(error, told):
    assert told in cluster._explain_ray(error)


def test_spreading_needs_no_tensorflow_here():
    code = (
        "import sys; from helpers.experiments import cluster, catalogue;"
        "e = catalogue.CATALOGUE['baseline']; cluster.experiment_jobs(e, e.seeds, 'x', repeat=True);"
        "sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# --- Con Ray ---------------------------------------------------------------------------------------------------

# La muestra entera y una red mínima: los nodos son otros procesos y no ven los datos reducidos de las pruebas.
REAL = Experiment(
    "prueba",
    "Una red mínima.",
    dataset="fashion_mnist",
    seeds=(0, 1),
    epochs=1,
    batch_size=128,
    network={"filters": (4, 8), "dense_units": 16},
    keep_weights=(0,),
)


@pytest.mark.completo
def test_two_local_workers_give_the_records_of_a_local_run(tmp_path, capsys):
    """Ray de verdad: dos procesos, una ejecución que falla entre ellas, y lo mismo que sin él."""
    from dataclasses import replace

    import ray

    from helpers.experiments import runner

    broken = replace(REAL, name="rota", dataset="no-existe", seeds=(0,))
    failed = cluster.run_on_cluster([REAL, broken], "local", folder=tmp_path / "ray")
    assert not ray.is_initialized()
    told = capsys.readouterr()
    assert failed == ["rota-s0.json"]
    assert "rota-s0.json: FALLÓ en" in told.err and "no-existe" in told.err
    assert records.verify(tmp_path / "ray") == []
    assert len(records.load_seeds("prueba", tmp_path / "ray")) == 2
    for seed in REAL.seeds:
        local = runner.run(REAL, seed, folder=tmp_path / "aquí")
        there = records.load_record("prueba", seed, tmp_path / "ray")
        for name, values in local["history"].items():
            assert there["history"][name] == pytest.approx(values, abs=5e-3), name
        assert there["best"]["test"]["accuracy"] == pytest.approx(local["best"]["test"]["accuracy"], abs=0.01)


@pytest.mark.completo
def test_a_task_larger_than_every_node_is_told(monkeypatch):
    monkeypatch.setattr(cluster, "MEMORY", 1 << 50)
    with pytest.raises(cluster.ClusterError, match="Ningún nodo de «local» tiene libre lo que pide"):
        cluster.RayExecutor("local").__enter__()
