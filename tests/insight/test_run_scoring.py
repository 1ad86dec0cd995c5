import csv

import numpy as np
import pytest
from scipy import stats

from finished_runs import EVIL, copy_of, remove_from
from incmask.data.split import make_folds
from incmask.data.stack import read_stack
from incmask.experiment.record.run import read_run
from incmask.experiment.record.stages import ENSEMBLE
from incmask.experiment.scores import image_scores_from_csv
from incmask.insight.report.differences import unpaired_difference
from incmask.insight.report.page import Gallery
from incmask.insight.report.run_page.quality import judge, predict_labels, quality_blocks
from incmask.insight.report.run_page.scoring import (
    ModelScores,
    difference_of,
    kind_of_held_out,
    mean_of,
    score_lines,
    scores_of_models,
    subjects_of,
)
from incmask.method.metrics import Counts
from incmask.prediction.ensemble import Ensemble


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


def test_scores_of_validation_images_average_to_what_each_model_reached(record):
    assert kind_of_held_out(record) == "val"
    for stage in record.stages:
        (found,) = scores_of_models(record, stage, "val")
        assert found.names == ("val 0", "val 1", "val 2")
        expected = [record.score_of(stage.name, str(student.number), "val").score for student in stage.students]
        assert found.scores.mean(1) == pytest.approx(expected, abs=1e-6)


def test_scores_of_test_images_are_those_that_the_run_wrote_down(record, finished_run):
    for stage in record.stages:
        (found,) = scores_of_models(record, stage, "test")
        assert found.names == ("test 0", "test 1", "test 2")
        expected = [record.score_of(stage.name, str(student.number), "test").score for student in stage.students]
        assert found.scores.mean(1) == pytest.approx(expected, abs=1e-6)


def test_scores_on_test_images_are_those_of_the_run(record):
    judged = judge(record)
    assert judged.kind == "test"
    lines = {
        line.name: line for line in score_lines(record, judged.counts, judged.names, subjects_of(record, judged.kind))
    }
    expected = record.score_of(record.chosen, ENSEMBLE, "test")
    assert lines["IoU"].mean == pytest.approx(expected.details["iou"], abs=1e-6)
    assert lines["Dice"].mean == pytest.approx(expected.details["dice"], abs=1e-6)
    assert lines["share of right pixels"].mean == pytest.approx(expected.details["mpa"], abs=1e-6)
    table = image_scores_from_csv((record.root / "image_scores.csv").read_text(encoding="utf-8"))
    assert np.mean(table.scores[f"{record.chosen}/{ENSEMBLE}"]) == pytest.approx(lines["IoU"].mean, abs=1e-6)
    assert lines["IoU"].num_images == 3


def test_predicted_labels_are_those_of_the_models_together(record, monkeypatch):
    images = np.load(record.root / "stacks" / "test" / "images.npy")
    labels = predict_labels(record, record.handed_over.members, images)
    expected = [each.label for each in Ensemble.load(record.root, device="cpu").predict(list(images))]
    np.testing.assert_array_equal(labels, expected)
    monkeypatch.setattr("incmask.nets.forward.CHUNK", 2)
    np.testing.assert_array_equal(predict_labels(record, record.handed_over.members, images), expected)


def test_cross_validated_images_are_scored_by_models_that_have_not_seen_them(finished_run):
    record = read_run(finished_run("folds"))
    assert (kind_of_held_out(record), len(record.folds)) == ("folds", 2)
    names = read_stack(record.root / "stacks" / "labelled").names
    folds = make_folds(names, has_val=False, seed=record.settings.seed, num_models=2)
    seen = [{names[row] for row in fold.training} for fold in folds]
    held = sorted(names[row] for fold in folds for row in fold.validation)
    assert len(held) == 2
    for stage in record.stages:
        for student in stage.students:
            counted = record.image_counts(stage.name, str(student.number), "val")
            assert set(counted.names).isdisjoint(seen[(student.number - 1) % 2])
        found = scores_of_models(record, stage, "folds")
        assert sorted(name for part in found for name in part.names) == held
        assert mean_of(found, subjects_of(record, "folds")) == pytest.approx(record.stage_score(stage), abs=1e-6)
    judged = judge(record)
    assert sorted(judged.names) == held
    for name, members in zip(judged.names, judged.members, strict=True):
        (member,) = members
        assert name not in seen[member.fold]


@pytest.mark.parametrize("name", ["growing", "multiclass", "tiles", "folds"])
def test_headline_terminal_and_images_tell_one_number(finished_run, name):
    record = read_run(finished_run(name))
    judged = judge(record)
    main = score_lines(record, judged.counts, judged.names, subjects_of(record, judged.kind))[0]
    # Each image once, whatever the number of its tiles.
    assert len(set(judged.names)) == len(judged.names) == main.num_images
    split = "test" if judged.kind == "test" else "val"
    scored = record.score_of(record.chosen, ENSEMBLE, split)
    if scored is not None:
        assert f"{main.mean:.4f}" == f"{scored.score:.4f}"
        stored = record.image_scores if split == "test" else record.validation_scores
        assert dict(zip(judged.names, record.scoring.by_image(judged.counts), strict=True)) == pytest.approx(
            dict(zip(stored.names, stored.scores[f"{record.chosen}/{ENSEMBLE}"], strict=True))
        )
    else:
        stored = record.validation_scores
        best = {student.fold: student for student in reversed(record.handed_over.students)}
        columns = np.array([stored.scores[f"{record.chosen}/{student.number}"] for student in best.values()])
        assert main.mean == pytest.approx(np.nanmean(columns))


def galleries(record, judged):
    return {block.name: block for block in quality_blocks(record, judged) if isinstance(block, Gallery)}


def test_the_best_images_are_whole_and_hold_something(finished_run):
    record = read_run(finished_run("tiles"))
    judged = judge(record)
    shown = galleries(record, judged)
    assert [len(gallery.thumbnails) for gallery in shown.values()] == [3, 3]
    assert {each.title for gallery in shown.values() for each in gallery.thumbnails} == set(judged.names)
    (worst, best) = (gallery.thumbnails[0] for gallery in shown.values())
    height, width = record.part("labelled")[best.title]["size"]
    assert best.width / best.height == pytest.approx(width / height, rel=0.02)
    # Ground alone, in truth and prediction: a perfect score that shows nothing.
    others = [place for place, name in enumerate(judged.names) if name != worst.title]
    for part in (judged.counts.intersection, judged.counts.predicted, judged.counts.actual):
        part[others] = [[judged.counts.valid[place], 0, 0] for place in others]
    shown = galleries(record, judged)
    assert [each.title for each in shown["worst"].thumbnails] == [worst.title]
    assert "best" not in shown
    assert "Left out: 5 images on which neither you nor the models see anything." in shown["worst"].note
    for part in (judged.counts.intersection, judged.counts.predicted, judged.counts.actual):
        part[:] = [[judged.counts.valid[0], 0, 0]]
    assert [len(gallery.thumbnails) for gallery in galleries(record, judged).values()] == [3, 3]


def test_an_earlier_run_without_counts_tells_its_scores_alone(record, tmp_path):
    root = copy_of(record.root, tmp_path)
    remove_from(root, "image_counts.csv")
    older = read_run(root)
    assert judge(older) is None
    texts = [block.text for block in quality_blocks(older, None)]
    score = older.score_of(older.chosen, ENSEMBLE, "test").score
    assert texts[0] == f"IoU {score:.3f} on the test images, 1 being perfect."
    assert "earlier version, which did not count single images" in texts[1]


def test_images_of_a_subject_are_one_draw(record):
    judged = judge(record)
    alone = score_lines(record, judged.counts, judged.names, subjects_of(record, judged.kind))[0]
    together = score_lines(record, judged.counts, judged.names, {"test 0": "a", "test 2": "a", "test 1": "b"})[0]
    stage = record.handed_over
    scores = dict(zip(record.image_scores.names, record.image_scores.scores[f"{stage.name}/{ENSEMBLE}"], strict=True))
    assert (alone.num_images, alone.num_subjects) == (3, 3)
    assert (together.num_images, together.num_subjects) == (3, 2)
    assert together.mean == pytest.approx(np.mean(list(scores.values())), abs=1e-6)
    # Of so few there is no interval.
    assert np.isnan([together.low, together.high]).all()
    stacked = Counts.join([judged.counts] * 2)
    names = [f"{name} {time}" for time in range(2) for name in judged.names]
    six = score_lines(record, stacked, names, {name: name for name in names})[0]
    values = [scores[name] for name in judged.names] * 2
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (six.low, six.high) == pytest.approx((max(expected.low, 0), min(expected.high, 1)), abs=1e-5)


def some_models(num_models, names, *, seed):
    return ModelScores(tuple(names), np.random.default_rng(seed).random((num_models, len(names))))


SUBJECTS = {"a": "x", "b": "y", "c": "x", "d": "z"}
EACH_ITS_OWN = {name: name for name in "abcdef"}


def test_stages_are_compared_by_the_means_of_their_models_and_subjects():
    first, second = some_models(3, "abcd", seed=0), some_models(5, "abcd", seed=1)
    found = difference_of([first], [second], SUBJECTS)
    tables = [
        np.stack([(each.scores[:, 0] + each.scores[:, 2]) / 2, each.scores[:, 1], each.scores[:, 3]], 1)
        for each in (first, second)
    ]
    assert found == unpaired_difference(*tables)
    assert mean_of([first], SUBJECTS) == pytest.approx(tables[0].mean())
    assert found.num("subject") == 3


def test_folds_are_what_is_drawn_where_each_has_models_and_images_of_its_own():
    with_them = [some_models(2, names, seed=seed) for seed, names in enumerate(("ab", "c", "def"))]
    without = [some_models(1, names, seed=9 + seed) for seed, names in enumerate(("ab", "c", "def"))]
    found = difference_of(with_them, without, EACH_ITS_OWN)
    values = [one.scores.mean() - other.scores.mean() for one, other in zip(with_them, without, strict=True)]
    expected = stats.ttest_1samp(values, 0)
    interval = expected.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.mean == pytest.approx(mean_of(with_them, EACH_ITS_OWN) - mean_of(without, EACH_ITS_OWN))


def test_disputed_images_come_most_disputed_first(record):
    with open(record.root / "masks.csv", newline="", encoding="utf-8") as handle:
        written = {line["name"]: float(line["inconsistent_fraction"]) for line in csv.DictReader(handle)}
    assert {row.name: row.inconsistent_fraction for row in record.shares} == written
    assert [row.inconsistent_fraction for row in record.shares] == sorted(written.values(), reverse=True)
    assert EVIL in written
