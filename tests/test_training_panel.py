"""El panel de entrenamiento sin navegador: entrena de verdad, se detiene, compara y enseña sus errores.

Sirve también con las versiones de Colab (ipywidgets 7.7): `make test-full` lo ejecuta en ese entorno.
"""

import re
import time

import ipywidgets as widgets
import matplotlib._pylab_helpers as pylab
import pytest

from helpers.widgets.training_panel import TrainingPanel


@pytest.fixture
def panel(sample_dataset):
    panel = TrainingPanel(sample_dataset, n_train=200, n_val=100, epochs=2)
    panel.filters.value = "8 y 16"
    yield panel
    panel.stop()
    panel.wait(60)


def walk(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from walk(child)


def test_train_and_compare(panel):
    panel.start_button.click()
    assert panel.running and panel.start_button.disabled and not panel.stop_button.disabled
    assert all(control.disabled for control in panel.controls)
    assert panel.wait(120)
    assert panel.error is None
    first = panel.runs[0]
    assert len(first.history["val_loss"]) == 2 and not first.stopped
    assert f"exactitud {first.history['val_accuracy'][first.best_epoch - 1]:.3f}" in panel.status.value
    assert panel.progress.value == 1
    assert not panel.start_button.disabled and panel.stop_button.disabled

    panel.learning_rate.value = 1e-2
    panel.augmentation.value = True
    panel.start_button.click()
    assert panel.wait(120)
    assert panel.error is None
    assert [run.number for run in panel.runs] == [1, 2]
    assert panel.runs[1].settings["augmentation"] is True
    assert panel.table.value.count("<tr>") == 3  # cabecera y dos ejecuciones
    assert "tasa 0.01" in panel.table.value and "aumento" in panel.table.value

    panel.clear_button.click()
    assert panel.runs == [] and panel.table.value == "" and panel.figure.value == ""


def test_same_seed_same_curves(panel):
    for _ in range(2):
        panel.start()
        assert panel.wait(120)
    assert panel.runs[0].history == panel.runs[1].history


def test_stop(panel):
    panel.epochs.value = 20
    panel.start()
    deadline = time.monotonic() + 60
    while "Época" not in panel.status.value and time.monotonic() < deadline:
        time.sleep(0.05)
    panel.stop_button.click()
    assert panel.wait(60), "Detener no paró el entrenamiento"
    run = panel.runs[-1]
    assert run.stopped and len(run.history["loss"]) < 20
    assert "Detenido a petición" in panel.status.value
    assert panel.error is None


def test_error_is_shown_and_panel_recovers(panel, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("la red <se rompió>")

    with monkeypatch.context() as patch:
        patch.setattr("helpers.training.train", broken)
        panel.start_button.click()
        assert panel.wait(60)
    assert isinstance(panel.error, RuntimeError)
    assert "role='alert'" in panel.message.value
    assert "la red &lt;se rompió&gt;" in panel.message.value
    assert not panel.start_button.disabled and panel.stop_button.disabled

    panel.start_button.click()
    assert panel.wait(120)
    assert panel.error is None and panel.message.value == "" and len(panel.runs) == 1


def test_divergence_is_told(panel):
    """Con una tasa absurda la pérdida deja de ser un número: el panel lo dice y no se rompe."""
    panel.learning_rate.options = [("1e+38", 1e38)]
    panel.start()
    assert panel.wait(120)
    assert panel.error is None
    assert "dejó de ser un número" in panel.status.value


def test_changes_leave_one_image_and_no_open_figures(panel):
    """W04: tras varios cambios y dos entrenamientos hay una sola figura, y ninguna de pyplot abierta."""
    for control in panel.controls:
        if hasattr(control, "options"):
            choices = [o[1] if isinstance(o, tuple) else o for o in control.options]
            control.value = choices[-1]
            control.value = choices[0]
    for _ in range(2):
        panel.start()
        assert panel.wait(120)
    images = [w for w in walk(panel.box) if isinstance(w, widgets.HTML) and "<img" in w.value]
    assert len(images) == 1 and images[0].value.count("<img") == 1
    assert not pylab.Gcf.get_all_fig_managers()


def test_controls_are_labelled(panel):
    assert all(control.description for control in panel.controls)
    assert re.search(r'<img alt="[^"]{40,}"', (panel.start(), panel.wait(120), panel.figure.value)[-1])


def test_bundle_has_static_figure_and_stable_text(panel):
    bundle = panel._repr_mimebundle_()
    assert bundle["text/plain"] == "TrainingPanel(200 imágenes de entrenamiento, 100 de validación)"
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == panel.box.model_id
    static = bundle["text/html"]
    assert "Colab" in static and "Binder" in static and "kernel" in static
    assert re.search(r'<img alt="[^"]*ejecución registrada[^"]*0\.\d{3}', static)
    assert len(static) < 200_000


def test_too_many_images(sample_dataset):
    with pytest.raises(ValueError, match="6000|6001"):
        TrainingPanel(sample_dataset, n_train=6001)
