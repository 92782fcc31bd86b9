"""El cuidado de las palabras: glosario, ortografía, primera mención y enlaces externos, en el libro y en casos que fallan."""

import shutil

import pytest

from helpers import prose_lint
from helpers.prose_lint import (
    ROOT,
    ExternalLink,
    ProseError,
    Quote,
    Term,
    Text,
    check_words,
    find_external_links,
    find_misspelled,
    find_problems,
    first_use_problems,
    glossary_problems,
    javascript_texts,
    link_problems,
    load_exceptions,
    parse_exceptions,
    prose_texts,
    python_texts,
    read_glossary,
    read_texts,
    reading_order,
    spelling_problems,
    word_pattern,
)

GLOSSARY = """
| Español | Inglés | Qué es | Se explica en | Evita |
|---|---|---|---|---|
| **agrupación máxima** | *max pooling* | Se queda con el mayor. | [Convolución](convolucion.ipynb) | **submuestreo**: es otra cosa |
| **exactitud** | *accuracy* | Parte de aciertos. | [Evaluación](evaluacion.ipynb) | *precisión*: es otra métrica |
| **exhaustividad** (por clase) | *recall* | Parte encontrada. | [Evaluación](evaluacion.ipynb) | **recuerdo**: es memoria |
| **lote** | *batch* | Un grupo de imágenes. | [Entrenamiento](entrenamiento.ipynb) | **batch**, **tanda**: ya hay nombre |
| **normalización por lotes** | *batch normalization* | Centra y escala. | [Arquitectura](arquitectura.ipynb) | **normalización por lote**: un nombre |
| **tensor** | *tensor* | Tabla de números. | aquí | |
"""
TERMS = read_glossary(GLOSSARY)


def messages(problems):
    return [str(problem) for problem in problems]


def wrong(texts):
    return [str(problem) for problem, _, _ in check_words(texts, TERMS)]


# --- El proyecto -------------------------------------------------------------------------------------------------


def test_the_project_has_no_problems():
    assert messages(find_problems()) == []


def test_every_kind_of_text_is_read():
    """La prosa, las celdas, los controles y las docstrings: si un lector se rompe, aquí se nota."""
    texts = read_texts()
    kinds = {(text.file.rsplit(".", 1)[-1], text.kind) for text in texts}
    assert kinds >= {
        ("ipynb", "prosa"),
        ("ipynb", "cadena"),
        ("ipynb", "comentario"),
        ("md", "prosa"),
        ("py", "docstring"),
        ("py", "cadena"),
        ("js", "cadena"),
    }
    files = {text.file for text in texts}
    assert {"portada.ipynb", "glosario.md", "README.md", "helpers/widgets/base.js"} <= files
    assert len(find_misspelled(["ventana", "capa", "ventnaa"])) == 1


def test_the_real_glossary_forbids_what_the_design_forbids():
    terms = read_glossary((ROOT / prose_lint.GLOSSARY).read_text(encoding="utf-8"))
    never = {word for term in terms for word in term.never}
    assert {"recuerdo", "crosentropía", "submuestreo", "aumentación", "aumentado de datos"} <= never
    assert "precisión" not in never  # depende del sentido


# --- El glosario -------------------------------------------------------------------------------------------------


def test_glossary_rows_are_read():
    recall = next(term for term in TERMS if term.name == "exhaustividad")
    assert recall == Term(
        "exhaustividad", ("recall",), ("evaluacion",), ("recuerdo",), "recuerdo: es memoria"
    )
    assert next(term for term in TERMS if term.name == "exactitud").never == ()
    assert next(term for term in TERMS if term.name == "tensor").taught == ()


def test_a_glossary_without_rows_or_cells_is_an_error():
    with pytest.raises(ProseError, match="no tiene ninguna fila"):
        read_glossary("# Glosario")
    with pytest.raises(ProseError, match="«lote» del glosario no tiene cinco celdas"):
        read_glossary("| **lote** | *batch* |\n")


@pytest.mark.parametrize(
    "markdown, word",
    [
        ("La capa de submuestreo.", "submuestreo"),
        ("Tres **recuerdos**, uno por clase.", "recuerdos"),
        ("> El\n> recuerdo mide eso.", "recuerdo"),
        ("Se llama *tanda*.", "tanda"),
        ("Cada batch lleva 32.", "batch"),
        ("| Recuerdo | 0.8 |", "Recuerdo"),
    ],
)
def test_prose_with_an_avoided_word_fails(tmp_path, markdown, word):
    page = tmp_path / "pagina.md"
    page.write_text(markdown, encoding="utf-8")
    found = wrong(prose_texts(page))
    assert len(found) == 1 and f"«{word}»" in found[0] and "pagina.md" in found[0]


@pytest.mark.parametrize(
    "markdown",
    [
        "Recuerda que hay que reiniciar.",
        "El lote (*batch*) lleva `batch_size` imágenes; `recuerdo` es el nombre de una variable.",
        "```python\nrecuerdo = 1\n```",
        "La normalización por lotes centra.",
        "Sin tandas-raras.",
        '<div lang="en">\n\nOne batch.\n\n</div>',
    ],
)
def test_prose_that_is_right_passes(tmp_path, markdown):
    page = tmp_path / "pagina.md"
    page.write_text(markdown, encoding="utf-8")
    assert wrong(prose_texts(page)) == []


def test_the_last_column_of_the_glossary_may_name_what_it_avoids(tmp_path):
    page = tmp_path / "glosario.md"
    page.write_text(GLOSSARY + "\nY el recuerdo, fuera de la tabla, no.\n", encoding="utf-8")
    assert len(wrong(prose_texts(page))) == 1
    page.write_text(GLOSSARY.replace("Parte encontrada", "El recuerdo"), encoding="utf-8")
    assert len(wrong(prose_texts(page))) == 1


def test_a_label_with_an_avoided_word_fails():
    source = (
        'axes.set_ylabel("Recuerdo por clase")\naxes.set_xlabel(f"submuestreo de {n}×{n}")\nkey = "batch"\n'
    )
    found = wrong(python_texts(source, "figura.py"))
    assert len(found) == 2 and "figura.py, línea 1" in found[0] and "línea 2" in found[1]


def test_a_control_label_with_an_avoided_word_fails():
    source = (
        "// el recuerdo de un comentario\nconst label = 'El recuerdo';\nconst t = `Una tanda de ${batch}`;\n"
    )
    found = wrong(javascript_texts(source, "control.js"))
    assert len(found) == 2 and "línea 2" in found[0] and "línea 3" in found[1]


def test_a_docstring_with_an_avoided_word_fails():
    source = (
        'def f(batch):\n    """Calcula el recuerdo.\n\n    Argumentos:\n        batch: un lote.\n    """\n'
    )
    found = wrong(python_texts(source, "modulo.py"))
    assert len(found) == 1 and "«recuerdo»" in found[0] and "línea 2" in found[0]


def test_a_comment_of_a_cell_with_an_avoided_word_fails():
    assert wrong(python_texts("x = 1  # una tanda\n", "celda", comments=True))
    assert wrong(python_texts("x = 1  # una tanda\n", "celda")) == []


def test_plurals_and_spaces():
    assert word_pattern("tasa de acierto").search("las tasas\nde aciertos")
    assert word_pattern("aumentación").search("dos aumentaciones")
    assert not word_pattern("tanda").search("estandarizar")


def test_quotes_excuse_only_their_own_place():
    texts = [Text("a.md", "a.md", "prosa", "Hay quien dice\n«recuerdo» por error.\nOtro recuerdo.")]
    quote = Quote("a.md", ("«recuerdo» por error",))
    found = messages(glossary_problems(texts, TERMS, [quote]))
    assert len(found) == 1 and "línea 3" in found[0]
    other = Quote("b.md", ("«recuerdo» por error",))
    assert any("sobra" in message for message in messages(glossary_problems(texts, TERMS, [quote, other])))


# --- La ortografía -----------------------------------------------------------------------------------------------


def test_a_typo_in_prose_or_in_a_docstring_fails():
    texts = [
        Text("a.md", "a.md", "prosa", "Una ventana.\nOtra ventnaa."),
        Text("b.py", "b.py", "docstring", "Calcula la exhautividad."),
        Text("c.py", "c.py", "cadena", "una-ventnna { width: 3 }"),
    ]
    found = messages(spelling_problems(texts))
    assert len(found) == 2 and "a.md, línea 2" in found[0] and "«exhautividad»" in found[1]


def test_a_typo_in_a_label_or_in_a_comment_of_a_cell_fails():
    label = python_texts('axes.set_title("La exactitud de la vlaidación")\n', "figura.py")
    assert len(spelling_problems(label)) == 1
    assert (
        len(spelling_problems(javascript_texts(r'label("Tama\u00f1o\u202fdel\nnúcelo");', "control.js"))) == 1
    )
    assert len(spelling_problems(python_texts("x = 1  # los pessos\n", "celda", comments=True))) == 1


def test_a_missing_accent_fails():
    assert messages(spelling_problems([Text("a.md", "a.md", "prosa", "La funcion de perdida.")]))


def test_allowed_words_and_english_names_pass():
    texts = [Text("a.md", "a.md", "prosa", "Convolucional con *recall* y Keras.")]
    assert spelling_problems(texts, TERMS, {"convolucional", "Keras"}) == []
    assert messages(spelling_problems([Text("a.md", "a.md", "prosa", "keras")], (), {"Keras"}))


def test_verbs_with_pronouns_pass():
    right = "Júzgala, ensáyalo, repítela y comprobémoslo sin fiarlo."
    assert spelling_problems([Text("a.md", "a.md", "prosa", right)]) == []
    assert prose_lint.without_pronouns("ventanas") == ()
    assert len(spelling_problems([Text("a.md", "a.md", "prosa", "Jusgala y repitea.")])) == 2


def test_an_allowed_word_that_nobody_uses_fails():
    found = messages(spelling_problems([Text("a.md", "a.md", "prosa", "Una red.")], (), {"zutano"}))
    assert found == ["book/prosa.toml: [[ortografia]] «zutano» no sale en ningún texto: sobra."]


def test_without_hunspell_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ProseError, match="apt install hunspell hunspell-es"):
        find_misspelled(["red"])


def test_without_the_dictionary_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(prose_lint, "DICTIONARY", "xx_NADA")
    with pytest.raises(ProseError, match="Puede faltar el diccionario xx_NADA"):
        find_misspelled(["red"])


# --- La primera mención ------------------------------------------------------------------------------------------


def first_use(*documents, **options):
    return messages(first_use_problems(documents, TERMS, **options))


LATER = [(f"{name}.ipynb", []) for name in ("arquitectura", "entrenamiento", "evaluacion")]


def test_a_term_before_its_chapter_fails():
    found = first_use(("portada.ipynb", []), ("convolucion.ipynb", ["Cada **lote** son 32."]), *LATER)
    assert len(found) == 1 and "«lote» sale antes de entrenamiento" in found[0]


@pytest.mark.parametrize(
    "block",
    [
        "Cada [lote](glosario.md) son 32.",
        "Los lotes se explican en [Entrenamiento](entrenamiento.ipynb).",
        "`lote`",
    ],
)
def test_a_linked_term_passes(block):
    assert first_use(("portada.ipynb", []), ("convolucion.ipynb", [block]), *LATER) == []


def test_the_first_mention_is_enough():
    chapters = (
        ("portada.ipynb", []),
        ("convolucion.ipynb", ["Un [lote](glosario.md).", "Otro lote."]),
        *LATER,
    )
    assert first_use(*chapters) == []


def test_the_link_has_to_be_in_the_same_block():
    block = "Un lote.\n\nVer [Glosario](glosario.md).\n- Otro [lote](glosario.md)"
    assert first_use(("portada.ipynb", []), ("convolucion.ipynb", [block]), *LATER)


def test_what_the_cover_presents_is_presented_again():
    cover = ("portada.ipynb", ["El [lote](glosario.md)."])
    assert first_use(cover, ("convolucion.ipynb", ["Un lote."]), *LATER)


def test_its_own_chapter_and_later_ones_are_free():
    assert first_use(("portada.ipynb", []), *LATER, ("mejorar.ipynb", ["Un lote y la exactitud."])) == []


def test_a_term_that_only_the_glossary_explains_needs_a_link_anywhere():
    chapters = (("portada.ipynb", []), *LATER, ("mejorar.ipynb", ["Un tensor."]), ("glosario.md", ["tensor"]))
    assert len(first_use(*chapters)) == 1


def test_exceptions_of_first_use():
    chapters = (("portada.ipynb", []), ("convolucion.ipynb", ["Un lote de tornillos."]), *LATER)
    mention = Quote("convolucion.ipynb", ("lote de tornillos",))
    assert first_use(*chapters, mentions=[mention]) == []
    assert first_use(*chapters, everyday=["lote"]) == []
    assert "sobra" in first_use(*chapters, everyday=["lote"], mentions=[mention])[0]
    assert "no está en el glosario" in first_use(*chapters, everyday=["lote", "mesa"])[0]


def test_the_reading_order_is_that_of_the_index():
    names = [path.stem for path in reading_order()]
    assert names[:3] == ["portada", "como-usar", "datos"] and names.index("glosario") > names.index("mejorar")


# --- Los enlaces externos ----------------------------------------------------------------------------------------


def test_external_links_are_collected():
    text = "[Keras](https://keras.io), <https://a.org/b>, https://c.org/d. `https://no.org` y [aquí](datos.ipynb)"
    assert [link.address for link in find_external_links(text, "a.md")] == [
        "https://keras.io",
        "https://a.org/b",
        "https://c.org/d",
    ]
    assert (
        find_external_links("@misc{x,\n  url = {https://keras.io},\n}", "x.bib")[0].address
        == "https://keras.io"
    )


@pytest.mark.parametrize(
    "address, reason",
    [
        ("http://keras.io", "no empieza por https"),
        ("//keras.io", "no empieza por https"),
        ("www.keras.io", "no empieza por https"),
        ("https://keras.io/una pagina", "lleva espacios"),
        ("https://keras", "no tiene un servidor válido"),
        ("https://keras.io/a.", "acaba en un signo"),
    ],
)
def test_a_malformed_link_fails(address, reason):
    found = messages(link_problems(find_external_links(f"[un sitio]({address})", "a.md")))
    assert any(reason in message for message in found)


def test_one_address_with_two_names_fails():
    links = [
        ExternalLink("a.md", "https://keras.io", "Keras"),
        ExternalLink("a.md", "https://keras.io", "Su web"),
    ]
    assert "usa un nombre" in messages(link_problems(links))[0]
    assert link_problems(links[:1] * 2) == []


# --- Las excepciones ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data, message",
    [
        ({"otras": [{"razon": "x"}]}, "no tiene tablas «otras»"),
        ({"ortografia": [{"palabras": ["a"]}]}, "le falta su razon"),
        ({"cita": [{"razon": "x", "textos": []}]}, "lleva razon, archivo, textos"),
    ],
)
def test_malformed_exceptions_are_explained(data, message):
    with pytest.raises(ProseError, match=message):
        parse_exceptions(data)


def test_a_missing_or_broken_file_of_exceptions_is_explained(tmp_path):
    with pytest.raises(ProseError, match="No existe"):
        load_exceptions(tmp_path / "prosa.toml")
    (tmp_path / "prosa.toml").write_text("[[cita", encoding="utf-8")
    with pytest.raises(ProseError, match="no es TOML válido"):
        load_exceptions(tmp_path / "prosa.toml")


def test_the_command_says_what_is_wrong(monkeypatch, capsys):
    problem = link_problems([ExternalLink("a.md", "http://keras.io", "")])
    monkeypatch.setattr(prose_lint, "find_problems", lambda root: problem)
    assert prose_lint.main(["comprobar"]) == 1
    assert "a.md: el enlace http://keras.io no empieza por https://." in capsys.readouterr().err
    monkeypatch.setattr(prose_lint, "find_problems", lambda root: [])
    assert prose_lint.main(["comprobar"]) == 0
    assert prose_lint.main(["enlaces"]) == 0
    assert "https://keras.io" in capsys.readouterr().out
