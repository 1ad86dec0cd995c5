"""How much a run will train, counted before it begins."""

from collections.abc import Collection

from incmask.base.config import Settings
from incmask.method.growth import num_generations_of, training_settings, width_of
from incmask.method.mixture import NUM_AUGMENTED_COPIES
from incmask.method.recipes import RECIPES, Recipe
from incmask.training.capacity import train_cost
from incmask.training.rating_pairs import TRAINING_PASSES


def planned_work(
    recipe: Recipe, settings: Settings, *, num_labelled: int, num_unlabelled: int, taken_over: Collection[str] = ()
) -> float:
    """Give the training of a run in units of progress: steps, weighed by what they cost at a network's width.

    Args:
        recipe, settings: of the run.
        num_labelled: labelled images that train.
        num_unlabelled: images that may be pseudo-labelled; every pair is taken to be used, and once.
        taken_over: base recipes whose models another run has trained.
    """
    num_full = num_labelled + num_unlabelled

    def steps(of: Recipe, num_pairs: int) -> int:
        used = training_settings(of, settings, num_pairs=num_pairs, num_full=num_full)
        return _steps(used, num_pairs)

    def labelled_part(of: Recipe) -> int:
        factors = {"plain": 1, "strong": 1, "augmented": 1 + NUM_AUGMENTED_COPIES}
        return num_full if of.labelled == "full" else factors[of.labelled] * num_labelled

    base_cost = settings.num_base * train_cost(settings.width)
    if not recipe.teachers:
        return base_cost * steps(recipe, labelled_part(recipe))
    work = sum(
        base_cost * steps(base, labelled_part(base))
        for base in (RECIPES[name] for name in recipe.bases if name not in taken_over)
    )
    if recipe.evalnets:
        num_masks = 1 + settings.num_base * len(recipe.evalnets.examples_from)
        num_pairs = num_labelled * (TRAINING_PASSES if recipe.evalnets.blocked else num_masks)
        cost = train_cost(settings.evalnet_width or 2 * settings.width)
        work += settings.num_evalnets * cost * _steps(settings, num_pairs)
    if recipe.objective == "consistency":
        # Each epoch has a part with labels and one without.
        student = steps(recipe, num_labelled)
        if not settings.steps_per_epoch:
            student += steps(recipe, num_unlabelled)
        elif settings.steps_per_epoch == 1:
            student *= 2
    else:
        student = steps(recipe, labelled_part(recipe) + num_unlabelled * (1 + recipe.keep_plain))
    for generation in range(1, num_generations_of(recipe, settings) + 1):
        work += settings.num_students * student * train_cost(width_of(recipe, settings, generation))
    return work


def _steps(settings: Settings, num_pairs: int) -> int:
    return settings.epochs * (settings.steps_per_epoch or max(1, num_pairs // settings.batch_size))
