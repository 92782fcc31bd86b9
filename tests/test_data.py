"""Los datos: la muestra, CIFAR-10, las tres partes, las etiquetas, los lotes y cada error que se promete."""

import dataclasses
import gzip
import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers import data
from helpers.data import (
    ImageDataset,
    as_integer_labels,
    load_dataset,
    make_batches,
    one_hot,
    subset,
    to_float,
    write_image_folder,
)
from helpers.sample import make_sample

PARTS = ("train", "val", "test")
OFFLINE_REMEDIES = """\
Qué puedes hacer:
  1. Comprueba la conexión a internet y repite la celda: se descarga una sola vez (170 MB).
  2. Si tienes los datos en un archivo .npz (x_train, y_train, x_test, y_test), indica cuál:
     load_dataset("cifar10", path="cifar10.npz"), o la variable de entorno CIFAR10_NPZ.
  3. Si una descarga anterior quedó a medias, borra lo que empiece por
     «cifar-10-batches-py-target» en ~/.keras/datasets y repite.
  4. Sigue sin red con la muestra incluida en el libro: load_dataset("fashion_mnist").
"""
IDX_FOLDER = Path(os.environ.get("FASHION_MNIST_IDX", "/usr/share/datasets/fashion-mnist"))


def parts_of(dataset):
    return {part: (getattr(dataset, f"x_{part}"), getattr(dataset, f"y_{part}")) for part in PARTS}


# --- La muestra ---------------------------------------------------------------------------------------------


def test_sample_has_the_promised_sizes_and_types(sample_dataset):
    for (x, y), n in zip(parts_of(sample_dataset).values(), (6000, 1000, 2000), strict=True):
        assert x.shape == (n, 32, 32, 3) and x.dtype == np.uint8
        assert y.shape == (n,) and y.dtype == np.int64
    assert sample_dataset.num_classes == 10
    assert sample_dataset.input_shape == (32, 32, 3)
    assert sample_dataset.name == "fashion_mnist"
    assert "MIT" in sample_dataset.license and "Zalando" in sample_dataset.license
    assert sample_dataset.class_names == (
        "camiseta", "pantalón", "suéter", "vestido", "abrigo",
        "sandalia", "camisa", "zapatilla", "bolso", "botín",
    )  # fmt: skip


def test_every_part_holds_every_class_alike(sample_dataset):
    for (_, y), each in zip(parts_of(sample_dataset).values(), (600, 100, 200), strict=True):
        assert np.bincount(y).tolist() == [each] * 10


def test_images_are_framed_with_zeros_and_repeated_in_three_channels(sample_dataset):
    x = sample_dataset.x_train
    assert not x[:, :2].any() and not x[:, -2:].any() and not x[:, :, :2].any() and not x[:, :, -2:].any()
    assert x[:, 2:-2, 2:-2].max() == 255
    assert (x[..., 0] == x[..., 1]).all() and (x[..., 0] == x[..., 2]).all()


def test_every_part_is_shuffled(sample_dataset):
    for _, y in parts_of(sample_dataset).values():
        assert len(np.unique(y[:50])) >= 8


def test_labels_follow_their_images(sample_dataset):
    """Separar imágenes y etiquetas no cambiaría las formas; sí la media de cada clase."""
    means = {
        part: np.array([x[y == k].mean() for k in range(10)])
        for part, (x, y) in parts_of(sample_dataset).items()
    }
    assert np.ptp(means["train"]) > 40
    for part in ("val", "test"):
        assert np.abs(means[part] - means["train"]).max() < 10


def test_the_three_parts_share_no_image(sample_dataset):
    seen = [image.tobytes() for x, _ in parts_of(sample_dataset).values() for image in x]
    assert len(set(seen)) == len(seen) == 9000


def test_seed_changes_the_split_and_nothing_else(sample_dataset):
    same, other = load_dataset(seed=0), load_dataset(seed=1)
    for part in PARTS:
        assert np.array_equal(getattr(same, f"x_{part}"), getattr(sample_dataset, f"x_{part}"))
        assert np.array_equal(getattr(same, f"y_{part}"), getattr(sample_dataset, f"y_{part}"))
    assert not np.array_equal(other.x_val, sample_dataset.x_val)
    assert np.array_equal(other.x_test, sample_dataset.x_test)
    assert np.bincount(other.y_val).tolist() == [100] * 10
    assert other.sha256 == sample_dataset.sha256


def test_split_is_the_recorded_one(sample_dataset):
    """Si otra versión de NumPy repartiera distinto, los números guardados del libro dejarían de valer."""
    digest = hashlib.sha256(np.ascontiguousarray(sample_dataset.x_val)).hexdigest()
    assert digest[:16] == "3f70eca47fc4d614"
    assert sample_dataset.y_train[:10].tolist() == [7, 3, 9, 0, 2, 2, 9, 5, 1, 0]


def test_dataset_cannot_be_changed(sample_dataset):
    with pytest.raises(dataclasses.FrozenInstanceError):
        sample_dataset.name = "otro"
    for x, y in parts_of(sample_dataset).values():
        with pytest.raises(ValueError):
            x[0] = 0
        with pytest.raises(ValueError):
            y[0] = 0


def test_repr_is_one_short_stable_line(sample_dataset):
    assert repr(sample_dataset) == (
        "ImageDataset «fashion_mnist»: 6000 de entrenamiento, 1000 de validación, 2000 de prueba; "
        "imágenes de 32×32×3; 10 clases"
    )


def test_loading_needs_no_tensorflow_and_is_quick():
    code = (
        "import sys, time; from helpers.data import load_dataset; start = time.perf_counter();"
        "load_dataset();"
        "print(time.perf_counter() - start, 'tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    seconds, heavy = result.stdout.split()
    assert heavy == "False"
    assert float(seconds) < 5  # en reposo tarda 0.1 s; el margen es para máquinas ocupadas


def test_sample_weighs_what_it_should():
    assert (data.SAMPLE_FOLDER / "fashion_mnist.png").stat().st_size < 3_700_000
    assert (data.SAMPLE_FOLDER / "fashion_mnist.json").stat().st_size < 100_000
    assert "2017 Zalando SE" in (data.SAMPLE_FOLDER / "LICENSE.txt").read_text(encoding="utf-8")


def test_png_is_the_recorded_file():
    card = json.loads((data.SAMPLE_FOLDER / "fashion_mnist.json").read_text(encoding="utf-8"))
    png = (data.SAMPLE_FOLDER / "fashion_mnist.png").read_bytes()
    assert hashlib.sha256(png).hexdigest() == card["png_sha256"]
    for part, n in (("train", 7000), ("test", 2000)):
        indices = [int(i) for i in card[part]["indices"].split()]
        assert len(set(indices)) == n == card[part]["count"] == len(card[part]["labels"])


@pytest.fixture
def sample_copy(tmp_path, monkeypatch):
    folder = tmp_path / "sample"
    folder.mkdir()
    for name in ("fashion_mnist.png", "fashion_mnist.json"):
        shutil.copy(data.SAMPLE_FOLDER / name, folder)
    monkeypatch.setattr(data, "SAMPLE_FOLDER", folder)
    return folder


@pytest.mark.parametrize("name", ["fashion_mnist.png", "fashion_mnist.json"])
def test_missing_sample_file(sample_copy, name):
    (sample_copy / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"Falta .*{name}».*Recupéralo con «git checkout"):
        load_dataset()


def test_truncated_sprite(sample_copy):
    path = sample_copy / "fashion_mnist.png"
    path.write_bytes(path.read_bytes()[:1_000_000])
    with pytest.raises(
        ValueError, match=r"fashion_mnist\.png» está dañado: no se puede leer como PNG.*make_sample"
    ):
        load_dataset()


def test_sprite_that_is_not_a_png(sample_copy):
    (sample_copy / "fashion_mnist.png").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(ValueError, match=r"fashion_mnist\.png» está dañado.*Recupéralo"):
        load_dataset()


def test_flipped_byte_in_the_sprite(sample_copy):
    path = sample_copy / "fashion_mnist.png"
    content = bytearray(path.read_bytes())
    content[2_000_000] ^= 0x10
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"fashion_mnist\.png.* está dañado.*Recupéralo"):
        load_dataset()


def test_sprite_with_one_pixel_changed(sample_copy):
    """El PNG es válido y mide lo mismo: solo la huella lo delata."""
    path = sample_copy / "fashion_mnist.png"
    with Image.open(path) as image:
        pixels = np.array(image)
    pixels[1000, 1000] ^= 1
    Image.fromarray(pixels).save(path)
    with pytest.raises(ValueError, match="los datos no tienen la huella esperada.*Recupéralo"):
        load_dataset()


def test_sprite_of_another_size(sample_copy):
    Image.fromarray(np.zeros((28, 28), np.uint8)).save(sample_copy / "fashion_mnist.png")
    with pytest.raises(ValueError, match=r"está dañado: mide \(28, 28\) y no \(2520, 2800\)"):
        load_dataset()


def test_changed_label(sample_copy):
    path = sample_copy / "fashion_mnist.json"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"labels": "0', '"labels": "1', 1), encoding="utf-8")
    with pytest.raises(ValueError, match="los datos no tienen la huella esperada"):
        load_dataset()


def test_broken_card(sample_copy):
    (sample_copy / "fashion_mnist.json").write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match=r"fashion_mnist\.json» está dañado: no se puede leer"):
        load_dataset()


# --- El programa que crea la muestra ------------------------------------------------------------------------


def write_idx(path, array):
    header = struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wb") as file:
        file.write(header + array.tobytes())


def test_read_idx_plain_and_packed(tmp_path):
    images = np.arange(2 * 28 * 28, dtype=np.uint16).astype(np.uint8).reshape(2, 28, 28)
    write_idx(tmp_path / "a", images)
    write_idx(tmp_path / "b.gz", images)
    assert np.array_equal(make_sample.read_idx(tmp_path, "a"), images)
    assert np.array_equal(make_sample.read_idx(tmp_path, "b"), images)


def test_read_idx_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match="No está «c.gz».*apt install dataset-fashion-mnist"):
        make_sample.read_idx(tmp_path, "c")
    (tmp_path / "d").write_bytes(b"hola, no soy idx")
    with pytest.raises(ValueError, match="«d» no es un archivo idx"):
        make_sample.read_idx(tmp_path, "d")
    write_idx(tmp_path / "e", np.zeros((2, 28, 28), np.uint8))
    (tmp_path / "e").write_bytes((tmp_path / "e").read_bytes()[:-5])
    with pytest.raises(ValueError, match="«e» anuncia 1568 bytes de datos y tiene 1563"):
        make_sample.read_idx(tmp_path, "e")


def test_only_the_published_files_are_accepted(tmp_path):
    for images, labels in make_sample.FILES.values():
        write_idx(tmp_path / images, np.zeros((3, 28, 28), np.uint8))
        write_idx(tmp_path / labels, np.zeros(3, np.uint8))
    with pytest.raises(ValueError, match="no es el archivo publicado de Fashion-MNIST"):
        make_sample.main([str(tmp_path), "--salida", str(tmp_path)])


def test_build_sample_is_repeatable_and_stratified():
    random = np.random.RandomState(3)
    labels = np.repeat(np.arange(10), 6).astype(np.uint8)
    source = {
        part: (random.randint(0, 256, (60, 28, 28)).astype(np.uint8), random.permutation(labels))
        for part in ("train", "test")
    }
    first, second = (make_sample.build_sample(source, {"train": 4, "test": 1}, columns=5) for _ in range(2))
    assert first == second
    card = json.loads(first[1])
    assert card["train"]["labels"] == "".join(str(k) * 4 for k in range(10))
    assert card["test"]["labels"] == "0123456789"
    for part in ("train", "test"):
        chosen = [int(i) for i in card[part]["indices"].split()]
        assert source[part][1][chosen].tolist() == [int(c) for c in card[part]["labels"]]


@pytest.mark.skipif(
    not IDX_FOLDER.is_dir(), reason="faltan los idx de Fashion-MNIST (FASHION_MNIST_IDX los indica)"
)
def test_sample_comes_from_the_published_files(tmp_path):
    """Los píxeles y las etiquetas salen iguales siempre; el PNG, con la misma versión de Pillow."""
    make_sample.main([str(IDX_FOLDER), "--salida", str(tmp_path)])
    made, kept = (
        json.loads((folder / "fashion_mnist.json").read_text(encoding="utf-8"))
        for folder in (tmp_path, data.SAMPLE_FOLDER)
    )
    made.pop("png_sha256"), kept.pop("png_sha256")
    assert made == kept


# --- Nombres y argumentos -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("cifar-10", "cifar10"),
        ("CIFAR10", "cifar10"),
        ("fashion-mnist", "fashion_mnist"),
        ("mnist", "fashion_mnist"),
    ],
)
def test_unknown_name_suggests_the_nearest(name, suggestion):
    with pytest.raises(
        ValueError, match=f"llamado «{name}». ¿Querías decir «{suggestion}»\\? Los que hay: fashion"
    ):
        load_dataset(name)


def test_unknown_name_without_suggestion():
    with pytest.raises(ValueError, match="«xyz»\\. Los que hay: fashion_mnist, cifar10"):
        load_dataset("xyz")


def test_path_is_only_for_cifar10():
    with pytest.raises(ValueError, match="`path` solo sirve con «cifar10»"):
        load_dataset(path="datos.npz")


# --- CIFAR-10 sin sus datos ---------------------------------------------------------------------------------


def tiny_arrays(**changes):
    arrays = {
        "x_train": np.zeros((20, 32, 32, 3), np.uint8), "y_train": np.zeros(20, np.uint8),
        "x_test": np.zeros((10, 32, 32, 3), np.uint8), "y_test": np.zeros(10, np.uint8),
    }  # fmt: skip
    return arrays | changes


@pytest.fixture
def short_cifar10(monkeypatch):
    """CIFAR-10 de mentira, con 600 y 10 imágenes: las mismas comprobaciones sin 184 MB."""
    monkeypatch.setattr(data, "_CIFAR10_SHAPES", {"x_train": (600, 32, 32, 3), "x_test": (10, 32, 32, 3)})
    monkeypatch.setattr(data, "_VALIDATION_IMAGES", {"cifar10": 60})
    random = np.random.RandomState(0)
    return {
        "x_train": random.randint(0, 256, (600, 32, 32, 3)).astype(np.uint8),
        "y_train": random.permutation(np.repeat(np.arange(10), 60)).astype(np.uint8),
        "x_test": random.randint(0, 256, (10, 32, 32, 3)).astype(np.uint8),
        "y_test": np.arange(10, dtype=np.uint8),
    }


def test_cifar10_from_npz_by_argument_and_by_variable(tmp_path, monkeypatch, short_cifar10):
    np.savez(tmp_path / "datos.npz", **short_cifar10)
    by_argument = load_dataset("cifar10", path=tmp_path / "datos.npz")
    monkeypatch.setenv("CIFAR10_NPZ", str(tmp_path / "datos.npz"))
    by_variable = load_dataset("cifar10")
    assert by_argument.sha256 == by_variable.sha256
    assert np.array_equal(by_argument.x_train, by_variable.x_train)
    assert np.bincount(by_argument.y_train).tolist() == [54] * 10
    assert np.bincount(by_argument.y_val).tolist() == [6] * 10
    assert "datos.npz" in by_argument.source and str(tmp_path) not in by_argument.source
    # cada imagen sigue con su etiqueta
    origin = {x.tobytes(): y for x, y in zip(short_cifar10["x_train"], short_cifar10["y_train"], strict=True)}
    for x, y in ((by_argument.x_train, by_argument.y_train), (by_argument.x_val, by_argument.y_val)):
        assert all(origin[image.tobytes()] == label for image, label in zip(x, y, strict=True))


@pytest.mark.parametrize("channels_first", [False, True])
def test_cifar10_from_keras_has_flat_labels(monkeypatch, short_cifar10, channels_first):
    """K07: Keras entrega etiquetas (n, 1), e imágenes que son una vista traspuesta."""
    from helpers._keras import keras

    def load_data():
        arrays = dict(short_cifar10)
        if channels_first:
            for key in ("x_train", "x_test"):
                arrays[key] = np.ascontiguousarray(arrays[key].transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)
        return (
            (arrays["x_train"], arrays["y_train"].reshape(-1, 1)),
            (arrays["x_test"], arrays["y_test"].reshape(-1, 1)),
        )

    monkeypatch.delenv("CIFAR10_NPZ", raising=False)
    monkeypatch.setattr(data, "_is_cifar10_cached", lambda: True)
    monkeypatch.setattr(keras.datasets.cifar10, "load_data", load_data)
    dataset = load_dataset("cifar10")
    for x, y in parts_of(dataset).values():
        assert y.ndim == 1 and y.dtype == np.int64 and x.flags.c_contiguous
    assert np.array_equal(dataset.x_test, short_cifar10["x_test"])
    assert dataset.class_names[3] == "gato"


def test_keras_and_npz_give_the_same_split(tmp_path, monkeypatch, short_cifar10):
    np.savez(tmp_path / "datos.npz", **short_cifar10)
    monkeypatch.delenv("CIFAR10_NPZ", raising=False)
    monkeypatch.setattr(data, "_download_cifar10", lambda: dict(short_cifar10))
    a, b = load_dataset("cifar10"), load_dataset("cifar10", path=tmp_path / "datos.npz")
    assert a.sha256 == b.sha256 and np.array_equal(a.x_val, b.x_val)


def test_cifar10_file_missing(tmp_path, monkeypatch):
    path = tmp_path / "no_está.npz"
    with pytest.raises(
        FileNotFoundError, match=r"No existe el archivo «.*no_está\.npz» que indica el argumento `path`"
    ):
        load_dataset("cifar10", path=path)
    monkeypatch.setenv("CIFAR10_NPZ", str(path))
    with pytest.raises(
        FileNotFoundError, match="que indica la variable de entorno CIFAR10_NPZ.*fashion_mnist"
    ):
        load_dataset("cifar10")


def test_cifar10_truncated_npz(tmp_path):
    path = tmp_path / "corto.npz"
    np.savez(path, **tiny_arrays())
    path.write_bytes(path.read_bytes()[:50_000])
    with pytest.raises(ValueError, match=r"corto\.npz» no es un archivo \.npz completo: está truncado"):
        load_dataset("cifar10", path=path)


def test_cifar10_damaged_npz(tmp_path):
    path = tmp_path / "dañado.npz"
    np.savez_compressed(path, **tiny_arrays(x_train=np.ones((20, 32, 32, 3), np.uint8)))
    content = bytearray(path.read_bytes())
    content[70:90] = bytes(20)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"dañado\.npz» está dañado: no se pueden leer sus datos"):
        load_dataset("cifar10", path=path)


def test_cifar10_not_an_npz(tmp_path):
    path = tmp_path / "cifar10.npz"
    path.write_bytes(b"<!DOCTYPE html><title>404</title>")
    with pytest.raises(ValueError, match="está truncado o es de otro tipo. Cópialo o descárgalo de nuevo"):
        load_dataset("cifar10", path=path)
    np.save(tmp_path / "suelto.npy", np.zeros(3))
    with pytest.raises(ValueError, match=r"suelto\.npy» no es un archivo \.npz"):
        load_dataset("cifar10", path=tmp_path / "suelto.npy")


def test_cifar10_missing_key(tmp_path):
    arrays = tiny_arrays()
    del arrays["y_test"]
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(
        ValueError, match=r"A «.*a\.npz» le falta y_test\. .*contiene: x_train, y_train, x_test"
    ):
        load_dataset("cifar10", path=tmp_path / "a.npz")


def test_cifar10_pickled_objects_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", **tiny_arrays(y_test=np.array([{}], dtype=object)))
    with pytest.raises(ValueError, match="está dañado: no se pueden leer sus datos"):
        load_dataset("cifar10", path=tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"x_train": np.zeros((20, 3, 32, 32), np.uint8)},
            r"x_train debe ser uint8 .*; es uint8 \(20, 3, 32, 32\)",
        ),
        ({"x_train": np.zeros((600, 32, 32, 3), np.float32)}, "x_train debe ser uint8 .*; es float32"),
        (
            {"x_test": np.zeros((9, 32, 32, 3), np.uint8)},
            r"x_test debe ser uint8 con forma \(10, 32, 32, 3\)",
        ),
        ({"y_train": np.zeros((600, 10), np.uint8)}, r"y_train debe tener un entero por imagen.*\(600, 10\)"),
        ({"y_test": np.zeros(10, np.float32)}, "y_test debe tener un entero por imagen.*float32"),
        (
            {"y_train": np.full(600, 99, np.uint8)},
            "y_train: con 10 clases las etiquetas van de 0 a 9; .* 99 a 99",
        ),
    ],
)
def test_cifar10_wrong_contents(tmp_path, short_cifar10, changes, message):
    np.savez(tmp_path / "a.npz", **(short_cifar10 | changes))
    with pytest.raises(ValueError, match=message):
        load_dataset("cifar10", path=tmp_path / "a.npz")


def test_cifar10_needs_the_real_number_of_images(tmp_path):
    np.savez(tmp_path / "a.npz", **tiny_arrays())
    with pytest.raises(
        ValueError, match=r"con forma \(50000, 32, 32, 3\); es uint8 \(20, 32, 32, 3\).*subset"
    ):
        load_dataset("cifar10", path=tmp_path / "a.npz")


def test_cifar10_without_network_nor_cache(tmp_path):
    """Lo que ve quien cambia la palabra en un aula sin internet: sin caché y sin quien resuelva nombres."""
    code = """
import socket
def no_network(*_, **__):
    raise socket.gaierror(-3, "Temporary failure in name resolution")
socket.getaddrinfo = no_network
before = socket.getdefaulttimeout()
from helpers.data import load_dataset
try:
    load_dataset("cifar10")
except ConnectionError as error:
    print(error)
assert socket.getdefaulttimeout() == before
"""
    env = {
        key: value for key, value in os.environ.items() if key != "CIFAR10_NPZ" and "proxy" not in key.lower()
    }
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        encoding="utf-8",
        check=True,
        env=env | {"KERAS_HOME": str(tmp_path), "PYTHONUTF8": "1"},
    )
    notice, *message = result.stdout.splitlines()
    assert notice == "Descargando CIFAR-10 (170 MB). Puede tardar varios minutos; solo ocurre una vez."
    assert message[0] == "CIFAR-10 no está en este equipo y no se pudo descargar."
    assert message[1].startswith("Causa: URL fetch failure") and "name resolution" in message[1]
    assert message[2:] == OFFLINE_REMEDIES.splitlines()


def test_chapter_shows_the_very_same_message(root):
    """El capítulo de datos copia este error; si el mensaje cambia, el capítulo debe cambiar con él."""
    notebook = json.loads((root / "book" / "datos.ipynb").read_text(encoding="utf-8"))
    text = "\n".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    assert OFFLINE_REMEDIES in text
    assert "ConnectionError: CIFAR-10 no está en este equipo y no se pudo descargar.\nCausa: URL fetch failure" in text


def test_tls_is_never_turned_off(root):
    source = (root / "helpers" / "data.py").read_text(encoding="utf-8")
    for word in ("_create_unverified_context", "CERT_NONE", "verify=False", "check_hostname"):
        assert word not in source


# --- CIFAR-10 de verdad -------------------------------------------------------------------------------------


@pytest.mark.cifar10
def test_cifar10_split_sizes_labels_and_memory():
    """En un proceso aparte, para medir su memoria: con TensorFlow cargado no llega a 1.2 GB."""
    if not sys.platform.startswith("linux"):
        pytest.skip("la memoria se lee de /proc, que solo tiene Linux")
    code = """
import re, numpy as np, tensorflow as tf
from helpers.data import load_dataset, make_batches
d = load_dataset("cifar10")
batches = make_batches(d.x_train, d.y_train, shuffle=True, num_classes=10)
images = sum(len(x) for x, _ in batches)
# VmHWM y no ru_maxrss, que en un proceso recién creado arrastra la memoria de quien lo lanzó.
peak = int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status", encoding="utf-8").read())[1]) / 1e6
print(images, [np.bincount(y).tolist() for y in (d.y_train, d.y_val, d.y_test)], [y.shape for y in
      (d.y_train, d.y_val, d.y_test)], peak < 1.2, sep="|")
print(d)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    facts, line = result.stdout.splitlines()
    assert facts == (f"45000|{[[4500] * 10, [500] * 10, [1000] * 10]}|[(45000,), (5000,), (10000,)]|True")
    assert line.startswith(
        "ImageDataset «cifar10»: 45\u202f000 de entrenamiento, 5000 de validación, 10\u202f000 de"
    )


# --- Menos imágenes -----------------------------------------------------------------------------------------


def test_subset_keeps_the_proportion_and_the_facts(sample_dataset):
    small = subset(sample_dataset, 100, 50, 20)
    assert [len(y) for _, y in parts_of(small).values()] == [100, 50, 20]
    assert np.bincount(small.y_train).tolist() == [10] * 10
    assert np.bincount(small.y_test).tolist() == [2] * 10
    assert (small.name, small.sha256) == (sample_dataset.name, sample_dataset.sha256)
    assert not small.x_train.flags.writeable


def test_subset_leaves_whole_what_is_not_asked_and_obeys_the_seed(sample_dataset):
    a, b, c = subset(sample_dataset, 40), subset(sample_dataset, 40), subset(sample_dataset, 40, seed=1)
    assert len(a.y_val) == 1000 and len(a.y_test) == 2000
    assert np.array_equal(a.x_train, b.x_train) and not np.array_equal(a.x_train, c.x_train)


def test_subset_when_classes_do_not_divide_evenly():
    y = np.array([0] * 6 + [1] * 3 + [2] * 1)
    x = np.zeros((10, 4, 4, 3), np.uint8)
    dataset = ImageDataset(x, y, x, y, x, y, ("a", "b", "c"), "prueba", "", "", "")
    assert np.bincount(subset(dataset, 5).y_train, minlength=3).tolist() == [3, 2, 0]
    assert np.bincount(subset(dataset, 10).y_train).tolist() == [6, 3, 1]


@pytest.mark.parametrize("n", [0, 201])
def test_subset_of_an_impossible_size(tiny_dataset, n):
    with pytest.raises(ValueError, match=f"n_train debe estar entre 1 y 200, .*; se pidieron {n}"):
        subset(tiny_dataset, n)


# --- El dataclass comprueba lo que recibe -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_train": np.zeros((4, 8, 8, 3))}, r"x_train debe ser uint8 .*; es float64 \(4, 8, 8, 3\)"),
        (
            {"x_val": np.zeros((4, 8, 8), np.uint8)},
            r"x_val debe ser uint8 con forma \(imágenes, alto, ancho, canales\)",
        ),
        ({"y_test": np.zeros(3, int)}, "Hay 4 imágenes y 3 etiquetas"),
        ({"y_val": np.full(4, 2)}, "y_val: con 2 clases las etiquetas van de 0 a 1; estas van de 2 a 2"),
    ],
)
def test_dataset_refuses_what_does_not_fit(changes, message):
    x, y = np.zeros((4, 8, 8, 3), np.uint8), np.zeros(4, int)
    fields = {"x_train": x, "y_train": y, "x_val": x, "y_val": y, "x_test": x, "y_test": y} | changes
    with pytest.raises(ValueError, match=message):
        ImageDataset(**fields, class_names=("a", "b"), name="", source="", license="", sha256="")


def test_dataset_leaves_the_callers_array_writable():
    x, y = np.zeros((4, 8, 8, 3), np.uint8), np.zeros((4, 1), int)
    dataset = ImageDataset(x, y, x, y, x, y, ["a", "b"], "", "", "", "")
    assert x.flags.writeable and y.flags.writeable
    assert dataset.y_train.shape == (4,) and dataset.class_names == ("a", "b")


# --- Píxeles y etiquetas ------------------------------------------------------------------------------------


def test_to_float():
    result = to_float(np.array([0, 51, 255], np.uint8))
    assert result.dtype == np.float32
    assert result.tolist() == pytest.approx([0, 0.2, 1])
    assert to_float(np.array([0.0, 1.0])).dtype == np.float32


@pytest.mark.parametrize("bad", [np.array([0.0, 255.0]), np.array([-0.5, 0.5]), np.array([np.nan, 0.5])])
def test_to_float_refuses_other_ranges(bad):
    with pytest.raises(ValueError, match="deben estar entre 0 y 1; estas van de"):
        to_float(bad)


def test_to_float_refuses_other_integers():
    with pytest.raises(ValueError, match=r"deben ser uint8 \(0 a 255\) o flotantes entre 0 y 1; son int64"):
        to_float(np.array([1, 2]))


@pytest.mark.parametrize(
    "y",
    [
        [2, 0, 1],
        [[2], [0], [1]],
        [[0, 0, 1], [1, 0, 0], [0, 1, 0]],
        np.eye(3, dtype="float32")[[2, 0, 1]],
        [2.0, 0.0, 1.0],
    ],
)
def test_labels_in_every_form(y):
    integers, encoded = as_integer_labels(y), one_hot(y, 3)
    assert integers.tolist() == [2, 0, 1] and integers.dtype == np.int64 and integers.shape == (3,)
    assert encoded.tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0]] and encoded.dtype == np.float32


def test_column_labels_would_broadcast():
    """La trampa que evitan las etiquetas planas: (n, 1) contra (n,) da (n, n) sin error."""
    y = np.arange(10).reshape(-1, 1)
    assert (y == np.arange(10)).mean() == pytest.approx(0.1)
    assert (as_integer_labels(y) == np.arange(10)).mean() == 1


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["gato"], "deben ser números enteros; son de tipo"),
        ([0.5, 1], "hay valores con decimales"),
        ([np.nan], "o que no son números"),
        ([-1, 0], "empiezan en 0; hay una que vale -1"),
        ([[0, 1], [1, 1]], "la fila 1 no cumple"),
        ([[0.2, 0.8]], "la fila 0 no cumple"),
        (np.zeros((2, 2, 2)), r"forma \(N,\), \(N, 1\) o \(N, clases\); tienen \(2, 2, 2\)"),
        (3, r"tienen \(\)"),
    ],
)
def test_labels_that_are_not(y, message):
    with pytest.raises(ValueError, match=message):
        as_integer_labels(y)


def test_one_hot_errors():
    with pytest.raises(ValueError, match="con 3 clases las etiquetas van de 0 a 2; estas van de 0 a 3"):
        one_hot([0, 3], 3)
    with pytest.raises(ValueError, match="ya son one-hot con 2 clases, y se piden 10"):
        one_hot([[0, 1]], 10)


# --- Lotes --------------------------------------------------------------------------------------------------


def order_of(batches):
    """El orden en que llegan las imágenes, leído de una marca en su primer píxel."""
    return np.concatenate([np.rint(x.numpy()[:, 0, 0, 0] * 255) for x in batches]).astype(int).tolist()


@pytest.fixture
def numbered():
    x = np.zeros((100, 4, 6, 3), np.uint8)
    x[:, 0, 0, 0] = np.arange(100)
    return x


def test_batches_are_float32_between_0_and_1(tiny_dataset):
    batches = make_batches(tiny_dataset.x_train, tiny_dataset.y_train, num_classes=10)
    images, labels = zip(*batches, strict=True)
    assert [len(x) for x in images] == [32] * 6 + [8]
    assert all(x.dtype == "float32" and y.dtype == "float32" and y.shape[1] == 10 for x, y in batches)
    whole = np.concatenate([x.numpy() for x in images])
    assert np.allclose(whole, to_float(tiny_dataset.x_train), atol=1e-7) and whole.max() == 1
    assert np.array_equal(np.concatenate([y.numpy() for y in labels]), one_hot(tiny_dataset.y_train, 10))
    assert batches.cardinality() == 7


def test_batches_without_labels_or_with_integers(numbered):
    assert order_of(make_batches(numbered, batch_size=7)) == list(range(100))
    for x, y in make_batches(numbered, np.arange(100), batch_size=50):
        assert y.dtype == "int64" and y.shape == (50,) and x.shape == (50, 4, 6, 3)


def test_batches_of_floats_are_not_divided_again(numbered):
    (batch,) = make_batches(to_float(numbered).astype(np.float64), batch_size=100)
    assert batch.dtype == "float32"
    assert np.allclose(batch, to_float(numbered))


def test_labels_travel_with_their_images_when_shuffled(numbered):
    for x, y in make_batches(numbered, np.arange(100), shuffle=True):
        assert np.array_equal(np.rint(x.numpy()[:, 0, 0, 0] * 255), y.numpy())


def test_shuffle_obeys_its_seed_and_changes_every_epoch(numbered):
    import tensorflow as tf

    batches = make_batches(numbered, shuffle=True, seed=5)
    first, second = order_of(batches), order_of(batches)
    assert sorted(first) == sorted(second) == list(range(100))
    assert first != second and first != list(range(100))
    tf.random.set_seed(123)  # la semilla global no debe cambiar el orden
    again = make_batches(numbered, shuffle=True, seed=5)
    assert [order_of(again), order_of(again)] == [first, second]
    assert order_of(make_batches(numbered, shuffle=True, seed=6)) != first
    assert make_batches(numbered, shuffle=True).cardinality() == 4


def test_without_shuffle_every_epoch_is_the_same(numbered):
    batches = make_batches(numbered)
    assert order_of(batches) == order_of(batches) == list(range(100))


def test_whole_array_is_never_converted(sample_dataset):
    """120 MB por copia en float32: el pico de NumPy y el de TensorFlow deben quedarse muy por debajo."""
    resource = pytest.importorskip("resource", reason="Windows no mide así la memoria")
    x = np.concatenate([sample_dataset.x_train] * 8)  # 147 MB en uint8; 590 MB en float32
    for _ in make_batches(x[:64], shuffle=True):
        pass
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in make_batches(x, shuffle=True):
        pass
    growth = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e3
    assert growth < 120, f"recorrer los lotes sumó {growth:.0f} MB: se copió el array entero"


def test_augment_function_and_layer(numbered):
    from helpers._keras import keras

    labels = np.arange(100)
    seen = []

    def brighten(batch):
        seen.append((batch.dtype, batch.shape.as_list()))
        return batch * 0.0 + 0.25

    for x, _ in make_batches(numbered, labels, augment=brighten):
        assert np.allclose(x, 0.25)
    assert seen[0] == ("float32", [None, 4, 6, 3])
    # una capa que solo actúa al entrenar: si se la llamara sin training=True, no haría nada
    (dropped,) = make_batches(np.full((8, 4, 6, 3), 255, np.uint8), augment=keras.layers.Dropout(0.5, seed=1))
    assert (np.asarray(dropped) == 0).any()


def test_augment_layers_give_the_same_twice(tiny_dataset):
    from helpers._keras import keras

    def once():
        layers = keras.Sequential(
            [keras.layers.RandomFlip("horizontal", seed=3), keras.layers.RandomRotation(0.1, seed=4)]
        )
        batches = make_batches(tiny_dataset.x_train[:64], shuffle=True, seed=1, augment=layers)
        return np.concatenate([x.numpy() for x in batches] + [x.numpy() for x in batches])

    first = once()
    assert np.array_equal(first, once())
    assert not np.array_equal(first[:64], first[64:])


def test_augment_must_keep_the_shape(numbered):
    with pytest.raises(
        ValueError, match=r"El aumento cambia la forma de las imágenes: de \(4, 6, 3\) a \(2, 6, 3\)"
    ):
        make_batches(numbered, augment=lambda batch: batch[:, :2])


@pytest.mark.parametrize(
    ("x", "arguments", "message"),
    [
        (np.zeros((4, 6, 3), np.uint8), {}, r"tiene \(4, 6, 3\).*x\[None\]"),
        (np.zeros((0, 4, 6, 3), np.uint8), {}, "al menos una imagen"),
        (np.full((2, 4, 6, 3), 255.0), {}, "entre 0 y 1; estas van de 255 a 255"),
        (np.zeros((2, 4, 6, 3), np.int32), {}, "deben ser uint8 .*; son int32"),
        (np.zeros((2, 4, 6, 3), np.uint8), {"y": [1]}, "Hay 2 imágenes y 1 etiquetas"),
        (np.zeros((2, 4, 6, 3), np.uint8), {"y": [1, 9], "num_classes": 3}, "con 3 clases"),
        (np.zeros((2, 4, 6, 3), np.uint8), {"batch_size": 0}, "batch_size debe ser 1 o más; se pidió 0"),
    ],
)
def test_batches_errors(x, arguments, message):
    with pytest.raises(ValueError, match=message):
        make_batches(x, **arguments)


# --- Carpetas de imágenes -----------------------------------------------------------------------------------


def test_image_folder_round_trip(tmp_path, tiny_dataset):
    x, y, names = tiny_dataset.x_val, tiny_dataset.y_val, tiny_dataset.class_names
    folder = write_image_folder(x, y, names, tmp_path / "imágenes")
    assert folder == tmp_path / "imágenes"
    assert sorted(p.name for p in folder.iterdir()) == sorted(names)
    files = sorted(folder.glob("*/*.png"))
    assert len(files) == len(x)
    for file in files:
        with Image.open(file) as image:
            assert image.mode == "RGB"
            assert np.array_equal(np.asarray(image), x[int(file.stem)])
        assert file.parent.name == names[y[int(file.stem)]]
    assert len(files[0].stem) == 5


def test_image_folder_of_one_channel_and_empty_classes(tmp_path):
    folder = write_image_folder(np.zeros((1, 8, 8, 1), np.uint8), [[0]], ("gato", "perro"), tmp_path)
    with Image.open(folder / "gato" / "00000.png") as image:
        assert image.mode == "L"
    assert (folder / "perro").is_dir()


def test_image_folder_errors(tmp_path):
    x = np.zeros((2, 8, 8, 3), np.uint8)
    with pytest.raises(ValueError, match="x debe ser uint8 con forma .*; es float64"):
        write_image_folder(x / 255, [0, 1], ("a", "b"), tmp_path / "n")
    with pytest.raises(ValueError, match="Hay 2 imágenes y 1 etiquetas"):
        write_image_folder(x, [0], ("a", "b"), tmp_path / "n")
    with pytest.raises(ValueError, match="con 1 clases las etiquetas van de 0 a 0"):
        write_image_folder(x, [0, 1], ("a",), tmp_path / "n")
    write_image_folder(x, [0, 1], ("a", "b"), tmp_path / "n")
    with pytest.raises(FileExistsError, match="no está vacía.*Usa otra carpeta o vacía esa"):
        write_image_folder(x, [0, 1], ("a", "b"), tmp_path / "n")
