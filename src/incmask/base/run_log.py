"""What a run says of itself while it works, a line of JSON each: for whoever watches it, on this machine or another."""

import json
import os
import platform
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from incmask.base.errors import IncmaskError
from incmask.base.files import append_text
from incmask.base.progress import Progress

LOG = "progress.jsonl"

SIGN_S = 15.0
"""Between two signs of life."""

Listener = Callable[[dict[str, Any]], None]
"""Is told of each line, in any thread but one at a time."""


class RunLog:
    """A listener that writes down what it hears, and passes it on.

    A thread writes how much is done every few seconds, so that the last line tells when the process was alive. What
    cannot be written is left out: no run ends for it.

    Args:
        folder: of the run, where the log is begun or goes on.
        progress: who hears the same.
        also: called with each line.
    """

    def __init__(self, folder: Path, progress: Progress, also: Listener | None = None):
        self._path, self._progress, self._also = folder / LOG, progress, also
        self._done, self._lock, self._ended = 0.0, threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._live, daemon=True)

    def say(self, line: str) -> None:
        """Say a line to people."""
        self._write("say", line=line)
        self._progress.say(line)

    def expect(self, amount: float) -> None:
        """So much work lies ahead, in all."""
        self._done = 0.0
        self._write("expect", amount=amount)
        self._progress.expect(amount)

    def doing(self, what: str) -> None:
        """Name the work that comes next."""
        self._write("doing", what=what, done=self._done)
        self._progress.doing(what)

    def advance(self, amount: float) -> None:
        """So much work was done; it is written with the next sign of life."""
        self._done += amount
        self._progress.advance(amount)

    def __enter__(self) -> Self:
        self._write("begin", node=platform.node(), process=os.getpid(), incmask=version("incmask"))
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._ended.set()
        self._thread.join()
        if error is None:
            self._write("end", done=self._done)
        elif isinstance(error, IncmaskError):
            self._write("failed", problems=[str(each) for each in error.problems])
        elif isinstance(error, KeyboardInterrupt):
            self._write("stopped")
        else:
            self._write("failed", problems=[f"{type(error).__name__}: {error}"])

    def _live(self) -> None:
        while not self._ended.wait(SIGN_S):
            self._write("done", done=self._done)

    def _write(self, event: str, **values: Any) -> None:
        line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **values}
        with self._lock:
            with suppress(IncmaskError):
                append_text(self._path, json.dumps(line) + "\n")
            if self._also:
                self._also(line)
