"""Herramienta de quien mantiene el libro: ejecuta, normaliza y comprueba los cuadernos.

    python -m helpers.notebooks ejecutar [CUADERNOS…]     vuelve a ejecutar y guarda las salidas normalizadas
    python -m helpers.notebooks comprobar [CUADERNOS…]    forma normal, salidas limpias y dirección del repositorio
    python -m helpers.notebooks celda-inicial             escribe la celda inicial en todos los cuadernos
    python -m helpers.notebooks repositorio URL           cambia la dirección del repositorio en todas partes
    python -m helpers.notebooks publicable URL            falla si el libro dice estar en otro sitio que URL

Sin CUADERNOS, todos los de `book/`. La forma normal hace que volver a ejecutar un cuaderno que no entrena deje el
archivo idéntico byte a byte, de modo que un cambio en Git es siempre un cambio de verdad.
"""

import argparse
import hashlib
import os
import re
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from helpers.notebook_checks import FOLDED_TAGS, check_notebook, check_size, join, output_texts, tags

ROOT = Path(__file__).resolve().parent.parent
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
TITLE = re.compile(r"# @title (.+)")
ANSI = re.compile(r"\x1b\[[0-9;]*m")

SETUP_CELL = """\
# @title Prepara Colab (en tu equipo y en Binder no hace nada)
import importlib.util
import pathlib
import subprocess
import sys

REPOSITORY, BRANCH, FOLDER = "{url}", "{branch}", "/content/{name}"
if importlib.util.find_spec("helpers") is None:
    if "google.colab" not in sys.modules:
        raise ModuleNotFoundError("Falta el paquete «helpers» del libro. Instálalo desde la carpeta del libro con "
                                  "«pip install -r requirements.txt» y reinicia el kernel.")
    try:
        if not pathlib.Path(FOLDER, "helpers").is_dir():
            command = ["git", "clone", "--quiet", "--depth=1", "--branch", BRANCH, REPOSITORY, FOLDER]
            subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise RuntimeError(f"No se pudo descargar el libro de {{REPOSITORY}}. Comprueba que hay conexión y que git funciona"
                           f", y vuelve a ejecutar esta celda. Motivo: {{getattr(error, 'stderr', error)}}") from None
    sys.path.insert(0, FOLDER)
import helpers  # noqa: F401  (antes que TensorFlow, para que no escriba sus avisos de arranque)
"""


class NotebookError(Exception):
    """Un cuaderno no se pudo ejecutar o la herramienta se usó mal; el mensaje dice qué pasó y qué hacer."""


# --- La dirección del repositorio: `_config.yml` manda ------------------------------------------------------


@dataclass(frozen=True)
class Repository:
    """Dirección del repositorio en GitHub y rama que abren Colab y Binder."""

    owner: str
    name: str
    branch: str = "main"

    @property
    def url(self):
        """Dirección completa, sin barra final."""
        return f"https://github.com/{self.owner}/{self.name}"


def parse_url(url, branch="main"):
    """`Repository` de una dirección `https://github.com/USUARIO/NOMBRE`.

    Lanza:
        NotebookError: si la dirección no tiene esa forma.
    """
    found = re.fullmatch(r"https://github\.com/([\w.-]+)/([\w.-]+?)(?:\.git)?/?", url)
    if not found:
        raise NotebookError(f"«{url}» no es una dirección de GitHub como https://github.com/USUARIO/NOMBRE.")
    return Repository(found.group(1), found.group(2), branch)


def read_repository(root=ROOT):
    """Lee `repository.url` y `repository.branch` de `_config.yml`.

    Lanza:
        NotebookError: si el archivo o la dirección faltan.
    """
    path = root / "_config.yml"
    if not path.exists():
        raise NotebookError(f"No existe {path}: de ahí sale la dirección del repositorio.")
    text = path.read_text(encoding="utf-8")
    section = re.search(r"^repository:\n((?:[ \t]+.*\n?|\s*#.*\n|\n)*)", text, re.MULTILINE)
    entries = (
        dict(re.findall(r"^\s+(\w+):\s*[\"']?([^\"'#\s]*)", section.group(1), re.MULTILINE))
        if section
        else {}
    )
    if not entries.get("url"):
        raise NotebookError(f"{path} no dice «repository: url:».")
    return parse_url(entries["url"], entries.get("branch") or "main")


def setup_source(repository):
    """Código de la celda inicial para ese repositorio."""
    return SETUP_CELL.format(url=repository.url, branch=repository.branch, name=repository.name).rstrip("\n")


TEXT_SUFFIXES = {
    ".md",
    ".yml",
    ".yaml",
    ".toml",
    ".cff",
    ".txt",
    ".py",
    ".json",
    ".ipynb",
    ".js",
    ".html",
    ".bib",
}
SKIPPED_FOLDERS = {".git", "_build", "node_modules", "__pycache__", "results"}


def text_files(root=ROOT):
    """Archivos del repositorio en los que puede estar escrita la dirección."""
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = sorted(
            name
            for name in subfolders
            if name not in SKIPPED_FOLDERS and not name.startswith(".venv") and not name.endswith(".egg-info")
        )
        yield from (Path(folder, name) for name in sorted(names) if Path(name).suffix in TEXT_SUFFIXES)


def replace_repository(text, old, new):
    """El mismo texto con las direcciones de GitHub, Colab, Binder y Pages del repositorio nuevo."""
    owner, name = re.escape(old.owner), re.escape(old.name)
    end = r"(?![\w-])"
    text = re.sub(
        rf"(github\.com/|/gh/|/github/|githubusercontent\.com/){owner}/{name}{end}",
        rf"\g<1>{new.owner}/{new.name}",
        text,
    )
    text = re.sub(rf"\b{owner}\.github\.io/{name}{end}", f"{new.owner}.github.io/{new.name}", text)
    return re.sub(rf"\bcd {name}{end}", f"cd {new.name}", text)


ADDRESSES = (
    ("Binder", re.compile(r"mybinder\.org/v2/gh/([\w.-]+)/([\w.-]+)/([\w.-]+)")),
    ("Colab", re.compile(r"colab\.research\.google\.com/github/([\w.-]+)/([\w.-]+)/blob/([\w.-]+)")),
    ("git clone", re.compile(r"git clone (?:-\S+ )*https://github\.com/([\w.-]+?)/([\w-]+)")),
    ("repository-code", re.compile(r"repository-code: *[\"']?https://github\.com/([\w.-]+)/([\w-]+)")),
    ("GitHub Pages", re.compile(r"https://([\w-]+)\.github\.io/([\w-]+)")),
)


def address_problems(root=ROOT):
    """Direcciones de lanzamiento, clonación, cita y publicación que no son la de `_config.yml`."""
    repository = read_repository(root)
    expected = (repository.owner, repository.name, repository.branch)
    problems = []
    for path in text_files(root):
        if path.parent.name == "tests":
            continue
        text = path.read_text(encoding="utf-8")
        for kind, pattern in ADDRESSES:
            problems += [
                f"{path.relative_to(root)}: la dirección de {kind} no es la de _config.yml: {found.group(0)}"
                for found in pattern.finditer(text)
                if found.groups() != expected[: len(found.groups())]
            ]
    return problems


# --- Forma normal --------------------------------------------------------------------------------------------


def normalize_output(output):
    """Una salida sin lo que cambia de una ejecución a otra: vistas de controles, colores y trazas con rutas."""
    output = nbformat.from_dict(output)
    if output.output_type == "error":
        evalue = ANSI.sub("", output.evalue)
        output.evalue = evalue
        output.traceback = [f"{output.ename}: {evalue}"]
    elif output.output_type != "stream":
        output.data.pop(WIDGET_VIEW, None)
        output.metadata = {
            mime: dict(value)
            for mime, value in sorted(output.metadata.items())
            if mime in output.data and value
        }
    return output


def merge_streams(outputs):
    """Junta los trozos de stdout (y de stderr) de una celda en el lugar del primero, como hace nbval."""
    merged, streams = [], {}
    for output in outputs:
        if output.output_type != "stream":
            merged.append(output)
        elif output.name in streams:
            streams[output.name].text += output.text
        else:
            output.text = join(output.text)
            streams[output.name] = output
            merged.append(output)
    return merged


def _cell_id(cell, taken):
    digest = hashlib.sha256(f"{cell.cell_type}\n{join(cell.source)}".encode()).hexdigest()[:8]
    repeated = sum(1 for identifier in taken if identifier.split("-")[0] == digest)
    return f"{digest}-{repeated + 1}" if repeated else digest


def normalize(notebook):
    """Cuaderno en forma normal.

    nbformat 4.5; identificadores de celda que dependen solo de su contenido; metadatos mínimos; ejecuciones
    numeradas desde 1; salidas sin estado de controles. Es idempotente.

    Argumentos:
        notebook: cuaderno de nbformat 4; no se modifica.

    Devuelve:
        Un cuaderno nuevo.
    """
    cells, taken, count = [], [], 0
    for original in notebook.cells:
        cell_tags = list(dict.fromkeys(tags(original)))
        metadata = {}
        if cell_tags:
            metadata["tags"] = cell_tags
        cell = nbformat.NotebookNode(
            cell_type=original.cell_type, metadata=metadata, source=join(original.source)
        )
        if original.cell_type == "code":
            if FOLDED_TAGS & set(cell_tags):
                # Plegada también en JupyterLab y en Colab, no solo en la página; su título es el de Colab.
                metadata["jupyter"] = {"source_hidden": True}
                metadata["cellView"] = "form"
                title = TITLE.match(cell.source)
                if title:
                    metadata["mystnb"] = {"code_prompt_show": title.group(1).strip()}
            executed = original.get("execution_count") is not None
            count += executed
            cell.execution_count = count if executed else None
            cell.outputs = []
            for output in merge_streams([normalize_output(output) for output in original.get("outputs", [])]):
                if output.output_type == "execute_result":
                    output.execution_count = cell.execution_count
                cell.outputs.append(output)
        elif original.get("attachments"):
            cell.attachments = original.attachments
        cell.id = _cell_id(cell, taken)
        taken.append(cell.id)
        cells.append(cell)
    return nbformat.from_dict(
        {
            "cells": cells,
            "metadata": {"kernelspec": KERNEL, "language_info": {"name": "python"}},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
    )


def to_text(notebook):
    """Texto exacto que se guarda en disco."""
    nbformat.validate(notebook)
    return nbformat.writes(notebook).rstrip("\n") + "\n"


def read_notebook(path):
    """Lee un cuaderno como nbformat 4.

    Lanza:
        NotebookError: si no existe o no es un cuaderno.
    """
    try:
        return nbformat.reads(Path(path).read_text(encoding="utf-8"), as_version=4)
    except FileNotFoundError:
        raise NotebookError(f"No existe {path}.") from None
    except (nbformat.reader.NotJSONError, nbformat.ValidationError, UnicodeDecodeError) as error:
        raise NotebookError(f"{path} no es un cuaderno de Jupyter: {error}") from error


def write_notebook(path, notebook):
    """Guarda el cuaderno de una vez: o queda el nuevo entero o queda el de antes."""
    path = Path(path)
    partial = path.with_name(path.name + ".nuevo")
    partial.write_text(to_text(notebook), encoding="utf-8", newline="\n")
    os.replace(partial, path)


# --- Ejecución -----------------------------------------------------------------------------------------------


def neutral_environment(folder):
    """Entorno del kernel: el de quien llama, sin lo que cambia las salidas y sin su configuración de IPython."""
    dropped = {
        "COLUMNS",
        "LINES",
        "MPLBACKEND",
        "MATPLOTLIBRC",
        "PYTHONWARNINGS",
        "PYTHONSTARTUP",
        "FORCE_COLOR",
    }
    environment = {name: value for name, value in os.environ.items() if name not in dropped}
    return environment | {"TERM": "dumb", "LC_ALL": "C.UTF-8", "PYTHONUTF8": "1", "IPYTHONDIR": str(folder)}


def execute(notebook, folder, timeout=300):
    """Ejecuta un cuaderno de arriba abajo en un kernel limpio.

    Argumentos:
        notebook: cuaderno de nbformat; no se modifica.
        folder: carpeta de trabajo del kernel.
        timeout: segundos como máximo por celda.

    Devuelve:
        Cuaderno nuevo, ejecutado y en forma normal.

    Lanza:
        NotebookError: si una celda falla, tarda demasiado o el kernel muere; dice qué celda y qué error.
    """
    executed = nbformat.from_dict(notebook)
    executed.metadata.pop("widgets", None)
    for cell in executed.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    current = {}

    def remember(cell, cell_index, **_):
        current.update(number=cell_index + 1, cell=cell)

    with tempfile.TemporaryDirectory() as ipython_folder:
        client = NotebookClient(
            executed,
            timeout=timeout,
            kernel_name="python3",
            resources={"metadata": {"path": str(folder)}},
            store_widget_state=False,
            extra_arguments=["--log-level=40"],  # los avisos del propio kernel no son del cuaderno
            on_cell_execute=remember,
        )
        try:
            client.execute(env=neutral_environment(ipython_folder))
        except CellTimeoutError:
            raise NotebookError(_cell_failure(current, f"tardó más de {timeout} segundos")) from None
        except CellExecutionError:
            trace = "\n".join(output_texts(current["cell"])[-2:])
            raise NotebookError(_cell_failure(current, ANSI.sub("", trace))) from None
        except DeadKernelError:
            raise NotebookError(
                _cell_failure(current, "el kernel murió; suele ser falta de memoria")
            ) from None
    return normalize(executed)


def _cell_failure(current, reason):
    source = "\n".join("    " + line for line in join(current["cell"].source).splitlines())
    return f"falló la celda {current['number']}:\n{source}\n{reason}"


def find_notebooks(root=ROOT):
    """Los cuadernos del libro, en orden alfabético."""
    return sorted((root / "book").glob("*.ipynb"))


def problems_of(path, source):
    """Faltas de un cuaderno guardado, con la forma normal entre ellas."""
    notebook = read_notebook(path)
    text = Path(path).read_text(encoding="utf-8")
    problems = check_size(len(text.encode())) + check_notebook(notebook, source)
    if text != to_text(normalize(notebook)):
        problems.append("no está en forma normal: python -m helpers.notebooks ejecutar")
    return problems


def write_setup_cell(notebook, source):
    """Copia del cuaderno con la celda inicial de la plantilla.

    Si ninguna celda lleva la etiqueta `celda-inicial`, se inserta antes de la primera celda de código.
    """
    notebook = nbformat.from_dict(notebook)
    tagged = [cell for cell in notebook.cells if cell.cell_type == "code" and "celda-inicial" in tags(cell)]
    if not tagged:
        position = next((i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"), None)
        if position is None:
            return notebook
        tagged = [nbformat.v4.new_code_cell()]
        notebook.cells.insert(position, tagged[0])
    tagged[0].source = source
    tagged[0].metadata["tags"] = ["celda-inicial", "hide-input"]
    return notebook


# --- Órdenes -------------------------------------------------------------------------------------------------


def run_execute(paths, timeout, source):
    """Ejecuta cada cuaderno y guarda el resultado; si uno falla, deja el suyo como estaba y sigue."""
    failed = False
    for path in paths:
        start = time.perf_counter()
        try:
            notebook = write_setup_cell(read_notebook(path), source)
            executed = execute(notebook, path.parent, timeout)
        except NotebookError as error:
            failed = True
            print(f"{path.name}: {error}\nEl archivo queda como estaba.", file=sys.stderr)
            continue
        write_notebook(path, executed)
        print(f"{path.name}: {time.perf_counter() - start:.0f} s, {path.stat().st_size / 1000:.0f} kB")
        problems = problems_of(path, source)
        failed = failed or bool(problems)
        for problem in problems:
            print(f"  {problem}", file=sys.stderr)
    return int(failed)


def run_check(paths, source):
    """Dice las faltas de cada cuaderno guardado y las direcciones que no concuerdan."""
    addresses = address_problems()
    failed = bool(addresses)
    for problem in addresses:
        print(problem, file=sys.stderr)
    for path in paths:
        problems = problems_of(path, source)
        failed = failed or bool(problems)
        for problem in problems:
            print(f"{path.name}: {problem}", file=sys.stderr)
    print(f"{len(paths)} cuadernos: " + ("hay faltas" if failed else "todo en orden"))
    return int(failed)


def run_setup_cell(paths, source):
    """Escribe la celda inicial en cada cuaderno y lo deja en forma normal, sin ejecutar nada."""
    for path in paths:
        write_notebook(path, normalize(write_setup_cell(read_notebook(path), source)))
    print(f"Celda inicial escrita en {len(paths)} cuadernos.")
    return 0


def run_repository(url, root=ROOT):
    """Cambia la dirección en `_config.yml` y en todo lo que la repite."""
    old = read_repository(root)
    new = parse_url(url, old.branch)
    changed = 0
    for path in text_files(root):
        before = path.read_bytes().decode("utf-8")
        after = replace_repository(before, old, new)
        if after != before:
            path.write_text(after, encoding="utf-8", newline="")
            changed += 1
    run_setup_cell(find_notebooks(root), setup_source(new))
    print(f"{old.url} → {new.url} en {changed} archivos.")
    return 0


def run_publishable(url, root=ROOT):
    """Comprueba que el libro dice estar donde se va a publicar: la dirección provisional no lo está en ninguna parte."""
    stated, real = read_repository(root), parse_url(url)
    if (stated.owner.lower(), stated.name.lower()) != (real.owner.lower(), real.name.lower()):
        raise NotebookError(
            f"El libro dice estar en {stated.url} y se va a publicar desde {real.url}: sus botones de Colab y de Binder no "
            f"funcionarían. Ejecuta «make repositorio URL={real.url}» y guarda el cambio."
        )
    print(f"El libro dice estar en {stated.url}, y ahí está.")
    return 0


def main(arguments=None):
    """Punto de entrada de `python -m helpers.notebooks`."""
    parser = argparse.ArgumentParser(
        prog="python -m helpers.notebooks", description="Cuida los cuadernos del libro."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="ORDEN")
    for name, text in (
        ("ejecutar", "vuelve a ejecutar y guarda las salidas"),
        ("comprobar", "comprueba lo guardado"),
        ("celda-inicial", "escribe la celda inicial de la plantilla"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("notebooks", nargs="*", type=Path, metavar="CUADERNO")
        if name == "ejecutar":
            command.add_argument("--segundos", type=int, default=300, help="máximo por celda (300)")
    command = commands.add_parser("repositorio", help="cambia la dirección del repositorio en todas partes")
    command.add_argument("url", metavar="URL", help="https://github.com/USUARIO/NOMBRE")
    command = commands.add_parser("publicable", help="falla si el libro dice estar en otro sitio")
    command.add_argument("url", metavar="URL", help="de dónde se va a publicar: https://github.com/…")
    options = parser.parse_args(arguments)
    try:
        if options.command == "repositorio":
            return run_repository(options.url)
        if options.command == "publicable":
            return run_publishable(options.url)
        source = setup_source(read_repository())
        paths = options.notebooks or find_notebooks()
        if options.command == "ejecutar":
            return run_execute(paths, options.segundos, source)
        if options.command == "comprobar":
            return run_check(paths, source)
        return run_setup_cell(paths, source)
    except NotebookError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
