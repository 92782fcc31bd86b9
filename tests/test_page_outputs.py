"""Las salidas de las páginas Markdown: se leen, se comparan y se rehacen; «Escalar» da las que guarda."""

import pytest

from helpers.page_outputs import PageError, main, problems, read_blocks, run_page, same_output

PAGE = """# Página

## Uno

```python
x = 2
print(f"x vale {x}")
```

```text
x vale 2
```

Prosa, y código que sigue.

```python
print(f"mitad {x / 4:.2f}")
```

<!-- salida: tolerancia 0.1 -->
<!-- comprueba: x == 2 -->

```text
mitad 0.55
```

## Dos

```bash
esto no se ejecuta
```

```text
ni esto es una salida
```

```python
print("x" in globals())
```

```text
False
```
"""


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "pagina.md"
    path.write_text(PAGE, encoding="utf-8")
    return path


def test_a_true_page_has_no_problems(page):
    """Los bloques de un apartado comparten variables y los de dos apartados, no."""
    assert problems(run_page(PAGE)) == []
    assert main(["comprobar", str(page)]) == 0


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("x vale 2\n```\n", "x vale 3\n```\n", "la página guarda\nx vale 3\ny ahora imprime\nx vale 2"),
        ("mitad 0.55", "mitad 0.61", "y ahora imprime\nmitad 0.50"),
        ("mitad 0.55", "media 0.55", "y ahora imprime\nmitad 0.50"),
        ("comprueba: x == 2", "comprueba: x > 2", "no se cumple «x > 2»"),
        ("```text\nFalse\n```\n", "", "y ahora imprime\nFalse"),
    ],
)
def test_each_lie_is_told_with_its_place(page, old, new, told, capsys):
    page.write_text(PAGE.replace(old, new), encoding="utf-8")
    assert main(["comprobar", str(page)]) == 1
    assert told in capsys.readouterr().out


def test_rewriting_puts_todays_outputs_and_touches_nothing_else(page):
    page.write_text(PAGE.replace("vale 2\n", "vale 7\n").replace("False", "True"), encoding="utf-8")
    assert main(["reescribir", str(page)]) == 0
    assert page.read_text(encoding="utf-8") == PAGE.replace("mitad 0.55", "mitad 0.50")
    page.write_text(PAGE.replace("x vale 2\n```", "x vale 7\n```").replace("False", "True"), encoding="utf-8")
    assert main(["reescribir", str(page), "--apartado", "Dos"]) == 0
    assert "x vale 7" in page.read_text(encoding="utf-8") and "False" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("recorded", "printed", "rule", "same"),
    [
        ("0.51 s\n", "9.87 s\n", "forma", True),
        ("0.51 s\n", "9 s\n", "forma", False),
        ("a 0.500\n", "a  0.549\n", "tolerancia 0.05", True),
        ("a 0.500\n", "a 0.551\n", "tolerancia 0.05", False),
        ("3 de 4: 0.5\n", "2 de 4: 0.5\n", "tolerancia 0.05", False),
        ("0.5\n", "0.50\n", "exacta", False),
    ],
)
def test_the_rules(recorded, printed, rule, same):
    assert same_output(recorded, printed, rule) is same


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("## A\n\n<!-- salida: forma -->\n", "no va detrás de un bloque python"),
        ("```python\n1\n```\n<!-- salida: mas o menos -->\n", "no es una regla"),
        ("```python\n1\n```\n\n## Otro\n\n<!-- comprueba: True -->\n", "no va detrás"),
    ],
)
def test_a_badly_written_page(text, message):
    with pytest.raises(PageError, match=message):
        read_blocks(text)


def test_code_that_fails_and_a_section_that_is_not_there(page, capsys):
    page.write_text(PAGE.replace("x = 2", "x = no_existe"), encoding="utf-8")
    assert main(["comprobar", str(page)]) == 2
    assert "«Uno» falla" in capsys.readouterr().err
    assert main(["comprobar", str(page), "--apartado", "Tres"]) == 2
    assert "ningún apartado «Tres»" in capsys.readouterr().err


def test_every_block_of_escalar_shows_its_output(root):
    """Sin ejecutarlo: todo bloque lleva salida, y las que tienen segundos solo se comparan por su forma."""
    blocks = read_blocks((root / "book" / "escalar.md").read_text(encoding="utf-8"))
    assert len(blocks) >= 10
    for block in blocks:
        assert block.output, block.code
        assert block.rule == "forma" or " s;" not in block.output, block.output


@pytest.mark.completo
@pytest.mark.parametrize("section", ["Que busque", "Un lote", "Las ejecuciones", "Cuándo no"])
def test_escalar_says_what_happens(root, section):
    """Cada apartado se ejecuta entero y da las salidas que la página guarda."""
    text = (root / "book" / "escalar.md").read_text(encoding="utf-8")
    assert problems(run_page(text, section)) == []
