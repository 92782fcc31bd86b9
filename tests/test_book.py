"""El libro construido: entero, en español, sin internet y sin faltas, por HTTP y desde el disco."""

import json
import re
import shutil
import sys
from collections import namedtuple
from pathlib import Path

import book_checks as checks
import nbformat
import pytest
import yaml
from browsers import find_chromium
from bs4 import BeautifulSoup
from built_book import DRAFT

ROOT = Path(__file__).resolve().parent.parent
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
DOCUMENTS = [TOC["root"]] + [chapter["file"] for part in TOC["parts"] for chapter in part["chapters"]]
PAGES = [f"{document}.html" for document in DOCUMENTS]
NOTEBOOKS = [document for document in DOCUMENTS if (ROOT / f"{document}.ipynb").exists()]
WIDTHS = (390, 320)
MAXIMUM_PAGE = 1_000_000

sys.path.insert(0, str(ROOT / "book" / "_ext"))

Visit = namedtuple("Visit", "requests console overflow formulas")


def assert_clean(problems):
    """Falla con la lista de faltas, una por línea."""
    problems = {where: found for where, found in problems.items() if found}
    assert not problems, "\n" + "\n".join(
        f"{where}: {fault}" for where, found in problems.items() for fault in found
    )


def on_every_page(book, check):
    """Aplica una comprobación a todas las páginas."""
    return {page: check(html) for page, html in book.html.items()}


# --- Construcción -------------------------------------------------------------------------------------------
def test_build_has_no_warnings(book):
    assert checks.build_warnings(book.log) == []
    assert book.returncode == 0, book.log[-3000:]


# J01
def test_config_keeps_the_settings_that_fail_in_silence():
    assert checks.config_problems(CONFIG) == []


# J03
def test_every_chapter_is_built_and_drafts_are_not(book):
    assert set(PAGES) <= set(book.html)
    assert f"{DRAFT}.html" not in book.html
    assert set(book.html) == {*PAGES, "index.html", "search.html"}


# J01
def test_build_leaves_no_error_reports(book):
    assert list(book.source.rglob("*.err.log")) == []


def test_build_says_in_one_line_that_the_address_is_a_placeholder(book):
    notices = [
        line for line in book.log.splitlines() if line.startswith("Nota: la dirección del repositorio")
    ]
    assert len(notices) == ("/USUARIO/" in CONFIG["repository"]["url"])


def test_no_notice_for_a_real_address():
    from book_ext.repository import placeholder_notice

    assert placeholder_notice("https://github.com/alguien/redes-convolucionales") is None
    assert "provisional" in placeholder_notice("https://github.com/USUARIO/redes-convolucionales")


def test_missing_mathjax_package_says_what_to_install(monkeypatch):
    from book_ext import maths
    from sphinx.errors import ExtensionError

    monkeypatch.setattr(maths, "find_spec", lambda name: None)
    with pytest.raises(ExtensionError, match=r"Falta el paquete sphinx-mathjax-offline.*pip install"):
        maths.mathjax_source()


def test_site_can_be_published_on_github_pages(book):
    assert (book.site / ".nojekyll").exists()


def test_entry_page_leads_to_the_first_chapter(book):
    assert f"url={PAGES[0]}" in book.html["index.html"]
    assert (book.site / PAGES[0]).exists()


# W02
def test_no_page_is_too_heavy(book):
    sizes = {
        path.relative_to(book.site).as_posix(): path.stat().st_size for path in book.site.rglob("*.html")
    }
    assert checks.size_problems(sizes, MAXIMUM_PAGE) == []


def test_icon_scripts_are_left_out(book):
    assert [path for path in book.site.rglob("*.js") if "fontawesome" in path.as_posix()] == []
    assert not any("fontawesome.js" in html or "all.min.js" in html for html in book.html.values())


# --- Páginas ------------------------------------------------------------------------------------------------
# J05
def test_pages_are_in_spanish(book):
    assert_clean(on_every_page(book, checks.language_problems))


# J06
def test_interface_is_in_spanish(book):
    assert_clean(on_every_page(book, checks.english_interface))


def test_every_chapter_is_in_every_sidebar(book):
    assert_clean({page: checks.sidebar_problems(book.html[page], page, PAGES) for page in PAGES})


def test_headings_are_in_order(book):
    assert_clean(on_every_page(book, checks.heading_problems))


def test_ids_are_unique(book):
    assert_clean(on_every_page(book, checks.duplicate_ids))


def test_no_errors_in_outputs(book):
    assert_clean(on_every_page(book, checks.output_problems))


def test_code_fits_in_the_column(book):
    assert_clean(on_every_page(book, checks.wide_code))


def test_figures_have_alternative_text(book):
    assert_clean(on_every_page(book, checks.alt_problems))


def test_pages_load_nothing_from_outside(book):
    assert_clean(on_every_page(book, checks.external_loads))
    sheets = {path.name: path.read_text(encoding="utf-8") for path in book.site.rglob("*.css")}
    assert_clean({name: checks.external_css(css) for name, css in sheets.items()})


def test_local_links_exist(book):
    files = {path.relative_to(book.site).as_posix() for path in book.site.rglob("*") if path.is_file()}
    ids = {
        page: {tag["id"] for tag in checks.parse(html).find_all(id=True)} for page, html in book.html.items()
    }
    assert_clean({page: checks.broken_links(html, page, files, ids) for page, html in book.html.items()})


def test_launch_buttons_open_each_notebook(book):
    repository = CONFIG["repository"]
    assert NOTEBOOKS, "ningún capítulo es un cuaderno"
    assert_clean(
        {
            name: checks.launch_problems(
                book.html[f"{name}.html"], f"{name}.ipynb", repository["url"], repository["branch"]
            )
            for name in NOTEBOOKS
        }
    )


# W01
def test_kernel_controls_say_where_they_work(book):
    assert_clean(on_every_page(book, checks.kernel_control_problems))


def test_only_pages_with_formulas_load_mathjax(book):
    assert_clean(on_every_page(book, checks.maths_problems))


def test_a_sign_stays_with_the_formula_before_it(book):
    from book_ext.maths import keep_with_sign

    formula = r'<span class="math notranslate nohighlight">\(x_{0,2}\)</span>'
    assert f'<span class="con-signo">{formula};</span> en las' in book.html["book/motor.html"]
    context = {"body": f"({formula} y {formula})"}
    keep_with_sign(None, "", "", context, None)
    assert context["body"] == f'({formula} y <span class="con-signo">{formula})</span>'


def test_long_names_in_tables_break_between_words(book):
    from book_ext.polish import polish_html

    assert "featurewise_<wbr>std_<wbr>normalization" in book.html["book/aumento.html"]
    table = '<table><td><code><span class="pre">zoom_range(0.5)</span></code></td></table>'
    assert polish_html(table) == table.replace("zoom_range", "zoom_<wbr>range")
    assert '<span class="pre opcion">-r</span>' in book.html["book/como-usar.html"]
    assert polish_html(table.replace("table", "div")) == table.replace("table", "div")


# --- Búsqueda -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "words",
    [
        ["convolución", "convolucion", "convoluciones", "CONVOLUCIÓN"],
        ["red", "redes"],
        ["clase", "clases"],
        ["matriz", "matrices"],
        ["píxel", "pixel", "píxeles"],
        ["época", "epoca", "épocas"],
        ["cono", "conos"],
    ],
)
def test_search_joins_forms_of_a_word(words):
    from book_ext.search import stem

    assert len({stem(word) for word in words}) == 1


def test_search_keeps_different_words_apart():
    from book_ext.search import STOPWORDS, stem

    assert stem("año") != stem("ano")
    assert stem("capa") != stem("cada")
    assert stem("conos") not in STOPWORDS


# J05
def test_search_knows_which_page_explains_each_term():
    from book_ext.search import explained_terms

    rows = (
        "| **matriz de confusión** | *confusion matrix* | Una tabla. | [Evaluación](evaluacion.ipynb) | |\n"
        "| **semilla** | *seed* | Un número. | Aquí | |\n"
    )
    assert explained_terms(rows) == [[["matric", "confusion"], ["book/evaluacion"]]]


def test_spanish_search_is_used(book):
    language_data = (book.site / "_static" / "language_data.js").read_text(encoding="utf-8")
    assert 'var stopwords = ["a", "al", "algo"' in language_data
    assert "Ninguna página" in (book.site / "_static" / "translations.js").read_text(encoding="utf-8")


# --- En un navegador de verdad ------------------------------------------------------------------------------
def visit(tab, base, pages):
    """Abre cada página y anota lo que pide fuera de `base`, lo que escribe en la consola y lo que se sale.

    Devuelve un diccionario página → Visit. La red está cortada en `browser`: lo de fuera se anota y no llega.
    """
    requests, console, visits = [], [], {}
    tab.on("request", lambda request: requests.append(request.url))
    tab.on("console", lambda message: console.append(f"{message.type}: {message.text}"))
    tab.on("pageerror", lambda error: console.append(f"excepción: {error}"))
    tab.on("requestfailed", lambda request: console.append(f"no se pudo cargar: {request.url}"))
    for page in pages:
        requests.clear()
        console.clear()
        tab.set_viewport_size({"width": 1280, "height": 900})
        tab.goto(f"{base}/{page}", wait_until="load")
        if tab.query_selector("article .math"):
            tab.wait_for_function("window.MathJax?.startup?.promise !== undefined", timeout=30_000)
            tab.evaluate("MathJax.startup.promise.then(() => true)")
        formulas = [len(tab.query_selector_all(f"article .math{inner}")) for inner in ("", " mjx-container")]
        overflow = {}
        for width in WIDTHS:
            tab.set_viewport_size({"width": width, "height": 800})
            overflow[width] = tab.evaluate("document.documentElement.scrollWidth - innerWidth")
        outside = [url for url in requests if not url.startswith((base, "data:", "blob:"))]
        visits[page] = Visit(outside, list(console), overflow, formulas)
    return visits


@pytest.fixture(scope="module")
def visits(book, browser):
    """Todas las páginas, visitadas desde el disco; por HTTP y en una subcarpeta las visita `test_reach`."""
    tab = browser.new_page(locale="es")
    found = visit(tab, book.site.as_uri(), [*PAGES, "search.html"])
    tab.close()
    return found


@pytest.mark.navegador
def test_browser_asks_nothing_from_outside(visits):
    assert_clean({name: found.requests for name, found in visits.items()})


@pytest.mark.navegador
def test_console_stays_empty(visits):
    assert_clean({name: found.console for name, found in visits.items()})


@pytest.mark.navegador
def test_nothing_overflows_on_phones(visits):
    assert_clean(
        {
            name: [f"a {width} px se sale {extra} px" for width, extra in found.overflow.items() if extra > 0]
            for name, found in visits.items()
        }
    )


@pytest.mark.navegador
def test_formulas_are_drawn(visits):
    assert_clean(
        {
            name: []
            if found.formulas[0] == found.formulas[1]
            else [f"{found.formulas[1]} de {found.formulas[0]}"]
            for name, found in visits.items()
        }
    )


FADED = """() => [...document.querySelectorAll(".bd-article a.image-reference, .bd-article div.highlight pre")]
  .filter((box) => box.checkVisibility())
  .map((box) => [box.scrollWidth > box.clientWidth, getComputedStyle(box).maskImage !== "none"])
"""
SCROLL_TO_THE_END = """async () => {
  for (const box of document.querySelectorAll(".bd-article :is(a.image-reference, pre)")) box.scrollLeft = 10_000;
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
}"""


@pytest.mark.navegador
def test_what_goes_on_to_the_right_fades_until_its_end(book, browser):
    tab = browser.new_page(viewport={"width": 390, "height": 800})
    tab.goto(f"{book.site.as_uri()}/book/portada.html")
    boxes = tab.evaluate(FADED)
    assert {wide for wide, _ in boxes} == {True, False} and all(wide == faded for wide, faded in boxes)
    tab.evaluate(SCROLL_TO_THE_END)
    assert not any(faded for _, faded in tab.evaluate(FADED))
    tab.close()


@pytest.mark.navegador
def test_a_page_that_breaks_the_rules_is_noticed(browser, tmp_path):
    page = (
        '<!DOCTYPE html><html lang="es"><body><img src="https://example.com/a.png">'
        '<div style="width:900px">x</div>'
        "<script>console.log('hola'); throw new Error('fallo')</script></body></html>"
    )
    (tmp_path / "mala.html").write_text(page, encoding="utf-8")
    tab = browser.new_page()
    found = visit(tab, tmp_path.as_uri(), ["mala.html"])["mala.html"]
    tab.close()
    assert found.requests == ["https://example.com/a.png"]
    assert any("hola" in line for line in found.console)
    assert any("fallo" in line for line in found.console)
    assert found.overflow[320] > 0


@pytest.mark.navegador
def test_search_ignores_accents_in_the_browser(book, browser, server):
    results = {}
    tab = browser.new_page()
    for word in ("convolución", "convolucion", "convoluciones"):
        tab.goto(f"{server}/search.html?q={word}")
        tab.wait_for_function(
            "document.querySelector('#search-results .search-summary')?.innerText.includes(':')"
        )
        found = tab.eval_on_selector_all("#search-results li a", "links => links.map(a => a.pathname)")
        results[word] = set(found)
        assert checks.ENGLISH.search(tab.inner_text("#search-results .search-summary")) is None
    assert results["convolución"], "buscar «convolución» no encuentra nada"
    assert results["convolución"] == results["convolucion"] == results["convoluciones"]
    tab.goto(f"{server}/search.html?q=palabrainexistente")
    tab.wait_for_function("document.querySelector('#search-results .search-summary')?.innerText.length > 0")
    assert tab.inner_text("#search-results .search-summary").startswith("Ninguna página")
    tab.close()


@pytest.mark.navegador
def test_browser_and_python_agree_on_every_word(book, browser, server):
    from book_ext.search import stem

    text = " ".join(BeautifulSoup(html, "html.parser").get_text(" ") for html in book.html.values())
    words = sorted(set(re.findall(r"\w+", text)))
    tab = browser.new_page()
    tab.goto(f"{server}/search.html")
    stems = tab.evaluate(
        "words => { const s = new Stemmer(); return words.map((w) => s.stemWord(w)); }", words
    )
    tab.close()
    assert len(words) > 500
    assert {w: s for w, s in zip(words, stems, strict=True) if s != stem(w)} == {}


# --- Cada comprobación puede fallar -------------------------------------------------------------------------
def article_page(content, *, interface="", lang="es"):
    """Una página mínima con el artículo y la interfaz que se le den."""
    return (
        f'<html lang="{lang}"><body>{interface}<article class="bd-article">{content}</article></body></html>'
    )


FAULTS = {
    "lang": (checks.language_problems, article_page("<h1>A</h1>", lang="en")),
    "sin lang": (checks.language_problems, "<html></html>"),
    "dos h1": (checks.heading_problems, article_page("<h1>A</h1><h1>B</h1>")),
    "sin h1": (checks.heading_problems, article_page("<h2>A</h2>")),
    "salto": (checks.heading_problems, article_page("<h1>A</h1><h3>B</h3>")),
    "vacío": (checks.heading_problems, article_page("<h1>A</h1><h2></h2>")),
    "id repetido": (checks.duplicate_ids, article_page('<p id="a"></p><p id="a"></p>')),
    "title inglés": (
        checks.english_interface,
        article_page("", interface='<button title="Toggle primary sidebar">'),
    ),
    "placeholder inglés": (
        checks.english_interface,
        article_page("", interface='<input placeholder="Search…">'),
    ),
    "texto inglés": (checks.english_interface, article_page("", interface="<p>Open issue</p>")),
    "celda inglesa": (
        checks.english_interface,
        article_page('<details class="hide"><summary>Show code cell source</summary></details>'),
    ),
    "enlace inglés": (
        checks.english_interface,
        article_page('<a class="headerlink" title="Link to this heading">#</a>'),
    ),
    "document.write inglés": (
        checks.english_interface,
        article_page("", interface='<script>document.write(`<button title="Search"></button>`)</script>'),
    ),
    "stderr": (checks.output_problems, article_page('<div class="output stderr">W0000</div>')),
    "traza": (checks.output_problems, article_page('<div class="output traceback">ValueError</div>')),
    "código ancho": (
        checks.wide_code,
        article_page(f'<div class="highlight"><pre>{"x" * 81}</pre></div>'),
    ),
    "sin alt": (checks.alt_problems, article_page('<img src="a.png">')),
    "alt vacío": (checks.alt_problems, article_page('<img src="a.png" alt=" ">')),
    "alt archivo": (checks.alt_problems, article_page('<img src="a.png" alt="../_images/3fa9.png">')),
    "alt genérico": (checks.alt_problems, article_page('<img src="a.png" alt="Figura 3">')),
    "alt corto": (checks.alt_problems, article_page('<img src="a.png" alt="Curva de pérdida">')),
    "script externo": (
        checks.external_loads,
        article_page('<script src="https://cdn.example/x.js"></script>'),
    ),
    "hoja externa": (checks.external_loads, '<link rel="stylesheet" href="//cdn.example/x.css">'),
    "estilo externo": (checks.external_loads, '<p style="background:url(https://cdn.example/x.png)">'),
    "srcset externo": (
        checks.external_loads,
        '<img src="a.png" srcset="a.png, https://cdn.example/b.png 2x">',
    ),
    "css externo": (checks.external_css, "@font-face{src:url('https://fonts.example/a.woff2')}"),
    "css importado": (checks.external_css, '@import "https://fonts.example/a.css";'),
    "panel mudo": (
        checks.kernel_control_problems,
        article_page(
            '<figure class="panel-estatico"><img alt="x"><figcaption>Mueve esto</figcaption></figure>'
        ),
    ),
    "panel sin imagen": (
        checks.kernel_control_problems,
        article_page('<figure class="panel-estatico">Necesita un kernel: Colab o Binder</figure>'),
    ),
    "control sin kernel": (
        checks.kernel_control_problems,
        article_page('<script type="application/vnd.jupyter.widget-view+json">{}</script>'),
    ),
    "fórmula sin MathJax": (checks.maths_problems, article_page('<span class="math">x</span>')),
    "MathJax de sobra": (checks.maths_problems, '<script src="_static/mathjax/tex-chtml.js"></script>'),
    "MathJax de fuera": (
        checks.maths_problems,
        '<span class="math">x</span><script src="https://cdn.example/mathjax@3/tex.js"></script>',
    ),
    "aviso": (checks.build_warnings, "book/datos.ipynb:3: WARNING: referencia rota"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_check_can_fail(fault):
    check, html = FAULTS[fault]
    assert check(html)


def test_a_good_page_passes_every_page_check():
    page = article_page(
        '<h1 id="a">Título</h1><h2 id="b">Parte</h2><a class="headerlink" title="Enlace a esta sección">#</a>'
        '<img src="_images/a.png" alt="La pérdida baja de 2.3 a 0.5 en doce épocas">'
        '<figure class="panel-estatico"><img alt="Curva azul que baja a 0.4">'
        "Necesita un kernel: Colab o Binder."
        '</figure><p>The paper in English, <a href="https://example.com">enlace</a>.</p>',
        interface='<button title="Buscar" aria-label="Buscar"></button>',
    )
    for check, _ in FAULTS.values():
        assert check(page) == [], check.__name__


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("execute", "execute_notebooks", "auto"),
        ("execute", "timeout", 30),
        ("execute", "timeout", None),
        ("execute", "stderr_output", "show"),
        ("sphinx", "recursive_update", False),
        ("sphinx", "config", {"language": None, "extensions": []}),
        ("sphinx", "config", {"language": "es"}),
        (None, "only_build_toc_files", False),
    ],
)
def test_config_check_can_fail(section, key, value):
    config = json.loads(json.dumps(CONFIG))
    (config[section] if section else config)[key] = value
    assert checks.config_problems(config)


def test_sidebar_check_can_fail():
    page = '<div id="pst-primary-sidebar"><a href="#">A</a><a href="../book/b.html#x">B</a></div>'
    assert checks.sidebar_problems(page, "book/a.html", ["book/a.html", "book/b.html"]) == []
    assert checks.sidebar_problems(page, "book/a.html", ["book/c.html"]) == ["book/c.html"]


def test_link_check_can_fail():
    files, ids = {"book/a.html", "_static/a.css"}, {"book/a.html": {"uno"}}
    good = '<a href="a.html#uno"></a><a href="#uno"></a><link href="../_static/a.css"><a href="//a.example">'
    assert checks.broken_links(good, "book/a.html", files, ids) == []
    assert len(checks.broken_links('<a href="b.html"></a><img src="x.png">', "book/a.html", files, ids)) == 2
    assert checks.broken_links('<a href="#dos"></a>', "book/a.html", files, ids)


def test_launch_check_can_fail():
    repository = "https://github.com/ana/libro"
    page = (
        '<div class="dropdown-launch-buttons">'
        '<a href="https://mybinder.org/v2/gh/ana/libro/main?urlpath=lab/tree/book/a.ipynb">Binder</a>'
        '<a href="https://colab.research.google.com/github/ana/libro/blob/main/book/a.ipynb">Colab</a></div>'
    )
    assert checks.launch_problems(page, "book/a.ipynb", repository, "main") == []
    assert len(checks.launch_problems(page, "book/b.ipynb", repository, "main")) == 2
    assert len(checks.launch_problems(page, "book/a.ipynb", repository, "otra")) == 2
    assert len(checks.launch_problems("", "book/a.ipynb", repository, "main")) == 2


def test_size_check_can_fail():
    assert checks.size_problems({"a.html": 10, "b.html": 11}, 10) == ["b.html: 11 bytes"]


def test_missing_chromium_fails_with_the_remedy(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    playwright = namedtuple("Playwright", "chromium")(namedtuple("Chromium", "executable_path")("/no/existe"))
    with pytest.raises(RuntimeError, match="apt install chromium"):
        find_chromium(playwright)


# --- Páginas de consulta ------------------------------------------------------------------------------------
GLOSSARY_WORDS = (
    """
exactitud, precisión, precisión numérica, exhaustividad, pérdida, entropía cruzada, lote, época,
tasa de aprendizaje, optimizador, descenso de gradiente, retropropagación, sobreajuste, semilla,
filtro, núcleo, kernel de Jupyter, relleno, modo de relleno, paso, paso de entrenamiento, sesgo,
mapa de características, campo receptivo, agrupación máxima, capa densa, aplanado, aumento de datos,
cizallamiento, volteo horizontal, codificación one-hot, dropout, normalización por lotes, detención
temprana, umbral, matriz de confusión, calibración, conjunto de entrenamiento, conjunto de
validación, conjunto de prueba
""".replace("\n", " ")
    .strip()
    .split(", ")
)


def test_glossary_is_complete_and_in_order():
    glossary = (ROOT / "book" / "glosario.md").read_text(encoding="utf-8")
    assert checks.glossary_problems(glossary, GLOSSARY_WORDS) == []
    senses = [checks.plain(row[0]) for row in checks.glossary_rows(glossary)]
    assert senses.count("sesgo") == 2
    assert senses.count("núcleo") == 2


def test_glossary_points_to_the_chapter_that_uses_each_word():
    from book_ext.search import stem

    glossary = (ROOT / "book" / "glosario.md").read_text(encoding="utf-8")
    chapters = {}
    for name in NOTEBOOKS:
        notebook = nbformat.read(ROOT / f"{name}.ipynb", as_version=4)
        chapters[Path(f"{name}.ipynb").name] = "\n".join(cell.source for cell in notebook.cells)
    for path in (ROOT / "book").glob("*.md"):
        chapters[path.name] = path.read_text(encoding="utf-8")
    assert checks.untaught_terms(glossary, chapters, stem) == []


def test_glossary_check_of_chapters_can_fail():
    row = "| **mapa de características** | *x* | Algo. | [Datos](datos.ipynb) | |"
    assert checks.untaught_terms(row, {"datos.ipynb": "Los mapas de características"}, lambda w: w[:4]) == []
    assert checks.untaught_terms(row, {"datos.ipynb": "Un mapa de calor"}, lambda w: w[:4])
    assert checks.untaught_terms(row, {}, lambda w: w)


def test_glossary_check_can_fail():
    row = "| **{}** | *x* | Algo. | [Datos](datos.ipynb) | |"
    good = "\n".join(row.format(term) for term in ("época", "lote", "sesgo (de una capa)"))
    assert checks.glossary_problems(good, ["lote"]) == []
    assert checks.glossary_problems(good, ["umbral"]) == ["falta: umbral"]
    assert checks.glossary_problems("\n".join(map(row.format, ("lote", "época"))), [])
    assert checks.glossary_problems("\n".join(map(row.format, ("lote", "lote"))), [])
    assert checks.glossary_problems("| **lote** | *batch* | | [Datos](datos.ipynb) | |", [])


def test_every_work_of_the_bibliography_is_printed(book):
    text = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
    keys = re.findall(r"^@\w+\{(\w+),", text, re.MULTILINE)
    printed = checks.article(book.html["book/referencias.html"]).select("li p")
    assert len(keys) == len(set(keys)) == len(printed)
    for paragraph in printed:
        authors = paragraph.get_text().partition(" (")[0]
        assert " and " not in authors and not re.search(r"[{}\\]", paragraph.get_text()), paragraph.get_text()


def test_chapters_only_cite_works_in_the_bibliography(book):
    references = checks.article(book.html["book/referencias.html"]).get_text(" ")
    missing = {}
    for page in PAGES:
        for link in checks.article(book.html[page]).select('a[href^="referencias.html"]'):
            cited = re.match(r"(.+?)(?: et al\.| y .+)? \((\d{4})\)$", link.get_text(" ", strip=True))
            if cited and not re.search(rf"{re.escape(cited[1])}\b[^()]*\({cited[2]}\)", references):
                missing.setdefault(page, []).append(link.get_text())
    assert_clean(missing)
