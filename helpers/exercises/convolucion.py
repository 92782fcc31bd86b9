"""Ejercicios del capítulo Convolución, ReLU y agrupación."""

from helpers.exercises.core import ARRAY, NUMBER, Exercise, Mistake, Question, word

EXERCISES = (
    Exercise(
        "convolucion-1",
        "Una salida a mano",
        "Una ventana que recorre la imagen",
        (
            Question(
                "output",
                ARRAY,
                [[0, 12], [7, 0]],
                "Las sumas son −14, 12, 7 y −17, y la ReLU cambia por 0 las dos negativas.",
                (
                    Mistake([[-14, 12], [7, -17]], "Las sumas están bien. Falta la ReLU."),
                    Mistake([[14, 12], [7, 17]], "La ReLU no quita el signo: cambia lo negativo por 0."),
                    Mistake(
                        [[14, 0], [0, 17]], "Tienes los signos al revés: el centro resta y los vecinos suman."
                    ),
                    Mistake(
                        [[0, 7], [12, 0]],
                        "Has cambiado filas por columnas: la ventana avanza hacia la derecha.",
                    ),
                ),
            ),
        ),
    ),
    Exercise(
        "convolucion-2",
        "Tamaños y parámetros",
        "Relleno y paso: de qué tamaño sale el mapa",
        (
            Question(
                "side",
                NUMBER,
                12,
                "28 − 5 + 1 = 24, y la agrupación lo deja en la mitad.",
                (
                    Mistake(24, "Ese es el lado tras la convolución. Falta la agrupación."),
                    Mistake(14, "Así sería con relleno. Sin él, la convolución encoge el mapa."),
                    Mistake(11, "A 28 se le quita 5 − 1 = 4, no 5 ni 6: caben 24 ventanas."),
                    Mistake(13, "Eso sale con un núcleo de 3×3. Este es de 5×5."),
                ),
            ),
            Question(
                "params",
                NUMBER,
                156,
                "(5×5×1 + 1) × 6.",
                (
                    Mistake(150, "Faltan los sesgos: uno por filtro."),
                    Mistake(151, "Hay un sesgo por filtro, no uno para todos."),
                    Mistake(26, "Esos son los de un solo filtro, y hay seis."),
                    Mistake(456, "Has contado tres canales. La imagen es gris: tiene uno."),
                ),
            ),
        ),
    ),
    Exercise(
        "convolucion-3",
        "Inventa un núcleo",
        "Nueve números, cuatro efectos",
        (
            Question(
                "kernel",
                ARRAY,
                [[1, 0, 0], [0, 0, 0], [0, 0, 0]],
                "Solo cuenta el píxel de arriba a la izquierda, con peso 1.",
                (
                    Mistake(
                        [[0, 0, 0], [0, 1, 0], [0, 0, 0]], "Ese copia el centro: deja la imagen como está."
                    ),
                    Mistake(
                        [[0, 0, 0], [0, 0, 0], [0, 0, 1]],
                        "Ese copia el de abajo a la derecha. Keras no gira el núcleo: cada peso cae sobre su píxel.",
                    ),
                    Mistake([[0, 0, 1], [0, 0, 0], [0, 0, 0]], "Ese copia el de arriba a la derecha."),
                    Mistake([[0, 0, 0], [0, 0, 0], [1, 0, 0]], "Ese copia el de abajo a la izquierda."),
                ),
            ),
        ),
    ),
    Exercise(
        "convolucion-4",
        "Dos ventanas pequeñas o una grande",
        "Varios canales: un filtro es 3×3×C",
        (
            Question(
                "two_small",
                NUMBER,
                18_432,
                "2 × (3×3×32×32).",
                (
                    Mistake(9216, "Esa es una sola de las dos."),
                    Mistake(576, "Cada filtro atraviesa los 32 canales que le llegan: es de 3×3×32."),
                    Mistake(18_496, "El enunciado dice que no hay sesgos."),
                ),
            ),
            Question(
                "one_large",
                NUMBER,
                25_600,
                "5×5×32×32.",
                (
                    Mistake(800, "Cada filtro atraviesa los 32 canales que le llegan: es de 5×5×32."),
                    Mistake(25_632, "El enunciado dice que no hay sesgos."),
                    Mistake(51_200, "Hay una sola de 5×5: no se cuenta dos veces."),
                ),
            ),
        ),
    ),
    Exercise(
        "convolucion-5",
        "¿Agrupar o dar pasos de 2?",
        "Agrupación máxima: gana el mayor",
        (
            Question(
                "learns",
                word("convolución", "agrupación", "las dos"),
                "convolución",
                "Sus pesos deciden cómo se mezcla cada ventana.",
                (
                    Mistake(
                        "agrupación", "La agrupación máxima no tiene pesos: no hay nada que aprender en ella."
                    ),
                    Mistake("las dos", "Cuenta los parámetros de cada una: la agrupación máxima tiene cero."),
                ),
            ),
            Question(
                "loses_bright_pixel",
                word("convolución", "agrupación", "las dos"),
                "convolución",
                "Lo diluye en una suma; el máximo, en cambio, lo guarda.",
                (
                    Mistake("agrupación", "Un píxel más claro que sus vecinos es el máximo de su ventana."),
                    Mistake("las dos", "Una de las dos guarda siempre el mayor de la ventana."),
                ),
            ),
        ),
    ),
    Exercise(
        "convolucion-6",
        "Con el control, sin Python",
        "Pruébalo tú: la convolución paso a paso",
        (
            Question(
                "weight",
                NUMBER,
                2,
                "El píxel del centro a la derecha vale 163, justo lo que faltaba.",
                (
                    Mistake(
                        163,
                        "Eso es lo que tiene que subir la suma. ¿Por cuánto hay que multiplicar ese píxel?",
                    ),
                    Mistake(1, "Con 1, la suma es la de partida."),
                    Mistake(3, "Con 3 sobra un píxel: la suma sube el doble de lo que falta."),
                ),
            ),
            Question(
                "negated_sum",
                NUMBER,
                -459,
                "Cambiar el signo de todos los pesos cambia el de la suma.",
                (
                    Mistake(459, "Esa es la suma de partida: cambia el signo de los nueve pesos."),
                    Mistake(0, "Ese es el valor con la ReLU. Se pregunta la suma."),
                    Mistake(-622, "Has dejado el peso cambiado: pulsa Restablecer antes."),
                ),
            ),
            Question(
                "negated_relu",
                NUMBER,
                0,
                "La ReLU cambia lo negativo por 0.",
                (
                    Mistake(-459, "Esa es la suma. Falta marcar la ReLU."),
                    Mistake(459, "La ReLU no quita el signo: cambia lo negativo por 0."),
                ),
            ),
        ),
    ),
)
