import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import ndimage

from incmask.exchange.formats.masks.instances import layers_of
from incmask.method.instances import ObjectChannels, find_objects, split_objects
from incmask.prediction.objects import ObjectFinder, WholeObjects


def found(mask, cuts):
    finder = ObjectFinder()
    parts = np.concatenate([finder.add(part) for part in np.split(mask, cuts) if len(part)])
    return finder.final_ids()[parts]


@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    share=st.floats(0, 1),
    cuts=st.lists(st.integers(1, 29), max_size=6),
)
def test_objects_are_those_of_the_whole_mask_wherever_it_is_cut(seed, size, share, cuts):
    mask = np.random.default_rng(seed).random(size) < share
    expected, num = ndimage.label(mask, np.ones((3, 3)))
    ids = found(mask, sorted(cuts))
    assert ids.dtype == np.int32
    assert ids.max(initial=0) == num
    # The same objects, whatever their numbers: as many pairs of ids as there are objects.
    assert len(np.unique(np.stack([ids[mask], expected[mask]]), axis=1).T) == num
    assert not ids[~mask].any()


def test_ids_go_by_the_first_rows():
    mask = np.array([[1, 0, 0, 0, 1], [1, 0, 1, 0, 1], [1, 1, 1, 0, 0], [0, 0, 0, 0, 1]], bool)
    expected = [[1, 0, 0, 0, 2], [1, 0, 1, 0, 2], [1, 1, 1, 0, 0], [0, 0, 0, 0, 3]]
    for cuts in ([], [1], [2], [1, 2, 3]):
        assert found(mask, cuts).tolist() == expected


def test_a_spiral_is_one_object():
    """Its arms meet in the last row alone."""
    mask = np.zeros((40, 40), bool)
    mask[:, ::2] = True
    mask[-1] = True
    assert found(mask, [10, 20, 30]).max() == 1
    assert found(mask[:-1], [10, 20, 30]).max() == 20


def whole(label, cuts, **options):
    finder = WholeObjects(
        lambda rows: find_objects(rows, CHANNELS), lambda rows: rows[..., 0] == 1, **{"num_types": 1} | options
    )
    parts = [finder.add(part) for part in np.split(label, cuts) if len(part)]
    rows = np.concatenate([*parts, finder.finish()])
    return finder.final_ids()[rows], finder.counts()


CHANNELS = ObjectChannels((0,), 2, 1)
CUTS = st.lists(st.integers(1, 39), max_size=6, unique=True)


def circles(seed):
    generator = np.random.default_rng(seed)
    rows, columns = np.ogrid[:40, :50]
    ids = np.zeros((40, 50), np.int32)
    for number in range(1, 9):
        y, x, radius = generator.integers(0, 40), generator.integers(0, 50), generator.integers(2, 8)
        ids[(rows - y) ** 2 + (columns - x) ** 2 <= radius**2] = number
    return ids


def noise(seed):
    generator = np.random.default_rng(seed)
    small = generator.random((20, 25, 3)) < generator.random(3)
    return np.kron(small, np.ones((2, 2, 1))).astype(np.uint8)


@settings(max_examples=40, deadline=None)
@example(seed=9845406, cuts=[], made=circles)  # was judged by sizes of what lies in other rows
@given(seed=st.integers(0, 2**32 - 1), cuts=CUTS, made=st.sampled_from([circles, noise]))
def test_objects_by_centres_are_those_of_the_whole_label_wherever_it_is_cut(seed, cuts, made):
    label = layers_of(circles(seed)) if made is circles else noise(seed)
    expected = find_objects(label, CHANNELS)
    ids, counts = whole(label, sorted(cuts))
    np.testing.assert_array_equal(ids, expected.ids)
    assert counts == (expected.ids.max(initial=0),)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), cuts=CUTS)
def test_objects_by_waists_are_those_of_the_whole_mask_wherever_it_is_cut(seed, cuts):
    mask = circles(seed) > 0
    finder = WholeObjects(split_objects, lambda rows: rows)
    parts = [finder.add(part) for part in np.split(mask, sorted(cuts)) if len(part)]
    rows = np.concatenate([*parts, finder.finish()])
    ids = finder.final_ids()[rows]
    np.testing.assert_array_equal(ids, split_objects(mask).ids)


def test_no_more_rows_wait_than_may():
    label = np.zeros((60, 10, 3), np.uint8)
    label[:, 4:7, 0] = 1
    label[::6, 5, 2] = 1
    ids, counts = whole(label, [20, 40], most_px=150)
    # What goes on without an end is cut where too many rows wait, between objects here.
    np.testing.assert_array_equal(ids > 0, label[..., 0] > 0)
    assert counts == (10,)


def test_types_are_counted_one_by_one():
    label = np.zeros((30, 30, 3), np.uint8)
    label[2:8, 2:8, 0] = label[12:18, 2:8, 1] = label[22:28, 2:8, 1] = 1
    label[[5, 15, 25], 5, 2] = 1
    channels = ObjectChannels((0, 1), 2)
    finder = WholeObjects(lambda rows: find_objects(rows, channels), lambda rows: rows[..., :2].any(-1), num_types=2)
    for part in np.split(label, [4, 14]):
        finder.add(part)
    finder.finish()
    assert finder.counts() == (1, 2)
