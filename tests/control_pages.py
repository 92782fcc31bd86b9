"""Lo que se le hace a una página con controles en Chromium: abrirla, vigilarla, medirla y buscarle faltas."""

import contextlib
import json
import statistics
from importlib import resources

from helpers.widgets import base as widgets

AXE = (resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
STATIC_PAGE = (
    '<!DOCTYPE html><html lang="es"><head><meta charset="utf-8"><title>Prueba</title>'
    '<meta name="viewport" content="width=device-width, initial-scale=1"></head><body>{body}</body></html>'
)


def stored_outputs(notebook):
    """Los datos de cada salida con un control que guarda un cuaderno."""
    return [
        output["data"]
        for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        for output in cell.get("outputs", [])
        if "data-control" in "".join(output.get("data", {}).get("text/html", ""))
    ]


class Watch:
    """Lo que una página escribe en la consola y lo que pide fuera de `base`."""

    def __init__(self, page, base):
        self.console, self.outside = [], []
        page.on("console", lambda message: self.console.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.console.append(f"excepción: {error}"))
        page.on("requestfailed", lambda request: self.console.append(f"no llegó: {request.url}"))
        page.on("request", lambda request: self._note(request.url, base))

    def _note(self, url, base):
        if not url.startswith((base, "data:", "blob:", "about:")):
            self.outside.append(url)

    @property
    def faults(self):
        return self.console + self.outside


@contextlib.contextmanager
def opened(browser, url, *, base=None, width=1280, dark=False, phone=False, javascript=True, still=False):
    """Abre `url` y da (página, `Watch`). `base` es el principio de las direcciones que puede pedir.

    Con `still`, el lector ha pedido que nada se mueva solo.
    """
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce" if still else "no-preference",
        has_touch=phone,
        is_mobile=phone,
        java_script_enabled=javascript,
        locale="es",
    )
    page = context.new_page()
    watch = Watch(page, base or url)
    try:
        page.goto(url, wait_until="load")
        yield page, watch
    finally:
        context.close()


def write_control_page(folder, control):
    """Escribe en `folder` una página con un control de la clase `control`, recién hecho, y da su dirección en el disco."""
    script = widgets.page_script([control])
    body = f"<style>{widgets.stylesheet()}</style>{control().to_html()}<script>{script}</script>"
    path = folder / "pagina.html"
    path.write_text(STATIC_PAGE.format(body=body), encoding="utf-8")
    return path.as_uri()


@contextlib.contextmanager
def mounted(browser, address, selector, base=None, **options):
    """La página con el control montado, cuando `selector` ya está; al cerrarla, comprueba la consola y la red."""
    with opened(browser, address, base=base or address.partition("#")[0], **options) as (page, watch):
        page.locator(selector).wait_for()
        yield page
        assert watch.faults == []


def _audit(page, context):
    """Pares (regla, nodo) de lo que encuentra axe-core en `context`, un selector o "document"."""
    page.evaluate(AXE)
    # Sin precarga: desde el disco, pedir las hojas de estilo llenaría la consola de errores.
    found = page.evaluate(
        """(context) => axe.run(context ?? document, { preload: false, resultTypes: ["violations"] })""",
        context,
    )
    return [(violation["id"], node) for violation in found["violations"] for node in violation["nodes"]]


def _fault(rule, node):
    return f"{rule}: {node['target']}: {node['failureSummary']}"


def accessibility_faults(page, selector=".control"):
    """Faltas que encuentra axe-core en `selector`: «regla: elemento: por qué»."""
    return [_fault(*found) for found in _audit(page, selector)]


def document_faults(page, excused):
    """Faltas que encuentra axe-core en la página entera, menos las de `excused`: {(regla, selector): por qué}.

    Se excusa un nodo si es de esa regla y está dentro del selector; nunca si está en un control o en una figura.
    """
    faults = []
    for rule, node in _audit(page, None):
        inside = page.evaluate(
            """([target, selectors]) => {
              const element = document.querySelector(target);
              return !element.closest("[data-control], article figure") && selectors.some((selector) => element.closest(selector));
            }""",
            [node["target"][0], [selector for excused_rule, selector in excused if excused_rule == rule]],
        )
        if not inside:
            faults.append(_fault(rule, node))
    return faults


def small_targets(page, selector=".control", minimum=44):
    """Botones y campos a la vista que miden menos de `minimum` píxeles de lado."""
    return page.evaluate(
        """([selector, minimum]) => [...document.querySelectorAll(selector)].flatMap((root) =>
          [...root.querySelectorAll("button, input, select, summary, a[href]")]
            .map((element) => [element, element.closest("label") ?? element])
            .map(([element, target]) => [element, target.getBoundingClientRect()])
            .filter(([, box]) => box.width > 0 && (box.width < minimum - 0.5 || box.height < minimum - 0.5))
            .map(([element, box]) => `${element.textContent || element.type}: ${box.width}×${box.height}`))""",
        [selector, minimum],
    )


def overflowing(page, selector=".control"):
    """Elementos que se salen por la derecha de su control, y si la página se desplaza a lo ancho."""
    return page.evaluate(
        """(selector) => {
          const faults = document.documentElement.scrollWidth > innerWidth ? ["la página se desplaza a lo ancho"] : [];
          for (const root of document.querySelectorAll(selector)) {
            const edge = Math.min(root.getBoundingClientRect().right, innerWidth);
            for (const element of root.querySelectorAll("*")) {
              if (element.closest("pre, .c-hidden") || element.getBoundingClientRect().right <= edge + 1) continue;
              faults.push(`${element.tagName}.${element.className}: ${element.textContent.slice(0, 30)}`);
            }
          }
          return faults;
        }""",
        selector,
    )


def screen_faults(page, selector=".control"):
    """Lo que se sale, lo que encuentra axe-core y, en una pantalla de teléfono, los botones pequeños."""
    faults = overflowing(page, selector) + accessibility_faults(page, selector)
    return faults + (small_targets(page, selector) if page.viewport_size["width"] < 400 else [])


def assert_has_figure(browser, address, open_control, *, width, text):
    """Sin JavaScript hay una figura de `width` píxeles y se lee `text`; en papel, la figura ocupa el sitio del control."""
    with opened(browser, address, javascript=False) as (page, _):
        image = page.locator("figure img")
        assert image.is_visible() and image.evaluate("image => image.naturalWidth") == width
        assert page.get_by_text(text).is_visible()
    with open_control(browser, address) as page:
        page.emulate_media(media="print")
        assert page.locator(".control-static img").is_visible() and not page.locator(".control").is_visible()


def input_to_paint(page, selector, values):
    """Milisegundos, en mediana, desde que un campo cambia hasta que el navegador ha pintado el resultado."""
    times = page.evaluate(
        """async ([selector, values]) => {
          const field = document.querySelector(selector);
          const painted = () => new Promise((done) => requestAnimationFrame(() => {
            const channel = new MessageChannel();
            channel.port1.onmessage = done;
            channel.port2.postMessage(null);
          }));
          const times = [];
          for (const value of values) {
            await painted();
            const start = performance.now();
            field.value = value;
            field.dispatchEvent(new Event("input", { bubbles: true }));
            field.dispatchEvent(new Event("change", { bubbles: true }));
            await painted();
            times.push(performance.now() - start);
          }
          return times;
        }""",
        [selector, values],
    )
    return statistics.median(times)
