"""Navegadores de verdad para las pruebas. Si falta uno, la prueba falla y dice cómo instalarlo; nunca se salta."""

import contextlib
import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
# La última: sin red, Chromium cree que va lenta y lo escribe en la consola de cada página con fuentes propias.
# Sin las demás, Chromium no arranca como administrador y, al abrirse, busca servidores ajenos a la prueba.
CHROMIUM_ARGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-effective-connection-type=4G",
)


def find_chromium(playwright) -> str:
    """Ruta del Chromium del sistema o, si no hay, del de Playwright."""
    candidates = [shutil.which(name) for name in CHROMIUM_NAMES] + [playwright.chromium.executable_path]
    for path in candidates:
        if path and Path(path).exists():
            return path
    raise RuntimeError(
        "Falta Chromium, que estas pruebas abren de verdad. Instálalo con «tests/navegadores.sh chromium» "
        "(en Debian: sudo apt install chromium)."
    )


# Sin red: todo lo que no sea este equipo falla al pedirlo.
OFFLINE_ARGS = ("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",)


@contextlib.contextmanager
def chromium(*, offline=False):
    """Un Chromium sin ventana, listo para `new_context` o `new_page`; con `offline`, sin internet."""
    args = CHROMIUM_ARGS + (OFFLINE_ARGS if offline else ())
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(playwright), args=list(args))
        try:
            yield browser
        finally:
            browser.close()
