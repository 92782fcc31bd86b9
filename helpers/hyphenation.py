"""Guiones de final de línea en español, para el PDF: Chromium no trae el diccionario con que partir palabras."""

import re

SOFT_HYPHEN = "\u00ad"
SHORTEST = 6
"""Letras de la palabra más corta que se parte."""

_VOWELS = "aeiouáéíóúü"
# Los grupos que empiezan sílaba: no se separan.
_TOGETHER = re.compile(r"(?:[bcfgp][lr]|[dt]r|ch|ll|rr)$")
_BETWEEN_VOWELS = re.compile(rf"(?<=[{_VOWELS}])([b-df-hj-np-tv-zñ]+)(?=[{_VOWELS}])")
_WORD = re.compile(r"[a-záéíóúüñ]+")


def hyphenate(word):
    """Pone guiones discretos (U+00AD) donde la palabra se puede partir: entre sílabas, y nunca entre dos vocales.

    Deja al menos dos letras a la izquierda y tres a la derecha. Las palabras con mayúsculas por medio, con `k` o con `w`
    no se parten, ni las que acaban en una consonante en la que no acaba una palabra española.
    """
    lower = word[:1].lower() + word[1:]
    if (
        len(word) < SHORTEST
        or not _WORD.fullmatch(lower)
        or re.search("[kw]|sh|th|oo|ss|[^aeiouáéíóúdjlnrsxyz]$", lower)
    ):
        return word
    places = []
    for found in _BETWEEN_VOWELS.finditer(lower):
        group = found[1]
        start = _TOGETHER.search(group[-2:]) is not None and len(group) >= 2
        place = found.end() - (2 if start else 1)
        if place >= 2 and len(word) - place >= 3:
            places.append(place)
    for place in reversed(places):
        word = word[:place] + SOFT_HYPHEN + word[place:]
    return word
