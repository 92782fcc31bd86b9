"""Estilo bibliográfico en español, con el año tras los autores y una nota de para qué se usa cada obra.

«Apellido, N. y Apellido, N. (1998). *Título*. Revista 86(11), 2278–2324. doi:… Nota.»
Los estilos que traen pybtex y Sphinx escriben «and», «In» y «pages».
"""

from urllib.parse import urlsplit

from pybtex.plugin import register_plugin
from pybtex.richtext import HRef, Tag, Text
from pybtex.style import FormattedEntry
from pybtex.style.formatting import BaseStyle
from pybtex.style.labels.number import LabelStyle
from pybtex.style.names.plain import NameStyle
from pybtex.style.sorting.author_year_title import SortingStyle

NAME = "libro"


def person_name(person):
    """Devuelve «Apellido, N. N.», o solo el nombre si es una organización."""
    last = " ".join(str(name) for name in [*person.rich_prelast_names, *person.rich_last_names])
    initials = " ".join(f"{name[0]}." for name in [*person.first_names, *person.middle_names])
    return f"{last}, {initials}" if initials else last


def join_names(names):
    """Une los nombres a la española: «A, B y C», o «A, B y otros» si la lista acaba en «others»."""
    names = ["otros" if name == "others" else name for name in names]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} y {names[-1]}"


def where_published(fields):
    """Devuelve la revista, las actas o la editorial, con serie, volumen, número y páginas si los hay."""
    keys = ("journal", "booktitle", "institution", "publisher", "organization")
    place = next((fields[key] for key in keys if key in fields), "")
    if "type" in fields:
        place = f"{fields['type']}, {place}"
    if "series" in fields:
        place += f", {fields['series']}"
    if "volume" in fields:
        place += f" {fields['volume']}"
    if "number" in fields:
        place += f"({fields['number']})"
    if "pages" in fields:
        place += f", {fields['pages'].replace('--', '–')}"
    return place


def web_link(fields):
    """Devuelve (texto, dirección) del enlace de la obra, o None: DOI, arXiv o página, en este orden."""
    if "doi" in fields:
        return f"doi:{fields['doi']}", f"https://doi.org/{fields['doi']}"
    if "eprint" in fields:
        return f"arXiv:{fields['eprint']}", f"https://arxiv.org/abs/{fields['eprint']}"
    if "url" in fields:
        return urlsplit(fields["url"]).netloc.removeprefix("www."), fields["url"]
    return None


class SpanishStyle(BaseStyle):
    """Da a toda obra, sea del tipo que sea, el mismo orden de piezas."""

    # Las clases y no sus nombres: buscar un nombre lee del disco los metadatos de cada paquete instalado, cada vez.
    default_label_style = LabelStyle
    default_name_style = NameStyle
    default_sorting_style = SortingStyle

    def format_entry(self, label, entry, bib_data=None):
        """Devuelve la obra como texto con formato."""
        fields = entry.fields
        plain = {
            key: str(Text.from_latex(value)) for key, value in fields.items() if key not in ("url", "doi")
        }
        plain.update({key: fields[key] for key in ("url", "doi") if key in fields})
        authors = join_names([person_name(person) for person in entry.persons["author"]])
        pieces = [f"{authors} ({plain['year']}). ", Tag("em", Text.from_latex(fields["title"]))]
        pieces.append(" " if plain["title"].endswith("?") else ". ")
        where = where_published(plain)
        if where:
            pieces.append(f"{where}. ")
        link = web_link(plain)
        if link:
            text, address = link
            pieces += [HRef(address, text), ". "]
        if "note" in fields:
            pieces.append(Text.from_latex(fields["note"]))
        return FormattedEntry(entry.key, Text(*pieces), label)


def setup(app):
    """Registra el estilo con el nombre que usa `_config.yml`."""
    register_plugin("pybtex.style.formatting", NAME, SpanishStyle)
