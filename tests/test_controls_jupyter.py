"""Los controles en un Jupyter de verdad: se manejan con el teclado y Python se entera, y al revés."""

import contextlib
import json
import re
import sys
from html import unescape
from pathlib import Path

import pytest
from browsers import chromium
from control_pages import STATIC_PAGE, opened
from control_registry import PlaywrightDriver, harness, move_by_keyboard, one_of_each, wait_mounted
from jupyter_sites import Classic, Lab, jupyter_server, write_notebook
from playwright.sync_api import TimeoutError

pytestmark = [pytest.mark.completo, pytest.mark.navegador]

CELLS = (
    """
from helpers.widgets.layer_calculator import LayerCalculator
calculator = LayerCalculator()
calculator
""",
    """
layers = calculator.layers
print("ESTADO", layers[0]["filters"], layers[1]["type"], layers[1].get("rate"), calculator.compute().params)
""",
    """
calculator.state = {"input": [28, 28, 1], "layers": [{"type": "Flatten"}]}
""",
)


def test_calculator_moves_by_keyboard_and_python_follows(jupyter_site, tmp_path, root):
    place, python = jupyter_site
    write_notebook(tmp_path, CELLS)
    with jupyter_server(python, place.command, tmp_path, root) as (url, token), chromium() as browser:
        page = browser.new_page(viewport={"width": 1200, "height": 1600})
        place.open(page, url, token)
        errors = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        place.run_cell(page, 0, shows=page.locator(".control .lc-table"))
        control = page.locator(".control").first
        cells = page.locator(".jp-Notebook .jp-Cell, #notebook .cell")
        before = cells.count()

        # Un campo numérico, con las flechas; sobre un botón, las teclas que en Jupyter borran o crean celdas.
        control.get_by_label("Filtros").focus()
        page.keyboard.press("ArrowUp")
        page.keyboard.press("ArrowUp")
        control.get_by_role("button", name="1. Conv2D").focus()
        for key in ("a", "b", "d", "d", "ArrowDown"):
            page.keyboard.press(key)
        assert cells.count() == before

        # Una capa nueva y su deslizador.
        control.get_by_role("button", name="Añadir Dropout").focus()
        page.keyboard.press("Enter")
        control.get_by_label("Fracción que apaga").focus()
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowLeft")
        assert control.locator("output").text_content() == "0.40"
        assert control.locator(".lc-totals dd").first.text_content() == "316\u202f930"

        # ipywidgets guarda el último cambio hasta que el kernel responde al anterior: se pregunta hasta que llega.
        state = page.get_by_text("ESTADO 34 Dropout 0.4 316930", exact=True)
        for _ in range(10):
            place.run_cell(page, 1)
            with contextlib.suppress(TimeoutError):
                state.wait_for(timeout=3_000)
                break
        assert state.count() == 1

        # De Python a la página.
        place.run_cell(page, 2)
        page.wait_for_function("document.querySelectorAll('.control .lc-row').length === 1", timeout=30_000)
        assert control.get_by_label("Alto").input_value() == "28"
        # La dirección es de Jupyter, no del libro.
        assert control.get_by_role("button", name="Copiar enlace").count() == 0
        assert errors == []


# --- Todos los controles -----------------------------------------------------------------------------------------------
@pytest.fixture(scope="module", params=[Lab, Classic], ids=["jupyterlab", "notebook-colab"])
def running_site(request, root, tmp_path_factory):
    """Cada Jupyter, en marcha para todas las pruebas que siguen, con su carpeta y un navegador."""
    python = Path(sys.executable) if request.param is Lab else root / ".venv-colab" / "bin" / "python"
    assert python.exists(), f"Falta {python}: créalo con «make entorno-colab»."
    folder = tmp_path_factory.mktemp("jupyter")
    place = request.param()
    with jupyter_server(python, place.command, folder, root) as (url, token), chromium() as browser:
        yield place, folder, url, token, browser


SHOW = """
import json
from helpers.widgets.base import find_control
control = find_control({name!r})()
control.state_json = {state!r}
control
"""
ASK = """
wanted = json.loads({moved!r}), json.loads({state!r})
print("ESTADO", ["MOVIDO", "INICIAL"][wanted.index(control.state)] if control.state in wanted else control.state_json)
"""


def state_after_a_key(browser, place, folder):
    """El estado que deja en un control la misma tecla que luego se pulsa en Jupyter."""
    path = folder / "solo.html"
    path.write_text(STATIC_PAGE.format(body=harness(place)), encoding="utf-8")
    with opened(browser, path.as_uri()) as (page, _):
        driver = PlaywrightDriver(page)
        wait_mounted(driver, 1)
        move_by_keyboard(driver, place.name)
        return page.evaluate("model.get('state')")


def wait_for_python(place, page, answer):
    """Pregunta a Python por el estado hasta que responde `answer`."""
    # ipywidgets guarda el último cambio hasta que el kernel responde al anterior: se pregunta hasta que llega.
    shown = page.get_by_text(f"ESTADO {answer}", exact=True)
    for _ in range(10):
        place.run_cell(page, 1)
        with contextlib.suppress(TimeoutError):
            shown.wait_for(timeout=3_000)
            return
    raise AssertionError(f"Python no llega a «{answer}»: {page.get_by_text('ESTADO').all_text_contents()}")


def command_mode(page):
    """Pone el cuaderno en modo de órdenes, en la segunda celda, donde Intro y las letras son atajos."""
    page.locator(".jp-Notebook .jp-CodeCell .jp-InputPrompt, #notebook .cell .input_prompt").nth(1).click()
    page.keyboard.press("Escape")
    page.locator(".jp-Notebook.jp-mod-commandMode, body.command_mode").wait_for(state="attached")


@pytest.mark.parametrize("each", one_of_each(), ids=str)
def test_python_follows_every_control_moved_by_keyboard(running_site, tmp_path, each):
    place, folder, url, token, browser = running_site
    state = unescape(re.search(r'data-state="([^"]*)"', each.html)[1])
    moved = state_after_a_key(browser, each, tmp_path)
    assert json.loads(moved) != json.loads(state)
    sources = [SHOW.format(name=each.name, state=state), ASK.format(moved=moved, state=state), "None"]
    write_notebook(folder, sources, each.name)
    page = browser.new_page(viewport={"width": 1200, "height": 1600})
    errors = []
    try:
        place.open(page, url, token, each.name)
        page.on("pageerror", lambda error: errors.append(str(error)))
        place.run_cell(page, 0, shows=page.locator(".control .c-body > *"))
        cells = page.locator(".jp-Notebook .jp-Cell, #notebook .cell")
        before = cells.count()

        command_mode(page)
        move_by_keyboard(PlaywrightDriver(page), each.name)
        wait_for_python(place, page, "MOVIDO")

        command_mode(page)
        page.locator(".control").get_by_role("button", name="Restablecer").focus()
        page.keyboard.press("Enter")
        wait_for_python(place, page, "INICIAL")
        assert cells.count() == before
        assert errors == []
    finally:
        page.close()


def test_no_key_leaves_a_control(running_site, tmp_path):
    """Ni desde un elemento que nadie ha marcado: los atajos de Jupyter no ven las teclas de un control."""
    place, folder, url, token, browser = running_site
    each = one_of_each()[0]
    state = unescape(re.search(r'data-state="([^"]*)"', each.html)[1])
    write_notebook(folder, [SHOW.format(name=each.name, state=state), "None"], "teclas")
    page = browser.new_page(viewport={"width": 1200, "height": 1600})
    try:
        place.open(page, url, token, "teclas")
        place.run_cell(page, 0, shows=page.locator(".control .c-body > *"))
        cells = page.locator(".jp-Notebook .jp-Cell, #notebook .cell")
        before = cells.count()
        command_mode(page)
        page.evaluate(
            """() => {
              const place = document.createElement("div");
              place.tabIndex = 0;
              place.textContent = "Un sitio con foco";
              document.querySelector(".control .c-body").prepend(place);
              place.focus();
            }"""
        )
        for key in ("a", "b", "d", "d", "x", "Enter", "ArrowDown", "m"):
            page.keyboard.press(key)
        page.wait_for_timeout(500)
        assert cells.count() == before
        assert page.evaluate("document.activeElement.textContent") == "Un sitio con foco"
        # Fuera del control, la misma tecla sí es un atajo.
        command_mode(page)
        page.keyboard.press("b")
        page.wait_for_timeout(500)
        assert cells.count() == before + 1
    finally:
        page.close()
