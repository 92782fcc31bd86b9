"""El proyecto final: su código se ejecuta de arriba abajo con dos carpetas de fotos, y sus rúbricas cuadran."""

import json
import re
from pathlib import Path

import keras
import numpy as np
import pytest

from helpers.data import load_dataset, write_image_folder

PAGE = (Path(__file__).resolve().parent.parent / "book" / "proyecto.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"(?ms)^```python\n(.*?)^```", PAGE)
CLASSES = ("bolso", "botín", "pantalón")


def table_rows(heading):
    body = PAGE.partition(f"# {heading}\n")[2].partition("\n#")[0]
    lines = [line for line in body.splitlines() if line.startswith("| ")][1:]  # la primera es la cabecera
    return body, [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def write_photos(folder, x, y, names, each):
    """Unas carpetas como las del proyecto, con imágenes de la muestra en lugar de fotos."""
    chosen = [np.flatnonzero(y == names.index(name))[:each] for name in CLASSES]
    labels = np.repeat(np.arange(len(CLASSES)), each)
    write_image_folder(x[np.concatenate(chosen)], labels, CLASSES, folder)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Los nombres que deja el código de la página, ejecutado entero con pocas imágenes y dos épocas."""
    place = tmp_path_factory.mktemp("proyecto")
    sample = load_dataset()
    write_photos(place / "fotos", sample.x_train, sample.y_train, sample.class_names, 30)
    write_photos(place / "examen", sample.x_val, sample.y_val, sample.class_names, 8)
    namespace = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        for number, block in enumerate(BLOCKS, start=1):
            exec(compile(block.replace("EPOCHS = 20", "EPOCHS = 2"), f"bloque {number}", "exec"), namespace)
    return place, namespace


def test_the_code_of_the_page_runs_and_leaves_three_networks(project):
    _, names = project
    assert "EPOCHS = 20" in PAGE and names["EPOCHS"] == 2
    assert len(names["networks"]) == 3 and names["model"] is names["networks"][0]
    assert names["dataset"].class_names == CLASSES and len(names["dataset"].x_test) == 0
    assert names["final"].n == len(names["exam"].x_train) == 8 * len(CLASSES)


def test_the_delivered_network_answers_like_the_chosen_one_without_preprocessing(project):
    place, names = project
    opened = keras.models.load_model(place / "red.keras")
    photos = names["dataset"].x_val
    np.testing.assert_allclose(opened.predict(photos, verbose=0), names["probabilities"], atol=1e-5)
    assert json.loads((place / "red.json").read_text(encoding="utf-8")) == {"clases": list(CLASSES)}


@pytest.mark.parametrize("rubric", ["Rúbrica escrita", "Rúbrica oral"])
def test_the_points_of_the_rubrics_add_up(rubric):
    body, rows = table_rows(rubric)
    rows = [row for row in rows if row[0].startswith("**")]
    assert all(len(row) == 5 and all(row) for row in rows)
    assert f"en total, {3 * len(rows)}." in body


def test_each_oral_question_tells_a_good_answer_from_a_poor_one():
    _, rows = table_rows("Preguntas que separan")
    assert len(rows) >= 6 and all(len(row) == 3 and all(row) for row in rows)
    assert all(row[0].startswith("¿") for row in rows)


def test_each_step_says_what_to_deliver():
    steps = re.split(r"(?m)^## Paso \d: ", PAGE)[1:]
    assert len(steps) == 8
    assert all(step.partition("\n## ")[0].count("**Entrega:**") == 1 for step in steps)
