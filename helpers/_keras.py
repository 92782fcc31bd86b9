"""Único punto de entrada a Keras, para que su ausencia se explique en español."""

try:
    import keras
    import tensorflow  # noqa: F401  (el motor de Keras: si falta, mejor saberlo aquí)
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"Falta el paquete «{error.name.split('.')[0]}», que este módulo necesita para construir y entrenar redes. "
        "Instálalo con: pip install -r requirements.txt (desde la carpeta del libro), o abre el cuaderno en Colab.",
        name=error.name,
    ) from error

__all__ = ["keras"]
