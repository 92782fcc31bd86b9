"""La ficha de los experimentos: rellena sus huecos con los registros cada vez que se construye el libro."""

from sphinx.errors import ExtensionError

PAGE = "ficha"


def fill_sheet(app, docname, source):
    """Rellena los huecos de la página de la ficha; si cambia un registro, Sphinx vuelve a leerla.

    Lanza:
        ExtensionError: si falta el paquete del libro, si un registro está mal o si la página no tiene sus huecos.
    """
    if docname.rsplit("/", 1)[-1] != PAGE:
        return
    try:
        from helpers.experiments import records, sheet

        # Las sumas cambian con cualquier archivo de la carpeta, también con uno nuevo.
        app.env.note_dependency(str(records.RESULTS / records.SUMS))
        for path in sorted(records.RESULTS.glob("*.json")):
            app.env.note_dependency(str(path))
        source[0] = sheet.render(source[0], records.RESULTS)
    except (ImportError, ValueError) as error:
        raise ExtensionError(f"{docname}: no se puede escribir la ficha. {error}") from error


def setup(app):
    """Conecta el relleno, antes de que se lea la página."""
    app.connect("source-read", fill_sheet)
