from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from incmask.method.augment import Strength, augment_pair
from incmask.method.quality import mask_channels, num_outputs
from incmask.nets.spec import EvalNetSpec
from incmask.training.files import HISTORY, SCORES
from incmask.training.jobs import FitJob
from incmask.training.loop import fit
from incmask.training.rating import RatingObjective, judge, judge_pairs
from incmask.training.rating_pairs import PairSet
from small import NUM_CLASSES, TASKS, blocks, some_settings, truth

STRONG = Strength(max_blur_px=1, max_noise=10, contrast=0.4, brightness=20, free_rotation=True)


def pair_set(folder, task, *, num_images=4, num_passes=3, blocked=True, strength=None, seed=0):
    """Pairs of random masks: labels that others' images give, disputed squares, targets at random."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(seed)
    images = blocks(num_images + 2, seed=seed)
    num_pairs = num_images * num_passes
    labels = truth(blocks(num_pairs, seed=seed + 1), task)
    masks = generator.random((num_pairs, 4, 4)).repeat(8, 1).repeat(8, 2) < 0.3
    for name, values in (
        ("images", images),
        ("labels", labels),
        ("masks", masks),
        ("targets", generator.random((num_pairs, num_outputs(task, NUM_CLASSES[task])), dtype=np.float32)),
    ):
        np.save(folder / f"{name}.npy", values)
    return PairSet(
        images=folder / "images.npy",
        # Not in the stack's order, and not all of them.
        rows=tuple(range(num_images, 0, -1)),
        labels=folder / "labels.npy",
        inconsistent=folder / "masks.npy" if blocked else None,
        targets=folder / "targets.npy",
        strength=strength,
    )


class Simple(nn.Module):
    """Ratings from the mean grey, and how much of the mask each channel takes."""

    def __init__(self, task, *, slope=1.0):
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(float(slope)))
        channels, outputs = mask_channels(task, NUM_CLASSES[task]), num_outputs(task, NUM_CLASSES[task])
        self.mix = torch.arange(channels * outputs).reshape(channels, outputs).float().sin()

    def forward(self, image, planes):
        grey = image.mean((1, 2, 3)) / 255
        return (self.slope * grey[:, None] + planes.mean((2, 3)) @ self.mix).sigmoid()


def slow(network, image, label, mask, task):
    """What the network says of one pair, from pixels."""
    num_classes = NUM_CLASSES[task]
    seen, planes = image.astype(float), []
    nothing = np.zeros((32, 32), bool) if mask is None else mask
    seen = np.where(nothing[..., None], 0, seen)
    if task == "binary":
        planes = [(label == 1) & ~nothing]
    elif task == "multilabel":
        planes = [(label[..., k] == 1) & ~nothing for k in range(num_classes)]
    else:
        planes = [nothing, *((label == k) & ~nothing for k in range(num_classes))]
    shares = np.array([plane.mean() for plane in planes])
    return 1 / (1 + np.exp(-(network.slope.item() * seen.mean() / 255 + shares @ network.mix.numpy())))


def opened(pairs):
    """Images of the pairs in their order, labels, masks, targets."""
    images = np.load(pairs.images)
    labels, targets = np.load(pairs.labels), np.load(pairs.targets)
    masks = np.load(pairs.inconsistent) if pairs.inconsistent else [None] * len(labels)
    owners = [images[pairs.rows[pair % len(pairs.rows)]] for pair in range(len(labels))]
    return list(zip(owners, labels, masks, targets, strict=True))


@pytest.mark.parametrize("blocked", [True, False])
@pytest.mark.parametrize("task", TASKS)
def test_a_pair_is_judged_as_it_is_shown_blocked(tmp_path, task, blocked):
    pairs = pair_set(tmp_path, task, blocked=blocked)
    networks = [Simple(task, slope=slope) for slope in (-1, 0.5, 3)]
    known = opened(pairs)
    images, labels, masks = ([each[place] for each in known] for place in range(3))
    outputs = judge(
        networks,
        np.stack(images),
        np.stack(labels),
        np.stack(masks) if blocked else None,
        task=task,
        num_classes=NUM_CLASSES[task],
        settings=some_settings(precision="float32"),
    )
    # The mean of all networks.
    expected = [
        np.mean([slow(network, image, label, mask, task) for network in networks], 0) for image, label, mask, _ in known
    ]
    np.testing.assert_allclose(outputs, expected, rtol=1e-5)
    assert outputs.dtype == np.float32


@pytest.mark.parametrize("task", TASKS)
def test_all_validation_pairs_are_judged(tmp_path, monkeypatch, task):
    monkeypatch.setattr("incmask.nets.forward.CHUNK", 5)
    pairs = pair_set(tmp_path, task)
    objective = RatingObjective(pairs, pairs, task, NUM_CLASSES[task])
    networks = [Simple(task, slope=slope) for slope in (-1, 0.5)]
    judged = judge_pairs(networks, objective, settings=some_settings(precision="float32"))
    known = opened(pairs)
    expected = np.array([np.mean([slow(net, *pair[:3], task) for net in networks], 0) for pair in known])
    np.testing.assert_allclose(judged.outputs, expected, rtol=1e-5)
    assert np.array_equal(judged.targets, np.load(pairs.targets))
    for ratings, outputs in ((judged.predicted, expected), (judged.true, judged.targets)):
        np.testing.assert_allclose(ratings, [rating(row, task) for row in outputs.tolist()], rtol=1e-5)


def rating(outputs, task):
    """Binary: the IoU; else the mean IoU of classes whose detection is one half or more."""
    if task == "binary":
        return outputs[0]
    half = len(outputs) // 2
    detected = [iou for iou, found in zip(outputs[:half], outputs[half:], strict=True) if found >= 0.5]
    return sum(detected) / len(detected) if detected else 0.0


@pytest.mark.parametrize("task", TASKS)
def test_validation_gives_the_squared_and_the_absolute_error(tmp_path, task):
    """Epochs and networks are ranked by the mean absolute error of the rating, whatever the loss."""
    pairs = pair_set(tmp_path, task)
    lessons = RatingObjective(pairs, pairs, task, NUM_CLASSES[task]).open(some_settings(precision="float32"), seed=1)
    network = Simple(task, slope=2)
    judged = lessons.validate(network)
    said = [slow(network, *pair[:3], task) for pair in opened(pairs)]
    targets = np.load(pairs.targets)
    assert judged.loss == pytest.approx(np.mean((np.array(said) - targets) ** 2), rel=1e-4)
    errors = [
        abs(rating(one.tolist(), task) - rating(other.tolist(), task)) for one, other in zip(said, targets, strict=True)
    ]
    assert judged.score == pytest.approx(1 - sum(errors) / len(errors), rel=1e-4)
    assert lessons.by_loss is False


@pytest.mark.parametrize("task", TASKS)
def test_detections_may_be_learnt_by_cross_entropy(tmp_path, task):
    pairs = pair_set(tmp_path, task)
    targets = np.load(pairs.targets)
    half = targets.shape[1] // 2
    if half:
        targets[:, half:] = np.round(targets[:, half:])
        np.save(pairs.targets, targets)
    settings = some_settings(
        precision="float32", steps_per_epoch=0, batch_size=12, detection_loss="cross_entropy", redraw=False
    )
    lessons = RatingObjective(pairs, pairs, task, NUM_CLASSES[task]).open(settings, seed=1)
    network = Simple(task, slope=2)
    said = np.array([slow(network, *pair[:3], task) for pair in opened(pairs)])
    expected = ((said - targets) ** 2)[:, : half or 1].mean()
    if half:
        found, true = said[:, half:], targets[:, half:]
        expected -= (true * np.log(found) + (1 - true) * np.log(1 - found)).mean()
    assert lessons.validate(network).loss == pytest.approx(expected, rel=1e-4)
    assert lessons.loss(network, phase=0, step=0).item() == pytest.approx(expected, rel=1e-4)


def test_by_loss_is_never_asked_for(tmp_path):
    pairs = pair_set(tmp_path, "multilabel")
    objective = RatingObjective(pairs, pairs, "multilabel", 2)
    for settings in (some_settings("paper"), some_settings(select_by="loss")):
        assert objective.open(settings, seed=1).by_loss is False


@pytest.mark.parametrize("redraw", [True, False])
@pytest.mark.parametrize("task", TASKS)
def test_the_loss_of_a_batch_against_a_loop(tmp_path, task, redraw):
    """The whole set in a batch: half of the pairs are augmented with the pair's own draws."""
    pairs = pair_set(tmp_path, task, strength=STRONG)
    settings = some_settings(precision="float32", steps_per_epoch=0, batch_size=12, redraw=redraw)
    lessons = RatingObjective(pairs, pairs, task, NUM_CLASSES[task]).open(settings, seed=5)
    assert (lessons.phases, lessons.batch_sizes) == ((1,), (12,))
    network = Simple(task, slope=2)
    for number_of_pass in (0, 1):
        loss = lessons.loss(network, phase=0, step=number_of_pass)
        errors = []
        for pair, (image, label, mask, target) in enumerate(opened(pairs)):
            if (pair // 4 + pair % 4) % 2:
                seeds = [pair, 5, number_of_pass] if redraw else [pair, pairs.seed]
                moved = augment_pair(image, label, mask, strength=STRONG, generator=np.random.default_rng(seeds))
                image, label, mask = moved.image, moved.label, moved.inconsistent
            errors += np.square(slow(network, image, label, mask, task) - target).tolist()
        assert loss.item() == pytest.approx(sum(errors) / len(errors), rel=1e-4)
    loss.backward()
    assert network.slope.grad != 0


def test_without_a_strength_pairs_are_shown_as_they_are(tmp_path):
    for blocked in (True, False):
        pairs = pair_set(tmp_path / str(blocked), "multiclass", blocked=blocked)
        settings = some_settings(precision="float32", steps_per_epoch=0, batch_size=12)
        lessons = RatingObjective(pairs, pairs, "multiclass", 3).open(settings, seed=5)
        network = Simple("multiclass", slope=2)
        said = [slow(network, *pair[:3], "multiclass") for pair in opened(pairs)]
        expected = np.square(np.array(said) - np.load(pairs.targets)).mean()
        assert lessons.loss(network, phase=0, step=0).item() == pytest.approx(expected, rel=1e-4)


def test_an_epoch_is_a_pass_over_the_pairs_or_a_number_of_steps(tmp_path):
    pairs = pair_set(tmp_path, "binary")
    objective = RatingObjective(pairs, pairs, "binary", 1)
    for steps_per_epoch, batch_size, phases in ((0, 5, (2,)), (0, 12, (1,)), (0, 50, (1,)), (7, 5, (7,))):
        lessons = objective.open(some_settings(steps_per_epoch=steps_per_epoch, batch_size=batch_size), seed=1)
        assert lessons.phases == phases


@pytest.mark.slow
def test_an_evalnet_learns_how_much_of_the_square_a_mask_has(tmp_path):
    """Whole in the only training loop: masks from empty to full, whose quality is their share."""
    shares = np.linspace(0, 1, 8)
    labels = np.zeros((8, 32, 32), np.uint8)
    for label, share in zip(labels, shares, strict=True):
        label[: round(32 * share)] = 1
    for name, values in (
        ("images", np.full((8, 32, 32, 1), 90, np.uint8)),
        ("labels", labels),
        ("targets", shares[:, None].astype(np.float32)),
    ):
        np.save(tmp_path / f"{name}.npy", values)
    images, stack, targets = (tmp_path / f"{name}.npy" for name in ("images", "labels", "targets"))
    pairs = PairSet(images, tuple(range(8)), stack, None, targets)
    settings = some_settings(epochs=2, steps_per_epoch=30, batch_size=8, learning_rate=0.01, precision="float32")
    job = FitJob(
        tmp_path / "student", EvalNetSpec(1, 1, 1, 0.125, 0.9), RatingObjective(pairs, pairs, "binary", 1), settings, 3
    )
    fit(job)
    lines = [line.split(",") for line in (job.folder / HISTORY).read_text().splitlines()[1:]]
    assert len(lines) == 2
    best = max(float(line[4]) for line in lines)
    # Their mean is off by 2/7.
    assert best > 1 - 0.7 * 2 / 7
    assert f'"validation_score": {best}' in (job.folder / SCORES).read_text()


def test_sets_of_other_images_keep_them_apart(tmp_path):
    """Rows of pairs say which image they belong to, in the order of ``rows``."""
    pairs = pair_set(tmp_path, "binary", num_passes=2)
    other = replace(pairs, rows=pairs.rows[::-1])
    settings = some_settings(precision="float32")
    network = Simple("binary", slope=4)
    one, two = (
        judge_pairs([network], RatingObjective(each, each, "binary", 1), settings=settings).outputs
        for each in (pairs, other)
    )
    assert not np.allclose(one, two)
