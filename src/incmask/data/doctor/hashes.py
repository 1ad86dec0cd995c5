"""Which of many pictures look alike, in any of the eight ways that a square can be turned and mirrored.

Written here, since what packages of perceptual hashes give is a hash alone (and PyWavelets to be installed): the search
among many, turned pictures, and proof by the pictures themselves would be left to do.
"""

from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np

LOW_WAVES = 8
"""Waves across a picture, in both directions, whose signs make its hash."""
_MOST_UNLIKE_BITS = 12
_PAIRS_AT_ONCE, _AT_ONCE = 1 << 20, 1 << 11
_MIN_DETAIL = 1.5
"""Grey levels: pictures whose detail is fainter, such as empty fields, are like all others of their kind."""
MIN_ALIKE = 0.9
_FINE_PX, _ROUGH_PX = 1.0, 4.0
"""What is wider than so many pixels of the small picture, such as uneven light, is no detail."""

_TURNS: tuple[Callable[[np.ndarray], np.ndarray], ...] = (
    lambda planes: planes,
    lambda planes: planes[..., :, ::-1],
    lambda planes: planes[..., ::-1, :],
    lambda planes: planes[..., ::-1, ::-1],
    lambda planes: np.swapaxes(planes, -1, -2),
    lambda planes: np.swapaxes(planes, -1, -2)[..., :, ::-1],
    lambda planes: np.swapaxes(planes, -1, -2)[..., ::-1, :],
    lambda planes: np.swapaxes(planes, -1, -2)[..., ::-1, ::-1],
)
"""The eight ways; the first leaves pictures (..., S, S) as they are."""


def hashes_of(pictures: np.ndarray) -> np.ndarray:
    """Give a perceptual hash of each picture: the signs of its longest waves.

    Args:
        pictures: (N, S, S).

    Returns:
        (N,) uint64, equal in most bits for pictures that look alike.
    """
    # The first rows of the cosine transform, whose scale makes no difference.
    waves = np.cos(np.pi * np.outer(np.arange(LOW_WAVES), np.arange(pictures.shape[1]) + 0.5) / pictures.shape[1])
    found = np.zeros(len(pictures), np.uint64)
    for some in _some(len(pictures)):
        signs = (waves @ pictures[some] @ waves.T).reshape(-1, LOW_WAVES * LOW_WAVES) > 0
        signs[:, 0] = False  # the mean
        found[some] = np.packbits(signs, axis=1).view(np.uint64)[:, 0]
    return found


def _some(num: int) -> Iterator[slice]:
    """Give places up to ``num``, so many at once that what is worked out for them takes little memory."""
    return (slice(first, min(first + _AT_ONCE, num)) for first in range(0, num, _AT_ONCE))


def near_pairs(hashes: np.ndarray, others: np.ndarray) -> Iterator[np.ndarray]:
    """Find hashes that differ in few bits, in a time that grows with their number, and not with its square.

    Hashes are compared where a run of their bits, about as long as their number tells apart, is equal: all that differ
    in fewer bits than there are runs, most that differ in a few more.

    Args:
        hashes, others: (N,) and (M,) uint64.

    Yields:
        int, (P, 2): places in ``hashes`` and in ``others``; a pair may come several times.
    """
    num_bits = min(16, max(8, len(others).bit_length() - 2))
    for first in range(0, 64 - num_bits + 1, num_bits):
        keys, wanted = (_run(values, first, num_bits) for values in (others, hashes))
        order = np.argsort(keys, kind="stable")
        begins, ends = (np.searchsorted(keys[order], wanted, side) for side in ("left", "right"))
        for left, place in _expanded(begins, ends - begins):
            right = order[place]
            is_near = np.bitwise_count(hashes[left] ^ others[right]) <= _MOST_UNLIKE_BITS
            yield np.stack([left[is_near], right[is_near]], axis=1)


def _run(values: np.ndarray, first: int, num_bits: int) -> np.ndarray:
    return (values >> np.uint64(first)) & np.uint64((1 << num_bits) - 1)


def _expanded(begins: np.ndarray, counts: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Give each number from 0 on with all places that it has, so many pairs at once as memory allows."""
    ends = np.cumsum(counts)
    first = 0
    while first < len(counts):
        done = ends[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(ends, done + _PAIRS_AT_ONCE, "right")))
        some = counts[first:last]
        left = np.repeat(np.arange(first, last), some)
        within = np.arange(len(left)) - np.repeat(np.cumsum(some) - some, some)
        yield left, begins[left] + within
        first = last


def alike(pictures: Sequence[np.ndarray]) -> dict[tuple[int, int], float]:
    """Find pictures that show the same: saved anew, made smaller, brighter, cut by a little, turned or mirrored.

    Hashes name what may be; the detail of the pictures, which must run alike, proves it. Pictures without detail, such
    as empty fields, are never alike.

    Args:
        pictures: uint8, (S, S) each.

    Returns:
        The places of two pictures, the smaller first, and how alike they are: correlation of their detail, up to 1.
    """
    if len(pictures) < 2:
        return {}
    planes = np.stack(pictures)
    details = details_of(planes)
    strength = _strength(details)
    places = np.flatnonzero(strength >= _MIN_DETAIL)
    planes, details = planes[places], details[places]
    details /= strength[places, None, None]
    base = hashes_of(planes)
    found: dict[tuple[int, int], float] = {}
    for turn in _TURNS:
        turned = turn(details)
        for pairs in near_pairs(hashes_of(turn(planes)), base):
            pairs = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)
            products = np.empty(len(pairs), np.float32)
            for some in _some(len(pairs)):
                products[some] = np.einsum("nij,nij->n", turned[pairs[some, 0]], details[pairs[some, 1]])
            scores = np.minimum(products / details[0].size, 1)  # rounding
            is_alike = scores >= MIN_ALIKE
            for (one, other), score in zip(pairs[is_alike], scores[is_alike], strict=True):
                first, last = sorted((int(places[one]), int(places[other])))
                found[first, last] = max(float(score), found.get((first, last), 0.0))
    return found


def strong_places(pictures: np.ndarray) -> np.ndarray:
    """Give the places of pictures with detail, (M,); those without, such as empty fields, are all alike."""
    return np.flatnonzero(_strength(details_of(pictures)) >= _MIN_DETAIL)


def _strength(details: np.ndarray) -> np.ndarray:
    """Give the spread of each picture's detail, (N,)."""
    found = np.empty(len(details), details.dtype)
    for some in _some(len(details)):
        found[some] = details[some].std((1, 2))
    return found


def details_of(planes: np.ndarray) -> np.ndarray:
    """Take from each picture what is wide, such as uneven light, and its mean."""
    details = np.empty(planes.shape, np.float32)
    for some in _some(len(planes)):
        for place, plane in enumerate(planes[some].astype(np.float32), start=some.start):
            details[place] = _blurred(plane, _FINE_PX) - _blurred(plane, _ROUGH_PX)
        details[some] -= details[some].mean((1, 2), keepdims=True)
    return details


def _blurred(plane: np.ndarray, width_px: float) -> np.ndarray:
    blurred: np.ndarray = cv2.GaussianBlur(plane, (0, 0), width_px)
    return blurred
