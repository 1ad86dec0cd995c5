"""Files that are changed at random are read, or refused in a line.

``python -m benchmarks.fuzz --executions 1000000`` makes files of every kind that is read from elsewhere, and folders of
them, those of ``tests/corpus``, too. Each execution changes one file in one to eight ways and reads it in a process
that may take no more memory than ``MEMORY_BYTES`` beyond what it has, while the limits of the package are scaled down
to ``MAX_PIXELS``. What raises anything but ``IncmaskError``, ends the process, or takes longer than ``--longest``
seconds of the processor, is told and kept below ``--out``. Exit code 1: there was such a file.
"""

import argparse
import collections
import os
import random
import resource
import shutil
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benchmarks.fuzz.mutate import mutated
from benchmarks.fuzz.targets import KINDS, Files, Target, targets
from incmask.base.errors import IncmaskError
from incmask.data.images import decode, page_rows
from incmask.data.volumes import chunks, room
from incmask.exchange.sources import archives

MAX_PIXELS = 4_000_000
MEMORY_BYTES = 1 << 30
"""Of images of so many pixels copies in several types may be there at once, and of networks their code."""

BATCH = 100
"""Executions of a process, after which the next one begins without what they left."""


class TooLongError(BaseException):
    """An execution took longer than any may; no reader catches it."""


def _too_long(*_: object) -> None:
    raise TooLongError


def bound(num: int, longest_s: float) -> None:
    """Scale the limits of this process of so many executions down, and those of the package as far."""
    decode.MAX_PIXELS, decode.MAX_VALUES = MAX_PIXELS, 4 * MAX_PIXELS
    chunks.MAX_PIXELS = room.MAX_PIXELS = MAX_PIXELS
    room.MAX_VALUES = 4 * MAX_PIXELS
    page_rows._MAX_PIECE_BYTES = archives.MAX_MEMBER_BYTES = 4 * MAX_PIXELS
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY_BYTES,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGPROF, _too_long)
    warnings.simplefilter("ignore")
    # What a reader hangs in may never come back to Python.
    signal.setitimer(signal.ITIMER_REAL, num * longest_s)


def change(seed: Files, draw: random.Random) -> Files:
    """Change one file of a folder."""
    name = draw.choice(sorted(name for name, content in seed.items() if content))
    return seed | {name: mutated(seed[name], draw)}


def write(files: Files, root: Path) -> None:
    """Write the files of a folder, which is emptied."""
    shutil.rmtree(root.parent, ignore_errors=True)
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def execute(target: Target, files: Files, root: Path, longest_s: float) -> str:
    """Read changed files; say how that ended: "read", "refused", or what went wrong."""
    write(files, root)
    np.random.seed(0)
    signal.setitimer(signal.ITIMER_PROF, longest_s)
    try:
        target.read(root)
        return "read"
    except IncmaskError as error:
        told = all(each.what and each.remedy for each in error.problems)
        return "refused" if told else f"no mend: {error}"
    except TooLongError:
        return f"longer than {longest_s} s: {_place(sys.exc_info()[2])}"
    except BaseException as error:
        return f"{type(error).__name__} at {_place(error.__traceback__)}: {str(error)[:200]}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _place(trace: object) -> str:
    """Name the last line of the package that a traceback passes."""
    frames = [frame for frame in traceback.extract_tb(trace) if "/incmask/" in frame.filename]
    return f"{frames[-1].filename.partition('/src/')[2]}:{frames[-1].lineno}" if frames else "elsewhere"


def batch(target: Target, numbers: range, root: Path, longest_s: float, note: Path) -> None:
    """Be a process of some executions; notes how each ended. Never returns."""
    bound(len(numbers), longest_s)
    with open(note, "w") as told:
        for number in numbers:
            draw = random.Random(number)
            print(number, end="\t", file=told, flush=True)
            found = execute(target, change(draw.choice(target.seeds), draw), root / "data", longest_s)
            print(found.replace("\n", " "), file=told, flush=True)
    os._exit(0)


def run_batch(target: Target, numbers: range, root: Path, longest_s: float) -> tuple[dict[int, str], int]:
    """Let a process execute some; give how each ended, and how many were done."""
    note = root / "note.txt"
    if not (process := os.fork()):
        try:
            batch(target, numbers, root / "here", longest_s, note)
        except BaseException:
            traceback.print_exc()
        os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    lines = [line.split("\t", 1) for line in note.read_text().splitlines()]
    found = {int(line[0]): line[1] or f"ended the process with exit code {code}" for line in lines}
    return found, len(found)


def keep(target: Target, number: int, folder: Path) -> None:
    """Write the files of an execution once more."""
    draw = random.Random(number)
    write(change(draw.choice(target.seeds), draw), folder / f"{target.name}-{number}" / "data")


def fuzz(
    known: Mapping[str, Target],
    *,
    executions: int,
    seconds: float,
    first: int,
    num_batch: int,
    longest_s: float,
    out: Path,
) -> dict[str, list[str]]:
    """Execute target after target until time or number are over; give what was found by where it went wrong."""
    (out / "work").mkdir(parents=True)
    numbers = dict.fromkeys(known, first)
    ends, wrong = collections.Counter[tuple[str, str]](), dict[str, list[str]]()
    due, num = time.monotonic() + seconds, 0
    while num < executions and time.monotonic() < due:
        for name, target in known.items():
            batch_numbers = range(numbers[name], numbers[name] + num_batch)
            found, done = run_batch(target, batch_numbers, out / "work", longest_s)
            for number, told in found.items():
                ends[name, told if told in ("read", "refused") else "wrong"] += 1
                if told not in ("read", "refused"):
                    seen = wrong.setdefault(f"{name}: {told.partition(': ')[0]}", [])
                    seen.append(told)
                    if len(seen) == 1:
                        keep(target, number, out / "found")
                        print(f"{name} {number}: {told}", flush=True)
            numbers[name], num = numbers[name] + done, num + done
            if num >= executions or time.monotonic() >= due:
                break
    print("\n| reader | read | refused | wrong |\n|---|---|---|---|")
    for name in known:
        print(f"| {name} | {ends[name, 'read']} | {ends[name, 'refused']} | {ends[name, 'wrong']} |")
    print(f"\n{num:,} executions, {len(wrong)} kinds of wrong ends")
    return wrong


def main() -> None:
    """Change and read, and print a table."""
    parser = argparse.ArgumentParser(description="Read files that were changed at random.")
    parser.add_argument("--executions", type=int, default=10**9, help="at most")
    parser.add_argument("--seconds", type=float, default=60, help="at most")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=[*KINDS], help="of readers")
    parser.add_argument("--first", type=int, default=1, help="number of the first execution of each reader")
    parser.add_argument("--batch", type=int, default=BATCH, help="executions of a process")
    parser.add_argument("--longest", type=float, default=10, help="seconds of an execution")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/runs/fuzz"), help="folder; emptied first")
    options = parser.parse_args()
    shutil.rmtree(options.out, ignore_errors=True)
    wrong = fuzz(
        targets(options.out / "seeds", options.kinds),
        executions=options.executions,
        seconds=options.seconds,
        first=options.first,
        num_batch=options.batch,
        longest_s=options.longest,
        out=options.out,
    )
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
