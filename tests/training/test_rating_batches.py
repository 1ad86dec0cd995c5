"""Batches that EvalNets learn from, against the same drawn pair by pair."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_rating_lessons import STRONG, Simple, opened, pair_set

from incmask.method.augment import augment_pair
from incmask.method.augment_volumes import draw_volume_geometry, move, photometric_volume
from incmask.method.quality import mask_channels
from incmask.training.order import DrawnExample
from incmask.training.rating import RatingObjective
from incmask.training.rating_batches import OpenPairs, PairBatches
from small import NUM_CLASSES, TASKS, some_settings

SEED = 5


def batches_of(pairs, task, **settings):
    return PairBatches(
        pairs,
        task=task,
        num_classes=NUM_CLASSES[task],
        settings=some_settings(**settings),
        seed=settings.pop("seed", SEED),
    )


def order_of(num_pairs, *, batch_size, num_steps, one_pass):
    """Places of each step: shuffled passes, one after the other; those of one pass an epoch leave their remainder."""
    places, num_used = [], num_pairs // batch_size * batch_size if one_pass else num_pairs
    for number in range(num_steps * batch_size):
        shuffled = np.random.default_rng([SEED, number]).permutation(num_pairs)
        places += [(number, int(pair)) for pair in shuffled[:num_used]]
    return [places[step * batch_size : (step + 1) * batch_size] for step in range(num_steps)]


def expected_pair(pairs, task, number_of_pass, pair, *, redraw):
    """Image, planes and target, from the stacks."""
    image, label, mask, target = opened(pairs)[pair]
    # Every second pair, of each image and of each pass over them.
    if pairs.strength and (pair // len(pairs.rows) + pair % len(pairs.rows)) % 2:
        seeds = [pair, SEED, number_of_pass] if redraw else [pair, pairs.seed]
        made = augment_pair(image, label, mask, strength=pairs.strength, generator=np.random.default_rng(seeds))
        image, label, mask = made.image, made.label, made.inconsistent
    blocked = np.zeros(image.shape[:2], bool) if mask is None else mask
    planes = {
        "binary": lambda: [label == 1],
        "multilabel": lambda: [label[..., k] == 1 for k in range(NUM_CLASSES[task])],
        "multiclass": lambda: [label == k for k in range(NUM_CLASSES[task])],
    }[task]()
    planes = [plane & ~blocked for plane in planes]
    if task == "multiclass":
        planes = [blocked, *planes]
    return np.where(blocked[..., None], 0, image), np.stack(planes), target


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("redraw", [False, True])
@pytest.mark.parametrize("blocked", [False, True])
@pytest.mark.parametrize("steps_per_epoch", [0, 4])
def test_a_batch_is_its_pairs_augmented_and_blocked(tmp_path, task, redraw, blocked, steps_per_epoch):
    pairs = pair_set(tmp_path, task, blocked=blocked, strength=STRONG)
    batches = batches_of(pairs, task, redraw=redraw, batch_size=5, steps_per_epoch=steps_per_epoch)
    assert len(batches) == 12
    # Into the second pass, where augmentation is another one if it is drawn anew.
    for step, places in enumerate(order_of(12, batch_size=5, num_steps=4, one_pass=not steps_per_epoch)):
        batch = batches.draw(step)
        assert (batch.image.dtype, batch.planes.dtype, batch.target.dtype) == (torch.uint8, torch.uint8, torch.float32)
        expected = [expected_pair(pairs, task, *place, redraw=redraw) for place in places]
        for tensor, theirs in zip(batch.tensors, zip(*expected, strict=True), strict=True):
            np.testing.assert_array_equal(tensor.numpy(), np.stack(theirs))


def test_pairs_of_volumes_are_moved_as_volumes(tmp_path):
    """Image, label and mask of a sheet of four slices alike, without scaling, and blocked after that."""
    pairs = replace(pair_set(tmp_path, "multiclass", strength=STRONG), depth=4)
    batch = batches_of(pairs, "multiclass", redraw=True).of([DrawnExample(2, pair) for pair in range(12)])
    num_moved = 0
    for pair, (image, label, mask, _) in enumerate(opened(pairs)):
        if pairs.is_augmented(pair):
            generator = np.random.default_rng([pair, SEED, 2])
            image, label, mask = (each.reshape(4, 8, *each.shape[1:]) for each in (image, label, mask))
            geometry = draw_volume_geometry(STRONG, image.shape, generator, is_exact=True)
            assert geometry.matrix is None
            image, label, mask = (move(each, geometry) for each in (image, label, mask))
            image = photometric_volume(image, strength=STRONG, generator=generator)
            image, label, mask = (each.reshape(32, *each.shape[2:]) for each in (image, label, mask))
            num_moved += 1
        planes = [mask, *((label == k) & ~mask for k in range(NUM_CLASSES["multiclass"]))]
        np.testing.assert_array_equal(batch.image[pair].numpy(), np.where(mask[..., None], 0, image))
        np.testing.assert_array_equal(batch.planes[pair].numpy(), np.stack(planes))
    assert num_moved == 6


def test_a_pair_that_is_drawn_anew_is_another_in_another_pass(tmp_path):
    pairs = pair_set(tmp_path, "binary", strength=STRONG)
    for redraw in (False, True):
        batches = batches_of(pairs, "binary", redraw=redraw)
        first, second = (batches.of([DrawnExample(number, pair) for pair in range(12)]) for number in (0, 1))
        same = [torch.equal(*images) for images in zip(first.image, second.image, strict=True)]
        assert same == [not (redraw and pairs.is_augmented(pair)) for pair in range(12)]


def test_pairs_are_always_the_same_without_augmentation_or_with_one_that_is_kept(tmp_path):
    pairs = pair_set(tmp_path, "binary", strength=STRONG)
    for strength, redraw, is_fixed in (
        (None, True, True),
        (None, False, True),
        (STRONG, False, True),
        (STRONG, True, False),
    ):
        assert batches_of(replace(pairs, strength=strength), "binary", redraw=redraw).are_fixed is is_fixed


def test_pairs_that_are_augmented_once_are_others_in_another_repeat_and_the_same_for_all_networks(tmp_path):
    pairs = pair_set(tmp_path, "binary", strength=STRONG)
    places = [DrawnExample(0, pair) for pair in range(12)]
    first, colleague, repeat = (
        batches_of(replace(pairs, seed=seed), "binary", redraw=False, seed=network).of(places)
        for seed, network in ((1, 5), (1, 6), (2, 5))
    )
    assert torch.equal(first.image, colleague.image)
    same = [torch.equal(*images) for images in zip(first.image, repeat.image, strict=True)]
    assert same == [not pairs.is_augmented(pair) for pair in range(12)]


def test_stacks_are_not_changed(tmp_path):
    """Augmented and blocked are copies."""
    pairs = pair_set(tmp_path, "multilabel", strength=STRONG)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    batches_of(pairs, "multilabel", redraw=True).draw(0)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_open_pairs_belong_to_their_images(tmp_path):
    pairs = pair_set(tmp_path, "binary", num_images=3)
    known, chosen = opened(pairs), [8, 0, 3, 3]
    images, labels, masks = OpenPairs(pairs).take(chosen)
    for number, pair in enumerate(chosen):
        for ours, theirs in zip((images[number], labels[number], masks[number]), known[pair][:3], strict=True):
            assert np.array_equal(ours, theirs)
    assert OpenPairs(pairs).shape == (5, 32, 32, 1)
    assert OpenPairs(replace(pairs, inconsistent=None)).take(chosen)[2] is None


@pytest.mark.parametrize("task", TASKS)
def test_the_loss_is_that_of_the_batch(tmp_path, task):
    """The mean squared error over all outputs of all pairs, from pixels in 0..255 and planes in 0..1."""
    pairs = pair_set(tmp_path, task, strength=STRONG)
    settings = some_settings(precision="float32", redraw=True, batch_size=5)
    lessons = RatingObjective(pairs, pairs, task, NUM_CLASSES[task]).open(settings, seed=SEED)
    network = Simple(task, slope=2)
    for step, places in enumerate(order_of(12, batch_size=5, num_steps=3, one_pass=False)):
        images, planes, targets = (
            np.stack(each)
            for each in zip(*(expected_pair(pairs, task, *place, redraw=True) for place in places), strict=True)
        )
        assert planes.shape[1] == mask_channels(task, NUM_CLASSES[task])
        mixed = planes.mean((2, 3)) @ network.mix.numpy()
        outputs = 1 / (1 + np.exp(-(2 * images.mean((1, 2, 3))[:, None] / 255 + mixed)))
        expected = np.square(outputs - targets).mean()
        assert float(lessons.loss(network, phase=0, step=step).detach()) == pytest.approx(expected, rel=1e-5)
