"""Whether the unlabelled images are like the labelled ones, which alone can be told by what was learnt from these."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from incmask.base.words import counted
from incmask.data.dataset import Item
from incmask.data.doctor.finding import Finding, label_of, worst_first
from incmask.data.images.readers import ImageFacts
from incmask.data.images.sketch import FEATURES

_SMALLEST_STEPS = np.array([20.0, 12.0, 10.0, 10.0, 10.0, 0.5, 0.5])
"""Of the features: no less makes a difference."""
_FAR, _FAR_OF_FEW = 0.75, 2.0
"""An image is unlike where it lies so many times the spread beyond the labelled ones; more where these are few."""
_LEAST_SHARE, _LEAST_NUM = 0.1, 3
"""Single images out of the way are in every folder."""
_APART, _APART_ERRORS = 0.9, 4.0
"""Parts differ where of so many pairs the one image lies on the same side, so many standard errors from a half."""
_FEW_LABELLED = 6


@dataclass(frozen=True)
class Unlike:
    """Unlabelled images that are unlike the labelled ones.

    Attributes:
        places: of them among the unlabelled ones.
        distances: how far each lies from the labelled ones, in spreads.
        feature: of FEATURES, that tells most of them.
        medians: of the feature over the labelled and over these images.
    """

    places: np.ndarray
    distances: np.ndarray
    feature: str
    medians: tuple[float, float]


def unlike(labelled: np.ndarray, unlabelled: np.ndarray) -> Unlike | None:
    """Find unlabelled images that lie far from all labelled ones, or parts that lie apart as a whole.

    Args:
        labelled, unlabelled: (N, F) and (M, F), features of each image.

    Returns:
        None where there are none, or too few images to tell.
    """
    if len(labelled) < 2 or len(unlabelled) < _LEAST_NUM:
        return None
    spread = np.maximum.reduce([_SMALLEST_STEPS, np.ptp(labelled, axis=0), 2 * _shortest_half(unlabelled)])
    # In place, as there may be a million.
    distances = labelled.min(0) - unlabelled
    np.maximum(distances, unlabelled - labelled.max(0), out=distances)
    np.maximum(distances, 0, out=distances)
    distances /= spread
    is_far = distances.max(1) > _FAR + _FAR_OF_FEW / len(labelled)
    if is_far.sum() >= max(_LEAST_NUM, _LEAST_SHARE * len(unlabelled)):
        return _told(labelled, unlabelled, distances, np.flatnonzero(is_far))
    steps = np.abs(np.median(labelled, 0) - np.median(unlabelled, 0)) / _SMALLEST_STEPS
    apart = np.where(_are_apart(labelled, unlabelled), steps, 0)
    if apart.max() <= 1:
        return None
    feature = int(apart.argmax())
    away = np.abs(unlabelled - np.median(labelled, 0)) / spread
    return _told(labelled, unlabelled, away * (np.arange(away.shape[1]) == feature), np.arange(len(unlabelled)))


def _told(labelled: np.ndarray, unlabelled: np.ndarray, distances: np.ndarray, places: np.ndarray) -> Unlike:
    feature = int(np.bincount(distances[places].argmax(1)).argmax())
    medians = float(np.median(labelled[:, feature])), float(np.median(unlabelled[places, feature]))
    return Unlike(places, distances[places].max(1), FEATURES[feature], medians)


def _shortest_half(values: np.ndarray) -> np.ndarray:
    """Give for each column how near half of the values lie together: a spread that another kind leaves as it is."""
    ordered, half = np.sort(values, axis=0), len(values) // 2
    return np.asarray((ordered[half:] - ordered[: len(values) - half]).min(0))


def _are_apart(labelled: np.ndarray, unlabelled: np.ndarray) -> np.ndarray:
    """Tell for each column whether nearly all values of the one part lie above those of the other (Mann-Whitney)."""
    num, num_others = len(labelled), len(unlabelled)
    # Sorted, as a table of all pairs of so many images would not fit into memory.
    below = [
        np.searchsorted(others, column, side).mean() / 2
        for column, others in zip(labelled.T, np.sort(unlabelled, axis=0).T, strict=True)
        for side in ("left", "right")
    ]
    higher = np.reshape(below, (-1, 2)).sum(1) / num_others
    error = np.sqrt((num + num_others + 1) / (12 * num * num_others))
    off = np.abs(higher - 0.5)
    return np.asarray((off > _APART - 0.5) & (off > _APART_ERRORS * error))


def unlike_findings(items: Mapping[str, Sequence[Item]], images: Mapping[Path, ImageFacts]) -> Iterator[Finding]:
    """Say what unlabelled images are unlike the labelled ones, and where these are too few for most."""
    labelled, unlabelled = (_features(items[part], images) for part in ("labelled", "unlabelled"))
    found = unlike(labelled, unlabelled) if len(unlabelled) else None
    if found is not None:
        names = [label_of("unlabelled", items["unlabelled"][place]) for place in found.places]
        share = len(names) / len(unlabelled)
        what = (
            f"{len(names)} of {counted(len(unlabelled), 'unlabelled image')} ({100 * share:.0f} %) are unlike the "
            f"labelled ones, most by {_described(found)}, so that masks of them cannot be trusted"
        )
        remedy = "label a few of these, or take them out of unlabelled"
        yield Finding("unlike_labelled", "warning", worst_first(names, found.distances.tolist()), share, what, remedy)
    num = len({item.group for item in items["labelled"]})
    if len(unlabelled) and num < _FEW_LABELLED:
        of_subjects = "" if num == len(labelled) else f" of {counted(num, 'subject')}"
        what = f"only {counted(len(labelled), 'labelled image')}{of_subjects}, so that much depends on which these are"
        remedy = "label a few more, of all kinds that the unlabelled ones show, if you can"
        yield Finding("few_labelled", "note", (), float(num), what, remedy)


def _features(items: Sequence[Item], images: Mapping[Path, ImageFacts]) -> np.ndarray:
    found = (images[item.image].sketch.features for item in items)
    return np.fromiter(found, np.dtype((np.float64, len(FEATURES))), len(items))


def _described(found: Unlike) -> str:
    before, now = found.medians
    if found.feature == "size":
        return f"size (median side {2**now:.0f} pixels, labelled {2**before:.0f})"
    if found.feature == "sharpness":
        return f"sharpness ({2 ** (now - before):.2g} times that of the labelled ones)"
    return f"{found.feature} (median {now:.0f}, labelled {before:.0f}, of 255)"
