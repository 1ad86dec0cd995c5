"""Runs whose generations collapse: when they end, what is said, and that a stopped one comes to the same end."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from finished_runs import copy_of, remove_from
from incmask.base.errors import IncmaskError
from incmask.base.images_on_disk import read_records
from incmask.base.npy_rows import Rows
from incmask.base.store import Store
from incmask.experiment import collapse, labelling
from incmask.experiment.collapse import collapses, ends_with_labels, ends_with_stage
from incmask.experiment.deliver import Stage
from incmask.experiment.paths import MADE_AT_THE_END
from incmask.experiment.pseudo_labels import REASON, PseudoLabels, index_csv
from incmask.experiment.record.run import read_run
from incmask.experiment.scores import ScoreRow
from incmask.experiment.setup import RunContext
from incmask.insight.report.run_page.helped import verdict_of
from runs import Listener, make_data, results, run_tiny
from small import some_setup

TWO = {"num_generations": 2, "start": "teacher"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("data"), "binary", {"labelled": 3, "unlabelled": 5, "val": 2}, truth=False)


def empty_from(monkeypatch, generation):
    """Let teachers of a generation, and of all after it, see nothing; those before see the upper half."""

    def say(networks, images, *, task, precision):
        empty = len(seen) >= generation - 1
        seen.append(len(images))
        probability = np.zeros((len(networks), len(images), 1, *images.shape[1:3]), np.float32)
        probability[..., : 0 if empty else 16, :] = 1
        return probability

    seen = []
    monkeypatch.setattr(labelling, "predict_probabilities", say)


@pytest.mark.slow
@pytest.mark.usefixtures("untrained")
def test_a_run_ends_with_labels_that_are_all_background(data, tmp_path, monkeypatch):
    empty_from(monkeypatch, 2)
    outcome, told = run_tiny(data, tmp_path / "run", **TWO, on_collapse="keep-best")
    assert [stage.name for stage in outcome.stages] == ["base", "gen-1"]
    line = (
        "generation 2 has collapsed: all of its 5 pseudo-labels are background, or disputed; the run ends there, and "
        "the best so far is kept"
    )
    assert told.says(line)
    assert outcome.collapses == (line,)
    assert told.done == pytest.approx(told.expected)
    assert (outcome.root / "model" / "model.json").exists()
    # As long as the one generation and no longer.
    assert {each.num_steps for each in outcome.trained.control.students} == {4}
    assert any("Generation 2 has collapsed" in note for note in verdict_of(read_run(outcome.root)).notes)
    before = dict(results(outcome.root))
    again, _ = run_tiny(data, tmp_path / "run", **TWO, on_collapse="keep-best")
    assert again.collapses == (line,)
    assert dict(results(outcome.root)) == before


@pytest.mark.slow
@pytest.mark.usefixtures("untrained")
def test_a_run_that_ended_may_go_on_and_comes_to_what_one_that_never_ended_came_to(data, tmp_path, monkeypatch):
    empty_from(monkeypatch, 2)
    run_tiny(data, tmp_path / "ended", **TWO, on_collapse="keep-best")
    whole, told = run_tiny(data, tmp_path / "ended", **TWO, on_collapse="ignore")
    assert [stage.name for stage in whole.stages] == ["base", "gen-1", "gen-2"]
    assert told.says(
        "generation 2 has collapsed: all of its 5 pseudo-labels are background, or disputed; the run went on"
    )
    empty_from(monkeypatch, 2)
    run_tiny(data, tmp_path / "ignored", **TWO)
    assert dict(results(tmp_path / "ended")) == dict(results(tmp_path / "ignored"))
    # Once it went on, no later choice takes its generations away.
    again, _ = run_tiny(data, tmp_path / "ended", **TWO, on_collapse="keep-best")
    assert len(again.stages) == 3


@pytest.mark.usefixtures("untrained")
def test_a_run_that_is_to_stop_says_how_to_go_on_and_keeps_all(data, tmp_path, monkeypatch):
    empty_from(monkeypatch, 1)
    with pytest.raises(IncmaskError, match="generation 1 has collapsed") as caught:
        run_tiny(data, tmp_path / "run", **TWO, on_collapse="stop")
    assert 'on_collapse="ignore"' in caught.value.problems[0].remedy
    kept = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*.safetensors")}
    assert kept
    outcome, _ = run_tiny(data, tmp_path / "run", **TWO, on_collapse="keep-best")
    assert [stage.name for stage in outcome.stages] == ["base"]
    assert outcome.chosen.name == "base"
    assert all(path.read_bytes() == content for path, content in kept.items())
    assert verdict_of(read_run(outcome.root)).headline == "No model learnt from the unlabelled images."


@pytest.mark.usefixtures("untrained")
def test_a_run_that_does_not_collapse_is_the_same_whatever_was_chosen(data, tmp_path, monkeypatch):
    found = []
    for on_collapse in ("ignore", "stop"):
        empty_from(monkeypatch, 9)
        run_tiny(data, tmp_path / on_collapse, on_collapse=on_collapse)
        found.append((dict(results(tmp_path / on_collapse)), (tmp_path / on_collapse / "run.toml").read_text()))
        assert collapses(tmp_path / on_collapse) == []
    assert found[0] == found[1]
    assert "on_collapse" not in read_records(tmp_path / "stop").run["settings"]


@pytest.fixture
def begun(tmp_path):
    """A run of several classes whose labelled images and validation are as a test says."""

    def begin(task, *, on_collapse="keep-best"):
        setup = some_setup(tmp_path / "data", task=task)
        store = Store(tmp_path / "run", run={}, data={})
        return RunContext(setup, store, None, Listener(), on_collapse=on_collapse)

    return begin


def write_labels(run, generation, labels):
    """Write pseudo-labels, none of them disputed."""
    folder = run.folder(generation) / "pseudo"
    folder.mkdir(parents=True)
    np.save(folder / "label.npy", labels)
    foreground = (labels > 0).any(-1) if labels.ndim == 4 else labels > 0
    num = len(labels)
    known = PseudoLabels(
        np.ones(num, bool), np.zeros(num), foreground.mean(axis=(1, 2)), None, np.ones(num, int), np.zeros(num, REASON)
    )
    (folder / "index.csv").write_text("".join(index_csv([str(row) for row in range(num)], known)))
    run.store.record(folder / "label.npy", folder / "index.csv")


@pytest.mark.parametrize("task", ["multilabel", "multiclass"])
def test_a_class_that_is_lost_by_more_than_chance(begun, task):
    run = begun(task)
    labels = np.zeros((10, 32, 32) + ((2,) if task == "multilabel" else ()), np.uint8)
    if task == "multilabel":
        labels[:, :9, :, 0] = labels[:, 9:12, :, 1] = 1
    else:
        labels[:, :9], labels[:, 9:12] = 1, 2
    write_labels(run, 1, labels)
    assert not ends_with_labels(run, 1)
    # Of one that only the last image has nothing can be told, of ten images that lose it more than 99 in 100.
    gone = labels.copy()
    if task == "multilabel":
        gone[..., 1] = 0
    else:
        gone[gone == 2] = 0
    write_labels(run, 2, gone)
    assert ends_with_labels(run, 2)
    assert run.progress.says(
        "no pseudo-label has 1, which 10 of the generation before had"
        if task == "multilabel"
        else "no pseudo-label has 2, which 10 of the generation before had"
    )


def test_a_class_that_models_have_not_learnt_is_told_and_ends_no_run(begun):
    run = begun("multilabel")
    assert np.load(run.setup.stacks["labelled"].labels).any(axis=(1, 2)).all()
    labels = np.zeros((9, 32, 32, 2), np.uint8)
    labels[..., 0] = 1
    # 4! 9! / 13! = 1 / 715; of two others it would be 1 / 15.
    write_labels(run, 1, labels)
    for _ in range(2):
        run.progress.lines.clear()
        assert not ends_with_labels(run, 1)
        assert run.progress.says("no pseudo-label of generation 1 has 1: the models have not learnt")
    write_labels(run, 5, labels[:2])
    run.progress.lines.clear()
    assert not ends_with_labels(run, 5)
    assert not run.progress.says("no pseudo-label")
    # What was never there is not lost by the next generation either.
    write_labels(run, 2, labels)
    assert not ends_with_labels(run, 2)


def stage(name, *scores):
    row = ScoreRow(name, "ensemble", "val", 0, {}, scores, tuple(str(number) for number in range(len(scores))))
    return Stage(name, (), (), float(np.nanmean(scores)), {"job": row})


def test_a_fall_is_measured_from_the_best_so_far_and_a_look_is_kept(begun, monkeypatch):
    run = begun("binary")
    monkeypatch.setattr(collapse, "jobs_that_choose", lambda *_: ["job"])
    base, best = stage("base", 0.5, 0.5, 0.5, 0.6), stage("gen-1", 0.8, 0.8, 0.9, 0.9)
    nan = float("nan")
    fallen = stage("gen-2", 0.6, nan, 0.7, 0.7)
    assert not ends_with_stage(run, 1, [base, best])
    assert ends_with_stage(run, 2, [base, best, fallen])
    assert run.progress.says("IoU on validation fell from 0.850 (gen-1) to 0.667, by more than chance")
    # Not looked at again.
    monkeypatch.setattr(collapse, "has_fallen", None)
    assert ends_with_stage(run, 2, [base, best, fallen])
    assert not ends_with_stage(replace(run, on_collapse="ignore"), 2, [base, best, fallen])
    assert json.loads((run.folder(2) / "collapse.json").read_text())["went_on"] is True


@pytest.mark.slow
def test_a_run_stopped_before_a_look_takes_the_scores_again(finished_run, tmp_path):
    run = copy_of(finished_run("growing"), tmp_path)
    looks = {path: path.read_text() for path in run.rglob("collapse.json")}
    assert len(looks) == 4
    labels = Rows(run / "gen-1" / "pseudo" / "label.npy")
    with_class = [sum(bool(labels[row].any()) for row in range(len(labels)))]
    assert json.loads(looks[run / "gen-1" / "pseudo" / "collapse.json"])["with_class"] == with_class
    remove_from(run, *(str(path.relative_to(run)) for path in looks), *MADE_AT_THE_END)
    shutil.copytree(finished_run("growing").parent / "data", tmp_path / "data")
    run_tiny(tmp_path / "data", run, "im+", num_generations=2)
    assert {path: path.read_text() for path in looks} == looks
