"""El libro llega a cualquiera: accesible, ligero, en español, con buena búsqueda, en una subcarpeta, en zip y en PDF."""

import base64
import io
import re
import sys
import zipfile
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import book_checks as checks
import numpy as np
import page_audit as audit
import pytest
import yaml
from built_book import serve
from PIL import Image

from helpers.plots import new_figure

ROOT = Path(__file__).resolve().parent.parent
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
DOCUMENTS = [TOC["root"]] + [chapter["file"] for part in TOC["parts"] for chapter in part["chapters"]]
PAGES = [*(f"{document}.html" for document in DOCUMENTS), "search.html"]
OWN_LIMIT, FIRST_LIMIT = 300_000, 1_000_000

sys.path.insert(0, str(ROOT / "book" / "_ext"))

Reached = namedtuple("Reached", "outside console first loaded axe keyboard motion tables reflow texts")


def assert_clean(problems):
    """Falla con la lista de faltas, una por línea."""
    lines = [f"{where}: {fault}" for where, found in problems.items() for fault in found]
    assert not lines, "\n" + "\n".join(lines)


PAPER = "getComputedStyle(document.body).backgroundColor"


def turn_dark(tab):
    """Pone el equipo del lector en oscuro y espera a que la página lo siga; si no lo sigue, falla."""
    light = tab.evaluate(PAPER)
    tab.emulate_media(color_scheme="dark")
    tab.wait_for_function(f"light => {PAPER} !== light", arg=light, timeout=5000)


def inspect(tab, base, page, site):
    """Abre una página una sola vez y anota todo lo que se le comprueba."""
    requests, console = [], []
    tab.on("request", lambda request: requests.append(request.url))
    tab.on("console", lambda message: console.append(f"{message.type}: {message.text}"))
    tab.on("pageerror", lambda error: console.append(f"excepción: {error}"))
    tab.on("requestfailed", lambda request: console.append(f"no se pudo cargar: {request.url}"))
    tab.goto(f"{base}/{page}", wait_until="load")
    texts = audit.spoken_texts(tab)
    first = audit.weigh(set(requests), base, site)
    tab.evaluate(audit.READ_THROUGH)
    loaded = audit.weigh(set(requests), base, site)
    axe = audit.axe_faults(tab) + audit.contrast_faults(tab)
    turn_dark(tab)
    axe += [f"en oscuro: {fault}" for fault in audit.contrast_faults(tab)]
    axe += [f"en oscuro: {fault}" for fault in audit.axe_faults(tab, ["color-contrast"])]
    keyboard, motion, tables = audit.focus_faults(tab), tab.evaluate(audit.MOVING), tab.evaluate(audit.TABLES)
    reflow = audit.reflow_faults(tab)
    outside = [url for url in requests if not url.startswith((base, "data:", "blob:"))]
    return Reached(outside, console, first, loaded, axe, keyboard, motion, tables, reflow, texts)


def new_tab(browser):
    """Una pestaña en claro, con el movimiento reducido."""
    return browser.new_page(
        locale="es", color_scheme="light", reduced_motion="reduce", viewport={"width": 1280, "height": 900}
    )


@pytest.fixture(scope="module")
def reached(book, browser, tmp_path_factory):
    """Cada página, visitada una vez con el libro en una subcarpeta, como en GitHub Pages."""
    root = tmp_path_factory.mktemp("pages")
    (root / "libro").symlink_to(book.site)
    found = {}
    with serve(root) as address:
        for page in PAGES:
            tab = new_tab(browser)
            found[page] = inspect(tab, f"{address}/libro", page, book.site)
            tab.close()
    return found


CHECKS = {
    "nada de fuera": lambda seen: seen.outside,
    "consola vacía": lambda seen: seen.console,
    "axe": lambda seen: seen.axe,
    "teclado": lambda seen: seen.keyboard,
    "movimiento reducido": lambda seen: seen.motion,
    "tablas con encabezados": lambda seen: seen.tables,
    "sin desplazarse de lado": lambda seen: seen.reflow,
    "en español": lambda seen: [text for text in seen.texts if checks.ENGLISH.search(text)],
    "peso": lambda seen: audit.weight_faults(
        seen.first, seen.loaded, own_limit=OWN_LIMIT, first_limit=FIRST_LIMIT
    ),
}


# A01, A02, J06, J08
@pytest.mark.navegador
@pytest.mark.parametrize("check", CHECKS)
def test_every_page_reaches_everyone(reached, check):
    assert_clean({page: CHECKS[check](seen) for page, seen in reached.items()})


def test_pages_leave_out_what_they_do_not_use():
    from book_ext.polish import polish_html

    scripts = '<script src="../_static/searchtools.js"></script><script src="../searchindex.js"></script>'
    assert polish_html(scripts) == ""
    assert polish_html(f'{scripts}<div id="search-results"></div>').startswith(scripts)
    figures = '<img alt="a" src="../_images/a.png"/><img alt="b" src="../_images/b.png"/><img src="data:,"/>'
    assert polish_html(figures) == figures.replace('<img alt="b"', '<img loading="lazy" alt="b"')
    assert "Toggle" not in polish_html('<summary aria-label="Toggle hidden content">Mostrar</summary>')


BAD_PAGE = """<!DOCTYPE html><html lang="es"><head><meta charset="utf-8"><title>Mala</title>
<style>a { outline: none !important; transition: color 2s; } .gris { color: #aaa; } .c1 { color: #bbb; }
@media (prefers-color-scheme: dark) { body { background: #111; } .k { color: #333; background: #222; } }</style></head>
<body><button title="Toggle sidebar">x</button><a href="#main-content">Ir</a>
<article class="bd-article"><h1>Mala</h1><p class="gris">Poco contraste</p>
<div class="highlight"><pre>1</pre></div><div class="highlight"><pre>2</pre></div><div class="highlight"><pre>3</pre></div>
<div class="highlight"><pre><span class="c">ok</span><span class="gris c1">x</span><span class="k">y</span></pre></div>
<table><tr><td>sin encabezado</td></tr></table><div style="width: 900px">ancho</div>
<img src="https://example.com/a.png"><div style="height: 9000px"></div>
<img src="_images/lejos.png" alt="" loading="lazy"></article>
<script>console.log("hola")</script></body></html>"""


@pytest.mark.navegador
def test_each_check_notices_a_bad_page(browser, tmp_path):
    (tmp_path / "mala.html").write_text(BAD_PAGE, encoding="utf-8")
    (tmp_path / "_images").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "_images" / "lejos.png")
    with serve(tmp_path) as address:
        tab = new_tab(browser)
        seen = inspect(tab, address, "mala.html", tmp_path)
        tab.close()
    assert "_images/lejos.png" in seen.loaded, "las figuras aplazadas no cuentan"
    seen = seen._replace(loaded={"mala.html": OWN_LIMIT, "_images/lejos.png": 1})
    missed = [name for name, check in CHECKS.items() if not check(seen)]
    assert missed == []
    assert any(fault.startswith("color-contrast") for fault in seen.axe)
    assert any(fault.startswith("image-alt") for fault in seen.axe)
    # El cuarto bloque de código, que axe no mira: una clase gris en claro y otra solo en oscuro.
    code = [fault for fault in seen.axe if "contraste" in fault]
    assert any("span.gris c1" in fault for fault in code) and any(
        "en oscuro" in fault and "span.k" in fault for fault in code
    )
    assert not any("span.c:" in fault for fault in code)
    assert any(
        "la primera visita" in fault
        for fault in audit.weight_faults(
            {"_static/tema.js": FIRST_LIMIT + 1}, {}, own_limit=OWN_LIMIT, first_limit=FIRST_LIMIT
        )
    )


# --- Figuras ligeras ------------------------------------------------------------------------------------------
def test_figures_are_published_light_and_look_the_same(tmp_path):
    from book_ext.figures import MAXIMUM_ERROR, publish

    fig, axes = new_figure(alt="Una curva que sube de 0 a 1", title="Sube")
    axes.plot([0, 1, 2], [0, 0.7, 1], color="#0072B2")
    data, _ = fig._repr_mimebundle_()
    stored, published = tmp_path / "a.png", tmp_path / "a.webp"
    stored.write_bytes(base64.b64decode(data["image/png"]))
    publish(stored, published)
    publish(stored, tmp_path / "b.webp")
    assert published.read_bytes() == (tmp_path / "b.webp").read_bytes()
    assert published.stat().st_size < 0.7 * stored.stat().st_size
    before, after = (
        np.asarray(Image.open(file).convert("RGB")).astype(float) for file in (stored, published)
    )
    assert np.sqrt(((before - after) ** 2).mean()) <= MAXIMUM_ERROR
    for exact in ((255, 255, 255), (0, 0x72, 0xB2)):  # los fondos y las líneas no cambian de color
        same = (before == exact).all(axis=2)
        assert same.any() and (after[same] == exact).all()


def test_a_small_marker_keeps_its_colour_and_few_colours_are_not_touched():
    from book_ext.figures import COLOURS, fewer_colours

    greys = np.repeat(np.arange(250, dtype=np.uint8)[:, None], 3, axis=1)
    colours = np.vstack([greys, [[213, 94, 0]]]).astype(np.uint8)
    counts = np.append(np.full(250, 2000), 60)
    merged = fewer_colours(colours, counts)
    assert merged[-1].tolist() == [213, 94, 0] and len(np.unique(merged, axis=0)) in COLOURS
    assert (fewer_colours(colours[: COLOURS[0]], counts[: COLOURS[0]]) == colours[: COLOURS[0]]).all()


def test_the_site_publishes_no_stored_figure(book):
    from book_ext.figures import rename_figures

    assert not [path for path in book.site.glob("_images/*.png") if len(path.stem) == 64]
    digest = "0" * 64
    assert (
        rename_figures(f'<img src="../_images/{digest}.png">') == f'<img src="../_images/{"0" * 32}-1.webp">'
    )
    missing = {
        f"{page}: {source}"
        for page, text in book.html.items()
        for source in re.findall(r'(?:src|href)="([^":]*_images/[^"]+)"', text)
        if not (book.site / page).parent.joinpath(source).exists()
    }
    assert missing == set()


# --- Búsqueda -----------------------------------------------------------------------------------------------
# Lo que se escribe → la página que debe estar entre las tres primeras.
QUERIES = {
    "convolucion": "convolucion",
    "Convoluciones": "convolucion",
    "agrupacion maxima": "convolucion",
    "nucleo": "convolucion",
    "pixeles": "datos",
    "imagenes de entrenamiento": "datos",
    "arquitectura": "arquitectura",
    "parametros de la red": "arquitectura",
    "aplanado": "arquitectura",
    "cizallamiento": "aumento",
    "volteo horizontal": "aumento",
    "aumento de datos": "aumento",
    "epocas": "entrenamiento",
    "entropia cruzada": "entrenamiento",
    "tasa de aprendizaje": "entrenamiento",
    "matriz de confusion": "evaluacion",
    "calibracion": "evaluacion",
    "umbrales": "evaluacion",
    "oclusion": "por-dentro",
    "REFERENCIAS": "referencias",
    "motor": "motor",
}
TOP = 3


def search(tab, server, words):
    """Páginas que encuentra la búsqueda, sin repetir y en orden."""
    tab.goto(f"{server}/search.html?q={words}")
    tab.wait_for_function(
        "/encontrada|Ninguna/.test(document.querySelector('#search-results .search-summary')?.innerText ?? '')"
    )
    tab.wait_for_timeout(100)
    links = tab.eval_on_selector_all("#search-results li > a", "links => links.map((a) => a.pathname)")
    return list(dict.fromkeys(Path(link).stem for link in links))


# J05
@pytest.mark.navegador
def test_search_finds_what_spanish_readers_type(browser, server):
    assert len(QUERIES) >= 20
    tab = browser.new_page(locale="es")
    wrong = {}
    for words, page in QUERIES.items():
        found = search(tab, server, words)
        if page not in found[:TOP]:
            wrong[words] = [f"falta {page}: salen {found[:6]}"]
    assert search(tab, server, "palabrainexistente") == []
    assert search(tab, server, "año") != search(tab, server, "ano"), "«año» y «ano» son palabras distintas"
    tab.close()
    assert_clean(wrong)


# --- Metadatos y mapa -----------------------------------------------------------------------------------------
def test_every_page_says_what_it_is_about(book):
    assert_clean({page: audit.metadata_faults(book.html[page]) for page in PAGES})
    found = [re.search(r'name="description" content="([^"]*)"', book.html[page])[1] for page in PAGES]
    assert len(set(found)) == len(PAGES)


def test_metadata_check_can_fail():
    assert audit.metadata_faults("<head><title> </title></head>")[:2] == ["sin título", "sin descripción"]
    assert any(
        "caracteres" in fault
        for fault in audit.metadata_faults('<meta name="description" content="Corta" />')
    )


def test_the_map_exists_only_with_a_real_address(book):
    from book_ext.metadata import site_address, sitemap

    assert site_address("https://github.com/USUARIO/redes-convolucionales") is None
    assert site_address("https://example.com/a/b") is None
    assert site_address("https://github.com/Ana/libro") == "https://ana.github.io/libro/"
    assert site_address("https://github.com/ana/ana.github.io") == "https://ana.github.io/"
    text = sitemap("https://ana.github.io/libro/", ["book/datos.html"])
    assert "<loc>https://ana.github.io/libro/book/datos.html</loc>" in text
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    real = site_address(config["repository"]["url"])
    assert (book.site / "sitemap.xml").exists() == bool(real)


def test_descriptions_are_cut_where_they_read_well():
    from book_ext.metadata import MAXIMUM, shorten

    assert shorten("Una frase  corta.") == "Una frase corta."
    sentence = "Esta frase llega hasta aquí, con letras de sobra para el mínimo. "
    assert shorten(sentence * 4) == (sentence * 2).strip()
    assert shorten("palabra " * 40).endswith("…") and len(shorten("palabra " * 40)) <= MAXIMUM


# --- Para llevar ----------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def stick(book, tmp_path_factory):
    """El zip de `make usb`, extraído en otra carpeta."""
    from helpers.packaging import NAME, make_usb

    folder = tmp_path_factory.mktemp("llave")
    archive = make_usb(folder / "libro.zip", site=book.site)
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)
    return folder / NAME


@pytest.mark.completo
@pytest.mark.navegador
def test_the_zip_opens_from_disk(stick, browser):
    assert (stick / "cuadernos" / "helpers" / "__init__.py").exists()
    assert (stick / "cuadernos" / "book" / "datos.ipynb").exists()
    assert (stick / "cuadernos" / "requirements.txt").exists()
    tab = new_tab(browser)
    requests, console = [], []
    tab.on("request", lambda request: requests.append(request.url))
    tab.on("console", lambda message: console.append(message.text))
    tab.on("pageerror", lambda error: console.append(str(error)))
    tab.goto((stick / "LEEME.html").as_uri())
    assert audit.axe_faults(tab) == []
    assert [
        a for a in tab.eval_on_selector_all("a", "l => l.map((a) => a.href)") if not a.startswith("file:")
    ] == []
    tab.click("text=Abre el libro")
    tab.wait_for_selector("article h1")
    for document in DOCUMENTS:
        tab.goto((stick / "sitio" / f"{document}.html").as_uri(), wait_until="load")
    tab.close()
    assert console == []
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []


def test_packaging_without_a_site_says_what_to_do(tmp_path):
    from helpers.packaging import PackagingError, make_usb

    with pytest.raises(PackagingError, match="make libro"):
        make_usb(tmp_path / "a.zip", site=tmp_path / "nada")


# --- PDF ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "word, parts",
    [
        ("convolucionales", "con-vo-lu-cio-na-les"),
        ("entrenamiento", "en-tre-na-miento"),
        ("instrucción", "ins-truc-ción"),
        ("agrupación", "agru-pa-ción"),
        ("bloques", "blo-ques"),
        ("carrera", "ca-rrera"),
        ("Exhaustividad", "Ex-haus-ti-vi-dad"),
        ("aéreo", "aéreo"),
        ("capas", "capas"),
        ("softmaxWeb", "softmaxWeb"),
        ("dropout", "dropout"),
    ],
)
def test_spanish_words_are_split_between_syllables(word, parts):
    from helpers.hyphenation import SOFT_HYPHEN, hyphenate

    assert hyphenate(word).replace(SOFT_HYPHEN, "-") == parts


def flatten(outline):
    """Los marcadores de un PDF, de todos los niveles."""
    for item in outline:
        yield from flatten(item) if isinstance(item, list) else [item]


def test_a_packed_pdf_says_the_same_and_weighs_less():
    from pypdf import PdfReader, PdfWriter

    from helpers.pdf import pack

    writer, plain = PdfWriter(), io.BytesIO()
    for _ in range(150):
        writer.add_blank_page(200, 300)
    parent = writer.add_outline_item(title="Parte", page_number=2)
    writer.add_outline_item(title="Capítulo", page_number=120, parent=parent)
    writer.add_metadata({"/Title": "Prueba"})
    writer.write(plain)
    packed = pack(plain.getvalue())
    assert len(packed) < 0.5 * len(plain.getvalue())
    reader = PdfReader(io.BytesIO(packed), strict=True)
    assert len(reader.pages) == 150 and reader.pages[149].mediabox.height == 300
    places = [(item.title, reader.get_destination_page_number(item)) for item in flatten(reader.outline)]
    assert places == [("Parte", 2), ("Capítulo", 120)] and reader.metadata.title == "Prueba"


@pytest.fixture(scope="module")
def printed(book, tmp_path_factory):
    """El PDF de `make pdf`."""
    from pypdf import PdfReader

    from helpers.pdf import make_pdf

    # En otro hilo: Playwright no admite dos sesiones en el mismo, y la de este archivo sigue abierta.
    with ThreadPoolExecutor(1) as thread:
        target = thread.submit(
            make_pdf, tmp_path_factory.mktemp("pdf") / "libro.pdf", site=book.site
        ).result()
    return target, PdfReader(target)


@pytest.mark.completo
@pytest.mark.navegador
def test_the_pdf_has_outline_language_tags_and_figures(printed):
    from helpers.pdf import ANSWERS, MAXIMUM_PDF

    target, reader = printed
    assert target.stat().st_size <= MAXIMUM_PDF
    parts = [item.title for item in reader.outline if not isinstance(item, list)]
    assert parts[1] == "Índice" and parts[3:] == [part["caption"] for part in TOC["parts"]]
    entries = list(flatten(reader.outline))
    assert len(entries) > 5 * len(DOCUMENTS), "faltan las secciones en el índice"
    assert not any("\n" in item.title or "\u00ad" in item.title for item in entries)
    assert reader.root_object["/Lang"] == "es" and reader.root_object["/MarkInfo"]["/Marked"]
    assert (
        reader.metadata.title == yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["title"]
    )
    texts = [page.extract_text() for page in reader.pages]
    assert any(ANSWERS in text for text in texts)
    # J07: lo que hace tropezar a LaTeX (flechas, multiplicaciones, letras griegas) llega al PDF tal cual.
    assert "\ufffd" not in "".join(texts)
    assert all(sign in "".join(texts) for sign in "→×ñ¿"), "faltan signos"
    assert all(text.strip() or page.images for text, page in zip(texts, reader.pages, strict=True)), (
        "hay una página en blanco"
    )


@pytest.mark.completo
@pytest.mark.navegador
def test_the_pages_of_the_pdf_are_numbered_and_the_index_tells_them(printed):
    _, reader = printed
    numbered = [
        number
        for number, page in enumerate(reader.pages, 1)
        if str(number) in re.split(r"\s+", page.extract_text())
    ]
    assert numbered[0] == 2 and len(numbered) == len(reader.pages) - 1, "faltan números de página"
    entries = list(flatten(reader.outline))
    first = next(item for item in entries if item.title.startswith("2. "))
    index = "\n".join(reader.pages[page].extract_text() for page in range(1, 6))
    number = reader.get_destination_page_number(first) + 1
    assert re.search(rf"{re.escape(first.title)}\s+{number}\b", index)


@pytest.mark.completo
@pytest.mark.navegador
def test_every_link_of_the_pdf_leads_inside_it_or_to_the_web(printed):
    _, reader = printed
    names, wrong, inside = set(reader.named_destinations), set(), 0
    for page in reader.pages:
        for note in page.get("/Annots") or []:
            note = note.get_object()
            action = note.get("/A") or {}
            if "/URI" in action:
                if not str(action["/URI"]).startswith(("https://", "http://", "mailto:")):
                    wrong.add(str(action["/URI"]))
            else:
                inside += 1
                target = note.get("/Dest", action.get("/D"))
                if isinstance(target, str) and target not in names and target.lstrip("/") not in names:
                    wrong.add(target)
    assert wrong == set() and inside > 500
