"""How training went: curves, what the pseudo-labels were like, and every model with its scores."""

from collections.abc import Sequence

from incmask.experiment.record import ENSEMBLE, RunRecord
from incmask.insight.report.run_page.blocks import Block, Figures, PageSection, TableCell, Text, number, percent, table
from incmask.insight.report.run_page.plots import course_pictures
from incmask.insight.report.run_page.training import (
    GenerationFacts,
    class_fractions,
    collapse_warnings,
    generation_facts,
)


def course_section(record: RunRecord) -> PageSection:
    """Write how training went, with a warning where the teachers collapse.

    Raises:
        IncmaskError: matplotlib is not installed.
    """
    generations, labelled = generation_facts(record), _labelled_fractions(record)
    warnings = (
        collapse_warnings(generations, class_names=record.class_names, labelled_fractions=labelled) if labelled else []
    )
    blocks: list[Block] = [Text(warning, "warning") for warning in warnings]
    if warnings:
        blocks.append(Text("More labelled images, longer training or `--set labelled_share=0.5` may help."))
    elif generations and labelled:
        blocks.append(Text("No class vanished from the pseudo-labels, and none took everything."))
    pictures = course_pictures(
        record.stages,
        generations,
        score_name=record.score_name,
        class_names=record.class_names,
        labelled_fractions=labelled,
    )
    blocks.append(Figures(tuple(pictures)))
    if generations:
        blocks.append(_pseudo_table(record, generations, labelled))
    return PageSection("course", "How did training go?", (*blocks, _stage_table(record), _model_table(record)))


def _labelled_fractions(record: RunRecord) -> tuple[float, ...]:
    """Share of each class in the labels; empty where they are gone."""
    path = record.root / "stacks" / "labelled" / "labels.npy"
    if not path.exists():
        return ()
    return class_fractions(path, masks=None, task=record.task, num_classes=len(record.class_names))


def _pseudo_table(record: RunRecord, generations: Sequence[GenerationFacts], labelled: Sequence[float]) -> Block:
    rows: list[tuple[str | TableCell, ...]] = [
        (
            str(facts.generation),
            number(facts.num_used, f"{facts.num_used:,} of {facts.num_images:,}"),
            _share(facts.inconsistent_fraction),
            *(_share(share) for share in facts.class_fractions),
        )
        for facts in generations
    ]
    if labelled:
        rows.insert(0, ("your labels", TableCell("–"), TableCell("–"), *(_share(share) for share in labelled)))
    return table(
        "pseudo-labels",
        "The pseudo-labels of each generation",
        ("generation", "used", "disputed", *record.class_names),
        rows,
        note="Disputed: share of all pixels (the inconsistency mask); classes: share of the others.",
    )


def _stage_table(record: RunRecord) -> Block:
    rows = []
    for stage in record.stages:
        test = record.score_of(stage.name, ENSEMBLE, "test")
        steps = stage.num_steps
        rows.append(
            (
                stage.title + (" (handed over)" if stage.name == record.delivered else ""),
                number(record.stage_score(stage)),
                number(test.score if test else float("nan")),
                number(len(stage.students), str(len(stage.students))),
                number(steps[-1], " or ".join(f"{each:,}" for each in steps)),
                number(stage.students[0].num_images, f"{stage.students[0].num_images:,}"),
                number(stage.width, f"{stage.width:g}"),
                number(stage.seconds, f"{stage.seconds:,.0f}"),
            )
        )
    together = "the best of each fold" if record.folds > 1 else f"{record.settings.num_members} members together"
    return table(
        "stages",
        "Stages",
        ("stage", "validation", "test", "models", "steps a model", "images shown", "width", "seconds"),
        rows,
        note=f"{record.score_name} of "
        + (
            f"{together}"
            if record.folds == 1
            else "all models, each on its own fold (validation), of the members (test)"
        )
        + "; seconds of all trainings, one after the other.",
    )


def _model_table(record: RunRecord) -> Block:
    rows = []
    for stage in record.stages:
        for place, student in enumerate(stage.students):
            test = record.score_of(stage.name, str(student.number), "test")
            rows.append(
                (
                    TableCell(f"{stage.name}/{student.number}"),
                    TableCell("member" if place < stage.num_members else ""),
                    number(student.score),
                    number(test.score if test else float("nan")),
                    number(student.epoch, str(student.epoch)),
                    number(student.num_steps, f"{student.num_steps:,}"),
                    number(
                        sum(row.seconds for row in stage.histories[place]),
                        f"{sum(row.seconds for row in stage.histories[place]):,.0f}",
                    ),
                )
            )
    return table(
        "models",
        "All models",
        ("model", "role", "validation", "test", "best epoch", "steps", "seconds"),
        rows,
        note="Members are the best of their stage on validation; they predict together.",
    )


def _share(share: float) -> TableCell:
    return number(share, percent(share, digits=2))
