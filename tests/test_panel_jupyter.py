"""El panel de entrenamiento en un Jupyter de verdad, manejado por un navegador.

Dos sitios: JupyterLab con las versiones del proyecto, y el Notebook clásico con las de Colab (ipywidgets 7.7), en
su propio entorno. En los dos el panel entrena, se detiene, compara y enseña un error.
"""

import re

import pytest
from browsers import chromium
from jupyter_sites import jupyter_server, write_notebook
from playwright.sync_api import expect

pytestmark = [pytest.mark.completo, pytest.mark.navegador]

CELLS = (
    """
from helpers.data import load_dataset
from helpers.widgets.training_panel import TrainingPanel
panel = TrainingPanel(load_dataset(), n_train=500, n_val=100, epochs=2)
panel
""",
    """
import helpers.training
original = helpers.training.train
def broken(*args, **kwargs):
    raise RuntimeError("fallo provocado")
helpers.training.train = broken
print("LISTO-PARA-FALLAR")
""",
)


def test_panel_trains_stops_compares_and_reports_errors(jupyter_site, tmp_path, root):
    place, python = jupyter_site
    write_notebook(tmp_path, CELLS)
    with jupyter_server(python, place.command, tmp_path, root) as (url, token), chromium() as browser:
        page = browser.new_page(viewport={"width": 1200, "height": 1600})
        place.open(page, url, token)
        start = page.get_by_role("button", name="Entrenar")
        place.run_cell(page, 0, shows=start)
        status = page.locator(
            "[role=status]",
            has_text=re.compile("Elige|Época|Listo|Detenido|no terminó|Preparando|Deteniendo"),
        )

        def wait_status(text, seconds=180):
            page.locator("[role=status]", has_text=text).wait_for(timeout=seconds * 1000)

        wait_status("Elige los hiperparámetros")

        # Entrena.
        start.click()
        wait_status("Listo en")
        assert "exactitud" in status.first.inner_text()
        assert page.locator("table.panel-runs tbody tr").count() == 1
        page.locator("img[alt^='Curvas de 1:']").wait_for()

        # Con el teclado, tasa 0.003 y muchas épocas: se detiene y se compara.
        sliders = page.locator("[role=slider], .ui-slider-handle")
        sliders.nth(0).focus()
        page.keyboard.press("ArrowRight")
        sliders.nth(2).focus()
        for _ in range(18):
            page.keyboard.press("ArrowRight")
        start.click()
        # En una máquina cargada, el eco de ipywidgets 7 deshace alguna pulsación y una época pasa sin verse: basta con
        # que sean muchas y con no estar en la primera.
        wait_status(re.compile(r"Época (?:[2-9]|1\d) de (?:1\d|20)"))
        page.get_by_role("button", name="Detener").click()
        wait_status("Detenido a petición")
        rows = page.locator("table.panel-runs tbody tr")
        assert rows.count() == 2
        assert "tasa 0.003" in rows.nth(1).inner_text() and rows.nth(1).inner_text().rstrip().endswith("sí")
        page.locator("img[alt^='Curvas de 2:']").wait_for()

        # Un fallo dentro del hilo se ve en el panel, y el panel sigue sirviendo.
        place.run_cell(page, 1)
        page.get_by_text("LISTO-PARA-FALLAR", exact=True).wait_for(timeout=30_000)
        start.click()
        alert = page.locator("[role=alert]", has_text="fallo provocado")
        alert.wait_for(timeout=60_000)
        assert "RuntimeError" in alert.inner_text()
        expect(start).to_be_enabled(timeout=30_000)
