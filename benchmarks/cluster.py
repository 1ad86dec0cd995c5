"""What a cluster costs beside the work: milliseconds a job by each kind of pool, and what a second worker brings.

    python -m benchmarks.cluster OUT [--pools here local ray] [--jobs 100] [--seconds 10]

Empty jobs tell the overhead; a job of the size of a fit (with the rows of a training set of ``--rows``) tells what it
costs to send one. Efficiency is the time of two equal trainings in one worker over that in two, halved: 1 is all that
two workers can bring. Slurm is not among them: a task there takes the wait in the queue and the start of a
program.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from incmask.base.local_pool import LocalPool
from incmask.base.pool import HerePool, Pool
from incmask.base.progress import Report, ignore
from incmask.base.ray_pool import RayPool

POOLS: dict[str, Callable[[int], AbstractContextManager[Pool]]] = {"here": HerePool, "local": LocalPool, "ray": RayPool}


@dataclass(frozen=True)
class Rows:
    """A job of the size of a fit: what it learns from is named, and its rows go along."""

    rows: np.ndarray


def nothing(job: object, report: Report) -> int:
    """Give the number of rows."""
    return len(job.rows) if isinstance(job, Rows) else 0


def multiply(seconds: float, report: Report) -> int:
    """Multiply matrices on one thread; give how many times in the seconds of processor time."""
    import torch

    torch.set_num_threads(1)
    values, num, started = torch.ones(256, 256), 0, time.process_time()
    while time.process_time() - started < seconds:
        values = values @ values / 256
        num += 1
    return num


def milliseconds_a_job(pool: Pool, jobs: Sequence[object], *, rounds: int = 3) -> float:
    """Give the median, over rounds, of the time of all jobs by their number."""
    list(pool.run(nothing, jobs[:2], ignore))
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        list(pool.run(nothing, jobs, ignore))
        times.append(time.perf_counter() - started)
    return 1000 * statistics.median(times) / len(jobs)


def seconds_of(pool: Pool, num: int, seconds: float) -> float:
    """Give the time until so many jobs of equal work are done."""
    started = time.perf_counter()
    list(pool.run(multiply, [seconds] * num, ignore))
    return time.perf_counter() - started


def main() -> None:
    """Measure each kind of pool."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--pools", nargs="+", choices=POOLS, default=[*POOLS])
    parser.add_argument("--jobs", type=int, default=100)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    row = np.dtype([("source", "u1"), ("index", "<i4"), ("strength", "i1"), ("seed", "<u4")])
    results = {}
    print("| pool | opened, s | an empty job, ms | a fit's description, ms | efficiency of 2 workers |")
    print("|---|---|---|---|---|")
    for name in options.pools:
        started = time.perf_counter()
        with POOLS[name](2) as pool:
            opened = time.perf_counter() - started
            empty = milliseconds_a_job(pool, list(range(options.jobs)))
            large = [Rows(np.zeros(options.rows, row)) for _ in range(options.jobs)]
            described = milliseconds_a_job(pool, large)
            seconds_of(pool, 2, 0.1)
            both, one = seconds_of(pool, 2, options.seconds), seconds_of(pool, 1, options.seconds)
        results[name] = {"opened": opened, "empty": empty, "described": described, "efficiency": one / both}
        told = f"{one / both:.2f}" if name != "here" else ""
        print(f"| {name} | {opened:.1f} | {empty:.1f} | {described:.1f} | {told} |", flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "cluster.json").write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    # Workers find jobs by the name of this module, not of the program that was started.
    from benchmarks import cluster

    cluster.main()
