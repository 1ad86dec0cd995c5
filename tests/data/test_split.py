import pytest
from hypothesis import given
from hypothesis import strategies as st

from incmask.data.split import Fold, describe_folds, make_folds


def rows_of_tiles(num_images, num_tiles=1):
    return [f"image {index}" for index in range(num_images) for _ in range(num_tiles)]


def test_with_a_val_part_all_labelled_images_train():
    for num in (1, 5, 20):
        names = rows_of_tiles(num, 2)
        folds = make_folds(names, has_val=True, seed=1)
        assert folds == (Fold(tuple(range(2 * num)), None),)
        assert describe_folds(folds, names) is None


@given(num_images=st.integers(2, 40), num_tiles=st.integers(1, 3), seed=st.integers(0, 1000))
def test_without_one_images_are_held_out_whole(num_images, num_tiles, seed):
    names = rows_of_tiles(num_images, num_tiles)
    folds = make_folds(names, has_val=False, seed=seed)
    held_out = []
    for fold in folds:
        assert sorted(fold.training + fold.validation) == list(range(len(names)))
        training, validation = ({names[row] for row in rows} for rows in (fold.training, fold.validation))
        assert training
        assert validation
        assert not training & validation
        held_out.append(validation)
    if num_images < 8:
        assert len(folds) == min(num_images, 5)
        assert sorted(name for validation in held_out for name in validation) == sorted(set(names))
        sizes = [len(validation) for validation in held_out]
        assert max(sizes) - min(sizes) <= 1
    else:
        assert [len(validation) for validation in held_out] == [round(0.2 * num_images)]
    assert folds == make_folds(names, has_val=False, seed=seed)


def test_the_seed_draws():
    names = rows_of_tiles(20)
    assert len({make_folds(names, has_val=False, seed=seed) for seed in range(5)}) > 1


def test_a_single_image_serves_as_both():
    names = rows_of_tiles(1, 3)
    folds = make_folds(names, has_val=False, seed=1)
    assert folds == (Fold((0, 1, 2), (0, 1, 2)),)
    assert "a single labelled image" in describe_folds(folds, names)


@pytest.mark.parametrize(
    ("num_images", "said"),
    [
        (2, "no val/: 2-fold cross-validation over 2 labelled images"),
        (7, "no val/: 5-fold cross-validation over 7 labelled images"),
        (8, "no val/: 2 of the 8 labelled images are set aside"),
        (25, "no val/: 5 of the 25 labelled images are set aside"),
    ],
)
def test_what_is_done_is_told(num_images, said):
    names = rows_of_tiles(num_images, 2)
    line = describe_folds(make_folds(names, has_val=False, seed=1), names)
    assert line.startswith(said)
    assert "\n" not in line


def test_there_are_no_more_folds_than_the_smallest_stage_has_models():
    names = ["a", "b", "c", "d", "e"]
    assert [len(make_folds(names, has_val=False, seed=1, num_models=num)) for num in (1, 2, 3, 9)] == [2, 2, 3, 5]
