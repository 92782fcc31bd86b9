"""El panel de entrenamiento en un Jupyter de verdad, manejado por un navegador.

Dos sitios: JupyterLab con las versiones del proyecto, y el Notebook clásico con las de Colab (ipywidgets 7.7), en
su propio entorno. En los dos el panel entrena, se detiene, compara y enseña un error.
"""

import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager

import pytest
from browsers import chromium

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


def write_notebook(folder):
    cells = [
        {
            "cell_type": "code",
            "id": f"celda-{i}",
            "execution_count": None,
            "metadata": {},
            "outputs": [],
            "source": source.strip(),
        }
        for i, source in enumerate(CELLS)
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    (folder / "panel.ipynb").write_text(json.dumps(notebook), encoding="utf-8")


@contextmanager
def jupyter_server(python, command, folder, root):
    """Arranca un servidor de Jupyter y espera a que responda; devuelve su dirección y su llave."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = secrets.token_hex(8)
    env = {
        **os.environ,
        "PYTHONPATH": str(root),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "datos"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "IPYTHONDIR": str(folder / "ipython"),
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
    }
    app = "ServerApp" if command == "lab" else "NotebookApp"
    log = folder / "servidor.log"
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [python, "-m", "jupyter", command, "--no-browser", "--allow-root", f"--port={port}",
             f"--{app}.token={token}", f"--{app}.port_retries=0"],
            cwd=folder, env=env, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 90
        while True:
            try:
                urllib.request.urlopen(f"{url}/api?token={token}", timeout=5).read()
                break
            except OSError:
                if time.monotonic() > deadline or process.poll() is not None:
                    text = log.read_text(encoding="utf-8")
                    raise RuntimeError(f"Jupyter no arrancó:\n{text[-3000:]}") from None
                time.sleep(0.5)
        yield url, token
    finally:
        process.terminate()
        process.wait(30)


class Lab:
    """JupyterLab con las versiones del proyecto."""

    command = "lab"

    def open(self, page, url, token):
        page.goto(f"{url}/lab/tree/panel.ipynb?token={token}&reset")
        page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=90_000)
        # El menú no se abre del todo hasta que el kernel está listo.
        page.locator(
            ".jp-NotebookPanel-toolbar [data-status=idle], .jp-Notebook-ExecutionIndicator[data-status=idle]"
        ).first.wait_for(timeout=90_000)

    def run_cell(self, page, index):
        page.locator(".jp-Notebook .jp-CodeCell .cm-content").nth(index).click()
        page.keyboard.press("Shift+Enter")


class Classic:
    """Notebook clásico con las versiones de Colab."""

    command = "notebook"

    def open(self, page, url, token):
        # Si la celda se ejecuta antes de que el gestor de controles acabe de arrancar, la salida queda en blanco; su
        # última señal es el mensaje con el que renuncia a recuperar el estado de una sesión anterior.
        with page.expect_console_message(lambda m: "jupyter.widget.control" in m.text, timeout=90_000):
            page.goto(f"{url}/notebooks/panel.ipynb?token={token}")

    def run_cell(self, page, index):
        page.evaluate(f"Jupyter.notebook.execute_cells([{index}])")


@pytest.fixture(params=[Lab, Classic], ids=["jupyterlab", "notebook-colab"])
def site(request, root):
    python = root / (".venv-colab" if request.param is Classic else ".venv") / "bin" / "python"
    if request.param is Lab:
        python = root / sys.executable
    assert python.exists(), f"Falta {python}: créalo con «make entorno-colab»."
    return request.param(), python


def test_panel_trains_stops_compares_and_reports_errors(site, tmp_path, root):
    place, python = site
    write_notebook(tmp_path)
    with jupyter_server(python, place.command, tmp_path, root) as (url, token), chromium() as browser:
        page = browser.new_page(viewport={"width": 1200, "height": 1600})
        place.open(page, url, token)
        place.run_cell(page, 0)
        start = page.get_by_role("button", name="Entrenar")
        start.wait_for(timeout=120_000)
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

        # Con el teclado, tasa 0.003 y 20 épocas: se detiene y se compara.
        sliders = page.locator("[role=slider], .ui-slider-handle")
        sliders.nth(0).focus()
        page.keyboard.press("ArrowRight")
        sliders.nth(2).focus()
        for _ in range(18):
            page.keyboard.press("ArrowRight")
        start.click()
        wait_status("Época 2 de 20")
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
        assert start.is_enabled()
