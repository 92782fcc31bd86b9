"""La descripción de una red: lo que el motor necesita saber de ella, como un diccionario que cabe en JSON.

La forma sigue la configuración de Keras, sin lo que no cambia las cuentas:

    {"version": 1, "input_shape": [32, 32, 3], "layers": [
        {"type": "Conv2D", "name": "conv_1", "filters": 32, "kernel_size": [3, 3], "padding": "valid",
         "activation": "relu", "use_bias": true, "kernel_initializer": {…}}, …]}

`encode` la traduce a las palabras de 32 bits que lee `src/layers.h`; `engine.js` hace la misma traducción en la página y
una prueba compara las dos.
"""

import struct
from dataclasses import dataclass

VERSION = 1
WORDS_PER_LAYER = 12
MAX_LAYERS = 128

# Los números de `enum Kind` en src/layers.h.
KINDS = {
    "Conv2D": 1,
    "Dense": 2,
    "BatchNormalization": 3,
    "ReLU": 4,
    "MaxPooling2D": 5,
    "GlobalAveragePooling2D": 6,
    "Flatten": 7,
    "Dropout": 8,
    "Softmax": 9,
}
SUPPORTED_LAYERS = (*(kind for kind in KINDS if kind != "Softmax"), "Activation", "Softmax")
_ACTIVATIONS = ("linear", "relu", "softmax")


# --- De Keras a la descripción -------------------------------------------------------------------------------


def describe(model):
    """Describe un modelo de Keras para el motor.

    Argumentos:
        model: `keras.Sequential` (o modelo funcional sin ramas) con forma de entrada fija (alto, ancho, canales), capas
            de `SUPPORTED_LAYERS`, en float32, y una softmax al final.

    Devuelve:
        Un diccionario que cabe en JSON.

    Lanza:
        ValueError: si el modelo usa algo que el motor no tiene; dice qué capa y qué opción.
    """
    inputs = getattr(model, "inputs", None)
    if not inputs:
        raise ValueError(
            "El modelo todavía no conoce la forma de su entrada. Empieza con keras.Input((alto, ancho, canales))."
        )
    shape = tuple(inputs[0].shape[1:])
    if len(inputs) != 1 or len(shape) != 3 or None in shape:
        raise ValueError(
            f"El motor necesita una sola entrada de tamaño fijo (alto, ancho, canales); la del modelo es {shape}."
        )
    layers = [layer for layer in model.layers if type(layer).__name__ != "InputLayer"]
    _check_single_row(model, layers)
    description = {
        "version": VERSION,
        "name": model.name,
        "input_shape": [int(side) for side in shape],
        "layers": [_describe_layer(layer) for layer in layers],
    }
    encode(description)  # lo que falte por comprobar (que acabe en softmax) se dice ya
    return description


def describe_optimizer(optimizer):
    """Describe un optimizador de Keras: Adam, o SGD con o sin momento.

    Devuelve:
        `{"name": "adam", "learning_rate": …, "beta_1": …, "beta_2": …, "epsilon": …}` o
        `{"name": "sgd", "learning_rate": …, "momentum": …}`.

    Lanza:
        ValueError: si es otro optimizador o usa una opción que el motor no tiene.
    """
    kind, config = type(optimizer).__name__, optimizer.get_config()
    if kind not in ("Adam", "SGD"):
        raise ValueError(f"El motor tiene Adam y SGD; el optimizador es {kind}.")
    extras = ("weight_decay", "clipnorm", "clipvalue", "global_clipnorm", "use_ema", "loss_scale_factor",
              "gradient_accumulation_steps", "amsgrad", "nesterov")  # fmt: skip
    used = [name for name in extras if config.get(name)]
    if used:
        raise ValueError(f"El motor no tiene estas opciones de {kind}: {', '.join(used)}.")
    if not isinstance(config["learning_rate"], float):
        raise ValueError("El motor usa una tasa de aprendizaje fija; el optimizador lleva un calendario.")
    names = ("beta_1", "beta_2", "epsilon") if kind == "Adam" else ("momentum",)
    return {
        "name": kind.lower(),
        "learning_rate": float(config["learning_rate"]),
        **{n: float(config[n]) for n in names},
    }


def _check_single_row(model, layers):
    if type(model).__name__ == "Sequential":
        return
    for before, layer in zip(layers, layers[1:], strict=False):
        if layer.input is not before.output:
            raise ValueError(
                f"El motor solo sigue una fila de capas y «{layer.name}» no recibe la salida de «{before.name}»."
            )
    if layers and model.outputs[0] is not layers[-1].output:
        raise ValueError(
            "El motor solo sigue una fila de capas y la salida del modelo no es la de la última."
        )


def _describe_layer(layer):
    kind = type(layer).__name__
    if kind not in SUPPORTED_LAYERS:
        raise ValueError(
            f"El motor no tiene la capa «{layer.name}», de la clase {kind}. Tiene: {', '.join(SUPPORTED_LAYERS)}."
        )
    config = layer.get_config()
    _reject(layer, "dtype", layer.compute_dtype, "float32")
    if layer.weights:
        _reject(layer, "trainable", layer.trainable, True)
    for name, value in config.items():
        if name.endswith(("_regularizer", "_constraint")):
            _reject(layer, name, value, None)
    for name, expected in _FIXED.get(kind, {}).items():
        value = config.get(name, expected)
        _reject(layer, name, tuple(value) if isinstance(value, list) else value, expected)
    description = {"type": kind, "name": layer.name}
    for name in _KEPT.get(kind, ()):
        value = config[name]
        description[name] = list(value) if isinstance(value, tuple) else value
    if kind == "BatchNormalization" and layer.axis not in (-1, len(layer.input.shape) - 1):
        _reject(layer, "axis", layer.axis, -1)
    if kind in ("Conv2D", "Dense"):
        description["kernel_initializer"] = _describe_initializer(config["kernel_initializer"])
    return description


# Lo que pasa a la descripción tal cual, y lo que tiene que valer una cosa fija.
_KEPT = {
    "Conv2D": ("filters", "kernel_size", "padding", "activation", "use_bias"),
    "Dense": ("units", "activation", "use_bias"),
    "BatchNormalization": ("momentum", "epsilon", "center", "scale"),
    "MaxPooling2D": ("pool_size", "strides", "padding"),
    "Dropout": ("rate",),
    "Activation": ("activation",),
}
_FIXED = {
    "Conv2D": {
        "strides": (1, 1),
        "dilation_rate": (1, 1),
        "groups": 1,
        "data_format": "channels_last",
    },
    "Dense": {"lora_rank": None},
    "BatchNormalization": {"renorm": False, "synchronized": False},
    "MaxPooling2D": {"data_format": "channels_last"},
    "GlobalAveragePooling2D": {"data_format": "channels_last", "keepdims": False},
    "Flatten": {"data_format": "channels_last"},
    "Dropout": {"noise_shape": None},
    "ReLU": {"max_value": None, "negative_slope": 0.0, "threshold": 0.0},
    "Softmax": {"axis": -1},
}


def _reject(layer, name, value, expected):
    if value != expected:
        raise ValueError(
            f"El motor no admite {name}={value!r} en la capa «{layer.name}» ({type(layer).__name__}); "
            f"tiene que ser {expected!r}."
        )


# (escala, modo, distribución) de los repartos de Glorot y He, como VarianceScaling en Keras.
_VARIANCE_SCALING = {
    "GlorotUniform": (1.0, "fan_avg", "uniform"),
    "GlorotNormal": (1.0, "fan_avg", "truncated_normal"),
    "HeUniform": (2.0, "fan_in", "uniform"),
    "HeNormal": (2.0, "fan_in", "truncated_normal"),
}


def _describe_initializer(serialized):
    """`None` para los que el motor no sabe sortear: la red se puede usar igual si sus pesos vienen dados."""
    kind = serialized["class_name"] if isinstance(serialized, dict) else None
    if kind == "Zeros":
        return {"scale": 0.0, "mode": "fan_avg", "distribution": "uniform"}
    if kind not in _VARIANCE_SCALING:
        return None
    return dict(zip(("scale", "mode", "distribution"), _VARIANCE_SCALING[kind], strict=True))


def describe_cnn(
    *,
    input_shape=(32, 32, 3),
    filters=(32, 64),
    kernel_size=(3, 3),
    pool_size=(2, 2),
    dense_units=128,
    dropout=0.0,
    num_classes=10,
    batch_norm=False,
    name="red_de_la_tarea",
):
    """La descripción de `helpers.models.build_cnn` con los mismos argumentos, sin TensorFlow.

    Sirve al construir el libro, que no instala TensorFlow. Una prueba la compara con `describe(build_cnn(…))`.
    """
    pair = lambda value: [value, value] if isinstance(value, int) else list(value)  # noqa: E731
    kernel, pool = pair(kernel_size), pair(pool_size)
    glorot = dict(zip(("scale", "mode", "distribution"), _VARIANCE_SCALING["GlorotUniform"], strict=True))
    layers = []
    for block, count in enumerate(filters, start=1):
        layers.append(
            {
                "type": "Conv2D",
                "name": f"conv_{block}",
                "filters": count,
                "kernel_size": kernel,
                "padding": "valid",
                "activation": "linear" if batch_norm else "relu",
                "use_bias": not batch_norm,
                "kernel_initializer": glorot,
            }
        )
        if batch_norm:
            layers.append(
                {
                    "type": "BatchNormalization",
                    "name": f"batch_norm_{block}",
                    "momentum": 0.99,
                    "epsilon": 0.001,
                    "center": True,
                    "scale": True,
                }
            )
            layers.append({"type": "Activation", "name": f"relu_{block}", "activation": "relu"})
        layers.append(
            {
                "type": "MaxPooling2D",
                "name": f"pool_{block}",
                "pool_size": pool,
                "strides": pool,
                "padding": "valid",
            }
        )
    layers.append({"type": "Flatten", "name": "flatten"})
    dense = {"type": "Dense", "use_bias": True, "kernel_initializer": glorot}
    layers.append({**dense, "name": "dense", "units": dense_units, "activation": "relu"})
    if dropout:
        layers.append({"type": "Dropout", "name": "dropout", "rate": dropout})
    layers.append({**dense, "name": "output", "units": num_classes, "activation": "softmax"})
    return {"version": VERSION, "name": name, "input_shape": list(input_shape), "layers": layers}


def describe_compact_cnn(
    *,
    input_shape=(32, 32, 3),
    filters=(32, 48, 48, 96, 96, 96, 80),
    pool_after=(2, 4, 6),
    batch_norm=True,
    head="max",
    num_classes=10,
    name="red_compacta",
):
    """La descripción de `helpers.models.build_compact_cnn` con los mismos argumentos, sin TensorFlow.

    Una prueba la compara con `describe(build_compact_cnn(…))`.
    """
    glorot = dict(zip(("scale", "mode", "distribution"), _VARIANCE_SCALING["GlorotUniform"], strict=True))
    pool = lambda name, *side: {  # noqa: E731
        "type": "MaxPooling2D", "name": name, "pool_size": list(side), "strides": list(side), "padding": "valid"
    }  # fmt: skip
    layers = []
    for block, count in enumerate(filters, start=1):
        layers.append(
            {
                "type": "Conv2D",
                "name": f"conv_{block}",
                "filters": count,
                "kernel_size": [3, 3],
                "padding": "same",
                "activation": "linear",
                "use_bias": not batch_norm,
                "kernel_initializer": glorot,
            }
        )
        if block in pool_after:
            layers.append(pool(f"pool_{block}", 2, 2))
        if batch_norm:
            layers.append(
                {
                    "type": "BatchNormalization",
                    "name": f"batch_norm_{block}",
                    "momentum": 0.9,
                    "epsilon": 0.001,
                    "center": True,
                    "scale": True,
                }
            )
        layers.append({"type": "ReLU", "name": f"relu_{block}"})
    if head == "max":
        layers.append(pool("global_max", *(side // 2 ** len(pool_after) for side in input_shape[:2])))
        layers.append({"type": "Flatten", "name": "flatten"})
    else:
        layers.append({"type": "GlobalAveragePooling2D", "name": "global_average"})
    output = {"type": "Dense", "name": "output", "units": num_classes, "activation": "softmax"}
    layers.append({**output, "use_bias": True, "kernel_initializer": glorot})
    return {"version": VERSION, "name": name, "input_shape": list(input_shape), "layers": layers}


def build_model(description):
    """El modelo de Keras que corresponde a una descripción: `describe(build_model(d)) == d`.

    Argumentos:
        description: la de `describe`, o la de un archivo de pesos que exportó la página.

    Devuelve:
        Un `keras.Sequential` sin compilar, con pesos recién sorteados.

    Lanza:
        ValueError: si la descripción no es válida.
        ModuleNotFoundError: si falta TensorFlow.
    """
    encode(description)
    from helpers._keras import keras  # aquí dentro: el resto del módulo funciona sin TensorFlow

    model = keras.Sequential(name=description.get("name", "red"))
    model.add(keras.Input(shape=tuple(description["input_shape"]), name="input"))
    for layer in description["layers"]:
        options = {k: v for k, v in layer.items() if k not in ("type", "kernel_initializer")}
        scaling = layer.get("kernel_initializer")
        if scaling is not None:
            options["kernel_initializer"] = _keras_initializer(keras, scaling)
        model.add(getattr(keras.layers, layer["type"])(**options))
    return model


def _keras_initializer(keras, scaling):
    if scaling["scale"] == 0:
        return keras.initializers.Zeros()
    wanted = tuple(scaling[k] for k in ("scale", "mode", "distribution"))
    name = next((n for n, values in _VARIANCE_SCALING.items() if values == wanted), None)
    return getattr(keras.initializers, name)() if name else keras.initializers.VarianceScaling(**scaling)


def weight_shapes(description):
    """Nombre y forma de cada peso, en el orden de `model.get_weights()`: `[("conv_1/kernel", (3, 3, 3, 32)), …]`.

    No comprueba la descripción: de eso se encargan `encode` y el motor.
    """
    shapes = []
    height, width, channels = description["input_shape"]
    for layer in description["layers"]:
        kind, entering = layer["type"], channels
        if kind in ("Conv2D", "MaxPooling2D"):
            window = layer.get("kernel_size") or layer["pool_size"]
            height, width = (
                -(-side // stride) if layer["padding"] == "same" else (side - size) // stride + 1
                for side, size, stride in zip(
                    (height, width), window, layer.get("strides", (1, 1)), strict=True
                )
            )
        if kind in ("Conv2D", "Dense"):
            channels = layer["filters" if kind == "Conv2D" else "units"]
            kernel = (*layer.get("kernel_size", ()), entering, channels)
            shapes.append((f"{layer['name']}/kernel", kernel))
            if layer["use_bias"]:
                shapes.append((f"{layer['name']}/bias", (channels,)))
        elif kind == "BatchNormalization":
            names = (
                ["gamma"] * layer["scale"] + ["beta"] * layer["center"] + ["moving_mean", "moving_variance"]
            )
            shapes += [(f"{layer['name']}/{name}", (channels,)) for name in names]
        elif kind == "Flatten":
            channels *= height * width
            height = width = 1
    return shapes


# --- De la descripción al motor ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Program:
    """Una descripción traducida.

    Atributos:
        words: `WORDS_PER_LAYER` palabras de 32 bits por capa del motor, en bytes.
        count: cuántas capas del motor hay.
        last: por cada capa de Keras, la última capa del motor que le corresponde (una densa con softmax son dos).
    """

    words: bytes
    count: int
    last: tuple[int, ...]


def encode(description):
    """Traduce una descripción a las palabras que lee el motor.

    Lanza:
        ValueError: si la versión, una capa o una opción no son las que el motor conoce.
    """
    if not isinstance(description, dict) or description.get("version") != VERSION:
        raise ValueError(
            f"No es una descripción de red de la versión {VERSION}. Se crea con helpers.engine.describe."
        )
    words, last = [], []
    for layer in description["layers"]:
        words.extend(_encode_layer(layer))
        last.append(len(words) - 1)
    if not words or words[-1][0] != KINDS["Softmax"]:
        raise ValueError(
            "La red tiene que acabar en una softmax, que es lo que la entropía cruzada necesita. "
            'Usa Dense(clases, activation="softmax") como última capa.'
        )
    if len(words) > MAX_LAYERS:
        raise ValueError(f"La red tiene {len(words)} capas y el motor admite {MAX_LAYERS}.")
    packed = b"".join(struct.pack("<10i2f", *word) for word in words)
    return Program(packed, len(words), tuple(last))


def _encode_layer(layer):
    kind = layer.get("type")
    activation = layer.get("activation", "linear")
    if kind not in SUPPORTED_LAYERS:
        raise ValueError(f"El motor no tiene la capa {kind!r}. Tiene: {', '.join(SUPPORTED_LAYERS)}.")
    if activation not in _ACTIVATIONS:
        raise ValueError(
            f"El motor no tiene la activación {activation!r} de la capa «{layer.get('name')}». "
            f"Tiene: {', '.join(_ACTIVATIONS)}."
        )
    softmax = _word("Softmax")
    if kind == "Activation":
        return {"relu": [_word("ReLU")], "softmax": [softmax], "linear": []}[activation]
    if kind in ("Conv2D", "Dense"):
        window = layer.get("kernel_size", (0, 0))
        word = _word(
            kind,
            units=layer["filters" if kind == "Conv2D" else "units"],
            window=window,
            same=_same(layer) if kind == "Conv2D" else 0,
            relu=activation == "relu",
            use_bias=layer["use_bias"],
        )
        return [word, softmax] if activation == "softmax" else [word]
    if kind == "BatchNormalization":
        return [
            _word(
                kind,
                use_bias=layer["center"],
                scale=layer["scale"],
                rate=layer["momentum"],
                epsilon=layer["epsilon"],
            )
        ]
    if kind == "MaxPooling2D":
        return [_word(kind, window=layer["pool_size"], strides=layer["strides"], same=_same(layer))]
    return [_word(kind, rate=layer.get("rate", 0))]


def _same(layer):
    padding = layer["padding"]
    if padding not in ("valid", "same"):
        raise ValueError(
            f"El motor no tiene el relleno {padding!r} de la capa «{layer.get('name')}». Tiene: valid, same."
        )
    return padding == "same"


def _word(
    kind, units=0, window=(0, 0), strides=(0, 0), same=0, relu=0, use_bias=0, scale=0, rate=0, epsilon=0
):
    if kind == "Conv2D":
        strides = (1, 1)
    return (
        KINDS[kind], units, *window, *strides, int(same), int(relu), int(use_bias), int(scale), rate, epsilon
    )  # fmt: skip
