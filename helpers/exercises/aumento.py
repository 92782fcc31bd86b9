"""Ejercicios del capítulo Aumento de datos."""

from dataclasses import replace

import numpy as np

from helpers.augmentation import AugmentationConfig
from helpers.exercises.core import FUNCTION, NUMBER, Exercise, Kind, Mistake, Question, UnusableAnswer, word


def _config(value):
    if not isinstance(value, AugmentationConfig):
        raise UnusableAnswer("una AugmentationConfig(…)")
    return value


CONFIG = Kind("una AugmentationConfig", _config, lambda a, b, tolerance: a == b)
DIGITS = AugmentationConfig(
    rotation_range=10,
    width_shift_range=0.1,
    height_shift_range=0.1,
    shear_range=10,
    zoom_range=0.1,
    horizontal_flip=False,
    fill_mode="constant",
)


def _changed(**values):
    return replace(DIGITS, **values)


def _suits_digits(config):
    shift = max(config.width_shift_range, config.height_shift_range)
    return not config.horizontal_flip and config.rotation_range <= 15 and shift <= 0.25


# --- La función que tapa un cuadrado ---------------------------------------------------------------------------


def cover(batch):
    """Tapa de negro el cuadrado de 8×8 del centro; es la solución de «aumento-4»."""
    mask = np.ones((1, 32, 32, 1), dtype="float32")
    mask[:, 12:20, 12:20] = 0
    return batch * mask


def _probe():
    return np.random.RandomState(0).uniform(0.2, 0.9, (4, 32, 32, 3)).astype("float32")


def _result(function):
    """Lo que la función hace con un lote de prueba, como tabla."""
    return np.asarray(function(_probe()))


def _covers_centre(function):
    result, expected = _result(function), cover(_probe())
    return result.shape == expected.shape and bool(np.allclose(result, expected, atol=1e-6))


def _same_shape(function):
    return _result(function).shape == _probe().shape


def _covers_corner(function):
    return _same_shape(function) and bool((_result(function)[:, :8, :8] == 0).all())


def _covers_white(function):
    return _same_shape(function) and bool(np.allclose(_result(function)[:, 12:20, 12:20], 1))


def _covers_one_image(function):
    if not _same_shape(function):
        return False
    centre = _result(function)[:, 12:20, 12:20]
    return bool((centre[0] == 0).all() and (centre[1:] != 0).any())


def _covers_one_channel(function):
    if not _same_shape(function):
        return False
    centre = _result(function)[:, 12:20, 12:20]
    return bool((centre[..., 0] == 0).all() and (centre[..., 1:] != 0).all())


def _painted(rows, columns, value=0, images=slice(None), channels=slice(None)):
    def function(batch):
        changed = np.array(batch)
        changed[images, rows, columns, channels] = value
        return changed

    return function


CENTRE = slice(12, 20)

EXERCISES = (
    Exercise(
        "aumento-1",
        "Tres veces 0.2",
        "Resumen de unidades",
        (
            Question(
                "rotation_times",
                NUMBER,
                360,
                "RandomRotation(0.2) es un quinto de vuelta, 72 grados, frente a 0.2.",
                (
                    Mistake(72, "Esos son los grados que gira la capa. ¿Cuántas veces 0.2 son?"),
                    Mistake(1, "No es lo mismo: el generador cuenta en grados y la capa, en vueltas."),
                    Mistake(57.3, "Has pasado a radianes. La capa cuenta en vueltas."),
                ),
                tolerance=0.5,
            ),
            Question(
                "shear_times",
                NUMBER,
                57,
                "0.2 frente al seno de 0.2 grados, que es 0.0035.",
                (
                    Mistake(
                        1, "No es lo mismo: el generador cuenta en grados y la capa, en fracción del lado."
                    ),
                    Mistake(360, "Esa es la cuenta del giro. Aquí la capa no usa vueltas."),
                    Mistake(100, "Un grado no es un uno por ciento: usa el seno de 0.2 grados."),
                    Mistake(0.0035, "Ese es el seno de 0.2 grados. ¿Cuántas veces cabe en 0.2?"),
                ),
                tolerance=0.9,
            ),
        ),
    ),
    Exercise(
        "aumento-2",
        "Configuración para cifras",
        "¿Conserva la etiqueta?",
        (
            Question(
                "config",
                CONFIG,
                DIGITS,
                "Sin volteo, con giro pequeño y con desplazamientos que no sacan la cifra del marco.",
                (
                    Mistake(
                        _changed(horizontal_flip=True),
                        "Un 2 reflejado no es un 2: apaga el volteo.",
                        lambda config: config.horizontal_flip,
                    ),
                    Mistake(
                        _changed(rotation_range=90),
                        "Con tanto giro, un 6 y un 9 se confunden, y un 1 parece un 7. Baja de 15 grados.",
                        lambda config: config.rotation_range > 15,
                    ),
                    Mistake(
                        _changed(width_shift_range=0.5),
                        "Con ese desplazamiento, parte de la cifra puede salirse del marco.",
                        lambda config: max(config.width_shift_range, config.height_shift_range) > 0.25,
                    ),
                ),
                accepts=_suits_digits,
            ),
        ),
    ),
    Exercise(
        "aumento-3",
        "El orden importa",
        "Cada píxel pregunta de dónde sale",
        (
            Question(
                "gap",
                NUMBER,
                2.08,
                "2 · 6 · sen 10°, lo mismo en todos los puntos.",
                (
                    Mistake(
                        0,
                        "No da igual: compara las dos matrices, rotation @ translation y translation @ rotation.",
                    ),
                    Mistake(
                        2.052, "Te falta repartir el ángulo: la separación es la cuerda, 2 · 6 · sen 10°."
                    ),
                    Mistake(6, "Ese es el desplazamiento. Se pregunta cuánto se separan los dos órdenes."),
                    Mistake(
                        6.528,
                        "Has usado 10 como radianes: pasa los grados con np.deg2rad.",
                        lambda gap: abs(abs(gap) - 6.528) < 0.01,
                    ),
                ),
                tolerance=0.01,
            ),
        ),
    ),
    Exercise(
        "aumento-4",
        "Tu propia transformación",
        "Solo al entrenar, y distinto en cada época",
        (
            Question(
                "function",
                FUNCTION,
                cover,
                "Tapa las filas y columnas 12 a 19 de cada imagen y deja lo demás como estaba.",
                (
                    Mistake(
                        lambda batch: batch[:, 12:20, 12:20],
                        "Devuelve un lote de otro tamaño: tiene que medir lo mismo que el que recibe.",
                        lambda function: not _same_shape(function),
                    ),
                    Mistake(
                        _painted(slice(8), slice(8)),
                        "Tapa una esquina. El centro empieza en la fila 12.",
                        _covers_corner,
                    ),
                    Mistake(_painted(CENTRE, CENTRE, 1.0), "Tapa de blanco: el negro es 0.", _covers_white),
                    Mistake(
                        _painted(CENTRE, CENTRE, images=slice(1)),
                        "Solo tapa la primera imagen. El primer índice del lote recorre las imágenes.",
                        _covers_one_image,
                    ),
                    Mistake(
                        _painted(CENTRE, CENTRE, channels=slice(1)),
                        "Solo tapa el primer canal: hay tres.",
                        _covers_one_channel,
                    ),
                    Mistake(
                        lambda batch: batch,
                        "Devuelve el lote como estaba.",
                        lambda function: np.array_equal(_result(function), _probe()),
                    ),
                ),
                accepts=_covers_centre,
            ),
        ),
    ),
    Exercise(
        "aumento-5",
        "Caza del error",
        "Solo al entrenar, y distinto en cada época",
        (
            Question(
                "cause",
                word("a", "b", "c", "d"),
                "b",
                "El entrenamiento se mide sobre imágenes aumentadas, más difíciles; la validación llega limpia.",
                (
                    Mistake("a", "Unas etiquetas cambiadas bajarían también la exactitud de validación."),
                    Mistake("c", "Con sobreajuste pasaría lo contrario: entrenamiento por encima."),
                    Mistake("d", "Si la validación también se aumentara, las dos serían igual de difíciles."),
                ),
            ),
        ),
    ),
    Exercise(
        "aumento-6",
        "Con el control, sin Python",
        "Los siete, a la vez",
        (
            Question(
                "largest_shift",
                NUMBER,
                0.3,
                "Con 0.35 ya hay 2 sorteos con más de medio bolso fuera.",
                (
                    Mistake(0.35, "Mira el recuento: ya hay sorteos en los que la etiqueta no vale."),
                    Mistake(0.25, "Aún puedes subir: mira el recuento, no las once muestras."),
                    Mistake(
                        0.9, "Ese es el máximo del mando, y casi la mitad de los sorteos dejan de valer."
                    ),
                ),
            ),
            Question(
                "broken",
                NUMBER,
                99,
                "Casi la mitad de los 200 sorteos.",
                (
                    Mistake(101, "Esos son los sorteos en los que sí vale."),
                    Mistake(2, "Eso es con 0.35. Sube el mando hasta el final."),
                    Mistake(0.495, "El control da un recuento de 200, no una fracción."),
                ),
            ),
            Question(
                "rotation",
                NUMBER,
                90,
                "Sin volteo y hasta 90°, ninguno de los 200 se parece más a un 9.",
                (
                    Mistake(95, "Con 95° ya hay sorteos que se parecen más a un 9."),
                    Mistake(20, "Ese es el valor de partida. Se puede subir."),
                    Mistake(180, "Boca abajo, un 6 es un 9."),
                ),
            ),
            Question(
                "shear",
                NUMBER,
                11.5,
                "La esquina se mueve 3.11 píxeles.",
                (
                    Mistake(
                        0.2, "Con el valor de la tarea la esquina se mueve una décima de píxel, o menos."
                    ),
                    Mistake(3, "Los grados no son píxeles: lee cuánto se mueve la esquina."),
                    Mistake(20, "Con 20 grados se mueve más de cinco píxeles."),
                ),
                tolerance=0.5,
            ),
        ),
    ),
)
