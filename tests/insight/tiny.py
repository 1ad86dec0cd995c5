"""A tiny comparison that many tests look at, and what they need to make their own."""

import csv
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest

from incmask.experiment import train as training
from incmask.experiment.executor import Executor
from incmask.experiment.named import Choices
from incmask.insight.comparison.compare import Comparison, compare
from runs import HERE, PARTS, SETTINGS, Listener, make_data

RECIPES = ("fdt", "cl", "evalnet", "im", "im++")
"""LDT and ALDT come by themselves."""
NUM_GENERATIONS = 2


@dataclass(frozen=True)
class Made:
    """A comparison that was made.

    Attributes:
        data, out: its folders.
        found: what came of it.
        said: what was said.
        fitted: folders of the networks that were trained, below ``out``.
    """

    data: Path
    out: Path
    found: Comparison
    said: Listener
    fitted: tuple[str, ...]


def elsewhere(comparison: Comparison, folder: Path) -> Comparison:
    """Give the same comparison, whose files for people go to another folder."""
    for path in comparison.root.iterdir():
        (folder / path.name).symlink_to(path) if path.is_dir() else shutil.copy(path, folder)
    return replace(comparison, root=folder)


def make(
    data: Path,
    out: Path,
    recipes: Sequence[str],
    *,
    num_repeats: int = 1,
    grid: dict[str, list[object]] | None = None,
    equal_steps: bool = False,
    preset: str | None = None,
    kill_at: int = 0,
    executor: Executor = HERE,
    **settings: object,
) -> Made:
    """Compare with ``SETTINGS`` and others on top."""
    said = Listener(kill_at=kill_at)
    with recording_fits() as fitted:
        found = compare(
            data,
            out,
            choices=Choices(preset=preset, settings=SETTINGS | settings),
            executor=executor,
            recipes=recipes,
            num_repeats=num_repeats,
            grid=grid,
            equal_steps=equal_steps,
            progress=said,
        )
    return Made(data, out, found, said, tuple(folder.relative_to(out).as_posix() for folder in fitted))


@contextmanager
def recording_fits() -> Iterator[list[Path]]:
    """Give the folders of the networks that are trained meanwhile."""
    fitted: list[Path] = []
    fit = training.fit
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "fit", lambda job, report: (fitted.append(job.folder), fit(job, report)))
        yield fitted


@cache
def finished(root: Path) -> Made:
    """Two repeats of seven approaches on binary data below ``root``; made once, tests leave it as it is."""
    folder = root / "finished comparison"
    data = make_data(folder / "data", "binary")
    # Accepting every candidate, so that there is something to count.
    made = make(
        data,
        folder / "out",
        RECIPES,
        num_repeats=2,
        num_generations=NUM_GENERATIONS,
        quality_threshold=0.0,
    )
    return made


def lines_of(path: Path) -> list[dict[str, str]]:
    """Read a table."""
    with open(path, newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def tables_without_time(out: Path) -> dict[str, list[dict[str, str]]]:
    """Every table of a comparison, and of its runs but for the histories, without the times."""
    return {
        path.relative_to(out).as_posix(): [
            {name: value for name, value in line.items() if name != "seconds"} for line in lines_of(path)
        ]
        for path in sorted(out.rglob("*.csv"))
    }


NUM_UNLABELLED, NUM_LABELLED, NUM_TEST = PARTS["unlabelled"], PARTS["labelled"], PARTS["test"]
