"""El arranque en silencio de TensorFlow y lo que se dice cuando falta."""

import importlib
import os
import subprocess
import sys
from importlib.machinery import ModuleSpec

import pytest

import helpers
from helpers import _startup
from helpers._startup import QuietTensorFlow


def run_python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", timeout=300)


def test_importing_keras_after_helpers_writes_nothing():
    done = run_python("import helpers\nimport keras\nkeras.ops.ones(2)\nprint(keras.backend.backend())")
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "tensorflow", "")


def test_helpers_does_not_import_tensorflow():
    done = run_python("import sys, helpers, helpers.plots, helpers.data, helpers.widgets\nprint('keras' in sys.modules)")
    assert done.stdout.strip() == "False", done.stderr


def test_the_finder_is_installed_once_and_only_minds_tensorflow():
    importlib.reload(helpers)
    assert sys.meta_path.count(QuietTensorFlow) == 1
    assert QuietTensorFlow.find_spec("keras") is None


def test_only_the_load_is_quiet_and_its_errors_pass_through(monkeypatch, capfd):
    class Loader:
        def exec_module(self, module):
            os.write(2, b"ruido de arranque\n")
            raise ImportError("fallo de verdad")

    class Finder:
        @staticmethod
        def find_spec(name, path, target):
            return ModuleSpec(name, Loader())

    monkeypatch.setattr(_startup.sys, "meta_path", [QuietTensorFlow, Finder])
    spec = QuietTensorFlow.find_spec("tensorflow")
    with pytest.raises(ImportError, match="fallo de verdad"):
        spec.loader.exec_module(None)
    os.write(2, b"despues\n")
    assert capfd.readouterr().err == "despues\n"


def test_a_missing_tensorflow_is_explained():
    done = run_python("import sys\nsys.modules['tensorflow'] = None\nimport helpers._keras")
    assert "ModuleNotFoundError: Falta el paquete «tensorflow», que" in done.stderr
    assert "pip install -r requirements.txt" in done.stderr
