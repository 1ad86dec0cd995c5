import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from incmask.data.images.tiles import (
    Window,
    blend_weight,
    cut,
    enlarge_rows,
    scale_image,
    scale_label,
    shrink_rows,
    windows,
)

SIZES = st.tuples(st.integers(1, 70), st.integers(1, 70))
TILES = st.tuples(st.integers(1, 30), st.integers(1, 30))
FRACTIONS = st.floats(0, 0.95)


def fewest(length, side, overlap_px):
    """Count tiles by laying them from the left, each as far as it may go."""
    num, reached = 1, side
    while reached < length:
        num, reached = num + 1, reached + side - overlap_px
    return num


@given(size=SIZES, tile=TILES, fraction=FRACTIONS)
def test_windows_cover_the_image_from_within_with_the_fewest_tiles(size, tile, fraction):
    found = windows(size, tile, overlap_fraction=fraction)
    covered = np.zeros(size, int)
    for window in found:
        assert (window.height, window.width) == tile
        assert 0 <= window.top <= max(0, size[0] - tile[0])
        assert 0 <= window.left <= max(0, size[1] - tile[1])
        covered[window.top : window.top + window.height, window.left : window.left + window.width] += 1
    assert covered.min() > 0
    for axis, starts in enumerate(({window.top for window in found}, {window.left for window in found})):
        overlap_px = math.floor(tile[axis] * fraction)
        assert len(starts) == fewest(size[axis], tile[axis], overlap_px)
        steps = np.diff(sorted(starts))
        assert (steps <= tile[axis] - overlap_px).all()
        # Spread evenly: no two gaps differ by more than the rounding.
        assert len(steps) == 0 or steps.max() - steps.min() <= 1
    assert len(found) == len(set(found))


def test_windows_by_hand():
    assert windows((10, 4), (4, 4)) == [Window(0, 0, 4, 4), Window(3, 0, 4, 4), Window(6, 0, 4, 4)]
    assert windows((4, 7), (4, 4), overlap_fraction=0.25) == [Window(0, 0, 4, 4), Window(0, 3, 4, 4)]
    assert windows((4, 8), (4, 4), overlap_fraction=0.25) == [Window(0, left, 4, 4) for left in (0, 2, 4)]
    assert windows((3, 2), (4, 4)) == [Window(0, 0, 4, 4)]


@given(size=SIZES, tile=TILES, channels=st.sampled_from([None, 1, 3, 5]))
def test_a_tile_is_the_image_and_beyond_it_its_mirror(size, tile, channels):
    shape = size if channels is None else (*size, channels)
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    for window in windows(size, tile):
        mirrored, filled = cut(image, window), cut(image, window, fill=255)
        assert mirrored.shape == filled.shape == (*tile, *shape[2:])
        for row, column in np.ndindex(tile):
            y, x = window.top + row, window.left + column
            inside = y < size[0] and x < size[1]
            # A mirror at every edge repeats with twice the length.
            y, x = (min(at % (2 * side), 2 * side - 1 - at % (2 * side)) for at, side in zip((y, x), size, strict=True))
            assert np.array_equal(mirrored[row, column], image[y, x])
            assert np.array_equal(filled[row, column], image[y, x]) if inside else (filled[row, column] == 255).all()


@given(size=st.tuples(st.integers(1, 9), st.integers(1, 9)), factors=st.tuples(st.integers(1, 7), st.integers(1, 7)))
def test_labels_scale_exactly_by_whole_factors(size, factors):
    """Up, each pixel becomes a block; down, each block becomes the pixel in its middle; so back is back."""
    for shape in (size, (*size, 1), (*size, 3)):
        label = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
        large = label.repeat(factors[0], 0).repeat(factors[1], 1)
        assert np.array_equal(scale_label(label, large.shape[:2]), large)
        assert np.array_equal(scale_label(large, size), label)
    fine = np.random.default_rng(2).integers(0, 256, (size[0] * factors[0], size[1] * factors[1]), dtype=np.uint8)
    middle = fine[factors[0] // 2 :: factors[0], factors[1] // 2 :: factors[1]]
    assert np.array_equal(scale_label(fine, size), middle)


@given(size=SIZES, target=SIZES)
def test_scaled_labels_hold_no_value_of_their_own_making(size, target):
    label = np.random.default_rng(3).choice(np.array([0, 7, 255], np.uint8), (*size, 2))
    scaled = scale_label(label, target)
    assert scaled.shape == (*target, 2)
    for channel in range(2):
        assert set(np.unique(scaled[..., channel])) <= set(np.unique(label[..., channel]))


@pytest.mark.parametrize("channels", [1, 2, 3, 7])
def test_shrinking_by_a_whole_factor_takes_means(channels):
    image = np.random.default_rng(4).integers(0, 256, (12, 8, channels)).astype(np.float32)
    expected = image.reshape(4, 3, 2, 4, channels).mean((1, 3))
    np.testing.assert_allclose(scale_image(image, (4, 2)), expected, rtol=1e-5)
    rounded = scale_image(image.astype(np.uint8), (4, 2))
    assert rounded.dtype == np.uint8
    assert np.abs(rounded - expected).max() <= 0.5 + 1e-4


@pytest.mark.parametrize("size", [(5, 9), (24, 5), (5, 24), (16, 16)])
def test_a_constant_image_stays_constant_and_the_same_size_stays_as_it_is(size):
    image = np.full((12, 8, 3), 131, np.uint8)
    assert scale_image(image, size).shape == (*size, 3)
    assert (scale_image(image, size) == 131).all()
    noise = np.random.default_rng(5).integers(0, 256, (12, 8, 3), dtype=np.uint8)
    assert np.array_equal(scale_image(noise, (12, 8)), noise)


def test_growing_is_linear_between_the_centres_of_pixels():
    image = np.array([[0, 100]], np.float32)[..., None]
    assert scale_image(image, (1, 4))[0, :, 0].tolist() == [0, 25, 75, 100]


def test_a_tile_s_weight_is_least_at_its_rim():
    assert blend_weight((3, 4)).tolist() == [[1, 1, 1, 1], [1, 2, 2, 1], [1, 1, 1, 1]]
    assert blend_weight((1, 1)).tolist() == [[1]]


@given(size=SIZES, new=SIZES, rows=st.integers(1, 20), channels=st.sampled_from([1, 3]))
def test_rows_shrink_as_the_whole_image_does(size, new, rows, channels):
    new = (min(new[0], size[0]), min(new[1], size[1]))
    image = np.random.default_rng(0).integers(0, 256, (*size, channels), dtype=np.uint8)
    parts = [
        shrink_rows(image[first : first + rows], new, first=first, num_rows=size[0])
        for first in range(0, size[0], rows)
    ]
    np.testing.assert_allclose(np.sum(parts, 0), scale_image(image.astype(np.float32), new), atol=0.01)


@given(size=SIZES, new=SIZES, rows=st.integers(1, 20))
def test_rows_enlarge_as_the_whole_does(size, new, rows):
    planes = np.random.default_rng(0).random((2, 3, *size), np.float32)
    parts = [enlarge_rows(planes, new, first=first, last=min(first + rows, new[0])) for first in range(0, new[0], rows)]
    whole = [cv2.resize(plane, new[::-1], interpolation=cv2.INTER_LINEAR) for plane in planes.reshape(-1, *size)]
    np.testing.assert_allclose(np.concatenate(parts, -2).reshape(6, *new), whole, atol=1e-4)
