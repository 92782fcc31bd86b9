"""Lo que tarda `make test` entero: las pruebas del paquete, del libro y de las páginas, y todos los cuadernos."""

from pathlib import Path

from benchmarks.table import Figure, Measured
from benchmarks.timing import command_seconds

ROOT = Path(__file__).resolve().parent.parent
FIGURES = (Figure("all", "make test, de principio a fin", "min", 12),)


def run_tests(command: tuple[str, ...] = ("make", "test")) -> float:
    """Pasa las pruebas con la orden del README y devuelve los segundos.

    Lanza:
        RuntimeError: si alguna falla.
    """
    return command_seconds(command, ROOT, "Las pruebas no pasan")


def measure() -> dict[str, Measured]:
    """Una pasada, con todo instalado."""
    return {"all": Measured(run_tests() / 60)}
