"""La red de la tarea, sus cuentas y lo que se puede mirar dentro de ella."""

import dataclasses
import re
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from helpers.models import (
    LayerRow,
    build_cnn,
    build_compact_cnn,
    build_dense_network,
    describe_layers,
    format_integer,
    layer_activations,
    layers_table,
    summary_text,
    unused_input_mask,
)

layers = keras.layers


@pytest.fixture(scope="module")
def model():
    return build_cnn()


@pytest.fixture(scope="module")
def rows(model):
    return describe_layers(model)


def sequential(input_shape, *stack):
    return keras.Sequential([keras.Input(input_shape), *stack])


def used_by_gradient(model, draws=12, batch=16):
    """Píxeles con gradiente distinto de 0 para alguna imagen al azar: lo contrario de la máscara."""
    rng = np.random.default_rng(0)
    used = np.zeros(model.input_shape[1:3], dtype=bool)
    for _ in range(draws):
        x = tf.constant(rng.normal(size=(batch, *model.input_shape[1:])), dtype="float32")
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = tf.reshape(model(x, training=False), (batch, -1))
            # Una combinación al azar: la suma de una softmax es siempre 1 y no tiene gradiente.
            loss = tf.reduce_sum(outputs * rng.normal(size=outputs.shape).astype("float32"))
        used |= (tape.gradient(loss, x).numpy() != 0).any(axis=(0, 3))
    return used


# --- La red de la tarea -------------------------------------------------------------------------------------


def test_default_network_is_the_homework_network(model, rows):
    assert model.count_params() == 315_722
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == 315_722
    assert [layer.count_params() for layer in model.layers] == [896, 0, 18_496, 0, 0, 295_040, 1_290]
    assert [type(layer).__name__ for layer in model.layers] == [
        "Conv2D",
        "MaxPooling2D",
        "Conv2D",
        "MaxPooling2D",
        "Flatten",
        "Dense",
        "Dense",
    ]
    shapes = [(30, 30, 32), (15, 15, 32), (13, 13, 64), (6, 6, 64), (2304,), (128,), (10,)]
    assert [tuple(layer.output.shape[1:]) for layer in model.layers] == shapes
    assert [row.output_shape for row in rows] == shapes
    assert [layer.activation.__name__ for layer in model.layers if hasattr(layer, "activation")] == [
        "relu",
        "relu",
        "relu",
        "softmax",
    ]
    assert model.name == "red_de_la_tarea"


def test_default_rows_tell_the_numbers_of_the_book(rows):
    assert [row.params for row in rows] == [896, 0, 18_496, 0, 0, 295_040, 1_290]
    assert [row.macs for row in rows] == [777_600, 0, 3_115_008, 0, 0, 294_912, 1_280]
    assert sum(row.macs for row in rows) == 4_188_800
    assert [row.receptive_field for row in rows] == [3, 4, 8, 10, None, None, None]
    assert rows[0].arithmetic == "(3×3×3+1)×32 = 896"
    assert rows[2].arithmetic == "(3×3×32+1)×64 = 18\u202f496"
    assert rows[5].arithmetic == "(2304+1)×128 = 295\u202f040"
    assert rows[6].arithmetic == "(128+1)×10 = 1290"
    assert rows[2].hyperparameters == "64 filtros de 3×3×32, paso 1, relleno «valid», ReLU"
    assert rows[1].hyperparameters == "ventana 2×2, paso 2, relleno «valid»"
    assert rows[6].hyperparameters == "10 unidades, softmax"


def test_shares_of_parameters_and_work(rows):
    params = sum(row.params for row in rows)
    macs = sum(row.macs for row in rows)
    assert 100 * rows[5].params / params == pytest.approx(93.4, abs=0.05)
    assert 100 * (rows[0].macs + rows[2].macs) / macs == pytest.approx(92.9, abs=0.05)


def test_building_the_network_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build_cnn()
        build_cnn(dropout=0.5, batch_norm=True, kernel_size=5, pool_size=3)


# K12
def test_softmax_stays_in_float32_under_mixed_precision():
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = build_cnn()
        assert model.outputs[0].dtype == "float32"
        assert model.layers[0].compute_dtype == "float16"
        assert model(np.zeros((1, 32, 32, 3), "float32")).dtype == tf.float32
    finally:
        keras.mixed_precision.set_global_policy("float32")


# Keras 3.15 guarda sus variables con una llamada que NumPy 2 desaconseja: no es cosa del libro.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_saved_network_predicts_the_same(tmp_path):
    keras.utils.set_random_seed(0)
    model = build_cnn(dropout=0.3, batch_norm=True)
    x = np.random.default_rng(0).random((8, 32, 32, 3), dtype="float32")
    model.save(tmp_path / "red.keras")
    loaded = keras.models.load_model(tmp_path / "red.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    assert describe_layers(loaded) == describe_layers(model)


def test_every_hyperparameter_reaches_its_layer():
    model = build_cnn(
        input_shape=(32, 48, 1),
        filters=(8, 16, 24),
        kernel_size=3,
        pool_size=(2, 2),
        dense_units=20,
        dropout=0.25,
        num_classes=4,
        name="otra",
    )
    assert model.name == "otra"
    assert model.input_shape == (None, 32, 48, 1)
    assert [layer.filters for layer in model.layers if isinstance(layer, layers.Conv2D)] == [8, 16, 24]
    assert tuple(model.get_layer("conv_1").output.shape[1:]) == (30, 46, 8)
    assert model.get_layer("dropout").rate == 0.25
    assert model.get_layer("dense").units == 20
    assert model.output_shape == (None, 4)


def test_batch_norm_goes_between_convolution_and_relu():
    model = build_cnn(batch_norm=True)
    names = [layer.name for layer in model.layers][:4]
    assert names == ["conv_1", "batch_norm_1", "relu_1", "pool_1"]
    assert not model.get_layer("conv_1").use_bias
    assert model.get_layer("conv_1").activation.__name__ == "linear"


def test_numpy_integers_are_integers():
    assert build_cnn(dense_units=np.int64(128), filters=np.array([32, 64])).count_params() == 315_722


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            {"input_shape": (8, 8, 3)},
            ["8×8", "bloque 2 de 2", "la agrupación necesita al menos 2×2 y le llegan 1×1"],
        ),
        ({"input_shape": (2, 32, 3)}, ["bloque 1 de 2", "le llegan 2×32", "imagen mayor"]),
        ({"input_shape": (10, 32, 3), "pool_size": 4}, ["bloque 2 de 2", "le llegan 2×7"]),
        ({"filters": (8, 8, 8, 8)}, ["bloque 4 de 4", "le llegan 2×2"]),
        (
            {"input_shape": (8, 8, 3), "filters": (4,), "pool_size": 7},
            ["la agrupación necesita al menos 7×7"],
        ),
        ({"input_shape": (3, 32, 32)}, ["(alto, ancho, canales)", "¿Seguro"]),
        ({"input_shape": (32, 32)}, ["input_shape", "(alto, ancho, canales)", "2 elementos"]),
        ({"input_shape": 32}, ["input_shape", "tupla"]),
        ({"input_shape": (32, 32, None)}, ["input_shape[2]", "None"]),
        ({"filters": 32}, ["filters", "un número de filtros por bloque"]),
        ({"filters": ()}, ["filters", "0 elementos"]),
        ({"filters": (32, 0)}, ["filters[1]", "1 o más"]),
        ({"filters": (32, 6.5)}, ["filters[1]", "entero", "6.5"]),
        ({"filters": "32"}, ["filters", "tupla"]),
        ({"kernel_size": (3, 3, 3)}, ["kernel_size", "(alto, ancho)"]),
        ({"kernel_size": 0}, ["kernel_size", "1 o más"]),
        ({"pool_size": "2"}, ["pool_size"]),
        ({"dense_units": True}, ["dense_units", "entero"]),
        ({"dense_units": -1}, ["dense_units", "1 o más"]),
        ({"dropout": 1.0}, ["dropout", "menor que 1"]),
        ({"dropout": 50}, ["dropout", "fracción"]),
        ({"dropout": float("nan")}, ["dropout"]),
        ({"dropout": "mucho"}, ["dropout", "entre 0 y 1"]),
        ({"num_classes": 1}, ["num_classes", "2 o más"]),
    ],
)
def test_bad_hyperparameters_are_explained(arguments, words):
    with pytest.raises(ValueError) as caught:
        build_cnn(**arguments)
    for word in words:
        assert word in str(caught.value)


def test_smallest_image_that_fits():
    # 10 → 8 → 4 → 2 → 1: con un píxel menos ya no cabe, y eso lo prueba el caso anterior con 8.
    assert build_cnn(input_shape=(10, 10, 3)).layers[3].output.shape[1:] == (1, 1, 64)
    with pytest.raises(ValueError, match="bloque 2 de 2"):
        build_cnn(input_shape=(9, 10, 3))


# --- describe_layers ----------------------------------------------------------------------------------------

STACKS = {
    "same y pasos": lambda: sequential(
        (33, 20, 3),
        layers.Rescaling(1 / 255),
        layers.Conv2D(8, 5, strides=2, padding="same", activation="relu"),
        layers.MaxPooling2D(3, strides=2, padding="same"),
        layers.Conv2D(12, (3, 1), use_bias=False),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.AveragePooling2D((2, 1)),
        layers.Flatten(),
        layers.Dense(7, activation="tanh", use_bias=False),
        layers.Dropout(0.5),
        layers.Dense(3, activation="softmax"),
    ),
    "media global": lambda: sequential(
        (32, 32, 1),
        layers.Conv2D(16, 3, padding="same", activation="relu"),
        layers.Conv2D(16, 3, padding="same"),
        layers.Activation("relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(32, 3, dilation_rate=2, groups=4),
        layers.BatchNormalization(scale=False),
        layers.GlobalAveragePooling2D(),
        layers.Dense(10, activation="softmax"),
    ),
    "densa por posición": lambda: sequential(
        (8, 8, 3), layers.Dense(5), layers.BatchNormalization(center=False, scale=False), layers.Flatten()
    ),
    "solo densas": lambda: sequential((20,), layers.Dense(6), layers.BatchNormalization(), layers.Dense(2)),
}


@pytest.mark.parametrize("stack", STACKS)
def test_rows_agree_with_keras(stack):
    model = STACKS[stack]()
    rows = describe_layers(model)
    assert [row.name for row in rows] == [layer.name for layer in model.layers]
    assert [row.params for row in rows] == [layer.count_params() for layer in model.layers]
    assert [row.output_shape for row in rows] == [tuple(layer.output.shape[1:]) for layer in model.layers]
    # La cuenta escrita, hecha de verdad, da los parámetros.
    for row in rows:
        if row.arithmetic:
            left, right = row.arithmetic.replace("\u202f", "").split(" = ")
            assert eval(left.replace("×", "*")) == row.params == int(right.split(" (")[0])
        else:
            assert row.params == 0


@pytest.mark.parametrize("stack", ["same y pasos", "media global", "densa por posición"])
def test_macs_agree_with_the_flops_that_tensorflow_counts(stack):
    model = STACKS[stack]()
    counted = sum(row.macs for row in describe_layers(model))
    kinds = (layers.Conv2D, layers.Dense)
    by_hand = 0
    for layer in model.layers:
        if isinstance(layer, kinds):
            # Cada posición de la salida cuesta tantas multiplicaciones como pesos tiene un filtro o una unidad.
            kernel = layer.kernel.shape
            by_hand += int(np.prod(layer.output.shape[1:])) * int(np.prod(kernel[:-1]))
    assert counted == by_hand


def test_receptive_fields_of_other_stacks():
    fields = {
        name: [row.receptive_field for row in describe_layers(build())] for name, build in STACKS.items()
    }
    # 5 → 5 + 2·2 = 9 → (3, 1) con salto 4: 9 + 8 = 17 de alto y 9 de ancho → (2, 1): 17 + 4 = 21 de alto.
    assert fields["same y pasos"][:7] == [1, 5, 9, (17, 9), (17, 9), (17, 9), (21, 9)]
    assert fields["media global"] == [3, 5, 5, 6, 14, 14, None, None]
    assert fields["solo densas"] == [None, None, None]


def test_receptive_field_is_what_the_gradient_reaches():
    model = sequential(
        (40, 40, 1),
        layers.Conv2D(2, 3),
        layers.AveragePooling2D(2),
        layers.Conv2D(2, 3, strides=2),
        layers.Conv2D(1, 2),
    )
    x = tf.constant(np.random.default_rng(0).normal(size=(1, 40, 40, 1)), dtype="float32")
    with tf.GradientTape() as tape:
        tape.watch(x)
        one = model(x)[0, 3, 3, 0]
    reached = tape.gradient(one, x).numpy()[0, :, :, 0] != 0
    assert (
        reached.any(axis=1).sum() == reached.any(axis=0).sum() == describe_layers(model)[-1].receptive_field
    )


def test_functional_model_without_branches_is_described_too():
    inputs = keras.Input((32, 32, 3))
    outputs = layers.Dense(2)(layers.Flatten()(layers.Conv2D(4, 3)(inputs)))
    rows = describe_layers(keras.Model(inputs, outputs))
    assert [row.type for row in rows] == ["Conv2D", "Flatten", "Dense"]


def test_unknown_layers_and_unbuilt_models_are_explained():
    with pytest.raises(TypeError, match="clase RandomFlip. Sé contar: Conv2D"):
        describe_layers(sequential((8, 8, 3), layers.RandomFlip()))
    with pytest.raises(ValueError, match=r"keras\.Input"):
        describe_layers(keras.Sequential([layers.Dense(3)]))
    with pytest.raises(ValueError, match="tamaño fijo"):
        describe_layers(sequential((None, None, 3), layers.Conv2D(3, 3)))
    with pytest.raises(TypeError, match="canales primero"):
        describe_layers(sequential((3, 8, 8), layers.Flatten(data_format="channels_first")))


def test_a_count_that_disagrees_with_keras_is_an_error():
    class Conv2D(layers.Conv2D):
        def build(self, shape):
            super().build(shape)
            self.add_weight(shape=(5,), name="de_más")

    with pytest.raises(ValueError, match="901 parámetros según Keras y 896"):
        describe_layers(sequential((32, 32, 3), Conv2D(32, 3)))


def test_rows_are_frozen(rows):
    with pytest.raises(dataclasses.FrozenInstanceError):
        rows[0].params = 0
    assert isinstance(rows[0], LayerRow)


# --- layers_table -------------------------------------------------------------------------------------------


def test_table_has_spanish_header_and_totals(rows):
    lines = layers_table(rows).splitlines()
    assert lines[0].startswith("| Capa | Tipo | Salida | Parámetros |")
    assert len(lines) == 2 + 7 + 1
    assert len({line.count("|") for line in lines}) == 1
    assert "**315\u202f722**" in lines[-1]
    assert "**4\u202f188\u202f800**" in lines[-1]
    assert "| 30×30×32 |" in lines[2]
    assert "| 10×10 |" in lines[5]


def test_table_columns_can_be_chosen(rows):
    table = layers_table(rows, ("type", "hyperparameters"))
    assert table.splitlines()[0] == "| Tipo | Hiperparámetros |"
    assert "Total" not in table
    assert layers_table(rows, ("params",)).splitlines()[-1] == "| **315\u202f722** |"
    with pytest.raises(ValueError, match="Columnas desconocidas.*peso.*hyperparameters"):
        layers_table(rows, ("peso",))
    with pytest.raises(ValueError, match="Se puede elegir"):
        layers_table(rows, ())


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (2304, "2304"), (9999, "9999"), (10_000, "10\u202f000"), (4_188_800, "4\u202f188\u202f800")],
)
def test_integers_for_people(number, text):
    assert format_integer(number) == text


def test_summary_text_is_plain_and_keeps_every_number_of_keras(model):
    text = summary_text(model)
    lines = text.splitlines()
    assert lines[0] == 'Model: "red_de_la_tarea"'
    assert lines[2].split() == ["conv_1", "(Conv2D)", "(None,", "30,", "30,", "32)", "896"]
    assert len(lines) == 2 + 7 + 3
    assert lines[-3].startswith("Total params: 315,722")
    assert lines[-2].startswith("Trainable params: 315,722")
    assert lines[-1].startswith("Non-trainable params: 0")
    assert re.fullmatch(r"[ -~\n]+", text), "hay rayas o caracteres de control"


@pytest.mark.parametrize("columns", ["80", "200"])
def test_summary_text_does_not_depend_on_a_terminal_of_80_columns_or_more(model, monkeypatch, columns):
    expected = summary_text(model)
    monkeypatch.setenv("COLUMNS", columns)
    assert summary_text(model) == expected


# --- layer_activations --------------------------------------------------------------------------------------


def test_activations_have_one_entry_per_layer_in_order(model):
    x = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype="uint8")
    activations = layer_activations(model, x)
    assert list(activations) == ["conv_1", "pool_1", "conv_2", "pool_2", "flatten", "dense", "output"]
    assert [value.shape for value in activations.values()] == [
        (3, 30, 30, 32),
        (3, 15, 15, 32),
        (3, 13, 13, 64),
        (3, 6, 6, 64),
        (3, 2304),
        (3, 128),
        (3, 10),
    ]
    assert all(isinstance(value, np.ndarray) for value in activations.values())
    predicted = model.predict(x.astype("float32") / 255, verbose=0)
    np.testing.assert_allclose(activations["output"], predicted, atol=1e-6)
    assert (activations["conv_1"] >= 0).all()


def test_activations_of_one_image_and_without_dropout():
    model = build_cnn(dropout=0.9)
    x = np.random.default_rng(0).random((32, 32, 3), dtype="float32")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        activations = layer_activations(model, x)
    assert activations["conv_1"].shape == (1, 30, 30, 32)
    np.testing.assert_array_equal(activations["dropout"], activations["dense"])
    # En modo de uso la normalización por lotes usa sus medias guardadas: otra imagen al lado no cambia nada.
    model = build_cnn(batch_norm=True)
    pair = np.stack([x, 1 - x])
    np.testing.assert_allclose(
        layer_activations(model, pair)["output"][:1], layer_activations(model, x)["output"], atol=1e-6
    )


def test_activations_of_a_wrong_shape_are_explained(model):
    with pytest.raises(ValueError, match=r"\(32, 32, 3\).*recibió \(28, 28, 3\)"):
        layer_activations(model, np.zeros((28, 28, 3)))


# --- unused_input_mask --------------------------------------------------------------------------------------


def test_homework_network_never_sees_124_pixels(model):
    mask = unused_input_mask(model)
    assert mask.shape == (32, 32)
    assert mask.dtype == bool
    assert mask.sum() == 124
    expected = np.zeros((32, 32), dtype=bool)
    expected[30:, :] = expected[:, 30:] = True
    np.testing.assert_array_equal(mask, expected)
    np.testing.assert_array_equal(mask, ~used_by_gradient(model))


@pytest.mark.parametrize(
    "build",
    [
        lambda: build_cnn(input_shape=(31, 36, 1), filters=(4, 6), dense_units=16),
        lambda: build_cnn(
            input_shape=(44, 46, 1), filters=(4, 6, 8), pool_size=3, kernel_size=2, dense_units=16
        ),
        lambda: sequential(
            (21, 20, 1),
            layers.Conv2D(4, 2, strides=3),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.Dense(4),
        ),
        lambda: sequential(
            (21, 16, 1),
            layers.Conv2D(4, 3, strides=4, padding="same"),
            layers.MaxPooling2D(2, padding="same"),
            layers.GlobalAveragePooling2D(),
        ),
        lambda: sequential(
            (17, 17, 1), layers.Conv2D(4, 2, strides=1, dilation_rate=3), layers.AveragePooling2D(5)
        ),
        lambda: sequential((9, 9, 1), layers.Flatten(), layers.Dense(3)),
        lambda: sequential(
            (16, 16, 1),
            layers.Conv2D(4, 1, strides=(2, 3), padding="same"),
            layers.Flatten(),
            layers.Dense(3),
        ),
    ],
)
def test_mask_by_geometry_is_the_mask_by_gradient(build):
    keras.utils.set_random_seed(1)
    model = build()
    np.testing.assert_array_equal(unused_input_mask(model), ~used_by_gradient(model))


def test_padding_same_sees_everything():
    model = sequential(
        (32, 32, 3),
        layers.Conv2D(4, 3, padding="same"),
        layers.MaxPooling2D(),
        layers.Conv2D(4, 3, padding="same"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(3),
    )
    assert not unused_input_mask(model).any()


def test_mask_needs_images():
    with pytest.raises(ValueError, match="tiene que ser una imagen"):
        unused_input_mask(sequential((20,), layers.Dense(2)))
    with pytest.raises(TypeError, match="No sé contar"):
        unused_input_mask(sequential((8, 8, 3), layers.RandomFlip()))


# --- Sin TensorFlow -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["tensorflow", "keras"])
def test_without_tensorflow_the_import_says_what_to_do(missing, root):
    code = f"""
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "{missing}":
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocker())
import helpers.models
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert f"Falta el paquete «{missing}»" in last
    assert "pip install -r requirements.txt" in last


# --- La red compacta ------------------------------------------------------------------------------------------


def test_compact_network_spends_less_than_the_homework():
    model = build_compact_cnn()
    assert model.count_params() == 314_698 <= build_cnn().count_params()
    assert {type(layer).__name__ for layer in model.layers} == {
        "Conv2D", "MaxPooling2D", "BatchNormalization", "ReLU", "Flatten", "Dense"
    }  # fmt: skip
    assert model.get_layer("relu_7").output.shape == (None, 4, 4, 80)
    assert model(np.zeros((2, 32, 32, 3), "float32")).shape == (2, 10)


def test_compact_network_without_batch_norm_has_biases_and_with_average_head_no_flatten():
    plain = build_compact_cnn(batch_norm=False, head="average", filters=(4, 8), pool_after=(2,))
    assert all(layer.use_bias for layer in plain.layers if layer.name.startswith("conv"))
    assert plain.layers[-2].name == "global_average"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pool_after": (9,)}, "nombra la convolución 9 y solo hay 7"),
        ({"head": "suma"}, "head tiene que ser"),
        ({"input_shape": (4, 4, 3)}, "no admite 3 agrupaciones"),
    ],
)
def test_compact_network_says_what_is_wrong(arguments, message):
    with pytest.raises(ValueError, match=message):
        build_compact_cnn(**arguments)


# --- La red densa ---------------------------------------------------------------------------------------------


def test_dense_network_is_the_closest_one_without_more_parameters():
    homework = build_cnn().count_params()
    assert build_dense_network().count_params() == 314_476 <= homework
    assert build_dense_network(units=(103,)).count_params() > homework
    assert not any("conv" in layer.name for layer in build_dense_network().layers)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"units": ()}, "units tiene que ser un número de unidades por capa oculta"),
        ({"units": (0,)}, r"units\[0\] tiene que ser 1 o más"),
        ({"num_classes": 1}, "num_classes tiene que ser 2 o más"),
    ],
)
def test_dense_network_says_what_is_wrong(arguments, message):
    with pytest.raises(ValueError, match=message):
        build_dense_network(**arguments)
