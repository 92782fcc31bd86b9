"""La base de los controles del libro: un control es un `NOMBRE.py` y un `NOMBRE.js`, y nada más.

El mismo control funciona en cuatro sitios:

- en la página publicada, y en la misma página abierta desde el disco, sin servidor: la salida guardada en el
  cuaderno es un `<div data-control="NOMBRE">` con el estado y una figura fija, y la extensión de Sphinx
  (`book_ext.controls`) añade a la página el programa que lo pone en marcha;
- en JupyterLab, Notebook, VS Code y Binder, con anywidget: lo que hace el lector llega a Python y al revés;
- en Colab, con un HTML que lleva dentro todo lo que necesita. El gestor de controles de Colab no se enciende, y por
  eso `Control` tiene un widget en vez de serlo: construir un `AnyWidget` en Colab lo encendería.

El módulo de JavaScript de un control es `base.js` con el suyo; los junta `bundle`, que usan los cuatro. Este módulo se
importa sin TensorFlow y sin anywidget, que solo hace falta al mostrar un control en Jupyter.
"""

import base64
import functools
import html
import importlib
import inspect
import json
import re
import struct
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import traitlets

from helpers.formats import format_integer

__all__ = [
    "Control",
    "Picture",
    "bundle",
    "engine_script",
    "figure_picture",
    "find_control",
    "format_bytes",
    "format_integer",
    "format_probability",
    "page_script",
    "stylesheet",
    "svg_bitmap",
    "svg_picture",
]

FOLDER = Path(__file__).resolve().parent
_PACKAGE = __name__.rpartition(".")[0]
HINT = "Es una imagen fija: el control aparece con JavaScript o al ejecutar la celda."


# --- Números para personas, iguales que en base.js -----------------------------------------------------------


def format_bytes(count: int) -> str:
    """Bytes en KB, MB o GB de 1024, como los cuenta Keras; los empates se redondean hacia arriba."""
    for unit, size, decimals in (("GB", 1024**3, 2), ("MB", 1024**2, 2), ("KB", 1024, 1)):
        if count >= size:
            scaled = (2 * count * 10**decimals + size) // (2 * size)
            whole, fraction = divmod(scaled, 10**decimals)
            return f"{format_integer(whole)}.{fraction:0{decimals}d}\u202f{unit}"
    return f"{format_integer(count)}\u202fB"


def format_probability(value: float) -> str:
    """Una probabilidad como porcentaje, igual que en la página; nunca dice 0 ni 100, que no lo son."""
    if value < 0.0005:
        return "<0.1\u202f%"
    if value > 0.9995:
        return ">99.9\u202f%"
    return f"{100 * value:.1f}\u202f%"


# --- La figura fija ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Picture:
    """La imagen que se ve sin JavaScript.

    Atributos:
        source: la imagen, como dirección `data:`.
        alt: texto alternativo, con los números que se ven.
        width, height: tamaño en píxeles de la página.
    """

    source: str
    alt: str
    width: int
    height: int


def svg_picture(parts: Iterable[str], *, width: int, height: int, alt: str) -> Picture:
    """Una `Picture` con un dibujo SVG sobre fondo blanco; sale igual, byte a byte, en cualquier máquina.

    JupyterLab quita los SVG sueltos de las salidas; como imagen los respeta.

    Argumentos:
        parts: elementos del dibujo (`svg_text`, `svg_rect`, o el texto de otros).
        width, height: tamaño del dibujo en píxeles.
        alt: texto alternativo.
    """
    drawing = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="system-ui, sans-serif" font-size="14" fill="#1f2328">'
        f'<rect width="{width}" height="{height}" fill="#fff"/>{"".join(parts)}</svg>'
    )
    encoded = base64.b64encode(drawing.encode("utf-8")).decode("ascii")
    return Picture(f"data:image/svg+xml;base64,{encoded}", alt, width, height)


def svg_text(x: float, y: float, text: str, **attributes: Any) -> str:
    """Un texto del dibujo; los atributos llevan guion bajo en vez de guion (`text_anchor="end"`)."""
    return f'<text x="{x:g}" y="{y:g}"{_attributes(attributes)}>{html.escape(text)}</text>'


def svg_rect(x: float, y: float, width: float, height: float, **attributes: Any) -> str:
    """Un rectángulo del dibujo."""
    return f'<rect x="{x:g}" y="{y:g}" width="{width:.5g}" height="{height:g}"{_attributes(attributes)}/>'


def svg_bitmap(x: float, y: float, size: float, image: np.ndarray) -> str:
    """Una imagen (alto, ancho, 3) uint8 dentro del dibujo, con sus píxeles a la vista.

    Va en BMP, que no se comprime: sale igual con cualquier zlib.
    """
    height, width = image.shape[:2]
    padding = -3 * width % 4  # cada fila de un BMP ocupa un múltiplo de cuatro bytes
    rows = np.pad(
        image[::-1, :, ::-1].reshape(height, -1), ((0, 0), (0, padding))
    ).tobytes()  # de abajo arriba, en BGR
    start = 14 + 40
    header = struct.pack("<2sIHHI", b"BM", start + len(rows), 0, 0, start)
    header += struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, len(rows), 2835, 2835, 0, 0)
    encoded = base64.b64encode(header + rows).decode("ascii")
    return (
        f'<image x="{x:g}" y="{y:g}" width="{size:g}" height="{size:g}" style="image-rendering:pixelated" '
        f'href="data:image/bmp;base64,{encoded}"/>'
    )


def _attributes(attributes: Mapping[str, Any]) -> str:
    return "".join(
        f' {name.replace("_", "-")}="{html.escape(str(value))}"' for name, value in attributes.items()
    )


def figure_picture(figure) -> Picture:
    """Una `Picture` con una figura de `helpers.plots` (para dibujos con fotografías o ejes)."""
    data, metadata = figure._repr_mimebundle_()
    width, height = figure.get_size_inches()
    shown = metadata["image/png"]["width"]
    png = data["image/png"].strip()
    return Picture(f"data:image/png;base64,{png}", figure.alt, shown, round(shown * height / width))


# --- Juntar base.js con el módulo de cada control ------------------------------------------------------------

_IMPORT = re.compile(r'^import\s*\{([^}]*)\}\s*from\s*"\./base\.js";\n', re.MULTILINE)
_EXPORTED = re.compile(r"^export (?:async )?(?:function|class|const) (\w+)", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const) )", re.MULTILINE)
_DEFAULT = re.compile(r"^export default ", re.MULTILINE)
_LEFT_OVER = re.compile(r"^\s*(?:import\b|export\b)|\bimport\(", re.MULTILINE)


@functools.lru_cache(maxsize=32)
def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def script_path(control: type["Control"]) -> Path:
    """El archivo de JavaScript de un control: el que está junto al suyo de Python, con el mismo nombre."""
    return Path(inspect.getfile(control)).resolve().with_suffix(".js")


def _base_expression() -> str:
    source = _read(FOLDER / "base.js")
    names = ", ".join(_EXPORTED.findall(source))
    return f"(() => {{\n{_EXPORT.sub('', source)}\nreturn {{ {names} }};\n}})()"


def _module_expression(source: str, where: str) -> str:
    """El módulo de un control como una expresión que da su definición.

    Lanza:
        ValueError: si importa algo que no sea de base.js, o no exporta una definición por omisión.
    """
    body = _IMPORT.sub(lambda found: f"const {{{found[1]}}} = base;\n", source)
    body, defaults = _DEFAULT.subn("return ", _EXPORT.sub("", body))
    if defaults != 1:
        raise ValueError(
            f"{where} tiene que exportar su definición una vez, con «export default», y lo hace {defaults}."
        )
    if _LEFT_OVER.search(body):
        line = _LEFT_OVER.search(body)[0].strip()
        raise ValueError(
            f"{where} solo puede importar de «./base.js» y exportar declaraciones; sobra un «{line}»."
        )
    return f"(() => {{\n{body}\n}})()"


def bundle(controls: Iterable[type["Control"]], *, folder: str | None = None) -> str:
    """Expresión de JavaScript que da `{ base, controls, data, files }` con los controles pedidos.

    No usa `import` ni `export`, así que sirve en un módulo, en un programa suelto y en una página abierta desde el
    disco. Los datos grandes de cada control (`Control.data`) van aquí una sola vez, no en cada salida.

    Argumentos:
        controls: clases de control, sin repetir.
        folder: dirección de la carpeta donde están los archivos de `Control.files`, para pedirlos cuando hagan falta; sin ella van
            dentro, porque en Jupyter y en Colab no hay dónde pedirlos.

    Lanza:
        FileNotFoundError: si falta el JavaScript de un control.
        ValueError: si su módulo no se puede juntar.
    """
    controls = list(controls)
    modules, data, files = [], {}, {}
    for control in controls:
        path = script_path(control)
        if not path.exists():
            raise FileNotFoundError(
                f"El control {control.__name__} necesita {path.name} junto a su archivo de Python."
            )
        modules.append(f"{control.__name__}: {_module_expression(_read(path), path.name)}")
        found = control.data()
        if found:
            data[control.__name__] = found
        for name, make in control.files().items():
            files[name] = {"text": make()} if folder is None else {"source": f"{folder}/{name}.js"}
    joined = ",\n".join(modules)
    return (
        f"(() => {{\nconst base = {_base_expression()};\nconst controls = {{\n{joined}\n}};\n"
        f"return {{ base, controls, data: {_dump(data)}, files: {_dump(files)} }};\n}})()"
    )


def page_script(
    controls: Iterable[type["Control"]], *, address: bool = True, folder: str | None = None
) -> str:
    """Programa que monta en la página los controles guardados en ella; listo para ir dentro de `<script>`.

    Argumentos:
        controls: clases de los controles que hay.
        address: si la dirección de la página es del libro y puede llevar el estado de los controles.
        folder: como en `bundle`.
    """
    script = (
        f"(() => {{\nconst {{ base, controls, data, files }} = {bundle(controls, folder=folder)};\n"
        f"base.mountPage(controls, data, {{ address: {_dump(address)}, files }});\n}})();"
    )
    # Dentro de <script>, estos dos textos acabarían el programa o esconderían lo que sigue.
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def widget_module(control: type["Control"]) -> str:
    """Módulo ES de anywidget de un control."""
    name = control.__name__
    return (
        f"const {{ base, controls, data, files }} = {bundle([control])};\n"
        f"export default base.widget(controls.{name}, data.{name}, files);\n"
    )


@functools.cache
def engine_script() -> str:
    """El motor como archivo de `Control.files`: deja el texto de su *Worker* en `globalThis.cnnFiles.motor`."""
    from helpers.engine import worker_source

    return f"(globalThis.cnnFiles ??= {{}}).motor = {json.dumps(worker_source())};\n"


def stylesheet() -> str:
    """El CSS común de todos los controles."""
    return _read(FOLDER / "base.css")


def find_control(name: str) -> type["Control"]:
    """La clase de control que se llama así, del módulo de `helpers.widgets` con su nombre.

    Lanza:
        LookupError: si no hay ninguna.
    """
    module = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
    if re.fullmatch(r"[A-Z]\w*", name) and (FOLDER / f"{module}.py").exists():
        control = getattr(importlib.import_module(f"{_PACKAGE}.{module}"), name, None)
        if inspect.isclass(control) and issubclass(control, Control):
            return control
    raise LookupError(f"No hay ningún control «{name}»: tendría que estar en helpers/widgets/{module}.py.")


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


# --- La clase ------------------------------------------------------------------------------------------------


class Control(traitlets.HasTraits):
    """Un control del libro. Se muestra dejándolo en la última línea de una celda.

    Una clase hija define `clean_state`, `picture`, `caption` y `summary`; si su JavaScript necesita datos grandes,
    también `data`. Su JavaScript está en el archivo del mismo nombre y define lo que dice `base.js`.

    El estado es un diccionario de números, textos y listas, y viaja como texto JSON para que nadie reordene sus
    claves. En JupyterLab, `control.state` tiene siempre lo último que eligió el lector, y `control.observe(función,
    "state_json")` avisa de cada cambio.
    """

    state_json = traitlets.Unicode(help="El estado, como texto JSON.")

    def __init__(self, state: Mapping[str, Any]):
        """Argumentos: `state`, el estado inicial.

        Lanza:
            ValueError: si el estado no vale; dice por qué.
        """
        super().__init__(state_json=_dump(self.clean_state(state)))

    # --- Lo que define cada control ---

    title: ClassVar[str] = ""

    @classmethod
    def clean_state(cls, state: Mapping[str, Any]) -> dict[str, Any]:
        """Devuelve el estado completo y en orden.

        Lanza:
            ValueError: si algo no vale.
        """
        raise NotImplementedError

    @classmethod
    def data(cls) -> Mapping[str, Any]:
        """Datos grandes que el JavaScript recibe en `context.data`; no se guardan en los cuadernos."""
        return {}

    @classmethod
    def files(cls) -> Mapping[str, Callable[[], str]]:
        """Archivos que solo se cargan cuando el lector los necesita: nombre → función que da el texto de un script.

        El script deja un objeto en `globalThis.cnnFiles[nombre]`, como los de `helpers.web_export`; el JavaScript del
        control lo pide con `context.loadScript(nombre)`. En el libro son archivos aparte.
        """
        return {}

    def picture(self) -> Picture:
        """La figura fija del estado actual."""
        raise NotImplementedError

    def caption(self) -> str:
        """Lo que dice la figura, con sus números, en una o dos frases."""
        raise NotImplementedError

    def summary(self) -> str:
        """El estado en pocas palabras y sin rutas ni direcciones: lo que se lee en una terminal."""
        raise NotImplementedError

    # --- Estado ---

    @property
    def state(self) -> dict[str, Any]:
        """El estado actual; asignarle otro cambia el control, también el que ya se está viendo."""
        return json.loads(self.state_json)

    @state.setter
    def state(self, state: Mapping[str, Any]) -> None:
        self.state_json = _dump(self.clean_state(state))

    @traitlets.validate("state_json")
    def _validate_state(self, proposal: Mapping[str, Any]) -> str:
        text = proposal["value"]
        try:
            state = json.loads(text)
        except json.JSONDecodeError as error:
            raise traitlets.TraitError(f"El estado de {type(self).__name__} no es JSON: {error}") from None
        clean = self.clean_state(state)
        # Si ya estaba completo se deja el mismo texto: devolver otro al navegador desharía lo que se hace mientras.
        return text if clean == state else _dump(clean)

    # --- Cómo se muestra ---

    @functools.cached_property
    def widget(self):
        """El widget de anywidget, para meterlo en un `HBox` o para mostrarlo en Jupyter."""
        widget = _widget_class(type(self))(state=self.state_json)
        traitlets.link((self, "state_json"), (widget, "state"))
        return widget

    def __repr__(self) -> str:
        """Una línea estable, la que guarda el cuaderno como texto."""
        return f"{type(self).__name__}({self.summary()})"

    def to_html(self) -> str:
        """La figura fija y el estado: lo que guarda el cuaderno y enseña la página sin JavaScript."""
        picture = self.picture()
        return (
            f'<div data-control="{type(self).__name__}" data-state="{html.escape(self.state_json)}">'
            f'<figure class="control-static"><img width="{picture.width}" height="{picture.height}" '
            f'alt="{html.escape(picture.alt)}" src="{picture.source}">'
            f"<figcaption>{html.escape(self.caption())} "
            f'<span class="control-hint">{HINT}</span></figcaption></figure></div>'
        )

    def to_standalone_html(self) -> str:
        """HTML que lo lleva todo dentro: para Colab, donde cada salida vive en su propio marco."""
        script = page_script([type(self)], address=False)
        return f"<style>{stylesheet()}</style>{self.to_html()}<script>{script}</script>"

    def _repr_mimebundle_(self, include=None, exclude=None):
        if "google.colab" in sys.modules:
            return {"text/plain": repr(self), "text/html": self.to_standalone_html()}
        view = self.widget._repr_mimebundle_()
        data, metadata = view if isinstance(view, tuple) else (view or {}, {})
        return {**data, "text/plain": repr(self), "text/html": self.to_html()}, metadata


@functools.cache
def _widget_class(control: type[Control]) -> type:
    """Clase de anywidget con el módulo y el CSS de un control; se hace la primera vez que se muestra."""
    import anywidget

    attributes = {
        "_esm": widget_module(control),
        "_css": stylesheet(),
        "state": traitlets.Unicode().tag(sync=True),
        "__module__": control.__module__,
        "__doc__": f"Vista de {control.__name__} en Jupyter.",
    }
    return type(f"{control.__name__}View", (anywidget.AnyWidget,), attributes)
