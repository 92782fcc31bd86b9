"""Experimentos registrados: los números del libro y la orden que repite cada uno.

`python -m helpers.experiments list | run NOMBRE… | predict NOMBRE… | verify | compare CARPETA | table`

- `catalogue`: qué experimentos hay y con qué configuración.
- `runner`: entrena uno y mide lo que se guarda.
- `cluster`: lo mismo, repartido entre los ordenadores de un clúster de Ray (`run NOMBRE… --ray DIRECCIÓN`).
- `predictions`: las probabilidades registradas de una red guardada.
- `records`: los archivos JSON de `book/results/`, sus sumas de verificación y su comprobación. Sin TensorFlow.
- `comparison`: una ejecución repetida frente a la registrada. Sin TensorFlow.
- `sheet`: el texto de la página «Ficha de los experimentos». Sin TensorFlow.
"""
