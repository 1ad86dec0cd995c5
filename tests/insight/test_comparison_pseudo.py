from dataclasses import replace

import numpy as np
import pytest

from incmask.experiment.paths import INCONSISTENT, INDEX, LABEL
from incmask.experiment.pseudo_labels import REASON, PseudoLabels, index_csv
from incmask.insight.comparison.pseudo import PseudoJob, TruthJob, compare_with_truth, count_classes
from incmask.insight.report.comparison_page.rows import MASK_CLASS, OWN, DataFrequencyRow, Variant
from incmask.method.scoring import Scoring

IGNORED = 255
NAMES = {"binary": ("cell",), "multilabel": ("alive", "dead"), "multiclass": ("ground", "fish", "reef")}
NUM_IMAGES, SIDE = 35, 4  # more than are read at once


def write(folder, task, *, label, mask, truth, quality=None, blocked=True, num_plain=0):
    """Write pseudo-labels and give the job that compares them; each third image is not used."""
    folder.mkdir(exist_ok=True)
    np.save(folder / LABEL, label)
    np.save(folder / INCONSISTENT, mask)
    np.save(folder / "truth.npy", truth)
    names = tuple(f"image {index}" for index in range(len(label)))
    known = PseudoLabels(
        admitted=np.arange(len(label)) % 3 != 2,
        inconsistent_fraction=mask.mean((1, 2)),
        foreground_fraction=np.zeros(len(label)),
        quality=quality,
        copies=np.arange(len(label)) % 5 + 1,
        left_out=np.where(np.arange(len(label)) % 3 != 2, "", "disputed").astype(REASON),
    )
    (folder / INDEX).write_text("".join(index_csv(names, known)))
    return PseudoJob(
        variant=Variant("im", "erode_px=3", OWN, 2),
        generation=3,
        folder=folder,
        names=names,
        truth=folder / "truth.npy",
        scoring=Scoring(task),
        class_names=NAMES[task],
        blocked=blocked,
        num_plain=num_plain,
    )


def drawn(task, seed):
    """Labels, masks and truths with some pixels that nothing is known of, and images of which nothing is."""
    generator = np.random.default_rng(seed)
    shape = (NUM_IMAGES, SIDE, SIDE, *((len(NAMES[task]),) if task == "multilabel" else ()))
    highest = len(NAMES[task]) if task == "multiclass" else 2
    label, truth = (generator.integers(0, highest, shape).astype(np.uint8) for _ in range(2))
    truth[generator.random(shape) < 0.2] = IGNORED
    mask = generator.random(shape[:3]) < 0.3
    truth[0], mask[1], label[2], truth[3] = IGNORED, True, 0, 0
    label[4] = truth[4] = 0
    return {"label": label, "mask": mask, "truth": truth}


def planes(values, task):
    """Each pixel's classes as sets, None where nothing is known: (rows, columns, classes)."""
    if task == "multilabel":
        return [[[None if v == IGNORED else bool(v) for v in pixel] for pixel in line] for line in values.tolist()]
    if task == "binary":
        return [[[None if v == IGNORED else v == 1] for v in line] for line in values.tolist()]
    ids = range(len(NAMES[task]))
    return [[[None if v == IGNORED else v == each for each in ids] for v in line] for line in values.tolist()]


def slow_image(label, mask, truth, task):
    """Error fraction and score of one image, pixel by pixel."""
    predicted, actual = planes(label, task), planes(truth, task)
    wrong = counted = 0
    both, either = ([0] * len(NAMES[task]) for _ in range(2))
    for row in range(SIDE):
        for column in range(SIDE):
            ours, theirs, masked = predicted[row][column], actual[row][column], mask[row, column]
            known = [index for index, value in enumerate(theirs) if value is not None]
            if known and not masked:
                counted += 1
                wrong += any(ours[index] != theirs[index] for index in known)
            for index in known:
                said = ours[index] and not masked
                both[index] += said and theirs[index]
                either[index] += said or theirs[index]
    ious = [1.0 if not e else b / e for b, e in zip(both, either, strict=True)]
    if task == "binary":
        score = ious[0]
    elif any(either):
        score = np.mean([iou for iou, num in zip(ious, either, strict=True) if num])
    else:
        score = 1.0
    return wrong / counted if counted else 0.0, score


def slow_frequencies(label, mask, truth, task):
    found = {name: [0, 0] for name in NAMES[task]}
    for image in range(len(label)):
        ours, theirs = planes(label[image], task), planes(truth[image], task)
        for row in range(SIDE):
            for column in range(SIDE):
                for index, name in enumerate(NAMES[task]):
                    found[name][0] += ours[row][column][index] and not mask[image, row, column]
                    found[name][1] += theirs[row][column][index] is True
    return {name: [num / mask.size for num in both] for name, both in found.items()}


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("blocked", [True, False])
@pytest.mark.parametrize("task", NAMES)
def test_the_same_as_pixel_by_pixel(task, blocked, seed, tmp_path):
    arrays = drawn(task, seed)
    reported = []
    found = compare_with_truth(write(tmp_path, task, **arrays, blocked=blocked), reported.append)
    assert sum(reported) == NUM_IMAGES
    # Where nothing is blocked, students see the whole label.
    seen = arrays | ({} if blocked else {"mask": np.zeros_like(arrays["mask"])})
    assert [pair.name for pair in found.pairs] == [f"image {index}" for index in range(NUM_IMAGES)]
    for index, pair in enumerate(found.pairs):
        error, score = slow_image(*(seen[name][index] for name in ("label", "mask", "truth")), task)
        assert pair.error_fraction == pytest.approx(error)
        assert pair.iou == pytest.approx(score)
        assert pair.inconsistent_fraction == pytest.approx(seen["mask"][index].mean(), abs=1e-6)
    frequencies = {row.class_name: [row.pseudo_fraction, row.true_fraction] for row in found.frequencies}
    expected = slow_frequencies(**seen, task=task)
    if blocked:
        expected[MASK_CLASS] = [seen["mask"].mean(), 0.0]
    assert list(frequencies) == list(expected)
    for name, both in expected.items():
        assert frequencies[name] == pytest.approx(both)


def test_by_hand(tmp_path):
    """Eight pixels: two masked, one of nobody knows what; of the other five one is wrong."""
    label = np.array([[[1, 1, 1, 0], [0, 0, 1, 0]]], np.uint8)
    truth = np.array([[[1, 1, 0, 0], [0, 1, 255, 1]]], np.uint8)
    mask = np.array([[[0, 0, 0, 0], [0, 1, 0, 1]]], bool)
    found = compare_with_truth(write(tmp_path, "binary", label=label, mask=mask, truth=truth))
    (pair,) = found.pairs
    assert pair.error_fraction == 1 / 5
    assert pair.iou == 2 / 5  # of 2 pixels in both and 5 in either: the masked ones are background to students
    assert pair.inconsistent_fraction == 2 / 8
    assert [(row.class_name, row.pseudo_fraction, row.true_fraction) for row in found.frequencies] == [
        ("cell", 4 / 8, 4 / 8),
        (MASK_CLASS, 2 / 8, 0.0),
    ]
    assert {
        (row.recipe, row.setting, row.budget, row.repeat, row.generation) for row in (pair, *found.frequencies)
    } == {("im", "erode_px=3", OWN, 2, 3)}


@pytest.mark.parametrize("num_plain", [0, 1])
def test_use_and_quality(tmp_path, num_plain):
    quality = np.linspace(0, 1, 6)
    arrays = {name: values[:6] for name, values in drawn("binary", 0).items()}
    job = write(tmp_path, "binary", **arrays, quality=quality, num_plain=num_plain)
    pairs = compare_with_truth(job).pairs
    assert [pair.used for pair in pairs] == [True, True, False, True, True, False]
    assert [pair.copies for pair in pairs] == [1 + num_plain, 2 + num_plain, 0, 4 + num_plain, 5 + num_plain, 0]
    assert [pair.quality for pair in pairs] == quality.tolist()
    unrated = write(tmp_path, "binary", **arrays)
    assert {pair.quality for pair in compare_with_truth(replace(unrated, num_plain=0)).pairs} == {None}


@pytest.mark.parametrize("task", NAMES)
def test_classes_of_true_masks_are_counted(task, tmp_path):
    stacks = {}
    for seed, part in enumerate(("labelled", "unlabelled")):
        stacks[part] = drawn(task, seed)["truth"][: None if part == "unlabelled" else 7]
        np.save(tmp_path / f"{part}.npy", stacks[part])
    reported = []
    job = TruthJob(tmp_path / "labelled.npy", tmp_path / "unlabelled.npy", task, NAMES[task])
    found = count_classes(job, reported.append)
    assert sum(reported) == NUM_IMAGES + 7
    labelled, full = (
        slow_frequencies(np.zeros_like(truth), np.zeros(truth.shape[:3], bool), truth, task)
        for truth in (stacks["labelled"], np.concatenate([*stacks.values()]))
    )
    assert [row.class_name for row in found] == list(NAMES[task])
    for row in found:
        assert row.labelled_fraction == pytest.approx(labelled[row.class_name][1])
        assert row.full_fraction == pytest.approx(full[row.class_name][1])


def test_classes_of_true_masks_by_hand(tmp_path):
    """Of 4 labelled pixels 1 is fish and 1 reef, of 8 others 4 are reef and one nobody knows: it counts as a pixel."""
    np.save(tmp_path / "labelled.npy", np.array([[[0, 0], [1, 2]]], np.uint8))
    np.save(tmp_path / "unlabelled.npy", np.array([[[2, 2], [2, 2]], [[0, 0], [0, 255]]], np.uint8))
    job = TruthJob(tmp_path / "labelled.npy", tmp_path / "unlabelled.npy", "multiclass", NAMES["multiclass"])
    assert count_classes(job) == (
        DataFrequencyRow("ground", 2 / 4, 5 / 12),
        DataFrequencyRow("fish", 1 / 4, 1 / 12),
        DataFrequencyRow("reef", 1 / 4, 5 / 12),
    )
