"""Teachers and unlabelled images in, pseudo-labels out (paper sections 2.4.1, 2.4.2, 2.4.5 and 2.4.6)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from incmask.base.config import Settings, Task
from incmask.method.agreement import combine
from incmask.method.augment import Strength
from incmask.method.cap import capped
from incmask.method.cells import redraw_cells
from incmask.method.exact import mean_of_members
from incmask.method.labels import labels_of
from incmask.method.values import mean_of_values, spread_rule_of
from incmask.method.views import draw_view, relit, turned, turned_back


@dataclass(frozen=True)
class Unlabelled:
    """Some images that are to be labelled, and what a labeller may ask about them.

    Attributes:
        images: uint8, (N, H, W, C).
        first: row of the first one among all unlabelled images.
        task: what the labels mean.
        settings: of the run.
        predict: gives the teachers' probabilities of any images, one teacher after the other: float32, (N, C, H, W).
        rate: gives the EvalNets' ratings of labels of the images, float (N,) in 0 to 1; asked where there are such.
        label, quality: what an earlier generation's labeller that rates has accepted, and its rating, float (N,):
            -1 where it has accepted none.
        erode_px, dilate_px: sides of the squares that change the mask, as for ``inconsistency``; 0 without blocking.
        strength, seed: of changed views (section 2.4.2); each image and view draws its own.
        max_blocked_share: of a class, as for ``capped``; 1: all of it, as without blocking.
        position: multilabel channel in which labels mark cells by discs, as ``redraw_cells`` draws them; None: labels
            are as the teachers say.
        depth: slices of each image, where they are sheets of volumes; None: they are images.
    """

    images: np.ndarray
    first: int
    task: Task
    settings: Settings
    predict: Callable[[np.ndarray], Iterator[np.ndarray]]
    rate: Callable[[np.ndarray], np.ndarray]
    label: np.ndarray
    quality: np.ndarray
    erode_px: int
    dilate_px: int
    strength: Strength
    seed: int
    max_blocked_share: float = 1.0
    position: int | None = None
    depth: int | None = None


@dataclass(frozen=True)
class Labelled:
    """Pseudo-labels of some images.

    Attributes:
        label: uint8, (N, H, W) or (N, H, W, K); numbers as floats, (N, H, W).
        inconsistent: bool, (N, H, W): disputed pixels.
        quality: ratings, float (N,); None: the labeller does not rate.
        raw: label and mask as the votes are, before the mask was eroded, dilated and capped, where that is known to
            differ: admission compares these.
    """

    label: np.ndarray
    inconsistent: np.ndarray
    quality: np.ndarray | None = None
    raw: "Labelled | None" = None


def label_by_vote(unlabelled: Unlabelled, *, with_views: bool = False, soft: bool = False) -> Labelled:
    """Let the teachers vote, or each of them on changed views of an image; of numbers, take their mean.

    Args:
        unlabelled: the images.
        with_views: vote on ``num_views`` changed versions of each image (section 2.4.2).
        soft: as for ``combine``.

    Examples:
        >>> from types import SimpleNamespace
        >>> says = np.array([[0.9, 0.9], [0.9, 0.2]]).reshape(2, 1, 1, 1, 2)  # two teachers on an image of two pixels
        >>> plain = {"erode_px": 0, "dilate_px": 0, "max_blocked_share": 1, "position": None, "depth": None}
        >>> asked = SimpleNamespace(images=None, task="binary", predict=lambda images: says, **plain)
        >>> found = label_by_vote(asked)
        >>> found.label.tolist(), found.inconsistent.tolist()
        ([[[1, 0]]], [[[False, True]]])
    """
    members = np.stack([*(_views(unlabelled) if with_views else unlabelled.predict(unlabelled.images))])
    task, sides_px = unlabelled.task, {"erode_px": unlabelled.erode_px, "dilate_px": unlabelled.dilate_px}
    if labels_of(task).is_continuous:
        rule, depth = spread_rule_of(unlabelled.settings), unlabelled.depth
        found = mean_of_values(members[:, :, 0], rule, **sides_px, depth=depth)
        return Labelled(found.label, found.inconsistent)
    voted = before = combine(members, task=task, soft=soft, **sides_px, depth=unlabelled.depth)
    if max(sides_px.values()) > 1 and (
        labels_of(task).is_one_class or unlabelled.settings.admit == "confident_all_tasks"
    ):
        before = combine(members, task=task, soft=soft)
    if unlabelled.max_blocked_share < 1:
        voted = capped(voted, mean_of_members(members), task=task, max_share=unlabelled.max_blocked_share)
    raw = Labelled(before.label, before.inconsistent) if before is not voted else None
    label = voted.label
    if unlabelled.position is not None:
        # Of members that are to agree, what all of them mark.
        places = label if soft or len(members) == 1 else labels_of(task).votes(members).min(0)
        label = _with_discs(label, places, unlabelled.position)
    return Labelled(label, voted.inconsistent, raw=raw)


def best_candidates(unlabelled: Unlabelled) -> Labelled:
    """Take the mask with the best rating of all teachers' and of the one that was accepted before, which wins ties.

    Examples:
        >>> from types import SimpleNamespace
        >>> says = np.array([[0.9, 0.2], [0.9, 0.9]]).reshape(2, 1, 1, 1, 2)  # two teachers on an image of two pixels
        >>> before = {"label": np.zeros((1, 1, 2), np.uint8), "quality": np.array([-1.0]), "position": None}
        >>> images, rate = np.zeros((1, 1, 2, 3), np.uint8), lambda label: label.mean((1, 2))
        >>> asked = SimpleNamespace(images=images, task="binary", predict=lambda images: says, rate=rate, **before)
        >>> found = best_candidates(asked)
        >>> found.label.tolist(), found.quality.tolist()
        ([[[1, 1]]], [1.0])
    """
    label, best = unlabelled.label.copy(), unlabelled.quality
    for probability in unlabelled.predict(unlabelled.images):
        candidate = labels_of(unlabelled.task).decode(probability)
        if unlabelled.position is not None:
            candidate = _with_discs(candidate, candidate, unlabelled.position)
        rating = unlabelled.rate(candidate)
        better = rating > best
        best, label[better] = np.where(better, rating, best), candidate[better]
    return Labelled(label, np.zeros(unlabelled.images.shape[:3], bool), best)


def _with_discs(label: np.ndarray, places: np.ndarray, position: int) -> np.ndarray:
    """Mark the cells that ``places`` has by discs; the rest of the label stays."""
    label = label.copy()
    label[..., position] = redraw_cells(places[..., position])
    return label


def _views(unlabelled: Unlabelled) -> Iterator[np.ndarray]:
    """Give each teacher's probabilities of each view, turned back."""
    strength, depth = unlabelled.strength, unlabelled.depth
    for view in range(unlabelled.settings.num_views):
        changed, geometries = [], []
        for row, image in enumerate(unlabelled.images, unlabelled.first):
            generator = np.random.default_rng([unlabelled.seed, row, view])
            geometries.append(draw_view(strength, image.shape, generator, depth=depth))
            moved = turned(image, geometries[-1], depth=depth)
            changed.append(relit(moved, strength=strength, generator=generator, depth=depth))
        for member in unlabelled.predict(np.stack(changed)):
            back = (
                turned_back(np.moveaxis(each, 0, -1), where, depth=depth)
                for each, where in zip(member, geometries, strict=True)
            )
            yield np.stack([np.moveaxis(each, -1, 0) for each in back])
