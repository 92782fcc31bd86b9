"""Lo que pesa lo que descarga el lector: cada página, el motor y los pesos de cada red, comprimidos."""

import gzip
import re
import statistics
from pathlib import Path

from benchmarks.build import cold_build
from benchmarks.table import Figure, Measured

FIGURES = (
    Figure("heaviest", "la página más pesada, con sus figuras", "KB", decimals=0),
    Figure("median", "una página normal (mediana), con sus figuras", "KB", decimals=0),
    Figure("engine", "motor y cargador", "KB", 20),
    Figure("worker", "motor, cargador y Worker, como se descargan", "KB"),
    Figure("weights", "los pesos de la red que más pesa", "KB", 700, decimals=0),
)


def packed(content: bytes) -> float:
    """Kilobytes comprimidos."""
    return len(gzip.compress(content, 9)) / 1000


def page_weight(page: Path) -> float:
    """Kilobytes de una página y de las figuras que enseña; el tema y la búsqueda, comunes a todas, no cuentan."""
    html = page.read_text(encoding="utf-8")
    images = {(page.parent / source).resolve() for source in re.findall(r'<img[^>]+src="([^":]+)"', html)}
    figures = sum(image.stat().st_size for image in images if image.parent.name == "_images")
    return packed(html.encode("utf-8")) + figures / 1000


def measure() -> dict[str, Measured]:
    """Pesa el libro construido, el motor y los archivos de pesos que lleva dentro."""
    from helpers.engine import WASM_PATH, worker_source
    from helpers.engine.sources import FOLDER

    source, _ = cold_build()
    site = source / "_build" / "html"
    pages = {page.stem: page_weight(page) for page in sorted((site / "book").glob("*.html"))}
    heaviest = max(pages, key=pages.get)
    files = {
        path.stem: packed(path.read_bytes())
        for path in (site / "_static" / "controles").glob("*.js")
        if '"description"' in path.read_text(encoding="utf-8")[:100_000] and path.stem != "motor"
    }
    network = max(files, key=files.get)
    loader = packed((FOLDER / "engine.js").read_bytes())
    return {
        "heaviest": Measured(pages[heaviest], heaviest),
        "median": Measured(statistics.median(pages.values())),
        "engine": Measured(packed(WASM_PATH.read_bytes()) + loader),
        "worker": Measured(packed(worker_source().encode("utf-8"))),
        "weights": Measured(files[network], network),
    }
