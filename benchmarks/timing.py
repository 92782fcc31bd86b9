"""Medir por turnos: en una máquina que hace más cosas solo se comparan tiempos tomados a la vez."""

import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path


def command_seconds(command: Sequence[str], cwd: Path, failure: str) -> float:
    """Los segundos que tarda una orden.

    Lanza:
        RuntimeError: con `failure` y el final de lo que escribió, si falla: lo que tarda en fallar no es lo que tarda.
    """
    started = time.perf_counter()
    run = subprocess.run(
        command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", errors="replace"
    )
    seconds = time.perf_counter() - started
    if run.returncode:
        raise RuntimeError(f"{failure}:\n{run.stdout[-2000:]}")
    return seconds


def interleaved(
    jobs: dict[str, Callable[[], object]], rounds: int, warm_up: int = 1
) -> dict[str, list[float]]:
    """Ejecuta cada tarea una vez por vuelta y devuelve los segundos de cada una.

    Las vueltas de calentamiento, en las que se compila y se llena la memoria, no cuentan.
    """
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for turn in range(warm_up + rounds):
        for name, job in jobs.items():
            started = time.perf_counter()
            job()
            if turn >= warm_up:
                times[name].append(time.perf_counter() - started)
    return times


def best_quarter(values: list[float]) -> float:
    """El primer cuarto: lo que tarda cuando nadie molesta, sin fiarse del mínimo, que puede ser una casualidad."""
    return statistics.quantiles(values, n=4, method="inclusive")[0] if len(values) > 1 else values[0]


def ratio(times: dict[str, list[float]], one: str, other: str) -> float:
    """Cuántas veces tarda `one` lo que tarda `other`, cada uno cuando nadie lo molesta.

    Con dos núcleos, la misma época tarda a veces el doble entera: sus dos hilos caen en el mismo. La mediana de los cocientes de
    cada vuelta mide esa suerte si en unas pocas vueltas le toca siempre al mismo.
    """
    return best_quarter(times[one]) / best_quarter(times[other])
