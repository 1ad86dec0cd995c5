"""The verdict of a run: found once, kept in ``verdict.json``, and quoted by terminal, page and model card alike."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from incmask.base.caller import command
from incmask.base.errors import fail
from incmask.base.intact import intact
from incmask.experiment.paths import VERDICT


class _Stored(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ScorePair(_Stored):
    """A score without and with the unlabelled images.

    Attributes:
        what: models and images.
        num_images: that they were scored on.
        without, with_them: the scores, 0 to 1.
        low, high: ends of the difference's 95 % interval; None where nothing carries one.
    """

    what: str
    num_images: int
    without: float
    with_them: float
    low: float | None = None
    high: float | None = None

    @property
    def difference(self) -> float:
        """With minus without."""
        return self.with_them - self.without


class Verdict(_Stored):
    """Whether the unlabelled images helped.

    Attributes:
        headline: the answer in a few words.
        answer: the same with its numbers, a sentence.
        means: what these numbers are; may be empty.
        handed_over: which models, and by which scores; empty where there was no choice.
        notes: what else differs between the two sides.
        score_name: of the scores, with what they average.
        best: title of the stage that stands for the models with the images; empty where there is none.
        pairs: scores of both sides.
    """

    headline: str
    answer: str
    means: str = ""
    handed_over: str = ""
    notes: tuple[str, ...] = ()
    score_name: str = ""
    best: str = ""
    pairs: tuple[ScorePair, ...] = ()

    @property
    def gist(self) -> str:
        """The answer and what was done, in a few words."""
        return f"{self.headline} {self.handed_over}".strip()


def read_verdict(root: Path) -> Verdict | None:
    """Read the verdict of a run; None: none was written down.

    Raises:
        IncmaskError: the file is damaged.
    """
    path = root / VERDICT
    try:
        return Verdict.model_validate_json(intact(path).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        told = str(error).splitlines()[0]
        raise fail(path, f"is no verdict ({told})", f"remove it; {command('report')} writes it anew") from error
