"""`RunExplorer`: la regla que dice qué se distingue, sus números contra el registro y cómo se usa en una página."""

import copy
import gzip
import itertools
import json
import re
import statistics
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

from helpers.experiments.records import load_record
from helpers.widgets import base
from helpers.widgets.run_explorer import (
    AXES,
    CRITERIA,
    RunExplorer,
    cannot_be_told,
    expected_best_of,
    format_points,
    format_units,
    limits_of,
    margin,
    pack,
    packed_grid,
    run_index,
)

CHAPTER = ROOT / "book" / "entrenamiento.ipynb"
SIZES = (5, 3, 2, 3)
PLACES = [list(place) for place in itertools.product(*map(range, SIZES))]
browser_test = pytest.mark.navegador


def states():
    """Las 90 combinaciones, con y sin otra al lado y con los tres criterios."""
    found = []
    for index, place in enumerate(PLACES):
        other = None if index % 3 == 0 else PLACES[(7 * index + 11) % 90]
        found.append({"a": place, "b": other, "criterion": list(CRITERIA)[index % 3]})
    return [*found, {"a": [2, 0, 0, 2], "b": [2, 0, 0, 2], "criterion": "test"}]


def control_of(state):
    control = RunExplorer()
    control.state = state
    return control


# --- La regla ------------------------------------------------------------------------------------------------------
def test_margin_adds_the_four_variances():
    # Sin azar de semillas: dos binomiales de 10 000 imágenes con 0.5 → 1.96·√(2·0.25/10 000).
    assert margin(0.5, 0.5, 0, 10_000) == pytest.approx(1.96 * 0.5 * np.sqrt(2 / 10_000))
    assert margin(1, 1, 0.004, 10_000) == pytest.approx(1.96 * 0.004 * np.sqrt(2))
    assert margin(0.87, 0.87, 0.004, 1000) > margin(0.87, 0.87, 0.004, 10_000) > margin(0.87, 0.87, 0, 10_000)
    assert cannot_be_told(0.8776, 0.8717, 0.004, 10_000) and not cannot_be_told(0.8776, 0.85, 0.004, 10_000)
    assert cannot_be_told(0.85, 0.86, 0.004, 10_000) == cannot_be_told(0.86, 0.85, 0.004, 10_000)


def test_two_equal_networks_are_rarely_told_apart():
    rng = np.random.default_rng(0)
    truth = 0.87 + 0.004 * rng.standard_normal((4000, 2))
    seen = rng.binomial(10_000, truth) / 10_000
    told = [not cannot_be_told(*pair, 0.004, 10_000) for pair in seen]
    assert 0.03 < np.mean(told) < 0.07


def test_the_best_of_many_is_lucky():
    rng = np.random.default_rng(0)
    assert expected_best_of(90) == pytest.approx(
        rng.standard_normal((20_000, 90)).max(axis=1).mean(), abs=0.03
    )
    assert expected_best_of(1) == 0


# --- La rejilla ------------------------------------------------------------------------------------------------------
def test_packed_numbers_are_those_of_the_record():
    record, grid = load_record("grid-fashion", None), packed_grid()
    assert len(grid["runs"]) == 90 and grid["seeds"] == 6
    for run in record["runs"]:
        if run["seed"]:
            continue
        packed = grid["runs"][run_index([record["axes"][name].index(run["point"][name]) for name in AXES])]
        names = ("loss", "val_loss", "accuracy", "val_accuracy")
        for name, curve in zip(names, packed["history"], strict=True):
            np.testing.assert_allclose(np.array(curve) / 10_000, run["history"][name], atol=0.5001e-4)
        assert packed["test"] / 10_000 == pytest.approx(run["test_accuracy"])
        assert packed["shifted"] / 10_000 == pytest.approx(run["shifted_test_accuracy"])
        assert packed["validation"] / 10_000 == pytest.approx(
            run["history"]["val_accuracy"][run["best_epoch"] - 1]
        )
        assert run["history"]["val_loss"][run["best_epoch"] - 1] == min(run["history"]["val_loss"])


def test_band_and_spread_come_from_the_seeds_of_the_default_only():
    record, grid = load_record("grid-fashion", None), packed_grid()
    seeds = [run for run in record["runs"] if run["point"] == record["default"]]
    assert len(seeds) == 6
    for index, name in enumerate(("loss", "val_loss", "accuracy", "val_accuracy")):
        curves = np.array([run["history"][name] for run in seeds])
        expected = np.stack([curves.min(axis=0), curves.max(axis=0)], axis=1)
        np.testing.assert_allclose(np.array(grid["band"][index]) / 10_000, expected, atol=0.5001e-4)
    spread = statistics.stdev(run["test_accuracy"] for run in seeds)
    assert grid["criteria"]["test"]["deviation"] == pytest.approx(spread)


@pytest.mark.parametrize("name", CRITERIA)
def test_selection_is_in_order_and_the_equal_ones_are_the_first(name):
    grid = packed_grid()
    chosen = grid["criteria"][name]
    scores = [grid["runs"][index][name] for index in chosen["order"]]
    assert scores == sorted(scores, reverse=True) and sorted(chosen["order"]) == list(range(90))
    assert chosen["equal"] == chosen["order"][: len(chosen["equal"])] and 1 < len(chosen["equal"]) < 60
    told = chosen["order"][len(chosen["equal"])]
    best = scores[0] / 10_000
    assert not cannot_be_told(best, grid["runs"][told][name] / 10_000, chosen["deviation"], chosen["count"])


def test_a_run_that_did_not_learn_is_told_plainly():
    record = copy.deepcopy(load_record("grid-fashion", None))
    broken, stuck = record["runs"][1], record["runs"][2]
    broken["history"]["loss"][3:] = [float("nan")] * 9
    stuck["history"]["val_accuracy"] = [0.1] * 12
    grid = pack(record)
    assert grid["failed"] == 2 and packed_grid()["failed"] == 0
    assert sum(run["failed"] for run in grid["runs"]) == 2
    json.dumps(grid, allow_nan=False)
    assert format_units(None) == "NaN"
    assert limits_of(grid["runs"], grid["band"])[0][0] >= 0


def test_a_missing_record_says_how_to_make_it(tmp_path):
    with pytest.raises(ValueError, match="run grid-fashion"):
        load_record("grid-fashion", None, tmp_path)


def test_lessons_of_the_chapter():
    def verdict(**options):
        return RunExplorer(**options).verdict()

    assert verdict(dropout=0.5, compare={"dropout": 0.0}, criterion="test").startswith(
        "A no se distingue de B"
    )
    assert verdict(compare={"augmentation": True}, criterion="test").startswith("A se distingue de B")
    shifted = verdict(compare={"augmentation": True}, criterion="shifted")
    assert shifted.startswith("A se distingue de B") and "menos que B" in shifted
    grid = packed_grid()
    best = grid["runs"][grid["criteria"]["validation"]["order"][0]]
    assert best["validation"] - best["test"] > 100  # lo que la mejor en validación pierde al medirla de nuevo


# --- Lo que se guarda ---------------------------------------------------------------------------------------------
def test_stored_html_says_its_numbers_and_carries_no_data():
    html = RunExplorer().to_html()
    assert html == RunExplorer().to_html() and "<script" not in html and len(html) < 20_000
    assert json.loads(unescape(re.search(r'data-state="([^"]+)"', html)[1])) == {
        "a": [2, 0, 0, 2],
        "b": None,
        "criterion": "validation",
    }
    control = RunExplorer(compare={"dropout": 0.5})
    for which in "ab":
        run = control.run(which)
        assert f"Prueba oficial {format_units(run['test'])}" in control.caption()
    assert control.caption() in control.picture().alt and control.verdict() in control.caption()


def test_chapter_stores_what_the_control_shows_today():
    stored = [data for data in stored_outputs(CHAPTER) if "RunExplorer" in "".join(data["text/html"])]
    assert ["".join(data["text/html"]) for data in stored] == [RunExplorer().to_html()]
    assert set(stored[0]) == {"text/plain", "text/html"}


def test_text_is_a_stable_line():
    text = repr(RunExplorer(learning_rate=1e-4, compare={"filters": (8, 16)}))
    assert text == (
        "RunExplorer(tasa 0.0001, dropout 0, sin aumento, filtros 32/64; "
        "frente a tasa 0.0001, dropout 0, sin aumento, filtros 8/16)"
    )
    control = RunExplorer(augmentation=True)
    assert control.point() == {
        "learning_rate": 0.001,
        "dropout": 0.0,
        "augmentation": True,
        "filters": [32, 64],
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rate": 0.002}, "learning_rate tiene que ser uno de [0.0001, 0.0003"),
        ({"dropout": 0.1}, "dropout tiene que ser uno de [0.0, 0.25, 0.5]"),
        ({"augmentation": 1}, "augmentation tiene que ser uno de [False, True]"),
        ({"filters": (64, 128)}, "filters tiene que ser uno de [[8, 16]"),
        ({"compare": {"epochs": 3}}, "La rejilla no tiene epochs. Sus ejes: learning_rate"),
        (
            {"criterion": "loss"},
            "criterion tiene que ser uno de estos: validation, test, shifted; y es 'loss'",
        ),
    ],
)
def test_it_says_what_is_wrong(options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        RunExplorer(**options)


@pytest.mark.parametrize("place", [[5, 0, 0, 0], [0, 0, 0], [0, 0, True, 0], "2002", None])
def test_bad_states_are_refused(place):
    control = RunExplorer()
    with pytest.raises(ValueError, match="a tiene que ser cuatro posiciones"):
        control.state = {**control.state, "a": place}
    with pytest.raises(ValueError, match="diccionario con a, b y criterion"):
        control.state = {"a": [0, 0, 0, 0]}
    assert control.state["a"] == [2, 0, 0, 2]


def test_it_stays_light():
    own = base.page_script([RunExplorer]) + base.stylesheet() + RunExplorer().to_html()
    assert len(gzip.compress(own.encode("utf-8"))) < 60_000


# --- En el navegador -------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Una página con el control, en el disco."""
    return write_control_page(tmp_path_factory.mktemp("control"), RunExplorer)


def explorer(browser, address, **options):
    """La página con el control montado; al cerrarla, comprueba la consola y la red."""
    return mounted(browser, address, ".control .re-table", **options)


def expected_column(run):
    at = run["epoch"] - 1
    gap = run["history"][2][-1] - run["history"][3][-1]
    numbers = [curve[at] for curve in run["history"]] + [gap, run["test"], run["shifted"]]
    return [f"{run['epoch']} de 12", *map(format_units, numbers)]


def assert_shows(page, control):
    """El control enseña los números de Python."""
    host = page.locator('[data-control="RunExplorer"] .control')
    shown = "ab" if control.state["b"] else "a"
    for column, which in enumerate(shown):
        cells = host.locator(f".re-table tbody td:nth-of-type({column + 1}):visible").all_text_contents()
        assert cells == expected_column(control.run(which)), control.state
    assert host.locator(".re-table tbody td:visible").count() == 8 * len(shown)
    assert host.locator(".re-verdict").text_content() == control.verdict()
    grid = packed_grid()
    chosen = grid["criteria"][control.state["criterion"]]
    assert host.locator(".re-told").count() == len(chosen["equal"]) + 1  # uno más, el de la leyenda
    assert host.locator(".re-equal label").text_content() == (
        f"No se distinguen de la mejor: {len(chosen['equal'])} de 90"
    )
    assert f"unos {format_points(chosen['luck'])} puntos por encima" in host.text_content()


@browser_test
def test_javascript_and_python_agree_and_states_survive_the_address(browser):
    with opened(browser, "about:blank") as (page, _):
        found = page.evaluate(
            f"""(states) => {{
              const {{ controls, data }} = {base.bundle([RunExplorer])};
              const {{ normalize, toAddress, fromAddress, verdict, limitsOf, runIndex }} = controls.RunExplorer;
              return states.map((state) => ({{
                clean: normalize(state), again: normalize(fromAddress(toAddress(state))),
                verdict: verdict(state, data.RunExplorer), limits: limitsOf(state, data.RunExplorer), index: runIndex(state.a),
              }}));
            }}""",
            states(),
        )
    for state, twin in zip(states(), found, strict=True):
        control = control_of(state)
        assert twin["clean"] == twin["again"] == state
        assert twin["index"] == run_index(state["a"])
        assert twin["verdict"] == control.verdict()
        shown = [control.run(which) for which in "ab" if state[which]]
        assert twin["limits"] == limits_of(shown, packed_grid()["band"])


@browser_test
def test_javascript_writes_numbers_as_python_does(browser):
    values = [None, 0, 4, 5, -4, -5, -349, 8716, 10_000, 22_625]
    with opened(browser, "about:blank") as (page, _):
        found = page.evaluate(
            f"""(values) => {{
              const {{ formatUnits, formatPoints }} = {base.bundle([RunExplorer])}.controls.RunExplorer;
              return [values.map(formatUnits), values.slice(1).map(formatPoints)];
            }}""",
            values,
        )
    assert found == [
        [format_units(value) for value in values],
        [format_points(value) for value in values[1:]],
    ]


@pytest.fixture(params=["http", "disco"])
def chapter(request, book, server):
    """Dirección del capítulo y el principio de todas las del libro."""
    site = server if request.param == "http" else book.site.as_uri()
    return f"{site}/book/entrenamiento.html", site


@browser_test
def test_every_input_gives_pythons_numbers_at_its_limits(browser, chapter):
    url, site = chapter
    with opened(browser, url, base=site) as (page, watch):
        drive_every_input(page)
        assert watch.faults == []


@browser_test
def test_every_input_alone_on_its_page(browser, address):
    with explorer(browser, address) as page:
        drive_every_input(page)


def drive_every_input(page):
    host = page.locator('[data-control="RunExplorer"] .control')
    host.locator(".re-table").wait_for()
    assert_shows(page, RunExplorer())
    run_a, run_b = (host.get_by_role("group", name=f"Ejecución {which}") for which in "AB")
    state = RunExplorer().state
    for axis, label in ((0, "Tasa de aprendizaje"), (1, "Dropout"), (3, "Filtros")):
        field = run_a.get_by_label(label)
        for key, at in (("Home", 0), ("End", SIZES[axis] - 1)):
            field.focus()
            page.keyboard.press(key)
            state["a"][axis] = at
            assert_shows(page, control_of(state))
        host.get_by_role("button", name="Por omisión").click()
        state = RunExplorer().state
        assert_shows(page, control_of(state))
    run_a.get_by_label("Aumento de datos").check()
    assert_shows(page, RunExplorer(augmentation=True))
    host.get_by_label("Comparar con otra (B)").check()
    assert_shows(page, RunExplorer(augmentation=True, compare={"augmentation": False}))
    run_b.get_by_label("Dropout").focus()
    page.keyboard.press("End")
    run_b.get_by_label("Tasa de aprendizaje").focus()
    page.keyboard.press("ArrowLeft")
    other = {"augmentation": False, "dropout": 0.5, "learning_rate": 0.0003}
    assert_shows(page, RunExplorer(augmentation=True, compare=other))
    for name, (label, _) in CRITERIA.items():
        select = host.get_by_label("La mejor, según")
        option = select.locator("option").filter(has_text=label).text_content()
        select.select_option(label=option)
        assert_shows(page, RunExplorer(augmentation=True, compare=other, criterion=name))
    host.get_by_label("Comparar con otra (B)").uncheck()
    order = packed_grid()["criteria"]["shifted"]["order"]
    for button, index in (("La mejor", order[0]), ("La peor", order[-1])):
        host.get_by_role("button", name=button, exact=True).click()
        assert_shows(page, control_of({"a": PLACES[index], "b": None, "criterion": "shifted"}))
    equal = packed_grid()["criteria"]["shifted"]["equal"]
    host.locator(".re-equal select").select_option(index=len(equal))
    assert_shows(page, control_of({"a": PLACES[equal[-1]], "b": None, "criterion": "shifted"}))
    host.get_by_role("button", name="Restablecer").click()
    assert_shows(page, RunExplorer())


@browser_test
def test_changes_are_announced_and_a_link_carries_the_state(browser, address):
    with explorer(browser, f"{address}#RunExplorer=2002_2012_test") as page:
        control = RunExplorer(compare={"augmentation": True}, criterion="test")
        assert_shows(page, control)
        page.locator(".control").get_by_label("La mejor, según").select_option(index=2)
        status = page.locator(".control [role=status].c-hidden")
        page.wait_for_function("document.querySelector('.control [role=status].c-hidden').textContent !== ''")
        said = status.text_content()
        assert RunExplorer(compare={"augmentation": True}, criterion="shifted").verdict() in said
        page.evaluate("location.hash = 'RunExplorer=9999_test'")
        page.locator(".control .c-notice:visible").wait_for()


@browser_test
def test_a_run_that_did_not_learn_says_so_on_the_page(browser, tmp_path):
    class Broken(RunExplorer):
        @classmethod
        def data(cls):
            record = copy.deepcopy(load_record("grid-fashion", None))
            record["runs"][0]["history"]["loss"][3:] = [float("nan")] * 9
            return pack(record)

    script = base.page_script([RunExplorer]).replace(
        base._dump(RunExplorer.data()), base._dump(Broken.data())
    )
    body = f"<style>{base.stylesheet()}</style>{RunExplorer().to_html()}<script>{script}</script>"
    path = tmp_path / "rota.html"
    path.write_text(STATIC_PAGE.format(body=body), encoding="utf-8")
    with explorer(browser, f"{path.as_uri()}#RunExplorer=0000_validation") as page:
        assert page.locator(".re-verdict").text_content().startswith("A no ha aprendido")
        assert page.locator(".re-panel .c-error").first.is_visible()
        assert "1 de las 90 ejecuciones no aprendieron" in page.locator(".control").text_content()


@browser_test
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False), (320, True)])
def test_axe_finds_nothing_and_nothing_overflows(browser, address, width, dark):
    with explorer(browser, f"{address}#RunExplorer=2002_2112_test", width=width, phone=width < 400) as page:
        if dark:
            page.evaluate("document.documentElement.dataset.theme = 'dark'")
        assert screen_faults(page) == []


@browser_test
def test_on_paper_and_without_javascript_there_is_a_figure(browser, address):
    assert_has_figure(browser, address, explorer, width=720, text=RunExplorer().verdict())


@browser_test
def test_the_result_is_painted_at_once(browser, address):
    with explorer(browser, f"{address}#RunExplorer=2002_2112_test") as page:
        values = [str(index % 5) for index in range(20)]
        best = min(input_to_paint(page, ".control .re-panel input[type=range]", values) for _ in range(3))
        assert best < 50, f"tarda {best:.0f} ms"
