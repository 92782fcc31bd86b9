"""El motor del libro: entrena y ejecuta redes convolucionales en el navegador, y aquí se comprueba contra Keras.

- `src/*.c` es el motor; `engine.wasm`, lo que sale de compilarlo (`python -m helpers.engine.build`).
- `engine.js` lo carga en la página o en Node; `worker.js` entrena en un *Worker*; `weights.js` lee y escribe pesos.
- `twin.js` hace lo mismo, solo para la red del libro, en JavaScript llano: es el texto que se lee y con el que se compara.
- En Python, `describe` convierte un modelo de Keras en la descripción que el motor entiende y `Engine` ejecuta el mismo
  `engine.wasm` con wasmtime, para las pruebas y las medidas.

Nada de esto necesita TensorFlow, salvo el modelo que recibe `describe`.
"""

from typing import TYPE_CHECKING

from helpers.engine.description import (
    build_model,
    describe,
    describe_cnn,
    describe_compact_cnn,
    describe_optimizer,
    encode,
    weight_shapes,
)
from helpers.engine.sources import WASM_PATH, page_scripts, worker_source

if TYPE_CHECKING:
    from helpers.engine.runtime import Engine

__all__ = [
    "WASM_PATH",
    "Engine",
    "build_model",
    "describe",
    "describe_cnn",
    "describe_compact_cnn",
    "describe_optimizer",
    "encode",
    "page_scripts",
    "weight_shapes",
    "worker_source",
]


def __getattr__(name):
    # wasmtime solo hace falta para probar y medir: se pide al usar `Engine`, no al importar el paquete.
    if name == "Engine":
        from helpers.engine.runtime import Engine

        return Engine
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
