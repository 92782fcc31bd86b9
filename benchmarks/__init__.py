"""Mediciones de `make bench`."""
