"""`FeatureMaps`: las cuentas que enseña la página son las de Keras, y el mapa de oclusión también."""

import functools
import json
import re
from html import unescape

import numpy as np
import pytest
from built_book import ROOT
from control_pages import (
    STATIC_PAGE,
    accessibility_faults,
    mounted,
    overflowing,
    small_targets,
    write_control_page,
)

from helpers.models import describe_layers, layer_activations
from helpers.widgets import base
from helpers.widgets.feature_maps import (
    FIELDS,
    FILLS,
    POSITIONS,
    SHAPES,
    FeatureMaps,
    explain,
    forward,
    load_weights,
    occlude,
    receptive_box,
)
from helpers.widgets.image_classifier import CLOTHES_NETWORK, load_strip

browser_test = pytest.mark.navegador
BOARD = ".control .fm-board >> nth=0"


@functools.cache
def keras_model(half=False):
    """La red registrada en Keras; con `half`, con los pesos de 16 bits que viajan a la página."""
    from helpers.models import build_cnn

    model = build_cnn()
    model.load_weights(ROOT / "book" / "results" / CLOTHES_NETWORK.record()["weights"]["file"])
    if half:
        model.set_weights([w.astype(np.float16).astype(np.float32) for w in model.get_weights()])
    return model


def keras_weights():
    """Los pesos de Keras, con los nombres de `load_weights`."""
    return {
        name: value.astype(np.float64)
        for name, value in zip(load_weights(), keras_model().get_weights(), strict=True)
    }


def random_cells(count, seed=0):
    """`count` casillas por capa: (imagen, capa, mapa, fila, columna)."""
    rng = np.random.default_rng(seed)
    return [
        (int(rng.integers(24)), layer, *(int(rng.integers(n)) for n in (maps, height, width)))
        for layer, (height, width, maps) in SHAPES.items()
        for _ in range(count)
    ]


# --- La cuenta -------------------------------------------------------------------------------------------------------
def test_the_forward_pass_is_that_of_keras():
    images = load_strip().images[:4]
    found = forward(images, keras_weights())
    expected = layer_activations(keras_model(), images / np.float32(255))
    for layer, shape in SHAPES.items():
        assert found[layer].shape == (4, *shape)
        assert np.abs(found[layer] - expected[layer].reshape(4, *shape)).max() < 1e-5
        assert np.allclose(forward(images[2], keras_weights())[layer], found[layer][2], rtol=0, atol=1e-12)


def test_every_cell_is_the_sum_of_its_parts():
    weights = keras_weights()
    expected = layer_activations(keras_model(), load_strip().images / np.float32(255))
    ours = [forward(image, weights) for image in load_strip().images]
    for image, layer, map_index, row, column in random_cells(12):
        found = explain(ours[image], layer, map_index, row, column, weights)
        wanted = expected[layer].reshape(24, *SHAPES[layer])[image, row, column, map_index]
        totals = [abs(part.total) for part in found.parts]
        assert totals == sorted(totals, reverse=True)
        if layer == "output":
            logits = np.array([explain(ours[image], layer, k, weights=weights).total for k in range(10)])
            answer = (np.exp(logits) / np.exp(logits).sum())[map_index]
        elif layer.startswith("pool"):
            assert found.parts[0].inputs.shape == (2, 2)
            answer = found.parts[0].inputs.max()
        else:
            products = sum((part.inputs * part.weights).sum() for part in found.parts)
            assert found.total == pytest.approx(products + found.bias, abs=1e-9)
            answer = max(found.total, 0)
        assert found.value == pytest.approx(answer, abs=1e-9) and abs(answer - wanted) < 1e-5


def test_a_dense_part_says_the_cell_it_comes_from():
    activations = forward(load_strip().images[3])
    for part in explain(activations, "dense", 40).parts[:50]:
        map_index, row, column = part.source
        assert part.inputs[0] == activations["pool_2"][row, column, map_index]


def test_nothing_outside_the_box_changes_the_cell():
    rows = {row.name: row for row in describe_layers(keras_model())}
    assert {layer: size for layer, (size, _) in FIELDS.items()} == {
        n: rows[n].receptive_field for n in FIELDS
    }
    image = load_strip().images[8]
    for _, layer, _, row, column in random_cells(3, seed=1):
        top, left, height, width = receptive_box(layer, row, column)
        other = np.random.default_rng(2).integers(0, 256, image.shape, dtype=np.uint8)
        other[top : top + height, left : left + width] = image[top : top + height, left : left + width]
        before, after = forward(image)[layer][row, column], forward(other)[layer][row, column]
        assert before == pytest.approx(after, abs=1e-12)
        if layer in FIELDS:  # y los cuatro lados del recuadro cuentan
            for edge in (
                np.s_[top, :],
                np.s_[top + height - 1, :],
                np.s_[:, left],
                np.s_[:, left + width - 1],
            ):
                noise = other.copy()
                noise[edge] = 255 - noise[edge]
                assert np.abs(forward(noise)[layer][row, column] - after).max() > 0


def test_the_square_slides_over_the_whole_image():
    image = np.full((32, 32, 3), 7, np.uint8)
    for size in (4, 8, 12):
        covered = occlude(image, size, 128)
        assert covered.shape == (POSITIONS**2, 32, 32, 3) and set(np.unique(covered)) == {7, 128}
        middle = covered[8 * POSITIONS + 5] == 128
        assert middle[..., 0].sum() == size**2
        ys, xs = np.nonzero(middle[..., 0])
        assert (ys.min(), xs.min()) == (17 - size // 2, 11 - size // 2)
        assert (covered == 128).any(axis=0).all()
    assert (image == 7).all()


def test_half_precision_barely_moves_the_answers():
    strip = load_strip()
    assert np.abs(forward(strip.images)["output"].reshape(24, 10) - strip.probabilities).max() < 2e-3


# --- Lo que se guarda ------------------------------------------------------------------------------------------------
def test_stored_html_says_its_numbers_and_is_always_the_same():
    html = FeatureMaps().to_html()
    assert html == FeatureMaps().to_html() and "<script" not in html and len(html) < 25_000
    assert json.loads(unescape(re.search(r'data-state="([^"]+)"', html)[1])) == FeatureMaps().state
    for layer in SHAPES:
        control = FeatureMaps(layer=layer, map=3, row=0, column=0)
        found = explain(forward(load_strip().images[0]), layer, 3)
        assert f"{abs(found.total):.3f}" in control.caption() and control.caption() in control.picture().alt
    occlusion = FeatureMaps("oclusion", image=8, size=12, fill="blanco")
    assert re.search(r"da a «botín» >?\d+\.\d\u202f%", occlusion.caption())
    assert repr(occlusion) == "FeatureMaps(imagen 9, oclusión con un cuadrado blanco de 12×12)"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"view": "nada"}, "view tiene que ser 'mapas', 'oclusion', y es 'nada'"),
        ({"layer": "flatten"}, "layer tiene que ser 'conv_1', 'pool_1'"),
        ({"layer": "pool_2", "row": 6, "column": 0}, "row tiene que ser un entero de 0 a 5, y es 6"),
        ({"map": 32}, "map tiene que ser un entero de 0 a 31, y es 32"),
        ({"size": 5}, "size tiene que ser 4, 8, 12, y es 5"),
        ({"fill": "rojo"}, "fill tiene que ser 'negro', 'gris', 'blanco', y es 'rojo'"),
        ({"target": 10}, "target tiene que ser un entero de -1 a 9, y es 10"),
        ({"compare": 1}, "compare tiene que ser True o False, y es 1"),
        ({"image": True}, "image tiene que ser un entero de 0 a 23, y es True"),
    ],
)
def test_it_says_what_is_wrong(change, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        FeatureMaps(**change)
    with pytest.raises(ValueError, match="El estado tiene que ser un diccionario con view"):
        FeatureMaps().state = {"view": "mapas"}


# --- En el navegador -------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """La página del control, en el disco y con todo dentro."""
    return write_control_page(tmp_path_factory.mktemp("por-dentro"), FeatureMaps)


# Guarda lo que responde el Worker, tal como llega.
CAPTURE = """() => {
  globalThis.answers = [];
  const Original = globalThis.Worker;
  globalThis.Worker = class extends Original {
    constructor(...all) { super(...all); this.addEventListener("message", ({ data }) => answers.push(data)); }
  };
}"""


def wait_calculated(page):
    page.wait_for_function("document.querySelector('.fm-status').textContent.startsWith('Calculado')")


def link(control):
    """La parte de la dirección que lleva a un estado."""
    state = control.state
    place = (state["image"], list(SHAPES).index(state["layer"]), state["map"], state["row"], state["column"])
    square = (
        state["size"],
        FILLS[state["fill"]],
        state["target"],
        int(state["compare"]),
        state["y"],
        state["x"],
    )
    return "~".join(map(str, (state["view"], *place, *square)))


def go(page, control):
    """Lleva la página al estado de `control`."""
    page.evaluate("(text) => { location.hash = text }", f"FeatureMaps={link(control)}")


def numbers(text):
    return [float(n) for n in re.findall(r"-?\d+\.\d+", text.replace("−", "-"))]


def skeleton(text):
    return re.sub(r"−?\d+\.\d+", "#", text)


@browser_test
def test_the_page_tells_the_same_account_as_python(browser, address):
    with mounted(browser, address, BOARD) as page:
        page.evaluate(CAPTURE)
        page.get_by_role("button", name="Calcular los mapas aquí").click()
        wait_calculated(page)
        for image, layer, map_index, row, column in random_cells(3, seed=3):
            control = FeatureMaps(image=image, layer=layer, map=map_index, row=row, column=column)
            go(page, control)
            start = control.caption().split(":")[0]
            page.wait_for_function(
                "(image) => answers.length && document.querySelectorAll('.c-thumb')[image].ariaChecked === 'true'",
                arg=image,
            )
            page.wait_for_function("document.querySelector('.fm-result').checkVisibility()")
            shown = page.locator(".fm-result").text_content()
            assert shown.startswith(start) and skeleton(shown) == skeleton(control.caption())
            assert np.allclose(numbers(shown), numbers(control.caption()), atol=1.1e-3)
        # Las sumas de la página son los números del motor, hasta donde llega float32.
        worst = page.evaluate(
            f"""(cells) => {{
              const {{ controls: {{ FeatureMaps: one }} }} = {base.bundle([FeatureMaps], folder=".")};
              const {{ activations }} = answers.filter((a) => a.type === "inference").at(-1);
              const weights = Object.fromEntries(answers.find((a) => a.type === "weights").weights.map((w) => [w.name, w]));
              return Math.max(...cells.map(([, layer, map, row, column]) => {{
                const found = one.explain(activations, weights, layer, map, row, column);
                return Math.abs((layer.startsWith("pool") ? found.total : Math.max(0, found.total)) - found.value) / (1 + found.value);
              }}));
            }}""",
            [cell for cell in random_cells(40, seed=4) if cell[1] not in ("conv_1", "output")],
        )
        print(f"diferencia máxima entre la suma de la página y el motor: {worst:.1e}")
        assert worst < 2e-6


@browser_test
def test_the_occlusion_map_is_that_of_keras(browser, address):
    control = FeatureMaps("oclusion", image=7, size=8, fill="gris", y=7, x=9)
    covered = occlude(load_strip().images[7], 8, 128)
    expected = keras_model(half=True).predict(covered / np.float32(255), verbose=0)
    with mounted(browser, f"{address}#FeatureMaps={link(control)}", ".control .c-strip") as page:
        page.evaluate(CAPTURE)
        page.get_by_role("button", name="Tapar y preguntar a la red").click()
        page.wait_for_function("answers.filter((a) => a.type === 'inference').length === 9")
        found = page.evaluate(
            "answers.filter((a) => a.type === 'inference').slice(1).flatMap((a) => [...a.probabilities])"
        )
        difference = np.abs(np.reshape(found, (256, 10)) - expected).max()
        print(f"oclusión: diferencia máxima con Keras {difference:.1e}")
        assert difference < 1e-4
        shown = page.locator(".fm-result").text_content()
        assert shown.startswith(control.caption().rstrip("."))
        page.get_by_label("Comparar con la rival").check()
        assert page.locator(".control .fm-board").nth(1).is_visible()
        page.get_by_label("Clase", exact=True).select_option("botín")
        assert "da a «botín» <0.1" in page.locator(".fm-result").text_content()
        page.get_by_label("Cuadrado").select_option("4×4 píxeles")
        page.wait_for_function("answers.filter((a) => a.type === 'inference').length === 17")


@browser_test
def test_keyboard_announcements_and_the_link(browser, address):
    with mounted(browser, address, BOARD) as page:
        page.locator(".fm-thumb[aria-checked=true]").focus()
        page.keyboard.press("ArrowRight")  # carga la red
        wait_calculated(page)
        assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Mapa 25"
        page.keyboard.press("Home")
        assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Mapa 1"
        board = page.locator(BOARD)
        board.focus()
        for key, place in (("ArrowRight", "fila 14, columna 10"), ("ArrowUp", "fila 13, columna 10"),
                           ("End", "fila 13, columna 30"), ("PageDown", "fila 30, columna 30"), ("ArrowRight", "fila 30, columna 30")):  # fmt: skip
            page.keyboard.press(key)
            assert f"mapa 1, {place}" in board.get_attribute("aria-label")
        page.get_by_role("button", name="Mover la casilla hacia la izquierda").click()
        assert "columna 29" in board.get_attribute("aria-label")
        canvas = board.locator("canvas").bounding_box()
        page.mouse.click(canvas["x"] + canvas["width"] / 2 + 1, canvas["y"] + 2)
        assert "fila 1, columna 16" in board.get_attribute("aria-label")
        status = page.locator(".control [role=status].c-hidden")
        status.get_by_text("con la ReLU").wait_for(state="attached")
        states = [
            FeatureMaps().state,
            FeatureMaps("oclusion", image=23, layer="output", map=9, row=0, column=0, size=12, fill="blanco",
                        target=4, compare=True, y=15, x=0).state,
        ]  # fmt: skip
        found = page.evaluate(
            f"""(states) => {{
              const {{ controls: {{ FeatureMaps: one }} }} = {base.bundle([FeatureMaps], folder=".")};
              return [states.map((state) => one.fromAddress(one.toAddress(state))),
                ["", "mapas", "mapas~0~9~0~0~0~8~128~-1~0~8~8", "mapas~0~0~99~0~0~8~128~-1~0~8~8"].map(one.fromAddress)];
            }}""",
            states,
        )
        assert found == [states, [None] * 4]


@browser_test
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True), (320, False)])
def test_axe_finds_nothing_and_nothing_overflows(browser, address, width, dark):
    with mounted(browser, address, BOARD, width=width, dark=dark, phone=width < 400) as page:
        page.evaluate("(dark) => { document.documentElement.dataset.theme = dark ? 'dark' : 'light' }", dark)
        page.get_by_role("button", name="Calcular los mapas aquí").click()
        wait_calculated(page)
        for name in ("Agrupación 1", "Convolución 2", "Capa densa", "Salida", "Oclusión"):
            page.get_by_role("button", name=name).first.click()
            page.locator(".fm-result").wait_for()
            assert overflowing(page) == [] and (width > 400 or small_targets(page) == [])
            if name in ("Convolución 2", "Salida", "Oclusión"):
                assert accessibility_faults(page) == []


@browser_test
def test_damaged_weights_and_no_simd_are_said(browser, tmp_path):
    script = base.page_script([FeatureMaps])
    at = script.index('\\"data\\":\\"') + 1000
    damaged = script[:at] + ("A" if script[at] != "A" else "B") + script[at + 1 :]
    for text, before, message in (
        (damaged, "", f"«{CLOTHES_NETWORK.name}» está dañado: su contenido no tiene la huella"),
        (script, OLD_BROWSER, "Este navegador es anterior a WebAssembly con SIMD (2021)"),
    ):
        body = f"<style>{base.stylesheet()}</style>{FeatureMaps().to_html()}<script>{before}{text}</script>"
        path = tmp_path / "pagina.html"
        path.write_text(STATIC_PAGE.format(body=body), encoding="utf-8")
        with mounted(browser, path.as_uri(), BOARD) as page:
            page.locator(".fm-thumb").nth(2).click()
            page.locator(".c-error[role=alert]").get_by_text(message).wait_for()
            assert page.get_by_role(
                "button", name="Calcular los mapas aquí"
            ).is_visible()  # se puede volver a intentar


OLD_BROWSER = """{ const Original = globalThis.Blob;
  globalThis.Blob = class extends Original { constructor(parts, options) {
    super(options?.type === "text/javascript" ? ["WebAssembly.validate = () => false;\\n", ...parts] : parts, options); } }; }"""
