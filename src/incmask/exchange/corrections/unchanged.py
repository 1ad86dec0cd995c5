"""Labels that come back as they were exported, which nobody may have looked at."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from incmask.base.caller import command
from incmask.base.errors import IncmaskError
from incmask.base.intact import DamagedError, intact
from incmask.base.store import reopen
from incmask.base.tables import csv_text, read_rows
from incmask.experiment.paths import EXPORTED_LABELS


@dataclass(frozen=True)
class _Row:
    name: str
    sha256: str


class ExportedLabels:
    """What the labels of a run's images were each time they were exported, as digests.

    Args:
        run: the run folder.
        anew: keep the rows of a damaged record that can be read, and begin a new one where none can.

    Raises:
        IncmaskError: the record is damaged, or the disk does not give it.
    """

    def __init__(self, run: Path, *, anew: bool = False):
        self._run, path, rows = run, run / EXPORTED_LABELS, []
        try:
            # One that was killed before the manifest told of it is whole, and rows that are wrong are no label's.
            path = path if anew else intact(path, mend=_anew())
            rows = read_rows(path, _Row, mend=_anew()) if path.is_file() else []
        except IncmaskError as error:
            # What a disk does not give just now is not lost.
            if not anew or isinstance(error, DamagedError):
                raise
        self._known = dict.fromkeys((row.name, row.sha256) for row in rows)

    def add(self, digests: Mapping[str, str]) -> None:
        """Write down the digests of labels that were exported, by their images.

        Raises:
            IncmaskError: the record cannot be written.
        """
        self._known |= dict.fromkeys(digests.items())
        with reopen(self._run) as store:
            store.write(self._run / EXPORTED_LABELS, csv_text(("name", "sha256"), self._known))

    def has(self, name: str, label: np.ndarray) -> bool:
        """Tell whether the label of an image is one that was exported."""
        return (name, digest_of(label)) in self._known


def _anew() -> str:
    return f"use {command('export')} again, which writes it anew"


def digest_of(label: np.ndarray) -> str:
    """Give the digest of a label, whose shape counts."""
    return hashlib.sha256(str(label.shape).encode() + np.ascontiguousarray(label).tobytes()).hexdigest()
