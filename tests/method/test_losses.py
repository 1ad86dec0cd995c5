"""Losses against scikit-learn, slow NumPy and cases worked by hand."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss

from incmask.base.errors import IncmaskError
from incmask.method.losses import rating_loss, segmentation_loss

KINDS = ("mse", "cross_entropy", "cross_entropy_dice")
TASKS = ("binary", "multilabel", "multiclass")
NUM, CLASSES, HEIGHT, WIDTH = 2, 3, 4, 5


def case(task: str, seed: int = 0):
    rng = torch.Generator().manual_seed(seed)
    channels = 1 if task == "binary" else CLASSES
    logits = 2 * torch.randn(NUM, channels, HEIGHT, WIDTH, generator=rng)
    shape = (NUM, CLASSES, HEIGHT, WIDTH) if task == "multilabel" else (NUM, HEIGHT, WIDTH)
    target = torch.randint(CLASSES if task == "multiclass" else 2, shape, generator=rng)
    weight = torch.rand(NUM, HEIGHT, WIDTH, generator=rng)
    return logits, target, torch.where(weight < 0.3, 0, weight)


def slow(logits, target, weight, *, task: str, kind: str) -> float:
    """The same, pixel by pixel in double precision."""
    x, t, w = logits.double().numpy(), target.numpy(), weight.numpy()
    errors, weights = 0.0, 0.0
    intersection, both = np.zeros(x.shape[1]), np.zeros(x.shape[1])
    for n, i, j in np.ndindex(NUM, HEIGHT, WIDTH):
        if task == "multiclass":
            p = np.exp(x[n, :, i, j]) / np.exp(x[n, :, i, j]).sum()
            y = np.eye(x.shape[1])[t[n, i, j]]
            error = ((p - y) ** 2).mean() if kind == "mse" else -math.log(p[t[n, i, j]])
            errors, weights = errors + error * w[n, i, j], weights + w[n, i, j]
        else:
            p = 1 / (1 + np.exp(-x[n, :, i, j]))
            y = np.atleast_1d(t[n, ..., i, j]).astype(float)
            error = (p - y) ** 2 if kind == "mse" else -(y * np.log(p) + (1 - y) * np.log(1 - p))
            errors, weights = errors + error.sum() * w[n, i, j], weights + len(p) * w[n, i, j]
        intersection += p * y * w[n, i, j]
        both += (p + y) * w[n, i, j]
    dice = ((2 * intersection + 1) / (both + 1)).mean()
    return errors / weights + (1 - dice if kind == "cross_entropy_dice" else 0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("task", TASKS)
def test_equals_a_slow_loop(task, kind):
    logits, target, weight = case(task)
    for w in (weight, (weight > 0).float()):
        loss = segmentation_loss(logits, target, task=task, kind=kind, weight=w)
        assert loss.shape == ()
        assert loss.dtype == torch.float32
        assert loss.item() == pytest.approx(slow(logits, target, w, task=task, kind=kind), rel=1e-5)
    unweighted = segmentation_loss(logits, target, task=task, kind=kind)
    ones = torch.ones(NUM, HEIGHT, WIDTH)
    assert unweighted.item() == pytest.approx(slow(logits, target, ones, task=task, kind=kind), rel=1e-5)


def test_a_squared_error_may_ask_for_more_of_a_class():
    logits, target, weight = case("multilabel")
    loss = segmentation_loss(logits, target, task="multilabel", kind="mse", weight=weight, target_values=(1, 1, 3))
    asked = target.double() * torch.tensor([1, 1, 3])[:, None, None]
    errors = (1 / (1 + (-logits.double()).exp()) - asked) ** 2 * weight[:, None]
    assert loss.item() == pytest.approx(errors.sum().item() / (CLASSES * weight.sum().item()), rel=1e-5)
    plain = segmentation_loss(logits, target, task="multilabel", kind="mse", weight=weight)
    ones = segmentation_loss(logits, target, task="multilabel", kind="mse", weight=weight, target_values=(1, 1, 1))
    assert ones.item() == plain.item()


@pytest.mark.parametrize(
    ("task", "kind", "values"),
    [("multilabel", "cross_entropy", (1, 1, 3)), ("multilabel", "mse", (1, 3)), ("binary", "mse", (3,))],
)
def test_values_that_nothing_asks_for_are_refused(task, kind, values):
    logits, target, _ = case(task)
    with pytest.raises(ValueError, match="target_values"):
        segmentation_loss(logits, target, task=task, kind=kind, target_values=values)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("detection", ["mse", "cross_entropy"])
def test_a_rating_is_compared_output_by_output(task, detection):
    generator = torch.Generator().manual_seed(3)
    num = 1 if task == "binary" else 2 * CLASSES
    outputs, target = (torch.rand(5, num, generator=generator) for _ in range(2))
    target[:, CLASSES:] = target[:, CLASSES:].round()
    said, true = outputs.double().numpy(), target.double().numpy()
    expected = ((said - true) ** 2).mean()
    if task != "binary" and detection == "cross_entropy":
        ious = ((said - true) ** 2)[:, :CLASSES].mean()
        expected = ious + log_loss(true[:, CLASSES:].ravel(), said[:, CLASSES:].ravel())
    assert rating_loss(outputs, target, task=task, detection=detection).item() == pytest.approx(expected, rel=1e-5)


def test_cross_entropy_equals_scikit_learn():
    logits, target, weight = case("multiclass")
    loss = segmentation_loss(logits, target, task="multiclass", kind="cross_entropy", weight=weight)
    probability = logits.double().softmax(1).movedim(1, -1).reshape(-1, CLASSES).numpy()
    expected = log_loss(target.ravel().numpy(), probability, sample_weight=weight.ravel().numpy(), labels=[0, 1, 2])
    assert loss.item() == pytest.approx(expected, rel=1e-5)

    logits, target, weight = case("binary")
    loss = segmentation_loss(logits, target, task="binary", kind="cross_entropy", weight=weight)
    probability = logits.double().sigmoid().ravel().numpy()
    expected = log_loss(target.ravel().numpy(), probability, sample_weight=weight.ravel().numpy(), labels=[0, 1])
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_by_hand():
    # Probabilities 1/2 and 3/4, truth 1 and 1.
    logits = torch.tensor([0.0, math.log(3)]).reshape(1, 1, 1, 2)
    target = torch.ones(1, 1, 2, dtype=torch.uint8)

    def loss(kind):
        return segmentation_loss(logits, target, task="binary", kind=kind).item()

    cross_entropy = (math.log(2) + math.log(4 / 3)) / 2
    assert loss("mse") == pytest.approx((1 / 4 + 1 / 16) / 2)
    assert loss("cross_entropy") == pytest.approx(cross_entropy)
    assert loss("cross_entropy_dice") == pytest.approx(cross_entropy + 1 - (2 * 1.25 + 1) / (1.25 + 2 + 1))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("task", TASKS)
def test_ignored_pixels_have_no_say(task, kind):
    logits, target, weight = case(task)
    logits.requires_grad_()
    counts = weight > 0
    loss = segmentation_loss(logits, target, task=task, kind=kind, weight=counts)
    loss.backward()
    ignored = ~counts[:, None].expand_as(logits)
    assert (logits.grad[ignored] == 0).all()
    assert (logits.grad[~ignored] != 0).all()

    other_logits = torch.where(ignored, -logits.detach(), logits.detach())
    other_target = torch.where(counts[:, None] if task == "multilabel" else counts, target, 255)
    other = segmentation_loss(other_logits, other_target, task=task, kind=kind, weight=counts)
    assert other.item() == pytest.approx(loss.item(), rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("task", TASKS)
def test_no_pixel_that_counts_gives_zero_with_zero_gradients(task, kind):
    logits, target, weight = case(task)
    logits.requires_grad_()
    loss = segmentation_loss(logits, target, task=task, kind=kind, weight=torch.zeros_like(weight))
    loss.backward()
    assert loss.item() == 0
    assert (logits.grad == 0).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("task", TASKS)
def test_gradients_are_those_of_finite_differences(task, kind):
    logits, target, weight = case(task)
    logits.requires_grad_()
    segmentation_loss(logits, target, task=task, kind=kind, weight=weight).backward()
    index = (1, 0, 2, 3)
    step = torch.zeros_like(logits)
    step[index] = 1e-2
    with torch.no_grad():
        rise = slow(logits + step, target, weight, task=task, kind=kind)
        rise -= slow(logits - step, target, weight, task=task, kind=kind)
    assert logits.grad[index].item() == pytest.approx(rise / 2e-2, rel=1e-2, abs=1e-5)


def test_multilabel_weights_may_differ_by_class():
    logits, target, weight = case("multilabel")
    by_class = torch.stack([weight, torch.zeros_like(weight), torch.zeros_like(weight)], 1)
    for kind in KINDS[:2]:
        loss = segmentation_loss(logits, target, task="multilabel", kind=kind, weight=by_class)
        alone = segmentation_loss(logits[:, :1], target[:, 0], task="binary", kind=kind, weight=weight)
        assert loss.item() == pytest.approx(alone.item(), rel=1e-6)


def test_half_precision_is_computed_in_single():
    logits, target, _ = case("multiclass")
    half = logits.bfloat16()
    for kind in KINDS:
        loss = segmentation_loss(half, target, task="multiclass", kind=kind)
        assert loss.item() == segmentation_loss(half.float(), target, task="multiclass", kind=kind).item()


def test_unknown_names_list_the_known():
    logits, target, _ = case("binary")
    with pytest.raises(IncmaskError, match="mse, cross_entropy, cross_entropy_dice"):
        segmentation_loss(logits, target, task="binary", kind="focal")
    with pytest.raises(IncmaskError, match="binary, multilabel, multiclass"):
        segmentation_loss(logits, target, task="panoptic", kind="mse")


def test_wrong_shapes_are_refused():
    logits, target, weight = case("multiclass")
    with pytest.raises(ValueError, match="logits"):
        segmentation_loss(logits, target, task="binary", kind="mse")
    with pytest.raises(ValueError, match="target"):
        segmentation_loss(logits, target, task="multilabel", kind="mse")
    with pytest.raises(ValueError, match="weight"):
        segmentation_loss(logits, target, task="multiclass", kind="mse", weight=weight[:, None])
