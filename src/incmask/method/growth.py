"""What grows with the generation, and how long each approach trains (paper sections 2.4.7 and 2.6)."""

import math
from itertools import takewhile

from incmask.base.bounds import UNET
from incmask.base.choosing import resolve_settings
from incmask.base.config import Settings
from incmask.method.recipe import Recipe


def width_of(recipe: Recipe, settings: Settings, generation: int) -> float:
    """Width factor of a generation's networks; 0 is the base (paper section 2.6.1).

    A pretrained encoder is as wide as it is.

    Examples:
        >>> from incmask.method.recipes import RECIPES
        >>> [width_of(RECIPES["im+"], Settings(), generation) for generation in range(4)]
        [0.5, 0.5, 0.75, 1.0]
        >>> [width_of(RECIPES["im+"], Settings(net="timm:resnet18"), generation) for generation in range(4)]
        [0.5, 0.5, 0.5, 0.5]
    """
    grows = recipe.width == "growing" and generation > 0 and settings.net == UNET
    return settings.width + settings.width_step * (generation - 1 if grows else 0)


def begins_with_teacher(recipe: Recipe, settings: Settings, generation: int) -> bool:
    """Tell whether students of a generation begin with their teachers' weights: where these networks are as wide.

    Examples:
        >>> from incmask.method.recipes import RECIPES
        >>> [begins_with_teacher(RECIPES["im+"], Settings(start="teacher"), generation) for generation in (1, 2)]
        [True, False]
    """
    widths = (width_of(recipe, settings, each) for each in (generation - 1, generation))
    has_pseudo = recipe.labeller is not None or recipe.is_online
    return settings.start == "teacher" and has_pseudo and generation > 0 and len(set(widths)) == 1


def num_generations_inherited(recipe: Recipe, settings: Settings) -> int:
    """Count the generations, from the first, whose students begin with their teachers' weights.

    Examples:
        >>> from incmask.method.recipes import RECIPES
        >>> settings = Settings(start="teacher", num_generations=3)
        >>> [num_generations_inherited(RECIPES[name], settings) for name in ("ldt", "im", "im+")]
        [0, 3, 1]
    """
    generations = range(1, num_generations_of(recipe, settings) + 1)
    return sum(1 for _ in takewhile(lambda each: begins_with_teacher(recipe, settings, each), generations))


def team_size(recipe: Recipe, settings: Settings) -> int:
    """Count the students that train side by side since they learn from each other; 1: each trains by itself.

    Examples:
        >>> from incmask.method.recipes import RECIPES
        >>> [team_size(RECIPES[name], Settings(num_members=3)) for name in ("im", "mt", "im-online")]
        [1, 1, 3]
    """
    return settings.num_members if recipe.has_teams else 1


def num_students_of(recipe: Recipe, settings: Settings) -> int:
    """Count the students of a generation: ``num_students``, and as many more as make the last team whole.

    Examples:
        >>> from incmask.method.recipes import RECIPES
        >>> [num_students_of(RECIPES[name], Settings(num_students=5)) for name in ("im", "mt", "im-online")]
        [5, 5, 6]
    """
    size = team_size(recipe, settings)
    return math.ceil(settings.num_students / size) * size


def training_settings(recipe: Recipe, settings: Settings, *, num_pairs: int, num_full: int) -> Settings:
    """Give the settings of a student, where its approach asks for others than the run's.

    Args:
        recipe: the approach.
        settings: of the run.
        num_pairs: images that it learns from.
        num_full: images that it would learn from if all had true masks.

    Examples:
        >>> from incmask.method.recipes import RECIPES
        >>> paper = Settings(steps_per_epoch=0)
        >>> training_settings(RECIPES["cl"], paper, num_pairs=90, num_full=100).epochs // paper.epochs
        2
    """
    one_pass = settings.steps_per_epoch == 0
    full_steps = max(1, num_full // settings.batch_size)
    changes: dict[str, object] = {}
    modern = resolve_settings()
    if recipe.labelled == "strong":
        changes |= {name: getattr(modern, name) for name in _HOW_TO_TRAIN}
        changes |= {"steps_per_epoch": full_steps} if one_pass else {}
    if recipe.objective == "consistency":
        # The paper trains twice as long, and by the loss (section 2.4.3).
        changes |= {"select_by": "loss"} | ({"epochs": 2 * settings.epochs} if one_pass else {})
    if recipe.is_online:
        # Averaged copies and new draws are parts of the approach.
        changes |= {"redraw": True, "average_decay": settings.average_decay or modern.average_decay}
    if recipe.labeller and one_pass:
        least = max(1, int(full_steps * recipe.labeller.least_steps))
        changes |= {"steps_per_epoch": least} if num_pairs // settings.batch_size < least else {}
    return settings.model_copy(update=changes)


_HOW_TO_TRAIN = (
    *("schedule", "warmup_fraction", "epsilon", "batch_norm_momentum", "average_decay"),
    *("loss", "position_target", "redraw", "select_by"),
)
"""What the strong baseline takes from the default preset."""


def num_generations_of(recipe: Recipe, settings: Settings) -> int:
    """Generations after the base models; without pseudo-labels there is nothing to repeat.

    Examples:
        >>> from incmask.method.recipes import RECIPES
        >>> [num_generations_of(RECIPES[name], Settings(num_generations=3)) for name in ("ldt", "cl", "im+")]
        [0, 1, 3]
    """
    return settings.num_generations if recipe.labeller else int(recipe.teachers is not None)
