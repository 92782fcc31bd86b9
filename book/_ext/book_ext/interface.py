"""Textos de la interfaz en español: lo que los catálogos de Sphinx y del tema dejan en inglés."""

from gettext import NullTranslations

from sphinx.locale import translators

# Catálogo → texto en inglés → texto en español.
MESSAGES = {
    "sphinx": {
        "Link to this code": "Enlace a este código",
        "Link to this definition": "Enlace a esta definición",
        "Link to this equation": "Enlace a esta ecuación",
        "Link to this heading": "Enlace a esta sección",
        "Link to this image": "Enlace a esta figura",
        "Link to this table": "Enlace a esta tabla",
        "Link to this term": "Enlace a este término",
        "Permalink to this heading": "Enlace a esta sección",
        "Please activate JavaScript to enable the search functionality.": "Activa JavaScript para buscar.",
        "Search": "Buscar",
        "Color mode": "Aspecto",
        "light/dark": "Aspecto",
        "Light": "Claro",
        "Dark": "Oscuro",
        "System Settings": "Como el sistema",
    },
    "booktheme": {
        "Download source file": "Descargar el archivo de esta página",
        "Download this page": "Descargar esta página",
        "Launch interactive content": "Ejecutar este capítulo",
        "Launch on": "Abrir en",
        "Open an issue": "Avisar de un error",
        "Open issue": "Avisar de un error",
        "Print to PDF": "Imprimir o guardar en PDF",
        "Repository": "Repositorio",
        "Search": "Buscar",
        "Source repositories": "Repositorio del libro",
        "Source repository": "Repositorio del libro",
        "Toggle primary sidebar": "Mostrar u ocultar el índice",
        "Toggle secondary sidebar": "Mostrar u ocultar el índice de la página",
    },
}

# Textos que el buscador escribe en el navegador; se añaden a translations.js.
_FOUND = "Páginas encontradas: ${resultCount}."
SEARCH_MESSAGES = {
    "Search Results": "Resultados",
    "Searching": "Buscando",
    "Preparing search...": "Preparando la búsqueda…",
    "Search finished, found one page matching the search query.": "Una página encontrada.",
    "Search finished, found ${resultCount} pages matching the search query.": _FOUND,
    "Search finished, found ${resultCount} page(s) matching the search query.": _FOUND,
    "Your search did not match any documents. Please make sure that all words are spelled correctly and that "
    "you've selected enough categories.": "Ninguna página tiene todas esas palabras. Prueba con otras.",
    "Hide Search Matches": "Quitar el resaltado",
}


class Messages(NullTranslations):
    """Catálogo que mira primero en un diccionario y después en el catálogo que ya había."""

    def __init__(self, messages, previous):
        """Argumentos: `messages`, diccionario inglés → español; `previous`, el catálogo anterior."""
        super().__init__()
        self._messages = messages
        self.add_fallback(previous)

    def gettext(self, message):
        """Traduce `message`."""
        return self._messages.get(message) or super().gettext(message)


def translate_interface(app, config):
    """Antepone nuestros textos a los catálogos; va antes de que se creen las plantillas."""
    for catalog, messages in MESSAGES.items():
        key = ("general", catalog)
        translators[key] = Messages(messages, translators.get(key, NullTranslations()))
    app.translator = translators["general", "sphinx"]


def setup(app):
    """Conecta la traducción, después de que las demás extensiones añadan sus catálogos."""
    app.connect("config-inited", translate_interface, priority=900)
