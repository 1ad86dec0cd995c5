"""Erosion, dilation and the nearest known id, by squares (cubes in 3D), for NumPy arrays and torch tensors alike.

Like all of ``vote``, this uses only exact operations in a fixed order, so that every library agrees bit for bit.
"""

import operator
from collections.abc import Callable, Sequence
from typing import Annotated

from array_api_compat import array_namespace

from incmask.base.errors import fail
from incmask.method.exact import Array

Pixels = Annotated[Array, "*pixels"]


def check_side(side_px: int, where: str) -> None:
    """Refuse a kernel side that has no centre pixel: all but 0 and the odd numbers.

    Raises:
        IncmaskError: the side is even, negative or no whole number.

    Examples:
        >>> check_side(4, "dilate_px")
        Traceback (most recent call last):
        incmask.base.errors.IncmaskError: dilate_px: kernel side is 4, expected 0 (leave out) or an ...
    """
    what = f"kernel side is {side_px!r}, expected 0 (leave out) or an odd number of pixels"
    if isinstance(side_px, bool) or not isinstance(side_px, int) or side_px < 0:
        raise fail(where, what, "use 0, or an odd side such as 3")
    if side_px > 0 and side_px % 2 == 0:
        raise fail(where, what, f"use {side_px - 1} or {side_px + 1}")


def dilate(mask: Pixels, *, side_px: int, axes: Sequence[int]) -> Pixels:
    """Set what has a set value within the square; the border of the image does not dilate.

    Args:
        mask: bool, or integers 0/1.
        side_px: of the square, odd.
        axes: negative, along which the square extends; the others are a batch.

    Examples:
        >>> dilate(np.array([0, 0, 1, 0, 0]), side_px=3, axes=[-1]).tolist()
        [0, 1, 1, 1, 0]
    """
    return _window(mask, side_px=side_px, axes=axes, combine=operator.or_)


def erode(mask: Pixels, *, side_px: int, axes: Sequence[int]) -> Pixels:
    """Keep what has only set values within the square; the border of the image does not erode.

    Args:
        mask: bool.
        side_px, axes: as for ``dilate``.

    Examples:
        >>> erode(np.array([True, True, True, False]), side_px=3, axes=[-1]).tolist()
        [True, True, False, False]
    """
    return ~dilate(~mask, side_px=side_px, axes=axes)


def nearest_ids(label: Pixels, unknown: Pixels, *, side_px: int, axes: Sequence[int]) -> Pixels:
    """Give each unknown pixel the lowest of the nearest known ids, by chessboard distance.

    Right for all pixels that have a known id within the square. Growing by one ring at a time and never overwriting is
    exact: a pixel's nearest sources are those of its neighbours that are one step closer.

    Args:
        label: integer ids >= 0.
        unknown: bool, of the label's shape.
        side_px, axes: as for ``dilate``.

    Examples:
        >>> nearest_ids(np.array([3, 0, 0, 1]), np.array([False, True, True, False]), side_px=3, axes=[-1]).tolist()
        [3, 3, 1, 1]
    """
    xp = array_namespace(label)
    wide = xp.int16 if label.dtype.itemsize == 1 else xp.int64  # has a number to spare for "no id yet"
    nothing = xp.iinfo(wide).max
    ids = xp.where(unknown, xp.full_like(label, nothing, dtype=wide), xp.astype(label, wide))
    for _ in range(side_px // 2):
        ids = xp.where(ids == nothing, _window(ids, side_px=3, axes=axes, combine=xp.minimum), ids)
    return xp.astype(ids, label.dtype)


def _window(values: Array, *, side_px: int, axes: Sequence[int], combine: Callable[[Array, Array], Array]) -> Array:
    """Combine (minimum, or) every square, axis by axis; outside the image there is nothing."""
    xp = array_namespace(values)
    for axis in axes:
        rest = (slice(None),) * (-axis - 1)
        length = values.shape[axis]
        result = xp.asarray(values, copy=True)
        for shift in range(1, min(side_px // 2, length - 1) + 1):
            later, earlier = (..., slice(shift, None), *rest), (..., slice(0, length - shift), *rest)
            result[later] = combine(result[later], values[earlier])
            result[earlier] = combine(result[earlier], values[later])
        values = result
    return values
