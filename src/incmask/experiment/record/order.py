"""In which order the images of a run are worth correcting."""

from dataclasses import dataclass
from pathlib import Path

from incmask.base.caller import either
from incmask.base.errors import fail
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

    names: tuple[str, ...]
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
        names = tuple(row.name for row in run.shares)
        mend = f"{_rank(run.root)} writes it anew"
        ranking = [(row["rank"], row["name"], "x" in row) for row in run.each_row(RANKING, mend=mend)]
        if not ranking:
            told = f"there is no {RANKING}, so the most disputed images come first; {_rank(run.root)} knows more"
            return CorrectionOrder(names, source, told)
        source = RANKING
        ranked = dict.fromkeys(name for _, name, _ in sorted(ranking, key=lambda row: int(row[0])))
        masked = {*names}
        known = [name for name in ranked if name in masked]
        others = [name for name in names if name not in ranked]
        return CorrectionOrder((*known, *others), source, _note(run.root, len(others), of_crops=ranking[0][2]))
    except (KeyError, ValueError, TypeError) as error:
        raise fail(run.root / source, f"is damaged ({error!r})", "write it anew") from error


def _note(root: Path, num_others: int, *, of_crops: bool) -> str:
    anew = f"{_rank(root)} ranks all of them as wholes"
    if num_others:
        return f"{RANKING} lacks {num_others:,} of the run's images, which come last, the most disputed first; {anew}"
    return f"{RANKING} ranks crops, so each image has the place of its first one; {anew}" if of_crops else ""


def _rank(root: Path) -> str:
    return either(f"`incmask rank {root}`", f'`incmask.rank("{root}")`')
