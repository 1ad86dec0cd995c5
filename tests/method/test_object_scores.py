"""Counts, panoptic quality and AP50: by hand, and against sets of pixels compared pair by pair."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from incmask.method.object_scores import ObjectMatch, match_objects, object_details, object_scores


def test_by_hand():
    true = np.array([[1, 1, 1, 1, 0, 2, 2, 0], [1, 1, 1, 1, 0, 2, 2, 0], [0, 0, 0, 0, 0, 0, 0, 9]])
    found = np.array([[3, 3, 3, 0, 0, 4, 4, 0], [3, 3, 3, 0, 7, 5, 5, 0], [0, 0, 0, 0, 0, 0, 0, 0]])
    match = match_objects(found, true)
    # 3 has 6 of 8 pixels; 4 and 5 have half of 2 each, which is no more than half; 7 and 9 are alone.
    assert match == ObjectMatch(num_true=3, num_found=4, num_pairs=1, iou_sum=0.75)
    scores = object_scores([match, ObjectMatch(4, 2, 2, 1.55)])
    assert (scores.num_images, scores.num_true, scores.num_found) == (2, 7, 6)
    assert scores.absolute_error == 1.5
    assert scores.relative_error == pytest.approx(3 / 7)
    assert scores.pq == pytest.approx(2.3 / 6.5)  # three pairs, three missed by half each, four true ones missed so
    assert scores.ap50 == pytest.approx(3 / (3 + 3 + 4))


def test_nothing_there_is_no_score():
    match = match_objects(np.zeros((3, 3), int), np.zeros((3, 3), np.uint16))
    assert match == ObjectMatch(0, 0, 0, 0.0)
    scores = object_scores([match])
    assert scores.absolute_error == 0
    assert all(math.isnan(value) for value in (scores.relative_error, scores.pq, scores.ap50))


def test_objects_that_were_only_counted_have_errors_alone():
    scores = object_scores([ObjectMatch(2, 3), ObjectMatch(2, 2, 2, 1.5)])
    assert (scores.absolute_error, scores.relative_error) == (0.5, 0.25)
    assert math.isnan(scores.pq)
    assert math.isnan(scores.ap50)


def test_tables_get_the_scores_that_can_be_told():
    matches = [ObjectMatch(4, 5, 4, 3.0), ObjectMatch(6, 4, 3, 2.4)]
    assert object_details(matches) == pytest.approx({"count_error": 0.3, "pq": 5.4 / 9.5, "ap50": 7 / 12})
    assert object_details([ObjectMatch(0, 2, 0, 0.0)]) == {"pq": 0.0, "ap50": 0.0}


def slow_scores(images):
    """Compare the pixels of each true object with those of each found one."""
    pairs, num_true, num_found, off = [], 0, 0, 0
    for found, true in images:
        ours, theirs = (
            [set(map(tuple, np.argwhere(ids == number))) for number in set(ids.ravel().tolist()) - {0}]
            for ids in (found, true)
        )
        shares = [len(a & b) / len(a | b) for a in ours for b in theirs]
        pairs += [share for share in shares if share > 0.5]
        num_true, num_found, off = num_true + len(theirs), num_found + len(ours), off + abs(len(ours) - len(theirs))
    missed, wrong = num_true - len(pairs), num_found - len(pairs)
    quality = sum(pairs) / (len(pairs) + missed / 2 + wrong / 2)
    return off / len(images), off / num_true, quality, len(pairs) / (len(pairs) + missed + wrong)


@given(seed=st.integers(0, 2**32 - 1), num=st.integers(1, 4))
def test_scores_are_those_of_sets_of_pixels(seed, num):
    generator = np.random.default_rng(seed)
    images = []
    for _ in range(num):
        true = np.kron(generator.integers(0, 5, (3, 4)), np.ones((3, 3), int))
        true[0, 0] = 1
        found = np.where(generator.random(true.shape) < 0.2, generator.integers(0, 6, true.shape), (true * 3) % 7)
        images.append((found, true))
    scores = object_scores(match_objects(found, true) for found, true in images)
    got = (scores.absolute_error, scores.relative_error, scores.pq, scores.ap50)
    assert got == pytest.approx(slow_scores(images))
