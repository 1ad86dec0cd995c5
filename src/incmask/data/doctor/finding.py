"""What was found in a data folder that can be read and is worth a look all the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from incmask.base.caller import either
from incmask.base.errors import printable
from incmask.data.dataset import Item
from incmask.data.folder.names import first_of

FindingKind = Literal[
    "near_copies",
    "masks_as_images",
    "unlike_labelled",
    "few_labelled",
    "tiny_objects",
    "shifted_masks",
    "equal_masks",
    "inverted_masks",
]

_NAMED = 5
"""Files that a line names; the others are counted."""


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Attributes:
        kind: what it is.
        severity: a "warning" spoils what is trained or scored, a "note" may do so.
        files: part and name of each image that it is about, such as "labelled/a", or of two that are alike,
            "labelled/a ~ test/b"; the worst first.
        amount: how bad it is: a share or a correlation, 0 to 1, or pixels, as ``what`` says.
        what: what is wrong, with the number.
        remedy: how to mend it.
    """

    kind: FindingKind
    severity: Literal["warning", "note"]
    files: tuple[str, ...]
    amount: float
    what: str
    remedy: str

    def __str__(self) -> str:
        listed = f": {first_of(self.files, _NAMED)}" if self.files else ""
        more = f" ({len(self.files)} in all)" if len(self.files) > _NAMED else ""
        return printable(f"{self.what}{listed}{more}; {self.remedy}")


def label_of(part: str, item: Item) -> str:
    """Name an image with its part."""
    return f"{part}/{item.name}"


def worst_first(files: Sequence[str], amounts: Sequence[float]) -> tuple[str, ...]:
    """Sort files by how bad each is, those that are as bad by name."""
    return tuple(file for _, file in sorted((-amount, file) for file, amount in zip(files, amounts, strict=True)))


def how_to_fix() -> str:
    """Name what writes a folder without what was found."""
    return either("`incmask check DATA --fix OUT`", "`incmask.check(DATA, fix=OUT)`")
