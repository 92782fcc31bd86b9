"""Mediciones de `make bench`: `python -m benchmarks [PARTE…]`."""
