"""Lo que tarda cada control del libro en pintar un cambio, y lo que pesa.

Abre en Chromium cada control guardado en los cuadernos, mueve cada uno de sus campos entre dos valores y mide desde que el
campo cambia hasta que el navegador ha pintado el resultado. Incluye la espera al siguiente fotograma (hasta 16 ms).
"""

import gzip
import json
import re
import statistics
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from browsers import chromium  # noqa: E402  (está en la carpeta de las pruebas)
from control_pages import STATIC_PAGE, opened  # noqa: E402

from benchmarks.table import Figure, Measured  # noqa: E402
from helpers.widgets import base  # noqa: E402

MAX_MS, MAX_KB = 50, 300
FIGURES = (
    Figure("slowest", "el campo más lento de los controles, de moverlo a verlo", "ms", MAX_MS, decimals=0),
    Figure("heaviest", "el control que más pesa", "KB", MAX_KB, decimals=0),
    Figure("first", "clasificar la primera imagen, con la carga de la red", "ms", decimals=0),
)
REPEATS = 15

MEASURE = """
async (repeats) => {
  const painted = () => new Promise((done) => requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = done;
    channel.port2.postMessage(null);
  }));
  const fire = (field) => {
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.dispatchEvent(new Event("change", { bubbles: true }));
  };
  const moves = {
    checkbox: (field, turn) => { field.checked = Boolean(turn); },
    "select-one": (field, turn) => { field.selectedIndex = turn ? field.options.length - 1 : 0; },
    number: (field, turn) => { field.value = turn ? Number(field.min) + 2 * (Number(field.step) || 1) : field.min; },
    range: (field, turn) => { field.value = turn ? field.max : field.min; },
  };
  const times = {};
  for (const field of document.querySelectorAll(".control :is(input, select)")) {
    const name = field.labels?.[0]?.textContent || field.getAttribute("aria-label") || field.type;
    const move = moves[field.type];
    if (!move || !field.isConnected || name in times) continue;
    times[name] = [];
    for (let turn = 0; turn < repeats && field.isConnected; turn += 1) {
      await painted();
      const started = performance.now();
      move(field, turn % 2);
      fire(field);
      await painted();
      times[name].push(performance.now() - started);
    }
  }
  return times;
}
"""


# El clasificador no tiene campos: se mide desde que se elige una imagen hasta que se ve lo que la red ha calculado, con la red
# ya cargada. Lo que tarda en cargarse la primera vez va aparte, fuera del límite.
CLASSIFY = """
async (repeats) => {
  const status = document.querySelector(".ic-status");
  const thumbs = [...document.querySelectorAll(".c-thumb")];
  const painted = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  const classify = async (image) => {
    const started = performance.now();
    status.textContent = "";
    thumbs[image].click();
    while (!status.textContent.startsWith("Calculado")) await new Promise((next) => new MutationObserver((_, own) => { own.disconnect(); next(); })
      .observe(status, { childList: true, characterData: true, subtree: true }));
    await painted();
    return performance.now() - started;
  };
  const first = await classify(1);
  const times = [];
  for (let turn = 0; turn < repeats; turn += 1) times.push(await classify(2 + (turn % 20)));
  return { times: { "elegir una imagen": times }, first };
}
"""


def stored_controls() -> list[tuple[str, str, str]]:
    """(capítulo, nombre, HTML guardado) de cada control de los cuadernos."""
    found = []
    for path in sorted((ROOT / "book").glob("*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            for output in cell.get("outputs", []):
                html = "".join(output.get("data", {}).get("text/html", ""))
                name = re.match(r'<div data-control="(\w+)"', html)
                if name:
                    found.append((path.stem, name[1], html))
    return found


def measure_control(browser, chapter: str, name: str, html: str, folder: Path) -> dict:
    """Milisegundos en mediana del campo más lento de un control, y kilobytes comprimidos de lo que añade a su página."""
    script = base.page_script([base.find_control(name)], folder=".")
    own = f"{html}<style>{base.stylesheet()}</style><script>{script}</script>"
    path = folder / f"{name}.html"
    path.write_text(STATIC_PAGE.format(body=own), encoding="utf-8")
    for file, make in base.find_control(name).files().items():
        (folder / f"{file}.js").write_text(make(), encoding="utf-8")
    first = None
    with opened(browser, path.as_uri()) as (page, _):
        page.locator(".control").wait_for()
        if name == "ImageClassifier":
            times, first = page.evaluate(CLASSIFY, REPEATS).values()
        else:
            times = page.evaluate(MEASURE, REPEATS)
    medians = {field: statistics.median(values) for field, values in times.items() if values}
    slowest = max(medians, key=medians.get)
    return {
        **({} if first is None else {"first_milliseconds": round(first, 1)}),
        "chapter": chapter,
        "control": name,
        "fields": len(medians),
        "slowest": slowest,
        "milliseconds": round(medians[slowest], 1),
        "kilobytes": round(len(gzip.compress(own.encode("utf-8"))) / 1024, 1),
    }


def summarise(rows: list[dict]) -> dict[str, Measured]:
    """El más lento, el que más pesa y la primera clasificación."""
    slowest = max(rows, key=lambda row: row["milliseconds"])
    heaviest = max(rows, key=lambda row: row["kilobytes"])
    first = max(
        (row for row in rows if "first_milliseconds" in row), key=lambda row: row["first_milliseconds"]
    )
    return {
        "slowest": Measured(slowest["milliseconds"], f"{slowest['control']}, «{slowest['slowest']}»"),
        "heaviest": Measured(heaviest["kilobytes"], heaviest["control"]),
        "first": Measured(first["first_milliseconds"]),
    }


def measure() -> dict[str, Measured]:
    """Abre cada control guardado en los cuadernos, uno detrás de otro."""
    with tempfile.TemporaryDirectory() as folder, chromium(offline=True) as browser:
        return summarise([measure_control(browser, *control, Path(folder)) for control in stored_controls()])
