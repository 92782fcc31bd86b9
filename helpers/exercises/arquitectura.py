"""Ejercicios del capítulo Arquitectura."""

from helpers.exercises.core import INTEGERS, MODEL, NUMBER, Exercise, Mistake, Question

LIMIT = 100_000
"""Parámetros que no debe pasar la red del último ejercicio."""


def _task_network(**changes):
    # Con retraso: declarar los ejercicios no carga TensorFlow.
    from helpers.models import build_cnn

    return build_cnn(**changes)


def _shape(value):
    return tuple(value[1:])


def _slim_network(model):
    right_ends = _shape(model.input_shape) == (32, 32, 3) and _shape(model.output_shape) == (10,)
    return right_ends and model.count_params() < LIMIT and _convolutions(model) >= 2


def _convolutions(model):
    return sum(type(layer).__name__ == "Conv2D" for layer in model.layers)


def _solution_network():
    return _task_network(filters=(32, 64, 64), dense_units=64)


EXERCISES = (
    Exercise(
        "arquitectura-1",
        "Núcleos de 5×5",
        "¿Dónde están los parámetros y dónde el trabajo?",
        (
            Question(
                "params",
                NUMBER,
                259_914,
                "Las convoluciones crecen, pero a la capa densa le llegan 1600 números y no 2304.",
                (
                    Mistake(
                        350_026,
                        "Solo has cambiado las convoluciones: sus mapas se encogen más, y la densa también.",
                    ),
                    Mistake(315_722, "Ese es el total con núcleos de 3×3."),
                    Mistake(259_680, "Faltan los sesgos: uno por filtro y uno por unidad."),
                    Mistake(
                        210_314, "La segunda convolución atraviesa 32 canales: sus filtros son de 5×5×32."
                    ),
                ),
            ),
        ),
    ),
    Exercise(
        "arquitectura-2",
        "Un tercer bloque",
        "¿Cuánta imagen ve cada posición?",
        (
            Question(
                "params",
                NUMBER,
                160_202,
                "El bloque añade 73 856, pero a la densa le llegan 512 números en vez de 2304.",
                (
                    Mistake(389_578, "Has sumado el bloque y nada más. El aplanado ya no da 2304."),
                    Mistake(315_722, "Ese es el total con dos bloques."),
                    Mistake(684_490, "Has dejado los mapas de 6×6: el tercer bloque los lleva a 2×2."),
                ),
            ),
            Question(
                "receptive_field",
                NUMBER,
                22,
                "10, más 2×4 por la convolución, más 1×4 por la agrupación.",
                (
                    Mistake(18, "Ese es el de la tercera convolución. Falta su agrupación."),
                    Mistake(
                        12,
                        "Cada paso de la tercera convolución son ya 4 píxeles de la imagen: no suma 2, sino 8.",
                    ),
                    Mistake(10, "Ese es el del segundo bloque."),
                ),
            ),
        ),
    ),
    Exercise(
        "arquitectura-3",
        "Imágenes de 128×128",
        "¿Qué hace el aplanado?",
        (
            Question(
                "flatten",
                NUMBER,
                57_600,
                "30×30×64: los mapas van 128 → 126 → 63 → 61 → 30.",
                (
                    Mistake(2304, "Eso sale con 32×32. Rehaz los lados desde 128."),
                    Mistake(61_504, "De 61 no salen 31: la fila que sobra se descarta."),
                    Mistake(65_536, "Así sería con relleno. Con «valid», cada convolución quita dos filas."),
                    Mistake(900, "Esas son las casillas de un mapa, y hay 64."),
                ),
            ),
            Question(
                "params",
                NUMBER,
                7_393_610,
                "Solo cambia la primera densa: (57 600 + 1)×128.",
                (
                    Mistake(7_372_928, "Esa es la primera densa. Suma las demás capas."),
                    Mistake(7_393_482, "Faltan los 128 sesgos de la primera densa."),
                    Mistake(315_722, "Ese es el total con 32×32: la primera densa ha crecido."),
                ),
            ),
        ),
    ),
    Exercise(
        "arquitectura-4",
        "¿Alto y ancho, o ancho y alto?",
        "¿Dónde están los parámetros y dónde el trabajo?",
        (
            Question(
                "params_wrong",
                NUMBER,
                512_330,
                "El aplanado da 10×6×64 = 3840 números.",
                (
                    Mistake(315_722, "Eso sale con 32×32. El lado de 48 deja mapas de 10."),
                    Mistake(840_010, "Eso sale con 48×48. Solo uno de los lados es 48."),
                    Mistake(512_202, "Faltan los 128 sesgos de la primera densa."),
                ),
            ),
            Question(
                "params_right",
                NUMBER,
                512_330,
                "El aplanado da 6×10×64, los mismos 3840 números: el total no delata el error.",
                (
                    Mistake(315_722, "Eso sale con 32×32. El lado de 48 deja mapas de 10."),
                    Mistake(840_010, "Eso sale con 48×48. Solo uno de los lados es 48."),
                    Mistake(512_202, "Faltan los 128 sesgos de la primera densa."),
                ),
            ),
        ),
    ),
    Exercise(
        "arquitectura-5",
        "Que no sobre nada",
        "¿Qué píxeles no ve nunca?",
        (
            Question(
                "sizes",
                INTEGERS,
                (30, 34),
                "Las dos divisiones salen exactas cuando el lado deja resto 2 al dividirlo entre 4.",
                (
                    Mistake((28, 32, 36), "Esos son los múltiplos de 4. Antes de dividir se restan 2."),
                    Mistake(
                        (28, 30, 32, 34, 36),
                        "Con un lado par sale exacta la primera división. Hay una segunda.",
                    ),
                    Mistake((30,), "Falta otro: sigue probando hasta 36."),
                    Mistake((34, 30), "Son esos. Escríbelos de menor a mayor."),
                ),
            ),
        ),
    ),
    Exercise(
        "arquitectura-6",
        "Adelgazar la red, sin escribir código",
        "Pruébalo tú: la calculadora de capas",
        (
            Question(
                "units",
                NUMBER,
                34,
                "Con 34 unidades hay 98 112 parámetros; con 35, más de 100 000.",
                (
                    Mistake(35, "Con 35 se pasa por poco. Mira el total."),
                    Mistake(33, "Baja de 100 000, pero cabe una unidad más."),
                    Mistake(128, "Esas son las de partida."),
                ),
            ),
            Question(
                "filters",
                NUMBER,
                19,
                "Con 19 filtros hay 95 357 parámetros; con 20, más de 100 000.",
                (
                    Mistake(20, "Con 20 se pasa por poco. Mira el total."),
                    Mistake(18, "Baja de 100 000, pero cabe un filtro más."),
                    Mistake(64, "Esos son los de partida."),
                ),
            ),
            Question(
                "macs",
                NUMBER,
                3_971_284,
                "Cambiar las unidades casi no quita trabajo: las convoluciones siguen igual.",
                (
                    Mistake(4_188_800, "Esas son las de la red de partida."),
                    Mistake(1_791_200, "Esas son las del cambio de filtros."),
                    Mistake(98_112, "Esos son los parámetros. Mira la columna de multiplicaciones."),
                ),
            ),
        ),
    ),
    Exercise(
        "arquitectura-7",
        "Con un presupuesto",
        "¿Dónde están los parámetros y dónde el trabajo?",
        (
            Question(
                "network",
                MODEL,
                _solution_network,
                "Cabe en el presupuesto, recibe 32×32×3 y responde con 10 números.",
                (
                    Mistake(
                        lambda: _task_network(input_shape=(28, 28, 1), filters=(8, 8)),
                        "La entrada tiene que ser de 32×32×3.",
                        lambda model: _shape(model.input_shape) != (32, 32, 3),
                    ),
                    Mistake(
                        lambda: _task_network(filters=(8, 8), num_classes=3),
                        "La salida tiene que ser de 10 números, uno por clase.",
                        lambda model: _shape(model.output_shape) != (10,),
                    ),
                    Mistake(
                        lambda: _task_network(filters=(8,), dense_units=16),
                        "Tiene menos de dos convoluciones. Ahorra en otra parte.",
                        lambda model: _convolutions(model) < 2,
                    ),
                    Mistake(
                        _task_network,
                        "Se pasa del presupuesto. Mira con describe_layers qué capa gasta más: casi siempre, la densa.",
                        lambda model: model.count_params() >= LIMIT,
                    ),
                ),
                accepts=_slim_network,
            ),
        ),
    ),
)
