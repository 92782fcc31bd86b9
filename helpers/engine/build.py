"""Compila el motor: `python -m helpers.engine.build` vuelve a crear `engine.wasm` a partir de `src/*.c`.

El compilador es el clang que trae `ziglang`, un paquete de PyPI (`pip install -e '.[motor]'`): no hay que instalar nada en el
sistema. Con la misma versión sale el mismo archivo, byte por byte, en cualquier máquina y carpeta; `--comprobar` lo mira sin
escribir nada.
"""

import argparse
import importlib.metadata
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from helpers.engine.sources import FOLDER, WASM_PATH

ZIGLANG_VERSION = "0.17.1"  # la misma que fija el extra «motor» de pyproject.toml
SOURCES = ("kernels.c", "layers.c", "memory.c", "network.c", "optimizers.c")
FLAGS = (
    "--target=wasm32-freestanding",
    # SIMD128 y copias de memoria: los dos están en los mismos navegadores. Nada relajado, nada de hilos.
    "-mcpu=generic+simd128+bulk_memory",
    # Los bucles que cuentan ya están vectorizados y desenrollados a mano; -O2 pesa un 20 % más y no corre más.
    "-Os",
    "-std=c11",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-nostdlib",
    "-Wl,--no-entry",
    # Sin nombres ni datos de depuración: llevarían la ruta de la carpeta.
    "-Wl,--strip-all",
)


def compile_engine(output):
    """Compila `src/*.c` en el archivo `output`.

    Lanza:
        RuntimeError: si falta ziglang, si no es la versión fijada o si el código no compila.
    """
    try:
        version = importlib.metadata.version("ziglang")
    except importlib.metadata.PackageNotFoundError:
        version = "ninguna"
    if version != ZIGLANG_VERSION:
        raise RuntimeError(
            f"El motor se compila con ziglang {ZIGLANG_VERSION} y hay {version}. Instálala con: pip install -e '.[motor]'"
        )
    with tempfile.TemporaryDirectory() as cache:
        env = {**os.environ, "ZIG_LOCAL_CACHE_DIR": cache, "ZIG_GLOBAL_CACHE_DIR": cache}
        command = [sys.executable, "-m", "ziglang", "cc", *FLAGS, "-o", str(Path(output).resolve()), *SOURCES]
        done = subprocess.run(
            command, cwd=FOLDER / "src", env=env, capture_output=True, encoding="utf-8", check=False
        )
    if done.returncode:
        raise RuntimeError(f"El motor no compila:\n{done.stderr}")


def build_bytes():
    """Los bytes de un `engine.wasm` recién compilado."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "engine.wasm"
        compile_engine(output)
        return output.read_bytes()


def main(arguments=None):
    """Escribe `engine.wasm`, o comprueba que el que hay es el que sale de compilar."""
    parser = argparse.ArgumentParser(description="Compila el motor del libro.")
    parser.add_argument(
        "--comprobar", action="store_true", help="no escribe: mira si engine.wasm está al día"
    )
    options = parser.parse_args(arguments)
    fresh = build_bytes()
    if options.comprobar:
        same = WASM_PATH.exists() and WASM_PATH.read_bytes() == fresh
        print(
            "engine.wasm está al día." if same else "engine.wasm no sale de estas fuentes: vuelve a compilar."
        )
        return 0 if same else 1
    WASM_PATH.write_bytes(fresh)
    print(f"engine.wasm: {len(fresh)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
