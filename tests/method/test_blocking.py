import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from incmask.base.config import Settings
from incmask.base.errors import IncmaskError
from incmask.method.agreement import inconsistency
from incmask.method.blocking import admitted, block_image, block_label, blocking_of, filled, least_disputed
from incmask.method.recipe import Blocking
from incmask.method.recipes import RECIPES


@given(
    data=st.data(),
    shape=hnp.array_shapes(min_dims=2, max_dims=4, max_side=5),
    dtype=st.sampled_from([np.uint8, np.int32, np.float32, bool]),
    channels=st.integers(1, 4),
)
def test_blocking_zeroes_the_mask_and_nothing_else(data, shape, dtype, channels):
    inconsistent = data.draw(hnp.arrays(bool, shape))
    image = data.draw(hnp.arrays(dtype, (*shape, channels), elements=hnp.from_dtype(np.dtype(dtype), allow_nan=False)))
    before = image.copy()
    for blocked in (block_image(image, inconsistent), block_label(image, inconsistent, task="multilabel")):
        assert blocked.dtype == image.dtype
        for index in np.ndindex(shape):
            assert blocked[index].tolist() == ([0] * channels if inconsistent[index] else image[index].tolist())
    label = image[..., 0]
    blocked = block_label(label, inconsistent, task="multiclass")
    assert blocked.tolist() == np.where(inconsistent, 0, label).tolist()
    np.testing.assert_array_equal(image, before)


def test_blocking_removes_what_is_no_number():
    image = np.full((1, 2, 3), np.nan, dtype=np.float32)
    blocked = block_image(image, np.array([[True, False]]))
    assert blocked[0, 0].tolist() == [0, 0, 0]
    assert np.isnan(blocked[0, 1]).all()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("recipe", Blocking(True, True, True)),
        ("zero", Blocking(True, True, True)),
        ("zero_ignore", Blocking(True, True, False)),
        ("ignore", Blocking(False, False, False)),
        ("labelled", Blocking(True, True, False, "labelled")),
        ("certain", Blocking(True, True, False, "certain")),
    ],
)
def test_the_setting_says_what_becomes_of_disputed_pixels_where_the_recipe_blocks_them(value, expected):
    settings = Settings(blocking=value)
    assert blocking_of(RECIPES["im"], settings) == expected
    assert {blocking_of(RECIPES[name], settings) for name in ("ldt", "me", "ns", "evalnet")} == {None}


def test_a_recipes_own_blocking_stays_unless_the_setting_says_otherwise():
    own = replace(RECIPES["im"], blocking=Blocking(image=False))
    assert blocking_of(own, Settings()) == Blocking(image=False)
    assert blocking_of(own, Settings(blocking="zero")) == Blocking()


@given(data=st.data(), shape=hnp.array_shapes(min_dims=2, max_dims=3, max_side=5), num_classes=st.integers(0, 3))
def test_filling_takes_the_other_pair_where_the_first_is_inconsistent(data, shape, num_classes):
    """Pixel by pixel; without classes the labels have no layers."""
    label_shape = (*shape, num_classes) if num_classes else shape
    pair, other = (
        (
            data.draw(hnp.arrays(np.uint8, (*shape, 2))),
            data.draw(hnp.arrays(np.uint8, label_shape)),
            data.draw(hnp.arrays(bool, shape)),
        )
        for _ in range(2)
    )
    before = [each.copy() for each in (*pair, *other)]
    image, label, mask = filled(pair, other, task="multilabel" if num_classes else "multiclass")
    assert (image.dtype, label.dtype, mask.dtype) == (np.uint8, np.uint8, bool)
    for pixel in np.ndindex(shape):
        whose = other if pair[2][pixel] else pair
        assert image[pixel].tolist() == whose[0][pixel].tolist()
        assert label[pixel].tolist() == whose[1][pixel].tolist()
        assert mask[pixel] == (pair[2][pixel] and other[2][pixel])
    for now, then in zip((*pair, *other), before, strict=True):
        np.testing.assert_array_equal(now, then)


@given(shares=hnp.arrays(float, st.integers(1, 30), elements=st.floats(0, 1)))
def test_the_least_disputed_images_are_a_quarter_and_none_is_more_disputed_than_another(shares):
    chosen = least_disputed(shares)
    assert len(set(chosen.tolist())) == len(chosen) == math.ceil(len(shares) / 4)
    others = np.delete(shares, chosen)
    assert not others.size or shares[chosen].max() <= others.min()


def test_of_no_images_none_is_the_least_disputed():
    assert least_disputed(np.zeros(0)).tolist() == []


def pairs():
    """Five 2×3 pairs: 3 foreground against 2, 2 against 2, nothing at all, only a mask, foreground alone."""
    label = np.zeros((5, 2, 3), dtype=np.uint8)
    inconsistent = np.zeros((5, 2, 3), dtype=bool)
    label[0, 0], inconsistent[0, 1, :2] = 1, True
    label[1, 0, :2], inconsistent[1, 1, :2] = 1, True
    inconsistent[3, 1, 1] = True
    label[4, 0, 0] = 1
    return label, inconsistent


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("label_exceeds_mask", [True, False, False, False, True]),
        ("confident_empty_too", [True, False, True, False, True]),
        ("all", [True] * 5),
    ],
)
def test_binary_admission(rule, expected):
    label, inconsistent = pairs()
    assert admitted(label, inconsistent, task="binary", rule=rule).tolist() == expected
    for index in range(5):
        alone = admitted(label[index], inconsistent[index], task="binary", rule=rule)
        assert alone.shape == ()
        assert bool(alone) == expected[index]


@pytest.mark.parametrize("task", ["binary", "multilabel", "multiclass"])
def test_a_rule_for_all_tasks_counts_pixels_of_any_class_but_the_ground(task):
    """The same pairs, whose foreground is of class 1 and 2 in turn; a pixel of two classes is one pixel."""
    label, inconsistent = pairs()
    if task == "multiclass":
        label[:, :, 1] *= 2
    if task == "multilabel":
        first, second = label.copy(), label.copy()
        first[:, :, 1], second[:, :, 0] = 0, 0
        label = np.stack([first, second, second], -1)
    assert admitted(label, inconsistent, task=task, rule="confident_all_tasks").tolist() == [
        True,
        False,
        True,
        False,
        True,
    ]


def test_foreground_under_the_mask_does_not_count():
    label = np.ones((1, 2, 3), dtype=np.uint8)
    inconsistent = np.array([[[True, True, True], [False, False, False]]])
    assert admitted(label, inconsistent, task="binary", rule="label_exceeds_mask").tolist() == [False]
    blocked = block_label(label, inconsistent, task="binary")
    assert admitted(blocked, inconsistent, task="binary", rule="label_exceeds_mask").tolist() == [False]


def test_discs_of_two_members_are_admitted_by_what_they_agree_on():
    """Radii of 12 and 14 on 64×64: 441 agreed, 172 disputed pixels."""
    y, x = np.ogrid[-32:32, -32:32]
    small, large = (y**2 + x**2 <= radius**2 for radius in (12, 14))
    found = inconsistency(np.stack([small, large]), task="binary")
    assert (np.count_nonzero(found.label), np.count_nonzero(found.inconsistent)) == (441, 172)
    assert admitted(found.label, found.inconsistent, task="binary", rule="label_exceeds_mask")
    changed = inconsistency(np.stack([small, large]), task="binary", dilate_px=3)
    assert not admitted(changed.label, changed.inconsistent, task="binary", rule="label_exceeds_mask")


def test_other_tasks_admit_all():
    _, inconsistent = pairs()
    ids = np.zeros((5, 2, 3), dtype=np.uint8)
    assert admitted(ids, inconsistent, task="multiclass", rule="label_exceeds_mask").tolist() == [True] * 5
    channels = np.zeros((5, 2, 3, 4), dtype=np.uint8)
    assert admitted(channels, inconsistent, task="multilabel", rule="label_exceeds_mask").tolist() == [True] * 5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: block_image(np.zeros((2, 3, 1)), np.zeros((2, 3), np.uint8)), "uint8, expected bool"),
        (lambda: block_image(np.zeros((2, 3)), np.zeros((2, 3), bool)), "the mask is"),
        (lambda: block_label(np.zeros((3, 3)), np.zeros((2, 3), bool), task="binary"), "the mask is"),
        (lambda: block_label(np.zeros((2, 3)), np.zeros((2, 3), bool), task="multilabel"), "the mask is"),
        (lambda: block_label(np.zeros((2, 3)), np.zeros((2, 3), bool), task="tracks"), "unknown task"),
        (lambda: admitted(np.zeros((2, 3)), np.zeros((2, 3), bool), task="binary", rule="some"), "unknown rule"),
        (
            lambda: admitted(np.full((2, 3), 255), np.zeros((2, 3), bool), task="binary", rule="label_exceeds_mask"),
            "255",
        ),
    ],
)
def test_blocking_refuses(call, message):
    with pytest.raises(IncmaskError, match=message):
        call()
