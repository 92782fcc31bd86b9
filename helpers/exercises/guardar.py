"""Ejercicios del capítulo Guardar y compartir."""

import math

from helpers.exercises.core import MODEL, NUMBER, Exercise, Mistake, Question, word

FEATURES = 80  # números por imagen que da `compact` antes de su salida
CLASSES = 3


def _transfer_network(frozen="base", classes=CLASSES):
    """Una red de respuesta: la base de `compact` sin entrenar y una cabeza nueva, con lo que diga `frozen` congelado."""
    from helpers._keras import keras
    from helpers.models import build_compact_cnn

    compact = build_compact_cnn()
    base = keras.Model(compact.inputs[0], compact.get_layer("flatten").output)
    base.trainable = frozen == "none"
    inputs = keras.Input((32, 32, 3))
    head = keras.layers.Dense(classes, activation="softmax")
    network = keras.Model(inputs, head(base(inputs, training=False)))
    if frozen == "all":
        network.trainable = False
    return network


def _trainable(network):
    return sum(math.prod(weight.shape) for weight in network.trainable_weights)


def _outputs(network):
    return network.output_shape[-1]


def _is_transfer_network(network):
    return _outputs(network) == CLASSES and _trainable(network) == (FEATURES + 1) * CLASSES


EXERCISES = (
    Exercise(
        "guardar-1",
        "¿Cuánto ocupará?",
        "Qué hay dentro del archivo",
        (
            Question(
                "float32",
                NUMBER,
                1.259,
                "314 698 números de cuatro bytes.",
                (
                    Mistake(
                        0.315, "Esos son millones de parámetros. Cada uno ocupa cuatro bytes en float32."
                    ),
                    Mistake(0.629, "Eso es con dos bytes por número, que es float16."),
                    Mistake(10.07, "Has contado en bits: un byte son ocho."),
                    Mistake(1_258_792, "Eso son bytes. Se piden megabytes, de un millón de bytes."),
                ),
                tolerance=0.006,
            ),
            Question(
                "float16",
                NUMBER,
                0.629,
                "La mitad: dos bytes por número.",
                (
                    Mistake(0.315, "Eso es un byte por número, y float16 tiene dos."),
                    Mistake(1.259, "Eso es lo de float32. float16 ocupa la mitad."),
                ),
                tolerance=0.004,
            ),
            Question(
                "with_adam",
                NUMBER,
                3.77,
                "Los pesos y dos números más por cada uno.",
                (
                    Mistake(
                        2.52, "Adam guarda dos números por peso: la media del gradiente y la de su cuadrado."
                    ),
                    Mistake(1.259, "Esos son solo los pesos. Falta lo que guarda Adam."),
                ),
                tolerance=0.03,
            ),
        ),
    ),
    Exercise(
        "guardar-2",
        "El archivo que responde mal",
        "Lo que el archivo no sabe",
        (
            Question(
                "first_case",
                word("a", "b", "c", "d"),
                "c",
                "Un error que siempre cambia las mismas clases entre sí es el orden de los nombres.",
                (
                    Mistake(
                        "a",
                        "La escala cambia la confianza; no cambia dos clases entre sí.",
                    ),
                    Mistake(
                        "b", "Con otra arquitectura fallaría también entre otras clases, y no siempre igual."
                    ),
                    Mistake("d", "El optimizador no interviene al predecir."),
                ),
            ),
            Question(
                "second_case",
                word("a", "b", "c", "d"),
                "a",
                "Números 255 veces mayores dan logits 255 veces mayores, y la softmax los vuelve certezas.",
                (
                    Mistake(
                        "b",
                        "Con otra arquitectura no acertaría lo mismo. ¿De qué tamaño son los números que entran?",
                    ),
                    Mistake(
                        "c", "El orden de los nombres no cambia las probabilidades, y aquí son siempre 1."
                    ),
                    Mistake("d", "El optimizador no interviene al predecir."),
                ),
            ),
        ),
    ),
    Exercise(
        "guardar-3",
        "El doble de lado, con el control y sin Python",
        "Cuánto cuesta una respuesta",
        (
            Question(
                "macs",
                NUMBER,
                20_429_440,
                "Casi cinco veces más: las convoluciones tienen cuatro veces más posiciones, y la capa densa, más entradas.",
                (
                    Mistake(4_188_800, "Esas son las de 32×32. Cambia el lado de la entrada en el control."),
                    Mistake(16_755_200, "No es exactamente cuatro veces más: mira el total del control."),
                    Mistake(1_626_442, "Esos son los parámetros. Se piden las multiplicaciones."),
                ),
            ),
            Question(
                "params",
                NUMBER,
                1_626_442,
                "Las convoluciones no cambian. La capa densa recibe ahora 12 544 números.",
                (
                    Mistake(315_722, "Esos son los de 32×32. La capa densa crece con la imagen."),
                    Mistake(1_262_888, "No es cuatro veces más: solo crece una capa."),
                    Mistake(20_429_440, "Esas son las multiplicaciones. Se piden los parámetros."),
                ),
            ),
        ),
    ),
    Exercise(
        "guardar-4",
        "La memoria de un lote",
        "Cuánto cuesta una respuesta",
        (
            Question(
                "megabytes",
                NUMBER,
                13.2,
                "51 562 números por imagen, 64 imágenes y cuatro bytes por número.",
                (
                    Mistake(0.206, "Eso es una imagen. El lote tiene 64."),
                    Mistake(3.3, "Faltan los cuatro bytes de cada número."),
                    Mistake(6.6, "Eso es con dos bytes por número. Son de float32."),
                    Mistake(80.8, "Has contado los parámetros, que no se repiten con cada imagen."),
                ),
                tolerance=0.06,
            ),
        ),
    ),
    Exercise(
        "guardar-5",
        "Congela y cuenta",
        "Empezar por lo que otra red ya sabe",
        (
            Question(
                "network",
                MODEL,
                _transfer_network,
                "Solo aprenden los 80 pesos y el sesgo de cada clase: 243 números.",
                (
                    Mistake(
                        lambda: _transfer_network("none"),
                        "Casi todo se entrena todavía. Pon trainable = False en la base.",
                        lambda network: _trainable(network) > 10_000,
                    ),
                    Mistake(
                        lambda: _transfer_network("all"),
                        "No se entrena nada: has congelado también la cabeza.",
                        lambda network: _trainable(network) == 0,
                    ),
                    Mistake(
                        lambda: _transfer_network(classes=10),
                        "La salida tiene que tener tres clases.",
                        lambda network: _outputs(network) != CLASSES,
                    ),
                ),
                accepts=_is_transfer_network,
            ),
            Question(
                "trainable",
                NUMBER,
                243,
                "Ochenta pesos y un sesgo por clase: 81 × 3.",
                (
                    Mistake(240, "Faltan los sesgos, uno por clase."),
                    Mistake(810, "Esos son los de una salida de diez clases."),
                    Mistake(313_888, "Esos son los congelados."),
                ),
            ),
        ),
    ),
    Exercise(
        "guardar-6",
        "¿Reutilizar o empezar de cero?",
        "Empezar por lo que otra red ya sabe",
        (
            Question(
                "decision",
                word("a", "b", "c", "d"),
                "d",
                "Solo una comparación con las mismas imágenes dice cuánto vale lo que la red ya sabía.",
                (
                    Mistake("a", "Puede que sí, pero ¿con qué la has comparado?"),
                    Mistake(
                        "b",
                        "Con pocas fotos, una red de cero aprende poco. Y tampoco la has comparado con nada.",
                    ),
                    Mistake("c", "Más épocas de una red congelada no cambian lo que la base ve."),
                ),
            ),
        ),
    ),
)
