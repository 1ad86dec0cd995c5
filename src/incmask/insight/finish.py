"""What follows a run: how far its disagreement can be trusted, what to label next, its model card, its report."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from incmask.base.errors import IncmaskError
from incmask.base.machine import peak_memory_bytes
from incmask.base.pool import OpenPool
from incmask.base.progress import Progress, Silent
from incmask.base.store import reopen
from incmask.experiment.paths import (
    CARD,
    ERRORS,
    ERRORS_FIGURE,
    IMAGE_RELIABILITY,
    MODEL,
    PAGE,
    RANKING,
    RELIABILITY,
    USAGE,
    VERDICT,
)
from incmask.experiment.record.run import read_record, read_run
from incmask.experiment.run import Outcome
from incmask.insight.card import model_card
from incmask.insight.ranking.rank import write_ranking
from incmask.insight.reliability.measure import write_reliability
from incmask.insight.reliability.rows import read_sentence
from incmask.insight.report.run_page.helped import write_verdict
from incmask.insight.report.run_page.stored import Verdict, read_verdict
from incmask.insight.report.run_page.write import write_report


@dataclass(frozen=True)
class FinishedFiles:
    """What was made of a run.

    Attributes:
        report: the page; None: it could not be written.
        ranking: what to label next; None: nothing is unlabelled, or it could not be written.
        verdict: whether the unlabelled images helped; None: that was not asked, or could not be found.
        sentence: how often disputed pixels are wrong; "" where that is not known.
        problems: what could not be made, with the remedy, one line each.
    """

    report: Path | None = None
    ranking: Path | None = None
    verdict: Verdict | None = None
    sentence: str = ""
    problems: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Tell what a person should know."""
        told = {"to label next": self.ranking, "report": self.report}
        lines = [f"{what:<15}{path}" for what, path in told.items() if path]
        answers = [self.verdict.answer if self.verdict else "", self.sentence]
        return [*filter(None, answers), *lines, *self.problems]

    def as_dict(self) -> dict[str, Any]:
        """Give the same for machines."""
        return {
            "report": str(self.report) if self.report else None,
            "ranking": str(self.ranking) if self.ranking else None,
            "verdict": self.verdict.model_dump(mode="json") if self.verdict else None,
            "reliability": self.sentence or None,
            "problems": list(self.problems),
        }


@dataclass(frozen=True)
class _Step:
    """Files that are made together, the last of which is always there when all are; what they tell; what makes them."""

    names: tuple[str, ...]
    what: str
    make: Callable[[], object]


def _found_of(root: Path, open_pool: OpenPool, progress: Progress) -> list[_Step]:
    """Give what is found out about a run once, and told by its page."""
    reliability = partial(write_reliability, root, open_pool=open_pool, progress=progress)
    ranking = partial(write_ranking, root, open_pool=open_pool, progress=progress)
    of_disagreement = (ERRORS, IMAGE_RELIABILITY, ERRORS_FIGURE, RELIABILITY)
    steps = [
        _Step(of_disagreement, "the reliability of its disagreement", reliability),
        _Step((VERDICT,), "whether the unlabelled images helped", lambda: write_verdict(read_run(root))),
        _Step((f"{MODEL}/{CARD}",), "the model card", lambda: _write(root, Path(MODEL, CARD), model_card(root))),
    ]
    record = read_record(root)
    if record.scoring.target is not None:
        # Reliability and ranking count votes for classes.
        return steps[1:]
    has_others = bool(record.part("unlabelled"))
    return [*steps, _Step((RANKING,), "what to label next", ranking)] if has_others else steps


def _to_make(root: Path, steps: Sequence[_Step], progress: Progress, *, lost_alone: bool = False) -> list[_Step]:
    """Give the steps whose files are damaged; and those whose files never were, unless ``lost_alone``."""
    with reopen(root, say=progress.say) as store:
        lost = [store.lost(*(root / name for name in step.names)) for step in steps]
        # Nobody is to miss them while others are made.
        store.remove(*(path for paths in lost for path in paths))
    return [
        step
        for step, is_lost in zip(steps, lost, strict=True)
        if is_lost or not (lost_alone or (root / step.names[-1]).exists())
    ]


def report_anew(root: Path, *, open_pool: OpenPool, progress: Progress | None = None) -> Path:
    """Write the report of a finished run; what it tells of and is damaged is found out anew before.

    Args:
        root: the run folder.
        open_pool: gives workers.
        progress: a listener.

    Raises:
        IncmaskError: as ``write_report`` does.
    """
    progress = progress or Silent()
    read_run(root)
    for step in _to_make(root, _found_of(root, open_pool, progress), progress, lost_alone=True):
        step.make()
    return write_report(root)


def finish(outcome: Outcome, *, open_pool: OpenPool, progress: Progress | None = None) -> FinishedFiles:
    """Write what people read of a run; what is there already stays as it is.

    A run is whole without: what cannot be made becomes a problem, and the rest is made all the same.

    Args:
        outcome: of the run.
        open_pool: gives workers.
        progress: a listener.
    """
    progress = progress or Silent()
    root = outcome.root
    steps = [
        _Step((USAGE,), "", lambda: _write(root, Path(USAGE), _usage(outcome))),
        *_found_of(root, open_pool, progress),
        # It tells what the others found.
        _Step((PAGE,), "the report", lambda: write_report(root)),
    ]
    problems = []
    for step in _to_make(root, steps, progress):
        if step.what:
            progress.doing(f"writing {step.what}")
        try:
            step.make()
        except IncmaskError as error:
            problems += [f"{step.what or USAGE} is not there: {problem}" for problem in error.problems]
    return FinishedFiles(
        report=_there(root / PAGE),
        ranking=_there(root / RANKING),
        verdict=_verdict(root),
        sentence=read_sentence(root),
        problems=tuple(problems),
    )


def _verdict(root: Path) -> Verdict | None:
    found = read_verdict(root)
    return found if found and found.pairs else None


def _write(root: Path, name: Path, text: str) -> None:
    with reopen(root) as store:
        store.write(root / name, text)


def _usage(outcome: Outcome) -> str:
    return json.dumps({"seconds": round(outcome.seconds, 1), "peak_memory_bytes": peak_memory_bytes()}, indent=1)


def _there(path: Path) -> Path | None:
    return path if path.exists() else None
