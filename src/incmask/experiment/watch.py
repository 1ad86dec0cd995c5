"""Whether data stay as they were while a run reads them, again and again, for hours."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from incmask.base.caller import another_folder
from incmask.base.errors import Problem, raise_problems
from incmask.data.dataset import Dataset
from incmask.prediction.ledger import Stamp, stamp_of

Stamps = Mapping[Path, Stamp | None]


def stamps_of(dataset: Dataset) -> Stamps:
    """Tell each file of a data set from a changed one."""
    return {path: stamp_of(path) for path in _files(dataset)}


def check_unchanged(stamps: Stamps) -> None:
    """Refuse to go on with files that are others than when the run began.

    Raises:
        IncmaskError: some were changed or removed.
    """
    mend = f"put it back as it was, and let the same run go on; or {another_folder()}"
    raise_problems(
        [
            Problem(str(path), f"was {'changed' if now else 'removed'} while the run was at work", mend)
            for path, before in stamps.items()
            if (now := stamp_of(path)) != before
        ]
    )


def _files(dataset: Dataset) -> Iterator[Path]:
    for _, items in dataset.parts():
        for item in items:
            yield from (item.image, *filter(None, item.masks or ()))
