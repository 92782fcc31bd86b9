"""Pruebas de `helpers.training`: etiquetas, semillas, mejor época, paradas y mensajes."""

import json
import math
import os
import re
import subprocess
import sys
import threading
import types
import warnings
from pathlib import Path

import numpy as np
import pytest

from helpers import training
from helpers._keras import keras
from helpers.data import one_hot
from helpers.training import (
    SpeedReport,
    Stopper,
    TrainingResult,
    TrainingSpeed,
    compile_model,
    is_watched,
    labels_for,
    measure_speed,
    train,
)

CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


def small_network(seed=0, *, dropout=0.0, learning_rate=1e-2, compiled=True):
    """Red de una convolución, para que cada entrenamiento dure un instante."""
    keras.utils.set_random_seed(seed)
    layers = [
        keras.Input(shape=(32, 32, 3)),
        keras.layers.MaxPooling2D(4),
        keras.layers.Conv2D(4, 3, activation="relu"),
        keras.layers.Flatten(),
    ]
    if dropout:
        layers.append(keras.layers.Dropout(dropout))
    layers.append(keras.layers.Dense(10, activation="softmax"))
    model = keras.Sequential(layers)
    return compile_model(model, learning_rate=learning_rate) if compiled else model


@pytest.fixture
def data(tiny_dataset):
    d = tiny_dataset
    return types.SimpleNamespace(x=d.x_train, y=d.y_train, val=(d.x_val, d.y_val))


# --- Compilar -----------------------------------------------------------------------------------------------


def test_compile_model_names_loss_and_metrics(data):
    model = small_network()
    assert model.loss == "categorical_crossentropy"
    result = train(model, data.x, data.y, validation_data=data.val, epochs=1, verbose=False)
    names = {"loss", "accuracy", "precision", "recall"}
    assert set(result.history) == names | {f"val_{name}" for name in names}


def test_compile_model_returns_the_model_untrained():
    model = small_network(compiled=False)
    before = model.get_weights()
    assert compile_model(model, learning_rate=0.25, optimizer="SGD") is model
    assert isinstance(model.optimizer, keras.optimizers.SGD)
    assert float(model.optimizer.learning_rate) == 0.25
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_compile_model_accepts_a_built_optimizer():
    optimizer = keras.optimizers.SGD(0.5, momentum=0.9)
    model = compile_model(small_network(compiled=False), optimizer=optimizer)
    assert model.optimizer is optimizer
    assert float(model.optimizer.learning_rate) == 0.5


@pytest.mark.parametrize("rate", [0, -0.1, math.nan, math.inf, "0.1", None])
def test_bad_learning_rate(rate):
    with pytest.raises(ValueError, match="tasa de aprendizaje debe ser un número mayor que cero"):
        compile_model(small_network(compiled=False), learning_rate=rate)


def test_unknown_optimizer():
    with pytest.raises(ValueError, match="ningún optimizador llamado «adán»"):
        compile_model(small_network(compiled=False), optimizer="adán")


# K05
def test_labels_and_loss_come_from_the_same_place():
    assert labels_for(small_network(compiled=False)) == ("categorical_crossentropy", 10)


def test_output_must_be_a_softmax():
    head = [keras.Input(shape=(4, 4, 3)), keras.layers.Flatten()]
    with pytest.raises(ValueError, match="dos clases o más"):
        compile_model(keras.Sequential([*head, keras.layers.Dense(1, activation="sigmoid")]))
    with pytest.raises(ValueError, match="tras Flatten"):
        compile_model(keras.Sequential([head[0], keras.layers.Dense(10, activation="softmax")]))
    with pytest.raises(ValueError, match="activación «linear»"):
        compile_model(keras.Sequential([*head, keras.layers.Dense(10)]))
    for last in (keras.layers.Activation("softmax"), keras.layers.Softmax()):
        assert compile_model(keras.Sequential([*head, keras.layers.Dense(10), last])).compiled


def test_a_network_without_input_is_explained():
    with pytest.raises(ValueError, match=r"Empieza con keras\.Input"):
        compile_model(
            keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax")])
        )


# --- Etiquetas, semillas y datos ----------------------------------------------------------------------------


# K06
def test_three_label_formats_give_the_same_training(data):
    x_val, y_val = data.val
    results = [
        train(
            small_network(),
            data.x,
            make(data.y),
            validation_data=(x_val, make(y_val)),
            epochs=2,
            verbose=False,
        )
        for make in (lambda y: y, lambda y: y[:, None], lambda y: one_hot(y, 10))
    ]
    assert results[0].history == results[1].history == results[2].history


def test_float_images_train_like_uint8(data):
    as_uint8 = train(small_network(), data.x, data.y, epochs=1, verbose=False)
    as_float = train(small_network(), (data.x / 255).astype("float32"), data.y, epochs=1, verbose=False)
    np.testing.assert_allclose(as_uint8.history["loss"], as_float.history["loss"], rtol=1e-5)


def test_same_seed_is_bit_equal_in_the_same_process(data):
    runs = []
    for _ in range(2):
        model = small_network(3, dropout=0.3)
        history = train(
            model, data.x, data.y, validation_data=data.val, epochs=2, seed=7, verbose=False
        ).history
        runs.append((history, model.get_weights()))
    assert runs[0][0] == runs[1][0]
    assert all(np.array_equal(a, b) for a, b in zip(runs[0][1], runs[1][1], strict=True))


# K10
def test_same_seed_is_bit_equal_in_another_process(root):
    code = (
        "import json; from helpers.data import load_dataset, subset\n"
        "from helpers.models import build_cnn; from helpers.training import compile_model, train\n"
        "import keras; d = subset(load_dataset(), 200, 100, 100); keras.utils.set_random_seed(1)\n"
        "model = compile_model(build_cnn(filters=(4, 4), dense_units=8, dropout=0.25))\n"
        "r = train(model, d.x_train, d.y_train, validation_data=(d.x_val, d.y_val), epochs=2, seed=1)\n"
        "print(json.dumps(r.history))"
    )
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=True,
        )
        for _ in range(2)
    ]
    assert runs[0].stdout == runs[1].stdout
    assert set(json.loads(runs[0].stdout.splitlines()[-1])) >= {"loss", "val_loss"}
    assert runs[0].stderr == runs[1].stderr == "", "el entrenamiento no debe escribir en stderr"


def test_another_seed_changes_the_order(data):
    losses = [
        train(small_network(), data.x, data.y, epochs=1, seed=seed, verbose=False).history["loss"]
        for seed in (0, 1)
    ]
    assert losses[0] != losses[1]


def test_train_leaves_global_randomness_alone(data):
    np.random.seed(5)
    expected = np.random.random()
    model = small_network()
    np.random.seed(5)
    train(model, data.x, data.y, epochs=1, verbose=False)
    assert np.random.random() == expected


def test_augmentation_touches_only_the_training_images(data):
    def darken(batch):
        return batch * 0.0

    common = dict(validation_data=data.val, epochs=1, reevaluate_train=True, verbose=False)
    model = small_network(learning_rate=1e-12)  # los pesos no cambian: toda diferencia viene de las imágenes
    plain = train(model, data.x, data.y, **common).history
    dark = train(model, data.x, data.y, augment=darken, **common).history
    assert plain["loss"] != pytest.approx(dark["loss"], rel=1e-3)
    assert dark["loss"] == pytest.approx([math.log(10)], rel=1e-3)  # sin imagen, las diez clases empatan
    assert plain["val_loss"] == pytest.approx(dark["val_loss"], rel=1e-5)
    assert plain["train_eval_loss"] == pytest.approx(dark["train_eval_loss"], rel=1e-5)


# --- Mejor época, reevaluación y resultado ------------------------------------------------------------------


def overfit(data, **options):
    """Con etiquetas barajadas la pérdida de validación empeora pronto: la mejor época no es la última."""
    y = np.random.default_rng(0).permutation(data.y)
    model = small_network(learning_rate=0.03)
    return model, train(model, data.x, y, validation_data=data.val, epochs=5, **options)


def test_best_weights_are_restored(data):
    model, result = overfit(data, verbose=False)
    losses = result.history["val_loss"]
    assert result.best_epoch == int(np.argmin(losses)) + 1 < 5
    x_val, y_val = data.val
    measured = model.evaluate(x_val / np.float32(255), one_hot(y_val, 10), verbose=0, return_dict=True)
    for name in ("loss", "accuracy", "precision", "recall"):
        expected = result.history[f"val_{name}"][result.best_epoch - 1]
        assert measured[name] == pytest.approx(expected, rel=1e-5)
    assert measured["loss"] != pytest.approx(losses[-1], rel=1e-3)


def test_keep_best_off_leaves_the_last_weights(data):
    model, result = overfit(data, keep_best=False, verbose=False)
    x_val, y_val = data.val
    loss = model.evaluate(x_val / np.float32(255), one_hot(y_val, 10), verbose=0, return_dict=True)["loss"]
    assert loss == pytest.approx(result.history["val_loss"][-1], rel=1e-5)
    assert result.best_epoch == int(np.argmin(result.history["val_loss"])) + 1


def test_reevaluated_metrics_equal_evaluate(data):
    model = small_network(dropout=0.5)
    result = train(model, data.x, data.y, epochs=2, reevaluate_train=True, verbose=False)
    measured = model.evaluate(data.x / np.float32(255), one_hot(data.y, 10), verbose=0, return_dict=True)
    for name, value in measured.items():
        assert result.history[f"train_eval_{name}"][-1] == pytest.approx(value, rel=1e-5)
    assert len(result.history["train_eval_loss"]) == 2
    assert result.history["train_eval_loss"][-1] != pytest.approx(result.history["loss"][-1], rel=1e-3)


def test_result_quacks_like_history(data):
    result = train(small_network(), data.x, data.y, epochs=2, seed=4, batch_size=64, verbose=False)
    assert isinstance(result, TrainingResult)
    assert result.epoch == [0, 1] and result.epochs == 2
    assert (result.batch_size, result.seed, result.stopped) == (64, 4, "")
    assert result.best_epoch is None and result.seconds > 0
    assert all(isinstance(value, float) for values in result.history.values() for value in values)
    assert not any(name.startswith("val_") for name in result.history)
    assert repr(result) == "<Entrenamiento: 2 épocas, sin validación>"


def test_a_single_epoch(data):
    result = train(small_network(), data.x, data.y, validation_data=data.val, epochs=1, verbose=False)
    assert result.best_epoch == 1 and len(result.history["loss"]) == 1
    assert repr(result) == "<Entrenamiento: 1 época, mejor época 1>"


def test_works_with_a_plain_keras_compile(data):
    model = small_network(compiled=False)
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    result = train(model, data.x, data.y, epochs=1, verbose=False)
    assert set(result.history) == {"loss", "accuracy"}


# --- Lo que se ve -------------------------------------------------------------------------------------------


def test_lines_are_spanish_and_plain(data, capfd):
    train(small_network(), data.x, data.y, validation_data=data.val, epochs=2, reevaluate_train=True)
    out, err = capfd.readouterr()
    assert err == ""
    assert not CONTROL.search(out)
    number = r"\d+\.\d{3}"
    pair = rf"pérdida {number}, exactitud {number}"
    lines = out.splitlines()
    assert len(lines) == 3
    for epoch, line in enumerate(lines[:2], start=1):
        assert re.fullmatch(
            rf"época {epoch}/2 · {pair.replace(', ', ' · ')} · al final: {pair} · validación: {pair}",
            line,
        )
    assert re.fullmatch(
        r"La red se queda con los pesos de la época \d, la de menor pérdida de validación\.", lines[2]
    )


def test_lines_without_validation_and_with_two_digits():
    line = training._epoch_line({"loss": [2.0, 0.8123], "accuracy": [0.1, 0.7]}, 2, 12)
    assert line == "época  2/12 · pérdida 0.812 · exactitud 0.700"


def test_verbose_false_says_nothing(data, capfd):
    train(small_network(), data.x, data.y, validation_data=data.val, epochs=1, verbose=False)
    assert capfd.readouterr() == ("", "")


def test_no_warnings(data):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(
            small_network(),
            data.x,
            data.y,
            validation_data=data.val,
            epochs=1,
            reevaluate_train=True,
            verbose=False,
        )


def fake_shell(monkeypatch, *, allow_stdin):
    """Pone en `get_ipython()` un kernel cuya celda viene, o no, de alguien que puede contestar."""
    kernel = types.SimpleNamespace(get_parent=lambda channel: {"content": {"allow_stdin": allow_stdin}})
    monkeypatch.setattr("IPython.get_ipython", lambda: types.SimpleNamespace(kernel=kernel))
    monkeypatch.delenv(training.NO_CURVES_VARIABLE, raising=False)


def test_nobody_watches_pytest(monkeypatch):
    monkeypatch.delenv(training.NO_CURVES_VARIABLE, raising=False)
    assert not is_watched()


def test_who_watches(monkeypatch):
    fake_shell(monkeypatch, allow_stdin=True)
    assert is_watched()
    monkeypatch.setenv(training.NO_CURVES_VARIABLE, "1")
    assert not is_watched()
    fake_shell(monkeypatch, allow_stdin=False)
    assert not is_watched()


def test_a_real_kernel_tells_who_watches(monkeypatch):
    """Un cuaderno abierto por una persona acepta `input()`; nbclient y nbval dicen que no."""
    from jupyter_client.manager import start_new_kernel

    monkeypatch.delenv(training.NO_CURVES_VARIABLE, raising=False)
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(Path(__file__).parent.parent))
    try:
        code = "from helpers.training import is_watched; print(is_watched())"
        for person in (True, False):
            printed = []
            client.execute_interactive(
                code,
                allow_stdin=person,
                stdin_hook=lambda message: None,
                output_hook=lambda message, printed=printed: printed.append(
                    message["content"].get("text", "")
                ),
                timeout=120,
            )
            assert "".join(printed).strip() == str(person)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.mark.parametrize("watched", [True, False])
def test_live_curves_are_one_figure_updated_in_place(data, monkeypatch, watched):
    shown, updated = [], []

    def display(figure, display_id):
        shown.append(figure)
        return types.SimpleNamespace(update=updated.append)

    fake_shell(monkeypatch, allow_stdin=watched)
    monkeypatch.setattr("IPython.display.display", display)
    train(small_network(), data.x, data.y, validation_data=data.val, epochs=3, live=True, verbose=False)
    assert (len(shown), len(updated)) == ((1, 2) if watched else (0, 0))


# --- Paradas ------------------------------------------------------------------------------------------------


class Poison(keras.callbacks.Callback):
    """Al empezar la tercera época, la red deja de dar números."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            self.model.layers[-1].bias.assign(np.full(10, np.nan))


def test_nan_loss_stops_and_keeps_the_best_epoch(data, capfd):
    model = small_network()
    result = train(model, data.x, data.y, validation_data=data.val, epochs=9, callbacks=[Poison()])
    assert "dejó de ser un número en la época 3, lote 1" in result.stopped and result.epochs == 3
    assert [math.isnan(value) for value in result.history["loss"]] == [False, False, True]
    assert math.isnan(result.history["val_loss"][-1]) and result.best_epoch in (1, 2)
    assert f"los pesos de la época {result.best_epoch}" in result.stopped
    assert all(np.isfinite(weights).all() for weights in model.get_weights())
    out, err = capfd.readouterr()
    assert out.rstrip().endswith(result.stopped) and err == ""
    assert not CONTROL.search(out)


def test_huge_learning_rate_is_told_by_its_name(data):
    model = small_network(compiled=False)
    compile_model(model, learning_rate=1e30, optimizer="sgd")
    result = train(model, data.x, data.y, epochs=3, verbose=False)
    assert "tasa de aprendizaje (1e+30) es demasiado alta" in result.stopped
    assert "construye la red de nuevo" in result.stopped
    assert result.epochs == 1 and not math.isfinite(result.history["loss"][-1])


def test_stopper_stops_between_batches_from_another_thread(data, capfd):
    stopper, batches = Stopper(), []

    class Count(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            batches.append(batch)
            if len(batches) == 10:
                stopper.request()

    box = []
    model = small_network()
    thread = threading.Thread(
        target=lambda: box.append(
            train(model, data.x, data.y, validation_data=data.val, epochs=50, callbacks=[Count(), stopper])
        )
    )
    thread.start()
    thread.join(timeout=120)
    assert not thread.is_alive()
    (result,) = box
    assert len(batches) == 10 and result.epochs == 2
    assert stopper.requested and "Detenido a petición en la época 2 de 50" in result.stopped
    assert result.best_epoch in (1, 2)
    assert not CONTROL.search(capfd.readouterr().out)


def test_stop_requested_during_validation_starts_no_new_epoch(data):
    stopper = Stopper()

    class Validating(keras.callbacks.Callback):
        def on_test_begin(self, logs=None):
            stopper.request()

    result = train(
        small_network(),
        data.x,
        data.y,
        validation_data=data.val,
        epochs=5,
        verbose=False,
        callbacks=[Validating(), stopper],
    )
    assert result.epochs == 1


def test_any_callback_may_stop(data):
    early = keras.callbacks.EarlyStopping(monitor="loss", patience=1, min_delta=100.0)
    result = train(small_network(), data.x, data.y, epochs=9, verbose=False, callbacks=[early])
    assert result.epochs == 2 and "Detenido por una retrollamada en la época 2 de 9" in result.stopped


# --- Errores ------------------------------------------------------------------------------------------------


def fails(data, match, *, model=None, x=None, y=None, **options):
    model = small_network() if model is None else model
    x = data.x if x is None else x
    y = data.y if y is None else y
    with pytest.raises(ValueError, match=match):
        train(model, x, y, verbose=False, **options)


def test_uncompiled_model(data):
    fails(data, r"no está compilada: llama antes a compile_model", model=small_network(compiled=False))


@pytest.mark.parametrize("loss", ["sparse_categorical_crossentropy", "binary_crossentropy"])
def test_loss_that_does_not_match_the_labels(data, loss):
    model = small_network(compiled=False)
    model.compile(loss=loss)
    fails(data, f"se compiló con la pérdida «{loss}»", model=model)
    model.compile(loss=keras.losses.get(loss))
    fails(data, f"se compiló con la pérdida «{loss}»", model=model)


def test_images_out_of_range(data):
    fails(
        data,
        "Entrenamiento: .*entre 0 y 1; estas van de 0 a 255.*divídelas entre 255",
        x=data.x.astype("float32"),
    )
    fails(data, "Entrenamiento: .*entre 0 y 1; estas van de -1 a", x=data.x / 255.0 * 2 - 1)
    fails(data, "Entrenamiento: .*van de nan a nan", x=np.full((200, 32, 32, 3), np.nan))
    fails(data, "Entrenamiento: .*uint8.*son int64", x=data.x.astype("int64"))
    x_val, y_val = data.val
    fails(data, "Validación: .*divídelas entre 255", validation_data=(x_val.astype("float32"), y_val))


def test_images_of_wrong_shape(data):
    fails(data, r"\(imágenes, alto, ancho, canales\).*tiene \(32, 32, 3\)", x=data.x[0])
    fails(data, "Entrenamiento: la red espera imágenes de 32×32×3 .* son de 16×16×3", x=data.x[:, :16, :16])
    fails(data, "Entrenamiento: .*al menos una imagen", x=data.x[:0], y=data.y[:0])


def test_labels_that_do_not_fit(data):
    fails(data, "Entrenamiento: .*van de 0 a 9; estas van de 10 a 10", y=np.full(200, 10))
    fails(data, "Entrenamiento: .*empiezan en 0; hay una que vale -1", y=data.y - 1)
    fails(data, "Entrenamiento: .*one-hot con 12 clases, y se piden 10", y=one_hot(data.y, 12))
    fails(data, "Entrenamiento: Hay 200 imágenes y 199 etiquetas", y=data.y[:-1])
    fails(data, "Entrenamiento: Hay 200 imágenes y 199 etiquetas", y=one_hot(data.y, 10)[:-1])
    fails(data, "Validación: Hay 100 imágenes y 1 etiquetas", validation_data=(data.val[0], data.val[1][:1]))


def test_validation_must_be_a_pair(data):
    fails(data, r"debe ser la pareja \(x_val, y_val\).*ndarray", validation_data=data.val[0])
    fails(data, r"debe ser la pareja", validation_data=(*data.val, 1))


@pytest.mark.parametrize("epochs", [0, -3, 2.5, True, "3"])
def test_epochs_must_be_a_positive_integer(data, epochs):
    fails(data, r"epochs \(épocas\) debe ser un entero de 1 en adelante", epochs=epochs)


def test_batch_size_must_be_a_positive_integer(data):
    fails(data, r"batch_size \(imágenes por lote\) debe ser un entero", batch_size=0)


def test_callbacks_must_be_callbacks(data):
    fails(data, "no es una retrollamada de Keras", callbacks=[print])


def test_one_cycle_rises_to_its_peak_and_falls_to_zero():
    from helpers.training import OneCycle

    schedule = OneCycle(0.2, 100, rise=0.2)
    rates = [float(schedule(step)) for step in range(101)]
    assert rates[0] == pytest.approx(0.02)
    assert rates[20] == max(rates) == pytest.approx(0.2)
    assert rates[60] == pytest.approx(0.1)
    assert rates[100] == 0.0
    copy = keras.optimizers.schedules.deserialize(keras.optimizers.schedules.serialize(schedule))
    assert float(copy(60)) == pytest.approx(0.1)
    with pytest.raises(ValueError, match="rise entre 0 y 1"):
        OneCycle(0.2, 100, rise=1.5)


def test_label_smoothing_shares_a_part_among_all_classes():
    """Con salida uniforme da ln 10 igual; con una certeza que acierta, deja de costar cero."""
    model = compile_model(small_network(compiled=False), label_smoothing=0.1)
    sure = np.full((1, 10), 0.01 / 9, "float32")
    sure[0, 3] = 0.99
    expected = -(0.91 * np.log(0.99) + 0.09 * np.log(0.01 / 9))
    assert float(model.loss(np.eye(10, dtype="float32")[[3]], sure)) == pytest.approx(expected, rel=1e-4)
    with pytest.raises(ValueError, match="label_smoothing"):
        compile_model(model, label_smoothing=1.0)


# --- Velocidad ----------------------------------------------------------------------------------------------


def test_steps_per_execution_changes_nothing_that_is_learned(data):
    weights = []
    for steps in (1, 3):
        model = compile_model(small_network(compiled=False), steps_per_execution=steps)
        train(model, data.x, data.y, epochs=2, verbose=False)
        assert model.steps_per_execution == steps
        weights.append(model.get_weights())
    for one, three in zip(*weights, strict=True):
        np.testing.assert_allclose(one, three, atol=1e-6)


def test_steps_per_execution_must_be_a_positive_integer():
    with pytest.raises(ValueError, match=r"steps_per_execution \(pasos por llamada\) debe ser un entero"):
        compile_model(small_network(compiled=False), steps_per_execution=0)


def test_speed_is_measured_in_four_ways_and_leaves_no_trace(sample_dataset):
    built = []

    def build():
        built.append(keras.config.dtype_policy().name)
        return small_network(compiled=False)

    x, y = sample_dataset.x_train[:1300], sample_dataset.y_train[:1300]
    report = measure_speed(build, x, y, seconds=0.01, rounds=1)
    names = [speed.name for speed in report.speeds]
    assert names == ["lote 32", "lote 512", "8 pasos por llamada", "mixed_bfloat16"]
    assert all(
        math.isfinite(speed.images_per_second) and speed.images_per_second > 0 for speed in report.speeds
    )
    assert built == ["float32", "float32", "mixed_bfloat16"]
    assert keras.config.dtype_policy().name == "float32"


def test_speed_needs_images_for_three_of_the_largest_batches(data):
    with pytest.raises(ValueError, match="lotes de 512 hacen falta más de 1024 imágenes y hay 200"):
        measure_speed(small_network, data.x, data.y)


def test_stopwatch_leaves_the_first_batch_out_and_counts_batches_not_calls(monkeypatch):
    clock = iter((10.0, 10.5, 11.5))
    monkeypatch.setattr(training.time, "perf_counter", lambda: next(clock))
    watch = training._Stopwatch(1.2)
    watch.set_model(types.SimpleNamespace(stop_training=False))
    for last in (7, 15, 23):  # con ocho pasos por llamada, Keras da el número del último
        assert not watch.model.stop_training
        watch.on_train_batch_end(last)
    assert (watch.batches, watch.elapsed, watch.model.stop_training) == (16, 1.5, True)


def test_speed_table_compares_with_the_first_row():
    report = SpeedReport((TrainingSpeed("lote 32", 3200.0), TrainingSpeed("lote 512", 12_800.0)))
    assert str(report).splitlines() == [
        "          imágenes/s  veces lote 32",
        "lote 32         3200  1.00",
        "lote 512      12\u202f800  4.00",
    ]
    assert report.ratio("lote 512") == 4
    with pytest.raises(KeyError, match="No se midió «lote 64». Se midieron: lote 32, lote 512"):
        report.ratio("lote 64")
