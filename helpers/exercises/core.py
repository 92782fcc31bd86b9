"""Cómo se declara, se corrige y se comenta un ejercicio.

Un ejercicio tiene una o varias preguntas, cada una con un nombre. De cada pregunta se declara la respuesta, por qué lo es
y los errores conocidos: una respuesta equivocada de ejemplo y la pista que le toca. `grade` compara y devuelve veredictos;
`report` los escribe. Ninguna respuesta, por rara que sea, hace fallar la celda: se contesta en español qué se esperaba.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = [
    "ARRAY",
    "FUNCTION",
    "INTEGERS",
    "MODEL",
    "NUMBER",
    "Exercise",
    "Kind",
    "Mistake",
    "Question",
    "UnusableAnswer",
    "Verdict",
    "grade",
    "report",
    "word",
]

RIGHT, WRONG, UNANSWERED, UNUSABLE = "bien", "mal", "sin responder", "no sirve"


class UnusableAnswer(Exception):
    """La respuesta no es de la clase que se pide; el mensaje completa «se espera …»."""


# --- Qué clase de respuesta se espera -------------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """Una clase de respuesta.

    Atributos:
        expected: cómo se le dice al lector qué se espera, p. ej. «un número, como 42 o 0.5».
        convert: lleva la respuesta a su forma normal, o lanza `UnusableAnswer`.
        same: (a, b, tolerancia) → si dos respuestas ya convertidas son la misma.
        lazy: los ejemplos de las declaraciones son funciones sin argumentos que construyen la respuesta. Así, declarar
            un ejercicio cuya respuesta es una red no construye ninguna.
    """

    expected: str
    convert: Callable[[Any], Any]
    same: Callable[[Any, Any, float], bool]
    lazy: bool = False


def _number(value):
    array = _numeric(value, "un número, como 42 o 0.5")
    if array.ndim != 0:
        raise UnusableAnswer("un solo número, sin corchetes ni paréntesis")
    return float(array)


def _numeric(value, expected):
    if isinstance(value, str):
        raise UnusableAnswer(f"{expected}, sin comillas")
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "iuf":
            raise UnusableAnswer(expected)
        return array.astype(np.float64)
    except (TypeError, ValueError):  # listas de largos distintos, objetos que no son números
        raise UnusableAnswer(expected) from None


def _integers(value):
    expected = "una tupla de enteros, como (32, 32, 3)"
    if isinstance(value, set | frozenset | str):
        raise UnusableAnswer(expected)
    array = _numeric(value, expected)
    if array.ndim != 1 or not np.array_equal(array, np.floor(array)):
        raise UnusableAnswer(expected)
    return tuple(int(number) for number in array)


def _array(value):
    array = _numeric(value, "una tabla de números, como [[0, 1], [2, 3]]")
    if array.ndim == 0:
        raise UnusableAnswer("una tabla de números, y has escrito uno solo")
    return array


def _function(value):
    if not callable(value):
        raise UnusableAnswer("una función: su nombre, sin paréntesis detrás")
    return value


def _model(value):
    if not all(hasattr(value, name) for name in ("layers", "count_params", "output_shape")):
        raise UnusableAnswer("una red de Keras, como la que devuelve build_cnn()")
    return value


def _close(a, b, tolerance):
    return abs(a - b) <= tolerance + 1e-9


def _arrays_close(a, b, tolerance):
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=0, atol=tolerance + 1e-9))


def _identical(a, b, tolerance):
    return a is b


def _equal(a, b, tolerance):
    return a == b


NUMBER = Kind("un número, como 42 o 0.5", _number, _close)
INTEGERS = Kind("una tupla de enteros, como (32, 32, 3)", _integers, _equal)
ARRAY = Kind("una tabla de números, como [[0, 1], [2, 3]]", _array, _arrays_close)
FUNCTION = Kind("una función", _function, _identical)
MODEL = Kind("una red de Keras", _model, _identical, lazy=True)


def word(*options: str) -> Kind:
    """Clase de respuesta para elegir una palabra, o una letra, de unas pocas; da igual cómo se use la mayúscula."""
    listed = ", ".join(f'"{option}"' for option in options[:-1]) + f' o "{options[-1]}"'

    def convert(value):
        if not isinstance(value, str) or value.strip().casefold() not in options:
            raise UnusableAnswer(f"una de estas palabras, entre comillas: {listed}")
        return value.strip().casefold()

    return Kind(f"una de estas: {listed}", convert, _equal)


# --- La declaración ------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Mistake:
    """Un error conocido.

    Atributos:
        answer: respuesta equivocada de ejemplo. La prueba la pasa por el corrector y espera esta pista.
        hint: qué se hizo mal, sin dar la respuesta.
        matches: (respuesta convertida) → si es este error. Sin ella, lo es la respuesta igual que `answer`.
    """

    answer: Any
    hint: str
    matches: Callable[[Any], bool] | None = None


@dataclass(frozen=True, eq=False)
class Question:
    """Una pregunta de un ejercicio.

    Atributos:
        name: el nombre con que se responde en `check`.
        kind: la clase de respuesta.
        answer: la respuesta, o un ejemplo de ella si hay muchas (entonces manda `accepts`).
        why: por qué lo es, en una frase; se lee al acertar.
        mistakes: los errores conocidos, en el orden en que se miran.
        tolerance: diferencia absoluta que se perdona en números y tablas.
        accepts: (respuesta convertida) → si vale, cuando hay más de una buena.
    """

    name: str
    kind: Kind
    answer: Any
    why: str
    mistakes: tuple[Mistake, ...]
    tolerance: float = 0.0
    accepts: Callable[[Any], bool] | None = None

    def is_right(self, value: Any) -> bool:
        """Si una respuesta ya convertida es buena."""
        if self.accepts is not None:
            return bool(self.accepts(value))
        return self.kind.same(value, self.kind.convert(self.answer), self.tolerance)

    def mistake_of(self, value: Any) -> Mistake | None:
        """El primer error conocido que explica una respuesta ya convertida."""
        for mistake in self.mistakes:
            if mistake.matches is not None:
                if mistake.matches(value):
                    return mistake
            elif not self.kind.lazy and self.kind.same(
                value, self.kind.convert(mistake.answer), self.tolerance
            ):
                return mistake
        return None


@dataclass(frozen=True, eq=False)
class Exercise:
    """Un ejercicio del libro.

    Atributos:
        id: capítulo y número, p. ej. «datos-1».
        title: como en el capítulo.
        section: la sección que hay que repasar si la respuesta no es ninguno de los errores conocidos.
        questions: sus preguntas, en orden.
    """

    id: str
    title: str
    section: str
    questions: tuple[Question, ...]

    @property
    def chapter(self) -> str:
        """Nombre del cuaderno que lo contiene."""
        return self.id.rsplit("-", 1)[0]


@dataclass(frozen=True)
class Verdict:
    """Lo que se le dice al lector de una pregunta. `status` es «bien», «mal», «sin responder» o «no sirve»."""

    name: str
    status: str
    message: str


# --- Corregir --------------------------------------------------------------------------------------------------


def grade(exercise: Exercise, answers: Mapping[str, Any]) -> tuple[Verdict, ...]:
    """Corrige las respuestas a un ejercicio; no escribe nada.

    Argumentos:
        exercise: el ejercicio.
        answers: una respuesta por nombre de pregunta. La que falta, `...` o `None` queda sin responder.

    Devuelve:
        Un veredicto por pregunta, en orden.

    Lanza:
        TypeError: si se responde a una pregunta que el ejercicio no tiene.
    """
    names = [question.name for question in exercise.questions]
    for name in answers:
        if name not in names:
            raise TypeError(f"El ejercicio {exercise.id} no pregunta «{name}». Pregunta: {', '.join(names)}.")
    return tuple(_judge(exercise, question, answers.get(question.name)) for question in exercise.questions)


def _judge(exercise, question, answer):
    if answer is None or answer is Ellipsis:
        return Verdict(question.name, UNANSWERED, "sin responder.")
    try:
        value = question.kind.convert(answer)
        if question.is_right(value):
            return Verdict(question.name, RIGHT, f"correcto. {question.why}")
        mistake = question.mistake_of(value)
    except UnusableAnswer as error:
        return Verdict(question.name, UNUSABLE, f"no la puedo leer: se espera {error}.")
    except Exception as error:  # el código del lector puede fallar de cualquier manera, y la celda no debe
        message = f"al probarla, tu respuesta falló con {type(error).__name__}: {error}"
        return Verdict(question.name, UNUSABLE, message)
    hint = mistake.hint if mistake else f"Repasa «{exercise.section}» y vuelve a hacer la cuenta."
    return Verdict(question.name, WRONG, f"todavía no. {hint}")


def report(exercise: Exercise, verdicts: tuple[Verdict, ...]) -> str:
    """El texto que lee quien responde: una línea, o una por pregunta."""
    if all(verdict.status == UNANSWERED for verdict in verdicts):
        return f"Ejercicio {exercise.id}: sin responder. Cambia cada … por tu respuesta y vuelve a ejecutar la celda."
    if len(verdicts) == 1:
        return f"Ejercicio {exercise.id}: {verdicts[0].message}"
    right = sum(verdict.status == RIGHT for verdict in verdicts)
    lines = [f"  {verdict.name}: {verdict.message}" for verdict in verdicts]
    return "\n".join([f"Ejercicio {exercise.id}: {right} de {len(verdicts)}.", *lines])
