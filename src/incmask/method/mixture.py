"""What each model learns from: the labelled part, and in later generations the pseudo-labelled pairs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from incmask.base.config import Settings, Task
from incmask.method.augment import Strength
from incmask.method.blocking import blocking_of
from incmask.method.profiles import Profile
from incmask.method.recipe import Blocking, Recipe

NUM_AUGMENTED_COPIES = 9
"""Copies of each labelled image beside itself, in an augmented labelled part (paper section 2.3.3)."""

_ROUNDING = 1e-9
"""So that a share that is reached exactly asks for no further copy."""


ROW = np.dtype([("source", "u1"), ("index", "<i4"), ("strength", "i1"), ("seed", "<u4")])
"""One training example: which source, which image of it, which entry of the strengths (-1: as it is),
and the seed of its augmentation. Copies of an image are rows that differ in their seeds alone."""

PLAIN = -1

NO_ROWS = np.zeros(0, ROW)

_LABELLED_STREAM = 3000
"""In place of the number of a generation, so that labelled images that are augmented once have seeds of their own."""


@dataclass(frozen=True)
class TrainingStacks:
    """Stacks on disk, of which single rows are read.

    Attributes:
        images: ``.npy``, uint8, (N, H, W, C).
        labels: ``.npy``, uint8, (N, H, W) class ids or (N, H, W, K) for multilabel; 255: no label.
        inconsistent: ``.npy``, bool, (N, H, W): pixels on which the teachers disagreed; None: nowhere.
    """

    images: Path
    labels: Path
    inconsistent: Path | None = None


@dataclass(frozen=True)
class TrainingSet:
    """The combined data (CD) of one generation: the labelled part and the pseudo-labelled pairs.

    Attributes:
        sources: stacks that the rows point into.
        strengths: augmentation maxima that the rows point into, the strongest last.
        rows: array of ``ROW``; those of labelled images come first.
        task: what the labels mean.
        blocking: what is done to inconsistent pixels.
        num_pseudo: rows of pseudo-labelled pairs, the last ones.
        fillers: rows whose pixels may stand in place of inconsistent ones of these pairs; empty: nothing does.
        depth: slices of a volume, where images are sheets of such; None: they are images.
    """

    sources: tuple[TrainingStacks, ...]
    strengths: tuple[Strength, ...]
    rows: np.ndarray
    task: Task
    blocking: Blocking | None = None
    num_pseudo: int = 0
    fillers: np.ndarray = field(default_factory=lambda: NO_ROWS)
    depth: int | None = None


@dataclass(frozen=True)
class TrainingPart:
    """Images that go into a training set.

    Attributes:
        source: where they are.
        rows: which of them.
        copies: how often each of them is used; None: once.
        certain: which of the rows are least disputed.
    """

    source: TrainingStacks
    rows: Sequence[int]
    copies: Sequence[int] | None = None
    certain: Sequence[int] = ()


def mix(
    recipe: Recipe,
    *,
    labelled: Sequence[TrainingPart],
    pseudo: TrainingPart | None,
    generation: int,
    profile: Profile,
    settings: Settings,
    task: Task,
    depth: int | None = None,
) -> TrainingSet:
    """Put the combined data (CD) of a generation together (paper section 2.4).

    The labelled part is never augmented unless the recipe has augmented copies of it, is the strong baseline or makes
    pseudo-labels at each step, or the setting ``augment = "everything"`` asks for it. Each of its images stands there
    once, or as often as it takes to reach the setting ``labelled_share``; with two ``streams`` once, since batches have
    that share. Where augmentations are drawn once (``redraw`` is False), those of the labelled part are the same in all
    generations: ALD is one set of images (section 2.3.3).

    Args:
        recipe: which parts, and which of them are augmented.
        labelled: images with true labels.
        pseudo: admitted pairs; None in a base recipe.
        generation: counted from 1; 0 for a base recipe.
        profile: augmentation maxima.
        settings: ``augment``, ``blocking``, ``labelled_share``, ``streams``, ``redraw`` and ``seed``.
        task: what the labels mean.
        depth: as of ``TrainingSet``.

    Examples:
        >>> from incmask.method.profiles import PROFILES
        >>> from incmask.method.recipes import RECIPES
        >>> labelled = TrainingPart(TrainingStacks(Path("a.npy"), Path("b.npy")), rows=range(2))
        >>> pseudo = TrainingPart(TrainingStacks(Path("c.npy"), Path("d.npy")), rows=range(6), copies=[1] * 5 + [3])
        >>> settings, profile = Settings(labelled_share=0.5), PROFILES["generic"]
        >>> given = {"profile": profile, "settings": settings, "task": "binary"}
        >>> made = mix(RECIPES["im+"], labelled=[labelled], pseudo=pseudo, generation=1, **given)
        >>> np.bincount(made.rows["source"]).tolist()  # 2 labelled images, 4 times each; 8 pairs
        [8, 8]
    """
    weakest, growing, strongest = range(3)
    strengths = (profile.strength(1), profile.strength(max(generation, 1)), profile.strongest)
    is_modern = recipe.labelled == "strong" or recipe.is_online
    unless_everything = weakest if settings.augment == "everything" or is_modern else PLAIN

    sources: list[TrainingStacks] = []
    chunks: list[np.ndarray] = []

    def rows_of(part: TrainingPart, indices: Sequence[int] | np.ndarray, strength: int = PLAIN) -> np.ndarray:
        if part.source not in sources:
            sources.append(part.source)
        made = np.zeros(len(indices), ROW)
        made["source"], made["index"], made["strength"] = sources.index(part.source), indices, strength
        return made

    def add(part: TrainingPart, strength: int, *, copies: Sequence[int] | None = None) -> None:
        indices = np.repeat(np.asarray(part.rows, np.int64), 1 if copies is None else copies)
        chunks.append(rows_of(part, indices, strength))

    for part in labelled:
        add(part, unless_everything)
        if recipe.labelled == "augmented":
            for _ in range(NUM_AUGMENTED_COPIES):
                add(part, strongest)
    num_chunks, num_pseudo, times = len(chunks), 0, 1
    if pseudo is not None:
        if recipe.keep_plain:
            add(pseudo, unless_everything)
        add(pseudo, growing if recipe.augment == "growing" else unless_everything, copies=pseudo.copies)
        num_labelled = sum(len(chunk) for chunk in chunks[:num_chunks])
        num_pseudo = sum(len(chunk) for chunk in chunks[num_chunks:])
        if settings.streams == "mixed":
            wanted = settings.labelled_share / (1 - settings.labelled_share) * num_pseudo
            times = max(1, math.ceil(wanted / num_labelled - _ROUNDING))

    rows = np.concatenate(chunks[:num_chunks] * times + chunks[num_chunks:])
    generator = np.random.default_rng([settings.seed, generation])
    rows["seed"] = generator.integers(0, 2**32, len(rows), dtype=np.uint32)
    if not settings.redraw:
        fixed = [_fixed_seeds(chunk["index"], settings.seed, place) for place, chunk in enumerate(chunks[:num_chunks])]
        seeds = np.concatenate(fixed * times)
        rows["seed"][: len(seeds)] = seeds
    blocking, fillers = blocking_of(recipe, settings), [NO_ROWS]
    if pseudo is not None and num_pseudo and blocking is not None:
        if blocking.fill == "labelled":
            fillers += [rows_of(part, part.rows) for part in labelled]
        elif blocking.fill == "certain":
            fillers += [rows_of(pseudo, pseudo.certain)]
    return TrainingSet(tuple(sources), strengths, rows, task, blocking, num_pseudo, np.concatenate(fillers), depth)


def _fixed_seeds(indices: np.ndarray, seed: int, number_of_copy: int) -> np.ndarray:
    """Give seeds that depend on an image and the number of its copy alone, whichever others stand beside it."""
    generator = np.random.default_rng([seed, _LABELLED_STREAM, number_of_copy])
    seeds: np.ndarray = generator.integers(0, 2**32, indices.max(initial=-1) + 1, dtype=np.uint32)[indices]
    return seeds
