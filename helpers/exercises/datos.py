"""Ejercicios del capítulo Datos."""

from helpers.exercises.core import INTEGERS, NUMBER, Exercise, Mistake, Question, word

CLASSES = (
    "camiseta", "pantalón", "suéter", "vestido", "abrigo", "sandalia", "camisa", "zapatilla", "bolso", "botín",
)  # fmt: skip

EXERCISES = (
    Exercise(
        "datos-1",
        "Formas y bytes",
        "El orden: alto, ancho, canales",
        (
            Question(
                "shape",
                INTEGERS,
                (480, 640, 3),
                "Alto, ancho, canales: 480 filas de 640 píxeles con 3 números cada uno.",
                (
                    Mistake(
                        (640, 480, 3), "Has puesto el ancho delante. En NumPy y en Keras va primero el alto."
                    ),
                    Mistake((3, 480, 640), "Los canales van al final; delante los ponen otras bibliotecas."),
                    Mistake((480, 640), "Faltan los canales: es una foto en color."),
                ),
            ),
            Question(
                "bytes_uint8",
                NUMBER,
                921_600,
                "480 × 640 × 3 números, de un byte cada uno.",
                (
                    Mistake(307_200, "Esos son los píxeles. Cada píxel tiene tres números."),
                    Mistake(7_372_800, "Eso son bits. Un uint8 ocupa un byte."),
                    Mistake(3_686_400, "Eso es lo que ocupa en float32. Un uint8 ocupa un solo byte."),
                ),
            ),
            Question(
                "bytes_float32",
                NUMBER,
                3_686_400,
                "Los mismos números, de cuatro bytes cada uno.",
                (
                    Mistake(7_372_800, "Eso es float64: ocho bytes por número. Un float32 tiene 32 bits."),
                    Mistake(
                        921_600,
                        "Eso es lo que ocupa en uint8. Un float32 tiene 32 bits, que son cuatro bytes.",
                    ),
                    Mistake(29_491_200, "Has multiplicado por 32: son los bits. Un byte tiene ocho."),
                ),
            ),
        ),
    ),
    Exercise(
        "datos-2",
        "One-hot, en los dos sentidos",
        "Las etiquetas: de un nombre a una fila de ceros y un uno",
        (
            Question(
                "label_3",
                INTEGERS,
                (0, 0, 0, 1, 0),
                "Se cuenta desde 0, así que la 3 es la cuarta posición.",
                (
                    Mistake((0, 0, 1, 0, 0), "Has contado desde 1. Las clases se numeran desde 0."),
                    Mistake(
                        (0, 0, 0, 3, 0),
                        "El sitio es ese, pero se marca con un 1, no con el número de la clase.",
                    ),
                    Mistake((0, 0, 0, 1), "Falta una posición: hay tantas como clases, y son cinco."),
                ),
            ),
            Question(
                "second",
                NUMBER,
                1,
                "El uno está en la segunda posición, que es la clase 1.",
                (
                    Mistake(2, "Has contado desde 1. La primera posición es la clase 0."),
                    Mistake(
                        3, "Has contado desde el final. La primera posición, a la izquierda, es la clase 0."
                    ),
                    Mistake(4, "Esos son los ceros que hay. Busca en qué posición está el uno."),
                ),
            ),
            Question(
                "third_is_one_hot",
                word("sí", "no"),
                "no",
                "Tiene dos unos, y one-hot quiere decir un solo uno.",
                (Mistake("sí", "Cuenta los unos: en one-hot hay exactamente uno."),),
            ),
        ),
    ),
    Exercise(
        "datos-3",
        "Cuántos lotes",
        "Una cadena que prepara lotes",
        (
            Question(
                "steps",
                NUMBER,
                188,
                "187 lotes llenos y uno más con lo que queda.",
                (
                    Mistake(187, "Las imágenes que sobran también se usan: forman un lote más."),
                    Mistake(
                        187.5, "Un paso no se puede dar a medias: ¿qué pasa con las imágenes que sobran?"
                    ),
                    Mistake(192_000, "Has multiplicado. Pregunta cuántos grupos de 32 hay en 6000."),
                ),
            ),
            Question(
                "last_batch",
                NUMBER,
                16,
                "6000 − 187 × 32 = 16.",
                (
                    Mistake(32, "6000 no es múltiplo de 32: el último lote no se llena."),
                    Mistake(0.5, "Ese es el medio lote. ¿Cuántas imágenes son?"),
                    Mistake(0, "Sobran algunas: 187 lotes llenos no llegan a 6000."),
                ),
            ),
            Question(
                "cifar_steps",
                NUMBER,
                1407,
                "1406 lotes llenos y uno de 8 imágenes.",
                (
                    Mistake(1406, "Falta el lote de las que sobran."),
                    Mistake(
                        1563, "Eso sale con 50 000. Para entrenar quedan 45 000: las otras son de validación."
                    ),
                    Mistake(45_000, "Esas son las imágenes. ¿Cuántos lotes de 32 hacen falta?"),
                ),
            ),
        ),
    ),
    Exercise(
        "datos-4",
        "Un clasificador de diez medias",
        "Fugas: cuando la respuesta se cuela",
        (
            Question(
                "accuracy",
                NUMBER,
                0.687,
                "Diez medias, sin entrenar nada, pasan con mucho del 0.1 de la mayoría.",
                (
                    Mistake(
                        68.7,
                        "Escríbela como fracción, entre 0 y 1, y no en tanto por ciento.",
                        lambda a: a > 1,
                    ),
                    Mistake(0.313, "Esa es la proporción de fallos."),
                    Mistake(0.1, "Esa es la línea base de la mayoría, no la de las medias."),
                ),
                tolerance=0.006,
            ),
            Question(
                "worst",
                word(*CLASSES),
                "camisa",
                "Su media es un borrón parecido a los de camiseta, suéter y abrigo.",
                (
                    Mistake("pantalón", "Esa es la que mejor sale. Busca la menor proporción, no la mayor."),
                    Mistake("suéter", "Es la segunda peor. Mira otra vez las diez proporciones."),
                    Mistake(
                        "botín",
                        "Su contorno no se parece a ningún otro. Calcula la proporción de cada clase.",
                        lambda name: name != "camisa",
                    ),
                ),
            ),
        ),
    ),
    Exercise(
        "datos-5",
        "¿Dónde está la fuga?",
        "Fugas: cuando la respuesta se cuela",
        (
            Question(
                "split_by",
                word("foto", "planta", "vivero"),
                "planta",
                "Así ninguna planta de la prueba se ha visto al entrenar.",
                (
                    Mistake("foto", "Eso es lo que se hizo: cada planta quedó a los dos lados."),
                    Mistake("vivero", "Las 2000 fotos son de un solo vivero: no hay nada que repartir."),
                ),
            ),
            Question(
                "test_plants",
                NUMBER,
                40,
                "400 fotos son las diez de cada una de 40 plantas.",
                (
                    Mistake(400, "Esas son las fotos. Cada planta tiene diez."),
                    Mistake(160, "Esas son las de entrenamiento."),
                    Mistake(200, "Esas son todas las plantas: no quedaría ninguna para entrenar."),
                ),
            ),
        ),
    ),
    Exercise(
        "datos-6",
        "Con el control, sin Python",
        "El orden: alto, ancho, canales",
        (
            Question(
                "first_output",
                INTEGERS,
                (30, 46, 32),
                "La convolución quita dos filas y dos columnas, y da 32 mapas.",
                (
                    Mistake(
                        (46, 30, 32), "Has puesto 48 de alto y 32 de ancho. El primer número es el alto."
                    ),
                    Mistake((32, 48, 3), "Esa es la entrada. Mira la fila de la primera convolución."),
                    Mistake((15, 23, 32), "Esa es la salida de la agrupación. Mira una fila más arriba."),
                ),
            ),
            Question(
                "params",
                NUMBER,
                512_330,
                "Y con 48×32 saldrían los mismos: el total no delata los lados cambiados.",
                (
                    Mistake(315_722, "Ese es el total con 32×32: falta cambiar la entrada."),
                    Mistake(840_010, "Ese es el total con 48×48: cambia solo el ancho."),
                    Mistake(491_648, "Esa es una sola capa, la primera densa. Mira el total de la red."),
                ),
            ),
        ),
    ),
)
