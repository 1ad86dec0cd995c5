"""How well objects are found and counted: counts against the truth, panoptic quality and AP50."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

Ids = Annotated[NDArray[np.integer], "h w"]


@dataclass(frozen=True)
class ObjectMatch:
    """The objects of one image, found and true.

    Attributes:
        num_true, num_found: of objects.
        num_pairs: pairs of a true and a found object whose IoU is more than 0.5; no object is in two of them. None: not
            known, as the objects were only counted.
        iou_sum: of these pairs.
    """

    num_true: int
    num_found: int
    num_pairs: int | None = None
    iou_sum: float = 0.0


@dataclass(frozen=True)
class ObjectScores:
    """What was found of the objects of all images.

    Attributes:
        num_images: that were looked at.
        num_true, num_found: objects of all images.
        absolute_error: mean over images of |found - true|.
        relative_error: the sum of |found - true| by that of the true ones; nan where there are none.
        pq: panoptic quality: the sum of the pairs' IoU by the mean of the numbers of true and found objects; nan where
            there are none, or were only counted.
        ap50: the pairs by all that was true or found, the Data Science Bowl's precision at an IoU of 0.5; nan as
            well then.
    """

    num_images: int
    num_true: int
    num_found: int
    absolute_error: float
    relative_error: float
    pq: float
    ap50: float


def match_objects(found: Ids, true: Ids) -> ObjectMatch:
    """Pair the objects of an image.

    Args:
        found: (H, W) ids, 0 where there is no object.
        true: the same.

    Examples:
        >>> found, true = np.array([[1, 1, 1, 0, 2]]), np.array([[5, 5, 0, 0, 7]])
        >>> match_objects(found, true)
        ObjectMatch(num_true=2, num_found=2, num_pairs=2, iou_sum=1.6666666666666665)
    """
    (_, found_at), (_, true_at) = (np.unique(_with_ground(ids), return_inverse=True) for ids in (found, true))
    areas_px, true_areas_px = np.bincount(found_at), np.bincount(true_at)
    pairs, shared_px = np.unique(found_at * len(true_areas_px) + true_at, return_counts=True)
    ours, theirs = np.divmod(pairs, len(true_areas_px))
    iou = shared_px / (areas_px[ours] + true_areas_px[theirs] - shared_px)
    iou = iou[(ours > 0) & (theirs > 0) & (iou > 0.5)]
    return ObjectMatch(len(true_areas_px) - 1, len(areas_px) - 1, len(iou), float(iou.sum()))


def _with_ground(ids: Ids) -> Annotated[NDArray[np.integer], "n"]:
    """Give the ids one after the other, and before them a 0, so that the ground is the first of them."""
    return np.concatenate([np.zeros(1, ids.dtype), ids.ravel()])


def object_scores(matches: Iterable[ObjectMatch]) -> ObjectScores:
    """Join what was found in several images, one or more.

    Examples:
        >>> scores = object_scores([ObjectMatch(2, 2, 2, 1.75), ObjectMatch(3, 2, 1, 0.75)])
        >>> scores.absolute_error, scores.relative_error, round(scores.pq, 3), scores.ap50
        (0.5, 0.2, 0.556, 0.5)
    """
    listed = [*matches]
    num_true, num_found = sum(each.num_true for each in listed), sum(each.num_found for each in listed)
    pairs = [math.nan if each.num_pairs is None else each.num_pairs for each in listed]
    iou_sum = math.nan if math.isnan(sum(pairs)) else sum(each.iou_sum for each in listed)
    error = sum(abs(each.num_found - each.num_true) for each in listed)
    return ObjectScores(
        len(listed),
        num_true,
        num_found,
        absolute_error=error / len(listed),
        relative_error=_share(error, num_true),
        pq=_share(iou_sum, (num_true + num_found) / 2),
        ap50=_share(sum(pairs), num_true + num_found - sum(pairs)),
    )


def object_details(matches: Iterable[ObjectMatch]) -> dict[str, float]:
    """Give scores by the names that they have in tables, those that can be told: ``count_error``, ``pq``, ``ap50``.

    Examples:
        >>> object_details([ObjectMatch(2, 3), ObjectMatch(2, 2)])  # only counted
        {'count_error': 0.25}
        >>> object_details([])
        {}
    """
    if not (listed := [*matches]):
        return {}
    scores = object_scores(listed)
    named = {"count_error": scores.relative_error, "pq": scores.pq, "ap50": scores.ap50}
    return {name: value for name, value in named.items() if not math.isnan(value)}


def _share(part: float, whole: float) -> float:
    return part / whole if whole else math.nan
