"""Los ejercicios se corrigen solos: cada solución pasa, cada error conocido recibe su pista y nada hace fallar la celda."""

import ast
import builtins
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest

from helpers.exercises import EXERCISES, check, personal
from helpers.exercises.core import (
    MODEL,
    NUMBER,
    RIGHT,
    UNANSWERED,
    UNUSABLE,
    WRONG,
    Exercise,
    Question,
    grade,
)
from helpers.models import describe_layers
from helpers.widgets.convolution_stepper import KERNELS, ConvolutionStepper
from helpers.widgets.feature_maps import forward, occlude
from helpers.widgets.image_classifier import load_strip
from helpers.widgets.layer_calculator import LayerCalculator
from helpers.widgets.run_explorer import format_units, packed_grid
from helpers.widgets.threshold_explorer import ThresholdExplorer

QUESTIONS = [(exercise, question) for exercise in EXERCISES.values() for question in exercise.questions]
NAMES = [f"{exercise.id}-{question.name}" for exercise, question in QUESTIONS]
MISTAKES = [(*pair, mistake) for pair in QUESTIONS for mistake in pair[1].mistakes]
BOOK = Path(__file__).resolve().parent.parent / "book"
CHAPTERS = sorted({exercise.chapter for exercise in EXERCISES.values()})
PEOPLE = [f"estudiante-{number}" for number in range(40)]
ANA = ((40, 56, 3), (12, 56), 3)


def example(question, answer):
    return answer() if question.kind.lazy else answer


def judge(exercise, question, answer):
    verdicts = grade(exercise, {question.name: answer})
    return next(verdict for verdict in verdicts if verdict.name == question.name)


# --- Lo declarado --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("exercise", "question"), QUESTIONS, ids=NAMES)
def test_the_answer_is_right_and_says_why(exercise, question):
    verdict = judge(exercise, question, example(question, question.answer))
    assert verdict.status == RIGHT, verdict.message
    assert question.why in verdict.message


@pytest.mark.parametrize(
    ("exercise", "question", "mistake"),
    MISTAKES,
    ids=[f"{e.id}-{q.name}-{m.hint[:20]}" for e, q, m in MISTAKES],
)
def test_each_known_mistake_gets_its_own_hint(exercise, question, mistake):
    verdict = judge(exercise, question, example(question, mistake.answer))
    assert verdict.status == WRONG, verdict.message
    assert mistake.hint in verdict.message


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)
def test_each_exercise_knows_three_mistakes(exercise):
    hints = {mistake.hint for question in exercise.questions for mistake in question.mistakes}
    assert len(hints) >= 3
    for question in exercise.questions:
        assert len({mistake.hint for mistake in question.mistakes}) == len(question.mistakes) >= 1


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)
def test_unanswered_is_one_stable_line(exercise, capsys):
    line = f"Ejercicio {exercise.id}: sin responder. Cambia cada … por tu respuesta y vuelve a ejecutar la celda.\n"
    check(exercise.id)
    check(exercise.id, **{question.name: ... for question in exercise.questions})
    check(exercise.id, **{question.name: None for question in exercise.questions})
    assert capsys.readouterr().out == 3 * line


STRANGE = [
    "",
    "no sé",
    True,
    {"a": 1},
    {1, 2},
    [],
    [[1], [1, 2]],
    float("nan"),
    1e400,
    np.zeros((3, 3, 3)),
    object(),
    1j,
    print,
]


@pytest.mark.parametrize(("exercise", "question"), QUESTIONS, ids=NAMES)
def test_no_strange_answer_raises_or_is_right(exercise, question):
    for answer in STRANGE:
        verdict = judge(exercise, question, answer)
        assert verdict.status in (WRONG, UNUSABLE), (answer, verdict)


def test_every_chapter_has_four_exercises():
    chapters = [exercise.chapter for exercise in EXERCISES.values()]
    assert {chapter: chapters.count(chapter) >= 4 for chapter in chapters} == dict.fromkeys(chapters, True)


# --- Lo que se lee -------------------------------------------------------------------------------------------


def test_the_report_tells_each_part_apart(capsys):
    check("datos-1", shape=(640, 480, 3), bytes_uint8=np.int64(921_600))
    assert capsys.readouterr().out == (
        "Ejercicio datos-1: 1 de 3.\n"
        "  shape: todavía no. Has puesto el ancho delante. En NumPy y en Keras va primero el alto.\n"
        "  bytes_uint8: correcto. 480 × 640 × 3 números, de un byte cada uno.\n"
        "  bytes_float32: sin responder.\n"
    )


def test_an_unknown_error_points_to_the_section(capsys):
    check("entrenamiento-3", weight=44)
    assert capsys.readouterr().out == (
        "Ejercicio entrenamiento-3: todavía no. Repasa «Un peso, un paso» y vuelve a hacer la cuenta.\n"
    )


@pytest.mark.parametrize(
    ("name", "answers", "message"),
    [
        ("entrenamiento-3", {"weight": "0.946"}, "se espera un número, como 42 o 0.5, sin comillas"),
        ("entrenamiento-3", {"weight": [0.946]}, "un solo número"),
        ("arquitectura-5", {"sizes": {30, 34}}, "una tupla de enteros"),
        ("arquitectura-5", {"sizes": (30.5, 34)}, "una tupla de enteros"),
        ("convolucion-1", {"output": 12}, "has escrito uno solo"),
        (
            "convolucion-5",
            {"learns": "relu"},
            'una de estas palabras, entre comillas: "convolución", "agrupación"',
        ),
        ("aumento-2", {"config": {"rotation_range": 10}}, "una AugmentationConfig"),
        ("aumento-4", {"function": 3}, "una función"),
        ("aumento-4", {"function": lambda batch: 1 / 0}, "falló con ZeroDivisionError"),
        ("arquitectura-7", {"network": 98_112}, "una red de Keras"),
    ],
)
def test_an_unusable_answer_says_what_is_expected(name, answers, message, capsys):
    check(name, **answers)
    assert message in capsys.readouterr().out


def test_words_do_not_mind_capitals_or_spaces():
    assert grade(EXERCISES["datos-5"], {"split_by": " Planta "})[0].status == RIGHT


def test_a_misspelt_exercise_or_question_says_which_there_are():
    with pytest.raises(ValueError, match="No hay ningún ejercicio «datos-99». Hay: datos-1, datos-2"):
        check("datos-99")
    with pytest.raises(
        TypeError, match="datos-3 no pregunta «pasos». Pregunta: steps, last_batch, cifar_steps"
    ):
        check("datos-3", pasos=188)


def test_a_wrong_declaration_would_be_caught():
    """La barrera falla con un error conocido que en realidad es la respuesta."""
    question = Question("n", NUMBER, 2, "Dos.", ())
    assert judge(Exercise("x-1", "x", "x", (question,)), question, 2.0).status == RIGHT
    assert judge(Exercise("x-1", "x", "x", (question,)), question, 3).status == WRONG
    assert judge(Exercise("x-1", "x", "x", (question,)), question, ...).status == UNANSWERED
    assert MODEL.lazy


# --- Lo que hay en los capítulos -----------------------------------------------------------------------------


def cells_of(chapter, kind):
    notebook = nbformat.read(BOOK / f"{chapter}.ipynb", as_version=4)
    return [cell.source for cell in notebook.cells if cell.cell_type == kind]


def asked(source):
    """Ejercicio y preguntas de cada llamada a `check` de un código."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    named = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "check"]
    return [(call.args[0].value, [keyword.arg for keyword in call.keywords]) for call in named]


def solutions(chapter):
    """Los bloques de código de las soluciones plegadas que se corrigen, por ejercicio."""
    found = {}
    for text in cells_of(chapter, "markdown"):
        for folded in re.findall(r"(?s)<details>.*?</details>", text):
            for block in re.findall(r"(?s)```python\n(.*?)```", folded):
                for name, _ in asked(block):
                    assert name not in found, f"{name} tiene dos soluciones"
                    found[name] = block
    return found


def defined_names(node):
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    if isinstance(node, ast.FunctionDef):
        return {node.name}
    return {
        part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
    }


def loaded_names(node):
    return {
        part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load)
    }


def loaded_model(node):
    """El nombre de la red a la que una instrucción le carga los pesos, o nada."""
    call = node.value if isinstance(node, ast.Expr) else None
    if isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "load_weights":
        return {call.func.value.id}
    return set()


def needed_statements(chapter, block):
    """Las instrucciones del capítulo, en orden, de las que depende un código: ni una más, para no entrenar nada."""
    code = ["" if cell.startswith("%") else cell for cell in cells_of(chapter, "code")]
    statements = [node for cell in code for node in ast.parse(cell).body if not isinstance(node, ast.Assert)]
    own = set().union(*(defined_names(node) for node in ast.parse(block).body))
    wanted = loaded_names(ast.parse(block)) - own - set(dir(builtins)) - {"check"}
    kept = []
    for node in reversed(statements):
        provided = defined_names(node) & wanted
        if provided or loaded_model(node) & wanted:
            kept.append(node)
            wanted = (wanted - provided) | (loaded_names(node) - set(dir(builtins)) - defined_names(node))
    return ast.Module(kept[::-1], [])


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_each_exercise_is_asked_once_and_solved_once_in_its_chapter(chapter):
    declared = {e.id: [q.name for q in e.questions] for e in EXERCISES.values() if e.chapter == chapter}
    in_cells = [call for cell in cells_of(chapter, "code") if "check(" in cell for call in asked(cell)]
    assert len(in_cells) == len(dict(in_cells))
    assert dict(in_cells) == declared
    assert sorted(solutions(chapter)) == sorted(declared)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_each_exercise_keeps_its_title_and_names_a_section_of_its_chapter(chapter):
    text = "\n".join(cells_of(chapter, "markdown"))
    headings = set(re.findall(r"(?m)^#{2,3} (.+)$", text))
    for exercise in EXERCISES.values():
        if exercise.chapter == chapter:
            assert exercise.section in headings, exercise.id
            assert f"{exercise.title}.**" in text or f"{exercise.title}**" in text, exercise.id


@pytest.mark.parametrize("name", EXERCISES)
def test_the_folded_solution_passes_the_checker(name, capsys):
    exercise = EXERCISES[name]
    block = solutions(exercise.chapter)[name]
    verdicts = []
    namespace = {"check": lambda name, **answers: verdicts.extend(grade(EXERCISES[name], answers))}
    exec(compile(needed_statements(exercise.chapter, block), exercise.chapter, "exec"), namespace)
    exec(compile(block, f"solución de {name}", "exec"), namespace)
    assert [verdict.status for verdict in verdicts] == [RIGHT] * len(exercise.questions), verdicts


def test_every_chapter_has_an_exercise_with_a_control_and_no_python():
    found = {e.chapter for e in EXERCISES.values() if e.title.endswith(("sin Python", "sin escribir código"))}
    assert sorted(found) == CHAPTERS


def answers_of(name):
    return {question.name: question.answer for question in EXERCISES[name].questions}


def test_answers_read_from_a_control_are_those_of_the_control():
    calculator = LayerCalculator(input_shape=(32, 48, 3)).compute()
    assert answers_of("datos-6") == {"first_output": calculator.rows[0].shape, "params": calculator.params}

    calculator = LayerCalculator(input_shape=(64, 64, 3)).compute()
    macs = sum(row.macs for row in calculator.rows)
    assert answers_of("guardar-3") == {"macs": macs, "params": calculator.params}

    kernel = np.reshape(KERNELS["Bordes verticales"][0], (3, 3))
    changed = kernel.copy()
    changed[1, 2] = answers_of("convolucion-6")["weight"]
    sums = [ConvolutionStepper(weights).products()[1].sum() // 100 for weights in (kernel, changed, -kernel)]
    assert sums == [459, 622, answers_of("convolucion-6")["negated_sum"]]

    grid = packed_grid()
    order, equal = (grid["criteria"]["validation"][name] for name in ("order", "equal"))
    best = grid["runs"][order[0]]
    found = answers_of("entrenamiento-7")
    assert found["best_validation"] == round(best["history"][3][best["epoch"] - 1] / 10_000, 3)
    assert found["best_test"] == round(best["test"] / 10_000, 3)
    assert found["not_distinguishable"] == len(equal)

    chosen = grid["criteria"]["shifted"]
    assert answers_of("mejorar-6") == {
        "best_shifted": float(format_units(grid["runs"][chosen["order"][0]]["shifted"])),
        "validation_winner_shifted": float(format_units(best["shifted"])),
        "not_distinguishable": len(chosen["equal"]),
    }

    shirt = load_strip().images[7]
    covered = {
        (size, fill): forward(occlude(shirt, size, fill))["output"][11 * 16 + 4].ravel()
        for size, fill in ((8, 128), (8, 0), (4, 128))
    }
    found = answers_of("por-dentro-1")
    assert found["gray"] == round(100 * covered[8, 128][2], 1)
    assert found["black"] == round(100 * covered[8, 0][2], 1)
    assert found["small_gray"] == "suéter" and covered[4, 128].argmax() == 2
    logits = forward(load_strip().images[0])["logits"].ravel()
    assert abs(answers_of("por-dentro-3")["ratio"] - np.exp(logits[2] - logits[6])) < 1

    counts = ThresholdExplorer(0.9).compute()
    assert answers_of("evaluacion-6") == {"without_class": counts.none, "hits": counts.hits}


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_self_test_has_one_right_option_per_question_and_a_reason_for_each(chapter):
    text = "\n\n".join(cells_of(chapter, "markdown"))
    section = text.split("## Autoevaluación", 1)[1].split("## Ejercicios", 1)[0]
    questions = re.split(r"\*\*Pregunta \d\.\*\*", section)[1:]
    assert len(questions) >= 4
    for question in questions:
        options = re.findall(
            r"(?s)<details><summary>(.+?)</summary>\n\n\*\*(Sí|No)\.\*\* (.+?)\n\n</details>", question
        )
        assert len(options) == 3 == question.count("<details>")
        assert [verdict for _, verdict, _ in options].count("Sí") == 1, question
        assert len({reason for _, _, reason in options}) == 3


# --- La red de cada estudiante -------------------------------------------------------------------------------


def test_the_same_person_has_always_the_same_network():
    assert personal(" Ana@Correo.es ") == personal("ana@correo.es")
    mine = personal("ana@correo.es")
    assert (mine.input_shape, mine.filters, mine.kernel_size) == ANA
    assert len({personal(name).__str__().split("\n", 1)[1] for name in PEOPLE}) == len(PEOPLE)


@pytest.mark.parametrize("name", PEOPLE)
def test_each_personal_answer_is_right_and_each_mistake_has_its_hint(name):
    exercise = personal(name).exercise()
    for question in exercise.questions:
        assert judge(exercise, question, question.answer).status == RIGHT
        assert len(question.mistakes) >= 3
        for mistake in question.mistakes:
            verdict = judge(exercise, question, mistake.answer)
            assert verdict.status == WRONG and mistake.hint in verdict.message, (question.name, verdict)


@pytest.mark.parametrize("name", PEOPLE[:4])
def test_personal_answers_are_those_of_the_network_built_with_keras(name):
    mine = personal(name)
    rows = describe_layers(mine.build())
    answers = {question.name: question.answer for question in mine.exercise().questions}
    assert [row.output_shape for row in rows[:4]] == list(answers["shapes"])
    assert [row.params for row in rows] == list(answers["params"])
    assert rows[3].receptive_field == answers["receptive_field"]
    assert sum(row.macs for row in rows) == answers["macs"]


def test_personal_statement_and_report(capsys):
    mine = personal("ana@correo.es")
    assert str(mine).startswith("La red de ana@correo.es\n  entrada: ")
    mine.check()
    assert capsys.readouterr().out.startswith("Ejercicio personal: sin responder.")


@pytest.mark.parametrize("text", ["", "  ", None, 42])
def test_personal_needs_a_text(text):
    with pytest.raises(ValueError, match="Escribe entre comillas tu correo"):
        personal(text)
