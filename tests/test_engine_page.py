"""El motor, línea por línea: cada número de la página es verdad y cada fragmento de código existe.

Los ejemplos se calculan dos veces: con NumPy, desde la definición, y con el propio gemelo.
"""

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
from test_engine import run_javascript

from benchmarks.engine import MAX_RATIO
from helpers.engine import sources
from helpers.models import build_cnn, describe_layers

IMAGE = np.array([[1, 0, 2, 1], [0, 3, 1, 0], [0, 1, 0, 1], [1, 0, 1, 2]])
KERNEL = np.array([[0, 1, 0], [1, 2, -1], [0, -1, 1]])
BIAS = -1
FLOW = np.array([[1, 2], [0, -1]])  # el gradiente que llega a la convolución
FROM_POOL = -2  # el que llega a la agrupación
LOGITS, CORRECT = np.array([2.0, 1.0, 0.0]), 1
HIDDEN, DENSE = np.array([1.0, 2.0]), np.array([[0.0, 1.0, 2.0], [1.0, 0.0, -1.0]])
TIE = np.array([[2, 9], [9, 4]])


@pytest.fixture(scope="module")
def page(root):
    return (root / "book" / "motor.md").read_text(encoding="utf-8")


@pytest.fixture
def engine_page(root, monkeypatch):
    monkeypatch.syspath_prepend(str(root / "book" / "_ext"))
    from book_ext import engine_page

    return engine_page


# --- Las cuentas, desde la definición --------------------------------------------------------------------------


def convolve(image, kernel, bias=0):
    size = len(kernel)
    side = len(image) - size + 1
    return np.array(
        [
            [(image[y : y + size, x : x + size] * kernel).sum() + bias for x in range(side)]
            for y in range(side)
        ]
    )


def stamp(flow):
    """El gradiente de la entrada: el núcleo, estampado en cada ventana."""
    total = np.zeros_like(IMAGE)
    for (y, x), g in np.ndenumerate(flow):
        total[y : y + 3, x : x + 3] += g * KERNEL
    return total


def only_winner(values, gradient):
    result = np.zeros_like(values)
    result.flat[values.argmax()] = gradient  # argmax da el primero de los iguales
    return result


def loss(logits):
    return np.log(np.exp(logits).sum()) - logits[CORRECT]


def loss_at(second):
    return loss(np.array([LOGITS[0], second, LOGITS[2]]))


def adam(gradients):
    """Por paso: m, v, √v, alfa/η y cuánto se mueve el peso, en unidades de η."""
    m = v = 0.0
    steps = []
    for t, g in enumerate(gradients, 1):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        alpha = np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        steps.append(SimpleNamespace(m=m, v=v, root=np.sqrt(v), alpha=alpha, move=-alpha * m / np.sqrt(v)))
    return steps


PROBABILITIES = np.exp(LOGITS) / np.exp(LOGITS).sum()
DELTA = PROBABILITIES - np.eye(3)[CORRECT]
MAPS = convolve(IMAGE, KERNEL, BIAS)


def rows(values):
    """Una matriz como la escribe la página: con tres decimales, si no es de enteros."""
    values = np.atleast_2d(values)
    whole = (values == values.round()).all()
    return [[str(int(v)) if whole else f"{v:.3f}" for v in row] for row in values]


def stamped(place):
    """El núcleo en su sitio y puntos alrededor."""
    grid = np.full((4, 4), r"\cdot", dtype=object)
    grid[place[0] : place[0] + 3, place[1] : place[1] + 3] = KERNEL.astype(str)
    return grid.tolist()


MATRICES = [
    rows(IMAGE),
    rows(KERNEL),
    rows(MAPS),
    rows(HIDDEN),
    rows(DENSE),
    rows(np.outer(HIDDEN, DELTA)),
    rows(DENSE @ DELTA),
    rows(MAPS),
    rows(only_winner(MAPS, FROM_POOL)),
    rows(FLOW),
    rows(convolve(IMAGE, FLOW)),
    stamped((0, 0)),
    stamped((0, 1)),
    stamped((1, 1)),
    rows(stamp(FLOW)),
    rows(TIE),
    rows(only_winner(TIE, 3)),
    rows(convolve(IMAGE, only_winner(MAPS, FROM_POOL))),
    rows(stamp(only_winner(MAPS, FROM_POOL))),
]
"""Las matrices de la página, en orden."""


# --- La página -------------------------------------------------------------------------------------------------


def without_code(text):
    """La prosa y las fórmulas: sin código, comentarios ni direcciones."""
    return re.sub(r"```.*?```|`[^`]*`|<!--.*?-->|\]\([^)]*\)", " ", text, flags=re.S)


def matrices(text):
    """Las matrices de LaTeX de un texto, como listas de filas de textos."""
    return [
        [[cell.strip() for cell in row.split("&")] for row in body.split(r"\\")]
        for body in re.findall(r"\\begin\{pmatrix\}(.*?)\\end\{pmatrix\}", text, re.S)
    ]


def decimals(text):
    """Los números con decimales de un texto, sin signo; los de dentro de una matriz, aparte."""
    text = re.sub(r"\\begin\{pmatrix\}.*?\\end\{pmatrix\}", " ", without_code(text), flags=re.S)
    return set(re.findall(r"\d+\.\d+", text))


def test_matrices_are_true(page):
    assert matrices(page) == MATRICES


def test_matrices_check_can_fail(page):
    assert matrices(page.replace("-2 & 3 & 4", "-2 & 3 & 5")) != MATRICES


def test_decimals_are_true(page):
    first, second = adam([-2, 1])
    same = adam([-2, -2])[1]
    high, low = loss_at(1.001), loss_at(0.999)
    quotient = f"{(high - low) / 0.002:.3f}"
    assert quotient == f"{DELTA[CORRECT]:.3f}" == "-0.755"
    expected = {f"{abs(v):.3f}" for v in (*PROBABILITIES, *DELTA)}
    expected |= {f"{high:.6f}", f"{low:.6f}", "0.001"}
    expected |= {"5.1", "7.1"}  # la pregunta de la décima
    expected |= {"0.1", "0.9", "0.999"}  # las constantes de Adam
    expected |= {
        f"{abs(v):g}" for step in (first, second, same) for v in (round(step.m, 9), round(step.v, 9))
    }
    expected |= {f"{abs(g - first.m):g}" for g in (1, -2)} | {f"{g**2 - first.v:g}" for g in (1, -2)}
    expected |= {f"{step.root:.4g}" for step in (first, second, same)}
    expected |= {f"{step.alpha:.4f}" for step in (first, second)}
    expected |= {f"{abs(step.move):.3f}" for step in (first, second, same)}
    expected |= {f"{MAX_RATIO:.1f}"}
    assert decimals(page) == expected
    # Lo que se mueve el peso, con los factores redondeados que la página escribe.
    for factors, move in {
        r"0.3162\,\eta \times 0.2 / 0.06325$, es decir, $1.000\,\eta": first.move,
        r"0.2353\,\eta \times 0.08 / 0.07068$, es decir, $0.266\,\eta": second.move,
        r"0.2353\,\eta \times 0.38 / 0.08942$, es decir, $1.000\,\eta": same.move,
    }.items():
        assert factors in page
        alpha, m, root, result = map(float, re.findall(r"\d+\.\d+", factors))
        assert alpha * m / root == pytest.approx(result, abs=6e-4)
        assert move == pytest.approx(result, abs=5e-4)


def test_sums_written_out_are_true(page):
    assert "$2 \\cdot 3$, $-1 \\cdot 1$ y\n$-1 \\cdot 1$: suman 4, y con el sesgo, 3" in page
    products = (IMAGE[:3, :3] * KERNEL)[KERNEL * IMAGE[:3, :3] != 0]
    assert sorted(products) == [-1, -1, 6] and products.sum() == 4 and MAPS[0, 0] == 3
    assert "1 \\cdot 0 + 2 \\cdot 2 + 0 \\cdot 3 - 1 \\cdot 1 = 3" in page
    window = IMAGE[0:2, 1:3]
    assert window.ravel().tolist() == [0, 2, 3, 1] and (FLOW * window).sum() == 3
    assert "Su gradiente es la suma de $g$: 2." in page and FLOW.sum() == 2
    assert DELTA.sum() == pytest.approx(0) and (MAPS > 0).all()
    third = np.ones(3) / 3 - [1, 0, 0]
    assert np.allclose(third, [-2 / 3, 1 / 3, 1 / 3]) and np.allclose(third / 4, [-1 / 6, 1 / 12, 1 / 12])
    assert np.exp(100) > np.finfo(np.float32).max


def test_sizes_of_the_network_are_true(page):
    shapes = {row.name: row.output_shape for row in describe_layers(build_cnn())}
    for block in (1, 2):
        for name in (f"conv_{block}", f"pool_{block}"):
            height, width, channels = shapes[name]
            count = height * width * channels
            written = f"{count:,}".replace(",", r"\,") if count > 9999 else str(count)
            assert rf"{height} \times {width} \times {channels} = {written}" in page, name


def test_lines_of_code_are_true(page):
    """«Unas trescientas» y «pasa de mil»."""
    assert "unas trescientas líneas. El motor pasa de mil" in page
    twin = (sources.FOLDER / "twin.js").read_text(encoding="utf-8").count("\n")
    engine = sum(p.read_text(encoding="utf-8").count("\n") for p in (sources.FOLDER / "src").glob("*.[ch]"))
    assert 270 <= twin <= 340 and engine > 1000


def test_tests_and_tolerances_named_in_the_page_exist(page, root):
    text = {
        name: (root / "tests" / name).read_text(encoding="utf-8")
        for name in ("test_engine.py", "test_engine_page.py")
    }
    for name in set(re.findall(r"`(test_\w+)`", page)):
        assert sum(f"def {name}(" in source for source in text.values()) == 1, name
    assert set(re.findall(r"`(\de-\d)`", page)) == {"1e-7", "2e-6", "1e-5", "1e-4", "1e-3"}

    def body(file, function):
        return re.search(rf"^def {function}\(.*?(?=^\S|\Z)", text[file], re.M | re.S).group(0)

    for file, function, limits in (
        ("test_engine_page.py", "test_finite_differences", ["< 1e-7"]),
        ("test_engine.py", "assert_same", ['["probabilities"] < 2e-6', '["gradients"] < 1e-5', '["steps"] < 1e-4']),
        ("test_engine.py", "test_book_network", ["assert_same"]),
        ("test_engine.py", "test_fifty_random_architectures", ["assert_same"]),
        ("test_engine.py", "test_adam_changes_the_weights_as_keras", ["< 2e-6", "steps=2"]),
        ("test_engine.py", "test_twin_and_loader_agree_with_the_engine", ["< 2e-6", "< 1e-5 * abs"]),
        ("test_engine.py", "test_wasm_needs_nothing_and_is_small", ["< 20_000"]),
    ):  # fmt: skip
        for limit in limits:
            assert limit in body(file, function), (function, limit)


# --- Los fragmentos de código ----------------------------------------------------------------------------------


def test_every_fragment_is_the_file_s_own_text(page, engine_page):
    slots = engine_page.find_slots(page)
    twin = (sources.FOLDER / "twin.js").read_text(encoding="utf-8")
    functions = set(re.findall(r"^function (\w+)", twin, re.M))
    assert {name for file, name in slots if file == "twin.js"} == {
        *functions, "TwinNetwork.backward", "TwinNetwork.trainStep",
    }  # fmt: skip
    filled = engine_page.fill_slots(page, sources.read_function)
    assert "<!-- código" not in filled
    for file, name in slots:
        code = sources.read_function(file, name)
        assert code in filled
        lines = [line.strip() for line in code.splitlines()]
        own = [line.strip() for line in (sources.FOLDER / file).read_text(encoding="utf-8").splitlines()]
        at = own.index(lines[0])
        assert own[at : at + len(lines)] == lines and lines[-1] == "}"


def test_a_fragment_that_does_not_exist_stops_the_build(engine_page):
    from sphinx.errors import ExtensionError

    app = SimpleNamespace(env=SimpleNamespace(note_dependency=lambda path: None))
    for slot, message in {
        "twin.js reluHaciaAtras": "hay 0 funciones «reluHaciaAtras»",
        "twin.js TwinNetwork.volver": "hay 0 funciones «TwinNetwork.volver»",
        "gemelo.js reluBackward": "gemelo.js",
    }.items():
        with pytest.raises(ExtensionError, match=message):
            engine_page.fill_page(app, "book/motor", [f"# Uno\n\n<!-- código: {slot} -->\n"])
    other = ["<!-- código: twin.js nada -->"]
    engine_page.fill_page(app, "book/datos", other)
    assert other == ["<!-- código: twin.js nada -->"]


def test_the_built_page_shows_the_code(book, page, engine_page):
    from bs4 import BeautifulSoup

    blocks = [
        block.get_text().strip("\n")
        for block in BeautifulSoup(book.html["book/motor.html"], "html.parser").select("article pre")
    ]
    assert blocks == [sources.read_function(*slot) for slot in engine_page.find_slots(page)]


# --- El gemelo, con los ejemplos de la página ------------------------------------------------------------------


def as_js(values):
    return json.dumps(np.asarray(values, dtype=float).ravel().tolist())


def test_twin_gives_the_numbers_of_the_page(tmp_path):
    found = run_javascript(
        ("twin.js",),
        f"""
        const floats = (values) => Float32Array.from(values), out = {{}};
        const image = floats({as_js(IMAGE)}), kernel = floats({as_js(KERNEL)}), bias = floats([{BIAS}]);
        const conv = convolutionForward(image, 1, [4, 4, 1], kernel, bias, 1);
        out.maps = conv.output;
        const pool = poolingForward(conv.output, 1, conv.shape);
        out.pool = [pool.output[0], pool.winner[0]];
        out.fromPool = poolingBackward(4, pool.winner, floats([{FROM_POOL}]));
        const back = (flow) => {{
          const weights = new Float32Array(9), biases = new Float32Array(1);
          const pixels = convolutionBackward(image, 1, [4, 4, 1], kernel, 1, flow, weights, biases);
          return [weights, biases, pixels].map((a) => Array.from(a));
        }};
        out.flow = back(floats({as_js(FLOW)}));
        out.winner = back(out.fromPool);
        const tie = floats({as_js(TIE)});
        out.tie = poolingBackward(4, poolingForward(tie, 1, [2, 2, 1]).winner, floats([3]));
        out.off = reluBackward(floats([0, 0, 0, 0]), poolingBackward(4, poolingForward(floats([0, 0, 0, 0]), 1, [2, 2, 1]).winner, floats([3])));
        const hidden = floats({as_js(HIDDEN)}), dense = floats({as_js(DENSE)});
        out.logits = denseForward(hidden, 1, dense, floats([0, 0, 0]), 3);
        const {{ probabilities, loss }} = softmaxCrossEntropy(out.logits, 1, 3, [{CORRECT}]);
        out.loss = loss;
        out.delta = softmaxBackward(probabilities, 1, 3, [{CORRECT}]);
        out.weights = new Float32Array(6);
        out.hidden = denseBackward(hidden, 1, dense, out.delta, out.weights, new Float32Array(3));
        out.adam = [1, -2].map((last) => {{
          const w = new Float64Array(1), m = new Float64Array(1), v = new Float64Array(1), places = [];
          [-2, last].forEach((g, i) => {{ adamUpdate(w, [g], m, v, i + 1, 1); places.push(w[0]); }});
          return places;
        }});
        for (const key in out) if (ArrayBuffer.isView(out[key])) out[key] = Array.from(out[key]);
        return out;""",
        tmp_path,
    )
    assert found["maps"] == MAPS.ravel().tolist()
    assert found["pool"] == [7, 1]
    winner = only_winner(MAPS, FROM_POOL)
    assert found["fromPool"] == winner.ravel().tolist()
    for key, flow in {"flow": FLOW, "winner": winner}.items():
        expected = [convolve(IMAGE, flow), flow.sum(), stamp(flow)]
        assert found[key] == [np.ravel(v).tolist() for v in expected], key
    assert found["tie"] == only_winner(TIE, 3).ravel().tolist()
    assert found["off"] == [0, 0, 0, 0]
    assert found["logits"] == LOGITS.tolist() and found["loss"] == pytest.approx(loss(LOGITS))
    assert found["delta"] == pytest.approx(DELTA, abs=1e-6)
    assert found["weights"] == pytest.approx(np.outer(HIDDEN, DELTA).ravel(), abs=1e-6)
    assert found["hidden"] == pytest.approx(DENSE @ DELTA, abs=1e-6)
    for places, last in zip(found["adam"], (1, -2), strict=True):
        assert places == pytest.approx(np.cumsum([step.move for step in adam([-2, last])]), abs=1e-5)


def test_finite_differences(tmp_path):
    """Todos los pesos de una red pequeña, uno por uno y en float64: (L(w + h) − L(w − h)) / 2h."""
    rng = np.random.default_rng(0)
    shapes = [(3, 3, 2, 3), (3,), (3, 3, 3, 4), (4,), (4, 5), (5,), (5, 3), (3,)]
    weights = [rng.normal(scale=0.5, size=shape).ravel().tolist() for shape in shapes]
    images = rng.random((6, 10, 10, 2)).ravel().tolist()
    found = run_javascript(
        ("twin.js",),
        f"""
        globalThis.Float32Array = Float64Array; // el gemelo entero, con el doble de cifras
        const images = Float64Array.from({json.dumps(images)}), labels = [0, 1, 2, 0, 1, 2], h = 1e-6;
        const twin = new TwinNetwork({json.dumps(weights)}, [10, 10, 2]);
        const gradients = twin.backward(twin.forward(images, labels));
        const measured = twin.weights.map((w) => Array.from(w, (value, i) => {{
          w[i] = value + h;
          const above = twin.forward(images, labels).loss;
          w[i] = value - h;
          const below = twin.forward(images, labels).loss;
          w[i] = value;
          return (above - below) / (2 * h);
        }}));
        return {{ gradients: gradients.map((g) => Array.from(g)), measured }};""",
        tmp_path,
    )
    for gradient, measured in zip(found["gradients"], found["measured"], strict=True):
        gradient = np.array(gradient)
        assert (gradient != 0).any()
        error = abs(gradient - measured).max() / abs(gradient).max()
        print(f"{len(gradient):4} pesos, error relativo {error:.1e}")
        assert error < 1e-7
