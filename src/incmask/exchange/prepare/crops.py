"""Where crops lie in an image, and which images give the labelled ones."""

from collections.abc import Mapping
from fractions import Fraction
from itertools import product
from math import floor

import numpy as np

from incmask.base.errors import fail
from incmask.data.images.tiles import Window
from incmask.exchange.prepare.owners import Picked, shuffled

_LEAST_SIDE_PX, _MOST_SIDE_PX = 256, 512


def overlapping_crops(height: int, width: int, *, side_px: int, step: float) -> tuple[Window, ...]:
    """Lay square crops over an image, row by row (method: data sets, HeLa).

    Along an axis of n pixels there are round(n / (side·step)) crops, which begin at ⌊i·n/count⌋, moved back where they
    would reach beyond the image: the last ones may coincide.

    Args:
        height: rows of the image.
        width: its columns.
        side_px: rows and columns of a crop, 1 or more.
        step: between neighbours, as a share of the side, above 0 and up to 1; taken as its decimal digits say.

    Raises:
        IncmaskError: the image is smaller than a crop.
    """
    tops = _starts(height, side_px, step)
    lefts = _starts(width, side_px, step)
    return tuple(Window(top, left, side_px, side_px) for top, left in product(tops, lefts))


def _starts(length_px: int, side_px: int, step: float) -> list[int]:
    if length_px < side_px:
        raise fail("crops", f"{length_px} pixels are fewer than the {side_px} of a crop", "give larger images")
    # Halves go to the even number, as Python and NumPy round.
    count = max(1, round(length_px / (side_px * Fraction(str(step)))))
    return [min(index * length_px // count, length_px - side_px) for index in range(count)]


def choose_sources(num_crops: Mapping[str, int], fraction: float, *, seed: int) -> Picked:
    """Choose images in a random order, as many as bring their crops nearest to ``fraction`` of all.

    Args:
        num_crops: of each image by its name; two images or more.
        fraction: of all crops, from 0 to 1; the number is rounded down.
        seed: of the permutation of the sorted names, whose first ones are chosen.

    Returns:
        One image or more, and one or more that are left.
    """
    order = shuffled(num_crops, seed=seed)
    wanted = floor(Fraction(str(fraction)) * sum(num_crops.values()))
    totals = np.cumsum([num_crops[name] for name in order])[:-1]
    num_chosen = int(np.abs(totals - wanted).argmin()) + 1
    return Picked(tuple(sorted(order[:num_chosen])), tuple(sorted(order[num_chosen:])))


def random_crops(name: str, height: int, width: int, *, count: int, seed: int) -> tuple[Window, ...]:
    """Draw square crops of an image (method: data sets, SUIM), always the same for a name, a size and a seed.

    The side is uniform in [256, min(512, longest side)). Where the image is not as high and wide as that, or has no
    side beyond 256 pixels, the crop is the whole image.

    Args:
        name: of the image; each draws for itself, so that the order of the work does not matter.
        height: rows of the image.
        width: its columns.
        count: of the crops.
        seed: 0 or more.
    """
    random = np.random.default_rng([seed, *name.encode()])
    return tuple(_random_crop(random, height, width) for _ in range(count))


def _random_crop(random: np.random.Generator, height: int, width: int) -> Window:
    limit_px = min(_MOST_SIDE_PX, max(height, width))
    if limit_px <= _LEAST_SIDE_PX:
        return Window(0, 0, height, width)
    side_px = int(random.integers(_LEAST_SIDE_PX, limit_px))
    if side_px > min(height, width):
        return Window(0, 0, height, width)
    top, left = (int(random.integers(0, length - side_px, endpoint=True)) for length in (height, width))
    return Window(top, left, side_px, side_px)
