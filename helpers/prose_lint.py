"""Las palabras del libro: que sean las del glosario, que estén bien escritas y que se expliquen antes de usarse.

    python -m helpers.prose_lint comprobar      dice todas las faltas
    python -m helpers.prose_lint enlaces        lista los enlaces externos, con las páginas que los llevan

Cuatro comprobaciones, que `make lint` y `make test` hacen enteras:

- **Glosario.** `book/glosario.md` tiene una fila por sentido. En su columna «Evita», las palabras en **negrita** no se
  usan nunca, en singular ni en plural, y las que van en *cursiva* dependen del sentido. Aquí se buscan las primeras en la
  prosa (celdas Markdown y páginas `.md`), en las cadenas y los comentarios de las celdas de código, en las cadenas de
  `helpers` (etiquetas, mensajes, controles, también los de JavaScript) y en sus docstrings.
- **Ortografía.** La prosa, los comentarios de las celdas, las docstrings y las etiquetas y mensajes de varias palabras
  pasan por hunspell con el diccionario de español de Debian. Se dan por buenos los verbos con pronombre detrás (júzgala,
  fiarlo), las palabras de la columna inglesa del glosario y las de `book/prosa.toml`.
- **Primera mención.** En el orden de `_toc.yml`, un término no sale antes del capítulo que lo explica, según el
  glosario, salvo en un párrafo (o elemento de lista, o fila de tabla) que enlace al glosario o a ese capítulo. Basta
  con la primera vez; la portada, que enseña el libro entero, se mira aparte de los capítulos.
- **Enlaces externos.** Todos con https, bien formados y con un solo texto por dirección en cada página.

Las excepciones están en `book/prosa.toml`, cada una con su razón; una que ya no hace falta también es una falta.

Lo que NO comprueba:

- El sentido. No sabe si «precisión» quiere decir *accuracy*, si «núcleo» es de procesador o de convolución ni si
  «relleno» es el modo de relleno: por eso esas palabras van en cursiva en el glosario y las mira una persona.
- El género y las conjugaciones: el sustantivo de la memoria es una falta donde debe decir *exhaustividad*; el verbo, no.
- La gramática, la concordancia ni las tildes que distinguen dos palabras que existen (*solo*, *esta*, *mas*).
- Lo que va entre etiquetas `lang="en"`, que está en inglés (los textos de las licencias).
- Las palabras del código, de las fórmulas, de los comentarios de `helpers` y de las salidas guardadas, ni la ortografía
  de las etiquetas de una sola palabra: se confunden con nombres de archivos, de estilos y de opciones.
- Que la explicación de un capítulo sea buena o vaya antes del primer uso dentro de ese mismo capítulo, ni los términos
  de la lista `corrientes` de `book/prosa.toml`, que son también palabras de todos los días.
- Que un enlace externo responda: no usa la red.
"""

import argparse
import ast
import io
import json
import re
import shutil
import subprocess
import sys
import tokenize
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from helpers._toml import read_toml
from helpers.prose_numbers import HIDDEN, Problem, mask, read_document

ROOT = Path(__file__).resolve().parent.parent
GLOSSARY = Path("book", "glosario.md")
ALLOWED = Path("book", "prosa.toml")
DICTIONARY = "es_ES"
HOW_TO_INSTALL = (
    "En Debian y Ubuntu: sudo apt install hunspell hunspell-es. En macOS: brew install hunspell, y es_ES.aff y "
    "es_ES.dic (los de LibreOffice) en ~/Library/Spelling."
)

_ROW = re.compile(r"^\| \*\*.*\|[ \t]*$", re.MULTILINE)
_BOLD = re.compile(r"(?<!\*)\*\*(?!\*)(.+?)(?<!\*)\*\*(?!\*)")
_ITALIC = re.compile(r"(?<![\w*])\*(?![\s*])([^*\n]+(?:\n[^*\n]+)?)(?<!\s)\*(?![\w*])")
_LINK = re.compile(r"\]\(([\w.-]+)(?:#[^)]*)?\)")
_WORD = re.compile(r"[^\W\d_]+")
_HIDDEN_WORD = re.compile(rf"[\w{HIDDEN}.]*{HIDDEN}[\w{HIDDEN}.]*")


class ProseError(ValueError):
    """Falta hunspell, o el glosario o `book/prosa.toml` no tienen la forma que deben."""


@dataclass(frozen=True)
class Term:
    """Una fila del glosario.

    Argumentos:
        name: el término, sin marcas ni aclaración: «sesgo».
        english: sus nombres en inglés.
        taught: capítulos que lo explican, como nombres de archivo sin extensión; vacío si lo explica el glosario.
        never: palabras que el libro no usa nunca en su lugar.
        why: la celda «Evita», entera.
    """

    name: str
    english: tuple[str, ...]
    taught: tuple[str, ...]
    never: tuple[str, ...]
    why: str


@dataclass(frozen=True)
class Text:
    """Un trozo de texto que alguien lee.

    Argumentos:
        file: nombre del archivo.
        place: lugar que se dice en los mensajes.
        kind: «prosa», «cadena», «comentario» o «docstring».
        text: el texto, con el código y las fórmulas tapados.
        line: línea en que empieza.
    """

    file: str
    place: str
    kind: str
    text: str
    line: int = 1

    def where(self, position: int) -> str:
        """El lugar de una posición del texto, con su línea."""
        return f"{self.place}, línea {self.line + self.text.count(chr(10), 0, position)}"


# --- El glosario ---------------------------------------------------------------------------------------------


def _plain(cell: str) -> str:
    return re.sub(r"\s*\(.*?\)", "", cell).replace("*", "").strip()


def read_glossary(markdown: str) -> tuple[Term, ...]:
    """Las filas de la tabla del glosario.

    Lanza:
        ProseError: si no hay ninguna o a alguna le faltan celdas.
    """
    terms = []
    for found in _ROW.finditer(markdown):
        cells = [cell.strip() for cell in found.group(0).strip().strip("|").split("|")]
        if len(cells) != 5:
            raise ProseError(f"la fila «{_plain(cells[0])}» del glosario no tiene cinco celdas.")
        terms.append(
            Term(
                name=_plain(cells[0]),
                english=tuple(name.strip() for name in cells[1].replace("*", "").split(",")),
                taught=tuple(Path(name).stem for name in _LINK.findall(cells[3])),
                never=tuple(_BOLD.findall(cells[4])),
                why=cells[4].replace("*", ""),
            )
        )
    if not terms:
        raise ProseError("el glosario no tiene ninguna fila que empiece por «| **».")
    return tuple(terms)


def _word_pattern(word: str) -> str:
    if len(word) <= 3:  # de, del, la, por: no varían
        return re.escape(word)
    for singular, both in (("ón", "(?:ón|ones)"), ("z", "(?:z|ces)")):
        if word.endswith(singular):
            return re.escape(word.removesuffix(singular)) + both
    return re.escape(word) + ("s?" if word[-1] in "aeiouáéíóú" else "(?:e?s)?")


def word_pattern(phrase: str) -> re.Pattern:
    """Expresión que encuentra una palabra o varias seguidas, en singular o en plural, con cualquier espacio entre ellas."""
    words = (_word_pattern(word) for word in phrase.split())
    return re.compile(r"(?<![\w-])" + r"[\s>]+".join(words) + r"(?![\w-])", re.IGNORECASE)


def _blank(found: re.Match) -> str:
    return re.sub(r"[^\n]", HIDDEN, found.group(0))


def check_words(texts: Iterable[Text], terms: Iterable[Term]) -> list[tuple[Problem, Text, str]]:
    """Las palabras que el glosario dice que no se usan nunca.

    Un nombre inglés del glosario en cursiva se acepta: así se dice qué palabra se encontrará en otros libros.

    Devuelve:
        Una terna por falta: el problema, el texto en que está y la frase en que aparece.
    """
    terms = tuple(terms)
    english = {name.lower() for term in terms for name in term.english}
    patterns = [(term, word_pattern(word)) for term in terms for word in term.never]
    found_problems = []
    for text in texts:
        without_english = _ITALIC.sub(
            lambda found: _blank(found) if " ".join(found[1].lower().split()) in english else found[0],
            text.text,
        )
        for term, pattern in patterns:
            for found in pattern.finditer(without_english):
                if word_pattern(term.name).fullmatch(
                    found.group(0)
                ):  # «normalización por lotes», plural de otra
                    continue
                message = f"«{found.group(0)}»: el glosario pide «{term.name}» ({term.why})."
                line = text.text[
                    text.text.rfind("\n", 0, found.start()) + 1 : (text.text + "\n").find("\n", found.end())
                ]
                found_problems.append((Problem(text.where(found.start()), message), text, line))
    return found_problems


# --- De dónde salen los textos ---------------------------------------------------------------------------------

_ENGLISH = re.compile(r"<(\w+) lang=\"en\">.*?</\1>", re.DOTALL)
_INLINE_CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
_NAMES = re.compile(
    r"^[ \t]*\w+(?:, \w+)*(?=:)|(?:\b\w+\.)+\w+|\b\w+(?==|\()|(?<=/)\w+|\w+(?=/)|(?<=\[)\w+(?=[:\]])",
    re.MULTILINE | re.ASCII,
)
"""Nombres que una docstring o un mensaje escriben sin comillas invertidas: argumentos, módulos, llamadas y rutas."""
_JS_TOKEN = re.compile(
    r"//[^\n]*|/\*.*?\*/|(?P<string>\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)", re.DOTALL
)


def _hide_names(text: str) -> str:
    return _NAMES.sub(_blank, _INLINE_CODE.sub(_blank, text))


def _is_sentence(text: str) -> bool:
    """Si una cadena parece para personas: tiene espacios o alguna letra que no es ASCII."""
    return " " in text.strip() or not text.isascii()


def _without_last_cell(row: re.Match) -> str:
    return row[0].rstrip().removesuffix("|").rpartition("|")[0] + "|"


def prose_texts(path: Path, markdown: str | None = None) -> list[Text]:
    """La prosa de un cuaderno o de una página, con el código y las fórmulas tapados.

    En el glosario se tapa la columna «Evita», que nombra a propósito lo que no se usa.
    """
    path = Path(path)
    document = ((path.name, markdown),) if markdown is not None else read_document(path).texts
    texts = []
    for place, text in document:
        if path.name == GLOSSARY.name:
            text = _ROW.sub(_without_last_cell, text)
        texts.append(Text(path.name, place, "prosa", mask(_ENGLISH.sub(_blank, text))))
    return texts


def python_texts(source: str, file: str, *, comments: bool = False) -> list[Text]:
    """Las docstrings y las cadenas para personas de un programa, y sus comentarios si se piden.

    Argumentos:
        source: el código.
        file: nombre con que se cita.
        comments: incluir los comentarios.
    """
    tree = ast.parse(source)
    docstrings, texts = set(), []
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        # También las cadenas sueltas que describen la constante de la línea anterior.
        for statement in body if isinstance(body, list) else ():
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                docstrings.add(id(statement.value))
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            continue
        kind = "docstring" if id(node) in docstrings else "cadena"
        if kind == "docstring" or _is_sentence(node.value):
            texts.append(Text(file, file, kind, _hide_names(node.value), node.lineno))
    if comments:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                text = _hide_names(token.string)
                texts.append(Text(file, file, "comentario", text, token.start[0]))
    return texts


def _decode(literal: str) -> str:
    literal = re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), literal)
    return re.sub(r"\\[nrt]", " ", literal)


def javascript_texts(source: str, file: str) -> list[Text]:
    """Las cadenas para personas de un archivo JavaScript."""
    texts = []
    for found in _JS_TOKEN.finditer(source):
        if found["string"] and _is_sentence(found["string"]):
            text = _hide_names(re.sub(r"\$\{[^}]*\}|`", _blank, _decode(found["string"])))
            texts.append(Text(file, file, "cadena", text, 1 + source.count("\n", 0, found.start())))
    return texts


def code_cell_texts(path: Path) -> list[Text]:
    """Las cadenas y los comentarios de las celdas de código de un cuaderno."""
    texts = []
    for n, cell in enumerate(json.loads(Path(path).read_text(encoding="utf-8"))["cells"], start=1):
        if cell["cell_type"] == "code":
            source = cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])
            for text in python_texts(source, path.name, comments=True):
                texts.append(Text(path.name, f"{path.name}, celda {n}", text.kind, text.text, text.line))
    return texts


def find_prose(root: Path = ROOT) -> list[Path]:
    """Los cuadernos y páginas del libro y los `.md` de la raíz."""
    return sorted([*(root / "book").glob("*.ipynb"), *(root / "book").glob("*.md"), *root.glob("*.md")])


def read_texts(root: Path = ROOT) -> list[Text]:
    """Todo lo que el proyecto da a leer: prosa, cadenas, comentarios de las celdas y docstrings."""
    texts = []
    for path in find_prose(root):
        texts += prose_texts(path)
        if path.suffix == ".ipynb":
            texts += code_cell_texts(path)
    for path in sorted((root / "helpers").rglob("*.py")):
        texts += python_texts(path.read_text(encoding="utf-8"), path.relative_to(root).as_posix())
    for path in sorted((root / "helpers").rglob("*.js")):
        texts += javascript_texts(path.read_text(encoding="utf-8"), path.relative_to(root).as_posix())
    return texts


# --- Las excepciones -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Quote:
    """Un trozo de texto en que una palabra evitada, o un término aún no explicado, está a propósito."""

    file: str
    fragments: tuple[str, ...]


@dataclass(frozen=True)
class Exceptions:
    """Lo que dice `book/prosa.toml`.

    Argumentos:
        quotes: dónde se citan a propósito palabras que el glosario evita.
        words: palabras bien escritas que el diccionario no tiene.
        first_use: menciones de pasada, antes del capítulo que explica el término.
        everyday: términos que también son palabras corrientes y no se buscan en la primera mención.
    """

    quotes: tuple[Quote, ...] = ()
    words: frozenset[str] = frozenset()
    first_use: tuple[Quote, ...] = ()
    everyday: frozenset[str] = frozenset()


_KEYS = {
    "cita": {"archivo", "textos"},
    "mencion": {"archivo", "textos"},
    "ortografia": {"palabras"},
    "corrientes": {"terminos"},
}


def parse_exceptions(data: dict) -> Exceptions:
    """Lee las excepciones.

    Lanza:
        ProseError: si una tabla o una clave no existe, o si falta la razón.
    """
    for table, groups in data.items():
        if table not in _KEYS:
            raise ProseError(f"book/prosa.toml no tiene tablas «{table}»: hay {', '.join(_KEYS)}.")
        for group in groups:
            if not str(group.get("razon", "")).strip():
                raise ProseError(f"book/prosa.toml: a un grupo de [[{table}]] le falta su razon.")
            if group.keys() - {"razon"} != _KEYS[table]:
                raise ProseError(
                    f"book/prosa.toml: un grupo de [[{table}]] lleva razon, {', '.join(sorted(_KEYS[table]))}."
                )

    def quotes(table):
        return tuple(Quote(group["archivo"], tuple(group["textos"])) for group in data.get(table, ()))

    def union(table, key):
        return frozenset(word for group in data.get(table, ()) for word in group[key])

    return Exceptions(
        quotes("cita"), union("ortografia", "palabras"), quotes("mencion"), union("corrientes", "terminos")
    )


def load_exceptions(path: Path = ROOT / ALLOWED) -> Exceptions:
    """Lee `book/prosa.toml`.

    Lanza:
        ProseError: si falta, no es TOML o no tiene la forma que debe.
    """
    return parse_exceptions(read_toml(path, ProseError))


def _squeeze(text: str) -> str:
    return " ".join(text.split())


def _excused(quotes: Iterable[Quote], file: str, passage: str) -> set[tuple[str, str]]:
    passage = _squeeze(passage)
    return {
        (quote.file, fragment)
        for quote in quotes
        if quote.file == file
        for fragment in quote.fragments
        if _squeeze(fragment) in passage
    }


def _unused(quotes: Iterable[Quote], used: set, table: str) -> list[Problem]:
    return [
        Problem(
            "book/prosa.toml",
            f"[[{table}]] «{fragment}» no está en {quote.file}, o ya no hace falta: sobra.",
        )
        for quote in quotes
        for fragment in quote.fragments
        if (quote.file, fragment) not in used
    ]


def glossary_problems(
    texts: Iterable[Text], terms: Iterable[Term], quotes: Iterable[Quote] = ()
) -> list[Problem]:
    """Las palabras evitadas que no están entre las citas, y las citas que sobran."""
    quotes, used, problems = tuple(quotes), set(), []
    for problem, text, line in check_words(texts, terms):
        excused = _excused(quotes, text.file, line)
        used |= excused
        if not excused:
            problems.append(problem)
    return problems + _unused(quotes, used, "cita")


# --- La ortografía ---------------------------------------------------------------------------------------------


def find_misspelled(words: Iterable[str]) -> set[str]:
    """Las palabras que hunspell no reconoce como españolas.

    Lanza:
        ProseError: si falta hunspell o su diccionario, con cómo instalarlos.
    """
    program = shutil.which("hunspell")
    if program is None:
        raise ProseError(f"falta hunspell, que revisa la ortografía. {HOW_TO_INSTALL}")
    run = subprocess.run(
        [program, "-d", DICTIONARY, "-i", "utf-8", "-l"],
        input="\n".join(sorted(set(words))) + "\n",
        capture_output=True,
        encoding="utf-8",
    )
    if run.returncode != 0:
        raise ProseError(
            f"hunspell no pudo revisar la ortografía ({run.stderr.strip()}). Puede faltar el diccionario "
            f"{DICTIONARY}. {HOW_TO_INSTALL}"
        )
    return set(run.stdout.split())


_LABEL = re.compile(r"[«¿¡(]*[A-ZÁÉÍÓÚÑ][^{}<>;=_]*\s[^{}<>;=_]*")
"""Una cadena que es una frase o una etiqueta de varias palabras, y no un trozo de estilo, de ruta o de código."""

_PRONOUNS = re.compile(r"(?:me|te|se|nos)?(?:l[ae]s?|los?)|me|te|se|nos", re.IGNORECASE)
_VERB = re.compile(r"\w+(?:[aei]|[aei]r|ndo|mos)", re.IGNORECASE)
_UNACCENTED = str.maketrans("áéíóúÁÉÍÓÚ", "aeiouAEIOU")


def without_pronouns(word: str) -> tuple[str, ...]:
    """Las formas verbales que puede haber en una palabra con pronombres detrás: júzgala → juzga, fiarlo → fiar."""
    cuts = [n for n in range(2, len(word) - 1) if _PRONOUNS.fullmatch(word[n:])]
    verbs = (word[:n].translate(_UNACCENTED) for n in cuts)
    return tuple(verb for verb in verbs if _VERB.fullmatch(verb))


def _words(text: Text) -> list[tuple[str, int]]:
    visible = _HIDDEN_WORD.sub(_blank, text.text)
    return [(found.group(0), found.start()) for found in _WORD.finditer(visible) if len(found.group(0)) > 1]


def spelling_problems(
    texts: Iterable[Text], terms: Iterable[Term] = (), allowed: Iterable[str] = ()
) -> list[Problem]:
    """Las palabras mal escritas, una vez cada una, y las admitidas que sobran.

    Argumentos:
        texts: los textos; de las cadenas, solo las que son frases o etiquetas de varias palabras.
        terms: filas del glosario: sus nombres en inglés se admiten.
        allowed: palabras admitidas. Con minúsculas vale también la que empieza una frase; con mayúsculas, solo así.
    """
    first: dict[str, str] = {}
    for text in texts:
        if text.kind != "cadena" or _LABEL.fullmatch(text.text.strip("\"' \n" + HIDDEN)):
            for word, position in _words(text):
                first.setdefault(word, text.where(position))
    allowed = set(allowed)
    english = {word.lower() for term in terms for name in term.english for word in _WORD.findall(name)}
    unknown = find_misspelled(first)
    verbs = {word: without_pronouns(word) for word in unknown}
    wrong_verbs = find_misspelled(verb for found in verbs.values() for verb in found)
    unknown -= {word for word, found in verbs.items() if set(found) - wrong_verbs}
    problems = [
        Problem(where, f"«{word}» no está en el diccionario: corrígela o admítela en book/prosa.toml.")
        for word, where in first.items()
        if word in unknown
        and word not in allowed
        and word.lower() not in allowed
        and word.lower() not in english
    ]
    seen = first.keys() | {word.lower() for word in first}
    return problems + [
        Problem("book/prosa.toml", f"[[ortografia]] «{word}» no sale en ningún texto: sobra.")
        for word in sorted(allowed - seen)
    ]


# --- La primera mención ------------------------------------------------------------------------------------------


def reading_order(root: Path = ROOT) -> list[Path]:
    """Los documentos en el orden de `_toc.yml`, que es el de lectura."""
    toc = (root / "_toc.yml").read_text(encoding="utf-8")
    paths = []
    for name in re.findall(r"^\s*(?:-\s+file|root):\s*(book/\S+)\s*$", toc, re.MULTILINE):
        notebook, page = root / f"{name}.ipynb", root / f"{name}.md"
        paths.append(notebook if notebook.exists() else page)
    return paths


def _blocks(text: str) -> list[str]:
    """Párrafos, elementos de lista y filas de tabla."""
    return [
        block for block in re.split(r"\n[ \t>]*\n|\n(?=[ \t>]*(?:[-*+]|\d+\.|\||#+) )", text) if block.strip()
    ]


def first_use_problems(
    documents: Iterable[tuple[str, Iterable[str]]],
    terms: Iterable[Term],
    mentions: Iterable[Quote] = (),
    everyday: Iterable[str] = (),
) -> list[Problem]:
    """Los términos que salen antes de que se expliquen, y las excepciones que sobran.

    Argumentos:
        documents: pares (archivo, textos Markdown), en orden de lectura.
        terms: filas del glosario.
        mentions: menciones de pasada que se admiten.
        everyday: términos que no se buscan, por ser también palabras corrientes.
    """
    documents = [(name, list(texts)) for name, texts in documents]
    order = {Path(name).stem: n for n, (name, _) in enumerate(documents)}
    mentions, everyday = tuple(mentions), set(everyday)
    problems, used = [], set()
    names = {term.name for term in terms}
    problems += [
        Problem("book/prosa.toml", f"[[corrientes]] «{name}» no está en el glosario: sobra.")
        for name in sorted(everyday - names)
    ]
    taught: dict[str, set[str]] = {}
    for term in terms:  # los sentidos de una misma palabra no se distinguen: vale el primero que se explique
        taught.setdefault(term.name, set()).update(term.taught)
    for name in sorted(names - everyday):
        places = [order[slug] for slug in taught[name] if slug in order]
        limit = min(places, default=len(documents))
        pattern = word_pattern(name)
        linked = taught[name] | {GLOSSARY.stem}
        for file, texts in documents[:limit]:
            if Path(file).stem == GLOSSARY.stem:
                break
            hits = [block for text in texts for block in _blocks(text) if pattern.search(_visible(block))]
            if not hits:
                continue
            if not linked & {Path(target).stem for target in _LINK.findall(hits[0])}:
                excused = _excused(mentions, file, hits[0])
                used |= excused
                if not excused:
                    where = " o ".join(sorted(taught[name])) or "explicarse"
                    problems.append(
                        Problem(
                            file,
                            f"«{name}» sale antes de {where}: enlaza al glosario, o pon la mención con su razón "
                            f"en book/prosa.toml: «{_squeeze(hits[0])[:90]}».",
                        )
                    )
            # La portada es un escaparate: lo que presenta se vuelve a presentar en los capítulos.
            if file != documents[0][0]:
                break
    return problems + _unused(mentions, used, "mencion")


def _visible(block: str) -> str:
    return mask(block).replace("*", "")


# --- Los enlaces externos ----------------------------------------------------------------------------------------

_INLINE_LINK = re.compile(
    r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(\s*(https?:[^)]*?|www\.[^)]*?|//[^)]*?)\s*\)"
)
_BARE_LINK = re.compile(r"(?<![(\w\"'=])<?(https?://[^\s<>\"'|]+)")
_BIB_LINK = re.compile(r"^\s*(?:url|howpublished)\s*=\s*[{\"](?:\\url\{)?([^}\"]+)", re.MULTILINE)


@dataclass(frozen=True)
class ExternalLink:
    """Un enlace hacia fuera del libro: dónde está, su dirección y su texto (vacío si es la propia dirección)."""

    file: str
    address: str
    label: str


def find_external_links(text: str, file: str) -> list[ExternalLink]:
    """Los enlaces externos de un texto Markdown o de una bibliografía BibTeX, fuera del código."""
    if file.endswith(".bib"):
        return [ExternalLink(file, found.strip(), "") for found in _BIB_LINK.findall(text)]
    text = re.sub(r"^[ \t>]*(`{3,}|~{3,}).*?^[ \t>]*\1[ \t]*$", "", text, flags=re.MULTILINE | re.DOTALL)
    text = _INLINE_CODE.sub(_blank, text)
    links = [ExternalLink(file, found[2], _squeeze(found[1])) for found in _INLINE_LINK.finditer(text)]
    rest = _INLINE_LINK.sub("", text)
    return links + [ExternalLink(file, found.rstrip(".,;:)»"), "") for found in _BARE_LINK.findall(rest)]


def link_problems(links: Iterable[ExternalLink]) -> list[Problem]:
    """Los enlaces mal formados, y las direcciones que una misma página nombra de dos maneras."""
    problems, labels = [], {}
    for link in links:
        parts = urlsplit(link.address)
        wrong = []
        if parts.scheme != "https":
            wrong.append("no empieza por https://")
        if re.search(r"\s", link.address):
            wrong.append("lleva espacios")
        if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+(:\d+)?", parts.netloc.lower()):
            wrong.append("no tiene un servidor válido")
        if link.address != link.address.rstrip(".,;:"):
            wrong.append("acaba en un signo de puntuación")
        problems += [Problem(link.file, f"el enlace {link.address} {reason}.") for reason in wrong]
        if link.label:
            known = labels.setdefault((link.file, link.address), link.label)
            if known != link.label:
                problems.append(
                    Problem(link.file, f"{link.address} se llama «{known}» y «{link.label}»: usa un nombre.")
                )
    return problems


def external_links(root: Path = ROOT) -> list[ExternalLink]:
    """Los enlaces externos de la prosa y de la bibliografía."""
    links = []
    for path in find_prose(root):
        for _, text in read_document(path).texts:
            links += find_external_links(text, path.name)
    bibliography = root / "book" / "references.bib"
    return links + find_external_links(bibliography.read_text(encoding="utf-8"), bibliography.name)


# --- El libro entero -------------------------------------------------------------------------------------------


def find_problems(root: Path = ROOT) -> list[Problem]:
    """Todas las faltas del proyecto."""
    terms = read_glossary((root / GLOSSARY).read_text(encoding="utf-8"))
    exceptions = load_exceptions(root / ALLOWED)
    texts = read_texts(root)
    order = [(path.name, [text for _, text in read_document(path).texts]) for path in reading_order(root)]
    return [
        *glossary_problems(texts, terms, exceptions.quotes),
        *spelling_problems(texts, terms, exceptions.words),
        *first_use_problems(order, terms, exceptions.first_use, exceptions.everyday),
        *link_problems(external_links(root)),
    ]


def run_check(root: Path = ROOT) -> int:
    """Dice todas las faltas del proyecto."""
    problems = find_problems(root)
    for problem in problems:
        print(problem, file=sys.stderr)
    print(
        "Palabras, ortografía, primeras menciones y enlaces: "
        + ("hay faltas" if problems else "todo en orden")
    )
    return int(bool(problems))


def run_links(root: Path = ROOT) -> int:
    """Lista los enlaces externos, cada uno con las páginas que lo llevan."""
    pages: dict[str, set[str]] = {}
    for link in external_links(root):
        pages.setdefault(link.address, set()).add(link.file)
    for address, files in sorted(pages.items()):
        print(f"{address}  ({', '.join(sorted(files))})")
    return 0


def main(arguments=None) -> int:
    """Punto de entrada de `python -m helpers.prose_lint`."""
    parser = argparse.ArgumentParser(
        prog="python -m helpers.prose_lint", description="Cuida las palabras del libro."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="ORDEN")
    commands.add_parser("comprobar", help="dice todas las faltas")
    commands.add_parser("enlaces", help="lista los enlaces externos y las páginas que los llevan")
    chosen = parser.parse_args(arguments).command
    try:
        return run_check() if chosen == "comprobar" else run_links()
    except ProseError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
