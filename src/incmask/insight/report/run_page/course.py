"""How training went: curves, what the pseudo-labels were like, and every model with its scores."""

import math
from collections.abc import Sequence

from incmask.base.intact import intact
from incmask.base.words import counted
from incmask.data.stack import Stack
from incmask.experiment.paths import stack_folder
from incmask.experiment.record.run import RunRecord
from incmask.experiment.record.stages import ENSEMBLE, StageRecord
from incmask.insight.report.page import Block, Figures, Table, TableCell, TableRow, Text, number, percent, whole
from incmask.insight.report.run_page.plots import course_pictures
from incmask.insight.report.run_page.training import (
    GenerationFacts,
    class_fractions,
    collapse_warnings,
    generation_facts,
)

_DENOMINATOR = (
    "Disputed, and each class: shares of all pixels of all unlabelled images, used or not. What is disputed and "
    "blocked is of no class."
)
_OF_NUMBERS = "Disputed: a share of all pixels of all unlabelled images, used or not."
_TILES = " Used and left out are tiles."
_REASONS = (
    " Too much disputed: no more certain foreground than disputed pixels. Empty: neither of them. Rated too low: by "
    "the EvalNets."
)


def course_blocks(record: RunRecord) -> list[Block]:
    """Write how training went, with a warning where the teachers collapse.

    Raises:
        IncmaskError: matplotlib is not installed.
    """
    class_names = record.class_names if record.scoring.target is None else ()
    generations, labelled = generation_facts(record), _labelled_fractions(record) if class_names else ()
    warnings = collapse_warnings(generations, class_names=class_names, labelled_fractions=labelled) if labelled else []
    blocks: list[Block] = [Text(warning, "warning") for warning in warnings]
    if warnings:
        blocks.append(Text("More labelled images, longer training or `--set labelled_share=0.5` may help."))
    elif generations and labelled:
        blocks.append(Text("No class vanished from the pseudo-labels, and none took everything."))
    pictures = course_pictures(
        record.stages,
        generations,
        score_name=record.scoring.name,
        class_names=class_names,
        labelled_fractions=labelled,
    )
    of = "tiles" if record.settings.fit == "tile" else "images at the networks' size"
    blocks += [
        Figures(tuple(pictures)),
        Text(f"The curves are of {of}, as training sees them; every score in a table is of whole images.", "note"),
    ]
    if generations:
        blocks.append(_pseudo_table(record, generations, labelled, class_names=class_names))
    return [*blocks, _stage_table(record), _model_table(record)]


def _labelled_fractions(record: RunRecord) -> tuple[float, ...]:
    """Give the share of each class in the labels; empty where they are gone."""
    path = intact(Stack(stack_folder(record.root, "labelled"), ()).labels)
    if not path.exists():
        return ()
    return class_fractions(path, masks=None, task=record.task, num_classes=len(record.class_names))


def _pseudo_table(
    record: RunRecord, generations: Sequence[GenerationFacts], labelled: Sequence[float], *, class_names: Sequence[str]
) -> Table:
    rows: list[TableRow] = [
        (
            str(facts.generation),
            number(facts.num_used, f"{facts.num_used:,} of {facts.num_images:,}"),
            facts.left_out or "–",
            *(_share(share) for share in (facts.inconsistent_fraction, *facts.shares[: len(class_names)])),
        )
        for facts in generations
    ]
    if labelled:
        rows.insert(0, ("your labels", "–", "–", "–", *(_share(share) for share in labelled)))
    return Table(
        title="The pseudo-labels of each generation",
        header=("generation", "used", "left out", "disputed", *class_names),
        rows=tuple(rows),
        note=(_DENOMINATOR if class_names else _OF_NUMBERS)
        + (_TILES if record.settings.fit == "tile" else "")
        + (_REASONS if any(facts.left_out for facts in generations) else ""),
        name="pseudo-labels",
    )


def _stage_table(record: RunRecord) -> Table:
    together = (
        f"{counted(record.settings.num_members, 'member')} together"
        if len(record.image_folds) == 1
        else "all models, each on its own fold (validation), of the members (test)"
    )
    return Table(
        title="Stages",
        header=("stage", "validation", "test", "models", "steps a model", "images shown", "width", "seconds"),
        rows=tuple(
            (
                stage.title + (" (handed over)" if stage.name == record.delivered else ""),
                number(record.stage_score(stage)),
                _score(record, stage, ENSEMBLE, "test"),
                whole(len(stage.students)),
                number(stage.num_steps[-1], " or ".join(f"{each:,}" for each in stage.num_steps)),
                whole(stage.students[0].num_images),
                "–" if stage.width is None else number(stage.width, f"{stage.width:g}"),
                whole(stage.seconds),
            )
            for stage in record.all_stages
        ),
        note=f"{record.scoring.full_name} of {together}; seconds of all trainings, one after the other.",
        name="stages",
    )


def _model_table(record: RunRecord) -> Table:
    return Table(
        title="All models",
        header=("model", "role", "validation", "test", "best epoch", "steps", "seconds"),
        rows=tuple(
            (
                f"{stage.name}/{student.number}",
                "member" if student in stage.members else "",
                _score(record, stage, str(student.number), "val"),
                _score(record, stage, str(student.number), "test"),
                whole(student.epoch),
                whole(student.num_steps),
                whole(sum(row.seconds for row in history)),
            )
            for stage in record.all_stages
            for student, history in zip(stage.students, stage.histories, strict=True)
        ),
        note="Members are the best of their stage by the curves above; they predict together. Scores are of whole "
        "images at their own size.",
        name="models",
    )


def _score(record: RunRecord, stage: StageRecord, model: str, split: str) -> TableCell:
    row = record.score_of(stage.name, model, split)
    return number(row.score if row else math.nan)


def _share(share: float) -> TableCell:
    return number(share, percent(share, digits=2))
