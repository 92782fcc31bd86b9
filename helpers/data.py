"""Datos del libro: cargarlos, repartirlos en tres partes y servirlos por lotes.

Las imágenes se guardan como uint8 (0 a 255) en el orden (imagen, alto, ancho, canal). El paso a float32 entre
0 y 1 ocurre lote a lote, dentro de `make_batches`: así CIFAR-10 ocupa 184 MB y no 1.5 GB.

Este módulo se importa sin TensorFlow; solo `make_batches` y la descarga de CIFAR-10 lo necesitan.
"""

import contextlib
import difflib
import hashlib
import io
import json
import os
import socket
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from helpers.formats import format_integer
from helpers.image_folder import BackgroundShift, background_shift, find_photos, read_photos, split_photos
from helpers.sample.make_sample import content_sha256

__all__ = [
    "CIFAR10_CLASS_NAMES",
    "DATASETS",
    "BackgroundShift",
    "ImageDataset",
    "as_integer_labels",
    "background_shift",
    "frame_tiles",
    "load_dataset",
    "load_image_folder",
    "make_batches",
    "one_hot",
    "subset",
    "to_float",
    "write_image_folder",
]

DATASETS = ("fashion_mnist", "cifar10")
CIFAR10_CLASS_NAMES = (
    "avión", "automóvil", "pájaro", "gato", "ciervo", "perro", "rana", "caballo", "barco", "camión",
)  # fmt: skip
SAMPLE_FOLDER = Path(__file__).parent / "sample"
_IMAGE_SHAPE = (32, 32, 3)
_CIFAR10_SHAPES = {"x_train": (50_000, *_IMAGE_SHAPE), "x_test": (10_000, *_IMAGE_SHAPE)}
_VALIDATION_IMAGES = {"fashion_mnist": 1000, "cifar10": 5000}
_SILENCE_SECONDS = 30  # sin respuesta de la red durante este tiempo, la descarga se da por fallida
_FLOAT_TOLERANCE = 1e-6  # una interpolación puede devolver 1.0000001


@dataclass(frozen=True, eq=False)
class ImageDataset:
    """Un conjunto de imágenes ya repartido en entrenamiento, validación y prueba. No se puede modificar.

    Atributos:
        x_train, x_val, x_test: uint8, (N, alto, ancho, canales), de 0 a 255.
        y_train, y_val, y_test: int64, (N,); cada etiqueta es una posición en `class_names`.
        class_names: nombres de las clases, en español.
        name: el nombre que recibe `load_dataset`.
        source: de dónde salen los datos.
        license: con qué condiciones se pueden usar.
        sha256: huella de los datos de origen, antes de repartirlos: no depende de la semilla.

    Lanza:
        ValueError: si las formas, los tipos o las etiquetas no cuadran.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_val: np.ndarray
    y_val: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    class_names: tuple[str, ...]
    name: str
    source: str
    license: str
    sha256: str

    def __post_init__(self):
        """Comprueba cada parte y la deja de solo lectura."""
        object.__setattr__(self, "class_names", tuple(self.class_names))
        for part in ("train", "val", "test"):
            x, y = np.asarray(getattr(self, f"x_{part}")), as_integer_labels(getattr(self, f"y_{part}"))
            if x.ndim != 4 or x.dtype != np.uint8:
                raise ValueError(
                    f"x_{part} debe ser uint8 con forma (imágenes, alto, ancho, canales); "
                    f"es {x.dtype} {x.shape}."
                )
            _check_same_length(x, y)
            _check_label_range(y, self.num_classes, f"y_{part}")
            for key, array in ((f"x_{part}", x), (f"y_{part}", y)):
                view = array.view()  # una vista: el array de quien llama sigue como estaba
                view.setflags(write=False)
                object.__setattr__(self, key, view)

    @property
    def num_classes(self):
        """Cuántas clases hay: tantas como nombres."""
        return len(self.class_names)

    @property
    def input_shape(self):
        """Forma de una imagen: (alto, ancho, canales)."""
        return self.x_train.shape[1:]

    def __repr__(self):
        """Una línea con los tamaños: siempre la misma para los mismos datos."""
        train, val, test = (format_integer(len(y)) for y in (self.y_train, self.y_val, self.y_test))
        height, width, channels = self.input_shape
        return (
            f"ImageDataset «{self.name}»: {train} de entrenamiento, {val} de validación, {test} de prueba; "
            f"imágenes de {height}×{width}×{channels}; {self.num_classes} clases"
        )


def load_dataset(name="fashion_mnist", path=None, *, seed=0):
    """Carga un conjunto de imágenes y lo reparte en tres partes, con todas las clases en la misma proporción.

    - `"fashion_mnist"`: la muestra que viaja con el libro: 6000, 1000 y 2000 imágenes. No necesita red. Cada
      imagen de 28×28 se rodea de 2 píxeles negros (32×32) y su único canal se repite 3 veces, para que entre
      sin cambios en la red del libro.
    - `"cifar10"`: 45 000, 5000 y 10 000 imágenes. Sale del archivo `path`; si no se da, del que indica la
      variable de entorno `CIFAR10_NPZ`; si no existe esa variable, de la caché de Keras o de su descarga
      (170 MB).

    Argumentos:
        name: `"fashion_mnist"` o `"cifar10"`.
        path: archivo `.npz` con `x_train`, `y_train`, `x_test`, `y_test`; solo para `"cifar10"`.
        seed: semilla del reparto entre entrenamiento y validación. La parte de prueba no depende de ella.

    Devuelve:
        Un `ImageDataset`.

    Lanza:
        ValueError: nombre desconocido, archivo dañado, o contenido que no es el esperado.
        FileNotFoundError: falta el archivo.
        ConnectionError: CIFAR-10 no está en la caché de Keras y no se pudo descargar.
        ModuleNotFoundError: hay que descargar CIFAR-10 y falta TensorFlow.
    """
    if name not in DATASETS:
        raise ValueError(_unknown_name_message(name))
    if name == "fashion_mnist":
        if path is not None:
            raise ValueError(
                "`path` solo sirve con «cifar10»: la muestra de Fashion-MNIST viaja con el libro. "
                "Quita ese argumento, "
                'o escribe load_dataset("cifar10", path=…).'
            )
        pool, test, facts = _read_sample()
    else:
        pool, test, facts = _read_cifar10(path)
    (x_pool, y_pool), (x_test, y_test) = pool, test
    val = _stratified_choice(y_pool, _VALIDATION_IMAGES[name], np.random.RandomState(seed))
    rest = np.ones(len(y_pool), bool)
    rest[val] = False
    train = np.random.RandomState(seed).permutation(np.flatnonzero(rest))
    return ImageDataset(
        x_train=_gather(x_pool, train),
        y_train=y_pool[train],
        x_val=_gather(x_pool, val),
        y_val=y_pool[val],
        x_test=x_test,
        y_test=y_test,
        name=name,
        **facts,
    )


def load_image_folder(
    folder,
    *,
    size=(32, 32),
    val_fraction=0.15,
    test_fraction=0.15,
    class_names=None,
    skip_damaged=False,
    reference=None,
    seed=0,
):
    """Carga tus fotos, ordenadas en una carpeta por clase, y las reparte en tres partes.

    Cada foto se endereza según su marca EXIF, pasa a tres canales (lo transparente, sobre blanco) y se reduce a `size`: primero
    se **recorta el centro** con esa proporción, así que nada se deforma y lo que queda a los lados se pierde.

    Las clases toman el nombre de su carpeta y se numeran por orden alfabético. Lo oculto (`.ipynb_checkpoints`, `.DS_Store`,
    `__MACOSX`…) y las carpetas vacías no cuentan. Las fotos repetidas van a la misma parte. De todo ello avisa con una línea que
    empieza por «Aviso:».

    Un archivo que no se puede leer es un **error**, no un aviso: suele ser señal de una copia a medias, y saltarlo cambiaría los
    datos sin que nadie lo decidiera. Antes de fallar se miran todos. Para seguir sin ellos, `skip_damaged=True`.

    Argumentos:
        folder: la carpeta; dentro, `gato/1.jpg`, `perro/1.jpg`…
        size: (alto, ancho) de las imágenes, en píxeles.
        val_fraction, test_fraction: fracción de cada clase para validar y para la prueba; con 0, esa parte queda vacía.
        class_names: las clases y su orden, si tiene que ser el de una red ya entrenada.
        skip_damaged: si es verdadero, los archivos que no se pueden leer se saltan con un aviso.
        reference: `ImageDataset` con que se entrenó la red que mirará las fotos; avisa si el fondo es otro.
        seed: semilla del reparto.

    Devuelve:
        Un `ImageDataset`; su huella es la de los nombres y los píxeles ya reducidos.

    Lanza:
        FileNotFoundError, NotADirectoryError: la carpeta, o la de una clase pedida, no existe o no lo es.
        ValueError: no hay clases o hay una sola; archivos que no se leen; una clase con menos fotos que partes; la misma foto
            en dos clases; `size` o fracciones imposibles.
    """
    if np.shape(size) != (2,) or not all(isinstance(side, int) and side >= 1 for side in size):
        raise ValueError(f"size tiene que ser (alto, ancho), dos enteros desde 1, y es {size!r}.")
    folder = Path(folder)
    names, photos, notices = find_photos(folder, class_names)
    photos, pixels, more = read_photos(photos, tuple(size), skip_damaged=skip_damaged)
    order, repeated = split_photos(photos, pixels, names, val_fraction, test_fraction, seed)
    notices += more + repeated
    if reference is not None:
        shift = background_shift(pixels, reference.x_train)
        notices += [str(shift)] if shift.is_unlike else []
    for notice in notices:
        print(f"Aviso: {notice}")
    labels = np.array([photo.label for photo in photos], np.int64)
    digest = hashlib.sha256("\n".join(photo.name for photo in photos).encode("utf-8"))
    digest.update(pixels)
    parts = {}
    for part, chosen in order.items():
        parts |= {f"x_{part}": pixels[chosen], f"y_{part}": labels[chosen]}
    return ImageDataset(
        **parts,
        class_names=names,
        name=folder.absolute().name,
        source=f"carpeta «{folder.absolute().name}»",
        license="La de sus fotos, que el libro no conoce.",
        sha256=digest.hexdigest(),
    )


def subset(dataset, n_train, n_val=None, n_test=None, seed=0):
    """Toma menos imágenes de cada parte, con las clases en la misma proporción.

    Argumentos:
        dataset: un `ImageDataset`.
        n_train, n_val, n_test: cuántas imágenes; `None` deja esa parte entera.
        seed: semilla de la elección.

    Devuelve:
        Otro `ImageDataset`; conserva nombre, origen y huella.

    Lanza:
        ValueError: si se piden menos de 1 o más de las que hay.
    """
    parts = {}
    for part, n in (("train", n_train), ("val", n_val), ("test", n_test)):
        x, y = getattr(dataset, f"x_{part}"), getattr(dataset, f"y_{part}")
        if n is not None:
            if not 1 <= n <= len(y):
                raise ValueError(
                    f"n_{part} debe estar entre 1 y {len(y)}, las imágenes que hay; se pidieron {n}."
                )
            chosen = _stratified_choice(y, n, np.random.RandomState(seed))
            x, y = x[chosen], y[chosen]
        parts |= {f"x_{part}": x, f"y_{part}": y}
    facts = {key: getattr(dataset, key) for key in ("class_names", "name", "source", "license", "sha256")}
    return ImageDataset(**parts, **facts)


def to_float(x):
    """Pasa imágenes a float32 entre 0 y 1.

    Argumentos:
        x: uint8 de 0 a 255, o flotante que ya esté entre 0 y 1; cualquier forma.

    Devuelve:
        float32 con la misma forma.

    Lanza:
        ValueError: si es flotante y se sale de 0 a 1, o si es de otro tipo.
    """
    x = np.asarray(x)
    _check_pixel_values(x)
    if x.dtype == np.uint8:
        return np.divide(x, np.float32(255), dtype=np.float32)
    return x.astype(np.float32)


def as_integer_labels(y):
    """Da las etiquetas como enteros en una sola dimensión.

    La forma (N, 1), que es la de CIFAR-10 en Keras, es traicionera: comparada con una predicción de forma
    (N,) da una tabla de N×N sin ningún error, y la exactitud sale cerca de 0.1.

    Argumentos:
        y: enteros con forma (N,) o (N, 1), o *one-hot* con forma (N, K).

    Devuelve:
        int64, (N,).

    Lanza:
        ValueError: si no son enteros, hay negativos, o las filas no son *one-hot*.
    """
    y = np.asarray(y)
    if y.dtype.kind not in "iuf":
        raise ValueError(f"Las etiquetas deben ser números enteros; son de tipo {y.dtype}.")
    if y.ndim == 2 and y.shape[1] > 1:
        return _from_one_hot(y)
    if y.ndim not in (1, 2):
        raise ValueError(f"Las etiquetas deben tener forma (N,), (N, 1) o (N, clases); tienen {y.shape}.")
    y = y.reshape(-1)
    labels = y.astype(np.int64) if np.isfinite(y).all() else None
    if labels is None or (labels != y).any():
        raise ValueError(
            "Las etiquetas deben ser números enteros; hay valores con decimales o que no son números."
        )
    if (labels < 0).any():
        raise ValueError(f"Las etiquetas empiezan en 0; hay una que vale {labels.min()}.")
    return labels


def one_hot(y, num_classes):
    """Codifica cada etiqueta como una fila de ceros con un 1 en la posición de su clase.

    Argumentos:
        y: enteros con forma (N,) o (N, 1), o filas que ya son *one-hot*.
        num_classes: cuántas clases hay (K).

    Devuelve:
        float32, (N, K).

    Lanza:
        ValueError: si alguna etiqueta no cabe en `num_classes`, o si `y` ya es *one-hot* con otro número de
            clases.
    """
    shape = np.shape(y)
    if len(shape) == 2 and shape[1] > 1 and shape[1] != num_classes:
        raise ValueError(f"Las etiquetas ya son one-hot con {shape[1]} clases, y se piden {num_classes}.")
    labels = as_integer_labels(y)
    _check_label_range(labels, num_classes, "y")
    encoded = np.zeros((len(labels), num_classes), np.float32)
    encoded[np.arange(len(labels)), labels] = 1
    return encoded


def make_batches(x, y=None, *, batch_size=32, shuffle=False, seed=0, augment=None, num_classes=None):
    """Sirve las imágenes por lotes, como float32 entre 0 y 1, para `fit`, `evaluate` o `predict`.

    Baraja posiciones, no imágenes, y convierte cada lote al servirlo: la memoria que ocupa es la de `x`.

    Argumentos:
        x: (N, alto, ancho, canales), uint8 o flotante entre 0 y 1.
        y: etiquetas, o `None` para servir solo imágenes.
        batch_size: imágenes por lote; el último puede traer menos.
        shuffle: si es `True`, cada época llega en un orden nuevo.
        seed: semilla del orden. La misma semilla da los mismos órdenes, valga lo que valga la semilla global.
        augment: función o capa de Keras que recibe un lote float32 (B, alto, ancho, canales) y devuelve otro
            igual de grande. A una capa se la llama con `training=True`.
        num_classes: si se da, las etiquetas salen *one-hot* (B, num_classes) float32; si no, tal como llegan.

    Devuelve:
        Un `tf.data.Dataset` de imágenes, o de parejas (imágenes, etiquetas).

    Lanza:
        ValueError: formas, tipos o valores inadecuados; `x` e `y` de distinta longitud; un aumento que cambia
            la forma.
        ModuleNotFoundError: si falta TensorFlow.
    """
    x = np.asarray(x)
    if x.ndim != 4 or not len(x):
        raise ValueError(
            f"x debe tener forma (imágenes, alto, ancho, canales) y al menos una imagen; tiene {x.shape}. "
            "A una imagen suelta añádele el eje de las imágenes: x[None]."
        )
    _check_pixel_values(x)
    if batch_size < 1:
        raise ValueError(f"batch_size debe ser 1 o más; se pidió {batch_size}.")
    if y is not None:
        y = np.asarray(y) if num_classes is None else one_hot(y, num_classes)
        _check_same_length(x, y)

    from helpers._keras import keras  # aquí dentro: el resto del módulo funciona sin TensorFlow

    import tensorflow as tf  # isort: skip

    with tf.device("/CPU:0"):  # aunque haya GPU, los lotes se preparan en el procesador
        labels = None if y is None else tf.convert_to_tensor(y)
        order = _shuffled_order(tf, len(x), seed) if shuffle else tf.data.Dataset.range(len(x))

    def gather(chosen):
        # numpy_function lee los píxeles de `x` sin duplicarlo; `from_tensor_slices` guardaría otra copia.
        pixels = tf.numpy_function(lambda positions: x[positions], [chosen], x.dtype, stateful=False)
        pixels = tf.cast(tf.ensure_shape(pixels, [None, *x.shape[1:]]), tf.float32)
        pixels = pixels / 255.0 if x.dtype == np.uint8 else pixels
        return pixels if labels is None else (pixels, tf.gather(labels, chosen))

    batches = order.batch(batch_size).map(gather)
    if augment is not None:
        batches = _augmented(tf, keras, batches, augment, x.shape[1:])
    return batches.prefetch(tf.data.AUTOTUNE)


def write_image_folder(x, y, class_names, folder):
    """Escribe las imágenes como PNG en una carpeta por clase: `carpeta/clase/00012.png`.

    El número es la posición de la imagen en `x`. Quien lea la carpeta con `flow_from_directory` debe pasarle
    `classes=list(class_names)`: por su cuenta numera las clases en orden alfabético.

    Argumentos:
        x: uint8, (N, alto, ancho, 3), o (N, alto, ancho, 1) para grises.
        y: etiquetas, (N,), (N, 1) o *one-hot*.
        class_names: un nombre por clase; también se crea la carpeta de una clase sin imágenes.
        folder: carpeta nueva o vacía.

    Devuelve:
        La carpeta, como `Path`.

    Lanza:
        ValueError: tipo o forma inadecuados, o etiquetas fuera de rango.
        FileExistsError: si la carpeta ya tiene algo dentro.
    """
    x, y, folder = np.asarray(x), as_integer_labels(y), Path(folder)
    if x.dtype != np.uint8 or x.ndim != 4 or x.shape[-1] not in (1, 3):
        raise ValueError(f"x debe ser uint8 con forma (N, alto, ancho, 1 o 3); es {x.dtype} {x.shape}.")
    _check_same_length(x, y)
    _check_label_range(y, len(class_names), "y")
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(
            f"La carpeta «{folder}» no está vacía, y mezclar imágenes viejas y nuevas falsearía el conjunto. "
            "Usa otra carpeta o vacía esa."
        )
    for class_name in class_names:
        (folder / class_name).mkdir(parents=True, exist_ok=True)
    for position, (pixels, label) in enumerate(zip(x, y, strict=True)):
        pixels = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
        Image.fromarray(pixels).save(folder / class_names[label] / f"{position:05d}.png")
    return folder


# --- La muestra de Fashion-MNIST ----------------------------------------------------------------------------


def _read_sample():
    """Lee el mosaico y su ficha, y comprueba la huella antes de entregar nada."""
    card_path, png_path = SAMPLE_FOLDER / "fashion_mnist.json", SAMPLE_FOLDER / "fashion_mnist.png"
    remedy = (
        "Recupéralo con «git checkout -- helpers/sample» o descarga el libro de nuevo; también se puede "
        "rehacer con «python -m helpers.sample.make_sample CARPETA_IDX»."
    )
    for path in (card_path, png_path):
        if not path.is_file():
            raise FileNotFoundError(f"Falta «{path}», de la muestra de Fashion-MNIST. {remedy}")
    try:
        card = json.loads(card_path.read_text(encoding="utf-8"))
        labels = {part: np.array(list(card[part]["labels"]), np.int64) for part in ("train", "test")}
        tile, columns, expected = card["tile"], card["columns"], card["sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"«{card_path}» está dañado: no se puede leer ({error}). {remedy}") from error
    try:
        with Image.open(png_path) as image:
            sprite = np.asarray(image)
    except (OSError, SyntaxError, ValueError, zlib.error) as error:
        raise ValueError(
            f"«{png_path}» está dañado: no se puede leer como PNG ({error}). {remedy}"
        ) from error
    both = np.concatenate([labels["train"], labels["test"]])
    rows = len(both) // columns
    size = (rows * tile, columns * tile)
    if sprite.shape != size:
        raise ValueError(f"«{png_path}» está dañado: mide {sprite.shape} y no {size}. {remedy}")
    tiles = sprite.reshape(rows, tile, columns, tile).swapaxes(1, 2).reshape(-1, tile, tile)
    if content_sha256(tiles, both) != expected:
        raise ValueError(
            f"«{png_path}» o «{card_path.name}» está dañado: los datos no tienen la huella esperada. {remedy}"
        )
    n_train = len(labels["train"])
    # En el mosaico las imágenes van clase por clase: sin barajar, x_test[:9] serían nueve camisetas.
    shuffled = np.random.RandomState(0).permutation(len(labels["test"]))
    facts = {key: card[key] for key in ("class_names", "source", "license", "sha256")}
    pool = frame_tiles(tiles[:n_train]), labels["train"]
    test = frame_tiles(tiles[n_train:][shuffled]), labels["test"][shuffled]
    return pool, test, facts


def frame_tiles(tiles):
    """De (N, 28, 28) a (N, 32, 32, 3), uint8: borde de ceros, el fondo de estas imágenes, y tres canales iguales."""
    framed = np.zeros((len(tiles), *_IMAGE_SHAPE), np.uint8)
    border = (_IMAGE_SHAPE[0] - tiles.shape[1]) // 2
    framed[:, border:-border, border:-border, :] = tiles[..., None]
    return framed


# --- CIFAR-10 -----------------------------------------------------------------------------------------------


def _read_cifar10(path):
    """Lee CIFAR-10 de `path`, si no de `CIFAR10_NPZ`, si no de Keras. Un fallo no pasa al siguiente."""
    asked_by = "el argumento `path`"
    if path is None and os.environ.get("CIFAR10_NPZ"):
        path, asked_by = os.environ["CIFAR10_NPZ"], "la variable de entorno CIFAR10_NPZ"
    if path is None:
        arrays, origin = _download_cifar10(), "descarga de Keras"
        where = "La copia que guarda Keras"
    else:
        path = Path(path)
        arrays, origin = _read_npz(path, asked_by), f"archivo {path.name}"
        where = f"«{path}»"
    digest = hashlib.sha256()
    for part in ("train", "test"):
        x, y = arrays[f"x_{part}"], arrays[f"y_{part}"]
        _check_cifar10_images(x, f"x_{part}", where)
        if y.dtype.kind not in "iu" or y.shape not in ((len(x),), (len(x), 1)):
            raise ValueError(
                f"{where}: y_{part} debe tener un entero por imagen, con forma ({len(x)},) o ({len(x)}, 1); "
                f"es {y.dtype} {y.shape}. Usa el CIFAR-10 original."
            )
        labels = y.reshape(-1).astype(np.int64)
        _check_label_range(labels, len(CIFAR10_CLASS_NAMES), f"{where}: y_{part}")
        arrays[f"y_{part}"] = labels
        for start in range(0, len(x), 1000):  # por trozos: la copia de Keras no está seguida en memoria
            digest.update(np.ascontiguousarray(x[start : start + 1000]))
        digest.update(labels.astype(np.uint8))
    facts = {
        "class_names": CIFAR10_CLASS_NAMES,
        "source": f"CIFAR-10 (Krizhevsky, 2009), https://www.cs.toronto.edu/~kriz/cifar.html ({origin})",
        "license": "Sin licencia publicada; se pide citar Krizhevsky (2009). El libro no la distribuye.",
        "sha256": digest.hexdigest(),
    }
    x_test = arrays["x_test"]
    if not x_test.flags.c_contiguous:
        x_test = np.ascontiguousarray(x_test)
    return (arrays["x_train"], arrays["y_train"]), (x_test, arrays["y_test"]), facts


def _read_npz(path, asked_by):
    """Lee los cuatro arrays de un `.npz`; cada fallo dice qué archivo y qué hacer."""
    if not path.is_file():
        raise FileNotFoundError(
            f"No existe el archivo «{path}» que indica {asked_by}. Corrige la ruta, o quítala para que Keras "
            'descargue CIFAR-10; sin red puedes seguir con load_dataset("fashion_mnist").'
        )
    if not zipfile.is_zipfile(path):
        raise ValueError(
            f"«{path}» no es un archivo .npz completo: está truncado o es de otro tipo. "
            "Cópialo o descárgalo de nuevo."
        )
    keys = ("x_train", "y_train", "x_test", "y_test")
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [key for key in keys if key not in archive.files]
            if missing:
                found = ", ".join(archive.files) or "ninguno"
                raise KeyError(
                    f"A «{path}» le falta {' y '.join(missing)}. "
                    f"Debe contener {', '.join(keys)}; contiene: {found}."
                )
            return {key: archive[key] for key in keys}
    except KeyError as error:
        raise ValueError(error.args[0]) from None
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError) as error:
        raise ValueError(
            f"«{path}» está dañado: no se pueden leer sus datos ({error}). Cópialo o descárgalo de nuevo."
        ) from error


def _check_cifar10_images(x, key, where):
    if x.dtype != np.uint8 or x.shape != _CIFAR10_SHAPES[key]:
        raise ValueError(
            f"{where}: {key} debe ser uint8 con forma {_CIFAR10_SHAPES[key]}; es {x.dtype} {x.shape}. "
            "Usa el CIFAR-10 original; para menos imágenes, cárgalo entero y pásalo por subset(…)."
        )


def _download_cifar10():
    """Pide CIFAR-10 a Keras: primero mira en su caché y, si no está, lo descarga y comprueba su huella."""
    from helpers._keras import keras

    if not _is_cifar10_cached():
        print("Descargando CIFAR-10 (170 MB). Puede tardar varios minutos; solo ocurre una vez.", flush=True)
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_SILENCE_SECONDS)  # sin esto, una red que no contesta dejaría la celda esperando
    try:
        # La barra de progreso de Keras escribe caracteres de control: no debe llegar a la salida de la celda.
        with contextlib.redirect_stdout(io.StringIO()):
            (x_train, y_train), (x_test, y_test) = keras.datasets.cifar10.load_data()
    except Exception as error:  # Keras lanza Exception a secas cuando no hay red
        raise ConnectionError(_no_cifar10_message(error)) from error
    finally:
        socket.setdefaulttimeout(before)
    return {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}


def _keras_cache():
    """Carpeta donde Keras guarda los datos (la misma regla que `keras.utils.get_file`)."""
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "datasets"


def _is_cifar10_cached():
    return any(_keras_cache().glob("cifar-10-batches-py-target*"))


def _no_cifar10_message(error):
    return (
        "CIFAR-10 no está en este equipo y no se pudo descargar.\n"
        f"Causa: {error or type(error).__name__}\n"
        "Qué puedes hacer:\n"
        "  1. Comprueba la conexión a internet y repite la celda: se descarga una sola vez (170 MB).\n"
        "  2. Si tienes los datos en un archivo .npz (x_train, y_train, x_test, y_test), indica cuál:\n"
        '     load_dataset("cifar10", path="cifar10.npz"), o la variable de entorno CIFAR10_NPZ.\n'
        "  3. Si una descarga anterior quedó a medias, borra lo que empiece por\n"
        "     «cifar-10-batches-py-target» en ~/.keras/datasets y repite.\n"
        '  4. Sigue sin red con la muestra incluida en el libro: load_dataset("fashion_mnist").'
    )


# --- Piezas comunes -----------------------------------------------------------------------------------------


def _unknown_name_message(name):
    close = difflib.get_close_matches(str(name).lower().replace("-", ""), DATASETS, n=1, cutoff=0.5)
    suggestion = f" ¿Querías decir «{close[0]}»?" if close else ""
    available = ", ".join(DATASETS)
    return f"No hay ningún conjunto de datos llamado «{name}».{suggestion} Los que hay: {available}."


def _stratified_choice(y, n, random):
    """Elige `n` posiciones con las clases en la proporción de `y`, y las devuelve barajadas.

    Cuando la proporción no da enteros, las plazas que sobran van a las clases con mayor resto (y, a igual
    resto, a la de menor etiqueta). `random` es un `RandomState`: su secuencia no cambia entre versiones de
    NumPy.
    """
    classes, counts = np.unique(y, return_counts=True)
    quotas, remainders = np.divmod(n * counts, len(y))
    quotas[np.argsort(-remainders, kind="stable")[: n - quotas.sum()]] += 1
    chosen = [
        random.permutation(np.flatnonzero(y == label))[:quota]
        for label, quota in zip(classes, quotas, strict=True)
    ]
    return random.permutation(np.concatenate(chosen))


def _gather(x, positions):
    """`x[positions]` en memoria seguida, sin copiar antes todo `x` aunque sea una vista traspuesta."""
    chosen = np.empty((len(positions), *x.shape[1:]), x.dtype)
    for start in range(0, len(positions), 1000):
        chosen[start : start + 1000] = x[positions[start : start + 1000]]
    return chosen


def _from_one_hot(y):
    ones = (y == 1).sum(axis=1)
    wrong = np.flatnonzero((ones != 1) | ((y != 0) & (y != 1)).any(axis=1))
    if len(wrong):
        raise ValueError(
            "Cada fila de unas etiquetas one-hot tiene un solo 1 y el resto ceros; "
            f"la fila {wrong[0]} no cumple."
        )
    return y.argmax(axis=1).astype(np.int64)


def _check_pixel_values(x):
    if x.dtype == np.uint8:
        return
    if x.dtype.kind != "f":
        raise ValueError(f"Las imágenes deben ser uint8 (0 a 255) o flotantes entre 0 y 1; son {x.dtype}.")
    if x.size and not (x.min() >= -_FLOAT_TOLERANCE and x.max() <= 1 + _FLOAT_TOLERANCE):
        raise ValueError(
            f"Las imágenes flotantes deben estar entre 0 y 1; estas van de {x.min():.4g} a {x.max():.4g}. "
            "Si van de 0 a 255, divídelas entre 255 o déjalas en uint8."
        )


def _check_same_length(x, y):
    if len(x) != len(y):
        raise ValueError(f"Hay {len(x)} imágenes y {len(y)} etiquetas: debe haber una etiqueta por imagen.")


def _check_label_range(labels, num_classes, what):
    if len(labels) and not 0 <= labels.min() <= labels.max() < num_classes:
        raise ValueError(
            f"{what}: con {num_classes} clases las etiquetas van de 0 a {num_classes - 1}; "
            f"estas van de {labels.min()} a {labels.max()}."
        )


def _shuffled_order(tf, n, seed):
    """Posiciones de 0 a n-1 en un orden nuevo cada vez que se recorren.

    `Dataset.shuffle` mezcla su semilla con la global, así que no cumpliría «misma semilla, mismo orden». Aquí
    el orden solo depende de `seed` y del número de época.
    """
    epoch = tf.Variable(0, dtype=tf.int64, trainable=False)

    def one_epoch(_):
        both = tf.stack([tf.constant(seed, tf.int64), epoch.assign_add(1)])
        keys = tf.random.stateless_uniform([n], seed=both, minval=None, maxval=None, dtype=tf.int64)
        return tf.data.Dataset.from_tensor_slices(tf.argsort(keys))

    return tf.data.Dataset.range(1).flat_map(one_epoch).apply(tf.data.experimental.assert_cardinality(n))


def _augmented(tf, keras, batches, augment, image_shape):
    call = (lambda pixels: augment(pixels, training=True)) if isinstance(augment, keras.Layer) else augment

    def apply(pixels, *labels):
        pixels = tf.cast(call(pixels), tf.float32)
        return (pixels, *labels) if labels else pixels

    # Sin num_parallel_calls: en paralelo, las capas sacarían sus números al azar en un orden imprevisible.
    augmented = batches.map(apply)
    spec = augmented.element_spec
    shape = (spec[0] if isinstance(spec, tuple) else spec).shape
    if not shape.is_compatible_with([None, *image_shape]):
        raise ValueError(
            f"El aumento cambia la forma de las imágenes: de {tuple(image_shape)} a {tuple(shape[1:])}. "
            "Debe devolver un lote igual de grande; para otro tamaño, cambia las imágenes antes."
        )
    return augmented
