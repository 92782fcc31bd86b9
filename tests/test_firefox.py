"""Los controles y el motor en Firefox: se montan, responden al teclado, callan en la consola y no piden nada fuera."""

import json
import re
import shutil
import subprocess

import control_registry as registry
import firefox
import pytest
from built_book import ROOT, serve
from control_pages import STATIC_PAGE
from control_registry import chapters, move_by_keyboard, placements, wait, wait_mounted
from test_training_lab import EPOCHS, KERAS_ACCURACY

from helpers.engine import describe_cnn, worker_source
from helpers.widgets.training_lab import DEFAULT


def browser_test(function):
    """Marca una prueba que abre Firefox: solo en `make test-full`."""
    return pytest.mark.completo(pytest.mark.navegador(function))


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    """Un Firefox para todas las pruebas de este archivo."""
    with firefox.firefox(tmp_path_factory.mktemp("firefox")) as driver:
        yield driver


@browser_test
@pytest.mark.parametrize("origin", ["http", "disco"])
@pytest.mark.parametrize("chapter", chapters())
def test_every_control_mounts_and_answers_a_key(driver, book, server, chapter, origin):
    site = server if origin == "http" else book.site.as_uri()
    controls = [place for place in placements() if place.chapter == chapter]
    driver.open(f"{site}/book/{chapter}.html", base=site)
    wait_mounted(driver, len(controls))
    for place in controls:
        move_by_keyboard(driver, place.name, place.position)
    assert driver.faults == []


@browser_test
@pytest.mark.parametrize("origin", ["http", "disco"])
def test_the_engine_trains_in_a_worker(driver, tmp_path, origin, tiny_dataset):
    script = f"var source = {json.dumps(worker_source())};".replace("</", "<\\/")
    (tmp_path / "motor.html").write_text(
        STATIC_PAGE.format(body=f"<script>{script}</script>"), encoding="utf-8"
    )
    images = tiny_dataset.x_train[:64]
    with serve(tmp_path) as address:
        site = address if origin == "http" else tmp_path.as_uri()
        driver.open(f"{site}/motor.html", base=site)
        found = driver.run_async(
            """async (description, images, labels) => {
              const url = URL.createObjectURL(new Blob([window.wrappedJSObject.source], { type: "text/javascript" }));
              const worker = new Worker(url);
              const train = { images: Uint8Array.from(images), labels: Uint8Array.from(labels) };
              const messages = [];
              return new Promise((done, fail) => {
                worker.onerror = (event) => fail(new Error(event.message));
                worker.onmessage = ({ data }) => {
                  if (data.type === "epoch") messages.push(data.loss);
                  if (data.type === "error" || data.type === "diverged") fail(new Error(data.message));
                  if (data.type === "done") done(messages);
                };
                worker.postMessage({ type: "data", train, validation: train });
                worker.postMessage({ type: "build", description, seed: 3 });
                worker.postMessage({ type: "train", epochs: 6, optimizer: { name: "adam", learning_rate: 2e-3 }, seed: 5 });
              });
            }""",
            describe_cnn(filters=(4, 8), dense_units=16),
            images.ravel().tolist(),
            tiny_dataset.y_train[:64].tolist(),
        )
        assert driver.faults == []
    assert len(found) == 6 and found[-1] < found[0] < 4, found


@browser_test
@pytest.mark.parametrize("origin", ["http", "disco"])
def test_the_laboratory_of_the_chapter_learns_as_keras_does(driver, book, server, origin):
    """En la página de verdad, sin red y con el teclado: tres épocas, y la exactitud de validación que da Keras."""
    site = server if origin == "http" else book.site.as_uri()
    place = next(place for place in placements() if place.name == "TrainingLab")
    choices = "_".join(
        str(int(value) if isinstance(value, bool) else value)
        for value in {**DEFAULT, "epochs": EPOCHS}.values()
    )
    driver.open(f"{site}/{place.page}#TrainingLab={choices}", base=site)
    wait_mounted(driver, len([other for other in placements() if other.chapter == place.chapter]))
    driver.run("() => document.querySelector('.tl-fields input').focus()")
    for _ in range(60):
        if driver.run("() => document.activeElement.classList.contains('tl-start')"):
            break
        driver.press("Tab")
    driver.press("Enter")
    status = lambda: driver.run("() => document.querySelector('.tl-status').textContent")  # noqa: E731
    ended = lambda: (text := status()).startswith(("Terminado", "Entrenamiento interrumpido")) and text  # noqa: E731
    text = wait(ended, "el laboratorio no termina", seconds=180)
    epoch, accuracy = re.match(
        rf"Terminado\. Época (\d) de {EPOCHS}: .*; en validación, (\d\.\d+)", text
    ).groups()
    print(f"Firefox, {origin}: {text}")
    assert int(epoch) == EPOCHS and min(KERAS_ACCURACY) <= float(accuracy) <= max(KERAS_ACCURACY)
    assert driver.faults == []


@browser_test
def test_faults_are_noticed(driver, tmp_path):
    body = """<img src="http://fuera.invalid/a.png" alt=""><script>
      console.warn("un aviso");
      setTimeout(() => { throw new Error("una excepción"); });
      new Worker(URL.createObjectURL(new Blob(["console.log('desde el Worker'); fetch('http://fuera.invalid/b')"])));
    </script>"""
    path = tmp_path / "faltas.html"
    path.write_text(STATIC_PAGE.format(body=body), encoding="utf-8")
    driver.open(path.as_uri())
    for expected in (
        "warn: un aviso",
        "una excepción",
        "log: desde el Worker",
        "fuera.invalid/a.png",
        "fuera.invalid/b",
    ):
        wait(
            lambda expected=expected: any(expected in fault for fault in driver.faults),
            f"no se ve «{expected}»",
        )
    driver.open("about:blank")
    assert driver.faults == []


@browser_test
def test_a_deaf_control_is_noticed(driver, book, monkeypatch):
    place = placements()[0]
    driver.open((book.site / place.page).as_uri(), base=book.site.as_uri())
    wait_mounted(driver, len([other for other in placements() if other.chapter == place.chapter]))
    driver.run(
        "() => addEventListener('keydown', (event) => event.key !== 'Tab' && (event.preventDefault(), event.stopPropagation()), true)"
    )
    monkeypatch.setattr(registry, "wait", lambda condition, what, seconds=1: wait(condition, what, 1))
    with pytest.raises(AssertionError, match="no responde al teclado"):
        move_by_keyboard(driver, place.name, place.position)


def test_missing_firefox_fails_with_the_remedy(monkeypatch):
    monkeypatch.setattr(firefox.shutil, "which", lambda name: None)
    with pytest.raises(RuntimeError, match="Falta Firefox.*tests/navegadores.sh firefox"):
        firefox.find_firefox()


def test_full_target_asks_for_both_browsers():
    assert "tests/navegadores.sh chromium firefox" in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_the_target_says_what_to_install_where_it_cannot(tmp_path):
    """Sin Firefox y sin ser administrador, la orden que prepara los navegadores falla y dice qué hacer."""
    (tmp_path / "id").write_text("#!/bin/sh\necho 1000\n", encoding="utf-8")
    (tmp_path / "id").chmod(0o755)
    (tmp_path / "dirname").symlink_to(shutil.which("dirname"))
    run = subprocess.run(
        [shutil.which("bash"), ROOT / "tests" / "navegadores.sh", "firefox"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert run.returncode == 1
    assert "Falta firefox y no se pudo instalar" in run.stderr and "apt install" in run.stderr
