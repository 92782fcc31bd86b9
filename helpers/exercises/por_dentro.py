"""Ejercicios del capítulo Ver por dentro."""

from helpers.exercises.core import INTEGERS, NUMBER, Exercise, Mistake, Question, word

EXERCISES = (
    Exercise(
        "por-dentro-1",
        "Que diga camisa, sin Python",
        "Oclusión: tapar y volver a preguntar",
        (
            Question(
                "gray",
                NUMBER,
                28.9,
                "Y dice «camisa», que es lo que era.",
                (
                    Mistake(87.3, "Esa es sin tapar nada. Mira la que sale con el cuadrado."),
                    Mistake(67.5, "Esa es la de «camisa», la rival. Se pide la de «suéter»."),
                    Mistake(0.289, "Escríbela en tanto por ciento, como la da el control."),
                    Mistake(2.3, "Esa es con el cuadrado negro."),
                ),
                tolerance=0.15,
            ),
            Question(
                "black",
                NUMBER,
                2.3,
                "El mismo sitio y el mismo tamaño: solo ha cambiado el gris, y la bajada es otra.",
                (
                    Mistake(28.9, "Esa es con el cuadrado gris. Cambia «Tapado de»."),
                    Mistake(85.5, "Esa es la de «camisa», la rival. Se pide la de «suéter»."),
                    Mistake(0.023, "Escríbela en tanto por ciento, como la da el control."),
                    Mistake(0.4, "Esa es con el cuadrado de 12×12. Déjalo en 8×8."),
                    Mistake(71.8, "Esa es con el cuadrado de 4×4. Déjalo en 8×8."),
                ),
                tolerance=0.15,
            ),
            Question(
                "small_gray",
                word("suéter", "camisa"),
                "suéter",
                "Con 4×4 la probabilidad baja, pero no lo bastante para cambiar de clase.",
                (Mistake("camisa", "Vuelve al gris y pon el cuadrado de 4×4, en el mismo sitio."),),
            ),
        ),
    ),
    Exercise(
        "por-dentro-2",
        "Un bloque más",
        "El campo receptivo",
        (
            Question(
                "side",
                NUMBER,
                22,
                "10, más 2×4 por la convolución, más 1×4 por la agrupación.",
                (
                    Mistake(18, "Ese es el de la convolución. Falta su agrupación."),
                    Mistake(20, "Has duplicado el anterior. Se suman saltos, que ya valen 4."),
                    Mistake(13, "Has sumado ventanas sin multiplicarlas por el salto."),
                    Mistake(14, "Has usado un salto de 1 o de 2. Tras dos agrupaciones vale 4."),
                ),
            ),
            Question(
                "jump",
                NUMBER,
                8,
                "Cada agrupación de paso 2 lo duplica.",
                (
                    Mistake(
                        4, "Ese es el de antes del bloque. La agrupación nueva lo multiplica por su paso."
                    ),
                    Mistake(6, "El salto se multiplica por el paso, no se le suma."),
                    Mistake(2, "Ese es el paso de la agrupación. El salto acumula los de todas."),
                ),
            ),
            Question(
                "sees_the_garment",
                word("sí", "no"),
                "no",
                "22 píxeles son menos que los 28 que puede ocupar una prenda.",
                (Mistake("sí", "Compara el lado con los 28 píxeles que puede ocupar una prenda."),),
            ),
        ),
    ),
    Exercise(
        "por-dentro-3",
        "De dos logits a una razón, sin Python",
        "Un número, de dónde sale",
        (
            Question(
                "ratio",
                NUMBER,
                545,
                "La exponencial de la diferencia de los dos logits.",
                (
                    Mistake(
                        6.301,
                        "Esa es la diferencia de los logits. Falta la exponencial.",
                        lambda ratio: 6 <= ratio < 7,
                    ),
                    Mistake(
                        2.862,
                        "Has dividido los logits. Se dividen sus exponenciales.",
                        lambda ratio: 2.8 <= ratio < 3,
                    ),
                    Mistake(
                        0.00183,
                        "Está al revés: se pide cuántas veces más probable es «suéter».",
                        lambda ratio: 0 < ratio < 0.01,
                    ),
                    Mistake(16_074, "Esa es la exponencial de un solo logit. Falta dividir entre la otra."),
                ),
                tolerance=4,
            ),
        ),
    ),
    Exercise(
        "por-dentro-4",
        "Grad-CAM en otra capa",
        "Grad-CAM: preguntar al gradiente",
        (
            Question(
                "shape",
                INTEGERS,
                (30, 30),
                "Tiene una casilla por cada posición del mapa de la primera convolución.",
                (
                    Mistake((13, 13), "Ese es el de la segunda convolución."),
                    Mistake((15, 15), "Ese es el tamaño tras la agrupación."),
                    Mistake((32, 32), "Ese es el de la imagen. Sin relleno, la convolución quita dos."),
                    Mistake((30, 30, 32), "Los 32 mapas se han sumado en uno."),
                ),
            ),
            Question(
                "pixels",
                NUMBER,
                9,
                "Con 3×3 píxeles se reconoce un borde, no una suela.",
                (
                    Mistake(3, "Ese es el lado. ¿Cuántos píxeles son?"),
                    Mistake(64, "Esos ve una casilla de la segunda convolución."),
                    Mistake(27, "Esos son los números, con sus tres canales. ¿Cuántos píxeles?"),
                ),
            ),
        ),
    ),
    Exercise(
        "por-dentro-5",
        "Ponlo a prueba",
        "¿Depende de lo que la red aprendió?",
        (
            Question(
                "similarity",
                NUMBER,
                0.61,
                "Cambia más que el gradiente por la entrada y mucho menos que la oclusión.",
                (
                    Mistake(
                        1,
                        "Sale 1 si comparas una red consigo misma. Una de las dos tiene que ser la barajada.",
                        lambda value: 0.99 <= value <= 1.01,
                    ),
                    Mistake(
                        0.95,
                        "Ese es el gradiente por la entrada. Quita la multiplicación por la imagen.",
                        lambda value: 0.9 < value < 0.99,
                    ),
                    Mistake(
                        0.06,
                        "Eso se parece a la oclusión o a Grad-CAM. ¿Has sumado el valor absoluto sobre los canales?",
                        lambda value: -0.3 < value < 0.3,
                    ),
                    Mistake(
                        61,
                        "Una correlación va de −1 a 1.",
                        lambda value: abs(value) > 1.01,
                    ),
                ),
                accepts=lambda value: 0.5 < value < 0.7,
            ),
            Question(
                "passes",
                word("sí", "no", "a medias"),
                "a medias",
                "Una parte del mapa la pone la arquitectura: qué píxeles entran en más ventanas.",
                (
                    Mistake(
                        "sí",
                        "Si dependiera solo de los pesos, con ellos barajados el parecido rondaría el cero.",
                    ),
                    Mistake("no", "Un mapa que no depende de los pesos se quedaría cerca de 1."),
                ),
            ),
        ),
    ),
)
