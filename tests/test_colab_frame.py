"""Los controles en Colab, con un sustituto fiel: sus versiones hacen el HTML y un marco aislado lo enseña.

En Colab cada salida vive en un marco de otro dominio, sin acceso a la página que lo contiene. Aquí es un `iframe` con
`sandbox="allow-scripts"`, y el HTML lo escribe el Python de `.venv-colab` (ipywidgets 7.7.1, IPython 7.34).
"""

import json
import re
import subprocess
from html import escape, unescape

import control_registry as registry
import pytest
from control_pages import STATIC_PAGE, opened, overflowing
from control_registry import (
    PlaywrightDriver,
    harness,
    move_by_keyboard,
    one_of_each,
    shown_text,
    wait_mounted,
)

pytestmark = [pytest.mark.completo, pytest.mark.navegador]
every_control = pytest.mark.parametrize("place", one_of_each(), ids=str)

WIDTH = 700  # el del marco; hay gráficas que escriben más o menos marcas según el sitio que tienen

# Lo que hace una celda de Colab con cada control. Construir un widget encendería el gestor de controles: se prohíbe.
MAKE = """
import json, sys, types
sys.modules["google.colab"] = types.ModuleType("google.colab")
import IPython, ipywidgets
from IPython.core.formatters import DisplayFormatter
def forbidden(self, *args, **kwargs):
    raise RuntimeError("se ha construido un widget")
ipywidgets.Widget.__init__ = forbidden
from helpers.widgets.base import find_control
made = {}
for name, state in json.load(sys.stdin).items():
    control = find_control(name)()
    control.state_json = state
    made[name] = DisplayFormatter().format(control)[0]
json.dump({"made": made, "versions": [IPython.__version__, ipywidgets.__version__]}, sys.stdout)
"""


@pytest.fixture(scope="module")
def colab(root):
    """Lo que da cada control en Colab: {nombre: {tipo: contenido}}."""
    python = root / ".venv-colab" / "bin" / "python"
    assert python.exists(), f"Falta {python}: créalo con «make entorno-colab»."
    states = {
        place.name: unescape(re.search(r'data-state="([^"]*)"', place.html)[1]) for place in one_of_each()
    }
    run = subprocess.run(
        [python, "-c", MAKE],
        input=json.dumps(states),
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=root,
    )
    assert run.returncode == 0, run.stderr
    answer = json.loads(run.stdout)
    assert answer["versions"] == ["7.34.0", "7.7.1"]
    return answer["made"]


def write(folder, name, body):
    path = folder / name
    path.write_text(STATIC_PAGE.format(body=body), encoding="utf-8")
    return path.as_uri()


def settled_text(driver, page):
    """Lo que se lee en el control cuando lleva un segundo sin cambiar, sin lo que tardó: algunos cargan su red y responden."""
    text = None
    while text != shown_text(driver):
        text = shown_text(driver)
        page.wait_for_timeout(1000)
    return re.sub(r"[\d.]+\s?ms", "… ms", text)


def read_three_times(driver, page, place, restore):
    """Lo que se lee al principio, después de la tecla y después de «Restablecer»."""
    first = settled_text(driver, page)
    move_by_keyboard(driver, place.name)
    moved = settled_text(driver, page)
    restore.click()
    return first, moved, settled_text(driver, page)


@every_control
def test_colab_gets_text_and_html_and_no_widget(colab, place):
    assert set(colab[place.name]) == {"text/plain", "text/html"}
    assert colab[place.name]["text/plain"] == place.text


@every_control
def test_it_works_alone_in_a_sandboxed_frame_with_the_same_numbers(browser, colab, place, tmp_path):
    # Lo mismo, sin marco y con las versiones del proyecto: lo que tiene que leerse antes y después de la tecla.
    with opened(browser, write(tmp_path, "solo.html", harness(place)), width=WIDTH) as (page, _):
        wait_mounted(PlaywrightDriver(page), 1)
        restore = page.get_by_role("button", name="Restablecer")
        expected = read_three_times(PlaywrightDriver(page), page, place, restore)

    output = escape(STATIC_PAGE.format(body=colab[place.name]["text/html"]))
    frame = f'<iframe sandbox="allow-scripts" title="Salida" width="{WIDTH}" height="900" srcdoc="{output}"></iframe>'
    with opened(browser, write(tmp_path, "colab.html", frame)) as (page, watch):
        registry.wait(lambda: len(page.frames) == 2, "no aparece el marco")
        driver = PlaywrightDriver(page, page.frames[1])
        wait_mounted(driver, 1)
        inside = page.frame_locator("iframe")
        restore = inside.get_by_role("button", name="Restablecer")
        assert read_three_times(driver, page, place, restore) == expected
        assert not inside.locator(".control-static").is_visible()
        # La dirección no es del libro: no se ofrece compartirla.
        assert inside.get_by_role("button", name="Copiar enlace").count() == 0
        assert overflowing(page.frames[1]) == []
        assert watch.faults == []


def test_the_frame_is_as_closed_as_that_of_colab(browser, tmp_path):
    """Lo que en Colab está prohibido falla también aquí, y se nota."""
    script = (
        "<script>fetch('https://fuera.invalid/a').catch(() => 0)</script><script>localStorage.length</script>"
    )
    frame = f'<iframe sandbox="allow-scripts" title="Salida" srcdoc="{escape(STATIC_PAGE.format(body=script))}"></iframe>'
    with opened(browser, write(tmp_path, "cerrado.html", frame)) as (page, watch):
        # Sin red, lo que se pide fuera deja siempre su error en la consola.
        for expected in ("localStorage", "ERR_NAME_NOT_RESOLVED"):
            for _ in range(100):
                if any(expected in fault for fault in watch.faults):
                    break
                page.wait_for_timeout(100)
            else:
                raise AssertionError(f"no se nota «{expected}»: {watch.faults}")
