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
_MOST_IN_RUN = 1 << 11
"""Hashes with an equal run of bits that one is compared with; of more, as of frames of one camera, so many, evenly."""
MOST_NEAR = 16
"""Of one hash, the nearest in each call; the others of so many look as alike as these."""
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
    for some in some_places(len(pictures)):
        signs = (waves @ pictures[some] @ waves.T).reshape(-1, LOW_WAVES * LOW_WAVES) > 0
        signs[:, 0] = False  # the mean
        found[some] = np.packbits(signs, axis=1).view(np.uint64)[:, 0]
    return found


def some_places(num: int) -> Iterator[slice]:
    """Give places up to ``num``, so many at once that what is worked out for them takes little memory."""
    return (slice(first, min(first + _AT_ONCE, num)) for first in range(0, num, _AT_ONCE))


def near_pairs(hashes: np.ndarray, others: np.ndarray) -> Iterator[np.ndarray]:
    """Find hashes that differ in few bits, in a time that grows with their number, and not with its square.

    Hashes are compared where a run of their bits, about as long as their number tells apart, is equal: all that differ
    in fewer bits than there are runs, most that differ in a few more. Each gets its ``MOST_NEAR`` nearest of each run.

    Args:
        hashes, others: (N,) and (M,) uint64.

    Yields:
        int, (P, 2): places in ``hashes`` and in ``others``; a pair may come several times.
    """
    num_bits = min(16, max(8, len(others).bit_length() - 2))
    for first in range(0, 64 - num_bits + 1, num_bits):
        keys, wanted = (_run(values, first, num_bits) for values in (others, hashes))
        # Of very many, only those are sorted that some hash is compared with.
        is_wanted = np.zeros(1 << num_bits, bool)
        is_wanted[wanted] = True
        asked = np.flatnonzero(is_wanted[keys])
        order = asked[np.argsort(keys[asked], kind="stable")]
        begins, ends = (np.searchsorted(keys[order], wanted, side) for side in ("left", "right"))
        for left, place in _expanded(begins, ends - begins):
            right = order[place]
            bits = np.bitwise_count(hashes[left] ^ others[right])
            is_near = bits <= _MOST_UNLIKE_BITS
            yield _nearest(left[is_near], right[is_near], bits[is_near])


def _nearest(left: np.ndarray, right: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """Give the pairs of each on the left with the nearest on the right, itself beside them."""
    order = np.lexsort((right, bits, left))
    left, right = left[order], right[order]
    rank = np.arange(len(left)) - np.searchsorted(left, left, "left")
    return np.stack([left, right], axis=1)[rank <= MOST_NEAR]


def _run(values: np.ndarray, first: int, num_bits: int) -> np.ndarray:
    """Give a run of at most 16 bits of each hash, as numbers of so many, which take little and are sorted fast."""
    return (values >> np.uint64(first)).astype(np.uint16) & np.uint16((1 << num_bits) - 1)


def _expanded(begins: np.ndarray, counts: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Give each number from 0 on with its places, of very many some, so many pairs at once as memory allows."""
    taken = np.minimum(counts, _MOST_IN_RUN)
    ends = np.cumsum(taken)
    first = 0
    while first < len(counts):
        done = ends[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(ends, done + _PAIRS_AT_ONCE, "right")))
        some = taken[first:last]
        left = np.repeat(np.arange(first, last), some)
        within = np.arange(len(left)) - np.repeat(np.cumsum(some) - some, some)
        yield left, begins[left] + within * counts[left] // taken[left]
        first = last


def alike(pictures: Sequence[np.ndarray], parts: Sequence[str] | None = None) -> dict[tuple[int, int], float]:
    """Find pictures that show the same: saved anew, made smaller, brighter, cut by a little, turned or mirrored.

    Hashes name what may be; the detail of the pictures, which must run alike, proves it. Pictures without detail, such
    as empty fields, are never alike. Where very many are alike, as frames of one camera are, a picture gets the likest
    of each part, and not all.

    Args:
        pictures: uint8, (S, S) each.
        parts: where each lies; None: all in one.

    Returns:
        The places of two pictures, the smaller first, and how alike they are: correlation of their detail, up to 1.
    """
    if len(pictures) < 2:
        return {}
    planes = np.stack(pictures)
    details = details_of(planes)
    strength = _strength(details)
    places = np.flatnonzero(strength >= _MIN_DETAIL)
    if len(places) < len(planes):
        planes, details = planes[places], details[places]
    details /= strength[places, None, None]
    base, part_of = hashes_of(planes), np.asarray(parts or [""] * len(pictures))[places]
    pairs, scores = [np.zeros((0, 2), np.intp)], [np.zeros(0)]
    for turn in _TURNS:
        turned, hashes = turn(details), hashes_of(turn(planes))
        for of_part in (np.flatnonzero(part_of == part) for part in np.unique(part_of)):
            for block in near_pairs(hashes, base[of_part]):
                each, score = _proven(np.stack([block[:, 0], of_part[block[:, 1]]], axis=1), turned, details)
                pairs.append(np.sort(places[each], axis=1))
                scores.append(score)
    return _likest(np.concatenate(pairs), np.concatenate(scores))


def _proven(pairs: np.ndarray, turned: np.ndarray, details: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give those pairs of two pictures whose detail runs alike, and how much."""
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    products = np.empty(len(pairs), np.float32)
    for some in some_places(len(pairs)):
        products[some] = np.einsum("nij,nij->n", turned[pairs[some, 0]], details[pairs[some, 1]])
    scores = np.minimum(products / details[0].size, 1)  # rounding
    is_alike = scores >= MIN_ALIKE
    return pairs[is_alike], scores[is_alike]


def _likest(pairs: np.ndarray, scores: np.ndarray) -> dict[tuple[int, int], float]:
    """Give each pair once, with the highest of its scores."""
    order = np.lexsort((-scores, pairs[:, 1], pairs[:, 0]))
    pairs, scores = pairs[order], scores[order]
    is_first = np.ones(len(pairs), bool)
    is_first[1:] = (pairs[1:] != pairs[:-1]).any(1)
    return {
        (one, other): score
        for (one, other), score in zip(pairs[is_first].tolist(), scores[is_first].tolist(), strict=True)
    }


def strong_places(pictures: np.ndarray) -> np.ndarray:
    """Give the places of pictures with detail, (M,); those without, such as empty fields, are all alike."""
    strength = np.zeros(len(pictures), np.float32)
    for some in some_places(len(pictures)):
        strength[some] = _strength(details_of(pictures[some]))
    return np.flatnonzero(strength >= _MIN_DETAIL)


def _strength(details: np.ndarray) -> np.ndarray:
    """Give the spread of each picture's detail, (N,)."""
    found = np.empty(len(details), details.dtype)
    for some in some_places(len(details)):
        found[some] = details[some].std((1, 2))
    return found


def details_of(planes: np.ndarray) -> np.ndarray:
    """Take from each picture what is wide, such as uneven light, and its mean."""
    details = np.empty(planes.shape, np.float32)
    for some in some_places(len(planes)):
        for place, plane in enumerate(planes[some].astype(np.float32), start=some.start):
            details[place] = _blurred(plane, _FINE_PX) - _blurred(plane, _ROUGH_PX)
        details[some] -= details[some].mean((1, 2), keepdims=True)
    return details


def _blurred(plane: np.ndarray, width_px: float) -> np.ndarray:
    blurred: np.ndarray = cv2.GaussianBlur(plane, (0, 0), width_px)
    return blurred
