import csv

import numpy as np
import pytest
from scipy import stats

from finished_runs import EVIL
from incmask.data.split import make_folds
from incmask.data.stack import read_stack
from incmask.experiment.record.run import read_run
from incmask.experiment.record.stages import ENSEMBLE
from incmask.experiment.scores import image_scores_from_csv
from incmask.experiment.student import mean_over_folds
from incmask.insight.report.run_page.quality import judge, predict_labels
from incmask.insight.report.run_page.scoring import by_image, difference_of, held_out, score_lines, validation_scores
from incmask.insight.report.statistics import mean_with_interval


@pytest.fixture(scope="module")
def record(finished_run):
    return read_run(finished_run("growing"))


def test_the_stages_are_read_best_student_first(record):
    assert [stage.name for stage in record.stages] == ["base", "gen-1", "gen-2"]
    for stage in record.stages:
        scores = [student.score for student in stage.students]
        assert scores == sorted(scores, reverse=True)
        assert {student.num_steps for student in stage.students} == {4}
        assert all(len(history) == 2 for history in stage.histories)
    # The recipe's networks grow from generation 2 on.
    assert [stage.width for stage in record.stages] == [0.125, 0.125, 0.1875]


def test_scores_of_validation_images_average_to_what_the_run_chose_by(record):
    held = held_out(record)
    assert (held.kind, held.num_images) == ("val", 3)
    for stage in record.stages:
        scores = validation_scores(record, stage, held)
        assert list(scores) == ["val 0", "val 1", "val 2"]
        expected = record.score_of(stage.name, ENSEMBLE, "val").score
        assert np.mean(list(scores.values())) == pytest.approx(expected, abs=1e-6)


def test_scores_on_test_images_are_those_of_the_run(record):
    judged = judge(record)
    assert judged.kind == "test"
    lines = {line.name: line for line in score_lines(record, judged.counts, judged.names)}
    expected = record.score_of(record.chosen, ENSEMBLE, "test")
    assert lines["IoU"].mean == pytest.approx(expected.details["iou"], abs=1e-6)
    assert lines["Dice"].mean == pytest.approx(expected.details["dice"], abs=1e-6)
    assert lines["share of right pixels"].mean == pytest.approx(expected.details["mpa"], abs=1e-6)
    table = image_scores_from_csv((record.root / "image_scores.csv").read_text(encoding="utf-8"))
    assert np.mean(table.scores[f"{record.chosen}/{ENSEMBLE}"]) == pytest.approx(lines["IoU"].mean, abs=1e-6)
    assert lines["IoU"].num_images == 3


def test_predicted_labels_are_those_that_are_counted(record):
    stack = read_stack(record.root / "stacks" / "test")
    labels = predict_labels(record, record.handed_over.members, np.load(stack.images))
    assert labels.sum((1, 2)).tolist() == judge(record).counts.predicted[:, 0].tolist()


def test_cross_validated_images_are_scored_by_models_that_have_not_seen_them(finished_run):
    record = read_run(finished_run("folds"))
    held = held_out(record)
    assert (held.kind, len(record.folds), len(held.parts)) == ("folds", 2, 2)
    names = read_stack(record.root / "stacks" / "labelled").names
    folds = make_folds(names, has_val=False, seed=record.settings.seed, num_models=2)
    for stage in record.stages:
        for student in stage.students:
            (job,) = [part for fold, part in enumerate(held.parts) if fold == (student.number - 1) % 2]
            assert set(job.names).isdisjoint(names[row] for row in folds[student.fold].training)
        scores = validation_scores(record, stage, held)
        assert sorted(scores) == sorted(names)
        # Both folds have two images, so that images and folds count alike.
        assert np.mean(list(scores.values())) == pytest.approx(mean_over_folds(stage.students), abs=1e-6)
    judged = judge(record)
    assert [len(members) for members in judged.members] == [1, 1]


def test_tiles_are_averaged_to_images_before_anything_is_drawn(finished_run):
    record = read_run(finished_run("tiles"))
    held = held_out(record)
    assert (held.kind, held.num_images) == ("split", 2)
    (part,) = held.parts
    assert len(part.names) > 2
    judged = judge(record)
    lines = {line.name: line for line in score_lines(record, judged.counts, judged.names)}
    assert {line.num_images for line in lines.values()} <= {1, 2}
    assert {"mIoU (classes in truth or prediction)", "IoU of background", "share of right pixels"} <= lines.keys()


def test_images_are_means_of_their_tiles():
    assert by_image(["a", "b", "a"], [0.2, 0.5, 0.6]) == {"a": pytest.approx(0.4), "b": 0.5}


def test_intervals_are_those_of_an_independent_bootstrap():
    rng = np.random.default_rng(3)
    first, second = rng.beta(4, 2, 40), rng.beta(3, 2, 40)
    found = mean_with_interval(first.tolist(), seed=0)
    expected = stats.bootstrap((first,), np.mean, n_resamples=9999, rng=1).confidence_interval
    assert found.mean == pytest.approx(first.mean())
    assert [found.low, found.high] == pytest.approx([expected.low, expected.high], abs=0.004)
    names = [str(index) for index in range(40)]
    shuffled = dict(sorted(zip(names, second, strict=True)))
    change = difference_of(dict(zip(names, first, strict=True)), shuffled)
    expected = stats.bootstrap((first - second,), np.mean, n_resamples=9999, rng=1).confidence_interval
    assert change.mean == pytest.approx((first - second).mean())
    assert [change.low, change.high] == pytest.approx([expected.low, expected.high], abs=0.006)


def test_disputed_images_come_most_disputed_first(record):
    with open(record.root / "masks.csv", newline="", encoding="utf-8") as handle:
        written = {line["name"]: float(line["inconsistent_fraction"]) for line in csv.DictReader(handle)}
    assert {row.name: row.inconsistent_fraction for row in record.shares} == written
    assert [row.inconsistent_fraction for row in record.shares] == sorted(written.values(), reverse=True)
    assert EVIL in written
