"""`AugmentationPreview`: su geometría y su azar contra Python y Keras, su estado y cómo se usa en una página."""

import base64
import gzip
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

from helpers.augmentation import (
    FILL_MODES,
    AffineParameters,
    AugmentationConfig,
    affine_matrix,
    keras_layer_matrices,
    transform_images,
)
from helpers.widgets import base
from helpers.widgets.augmentation_preview import (
    DRAWS,
    FIELDS,
    SAMPLES,
    SUBJECTS,
    TEXTS,
    AugmentationPreview,
    corners,
    draw_parameters,
    format_decimal,
    object_mask,
    report,
    sample_caption,
    subject_image,
    unit_draw,
)

CHAPTER = ROOT / "book" / "aumento.ipynb"
browser_test = pytest.mark.navegador


def random_states(count=24):
    """Estados al azar, siempre los mismos, con todas las imágenes y los cuatro modos de relleno."""
    rng = np.random.default_rng(20261125)
    states = []
    for index in range(count):
        config = AugmentationConfig(
            rotation_range=float(rng.choice([0, 20, 90, 180, 33.3])),
            width_shift_range=float(np.round(rng.uniform(0, 0.9), 2)),
            height_shift_range=float(np.round(rng.uniform(0, 0.9), 2)),
            shear_range=float(rng.choice([0, 0.2, 11.5, 45, 7.25])),
            zoom_range=float(np.round(rng.uniform(0, 0.9), 2)),
            horizontal_flip=bool(index % 2),
            fill_mode=FILL_MODES[index % 4],
        )
        seed = int(rng.integers(0, 10_000))
        states.append(
            AugmentationPreview(config, image=SUBJECTS[index // 4 % len(SUBJECTS)].key, seed=seed).state
        )
    return states


# --- Sin navegador -------------------------------------------------------------------------------------------------
def test_draws_are_uniform_independent_and_repeatable():
    numbers = np.array([[unit_draw(7, sample, place) for place in range(7)] for sample in range(4000)])
    assert numbers.min() >= 0 and numbers.max() < 1
    for column in numbers.T:
        counts = np.histogram(column, bins=20, range=(0, 1))[0]
        assert ((counts - 200) ** 2 / 200).sum() < 50  # ji cuadrado con 19 grados: p < 0.0002
    correlations = np.corrcoef(numbers.T)[np.triu_indices(7, 1)]
    assert np.abs(correlations).max() < 0.07
    again = [[unit_draw(7, sample, place) for place in range(7)] for sample in range(10)]
    assert (numbers[:10] == again).all() and unit_draw(8, 0, 0) != unit_draw(7, 0, 0)
    assert (
        unit_draw(0, 0, 0) == 2_856_213_345 / 2**32
    )  # la cuenta está escrita: no puede cambiar de una versión a otra


def test_parameters_follow_the_configuration():
    config = AugmentationConfig(30, 0.1, 0.4, 5, 0.3, horizontal_flip=True)
    drawn = draw_parameters(config, seed=3, count=2000)
    for name, limit, middle in (
        ("theta", 30, 0),
        ("tx", 3.2, 0),
        ("ty", 12.8, 0),
        ("shear", 5, 0),
        ("zx", 0.3, 1),
    ):
        values = np.array([getattr(one, name) for one in drawn]) - middle
        assert 0.98 * limit < np.abs(values).max() <= limit and abs(values.mean()) < 0.06 * limit, name
    assert 900 < sum(one.flip for one in drawn) < 1100
    still = draw_parameters(AugmentationConfig(0, 0, 0, 0, 0, horizontal_flip=False), seed=3, count=5)
    assert still == [AffineParameters()] * 5


def test_samples_are_those_of_keras_own_transform():
    from helpers.augmentation import to_image_data_generator

    for state in random_states(12):
        generator = to_image_data_generator(AugmentationConfig(fill_mode=state["fill_mode"]))
        control = AugmentationPreview()
        control.state = state
        image = subject_image(state["image"]).astype("float32")
        for ours, one in zip(control.samples(), control.report().parameters, strict=False):
            values = dict(vars(one))
            theirs = generator.apply_transform(
                image.copy(), {"flip_horizontal": values.pop("flip"), **values}
            )
            assert np.abs(ours - np.clip(theirs, 0, 255)).max() <= 1, state


def test_the_part_left_outside_is_counted_pixel_by_pixel():
    flat = AugmentationConfig(0, 0, 0, 0, 0, horizontal_flip=False)
    found = report(AugmentationPreview(flat, image="seis").state)
    assert (found.lost == 0).all() and found.invented == 0 and found.notes == [("ojo", TEXTS["nothing"])]
    shifted = report(AugmentationPreview(AugmentationConfig(0, 0.9, 0, 0, 0), image="seis").state)
    columns = np.nonzero(object_mask("seis"))[1]
    for one, lost in zip(shifted.parameters, shifted.lost, strict=True):
        # Adónde va cada columna del objeto; reflejar no cambia cuáles caben.
        outside = np.mean((columns - one.tx < -0.5) | (columns - one.tx >= 31.5))
        assert lost == pytest.approx(outside), one
    gone = int((shifted.lost > 0.5).sum())
    assert gone > 20
    assert (
        "rompe",
        f"En {gone} de 200 sorteos más de la mitad de la cifra queda fuera del cuadro.",
    ) in shifted.notes


def test_labels_that_break_are_counted():
    arrow = AugmentationPreview(
        AugmentationConfig(90, 0, 0, 0, 0, horizontal_flip=True), image="flecha"
    ).report()
    turned = [abs(one.theta) > 45 for one in arrow.parameters]
    flipped = [one.flip for one in arrow.parameters]
    assert arrow.broken == sum(a or b for a, b in zip(turned, flipped, strict=True)) > 100
    assert arrow.verdict == f"La etiqueta «izquierda» deja de valer en {arrow.broken} de 200 sorteos."
    assert [level for level, _ in arrow.notes][:2] == ["rompe", "rompe"]
    boot = AugmentationPreview(AugmentationConfig(180, 0, 0, 0, 0, horizontal_flip=True)).report()
    assert (
        boot.broken == 0 and boot.notes[0][0] == "ojo" and "casi ninguna foto llega así" in boot.notes[0][1]
    )
    small = AugmentationPreview(
        AugmentationConfig(10, 0, 0, 0, 0, horizontal_flip=False), image="seis"
    ).report()
    assert small.broken == 0 and small.verdict == "La etiqueta «6» sigue valiendo en los 200 sorteos."


def test_the_shear_of_the_homework_is_said_in_pixels():
    moved = corners(AugmentationConfig())
    assert [format_decimal(moved[name], 2) for name in FIELDS] == ["7.61", "6.4", "6.4", "0.05", "4.38"]
    (note,) = [text for _, text in AugmentationPreview().report().notes if "shear_range" in text]
    layer = keras_layer_matrices(AffineParameters(shear=-np.rad2deg(np.arcsin(0.2))), 32, 32)["RandomShear"]
    apart = (layer @ [0, 31, 1])[0] - (layer @ [0, 0, 1])[0]
    assert f"{apart:.1f} px" == "6.2 px" and note.endswith("un 20\u202f%: 6.2 px.")
    matrix = affine_matrix(AffineParameters(shear=0.2), 32, 32)
    apart = abs((matrix @ [0, 31, 1])[0] - (matrix @ [0, 0, 1])[0])
    assert f"separa la primera fila de la última {apart:.2f} px" in note
    assert not any(
        "shear" in text
        for _, text in AugmentationPreview(AugmentationConfig(shear_range=11.5)).report().notes
    )


def test_stored_html_says_its_numbers_and_is_always_the_same():
    html = AugmentationPreview().to_html()
    assert html == AugmentationPreview().to_html() and "<script" not in html
    found = re.search(r'data-state="([^"]+)"', html)
    assert json.loads(unescape(found[1])) == AugmentationPreview().state
    control = AugmentationPreview()
    assert "shear_range=0.2 (0.05 px)" in control.caption() and control.report().verdict in control.caption()
    assert control.caption() in control.picture().alt and "11, " in control.picture().alt
    assert len(html) < 90_000


def test_the_figure_carries_the_same_pixels_as_the_samples():
    for image in ("botin", "gato"):
        control = AugmentationPreview(image=image)
        drawing = base64.b64decode(control.picture().source.partition(",")[2]).decode("utf-8")
        bitmaps = [
            base64.b64decode(found) for found in re.findall(r"data:image/bmp;base64,([^\"]+)", drawing)
        ]
        assert len(bitmaps) == SAMPLES + 1
        from io import BytesIO

        from PIL import Image

        for bitmap, expected in zip(bitmaps, [subject_image(image), *control.samples()], strict=True):
            assert (np.asarray(Image.open(BytesIO(bitmap)).convert("RGB")) == expected).all()


def test_chapter_stores_what_the_control_shows_today():
    stored = stored_outputs(CHAPTER)
    assert ["".join(data["text/html"]) for data in stored] == [AugmentationPreview().to_html()]
    assert set(stored[0]) == {"text/plain", "text/html"}


def test_text_is_a_stable_line_and_the_configuration_comes_out():
    config = AugmentationConfig(rotation_range=7.5, fill_mode="wrap")
    control = AugmentationPreview(config, seed=12)
    assert repr(control) == "AugmentationPreview(imagen botin, semilla 12, etiqueta rota en 0 de 200 sorteos)"
    assert control.config == config and control.state["rotation_range"] == 7.5
    assert control.samples().shape == (SAMPLES, 32, 32, 3) and control.samples().dtype == np.uint8


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"image": "perro"}, ValueError, "No hay ninguna imagen 'perro'. Las que hay: botin, bolso"),
        ({"seed": 10_000}, ValueError, "seed tiene que ser un entero de 0 a 9999, y es 10000"),
        ({"seed": True}, ValueError, "seed tiene que ser un entero"),
        ({"zoom_range": 1}, ValueError, "zoom_range=1.0 se sale del intervalo [0, 1)"),
        ({"shear_range": "0.2"}, TypeError, "shear_range es un solo número (grados)"),
        ({"fill_mode": "espejo"}, ValueError, "fill_mode='espejo' no existe"),
        ({"horizontal_flip": 1}, TypeError, "horizontal_flip es True o False"),
    ],
)
def test_it_says_what_is_wrong(change, error, message):
    control = AugmentationPreview()
    with pytest.raises(error, match=re.escape(message)):
        control.state = {**control.state, **change}
    with pytest.raises(ValueError, match="diccionario con image, rotation_range"):
        control.state = {"image": "botin"}


def test_no_image_is_of_cifar10_and_the_photograph_is_credited():
    assert [subject.key for subject in SUBJECTS] == ["botin", "bolso", "sueter", "gato", "seis", "flecha"]
    licences = (ROOT / "book" / "licencias.md").read_text(encoding="utf-8")
    assert "Chelsea" in licences and "Stefan van der Walt" in licences and "CC0" in licences


def test_it_stays_light():
    own = base.page_script([AugmentationPreview]) + base.stylesheet() + AugmentationPreview().to_html()
    assert len(gzip.compress(own.encode("utf-8"))) < 100_000


# --- En el navegador -------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Una página con el control, en el disco."""
    return write_control_page(tmp_path_factory.mktemp("control"), AugmentationPreview)


def read_pixels(images):
    """De imágenes RGBA en base64 a un arreglo (N, 32, 32, 4) de enteros."""
    raw = b"".join(base64.b64decode(image) for image in images)
    return np.frombuffer(raw, dtype=np.uint8).reshape(len(images), 32, 32, 4).astype(int)


def preview(browser, address, **options):
    """La página con el control montado; al cerrarla, comprueba la consola y la red."""
    return mounted(browser, address, ".control .ap-grid", **options)


@browser_test
def test_javascript_and_python_agree_and_states_survive_the_address(browser):
    states = random_states()
    with opened(browser, "about:blank") as (page, _):
        keys, modes, found = page.evaluate(
            f"""(states) => {{
              const {{ controls, data }} = {base.bundle([AugmentationPreview])};
              const control = controls.AugmentationPreview;
              const subjects = control.readSubjects(data.AugmentationPreview);
              const texts = data.AugmentationPreview.texts;
              return [control.images, control.fillModes, states.map((state) => {{
                const clean = control.normalize(state);
                const found = control.report(clean, subjects[state.image], texts);
                return {{
                  clean, again: control.normalize(control.fromAddress(control.toAddress(clean))), ...found,
                  captions: found.parameters.slice(0, {SAMPLES}).map((_, sample) => control.sampleCaption(found, sample, texts)),
                  pixels: found.matrices.slice(0, {SAMPLES}).map((matrix) => btoa(String.fromCharCode(...control.resample(subjects[state.image], matrix, state.fill_mode)))),
                  meanings: control.meanings(clean, texts),
                }};
              }})];
            }}""",
            states,
        )
    assert keys == [subject.key for subject in SUBJECTS] and modes == list(FILL_MODES)
    assert {state["fill_mode"] for state in states} == set(FILL_MODES)
    for state, twin in zip(states, found, strict=True):
        assert twin["clean"] == twin["again"] == state
        expected = report(state)
        drawn = [AffineParameters(**one) for one in twin["parameters"]]
        assert drawn == expected.parameters and len(drawn) == DRAWS
        matrices = np.concatenate(
            [np.reshape(twin["matrices"], (DRAWS, 2, 3)), [[[0, 0, 1]]] * DRAWS], axis=1
        )
        assert np.abs(matrices - expected.matrices).max() < 1e-9
        image = subject_image(state["image"])
        python = transform_images(
            np.stack([image] * SAMPLES), expected.matrices[:SAMPLES], state["fill_mode"]
        )
        pixels = read_pixels(twin["pixels"])
        assert np.abs(pixels[..., :3] - python.astype(int)).max() <= 1 and (pixels[..., 3] == 255).all()
        np.testing.assert_allclose(twin["lost"], expected.lost, atol=1e-12)
        assert twin["invented"] == pytest.approx(expected.invented, abs=1e-12)
        assert twin["reasons"] == expected.reasons and twin["broken"] == expected.broken
        assert [tuple(note) for note in twin["notes"]] == expected.notes and twin[
            "verdict"
        ] == expected.verdict
        assert twin["captions"] == [sample_caption(expected, sample)[0] for sample in range(SAMPLES)]
        moved = corners(AugmentationConfig(**{name: state[name] for name in FIELDS}))
        assert {name: one["pixels"] for name, one in twin["meanings"].items()} == pytest.approx(
            moved, abs=1e-9
        )


def assert_shows(page, control):
    """El control enseña las muestras y los números de Python."""
    found = control.report()
    captions = page.locator(".control .ap-caption").all_text_contents()
    assert captions == [TEXTS["original"], *control.captions()]
    assert page.locator(".control .ap-verdict").text_content()[2:] == found.verdict
    names = {"rompe": "Rompe la etiqueta", "ojo": "Ojo"}
    notes = page.locator(".control .ap-notes li").all_text_contents()
    assert notes == [f"{names[level]}: {text}" for level, text in found.notes]
    moved = corners(control.config)
    shown = page.locator(".control .ap-corner").all_text_contents()
    assert shown == [TEXTS["corner"].format(pixels=format_decimal(moved[name], 2)) for name in FIELDS]
    pixels = page.evaluate(
        """() => [...document.querySelectorAll(".control .ap-canvas")].map((canvas) =>
          btoa(String.fromCharCode(...canvas.getContext("2d").getImageData(0, 0, 32, 32).data)))"""
    )
    pixels = read_pixels(pixels)[..., :3]
    expected = np.stack([subject_image(control.state["image"]), *control.samples()]).astype(int)
    assert np.abs(pixels - expected).max() <= 1


SLIDERS = {
    "rotation_range": (0, 180, 20),
    "width_shift_range": (0, 0.9, 0.2),
    "height_shift_range": (0, 0.9, 0.2),
    "shear_range": (0, 45, 0.2),
    "zoom_range": (0, 0.9, 0.2),
}


@pytest.fixture(params=["http", "disco"])
def chapter(request, book, server):
    """Dirección del capítulo y el principio de todas las del libro."""
    site = server if request.param == "http" else book.site.as_uri()
    return f"{site}/book/aumento.html", site


@browser_test
def test_every_input_gives_pythons_numbers_at_its_limits(browser, chapter):
    url, site = chapter
    with opened(browser, url, base=site) as (page, watch):
        control = page.locator(".control")
        control.locator(".ap-grid").wait_for()
        assert_shows(page, AugmentationPreview())
        for name, (lowest, highest, default) in SLIDERS.items():
            field = control.get_by_label(name)
            for key, value in (("Home", lowest), ("End", highest)):
                field.focus()
                page.keyboard.press(key)
                assert_shows(page, AugmentationPreview(AugmentationConfig(**{name: value})))
            control.get_by_role("button", name="Restablecer").click()
            assert_shows(page, AugmentationPreview(AugmentationConfig(**{name: default})))
        control.get_by_label("horizontal_flip").uncheck()
        assert_shows(page, AugmentationPreview(AugmentationConfig(horizontal_flip=False)))
        control.get_by_label("horizontal_flip").check()
        for mode in FILL_MODES[::-1]:
            control.get_by_label("fill_mode").select_option(mode)
            assert_shows(page, AugmentationPreview(AugmentationConfig(fill_mode=mode)))
        for subject in SUBJECTS:
            control.get_by_label("Imagen", exact=True).select_option(subject.name)
            assert_shows(page, AugmentationPreview(image=subject.key))
        for seed in (9999, 0, 41):
            control.get_by_label("Semilla").fill(str(seed))
            assert_shows(page, AugmentationPreview(image="flecha", seed=seed))
        control.get_by_role("button", name="Otro sorteo").click()
        assert_shows(page, AugmentationPreview(image="flecha", seed=42))
        control.get_by_label("Semilla").fill("10000")
        assert control.locator(".c-error:visible").text_content() == "Entero de 0 a 9999. Mientras, vale 42."
        assert watch.faults == []


@browser_test
def test_same_seed_same_grid(browser, address):
    grid = "[...document.querySelectorAll('.control .ap-canvas')].map((canvas) => canvas.toDataURL()).join()"
    with preview(browser, address) as page:
        first = page.evaluate(grid)
        seed = page.locator(".control").get_by_label("Semilla")
        page.get_by_role("button", name="Otro sorteo").click()
        assert seed.input_value() == "1" and page.evaluate(grid) != first
        seed.fill("0")
        assert page.evaluate(grid) == first
        seed.fill("9999")
        page.get_by_role("button", name="Otro sorteo").click()
        assert page.evaluate(grid) == first


@browser_test
def test_the_code_builds_the_same_augmentation(browser, address):
    from helpers._keras import keras

    config = AugmentationConfig(30, 0.1, 0.35, 11.5, 0.05, horizontal_flip=False, fill_mode="reflect")
    state = AugmentationPreview(config).state
    off = AugmentationPreview(AugmentationConfig(0, 0, 0, 0, 0, horizontal_flip=False)).state
    with opened(browser, "about:blank") as (page, _):
        codes = page.evaluate(
            f"""([state, off]) => {{
              const {{ pythonCode }} = ({base.bundle([AugmentationPreview])}).controls.AugmentationPreview;
              return ["generador", "capas", "libro"].map((kind) => [pythonCode(state, kind), pythonCode(off, kind)]);
            }}""",
            [state, off],
        )
    names = {}
    for pair in codes:
        for place, code in enumerate(pair):
            names[place] = names.get(place, {})
            exec(compile(code, "<código del control>", "exec"), names[place])
    generator, layers, ours = (names[0][name] for name in ("datagen", "augment", "config"))
    assert ours == config
    for name in (*FIELDS[:1], "shear_range", "horizontal_flip", "fill_mode"):
        assert getattr(generator, name) == getattr(config, name), name
    assert list(generator.zoom_range) == [0.95, 1.05] and generator.rescale == 1 / 255
    assert "cruza los ejes" in codes[0][0] and "cruza los ejes" not in codes[0][1]
    exec(codes[1][0], {"__name__": "capas"})
    assert layers.name == "aumento"  # la de `to_keras_layers`, la última que se ejecutó con ese nombre
    written = {}
    exec(codes[1][0], written)
    for theirs, reference in zip(written["augment"].layers, layers.layers, strict=True):
        assert type(theirs) is type(reference)
        first, second = theirs.get_config(), reference.get_config()
        for unequal in ("name", "seed"):
            first.pop(unequal, None), second.pop(unequal, None)
        assert first == second
    empty = {}
    exec(codes[1][1], empty)
    assert [type(layer) for layer in empty["augment"].layers] == [keras.layers.Identity]
    with preview(browser, address) as page:
        for kind, start in (
            ("Capas de Keras", "import keras"),
            ("Paquete de este libro", "from helpers.augmentation"),
        ):
            page.locator(".control").get_by_label("Código para").select_option(kind)
            assert page.locator(".control code").text_content().startswith(start)


@browser_test
def test_it_is_driven_by_keyboard_and_announced_once(browser, address):
    with preview(browser, address) as page:
        page.locator(".control").get_by_label("rotation_range").focus()
        page.keyboard.press("ArrowUp")
        page.keyboard.press("Tab")
        page.keyboard.press("ArrowUp")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.press("ArrowUp")
        control = AugmentationPreview(AugmentationConfig(25, 0.25, 0.2, 0.5))
        assert_shows(page, control)
        shear = page.locator(".control").get_by_label("shear_range")
        assert shear.get_attribute("aria-valuetext") == "0.5°"
        hint = page.locator(f"#{shear.get_attribute('aria-describedby')}").text_content()
        assert hint.startswith("±0.5° = RandomShear(0.0087)")
        status = page.locator(".control [role=status].c-hidden")
        page.wait_for_function("document.querySelector('.control [role=status].c-hidden').textContent !== ''")
        assert status.text_content() == f"Semilla 0. {control.report().verdict}"
        labels = page.locator(".control canvas").evaluate_all(
            "all => all.map((one) => one.getAttribute('aria-label'))"
        )
        assert labels[0] == "Imagen original: Botín" and labels[1] == f"Muestra 1, {control.captions()[0]}"
        page.locator(".control summary").click()
        one = control.report().parameters[0]
        assert (
            page.locator(".control .ap-list li")
            .first.text_content()
            .startswith(f"theta {'−' if one.theta < 0 else ''}{format_decimal(abs(one.theta), 2)}°, tx ")
        )


@browser_test
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False), (320, True)])
def test_axe_finds_nothing_and_nothing_overflows(browser, address, width, dark):
    link = f"{address}#AugmentationPreview=seis_180_0.9_0.9_45_0.9_1_wrap_9999"
    with preview(browser, link, width=width, dark=dark, phone=width < 400) as page:
        if dark:
            page.evaluate("document.documentElement.dataset.theme = 'dark'")
        page.locator(".control summary").click()
        assert page.locator(".control .ap-broken").count() > 5
        assert screen_faults(page) == []


@browser_test
def test_on_paper_and_without_javascript_there_is_a_figure(browser, address):
    assert_has_figure(browser, address, preview, width=640, text="shear_range=0.2 (0.05 px)")


@browser_test
def test_the_result_is_painted_at_once(browser, address):
    with preview(browser, f"{address}#AugmentationPreview=gato_20_0.2_0.2_0.2_0.2_1_reflect_0") as page:
        values = [str(value) for value in range(0, 100, 5)]
        best = min(input_to_paint(page, ".control input[type=range]", values) for _ in range(3))
        assert best < 50, f"tarda {best:.0f} ms"


@browser_test
def test_a_link_carries_the_whole_state(browser, address):
    config = AugmentationConfig(33.5, 0, 0.45, 3.25, 0.15, horizontal_flip=False, fill_mode="constant")
    link = f"{address}#AugmentationPreview=gato_33.5_0_0.45_3.25_0.15_0_constant_77"
    with preview(browser, link) as page:
        assert_shows(page, AugmentationPreview(config, image="gato", seed=77))
        # Un valor que no está en la lista del deslizador se lee entero, y el mando queda en el más cercano.
        shear = page.locator(".control").get_by_label("shear_range")
        assert shear.get_attribute("aria-valuetext") == "3.25°" and shear.input_value() == "4"
        for broken in (
            "roto",
            "gato_33.5_0_0.45_3.25_1_0_constant_77",
            "gato_-1_0_0_0_0_0_wrap_7",
            "gato_1_0_0_0_0_0_wrap_1e3",
        ):
            page.evaluate(f"location.hash = 'AugmentationPreview={broken}'")
            page.locator(".control .c-notice:visible").wait_for()
            assert_shows(page, AugmentationPreview(config, image="gato", seed=77))
            page.evaluate("document.querySelector('.control .c-notice').hidden = true")
