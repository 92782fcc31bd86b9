"""`ThresholdExplorer`: sus números contra `helpers.evaluation`, sus predicciones registradas y cómo se usa en una página."""

import json
import re
import shutil
from html import unescape

import numpy as np
import pytest
from built_book import ROOT
from control_pages import (
    STATIC_PAGE,
    assert_has_figure,
    input_to_paint,
    mounted,
    opened,
    screen_faults,
    stored_outputs,
    write_control_page,
)

from helpers.data import load_dataset
from helpers.evaluation import evaluate_probabilities
from helpers.experiments import records
from helpers.experiments.__main__ import main
from helpers.experiments.catalogue import CATALOGUE
from helpers.experiments.predictions import (
    load_predictions,
    predictions_name,
    rebuild_predictions,
)
from helpers.widgets import base
from helpers.widgets.threshold_explorer import (
    EXPERIMENT,
    THRESHOLDS,
    ThresholdExplorer,
    compute,
    load_sample,
)

browser_test = pytest.mark.navegador


def report(threshold):
    """Lo que dice `helpers.evaluation` con ese umbral, o con la clase más probable si es None."""
    sample = load_sample()
    return evaluate_probabilities(
        sample.probabilities, sample.labels, sample.class_names, threshold=threshold
    )


@pytest.fixture(scope="module")
def reports():
    """Los informes de todos los umbrales del control."""
    return {threshold: report(threshold) for threshold in THRESHOLDS}


def metrics(source):
    """Exactitud, precisión, exhaustividad y F1 de un `EvaluationReport`."""
    return source.accuracy, source.micro_precision, source.micro_recall, source.micro_f1


# --- Las predicciones registradas --------------------------------------------------------------------------------------
def test_recorded_predictions_are_those_of_the_recorded_weights(tmp_path):
    names = [f"{EXPERIMENT}-s0.json", f"{EXPERIMENT}-s0.weights.h5"]
    for name in names:
        shutil.copy(records.RESULTS / name, tmp_path)
    record = rebuild_predictions(CATALOGUE[EXPERIMENT], 0, tmp_path)
    recorded, rebuilt = load_predictions(EXPERIMENT), load_predictions(EXPERIMENT, 0, tmp_path)
    assert recorded.shape == (2000, 10) and recorded.dtype == np.float64
    # Otro procesador puede redondear la última cifra de float16 al otro lado.
    np.testing.assert_allclose(rebuilt, recorded, atol=2e-3)
    assert np.load(tmp_path / record["probabilities"]["file"]).dtype == np.float16
    assert records.verify(tmp_path) == []
    again = json.loads((records.RESULTS / names[0]).read_text(encoding="utf-8"))
    assert {**record, "probabilities": None} == {**again, "probabilities": None}


def test_float16_changes_no_answer_and_no_metric_of_the_record():
    recorded = records.load_record(EXPERIMENT)["best"]["test"]
    half = report(0.5)
    assert half.confusion_matrix.tolist() == recorded["confusion_matrix"]
    for name in ("accuracy", "micro_precision", "micro_recall"):
        assert getattr(half, name) == pytest.approx(recorded[name], abs=1e-6)
    assert half.loss == pytest.approx(recorded["loss"], abs=1e-3)
    assert records.load_record(EXPERIMENT)["data"]["sha256"] == load_dataset().sha256


def test_one_byte_of_the_predictions_is_enough(tmp_path, capsys):
    copy = shutil.copytree(records.RESULTS, tmp_path / "results")
    path = copy / predictions_name(EXPERIMENT)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert main(["--folder", str(copy), "verify"]) == 1
    out = capsys.readouterr().out
    assert f"{path.name}: su contenido no es el que se registró" in out
    assert f"{path.name}: no son las probabilidades que registró {EXPERIMENT}-s0.json" in out


def test_missing_predictions_say_how_to_make_them(tmp_path, capsys):
    with pytest.raises(records.RecordError, match=f"predict {EXPERIMENT} --seed 3"):
        load_predictions(EXPERIMENT, 3)
    shutil.copy(records.RESULTS / f"{EXPERIMENT}-s1.json", tmp_path)
    with pytest.raises(records.RecordError, match="no guarda pesos"):
        rebuild_predictions(CATALOGUE[EXPERIMENT], 1, tmp_path)
    assert main(["predict", "baseline"]) == 2
    assert f"Las guardan: {EXPERIMENT}" in capsys.readouterr().err


# --- Sin navegador -------------------------------------------------------------------------------------------------------
def test_numbers_are_those_of_the_evaluation_module(reports):
    for threshold, expected in reports.items():
        counts = ThresholdExplorer(threshold).compute()
        found = counts.accuracy, counts.precision, counts.recall, counts.f1
        np.testing.assert_allclose(found, metrics(expected), rtol=1e-12)
    expected = report(None)
    for label, scores in enumerate(expected.per_class):
        counts = ThresholdExplorer(argmax=True, label=label).compute()
        assert list(counts.row) == expected.confusion_matrix[label].tolist()
        assert counts.column == expected.confusion_matrix[:, label].sum()
        assert counts.row[label] / counts.row_total == pytest.approx(scores.recall)
        assert counts.row[label] / counts.column == pytest.approx(scores.precision)


def test_the_three_rules_of_the_chapter_hold():
    sweep = [ThresholdExplorer(threshold).compute() for threshold in THRESHOLDS]
    assert {counts.right for counts in sweep} == {1747}  # el umbral no mueve la exactitud
    for threshold, counts in zip(THRESHOLDS, sweep, strict=True):
        if threshold >= 0.5:
            assert counts.hits <= counts.right and counts.several == 0
            assert counts.none + counts.said == counts.n
    best = ThresholdExplorer(argmax=True).compute()
    assert best.accuracy == best.precision == best.recall == best.f1 and best.none == 0


def test_pictures_are_those_of_the_sample_and_some_lack_a_class_at_any_threshold():
    sample, dataset = load_sample(), load_dataset()
    for index, picture in zip(sample.picture_indices, sample.pictures, strict=True):
        # 16 grises: ningún píxel se aparta más de medio escalón.
        assert abs(np.pad(picture, 2).astype(int) - dataset.x_test[index, :, :, 0]).max() <= 8
    confidence = sample.probabilities.max(axis=1)
    for threshold in THRESHOLDS:
        without = int((confidence <= threshold).sum())
        shown = int((confidence[sample.picture_indices] <= threshold).sum())
        assert shown >= min(without, 2)
    assert len(sample.picture_indices) < 90


def test_stored_html_says_its_numbers_and_is_always_the_same():
    html = ThresholdExplorer().to_html()
    assert html == ThresholdExplorer().to_html() and "<script" not in html and len(html) < 20_000
    assert json.loads(unescape(re.search(r'data-state="([^"]+)"', html)[1])) == ThresholdExplorer().state
    control = ThresholdExplorer(0.8, label="abrigo")
    counts = control.compute()
    assert f"precisión {counts.hits}/{counts.said} = {counts.precision:.3f}" in control.caption()
    assert f"Sin ninguna clase se quedan {counts.none}." in control.caption()
    assert control.caption() in control.picture().alt


def test_chapter_stores_what_the_control_shows_today():
    stored = stored_outputs(ROOT / "book" / "evaluacion.ipynb")
    assert ["".join(data["text/html"]) for data in stored] == [ThresholdExplorer().to_html()]


def test_text_is_a_stable_line():
    assert repr(ThresholdExplorer()) == (
        "ThresholdExplorer(umbral 0.50: exactitud 0.874, precisión 0.884, exhaustividad 0.866, F1 0.875)"
    )
    assert repr(ThresholdExplorer(argmax=True)).startswith("ThresholdExplorer(la clase más probable: ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 0}, "threshold tiene que ser un número de 0.01 a 0.99, y es 0"),
        ({"threshold": 1.0}, "threshold tiene que ser un número de 0.01 a 0.99, y es 1.0"),
        ({"threshold": float("nan")}, "threshold tiene que ser un número"),
        ({"threshold": True}, "threshold tiene que ser un número"),
        ({"argmax": 1}, "argmax tiene que ser True o False, y es 1"),
        ({"label": "gato"}, "No hay ninguna clase 'gato'. Las que hay: camiseta, pantalón"),
        ({"label": 10}, "label tiene que ser un entero de 0 a 9, y es 10"),
    ],
)
def test_it_says_what_is_wrong(options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        ThresholdExplorer(**options)


def test_bad_states_are_refused():
    control = ThresholdExplorer()
    with pytest.raises(ValueError, match="diccionario con threshold, argmax, label"):
        control.state = {"threshold": 0.5}
    control.state = {**control.state, "threshold": 0.7349}
    assert control.state["threshold"] == 0.73


def test_it_stays_light():
    import gzip

    own = base.page_script([base.find_control("ThresholdExplorer")]) + base.stylesheet()
    assert len(gzip.compress(own.encode("utf-8"))) < 130_000


# --- En el navegador -------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Una página con el control, en el disco."""
    return write_control_page(tmp_path_factory.mktemp("control"), ThresholdExplorer)


def explorer(browser, address, **options):
    """La página con el control montado; al cerrarla, comprueba la consola y la red."""
    return mounted(browser, address, ".control .te-metrics", **options)


# Lo que enseña el control después de poner cada valor, sin esperar: la página lo pinta en el mismo paso.
SWEEP = """(values) => {
  const slider = document.querySelector(".control input[type=range]");
  const read = (selector) => [...document.querySelectorAll(".control " + selector)].map((element) => element.textContent);
  return values.map((value) => {
    slider.value = value;
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    return { output: read(".te-rule output")[0], metrics: read(".te-tile dd:not(.te-fraction)"), none: read(".te-name")[0],
      row: read(".te-count") };
  });
}"""


def shown_metrics(page):
    """Las cuatro métricas que se leen."""
    return page.locator(".control .te-tile dd:not(.te-fraction)").all_text_contents()


def assert_shows(page, control, expected):
    """El control enseña los números de `helpers.evaluation` y los recuentos de Python."""
    counts, names = control.compute(), load_sample().class_names
    assert shown_metrics(page) == [f"{value:.3f}" for value in metrics(expected)]
    assert page.locator(".control .te-fraction").all_text_contents() == [
        f"{counts.right} / {counts.n}",
        f"{counts.hits} / {counts.said}",
        f"{counts.hits} / {counts.n}",
        f"{2 * counts.hits} / {counts.n + counts.said}",
    ]
    rows = page.locator(".control .te-count").all_text_contents()
    assert rows == [str(count) for count in (*counts.row, counts.row_none)]
    name = names[control.state["label"]]
    assert f"De las {counts.row_total} imágenes de {name}" in page.locator("caption").text_content()
    title = page.locator(".control .te-name").text_content()
    assert title.startswith(f"{counts.none or 'Ninguna'} im")
    label = page.locator(".control .c-chart").get_attribute("aria-label")
    assert f"exactitud {counts.accuracy:.3f}, precisión micro {counts.precision:.3f}" in label


def assert_sweep(page, reports):
    """Un barrido de todos los umbrales da, en cada uno, los números de `helpers.evaluation`."""
    shown = page.evaluate(SWEEP, [f"{threshold:g}" for threshold in reports])
    for (threshold, expected), seen in zip(reports.items(), shown, strict=True):
        counts = ThresholdExplorer(threshold).compute()
        assert seen["output"] == f"{threshold:.2f}"
        assert seen["metrics"] == [f"{value:.3f}" for value in metrics(expected)], threshold
        assert seen["row"] == [str(count) for count in (*counts.row, counts.row_none)]
        assert seen["none"].startswith(f"{counts.none or 'Ninguna'} im")


@browser_test
def test_javascript_and_python_agree_and_states_survive_the_address(browser):
    rng = np.random.default_rng(20261125)
    states = [
        {"threshold": int(rng.integers(1, 100)) / 100, "argmax": bool(turn % 5 == 0), "label": turn % 10}
        for turn in range(60)
    ]
    with opened(browser, "about:blank") as (page, _):
        found = page.evaluate(
            f"""(states) => {{
              const {{ controls, data }} = {base.bundle([ThresholdExplorer])};
              const {{ compute, decode, normalize, toAddress, fromAddress }} = controls.ThresholdExplorer;
              const sample = decode(data.ThresholdExplorer);
              return [[...sample.probabilities], states.map((state) => ({{
                ...compute(normalize(state), sample), again: normalize(fromAddress(toAddress(state))),
              }}))];
            }}""",
            states,
        )
    probabilities, twins = found
    recorded = load_sample().probabilities.ravel()
    kept = recorded > THRESHOLDS[0]  # las demás no se dicen con ningún umbral, y viajan como 0
    assert probabilities == np.where(kept, recorded, 0).tolist()  # float16, sin perder un bit
    assert load_sample().probabilities.max(axis=1).min() > THRESHOLDS[0]
    for state, twin in zip(states, twins, strict=True):
        expected = compute(state)
        assert twin["again"] == state
        assert twin["row"] == list(expected.row)
        for name in ("n", "right", "said", "hits", "none", "several", "column"):
            assert twin[name] == getattr(expected, name)
        assert (twin["accuracy"], twin["precision"], twin["recall"], twin["f1"]) == (
            expected.accuracy,
            expected.precision,
            expected.recall,
            expected.f1,
        )


@browser_test
def test_on_the_built_page_a_sweep_gives_the_numbers_of_python(browser, book, server, reports):
    for site in (server, book.site.as_uri()):
        with explorer(browser, f"{site}/book/evaluacion.html", base=site) as page:
            assert_shows(page, ThresholdExplorer(), reports[0.5])
            assert_sweep(page, reports)


@browser_test
def test_every_input_gives_pythons_numbers(browser, address, reports):
    with explorer(browser, address) as page:
        control = page.locator(".control")
        slider = control.get_by_label("Umbral", exact=True)
        assert_sweep(page, reports)
        for threshold in (0.01, 0.99, 0.5):
            slider.fill(str(threshold))
            assert slider.get_attribute("aria-valuetext") == f"{threshold:.2f}"
            assert_shows(page, ThresholdExplorer(threshold), reports[threshold])
        for name in load_sample().class_names:
            control.get_by_label("Clase", exact=True).select_option(label=name)
            assert_shows(page, ThresholdExplorer(label=name), reports[0.5])
        control.get_by_label("Sin umbral").check()
        assert_shows(page, ThresholdExplorer(argmax=True, label="botín"), report(None))
        assert len(set(shown_metrics(page))) == 1
        assert "las cuatro son iguales" in control.locator(".te-lesson").text_content()
        slider.fill("0.8")  # mover el umbral vuelve a usarlo
        assert not control.get_by_label("Sin umbral").is_checked()
        assert_shows(page, ThresholdExplorer(0.8, label="botín"), reports[0.8])
        control.get_by_role("button", name="Restablecer").click()
        assert_shows(page, ThresholdExplorer(), reports[0.5])


@browser_test
def test_images_without_a_class_are_shown(browser, address):
    sample = load_sample()
    confidence = sample.probabilities.max(axis=1)
    with explorer(browser, address) as page:
        slider, cards = page.locator(".control input[type=range]"), page.locator(".te-gallery li:visible")
        slider.fill("0.35")
        assert cards.count() == int((confidence <= 0.35).sum()) == 3
        slider.fill("0.7")
        assert cards.count() == 12
        below = sorted(
            (-confidence[index], index) for index in sample.picture_indices if confidence[index] <= 0.7
        )
        for card, (negative, index) in zip(cards.all(), below, strict=False):
            truth = sample.class_names[sample.labels[index]]
            guess = sample.class_names[sample.probabilities[index].argmax()]
            assert card.locator("span").all_text_contents() == [truth, f"{guess} {-negative:.3f}"]
            pixels = card.locator("canvas").evaluate(
                "canvas => [...canvas.getContext('2d').getImageData(0, 0, 28, 28).data].filter((_, i) => i % 4 === 0)"
            )
            place = sample.picture_indices.tolist().index(index)
            assert pixels == sample.pictures[place].ravel().tolist()
        page.locator(".control").get_by_label("Sin umbral").check()
        assert cards.count() == 0
        assert "Ninguna imagen se queda sin clase." in page.locator(".te-name").text_content()


@browser_test
def test_the_keyboard_moves_it_and_the_change_is_announced(browser, address, reports):
    with explorer(browser, address) as page:
        page.locator(".control input[type=range]").focus()
        for key in ("ArrowRight", "ArrowRight", "ArrowUp"):
            page.keyboard.press(key)
        assert_shows(page, ThresholdExplorer(0.53), reports[0.53])
        page.keyboard.press("Home")
        assert_shows(page, ThresholdExplorer(0.01), reports[0.01])
        page.keyboard.press("End")
        assert_shows(page, ThresholdExplorer(0.99), reports[0.99])
        status = page.locator(".control [role=status].c-hidden")
        page.wait_for_function("document.querySelector('.control [role=status].c-hidden').textContent !== ''")
        assert "Umbral 0.99: exactitud 0.874, precisión 0.989" in status.text_content()


@browser_test
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False), (320, True)])
def test_axe_finds_nothing_and_nothing_overflows(browser, address, width, dark):
    with explorer(browser, address, width=width, dark=dark, phone=width < 400) as page:
        if dark:
            page.evaluate("document.documentElement.dataset.theme = 'dark'")
        page.locator(".control input[type=range]").fill("0.9")
        assert screen_faults(page) == []


@browser_test
def test_on_paper_and_without_javascript_there_is_a_figure(browser, address):
    assert_has_figure(browser, address, explorer, width=716, text="Sin ninguna clase se quedan 42.")


@browser_test
def test_the_result_is_painted_at_once(browser, address):
    with explorer(browser, address) as page:
        values = [f"{0.05 * (1 + turn % 19):.2f}" for turn in range(20)]
        best = min(input_to_paint(page, ".control input[type=range]", values) for _ in range(3))
        assert best < 50, f"tarda {best:.0f} ms"


@browser_test
def test_a_link_carries_the_whole_state(browser, address, reports):
    with explorer(browser, f"{address}#ThresholdExplorer=73.0.2") as page:
        assert_shows(page, ThresholdExplorer(0.73, label="suéter"), reports[0.73])
        page.evaluate("location.hash = 'ThresholdExplorer=10.1.9'")
        page.wait_for_function("document.querySelector('.control input[type=checkbox]').checked")
        assert_shows(page, ThresholdExplorer(0.1, argmax=True, label="botín"), report(None))
        for wrong in ("0.0.6", "50.0.11", "roto"):
            page.evaluate(f"location.hash = 'ThresholdExplorer={wrong}'")
            page.locator(".control .c-notice:visible").wait_for()


@browser_test
def test_alone_in_a_frame_like_colab(browser, tmp_path, reports):
    path = tmp_path / "colab.html"
    frame = ThresholdExplorer(0.9).to_standalone_html().replace("&", "&amp;").replace('"', "&quot;")
    path.write_text(
        STATIC_PAGE.format(
            body=f'<iframe title="Salida" sandbox="allow-scripts" width="900" height="1200" srcdoc="{frame}"></iframe>'
        ),
        encoding="utf-8",
    )
    with opened(browser, path.as_uri()) as (page, watch):
        inside = page.frame_locator("iframe")
        inside.locator(".te-metrics").wait_for()
        assert inside.locator(".te-tile dd:not(.te-fraction)").all_text_contents() == [
            f"{value:.3f}" for value in metrics(reports[0.9])
        ]
        assert watch.faults == []
