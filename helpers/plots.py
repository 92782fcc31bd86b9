"""Figuras del libro: curvas, imágenes, matrices y el dibujo de la red.

Todas las funciones devuelven una `BookFigure` y no muestran nada: la celda que la tiene como última expresión
la enseña una sola vez, con su texto alternativo. El módulo no usa pyplot, no toca `rcParams` y no necesita
TensorFlow ni Keras.

Convenios (los mismos en todo el libro): entrenamiento en azul con línea continua y círculos; validación en
bermellón con línea discontinua y cuadrados; prueba en verde con línea de puntos y triángulos. El título dice el
mensaje de la figura y `fontsize` escala todo el texto.
"""

import base64
import io
import math
from collections.abc import Mapping
from contextlib import contextmanager

import matplotlib.style
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import FancyArrowPatch, Polygon, Rectangle
from matplotlib.textpath import TextPath
from matplotlib.ticker import MaxNLocator
from PIL import Image

from helpers.formats import THIN_SPACE, format_integer

TRAIN = "#0072B2"
VALIDATION = "#D55E00"
TEST = "#009E73"
INK = "#222222"
MUTED = "#555555"
GRID = "#D9D9D9"
# Paleta de Okabe e Ito sin el amarillo, que sobre blanco no se ve.
PALETTE = (TRAIN, VALIDATION, TEST, "#CC79A7", "#56B4E9", "#E69F00", INK)
# Series que no son entrenamiento, validación ni prueba: dales además un trazo o un marcador distinto.
OTHER = ("#332288", "#AA4499", "#888822", INK)
FEATURE_MAP = "viridis"
SIGNED_MAP = "RdBu"  # rojo, negativo; blanco, cero; azul, positivo

TRAIN_STYLE = {"color": TRAIN, "linestyle": "-", "marker": "o"}
VALIDATION_STYLE = {"color": VALIDATION, "linestyle": "--", "marker": "s"}
TEST_STYLE = {"color": TEST, "linestyle": ":", "marker": "^"}
REEVALUATED_STYLE = {"color": TRAIN, "linestyle": "-.", "marker": "D", "markerfacecolor": "white"}

WIDTH = 7.2
FONTSIZE = 11
SAVE_DPI = 150
SHOW_DPI = 100  # 7.2 pulgadas se muestran a 720 píxeles CSS, el ancho de la página
PALETTE_TOLERANCE = 10  # diferencia máxima por canal (de 255) que se acepta al pasar el PNG a 256 colores

# Colores de lo que no es una serie de entrenamiento, validación o prueba.
SLATE = "#3D5266"
PALE = "#B8C4CE"
HIGHLIGHT = "#D55E00"
LAYER_COLOURS = {"Conv": "#56B4E9", "Pool": "#CC79A7", "Dense": "#E69F00"}

_METRIC_NAMES = {
    "loss": "pérdida",
    "accuracy": "exactitud",
    "precision": "precisión",
    "recall": "exhaustividad",
}


@contextmanager
def _book_style(fontsize):
    """Aplica el estilo del libro solo dentro del bloque, sea cual sea el estilo de quien llama."""
    style = {
        "font.family": "DejaVu Sans",  # viene con matplotlib: las figuras salen iguales en todas partes
        "font.size": fontsize,
        "axes.titlesize": fontsize,
        "axes.labelsize": fontsize,
        "xtick.labelsize": fontsize,
        "ytick.labelsize": fontsize,
        "legend.fontsize": fontsize,
        "figure.titlesize": fontsize,
        "figure.labelsize": fontsize,
        "figure.facecolor": "white",
        "savefig.facecolor": "white",
        "savefig.transparent": False,
        "savefig.bbox": None,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": MUTED,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
    }
    with matplotlib.style.context(["default", style]):
        yield


class BookAxes(Axes):
    """Ejes cuyo título, leyenda y notas usan por defecto el tamaño de letra de su figura."""

    def _with_size(self, kwargs):
        if not {"fontsize", "size", "prop", "fontproperties"} & kwargs.keys():
            kwargs["fontsize"] = getattr(self.get_figure(root=True), "fontsize", FONTSIZE)
        return kwargs

    def set_title(self, label, fontdict=None, **kwargs):
        """Como `Axes.set_title`, con el tamaño de letra de la figura."""
        return super().set_title(label, fontdict, **self._with_size(kwargs))

    def text(self, x, y, s, fontdict=None, **kwargs):
        """Como `Axes.text`, con el tamaño de letra de la figura."""
        return super().text(x, y, s, fontdict, **self._with_size(kwargs))

    def annotate(self, text, xy, *args, **kwargs):
        """Como `Axes.annotate`, con el tamaño de letra de la figura."""
        return super().annotate(text, xy, *args, **self._with_size(kwargs))

    def legend(self, *args, **kwargs):
        """Como `Axes.legend`, con el tamaño de letra de la figura."""
        return super().legend(*args, **self._with_size(kwargs))


class BookFigure(Figure):
    """Figura de matplotlib que se muestra como un PNG opaco con su texto alternativo.

    Atributos: `alt` (texto alternativo, en español), `short_title` (lo que se lee en una terminal) y
    `fontsize` (puntos). No pertenece a pyplot, así que no hay que cerrarla y nunca se muestra dos veces.
    """

    def __init__(self, *args, alt="", short_title="", fontsize=FONTSIZE, **kwargs):
        """Crea la figura; los demás argumentos son los de `matplotlib.figure.Figure`."""
        # Se compone a la misma resolución a la que se guarda: el texto mide lo mismo en los dos momentos.
        super().__init__(*args, **{"dpi": SAVE_DPI, **kwargs})
        self.alt = alt
        self.short_title = short_title
        self.fontsize = fontsize

    def __repr__(self):
        """Texto estable, sin medidas ni direcciones de memoria."""
        return f"<Figura: {self.short_title or 'sin título'}>"

    __str__ = __repr__

    def to_png(self):
        """Devuelve el PNG (bytes): opaco, a 150 puntos por pulgada y sin la versión de matplotlib dentro."""
        buffer = io.BytesIO()
        with _book_style(self.fontsize):
            self._settle()
            self.savefig(buffer, format="png", dpi=SAVE_DPI, facecolor="white", metadata={"Software": None})
        return _compact_png(buffer.getvalue())

    def _settle(self):
        """Repite la composición hasta que los ejes no se mueven: cada una parte de donde acabó la anterior."""
        before = None
        for _ in range(6):
            self.draw_without_rendering()
            now = [tuple(ax.get_position().bounds) for ax in self.axes]
            if before is not None and np.allclose(before, now, atol=1e-9, rtol=0):
                return
            before = now

    def _png_metadata(self):
        return {"alt": self.alt, "width": round(self.get_figwidth() * SHOW_DPI)}

    def _repr_mimebundle_(self, include=None, exclude=None):
        _prefer_own_png()
        png = base64.b64encode(self.to_png()).decode("ascii")
        return {"image/png": png, "text/plain": repr(self)}, {"image/png": self._png_metadata()}


def _compact_png(png):
    """Quita el canal alfa y, si el ojo no lo nota, pasa el PNG a 256 colores: pesa menos de la mitad."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    small = image.quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    # El fondo se queda en blanco exacto: en una página blanca, el 254 se ve como una caja.
    palette = small.getpalette()
    corner = 3 * small.getpixel((0, 0))
    palette[corner : corner + 3] = image.getpixel((0, 0))
    small.putpalette(palette)
    difference = np.abs(np.asarray(small.convert("RGB"), dtype=np.int16) - np.asarray(image, dtype=np.int16))
    chosen = small if difference.max() <= PALETTE_TOLERANCE else image
    buffer = io.BytesIO()
    chosen.save(buffer, format="PNG", optimize=True, dpi=(SAVE_DPI, SAVE_DPI))
    return buffer.getvalue()


def _prefer_own_png():
    """Evita que el formato de pyplot sustituya al nuestro.

    Cuando el cuaderno ha importado pyplot (Colab lo hace al arrancar), IPython tiene registrado un formato PNG
    para `Figure`, que gana a `_repr_mimebundle_` y perdería la resolución del libro. Uno registrado para
    `BookFigure`, más concreto, gana a su vez a ese.
    """
    try:
        from IPython import get_ipython
    except ImportError:
        return
    shell = get_ipython()
    if shell is None or getattr(shell, "display_formatter", None) is None:
        return
    formatter = shell.display_formatter.formatters.get("image/png")
    if formatter is not None and Figure in formatter.type_printers:
        formatter.for_type(BookFigure, _png_with_metadata)


def _png_with_metadata(figure):
    return base64.b64encode(figure.to_png()).decode("ascii"), figure._png_metadata()


# --- Números y textos ---------------------------------------------------------------------------------------


def format_number(value, decimals=3):
    """Número para personas: punto decimal, signo menos y espacio fino desde cinco cifras.

    >>> format_number(0.66667), format_number(2304), format_number(1234567)
    ('0.667', '2304', '1\u202f234\u202f567')
    """
    if isinstance(value, (bool, np.bool_)):
        return "sí" if value else "no"
    if isinstance(value, (int, np.integer)):
        return format_integer(value)
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("∞" if value > 0 else "−∞")
    text = f"{abs(value):.{decimals}f}"
    return ("−" if value < 0 and float(text) != 0 else "") + text


def format_percent(fraction, decimals=0):
    """Porcentaje con espacio fino: 0.2 → «20 %»."""
    return f"{format_number(100 * float(fraction), decimals)}{THIN_SPACE}%"


def _plural(n, singular, plural):
    return f"{format_number(int(n))} {singular if n == 1 else plural}"


def _text_width(text, fontsize, weight="normal"):
    """Ancho de un texto en pulgadas, medido con la letra de la figura."""
    if not text.strip():
        return 0.0
    path = TextPath((0, 0), text, size=fontsize, prop=FontProperties(family="DejaVu Sans", weight=weight))
    return (
        path.vertices[:, 0].max() / 72
    )  # los puntos de control acotan la curva: basta y es mucho más rápido


def _wrap(text, inches, fontsize, weight="normal"):
    """Parte un texto en líneas que caben en `inches` pulgadas; un «%» no se separa nunca de su número."""
    lines = []
    for paragraph in text.replace(" %", f"{THIN_SPACE}%").split("\n"):
        line = ""
        for word in paragraph.split(" "):
            candidate = f"{line} {word}" if line else word
            if line and _text_width(candidate, fontsize, weight) > inches:
                lines.append(line)
                line = word
            else:
                line = candidate
        lines.append(line)
    return "\n".join(lines)


# --- Figuras sueltas ----------------------------------------------------------------------------------------


def new_figure(nrows=1, ncols=1, *, width=WIDTH, height=3.6, alt, title="", fontsize=FONTSIZE, **subplots):
    """Crea una figura del libro con sus ejes listos para dibujar.

    Argumentos:
        nrows, ncols: filas y columnas de ejes.
        width, height: tamaño en pulgadas; 7.2 pulgadas son los 720 píxeles de la página.
        alt: texto alternativo; di qué muestra la figura, con sus números.
        title: mensaje de la figura; se parte en líneas si hace falta.
        fontsize: tamaño de letra en puntos de títulos, ejes, marcas, leyendas y notas.
        subplots: otros argumentos de `Figure.subplots` (`sharey=True`, `gridspec_kw=…`).

    Devuelve:
        `(figura, ejes)`: unos ejes si hay uno solo; si no, una matriz de NumPy. En los títulos, notas y
        leyendas que añadas después, el tamaño de letra ya es el de la figura.

    Lanza:
        ValueError: si falta el texto alternativo.
    """
    if not str(alt).strip():
        raise ValueError(
            "Falta el texto alternativo: escribe en `alt` qué muestra la figura, con sus números."
        )
    with _book_style(fontsize):
        figure = BookFigure(
            figsize=(width, height), layout="constrained", alt=alt, short_title=title, fontsize=fontsize
        )
        subplot_kw = {"axes_class": BookAxes, **subplots.pop("subplot_kw", {})}
        axes = figure.subplots(nrows, ncols, subplot_kw=subplot_kw, **subplots)
        figure.get_layout_engine().set(w_pad=0.08, h_pad=0.06)
        for ax in np.ravel(axes):
            _dress(ax)
        _set_titles(figure, title)
    return figure, axes


def _dress(ax):
    """Ejes sobrios: sin marco arriba ni a la derecha, rejilla tenue detrás."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(True, color=GRID, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.set_prop_cycle(color=PALETTE)


def _set_titles(figure, title, subtitle=""):
    """Título en negrita alineado a la izquierda; bajo él, si lo hay, un subtítulo en gris."""
    figure.short_title = title or figure.short_title
    if not title:
        return
    room = figure.get_figwidth() - 0.2
    heading = _wrap(title, room, figure.fontsize, "bold")
    margin = 0.1 / figure.get_figwidth()
    if not subtitle:
        figure.suptitle(heading, x=margin, ha="left", fontsize=figure.fontsize, fontweight="bold")
        return
    # Constrained layout solo reserva sitio para un título: el subtítulo va en las mismas líneas, con el
    # título dibujado encima del hueco que deja.
    body = _wrap(subtitle, room, figure.fontsize)
    blank = "\n".join(" " for _ in body.split("\n"))
    figure.suptitle(f"{heading}\n{blank}", x=margin, ha="left", fontsize=figure.fontsize, fontweight="bold")
    lines = heading.count("\n") + 1
    figure.text(
        margin,
        0.98,
        "\n".join([" "] * lines + [body]),
        ha="left",
        va="top",
        fontsize=figure.fontsize,
        color=MUTED,
        in_layout=False,
    )


def _hide(ax):
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(False)
    ax.spines[:].set_visible(False)


# --- Curvas de aprendizaje ----------------------------------------------------------------------------------


def _history_of(result):
    history = getattr(result, "history", result)
    if not isinstance(history, Mapping):
        raise TypeError(
            "Se esperaba lo que devuelve `train` o `fit` (con su atributo `history`) o un diccionario como "
            f"{{'loss': […], 'val_loss': […]}}, y se recibió {type(result).__name__}."
        )
    return history


def _curve(history, key):
    """La curva como vector float64 (épocas,), o None si no está o está vacía."""
    if key not in history or history[key] is None:
        return None
    curve = np.asarray(history[key], dtype=float).ravel()
    return curve if curve.size else None


def _require_metric(history, metric):
    curve = _curve(history, metric)
    if curve is not None:
        return curve
    prefixes = ("val_", "train_eval_", "test_")
    available = sorted(
        key for key in history if not key.startswith(prefixes) and _curve(history, key) is not None
    )
    if not available:
        raise ValueError("El historial está vacío: entrena al menos una época antes de dibujar sus curvas.")
    raise ValueError(
        f"La métrica «{metric}» no está en el historial. Disponibles: {', '.join(available)}. "
        "El nombre es el que se dio a la métrica en `compile`."
    )


def _best_validation(history, metric):
    """`(época, nombre de lo que decide)`: manda la menor pérdida de validación; si no está, la propia métrica."""
    from helpers.evaluation import best_epoch

    if _curve(history, "val_loss") is not None:
        epoch = best_epoch(history, "val_loss")
        if epoch is not None:
            return epoch, "menor pérdida de validación"
    if _curve(history, f"val_{metric}") is not None:
        epoch = best_epoch(history, f"val_{metric}")
        if epoch is not None:
            name = _METRIC_NAMES.get(metric, metric)
            return epoch, f"mejor {name} de validación"
    return None, ""


def _span(curve):
    """«de 0.512 a 0.934», entre el primer y el último valor finito."""
    finite = curve[np.isfinite(curve)]
    if not finite.size:
        return "sin valores finitos"
    if finite.size == 1:
        return format_number(finite[0])
    return f"de {format_number(finite[0])} a {format_number(finite[-1])}"


def _draw_metric(ax, history, metric, metric_label, reevaluated):
    """Dibuja en `ax` las curvas de una métrica; devuelve `(mensaje, detalle, frases del texto alternativo)`."""
    from helpers.evaluation import find_crossings

    train = _require_metric(history, metric)
    curves = [("entrenamiento", train, TRAIN_STYLE)]
    again = _curve(history, f"train_eval_{metric}") if reevaluated else None
    if reevaluated:
        curves[0] = ("entrenamiento (media durante la época)", train, TRAIN_STYLE)
    if again is not None:
        curves.append(("entrenamiento reevaluado al final de la época", again, REEVALUATED_STYLE))
    validation = _curve(history, f"val_{metric}")
    if validation is not None:
        curves.append(("validación", validation, VALIDATION_STYLE))
    test = _curve(history, f"test_{metric}")
    if test is not None:
        curves.append(("prueba", test, TEST_STYLE))

    n_epochs = max(curve.size for _, curve, _ in curves)
    size = max(3.0, 6.5 - n_epochs / 10)
    for label, curve, style in curves:
        style = {"markerfacecolor": style["color"], **style}
        ax.plot(np.arange(1, curve.size + 1), curve, label=label, linewidth=1.8, markersize=size, **style)
    if not any(np.isfinite(curve).any() for _, curve, _ in curves):
        ax.text(
            0.5, 0.5, "sin valores finitos", transform=ax.transAxes, ha="center", va="center", color=MUTED
        )
        ax.set_yticks([])
    ax.set_xlim(0.5, n_epochs + 0.5)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    ax.set_xlabel("época")
    ax.set_ylabel(metric_label)

    phrases = [f"{label}, {_span(curve)}" for label, curve, _ in curves]
    notes = []
    lost = sum(int((~np.isfinite(curve)).sum()) for _, curve, _ in curves)
    if lost:
        notes.append(f"{_plural(lost, 'valor no es un número finito', 'valores no son números finitos')}.")
    if reevaluated and again is None:
        notes.append("El historial no trae la métrica de entrenamiento reevaluada.")

    if validation is None:
        finite = train[np.isfinite(train)]
        last = format_number(finite[-1]) if finite.size else "sin valores finitos"
        notes.append("Sin datos de validación no se puede juzgar el sobreajuste.")
        return f"{metric_label} de entrenamiento al final: {last}", " ".join(notes), phrases

    best, reason = _best_validation(history, metric)
    if best is not None and best <= validation.size and np.isfinite(validation[best - 1]):
        value = validation[best - 1]
        ax.axvline(best, color=INK, linewidth=1.0, linestyle=(0, (1, 2)), zorder=1)
        ax.plot(
            [best],
            [value],
            linestyle="none",
            marker="*",
            markersize=15,
            color=VALIDATION,
            markeredgecolor=INK,
            zorder=5,
            label=f"época {best}: {reason}",
        )
        message = f"{metric_label} de validación {format_number(value)} en la época {best}, la de {reason}"
        phrases.append(f"la época de {reason} es la {best}, con {format_number(value)}")
    else:
        message = f"{metric_label}: ninguna época de validación tiene un valor finito"

    compared, name = (train, "entrenamiento") if again is None else (again, "entrenamiento reevaluado")
    shared = min(compared.size, validation.size)
    comparable = np.isfinite(compared[:shared]) & np.isfinite(validation[:shared])
    crossings = find_crossings(compared[:shared], validation[:shared])
    if not comparable.any():
        notes.insert(0, "No hay épocas con las dos curvas finitas en las que buscar cruces.")
    elif crossings:
        ax.plot(
            [crossing.epoch for crossing in crossings],
            [crossing.value for crossing in crossings],
            linestyle="none",
            marker="o",
            markersize=11,
            markerfacecolor="none",
            markeredgecolor=INK,
            markeredgewidth=1.5,
            zorder=4,
            label="cruce de las curvas (no es un óptimo)",
        )
        first = crossings[0]
        where = f"época {format_number(first.epoch, 2)} ({format_number(first.value)})"
        if len(crossings) == 1:
            notes.insert(0, f"Las curvas de {name} y validación se cruzan una vez, en la {where}.")
        else:
            notes.insert(
                0,
                f"Las curvas de {name} y validación se cruzan {len(crossings)} veces; "
                f"la primera, en la {where}.",
            )
    else:
        notes.insert(0, f"Las curvas de {name} y validación no se cruzan.")
    return message, " ".join(notes), phrases


def _finish_curves(figure, ax, title, subtitle, axes_height):
    """Pone el título y, bajo los ejes, donde nunca tapa una curva, la leyenda; da alto a lo que ocupan.

    Sin ese reparto, una letra mayor encogería las curvas hasta que no se leyeran.
    """
    _set_titles(figure, title, subtitle)
    columns, rows = _legend_shape(ax, figure)
    lines = figure.get_suptitle().count("\n") + 1 + rows
    figure.set_figheight(axes_height + (1.5 * lines + 3.5) * figure.fontsize / 72)
    handles, labels = ax.get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower left",
        ncols=columns,
        frameon=False,
        fontsize=figure.fontsize,
        handlelength=2.8,
        handletextpad=0.8,
        columnspacing=2.0,
    )


def _legend_shape(ax, figure):
    """`(columnas, filas)` de la leyenda más baja que cabe en el ancho de la figura."""
    labels = ax.get_legend_handles_labels()[1]
    extra = 5.8 * figure.fontsize / 72  # el trazo, su separación y la que hay entre columnas
    for columns in range(len(labels), 1, -1):
        # matplotlib reparte las entradas por columnas con `array_split`: la primera puede ser más larga.
        parts = np.array_split(np.arange(len(labels)), columns)
        widths = [max(_text_width(labels[i], figure.fontsize) for i in part) + extra for part in parts]
        if sum(widths) <= figure.get_figwidth() - 0.2:
            return columns, max(len(part) for part in parts)
    return 1, len(labels)


def show_performance_curve(
    training_result, metric, metric_label, *, reevaluated=False, fontsize=FONTSIZE, alt=None
):
    """Curva de una métrica por época, con la mejor época de validación y los cruces de verdad.

    La mejor época es la de menor pérdida de validación (la que conserva `train`); si el historial no trae
    `val_loss`, la mejor de la propia métrica. Un cruce es un cambio de signo de la diferencia entre las dos
    curvas, situado por interpolación lineal: se marca porque se ve, no porque sea un óptimo.

    Argumentos:
        training_result: lo que devuelve `train` o `fit` (con `history`), o el diccionario.
        metric: nombre de Keras («accuracy», «loss», «precision», «recall»).
        metric_label: nombre para el eje y el título («Exactitud»).
        reevaluated: dibuja también `train_eval_<metric>`, la métrica de entrenamiento medida al final de cada
            época con los pesos ya quietos, y busca los cruces con ella.
        fontsize: tamaño de letra en puntos; escala todo el texto.
        alt: texto alternativo; si falta, se escribe con los números de las curvas.

    Devuelve:
        Una `BookFigure`.

    Lanza:
        ValueError: si la métrica no está en el historial (nombra las que hay) o este está vacío.
        TypeError: si `training_result` no es un historial.
    """
    history = _history_of(training_result)
    n_epochs = _require_metric(history, metric).size
    with _book_style(fontsize):
        figure, ax = new_figure(alt="pendiente", fontsize=fontsize)
        message, detail, phrases = _draw_metric(ax, history, metric, metric_label, reevaluated)
        _finish_curves(figure, ax, message, detail, axes_height=2.5)
    figure.alt = alt or (
        f"Curvas de {metric_label.lower()} por época, {_plural(n_epochs, 'época', 'épocas')}: "
        f"{'; '.join(phrases)}. {detail}"
    )
    return figure


def plot_learning_curves(result, *, reevaluated=False, title=None, fontsize=FONTSIZE, alt=None):
    """Pérdida y exactitud por época, una al lado de la otra.

    Argumentos:
        result: lo que devuelve `train` o `fit`, o su diccionario; necesita «loss» y «accuracy».
        reevaluated: dibuja también las métricas de entrenamiento reevaluadas, si están.
        title: mensaje; si falta, dice la mejor época de validación.
        fontsize, alt: como en `show_performance_curve`.

    Lanza:
        ValueError, TypeError: como `show_performance_curve`.
    """
    history = _history_of(result)
    n_epochs = _require_metric(history, "loss").size
    _require_metric(history, "accuracy")
    with _book_style(fontsize):
        figure, axes = new_figure(1, 2, alt="pendiente", fontsize=fontsize)
        _, _, loss_phrases = _draw_metric(axes[0], history, "loss", "pérdida", reevaluated)
        _, _, accuracy_phrases = _draw_metric(axes[1], history, "accuracy", "exactitud", reevaluated)
        axes[0].set_ylim(bottom=0)
        best, reason = _best_validation(history, "loss")
        if title is None and best is not None:
            value = _curve(history, "val_loss")[best - 1]
            title = f"La época de {reason} es la {best} de {n_epochs} ({format_number(value)})"
        elif title is None:
            title = "Pérdida y exactitud de entrenamiento, sin validación con la que comparar"
            if _curve(history, "val_loss") is not None:
                title = "Ninguna época de validación tiene un valor finito"
        with_most = max(axes, key=lambda ax: len(ax.get_legend_handles_labels()[1]))
        _finish_curves(figure, with_most, title, "", axes_height=2.1)
    figure.alt = alt or (
        f"{title}. Dos curvas en {_plural(n_epochs, 'época', 'épocas')}. Pérdida: {'; '.join(loss_phrases)}. "
        f"Exactitud: {'; '.join(accuracy_phrases)}."
    )
    return figure


# --- Imágenes -----------------------------------------------------------------------------------------------


def _as_images(images, name="images"):
    """Comprueba un lote (N, H, W, 1 o 3) y lo devuelve listo para `imshow`."""
    array = np.asarray(images)
    if array.ndim == 3 and array.shape[-1] not in (1, 3):
        array = array[..., None]
    if array.ndim != 4 or array.shape[-1] not in (1, 3) or not len(array):
        raise ValueError(
            f"`{name}` debe ser un lote no vacío de imágenes (N, alto, ancho, 1 o 3), y su forma es "
            f"{tuple(np.shape(images))}."
        )
    if array.dtype != np.uint8:
        array = np.asarray(array, dtype=float)
        if np.nanmin(array) < -1e-6 or np.nanmax(array) > 1 + 1e-6:
            raise ValueError(
                f"`{name}` en coma flotante debe estar entre 0 y 1, y va de {np.nanmin(array):.3g} a "
                f"{np.nanmax(array):.3g}. Divide entre 255 o pasa los bytes (uint8) tal como vienen."
            )
        array = np.clip(array, 0, 1)
    return array


def _show_image(ax, image):
    if image.shape[-1] == 1:
        limit = 255 if image.dtype == np.uint8 else 1
        ax.imshow(image[..., 0], cmap="gray", vmin=0, vmax=limit, interpolation="nearest")
    else:
        ax.imshow(image, interpolation="nearest")
    _hide(ax)


def _class_name(class_names, index):
    if not 0 <= int(index) < len(class_names):
        raise ValueError(
            f"La etiqueta {index} no tiene nombre: hay {len(class_names)} clases, de la 0 a la "
            f"{len(class_names) - 1}."
        )
    return class_names[int(index)]


def _integer_labels(labels, n):
    array = np.asarray(labels)
    if array.ndim == 2 and array.shape[1] > 1:
        array = array.argmax(axis=1)
    array = array.ravel().astype(np.int64)
    if array.size != n:
        raise ValueError(f"Hay {n} imágenes y {array.size} etiquetas: deben ser las mismas.")
    return array


def _image_grid(n, columns, fontsize, caption_lines, title, alt, gap=0.06):
    """Rejilla de `n` huecos con sitio para `caption_lines` líneas bajo cada imagen."""
    columns = max(1, min(columns, n))
    rows = math.ceil(n / columns)
    cell = (WIDTH - 0.2) / columns
    line = 1.35 * fontsize / 72
    heading = _wrap(title, WIDTH - 0.2, fontsize, "bold") if title else ""
    title_height = line * (heading.count("\n") + 1) + 0.1 if title else 0
    caption = caption_lines * line + 0.02
    cell_height = min(cell, 1.6) + caption
    figure = BookFigure(
        figsize=(WIDTH, title_height + rows * cell_height + 0.1),
        alt=alt,
        short_title=title,
        fontsize=fontsize,
    )
    width, height = figure.get_size_inches()
    if title:
        figure.text(
            0.1 / width,
            1 - 0.06 / height,
            heading,
            ha="left",
            va="top",
            fontsize=fontsize,
            fontweight="bold",
            linespacing=1.2,
        )
    axes = []
    for index in range(n):
        row, column = divmod(index, columns)
        side = min(cell, 1.6) - gap
        left = 0.1 + column * cell + (cell - side) / 2
        bottom = height - title_height - row * cell_height - side
        ax = figure.add_axes(
            (left / width, bottom / height, side / width, side / height), axes_class=BookAxes
        )
        _hide(ax)
        axes.append(ax)
    return figure, axes


def _caption(ax, text, **kwargs):
    """Pie de imagen, línea a línea: así todas las letras de una fila se apoyan a la misma altura."""
    fontsize = ax.get_figure(root=True).fontsize
    for number, line in enumerate(text.split("\n"), start=1):
        ax.annotate(
            line,
            (0.5, 0),
            xycoords="axes fraction",
            xytext=(0, -1.25 * fontsize * number + 1),
            textcoords="offset points",
            ha="center",
            va="baseline",
            **kwargs,
        )


def plot_samples(images, labels, class_names, *, columns=6, title=None, fontsize=FONTSIZE, alt=None):
    """Rejilla de imágenes con el nombre de su clase debajo.

    Argumentos:
        images: (N, alto, ancho, 1 o 3), uint8 o float en [0, 1].
        labels: enteros (N,) o (N, 1), o *one-hot* (N, K).
        class_names: nombres de las K clases.
        columns: imágenes por fila.

    Lanza:
        ValueError: si las formas no encajan o una etiqueta no tiene nombre.
    """
    array = _as_images(images)
    y = _integer_labels(labels, len(array))
    names = [_class_name(class_names, label) for label in y]
    kinds = list(dict.fromkeys(names))
    title = title if title is not None else f"{_plural(len(array), 'imagen', 'imágenes')} con su etiqueta"
    with _book_style(fontsize):
        figure, axes = _image_grid(len(array), columns, fontsize, 1, title, "")
        for ax, image, name in zip(axes, array, names, strict=True):
            _show_image(ax, image)
            _caption(ax, name)
    height, width = array.shape[1:3]
    figure.alt = alt or (
        f"{_plural(len(array), 'imagen', 'imágenes')} de {height}×{width} píxeles de "
        f"{_plural(len(kinds), 'clase', 'clases')}: {', '.join(names)}."
    )
    return figure


def plot_augmentation_grid(
    originals, augmented, *, column_titles=None, row_titles=None, title=None, fontsize=FONTSIZE, alt=None
):
    """Cada fila, una imagen original y sus versiones aumentadas.

    Argumentos:
        originals: (N, alto, ancho, canales), o una sola imagen (alto, ancho, canales).
        augmented: (N, K, alto, ancho, canales): K versiones de cada original; con una sola imagen, (K, …).
        column_titles: K rótulos para las columnas de versiones (por ejemplo, el parámetro que cambia).
        row_titles: N rótulos para las filas.

    Lanza:
        ValueError: si las formas no encajan.
    """
    originals, augmented = np.asarray(originals), np.asarray(augmented)
    if originals.ndim == 3:
        originals, augmented = originals[None], augmented[None]
    if augmented.ndim != 5 or len(originals) != len(augmented):
        raise ValueError(
            "`augmented` debe tener la forma (N, K, alto, ancho, canales), con la misma N que `originals`; "
            f"se recibieron {originals.shape} y {augmented.shape}."
        )
    n, k = augmented.shape[:2]
    if column_titles is not None and len(column_titles) != k:
        raise ValueError(f"Hay {k} versiones por imagen y {len(column_titles)} rótulos de columna.")
    if row_titles is not None and len(row_titles) != n:
        raise ValueError(f"Hay {n} imágenes y {len(row_titles)} rótulos de fila.")
    base = _as_images(originals, "originals")
    variants = _as_images(augmented.reshape(n * k, *augmented.shape[2:]), "augmented")
    variants = variants.reshape(n, k, *variants.shape[1:])
    heads = ["original", *(column_titles or [str(i) for i in range(1, k + 1)])]
    title = (
        title
        if title is not None
        else (f"{_plural(k, 'versión', 'versiones')} de cada imagen: cambia la foto, no la etiqueta")
    )
    with _book_style(fontsize):
        line = 1.3 * fontsize / 72
        left = 0.1 + (max(_text_width(text, fontsize) for text in row_titles) + 0.12 if row_titles else 0)
        gap = 0.18  # separa el original de sus versiones
        cell = min((WIDTH - left - 0.1 - gap) / (k + 1), 1.4)
        heads = [_wrap(head, cell - 0.04, fontsize) for head in heads]
        head_height = line * (max(head.count("\n") for head in heads) + 1) + 0.04
        heading = _wrap(title, WIDTH - 0.2, fontsize, "bold")
        title_height = line * (heading.count("\n") + 1) + 0.12 if title else 0
        height = title_height + head_height + n * cell + 0.06
        figure = BookFigure(figsize=(WIDTH, height), short_title=title, fontsize=fontsize)
        if title:
            figure.text(0.1 / WIDTH, 1 - 0.06 / height, heading, ha="left", va="top", fontweight="bold")
        for row in range(n):
            for column in range(k + 1):
                x = left + column * cell + (gap if column else 0)
                y = height - title_height - head_height - (row + 1) * cell + 0.04
                box = (x / WIDTH, y / height, (cell - 0.06) / WIDTH, (cell - 0.06) / height)
                ax = figure.add_axes(box, axes_class=BookAxes)
                _show_image(ax, base[row] if column == 0 else variants[row, column - 1])
                if row == 0:
                    ax.set_title(heads[column], pad=3, color=INK if column else MUTED)
            if row_titles:
                figure.text(
                    (left - 0.1) / WIDTH, (y + cell / 2) / height, row_titles[row], ha="right", va="center"
                )
    figure.alt = alt or (
        f"Rejilla con {_plural(n, 'imagen original', 'imágenes originales')}, una por fila, y "
        f"{_plural(k, 'versión aumentada', 'versiones aumentadas')} de cada una"
        + (f": {', '.join(column_titles)}." if column_titles else ".")
    )
    return figure


def plot_prediction(
    image, probabilities, class_names, *, label=None, title=None, fontsize=FONTSIZE, alt=None
):
    """Una imagen y, a su lado, la probabilidad que la red da a cada clase.

    Argumentos:
        image: (alto, ancho, 1 o 3), uint8 o float en [0, 1].
        probabilities: (K,).
        class_names: K nombres.
        label: clase verdadera (entero), si se conoce.

    Lanza:
        ValueError: si no hay tantas probabilidades como clases.
    """
    array = _as_images(np.asarray(image)[None], "image")[0]
    p = np.asarray(probabilities, dtype=float).ravel()
    if p.size != len(class_names):
        raise ValueError(f"Hay {p.size} probabilidades y {len(class_names)} clases: deben ser las mismas.")
    top = int(np.argmax(p))
    truth = None if label is None else _class_name(class_names, int(np.ravel(label)[0]))
    if title is None:
        title = f"La red dice «{class_names[top]}» con probabilidad {format_number(p[top], 2)}"
        if truth is not None:
            title += ", y acierta" if truth == class_names[top] else f"; es «{truth}»"
    with _book_style(fontsize):
        scale = fontsize / FONTSIZE
        height = max(2.6, 0.27 * p.size * scale + 0.75)
        figure, (left, right) = new_figure(
            1,
            2,
            height=height,
            alt="pendiente",
            title=title,
            fontsize=fontsize,
            gridspec_kw={"width_ratios": [1, 1.7]},
        )
        _show_image(left, array)
        positions = np.arange(p.size)
        colors = [SLATE if i == top else PALE for i in positions]
        right.barh(positions, p, color=colors, height=0.72)
        for i in positions:
            right.text(
                p[i] + 0.015,
                i,
                format_number(p[i], 2),
                va="center",
                fontweight="bold" if i == top else "normal",
            )
        right.set_yticks(positions, class_names)
        right.invert_yaxis()
        right.set_xlim(0, 1.18)
        right.set_xticks([0, 0.5, 1])
        right.grid(False, axis="y")
        right.tick_params(axis="y", length=0)
        right.set_xlabel("probabilidad")
    order = np.argsort(-p)[:3]
    ranking = ", ".join(f"{class_names[i]} {format_number(p[i], 2)}" for i in order)
    figure.alt = (
        alt or f"{title}. A la izquierda, la imagen; a la derecha, las clases más probables: {ranking}."
    )
    return figure


def _at_least(probability):
    """«probabilidad de 0.91 o más», redondeada hacia abajo: 0.997 no llega a 1."""
    floor = math.floor(100 * float(probability) + 1e-9) / 100
    return "probabilidad de más de 0.99" if floor >= 0.99 else f"probabilidad de {format_number(floor, 2)} o más"


def plot_mistakes(
    images, y, probabilities, class_names, *, n=12, columns=6, title=None, fontsize=FONTSIZE, alt=None
):
    """Los errores en los que la red estaba más segura, con lo que dijo y lo que era.

    Argumentos:
        images: (N, alto, ancho, 1 o 3).
        y: etiquetas verdaderas, enteras u *one-hot*.
        probabilities: (N, K).
        class_names: K nombres.
        n: cuántos errores enseñar, de mayor a menor probabilidad.

    Lanza:
        ValueError: si las formas no encajan.
    """
    array = _as_images(images)
    truth = _integer_labels(y, len(array))
    p = np.asarray(probabilities, dtype=float)
    if p.shape != (len(array), len(class_names)):
        raise ValueError(
            f"`probabilities` debe tener la forma ({len(array)}, {len(class_names)}), y tiene {p.shape}."
        )
    guess = p.argmax(axis=1)
    confidence = p.max(axis=1)
    wrong = np.flatnonzero(guess != truth)
    chosen = wrong[np.argsort(-confidence[wrong], kind="stable")][:n]
    with _book_style(fontsize):
        if not chosen.size:
            message = title or f"Ningún error en {_plural(len(array), 'imagen', 'imágenes')}"
            figure, ax = new_figure(height=1.4, alt=alt or f"{message}.", title=message, fontsize=fontsize)
            _hide(ax)
            ax.text(0.5, 0.5, "No hay errores que enseñar.", transform=ax.transAxes, ha="center", color=MUTED)
            return figure
        total = _plural(wrong.size, "error", "errores")
        title = (
            title
            if title is not None
            else (
                f"Los {chosen.size} errores más seguros de {format_number(int(wrong.size))}: "
                + _at_least(confidence[chosen[-1]])
            )
        )
        figure, axes = _image_grid(chosen.size, columns, fontsize, 2, title, "")
        for ax, index in zip(axes, chosen, strict=True):
            _show_image(ax, array[index])
            said, was = class_names[guess[index]], _class_name(class_names, truth[index])
            _caption(ax, f"dice {said}\nes {was}")
    worst = ", ".join(
        f"{class_names[truth[i]]} por {class_names[guess[i]]} ({format_number(confidence[i], 2)})"
        for i in chosen[:3]
    )
    figure.alt = alt or (
        f"{_plural(chosen.size, 'imagen mal clasificada', 'imágenes mal clasificadas')}, de un total de {total} en "
        f"{_plural(len(array), 'imagen', 'imágenes')}, ordenadas por confianza. Las primeras: {worst}."
    )
    return figure


# --- Evaluación ---------------------------------------------------------------------------------------------


def plot_confusion_matrix(matrix, class_names, *, title=None, fontsize=FONTSIZE, alt=None):
    """Matriz de confusión con sus recuentos: filas, lo que era; columnas, lo que dijo la red.

    El color es la fracción de cada fila, para que dos clases con distinto número de imágenes se comparen.

    Argumentos:
        matrix: (K, K) de enteros; la fila es la clase verdadera.
        class_names: K nombres.

    Lanza:
        ValueError: si la matriz no es cuadrada o no casa con los nombres.
    """
    counts = np.asarray(matrix)
    k = len(class_names)
    if counts.shape != (k, k):
        raise ValueError(f"La matriz debe ser de {k}×{k}, una fila por clase, y es de {counts.shape}.")
    support = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, support, out=np.zeros(counts.shape, dtype=float), where=support > 0)
    off = counts - np.diag(np.diag(counts))
    row, column = np.unravel_index(int(off.argmax()), off.shape)
    total, right = int(counts.sum()), int(np.trace(counts))
    if title is None and off.max() > 0:
        title = (
            f"La confusión más frecuente: {class_names[row]} tomada por {class_names[column]}, "
            f"{format_number(int(off.max()))} de {format_number(int(support[row, 0]))}"
        )
        title = title.replace(" tomada por ", " → ")
    elif title is None:
        title = "Ninguna confusión: todo está en la diagonal"
    with _book_style(fontsize):
        scale = fontsize / FONTSIZE
        figure, ax = new_figure(
            height=min(WIDTH, 1.9 + 0.42 * k) * (0.75 + 0.25 * scale),
            alt="pendiente",
            title=title,
            fontsize=fontsize,
        )
        ax.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for i in range(k):
            for j in range(k):
                if counts[i, j]:
                    ax.text(
                        j,
                        i,
                        format_number(int(counts[i, j])),
                        ha="center",
                        va="center",
                        color="white" if share[i, j] > 0.55 else INK,
                    )
        if off.max() > 0:
            ax.add_patch(
                Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=HIGHLIGHT, linewidth=2.5)
            )
        ax.set_xticks(range(k), class_names, rotation=40, ha="right", rotation_mode="anchor")
        ax.set_yticks(range(k), class_names)
        ax.set_xticks(np.arange(k + 1) - 0.5, minor=True)
        ax.set_yticks(np.arange(k + 1) - 0.5, minor=True)
        ax.grid(False)
        ax.grid(which="minor", color="white", linewidth=1.5)
        ax.tick_params(which="both", length=0)
        ax.spines[:].set_visible(False)
        ax.set_xlabel("lo que dijo la red")
        ax.set_ylabel("lo que era")
    per_class = ", ".join(
        f"{class_names[i]} {format_number(int(counts[i, i]))} de {format_number(int(support[i, 0]))}"
        for i in range(k)
    )
    figure.alt = alt or (
        f"Matriz de confusión de {k} clases y {_plural(total, 'imagen', 'imágenes')}: "
        f"{format_number(right)} aciertos. {title}. Aciertos por clase: {per_class}."
    )
    return figure


def plot_reliability(bins, *, title=None, fontsize=FONTSIZE, alt=None):
    """Diagrama de fiabilidad: la confianza que la red declara frente a lo que acierta.

    Argumentos:
        bins: lo que devuelve `helpers.evaluation.reliability_bins`: `edges` (B + 1,), `confidence`, `accuracy` y
            `count` (B,), y `ece` (error esperado de calibración).

    Lanza:
        ValueError: si no hay ninguna predicción.
    """
    edges = np.asarray(bins.edges, dtype=float)
    confidence = np.asarray(bins.confidence, dtype=float)
    accuracy = np.asarray(bins.accuracy, dtype=float)
    count = np.asarray(bins.count)
    total = int(count.sum())
    if total == 0:
        raise ValueError("No hay ninguna predicción en los tramos: pasa al menos una imagen.")
    full = count > 0
    said = float(np.sum(confidence[full] * count[full]) / total)
    hit = float(np.sum(accuracy[full] * count[full]) / total)
    if title is None:
        verdict = "acierta lo que promete"
        if said - hit > 0.01:
            verdict = "promete más de lo que acierta"
        elif hit - said > 0.01:
            verdict = "acierta más de lo que promete"
        title = (
            f"La red {verdict}: confianza media {format_number(said, 2)}, exactitud {format_number(hit, 2)}"
        )
    with _book_style(fontsize):
        scale = fontsize / FONTSIZE
        figure, (ax, below) = new_figure(
            2,
            1,
            height=4.0 + 0.9 * scale,
            alt="pendiente",
            fontsize=fontsize,
            sharex=True,
            gridspec_kw={"height_ratios": [3, 1]},
        )
        _set_titles(figure, title, f"Error esperado de calibración (ECE): {format_number(float(bins.ece))}")
        widths = np.diff(edges)
        ax.bar(
            edges[:-1][full],
            accuracy[full],
            width=widths[full],
            align="edge",
            color=PALE,
            edgecolor="white",
            label="exactitud en el tramo",
        )
        ax.plot([0, 1], [0, 1], color=INK, linestyle="--", linewidth=1.4, label="calibración perfecta")
        ax.plot(
            confidence[full],
            accuracy[full],
            linestyle="none",
            marker="o",
            markersize=7,
            color=SLATE,
            clip_on=False,
            zorder=5,
            label="su confianza media",
        )
        ax.set_ylim(0, 1.02)
        ax.set_xlim(0, 1)
        ax.set_ylabel("exactitud")
        ax.legend(loc="upper left", frameon=False)
        below.bar(edges[:-1], count, width=widths, align="edge", color=PALE, edgecolor="white")
        below.set_ylabel("imágenes")
        below.set_xlabel("confianza (la mayor probabilidad)")
        below.yaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
        figure.align_ylabels([ax, below])
    figure.alt = alt or (
        f"Diagrama de fiabilidad de {_plural(total, 'predicción', 'predicciones')}. {title}. "
        f"Error de calibración {format_number(float(bins.ece))}. El último tramo ocupado tiene "
        f"{_plural(int(count[full][-1]), 'imagen', 'imágenes')}, con confianza {format_number(confidence[full][-1], 2)} y "
        f"exactitud {format_number(accuracy[full][-1], 2)}."
    )
    return figure


# --- Por dentro de la red -----------------------------------------------------------------------------------


def plot_filters(kernel, *, channel=None, n=None, columns=8, title=None, fontsize=FONTSIZE, alt=None):
    """Los filtros de una capa de convolución.

    Argumentos:
        kernel: pesos (alto, ancho, canales de entrada, filtros), como los guarda Keras.
        channel: canal de entrada que se enseña. Sin él, con tres canales se enseña cada filtro en color y con
            cualquier otro número, el canal 0.
        n: cuántos filtros (por defecto, todos).
        columns: filtros por fila.

    Lanza:
        ValueError: si la forma no es la de un núcleo de Conv2D o el canal no existe.
    """
    weights = np.asarray(kernel, dtype=float)
    if weights.ndim != 4:
        raise ValueError(
            "`kernel` debe tener la forma (alto, ancho, canales, filtros) de una capa Conv2D, y tiene "
            f"{weights.shape}. Suele ser `model.layers[0].get_weights()[0]`."
        )
    height, width, channels, total = weights.shape
    if channel is not None and not 0 <= channel < channels:
        raise ValueError(f"El canal {channel} no existe: hay {channels}, del 0 al {channels - 1}.")
    n = total if n is None else min(n, total)
    in_colour = channel is None and channels == 3
    shown = channel if channel is not None else 0
    limit = float(np.abs(weights).max()) or 1.0
    volume = f"{height}×{width}×{channels}"
    what = "en color" if in_colour else f"en su canal de entrada {shown}"
    title = title if title is not None else f"{_plural(n, 'filtro', 'filtros')} de {volume}, {what}"
    with _book_style(fontsize):
        figure, axes = _image_grid(n, columns, fontsize, 1, title, "")
        for index, ax in enumerate(axes):
            if in_colour:
                ax.imshow(np.clip(0.5 + weights[..., index] / (2 * limit), 0, 1), interpolation="nearest")
            else:
                ax.imshow(
                    weights[:, :, shown, index],
                    cmap=SIGNED_MAP,
                    vmin=-limit,
                    vmax=limit,
                    interpolation="nearest",
                )
            ax.spines[:].set_visible(True)
            ax.spines[:].set_color(MUTED)
            _caption(ax, str(index), color=MUTED)
    figure.alt = alt or (
        f"{_plural(n, 'filtro', 'filtros')} de {volume} {what}; los pesos van de {format_number(weights.min(), 2)} a "
        f"{format_number(weights.max(), 2)}."
    )
    return figure


def plot_feature_maps(activation, *, n=None, columns=8, title=None, fontsize=FONTSIZE, alt=None):
    """Los mapas de características de una capa para una imagen, todos con la misma escala de color.

    Argumentos:
        activation: (alto, ancho, mapas), o (1, alto, ancho, mapas).
        n: cuántos mapas (por defecto, todos).
        columns: mapas por fila.

    Lanza:
        ValueError: si no es la activación de una sola imagen.
    """
    maps = np.asarray(activation, dtype=float)
    if maps.ndim == 4 and maps.shape[0] == 1:
        maps = maps[0]
    if maps.ndim != 3:
        raise ValueError(
            "`activation` debe ser la de una sola imagen, (alto, ancho, mapas), y tiene la forma "
            f"{np.shape(activation)}. Pasa una con `activation[0]`."
        )
    height, width, total = maps.shape
    n = total if n is None else min(n, total)
    low, high = min(0.0, float(maps.min())), float(maps.max())
    dead = int(np.sum(np.all(maps == 0, axis=(0, 1))))
    share = float(np.mean(maps == 0))
    if title is None:
        title = f"{_plural(n, 'mapa', 'mapas')} de {height}×{width}"
        if share > 0.05:
            title += f": el {format_percent(share)} de sus valores es cero"
    with _book_style(fontsize):
        figure, axes = _image_grid(n, columns, fontsize, 1, title, "")
        for index, ax in enumerate(axes):
            ax.imshow(maps[..., index], cmap=FEATURE_MAP, vmin=low, vmax=high or 1.0, interpolation="nearest")
            _caption(ax, str(index), color=MUTED)
    figure.alt = alt or (
        f"{_plural(n, 'mapa de características', 'mapas de características')} de {height}×{width}, de "
        f"{format_number(float(maps.min()), 2)} a {format_number(high, 2)}. Del total de {format_number(total)}, "
        f"{_plural(dead, 'es cero en todas partes', 'son cero en todas partes')}; el {format_percent(share)} de los "
        "valores es cero."
    )
    return figure


# --- Matrices con sus números -------------------------------------------------------------------------------


def _cell_text(value, decimals):
    if decimals is None:
        if float(value).is_integer():
            return format_number(int(value))
        return format_number(float(value), 2).rstrip("0").rstrip(".")
    return format_number(float(value), decimals)


def _light_map(signed):
    """Colores claros, para que los números se lean encima: blanco el cero, azul lo positivo, rojo lo negativo."""
    return ListedColormap(colormaps[SIGNED_MAP](np.linspace(0.24 if signed else 0.5, 0.76, 256)))


def plot_matrices(
    panels, *, operators=None, highlights=None, decimals=None, title="", fontsize=FONTSIZE, alt=None
):
    """Varias matrices con sus números, en fila, como en una cuenta: entrada ∗ núcleo = salida.

    Argumentos:
        panels: pares (rótulo, matriz 2-D), o un diccionario; caben unas 17 columnas en total.
        operators: signos entre matrices consecutivas (por ejemplo, `["∗", "="]`).
        highlights: por cada matriz, None o una lista de ventanas (fila, columna, alto, ancho) que se recuadran.
        decimals: cifras decimales; sin ello, los enteros van sin decimales y el resto con dos como mucho.
        title, fontsize, alt: como en `new_figure`; sin `alt` se leen los números de cada matriz.

    Lanza:
        ValueError: si una matriz no es 2-D o los signos no casan.
    """
    items = list(panels.items()) if isinstance(panels, Mapping) else list(panels)
    arrays = [np.asarray(values) for _, values in items]
    for (label, _), array in zip(items, arrays, strict=True):
        if array.ndim != 2 or not array.size:
            raise ValueError(f"La matriz «{label}» debe tener dos dimensiones, y su forma es {array.shape}.")
    operators = list(operators) if operators is not None else [""] * (len(items) - 1)
    if len(operators) != len(items) - 1:
        raise ValueError(f"Entre {len(items)} matrices van {len(items) - 1} signos, y hay {len(operators)}.")
    highlights = list(highlights) if highlights is not None else [None] * len(items)
    texts = [[[_cell_text(v, decimals) for v in row] for row in array] for array in arrays]
    with _book_style(fontsize):
        line = 1.35 * fontsize / 72
        widest = max(_text_width(t, fontsize) for table in texts for row in table for t in row)
        gap = 0.45 * fontsize / FONTSIZE
        n_columns = sum(array.shape[1] for array in arrays)
        room = (WIDTH - 0.3 - gap * (len(items) - 1)) / n_columns
        cell = min(room, max(0.42 * fontsize / FONTSIZE, widest + 0.16))
        labels = [
            # Un rótulo puede ocupar también el hueco hasta la matriz vecina.
            _wrap(label, array.shape[1] * cell + 0.85 * gap if len(items) > 1 else WIDTH - 0.3, fontsize)
            for (label, _), array in zip(items, arrays, strict=True)
        ]
        label_height = line * max((label.count("\n") + 1 if label else 0) for label in labels)
        heading = _wrap(title, WIDTH - 0.2, fontsize, "bold") if title else ""
        title_height = line * (heading.count("\n") + 1) + 0.12 if title else 0.05
        tallest = max(array.shape[0] for array in arrays) * cell
        height = title_height + label_height + tallest + 0.15
        figure = BookFigure(
            figsize=(WIDTH, height), short_title=title or "matriz de números", fontsize=fontsize
        )
        if title:
            figure.text(0.1 / WIDTH, 1 - 0.06 / height, heading, ha="left", va="top", fontweight="bold")
        x = (WIDTH - n_columns * cell - gap * (len(items) - 1)) / 2
        top = title_height + label_height
        for index, array in enumerate(arrays):
            rows, columns = array.shape
            y = height - top - (tallest + rows * cell) / 2
            box = (x / WIDTH, y / height, columns * cell / WIDTH, rows * cell / height)
            ax = figure.add_axes(box, axes_class=BookAxes)
            _draw_matrix(ax, array, texts[index], highlights[index])
            if labels[index]:
                ax.set_title(labels[index], pad=5)
            x += columns * cell
            if index < len(operators):
                figure.text(
                    (x + gap / 2) / WIDTH,
                    (height - top - tallest / 2) / height,
                    operators[index],
                    ha="center",
                    va="center",
                    fontsize=1.5 * fontsize,
                )
                x += gap
    figure.alt = alt or _matrices_alt(items, texts, operators, title)
    return figure


def _draw_matrix(ax, array, texts, windows):
    rows, columns = array.shape
    values = np.asarray(array, dtype=float)
    finite = values[np.isfinite(values)]
    signed = bool(finite.size and finite.min() < 0)
    limit = float(np.abs(finite).max()) if finite.size else 1.0
    norm = Normalize(-limit if signed else 0, limit or 1.0)
    ax.imshow(values, cmap=_light_map(signed), norm=norm, interpolation="nearest")
    _hide(ax)
    for row in range(rows):
        for column in range(columns):
            ax.text(column, row, texts[row][column], ha="center", va="center")
    for edge in range(1, rows):
        ax.axhline(edge - 0.5, color="white", linewidth=1.5)
    for edge in range(1, columns):
        ax.axvline(edge - 0.5, color="white", linewidth=1.5)
    ax.add_patch(
        Rectangle((-0.5, -0.5), columns, rows, fill=False, edgecolor=MUTED, linewidth=1.2, clip_on=False)
    )
    for row, column, tall, wide in windows or ():
        ax.add_patch(
            Rectangle(
                (column - 0.5, row - 0.5),
                wide,
                tall,
                fill=False,
                edgecolor=HIGHLIGHT,
                linewidth=3,
                clip_on=False,
                zorder=5,
            )
        )


def _matrices_alt(items, texts, operators, title):
    parts = []
    for index, ((label, _), table) in enumerate(zip(items, texts, strict=True)):
        rows = "; ".join(" ".join(row) for row in table)
        sign = f" {operators[index - 1]} " if index and operators[index - 1] else ("; " if index else "")
        name = label or "matriz"
        if "×" not in name:
            name += f" de {len(table)}×{len(table[0])}"
        parts.append(f"{sign}{name}: {rows}")
    return (f"{title}. " if title else "") + "".join(parts) + "."


def plot_matrix(values, *, label="", highlight=None, decimals=None, title="", fontsize=FONTSIZE, alt=None):
    """Una matriz pequeña con sus números.

    Argumentos:
        values: matriz 2-D.
        label: rótulo encima.
        highlight: ventana (fila, columna, alto, ancho) que se recuadra, o una lista de ellas.
        decimals, title, fontsize, alt: como en `plot_matrices`.

    Lanza:
        ValueError: si `values` no tiene dos dimensiones.
    """
    windows = None
    if highlight is not None:
        windows = [highlight] if np.ndim(highlight[0]) == 0 else list(highlight)
    return plot_matrices(
        [(label, values)], highlights=[windows], decimals=decimals, title=title, fontsize=fontsize, alt=alt
    )


# --- Dibujo de la red ---------------------------------------------------------------------------------------


def plot_architecture(rows, *, input_shape=(32, 32, 3), title=None, fontsize=FONTSIZE, alt=None):
    """Dibuja la red de arriba abajo: cada capa con su salida a escala, sus parámetros y su trabajo.

    Argumentos:
        rows: lo que devuelve `helpers.models.describe_layers`: filas con `type`, `output_shape`, `params` y `macs`.
        input_shape: forma de la imagen de entrada (alto, ancho, canales).

    Lanza:
        ValueError: si no hay ninguna capa.
    """
    rows = list(rows)
    if not rows:
        raise ValueError("No hay capas que dibujar: pasa las filas de `describe_layers(model)`.")
    params = [int(row.params) for row in rows]
    macs = [int(row.macs) for row in rows]
    total_params, total_macs = sum(params), sum(macs)
    heavy = int(np.argmax(params))
    conv_work = sum(m for row, m in zip(rows, macs, strict=True) if "Conv" in row.type)
    if title is None and total_params and total_macs:
        title = (
            f"El {format_percent(params[heavy] / total_params, 1)} de los parámetros está en una capa "
            f"({rows[heavy].type})"
        )
        if conv_work:
            title += f"; el {format_percent(conv_work / total_macs, 1)} del trabajo, en las convoluciones"
    elif title is None:
        title = f"Una red de {_plural(len(rows), 'capa', 'capas')}"
    with _book_style(fontsize):
        scale = fontsize / FONTSIZE
        step, head = 0.62 * max(1.0, scale), 0.5 * scale
        heading = _wrap(title, WIDTH - 0.2, fontsize, "bold")
        title_height = 1.35 * fontsize / 72 * (heading.count("\n") + 1) + 0.12
        height = title_height + head + step * (len(rows) + 1) + 0.1
        figure = BookFigure(figsize=(WIDTH, height), short_title=title, fontsize=fontsize)
        figure.text(0.1 / WIDTH, 1 - 0.06 / height, heading, ha="left", va="top", fontweight="bold")
        ax = figure.add_axes((0, 0, 1, 1), axes_class=BookAxes)
        ax.set_xlim(0, WIDTH)
        ax.set_ylim(height, 0)
        ax.set_axis_off()
        ax.set_zorder(-1)
        top = title_height + head
        names_x, volume_x, shape_x, params_x, macs_x = 0.1, 2.25, 2.95, 4.1, 5.7
        bar = 0.72
        for x, text in (
            (names_x, "capa"),
            (volume_x - 0.35, "salida"),
            (params_x, "parámetros"),
            (macs_x, "multiplicaciones"),
        ):
            ax.text(x, title_height + head / 2, text, va="center", color=MUTED)
        ax.plot([0.1, WIDTH - 0.1], [top - 0.04] * 2, color=GRID, linewidth=1)
        shapes = [tuple(input_shape), *(tuple(row.output_shape) for row in rows)]
        kinds = ["imagen de entrada", *(row.type for row in rows)]
        side = max([s[0] for s in shapes if len(s) == 3] or [1])
        for index, (kind, shape) in enumerate(zip(kinds, shapes, strict=True)):
            y = top + (index + 0.5) * step
            colour = _layer_colour(kind)
            ax.text(names_x, y, kind, va="center", fontweight="bold" if index else "normal")
            _draw_volume(ax, volume_x, y, shape, colour, step * 0.78, side)
            ax.text(shape_x, y, "×".join(str(s) for s in shape), va="center")
            if index:
                for x, value, total in (
                    (params_x, params[index - 1], total_params),
                    (macs_x, macs[index - 1], total_macs),
                ):
                    length = bar * value / total if total else 0
                    ax.add_patch(Rectangle((x, y - 0.11), length, 0.22, facecolor=colour, edgecolor="none"))
                    ax.text(
                        x + length + (0.06 if length else 0),
                        y,
                        format_number(value),
                        va="center",
                        color=INK if value else MUTED,
                    )
            if index < len(rows):
                ax.add_patch(
                    FancyArrowPatch(
                        (volume_x, y + step * 0.40),
                        (volume_x, y + step * 0.62),
                        color=MUTED,
                        arrowstyle="-|>",
                        mutation_scale=8,
                        linewidth=1,
                        zorder=0,
                    )
                )
    listing = "; ".join(
        f"{row.type} {'×'.join(str(s) for s in row.output_shape)} con {format_number(int(row.params))} parámetros"
        for row in rows
    )
    figure.alt = alt or (
        f"Dibujo de la red capa a capa desde una imagen de {'×'.join(str(s) for s in input_shape)}: {listing}. "
        f"Total: {format_number(total_params)} parámetros y {format_number(total_macs)} multiplicaciones por imagen. "
        f"{title}."
    )
    return figure


def _layer_colour(kind):
    return next((colour for part, colour in LAYER_COLOURS.items() if part in kind), PALE)


def _draw_volume(ax, x, y, shape, colour, tallest, side):
    """Un volumen como una pila de láminas (alto × ancho a escala, grueso según los canales); un vector, una barra."""
    if len(shape) != 3:
        units = int(np.prod(shape)) if shape else 1
        length = 0.28 + 0.08 * math.log2(max(units, 1)) / 1.4
        ax.add_patch(
            Rectangle(
                (x - length / 2, y - 0.07), length, 0.14, facecolor=colour, alpha=0.85, edgecolor="white"
            )
        )
        return
    tall = max(tallest * 0.8 * shape[0] / side, 0.08)
    wide = max(tallest * 0.8 * shape[1] / side, 0.08)
    depth = 0.03 + 0.035 * math.log2(max(shape[2], 1))
    left, top = x - (wide + depth) / 2, y - tall / 2 + depth / 4
    back = [
        (left, top),
        (left + depth, top - depth / 2),
        (left + wide + depth, top - depth / 2),
        (left + wide, top),
    ]
    side_face = [
        (left + wide, top),
        (left + wide + depth, top - depth / 2),
        (left + wide + depth, top + tall - depth / 2),
        (left + wide, top + tall),
    ]
    ax.add_patch(Polygon(back, closed=True, facecolor=colour, alpha=0.35, edgecolor="white", linewidth=0.8))
    ax.add_patch(
        Polygon(side_face, closed=True, facecolor=colour, alpha=0.55, edgecolor="white", linewidth=0.8)
    )
    ax.add_patch(
        Rectangle((left, top), wide, tall, facecolor=colour, alpha=0.85, edgecolor="white", linewidth=0.8)
    )
