"""In which order the images of a run are worth correcting."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import compress
from operator import attrgetter
from pathlib import Path

from incmask.base.caller import either
from incmask.base.errors import fail
from incmask.base.packed import Packed
from incmask.base.packed_texts import Texts, merged
from incmask.experiment.paths import RANKING
from incmask.experiment.record.run import RunRecord
from incmask.prediction.shares import MASK_SHARES


@dataclass(frozen=True)
class CorrectionOrder:
    """Images of a run.

    Attributes:
        names: all of them, those that are most worth correcting first.
        source: the file of the run that tells.
        note: what a person should know of the order; "" where nothing.
    """

    names: Sequence[str]
    source: str
    note: str = ""


def correction_order(run: RunRecord) -> CorrectionOrder:
    """Give the images in the order of the run's ranking, or else the most disputed first.

    Images that the ranking lacks follow those that it names; of an image that is ranked in crops, the first counts.

    Raises:
        IncmaskError: there are no masks, or a table is damaged.
    """
    source = MASK_SHARES
    try:
        if not run.shares:
            told = "name a finished run of a folder with unlabelled images"
            raise fail(run.root, "holds no masks of unlabelled images", told)
        names = run.shares.column("name")
        mend = f"{_rank(run.root)} writes it anew"
        rows = ((int(row["rank"]), row["name"], "x" in row) for row in run.each_row(RANKING, mend=mend))
        by_rank = merged((_Ranked(*row) for row in rows), attrgetter("rank"), pack=partial(Packed, _Ranked))
        ranking = Packed(_Ranked, by_rank)
        if not ranking:
            told = f"there is no {RANKING}, so the most disputed images come first; {_rank(run.root)} knows more"
            return CorrectionOrder(names, source, told)
        source = RANKING
        ordered, is_left = Texts(), bytearray(b"\1") * len(names)
        for name in ranking.column("name"):
            known = run.shares.place("name", name)
            if known is not None and is_left[known]:
                ordered.append(name)
                is_left[known] = 0
        num_others = sum(is_left)
        for name in compress(names, is_left):
            ordered.append(name)
        return CorrectionOrder(ordered, source, _note(run.root, num_others, of_crops=ranking[0].is_crop))
    except (KeyError, ValueError, TypeError) as error:
        raise fail(run.root / source, f"is damaged ({error!r})", "write it anew") from error


@dataclass(frozen=True, slots=True)
class _Ranked:
    rank: int
    name: str
    is_crop: bool


def _note(root: Path, num_others: int, *, of_crops: bool) -> str:
    anew = f"{_rank(root)} ranks all of them as wholes"
    if num_others:
        return f"{RANKING} lacks {num_others:,} of the run's images, which come last, the most disputed first; {anew}"
    return f"{RANKING} ranks crops, so each image has the place of its first one; {anew}" if of_crops else ""


def _rank(root: Path) -> str:
    return either(f"`incmask rank {root}`", f'`incmask.rank("{root}")`')
