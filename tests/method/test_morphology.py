import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from incmask.base.errors import IncmaskError
from incmask.method.morphology import check_side, dilate, erode, nearest_ids

MASKS = hnp.arrays(bool, hnp.array_shapes(min_dims=3, max_dims=3, max_side=9))


@given(mask=MASKS, side_px=st.sampled_from([1, 3, 5, 7]))
def test_masks_change_as_in_scipy_image_by_image(mask, side_px):
    square = np.ones((side_px, side_px))
    for ours, expected in (
        (dilate, [ndimage.binary_dilation(image, square) for image in mask]),
        (erode, [ndimage.binary_erosion(image, square, border_value=1) for image in mask]),
    ):
        changed = ours(mask, side_px=side_px, axes=range(-2, 0))
        np.testing.assert_array_equal(changed, np.stack(expected))
        in_torch = ours(torch.from_numpy(mask), side_px=side_px, axes=range(-2, 0))
        np.testing.assert_array_equal(in_torch.numpy(), changed)


@given(
    label=hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)),
    seed=st.integers(0, 2**16),
    side_px=st.sampled_from([3, 5, 7]),
)
def test_the_nearest_id_equals_the_search_among_all(label, seed, side_px):
    unknown = np.random.default_rng(seed).random(label.shape) < 0.7
    found = nearest_ids(label, unknown, side_px=side_px, axes=range(-2, 0))
    known = np.argwhere(~unknown)
    for place in np.ndindex(label.shape):
        ring = np.abs(known - place).max(axis=1)
        if len(ring) and ring.min() <= side_px // 2:
            assert found[place] == min(label[tuple(each)] for each in known[ring == ring.min()])


@pytest.mark.parametrize("side_px", [-1, 2, 3.0, True])
def test_sides_without_a_centre_are_refused(side_px):
    with pytest.raises(IncmaskError, match="expected 0"):
        check_side(side_px, "erode_px")
