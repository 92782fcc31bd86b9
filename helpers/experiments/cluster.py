"""Reparte experimentos entre los ordenadores de un clúster de Ray.

`python -m helpers.experiments run NOMBRE… --ray DIRECCIÓN`, donde la dirección es:

- `local`: dos procesos en este ordenador;
- `auto`: el clúster del que este ordenador es un nodo;
- `HOST:6379`: lo mismo, nombrando el nodo principal;
- `ray://HOST:10001`: un clúster al que se llega por red, sin ser uno de sus nodos.

Cada ejecución (un experimento y una semilla, o un punto de una rejilla) es una tarea de Ray, con su proceso, que devuelve
el registro y los pesos como bytes. Los escribe aquí quien reparte, enteros y de uno en uno: los nodos no comparten carpeta,
y una interrupción no deja medio registro. Una ejecución que falla no para a las demás.

Cada nodo necesita este mismo libro instalado, con Ray y TensorFlow, y los datos. Ray es opcional: va en el extra `escalar`.
Este módulo no importa TensorFlow: de eso se encarga cada tarea.

Fuente:
    Moritz et al. (2018), el artículo que presenta Ray.
"""

import functools
import json
import os
import platform
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from helpers.experiments import records
from helpers.experiments.catalogue import Experiment, Grid

LOCAL = "local"
LOCAL_WORKERS = 2
CPUS = 1
MEMORY = 1 << 30
"""Lo que se reserva por tarea, en bytes: entrenar y evaluar llega a 0.84 GB con la muestra y a 1.02 GB con CIFAR-10."""
CONNECT_SECONDS = 5.0
INSTALL = "pip install -e '.[escalar]' (desde la carpeta del libro)"


class ClusterError(RuntimeError):
    """No hay clúster con el que repartir nada: falta Ray, la dirección no responde o ningún nodo sirve."""


@dataclass(frozen=True)
class Job:
    """Una tarea.

    Argumentos:
        name: cómo se llama en los mensajes.
        work: lo que se ejecuta en un nodo; tiene que poder viajar (`pickle`), igual que lo que devuelve.
        keep: lo que se hace aquí con lo que devuelve.
    """

    name: str
    work: Callable[[], object]
    keep: Callable[[object], None]


@dataclass(frozen=True)
class Outcome:
    """Lo que vuelve de un nodo: un valor o, si algo falló, el error contado en una frase."""

    node: str
    seconds: float
    value: object = None
    error: str | None = None


class Executor(Protocol):
    """Quien ejecuta las tareas: Ray o, en las pruebas, este mismo proceso."""

    def outcomes(self, jobs: list[Job]) -> Iterator[tuple[Job, Outcome]]:
        """Ejecuta las tareas y las da según acaban, en cualquier orden."""


# --- Qué hay que hacer ------------------------------------------------------------------------------------------


def experiment_jobs(
    experiment: Experiment, seeds: Iterable[int], folder: Path, repeat: bool = False
) -> list[Job]:
    """Las tareas que le faltan a un experimento, una por semilla.

    Lanza:
        records.RecordError: si hay un registro con otra configuración y no se pidió `repeat`.
    """
    return [
        Job(
            records.record_name(experiment.name, seed),
            functools.partial(run_apart, experiment, seed),
            functools.partial(keep_run, experiment, seed, folder),
        )
        for seed in seeds
        if repeat or records.finished_record(experiment, seed, folder) is None
    ]


def grid_jobs(grid: Grid, parts: Path, repeat: bool = False) -> list[Job]:
    """Las tareas que le faltan a una rejilla, una por punto. Cada una acaba en un archivo de `parts`."""
    from helpers.experiments.grid import finished_part, keep_part, part_path

    jobs = []
    for number, (point, seed) in enumerate(grid.runs(), start=1):
        path = part_path(grid, number, parts)
        if repeat or finished_part(path, grid, point, seed) is None:
            work = functools.partial(measure_part, grid, point, seed)
            keep = functools.partial(keep_part, path, grid, point, seed)
            jobs.append(Job(f"{grid.name}, punto {number}", work, keep))
    return jobs


# --- Lo que se ejecuta en un nodo -------------------------------------------------------------------------------


def run_apart(experiment: Experiment, seed: int) -> dict[str, bytes]:
    """Ejecuta una repetición en una carpeta de usar y tirar.

    Devuelve:
        Los archivos que dejó, por nombre: el registro y, si los guarda, los pesos y las probabilidades.
    """
    from helpers.experiments.runner import run

    with tempfile.TemporaryDirectory() as folder:
        run(experiment, seed, folder=Path(folder))
        return {path.name: path.read_bytes() for path in Path(folder).iterdir() if path.name != records.SUMS}


def measure_part(grid: Grid, point: dict, seed: int) -> dict:
    """Entrena y mide un punto de una rejilla."""
    from helpers.experiments.grid import load_dataset, measure_point, official_test

    return measure_point(grid, point, seed, load_dataset(grid.dataset), official_test())


def attempt(work: Callable[[], object]) -> Outcome:
    """Ejecuta una tarea y cuenta cómo fue. Un fallo vuelve como texto: la excepción puede no saber viajar."""
    started = time.perf_counter()
    try:
        value, error = work(), None
    except Exception as problem:
        value, error = None, explain(problem)
    return Outcome(platform.node(), time.perf_counter() - started, value, error)


def attempt_alone(work: Callable[[], object]) -> Outcome:
    """`attempt` en un proceso propio, con los núcleos que la tarea reservó y no con todos los del nodo."""
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(name, str(CPUS))
    return attempt(work)


def explain(error: Exception) -> str:
    """Un error de un nodo, en una frase y con su remedio cuando se sabe cuál es."""
    if isinstance(error, OSError):
        return f"{error} Los datos tienen que estar en cada nodo del clúster."
    if isinstance(error, ModuleNotFoundError) and (error.name or "").split(".")[0] == "helpers":
        return f"Ese nodo no tiene el paquete del libro. Instálalo en cada uno: {INSTALL}."
    if isinstance(error, (ValueError, ModuleNotFoundError)):
        return str(error)
    return f"{type(error).__name__}: {error}"


# --- Lo que se hace aquí ----------------------------------------------------------------------------------------


def keep_run(experiment: Experiment, seed: int, folder: Path, files: dict[str, bytes]) -> None:
    """Comprueba lo que devolvió un nodo y lo escribe: primero los pesos y, cuando ya están, el registro.

    Lanza:
        records.RecordError: si el registro no es el que se pidió, si un archivo no llegó entero o si el nodo entrenó con
            otra copia de los datos que las demás repeticiones.
    """
    folder, name = Path(folder), records.record_name(experiment.name, seed)
    if name not in files:
        raise records.RecordError(f"El nodo no devolvió {name}: tiene otra versión del libro.")
    record = json.loads(files[name].decode("utf-8"))
    records.check_record(record, name)
    if record["config"] != records.rounded(experiment.config()):
        raise records.RecordError(
            f"El nodo tiene otra versión del libro: su {name} lleva otra configuración."
        )
    attached = [record[key] for key in ("weights", "probabilities") if record.get(key)]
    for kept in attached:
        if records.bytes_sha256(files.get(kept["file"], b"")) != kept["sha256"]:
            raise records.RecordError(f"{kept['file']} no llegó entero. Repite la ejecución.")
    others = {
        records.load_record(experiment.name, s, folder)["data"]["sha256"]
        for s in _kept_seeds(experiment, folder, seed)
    }
    if others and record["data"]["sha256"] not in others:
        raise records.RecordError(
            f"El nodo entrenó con otra copia de «{record['data']['name']}» que las demás semillas. Lleva la misma a todos "
            "los nodos o, si la nueva es la buena, guarda los registros en otra carpeta con --folder."
        )
    folder.mkdir(parents=True, exist_ok=True)
    for kept in attached:
        records.write_bytes_atomically(folder / kept["file"], files[kept["file"]])
    records.save_record(record, folder)


def _kept_seeds(experiment: Experiment, folder: Path, apart: int) -> list[int]:
    seeds = (s for s in experiment.seeds if s != apart)
    return [s for s in seeds if (folder / records.record_name(experiment.name, s)).exists()]


def dispatch(jobs: list[Job], executor: Executor) -> list[str]:
    """Ejecuta las tareas, guarda lo que devuelven según llega y dice en una línea cómo acabó cada una.

    Devuelve:
        Los nombres de las que fallaron.
    """
    failed = []
    for done, (job, outcome) in enumerate(executor.outcomes(jobs), start=1):
        error = outcome.error
        if error is None:
            try:
                job.keep(outcome.value)
            except ValueError as problem:  # RecordError, o un archivo que no es JSON
                error = str(problem)
        if error is None:
            print(
                f"{done}/{len(jobs)} {job.name}: hecho en {outcome.node}, {outcome.seconds:.0f} s.",
                flush=True,
            )
        else:
            failed.append(job.name)
            print(
                f"{done}/{len(jobs)} {job.name}: FALLÓ en {outcome.node}. {error}",
                file=sys.stderr,
                flush=True,
            )
    return failed


def run_on_cluster(
    experiments: list["Experiment | Grid"],
    address: str,
    *,
    seeds: list[int] | None = None,
    folder: Path = records.RESULTS,
    repeat: bool = False,
    parts: Path | None = None,
    connect: Callable[[str], "RayExecutor"] | None = None,
) -> list[str]:
    """Ejecuta en un clúster lo que falte de unos experimentos.

    Argumentos:
        address: `local`, `auto`, `HOST:PUERTO` o `ray://HOST:PUERTO`.
        seeds: solo estas semillas; None son las de cada experimento. Las rejillas llevan las suyas.
        parts: carpeta de los puntos de rejilla terminados; None es la de siempre.
        connect: a qué se conecta, dada la dirección; lo cambian las pruebas.

    Devuelve:
        Los nombres de las ejecuciones que fallaron.

    Lanza:
        ClusterError: si no hay clúster.
    """
    jobs, grids = [], []
    for experiment in experiments:
        if isinstance(experiment, Experiment):
            jobs += experiment_jobs(experiment, seeds or experiment.seeds, folder, repeat)
        elif repeat or not (Path(folder) / records.record_name(experiment.name, None)).exists():
            from helpers.experiments.grid import PARTS

            jobs += grid_jobs(experiment, parts or PARTS, repeat)
            grids.append(experiment)
    failed = []
    if jobs:
        with (connect or RayExecutor)(address) as executor:
            failed = dispatch(jobs, executor)
    else:
        print("Está todo hecho.", flush=True)
    for grid in grids:
        if not any(name.startswith(f"{grid.name}, ") for name in failed):
            from helpers.experiments.grid import PARTS, run_grid

            # Con todos los puntos apartados, esto solo los junta en el registro.
            run_grid(grid, folder=folder, parts=parts or PARTS, assemble=True)
    return failed


# --- Ray --------------------------------------------------------------------------------------------------------


class RayExecutor:
    """Un clúster de Ray, abierto mientras dura el `with`. Sin panel web y sin estadísticas de uso.

    Lanza:
        ClusterError: al entrar, si falta Ray, la dirección no responde o ningún nodo puede con una tarea.
    """

    def __init__(self, address: str):
        """Argumentos: `address`, la de `run_on_cluster`."""
        self.address = address

    def __enter__(self) -> "RayExecutor":
        """Se conecta, o arranca los procesos locales."""
        self.ray = import_ray()
        if self.address == LOCAL:
            options = {
                "num_cpus": LOCAL_WORKERS,
                "include_dashboard": False,
                "object_store_memory": 100 << 20,
            }
        else:
            options = {}
            check_reachable(self.address)
        # Ray da quince segundos a sus propios procesos para arrancar: en un ordenador ocupado no bastan a la primera.
        for tries_left in (1, 0) if self.address == LOCAL else (0,):
            try:
                self.ray.init(address=self.address, log_to_driver=False, logging_level="error", **options)
                break
            except (Exception, SystemExit) as error:  # sin respuesta, Ray acaba a veces con SystemExit
                self.ray.shutdown()
                if not tries_left:
                    raise ClusterError(_no_cluster_message(self.address, error)) from error
        if not any(_fits(node) for node in self.ray.nodes()):
            self.ray.shutdown()
            raise ClusterError(
                f"Ningún nodo de «{self.address}» tiene libre lo que pide una ejecución: {CPUS} núcleo y "
                f"{MEMORY / 1e9:.1f} GB de memoria. Arranca un nodo mayor o declara su memoria: `ray start --memory BYTES`."
            )
        return self

    def __exit__(self, *problem) -> None:
        """Se desconecta: lo que estuviera en marcha se para."""
        self.ray.shutdown()

    def outcomes(self, jobs: list[Job]) -> Iterator[tuple[Job, Outcome]]:
        """Ejecuta las tareas, tantas a la vez como quepan, y las da según acaban."""
        # Con max_calls=1 cada ejecución estrena proceso: TensorFlow no devuelve la memoria ni olvida la semilla.
        # Un nodo que se cae se reintenta una vez en otro; un error del programa, no.
        task = self.ray.remote(num_cpus=CPUS, memory=MEMORY, max_calls=1, max_retries=1)(attempt_alone)
        pending = {task.remote(job.work): job for job in jobs}
        while pending:
            (ready,), _ = self.ray.wait(list(pending), num_returns=1)
            job = pending.pop(ready)
            try:
                outcome = self.ray.get(ready)
            except Exception as error:
                outcome = Outcome("un nodo", 0.0, error=_explain_ray(error))
            yield job, outcome


def import_ray():
    """El módulo de Ray, con las estadísticas de uso apagadas.

    Lanza:
        ClusterError: si no está instalado, con la orden que lo instala.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        import ray
    except ModuleNotFoundError as error:
        raise ClusterError(f"Falta Ray, que es opcional. Instálalo con: {INSTALL}.") from error
    return ray


def check_reachable(address: str) -> None:
    """Comprueba que algo escucha en la dirección: Ray tarda más de tres minutos en rendirse.

    Lanza:
        ClusterError: si la dirección está mal escrita o no responde.
    """
    if address == "auto":
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        raise ClusterError(
            f"«{address}» no es una dirección de Ray. Sirven: {LOCAL}, auto, HOST:6379 (desde un nodo del clúster) y "
            "ray://HOST:10001 (desde fuera)."
        )
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise ClusterError(_no_cluster_message(address, error)) from error


def _no_cluster_message(address: str, error: BaseException) -> str:
    if address == LOCAL:
        return f"Ray no pudo arrancar en este ordenador ({error}). Si está muy ocupado, espera y repite la orden."
    return (
        f"Ningún clúster de Ray responde en «{address}» ({error}). Arráncalo con «ray start --head» en un ordenador y "
        "«ray start --address=HOST:6379» en los demás, o usa --ray local."
    )


def _fits(node: dict) -> bool:
    resources = node["Resources"]
    return node["Alive"] and resources.get("CPU", 0) >= CPUS and resources.get("memory", 0) >= MEMORY


def _explain_ray(error: Exception) -> str:
    """Un fallo que no es del experimento: el proceso murió, el nodo se perdió o no tiene el libro."""
    cause = getattr(error, "cause", None) or error
    if "No module named 'helpers" in str(error):
        cause = ModuleNotFoundError(name="helpers")
    if type(cause).__name__ in {"WorkerCrashedError", "OutOfMemoryError", "NodeDiedError"}:
        return (
            f"El proceso murió antes de acabar; lo normal es que faltara memoria: pide {MEMORY / 1e9:.1f} GB."
        )
    return explain(cause)
