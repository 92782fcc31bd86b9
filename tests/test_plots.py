"""Figuras: las trampas P01–P05, el texto alternativo, el PNG y los errores que explican."""

import base64
import io
import subprocess
import sys
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from helpers import plots

NAMES = ("camiseta", "pantalón", "suéter")
HISTORY = {
    "loss": [1.0, 0.8, 0.6, 0.4],
    "val_loss": [0.9, 0.7, 0.65, 0.75],
    "accuracy": [0.50, 0.60, 0.70, 0.80],
    "val_accuracy": [0.60, 0.66, 0.68, 0.67],
    "train_eval_accuracy": [0.61, 0.69, 0.77, 0.84],
    "train_eval_loss": [0.85, 0.65, 0.5, 0.35],
}
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (6, 8, 10, 3), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2])
PROBABILITIES = np.array(
    [[0.9, 0.05, 0.05], [0.8, 0.1, 0.1], [0.2, 0.2, 0.6], [0.1, 0.7, 0.2], [0.2, 0.7, 0.1], [0.3, 0.3, 0.4]]
)
BINS = SimpleNamespace(
    edges=np.array([0.0, 0.5, 1.0]),
    confidence=np.array([0.4, 0.9]),
    accuracy=np.array([0.5, 0.7]),
    count=np.array([10, 30]),
    ece=0.175,
)
ROWS = [
    SimpleNamespace(type="Conv2D", output_shape=(30, 30, 32), params=896, macs=777_600),
    SimpleNamespace(type="MaxPooling2D", output_shape=(15, 15, 32), params=0, macs=0),
    SimpleNamespace(type="Flatten", output_shape=(7200,), params=0, macs=0),
    SimpleNamespace(type="Dense", output_shape=(10,), params=72_010, macs=72_000),
]

# Cada función de dibujo con unos datos y lo que su texto alternativo tiene que decir.
FIGURES = {
    "curva": (
        lambda **k: plots.show_performance_curve(HISTORY, "accuracy", "Exactitud", **k),
        ["4 épocas", "de 0.500 a 0.800", "de 0.600 a 0.670", "la 3, con 0.680"],
    ),
    "reevaluada": (
        lambda **k: plots.show_performance_curve(HISTORY, "loss", "Pérdida", reevaluated=True, **k),
        ["de 0.850 a 0.350", "se cruzan"],
    ),
    "aprendizaje": (
        lambda **k: plots.plot_learning_curves(HISTORY, **k),
        ["la 3 de 4", "de 1.000 a 0.400", "0.670"],
    ),
    "muestras": (
        lambda **k: plots.plot_samples(IMAGES, LABELS, NAMES, **k),
        ["6 imágenes de 8×10 píxeles", "3 clases", "suéter"],
    ),
    "aumento": (
        lambda **k: plots.plot_augmentation_grid(IMAGES[:2], np.stack([IMAGES[:3], IMAGES[3:]]), **k),
        ["2 imágenes originales", "3 versiones"],
    ),
    "confusión": (
        lambda **k: plots.plot_confusion_matrix([[8, 2, 0], [0, 9, 1], [3, 0, 7]], NAMES, **k),
        ["30 imágenes", "24 aciertos", "suéter → camiseta, 3 de 10"],
    ),
    "fiabilidad": (
        lambda **k: plots.plot_reliability(BINS, **k),
        ["40 predicciones", "confianza media 0.78", "exactitud 0.65", "0.175"],
    ),
    "errores": (
        lambda **k: plots.plot_mistakes(IMAGES, LABELS, PROBABILITIES, NAMES, **k),
        ["2 errores en 6 imágenes", "pantalón por camiseta (0.80)"],
    ),
    "filtros": (
        lambda **k: plots.plot_filters(RNG_KERNEL, **k),
        ["5 filtros de 3×3×3 en color", "de −1.00 a 1.00"],
    ),
    "mapas": (
        lambda **k: plots.plot_feature_maps(MAPS, **k),
        ["4 mapas de características de 6×5", "1 es cero en todas partes"],
    ),
    "matriz": (
        lambda **k: plots.plot_matrix([[1, -2], [0.5, 3]], highlight=(0, 0, 1, 2), **k),
        ["matriz de 2×2: 1 −2; 0.5 3"],
    ),
    "matrices": (
        lambda **k: plots.plot_matrices({"a": [[1]], "b": [[2]], "c": [[2]]}, operators=["×", "="], **k),
        ["a de 1×1: 1 × b de 1×1: 2 = c de 1×1: 2"],
    ),
    "red": (
        lambda **k: plots.plot_architecture(ROWS, **k),
        ["Conv2D 30×30×32", "72\u202f906 parámetros", "849\u202f600 multiplicaciones", "98.8\u202f%"],
    ),
    "predicción": (
        lambda **k: plots.plot_prediction(IMAGES[0], PROBABILITIES[0], NAMES, label=1, **k),
        ["«camiseta» con probabilidad 0.90", "es «pantalón»", "suéter 0.05"],
    ),
    "suelta": (
        lambda **k: plots.new_figure(**{"alt": "Una recta de 0 a 1.", "title": "Una recta", **k})[0],
        ["Una recta de 0 a 1."],
    ),
}
RNG_KERNEL = RNG.normal(size=(3, 3, 3, 5)).clip(-1, 1)
RNG_KERNEL[0, 0, 0, 0], RNG_KERNEL[0, 0, 0, 1] = -1, 1
MAPS = np.abs(RNG.normal(size=(1, 6, 5, 4)))
MAPS[..., 2] = 0


@pytest.fixture(scope="module")
def figures():
    """Todas las figuras, dibujadas una vez."""
    return {name: draw() for name, (draw, _) in FIGURES.items()}


def _visible_texts(figure):
    """Los textos que se dibujan; de las marcas, solo las que caen dentro de los ejes."""
    figure.draw_without_rendering()
    axes_with_ticks = [axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)]
    hidden = {
        label
        for axis in axes_with_ticks
        for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]
        for label in (tick.label1, tick.label2)
        if not min(axis.get_view_interval()) - 1e-9 <= tick.get_loc() <= max(axis.get_view_interval()) + 1e-9
    }
    texts = figure.findobj(Text)
    return [t for t in texts if t.get_visible() and t.get_text().strip() and t not in hidden]


# --- P01: una figura, una imagen, con su texto alternativo ---------------------------------------------------


@pytest.fixture
def shell():
    """Un intérprete de IPython de verdad, que es quien decide qué se guarda en la celda."""
    instance = InteractiveShell.instance()
    yield instance
    instance.display_formatter.formatters["image/png"].type_printers.clear()
    InteractiveShell.clear_instance()


@pytest.mark.parametrize("with_pyplot", [False, True])
def test_ipython_stores_one_png_with_its_alt(shell, with_pyplot):
    formatter = shell.display_formatter.formatters["image/png"]
    if with_pyplot:  # lo que registra pyplot en Colab: un PNG sin texto alternativo
        formatter.for_type(Figure, lambda figure: b"de pyplot")
    figure = plots.plot_matrix([[1, 2], [3, 4]], title="Dos por dos")
    data, metadata = shell.display_formatter.format(figure)
    assert sorted(data) == ["image/png", "text/plain"]
    assert data["text/plain"] == "<Figura: Dos por dos>"
    assert metadata["image/png"] == {"alt": figure.alt, "width": 720}
    assert base64.b64decode(data["image/png"]) == figure.to_png()


def test_ordinary_figures_keep_the_format_of_pyplot(shell):
    formatter = shell.display_formatter.formatters["image/png"]
    formatter.for_type(Figure, lambda figure: b"de pyplot")
    shell.display_formatter.format(plots.plot_matrix([[1]]))
    assert formatter(Figure()) == b"de pyplot"


def test_helpers_return_the_figure_and_leave_nothing_to_pyplot(figures):
    assert all(isinstance(figure, plots.BookFigure) for figure in figures.values())
    code = (
        "import sys, helpers.plots as p; f = p.plot_matrix([[1]]); f.to_png(); f._repr_mimebundle_();"
        "print(sorted({'tensorflow', 'keras', 'matplotlib.pyplot', 'sklearn'} & set(sys.modules)))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=True
    )
    assert out.stdout.strip() == "[]"


# --- P02: ni el módulo ni sus figuras tocan el estilo de quien llama, ni dependen de él ------------------------


def test_rcparams_survive_import_and_every_figure():
    code = (
        "import matplotlib as m; a = dict(m.rcParams); import helpers.plots as p; b = dict(m.rcParams);"
        "p.plot_matrix([[1]]).to_png(); p.show_performance_curve({'loss': [1, 2]}, 'loss', 'Pérdida').to_png();"
        "print(a == b == dict(m.rcParams))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=True
    )
    assert out.stdout.strip() == "True"


@pytest.mark.parametrize("name", FIGURES)
def test_each_figure_leaves_rcparams_alone(name):
    before = dict(matplotlib.rcParams)
    FIGURES[name][0]()
    assert dict(matplotlib.rcParams) == before


def test_a_reader_s_dark_style_does_not_change_the_book_figures():
    plain = plots.show_performance_curve(HISTORY, "accuracy", "Exactitud").to_png()
    with (
        matplotlib.style.context("dark_background"),
        matplotlib.rc_context({"font.size": 30, "savefig.dpi": 20}),
    ):
        dark = plots.show_performance_curve(HISTORY, "accuracy", "Exactitud").to_png()
    assert dark == plain


# --- P03 y el PNG: opaco, estable y sin rastro de versiones --------------------------------------------------


@pytest.mark.parametrize("name", FIGURES)
def test_png_is_opaque_white_stable_and_at_book_width(name):
    draw, _ = FIGURES[name]
    figure = draw()
    png = figure.to_png()
    assert png == figure.to_png() == draw().to_png()
    image = Image.open(io.BytesIO(png))
    assert image.width == 1080 and image.info["dpi"] == pytest.approx((150, 150), abs=0.1)
    assert "Software" not in image.info and "transparency" not in image.info
    assert image.convert("RGBA").getpixel((1, 1)) == (255, 255, 255, 255)
    assert figure._repr_mimebundle_()[1]["image/png"]["width"] == 720


def test_photographs_are_not_reduced_to_a_palette():
    # 256 colores bastan para unas curvas; una foto con miles se tiene que ver entera.
    photo = RNG.integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    drawn = Image.open(io.BytesIO(plots.plot_samples(photo, [0], NAMES).to_png()))
    assert drawn.mode == "RGB"
    chart = Image.open(io.BytesIO(plots.show_performance_curve(HISTORY, "loss", "Pérdida").to_png()))
    assert chart.mode == "P"


# --- P04: nunca solo el color ---------------------------------------------------------------------------------


def _lines(figure):
    return {line.get_label(): line for line in figure.axes[0].get_lines()}


def test_series_differ_in_line_marker_and_colour():
    history = {**HISTORY, "test_accuracy": [0.6, 0.65, 0.66, 0.66]}
    lines = _lines(plots.show_performance_curve(history, "accuracy", "Exactitud", reevaluated=True))
    series = [
        line for label, line in lines.items() if label.startswith(("entrenamiento", "validación", "prueba"))
    ]
    assert len(series) == 4
    styles = {(line.get_linestyle(), line.get_marker()) for line in series}
    assert (
        len(styles)
        == len({line.get_linestyle() for line in series})
        == len({line.get_marker() for line in series})
    )
    assert len(styles) == 4
    validation = lines["validación"]
    assert (to_hex(validation.get_color()).upper(), validation.get_linestyle(), validation.get_marker()) == (
        "#D55E00",
        "--",
        "s",
    )
    train = _lines(plots.show_performance_curve(HISTORY, "accuracy", "Exactitud"))["entrenamiento"]
    assert (to_hex(train.get_color()).upper(), train.get_linestyle(), train.get_marker()) == (
        "#0072B2",
        "-",
        "o",
    )


# --- P05: un solo tamaño de letra para todo --------------------------------------------------------------------


@pytest.mark.parametrize("name", FIGURES)
def test_fontsize_scales_every_text(name):
    draw, _ = FIGURES[name]
    small, large = (
        sorted((t.get_text(), t.get_fontsize()) for t in _visible_texts(draw(fontsize=size)))
        for size in (10, 20)
    )
    assert min(size for _, size in small) >= 10
    assert min(size for _, size in large) >= 20


def test_texts_added_to_a_loose_figure_follow_its_fontsize():
    figure, ax = plots.new_figure(alt="Una recta.", title="Recta", fontsize=18)
    ax.plot([0, 1], label="recta")
    ax.set_title("arriba")
    ax.set_xlabel("x")
    ax.legend()
    ax.text(0, 0, "nota")
    ax.annotate("flecha", (0, 0))
    assert {t.get_fontsize() for t in _visible_texts(figure)} == {18}


# --- Texto alternativo ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FIGURES)
def test_alt_text_says_what_the_figure_shows_with_its_numbers(name, figures):
    for expected in FIGURES[name][1]:
        assert expected in figures[name].alt, figures[name].alt


@pytest.mark.parametrize("name", FIGURES)
def test_alt_text_can_be_written_by_hand(name):
    assert FIGURES[name][0](alt="A mano.").alt == "A mano."


def test_a_loose_figure_needs_its_alt_text():
    with pytest.raises(ValueError, match="Falta el texto alternativo"):
        plots.new_figure(alt=" ")


@pytest.mark.parametrize("name", FIGURES)
def test_no_text_leaves_the_figure(name, figures):
    """Nada se corta en el borde: todo texto queda dentro de la imagen (con medio píxel de margen)."""
    figure = figures[name]
    figure.to_png()
    width, height = figure.get_size_inches() * figure.dpi
    for text in _visible_texts(figure):
        box = text.get_window_extent()
        assert box.x0 > -1 and box.y0 > -1 and box.x1 < width + 1 and box.y1 < height + 1, text.get_text()


# --- show_performance_curve ---------------------------------------------------------------------------------


def _title(figure):
    return " ".join(figure.get_suptitle().split())


def _labels(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def test_accepts_a_history_or_its_dictionary():
    from_object = plots.show_performance_curve(SimpleNamespace(history=HISTORY), "loss", "Pérdida")
    assert from_object.to_png() == plots.show_performance_curve(HISTORY, "loss", "Pérdida").to_png()


def test_marks_the_epoch_of_lowest_validation_loss():
    figure = plots.show_performance_curve(HISTORY, "accuracy", "Exactitud")
    assert _title(figure) == "Exactitud de validación 0.680 en la época 3, la de menor pérdida de validación"
    assert "época 3: menor pérdida de validación" in _labels(figure)
    star = _lines(figure)["época 3: menor pérdida de validación"]
    assert (star.get_xdata()[0], star.get_ydata()[0]) == (3, 0.68)


def test_without_validation_loss_marks_the_best_of_the_metric_itself():
    history = {"accuracy": [0.5, 0.6, 0.7], "val_accuracy": [0.5, 0.65, 0.6]}
    figure = plots.show_performance_curve(history, "accuracy", "Exactitud")
    assert "época 2: mejor exactitud de validación" in _labels(figure)


def test_crossing_is_interpolated_and_not_called_optimal():
    figure = plots.show_performance_curve(HISTORY, "accuracy", "Exactitud")
    crossing = _lines(figure)["cruce de las curvas (no es un óptimo)"]
    # La diferencia pasa de −0.06 (época 2) a +0.02 (época 3): se anula a tres cuartos del camino.
    assert crossing.get_xdata() == pytest.approx([2.75])
    assert crossing.get_ydata() == pytest.approx([0.675])
    assert "se cruzan una vez, en la época 2.75 (0.675)" in figure.alt


def test_reevaluated_metric_decides_the_crossing():
    figure = plots.show_performance_curve(HISTORY, "accuracy", "Exactitud", reevaluated=True)
    assert "entrenamiento reevaluado al final de la época" in _labels(figure)
    # Reevaluada, la curva de entrenamiento va siempre por encima: el cruce de arriba era un artefacto.
    assert "entrenamiento reevaluado y validación no se cruzan" in figure.alt


def test_asking_for_a_reevaluated_metric_that_is_missing_is_said():
    history = {"loss": [1.0, 0.5], "val_loss": [1.0, 0.6]}
    figure = plots.show_performance_curve(history, "loss", "Pérdida", reevaluated=True)
    assert "no trae la métrica de entrenamiento reevaluada" in figure.alt


def test_says_so_when_there_is_no_crossing():
    history = {"loss": [0.5, 0.4], "val_loss": [0.9, 0.8]}
    assert "no se cruzan" in plots.show_performance_curve(history, "loss", "Pérdida").alt


def test_works_without_validation():
    figure = plots.show_performance_curve({"loss": [1.0, 0.5]}, "loss", "Pérdida")
    assert _title(figure).startswith("Pérdida de entrenamiento al final: 0.500")
    assert "Sin datos de validación" in figure.alt
    assert _labels(figure) == ["entrenamiento"]


def test_one_epoch_shows_its_points():
    figure = plots.show_performance_curve({"loss": [1.0], "val_loss": [0.9]}, "loss", "Pérdida")
    assert "1 época:" in figure.alt and "la 1, con 0.900" in figure.alt
    assert all(
        line.get_marker() != "None" for label, line in _lines(figure).items() if not label.startswith("_")
    )


@pytest.mark.parametrize(
    ("history", "said"),
    [
        ({"loss": [1.0, np.nan], "val_loss": [0.9, np.nan]}, "2 valores no son números finitos"),
        ({"loss": [1.0, 0.5], "val_loss": [np.nan, np.nan]}, "validación, sin valores finitos"),
        ({"loss": [np.nan], "val_loss": [np.nan]}, "No hay épocas con las dos curvas finitas"),
        ({"loss": [np.inf, 1.0]}, "1 valor no es un número finito"),
    ],
)
def test_nan_histories_are_drawn_and_said(history, said):
    figure = plots.show_performance_curve(history, "loss", "Pérdida")
    assert said in figure.alt
    assert figure.to_png()


def test_missing_metric_names_those_available():
    with pytest.raises(ValueError, match="«auc» no está en el historial. Disponibles: accuracy, loss"):
        plots.show_performance_curve(HISTORY, "auc", "AUC")


def test_empty_history_is_explained():
    with pytest.raises(ValueError, match="historial está vacío"):
        plots.show_performance_curve({}, "loss", "Pérdida")


def test_what_is_not_a_history_is_explained():
    with pytest.raises(TypeError, match="Se esperaba lo que devuelve `train`"):
        plots.show_performance_curve([1, 2], "loss", "Pérdida")


# --- Errores de las demás ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.plot_samples(np.zeros((2, 8)), [0, 1], NAMES), "lote no vacío de imágenes"),
        (lambda: plots.plot_samples(IMAGES * 1.0, LABELS, NAMES), "debe estar entre 0 y 1"),
        (lambda: plots.plot_samples(IMAGES, LABELS[:3], NAMES), "6 imágenes y 3 etiquetas"),
        (lambda: plots.plot_samples(IMAGES, LABELS + 1, NAMES), "La etiqueta 3 no tiene nombre"),
        (lambda: plots.plot_augmentation_grid(IMAGES, IMAGES), "la forma \\(N, K, alto"),
        (
            lambda: plots.plot_augmentation_grid(IMAGES[0], IMAGES, column_titles=["giro"]),
            "6 versiones por imagen y 1 rótulos",
        ),
        (
            lambda: plots.plot_augmentation_grid(IMAGES[0], IMAGES, row_titles=["a", "b"]),
            "1 imágenes y 2 rótulos",
        ),
        (lambda: plots.plot_prediction(IMAGES[0], [0.5, 0.5], NAMES), "2 probabilidades y 3 clases"),
        (lambda: plots.plot_mistakes(IMAGES, LABELS, PROBABILITIES[:2], NAMES), "la forma \\(6, 3\\)"),
        (lambda: plots.plot_confusion_matrix(np.zeros((2, 3)), NAMES), "debe ser de 3×3"),
        (lambda: plots.plot_filters(np.zeros((3, 3))), "capa Conv2D"),
        (lambda: plots.plot_filters(np.zeros((3, 3, 3, 2)), channel=3), "El canal 3 no existe"),
        (lambda: plots.plot_feature_maps(np.zeros((2, 4, 4, 3))), "una sola imagen"),
        (lambda: plots.plot_matrix([1, 2]), "dos dimensiones"),
        (lambda: plots.plot_matrices({"a": [[1]], "b": [[1]]}, operators=[]), "van 1 signos"),
        (lambda: plots.plot_architecture([]), "No hay capas"),
        (
            lambda: plots.plot_reliability(SimpleNamespace(**{**vars(BINS), "count": np.zeros(2, int)})),
            "ninguna predicción",
        ),
    ],
)
def test_errors_name_cause_and_remedy(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_labels_may_be_one_hot_or_a_column():
    expected = plots.plot_samples(IMAGES, LABELS, NAMES).alt
    assert plots.plot_samples(IMAGES, LABELS[:, None], NAMES).alt == expected
    assert plots.plot_samples(IMAGES, np.eye(3)[LABELS], NAMES).alt == expected


@pytest.mark.parametrize(
    ("lowest", "text"), [(0.918, "de 0.91 o más"), (0.57, "de 0.57 o más"), (0.997, "de más de 0.99"), (1, "de más de 0.99")]
)
def test_the_title_of_the_mistakes_never_rounds_up(lowest, text):
    probabilities = np.array([[(1 - lowest) / 2, (1 - lowest) / 2, lowest]] * 6)
    assert plots.plot_mistakes(IMAGES, np.zeros(6, int), probabilities, NAMES).short_title.endswith(f"probabilidad {text}")


def test_a_percent_sign_never_starts_a_line():
    for inches in np.arange(0.6, 2, 0.1):
        lines = plots._wrap("desplaza el 20 % del ancho", inches, 11).split("\n")
        assert not any(line.startswith("%") for line in lines)


def test_no_mistakes_is_a_figure_too():
    figure = plots.plot_mistakes(IMAGES, LABELS, np.eye(3)[LABELS], NAMES)
    assert figure.alt == "Ningún error en 6 imágenes."


def test_empty_reliability_bins_are_left_out():
    bins = SimpleNamespace(
        edges=np.linspace(0, 1, 4),
        confidence=np.array([np.nan, 0.5, 0.9]),
        accuracy=np.array([np.nan, 0.5, 0.9]),
        count=np.array([0, 10, 10]),
        ece=0.0,
    )
    assert "acierta lo que promete" in plots.plot_reliability(bins).alt


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.66667, "0.667"),
        (-0.0001, "0.000"),
        (2304, "2304"),
        (18_496, "18\u202f496"),
        (-1_234_567, "−1\u202f234\u202f567"),
        (float("nan"), "NaN"),
        (float("-inf"), "−∞"),
        (True, "sí"),
    ],
)
def test_numbers_for_people(value, text):
    assert plots.format_number(value) == text


def test_percentages_for_people():
    assert plots.format_percent(0.2) == "20\u202f%"
    assert plots.format_percent(0.9345, 1) == "93.5\u202f%"
