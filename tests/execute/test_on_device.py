"""Batches from stacks on a device, which here is the CPU, against those from files."""

import gc
from dataclasses import replace

import numpy as np
import pytest
import torch

from incmask.augment.ops import Strength
from incmask.batches import Batches, TrainingSet, make_batch
from incmask.execute import on_device as module
from incmask.execute.on_device import DeviceBatches, OnDevice, PrefetchedBatches, make_device_batch, on_device
from incmask.fit import Trainer, fit
from incmask.recipes import Blocking
from small import TASKS, blocks, rows_of, save_source, some_job, some_settings, truth

CPU = torch.device("cpu")
EXACT = Strength(max_blur_px=2, contrast=0.4, brightness=30, free_rotation=True)
BLOCKINGS = [
    None,
    Blocking(),
    Blocking(image=False),
    Blocking(label=False),
    Blocking(in_loss=False),
    Blocking(False, False),
]


def training_set(folder, task, *, blocking=None, ignored=False, channels=1):
    """Two sources: labelled images, and pseudo-labelled ones with a mask; half of the rows are augmented."""
    sources, generator = [], np.random.default_rng(0)
    for number, num in enumerate((4, 7)):
        images = blocks(num, seed=number, channels=channels)
        labels = truth(images, task)
        if ignored:
            labels[generator.random(labels.shape) < 0.1] = 255
        mask = generator.random(images.shape[:3]) < 0.2 if number else None
        sources.append(save_source(folder, images, labels, mask, name=f"source-{number}"))
    rows = np.concatenate([rows_of(4), rows_of(7, strength=0), rows_of(7), rows_of(4, strength=0)])
    rows["source"] = [0] * 4 + [1] * 14 + [0] * 4
    return TrainingSet(tuple(sources), (EXACT,), rows, task, blocking)


def both(training, *, redraw=True, batch_size=5, seed=3):
    plain = Batches(training, batch_size=batch_size, steps_per_epoch=0, redraw=redraw, seed=seed)
    return plain, DeviceBatches(training, order=plain.order, redraw=redraw, seed=seed, device=CPU)


def assert_same(ours, theirs):
    assert ours.image.dtype == theirs.image.dtype
    assert ours.image.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(ours.image, theirs.image)
    assert ours.target.dtype == theirs.target.dtype
    assert torch.equal(ours.target, theirs.target)
    if theirs.weight is None:
        assert ours.weight is None or ours.weight.all()
    else:
        assert torch.equal(ours.weight, theirs.weight)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("redraw", [False, True])
def test_batches_are_those_from_files(tmp_path, task, redraw):
    plain, device = both(training_set(tmp_path, task, blocking=Blocking(), ignored=True, channels=3), redraw=redraw)
    for step in range(12):
        assert_same(device.draw(step), plain.draw(step))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("blocking", BLOCKINGS)
@pytest.mark.parametrize("ignored", [False, True])
def test_pixels_are_blocked_as_on_the_cpu(task, blocking, ignored):
    generator = np.random.default_rng(0)
    images = blocks(3, channels=3)
    labels, mask = truth(images, task), generator.random(images.shape[:3]) < 0.3
    if ignored:
        labels[generator.random(labels.shape) < 0.2] = 255
    tensors = [torch.from_numpy(each) for each in (images, labels, mask)]
    ours = make_device_batch(*tensors, task=task, blocking=blocking, has_ignored=ignored)
    assert_same(ours, make_batch(images, labels, mask, task=task, blocking=blocking))


def test_noise_and_blur_are_drawn_anew_or_the_same(tmp_path):
    training = replace(training_set(tmp_path, "binary"), strengths=(Strength(max_blur_px=2, max_noise=30),))
    for redraw in (True, False):
        plain, device = both(training, redraw=redraw, batch_size=len(training.rows))
        first, second = (device.draw(step) for step in (0, 1))
        assert torch.equal(device.draw(0).image, first.image)
        # In the second pass the order is another one.
        orders = [np.argsort([place.example for place in plain.order.draw(step)]) for step in (0, 1)]
        images = [batch.image[order] for batch, order in zip((first, second), orders, strict=True)]
        same = [torch.equal(one, other) for one, other in zip(*images, strict=True)]
        augmented = training.rows["strength"] == 0
        assert all(np.array(same)[~augmented])
        assert np.array(same)[augmented].any() != redraw


@pytest.mark.parametrize("task", TASKS)
def test_a_training_comes_to_the_same_losses(tmp_path, task):
    settings = some_settings(precision="float32", epochs=2)
    job = some_job(tmp_path, task=task, settings=settings)
    job = replace(job, objective=replace(job.objective, training=training_set(tmp_path, task, blocking=Blocking())))
    plain, device = Trainer(job, CPU), Trainer(on_device(job), CPU)
    assert isinstance(device.lessons.batches, DeviceBatches)
    for step in range(4):
        assert device.step(step) == plain.step(step)


def test_batches_are_made_ahead_where_images_have_no_room(tmp_path, monkeypatch):
    training = training_set(tmp_path, "binary")
    size = sum(path.stat().st_size for path in tmp_path.iterdir())
    objective = replace(some_job(tmp_path / "job").objective, training=training)
    kinds = []
    for free in (None, 3 * size, 2 * size):
        monkeypatch.setattr(module, "free_bytes", lambda device, free=free: free)
        lessons = OnDevice(objective).open(some_settings(), seed=1)
        kinds.append(type(lessons.batches))
        del lessons
        gc.collect()
    assert kinds == [DeviceBatches, DeviceBatches, PrefetchedBatches]


def test_batches_made_ahead_are_the_same_in_any_order(tmp_path):
    training = training_set(tmp_path, "multilabel", ignored=True)
    plain = Batches(training, batch_size=5, steps_per_epoch=0, redraw=True, seed=3)
    ahead = PrefetchedBatches(training, order=plain.order, redraw=True, seed=3, device=CPU)
    for step in (0, 1, 2, 2, 7, 8, 3):
        assert_same(ahead.draw(step), plain.draw(step))


def test_students_share_a_stack_and_leave_no_trace_of_it(tmp_path):
    training = training_set(tmp_path, "binary")
    first, second = both(training)[1], both(training)[1]
    assert first._image_stacks[0] is second._image_stacks[0]
    assert module.bytes_to_upload(training, CPU) == 0
    del first, second
    gc.collect()
    assert module.bytes_to_upload(training, CPU) == sum(path.stat().st_size for path in tmp_path.iterdir())


def test_a_stack_written_anew_is_brought_anew(tmp_path):
    training = training_set(tmp_path, "binary")
    before = both(training)[1]
    source = training.sources[0]
    np.save(source.images, 255 - np.load(source.images))
    plain, after = both(training)
    assert_same(after.draw(0), plain.draw(0))
    assert before._image_stacks[0] is not after._image_stacks[0]


def test_only_segmentation_is_brought_to_the_device(tmp_path):
    job = replace(some_job(tmp_path), objective="another")
    assert on_device(job) is job


def test_a_fit_from_the_device_writes_the_same_files(tmp_path):
    job = some_job(tmp_path, settings=some_settings(precision="float32"))
    fit(job)
    expected = {path.name: path.read_bytes() for path in job.folder.iterdir() if path.name != "history.csv"}
    other = on_device(replace(job, folder=tmp_path / "other"))
    fit(other)
    for name in ("model.safetensors", "scores.json"):
        assert (other.folder / name).read_bytes() == expected[name]
