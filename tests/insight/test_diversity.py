import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.spatial.distance import cdist, pdist

from incmask.insight.ranking import diversity
from incmask.insight.ranking.diversity import LABELLED, distances, greedy_order, nearest_of

POINTS = arrays.arrays(np.float32, st.tuples(st.integers(1, 12), st.just(3)), elements=st.integers(-4, 4))


def likeness_of(features):
    """How much any two are alike by their distance, worked out from all pairs."""
    apart = [distance for distance in pdist(features.astype(float)) if distance > 1e-6]
    scale = np.quantile(apart, 0.05) if apart else 1.0
    return lambda distance: math.exp(-(distance**2) / (2 * scale**2))


def slowly(features, worth, to_labelled):
    """The same order, each turn looked at afresh."""
    alike = likeness_of(features)
    table = cdist(features.astype(float), features.astype(float))
    order, gains, num_alike, margins = [], [], [], [1.0]

    def known(index, chosen):
        return max([alike(to_labelled[index]), *(alike(table[index, other]) for other in chosen)])

    def total(chosen):
        return sum(worth[index] * known(index, chosen) for index in range(len(features)))

    while len(order) < len(features):
        left = [index for index in range(len(features)) if index not in order]
        added = {index: (total([*order, index]) - total(order)) / sum(worth) for index in left}
        best = max(left, key=lambda index: (round(added[index], 9), -index))
        others = [index for index in range(len(features)) if index != best]
        num_alike.append(sum(alike(table[best, index]) > 0.5 and known(index, order) <= 0.5 for index in others))
        margins += [added[best] - gain for index, gain in added.items() if index != best]
        gains.append(added[best])
        order.append(best)
    return order, gains, num_alike, min(margins)


@settings(deadline=None)
@given(POINTS, POINTS, st.data())
def test_the_order_is_that_of_a_slow_loop(features, references, data):
    features = features + np.random.default_rng(0).normal(size=features.shape).astype(np.float32) / 8
    worth = np.array(data.draw(st.lists(st.integers(1, 9), min_size=len(features), max_size=len(features)))) / 10
    to_labelled = nearest_of(features, references).distance
    found = greedy_order(features, worth, to_labelled=to_labelled)
    order, gains, num_alike, margin = slowly(features, worth, to_labelled)
    # Where gains are equal but for rounding, either may come first.
    if margin > 1e-6:
        np.testing.assert_allclose(found.gain, gains, atol=1e-6)
        assert found.order.tolist() == order
        assert found.num_alike.tolist() == num_alike


@given(POINTS, st.integers(0, 15))
def test_an_order_that_is_given_is_judged_in_its_turn(features, most_chosen):
    worth, to_labelled = np.linspace(0.1, 1, len(features)), distances(features, np.zeros(3))
    given = np.random.default_rng(0).permutation(len(features))
    found = greedy_order(features, worth, to_labelled=to_labelled, given=given, most_chosen=most_chosen)
    assert found.order.tolist() == given.tolist()
    alike, known = likeness_of(features), [0.0] * len(features)
    for index in range(len(features)):
        known[index] = alike(to_labelled[index])
    for place, index in enumerate(given[:most_chosen].tolist()):
        now = [max(a, alike(d)) for a, d in zip(known, distances(features, features[index]), strict=True)]
        gain = sum(w * (b - a) for w, a, b in zip(worth, known, now, strict=True)) / worth.sum()
        assert found.gain[place] == pytest.approx(gain, abs=1e-6)
        known = now
    own = greedy_order(features, worth, to_labelled=to_labelled)
    again = greedy_order(features, worth, to_labelled=to_labelled, given=own.order)
    np.testing.assert_allclose(again.gain, own.gain, atol=1e-9)


@given(POINTS, st.integers(0, 15), st.integers(1, 15))
def test_gains_never_rise_wherever_the_choosing_stops(features, most_chosen, most_asked):
    worth = np.linspace(0.1, 1, len(features))
    to_labelled = distances(features, np.zeros(3))
    found = greedy_order(features, worth, to_labelled=to_labelled, most_chosen=most_chosen, most_asked=most_asked)
    assert sorted(found.order.tolist()) == list(range(len(features)))
    assert (np.diff(found.gain) <= 1e-9).all()
    assert ((found.gain >= 0) & (found.gain <= len(features))).all()
    assert ((found.novelty >= 0) & (found.novelty <= 1)).all()


def test_few_are_worked_out_and_the_order_is_the_same(monkeypatch):
    rng = np.random.default_rng(3)
    features = rng.normal(size=(600, 6)).astype(np.float32)
    worth = rng.uniform(0.1, 1, 600)
    to_labelled = distances(features, np.zeros(6))
    lazily = greedy_order(features, worth, to_labelled=to_labelled, most_chosen=100)
    calls = []
    gains = diversity._Likeness.gains
    monkeypatch.setattr(
        diversity._Likeness, "gains", lambda self, rows: (calls.append(len(rows)), gains(self, rows))[1]
    )
    greedy_order(features, worth, to_labelled=to_labelled, most_chosen=100)
    assert sum(calls) < 100 * 600 / 4
    monkeypatch.setattr(diversity, "_AT_ONCE", 600)
    at_once = greedy_order(features, worth, to_labelled=to_labelled, most_chosen=100)
    assert lazily.order[:100].tolist() == at_once.order[:100].tolist()


def test_what_is_like_many_comes_before_what_is_like_nothing():
    rng = np.random.default_rng(0)
    many = rng.normal(scale=0.05, size=(40, 4)) + np.array([0, 0, 0, 3])
    few = rng.normal(scale=0.05, size=(8, 4)) + np.array([0, 3, 0, 0])
    outliers = np.eye(4)[[0, 2]] * 20
    features = np.concatenate([outliers, few, many]).astype(np.float32)
    # Outliers are worth twice as much, each.
    worth = np.r_[1, 1, np.full(48, 0.5)]
    found = greedy_order(features, worth, to_labelled=distances(features, np.zeros(4)))
    groups = np.r_[0, 1, np.full(8, 2), np.full(40, 3)][found.order]
    first = [int(np.flatnonzero(groups == group)[0]) for group in range(4)]
    assert first[3] < first[2] < min(first[0], first[1])
    assert found.num_alike[[first[0], first[1]]].tolist() == [0, 0]
    assert found.num_alike[0] > 5
    # In the end each is known by itself; nothing labelled was like any of them.
    assert found.gain.sum() == pytest.approx(1, abs=1e-6)


def test_copies_come_after_everything_else():
    rng = np.random.default_rng(0)
    different = rng.normal(size=(30, 8)).astype(np.float32)
    # Each six times; and the one that is worth most is much better than all others.
    features = np.repeat(different, 6, 0) + rng.normal(scale=1e-4, size=(180, 8)).astype(np.float32)
    worth = np.repeat(np.r_[1, np.full(29, 0.1)], 6)
    found = greedy_order(features, worth, to_labelled=distances(features, np.zeros(8)))
    assert len(set((found.order[:30] // 6).tolist())) == 30
    assert found.order[0] // 6 == 0
    late = found.novelty[30:]
    assert late.max() < 0.01
    assert (found.order[30:] // 6 == found.nearest[30:] // 6).all()


def test_a_copy_of_a_labelled_image_is_worth_nothing():
    features = np.array([[0, 0], [1, 1], [3, 0]], np.float32)
    near = nearest_of(features, np.array([[5, 5], [1, 1]], np.float32))
    assert near.index.tolist() == [1, 1, 1]
    found = greedy_order(features, np.ones(3), to_labelled=near.distance)
    assert found.order.tolist() == [2, 0, 1]
    assert found.gain[2] == 0
    # Half at the typical distance, of which it is the median.
    assert found.nearest.tolist() == [LABELLED, LABELLED, LABELLED]
    assert found.novelty[1] == 0.5


def test_where_all_are_copies_there_is_still_an_order():
    found = greedy_order(np.zeros((3, 2), np.float32), np.ones(3), to_labelled=np.zeros(3))
    assert found.order.tolist() == [0, 1, 2]
    assert found.gain.tolist() == [0, 0, 0]


def test_nothing_to_order():
    assert greedy_order(np.zeros((0, 2)), np.ones(0), to_labelled=np.zeros(0)).order.tolist() == []


@given(POINTS, POINTS)
def test_the_nearest_is_that_of_all_distances(points, references):
    found = nearest_of(points, references)
    table = cdist(points, references)
    np.testing.assert_allclose(found.distance, table.min(1), atol=1e-5)
    np.testing.assert_allclose(table[np.arange(len(points)), found.index], table.min(1), atol=1e-5)


def test_nothing_is_its_own_nearest():
    points = np.array([[0.0], [1.0], [3.0]])
    found = nearest_of(points, points, leave_self_out=True)
    assert found.index.tolist() == [1, 0, 1]
    assert found.distance.tolist() == [1, 1, 2]
    assert nearest_of(points[:1], points[:1], leave_self_out=True).distance.tolist() == [np.inf]
