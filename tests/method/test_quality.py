import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from incmask.base.errors import IncmaskError
from incmask.method.quality import (
    Targets,
    mask_channels,
    mask_planes,
    network_targets,
    num_outputs,
    quality,
    targets,
    true_quality,
)

CLASSES = {"binary": 1, "multilabel": 3, "multiclass": 4}


def grid(rows):
    return np.array([rows], dtype=np.uint8)


def image_of(counts, *, pixels=1000):
    """A multiclass image (1, 10, pixels / 10) that begins with so many pixels of 1, then of 2, and so on; else 0."""
    values = np.repeat(np.arange(1, len(counts) + 1), counts)
    return np.pad(values, (0, pixels - len(values))).astype(np.uint8).reshape(1, 10, -1)


def first(num, *, pixels=1000):
    return (np.arange(pixels) < num).reshape(1, 10, -1)


def test_binary_by_hand():
    label = grid([[1, 1, 0, 0], [1, 1, 0, 0]])
    truth = grid([[1, 0, 1, 0], [1, 1, 255, 0]])
    plain = targets(label, truth, None, task="binary", num_classes=1)
    assert plain.iou.dtype == np.float32
    assert plain.iou.tolist() == [[pytest.approx(3 / 5)]]
    assert plain.detected.tolist() == [[True]]
    # The wrong pixel is masked, and so is a right one: 2 of 4 true pixels stay, nothing wrong does.
    inconsistent = grid([[0, 1, 0, 0], [1, 0, 0, 0]]).astype(bool)
    assert targets(label, truth, inconsistent, task="binary", num_classes=1).iou.tolist() == [[0.5]]
    assert true_quality(label, truth, inconsistent, task="binary", num_classes=1).tolist() == [0.5]
    # A blocked pixel's label is of no account.
    assert targets(1 - label, truth, np.ones_like(inconsistent), task="binary", num_classes=1).iou.tolist() == [[0]]


def test_multiclass_by_hand():
    label = grid([[0, 0, 1, 1], [2, 2, 1, 1]])
    truth = grid([[0, 0, 0, 1], [2, 1, 255, 1]])
    plain = targets(label, truth, None, task="multiclass", num_classes=4)
    np.testing.assert_allclose(plain.iou, [[2 / 3, 2 / 4, 1 / 2, 1]], rtol=1e-6)
    assert plain.detected.tolist() == [[True, True, True, False]]
    # Masked: one wrong pixel, (0, 2), and one right pixel of class 0, which must not count as predicted 0 itself.
    inconsistent = grid([[1, 0, 1, 0], [0, 0, 0, 0]]).astype(bool)
    blocked = targets(label, truth, inconsistent, task="multiclass", num_classes=4)
    np.testing.assert_allclose(blocked.iou, [[1 / 3, 2 / 3, 1 / 2, 1]], rtol=1e-6)
    score = true_quality(label, truth, inconsistent, task="multiclass", num_classes=4)
    np.testing.assert_allclose(score, [(1 / 3 + 2 / 3 + 1 / 2) / 3], rtol=1e-6)


def test_multilabel_by_hand():
    label = np.stack([grid([[1, 1, 0, 0]]), grid([[0, 1, 1, 0]]), grid([[0, 0, 0, 0]])], axis=-1)
    truth = np.stack([grid([[1, 1, 1, 0]]), grid([[0, 0, 1, 1]]), grid([[0, 0, 0, 0]])], axis=-1)
    plain = targets(label, truth, None, task="multilabel", num_classes=3)
    np.testing.assert_allclose(plain.iou, [[2 / 3, 1 / 3, 1]], rtol=1e-6)
    assert plain.detected.tolist() == [[True, True, False]]
    inconsistent = grid([[0, 1, 0, 0]]).astype(bool)
    blocked = targets(label, truth, inconsistent, task="multilabel", num_classes=3)
    np.testing.assert_allclose(blocked.iou, [[1 / 3, 1 / 2, 1]], rtol=1e-6)
    assert blocked.detected.tolist() == [[True, True, False]]


def test_without_a_mask_a_class_is_detected_above_one_per_cent():
    truth = image_of([10, 11, 0])
    detected = targets(truth, truth, None, task="multiclass", num_classes=4).detected
    assert detected.tolist() == [[True, False, True, False]]
    # Unlabelled pixels belong to the image: 11 of 1000 would be many more of the 21 that are labelled.
    truth[truth == 0] = 255
    detected = targets(truth, truth, None, task="multiclass", num_classes=4).detected
    assert detected.tolist() == [[False, False, True, False]]


@pytest.mark.parametrize(
    ("true_px", "masked_px", "detected"),
    [
        (50, 35, True),  # exactly 30 % are left
        (50, 36, False),
        (1, 0, True),  # under a mask the share of the image alone turns nothing away
        (1, 1, False),
        (500, 400, True),  # exactly a tenth of the image is left, though only 20 % of the class
        (500, 401, False),
    ],
)
@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_under_a_mask_a_class_is_detected_by_what_is_left(true_px, masked_px, detected, task):
    truth = image_of([true_px])
    if task == "multilabel":
        truth = np.stack([truth, np.zeros_like(truth)], axis=-1)
    found = targets(truth, truth, first(masked_px), task=task, num_classes=2).detected
    assert found[0, 1 if task == "multiclass" else 0] == detected


def test_a_class_without_true_pixels_is_never_detected():
    truth, label = image_of([0]), image_of([0, 500])
    found = targets(label, truth, first(0), task="multiclass", num_classes=3)
    assert found.detected.tolist() == [[True, False, False]]
    np.testing.assert_allclose(found.iou, [[0.5, 1, 0]])


def stacks(task, seed, *, num=3, side=9):
    rng = np.random.default_rng(seed)
    num_classes = CLASSES[task]
    shape = (num, side, side + 1, *((num_classes,) if task == "multilabel" else ()))
    values = num_classes if task == "multiclass" else 2
    truth = rng.integers(0, values, shape, dtype=np.uint8)
    label = np.where(rng.random(shape) < 0.6, truth, rng.integers(0, values, shape, dtype=np.uint8))
    truth[rng.random(shape) < 0.1] = 255
    return label, truth, rng.random(shape[:3]) < rng.random()


def slow_targets(label, truth, inconsistent, task):
    """Pixel by pixel, one image."""
    num_classes = CLASSES[task]
    found = []
    for class_id in range(num_classes):
        both = either = actual = kept = 0
        for y, x in np.ndindex(truth.shape[:2]):
            place = (y, x, class_id) if task == "multilabel" else (y, x)
            if truth[place] == 255:
                continue
            wanted = class_id if task == "multiclass" else 1
            is_true = truth[place] == wanted
            is_predicted = label[place] == wanted and not (inconsistent is not None and inconsistent[y, x])
            both += is_true and is_predicted
            either += is_true or is_predicted
            actual += is_true
            kept += is_true and not (inconsistent is not None and inconsistent[y, x])
        pixels = truth.shape[0] * truth.shape[1]
        if inconsistent is None:
            detected = actual / pixels > 0.01
        else:
            detected = actual > 0 and (kept / actual >= 0.3 or kept / pixels >= 0.1)
        found.append((both / either if either else 1.0, detected))
    return found


@pytest.mark.parametrize("task", CLASSES)
@pytest.mark.parametrize("masked", [True, False])
def test_equals_counting_pixel_by_pixel(task, masked):
    for seed in range(4):
        label, truth, inconsistent = stacks(task, seed)
        inconsistent = inconsistent if masked else None
        found = targets(label, truth, inconsistent, task=task, num_classes=CLASSES[task])
        for index in range(len(label)):
            mask = None if inconsistent is None else inconsistent[index]
            expected = slow_targets(label[index], truth[index], mask, task)
            np.testing.assert_allclose(found.iou[index], [pair[0] for pair in expected], rtol=1e-6)
            assert found.detected[index].tolist() == [pair[1] for pair in expected]


@given(st.sampled_from(sorted(CLASSES)), st.integers(0, 2**31))
def test_the_truth_itself_has_iou_1(task, seed):
    _, truth, _ = stacks(task, seed, num=2, side=5)
    assert (targets(truth, truth, None, task=task, num_classes=CLASSES[task]).iou == 1).all()


@given(st.sampled_from(sorted(CLASSES)), st.integers(0, 2**31))
def test_masking_right_pixels_never_raises_the_iou(task, seed):
    _, truth, inconsistent = stacks(task, seed, num=2, side=5)
    kwargs = {"task": task, "num_classes": CLASSES[task]}
    whole = targets(truth, truth, np.zeros_like(inconsistent), **kwargs)
    blocked = targets(truth, truth, inconsistent, **kwargs)
    assert (blocked.iou <= whole.iou).all()
    assert (blocked.detected <= whole.detected).all()


def test_inputs_are_left_as_they_were():
    for task in CLASSES:
        arrays = stacks(task, 0)
        before = [array.copy() for array in arrays]
        targets(*arrays, task=task, num_classes=CLASSES[task])
        mask_planes(arrays[0], arrays[2], task=task, num_classes=CLASSES[task])
        for array, copy in zip(arrays, before, strict=True):
            np.testing.assert_array_equal(array, copy)


def test_network_targets_and_their_number():
    given_targets = Targets(np.array([[0.25, 0.5]], np.float32), np.array([[True, False]]))
    assert network_targets(given_targets, "multiclass").tolist() == [[0.25, 0.5, 1, 0]]
    assert network_targets(given_targets, "multilabel").dtype == np.float32
    binary = Targets(np.array([[0.25]], np.float32), np.array([[True]]))
    assert network_targets(binary, "binary").tolist() == [[0.25]]
    for task, num_classes in CLASSES.items():
        found = targets(*stacks(task, 0), task=task, num_classes=num_classes)
        assert network_targets(found, task).shape == (3, num_outputs(task, num_classes))


def test_quality_by_hand():
    outputs = np.array(
        [
            [0.9, 0.2, 0.6, 0.8, 0.1, 0.5],  # classes 0 and 2: exactly 0.5 is detected
            [0.9, 0.2, 0.6, 0.4, 0.1, 0.49],  # none
            [0.9, 0.2, 0.6, 0.0, 1.0, 0.0],
        ],
        dtype=np.float32,
    )
    score = quality(outputs, "multiclass")
    assert score.dtype == np.float64
    np.testing.assert_allclose(score, [0.75, 0, 0.2], rtol=1e-6)
    np.testing.assert_allclose(quality(outputs, "multilabel"), score)
    assert quality(np.array([[0.25], [0.75]], np.float32), "binary").tolist() == [0.25, 0.75]


@given(st.sampled_from(sorted(CLASSES)), st.integers(0, 2**31))
def test_true_quality_is_the_mean_over_what_is_detected(task, seed):
    arrays = stacks(task, seed, num=2, side=5)
    found = targets(*arrays, task=task, num_classes=CLASSES[task])
    score = true_quality(*arrays, task=task, num_classes=CLASSES[task])
    for index in range(2):
        rated = found.iou[index] if task == "binary" else found.iou[index][found.detected[index]]
        assert score[index] == pytest.approx(rated.mean() if rated.size else 0)


def test_planes_by_hand():
    inconsistent = grid([[0, 1, 0]]).astype(bool)
    binary = mask_planes(grid([[1, 1, 255]]), inconsistent, task="binary", num_classes=1)
    assert binary.tolist() == [[[[1, 0, 0]]]]
    multilabel = np.stack([grid([[1, 1, 0]]), grid([[0, 1, 1]])], axis=-1)
    assert mask_planes(multilabel, inconsistent, task="multilabel", num_classes=2).tolist() == [
        [[[1, 0, 0]], [[0, 0, 1]]]
    ]
    assert mask_planes(multilabel, None, task="multilabel", num_classes=2).tolist() == [[[[1, 1, 0]], [[0, 1, 1]]]]
    ids = grid([[0, 1, 1, 255, 2]])
    blocked = mask_planes(ids, grid([[0, 1, 0, 0, 0]]).astype(bool), task="multiclass", num_classes=2)
    assert blocked.tolist() == [[[[0, 1, 0, 1, 1]], [[1, 0, 0, 0, 0]], [[0, 0, 1, 0, 0]]]]


@pytest.mark.parametrize("task", CLASSES)
def test_planes_are_what_the_network_takes(task):
    label, _, inconsistent = stacks(task, 1)
    planes = mask_planes(label, inconsistent, task=task, num_classes=CLASSES[task])
    assert planes.dtype == np.float32
    assert planes.flags["C_CONTIGUOUS"]
    assert planes.shape == (3, mask_channels(task, CLASSES[task]), 9, 10)
    if task == "multiclass":
        assert (planes.sum(axis=1) == 1).all()
        np.testing.assert_array_equal(planes[:, 0], inconsistent)
    else:
        assert not planes.transpose(0, 2, 3, 1)[inconsistent].any()


def test_as_many_classes_as_a_label_can_hold():
    label = grid([[0, 254], [255, 3]])
    planes = mask_planes(label, None, task="multiclass", num_classes=255)
    assert planes.argmax(axis=1).tolist() == [[[1, 255], [0, 4]]]
    found = targets(label, label, first(0, pixels=20)[:, :2, :2], task="multiclass", num_classes=255)
    assert (found.iou == 1).all()
    blocked = targets(label, label, grid([[0, 1], [0, 0]]).astype(bool), task="multiclass", num_classes=255)
    assert blocked.iou[0, [0, 3, 254]].tolist() == [1, 1, 0]


def test_what_does_not_fit_is_refused():
    label, truth, inconsistent = stacks("binary", 0)
    with pytest.raises(IncmaskError, match="unknown task"):
        targets(label, truth, None, task="other", num_classes=1)
    with pytest.raises(IncmaskError, match="the mask is"):
        targets(label, truth, inconsistent[:1], task="binary", num_classes=1)
    with pytest.raises(IncmaskError, match="expected bool"):
        mask_planes(label, inconsistent.astype(int), task="multiclass", num_classes=2)
    with pytest.raises(IncmaskError, match="shape"):
        mask_planes(label[0], None, task="binary", num_classes=1)
    with pytest.raises(IncmaskError, match="channels"):
        mask_planes(label[..., None], None, task="multilabel", num_classes=2)
    for outputs, task in [(np.zeros((2, 3)), "multiclass"), (np.zeros((2, 2)), "binary"), (np.zeros(4), "multilabel")]:
        with pytest.raises(IncmaskError, match="shape"):
            quality(outputs, task)
    with pytest.raises(IncmaskError, match="finite"):
        quality(np.array([[0.5, np.nan]]), "multiclass")
    for function in (num_outputs, mask_channels):
        with pytest.raises(IncmaskError, match="unknown task"):
            function("other", 2)
