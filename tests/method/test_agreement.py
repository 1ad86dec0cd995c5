import itertools

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from incmask.base.errors import IncmaskError
from incmask.method.agreement import combine, continuous_inconsistency, hard_labels, inconsistency

SIDES = st.sampled_from([0, 1, 3, 5, 7])
SHAPES = hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=7)


def members(task):
    """Stacks of members that mostly agree, so that both agreed and disputed regions appear."""
    most = {"binary": 1, "multilabel": 1, "multiclass": 4}[task]

    @st.composite
    def build(draw):
        n, shape = draw(st.integers(2, 4)), draw(SHAPES)
        if task == "multilabel":
            shape = (draw(st.integers(1, 3)), *shape)
        base = draw(hnp.arrays(np.uint8, shape, elements=st.integers(0, most)))
        stack = np.repeat(base[None], n, axis=0)
        flips = draw(hnp.arrays(bool, (n, *shape), elements=st.booleans(), fill=st.just(False)))
        other = draw(hnp.arrays(np.uint8, (n, *shape), elements=st.integers(0, most)))
        return np.where(flips, other, stack)

    return build()


def neighbours(index, shape, radius):
    """All positions within the square around ``index``, nearest ring first."""
    offsets = itertools.product(range(-radius, radius + 1), repeat=len(shape))
    inside = []
    for offset in offsets:
        place = tuple(i + o for i, o in zip(index, offset, strict=True))
        if all(0 <= p < s for p, s in zip(place, shape, strict=True)):
            inside.append((max((abs(o) for o in offset), default=0), place))
    return sorted(inside)


def slow_morphology(mask, side, *, every):
    """Erode (every) or dilate (any) pixel by pixel."""
    result = np.zeros_like(mask)
    for index in np.ndindex(mask.shape):
        values = [mask[place] for _, place in neighbours(index, mask.shape, side // 2)]
        result[index] = all(values) if every else any(values)
    return result


def slow_inconsistency(labels, task, erode_px, dilate_px):
    """Algorithms 1 and 2 and the fill of freed pixels, one pixel at a time."""
    channels = labels if task == "multilabel" else labels[:, None]
    num_channels, shape = channels.shape[1], channels.shape[2:]
    label = np.zeros((num_channels, *shape), dtype=np.uint8)
    disputed = np.zeros((num_channels, *shape), dtype=bool)
    for place in np.ndindex(label.shape):
        votes = [int(member[place]) for member in channels]
        disputed[place] = len(set(votes)) > 1
        label[place] = 0 if disputed[place] else votes[0]
    inconsistent = disputed.any(axis=0)
    kept = slow_morphology(inconsistent, erode_px, every=True)
    filled = label.copy()
    for index in np.argwhere(inconsistent & ~kept):
        index = tuple(index)
        near = neighbours(index, shape, erode_px // 2)
        for channel in range(num_channels):
            if task == "multiclass":
                rings = [(distance, label[channel][place]) for distance, place in near if not inconsistent[place]]
                filled[channel][index] = min(rings)[1]
            elif disputed[channel][index]:
                filled[channel][index] = any(label[channel][place] == 1 for _, place in near)
    inconsistent = slow_morphology(kept, dilate_px, every=False)
    return (filled if task == "multilabel" else filled[0]), inconsistent


@pytest.mark.parametrize("task", ["binary", "multilabel", "multiclass"])
@given(data=st.data())
def test_inconsistency_equals_the_pixel_loop_and_torch_equals_numpy(task, data):
    labels = data.draw(members(task))
    erode_px, dilate_px = data.draw(SIDES), data.draw(SIDES)
    result = inconsistency(labels, task=task, erode_px=erode_px, dilate_px=dilate_px)
    label, inconsistent = slow_inconsistency(labels, task, erode_px, dilate_px)
    np.testing.assert_array_equal(result.label, label)
    np.testing.assert_array_equal(result.inconsistent, inconsistent)
    assert result.label.dtype == np.uint8
    assert result.inconsistent.dtype == bool

    on_torch = inconsistency(torch.from_numpy(labels), task=task, erode_px=erode_px, dilate_px=dilate_px)
    assert on_torch.label.dtype == torch.uint8
    assert on_torch.inconsistent.dtype == torch.bool
    np.testing.assert_array_equal(on_torch.label.numpy(), label)
    np.testing.assert_array_equal(on_torch.inconsistent.numpy(), inconsistent)


def test_algorithm_1_by_hand():
    labels = np.array([[0, 1, 1, 0], [0, 1, 0, 1], [0, 1, 1, 1]], dtype=np.uint8)
    result = inconsistency(labels, task="binary")
    assert result.label.tolist() == [0, 1, 0, 0]
    assert result.inconsistent.tolist() == [False, False, True, True]


def test_algorithm_2_by_hand():
    labels = np.array([[7, 300, 2, 0], [7, 300, 3, 0]], dtype=np.int32)
    result = inconsistency(labels, task="multiclass")
    assert result.label.tolist() == [7, 300, 0, 0]
    assert result.label.dtype == np.int32
    assert result.inconsistent.tolist() == [False, False, True, False]


def test_multilabel_mask_is_the_union_of_the_channels():
    first = np.array([[1, 1, 0], [0, 1, 0]], dtype=bool)
    second = np.array([[1, 0, 0], [0, 1, 1]], dtype=bool)
    result = inconsistency([first, second], task="multilabel")
    assert result.label.tolist() == [[1, 0, 0], [0, 1, 0]]
    assert result.inconsistent.tolist() == [False, True, True]


def with_dispute(agreed, disputed, task):
    """Two members that hold ``agreed`` and differ just where ``disputed``."""
    agreed, disputed = np.array(agreed, dtype=np.uint8), np.array(disputed, dtype=bool)
    ones = (0, 1) if task != "multiclass" else (8, 9)
    return [np.where(disputed, value, agreed).astype(np.uint8) for value in ones]


def test_freed_pixels_take_the_nearest_class():
    labels = with_dispute([4, 0, 0, 0, 0, 2, 2], [0, 1, 1, 1, 1, 0, 0], "multiclass")
    result = inconsistency(labels, task="multiclass", erode_px=3)
    assert result.label.tolist() == [4, 4, 0, 0, 2, 2, 2]
    assert result.inconsistent.tolist() == [False, False, True, True, False, False, False]
    wide = inconsistency(labels, task="multiclass", erode_px=5)
    assert wide.label.tolist() == [4, 4, 4, 2, 2, 2, 2]
    assert not wide.inconsistent.any()


def test_equally_near_classes_go_to_the_lower_id():
    labels = with_dispute([4, 0, 2], [0, 1, 0], "multiclass")
    assert inconsistency(labels, task="multiclass", erode_px=3).label.tolist() == [4, 2, 2]
    # Nearest goes before lowest: 2 lies at distance 2, 4 at distance 1.
    labels = with_dispute([4, 0, 0, 2], [0, 1, 1, 0], "multiclass")
    assert inconsistency(labels, task="multiclass", erode_px=5).label.tolist() == [4, 4, 2, 2]


def test_id_0_and_the_largest_id_are_classes_like_any_other():
    labels = with_dispute([255, 0, 0, 0], [0, 1, 0, 0], "multiclass")
    assert inconsistency(labels, task="multiclass", erode_px=3).label.tolist() == [255, 0, 0, 0]
    labels = with_dispute([255, 0, 255], [0, 1, 0], "multiclass")
    assert inconsistency(labels, task="multiclass", erode_px=3).label.tolist() == [255, 255, 255]


def test_freed_binary_pixels_take_the_foreground_nearby():
    labels = with_dispute([1, 0, 0, 0, 0, 0], [0, 1, 1, 0, 0, 0], "binary")
    result = inconsistency(labels, task="binary", erode_px=3)
    assert result.label.tolist() == [1, 1, 0, 0, 0, 0]
    assert not result.inconsistent.any()
    assert inconsistency(labels, task="binary", erode_px=5).label.tolist() == [1, 1, 1, 0, 0, 0]


def test_a_channel_that_agrees_keeps_its_label_on_a_freed_pixel():
    first = np.array([[1, 0, 0], [0, 1, 1]], dtype=np.uint8)
    second = np.array([[1, 1, 0], [0, 1, 1]], dtype=np.uint8)
    result = inconsistency([first, second], task="multilabel", erode_px=3)
    assert result.label.tolist() == [[1, 1, 0], [0, 1, 1]]
    # Channel 1 agrees on background beside foreground and is freed only with channel 0.
    first[1], second[1] = [1, 0, 0], [1, 0, 0]
    assert inconsistency([first, second], task="multilabel", erode_px=3).label[1].tolist() == [1, 0, 0]


@pytest.mark.parametrize("erode_px", [0, 3, 5])
@pytest.mark.parametrize("dilate_px", [0, 3, 5])
def test_morphology_equals_opencv(erode_px, dilate_px):
    rng = np.random.default_rng(erode_px * 10 + dilate_px)
    smooth = cv2.GaussianBlur(rng.normal(size=(40, 50)), (0, 0), 3)
    labels = np.stack([smooth > 0, smooth > 0.06])
    expected = (labels[0] != labels[1]).astype(np.uint8)
    if erode_px:
        expected = cv2.erode(expected, np.ones((erode_px, erode_px), np.uint8))
    if dilate_px:
        expected = cv2.dilate(expected, np.ones((dilate_px, dilate_px), np.uint8))
    assert 0 < expected.sum() < expected.size
    result = inconsistency(labels, task="binary", erode_px=erode_px, dilate_px=dilate_px)
    np.testing.assert_array_equal(result.inconsistent, expected.astype(bool))


@pytest.mark.parametrize("task", ["binary", "multilabel", "multiclass"])
def test_a_batch_equals_its_images(task):
    rng = np.random.default_rng(0)
    shape = (2, 3, 5, 9, 8) if task == "multilabel" else (2, 5, 9, 8)
    labels = rng.integers(0, 2, shape).astype(np.uint8)
    labels[1] = np.where(rng.random(shape[1:]) < 0.7, labels[0], labels[1])
    together = inconsistency(labels, task=task, erode_px=3, dilate_px=3, spatial_ndim=2)
    for image in range(5):
        alone = inconsistency(labels[..., image, :, :], task=task, erode_px=3, dilate_px=3)
        np.testing.assert_array_equal(together.label[..., image, :, :], alone.label)
        np.testing.assert_array_equal(together.inconsistent[image], alone.inconsistent)


def test_members_stay_as_they_were():
    labels = with_dispute([4, 0, 0, 2], [0, 1, 1, 0], "multiclass")
    stack = np.stack(labels)
    before = stack.copy()
    result = inconsistency(stack, task="multiclass", erode_px=3, dilate_px=3)
    result.label[:] = 77
    np.testing.assert_array_equal(stack, before)


@pytest.mark.parametrize("dtype", [torch.uint16, torch.uint32, torch.uint64, torch.int8, torch.int64])
def test_every_integer_dtype_of_torch(dtype):
    labels = torch.tensor([[4, 0, 0, 2], [4, 1, 3, 2]]).to(dtype)
    result = inconsistency(labels, task="multiclass", erode_px=3)
    assert result.label.dtype == dtype
    assert result.label.to(torch.int64).tolist() == [4, 4, 2, 2]


GOOD = np.zeros((2, 4, 4), dtype=np.uint8)


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (GOOD[:1], {}, "1 members, expected 2"),
        ([GOOD[0]], {}, "1 members, expected 2"),
        ([], {}, "0 members, expected 2"),
        (np.zeros(4, dtype=np.uint8), {}, "1 axes"),
        (GOOD.astype(np.float32), {}, "float32"),
        (torch.zeros(2, 4, 4), {}, "float32"),
        (GOOD + 255, {}, "hold 255"),
        (GOOD.astype(np.int64) - 1, {}, "hold -1"),
        (GOOD.astype(np.int64) - 1, {"task": "multiclass"}, "hold -1"),
        (GOOD.astype(bool), {"task": "multiclass"}, "integer ids"),
        (np.zeros((2, 4), dtype=np.uint8), {"task": "multilabel"}, "2 axes"),
        (GOOD, {"task": "regression"}, "choose one of binary, multilabel, multiclass"),
        (GOOD, {"erode_px": 4}, "erode_px: .*use 3 or 5"),
        (GOOD, {"dilate_px": 2}, "dilate_px: .*use 1 or 3"),
        (GOOD, {"dilate_px": -3}, "-3, expected 0"),
        (GOOD, {"dilate_px": 3.0}, "3.0, expected 0"),
        (GOOD, {"spatial_ndim": 3}, "allow 1 to 2"),
        (GOOD, {"spatial_ndim": 0}, "allow 1 to 2"),
        ([GOOD[0], GOOD[0, :3]], {}, "different shapes"),
        ([GOOD[0], torch.zeros(4, 4)], {}, "all of one kind"),
        ([[[0, 1]], [[0, 1]]], {}, "all of one kind"),
        ("masks", {}, "all of one kind"),
    ],
)
def test_inconsistency_refuses(labels, options, message):
    with pytest.raises(IncmaskError, match=message):
        inconsistency(labels, **({"task": "binary"} | options))


def probabilities(channels):
    return hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=1, max_dims=2, max_side=4).map(lambda shape: (3, channels, *shape)),
        elements=st.floats(0, 1, width=32),
    )


@pytest.mark.parametrize(("task", "channels"), [("binary", 1), ("multilabel", 3), ("multiclass", 4)])
@given(data=st.data())
def test_votes_equal_the_loop_and_torch_equals_numpy(task, channels, data):
    values = data.draw(probabilities(channels))

    def vote(image):  # (C, *spatial)
        flat = image.reshape(channels, -1)
        if task == "multiclass":
            return np.array([list(column).index(max(column)) for column in flat.T]).reshape(image.shape[1:])
        votes = np.array([[int(value > 0.5) for value in row] for row in flat]).reshape(image.shape)
        return votes[0] if task == "binary" else votes

    hard = hard_labels(values, task=task)
    assert hard.dtype == np.uint8
    np.testing.assert_array_equal(hard, np.stack([vote(image) for image in values]))
    tensor = torch.from_numpy(values)
    np.testing.assert_array_equal(hard, hard_labels(tensor, task=task).numpy())


def test_half_precision_and_many_classes():
    values = torch.zeros(2, 300, 2, dtype=torch.bfloat16)
    values[:, 299] = 1
    result = hard_labels(values, task="multiclass")
    assert result.dtype == torch.int32
    assert result.tolist() == [[299, 299], [299, 299]]


def test_a_gradient_does_not_disturb_the_vote():
    values = torch.full((2, 1, 3), 0.7, requires_grad=True)
    assert hard_labels(values, task="binary").tolist() == [[1, 1, 1]] * 2


@pytest.mark.parametrize(
    ("values", "task", "message"),
    [
        (np.full((2, 1, 3), 4.0), "binary", "outside 0..1"),
        (np.full((2, 1, 3), -1.0), "binary", "outside 0..1"),
        (np.full((2, 1, 3), np.nan), "binary", "outside 0..1"),
        (np.zeros((2, 3, 3)), "binary", "3 channels"),
        (np.zeros((2, 1, 3)), "multiclass", "1 channels"),
        (np.zeros((2, 3)), "multilabel", "2 axes"),
        (np.zeros((2, 1, 3), dtype=np.uint8), "binary", "uint8"),
        (np.zeros((2, 1, 3)), "tracks", "unknown task"),
        (np.zeros((2, 1, 3)), "depth", "continuous_inconsistency"),
    ],
)
def test_votes_refuse(values, task, message):
    with pytest.raises(IncmaskError, match=message):
        hard_labels(values, task=task)


def test_hard_labels_refuse_lists():
    with pytest.raises(IncmaskError, match="NumPy array"):
        hard_labels([[[0.5]]], task="binary")


@pytest.mark.slow
@pytest.mark.parametrize("statistic", ["standard_deviation", "standard_error"])
@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(data=st.data())
def test_continuous_equals_numpy_and_torch_bit_for_bit(statistic, relative, dtype, data):
    values = data.draw(
        hnp.arrays(
            dtype,
            hnp.array_shapes(min_dims=2, max_dims=4, min_side=2, max_side=6),
            elements=st.floats(-100, 100, width=32),
        )
    )
    threshold = data.draw(st.sampled_from([0.0, 0.1, 0.5, 1.0, 2.0, 10.0]))
    options = {"threshold": threshold, "relative": relative, "statistic": statistic, "spatial_ndim": 1}
    result = continuous_inconsistency(values, **options)
    on_torch = continuous_inconsistency(torch.from_numpy(values), **options)
    np.testing.assert_array_equal(result.label, on_torch.label.numpy())
    np.testing.assert_array_equal(result.inconsistent, on_torch.inconsistent.numpy())

    exact = values.astype(np.float64)
    spread = exact.std(axis=0) / (len(exact) ** 0.5 if statistic == "standard_error" else 1)
    limit = threshold * spread.mean(axis=-1, keepdims=True) if relative else threshold
    np.testing.assert_allclose(result.label, exact.mean(axis=0), atol=1e-4)
    clear = np.abs(spread - limit) > 1e-3
    np.testing.assert_array_equal(result.inconsistent[clear], (spread > limit)[clear])
    assert result.label.dtype == dtype


def test_continuous_by_hand():
    values = np.array([[1, 5, 0, 0], [3, 5, 0, 8]])  # standard deviations 1, 0, 0, 4; mean 1.25
    result = continuous_inconsistency(values, threshold=1)
    assert result.label.tolist() == [2, 5, 0, 4]
    assert result.label.dtype == np.float32
    assert result.inconsistent.tolist() == [False, False, False, True]
    assert continuous_inconsistency(values, threshold=0.79, relative=True).inconsistent.tolist() == [
        True,
        *[False] * 2,
        True,
    ]
    assert continuous_inconsistency(values, threshold=2, relative=True).inconsistent.tolist() == [*[False] * 3, True]
    error = continuous_inconsistency(values, threshold=0.8, statistic="standard_error")  # 1 / sqrt(2) < 0.8
    assert error.inconsistent.tolist() == [False, False, False, True]


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        (np.zeros((1, 4)), {}, "1 members"),
        (np.zeros((2, 4), dtype=complex), {}, "complex"),
        (np.zeros((2, 4)), {"threshold": -1}, "threshold is -1"),
        (np.zeros((2, 4)), {"threshold": float("nan")}, "threshold is nan"),
        (np.zeros((2, 4)), {"statistic": "range"}, "unknown statistic"),
        (np.zeros((2, 4)), {"spatial_ndim": 2}, "allow 1 to 1"),
    ],
)
def test_continuous_refuses(values, options, message):
    with pytest.raises(IncmaskError, match=message):
        continuous_inconsistency(values, **({"threshold": 1.0} | options))


@pytest.mark.parametrize("task", ["binary", "multilabel", "multiclass"])
@given(data=st.data(), soft=st.booleans(), side_px=st.sampled_from([0, 3]))
def test_what_members_come_to_is_the_same_of_tensors(task, data, soft, side_px):
    channels = {"binary": 1, "multilabel": 2, "multiclass": 4}[task]
    shape = (data.draw(st.integers(1, 3)), 2, channels, 3, 4)
    says = data.draw(hnp.arrays(np.float32, shape, elements=st.floats(0, 1, width=32)))
    options = {"task": task, "soft": soft, "erode_px": side_px, "dilate_px": side_px}
    arrays, tensors = (combine(each, **options) for each in (says, torch.from_numpy(says)))
    assert (tensors.label.dtype, tensors.inconsistent.dtype) == (torch.uint8, torch.bool)
    assert np.array_equal(arrays.label, tensors.label.numpy())
    assert np.array_equal(arrays.inconsistent, tensors.inconsistent.numpy())
