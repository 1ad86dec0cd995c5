"""Data on a URL of any kind that fsspec knows: copied to this machine, whole and in order, and read from there.

Images are read for their facts, for the stack and for their masks, by many processes and libraries that want files. So
a copy is kept, and what is in it and unchanged there is not fetched again.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import Any

import filelock

from incmask.base.errors import fail
from incmask.base.files import cannot_write, remove_unfinished, write_text
from incmask.base.progress import Progress
from incmask.base.store import is_made_here
from incmask.base.threads import side_by_side
from incmask.base.words import counted
from incmask.data.folder.names import key_of_name
from incmask.data.folder.walk import is_silent
from incmask.data.images.writers import path_inside
from incmask.data.storage import (
    LOCK,
    NUM_THREADS,
    RECORD,
    SOURCE,
    StoredFile,
    check_room,
    check_url,
    fetch,
    name_of_url,
    place_of,
    read_record,
    shown,
    size_of,
    stamp_of,
    told,
)
from incmask.data.volumes.names import is_zarr


def local_copy(url: str, progress: Progress) -> Path:
    """Bring the folder or file of a URL to this machine: what is new or changed is copied, what is gone removed.

    Every file is copied whole or not at all, and one that came is not fetched again, whatever happens to the others.

    Args:
        url: of any kind that fsspec knows, without a password: the storage's own tools tell how to log in.
        progress: a listener; files are its unit.

    Returns:
        The copy, below ``INCMASK_CACHE``, or else ``~/.cache/incmask``; its name is the last one of the URL.

    Raises:
        IncmaskError: a package lacks, the URL cannot be reached or read, holds nothing or what cannot be a file, or
            there is no room for it.
    """
    check_url(url)
    with told(url):
        import fsspec

        system, there = fsspec.core.url_to_fs(url)
        system.invalidate_cache()
        files = _files(url, there.rstrip("/"), system.find(there, detail=True))
    is_file = [file.path for file in files] == [there]
    place = place_of(url)
    name = name_of_url(url) or "data"
    folder = place if is_file else path_inside(place, name, "")
    _check_names(url, folder, files)
    try:
        place.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(place / LOCK, timeout=0):
            write_text(place / SOURCE, url + "\n")
            _bring(url, system, files, folder, progress)
    except filelock.Timeout:
        raise fail(shown(url), "is being copied to this machine by another process", "wait for it") from None
    except OSError as error:
        raise cannot_write(place, error) from error
    return folder / files[0].name if is_file else folder


def _files(url: str, there: str, found: Mapping[str, Mapping[str, Any]]) -> list[StoredFile]:
    """Give the files that a folder of them would hold for a reader, sorted: nothing hidden, no results."""
    files = []
    for path, about in found.items():
        name = path.removeprefix(there).lstrip("/") or path.rpartition("/")[2]
        # Some storages mark a folder by an empty file of its name.
        if about["type"] != "directory" and not path.endswith("/"):
            files.append(StoredFile(path, name, size_of(url, name, about), stamp_of(about)))
    names = defaultdict(set)
    for file in files:
        above, _, name = file.name.rpartition("/")
        names[above].add(name)
    made_here = {above for above, below in names.items() if above and is_made_here(below)}

    def is_passed_over(name: str) -> bool:
        above = [str(each) for each in PurePosixPath(name).parents]
        # Below a store of zarr, what begins with a dot tells what it holds.
        outside = list(takewhile(lambda part: not is_zarr(part), name.split("/")))
        is_hidden = any(is_silent(part) for part in outside if part not in (".", ".."))
        return is_hidden or not made_here.isdisjoint(above)

    files = sorted((file for file in files if not is_passed_over(file.name)), key=lambda file: file.name)
    if not files:
        raise fail(shown(url), "holds no files, or is not there", "check the URL")
    return files


def _check_names(url: str, folder: Path, files: Sequence[StoredFile]) -> None:
    """Refuse names that lead out of the folder, and two that are one where capitals are not told."""
    for file in files:
        path_inside(folder, file.name, "")
    times = Counter(key_of_name(file.name) for file in files)
    if alike := [file.name for file in files if times[key_of_name(file.name)] > 1]:
        what = f"holds {alike[0]} and {alike[1]}, which are one file to some disks"
        raise fail(shown(url), what, "rename one of the two")


def _bring(url: str, system: Any, files: Sequence[StoredFile], folder: Path, progress: Progress) -> None:
    """Make the copy equal to what is there."""
    record = folder.parent / RECORD
    known = {name: stamp for name, *stamp in read_record(record)}
    for name in known.keys() - {file.name for file in files}:
        _remove(path_inside(folder, name, ""), folder)
    missing = [file for file in files if not _is_here(file, known.get(file.name), path_inside(folder, file.name, ""))]
    # Only what is there now counts from here on.
    arrived = {file.name for file in files} - {file.name for file in missing}
    write_text(record, "".join(map(_line, (file for file in files if file.name in arrived))))
    if not missing:
        return
    remove_unfinished(folder)
    num_bytes = check_room(url, missing, folder)
    progress.say(f"{counted(len(missing), 'file')} of {shown(url)}, {num_bytes / 1e6:,.0f} MB, to {folder}")
    progress.expect(len(missing))
    progress.doing(f"copying {counted(len(missing), 'file')}")
    with open(record, "a", encoding="utf-8") as handle:
        for file in side_by_side(partial(fetch, url, system, folder), missing, num_threads=NUM_THREADS):
            handle.write(_line(file))
            progress.advance(1)
    progress.doing("reading")


def _is_here(file: StoredFile, known: object, path: Path) -> bool:
    return known == [file.num_bytes, file.stamp] and path.is_file() and path.stat().st_size == file.num_bytes


def _remove(path: Path, folder: Path) -> None:
    """Remove a file, and the folders that it leaves empty."""
    path.unlink(missing_ok=True)
    for above in path.parents:
        if above == folder or not above.is_dir() or any(above.iterdir()):
            break
        above.rmdir()


def _line(file: StoredFile) -> str:
    return json.dumps([file.name, file.num_bytes, file.stamp]) + "\n"
