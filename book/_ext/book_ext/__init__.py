"""Extensión local de Sphinx del libro: español completo, sin internet y figuras con texto alternativo.

Cada módulo hace una sola cosa y trae su propio `setup(app)`:

- `search`: búsqueda en español que no distingue acentos;
- `interface`: textos de la interfaz que el tema deja en inglés;
- `alt_text`: el texto alternativo que traen las figuras guardadas en los cuadernos;
- `figures`: las figuras guardadas en los cuadernos, publicadas como WebP ligero;
- `bibliography`: las referencias, con sus palabras de enlace en español;
- `maths`: MathJax copiado dentro del libro, solo donde hay fórmulas;
- `metadata`: título, descripción y tarjeta de cada página, y el mapa del sitio;
- `polish`: retoques del HTML ya escrito y archivos que pide el servidor web;
- `controls`: los programas de los controles interactivos, solo en las páginas que los tienen;
- `experiments`: la ficha de los experimentos, escrita a partir de los registros;
- `performance`: la página del rendimiento, escrita a partir de la medida de referencia;
- `engine_page`: el código del motor, puesto en la página que lo explica;
- `repository`: aviso de que la dirección del repositorio es provisional.
"""

from . import (
    alt_text,
    bibliography,
    controls,
    engine_page,
    experiments,
    figures,
    interface,
    maths,
    metadata,
    performance,
    polish,
    repository,
    search,
)

MODULES = (
    search,
    interface,
    alt_text,
    bibliography,
    maths,
    metadata,
    controls,
    experiments,
    performance,
    engine_page,
    figures,
    polish,
    repository,
)


def setup(app):
    """Activa todos los módulos de la extensión."""
    for module in MODULES:
        module.setup(app)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
