"""Colours of masks that compression or scaling blurred: the ones that were drawn, and the nearest of them."""

from collections import Counter
from collections.abc import Collection, Mapping

import cv2
import numpy as np

from incmask.base.errors import fail
from incmask.data.images.masks import MAX_COLOURS, pack_colours, unpack_colour
from incmask.data.images.nearest import APART_DISTANCE, REMEDY

_FLAT_RANGE = 12
"""Neighbours in a flat area differ by at most so much."""

_SAME_DISTANCE = 24.0
"""Colours so near are one."""

_RARE_SHARE, _NOISE_SHARE = 0.0005, 0.1
"""Of all flat pixels, what a colour must have; and of a near colour's, below which it is that one's noise."""


def flat_colours(colours: np.ndarray) -> Counter[int]:
    """Count the packed colours in flat areas of (H, W, 3) uint8: drawn there, not blurred from two others."""
    kernel = np.ones((3, 3), np.uint8)
    image = np.ascontiguousarray(colours)
    spread = cv2.dilate(image, kernel) - cv2.erode(image, kernel)
    values, counts = np.unique(pack_colours(image)[(spread <= _FLAT_RANGE).all(axis=2)], return_counts=True)
    return Counter(dict(zip(values.tolist(), counts.tolist(), strict=True)))


def dominant_colours(counts: Mapping[int, int], where: object) -> tuple[int, ...]:
    """Give the few colours that were drawn.

    Args:
        counts: flat pixels of each packed colour.
        where: the masks, for messages.

    Returns:
        Packed colours, the commonest first.

    Raises:
        IncmaskError: two colours are too near to tell two classes from noise, or there are so many as in a photo.
    """
    clusters: Counter[int] = Counter()
    for colour, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        near = _nearest(colour, clusters, _SAME_DISTANCE)
        clusters[colour if near is None else near] += count
        if len(clusters) > 100 * MAX_COLOURS:
            break
    total = sum(counts.values())
    kept: list[int] = []
    for colour, count in clusters.most_common():
        near = _nearest(colour, kept, APART_DISTANCE)
        if near is None and count >= _RARE_SHARE * total:
            kept.append(colour)
        elif near is not None and count >= _NOISE_SHARE * clusters[near]:
            what = (
                f"the colours {unpack_colour(colour)} and {unpack_colour(near)} may be two classes, or one with noise"
            )
            raise fail(where, what, REMEDY)
    if not kept or len(kept) > MAX_COLOURS:
        raise fail(where, f"{len(kept) or 'no'} colours fill areas, which looks like photos rather than masks", REMEDY)
    return tuple(kept)


def _nearest(colour: int, others: Collection[int], within: float) -> int | None:
    if not others:
        return None
    candidates = np.array([unpack_colour(other) for other in others], np.float64)
    distances = np.linalg.norm(candidates - unpack_colour(colour), axis=1)
    index = int(distances.argmin())
    return list(others)[index] if distances[index] < within else None
