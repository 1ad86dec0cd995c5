"""In which order the images of a run are worth correcting."""

from dataclasses import dataclass

from incmask.base.errors import fail
from incmask.experiment.paths import RANKING
from incmask.experiment.record.run import RunRecord
from incmask.prediction.shares import MASK_SHARES


@dataclass(frozen=True)
class CorrectionOrder:
    """Images of a run.

    Attributes:
        names: those that are most worth correcting first.
        source: the file of the run that tells.
    """

    names: tuple[str, ...]
    source: str


def correction_order(run: RunRecord) -> CorrectionOrder:
    """Give the images in the order of the run's ranking, or else the most disputed first.

    Raises:
        IncmaskError: there are no masks, or a table is damaged.
    """
    source = MASK_SHARES
    try:
        if not run.shares:
            told = "name a finished run of a folder with unlabelled images"
            raise fail(run.root, "holds no masks of unlabelled images", told)
        names = tuple(row.name for row in run.shares)
        known = set(names)
        if ranking := run.table(RANKING, mend="write it anew"):
            source = RANKING
            ordered = sorted(ranking, key=lambda row: int(row["rank"]))
            # Of an image that is ranked in crops, the first counts.
            names = tuple(dict.fromkeys(row["name"] for row in ordered if row["name"] in known))
        return CorrectionOrder(names, source)
    except (KeyError, ValueError, TypeError) as error:
        raise fail(run.root / source, f"is damaged ({error!r})", "write it anew") from error
