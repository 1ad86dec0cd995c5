import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from incmask.prediction.objects import ObjectFinder


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
