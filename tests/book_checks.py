"""Comprobaciones del libro construido: funciones puras que reciben texto y devuelven la lista de faltas.

Una lista vacía es que todo está bien. Cada función tiene en `test_book.py` una página con la falta que busca.
"""

import re
from functools import lru_cache
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup

# Palabras inglesas de las interfaces de Sphinx, del tema y de las celdas; ninguna es también española.
ENGLISH = re.compile(
    r"\b(?:the|this|page|pages|on|(?<!CC )by|of|search|searching|launch|toggle|back to top|print|copy|copied|"
    r"download|source|full ?screen|skip|show|hide|click|code cell|contents|open issue|repository|"
    r"repositories|previous|next|link to|permalink|dark|light|mode|settings|last updated|live code|"
    r"light/dark|main|close|collapse|expand|sidebar|breadcrumbs?|warning|announcement|version)\b",
    re.IGNORECASE,
)
INTERFACE_ATTRIBUTES = re.compile(
    r'\b(?:title|aria-label|placeholder|data-bs-title|data-toggle-hint|data-tooltip)="([^"]*)"'
)
GENERIC_ALT = re.compile(
    r"^(?:figura|imagen|image|gráfic[ao]|plot|png|untitled|output|salida)?[\s\d._:-]*$", re.IGNORECASE
)
FILE_NAME = re.compile(r"\.(?:png|jpe?g|svg|gif|webp)$|[\\/][\w-]+$|^[0-9a-f]{16,}$", re.IGNORECASE)
MINIMUM_ALT_WORDS = 4

# Etiqueta → atributos que hacen que el navegador pida algo sin que nadie pulse nada.
LOADING = {
    "script": ("src",),
    "img": ("src", "srcset"),
    "iframe": ("src",),
    "source": ("src", "srcset"),
    "video": ("src", "poster"),
    "audio": ("src",),
    "embed": ("src",),
    "object": ("data",),
    "input": ("src",),
}
LOADING_LINKS = {
    "stylesheet",
    "preload",
    "modulepreload",
    "icon",
    "preconnect",
    "dns-prefetch",
    "prefetch",
    "manifest",
}


@lru_cache(maxsize=64)
def parse(html):
    """Devuelve el documento analizado; se comparte entre comprobaciones, así que nadie lo cambia."""
    return BeautifulSoup(html, "html.parser")


def article(html):
    """Devuelve el artículo de la página, o None si no lo tiene (la de búsqueda, la de entrada)."""
    return parse(html).select_one("article.bd-article")


def build_warnings(log):
    """Líneas de advertencia o de error que escribió la construcción."""
    return [line for line in log.splitlines() if re.search(r"\b(?:WARNING|ERROR|CRITICAL)\b", line)]


def config_problems(config):
    """Ajustes de `_config.yml` que, si faltan, rompen el libro sin avisar."""
    execute = config.get("execute", {})
    sphinx = config.get("sphinx", {})
    options = sphinx.get("config", {})
    expected = [
        ("execute.execute_notebooks", execute.get("execute_notebooks"), "off"),
        ("only_build_toc_files", config.get("only_build_toc_files"), True),
        ("sphinx.recursive_update", sphinx.get("recursive_update"), True),
        ("sphinx.config.language", options.get("language"), "es"),
        ("execute.stderr_output", execute.get("stderr_output"), "error"),
    ]
    problems = [
        f"{name} es {value!r} y debe ser {wanted!r}" for name, value, wanted in expected if value != wanted
    ]
    if not isinstance(execute.get("timeout"), int) or execute["timeout"] < 60:
        problems.append("execute.timeout debe dar al menos 60 s a la celda más lenta")
    if "sphinx_thebe" in options.get("extensions", ["sphinx_thebe"]):
        problems.append("sphinx_thebe no debe estar en sphinx.config.extensions")
    return problems


def language_problems(html):
    """La página se declara en español."""
    found = parse(html).html
    language = found.get("lang") if found else None
    return [] if language == "es" else [f"lang={language!r}"]


def heading_problems(html):
    """Un solo H1 y ningún nivel saltado dentro del artículo."""
    root = article(html)
    if root is None:
        return []
    headings = root.find_all(re.compile(r"^h[1-6]$"))
    levels = [int(heading.name[1]) for heading in headings]
    problems = [] if levels.count(1) == 1 else [f"{levels.count(1)} encabezados H1"]
    for before, after, heading in zip(levels, levels[1:], headings[1:], strict=False):
        if after > before + 1:
            problems.append(f"de H{before} a H{after}: «{heading.get_text()}»")
    return problems + [
        f"H{level} vacío" for level, h in zip(levels, headings, strict=True) if not h.get_text(strip=True)
    ]


def duplicate_ids(html):
    """Identificadores que se repiten en la página."""
    ids = [tag["id"] for tag in parse(html).find_all(id=True)]
    return sorted({name for name in ids if ids.count(name) > 1})


def sidebar_targets(html, page):
    """Rutas, desde la raíz del libro, de las páginas que enlaza el índice lateral de `page`."""
    folder = page.rpartition("/")[0]
    targets = set()
    for link in parse(html).select("#pst-primary-sidebar a[href], .bd-sidebar-primary a[href]"):
        path = unquote(urlsplit(link["href"]).path)
        targets.add(normalize(f"{folder}/{path}") if path else page)
    return targets


def normalize(path):
    """Resuelve los «..» de una ruta relativa."""
    parts = []
    for part in path.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def sidebar_problems(html, page, chapters):
    """Capítulos del índice que el menú lateral de la página no enlaza."""
    return sorted(set(chapters) - sidebar_targets(html, page))


def english_interface(html):
    """Textos de la interfaz (todo menos el artículo) con palabras inglesas, y los de las celdas."""
    document = BeautifulSoup(html, "html.parser")  # uno propio, porque aquí se le quitan partes
    texts = []
    for summary in document.select("details.hide > summary, .toggle-button"):
        texts.append(summary.get_text(" ", strip=True))
    for content in document.select("article.bd-article"):
        texts += [tag["title"] for tag in content.select("a.headerlink[title]")]
        content.extract()
    for tag in document.find_all(["style", "code"]):
        tag.extract()
    scripts = [tag.extract().get_text() for tag in document.find_all("script")]
    for written in re.findall(r"document\.write\(`(.*?)`\)", "\n".join(scripts), re.DOTALL):
        texts.append(parse(written).get_text(" ", strip=True))
        texts += INTERFACE_ATTRIBUTES.findall(written)
    texts += INTERFACE_ATTRIBUTES.findall(str(document))
    for tag in document.find_all("img", alt=True):
        texts.append(tag["alt"])
    texts += [
        text.strip() for text in document.find_all(string=True) if type(text).__name__ == "NavigableString"
    ]
    return sorted({text for text in texts if ENGLISH.search(text)})


def output_problems(html):
    """Salidas de error o de stderr a la vista."""
    found = parse(html).select(
        ".output.stderr, .output.traceback, .cell_output .traceback, .cell_output .stderr"
    )
    return [" ".join(tag["class"]) + ": " + tag.get_text(" ", strip=True)[:60] for tag in found]


def wide_code(html, columns=80):
    """Líneas de código a la vista, o de una solución, que no caben en la columna de una pantalla de 1280 px.

    Se salvan el código plegado y lo que se cita tal cual: el de la tarea, las salidas y los mensajes.
    """
    main = article(html)
    blocks = (
        main.select(
            "div.highlight:not(.highlight-text *, .highlight-none *, .tag_hide-input *, .output *) > pre"
        )
        if main
        else []
    )
    return [
        f"{len(line)} columnas: {line.strip()}"
        for block in blocks
        if not block.get_text().startswith("# La tarea")
        for line in block.get_text().splitlines()
        if len(line) > columns
    ]


def alt_problems(html):
    """Imágenes del artículo sin texto alternativo que diga lo que muestran."""
    root = article(html)
    problems = []
    for image in root.find_all("img") if root else []:
        alt = image.get("alt")
        name = (image.get("src") or "")[:60]
        if alt is None or not alt.strip():
            problems.append(f"sin alt: {name}")
        elif FILE_NAME.search(alt.strip()):
            problems.append(f"el alt es un nombre de archivo: {alt}")
        elif GENERIC_ALT.match(alt) or len(alt.split()) < MINIMUM_ALT_WORDS:
            problems.append(f"el alt no dice qué muestra: «{alt}»")
    return problems


def is_external(address):
    """Si una dirección sale del libro."""
    return bool(re.match(r"(?:https?|wss?|ftp):|//", address.strip(), re.IGNORECASE))


def external_loads(html):
    """Direcciones externas que la página pediría al abrirse (los enlaces que se pulsan no cuentan)."""
    document = parse(html)
    loads = []
    for name, attributes in LOADING.items():
        for tag in document.find_all(name):
            loads += [tag[attribute] for attribute in attributes if tag.get(attribute)]
    for tag in document.find_all("link", href=True):
        if LOADING_LINKS & set(tag.get("rel", [])):
            loads.append(tag["href"])
    for tag in document.find_all("meta", attrs={"http-equiv": re.compile("^refresh$", re.IGNORECASE)}):
        loads.append(tag.get("content", "").partition("url=")[2])
    styles = [tag.get_text() for tag in document.find_all("style")] + [
        tag["style"] for tag in document.find_all(style=True)
    ]
    external = [load for load in loads if any(is_external(part) for part in load.split(","))]
    return external + [address for style in styles for address in external_css(style)]


def external_css(css):
    """Direcciones externas que pediría una hoja de estilo."""
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    found = re.findall(r"url\(\s*[\"']?((?:https?:)?//[^\"')]+)|@import\s+[\"']((?:https?:)?//[^\"']+)", css)
    return [first or second for first, second in found]


def broken_links(html, page, files, ids):
    """Enlaces y recursos locales que no existen.

    Argumentos:
        html: texto de la página.
        page: su ruta desde la raíz del libro.
        files: conjunto de rutas de todos los archivos del libro.
        ids: diccionario página → conjunto de sus identificadores.
    """
    folder = page.rpartition("/")[0]
    problems = []
    for tag in parse(html).find_all(True):
        for attribute in ("href", "src"):
            address = tag.get(attribute)
            if not address or is_external(address) or re.match(r"(?:data|mailto|javascript):", address):
                continue
            path, fragment = unquote(urlsplit(address).path), unquote(urlsplit(address).fragment)
            target = normalize(f"{folder}/{path}") if path else page
            if target not in files:
                problems.append(f"{address}: no existe {target}")
            elif fragment and fragment not in ids.get(target, {fragment}):
                problems.append(f"{address}: {target} no tiene #{fragment}")
    return problems


def launch_problems(html, notebook, repository, branch):
    """Los botones de Colab y Binder abren este cuaderno, en este repositorio y en esta rama."""
    name = repository.removeprefix("https://github.com/").strip("/")
    colab, binder = "colab.research.google.com", "mybinder.org"
    expected = {
        colab: f"https://{colab}/github/{name}/blob/{branch}/{notebook}",
        binder: f"https://{binder}/v2/gh/{name}/{branch}?urlpath=lab/tree/{notebook}",
    }
    found = {host: set() for host in expected}
    for link in parse(html).select(".dropdown-launch-buttons a[href]"):
        host = urlsplit(link["href"]).netloc
        found.setdefault(host, set()).add(unquote(link["href"]))
    return [
        f"{host}: hay {sorted(found[host])} y debe ser {address}"
        for host, address in expected.items()
        if found[host] != {address}
    ]


def kernel_control_problems(html):
    """Cada control que necesita un kernel lleva una imagen fija y dice cómo abrirlo en Colab y Binder."""
    problems = []
    document = parse(html)
    for script in document.find_all("script", type=re.compile("widget-view")):
        problems.append(f"vista de control sin kernel: {script.get_text()[:40]}")
    for control in document.select(".panel-estatico, [data-control][data-kernel]"):
        text = control.get_text(" ", strip=True)
        if not all(word in text for word in ("kernel", "Colab", "Binder")):
            problems.append(f"no dice dónde funciona: «{text[:60]}»")
        if not control.find("img", alt=True):
            problems.append(f"no tiene imagen fija: «{text[:60]}»")
    return problems


def size_problems(sizes, limit):
    """Archivos de más de `limit` bytes; `sizes` es un diccionario nombre → bytes."""
    return [f"{name}: {size} bytes" for name, size in sorted(sizes.items()) if size > limit]


def maths_problems(html):
    """MathJax se carga si y solo si la página tiene fórmulas, y siempre desde el libro."""
    document = parse(html)
    formulas = bool(document.select("span.math, div.math"))
    scripts = [tag["src"] for tag in document.find_all("script", src=re.compile("mathjax", re.IGNORECASE))]
    problems = []
    if formulas and not scripts:
        problems.append("tiene fórmulas y no carga MathJax")
    if scripts and not formulas:
        problems.append("carga MathJax sin tener fórmulas")
    return problems + [f"MathJax de fuera: {src}" for src in scripts if is_external(src)]


def glossary_rows(markdown):
    """Filas del glosario: listas con las cinco celdas de cada una."""
    rows = [line.strip().strip("|").split("|") for line in markdown.splitlines() if line.startswith("| **")]
    return [[cell.strip() for cell in row] for row in rows]


def glossary_problems(markdown, required):
    """Filas incompletas, repetidas o desordenadas del glosario, y palabras de `required` que faltan."""
    rows = glossary_rows(markdown)
    problems = [f"le faltan celdas: {row[0]}" for row in rows if len(row) != 5 or not all(row[:4])]
    terms = [row[0] for row in rows]
    problems += [f"repetido: {term}" for term in sorted(set(terms)) if terms.count(term) > 1]
    keys = [sort_key(term) for term in terms]
    problems += [
        f"fuera de orden: {b}" for a, b, x, y in zip(terms, terms[1:], keys, keys[1:], strict=False) if x > y
    ]
    names = {plain(term) for term in terms}
    return problems + [f"falta: {word}" for word in required if plain(word) not in names]


def untaught_terms(markdown, chapters, stem):
    """Términos del glosario con alguna palabra que no sale en el capítulo que dice explicarlos.

    Argumentos:
        markdown: texto del glosario.
        chapters: diccionario nombre de archivo → texto del capítulo.
        stem: función que reduce una palabra a su raíz.
    """
    roots = {name: {stem(word) for word in re.findall(r"\w+", text)} for name, text in chapters.items()}
    problems = []
    for row in glossary_rows(markdown):
        words = {stem(word) for word in re.findall(r"\w+", plain(row[0])) if len(word) > 3}
        for name in re.findall(r"\]\(([\w.-]+)\)", row[3]):
            missing = words - roots.get(name, set())
            if missing:
                problems.append(f"{plain(row[0])}: {name} no tiene {sorted(missing)}")
    return problems


def plain(term):
    """Quita las marcas de Markdown y la aclaración entre paréntesis de un término."""
    return re.sub(r"\s*\(.*?\)", "", term).replace("*", "").strip().lower()


def sort_key(term):
    """Clave de orden alfabético español."""
    return plain(term).translate(str.maketrans("áéíóúü", "aeiouu")).replace("ñ", "n~")
