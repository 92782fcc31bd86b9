"""Extensión local de Sphinx del libro: español completo, sin internet y figuras con texto alternativo.

Cada módulo hace una sola cosa y trae su propio `setup(app)`:

- `search`: búsqueda en español que no distingue acentos;
- `interface`: textos de la interfaz que el tema deja en inglés;
- `alt_text`: el texto alternativo que traen las figuras guardadas en los cuadernos;
- `bibliography`: las referencias, con sus palabras de enlace en español;
- `maths`: MathJax copiado dentro del libro, solo donde hay fórmulas;
- `polish`: retoques del HTML ya escrito y archivos que pide el servidor web;
- `repository`: aviso de que la dirección del repositorio es provisional.

Los controles interactivos tendrán aquí su módulo: leerá los `<div data-control="…">` de cada página.
"""

from . import alt_text, bibliography, interface, maths, polish, repository, search

MODULES = (search, interface, alt_text, bibliography, maths, polish, repository)


def setup(app):
    """Activa todos los módulos de la extensión."""
    for module in MODULES:
        module.setup(app)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
