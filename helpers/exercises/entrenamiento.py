"""Ejercicios del capítulo Entrenamiento."""

from helpers.exercises.core import ARRAY, NUMBER, Exercise, Mistake, Question, word

EXERCISES = (
    Exercise(
        "entrenamiento-1",
        "Otra softmax a mano",
        "De tres logits a una pérdida",
        (
            Question(
                "probabilities",
                ARRAY,
                (0.867, 0.117, 0.016),
                "Cada exponencial, dividida entre la suma de las tres.",
                (
                    Mistake(
                        (0.016, 0.117, 0.867), "Están al revés: el logit mayor recibe la probabilidad mayor."
                    ),
                    Mistake(
                        (1, 0.333, -0.333),
                        "Has dividido los logits. Antes se pasa cada uno por la exponencial.",
                    ),
                    Mistake(
                        (86.7, 11.7, 1.6), "Escríbelas como fracción, entre 0 y 1, y no en tanto por ciento."
                    ),
                    Mistake(
                        (20.086, 2.718, 0.368), "Esas son las exponenciales. Falta dividir entre su suma."
                    ),
                ),
                tolerance=0.002,
            ),
            Question(
                "loss",
                NUMBER,
                4.143,
                "Menos el logaritmo de la probabilidad de la tercera clase.",
                (
                    Mistake(0.143, "Esa es la pérdida si la correcta fuera la primera clase."),
                    Mistake(1.799, "Ese es el logaritmo en base 10. La pérdida usa el natural."),
                    Mistake(-4.143, "Falta el signo menos: una pérdida no es negativa."),
                    Mistake(0.984, "Eso es 1 − p. La pérdida es −log p."),
                ),
                tolerance=0.012,
            ),
        ),
    ),
    Exercise(
        "entrenamiento-2",
        "Contar pasos",
        "Lotes, pasos y épocas",
        (
            Question(
                "steps",
                NUMBER,
                704,
                "703 lotes llenos y uno más con lo que queda.",
                (
                    Mistake(703, "Falta el lote de las que sobran."),
                    Mistake(703.125, "Un paso no se da a medias."),
                    Mistake(1407, "Eso sale con lotes de 32. Estos son de 64."),
                ),
            ),
            Question(
                "last_batch",
                NUMBER,
                8,
                "45 000 − 703 × 64 = 8.",
                (
                    Mistake(64, "45 000 no es múltiplo de 64: el último lote no se llena."),
                    Mistake(0.125, "Esa es la parte de lote que queda. ¿Cuántas imágenes son?"),
                    Mistake(56, "Esas son las que faltan para llenarlo."),
                ),
            ),
            Question(
                "updates",
                NUMBER,
                21_120,
                "Los pesos cambian una vez por paso: 30 × 704.",
                (
                    Mistake(21_090, "Te has dejado el último lote de cada época."),
                    Mistake(30, "Los pesos no cambian una vez por época, sino en cada paso."),
                    Mistake(1_350_000, "Esas son las imágenes vistas. Los pesos cambian una vez por lote."),
                ),
            ),
        ),
    ),
    Exercise(
        "entrenamiento-3",
        "El segundo paso",
        "Un peso, un paso",
        (
            Question(
                "weight",
                NUMBER,
                0.946,
                "La derivada es −0.354, y se da media derivada hacia el otro lado.",
                (
                    Mistake(0.592, "Has ido cuesta arriba: se resta la derivada, y es negativa."),
                    Mistake(1.123, "Falta multiplicar por la tasa, que es 0.5."),
                    Mistake(
                        0.858, "En la derivada falta la entrada: (p − 1) se multiplica por x, que vale 2."
                    ),
                    Mistake(1.181, "Has multiplicado por p en vez de por p − 1."),
                ),
                tolerance=0.003,
            ),
        ),
    ),
    Exercise(
        "entrenamiento-4",
        "Atascada",
        "Antes de entrenar: 2.303",
        (
            Question(
                "probability",
                NUMBER,
                0.1,
                "−log 0.1 = 2.303: da lo mismo a las diez clases.",
                (
                    Mistake(2.303, "Esa es la pérdida. ¿Qué probabilidad la da?"),
                    Mistake(10, "Escríbela como fracción, entre 0 y 1, y no en tanto por ciento."),
                    Mistake(0.9, "Esa es la proporción de fallos."),
                ),
                tolerance=0.001,
            ),
            Question(
                "first_test",
                word("a", "b", "c", "d"),
                "b",
                "Cuesta un minuto y descarta la causa más corriente.",
                (
                    Mistake("a", "Si en cinco épocas no se ha movido, más épocas son más espera."),
                    Mistake("c", "Más filtros no arreglan una red que no aprende nada."),
                    Mistake("d", "Otra semilla cambia unos puntos, no una pérdida clavada en 2.303."),
                ),
            ),
        ),
    ),
    Exercise(
        "entrenamiento-5",
        "¿Dónde está el borde?",
        "Cuánto moverse: la tasa de aprendizaje",
        (
            Question(
                "rate",
                NUMBER,
                2.2,
                "La teoría dice 2.25: 2 entre la curvatura del valle.",
                (
                    Mistake(2.3, "Con esa ya no se asienta. Se pide la última que sí."),
                    Mistake(2.25, "Ese es el borde exacto. Se pide con una décima, y que se asiente."),
                    Mistake(
                        1.9,
                        "Aún se puede subir: usa steps=200, que cerca del borde tarda.",
                        lambda r: 0 < r < 2.2,
                    ),
                    Mistake(6, "Con esa salta de lado a lado, como en la figura.", lambda r: r > 2.3),
                ),
            ),
        ),
    ),
    Exercise(
        "entrenamiento-6",
        "Encuentra la fuga",
        "Tres partes, tres oficios",
        (
            Question(
                "procedure",
                word("a", "b", "c", "d"),
                "c",
                "La validación elige, y la prueba mide una vez lo ya elegido.",
                (
                    Mistake("a", "Sigue eligiendo con la prueba: el número sale inflado."),
                    Mistake("b", "La exactitud de entrenamiento premia a la que más memoriza."),
                    Mistake("d", "La media de seis tasas no es la exactitud de ninguna red."),
                ),
            ),
        ),
    ),
    Exercise(
        "entrenamiento-7",
        "Con el control, sin Python",
        "Noventa ejecuciones, sin esperar",
        (
            Question(
                "best_validation",
                NUMBER,
                0.888,
                "Es la mayor de 90, así que lleva algo de suerte dentro.",
                (
                    Mistake(0.872, "Esa es la de la prueba oficial. Mira la de validación."),
                    Mistake(88.8, "Escríbela como fracción, entre 0 y 1, y no en tanto por ciento."),
                    Mistake(0.112, "Esa es la proporción de fallos."),
                ),
                tolerance=0.0006,
            ),
            Question(
                "best_test",
                NUMBER,
                0.872,
                "Más de un punto menos que en validación, y no ha empeorado: era suerte.",
                (
                    Mistake(0.888, "Esa es la de validación, con la que se eligió."),
                    Mistake(87.2, "Escríbela como fracción, entre 0 y 1, y no en tanto por ciento."),
                    Mistake(0.128, "Esa es la proporción de fallos."),
                ),
                tolerance=0.0006,
            ),
            Question(
                "not_distinguishable",
                NUMBER,
                28,
                "Con una semilla de cada una, no hay ganadora.",
                (
                    Mistake(62, "Esas son las que sí se distinguen."),
                    Mistake(27, "El explorador cuenta también a la propia mejor."),
                    Mistake(90, "Esas son todas."),
                    Mistake(1, "La mejor no es la única: cuenta las que dice el explorador."),
                ),
            ),
        ),
    ),
)
