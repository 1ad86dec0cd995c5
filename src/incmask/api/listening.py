"""What all functions do alike: take paths and URLs, and show how far the work is."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from incmask.base.limits import refusals_told
from incmask.base.progress import Progress, Silent
from incmask.base.terminal import show_progress
from incmask.data.remote import is_url, local_copy, refuse_url
from incmask.data.rounds import run_folder

AnyPath = str | os.PathLike[str]


def folder_of(given: AnyPath, progress: Progress) -> Path:
    """Give the path of data: as it is given, or of a URL that of its copy on this machine."""
    return local_copy(given, progress) if isinstance(given, str) and is_url(given) else Path(given)


def out_folder(out: AnyPath | None) -> Path | None:
    """Give the path of results; a URL is refused."""
    if out:
        refuse_url(out, "results are written")
    return Path(out) if out else None


def results_beside(data: AnyPath, folder: Path, *, ending: str) -> Path:
    """Give the folder of results where none is named: beside the data, and of a URL in the current folder."""
    beside = run_folder(folder, ending=ending)
    return Path.cwd() / beside.name if isinstance(data, str) and is_url(data) else beside


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
