"""Where the work of a run is done: handed in from outside, so that nothing inside knows of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, Self, get_args

from incmask.base.caller import option
from incmask.base.errors import fail
from incmask.base.kept_workers import kept_workers
from incmask.base.pool import LocalPool, OpenPool, Pool
from incmask.base.ray_pool import RayPool
from incmask.base.validation import choose
from incmask.training.capacity import image_size, seconds_per_step
from incmask.training.jobs import FitJob

Place = Literal["local", "ray"]

Clock = Callable[[FitJob, Pool], float]
"""Gives the time of a student's training step while all workers of a pool train one."""


def measured_once(clock: Clock) -> Clock:
    """Give a clock that takes the time of a step once, for all jobs whose steps are alike."""
    known: dict[object, float] = {}

    def measure(job: FitJob, pool: Pool) -> float:
        alike = (job.network, image_size(job), job.settings.batch_size, type(job.objective), pool.num_workers)
        if alike not in known:
            known[alike] = clock(job, pool)
        return known[alike]

    return measure


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
        """Keep workers from one training to the next, to the same bits.

        Not for rankings: a process that has trained gives other last digits of what they compare than a new one.
        """
        with kept_workers(self.open_pool) as open_pool:
            yield replace(self, open_pool=open_pool)


def executor_on(place: Place | str, *, ray_address: str | None = None) -> Executor:
    """Say where the work is done: what the functions that work take as ``executor``.

    Args:
        place: "local": processes of this machine; "ray": a Ray cluster, which needs ``incmask[cluster]`` on all nodes.
        ray_address: of the cluster: "auto" (the one of this machine), "ray://HOST:PORT" or "HOST:PORT"; None: one is
            started here, with as many cores as the work wants.

    Returns:
        The executor. Nothing is started before it is used.

    Raises:
        IncmaskError: there is no such place, or an address is given that is of no use there.

    Examples:
        >>> import incmask
        >>> executor = incmask.executor_on("ray", ray_address="auto")
    """
    choose(dict.fromkeys(get_args(Place)), place, option=option("on"))
    if place == "ray":
        return Executor(partial(RayPool, address=ray_address))
    if ray_address is not None:
        raise fail(
            option("ray-address", ray_address), "is of no use on this machine alone", f"add {option('on', 'ray')}"
        )
    return Executor()
