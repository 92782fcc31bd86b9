"""Ejercicios del capítulo Mejorar la red."""

from statistics import mean, variance

from helpers.exercises.core import ARRAY, FUNCTION, NUMBER, Exercise, Mistake, Question, word

BUDGET = 315_722
"""Parámetros de la red de la tarea: los que no se deben pasar."""

WORK = 20_000_000
"""Multiplicaciones por imagen que no se deben alcanzar en el ejercicio de la calculadora."""

ANSWERS = ("mejora", "empeora", "no se nota")
"""Lo que puede contestar la regla del último ejercicio."""

CLEAR = (0.41, 0.40, 0.43), (0.68, 0.67, 0.69)
"""Dos redes separadas por muchas veces su dispersión: la idea mejora."""

NOISY = (0.68, 0.66, 0.68), (0.68, 0.69, 0.67)
"""Dos redes cuya diferencia es menor que su error: no se nota."""

MANY = (0.70, 0.71, 0.72) * 4, (0.715, 0.725, 0.735) * 4
"""Doce semillas de cada: la diferencia es menor que tres dispersiones, y mayor que tres veces su error."""


def _decide(without, with_idea):
    gap = mean(with_idea) - mean(without)
    error = (variance(without) / len(without) + variance(with_idea) / len(with_idea)) ** 0.5
    if abs(gap) <= 3 * error:
        return "no se nota"
    return "mejora" if gap > 0 else "empeora"


def _by_means(without, with_idea):
    return "mejora" if sum(with_idea) / len(with_idea) > sum(without) / len(without) else "empeora"


def _without_dividing(without, with_idea):
    gap = mean(with_idea) - mean(without)
    error = (variance(without) + variance(with_idea)) ** 0.5
    if abs(gap) <= 3 * error:
        return "no se nota"
    return "mejora" if gap > 0 else "empeora"


def _never_worse(without, with_idea):
    return "no se nota" if _decide(without, with_idea) == "no se nota" else "mejora"


def _answers(decide):
    """Lo que contesta una regla en los cuatro casos, con listas nuevas: la regla del lector puede cambiarlas."""
    cases = (CLEAR, CLEAR[::-1], NOISY, MANY)
    return tuple(decide(list(without), list(with_idea)) for without, with_idea in cases)


def _measured(table):
    return (
        table.ndim == 2
        and len(table) == 2
        and table.shape[1] >= 3
        and bool(((table >= 0) & (table <= 1)).all())
        and bool((table.max(axis=1) > table.min(axis=1)).all())
    )


EXERCISES = (
    Exercise(
        "mejorar-1",
        "El presupuesto",
        "Los mismos parámetros, gastados de otro modo",
        (
            Question(
                "params",
                NUMBER,
                356_842,
                "La convolución suma 41 472, su normalización 192 y la salida 480.",
                (
                    Mistake(
                        356_650,
                        "Te falta la normalización: son cuatro números por cada mapa, también los nuevos.",
                    ),
                    Mistake(356_362, "Te falta la salida: ahora le llegan 128 números y no 80."),
                    Mistake(
                        356_170, "Solo has cambiado la convolución. Detrás van su normalización y la salida."
                    ),
                    Mistake(42_144, "Esos son los que se añaden. ¿Y en total?"),
                ),
            ),
            Question(
                "fits",
                word("sí", "no"),
                "no",
                "Se pasa de 315 722.",
                (Mistake("sí", "Compara tu total con los 315 722 de la tarea."),),
            ),
        ),
    ),
    Exercise(
        "mejorar-2",
        "Otra normalización",
        "Normalización por lotes, con cuatro números",
        (
            Question(
                "output",
                ARRAY,
                (1.5, 1.5, 2.5, 2.5),
                "La media es 2 y la desviación 1: queda −1, −1, 1 y 1, por 0.5 y más 2.",
                (
                    Mistake((-1, -1, 1, 1), "Eso es lo normalizado. Faltan γ y β."),
                    Mistake((-0.5, -0.5, 0.5, 0.5), "Falta sumar β."),
                    Mistake((-1.5, -1.5, 2.5, 2.5), "Has cambiado γ por β: γ multiplica y β se suma."),
                    Mistake(
                        (1.567, 1.567, 2.433, 2.433),
                        "Has dividido entre n − 1 al hacer la varianza. La normalización divide entre n.",
                    ),
                ),
                tolerance=0.005,
            ),
            Question(
                "tenfold",
                ARRAY,
                (1.5, 1.5, 2.5, 2.5),
                "La media y la desviación también son diez veces mayores, y el cociente no cambia.",
                (
                    Mistake((15, 15, 25, 25), "La normalización borra ese factor: vuelve a hacer la cuenta."),
                    Mistake(
                        (-3, -3, 7, 7), "Has restado la media nueva y dividido entre la desviación de antes."
                    ),
                    Mistake(
                        (6, 6, 16, 16), "La media y la desviación son las de este lote, no las de antes."
                    ),
                ),
                tolerance=0.005,
            ),
        ),
    ),
    Exercise(
        "mejorar-3",
        "Suavizar con cinco clases",
        "Suavizar las etiquetas",
        (
            Question(
                "right",
                NUMBER,
                0.84,
                "Le queda 0.8, y del reparto le toca 0.2 entre cinco.",
                (
                    Mistake(0.8, "A la correcta también le toca su parte de lo que se reparte."),
                    Mistake(0.82, "Con diez clases saldría eso. Aquí son cinco."),
                    Mistake(0.96, "Solo le has quitado una parte de las cinco. Primero se aparta ε entera."),
                ),
                tolerance=0.001,
            ),
            Question(
                "others",
                NUMBER,
                0.04,
                "0.2 entre las cinco clases.",
                (
                    Mistake(0.05, "Se reparte entre las cinco, no solo entre las otras cuatro."),
                    Mistake(0.2, "Esa es ε entera. Se reparte."),
                    Mistake(0.16, "Eso suman las otras cuatro. ¿Y cada una?"),
                ),
                tolerance=0.001,
            ),
            Question(
                "lowest_loss",
                NUMBER,
                0.661,
                "Se alcanza dando justo esas probabilidades, y no es cero.",
                (
                    Mistake(0, "Sería cero con etiquetas sin suavizar."),
                    Mistake(
                        0.174, "Eso es −log 0.84. Cada término se multiplica por su etiqueta, y son cinco."
                    ),
                    Mistake(0.146, "Faltan los términos de las otras cuatro clases."),
                    Mistake(0.275, "Has contado una de las otras clases. Son cuatro."),
                    Mistake(0.287, "Ese es el logaritmo en base 10. La pérdida usa el natural."),
                ),
                tolerance=0.002,
            ),
        ),
    ),
    Exercise(
        "mejorar-4",
        "¿Te lo crees?",
        "¿Cuándo una diferencia es un hecho?",
        (
            Question(
                "gap",
                NUMBER,
                0.006,
                "Con la idea, menos sin ella.",
                (
                    Mistake(-0.006, "Está al revés: con la idea, menos sin ella."),
                    Mistake(0.6, "Escríbela como fracción, entre 0 y 1, y no en puntos."),
                    Mistake(0.682, "Esa es la media con la idea. Falta restar la otra."),
                ),
                tolerance=0.0006,
            ),
            Question(
                "error",
                NUMBER,
                0.007,
                "Es mayor que la propia diferencia.",
                (
                    Mistake(0.012, "Falta dividir cada varianza entre sus tres semillas."),
                    Mistake(0.0098, "Has sumado las dispersiones. Se suman sus cuadrados, y luego la raíz."),
                    Mistake(0.017, "Has sumado las dos dispersiones tal cual. La regla suma cuadrados."),
                    Mistake(0.00005, "Falta la raíz."),
                ),
                tolerance=0.0006,
            ),
            Question(
                "verdict",
                word(*ANSWERS),
                "no se nota",
                "La diferencia es menor que su propio error.",
                (
                    Mistake(
                        "mejora", "La media sube. ¿Cuánto sube, comparado con el error de la diferencia?"
                    ),
                    Mistake("empeora", "La media sube, y no baja. ¿Se nota, comparado con su error?"),
                ),
            ),
        ),
    ),
    Exercise(
        "mejorar-5",
        "Un presupuesto, sin escribir código",
        "En qué se gastan los parámetros",
        (
            Question(
                "params",
                NUMBER,
                309_926,
                "Cabe en el presupuesto y lo aprovecha.",
                (
                    Mistake(
                        356_842,
                        "Se pasa del presupuesto. Quita filtros de la convolución con más parámetros.",
                        lambda n: n > BUDGET,
                    ),
                    Mistake(315.7, "Escríbelos enteros, sin pasarlos a miles.", lambda n: 0 < n < 1000),
                    Mistake(
                        36_042,
                        "Sobra mucho presupuesto: llega al menos a 300 000. ¿Dónde cuestan poco trabajo los filtros?",
                        lambda n: 1000 <= n < 300_000,
                    ),
                ),
                accepts=lambda n: 300_000 <= n <= BUDGET,
            ),
            Question(
                "macs",
                NUMBER,
                19_078_120,
                "Menos de la mitad que la red del capítulo.",
                (
                    Mistake(
                        42_668_832,
                        "Es demasiado trabajo. Mira qué convoluciones ven los mapas mayores y agrupa antes.",
                        lambda n: n >= WORK,
                    ),
                    Mistake(19.1, "Escríbelas enteras, como las da la calculadora.", lambda n: 0 < n < 1000),
                    Mistake(
                        309_926,
                        "Eso parecen los parámetros: con las convoluciones, las multiplicaciones son muchas más.",
                        lambda n: 1000 <= n < 1_000_000,
                    ),
                ),
                accepts=lambda n: 1_000_000 <= n < WORK,
            ),
        ),
    ),
    Exercise(
        "mejorar-6",
        "Otra vara de medir, con el explorador y sin Python",
        "Ponlo a prueba con noventa ejecuciones",
        (
            Question(
                "best_shifted",
                NUMBER,
                0.780,
                "Con las prendas movidas tres píxeles, esa es la mayor de las noventa.",
                (
                    Mistake(
                        0.594, "Esa es la desplazada de la mejor en validación. Cambia «La mejor, según»."
                    ),
                    Mistake(0.788, "Esa es su prueba oficial. Mira la fila de la prueba desplazada."),
                    Mistake(0.790, "Esa es su validación. Mira la fila de la prueba desplazada."),
                    Mistake(78.0, "Escríbela como fracción, entre 0 y 1, y no en tanto por ciento."),
                ),
                tolerance=0.0006,
            ),
            Question(
                "validation_winner_shifted",
                NUMBER,
                0.594,
                "La que más acierta con las prendas centradas se hunde cuando se mueven.",
                (
                    Mistake(0.780, "Esa es la de la otra red. Elige otra vez por validación."),
                    Mistake(0.872, "Esa es su prueba oficial. Mira la fila de la prueba desplazada."),
                    Mistake(0.888, "Esa es su validación. Mira la fila de la prueba desplazada."),
                    Mistake(59.4, "Escríbela como fracción, entre 0 y 1, y no en tanto por ciento."),
                ),
                tolerance=0.0006,
            ),
            Question(
                "not_distinguishable",
                NUMBER,
                21,
                "Con una semilla de cada una, cualquiera de ellas podría ser la mejor.",
                (
                    Mistake(28, "Esas son las que no se distinguen en validación."),
                    Mistake(14, "Esas son las que no se distinguen en la prueba oficial."),
                    Mistake(69, "Esas son las que sí se distinguen."),
                    Mistake(20, "El explorador cuenta también a la propia mejor."),
                ),
            ),
        ),
    ),
    Exercise(
        "mejorar-7",
        "Tu idea, medida",
        "¿Cuándo una diferencia es un hecho?",
        (
            Question(
                "decide",
                FUNCTION,
                _decide,
                "Distingue lo que mejora, lo que empeora y lo que no se nota.",
                (
                    Mistake(
                        lambda without, with_idea: True,
                        f"Tiene que devolver una de estas palabras: {', '.join(ANSWERS)}.",
                        lambda f: any(answer not in ANSWERS for answer in _answers(f)),
                    ),
                    Mistake(
                        _never_worse,
                        "Si la exactitud baja mucho con la idea, tiene que decir «empeora»: el signo cuenta.",
                        lambda f: _answers(f)[:2] == ("mejora", "mejora"),
                    ),
                    Mistake(
                        lambda without, with_idea: _decide(with_idea, without),
                        "Está al revés: mejora si la media con la idea es la mayor.",
                        lambda f: _answers(f)[:2] == ("empeora", "mejora"),
                    ),
                    Mistake(
                        _by_means,
                        "Llama mejora a una diferencia menor que su error. Compárala con tres veces el error.",
                        lambda f: _answers(f)[2] != "no se nota",
                    ),
                    Mistake(
                        _without_dividing,
                        "Con doce semillas de cada una el error es menor: divide cada varianza entre sus semillas.",
                        lambda f: _answers(f)[3] == "no se nota",
                    ),
                ),
                accepts=lambda f: _answers(f) == ("mejora", "empeora", "no se nota", "mejora"),
            ),
            Question(
                "accuracies",
                ARRAY,
                ((0.417, 0.401, 0.433), (0.684, 0.666, 0.678)),
                "Dos filas con las mismas semillas: así se puede comparar.",
                (
                    Mistake(
                        ((41.7, 40.1, 43.3), (68.4, 66.6, 67.8)),
                        "Escríbelas como fracción, entre 0 y 1, y no en tanto por ciento.",
                        lambda table: bool((table > 1).any()),
                    ),
                    Mistake(
                        (0.417, 0.684),
                        "Son dos filas: sin la idea y con ella, cada una con todas sus semillas.",
                        lambda table: table.ndim != 2 or len(table) != 2,
                    ),
                    Mistake(
                        ((0.417,), (0.684,)),
                        "Con menos de tres semillas de cada no se sabe cuánto se mueve la exactitud sola.",
                        lambda table: table.shape[1] < 3,
                    ),
                    Mistake(
                        ((0.417, 0.417, 0.417), (0.684, 0.666, 0.678)),
                        "Una fila tiene siempre el mismo número. ¿Has cambiado la semilla antes de construir la red?",
                        lambda table: bool((table.max(axis=1) == table.min(axis=1)).any()),
                    ),
                ),
                accepts=_measured,
            ),
        ),
    ),
)
