"""Piezas comunes de las pruebas: los datos de la muestra y la regla de las pruebas con CIFAR-10."""

import os
import sys
from pathlib import Path

import pytest
from built_book import build_book, serve
from jupyter_sites import Classic, Lab

from helpers.data import load_dataset, subset

ROOT = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(config, items):
    """Sin `CIFAR10_NPZ`, las pruebas `cifar10` se apartan; `pytest_report_header` lo dice en una línea."""
    if os.environ.get("CIFAR10_NPZ"):
        return
    apart = [item for item in items if item.get_closest_marker("cifar10")]
    if apart:
        config.hook.pytest_deselected(items=apart)
        items[:] = [item for item in items if item not in apart]


def pytest_report_header():
    path = os.environ.get("CIFAR10_NPZ")
    if path:
        return f"CIFAR-10: {path}"
    return "CIFAR-10: sin CIFAR10_NPZ, las pruebas marcadas «cifar10» se apartan"


@pytest.fixture(scope="session")
def root():
    """Raíz del repositorio."""
    return ROOT


@pytest.fixture(scope="session")
def sample_dataset():
    """La muestra entera de Fashion-MNIST: 6000, 1000 y 2000 imágenes."""
    return load_dataset()


@pytest.fixture(scope="session")
def tiny_dataset(sample_dataset):
    """200, 100 y 100 imágenes, con todas las clases por igual."""
    return subset(sample_dataset, 200, 100, 100)


@pytest.fixture(scope="session")
def book(tmp_path_factory):
    """El libro, construido una vez para todas las pruebas."""
    return build_book(tmp_path_factory.mktemp("libro"))


@pytest.fixture(scope="session")
def server(book):
    """El libro servido en este equipo; da su dirección."""
    with serve(book.site) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    """Chromium sin ventana y sin red, uno por archivo de pruebas."""
    from browsers import chromium  # aquí dentro: en el entorno de Colab no hay Playwright

    with chromium(offline=True) as browser:
        yield browser


@pytest.fixture(params=[Lab, Classic], ids=["jupyterlab", "notebook-colab"])
def jupyter_site(request, root):
    """Cada uno de los dos Jupyter, con el Python de su entorno."""
    python = Path(sys.executable) if request.param is Lab else root / ".venv-colab" / "bin" / "python"
    assert python.exists(), f"Falta {python}: créalo con «make entorno-colab»."
    return request.param(), python
