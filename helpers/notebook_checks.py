"""Comprobaciones puras sobre un cuaderno ya leído: cada una devuelve la lista de faltas, vacía si no hay.

No ejecutan nada ni tocan el disco. Las usan `python -m helpers.notebooks comprobar`, las pruebas y
`book/conftest.py`, que las pasa también por las salidas recién ejecutadas.
"""

import base64
import io
import re

from PIL import Image

MAX_BYTES = 1_000_000
"""Peso máximo de un cuaderno guardado."""

MAX_COLUMNS = 80
"""Columnas de código que caben en la página a 1280 píxeles sin desplazarla."""

FOLDED_TAGS = {"celda-inicial", "hide-input", "hide-cell", "remove-cell", "remove-input"}
"""Etiquetas de las celdas cuyo código no se ve, o se ve solo al desplegarlas."""

CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
LOCAL_PATHS = re.compile(
    r"(?<![\w.:/])/(?:home|root|tmp|Users|content|mnt|opt|var|work|usr/lib)/[\w.-]+"
    r"|\b[A-Za-z]:\\\w+|site-packages|dist-packages|file://|ipykernel_\d+"
)
ADDRESSES = re.compile(
    r"\b0x[0-9a-fA-F]{6,16}\b|<(?:Figure size|Axes)|^(?:\[?Text\(|\[?<matplotlib)", re.MULTILINE
)
WARNINGS = re.compile(
    r"\w+Warning\b|^WARNING|^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IWEF] |^[IWEF]\d{4} \d\d:\d\d:\d\d",
    re.MULTILINE,
)
USAGE_ERRORS = re.compile(r"UsageError|magic function .{0,40} not found|magia .{0,40} no encontrada")
PROGRESS_BARS = re.compile(r"[━█▏▎▍▌▋▊▉]{3}|\d+/\d+ \[[=>. ]+\]|\bETA: |\d+m?s/step")

# Los nombres prohibidos se arman por partes para que una búsqueda en el código no los encuentre aquí.
FORBIDDEN_CODE = (
    (
        re.compile(
            r"^\s*[%!]+\s*(?:python3? -m )?(?:pip|pip3|conda|mamba|uv)\b"
            r"|[\"']pip3?[\"']\s*,\s*[\"']install"
            r"|(?:system|getoutput)\(.*\bpip3? install",
            re.MULTILINE,
        ),
        "instala paquetes: en Colab rompería los que ya están cargados",
    ),
    (re.compile("enable_custom_widget" + "_manager"), "enciende el gestor de controles de Colab"),
    (
        re.compile(r"\.(?:hdf5|(?<!\.weights\.)h5)\b"),
        "guarda en un formato antiguo: usa .keras (o .weights.h5)",
    ),
    (
        re.compile(
            r"validation_data\s*=\s*\(?\s*[\"']?(?:\w+\.)*x_?(?:test|prueba)|validation\s*=\s*[\"']test"
        ),
        "valida con el conjunto de prueba",
    ),
    (
        re.compile("plot" + "_model"),
        "dibuja con graphviz, que no está en todas partes: usa plot_architecture",
    ),
)
MYST_ONLY = re.compile(r"^\s*(?:`{3,}|:{3,})\{|\{[a-z:-]+\}`", re.MULTILINE)
FENCE = re.compile(r"^(`{3,}|~{3,}).*?^\1\s*$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^(#{1,6})\s+\S", re.MULTILINE)
IMG_WITHOUT_ALT = re.compile(r"<img\b(?![^>]*\balt=[\"'][^\"']+[\"'])", re.IGNORECASE)


def join(text):
    """Texto de un campo de nbformat, que puede venir como cadena o como lista de líneas."""
    return text if isinstance(text, str) else "".join(text)


def tags(cell):
    """Etiquetas de una celda."""
    return cell.get("metadata", {}).get("tags", [])


def code_cells(notebook):
    """Pares (número que cuenta todas las celdas desde 1, celda) de las celdas de código."""
    return [(n, cell) for n, cell in enumerate(notebook["cells"], start=1) if cell["cell_type"] == "code"]


def output_texts(cell):
    """Textos legibles de las salidas de una celda: flujos, text/plain, text/html y errores."""
    texts = []
    for output in cell.get("outputs", []):
        if output["output_type"] == "stream":
            texts.append(join(output["text"]))
        elif output["output_type"] == "error":
            texts += [output["ename"] + ": " + output["evalue"], "\n".join(output["traceback"])]
        else:
            data = output["data"]
            texts += [
                join(data[mime]) for mime in ("text/plain", "text/html", "text/markdown") if mime in data
            ]
    # Una imagen incrustada no es texto que alguien lea, y su base64 podría imitar cualquier cosa.
    return [re.sub(r"data:[\w/+-]+;base64,[\w/+=]+", "data:", text) for text in texts]


def images(cell):
    """PNG de las salidas de una celda, en bytes."""
    return [
        base64.b64decode(join(output["data"]["image/png"]))
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]


def _scan_outputs(notebook, pattern, fault):
    problems = []
    for n, cell in code_cells(notebook):
        for text in output_texts(cell):
            found = pattern.search(text)
            if found:
                problems.append(f"celda {n}: {fault}: {found.group(0)!r}")
                break
    return problems


def check_control_characters(notebook):
    """Ni retornos de carro, ni retrocesos, ni colores ANSI en las salidas."""
    return _scan_outputs(notebook, CONTROL_CHARACTERS, "la salida lleva caracteres de control")


def check_progress_bars(notebook):
    """Ninguna barra de progreso guardada."""
    return _scan_outputs(notebook, PROGRESS_BARS, "la salida lleva una barra de progreso")


def check_local_paths(notebook):
    """Ninguna ruta de un equipo concreto en las salidas."""
    return _scan_outputs(notebook, LOCAL_PATHS, "la salida lleva una ruta de este equipo")


def check_addresses(notebook):
    """Ninguna dirección de memoria ni representación de objeto, que cambian de una máquina a otra."""
    return _scan_outputs(notebook, ADDRESSES, "la salida lleva la representación de un objeto")


def check_warnings(notebook):
    """Ni stderr, ni avisos de bibliotecas, ni registros de arranque."""
    problems = [
        f"celda {n}: escribe en stderr: {join(output['text']).strip()[:200]!r}"
        for n, cell in code_cells(notebook)
        for output in cell.get("outputs", [])
        if output["output_type"] == "stream" and output["name"] == "stderr"
    ]
    return problems + _scan_outputs(notebook, WARNINGS, "la salida lleva un aviso")


def check_usage_errors(notebook):
    """IPython escribe como texto los errores de sus órdenes mágicas, así que nbval los da por buenos."""
    return _scan_outputs(notebook, USAGE_ERRORS, "una orden mágica no existe")


def check_exceptions(notebook):
    """Solo fallan las celdas etiquetadas `raises-exception`, y esas fallan de verdad."""
    problems = []
    for n, cell in code_cells(notebook):
        failed = any(output["output_type"] == "error" for output in cell.get("outputs", []))
        expected = "raises-exception" in tags(cell)
        if failed and not expected:
            problems.append(f"celda {n}: guarda un error sin la etiqueta raises-exception")
        if expected and not failed:
            problems.append(f"celda {n}: lleva la etiqueta raises-exception y no falla")
    return problems


def check_executed(notebook):
    """Todas las celdas de código se ejecutaron, en orden y desde un kernel limpio."""
    problems = []
    for expected, (n, cell) in enumerate(code_cells(notebook), start=1):
        if not join(cell["source"]).strip():
            problems.append(f"celda {n}: celda de código vacía")
        elif cell.get("execution_count") is None:
            problems.append(f"celda {n}: nunca se ejecutó")
        elif cell["execution_count"] != expected:
            problems.append(
                f"celda {n}: se ejecutó en el puesto {cell['execution_count']} y le toca el {expected}"
            )
    return problems


def check_duplicate_images(notebook):
    """Ninguna celda muestra dos veces la misma imagen."""
    return [
        f"celda {n}: la misma imagen sale dos veces"
        for n, cell in code_cells(notebook)
        if len(images(cell)) != len(set(images(cell)))
    ]


def check_opaque_images(notebook):
    """Fondo opaco en todas las figuras: el transparente borra los ejes en modo oscuro."""
    problems = []
    for n, cell in code_cells(notebook):
        for data in images(cell):
            alpha = Image.open(io.BytesIO(data)).convert("RGBA").getchannel("A")
            if alpha.getextrema()[0] < 255:
                problems.append(f"celda {n}: la imagen tiene zonas transparentes")
    return problems


def check_alternative_text(notebook):
    """Cada figura dice en palabras qué muestra."""
    problems = []
    for n, cell in code_cells(notebook):
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            alt = output.get("metadata", {}).get("image/png", {}).get("alt", "")
            if "image/png" in data and len(alt.strip()) < 20:
                problems.append(f"celda {n}: figura sin texto alternativo")
            if "text/html" in data and IMG_WITHOUT_ALT.search(join(data["text/html"])):
                problems.append(f"celda {n}: imagen en HTML sin texto alternativo")
    for n, cell in enumerate(notebook["cells"], start=1):
        if cell["cell_type"] == "markdown":
            source = FENCE.sub("", join(cell["source"]))
            if re.search(r"!\[\s*\]\(", source) or IMG_WITHOUT_ALT.search(source):
                problems.append(f"celda {n}: imagen en el texto sin texto alternativo")
    return problems


def check_widgets(notebook):
    """Ni estado ni vistas de ipywidgets: pesan mucho y en la página quedan en blanco."""
    problems = ["el cuaderno guarda el estado de ipywidgets"] if "widgets" in notebook["metadata"] else []
    view = "application/vnd.jupyter.widget-view+json"
    return problems + [
        f"celda {n}: guarda la vista de un control de ipywidgets"
        for n, cell in code_cells(notebook)
        if any(view in output.get("data", {}) for output in cell.get("outputs", []))
    ]


def check_forbidden_code(notebook):
    """Ni instalaciones, ni gestor de controles, ni formatos antiguos, ni validar con la prueba, ni graphviz."""
    return [
        f"celda {n}: {fault}"
        for n, cell in code_cells(notebook)
        for pattern, fault in FORBIDDEN_CODE
        if pattern.search(join(cell["source"]))
    ]


def check_code_width(notebook):
    """El código que se ve cabe en su recuadro; el plegado puede ser más ancho."""
    problems = []
    for n, cell in code_cells(notebook):
        if not FOLDED_TAGS & set(tags(cell)):
            wide = [line for line in join(cell["source"]).splitlines() if len(line) > MAX_COLUMNS]
            problems += [
                f"celda {n}: línea de {len(line)} columnas; caben {MAX_COLUMNS}: {line[:40]!r}"
                for line in wide
            ]
    return problems


def check_headings(notebook):
    """Un único título de primer nivel, el primero; ningún nivel saltado y ningún apartado de segundo nivel repetido."""
    text = "\n\n".join(join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    text = FENCE.sub("", text)
    levels = [len(found.group(1)) for found in HEADING.finditer(text)]
    sections = re.findall(r"^## (.+)$", text, re.MULTILINE)
    repeated = [title for title in sections if sections.count(title) > 1]
    problems = []
    if levels.count(1) != 1 or levels[0] != 1:
        problems.append(f"tiene {levels.count(1)} títulos de primer nivel; hace falta uno, y el primero")
    problems += [
        f"salta de un título de nivel {previous} a uno de nivel {level}"
        for previous, level in zip(levels, levels[1:], strict=False)
        if level > previous + 1
    ]
    # Un apartado repetido es casi siempre media página pegada dos veces.
    problems += [f"el título «{text}» está dos veces" for text in dict.fromkeys(repeated)]
    return problems


def check_portable_markdown(notebook):
    """El texto se lee igual en el libro, en JupyterLab y en Colab: nada que solo entienda MyST."""
    return [
        f"celda {n}: directiva o rol que solo entiende MyST"
        for n, cell in enumerate(notebook["cells"], start=1)
        if cell["cell_type"] == "markdown" and MYST_ONLY.search(join(cell["source"]))
    ]


def check_setup_cell(notebook, setup_source):
    """La primera celda de código, y solo ella, es la celda inicial de la plantilla."""
    cells = code_cells(notebook)
    tagged = [n for n, cell in cells if "celda-inicial" in tags(cell)]
    if not cells:
        return []
    if tagged != [cells[0][0]]:
        return ["la primera celda de código, y solo ella, debe llevar la etiqueta celda-inicial"]
    if join(cells[0][1]["source"]) != setup_source:
        return ["la celda inicial no es la de la plantilla: python -m helpers.notebooks celda-inicial"]
    return ["la celda inicial tiene salida"] if cells[0][1].get("outputs") else []


def check_size(n_bytes):
    """El archivo no pasa de `MAX_BYTES`."""
    return [f"pesa {n_bytes} bytes; el máximo es {MAX_BYTES}"] if n_bytes > MAX_BYTES else []


OUTPUT_CHECKS = (
    check_control_characters,
    check_progress_bars,
    check_local_paths,
    check_addresses,
    check_warnings,
    check_usage_errors,
    check_exceptions,
    check_duplicate_images,
    check_opaque_images,
    check_alternative_text,
)
"""Las que miran salidas: valen para lo guardado y para lo recién ejecutado."""

NOTEBOOK_CHECKS = OUTPUT_CHECKS + (
    check_executed,
    check_widgets,
    check_forbidden_code,
    check_code_width,
    check_headings,
    check_portable_markdown,
)
"""Las que pasan por un cuaderno guardado."""


def check_notebook(notebook, setup_source=None):
    """Todas las comprobaciones de un cuaderno guardado.

    Argumentos:
        notebook: cuaderno leído con nbformat (o su JSON).
        setup_source: código de la celda inicial; sin él, no se compara.

    Devuelve:
        Lista de faltas en español, vacía si no hay ninguna.
    """
    problems = [problem for check in NOTEBOOK_CHECKS for problem in check(notebook)]
    if setup_source is not None:
        problems += check_setup_cell(notebook, setup_source)
    return problems
