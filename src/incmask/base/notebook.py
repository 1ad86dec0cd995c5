"""What a notebook shows: the progress of long work, and pictures inside of tables."""

import base64
import html
import sys
import time
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from rich.progress import Progress

_LEAST_SECONDS = 0.5
"""Between two updates: notebooks keep every one that they were sent."""


def in_notebook() -> bool:
    """Tell whether this process answers a notebook."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    # A shell in a terminal has no kernel.
    return getattr(shell, "kernel", None) is not None


class NotebookProgress:
    """Lines and one bar with the time left, in the output of a notebook's cell."""

    def __init__(self) -> None:
        # Only counts: what rich would show itself needs a package of its own in notebooks.
        self._counter = Progress(disable=True, speed_estimate_period=120)
        self._task = self._counter.add_task("reading", total=None)
        self._lines: list[str] = []
        self._handle: Any = None
        self._shown_at = 0.0

    def say(self, line: str) -> None:
        """Say a line to people."""
        self._lines.append(line)
        self._show()

    def expect(self, amount: float) -> None:
        """Begin to count anew, up to ``amount``."""
        self._counter.reset(self._task, total=amount)
        self._show()

    def doing(self, what: str) -> None:
        """Name what the bar counts."""
        self._counter.update(self._task, description=what)
        self._show()

    def advance(self, amount: float) -> None:
        """Move the bar."""
        self._counter.advance(self._task, amount)
        self._show()

    def __enter__(self) -> "NotebookProgress":
        from IPython.display import HTML, display

        self._handle = display(HTML(self.as_html()), display_id=True)
        return self

    def __exit__(self, *error: object) -> None:
        self._shown_at = 0.0
        self._show(at_work=False)
        self._handle = None

    def as_html(self, *, at_work: bool = True) -> str:
        """Give what is shown; the bar only while there is something to count."""
        lines = "".join(f"<div>{html.escape(line)}</div>" for line in self._lines)
        return f"<div>{lines}{self._bar() if at_work else ''}</div>"

    def _bar(self) -> str:
        task = self._counter.tasks[0]
        what = html.escape(task.description)
        if task.total is None:
            return f"<div>{what} …</div>"
        left = "" if task.time_remaining is None else f", {_clock(task.time_remaining)} left"
        bar = f'<progress value="{task.completed:g}" max="{task.total:g}" aria-label="{what}"></progress>'
        return f"<div>{bar} {task.percentage:.0f} % {what}{left}</div>"

    def _show(self, *, at_work: bool = True) -> None:
        now = time.monotonic()
        if self._handle is None or now - self._shown_at < _LEAST_SECONDS:
            return
        from IPython.display import HTML

        self._shown_at = now
        self._handle.update(HTML(self.as_html(at_work=at_work)))


def table_html(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Give a table of texts, which are escaped."""
    head = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in header)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def picture_html(image: np.ndarray, *, caption: str, width_px: int = 160) -> str:
    """Give a figure that needs no file.

    Args:
        image: uint8, RGB (H, W, 3).
        caption: stands below it, and in its place where pictures are not shown.
        width_px: it is shown at.
    """
    _, content = cv2.imencode(".png", np.ascontiguousarray(image[..., ::-1]))
    data, text = base64.b64encode(content.tobytes()).decode(), html.escape(caption)
    return (
        '<figure style="display:inline-block;margin:4px">'
        f'<img width="{width_px}" src="data:image/png;base64,{data}" alt="{text}">'
        f"<figcaption>{text}</figcaption></figure>"
    )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
