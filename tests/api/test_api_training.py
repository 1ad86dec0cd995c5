import gc
import re
from functools import partial
from xml.etree import ElementTree

import numpy as np
import pytest

import incmask
from incmask.api import training
from incmask.base.errors import fail
from incmask.data.from_arrays import ArrayData
from runs import HERE, SETTINGS, draw, make_data

pytestmark = pytest.mark.usefixtures("undrawn")

run = partial(training.run, executor=HERE)


def drawn(num, *, seed):
    fields = [draw(seed=seed + index, size=(32, 32)) for index in range(num)]
    return [image for image, _ in fields], [label for _, label in fields]


def some_arrays(*, num_unlabelled=5):
    (images, masks), (others, _), (val, val_masks) = drawn(4, seed=0), drawn(num_unlabelled, seed=9), drawn(2, seed=30)
    return ArrayData(images, masks, others, val, val_masks, class_names=["ground", "<bright>", "dark"])


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Folders that are made for a while lie here."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.mark.slow
def test_arrays_in_and_arrays_out_with_no_files_left(temporary):
    data = some_arrays()
    result = run(data, recipe="im", report=False, settings=SETTINGS)
    assert list(result.stages) == ["base", "gen-1"]
    assert result.folder.is_relative_to(temporary)
    predictions = result.predict(data.unlabelled)
    for prediction in predictions:
        assert prediction.label.shape == prediction.inconsistent.shape == prediction.disagreement.shape == (32, 32)
        assert prediction.probability.shape == (3, 32, 32)
    # The run folder goes with the result; the copies of the arrays went before.
    assert [path.name for path in temporary.glob("incmask-*")] == [result.folder.parent.name]
    del result
    gc.collect()
    assert list(temporary.glob("incmask-*")) == []
    assert predictions[0].label.max() <= 2


@pytest.mark.slow
def test_arrays_give_what_their_files_give_and_go_on_where_they_stopped(tmp_path, temporary):
    data = some_arrays()
    result = run(data, out=tmp_path / "run", recipe="ldt", report=False, settings=SETTINGS)
    again = run(data, out=tmp_path / "run", recipe="ldt", report=False, settings=SETTINGS)
    incmask.data.from_arrays.write_data(data, tmp_path / "data")
    from_files = run(tmp_path / "data", recipe="ldt", report=False, settings=SETTINGS)
    assert from_files.folder == tmp_path / "data-run"
    scores = [[(row.stage, row.model, row.score) for row in each.scores] for each in (result, again, from_files)]
    assert scores[0] == scores[1] == scores[2]
    assert (tmp_path / "run" / "masks" / "unlabelled-000004.png").exists()
    assert list(temporary.glob("incmask-*")) == []
    with pytest.raises(incmask.IncmaskError, match=r"data\.json"):
        run(some_arrays(num_unlabelled=4), out=tmp_path / "run", recipe="ldt", report=False, settings=SETTINGS)


def test_nothing_is_left_of_arrays_that_cannot_be_run(temporary):
    with pytest.raises(incmask.IncmaskError, match="recipe"):
        run(some_arrays(), recipe="no such", settings=SETTINGS)
    assert list(temporary.glob("incmask-*")) == []


@pytest.mark.slow
@pytest.mark.usefixtures("temporary")
def test_a_notebook_shows_scores_and_the_most_disputed_images():
    result = run(some_arrays(), recipe="im", report=False, settings=SETTINGS)
    shown = result._repr_html_()
    root = ElementTree.fromstring(re.sub(r"(<img [^>]*)>", r"\1/>", shown))
    rows = [[cell.text or "" for cell in row] for row in root.iter("tr")]
    assert rows[0] == ["stage", "validation", ""]
    assert [row[0] for row in rows[1:]] == ["base", "gen-1"]
    assert [row[1] for row in rows[1:]] == [f"{score:.3f}" for score in result.stages.values()]
    assert [row[2] for row in rows[1:]].count("handed over") == 1
    shares = [float(share) for share in re.findall(r"<figcaption>unlabelled-\d{6}: ([0-9.]+)% disputed", shown)]
    assert len(shares) == 4
    assert shares == sorted(shares, reverse=True)
    fractions = [prediction.inconsistent.mean() for prediction in result.predict(some_arrays().unlabelled)]
    np.testing.assert_allclose(shares, 100 * np.array(sorted(fractions, reverse=True)[:4]), atol=0.051)


def test_a_notebook_shows_the_test_scores_and_does_without_pictures(tmp_path):
    data = make_data(tmp_path / "data", "binary", {"labelled": 4, "val": 2, "test": 2})
    result = run(data, recipe="ldt", report=False, settings=SETTINGS)
    shown = result._repr_html_()
    assert '<th scope="col">test</th>' in shown
    assert "<figure" not in shown


@pytest.mark.slow
@pytest.mark.usefixtures("temporary")
def test_progress_is_shown_on_request(capsys):
    run(some_arrays(), recipe="ldt", report=False, settings=SETTINGS)
    assert capsys.readouterr() == ("", "")
    run(some_arrays(), recipe="ldt", report=False, settings=SETTINGS, progress=True)
    assert "recipe ldt" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("im", ("im",)),
        ("im, me,", ("im", "me")),
        (["im", "me"], ["im", "me"]),
        (incmask.RECIPES["im"], (incmask.RECIPES["im"],)),
        ("all", ("all",)),
    ],
)
def test_a_comparison_takes_one_approach_or_several(tmp_path, monkeypatch, given, expected):
    def compare(data, out, *, recipes, **options):
        raise fail(out, f"{recipes}", "look at it")

    monkeypatch.setattr("incmask.api.comparing.run_comparison", compare)
    with pytest.raises(incmask.IncmaskError) as error:
        incmask.compare(tmp_path / "data", recipes=given)
    (problem,) = error.value.problems
    assert (problem.where, problem.what) == (str(tmp_path / "data-compare"), f"{expected}")
