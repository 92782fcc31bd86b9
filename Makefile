# La única entrada del proyecto. `make ayuda` dice qué hace cada objetivo.
# Cada objetivo prepara lo que le falta: crea .venv, instala (con las versiones de requirements.lock) y sigue.
# Una vez instalado, nada de esto usa la red.

SHELL := /bin/bash
.DEFAULT_GOAL := libro
.PHONY: libro test test-full lint bench ejecutar numeros repositorio servir usb pdf limpiar ayuda candado motor entorno-libro entorno entorno-colab entorno-motor entorno-escalar

VENV := .venv
PY := $(VENV)/bin/python
BUSCA_PYTHON := for p in python3 python3.13 python3.12 python3.11 python3.10; do \
	$$p -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && { command -v $$p; break; }; done
PYTHON ?= $(shell $(BUSCA_PYTHON))
INSTALA := $(PY) -m pip install --quiet --disable-pip-version-check -c requirements.lock
PAGINA := _build/html/index.html
# Dos pruebas a la vez, y las de un mismo archivo en el mismo proceso: comparten el libro construido y el navegador.
A_LA_VEZ := -n 2 --dist loadfile
# Lo que también debe funcionar con las versiones de Colab: el paquete, sin el libro ni sus herramientas.
PRUEBAS_COLAB := $(foreach modulo,data models augmentation training evaluation plots training_panel experiments,tests/test_$(modulo).py)

libro: entorno-libro  ## Construye el libro en _build/html (es lo que hace `make` a secas)
	$(PY) -m helpers.book
	@echo "Listo. Abre este archivo en tu navegador: $(CURDIR)/$(PAGINA)"

test: entorno  ## Pruebas: paquete, libro, páginas en Chromium y todos los cuadernos
	tests/navegadores.sh chromium
	tests/hunspell.sh
	$(PY) -m pytest -m "not completo" $(A_LA_VEZ)
	$(PY) -m pytest -p no:cacheprovider --nbval --nbval-sanitize-with tests/nbval-sanear.cfg book $(A_LA_VEZ)

test-full: test entorno-colab entorno-motor entorno-escalar  ## Lo anterior y además Firefox, JupyterLab, las versiones de Colab, Ray y el motor recompilado
	tests/navegadores.sh chromium firefox
	$(PY) -m pytest -m completo $(A_LA_VEZ)
	.venv-colab/bin/python -m pytest -p no:cacheprovider $(PRUEBAS_COLAB) $(A_LA_VEZ)

lint: entorno  ## Estilo del código, forma normal de los cuadernos y palabras: glosario, ortografía, primeras menciones y enlaces
	tests/hunspell.sh
	$(VENV)/bin/ruff check .
	$(PY) -m helpers.notebooks comprobar
	$(PY) -m helpers.prose_lint comprobar

bench: entorno  ## Mide lo que el libro promete y dice qué no llega (PARTES="motor memoria …" para algunas)
	$(PY) -m benchmarks $(PARTES)

ejecutar: entorno  ## Vuelve a ejecutar los cuadernos y guarda sus salidas (CUADERNOS="book/datos.ipynb …" para algunos)
	$(PY) -m helpers.notebooks ejecutar $(CUADERNOS)

numeros: entorno  ## Escribe en la prosa los números de los registros (los que llevan la marca «dato»)
	$(PY) -m helpers.prose_numbers reescribir

repositorio: entorno-libro  ## Cambia la dirección del repositorio en todas partes (URL=https://github.com/USUARIO/NOMBRE)
	@[ -n "$(URL)" ] || { echo "Falta la dirección: make repositorio URL=https://github.com/USUARIO/NOMBRE"; exit 1; }
	$(PY) -m helpers.notebooks repositorio $(URL)

servir: libro  ## Construye el libro y lo sirve en http://localhost:8000
	$(PY) -m http.server 8000 --bind 127.0.0.1 --directory _build/html

usb: libro  ## Mete el libro y los cuadernos en un zip que se abre desde el disco (_build/usb)
	$(PY) -m helpers.packaging usb

pdf: libro entorno  ## Hace un PDF del libro con Chromium (_build/pdf)
	tests/navegadores.sh chromium
	$(PY) -m helpers.packaging pdf

motor: entorno-motor  ## Vuelve a compilar el motor del navegador
	$(PY) -m helpers.engine.build

limpiar:  ## Borra lo construido (deja .venv)
	rm -rf _build .pytest_cache .ruff_cache
	find helpers book tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

ayuda:  ## Esta lista
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

candado: entorno  ## Recalcula requirements.lock con las versiones nuevas que admiten los intervalos
	$(INSTALA) 'uv>=0.8,<1'
	$(VENV)/bin/uv pip compile --quiet --upgrade --universal --python-version 3.10 --no-header --no-annotate \
		--no-emit-package redes-convolucionales --all-extras pyproject.toml requirements.txt -o requirements.lock

# --- Entornos: un archivo testigo por cada uno; se rehacen cuando cambia lo que los define ---
$(PY):
	@[ -n "$(PYTHON)" ] || { echo "No encuentro Python 3.10, 3.11, 3.12 ni 3.13. Instálalo (en Debian: apt install python3 python3-venv) o indícalo: make PYTHON=/ruta/a/python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "No se pudo crear $(VENV). En Debian y Ubuntu falta un paquete: apt install python3-venv"; exit 1; }

$(VENV)/.libro: $(PY) pyproject.toml requirements.lock
	$(INSTALA) -e '.[libro]'
	@touch $@

$(VENV)/.todo: $(PY) pyproject.toml requirements.txt requirements.lock
	$(INSTALA) -r requirements.txt -e '.[libro,pruebas]'
	@touch $@ $(VENV)/.libro

entorno-libro: $(VENV)/.libro
entorno: $(VENV)/.todo

# El compilador del motor, de una versión exacta: pesa 80 MB y solo hace falta para recompilarlo.
$(VENV)/.motor: $(VENV)/.todo
	$(INSTALA) -e '.[motor]'
	@touch $@
entorno-motor: $(VENV)/.motor

# Ray y KerasTuner, que solo usa el apéndice «Escalar».
$(VENV)/.escalar: $(VENV)/.todo
	$(INSTALA) -e '.[escalar]'
	@touch $@
entorno-escalar: $(VENV)/.escalar

# Colab lleva otras versiones, que son también las más antiguas admitidas: van en un entorno aparte.
.venv-colab/.todo: tests/requirements-colab.txt pyproject.toml
	$(PYTHON) -m venv .venv-colab
	.venv-colab/bin/python -m pip install --quiet --disable-pip-version-check -r tests/requirements-colab.txt
	@touch $@
entorno-colab: .venv-colab/.todo
