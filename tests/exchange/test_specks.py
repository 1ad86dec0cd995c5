"""Specks merged into what surrounds them: by hand, and against a slow implementation that fills pixel by pixel."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from exchange import SCHEMES
from incmask.exchange.corrections.specks import SpeckMerger, merge_specks
from incmask.exchange.formats.sheets import LabelSheet


def grid(text):
    return np.array([[int(letter) for letter in row] for row in text.split()], np.uint8)


@pytest.mark.parametrize(
    ("given_", "least_px", "merged"),
    [
        ("11111 10001 11111", 4, "11111 11111 11111"),  # a hole of three
        ("11111 10001 11111", 3, "11111 10001 11111"),
        ("00000 01000 00000", 2, "00000 00000 00000"),
        ("10000 01000 00000", 2, "10000 01000 00000"),  # corners hang together
        ("11110 11101 11111", 2, "11111 11111 11111"),  # but not those of holes
        ("11112222 11112222 11132222 11112222", 2, "11112222 11112222 11112222 11112222"),
        ("1112 1112 1112 0002", 4, "1112 1112 1112 1112"),  # less than 4 of 0, nearest to what lies above
        ("10 02", 9, "10 02"),  # nothing is large enough
    ],
)
def test_by_hand(given_, least_px, merged):
    result = merge_specks(grid(given_), hole_px=least_px, least_px=least_px)
    np.testing.assert_array_equal(result, grid(merged))
    assert result.dtype == np.uint8


def regions(ids):
    """Give the pixels of each region, found by walking."""
    left = set(np.ndindex(ids.shape))
    while left:
        region, to_visit = set(), [left.pop()]
        while to_visit:
            row, column = to_visit.pop()
            region.add((row, column))
            steps = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if ids[row, column] or not (y and x)]
            near = {(row + y, column + x) for y, x in steps} & left
            near = {place for place in near if ids[place] == ids[row, column]}
            left -= near
            to_visit += near
        yield region


def is_large(region, ids, hole_px, least_px):
    return len(region) >= (least_px if ids[next(iter(region))] else hole_px)


def nearest_large(ids, hole_px, least_px):
    """Give for each pixel the ids that it may become: its own, or those of the nearest pixels of large regions."""
    places = set().union(*(each for each in regions(ids) if is_large(each, ids, hole_px, least_px)))
    for place in np.ndindex(ids.shape):
        if place in places or not places:
            yield {ids[place]}
            continue
        ways = {other: (place[0] - other[0]) ** 2 + (place[1] - other[1]) ** 2 for other in places}
        yield {ids[other] for other, way in ways.items() if way == min(ways.values())}


MASKS = arrays.arrays(np.uint8, st.tuples(st.integers(1, 7), st.integers(1, 7)), elements=st.integers(0, 2))


@settings(max_examples=60, deadline=None)
@given(ids=MASKS, hole_px=st.integers(1, 6), least_px=st.integers(1, 6))
def test_pixels_become_what_is_nearest_and_no_speck_is_left(ids, hole_px, least_px):
    merged = merge_specks(ids, hole_px=hole_px, least_px=least_px)
    assert len({is_large(each, merged, hole_px, least_px) for each in regions(merged)}) == 1
    may_be = [*nearest_large(ids, hole_px, least_px)]
    if all(len(values) == 1 for values in may_be):
        once = np.array([values.pop() for values in may_be], np.uint8).reshape(ids.shape)
        # What was filled may leave a speck, which is filled in its turn.
        if all(is_large(each, once, hole_px, least_px) for each in regions(once)) or (once == ids).all():
            np.testing.assert_array_equal(merged, once)


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
def test_classes_and_unsure_pixels_are_merged_each_by_themselves(task):
    label = np.zeros((20, 20), np.uint8)
    label[2:18, 2:18] = 1
    label[5, 5] = 0
    unsure = np.zeros((20, 20), bool)
    unsure[2:10, 2:3] = True  # 8, of 16 that an unsure region needs
    unsure[12:18, 4:8] = True
    unsure[14, 5] = False
    label_given = np.stack([label, 1 - label], 2) if task == "multilabel" else label
    merger = SpeckMerger(SCHEMES[task], 4)
    sheet = LabelSheet("a", "a.png", label_given, unsure)
    merged = merger.merge(sheet)
    first, second = (merged.label[..., 0], merged.label[..., 1]) if task == "multilabel" else (merged.label, None)
    expected = np.zeros((20, 20), np.uint8)
    expected[2:18, 2:18] = 1
    np.testing.assert_array_equal(first, expected)
    if second is not None:
        np.testing.assert_array_equal(second, 1 - expected)
    whole = np.zeros((20, 20), bool)
    whole[12:18, 4:8] = True
    np.testing.assert_array_equal(merged.unsure, whole)
    found = merger.merged()
    num_classes = 2 if task == "multilabel" else 1
    # Before: the object, in the second layer the ground and the speck, and two unsure regions.
    assert (found.shapes_before, found.shapes_after) == (num_classes + 2 + (num_classes == 2), num_classes + 1)
    assert found.changed_fraction == (1 + 8 + 1) / 400
    assert sheet.unsure.sum() == 8 + 23  # what was given stays


def test_nothing_is_merged_where_all_stay():
    merger = SpeckMerger(SCHEMES["binary"], 1)
    sheet = LabelSheet("a", "a.png", np.eye(3, dtype=np.uint8), np.eye(3) > 0)
    assert merger.merge(sheet) is sheet
    assert merger.merged() is None
