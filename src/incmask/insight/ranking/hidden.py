"""Labels that are hidden to be bought again: who starts, who waits, and the data set after each purchase."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from incmask.base.caller import option
from incmask.base.errors import fail
from incmask.data.dataset import Dataset, Item
from incmask.data.split import VALIDATION_FRACTION, draw_groups, units_of

HiddenPart = Literal["labelled", "unlabelled"]

_POOL = "pool"
"""Folder in the names of images of the pool: they may be called the same as others of the part that they move to."""

_START_FRACTION, _BUDGET_FRACTION = 0.25, 0.25


@dataclass(frozen=True)
class Hidden:
    """Images of a data set, some of whose labels are hidden.

    Attributes:
        dataset: as it was, with images to validate on.
        start: labelled from the start.
        waiting: those whose labels can be bought.
        budget: how many are bought.
    """

    dataset: Dataset
    start: tuple[Item, ...]
    waiting: tuple[Item, ...]
    budget: int

    def bought(self, names: Collection[str]) -> Dataset:
        """Give the data set when the labels of some waiting images were bought; the others are unlabelled."""
        others = self.dataset.unlabelled
        waiting_files = {item.image for item in self.waiting}
        unlabelled = (
            *(item for item in self.waiting if item.name not in names),
            *(item for item in others if item.image not in waiting_files),
        )
        return replace(
            self.dataset,
            labelled=(*self.start, *(item for item in self.waiting if item.name in names)),
            unlabelled=tuple(replace(item, masks=None) for item in unlabelled),
        )


def with_validation(dataset: Dataset, *, seed: int) -> Dataset:
    """Set about a fifth of the labelled images aside to validate on, unless there are others: all orders need the same.

    Images of a group stay together, unless all are of the same.

    Raises:
        IncmaskError: too few labelled images.
    """
    if dataset.val:
        return dataset
    num_all = len(dataset.labelled)
    unit_of = units_of(tuple(dataset.groups()), dataset.groups())
    sizes = Counter(unit_of.values())
    aside = draw_groups(sizes, seed=seed) if round(num_all * VALIDATION_FRACTION) and len(sizes) > 1 else frozenset()
    labelled = tuple(item for item in dataset.labelled if unit_of[item.name] not in aside)
    if not aside or len(labelled) < 3:
        of_groups = f" of {len(sizes)} groups" if len(sizes) < num_all else ""
        what = f"has {num_all} labelled images{of_groups} and no val/"
        raise fail(dataset.root, what, "add some to labelled/ or val/")
    return replace(
        dataset, labelled=labelled, val=tuple(item for item in dataset.labelled if unit_of[item.name] in aside)
    )


def hide(
    dataset: Dataset, *, pool: HiddenPart, num_start: int | None, budget: int | None, seed: Sequence[int]
) -> Hidden:
    """Decide which images start with labels and which wait.

    Args:
        dataset: with images to validate on.
        pool: whose labels are bought: "labelled" hides some of the labelled images', "unlabelled" takes those that lie
            beside the unlabelled images, which nothing else reads.
        num_start: labelled images at the start, drawn by ``seed``; None: a quarter, of another pool all.
        budget: labels that are bought; None: a quarter of the labelled images, of another pool as many as there are
            labelled ones, but at most a half of those that wait.
        seed: of the draw.

    Raises:
        IncmaskError: too few images.
    """
    labelled = dataset.labelled
    if pool == "unlabelled":
        waiting = tuple(item for item in dataset.unlabelled if item.masks is not None)
        if not waiting:
            raise fail(dataset.root, "has no masks beside its unlabelled images", f"use {option('pool', 'labelled')}")
        num_start = len(labelled) if num_start is None else num_start
    else:
        waiting = ()
        num_start = max(2, round(len(labelled) * _START_FRACTION)) if num_start is None else num_start
    if not 1 <= num_start <= len(labelled):
        raise fail(option("start"), f"{num_start} of {len(labelled)} labelled images", "use fewer, but 1 or more")
    order = np.random.default_rng(seed).permutation(len(labelled))
    starting = set(order[:num_start].tolist())
    start = tuple(item for index, item in enumerate(labelled) if index in starting)
    if pool == "labelled":
        waiting = tuple(item for index, item in enumerate(labelled) if index not in starting)
    if budget is None:
        fraction = _BUDGET_FRACTION if pool == "labelled" else 1
        budget = max(1, min(round(len(labelled) * fraction), len(waiting) // 2))
    if not 1 <= budget < len(waiting):
        raise fail(
            option("budget"),
            f"{budget} of {len(waiting)} images that could be labelled leaves nothing to choose",
            f"use a smaller {option('budget')} or {option('start')}, or add labelled images",
        )
    return Hidden(dataset, start, tuple(replace(item, name=f"{_POOL}/{item.name}") for item in waiting), budget)
