"""Controles del libro. Se importan sin TensorFlow."""
