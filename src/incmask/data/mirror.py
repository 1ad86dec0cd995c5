"""Results on a URL: the work is done in a copy on this machine, which is brought to the storage whole after each stage.

Runs lock their folder and add to files, which storages do not offer. Manifests are brought last: who fetches the folder
elsewhere finds all that they tell of.
"""

import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import filelock

from incmask.base.errors import IncmaskError, fail
from incmask.base.files import TEMPORARY_SUFFIX, cannot_write, remove_unfinished, write_text
from incmask.base.manifest import END, MANIFEST
from incmask.base.progress import Progress
from incmask.base.store import LEDGER
from incmask.base.store import LOCK as RUN_LOCK
from incmask.base.threads import side_by_side
from incmask.base.words import counted
from incmask.data.images.writers import path_inside
from incmask.data.storage import (
    GOES_ON,
    LOCK,
    NUM_THREADS,
    RECORD,
    SOURCE,
    StoredFile,
    check_room,
    check_url,
    fetch,
    name_of_url,
    opened_to_write,
    place_of,
    read_record,
    shown,
    size_of,
    stamp_of,
    told,
)

_PENDING = "pending.json"
"""Beside the copy: what is being brought to the storage, so that after a kill it is told from what others changed."""

_UNFINISHED = ".unfinished"
"""At the URL: nothing was whole there yet, so that what lies there counts for nothing."""
_LAST = (LEDGER, MANIFEST, END)
_PAUSE_S = 600.0
"""Within a stage, what is there is brought to the storage so often."""

_Local = tuple[int, int]
"""Of a file here: its size, and when it was last written."""
_Known = tuple[tuple[int, str], _Local]
"""Of a file that is the same there and here: size and stamp there, and how it is here."""


class Mirror(AbstractContextManager["Mirror"]):
    """A folder of results on a URL, held in a copy on this machine by one process.

    What is there is fetched first. A copy that is ahead of it stays; where somebody else went on, theirs counts.

    Args:
        url: of the folder, which need not be there yet.
        progress: a listener; files are its unit.
        writes: False: nothing is brought to the storage.

    Attributes:
        folder: the copy, below ``INCMASK_CACHE``, or else ``~/.cache/incmask``.

    Raises:
        IncmaskError: a package or room lacks, the URL cannot be read or written, or another process here works on it.
    """

    def __init__(self, url: str, progress: Progress, *, writes: bool = True):
        check_url(url)
        self._url, self._progress, self._writes, self._there = url, progress, writes, ""
        self._place = place_of(url, "results")
        self.folder = path_inside(self._place, name_of_url(url) or "results", "")
        self._record, self._pending = self._place / RECORD, self._place / _PENDING
        self._system: Any = None
        self._moved, self._brought_at = False, time.monotonic()

    def __enter__(self) -> "Mirror":
        try:
            self._place.mkdir(parents=True, exist_ok=True)
            self._lock = filelock.FileLock(self._place / LOCK)
            self._lock.acquire(timeout=0)
        except filelock.Timeout:
            what = "is worked on by another process of this machine"
            raise fail(shown(self._url), what, "wait for it or end it") from None
        except OSError as error:
            raise cannot_write(self._place, error) from error
        try:
            with told(self._url):
                self._system, self._there = opened_to_write(self._url)
            self._try_to_write()
            write_text(self._place / SOURCE, self._url + "\n")
            self._fetch()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        try:
            if kind is None:
                self.bring()
            elif not self._moved:
                self.try_to_bring()
        finally:
            self._lock.release()

    def bring(self) -> None:
        """Bring what is new or changed here to the storage, manifests last, and remove there what is gone.

        Raises:
            IncmaskError: the storage cannot be written, or somebody else wrote to it meanwhile.
        """
        self._brought_at = time.monotonic()
        if not self._writes:
            return
        here, known = dict(self._here()), self._known()
        changed = [name for name, local in here.items() if name not in known or known[name][1] != local]
        gone = [name for name in known if name not in here]
        if not changed and not gone:
            return
        self._check_unmoved(known)
        write_text(self._pending, json.dumps([*changed, *gone]))
        if not known:
            self._put_empty(_UNFINISHED)
        first = [name for name in changed if _place(name) < 0]
        for _ in side_by_side(self._put, first, num_threads=NUM_THREADS):
            pass
        for name in sorted((name for name in changed if _place(name) >= 0), key=_place):
            self._put(name)
        with told(self._url, "written"):
            for name in gone if known else (_UNFINISHED,):
                self._system.rm_file(f"{self._there}/{name}")
        self._enter(here, known, changed)

    def try_to_bring(self) -> None:
        """Do what ``bring`` does; a storage that cannot be reached now may be so later, and is told.

        Raises:
            IncmaskError: somebody else wrote to it meanwhile.
        """
        try:
            self.bring()
        except IncmaskError as error:
            if self._moved:
                raise
            self._progress.say(f"not brought to the storage yet: {error.problems[0].where} {error.problems[0].what}")

    def after_a_pause(self) -> None:
        """Bring what is there if that was not done for some minutes."""
        if time.monotonic() - self._brought_at > _PAUSE_S:
            self.try_to_bring()

    def _put_empty(self, name: str) -> None:
        with tempfile.TemporaryDirectory() as folder, told(self._url, "written"):
            (empty := Path(folder, "empty")).touch()
            self._system.put_file(str(empty), f"{self._there}/{name}")

    def _try_to_write(self) -> None:
        """Find out before hours of work whether the storage can be written; take away what was never whole there."""
        if not self._writes:
            return
        self._put_empty(RUN_LOCK)
        with told(self._url, "written"):
            self._system.rm_file(f"{self._there}/{RUN_LOCK}")
            self._system.invalidate_cache()
            if self._system.exists(f"{self._there}/{_UNFINISHED}"):
                for file in self._stored().values():
                    self._system.rm_file(file.path)
                self._system.rm_file(f"{self._there}/{_UNFINISHED}")

    def _stored(self) -> dict[str, StoredFile]:
        """Give what is there, by name."""
        with told(self._url):
            self._system.invalidate_cache()
            try:
                found = self._system.find(self._there, detail=True)
            except FileNotFoundError:
                found = {}
        return dict(self._named(found))

    def _named(self, found: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, StoredFile]]:
        for path, about in found.items():
            name = path.removeprefix(self._there).lstrip("/")
            # Some storages mark a folder by an empty file of its name.
            if name and name not in (RUN_LOCK, _UNFINISHED) and about["type"] != "directory" and not path.endswith("/"):
                path_inside(self.folder, name, "")
                yield name, StoredFile(path, name, size_of(self._url, name, about), stamp_of(about))

    def _here(self) -> Iterator[tuple[str, _Local]]:
        """Give what is here, by name; no lock, and nothing that is being written."""
        for where, folders, names in os.walk(self.folder):
            folders.sort()
            for path in (Path(where, name) for name in sorted(names)):
                if path.name != RUN_LOCK and path.suffix != TEMPORARY_SUFFIX and (local := _local(path)):
                    yield path.relative_to(self.folder).as_posix(), local

    def _known(self) -> dict[str, _Known]:
        """Give what was the same there and here when this machine last looked."""
        if not self.folder.is_dir():
            return {}
        return {name: ((num, stamp), (size, at)) for name, num, stamp, size, at in read_record(self._record)}

    def _fetch(self) -> None:
        """Make the copy equal to what is there, unless it is ahead of it."""
        there, known = self._stored(), self._known()
        pending = set(json.loads(self._pending.read_text())) if self._pending.exists() else set()
        before = {name: each[0] for name, each in known.items() if name not in pending}
        if before == {name: (each.num_bytes, each.stamp) for name, each in there.items() if name not in pending}:
            return
        here = dict(self._here())
        same = {
            name
            for name, file in there.items()
            if name in known and known[name] == ((file.num_bytes, file.stamp), here.get(name)) and name not in pending
        }
        for name in here.keys() - same:
            path_inside(self.folder, name, "").unlink(missing_ok=True)
        missing = [file for name, file in there.items() if name not in same]
        write_text(self._record, "".join(_line(name, known[name]) for name in same))
        self._pending.unlink(missing_ok=True)
        num_bytes = check_room(self._url, missing, self.folder)
        files = counted(len(missing), "file")
        self._progress.say(f"{files} of {shown(self._url)}, {num_bytes / 1e6:,.0f} MB, to {self.folder}")
        self._progress.expect(len(missing))
        self._progress.doing(f"copying {files}")
        if self.folder.is_dir():
            remove_unfinished(self.folder)
        with open(self._record, "a", encoding="utf-8") as handle:
            get = partial(fetch, self._url, self._system, self.folder)
            for file in side_by_side(get, missing, num_threads=NUM_THREADS):
                local = _local(path_inside(self.folder, file.name, "")) or (-1, -1)
                handle.write(_line(file.name, ((file.num_bytes, file.stamp), local)))
                self._progress.advance(1)

    def _check_unmoved(self, known: Mapping[str, _Known]) -> None:
        """Refuse to write over what somebody else wrote since this machine last looked, as manifests tell."""
        with told(self._url):
            self._system.invalidate_cache()
            try:
                found = {each["name"]: each for each in self._system.ls(self._there, detail=True)}
            except FileNotFoundError:
                found = {}
        there = dict(self._named({path.rstrip("/"): about for path, about in found.items()}))
        for name in (LEDGER, MANIFEST):
            now = (there[name].num_bytes, there[name].stamp) if name in there else None
            if now != (known[name][0] if name in known else None):
                self._moved = True
                what = "was written meanwhile by somebody else, who works on it from another machine"
                raise fail(shown(self._url), what, "end all of them but one, and call it again")

    def _put(self, name: str) -> None:
        with told(f"{self._url}/{name}", "written"):
            self._system.put_file(str(self.folder / name), f"{self._there}/{name}")

    def _enter(self, here: Mapping[str, _Local], known: Mapping[str, _Known], changed: Sequence[str]) -> None:
        """Take down that what was brought is the same there and here."""
        there = self._stored()
        for name in changed:
            num = there[name].num_bytes if name in there else 0
            if num != here[name][0] and _local(self.folder / name) == here[name]:
                what = f"arrived as {num:,} bytes of {here[name][0]:,}"
                raise fail(f"{shown(self._url)}: {name}", what, GOES_ON)
        same = {name: each for name, each in known.items() if name in here}
        same |= {name: ((there[name].num_bytes, there[name].stamp), here[name]) for name in changed if name in there}
        write_text(self._record, "".join(_line(name, each) for name, each in same.items()))
        self._pending.unlink(missing_ok=True)


def _place(name: str) -> int:
    """Order what tells of files behind these; -1 for all others."""
    last = PurePosixPath(name).name
    return _LAST.index(last) if last in _LAST else -1


def _local(path: Path) -> _Local | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _line(name: str, known: _Known) -> str:
    (num_bytes, stamp), local = known
    return json.dumps([name, num_bytes, stamp, *local]) + "\n"
