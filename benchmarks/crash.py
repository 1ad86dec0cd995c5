"""Commands that are broken at any place must come to the same files as unbroken ones, once they are called again.

``python -m benchmarks.crash --count 1000`` makes a small data set, a run, an export and files to prepare, and calls
every command twice from beginning to end. Then it calls them ``--count`` times more, each broken by a fault at a place
that chance chooses: killed before a file or folder is opened to write, renamed, linked, made or removed, which is
between its writing and its renaming, too; killed, ended or interrupted at any moment; a disk that is full from some
file on; a disk that fails once, also where it is read; files that may not grow beyond some size. Each must end by
itself, say what is wrong in lines without a traceback, and leave such files that the same command, called again, comes
to what the unbroken one came to, byte for byte, but for the files that two unbroken ones differ in, such as times.
``--workers`` lets worker processes work, as the command line does, of which only the main process is killed. Exit code
1: some did not.
"""

import argparse
import collections
import errno
import os
import random
import resource
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import jinja2
from matplotlib.figure import Figure

import incmask
from incmask.base.files import TEMPORARY_SUFFIX
from incmask.base.intact import END, MANIFEST
from incmask.base.pool import HerePool
from incmask.base.store import DAMAGED, LOCK
from incmask.commands import cli
from incmask.data.synthetic import write_dataset
from incmask.experiment.executor import Executor
from incmask.prediction.ledger import LEDGER

LOADED = (incmask.run, incmask.predict, incmask.export, incmask.prepare, incmask.report, Figure, jinja2)
"""What commands load when they are called, which would take most of their time here."""

OF_THE_MOMENT = {"history.csv", "rounds.json", "usage.json"}
"""Files that hold times."""

LONGEST_S = 1000
"""No command takes nearly as long, whatever else a machine does."""

HERE = Executor(HerePool, lambda job, pool: 0.01)
PARTS = {"num_labelled": 4, "num_unlabelled": 4, "num_val": 2, "num_test": 2}
SETTINGS = {
    **dict.fromkeys(("num_base", "num_students", "num_members", "batch_size", "num_workers"), 2),
    **dict.fromkeys(("num_generations", "epochs", "steps_per_epoch"), 1),
    "width": 0.125,
    "size": [32, 32],
    "device": "cpu",
    "precision": "float32",
}
JOBS: dict[str, tuple[str, ...]] = {
    "run": ("run", "data", "-o", "new", *(f"--set={name}={value}" for name, value in SETTINGS.items())),
    "predict": ("predict", "run", "data/test/images", "-o", "new", "--device", "cpu"),
    "export": ("export", "run", "--to", "labelme", "-o", "new"),
    "import": ("import", "run", "labels", "--from", "png", "--unchanged", "confirm", "--data", "data"),
    "prepare": ("prepare", "folder", "source", "new", "--layout", "pairs"),
    "report": ("report", "run"),
    "compare": (
        *("compare", "data", "-o", "new", "--recipes", "im", "--repeats", "1"),
        *(f"--set={name}={value}" for name, value in SETTINGS.items()),
    ),
}
"""Commands, in a folder with data, a finished run, its labels and files of others."""

_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate"}


class Disk:
    """Counts what a process does to the files of a folder, and breaks it at a place.

    Args:
        root: the folder.
        at: called with the number of each, from 1, whether it changes something, and the path, before it is done.
    """

    def __init__(self, root: Path, at: Callable[[int, bool, str], None] = lambda number, changes, path: None):
        self.num, self._root, self._at, self._busy = 0, str(root), at, False
        sys.addaudithook(self._hear)

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if self._busy or event not in {"open", *_CHANGES} or not isinstance(args[0], str | os.PathLike):
            return
        path = os.path.abspath(args[0])
        if path.startswith(self._root):
            changes = event != "open" or bool(args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
            self.num, self._busy = self.num + 1, True
            try:
                self._at(self.num, changes, path)
            finally:
                self._busy = False


@dataclass(frozen=True)
class End:
    """How a command ended: its exit code, negative for a signal, what it said, and how many places it passed."""

    code: int
    said: str
    num_places: int
    seconds: float


@dataclass(frozen=True)
class Fault:
    """What breaks a command.

    Attributes:
        name: of its kind.
        where: the number of a place, a share of the time, or bytes.
        begin: called in the process, before the command.
        signal: sent to it at ``where`` of the time; 0: none.
    """

    name: str
    where: float
    begin: Callable[[Path], object]
    signal: int = 0


def killed(place: int) -> Fault:
    """Kill before the first change at a place or behind it."""

    def at(number: int, changes: bool, path: str) -> None:
        if number >= place and changes:
            os.kill(os.getpid(), signal.SIGKILL)

    return Fault("killed between writing and renaming", place, lambda root: Disk(root, at))


def full_disk(place: int) -> Fault:
    """Let nothing be written from a place on."""

    def at(number: int, changes: bool, path: str) -> None:
        if number >= place and changes and os.path.basename(path) != LOCK:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    return Fault("disk full", place, lambda root: Disk(root, at))


def broken_disk(place: int) -> Fault:
    """Let the disk fail once."""

    def at(number: int, changes: bool, path: str) -> None:
        if number == place:
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)

    return Fault("disk fails once", place, lambda root: Disk(root, at))


def small_files(num_bytes: int) -> Fault:
    """Let no file grow beyond a size, so that large ones stay half written."""
    return Fault("file size", num_bytes, lambda root: resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes,) * 2))


def ended_at(share: float, number: int) -> Fault:
    """Send a signal at a moment, a share of what the command takes."""
    return Fault(f"{signal.Signals(number).name} at a moment", share, lambda root: None, number)


def call(root: Path, argv: tuple[str, ...], fault: Fault, executor: Executor | None, seconds: float = 0) -> End:
    """Call a command in a folder, in a process of its own that has all modules already.

    Args:
        root: the folder.
        argv: the command.
        fault: breaks it.
        executor: where the work is done; None: in worker processes.
        seconds: that the command takes unbroken.
    """
    notes = {name: root.parent / f"{name}.txt" for name in ("said", "places")}
    started = time.monotonic()
    if not (process := os.fork()):
        _be_called(root, argv, fault, executor, notes)
    due = started + (seconds * fault.where if fault.signal else LONGEST_S)
    number = fault.signal or signal.SIGKILL
    while not (found := os.waitpid(process, os.WNOHANG))[0]:
        if time.monotonic() > due:
            os.kill(process, number)
            due, number = started + LONGEST_S, signal.SIGKILL
        time.sleep(0.005)
    took = time.monotonic() - started
    code, said = os.waitstatus_to_exitcode(found[1]), notes["said"].read_text(errors="replace")
    hung = "" if took < LONGEST_S else "\nTraceback: none, it did not end"
    return End(code, said + hung, int(notes["places"].read_text() or 0), took)


def _be_called(
    root: Path, argv: tuple[str, ...], fault: Fault, executor: Executor | None, notes: Mapping[str, Path]
) -> None:
    """Be the process of a command; never returns."""
    code = 70
    try:
        with open(notes["said"], "w") as said, open(notes["places"], "w") as places:
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
            os.chdir(root)
            sys.argv = ["incmask", *argv, "--quiet"]
            Figure.savefig = _save_undrawn
            disk = fault.begin(root)
            try:
                cli.main(executor)
            except SystemExit as error:
                code = error.code if isinstance(error.code, int) else int(error.code is not None)
            except BaseException:
                traceback.print_exc()
            places.write(str(disk.num) if isinstance(disk, Disk) else "")
            sys.stdout.flush()
            sys.stderr.flush()
    finally:
        os._exit(code)


def _save_undrawn(figure: Figure, file: TextIO, **options: object) -> None:
    """Stand in for the drawing of figures, which would take most of the time."""
    file.write("<svg ></svg>")


def contents(root: Path) -> dict[str, bytes]:
    """Give all files by their paths, but those that tell of the moment or of what was damaged."""
    passed_over = (LOCK, MANIFEST, END, LEDGER)
    files = [path for path in sorted(root.rglob("*")) if path.is_file() and path.name not in passed_over]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files if DAMAGED not in path.parts}


@dataclass(frozen=True)
class Unbroken:
    """What a command comes to: its files, which of them are the same each time, its places and seconds."""

    files: dict[str, bytes]
    steady: frozenset[str]
    num_places: int
    seconds: float
    largest: int

    def differing(self, found: Mapping[str, bytes]) -> list[str]:
        """Name files that are there and should not be, are not there, or hold other bytes."""
        lacking = {*self.files} ^ {*found}
        return sorted(lacking | {name for name in self.steady - lacking if found[name] != self.files[name]})


class Bench:
    """A folder in which commands are called, made anew for each.

    Args:
        out: where all of it lies.
        seed: of the data.
    """

    def __init__(self, out: Path, seed: int):
        self.template, self.root = out / "template", out / "work"
        write_dataset(self.template / "data", seed=seed, size=(32, 32), task="binary", **PARTS)
        source = shutil.copytree(self.template / "data" / "labelled", self.template / "source")
        assert any(source.rglob("*.png"))
        self.anew()
        for argv in (
            *(("run", "data", "-o", "run", *JOBS["run"][4:]), ("export", "run", "--to", "png", "-o", "labels")),
        ):
            end = self.call(argv)
            assert end.code == 0, end.said
        shutil.rmtree(self.template)
        shutil.copytree(self.root, self.template)

    def anew(self) -> None:
        """Begin with what every command begins with."""
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(self.template, self.root)

    def call(self, argv: tuple[str, ...], fault: Fault | None = None, **options: Any) -> End:
        """Call a command here, unbroken where no fault is given."""
        return call(self.root, argv, fault or Fault("none", 0, Disk), **{"executor": HERE} | options)

    def unbroken(self, argv: tuple[str, ...], **options: Any) -> Unbroken:
        """Call a command twice, and look what it comes to."""
        found = []
        for _ in range(2):
            self.anew()
            before = contents(self.root)
            end = self.call(argv, **options)
            assert end.code == 0, end.said
            found.append(contents(self.root))
        first, second = found
        # What may differ by chance in one folder may do so in all.
        moving = {Path(name).name for name in first if first[name] != second.get(name)} | OF_THE_MOMENT
        steady = frozenset(name for name in first if Path(name).name not in moving)
        made = [len(content) for name, content in first.items() if content != before.get(name)]
        return Unbroken(first, steady, end.num_places, end.seconds, max(made, default=1))

    def wrong(self, argv: tuple[str, ...], fault: Fault, expected: Unbroken, **options: Any) -> list[str]:
        """Break a command and call it again; tell what went wrong."""
        self.anew()
        end = self.call(argv, fault, seconds=expected.seconds, **options)
        told = [f"broken, {line}" for line in _ill_said(end)]
        is_told = any(os.strerror(number) in end.said for number in (errno.EIO, errno.ENOSPC, errno.EFBIG))
        if end.code == 0 and not is_told and (names := expected.differing(contents(self.root))):
            told.append(f"it ended as if nothing had been, and {', '.join(names[:5])} differ")
        again = self.call(argv, **options)
        told += [f"again, {line}" for line in _ill_said(again)]
        if again.code and "is there already" in again.said and not expected.differing(contents(self.root)):
            # It was killed after its last file.
            pass
        elif again.code:
            told.append(f"again, exit code {again.code}: {again.said.strip()[-300:]}")
        elif names := expected.differing(contents(self.root)):
            told.append(f"{len(names)} files differ: {', '.join(names[:5])}")
        return told + [f"left: {path}" for path in self.root.rglob(f"*{TEMPORARY_SUFFIX}")]


def _ill_said(end: End) -> list[str]:
    """Tell of a traceback, or of a failure without a word."""
    if "Traceback" in end.said or end.code == 70:
        return [f"a traceback: {end.said.strip()[-600:]}"]
    return [f"exit code {end.code} without a word"] if end.code > 0 and not end.said.strip() else []


def fault_of(generator: random.Random, expected: Unbroken, *, workers: bool) -> Fault:
    """Draw a fault; in worker processes there is only one of moments."""
    place = generator.randint(1, expected.num_places)
    moment = ended_at(generator.random(), generator.choice((signal.SIGKILL, signal.SIGTERM, signal.SIGINT)))
    if workers:
        return moment
    size = small_files(generator.randint(1, expected.largest))
    return generator.choice((killed(place), killed(place), full_disk(place), broken_disk(place), size, moment))


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
        fault = fault_of(generator, expected[job], workers=options.workers)
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
