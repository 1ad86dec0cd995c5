"""The section that tells whether the unlabelled images helped."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from incmask.experiment.record.run import RunRecord
from incmask.experiment.record.stages import ENSEMBLE, StageRecord
from incmask.insight.report.page import Block, Table, TableRow, Text, number, signed, whole
from incmask.insight.report.run_page.scoring import (
    Kind,
    difference_of,
    kind_of_held_out,
    mean_of,
    scores_of_models,
    subjects_of,
)
from incmask.insight.report.run_page.verdict import WithAndWithout, answer, fairness, handed_over, headline


@dataclass(frozen=True)
class Helped:
    """What the section says, and its gist in a few words."""

    blocks: tuple[Block, ...]
    gist: str


def helped(record: RunRecord, *, with_images: bool) -> Helped:
    """Compare models without and with the unlabelled images: on test images, or else on those that chose.

    Args:
        record: of the run.
        with_images: the images at the networks' size are there.

    Raises:
        IncmaskError: a model is missing or damaged.
    """
    if len(record.stages) < 2:
        recipe = record.names["recipe"]
        gist = f"Whether unlabelled images help was not asked: the approach {recipe} trains on true masks alone."
        text = f"{gist} `incmask run DATA --recipe im+` asks."
        return Helped((Text(text, "answer"),), gist)
    best = max(record.stages[1:], key=record.stage_score)
    if not (record.image_scores or record.validation_scores or with_images):
        return _without_images(record, best)
    found = _compared(record, best)
    blocks: list[Block] = [
        Text(answer(found), "answer"),
        Text(handed_over(found)),
        *(Text(line, "note") for line in fairness(found)),
        _difference_table(found, record.scoring.full_name),
    ]
    return Helped(tuple(blocks), f"{headline(found)} {handed_over(found)}")


def _compared(record: RunRecord, best: StageRecord) -> WithAndWithout:
    stages = (record.base, best)
    kind: Kind = "test" if record.image_scores else kind_of_held_out(record)
    base, with_them = (scores_of_models(record, stage, kind) for stage in stages)
    subjects = subjects_of(record, kind)
    names = [name for part in base for name in part.names]
    return WithAndWithout(
        base=record.base,
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
        chosen_by=(record.stage_score(record.base), record.stage_score(best)),
        steps_in_all=(_steps(record.stages[:1]), _steps(record.stages)),
        together=_together(record, best, "test" if kind == "test" else "val"),
        delivered=record.delivered is not None,
    )


def _steps(stages: Sequence[StageRecord]) -> int:
    return sum(student.num_steps for stage in stages for student in stage.students)


def _together(record: RunRecord, best: StageRecord, split: Literal["val", "test"]) -> tuple[float, float] | None:
    """Give what the members of both sides reach together, where that was taken."""
    base, with_them = (record.score_of(stage.name, ENSEMBLE, split) for stage in (record.base, best))
    return (base.score, with_them.score) if base and with_them else None


def _difference_table(found: WithAndWithout, score_name: str) -> Table:
    where = {"test": "test", "val": "validation", "split": "validation"}.get(found.kind, "labelled images")
    rows: list[TableRow] = [
        (
            f"single models, {where}",
            whole(found.num_images),
            number(found.base_score),
            number(found.best_score),
            number(found.difference.mean, signed(found.difference.mean)),
            number(found.low, f"{signed(found.low)} to {signed(found.high)}"),
        )
    ]
    if found.together:
        base, best = found.together
        change = best - base
        rows.append(
            (
                f"members together, {where}",
                whole(found.num_images),
                number(base),
                number(best),
                number(change, signed(change)),
                "–",
            )
        )
    return Table(
        title=f"{score_name} without and with the unlabelled images",
        header=("models and images", "images", "without", f"with ({found.best.title})", "difference", "95 % interval"),
        rows=tuple(rows),
        note="Single models: the mean of all of a stage, each subject counting alike. Members together were trained "
        "once on either side, so that how much other trainings would move their difference is unknown.",
        name="difference",
    )


def _without_images(record: RunRecord, best: StageRecord) -> Helped:
    base_score, best_score = record.stage_score(record.base), record.stage_score(best)
    gist = "Whether the unlabelled images helped cannot be told."
    text = (
        f"{gist} On validation, {record.scoring.full_name} is {base_score:.3f} without them, "
        f"{best_score:.3f} with them ({best.title}); whether that is more than chance is unknown, since the folder "
        "stacks/ is gone."
    )
    return Helped((Text(text, "answer"),), gist)
