"""Segundos y memoria de cada capítulo, desde un kernel limpio.

El límite es el de un capítulo en clase y en Binder: 60 s y 1.6 GB cada uno, y 5 minutos todos juntos. Los segundos
incluyen arrancar el kernel; la memoria es la máxima que llegó a ocupar el proceso del kernel.
"""

import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from benchmarks.table import Figure, Measured

ROOT = Path(__file__).resolve().parent.parent
MAX_SECONDS, MAX_GB, MAX_TOTAL = 60, 1.6, 300
FIGURES = (
    Figure("slowest", "el capítulo más lento, de principio a fin", "s", MAX_SECONDS),
    Figure("largest", "el capítulo que más memoria ocupa", "GB", MAX_GB, decimals=2),
    Figure("all", "todos los capítulos, uno detrás de otro", "s", MAX_TOTAL, decimals=0),
)
# ru_maxrss viene en kilobytes en Linux y en bytes en macOS.
MEMORY_CELL = "import resource, sys; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == 'darwin' else 1024))"


def measure_chapter(path: Path) -> dict:
    """Ejecuta un cuaderno y devuelve su nombre, sus segundos y sus gigabytes.

    Lanza:
        CellExecutionError: si una celda falla.
    """
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(MEMORY_CELL))
    start = time.perf_counter()
    client = NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}
    )
    client.execute()
    seconds = time.perf_counter() - start
    peak = int(notebook.cells[-1].outputs[0]["text"])
    return {"chapter": path.stem, "seconds": round(seconds, 1), "gigabytes": round(peak / 1e9, 2)}


def summarise(rows: list[dict]) -> dict[str, Measured]:
    """El más lento, el que más memoria ocupa y el tiempo de todos."""
    slowest = max(rows, key=lambda row: row["seconds"])
    largest = max(rows, key=lambda row: row["gigabytes"])
    return {
        "slowest": Measured(slowest["seconds"], slowest["chapter"]),
        "largest": Measured(largest["gigabytes"], largest["chapter"]),
        "all": Measured(sum(row["seconds"] for row in rows)),
    }


def measure() -> dict[str, Measured]:
    """Ejecuta todos los cuadernos del libro, cada uno en su kernel."""
    return summarise([measure_chapter(path) for path in sorted((ROOT / "book").glob("*.ipynb"))])
