"""Compilar y entrenar la red: la pérdida, las métricas, la semilla, la mejor época y las líneas en español.

El capítulo Entrenamiento enseña lo mismo con `compile` y `fit` de Keras a la vista; este módulo añade lo que
se repite: comprobar los datos, guardar los pesos de la mejor época, parar si la pérdida deja de ser un número
y contarlo en español.

**Semillas.** Dos ejecuciones en la misma máquina, en CPU, dan exactamente los mismos números si se fija todo
lo que es al azar: `keras.utils.set_random_seed(s)` *antes de construir* la red (pesos iniciales, *dropout*,
capas de aumento) y `seed=s` en `train` (orden de las imágenes). No se promete más que eso: en una GPU algunas
operaciones suman en un orden que cambia de una vez a otra (`tf.config.experimental.enable_op_determinism()`
lo evita, a costa de velocidad), y otro procesador, u otro número de núcleos, redondea distinto y acaba en
otros valores. `train` no toca el azar global.
"""

import math
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from helpers._keras import keras
from helpers.data import make_batches
from helpers.formats import format_integer

__all__ = [
    "OneCycle",
    "SpeedReport",
    "Stopper",
    "TrainingResult",
    "TrainingSpeed",
    "compile_model",
    "is_watched",
    "labels_for",
    "measure_speed",
    "train",
]

NO_CURVES_VARIABLE = "HELPERS_SIN_CURVAS"


# --- Compilar -----------------------------------------------------------------------------------------------


def labels_for(model: keras.Model) -> tuple[str, int]:
    """Deduce a la vez, de la capa de salida, la pérdida y el número de clases de las etiquetas.

    Las dos cosas van juntas: la entropía cruzada categórica pide etiquetas *one-hot* con tantas columnas como
    unidades tiene la salida. `compile_model` usa la primera y `train` la segunda, así que no pueden
    contradecirse.

    Argumentos:
        model: red cuya última capa es softmax con una unidad por clase.

    Devuelve:
        La pareja `("categorical_crossentropy", número de clases)`.

    Lanza:
        ValueError: si la red no conoce el tamaño de su entrada, o si su salida no es softmax sobre dos o más
            clases.
    """
    try:
        output_shape = tuple(model.output_shape)
    except (AttributeError, ValueError) as error:
        raise ValueError(
            "La red todavía no conoce el tamaño de su entrada. Empieza con keras.Input, por ejemplo "
            "model.add(keras.Input(shape=(32, 32, 3)))."
        ) from error
    if len(output_shape) != 2 or output_shape[-1] < 2:
        raise ValueError(
            f"La salida de la red tiene forma {output_shape} y hace falta (None, clases), con dos clases o "
            'más: termina con Dense(clases, activation="softmax"), tras Flatten() si viene de convoluciones.'
        )
    activation = getattr(model.layers[-1], "activation", keras.activations.softmax)
    if activation is not keras.activations.softmax:
        raise ValueError(
            f"La última capa usa la activación «{getattr(activation, '__name__', activation)}» y la entropía "
            'cruzada necesita probabilidades que sumen 1: ponle activation="softmax".'
        )
    return "categorical_crossentropy", int(output_shape[-1])


def compile_model(
    model: keras.Model,
    *,
    learning_rate: float = 1e-3,
    optimizer: "str | keras.optimizers.Optimizer" = "adam",
    label_smoothing: float = 0.0,
    steps_per_execution: int = 1,
) -> keras.Model:
    """Fija con qué se entrenará la red: optimizador, pérdida y métricas. No entrena nada.

    La pérdida es la entropía cruzada categórica. Las métricas se llaman «accuracy», «precision» y «recall»;
    las dos últimas son las de Keras sobre una softmax: micropromediadas y con umbral 0.5, no por clase (véase
    Evaluación).

    Argumentos:
        model: red con salida softmax.
        learning_rate: tasa de aprendizaje, mayor que cero.
        optimizer: nombre de un optimizador de Keras («adam», «sgd», «rmsprop»…). También vale uno ya
            construido; en ese caso manda su propia tasa de aprendizaje y `learning_rate` no se usa.
        label_smoothing: parte de la probabilidad que la pérdida reparte por igual entre todas las clases, en
            [0, 1). También la lleva la pérdida que se mide en validación.
        steps_per_execution: pasos que da TensorFlow antes de volver a Python. No cambia lo que se aprende; las
            retrollamadas, y con ellas el botón de parada, solo se enteran al acabar todos los de una llamada.

    Devuelve:
        La misma red, ya compilada, para poder escribir `model = compile_model(build_cnn())`.

    Lanza:
        ValueError: si la tasa no es un número positivo, el optimizador no existe, la salida no es softmax,
            `label_smoothing` no está en [0, 1) o `steps_per_execution` no es un entero de 1 en adelante.
    """
    loss, _ = labels_for(model)
    if isinstance(optimizer, str):
        if not (isinstance(learning_rate, int | float | np.number) and 0 < learning_rate < math.inf):
            raise ValueError(
                f"La tasa de aprendizaje debe ser un número mayor que cero y es {learning_rate!r}. "
                "Un buen comienzo es 0.001."
            )
        try:
            optimizer = keras.optimizers.get(
                {"class_name": optimizer.lower(), "config": {"learning_rate": float(learning_rate)}}
            )
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"Keras no tiene ningún optimizador llamado «{optimizer}». Prueba «adam», «sgd» o «rmsprop»."
            ) from error
    if not 0 <= label_smoothing < 1:
        raise ValueError(
            f"label_smoothing es una parte entre 0 y 1 y es {label_smoothing!r}. Lo usual es 0.1."
        )
    steps_per_execution = _check_count(steps_per_execution, "steps_per_execution", "pasos por llamada")
    if label_smoothing:
        loss = keras.losses.CategoricalCrossentropy(label_smoothing=label_smoothing)
    model.compile(
        optimizer=optimizer,
        loss=loss,
        metrics=[
            keras.metrics.CategoricalAccuracy(name="accuracy"),
            keras.metrics.Precision(name="precision"),
            keras.metrics.Recall(name="recall"),
        ],
        steps_per_execution=steps_per_execution,
    )
    return model


@keras.saving.register_keras_serializable("redes_convolucionales")
class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """Tasa de aprendizaje que sube en línea recta hasta su máximo y baja en línea recta hasta cero.

    Argumentos:
        peak: la tasa máxima.
        steps: pasos de entrenamiento en total.
        rise: qué parte de los pasos sube, entre 0 y 1. Empieza en la décima parte de `peak`.

    Fuente:
        Smith y Topin (2019), «Super-convergence», sin su tramo final.
    """

    def __init__(self, peak: float, steps: int, rise: float = 0.2) -> None:
        """Guarda los tres números; no depende de nada más."""
        super().__init__()
        if not (peak > 0 and steps > 0 and 0 < rise < 1):
            raise ValueError(
                f"OneCycle necesita peak y steps mayores que cero y rise entre 0 y 1: {peak}, {steps}, {rise}."
            )
        self.peak, self.steps, self.rise = float(peak), int(steps), float(rise)

    def __call__(self, step):
        """La tasa del paso `step` (entero o tensor), float32."""
        step = keras.ops.cast(step, "float32")
        top = self.rise * self.steps
        up = 0.1 + 0.9 * step / top
        down = (self.steps - step) / (self.steps - top)
        return self.peak * keras.ops.maximum(keras.ops.minimum(up, down), 0.0)

    def get_config(self) -> dict:
        """Los argumentos, para guardar y recuperar el optimizador."""
        return {"peak": self.peak, "steps": self.steps, "rise": self.rise}


# --- Resultado ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class TrainingResult:
    """Lo que queda de un entrenamiento. Se usa como el `History` de Keras: tiene `.history` y `.epoch`.

    Atributos:
        history: por cada clave de Keras («loss», «accuracy», «val_loss»…), una lista con un valor por época.
            Con `reevaluate_train=True`, también «train_eval_loss», «train_eval_accuracy»…: la misma métrica
            medida otra vez al final de la época, con los pesos de ese momento y sin *dropout*.
        epochs: épocas que se llegaron a recorrer. La última puede estar a medias: véase `stopped`.
        best_epoch: época, contada desde 1, con la menor pérdida de validación; None si no hubo validación.
        seconds: segundos de reloj que duró.
        batch_size: imágenes por lote.
        seed: semilla del orden de las imágenes.
        stopped: por qué paró antes de tiempo, en español; vacío si recorrió todas las épocas pedidas.
    """

    history: dict[str, list[float]]
    epochs: int
    best_epoch: int | None
    seconds: float
    batch_size: int
    seed: int
    stopped: str = ""

    @property
    def epoch(self) -> list[int]:
        """Índices de época desde 0, como los de `History`."""
        return list(range(self.epochs))

    def __repr__(self) -> str:
        """Una línea sin tiempos, para que sea estable en las salidas guardadas."""
        best = "sin validación" if self.best_epoch is None else f"mejor época {self.best_epoch}"
        return f"<Entrenamiento: {self.epochs} {_plural(self.epochs, 'época')}, {best}>"


def _plural(count: int, word: str) -> str:
    return word if count == 1 else word + "s"


# --- Lo que ocurre durante el entrenamiento -----------------------------------------------------------------


class Stopper(keras.callbacks.Callback):
    """Botón de parada: `request()`, desde cualquier hilo, detiene el entrenamiento al acabar el lote.

    Keras mide entonces la validación y cierra la época a medias, así que lo último del historial procede de
    menos lotes. Sirve para un solo entrenamiento: crea otro para el siguiente.
    """

    def __init__(self) -> None:
        """Crea el botón sin pulsar."""
        super().__init__()
        self._event = threading.Event()

    @property
    def requested(self) -> bool:
        """Si ya se pidió parar."""
        return self._event.is_set()

    def request(self) -> None:
        """Pide que el entrenamiento pare."""
        self._event.set()

    def _stop_if_requested(self) -> None:
        if self.requested:
            self.model.stop_training = True

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Mira el botón después de cada lote."""
        self._stop_if_requested()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Y después de la validación, para no empezar otra época."""
        self._stop_if_requested()


class _NanGuard(keras.callbacks.Callback):
    """Para en cuanto la pérdida deja de ser finita, como `TerminateOnNaN`, que lo dice en inglés."""

    def __init__(self) -> None:
        super().__init__()
        self.place: tuple[int, int] | None = None  # (época, lote), desde 1
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._epoch = epoch + 1

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        if self.place is None and not math.isfinite((logs or {}).get("loss", 0.0)):
            self.place = (self._epoch, batch + 1)
            self.model.stop_training = True


class _Reevaluation(keras.callbacks.Callback):
    """Mide otra vez el conjunto de entrenamiento al final de la época, con los pesos de ese momento."""

    def __init__(self, batches) -> None:
        super().__init__()
        self._batches = batches

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        values = self.model.evaluate(self._batches, return_dict=True, verbose=0)
        logs.update({f"train_eval_{name}": value for name, value in values.items()})


class _Recorder(keras.callbacks.Callback):
    """Guarda el historial y, si hay validación, los pesos de la época con menor pérdida de validación."""

    def __init__(self, keep_weights: bool) -> None:
        super().__init__()
        self.history: dict[str, list[float]] = {}
        self.epochs = 0
        self.best_epoch: int | None = None
        self.best_weights: list[np.ndarray] | None = None
        self._best_loss = math.inf
        self._keep_weights = keep_weights

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.epochs = epoch + 1
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(float(value))
        if (logs or {}).get("val_loss", math.inf) < self._best_loss:  # un NaN nunca es menor
            self._best_loss = float(logs["val_loss"])
            self.best_epoch = epoch + 1
            if self._keep_weights:
                self.best_weights = self.model.get_weights()


class _AfterEpoch(keras.callbacks.Callback):
    """Llama a una función al cerrar cada época, cuando el historial ya está al día."""

    def __init__(self, function: Callable[[], None]) -> None:
        super().__init__()
        self._function = function

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self._function()


# --- Lo que se ve -------------------------------------------------------------------------------------------


def _epoch_line(history: dict[str, list[float]], epoch: int, epochs: int) -> str:
    """La línea de una época, sin caracteres de control: `época  1/12 · pérdida 0.812 · …`."""
    last = {name: values[-1] for name, values in history.items()}
    parts = [f"época {epoch:>{len(str(epochs))}}/{epochs}"]
    for prefix, heading in (("", ""), ("train_eval_", "al final: "), ("val_", "validación: ")):
        values = [
            f"{label} {last[prefix + name]:.3f}"
            for name, label in (("loss", "pérdida"), ("accuracy", "exactitud"))
            if prefix + name in last
        ]
        if values:
            parts.append(heading + (", " if heading else " · ").join(values))
    return " · ".join(parts)


def is_watched() -> bool:
    """Si hay una persona mirando el cuaderno, y por tanto tiene sentido dibujar curvas en vivo.

    La regla: JupyterLab, Notebook, VS Code y Colab avisan al kernel, en cada celda, de que alguien puede
    contestar a un `input()`; quienes ejecutan cuadernos sin nadie delante (nbclient, nbconvert, nbval) avisan
    de lo contrario. Fuera de un cuaderno (pytest, un programa) tampoco mira nadie. La variable de entorno
    HELPERS_SIN_CURVAS=1 lo apaga siempre.
    """
    if os.environ.get(NO_CURVES_VARIABLE, "") not in ("", "0"):
        return False
    try:
        from IPython import get_ipython
    except ModuleNotFoundError:
        return False
    kernel = getattr(get_ipython(), "kernel", None)
    if kernel is None or not hasattr(kernel, "get_parent"):
        return False
    request = kernel.get_parent("shell") or {}
    return bool(request.get("content", {}).get("allow_stdin", False))


class _LiveCurves:
    """Una sola figura que se redibuja en su sitio al cerrar cada época."""

    def __init__(self) -> None:
        self._handle = None

    def draw(self, result: TrainingResult) -> None:
        from IPython.display import display

        from helpers.plots import plot_learning_curves

        figure = plot_learning_curves(result)
        if self._handle is None:
            self._handle = display(figure, display_id=True)
        else:
            self._handle.update(figure)


# --- Comprobar lo que llega ---------------------------------------------------------------------------------


def _check_count(value: int, name: str, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name} ({what}) debe ser un entero de 1 en adelante y es {value!r}.")
    return int(value)


def _batches(model: keras.Model, x, y, where: str, **options):
    """Los lotes de `make_batches`, con etiquetas *one-hot*; un dato que no vale dice de qué conjunto es."""
    _, num_classes = labels_for(model)
    x, expected = np.asarray(x), tuple(model.input_shape[1:])
    try:
        if x.ndim == 4 and any(
            size not in (None, got) for size, got in zip(expected, x.shape[1:], strict=True)
        ):
            raise ValueError(
                f"la red espera imágenes de {_shape(expected)} (alto × ancho × canales) y estas son de "
                f"{_shape(x.shape[1:])}. Cambia su tamaño o construye la red con input_shape={x.shape[1:]}."
            )
        return make_batches(x, y, num_classes=num_classes, **options)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _shape(sizes: Sequence[int | None]) -> str:
    return "×".join("?" if size is None else str(size) for size in sizes)


def _check_compiled(model: keras.Model) -> None:
    if not getattr(model, "compiled", False) or getattr(model, "loss", None) is None:
        raise ValueError("La red no está compilada: llama antes a compile_model(model).")
    loss = model.loss
    name = loss if isinstance(loss, str) else getattr(loss, "name", getattr(loss, "__name__", str(loss)))
    if "sparse" in name or "binary" in name:
        raise ValueError(
            f"La red se compiló con la pérdida «{name}», que no casa con las etiquetas one-hot que prepara "
            "train. Compílala con compile_model(model), o con la pérdida «categorical_crossentropy»."
        )


def _check_pair(validation_data) -> tuple:
    if isinstance(validation_data, tuple | list) and len(validation_data) == 2:
        return tuple(validation_data)
    raise ValueError(
        "validation_data debe ser la pareja (x_val, y_val): imágenes y etiquetas de validación. "
        f"Ha llegado un objeto de tipo {type(validation_data).__name__}."
    )


# --- Entrenar -----------------------------------------------------------------------------------------------


def train(
    model: keras.Model,
    x: np.ndarray,
    y: np.ndarray,
    *,
    validation_data: tuple[np.ndarray, np.ndarray] | None = None,
    batch_size: int = 32,
    epochs: int = 30,
    seed: int = 0,
    augment: Callable | None = None,
    keep_best: bool = True,
    reevaluate_train: bool = False,
    verbose: bool = True,
    live: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> TrainingResult:
    """Entrena una red ya compilada y deja puestos los pesos de su mejor época.

    Argumentos:
        model: red compilada con `compile_model`.
        x: imágenes (N, alto, ancho, canales), uint8 de 0 a 255 o float entre 0 y 1. Se convierten a float32
            lote a lote, nunca todas a la vez.
        y: etiquetas enteras (N,) o (N, 1), o *one-hot* (N, clases). Las tres dan el mismo resultado.
        validation_data: la pareja (x_val, y_val), con los mismos formatos. No debe ser el conjunto de prueba.
        batch_size: imágenes por lote. El último lote de la época lleva las que sobran.
        epochs: vueltas completas al conjunto de entrenamiento.
        seed: semilla del orden de las imágenes. La de los pesos se fija antes, al construir la red: véase el
            módulo.
        augment: función o capa de Keras que transforma un lote float32 (B, alto, ancho, canales) en otro
            igual. Se aplica solo a las imágenes con las que se entrena: ni a la validación ni a
            `reevaluate_train`.
        keep_best: si al acabar se recuperan los pesos de la época con menor pérdida de validación (en
            memoria, sin archivos). El estado interno del optimizador no retrocede. Sin validación no hace
            nada.
        reevaluate_train: si se mide otra vez el entrenamiento al final de cada época. Cuesta una pasada más.
        verbose: si se escribe una línea por época.
        live: si se dibujan las curvas en vivo; solo ocurre cuando mira una persona (`is_watched`).
        callbacks: retrollamadas de Keras que se añaden, por ejemplo un `Stopper`.

    Devuelve:
        Un `TrainingResult`. Si la pérdida deja de ser un número, el entrenamiento para, lo dice, y el
        resultado trae el historial hasta ahí y el motivo en `stopped`.

    Lanza:
        ValueError: si la red no está compilada o su pérdida no casa con las etiquetas; si las imágenes, las
            etiquetas, las longitudes, `epochs` o `batch_size` no valen.
    """
    _check_compiled(model)
    epochs = _check_count(epochs, "epochs", "épocas")
    batch_size = _check_count(batch_size, "batch_size", "imágenes por lote")
    for callback in callbacks:
        if not isinstance(callback, keras.callbacks.Callback):
            raise ValueError(f"callbacks contiene {callback!r}, que no es una retrollamada de Keras.")

    batches = _batches(
        model, x, y, "Entrenamiento", batch_size=batch_size, shuffle=True, seed=seed, augment=augment
    )
    validation = None
    if validation_data is not None:
        validation = _batches(model, *_check_pair(validation_data), "Validación", batch_size=batch_size)

    recorder, nan_guard, curves = _Recorder(keep_weights=keep_best), _NanGuard(), _LiveCurves()
    start = time.perf_counter()

    def result(stopped: str = "") -> TrainingResult:
        return TrainingResult(
            history=recorder.history,
            epochs=recorder.epochs,
            best_epoch=recorder.best_epoch,
            seconds=time.perf_counter() - start,
            batch_size=batch_size,
            seed=seed,
            stopped=stopped,
        )

    def say(text: str) -> None:
        if verbose:
            print(text, flush=True)

    hooks: list[keras.callbacks.Callback] = [nan_guard]
    if reevaluate_train:
        hooks.append(_Reevaluation(_batches(model, x, y, "Entrenamiento", batch_size=batch_size)))
    hooks += [recorder, _AfterEpoch(lambda: say(_epoch_line(recorder.history, recorder.epochs, epochs)))]
    if live and is_watched():
        hooks.append(_AfterEpoch(lambda: curves.draw(result())))
    # shuffle=False: make_batches ya baraja con semilla, y Keras avisa si además se lo pedimos a fit.
    model.fit(
        batches,
        validation_data=validation,
        epochs=epochs,
        shuffle=False,
        callbacks=[*hooks, *callbacks],
        verbose=0,
    )

    if recorder.best_weights is not None:
        model.set_weights(recorder.best_weights)
    stopped = _why_stopped(model, recorder, nan_guard, epochs, callbacks)
    if stopped:
        say(stopped)
    elif recorder.best_weights is not None:
        say(
            f"La red se queda con los pesos de la época {recorder.best_epoch}, "
            "la de menor pérdida de validación."
        )
    return result(stopped)


def _why_stopped(
    model: keras.Model, recorder: _Recorder, nan_guard: _NanGuard, epochs: int, callbacks: Sequence
) -> str:
    """Frase que explica por qué no se recorrieron todas las épocas; vacía si se recorrieron."""
    kept = (
        f"La red se queda con los pesos de la época {recorder.best_epoch}."
        if recorder.best_weights is not None
        else ""
    )
    if nan_guard.place is not None:
        epoch, batch = nan_guard.place
        rate = float(model.optimizer.learning_rate)
        return (
            f"La pérdida dejó de ser un número en la época {epoch}, lote {batch}, y el entrenamiento se ha "
            f"detenido. Casi siempre es porque la tasa de aprendizaje ({rate:g}) es demasiado alta: prueba "
            f"con una diez veces menor. {kept or 'Los pesos ya no sirven: construye la red de nuevo.'}"
        )
    if any(isinstance(callback, Stopper) and callback.requested for callback in callbacks):
        return f"Detenido a petición en la época {recorder.epochs} de {epochs}. {kept}".strip()
    if recorder.epochs < epochs:
        return f"Detenido por una retrollamada en la época {recorder.epochs} de {epochs}. {kept}".strip()
    return ""


# --- Medir la velocidad -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Setting:
    """Una forma de entrenar la misma red."""

    name: str
    batch_size: int = 32
    steps_per_execution: int = 1
    policy: str = "float32"

    @property
    def graph(self) -> tuple[int, str]:
        """Lo que obliga a TensorFlow a preparar otro grafo; el tamaño del lote, no."""
        return self.steps_per_execution, self.policy


# La primera es con la que se comparan las demás, y cada una de las otras cambia una sola cosa.
_SETTINGS = (
    _Setting("lote 32"),
    _Setting("lote 512", batch_size=512),
    _Setting("8 pasos por llamada", steps_per_execution=8),
    _Setting("mixed_bfloat16", policy="mixed_bfloat16"),
)


@dataclass(frozen=True)
class TrainingSpeed:
    """Lo rápido que entrena una red de una forma.

    Atributos:
        name: la forma, como se escribe en la tabla.
        images_per_second: imágenes con las que se entrena en un segundo.
    """

    name: str
    images_per_second: float


@dataclass(frozen=True)
class SpeedReport:
    """Velocidades medidas en la misma máquina y por turnos; la primera es la referencia.

    Atributos:
        speeds: una velocidad por forma de entrenar.
    """

    speeds: tuple[TrainingSpeed, ...]

    def ratio(self, name: str) -> float:
        """Cuántas veces más imágenes por segundo que la referencia.

        Lanza:
            KeyError: si esa forma no se midió, con las que hay.
        """
        by_name = {speed.name: speed.images_per_second for speed in self.speeds}
        if name not in by_name:
            raise KeyError(f"No se midió «{name}». Se midieron: {', '.join(by_name)}.")
        return by_name[name] / self.speeds[0].images_per_second

    def __str__(self) -> str:
        """Una tabla con las imágenes por segundo y cuántas veces son las de la referencia."""
        width = max(len(speed.name) for speed in self.speeds)
        lines = [f"{'':{width}}  imágenes/s  veces {self.speeds[0].name}"]
        for speed in self.speeds:
            number = format_integer(round(speed.images_per_second))
            lines.append(f"{speed.name:{width}}  {number:>10}  {self.ratio(speed.name):.2f}")
        return "\n".join(lines)


class _Stopwatch(keras.callbacks.Callback):
    """Cronometra desde el final del primer lote, que se lleva los preparativos, y para pasado un tiempo."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.batches, self.elapsed = 0, 0.0
        self._seconds = seconds
        self._first: tuple[int, float] | None = None

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        now = time.perf_counter()
        if self._first is None:
            self._first = batch, now
            return
        self.batches, self.elapsed = batch - self._first[0], now - self._first[1]
        if self.elapsed >= self._seconds:
            self.model.stop_training = True


def measure_speed(
    build: Callable[[], keras.Model],
    x: np.ndarray,
    y: np.ndarray,
    *,
    seconds: float = 0.3,
    rounds: int = 2,
) -> SpeedReport:
    """Mide cuántas imágenes por segundo entrena una red en esta máquina, de cuatro formas.

    Las formas son: lote de 32, lote de 512, ocho pasos por llamada y `mixed_bfloat16`. Se miden por turnos, para que
    otro programa que frene la máquina las frene a todas, y de cada una se queda el turno más rápido. La primera llamada,
    en la que TensorFlow prepara el grafo, no cuenta.

    Argumentos:
        build: función que construye la red, sin compilar, por ejemplo `build_cnn`. Se llama tres veces y gasta azar
            global: fija la semilla después.
        x, y: imágenes y etiquetas, como en `train`; hacen falta más de 1024.
        seconds: lo que dura cada medida, más o menos.
        rounds: turnos.

    Devuelve:
        Un `SpeedReport`, que se imprime como tabla.

    Lanza:
        ValueError: si hay menos de 1025 imágenes, que no dan para tres lotes de 512, o si los datos no valen.
    """
    largest = max(setting.batch_size for setting in _SETTINGS)
    if len(x) <= 2 * largest:
        raise ValueError(
            f"Para medir con lotes de {largest} hacen falta más de {2 * largest} imágenes y hay {len(x)}."
        )
    rounds = _check_count(rounds, "rounds", "turnos")
    usual = keras.config.dtype_policy()
    models = {}
    try:
        for setting in _SETTINGS:
            keras.config.set_dtype_policy(setting.policy)
            if setting.graph not in models:
                steps = setting.steps_per_execution
                models[setting.graph] = compile_model(build(), steps_per_execution=steps)
    finally:
        keras.config.set_dtype_policy(usual)

    def run(setting: _Setting, seconds: float) -> float:
        watch = _Stopwatch(seconds)
        options = {"epochs": 1, "keep_best": False, "verbose": False, "callbacks": [watch]}
        train(models[setting.graph], x, y, batch_size=setting.batch_size, **options)
        return watch.batches * setting.batch_size / watch.elapsed

    fastest = dict.fromkeys(_SETTINGS, 0.0)
    for turn in range(rounds + 1):
        for setting in _SETTINGS:
            speed = run(setting, seconds if turn else 0.0)
            if turn:
                fastest[setting] = max(fastest[setting], speed)
    return SpeedReport(tuple(TrainingSpeed(setting.name, speed) for setting, speed in fastest.items()))
