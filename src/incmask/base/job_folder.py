"""Jobs in files of a folder that several machines see: who gives them, who does them, and what comes back.

``jobs/K.json`` is a job, ``results/K.json`` what came of it, ``amounts/K`` how far it is, ``logs/`` what was printed.
"""

import logging
import traceback
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from incmask.base.described import OURS, modules_of, read_described, write_described
from incmask.base.elsewhere import Sent, done_elsewhere, sent_with
from incmask.base.errors import IncmaskError, Problem
from incmask.base.files import write_text
from incmask.base.local_pool import keep_freed_memory
from incmask.base.pool import Job, Result
from incmask.base.progress import Report, Throttled

JOBS, RESULTS, AMOUNTS, LOGS = "jobs", "results", "amounts", "logs"

_REPORT_S = 5.0
"""Between two reports of a worker."""


@dataclass(frozen=True)
class Order:
    """What is asked of a worker.

    Attributes:
        function: that is called.
        job: with what.
        sent: what has to be the same there.
        networks: whether jobs run networks.
    """

    function: Callable[..., Any]
    job: Any
    sent: Sent
    networks: bool


@dataclass(frozen=True)
class Reply:
    """What came of a job: its result, or what is wrong.

    Attributes:
        result: of the job.
        problems: a user's mistake.
        bug: what Python told of any other error.
    """

    result: Any = None
    problems: tuple[Problem, ...] = ()
    bug: str = ""

    def given(self) -> Any:
        """Give the result.

        Raises:
            IncmaskError: the job's own.
            RuntimeError: any other error of it.
        """
        if self.problems:
            raise IncmaskError(self.problems)
        if self.bug:
            raise RuntimeError(self.bug)
        return self.result


class JobFolder:
    """A folder of jobs.

    Args:
        root: made if it is not there.
        modules: packages beside this one that jobs may name.
    """

    def __init__(self, root: Path, *, modules: Collection[str] = ()):
        self.root, self._modules = root, (OURS, *modules)

    def write(self, function: Callable[[Job, Report], Result], jobs: Sequence[Job], *, networks: bool) -> list[str]:
        """Write jobs, by their places.

        Returns:
            The packages that functions and classes in them come from, besides this one.

        Raises:
            IncmaskError: they hold what is no data, or cannot be written.
        """
        for name in (RESULTS, AMOUNTS, LOGS):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        names: set[str] = set()
        for place, job in enumerate(jobs):
            order = Order(function, job, sent_with(function, job), networks)
            names |= {*write_described(self._job(place), order)}
        return [name for name in modules_of(names) if name != OURS]

    def work(self, place: int) -> None:
        """Do a job, and write what came of it.

        Raises:
            IncmaskError: there is no such job, or its result cannot be written.
        """
        try:
            order: Order = read_described(self._job(place), modules=self._modules)
        except IncmaskError as error:
            reply = Reply(problems=error.problems)
        else:
            report = Throttled(partial(_write_down, self.root / AMOUNTS / str(place)), pause_s=_REPORT_S)
            reply = _reply(order, report)
            report.tell()
        write_described(self._result(place), reply)

    def done(self, places: Collection[int]) -> Iterator[int]:
        """Give those that have ended, of the places of jobs."""
        # Read anew, as storage over a network tells late of a file that was asked for before it was there.
        there = {path.name for path in (self.root / RESULTS).iterdir()}
        yield from (place for place in places if self._result(place).name in there)

    def result(self, place: int) -> Any:
        """Give what came of a job that has ended; raises what ``Reply.given`` does."""
        reply: Reply = read_described(self._result(place), modules=self._modules)
        return reply.given()

    def amount(self, place: int) -> float:
        """Tell how far a job is; where it began anew it counts what it had done."""
        with suppress(OSError, ValueError):
            return float((self.root / AMOUNTS / str(place)).read_text(encoding="utf-8"))
        return 0.0

    def _job(self, place: int) -> Path:
        return self.root / JOBS / f"{place}.json"

    def _result(self, place: int) -> Path:
        return self.root / RESULTS / f"{place}.json"


def _write_down(path: Path, amount: float) -> None:
    # Nothing but a bar depends on it, so that a full disk ends no job here.
    with suppress(IncmaskError):
        write_text(path, str(amount))


def _reply(order: Order, report: Report) -> Reply:
    import cv2

    cv2.setNumThreads(1)
    if order.networks:
        keep_freed_memory()
    logging.basicConfig(level=logging.WARNING)
    try:
        result, error = done_elsewhere(order.function, order.job, order.sent, report)
    except Exception:
        return Reply(bug=traceback.format_exc())
    return Reply(result, error.problems if error else ())
