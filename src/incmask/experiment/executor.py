"""Where the work of a run is done: handed in from outside, so that nothing inside knows of it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, Self, get_args

from incmask.base.caller import option
from incmask.base.device import devices_named
from incmask.base.errors import fail
from incmask.base.kept_workers import kept_workers
from incmask.base.local_pool import LocalPool
from incmask.base.pool import OpenPool, Pool
from incmask.base.ray_pool import RayPool
from incmask.base.slurm_commands import NUM_TASKS, options_of
from incmask.base.slurm_pool import SlurmPool
from incmask.base.validation import choose
from incmask.training.capacity import image_size, seconds_per_step
from incmask.training.jobs import FitJob

Place = Literal["local", "ray", "slurm"]

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


def executor_on(
    place: Place | str,
    *,
    ray_address: str | None = None,
    sbatch: str | None = None,
    slurm_tasks: int | None = None,
    devices: str | None = None,
) -> Executor:
    """Say where the work is done: what the functions that work take as ``executor``.

    Args:
        place: "local": processes of this machine; "ray": a Ray cluster, which needs ``incmask[cluster]`` on all nodes;
            "slurm": tasks of ``sbatch``, whose jobs and results are files in ``incmask-slurm`` of the current folder,
            which all nodes have to see.
        ray_address: of the cluster: "auto" (the one of this machine), "ray://HOST:PORT" or "HOST:PORT"; None: one is
            started here, with as many cores as the work wants.
        sbatch: options for ``sbatch``, such as "--partition=gpu --time=2:00:00 --gpus=1".
        slurm_tasks: tasks of Slurm at a time, 1 or more; default 16.
        devices: GPUs of this machine, "all" or such as "0,1,3": a process for each, with students of its own; default:
            one GPU, where there is one.

    Returns:
        The executor. Nothing is started before it is used.

    Raises:
        IncmaskError: there is no such place, or an option is given that is of no use there.

    Examples:
        >>> import incmask
        >>> executor = incmask.executor_on("ray", ray_address="auto")
        >>> executor = incmask.executor_on("slurm", sbatch="--partition=short --time=1:00:00", slurm_tasks=64)
    """
    choose(dict.fromkeys(get_args(Place)), place, option=option("on"))
    of_slurm: dict[str, object] = {"sbatch": sbatch, "slurm-tasks": slurm_tasks}
    by_place: dict[str, dict[str, object]] = {
        "local": {"devices": devices},
        "ray": {"ray-address": ray_address},
        "slurm": of_slurm,
    }
    _check_options(place, by_place)
    if place == "ray":
        return Executor(partial(RayPool, address=ray_address))
    if place == "slurm":
        options_of(sbatch or "")
        if slurm_tasks is not None and slurm_tasks < 1:
            raise fail(option("slurm-tasks", slurm_tasks), "is none", "give 1 or more")
        return Executor(partial(SlurmPool, sbatch=sbatch or "", num_tasks=slurm_tasks or NUM_TASKS))
    return Executor(partial(LocalPool, devices=devices_named(devices))) if devices else Executor()


def _check_options(place: str, options: Mapping[str, Mapping[str, object]]) -> None:
    """Refuse what another place than the one asked for would listen to."""
    for where, given in options.items():
        for name, value in given.items():
            if where != place and value is not None:
                raise fail(option(name, value), f"is of no use on {place}", f"add {option('on', where)}")
