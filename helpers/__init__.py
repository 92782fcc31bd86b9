"""Paquete del libro «Redes convolucionales, capa por capa».

Un módulo por asunto: `data`, `models`, `augmentation`, `training`, `evaluation`, `plots`, `widgets`, `exercises`, `experiments` y
`engine`. Los demás construyen el libro y lo cuidan.
Nada pesado se importa aquí: `helpers.plots`, `helpers.data` y `helpers.widgets` funcionan sin TensorFlow.
"""

import os

from helpers._startup import QuietTensorFlow

__version__ = "0.1.0"

# TensorFlow escribe avisos de arranque en stderr: unos los calla esta variable y otros, anteriores a que la lea,
# QuietTensorFlow. Sin esto aparecen en las salidas de los cuadernos.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
QuietTensorFlow.install()
