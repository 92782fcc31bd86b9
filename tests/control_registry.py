"""Todos los controles del libro, encontrados solos, y cómo los mueve el teclado en cualquier navegador.

De aquí salen los casos de las pruebas que valen para cualquier control. Un control nuevo entra en cuanto está en
`helpers/widgets` y en un capítulo; si está en un sitio y no en el otro, falla `test_every_control.py`.
"""

import functools
import json
import re
import time
from dataclasses import dataclass

from built_book import ROOT

from helpers.widgets import base

# Lo primero que se mueve en un control es su primer deslizador o campo numérico a la vista; si no tiene, su primera lista,
# casilla o botón. Donde eso no cambia lo que se lee, aquí se dice qué mover: nombre → (selector dentro del control, tecla).
FIRST_MOVE = {
    "ConvolutionStepper": (".cs-grid", "ArrowRight"),  # su primer peso puede multiplicar un píxel negro
    "FeatureMaps": (".c-thumb[aria-checked=true]", "ArrowRight"),  # su primer botón ya está puesto
    "ImageClassifier": (".c-thumb[aria-checked=true]", "ArrowRight"),  # su primer botón ya está puesto
}

_STORED = re.compile(r'<div data-control="(\w+)" data-state=')


@dataclass(frozen=True)
class Placement:
    """Un control guardado en un capítulo.

    Atributos:
        chapter: nombre del cuaderno, sin extensión.
        name: nombre de la clase.
        position: qué lugar ocupa entre los controles de su página, desde 0.
        html: la salida guardada.
        text: la misma salida como texto.
    """

    chapter: str
    name: str
    position: int
    html: str
    text: str

    def __str__(self):
        return f"{self.chapter}-{self.name}" + (f"-{self.position + 1}" if self.position else "")

    @property
    def page(self):
        return f"book/{self.chapter}.html"

    @property
    def control(self):
        return base.find_control(self.name)


@functools.cache
def placements():
    """Cada control guardado en los cuadernos del libro."""
    found = []
    for path in sorted((ROOT / "book").glob("*.ipynb")):
        position = 0
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            for output in cell.get("outputs", []):
                data = output.get("data", {})
                html = "".join(data.get("text/html", ""))
                if name := _STORED.match(html):
                    text = "".join(data["text/plain"])
                    found.append(Placement(path.stem, name[1], position, html, text))
                    position += 1
    return tuple(found)


def one_of_each():
    """El primer sitio de cada control: lo que se prueba fuera de su página se prueba una vez."""
    return tuple({place.name: place for place in reversed(placements())}.values())[::-1]


def chapters():
    """Los capítulos que tienen controles."""
    return tuple(dict.fromkeys(place.chapter for place in placements()))


def control_names():
    """Los controles que hay en `helpers/widgets`: un `NOMBRE.js` por cada uno, más la base."""
    modules = [path.stem for path in sorted(base.FOLDER.glob("*.js")) if path.name != "base.js"]
    return ["".join(word.capitalize() for word in module.split("_")) for module in modules]


# --- El teclado, igual en Chromium, en Firefox y dentro de un marco ---------------------------------------------------
_CONTROL = "document.querySelectorAll('.control')[position]"

_CHOOSE = f"""(position, selector, key) => {{
  const root = {_CONTROL};
  const visible = (element) => element.getClientRects().length > 0 && !element.disabled && element.getAttribute("aria-disabled") !== "true";
  const body = root.querySelector(".c-body");
  const first = (what) => [...body.querySelectorAll(what)].find(visible);
  const kinds = selector ? [selector] : ["input[type=range]", "input[type=number]", "select", "input[type=checkbox]", "button"];
  const target = kinds.map(first).find(Boolean);
  if (!target) return null;
  document.querySelectorAll("[data-prueba]").forEach((element) => element.removeAttribute("data-prueba"));
  target.dataset.prueba = "";
  root.querySelector("button, input, select, [tabindex='0']").focus();
  if (key) return key;
  if (target.matches("select")) return target.selectedIndex < target.options.length - 1 ? "ArrowDown" : "ArrowUp";
  if (target.matches("input:not([type=checkbox])")) return Number(target.value) < Number(target.max) ? "ArrowUp" : "ArrowDown";
  return target.matches("button") ? "Enter" : "Space";
}}"""

_FOCUSED = "() => document.activeElement?.hasAttribute('data-prueba') ?? false"

# Lo que se lee en el control: sus textos, y los de quien no ve los dibujos. Sin los anuncios, que llegan después.
_SHOWN = f"""(position) => {{
  const root = {_CONTROL};
  const copy = root.cloneNode(true);
  for (const element of copy.querySelectorAll("style, .c-tools, [role=status].c-hidden")) element.remove();
  const spoken = [...root.querySelectorAll("[aria-label], [aria-valuetext]")].map(
    (element) => element.getAttribute("aria-label") + element.getAttribute("aria-valuetext"));
  return [copy.textContent, ...spoken].join("|");
}}"""

_MOUNTED = """(count) => {
  const found = document.querySelectorAll(".control .c-body > *").length > 0;
  return found && document.querySelectorAll(".control").length === count;
}"""


class PlaywrightDriver:
    """Maneja una página, o un marco suyo, de Playwright."""

    def __init__(self, page, frame=None):
        self._page, self._frame = page, frame or page

    def run(self, function, *arguments):
        return self._frame.evaluate(f"(list) => ({function})(...list)", list(arguments))

    def press(self, key):
        self._page.keyboard.press(key)


def wait(condition, what, seconds=20):
    """Espera a que `condition()` sea cierta y devuelve lo que da.

    Lanza:
        AssertionError: si no llega a tiempo; dice `what`.
    """
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
    return found


def wait_mounted(driver, count):
    """Espera a que estén montados los `count` controles de la página."""
    wait(lambda: driver.run(_MOUNTED, count), f"no se montan los {count} controles de la página")


def shown_text(driver, position=0):
    """Lo que se lee en el control que ocupa ese lugar."""
    return driver.run(_SHOWN, position)


def focus_first_field(driver, name, position=0):
    """Llega con el tabulador a lo primero que se mueve en un control y devuelve la tecla que lo mueve."""
    selector, key = FIRST_MOVE.get(name, (None, None))
    key = driver.run(_CHOOSE, position, selector, key)
    assert key, f"{name} no tiene nada que mover con el teclado; si es a propósito, dilo en FIRST_MOVE"
    for _ in range(150):
        if driver.run(_FOCUSED):
            return key
        driver.press("Tab")
    raise AssertionError(f"{name}: con el tabulador no se llega a su primer campo")


def move_by_keyboard(driver, name, position=0):
    """Mueve un control con una tecla y devuelve lo que se leía antes y lo que se lee después.

    Lanza:
        AssertionError: si con el tabulador no se llega, o si la tecla no cambia nada.
    """
    before = shown_text(driver, position)
    driver.press(focus_first_field(driver, name, position))
    after = lambda: shown_text(driver, position)  # noqa: E731
    wait(lambda: after() != before, f"{name} no responde al teclado")
    return before, after()


# --- Un control solo, con su estado a la vista ------------------------------------------------------------------------
def harness(place):
    """Cuerpo de una página con un control solo, montado como en Jupyter; su estado está en `model`."""
    script = (
        f"const {{ base, controls, data, files }} = {base.bundle([place.control])};\n"
        'const host = document.querySelector("[data-control]");\n'
        "var model = new base.PageModel({ state: host.dataset.state });\n"
        f"base.mountControl(controls.{place.name}, {{ model, host, data: data.{place.name}, files }});\n"
        'host.classList.add("control-mounted");'
    )
    script = script.replace("</script", "<\\/script").replace("<!--", "<\\!--")
    return f"<style>{base.stylesheet()}</style><main>{place.html}</main><script>{script}</script>"
