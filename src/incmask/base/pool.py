"""What runs jobs, wherever that is; and one that runs them here and now."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Protocol, Self, TypeVar

from incmask.base.progress import Report, ignore

Job = TypeVar("Job")
Result = TypeVar("Result")

MOST_RUNS = 8
"""That a cluster serves at a time: each takes a thread and some memory of the machine that hands in."""


class Pool(ABC):
    """Runs jobs, wherever that is; results do not depend on where, nor on how many run side by side.

    Attributes:
        num_workers: jobs that run side by side.
        num_devices: GPUs that jobs may run on, each alone on one, so that what would train on one is divided.
        num_runs: calls of ``run`` that are served at a time, each in a thread of its own.
    """

    num_workers: int
    num_devices: int = 1
    num_runs: int = 1

    @abstractmethod
    def run(
        self, function: Callable[[Job, Report], Result], jobs: Sequence[Job], report: Report
    ) -> Iterator[tuple[Job, Result]]:
        """Yield each job with its result as it ends; ``report`` gets the amounts that the jobs report.

        Args:
            function: of a module's top level; called as ``function(job, report)`` on one thread.
            jobs: values that can be sent to another process.
            report: called here with each amount; where several calls are served at a time also with 0 while jobs are
                waited for, so that what it raises ends the wait.

        Raises:
            IncmaskError: from a job, or a worker was killed.
        """

    @abstractmethod
    def close(self) -> None:
        """End the workers, without waiting for jobs that still run."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class EndedError(KeyboardInterrupt):
    """Ends a run since another one beside it failed; as after Ctrl-C, it goes on another time."""


class Endable(Pool):
    """The workers of a pool, up to an end that any thread may call.

    Args:
        pool: they are lent by; it stays open.
    """

    def __init__(self, pool: Pool):
        self.num_workers, self.num_devices, self.num_runs = pool.num_workers, pool.num_devices, pool.num_runs
        self._pool, self._ended = pool, threading.Event()

    def run(
        self, function: Callable[[Job, Report], Result], jobs: Sequence[Job], report: Report
    ) -> Iterator[tuple[Job, Result]]:
        """Do what ``Pool.run`` says; raises ``EndedError`` after the end."""

        def report_on(amount: int) -> None:
            self._check()
            report(amount)

        self._check()
        yield from self._pool.run(function, jobs, report_on)

    def end(self) -> None:
        """Let nobody wait for jobs any more."""
        self._ended.set()

    def close(self) -> None:
        """Leave the workers to who lent them."""

    def _check(self) -> None:
        if self._ended.is_set():
            raise EndedError


class OpenPool(Protocol):
    """What opens a pool: handed in from outside, so that the work does not know where it is done."""

    def __call__(
        self, num_workers: int, *, networks: bool = True, less_memory: str = ..., devices_a_job: int = 1
    ) -> Pool:
        """Give workers; the arguments are those of ``LocalPool``."""
        ...


class HerePool(Pool):
    """Runs jobs one after the other in this process, on one thread as workers do: for tests and debuggers.

    Args:
        num_workers: what it passes for having.
        networks: whether jobs run networks; without, torch is left alone.
        less_memory, devices_a_job: play no part.
    """

    def __init__(self, num_workers: int = 1, *, networks: bool = True, less_memory: str = "", devices_a_job: int = 1):
        self.num_workers = num_workers
        self._networks = networks

    def run(
        self, function: Callable[[Job, Report], Result], jobs: Sequence[Job], report: Report
    ) -> Iterator[tuple[Job, Result]]:
        """Do what ``Pool.run`` says."""
        for job in jobs:
            with one_thread() if self._networks else nullcontext():
                result = function(job, report)
            yield job, result

    def close(self) -> None:
        """Nothing to end."""


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Range(Protocol):
    """The result of a job on some of many rows."""

    @property
    def first(self) -> int:
        """The first of them."""


RangeResult = TypeVar("RangeResult", bound=Range)


def run_ranges(pool: Pool, function: Callable[[Job, Report], RangeResult], jobs: Sequence[Job]) -> list[RangeResult]:
    """Run jobs on ranges of rows and give what comes of them in the order of the rows."""
    return sorted((result for _, result in pool.run(function, jobs, ignore)), key=lambda result: result.first)
