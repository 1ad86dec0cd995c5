"""Which labelled images choose the epochs and the members where there is no ``val/`` folder."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

VALIDATION_FRACTION = 0.2
FEW_IMAGES = 8
"""Below this many labelled images, none is given up: cross-validation takes each in turn."""
MAX_FOLDS = 5

_ADDED = re.compile(r"round-\d+/")
"""Begins the names of images that were added to the labelled ones in a later round: ``Round.prefix``."""


@dataclass(frozen=True)
class Fold:
    """Rows of the labelled stack.

    Attributes:
        training: rows to learn from.
        validation: rows to be scored on; None: the ``val`` stack.
    """

    training: tuple[int, ...]
    validation: tuple[int, ...] | None


def make_folds(names: Sequence[str], *, has_val: bool, seed: int, num_models: int = MAX_FOLDS) -> tuple[Fold, ...]:
    """Decide what trains and what chooses; tiles of one image stay together.

    With ``val/`` all labelled images train. Without it, a fifth of them is split off; of fewer than
    8 images, student i trains without fold i and is scored on it. A single image must serve as both.
    Images of later rounds of labelling always train, so that every round is scored on the same ones.

    Args:
        names: the image of each row of the labelled stack.
        has_val: whether there is a validation part.
        seed: of the draw.
        num_models: of the smallest stage; there are no more folds, so that every stage is scored on all of them.

    Examples:
        >>> make_folds(["a", "a", "b"], has_val=False, seed=0)  # two tiles of an image, and one of another
        (Fold(training=(2,), validation=(0, 1)), Fold(training=(0, 1), validation=(2,)))
    """
    rows = range(len(names))
    if has_val:
        return (Fold(tuple(rows), None),)
    images = list(dict.fromkeys(name for name in names if not _ADDED.match(name))) or list(dict.fromkeys(names))
    if len(images) == 1:
        return (Fold(tuple(rows), tuple(row for row in rows if names[row] == images[0])),)
    order = [images[index] for index in np.random.default_rng(seed).permutation(len(images))]
    if len(images) < FEW_IMAGES:
        num_folds = max(2, min(len(images), MAX_FOLDS, num_models))
        held_out = [set(order[fold::num_folds]) for fold in range(num_folds)]
    else:
        held_out = [set(order[: round(len(images) * VALIDATION_FRACTION)])]
    return tuple(
        Fold(
            tuple(row for row in rows if names[row] not in held),
            tuple(row for row in rows if names[row] in held),
        )
        for held in held_out
    )


def describe_folds(folds: Sequence[Fold], names: Sequence[str]) -> str | None:
    """Say in one line how validation is had; None where there is a ``val`` part."""
    first = folds[0]
    if first.validation is None:
        return None
    later = {name for name in names if _ADDED.match(name)}
    num_images = len({*names} - later) or len(later)
    added = f"; the {len(later)} of later rounds always train" if later and len({*names}) > len(later) else ""
    if num_images == 1:
        return "no val/ and a single labelled image: it trains and validates, so the scores are too good" + added
    if len(folds) > 1:
        return (
            f"no val/: {len(folds)}-fold cross-validation over {num_images} labelled images chooses epochs and models"
            + added
        )
    num_held = len({names[row] for row in first.validation})
    return f"no val/: {num_held} of the {num_images} labelled images are set aside to choose epochs and members" + added
