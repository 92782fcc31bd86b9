"""El motor del navegador, comprobado contra Keras: el mismo engine.wasm de la página, a través de wasmtime.

La referencia de los gradientes es Keras en float64; al lado se imprime el error del propio Keras en float32.
"""

import base64
import functools
import gzip
import json
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
import wasmtime
from browsers import chromium

from helpers.engine import (
    WASM_PATH,
    Engine,
    build_model,
    describe,
    describe_cnn,
    describe_optimizer,
    encode,
    weight_shapes,
    worker_source,
)
from helpers.engine.build import SOURCES, ZIGLANG_VERSION, build_bytes
from helpers.engine.sources import FOLDER
from helpers.models import build_cnn, layer_activations
from helpers.web_export import export_sample, export_weights, load

ADAM = describe_optimizer(keras.optimizers.Adam(1e-3))
LAYERS = keras.layers


# --- Referencia ----------------------------------------------------------------------------------------------


class FixedMask(LAYERS.Layer):
    """Un Dropout cuya máscara se da desde fuera: sin azar, los dos lados calculan lo mismo."""

    def __init__(self, rate, **options):
        super().__init__(**options)
        self.rate, self.mask = rate, None

    def call(self, x, training=False):
        return x * tf.cast(self.mask / (1 - self.rate), x.dtype) if training else x


def copy_model(model, dtype):
    """El mismo modelo con otra precisión y con máscaras fijas en vez de Dropout."""

    def copy_layer(layer):
        if isinstance(layer, LAYERS.Dropout):
            return FixedMask(layer.rate, name=layer.name, dtype=dtype)
        return type(layer).from_config({**layer.get_config(), "dtype": dtype})

    copy = keras.models.clone_model(model, clone_function=copy_layer)
    copy.set_weights(model.get_weights())
    return copy


def set_masks(model, masks):
    for name, mask in masks.items():
        model.get_layer(name).mask = mask


def draw_masks(model, count, rng):
    return {
        layer.name: (rng.random((count, *layer.output.shape[1:])) >= layer.rate).astype(np.float32)
        for layer in model.layers
        if isinstance(layer, LAYERS.Dropout)
    }


def loss_and_gradients(model, x, y):
    with tf.GradientTape() as tape:
        probabilities = model(tf.cast(x, model.compute_dtype), training=True)
        loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, probabilities))
    return float(loss), tape.gradient(loss, model.trainable_variables)


def trainable(model, arrays):
    """De una lista en el orden de `get_weights()`, los que se entrenan."""
    chosen = {id(v) for v in model.trainable_variables}
    return [a for a, v in zip(arrays, model.weights, strict=True) if id(v) in chosen]


def relative_errors(found, exact):
    """Por peso: mayor diferencia entre el mayor gradiente. Donde el gradiente es cero por construcción (un sesgo justo antes de
    normalizar), se compara con el de la red entera."""
    exact = [np.asarray(g) for g in exact]
    largest = max(abs(g).max() for g in exact)
    errors = []
    for a, g in zip(found, exact, strict=True):
        scale = abs(g).max()
        errors.append(abs(np.asarray(a) - g).max() / (scale if scale > 1e-9 * largest else largest))
    return errors


def keras_optimizer_like(optimizer):
    rate = optimizer["learning_rate"]
    if optimizer["name"] == "adam":
        return keras.optimizers.Adam(rate)
    return keras.optimizers.SGD(rate, momentum=optimizer["momentum"])


def compare(model, count, rng, *, steps=10, optimizer=ADAM, x=None, y=None):
    """Compara una red con Keras; devuelve los errores medidos."""
    description = describe(model)
    engine = Engine(description, batch_size=count)
    engine.set_weights(model.get_weights())
    x = rng.random((count, *description["input_shape"]), dtype=np.float32) if x is None else x
    y = rng.integers(0, engine.num_classes, count) if y is None else y
    single, double = copy_model(model, "float32"), copy_model(model, "float64")
    result = {"probabilities": abs(engine.forward(x) - single(x).numpy()).max()}

    masks = draw_masks(model, count, rng)
    set_masks(single, masks)
    set_masks(double, masks)
    start = model.get_weights()
    loss, gradients = engine.loss_and_gradients(x, y, masks=masks)
    loss64, gradients64 = loss_and_gradients(double, x, y)
    _, gradients32 = loss_and_gradients(single, x, y)
    result["loss"] = abs(loss - loss64)
    result["gradients"] = max(relative_errors(trainable(double, gradients), gradients64))
    result["keras"] = max(relative_errors(gradients32, gradients64))

    engine.set_weights(start)  # las medias móviles han cambiado
    single.set_weights(start)
    keras_optimizer = keras_optimizer_like(optimizer)
    losses = []
    for _ in range(steps):
        masks = draw_masks(model, count, rng)
        set_masks(single, masks)
        expected, gradients = loss_and_gradients(single, x, y)
        keras_optimizer.apply(gradients, single.trainable_variables)
        losses.append(abs(engine.train_step(x, y, optimizer, masks=masks)[0] - expected))
    result["steps"] = max(losses, default=0.0)
    result["weights"] = max(
        (abs(a - b).max() for a, b in zip(engine.get_weights(), single.get_weights(), strict=True)), default=0
    )
    return result


def assert_same(result, label):
    print(
        f"{label:28} probabilidades {result['probabilities']:.1e} · gradientes {result['gradients']:.1e} "
        f"(Keras en float32: {result['keras']:.1e}) · diez pasos {result['steps']:.1e}"
    )
    assert result["probabilities"] < 2e-6, label
    assert result["loss"] < 1e-5, label
    assert result["gradients"] < 1e-5, label
    assert result["steps"] < 1e-4, label


# --- Contra Keras --------------------------------------------------------------------------------------------


def test_book_network(tiny_dataset):
    keras.utils.set_random_seed(0)
    x, y = tiny_dataset.x_train[:32] / np.float32(255), tiny_dataset.y_train[:32]
    assert_same(compare(build_cnn(), 32, np.random.default_rng(0), x=x, y=y), "red del libro")


def test_trained_book_network(root, sample_dataset):
    """Los pesos registrados, sobre imágenes de verdad, en lotes que no llenan el último."""
    model = build_cnn()
    model.load_weights(root / "book/results/baseline-fashion-s0.weights.h5")
    engine = Engine(describe(model), batch_size=64)
    engine.set_weights(model.get_weights())
    x, y = sample_dataset.x_test[:150] / np.float32(255), sample_dataset.y_test[:150]
    expected = model.predict(x, verbose=0)
    assert abs(engine.predict(x) - expected).max() < 2e-6
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    assert np.allclose(engine.evaluate(x, y), model.evaluate(x, y, verbose=0), atol=1e-5)


def distance_to_a_corner(model, x):
    """Lo que le falta a la red para cambiar de rama: la entrada de una ReLU más cercana a cero y el menor margen de un máximo."""
    values, distance = tf.cast(x, model.compute_dtype), np.inf
    for layer in model.layers:
        if isinstance(layer, LAYERS.ReLU):
            distance = min(distance, float(tf.reduce_min(abs(values))))
        if isinstance(layer, LAYERS.MaxPooling2D):
            n, height, width, channels = values.shape
            rows, columns = layer.pool_size
            windows = tf.reshape(values, (n, height // rows, rows, width // columns, columns, channels))
            windows = tf.reshape(tf.transpose(windows, (0, 1, 3, 5, 2, 4)), (-1, rows * columns))
            first, second = tf.unstack(tf.math.top_k(windows, 2).values, axis=1)
            gaps = (first - second)[first != 0]  # tras una ReLU, donde todo es cero da igual quién gane
            distance = min(distance, float(tf.reduce_min(gaps)))
        values = layer(values, training=True)
    return distance


def test_recorded_compact_network(root, sample_dataset):
    """`compact`, con los pesos y la descripción de su registro: al clasificar y al seguir entrenando.

    Una activación que cae a una millonésima de cero pasa la ReLU en un lado y no en el otro, y entonces el gradiente de dos
    cálculos correctos difiere en una milésima: le pasa a Keras en float32. Por eso los gradientes se comparan en el lote más
    lejos de eso, de quince al azar.
    """
    record = json.loads((root / "book/results/compact-s0.json").read_text(encoding="utf-8"))
    model = build_model(record["architecture"])
    model.load_weights(root / "book/results" / record["weights"]["file"])
    engine = Engine(record["architecture"], batch_size=32)
    engine.set_weights(model.get_weights())
    x = sample_dataset.x_test[:32] / np.float32(255)
    assert abs(engine.predict(x) - model.predict(x, verbose=0)).max() < 2e-6

    double = copy_model(model, "float64")

    def distance(seed):
        rng = np.random.default_rng(seed)
        images = rng.random((3, *model.input_shape[1:]), dtype=np.float32)
        rng.integers(0, 10, 3)  # `compare` sortea lo mismo y en el mismo orden
        set_masks(double, draw_masks(model, 3, rng))
        return distance_to_a_corner(double, images)

    distances = [distance(seed) for seed in range(15)]
    seed = int(np.argmax(distances))
    print(f"compact-s0, lote {seed}: ninguna activación a menos de {distances[seed]:.1e} de cambiar de rama")
    assert_same(compare(model, 3, np.random.default_rng(seed)), f"compact-s0, lote {seed}")


NETWORKS = {
    "normalización y dropout": ((10, 12, 3), lambda: build_cnn(
        input_shape=(18, 20, 3), filters=(6, 12), dense_units=20, batch_norm=True, dropout=0.3)),
    "compacta con media global": ((8,), lambda: keras.Sequential([
        keras.Input((12, 12, 3)),
        LAYERS.Conv2D(16, 3, padding="same", use_bias=False), LAYERS.BatchNormalization(), LAYERS.ReLU(),
        LAYERS.Conv2D(16, 3, padding="same", use_bias=False), LAYERS.BatchNormalization(), LAYERS.Activation("relu"),
        LAYERS.MaxPooling2D(2), LAYERS.Dropout(0.25),
        LAYERS.Conv2D(24, 3, padding="same", activation="relu"), LAYERS.MaxPooling2D(2),
        LAYERS.GlobalAveragePooling2D(), LAYERS.Dense(10, activation="softmax")])),
    "sin capa densa": ((6,), lambda: keras.Sequential([
        keras.Input((11, 7, 1)),
        LAYERS.Conv2D(5, (3, 2), activation="relu"), LAYERS.MaxPooling2D((3, 2), strides=2, padding="same"),
        LAYERS.Conv2D(9, (2, 2), padding="same"), LAYERS.MaxPooling2D(2, strides=1), LAYERS.Conv2D(10, 1),
        LAYERS.GlobalAveragePooling2D(), LAYERS.Softmax()])),
    "agrupación antes que nada": ((5,), lambda: keras.Sequential([
        keras.Input((9, 9, 2)),
        LAYERS.MaxPooling2D(2), LAYERS.BatchNormalization(scale=False), LAYERS.Flatten(),
        LAYERS.Dense(11, activation="relu"), LAYERS.BatchNormalization(center=False), LAYERS.Dropout(0.5),
        LAYERS.Dense(3), LAYERS.Activation("softmax")])),
    "regresión logística": ((4,), lambda: keras.Sequential([
        keras.Input((6, 5, 3)), LAYERS.Flatten(), LAYERS.Dense(7, use_bias=False, activation="softmax")])),
}  # fmt: skip


@pytest.mark.parametrize("label", NETWORKS)
def test_varied_networks(label):
    keras.utils.set_random_seed(1)
    counts, build = NETWORKS[label]
    assert_same(compare(build(), counts[0], np.random.default_rng(1)), label)


def random_architecture(rng):
    """Una red cualquiera de las que el motor sabe hacer."""
    pick = lambda *options: options[rng.integers(len(options))]  # noqa: E731
    shape = (int(rng.integers(7, 15)), int(rng.integers(7, 15)), pick(1, 2, 3, 4))
    side, layers = min(shape[:2]), [keras.Input(shape)]
    for _ in range(pick(1, 2, 3)):
        kernel, padding, normalize = pick(1, 3, 3), pick("valid", "same"), pick(True, False, False)
        if side < kernel:
            padding = "same"
        side -= (kernel - 1) * (padding == "valid")
        options = {"padding": padding, "use_bias": pick(True, True, False)}
        activation = "linear" if normalize else pick("relu", "relu", "linear")
        layers.append(LAYERS.Conv2D(int(rng.integers(3, 20)), kernel, activation=activation, **options))
        if normalize:
            layers += [LAYERS.BatchNormalization(), pick(LAYERS.ReLU(), LAYERS.Activation("relu"))]
        if pick(True, True, False) and side >= 3:
            size, stride, padding = *pick((2, 2), (2, 2), (3, 2)), pick("valid", "same")
            side = -(-side // stride) if padding == "same" else (side - size) // stride + 1
            layers.append(LAYERS.MaxPooling2D(size, stride, padding=padding))
        if pick(True, False, False):
            layers.append(LAYERS.Dropout(0.3))
    layers.append(pick(LAYERS.Flatten(), LAYERS.GlobalAveragePooling2D()))
    if pick(True, False):
        layers.append(LAYERS.Dense(int(rng.integers(5, 40)), activation="relu"))
        if pick(True, False):
            layers.append(LAYERS.Dropout(0.5))
    layers.append(LAYERS.Dense(int(rng.integers(2, 13)), activation="softmax"))
    return keras.Sequential(layers)


# Diez en cada `make test`; las cincuenta, en `make test-full`, que es lo que pasa CI.
@pytest.mark.parametrize(
    "seeds", [range(10), pytest.param(range(10, 50), marks=pytest.mark.completo)], ids=str
)
def test_fifty_random_architectures(seeds):
    worst = {}
    for seed in seeds:
        keras.utils.set_random_seed(seed)
        rng = np.random.default_rng(seed)
        model = random_architecture(rng)
        result = compare(model, int(rng.integers(3, 10)), rng)
        assert_same(result, f"red al azar {seed}")
        worst = {key: max(value, worst.get(key, 0)) for key, value in result.items()}
    print(f"la peor de {len(seeds)}:", {key: f"{value:.1e}" for key, value in worst.items()})


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd_as_keras(momentum):
    keras.utils.set_random_seed(2)
    sgd = describe_optimizer(keras.optimizers.SGD(0.05, momentum=momentum))
    assert sgd == {"name": "sgd", "learning_rate": pytest.approx(0.05), "momentum": momentum}
    model = build_cnn(input_shape=(14, 14, 1), filters=(4, 6), dense_units=8, batch_norm=True)
    result = compare(model, 8, np.random.default_rng(2), optimizer=sgd)
    assert_same(result, f"SGD, momento {momentum}")
    assert result["weights"] < 1e-5  # también las medias móviles


def test_adam_changes_the_weights_as_keras():
    keras.utils.set_random_seed(3)
    model = build_cnn(input_shape=(14, 14, 1), filters=(4, 6), dense_units=8)
    result = compare(model, 8, np.random.default_rng(3), steps=2)
    assert result["weights"] < 2e-6  # cada paso mueve los pesos 1e-3


def test_loss_comes_from_the_logits():
    """Con la clase correcta en probabilidad cero, −log(p) sería infinito o se cortaría en 16; Keras da 200."""
    model = keras.Sequential(
        [keras.Input((1, 1, 2)), LAYERS.Flatten(), LAYERS.Dense(2, activation="softmax")]
    )
    model.set_weights([np.eye(2, dtype=np.float32) * 100, np.zeros(2, np.float32)])
    engine = Engine(describe(model), batch_size=1)
    engine.set_weights(model.get_weights())
    x = np.array([[[[2.0, 0.0]]]], np.float32)
    loss, gradients = engine.loss_and_gradients(x, np.array([1]))
    assert loss == pytest.approx(200) == loss_and_gradients(model, x, np.array([1]))[0]
    assert np.allclose(gradients[1], [1, -1])


def test_activations_of_every_layer(tiny_dataset):
    model = build_cnn(batch_norm=True, filters=(4, 6), dense_units=9, dropout=0.5)
    x = tiny_dataset.x_test[:3] / np.float32(255)
    engine = Engine(describe(model), batch_size=3)
    engine.set_weights(model.get_weights())
    engine.forward(x)
    expected = layer_activations(model, x)
    for name, values in expected.items():
        found = engine.activations(name, 3)
        assert found.shape == values.shape and np.allclose(found, values, atol=1e-5), name
    with pytest.raises(ValueError, match="No hay ninguna capa «conv_9». Hay: conv_1"):
        engine.activations("conv_9")


# --- Dropout -------------------------------------------------------------------------------------------------


def test_dropout_is_seeded_and_scaled():
    model = keras.Sequential(
        [keras.Input((20, 20, 5)), LAYERS.Dropout(0.25, name="azar"), LAYERS.Flatten(), LAYERS.Dense(2, activation="softmax")]
    )  # fmt: skip

    def dropped(seed):
        engine = Engine(describe(model), batch_size=4, seed=seed)
        engine.forward(np.ones((4, 20, 20, 5), np.float32), training=True)
        return engine.activations("azar", 4)

    first = dropped(7)
    assert set(np.unique(first)) == {np.float32(0), np.float32(1 / 0.75)}
    assert abs((first == 0).mean() - 0.25) < 0.03
    assert (first == dropped(7)).all() and (first != dropped(8)).any()
    assert (first[0] != first[1]).any()


# --- Lo que no puede salir bien ------------------------------------------------------------------------------


def test_divergence_is_reported_and_changes_nothing():
    description = describe_cnn(input_shape=(10, 10, 1), filters=(3, 4), dense_units=5)
    engine = Engine(description, batch_size=4)
    engine.set_weights([np.full(shape, 1e30, np.float32) for _, shape in weight_shapes(description)])
    before = engine.get_weights()
    with pytest.raises(ArithmeticError, match="el entrenamiento diverge. Baja la tasa de aprendizaje"):
        engine.train_step(np.ones((4, 10, 10, 1), np.float32), np.zeros(4, int), ADAM)
    assert all((a == b).all() for a, b in zip(before, engine.get_weights(), strict=True))


@pytest.mark.parametrize("rate", [10.0, 1e20])
def test_too_high_a_learning_rate_never_hangs(rate, tiny_dataset):
    """Con una tasa de 10 la pérdida se dispara; con una desmedida deja de ser un número, y se dice."""
    keras.utils.set_random_seed(0)
    model = build_cnn(filters=(4, 6), dense_units=8)
    engine = Engine(describe(model))
    engine.set_weights(model.get_weights())
    x, y = tiny_dataset.x_train[:32] / np.float32(255), tiny_dataset.y_train[:32]
    optimizer = {"name": "sgd", "learning_rate": rate, "momentum": 0.9}
    losses = []
    try:
        losses = [engine.train_step(x, y, optimizer)[0] for _ in range(8)]
    except ArithmeticError:
        return
    assert rate == 10.0 and max(losses) > 3 * losses[0]


def test_out_of_memory_is_reported():
    description = describe_cnn(filters=(512, 1024), dense_units=4096)
    with pytest.raises(
        MemoryError, match="No hay memoria para esta red con lotes de 4096. Usa menos filtros"
    ):
        Engine(description, batch_size=4096)
    with pytest.raises(MemoryError, match="No hay memoria"):  # ni siquiera caben los pesos
        Engine(describe_cnn(dense_units=60_000, filters=(32, 60_000)), batch_size=1)


def changed(position, **changes):
    description = json.loads(json.dumps(describe_cnn(input_shape=(10, 10, 1), filters=(3, 4), dense_units=5)))
    if changes:
        description["layers"][position].update(changes)
    else:
        del description["layers"][position]
    return description


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({"version": 2, "layers": []}, "No es una descripción de red de la versión 1"),
        ({"version": 1, "input_shape": [8, 8, 1], "layers": []}, "tiene que acabar en una softmax"),
        (changed(0, type="LSTM"), "no tiene la capa 'LSTM'"),
        (changed(0, activation="gelu"), "no tiene la activación 'gelu' de la capa «conv_1». Tiene: linear, relu"),
        (changed(0, padding="causal"), "no tiene el relleno 'causal' de la capa «conv_1»"),
        (changed(0, filters=0), "La capa «conv_1» tiene un número que no vale"),
        (changed(0, filters=-3), "La capa «conv_1» tiene un número que no vale"),
        (changed(1, strides=[0, 2]), "La capa «pool_1» tiene un número que no vale"),
        (changed(0, kernel_size=[11, 3]), "La ventana de la capa «conv_1» es mayor que la imagen"),
        (changed(2, kernel_size=[5, 5]), "La ventana de la capa «conv_2» es mayor que la imagen"),
        (changed(4), "La capa «dense» necesita un vector y le llegan mapas. Pon Flatten"),
        (changed(0, type="Flatten"), "La capa «pool_1» necesita mapas"),
        (changed(5, activation="softmax"), "La softmax tiene que estar al final, y solo ahí; falla la capa «dense»"),
        (changed(6, activation="linear"), "tiene que acabar en una softmax"),
        (changed(4, type="Dropout", rate=1.5), "La capa «flatten» tiene un número que no vale"),
        (changed(4, type="Dropout", rate=float("nan")), "La capa «flatten» tiene un número que no vale"),
        (changed(4, type="BatchNormalization", momentum=0.9, epsilon=0.0, center=True, scale=True), "número que no vale"),
        ({**changed(6, units=3), "input_shape": [10, 0, 1]}, "tiene un número que no vale"),
        ({**changed(6, units=3), "layers": [{"type": "Activation", "name": "a", "activation": "relu"}] * 130
          + changed(6, units=3)["layers"][4:]}, "La red tiene 134 capas y el motor admite 128"),
    ],
)  # fmt: skip
def test_invalid_descriptions(description, message):
    with pytest.raises(ValueError, match=message):
        Engine(description, batch_size=2)


def sequential(*layers, shape=(8, 8, 2)):
    return keras.Sequential(
        [keras.Input(shape), *layers, LAYERS.Flatten(), LAYERS.Dense(3, activation="softmax")]
    )


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: sequential(LAYERS.SeparableConv2D(3, 3)), "no tiene la capa «.*», de la clase SeparableConv2D. Tiene: Conv2D"),
        (lambda: sequential(LAYERS.Conv2D(3, 3, strides=2, name="c")), r"strides=\(2, 2\) en la capa «c»"),
        (lambda: sequential(LAYERS.Conv2D(4, 3, groups=2, name="c")), "groups=2 en la capa «c»"),
        (lambda: sequential(LAYERS.Conv2D(4, 3, dilation_rate=2, name="c")), "dilation_rate"),
        (lambda: sequential(LAYERS.Conv2D(4, 3, activation="gelu", name="c")), "activación 'gelu' de la capa «c»"),
        (lambda: sequential(LAYERS.Conv2D(4, 3, kernel_regularizer="l2", name="c")), "kernel_regularizer"),
        (lambda: sequential(LAYERS.Conv2D(4, 3, dtype="float16", name="c")), "dtype='float16'"),
        (lambda: sequential(LAYERS.Conv2D(4, 3, trainable=False, name="c")), "trainable=False en la capa «c»"),
        (lambda: sequential(LAYERS.BatchNormalization(axis=1)), "axis=1"),
        (lambda: sequential(LAYERS.Dropout(0.5, noise_shape=(1, 1, 1, 2))), "noise_shape"),
        (lambda: sequential(LAYERS.ReLU(max_value=6)), "max_value=6"),
        (lambda: keras.Sequential([keras.Input((4, 4, 1)), LAYERS.Flatten(), LAYERS.Dense(3)]), "acabar en una softmax"),
        (lambda: keras.Sequential([LAYERS.Dense(3)]), "no conoce la forma de su entrada"),
        (lambda: keras.Sequential([keras.Input((4,)), LAYERS.Dense(3)]), r"una sola entrada de tamaño fijo .*\(4,\)"),
    ],
)  # fmt: skip
def test_models_the_engine_does_not_have(build, message):
    with pytest.raises(ValueError, match=message):
        describe(build())


def test_a_model_with_branches_is_rejected():
    start = keras.Input((6, 6, 2))
    a = LAYERS.Conv2D(3, 3, name="a")(start)
    b = LAYERS.Conv2D(3, 3, name="b")(start)
    end = LAYERS.Dense(2, activation="softmax")(LAYERS.Flatten()(LAYERS.Maximum()([a, b])))
    with pytest.raises(ValueError, match="solo sigue una fila de capas"):
        describe(keras.Model(start, end))


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        (keras.optimizers.RMSprop(), "tiene Adam y SGD; el optimizador es RMSprop"),
        (keras.optimizers.Adam(amsgrad=True), "no tiene estas opciones de Adam: amsgrad"),
        (keras.optimizers.SGD(momentum=0.9, nesterov=True), "nesterov"),
        (keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(1.0, 1, 0.5)), "tasa de aprendizaje fija"),
    ],
)  # fmt: skip
def test_optimizers_the_engine_does_not_have(optimizer, message):
    with pytest.raises(ValueError, match=message):
        describe_optimizer(optimizer)


def test_wrong_images_labels_and_weights():
    engine = Engine(describe_cnn(input_shape=(10, 10, 1), filters=(3, 4), dense_units=5), batch_size=2)
    images = np.zeros((2, 10, 10, 1), np.float32)
    with pytest.raises(ValueError, match=r"forma \(de 1 a 2, 10, 10, 1\); tienen \(3, 10, 10, 1\)"):
        engine.forward(np.zeros((3, 10, 10, 1)))
    with pytest.raises(ValueError, match="Las etiquetas deben ser 2 enteros de 0 a 9"):
        engine.loss_and_gradients(images, np.array([0, 10]))
    with pytest.raises(ValueError, match="Los pesos no son los de esta red"):
        engine.set_weights([np.zeros(3)])


# --- Descripción ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"dropout": 0.5, "filters": (8, 16, 32), "name": "otra"},
        {
            "batch_norm": True,
            "input_shape": (64, 48, 1),
            "kernel_size": 5,
            "pool_size": (3, 2),
            "num_classes": 4,
        },
    ],
)
def test_describe_cnn_is_describe_of_build_cnn(options):
    model = build_cnn(**options)
    description = describe(model)
    assert describe_cnn(**options) == description == json.loads(json.dumps(description))
    assert [shape for _, shape in weight_shapes(description)] == [w.shape for w in model.get_weights()]
    assert describe(build_model(description)) == description


def test_build_model_keeps_initializers():
    model = sequential(
        LAYERS.Conv2D(3, 3, kernel_initializer="he_normal", name="a"),
        LAYERS.Conv2D(3, 1, kernel_initializer="zeros", name="b"),
        LAYERS.Conv2D(3, 1, kernel_initializer="orthogonal", name="c"),
    )
    description = describe(model)
    he, zeros, unknown = (layer["kernel_initializer"] for layer in description["layers"][:3])
    assert he == {"scale": 2.0, "mode": "fan_in", "distribution": "truncated_normal"}
    assert zeros["scale"] == 0 and unknown is None
    rebuilt = build_model(description)
    assert isinstance(rebuilt.layers[0].kernel_initializer, keras.initializers.HeNormal)
    assert (rebuilt.get_weights()[2] == 0).all()


def test_imports_without_tensorflow_or_wasmtime(root):
    code = (
        "import sys; sys.modules['wasmtime'] = None; sys.modules['tensorflow'] = None; sys.modules['keras'] = None\n"
        "from helpers.engine import describe_cnn, encode, worker_source; encode(describe_cnn()); worker_source()\n"
        "try: from helpers.engine import Engine\n"
        "except ModuleNotFoundError as e: assert 'Falta wasmtime' in str(e), e\n"
        "else: raise SystemExit('debía fallar')"
    )
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)


# --- El archivo ----------------------------------------------------------------------------------------------


def test_wasm_needs_nothing_and_is_small():
    config = wasmtime.Config()
    config.wasm_relaxed_simd = False  # WebKit no lo acepta
    config.wasm_threads = False
    module = wasmtime.Module(wasmtime.Engine(config), WASM_PATH.read_bytes())
    assert list(module.imports) == []
    loader = (FOLDER / "engine.js").read_bytes()
    assert len(gzip.compress(WASM_PATH.read_bytes(), 9)) + len(gzip.compress(loader, 9)) < 20_000
    assert len(gzip.compress(worker_source().encode("utf-8"), 9)) < 24_000


def test_sources_listed_are_those_in_the_folder():
    assert sorted(SOURCES) == sorted(path.name for path in (FOLDER / "src").glob("*.c"))


def test_ziglang_is_pinned_once(root):
    assert f'motor = ["ziglang=={ZIGLANG_VERSION}"]' in (root / "pyproject.toml").read_text(encoding="utf-8")
    assert "ziglang" not in (root / "requirements.txt").read_text(encoding="utf-8")


@pytest.mark.completo
def test_wasm_is_rebuilt_byte_for_byte():
    assert build_bytes() == WASM_PATH.read_bytes()


# --- JavaScript ----------------------------------------------------------------------------------------------


def floats_to_js(array):
    data = base64.b64encode(np.ascontiguousarray(array, "<f4").tobytes()).decode("ascii")
    return f'new Float32Array(bytesFromBase64("{data}").buffer)'


def floats_from_js(text):
    return np.frombuffer(base64.b64decode(text), "<f4")


def run_javascript(files, body, tmp_path):
    """Ejecuta `body` (una función asíncrona que devuelve algo que cabe en JSON) tras los archivos del motor.

    En Node si lo hay y, si no, en Chromium: los archivos son scripts clásicos y valen en los dos.
    """
    scripts = "\n".join((FOLDER / name).read_text(encoding="utf-8") for name in files)
    if shutil.which("node"):
        path = tmp_path / "prueba.cjs"
        path.write_text(
            f"{scripts}\n(async () => {{ {body} }})().then((r) => console.log(JSON.stringify(r)), "
            "(e) => { console.error(e); process.exit(1); });",
            encoding="utf-8",
        )
        done = subprocess.run(["node", path], capture_output=True, encoding="utf-8", check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)
    with chromium() as browser:
        return browser.new_page().evaluate(f"(async () => {{ {scripts}\n{body} }})()")


@functools.cache
def wasm_to_js():
    return f'bytesFromBase64("{base64.b64encode(WASM_PATH.read_bytes()).decode("ascii")}")'


FLOATS_BACK = "const back = (a) => base64FromBytes(new Uint8Array(Float32Array.from(a).buffer));"


def test_twin_and_loader_agree_with_the_engine(tiny_dataset, tmp_path):
    """El gemelo, el cargador de la página y Python: mismos gradientes y misma pérdida en tres pasos de Adam."""
    keras.utils.set_random_seed(4)
    x, y = tiny_dataset.x_train[:6] / np.float32(255), tiny_dataset.y_train[:6]
    model = build_cnn()
    engine = Engine(describe(model), batch_size=6)
    engine.set_weights(model.get_weights())
    probabilities = engine.forward(x)
    loss, gradients = engine.loss_and_gradients(x, y)
    losses = [engine.train_step(x, y, ADAM)[0] for _ in range(3)]

    weights = ", ".join(floats_to_js(w) for w in model.get_weights())
    found = run_javascript(
        ("weights.js", "engine.js", "twin.js"),
        f"""{FLOATS_BACK}
        const weights = [{weights}], images = {floats_to_js(x)}, labels = Uint32Array.from({y.tolist()});
        const twin = new TwinNetwork(weights);
        const cache = twin.forward(images, labels);
        const engine = await Engine.create({wasm_to_js()}, {json.dumps(describe(model))}, {{ batchSize: 6 }});
        engine.setWeights(weights);
        const loaded = engine.forward(images);
        const adam = {{ name: "adam", learning_rate: 1e-3 }};
        const maps = engine.activations("pool_1", 2);
        return {{
          twin: back(cache.probabilities), loss: cache.loss, gradients: twin.backward(cache).map(back),
          twinLosses: [1, 2, 3].map(() => twin.trainStep(images, labels, 1e-3)),
          loader: back(loaded), maps: [maps.shape, back(maps.values)],
          loaderLosses: [1, 2, 3].map(() => engine.trainStep(images, labels, adam).loss),
          filters: engine.filters().shape, evaluation: engine.evaluate(images, labels),
        }};""",
        tmp_path,
    )
    assert (floats_from_js(found["loader"]).reshape(6, 10) == probabilities).all()  # el mismo wasm: ni un bit
    assert found["loaderLosses"] == losses
    assert abs(floats_from_js(found["twin"]).reshape(6, 10) - probabilities).max() < 2e-6
    assert found["loss"] == pytest.approx(loss, abs=1e-6)
    for twin, ours in zip(found["gradients"], gradients, strict=True):
        assert abs(floats_from_js(twin) - ours.ravel()).max() < 1e-5 * abs(ours).max()
    assert found["twinLosses"] == pytest.approx(losses, abs=1e-4)
    assert found["filters"] == [3, 3, 3, 32]
    shape, values = found["maps"]
    expected = layer_activations(model, x[2:3])["pool_1"]
    assert shape == [15, 15, 32] and np.allclose(floats_from_js(values), expected.ravel(), atol=1e-6)
    assert found["evaluation"]["loss"] == pytest.approx(engine.evaluate(x, y)[0])


def test_loader_encodes_as_python(tmp_path):
    descriptions = [describe_cnn(), *(describe(build()) for _, build in NETWORKS.values())]
    found = run_javascript(
        ("engine.js",),
        f"return {json.dumps(descriptions)}.map(encodeDescription)"
        ".map(({ words, last }) => [Array.from(words), last]);",
        tmp_path,
    )
    for description, (words, last) in zip(descriptions, found, strict=True):
        program = encode(description)
        assert np.array(words, np.uint32).tobytes() == program.words and tuple(last) == program.last


def test_loader_draws_weights_as_keras(tmp_path):
    model = sequential(
        LAYERS.Conv2D(30, 3, name="glorot"),
        LAYERS.BatchNormalization(),
        LAYERS.Conv2D(40, 3, kernel_initializer="he_normal", name="he"),
        shape=(9, 9, 8),
    )
    found = run_javascript(
        ("weights.js", "engine.js"),
        f"""{FLOATS_BACK}
        const engine = await Engine.create({wasm_to_js()}, {json.dumps(describe(model))});
        const draw = (seed, scheme) => (engine.initWeights(seed, scheme), engine.getWeights().map((w) => back(w.values)));
        return {{ a: draw(5), again: draw(5), other: draw(6), zeros: draw(5, "zeros"), names: engine.weightInfo.map((w) => w.name) }};""",
        tmp_path,
    )
    assert found["names"] == [name for name, _ in weight_shapes(describe(model))]
    assert found["a"] == found["again"] and found["a"] != found["other"]
    drawn = [floats_from_js(text) for text in found["a"]]
    for values, reference in zip(drawn, model.get_weights(), strict=True):
        assert values.size == reference.size and np.ptp(values) == pytest.approx(np.ptp(reference), rel=0.1)
        assert values.std() == pytest.approx(reference.std(), rel=0.05)
    kernels = [
        np.abs(floats_from_js(t)).max()
        for t, n in zip(found["zeros"], found["names"], strict=True)
        if "kernel" in n
    ]
    assert kernels == [0, 0, 0]


def test_loader_errors_are_in_spanish(tmp_path):
    small = describe_cnn(input_shape=(10, 10, 1), filters=(3, 4), dense_units=5)
    cases = {
        "layer": (changed(0, type="LSTM"), "{}", "de la clase LSTM"),
        "activation": (changed(0, activation="gelu"), "{}", "la activación «gelu» de la capa «conv_1»"),
        "padding": (changed(0, padding="causal"), "{}", "el relleno «causal»"),
        "softmax": (changed(6, activation="linear"), "{}", "acabar en una softmax"),
        "flat": (changed(4), "{}", "La capa «dense» necesita un vector y le llegan mapas"),
        "size": (changed(2, kernel_size=[5, 5]), "{}", "La ventana de la capa «conv_2»"),
        "memory": (describe_cnn(filters=(512, 1024), dense_units=4096), "{ batchSize: 4096 }", "No hay memoria para esta red"),
        "version": ({"version": 9}, "{}", "versión 1"),
    }  # fmt: skip
    attempts = "\n".join(
        f"out.{name} = await attempt(() => Engine.create(wasm, {json.dumps(description)}, {options}));"
        for name, (description, options, _) in cases.items()
    )
    found = run_javascript(
        ("weights.js", "engine.js"),
        f"""const wasm = {wasm_to_js()}, out = {{}};
        const attempt = async (job) => {{ try {{ await job(); return ["", "nada"]; }} catch (e) {{ return [e.code, e.message]; }} }};
        {attempts}
        out.unsupported = await attempt(() => Engine.create(new Uint8Array([0, 1, 2]), {json.dumps(small)}));
        const engine = await Engine.create(wasm, {json.dumps(small)}, {{ batchSize: 2 }});
        engine.initWeights(1);
        const images = new Float32Array(200), adam = {{ name: "adam", learning_rate: 1e-3 }};
        out.images = await attempt(() => engine.forward(new Float32Array(101)));
        out.labels = await attempt(() => engine.trainStep(images, [0, 10], adam));
        out.optimizer = await attempt(() => engine.trainStep(images, [0, 1], {{ name: "adagrad" }}));
        out.weights = await attempt(() => engine.setWeights([images]));
        out.name = await attempt(() => engine.activations("conv_7"));
        engine.setWeights(engine.getWeights().map((w) => w.values.fill(1e30)));
        out.diverged = await attempt(() => engine.trainStep(images.fill(1), [0, 1], adam));
        return out;""",
        tmp_path,
    )
    cases = {name: text for name, (_, _, text) in cases.items()} | {
        "unsupported": "anterior a WebAssembly con SIMD",
        "images": "de 1 a 2 imágenes de 100 valores y llegan 101",
        "labels": "Las etiquetas deben ser 2 enteros de 0 a 9",
        "optimizer": "los optimizadores adam y sgd, no «adagrad»",
        "weights": "Los pesos no son los de esta red",
        "name": "No hay ninguna capa «conv_7»",
        "diverged": "el entrenamiento diverge. Baja la tasa de aprendizaje",
    }
    assert set(found) == set(cases)
    for name, text in cases.items():
        assert text in found[name][1], (name, found[name])
    assert (
        found["memory"][0] == "memory"
        and found["diverged"][0] == "diverged"
        and found["flat"][0] == "description"
    )


# --- En el navegador, desde disco ----------------------------------------------------------------------------

PAGE = """<!doctype html><meta charset="utf-8"><script>
const worker = new Worker(URL.createObjectURL(new Blob([%s], { type: "text/javascript" })));
const received = [];
const waiting = [];
worker.onmessage = ({ data }) => {
  received.push(data);
  for (const w of [...waiting]) if (w.test(data)) { waiting.splice(waiting.indexOf(w), 1); w.done(data); }
};
worker.onerror = (e) => received.push({ type: "worker-error", message: e.message });
const until = (test) => new Promise((done) => waiting.push({ test, done }));
const ask = (message, type) => { const answer = until((m) => m.type === type || m.type === "error"); worker.postMessage(message); return answer; };
</script>"""


@pytest.fixture(scope="module")
def lab_page(tmp_path_factory):
    """Una página abierta desde disco con el *Worker* del motor dentro."""
    path = tmp_path_factory.mktemp("laboratorio") / "pagina.html"
    path.write_text(PAGE % json.dumps(worker_source()).replace("</", "<\\/"), encoding="utf-8")
    with chromium() as browser:
        page = browser.new_page()
        page.goto(path.as_uri())
        yield page


@pytest.mark.navegador
def test_trains_in_a_worker_from_disk(lab_page, sample_dataset):
    """Tres épocas: aprende, avisa, se detiene y sigue, y con la misma semilla repite las mismas cifras."""
    part = lambda x, y, n: {"images": base64.b64encode(x[:n].tobytes()).decode(), "labels": y[:n].tolist()}  # noqa: E731
    data = {
        "train": part(sample_dataset.x_train, sample_dataset.y_train, 400),
        "validation": part(sample_dataset.x_val, sample_dataset.y_val, 100),
    }
    description = describe_cnn(filters=(8, 16), dense_units=32, dropout=0.2)
    found = lab_page.evaluate(
        """async ([data, description]) => {
          const unpack = ({ images, labels }) => ({ images: Uint8Array.from(atob(images), (c) => c.charCodeAt(0)), labels: Uint8Array.from(labels) });
          const train = unpack(data.train), validation = unpack(data.validation), out = {};
          // Llega antes de que haya red: espera su turno en la cola.
          worker.postMessage({ type: "data", train, validation });
          worker.postMessage({ type: "build", description, seed: 3 });
          out.early = await ask({ type: "infer", id: 1, images: train.images.slice(0, 3072), activations: true }, "inference");
          const optimizer = { name: "adam", learning_rate: 2e-3 };
          const run = async (augmentation) => {
            await ask({ type: "reset", seed: 3 }, "ready");
            const from = received.length;
            await ask({ type: "train", epochs: 3, optimizer, seed: 5, augmentation }, "done");
            return received.slice(from).filter((m) => m.type === "epoch").map((m) => [m.loss, m.accuracy, m.validationLoss, m.validationAccuracy]);
          };
          out.first = await run(null);
          out.again = await run(null);
          out.augmented = await run({ flip: true, shift: 2 });
          await ask({ type: "reset", seed: 3 }, "ready");
          const from = received.length;
          const done = until((m) => m.type === "done");
          worker.postMessage({ type: "train", epochs: 3, optimizer, seed: 5 });
          out.stopped = await ask({ type: "stop" }, "stopped");
          out.during = await ask({ type: "infer", id: 2, images: train.images.slice(0, 3072) }, "inference");
          await new Promise((r) => setTimeout(r, 150));
          out.quiet = received.slice(from).every((m) => m.type !== "epoch" || m.epoch < 3);
          worker.postMessage({ type: "continue" });
          await done;
          out.continued = received.slice(from).filter((m) => m.type === "epoch").map((m) => [m.loss, m.accuracy, m.validationLoss, m.validationAccuracy]);
          out.filters = received.filter((m) => m.type === "epoch").at(-1).filters.shape;
          out.weights = (await ask({ type: "weights", id: 4 }, "weights")).weights.map((w) => [w.name, w.shape]);
          out.evaluation = await ask({ type: "evaluate", id: 5, part: "validation" }, "evaluation");
          out.errors = received.filter((m) => m.type.includes("error"));
          return out;
        }""",
        [data, description],
    )
    assert found["errors"] == []
    losses, accuracies = [epoch[0] for epoch in found["first"]], [epoch[3] for epoch in found["first"]]
    assert len(losses) == 3 and losses[2] < 0.75 * losses[0] and accuracies[2] > 0.5
    assert found["first"] == found["again"] == found["continued"]  # detenerse no cambia nada
    assert found["augmented"] != found["first"] and found["augmented"][2][0] < 2.3
    assert found["stopped"]["type"] == "stopped" and found["quiet"]
    assert found["during"]["id"] == 2 and len(found["early"]["activations"]) == len(description["layers"])
    assert found["filters"] == [3, 3, 3, 8] and len(found["weights"]) == 8
    assert found["evaluation"]["accuracy"] == found["continued"][2][3]


@pytest.mark.navegador
def test_worker_opens_and_saves_files(lab_page, root, sample_dataset, tmp_path):
    """Abre los pesos registrados y la muestra, clasifica como Keras, y lo que guarda se abre en Python."""
    recorded = root / "book/results/baseline-fashion-s0.weights.h5"
    lab_page.add_script_tag(
        content=export_weights(recorded, describe_cnn(), class_names=sample_dataset.class_names)
    )
    lab_page.add_script_tag(content=export_sample(sample_dataset, n_train=10, n_val=30))
    found = lab_page.evaluate(
        """async () => {
          const file = cnnFiles["baseline-fashion-s0"], out = {};
          const sample = await ask({ type: "sample", id: 1, file: cnnFiles.fashion_mnist, label: "muestra.js" }, "sample");
          out.ready = (await ask({ type: "build", file, label: "pesos.js" }, "ready")).classNames;
          const { images, labels } = sample.parts.validation;
          out.images = btoa(String.fromCharCode(...images.slice(0, 20 * 3072)));
          const answer = await ask({ type: "infer", id: 2, images: images.slice(0, 20 * 3072) }, "inference");
          out.probabilities = Array.from(answer.probabilities);
          out.text = (await ask({ type: "export", id: 3, name: "mía", classNames: sample.classNames }, "export")).text;
          const damaged = { ...file, data: file.data.slice(0, -8) + "AAAAAAAA" };
          out.damaged = await ask({ type: "build", file: damaged, label: "pesos.js" }, "error");
          return out;
        }"""
    )
    assert tuple(found["ready"]) == sample_dataset.class_names
    assert found["damaged"]["code"] == "file" and "«pesos.js» está dañado" in found["damaged"]["message"]
    path = tmp_path / "mia.json"
    path.write_text(found["text"], encoding="utf-8")
    x = np.frombuffer(base64.b64decode(found["images"]), np.uint8).reshape(20, 32, 32, 3) / np.float32(255)
    expected = load(path).predict(x, verbose=0)
    assert abs(np.reshape(found["probabilities"], (20, 10)) - expected).max() < 2e-6


@pytest.mark.navegador
def test_worker_reports_what_goes_wrong(lab_page):
    small = describe_cnn(input_shape=(10, 10, 1), filters=(3, 4), dense_units=5)
    huge = describe_cnn(filters=(512, 1024), dense_units=4096)
    found = lab_page.evaluate(
        """async ([small, huge]) => {
          const out = {}, images = new Uint8Array(400).fill(200), labels = Uint8Array.from([0, 1, 2, 3]);
          const fail = (message) => ask(message, "error");
          out.order = await fail({ type: "bailar" });
          worker.postMessage({ type: "data", train: { images: new Uint8Array(0), labels: new Uint8Array(0) } });
          out.memory = await fail({ type: "build", description: huge, batchSize: 4096 });
          out.early = await fail({ type: "infer", id: 7, images });
          await ask({ type: "build", description: small, batchSize: 4 }, "ready");
          out.data = await fail({ type: "train", epochs: 1, optimizer: { name: "adam", learning_rate: 1e-3 } });
          worker.postMessage({ type: "data", train: { images, labels } });
          out.rate = await fail({ type: "train", epochs: 1, batchSize: 4, optimizer: { name: "adam", learning_rate: NaN } });
          out.batch = await fail({ type: "train", epochs: 1, batchSize: 64, optimizer: { name: "adam", learning_rate: 1e-3 } });
          out.image = await fail({ type: "infer", id: 8, images: images.slice(0, 99) });
          out.part = await fail({ type: "evaluate", id: 9, part: "validation" });
          out.diverged = await ask({ type: "train", epochs: 50, batchSize: 4, optimizer: { name: "sgd", learning_rate: 1e25 } }, "diverged");
          // Y después de todo, sigue viva.
          await ask({ type: "reset", seed: 1 }, "ready");
          out.alive = await ask({ type: "infer", id: 10, images: images.slice(0, 100) }, "inference");
          return out;
        }""",
        [small, huge],
    )
    messages = {name: answer.get("message") for name, answer in found.items()}
    for name, text in {
        "order": "no entiende el mensaje «bailar»",
        "memory": "No hay memoria para esta red",
        "early": "Todavía no hay ninguna red",
        "data": "No hay imágenes de entrenamiento",
        "rate": "La tasa de aprendizaje tiene que ser un número positivo",
        "batch": "El lote tiene que estar entre 1 y 4",
        "image": "imágenes de 100 valores y llegan 99",
        "part": "No hay imágenes en la parte «validation»",
        "diverged": "el entrenamiento diverge. Baja la tasa de aprendizaje",
    }.items():
        assert text in messages[name], (name, messages[name])
    assert found["memory"]["code"] == "memory" and found["early"]["id"] == 7
    assert found["diverged"]["type"] == "diverged" and found["alive"]["type"] == "inference"
