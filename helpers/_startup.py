"""El arranque de TensorFlow, en silencio: sus avisos no ensucian la salida de los cuadernos."""

import contextlib
import os
import sys


@contextlib.contextmanager
def quiet_startup():
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
        if sys.stderr:
            sys.stderr.flush()
        os.dup2(silence, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(silence)


class QuietTensorFlow:
    """Buscador de módulos que carga `tensorflow` dentro de `quiet_startup`, lo importe quien lo importe.

    Así un cuaderno puede escribir `import keras`, como cualquier programa, en la línea que prefiera.
    """

    @classmethod
    def install(cls):
        """Se pone el primero de la lista, una sola vez."""
        if not any(getattr(finder, "__qualname__", "") == cls.__qualname__ for finder in sys.meta_path):
            sys.meta_path.insert(0, cls)

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        """Encuentra `tensorflow` como los demás buscadores y envuelve su carga; del resto no se ocupa."""
        if name != "tensorflow":
            return None
        others = [finder for finder in sys.meta_path if finder is not cls and hasattr(finder, "find_spec")]
        spec = next(filter(None, (finder.find_spec(name, path, target) for finder in others)), None)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            load = spec.loader.exec_module

            def exec_module(module):
                with quiet_startup():
                    load(module)

            spec.loader.exec_module = exec_module
        return spec
