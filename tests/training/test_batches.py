import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from incmask.method.augment import Strength, augment_pair
from incmask.method.labels import labels_of
from incmask.method.mixture import PLAIN, TrainingSet
from incmask.method.recipe import Blocking
from incmask.nets.forward import image_tensor
from incmask.training.batches import Batches, make_batch
from small import blocks, rows_of, save_source

STRONG = Strength(max_blur_px=1, max_noise=10, contrast=0.3, brightness=20, free_rotation=True)


@pytest.fixture(scope="module")
def numbered(tmp_path_factory):
    """Forty images, each of one intensity, its own number."""
    images = np.arange(40, dtype=np.uint8)[:, None, None, None].repeat(2, 1).repeat(2, 2)
    return save_source(tmp_path_factory.mktemp("numbered"), images, images[..., 0] % 2)


def numbers(batches, steps):
    """Which images the steps draw."""
    return [batches.draw(step).image[:, 0, 0, 0].int().tolist() for step in steps]


def flat(lists):
    return list(itertools.chain(*lists))


def plain_batches(source, num_rows, *, batch_size, steps_per_epoch=0, seed=1):
    training_set = TrainingSet((source,), (), rows_of(num_rows), "binary")
    return Batches(training_set, batch_size=batch_size, steps_per_epoch=steps_per_epoch, redraw=False, seed=seed)


@given(num_rows=st.integers(1, 40), batch_size=st.integers(1, 14))
def test_an_epoch_is_one_pass_without_its_remainder(numbered, num_rows, batch_size):
    batches = plain_batches(numbered, num_rows, batch_size=batch_size)
    assert batches.order.steps_per_epoch == max(1, num_rows // batch_size)
    for epoch in range(2):
        steps = range(epoch * batches.order.steps_per_epoch, (epoch + 1) * batches.order.steps_per_epoch)
        drawn = flat(numbers(batches, steps))
        assert len(drawn) == len(set(drawn)) == (num_rows // batch_size * batch_size or num_rows)
        assert set(drawn) <= set(range(num_rows))


@given(num_rows=st.integers(1, 40), batch_size=st.integers(1, 14), steps_per_epoch=st.integers(1, 5))
def test_with_a_number_of_steps_passes_follow_each_other(numbered, num_rows, batch_size, steps_per_epoch):
    batches = plain_batches(numbered, num_rows, batch_size=batch_size, steps_per_epoch=steps_per_epoch)
    assert batches.order.steps_per_epoch == steps_per_epoch
    num_steps = -(-2 * num_rows // batch_size)
    drawn = numbers(batches, range(num_steps))
    assert {len(batch) for batch in drawn} == {batch_size}
    drawn = flat(drawn)
    assert sorted(drawn[:num_rows]) == sorted(drawn[num_rows : 2 * num_rows]) == list(range(num_rows))


def test_the_order_changes_from_pass_to_pass_and_from_seed_to_seed(numbered):
    one, other = (plain_batches(numbered, 40, batch_size=40, seed=seed) for seed in (1, 2))
    assert len({tuple(order) for order in (*numbers(one, (0, 1)), *numbers(other, (0, 1)))}) == 4


def test_a_step_is_the_same_whatever_was_drawn_before(numbered):
    later = numbers(plain_batches(numbered, 11, batch_size=3, steps_per_epoch=4), range(20))
    assert numbers(plain_batches(numbered, 11, batch_size=3, steps_per_epoch=4), (17,)) == [later[17]]


def one_row(tmp_path, *, redraw, seed):
    images = blocks(1, side=16)
    source = save_source(tmp_path, images, images[..., 0] // 128)
    training_set = TrainingSet((source,), (STRONG,), rows_of(1, strength=0), "binary")
    return Batches(training_set, batch_size=1, steps_per_epoch=2, redraw=redraw, seed=seed)


def test_augmentation_is_fixed_for_all_steps_and_students(tmp_path):
    drawn = [one_row(tmp_path, redraw=False, seed=seed).draw(step) for seed in (1, 2) for step in (0, 1, 5)]
    assert all(torch.equal(batch.image, drawn[0].image) for batch in drawn)
    assert all(torch.equal(batch.target, drawn[0].target) for batch in drawn)
    images, labels = (np.load(tmp_path / f"set-{part}.npy")[0] for part in ("images", "labels"))
    expected = augment_pair(images, labels, strength=STRONG, generator=np.random.default_rng([100]))
    assert np.array_equal(drawn[0].image[0, 0].numpy(), expected.image[..., 0])
    assert np.array_equal(drawn[0].target[0].numpy(), expected.label)


def test_redrawn_augmentation_differs_from_pass_to_pass_and_from_student_to_student(tmp_path):
    drawn = [one_row(tmp_path, redraw=True, seed=seed).draw(step).image for seed in (1, 2) for step in (0, 1)]
    assert not any(torch.equal(a, b) for index, a in enumerate(drawn) for b in drawn[:index])
    assert torch.equal(drawn[3], one_row(tmp_path, redraw=True, seed=2).draw(1).image)


def test_copies_of_an_image_differ(tmp_path):
    images = blocks(1, side=16)
    rows = rows_of(3, strength=0)
    rows["index"] = 0
    training_set = TrainingSet((save_source(tmp_path, images, images[..., 0] // 128),), (STRONG,), rows, "binary")
    copies = Batches(training_set, batch_size=3, steps_per_epoch=0, redraw=False, seed=1).draw(0).image
    assert len({copy.numpy().tobytes() for copy in copies}) == 3


@pytest.mark.parametrize("redraw", [False, True])
def test_a_plain_row_is_never_augmented(tmp_path, redraw):
    images = blocks(2, side=16)
    labels = (images[..., 0] > 128).astype(np.uint8)
    rows = rows_of(2)
    rows["strength"] = PLAIN, 0
    training_set = TrainingSet((save_source(tmp_path, images, labels),), (STRONG,), rows, "binary")
    batches = Batches(training_set, batch_size=2, steps_per_epoch=0, redraw=redraw, seed=3)
    for step in range(4):
        batch = batches.draw(step)
        same = [bool((image == torch.from_numpy(images[0, ..., 0])).all()) for image in batch.image[:, 0]]
        assert same.count(True) == 1
        assert np.array_equal(batch.target[same.index(True)].numpy(), labels[0])


@pytest.mark.parametrize("task", ["binary", "multilabel", "multiclass"])
def test_blocked_pixels_follow_the_geometry_and_are_exactly_0(tmp_path, task):
    images = np.full((4, 16, 16, 3), 200, np.uint8)
    labels = np.ones((4, 16, 16, 2) if task == "multilabel" else (4, 16, 16), np.uint8)
    masks = np.zeros((4, 16, 16), bool)
    masks[:, 1:5, 2:3] = True
    source = save_source(tmp_path, images, labels, masks)
    bright = Strength(max_blur_px=3, max_noise=25, contrast=0.5, brightness=25, free_rotation=True)
    training_set = TrainingSet((source,), (bright,), rows_of(4, strength=0), task, Blocking(in_loss=False))
    batch = Batches(training_set, batch_size=4, steps_per_epoch=0, redraw=False, seed=1).draw(0)
    blocked = batch.image == 0
    assert (blocked.sum((2, 3)) == 4).all()
    assert (blocked == blocked[:, :1]).all()
    as_target = blocked[:, :2] if task == "multilabel" else blocked[:, 0]
    assert torch.equal(batch.target == 0, as_target)
    assert torch.equal(batch.weight, ~as_target)
    assert not torch.equal(blocked[:, 0], torch.from_numpy(masks))


def test_rows_find_their_source(tmp_path):
    one, two = (
        save_source(tmp_path, np.full((2, 4, 4, 1), value, np.uint8), np.full((2, 4, 4), label, np.uint8), name=name)
        for value, label, name in ((10, 0, "one"), (20, 1, "two"))
    )
    rows = rows_of(2)
    rows["source"], rows["index"] = (0, 1), (1, 0)
    batch = Batches(
        TrainingSet((one, two), (), rows, "binary"), batch_size=2, steps_per_epoch=0, redraw=False, seed=0
    ).draw(0)
    found = sorted(zip(batch.image.amax((1, 2, 3)).tolist(), batch.target.amax((1, 2)).tolist(), strict=True))
    assert found == [(10, 0), (20, 1)]
    assert batch.weight is None


def batch_of(task, labels, mask, blocking):
    images = np.full((1, 2, 2, 3), 90, np.uint8)
    return make_batch(images, np.array(labels, np.uint8), np.array(mask, bool), task=task, blocking=blocking)


MASK = [[[True, False], [False, False]]]
BINARY = [[[1, 1], [0, 255]]]
MULTILABEL = [[[[1, 1], [1, 0]], [[0, 1], [255, 1]]]]
MULTICLASS = [[[2, 0], [1, 255]]]


def test_make_batch_binary():
    batch = batch_of("binary", BINARY, MASK, Blocking())
    assert batch.target.tolist() == [[[0, 1], [0, 0]]]
    assert batch.weight.tolist() == [[[True, True], [True, False]]]
    assert batch.image.tolist() == [[[[0, 90], [90, 90]]] * 3]
    assert (batch.image.dtype, batch.target.dtype, batch.weight.dtype) == (torch.float32, torch.float32, torch.bool)


def test_make_batch_multilabel():
    batch = batch_of("multilabel", MULTILABEL, MASK, Blocking())
    assert batch.target.tolist() == [[[[0, 1], [0, 0]], [[0, 0], [1, 1]]]]
    assert batch.weight.tolist() == [[[[True, True], [True, False]], [[True, True], [True, True]]]]
    assert batch.target.dtype == torch.float32


def test_make_batch_multiclass_moves_real_ids_up_by_one():
    batch = batch_of("multiclass", MULTICLASS, MASK, Blocking())
    assert batch.target.tolist()[0][0] == [0, 1]
    assert batch.target.tolist()[0][1][0] == 2
    assert batch.weight.tolist() == [[[True, True], [True, False]]]
    assert batch.target.dtype == torch.int64


@pytest.mark.parametrize(
    ("task", "labels", "kept"),
    [("binary", BINARY, 1), ("multilabel", MULTILABEL, [1, 1]), ("multiclass", MULTICLASS, 3)],
)
def test_each_blocking_has_its_own_switch(task, labels, kept):
    """The pixel in the mask is the top left one."""
    in_target = (0, slice(None), 0, 0) if task == "multilabel" else (0, 0, 0)
    for image in (True, False):
        for label in (True, False):
            for in_loss in (True, False):
                batch = batch_of(task, labels, MASK, Blocking(image=image, label=label, in_loss=in_loss))
                assert (batch.image[0, :, 0, 0] == (0 if image else 90)).all()
                assert (batch.image[0, :, 1] == 90).all()
                assert (batch.target[in_target] == (0 if label else torch.tensor(kept))).all()
                assert (batch.weight[in_target] == in_loss).all()
                ignored = (0, 0, 1, 1) if task == "multilabel" else (0, 1, 1)
                assert not batch.weight[ignored]


def test_without_blocking_the_mask_changes_nothing():
    batch = batch_of("multiclass", [[[2, 0], [1, 1]]], MASK, None)
    assert batch.target.tolist() == [[[3, 1], [2, 2]]]
    assert batch.weight is None
    assert (batch.image == 90).all()


def test_images_lie_channels_last_and_are_not_scaled():
    images = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3), dtype=np.uint8)
    images.flags.writeable = False
    tensor = image_tensor(images)
    assert tensor.is_contiguous(memory_format=torch.channels_last)
    assert np.array_equal(tensor.numpy(), images.transpose(0, 3, 1, 2).astype(np.float32))


def test_outputs_of_the_tasks():
    assert [labels_of(task).num_outputs(3) for task in ("binary", "multilabel", "multiclass")] == [1, 3, 4]
