"""Una red distinta para cada estudiante, siempre la misma, con sus preguntas y su corrector.

Del texto que identifica a cada uno (un correo, un número de matrícula) sale un resumen SHA-256, y de sus bytes, la red.
No interviene ningún generador de azar, así que la misma persona tiene la misma red en cualquier equipo y versión.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from helpers.exercises.core import ARRAY, NUMBER, Exercise, Mistake, Question, grade, report

__all__ = ["PersonalExercise", "personal"]

HEIGHTS = (28, 32, 36, 40, 44, 48)
EXTRA_WIDTHS = (4, 8, 12, 16)
"""El ancho nunca es igual que el alto: con lados iguales no se notaría que alguien los cambia."""

CHANNELS = (1, 3)
FIRST_FILTERS = (8, 12, 16, 20, 24)
SECOND_FILTERS = (28, 32, 40, 48, 56)
KERNELS = (3, 5)
UNITS = (40, 50, 60, 64, 72, 80, 96)
CLASSES = (3, 4, 5, 6, 7, 8, 9)


def personal(seed_text: str) -> "PersonalExercise":
    """Sortea la red de una persona.

    Argumentos:
        seed_text: lo que la identifica. No cuentan las mayúsculas ni los espacios de los extremos.

    Lanza:
        ValueError: si el texto está vacío o no es un texto.
    """
    if not isinstance(seed_text, str) or not seed_text.strip():
        raise ValueError(
            "Escribe entre comillas tu correo o tu número de matrícula: de ese texto sale tu red."
        )
    code = seed_text.strip().casefold()
    digest = hashlib.sha256(code.encode("utf-8")).digest()
    options = (HEIGHTS, EXTRA_WIDTHS, CHANNELS, FIRST_FILTERS, SECOND_FILTERS, KERNELS, UNITS, CLASSES)
    # Cuatro bytes por sorteo: el resumen tiene 32, justo para los ocho.
    drawn = [
        choices[int.from_bytes(digest[4 * place : 4 * place + 4], "big") % len(choices)]
        for place, choices in enumerate(options)
    ]
    height, extra, channels, first, second, kernel, units, classes = drawn
    return PersonalExercise(code, (height, height + extra, channels), (first, second), kernel, units, classes)


@dataclass(frozen=True)
class PersonalExercise:
    """La red de una persona y sus cuatro preguntas. `print` escribe el enunciado.

    Atributos:
        code: el texto del que salió, en minúsculas y sin espacios a los lados.
        input_shape: (alto, ancho, canales); el ancho es mayor que el alto.
        filters: filtros de las dos convoluciones.
        kernel_size: lado del núcleo de las dos.
        dense_units: unidades de la capa densa.
        num_classes: clases de la salida.
    """

    code: str
    input_shape: tuple[int, int, int]
    filters: tuple[int, int]
    kernel_size: int
    dense_units: int
    num_classes: int

    def __str__(self) -> str:
        """El enunciado."""
        height, width, channels = self.input_shape
        side = self.kernel_size
        return "\n".join(
            [
                f"La red de {self.code}",
                f"  entrada: {height} de alto, {width} de ancho, {channels} canal{'es' if channels > 1 else ''}",
                f"  1. convolución: {self.filters[0]} filtros de {side}×{side}, sin relleno, ReLU",
                "  2. agrupación máxima de 2×2",
                f"  3. convolución: {self.filters[1]} filtros de {side}×{side}, sin relleno, ReLU",
                "  4. agrupación máxima de 2×2",
                "  5. aplanado",
                f"  6. densa de {self.dense_units} unidades, ReLU",
                f"  7. densa de {self.num_classes} unidades, softmax",
                "Preguntas",
                "  shapes: la salida de las capas 1 a 4, cuatro filas (alto, ancho, canales)",
                "  params: los parámetros de cada capa, siete números",
                "  receptive_field: el campo receptivo tras la capa 4, en píxeles",
                "  macs: las multiplicaciones de toda la red por imagen",
            ]
        )

    def build(self) -> Any:
        """Construye la red en Keras; sin compilar."""
        from helpers.models import build_cnn

        return build_cnn(
            input_shape=self.input_shape,
            filters=self.filters,
            kernel_size=self.kernel_size,
            dense_units=self.dense_units,
            num_classes=self.num_classes,
            name="red_personal",
        )

    def check(self, **answers: Any) -> None:
        """Corrige `shapes`, `params`, `receptive_field` y `macs`, y escribe qué está bien y qué falta."""
        exercise = self.exercise()
        print(report(exercise, grade(exercise, answers)))

    def exercise(self) -> Exercise:
        """El ejercicio que corresponde a la red, con los errores conocidos calculados para ella."""
        shapes, fields = self._maps()
        params, macs = self._params(shapes), self._macs(shapes)
        without_bias = params - self._biases()
        return Exercise(
            "personal",
            "Tu propia red",
            "¿Dónde están los parámetros y dónde el trabajo?",
            (
                Question(
                    "shapes",
                    ARRAY,
                    shapes,
                    "Cada convolución quita un borde y cada agrupación deja la mitad, sin el resto.",
                    (
                        Mistake([(w, h, c) for h, w, c in shapes], "Has puesto el ancho delante del alto."),
                        Mistake(
                            self._maps(same=True)[0],
                            "Has contado con relleno. Sin él, cada convolución encoge.",
                        ),
                        Mistake([(c, h, w) for h, w, c in shapes], "Los canales van al final."),
                    ),
                ),
                Question(
                    "params",
                    ARRAY,
                    params,
                    "Solo tienen parámetros las convoluciones y las densas.",
                    (
                        Mistake(without_bias, "Faltan los sesgos: uno por filtro y uno por unidad."),
                        Mistake(
                            self._flat_params(params),
                            "Cada filtro de la capa 3 atraviesa todos los mapas que le llegan.",
                        ),
                        Mistake(
                            params[params > 0], "Son siete números: las capas sin parámetros llevan un 0."
                        ),
                    ),
                ),
                Question(
                    "receptive_field",
                    NUMBER,
                    fields[3],
                    "Cada capa añade (lado − 1) por el salto con que le llega la imagen.",
                    (
                        Mistake(fields[2], "Ese es el de la capa 3. Falta la agrupación."),
                        Mistake(fields[1], "Ese es el de la capa 2. Faltan dos capas."),
                        Mistake(
                            2 * (self.kernel_size - 1) + 3,
                            "Tras una agrupación, cada paso son dos píxeles de la imagen.",
                        ),
                    ),
                ),
                Question(
                    "macs",
                    NUMBER,
                    macs,
                    "En una convolución, cada peso se usa una vez por posición.",
                    (
                        Mistake(
                            int(without_bias.sum()),
                            "Esos son los pesos. En una convolución, cada uno se usa muchas veces.",
                        ),
                        Mistake(int(params.sum()), "Esos son los parámetros de la red."),
                        Mistake(macs - int(without_bias[5:].sum()), "Faltan las capas densas."),
                    ),
                ),
            ),
        )

    # Las cuentas, a mano: así el corrector no necesita TensorFlow. Una prueba las compara con la red construida.

    def _maps(self, same=False):
        height, width, _ = self.input_shape
        shapes, fields, field, jump = [], [], 1, 1
        loss = 0 if same else self.kernel_size - 1
        for count in self.filters:
            height, width, field = height - loss, width - loss, field + (self.kernel_size - 1) * jump
            shapes.append((height, width, count))
            fields.append(field)
            height, width, field, jump = height // 2, width // 2, field + jump, 2 * jump
            shapes.append((height, width, count))
            fields.append(field)
        return shapes, fields

    def _biases(self):
        first, second = self.filters
        return np.array([first, 0, second, 0, 0, self.dense_units, self.num_classes])

    def _params(self, shapes: Sequence[tuple[int, int, int]]):
        first, second = self.filters
        height, width, _ = shapes[3]
        window = self.kernel_size**2
        weights = [
            window * self.input_shape[2] * first, 0, window * first * second, 0, 0,
            height * width * second * self.dense_units, self.dense_units * self.num_classes,
        ]  # fmt: skip
        return self._biases() + weights

    def _flat_params(self, params):
        changed = params.copy()
        changed[2] = (self.kernel_size**2 + 1) * self.filters[1]
        return changed

    def _macs(self, shapes):
        weights = self._params(shapes) - self._biases()
        positions = [shapes[0][0] * shapes[0][1], 0, shapes[2][0] * shapes[2][1], 0, 0, 1, 1]
        return int((weights * positions).sum())
