"""`ImageClassifier`: lo que dice la página es lo que dice Keras, y cómo se usa con una foto propia."""

import base64
import contextlib
import gzip
import hashlib
import io
import json
import re
from html import unescape

import numpy as np
import pytest
from built_book import ROOT, serve
from control_pages import (
    STATIC_PAGE,
    opened,
    overflowing,
    screen_faults,
    stored_outputs,
)
from PIL import Image, ImageOps

from helpers.engine import Engine, describe, describe_compact_cnn
from helpers.widgets import base, image_classifier
from helpers.widgets.image_classifier import (
    CAT,
    CLOTHES_NETWORK,
    PHOTO_NETWORKS,
    SIDE,
    STRIP,
    ImageClassifier,
    RecordedNetwork,
    format_probability,
    load_strip,
    reduce_photo,
)

browser_test = pytest.mark.navegador
NETWORKS = (CLOTHES_NETWORK, *PHOTO_NETWORKS)
# Los pesos viajan en float16: medido, 0.0001 como mucho en la ropa de la tira y 0.0008 en las fotos de la prueba.
TOLERANCE = 2e-3


def random_photo(height, width, seed=0):
    """Una foto con manchas grandes y ruido."""
    rng = np.random.default_rng(seed)
    rough = Image.fromarray(rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)).resize(
        (width, height), Image.BICUBIC
    )
    return np.clip(np.asarray(rough).astype(int) + rng.integers(-20, 21, (height, width, 3)), 0, 255).astype(
        np.uint8
    )


def encoded(pixels, kind="PNG", **options):
    """Los bytes de un archivo de imagen."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def keras_model(network):
    """La red registrada, en Keras y en float32."""
    from helpers.engine import build_model

    record = network.record()
    model = build_model(network.describe(**record["config"]["network"]))
    model.load_weights(ROOT / "book" / "results" / record["weights"]["file"])
    return model


# --- Reducir una foto ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("height", "width"), [(64, 64), (320, 96), (96, 224), (512, 640)])
def test_whole_blocks_are_averaged_as_pillow_does(height, width):
    photo = random_photo(height, width)
    side = min(height, width)
    left, top = (width - side) // 2, (height - side) // 2
    expected = Image.fromarray(photo).resize(
        (SIDE, SIDE), Image.BOX, box=(left, top, left + side, top + side)
    )
    assert np.abs(reduce_photo(photo).astype(int) - np.asarray(expected)).max() <= 1


@pytest.mark.parametrize("side", [1, 20, 33, 45, 100, 241])
def test_a_pixel_on_two_cells_is_shared_between_them(side):
    photo = random_photo(side, side, seed=side)
    # Sin atajos: cada píxel se repite 32 veces en cada eje y entonces las casillas son enteras.
    big = photo.repeat(SIDE, axis=0).repeat(SIDE, axis=1).astype(float)
    expected = big.reshape(SIDE, side, SIDE, side, 3).mean(axis=(1, 3))
    assert np.abs(reduce_photo(photo) - expected).max() <= 0.5 + 1e-9
    assert (reduce_photo(np.full((side, side, 3), 77, np.uint8)) == 77).all()


def test_the_crop_is_centred_and_a_small_image_stays():
    photo = np.zeros((32, 48, 3), np.uint8)
    photo[:, 8:40] = np.arange(32 * 32 * 3).reshape(32, 32, 3) % 251
    assert (reduce_photo(photo) == photo[:, 8:40]).all()
    for wrong in (np.zeros((4, 4)), np.zeros((4, 4, 4)), np.zeros((0, 4, 3))):
        with pytest.raises(ValueError, match="La foto tiene que tener forma"):
            reduce_photo(wrong)


# --- Lo que se guarda ------------------------------------------------------------------------------------------------
def test_the_strip_is_the_start_of_the_test_part_with_what_the_network_said(sample_dataset):
    strip = load_strip()
    assert (strip.images == sample_dataset.x_test[:STRIP]).all()
    assert (strip.labels == sample_dataset.y_test[:STRIP]).all()
    expected = keras_model(CLOTHES_NETWORK).predict(strip.images / np.float32(255), verbose=0)
    assert np.abs(strip.probabilities - expected).max() < 1e-3
    assert (strip.probabilities.argmax(1) == expected.argmax(1)).all()
    assert (
        strip.probabilities.argmax(1) == strip.labels
    ).sum() == 21  # los tres fallos que pide buscar la portada


def test_every_network_carries_its_record_and_stays_light():
    for network in NETWORKS:
        script = network.script()
        size = len(gzip.compress(script.encode("utf-8")))
        assert size < 700_000
        about, record = network.about(), network.record()
        assert abs(about["kilobytes"] - size / 1024) < 0.15 * about["kilobytes"]
        assert about["accuracy"] == record["best"]["test"]["accuracy"] and len(about["classNames"]) == 10
    assert set(ImageClassifier.files()) == {"motor", *(network.name for network in NETWORKS)}
    own = base.page_script([ImageClassifier], folder=".") + base.stylesheet() + ImageClassifier().to_html()
    assert len(gzip.compress(own.encode("utf-8"))) < 100_000  # sin las redes, que se piden después


def random_compact(folder):
    """La red compacta con pesos al azar, registrada en `folder` como `compact-s9`; y el modelo."""
    from helpers._keras import keras
    from helpers.models import build_compact_cnn

    keras.utils.set_random_seed(3)
    model = build_compact_cnn()
    rng = np.random.default_rng(0)
    model.set_weights([rng.random(w.shape) + 0.5 if w.ndim == 1 else w for w in model.get_weights()])
    path = folder / "compact-s9.weights.h5"
    model.save_weights(path)

    class Compact(RecordedNetwork):
        def record(self):
            weights = {"file": path, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
            return {**PHOTO_NETWORKS[0].record(), "parameters": model.count_params(), "weights": weights}

    return Compact("compact-s9", "La compacta", describe_compact_cnn), model


@pytest.mark.parametrize(
    "options", [{}, {"batch_norm": False, "head": "average"}, {"input_shape": (40, 24, 3)}]
)
def test_compact_is_described_without_tensorflow(options):
    from helpers.models import build_compact_cnn

    assert describe_compact_cnn(**options) == describe(build_compact_cnn(**options))


def test_compact_needs_nothing_the_engine_lacks(tmp_path):
    """Convoluciones sin sesgo, normalización, ReLU aparte y una agrupación de 4×4."""
    network, model = random_compact(tmp_path)
    engine = Engine(describe_compact_cnn(), batch_size=4)
    engine.set_weights(model.get_weights())
    x = np.random.default_rng(1).random((4, 32, 32, 3), dtype=np.float32)
    assert np.abs(engine.forward(x) - model.predict(x, verbose=0)).max() < 2e-6
    assert len(gzip.compress(network.script().encode("utf-8"))) < 700_000


def test_stored_html_says_its_numbers_and_is_always_the_same():
    html = ImageClassifier().to_html()
    assert html == ImageClassifier().to_html() and "<script" not in html and len(html) < 20_000
    found = re.search(r'data-state="([^"]+)"', html)
    assert json.loads(unescape(found[1])) == ImageClassifier().state == {"view": "ropa", "image": 0}
    wrong = ImageClassifier(image=7)
    assert "La red dice «suéter» (87.4\u202f%) y falla: su etiqueta es «camisa»" in wrong.caption()
    assert "suéter 87.4\u202f%, camisa 12." in wrong.picture().alt
    assert repr(wrong) == "ImageClassifier(imagen 8 de 24, etiqueta camisa, la red dice suéter)"
    assert "avión, automóvil, pájaro" in ImageClassifier("foto").caption()
    assert "32×32" in ImageClassifier("foto").picture().alt


def test_chapter_stores_what_the_control_shows_today():
    stored = stored_outputs(ROOT / "book" / "portada.ipynb")
    assert ["".join(data["text/html"]) for data in stored] == [ImageClassifier().to_html()]


def test_probabilities_never_say_zero_or_one():
    written = [format_probability(value) for value in (0, 0.0004, 0.0006, 0.1234, 0.9994, 0.9996, 1)]
    assert [text.replace("\u202f", "") for text in written] == [
        "<0.1%", "<0.1%", "0.1%", "12.3%", "99.9%", ">99.9%", ">99.9%",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("perro",), "view tiene que ser 'ropa' o 'foto', y es 'perro'"),
        (("ropa", 24), "image tiene que ser un entero de 0 a 23, y es 24"),
        (("ropa", True), "image tiene que ser un entero de 0 a 23, y es True"),
    ],
)
def test_it_says_what_is_wrong(arguments, message):
    view, *image = arguments
    with pytest.raises(ValueError, match=re.escape(message)):
        ImageClassifier(view, **({"image": image[0]} if image else {}))
    with pytest.raises(ValueError, match="diccionario con view e image"):
        ImageClassifier().state = {"view": "ropa"}


def test_the_photograph_is_small_and_credited():
    assert CAT.stat().st_size < 20_000
    licences = (ROOT / "book" / "licencias.md").read_text(encoding="utf-8")
    assert "Chelsea" in licences and "CC0" in licences and "portada.ipynb" in licences


# --- En el navegador -------------------------------------------------------------------------------------------------
def write_page(folder, broken=None):
    """Una carpeta con la página del control y sus archivos; `broken` cambia el texto de los pesos de la ropa."""
    for name, make in ImageClassifier.files().items():
        text = make()
        if broken and name == CLOTHES_NETWORK.name:
            text = broken(text)
        (folder / f"{name}.js").write_text(text, encoding="utf-8")
    (folder / "favicon.ico").write_bytes(b"")  # el navegador lo pide siempre
    script = base.page_script([ImageClassifier], folder=".")
    body = f"<style>{base.stylesheet()}</style><main>{ImageClassifier().to_html()}</main><script>{script}</script>"
    (folder / "pagina.html").write_text(STATIC_PAGE.format(body=body), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """La página del control, en el disco."""
    return write_page(tmp_path_factory.mktemp("clasificador"))


@contextlib.contextmanager
def classifier(browser, folder, **options):
    """La página con el control montado; al cerrarla, comprueba la consola y la red."""
    site = folder.as_uri()
    with opened(browser, f"{site}/pagina.html", base=site, **options) as (page, watch):
        page.locator(".control .c-strip").wait_for(state="attached")
        yield page
        assert watch.faults == []


def wait_calculated(page):
    page.wait_for_function("document.querySelector('.ic-status').textContent.startsWith('Calculado')")


def choose(page, image):
    """Elige una imagen de la tira y espera a que la red la calcule en la página."""
    page.evaluate("document.querySelector('.ic-status').textContent = ''")
    page.locator(".c-thumb").nth(image).click()
    wait_calculated(page)


def shown(page):
    """Las probabilidades que se leen: una lista por red."""
    table = page.locator(".control table:visible")
    rows = [row.locator(".ic-number").all_text_contents() for row in table.locator("tbody tr").all()]
    return [list(column) for column in zip(*rows, strict=True)]


def give_photo(page, content, name="foto.png", kind="image/png"):
    """Elige un archivo como foto."""
    page.evaluate("document.querySelector('.ic-status').textContent = ''")
    page.locator(".ic-file input").set_input_files({"name": name, "mimeType": kind, "buffer": content})


def seen_pixels(page):
    """Lo que se ve en el lienzo de 32×32."""
    values = page.locator(".ic-seen").evaluate(
        """canvas => {
          const copy = new OffscreenCanvas(32, 32).getContext("2d", { willReadFrequently: true });
          copy.drawImage(canvas, 0, 0);
          return Array.from(copy.getImageData(0, 0, 32, 32).data);
        }"""
    )
    return np.array(values).reshape(32, 32, 4)[..., :3]


# Guarda las respuestas de los Workers tal como llegan, sin redondear.
CAPTURE = """
globalThis.answers = [];
const Original = globalThis.Worker;
globalThis.Worker = class extends Original {
  constructor(...all) { super(...all); this.addEventListener("message", ({ data }) => {
    if (data.type === "inference") answers.push([...data.probabilities]); }); }
};
"""


def captured(browser, folder, **options):
    """Como `classifier`, guardando en `answers` lo que responden las redes."""
    context = browser.new_context(**options)
    context.add_init_script(CAPTURE)
    page = context.new_page()
    page.goto((folder / "pagina.html").as_uri())
    return context, page


@browser_test
def test_the_page_says_what_keras_says(browser, folder):
    strip = load_strip()
    expected = keras_model(CLOTHES_NETWORK).predict(strip.images / np.float32(255), verbose=0)
    context, page = captured(browser, folder)
    with contextlib.closing(context):
        for image in range(STRIP):
            choose(page, image)
            assert shown(page) == [[format_probability(p) for p in page.evaluate("answers.at(-1)")]]
            label, best = (ImageClassifier.data()["clothes"]["classNames"][k] for k in
                           (strip.labels[image], expected[image].argmax()))  # fmt: skip
            verdict = page.locator(".ic-verdict").text_content()
            assert verdict.startswith(f"La red dice «{best}»")
            assert ("acierta" in verdict) == (label == best)
        found = np.array(page.evaluate("answers"))
    found = found[-STRIP:]
    print(f"ropa: diferencia máxima con Keras {np.abs(found - expected).max():.1e}")
    assert (found.argmax(1) == expected.argmax(1)).all() and np.abs(found - expected).max() < TOLERANCE


@browser_test
def test_photo_networks_say_what_keras_says_of_the_same_pixels(browser, folder):
    photos = [random_photo(300, 200, seed) for seed in range(3)] + [
        np.asarray(Image.open(CAT).convert("RGB"))
    ]
    context, page = captured(browser, folder)
    with contextlib.closing(context):
        page.get_by_role("button", name="Una foto").click()
        wait_calculated(page)
        for photo in photos:
            page.evaluate("answers.length = 0")
            give_photo(page, encoded(photo))
            wait_calculated(page)
            pixels = seen_pixels(page)
            assert np.abs(pixels - reduce_photo(photo).astype(int)).max() <= 1
            for network, found in zip(PHOTO_NETWORKS, sorted_answers(page), strict=True):
                expected = keras_model(network).predict(pixels[None] / np.float32(255), verbose=0)[0]
                print(f"{network.name}: diferencia con Keras {np.abs(found - expected).max():.1e}")
                assert np.argmax(found) == expected.argmax() and np.abs(found - expected).max() < TOLERANCE


def sorted_answers(page):
    """Lo que respondió cada red, en el orden de la tabla."""
    columns, answers = shown(page), page.evaluate("answers")
    return [next(a for a in answers if [format_probability(p) for p in a] == column) for column in columns]


@browser_test
@pytest.mark.parametrize("width", [1280, 320])
def test_two_networks_answer_side_by_side(browser, tmp_path, monkeypatch, width):
    network, model = random_compact(tmp_path)
    monkeypatch.setattr(image_classifier, "PHOTO_NETWORKS", (PHOTO_NETWORKS[0], network))
    context, page = captured(browser, write_page(tmp_path), viewport={"width": width, "height": 900})
    with contextlib.closing(context):
        page.get_by_role("button", name="Una foto").click()
        wait_calculated(page)
        assert page.locator(".ic-table:visible thead th").all_text_contents() == [
            "Clase",
            "La red de la tarea",
            "La compacta",
        ]
        both = sorted_answers(page)
        pixels = seen_pixels(page)[None] / np.float32(255)
        for found, expected in zip(both, (keras_model(PHOTO_NETWORKS[0]), model), strict=True):
            assert np.abs(found - expected.predict(pixels, verbose=0)[0]).max() < 5e-3
        verdict = page.locator(".ic-verdict").text_content()
        assert re.match(
            r"La red de la tarea dice «.+» \(.+\)\. La compacta dice «.+» \(.+\)\. Es un gato\.", verdict
        )
        assert " y " in page.locator(".ic-status").text_content()
        assert overflowing(page) == []


@browser_test
def test_nothing_is_downloaded_before_asking_and_the_stored_answer_is_there(browser, folder):
    asked = []
    with serve(folder) as address, opened(browser, "about:blank", base=address) as (page, watch):
        page.on(
            "request",
            lambda request: request.url.startswith(address) and asked.append(request.url.rpartition("/")[2]),
        )
        page.goto(f"{address}/pagina.html")
        page.locator(".control .c-thumb").first.wait_for()
        page.wait_for_timeout(500)
        assert asked == ["pagina.html"]
        assert page.locator(".ic-status").text_content().startswith("Respuesta guardada")
        stored = load_strip().probabilities[0]
        assert shown(page) == [[format_probability(p) for p in stored]]
        choose(page, 3)
        assert sorted(asked) == sorted(["pagina.html", "motor.js", f"{CLOTHES_NETWORK.name}.js"])
        page.get_by_role("button", name="Una foto").click()
        wait_calculated(page)
        assert set(asked[3:]) == {f"{network.name}.js" for network in PHOTO_NETWORKS}
        assert page.locator(".ic-verdict").text_content().endswith("Es un gato.")
        assert "no lo sé" in page.locator(".ic-warning").text_content()
        assert watch.faults == []


@browser_test
@pytest.mark.parametrize(("height", "width"), [(480, 641), (1500, 1100), (20, 20), (33, 90)])
def test_the_page_reduces_as_python_does(browser, folder, height, width):
    photo = random_photo(height, width, seed=height)
    with classifier(browser, folder) as page:
        page.get_by_role("button", name="Una foto").click()
        wait_calculated(page)
        give_photo(page, encoded(photo))
        wait_calculated(page)
        assert np.abs(seen_pixels(page) - reduce_photo(photo).astype(int)).max() <= 1
        assert ("se amplía" in page.locator(".ic-pictures").text_content()) == (min(height, width) < 32)


@browser_test
def test_the_orientation_of_the_camera_and_transparency_are_honoured(browser, folder):
    photo = random_photo(200, 300, seed=5)
    turned = Image.fromarray(photo)
    exif = turned.getexif()
    exif[0x0112] = 6
    jpeg = encoded(turned, "JPEG", quality=95, exif=exif)
    straight = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(jpeg))).convert("RGB"))
    assert straight.shape == (300, 200, 3)
    clear = np.dstack([photo, np.zeros(photo.shape[:2], np.uint8)])
    with classifier(browser, folder) as page:
        page.get_by_role("button", name="Una foto").click()
        wait_calculated(page)
        give_photo(page, jpeg, "vertical.jpg", "image/jpeg")
        wait_calculated(page)
        assert np.abs(seen_pixels(page) - reduce_photo(straight).astype(int)).max() <= 2
        assert "200×300" in page.locator(".ic-pictures").text_content()
        give_photo(page, encoded(clear))
        wait_calculated(page)
        assert (seen_pixels(page) == 255).all()


def animated_gif():
    frames = [Image.fromarray(random_photo(40, 40, seed)) for seed in (1, 2)]
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])


@browser_test
def test_every_bad_file_gets_a_clear_message(browser, folder):
    huge = encoded(Image.new("RGB", (8000, 5000), "navy"))
    whole = encoded(random_photo(60, 60), "JPEG")
    cases = [
        (b"", "vacia.png", "«vacia.png» está vacía: no tiene ni un byte"),
        (b"hola, no soy una foto", "nota.txt", "«nota.txt» no es una foto que este navegador sepa abrir"),
        (
            b"<svg xmlns='http://www.w3.org/2000/svg'/>",
            "dibujo.svg",
            "no es una foto que este navegador sepa abrir",
        ),
        (whole[:300] + b"\0" * 5, "rota.jpg", "«rota.jpg»"),
        (encoded(random_photo(60, 60))[:60], "cortada.png", "«cortada.png» está dañada o incompleta"),
        (huge, "enorme.png", "«enorme.png» tiene 40 megapíxeles y aquí caben hasta 36"),
        (b"\0" * (51 * 1024**2), "pesada.png", "«pesada.png» ocupa 51 MB y aquí caben hasta 50"),
    ]
    with classifier(browser, folder) as page:
        page.get_by_role("button", name="Una foto").click()
        wait_calculated(page)
        before = seen_pixels(page)
        error = page.locator(".c-error[role=alert]")
        for content, name, message in cases:
            if len(content) > 50 * 1024**2:  # por el protocolo del navegador no cabe: se hace dentro
                page.evaluate(
                    """([name, size]) => {
                      const transfer = new DataTransfer();
                      transfer.items.add(new File([new Uint8Array(size)], name, { type: "image/png" }));
                      const input = document.querySelector(".ic-file input");
                      input.files = transfer.files;
                      input.dispatchEvent(new Event("change"));
                    }""",
                    [name, len(content)],
                )
            else:
                give_photo(page, content, name, "application/octet-stream")
            error.get_by_text(message).wait_for()
            assert (seen_pixels(page) == before).all()  # lo que había se queda
        give_photo(page, animated_gif(), "baile.gif", "image/gif")
        wait_calculated(page)
        assert "Es una animación: se usa su primer fotograma." in page.locator(".ic-pictures").text_content()
        assert not error.is_visible()


@browser_test
def test_a_photo_is_dropped_or_pasted(browser, folder):
    photo = random_photo(64, 64, seed=9)
    deliver = """([kind, content]) => {
      const transfer = new DataTransfer();
      if (content) transfer.items.add(new File([Uint8Array.from(atob(content), (c) => c.charCodeAt(0))], "mia.png", { type: "image/png" }));
      else transfer.setData("text/plain", "hola");
      const options = { bubbles: true, cancelable: true };
      const event = kind === "drop" ? new DragEvent("drop", { ...options, dataTransfer: transfer }) : new ClipboardEvent("paste", { ...options, clipboardData: transfer });
      return document.querySelector(".ic-drop").dispatchEvent(event);
    }"""
    content = base64.b64encode(encoded(photo)).decode("ascii")
    with classifier(browser, folder) as page:
        assert page.evaluate(deliver, ["paste", content])  # con la ropa a la vista no es cosa suya
        page.get_by_role("button", name="Una foto").click()
        wait_calculated(page)
        cat = seen_pixels(page)
        for kind in ("drop", "paste"):
            page.get_by_role("button", name="Vuelve al gato").click()
            page.wait_for_function(
                "document.querySelector('.ic-verdict').textContent.endsWith('Es un gato.')"
            )
            assert (seen_pixels(page) == cat).all()
            assert not page.evaluate(deliver, [kind, content])
            page.wait_for_function(
                "!document.querySelector('.ic-verdict').textContent.endsWith('Es un gato.')"
            )
            wait_calculated(page)
            assert np.abs(seen_pixels(page) - reduce_photo(photo).astype(int)).max() <= 1
        page.evaluate(deliver, ["drop", ""])
        page.get_by_text("Lo que has soltado no es un archivo").wait_for()
        page.evaluate(deliver, ["paste", ""])
        page.get_by_text("En el portapapeles no hay ninguna imagen").wait_for()


@browser_test
def test_damaged_or_missing_weights_are_said_and_tried_again(browser, tmp_path):
    def damage(text):
        at = text.index('"data":"') + 1000
        return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]

    folder = write_page(tmp_path, damage)
    with classifier(browser, folder) as page:
        page.locator(".c-thumb").nth(2).click()
        error = page.locator(".c-error[role=alert]")
        error.get_by_text(f"«{CLOTHES_NETWORK.name}» está dañado: su contenido no tiene la huella").wait_for()
        assert "Se ve la respuesta guardada" in page.locator(".ic-status").text_content()
        assert page.locator(".ic-verdict").text_content().startswith("La red dice «")
    path = folder / f"{CLOTHES_NETWORK.name}.js"
    path.unlink()
    with opened(browser, f"{folder.as_uri()}/pagina.html", base=folder.as_uri()) as (page, _):
        page.locator(".c-thumb").nth(2).click()
        page.get_by_text(f"No se pudo cargar «{CLOTHES_NETWORK.name}»").wait_for()
        path.write_text(CLOTHES_NETWORK.script(), encoding="utf-8")
        choose(page, 4)
        assert not page.locator(".c-error[role=alert]").is_visible()


@browser_test
def test_a_browser_without_simd_is_told(browser, folder):
    context = browser.new_context()
    context.add_init_script(
        """const Original = globalThis.Blob;
        globalThis.Blob = class extends Original { constructor(parts, options) {
          super(options?.type === "text/javascript" ? ["WebAssembly.validate = () => false;\\n", ...parts] : parts, options); } };"""
    )
    page = context.new_page()
    with contextlib.closing(context):
        page.goto((folder / "pagina.html").as_uri())
        page.locator(".c-thumb").nth(2).click()
        page.get_by_text("Este navegador es anterior a WebAssembly con SIMD (2021)").wait_for()
        assert page.locator(".ic-verdict").text_content().startswith("La red dice «")


@browser_test
def test_keyboard_announcements_and_the_link(browser, folder):
    with classifier(browser, folder) as page:
        page.locator(".c-thumb").first.focus()
        for key, image in (
            ("ArrowRight", 1),
            ("ArrowDown", 2),
            ("End", 23),
            ("ArrowRight", 23),
            ("ArrowLeft", 22),
        ):
            page.keyboard.press(key)
            assert (
                page.locator(".c-thumb[aria-checked=true]").evaluate(
                    "e => [...e.parentElement.children].indexOf(e)"
                )
                == image
            )
            assert page.evaluate("document.activeElement.getAttribute('aria-checked')") == "true"
        status = page.locator(".control [role=status].c-hidden")
        status.get_by_text("Imagen 23 de 24").wait_for(state="attached")
        wait_calculated(page)
        page.wait_for_timeout(900)
        assert "La red dice" in status.text_content()
    states = [{"view": view, "image": image} for view in ("ropa", "foto") for image in (0, 9, 23)]
    with opened(browser, "about:blank") as (page, _):
        found = page.evaluate(
            f"""(states) => {{
              const {{ controls: {{ ImageClassifier: one }} }} = {base.bundle([ImageClassifier], folder=".")};
              return [states.map((state) => one.fromAddress(one.toAddress(state))),
                ["", "ropa-0", "ropa-25", "foto", "gato-1"].map(one.fromAddress)];
            }}""",
            states,
        )
    assert found == [states, [None] * 5]


@browser_test
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False), (320, True)])
def test_axe_finds_nothing_and_nothing_overflows(browser, folder, width, dark):
    with classifier(browser, folder, width=width, dark=dark, phone=width < 400) as page:
        page.evaluate("(dark) => { document.documentElement.dataset.theme = dark ? 'dark' : 'light' }", dark)
        for view in ("Ropa de la muestra", "Una foto"):
            page.get_by_role("button", name=view).click()
            wait_calculated(page)
            assert screen_faults(page) == []
            if width < 400:
                assert view != "Una foto" or page.locator(".ic-file").bounding_box()["height"] >= 44


@browser_test
def test_alone_it_carries_everything(browser, tmp_path):
    """Como en Colab: sin archivos al lado."""
    path = tmp_path / "solo.html"
    path.write_text(STATIC_PAGE.format(body=ImageClassifier().to_standalone_html()), encoding="utf-8")
    with opened(browser, path.as_uri()) as (page, watch):
        choose(page, 7)
        assert "«suéter» (87.3\u202f%) y falla" in page.locator(".ic-verdict").text_content()
        assert watch.faults == []


@browser_test
def test_the_cover_works_over_http_and_from_disk(browser, book, server):
    for site in (server, book.site.as_uri()):
        with opened(browser, f"{site}/book/portada.html", base=site) as (page, watch):
            page.locator(".control .c-thumb").first.wait_for()
            box = page.locator(".control .ic-verdict").bounding_box()
            assert box["y"] + box["height"] < 900, "la respuesta no se ve sin desplazarse"
            choose(page, 14)
            page.get_by_role("button", name="Una foto").click()
            wait_calculated(page)
            assert page.locator(".ic-verdict").text_content().endswith("Es un gato.")
            assert watch.faults == []


def test_the_cover_tells_what_each_network_says_of_the_cat():
    """La portada afirma que la red de la tarea falla con el gato, sin estar segura, y que la compacta acierta."""
    from helpers.models import build_cnn, build_compact_cnn

    photo = reduce_photo(np.asarray(Image.open(image_classifier.CAT).convert("RGB")))
    answers = {}
    for build, name in ((build_cnn, "baseline-s0"), (build_compact_cnn, "compact-s0")):
        model = build()
        model.load_weights(image_classifier.RESULTS / f"{name}.weights.h5")
        probabilities = model(photo[None].astype("float32") / 255).numpy()[0]
        names = image_classifier.PHOTO_NETWORKS[0].class_names()
        answers[name] = names[probabilities.argmax()], probabilities.max()
    assert answers["baseline-s0"][0] != "gato" and answers["baseline-s0"][1] < 0.5
    assert answers["compact-s0"][0] == "gato"
