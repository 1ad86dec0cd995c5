"""A run on a cluster of 1 to 64 workers, simulated event by event from constants that were measured.

    python -m benchmarks.cluster_simulate

Nothing is trained. One caller hands in the jobs of a stage, one after the other, each for the overhead of a job;
whichever worker is free first takes the next; a stage begins when the one before has ended, as generations do.
Constants are named with their table of ``docs/results.md``. The jobs are those of runs of recipe ``im`` with the
default settings on as many images as ISIC 2018 has.
"""

import heapq
import itertools
from collections.abc import Iterator, Sequence

from incmask.base.choosing import resolve_settings
from incmask.base.config import Settings

NUM_UNLABELLED = 2335

TRAINED = 19.1 / 2
"""Images a second and core in training at 256×256 and width 0.5 ("Speed on a CPU": two cores)."""

LABELLED = 17.2 / 2
"""Images a second and core that two members label (same table)."""

SHARD = 256
"""Images of a labelling job."""

OVERHEADS_S = {"worker processes": 0.0013, "Ray": 0.025, "a task of Slurm, started in 20 s": 20.0}
"""Of a job: measured ("A cluster, measured and on paper"), but for Slurm's, which is an assumption."""

NUM_WORKERS = (1, 2, 4, 8, 16)
NUM_RUNS = (1, 8)
"""That go on side by side on the same cluster."""


def stages_of(settings: Settings) -> Iterator[list[float]]:
    """Give the seconds of each job, stage by stage."""
    fit = settings.epochs * settings.steps_per_epoch * settings.batch_size / TRAINED
    labelling = [min(SHARD, NUM_UNLABELLED - first) / LABELLED for first in range(0, NUM_UNLABELLED, SHARD)]
    yield [fit] * settings.num_base
    for _ in range(settings.num_generations):
        yield labelling
        yield [fit] * settings.num_students


def simulate(
    runs: Sequence[Sequence[Sequence[float]]], num_workers: int, *, send_s: float = 0.0, start_s: float = 0.0
) -> float:
    """Give the seconds until all jobs have ended.

    Args:
        runs: of each, seconds of the jobs of its stages, each of which waits for the one before.
        num_workers: that do them, one at a time each.
        send_s: that a run's caller takes for each job, one after the other.
        start_s: that a worker takes for each job before it begins.
    """
    free, ready, end = [0.0] * num_workers, [(0.0, run, 0) for run in range(len(runs))], 0.0
    while ready:
        now, run, stage = heapq.heappop(ready)
        done = now
        for place, seconds in enumerate(runs[run][stage], 1):
            ended = max(heapq.heappop(free), now + place * send_s) + start_s + seconds
            heapq.heappush(free, ended)
            done = max(done, ended)
        if stage + 1 < len(runs[run]):
            heapq.heappush(ready, (done, run, stage + 1))
        end = max(end, done)
    return end


def main() -> None:
    """Print hours and efficiency for each number of workers."""
    stages = list(stages_of(resolve_settings()))
    work = sum(map(sum, stages))
    print(f"a run: {sum(map(len, stages))} jobs in {len(stages)} stages, {work / 3600:.2f} hours on one core\n")
    print(f"| runs side by side | workers | no overhead | {' | '.join(OVERHEADS_S)} | hours on Ray |")
    print(f"|---|---|---|{'---|' * len(OVERHEADS_S)}---|")
    for num_runs, num in itertools.product(NUM_RUNS, NUM_WORKERS):
        runs = [stages] * num_runs
        taken = [
            simulate(runs, num, **({"start_s": each} if each > 1 else {"send_s": each}))
            for each in (0.0, *OVERHEADS_S.values())
        ]
        told = " | ".join(f"{num_runs * work / num / seconds:.2f}" for seconds in taken)
        print(f"| {num_runs} | {num} | {told} | {taken[2] / 3600:.2f} |")


if __name__ == "__main__":
    main()
