"""El libro en un solo PDF: cubierta, índice con páginas, capítulos, y las respuestas al final de cada capítulo.

Chromium imprime dos veces un único documento con todos los capítulos. La primera vez dice en qué página cae cada destino;
la segunda lleva ya esos números en el índice y en los enlaces a las respuestas. Como es un solo documento, los enlaces entre
capítulos llevan a su página y el PDF queda etiquetado para los lectores de pantalla.
"""

import html
import io
import re
import sys
import zlib
from pathlib import Path

from helpers.hyphenation import hyphenate
from helpers.packaging import ROOT, PackagingError, read_contents, require_site

MAXIMUM_PDF = 15_000_000
TOGETHER = 100
ANSWERS = "Respuestas y soluciones"

STYLE = """
@page { size: A4; margin: 20mm 20mm 22mm; }
@page cubierta { margin: 30mm 25mm; }
@page indice { @bottom-right { content: counter(page); font: 8.5pt "DejaVu Sans", sans-serif; color: #444; } }
%(chapters)s
@media print {
  html { font-size: 9.5pt !important; }
  html, body, .bd-main, .bd-content, .bd-article-container { display: block !important; height: auto !important;
    margin: 0 !important; padding: 0 !important; min-width: 0 !important; width: auto !important; overflow: visible !important; }
  body { line-height: 1.5; color: #16181c; background: #fff; }
  .bd-article p, .bd-article li { line-height: 1.5; hyphens: manual !important; orphans: 2; widows: 2; }
  .bd-article p { margin-bottom: 0.75em; }
  .bd-article { border: 0 !important; }
  /* El margen evita que la tilde de una mayúscula asome en la página anterior. */
  section.capitulo, .indice-pdf { break-before: page; padding-top: 2mm; }
  .cubierta { page: cubierta; break-after: page; display: flex; flex-direction: column; justify-content: space-between;
    height: 235mm; }
  .cubierta .titulo { font-size: 34pt; font-weight: 700; line-height: 1.15; margin: 45mm 0 6mm; color: #0b4a5e; }
  .cubierta .lema { font-size: 13pt; max-width: 120mm; }
  .cubierta .capas { display: flex; gap: 3mm; align-items: end; height: 50mm; }
  .cubierta .capas i { display: block; background: #0072b2; border-radius: 1mm; }
  .cubierta .pie { font-size: 9pt; color: #444; }
  .indice-pdf { page: indice; break-after: page; }
  .bd-main .bd-content .indice-pdf h1, .bd-main .bd-content .bd-article h1 { font-size: 22pt !important; margin: 0 0 1.2rem !important; color: #0b4a5e;
    display: block !important; text-align: left; }
  .indice-pdf .parte { margin: 1rem 0 0.3rem; font-weight: 700; color: #0b4a5e; }
  .indice-pdf .columnas { columns: 2; column-gap: 9mm; }
  .indice-pdf ol { list-style: none; margin: 0; padding: 0; }
  .indice-pdf li li { break-inside: avoid; }
  .indice-pdf :is(.parte, .capitulo-indice > a) { break-after: avoid; }
  .indice-pdf li a { display: flex; color: inherit !important; text-decoration: none; padding: 0.5mm 0; }
  .indice-pdf li a::before { content: ""; order: 1; flex: 1; border-bottom: 0.3mm dotted #888; margin: 0 2mm 1.2mm; }
  .indice-pdf li.capitulo-indice > a { font-weight: 600; margin-top: 1.2mm; }
  .indice-pdf li .pagina { order: 2; font-weight: 400; }
  .indice-pdf li { font-size: 8.5pt; }
  .indice-pdf li li { padding-left: 4mm; font-size: 7.8pt; line-height: 1.3; }
  .pagina { font-variant-numeric: tabular-nums; display: inline-block; min-width: 1.8em; text-align: right; white-space: nowrap;
    flex: none; }
  .ver-respuesta .pagina, .respuesta .pagina { min-width: 0; }
  .bd-article h2 { font-size: 14.5pt !important; margin-top: 1.6rem !important; }
  .bd-article h3 { font-size: 11.5pt !important; margin-top: 1.2rem !important; }
  .bd-article :is(h1, h2, h3, h4) { break-after: avoid; break-inside: avoid; }
  .bd-article .sigue { break-after: avoid; }
  .bd-article div.cell, .bd-article :is(.cell_input, .cell_output, .output, .highlight, .highlight pre, pre) {
    break-inside: auto; overflow: visible !important; }
  .bd-article :is(.cell_input, .cell_output > .output, div.highlight, .control-static).junto { break-inside: avoid !important; }
  .bd-article :is(.cell_input, div.highlight) { box-decoration-break: clone; -webkit-box-decoration-break: clone; }
  .bd-article :is(pre, .output pre, div.highlight pre) { font-size: 7.6pt !important; line-height: 1.4; padding: 2.2mm 3mm !important; }
  .bd-article div.cell { margin: 0.8em 0; }
  .bd-article div.cell div.cell_input, .bd-article .cell_output { margin: 0.4em 0 !important; padding: 0; }
  .bd-article .cell_output img, .bd-article p > img, .bd-article figure img { max-width: 132mm !important; max-height: 120mm !important;
    width: auto !important; height: auto !important; display: block; margin: 0 auto; object-fit: contain; }
  .bd-article .control-static img { max-width: 128mm !important; }
  .bd-article .image-reference { display: block; }
  .bd-article :is(table, .pst-scrollable-table-container) { margin-left: 0; }
  .bd-article tr { break-inside: avoid; }
  .bd-article thead { display: table-header-group; }
  .bd-article a { color: #0b5a74 !important; text-decoration: none; }
  .ver-respuesta { color: #0b5a74; font-weight: 600; }
  .opciones { list-style: none; padding-left: 4mm; margin: 0 0 0.75em; break-inside: avoid; }
  .opciones li { margin: 0; }
  .respuesta { border-left: 0.8mm solid #0b6e8a; padding-left: 4mm; margin: 0 0 1.1em; }
  .respuesta > .nombre { font-weight: 600; break-after: avoid; margin-bottom: 0.3em; }
  .respuesta > :last-child { margin-bottom: 0; }
}
"""
# Cada capítulo lleva su título arriba y su número de página abajo.
CHAPTER_PAGE = """
@page {page} {{
  @top-left {{ content: "{title}"; font: 8pt "DejaVu Sans", sans-serif; color: #444; }}
  @top-right {{ content: "{chapter}"; font: 8pt "DejaVu Sans", sans-serif; color: #444; }}
  @bottom-right {{ content: counter(page); font: 8.5pt "DejaVu Sans", sans-serif; color: #444; }}
}}
"""

COVER = """
<section class="cubierta"><div><p class="titulo">{title}</p>
<p class="lema">De un píxel a una red que construyes, entrenas, juzgas y mejoras.</p></div>
<div class="capas" aria-hidden="true"><i style="width:6mm;height:50mm"></i><i style="width:9mm;height:42mm;opacity:.85"></i>
<i style="width:9mm;height:30mm;opacity:.7"></i><i style="width:16mm;height:22mm;opacity:.6"></i>
<i style="width:16mm;height:14mm;opacity:.5"></i><i style="width:4mm;height:38mm;opacity:.4"></i></div>
<p class="pie">{author}. Texto con licencia CC BY 4.0; código con licencia MIT. En papel, cada control interactivo es la figura que
lo sustituye; funcionan en la versión web, que también se abre desde el disco. Las respuestas y las soluciones están al final de
cada capítulo.</p></section>
"""

# Los programas de los controles buscan este atributo; sin él, queda a la vista la figura que guardó el cuaderno.
KEEP_FIGURES = """
document.addEventListener("readystatechange", () => {
  for (const host of document.querySelectorAll("[data-control][data-state]")) host.removeAttribute("data-state");
});
"""

# Junta los capítulos en el documento abierto. De cada uno llega su HTML; sus identificadores se distinguen con su nombre.
ASSEMBLE = """
async ({ chapters, cover, style, answers }) => {
  document.documentElement.dataset.theme = document.documentElement.dataset.mode = "light";
  const create = (tag, name, ...children) => {
    const element = document.createElement(tag);
    if (name) element.className = name;
    element.append(...children);
    return element;
  };
  const page = (target) => Object.assign(create("span", "pagina", "000"), { title: target });
  const link = (target, ...children) => Object.assign(create("a", "", ...children), { href: `#${target}` });
  const articles = create("div", "bd-article");
  const entries = create("div", "columnas"), toc = create("section", "indice-pdf", create("h1", "", "Índice"), entries);
  const sheets = new Set([...document.styleSheets].map((sheet) => sheet.href));
  const names = new Set(chapters.map(({ slug }) => slug));
  let part = null, list = null;

  for (const { slug, text, title, caption } of chapters) {
    const parsed = new DOMParser().parseFromString(text, "text/html");
    for (const sheet of parsed.querySelectorAll("link[rel=stylesheet]")) {
      const href = new URL(sheet.getAttribute("href"), location.href).href;
      if (!sheets.has(href)) {
        sheets.add(href);
        await new Promise((done) => document.head.append(Object.assign(document.createElement("link"),
          { rel: "stylesheet", href, onload: done, onerror: done })));
      }
    }
    const source = parsed.querySelector("article.bd-article");
    source.querySelectorAll("script, .headerlink, button, .tag_celda-inicial, details.hide").forEach((e) => e.remove());
    for (const host of source.querySelectorAll("[data-control]")) host.removeAttribute("data-state");

    const own = (id) => `${slug}--${id}`;
    for (const element of source.querySelectorAll("[id]")) element.id = own(element.id);
    for (const name of ["aria-labelledby", "aria-describedby", "for", "headers"])
      for (const element of source.querySelectorAll(`[${name}]`))
        element.setAttribute(name, element.getAttribute(name).split(" ").map(own).join(" "));
    for (const anchor of source.querySelectorAll("a[href]")) {
      const href = anchor.getAttribute("href"), [, file, id] = href.match(/^([\\w-]*)(?:\\.html)?(?:#(.*))?$/) ?? [];
      if (/^(https?|mailto):/.test(href)) continue;
      if (href.startsWith("#")) anchor.href = `#${own(href.slice(1))}`;
      else if (file !== undefined && names.has(file)) anchor.href = id ? `#${file}--${id}` : `#${file}--`;
      else anchor.replaceWith(...anchor.childNodes);
    }

    const chapter = create("section", "capitulo");
    chapter.id = own("");
    chapter.style.page = `c-${slug}`;
    chapter.append(...source.childNodes);

    // Las respuestas pasan al final; en su lugar queda la página en que están.
    const kept = create("section", "respuestas", create("h2", "", answers));
    kept.id = own("respuestas-y-soluciones");
    let count = 0;
    const answer = (name, from, ...content) => {
      count += 1;
      const there = own(`respuesta-${count}`), here = own(`pregunta-${count}`);
      from.id = here;
      const back = create("p", "nombre", link(here, `${count}. ${name}`), " (de la página ", page(here), ")");
      const box = create("div", "respuesta", back, ...content);
      box.id = there;
      kept.append(box);
      return [link(there, `${name} ${count}`), ", en la página ", page(there)];
    };
    const outer = [...chapter.querySelectorAll("details")].filter((d) => !d.parentElement.closest("details"));
    for (const details of outer) {
      if (!details.isConnected && !chapter.contains(details)) continue;
      const group = [details];
      while (group.at(-1).nextElementSibling?.tagName === "DETAILS") group.push(group.at(-1).nextElementSibling);
      const summaries = group.map((d) => d.querySelector("summary"));
      const place = create("p", "ver-respuesta");
      if (group.length > 1) {
        const options = create("ul", "opciones"), verdicts = [];
        group.forEach((option, i) => {
          const letter = `${"abcdefghij"[i]}) `;
          options.append(create("li", "", letter, ...summaries[i].childNodes));
          summaries[i].remove();
          option.querySelector("p")?.prepend(letter);
          verdicts.push(...option.childNodes);
        });
        details.before(options, place);
        place.append(...answer("Respuesta", place, ...verdicts));
        group.forEach((option) => option.remove());
      } else {
        const name = summaries[0].textContent.trim();
        summaries[0].remove();
        details.before(place);
        place.append(...answer(name, place, ...details.childNodes));
        details.remove();
      }
    }
    for (const nested of kept.querySelectorAll("details")) nested.open = true;
    if (count) chapter.append(kept);
    articles.append(chapter);

    if (caption !== part) {
      part = caption;
      if (caption) entries.append(create("p", "parte", caption));
      list = null;
    }
    if (!list) entries.append(list = create("ol", ""));
    const inside = create("ol", "");
    for (const heading of chapter.querySelectorAll("h2")) {
      const target = heading.closest("section[id]").id;
      inside.append(create("li", "", link(target, create("span", "", heading.textContent.trim()), page(target))));
    }
    const entry = create("li", "capitulo-indice", link(own(""), create("span", "", title), page(own(""))));
    if (inside.children.length) entry.append(inside);
    list.append(entry);
  }

  // Lo corto no se parte; lo largo, sí, sin dejar huecos. Una línea que presenta lo siguiente no se queda sola.
  for (const block of articles.querySelectorAll(".cell_input, .cell_output > .output, div.highlight, .control-static")) {
    const lines = block.textContent.split("\\n").length;
    if (lines <= 24) block.classList.add("junto");
  }
  for (const text of articles.querySelectorAll("p"))
    if (/:$/.test(text.textContent.trim()) && text.textContent.length < 200) text.classList.add("sigue");
  for (const image of articles.querySelectorAll("img")) image.loading = "eager";

  const frame = create("div", "bd-article-container", toc, articles);
  const main = create("main", "bd-main", create("div", "bd-content", frame));
  document.body.replaceChildren(main);
  toc.insertAdjacentHTML("beforebegin", cover);
  document.head.append(create("style", "", style));
  if (window.MathJax?.typesetPromise) {
    await MathJax.startup.promise;
    MathJax.typesetClear();
    await MathJax.typesetPromise();
  }
  await Promise.all([...document.images].map((image) => image.decode().catch(() => {})));
  await document.fonts.ready;
}
"""
# Las palabras de la prosa, y ponerles después los guiones discretos. El código, las fórmulas y lo que va en cursiva no.
PROSE = """
  const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  const prose = [];
  while (walker.nextNode()) {
    const parent = walker.currentNode.parentElement;
    if (parent.closest("p, li, dd, td") && !parent.closest("code, pre, em, i, mjx-container, .math, svg, h1, h2, h3, .cubierta"))
      prose.push(walker.currentNode);
  }
  const word = /\\p{L}{6,}/gu;
"""
READ_WORDS = (
    "() => {" + PROSE + " return [...new Set(prose.flatMap((node) => node.data.match(word) ?? []))]; }"
)
HYPHENATE = (
    "(parts) => {"
    + PROSE
    + " for (const node of prose) node.data = node.data.replace(word, (one) => parts[one] ?? one); }"
)
# Los capítulos con sus secciones, como quedan en el índice: [[destino, título, [[destino, título]…]]…].
READ_INDEX = """
() => {
  const entry = (item) => {
    const link = item.querySelector("a");
    return [decodeURIComponent(link.hash.slice(1)), link.querySelector("span").textContent];
  };
  return [...document.querySelectorAll(".capitulo-indice")].map((chapter) =>
    [...entry(chapter), [...chapter.querySelectorAll("li")].map(entry)]);
}
"""
FILL_PAGES = """
(pages) => {
  for (const place of document.querySelectorAll(".pagina")) {
    const number = pages[place.title];
    place.textContent = number ?? "?";
    place.removeAttribute("title");
  }
}
"""


def slug_of(document):
    """Nombre corto de un documento: `book/datos` → `datos`."""
    return document.rpartition("/")[2]


def page_title(page_html):
    """El título de una página construida, como texto."""
    found = re.search(r'<h1[^>]*>((?:(?!</h1>).)*?)<a class="headerlink"', page_html, re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", "", found[1])).strip() if found else ""


def css_text(text):
    """Un texto dentro de comillas de CSS."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


def print_book(site, title, author, contents):
    """Imprime el libro dos veces con Chromium y devuelve los bytes del PDF definitivo y su índice (`READ_INDEX`).

    Argumentos:
        site: carpeta del sitio construido.
        title, author: los del libro.
        contents: lista de (parte, documentos), como la de `read_contents`.
    """
    sys.path.insert(0, str(ROOT / "tests"))
    from browsers import chromium

    chapters = []
    for caption, names in contents:
        for name in names:
            text = (site / f"{name}.html").read_text(encoding="utf-8")
            chapters.append(
                {
                    "slug": slug_of(name),
                    "name": name,
                    "text": text,
                    "title": page_title(text),
                    "caption": caption,
                }
            )
    pages = "".join(
        CHAPTER_PAGE.format(
            page=f"c-{chapter['slug']}", title=css_text(title), chapter=css_text(chapter["title"])
        )
        for chapter in chapters
    )
    options = {"prefer_css_page_size": True, "print_background": True, "tagged": True}
    # Se abre una página con fórmulas: trae el programa que las compone.
    first = next((chapter for chapter in chapters if "mathjax/" in chapter["text"]), chapters[0])
    with chromium(offline=True) as browser:
        page = browser.new_page(locale="es", viewport={"width": 794, "height": 1123}, color_scheme="light")
        page.set_default_timeout(300_000)
        page.add_init_script(KEEP_FIGURES)
        page.goto((site / f"{first['name']}.html").as_uri(), wait_until="load")
        page.emulate_media(media="print")
        page.evaluate(
            ASSEMBLE,
            {
                "chapters": chapters,
                "cover": COVER.format(title=html.escape(title), author=html.escape(author)),
                "style": STYLE.replace("%(chapters)s", pages),
                "answers": ANSWERS,
            },
        )
        page.evaluate("title => { document.title = title; }", title)
        page.evaluate(HYPHENATE, {word: hyphenate(word) for word in page.evaluate(READ_WORDS)})
        index = page.evaluate(READ_INDEX)
        page.evaluate(FILL_PAGES, destinations(page.pdf(**options)))
        return page.pdf(**options), index


def destinations(content):
    """Página (desde 1) de cada destino con nombre de un PDF."""
    from pypdf import PdfReader

    reader = PdfReader(io.BytesIO(content))
    return {
        name.lstrip("/"): reader.get_destination_page_number(destination) + 1
        for name, destination in reader.named_destinations.items()
    }


def clean(text):
    """Un título en una línea y sin guiones discretos."""
    return re.sub(r"\s+", " ", text.replace("\u00ad", "")).strip()


def pack(content):
    """El mismo PDF con sus objetos comprimidos de cien en cien: las etiquetas de accesibilidad son decenas de miles.

    Fuente: ISO 32000-1, 7.5.7 (flujos de objetos) y 7.5.8 (tabla de referencias en un flujo).
    """
    from pypdf import PdfReader
    from pypdf.generic import IndirectObject, StreamObject

    reader = PdfReader(io.BytesIO(content))
    size = 1 + max(max(reader.xref[0]), *reader.xref_objStm, 0)
    plain, output, table = [], bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"), {0: (0, 0, 65535)}

    def add_stream(number, dictionary, data):
        table[number] = (1, len(output), 0)
        output.extend(
            f"{number} 0 obj\n<<{dictionary}/Filter/FlateDecode/Length {len(data)}>>\nstream\n".encode()
        )
        output.extend(data + b"\nendstream\nendobj\n")

    for number in range(1, size):
        value = reader.get_object(IndirectObject(number, 0, reader))
        if value is None:
            continue
        written = io.BytesIO()
        value.write_to_stream(written)
        if isinstance(value, StreamObject):
            table[number] = (1, len(output), 0)
            output.extend(f"{number} 0 obj\n".encode() + written.getvalue() + b"\nendobj\n")
        else:
            plain.append((number, written.getvalue()))
    for place in range(0, len(plain), TOGETHER):
        group, offset, index = plain[place : place + TOGETHER], 0, []
        for position, (number, text) in enumerate(group):
            index.append(f"{number} {offset}")
            table[number] = (2, size, position)
            offset += len(text) + 1
        head = (" ".join(index) + "\n").encode()
        body = zlib.compress(head + b"\n".join(text for _, text in group) + b"\n", 9)
        add_stream(size, f"/Type/ObjStm/N {len(group)}/First {len(head)}", body)
        size += 1
    start, size = len(output), size + 1
    table[size - 1] = (1, start, 0)
    rows = b"".join(
        kind.to_bytes(1, "big") + where.to_bytes(4, "big") + more.to_bytes(2, "big")
        for kind, where, more in (table.get(number, (0, 0, 0)) for number in range(size))
    )
    root, info = (reader.trailer.raw_get(name).idnum for name in ("/Root", "/Info"))
    add_stream(
        size - 1, f"/Type/XRef/Size {size}/W[1 4 2]/Root {root} 0 R/Info {info} 0 R", zlib.compress(rows, 9)
    )
    return bytes(output) + f"startxref\n{start}\n%%EOF\n".encode()


def make_pdf(target, root=ROOT, site=None):
    """Escribe en `target` el libro en un solo PDF etiquetado, con partes, capítulos y secciones como marcadores.

    Lanza:
        PackagingError: si falta el sitio o pypdf, si un enlace lleva al disco de quien lo hizo, o si pesa más de lo prometido.
    """
    try:
        from pypdf import PdfReader, PdfWriter
        from pypdf.generic import NameObject, TextStringObject
    except ModuleNotFoundError:
        raise PackagingError(
            "Falta pypdf, que pone los marcadores. Instálalo con: pip install -e '.[pruebas]'"
        ) from None
    site = Path(site or root / "_build" / "html")
    require_site(site)
    title, contents = read_contents(root)
    author = f"Autores de «{title}»"
    content, chapters = print_book(site, title, author, contents)
    pages, writer = destinations(content), PdfWriter(clone_from=PdfReader(io.BytesIO(content)))
    writer.add_outline_item(title=title, page_number=0)
    writer.add_outline_item(title="Índice", page_number=1)
    pending = iter(chapters)
    for part, names in contents:
        parent = None
        for _ in names:
            target_name, name, sections = next(pending)
            first = pages[target_name] - 1
            if part and parent is None:
                parent = writer.add_outline_item(title=part, page_number=first)
            chapter = writer.add_outline_item(title=clean(name), page_number=first, parent=parent)
            for place, section in sections:
                writer.add_outline_item(title=clean(section), page_number=pages[place] - 1, parent=chapter)
    writer.add_metadata({"/Title": title, "/Author": author})
    writer.root_object[NameObject("/Lang")] = TextStringObject("es")
    writer.page_mode = "/UseOutlines"
    target.parent.mkdir(parents=True, exist_ok=True)
    written = io.BytesIO()
    writer.write(written)
    target.write_bytes(pack(written.getvalue()))
    size = target.stat().st_size
    if size > MAXIMUM_PDF:
        raise PackagingError(
            f"El PDF pesa {size / 1e6:.1f} MB y no debe pasar de {MAXIMUM_PDF / 1e6:.0f} MB: {target}"
        )
    return target
