from string import ascii_letters

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from incmask.data.split import Fold, can_hold_out, describe_folds, draw_groups, make_folds


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
    if num_images < 30:
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
        (2, "no val/: models take turns to be trained without some of the 2 labelled images, 2 in all, which "),
        (
            29,
            "no val/: models take turns to be trained without some of the 29 labelled images, 29 in all, which choose",
        ),
        (30, "no val/: 6 of the 30 labelled images are set aside"),
        (60, "no val/: 12 of the 60 labelled images are set aside"),
    ],
)
def test_what_is_done_is_told(num_images, said):
    names = rows_of_tiles(num_images, 2)
    line = describe_folds(make_folds(names, has_val=False, seed=1), names)
    assert line.startswith(said)
    assert "\n" not in line


def test_there_are_no_more_folds_than_the_smallest_stage_has_models():
    names = rows_of_tiles(10)
    every = make_folds(names, has_val=False, seed=1)
    assert [len(fold.validation) for fold in every] == [2] * 5
    for num in (1, 2, 3, 9):
        folds = make_folds(names, has_val=False, seed=1, num_models=num)
        # A model misses as few labels, however few models there are.
        assert folds == every[:num]
        assert f"{2 * min(num, 5)} " in describe_folds(folds, names)


def sides(fold, names):
    return tuple({names[row] for row in rows} for rows in (fold.training, fold.validation))


@given(st.integers(2, 60), st.integers(1, 3), st.integers(0, 1000), st.integers(1, 9))
def test_images_without_groups_are_divided_as_they_were_drawn(num_images, num_tiles, seed, num_models):
    names = rows_of_tiles(num_images, num_tiles)
    order = [f"image {index}" for index in np.random.default_rng(seed).permutation(num_images)]
    num_folds = min(num_images, 5)
    dealt = [{*order[fold::num_folds]} for fold in range(num_folds)][:num_models]
    expected = dealt if num_images < 30 else [{*order[: round(0.2 * num_images)]}]
    groups = {name: name for name in names}
    for told in (None, {}, groups):
        folds = make_folds(names, has_val=False, seed=seed, num_models=num_models, groups=told)
        assert [sides(fold, names) for fold in folds] == [({*names} - held, held) for held in expected]


GROUPS = st.integers(0, 50).flatmap(
    lambda most: st.lists(
        st.tuples(st.integers(0, most), st.integers(1, 3), st.booleans()), min_size=2, max_size=2 * most + 5
    )
)


@given(GROUPS, st.integers(0, 1000), st.integers(1, 9))
def test_no_group_is_on_both_sides(images, seed, num_models):
    """Each image is of a group, has tiles and may be of a later round."""
    groups = {f"{'round-2/' if later else ''}{n}": f"g{group}" for n, (group, _, later) in enumerate(images)}
    names = [name for name, (_, num_tiles, _) in zip(groups, images, strict=True) for _ in range(num_tiles)]
    first = [name for name in groups if not name.startswith("round-2/")] or list(groups)
    folds = make_folds(names, has_val=False, seed=seed, num_models=num_models, groups=groups)
    num_groups = len({groups[name] for name in first})
    if num_groups == 1:
        # Nothing else is left than to divide the images of the only group.
        assert folds == make_folds(names, has_val=False, seed=seed, num_models=num_models)
        assert len(first) == 1 or "images that train and images that validate" in describe_folds(folds, names, groups)
        return
    validated = []
    for fold in folds:
        training, validation = sides(fold, names)
        assert training
        assert validation
        assert not {groups[name] for name in training} & {groups[name] for name in validation}
        assert validation <= {*first}
        assert training == {name for name in groups if groups[name] not in {groups[held] for held in validation}}
        assert sorted(fold.training + fold.validation) == sorted({*fold.training, *fold.validation})
        validated.append(validation)
    assert can_hold_out(names, groups) == (num_groups >= 30)
    if num_groups < 30:
        assert len(folds) == min(num_groups, 5, num_models)
        held = sorted(name for validation in validated for name in validation)
        assert held == sorted(first) if num_models >= 5 else held == sorted({*held} & {*first})
    else:
        assert len(folds) == 1
        # As near to a fifth as the smallest group allows.
        smallest = min([groups[name] for name in first].count(group) for group in {groups[name] for name in first})
        assert len(validated[0]) <= 0.4 * len(first)
        assert len(validated[0]) >= 0.2 * len(first) - smallest / 2 or len(validated[0]) >= smallest
    assert folds == make_folds(names, has_val=False, seed=seed, num_models=num_models, groups=groups)


def test_folds_hold_about_as_many_images_each():
    sizes = {"a": 12, "b": 5, "c": 4, "d": 3, "e": 2, "f": 1}
    groups = {f"{group}{number}": group for group, num in sizes.items() for number in range(num)}
    folds = make_folds(list(groups), has_val=False, seed=3, groups=groups)
    # The largest first, each to the smallest fold: 12, 5, 4, 3 and 2 + 1.
    assert [len(fold.validation) for fold in folds] == [12, 5, 4, 3, 3]


def test_a_fifth_is_taken_in_whole_groups():
    sizes = {"huge": 50, **{f"g{number}": 5 for number in range(10)}}
    for seed in range(20):
        taken = draw_groups(sizes, seed=seed)
        assert sum(sizes[group] for group in taken) == 20
        assert "huge" not in taken
    assert draw_groups({"a": 9, "b": 8}, seed=0) == {"b"}


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        (
            "aaabbb",
            "no val/: models take turns to be trained without some of the 6 labelled images of 2 groups, 6 in all, ",
        ),
        (
            "".join(2 * letter for letter in ascii_letters[:30]),
            "no val/: 12 (6 groups) of the 60 labelled images of 30 groups are set aside to choose ",
        ),
        (
            "aaa",
            "no val/: models take turns to be trained without some of the 3 labelled images, 3 in all, which choose "
            "epochs and models; all are of one group, so images that train and images that validate show the same",
        ),
    ],
)
def test_groups_are_told(groups, said):
    of = {str(number): group for number, group in enumerate(groups)}
    assert describe_folds(make_folds(list(of), has_val=False, seed=1, groups=of), list(of), of).startswith(said)


def test_images_of_later_rounds_that_do_not_train_are_told():
    groups = {"1": "a", "2": "b", "round-2/3": "a", "round-2/4": "c"}
    folds = make_folds(list(groups), has_val=False, seed=0, groups=groups)
    assert {(fold.training, fold.validation) for fold in folds} == {((0, 2, 3), (1,)), ((1, 3), (0,))}
    assert describe_folds(folds, list(groups), groups).endswith(
        "; the 2 of later rounds train, but for 1 whose groups validate"
    )
