#!/usr/bin/env bash
# Comprueba que está hunspell con su diccionario de español, que revisa la ortografía, y si falta lo instala.
# Como administrador en Debian o Ubuntu (o con sudo sin contraseña) usa apt. Si no puede, falla y dice qué hacer.
set -euo pipefail

tiene() { echo ventana | hunspell -d es_ES -i utf-8 -l >/dev/null 2>&1; }

tiene && exit 0
if command -v apt-get >/dev/null; then
    orden=(); [ "$(id -u)" = 0 ] || orden=(sudo -n)
    "${orden[@]}" apt-get update -qq || true
    "${orden[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq hunspell hunspell-es >/dev/null || true
fi
tiene || {
    echo "Falta hunspell con su diccionario de español y no se pudo instalar." >&2
    echo "En Debian y Ubuntu: sudo apt install hunspell hunspell-es. En macOS: brew install hunspell, y es_ES.aff y es_ES.dic (los de LibreOffice) en ~/Library/Spelling." >&2
    exit 1
}
