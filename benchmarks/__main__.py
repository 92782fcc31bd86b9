"""Mide lo que el libro promete y dice qué no llega: `python -m benchmarks [PARTE…]`.

Sin partes, las mide todas. Imprime una tabla, escribe un JSON con la máquina y las versiones, y sale con 1 si algo no llega a
su suelo.
"""

import argparse
import importlib
import json
import sys
import time
from pathlib import Path

from benchmarks.table import falls_short, machine, rows_of, write_table

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "_build" / "bench" / "medidas.json"
REFERENCE = ROOT / "book" / "rendimiento.json"
# Nombre de la parte → módulo, en el orden en que se miden: lo que no carga TensorFlow va delante, y lo más largo, al final.
PARTS = {
    "construccion": "build",
    "paginas": "pages",
    "controles": "controls",
    "capitulos": "chapters",
    "memoria": "memory",
    "aumento": "augmentation",
    "entrenamiento": "training",
    "motor": "engine",
    "pruebas": "tests",
}


def module(part: str):
    """El módulo que mide una parte: tiene `FIGURES` y `measure()`."""
    return importlib.import_module(f"benchmarks.{PARTS[part]}")


def save(document: dict, path: Path) -> None:
    """Escribe el documento en un JSON que se lee y se compara bien."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def take(parts: list[str]) -> dict:
    """Mide las partes y devuelve el documento, que se guarda tras cada una: si una falla, las anteriores no se pierden."""
    document = {"machine": machine(), "seconds": {}, "rows": []}
    for part in parts:
        print(f"Midiendo: {part}…", file=sys.stderr, flush=True)
        started = time.perf_counter()
        document["rows"] += rows_of(part, module(part).FIGURES, module(part).measure())
        document["seconds"][part] = round(time.perf_counter() - started, 1)
        save(document, OUTPUT)
    return document


def main(arguments: list[str] | None = None) -> int:
    """Mide, imprime y guarda; devuelve 1 si algo no llega a su suelo."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Mide lo que el libro promete.")
    parser.add_argument(
        "parts", nargs="*", metavar="PARTE", help=f"de estas (por defecto, todas): {', '.join(PARTS)}"
    )
    parser.add_argument(
        "--referencia", action="store_true", help="guarda además la medida en la página Rendimiento del libro"
    )
    options = parser.parse_args(arguments)
    if unknown := [part for part in options.parts if part not in PARTS]:
        parser.error(f"no hay ninguna parte {', '.join(unknown)}; hay: {', '.join(PARTS)}")
    if options.referencia and options.parts:
        parser.error("la referencia lleva todas las partes: pídela sin nombrar ninguna")
    document = take(options.parts or list(PARTS))
    where = document["machine"]
    print(
        f"{where['processor']}, {where['cores']} núcleos, {where['system']}; carga al empezar: {where['load']}"
    )
    print(write_table(document["rows"]))
    if options.referencia:
        save(document, REFERENCE)
    return 1 if falls_short(document["rows"]) else 0


if __name__ == "__main__":
    sys.exit(main())
