"""Fotos propias en carpetas: lo que se lee, lo que se ignora y cada error que se promete (trampas K03 y K04)."""

import hashlib
import re
import unicodedata

import numpy as np
import pytest
from PIL import Image

from helpers.data import background_shift, load_image_folder, write_image_folder
from helpers.image_folder import border_colours, join_some, read_photo

PARTS = ("train", "val", "test")


def noise(seed, height=32, width=32):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def photos(tmp_path):
    """Diez fotos de gato y diez de perro, todas distintas."""
    images = np.stack([noise(i) for i in range(20)])
    return write_image_folder(images, np.repeat([0, 1], 10), ("gato", "perro"), tmp_path / "fotos")


def all_images(dataset):
    return np.concatenate([getattr(dataset, f"x_{part}") for part in PARTS])


def notices(capsys):
    return capsys.readouterr().out.splitlines()


# --- Lo que se lee --------------------------------------------------------------------------------------------


def test_round_trip_keeps_every_pixel_and_its_class(tmp_path, tiny_dataset, capsys):
    x, y, names = tiny_dataset.x_train, tiny_dataset.y_train, tiny_dataset.class_names
    dataset = load_image_folder(write_image_folder(x, y, names, tmp_path / "ropa"), class_names=names)
    assert notices(capsys) == []
    labels = {image.tobytes(): label for image, label in zip(x, y, strict=True)}
    for part, each in (("train", 14), ("val", 3), ("test", 3)):
        found_x, found_y = getattr(dataset, f"x_{part}"), getattr(dataset, f"y_{part}")
        assert np.bincount(found_y).tolist() == [each] * 10
        assert [labels[image.tobytes()] for image in found_x] == found_y.tolist()
    assert len({image.tobytes() for image in all_images(dataset)}) == len(x)
    assert dataset.class_names == names and dataset.name == "ropa"
    assert all_images(dataset).dtype == np.uint8


def test_classes_are_sorted_and_an_explicit_list_rules(photos, capsys):
    assert load_image_folder(photos).class_names == ("gato", "perro")
    dataset = load_image_folder(photos, class_names=("perro", "gato"))
    with Image.open(photos / "perro" / "00019.png") as image:
        dog = np.asarray(image)
    where = (all_images(dataset) == dog).all(axis=(1, 2, 3))
    assert np.concatenate([dataset.y_train, dataset.y_val, dataset.y_test])[where].tolist() == [0]
    (photos / "zorro").mkdir()
    Image.fromarray(noise(99)).save(photos / "zorro" / "1.png")
    load_image_folder(photos, class_names=("perro", "gato"))
    assert notices(capsys) == ["Aviso: Carpetas que no están en class_names, y no se leen: zorro."]


def test_names_with_separate_accents_are_the_same_class(tmp_path):
    for first, name in enumerate(("sue\N{COMBINING ACUTE ACCENT}ter", "gato")):
        (tmp_path / name).mkdir()
        for i in range(3):
            Image.fromarray(noise(3 * first + i)).save(tmp_path / name / f"{i}.png")
    names = load_image_folder(tmp_path).class_names
    assert names == ("gato", "suéter") and unicodedata.is_normalized("NFC", names[1])


def test_the_seed_rules_the_split_and_only_that(photos):
    one, same, other = load_image_folder(photos), load_image_folder(photos), load_image_folder(photos, seed=1)
    assert (one.x_train == same.x_train).all() and not (one.x_train == other.x_train).all()
    assert one.sha256 == same.sha256 == other.sha256
    (photos / "gato" / "00000.png").rename(photos / "gato" / "otro.png")
    assert load_image_folder(photos).sha256 != one.sha256


def test_a_part_can_be_left_empty(photos):
    dataset = load_image_folder(photos, val_fraction=0, test_fraction=0)
    assert [len(getattr(dataset, f"y_{part}")) for part in PARTS] == [20, 0, 0]
    assert dataset.x_val.shape == (0, 32, 32, 3)


def save(image, tmp_path, name="una.png", **options):
    image.save(tmp_path / name, **options)
    return tmp_path / name


def test_the_centre_is_cropped_and_nothing_is_stretched(tmp_path):
    wide = np.zeros((64, 128, 3), np.uint8)
    wide[:, 32:96] = 200  # el cuadrado del centro
    assert (read_photo(save(Image.fromarray(wide), tmp_path)) == 200).all()
    assert (read_photo(save(Image.fromarray(wide.swapaxes(0, 1)), tmp_path)) == 200).all()
    whole = read_photo(save(Image.fromarray(wide), tmp_path), size=(16, 32))
    assert whole.shape == (16, 32, 3) and not whole[:, :8].any() and (whole[:, 8:24] == 200).all()


def test_each_pixel_is_the_mean_of_those_it_covers(tmp_path):
    photo = noise(0, 64, 64)
    expected = photo.reshape(32, 2, 32, 2, 3).mean(axis=(1, 3))
    # Pillow redondea dos veces, a lo ancho y a lo alto.
    assert np.abs(read_photo(save(Image.fromarray(photo), tmp_path)) - expected).max() <= 1


def test_exif_orientation_is_honoured(tmp_path):
    upright = np.zeros((32, 32, 3), np.uint8)
    upright[:8] = 255  # el cielo, arriba
    exif = Image.Exif()
    exif[0x0112] = 6  # la cámara iba girada: hay que girar 90° a la derecha para verla derecha
    stored = Image.fromarray(np.rot90(upright).copy())
    path = save(stored, tmp_path, "una.jpg", quality=95, exif=exif)
    assert read_photo(path)[:6].mean() > 240 and read_photo(path)[12:].mean() < 10


def test_big_jpegs_are_read_reduced_and_well(tmp_path):
    photo = np.zeros((2000, 3000, 3), np.uint8)
    photo[:1000] = 240
    small = read_photo(save(Image.fromarray(photo), tmp_path, "una.jpg", quality=95))
    assert small[:15].mean() > 230 and small[17:].mean() < 10


@pytest.mark.parametrize(
    ("mode", "pixel", "expected"),
    [
        ("L", 80, (80, 80, 80)),
        ("1", 255, (255, 255, 255)),
        ("RGBA", (200, 0, 0, 255), (200, 0, 0)),
        ("RGBA", (200, 0, 0, 0), (255, 255, 255)),
        ("LA", (0, 0), (255, 255, 255)),
        ("I;16", 257 * 90, (90, 90, 90)),
    ],
)
def test_every_mode_becomes_rgb_over_white(tmp_path, mode, pixel, expected):
    image = Image.new(mode, (32, 32), pixel)
    assert (read_photo(save(image, tmp_path)) == expected).all()


def test_palette_with_a_transparent_colour(tmp_path):
    image = Image.new("P", (32, 32), 1)
    image.putpalette([10, 20, 30, 0, 0, 0])
    image.paste(0, (0, 0, 32, 16))
    photo = read_photo(save(image, tmp_path, "una.gif", transparency=1))
    assert (photo[:16] == (10, 20, 30)).all() and (photo[16:] == 255).all()


# --- Lo que se ignora -----------------------------------------------------------------------------------------


def test_hidden_and_empty_folders_are_not_classes(photos, capsys):
    """K03: dos clases son dos, aunque Jupyter, macOS o Windows dejen lo suyo dentro."""
    clean = load_image_folder(photos)
    for name in (".ipynb_checkpoints", "__MACOSX"):
        (photos / name).mkdir()
        (photos / name / "1.png").write_bytes((photos / "gato" / "00000.png").read_bytes())
    for name in (".DS_Store", "gato/.DS_Store", "gato/._00000.png", "perro/Thumbs.db"):
        (photos / name).write_bytes(b"basura")
    (photos / "gato" / ".ipynb_checkpoints").mkdir()
    (photos / "vacía").mkdir()
    dataset = load_image_folder(photos)
    assert dataset.class_names == ("gato", "perro")
    assert dataset.sha256 == clean.sha256 and (dataset.x_train == clean.x_train).all()
    assert notices(capsys) == [
        "Aviso: Sin fotos, y por eso no cuentan como clase: vacía. Añade fotos o borra la carpeta.",
        "Aviso: Ocultos, del sistema o en carpetas de dentro, y no se leen: .DS_Store, .ipynb_checkpoints, __MACOSX y 4 más.",
    ]


def test_loose_files_and_subfolders_are_told(photos, capsys):
    (photos / "leeme.txt").write_text("hola", encoding="utf-8")
    (photos / "gato" / "repetidas").mkdir()
    load_image_folder(photos)
    assert notices(capsys) == [
        "Aviso: Archivos sueltos en «fotos», que no son de ninguna clase y no se leen: leeme.txt.",
        "Aviso: Ocultos, del sistema o en carpetas de dentro, y no se leen: gato/repetidas.",
    ]


# --- Lo que es un error ---------------------------------------------------------------------------------------


def test_missing_folder(tmp_path):
    path = tmp_path / "fotoss"
    with pytest.raises(
        FileNotFoundError, match=f"No existe la carpeta «{re.escape(str(path))}».*corrige la ruta"
    ):
        load_image_folder(path)


def test_a_file_is_not_a_folder(tmp_path):
    (tmp_path / "fotos.zip").write_bytes(b"PK")
    with pytest.raises(NotADirectoryError, match="fotos.zip» es un archivo, no una carpeta.*descomprímelo"):
        load_image_folder(tmp_path / "fotos.zip")


def test_folder_without_classes_says_the_layout_and_the_path(tmp_path):
    """K04: una ruta equivocada no acaba en «found 0 images»."""
    with pytest.raises(
        ValueError, match="no hay ninguna carpeta con fotos dentro.*carpeta/gato/1.jpg"
    ) as raised:
        load_image_folder(tmp_path)
    assert str(tmp_path) in str(raised.value)
    Image.fromarray(noise(0)).save(tmp_path / "1.png")
    with pytest.raises(ValueError, match=r"no hay clases: las fotos están sueltas \(1.png\)"):
        load_image_folder(tmp_path)


def test_a_single_class(photos):
    for path in (photos / "perro").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match="solo hay una clase, «gato».*Añade la carpeta de otra clase"):
        load_image_folder(photos)


def test_classes_one_level_deeper(photos):
    with pytest.raises(
        ValueError, match="«fotos» no tiene fotos sino otras carpetas .gato, perro.*Da la carpeta"
    ) as raised:
        load_image_folder(photos.parent)
    assert f"«{photos}»" in str(raised.value)


def test_damaged_files_are_all_named_before_anything_else(photos, capsys):
    """K04: un archivo dañado se nombra antes de entrenar, y no en mitad de una época."""
    whole = (photos / "gato" / "00003.png").read_bytes()
    (photos / "gato" / "00003.png").write_bytes(whole[: len(whole) // 2])
    (photos / "gato" / "notas.txt").write_text("no es una imagen", encoding="utf-8")
    (photos / "perro" / "vacía.jpg").write_bytes(b"")
    (photos / "perro" / "móvil.heic").write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.raises(ValueError) as raised:
        load_image_folder(photos)
    message = str(raised.value)
    assert message.startswith("No se pueden leer 4 archivos de 23: «gato/00003.png» está dañada o cortada (")
    assert "«gato/notas.txt» no es una imagen; " in message
    assert "es HEIC, que Pillow no abre: guárdala como JPEG" in message
    assert message.endswith("o repite con skip_damaged=True para seguir sin ellos.")
    assert notices(capsys) == []

    dataset = load_image_folder(photos, skip_damaged=True)
    assert len(all_images(dataset)) == 19
    (notice,) = notices(capsys)
    assert notice.startswith("Aviso: No se pueden leer 4 archivos, y se sigue sin ellos: «gato/00003.png»")


def test_empty_file_says_so(photos):
    (photos / "gato" / "nada.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match="No se puede leer 1 archivo de 21: «gato/nada.jpg» está vacía"):
        load_image_folder(photos)


@pytest.mark.parametrize("limit", [500, 900], ids=["Pillow-se-niega", "Pillow-avisa"])
def test_huge_images_are_an_error_and_not_a_full_memory(photos, monkeypatch, limit, recwarn):
    monkeypatch.setattr(
        Image, "MAX_IMAGE_PIXELS", limit
    )  # 32×32 = 1024: más del doble de 500, y menos de 1800
    with pytest.raises(ValueError, match="«gato/00000.png» pasa de 0 millones de píxeles.*redúcela antes"):
        load_image_folder(photos)
    assert not recwarn.list


def test_too_few_for_the_split(tmp_path):
    x = np.stack([noise(i) for i in range(5)])
    write_image_folder(x, [0, 0, 0, 1, 1], ("gato", "perro"), tmp_path / "f")
    with pytest.raises(
        ValueError, match="«perro» tiene 2 fotos distintas y hacen falta 3, una por parte. Añade fotos"
    ):
        load_image_folder(tmp_path / "f")
    dataset = load_image_folder(tmp_path / "f", val_fraction=0)
    assert np.bincount(dataset.y_test).tolist() == [1, 1]


def test_copies_count_once_and_travel_together(photos, capsys):
    for copy in range(5):
        (photos / "gato" / f"copia {copy}.png").write_bytes((photos / "gato" / "00000.png").read_bytes())
    with Image.open(photos / "gato" / "00000.png") as image:
        original = np.asarray(image)
        image.save(photos / "gato" / "guardada de nuevo.bmp")  # otro archivo, los mismos píxeles
    for seed in range(10):
        dataset = load_image_folder(photos, seed=seed)
        holding = [(getattr(dataset, f"x_{part}") == original).all(axis=(1, 2, 3)).sum() for part in PARTS]
        assert sorted(holding) == [0, 0, 7]
        assert all(set(getattr(dataset, f"y_{part}").tolist()) == {0, 1} for part in PARTS)
    assert notices(capsys)[0].startswith("Aviso: Hay 6 fotos repetidas (gato/00000.png = gato/copia 0.png = ")


def test_three_distinct_photos_are_enough_whatever_their_copies(tmp_path, capsys):
    x = np.stack([noise(i) for i in (0, 0, 0, 0, 1, 2, 3, 4, 5)])
    write_image_folder(x, [0] * 6 + [1] * 3, ("gato", "perro"), tmp_path / "f")
    for seed in range(10):
        dataset = load_image_folder(tmp_path / "f", seed=seed, val_fraction=0.4, test_fraction=0.4)
        for part in PARTS:
            assert set(getattr(dataset, f"y_{part}").tolist()) == {0, 1}, (seed, part)


def test_the_same_photo_in_two_classes(photos):
    (photos / "perro" / "intruso.png").write_bytes((photos / "gato" / "00004.png").read_bytes())
    with pytest.raises(
        ValueError, match="La misma foto está en dos clases: gato/00004.png y perro/intruso.png"
    ):
        load_image_folder(photos)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 32}, r"size tiene que ser \(alto, ancho\)"),
        ({"size": (0, 32)}, "dos enteros desde 1"),
        ({"val_fraction": 1}, "val_fraction tiene que ser 0 o más y menor que 1"),
        ({"test_fraction": -0.1}, "test_fraction tiene que ser 0 o más"),
        ({"val_fraction": 0.5, "test_fraction": 0.5}, "suman 1: no queda nada para entrenar"),
        ({"class_names": ("gato", "pez")}, "faltan fotos de pez. Hay carpetas con fotos de: gato, perro"),
        ({"class_names": ("gato", "gato")}, "repite alguna clase"),
    ],
)
def test_wrong_arguments(photos, options, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        load_image_folder(photos, **options)


def test_lists_are_cut_short():
    assert join_some("abc") == "a, b, c"
    assert join_some("abcdefgh") == "a, b, c y 5 más"


# --- El fondo ------------------------------------------------------------------------------------------------


def test_inverted_clothes_have_an_unknown_background(sample_dataset):
    shift = background_shift(255 - sample_dataset.x_test, sample_dataset.x_train)
    assert shift.is_unlike and shift.outside == 1 and shift.brightness == 255
    assert "fondo desconocido para la red. Repite las fotos con el fondo del entrenamiento" in str(shift)


def test_plain_test_images_have_a_known_one(sample_dataset):
    shift = background_shift(sample_dataset.x_test, sample_dataset.x_train)
    assert not shift.is_unlike and shift.outside == 0
    assert str(shift).endswith("fondo conocido.")


def test_a_varied_background_leaves_room_and_a_colour_outside_it_is_seen():
    rng = np.random.default_rng(0)
    seen = np.broadcast_to(rng.integers(60, 160, (500, 1, 1, 1)), (500, 32, 32, 3)).astype(np.uint8)
    assert background_shift(seen[:200], seen).outside == 0
    assert background_shift(np.full((4, 32, 32, 3), 170, np.uint8), seen).outside == 0  # dentro del margen
    blue = np.zeros((4, 32, 32, 3), np.uint8) + np.uint8(
        [110, 110, 255]
    )  # ni más claro ni más oscuro: otro color
    assert background_shift(blue, seen).outside == 1


def test_only_the_frame_counts_and_it_scales_with_the_image():
    image = np.zeros((1, 64, 64, 3), np.uint8)
    image[:, 4:-4, 4:-4] = 255
    assert not border_colours(image).any()
    image[:, 3:-3, 3:-3] = 255
    assert border_colours(image).all()


def test_reference_adds_the_notice_when_loading(tmp_path, tiny_dataset, capsys):
    x, y, names = tiny_dataset.x_train, tiny_dataset.y_train, tiny_dataset.class_names
    load_image_folder(write_image_folder(x, y, names, tmp_path / "negro"), reference=tiny_dataset)
    assert notices(capsys) == []
    load_image_folder(write_image_folder(255 - x, y, names, tmp_path / "blanco"), reference=tiny_dataset)
    (notice,) = notices(capsys)
    assert notice.startswith("Aviso: El borde de las fotos tiene claridad 255 de 255.")


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((0, 32, 32, 3), np.uint8), "al menos una imagen"),
        (np.zeros((1, 32, 32, 3)), "llegó float64"),
        (np.zeros((1, 32, 32, 1), np.uint8), "tienen 1 canales y las de entrenamiento 3"),
    ],
)
def test_background_errors(x, message, tiny_dataset):
    with pytest.raises(ValueError, match=message):
        background_shift(x, tiny_dataset.x_train)


def test_split_is_the_recorded_one(photos):
    """Si otra versión de NumPy repartiera distinto, los números guardados del capítulo dejarían de valer."""
    dataset = load_image_folder(photos)
    assert hashlib.sha256(np.ascontiguousarray(dataset.x_test)).hexdigest()[:12] == "13bfcd79d743"
