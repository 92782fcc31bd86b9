"""Único punto de entrada a Keras: su ausencia se explica en español y su arranque no ensucia la salida."""

import contextlib
import os
import sys


@contextlib.contextmanager
def _quiet_startup():
    """Calla el descriptor 2 mientras dura el bloque.

    La biblioteca en C++ de TensorFlow anuncia al cargarse qué instrucciones usa y que no encuentra una GPU, antes de leer
    TF_CPP_MIN_LOG_LEVEL; en un cuaderno, esas líneas salen en rojo como si algo fallara. Un error de verdad llega como
    excepción de Python, que no pasa por aquí.
    """
    try:
        saved = os.dup(2)
    except OSError:  # sin stderr de verdad (algunos entornos gráficos de Windows)
        yield
        return
    silence = os.open(os.devnull, os.O_WRONLY)
    try:
        sys.stderr and sys.stderr.flush()
        os.dup2(silence, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(silence)


try:
    with _quiet_startup():
        import keras
        import tensorflow  # noqa: F401  (el motor de Keras: si falta, mejor saberlo aquí)
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"Falta el paquete «{error.name}», que este módulo necesita para construir y entrenar redes. "
        "Instálalo con: pip install -r requirements.txt (desde la carpeta del libro), o abre el cuaderno en Colab.",
        name=error.name,
    ) from error

__all__ = ["keras"]
