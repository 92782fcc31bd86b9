"""`python -m helpers.book`: la orden que construye el libro, sin lo que solo hace esperar."""

import subprocess
import sys

import pytest

from helpers import book


def run(code):
    """Ejecuta `code` en un Python recién abierto y devuelve lo que imprime."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=True
    ).stdout.strip()


def test_the_build_compiles_no_grammar_that_it_does_not_use():
    assert run("from helpers import book; book.leave_out(); import jsonschema, jupyter_book.config, sys; "
               "print(any(name.split('.')[0] == 'lark' for name in sys.modules))") == "False"  # fmt: skip


def test_schemas_are_still_checked_without_it():
    code = (
        "from helpers import book; book.leave_out(); import jsonschema\n"
        "try: jsonschema.validate({'title': 3}, {'properties': {'title': {'type': 'string'}}})\n"
        "except jsonschema.ValidationError: print('no vale')"
    )
    assert run(code) == "no vale"


def test_what_is_already_loaded_stays(monkeypatch):
    module = object()
    monkeypatch.setitem(sys.modules, "modulo_de_prueba", module)
    book.leave_out(("modulo_de_prueba",))
    assert sys.modules["modulo_de_prueba"] is module


def test_arguments_are_added_to_the_usual_ones(monkeypatch):
    from jupyter_book.cli import main as command

    seen = []
    monkeypatch.setattr(command, "main", seen.append)
    monkeypatch.setattr(book.gc, "disable", lambda: seen.append("sin recolector"))
    book.build(["--path-output", "otra"])
    assert seen == ["sin recolector", ["build", ".", "-W", "--keep-going", "-n", "--path-output", "otra"]]


def test_without_jupyter_book_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "jupyter_book.cli.main", None)
    with pytest.raises(ModuleNotFoundError, match=r'Falta jupyter-book.*pip install .* -e "\.\[libro\]"'):
        book.build([])
