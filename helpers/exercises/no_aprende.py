"""Ejercicios del capítulo Mi red no aprende."""

from math import log

from helpers.exercises.core import FUNCTION, NUMBER, Exercise, Mistake, Question, word

CAUSES = ("entrada", "código", "etiquetas", "sobreajuste", "bien")
"""Lo que puede contestar la función del último ejercicio."""

HEALTHY = (2.35, 1.0, 0.80, 0.78, 10), (4.62, 1.0, 0.60, 0.55, 100), (0.70, 1.0, 0.95, 0.92, 2)
"""Redes sanas de 10, 100 y 2 clases: (pérdida inicial, exactitud en 50, entrenamiento, validación, clases)."""

TOO_HIGH, TOO_LOW = (63.3, 1.0, 0.75, 0.74, 10), (0.10, 1.0, 0.80, 0.78, 10)
"""La pérdida inicial se aparta del logaritmo del número de clases por arriba y por abajo."""

STUCK, BOTH = (2.30, 0.10, 0.10, 0.10, 10), (2.30, 0.40, 0.97, 0.65, 10)
"""No puede con cincuenta imágenes; en la segunda, además, las curvas se separan."""

SHUFFLED = (2.30, 1.0, 0.14, 0.10, 10), (0.69, 1.0, 0.52, 0.51, 2)
"""La validación acierta lo que el azar, con 10 clases y con 2."""

OVERFITTED = (2.30, 1.0, 0.97, 0.65, 10)

CASES = (*HEALTHY, TOO_HIGH, TOO_LOW, STUCK, BOTH, *SHUFFLED, OVERFITTED)
DIAGNOSES = ("bien",) * 3 + ("entrada",) * 2 + ("código",) * 2 + ("etiquetas",) * 2 + ("sobreajuste",)


def _diagnose(initial_loss, fifty, train, val, classes):
    if abs(initial_loss - log(classes)) > 0.5:
        return "entrada"
    if fifty < 0.9:
        return "código"
    if val <= 1.5 / classes:
        return "etiquetas"
    if train - val > 0.1:
        return "sobreajuste"
    return "bien"


def _always_ten(initial_loss, fifty, train, val, classes):
    return (
        "entrada" if abs(initial_loss - 2.303) > 0.5 else _diagnose(log(classes), fifty, train, val, classes)
    )


def _only_above(initial_loss, fifty, train, val, classes):
    return _diagnose(max(initial_loss, log(classes)), fifty, train, val, classes)


def _chance_of_ten(initial_loss, fifty, train, val, classes):
    found = _diagnose(initial_loss, fifty, train, val, classes)
    return "bien" if found == "etiquetas" and val > 0.15 else found


def _curves_first(initial_loss, fifty, train, val, classes):
    return "sobreajuste" if train - val > 0.1 else _diagnose(initial_loss, fifty, train, val, classes)


def _answers(diagnose, *cases):
    return tuple(diagnose(*case) for case in cases)


EXERCISES = (
    Exercise(
        "no-aprende-1",
        "Cien clases",
        "1. La pérdida antes de empezar",
        (
            Question(
                "hundred",
                NUMBER,
                4.605,
                "El logaritmo de 100: lo que cuesta repartir por igual.",
                (
                    Mistake(2.303, "Esa es la de diez clases."),
                    Mistake(2, "Ese es el logaritmo en base 10. La pérdida usa el natural."),
                    Mistake(0.01, "Esa es la probabilidad que da a cada clase. Falta −log."),
                    Mistake(23.03, "No es diez veces la de diez clases: es el logaritmo de 100."),
                ),
                tolerance=0.006,
            ),
            Question(
                "two",
                NUMBER,
                0.693,
                "El logaritmo de 2.",
                (
                    Mistake(0.301, "Ese es el logaritmo en base 10. La pérdida usa el natural."),
                    Mistake(0.5, "Esa es la probabilidad que da a cada clase. Falta −log."),
                    Mistake(-0.693, "Falta el signo menos: una pérdida no es negativa."),
                ),
                tolerance=0.002,
            ),
        ),
    ),
    Exercise(
        "no-aprende-2",
        "El diagnóstico",
        "Del síntoma a la causa",
        (
            Question(
                "cause",
                word("a", "b", "c", "d"),
                "b",
                "Con cincuenta etiquetas falsas también se puede: se memorizan. Con todas, no queda nada que valga para otras.",
                (
                    Mistake("a", "Con una tasa tan alta tampoco se aprendería las cincuenta."),
                    Mistake("c", "Una red pequeña acertaría poco, pero más que el azar."),
                    Mistake("d", "Con los pesos a cero no se movería, ni con cincuenta."),
                ),
            ),
            Question(
                "look",
                word("imágenes", "pesos", "curvas"),
                "imágenes",
                "Diez de cada conjunto, con su etiqueta, y su mínimo, su máximo y su forma.",
                (
                    Mistake("pesos", "Los pesos se mueven: la pérdida de entrenamiento baja."),
                    Mistake("curvas", "Las curvas ya te han contado el síntoma. ¿Dónde está la causa?"),
                ),
            ),
        ),
    ),
    Exercise(
        "no-aprende-3",
        "Provoca otro",
        "7. Imágenes invertidas",
        (
            Question(
                "accuracy_change",
                NUMBER,
                0,
                "Las imágenes son grises: sus tres canales son iguales.",
                (
                    Mistake(
                        0.75,
                        "Esa es la exactitud. ¿Cuánto cambia respecto a la de las imágenes sin tocar?",
                        lambda change: 0.6 < change < 0.9,
                    ),
                    Mistake(
                        -0.72,
                        "Eso pasa al invertir la imagen (`1 - x_val`). Aquí se invierte el orden de los canales.",
                        lambda change: change < -0.5,
                    ),
                ),
                tolerance=0.0005,
            ),
            Question(
                "sample_reveals_it",
                word("sí", "no"),
                "no",
                "Una prueba solo descubre un fallo si sus datos lo notan.",
                (Mistake("sí", "Con la muestra, la exactitud con los canales al revés es la misma."),),
            ),
        ),
    ),
    Exercise(
        "no-aprende-4",
        "En el laboratorio, sin Python",
        "3. Una tasa demasiado alta",
        (
            Question(
                "finishes",
                word("sí", "no"),
                "no",
                "La pérdida se dispara en los primeros pasos y el laboratorio lo para.",
                (Mistake("sí", "Mira el mensaje que sale bajo el botón al entrenar con tasa 1."),),
            ),
            Question(
                "rate",
                NUMBER,
                0.03,
                "Está en el borde: con otra semilla puede salir la de al lado.",
                (
                    Mistake(1, "Con 1 la red se rompe en los primeros pasos.", lambda rate: rate >= 1),
                    Mistake(
                        0.001,
                        "Con esa aprende, pero hay otra mayor con la que también.",
                        lambda rate: 0.0003 <= rate <= 0.01,
                    ),
                    Mistake(
                        0.0001,
                        "Esa es tan pequeña que en tres épocas apenas avanza. Se pide la mayor.",
                        lambda rate: 0 < rate < 0.0003,
                    ),
                ),
                accepts=lambda rate: rate in (0.03, 0.1),
            ),
            Question(
                "zero_loss",
                NUMBER,
                2.30,
                "La de repartir entre diez. Si los pesos son cero, su gradiente también, y la tasa no tiene qué multiplicar.",
                (
                    Mistake(0, "Los pesos valen cero; la pérdida, no."),
                    Mistake(0.1, "Esa es la exactitud. Se pide la pérdida."),
                    Mistake(1, "Ese es el logaritmo en base 10 de las clases. Léela en el laboratorio."),
                ),
                tolerance=0.011,
            ),
        ),
    ),
    Exercise(
        "no-aprende-5",
        "La tabla, en una función",
        "Del síntoma a la causa",
        (
            Question(
                "diagnose",
                FUNCTION,
                _diagnose,
                "Acierta con las diez redes de la prueba, de 2, 10 y 100 clases.",
                (
                    Mistake(
                        lambda initial_loss, fifty, train, val, classes: None,
                        f"Tiene que devolver una de estas palabras: {', '.join(CAUSES)}.",
                        lambda f: any(answer not in CAUSES for answer in _answers(f, *CASES)),
                    ),
                    Mistake(
                        _always_ten,
                        "Con 2 o con 100 clases la pérdida inicial no es 2.303: usa el logaritmo de `classes`.",
                        lambda f: "entrada" in _answers(f, *HEALTHY),
                    ),
                    Mistake(
                        _only_above,
                        "La pérdida inicial también puede ser sospechosa por pequeña. Usa el valor absoluto.",
                        lambda f: _answers(f, TOO_HIGH) == ("entrada",) != _answers(f, TOO_LOW),
                    ),
                    Mistake(
                        _curves_first,
                        "Mira en el orden de la lista: si no puede con cincuenta, las curvas aún no dicen nada.",
                        lambda f: _answers(f, BOTH) == ("sobreajuste",),
                    ),
                    Mistake(
                        _chance_of_ten,
                        "El azar depende de las clases: con dos, acertar la mitad es no saber nada.",
                        lambda f: _answers(f, SHUFFLED[1]) != ("etiquetas",),
                    ),
                ),
                accepts=lambda f: _answers(f, *CASES) == DIAGNOSES,
            ),
        ),
    ),
)
