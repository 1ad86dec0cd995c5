"""From finished runs to the rows of a comparison's tables."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from incmask.experiment.deliver import Stage
from incmask.experiment.evalnets import evalnet_spec
from incmask.experiment.record.run import read_record
from incmask.experiment.record.stages import ENSEMBLE, read_history
from incmask.experiment.run import Outcome
from incmask.experiment.scores import ScoreRow
from incmask.experiment.student import Student
from incmask.insight.comparison.plan import PlannedRun
from incmask.insight.report.comparison_page.rows import ImageScoreRow, ModelRow, RunRow, Variant
from incmask.nets.costs import count_parameters, flops_an_image
from incmask.nets.spec import Spec


@dataclass(frozen=True)
class Network:
    """What a network costs: FLOPs of a forward pass of one image, and numbers in it."""

    flops_an_image: float
    num_parameters: int


@dataclass(frozen=True)
class Collected:
    """All rows of one run."""

    models: tuple[ModelRow, ...]
    run: RunRow
    images: tuple[ImageScoreRow, ...]


def collect(cell: PlannedRun, outcome: Outcome) -> Collected:
    """Read a finished run.

    The models that a recipe starts from are another recipe's and stand in its rows alone; their cost stands here, too.
    """
    chosen, variant = cell.chosen, cell.variant
    setup = chosen.setup({}, ())
    networks = {
        generation: _network(setup.network(generation), chosen.size) for generation in range(len(outcome.stages))
    }
    own = list(enumerate(outcome.stages))[int(chosen.recipe.teachers is not None) :]
    models = [
        row for generation, stage in own for row in _model_rows(variant, generation, stage, outcome.scores, networks)
    ]
    best, stage = max(own, key=lambda item: merit(item[1], outcome.scores))
    bases = list(outcome.stages[0].students) if chosen.recipe.teachers else []
    bases += outcome.trained.others
    students = [student for _, each in own for student in each.students]
    judges = outcome.trained.judges.students if outcome.trained.judges else ()
    judge = _network(evalnet_spec(setup), chosen.size) if judges else None
    run = RunRow(
        **asdict(variant),
        best_generation=best,
        validation=merit(stage, outcome.scores),
        seconds=sum(_seconds(student) for student in (*bases, *students, *judges)),
        student_flops=networks[best].flops_an_image * stage.students[0].num_images,
        total_flops=networks[0].flops_an_image * sum(student.num_images for student in bases)
        + sum(
            networks[generation].flops_an_image * student.num_images
            for generation, each in own
            for student in each.students
        ),
        total_steps=sum(student.num_steps for student in (*bases, *students)),
        evalnet_flops=judge.flops_an_image * sum(student.num_images for student in judges) if judge else 0.0,
        num_parameters=networks[best].num_parameters,
        flops_an_image=networks[best].flops_an_image,
    )
    return Collected(tuple(models), run, tuple(_image_rows(variant, own, outcome.root)))


def merit(stage: Stage, scores: Sequence[ScoreRow]) -> float:
    """Give what chooses among generations: the best student's validation score; of several folds, that of all."""
    if len({student.fold for student in stage.students}) > 1:
        return stage.score
    best = (stage.name, str(stage.students[0].number), "val")
    return next(row.score for row in scores if (row.stage, row.model, row.split) == best)


def _model_rows(
    variant: Variant, generation: int, stage: Stage, scores: Sequence[ScoreRow], networks: Mapping[int, Network]
) -> list[ModelRow]:
    students = {str(student.number): [student] for student in stage.students} | {ENSEMBLE: list(stage.members)}
    return [
        ModelRow(
            **asdict(variant),
            generation=generation,
            student=row.model,
            chosen=row.model == str(stage.students[0].number),
            split=row.split,
            score=row.score,
            steps=sum(student.num_steps for student in students[row.model]),
            images=sum(student.num_images for student in students[row.model]),
            seconds=sum(_seconds(student) for student in students[row.model]),
            flops=networks[generation].flops_an_image * sum(student.num_images for student in students[row.model]),
            details=row.details,
        )
        for row in scores
        if row.stage == stage.name
    ]


def _image_rows(variant: Variant, own: Sequence[tuple[int, Stage]], root: Path) -> list[ImageScoreRow]:
    record = read_record(root)
    found, groups = record.image_scores, record.groups("test")
    if found is None:
        return []
    rows = []
    for generation, stage in own:
        # Best first.
        scores = np.array([found.scores[f"{stage.name}/{student.number}"] for student in stage.students])
        rows += [
            ImageScoreRow(
                **asdict(variant), generation=generation, name=name, group=groups[name], score=score, all_students=mean
            )
            for name, score, mean in zip(found.names, scores[0].tolist(), scores.mean(0).tolist(), strict=True)
        ]
    return rows


@lru_cache
def _network(spec: Spec, size: tuple[int, int]) -> Network:
    network = spec.build()
    shapes = [(channels, *size) for channels in spec.input_channels]
    return Network(flops_an_image(network, *shapes), count_parameters(network))


def _seconds(student: Student) -> float:
    return sum(row.seconds for row in read_history(student.folder))
