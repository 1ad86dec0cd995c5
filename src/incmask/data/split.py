"""Which labelled images choose the epochs and the members where there is no ``val/`` folder."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

VALIDATION_FRACTION = 0.2
FEW_IMAGES = 8
"""Below this many labelled images, none is given up: cross-validation takes each in turn."""
MAX_FOLDS = 5


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

    Args:
        names: the image of each row of the labelled stack.
        has_val: whether there is a validation part.
        seed: of the draw.
        num_models: of the smallest stage; there are no more folds, so that every stage is scored on all of them.
    """
    rows = range(len(names))
    if has_val:
        return (Fold(tuple(rows), None),)
    images = list(dict.fromkeys(names))
    if len(images) == 1:
        return (Fold(tuple(rows), tuple(rows)),)
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
    num_images = len(set(names))
    if num_images == 1:
        return "no val/ and a single labelled image: it trains and validates, so the scores are too good"
    if len(folds) > 1:
        return (
            f"no val/: {len(folds)}-fold cross-validation over {num_images} labelled images chooses epochs and models"
        )
    num_held = len({names[row] for row in first.validation})
    return f"no val/: {num_held} of the {num_images} labelled images are set aside to choose epochs and members"
