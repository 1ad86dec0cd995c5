import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, jaccard_score
from torchmetrics.classification import MulticlassJaccardIndex, MultilabelF1Score

from incmask.base.errors import IncmaskError
from incmask.method.metrics import (
    Counts,
    count,
    dataset_iou,
    dataset_miou,
    dice,
    iou,
    miou,
    pixel_accuracy,
)

CLASSES = {"binary": 1, "multilabel": 3, "multiclass": 5}
TWO_LAYERS = {"task": "multilabel", "num_classes": 2}


def stacks(task, *, seed, ignored=0.1, wrong=0.05, dtype=np.uint8, side=12, num=4):
    """A stack of predictions and of truths with ignored pixels and predictions that are no class."""
    rng = np.random.default_rng(seed)
    num_classes = CLASSES[task]
    shape = (num, side, side + 1, *((num_classes,) if task == "multilabel" else ()))
    values = num_classes if task == "multiclass" else 2
    truth = rng.integers(0, values, shape)
    prediction = np.where(rng.random(shape) < 0.6, truth, rng.integers(0, values, shape))
    truth[rng.random(shape) < ignored] = 255
    prediction[rng.random(shape) < wrong] = 255
    return prediction.astype(dtype), truth.astype(dtype)


def slow_count(prediction, truth, task):
    """Count one image pixel by pixel."""
    num_classes = CLASSES[task]
    intersection, predicted, actual = np.zeros((3, num_classes), dtype=int)
    correct = valid = 0
    for index in np.ndindex(truth.shape):
        t, p = int(truth[index]), int(prediction[index])
        if t == 255:
            continue
        valid += 1
        correct += t == p
        for k in range(num_classes):
            if task == "multilabel" and k != index[-1]:
                continue
            wanted = k if task == "multiclass" else 1
            intersection[k] += t == wanted and p == wanted
            predicted[k] += p == wanted
            actual[k] += t == wanted
    return intersection, predicted, actual, correct, valid


@pytest.mark.parametrize("task", CLASSES)
@given(seed=st.integers(0, 10**6), dtype=st.sampled_from([np.uint8, np.int16, ">i4", np.uint64]))
def test_count_equals_the_pixel_loop(task, seed, dtype):
    prediction, truth = stacks(task, seed=seed, dtype=dtype, side=6)
    counts = count(prediction, truth, task=task, num_classes=CLASSES[task])
    for index in range(len(truth)):
        intersection, predicted, actual, correct, valid = slow_count(prediction[index], truth[index], task)
        assert counts.intersection[index].tolist() == intersection.tolist()
        assert counts.predicted[index].tolist() == predicted.tolist()
        assert counts.actual[index].tolist() == actual.tolist()
        assert counts.correct[index] == correct
        assert counts.valid[index] == valid
    assert all(value.dtype == np.int64 for value in vars(counts).values())


@pytest.mark.parametrize("task", CLASSES)
def test_joined_batches_equal_the_whole(task):
    prediction, truth = stacks(task, seed=1)
    options = {"task": task, "num_classes": CLASSES[task]}
    whole = count(prediction, truth, **options)
    parts = [count(prediction[part], truth[part], **options) for part in (slice(0, 1), slice(1, 4))]
    for name, value in vars(Counts.join(parts)).items():
        np.testing.assert_array_equal(value, getattr(whole, name))


def test_bool_and_strided_labels():
    rng = np.random.default_rng(0)
    prediction, truth = rng.random((2, 3, 8, 9)) < 0.5
    plain = count(prediction.astype(np.uint8), truth.astype(np.uint8), task="binary", num_classes=1)
    strided = count(
        np.repeat(prediction, 2, axis=2)[:, :, ::2],
        np.repeat(truth, 2, axis=2)[:, :, ::2],
        task="binary",
        num_classes=1,
    )
    for name, value in vars(strided).items():
        np.testing.assert_array_equal(value, getattr(plain, name))


def test_negative_predictions_are_wrong():
    counts = count(np.array([[-1, 0, 1]]), np.array([[0, 0, 1]]), task="multiclass", num_classes=2)
    assert counts.predicted.tolist() == [[1, 1]]
    assert counts.actual.tolist() == [[2, 1]]
    assert counts.correct.tolist() == [2]


def test_255_classes():
    truth = np.arange(256, dtype=np.uint8)[None]  # the last one is ignored
    counts = count(truth, truth, task="multiclass", num_classes=255)
    assert counts.intersection.tolist() == [[1] * 255]
    assert counts.valid.tolist() == counts.correct.tolist() == [255]


def test_multiclass_equals_scikit_learn_and_torchmetrics():
    prediction, truth = stacks("multiclass", seed=3, wrong=0)
    counts = count(prediction, truth, task="multiclass", num_classes=5)
    kept = truth != 255
    for index in range(len(truth)):
        matrix = confusion_matrix(truth[index][kept[index]], prediction[index][kept[index]], labels=range(5))
        np.testing.assert_array_equal(counts.intersection[index], matrix.diagonal())
        np.testing.assert_array_equal(counts.actual[index], matrix.sum(axis=1))
        np.testing.assert_array_equal(counts.predicted[index], matrix.sum(axis=0))
        expected = jaccard_score(truth[index][kept[index]], prediction[index][kept[index]], average=None)
        np.testing.assert_allclose(iou(counts)[index], expected)
        np.testing.assert_allclose(miou(counts)[index], expected.mean())
        np.testing.assert_allclose(pixel_accuracy(counts)[index], matrix.diagonal().sum() / matrix.sum())
    for average, ours in (("none", dataset_iou(counts)), ("macro", dataset_miou(counts))):
        oracle = MulticlassJaccardIndex(num_classes=5, average=average, ignore_index=255)
        expected = oracle(torch.from_numpy(prediction), torch.from_numpy(truth).long())
        np.testing.assert_allclose(ours, expected.numpy(), rtol=1e-6)


def test_dataset_miou_leaves_out_only_classes_found_nowhere():
    prediction, truth = np.array([[0, 0, 1, 3]]), np.array([[0, 0, 1, 1]])
    counts = count(prediction, truth, task="multiclass", num_classes=5)
    oracle = MulticlassJaccardIndex(num_classes=5, average="macro")
    assert dataset_miou(counts) == pytest.approx((1 + 0.5 + 0) / 3)
    assert dataset_miou(counts) == pytest.approx(float(oracle(torch.from_numpy(prediction), torch.from_numpy(truth))))


def test_multilabel_equals_scikit_learn_and_torchmetrics():
    prediction, truth = stacks("multilabel", seed=4, ignored=0, wrong=0)
    counts = count(prediction, truth, task="multilabel", num_classes=3)
    for index in range(len(truth)):
        expected = jaccard_score(truth[index].reshape(-1, 3), prediction[index].reshape(-1, 3), average=None)
        np.testing.assert_allclose(iou(counts)[index], expected)
        # The smoothing of 1 stands in numerator and denominator alike.
        oracle = MultilabelF1Score(num_labels=3, average="none")
        flat = [torch.from_numpy(stack[index].reshape(-1, 3)) for stack in (prediction, truth)]
        plain = (dice(counts)[index] * (counts.predicted + counts.actual + 1)[index] - 1) / (
            counts.predicted + counts.actual
        )[index]
        np.testing.assert_allclose(plain, oracle(*flat).numpy(), rtol=1e-6)
    np.testing.assert_allclose(pixel_accuracy(counts), (prediction == truth).mean(axis=(1, 2, 3)))


def binary_images():
    """Four images of 4 pixels: half right, empty in both, predicted only, ignored as a whole."""
    prediction = np.array([[1, 1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 0, 0]], dtype=np.uint8)
    truth = np.array([[1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [255] * 4], dtype=np.uint8)
    return count(prediction, truth, task="binary", num_classes=1)


def test_binary_by_hand():
    counts = binary_images()
    assert iou(counts)[:, 0].tolist() == [0.5, 1, 0, 1]
    assert iou(counts, empty=0.0)[:, 0].tolist() == [0.5, 0, 0, 0]
    assert dice(counts)[:, 0].tolist() == [3 / 4, 1, 1 / 2, 1]
    assert pixel_accuracy(counts).tolist() == [0.75, 1, 0.75, 1]


def test_the_classes_of_a_mean_by_hand():
    """Class 0 is found in part, class 1 missed, class 2 invented, class 3 nowhere."""
    counts = count(np.array([[0, 0, 2, 2]]), np.array([[0, 0, 0, 1]]), task="multiclass", num_classes=4)
    assert iou(counts).tolist() == [[2 / 3, 0, 0, 1]]
    assert miou(counts).tolist() == [pytest.approx(2 / 3 / 3)]
    assert miou(counts, classes="true").tolist() == [pytest.approx(2 / 3 / 2)]
    assert miou(counts, classes="all").tolist() == [pytest.approx((2 / 3 + 1) / 4)]
    assert miou(counts, classes="all", empty=0.0).tolist() == [pytest.approx(2 / 3 / 4)]


def test_an_image_of_no_class_scores_as_set_unless_something_is_invented():
    prediction = np.array([[[0, 0]], [[0, 1]]])[..., None]
    counts = count(np.concatenate([prediction, prediction], -1), np.zeros((2, 1, 2, 2), int), **TWO_LAYERS)
    for empty in (0.0, 1.0):
        for classes in ("found", "true"):
            assert miou(counts, classes=classes, empty=empty).tolist() == [empty, 0]
        assert miou(counts, classes="all", empty=empty).tolist() == [empty, 0]


def test_nothing_found_anywhere():
    truth = np.full((2, 4), 255)
    counts = count(np.zeros((2, 4), int), truth, task="multiclass", num_classes=2)
    assert miou(counts).tolist() == [1, 1]
    assert dataset_miou(counts) == 1
    assert dataset_miou(counts, empty=0.0) == 0
    assert pixel_accuracy(counts, empty=0.0).tolist() == [0, 0]


IMAGE = np.zeros((1, 4, 4), dtype=np.uint8)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: count(IMAGE, IMAGE, task="binary", num_classes=2), "num_classes is 2"),
        (lambda: count(IMAGE, IMAGE, task="multiclass", num_classes=256), "num_classes is 256"),
        (lambda: count(IMAGE, IMAGE[:, :3], task="binary", num_classes=1), "shapes"),
        (lambda: count(IMAGE, IMAGE, task="multilabel", num_classes=3), "4 channels, expected 3"),
        (lambda: count(IMAGE / 2, IMAGE, task="binary", num_classes=1), "expected integers"),
        (lambda: count(IMAGE, IMAGE + 3, task="multiclass", num_classes=3), "truth holds 3, expected 0..2 or 255"),
        (lambda: count(IMAGE, IMAGE.astype(int) - 1, task="binary", num_classes=1), "truth holds -1"),
        (lambda: count(IMAGE, IMAGE, task="tracks", num_classes=1), "unknown task"),
    ],
)
def test_metrics_refuse(call, message):
    with pytest.raises(IncmaskError, match=message):
        call()
