"""Lo que promete cualquier control del libro, en su página construida. Los casos salen de `control_registry`: ninguno escapa."""

import gzip
import re
from html import unescape
from types import SimpleNamespace

import control_registry as registry
import pytest
from built_book import ROOT
from control_pages import (
    STATIC_PAGE,
    accessibility_faults,
    document_faults,
    opened,
    overflowing,
    small_targets,
)
from control_registry import PlaywrightDriver, chapters, move_by_keyboard, placements, wait_mounted
from mini_control import MiniControl

from helpers.notebooks import WIDGET_VIEW
from helpers.widgets import base

MAXIMUM_WEIGHT = 300_000
browser_test = pytest.mark.navegador
every_control = pytest.mark.parametrize("place", placements(), ids=str)
every_chapter = pytest.mark.parametrize("chapter", chapters())


def controls_of(chapter):
    """Los controles de un capítulo, en el orden de su página."""
    return [place for place in placements() if place.chapter == chapter]


# --- El registro ------------------------------------------------------------------------------------------------------
def registry_problems(names, places, moves):
    """Controles sin capítulo, capítulos con un control que no está en `helpers.widgets` y movimientos de sobra."""
    placed = {place.name for place in places}
    return (
        [f"{name} no está en ningún capítulo: ninguna prueba lo mira" for name in names if name not in placed]
        + [f"{name} está en un capítulo y no en helpers/widgets" for name in sorted(placed - set(names))]
        + [f"FIRST_MOVE habla de {name}, que no existe" for name in moves if name not in names]
    )


def test_every_control_is_in_a_chapter():
    assert registry_problems(registry.control_names(), placements(), registry.FIRST_MOVE) == []
    for name in registry.control_names():
        assert base.find_control(name).__name__ == name


def test_the_registry_check_can_fail():
    places = [SimpleNamespace(name="Uno"), SimpleNamespace(name="Dos")]
    assert registry_problems(["Uno", "Dos"], places, {"Dos": ("select", "ArrowUp")}) == []
    assert registry_problems(["Uno", "Dos", "Tres"], places, {}) == [
        "Tres no está en ningún capítulo: ninguna prueba lo mira"
    ]
    assert registry_problems(["Uno"], places, {}) == ["Dos está en un capítulo y no en helpers/widgets"]
    assert registry_problems(["Uno", "Dos"], places, {"Nada": ("a", "b")}) == [
        "FIRST_MOVE habla de Nada, que no existe"
    ]


def test_built_pages_have_exactly_those_controls(book):
    built = {
        page: found
        for page, html in book.html.items()
        if (found := re.findall(r'<div data-control="(\w+)"', html))
    }
    assert built == {
        f"book/{chapter}.html": [place.name for place in controls_of(chapter)] for chapter in chapters()
    }


# --- Lo que guardan los cuadernos ---------------------------------------------------------------------------------------
@every_control
def test_stored_output_says_its_numbers_and_has_no_program(place):
    assert "<script" not in place.html and "<style" not in place.html
    alt = unescape(re.search(r'alt="([^"]+)"', place.html)[1])
    caption = re.search(r"<figcaption>(.*?)<span", place.html, re.DOTALL)[1]
    for text in (alt, caption):
        assert re.search(r"\d", text), f"no dice ningún número: {text}"
    assert place.text.startswith(f"{place.name}(") and "\n" not in place.text and " at 0x" not in place.text


def rebuilt(place):
    """Lo que guardaría el cuaderno si se ejecutara ahora."""
    control = place.control()
    control.state_json = unescape(re.search(r'data-state="([^"]*)"', place.html)[1])
    data = control._repr_mimebundle_()
    data = data[0] if isinstance(data, tuple) else data
    return {kind: value for kind, value in data.items() if kind != WIDGET_VIEW}


@every_control
def test_editing_the_javascript_changes_no_notebook(place, monkeypatch):
    stored = {"text/plain": place.text, "text/html": place.html}
    assert rebuilt(place) == stored
    read, before = base._read, base.widget_module(place.control)

    def edited(path):
        return read(path).replace("export default", "const otro = 1;\nexport default") + "/* otro */\n"

    monkeypatch.setattr(base, "_read", edited)
    base._widget_class.cache_clear()
    try:
        assert base.widget_module(place.control) != before  # lo que se edita llega de verdad al control
        assert rebuilt(place) == stored
    finally:
        base._widget_class.cache_clear()


# --- Lo que pesa una página -----------------------------------------------------------------------------------------------
def linked_files(html):
    """Programas y hojas de estilo que pide una página, como están escritos en ella y sin su versión."""
    return set(re.findall(r'<(?:script[^>]* src|link[^>]* href)="([^"?#]+\.(?:js|css))[?"]', html))


def own_files(html, plain):
    """Los que pide una página con controles y no una sin ellos; MathJax, que pide cualquiera con fórmulas, es del tema."""
    return sorted(name for name in linked_files(html) - linked_files(plain) if "/mathjax/" not in name)


def own_weight(html, files):
    """Bytes comprimidos de lo que una página tiene por sus controles: su HTML entero y los archivos que pide al abrirse.

    El HTML lleva dentro los programas, los datos y las figuras fijas de los controles, y también lo que escribe el tema en
    toda página, que es poco. Las figuras de otras celdas son archivos aparte y no se cuentan.
    """
    return sum(len(gzip.compress(content)) for content in (html.encode("utf-8"), *files))


@every_chapter
def test_a_page_with_controls_stays_light(book, chapter):
    html = book.html[f"book/{chapter}.html"]
    files = own_files(html, book.html["book/glosario.html"])
    assert "../_static/controles.css" in files
    weight = own_weight(html, [(book.site / "book" / name).read_bytes() for name in files])
    assert weight <= MAXIMUM_WEIGHT, (
        f"{chapter} pesa {weight} bytes comprimidos, y el límite son {MAXIMUM_WEIGHT}"
    )


def test_the_weight_counts_what_a_page_carries():
    noise = "".join(f"{number * number % 100_003:05d}" for number in range(200_000))
    assert own_weight(f"<script>{noise}</script>", []) > MAXIMUM_WEIGHT > own_weight("<p>poco</p>", [b""])
    assert own_weight("", [noise.encode()]) > MAXIMUM_WEIGHT
    linked = (
        '<link rel="stylesheet" href="../_static/a.css?v=1" /><script src="../_static/datos.js"></script>'
    )
    formulas = '<script async src="../_static/mathjax/tex.js?v=2"></script>'
    assert own_files(linked + formulas, '<link rel="stylesheet" href="../_static/a.css?v=1" />') == [
        "../_static/datos.js"
    ]


# --- En el navegador --------------------------------------------------------------------------------------------------------
def open_chapter(browser, site, chapter, **options):
    """Abre la página construida de un capítulo."""
    return opened(browser, f"{site}/book/{chapter}.html", base=site, **options)


@browser_test
@every_chapter
def test_over_http_every_control_answers_a_key_and_announces_it(browser, server, chapter):
    with open_chapter(browser, server, chapter) as (page, watch):
        driver = PlaywrightDriver(page)
        wait_mounted(driver, len(controls_of(chapter)))
        for place in controls_of(chapter):
            move_by_keyboard(driver, place.name, place.position)
            status = page.locator(".control").nth(place.position).locator("[role=status].c-hidden").last
            registry.wait(
                lambda status=status: status.text_content().strip(), f"{place.name} no anuncia el cambio"
            )
        assert watch.faults == []


# Lo que se ve de todos los controles: sus textos y los píxeles de sus lienzos.
LOOK = """() => [...document.querySelectorAll(".control")].map((root) =>
  root.textContent + [...root.querySelectorAll("canvas")].map((canvas) => canvas.toDataURL()).join()).join()"""

MOVING = """() => [
  ...document.getAnimations().filter((a) => a.effect?.target?.closest(".control")).map((a) => `se mueve ${a.effect.target.className}`),
  ...[...document.querySelectorAll(".control, .control *")].filter((element) => {
    const style = getComputedStyle(element);
    return style.animationName !== "none" || parseFloat(style.transitionDuration) > 0.001 || style.scrollBehavior === "smooth";
  }).map((element) => `se movería ${element.tagName}.${element.className}`),
]"""


def settled(page):
    """Si lo que se ve de los controles lleva un segundo sin cambiar."""
    before = page.evaluate(LOOK)
    page.wait_for_timeout(1000)
    return page.evaluate(LOOK) == before


@browser_test
@every_chapter
def test_from_disk_every_control_answers_and_nothing_moves_by_itself(browser, book, chapter):
    with open_chapter(browser, book.site.as_uri(), chapter, still=True) as (page, watch):
        driver = PlaywrightDriver(page)
        wait_mounted(driver, len(controls_of(chapter)))
        for place in controls_of(chapter):
            move_by_keyboard(driver, place.name, place.position)
        assert page.evaluate(MOVING) == []
        # Llega el anuncio y, si el control carga una red, su respuesta; después, nada cambia.
        registry.wait(lambda: settled(page), "algo sigue cambiando solo")
        assert watch.faults == []


@browser_test
@every_chapter
def test_without_javascript_every_control_is_a_figure(browser, book, chapter):
    with open_chapter(browser, book.site.as_uri(), chapter, javascript=False) as (page, _):
        figures = page.locator("[data-control] > .control-static")
        assert figures.count() == len(controls_of(chapter)) and page.locator(".control").count() == 0
        for index in range(figures.count()):
            image = figures.nth(index).locator("img")
            assert image.is_visible() and image.evaluate("image => image.naturalWidth") > 0
            assert figures.nth(index).locator("figcaption").is_visible()
            assert figures.nth(index).get_by_text(base.HINT).is_visible()


@browser_test
@every_chapter
def test_on_paper_every_control_is_a_figure(browser, book, chapter):
    with open_chapter(browser, book.site.as_uri(), chapter) as (page, watch):
        wait_mounted(PlaywrightDriver(page), len(controls_of(chapter)))
        figures = page.locator("[data-control] > .control-static")
        assert [figures.nth(index).is_visible() for index in range(figures.count())] == [
            False
        ] * figures.count()
        page.emulate_media(media="print")
        for index in range(figures.count()):
            figure = figures.nth(index)
            assert figure.is_visible() and figure.locator("img").evaluate("image => image.complete")
            assert not figure.locator(
                ".control-hint"
            ).is_visible()  # en papel no hay nada que poner en marcha
        assert page.locator(".control:visible").count() == 0
        assert watch.faults == []


@browser_test
@every_chapter
def test_on_a_phone_every_target_is_big_and_nothing_overflows(browser, book, chapter):
    with open_chapter(browser, book.site.as_uri(), chapter, width=390, phone=True) as (page, watch):
        wait_mounted(PlaywrightDriver(page), len(controls_of(chapter)))
        open_everything(page)
        assert small_targets(page) == []
        assert overflowing(page) == []
        page.set_viewport_size({"width": 320, "height": 900})
        page.wait_for_timeout(200)
        assert overflowing(page) == []
        assert watch.faults == []


# --- axe-core -------------------------------------------------------------------------------------------------------------------
# Lo que axe encuentra fuera de lo nuestro: (regla, selector) → por qué no se arregla.
THEME_FAULTS = {
    (
        "region",
        ".sidebar-primary-items__start",
    ): "el tema pone el título del libro en la barra lateral, fuera de su <nav>",
}


def open_everything(page):
    """Despliega lo que los controles tienen plegado, para que también se mire."""
    page.evaluate(
        """() => {
          for (const details of document.querySelectorAll(".control details")) details.open = true;
          for (const root of document.querySelectorAll(".control")) root.querySelector("[aria-expanded='false']")?.click();
        }"""
    )


LOOKS = {
    "claro": {"width": 1280, "dark": False},
    "oscuro-390": {"width": 390, "dark": True, "phone": True},
    "oscuro": {"width": 1280, "dark": True},
    "claro-390": {"width": 390, "dark": False, "phone": True},
}


def audited(browser, book, chapter, look, audit):
    """Lo que encuentra `audit` en la página de un capítulo, con sus controles montados y desplegados."""
    with open_chapter(browser, book.site.as_uri(), chapter, **LOOKS[look]) as (page, _):
        wait_mounted(PlaywrightDriver(page), len(controls_of(chapter)))
        assert page.evaluate("document.documentElement.dataset.theme") == (
            "dark" if LOOKS[look]["dark"] else "light"
        )
        open_everything(page)
        return audit(page)


@browser_test
@every_chapter
def test_axe_finds_nothing_in_the_controls(browser, book, chapter):
    assert (
        audited(browser, book, chapter, "claro", lambda page: accessibility_faults(page, "[data-control]"))
        == []
    )


@pytest.mark.completo
@browser_test
@pytest.mark.parametrize("look", LOOKS)
@every_chapter
def test_axe_finds_nothing_in_the_whole_page(browser, book, chapter, look):
    assert audited(browser, book, chapter, look, lambda page: document_faults(page, THEME_FAULTS)) == []


def mini_page(tmp_path, change=lambda script: script):
    """Dirección de una página con el control mínimo, con su programa cambiado."""
    script = change(base.page_script([MiniControl]))
    body = f"<h1>Prueba</h1><main>{MiniControl().to_html()}</main><style>{base.stylesheet()}</style><script>{script}</script>"
    path = tmp_path / "mini.html"
    path.write_text(STATIC_PAGE.format(body=body), encoding="utf-8")
    return path.as_uri()


@browser_test
def test_axe_notices_a_field_without_its_label(browser, tmp_path):
    with opened(browser, mini_page(tmp_path)) as (page, _):
        assert accessibility_faults(page, "[data-control]") == []
        assert document_faults(page, {("region", "h1"): "el título de la prueba no está en <main>"}) == []
        assert any(fault.startswith("region") for fault in document_faults(page, {}))

    def unlabelled(script):
        assert script.count('h("label", { for: id }, label)') == 1
        return script.replace('h("label", { for: id }, label)', 'h("span", {}, label)')

    with opened(browser, mini_page(tmp_path, unlabelled)) as (page, _):
        wait_mounted(PlaywrightDriver(page), 1)
        rules = {fault.partition(":")[0] for fault in accessibility_faults(page, "[data-control]")}
        assert {"label", "select-name"} <= rules
        assert {"label", "select-name"} <= {
            fault.partition(":")[0] for fault in document_faults(page, THEME_FAULTS)
        }


@browser_test
def test_each_check_of_the_page_can_fail(browser, tmp_path):
    with opened(browser, mini_page(tmp_path)) as (page, _):
        driver = PlaywrightDriver(page)
        wait_mounted(driver, 1)
        page.emulate_media(reduced_motion="reduce")
        assert page.evaluate(MOVING) == []
        page.add_style_tag(
            content=".control .c-title { animation: girar 1s !important; } @keyframes girar { to { opacity: 0 } }"
        )
        assert page.evaluate(MOVING) != []
        page.evaluate(
            "document.querySelector('.control input[type=range]').addEventListener('keydown', (e) => e.preventDefault())"
        )
        with pytest.raises(AssertionError, match="MiniControl no responde al teclado"):
            patient = registry.wait
            try:
                registry.wait = lambda condition, what, seconds=1: patient(condition, what, 1)
                move_by_keyboard(driver, "MiniControl")
            finally:
                registry.wait = patient
        page.evaluate("document.querySelector('.control input[type=range]').tabIndex = -1")
        with pytest.raises(AssertionError, match="no se llega a su primer campo"):
            move_by_keyboard(driver, "MiniControl")
        page.evaluate("document.querySelector('.control .c-body').replaceChildren('nada')")
        with pytest.raises(AssertionError, match="no tiene nada que mover"):
            move_by_keyboard(driver, "MiniControl")


def test_axe_is_bundled_and_current():
    from control_pages import AXE

    version = re.search(r"axe v(\d+)\.(\d+)", AXE)
    assert (int(version[1]), int(version[2])) >= (4, 10)
    pinned = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert re.search(r"^axe-playwright-python==", pinned, re.MULTILINE)
