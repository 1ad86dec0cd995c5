"""Whether the unlabelled images helped: found once, and told in a section of the page."""

import math
from collections.abc import Sequence
from typing import Literal

from incmask.base.store import reopen
from incmask.experiment.paths import VERDICT
from incmask.experiment.record.run import RunRecord
from incmask.experiment.record.stages import ENSEMBLE, StageRecord
from incmask.insight.report.page import Block, Table, TableCell, TableRow, Text, number, signed, whole
from incmask.insight.report.run_page.scoring import (
    Kind,
    difference_of,
    difference_of_ensembles,
    kind_of_held_out,
    mean_of,
    scores_of_models,
    subjects_of,
)
from incmask.insight.report.run_page.stored import ScorePair, Verdict, read_verdict
from incmask.insight.report.run_page.verdict import WithAndWithout, answer, fairness, handed_over, headline, means
from incmask.method.recipes import DEFAULT_RECIPE


def write_verdict(record: RunRecord) -> Verdict:
    """Give the verdict of a run, and write it down if that was not done before.

    Raises:
        IncmaskError: a file or model is missing or damaged, or another process works in the folder.
    """
    verdict = verdict_of(record)
    if _is_known(record) and not (record.root / VERDICT).exists():
        with reopen(record.root) as store:
            store.write(record.root / VERDICT, verdict.model_dump_json(indent=1))
    return verdict


def verdict_of(record: RunRecord) -> Verdict:
    """Give the verdict of a run: the one that was written down, or else what is found now.

    Raises:
        IncmaskError: a file or model is missing or damaged.
    """
    return read_verdict(record.root) or find_verdict(record)


def find_verdict(record: RunRecord) -> Verdict:
    """Compare models without and with the unlabelled images: on test images, or else on those that chose.

    Raises:
        IncmaskError: a model is missing or damaged.
    """
    if len(record.stages) < 2 and record.collapses:
        told = "No model learnt from the unlabelled images."
        return Verdict(headline=told, answer=told, notes=_collapses(record))
    if len(record.stages) < 2:
        recipe = record.names["recipe"]
        asked = f"Whether unlabelled images help was not asked: the approach {recipe} trains on true masks alone."
        return Verdict(headline=asked, answer=f"{asked} `incmask run DATA --recipe {DEFAULT_RECIPE}` asks.")
    best = max(record.stages[1:], key=record.stage_score)
    if not _is_known(record):
        return _without_images(record, best)
    found = _compared(record, best)
    return Verdict(
        headline=headline(found),
        answer=answer(found),
        means=means(found),
        handed_over=handed_over(found),
        notes=(*_collapses(record), *fairness(found)),
        score_name=record.scoring.full_name,
        best=best.title,
        pairs=tuple(_pairs(found)),
    )


def _collapses(record: RunRecord) -> tuple[str, ...]:
    return tuple(f"{told[0].upper()}{told[1:]}." for told in record.collapses)


def helped_blocks(verdict: Verdict) -> list[Block]:
    """Write the section."""
    blocks: list[Block] = [
        Text(f"{verdict.answer} {verdict.means}".strip(), "answer"),
        *([Text(verdict.handed_over)] if verdict.handed_over else []),
        *(Text(line, "note") for line in verdict.notes),
    ]
    return [*blocks, _difference_table(verdict)] if verdict.pairs else blocks


def _is_known(record: RunRecord) -> bool:
    """Tell whether scores of single images are written down."""
    return bool(record.image_scores or record.validation_scores)


def _compared(record: RunRecord, best: StageRecord) -> WithAndWithout:
    stages = (record.without, best)
    kind: Kind = "test" if record.image_scores else kind_of_held_out(record)
    base, with_them = (scores_of_models(record, stage, kind) for stage in stages)
    subjects = subjects_of(record, kind)
    names = [name for part in base for name in part.names]
    alone = [stage for stage in record.all_stages if stage.generation == 0]
    return WithAndWithout(
        base=record.without,
        best=best,
        score_name=record.scoring.name,
        base_score=mean_of(base, subjects),
        best_score=mean_of(with_them, subjects),
        difference=difference_of(with_them, base, subjects),
        num_images=len(names),
        num_subjects=len({subjects[name] for name in names}),
        num_unlabelled=len(record.part("unlabelled")),
        num_generations=len(record.stages) - 1,
        kind=kind,
        chosen=record.chosen,
        chosen_by=(record.stage_score(record.without), record.stage_score(best)),
        steps_in_all=(_steps(alone), _steps(record.stages)),
        together=_together(record, best, "test" if kind == "test" else "val"),
        of_these=difference_of_ensembles(record, best, record.without, kind, subjects),
        delivered=record.delivered is not None,
        is_warm="start" in record.records.run,
        is_of_classes=record.scoring.target is None,
        is_taught=record.recipe is None or record.recipe.objective != "consistency",
    )


def _steps(stages: Sequence[StageRecord]) -> int:
    return sum(student.num_steps for stage in stages for student in stage.students)


def _together(record: RunRecord, best: StageRecord, split: Literal["val", "test"]) -> tuple[float, float] | None:
    """Give what the members of both sides reach together, where that was taken."""
    base, with_them = (record.score_of(stage.name, ENSEMBLE, split) for stage in (record.without, best))
    return (base.score, with_them.score) if base and with_them else None


def _pairs(found: WithAndWithout) -> list[ScorePair]:
    where = {"test": "test", "val": "validation", "split": "validation"}.get(found.kind, "labelled images")
    single = ScorePair(
        what=f"single models, {where}",
        num_images=found.num_images,
        without=found.base_score,
        with_them=found.best_score,
        low=None if found.lacks else found.low,
        high=None if found.lacks else found.high,
    )
    if not found.together:
        return [single]
    base, best = found.together
    what = f"members together, {where}"
    low, high = (None if math.isnan(end) else end for end in found.ends_of_these)
    return [
        single,
        ScorePair(what=what, num_images=found.num_images, without=base, with_them=best, low=low, high=high),
    ]


def _difference_table(verdict: Verdict) -> Table:
    rows: list[TableRow] = [
        (
            pair.what,
            whole(pair.num_images),
            number(pair.without),
            number(pair.with_them),
            number(pair.difference, signed(pair.difference)),
            _interval(pair),
        )
        for pair in verdict.pairs
    ]
    return Table(
        title=f"{verdict.score_name} without and with the unlabelled images",
        header=("models and images", "images", "without", f"with ({verdict.best})", "difference", "95 % interval"),
        rows=tuple(rows),
        note="Single models: the mean of all of a stage, each subject counting alike. Members together were trained "
        "once on either side: their interval is for other images with these very models, and how much other trainings "
        "would move the difference is unknown.",
        name="difference",
    )


def _interval(pair: ScorePair) -> str | TableCell:
    if pair.low is None or pair.high is None:
        return "–"
    return number(pair.low, f"{signed(pair.low)} to {signed(pair.high)}")


def _without_images(record: RunRecord, best: StageRecord) -> Verdict:
    base_score, best_score = record.stage_score(record.without), record.stage_score(best)
    gist = "Whether the unlabelled images helped cannot be told."
    text = (
        f"{gist} On validation, {record.scoring.full_name} is {base_score:.3f} without them, "
        f"{best_score:.3f} with them ({best.title}); whether that is more than chance is unknown, since the scores of "
        "single images are not written down."
    )
    return Verdict(headline=gist, answer=text)
