"""What lies in a folder of predictions, in a file of a line an image, so that nothing is predicted twice."""

import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import filelock

from incmask.base.caller import another_folder
from incmask.base.errors import IncmaskError, fail
from incmask.base.files import append_text, remove_unfinished
from incmask.base.parse import parse_json
from incmask.base.shards import is_archive, shard_among
from incmask.base.store import LEDGER, LOCK
from incmask.data.folder.walk import files_of
from incmask.data.images.writers import path_inside


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells a file from a changed one: its size, and when it was last written."""

    num_bytes: int
    written_ns: int


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """An image that was predicted.

    Attributes:
        name: of the image.
        stamp: of its file.
        key: of what predicted it.
        files: what was written, below the folder.
        facts: what was found in it, as plain values.
    """

    name: str
    stamp: Stamp
    key: str
    files: tuple[str, ...]
    facts: dict[str, Any]


class Ledger(AbstractContextManager["Ledger"]):
    """A folder of predictions held open by one process.

    Args:
        out: the folder; made if it is not there.
        key: stands for the model and the options; what was written with others is predicted again.

    Raises:
        IncmaskError: another process works there, or the folder cannot be written to.
    """

    def __init__(self, out: Path, key: str):
        self._out, self._key = out, key
        try:
            out.mkdir(parents=True, exist_ok=True)
            self._lock = filelock.FileLock(out / LOCK)
            self._lock.acquire(timeout=0)
            remove_unfinished(out)
            (out / LEDGER).touch()  # which marks the folder before any mask is there
            self._entries = {entry.name: entry for entry in _read(out / LEDGER)}
        except filelock.Timeout:
            raise fail(
                out, "another process is writing there", f"wait for it or end it, or {another_folder()}"
            ) from None
        except OSError as error:
            raise fail(out, f"cannot be written ({error.strerror or error})", another_folder()) from error

    def has(self, name: str, stamp: Stamp) -> bool:
        """True if this image was predicted with the same model and options, and all that was written is there."""
        entry = self._entries.get(name)
        return entry is not None and entry.stamp == stamp and self._stands(entry)

    def shard_of(self, name: str) -> str:
        """Give the shard that holds the pictures of an image; "": they lie for themselves, or there are none."""
        return shard_among(self._entries[name].files) if name in self._entries else ""

    def next_shard(self) -> int:
        """Give a number that no shard has."""
        found = [shard_among(entry.files) for entry in self._entries.values()]
        return 1 + max((int(shard) for shard in found if shard.isdecimal()), default=-1)

    def record(self, name: str, stamp: Stamp, *, files: Sequence[str], facts: dict[str, Any]) -> None:
        """Enter an image whose files were just written; what an earlier time wrote for it beside them is removed."""
        self.record_all([LedgerEntry(name, stamp, self._key, tuple(files), facts)])

    def record_all(self, entries: Sequence[LedgerEntry]) -> None:
        """Enter images in the same way, with this ledger's key."""
        entered = [replace(entry, key=self._key) for entry in entries]
        for entry in entered:
            before = self._entries.get(entry.name)
            for file in set(before.files if before else ()) - set(entry.files):
                if not is_archive(Path(file)):  # which holds pictures of others, too
                    path_inside(self._out, file, "").unlink(missing_ok=True)
            self._entries[entry.name] = entry
        append_text(self._out / LEDGER, "".join(map(_line, entered)))

    def facts(self) -> list[dict[str, Any]]:
        """Tell what was found in each image that the same model and options predicted into the folder."""
        return [entry.facts for entry in self._entries.values() if self._stands(entry)]

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    def _stands(self, entry: LedgerEntry) -> bool:
        return entry.key == self._key and all((self._out / file).is_file() for file in entry.files)


def _line(entry: LedgerEntry) -> str:
    stamp = entry.stamp
    values = [entry.name, stamp.num_bytes, stamp.written_ns, entry.key, entry.files, entry.facts]
    return json.dumps(values, ensure_ascii=False) + "\n"


def stamp_of(path: Path) -> Stamp | None:
    """Give the stamp of a file, or that of all files of a folder that is a volume; None where there is none."""
    try:
        found = [each.stat() for each in (path, *files_of(path))] if path.is_dir() else [path.stat()]
    except OSError:
        return None
    return Stamp(sum(each.st_size for each in found), max(each.st_mtime_ns for each in found))


def _read(path: Path) -> Iterator[LedgerEntry]:
    """Lines that a kill has cut off, or that someone has changed, count for nothing: those images come anew."""
    content = path.read_bytes()
    if content and not content.endswith(b"\n"):
        with open(path, "ab") as handle:
            handle.write(b"\n")
    for line in content.splitlines():
        try:
            name, num_bytes, written_ns, key, files, facts = parse_json(line)
            for file in files:
                path_inside(path.parent, file, "")
            yield LedgerEntry(name, Stamp(num_bytes, written_ns), key, tuple(files), dict(facts))
        except (ValueError, TypeError, AttributeError, IncmaskError):
            continue
