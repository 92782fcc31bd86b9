"""Los controles en un Jupyter de verdad: se manejan con el teclado y Python se entera, y al revés."""

import contextlib

import pytest
from browsers import chromium
from jupyter_sites import jupyter_server, write_notebook
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
