"""Base models that are trained on without unlabelled images, which students with their weights are compared with."""

import pytest

from finished_runs import copy_of
from incmask.experiment.record.run import read_record
from incmask.insight.report.run_page.helped import verdict_of
from incmask.nets.spec import load_tensors
from runs import SETTINGS, make_data, run_tiny

WARM = {"start": "teacher", "num_generations": 2, "num_base": 3, "num_students": 3}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("data"), "binary")


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    return run_tiny(data, tmp_path_factory.mktemp("warm") / "run", **WARM)


@pytest.fixture(scope="module")
def outcome(finished):
    return finished[0]


@pytest.mark.slow
def test_it_takes_as_many_steps_as_the_last_students(outcome):
    control, last = outcome.trained.control, outcome.stages[-1]
    assert control.name == "control"
    assert len(control.students) == SETTINGS.get("num_members", 2)
    per_training = SETTINGS["epochs"] * SETTINGS["steps_per_epoch"]
    assert {student.num_steps for student in control.students} == {2 * per_training}
    totals = [{student.num_steps + student.num_inherited for student in stage.students} for stage in (control, last)]
    assert totals == [{3 * per_training}, {3 * per_training}]
    # Shown in twice the time, of the labelled images alone.
    shown = {2 * student.num_images for student in outcome.stages[0].students}
    assert {student.num_images for student in control.students} == shown


def test_it_begins_with_the_best_base_models_and_learns_other_than_they(outcome):
    best = outcome.stages[0].students[:2]
    weights = [load_tensors(student.model)[0] for student in (*best, *outcome.trained.control.students)]
    assert (
        len(
            {
                next(value for name, value in sorted(each.items()) if value.ndim == 4).numpy().tobytes()
                for each in weights
            }
        )
        == 4
    )


def test_it_is_scored_and_may_be_handed_over(outcome):
    rows = {(row.stage, row.model, row.split) for row in outcome.scores}
    assert {("control", "1", "test"), ("control", "ensemble", "val"), ("control", "ensemble", "test")} <= rows
    assert outcome.chosen.score == max(stage.score for stage in outcome.all_stages)
    assert [stage.name for stage in outcome.all_stages] == ["base", "control", "gen-1", "gen-2"]


def test_the_verdict_compares_with_it(outcome):
    record = read_record(outcome.root)
    assert [stage.name for stage in record.stages] == ["base", "gen-1", "gen-2"]
    assert record.without.name == "control"
    verdict = verdict_of(record)
    test = {row.stage: row.score for row in outcome.scores if (row.model, row.split) == ("ensemble", "test")}
    best = max(outcome.stages[1:], key=lambda stage: stage.score)
    together = next(pair for pair in verdict.pairs if pair.what.startswith("members together"))
    assert together.without == pytest.approx(test["control"])
    assert together.with_them == pytest.approx(test[best.name])


@pytest.mark.usefixtures("untrained")
def test_students_that_begin_anew_need_none(data, tmp_path):
    outcome, _ = run_tiny(data, tmp_path / "run")
    assert outcome.trained.control is None
    assert [stage.name for stage in outcome.all_stages] == ["base", "gen-1"]


def test_a_run_that_was_stopped_within_it_comes_to_the_same(outcome, data, tmp_path):
    kept = outcome.trained.control.students[0].model
    removed = copy_of(outcome.root, tmp_path) / kept.relative_to(outcome.root)
    removed.unlink()
    run_tiny(data, tmp_path / "run", **WARM)
    assert removed.read_bytes() == kept.read_bytes()


@pytest.mark.slow
@pytest.mark.usefixtures("untrained")
def test_without_a_part_of_its_own_each_fold_has_one(tmp_path):
    data = make_data(tmp_path / "data", "binary", {"labelled": 6, "unlabelled": 4, "test": 2})
    outcome, _ = run_tiny(data, tmp_path / "run", **WARM)
    control = outcome.trained.control
    assert {student.fold for student in control.students} == {student.fold for student in outcome.stages[0].students}


def test_the_bar_ends_at_its_end(finished):
    _, told = finished
    assert told.done == pytest.approx(told.expected)
    assert any(line.startswith("as long without unlabelled images: IoU") for line in told.lines)
