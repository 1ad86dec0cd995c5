"""The run folder: what was made, in a manifest; an artefact without its line there does not exist."""

import hashlib
import os
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import filelock
import tomli_w

from incmask.base.caller import another_folder
from incmask.base.errors import IncmaskError, Problem, fail, is_text, renaming
from incmask.base.files import append_text, remove_unfinished, whole_file, write_bytes, write_parts, write_text
from incmask.base.images_on_disk import read_data
from incmask.base.intact import damage, entry_of, files_below, intact
from incmask.base.manifest import END, MANIFEST, REMOVED, Entries, Entry, check_end, end_of, whole_lines
from incmask.base.records import DATA, RUN, as_written, differences, json_parts, read_written

LOCK = ".lock"
DAMAGED = "damaged"
"""The folder in a run folder of what was found there instead of what was written."""
LEDGER = "predicted.jsonl"
"""What lies in a folder of predictions."""
COMPARED, INCONSISTENT = "mask.json", "inconsistent"
"""The record of a comparison of other models' predictions, and the folder of disputed pixels."""
EXPORTED = ".incmask-export"
"""Marks a folder of images and masks that are to be corrected."""

_MADE_HERE = ({MANIFEST, RUN}, {LEDGER}, {COMPARED, INCONSISTENT}, {EXPORTED})


def is_made_here(names: Iterable[str]) -> bool:
    """Tell by the names of what lies in a folder whether a command made it; its images are then no new data."""
    found = frozenset[str]().union(*_MADE_HERE).intersection(names)
    return any(record <= found for record in _MADE_HERE)


class Store(AbstractContextManager["Store"]):
    """A run folder held open by one process.

    Args:
        root: the folder; made if it is not there. One that holds other things is refused.
        run: every choice, resolved; a folder that was begun with others is refused. None: whatever it was begun with.
        data: what the run is about (files, sizes, hashes); the same.
        say: is told of each damaged file that is made anew.

    Raises:
        IncmaskError: another process works there, the folder is no run, it was begun with other
            choices or other data (the differences are listed), or it cannot be written.
    """

    def __init__(
        self,
        root: Path,
        *,
        run: Mapping[str, Any] | None,
        data: Mapping[str, Any] | None,
        say: Callable[[str], None] = lambda line: None,
    ):
        self.root, self._say = root, say
        self._told: set[str] = set()
        if not is_text(root.resolve()):
            mend = renaming(f"rename the folder, or {another_folder()}")
            raise fail(root, "has a path that is no UTF-8 text", mend)
        try:
            if root.exists() and not _is_run(root):
                raise fail(root, "is there already and is no run folder", another_folder())
            root.mkdir(parents=True, exist_ok=True)
            self._lock = filelock.FileLock(root / LOCK)
            self._lock.acquire(timeout=0)
        except filelock.Timeout:
            raise fail(root, "another process is working on this run", "wait for it or end it") from None
        except OSError as error:
            raise fail(
                root, f"cannot be written ({error.strerror})", f"{another_folder()}, or mend its permissions"
            ) from error
        try:
            self._begin(run, data)
        except BaseException:
            self._lock.release()
            raise

    def has(self, *paths: Path) -> bool:
        """True if all of these artefacts are there, as they were written; what is not, is to be made anew."""
        return not [path for path in paths if self._name(path) not in self._known or self._is_damaged(path)]

    def lost(self, *paths: Path) -> list[Path]:
        """Give those artefacts that were written and are damaged or gone; of a folder, those in it."""
        found = [self.root / name for name in self._below(paths)]
        return [path for path in found if self._is_damaged(path)]

    def record(self, *paths: Path) -> None:
        """Enter files that were just written; from now on they exist."""
        self._enter({self._name(path): entry_of(path) for path in paths})

    def remove(self, *paths: Path) -> None:
        """Remove artefacts, so that nobody expects them any more; of a folder, those in it."""
        self._enter(dict.fromkeys(self._below(paths), REMOVED))
        for path in paths:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    def write(self, path: Path, text: str) -> None:
        """Write a text artefact and enter it."""
        self.write_all({path: text.encode()})

    def write_parts(self, path: Path, parts: Iterable[str]) -> None:
        """Do the same with a text that comes in parts, as it may be long."""
        write_parts(path, parts)
        self.record(path)

    def write_all(self, contents: Mapping[Path, bytes], *, beside: Collection[Path] = ()) -> None:
        """Write artefacts and enter all of them, behind others that were just written."""
        for path, content in contents.items():
            write_bytes(path, content)
        self.record(*beside, *contents)

    def rewrite_run(self, run: Mapping[str, Any]) -> None:
        """Say anew what was chosen, where what is there already would have come out the same."""
        self.write(self.root / RUN, tomli_w.dumps(as_written(run)))

    def adopt(self, files: Mapping[Path, Path]) -> None:
        """Take over finished files of another run (there: here), unless they are here already; no file is held twice.

        Raises:
            IncmaskError: one is not there.
        """
        if self.has(*files.values()):
            return
        for theirs, path in files.items():
            if not intact(theirs).is_file():
                raise fail(theirs, "is not there", "finish that run first")
            with whole_file(path) as temporary:
                try:
                    os.link(theirs, temporary)
                except OSError:
                    # Another disk, or one without links.
                    shutil.copyfile(theirs, temporary)
        self.record(*files.values())

    def close(self) -> None:
        """Let other processes work here."""
        try:
            # A full disk, or a damage meanwhile, leaves the end of an earlier time, which stays true.
            with suppress(IncmaskError, OSError, ValueError, KeyError, TypeError):
                self._write_end()
        finally:
            self._lock.release()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        is_gone = not (self.root / MANIFEST).exists()
        self.close()
        if is_gone and isinstance(error, Exception):
            mend = "remove what is left of it; the same call then begins anew"
            raise fail(self.root, "was removed while it was worked on", mend) from error

    def _begin(self, run: Mapping[str, Any] | None, data: Mapping[str, Any] | None) -> None:
        remove_unfinished(self.root)
        # run.toml and data.json lie in the manifest too: a run killed between them begins afresh.
        self._known = _read_manifest(self.root)
        for name, values in ((RUN, run), (DATA, data)):
            path = self.root / name
            if values is None:
                if name in self._known:
                    intact(path)
                    continue
                values = read_written(path)
            if name not in self._known or self._can_be_mended(path, values):
                write_parts(path, _told(name, values))
                self.record(path)
                continue
            if _digest(path.name, values) == self._known[name].sha256:
                continue
            different = differences(read_data(self.root) if name == DATA else read_written(path), values)
            if different:
                raise IncmaskError(
                    [Problem(str(path), line, f"take it back, or {another_folder()}") for line in different]
                )

    def _can_be_mended(self, path: Path, values: Mapping[str, Any]) -> bool:
        """Tell whether a record is damaged and what is told now is what it said; others are refused."""
        entry = self._known[self._name(path)]
        if not (cause := damage(path, entry)):
            return False
        if _digest(path.name, values) != entry.sha256:
            raise fail(path, cause, f"restore it, or {another_folder()}")
        return self._is_damaged(path)

    def _is_damaged(self, path: Path) -> bool:
        """Tell whether a known file is not what was written; one that is not is said, and what lies there kept."""
        if not (cause := damage(path, self._known[self._name(path)])):
            return False
        kept = ""
        if path.is_file() and path.stat().st_size:
            aside = self.root / DAMAGED / self._name(path)
            aside.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, aside)
            kept = f", and {aside.relative_to(self.root)} is what was there"
        if self._name(path) not in self._told:
            self._say(f"{self._name(path)} {cause}: it is made anew{kept}")
        self._told.add(self._name(path))
        return True

    def _below(self, paths: Iterable[Path]) -> list[str]:
        """Name the known files among these; of a folder, those in it."""
        return [name for name, _ in self._known.told({self._name(path) for path in paths})]

    def _enter(self, entries: Mapping[str, Entry]) -> None:
        path = self.root / MANIFEST
        if _size_of(path) != self._known.num_bytes:
            # A lock tells of another process, but on a network's disk perhaps of those on this machine alone.
            what = "another process wrote to this run meanwhile, which the lock of this disk does not keep out"
            raise fail(self.root, what, "end all of them but one, and call it again")
        try:
            append_text(path, "".join(entry.line(name) for name, entry in entries.items()))
        except IncmaskError:
            # Of a full disk there may be half a line.
            with suppress(OSError):
                os.truncate(path, self._known.num_bytes)
            raise
        self._known.read_on()

    def _write_end(self) -> None:
        check_end(self.root)
        manifest = self.root / MANIFEST
        num_bytes = max((place + len(line) for place, line in whole_lines(manifest)), default=0)
        path, told = self.root / END, end_of(manifest, num_bytes)
        if not path.exists() or path.read_text(encoding="utf-8") != told:
            write_text(path, told)

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()


def reopen(root: Path, *, say: Callable[[str], None] = lambda line: None) -> Store:
    """Hold open a run folder that was begun before, whatever it was begun with; raises as ``Store`` does."""
    for name in (RUN, DATA):
        if not (root / name).exists():
            read_written(root / name)  # which says what lacks
    return Store(root, run=None, data=None, say=say)


def _told(name: str, values: Mapping[str, Any]) -> Iterator[str]:
    """Give the text of one of the two records, in parts, as that of the data may be very long."""
    return iter([tomli_w.dumps(as_written(values))]) if name == RUN else json_parts(values)


def _digest(name: str, values: Mapping[str, Any]) -> str:
    """Give the digest of that text."""
    digest = hashlib.sha256()
    for part in _told(name, values):
        digest.update(part.encode())
    return digest.hexdigest()


def _is_run(folder: Path) -> bool:
    """Tell whether it is a run folder; an empty folder may become one."""
    if not folder.is_dir():
        return False
    return any((folder / name).exists() for name in (LOCK, MANIFEST)) or not any(folder.iterdir())


def _read_manifest(root: Path) -> Entries:
    """Entries by name; a last line that was cut off by a kill is dropped from the file."""
    path = root / MANIFEST
    try:
        if path.exists():
            check_end(root)
        known = Entries(root)
        if not known.num_bytes and _holds_results(files_below(root), root):
            # Begun afresh, a run would train for hours what lies there.
            what = "is gone or empty, so that nothing tells what of the run is whole"
            raise fail(path, what, f"restore it, or {another_folder()}")
        if _size_of(path) > known.num_bytes:
            os.truncate(path, known.num_bytes)
        return known
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise fail(path, f"is damaged ({error})", f"restore it, or {another_folder()}") from error


def _size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _holds_results(files: Iterable[Path], root: Path) -> bool:
    """Tell whether there is more than a run begins with, which may be there without its line after a kill."""
    return any(path.relative_to(root).as_posix() not in (RUN, DATA, LOCK, MANIFEST) for path in files)
