"""El mismo `engine.wasm` de la página, desde Python: lo usan las pruebas y las medidas."""

import ctypes
import functools

import numpy as np

from helpers.engine.description import encode, weight_shapes
from helpers.engine.sources import WASM_PATH

try:
    import wasmtime
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "Falta wasmtime, que ejecuta el motor fuera del navegador. Instálalo con: pip install -e '.[pruebas]'",
        name="wasmtime",
    ) from error

__all__ = ["Engine"]

# `enum Status` de src/network.c, desde 1. `{capa}` es el nombre de la capa que falla.
_ERRORS = (
    "No hay memoria para esta red con lotes de {lote}. Usa menos filtros, menos unidades o un lote menor.",
    "El motor no conoce la clase de la capa «{capa}».",
    "La capa «{capa}» tiene un número que no vale (tamaño, unidades, lote o tasa).",
    "La ventana de la capa «{capa}» es mayor que la imagen que le llega. Usa menos bloques o una ventana menor.",
    "La capa «{capa}» necesita mapas (alto, ancho, canales) y le llega un vector.",
    "La capa «{capa}» necesita un vector y le llegan mapas. Pon Flatten o GlobalAveragePooling2D antes.",
    "La softmax tiene que estar al final, y solo ahí; falla la capa «{capa}».",
    "La red tiene demasiadas capas o ninguna.",
)


@functools.cache
def _module():
    engine = wasmtime.Engine()
    return engine, wasmtime.Module(engine, WASM_PATH.read_bytes())


class Engine:
    """Una red dentro del motor. Los mismos métodos que la clase `Engine` de `engine.js`, con arrays de NumPy.

    Argumentos:
        description: la de `helpers.engine.describe`.
        batch_size: cuántas imágenes caben en un paso.
        seed: semilla de las máscaras de *dropout*.

    Lanza:
        ValueError: descripción que no vale. MemoryError: no cabe.
    """

    def __init__(self, description, *, batch_size=32, seed=1):
        """Construye la red, con los pesos a cero."""
        self.description = description
        self.batch_size = batch_size
        self._program = encode(description)
        engine, module = _module()
        self._store = wasmtime.Store(engine)
        instance = wasmtime.Instance(self._store, module, [])
        self._exports = instance.exports(self._store)
        self._build()
        self._call("seed", seed)

    def _build(self):
        program = self._program
        self._view("description_address", len(program.words), np.uint8)[:] = np.frombuffer(
            program.words, np.uint8
        )
        status = self._call("build", *self.description["input_shape"], program.count, self.batch_size)
        if status:
            failed = self._call("failed_layer")
            position = next(
                (i for i, last in enumerate(program.last) if failed <= last), len(program.last) - 1
            )
            layer = self.description["layers"][position]
            message = _ERRORS[status - 1].format(capa=layer.get("name", layer["type"]), lote=self.batch_size)
            raise MemoryError(message) if status == 1 else ValueError(message)
        self._shapes = [tuple(shape) for _, shape in weight_shapes(self.description)]
        self.num_classes = self._call("layer_channels", program.count - 1)

    def _call(self, name, *arguments):
        return self._exports[name](self._store, *arguments)

    def _view(self, name, count, dtype, *arguments):
        """Array sobre la memoria del motor. Vale hasta el siguiente `build`, que puede hacerla crecer."""
        address = self._call(name, *arguments) & 0xFFFFFFFF
        memory = self._exports["memory"]
        base = ctypes.addressof(memory.data_ptr(self._store).contents)
        size = count * np.dtype(dtype).itemsize
        return np.frombuffer((ctypes.c_ubyte * size).from_address(base + address), dtype)

    def _layer_shape(self, index):
        return tuple(self._call(f"layer_{side}", index) for side in ("height", "width", "channels"))

    # --- Pesos ---

    def _split(self, flat):
        ends = np.cumsum([np.prod(shape, dtype=int) for shape in self._shapes])
        return [
            part.reshape(shape).copy()
            for part, shape in zip(np.split(flat, ends[:-1]), self._shapes, strict=True)
        ]

    def get_weights(self):
        """Los pesos, en el orden de `model.get_weights()` de Keras."""
        return self._split(self._view("weights_address", self._call("weight_count"), np.float32))

    def set_weights(self, weights):
        """Pone los pesos, en el orden y con las formas de `model.get_weights()`.

        Lanza:
            ValueError: si alguno falta, sobra o tiene otra forma.
        """
        shapes = [tuple(np.shape(w)) for w in weights]
        if shapes != self._shapes:
            raise ValueError(
                f"Los pesos no son los de esta red: se esperaban {self._shapes} y llegan {shapes}."
            )
        flat = np.concatenate([np.ravel(w) for w in weights]) if weights else np.zeros(0)
        self._view("weights_address", len(flat), np.float32)[:] = flat

    # --- Usar ---

    def _load(self, x, y=None):
        x = np.asarray(x, np.float32)
        expected = tuple(self.description["input_shape"])
        if x.shape[1:] != expected or not 1 <= len(x) <= self.batch_size:
            raise ValueError(
                f"Las imágenes deben tener forma (de 1 a {self.batch_size}, {', '.join(map(str, expected))}); "
                f"tienen {x.shape}."
            )
        self._view("inputs_address", x.size, np.float32)[:] = x.ravel()
        if y is not None:
            y = np.asarray(y)
            if y.shape != (len(x),) or y.min() < 0 or y.max() >= self.num_classes:
                raise ValueError(f"Las etiquetas deben ser {len(x)} enteros de 0 a {self.num_classes - 1}.")
            self._view("labels_address", len(x), np.uint32)[:] = y
        return len(x)

    def _set_masks(self, masks):
        """`masks`: por nombre de capa Dropout, un array (lote, …) de ceros y unos; se escala aquí."""
        self._call("draw_masks", int(masks is None))
        for layer, last in zip(self.description["layers"], self._program.last, strict=True):
            if masks is not None and layer["type"] == "Dropout":
                mask = np.asarray(masks[layer["name"]], np.float32) / np.float32(1 - layer["rate"])
                self._view("layer_mask", mask.size, np.float32, last)[:] = mask.ravel()

    def forward(self, x, *, training=False, masks=None):
        """Probabilidades (N, clases) de hasta `batch_size` imágenes float32 (N, alto, ancho, canales) en [0, 1]."""
        count = self._load(x)
        self._set_masks(masks)
        self._call("forward", count, int(training))
        return self._probabilities(count)

    def _probabilities(self, count):
        flat = self._view("layer_output", count * self.num_classes, np.float32, self._program.count - 1)
        return flat.reshape(count, self.num_classes).copy()

    def predict(self, x):
        """Probabilidades de cualquier número de imágenes."""
        return np.concatenate(
            [self.forward(x[i : i + self.batch_size]) for i in range(0, len(x), self.batch_size)]
        )

    def loss_and_gradients(self, x, y, *, masks=None):
        """(pérdida, gradientes) de un lote, al entrenar; los gradientes, en el orden de `get_weights()`.

        Las medias móviles de BatchNormalization tienen gradiente cero.
        """
        count = self._load(x, y)
        self._set_masks(masks)
        self._call("forward", count, 1)
        loss = self._call("loss")
        self._call("backward")
        return loss, self._split(self._view("gradients_address", self._call("weight_count"), np.float32))

    def train_step(self, x, y, optimizer, *, masks=None):
        """Un paso de entrenamiento. Devuelve (pérdida media, aciertos) de antes de cambiar los pesos.

        Argumentos:
            optimizer: la descripción de `describe_optimizer`.

        Lanza:
            ArithmeticError: si la pérdida deja de ser un número; los pesos no se tocan.
        """
        count = self._load(x, y)
        self._set_masks(masks)
        self._call("forward", count, 1)
        loss, correct = self._call("loss"), self._call("correct")
        if not np.isfinite(loss):
            raise ArithmeticError(
                "La pérdida ha dejado de ser un número: el entrenamiento diverge. Baja la tasa de aprendizaje."
            )
        self._call("backward")
        if optimizer["name"] == "adam":
            self._call("adam", *(optimizer[k] for k in ("learning_rate", "beta_1", "beta_2", "epsilon")))
        else:
            self._call("sgd", optimizer["learning_rate"], optimizer["momentum"])
        return loss, correct

    def reset_optimizer(self):
        """Olvida las medias móviles del optimizador y vuelve al paso cero."""
        self._call("reset_optimizer")

    def evaluate(self, x, y):
        """(pérdida, exactitud) sin dropout y con las medias móviles, sobre cualquier número de imágenes."""
        total, correct = 0.0, 0
        for i in range(0, len(x), self.batch_size):
            count = self._load(x[i : i + self.batch_size], y[i : i + self.batch_size])
            self._call("forward", count, 0)
            total += self._call("loss") * count
            correct += self._call("correct")
        return total / len(x), correct / len(x)

    def activations(self, name, count=1):
        """La salida de la capa de ese nombre para las primeras `count` imágenes del último `forward`."""
        names = [layer["name"] for layer in self.description["layers"]]
        if name not in names:
            raise ValueError(f"No hay ninguna capa «{name}». Hay: {', '.join(names)}.")
        index = self._program.last[names.index(name)]
        shape = self._layer_shape(index)
        flat = self._view("layer_output", count * int(np.prod(shape)), np.float32, index)
        vector = shape[:2] == (1, 1) and self._is_flat(names.index(name))
        return flat.reshape(count, *(shape[2:] if vector else shape)).copy()

    def _is_flat(self, position):
        kinds = {layer["type"] for layer in self.description["layers"][: position + 1]}
        return bool(kinds & {"Flatten", "GlobalAveragePooling2D", "Dense"})
