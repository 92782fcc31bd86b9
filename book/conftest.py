"""Segunda barrera de los cuadernos, en la misma ejecución de nbval.

nbval compara las salidas con las guardadas, pero da por buena una orden mágica mal escrita (IPython la
cuenta como texto), no exige que falle la celda etiquetada `raises-exception` y no mira ni las imágenes ni
las salidas de las celdas `nbval-ignore-output`. Aquí las salidas recién obtenidas de cada celda pasan por las
mismas comprobaciones que las guardadas. Así cada cuaderno se ejecuta una sola vez.
"""

import pytest
from nbval.plugin import IPyNbCell

from helpers.notebook_checks import OUTPUT_CHECKS
from helpers.notebooks import normalize_output


def _alternative_texts(outputs):
    return [
        output["metadata"].get("image/png", {}).get("alt")
        for output in outputs
        if "image/png" in output.get("data", {})
    ]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Después de que nbval ejecute y compare una celda, comprueba sus salidas."""
    result = yield
    if isinstance(item, IPyNbCell) and item.test_outputs is not None:
        outputs = [normalize_output(output) for output in item.test_outputs]
        fresh = {"cells": [{**item.cell, "outputs": outputs}], "metadata": {}}
        problems = [problem for check in OUTPUT_CHECKS for problem in check(fresh)]
        # El texto alternativo lleva los números de la figura: es lo que se puede comparar de una imagen.
        if item.options["check"] and _alternative_texts(item.test_outputs) != _alternative_texts(item.cell.outputs):
            problems.append("el texto alternativo de una figura ha cambiado")
        if problems:
            item.raise_cell_error("; ".join(problems))
    return result
