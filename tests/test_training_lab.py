"""`TrainingLab`: la red aprende en la página como en Keras, no frena al lector y dice en español lo que falla.

Los intervalos de Keras se miden con `python tests/test_training_lab.py`.
"""

import contextlib
import csv
import gzip
import io
import json
import re

import numpy as np
import pytest
from built_book import ROOT, serve
from control_pages import (
    STATIC_PAGE,
    accessibility_faults,
    opened,
    overflowing,
    small_targets,
    stored_outputs,
)
from PIL import Image

from helpers.data import load_dataset, subset
from helpers.widgets import base
from helpers.widgets.training_lab import CHOICES, DEFAULT, N_TRAIN, N_VAL, TrainingLab

browser_test = pytest.mark.navegador

# Exactitud de validación tras 3 épocas con la configuración de partida, semillas 0 a 4, en Keras 3.15 y TensorFlow 2.21.
# Origen: `python tests/test_training_lab.py`. No se ensancha: la semilla 0 de la página tiene que caer dentro.
KERAS_ACCURACY = (0.790, 0.786, 0.816, 0.810, 0.822)
EPOCHS = 3

# Lo mismo con el motor, para cada prueba del control: semillas 0 a 4, 1000 imágenes, 16 y 32 filtros y 3 épocas.
TRIAL = {"images": 1000, "filters1": 16, "filters2": 32, "epochs": EPOCHS}
TRIAL_ACCURACY = {
    "normal": (0.752, 0.750, 0.764, 0.720, 0.752),
    "pixeles": (0.654, 0.728, 0.702, 0.718, 0.748),
    "etiquetas": (0.162, 0.072, 0.112, 0.112, 0.094),
}
# Y con los experimentos preparados enteros: 2000 imágenes, la red del libro, 6 épocas (12 con las etiquetas barajadas).
PRESET_ACCURACY = {
    "normal": (0.834, 0.842, 0.826, 0.844, 0.846),
    "pixeles": (0.806, 0.796, 0.776, 0.764, 0.788),
    "etiquetas": (0.100, 0.104, 0.094, 0.064, 0.126),
}


def measure_engine(trial, seed, *, images=2000, filters1=32, filters2=64, epochs=6):
    """Entrena con el motor, con la configuración de partida y la prueba pedida, y devuelve la exactitud de validación."""
    from helpers.engine import Engine, describe_cnn, weight_shapes

    rng = np.random.default_rng(seed)
    part = subset(load_dataset(), images, N_VAL, 1, seed=0)
    x, x_val = part.x_train / np.float32(255), part.x_val / np.float32(255)
    y = rng.permutation(part.y_train) if trial == "etiquetas" else part.y_train
    if trial == "pixeles":
        order = rng.permutation(x[0, :, :, 0].size)  # el mismo desorden en todas
        x, x_val = (a.reshape(len(a), -1, 3)[:, order].reshape(a.shape) for a in (x, x_val))
    description = describe_cnn(filters=(filters1, filters2))
    engine = Engine(description, batch_size=500, seed=seed)

    def draw(name, shape):
        if not name.endswith("kernel"):
            return np.zeros(shape, np.float32)
        window = int(np.prod(shape[:-2]))
        limit = np.sqrt(6 / (window * (shape[-2] + shape[-1])))  # Glorot
        return rng.uniform(-limit, limit, shape).astype(np.float32)

    engine.set_weights([draw(name, shape) for name, shape in weight_shapes(description)])
    adam = {"name": "adam", "learning_rate": 1e-3, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}
    for _ in range(epochs):
        order = rng.permutation(len(x))
        for start in range(0, len(x), 32):
            chosen = order[start : start + 32]
            engine.train_step(x[chosen], y[chosen], adam)
    return engine.evaluate(x_val, part.y_val)[1]


def measure_keras():
    """Entrena las cinco semillas de Keras con los datos de la página y escribe su exactitud de validación."""
    from helpers._keras import keras
    from helpers.models import build_cnn
    from helpers.training import compile_model, train

    part = subset(load_dataset(), N_TRAIN, N_VAL, 1, seed=0)
    for seed in range(len(KERAS_ACCURACY)):
        keras.utils.set_random_seed(seed)
        result = train(
            compile_model(build_cnn()),
            part.x_train,
            part.y_train,
            validation_data=(part.x_val, part.y_val),
            epochs=EPOCHS,
            seed=seed,
            keep_best=False,
            verbose=False,
        )
        print(f"semilla {seed}: {result.history['val_accuracy'][-1]:.3f}")


# --- Lo que se guarda ------------------------------------------------------------------------------------------------
def test_stored_html_is_small_and_has_no_data():
    html = TrainingLab().to_html()
    assert html == TrainingLab().to_html() and "<script" not in html and len(html) < 20_000
    own = base.page_script([TrainingLab], folder=".") + base.stylesheet() + html
    assert len(gzip.compress(own.encode("utf-8"))) < 100_000  # el motor y la muestra se piden después
    assert set(TrainingLab.files()) == {"motor", "muestra"}
    assert "2000 imágenes" in repr(TrainingLab()) and "validación" in TrainingLab().picture().alt


@pytest.mark.parametrize(
    ("chapter", "choices"),
    [("entrenamiento", {}), ("no-aprende", {"images": 1000, "epochs": 3, "rate": 1})],
)
def test_chapter_stores_what_the_control_shows_today(chapter, choices):
    stored = ["".join(data["text/html"]) for data in stored_outputs(ROOT / "book" / f"{chapter}.ipynb")]
    assert TrainingLab(**choices).to_html() in stored


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"images": 60}, "images tiene que ser uno de 50, 100"),
        ({"rate": 2}, "rate tiene que ser uno de"),
        ({"batch_norm": 1}, "batch_norm tiene que ser uno de False, True, y es 1"),
        ({"seed": -1}, "seed tiene que ser un entero de 0 a 9999"),
        ({"capas": 3}, "No existe la opción 'capas'"),
    ],
)
def test_it_says_what_is_wrong(choices, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        TrainingLab(**choices)
    with pytest.raises(ValueError, match="diccionario con images"):
        TrainingLab().state = {}


# --- En el navegador -------------------------------------------------------------------------------------------------
def write_page(folder, *, spoil=None, **choices):
    """Una carpeta con la página del control y sus archivos; `spoil` estropea el texto de la muestra."""
    for name, make in TrainingLab.files().items():
        text = make()
        (folder / f"{name}.js").write_text(
            spoil(text) if spoil and name == "muestra" else text, encoding="utf-8"
        )
    script = base.page_script([TrainingLab], folder=".")
    # El módulo queda a la vista para poder preguntarle.
    script += f"\nglobalThis.lab = {base.bundle([TrainingLab], folder='.')}.controls.TrainingLab;"
    html = TrainingLab(**choices).to_html()
    body = f"<style>{base.stylesheet()}</style><main>{html}</main><script>{script}</script>"
    (folder / "favicon.ico").write_bytes(b"")  # el navegador se lo pide al servidor
    (folder / "pagina.html").write_text(STATIC_PAGE.format(body=body), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """La página del control, en el disco."""
    return write_page(tmp_path_factory.mktemp("laboratorio"))


@contextlib.contextmanager
def laboratory(browser, site, choices=None, **options):
    """La página con el control montado y la configuración pedida; al cerrarla comprueba la consola y la red."""
    values = {**DEFAULT, **(choices or {})}
    text = "_".join(str(int(v)) if isinstance(v, bool) else f"{v:g}" if isinstance(v, float) else str(v)
                    for v in values.values())  # fmt: skip
    with opened(browser, f"{site}/pagina.html#TrainingLab={text}", base=site, **options) as (page, watch):
        page.locator(".control .tl-start").wait_for(state="attached")
        yield page
        assert watch.faults == []


def wait_status(page, start, seconds=120):
    page.wait_for_function(
        "start => document.querySelector('.tl-status').textContent.startsWith(start)", arg=start,
        timeout=1000 * seconds,
    )  # fmt: skip


def train(page, end="Terminado", seconds=120):
    page.evaluate("document.querySelector('.tl-status').textContent = ''")
    page.locator(".tl-start").click()
    wait_status(page, end, seconds)


def downloaded(page, button):
    with page.expect_download() as waiting:
        page.get_by_role("button", name=button).click()
    return waiting.value.path()


def read_history(page):
    text = downloaded(page, "Guardar historial (CSV)").read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    return {name: [float(row[name]) for row in rows] for name in rows[0]}


MAX_STALL_MS = 100


@contextlib.contextmanager
def main_thread_tasks(browser, page):
    """Da una lista que al salir lleva las tareas del hilo de la página, de mayor a menor: (ms de procesador, ms de reloj).

    El parón que una página impone es el tiempo de procesador de su tarea más larga. Entre dos temporizadores, o en el reloj,
    cabe además lo que los otros procesos del equipo la hacen esperar, y esa espera no es de la página: con el procesador no hay
    que repetir la medida hasta que salga bien.
    """
    tasks = []
    browser.start_tracing(page=page, categories=["toplevel", "devtools.timeline", "__metadata"])
    yield tasks
    events = json.loads(browser.stop_tracing())["traceEvents"]
    main = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    tasks += sorted(
        (
            (event["tdur"] / 1000, event["dur"] / 1000)
            for event in events
            if "tdur" in event and (event["pid"], event["tid"]) in main
        ),
        reverse=True,
    )


@browser_test
@pytest.mark.parametrize("place", ["http", "disco"])
def test_three_epochs_learn_as_keras_does_without_stalling(browser, folder, place):
    with contextlib.ExitStack() as stack:
        site = folder.as_uri() if place == "disco" else stack.enter_context(serve(folder))
        page = stack.enter_context(laboratory(browser, site.rstrip("/"), {"epochs": EPOCHS}))
        with main_thread_tasks(browser, page) as tasks:
            train(page)
        (stall, clock), count = tasks[0], len(tasks)
        history = read_history(page)
        speed = page.locator(".tl-speed").text_content()
        print(
            f"{place}: validación {history['val_accuracy']}, {speed}; {count} tareas del hilo de la página, "
            f"la mayor de {stall:.0f} ms de procesador ({clock:.0f} de reloj)"
        )
        assert history["epoch"] == [1, 2, 3] and history["loss"][0] > history["loss"][-1]
        assert min(KERAS_ACCURACY) <= history["val_accuracy"][-1] <= max(KERAS_ACCURACY)
        assert count > 50 and stall < MAX_STALL_MS
        assert page.locator(".tl-filters").get_attribute("aria-label").startswith("Los 32 filtros")


@browser_test
def test_a_stall_is_noticed(browser, folder):
    with laboratory(browser, folder.as_uri()) as page, main_thread_tasks(browser, page) as tasks:
        page.evaluate(
            # Una cantidad fija de trabajo: la que cabe en un plazo de reloj depende de lo que hagan los otros procesos.
            """() => new Promise((done) => setTimeout(() => {
              let x = 0;
              for (let i = 0; i < 50_000_000; i++) x = Math.sin(x + i);
              done(x);
            }))"""
        )
    stall, clock = tasks[0]
    print(f"la tarea mayor, {stall:.0f} ms de procesador ({clock:.0f} de reloj)")
    assert stall > MAX_STALL_MS


@browser_test
@pytest.mark.parametrize("choices", [{}, {"batch_norm": True, "dropout": 0.5}], ids=["libro", "normalizada"])
def test_saved_weights_give_the_same_predictions_in_keras(browser, folder, tmp_path, choices):
    from helpers.web_export import load

    small = {"images": 200, "epochs": 2, "filters1": 8, "filters2": 16, "dense": 32, **choices}
    with laboratory(browser, folder.as_uri(), small) as page:
        train(page)
        history = read_history(page)
        path = tmp_path / "pesos.json"
        path.write_bytes(downloaded(page, "Guardar pesos").read_bytes())
    part = subset(load_dataset(), N_TRAIN, N_VAL, 1, seed=0)
    model = load(path)
    probabilities = model.predict(part.x_val / np.float32(255), verbose=0)
    accuracy = (probabilities.argmax(1) == part.y_val).mean()
    loss = -np.log(probabilities[np.arange(N_VAL), part.y_val]).mean()
    assert accuracy == pytest.approx(history["val_accuracy"][-1], abs=0.0021)  # una imagen dudosa
    assert loss == pytest.approx(history["val_loss"][-1], abs=1e-4)
    content = json.loads(path.read_text(encoding="utf-8"))
    content["data"] = "AAAA" + content["data"][4:]
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ValueError, match=r"pesos\.json» está dañado"):
        load(path)


@browser_test
def test_the_network_is_the_one_of_describe_cnn_and_choices_agree(browser, folder):
    from helpers.engine import describe_cnn

    with laboratory(browser, folder.as_uri()) as page:
        for batch_norm in (False, True):
            for dropout in (0, 0.5):
                state = {**DEFAULT, "batch_norm": batch_norm, "dropout": dropout}
                found = page.evaluate("state => lab.describeNetwork(state)", state)
                wanted = describe_cnn(batch_norm=batch_norm, dropout=dropout, name="red_del_laboratorio")
                assert found == wanted
        for name, allowed in CHOICES.items():
            for value in list(allowed)[:20]:
                state = {**DEFAULT, name: value}
                again = page.evaluate(
                    "state => lab.normalize(lab.fromAddress(lab.toAddress(lab.normalize(state))))", state
                )
                assert again == state and list(again) == list(CHOICES)
        assert page.evaluate("state => lab.normalize(state)", {**DEFAULT, "rate": 7}) is None


@browser_test
def test_the_keras_code_runs(browser, folder):
    small = {"images": 50, "epochs": 1, "filters1": 4, "filters2": 8, "dense": 16, "dropout": 0.5}
    with laboratory(browser, folder.as_uri()) as page:
        codes = [
            page.evaluate("state => lab.kerasCode(state)", {**DEFAULT, **small, **extra})
            for extra in (
                {"trial": "pixeles", "batch_norm": True, "augmentation": True},
                {"trial": "etiquetas"},
                {"trial": "ceros", "optimizer": "sgd"},
            )
        ]
    for code in codes:
        values = {}
        exec(code.replace("validation_data=", "verbose=0, validation_data="), values)
        assert np.isfinite(values["model"].history.history["val_loss"]).all()


@browser_test
def test_presets_teach_what_they_say(browser, folder):
    with laboratory(
        browser, folder.as_uri(), {"images": 1000, "filters1": 4, "filters2": 8, "dense": 16}
    ) as page:
        for name in (
            "La de partida",
            "Tasa demasiado alta",
            "50 imágenes",
            "Pesos a cero",
            "Etiquetas barajadas",
        ):
            button = page.get_by_role("button", name=name, exact=True)
            button.click()
            assert button.get_attribute("aria-pressed") == "true"
            assert len(page.locator(".tl-look").text_content()) > 40
        page.get_by_role("button", name="Pesos a cero", exact=True).click()
        train(page)
        history = read_history(page)
        assert history["val_accuracy"][-1] <= 0.15 and history["val_loss"][-1] == pytest.approx(
            np.log(10), abs=0.05
        )
        page.get_by_role("button", name="50 imágenes", exact=True).click()
        train(page)
        history = read_history(page)
        assert history["accuracy"][-1] > 0.95 and history["val_accuracy"][-1] < 0.8


@browser_test
@pytest.mark.parametrize("trial", TRIAL_ACCURACY)
def test_trials_reach_what_they_can(browser, folder, trial):
    """La semilla 0 de la página es una más: cae en el intervalo de las cinco del motor, con el ancho de ese intervalo a cada lado."""
    with laboratory(browser, folder.as_uri(), {**TRIAL, "trial": trial}) as page:
        train(page)
        accuracy = read_history(page)["val_accuracy"][-1]
    low, high = min(TRIAL_ACCURACY[trial]), max(TRIAL_ACCURACY[trial])
    print(f"{trial}: {accuracy:.3f}, y el motor entre {low:.3f} y {high:.3f}")
    assert low - (high - low) <= accuracy <= high + (high - low)


def test_the_engine_still_gives_the_trials_their_accuracy():
    """La semilla 0 de cada prueba, otra vez: los intervalos son los del motor de hoy."""
    for trial, accuracies in TRIAL_ACCURACY.items():
        assert measure_engine(trial, 0, **TRIAL) == pytest.approx(accuracies[0], abs=0.0051), trial


def test_presets_say_what_five_seeds_support():
    """Con los píxeles permutados toda semilla queda por debajo de cualquiera de la de partida, y muy por encima de adivinar; con las
    etiquetas barajadas, todas quedan alrededor de adivinar, con 500 imágenes."""
    normal, pixels, labels = (PRESET_ACCURACY[trial] for trial in ("normal", "pixeles", "etiquetas"))
    assert max(pixels) < min(normal) and min(pixels) > 0.5
    assert max(abs(accuracy - 0.1) for accuracy in labels) < 0.1
    script = (base.FOLDER / "training_lab.js").read_text(encoding="utf-8")
    assert "acierta más o menos lo que quien adivina" in script and "acierta algo menos" in script


@browser_test
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_rate_ten_is_told(browser, folder, optimizer):
    with laboratory(browser, folder.as_uri(), {"rate": 10, "optimizer": optimizer, "images": 200}) as page:
        train(page, "Entrenamiento interrumpido")
        assert "baja la tasa de aprendizaje" in page.locator(".tl-error").text_content().lower()


@browser_test
def test_a_damaged_sample_is_named(browser, tmp_path):
    spoiled = write_page(tmp_path, spoil=lambda text: text.replace('"data":"AAAA', '"data":"BAAA', 1))
    with laboratory(browser, spoiled.as_uri()) as page:
        train(page, "Entrenamiento interrumpido")
        assert "«muestra» está dañado" in page.locator(".tl-error").text_content()


@browser_test
def test_running_out_of_memory_is_told(browser, folder):
    """Ninguna red de los campos llena la memoria de un ordenador: se le pide al motor otra que no cabe."""
    with laboratory(browser, folder.as_uri()) as page:
        page.evaluate(
            """() => {
              const { postMessage } = Worker.prototype;
              Worker.prototype.postMessage = function (message, ...rest) {
                if (message.type === "build") {
                  message.batchSize = 4096;
                  message.description.layers.filter((l) => l.filters).forEach((l) => { l.filters = 512; });
                }
                return postMessage.call(this, message, ...rest);
              };
            }"""
        )
        train(page, "Entrenamiento interrumpido")
        told = page.locator(".tl-error").text_content()
        assert told.startswith("No hay memoria para esta red con lotes de 4096. Usa menos filtros"), told
        assert (
            page.locator(".tl-start").text_content() == "Entrenar"
        )  # se puede cambiar algo y probar otra vez


@browser_test
def test_without_simd_the_figure_stays(browser, folder):
    context = browser.new_context()
    with contextlib.closing(context):
        context.add_init_script("WebAssembly.validate = () => false")
        page = context.new_page()
        page.goto((folder / "pagina.html").as_uri())
        page.locator(".tl-error").wait_for()
        assert "WebAssembly con SIMD (2021)" in page.locator(".tl-error").text_content()
        page.locator(".control-static img").wait_for(state="visible")
        assert not page.locator(".tl-start").is_visible()


@browser_test
def test_stop_continue_hidden_and_reset(browser, folder):
    with laboratory(browser, folder.as_uri(), {"epochs": 30, "images": 500}) as page:
        page.locator(".tl-start").click()
        wait_status(page, "Época 1 ")
        page.get_by_role("button", name="Detener").click()
        wait_status(page, "Detenido")
        done = page.locator("progress").evaluate("bar => bar.value")
        page.wait_for_timeout(300)
        assert page.locator("progress").evaluate("bar => bar.value") == done
        page.get_by_role("button", name="Continuar").click()
        page.wait_for_function("done => document.querySelector('progress').value > done", arg=done)
        page.evaluate(
            "() => { Object.defineProperty(document, 'hidden', { value: true, configurable: true });"
            " document.dispatchEvent(new Event('visibilitychange')); }"
        )
        wait_status(page, "Se paró porque la página dejó de verse")
        page.evaluate("() => { delete document.hidden; }")
        page.get_by_role("button", name="Continuar").click()
        page.get_by_role("button", name="Detener").wait_for()
        page.get_by_role("button", name="Reiniciar").click()
        assert page.locator(".tl-start").text_content() == "Entrenar"
        assert page.locator("progress").evaluate("bar => bar.value") == 0


def picture(color, seed):
    rng = np.random.default_rng(seed)
    pixels = np.clip(np.array(color) + rng.integers(-40, 40, (20, 30, 3)), 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@browser_test
def test_it_trains_on_the_readers_images_and_names_the_bad_ones(browser, folder, tmp_path):
    for name, color in (("rojo", (200, 40, 40)), ("azul", (40, 40, 200))):
        (tmp_path / "fotos" / name).mkdir(parents=True)
        for number in range(20):
            (tmp_path / "fotos" / name / f"{number}.png").write_bytes(picture(color, number))
    (tmp_path / "fotos" / "rojo" / "rota.png").write_bytes(b"no es una imagen")
    Image.new("RGB", (8000, 5000), "navy").save(tmp_path / "fotos" / "azul" / "enorme.png")
    with laboratory(
        browser, folder.as_uri(), {"epochs": 20, "batch": 8, "rate": 0.003, "filters1": 4, "filters2": 8}
    ) as page:
        page.get_by_text("Con tus imágenes").click()
        page.locator(".tl-folder").set_input_files(tmp_path / "fotos")
        wait_status(page, "Listas 40 imágenes de 2 clases: azul, rojo.")
        note = page.locator(".tl-status").text_content()
        assert "«fotos/rojo/rota.png» no es una imagen que este navegador sepa abrir" in note
        assert "«fotos/azul/enorme.png» tiene 40 megapíxeles y aquí caben hasta 36" in note
        train(page)
        assert read_history(page)["val_accuracy"][-1] == 1
        content = json.loads(downloaded(page, "Guardar pesos").read_text(encoding="utf-8"))
        assert content["class_names"] == ["azul", "rojo"]
        files = [
            {"name": f"solo-{i}.png", "mimeType": "image/png", "buffer": picture((0, 0, 0), i)}
            for i in range(6)
        ]
        page.locator(".tl-files").set_input_files(files)
        page.locator(".tl-error").wait_for()
        assert "al menos dos clases" in page.locator(".tl-error").text_content()


@browser_test
@pytest.mark.parametrize("dark", [False, True])
def test_it_is_accessible_and_fits(browser, folder, dark):
    with laboratory(browser, folder.as_uri(), dark=dark) as page:
        if dark:
            page.evaluate("document.documentElement.dataset.theme = 'dark'")
        assert accessibility_faults(page) == []
    with laboratory(browser, folder.as_uri(), {"seed": 1}, width=320, phone=True, dark=dark) as page:
        assert small_targets(page) == [] and overflowing(page) == []


@browser_test
def test_a_phone_starts_with_a_smaller_network(browser, folder):
    site = folder.as_uri()
    with opened(browser, f"{site}/pagina.html", base=site, width=390, phone=True) as (page, watch):
        page.wait_for_function("document.querySelector('.control output').textContent === '1000'")
        assert watch.faults == []


if __name__ == "__main__":
    measure_keras()
    for trial in TRIAL_ACCURACY:
        print(trial, [round(measure_engine(trial, seed, **TRIAL), 3) for seed in range(5)])
        epochs = 12 if trial == "etiquetas" else 6
        print(trial, [round(measure_engine(trial, seed, epochs=epochs), 3) for seed in range(5)])
