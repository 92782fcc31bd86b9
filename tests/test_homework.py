"""«La tarea, revisada»: los recuadros de código fallan, avisan o funcionan como la página cuenta.

Cada recuadro se saca de la página y se ejecuta tal cual, en un espacio de nombres vacío o con lo que se diga.
"""

import ast
import re
import warnings
from pathlib import Path

import matplotlib
import nbformat
import numpy as np
import pytest

from helpers._keras import keras
from helpers.data import one_hot, subset, to_float, write_image_folder
from helpers.models import build_cnn, describe_layers

PAGE = Path(__file__).resolve().parent.parent / "book" / "tarea-revisada.ipynb"
FENCE = re.compile(r"^```python\n# La tarea, (.*?)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def page_text():
    """La prosa de la página, seguida."""
    cells = nbformat.read(PAGE, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


SNIPPETS = {title.split(":")[0]: code for title, code in FENCE.findall(page_text())}
NAMES = ["avión", "automóvil", "pájaro", "gato", "ciervo", "perro", "rana", "caballo", "barco", "camión"]


def run(name, **known):
    """Ejecuta un recuadro y devuelve lo que deja definido."""
    exec(compile(SNIPPETS[name], name, "exec"), known)
    return known


def network():
    """La red del paso 1, con `class_names` definida y sin el aviso."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return run("paso 1", class_names=NAMES)["model"]


@pytest.fixture
def tiny(sample_dataset):
    return subset(sample_dataset, 100, 50, 50)


def test_the_page_has_the_four_steps_and_the_repaired_code():
    assert list(SNIPPETS) == ["paso 1", "paso 2", "paso 3", "paso 4", "arreglada"]


def test_the_page_marks_the_thirteen_points_and_sums_them_up():
    text = page_text()
    assert {int(n) for n in re.findall(r"\*\*[Pp]unto (\d+)", text)} == set(range(1, 14))
    assert [int(n) for n in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)] == list(range(1, 14))


def test_the_network_stops_at_class_names():
    with pytest.raises(NameError, match="name 'class_names' is not defined") as caught:
        run("paso 1")
    assert "name 'class_names' is not defined" in page_text()
    line = SNIPPETS["paso 1"].splitlines()[caught.traceback[-1].lineno]
    assert line == "NUM_CLASSES = len(class_names)"


def test_with_class_names_it_warns_once_and_builds_the_same_network(capsys):
    with pytest.warns(UserWarning, match="Do not pass an `input_shape`") as caught:
        model = run("paso 1", class_names=NAMES)["model"]
    assert len(caught) == 1
    quoted = re.search(r"```text\n(Do not pass.*?)\n```", page_text(), re.DOTALL)[1]
    assert str(caught[0].message).split() == quoted.split()
    assert "315,722" in capsys.readouterr().out

    def facts(network):
        return [(row.type, row.output_shape, row.params) for row in describe_layers(network)]

    assert facts(model) == facts(build_cnn())


def test_the_generator_needs_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="train"):
        run("paso 2")


def test_the_generator_gives_images_that_do_not_fit_and_are_not_rescaled(tmp_path, monkeypatch, tiny):
    write_image_folder(tiny.x_train, tiny.y_train, tiny.class_names, tmp_path / "train")
    monkeypatch.chdir(tmp_path)
    images, labels = next(run("paso 2")["train_data"])
    assert images.shape == (32, 128, 128, 3) and labels.shape == (32, 10)
    assert images.max() > 1
    told = "expected axis -1 of input shape to have value 2304, but received input with shape (32, 57600)"
    assert told in page_text()
    with pytest.raises(ValueError, match=re.escape(told)):
        network().predict(images, verbose=0)


def test_the_augmented_data_never_reach_fit():
    used = {node.id for node in ast.walk(ast.parse(SNIPPETS["paso 3"])) if isinstance(node, ast.Name)}
    assert "x_train" in used and "train_data" not in used


def test_integer_labels_stop_fit(tiny):
    arrays = {"x_train": to_float(tiny.x_train), "x_test": to_float(tiny.x_test)}
    with pytest.raises(ValueError) as caught:
        run("paso 3", model=network(), y_train=tiny.y_train[:, None], y_test=tiny.y_test[:, None], **arrays)
    told = re.search(r"`ValueError: (Arguments .*?)`", page_text())[1]
    assert str(caught.value).replace("`", '"') == told


def test_with_one_hot_labels_it_trains_and_the_curve_stops_at_np(tiny, monkeypatch):
    matplotlib.use("Agg")
    monkeypatch.setitem(SNIPPETS, "paso 3", SNIPPETS["paso 3"].replace("EPOCHS = 30", "EPOCHS = 2"))
    done = run(
        "paso 3",
        model=network(),
        x_train=to_float(tiny.x_train),
        x_test=to_float(tiny.x_test),
        y_train=one_hot(tiny.y_train, 10),
        y_test=one_hot(tiny.y_test, 10),
    )
    assert done["METRICS"] is done["metrics"]
    result = done["training_result"]
    assert {"accuracy", "precision", "recall", "val_accuracy"} <= set(result.history)
    with pytest.raises(NameError, match="name 'np' is not defined"):
        run("paso 4", training_result=result)
    plt = run("paso 4", training_result=result, np=np)["plt"]
    plt.close("all")


def test_the_recipe_announces_the_first_epoch_when_the_curves_never_meet():
    class Result:
        history = {"accuracy": [0.5, 0.7, 0.9], "val_accuracy": [0.6, 0.65, 0.66]}

    matplotlib.use("Agg")
    plt = run("paso 4", training_result=Result, np=np)["plt"]
    texts = [text.get_text() for text in plt.gca().texts]
    plt.close("all")
    assert texts == ["Optimal Value: 0.5000"]


def test_nobody_objects_to_swapped_height_and_width():
    image = np.zeros((1, 32, 48, 3), "float32")
    for shape in ((32, 48, 3), (48, 32, 3)):
        model = build_cnn(input_shape=shape)
        assert describe_layers(model)[4].output_shape == (3840,)
        assert model.predict(image, verbose=0).shape == (1, 10)


def test_the_repaired_code_runs_without_warnings(tiny, monkeypatch, capsys):
    monkeypatch.setattr("helpers.data.load_dataset", lambda name: tiny)
    monkeypatch.setitem(SNIPPETS, "arreglada", SNIPPETS["arreglada"].replace("EPOCHS = 0, 32, 30", "EPOCHS = 0, 32, 1"))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        done = run("arreglada")
    assert done["training_result"].epochs == 1 and done["model"].count_params() == 315_722
    assert "exhaustividad" in capsys.readouterr().out


def test_another_version_of_keras_may_change_what_is_told():
    """Lo que la página cita es de Keras 3; con otra mayor habría que releerla entera."""
    assert keras.__version__.startswith("3.")
