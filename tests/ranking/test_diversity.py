import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.spatial.distance import cdist

from incmask.ranking.diversity import LABELLED, distances, greedy_order, nearest_of

POINTS = arrays.arrays(np.float32, st.tuples(st.integers(1, 12), st.just(3)), elements=st.integers(-4, 4))


def slowly(features, worth, to_labelled):
    """The same order, each turn looked at afresh."""
    typical = max(np.median(to_labelled), 1e-12)
    order, gains = [], []
    while len(order) < len(features):
        best, best_gain = None, -1.0
        for index in range(len(features)):
            if index in order:
                continue
            known = [to_labelled[index], *(np.linalg.norm(features[index] - features[other]) for other in order)]
            gain = worth[index] * min(known) / (min(known) + typical)
            if gain > best_gain + 1e-12:
                best, best_gain = index, gain
        order.append(best)
        gains.append(best_gain)
    return order, gains


@given(POINTS, POINTS, st.data())
def test_the_order_is_that_of_a_slow_loop(features, references, data):
    features = features + np.random.default_rng(0).normal(size=features.shape).astype(np.float32) / 8
    worth = np.array(data.draw(st.lists(st.integers(1, 9), min_size=len(features), max_size=len(features)))) / 10
    to_labelled = nearest_of(features, references).distance
    found = greedy_order(features, worth, to_labelled=to_labelled)
    order, gains = slowly(features, worth, to_labelled)
    np.testing.assert_allclose(found.gain, gains, rtol=1e-5)
    assert found.order.tolist() == order


@given(POINTS, st.integers(0, 15))
def test_gains_never_rise_wherever_the_choosing_stops(features, most_chosen):
    worth = np.linspace(0.1, 1, len(features))
    to_labelled = distances(features, np.zeros(3))
    found = greedy_order(features, worth, to_labelled=to_labelled, most_chosen=most_chosen)
    assert sorted(found.order.tolist()) == list(range(len(features)))
    assert (np.diff(found.gain) <= 1e-12).all()
    assert ((found.novelty >= 0) & (found.novelty <= 1)).all()


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
