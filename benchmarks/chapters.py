"""Segundos y memoria de cada capítulo, desde un kernel limpio. Lo ejecuta `make bench`.

El límite es el de un capítulo en clase y en Binder: 60 s y 1.6 GB cada uno, y 5 minutos todos juntos. Los segundos
incluyen arrancar el kernel; la memoria es la máxima que llegó a ocupar el proceso del kernel.
"""

import json
import os
import platform
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
MAX_SECONDS, MAX_GB, MAX_TOTAL = 60, 1.6, 300
OUTPUT = ROOT / "_build" / "bench" / "capitulos.json"
# ru_maxrss viene en kilobytes en Linux y en bytes en macOS.
MEMORY_CELL = "import resource, sys; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == 'darwin' else 1024))"


def measure(path: Path) -> dict:
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


def report(rows: list[dict]) -> tuple[str, bool]:
    """La tabla en texto y si todo cabe en los límites."""
    total = sum(row["seconds"] for row in rows)
    lines = [f"{'capítulo':16} {'segundos':>9} {'GB':>6}"]
    for row in rows:
        over = row["seconds"] > MAX_SECONDS or row["gigabytes"] > MAX_GB
        lines.append(
            f"{row['chapter']:16} {row['seconds']:9.1f} {row['gigabytes']:6.2f}"
            + ("   SE PASA" if over else "")
        )
    lines.append(f"{'todos':16} {total:9.1f}" + ("          SE PASA" if total > MAX_TOTAL else ""))
    lines.append(f"límites: {MAX_SECONDS} s y {MAX_GB} GB por capítulo, {MAX_TOTAL} s en total")
    return "\n".join(lines), not any("SE PASA" in line for line in lines)


def main() -> int:
    """Mide los cuadernos pedidos, o todos; devuelve 1 si alguno se pasa."""
    paths = [Path(name).resolve() for name in sys.argv[1:]] or sorted((ROOT / "book").glob("*.ipynb"))
    rows = [measure(path) for path in paths]
    text, fits = report(rows)
    print(
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} núcleos, Python {platform.python_version()}"
    )
    print(text)
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(rows, ensure_ascii=False, indent=1), encoding="utf-8")
    return 0 if fits else 1


if __name__ == "__main__":
    sys.exit(main())
