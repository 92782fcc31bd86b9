"""Lo que tarda `make test` entero: las pruebas del paquete, del libro y de las páginas, y todos los cuadernos."""

import subprocess
import time
from pathlib import Path

from benchmarks.table import Figure, Measured

ROOT = Path(__file__).resolve().parent.parent
FIGURES = (Figure("all", "make test, de principio a fin", "min", 12),)


def run_tests(command: tuple[str, ...] = ("make", "test")) -> float:
    """Pasa las pruebas con la orden del README y devuelve los segundos.

    Lanza:
        RuntimeError: si alguna falla: lo que tarda en fallar no es lo que tarda.
    """
    started = time.perf_counter()
    run = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", errors="replace"
    )
    seconds = time.perf_counter() - started
    if run.returncode:
        raise RuntimeError(f"Las pruebas no pasan:\n{run.stdout[-2000:]}")
    return seconds


def measure() -> dict[str, Measured]:
    """Una pasada, con todo instalado."""
    return {"all": Measured(run_tests() / 60)}
