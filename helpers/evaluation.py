"""Evaluar una red: métricas con su umbral, cruces de curvas, calibración, intervalos y referencias clásicas.

Las métricas son las de scikit-learn; del modelo solo se piden sus probabilidades y, si se compiló con
entropía cruzada, su pérdida. Nada de aquí entrena redes.

Convenio en todo el módulo: `probabilities` es una matriz (N, K) cuyas filas suman 1, y las etiquetas son
enteros de 0 a K-1 (se admiten también (N, 1) y one-hot, como en `helpers.data`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from operator import index
from statistics import NormalDist

import numpy as np

from helpers.data import as_integer_labels, make_batches

# La menor probabilidad que se distingue de cero antes de tomar el logaritmo: el menor float32 normal, 1.2e-38.
# Recortar en 1e-7, como hace Keras cuando solo tiene probabilidades, esconde los errores más seguros: en una red
# sobreajustada da 3.04 donde la pérdida desde los logits es 3.55.
MIN_PROBABILITY = float(np.finfo(np.float32).tiny)

# Temperaturas entre las que se busca. Con un modelo que nunca se equivoca la mejor sería 0.
TEMPERATURE_BOUNDS = (0.05, 50.0)


# ---------------------------------------------------------------------------------------------------------------
# Probabilidades e informe
# ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ClassScores:
    """Medidas de una clase, con la respuesta más probable.

    Atributos:
        name: nombre de la clase.
        precision, recall, f1: precisión, exhaustividad y F1, de 0 a 1.
        support: imágenes que son de esa clase.
    """

    name: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, eq=False)
class EvaluationReport:
    """Informe de una evaluación; `print(report)` escribe la tabla.

    Las tres medidas `micro_*` cuentan como predichas las casillas cuya probabilidad supera `threshold`, igual que
    `keras.metrics.Precision()` y `Recall()` (con `threshold=None`, la clase más probable). Las `macro_*`, las de
    `per_class` y `confusion_matrix` (filas: clase verdadera; columnas: predicha) usan siempre la más probable.
    Una medida cuyo denominador es cero vale 0, como en Keras.

    Atributos:
        n: imágenes evaluadas.
        loss: entropía cruzada media, con logaritmo natural.
        accuracy: fracción de aciertos, de 0 a 1.
        threshold: umbral de las medidas micro; None si usan la clase más probable.
        micro_precision, micro_recall, micro_f1: de todas las casillas juntas, de 0 a 1.
        macro_precision, macro_recall, macro_f1: media simple de las K clases, de 0 a 1.
        per_class: un `ClassScores` por clase, en orden.
        confusion_matrix: recuentos enteros, (K, K).
    """

    n: int
    loss: float
    accuracy: float
    threshold: float | None
    micro_precision: float
    micro_recall: float
    micro_f1: float
    macro_precision: float
    macro_recall: float
    macro_f1: float
    per_class: tuple[ClassScores, ...]
    confusion_matrix: np.ndarray

    def __str__(self) -> str:
        """Tabla en español con tres decimales."""
        if self.threshold is None:
            rule = "la más probable"
        else:
            rule = f"umbral {self.threshold:g}"
        label = max(
            len(f"micro ({rule})"), len("macro (la más probable)"), *(len(c.name) for c in self.per_class)
        )

        def row(name: str, precision: float, recall: float, f1: float, support: int) -> str:
            return f"{name:<{label}}  {precision:>9.3f}  {recall:>13.3f}  {f1:>5.3f}  {support:>8d}"

        lines = [
            f"{self.n} imágenes · pérdida {self.loss:.3f} · exactitud {self.accuracy:.3f}",
            "",
            f"{'clase':<{label}}  {'precisión':>9}  {'exhaustividad':>13}  {'F1':>5}  {'imágenes':>8}",
        ]
        lines += [row(c.name, c.precision, c.recall, c.f1, c.support) for c in self.per_class]
        lines += [
            "",
            row("macro (la más probable)", self.macro_precision, self.macro_recall, self.macro_f1, self.n),
            row(f"micro ({rule})", self.micro_precision, self.micro_recall, self.micro_f1, self.n),
        ]
        return "\n".join(lines)


def predict_probabilities(model, x, batch_size: int = 256) -> np.ndarray:
    """Probabilidades del modelo para cada imagen, sin convertir el conjunto entero a float32 de una vez.

    Argumentos:
        model: red de Keras que devuelve (N, K).
        x: imágenes NHWC, uint8 o float en [0, 1].
        batch_size: imágenes por lote.

    Devuelve:
        float32 de forma (N, K).

    Lanza:
        ValueError: si `x` no son imágenes con valores admitidos.
    """
    return np.asarray(model.predict(make_batches(x, batch_size=batch_size), verbose=0), dtype=np.float32)


def evaluate(
    model, x, y, class_names, *, threshold: float | None = 0.5, batch_size: int = 256
) -> EvaluationReport:
    """Evalúa una red sobre imágenes etiquetadas.

    La pérdida es la del propio modelo cuando se compiló con entropía cruzada (categórica o dispersa), para que
    coincida con la que Keras escribe al entrenar: Keras la calcula desde los logits, que las probabilidades en
    float32 ya no permiten recuperar cuando una de ellas se redondea a cero. Con cualquier otro modelo es la de
    `evaluate_probabilities`, que coincide con ella mientras ninguna probabilidad baje de 1.2e-38.

    Argumentos:
        model: red de Keras cuya salida es softmax.
        x: imágenes NHWC, uint8 o float en [0, 1].
        y: etiquetas enteras (N,) o (N, 1), o one-hot (N, K).
        class_names: los K nombres de las clases, en orden.
        threshold: umbral de las medidas micro; None toma la clase más probable.
        batch_size: imágenes por lote.

    Devuelve:
        Un `EvaluationReport`.

    Lanza:
        ValueError: si la salida no son probabilidades o no casa con las etiquetas o los nombres.
    """
    labels = as_integer_labels(y)
    report = evaluate_probabilities(
        predict_probabilities(model, x, batch_size), labels, class_names, threshold=threshold
    )
    loss = _own_loss(model, x, labels, len(report.per_class), batch_size)
    if loss is None:
        return report
    return replace(report, loss=loss)


def evaluate_probabilities(
    probabilities, y, class_names, *, threshold: float | None = 0.5
) -> EvaluationReport:
    """Evalúa probabilidades ya calculadas.

    La pérdida es la media de -log p de la clase verdadera, en float64 y con p no menor que `MIN_PROBABILITY`
    (1.2e-38): ningún acierto ni error razonable se recorta, y el peor posible cuesta 87.3.

    Argumentos:
        probabilities: (N, K); cada fila suma 1.
        y: etiquetas enteras (N,) o (N, 1), o one-hot (N, K).
        class_names: los K nombres de las clases, en orden.
        threshold: se cuenta como predicha toda casilla con probabilidad *mayor* que este valor, como hace Keras;
            None cuenta la clase más probable de cada fila.

    Devuelve:
        Un `EvaluationReport`.

    Lanza:
        ValueError: si hay NaN, filas que no suman 1, tamaños que no casan o etiquetas fuera de rango.
    """
    from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

    p, labels = _check_probabilities(probabilities, y)
    n, classes = p.shape
    names = tuple(class_names)
    if len(names) != classes:
        raise ValueError(
            f"Hay {len(names)} nombres de clase y {classes} columnas de probabilidades: deben coincidir."
        )
    if threshold is not None and not 0 <= threshold < 1:
        raise ValueError(
            f"El umbral debe estar en [0, 1) y es {threshold}. Con None se cuenta la clase más probable."
        )

    every_class = np.arange(classes)
    predicted = p.argmax(axis=1)
    predicted_cells = predicted[:, None] == every_class if threshold is None else p > threshold
    true_cells = labels[:, None] == every_class
    micro = precision_recall_fscore_support(true_cells, predicted_cells, average="micro", zero_division=0)
    macro = precision_recall_fscore_support(
        labels, predicted, labels=every_class, average="macro", zero_division=0
    )
    by_class = precision_recall_fscore_support(labels, predicted, labels=every_class, zero_division=0)
    return EvaluationReport(
        n=n,
        loss=_mean_log_loss(p, labels),
        accuracy=float(accuracy_score(labels, predicted)),
        threshold=None if threshold is None else float(threshold),
        micro_precision=float(micro[0]),
        micro_recall=float(micro[1]),
        micro_f1=float(micro[2]),
        macro_precision=float(macro[0]),
        macro_recall=float(macro[1]),
        macro_f1=float(macro[2]),
        per_class=tuple(
            ClassScores(name, float(precision), float(recall), float(f1), int(support))
            for name, precision, recall, f1, support in zip(names, *by_class, strict=True)
        ),
        confusion_matrix=confusion_matrix(labels, predicted, labels=every_class),
    )


# ---------------------------------------------------------------------------------------------------------------
# Curvas de entrenamiento
# ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Crossing:
    """Un cruce de dos curvas: `epoch` (desde 1, con decimales si cae entre dos épocas) y `value`, su altura."""

    epoch: float
    value: float


def find_crossings(train_curve, val_curve) -> tuple[Crossing, ...]:
    """Busca dónde se cruzan de verdad dos curvas: donde su diferencia cambia de signo.

    Entre dos épocas el cruce se sitúa por interpolación lineal. Si las curvas coinciden exactamente en una o
    varias épocas seguidas, hay cruce solo cuando salen de ahí por el lado contrario al que entraron, y se sitúa en
    la primera de ellas; tocarse y separarse por el mismo lado no es cruzarse, y coincidir al principio o al final
    tampoco. Una época con NaN o infinito corta la curva: no se busca ningún cruce a través de ella.

    Argumentos:
        train_curve, val_curve: un número por época, con la misma longitud.

    Devuelve:
        Los cruces en orden; vacío si no hay ninguno o si hay menos de dos épocas.

    Lanza:
        ValueError: si las curvas no son listas de números de la misma longitud.
    """
    train = np.asarray(train_curve, dtype=np.float64)
    val = np.asarray(val_curve, dtype=np.float64)
    if train.ndim != 1 or val.ndim != 1:
        raise ValueError(
            f"Cada curva debe ser una lista con un número por época; tienen formas {train.shape} y {val.shape}."
        )
    if len(train) != len(val):
        raise ValueError(
            f"Las curvas tienen {len(train)} y {len(val)} épocas. Para compararlas hace falta un valor de cada una "
            "por época: entrena con validación en todas (validation_freq=1)."
        )
    usable = np.isfinite(train) & np.isfinite(val)
    difference = np.zeros_like(train)
    difference[usable] = train[usable] - val[usable]

    crossings = []
    last = None  # última época usable en que las curvas estaban separadas
    for i in range(len(train)):
        if not usable[i]:
            last = None
        elif difference[i] != 0:
            if last is not None and np.sign(difference[i]) != np.sign(difference[last]):
                if i - last == 1:
                    fraction = difference[last] / (difference[last] - difference[i])
                    value = train[last] + fraction * (train[i] - train[last])
                    crossings.append(Crossing(float(last + 1 + fraction), float(value)))
                else:  # coincidieron en last+1 … i-1
                    crossings.append(Crossing(float(last + 2), float(train[last + 1])))
            last = i
    return tuple(crossings)


def best_epoch(history, metric: str = "val_loss") -> int | None:
    """Mejor época de una métrica, contando desde 1: la menor si es una pérdida o un error, la mayor si no.

    Ante un empate, la primera. Los NaN e infinitos no cuentan.

    Argumentos:
        history: diccionario de listas, o un objeto con `.history` (`History` de Keras, `TrainingResult`).
        metric: nombre que aparece en el historial.

    Devuelve:
        La época, o None si la métrica no tiene ningún valor finito.

    Lanza:
        ValueError: si la métrica no está en el historial; el mensaje dice cuáles hay.
    """
    curves = getattr(history, "history", history)
    if metric not in curves:
        available = ", ".join(curves) if curves else "ninguna (el historial está vacío)"
        raise ValueError(f"La métrica «{metric}» no está en el historial. Las que hay: {available}.")
    values = np.asarray(curves[metric], dtype=np.float64)
    finite = np.isfinite(values)
    if not finite.any():
        return None
    lower_is_better = any(word in metric for word in ("loss", "error", "crossentropy"))
    if lower_is_better:
        return int(np.argmin(np.where(finite, values, np.inf))) + 1
    return int(np.argmax(np.where(finite, values, -np.inf))) + 1


# ---------------------------------------------------------------------------------------------------------------
# Calibración
# ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class ReliabilityBins:
    """Datos de un diagrama de fiabilidad: por tramo de confianza, confianza media, exactitud y número de imágenes.

    Atributos:
        edges: bordes de los B tramos, de 0 a 1, (B + 1,).
        confidence, accuracy: confianza media y exactitud de cada tramo, (B,); NaN en un tramo vacío.
        count: imágenes de cada tramo, (B,).
        ece: error de calibración esperado, de 0 a 1.
    """

    edges: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray
    count: np.ndarray
    ece: float


def reliability_bins(probabilities, y, n_bins: int = 10) -> ReliabilityBins:
    """Reparte las imágenes en tramos iguales según su confianza (la probabilidad de la clase más probable).

    Un tramo va de su borde izquierdo, sin incluirlo, al derecho, incluido. `ece` es el error de calibración
    esperado: la media, ponderada por imágenes, de |exactitud - confianza| en cada tramo.

    Argumentos:
        probabilities: (N, K); cada fila suma 1.
        y: etiquetas de las N imágenes.
        n_bins: número de tramos entre 0 y 1.

    Devuelve:
        Un `ReliabilityBins`.

    Lanza:
        ValueError: como `evaluate_probabilities`, o si `n_bins` es menor que 1.

    Fuente:
        Guo, Pleiss, Sun y Weinberger (2017), «On calibration of modern neural networks», ecuaciones 1 a 3.
    """
    if n_bins < 1:
        raise ValueError(f"Hace falta al menos un tramo y se pidieron {n_bins}.")
    p, labels = _check_probabilities(probabilities, y)
    confidence = p.max(axis=1)
    correct = p.argmax(axis=1) == labels
    edges = np.linspace(0, 1, n_bins + 1)
    # Una fila puede sumar 1.0000001 por redondeo: su confianza sigue siendo del último tramo.
    bin_of = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, n_bins - 1)
    count = np.bincount(bin_of, minlength=n_bins)
    filled = count > 0
    mean_confidence = np.full(n_bins, np.nan)
    mean_accuracy = np.full(n_bins, np.nan)
    mean_confidence[filled] = np.bincount(bin_of, confidence, n_bins)[filled] / count[filled]
    mean_accuracy[filled] = np.bincount(bin_of, correct, n_bins)[filled] / count[filled]
    gaps = np.abs(mean_accuracy - mean_confidence)[filled]
    return ReliabilityBins(
        edges=edges,
        confidence=mean_confidence,
        accuracy=mean_accuracy,
        count=count,
        ece=float(np.sum(gaps * count[filled]) / len(labels)),
    )


def apply_temperature(probabilities, temperature: float) -> np.ndarray:
    """Divide los logits por una temperatura y vuelve a aplicar softmax.

    Los logits son log p salvo una constante por fila, que softmax ignora: no hace falta el modelo. Dividir por un
    número positivo no cambia el orden de las clases, así que la clase más probable es la misma; el resultado es
    float64 para que tampoco la cambie el redondeo. Las probabilidades menores que 1.2e-38 se toman como 1.2e-38.

    Argumentos:
        probabilities: (N, K); cada fila suma 1.
        temperature: mayor que 1 quita confianza, menor que 1 la da.

    Devuelve:
        float64 de forma (N, K).

    Lanza:
        ValueError: si la temperatura no es un número positivo o las probabilidades no lo son.
    """
    if not np.isfinite(temperature) or temperature <= 0:
        raise ValueError(f"La temperatura debe ser un número mayor que 0 y es {temperature}.")
    return np.exp(_scaled_log_probabilities(_check_probabilities(probabilities), temperature))


def fit_temperature(probabilities, y) -> float:
    """Temperatura que da la menor pérdida: un solo número, ajustado con el conjunto de *validación*.

    Busca entre 0.05 y 50 sobre log T. La pérdida tiene un único mínimo en T, así que no hay mínimos locales; si el
    modelo acierta siempre, la pérdida baja sin fin al bajar T y el resultado queda junto al borde, 0.05.

    Argumentos:
        probabilities: (N, K) de imágenes que la red no vio al entrenar; cada fila suma 1.
        y: sus etiquetas.

    Devuelve:
        La temperatura, que se le pasa a `apply_temperature`.

    Lanza:
        ValueError: como `evaluate_probabilities`.

    Fuente:
        Guo, Pleiss, Sun y Weinberger (2017), «On calibration of modern neural networks», sección 4.2.
    """
    from scipy.optimize import minimize_scalar

    p, labels = _check_probabilities(probabilities, y)
    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        return -float(_scaled_log_probabilities(p, np.exp(log_temperature))[rows, labels].mean())

    found = minimize_scalar(
        loss, bounds=np.log(TEMPERATURE_BOUNDS), method="bounded", options={"xatol": 1e-6}
    )
    return float(np.exp(found.x))


# ---------------------------------------------------------------------------------------------------------------
# Cuánto se puede confiar en una exactitud, y con qué compararla
# ---------------------------------------------------------------------------------------------------------------


def accuracy_interval(accuracy: float, n: int, level: float = 0.95) -> tuple[float, float]:
    """Intervalo de confianza de Wilson para una exactitud medida con `n` imágenes.

    A diferencia de exactitud ± z·√(a(1-a)/n), no se sale de [0, 1] ni se queda en un punto cuando a es 0 o 1.

    Argumentos:
        accuracy: fracción de aciertos, de 0 a 1 (no un porcentaje).
        n: imágenes con que se midió.
        level: nivel de confianza.

    Devuelve:
        Extremos inferior y superior.

    Lanza:
        ValueError: si la exactitud no está en [0, 1], `n` no es positivo o el nivel no está entre 0 y 1.

    Fuente:
        Wilson (1927), «Probable inference, the law of succession, and statistical inference»; método 3 de
        Newcombe (1998), «Two-sided confidence intervals for the single proportion».
    """
    if not 0 <= accuracy <= 1:
        raise ValueError(
            f"La exactitud debe estar entre 0 y 1 y es {accuracy}. Si es un porcentaje, divide por 100."
        )
    if n < 1:
        raise ValueError(f"Hace falta al menos una imagen y n es {n}.")
    if not 0 < level < 1:
        raise ValueError(f"El nivel debe estar entre 0 y 1, por ejemplo 0.95, y es {level}.")
    z = NormalDist().inv_cdf((1 + level) / 2)
    centre = (accuracy + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(accuracy * (1 - accuracy) / n + z**2 / (4 * n**2))
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


@dataclass(frozen=True, eq=False)
class BaselineScore:
    """Una referencia clásica: lo que acierta, lo que tarda y cómo predecir con ella.

    Atributos:
        name: cuál de `BASELINES`.
        accuracy: fracción de aciertos, de 0 a 1.
        seconds: segundos de ajustarla y de predecir.
        n: imágenes con que se midió.
        classifier: el clasificador de scikit-learn, ya ajustado.
        channels: cuántos canales de la imagen lee.
    """

    name: str
    accuracy: float
    seconds: float
    n: int
    classifier: object = field(repr=False)
    channels: int = field(repr=False)

    def predict(self, x) -> np.ndarray:
        """Etiquetas (int64) que da la referencia a imágenes uint8 o float en [0, 1]."""
        return np.asarray(self.classifier.predict(_flat_pixels(x, self.channels)), dtype=np.int64)


BASELINES = ("mayoría", "regresión logística", "SVM RBF")


def baseline_scores(dataset, names=BASELINES, *, part: str = "val") -> tuple[BaselineScore, ...]:
    """Exactitud de tres clasificadores clásicos sobre los píxeles sueltos, para tener con qué comparar una red.

    «mayoría» responde siempre la clase más frecuente; «regresión logística» es una capa densa con softmax y una
    pequeña regularización; «SVM RBF» es una máquina de vectores de soporte con núcleo gaussiano. Se ajustan con
    el conjunto de entrenamiento. En imágenes grises repetidas en tres canales se usa uno: los otros no añaden nada.

    Argumentos:
        dataset: un `ImageDataset`.
        names: cuáles de `BASELINES`, en el orden deseado.
        part: "val" o "test", el conjunto con que se mide. La prueba se reserva para el final.

    Devuelve:
        Un `BaselineScore` por nombre, en el mismo orden.

    Lanza:
        ValueError: si se pide una referencia o un conjunto que no existen.
    """
    if part not in ("val", "test"):
        raise ValueError(f"«part» debe ser «val» o «test» y es «{part}».")
    unknown = [name for name in names if name not in BASELINES]
    if unknown:
        raise ValueError(
            f"No hay ninguna referencia llamada «{unknown[0]}». Las que hay: {', '.join(BASELINES)}."
        )
    from threadpoolctl import threadpool_limits  # viene con scikit-learn

    x_eval, y_eval = getattr(dataset, f"x_{part}"), getattr(dataset, f"y_{part}")
    grey = (dataset.x_train == dataset.x_train[..., :1]).all()
    channels = 1 if grey else dataset.x_train.shape[-1]
    scores = []
    # Con un solo hilo: los productos son pequeños y, en una máquina ocupada, los hilos de BLAS que esperan unos a
    # otros multiplican por más de diez el tiempo de la regresión.
    with threadpool_limits(limits=1):
        for name in names:
            classifier = _new_baseline(name)
            start = time.perf_counter()
            classifier.fit(_flat_pixels(dataset.x_train, channels), dataset.y_train)
            accuracy = float(classifier.score(_flat_pixels(x_eval, channels), y_eval))
            seconds = time.perf_counter() - start
            scores.append(BaselineScore(name, accuracy, seconds, len(y_eval), classifier, channels))
    return tuple(scores)


def shift_images(x, dy: int, dx: int) -> np.ndarray:
    """Desplaza imágenes un número entero de píxeles y repite el borde en el hueco que queda.

    Argumentos:
        x: (H, W, C) o (N, H, W, C), de cualquier tipo.
        dy: píxeles hacia abajo (negativo: hacia arriba).
        dx: píxeles hacia la derecha (negativo: hacia la izquierda).

    Devuelve:
        Una copia con la forma y el tipo de `x`.

    Lanza:
        ValueError: si `x` no es una imagen o un lote, o si el desplazamiento saca la imagen entera.
        TypeError: si `dy` o `dx` no son enteros.
    """
    images = np.asarray(x)
    if images.ndim not in (3, 4):
        raise ValueError(
            f"Se esperaba (alto, ancho, canales) o un lote de ellas, y la forma es {images.shape}."
        )
    try:
        dy, dx = index(dy), index(dx)
    except TypeError as error:
        raise TypeError(f"El desplazamiento va en píxeles enteros, y es ({dy}, {dx}).") from error
    height, width = images.shape[-3:-1]
    if abs(dy) >= height or abs(dx) >= width:
        raise ValueError(
            f"Un desplazamiento de ({dy}, {dx}) saca por completo una imagen de {height}×{width}."
        )
    rows = np.clip(np.arange(height) - dy, 0, height - 1)
    columns = np.clip(np.arange(width) - dx, 0, width - 1)
    return images[..., rows[:, None], columns, :]


# ---------------------------------------------------------------------------------------------------------------
# Piezas internas
# ---------------------------------------------------------------------------------------------------------------


def _check_probabilities(probabilities, y=None):
    """Probabilidades como float64 (y etiquetas como int64, si se dan), tras comprobar que lo son y que casan."""
    p = np.asarray(probabilities, dtype=np.float64)
    if p.ndim != 2 or p.shape[0] == 0 or p.shape[1] < 2:
        raise ValueError(
            "Las probabilidades deben tener forma (imágenes, clases), con una imagen y dos clases como mínimo; "
            f"la forma recibida es {p.shape}."
        )
    if not np.isfinite(p).all():
        bad = int((~np.isfinite(p).all(axis=1)).sum())
        raise ValueError(
            f"Hay NaN o infinitos en las probabilidades de {bad} de {len(p)} imágenes. Casi siempre es una red cuyo "
            "entrenamiento se desbordó: baja la tasa de aprendizaje y mira si la pérdida se vuelve NaN."
        )
    sums = p.sum(axis=1)
    if p.min() < 0 or np.abs(sums - 1).max() > 1e-3:
        worst = int(np.abs(sums - 1).argmax())
        raise ValueError(
            "No parecen probabilidades: cada fila debe tener números de 0 a 1 que sumen 1, y la fila "
            f"{worst} suma {sums[worst]:.4g} (mínimo de la tabla: {p.min():.4g}). ¿Termina la red en softmax?"
        )
    if y is None:
        return p
    labels = as_integer_labels(y)
    if len(labels) != len(p):
        raise ValueError(f"Hay {len(p)} filas de probabilidades y {len(labels)} etiquetas: deben coincidir.")
    if labels.min() < 0 or labels.max() >= p.shape[1]:
        outside = labels[(labels < 0) | (labels >= p.shape[1])][0]
        raise ValueError(
            f"Etiqueta fuera de rango: {outside}. Con {p.shape[1]} columnas de probabilidades, "
            f"las etiquetas van de 0 a {p.shape[1] - 1}."
        )
    return p, labels


def _mean_log_loss(p: np.ndarray, labels: np.ndarray) -> float:
    """Media de -log p de la clase verdadera, con p no menor que `MIN_PROBABILITY`."""
    return float(-np.log(np.maximum(p[np.arange(len(labels)), labels], MIN_PROBABILITY)).mean())


def _scaled_log_probabilities(p: np.ndarray, temperature: float) -> np.ndarray:
    """Logaritmo de softmax(log p / T), sin desbordamientos."""
    scaled = np.log(np.maximum(p, MIN_PROBABILITY)) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    return scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))


def _own_loss(model, x, labels, num_classes: int, batch_size: int) -> float | None:
    """Pérdida que da Keras, si el modelo se compiló con entropía cruzada; si no, None."""
    loss = getattr(model, "loss", None)
    name = getattr(loss, "name", None) or getattr(loss, "__name__", loss)
    if name == "categorical_crossentropy":
        batches = make_batches(x, labels, batch_size=batch_size, num_classes=num_classes)
    elif name == "sparse_categorical_crossentropy":
        batches = make_batches(x, labels, batch_size=batch_size)
    else:
        return None
    return float(model.evaluate(batches, verbose=0, return_dict=True)["loss"])


def _flat_pixels(x, channels: int) -> np.ndarray:
    """Un vector float32 en [0, 1] por imagen, con sus primeros `channels` canales."""
    images = np.asarray(x)[..., :channels]
    pixels = images.reshape(len(images), -1).astype(np.float32)
    return pixels / 255 if images.dtype == np.uint8 else pixels


def _new_baseline(name: str):
    """Clasificador sin ajustar. El SVM lleva los valores de scikit-learn (C=1); la regresión, C=0.01 para converger."""
    from sklearn.dummy import DummyClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import SVC

    return {
        "mayoría": lambda: DummyClassifier(strategy="most_frequent"),
        "regresión logística": lambda: LogisticRegression(C=0.01, max_iter=500),
        "SVM RBF": lambda: SVC(kernel="rbf"),
    }[name]()
