"""What runs jobs, wherever that is; and one that runs them here and now."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Protocol, Self, TypeVar

from incmask.base.progress import Report, ignore

Job = TypeVar("Job")
Result = TypeVar("Result")


class Pool(ABC):
    """Runs jobs, wherever that is; results do not depend on where, nor on how many run side by side.

    Attributes:
        num_workers: jobs that run side by side.
        num_devices: GPUs that jobs may run on, each alone on one, so that what would train on one is divided.
    """

    num_workers: int
    num_devices: int = 1

    @abstractmethod
    def run(
        self, function: Callable[[Job, Report], Result], jobs: Sequence[Job], report: Report
    ) -> Iterator[tuple[Job, Result]]:
        """Yield each job with its result as it ends; ``report`` gets the amounts that the jobs report.

        Args:
            function: of a module's top level; called as ``function(job, report)`` on one thread.
            jobs: values that can be sent to another process.
            report: called here with each amount.

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
