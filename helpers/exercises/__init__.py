"""Los ejercicios del libro, que se corrigen solos.

    from helpers.exercises import check

    check("datos-1", shape=..., bytes_uint8=..., bytes_float32=...)

Mientras queden puntos suspensivos dice «sin responder». Al responder, dice si está bien y por qué, o da una pista pensada
para ese error. `personal("tu-correo")` sortea una red para cada estudiante, siempre la misma, con sus preguntas.

Cada ejercicio se declara una sola vez, en el módulo de su capítulo; la solución que se lee en el cuaderno es una llamada
a `check`, y una prueba la ejecuta. Añadir un error conocido es añadir un `Mistake` con un ejemplo y su pista.
"""

from typing import Any

from helpers.exercises import (
    arquitectura,
    aumento,
    convolucion,
    datos,
    entrenamiento,
    evaluacion,
    guardar,
    mejorar,
    no_aprende,
    por_dentro,
)
from helpers.exercises.core import grade, report
from helpers.exercises.personal import PersonalExercise, personal

__all__ = ["EXERCISES", "PersonalExercise", "check", "personal"]

EXERCISES = {
    exercise.id: exercise
    for chapter in (
        datos,
        convolucion,
        arquitectura,
        aumento,
        entrenamiento,
        evaluacion,
        mejorar,
        por_dentro,
        guardar,
        no_aprende,
    )
    for exercise in chapter.EXERCISES
}
"""Todos los ejercicios, por su identificador y en el orden del libro."""


def check(exercise_id: str, **answers: Any) -> None:
    """Corrige un ejercicio y escribe qué está bien y qué falta.

    Argumentos:
        exercise_id: el que dice el capítulo, p. ej. «datos-1».
        **answers: una respuesta por pregunta; `...` es «sin responder».

    Lanza:
        ValueError: si no hay ningún ejercicio que se llame así.
        TypeError: si se responde a una pregunta que el ejercicio no tiene.
    """
    if exercise_id not in EXERCISES:
        chapter = str(exercise_id).rsplit("-", 1)[0]
        near = [name for name in EXERCISES if name.startswith(chapter)] or list(EXERCISES)
        raise ValueError(f"No hay ningún ejercicio «{exercise_id}». Hay: {', '.join(near)}.")
    exercise = EXERCISES[exercise_id]
    print(report(exercise, grade(exercise, answers)))
