"""Every file of a run folder against its manifest, whole: what is damaged, what is gone, what nobody wrote."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from incmask.base.caller import command
from incmask.base.errors import Problem, fail
from incmask.base.files import TEMPORARY_SUFFIX
from incmask.base.intact import damage, files_below, made_anew, read_manifest, root_of
from incmask.base.machine import num_cores
from incmask.base.manifest import END, MANIFEST, Entries, Entry
from incmask.base.progress import Progress
from incmask.base.records import RUN
from incmask.base.run_log import LOG
from incmask.base.store import DAMAGED, LOCK
from incmask.base.threads import side_by_side
from incmask.base.trackers import EVENTS
from incmask.base.words import ShortRepr, counted
from incmask.experiment.paths import EXPORTED_LABELS
from incmask.training.files import CHECKPOINT

_OF_WORK = (LOCK, MANIFEST, END, CHECKPOINT, LOG)
"""Files that come and go, or change, while a run is at work."""


@dataclass(frozen=True, repr=False)
class Verified(ShortRepr):
    """What there is in a run folder.

    Attributes:
        problems: a file each that is damaged or gone, with ``where``, ``what`` and ``remedy``.
        unknown: files that no command wrote there, or a version that did not enter them; they cannot be checked.
        num_files: that the manifests tell of.
        num_bytes: of these files, as they were written.
    """

    problems: tuple[Problem, ...]
    unknown: tuple[Path, ...]
    num_files: int
    num_bytes: int

    @property
    def is_whole(self) -> bool:
        """Whether each file is what was written."""
        return not self.problems

    def lines(self) -> list[str]:
        """Tell what a person should know."""
        told = [f"{path}: is unknown: no command entered it; keep it, or remove it" for path in self.unknown]
        checked = f"{counted(self.num_files, 'file')} of {self.num_bytes / 1e6:,.1f} MB read"
        wrong = (
            counted(len(self.problems), "file") + " damaged or gone" if self.problems else "all as they were written"
        )
        return [*map(str, self.problems), *told, f"{checked}: {wrong}"]

    def as_dict(self) -> dict[str, Any]:
        """Give the same for machines."""
        return {
            "whole": self.is_whole,
            "problems": [{"where": each.where, "what": each.what, "remedy": each.remedy} for each in self.problems],
            "unknown": [str(path) for path in self.unknown],
            "files": self.num_files,
            "bytes": self.num_bytes,
        }


def verify_run(root: Path, progress: Progress) -> Verified:
    """Read all files of a run, comparison or search, and compare them with their digests.

    Args:
        root: its folder.
        progress: a listener.

    Raises:
        IncmaskError: it is none.
    """
    if not (root / MANIFEST).is_file():
        told = f"name the folder that {command('run')} wrote"
        if (root / RUN).exists():
            raise fail(root / MANIFEST, "is gone, so that nothing tells what of the run is whole", "restore it")
        raise fail(root, "is no run folder", told)
    folders = [root, *(path.parent for path in sorted(root.rglob(MANIFEST)) if path.parent != root)]
    manifests = {folder: read_manifest(folder) for folder in folders}
    num_files = sum(map(len, manifests.values()))
    progress.doing(f"reading {counted(num_files, 'file')}")
    progress.expect(num_files)
    look = partial(_problem, progress=progress)
    files = ((folder / name, entry) for folder, known in manifests.items() for name, entry in known.told())
    return Verified(
        problems=tuple(each for each in side_by_side(look, files, num_threads=num_cores()) if each),
        unknown=tuple(_unknown(manifests)),
        num_files=num_files,
        num_bytes=sum(entry.num_bytes for known in manifests.values() for _, entry in known.told()),
    )


def _problem(known: tuple[Path, Entry], *, progress: Progress) -> Problem | None:
    path, entry = known
    cause = damage(path, entry, whole=True)
    progress.advance(1)
    if not cause:
        return None
    again = f"use {command('export')} again, which writes it anew"
    return Problem(str(path), cause, again if path.name == EXPORTED_LABELS else made_anew(root_of(path) or path.parent))


def _unknown(manifests: Mapping[Path, Entries]) -> Iterator[Path]:
    for folder in manifests:
        for path in files_below(folder):
            of_work = path.name in _OF_WORK or path.suffix == TEMPORARY_SUFFIX or path.parent.name == EVENTS
            if not of_work and path.relative_to(folder).parts[0] != DAMAGED and not _is_known(path, manifests):
                yield path


def _is_known(path: Path, manifests: Mapping[Path, Entries]) -> bool:
    return any(path.is_relative_to(root) and path.relative_to(root).as_posix() in manifests[root] for root in manifests)
