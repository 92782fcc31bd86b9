"""Números escritos para una persona, como los escribe el libro en prosa, tablas, figuras y controles."""

THIN_SPACE = "\N{NARROW NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"


def format_integer(number: int) -> str:
    """Entero con espacio fino entre los miles desde cinco cifras (2304, 18 496) y signo menos de verdad."""
    number = int(number)
    digits = f"{abs(number):,}".replace(",", THIN_SPACE) if abs(number) >= 10_000 else str(abs(number))
    return (MINUS if number < 0 else "") + digits
