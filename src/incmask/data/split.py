"""Which labelled images choose the epochs and the members where there is no ``val/`` folder."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from incmask.data.rounds import without_round

VALIDATION_FRACTION = 0.2
FEW_GROUPS = 30
"""Below this many groups of labelled images, models take turns: each is trained without another fifth.

A fifth of fewer is no six subjects, from which nothing could be told, while all models would miss the same labels
(``docs/results.md``, "Few labels").
"""
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


def make_folds(
    names: Sequence[str],
    *,
    has_val: bool,
    seed: int,
    num_models: int = MAX_FOLDS,
    groups: Mapping[str, str] | None = None,
) -> tuple[Fold, ...]:
    """Decide what trains and what chooses; tiles of one image, and images of one group, stay together.

    With ``val/`` all labelled images train. Without it, groups with a fifth of the images are split off; of fewer than
    30 groups, student i trains without fold i of five, or as many as there are groups, and is scored on it. Images of a
    single group are divided nonetheless; a single image must serve as both. Images of later rounds of labelling never
    validate, so that every round is scored on the same ones; they train, unless their group validates.

    Args:
        names: the image of each row of the labelled stack.
        has_val: whether there is a validation part.
        seed: of the draw.
        num_models: of the smallest stage; folds beyond are left out, so that every stage is scored on the same ones.
        groups: by the image's name, as ``Item.group``; images that lack are groups of their own.

    Examples:
        >>> make_folds(["a", "a", "b"], has_val=False, seed=0)  # two tiles of an image, and one of another
        (Fold(training=(2,), validation=(0, 1)), Fold(training=(0, 1), validation=(2,)))
        >>> make_folds(["a", "b", "c"], has_val=False, seed=0, groups={"a": "eve", "b": "bob", "c": "eve"})
        (Fold(training=(1,), validation=(0, 2)), Fold(training=(0, 2), validation=(1,)))
    """
    rows = range(len(names))
    if has_val:
        return (Fold(tuple(rows), None),)
    unit_of = units_of(names, groups)
    first = _first_round(names)
    sizes = Counter(unit_of[name] for name in dict.fromkeys(names) if name in first)
    if len(sizes) == 1:
        return (Fold(tuple(rows), tuple(row for row in rows if names[row] in first)),)
    few = len(sizes) < FEW_GROUPS
    held_out = _divide(sizes, seed=seed)[:num_models] if few else [draw_groups(sizes, seed=seed)]
    return tuple(
        Fold(
            tuple(row for row in rows if unit_of[names[row]] not in held),
            tuple(row for row in rows if unit_of[names[row]] in held and names[row] in first),
        )
        for held in held_out
    )


def units_of(names: Sequence[str], groups: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give what must stay together of each image: its group, or where all that may validate have the same, itself.

    Args:
        names: of the images; those of later rounds may not validate.
        groups: by name; images that lack are groups of their own.
    """
    unit_of = {name: (groups or {}).get(name, name) for name in names}
    return {name: name for name in names} if len({unit_of[name] for name in _first_round(names)}) == 1 else unit_of


def draw_groups(sizes: Mapping[str, int], *, seed: int) -> frozenset[str]:
    """Draw groups that hold about a fifth of all images to validate on.

    Args:
        sizes: number of images by group, two groups or more.
        seed: of the draw.

    Examples:
        >>> sorted(draw_groups({"a": 1, "b": 1, "c": 1, "d": 7}, seed=0))
        ['a', 'c']
    """
    return take_groups(_shuffled(sizes, seed=seed), sizes, VALIDATION_FRACTION * sum(sizes.values()))


def take_groups(order: Sequence[str], sizes: Mapping[str, int], target: float) -> frozenset[str]:
    """Take groups in their order while that comes nearer to a number of images: one at least, and one remains.

    Args:
        order: of the groups, two or more.
        sizes: number of images by group.
        target: number of images to take.
    """
    taken: set[str] = set()
    count = 0
    for group in order:
        if len(taken) + 1 < len(order) and abs(count + sizes[group] - target) < abs(count - target):
            taken.add(group)
            count += sizes[group]
    return frozenset(taken or {min(order, key=lambda group: sizes[group])})


def can_hold_out(names: Sequence[str], groups: Mapping[str, str] | None = None) -> bool:
    """Tell whether there are groups enough to give some up for validation; else they are cross-validated."""
    unit_of = units_of(names, groups)
    return len({unit_of[name] for name in _first_round(names)}) >= FEW_GROUPS


def describe_folds(folds: Sequence[Fold], names: Sequence[str], groups: Mapping[str, str] | None = None) -> str | None:
    """Say in one line how validation is had; None where there is a ``val`` part."""
    first = folds[0]
    if first.validation is None:
        return None
    known, group_of = _first_round(names), groups or {}
    later = {*names} - known.keys()
    added = _say_later(folds, names, later) if later else ""
    if len(known) == 1:
        return "no val/ and a single labelled image: it trains and validates, so the scores are too good" + added
    told = {group_of.get(name, name) for name in known}
    subjects = f" of {len(told)} groups" if len(told) < len(known) else ""
    if len(told) == 1:
        added += "; all are of one group, so images that train and images that validate show the same subject"
        subjects = ""
    if len(folds) > 1:
        num = len({names[row] for fold in folds for row in fold.validation or ()})
        how = f"models take turns to be trained without some of the {len(known)} labelled images{subjects}"
        return f"no val/: {how}, {num} in all, which choose epochs and models{added}"
    held = {names[row] for row in first.validation}
    num_held = f" ({len({group_of.get(name, name) for name in held})} groups)" if subjects else ""
    how = f"{len(held)}{num_held} of the {len(known)} labelled images{subjects} are set aside"
    return f"no val/: {how} to choose epochs and members{added}"


def _say_later(folds: Sequence[Fold], names: Sequence[str], later: set[str]) -> str:
    left = [later - {names[row] for row in fold.training} for fold in folds]
    if not any(left):
        return f"; the {len(later)} of later rounds always train"
    num = max(map(len, left))
    return f"; the {len(later)} of later rounds train, but for {num} whose groups validate"


def _first_round(names: Sequence[str]) -> dict[str, None]:
    """Give the images that may validate, each once: those that were labelled at first, or all."""
    images = dict.fromkeys(names)
    return {name: None for name in images if without_round(name) == name} or images


def _divide(sizes: Mapping[str, int], *, seed: int) -> list[frozenset[str]]:
    """Divide groups, two or more, into folds with about as many images each, the largest groups first."""
    num_folds = min(len(sizes), MAX_FOLDS)
    folds: list[set[str]] = [set() for _ in range(num_folds)]
    counts = [0] * num_folds
    for group in sorted(_shuffled(sizes, seed=seed), key=lambda group: -sizes[group]):
        fold = counts.index(min(counts))
        folds[fold].add(group)
        counts[fold] += sizes[group]
    return [frozenset(fold) for fold in folds]


def _shuffled(sizes: Mapping[str, int], *, seed: int) -> list[str]:
    order = list(sizes)
    return [order[index] for index in np.random.default_rng(seed).permutation(len(order))]
