"""Aviso de que la dirección del repositorio todavía es la provisional."""

from sphinx.util import logging

PLACEHOLDER = "USUARIO"

logger = logging.getLogger(__name__)


def placeholder_notice(url):
    """Devuelve el aviso en una línea si `url` es la dirección provisional; si no, None."""
    if f"/{PLACEHOLDER}/" not in url:
        return None
    return (
        f"Nota: la dirección del repositorio ({url}) es provisional, así que Colab y Binder no abrirán nada. "
        "Cámbiala con: python -m helpers.notebooks repositorio URL"
    )


def announce_placeholder(app, config):
    """Escribe el aviso, que no cuenta como advertencia."""
    notice = placeholder_notice(config.html_theme_options.get("repository_url", ""))
    if notice:
        logger.info(notice)


def setup(app):
    """Conecta el aviso."""
    app.connect("config-inited", announce_placeholder)
