"""How much a run will train, counted before it begins."""

import math
from collections.abc import Collection, Mapping
from types import MappingProxyType

from incmask.base.config import Settings
from incmask.experiment.paths import EVALNETS
from incmask.experiment.setup import BASE, CONTROL, base_folders, stage_name
from incmask.method.growth import (
    num_generations_inherited,
    num_generations_of,
    num_students_of,
    training_settings,
    width_of,
)
from incmask.method.mixture import NUM_AUGMENTED_COPIES
from incmask.method.recipe import Recipe
from incmask.method.recipes import RECIPES
from incmask.training.capacity import rating_cost, train_cost
from incmask.training.online import batch_parts
from incmask.training.order import steps_of_epoch
from incmask.training.rating_pairs import TRAINING_PASSES
from incmask.training.schedule import LOOK_COST


def planned_work(
    recipe: Recipe,
    settings: Settings,
    *,
    num_labelled: int,
    num_unlabelled: int,
    taken_over: Collection[str] = (),
    done: Mapping[str, int] = MappingProxyType({}),
    num_controls: int = 0,
) -> float:
    """Give the training of a run in units of progress: steps, weighed by what they cost at a network's width.

    Args:
        recipe, settings: of the run.
        num_labelled: labelled images that train.
        num_unlabelled: images that may be pseudo-labelled; every pair is taken to be used, and once.
        taken_over: base recipes whose models another run has trained.
        done: models that are trained already, by the folder of their stage.
        num_controls: models that are trained on without unlabelled images where students begin with teachers' weights.
    """
    images = {"num_labelled": num_labelled, "num_unlabelled": num_unlabelled}
    cost_of_base = train_cost(settings.width)
    if not recipe.teachers:
        return (settings.num_base - done.get(BASE, 0)) * cost_of_base * base_steps(recipe, settings, **images)
    work = sum(
        (settings.num_base - done.get(folder, 0)) * cost_of_base * base_steps(RECIPES[name], settings, **images)
        for folder, name in base_folders(recipe).items()
        if name not in taken_over
    )
    if recipe.evalnets:
        num_masks = 1 + settings.num_base * len(recipe.evalnets.examples_from)
        num_pairs = num_labelled * (TRAINING_PASSES if recipe.evalnets.blocked else num_masks)
        cost = rating_cost(settings.evalnet_width or 2 * settings.width)
        work += (settings.num_evalnets - done.get(EVALNETS, 0)) * cost * _steps_of(settings, num_pairs)
    num_inherited = num_generations_inherited(recipe, settings)
    if num_controls and num_inherited:
        steps = num_inherited * base_steps(RECIPES[recipe.bases[0]], settings, **images)
        work += (num_controls - done.get(CONTROL, 0)) * cost_of_base * steps
    student = student_steps(recipe, settings, **images)
    for generation in range(1, num_generations_of(recipe, settings) + 1):
        num_left = num_students_of(recipe, settings) - done.get(stage_name(generation), 0)
        work += num_left * student * step_cost(recipe, settings, generation)
    return work


def seconds_of(
    work: float,
    recipe: Recipe,
    settings: Settings,
    *,
    step_seconds: float,
    num_workers: int,
    num_unlabelled: int,
) -> float:
    """Give the seconds that work takes, with looking at validation images and labelling the others.

    Args:
        work: as ``planned_work`` counts it.
        recipe, settings: of the run.
        step_seconds: of a training step at the width of the base models, while all workers take one.
        num_workers: that train side by side.
        num_unlabelled: images that are labelled after each stage.
    """
    num_models = min(settings.num_base, num_students_of(recipe, settings))
    # Of three models two workers train two after each other.
    num_busy = num_models / math.ceil(num_models / num_workers)
    num_looks = settings.num_members * (1 + num_generations_of(recipe, settings)) * num_unlabelled
    looking = LOOK_COST * num_looks / settings.batch_size / num_workers
    training = work / train_cost(settings.width) / num_busy * (1 + settings.validation_share)
    return step_seconds * (training + looking)


def base_steps(recipe: Recipe, settings: Settings, *, num_labelled: int, num_unlabelled: int) -> int:
    """Count the steps of a model that learns from the labelled part of a recipe; arguments as for ``planned_work``."""
    num_full = num_labelled + num_unlabelled
    return _steps(recipe, settings, _labelled_part(recipe, num_labelled, num_full=num_full), num_full=num_full)


def student_steps(recipe: Recipe, settings: Settings, *, num_labelled: int, num_unlabelled: int) -> int:
    """Count the steps of a student; arguments as for ``planned_work``."""
    num_full = num_labelled + num_unlabelled
    if recipe.objective == "consistency":
        # Each epoch has a part with labels and one without.
        steps = _steps(recipe, settings, num_labelled, num_full=num_full)
        if not settings.steps_per_epoch:
            return steps + _steps(recipe, settings, num_unlabelled, num_full=num_full)
        return 2 * steps if settings.steps_per_epoch == 1 else steps
    if recipe.is_online:
        # An epoch goes once through the unlabelled images.
        _, batch_size = batch_parts(settings)
        steps = steps_of_epoch(num_unlabelled, batch_size=batch_size, steps_per_epoch=settings.steps_per_epoch)
        return settings.epochs * steps
    pairs = _labelled_part(recipe, num_labelled, num_full=num_full) + num_unlabelled * (1 + recipe.keep_plain)
    return _steps(recipe, settings, pairs, num_full=num_full)


def step_cost(recipe: Recipe, settings: Settings, generation: int) -> float:
    """Give what a training step of a student of a generation, from 1, costs in these units.

    Averaged copies look at the unlabelled images of a step before they are learnt from.
    """
    cost = train_cost(width_of(recipe, settings, generation))
    if not recipe.is_online:
        return cost
    _, num_unlabelled = batch_parts(settings)
    return cost * (1 + LOOK_COST * num_unlabelled / settings.batch_size)


def _labelled_part(recipe: Recipe, num_labelled: int, *, num_full: int) -> int:
    factors = {"plain": 1, "strong": 1, "augmented": 1 + NUM_AUGMENTED_COPIES}
    return num_full if recipe.labelled == "full" else factors[recipe.labelled] * num_labelled


def _steps(recipe: Recipe, settings: Settings, num_pairs: int, *, num_full: int) -> int:
    used = training_settings(recipe, settings, num_pairs=num_pairs, num_full=num_full)
    return _steps_of(used, num_pairs)


def _steps_of(settings: Settings, num_pairs: int) -> int:
    return settings.epochs * (settings.steps_per_epoch or max(1, num_pairs // settings.batch_size))
