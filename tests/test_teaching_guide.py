"""La guía docente: sus minutos suman, y lo que cita de cada capítulo está en él."""

import json
import re
from pathlib import Path

import pytest

BOOK = Path(__file__).resolve().parent.parent / "book"
GUIDE = (BOOK / "guia-docente.md").read_text(encoding="utf-8")
SESSION = 120
"""Minutos de una clase en los tres planes."""

CHAPTERS = (
    "datos",
    "convolucion",
    "arquitectura",
    "aumento",
    "entrenamiento",
    "evaluacion",
    "mejorar",
    "por-dentro",
    "no-aprende",
)


def chapter_text(name):
    cells = json.loads((BOOK / name).read_text(encoding="utf-8"))["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def headings(text):
    return set(re.findall(r"^#{2,4} (.+?)\s*$", text, re.MULTILINE))


def exercises(text):
    """Los títulos de los ejercicios, con su coletilla («…, con el control y sin Python») y sin ella."""
    titles = set(re.findall(r"^\*\*\d+\. (.+?)\.?\*\*", text, re.MULTILINE))
    return titles | {title.partition(", ")[0] for title in titles}


def stated_minutes(text):
    """Los minutos de la línea **Tiempo**; en la portada, los de «Empieza en diez minutos»."""
    found = re.search(r"^\*\*Tiempo\*\*: (\d+) minutos", text, re.MULTILINE)
    if found:
        return int(found[1])
    return max(map(int, re.findall(r"\*\*Minutos \d+ a (\d+)\.\*\*", text)))


def quoted(cell):
    return re.findall(r"«(.+?)»(?=[,.;]| *$)", cell)


def cells_of(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def plans(guide):
    """Diccionario horas → sesiones; una sesión es una lista de filas (minutos, celda del capítulo, qué hace la clase)."""
    result = {}
    for hours, body in re.findall(
        r"^## Plan de (\d+) horas$(.*?)(?=^## |\Z)", guide, re.MULTILINE | re.DOTALL
    ):
        sessions = re.split(r"^### Sesión \d+$", body, flags=re.MULTILINE)[1:]
        result[int(hours)] = [
            [
                (int(row[0]), row[1], row[2])
                for row in map(cells_of, session.splitlines())
                if row[0].isdecimal()
            ]
            for session in sessions
        ]
    return result


def plan_problems(guide, text_of=chapter_text):
    """Minutos que no suman, capítulos con más tiempo del que piden, y secciones o ejercicios que no existen."""
    problems = []
    for hours, sessions in plans(guide).items():
        used = {}
        for n, rows in enumerate(sessions, start=1):
            total = sum(row[0] for row in rows)
            if total != SESSION:
                problems.append(f"plan de {hours} horas, sesión {n}: suma {total} minutos")
            for minutes, chapter, task in rows:
                link = re.match(r"\[.+?\]\((.+?\.ipynb)\)", chapter)
                if not link:
                    known = set().union(*(exercises(text_of(f"{name}.ipynb")) for name in CHAPTERS))
                    problems += [
                        f"no hay ningún ejercicio «{name}»" for name in quoted(task) if name not in known
                    ]
                    continue
                text = text_of(link[1])
                used.setdefault(link[1], []).append((minutes, bool(quoted(chapter))))
                known = headings(text)
                problems += [f"{link[1]} no tiene «{name}»" for name in quoted(chapter) if name not in known]
        if sum(map(len, sessions)) and len(sessions) * SESSION != hours * 60:
            problems.append(f"el plan de {hours} horas tiene {len(sessions)} sesiones de {SESSION} minutos")
        for name, rows in used.items():
            total, stated = sum(minutes for minutes, _ in rows), stated_minutes(text_of(name))
            partial = all(by_sections for _, by_sections in rows)
            if total > stated or (total < stated and not partial):
                problems.append(f"plan de {hours} horas: {name} lleva {total} minutos y pide {stated}")
    return problems


def cited_problems(guide, text_of=chapter_text):
    """Secciones y ejercicios que las tablas de respuestas y de corrección citan y no existen."""
    problems, chapter = [], None
    for line in guide.splitlines():
        row = cells_of(line) if line.startswith("|") else []
        header = re.fullmatch(r"Dónde se ve, en \[.+?\]\((.+?)\)", row[-1]) if row else None
        if header:
            chapter = header[1]
        elif not row:
            chapter = None
        elif chapter and not set(row[-1]) <= set("-"):
            names = quoted(row[-1])
            if not names:
                problems.append(f"no dice dónde se ve: {row[0]}")
            problems += [
                f"{chapter} no tiene «{name}»" for name in names if name not in headings(text_of(chapter))
            ]
        link = re.fullmatch(r"\[.+?\]\((.+?)\)", row[0]) if row else None
        if link and quoted(row[1]):
            known = exercises(text_of(link[1]))
            problems += [
                f"{link[1]} no tiene el ejercicio «{name}»" for name in quoted(row[1]) if name not in known
            ]
    return problems


def test_there_are_three_plans_and_their_minutes_add_up():
    assert sorted(plans(GUIDE)) == [4, 8, 16]
    assert plan_problems(GUIDE) == []


def test_the_long_plan_gives_every_chapter_whole():
    rows = [row for session in plans(GUIDE)[16] for row in session]
    cited = {name for _, chapter, _ in rows for name in re.findall(r"\((.+?)\.ipynb\)", chapter)}
    assert cited >= set(CHAPTERS) and not any(quoted(chapter) for _, chapter, _ in rows)


def test_what_the_guide_cites_exists():
    assert cited_problems(GUIDE) == []


def test_every_chapter_has_its_typical_mistakes():
    answered = set(re.findall(r"Dónde se ve, en \[.+?\]\((.+?)\.ipynb\)", GUIDE))
    assert answered == set(CHAPTERS)


CHAPTER = "# Uno\n\n**Tiempo**: 70 minutos.\n\n## Primera\n\n## Segunda\n\n**1. Contar pesos.** ¿Cuántos?"
PLAN = """## Plan de 2 horas

### Sesión 1

| Minutos | Capítulo y secciones | Qué hace la clase |
|---|---|---|
| 70 | [Uno](uno.ipynb) | Lee |
| 50 | Ejercicios | «Contar pesos», en parejas |
"""


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("| 50 |", "| 40 |", "suma 110 minutos"),
        ("| 70 |", "| 80 |", "uno.ipynb lleva 80 minutos y pide 70"),
        ("| 70 |", "| 60 |", "uno.ipynb lleva 60 minutos y pide 70"),
        ("(uno.ipynb)", "(uno.ipynb): «Tercera»", "uno.ipynb no tiene «Tercera»"),
        ("«Contar pesos»", "«Contar sesgos»", "no hay ningún ejercicio «Contar sesgos»"),
        ("Plan de 2", "Plan de 4", "el plan de 4 horas tiene 1 sesiones"),
    ],
)
def test_the_check_of_the_plans_can_fail(old, new, message):
    assert plan_problems(PLAN, lambda name: CHAPTER) == []
    assert any(message in problem for problem in plan_problems(PLAN.replace(old, new), lambda name: CHAPTER))


def test_part_of_a_chapter_may_take_less():
    guide = PLAN.replace("| 70 | [Uno](uno.ipynb)", "| 60 | [Uno](uno.ipynb): «Primera»").replace(
        "| 50 |", "| 60 |"
    )
    assert plan_problems(guide, lambda name: CHAPTER) == []


def test_the_check_of_what_is_cited_can_fail():
    table = "| Se oye | Pregunta | Dónde se ve, en [Uno](uno.ipynb) |\n|---|---|---|\n| «a» | ¿b? | «{}» |\n"
    assert cited_problems(table.format("Primera"), lambda name: CHAPTER) == []
    assert cited_problems(table.format("Otra"), lambda name: CHAPTER) == ["uno.ipynb no tiene «Otra»"]
    assert cited_problems("| [Uno](uno.ipynb) | «Contar pesos» | |", lambda name: CHAPTER) == []
    assert cited_problems("| [Uno](uno.ipynb) | «Otro» | |", lambda name: CHAPTER)
