"""Lo que tarda cada control del libro en pintar un cambio, y lo que pesa. `python -m benchmarks.controls`.

Abre en Chromium cada control guardado en los cuadernos, mueve cada uno de sus campos entre dos valores y mide desde que el
campo cambia hasta que el navegador ha pintado el resultado. Incluye la espera al siguiente fotograma (hasta 16 ms).
"""

import gzip
import json
import re
import statistics
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from browsers import chromium  # noqa: E402  (está en la carpeta de las pruebas)
from control_pages import STATIC_PAGE, opened  # noqa: E402

from helpers.widgets import base  # noqa: E402

MAX_MS, MAX_KB = 50, 300
OUTPUT = ROOT / "_build" / "bench" / "controles.json"
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


def measure(browser, chapter: str, name: str, html: str, folder: Path) -> dict:
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


def report(rows: list[dict]) -> tuple[str, bool]:
    """La tabla en texto y si todo cabe en los límites."""
    lines = [f"{'control':22} {'capítulo':14} {'campos':>6} {'ms':>6} {'KB':>6}  campo más lento"]
    for row in rows:
        over = row["milliseconds"] > MAX_MS or row["kilobytes"] > MAX_KB
        lines.append(
            f"{row['control']:22} {row['chapter']:14} {row['fields']:6} {row['milliseconds']:6.1f} "
            f"{row['kilobytes']:6.1f}  {row['slowest']}" + ("   SE PASA" if over else "")
        )
        if "first_milliseconds" in row:
            lines.append(f"{'':22} la primera vez, con la carga: {row['first_milliseconds']:.0f} ms")
    lines.append(f"límites: {MAX_MS} ms de un cambio a verlo y {MAX_KB} KB comprimidos")
    return "\n".join(lines), not any("SE PASA" in line for line in lines)


def main() -> int:
    """Mide todos los controles guardados; devuelve 1 si alguno se pasa."""
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    with chromium(offline=True) as browser:
        rows = [measure(browser, *control, OUTPUT.parent) for control in stored_controls()]
    text, fits = report(rows)
    print(text)
    OUTPUT.write_text(json.dumps(rows, ensure_ascii=False, indent=1), encoding="utf-8")
    return 0 if fits else 1


if __name__ == "__main__":
    sys.exit(main())
