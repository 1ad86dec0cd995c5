"""What a search for settings tries, and for how long: draws at random, of which ever fewer are trained ever longer.

Successive halving (Jamieson & Talwalkar 2016) is arithmetic, and done here. Libraries for it stop trainings midway by
the scores that they report; here a training's learning rate falls over its whole length, so that scores midway tell
little: of each rung all begin anew, with equal steps, as whole runs.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from incmask.base.bounds import UNET
from incmask.base.caller import either, option
from incmask.base.choosing import resolve_again
from incmask.base.config import ENCODER_SETTINGS, WIDTH_SETTINGS, Settings
from incmask.base.errors import fail
from incmask.experiment.named import AMOUNTS
from incmask.experiment.setup import base_folders
from incmask.method.growth import num_generations_of, num_students_of
from incmask.method.recipe import Recipe

STANDARD: dict[str, tuple[object, ...]] = {
    "learning_rate": (0.0005, 0.001, 0.002, 0.003, 0.005, 0.01),
    "batch_size": (8, 16, 32),
    "width": (0.25, 0.5, 0.75),
    "augment": ("recipe", "everything"),
    "strong": (0.0, 0.5, 1.0),
    "cutmix": (0.0, 0.5, 1.0),
    "erode_px": (0, 3),
    "dilate_px": (0, 3, 5),
}
"""Values to try of each setting, as far as it makes a difference to the recipe."""

TRIED = {"num_base": 2, "num_students": 2, "num_generations": 1, "num_evalnets": 2}
"""How little a trial trains, unless somebody says otherwise."""

_NOT_TRIED = {
    **dict.fromkeys((*AMOUNTS, "num_evalnets"), "says how much a trial trains"),
    **dict.fromkeys(("miou_classes", "empty_iou", "masked_answers"), "says what the score is"),
    **dict.fromkeys(("seed", "device", "precision", "deterministic", "num_workers"), "is no part of the method"),
    **dict.fromkeys(("size", "fit", *ENCODER_SETTINGS[:2]), "says what images and networks are"),
}

_KEPT = 3
"""Of so many trials one goes on, for so many times as many steps."""

_EPOCHS = 10
"""After which a trial may be validated, of equal length."""

_LEAST_STEPS, _ENOUGH_STEPS = 2 * _EPOCHS, 10 * _EPOCHS
"""Of a network in the first rung: at all, and where nobody says how many trials there are."""

_MOST_TRIALS = 27

_COUNTABLE = 100_000
"""Combinations, of which one is drawn after the other; of more each is drawn anew."""

_DRAWS = 7000
"""Behind the seed, so that what is tried has draws of its own."""


@dataclass(frozen=True)
class Rung:
    """Trials of equal length.

    Attributes:
        num_trials: there are, the settings as they are among them.
        num_steps: of each network.
    """

    num_trials: int
    num_steps: int

    @property
    def amounts(self) -> dict[str, int]:
        """Give the settings that make a network train for so long."""
        return {"epochs": _EPOCHS, "steps_per_epoch": self.num_steps // _EPOCHS}


def space_of(
    recipe: Recipe, settings: Settings, given: Mapping[str, Sequence[object]], *, fixed: Collection[str] = ()
) -> dict[str, list[object]]:
    """Give the values to try, by the settings' names.

    Args:
        recipe: the approach.
        settings: as they are where nothing else is tried.
        given: values that somebody named, in place of the standard ones of that setting.
        fixed: settings of which none but the one value is to be tried.

    Raises:
        IncmaskError: a value outside its range, or a setting that makes no difference or cannot be tried.

    Examples:
        >>> from incmask.method.recipes import RECIPES
        >>> list(space_of(RECIPES["ldt"], Settings(), {"loss": ["mse", "cross_entropy"]}))
        ['learning_rate', 'batch_size', 'width', 'augment', 'loss']
    """
    others = {*fixed, *(WIDTH_SETTINGS if settings.net != UNET else ())}
    standard = {name: values for name, values in STANDARD.items() if recipe.depends_on(name) and name not in others}
    for name, values in given.items():
        where = either(option("set"), "grid")
        for value in values:
            resolve_again(settings, {name: value}, where=where)
        why = _NOT_TRIED.get(name) or (None if recipe.depends_on(name) else "makes no difference to the recipe")
        if why:
            raise fail(where, f"several values of {name}, which {why}", "name one value, or leave it out")
    return {name: list(values) for name, values in (standard | dict(given)).items()}


def draw_trials(
    space: Mapping[str, Sequence[object]], settings: Settings, *, num: int, seed: int
) -> list[dict[str, object]]:
    """Draw combinations, none twice; the first is none: the settings as they are.

    Args:
        space: values to try, by name.
        settings: as they are.
        num: wanted; fewer where there are no more.
        seed: of the draws.

    Examples:
        >>> draw_trials({"batch_size": [16, 32]}, Settings(), num=5, seed=1)
        [{}, {'batch_size': 32}]
    """
    generator = np.random.default_rng([seed, _DRAWS])
    found: list[dict[str, object]] = [{}]
    for chosen in _places([len(values) for values in space.values()], generator):
        if len(found) >= num:
            break
        values = {name: space[name][place] for name, place in zip(space, chosen, strict=True)}
        changed = {name: value for name, value in values.items() if value != getattr(settings, name)}
        if changed not in found:
            found.append(changed)
    return found


def num_possible(space: Mapping[str, Sequence[object]], settings: Settings) -> int:
    """Count the combinations, with the settings as they are.

    Examples:
        >>> [num_possible({"batch_size": values}, Settings()) for values in ([16, 32], [8, 32])]
        [2, 3]
    """
    are_among = all(getattr(settings, name) in values for name, values in space.items())
    return math.prod(len(values) for values in space.values()) + (not are_among)


def _places(sizes: Sequence[int], generator: np.random.Generator) -> Iterator[tuple[int, ...]]:
    """Draw a place in each list, time after time; each combination once where they can be counted."""
    if (num := math.prod(sizes)) <= _COUNTABLE:
        for place in generator.permutation(num):
            yield tuple(int(each) for each in np.unravel_index(place, sizes))
    else:
        for _ in range(_COUNTABLE):
            yield tuple(int(generator.integers(size)) for size in sizes)


def networks_of(recipe: Recipe, settings: Settings) -> int:
    """Count the networks that a run trains.

    Examples:
        >>> from incmask.method.recipes import RECIPES
        >>> settings = Settings(num_base=2, num_students=3, num_generations=2, num_evalnets=4)
        >>> [networks_of(RECIPES[name], settings) for name in ("ldt", "im", "im++")]
        [2, 8, 12]
    """
    students = num_generations_of(recipe, settings) * num_students_of(recipe, settings)
    judges = settings.num_evalnets if recipe.evalnets else 0
    return settings.num_base * len(base_folders(recipe)) + students + judges


def rungs(budget: int, *, num_networks: int, num_trials: int | None, most: int) -> tuple[Rung, ...]:
    """Share a budget out: all trials train, then the best third for three times as long, until three or fewer are left.

    Args:
        budget: steps of all networks of all trials together.
        num_networks: that a trial trains.
        num_trials: in the first rung, 2 or more; None: 2 to 27, as many as have 100 steps a network there.
        most: trials that there can be.

    Raises:
        IncmaskError: there is nothing to compare, or the budget is too small for it.

    Examples:
        >>> rungs(9_600, num_networks=4, num_trials=9, most=1000)  # 9 · 130 + 3 · 390 steps, 4 times
        (Rung(num_trials=9, num_steps=130), Rung(num_trials=3, num_steps=390))
    """
    num = min(num_trials or _MOST_TRIALS, most)
    if num < 2:
        raise fail(option("trials"), "one trial has nothing to be compared with", "use 2 or more, and several values")
    steps = _first_steps(budget, num_networks, num)
    while num_trials is None and num > 2 and steps < _ENOUGH_STEPS:
        num -= 1
        steps = _first_steps(budget, num_networks, num)
    if steps < _LEAST_STEPS:
        needed = _LEAST_STEPS * num_networks * _weight(num)
        what = f"{budget} steps are too few for {num} trials of {num_networks} networks each"
        fewer = f", or fewer of {option('trials')}" if num > 2 else ""
        raise fail(option("steps"), what, f"use {needed} or more{fewer}")
    return tuple(Rung(size, steps * _KEPT**place) for place, size in enumerate(_sizes(num)))


def _first_steps(budget: int, num_networks: int, num_trials: int) -> int:
    return budget // (num_networks * _weight(num_trials)) // _EPOCHS * _EPOCHS


def _weight(num_trials: int) -> int:
    """Steps of all rungs, in those of a trial of the first."""
    return sum(num * _KEPT**place for place, num in enumerate(_sizes(num_trials)))


def _sizes(num_trials: int) -> list[int]:
    sizes = [num_trials]
    while sizes[-1] > _KEPT:
        sizes.append(math.ceil(sizes[-1] / _KEPT))
    return sizes


def promoted(scores: Mapping[int, float | None], *, num: int) -> list[int]:
    """Choose who goes on: the settings as they are, trial 0, always; else the best, the first of equals.

    Args:
        scores: by the number of the trial; None: its training was lost.
        num: that go on, 2 or more.

    Examples:
        >>> promoted({0: 0.1, 1: 0.5, 2: None, 3: 0.7, 4: 0.5}, num=3)
        [0, 3, 1]
    """
    best = sorted((trial for trial in scores if trial and scores[trial] is not None), key=lambda t: -(scores[t] or 0))
    return [0, *best[: num - 1]]
