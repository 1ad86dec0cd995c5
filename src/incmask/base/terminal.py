"""Progress as a person sees it."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from incmask.base.notebook import NotebookProgress, in_notebook


def show_progress() -> "Terminal | NotebookProgress":
    """Give a listener that shows lines and a bar: for several calls that are to share one.

    Returns:
        One for the terminal, or in a notebook for the output of a cell; to be used in a ``with`` statement.

    Examples:
        >>> with show_progress() as progress:  # and in it: run(..., progress=progress)
        ...     progress.doing("looking")
    """
    return NotebookProgress() if in_notebook() else Terminal()


class Terminal:
    """Lines and one bar with the time left, on standard error."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        # At the edge of a window lines break between words; in a file they stay whole.
        self._console.soft_wrap = not self._console.is_terminal
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            # Steps come in every few seconds at most; a short window would make the estimate jump.
            TimeRemainingColumn(),
            TextColumn("left,"),
            TimeElapsedColumn(),
            TextColumn("so far"),
            console=self._console,
            speed_estimate_period=120,
            transient=True,
        )
        self._task = self._bar.add_task("reading", total=None)

    def say(self, line: str) -> None:
        """Say a line to people."""
        self._console.print(line, markup=False)

    def expect(self, amount: float) -> None:
        """Begin to count anew, up to ``amount``."""
        self._bar.reset(self._task, total=amount)

    def doing(self, what: str) -> None:
        """Name what the bar counts."""
        self._bar.update(self._task, description=what)

    def advance(self, amount: float) -> None:
        """Move the bar."""
        self._bar.advance(self._task, amount)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the screen to a question."""
        self._bar.stop()
        try:
            yield
        finally:
            self._bar.start()

    def __enter__(self) -> "Terminal":
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()
