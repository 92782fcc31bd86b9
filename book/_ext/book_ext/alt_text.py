"""Texto alternativo de las figuras guardadas en los cuadernos.

Las figuras del libro llevan su texto alternativo en los metadatos de la salida
(`{"image/png": {"alt": "…", "width": 720}}`). myst-nb 1.x solo lee de ahí el ancho y el alto.
"""

from functools import wraps

from myst_nb.core.render import NbElementRenderer


def output_alt(metadata, mime_type):
    """Devuelve el texto alternativo de los metadatos de una salida, o None si no lo traen."""
    return (metadata.get(mime_type) or {}).get("alt") or metadata.get("alt")


def with_output_alt(render_image):
    """Envuelve `NbElementRenderer.render_image` para que copie `alt` en los nodos de imagen."""

    @wraps(render_image)
    def render(self, data):
        images = render_image(self, data)
        alt = output_alt(data.output_metadata, data.mime_type)
        for image in images:
            if alt and not image.get("alt"):
                image["alt"] = alt
        return images

    render.reads_output_alt = True
    return render


def setup(app):
    """Cambia el método una sola vez, aunque el proceso construya el libro varias veces."""
    if not getattr(NbElementRenderer.render_image, "reads_output_alt", False):
        NbElementRenderer.render_image = with_output_alt(NbElementRenderer.render_image)
