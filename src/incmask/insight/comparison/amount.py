"""How much the runs of a comparison train: steps that are the same for all, and the time of those that are left."""

from collections.abc import Callable, Sequence
from pathlib import Path

from incmask.base.caller import option
from incmask.base.pool import Pool
from incmask.base.progress import Progress
from incmask.base.records import RUN
from incmask.base.store import Store
from incmask.base.words import counted, duration
from incmask.data.stack import row_names
from incmask.experiment.budget import num_rows, time_step
from incmask.experiment.choices import Resolved
from incmask.experiment.consent import Agreed, check
from incmask.experiment.executor import Clock
from incmask.experiment.paths import SCORES
from incmask.experiment.setup import folds_of
from incmask.experiment.workload import planned_work, seconds_of
from incmask.insight.comparison.plan import PlannedRun
from incmask.training.capacity import train_cost


def equal_budget(chosen: Resolved, *, wanted: bool) -> tuple[int | None, tuple[str, ...]]:
    """Give the steps an epoch that all true masks would take, if that is a budget of its own; and what to say of it."""
    settings = chosen.settings
    if settings.steps_per_epoch:
        steps = settings.epochs * settings.steps_per_epoch
        return None, (f"equal steps: every model takes {steps:,} steps, whatever the approach",)
    if not wanted:
        return None, (
            "an epoch is one pass over the images: approaches with more images take more steps; "
            f"{option('equal-steps', True)} adds a comparison at as many steps for all",
        )
    steps = max(1, _num_full(chosen) // settings.batch_size)
    return steps, (f"two budgets: each approach's own steps, and {settings.epochs * steps:,} for every model",)


def _num_full(chosen: Resolved) -> int:
    """Images, or tiles of them, that FDT learns from: what is set aside to validate is not among them."""
    dataset, settings = chosen.dataset, chosen.settings
    labelled, unlabelled = (
        row_names(items, size=chosen.size, fit=settings.fit) for items in (dataset.labelled, dataset.unlabelled)
    )
    has_val, groups = bool(dataset.val), dataset.groups()
    folds = folds_of(labelled, groups=groups, has_val=has_val, settings=settings)
    return len(folds[0].training) + len(unlabelled)


def begun(
    begin: Callable[[], Store],
    out: Path,
    cells: Sequence[PlannedRun],
    pool: Pool,
    *,
    clock: Clock,
    agreed: Agreed,
    progress: Progress,
) -> Store:
    """Say how long the runs take that are not there yet; begin, or go on, where that is agreed to."""
    left = [cell for cell in cells if not (out / cell.folder / SCORES).exists()]
    if left:
        seconds = _seconds_of(left, pool, clock)
        runs, workers = counted(len(left), "run"), counted(pool.num_workers, "worker")
        progress.say(f"{runs} to train: about {duration(seconds)} on {workers}")
        if not (out / RUN).exists():
            shorter = f"{option('effort', 'quick')} or {option('repeats', 1)}"
            check(seconds, out, agreed=agreed, shorter=shorter)
    return begin()


def _seconds_of(cells: Sequence[PlannedRun], pool: Pool, clock: Clock) -> float:
    first = cells[0].chosen
    step_seconds = time_step(first, pool, clock) / train_cost(first.settings.width)
    return sum(
        seconds_of(
            work_of(cell),
            cell.chosen.recipe,
            cell.chosen.settings,
            # A sweep may change the networks' width.
            step_seconds=step_seconds * train_cost(cell.chosen.settings.width),
            num_workers=pool.num_workers,
            num_unlabelled=num_rows(cell.chosen)[1],
        )
        for cell in cells
    )


def work_of(cell: PlannedRun) -> float:
    """Count what a run trains whose base models another one gives, as ``planned_work`` does."""
    chosen, (num_labelled, num_unlabelled) = cell.chosen, num_rows(cell.chosen)
    return planned_work(
        chosen.recipe,
        chosen.settings,
        num_labelled=num_labelled,
        num_unlabelled=num_unlabelled,
        taken_over=chosen.recipe.bases,
    )
