"""Figuras ligeras: cada PNG guardado en un cuaderno se publica como WebP sin pérdida y con solo los colores que se notan.

Los cuadernos no cambian: sus figuras tienen hasta 256 colores. Casi todos son mezclas del suavizado de letras y líneas, que
el ojo no distingue de la de al lado; al juntarlas, la figura pesa la mitad. Cada figura se convierte una vez: su nombre
es la huella de su contenido, y una construcción posterior encuentra la hecha.
"""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = (20, 24, 28, 32, 40, 48, 64, 96, 128)
MAXIMUM_ERROR = 1.75  # diferencia cuadrática media por canal, de 255: un cambio así no se ve
REVISION = 1  # súbelo si cambia la conversión: las figuras ya hechas dejan de valer
# Sphinx llama así a las figuras que salen de los cuadernos.
_STORED = re.compile(r"_images/([0-9a-f]{64})\.png")


def published_name(digest):
    """Nombre del archivo en el que se publica la figura de esa huella."""
    return f"{digest[:32]}-{REVISION}.webp"


def rename_figures(html):
    """Cambia en una página los nombres de las figuras guardadas por los de las publicadas."""
    return _STORED.sub(lambda found: f"_images/{published_name(found[1])}", html)


def merge_steps(colours, counts):
    """Junta colores de dos en dos, primero los que menos se notan, hasta dejar uno.

    De cada grupo queda su color más frecuente, así que los fondos y los rellenos no cambian. Un color pesa según la raíz de
    sus píxeles: los de un marcador pequeño también cuentan.

    Argumentos:
        colours: (N, 3), los colores.
        counts: (N,), los píxeles de cada uno.

    Devuelve:
        Una lista de parejas (el que desaparece, el que lo sustituye), en orden.
    """
    weight = np.sqrt(counts.astype(float))
    squared = ((colours[:, None].astype(float) - colours[None]) ** 2).sum(-1)
    # Lo que costaría cambiar i por j: solo se cambia el menos frecuente por el más frecuente.
    cost = np.where(weight[:, None] <= weight[None], squared * weight[:, None], np.inf)
    np.fill_diagonal(cost, np.inf)
    alive, steps = np.ones(len(colours), bool), []
    for _ in range(len(colours) - 1):
        gone, kept = np.unravel_index(cost.argmin(), cost.shape)
        steps.append((gone, kept))
        weight[kept] += weight[gone]
        alive[gone] = False
        cost[gone] = cost[:, gone] = np.inf
        # `kept` pesa ahora más: quizá ya no sea el menos frecuente de algunas parejas.
        smaller = alive & (weight <= weight[kept])
        smaller[kept] = False
        larger = alive & (weight > weight[kept])
        cost[:, kept] = np.where(smaller, squared[:, kept] * weight, np.inf)
        cost[kept] = np.where(larger, squared[kept] * weight[kept], np.inf)
    return steps


def fewer_colours(colours, counts):
    """El color que sustituye a cada uno, con los menos colores de `COLOURS` que no pasan de `MAXIMUM_ERROR`.

    Devuelve:
        (N, 3) uint8; los mismos colores si ni siquiera con el mayor número de `COLOURS` basta.
    """
    if len(colours) <= COLOURS[0]:
        return colours
    group, places, steps = np.arange(len(colours)), len(colours), merge_steps(colours, counts)
    wanted, found = set(COLOURS), {}
    for gone, kept in steps:
        group[group == gone] = kept
        places -= 1
        if places in wanted:
            found[places] = colours[group]
    for places in sorted(found):
        error = ((found[places].astype(float) - colours) ** 2).mean(1) @ counts / counts.sum()
        if error <= MAXIMUM_ERROR**2:
            return found[places]
    return colours


def lighten(image):
    """Una figura con menos colores, si los tiene en una paleta; si no, tal cual."""
    if image.mode != "P" or "transparency" in image.info:
        return image if image.mode in {"RGB", "RGBA"} else image.convert("RGBA")
    places = np.asarray(image)
    palette = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
    counts = np.bincount(places.ravel(), minlength=len(palette))
    used = np.flatnonzero(counts)
    palette[used] = fewer_colours(palette[used], counts[used])
    return Image.fromarray(palette[places])


def publish(source, target):
    """Escribe en `target` la figura de `source`, ya ligera. Un archivo a medias nunca lleva el nombre definitivo."""
    partial = target.with_suffix(".parte")
    with Image.open(source) as image:
        lighten(image).save(partial, "WEBP", lossless=True, quality=50, method=2)
    partial.replace(target)


def publish_figures(app, exception):
    """Convierte las figuras nuevas de `_images` y cambia sus nombres en las páginas."""
    if exception or app.builder.format != "html":
        return
    site = Path(app.outdir)
    stored = {path: published_name(path.stem) for path in site.glob("_images/*.png") if len(path.stem) == 64}
    todo = [
        (path, path.with_name(name)) for path, name in stored.items() if not path.with_name(name).exists()
    ]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda pair: publish(*pair), todo))
    for path in stored:
        path.unlink()
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        renamed = rename_figures(text)
        if renamed != text:
            page.write_text(renamed, encoding="utf-8")


def setup(app):
    """Conecta la conversión al final de la construcción."""
    app.connect("build-finished", publish_figures, priority=890)
