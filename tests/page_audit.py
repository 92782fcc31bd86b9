"""Lo que un navegador de verdad encuentra en una página entera, tema incluido; cada función devuelve la lista de faltas."""

import gzip
import re
from urllib.parse import unquote, urlsplit

from control_pages import AXE

# Todas las reglas de axe-core y, además, la de tamaño de lo que se pulsa (WCAG 2.2 AA), que viene apagada. De cada página
# se miran los primeros bloques de código: todos llevan la misma hoja de estilo, y mirar cada palabra de todos tarda minutos.
CODE_BLOCKS = 3
RUN_AXE = """
([only, blocks]) => axe.run({
  include: [["html"]],
  exclude: [...document.querySelectorAll("article div.highlight")].slice(blocks).concat(
    [...document.querySelectorAll("mjx-container")].slice(blocks)),
}, {
  preload: false, resultTypes: ["violations"],
  ...(only ? { runOnly: { type: "rule", values: only } } : { rules: { "target-size": { enabled: true } } }),
}).then(({ violations }) => violations.flatMap(({ id, nodes }) =>
  nodes.map((node) => `${id}: ${node.target.join(" ")}: ${node.failureSummary.replace(/\\s+/g, " ")}`)))
"""

# El contraste de todo el texto que se ve, también el que axe no mira (los demás bloques de código, lo que tiene un fondo del
# que no está seguro): cada color de letra con su fondo, una vez por pareja. Pide siempre 4.5, también en los títulos (WCAG 2.2, 1.4.3).
CONTRAST = """
() => {
  const numbers = (color) => { const [r, g, b, a = 1] = color.match(/[\\d.]+/g).map(Number); return [r, g, b, a]; };
  const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a)];
  const channel = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const behind = (element) => {
    if (!element) return [255, 255, 255];
    const color = numbers(getComputedStyle(element).backgroundColor);
    return color[3] === 1 ? color : over(color, behind(element.parentElement));
  };
  const seen = new Map();
  for (const element of document.querySelectorAll("body *")) {
    const written = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!written && !element.matches("mjx-container, mjx-c")) continue;
    if (element.closest(":disabled, option, mjx-assistive-mml")) continue;
    if (!element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    const style = getComputedStyle(element), back = behind(element), fore = over(numbers(style.color), back);
    const key = `${fore.map(Math.round)} sobre ${back.slice(0, 3).map(Math.round)}`;
    if (seen.has(key)) continue;
    const [high, low] = [light(fore), light(back)].sort((a, b) => b - a), ratio = (high + 0.05) / (low + 0.05);
    seen.set(key, ratio >= 4.5 ? null
      : `contraste ${ratio.toFixed(2)} en ${element.tagName.toLowerCase()}.${element.className}: ${key}`);
  }
  return [...seen.values()].filter(Boolean);
}
"""

# Con el movimiento reducido, nada se anima ni se desplaza solo.
MOVING = """
() => [...document.querySelectorAll("*")].filter((element) => {
  const style = getComputedStyle(element);
  const lasts = (times) => times.split(",").some((time) => parseFloat(time) > 0.01);
  return lasts(style.transitionDuration) || (style.animationName !== "none" && lasts(style.animationDuration))
    || style.scrollBehavior === "smooth";
}).slice(0, 5).map((element) => `se mueve: ${element.tagName.toLowerCase()}.${element.className}`)
"""

# Cada tabla del texto tiene encabezados, y cada encabezado dice algo o es la esquina (las de los controles las mira axe).
TABLES = """
() => [...document.querySelectorAll("article table")].filter((table) => !table.closest(".control, [data-control]"))
  .flatMap((table, i) => {
    const heads = [...table.querySelectorAll("th")];
    if (!heads.length) return [`tabla ${i + 1} sin encabezados`];
    const empty = heads.filter((head) => !head.textContent.trim() && !head.getAttribute("aria-label")
      && head !== table.querySelector("tr > *"));
    return empty.map((head) => `tabla ${i + 1}: encabezado vacío en la columna ${head.cellIndex + 1}`);
  })
"""

# Lo primero que se alcanza con el tabulador lleva al contenido y se ve; cada parada del teclado se distingue.
FOCUS_LOOK = """
() => {
  const element = document.activeElement, style = getComputedStyle(element), box = element.getBoundingClientRect();
  const ring = (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== "none";
  return { name: (element.innerText || element.getAttribute("aria-label") || element.tagName).trim().slice(0, 60),
    tag: element.tagName, target: element.getAttribute("href"), ring,
    seen: box.width > 1 && box.height > 1 && box.bottom > 0 && box.right > 0 && box.top < innerHeight };
}
"""
STOPS = 8
SKIP = "Saltar al contenido principal"


def axe_faults(page, only=None):
    """Faltas que encuentra axe-core en el documento; con `only`, solo las de esas reglas."""
    if not page.evaluate("typeof window.axe === 'object'"):
        page.evaluate(AXE)
    return page.evaluate(RUN_AXE, [only, CODE_BLOCKS])


def contrast_faults(page):
    """Parejas de color de letra y de fondo con poco contraste, en todo lo que se ve."""
    return page.evaluate(CONTRAST)


def focus_faults(page):
    """Faltas del enlace para saltar al contenido y del foco en las primeras paradas del tabulador."""
    page.evaluate("() => { document.activeElement?.blur(); scrollTo(0, 0); }")
    stops = []
    for _ in range(STOPS):
        page.keyboard.press("Tab")
        stops.append(page.evaluate(FOCUS_LOOK))
    first = stops[0]
    faults = []
    if first["name"] != SKIP or first["target"] != "#main-content" or not first["seen"]:
        faults.append(f"el tabulador no empieza en «{SKIP}»: {first}")
    return faults + [
        f"foco sin marca: {stop['name']}" for stop in stops if stop["tag"] != "BODY" and not stop["ring"]
    ]


def reflow_faults(page, widths=(320, 640)):
    """Anchos en los que la página se desplaza de lado: 320 px, y 640 (una pantalla de 1280 ampliada al 200 %)."""
    faults, before = [], page.viewport_size
    for width in widths:
        page.set_viewport_size({"width": width, "height": 800})
        extra = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if extra > 0:
            faults.append(f"a {width} px se sale {extra} px")
    page.set_viewport_size(before)
    return faults


def weigh(urls, base, site):
    """Bytes, comprimidos con gzip, de lo que una visita cargó del libro: {ruta: bytes}.

    Argumentos:
        urls: direcciones que pidió el navegador.
        base: dirección en la que se sirve `site`.
        site: carpeta del libro construido.
    """
    found = {}
    for url in urls:
        if not url.startswith(base):
            continue
        path = unquote(urlsplit(url).path)[len(urlsplit(base).path) :].lstrip("/")
        file = site / path
        if file.is_file():
            data = file.read_bytes()
            compressed = file.suffix in {".woff2", ".woff", ".png", ".jpg", ".webp"}
            found[path] = len(data) if compressed else len(gzip.compress(data, 6))
    return found


# Lo que la página carga sola mientras el lector la recorre: las figuras aplazadas y lo que espere a estar a la vista.
READ_THROUGH = """
async () => {
  for (let top = 0; top < document.documentElement.scrollHeight; top += innerHeight) {
    scrollTo(0, top);
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  }
  for (const image of document.images) image.loading = "eager";
  await Promise.all([...document.images].map((image) => image.decode().catch(() => {})));
  scrollTo(0, 0);
}
"""


def weight_faults(first, loaded, *, own_limit, first_limit):
    """Faltas de peso: lo propio de la página y lo que carga la primera visita.

    Argumentos:
        first: lo que se cargó al abrir la página, como lo da `weigh`.
        loaded: lo que se había cargado tras recorrerla entera sin tocar nada (`READ_THROUGH`).
        own_limit: bytes de lo propio de la página, figuras aplazadas incluidas: su HTML, sus figuras y lo que piden sus controles.
        first_limit: bytes de la primera visita, tema y fuentes incluidos.
    """
    shared = ("_images/", "_static/controles/")
    own = sum(size for path, size in loaded.items() if path.endswith(".html") or path.startswith(shared))
    total = sum(first.values())
    faults = []
    if own > own_limit:
        faults.append(f"lo propio de la página pesa {own} bytes y el límite es {own_limit}")
    if total > first_limit:
        heaviest = sorted(first.items(), key=lambda item: -item[1])[:6]
        faults.append(f"la primera visita pesa {total} bytes y el límite es {first_limit}: {heaviest}")
    return faults


def spoken_texts(page):
    """Textos de la interfaz tal como quedan tras cargar la página: los que se leen, los que se oyen y los que se asoman."""
    return page.evaluate(
        """() => {
          const own = [...document.querySelectorAll("article.bd-article")].map((a) => [...a.children]).flat();
          const inside = (e) => own.some((o) => o.contains(e));
          const names = ["title", "aria-label", "placeholder", "alt", "data-bs-title", "data-tooltip", "aria-roledescription",
            "aria-description", "data-bs-original-title"];
          const seen = new Set([document.title]);
          for (const e of document.querySelectorAll("body *")) {
            const button = e.matches("button.copybtn, a.headerlink, details.hide > summary");
            if (inside(e) && !button && !e.closest(".control")) continue;
            if (e.closest("script, style, code, pre, .math, mjx-container")) continue;
            for (const n of names) if (e.getAttribute(n)) seen.add(e.getAttribute(n));
            for (const c of e.childNodes) if (c.nodeType === 3 && c.data.trim()) seen.add(c.data.trim());
          }
          return [...seen];
        }"""
    )


def metadata_faults(head):
    """Faltas de los metadatos de una página, a partir de su texto HTML hasta `</head>`."""
    head = head.partition("</head>")[0]
    title = re.search(r"<title>(.*?)</title>", head, re.DOTALL)
    faults = [] if title and title[1].strip() else ["sin título"]
    description = re.search(r'<meta name="description" content="([^"]*)"', head)
    if not description:
        faults.append("sin descripción")
    elif not 50 <= len(description[1]) <= 200:
        faults.append(f"la descripción tiene {len(description[1])} caracteres: «{description[1]}»")
    return faults + [
        f"sin {name}"
        for name in ("og:title", "og:description", "og:type", "og:locale")
        if f'property="{name}"' not in head
    ]
