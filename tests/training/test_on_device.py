"""Batches from stacks on a device, which here is the CPU, against those from files."""

import gc
from dataclasses import replace

import numpy as np
import pytest
import torch
from alone import Trainer
from torch.utils._python_dispatch import TorchDispatchMode

from incmask.method.augment import Strength
from incmask.method.blocking import block_image, block_label
from incmask.method.labels import labels_of
from incmask.method.mixture import PLAIN, TrainingSet
from incmask.method.recipe import Blocking
from incmask.nets.forward import image_tensor
from incmask.training.batches import Batch, Batches, finish, make_batch
from incmask.training.loop import fit
from incmask.training.on_gpu import batches as module
from incmask.training.on_gpu.batches import (
    DeviceBatches,
    FixedBatches,
    OnDevice,
    PrefetchedBatches,
    batches_on,
    on_device,
)
from incmask.training.on_gpu.held import held
from incmask.training.on_gpu.stacks import Stacks, stacks_on
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


def training_set(folder, task, *, blocking=None, ignored=False, channels=1, height=32):
    """Two sources: labelled images, and pseudo-labelled ones with a mask; half of the rows are augmented."""
    sources, generator = [], np.random.default_rng(0)
    for number, num in enumerate((4, 7)):
        images = blocks(num, seed=number, channels=channels)[:, :height]
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
    return plain, batches_on(plain, CPU)


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


def with_copies(training):
    """Some rows once more with the same seed, which is the same example, and some with another."""
    again, others = training.rows[2:9], training.rows[3:12].copy()
    others["seed"] += 1000
    return replace(training, rows=np.concatenate([training.rows, again, others]))


def plain(training, *, num_sources=2):
    """As it is, from the first sources."""
    rows = training.rows[training.rows["source"] < num_sources].copy()
    rows["strength"] = PLAIN
    return replace(training, sources=training.sources[:num_sources], rows=rows)


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("redraw", [False, True])
@pytest.mark.parametrize("blocking", BLOCKINGS[:5])
def test_copies_of_images_that_are_not_square(tmp_path, task, redraw, blocking):
    training = with_copies(training_set(tmp_path, task, blocking=blocking, ignored=True, height=24))
    files, device = both(training, redraw=redraw, batch_size=7)
    for step in (0, 1, 5, 3, 40, 6):
        assert_same(device.draw(step), files.draw(step))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("redraw", [False, True])
@pytest.mark.parametrize("num_sources", [1, 2])
@pytest.mark.parametrize("ignored", [False, True])
def test_images_that_are_not_augmented(tmp_path, task, redraw, num_sources, ignored):
    training = training_set(tmp_path, task, blocking=Blocking(in_loss=False), ignored=ignored, channels=3)
    files, device = both(plain(with_copies(training), num_sources=num_sources), redraw=redraw)
    assert isinstance(device, FixedBatches)
    # Steps whose rows are brought to the device at different times, forth and back.
    for step in (0, 31, 32, 33, 1, 100):
        assert_same(device.draw(step), files.draw(step))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("blocking", BLOCKINGS)
@pytest.mark.parametrize("ignored", [False, True])
def test_pixels_are_blocked_as_the_method_does_it(task, blocking, ignored):
    generator = np.random.default_rng(0)
    images = blocks(3, channels=3)
    labels, mask = truth(images, task), generator.random(images.shape[:3]) < 0.3
    if ignored:
        labels[generator.random(labels.shape) < 0.2] = 255
    tensors = [torch.from_numpy(each) for each in (images, labels, mask)]
    ours = finish(*tensors, task=task, blocking=blocking, has_ignored=ignored).batch()
    assert_same(ours, expected_batch(images, labels, mask, task=task, blocking=blocking))
    assert_same(make_batch(images, labels, mask, task=task, blocking=blocking), ours)


def expected_batch(images, labels, mask, *, task, blocking):
    """In NumPy, by the rules of the paper's pages."""
    blocking = blocking or Blocking(image=False, label=False)
    known = labels != 255
    target = labels_of(task).with_masked(np.where(known, labels, 0))
    if blocking.label:
        target = block_label(target, mask, task=task)
    counts = known if blocking.in_loss else known & ~(mask[..., None] if task == "multilabel" else mask)
    if task == "multilabel":
        target, counts = (np.ascontiguousarray(np.moveaxis(each, -1, 1)) for each in (target, counts))
    return Batch(
        image_tensor(block_image(images, mask) if blocking.image else images),
        torch.from_numpy(target.astype(np.int64 if task == "multiclass" else np.float32)),
        None if counts.all() else torch.from_numpy(counts),
    )


def test_noise_and_blur_are_drawn_anew_or_the_same(tmp_path):
    training = replace(training_set(tmp_path, "binary"), strengths=(Strength(max_blur_px=2, max_noise=30),))
    for redraw in (True, False):
        files, device = both(training, redraw=redraw, batch_size=len(training.rows))
        first, second = (device.draw(step) for step in (0, 1))
        assert torch.equal(device.draw(0).image, first.image)
        # In the second pass the order is another one.
        orders = [np.argsort([place.example for place in files.order.draw(step)]) for step in (0, 1)]
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
    ahead = PrefetchedBatches(plain, CPU)
    for step in (0, 1, 2, 2, 7, 8, 3):
        assert_same(ahead.draw(step), plain.draw(step))


@pytest.mark.parametrize("redraw", [False, True])
def test_students_share_images_and_leave_no_trace_of_them(tmp_path, redraw):
    # What earlier tests held in circles goes first.
    gc.collect()
    training = training_set(tmp_path, "binary")
    first, second = (both(training, redraw=redraw, seed=seed)[1] for seed in (3, 4))
    if redraw:
        assert first._stacks is second._stacks
        assert module.bytes_to_upload(training, CPU) == 0
    else:
        assert first.examples is second.examples
        assert not any(isinstance(each, Stacks) for each in held.values())
    assert module.bytes_held(CPU) > 0
    del first, second
    gc.collect()
    assert module.bytes_held(CPU) == 0
    # Of 11 images, their labels and masks, those of the labelled images too.
    assert module.bytes_to_upload(training, CPU) == 11 * 3 * 32**2


def test_images_as_they_are_lie_there_once(tmp_path):
    """Also where students learn from different ones of them."""
    training = plain(training_set(tmp_path, "binary"), num_sources=1)
    first, second = (both(replace(training, rows=training.rows[part]))[1] for part in (slice(3), slice(2, 4)))
    assert first.examples is second.examples
    assert first.examples.image.data_ptr() == stacks_on(training.sources, CPU).images.data_ptr()
    assert module.bytes_held(CPU) == 4 * 2 * 32**2


def test_bytes_that_are_counted_before_are_those_held_after(tmp_path):
    training = with_copies(training_set(tmp_path, "multilabel", ignored=True, channels=3))
    rows, _ = module.distinct_rows(training)
    # 22 rows, and 9 with other seeds of which 2 are not augmented, so that these are the same again.
    assert len(rows) == 22 + 9 - np.count_nonzero(training.rows[-9:]["strength"] == PLAIN)
    stacks, finished = module.bytes_to_upload(training, CPU), module.bytes_to_finish(training, rows, CPU)
    augmented = both(training)[1]
    assert module.bytes_held(CPU) == stacks
    fixed = both(training, redraw=False)[1]
    assert module.bytes_held(CPU) == finished
    assert module.bytes_to_finish(training, rows, CPU) == 0
    del augmented, fixed


def test_without_room_to_finish_them_examples_are_the_same(tmp_path):
    """Noise too, which is of their seeds."""
    training = replace(training_set(tmp_path, "binary", blocking=Blocking()), strengths=(replace(EXACT, max_noise=9),))
    finished = both(training, redraw=False)[1]
    drawn = DeviceBatches(both(training, redraw=False)[0], CPU)
    assert isinstance(finished, FixedBatches)
    for step in range(6):
        assert_same(drawn.draw(step), finished.draw(step))


def test_what_others_hold_counts_and_what_is_there_is_used(tmp_path, monkeypatch):
    training = training_set(tmp_path / "one", "binary")
    settings = some_settings(redraw=False)
    objective = replace(some_job(tmp_path / "job").objective, training=training)
    other, last = (replace(objective, training=training_set(tmp_path / name, "binary")) for name in ("two", "three"))
    needed = module.bytes_to_finish(training, module.distinct_rows(training)[0], CPU)
    total = int(needed / module._SHARE) + 1
    monkeypatch.setattr(module, "free_bytes", lambda device: total - module.bytes_held(device))
    first = OnDevice(objective).open(settings, seed=1)
    assert isinstance(first.batches, FixedBatches)
    # The stacks of the first are gone: other images have room in their stead, but not finished ones too.
    second = OnDevice(other).open(settings, seed=2)
    assert isinstance(second.batches, DeviceBatches)
    # Now the stacks of the first would have no room, but its examples are there.
    third = OnDevice(objective).open(settings, seed=3)
    assert third.batches.examples is first.batches.examples
    # Examples of the first and stacks of the second take all that images may.
    assert isinstance(OnDevice(last).open(settings, seed=4).batches, PrefetchedBatches)
    files = Batches(training, batch_size=2, steps_per_epoch=2, redraw=False, seed=3)
    assert_same(third.batches.draw(1), files.draw(1))


@pytest.mark.parametrize("change", [{"blocking": Blocking()}, {"strengths": (replace(EXACT, contrast=0.1),)}])
def test_examples_of_other_sets_are_others(tmp_path, change):
    training = training_set(tmp_path, "binary")
    pairs = [both(each, redraw=False, batch_size=22) for each in (training, replace(training, **change))]
    for files, device in pairs:
        assert_same(device.draw(0), files.draw(0))
    assert not torch.equal(*(device.draw(0).image for _, device in pairs))


class Waits(TorchDispatchMode):
    """Notes operations for which a GPU's results would have to be waited for."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.name()
        masks = name.startswith("aten::index") and any(
            each is not None and each.dtype == torch.bool for each in (args[1] if isinstance(args[1], list) else ())
        )
        if masks or name in ("aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select", "aten::is_nonzero"):
            self.found.append(name)
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("redraw", [False, True])
def test_nothing_is_asked_of_the_device(tmp_path, redraw):
    training = training_set(tmp_path, "multilabel", blocking=Blocking(in_loss=False), ignored=True)
    training = replace(training, strengths=(replace(EXACT, max_noise=9),))
    device = both(training, redraw=redraw)[1]
    device.draw(0)
    with Waits() as waits:
        for step in range(1, 5):
            device.draw(step)
        assert not waits.found
        torch.ones(2)[torch.tensor([True, False])].sum().item()
    assert len(waits.found) == 2


@pytest.mark.parametrize("redraw", [False, True])
def test_a_stack_written_anew_is_brought_anew(tmp_path, redraw):
    training = training_set(tmp_path, "binary")
    before = both(training, redraw=redraw)[1]
    source = training.sources[0]
    np.save(source.images, 255 - np.load(source.images))
    files, after = both(training, redraw=redraw)
    assert_same(after.draw(0), files.draw(0))
    assert not torch.equal(before.draw(0).image, files.draw(0).image)


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
