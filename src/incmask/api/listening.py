"""What all functions do alike: take paths, and show how far the work is."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from incmask.base.limits import refusals_told
from incmask.base.progress import Progress, Silent
from incmask.base.terminal import show_progress

AnyPath = str | os.PathLike[str]


@contextmanager
def listening(progress: Progress | bool) -> Iterator[Progress]:
    """Give a listener: the one that is given, one that shows lines and a bar, or one that shows nothing."""
    with refusals_told():
        if not isinstance(progress, bool):
            yield progress
        elif progress:
            with show_progress() as shown:
                yield shown
        else:
            yield Silent()
