import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from test_diversity import POINTS

from incmask.base.errors import IncmaskError
from incmask.base.pool import HerePool
from incmask.experiment.record.run import open_run
from incmask.insight.ranking.diversity import nearest_of
from incmask.insight.ranking.entropy import image_entropies
from incmask.insight.ranking.orders import ORDERS, core_set_order, diverse_order, order_of, typical_order
from incmask.insight.ranking.rank import rank_run


@given(POINTS, POINTS)
def test_core_set_takes_the_farthest_of_all_distances(features, references):
    features = features + np.random.default_rng(0).normal(size=features.shape).astype(np.float32) / 8
    known, wanted = references, []
    while len(wanted) < len(features):
        apart = cdist(features, known).min(1)
        apart[wanted] = -1
        wanted.append(int(apart.argmax()))
        known = np.concatenate([known, features[wanted[-1:]]])
    assert core_set_order(features, nearest_of(features, references).distance).tolist() == wanted


@settings(deadline=None)
@given(POINTS, POINTS, st.integers(0, 14), st.integers(1, 14))
def test_each_order_names_all_once(features, references, most_chosen, most_asked):
    entropies = np.linspace(0, 1, len(features))
    for name in ORDERS:
        order = order_of(name, features, references, entropies=entropies, seed=[1, 2])
        assert (order is None) == (name == "ranked")
        if order is not None:
            assert sorted(order.tolist()) == list(range(len(features)))
    found = typical_order(features, references, most_chosen=most_chosen, most_asked=most_asked)
    assert sorted(found.tolist()) == list(range(len(features)))
    to_labelled = nearest_of(features, references).distance
    assert sorted(core_set_order(features, to_labelled, most_chosen=most_chosen)) == list(range(len(features)))


def blobs():
    """Give a large, a middle and a small cluster far from each other, the middle of each first, and outliers."""
    rng = np.random.default_rng(0)
    parts = []
    for place, num in enumerate((60, 30, 12)):
        middle = np.eye(4)[place] * 50
        offsets = rng.normal(size=(num, 4))
        offsets[0] = 0
        parts.append(middle + offsets)
    return np.concatenate(parts).astype(np.float32), np.repeat([0, 1, 2], (60, 30, 12))


def test_typical_takes_the_middles_of_what_has_no_label(monkeypatch):
    features, cluster = blobs()
    monkeypatch.setattr("incmask.insight.ranking.orders._BATCH", 2)
    # The large one is labelled at its edge.
    references = features[[59]] + 0.1
    order = typical_order(features, references, most_chosen=2)
    assert cluster[order[:2]].tolist() == [1, 2]
    # In the middle: no member of the cluster is nearer to its neighbours.
    for index in order[:2].tolist():
        members = np.flatnonzero(cluster == cluster[index])
        spread = np.sort(cdist(features[members], features[members]), axis=1)[:, 1:21].mean(1)
        assert index == members[spread.argmin()]


def test_diverse_goes_to_the_many_and_core_set_to_the_far():
    features, cluster = blobs()
    features = np.concatenate([features, [[0, 0, 0, 500]]]).astype(np.float32)
    to_labelled = nearest_of(features, np.zeros((1, 4), np.float32)).distance
    assert core_set_order(features, to_labelled)[0] == len(cluster)
    assert cluster[diverse_order(features, to_labelled)[0]] == 0


def test_random_is_another_order_with_another_seed():
    features = np.zeros((30, 2), np.float32)
    first, again, other = (
        order_of("random", features, features, entropies=None, seed=[seed, 4000, 7]).tolist() for seed in (1, 1, 2)
    )
    assert first == again != other


@pytest.mark.slow
def test_a_run_is_ranked_in_each_order(finished_run):
    run = finished_run("binary")
    found = {name: rank_run(run, open_pool=HerePool, order=name) for name in ORDERS}
    facts = {name: {(row.name, row.disputed_of_foreground) for row in each.rows} for name, each in found.items()}
    assert all(each == facts["ranked"] for each in facts.values())
    assert [each.order for each in found.values()] == list(ORDERS)
    images = open_run(run).images("unlabelled")
    entropies = image_entropies(open_run(run), images, pool=HerePool(1))
    wanted = [images[index].name for index in np.argsort(-entropies)]
    assert [row.name for row in found["entropy"].rows] == wanted
    with pytest.raises(IncmaskError, match="unknown name 'best'"):
        rank_run(run, open_pool=HerePool, order="best")
    with pytest.raises(IncmaskError, match='order="entropy": is of whole images'):
        rank_run(run, open_pool=HerePool, order="entropy", crop_px=16)
