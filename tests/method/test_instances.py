"""Objects by centres and borders, and by waists: by hand, and against a slow search that walks from pixel to pixel."""

import builtins
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incmask.base.errors import IncmaskError
from incmask.exchange.formats.masks.instances import layers_of
from incmask.method.instances import (
    ObjectChannels,
    check_can_grow,
    find_objects,
    object_channels,
    split_objects,
)

CHANNELS = ObjectChannels((0,), 2, 1)


def discs(*circles, size=(40, 60)):
    """Give ids of discs (y, x, radius), later ones over earlier ones."""
    rows, columns = np.ogrid[: size[0], : size[1]]
    ids = np.zeros(size, np.int32)
    for number, (y, x, radius) in enumerate(circles, start=1):
        ids[(rows - y) ** 2 + (columns - x) ** 2 <= radius**2] = number
    return ids


def same(ids, others):
    """Tell whether two numberings mean the same objects."""
    pairs = np.unique(np.stack([ids.ravel(), others.ravel()]), axis=1)
    return len(pairs.T) == len(np.unique(ids)) == len(np.unique(others)) and ((pairs[0] == 0) == (pairs[1] == 0)).all()


def share_right(ids, truth):
    """Give the share of the pixels of objects that lie in the object that has most of it."""
    right = sum(np.bincount(ids[truth == number]).max() for number in np.unique(truth[truth > 0]))
    return right / np.count_nonzero(truth)


TOUCHING = [
    ((20, 15, 9), (20, 33, 9)),
    ((20, 15, 9), (20, 29, 8), (8, 22, 5)),
    ((10, 10, 6), (22, 10, 6), (10, 22, 6), (22, 22, 6), (16, 40, 12)),
]


@pytest.mark.parametrize("circles", TOUCHING)
def test_objects_that_touch_come_back_from_body_border_and_centre(circles):
    truth = discs(*circles)
    found = find_objects(layers_of(truth), CHANNELS)
    assert found.ids.max() == len(circles)
    assert share_right(found.ids, truth) > 0.98
    np.testing.assert_array_equal(found.ids > 0, truth > 0)
    assert found.types.tolist() == [0] * len(circles)


@pytest.mark.parametrize("circles", TOUCHING)
def test_what_is_seen_of_borders_and_of_centres_is_enough_each_by_itself(circles):
    truth = discs(*circles)
    layers = layers_of(truth)
    for channel in (1, 2):
        without = layers.copy()
        without[..., channel] = 0
        found = find_objects(without, CHANNELS)
        assert found.ids.max() == len(circles)
        assert share_right(found.ids, truth) > 0.93
        np.testing.assert_array_equal(found.ids > 0, truth > 0)


def test_each_rule_by_hand():
    label = np.zeros((30, 60, 3), np.uint8)

    def box(rows, columns, *channels):
        label[slice(*rows), slice(*columns), list(channels)] = 1

    box((2, 12), (2, 12), 0)  # an inside of 100 pixels with a centre
    box((5, 8), (5, 8), 2)
    box((2, 12), (20, 30), 0)  # another, which its border parts from a fragment of less than a quarter, without one
    box((2, 12), (28, 29), 1)
    box((5, 8), (22, 25), 2)
    box((16, 26), (2, 12), 0)  # half of it lies beyond a border and has no centre, but is large enough
    box((16, 26), (7, 8), 1)
    box((20, 23), (3, 5), 2)
    box((16, 22), (20, 26), 0)  # a body without a centre, large enough
    box((16, 19), (30, 33), 0)  # and one of 9 pixels, too small
    box((16, 26), (45, 57), 0)  # two centres
    box((20, 22), (47, 49), 2)
    box((20, 22), (53, 55), 2)
    found = find_objects(label, CHANNELS)
    # Each object by a pixel in it; the fragment and the speck are none of their own.
    places = {(3, 3): 1, (3, 22): 2, (3, 29): 2, (17, 3): 3, (17, 11): 5, (17, 21): 4, (17, 31): 0, (17, 46): 6}
    got = {place: int(found.ids[place]) for place in places}
    assert found.ids.max() == 7
    assert len({got[3, 3], got[3, 22], got[17, 3], got[17, 11], got[17, 21], got[17, 46], int(found.ids[17, 56])}) == 7
    assert got[3, 22] == got[3, 29]
    assert got[17, 31] == 0
    # Numbers go by the first pixel of each.
    first = [np.flatnonzero(found.ids == number)[0] for number in range(1, 8)]
    assert first == sorted(first)


@pytest.mark.parametrize(("num_columns", "is_object"), [(3, False), (4, True)])
def test_a_fragment_is_judged_by_its_own_body(num_columns, is_object):
    """Insides of 60 and 80 pixels have a centre there, so that it takes 17.5; what else the image has is larger."""
    label = np.zeros((40, 60, 3), np.uint8)
    label[2:7, 2 : 32 + num_columns, 0] = 1
    label[2:7, [14, 31], 1] = 1
    label[4, [8, 20], 2] = 1
    label[10:40, :, 0] = label[20, 30, 2] = 1
    assert find_objects(label, CHANNELS).ids.max() == 3 + is_object


def test_a_centre_belongs_to_the_inside_that_has_most_of_it():
    label = np.zeros((20, 40, 3), np.uint8)
    label[2:18, 2:38, 0] = 1
    label[:, 19:21, 1] = 1
    label[8:12, 14:24, 2] = 1  # one mark for both, most of it on the left
    found = find_objects(label, CHANNELS)
    assert found.ids[10, [3, 36]].tolist() == [1, 2]
    assert (found.ids[10] == 1).sum() == 18


def test_an_object_is_of_the_type_that_has_most_of_its_seed():
    truth = discs((20, 15, 9), (20, 33, 9), (20, 50, 6))
    layers = layers_of(truth)
    label = np.stack([truth == 2, layers[..., 2], (truth > 0) & (truth != 2)], 2).astype(np.uint8)
    channels = object_channels(["dead", "Position", "alive"], "Position")
    assert channels == ObjectChannels((0, 2), 1, None)
    found = find_objects(label, channels)
    assert found.types[found.ids[20, [15, 33, 50]] - 1].tolist() == [1, 0, 1]
    np.testing.assert_array_equal(found.types, find_objects(label, channels, grow=False).types)


def test_channels():
    assert object_channels(["Centre", "Boundary", "nucleus"], "Centre") == ObjectChannels((2,), 0, 1)
    assert object_channels(["body", "border"], None) is None
    assert object_channels(["centre", "border"], "centre") is None
    assert object_channels(["position"], "position") is None
    assert object_channels(["alive", "position", "dead"], "position") == ObjectChannels((0, 2), 1)
    with pytest.raises(IncmaskError, match="no class is named 'centre'; choose one of alive, position, dead"):
        object_channels(["alive", "position", "dead"], "centre")


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0.02, 0.9))
def test_every_object_holds_together_in_the_body_and_counts_are_those_of_seeds(seed, share):
    generator = np.random.default_rng(seed)
    small = generator.random((9, 11, 3)) < share
    label = np.kron(small, np.ones((2, 2, 1))).astype(np.uint8)
    found, seeds = find_objects(label, CHANNELS), find_objects(label, CHANNELS, grow=False)
    assert found.ids.max() == seeds.ids.max() == len(found.types)
    body = label[..., 0] > 0
    assert not found.ids[~body].any()
    for number in range(1, found.ids.max() + 1):
        assert len(walked(found.ids == number)) == 1
        inside = found.ids[seeds.ids == number]
        assert len(inside)
        assert (inside == inside[0]).all()
    # What has no object is bodies too small to be one.
    assert all(not found.ids[tuple(np.array(places).T)].any() for places in walked(body & (found.ids == 0)))


def walked(mask):
    """Give the pixels of each part that hangs together, found by walking."""
    left = set(map(tuple, np.argwhere(mask)))
    parts = []
    while left:
        part, to_visit = [], [left.pop()]
        while to_visit:
            row, column = to_visit.pop()
            part.append((row, column))
            near = {(row + y, column + x) for y in (-1, 0, 1) for x in (-1, 0, 1)} & left
            left -= near
            to_visit += near
        parts.append(part)
    return parts


def test_parts_are_split_at_their_waist():
    apart = discs((20, 15, 9), (20, 30, 9))
    found = split_objects(apart > 0)
    assert found.ids.max() == 2
    assert share_right(found.ids, apart) > 0.95
    # The cut runs where the waist is.
    assert {int(np.flatnonzero(found.ids[row] == 2)[0]) for row in (18, 20, 22)} <= {22, 23}
    one = discs((20, 20, 9), (20, 24, 9)) > 0
    assert split_objects(one).ids.max() == 1
    assert same(split_objects(one).ids, one.astype(int))
    speck = np.zeros((5, 5), bool)
    speck[2, 2] = True
    assert split_objects(speck).ids.sum() == 1
    assert split_objects(speck & False).ids.max() == 0


def test_an_even_strip_is_one_object():
    strip = np.zeros((12, 50), bool)
    strip[4:8, 3:47] = True
    assert split_objects(strip).ids.max() == 1


def test_without_the_package_objects_are_counted_but_do_not_grow(monkeypatch):
    really = builtins.__import__

    def without(name, *arguments):
        if name.startswith("skimage"):
            raise ImportError(name)
        return really(name, *arguments)

    for name in [each for each in sys.modules if each.startswith("skimage")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    layers = layers_of(discs(*TOUCHING[0]))
    assert len(find_objects(layers, CHANNELS, grow=False).types) == 2
    for attempt in (check_can_grow, lambda: find_objects(layers, CHANNELS), lambda: split_objects(layers[..., 0] > 0)):
        with pytest.raises(IncmaskError, match=r"scikit-image is not installed; pip install 'incmask\[objects\]'"):
            attempt()
