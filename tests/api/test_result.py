"""A run that has ended, as a value."""

import re
import sys

import numpy as np
import pytest
import torch
from PIL import Image

import incmask
from finished_runs import copy_of, remove_from
from incmask.base.errors import IncmaskError
from incmask.base.tables import read_rows
from runs import HERE, draw

PLAIN = draw(seed=5, size=(40, 28))[0]


@pytest.fixture(scope="module")
def result(finished_run):
    return incmask.load(finished_run("binary"), device="cpu")


def test_scores_and_history_are_those_of_the_tables(result):
    rows = read_rows(result.folder / "scores.csv", dict[str, str])
    assert [(row["stage"], row["model"], row["split"], float(row["score"])) for row in rows] == [
        (row.stage, row.model, row.split, row.score) for row in result.scores
    ]
    assert list(result.history) == [
        f"{stage}/{model}"
        for stage, model in dict.fromkeys((row["stage"], row["model"]) for row in rows)
        if model != "ensemble"
    ]
    for name, history in result.history.items():
        stage, number = name.split("/")
        lines = read_rows(result.folder / stage / "students" / number / "history.csv", dict[str, str])
        assert [float(line["validation_score"]) for line in lines] == [row.validation_score for row in history]
    best = {row.stage: row.score for row in result.scores if (row.model, row.split) == ("ensemble", "val")}
    assert result.stages == best
    assert result.stages[result.chosen] == max(best.values())


def forms(image):
    """The same grey image, (H, W) uint8, as it may be given."""
    yield "array", image
    yield "array with a channel", image[..., None]
    yield "lists", image.tolist()
    yield "Pillow image", Image.fromarray(image)
    yield "tensor", torch.from_numpy(image)
    yield "tensor with a channel in front", torch.from_numpy(image)[None]


@pytest.mark.parametrize("name", [name for name, _ in forms(PLAIN)])
def test_images_in_any_form_alone_or_several_are_predicted_alike(result, name):
    given = dict(forms(PLAIN))[name]
    expected = result.ensemble.predict([PLAIN])[0]
    if name == "lists":
        # Lists do not tell that they are of 8 bits.
        expected = result.ensemble.predict([PLAIN.astype(np.int64)])[0]
    for images in (given, [given], (given,), iter([given])):
        found = result.predict(images)
        assert isinstance(found, list)
        assert [type(each) for each in found] == [incmask.Prediction]
        np.testing.assert_array_equal(found[0].label, expected.label)
        np.testing.assert_array_equal(found[0].probability, expected.probability)
    assert len(result.predict([given, PLAIN])) == 2


def test_stacks_are_several_images(result):
    stack = np.stack([PLAIN] * 5)
    assert len(result.predict(stack)) == 5
    assert len(result.predict(stack[..., None])) == 5
    assert len(result.predict(torch.from_numpy(stack))) == 5
    assert len(result.predict(torch.from_numpy(stack)[:, None])) == 5
    assert result.predict([]) == []


def test_a_path_is_no_image_and_the_message_names_the_function_that_takes_it(result):
    for images in ("a.png", ["a.png"]):
        with pytest.raises(IncmaskError, match=r"images\[0\]: is a path .* `incmask\.predict` takes paths"):
            result.predict(images)


def test_it_shows_itself_in_a_line(result):
    shown = repr(result)
    assert shown.startswith(f"Result('{result.folder}': ldt, base, ")
    val, test = result.stages["base"], next(row.score for row in result.scores if row.split == "test")
    assert re.search(rf"{val:.3f} on validation, \d\.\d+ on test\)$", shown)
    assert 0 <= test <= 1
    (found,) = result.predict(PLAIN)
    assert repr(found) == (
        "Prediction(label=uint8 (40, 28), inconsistent=bool (40, 28), probability=float32 (1, 40, 28), "
        "disagreement=float32 (40, 28))"
    )
    assert repr(result.ensemble) == "Ensemble(3 networks of 32×32×1, binary: foreground)"


def test_long_values_are_short(result):
    images = [PLAIN] * 100
    shown = [
        repr(incmask.ArrayData(images, images)),
        repr(incmask.inconsistency(np.zeros((3, 64, 64), np.uint8), task="binary")),
        repr(incmask.rank(result.folder, top=3, executor=HERE)),
        repr(incmask.check(result.folder.parent / "data")),
    ]
    assert [text for text in shown if len(text) > 600 or "\n" in text] == []
    assert "images=100 in a list" in shown[0]


def test_trainings_are_drawn_on_new_and_on_given_axes(result):
    from matplotlib import pyplot

    try:
        for what in ("scores", "losses"):
            axes = result.plot(what)
            lines = [line.get_ydata().tolist() for line in axes.get_lines()]
            name = {"scores": "validation_score", "losses": "training_loss"}[what]
            assert lines == [[getattr(row, name) for row in rows] for rows in result.history.values()]
        assert axes.get_ylabel() == "training loss"
        assert result.plot(ax=axes) is axes
        with pytest.raises(IncmaskError, match="what: unknown name 'score'; did you mean 'scores'"):
            result.plot("score")
    finally:
        pyplot.close("all")


def test_without_matplotlib_the_plot_says_what_to_install(result, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(IncmaskError, match=r"plot: matplotlib is not installed; pip install 'incmask\[report\]'"):
        result.plot()
    # Everything else is there.
    assert len(result.predict(PLAIN)) == 1
    assert "<table>" in result._repr_html_()


def test_a_model_folder_predicts_and_tells_nothing_of_its_run(result):
    model = incmask.load(result.folder / "model", device="cpu")
    np.testing.assert_array_equal(model.predict(PLAIN)[0].label, result.predict(PLAIN)[0].label)
    assert model.about == result.about
    assert "Ensemble(3 networks" in repr(model)
    with pytest.raises(IncmaskError, match="is a model folder, which tells nothing of its run; load the run folder"):
        _ = model.scores


def test_what_is_no_run_is_refused_at_once(result, tmp_path):
    with pytest.raises(IncmaskError, match="holds no model; name a run folder"):
        incmask.load(tmp_path)
    run = copy_of(result.folder, tmp_path)
    (run / "model" / "member-1.safetensors").write_bytes(b"broken")
    with pytest.raises(IncmaskError, match="member-1"):
        incmask.load(run)
    remove_from(run, "scores.csv")
    with pytest.raises(IncmaskError, match=r"holds no finished run; let the same `incmask\.run` go on"):
        incmask.load(run)


def test_without_stacks_the_notebook_shows_the_table_alone(result, tmp_path):
    run = copy_of(result.folder, tmp_path)
    assert "<figure" in result._repr_html_()
    remove_from(run, "stacks")
    assert "<figure" not in incmask.load(run, device="cpu")._repr_html_()
