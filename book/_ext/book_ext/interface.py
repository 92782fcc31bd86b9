"""Textos de la interfaz en español: lo que los catálogos de Sphinx y del tema dejan en inglés."""

from gettext import NullTranslations

from sphinx.locale import translators

# Catálogo → texto en inglés → texto en español.
MESSAGES = {
    "sphinx": {},
    "booktheme": {},
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
