"""What all functions do alike: take paths and URLs, and show how far the work is."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from incmask.base.errors import IncmaskError
from incmask.base.limits import refusals_told
from incmask.base.progress import Progress, Silent
from incmask.base.terminal import show_progress
from incmask.data.bringing import brought_file, errors_by_url
from incmask.data.mirror import Mirror
from incmask.data.remote import local_copy
from incmask.data.rounds import run_folder
from incmask.data.storage import shown, url_of

AnyPath = str | os.PathLike[str]


def folder_of(given: AnyPath, progress: Progress) -> Path:
    """Give the path of data: as it is given, or of a URL that of its copy on this machine."""
    return Path(given) if (url := url_of(given)) is None else local_copy(url, progress)


@dataclass(frozen=True)
class Results:
    """Where results are worked on: a folder, or None where none is named; and who listens to the work."""

    folder: Path | None
    progress: Progress


class _Bringing:
    """Passes on what it hears, and has the storage brought what is there as each stage begins, when nobody writes."""

    def __init__(self, mirror: Mirror, progress: Progress):
        self._mirror, self._progress = mirror, progress
        self.say, self.expect = progress.say, progress.expect

    def doing(self, what: str) -> None:
        """Name the work that comes next, when what was done is there."""
        self._mirror.try_to_bring()
        self._progress.doing(what)

    def advance(self, amount: float) -> None:
        """So much work was done."""
        self._progress.advance(amount)
        self._mirror.after_a_pause()


@contextmanager
def results_at(given: AnyPath | None, progress: Progress, *, writes: bool = True) -> Iterator[Results]:
    """Give the folder of results: as it is given, or of a URL its copy on this machine, which is brought there.

    Args:
        given: a path or a URL; None: none is named.
        progress: a listener; of a URL, who hears the work must be that of the results.
        writes: False: nothing is brought there.
    """
    if not given or (url := url_of(given)) is None:
        yield Results(Path(given) if given else None, progress)
        return
    with Mirror(url, progress, writes=writes) as mirror:
        yield Results(mirror.folder, _Bringing(mirror, progress) if writes else progress)
    if writes and mirror.folder.exists():
        progress.say(f"brought to {shown(url)}; a copy is in {mirror.folder}")


@contextmanager
def run_at(given: AnyPath, progress: Progress, *, writes: bool = True) -> Iterator[tuple[Path, Progress]]:
    """Do what ``results_at`` does, of a folder that is named."""
    with results_at(given, progress, writes=writes) as results:
        yield results.folder or Path(given), results.progress


@contextmanager
def file_at(given: AnyPath, progress: Progress) -> Iterator[Path]:
    """Give the path of a file to write: as it is given, or of a URL one on this machine, which is brought there."""
    if (url := url_of(given)) is None:
        yield Path(given)
        return
    with brought_file(url) as path:
        yield path
    progress.say(f"brought to {shown(url)}; a copy is in {path.parent}")


def model_at(model: AnyPath, progress: Progress) -> Path:
    """Give the folder of a run or model; of a URL the copy of its models alone."""
    if (url := url_of(model)) is None:
        return Path(model)
    # Where no network is needed, none of this is loaded.
    from incmask.prediction.model_folder import MODEL

    try:
        return local_copy(f"{url.rstrip('/')}/{MODEL}", progress)
    except IncmaskError:
        return local_copy(url, progress)


def results_beside(data: AnyPath, folder: Path, *, ending: str) -> Path:
    """Give the folder of results where none is named: beside the data, and of a URL in the current folder."""
    beside = run_folder(folder, ending=ending)
    return beside if url_of(data) is None else Path.cwd() / beside.name


@contextmanager
def listening(progress: Progress | bool) -> Iterator[Progress]:
    """Give a listener: the one that is given, one that shows lines and a bar, or one that shows nothing."""
    with errors_by_url(), refusals_told():
        if not isinstance(progress, bool):
            yield progress
        elif progress:
            with show_progress() as shown:
                yield shown
        else:
            yield Silent()
