"""Aumento de datos: matrices, unidades, los dos caminos de Keras y la carpeta de imágenes."""

import ast
import importlib.util
import inspect
import json
import random
import re
import subprocess
import sys

import numpy as np
import pytest

from helpers import augmentation
from helpers._keras import keras
from helpers.augmentation import (
    FILL_MODES,
    AffineParameters,
    AugmentationConfig,
    affine_matrix,
    augment_batch,
    class_mode_settings,
    displacement,
    keras_layer_matrices,
    keras_layers_matrix,
    sample_parameters,
    to_augmenter,
    to_image_data_generator,
    to_keras_layers,
    transform_images,
)
from helpers.data import make_batches, to_float, write_image_folder
from helpers.models import build_cnn

# Keras llama a scipy por un nombre que desaparecerá en SciPy 2; requirements.txt pide scipy<2.
pytestmark = pytest.mark.filterwarnings("ignore:Please import `affine_transform`:DeprecationWarning")

NOTHING = AugmentationConfig(0, 0, 0, 0, 0, False)

# Cada parámetro por separado y todos juntos, con valores que no caen en píxeles enteros.
CASES = {
    "nada": AffineParameters(),
    "giro": AffineParameters(theta=17.3),
    "giro_contrario": AffineParameters(theta=-8.9),
    "columnas": AffineParameters(tx=4.3),
    "filas": AffineParameters(ty=-3.7),
    "cizallamiento": AffineParameters(shear=11.0),
    "ampliación_x": AffineParameters(zx=0.83),
    "ampliación_y": AffineParameters(zy=1.17),
    "volteo": AffineParameters(flip=True),
    "todo": AffineParameters(theta=13.0, tx=2.6, ty=-4.1, shear=-7.0, zx=1.13, zy=0.88, flip=True),
}


def _keras_transform(params):
    """Los mismos valores con los nombres de `ImageDataGenerator.apply_transform`."""
    return {
        "theta": params.theta, "tx": params.tx, "ty": params.ty, "shear": params.shear,
        "zx": params.zx, "zy": params.zy, "flip_horizontal": params.flip,
    }  # fmt: skip


def _noise(height=32, width=32, seed=0):
    return np.random.default_rng(seed).random((height, width, 3), dtype=np.float32)


def _fixed_layer(name, params, height, width, fill_mode="nearest"):
    """La capa de Keras obligada a usar estos valores, como función de un lote."""
    if name == "RandomRotation":
        turn = params.theta / 360
        return keras.layers.RandomRotation((turn, turn), fill_mode=fill_mode)
    if name == "RandomTranslation":
        rows, columns = -params.ty / height, -params.tx / width
        return keras.layers.RandomTranslation((rows, rows), (columns, columns), fill_mode=fill_mode)
    if name == "RandomZoom":
        rows, columns = params.zy - 1, params.zx - 1
        return keras.layers.RandomZoom((rows, rows), (columns, columns), fill_mode=fill_mode)
    # Estas dos sortean siempre (el signo, el volteo): se les da la transformación hecha.
    if name == "RandomShear":
        layer = keras.layers.RandomShear(x_factor=1.0, fill_mode=fill_mode)
        factor = np.array([[-np.sin(np.deg2rad(params.shear)), 0.0]], dtype=np.float32)
        transformation = {"shear_factor": factor, "input_shape": (1, height, width, 3)}
    else:
        layer = keras.layers.RandomFlip("horizontal")
        transformation = {"flips": np.full((1, 1, 1, 1), params.flip), "input_shape": (1, height, width, 3)}
    return lambda x: layer.transform_images(x, transformation, training=True)


# --- La matriz es la del generador heredado ---


@pytest.mark.parametrize("fill_mode", FILL_MODES)
@pytest.mark.parametrize("case", CASES)
def test_affine_matrix_reproduces_the_legacy_generator(case, fill_mode):
    generator = to_image_data_generator(AugmentationConfig(fill_mode=fill_mode))
    image, params = _noise(), CASES[case]
    expected = generator.apply_transform(image.copy(), _keras_transform(params))
    ours = transform_images(image, affine_matrix(params, 32, 32), fill_mode)
    np.testing.assert_allclose(ours, expected, atol=2e-6)


@pytest.mark.parametrize("shape", [(32, 48), (20, 9)])
def test_affine_matrix_reproduces_the_crossed_centre_of_the_generator(shape):
    generator = to_image_data_generator(AugmentationConfig())
    image, params = _noise(*shape), CASES["todo"]
    expected = generator.apply_transform(image.copy(), _keras_transform(params))
    np.testing.assert_allclose(transform_images(image, affine_matrix(params, *shape)), expected, atol=2e-6)


def test_off_centre_pivot_of_the_generator_is_measured():
    """En 32×48, el generador no deja quieto el centro de la imagen; las capas, sí."""
    params = AffineParameters(theta=20)
    centre = np.array([23.5, 15.5, 1.0])
    legacy = affine_matrix(params, 32, 48) @ centre - centre
    assert np.hypot(*legacy[:2]) == pytest.approx(3.93, abs=0.01)
    np.testing.assert_allclose(keras_layers_matrix(params, 32, 48) @ centre, centre, atol=1e-9)


def test_identity_parameters_change_nothing():
    np.testing.assert_allclose(affine_matrix(AffineParameters(), 32, 32), np.eye(3), atol=1e-12)
    np.testing.assert_allclose(keras_layers_matrix(AffineParameters(), 32, 32), np.eye(3), atol=1e-12)
    image = _noise()
    np.testing.assert_array_equal(transform_images(image, np.eye(3)), image)


@pytest.mark.parametrize(
    ("params", "row", "column"),
    [
        (AffineParameters(tx=2), 4, 2),  # tx > 0: el contenido va a la izquierda
        (AffineParameters(ty=2), 2, 4),  # ty > 0: hacia arriba
        (AffineParameters(theta=90, tx=0), 4, 4),
    ],
)
def test_signs(params, row, column):
    image = np.zeros((9, 9, 1), np.float32)
    image[4, 4] = 1
    moved = transform_images(image, affine_matrix(params, 9, 9), "constant")
    assert np.argwhere(moved[..., 0] > 0.5).tolist() == [[row, column]]


def test_positive_angle_turns_the_content_anticlockwise():
    image = np.zeros((9, 9, 1), np.float32)
    image[4, 8] = 1  # a la derecha
    turned = transform_images(image, affine_matrix(AffineParameters(theta=90), 9, 9))
    assert np.argwhere(turned[..., 0] > 0.5).tolist() == [[0, 4]]  # arriba


# --- Las unidades del cizallamiento ---


def test_shear_of_0_2_degrees_moves_a_tenth_of_a_pixel():
    """0.2° en 32 píxeles: 0.054 px en cada borde, una décima entre la primera fila y la última."""
    moved = displacement(affine_matrix(AffineParameters(shear=0.2), 32, 32), 32, 32)
    assert moved[0].max() == pytest.approx(0.0541, abs=1e-4)
    assert moved[-1].max() == pytest.approx(0.0541, abs=1e-4)
    top, bottom = (affine_matrix(AffineParameters(shear=0.2), 32, 32) @ [16, row, 1] for row in (0, 31))
    assert abs(top[0] - bottom[0]) == pytest.approx(0.108, abs=1e-3)


def test_shear_of_20_percent_moves_six_pixels_and_fixes_the_corner():
    """`RandomShear(0.2)` sí es un 20 %: 6.2 px en la última fila, ninguno en la primera."""
    layer = keras.layers.RandomShear(x_factor=(0.2, 0.2), fill_mode="nearest")
    ramp = np.broadcast_to(np.arange(32, dtype=np.float32)[None, None, :, None], (1, 32, 32, 1))
    transformation = {"shear_factor": np.array([[0.2, 0.0]], np.float32), "input_shape": (1, 32, 32, 1)}
    read = np.asarray(layer.transform_images(ramp, transformation, training=True) - ramp)[0, :, :, 0]
    assert read[0, 10] == pytest.approx(0, abs=1e-4)
    assert read[-1, 10] == pytest.approx(6.2, abs=1e-3)
    assert read[:, 10].mean() == pytest.approx(3.1, abs=1e-3)  # cizallar también desplaza
    # Son 11.3 grados: casi sesenta veces lo que pide shear_range=0.2.
    assert np.rad2deg(np.arctan(0.2)) == pytest.approx(11.31, abs=0.01)


# --- Las matrices de las capas actuales ---


@pytest.mark.parametrize("shape", [(32, 32), (32, 48)])
@pytest.mark.parametrize("fill_mode", ["nearest", "reflect"])
@pytest.mark.parametrize("name", list(keras_layer_matrices(AffineParameters(), 32, 32)))
def test_each_layer_does_what_its_matrix_says(name, fill_mode, shape):
    params = CASES["todo"]
    image = _noise(*shape)[np.newaxis]
    real = np.asarray(_fixed_layer(name, params, *shape, fill_mode)(image))
    ours = transform_images(image, keras_layer_matrices(params, *shape)[name], fill_mode)
    np.testing.assert_allclose(ours, real, atol=2e-4)  # las capas calculan las coordenadas en float32


def test_the_layers_in_a_row_are_the_product_of_their_matrices():
    """Sobre una rampa, que el remuestreo no deforma, la cadena real y la matriz compuesta coinciden."""
    params = AffineParameters(theta=9.0, tx=1.5, ty=-1.0, shear=4.0, zx=1.05, zy=0.93, flip=True)
    rows, columns = np.mgrid[0:32, 0:32].astype(np.float32)
    x = np.stack([columns, rows], axis=-1)[np.newaxis]
    for name in keras_layer_matrices(params, 32, 32):
        x = np.asarray(_fixed_layer(name, params, 32, 32)(x))
    points = np.stack([columns.ravel(), rows.ravel(), np.ones(32 * 32)])
    read = keras_layers_matrix(params, 32, 32) @ points
    interior = np.s_[12:20, 12:20]  # lejos de los bordes, donde el relleno no llega
    np.testing.assert_allclose(x[0, ..., 0][interior], read[0].reshape(32, 32)[interior], atol=1e-3)
    np.testing.assert_allclose(x[0, ..., 1][interior], read[1].reshape(32, 32)[interior], atol=1e-3)


def test_without_shear_both_back_ends_compose_the_same_matrix():
    rng = np.random.default_rng(0)
    config = AugmentationConfig(shear_range=0)
    for _ in range(50):
        params = sample_parameters(config, rng, 32, 32)
        np.testing.assert_allclose(
            keras_layers_matrix(params, 32, 32), affine_matrix(params, 32, 32), atol=1e-9
        )


def test_with_the_homeworks_shear_they_differ_by_less_than_a_fifteenth_of_a_pixel():
    rng = np.random.default_rng(0)
    gaps = []
    for _ in range(200):
        params = sample_parameters(AugmentationConfig(), rng, 32, 32)
        reference = affine_matrix(params, 32, 32)
        gaps.append(displacement(keras_layers_matrix(params, 32, 32), 32, 32, reference=reference).max())
    assert 0.02 < max(gaps) < 1 / 15


def test_shear_pivot_separates_the_back_ends():
    """Con un 20 % de verdad, la diferencia de pivote son 3.1 píxeles en toda la imagen."""
    params = AffineParameters(shear=np.rad2deg(np.arcsin(0.2)))
    gap = keras_layers_matrix(params, 32, 32) - affine_matrix(params, 32, 32)
    assert abs(gap @ [15.5, 15.5, 1.0])[0] == pytest.approx(3.1, abs=1e-9)


def test_the_order_of_the_layers_matters():
    params = CASES["todo"]
    in_reverse = np.eye(3)
    for matrix in reversed(list(keras_layer_matrices(params, 32, 32).values())):
        in_reverse = in_reverse @ matrix
    gap = displacement(in_reverse, 32, 32, reference=keras_layers_matrix(params, 32, 32))
    assert gap.max() > 2


def test_four_resamplings_blur_more_than_one():
    """La misma transformación: remuestrear en cuatro pasos quita más contraste que en uno."""
    params = AffineParameters(theta=10, tx=1.5, ty=2.5, shear=0.2, zx=1.05, zy=0.95)
    image = _noise(64, 64)[np.newaxis]
    once = transform_images(image, keras_layers_matrix(params, 64, 64))
    several = image
    for matrix in keras_layer_matrices(params, 64, 64).values():
        several = transform_images(several, matrix)
    interior = np.s_[:, 16:48, 16:48]
    assert several[interior].std() < 0.8 * once[interior].std()


@pytest.mark.parametrize(("fill_mode", "period"), [("wrap", 31), ("reflect", 64)])
def test_fill_modes_have_the_period_of_the_generator(fill_mode, period):
    """ "wrap" repite cada 31 píxeles, no cada 32: así lo hace scipy; las capas, cada 32."""
    image = _noise()
    shift = AffineParameters(tx=period)
    ours = transform_images(image, affine_matrix(shift, 32, 32), fill_mode)
    np.testing.assert_allclose(ours[:, 1:-1], image[:, 1:-1], atol=1e-6)


def test_wrap_and_constant_differ_in_the_layers():
    params = AffineParameters(tx=4.3)
    image = _noise()[np.newaxis]
    matrix = keras_layer_matrices(params, 32, 32)["RandomTranslation"]
    for fill_mode in ("wrap", "constant"):
        real = np.asarray(_fixed_layer("RandomTranslation", params, 32, 32, fill_mode)(image))
        ours = transform_images(image, matrix, fill_mode)
        np.testing.assert_allclose(ours[:, :, :27], real[:, :, :27], atol=2e-4)
        assert np.abs(ours[:, :, 27:] - real[:, :, 27:]).max() > 0.05


# --- Las capas construidas ---


def test_layers_have_the_converted_units_and_the_order_of_the_generator():
    config = AugmentationConfig(width_shift_range=0.3, height_shift_range=0.1, fill_mode="reflect")
    layers = to_keras_layers(config, seed=1).layers
    assert [type(layer).__name__ for layer in layers] == list(
        keras_layer_matrices(AffineParameters(), 32, 32)
    )
    rotation, translation, shear, zoom, flip = layers
    np.testing.assert_allclose(rotation.factor, (-20 / 360, 20 / 360))
    assert (translation.height_lower, translation.height_upper) == (-0.1, 0.1)
    assert (translation.width_lower, translation.width_upper) == (-0.3, 0.3)
    np.testing.assert_allclose(shear.x_factor, (0, 0.0034907), atol=1e-7)
    np.testing.assert_allclose(shear.y_factor, (0, 0))
    assert (zoom.height_lower, zoom.height_upper) == (zoom.width_lower, zoom.width_upper) == (-0.2, 0.2)
    assert flip.mode == "horizontal"
    assert {layer.fill_mode for layer in layers[:4]} == {"reflect"}


def test_zoom_draws_x_and_y_apart():
    """Con un solo factor, `RandomZoom` conserva la proporción y no sería fiel."""
    zoom = to_keras_layers(AugmentationConfig(), seed=1).layers[3]
    batch = np.zeros((500, 8, 8, 1), np.float32)
    drawn = zoom.get_random_transformation(batch, training=True)
    columns, rows = (np.asarray(drawn[key])[:, 0] for key in ("width_zoom", "height_zoom"))
    assert abs(np.corrcoef(columns, rows)[0, 1]) < 0.2
    locked = keras.layers.RandomZoom(0.2, seed=1).get_random_transformation(batch[:5], training=True)
    np.testing.assert_array_equal(np.asarray(locked["width_zoom"]), np.asarray(locked["height_zoom"]))


def test_each_layer_has_its_own_seed():
    """Con la misma semilla, el giro y la ampliación saldrían del mismo número uniforme."""
    rotation, _, _, zoom, _ = to_keras_layers(AugmentationConfig(), seed=1).layers
    batch = np.zeros((500, 8, 8, 1), np.float32)
    angle = np.asarray(rotation.get_random_transformation(batch, training=True)["angle"])
    height = np.asarray(zoom.get_random_transformation(batch, training=True)["height_zoom"])[:, 0]
    assert abs(np.corrcoef(angle, height)[0, 1]) < 0.2


def test_layers_draw_within_the_range_of_the_configuration():
    rotation, translation, shear, zoom, flip = to_keras_layers(AugmentationConfig(), seed=3).layers
    batch = np.zeros((2000, 32, 32, 1), np.float32)
    angle = np.asarray(rotation.get_random_transformation(batch, training=True)["angle"])
    moved = np.asarray(translation.get_random_transformation(batch, training=True)["translations"])
    factor = np.asarray(shear.get_random_transformation(batch, training=True)["shear_factor"])[:, 0]
    height = np.asarray(zoom.get_random_transformation(batch, training=True)["height_zoom"])
    flips = np.asarray(flip.get_random_transformation(batch, training=True)["flips"])
    for values, limit in ((angle, 20), (moved, 6.4), (factor, 0.0034907), (height - 1, 0.2)):
        assert np.abs(values).max() <= limit * 1.0001
        assert values.min() < -0.97 * limit and values.max() > 0.97 * limit  # los dos sentidos
    assert 0.45 < flips.mean() < 0.55


def test_layers_are_identity_outside_training_and_when_there_is_nothing_to_do():
    x = _noise()[np.newaxis]
    layers = to_keras_layers(AugmentationConfig(), seed=0)
    np.testing.assert_array_equal(np.asarray(layers(x, training=False)), x)
    assert np.abs(np.asarray(layers(x, training=True)) - x).max() > 0.1
    assert np.abs(np.asarray(layers(x)) - x).max() > 0.1  # llamadas solas, aumentan
    np.testing.assert_array_equal(np.asarray(to_keras_layers(NOTHING)(x, training=True)), x)


def test_layers_are_reproducible_and_drawn_anew_each_time():
    x = np.repeat(_noise()[np.newaxis], 4, axis=0)
    first, second, other = (to_keras_layers(AugmentationConfig(), seed=s) for s in (7, 7, 8))
    epoch1, epoch2 = np.asarray(first(x, training=True)), np.asarray(first(x, training=True))
    np.testing.assert_array_equal(epoch1, np.asarray(second(x, training=True)))
    assert np.abs(epoch1 - epoch2).max() > 0.1
    assert np.abs(epoch1 - np.asarray(other(x, training=True))).max() > 0.1
    assert np.abs(epoch1[0] - epoch1[1]).max() > 0.1  # y cada imagen del lote recibe lo suyo


def test_training_batches_are_drawn_anew_each_epoch_and_repeat_with_the_seed(tiny_dataset):
    """Por `make_batches`, que es por donde llegan a `fit`; validación, sin aumento, no cambia."""

    def epochs(seed):
        layers = to_keras_layers(AugmentationConfig(), seed=seed)
        batches = make_batches(tiny_dataset.x_train[:40], batch_size=16, augment=layers)
        return [np.concatenate([np.asarray(batch) for batch in batches]) for _ in range(2)]

    first, second = epochs(seed=0)
    assert first.shape == (40, 32, 32, 3) and 0 <= first.min() and first.max() <= 1 + 1e-5
    assert np.abs(first - second).max() > 0.1
    np.testing.assert_array_equal(np.stack(epochs(seed=0)), np.stack([first, second]))


# --- El generador heredado ---


def test_generator_carries_the_homeworks_arguments():
    generator = to_image_data_generator(AugmentationConfig(), rescale=1 / 255)
    assert (generator.width_shift_range, generator.height_shift_range) == (0.2, 0.2)
    assert (generator.rotation_range, generator.shear_range) == (20, 0.2)
    assert (generator.horizontal_flip, generator.fill_mode) == (True, "nearest")
    np.testing.assert_allclose(generator.zoom_range, [0.8, 1.2])
    assert generator.rescale == 1 / 255
    assert "ImageDataGenerator" in [cls.__name__ for cls in type(generator).__mro__]


def _directions(generator):
    """Cuánto mueve el generador las columnas y las filas de una imagen de 20×40, en píxeles, como mucho."""
    state = np.random.get_state()
    np.random.seed(0)
    drawn = [generator.get_random_transform((20, 40, 3)) for _ in range(200)]
    np.random.set_state(state)
    return max(abs(d["tx"]) for d in drawn), max(abs(d["ty"]) for d in drawn)


def test_keras_crosses_the_shift_axes_and_we_uncross_them():
    """Si deja de cumplirse, Keras arregló su incidencia 17398: quita la corrección."""
    config = AugmentationConfig(0, 0.3, 0.1, 0, 0, False)
    original_class = type(to_image_data_generator(config)).__mro__[1]
    assert original_class.__name__ == "ImageDataGenerator"
    columns, rows = _directions(original_class(width_shift_range=0.3, height_shift_range=0.1))
    assert columns == pytest.approx(0.1 * 20, rel=0.05) and rows == pytest.approx(0.3 * 40, rel=0.05)
    columns, rows = _directions(to_image_data_generator(config))
    assert columns == pytest.approx(0.3 * 40, rel=0.05) and rows == pytest.approx(0.1 * 20, rel=0.05)


@pytest.mark.parametrize("axis", ["width", "height"])
def test_width_shift_is_horizontal_everywhere(axis):
    """Los tres caminos mueven hacia donde dice el nombre: se ve en los píxeles, no en los parámetros."""
    width, height = 0.4 * (axis == "width"), 0.4 * (axis == "height")
    config = AugmentationConfig(0, width, height, 0, 0, False, "constant")
    # Una raya en la dirección del movimiento: si se mueve como debe, nunca deja su línea.
    x = np.zeros((40, 21, 21, 1), np.float32)
    x[:, 10, :] = axis == "width"
    if axis == "height":
        x[:, :, 10] = 1
    batches = {
        "generador": next(to_image_data_generator(config).flow(x, batch_size=40, shuffle=False)),
        "capas": np.asarray(to_keras_layers(config, seed=0)(x, training=True)),
        "vista previa": augment_batch(x, config, seed=0),
    }
    for name, batch in batches.items():
        outside = np.delete(batch, 10, axis=1 if axis == "width" else 2)
        assert np.abs(outside).max() < 1e-3, name
        assert np.abs(batch - x).max() > 0.5, name


def test_generator_draws_like_sample_parameters():
    """Medias y extremos de mil sorteos, en una imagen no cuadrada."""
    config = AugmentationConfig(width_shift_range=0.3, height_shift_range=0.1)
    state = np.random.get_state()
    np.random.seed(1)
    generator = to_image_data_generator(config)
    legacy = [generator.get_random_transform((20, 40, 3)) for _ in range(1000)]
    np.random.set_state(state)
    rng = np.random.default_rng(1)
    ours = [sample_parameters(config, rng, 20, 40) for _ in range(1000)]
    for name in ("theta", "tx", "ty", "shear", "zx", "zy"):
        a, b = np.array([d[name] for d in legacy]), np.array([getattr(p, name) for p in ours])
        spread = a.max() - a.min()
        assert abs(a.min() - b.min()) < 0.02 * spread and abs(a.max() - b.max()) < 0.02 * spread, name
        assert abs(a.mean() - b.mean()) < 0.06 * spread, name
    assert abs(np.mean([d["flip_horizontal"] for d in legacy]) - np.mean([p.flip for p in ours])) < 0.08


def test_missing_scipy_is_explained_before_training(monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "scipy" else real(name, *rest)
    )
    with pytest.raises(ModuleNotFoundError, match=r"scipy.*Keras no lo instala.*pip install scipy") as error:
        to_image_data_generator(AugmentationConfig())
    assert error.value.name == "scipy"
    # Sin nada geométrico no hace falta: voltear y reescalar son NumPy.
    to_image_data_generator(AugmentationConfig(0, 0, 0, 0, 0, True), rescale=1 / 255)


def test_without_scipy_keras_itself_stops_in_the_middle(tmp_path):
    """La trampa K01: sin nuestra comprobación el error llega al primer lote, no al construir el generador."""
    (tmp_path / "scipy").mkdir()
    (tmp_path / "scipy" / "__init__.py").write_text("raise ImportError('sin scipy')\n", encoding="utf-8")
    code = (
        "import sys, numpy as np; sys.path.insert(0, sys.argv[1])\n"
        "from keras.src.legacy.preprocessing.image import ImageDataGenerator as G\n"
        "g = G(rotation_range=20); print('construido')\n"
        "try: next(g.flow(np.zeros((1, 8, 8, 3))))\n"
        "except ImportError as e: print('error:', e)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
    )
    assert "construido" in done.stdout and "scipy" in done.stdout.split("error:")[-1], done.stderr[-500:]


# --- La carpeta y los argumentos de la tarea ---


@pytest.fixture(scope="module")
def image_folder(tiny_dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("carpeta")
    return write_image_folder(tiny_dataset.x_train, tiny_dataset.y_train, tiny_dataset.class_names, folder)


def _flow(image_folder, tiny_dataset, *, rescale=1 / 255, target_size=(32, 32), **options):
    generator = to_image_data_generator(AugmentationConfig(), rescale=rescale)
    options = {"batch_size": 32, "class_mode": "categorical", "seed": 0, **options}
    options.setdefault("classes", list(tiny_dataset.class_names))
    return generator.flow_from_directory(image_folder, target_size=target_size, **options)


def test_flow_from_directory_feeds_the_network(image_folder, tiny_dataset):
    flow = _flow(image_folder, tiny_dataset)
    x, y = next(flow)
    assert flow.samples == len(tiny_dataset.x_train)
    assert x.shape == (32, 32, 32, 3) and x.dtype == np.float32
    assert 0 <= x.min() and 0.9 < x.max() <= 1 + 1e-6
    assert y.shape == (32, tiny_dataset.num_classes) and np.all(y.sum(axis=1) == 1)
    model = build_cnn()
    model.compile(optimizer="adam", loss="categorical_crossentropy")
    assert np.isfinite(model.evaluate(flow, verbose=0))
    model.fit(flow, epochs=1, steps_per_epoch=2, verbose=0)


def test_labels_of_the_folder_match_the_images(image_folder, tiny_dataset):
    """Sin `classes=`, el orden es el alfabético y no el de los nombres del conjunto."""
    generator = to_image_data_generator(NOTHING)
    names = list(tiny_dataset.class_names)
    options = {"target_size": (32, 32), "batch_size": 200, "shuffle": False}
    alphabetical = generator.flow_from_directory(image_folder, **options)
    assert list(alphabetical.class_indices) == sorted(names) != names
    ordered = generator.flow_from_directory(image_folder, classes=names, **options)
    assert list(ordered.class_indices) == names
    x, y = next(ordered)
    pairs = zip(tiny_dataset.x_train, tiny_dataset.y_train, strict=True)
    originals = {image.tobytes(): label for image, label in pairs}
    for image, label in zip(x.astype(np.uint8), y.argmax(axis=1), strict=True):
        assert originals[image.tobytes()] == label


def test_the_homeworks_target_size_does_not_fit_the_network(image_folder, tiny_dataset):
    x, _ = next(_flow(image_folder, tiny_dataset, target_size=(128, 128), batch_size=2))
    assert x.shape == (2, 128, 128, 3)
    with pytest.raises(ValueError) as error:
        build_cnn().predict(x, verbose=0)
    assert "to have value 2304, but received input with shape (2, 57600)" in str(error.value)


def test_without_rescale_the_generator_gives_another_range(image_folder, tiny_dataset):
    """El fallo es el desacuerdo: la red entrenada con 0–1 recibiría valores 255 veces mayores."""
    raw, _ = next(_flow(image_folder, tiny_dataset, rescale=None))
    scaled, _ = next(_flow(image_folder, tiny_dataset))
    assert raw.max() > 200 and scaled.max() <= 1 + 1e-6
    np.testing.assert_allclose(raw / 255, scaled, atol=1e-5)


# K05
@pytest.mark.parametrize("class_mode", ["categorical", "sparse"])
def test_class_mode_goes_with_its_loss(image_folder, tiny_dataset, class_mode):
    settings = class_mode_settings(class_mode, tiny_dataset.num_classes)
    flow = _flow(image_folder, tiny_dataset, class_mode=class_mode)
    x, y = next(flow)
    assert y.shape == ((32, 10) if class_mode == "categorical" else (32,))
    assert settings.label_shape == ("(N, 10)" if class_mode == "categorical" else "(N,)")
    model = build_cnn(num_classes=settings.units)
    assert model.layers[-1].activation.__name__ == settings.activation
    model.compile(loss=settings.loss)
    assert np.isfinite(model.evaluate(x, y, verbose=0))
    other = class_mode_settings("sparse" if class_mode == "categorical" else "categorical", 10)
    model.compile(loss=other.loss)
    with pytest.raises(Exception, match=r"(?i)shape|rank|dimension"):
        model.evaluate(x, y, verbose=0)


def test_binary_mode_needs_two_classes(image_folder, tiny_dataset):
    with pytest.raises(ValueError, match='class_mode="binary" es para dos clases y hay 10'):
        class_mode_settings("binary", 10)
    # Keras no avisa: entrega etiquetas de 0 a 9.
    _, y = next(_flow(image_folder, tiny_dataset, class_mode="binary", batch_size=200))
    assert y.max() == 9
    pair = list(tiny_dataset.class_names[:2])
    settings = class_mode_settings("binary", 2)
    x, y = next(_flow(image_folder, tiny_dataset, class_mode="binary", classes=pair))
    assert set(y) == {0.0, 1.0}
    network = build_cnn()
    output = keras.layers.Dense(settings.units, settings.activation, name="salida")
    model = keras.Sequential([*network.layers[:-1], output])
    model.compile(loss=settings.loss)
    assert np.isfinite(model.evaluate(x, y, verbose=0))


@pytest.mark.parametrize(
    ("class_mode", "num_classes", "message"),
    [("multi", 10, "class_mode='multi' no existe"), ("sparse", 1, "al menos dos clases y hay 1")],
)
def test_class_mode_errors(class_mode, num_classes, message):
    with pytest.raises(ValueError, match=message):
        class_mode_settings(class_mode, num_classes)


# --- La configuración ---


def test_defaults_are_the_homeworks():
    assert AugmentationConfig() == AugmentationConfig(20, 0.2, 0.2, 0.2, 0.2, True, "nearest")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"rotation_range": 200}, ValueError, r"rotation_range=200.0 se sale .*\[0, 180\].*grados"),
        ({"rotation_range": -5}, ValueError, "rotation_range=-5.0 es negativo.*quita el signo"),
        ({"width_shift_range": 20}, ValueError, r"width_shift_range=20.0.*\[0, 1\).*fracción del ancho.*0.2"),
        ({"height_shift_range": 1}, ValueError, "height_shift_range=1.0.*fracción del alto"),
        ({"shear_range": 90}, ValueError, "shear_range=90.0.*grados.*se aplasta"),
        ({"zoom_range": 20}, ValueError, "zoom_range=20.0.*ampliar o reducir"),
        ({"zoom_range": (0.8, 1.2)}, TypeError, r"zoom_range es un solo número.*\(0.8, 1.2\)"),
        ({"rotation_range": float("nan")}, ValueError, "rotation_range es un número finito"),
        ({"shear_range": "0.2"}, TypeError, "shear_range es un solo número"),
        ({"shear_range": True}, TypeError, "shear_range es un solo número"),
        ({"horizontal_flip": 0.5}, TypeError, "horizontal_flip es True o False; se recibió 0.5"),
        ({"fill_mode": "mirror"}, ValueError, "fill_mode='mirror' no existe: elige uno de \"nearest\""),
    ],
)
def test_configuration_errors_name_cause_and_unit(options, error, message):
    with pytest.raises(error, match=message):
        AugmentationConfig(**options)


def test_configuration_accepts_numpy_numbers():
    config = AugmentationConfig(rotation_range=np.float32(15), zoom_range=np.int64(0))
    assert type(config.rotation_range) is float and config.rotation_range == 15
    to_keras_layers(config, seed=0)  # Keras rechaza los números de NumPy


# --- Remuestreo y vistas previas ---


def test_augment_batch_keeps_shape_dtype_and_input(tiny_dataset):
    x = tiny_dataset.x_train[:12]
    before = x.copy()
    augmented = augment_batch(x, AugmentationConfig(), seed=5)
    assert augmented.shape == x.shape and augmented.dtype == np.uint8
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(augmented, augment_batch(x, AugmentationConfig(), seed=5))
    assert (augmented != augment_batch(x, AugmentationConfig(), seed=6)).any()
    np.testing.assert_array_equal(augment_batch(x, NOTHING, seed=5), x)
    in_float = augment_batch(x / np.float32(255), AugmentationConfig(), seed=5)
    assert in_float.dtype == np.float32 and np.abs(in_float * 255 - augmented).max() < 0.51


def test_turning_flip_off_keeps_the_other_draws():
    with_flip, without = (
        sample_parameters(AugmentationConfig(horizontal_flip=flip), np.random.default_rng(3), 32, 32)
        for flip in (True, False)
    )
    assert (with_flip.theta, with_flip.zy) == (without.theta, without.zy) and not without.flip


def test_transform_images_accepts_one_matrix_per_image():
    x = np.stack([_noise(seed=s) for s in range(3)])
    matrices = np.stack([affine_matrix(CASES[c], 32, 32) for c in ("giro", "volteo", "todo")])
    together = transform_images(x, matrices)
    for image, matrix, expected in zip(x, matrices, together, strict=True):
        np.testing.assert_array_equal(transform_images(image, matrix), expected)


@pytest.mark.parametrize(
    ("shape", "matrices", "fill_mode", "message"),
    [
        ((32, 32), np.eye(3), "nearest", r"x tiene forma \(32, 32\)"),
        ((2, 8, 8, 3), np.eye(2), "nearest", r"matrices tiene forma \(2, 2\)"),
        ((2, 8, 8, 3), np.zeros((3, 3, 3)), "nearest", r"una por imagen, \(2, 3, 3\)"),
        ((2, 8, 8, 3), np.eye(3), "espejo", "fill_mode='espejo' no existe"),
    ],
)
def test_transform_images_errors(shape, matrices, fill_mode, message):
    with pytest.raises(ValueError, match=message):
        transform_images(np.zeros(shape), matrices, fill_mode)
    with pytest.raises(ValueError, match="Se esperaba un lote"):
        augment_batch(np.zeros((8, 8, 3)), AugmentationConfig(), seed=0)


def test_constant_fill_uses_the_value():
    image = np.ones((1, 8, 8, 1), np.float32)
    moved = transform_images(image, affine_matrix(AffineParameters(tx=3), 8, 8), "constant", fill_value=0.25)
    np.testing.assert_array_equal(moved[0, :, :, 0], np.where(np.arange(8) < 5, 1, 0.25) * np.ones((8, 1)))


# --- El azar global y las importaciones ---


def test_global_random_state_is_not_touched():
    x = np.repeat(_noise()[np.newaxis], 2, axis=0)
    numpy_before, python_before = np.random.get_state(), random.getstate()
    augment_batch(x, AugmentationConfig(), seed=0)
    to_keras_layers(AugmentationConfig(), seed=0)(x, training=True)
    to_image_data_generator(AugmentationConfig())
    assert random.getstate() == python_before
    for before, after in zip(numpy_before, np.random.get_state(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_the_legacy_generator_does_reseed_numpy():
    """Lo que el capítulo advierte: `seed=` del generador cambia el azar de todo el programa."""
    state = np.random.get_state()
    generator = to_image_data_generator(AugmentationConfig())
    numbers = []
    for _ in range(2):
        next(generator.flow(np.zeros((4, 8, 8, 3)), batch_size=4, seed=123))
        numbers.append(np.random.random())
    np.random.set_state(state)
    assert numbers[0] == numbers[1]


def test_module_imports_without_tensorflow():
    code = (
        "import sys, helpers.augmentation\n"
        "print([name for name in ('tensorflow', 'keras', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=True
    )
    assert done.stdout.strip() == "[]"


# --- El capítulo ---


@pytest.mark.parametrize("function", ["__init__", "flow_from_directory"])
def test_the_chapter_answers_for_every_argument(root, function):
    """Cada argumento de Keras tiene su fila: por omisión, unidad, equivalente y «¿conserva la etiqueta?»."""
    notebook = json.loads((root / "book" / "aumento.ipynb").read_text(encoding="utf-8"))
    lines = [line for cell in notebook["cells"] for line in "".join(cell["source"]).splitlines()]
    generator_class = type(to_image_data_generator(AugmentationConfig())).__mro__[1]
    parameters = dict(inspect.signature(getattr(generator_class, function)).parameters)
    parameters.pop("self")
    for name, parameter in parameters.items():
        default = "" if parameter.default is inspect.Parameter.empty else r" \(`(?P<default>[^`]*)`\)"
        rows = [re.fullmatch(rf"\| `{name}`{default} \|" + r"([^|]+)\|" * 3, line) for line in lines]
        rows = [row for row in rows if row]
        assert len(rows) == 1, f"{name}: {len(rows)} filas"
        if default:
            assert ast.literal_eval(rows[0]["default"]) == parameter.default, name


# --- Una sola transformación por lote -----------------------------------------------------------------------


def resample(x, cases, fill_mode):
    """`_resample` con parámetros concretos, como los que recibe `affine_matrix`."""
    import tensorflow as tf

    columns = np.array(
        [
            [np.deg2rad(p.theta), p.tx, p.ty, np.deg2rad(p.shear), p.zx, p.zy, -1 if p.flip else 1]
            for p in cases
        ],
        np.float32,
    ).T
    return augmentation._resample(
        tf, tf.constant(x), [tf.constant(column) for column in columns], fill_mode
    ).numpy()


@pytest.mark.parametrize("fill_mode", ["nearest", "reflect"])
def test_augmenter_applies_the_matrix_of_the_generator(sample_dataset, fill_mode):
    rng = np.random.default_rng(3)
    config = AugmentationConfig(25, 0.2, 0.15, 12, 0.3, True, fill_mode)
    cases = [sample_parameters(config, rng, 32, 32) for _ in range(40)]
    x = to_float(sample_dataset.x_train[:40])
    expected = transform_images(x, [affine_matrix(case, 32, 32) for case in cases], fill_mode)
    assert np.abs(resample(x, cases, fill_mode) - expected).max() < 2e-3


def test_augmenter_pivots_on_the_true_centre_of_a_tall_image():
    image = np.zeros((1, 49, 33, 1), np.float32)
    image[0, 24, 16] = 1  # el píxel del centro
    for case in (AffineParameters(theta=40), AffineParameters(zx=1.3, zy=0.7), AffineParameters(flip=True)):
        assert resample(image, [case], "constant")[0, 24, 16, 0] == pytest.approx(1, abs=1e-4)


def test_augmenter_draws_the_whole_range_and_repeats_with_its_seed():
    """Con un solo punto encendido se mide el desplazamiento que tocó a cada imagen."""
    x = np.zeros((400, 33, 33, 1), np.float32)
    x[:, 16, 16] = 1
    config = AugmentationConfig(0, 0.3, 0.1, 0, 0, False, "constant")
    grid = np.arange(33)
    moved = to_augmenter(config, seed=1)(x).numpy()[..., 0]
    columns, rows = moved.sum(axis=1) @ grid - 16, moved.sum(axis=2) @ grid - 16
    assert 9.4 < columns.max() <= 9.91 and -9.91 <= columns.min() < -9.4  # el 30 % de 33 píxeles
    assert 3.0 < rows.max() <= 3.31 and -3.31 <= rows.min() < -3.0
    assert abs(columns.mean()) < 0.8 and abs(np.corrcoef(columns, rows)[0, 1]) < 0.15
    assert np.array_equal(moved, to_augmenter(config, seed=1)(x).numpy()[..., 0])
    assert not np.array_equal(moved, to_augmenter(config, seed=2)(x).numpy()[..., 0])


def test_augmenter_flips_half_of_the_images():
    x = np.zeros((400, 4, 4, 1), np.float32)
    x[:, :, 0] = 1
    flipped = to_augmenter(AugmentationConfig(0, 0, 0, 0, 0, True), seed=0)(x).numpy()[:, 0, 3, 0]
    assert set(np.unique(flipped)) == {0, 1} and 160 < flipped.sum() < 240


def test_augmenter_draws_anew_every_epoch_inside_make_batches(tiny_dataset):
    epochs = {}
    for attempt in range(2):
        batches = make_batches(tiny_dataset.x_train, augment=to_augmenter(AugmentationConfig(), seed=5))
        epochs[attempt] = [np.concatenate([b.numpy() for b in batches]) for _ in range(2)]
    assert not np.array_equal(*epochs[0]), "la segunda época repite la primera"
    assert np.array_equal(epochs[0], epochs[1]), "con la misma semilla no se repite"
    assert epochs[0][0].min() >= 0 and epochs[0][0].max() <= 1


def test_flip_and_shift_moves_whole_pixels(sample_dataset):
    """Cada resultado es, exacta, una de las 2 × 7 × 7 versiones de la imagen rellenada con su reflejo."""
    from helpers.augmentation import to_flip_and_shift

    x = sample_dataset.x_train[:64].astype("float32") / 255
    moved = np.asarray(to_flip_and_shift(3, seed=1)(x))
    padded = np.pad(x, ((0, 0), (3, 3), (3, 3), (0, 0)), "reflect")
    seen = set()
    for original, result in zip(padded, moved, strict=True):
        matches = [
            (dy, dx, flip)
            for dy in range(7)
            for dx in range(7)
            for flip in (1, -1)
            if np.array_equal(original[dy : dy + 32, dx : dx + 32][:, ::flip], result)
        ]
        assert matches
        seen.add(matches[0])
    assert {m[0] for m in seen} == {m[1] for m in seen} == set(range(7))
    assert {m[2] for m in seen} == {1, -1}
    np.testing.assert_array_equal(moved, np.asarray(to_flip_and_shift(3, seed=1)(x)))
    with pytest.raises(ValueError, match="pixels va de 0 a 31"):
        to_flip_and_shift(32)
