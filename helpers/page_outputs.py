"""Las salidas de una página Markdown: de qué código salen, y que siga dándolas.

    python -m helpers.page_outputs comprobar book/escalar.md      ejecuta la página y dice qué salidas han cambiado
    python -m helpers.page_outputs reescribir book/escalar.md     la ejecuta y guarda sus salidas

Un cuaderno guarda sus salidas; una página Markdown, no. Aquí, el bloque `text` que va detrás de un bloque `python` es lo
que ese bloque imprime. Los bloques de un mismo apartado (`##`) se ejecutan seguidos, en un proceso nuevo. Dos comentarios,
que no se ven en la página, dicen cómo se compara:

- `<!-- salida: exacta -->`, entre el código y su salida: el texto entero, y es lo normal si no se dice nada.
- `<!-- salida: tolerancia 0.05 -->`: el texto, y cada número decimal con esa diferencia como mucho.
- `<!-- salida: forma -->`: solo el texto, sin mirar los decimales. Es para los segundos.
- `<!-- comprueba: EXPRESIÓN -->`, detrás de una salida: algo que la prosa afirma y que tiene que ser verdad con las variables
  que dejó el código.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT_SECONDS = 1800

_PIECE = re.compile(
    r"^(?P<heading>## [^\n]+)$"
    r"|^```(?P<language>\w+)\n(?P<body>.*?)^```$"
    r"|^<!-- salida: (?P<rule>[^\n]*?) -->$"
    r"|^<!-- comprueba: (?P<claim>[^\n]*?) -->$",
    re.MULTILINE | re.DOTALL,
)
_DECIMAL = re.compile(r"[+\-\u2212]?\d+\.\d+(?:e[+-]?\d+)?")

# Ejecuta los bloques que llegan por la entrada y deja en un archivo lo que imprime cada uno.
_RUNNER = """
import contextlib, io, json, sys
blocks, outputs, space = json.load(sys.stdin), [], {"__name__": "pagina"}
for code, claims in blocks:
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, "<bloque>", "exec"), space)
    outputs.append([printed.getvalue(), [claim for claim in claims if not eval(claim, space)]])
with open(sys.argv[1], "w", encoding="utf-8") as file:
    json.dump(outputs, file)
"""


class PageError(ValueError):
    """La página está mal escrita o su código falla."""


@dataclass
class Block:
    """Un bloque de código y lo que la página dice de él.

    Argumentos:
        section: el apartado en que está.
        code: el código.
        output: la salida guardada, o None si la página no la enseña.
        span: posiciones de la salida en la página.
        rule: cómo se compara.
        claims: lo que tiene que ser verdad al acabar.
    """

    section: str
    code: str
    output: str | None = None
    span: tuple[int, int] | None = None
    rule: str = "exacta"
    claims: tuple[str, ...] = ()


def read_blocks(text: str) -> list[Block]:
    """Los bloques `python` de una página, con sus salidas.

    Lanza:
        PageError: si una salida o un comentario no van detrás de un bloque, o la regla no existe.
    """
    blocks, section, open_block = [], "", False
    for piece in _PIECE.finditer(text):
        if piece["heading"]:
            section, open_block = piece["heading"].removeprefix("## "), False
        elif piece["language"] == "python":
            blocks.append(Block(section, piece["body"]))
            open_block = True
        elif piece["language"] == "text" and open_block and blocks[-1].output is None:
            blocks[-1].output, blocks[-1].span = piece["body"], piece.span("body")
        elif piece["language"]:
            open_block = False
        elif not open_block:
            raise PageError(f"«{piece[0]}» no va detrás de un bloque python.")
        elif piece["claim"]:
            blocks[-1].claims += (piece["claim"],)
        else:
            _tolerance(piece["rule"])
            blocks[-1].rule = piece["rule"]
    return blocks


def _tolerance(rule: str) -> float | None:
    """La diferencia que admite una regla; None es cualquiera."""
    found = re.fullmatch(r"exacta|forma|tolerancia (\d+(?:\.\d+)?)", rule)
    if not found:
        raise PageError(f"«{rule}» no es una regla: hay exacta, forma y tolerancia NÚMERO.")
    return {"exacta": 0.0, "forma": None}.get(rule, float(found[1] or 0))


def same_output(recorded: str, printed: str, rule: str) -> bool:
    """Si dos salidas son la misma según la regla. El ancho de los huecos no cuenta."""
    if rule == "exacta":
        return recorded == printed
    texts = [_DECIMAL.sub("#", text).split() for text in (recorded, printed)]
    if texts[0] != texts[1]:
        return False
    tolerance = _tolerance(rule)
    pairs = zip(
        *(map(float, _DECIMAL.findall(t.replace("\u2212", "-"))) for t in (recorded, printed)), strict=True
    )
    return tolerance is None or all(abs(a - b) <= tolerance for a, b in pairs)


def run_section(blocks: list[Block]) -> list[tuple[str, list[str]]]:
    """Ejecuta los bloques de un apartado en un proceso nuevo, en una carpeta de usar y tirar.

    Devuelve:
        Por cada bloque, lo que imprime y las afirmaciones que no se cumplen.

    Lanza:
        PageError: si el código falla, con el final de su error.
    """
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "PYTHONIOENCODING": "utf-8",
        "CUDA_VISIBLE_DEVICES": "-1",
    }
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder, "salidas.json")
        done = subprocess.run(
            [sys.executable, "-c", _RUNNER, str(results)],
            input=json.dumps([[block.code, block.claims] for block in blocks]),
            capture_output=True,
            encoding="utf-8",
            cwd=folder,
            env=environment,
            timeout=TIMEOUT_SECONDS,
        )
        if done.returncode:
            raise PageError(f"«{blocks[0].section}» falla:\n{done.stderr[-1500:]}")
        return [tuple(result) for result in json.loads(results.read_text(encoding="utf-8"))]


def run_page(text: str, only: str | None = None) -> list[tuple[Block, str, list[str]]]:
    """Ejecuta una página, o el apartado cuyo título contiene `only`.

    Devuelve:
        Por cada bloque ejecutado: el bloque, lo que imprime y las afirmaciones que no se cumplen.
    """
    sections: dict[str, list[Block]] = {}
    for block in read_blocks(text):
        if only is None or only in block.section:
            sections.setdefault(block.section, []).append(block)
    if not sections:
        raise PageError(f"No hay bloques python{f' en ningún apartado «{only}»' if only else ''}.")
    return [
        (block, *result)
        for blocks in sections.values()
        for block, result in zip(blocks, run_section(blocks), strict=True)
    ]


def problems(results: list[tuple[Block, str, list[str]]]) -> list[str]:
    """Qué salidas no son las guardadas y qué afirmaciones no se cumplen."""
    found = []
    for block, printed, false in results:
        first = block.code.strip().splitlines()[0]
        if (block.output or "") != printed and not same_output(block.output or "", printed, block.rule):
            found.append(
                f"{block.section}, «{first}»: la página guarda\n{block.output or ''}y ahora imprime\n{printed}"
            )
        found += [f"{block.section}, «{first}»: no se cumple «{claim}»." for claim in false]
    return found


def rewritten(text: str, results: list[tuple[Block, str, list[str]]]) -> str:
    """La página con las salidas de hoy."""
    for block, printed, _ in sorted(results, key=lambda result: result[0].span or (0, 0), reverse=True):
        if block.span:
            text = text[: block.span[0]] + printed + text[block.span[1] :]
    return text


def main(argv: list[str] | None = None) -> int:
    """Punto de entrada; devuelve el código de salida."""
    parser = argparse.ArgumentParser(
        prog="python -m helpers.page_outputs", description="Salidas de las páginas Markdown."
    )
    parser.add_argument("order", choices=("comprobar", "reescribir"), metavar="comprobar|reescribir")
    parser.add_argument("page", type=Path, metavar="PÁGINA")
    parser.add_argument("--apartado", help="solo el apartado cuyo título contiene este texto")
    args = parser.parse_args(argv)
    text = args.page.read_text(encoding="utf-8")
    try:
        results = run_page(text, args.apartado)
    except PageError as error:
        print(error, file=sys.stderr)
        return 2
    false = [problem for problem in problems(results) if "no se cumple" in problem]
    if args.order == "reescribir":
        args.page.write_text(rewritten(text, results), encoding="utf-8", newline="\n")
        print("\n".join(false) or f"{args.page.name}: salidas guardadas.")
        return int(bool(false))
    found = problems(results)
    print("\n".join(found) or f"{args.page.name}: las salidas son las guardadas.")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
