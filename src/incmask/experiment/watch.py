"""Whether data stay as they were while a run reads them, again and again, for hours."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from incmask.base.caller import another_folder
from incmask.base.errors import Problem, raise_problems
from incmask.base.spilled import Numbers
from incmask.data.dataset import Dataset, Item
from incmask.prediction.ledger import Stamp, stamp_of

_GONE = -1


@dataclass(frozen=True, eq=False)
class Stamps:
    """What tells each file of some images from a changed one, 16 bytes a file.

    Attributes:
        items: the images.
        num_bytes, written_ns: of each file, in their order; -1: it was not there.
    """

    items: tuple[Sequence[Item], ...] = ()
    num_bytes: Numbers = field(default_factory=lambda: Numbers("q"))
    written_ns: Numbers = field(default_factory=lambda: Numbers("q"))

    def told(self) -> Iterator[tuple[Path, Stamp | None]]:
        """Give each file with its stamp; None: it was not there."""
        for path, *then in zip(_files(self.items), self.num_bytes, self.written_ns, strict=True):
            yield path, None if then[0] == _GONE else Stamp(*then)


def stamps_of(dataset: Dataset) -> Stamps:
    """Tell each file of a data set from a changed one."""
    stamps = Stamps(tuple(items for _, items in dataset.parts()))
    for path in _files(stamps.items):
        now = stamp_of(path) or Stamp(_GONE, _GONE)
        stamps.num_bytes.append(now.num_bytes)
        stamps.written_ns.append(now.written_ns)
    return stamps


def check_unchanged(stamps: Stamps) -> None:
    """Refuse to go on with files that are others than when the run began.

    Raises:
        IncmaskError: some were changed or removed.
    """
    mend = f"put it back as it was, and let the same run go on; or {another_folder()}"
    raise_problems(
        [
            Problem(str(path), f"was {'changed' if now else 'removed'} while the run was at work", mend)
            for path, before in stamps.told()
            if (now := stamp_of(path)) != before
        ]
    )


def _files(parts: Iterable[Sequence[Item]]) -> Iterator[Path]:
    for items in parts:
        for item in items:
            yield from (item.image, *filter(None, item.masks or ()))
