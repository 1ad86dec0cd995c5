"""Worker processes on this machine, one thread each."""

import ctypes
import errno
import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing.connection import wait as wait_for
from typing import Any

from incmask.base.caller import is_command_line, option, setting, settings, word_for_command_line
from incmask.base.errors import IncmaskError, fail
from incmask.base.limits import is_out_of_memory, is_working_folder_gone
from incmask.base.pool import Job, Pool, Result
from incmask.base.progress import Report

VISIBLE = "CUDA_VISIBLE_DEVICES"

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
ONE_THREAD = {
    # Small networks train best one a core; idle threads must not spin on the others' cores.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "KMP_BLOCKTIME": "0",
}


_NO_SEMAPHORES = (errno.ENOSPC, errno.EACCES, errno.EROFS, errno.ENOENT, errno.ENOSYS)
"""What is raised where /dev/shm is full, of others, read only, or not there."""

_JOBS_AHEAD = 4
"""Of each worker: to wait for all of very many takes the longer, the more there are."""

_LOG = logging.getLogger(__name__)

_progress: Any = None
"""In a worker: the queue to the parent."""

_remedy = ""
"""In a worker: what to do where memory does not suffice."""


class LocalPool(Pool):
    """Runs jobs side by side in worker processes.

    Results do not depend on how many there are: each job runs on one thread, alone in its process.
    Workers end by themselves when this process is killed.

    Args:
        num_workers: processes, 1 or more.
        networks: whether jobs run networks; without, workers are small: torch is not loaded, and freed memory is
            given back.
        less_memory: what a person can do where memory does not suffice; "": train with less.
        devices: numbers of GPUs; there is a worker for each, which sees no other, instead of ``num_workers``. Empty:
            all workers see all GPUs.
        devices_a_job: of these, how many each worker sees.
        say: called here with each line that a worker logs; else they are logged here.
    """

    def __init__(
        self,
        num_workers: int,
        *,
        networks: bool = True,
        less_memory: str = "",
        devices: Sequence[int] = (),
        devices_a_job: int = 1,
        say: Callable[[str], None] = _LOG.warning,
    ):
        seen = shared_out(visible_names(devices), devices_a_job)
        self.num_workers, self.num_devices = len(seen) or num_workers, max(1, len(seen))
        self._less_memory = less_memory or _train_with_less()
        self._say = say
        context = multiprocessing.get_context("spawn")
        # Puts at once, so that what a job reports is here before its result is.
        with _semaphores_told():
            self._queue, self._devices = context.SimpleQueue(), context.SimpleQueue()
        for names in seen:
            self._devices.put(names)
        with _environment(ONE_THREAD), _hidden_main(), _semaphores_told():
            self._pool = ProcessPoolExecutor(
                self.num_workers,
                context,
                initializer=_start,
                initargs=(
                    self._queue,
                    self._devices if devices else None,
                    networks,
                    self._less_memory,
                    is_command_line(),
                ),
            )
            # Processes start at the first submission, and take their environment from then.
            wait([self._pool.submit(_nothing) for _ in range(self.num_workers)])

    def run(
        self, function: Callable[[Job, Report], Result], jobs: Sequence[Job], report: Report
    ) -> Iterator[tuple[Job, Result]]:
        """Do what ``Pool.run`` says."""
        todo, pending = iter(jobs), dict[Future[Result], Job]()

        def hand_in(num: int) -> None:
            for job in islice(todo, num):
                pending[self._pool.submit(_call, function, job)] = job

        try:
            hand_in(_JOBS_AHEAD * self.num_workers)
            while pending:
                done, _ = wait(pending, timeout=0.1, return_when=FIRST_COMPLETED)
                self._drain(report)
                for future in done:
                    job = pending.pop(future)
                    hand_in(1)
                    yield job, future.result()
        except BrokenProcessPool as error:
            raise fail("worker process", "was killed, most likely for want of memory", self._less_memory) from error
        finally:
            for future in pending:
                future.cancel()

    def close(self) -> None:
        """End the workers, without waiting for jobs that still run."""
        processes = list((self._pool._processes or {}).values())
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()
        self._queue.close()
        self._devices.close()

    def _drain(self, report: Report) -> None:
        while not self._queue.empty():
            item = self._queue.get()
            self._say(item) if isinstance(item, str) else report(item)


def visible_names(devices: Sequence[int]) -> list[str]:
    """Name GPUs as the system does, given by their places among those that this process may use.

    Examples:
        >>> visible_names([0, 2])
        ['0', '2']
    """
    mine = [name.strip() for name in os.environ.get(VISIBLE, "").split(",") if name.strip()]
    return [mine[place] if mine else str(place) for place in devices]


def shared_out(names: Sequence[str], num_each: int) -> list[str]:
    """Give what each worker sees of GPUs, as many as each is to have.

    Raises:
        IncmaskError: some would be left over.

    Examples:
        >>> shared_out(["0", "1", "2", "5"], 2)
        ['0,1', '2,5']
    """
    if len(names) % num_each:
        what = f"{len(names)} GPUs cannot be shared out to networks of {num_each} each"
        raise fail(option("devices"), what, f"give another number of them, or of {setting('devices_per_network')}")
    return [",".join(names[first : first + num_each]) for first in range(0, len(names), num_each)]


def _train_with_less() -> str:
    smaller = f"a smaller {setting('batch_size')}, in another folder"
    return f"run the same again with {settings(num_workers=1)}, or with {smaller}"


def _start(queue: Any, devices: Any, networks: bool, less_memory: str, for_command_line: bool) -> None:
    """Prepare a worker."""
    global _progress, _remedy
    _progress, _remedy = queue, less_memory
    if devices is not None:
        # Read when the process first asks for a GPU.
        os.environ[VISIBLE] = devices.get()
    word_for_command_line(for_command_line)
    try:
        _load(networks)
    except (MemoryError, OSError, RuntimeError, ImportError) as error:
        if not is_out_of_memory(error):
            raise
        # The parent says so; the executor would print a traceback.
        os._exit(1)


def _load(networks: bool) -> None:
    """Load what jobs need, and set it up for one thread."""
    # Ctrl-C reaches the whole process group; the parent alone answers it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    logging.getLogger("incmask").addHandler(_ToParent())
    logging.getLogger("incmask").propagate = False
    import cv2

    cv2.setNumThreads(1)
    if networks:
        keep_freed_memory()
        import torch

        torch.set_num_threads(1)


class _ToParent(logging.Handler):
    """Sends lines to the parent, among the reports."""

    def emit(self, record: logging.LogRecord) -> None:
        _progress.put(self.format(record))


def keep_freed_memory() -> None:
    """Let the allocator keep what was freed: giving it back and taking it again costs more than training.

    glibc alone; elsewhere nothing happens.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return
    mallopt(_M_MMAP_THRESHOLD, 1 << 30)
    mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        os._exit(1)


def _call(function: Callable[[Job, Report], Result], job: Job) -> Result:
    try:
        return function(job, _progress.put)
    except (MemoryError, OSError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise _no_memory() from error
        raise


@contextmanager
def _semaphores_told() -> Iterator[None]:
    """Say what to do where the system has no room for what processes wait by, which lies in /dev/shm."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_SEMAPHORES or is_working_folder_gone():
            raise
        mend = "enlarge it and make it writable (docker run --shm-size=64m)"
        raise fail("/dev/shm", f"has no room for worker processes ({error.strerror})", mend) from error  # noqa: S108 - named, not opened


def _no_memory() -> IncmaskError:
    return fail("worker process", "ran out of memory", _remedy)


def _nothing() -> None:
    pass


@contextmanager
def _hidden_main() -> Iterator[None]:
    """Keep workers from importing the caller's script, which would start its own run in each of them.

    Nothing of it is needed: jobs and their functions are this package's own.
    """
    main = sys.modules["__main__"]
    before = {name: getattr(main, name) for name in ("__spec__", "__file__") if hasattr(main, name)}
    main.__spec__ = None
    if "__file__" in before:
        del main.__file__
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(main, name, value)


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
