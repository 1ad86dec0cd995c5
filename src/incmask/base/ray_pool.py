"""Workers of a Ray cluster: jobs travel as values, and all else stays files on storage that the nodes share."""

import logging
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any

from incmask.base.caller import option
from incmask.base.elsewhere import Sent, done_elsewhere, sent_with
from incmask.base.errors import IncmaskError, fail
from incmask.base.local_pool import ONE_THREAD
from incmask.base.pool import MOST_RUNS, Job, Pool, Result
from incmask.base.progress import Report, Throttled

_MAX_RETRIES = 5
"""Times that a job is given to another worker when its own is lost."""

_LOOK_S, _REPORT_S = 0.5, 1.0
"""Between two looks at what has ended, and between two reports of a worker."""


class RayPool(Pool):
    """Runs jobs on the nodes of a Ray cluster, each on one thread of one core, and on a GPU where the cluster has some.

    Jobs can be repeated: one whose worker is lost runs again elsewhere, and comes to the same. The cluster may grow and
    shrink meanwhile.

    Args:
        num_workers: cores that are taken where a cluster is started here; one that is there is used as it is.
        networks: whether jobs run networks.
        less_memory: what a person can do where memory does not suffice.
        devices_a_job: GPUs that each job takes, or cores where the cluster has none.
        address: of the cluster: "auto", "ray://HOST:PORT" or "HOST:PORT"; None: one is started here.

    Raises:
        IncmaskError: Ray is not installed, or there is no cluster.
    """

    def __init__(
        self,
        num_workers: int,
        *,
        networks: bool = True,
        less_memory: str = "",
        devices_a_job: int = 1,
        address: str | None = None,
    ):
        self._ray = _import_ray()
        self._is_ours = not self._ray.is_initialized()
        if self._is_ours:
            _connect(self._ray, address, num_workers * devices_a_job)
        self._less_memory = less_memory or f"run the same again with smaller images ({option('size')})"
        there = self._ray.cluster_resources()
        self.num_workers = max(1, int(there.get("CPU", num_workers)) // devices_a_job)
        self.num_devices = max(1, int(there.get("GPU", 0)) // devices_a_job)
        self.num_runs = min(MOST_RUNS, self.num_devices if there.get("GPU") else self.num_workers)
        num_gpus = devices_a_job if networks and there.get("GPU") else 0
        environment = {"env_vars": {**ONE_THREAD, "PYTHONHASHSEED": "0"}}
        self._task = self._ray.remote(_call).options(
            num_cpus=devices_a_job, num_gpus=num_gpus, max_retries=_MAX_RETRIES, runtime_env=environment
        )
        # Its node may be lost, too; where it begins anew a bar stands still for a while.
        amounts = self._ray.remote(_Amounts).options(num_cpus=0, max_restarts=-1, max_task_retries=-1)
        self._amounts = amounts.remote()
        self._calls = count()

    def run(
        self, function: Callable[[Job, Report], Result], jobs: Sequence[Job], report: Report
    ) -> Iterator[tuple[Job, Result]]:
        """Do what ``Pool.run`` says."""
        call, told = next(self._calls), 0.0
        pending: dict[Any, Job] = {
            self._task.remote(function, job, sent_with(function, job), self._amounts, call, place): job
            for place, job in enumerate(jobs)
        }
        try:
            while pending:
                done, _ = self._ray.wait(list(pending), timeout=_LOOK_S)
                amount = max(told, self._ray.get(self._amounts.of.remote(call)))
                report(amount - told)
                told = amount
                for reference in done:
                    yield pending.pop(reference), self._result(reference)
        finally:
            for reference in pending:
                self._ray.cancel(reference, force=True)
            self._amounts.forget.remote(call)

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


class _Amounts:
    """Knows how far the jobs of each call are; one that began anew elsewhere counts what was done before."""

    def __init__(self) -> None:
        self._furthest: dict[int, dict[int, float]] = defaultdict(dict)

    def reach(self, call: int, place: int, amount: float) -> None:
        self._furthest[call][place] = max(amount, self._furthest[call].get(place, 0.0))

    def of(self, call: int) -> float:
        return sum(self._furthest[call].values())

    def forget(self, call: int) -> None:
        self._furthest.pop(call, None)


def _call(
    function: Callable[[Job, Report], Result], job: Job, sent: Sent, amounts: Any, call: int, place: int
) -> tuple[Result | None, IncmaskError | None]:
    ray = _import_ray()
    # Waited for, so that what a job reported is known before its result is.
    report = Throttled(lambda amount: ray.get(amounts.reach.remote(call, place, amount)), pause_s=_REPORT_S)
    try:
        return done_elsewhere(function, job, sent, report)
    finally:
        report.tell()


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
