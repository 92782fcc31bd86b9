"""Evaluación: métricas frente a Keras, cruces de curvas, calibración, intervalos y referencias."""

import math
from dataclasses import replace

import numpy as np
import pytest

from helpers._keras import keras
from helpers.data import one_hot, subset
from helpers.evaluation import (
    BASELINES,
    MIN_PROBABILITY,
    Crossing,
    accuracy_interval,
    apply_temperature,
    baseline_scores,
    best_epoch,
    evaluate,
    evaluate_probabilities,
    find_crossings,
    fit_temperature,
    predict_probabilities,
    reliability_bins,
    shift_images,
)

THREE = ("gato", "perro", "rana")


def softmax(logits):
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def random_case(seed, n=400, classes=10, scale=2.0):
    """Probabilidades softmax y etiquetas con algo de relación entre ellas."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    logits = scale * rng.normal(size=(n, classes))
    logits[np.arange(n), y] += 1.5
    return softmax(logits), y


# Tres gatos, dos perros y una rana; a mano: aciertos 4 de 6.
HAND = np.array(
    [
        [0.7, 0.2, 0.1],
        [0.4, 0.3, 0.3],  # acierta sin llegar a 0.5
        [0.1, 0.8, 0.1],  # gato tomado por perro
        [0.2, 0.6, 0.2],
        [0.5, 0.1, 0.4],  # perro tomado por gato, justo en 0.5: no lo supera
        [0.1, 0.2, 0.7],
    ]
)
HAND_Y = np.array([0, 0, 0, 1, 1, 2])


# --- Informe ----------------------------------------------------------------------------------------------------


def test_hand_worked_report():
    report = evaluate_probabilities(HAND, HAND_Y, THREE)
    assert report.n == 6
    assert report.accuracy == pytest.approx(4 / 6)
    assert report.loss == pytest.approx(-np.log([0.7, 0.4, 0.1, 0.6, 0.1, 0.7]).mean())
    # Por encima de 0.5 hay 4 casillas y 3 son verdaderas; hay 6 verdaderas en total.
    assert report.micro_precision == pytest.approx(3 / 4)
    assert report.micro_recall == pytest.approx(3 / 6)
    assert report.micro_f1 == pytest.approx(0.6)
    cat, dog, frog = report.per_class
    assert (cat.name, cat.precision, cat.recall, cat.support) == ("gato", pytest.approx(2 / 3), pytest.approx(2 / 3), 3)
    assert (dog.precision, dog.recall, dog.f1, dog.support) == (0.5, 0.5, 0.5, 2)
    assert (frog.precision, frog.recall, frog.f1, frog.support) == (1, 1, 1, 1)
    assert report.macro_recall == pytest.approx((2 / 3 + 0.5 + 1) / 3)


def test_confusion_matrix_rows_are_true_classes():
    matrix = evaluate_probabilities(HAND, HAND_Y, THREE).confusion_matrix
    np.testing.assert_array_equal(matrix, [[2, 1, 0], [1, 1, 0], [0, 0, 1]])
    # Una matriz que no es simétrica: el único fallo es un gato (fila 0) tomado por rana (columna 2).
    only = evaluate_probabilities([[0.1, 0.1, 0.8], [0.1, 0.8, 0.1]], [0, 1], THREE).confusion_matrix
    assert only[0, 2] == 1 and only[2, 0] == 0


def test_matches_keras_precision_and_recall_at_half():
    for seed in range(5):
        p, y = random_case(seed)
        report = evaluate_probabilities(p, y, [str(k) for k in range(10)])
        precision, recall = keras.metrics.Precision(), keras.metrics.Recall()
        precision.update_state(one_hot(y, 10), p.astype("float32"))
        recall.update_state(one_hot(y, 10), p.astype("float32"))
        assert report.micro_precision == pytest.approx(float(precision.result()), abs=1e-6)
        assert report.micro_recall == pytest.approx(float(recall.result()), abs=1e-6)


def test_matches_keras_when_a_probability_is_exactly_half():
    """Keras exige superar el umbral: 0.5 no cuenta."""
    p, y = [[0.5, 0.5], [0.5, 0.5], [0.9, 0.1]], [0, 1, 0]
    precision, recall = keras.metrics.Precision(), keras.metrics.Recall()
    precision.update_state(one_hot(y, 2), np.float32(p))
    recall.update_state(one_hot(y, 2), np.float32(p))
    report = evaluate_probabilities(p, y, ("a", "b"))
    assert report.micro_precision == pytest.approx(float(precision.result()), abs=1e-6)
    assert report.micro_recall == pytest.approx(float(recall.result()), abs=1e-6)
    assert report.micro_recall == pytest.approx(1 / 3)


def test_micro_measures_with_argmax_are_the_accuracy():
    for seed in range(20):
        p, y = random_case(seed)
        report = evaluate_probabilities(p, y, [str(k) for k in range(10)], threshold=None)
        for value in (report.micro_precision, report.micro_recall, report.micro_f1):
            assert value == pytest.approx(report.accuracy, abs=1e-12)


def test_recall_never_exceeds_accuracy_from_half_up_and_threshold_never_moves_accuracy():
    for seed in range(20):
        p, y = random_case(seed, scale=0.5 + seed / 4)
        names = [str(k) for k in range(10)]
        accuracy = evaluate_probabilities(p, y, names).accuracy
        for threshold in (0.0, 0.1, 0.3, 0.5, 0.6, 0.75, 0.9, 0.99):
            report = evaluate_probabilities(p, y, names, threshold=threshold)
            assert report.accuracy == accuracy
            if threshold >= 0.5:
                assert report.micro_recall <= accuracy
    # Por debajo de 0.5 sí puede superarla: la cota es del umbral, no de la métrica.
    assert evaluate_probabilities(p, y, names, threshold=0.01).micro_recall > accuracy


def test_absent_classes_score_zero_without_warnings(recwarn):
    report = evaluate_probabilities([[0.9, 0.05, 0.05]], [0], THREE)
    assert [c.recall for c in report.per_class] == [1, 0, 0]
    assert [c.support for c in report.per_class] == [1, 0, 0]
    nothing = evaluate_probabilities(HAND, HAND_Y, THREE, threshold=0.95)
    assert (nothing.micro_precision, nothing.micro_recall, nothing.micro_f1) == (0, 0, 0)
    assert not recwarn.list


def test_labels_in_the_three_formats_agree():
    reports = [evaluate_probabilities(HAND, y, THREE) for y in (HAND_Y, HAND_Y[:, None], one_hot(HAND_Y, 3))]
    assert len({(r.accuracy, r.loss, r.micro_recall) for r in reports}) == 1


def test_report_table_is_spanish_and_aligned():
    lines = str(evaluate_probabilities(HAND, HAND_Y, THREE)).splitlines()
    assert lines[0] == "6 imágenes · pérdida 1.124 · exactitud 0.667"
    assert lines[2].split() == ["clase", "precisión", "exhaustividad", "F1", "imágenes"]
    assert lines[3].split() == ["gato", "0.667", "0.667", "0.667", "3"]
    assert "micro (umbral 0.5)" in lines[-1] and lines[-1].split()[-4:] == ["0.750", "0.500", "0.600", "6"]
    table = [line for line in lines[2:] if line]
    assert len({len(line) for line in table}) == 1
    assert "micro (la más probable)" in str(evaluate_probabilities(HAND, HAND_Y, THREE, threshold=None))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p, y: (p * 2, y, THREE), "sumen 1"),
        (lambda p, y: (np.log(p), y, THREE), "softmax"),
        (lambda p, y: (p[0], y, THREE), r"forma \(imágenes, clases\)"),
        (lambda p, y: (p[:0], y[:0], THREE), "una imagen y dos clases como mínimo"),
        (lambda p, y: (np.where(p == 0.8, np.nan, p), y, THREE), "NaN o infinitos en las probabilidades de 1 de 6"),
        (lambda p, y: (p, y[:-1], THREE), "6 filas de probabilidades y 5 etiquetas"),
        (lambda p, y: (p, y + 1, THREE), "Etiqueta fuera de rango: 3"),
        (lambda p, y: (p, y - 1, THREE), "etiquetas empiezan en 0.*-1"),
        (lambda p, y: (p, y, THREE[:2]), "2 nombres de clase y 3 columnas"),
    ],
)
def test_bad_input_is_explained_in_spanish(change, message):
    p, y, names = change(HAND, HAND_Y)
    with pytest.raises(ValueError, match=message):
        evaluate_probabilities(p, y, names)


@pytest.mark.parametrize("threshold", [-0.1, 1.0, 50])
def test_threshold_out_of_range(threshold):
    with pytest.raises(ValueError, match="umbral debe estar en"):
        evaluate_probabilities(HAND, HAND_Y, THREE, threshold=threshold)


# --- Con un modelo ----------------------------------------------------------------------------------------------


def linear_model(scale, classes=10, loss="categorical_crossentropy"):
    """Una capa densa con softmax y pesos de desviación `scale`: barata y, si `scale` es grande, muy segura."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            keras.layers.Flatten(),
            keras.layers.Dense(
                classes, activation="softmax", kernel_initializer=keras.initializers.RandomNormal(stddev=scale)
            ),
        ]
    )
    if loss:
        model.compile(loss=loss, metrics=["accuracy"])
    return model


def test_predict_probabilities_does_not_depend_on_the_batches_nor_on_the_image_type(tiny_dataset):
    model = linear_model(0.05)
    p = predict_probabilities(model, tiny_dataset.x_val)
    assert p.shape == (100, 10) and p.dtype == np.float32
    np.testing.assert_allclose(p, predict_probabilities(model, tiny_dataset.x_val, batch_size=7), atol=1e-6)
    as_float = tiny_dataset.x_val.astype(np.float32) / 255
    np.testing.assert_allclose(p, predict_probabilities(model, as_float), atol=1e-6)


@pytest.mark.parametrize("loss", ["categorical_crossentropy", "sparse_categorical_crossentropy"])
@pytest.mark.parametrize("scale", [0.05, 20.0])
def test_evaluate_gives_the_loss_that_keras_gives(tiny_dataset, loss, scale):
    """También cuando las probabilidades llegan a ser 0 en float32 y -log p no basta."""
    model = linear_model(scale, loss=loss)
    x, y = tiny_dataset.x_val.astype(np.float32) / 255, tiny_dataset.y_val
    target = one_hot(y, 10) if loss == "categorical_crossentropy" else y
    expected = model.evaluate(x, target, verbose=0, return_dict=True)
    report = evaluate(model, tiny_dataset.x_val, y, tiny_dataset.class_names)
    assert report.loss == pytest.approx(expected["loss"], rel=1e-4)
    assert report.accuracy == pytest.approx(expected["accuracy"], abs=1e-6)
    without_model = evaluate_probabilities(predict_probabilities(model, x), y, tiny_dataset.class_names)
    if scale < 1:
        assert without_model.loss == pytest.approx(expected["loss"], rel=1e-4)
    else:  # el caso es de verdad extremo: desde las probabilidades la pérdida se queda corta
        assert expected["loss"] > 1.5 * without_model.loss
        assert without_model.loss < -math.log(MIN_PROBABILITY)


def test_evaluate_accepts_a_model_that_was_not_compiled(tiny_dataset):
    model = linear_model(0.05, loss=None)
    report = evaluate(model, tiny_dataset.x_val, tiny_dataset.y_val, tiny_dataset.class_names)
    p = predict_probabilities(model, tiny_dataset.x_val).astype(np.float64)
    assert report.loss == pytest.approx(-np.log(p[np.arange(100), tiny_dataset.y_val]).mean())


def test_a_model_without_softmax_is_explained(tiny_dataset):
    model = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Flatten(), keras.layers.Dense(10)])
    with pytest.raises(ValueError, match="softmax"):
        evaluate(model, tiny_dataset.x_val, tiny_dataset.y_val, tiny_dataset.class_names)


# --- Curvas -----------------------------------------------------------------------------------------------------

NAN = float("nan")


@pytest.mark.parametrize(
    ("train", "val", "expected"),
    [
        # Cambia de signo entre dos épocas: interpolación.
        ([0.2, 0.8], [0.4, 0.6], [(1.5, 0.5)]),
        ([0.0, 0.9], [0.3, 0.0], [(1.25, 0.225)]),
        # Nunca se cruzan, aunque se acerquen a menos de 0.01.
        ([0.5, 0.6, 0.7], [0.6, 0.605, 0.8], []),
        # Se tocan y se separan por el mismo lado.
        ([0.2, 0.5, 0.6], [0.4, 0.5, 0.9], []),
        ([0.2, 0.5, 0.5, 0.6], [0.4, 0.5, 0.5, 0.9], []),
        # Coinciden en una o dos épocas y salen por el otro lado: en la primera.
        ([0.2, 0.5, 0.9], [0.4, 0.5, 0.6], [(2.0, 0.5)]),
        ([0.2, 0.5, 0.6, 0.9], [0.4, 0.5, 0.6, 0.7], [(2.0, 0.5)]),
        # Coincidir al principio, al final o siempre no es cruzarse.
        ([0.5, 0.6], [0.5, 0.7], []),
        ([0.6, 0.5], [0.7, 0.5], []),
        ([0.5, 0.5], [0.5, 0.5], []),
        # Dos cruces.
        ([0.0, 1.0, 0.0], [0.5, 0.5, 0.5], [(1.5, 0.5), (2.5, 0.5)]),
        # Un NaN corta la curva; el cruce que viene después sí se ve.
        ([0.0, NAN, 1.0], [0.5, 0.5, 0.5], []),
        ([0.0, NAN, 0.0, 1.0], [0.5, 0.5, 0.5, 0.5], [(3.5, 0.5)]),
        ([0.0, 0.5, 1.0], [0.5, NAN, 0.5], []),
        ([0.0, float("inf"), 1.0], [0.5, 0.5, 0.5], []),
        ([NAN, NAN], [NAN, NAN], []),
        # Una época y ninguna.
        ([0.5], [0.6], []),
        ([], [], []),
    ],
)
def test_find_crossings(train, val, expected):
    found = find_crossings(train, val)
    assert len(found) == len(expected)
    for crossing, (epoch, value) in zip(found, expected, strict=True):
        assert isinstance(crossing, Crossing)
        assert crossing.epoch == pytest.approx(epoch) and crossing.value == pytest.approx(value)


def test_find_crossings_is_symmetric():
    rng = np.random.default_rng(0)
    for _ in range(50):
        a, b = rng.integers(0, 4, (2, 12)) / 4  # muchos empates
        one, other = find_crossings(a, b), find_crossings(b, a)
        assert [c.epoch for c in one] == pytest.approx([c.epoch for c in other])
        assert [c.value for c in one] == pytest.approx([c.value for c in other])


def test_find_crossings_rejects_what_is_not_two_curves():
    with pytest.raises(ValueError, match="12 y 6 épocas.*validation_freq=1"):
        find_crossings(range(12), range(6))
    with pytest.raises(ValueError, match="un número por época"):
        find_crossings([[0.1, 0.2]], [[0.1, 0.2]])


def first_close_epoch(train, val, tolerance=0.01):
    """La regla de la tarea: la primera época en que las curvas distan menos de `tolerance`; 0 si no hay ninguna."""
    return int(np.argmax(np.abs(np.asarray(train) - np.asarray(val)) < tolerance))


def test_the_homework_rule_prints_an_arbitrary_number():
    """Curvas como las de la tarea: no se acercan nunca a 0.01 y la regla señala la época 0, la peor de todas."""
    train = [0.5002, 0.63, 0.69, 0.73, 0.76, 0.79, 0.85, 0.91, 0.968]
    val = [0.578, 0.645, 0.659, 0.664, 0.667, 0.664, 0.655, 0.645, 0.638]
    assert np.abs(np.subtract(train, val)).min() >= 0.01
    epoch = first_close_epoch(train, val)
    assert epoch == 0 and f"Optimal Value: {train[epoch]:.4f}" == "Optimal Value: 0.5002"
    assert train[epoch] == min(train)
    # El cruce existe y no es el máximo de validación.
    (crossing,) = find_crossings(train, val)
    assert 2 < crossing.epoch < 3
    assert best_epoch({"val_accuracy": val}, "val_accuracy") == 5


class WithHistory:
    history = {"loss": [0.9, 0.5, 0.2], "val_loss": [1.0, 0.8, 0.9], "val_accuracy": [0.5, 0.7, 0.7]}


def test_best_epoch():
    assert best_epoch(WithHistory()) == 2
    assert best_epoch(WithHistory.history) == 2
    assert best_epoch(WithHistory(), "val_accuracy") == 2  # ante un empate, la primera
    assert best_epoch(WithHistory(), "loss") == 3
    assert best_epoch({"val_loss": [NAN, 0.7, NAN]}) == 2
    assert best_epoch({"val_accuracy": [float("inf"), 0.7, 0.2]}, "val_accuracy") == 2
    assert best_epoch({"val_loss": [0.3]}) == 1
    assert best_epoch({"val_loss": [NAN, NAN]}) is None
    assert best_epoch({"val_loss": []}) is None


def test_best_epoch_names_the_metrics_there_are():
    with pytest.raises(ValueError, match="«val_precision» no está.*loss, val_loss, val_accuracy"):
        best_epoch(WithHistory(), "val_precision")
    with pytest.raises(ValueError, match="historial está vacío"):
        best_epoch({})


# --- Calibración ------------------------------------------------------------------------------------------------


def test_reliability_bins_by_hand():
    p = [[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.35, 0.65], [0.55, 0.45]]
    y = [0, 1, 1, 1, 1]
    bins = reliability_bins(p, y, n_bins=5)
    np.testing.assert_allclose(bins.edges, [0, 0.2, 0.4, 0.6, 0.8, 1])
    np.testing.assert_array_equal(bins.count, [0, 0, 2, 1, 2])  # 0.6 es del tramo (0.4, 0.6]
    np.testing.assert_allclose(bins.confidence, [NAN, NAN, 0.575, 0.65, 0.9])
    np.testing.assert_allclose(bins.accuracy, [NAN, NAN, 0.5, 1.0, 0.5])
    assert bins.ece == pytest.approx((2 * 0.075 + 1 * 0.35 + 2 * 0.4) / 5)


@pytest.mark.parametrize("n_bins", [1, 7, 10, 15])
def test_reliability_bins_hold_every_image(n_bins):
    p, y = random_case(3, n=997)
    p[0] = np.eye(10)[4]  # confianza 1
    p[1] = 0.1  # confianza 1/10, en un borde
    bins = reliability_bins(p, y, n_bins)
    assert bins.count.sum() == 997 and len(bins.edges) == n_bins + 1
    weighted = np.nansum(bins.count * bins.accuracy) / 997
    assert weighted == pytest.approx((p.argmax(axis=1) == y).mean())
    assert 0 <= bins.ece <= 1


def test_reliability_bins_needs_a_bin():
    with pytest.raises(ValueError, match="al menos un tramo"):
        reliability_bins(HAND, HAND_Y, 0)


@pytest.mark.parametrize("true_temperature", [0.5, 1.0, 2.5, 6.0])
def test_fit_temperature_recovers_a_known_one(true_temperature):
    """Se sortean etiquetas según softmax(logits) y se entregan los logits multiplicados por T."""
    rng = np.random.default_rng(1)
    logits = rng.normal(scale=2, size=(20_000, 5))
    y = (softmax(logits).cumsum(axis=1) > rng.random((20_000, 1))).argmax(axis=1)
    overconfident = softmax(logits * true_temperature)
    temperature = fit_temperature(overconfident, y)
    assert temperature == pytest.approx(true_temperature, rel=0.03)
    np.testing.assert_allclose(apply_temperature(overconfident, true_temperature), softmax(logits), atol=1e-9)


def test_fit_temperature_is_the_minimum():
    p, y = random_case(5, scale=4)
    names = [str(k) for k in range(10)]
    best = fit_temperature(p, y)
    loss = evaluate_probabilities(apply_temperature(p, best), y, names).loss
    for factor in (0.5, 0.9, 1.1, 2):
        assert loss < evaluate_probabilities(apply_temperature(p, best * factor), y, names).loss


def test_fit_temperature_of_a_perfect_model_stops_at_the_edge():
    assert 0.05 <= fit_temperature(np.full((10, 2), [0.9, 0.1]), np.zeros(10, int)) < 0.1


@pytest.mark.parametrize("temperature", [1e-6, 0.05, 0.5, 1, 6, 50, 1e6])
def test_temperature_never_changes_the_answer(temperature):
    p, _ = random_case(7, n=3000, scale=8)
    p = p.astype(np.float32)
    scaled = apply_temperature(p, temperature)
    assert scaled.dtype == np.float64
    np.testing.assert_array_equal(scaled.argmax(axis=1), p.argmax(axis=1))
    np.testing.assert_allclose(scaled.sum(axis=1), 1)
    if temperature > 1:
        assert scaled.max(axis=1).mean() < p.max(axis=1).mean()


def test_temperature_accepts_exact_zeros():
    np.testing.assert_allclose(apply_temperature([[1, 0, 0]], 1.0), [[1, 0, 0]], atol=1e-30)
    assert np.isfinite(fit_temperature([[1, 0, 0], [1, 0, 0]], [0, 1]))


@pytest.mark.parametrize("temperature", [0, -1, NAN, float("inf")])
def test_temperature_must_be_positive(temperature):
    with pytest.raises(ValueError, match="temperatura debe ser"):
        apply_temperature(HAND, temperature)


# --- Intervalos, referencias y desplazamientos ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [  # Newcombe (1998), tabla I, método 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_accuracy_interval_against_published_values(hits, n, low, high):
    assert accuracy_interval(hits / n, n) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_accuracy_interval_covers_what_it_says():
    rng = np.random.default_rng(0)
    truth, n = 0.87, 300
    inside = 0
    for hits in rng.binomial(n, truth, 2000):
        low, high = accuracy_interval(hits / n, n)
        inside += low <= truth <= high
    assert 0.935 <= inside / 2000 <= 0.965


def test_accuracy_interval_edges_and_levels():
    assert accuracy_interval(1.0, 50)[1] == 1.0 and accuracy_interval(1.0, 50)[0] < 1
    narrow, wide = accuracy_interval(0.87, 2000, 0.8), accuracy_interval(0.87, 2000, 0.99)
    assert wide[0] < narrow[0] < 0.87 < narrow[1] < wide[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((87, 100), "divide por 100"), ((-0.1, 100), "entre 0 y 1"), ((0.5, 0), "al menos una imagen"),
     ((0.5, 10, 95), "nivel debe estar")],
)  # fmt: skip
def test_accuracy_interval_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        accuracy_interval(*arguments)


def test_baselines_on_a_subset(sample_dataset, recwarn):
    small = subset(sample_dataset, 600, 300, 10)
    majority, logistic, svm = baseline_scores(small)
    assert [majority.name, logistic.name, svm.name] == list(BASELINES)
    assert majority.accuracy == pytest.approx(0.1, abs=0.01)  # muestra estratificada: diez clases iguales
    assert 0.65 < logistic.accuracy < 0.9 and 0.65 < svm.accuracy < 0.9
    assert all(score.seconds > 0 and score.n == 300 for score in (majority, logistic, svm))
    answers = svm.predict(small.x_val)
    assert answers.dtype == np.int64 and (answers == small.y_val).mean() == pytest.approx(svm.accuracy)
    np.testing.assert_array_equal(answers, svm.predict(small.x_val.astype(np.float32) / 255))
    assert not [w for w in recwarn.list if "onvergence" in w.category.__name__]


def test_baselines_in_colour_accept_grey_images(tiny_dataset):
    """Los canales se cuentan en el entrenamiento: unas imágenes grises sueltas no cambian el número de píxeles."""
    colour = replace(tiny_dataset, x_train=tiny_dataset.x_train * np.array([1, 0, 1], np.uint8))
    (logistic,) = baseline_scores(colour, ["regresión logística"])
    assert logistic.predict(tiny_dataset.x_test).shape == (100,)


def test_baselines_by_name_and_part(tiny_dataset):
    (only,) = baseline_scores(tiny_dataset, ["mayoría"], part="test")
    assert only.name == "mayoría" and only.n == 100
    with pytest.raises(ValueError, match="«bosque».*mayoría, regresión logística, SVM RBF"):
        baseline_scores(tiny_dataset, ["bosque"])
    with pytest.raises(ValueError, match="«train»"):
        baseline_scores(tiny_dataset, ["mayoría"], part="train")


def test_shift_images_moves_and_repeats_the_edge():
    image = np.arange(12, dtype=np.uint8).reshape(1, 3, 4, 1)
    np.testing.assert_array_equal(
        shift_images(image, 1, 0)[0, ..., 0], [[0, 1, 2, 3], [0, 1, 2, 3], [4, 5, 6, 7]]
    )
    np.testing.assert_array_equal(
        shift_images(image, 0, -2)[0, ..., 0], [[2, 3, 3, 3], [6, 7, 7, 7], [10, 11, 11, 11]]
    )
    np.testing.assert_array_equal(
        shift_images(image, -1, 1)[0, ..., 0], [[4, 4, 5, 6], [8, 8, 9, 10], [8, 8, 9, 10]]
    )


def test_shift_images_keeps_type_shape_and_input():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (5, 32, 48, 3), dtype=np.uint8)
    copy = x.copy()
    shifted = shift_images(x, 3, -2)
    assert shifted.shape == x.shape and shifted.dtype == np.uint8
    np.testing.assert_array_equal(shifted[:, 3:, :-2], x[:, :-3, 2:])
    np.testing.assert_array_equal(x, copy)
    shifted[:] = 0
    np.testing.assert_array_equal(x, copy)
    np.testing.assert_array_equal(shift_images(x, 0, 0), x)
    np.testing.assert_array_equal(shift_images(x[0], 3, -2), shift_images(x, 3, -2)[0])
    assert shift_images(x / 255, 1, 1).dtype == np.float64


def test_shift_images_errors():
    image = np.zeros((2, 8, 8, 3))
    with pytest.raises(ValueError, match="alto, ancho, canales"):
        shift_images(np.zeros((8, 8)), 1, 1)
    with pytest.raises(ValueError, match="saca por completo una imagen de 8×8"):
        shift_images(image, 0, 8)
    with pytest.raises(TypeError, match="píxeles enteros"):
        shift_images(image, 0.5, 0)
