"""Workers of a Ray cluster: jobs travel as values, and all else stays files on storage that the nodes share."""

import importlib.metadata
import logging
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from incmask.base.caller import is_command_line, option, word_for_command_line
from incmask.base.errors import IncmaskError, fail
from incmask.base.files import nearest_existing
from incmask.base.limits import is_out_of_memory
from incmask.base.pool import ONE_THREAD, Job, Pool, Result, one_thread
from incmask.base.progress import Report

_MUST_EQUAL = ("incmask", "torch", "numpy")
_MAX_RETRIES = 5
"""Times that a job is given to another worker when its own is lost."""

_LOOK_S, _REPORT_S, _PATIENCE_S = 0.5, 1.0, 10.0
"""Between two looks at what has ended, between two reports of a worker, and until a path must be seen by all nodes."""


class RayPool(Pool):
    """Runs jobs on the nodes of a Ray cluster, each on one thread of one core, and on a GPU where the cluster has some.

    Jobs can be repeated: one whose worker is lost runs again elsewhere, and comes to the same. The cluster may grow and
    shrink meanwhile.

    Args:
        num_workers: cores that are taken where a cluster is started here; one that is there is used as it is.
        networks: whether jobs run networks.
        less_memory: what a person can do where memory does not suffice.
        address: of the cluster: "auto", "ray://HOST:PORT" or "HOST:PORT"; None: one is started here.

    Raises:
        IncmaskError: Ray is not installed, or there is no cluster.
    """

    def __init__(self, num_workers: int, *, networks: bool = True, less_memory: str = "", address: str | None = None):
        self._ray = _import_ray()
        self._is_ours = not self._ray.is_initialized()
        if self._is_ours:
            _connect(self._ray, address, num_workers)
        self._less_memory = less_memory or f"run the same again with smaller images ({option('size')})"
        there = self._ray.cluster_resources()
        self.num_workers = max(1, int(there.get("CPU", num_workers)))
        num_gpus = 1 if networks and there.get("GPU") else 0
        environment = {"env_vars": {**ONE_THREAD, "PYTHONHASHSEED": "0"}}
        self._task = self._ray.remote(_call).options(
            num_cpus=1, num_gpus=num_gpus, max_retries=_MAX_RETRIES, runtime_env=environment
        )
        self._amounts = self._ray.remote(_Amounts).options(num_cpus=0).remote()

    def run(
        self, function: Callable[[Job, Report], Result], jobs: Sequence[Job], report: Report
    ) -> Iterator[tuple[Job, Result]]:
        """Do what ``Pool.run`` says."""
        ours = versions()
        pending: dict[Any, Job] = {
            self._task.remote(function, job, Sent(ours, seen_here(job), is_command_line()), self._amounts): job
            for job in jobs
        }
        try:
            while pending:
                done, _ = self._ray.wait(list(pending), timeout=_LOOK_S)
                if amount := self._ray.get(self._amounts.take.remote()):
                    report(amount)
                for reference in done:
                    yield pending.pop(reference), self._result(reference)
        finally:
            for reference in pending:
                self._ray.cancel(reference, force=True)

    def close(self) -> None:
        """Leave the cluster, or end it where it was started here."""
        self._ray.kill(self._amounts)
        if self._is_ours:
            self._ray.shutdown()

    def _result(self, reference: Any) -> Any:
        try:
            result, error = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from error
        except self._ray.exceptions.RayError as lost:
            told = str(lost).strip().splitlines()[0]
            raise fail("cluster", f"a job was lost {_MAX_RETRIES + 1} times ({told})", self._less_memory) from lost
        if error is not None:
            raise error
        return result


@dataclass(frozen=True)
class Sent:
    """What a worker compares with what it has itself.

    Attributes:
        versions: of what numbers depend on.
        paths: that must be there.
        for_command_line: whom messages are for.
    """

    versions: Mapping[str, str]
    paths: tuple[Path, ...]
    for_command_line: bool

    def check(self) -> None:
        """Refuse to work on another version, or where other files are seen.

        Raises:
            IncmaskError: told with both.
        """
        node, ours = platform.node(), versions()
        for name, version in self.versions.items():
            if ours[name] != version:
                raise fail(
                    f"node {node}",
                    f"has {name} {ours[name]}, and {version} is here",
                    f"install {name}=={version} on all nodes",
                )
        for path in self.paths:
            if not _comes_to_be(path):
                raise fail(
                    f"node {node}",
                    f"does not see {path}",
                    "put data and run folder on storage that all nodes mount under the same path",
                )


def versions() -> dict[str, str]:
    """Give the versions that must be the same on all nodes.

    Examples:
        >>> sorted(versions())
        ['Python', 'incmask', 'numpy', 'torch']
    """
    major, minor, _ = platform.python_version_tuple()
    return {"Python": f"{major}.{minor}"} | {name: importlib.metadata.version(name) for name in _MUST_EQUAL}


def seen_here(job: object) -> tuple[Path, ...]:
    """Give what a job names of the file system, or the nearest folder above it that is there."""
    return tuple(sorted({nearest_existing(path) for path in _paths_of(job)}))


def _paths_of(value: object) -> Iterator[Path]:
    if isinstance(value, Path):
        yield value
    elif is_dataclass(value):
        for each in fields(value):
            yield from _paths_of(getattr(value, each.name))
    elif isinstance(value, Mapping):
        yield from _paths_of(tuple(value.values()))
    elif isinstance(value, tuple | list):
        for each in value:
            yield from _paths_of(each)


def _comes_to_be(path: Path) -> bool:
    """Wait a little: what one node wrote is seen by others later on some kinds of storage."""
    until = time.monotonic() + _PATIENCE_S
    while not path.exists():
        if time.monotonic() > until:
            return False
        time.sleep(_LOOK_S)
    return True


class _Amounts:
    """Adds up what workers report."""

    def __init__(self) -> None:
        self._sum = 0.0

    def add(self, amount: float) -> None:
        self._sum += amount

    def take(self) -> float:
        amount, self._sum = self._sum, 0.0
        return amount


class _Throttled:
    """Sends what a job reports, once a second and at its end."""

    def __init__(self, amounts: Any):
        self._amounts, self._sum, self._sent = amounts, 0.0, time.monotonic()

    def __call__(self, amount: float) -> None:
        self._sum += amount
        if time.monotonic() - self._sent > _REPORT_S:
            self.send()

    def send(self) -> None:
        self._amounts.add.remote(self._sum)
        self._sum, self._sent = 0.0, time.monotonic()


def _call(
    function: Callable[[Job, Report], Result], job: Job, sent: Sent, amounts: Any
) -> tuple[Result | None, IncmaskError | None]:
    """Do a job in a worker; our errors come back as values, since the cluster wraps those that are raised."""
    report = _Throttled(amounts)
    word_for_command_line(sent.for_command_line)
    try:
        sent.check()
        with one_thread():
            return function(job, report), None
    except IncmaskError as error:
        return None, error
    except (MemoryError, OSError, RuntimeError) as error:
        if is_out_of_memory(error):
            return None, fail(f"node {platform.node()}", "ran out of memory", "use smaller images or nodes with more")
        raise
    finally:
        report.send()


def _import_ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise fail(option("on", "ray"), "ray is not installed", "pip install 'incmask[cluster]'") from error
    return ray


def _connect(ray: Any, address: str | None, num_workers: int) -> None:
    # Nothing is sent to anybody.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    own = {} if address else {"num_cpus": num_workers, "include_dashboard": False}
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **own)
    except (ConnectionError, TimeoutError, RuntimeError, ValueError) as error:
        told = str(error).strip().splitlines()[0]
        raise fail(
            option("ray-address", address),
            f"there is no cluster ({told})",
            f"start one with 'ray start --head', or leave {option('ray-address')} out, and one is started here",
        ) from error
