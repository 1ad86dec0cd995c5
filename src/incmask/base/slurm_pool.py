"""Tasks of a Slurm cluster that allows no programs that stay: each job is a task of an ``sbatch`` array.

Jobs and their results are files of a folder that all nodes see; nothing else travels.
"""

import os
import platform
import shlex
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import filelock

from incmask.base.caller import option
from incmask.base.errors import IncmaskError, fail
from incmask.base.files import append_text, cannot_write, write_text
from incmask.base.job_folder import LOGS, JobFolder
from incmask.base.pool import MOST_RUNS, Job, Pool, Result
from incmask.base.progress import Report
from incmask.base.slurm_commands import (
    FOLDER,
    NUM_TASKS,
    SCRIPT,
    called,
    cancel,
    options_of,
    own_options,
    queued,
    script,
    spelled,
)

_ARRAY = 1000
"""Tasks of an array: Slurm allows so many unless it was told otherwise (MaxArraySize)."""

_MAX_LOST = 5
"""Times that a job may be lost without having come further."""

_LOOK_S, _ASK_S, _PATIENCE_S = 1.0, 15.0, 30.0
"""Between two looks for results, two questions to Slurm, and until a result must be seen here after its task's end."""

_SUBMITTED, _LOCK = "submitted.txt", "lock"
_LOG_BYTES = 4096


@dataclass
class _Task:
    """A job that has not ended.

    Attributes:
        job: it.
        array, index: where Slurm has it now; "": it waits here.
        furthest: amount of its work that any task of it reached.
        told: amount of it that was reported.
        num_lost: times that it was lost since it came further.
        gone_since: when Slurm did not know it any more; None: it does.
    """

    job: object
    array: str = ""
    index: int = 0
    furthest: float = 0.0
    told: float = 0.0
    num_lost: int = 0
    gone_since: float | None = None


@dataclass
class _Batch:
    """Jobs that were handed in together, and those of them that have not ended."""

    folder: JobFolder
    pending: dict[int, _Task] = field(default_factory=dict)

    def waiting(self) -> Iterator[list[int]]:
        """Give the places that are to be handed in, by array."""
        by_array: dict[int, list[int]] = {}
        for place, task in self.pending.items():
            if not task.array:
                by_array.setdefault(place // _ARRAY, []).append(place)
        yield from by_array.values()


@dataclass
class _Array:
    """What was handed in together: tasks of it that run at a time, and those that have not ended."""

    num_at_once: int
    num_left: int


class SlurmPool(Pool):
    """Runs jobs as tasks of Slurm, each on one thread.

    Jobs can be repeated: one whose task is lost, be it for its time limit, is handed in again, and training goes on
    from its checkpoint. What a killed process of this kind had handed in is taken back by the next one in the same
    folder.

    Args:
        num_workers: plays no part.
        networks: whether jobs run networks.
        less_memory: plays no part: what a task may take is asked for with ``sbatch``.
        devices_a_job: cores of a task; GPUs are asked for with ``sbatch``.
        sbatch: options for ``sbatch``, such as "--partition=gpu --time=2:00:00 --gpus=1".
        num_tasks: that run at a time.
        folder: for jobs and results, which all nodes see under the same path; made if it is not there.

    Raises:
        IncmaskError: there is no Slurm, or the folder cannot be written.
    """

    def __init__(
        self,
        num_workers: int = NUM_TASKS,
        *,
        networks: bool = True,
        less_memory: str = "",
        devices_a_job: int = 1,
        sbatch: str = "",
        num_tasks: int = NUM_TASKS,
        folder: Path = FOLDER,
    ):
        self.num_workers = self.num_devices = num_tasks
        self.num_runs = min(MOST_RUNS, num_tasks)
        self._networks, self._num_cores, self._options = networks, devices_a_job, options_of(sbatch)
        for program in ("sbatch", "squeue", "scancel"):
            if shutil.which(program) is None:
                raise fail(option("on", "slurm"), f"there is no {program} here", "work where jobs are submitted")
        self._root, self._lock = _own_folder(folder.absolute())
        self._calls, self._is_whole = count(1), True
        self._lock_arrays, self._arrays = threading.Lock(), dict[str, _Array]()

    def run(
        self, function: Callable[[Job, Report], Result], jobs: Sequence[Job], report: Report
    ) -> Iterator[tuple[Job, Result]]:
        """Do what ``Pool.run`` says."""
        root = self._root / str(next(self._calls))
        batch = _Batch(JobFolder(root), {place: _Task(job) for place, job in enumerate(jobs)})
        modules = batch.folder.write(function, jobs, networks=self._networks)
        batch.folder = JobFolder(root, modules=modules)
        write_text(root / SCRIPT, script(root, modules))
        try:
            self._submit(root, batch)
            asked = time.monotonic()
            while batch.pending:
                time.sleep(_LOOK_S)
                for place in list(batch.folder.done(batch.pending)):
                    task = batch.pending.pop(place)
                    self._leave(task)
                    _tell(task, batch.folder.amount(place), report)
                    yield jobs[place], batch.folder.result(place)
                for place, task in batch.pending.items():
                    _tell(task, batch.folder.amount(place), report)
                if time.monotonic() - asked > _ASK_S:
                    self._look_after(root, batch)
                    asked = time.monotonic()
                self._submit(root, batch)
                report(0)
        except (IncmaskError, RuntimeError):
            self._is_whole = False
            raise
        finally:
            cancel({task.array for task in batch.pending.values()})
            for task in batch.pending.values():
                self._leave(task)

    def close(self) -> None:
        """Remove the folder of the jobs, unless something went wrong: then its logs are kept."""
        self._lock.release()
        if self._is_whole:
            shutil.rmtree(self._root, ignore_errors=True)
        else:
            (self._root / _SUBMITTED).unlink(missing_ok=True)

    def _submit(self, root: Path, batch: _Batch) -> None:
        """Hand in what waits: all where nothing else is at work, for Slurm keeps to the number, else what has room."""
        with self._lock_arrays:
            for places in batch.waiting():
                at_work = sum(min(each.num_at_once, each.num_left) for each in self._arrays.values())
                room = self.num_workers - at_work
                if not room:
                    return
                handed_in = places[:room] if at_work else places
                first = places[0] // _ARRAY * _ARRAY
                indices = spelled([place - first for place in handed_in])
                array = self._sbatch(root, f"{indices}%{room}", first)
                self._arrays[array] = _Array(room, len(handed_in))
                append_text(self._root / _SUBMITTED, f"{array}\n")
                for place in handed_in:
                    task = batch.pending[place]
                    task.array, task.index, task.gone_since = array, place - first, None

    def _leave(self, task: _Task) -> None:
        """Give the place of a task that Slurm has no more to others."""
        with self._lock_arrays:
            if array := self._arrays.get(task.array):
                array.num_left -= 1
                if not array.num_left:
                    del self._arrays[task.array]
            task.array = ""

    def _sbatch(self, root: Path, indices: str, first: int) -> str:
        told = called(
            [
                "sbatch",
                "--parsable",
                f"--array={indices}",
                *own_options(root, self._num_cores),
                *self._options,
                str(root / SCRIPT),
                str(first),
            ]
        )
        if told.returncode:
            raise fail(
                "sbatch",
                _last_line(told.stderr) or f"ended with {told.returncode}",
                f"mend {option('sbatch', shlex.join(self._options))}",
            )
        # "ID" or "ID;CLUSTER".
        return told.stdout.strip().partition(";")[0]

    def _look_after(self, root: Path, batch: _Batch) -> None:
        """Hand in again what Slurm does not know any more and what left no result."""
        there = queued()
        if there is None:
            return
        for place, task in batch.pending.items():
            if not task.array or (task.array, task.index) in there:
                task.gone_since = None
            elif task.gone_since is None:
                task.gone_since = time.monotonic()
            elif time.monotonic() - task.gone_since > _PATIENCE_S:
                self._count_loss(root, task, batch.folder.amount(place))
                self._leave(task)

    def _count_loss(self, root: Path, task: _Task, amount: float) -> None:
        task.num_lost = 1 if amount > task.furthest else task.num_lost + 1
        task.furthest = max(task.furthest, amount)
        if task.num_lost >= _MAX_LOST:
            log = root / LOGS / f"{task.array}_{task.index}.txt"
            why = _last_line(log.read_text(encoding="utf-8", errors="replace")[-_LOG_BYTES:]) if log.exists() else ""
            what = f"a job was lost {_MAX_LOST} times and came no further ({why or 'nothing was printed'})"
            raise fail(log, what, f"give it more time or memory: {option('sbatch', '--time=4:00:00 --mem=16G')}")


def _tell(task: _Task, amount: float, report: Report) -> None:
    if amount > task.told:
        report(amount - task.told)  # type: ignore[arg-type]
        task.told = amount


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def _own_folder(folder: Path) -> tuple[Path, filelock.BaseFileLock]:
    """Make a folder of this process's own, and take back what dead processes handed in beside it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for other in folder.glob(f"*/{_SUBMITTED}"):
            _end_dead(other.parent)
        number = 1
        while (root := folder / f"{platform.node()}-{os.getpid()}-{number}").exists():
            number += 1
        root.mkdir()
        lock = filelock.FileLock(root / _LOCK)
        lock.acquire(timeout=0)
    except OSError as error:
        raise cannot_write(folder, error) from error
    return root, lock


def _end_dead(root: Path) -> None:
    """Take back what a process handed in, unless it still holds its lock."""
    try:
        with filelock.FileLock(root / _LOCK).acquire(timeout=0):
            cancel((root / _SUBMITTED).read_text(encoding="utf-8").split())
    except filelock.Timeout:
        return
    shutil.rmtree(root, ignore_errors=True)
