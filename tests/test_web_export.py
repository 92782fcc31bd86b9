"""Pesos e imágenes para la página: lo que se exporta, lo que la página lee y lo que vuelve a Python."""

import base64
import gzip
import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest

from helpers.engine import describe, describe_cnn
from helpers.models import build_cnn
from helpers.web_export import export_sample, export_weights, load, read_keras_weights, read_weights
from tests.test_engine import floats_from_js, run_javascript

SMALL = {"input_shape": (10, 10, 1), "filters": (3, 4), "dense_units": 5, "batch_norm": True}


@pytest.fixture(scope="module")
def recorded(root):
    return root / "book/results/baseline-fashion-s0.weights.h5"


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Una red con normalización: sus pesos van en un orden que el archivo de Keras no dice."""
    model = build_cnn(**SMALL)
    rng = np.random.default_rng(0)
    model.set_weights([rng.random(w.shape, dtype=np.float32) for w in model.get_weights()])
    path = tmp_path_factory.mktemp("pesos") / "pequeña.weights.h5"
    model.save_weights(path)
    return path, model


def object_in(script):
    """El objeto que un script deja en la página."""
    start = '(globalThis.cnnFiles ??= {})["'
    assert script.startswith(start) and script.endswith("};\n") and script.isascii()
    return json.loads(script[script.index("] = ") + 4 : -2])


# --- Hacia la página -----------------------------------------------------------------------------------------


def test_reads_the_file_in_the_order_of_keras(small, recorded):
    path, model = small
    for found, expected in zip(read_keras_weights(path, describe(model)), model.get_weights(), strict=True):
        assert (found == expected).all()
    book = build_cnn()
    book.load_weights(recorded)
    for found, expected in zip(read_keras_weights(recorded, describe_cnn()), book.get_weights(), strict=True):
        assert (found == expected).all()


def test_exported_weights_predict_the_same(recorded, sample_dataset, tmp_path):
    """En float16: misma clase en todas las imágenes y probabilidades a menos de una milésima; y ocupan lo acordado."""
    script = export_weights(recorded, describe_cnn(), class_names=sample_dataset.class_names)
    assert script == export_weights(recorded, describe_cnn(), class_names=sample_dataset.class_names)
    assert len(gzip.compress(script.encode("utf-8"), 9)) < 700_000
    content = object_in(script)
    assert content["name"] == "baseline-fashion-s0" and content["dtype"] == "float16"
    assert content["sha256"] == hashlib.sha256(base64.b64decode(content["data"])).hexdigest()
    assert content["weights"][0] == {"name": "conv_1/kernel", "shape": [3, 3, 3, 32]}

    path = tmp_path / "pesos.js"
    path.write_text(script, encoding="utf-8")
    assert read_weights(path).class_names == sample_dataset.class_names
    book = build_cnn()
    book.load_weights(recorded)
    x = sample_dataset.x_test[:300] / np.float32(255)
    expected, found = book.predict(x, verbose=0), load(path).predict(x, verbose=0)
    assert abs(expected - found).max() < 1e-3 and (expected.argmax(1) == found.argmax(1)).all()


def test_damaged_keras_files_are_named(small, recorded, tmp_path):
    path, model = small
    description = describe(model)
    with pytest.raises(FileNotFoundError, match="No existe el archivo «.*ninguno.weights.h5»"):
        export_weights(tmp_path / "ninguno.weights.h5", description)
    content = path.read_bytes()
    cut = tmp_path / "cortado.weights.h5"
    cut.write_bytes(content[: len(content) // 2])
    with pytest.raises(
        ValueError, match="«cortado.weights.h5» está dañado o no es un archivo de pesos de Keras"
    ):
        export_weights(cut, description)
    cut.write_bytes(b"hola")
    with pytest.raises(ValueError, match="«cortado.weights.h5» está dañado"):
        export_weights(cut, description)
    with pytest.raises(
        ValueError, match="«pequeña.weights.h5» está dañado o es otro archivo: no tiene la huella"
    ):
        export_weights(path, description, sha256="0" * 64)
    export_weights(path, description, sha256=hashlib.sha256(content).hexdigest())
    with pytest.raises(ValueError, match="«baseline-fashion-s0.weights.h5» no tiene los pesos de esta red"):
        export_weights(recorded, description)
    with pytest.raises(ValueError, match="no tiene los pesos de esta red: se esperaban"):
        export_weights(recorded, describe_cnn(dense_units=64))


@pytest.mark.parametrize("value", [1e6, np.nan])
def test_weights_that_do_not_fit_in_half_precision(value, tmp_path):
    model = build_cnn(**SMALL)
    weights = model.get_weights()
    weights[1][0] = value
    model.set_weights(weights)
    model.save_weights(tmp_path / "grande.weights.h5")
    with pytest.raises(ValueError, match="«batch_norm_1/gamma» tiene valores que no caben en float16"):
        export_weights(tmp_path / "grande.weights.h5", describe(model))


def test_sample_is_a_stratified_part(sample_dataset):
    content = object_in(export_sample(sample_dataset, n_train=50, n_val=20, n_test=10))
    assert [part["part"] for part in content["parts"]] == ["train", "validation", "test"]
    assert np.bincount(content["parts"][0]["labels"]).tolist() == [5] * 10
    assert content["stored_shape"] == [28, 28, 1] and (content["border"], content["repeat"]) == (2, 3)
    assert len(base64.b64decode(content["data"])) == 80 * 28 * 28
    assert content["license"].startswith("MIT") and content["class_names"][0] == "camiseta"
    without = object_in(export_sample(sample_dataset, n_train=50, n_val=0))
    assert [part["part"] for part in without["parts"]] == ["train"]


def test_sample_errors(sample_dataset):
    with pytest.raises(ValueError, match="n_val debe estar entre 1 y 1000"):
        export_sample(sample_dataset, n_val=5000)

    class Cifar:
        name = "cifar10"

    with pytest.raises(ValueError, match="CIFAR-10 no se pueden repartir"):
        export_sample(Cifar())


def test_exporting_needs_no_tensorflow(root):
    code = (
        "import sys; sys.modules['tensorflow'] = None; sys.modules['keras'] = None\n"
        "from helpers.data import load_dataset; from helpers.engine import describe_cnn\n"
        "from helpers.web_export import export_sample, export_weights\n"
        "export_weights('book/results/baseline-fashion-s0.weights.h5', describe_cnn())\n"
        "export_sample(load_dataset(), n_train=20, n_val=10)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)


# --- En la página y de vuelta --------------------------------------------------------------------------------


def test_page_reads_what_python_writes_and_back(small, sample_dataset, tmp_path):
    """Ida y vuelta: los pesos y las imágenes llegan enteros a la página, y lo que ella exporta predice igual en Keras."""
    path, model = small
    weights, sample = (
        export_weights(path, describe(model)),
        export_sample(sample_dataset, n_train=20, n_val=10),
    )
    found = run_javascript(
        ("weights.js",),
        f"""{weights}\n{sample}
        const files = globalThis.cnnFiles;
        const back = (a) => base64FromBytes(new Uint8Array(Float32Array.from(a).buffer));
        const decoded = decodeWeights(files["pequeña"], "pequeña.js");
        const decodedSample = decodeSample(files.fashion_mnist, "muestra.js");
        const failure = (job) => {{ try {{ job(); return "nada"; }} catch (e) {{ return e.message; }} }};
        const damaged = {{ ...files["pequeña"], data: files["pequeña"].data.replace(/[A-M]/, "Z") }};
        return {{
          weights: decoded.weights.map((w) => [w.name, w.shape, back(w.values)]),
          exported: encodeWeights(decoded.description, decoded.weights, {{ name: "mía", classNames: ["a", "b"] }}),
          shape: decodedSample.shape,
          images: base64FromBytes(decodedSample.parts.validation.images),
          labels: Array.from(decodedSample.parts.validation.labels),
          sha: [sha256(new Uint8Array(0)), sha256(new Uint8Array(1000).fill(7))],
          halves: back(float32FromFloat16(Uint16Array.from({json.dumps(HALVES.view(np.uint16).tolist())}))),
          failures: [
            failure(() => decodeWeights(damaged, "pesos.js")),
            failure(() => decodeWeights({{ ...damaged, data: "%%%" }}, "pesos.js")),
            failure(() => decodeWeights({{ format: "otro" }}, "pesos.js")),
            failure(() => decodeWeights(undefined, "pesos.js")),
            failure(() => decodeWeights({{ ...files["pequeña"], weights: [] }}, "pesos.js")),
            failure(() => decodeSample(files["pequeña"], "muestra.js")),
          ],
        }};""",
        tmp_path,
    )
    for (name, shape, values), expected in zip(found["weights"], model.get_weights(), strict=True):
        assert tuple(shape) == expected.shape and name.split("/")[1] in (
            "kernel",
            "bias",
            "gamma",
            "beta",
            "moving_mean",
            "moving_variance",
        )
        assert (floats_from_js(values) == expected.astype("<f2").astype("<f4").ravel()).all()
    assert (floats_from_js(found["halves"]) == HALVES.astype("<f4")).all()
    assert found["sha"] == [hashlib.sha256(b"").hexdigest(), hashlib.sha256(b"\x07" * 1000).hexdigest()]

    chosen = base64.b64decode(found["images"])
    images = np.frombuffer(chosen, np.uint8).reshape(10, *found["shape"])
    originals = {
        image.tobytes(): label
        for image, label in zip(sample_dataset.x_val, sample_dataset.y_val, strict=True)
    }
    assert [originals[image.tobytes()] for image in images] == found["labels"]

    page_file = tmp_path / "mis-pesos.json"
    page_file.write_text(found["exported"], encoding="utf-8")
    back = read_weights(page_file)
    assert (back.name, back.class_names) == ("mía", ("a", "b"))
    model.set_weights([w.astype(np.float16).astype(np.float32) for w in model.get_weights()])
    x = np.random.default_rng(0).random((7, 10, 10, 1), dtype=np.float32)
    assert (load(page_file).predict(x, verbose=0) == model.predict(x, verbose=0)).all()

    for message, text in zip(found["failures"], FAILURES, strict=True):
        assert text in message, message


HALVES = np.array([0, -0.0, 1, -1.5, 65504, 6e-8, -3e-5, 0.1], np.float16)
FAILURES = (
    "«pesos.js» está dañado: su contenido no tiene la huella",
    "«pesos.js» está dañado",
    "«pesos.js» no es un archivo de este libro",
    "«pesos.js» no es un archivo de este libro",
    "«pesos.js» está dañado: anuncia 0 pesos y trae",
    "«muestra.js» no es un archivo de este libro",
)


def page_export(small):
    """El texto que escribe la página, con los pesos en float32."""
    path, model = small
    content = object_in(export_weights(path, describe(model)))
    data = b"".join(w.astype("<f4").tobytes() for w in model.get_weights())
    return {**content, "dtype": "float32", "data": base64.b64encode(data).decode("ascii"),
            "sha256": hashlib.sha256(data).hexdigest()}  # fmt: skip


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda c: json.dumps(c)[:-40], "«roto.json» está dañado o no es un archivo de pesos de este libro"),
        (lambda c: "hola", "«roto.json» está dañado o no es un archivo de pesos"),
        (lambda c: "[1, 2]", "«roto.json» está dañado o no es un archivo de pesos"),
        (lambda c: json.dumps({**c, "version": 2}), "«roto.json» no es un archivo de pesos .* de otra versión"),
        (lambda c: json.dumps({**c, "data": "AAAA" + c["data"][4:]}), "«roto.json» está dañado: su contenido no tiene la huella"),
        (lambda c: json.dumps({**c, "data": "%%" + c["data"]}), "«roto.json» está dañado: "),
        (lambda c: json.dumps({**c, "data": 3}), "«roto.json» está dañado: "),
        (lambda c: json.dumps({**c, "sha256": None}), "«roto.json» está dañado: su contenido"),
        (lambda c: json.dumps({**c, "dtype": "int8"}), "«roto.json» está dañado: 'int8'"),
        (lambda c: json.dumps({**c, "weights": c["weights"][1:]}), "«roto.json» está dañado: anuncia .* pesos y trae"),
        (lambda c: json.dumps({**c, "description": {"version": 7}}), "«roto.json» está dañado: No es una descripción"),
        (lambda c: json.dumps({**c, "description": describe_cnn()}), "«roto.json» no tiene los pesos de esta red"),
    ],
)  # fmt: skip
def test_damaged_page_files_are_named(damage, message, small, tmp_path):
    path = tmp_path / "roto.json"
    path.write_text(damage(page_export(small)), encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        load(path)


def test_missing_page_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="No existe el archivo «.*nada.json»"):
        load(tmp_path / "nada.json")


def test_page_file_predicts_exactly_the_same(small, tmp_path):
    path = tmp_path / "exacto.json"
    content = page_export(small)
    path.write_text(json.dumps(content), encoding="utf-8")
    _, model = small
    model = build_cnn(**SMALL)
    model.set_weights(read_weights(path).weights)
    x = np.random.default_rng(1).random((5, 10, 10, 1), dtype=np.float32)
    assert (load(path).predict(x, verbose=0) == model.predict(x, verbose=0)).all()
