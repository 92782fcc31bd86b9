"""Pesos e imágenes para la página, y de vuelta.

La página no puede leer un `.weights.h5`, y abierta desde disco no puede pedir ningún archivo: solo cargar scripts clásicos. Así
que al construir el libro los pesos se escriben como un script que deja un objeto en `globalThis.cnnFiles[nombre]`, en float16
(la mitad de bytes; las probabilidades cambian menos de una milésima) y con su huella. Lo mismo con la muestra de imágenes.

En el otro sentido, `load` abre con Keras los pesos que se entrenaron y se guardaron en la página.

Solo `load` necesita TensorFlow; lo demás, h5py y NumPy.
"""

import base64
import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from helpers.engine.description import build_model, encode, weight_shapes

__all__ = ["WebWeights", "export_sample", "export_weights", "load", "read_keras_weights", "read_weights"]

WEIGHTS_FORMAT = "redes-convolucionales/pesos"
SAMPLE_FORMAT = "redes-convolucionales/muestra"
VERSION = 1
_SCRIPT_START = "(globalThis.cnnFiles ??= {})["
# Cómo llama Keras, dentro del .weights.h5, al grupo de cada clase de capa que tiene pesos.
_GROUPS = {"Conv2D": "conv2d", "Dense": "dense", "BatchNormalization": "batch_normalization"}
_LARGEST_FLOAT16 = 65504.0
_DTYPES = {"float16": "<f2", "float32": "<f4"}  # little-endian, como los arrays de la página


@dataclass(frozen=True, eq=False)
class WebWeights:
    """El contenido de un archivo de pesos de la página.

    Atributos:
        name: nombre de los pesos.
        description: la de `helpers.engine.describe`.
        class_names: nombres de las clases, o `None` si el archivo no los trae.
        weights: float32, en el orden de `model.get_weights()`.
    """

    name: str
    description: dict
    class_names: tuple[str, ...] | None
    weights: tuple[np.ndarray, ...]


# --- Hacia la página -----------------------------------------------------------------------------------------


def read_keras_weights(path, description, *, sha256=None):
    """Lee un `.weights.h5` con h5py, sin Keras.

    Argumentos:
        path: el archivo.
        description: la de la red que lo guardó (`helpers.engine.describe` o `describe_cnn`): dice en qué orden van las capas, que
            el archivo no guarda.
        sha256: huella que debe tener el archivo, si se conoce.

    Devuelve:
        Lista de float32, en el orden de `model.get_weights()`.

    Lanza:
        FileNotFoundError: si no existe.
        ValueError: si está dañado, si no es de Keras o si es de otra red; nombra el archivo.
    """
    import h5py  # aquí dentro: quien solo lee archivos de la página no lo necesita

    path = Path(path)
    content = _read_bytes(path)
    if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError(
            f"«{path.name}» está dañado o es otro archivo: no tiene la huella esperada. Recupéralo de nuevo."
        )
    wanted = weight_shapes(description)
    arrays = []
    try:
        with h5py.File(path, "r") as file:
            seen = dict.fromkeys(_GROUPS, 0)
            for layer in description["layers"]:
                if layer["type"] not in _GROUPS:
                    continue
                number = seen[layer["type"]]
                seen[layer["type"]] += 1
                group = _GROUPS[layer["type"]] + (f"_{number}" if number else "")
                values = file[f"layers/{group}/vars"]
                arrays += [np.asarray(values[str(i)], np.float32) for i in range(len(values))]
    except (OSError, RuntimeError) as error:
        raise ValueError(
            f"«{path.name}» está dañado o no es un archivo de pesos de Keras (.weights.h5). Recupéralo de nuevo."
        ) from error
    except KeyError as error:
        raise ValueError(f"«{path.name}» no tiene los pesos de esta red: {error.args[0]}") from error
    _check_shapes(path.name, arrays, wanted)
    return arrays


def export_weights(path, description, *, name=None, class_names=None, sha256=None):
    """Convierte un `.weights.h5` en el script clásico que carga la página.

    Argumentos:
        path, description, sha256: como en `read_keras_weights`.
        name: con qué nombre lo pide la página; por defecto, el del archivo sin extensión.
        class_names: nombres de las clases, para enseñarlos.

    Devuelve:
        El texto del script. Con la misma entrada, siempre el mismo.

    Lanza:
        FileNotFoundError, ValueError: como `read_keras_weights`; además, si un peso no cabe en float16.
    """
    path = Path(path)
    encode(description)
    arrays = read_keras_weights(path, description, sha256=sha256)
    for (weight, _), array in zip(weight_shapes(description), arrays, strict=True):
        largest = np.max(np.abs(array), initial=0)
        if not largest <= _LARGEST_FLOAT16:  # «no menor» y no «mayor»: así tampoco pasa un NaN
            raise ValueError(
                f"«{path.name}» no se puede exportar: «{weight}» tiene valores que no caben en float16."
            )
    data = b"".join(array.astype("<f2").tobytes() for array in arrays)
    name = name or path.name.removesuffix(".weights.h5")
    return _script(
        name,
        {
            "format": WEIGHTS_FORMAT,
            "version": VERSION,
            "name": name,
            "description": description,
            "class_names": list(class_names) if class_names else None,
            "dtype": "float16",
            "weights": [
                {"name": weight, "shape": list(shape)} for weight, shape in weight_shapes(description)
            ],
            **_payload(data),
        },
    )


def export_sample(dataset, *, n_train=2000, n_val=500, n_test=0, seed=0, name=None):
    """Escribe parte de un conjunto de imágenes como el script clásico que carga la página.

    Las imágenes van sin comprimir: el servidor ya las comprime, y leerlas de un PNG en un lienzo no es fiable (hay navegadores
    que alteran los píxeles a propósito). Si los canales son iguales se guarda uno, y un borde de ceros no se guarda.

    Argumentos:
        dataset: un `helpers.data.ImageDataset`.
        n_train, n_val, n_test: cuántas imágenes de cada parte, con las clases en la misma proporción; 0 la deja fuera.
        seed: semilla de la elección.
        name: con qué nombre lo pide la página; por defecto, el del conjunto.

    Devuelve:
        El texto del script.

    Lanza:
        ValueError: si se piden más imágenes de las que hay, o si el conjunto es CIFAR-10, que no se puede repartir.
    """
    from helpers.data import subset

    if dataset.name == "cifar10":
        raise ValueError(
            "Las imágenes de CIFAR-10 no se pueden repartir con el libro. Usa la muestra de Fashion-MNIST."
        )
    counts = {"train": n_train, "validation": n_val, "test": n_test}
    chosen = subset(dataset, *(max(1, count) for count in counts.values()), seed=seed)
    pairs = {"train": (chosen.x_train, chosen.y_train), "validation": (chosen.x_val, chosen.y_val),
             "test": (chosen.x_test, chosen.y_test)}  # fmt: skip
    pairs = {part: pair for part, pair in pairs.items() if counts[part]}
    images = np.concatenate([x for x, _ in pairs.values()])
    repeat = 1
    if images.shape[-1] > 1 and (images == images[..., :1]).all():
        repeat, images = images.shape[-1], images[..., :1]
    border = 0
    while min(images.shape[1:3]) > 2 and not _edge(images).any():
        border, images = border + 1, images[:, 1:-1, 1:-1]
    name = name or dataset.name
    return _script(
        name,
        {
            "format": SAMPLE_FORMAT,
            "version": VERSION,
            "name": name,
            "source": dataset.source,
            "license": dataset.license,
            "class_names": list(dataset.class_names),
            "stored_shape": list(images.shape[1:]),
            "border": border,
            "repeat": repeat,
            "parts": [{"part": part, "labels": y.tolist()} for part, (_, y) in pairs.items()],
            **_payload(images.tobytes()),
        },
    )


def _edge(images):
    return np.concatenate(
        [images[:, i].ravel() for i in (0, -1)] + [images[:, :, i].ravel() for i in (0, -1)]
    )


def _payload(data):
    return {"sha256": hashlib.sha256(data).hexdigest(), "data": base64.b64encode(data).decode("ascii")}


def _script(name, content):
    # ensure_ascii: el script vale igual aunque la página se sirva con otra codificación.
    text = json.dumps(content, ensure_ascii=True, separators=(",", ":"))
    return f"{_SCRIPT_START}{json.dumps(name)}] = {text};\n"


# --- Desde la página -----------------------------------------------------------------------------------------


def read_weights(file):
    """Lee un archivo de pesos de la página: el `.json` que guarda el laboratorio o el script de `export_weights`.

    Argumentos:
        file: ruta del archivo.

    Devuelve:
        Un `WebWeights`.

    Lanza:
        FileNotFoundError: si no existe.
        ValueError: si está dañado o no es de este libro; nombra el archivo.
    """
    path = Path(file)
    again = "Vuelve a exportarlo desde la página."
    try:
        content = _parse(_read_bytes(path))
        is_ours = (content["format"], content["version"]) == (WEIGHTS_FORMAT, VERSION)
    except (ValueError, KeyError, TypeError) as error:  # ni texto, ni JSON, ni un objeto con esas claves
        raise ValueError(
            f"«{path.name}» está dañado o no es un archivo de pesos de este libro. {again}"
        ) from error
    if not is_ours:
        raise ValueError(
            f"«{path.name}» no es un archivo de pesos de este libro, o es de otra versión. {again}"
        )
    try:
        data = base64.b64decode(content["data"], validate=True)
        if hashlib.sha256(data).hexdigest() != content["sha256"]:
            raise ValueError("su contenido no tiene la huella que anuncia")
        arrays = _split(data, _DTYPES[content["dtype"]], [weight["shape"] for weight in content["weights"]])
        description = content["description"]
        encode(description)
        wanted = weight_shapes(description)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"«{path.name}» está dañado: {error}. {again}") from error
    _check_shapes(path.name, arrays, wanted)
    names = content.get("class_names")
    return WebWeights(content["name"], description, tuple(names) if names else None, arrays)


def _parse(content):
    text = content.decode("utf-8").strip()
    if text.startswith(_SCRIPT_START):
        text = text[text.index("] = ") + 4 :].removesuffix(";")
    return json.loads(text)


def _split(data, dtype, shapes):
    flat = np.frombuffer(data, dtype).astype(np.float32)
    sizes = [math.prod(shape) for shape in shapes]
    if sum(sizes) != flat.size:
        raise ValueError(f"anuncia {sum(sizes)} pesos y trae {flat.size}")
    parts = np.split(flat, np.cumsum(sizes)[:-1])
    return tuple(part.reshape(shape) for part, shape in zip(parts, shapes, strict=True))


def load(file):
    """Abre con Keras los pesos que se entrenaron en la página: `model.predict` da lo mismo que allí.

    Argumentos:
        file: el archivo que guardó la página.

    Devuelve:
        Un `keras.Sequential` sin compilar.

    Lanza:
        FileNotFoundError, ValueError: como `read_weights`.
        ModuleNotFoundError: si falta TensorFlow.
    """
    content = read_weights(file)
    model = build_model(content.description)
    model.set_weights(content.weights)
    return model


def _read_bytes(path):
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"No existe el archivo «{path}». Comprueba el nombre y la carpeta.") from None


def _check_shapes(file_name, arrays, wanted):
    shapes = [array.shape for array in arrays]
    expected = [tuple(shape) for _, shape in wanted]
    if shapes != expected:
        raise ValueError(
            f"«{file_name}» no tiene los pesos de esta red: se esperaban {expected} y trae {shapes}."
        )
