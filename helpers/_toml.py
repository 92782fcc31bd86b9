"""Lectura de las listas de excepciones de la prosa, que son TOML y se escriben a mano."""

import sys
from pathlib import Path


def read_toml(path: Path, error: type[ValueError]) -> dict:
    """Devuelve el contenido de un archivo TOML.

    Lanza:
        error: si falta o no es TOML, con su nombre y el motivo.
    """
    # Aquí dentro: en Python 3.10 `tomli` solo está con las pruebas, y construir el libro no lee estas listas.
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib  # lo trae pytest
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise error(f"No existe {path}.") from None
    except tomllib.TOMLDecodeError as reason:
        raise error(f"{Path(path).name} no es TOML válido: {reason}.") from reason
