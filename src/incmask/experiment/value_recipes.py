"""Which approaches and settings there are for targets that are numbers; the others are refused with the reason."""

from collections.abc import Iterator

from incmask.base.caller import option
from incmask.base.config import Settings, Task
from incmask.base.errors import IncmaskError, Problem
from incmask.method.labels import labels_of
from incmask.method.recipe import Recipe, Vote

FOR_NUMBERS = ("ldt", "strong-ldt", "aldt", "fdt", "me", "ie", "ns", "im", "im+", "aim+")


def check_values(settings: Settings, task: Task, recipe: Recipe, *, name: str) -> None:
    """Refuse a recipe, or a setting, that says nothing of numbers.

    Args:
        settings: of the run.
        task: its targets are numbers.
        recipe: the approach.
        name: its own.

    Raises:
        IncmaskError: with each reason.
    """
    problems = []
    if why := _why_not(recipe, task):
        what = f"{name} {why}, and the targets of {task} are numbers"
        problems.append(Problem(option("recipe"), what, f"choose one of {', '.join(FOR_NUMBERS)}"))
    problems += (
        Problem(f"setting {each}", f"{value} is of classes, and the targets of {task} are numbers", "leave it out")
        for each, value in _of_classes(settings)
    )
    if problems:
        raise IncmaskError(problems)


def _why_not(recipe: Recipe, task: Task) -> str:
    if recipe.evalnets or recipe.copies != "one":
        return "weighs masks by networks that rate their IoU, or by that itself"
    if recipe.is_online:
        return "labels at each step by votes for classes and their probability"
    if recipe.labeller is not None and not isinstance(recipe.labeller, Vote):
        return "has a labeller that is asked for classes"
    if recipe.objective == "consistency" and labels_of(task).follows_intensity:
        return "shows a network two views that differ in intensity alone, which its answer has to follow"
    return ""


def _of_classes(settings: Settings) -> Iterator[tuple[str, object]]:
    if settings.max_blocked_share < 1:
        yield "max_blocked_share", settings.max_blocked_share
    if settings.detail_px:
        yield "detail_px", settings.detail_px
    if settings.admit == "confident_all_tasks":
        yield "admit", settings.admit
