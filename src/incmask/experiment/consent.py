"""Plans beyond a day, which nobody begins by mistake: they ask before anything is written."""

from collections.abc import Callable
from pathlib import Path

from incmask.base.caller import option
from incmask.base.errors import fail
from incmask.base.pool import Pool
from incmask.base.records import RUN
from incmask.base.words import duration
from incmask.experiment.budget import estimate, time_step, work_of
from incmask.experiment.choices import Resolved
from incmask.experiment.executor import Clock
from incmask.training.capacity import train_cost

DAY_SECONDS = 86_400
LONGEST_STEP_SECONDS = 60
"""Of a training step on the slowest machine: work that is done within a day even so is not timed."""

Agreed = Callable[[str], bool]
"""Asks a person, who is told how long it takes."""


def nobody(told: str) -> bool:
    """Answer where nobody can be asked."""
    return False


def everybody(told: str) -> bool:
    """Answer for whoever has agreed already."""
    return True


def check_run(plan: Resolved, out: Path, *, pool: Pool, clock: Clock, agreed: Agreed) -> None:
    """Refuse a run that takes longer than a day, unless that was agreed to, or a time was given, or it has begun.

    Args:
        plan: what is to be run.
        out: its folder.
        pool: the workers that will train.
        clock: tells how long a training step takes in them.
        agreed: asks.

    Raises:
        IncmaskError: nobody agreed.
    """
    num_steps = work_of(plan) / train_cost(plan.settings.width)
    if "time" in plan.names or (out / RUN).exists() or num_steps * LONGEST_STEP_SECONDS < DAY_SECONDS:
        return
    seconds = estimate(plan, plan, time_step(plan, pool, clock), pool)
    check(seconds, out, agreed=agreed, shorter=f"{option('time', '8h')} or {option('effort', 'quick')}")


def check(seconds: float, out: Path, *, agreed: Agreed, shorter: str) -> None:
    """Refuse what takes longer than a day, unless that is agreed to.

    Args:
        seconds: that it takes by estimate.
        out: the folder that it is for.
        agreed: asks.
        shorter: what takes less.

    Raises:
        IncmaskError: nobody agreed.
    """
    told = f"takes about {duration(seconds)} on this machine, more than a day"
    if seconds > DAY_SECONDS and not agreed(f"{out} {told}"):
        raise fail(out, told, f"use {option('yes', True)} if that is meant, or {shorter}")
