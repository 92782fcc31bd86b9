"""Los dos Jupyter de las pruebas: JupyterLab, con las versiones del proyecto, y el Notebook clásico, con las de Colab."""

import json
import os
import secrets
import socket
import subprocess
import time
import urllib.request
from contextlib import contextmanager


def write_notebook(folder, sources, name="cuaderno"):
    """Escribe en `folder` un cuaderno para los dos sitios, con una celda de código por texto."""
    cells = [
        {
            "cell_type": "code",
            "id": f"celda-{i}",
            "execution_count": None,
            "metadata": {},
            "outputs": [],
            "source": source.strip(),
        }
        for i, source in enumerate(sources)
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    (folder / f"{name}.ipynb").write_text(json.dumps(notebook), encoding="utf-8")


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
    app = "ServerApp" if "lab" in command else "NotebookApp"
    log = folder / "servidor.log"
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [python, "-m", "jupyter", *command, "--no-browser", "--allow-root", f"--port={port}",
             f"--{app}.token={token}", f"--{app}.port_retries=0"],
            cwd=folder, env=env, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 180
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


# El indicador del kernel dice «idle» también antes de tenerlo, y lo que se ejecuta entonces se pierde o abre un diálogo que
# tapa la página: se pregunta a la aplicación, que además dice si ya atiende a los controles.
LAB_IS_READY = """() => {
  const notebook = window.jupyterapp?.shell.currentWidget;
  const kernel = notebook?.sessionContext?.isReady && notebook.sessionContext.session?.kernel;
  return kernel && kernel.connectionStatus === "connected" && kernel.status === "idle"
    && "jupyter.widget" in kernel._targetRegistry && notebook.content.widgets.length > 0;
}"""
LAB_RUNS_CELL = """async (index) => {
  window.jupyterapp.shell.currentWidget.content.activeCellIndex = index;
  await window.jupyterapp.commands.execute("notebook:run-cell");
}"""


class Lab:
    """JupyterLab con las versiones del proyecto."""

    command = ("lab", "--expose-app-in-browser")

    def open(self, page, url, token, name="cuaderno"):
        page.goto(f"{url}/lab/tree/{name}.ipynb?token={token}&reset")
        page.wait_for_function(LAB_IS_READY, timeout=90_000)

    def run_cell(self, page, index, shows=None):
        page.evaluate(LAB_RUNS_CELL, index)
        if shows is not None:
            shows.first.wait_for(timeout=60_000)


class Classic:
    """Notebook clásico con las versiones de Colab."""

    command = ("notebook",)

    def open(self, page, url, token, name="cuaderno"):
        # Si la celda se ejecuta antes de que el gestor de controles acabe de arrancar, la salida queda en blanco; su
        # última señal es el mensaje con el que renuncia a recuperar el estado de una sesión anterior.
        with page.expect_console_message(lambda m: "jupyter.widget.control" in m.text, timeout=90_000):
            page.goto(f"{url}/notebooks/{name}.ipynb?token={token}")

    def run_cell(self, page, index, shows=None):
        from playwright.sync_api import TimeoutError

        # Aun así, a veces el gestor pierde los controles de la primera celda y la salida queda en blanco: si no se ve
        # lo que la celda tiene que enseñar, se vuelve a ejecutar, como haría una persona.
        for _ in range(5):
            page.evaluate(f"Jupyter.notebook.execute_cells([{index}])")
            if shows is None:
                return
            try:
                shows.first.wait_for(timeout=30_000)
                return
            except TimeoutError:
                continue
        raise AssertionError(f"El Notebook no enseña lo que da la celda {index + 1}")
