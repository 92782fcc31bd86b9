#!/usr/bin/env bash
# Comprueba que están los navegadores que piden las pruebas (chromium, firefox) y, si faltan, los instala.
# Como administrador en Debian usa apt; en otro caso, el Chromium de Playwright. Si no puede, falla y dice qué hacer.
set -euo pipefail
cd "$(dirname "$0")/.."

tiene() {
    case "$1" in
        chromium) .venv/bin/python -c 'import sys; sys.path.insert(0, "tests")
from browsers import find_chromium, sync_playwright
with sync_playwright() as playwright: find_chromium(playwright)' ;;
        firefox) command -v firefox-esr || command -v firefox ;;
    esac >/dev/null 2>&1
}

for navegador in "$@"; do
    tiene "$navegador" && continue
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        paquete=$navegador; [ "$navegador" = firefox ] && paquete=firefox-esr
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$paquete" >/dev/null
    elif [ "$navegador" = chromium ]; then
        .venv/bin/playwright install chromium
    fi
    tiene "$navegador" || { echo "Falta $navegador y no se pudo instalar. Instálalo (en Debian: sudo apt install chromium firefox-esr) y repite." >&2; exit 1; }
done
