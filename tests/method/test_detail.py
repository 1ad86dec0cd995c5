"""Labels without details, against scipy, a slow loop and by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from incmask.base.config import Settings
from incmask.method.detail import detail_side, without_details
from incmask.method.recipes import RECIPES
from incmask.method.sheets import folded

SIDES = st.sampled_from([1, 3, 5])
MASKS = hnp.arrays(np.uint8, st.tuples(st.just(2), st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 1))


def opened_and_closed(mask, square):
    """Opening, then closing, of a mask that goes on beyond the border as it is best for it."""
    eroded = ndimage.binary_erosion(mask, square, border_value=1)
    dilated = ndimage.binary_dilation(ndimage.binary_dilation(eroded, square), square)
    return ndimage.binary_erosion(dilated, square, border_value=1)


def nowhere(label):
    return np.zeros(label.shape[:3], bool)


@given(label=MASKS, side_px=SIDES)
def test_one_class_is_opened_and_closed_as_in_scipy(label, side_px):
    square = np.ones((side_px, side_px))
    expected = np.stack([opened_and_closed(each, square) for each in label])
    found = without_details(label, nowhere(label), task="binary", side_px=side_px)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, expected)
    layers = without_details(np.stack([label, 1 - label], -1), nowhere(label), task="multilabel", side_px=side_px)
    np.testing.assert_array_equal(layers[..., 0], expected)
    np.testing.assert_array_equal(layers[0, ..., 1], opened_and_closed(1 - label[0], square))


@given(
    label=hnp.arrays(np.uint8, st.tuples(st.just(1), st.integers(3, 8), st.integers(3, 8)), elements=st.integers(0, 2)),
    doubt=st.floats(0, 0.6),
    seed=st.integers(0, 1000),
)
def test_exclusive_classes_against_a_slow_loop(label, doubt, seed):
    """Of squares of 3 pixels; a class may lie in the doubtful pixels as well."""
    label = label.repeat(2, 1)
    unknown = np.random.default_rng(seed).random(label.shape) < doubt
    found = without_details(label, unknown, task="multiclass", side_px=3)
    image, doubtful = label[0], unknown[0]
    around = {
        place: [
            (row, column)
            for row in range(max(0, place[0] - 1), min(image.shape[0], place[0] + 2))
            for column in range(max(0, place[1] - 1), min(image.shape[1], place[1] + 2))
        ]
        for place in np.ndindex(image.shape)
    }

    def fits(place, number):
        return all(doubtful[each] or image[each] == number for each in around[place])

    kept = {
        place for place in around if not doubtful[place] and any(fits(centre, image[place]) for centre in around[place])
    }
    for place, neighbours in around.items():
        near = [image[each] for each in neighbours if each in kept]
        stays = doubtful[place] or place in kept or not near
        assert found[0][place] == (image[place] if stays else min(near)), place


def test_what_is_doubtful_stays_and_might_be_anything():
    label = np.array([[[1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0]] * 3], np.uint8)
    doubtful = np.array([[[0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 1, 0]] * 3], bool)
    # The third class pixel has doubt on one side alone; the first may go on beyond the border, but not inwards.
    expected = [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]
    assert without_details(label, doubtful, task="binary", side_px=3)[0].tolist() == [expected] * 3
    assert without_details(label, doubtful, task="multiclass", side_px=3)[0].tolist() == [expected] * 3
    # What is said of doubtful pixels is nobody's label, and left alone.
    label[0, :, 3] = 1
    assert without_details(label, doubtful, task="binary", side_px=3)[0, 0, 3] == 1


def test_a_label_of_details_alone_stays_where_classes_exclude_each_other():
    checkers = (np.indices((6, 6)).sum(0) % 2).astype(np.uint8)[None]
    assert np.array_equal(without_details(checkers, nowhere(checkers), task="multiclass", side_px=3), checkers)


@pytest.mark.parametrize("task", ["binary", "multilabel", "multiclass"])
@pytest.mark.parametrize("depth", [None, 4])
def test_torch_says_the_same(task, depth):
    rng = np.random.default_rng(3)
    shape = (2, 12, 9, 2) if task == "multilabel" else (2, 12, 9)
    label = rng.integers(0, 3 if task == "multiclass" else 2, shape, dtype=np.uint8).repeat(2, 1)
    doubtful = rng.random(label.shape[:3]) < 0.2
    found = without_details(label, doubtful, task=task, side_px=3, depth=depth)
    arrays = torch.from_numpy(label), torch.from_numpy(doubtful)
    assert np.array_equal(without_details(*arrays, task=task, side_px=3, depth=depth).numpy(), found)
    assert not np.array_equal(found, label)


def test_squares_are_cubes_in_volumes():
    volume = ndimage.gaussian_filter(np.random.default_rng(0).random((6, 9, 10)), 0.8) > 0.5
    sheet = folded(volume.astype(np.uint8))[None]
    found = without_details(sheet, nowhere(sheet), task="binary", side_px=3, depth=6)
    expected = opened_and_closed(volume, np.ones((3, 3, 3)))
    assert np.array_equal(found[0], folded(expected))
    assert expected.any()
    assert not np.array_equal(expected, volume)


@pytest.mark.parametrize(
    ("detail_px", "sides"),
    # Widths .5, .75, 1, 1.25 and 1.5: 9, 6, 4.5, 3.6 and 3, each rounded down to an odd one.
    [(9, [9, 5, 3, 3, 3]), (3, [3, 1, 1, 1, 1]), (1, [1, 0, 0, 0, 0]), (0, [0] * 5)],
)
def test_details_get_finer_as_networks_get_wider(detail_px, sides):
    settings = Settings(detail_px=detail_px)
    found = [detail_side(RECIPES["im+"], settings, generation) for generation in range(1, 6)]
    assert found == sides
    assert [detail_side(RECIPES["im"], settings, generation) for generation in range(1, 6)] == [detail_px] * 5
    assert detail_side(RECIPES["ldt"], settings, 1) == detail_side(RECIPES["im-online"], settings, 1) == 0
