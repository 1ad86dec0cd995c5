"""How long work tells what it does; the command line shows it, other callers may listen."""

import threading
import time
from collections.abc import Callable
from typing import Protocol

Report = Callable[[int], None]
"""What a job calls with the amount of work done since the last call."""


def ignore(amount: int) -> None:
    """Give a report that nobody reads."""


class Throttled:
    """Adds up what a job reports, and passes the sum on now and then.

    Args:
        tell: called with all that was reported so far.
        pause_s: between two calls, in seconds.
    """

    def __init__(self, tell: Callable[[float], object], *, pause_s: float):
        self._tell, self._pause_s = tell, pause_s
        self._sum, self._told = 0.0, time.monotonic()

    def __call__(self, amount: float) -> None:
        self._sum += amount
        if time.monotonic() - self._told > self._pause_s:
            self.tell()

    def tell(self) -> None:
        """Pass it on now, as at the job's end."""
        self._tell(self._sum)
        self._told = time.monotonic()


class Progress(Protocol):
    """A listener; amounts of work are in any unit, the same throughout a run."""

    def say(self, line: str) -> None:
        """Say a line to people."""

    def expect(self, amount: float) -> None:
        """So much work lies ahead, in all."""

    def doing(self, what: str) -> None:
        """Name the work that comes next, in a few words."""

    def advance(self, amount: float) -> None:
        """So much work was done."""


class Silent:
    """Listens to nothing."""

    def say(self, line: str) -> None:
        """Nothing."""

    def expect(self, amount: float) -> None:
        """Nothing."""

    def doing(self, what: str) -> None:
        """Nothing."""

    def advance(self, amount: float) -> None:
        """Nothing."""


class Joint:
    """One bar over several runs, one after the other or side by side: work is passed on under each run's name.

    What a run says before its work begins is about the data, which they share, and is passed on once.

    Args:
        progress: the listener of all; it is called in the threads of the runs, but one at a time.
        named: lines are passed on under their run's name, too, since several speak in turn.
    """

    def __init__(self, progress: Progress, *, named: bool = False):
        self.progress, self.named = progress, named
        self.said: set[str] = set()
        self.lock = threading.Lock()

    def begin(self, name: str = "") -> Progress:
        """Give the listener of another run."""
        return _OfOne(self, name)

    def say(self, line: str) -> None:
        """Say a line that is no run's own."""
        with self.lock:
            self.progress.say(line)


class _OfOne:
    """Listens to one of several runs."""

    def __init__(self, joint: Joint, name: str):
        self._joint, self._name, self._working = joint, name, False

    def say(self, line: str) -> None:
        """Say a line to people, unless they heard it before."""
        joint = self._joint
        with joint.lock:
            if self._working or line not in joint.said:
                joint.progress.say(f"  {self._name}: {line}" if joint.named else f"  {line}")
                joint.said.add(line)

    def expect(self, amount: float) -> None:
        """Begin the run's work; the bar counts all runs' together."""
        self._working = True

    def doing(self, what: str) -> None:
        """Name the work that comes next, under the run's name."""
        with self._joint.lock:
            self._joint.progress.doing(f"{self._name}: {what}")

    def advance(self, amount: float) -> None:
        """So much work was done."""
        with self._joint.lock:
            self._joint.progress.advance(amount)
