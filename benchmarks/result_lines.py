"""Results of trainings as lines of JSON in a file: what has one is not trained again, so that a command goes on."""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, TypeVar

RESULTS = "results.jsonl"
"""In the folder that a command writes to."""

Line = dict[str, Any]


class Keyed(Protocol):
    """A training as a dataclass, which is found again by its key."""

    @property
    def key(self) -> str: ...


Trial = TypeVar("Trial", bound=Keyed)


def read_lines(*paths: Path) -> list[Line]:
    """Read the lines of all files that are there, one after the other."""
    texts = [path.read_text(encoding="utf-8") for path in paths if path.exists()]
    return [json.loads(line) for text in texts for line in text.splitlines()]


def add_line(path: Path, line: Line) -> None:
    """Append a line to a file."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def train_missing(
    trials: Iterable[Trial], lines: list[Line], path: Path, train: Callable[[Trial], Line]
) -> Iterator[Line]:
    """Train what has no line yet, and give each new line; it is added to those known and to the file.

    Args:
        trials: in their order.
        lines: that are known; takes the new ones.
        path: of the file.
        train: gives what came of one.
    """
    for trial in trials:
        if any(line["key"] == trial.key for line in lines):
            continue
        started = time.monotonic()
        found = train(trial)
        line = {"key": trial.key, **asdict(trial), **found, "seconds": time.monotonic() - started}  # type: ignore[call-overload]
        lines.append(line)
        add_line(path, line)
        yield line
