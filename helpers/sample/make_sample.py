"""Crea la muestra de Fashion-MNIST que viaja con el libro, a partir de los archivos idx publicados.

Uso, desde la raíz del libro:

    python -m helpers.sample.make_sample CARPETA_IDX [--salida CARPETA]

`CARPETA_IDX` contiene los cuatro archivos idx de Fashion-MNIST, comprimidos o no. En Debian los instala el
paquete `dataset-fashion-mnist`; los publica https://github.com/zalandoresearch/fashion-mnist.

La muestra es un mosaico PNG en grises y un JSON con las etiquetas, el origen de cada imagen y las huellas.
Con la misma versión de Pillow sale idéntica byte a byte.
"""

import argparse
import gzip
import hashlib
import io
import json
import struct
from pathlib import Path

import numpy as np
from PIL import Image

CLASS_NAMES = (
    "camiseta", "pantalón", "suéter", "vestido", "abrigo",
    "sandalia", "camisa", "zapatilla", "bolso", "botín",
)  # fmt: skip
TILE = 28
COLUMNS = 100  # con 700 y 200 imágenes por clase, cada fila del mosaico es de una sola clase
PER_CLASS = {"train": 700, "test": 200}
SEED = 2017
FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
# Huellas del contenido sin comprimir: el .gz cambia según quién lo comprima; los datos, no.
SOURCE_SHA256 = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}


def read_idx(folder, stem):
    """Lee un archivo idx de bytes, comprimido con gzip o no.

    Argumentos:
        folder: carpeta de los archivos idx.
        stem: nombre sin `.gz`, por ejemplo `train-images-idx3-ubyte`.

    Devuelve:
        uint8, (N, 28, 28) si son imágenes o (N,) si son etiquetas.

    Lanza:
        FileNotFoundError: si el archivo no está, con o sin `.gz`.
        ValueError: si no es un idx de bytes o le faltan datos.

    Fuente:
        Formato idx, descrito por Y. LeCun en la página de MNIST: dos ceros, el tipo (8 = uint8), el número
        de dimensiones, cada dimensión en 4 bytes (el más significativo primero) y después los datos.
    """
    plain, packed = Path(folder) / stem, Path(folder) / f"{stem}.gz"
    if plain.is_file():
        content = plain.read_bytes()
    elif packed.is_file():
        content = gzip.decompress(packed.read_bytes())
    else:
        raise FileNotFoundError(
            f"No está «{packed.name}» en «{folder}». Indica la carpeta con los cuatro archivos idx de "
            "Fashion-MNIST (en Debian: apt install dataset-fashion-mnist)."
        )
    if content[:3] != b"\x00\x00\x08":
        raise ValueError(
            f"«{stem}» no es un archivo idx de bytes: empieza por {content[:4].hex()}. Descárgalo de nuevo."
        )
    rank = content[3]
    start = 4 + 4 * rank
    shape = struct.unpack(f">{rank}I", content[4:start])
    if len(content) - start != np.prod(shape):
        raise ValueError(
            f"«{stem}» anuncia {np.prod(shape)} bytes de datos y tiene {len(content) - start}. "
            "Descárgalo de nuevo."
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def read_published(folder):
    """Lee los cuatro archivos y comprueba que son los publicados.

    Devuelve:
        {"train": (imágenes, etiquetas), "test": (imágenes, etiquetas)}.

    Lanza:
        ValueError: si el contenido de alguno no tiene la huella publicada.
    """
    parts = {part: tuple(read_idx(folder, stem) for stem in stems) for part, stems in FILES.items()}
    for part, stems in FILES.items():
        for stem, array in zip(stems, parts[part], strict=True):
            header = struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
            if hashlib.sha256(header + array.tobytes()).hexdigest() != SOURCE_SHA256[stem]:
                raise ValueError(
                    f"«{stem}» no es el archivo publicado de Fashion-MNIST. Descárgalo de nuevo."
                )
    return parts


def choose_indices(labels, per_class, random):
    """Elige al azar `per_class` posiciones de cada clase; dentro de cada clase quedan en orden creciente."""
    return np.concatenate(
        [np.sort(random.permutation(np.flatnonzero(labels == k))[:per_class]) for k in np.unique(labels)]
    )


def content_sha256(tiles, labels):
    """Huella de los píxeles, en el orden del mosaico, seguidos de las etiquetas (uint8)."""
    return hashlib.sha256(
        np.ascontiguousarray(tiles, np.uint8).tobytes() + np.asarray(labels, np.uint8).tobytes()
    ).hexdigest()


def build_sample(parts, per_class=None, columns=COLUMNS, seed=SEED):
    """Elige las imágenes y compone el mosaico y su ficha.

    Argumentos:
        parts: {"train": (imágenes (N, 28, 28) uint8, etiquetas (N,)), "test": …}.
        per_class: imágenes por clase de cada parte; por defecto 700 y 200.
        columns: imágenes por fila del mosaico.
        seed: semilla de la elección.

    Devuelve:
        (bytes del PNG, texto del JSON).
    """
    per_class = per_class or PER_CLASS
    random = np.random.RandomState(seed)  # su secuencia no cambia entre versiones de NumPy
    indices = {part: choose_indices(parts[part][1], per_class[part], random) for part in FILES}
    labels = {part: parts[part][1][indices[part]] for part in FILES}
    tiles = np.concatenate([parts[part][0][indices[part]] for part in FILES])
    rows = len(tiles) // columns
    sprite = tiles.reshape(rows, columns, TILE, TILE).swapaxes(1, 2).reshape(rows * TILE, columns * TILE)
    buffer = io.BytesIO()
    Image.fromarray(sprite).save(buffer, "PNG", optimize=True)
    png = buffer.getvalue()
    card = {
        "name": "fashion_mnist",
        "source": "Fashion-MNIST (Xiao, Rasul y Vollgraf, 2017), "
        "https://github.com/zalandoresearch/fashion-mnist",
        "license": "MIT, © 2017 Zalando SE (texto completo en LICENSE.txt)",
        "made_by": "python -m helpers.sample.make_sample",
        "class_names": list(CLASS_NAMES),
        "tile": TILE,
        "columns": columns,
        "sha256": content_sha256(tiles, np.concatenate(list(labels.values()))),
        "png_sha256": hashlib.sha256(png).hexdigest(),
    }
    for part in FILES:
        card[part] = {
            "official_part": FILES[part][0],
            "count": len(indices[part]),
            "labels": "".join(str(label) for label in labels[part]),
            "indices": " ".join(str(index) for index in indices[part]),
        }
    return png, json.dumps(card, ensure_ascii=False, indent=1) + "\n"


def main(arguments=None):
    """Escribe `fashion_mnist.png` y `fashion_mnist.json`, y dice cuánto pesan."""
    parser = argparse.ArgumentParser(description="Crea la muestra de Fashion-MNIST del libro.")
    parser.add_argument("carpeta_idx", type=Path, help="carpeta con los cuatro archivos idx de Fashion-MNIST")
    parser.add_argument("--salida", type=Path, default=Path(__file__).parent, help="carpeta donde escribir")
    options = parser.parse_args(arguments)
    png, card = build_sample(read_published(options.carpeta_idx))
    (options.salida / "fashion_mnist.png").write_bytes(png)
    # newline fijo: en Windows el JSON debe salir con los mismos bytes
    (options.salida / "fashion_mnist.json").write_text(card, encoding="utf-8", newline="\n")
    weights = len(png) / 1e6, len(card.encode("utf-8")) / 1e3
    print(f"fashion_mnist.png: {weights[0]:.2f} MB · fashion_mnist.json: {weights[1]:.0f} kB")


if __name__ == "__main__":
    main()
