"""Commands that are broken at any place must come to the same files as unbroken ones, once they are called again.

``python -m benchmarks.crash --count 1000`` makes a small data set, a run, an export and files to prepare, and calls
every command twice from beginning to end, and once more where it has ended, as if it had been killed behind its last
file, which must change nothing. Then it calls them ``--count`` times more, each broken by a fault at a place
that chance chooses: killed before a file or folder is opened to write, renamed, linked, made or removed, which is
between its writing and its renaming, too; killed, ended or interrupted at any moment; a disk that is full from some
file on; a disk that fails once, also where it is read; files that may not grow beyond some size; few files that may be
open at once; little memory; and, of a run that has begun, data that are changed or removed by another. Each must end by
itself, say what is wrong in lines without a traceback, and leave such files that the same command, called again, comes
to what the unbroken one came to, byte for byte, but for the files that two unbroken ones differ in, such as times.
``--workers`` lets worker processes work, as the command line does, of which only the main process is killed. Exit code
1: some did not.
"""

import argparse
import collections
import random
import shutil
import sys
from pathlib import Path

from benchmarks.crash.bench import JOBS, Bench
from benchmarks.crash.faults import fault_of


def main() -> None:
    """Break commands, and print a table."""
    parser = argparse.ArgumentParser(description="Break commands at any place and compare what comes of them.")
    parser.add_argument("--count", type=int, default=20, help="commands that are broken")
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=[*JOBS], help="commands")
    parser.add_argument("--workers", action="store_true", help="let worker processes work")
    parser.add_argument("--seed", type=int, default=1, help="of the data and the faults")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/runs/crash"), help="folder; emptied first")
    options = parser.parse_args()
    shutil.rmtree(options.out, ignore_errors=True)
    bench = Bench(options.out.resolve(), options.seed)
    where = {"executor": None} if options.workers else {}
    expected = {job: bench.unbroken(JOBS[job], **where) for job in options.jobs}
    for job, each in expected.items():
        moving = ", ".join(sorted({*each.files} - each.steady))
        print(f"{job}: {each.num_places} places, {each.seconds:.1f} s; not the same twice: {moving or 'none'}")
    generator, done, wrong = random.Random(options.seed), collections.Counter[tuple[str, str]](), 0
    for number in range(1, options.count + 1):
        job = options.jobs[number % len(options.jobs)]
        size = {"num_places": expected[job].num_places, "largest": expected[job].largest}
        fault = fault_of(generator, job, **size, workers=options.workers)
        told = bench.wrong(JOBS[job], fault, expected[job], **where)
        done[job, fault.name] += 1
        wrong += bool(told)
        for line in told:
            print(f"{number}, {job}, {fault.name} {fault.where:.4g}: {line}", flush=True)
    print("\n| command | fault | times |\n|---|---|---|")
    for (job, name), times in sorted(done.items()):
        print(f"| {job} | {name} | {times} |")
    print(f"\n{options.count} broken, {wrong} ended ill")
    sys.exit(int(wrong > 0))


if __name__ == "__main__":
    main()
