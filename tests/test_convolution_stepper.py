"""`ConvolutionStepper`: sus números contra Keras, su estado y cómo se usa en una página."""

import json
import re
from html import unescape

import numpy as np
import pytest
from built_book import ROOT
from control_pages import (
    assert_has_figure,
    input_to_paint,
    mounted,
    opened,
    screen_faults,
    stored_outputs,
    write_control_page,
)

from helpers.widgets import base
from helpers.widgets.convolution_stepper import (
    KERNELS,
    LEARNED,
    ConvolutionStepper,
    compute,
    decode_image,
    encode_image,
    format_hundredths,
)

browser_test = pytest.mark.navegador


def random_states(count=40):
    """Estados al azar, siempre los mismos, con todos los rellenos y pasos."""
    rng = np.random.default_rng(20261125)
    states = []
    for index in range(count):
        control = ConvolutionStepper(
            np.round(rng.normal(0, 3, (3, 3)), 2),
            image=rng.integers(0, 256, (32, 32)),
            divisor=int(rng.integers(1, 101)),
            padding=("valid", "same")[index % 2],
            stride=1 + index // 2 % 2,
            relu=bool(index // 4 % 2),
            pool=bool(index // 8 % 2),
            row=int(rng.integers(0, 32)),
            column=int(rng.integers(0, 32)),
        )
        states.append(control.state)
    return states


# --- Sin navegador -------------------------------------------------------------------------------------------------
def test_numbers_are_those_of_keras():
    from helpers._keras import keras

    for state in random_states():
        weights = np.array(state["kernel"], dtype="float32").reshape(3, 3, 1, 1) / state["divisor"]
        layer = keras.layers.Conv2D(
            1,
            3,
            strides=state["stride"],
            padding=state["padding"],
            use_bias=False,
            activation="relu" if state["relu"] else None,
        )
        layer.build((None, 32, 32, 1))
        layer.set_weights([weights])
        expected = layer(decode_image(state["image"]).astype("float32").reshape(1, 32, 32, 1))
        result = compute(state)
        np.testing.assert_allclose(result.values, np.asarray(expected)[0, :, :, 0], rtol=1e-4, atol=2e-3)
        if state["pool"]:
            pooled = np.asarray(keras.layers.MaxPooling2D(2)(expected))[0, :, :, 0]
            np.testing.assert_allclose(result.pooled / (100 * state["divisor"]), pooled, rtol=1e-4, atol=2e-3)
        else:
            assert result.pooled is None


def test_nine_products_add_up_to_the_map():
    for state in random_states():
        control = ConvolutionStepper()
        control.state = state
        window, products = control.products()
        assert window.shape == (3, 3)
        assert products.sum() == control.compute().sums[state["row"], state["column"]]


def test_learned_kernels_are_those_of_the_recorded_network():
    h5py = pytest.importorskip("h5py")
    with h5py.File(ROOT / "book" / "results" / "baseline-fashion-s0.weights.h5") as file:
        weights = file["layers/conv2d/vars/0"][...].astype(float).sum(axis=2)
    for name, index in LEARNED.items():
        kernel, divisor = KERNELS[name]
        assert divisor == 1
        np.testing.assert_allclose(np.reshape(kernel, (3, 3)), weights[:, :, index], atol=0.00501)


def test_stored_html_says_its_numbers_and_is_always_the_same():
    html = ConvolutionStepper().to_html()
    assert html == ConvolutionStepper().to_html() and "<script" not in html
    found = re.search(r'data-state="([^"]+)"', html)
    assert json.loads(unescape(found[1])) == ConvolutionStepper().state
    control = ConvolutionStepper("Desenfoque", relu=True, pool=True)
    total = int(control.products()[1].sum())
    assert (
        f"= {format_hundredths(total)}, que entre 9 es {format_hundredths(total, 9)}; con la ReLU"
        in control.caption()
    )
    assert "lo deja en 15×15" in control.caption() and control.caption() in control.picture().alt
    assert len(html) < 20_000


def test_chapter_stores_what_the_control_shows_today():
    stored = stored_outputs(ROOT / "book" / "convolucion.ipynb")
    assert ["".join(data["text/html"]) for data in stored] == [ConvolutionStepper().to_html()]


def test_numbers_of_the_chapter():
    control = ConvolutionStepper()
    assert int(control.products()[1].sum()) == 45_900 and control.products()[0][1, 2] == 163
    heavier = ConvolutionStepper([[-1, 0, 1], [-1, 0, 2], [-1, 0, 1]])
    assert int(heavier.products()[1].sum()) == 62_200
    turned = ConvolutionStepper([[1, 0, -1]] * 3, relu=True).compute()
    assert (turned.sums[18, 7], turned.result[18, 7]) == (-45_900, 0)
    pooled, skipped = (
        ConvolutionStepper(pool=True).compute().pooled,
        ConvolutionStepper(stride=2).compute().result,
    )
    assert pooled.shape == skipped.shape == (15, 15) and (pooled != skipped).any()
    vertical, learned = control.compute().values, ConvolutionStepper("Aprendido, filtro 17").compute().values
    assert np.corrcoef(vertical.ravel(), learned.ravel())[0, 1] < -0.9
    assert vertical[18, 23] < -400 and learned[18, 23] > 100  # el lado derecho del bolso


def test_text_is_a_stable_line():
    text = repr(ConvolutionStepper(padding="same", stride=2, relu=True, pool=True))
    assert text == "ConvolutionStepper(imagen 32×32, same, paso 2, mapa 16×16, ReLU, agrupación 2×2)"


def test_hundredths_round_ties_away_from_zero():
    written = [
        format_hundredths(*pair) for pair in ((0,), (-150,), (1, 2), (-1, 2), (-1, 3), (1_849_605,), (100, 9))
    ]
    assert written == ["0", "−1.5", "0.01", "−0.01", "0", "18\u202f496.05", "0.11"]


def test_images_travel_as_text():
    image = np.arange(1024).reshape(32, 32) % 256
    assert (decode_image(encode_image(image)) == image).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel": "Laplaciano"}, "No hay ningún núcleo 'Laplaciano'. Los que hay: Bordes verticales"),
        ({"kernel": [[1, 2], [3, 4]]}, "kernel tiene que tener 3×3 números"),
        ({"kernel": [[100] * 3] * 3}, "Cada peso tiene que ser un número de −99 a 99, y hay un 100"),
        ({"kernel": [[float("nan")] * 3] * 3}, "Cada peso tiene que ser un número de −99 a 99"),
        ({"image": np.zeros((28, 28), int)}, "image tiene que ser de 32×32, en gris, y su forma es (28, 28)"),
        ({"image": np.zeros((32, 32))}, "enteros de 0 a 255"),
        ({"divisor": 0}, "divisor tiene que ser un entero de 1 a 100, y es 0"),
        ({"padding": "mismo"}, "padding tiene que ser 'valid' o 'same', y es 'mismo'"),
        ({"stride": 3}, "stride tiene que ser 1 o 2, y es 3"),
        ({"relu": 1}, "relu tiene que ser True o False, y es 1"),
        ({"row": 32}, "row tiene que ser un entero de 0 a 31, y es 32"),
    ],
)
def test_it_says_what_is_wrong(options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        ConvolutionStepper(**options)


def test_bad_states_are_refused():
    control = ConvolutionStepper()
    with pytest.raises(ValueError, match="diccionario con image, kernel"):
        control.state = {"image": ""}
    with pytest.raises(ValueError, match="32×32 píxeles de un byte"):
        control.state = {**control.state, "image": "AAAA"}
    control.state = {**control.state, "row": 31, "kernel": [1.0, 0.126, 0, 0, 0, 0, 0, 0, 0]}
    assert control.state["row"] == 29 and control.state["kernel"][:2] == [1, 0.13]


def test_it_stays_light():
    import gzip

    own = base.page_script([base.find_control("ConvolutionStepper")]) + base.stylesheet()
    assert len(gzip.compress(own.encode("utf-8"))) < 100_000


# --- En el navegador -------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Una página con el control, en el disco."""
    return write_control_page(tmp_path_factory.mktemp("control"), ConvolutionStepper)


def stepper(browser, address, **options):
    """La página con el control montado; al cerrarla, comprueba la consola y la red."""
    return mounted(browser, address, ".control .cs-grid", **options)


def assert_shows(page, control):
    """El control enseña los números de Python."""
    state, result = control.state, control.compute()
    window, products = control.products()
    texts = page.locator(".control .cs-pixel").all_text_contents()
    assert texts == [f"{pixel} ×" for pixel in window.flat]
    assert page.locator(".control .cs-product").all_text_contents() == [
        f"= {format_hundredths(int(product))}" for product in products.flat
    ]
    shown = page.locator(".control .cs-result").text_content()
    assert shown.startswith(f"Suma: {format_hundredths(int(products.sum()))}")
    label = page.locator(".control .cs-grid").get_attribute("aria-label")
    place = state["row"], state["column"]
    value = format_hundredths(int(result.result[place]), result.divisor)
    side = len(result.sums)
    assert label == f"Mapa de {side}×{side}, fila {place[0] + 1}, columna {place[1] + 1}: {value}"
    # El lienzo enseña el mapa entero: un número por cuadro, y tantos a lo alto como a lo ancho.
    width, height = page.locator(".control .cs-grid canvas").evaluate(
        "canvas => [canvas.width, canvas.height]"
    )
    assert width == height and width % side == 0
    if result.pooled is not None and max(place) // 2 < side // 2:
        pooled = int(result.pooled[place[0] // 2, place[1] // 2])
        assert shown.endswith(f"máximo de su 2×2: {format_hundredths(pooled, result.divisor)}")


@browser_test
def test_javascript_and_python_agree_and_states_survive_the_address(browser):
    states = random_states()
    with opened(browser, "about:blank") as (page, _):
        kernels, found = page.evaluate(
            f"""(states) => {{
              const {{ controls }} = {base.bundle([ConvolutionStepper])};
              const {{ compute, normalize, toAddress, fromAddress, kernels }} = controls.ConvolutionStepper;
              return [kernels, states.map((state) => ({{
                ...compute(normalize(state)), clean: normalize(state), again: normalize(fromAddress(toAddress(state))),
              }}))];
            }}""",
            states,
        )
    assert kernels == {name: [list(kernel), divisor] for name, (kernel, divisor) in KERNELS.items()}
    for state, twin in zip(states, found, strict=True):
        expected = compute(state)
        assert twin["clean"] == twin["again"] == state
        assert twin["sums"] == expected.sums.ravel().tolist()
        assert twin["result"] == expected.result.ravel().tolist()
        assert twin["pooled"] == (None if expected.pooled is None else expected.pooled.ravel().tolist())


@browser_test
def test_every_input_gives_pythons_numbers(browser, address):
    with stepper(browser, address) as page:
        control = page.locator(".control")
        assert_shows(page, ConvolutionStepper())
        for name in KERNELS:
            control.get_by_label("Núcleo", exact=True).select_option(name)
            assert_shows(page, ConvolutionStepper(name))
        for image, text in ConvolutionStepper.data()["images"]:
            control.get_by_label("Imagen", exact=True).select_option(image)
            assert_shows(page, ConvolutionStepper(name, image=decode_image(text)))
        control.get_by_role("button", name="Restablecer").click()
        control.get_by_label("Relleno").select_option("same")
        control.get_by_label("Paso").select_option("2")
        control.get_by_label("ReLU").check()
        control.get_by_label("Agrupación").check()
        assert_shows(page, ConvolutionStepper(padding="same", stride=2, relu=True, pool=True, row=15))
        assert "⌈32/2⌉ = 16. Agrupado: ⌊16/2⌋ = 8" in page.locator(".cs-sizes").text_content()
        kernel = np.reshape(KERNELS["Bordes verticales"][0], (3, 3)).astype(float)
        weight = control.get_by_label("Peso de la fila 2, columna 3")
        for value in (-99, 99, 0.25):
            weight.fill(str(value))
            kernel[1, 2] = value
            options = {"padding": "same", "stride": 2, "relu": True, "pool": True}
            assert_shows(page, ConvolutionStepper(kernel, row=15, **options))
        weight.fill("100")
        assert weight.get_attribute("aria-invalid") == "true"
        assert (
            control.locator(".c-error:visible").text_content()
            == "Un peso va de −99 a 99. Mientras, ese vale 0.25."
        )
        weight.blur()
        assert weight.input_value() == "0.25"


@browser_test
def test_the_map_is_walked_by_keyboard_mouse_and_buttons(browser, address):
    with stepper(browser, address) as page:
        grid = page.locator(".control .cs-grid")
        grid.focus()
        for key in ("ArrowRight", "ArrowDown", "ArrowDown", "ArrowLeft", "ArrowLeft"):
            page.keyboard.press(key)
        assert_shows(page, ConvolutionStepper(row=20, column=6))
        page.wait_for_function("document.querySelector('.control [role=status].c-hidden').textContent !== ''")
        assert "Fila 21, columna 7" in page.locator(".control [role=status].c-hidden").text_content()
        for key in ("Home", "ArrowLeft", "PageUp", "ArrowUp"):
            page.keyboard.press(key)
        assert_shows(page, ConvolutionStepper(row=0, column=0))
        for key in ("End", "ArrowRight", "PageDown"):
            page.keyboard.press(key)
        assert_shows(page, ConvolutionStepper(row=29, column=29))
        page.get_by_role("button", name="Mover la ventana hacia la izquierda").click()
        assert_shows(page, ConvolutionStepper(row=29, column=28))
        box = page.locator(".control .cs-grid canvas").bounding_box()
        page.mouse.move(box["x"] + box["width"] * 10.5 / 30, box["y"] + box["height"] * 5.5 / 30)
        assert_shows(page, ConvolutionStepper(row=5, column=10))


@browser_test
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False), (320, True)])
def test_axe_finds_nothing_and_nothing_overflows(browser, address, width, dark):
    with stepper(browser, address, width=width, dark=dark, phone=width < 400) as page:
        if dark:
            before = page.locator(".cs-grid canvas").evaluate("canvas => canvas.toDataURL()")
            page.evaluate("document.documentElement.dataset.theme = 'dark'")
            page.wait_for_function(
                "before => document.querySelector('.cs-grid canvas').toDataURL() !== before", arg=before
            )
        page.locator(".control").get_by_label("Agrupación").check()
        page.locator(".control").get_by_label("Peso de la fila 1, columna 1").fill("-98.75")
        assert screen_faults(page) == []


@browser_test
def test_on_paper_and_without_javascript_there_is_a_figure(browser, address):
    assert_has_figure(browser, address, stepper, width=640, text="Fila 19, columna 8 del mapa de 30×30")


@browser_test
def test_the_result_is_painted_at_once(browser, address):
    with stepper(browser, address) as page:
        page.locator(".control").get_by_label("Agrupación").check()
        values = [str(value) for value in range(20)]
        best = min(input_to_paint(page, ".control .cs-cell input", values) for _ in range(3))
        assert best < 50, f"tarda {best:.0f} ms"


@browser_test
def test_a_link_carries_the_whole_state(browser, address):
    control = ConvolutionStepper("Aprendido, filtro 17", padding="same", relu=True, row=3, column=9)
    hundredths = ".".join(str(round(100 * weight)) for weight in control.state["kernel"])
    link = f"{address}#ConvolutionStepper=s.1.1.0.3.9.1~{hundredths}~{control.state['image']}"
    with stepper(browser, link) as page:
        assert_shows(page, control)
        page.evaluate("location.hash = 'ConvolutionStepper=roto'")
        page.locator(".control .c-notice:visible").wait_for()
