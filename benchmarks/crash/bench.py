"""A folder in which commands are called, broken, and called again; and what is wrong afterwards."""

import errno
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

import jinja2
from matplotlib.figure import Figure

import incmask
from benchmarks.crash.faults import Disk, Fault
from incmask.base.files import TEMPORARY_SUFFIX
from incmask.base.manifest import END, MANIFEST
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
    "archive": ("export", "run", "--to", "coco", "-o", "new/labels.zip"),
    "import": ("import", "run", "labels", "--from", "png", "--unchanged", "confirm", "--data", "data"),
    "prepare": ("prepare", "folder", "source", "new", "--layout", "pairs"),
    "fix": ("check", "twice", "--fix", "new"),
    "mask": ("mask", "models/a", "models/b", "-o", "new"),
    "report": ("report", "run"),
    "compare": (
        *("compare", "data", "-o", "new", "--recipes", "im", "--repeats", "1"),
        *(f"--set={name}={value}" for name, value in SETTINGS.items()),
    ),
}
"""Commands, in a folder with data, a finished run, its labels and files of others."""


@dataclass(frozen=True)
class End:
    """How a command ended: its exit code, negative for a signal, what it said, and how many places it passed."""

    code: int
    said: str
    num_places: int
    seconds: float


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
            sys.argv = ["incmask", *argv, *([] if argv[0] == "check" else ["--quiet"])]
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
        for name in "ab":
            shutil.copytree(source / "masks", self.template / "models" / name)
        twice = shutil.copytree(self.template / "data", self.template / "twice")
        shutil.copytree(twice / "test" / "images", twice / "unlabelled" / "again")
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
        """Call a command twice, look what it comes to, and call it where it has ended."""
        found = []
        for _ in range(2):
            self.anew()
            before = contents(self.root)
            end = self.call(argv, **options)
            assert end.code == 0, end.said
            found.append(contents(self.root))
        again = self.call(argv, **options)
        assert again.code == 0, again.said
        first, second = found
        # What may differ by chance in one folder may do so in all.
        moving = {Path(name).name for name in first if first[name] != second.get(name)} | OF_THE_MOMENT
        steady = frozenset(name for name in first if Path(name).name not in moving)
        expected = Unbroken(first, steady, end.num_places, end.seconds, 1)
        if names := expected.differing(contents(self.root)):
            raise AssertionError(f"called again where it had ended, it left others: {', '.join(names)}")
        made = [len(content) for name, content in first.items() if content != before.get(name)]
        return replace(expected, largest=max(made, default=1))

    def wrong(self, argv: tuple[str, ...], fault: Fault, expected: Unbroken, **options: Any) -> list[str]:
        """Break a command and call it again; tell what went wrong."""
        self.anew()
        end = self.call(argv, fault, seconds=expected.seconds, **options)
        told = [f"broken, {line}" for line in _ill_said(end)]
        is_told = any(os.strerror(number) in end.said for number in (errno.EIO, errno.ENOSPC, errno.EFBIG))
        if end.code == 0 and not is_told and (names := expected.differing(contents(self.root))):
            told.append(f"it ended as if nothing had been, and {', '.join(names[:5])} differ")
        fault.mend(self.root)
        again = self.call(argv, **options)
        told += [f"again, {line}" for line in _ill_said(again)]
        if again.code:
            told.append(f"again, exit code {again.code}: {again.said.strip()[-300:]}")
        elif names := expected.differing(contents(self.root)):
            told.append(f"{len(names)} files differ: {', '.join(names[:5])}")
        return told + [f"left: {path}" for path in self.root.rglob(f"*{TEMPORARY_SUFFIX}")]


def _ill_said(end: End) -> list[str]:
    """Tell of a traceback, or of a failure without a word."""
    if "Traceback" in end.said or end.code == 70:
        return [f"a traceback: {end.said.strip()[-600:]}"]
    return [f"exit code {end.code} without a word"] if end.code > 0 and not end.said.strip() else []
