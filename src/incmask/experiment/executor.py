"""Where the work of a run is done: handed in from outside, so that nothing inside knows of it."""

from collections.abc import Callable
from dataclasses import dataclass

from incmask.base.pool import LocalPool, OpenPool, Pool
from incmask.training.capacity import seconds_per_step
from incmask.training.jobs import FitJob

Clock = Callable[[FitJob, Pool], float]
"""Gives the time of a student's training step while all workers of a pool train one."""


@dataclass(frozen=True)
class Executor:
    """Where jobs run, and how long they take there; by default in processes of this machine.

    Attributes:
        open_pool: gives workers, as many as it is asked for.
        seconds_per_step: says how long a training step takes in them.
    """

    open_pool: OpenPool = LocalPool
    seconds_per_step: Clock = seconds_per_step
