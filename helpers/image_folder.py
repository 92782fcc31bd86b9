"""Fotos propias en carpetas: encontrarlas, leerlas y repartirlas; y mirar si su fondo es el del entrenamiento.

Aquí están las piezas de `helpers.data.load_image_folder`. Cada fallo dice qué carpeta o archivo lo causa y qué hacer.
"""

import hashlib
import os
import unicodedata
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from helpers.formats import THIN_SPACE, format_integer

__all__ = [
    "BackgroundShift",
    "Photo",
    "background_shift",
    "border_colours",
    "find_photos",
    "join_some",
    "read_photo",
    "read_photos",
    "split_photos",
]

LAYOUT = "carpeta/gato/1.jpg, carpeta/gato/2.jpg, carpeta/perro/1.jpg…"
_SYSTEM_NAMES = {"__macosx", "__pycache__", "thumbs.db", "desktop.ini", "lost+found"}
_IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".heic", ".heif"}
_LISTED = 3  # cuántos nombres se escriben antes de decir solo cuántos hay
_DRAFT = 4  # un JPEG grande se abre ya reducido, pero a no menos de 4 veces el tamaño final


@dataclass(frozen=True)
class Photo:
    """Un archivo y la clase de su carpeta.

    Atributos:
        path: dónde está.
        label: posición de su clase.
        name: `clase/archivo`, como se escribe en los mensajes.
    """

    path: Path
    label: int
    name: str


# --- Encontrar ------------------------------------------------------------------------------------------------


def find_photos(
    folder: str | os.PathLike, class_names: Sequence[str] | None = None
) -> tuple[tuple[str, ...], list[Photo], list[str]]:
    """Busca los archivos de cada clase, sin abrirlos.

    Argumentos:
        folder: carpeta con una carpeta por clase.
        class_names: las clases y su orden; sin él, todas las carpetas que no estén vacías, por orden alfabético.

    Devuelve:
        Los nombres de las clases, los archivos (por clase y, dentro, por nombre) y los avisos.

    Lanza:
        FileNotFoundError: la carpeta, o la de una clase pedida, no existe.
        NotADirectoryError: es un archivo.
        ValueError: no hay clases, hay una sola, o están en otro nivel.
    """
    folder = Path(folder)
    if not folder.exists():
        raise FileNotFoundError(
            f"No existe la carpeta «{folder}». Se buscó en «{folder.absolute()}»: corrige la ruta o mueve ahí las fotos."
        )
    if not folder.is_dir():
        raise NotADirectoryError(
            f"«{folder}» es un archivo, no una carpeta. Si es un zip, descomprímelo y da la carpeta que sale."
        )
    visible, ignored = _visible(folder)
    found = {_normal(entry.name): entry for entry in visible if entry.is_dir()}
    loose = [entry.name for entry in visible if not entry.is_dir()]
    contents = {}
    for name, path in found.items():
        inside, hidden = _visible(path)
        ignored += [f"{name}/{one}" for one in hidden]
        contents[name] = [entry for entry in inside if not entry.is_dir()]
        deeper = [entry.name for entry in inside if entry.is_dir()]
        if deeper and not contents[name]:
            raise ValueError(
                f"En «{folder}», la carpeta «{name}» no tiene fotos sino otras carpetas ({join_some(deeper)}): las clases "
                f"están un nivel más abajo. Da la carpeta que las contiene: «{path}»."
            )
        if deeper:
            ignored += [f"{name}/{one}" for one in deeper]
    notices = []
    empty = [name for name in found if not contents[name]]
    if class_names is None:
        names = tuple(sorted(name for name in found if contents[name]))
        if empty:
            notices.append(
                f"Sin fotos, y por eso no cuentan como clase: {join_some(empty)}. Añade fotos o borra la carpeta."
            )
    else:
        names = tuple(_normal(name) for name in class_names)
        _check_requested(folder, names, contents)
        if extra := [name for name in found if name not in names and contents[name]]:
            notices.append(f"Carpetas que no están en class_names, y no se leen: {join_some(extra)}.")
    _check_enough_classes(folder, names, loose)
    if loose:
        notices.append(
            f"Archivos sueltos en «{folder.name}», que no son de ninguna clase y no se leen: {join_some(loose)}."
        )
    if ignored:
        notices.append(f"Ocultos, del sistema o en carpetas de dentro, y no se leen: {join_some(ignored)}.")
    photos = [
        Photo(path, label, f"{name}/{path.name}")
        for label, name in enumerate(names)
        for path in sorted(contents[name], key=lambda path: _normal(path.name))
    ]
    return names, photos, notices


def _visible(folder):
    """Lo que hay en una carpeta, por orden, y los nombres de lo que se deja fuera por oculto o del sistema."""
    visible, ignored = [], []
    for entry in sorted(folder.iterdir(), key=lambda entry: _normal(entry.name)):
        is_system = entry.name.startswith(".") or entry.name.casefold() in _SYSTEM_NAMES
        (ignored if is_system else visible).append(entry)
    return visible, [entry.name for entry in ignored]


def _normal(name):
    """El nombre con cada letra acentuada en un solo carácter: macOS las parte en dos, y un nombre no sería igual a sí mismo."""
    return unicodedata.normalize("NFC", name)


def _check_requested(folder, names, contents):
    if len(set(names)) != len(names):
        raise ValueError(f"class_names repite alguna clase: {', '.join(names)}.")
    missing = [name for name in names if not contents.get(name)]
    if missing:
        raise FileNotFoundError(
            f"En «{folder}» faltan fotos de {join_some(missing)}. Hay carpetas con fotos de: "
            f"{', '.join(sorted(name for name in contents if contents[name])) or 'ninguna'}."
        )


def _check_enough_classes(folder, names, loose):
    if len(names) >= 2:
        return
    if len(names) == 1:
        raise ValueError(
            f"En «{folder}» solo hay una clase, «{names[0]}»: con una sola, la red acierta siempre sin mirar. Añade la "
            f"carpeta de otra clase, aunque sea «otros». Se espera: {LAYOUT}"
        )
    pictures = [name for name in loose if Path(name).suffix.casefold() in _IMAGE_SUFFIXES]
    cause = (
        f"las fotos están sueltas ({join_some(pictures)})"
        if pictures
        else "no hay ninguna carpeta con fotos dentro"
    )
    raise ValueError(
        f"En «{folder}» no hay clases: {cause}. Pon las fotos de cada clase en una carpeta con su nombre: {LAYOUT}"
    )


def join_some(names: Iterable[str], limit: int = _LISTED) -> str:
    """Los primeros nombres y cuántos hay: «a, b, c y 5 más»."""
    names = list(names)
    shown = ", ".join(names[:limit])
    rest = len(names) - limit
    return f"{shown} y {format_integer(rest)} más" if rest > 0 else shown


# --- Leer -----------------------------------------------------------------------------------------------------


def read_photo(path: str | os.PathLike, size: tuple[int, int] = (32, 32)) -> np.ndarray:
    """Lee una foto y la deja del tamaño pedido.

    Endereza la foto según su marca EXIF, pone lo transparente sobre blanco, recorta el centro con la proporción de `size` y
    reduce: cada píxel es la media, por área, de los que caen en él. Lo que queda fuera del recorte se pierde.

    Argumentos:
        path: archivo de cualquier formato que abra Pillow; de una animación, el primer cuadro.
        size: (alto, ancho), en píxeles.

    Devuelve:
        uint8, (alto, ancho, 3).

    Lanza:
        ValueError: si no se puede leer; el mensaje es el motivo, en una frase corta.
    """
    height, width = size
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            warnings.simplefilter("ignore", UserWarning)  # metadatos raros: los píxeles se leen igual
            with Image.open(path) as image:
                image.draft("RGB", (_DRAFT * max(size), _DRAFT * max(size)))  # solo los JPEG hacen caso
                image.load()
                upright = ImageOps.exif_transpose(image)
                fitted = ImageOps.fit(_to_rgb(upright), (width, height), Image.Resampling.BOX)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        limit = format_integer(Image.MAX_IMAGE_PIXELS // 1_000_000)
        raise ValueError(
            f"pasa de {limit} millones de píxeles y podría agotar la memoria: redúcela antes"
        ) from None
    except UnidentifiedImageError:
        raise ValueError(_why_unknown(Path(path))) from None
    except MemoryError:
        raise ValueError("no cabe en la memoria: redúcela antes") from None
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError) as error:
        # Pillow lanza de todo con un archivo dañado; el motivo, en inglés, va entre paréntesis para quien lo busque.
        raise ValueError(f"está dañada o cortada ({error})") from error
    return np.asarray(fitted)


def _to_rgb(image):
    if image.mode.startswith("I"):  # grises de 16 bits: sin esto, Pillow los satura en 255
        values = np.asarray(image, np.float64)
        return Image.fromarray((values / 257).round().clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise ValueError("sus píxeles son decimales sin escala conocida")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image.convert("RGB")


def _why_unknown(path):
    if path.stat().st_size == 0:
        return "está vacía"
    if path.suffix.casefold() in (".heic", ".heif"):
        return "es HEIC, que Pillow no abre: guárdala como JPEG"
    return "no es una imagen"


def read_photos(
    photos: Sequence[Photo], size: tuple[int, int], *, skip_damaged: bool = False
) -> tuple[list[Photo], np.ndarray, list[str]]:
    """Lee todas las fotos.

    Argumentos:
        photos: las de `find_photos`.
        size: (alto, ancho).
        skip_damaged: si es verdadero, las que no se pueden leer se saltan con un aviso; si no, son un error.

    Devuelve:
        Las que se leyeron, sus píxeles, uint8 (N, alto, ancho, 3), y los avisos.

    Lanza:
        ValueError: si alguna no se puede leer. Se miran todas antes, y el mensaje dice cuántas son y nombra las primeras.
    """
    good, pixels, bad = [], np.empty((len(photos), *size, 3), np.uint8), []
    for photo in photos:
        try:
            pixels[len(good)] = read_photo(photo.path, size)
            good.append(photo)
        except ValueError as error:
            bad.append(f"«{photo.name}» {error}")
    if not bad:
        return good, pixels, []
    one = len(bad) == 1
    what = "se puede leer 1 archivo" if one else f"se pueden leer {format_integer(len(bad))} archivos"
    it = "lo" if one else "los"
    listed = "; ".join(bad[:_LISTED]) + ("…" if len(bad) > _LISTED else "")
    if not skip_damaged:
        raise ValueError(
            f"No {what} de {format_integer(len(photos))}: {listed}. Arrégla{it}, bórra{it}, o repite con "
            f"skip_damaged=True para seguir sin {'él' if one else 'ellos'}."
        )
    return good, pixels[: len(good)], [f"No {what}, y se sigue sin {'él' if one else 'ellos'}: {listed}."]


# --- Repartir --------------------------------------------------------------------------------------------------


def split_photos(
    photos: Sequence[Photo],
    pixels: np.ndarray,
    class_names: Sequence[str],
    val_fraction: float,
    test_fraction: float,
    seed: int,
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Reparte cada clase en tres partes. Las fotos con los mismos píxeles van siempre a la misma.

    Argumentos:
        photos, pixels: los de `read_photos`.
        class_names: nombres de las clases.
        val_fraction, test_fraction: fracción de cada clase, entre 0 y 1; al menos una foto si no es 0.
        seed: semilla del reparto.

    Devuelve:
        Las posiciones de cada parte («train», «val», «test») y los avisos.

    Lanza:
        ValueError: fracciones imposibles, una clase con menos fotos distintas que partes, o la misma foto en dos clases.
    """
    for name, fraction in (("val_fraction", val_fraction), ("test_fraction", test_fraction)):
        if not 0 <= fraction < 1:
            raise ValueError(f"{name} tiene que ser 0 o más y menor que 1, y es {fraction!r}.")
    if val_fraction + test_fraction >= 1:
        raise ValueError(
            f"val_fraction y test_fraction suman {val_fraction + test_fraction:g}: no queda nada para entrenar. Baja alguna."
        )
    groups = _same_pixels(pixels)
    _check_one_label_per_image(photos, groups)
    needed = 1 + (val_fraction > 0) + (test_fraction > 0)
    random = np.random.RandomState(seed)
    parts = {"train": [], "val": [], "test": []}
    for label, name in enumerate(class_names):
        own = [group for group in groups if photos[group[0]].label == label]
        if len(own) < needed:
            raise ValueError(
                f"La clase «{name}» tiene {len(own)} {'foto distinta' if len(own) == 1 else 'fotos distintas'} y hacen falta "
                f"{needed}, una por parte. Añade fotos, o pon a 0 val_fraction o test_fraction."
            )
        total = sum(len(group) for group in own)
        wanted = {
            "test": max(1, round(total * test_fraction)) if test_fraction else 0,
            "val": max(1, round(total * val_fraction)) if val_fraction else 0,
        }
        queue = [own[i] for i in random.permutation(len(own))]
        for part, count in wanted.items():
            # Se guarda un grupo para cada parte que aún no tiene ninguno.
            later = 2 if part == "test" and wanted["val"] else 1
            while count > 0 and len(queue) > later:
                group = queue.pop()
                parts[part] += group
                count -= len(group)
        for group in queue:
            parts["train"] += group
    repeated = [group for group in groups if len(group) > 1]
    notices = []
    if repeated:
        first = " = ".join(photos[i].name for i in repeated[0][:_LISTED])
        copies = sum(len(group) - 1 for group in repeated)
        what = "1 foto repetida" if copies == 1 else f"{format_integer(copies)} fotos repetidas"
        notices.append(
            f"Hay {what} ({first}). Van a la misma parte, para no examinar a la red de lo que ya vio."
        )
    order = {part: random.permutation(np.array(positions, np.int64)) for part, positions in parts.items()}
    return order, notices


def _same_pixels(pixels):
    """Grupos de posiciones con píxeles idénticos, por orden de aparición."""
    groups = {}
    for position, image in enumerate(pixels):
        groups.setdefault(hashlib.sha256(image.tobytes()).digest(), []).append(position)
    return list(groups.values())


def _check_one_label_per_image(photos, groups):
    for group in groups:
        labels = {photos[i].label for i in group}
        if len(labels) > 1:
            pair = [
                next(photos[i].name for i in group if photos[i].label == label) for label in sorted(labels)
            ]
            raise ValueError(
                f"La misma foto está en dos clases: {' y '.join(pair)}. Decide cuál es la suya y borra la otra."
            )


# --- El fondo --------------------------------------------------------------------------------------------------

_BORDER = 16  # el marco mide 1/16 del lado: 2 píxeles de 32
_PERCENTILES = (1, 99)
_MARGIN = 16  # niveles de gris que se perdonan a cada lado: una misma pared no da dos veces el mismo número
_UNLIKE = 0.25


@dataclass(frozen=True)
class BackgroundShift:
    """Cuánto se aparta el fondo de unas fotos del de las imágenes de entrenamiento. Lo calcula `background_shift`.

    Atributos:
        outside: fracción de las fotos cuyo borde se sale de lo visto al entrenar.
        brightness: claridad media del borde de las fotos, de 0 (negro) a 255 (blanco).
        low, high: entre qué claridades está el 98 % central de los bordes de entrenamiento.
    """

    outside: float
    brightness: float
    low: float
    high: float

    @property
    def is_unlike(self) -> bool:
        """Si el fondo es tan distinto que no conviene fiarse de las respuestas."""
        return self.outside > _UNLIKE

    def __str__(self) -> str:
        """Una o dos frases, con el remedio si hace falta."""
        seen = f"En el entrenamiento va de {self.low:.0f} a {self.high:.0f}."
        text = f"El borde de las fotos tiene claridad {self.brightness:.0f} de 255. {seen}"
        if not self.is_unlike:
            return f"{text} El {100 * self.outside:.0f}{THIN_SPACE}% se sale de ahí: fondo conocido."
        return (
            f"{text} El {100 * self.outside:.0f}{THIN_SPACE}% de las fotos se sale de ahí: fondo desconocido para la red. Repite las "
            "fotos con el fondo del entrenamiento, recórtalas, o entrena con fotos como estas."
        )


def border_colours(x: np.ndarray) -> np.ndarray:
    """Color medio del marco de cada imagen.

    Argumentos:
        x: uint8, (N, alto, ancho, canales).

    Devuelve:
        float64, (N, canales), de 0 a 255. El marco mide 1/16 del lado menor, y al menos un píxel.
    """
    x = np.asarray(x)
    if x.ndim != 4 or x.dtype != np.uint8 or not len(x):
        raise ValueError(
            f"Hace falta al menos una imagen, uint8 (N, alto, ancho, canales); llegó {x.dtype} {x.shape}."
        )
    width = max(1, min(x.shape[1:3]) // _BORDER)
    frame = np.ones(x.shape[1:3], bool)
    frame[width:-width, width:-width] = False
    return x[:, frame].mean(axis=1)


def background_shift(x: np.ndarray, reference: np.ndarray) -> BackgroundShift:
    """Compara el fondo de unas fotos con el de las imágenes con que se entrenó la red.

    Por fondo se toma el marco de la imagen, que casi nunca es el objeto. De las imágenes de entrenamiento se guarda, canal por
    canal, entre qué dos valores está el 98 % central del color de sus marcos. Una foto **se sale** si algún canal del suyo queda
    a más de 16 niveles de ese intervalo. Se avisa cuando se sale más de la cuarta parte.

    Los umbrales vienen de medir. De las 2000 imágenes de prueba de la muestra no se sale ninguna; invertidas, todas. En CIFAR-10,
    clase por clase, se sale como mucho el 0.5 %; si la referencia son solo 200 fotos de gatos y perros, de los aviones se sale
    el 10 %.

    No ve todo: si el entrenamiento tiene toda clase de fondos, casi ninguno será raro, y un fondo conocido no garantiza que el
    objeto lo sea.

    Argumentos:
        x: las fotos, uint8 (N, alto, ancho, canales).
        reference: imágenes de entrenamiento, uint8, con los mismos canales.

    Devuelve:
        Un `BackgroundShift`; su texto dice qué pasa y qué hacer.

    Lanza:
        ValueError: si no hay imágenes, no son uint8 o no tienen los mismos canales.
    """
    new, seen = border_colours(x), border_colours(reference)
    if new.shape[1] != seen.shape[1]:
        raise ValueError(
            f"Las fotos tienen {new.shape[1]} canales y las de entrenamiento {seen.shape[1]}: no se pueden comparar."
        )
    low, high = np.percentile(seen, _PERCENTILES, axis=0)
    outside = ((new < low - _MARGIN) | (new > high + _MARGIN)).any(axis=1)
    brightness = np.percentile(seen.mean(axis=1), _PERCENTILES)
    return BackgroundShift(float(outside.mean()), float(new.mean()), *map(float, brightness))
