"""What labels of each task are: hand-worked values, and NumPy as torch."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from incmask.base.errors import IncmaskError
from incmask.method.labels import labels_of

BINARY, MULTILABEL, MULTICLASS = (labels_of(task) for task in ("binary", "multilabel", "multiclass"))
CHANNELS = {BINARY: 1, MULTILABEL: 2, MULTICLASS: 3}
KINDS = pytest.mark.parametrize("kind", CHANNELS, ids=lambda kind: kind.task)
PIXEL = np.array([0.7, 0.2, 0.1], np.float32)[:, None, None]
"""A pixel: likely masked, or else class 0."""


def test_what_a_pixel_is_by_hand():
    assert BINARY.votes(PIXEL[:1]).tolist() == BINARY.decode(PIXEL[:1]).tolist() == [[1]]
    assert MULTILABEL.votes(PIXEL[:2]).tolist() == MULTILABEL.decode(PIXEL[:2]).tolist() == [[[1, 0]]]
    # Masked is a vote, but never an answer.
    assert MULTICLASS.votes(PIXEL).tolist() == [[0]]
    assert MULTICLASS.decode(PIXEL).tolist() == [[0]]
    assert MULTICLASS.decode(PIXEL[[0, 2, 1]]).tolist() == [[1]]
    assert [kind.of_classes(PIXEL).shape[0] for kind in CHANNELS] == [3, 3, 2]
    assert MULTICLASS.of_classes(PIXEL[None], axis=1).shape == (1, 2, 1, 1)


def test_ids_that_networks_learn_keep_0_for_masked():
    ids = np.array([[0, 4]], np.uint8)
    assert MULTICLASS.with_masked(ids).tolist() == [[1, 5]]
    assert MULTICLASS.without_masked(np.array([[0, 1, 5]], np.uint8)).tolist() == [[0, 0, 4]]
    for kind in (BINARY, MULTILABEL):
        assert kind.with_masked(ids) is kind.without_masked(ids) is ids


def test_shapes():
    assert [kind.shape((5, 6), 3) for kind in CHANNELS] == [(5, 6), (5, 6, 3), (5, 6)]
    assert [kind.pixels((2, 5, 6)) for kind in CHANNELS] == [(2, 5, 6), (2, 5), (2, 5, 6)]
    assert [kind.num_outputs(3) for kind in CHANNELS] == [1, 3, 4]
    assert MULTILABEL.over_layers(np.ones((2, 3), bool)).shape == (2, 3, 1)
    assert MULTILABEL.channels_first(np.zeros((4, 5, 6, 2))).shape == (4, 2, 5, 6)
    assert BINARY.channels_first(np.zeros((4, 5, 6))).shape == (4, 5, 6)


def test_classes_of_pixels():
    ids, layers = np.array([[0, 1, 2]]), np.array([[[0, 0], [1, 0], [1, 1]]])
    assert MULTICLASS.class_pixels(ids, 2).tolist() == [[False, False, True]]
    assert BINARY.class_pixels(ids, 0).tolist() == [[False, True, False]]
    assert MULTILABEL.class_pixels(layers, 1).tolist() == [[False, False, True]]
    assert MULTICLASS.foreground(ids).tolist() == MULTILABEL.foreground(layers).tolist() == [[False, True, True]]
    assert [list(kind.object_classes(3)) for kind in CHANNELS] == [[0, 1, 2], [0, 1, 2], [1, 2]]


@KINDS
@given(st.data())
def test_torch_as_numpy(kind, data):
    shape = (data.draw(st.integers(2, 4)), 2, CHANNELS[kind], 3, 2)
    members = data.draw(arrays(np.float32, shape, elements=st.floats(0, 1, width=32)))
    tensor = torch.from_numpy(members)
    votes = kind.votes(members)
    assert votes.dtype == kind.decode(members[0]).dtype == np.uint8
    assert np.array_equal(kind.votes(tensor).numpy(), votes)
    assert np.array_equal(kind.decode(tensor).numpy(), kind.decode(members))
    assert np.array_equal(kind.off_majority(kind.votes(tensor)).numpy(), kind.off_majority(votes))


@KINDS
@given(st.data())
def test_those_off_the_majority_against_a_loop(kind, data):
    members = data.draw(arrays(np.float32, (3, CHANNELS[kind], 2, 2), elements=st.floats(0, 1, width=32)))
    votes = kind.votes(members)
    for row, column in np.ndindex(2, 2):
        layers = votes[:, row, column].reshape(3, -1).T.tolist()
        # A vote for the masked class, 0, supports no class.
        most = [max(layer.count(one) for one in ({1, 2} if kind.is_exclusive else {0, 1})) for layer in layers]
        assert kind.off_majority(votes)[row, column] == 3 - min(most)


@KINDS
def test_probabilities_are_the_tasks(kind):
    logits = torch.randn(2, CHANNELS[kind], 3, 3, generator=torch.Generator().manual_seed(0))
    by_hand = np.exp(logits.numpy())
    by_hand = by_hand / (by_hand.sum(1, keepdims=True) if kind.is_exclusive else 1 + by_hand)
    assert kind.probabilities(logits).numpy() == pytest.approx(by_hand, rel=1e-5)


def test_an_unknown_task_is_refused():
    with pytest.raises(IncmaskError, match=r"^task: unknown task 'tracks'; choose one of binary, multilabel"):
        labels_of("tracks")
