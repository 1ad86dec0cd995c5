"""How far a run is, from its files alone: for whoever looks at it from another machine."""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from incmask.base.caller import command
from incmask.base.errors import fail
from incmask.base.manifest import MANIFEST
from incmask.base.parse import parse_json
from incmask.base.run_log import LOG, SIGN_S
from incmask.base.words import ShortRepr, counted, duration
from incmask.training.files import MODEL

State = Literal["at work", "silent", "ended", "stopped", "failed"]

_SILENT = 8
"""Signs of life that may be missing, since storage over a network shows them late."""

_RECENT = 40
"""Signs of life that tell how fast the work is done."""

_SAID = 3
"""Lines that were said last, which are shown."""


@dataclass(frozen=True, repr=False)
class Status(ShortRepr):
    """How far a run, comparison or search for settings is.

    Attributes:
        root: its folder.
        state: "at work"; "silent": at work by its log, without a sign of life for two minutes; "ended", "stopped" by
            Ctrl-C, or "failed".
        stage: what it does, or did last; "" where it did not say.
        done, expected: work, in units of the run's own; 0 where it is not known.
        num_models, num_files: networks that are trained, and files that are written.
        node, process: who works, or worked last.
        begun, seen: when this process began, and its last sign of life.
        seconds_left: until the work is done, by the speed of the last minutes; None: nothing tells.
        problems: why it failed.
        said: its last lines.
    """

    root: Path
    state: State
    stage: str
    done: float
    expected: float
    num_models: int
    num_files: int
    node: str
    process: int
    begun: datetime
    seen: datetime
    seconds_left: float | None
    problems: tuple[str, ...]
    said: tuple[str, ...]

    def lines(self, now: datetime | None = None) -> list[str]:
        """Tell a person, as of ``now``."""
        now = now or datetime.now(UTC)
        who = f"process {self.process} on {self.node}"
        since = f"since {_clock(self.begun)}, last sign of life {_clock(self.seen)} ({_ago(now - self.seen)})"
        told = [f"state          {self.state}", f"who            {who}", f"when           {since}"]
        if self.stage:
            told.append(f"stage          {self.stage}")
        if self.expected:
            left = "" if self.seconds_left is None else f", about {duration(self.seconds_left)} left"
            if self.seconds_left is not None:
                left += f", until {_clock(now + timedelta(seconds=self.seconds_left))}"
            told.append(f"done           {self.share:.0%}{left}")
        told.append(f"written        {counted(self.num_models, 'model')}, {counted(self.num_files, 'file')}")
        told += [f"said           {line}" for line in self.said]
        return [*told, *(f"problem        {problem}" for problem in self.problems)]

    @property
    def share(self) -> float:
        """Work that is done, 0 to 1."""
        return min(1.0, self.done / self.expected) if self.expected else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Give the same for machines."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "root"}
        times = {name: values[name].isoformat() for name in ("begun", "seen")}
        lists = {name: list(values[name]) for name in ("problems", "said")}
        return {"run": str(self.root), **values, **times, **lists, "share": self.share}


def read_status(root: Path, now: datetime | None = None) -> Status:
    """Read how far a run is; writes nothing, and needs nothing but its files.

    Args:
        root: folder of a run, comparison or search for settings.
        now: the time; None: this machine's.

    Raises:
        IncmaskError: it is none, or of a version that kept no log.
    """
    if not (root / MANIFEST).is_file():
        raise fail(root, "is no run folder", f"name the folder that {command('run')} writes")
    events = list(_events(root / LOG))
    begins = [place for place, event in enumerate(events) if event["event"] == "begin"]
    if not begins:
        raise fail(root / LOG, "tells of no work", f"let {command('run')} go on, which writes it")
    begin, last = events[begins[-1]], events[begins[-1] :]
    seen = _time(last[-1])
    state = _state(last[-1], seen, now or datetime.now(UTC))
    expected = next((event["amount"] for event in reversed(last) if event["event"] == "expect"), 0.0)
    names = _written(root)
    return Status(
        root=root,
        state=state,
        stage=next((event["what"] for event in reversed(last) if event["event"] == "doing"), ""),
        done=next((event["done"] for event in reversed(last) if "done" in event), 0.0),
        expected=expected,
        num_models=sum(name.endswith(f"/{MODEL}") for name in names),
        num_files=len(names),
        node=begin["node"],
        process=begin["process"],
        begun=_time(begin),
        seen=seen,
        seconds_left=_seconds_left(last, expected) if state == "at work" else None,
        problems=tuple(last[-1].get("problems", ())),
        said=tuple(event["line"] for event in last if event["event"] == "say")[-_SAID:],
    )


def _state(last: dict[str, Any], seen: datetime, now: datetime) -> State:
    if last["event"] in ("failed", "stopped"):
        return last["event"]  # type: ignore[no-any-return]
    if last["event"] == "end":
        return "ended"
    # Clocks of other machines may be ahead.
    return "silent" if now - seen > timedelta(seconds=_SILENT * SIGN_S) else "at work"


def _seconds_left(events: Sequence[dict[str, Any]], expected: float) -> float | None:
    """Go by the last signs of life: what was done before, a run that goes on counts at once."""
    signs = [(_time(event), event["done"]) for event in events if event["event"] == "done"][-_RECENT:]
    if len(signs) < 2 or not expected:
        return None
    (first, before), (last, done) = signs[0], signs[-1]
    # A clock may have been set back meanwhile.
    if done <= before or last <= first:
        return None
    return float(max(0.0, expected - done) * (last - first).total_seconds() / (done - before))


def _events(path: Path) -> Iterator[dict[str, Any]]:
    """Read lines, but one that was cut off or damaged."""
    with suppress(OSError):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            with suppress(ValueError, KeyError, TypeError):
                event = parse_json(line)
                _time(event)
                yield {**event, "event": str(event["event"])}


def _written(root: Path) -> set[str]:
    """Name the files that the manifest tells of; whoever works there now only adds to it."""
    names: set[str] = set()
    for line in (root / MANIFEST).read_text(encoding="utf-8", errors="replace").splitlines():
        with suppress(ValueError, KeyError, TypeError):
            entry = json.loads(line)
            names.add(entry["path"]) if entry["bytes"] >= 0 else names.discard(entry["path"])
    return names


def _time(event: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(event["time"])


def _clock(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _ago(passed: timedelta) -> str:
    return f"{duration(max(0.0, passed.total_seconds()))} ago"
