"""Workers that stay from one opening to the next, since to start them takes seconds each."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from incmask.base.pool import Job, OpenPool, Pool, Result
from incmask.base.progress import Report

_Kind = tuple[bool, str, int]
"""Whether workers run networks, what is told where memory does not suffice, and how many devices a job has."""


@contextmanager
def kept_workers(open_pool: OpenPool) -> Iterator[OpenPool]:
    """Give openings of pools that share workers; they end with the context.

    Args:
        open_pool: gives workers. It is asked anew where more are wanted than there are, of another kind, or where
            those that were lent failed.
    """
    # With how many were asked for, since a cluster may have fewer.
    kept: dict[_Kind, tuple[int, Pool]] = {}

    def end(kind: _Kind) -> None:
        kept.pop(kind)[1].close()

    def open_kept(num_workers: int, *, networks: bool = True, less_memory: str = "", devices_a_job: int = 1) -> Pool:
        kind = networks, less_memory, devices_a_job
        if kind in kept and kept[kind][0] < num_workers:
            end(kind)
        if kind not in kept:
            opened = open_pool(num_workers, networks=networks, less_memory=less_memory, devices_a_job=devices_a_job)
            kept[kind] = num_workers, opened
        return _Lent(kept[kind][1], partial(end, kind))

    try:
        yield open_kept
    finally:
        for kind in tuple(kept):
            end(kind)


class _Lent(Pool):
    def __init__(self, pool: Pool, end: Callable[[], None]):
        self.num_workers, self.num_devices, self.num_runs = pool.num_workers, pool.num_devices, pool.num_runs
        self._pool, self._end = pool, end

    def run(
        self, function: Callable[[Job, Report], Result], jobs: Sequence[Job], report: Report
    ) -> Iterator[tuple[Job, Result]]:
        """Do what ``Pool.run`` says."""
        return self._pool.run(function, jobs, report)

    def close(self) -> None:
        """Leave the workers to who lent them."""

    def __exit__(self, *exception: object) -> None:
        if any(exception):
            self._end()
