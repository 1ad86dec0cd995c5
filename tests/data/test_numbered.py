"""Whether values of masks may be numbers of objects."""

import numpy as np
import pytest

from incmask.data.folder.numbered import may_number


def row(*values: int, gap: int = 2) -> np.ndarray:
    """Give a mask of squares of 3×3 in a row, with a gap between them."""
    mask = np.zeros((7, 2 + (3 + gap) * len(values)), np.uint8)
    for place, value in enumerate(values):
        mask[2:5, 2 + (3 + gap) * place :][:, :3] = value
    return mask


def asked(*masks: np.ndarray) -> bool:
    """Ask it of some masks."""
    return may_number([{*np.unique(mask).tolist()} - {0} for mask in masks], lambda index: masks[index])


def test_objects_are_counted_from_one_on_in_each_mask() -> None:
    assert asked(row(1, 2, 3), row(1), row(2, 1))
    assert asked(row(1, 2), row(), row(1))


def test_objects_may_be_numbered_in_any_steps_but_alike() -> None:
    assert asked(row(50, 100, 150), row(50), row(50, 100))


def test_pieces_of_a_larger_image_have_its_numbers() -> None:
    assert asked(row(3, 17), row(4), row(9, 31), row(40))
    assert asked(row(3, 17), row(17, 4), row(9, 31), row(40, 12), row(8))  # one object is cut in two


def test_a_single_piece_for_each_class_is_no_number_where_any_class_lacks() -> None:
    # As the slices of hippocampi: both parts, one of them, or none.
    assert not asked(row(1, 2), row(2), row(1), row())


def test_as_many_in_each_mask_are_classes() -> None:
    assert not asked(row(1, 2, 3), row(2, 1, 3))
    assert not asked(row(1, 2, 3))


def test_a_class_in_several_pieces_is_none() -> None:
    assert not asked(row(1, 2, 1), row(1), row(1, 1, 2, 3))


def test_one_object_of_many_may_be_parted() -> None:
    many = [row(*range(1, num)) for num in (9, 8, 7)]
    parted = row(1, 2, 3, 1)
    assert asked(*many, parted)
    assert not asked(*many, *[parted] * 3)


def test_classes_that_touch_each_other_everywhere_are_layers() -> None:
    assert not asked(row(1, 2, 3, gap=0), row(1, 2, gap=0), row(1))


def test_some_objects_may_touch() -> None:
    assert asked(row(1, 2, gap=0), row(1, 2, 3), row(1))


def test_many_that_are_counted_are_objects_however_they_lie() -> None:
    dense = [row(*range(1, num), 1, gap=0) for num in (20, 24)]
    assert asked(*dense)
    assert not asked(*[mask.clip(max=9) for mask in dense])


def test_diagonals_hold_a_piece_together() -> None:
    mask = np.zeros((9, 9), np.uint8)
    mask[[1, 2, 3], [1, 2, 3]] = 1
    mask[6:8, 6:8] = 2
    assert asked(mask, row(1))


@pytest.mark.parametrize("num", [1, 300])
def test_masks_are_looked_at_only_where_their_values_look_like_numbers(num: int) -> None:
    looked: list[int] = []

    def keys(index: int) -> np.ndarray:
        looked.append(index)
        return row(*range(1, 2 + index % 3))

    assert may_number([{*range(1, 2 + index % 3)} for index in range(3 * num)], keys)
    assert len(looked) == min(3 * num, 100)
    assert not may_number([{1, 2}, {2}, {1}] * num, lambda _: pytest.fail("was read"))
