"""Pairs of EvalNets on a device, which here is the CPU, against those from files."""

import gc
import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from alone import Trainer

from incmask.method.augment import Strength
from incmask.method.quality import mask_channels, num_outputs
from incmask.nets.spec import EvalNetSpec
from incmask.training.loop import fit
from incmask.training.on_gpu import batches as module
from incmask.training.on_gpu.batches import FixedBatches, PrefetchedBatches, on_device, pair_batches_on
from incmask.training.on_gpu.held import bytes_held, held
from incmask.training.on_gpu.pairs import Pairs, bytes_of_pairs, pairs_on
from incmask.training.rating import RatingObjective
from incmask.training.rating_batches import PairBatches
from incmask.training.rating_pairs import PairSet
from small import NUM_CLASSES, TASKS, blocks, save_source, some_job, some_settings, truth

CPU = torch.device("cpu")
STRONG = Strength(max_blur_px=1, max_noise=10, contrast=0.4, brightness=20, free_rotation=True)
NUM = 18
"""Pairs: more than are read at once, of 6 images."""


@pytest.fixture(autouse=True)
def nothing_held():
    """What earlier tests held in circles goes first."""
    gc.collect()
    assert not [each for each in held.values() if isinstance(each, Pairs)]


def pair_set(folder, task="binary", *, strength=STRONG, blocked=True, seed=0):
    generator = np.random.default_rng(seed)
    images = blocks(6, seed=seed, channels=3)
    labels = truth(blocks(NUM, seed=seed + 1), task)
    source = save_source(folder, images, labels, generator.random((NUM, 32, 32)) < 0.2 if blocked else None)
    np.save(folder / "targets.npy", generator.random((NUM, num_outputs(task, NUM_CLASSES[task])), np.float32))
    return PairSet(source.images, tuple(range(6)), source.labels, source.inconsistent, folder / "targets.npy", strength)


def batches_of(pairs, task="binary", *, redraw=False, seed=3, batch_size=5):
    settings = some_settings(redraw=redraw, batch_size=batch_size, steps_per_epoch=4)
    return PairBatches(pairs, task=task, num_classes=NUM_CLASSES[task], settings=settings, seed=seed)


def assert_same(ours, theirs):
    for tensor, known in zip(ours.tensors, theirs.tensors, strict=True):
        assert tensor.dtype == known.dtype
        assert torch.equal(tensor, known)


def judge(folder, task="binary", *, strength=STRONG, **settings):
    """A training of an EvalNet."""
    few = {"precision": "float32", "epochs": 2, "steps_per_epoch": 3, "batch_size": 4}
    objective = RatingObjective(
        pair_set(folder / "training", task, strength=strength),
        pair_set(folder / "validation", task, strength=None, seed=9),
        task,
        NUM_CLASSES[task],
    )
    network = EvalNetSpec(3, mask_channels(task, NUM_CLASSES[task]), num_outputs(task, NUM_CLASSES[task]), 0.125)
    return replace(some_job(folder, settings=some_settings(**few | settings)), network=network, objective=objective)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("strength", [None, STRONG])
@pytest.mark.parametrize("blocked", [False, True])
def test_pairs_on_the_device_are_those_from_files(tmp_path, task, strength, blocked):
    batches = batches_of(pair_set(tmp_path, task, strength=strength, blocked=blocked), task)
    device = pair_batches_on(batches, CPU)
    # Steps whose rows are brought to the device at different times, forth and back.
    for step in (0, 1, 31, 32, 33, 2, 100):
        assert_same(device.draw(step), batches.draw(step))


@pytest.mark.parametrize("redraw", [False, True])
def test_pairs_made_ahead_are_the_same_in_any_order(tmp_path, redraw):
    batches = batches_of(pair_set(tmp_path), redraw=redraw)
    ahead = PrefetchedBatches(batches_of(pair_set(tmp_path), redraw=redraw), CPU)
    for step in (0, 1, 2, 2, 7, 8, 3):
        assert_same(ahead.draw(step), batches.draw(step))


def test_pairs_that_are_drawn_anew_are_made_ahead(tmp_path):
    pairs = pair_set(tmp_path)
    for strength, redraw, kind in (
        (STRONG, True, PrefetchedBatches),
        (STRONG, False, FixedBatches),
        (None, True, FixedBatches),
        (None, False, FixedBatches),
    ):
        job = judge(tmp_path / f"{kind.__name__} {redraw} {strength is None}", strength=strength, redraw=redraw)
        lessons = on_device(job).objective.open(job.settings, seed=3)
        assert type(lessons.batches) is kind
        batches = job.objective.open(job.settings, seed=3).batches
        for step in range(8):
            assert_same(lessons.batches.draw(step), batches.draw(step))
    assert pairs.strength == STRONG


def test_pairs_are_made_ahead_where_they_have_no_room(tmp_path, monkeypatch):
    job = judge(tmp_path, redraw=False)
    # An image of 3 channels, a plane, and a float of each pair.
    needed = NUM * (32**2 * 4 + 4)
    kinds = []
    for free in (None, int(needed / module._SHARE) + 1, int(needed / module._SHARE) - 3):
        monkeypatch.setattr(module, "free_bytes", lambda device, free=free: free)
        kinds.append(type(on_device(job).objective.open(job.settings, seed=1).batches))
        gc.collect()
    assert kinds == [FixedBatches, FixedBatches, PrefetchedBatches]


def test_evalnets_share_pairs_and_leave_no_trace_of_them(tmp_path):
    pairs = pair_set(tmp_path)
    batches = [batches_of(pairs, seed=seed) for seed in (3, 4)]
    needed = NUM * (32**2 * 4 + 4)
    assert bytes_of_pairs(batches[0], CPU) == needed
    before = module.bytes_held(CPU)
    first, second = (pair_batches_on(each, CPU) for each in batches)
    assert first.examples is second.examples
    assert bytes_of_pairs(batches[1], CPU) == 0
    assert module.bytes_held(CPU) == before + needed
    for device, files in zip((first, second), batches, strict=True):
        assert_same(device.draw(1), files.draw(1))
    # Orders are their own.
    assert not torch.equal(first.draw(0).target, second.draw(0).target)
    del first, second, device
    gc.collect()
    assert not [each for each in held.values() if isinstance(each, Pairs)]
    assert module.bytes_held(CPU) == before
    assert bytes_of_pairs(batches[0], CPU) == needed


def test_other_pairs_are_others(tmp_path):
    """Also where files are the same, and where a file was written anew."""
    pairs = pair_set(tmp_path)
    first, second = [pairs_on(batches_of(each), CPU) for each in (pairs, replace(pairs, strength=None))]
    assert first is pairs_on(batches_of(pairs, seed=8), CPU)
    assert first is not second
    assert not torch.equal(first.tensors[0], second.tensors[0])
    np.save(pairs.targets, 1 - np.load(pairs.targets))
    os.utime(pairs.targets, ns=(0, 0))
    anew = pairs_on(batches_of(pairs), CPU)
    torch.testing.assert_close(anew.tensors[2], 1 - first.tensors[2])


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("redraw", [False, True])
def test_a_training_comes_to_the_same_losses(tmp_path, task, redraw):
    job = judge(tmp_path, task, redraw=redraw)
    plain, device = Trainer(job, CPU), Trainer(on_device(job), CPU)
    assert isinstance(device.lessons.batches, PrefetchedBatches if redraw else FixedBatches)
    losses = [device.step(step) for step in range(4)]
    assert losses == [plain.step(step) for step in range(4)]
    assert len(set(losses)) == 4


def test_a_fit_from_the_device_writes_the_same_files(tmp_path):
    job = judge(tmp_path, redraw=False)
    fit(job)
    other = on_device(replace(job, folder=tmp_path / "other"))
    fit(other)
    for name in ("model.safetensors", "scores.json"):
        assert (other.folder / name).read_bytes() == (job.folder / name).read_bytes()


def test_what_pairs_hold_counts_for_images_too(tmp_path):
    pairs = pairs_on(batches_of(pair_set(tmp_path)), CPU)
    assert bytes_held(CPU) == sum(tensor.nbytes for tensor in pairs.tensors)
    assert bytes_held(torch.device("meta")) == 0
