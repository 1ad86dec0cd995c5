"""Images that are cut out of others, by up to a quarter of a side: found by hashes of many windows of each image."""

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cache

import cv2
import numpy as np

from incmask.data.doctor.hashes import LOW_WAVES, MIN_ALIKE, details_of, near_pairs, some_places, strong_places

_CUTS = (0.0, 0.05, 0.1, 0.15, 0.2)
_MOST_CUT = 0.25
"""Of a side, what is cut on both ends of it together."""
_MOST_UNLIKE_BITS = 7
_FIRST_ALIKE = 0.6
_MARGIN_PX = 2
_AT_ONCE = 64
_STEPS_PX = (-2, 0, 2)
"""By which a window is made larger or smaller, as cuts lie between those of ``_CUTS``."""

_FEW_PIXELS, _MOST_IN_FEW = 0.02, 0.6
"""Where so few pixels have more than this share of the detail's power, it is that of a thing or two."""

_WINDOWS = tuple((before, after) for before in _CUTS for after in _CUTS if before + after <= _MOST_CUT)


def _waves(side: int) -> np.ndarray:
    """Give the longest waves over each window of a side: (windows × LOW_WAVES, side), 0 outside of it."""
    edges = np.arange(side + 1)
    waves = []
    for before, after in _WINDOWS:
        first, last = before * side, (1 - after) * side
        within = np.clip(edges, first, last)
        middles = (within[:-1] + within[1:]) / 2
        angles = np.pi * np.outer(np.arange(LOW_WAVES), (middles - first) / (last - first))
        waves.append(np.cos(angles) * np.diff(within))
    return np.concatenate(waves).astype(np.float32)


def _window_hashes(pictures: np.ndarray) -> np.ndarray:
    """Give the hash of each window of each picture, (N, windows²), rows before columns."""
    (num_waves, side), num = (waves := _waves(pictures.shape[1])).shape, len(_WINDOWS)
    found = np.empty((len(pictures), num * num), np.uint64)
    for first in range(0, len(pictures), _AT_ONCE):
        some = pictures[first : first + _AT_ONCE].astype(np.float32)
        # Two large products: of many small ones, threads of a busy machine spend their time waiting for each other.
        across = (some.reshape(-1, side) @ waves.T).reshape(-1, side, num_waves).swapaxes(1, 2)
        # Of each picture columns before rows.
        signs = np.ascontiguousarray(across).reshape(-1, side) @ waves.T > 0
        signs = signs.reshape(-1, num, LOW_WAVES, num, LOW_WAVES).transpose(0, 3, 1, 4, 2)
        signs = np.ascontiguousarray(signs).reshape(-1, num * num, LOW_WAVES * LOW_WAVES)
        signs[..., 0] = False  # the mean
        found[first : first + _AT_ONCE] = np.packbits(signs, axis=2).view(np.uint64)[..., 0]
    return found


def cut_copies(
    pictures: np.ndarray, parts: Sequence[str], asked: Collection[tuple[str, str]], fine: Callable[[int], np.ndarray]
) -> dict[tuple[int, int], float]:
    """Find pictures that show a part of another.

    Args:
        pictures: uint8, (N, S, S).
        parts: where each of them lies.
        asked: the two parts, in either order, of pairs that matter.
        fine: gives a finer picture of a place, float32 (F, F), which proves it.

    Returns:
        The places of two pictures, the smaller first, and how alike they are: correlation of their detail, up to 1.
    """
    places = _rich_places(pictures)
    hashes, part_of = _window_hashes(pictures[places]), np.asarray(parts)[places]
    detail = cache(lambda place: details_of(fine(place)[None])[0])
    found: dict[tuple[int, int], float] = {}
    for part in np.unique(part_of):
        others = [other for other in np.unique(part_of) if {(part, other), (other, part)} & {*asked}]
        copies, wholes = np.flatnonzero(np.isin(part_of, others)), np.flatnonzero(part_of == part)
        for copy, whole, window in _candidates(hashes[copies, 0], hashes[wholes]):
            one, other = int(places[copies[copy]]), int(places[wholes[whole]])
            pair = (min(one, other), max(one, other))
            if one != other and (score := _likeness(fine(one), detail(other), window)) >= MIN_ALIKE:
                found[pair] = max(score, found.get(pair, 0.0))
    return found


def _rich_places(pictures: np.ndarray) -> np.ndarray:
    """Give the places of pictures whose detail is spread; that of one bright thing fits any other such thing."""
    places = strong_places(pictures)
    if not len(places):
        return places
    is_rich = np.zeros(len(places), bool)
    for some in some_places(len(places)):
        power = np.sort(details_of(pictures[places[some]]).reshape(some.stop - some.start, -1) ** 2, axis=1)
        strongest = round(power.shape[1] * _FEW_PIXELS)
        is_rich[some] = power[:, power.shape[1] - strongest :].sum(1) <= _MOST_IN_FEW * power.sum(1)
    return np.asarray(places[is_rich])


def _candidates(copies: np.ndarray, wholes: np.ndarray) -> Iterator[tuple[int, int, int]]:
    """Give for pictures that are like a window of another the places of both, and the likest window.

    Args:
        copies: (N,) hashes of whole pictures.
        wholes: (M, windows) hashes of the windows of others.
    """
    num = wholes.shape[1] if len(wholes) else 1
    windows = wholes.ravel()
    likest: dict[tuple[int, int], tuple[int, int]] = {}
    for pairs in near_pairs(copies, windows):
        copy, (whole, window) = pairs[:, 0], np.divmod(pairs[:, 1], num)
        bits = np.bitwise_count(copies[copy] ^ windows[pairs[:, 1]])
        chosen = bits <= _MOST_UNLIKE_BITS
        for one, other, *which in np.stack([copy, whole, bits, window], axis=1)[chosen].tolist():
            likest[one, other] = min(likest.get((one, other), (99, 0)), (which[0], which[1]))
    return ((one, other, window) for (one, other), (_, window) in likest.items())


def _likeness(copy: np.ndarray, whole: np.ndarray, window: int) -> float:
    """Give how alike the detail of a picture is to that of a window, about where it was found."""
    (top, bottom), (left, right) = (_WINDOWS[place] for place in divmod(window, len(_WINDOWS)))
    side = len(whole)
    height, width = round((1 - top - bottom) * side), round((1 - left - right) * side)
    first, start = max(0, round(top * side) - _MARGIN_PX), max(0, round(left * side) - _MARGIN_PX)
    near = whole[first : round(top * side) + height + _MARGIN_PX, start : round(left * side) + width + _MARGIN_PX]
    if _best(copy, near, (height, width)) < _FIRST_ALIKE:
        return 0.0
    sizes = [(min(side, height + taller), min(side, width + wider)) for taller in _STEPS_PX for wider in _STEPS_PX]
    return max(_best(copy, whole, size) for size in sizes)


def _best(copy: np.ndarray, whole: np.ndarray, size: tuple[int, int]) -> float:
    scaled = details_of(cv2.resize(copy, size[::-1], interpolation=cv2.INTER_AREA)[None])[0]
    inner = np.ascontiguousarray(scaled[_MARGIN_PX:-_MARGIN_PX, _MARGIN_PX:-_MARGIN_PX])
    return float(cv2.matchTemplate(whole, inner, cv2.TM_CCOEFF_NORMED).max())
