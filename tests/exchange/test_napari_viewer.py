"""The plug-in in napari's own test viewer, without a screen: opened, painted with napari's tools, saved, imported."""

import os

import numpy as np
import pytest
from test_correction_loop import labels_of

from exchange import expected, make_loop, write_ranking

if "DISPLAY" not in os.environ:
    # Not every Qt draws with OpenGL so; under xvfb-run each does.
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
pytest.importorskip("napari", reason="napari is not installed: see plugins/napari-incmask", exc_type=ImportError)
pytest.importorskip("pytestqt", reason="pytest-qt is not installed, which napari's test viewer needs")

# What napari and Qt warn of is their own affair.
pytestmark = pytest.mark.filterwarnings("ignore")

ORDER = ["x.2", "slide/x.1", "x.0"]


@pytest.fixture(params=["binary", "multiclass", "multilabel"])
def loop(request, tmp_path):
    data, run, pseudo = make_loop(tmp_path, request.param)
    write_ranking(run, ORDER)
    return data, run, pseudo


@pytest.fixture
def panel(make_napari_viewer):
    """Give the panel, docked in a viewer, which is ``panel.viewer``."""
    from napari_incmask.widget import CorrectionWidget

    viewer = make_napari_viewer()
    widget = CorrectionWidget(viewer)
    viewer.window.add_dock_widget(widget)
    widget.viewer = viewer
    return widget


def press(panel, text):
    (button,) = [each for each in panel.findChildren(type(panel._on_an_image[0])) if each.text() == text]
    assert button.isEnabled()
    button.click()


def test_a_run_is_opened_painted_and_imported(loop, panel):
    data, run, pseudo = loop
    panel.open(run)
    layers = panel.viewer.layers
    classes, unsure = panel._label_layers[0], panel._label_layers[-1]
    assert next(each.name for each in layers) == "x.2"
    assert layers.selection.active is classes
    np.testing.assert_array_equal(unsure.data, pseudo["x.2"].inconsistent)
    before = [each.data.copy() for each in panel._label_layers]
    classes.selected_label, classes.brush_size = 1, 5
    classes.mode = "paint"
    with classes.block_history():  # as the mouse does
        classes.paint((10, 9), 1)
    changed = classes.data != before[0]
    assert changed.any()
    np.testing.assert_array_equal(unsure.data, np.where(changed, 0, before[-1]))
    label, settled = [each.data.copy() for each in panel._label_layers[:-1]], unsure.data > 0
    press(panel, "Save, next")
    assert panel.told.splitlines()[0] == "2 of 3: slide/x.1"
    # What was chosen for a layer stays, and what was shown is gone.
    assert (panel._label_layers[0].mode, panel._label_layers[0].brush_size) == ("paint", 5)
    assert next(each.name for each in layers) == "slide/x.1"
    assert len(layers) == 1 + len(before)
    press(panel, "Agree, next")
    assert "2 of 3 saved in" in panel.told

    from incmask.exchange.corrections.take_back import import_labels

    import_labels(run, panel.session.desk.corrected().out, target="png", unchanged="confirm")
    after, wanted = labels_of(data), np.stack(label, 2) if len(label) > 1 else label[0].copy()
    wanted[settled] = 255
    np.testing.assert_array_equal(after["round-2/x.2"], wanted)
    np.testing.assert_array_equal(after["round-2/slide/x.1"], expected(pseudo["slide/x.1"]))


def test_what_is_not_saved_is_asked_about(panel, tmp_path, monkeypatch):
    from qtpy.QtWidgets import QMessageBox

    _data, run, pseudo = make_loop(tmp_path)
    write_ranking(run, ORDER)
    answers = [QMessageBox.Cancel, QMessageBox.Discard, QMessageBox.Save]
    monkeypatch.setattr(QMessageBox, "question", lambda *given: answers.pop(0))
    panel.open(run)
    press(panel, "Next")
    assert (panel.session.index, len(answers)) == (1, 3)
    for row, (wanted, is_saved) in enumerate(((1, False), (2, False), (1, True))):
        data = panel._label_layers[0].data
        data[row, 4] = 1 - data[row, 4]
        press(panel, "Previous" if is_saved else "Next")
        assert panel.session.index == wanted
        assert panel.session.desk.is_saved(2) == is_saved
    press(panel, "Models' mask")
    np.testing.assert_array_equal(panel._label_layers[0].data, pseudo["slide/x.1"].label)


def test_mistakes_are_told_in_the_panel(panel, tmp_path):
    panel.open(tmp_path)
    assert "run.toml" in panel.told
    assert not panel._on_an_image[0].isEnabled()
    _data, run, _pseudo = make_loop(tmp_path)
    panel.open(run)
    assert "run.toml" not in panel.told
    panel._label_layers[0].data[0, 0] = 9
    press(panel, "Save, next")
    assert "holds 9 where 0 to 1 belong" in panel.told
    assert panel.session.index == 0
    panel.viewer.layers.remove(panel._label_layers[0])
    press(panel, "Save, next")
    assert "was removed; go to another image and back" in panel.told
    press(panel, "Next")
    press(panel, "Previous")
    assert len(panel.viewer.layers) == 3
    for _ in range(3):
        press(panel, "Agree, next")
    assert "3 of 3 saved" in panel.told
    assert "--from" in panel.told or "format=" in panel.told


def test_napari_finds_the_panel(make_napari_viewer):
    import npe2

    manager = npe2.PluginManager.instance()
    (widget,) = [each for each in manager.iter_widgets() if each.plugin_name == "napari-incmask"]
    assert widget.display_name == "Correct the masks of a run"
    _dock, panel = make_napari_viewer().window.add_plugin_dock_widget("napari-incmask", widget.display_name)
    assert panel.told == "open the folder of a finished run"
