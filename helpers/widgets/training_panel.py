"""`TrainingPanel`: entrena la red de verdad, con TensorFlow, desde controles del cuaderno.

Usa solo piezas de ipywidgets (versiones 7 y 8), así que funciona en JupyterLab, Notebook, Binder y Colab sin
extensiones. Entrena en un hilo aparte: el kernel queda libre y *Detener* responde. En la página publicada, que no
tiene kernel, el cuaderno guarda en su lugar una figura ya registrada y cómo abrir el panel de verdad.
"""

import base64
import functools
import html
import threading
import time
from dataclasses import dataclass

import ipywidgets as widgets

from helpers.plots import TRAIN_STYLE, VALIDATION_STYLE, new_figure

LEARNING_RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
BATCH_SIZES = (16, 32, 64, 128)
FILTERS = {"8 y 16": (8, 16), "16 y 32": (16, 32), "32 y 64 (la tarea)": (32, 64)}
FRAME_SECONDS = 0.25  # entre dos actualizaciones de la barra: más deprisa no se ve y satura la conexión


@dataclass(frozen=True)
class PanelRun:
    """Un entrenamiento terminado: con qué se hizo y qué salió."""

    number: int
    settings: dict
    history: dict
    best_epoch: int | None
    seconds: float
    stopped: bool

    @property
    def label(self) -> str:
        """Nombre corto para la leyenda y la tabla."""
        s = self.settings
        extras = (f", dropout {s['dropout']:g}" if s["dropout"] else "") + (
            ", aumento" if s["augmentation"] else ""
        )
        return f"{self.number}: tasa {s['learning_rate']:g}, lote {s['batch_size']}, filtros {s['filters']}{extras}"


class TrainingPanel:
    """Panel para entrenar la red del libro con otros hiperparámetros y comparar las ejecuciones.

    Se muestra dejándolo en la última línea de una celda. No es un widget, sino quien los tiene en `box`.

    Argumentos:
        dataset: un `ImageDataset`.
        n_train, n_val: imágenes de entrenamiento y de validación que usa, con todas las clases por igual.
        epochs: épocas propuestas al abrirlo (de 1 a 20).
        seed: semilla de los pesos, del orden de las imágenes y de la elección de imágenes.

    Atributos:
        runs: lista de `PanelRun`, por orden.
        error: la última excepción de un botón o del entrenamiento, o None. El panel la muestra; un cuaderno o
            una prueba puede comprobar que sigue en None.

    Lanza:
        ValueError: si se piden más imágenes de las que hay.
    """

    def __init__(self, dataset, *, n_train: int = 2000, n_val: int = 500, epochs: int = 5, seed: int = 0):
        """Prepara los controles; no entrena ni importa TensorFlow todavía."""
        from helpers.data import subset

        self.dataset = subset(dataset, n_train, n_val, seed=seed)
        self.seed = seed
        self.runs: list[PanelRun] = []
        self.error: Exception | None = None
        self._thread: threading.Thread | None = None
        self._stopper = None
        self._build(epochs)

    # --- Los controles -------------------------------------------------------------------------------------

    def _build(self, epochs: int) -> None:
        style = {"description_width": "9.5em"}
        layout = widgets.Layout(width="100%", max_width="30em", min_height="32px")

        def control(kind, description, **options):
            return kind(description=description, style=style, layout=layout, **options)

        self.learning_rate = control(
            widgets.SelectionSlider,
            "Tasa de aprendizaje",
            options=[(f"{rate:g}", rate) for rate in LEARNING_RATES],
            value=1e-3,
            continuous_update=False,
        )
        self.batch_size = control(widgets.SelectionSlider, "Tamaño de lote", options=BATCH_SIZES, value=32)
        self.epochs = control(widgets.IntSlider, "Épocas", min=1, max=20, value=epochs)
        self.dropout = control(widgets.FloatSlider, "Dropout", min=0.0, max=0.7, step=0.1, value=0.0)
        self.filters = control(widgets.Dropdown, "Filtros", options=list(FILTERS), value="32 y 64 (la tarea)")
        self.augmentation = control(widgets.Checkbox, "Aumento de datos", value=False, indent=True)

        self.start_button = widgets.Button(description="Entrenar", button_style="primary", icon="play")
        self.stop_button = widgets.Button(description="Detener", icon="stop", disabled=True)
        self.clear_button = widgets.Button(description="Borrar comparación", icon="trash", disabled=True)
        self.start_button.on_click(self._guarded(lambda _button: self.start()))
        self.stop_button.on_click(self._guarded(lambda _button: self.stop()))
        self.clear_button.on_click(self._guarded(lambda _button: self.clear()))

        self.progress = widgets.FloatProgress(
            value=0, min=0, max=1, layout=widgets.Layout(width="100%", max_width="45em")
        )
        self.status = widgets.HTML(_status("Elige los hiperparámetros y pulsa Entrenar."))
        self.message = widgets.HTML("")
        self.figure = widgets.HTML("")
        self.table = widgets.HTML("")
        self.controls = (
            self.learning_rate,
            self.batch_size,
            self.epochs,
            self.dropout,
            self.filters,
            self.augmentation,
        )
        buttons = widgets.HBox(
            [self.start_button, self.stop_button, self.clear_button],
            layout=widgets.Layout(flex_flow="row wrap"),
        )
        title = widgets.HTML("<strong>Entrena la red con tus hiperparámetros</strong>")
        self.box = widgets.VBox(
            [
                title,
                *self.controls,
                buttons,
                self.progress,
                self.status,
                self.message,
                self.figure,
                self.table,
            ]
        )

    def settings(self) -> dict:
        """Los hiperparámetros elegidos ahora."""
        return {
            "learning_rate": self.learning_rate.value,
            "batch_size": self.batch_size.value,
            "epochs": self.epochs.value,
            "dropout": round(self.dropout.value, 1),
            "filters": self.filters.value.split(" (")[0].replace(" y ", "/"),
            "augmentation": self.augmentation.value,
        }

    # --- Lo que hacen los botones --------------------------------------------------------------------------

    def start(self) -> None:
        """Empieza a entrenar con los hiperparámetros elegidos; si ya hay un entrenamiento en marcha, no hace nada."""
        if self.running:
            return
        self.error = None
        self.message.value = ""
        self._set_running(True)
        self.status.value = _status("Preparando la red…")
        job = self._guarded(self._train)
        self._thread = threading.Thread(
            target=job, args=(self.settings(),), name="TrainingPanel", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Pide que el entrenamiento pare al acabar el lote en curso."""
        if self._stopper is not None:
            self._stopper.request()
            self.status.value = _status("Deteniendo…")

    def clear(self) -> None:
        """Olvida las ejecuciones anteriores."""
        self.runs.clear()
        self.figure.value = self.table.value = ""
        self.clear_button.disabled = True
        self.status.value = _status("Comparación borrada.")

    def wait(self, timeout: float | None = None) -> bool:
        """Espera a que acabe el entrenamiento en marcha; devuelve si acabó."""
        if self._thread is not None:
            self._thread.join(timeout)
        return not self.running

    @property
    def running(self) -> bool:
        """Si hay un entrenamiento en marcha."""
        return self._thread is not None and self._thread.is_alive()

    def _set_running(self, running: bool) -> None:
        for control in self.controls:
            control.disabled = running
        self.start_button.disabled = running
        self.stop_button.disabled = not running
        self.clear_button.disabled = running or not self.runs

    def _guarded(self, function):
        """Envuelve una función: si falla, el panel lo enseña y queda como estaba antes de pulsar."""

        @functools.wraps(function)
        def call(*args):
            try:
                function(*args)
            except Exception as error:  # quien pulsa un botón no ve la traza: hay que enseñársela aquí
                self.error = error
                self.message.value = _alert(f"{type(error).__name__}: {error}")
                self.status.value = _status("El entrenamiento no terminó. Cambia algo y vuelve a intentarlo.")
                self._stopper = None
                self._set_running(False)

        return call

    # --- El entrenamiento, en su hilo ----------------------------------------------------------------------

    def _train(self, settings: dict) -> None:
        from helpers._keras import keras
        from helpers.augmentation import AugmentationConfig, to_augmenter
        from helpers.models import build_cnn
        from helpers.training import Stopper, compile_model, train

        data = self.dataset
        self._stopper = Stopper()
        keras.utils.set_random_seed(self.seed)
        filters = tuple(int(count) for count in settings["filters"].split("/"))
        model = build_cnn(
            input_shape=data.input_shape,
            num_classes=data.num_classes,
            filters=filters,
            dropout=settings["dropout"],
        )
        compile_model(model, learning_rate=settings["learning_rate"])
        augment = to_augmenter(AugmentationConfig(), seed=self.seed) if settings["augmentation"] else None
        follower = _follower(self, keras, settings)
        result = train(
            model,
            data.x_train,
            data.y_train,
            validation_data=(data.x_val, data.y_val),
            batch_size=settings["batch_size"],
            epochs=settings["epochs"],
            seed=self.seed,
            augment=augment,
            verbose=False,
            callbacks=[self._stopper, follower],
        )
        run = PanelRun(
            number=self.runs[-1].number + 1 if self.runs else 1,
            settings=settings,
            history=result.history,
            best_epoch=result.best_epoch,
            seconds=result.seconds,
            stopped=bool(result.stopped),
        )
        self._stopper = None
        self._finish(run, result.stopped)

    def _finish(self, run: PanelRun, stopped: str) -> None:
        self.runs.append(run)
        best = (run.best_epoch or 1) - 1
        self.progress.value = 1
        self._draw(run.history, run.label, self.runs[:-1])
        self.table.value = _table(self.runs)
        self._set_running(False)
        self.status.value = _status(  # al final: cuando se anuncia, ya está todo a la vista
            stopped
            or f"Listo en {run.seconds:.0f} s. Mejor época: {run.best_epoch}, con pérdida de validación "
            f"{run.history['val_loss'][best]:.3f} y exactitud {run.history['val_accuracy'][best]:.3f}."
        )

    def _follow(self, fraction: float, text: str, history: dict | None = None, label: str = "") -> None:
        self.progress.value = fraction
        self.status.value = _status(text)
        if history:
            self._draw(history, label, self.runs)

    def _draw(self, history: dict, label: str, previous: list[PanelRun]) -> None:
        self.figure.value = _image(_draw_runs(history, label, previous))

    # --- Cómo se muestra -----------------------------------------------------------------------------------

    def __repr__(self) -> str:
        """Una línea estable, la que guarda el cuaderno como texto."""
        return f"TrainingPanel({len(self.dataset.y_train)} imágenes de entrenamiento, {len(self.dataset.y_val)} de validación)"

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {
            "text/plain": repr(self),
            "text/html": _stand_in(),
            "application/vnd.jupyter.widget-view+json": {
                "version_major": 2,
                "version_minor": 0,
                "model_id": self.box.model_id,
            },
        }


def _follower(panel: TrainingPanel, keras, settings: dict):
    """Retrollamada de Keras que cuenta al panel por dónde va. Aquí dentro porque importar Keras cuesta segundos."""

    class Follower(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.history = {}
            self.shown = 0.0
            self.steps = -(-len(panel.dataset.y_train) // settings["batch_size"])

        def on_epoch_begin(self, epoch, logs=None):
            self.current = epoch

        def on_train_batch_end(self, batch, logs=None):
            if time.monotonic() - self.shown >= FRAME_SECONDS:
                self.shown = time.monotonic()
                done = (self.current + (batch + 1) / self.steps) / settings["epochs"]
                panel._follow(
                    done, f"Época {self.current + 1} de {settings['epochs']} · pérdida {logs['loss']:.3f}"
                )

        def on_epoch_end(self, epoch, logs=None):
            for name, value in logs.items():
                self.history.setdefault(name, []).append(float(value))
            text = (
                f"Época {epoch + 1} de {settings['epochs']} · pérdida {logs['loss']:.3f} · validación: pérdida "
                f"{logs['val_loss']:.3f}, exactitud {logs['val_accuracy']:.3f}"
            )
            panel._follow((epoch + 1) / settings["epochs"], text, self.history, "en curso")

    return Follower()


def _draw_runs(history: dict, label: str, previous: list[PanelRun]):
    """Pérdida y exactitud de la ejecución actual, con las anteriores en gris detrás."""
    alt = f"Curvas de {label}: " + "; ".join(
        f"{name} de validación {history['val_' + key][-1]:.3f} en la época {len(history['val_' + key])}"
        for key, name in (("loss", "pérdida"), ("accuracy", "exactitud"))
    )
    figure, axes = new_figure(1, 2, alt=alt, title=label[:1].upper() + label[1:], height=3.2)
    for axis, key, name in zip(axes, ("loss", "accuracy"), ("pérdida", "exactitud"), strict=True):
        for i, run in enumerate(previous[-5:]):
            values = run.history["val_" + key]
            axis.plot(
                range(1, len(values) + 1),
                values,
                "--",
                color="0.7",
                label="anteriores (validación)" if i == 0 else None,
            )
        epochs = range(1, len(history[key]) + 1)
        axis.plot(epochs, history[key], **TRAIN_STYLE, label="entrenamiento")
        axis.plot(epochs, history["val_" + key], **VALIDATION_STYLE, label="validación")
        axis.set_xlabel("época")
        axis.set_ylabel(name)
        axis.xaxis.get_major_locator().set_params(integer=True)
    axes[0].legend()
    return figure


def _table(runs: list[PanelRun]) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(run.label)}</td><td>{len(run.history['loss'])}</td><td>{run.best_epoch or '–'}</td>"
        f"<td>{run.history['val_loss'][(run.best_epoch or 1) - 1]:.3f}</td>"
        f"<td>{run.history['val_accuracy'][(run.best_epoch or 1) - 1]:.3f}</td><td>{run.seconds:.0f}</td>"
        f"<td>{'sí' if run.stopped else 'no'}</td></tr>"
        for run in runs
    )
    head = "".join(
        f"<th scope='col'>{name}</th>"
        for name in (
            "Ejecución",
            "Épocas",
            "Mejor época",
            "Pérdida (val.)",
            "Exactitud (val.)",
            "Segundos",
            "Detenida",
        )
    )
    return f"<table class='panel-runs'><caption>Comparación de ejecuciones</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _status(text: str) -> str:
    return f"<div role='status' aria-live='polite'>{html.escape(text)}</div>"


def _alert(text: str) -> str:
    return (
        "<div role='alert' style='border-left:4px solid #b00020;padding:.4em .8em;background:#fdecea;color:#5f0010'>"
        f"<strong>Algo falló.</strong> {html.escape(text)}</div>"
    )


def _image(figure) -> str:
    data, _metadata = figure._repr_mimebundle_()
    png = data["image/png"]
    encoded = png if isinstance(png, str) else base64.b64encode(png).decode("ascii")
    return f'<img alt="{html.escape(figure.alt)}" style="max-width:100%;height:auto" src="data:image/png;base64,{encoded.strip()}">'


def _stand_in() -> str:
    """Lo que enseña la página publicada, sin kernel: una ejecución registrada y cómo abrir el panel de verdad."""
    from helpers.experiments.records import load_record

    record = load_record("baseline-fashion")
    figure = _draw_runs(record["history"], "una ejecución registrada: tasa 0.001, lote 32, filtros 32/64", [])
    sizes = record["data"]["sizes"]
    best = record["best"]["validation"]
    return (
        "<figure class='panel-estatico'>"
        f"{_image(figure)}"
        f"<figcaption>Una ejecución registrada con {sizes[0]} imágenes: mejor época {record['best_epoch']} de "
        f"{record['config']['epochs']}, exactitud de validación {best['accuracy']:.3f}. "
        "Este panel entrena con TensorFlow y necesita un kernel: ejecuta la celda en JupyterLab, o abre el capítulo "
        "en Colab o en Binder con el botón del cohete.</figcaption></figure>"
    )
