"""How much a run trains where a person says how long it may take: the highest rung of a ladder that fits."""

import math
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from incmask.base.bounds import step_px
from incmask.base.caller import option, size_option
from incmask.base.choosing import resolve_again
from incmask.base.errors import IncmaskError, fail
from incmask.base.pool import Pool
from incmask.base.progress import Progress
from incmask.base.records import RUN, read_written
from incmask.base.store import reopen
from incmask.base.words import counted, duration
from incmask.data.split import Fold
from incmask.data.stack import row_names
from incmask.data.volumes.patches import stack_of
from incmask.experiment.choices import Resolved
from incmask.experiment.control import num_controls
from incmask.experiment.executor import Clock
from incmask.experiment.jobs import fit_jobs, mix_folds
from incmask.experiment.ladder import LADDER, Rung, seconds_from, shrunk
from incmask.experiment.named import AMOUNTS
from incmask.experiment.paths import MADE_AT_THE_END
from incmask.experiment.setup import CONTROL, folds_of
from incmask.experiment.workload import planned_work, seconds_of
from incmask.method.growth import num_generations_of
from incmask.method.recipes import RECIPES
from incmask.training.capacity import fits

TIME_SHARE = 0.8
"""Of the time that may be taken, for training: images are read, masks and the report written, too."""

SMALLEST_TILE_PX = 128

_EPOCHS = 10
_NUM_PROBED = 4
"""Labelled images that a step is timed on; they are shown again and again."""


def planned(chosen: Resolved, out: Path, *, pool: Pool, clock: Clock, progress: Progress) -> Resolved:
    """Settle how much is trained in the time that was given; a run that was begun keeps its plan.

    Where it was begun with less time, it gets more generations. Single settings that were given stay as they are.

    Args:
        chosen: everything else.
        out: run folder.
        pool: the workers that will train.
        clock: tells how long a training step takes in them.
        progress: is told the plan.

    Raises:
        IncmaskError: the least that can be trained takes longer.
    """
    given = chosen.names.get("time")
    if given is None:
        return chosen
    seconds = seconds_from(given)
    began = _began(out)
    if began is not None:
        return _taken_up(chosen, out, began, seconds, pool=pool, clock=clock, progress=progress)
    plans = list(_plans(chosen, pool))
    timed = time_step(plans[0], pool, clock)
    place = max((at for at, plan in enumerate(plans) if estimate(plan, plans[0], timed, pool) <= seconds), default=0)
    # Steps at another size are not known exactly before they are timed.
    while (taken := estimate(plans[place], plans[place], time_step(plans[place], pool, clock), pool)) > seconds:
        if place == 0:
            size = size_option(volumes=chosen.dataset.volumes is not None)
            raise fail(
                option("time"),
                f"the least that can be trained takes about {duration(taken)} on this machine, {given} were given",
                f"use {_time_of(taken)}, a smaller {size} or fewer unlabelled images",
            )
        place -= 1
    plan = plans[place]
    progress.say(f"plan for {given}: {_described(plan)}")
    progress.say(f"it takes about {duration(taken)} on {counted(pool.num_workers, 'worker')}")
    if place + 1 < len(plans):
        more = plans[place + 1]
        longer = estimate(more, plan, taken / estimate(plan, plan, 1, pool), pool)
        progress.say(f"{_time_of(longer)} would train {_described(more)}")
    return plan


def _time_of(seconds: float) -> str:
    return option("time", f"{math.ceil(seconds / 60)}m")


def least(chosen: Resolved) -> Resolved:
    """Give the least that a time could come to; without one, what was chosen."""
    return _on(LADDER[0], chosen) if "time" in chosen.names else chosen


def _described(plan: Resolved) -> str:
    settings = plan.settings
    num_generations = num_generations_of(plan.recipe, settings)
    return (
        counted(settings.num_base, "base model")
        + (f", {num_generations} × {counted(settings.num_students, 'student')}" if num_generations else "")
        + f", {settings.epochs * settings.steps_per_epoch} steps each, on images of {plan.dataset.size_told(plan.size)}"
    )


def _plans(chosen: Resolved, pool: Pool) -> Iterator[Resolved]:
    """Give what can be trained, from little to much, as far as memory goes; at least one plan."""
    last = None
    for rung in LADDER:
        plan = _on(rung, chosen)
        if plan == last:
            continue
        network = plan.setup({}, ()).network(num_generations_of(plan.recipe, plan.settings))
        if last is not None and not fits(
            network, size=plan.size, batch_size=plan.settings.batch_size, num_workers=pool.num_workers
        ):
            return
        yield plan
        last = plan


def _on(rung: Rung, chosen: Resolved) -> Resolved:
    """Give a rung's plan: its numbers where nobody gave others."""
    numbers: dict[str, object] = {
        "num_base": rung.num_models,
        "num_students": rung.num_models,
        "num_generations": rung.num_generations,
        "epochs": _EPOCHS,
        "steps_per_epoch": rung.num_steps // _EPOCHS,
    }
    changes = {name: value for name, value in numbers.items() if name not in chosen.given}
    # A tile that is too small shows no object whole.
    side_px = max(rung.side_px, SMALLEST_TILE_PX) if chosen.settings.fit == "tile" else rung.side_px
    size = (
        chosen.size
        if chosen.settings.size or chosen.dataset.volumes
        else shrunk(chosen.size, side_px=side_px, step=step_px(chosen.settings.net))
    )
    return replace(chosen, settings=resolve_again(chosen.settings, changes, where=option("time")), size=size)


def time_step(plan: Resolved, pool: Pool, clock: Clock) -> float:
    """Time a training step of a base model on some of the labelled images."""
    with tempfile.TemporaryDirectory(prefix="incmask-") as folder:
        items = plan.dataset.labelled[:_NUM_PROBED]
        stack = stack_of(items, plan.dataset, size=plan.size, fit=plan.settings.fit, folder=Path(folder))
        rows = tuple(range(len(stack)))
        setup = plan.setup({"labelled": stack}, (Fold(rows, rows),))
        if setup.recipe.teachers:
            setup = replace(setup, recipe=RECIPES[setup.recipe.teachers])
        elif setup.recipe.labelled == "full":
            setup = replace(setup, recipe=RECIPES["ldt"])
        return clock(fit_jobs(setup, 0, mix_folds(setup, 0, None), folder=Path(folder))[0], pool)


def estimate(plan: Resolved, timed: Resolved, step_seconds: float, pool: Pool) -> float:
    """Give the seconds that a plan takes in all, from those of a step of another one."""
    area, area_timed = (math.prod(each.size) for each in (plan, timed))
    training = seconds_of(
        work_of(plan),
        plan.recipe,
        plan.settings,
        step_seconds=step_seconds * area / area_timed,
        num_workers=pool.num_workers,
        num_unlabelled=num_rows(plan)[1],
    )
    return training / TIME_SHARE


def work_of(plan: Resolved) -> float:
    """Give all training of a plan, as ``planned_work`` counts it."""
    num_labelled, num_unlabelled = num_rows(plan)
    groups = plan.dataset.groups()
    folds = folds_of(tuple(groups), groups=groups, has_val=bool(plan.dataset.val), settings=plan.settings)
    return planned_work(
        plan.recipe,
        plan.settings,
        num_labelled=num_labelled,
        num_unlabelled=num_unlabelled,
        num_controls=num_controls(plan.settings, num_folds=len(folds)),
    )


def num_rows(plan: Resolved) -> tuple[int, int]:
    """Count the rows of the stacks of labelled and of unlabelled images."""
    dataset, fit = plan.dataset, plan.settings.fit
    labelled, unlabelled = (
        row_names(items, size=plan.size, fit=fit, volumes=dataset.volumes)
        for items in (dataset.labelled, dataset.unlabelled)
    )
    return len(labelled), len(unlabelled)


@dataclass(frozen=True)
class _Began:
    """What a run folder was begun with: the time that it was given, and its numbers."""

    time: str
    settings: dict[str, object]
    size: tuple[int, int]


def _began(out: Path) -> _Began | None:
    """Read the plan of a run that was begun; None: there is none, or it was begun without."""
    try:
        run = read_written(out / RUN)
        height, width = run["size"]
        return _Began(run["time"], run["settings"], (height, width))
    except (IncmaskError, KeyError, TypeError, ValueError):
        # What is wrong with the folder is told where it is opened.
        return None


def _taken_up(
    chosen: Resolved, out: Path, began: _Began, seconds: float, *, pool: Pool, clock: Clock, progress: Progress
) -> Resolved:
    numbers = {name: began.settings[name] for name in AMOUNTS if name not in chosen.given and name in began.settings}
    names = chosen.names | {"time": began.time}
    settings = resolve_again(chosen.settings, numbers, where=str(out / RUN))
    plan = replace(chosen, names=names, settings=settings, size=chosen.settings.size or began.size)
    before = seconds_from(began.time)
    if seconds <= before or not num_generations_of(plan.recipe, settings):
        progress.say(f"goes on with its plan for {began.time}: {_described(plan)}")
        return plan
    step_seconds = time_step(plan, pool, clock)
    longer = plan
    while estimate(more := _one_more(longer), plan, step_seconds, pool) <= seconds:
        longer = more
    if longer is plan:
        needed = duration(estimate(more, plan, step_seconds, pool))
        progress.say(f"another generation would take about {needed} in all: goes on with {_described(plan)}")
        return plan
    longer = replace(longer, names=names | {"time": chosen.names["time"]})
    progress.say(f"plan for {chosen.names['time']}: {_described(longer)}; what is trained already stays")
    _reopen_ended(out, longer)
    return longer


def _one_more(plan: Resolved) -> Resolved:
    """Give a plan with another generation."""
    changes = {"num_generations": plan.settings.num_generations + 1}
    return replace(plan, settings=resolve_again(plan.settings, changes, where=option("time")))


def _reopen_ended(out: Path, plan: Resolved) -> None:
    """Let a run that may have ended go on with more generations: what follows the last one is made anew."""
    with reopen(out) as store:
        # The control goes on for as long as students do.
        store.remove(*(out / name for name in (*MADE_AT_THE_END, CONTROL)))
        store.rewrite_run(plan.describe_run())
