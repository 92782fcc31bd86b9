"""Muestra de Fashion-MNIST que viaja con el libro: un PNG, sus etiquetas y su licencia."""
