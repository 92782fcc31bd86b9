"""Los números de la prosa: de qué registro sale cada uno, y que siga siendo verdad.

    python -m helpers.prose_numbers comprobar      dice qué números no concuerdan o no están justificados
    python -m helpers.prose_numbers reescribir     pone en la prosa los valores de los registros

Un número medido lleva detrás una marca, que es un comentario de HTML y por eso no se ve en la página, en JupyterLab
ni en Colab:

    La red acierta 0.874<!-- dato: baseline-fashion-s0 /best/test/accuracy .3f --> de las imágenes.

La marca tiene tres partes: REGISTRO PUNTERO FORMATO.

- REGISTRO: `baseline-s0` es el archivo `baseline-s0.json` de `book/results/`. Sobre todas las semillas registradas de un
  experimento: `baseline@media`, `baseline@dispersion` (desviación típica de la muestra, con n − 1), `baseline@min` y
  `baseline@max`. `rendimiento` es la medida de la página Rendimiento: `/entrenamiento/batch_512` es el valor de esa parte
  y esa cifra.
- PUNTERO: dónde está el valor en el registro, como en JSON Pointer (RFC 6901): `/best/test/accuracy`. En una lista,
  una posición contada desde 0 (`/best/test/per_class/6/recall`) o, detrás del puntero, un resumen:
  `/history/val_accuracy@max`, `@min`, `@final` (el último), `@mejor` (el de la mejor época del registro), `@7` (el de la
  época 7) y `@epoca_max` y `@epoca_min` (la primera época en que se alcanza). Las épocas se cuentan desde 1.
- FORMATO: `.3f`; `.1%` (66.7 %); `.1p` (puntos porcentuales: lo mismo sin el signo); `d` (entero). Un `+` delante
  escribe también el signo de los positivos. Desde cinco cifras, los millares se separan.

Una diferencia o una razón se escriben con dos parejas: `A PUNTERO - B PUNTERO FORMATO`, `A PUNTERO / B PUNTERO FORMATO`.
Sobre semillas solo con `@media` (diferencia o razón de las medias).

En los capítulos desde «Aumento de datos», todo decimal o porcentaje de la prosa lleva marca, o está en código o en
fórmulas, o figura con su razón en `book/numeros.toml`, que dice cómo se usa.

Fuente:
    RFC 6901, *JavaScript Object Notation (JSON) Pointer*.
"""

import argparse
import json
import math
import re
import statistics
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from helpers._toml import read_toml
from helpers.experiments.records import RESULTS, RecordError, load_record, load_seeds
from helpers.formats import MINUS, THIN_SPACE, format_integer

ROOT = Path(__file__).resolve().parent.parent
ALLOWED = Path("book", "numeros.toml")
FIRST_COVERED = "aumento"
"""Primer capítulo, en el orden de `_toc.yml`, en que todo decimal o porcentaje se justifica."""

NOT_COVERED = frozenset({"licencias", "referencias"})
"""Páginas sin medidas: sus números son versiones de licencias y de programas, o datos de publicaciones."""

SPEEDS = "rendimiento"
"""La medida de referencia de `python -m benchmarks`: está junto a la carpeta de los registros, no dentro."""

HIDDEN = "\x00"
"""Lo que ocupa el lugar del código, las fórmulas y las etiquetas en un texto tapado: no aparece en ninguna prosa."""

_SPACE = rf"[ \u00a0{THIN_SPACE}]"
_DIGITS = rf"(?:\d{{1,3}}(?:{_SPACE}\d{{3}})+(?!\d)|\d+)"
_COMMENT = re.compile(r"<!--(.*?)-->", re.DOTALL)
_SIGN = rf"(?:(?<![\w.,%])[+\-{MINUS}])?"
_PRINTED = re.compile(rf"{_SIGN}(?<![\d.,]){_DIGITS}(?:[.,]\d+)?(?:{_SPACE}?%)?(?=\**\Z)")
_NUMBER = re.compile(rf"(?<![\d.,]){_DIGITS}(?:[.,]\d+)*(?P<percent>(?:\s|&#?\w+;)?%|\s+por\s+ciento\b)?")

_FORMAT = re.compile(r"(\+?)(?:\.(\d)([f%p])|d)")
_RECORD = re.compile(r"([a-z0-9][a-z0-9_-]*)(?:@(\w+))?")
_POINTER = re.compile(r"((?:/[^/@\s]*)+)(?:@(\w+))?")

_OVER_SEEDS = {"media": statistics.fmean, "dispersion": statistics.stdev, "min": min, "max": max}
_OVER_LIST = {
    "max": max,
    "min": min,
    "final": lambda values: values[-1],
    "epoca_max": lambda values: values.index(max(values)) + 1,
    "epoca_min": lambda values: values.index(min(values)) + 1,
}


class NumberError(ValueError):
    """Una marca está mal escrita o pide algo que los registros no tienen."""


@dataclass(frozen=True)
class Source:
    """Un registro y un puntero, con su resumen si lo llevan."""

    record: str
    over_seeds: str | None
    pointer: str
    over_list: str | None


@dataclass(frozen=True)
class Datum:
    """Lo que pide una marca: una o dos fuentes, la operación entre ellas (`-` o `/`) y el formato."""

    first: Source
    operation: str | None
    second: Source | None
    format: str


@dataclass(frozen=True)
class Marker:
    """Una marca de un texto.

    Argumentos:
        body: lo que dice el comentario después de `dato:`.
        at: posición en que empieza el comentario.
        start, end: posiciones del número impreso, o None si no hay ninguno justo delante.
    """

    body: str
    at: int
    start: int | None
    end: int | None


@dataclass(frozen=True)
class Problem:
    """Una falta, con el lugar en que está."""

    place: str
    message: str

    def __str__(self):
        """«archivo, lugar: qué pasa»."""
        return f"{self.place}: {self.message}"


# --- La marca ------------------------------------------------------------------------------------------------


def _parse_source(record: str, pointer: str) -> Source:
    found = _RECORD.fullmatch(record)
    if not found:
        raise NumberError(f"«{record}» no nombra un registro: se escribe baseline-s0 o baseline@media.")
    name, over_seeds = found.groups()
    if over_seeds and over_seeds not in _OVER_SEEDS:
        raise NumberError(f"«{record}»: sobre las semillas hay @{', @'.join(_OVER_SEEDS)}.")
    found = _POINTER.fullmatch(pointer)
    if not found:
        raise NumberError(f"«{pointer}» no es un puntero: se escribe como /best/test/accuracy.")
    path, over_list = found.groups()
    if over_list and over_list not in _OVER_LIST and over_list != "mejor" and not over_list.isdecimal():
        raise NumberError(
            f"«{pointer}»: de una lista hay @{', @'.join(_OVER_LIST)}, @mejor y @7 (la época 7)."
        )
    return Source(name, over_seeds, path, over_list)


def parse(body: str) -> Datum:
    """Lee lo que dice una marca después de `dato:`.

    Lanza:
        NumberError: si no tiene la forma REGISTRO PUNTERO FORMATO o alguna parte no se reconoce.
    """
    tokens = body.split()
    if len(tokens) not in {3, 6} or (len(tokens) == 6 and tokens[2] not in {"-", "/"}):
        raise NumberError(
            f"la marca «{body.strip()}» no tiene la forma REGISTRO PUNTERO FORMATO "
            "(o A PUNTERO - B PUNTERO FORMATO, o con «/»)."
        )
    if not _FORMAT.fullmatch(tokens[-1]):
        raise NumberError(
            f"«{tokens[-1]}» no es un formato: hay .3f, .1%, .1p y d, con un + delante si quieres."
        )
    first = _parse_source(*tokens[:2])
    if len(tokens) == 3:
        return Datum(first, None, None, tokens[-1])
    second = _parse_source(*tokens[3:5])
    if {first.over_seeds, second.over_seeds} - {None, "media"}:
        raise NumberError("entre semillas solo se restan o dividen medias (@media).")
    return Datum(first, tokens[2], second, tokens[-1])


# --- El valor ------------------------------------------------------------------------------------------------


def _load(name: str, folder: Path) -> dict:
    if name == SPEEDS:
        values: dict[str, dict] = {}
        for row in json.loads((Path(folder).parent / f"{SPEEDS}.json").read_text(encoding="utf-8"))["rows"]:
            values.setdefault(row["part"], {})[row["key"]] = row["value"]
        return values
    found = re.fullmatch(r"(.+)-s(\d+)", name)
    if found:
        return load_record(found.group(1), int(found.group(2)), folder)
    path = Path(folder) / f"{name}.json"  # un archivo que reúne varias ejecuciones
    if path.exists():
        return json.loads(path.read_text(encoding="utf-8"))
    raise NumberError(
        f"no hay ningún «{name}.json» en book/results/. Una ejecución se nombra con su semilla ({name}-s0) "
        f"y todas, con un resumen ({name}@media)."
    )


def resolve_pointer(document, pointer: str):
    """El valor al que apunta un JSON Pointer.

    Lanza:
        NumberError: si no existe, con lo que hay en ese nivel.

    Fuente:
        RFC 6901, secciones 3 y 4.
    """
    value, walked = document, ""
    for token in pointer.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and re.fullmatch(r"0|[1-9]\d*", key) and int(key) < len(value):
            value = value[int(key)]
        else:
            if isinstance(value, dict):
                there = "hay " + ", ".join(value)
            elif isinstance(value, list):
                there = f"hay una lista de {len(value)}, con posiciones desde 0"
            else:
                there = f"hay {value!r}"
            raise NumberError(f"el puntero {pointer} no existe: en «{walked or '/'}» {there}.")
        walked += "/" + token
    return value


def _is_number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _value_in(document: dict, source: Source) -> float:
    value = resolve_pointer(document, source.pointer)
    written = source.pointer + (f"@{source.over_list}" if source.over_list else "")
    if source.over_list:
        if not isinstance(value, list) or not value or not all(map(_is_number, value)):
            raise NumberError(
                f"«{written}» pide un resumen y en {source.pointer} no hay una lista de números."
            )
        if source.over_list in _OVER_LIST:
            return _OVER_LIST[source.over_list](value)
        epoch = (
            resolve_pointer(document, "/best_epoch") if source.over_list == "mejor" else int(source.over_list)
        )
        if not 1 <= epoch <= len(value):
            raise NumberError(f"«{written}» pide la época {epoch} y hay {len(value)}, contadas desde 1.")
        return value[epoch - 1]
    if not _is_number(value):
        hint = " Si es una lista, añade un resumen, como @max o @final." if isinstance(value, list) else ""
        raise NumberError(f"en {source.pointer} no hay un número.{hint}")
    return value


def _source_value(source: Source, folder: Path) -> float:
    if source.over_seeds is None:
        return _value_in(_load(source.record, folder), source)
    values = [_value_in(record, source) for record in load_seeds(source.record, folder)]
    if source.over_seeds == "dispersion" and len(values) < 2:
        raise NumberError(
            f"la dispersión de «{source.record}» necesita dos semillas y solo hay una registrada."
        )
    return _OVER_SEEDS[source.over_seeds](values)


def resolve(datum: Datum, folder: Path = RESULTS) -> float:
    """El valor que pide una marca, sin redondear.

    Lanza:
        NumberError: si el registro o el puntero no existen, o si ahí no hay un número.
    """
    try:
        value = _source_value(datum.first, folder)
        if datum.second is None:
            return value
        other = _source_value(datum.second, folder)
    except RecordError as error:
        raise NumberError(str(error)) from error
    except json.JSONDecodeError as error:
        names = " o ".join(dict.fromkeys(source.record for source in (datum.first, datum.second) if source))
        raise NumberError(f"un archivo de «{names}» no es JSON válido ({error}).") from error
    if datum.operation == "-":
        return value - other
    if other == 0:
        raise NumberError("el divisor es cero.")
    return value / other


def format_number(value: float, spec: str) -> str:
    """Un número como lo imprime el libro: punto decimal, U+202F en los millares desde cinco cifras y ante el %.

    Lanza:
        NumberError: si el formato no existe, o si es `d` y el valor no es entero.
    """
    found = _FORMAT.fullmatch(spec)
    if not found:
        raise NumberError(f"«{spec}» no es un formato: hay .3f, .1%, .1p y d, con un + delante si quieres.")
    plus, digits, kind = found.groups()
    if kind is None:
        if value != int(value):
            raise NumberError(
                f"el formato d es para enteros y el valor es {value:g}: usa .0f para redondearlo."
            )
        text = str(abs(int(value)))
    elif kind == "f":
        text = f"{abs(value):.{digits}f}"
    else:
        text = f"{abs(value):.{digits}%}".rstrip("%")
    whole, point, decimals = text.partition(".")
    whole = format_integer(int(whole))
    nonzero = any(digit not in "0." for digit in text)
    sign = (MINUS if value < 0 else plus) if nonzero else ""
    return sign + whole + point + decimals + (f"{THIN_SPACE}%" if kind == "%" else "")


# --- El texto ------------------------------------------------------------------------------------------------

_FENCE = re.compile(
    r"^(?P<open>[ \t>]*(?P<mark>`{3,}(?=[^`\n]*$)|~{3,})[ \t]*(?P<info>[^\n]*)$)(?P<inside>.*?)"
    r"(?P<close>^[ \t>]*(?P=mark)[`~]*[ \t]*$|\Z)",
    re.MULTILINE | re.DOTALL,
)
_PROSE_DIRECTIVE = re.compile(r"\{(?!code|math|literal|raw|mermaid)")
_OPTION = re.compile(r"^[ \t>]*:[\w-]+:.*$", re.MULTILINE)
_INLINE_CODE = re.compile(r"(?<!`)(`+)(?!`)(?:(?!\n[ \t>]*\n).)+?(?<!`)\1(?!`)", re.DOTALL)
_MATHS = (
    re.compile(r"(?<!\\)\$\$.+?\$\$", re.DOTALL),
    re.compile(r"(?<![\\$])\$(?![\s$])(?:(?!\n[ \t>]*\n)[^$])*?(?<![\s\\])\$(?!\d)"),
)
_ADDRESSES = (
    re.compile(r"(?<=\])\([^()\s]*\)"),
    re.compile(r"^\[[^\]]+\]:\s*\S+", re.MULTILINE),
    re.compile(r"</?[a-zA-Z][^<>]*>"),
    re.compile(r"https?://[^\s<>)]+"),
)


def _blank(text: str) -> str:
    return re.sub(r"[^\n]", HIDDEN, text)


def _hide(text: str, pattern: re.Pattern) -> str:
    return pattern.sub(lambda found: _blank(found.group(0)), text)


def _hide_fence(found: re.Match) -> str:
    if not _PROSE_DIRECTIVE.match(found["info"]):
        return _blank(found.group(0))
    # Una directiva de MyST, como ```{note}: su contenido es prosa y puede llevar dentro otras vallas.
    inside = _FENCE.sub(_hide_fence, _hide(found["inside"], _OPTION))
    return _blank(found["open"]) + inside + _blank(found["close"])


def _hide_code(text: str) -> str:
    return _hide(_FENCE.sub(_hide_fence, text), _INLINE_CODE)


def mask(text: str, *, comments: bool = True) -> str:
    """El texto con su código, sus fórmulas, sus direcciones y sus etiquetas tapados, y la misma longitud.

    Argumentos:
        text: Markdown.
        comments: tapar también los comentarios de HTML.
    """
    text = _hide_code(text)
    if comments:
        text = _hide(text, _COMMENT)
    for pattern in (*_MATHS, *_ADDRESSES):
        text = _hide(text, pattern)
    return text


def find_markers(text: str) -> list[Marker]:
    """Las marcas de un texto Markdown, en orden; lo escrito dentro de código no cuenta."""
    visible = _hide_code(text)
    markers = []
    for comment in _COMMENT.finditer(visible):
        found = re.match(r"\s*dato\b:?(.*)", comment.group(1), re.DOTALL)
        if not found:
            continue
        before = visible[max(0, comment.start() - 40) : comment.start()]
        printed = _PRINTED.search(before)
        offset = comment.start() - len(before)
        start, end = (offset + printed.start(), offset + printed.end()) if printed else (None, None)
        markers.append(Marker(found.group(1).strip(), comment.start(), start, end))
    return markers


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _expected(marker: Marker, folder: Path) -> str:
    datum = parse(marker.body)
    return format_number(resolve(datum, folder), datum.format)


def check(text: str, place: str = "texto", folder: Path = RESULTS) -> list[Problem]:
    """Compara cada número marcado con su registro, con las cifras impresas.

    Argumentos:
        text: Markdown de una celda o de una página.
        place: cómo se llama en los mensajes, por ejemplo «aumento.ipynb, celda 3».
        folder: carpeta de los registros.

    Devuelve:
        Las faltas: números que no son los del registro, marcas mal escritas o sin número delante.
    """
    problems = []
    without_code = mask(text, comments=False)
    for marker in find_markers(text):
        where = f"{place}, línea {_line(text, marker.at)}"
        if without_code[marker.at] == HIDDEN:
            problems.append(
                Problem(where, f"la marca «{marker.body}» está dentro de una fórmula, donde se vería.")
            )
            continue
        if re.match(r"[ >]*#{1,6} ", text[text.rfind("\n", 0, marker.at) + 1 : marker.at]):
            # Sphinx copia el título, comentario incluido, en el índice de la búsqueda, donde se lee.
            problems.append(
                Problem(where, f"la marca «{marker.body}» está en un título: lleva el número al texto.")
            )
            continue
        try:
            expected = _expected(marker, folder)
        except NumberError as error:
            problems.append(Problem(where, str(error)))
            continue
        if marker.start is None:
            problems.append(
                Problem(where, f"la marca «{marker.body}» no va pegada a un número: ahí va {expected}.")
            )
            continue
        printed = text[marker.start : marker.end]
        if printed != expected:
            same = re.sub(r"\s", "", printed) == re.sub(r"\s", "", expected)
            note = " (solo cambian los espacios: son U+202F)" if same else ""
            problems.append(
                Problem(
                    where,
                    f"dice «{printed}» y el registro, «{expected}»{note} (dato: {marker.body}). make numeros",
                )
            )
    rest = mask(text)
    for found in re.finditer(r"<!--", rest):
        problems.append(
            Problem(f"{place}, línea {_line(text, found.start())}", "un comentario no se cierra con -->.")
        )
    return problems


def rewrite(text: str, folder: Path = RESULTS) -> str:
    """El texto con cada número marcado como lo da su registro. Lo demás no cambia.

    Una marca con faltas se deja como está: `check` dice cuál es.
    """
    for marker in reversed(find_markers(text)):
        if marker.start is None:
            continue
        try:
            expected = _expected(marker, folder)
        except NumberError:
            continue
        text = text[: marker.start] + expected + text[marker.end :]
    return text


# --- Que ningún número quede sin justificar --------------------------------------------------------------------


@dataclass(frozen=True)
class Exceptions:
    """Un grupo de `book/numeros.toml`: números de un capítulo que no salen de un registro, y por qué.

    Argumentos:
        reason: la razón.
        texts: fragmentos de la prosa; se justifican los números que hay dentro.
        numbers: números que se justifican en todo el capítulo.
        cells: como `numbers`, pero además han de estar en una celda del capítulo: en su código o, si nbval la compara,
            en su salida.
    """

    reason: str
    texts: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    cells: tuple[str, ...] = ()


_KEYS = {"razon": "reason", "textos": "texts", "numeros": "numbers", "celdas": "cells"}


def parse_exceptions(data: dict) -> dict[str, tuple[Exceptions, ...]]:
    """Los grupos de excepciones de cada capítulo, de un TOML ya leído.

    Lanza:
        NumberError: si un grupo no lleva razón o lleva una clave desconocida.
    """
    chapters = {}
    for chapter, groups in data.items():
        if not isinstance(groups, list):
            raise NumberError(f"numeros.toml: un grupo empieza con [[{chapter}]], con dos corchetes.")
        parsed = []
        for group in groups:
            unknown = set(group) - set(_KEYS)
            if unknown:
                raise NumberError(
                    f"numeros.toml, {chapter}: no conozco «{min(unknown)}»; hay {', '.join(_KEYS)}."
                )
            if len(str(group.get("razon", "")).split()) < 3:
                raise NumberError(f'numeros.toml, {chapter}: un grupo no dice su razón (razon = "…").')
            values = {_KEYS[key]: value if key == "razon" else tuple(value) for key, value in group.items()}
            parsed.append(Exceptions(**values))
        chapters[chapter] = tuple(parsed)
    return chapters


def load_exceptions(path: Path = ROOT / ALLOWED) -> dict[str, tuple[Exceptions, ...]]:
    """Lee `book/numeros.toml`.

    Lanza:
        NumberError: si falta, no es TOML o un grupo está mal escrito.
    """
    return parse_exceptions(read_toml(path, NumberError))


def _canonical(number: str) -> tuple[Decimal, bool]:
    """Valor y si es porcentaje: «0.70» y «0.700» son el mismo número, «20 %» y «20» no."""
    digits = re.sub(r"[^\d.,]", "", re.sub(r"&#?\w+;", "", number)).replace(",", ".")
    whole, _, decimals = digits.partition(".")
    return Decimal(f"{whole or 0}.{decimals.replace('.', '') or 0}"), "%" in number or "ciento" in number


def prose_numbers(text: str) -> list[tuple[int, int]]:
    """Posiciones (principio, fin) de los decimales y porcentajes de la prosa que no llevan marca."""
    marked = {marker.end for marker in find_markers(text)}
    return [
        found.span()
        for found in _NUMBER.finditer(mask(text))
        if (found.group("percent") or re.search(r"[.,]\d", found.group(0))) and found.end() not in marked
    ]


def _fragment_pattern(fragment: str) -> re.Pattern:
    words = (re.escape(word) for word in fragment.split())
    return re.compile(r"(?<![\d.,])" + r"[\s>]+".join(words) + r"(?![.,]?\d)")


@dataclass(frozen=True)
class Document:
    """Un capítulo o una página: sus textos, cada uno con su lugar, y los números de sus celdas de código."""

    path: Path
    texts: tuple[tuple[str, str], ...]
    cell_numbers: frozenset


def _cell_texts(cell: dict) -> Iterable[str]:
    from helpers.notebook_checks import join, output_texts, tags

    yield join(cell["source"])
    if "nbval-ignore-output" not in tags(cell):
        yield from output_texts(cell)


def read_document(path: Path) -> Document:
    """Lee un cuaderno (sus celdas Markdown, numeradas entre todas desde 1) o una página `.md`."""
    text = Path(path).read_text(encoding="utf-8")
    if Path(path).suffix != ".ipynb":
        return Document(path, ((path.name, text),), frozenset())
    texts, numbers = [], set()
    for n, cell in enumerate(json.loads(text)["cells"], start=1):
        if cell["cell_type"] == "markdown":
            source = cell["source"]
            texts.append((f"{path.name}, celda {n}", source if isinstance(source, str) else "".join(source)))
        elif cell["cell_type"] == "code":
            for part in _cell_texts(cell):
                numbers |= {_canonical(found.group(0)) for found in _NUMBER.finditer(part)}
    return Document(path, tuple(texts), frozenset(numbers))


def check_coverage(document: Document, exceptions: Iterable[Exceptions] = ()) -> list[Problem]:
    """Los decimales y porcentajes sin marca ni excepción, y las excepciones que ya no hacen falta."""
    exceptions = tuple(exceptions)
    listed = {
        (field, _canonical(number)): number
        for group in exceptions
        for field in ("numbers", "cells")
        for number in getattr(group, field)
    }
    fragments = [fragment for group in exceptions for fragment in group.texts]
    used, problems = set(), []
    for place, text in document.texts:
        spans = [
            (fragment, *found.span())
            for fragment in fragments
            for found in _fragment_pattern(fragment).finditer(text)
        ]
        for start, end in prose_numbers(text):
            around = {fragment for fragment, first, last in spans if first <= start and end <= last}
            keys = {(field, _canonical(text[start:end])) for field in ("numbers", "cells")} & listed.keys()
            used |= around | keys
            if not around and not keys:
                problems.append(
                    Problem(
                        f"{place}, línea {_line(text, start)}",
                        f"«{text[start:end]}» no dice de dónde sale: márcalo con <!-- dato: REGISTRO PUNTERO FORMATO -->"
                        " o, si no es una medida, ponlo con su razón en book/numeros.toml.",
                    )
                )
    name, allowed = document.path.name, f"book/numeros.toml, {document.path.stem}"
    problems += [
        Problem(allowed, f"«{fragment}» no está en la prosa de {name}, o sus números ya van marcados: sobra.")
        for fragment in fragments
        if fragment not in used
    ]
    for (field, key), number in listed.items():
        if (field, key) not in used:
            problems.append(Problem(allowed, f"«{number}» no está sin marca en la prosa de {name}: sobra."))
        elif field == "cells" and key not in document.cell_numbers:
            problems.append(
                Problem(
                    allowed,
                    f"«{number}» no está en ninguna celda de código de {name} ni en una salida que nbval compare.",
                )
            )
    return problems


def check_typography(text: str, place: str = "texto") -> list[Problem]:
    """Punto decimal y espacio fino ante el % y entre los millares, también en los números sin marca."""
    problems = []
    for found in re.finditer(r"(?<![\d.])\d{1,3}(?: \d{3})+(?!\d)", mask(text)):
        where = f"{place}, línea {_line(text, found.start())}"
        problems.append(Problem(where, f"«{found[0]}»: los millares van con espacio fino (U+202F)."))
    for start, end in prose_numbers(text):
        number = text[start:end]
        where = f"{place}, línea {_line(text, start)}"
        if re.search(r"\d,\d", number):
            problems.append(Problem(where, f"«{number}» lleva coma decimal: el libro usa punto."))
        if re.search(rf"[^{THIN_SPACE}]%", number):
            problems.append(Problem(where, f"«{number}»: delante del % va un espacio fino (U+202F)."))
    return problems


# --- El libro entero -------------------------------------------------------------------------------------------


def covered_chapters(root: Path = ROOT) -> list[Path]:
    """Los capítulos y páginas en que todo decimal o porcentaje se justifica, en el orden de `_toc.yml`.

    Lanza:
        NumberError: si el índice no nombra el primero.
    """
    names = re.findall(
        r"^\s*- file: book/(\S+)\s*$", (root / "_toc.yml").read_text(encoding="utf-8"), re.MULTILINE
    )
    if FIRST_COVERED not in names:
        raise NumberError(
            f"_toc.yml no nombra book/{FIRST_COVERED}: no sé desde dónde comprobar los números."
        )
    paths = []
    for name in names[names.index(FIRST_COVERED) :]:
        if name in NOT_COVERED:
            continue
        notebook, page = root / "book" / f"{name}.ipynb", root / "book" / f"{name}.md"
        paths.append(notebook if notebook.exists() else page)
    return paths


def find_documents(root: Path = ROOT) -> list[Path]:
    """Todo lo que puede llevar marcas: cuadernos y páginas del libro, y los `.md` de la raíz."""
    return sorted([*(root / "book").glob("*.ipynb"), *(root / "book").glob("*.md"), *root.glob("*.md")])


def problems_of(path: Path, folder: Path = RESULTS) -> list[Problem]:
    """Las faltas de las marcas de un documento y de cómo escribe sus números."""
    return [
        problem
        for place, text in read_document(path).texts
        for problem in (*check(text, place, folder), *check_typography(text, place))
    ]


def coverage_problems(root: Path = ROOT, exceptions: dict | None = None) -> list[Problem]:
    """Los números sin justificar de todos los capítulos que han de justificarlos, y las excepciones que sobran."""
    exceptions = load_exceptions(root / ALLOWED) if exceptions is None else exceptions
    paths = covered_chapters(root)
    unknown = sorted(exceptions.keys() - {path.stem for path in paths})
    problems = [
        Problem("book/numeros.toml", f"«{chapter}» no es un capítulo desde «{FIRST_COVERED}»: sobra.")
        for chapter in unknown
    ]
    for path in paths:
        problems += check_coverage(read_document(path), exceptions.get(path.stem, ()))
    return problems


def rewrite_file(path: Path, folder: Path = RESULTS) -> bool:
    """Reescribe los números marcados de un archivo; si ninguno cambia, no lo toca.

    Devuelve:
        Si cambió.
    """
    path = Path(path)
    if path.suffix != ".ipynb":
        before = path.read_bytes().decode("utf-8")
        after = rewrite(before, folder)
        if after != before:
            path.write_text(after, encoding="utf-8", newline="")
        return after != before
    document = read_document(path)
    if all(rewrite(text, folder) == text for _, text in document.texts):
        return False
    from helpers.notebooks import normalize, read_notebook, write_notebook

    notebook = read_notebook(path)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = rewrite(cell.source, folder)
    write_notebook(path, normalize(notebook))
    return True


def run_check(root: Path = ROOT, folder: Path = RESULTS) -> int:
    """Dice todas las faltas del libro."""
    paths = find_documents(root)
    problems = [problem for path in paths for problem in problems_of(path, folder)]
    problems += coverage_problems(root)
    for problem in problems:
        print(problem, file=sys.stderr)
    count = sum(len(find_markers(text)) for path in paths for _, text in read_document(path).texts)
    print(
        f"{count} números marcados en {len(paths)} documentos: "
        + ("hay faltas" if problems else "todo en orden")
    )
    return int(bool(problems))


def run_rewrite(root: Path = ROOT, folder: Path = RESULTS) -> int:
    """Reescribe los números marcados de todo el libro y dice qué archivos cambian y qué no se pudo resolver."""
    paths = find_documents(root)
    changed = [path.name for path in paths if rewrite_file(path, folder)]
    print("Números al día. Cambian: " + (", ".join(changed) or "ninguno"))
    problems = [
        problem
        for path in paths
        for place, text in read_document(path).texts
        for problem in check(text, place, folder)
    ]
    for problem in problems:
        print(problem, file=sys.stderr)
    return int(bool(problems))


def main(arguments=None) -> int:
    """Punto de entrada de `python -m helpers.prose_numbers`."""
    parser = argparse.ArgumentParser(
        prog="python -m helpers.prose_numbers", description="Cuida los números de la prosa."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="ORDEN")
    commands.add_parser("comprobar", help="dice qué números no concuerdan o no están justificados")
    commands.add_parser("reescribir", help="pone en la prosa los valores de los registros")
    command = parser.parse_args(arguments).command
    try:
        return run_check() if command == "comprobar" else run_rewrite()
    except NumberError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
