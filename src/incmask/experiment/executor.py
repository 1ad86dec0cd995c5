"""Where the work of a run is done: handed in from outside, so that nothing inside knows of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Self

from incmask.base.kept_workers import kept_workers
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

    @contextmanager
    def kept(self) -> Iterator[Self]:
        """Keep workers from one use to the next, for work that opens several pools one after the other."""
        with kept_workers(self.open_pool) as open_pool:
            yield replace(self, open_pool=open_pool)
