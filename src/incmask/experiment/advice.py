"""What a person should be told before a run trains: where its settings come to something else than was meant."""

import math
from collections.abc import Iterator

from incmask.base.caller import settings as settings_of
from incmask.base.config import Settings
from incmask.experiment.workload import student_steps
from incmask.method.growth import begins_with_teacher, num_generations_of
from incmask.method.recipe import Recipe

LEAST_STEPS = 300
"""Of a student, below which pseudo-labels are not learnt from but in passing; a rule of thumb."""


def advice(recipe: Recipe, settings: Settings, *, num_labelled: int, num_unlabelled: int) -> Iterator[str]:
    """Give what there is to say, in sentences.

    Args:
        recipe, settings: of the run.
        num_labelled: labelled images that train.
        num_unlabelled: images that may be pseudo-labelled.
    """
    if recipe.labeller is None:
        return
    yield from _fresh_starts(recipe, settings)
    steps = student_steps(recipe, settings, num_labelled=num_labelled, num_unlabelled=num_unlabelled)
    yield from _few_steps(settings, steps)


def _fresh_starts(recipe: Recipe, settings: Settings) -> Iterator[str]:
    generations = range(1, num_generations_of(recipe, settings) + 1)
    fresh = [str(each) for each in generations if not begins_with_teacher(recipe, settings, each)]
    if settings.start == "teacher" and fresh:
        yield (
            f"networks of generation {', '.join(fresh)} are wider than their teachers' and begin with new weights; "
            f"{settings_of(width_step=0)} keeps the width"
        )


def _few_steps(settings: Settings, steps: int) -> Iterator[str]:
    if steps >= LEAST_STEPS:
        return
    total = settings.num_generations * steps
    # As many steps in all, in as many generations as are long enough.
    num_generations = max(1, total // LEAST_STEPS)
    epochs = math.ceil(settings.epochs * max(total / num_generations, LEAST_STEPS) / steps)
    fewer = {"num_generations": num_generations} if num_generations < settings.num_generations else {}
    cost = " and takes about as long in all" if total >= LEAST_STEPS else ""
    yield (
        f"students train for {steps} steps; with fewer than {LEAST_STEPS} they seldom get beyond their teachers; "
        f"{settings_of(**fewer, epochs=epochs)} is long enough{cost}"
    )
