"""Files to a URL: what is written here is brought there, and told by its name there."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import filelock

from incmask.base.errors import IncmaskError, fail
from incmask.base.files import cannot_write, write_text
from incmask.data.images.writers import path_inside
from incmask.data.storage import (
    LOCK,
    SOURCE,
    cache_folder,
    check_url,
    copied_from,
    glance,
    name_of_url,
    opened_to_write,
    place_of,
    shown,
    told,
)


def bring(url: str, folder: Path, names: Sequence[str]) -> None:
    """Write files of a folder below a URL, in this order.

    Args:
        url: of a folder, which need not be there yet.
        folder: that holds them.
        names: of the files, below both.

    Raises:
        IncmaskError: a package lacks, or the URL cannot be written.
    """
    check_url(url)
    with told(url, "written"):
        system, there = opened_to_write(url)
        for name in names:
            system.put_file(str(folder / name), f"{there}/{name}")


@contextmanager
def errors_by_url() -> Iterator[None]:
    """Let errors name the URL that a person gave, beside the copy of it on this machine."""
    try:
        yield
    except IncmaskError as error:
        problems = [replace(each, where=_by_url(each.where)) for each in error.problems]
        if problems == [*error.problems]:
            raise
        raise type(error)(problems) from error


def _by_url(where: str) -> str:
    for root in (cache_folder(), cache_folder().resolve()):
        for place in map(Path, re.findall(re.escape(str(root)) + r"[/\\][0-9a-f]{16}", where)):
            url = copied_from(place / "copy")
            if url and (copy := str(place / name_of_url(url))) in where:
                return f"{where.replace(copy, shown(url.rstrip('/')))} (its copy {copy})"
    return where


@contextmanager
def brought_file(url: str) -> Iterator[Path]:
    """Give the path of a file on this machine, which is brought to the URL in the end, with all that lies beside it.

    What is at the URL is fetched first, since a file that is there may have to stay as it is.

    Raises:
        IncmaskError: a package lacks, the URL cannot be read or written, or another process here writes it.
    """
    check_url(url)
    above, _, name = url.rstrip("/").rpartition("/")
    place = place_of(url, "file")
    path = path_inside(place, name, "")
    try:
        place.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(place / LOCK)
        lock.acquire(timeout=0)
    except filelock.Timeout:
        what = "is written by another process of this machine"
        raise fail(shown(url), what, "wait for it or end it") from None
    except OSError as error:
        raise cannot_write(place, error) from error
    with lock:
        for other in place.iterdir():
            if other.name != LOCK:
                other.unlink()
        write_text(place / SOURCE, url + "\n")
        glance(above, (name,), place)
        yield path
        bring(above, place, sorted(each.name for each in place.iterdir() if each.name not in (LOCK, SOURCE)))
