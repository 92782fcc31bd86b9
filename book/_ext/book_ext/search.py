"""Búsqueda en español: «convolucion», «convolución» y «convoluciones» encuentran lo mismo.

El lematizador que trae Sphinx distingue acentos, y sus versiones de Python (al indexar) y de JavaScript (al
buscar) no coinciden en todas las palabras: lo que no coincide no se encuentra nunca. Aquí las dos versiones
aplican las mismas cuatro reglas, que caben en unas líneas; `tests/test_book.py` comprueba que dan lo mismo.

Y quien busca «núcleo» quiere la página que lo explica antes que las que solo lo nombran: cuál es lo dice el glosario.
"""

import json
import re
import unicodedata
from pathlib import Path

from sphinx.errors import ExtensionError
from sphinx.search.es import SearchSpanish

ACCENTED = "áàâäéèêëíìîïóòôöúùûü"
PLAIN = "aaaaeeeeiiiioooouuuu"
_FOLD = str.maketrans(ACCENTED, PLAIN)  # la ñ no está: «año» y «ano» son palabras distintas


def fold(word):
    """Devuelve la palabra en minúsculas y sin acentos; conserva la ñ."""
    return unicodedata.normalize("NFC", word).lower().translate(_FOLD)


STOPWORDS = frozenset(SearchSpanish.stopwords) | {fold(word) for word in SearchSpanish.stopwords}


def stem(word):
    """Devuelve la raíz con la que se indexa y se busca `word`.

    Quita el acento, el plural y la última vocal: «redes» → «red», «clases» y «clase» → «clas»,
    «matrices» y «matriz» → «matric». Nunca deja una raíz que sea una palabra vacía («conos» ↛ «con»).
    """
    root = fold(word)
    if len(root) > 4 and root.endswith("es") and root[-3] not in "aeiou":
        root = root[:-2]
    elif len(root) > 3 and root.endswith("s") and not root.endswith("ss"):
        root = root[:-1]
    short = root[:-1] if len(root) > 3 and root[-1] in "aeo" else root
    if short in STOPWORDS:
        short = root
    return short[:-1] + "c" if short.endswith("z") else short


# La misma función para el navegador; `stopwords` lo define antes el archivo language_data.js de Sphinx.
STEMMER_JS = (
    f"""
const PLAIN = {json.dumps(dict(zip(ACCENTED, PLAIN, strict=True)), ensure_ascii=False)};
"""
    + """
var Stemmer = function () {
  this.stemWord = (word) => {
    let root = word.normalize("NFC").toLowerCase().replace(/./gu, (c) => PLAIN[c] ?? c);
    if (root.length > 4 && root.endsWith("es") && !"aeiou".includes(root.at(-3))) root = root.slice(0, -2);
    else if (root.length > 3 && root.endsWith("s") && !root.endsWith("ss")) root = root.slice(0, -1);
    let short = root.length > 3 && "aeo".includes(root.at(-1)) ? root.slice(0, -1) : root;
    if (stopwords.includes(short)) short = root;
    return short.endsWith("z") ? short.slice(0, -1) + "c" : short;
  };
};
"""
)


class AccentlessSpanish(SearchSpanish):
    """Idioma de búsqueda «es» con las reglas de este módulo."""

    stopwords = set(STOPWORDS)
    js_stemmer_rawcode = ""
    js_stemmer_code = STEMMER_JS

    def stem(self, word):
        """Aplica `stem`, la misma función que usa el navegador."""
        return stem(word)


def explained_terms(glossary):
    """Las raíces de cada término del glosario y las páginas que lo explican: [[["nucle"], ["book/convolucion"]], …]."""
    from helpers.prose_lint import read_glossary

    words = ((term, re.findall(r"\w+", term.name)) for term in read_glossary(glossary) if term.taught)
    return [
        [
            [stem(word) for word in name if fold(word) not in STOPWORDS],
            [f"book/{page}" for page in term.taught],
        ]
        for term, name in words
    ]


def prepare_search_page(app, pagename, templatename, context, doctree):
    """Da a la página de búsqueda los términos del glosario, para el orden, y los extractos que no distinguen acentos.

    Lanza:
        ExtensionError: si no se puede leer el glosario.
    """
    if pagename != "search":
        return
    try:
        glossary = Path(app.srcdir, "book", "glosario.md").read_text(encoding="utf-8")
        terms = json.dumps(explained_terms(glossary), ensure_ascii=False, separators=(",", ":"))
    except (ImportError, OSError, ValueError) as error:
        raise ExtensionError(
            f"No se pueden leer los términos del glosario para la búsqueda. {error}"
        ) from error
    app.add_js_file(None, body=f"const EXPLAINED = {terms};", priority=899)
    app.add_js_file("busqueda.js", priority=900, loading_method="defer")


def setup(app):
    """Registra el idioma de búsqueda del libro, el orden y los extractos de los resultados."""
    app.add_search_language(AccentlessSpanish)
    app.connect("html-page-context", prepare_search_page)
