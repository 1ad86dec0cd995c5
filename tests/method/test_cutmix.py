"""Rectangles that are put into other images, against pixels that are put there one by one."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from incmask.method.cutmix import cut_mix, draw_cuts

NUMS, SIDES = st.integers(1, 5), st.integers(1, 24)


@given(num=NUMS, height=SIDES, width=SIDES, share=st.floats(0, 1), seed=st.integers(0, 1000))
def test_a_rectangle_has_a_tenth_to_a_half_of_the_pixels_and_the_image_s_shape(num, height, width, share, seed):
    cuts = draw_cuts(num, (height, width), share=share, generator=np.random.default_rng(seed))
    assert cuts.source.tolist() == [num - 1, *range(num - 1)]
    for inside in cuts.inside:
        if not inside.any():
            continue
        rows, columns = (np.flatnonzero(inside.any(axis)) for axis in (1, 0))
        # Whole: nothing is missing between its first and last row and column.
        assert inside.sum() == len(rows) * len(columns)
        assert np.ptp(rows) + 1 == len(rows)
        assert np.ptp(columns) + 1 == len(columns)
        # Sides are rounded down, to a pixel at least.
        for found, side in ((len(rows), height), (len(columns), width)):
            assert max(1, int(side * 0.1**0.5)) <= found <= max(1, side * 0.5**0.5)
        factors = [(found / side, (found + 1) / side) for found, side in ((len(rows), height), (len(columns), width))]
        if min(len(rows), len(columns)) > 1:
            assert max(low for low, _ in factors) < min(high for _, high in factors)


def test_as_many_images_as_the_share_says_get_one_anywhere():
    generator = np.random.default_rng(0)
    cuts = draw_cuts(2000, (8, 12), share=0.3, generator=generator)
    assert cuts.inside.any((1, 2)).mean() == pytest.approx(0.3, abs=0.03)
    # Each pixel is inside at times, also those of the corners.
    assert cuts.inside.any(0).all()
    assert not draw_cuts(50, (8, 12), share=0, generator=generator).inside.any()
    assert draw_cuts(50, (8, 12), share=1, generator=generator).inside.any((1, 2)).all()


@given(num=NUMS, height=SIDES, width=SIDES, channels=st.sampled_from([None, 1, 3]), seed=st.integers(0, 1000))
def test_pixels_inside_are_those_of_the_image_before(num, height, width, channels, seed):
    generator = np.random.default_rng(seed)
    cuts = draw_cuts(num, (height, width), share=0.7, generator=generator)
    stack = generator.integers(0, 256, (num, height, width, *([] if channels is None else [channels])), dtype=np.uint8)
    before, mixed = stack.copy(), cut_mix(stack, cuts)
    assert np.array_equal(stack, before)
    assert (mixed.dtype, mixed.shape) == (stack.dtype, stack.shape)
    for image, row, column in np.ndindex(num, height, width):
        source = (image - 1) % num if cuts.inside[image, row, column] else image
        assert np.array_equal(mixed[image, row, column], stack[source, row, column])
    assert np.array_equal(cut_mix(torch.from_numpy(stack), cuts).numpy(), mixed)


def test_one_image_alone_stays_as_it_is():
    stack = np.arange(24, dtype=np.uint8).reshape(1, 4, 6)
    cuts = draw_cuts(1, (4, 6), share=1, generator=np.random.default_rng(0))
    assert np.array_equal(cut_mix(stack, cuts), stack)
