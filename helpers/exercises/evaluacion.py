"""Ejercicios del capítulo Evaluación."""

from helpers.exercises.core import NUMBER, Exercise, Mistake, Question, word

YES_NO = word("sí", "no")

EXERCISES = (
    Exercise(
        "evaluacion-1",
        "Cuatro épocas",
        "El cruce de las curvas no es un óptimo",
        (
            Question(
                "recipe_epoch",
                NUMBER,
                1,
                "0.675 y 0.68 distan 0.005, y la receta se queda con la primera que lo cumple.",
                (
                    Mistake(0, "Es esa, pero aquí se cuenta desde 1."),
                    Mistake(4, "Esa es la de mayor exactitud. La receta busca dos curvas a menos de 0.01."),
                    Mistake(3, "Esa es la de menor pérdida de validación. La receta no mira la pérdida."),
                ),
            ),
            Question(
                "your_epoch",
                NUMBER,
                3,
                "Es la de menor pérdida de validación.",
                (
                    Mistake(2, "Es la tercera: aquí se cuenta desde 1."),
                    Mistake(
                        4,
                        "Su exactitud es una centésima mayor, que con 1000 imágenes cabe en el azar. ¿Y la pérdida?",
                    ),
                    Mistake(1, "Ahí la red aún estaba aprendiendo: la pérdida de validación baja después."),
                ),
            ),
        ),
    ),
    Exercise(
        "evaluacion-2",
        "Una matriz a mano",
        "Qué dice cada métrica",
        (
            Question(
                "accuracy",
                NUMBER,
                0.85,
                "La diagonal, 170, entre las 200.",
                (
                    Mistake(85, "Escríbela como fracción, entre 0 y 1, y no en tanto por ciento."),
                    Mistake(0.15, "Esa es la proporción de fallos."),
                    Mistake(0.8, "Esa es la exhaustividad macro. La exactitud cuenta cada imagen una vez."),
                    Mistake(170, "Esos son los aciertos. Falta dividir entre las imágenes."),
                ),
                tolerance=0.001,
            ),
            Question(
                "dog_precision",
                NUMBER,
                0.75,
                "De las 40 veces que dijo perro, 30 lo era.",
                (
                    Mistake(
                        0.6,
                        "Esa es la exhaustividad: has usado la fila. La precisión mira la columna, lo que se dijo.",
                    ),
                    Mistake(75, "Escríbela como fracción, entre 0 y 1, y no en tanto por ciento."),
                    Mistake(0.15, "Has dividido entre las 200. Divide entre las veces que se dijo perro."),
                ),
                tolerance=0.001,
            ),
            Question(
                "dog_recall",
                NUMBER,
                0.6,
                "De los 50 perros, encontró 30.",
                (
                    Mistake(
                        0.75,
                        "Esa es la precisión: has usado la columna. La exhaustividad mira la fila, lo que era.",
                    ),
                    Mistake(60, "Escríbela como fracción, entre 0 y 1, y no en tanto por ciento."),
                    Mistake(0.15, "Has dividido entre las 200. Divide entre los perros que hay."),
                ),
                tolerance=0.001,
            ),
            Question(
                "macro_recall",
                NUMBER,
                0.8,
                "La media de 0.8, 0.6 y 1: cada clase pesa un tercio.",
                (
                    Mistake(
                        0.85,
                        "Esa es la exactitud, que pesa cada clase por sus imágenes. La macro las pesa igual.",
                    ),
                    Mistake(80, "Escríbela como fracción, entre 0 y 1, y no en tanto por ciento."),
                    Mistake(2.4, "Esa es la suma de las tres. Falta dividir entre 3."),
                ),
                tolerance=0.001,
            ),
        ),
    ),
    Exercise(
        "evaluacion-3",
        "Subir el umbral",
        "El umbral escondido de `Precision()` y `Recall()`",
        (
            Question(
                "recall_can_rise",
                YES_NO,
                "no",
                "Toda casilla que supera 0.9 supera 0.5: se cuentan las mismas verdaderas, o menos.",
                (Mistake("sí", "Piensa qué casillas superan 0.9 y no superaban 0.5."),),
            ),
            Question(
                "accuracy_can_rise",
                YES_NO,
                "no",
                "Solo mira cuál es la mayor, y el umbral no la cambia.",
                (Mistake("sí", "La exactitud no usa ningún umbral: mira cuál es la clase más probable."),),
            ),
            Question(
                "precision_can_rise",
                YES_NO,
                "sí",
                "Suele subir, porque calla donde más falla, aunque no es seguro.",
                (
                    Mistake(
                        "no",
                        "Si las dudosas que ahora callas eran sobre todo fallos, ¿qué pasa con el cociente?",
                    ),
                ),
            ),
        ),
    ),
    Exercise(
        "evaluacion-4",
        "¿Cuántas imágenes harían falta?",
        "¿Cuánta seguridad dan unos miles de imágenes?",
        (
            Question(
                "images",
                NUMBER,
                17_400,
                "Medio punto a cada lado pide unas 17 400: el margen baja con la raíz del número.",
                (
                    Mistake(
                        4400,
                        "Ese es un margen de un punto a cada lado. Se pide medio.",
                        lambda n: 4200 < n < 4600,
                    ),
                    Mistake(10_000, "Con 10 000 el margen es de 0.66 puntos: aún no basta."),
                    Mistake(
                        69_500,
                        "Ese es un cuarto de punto a cada lado: el intervalo entero puede medir un punto.",
                        lambda n: 68_000 < n < 71_000,
                    ),
                    Mistake(
                        2000, "Dividir el margen entre dos no pide el doble de imágenes, sino el cuádruple."
                    ),
                ),
                tolerance=200,
            ),
        ),
    ),
    Exercise(
        "evaluacion-5",
        "Otras direcciones",
        "Tres píxeles a la derecha",
        (
            Question(
                "worst",
                word("lado", "abajo", "diagonal"),
                "diagonal",
                "Junta los dos desplazamientos.",
                (
                    Mistake("lado", "Duele, pero hay una dirección que junta esta con otra."),
                    Mistake("abajo", "Es la que menos duele. Compara las tres exactitudes."),
                ),
            ),
            Question(
                "mildest",
                word("lado", "abajo", "diagonal"),
                "abajo",
                "Casi todas las prendas llenan el alto del marco, y muchas son más estrechas que él.",
                (
                    Mistake(
                        "lado", "Movidas a un lado, las prendas pisan casillas que casi no se entrenaron."
                    ),
                    Mistake("diagonal", "Esa lleva los dos desplazamientos: es la que más duele."),
                ),
            ),
        ),
    ),
    Exercise(
        "evaluacion-6",
        "Con el control, sin Python",
        "El umbral escondido de `Precision()` y `Recall()`",
        (
            Question(
                "without_class",
                NUMBER,
                465,
                "Casi una de cada cuatro se queda sin respuesta.",
                (
                    Mistake(1535, "Esas son las que sí reciben una clase."),
                    Mistake(375, "Eso es con 0.85. Sube el umbral hasta 0.9."),
                    Mistake(63, "Esas son las que reciben una clase equivocada."),
                ),
            ),
            Question(
                "hits",
                NUMBER,
                1472,
                "1472 de las 2000: la exhaustividad baja a 0.736.",
                (
                    Mistake(1535, "Esas son las casillas dichas. ¿Cuántas eran verdaderas?"),
                    Mistake(1747, "Esas son las que acierta la clase más probable, sin umbral."),
                    Mistake(0.736, "Esa es la exhaustividad. Se pregunta el recuento que hay detrás."),
                ),
            ),
        ),
    ),
)
