"""Masks that lie beside what they show: outlines fit the edges of the image best when all are moved by the same step.

Each image votes for the step that fits it best. Where outlines and images agree, votes gather at 0; where masks were
cropped, padded or exported with an offset, they gather elsewhere; where edges tell nothing, they gather nowhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import cv2
import numpy as np

_SIDE_PX = 256
"""Longer side at which outlines and edges are compared."""
_REACH_PX = 12
"""Steps that are tried, there."""
_LEAST_PX = 2
"""Outlines are drawn a pixel inside or outside; there."""
_LEAST_OUTLINE_PX = 20
_STRONG = 98
"""Percentile of the edges from which on all count alike."""
_LEAST_GAIN, _LEAST_TYPICAL_GAIN, _LEAST_PEAK = 0.05, 0.12, 2.5
_LEAST_VOTES, _LEAST_SHARE, _LEAST_ABOVE_CHANCE = 4, 0.08, 4.0
_LEAST_TOLD = 0.75
"""Of the votes, for one step or for none: where others are more, edges tell nothing of outlines."""
_MOST_LEFT = 0.2
"""Where no more images than these fit better as they are, all are moved."""


@dataclass(frozen=True)
class Fit:
    """How well the outlines of a mask fit the edges of its image, by how far they are moved.

    Attributes:
        scores: float32, (2R + 1, 2R + 1), correlations; row and column tell the step, R in the middle standing for 0.
        scale: pixels of the image that a step has.
    """

    scores: np.ndarray
    scale: float

    def at(self, step_px: tuple[float, float]) -> float:
        """Give the best score within a step of a move, in pixels of the image, down and right; -1 beyond reach."""
        reach = len(self.scores) // 2
        row, column = (round(value / self.scale) + reach for value in step_px)
        near = self.scores[max(0, row - 1) : max(0, row + 2), max(0, column - 1) : max(0, column + 2)]
        return float(near.max(initial=-1.0))


@dataclass(frozen=True)
class Shift:
    """Masks that lie beside what they show.

    Attributes:
        step_px: down and right, by which they are to be moved.
        places: of the masks.
        gains: how much better each fits.
    """

    step_px: tuple[int, int]
    places: tuple[int, ...]
    gains: tuple[float, ...]


def fit_of(image: np.ndarray, label: np.ndarray) -> Fit | None:
    """Move the outlines of a mask over its image.

    Args:
        image: (H, W, C) uint8.
        label: uint8, (H, W) or (H, W, K).

    Returns:
        None where the image is too small, or hardly anything is outlined.
    """
    scale = max(1.0, max(image.shape[:2]) / _SIDE_PX)
    size = max(1, round(image.shape[1] / scale)), max(1, round(image.shape[0] / scale))
    reach = min(_REACH_PX, min(size) // 6)
    if reach <= _LEAST_PX:
        return None
    edges = _edges(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    outline = _outlines(cv2.resize(label, size, interpolation=cv2.INTER_NEAREST_EXACT))[reach:-reach, reach:-reach]
    if outline.sum() < _LEAST_OUTLINE_PX:
        return None
    scores = cv2.matchTemplate(edges, outline, cv2.TM_CCOEFF_NORMED)
    return Fit(scores, scale) if np.isfinite(scores).all() and scores.std() > 0 else None


def _edges(image: np.ndarray) -> np.ndarray:
    # Channel by channel, since OpenCV has many of these steps for planes alone, where it takes a third of the time.
    planes = (cv2.magnitude(*(cv2.Sobel(plane, cv2.CV_32F, *order) for order in ((1, 0), (0, 1))))
              for plane in cv2.split(image))  # fmt: skip
    steps = reduce(np.maximum, planes)
    return np.asarray(np.minimum(steps, np.percentile(steps, _STRONG)), np.float32)


def _outlines(label: np.ndarray) -> np.ndarray:
    """Give 1 where the pixel above or below, left or right is of another class; float32, (H, W)."""
    planes = np.atleast_3d(label)
    differs = np.zeros(planes.shape, np.bool_)
    for axis in (0, 1):
        step = np.diff(planes, axis=axis) != 0
        before, behind = [(0, 0)] * 3, [(0, 0)] * 3
        before[axis], behind[axis] = (1, 0), (0, 1)
        differs |= np.pad(step, before) | np.pad(step, behind)
    return np.asarray(differs.any(axis=2), np.float32)


def find_shift(fits: Sequence[Fit | None]) -> Shift | None:
    """Find masks that lie beside what they show, all by the same step.

    Args:
        fits: of each image.

    Returns:
        None where there are none.
    """
    voters = [place for place, fit in enumerate(fits) if fit is not None and not np.isnan(_best(fit)[0])]
    if len(voters) < _LEAST_VOTES:
        return None
    voting = [fit for fit in (fits[place] for place in voters) if fit is not None]
    steps, scales = np.array([_best(fit) for fit in voting]), np.array([fit.scale for fit in voting])
    is_away = np.abs(steps).max(1) >= (_LEAST_PX - 0.5) * scales
    near = np.abs(steps[:, None] - steps).max(2) <= np.maximum(scales[:, None], scales)
    support = (near & is_away).sum(1) * is_away
    chosen = near[support.argmax()] & is_away
    if support.max() < _enough(fits, num_away=int(is_away.sum())) or (chosen | ~is_away).mean() < _LEAST_TOLD:
        return None
    gains = [fit.at((step[0], step[1])) - fit.at((0, 0)) for fit, step in zip(voting, steps, strict=True)]
    if np.median(np.array(gains)[chosen]) < _LEAST_TYPICAL_GAIN:
        return None
    rows, columns = steps[chosen].T
    return _members(fits, (round(float(np.median(rows))), round(float(np.median(columns)))))


def _best(fit: Fit) -> tuple[float, float]:
    """Give the step that fits best, in pixels of the image; nan where none stands out."""
    scores = fit.scores
    reach = len(scores) // 2
    row, column = np.unravel_index(scores.argmax(), scores.shape)
    stands_out = (scores.max() - scores.mean()) / scores.std() >= _LEAST_PEAK
    if not stands_out or max(abs(row - reach), abs(column - reach)) >= reach:
        return np.nan, np.nan
    down = _summit(scores[row - 1 : row + 2, column]) + row - reach
    right = _summit(scores[row, column - 1 : column + 2]) + column - reach
    return down * fit.scale, right * fit.scale


def _summit(scores: np.ndarray) -> float:
    """Give where a parabola through three scores is highest, from the middle one on."""
    before, middle, behind = scores.tolist()
    bend = 2 * middle - before - behind
    return (behind - before) / (2 * bend) if bend > 0 else 0.0


def _enough(fits: Sequence[Fit | None], *, num_away: int) -> float:
    """Give how many votes must be for one step: more than fall on any by chance."""
    cells = [fit.scores.size for fit in fits if fit is not None]
    chance = 9 * num_away / float(np.median(cells))
    return float(max(_LEAST_VOTES, _LEAST_SHARE * len(cells), chance + _LEAST_ABOVE_CHANCE * np.sqrt(chance)))


def _members(fits: Sequence[Fit | None], step_px: tuple[int, int]) -> Shift | None:
    gains = [0.0 if fit is None else fit.at(step_px) - fit.at((0, 0)) for fit in fits]
    told = [gain for fit, gain in zip(fits, gains, strict=True) if fit is not None]
    if sum(gain <= 0 for gain in told) <= _MOST_LEFT * len(told):
        places = tuple(range(len(fits)))
    else:
        places = tuple(place for place, gain in enumerate(gains) if gain >= _LEAST_GAIN)
    if len(places) < _LEAST_VOTES:
        return None
    return Shift(step_px, places, tuple(gains[place] for place in places))
