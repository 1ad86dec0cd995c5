"""What a tracker is shown of a run: read from the files that the run enters into its manifest, as it enters them."""

import csv
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from incmask.base.caller import option
from incmask.base.manifest import MANIFEST
from incmask.base.parse import parse_toml
from incmask.base.records import RUN
from incmask.base.run_log import Listener
from incmask.base.trackers import TRACKERS, Tracker
from incmask.base.validation import choose
from incmask.experiment.paths import INDEX, PSEUDO, STUDENTS, TOGETHER
from incmask.experiment.pseudo_labels import read_pseudo_labels
from incmask.experiment.setup import BASE
from incmask.training.files import HISTORY

_LOG = logging.getLogger(__name__)

Track = Callable[[Path], Tracker]
"""Opens a tracker for a run folder."""


def tracker_of(name: str | None) -> Track | None:
    """Find a tracker by its name; None: none is wanted.

    Raises:
        IncmaskError: there is none of that name.
    """
    return None if name is None else choose(TRACKERS, name, option=option("track"))  # type: ignore[no-any-return]


@contextmanager
def tracked(root: Path, track: Track | None) -> Iterator[Listener | None]:
    """Give what is to be called with each line of a run's log, so that a tracker sees the run; None: none is wanted.

    Args:
        root: folder of the run, which is begun.
        track: opens the tracker.
    """
    if track is None:
        yield None
        return
    tracker = track(root)
    try:
        tracker.choices(dict(_flat(parse_toml((root / RUN).read_text(encoding="utf-8")))))
        yield _Follower(root, tracker)
    finally:
        tracker.close()


class _Follower:
    """Reads on in the manifest whenever the run says something; what a tracker refuses ends no run."""

    def __init__(self, root: Path, tracker: Tracker):
        self._root, self._tracker, self._place, self._failed = root, tracker, 0, False

    def __call__(self, line: dict[str, Any]) -> None:
        if self._failed:
            return
        try:
            for path in self._new():
                for name, value, step in points_of(self._root, path):
                    self._tracker.scalar(name, value, step)
        except Exception as error:
            self._failed = True
            _LOG.warning("%s shows no more: %s", option("track"), error)

    def _new(self) -> Iterator[PurePosixPath]:
        with open(self._root / MANIFEST, "rb") as handle:
            handle.seek(self._place)
            # A line that is not whole is being written.
            whole, _, _ = handle.read().rpartition(b"\n")
        self._place += len(whole) + bool(whole)
        for line in whole.splitlines():
            entry = json.loads(line)
            if entry["bytes"] >= 0:
                yield PurePosixPath(entry["path"])


def points_of(root: Path, path: PurePosixPath) -> Iterator[tuple[str, float, int]]:
    """Give the points of curves in a file of a run: name, value and step; of most files none.

    Histories of students are curves over their steps, scores of stages and what is said of pseudo-labels over stages.
    """
    if path.name == HISTORY and STUDENTS in path.parts:
        stage, number = path.parts[0], path.parts[-2]
        for row in _rows(root / path):
            for name in ("training_loss", "validation_loss", "validation_score"):
                yield f"{name}/{stage}/{number}", float(row[name]), int(row["step"])
    elif path.name == TOGETHER:
        stage = path.parts[0]
        name = "stage_score" if stage == BASE or _number(stage) else f"{stage}_score"
        yield name, json.loads((root / path).read_text(encoding="utf-8"))["validation_score"], _number(stage)
    elif path.name == INDEX and PSEUDO in path.parts:
        known = read_pseudo_labels(root / path)
        for name in ("admitted", "inconsistent_fraction"):
            yield f"pseudo_labels/{name}", float(getattr(known, name).mean()), _number(path.parts[0])


def _number(stage: str) -> int:
    """Number a stage: of a generation its own, 0 for all before the first."""
    return int(stage.removeprefix("gen-")) if stage.startswith("gen-") else 0


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as handle:
        yield from csv.DictReader(handle)


def _flat(values: dict[str, Any], under: str = "") -> Iterator[tuple[str, object]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{under}{name}.")
        else:
            yield f"{under}{name}", value
