"""Masks of one class in which foreground and background are swapped, among others in which they are not.

Told by two things that have to agree: the mask lies far from the others by its shape, and turned inside out it lies
among them; and its foreground looks as the background of the others does.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from incmask.base.words import counted
from incmask.data.doctor.finding import Finding, worst_first

_SHAPE_PX, _PIXELS_PX = 64, 32
"""Sides of the small masks and images that are compared."""
_FEWEST = 8
"""Masks of which others can be told."""
_MOST_SWAPPED = 0.15
"""Share of the masks that may be swapped; of more, none can be told."""
_LEAST_FAR = 0.8
"""From the others, where the distance of an empty mask from one that is all foreground is about 1.4."""
_NEARER, _NEARER_SURE = 0.5, 0.6
"""Turned inside out, the mask lies nearer to the others by this factor at least; of pixels of the foreground and of the
background, the former look like foreground in no more than this share of pairs."""


@dataclass(frozen=True)
class Ground:
    """What is compared of a mask.

    Attributes:
        shape, swapped: of the mask, and of the mask turned inside out: the shares of the border and of all pixels that
            are foreground, and the numbers of pieces of foreground and of background, on a scale of doublings.
        pixels: (N, F): of some pixels, for each feature the rank within the image, -0.5 to 0.5.
        is_foreground: (N,), of these.
    """

    shape: np.ndarray
    swapped: np.ndarray
    pixels: np.ndarray
    is_foreground: np.ndarray

    @property
    def difference(self) -> np.ndarray:
        """How the foreground differs from the background, (F,)."""
        return np.asarray(self.pixels[self.is_foreground].mean(0) - self.pixels[~self.is_foreground].mean(0))


def ground_of(image: np.ndarray, label: np.ndarray) -> Ground | None:
    """Look at an image with its mask.

    Args:
        image: (H, W, C) uint8.
        label: (H, W): 1 is foreground.

    Returns:
        None where the mask is all foreground, or has none.
    """
    small = cv2.resize((label == 1).astype(np.uint8), (_SHAPE_PX, _SHAPE_PX), interpolation=cv2.INTER_NEAREST_EXACT)
    step = _SHAPE_PX // _PIXELS_PX
    is_foreground = small[::step, ::step].ravel() == 1
    if is_foreground.all() or not is_foreground.any():
        return None
    return Ground(_shape(small), _shape(1 - small), _ranks(image), is_foreground)


def _shape(mask: np.ndarray) -> np.ndarray:
    border = np.concatenate([mask[0], mask[-1], mask[1:-1, 0], mask[1:-1, -1]])
    pieces = [cv2.connectedComponents(plane, connectivity=way)[0] for plane, way in ((mask, 8), (1 - mask, 4))]
    return np.array([border.mean(), mask.mean(), *(np.log2(pieces) / 4)])


def _ranks(image: np.ndarray) -> np.ndarray:
    """Give for each pixel of a small image the ranks of its grey, its edges, and how its channels differ."""
    small = cv2.resize(image, (_PIXELS_PX, _PIXELS_PX), interpolation=cv2.INTER_AREA).astype(np.float32)
    small = small.reshape(_PIXELS_PX, _PIXELS_PX, -1)
    grey = small.mean(2)
    edges = cv2.magnitude(*(cv2.Sobel(grey, cv2.CV_32F, *order) for order in ((1, 0), (0, 1))))
    features = np.dstack([grey, cv2.GaussianBlur(edges, (0, 0), 1.5), np.diff(small, axis=2)]).reshape(grey.size, -1)
    return np.asarray(features.argsort(axis=0).argsort(axis=0) / grey.size - 0.5, np.float32)


def find_inverted(grounds: Sequence[Ground]) -> dict[int, float]:
    """Find masks that are swapped among others.

    Returns:
        Of each, by its place, how much nearer it lies to the others turned inside out: 0.5 to 1.
    """
    if len(grounds) < _FEWEST:
        return {}
    shapes, swapped = (np.array([getattr(each, name) for each in grounds]) for name in ("shape", "swapped"))
    far, far_swapped = (_from_others(points, shapes) for points in (shapes, swapped))
    places = np.flatnonzero((far >= _LEAST_FAR) & (far_swapped <= _NEARER * far)).tolist()
    if not places:
        return {}
    spread = np.mean([np.cov(each.pixels.T) for each in grounds], axis=0) + 1e-3 * np.eye(grounds[0].pixels.shape[1])
    differences = np.array([each.difference for each in grounds])
    found = {}
    for place in places:
        direction = np.linalg.solve(spread, np.delete(differences, place, axis=0).mean(0))
        if _share_higher(grounds[place].pixels @ direction, grounds[place].is_foreground) <= _NEARER_SURE:
            found[place] = float(1 - far_swapped[place] / far[place])
    return found


def _from_others(points: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    """Give how far each point lies from the others' shapes but for the nearest, which may be swapped, too."""
    distances = np.linalg.norm(points[:, None] - shapes, axis=2)
    np.fill_diagonal(distances, np.inf)
    return np.asarray(np.sort(distances, axis=1)[:, max(2, int(_MOST_SWAPPED * len(shapes)))])


def _share_higher(scores: np.ndarray, is_foreground: np.ndarray) -> float:
    """Give of pairs of a pixel of the foreground and one of the background the share in which the former is higher."""
    num, num_others = int(is_foreground.sum()), int((~is_foreground).sum())
    ranks = scores.argsort().argsort()
    return float((ranks[is_foreground].sum() - num * (num - 1) / 2) / (num * num_others))


def inverted_finding(files: Sequence[str], grounds: Sequence[Ground]) -> Finding | None:
    """Tell of masks that are swapped; ``files`` names all that were looked at."""
    found = find_inverted(grounds)
    if not found:
        return None
    what = (
        f"{counted(len(found), 'mask')} of {len(files):,} looked at seem to have foreground and background swapped: "
        "turned inside out, they are like the others in shape and in what they mark"
    )
    remedy = "swap the two in these masks, or export them again; leave them if they are as they are meant"
    worst = worst_first([files[place] for place in found], [*found.values()])
    return Finding("inverted_masks", "warning", worst, max(found.values()), what, remedy)
