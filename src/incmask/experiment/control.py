"""What unlabelled images are compared with: base models that go on learning from the labelled ones alone.

Where students begin with their teachers' weights they have been trained for longer than base models, so that a
difference between the two could come from that alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from incmask.base.config import Settings
from incmask.experiment.deliver import Stage, make_stage
from incmask.experiment.jobs import fit_jobs, mix_folds
from incmask.experiment.setup import CONTROL, RunContext, seed_for
from incmask.experiment.student import Student
from incmask.experiment.train import train
from incmask.method.growth import num_generations_inherited
from incmask.method.recipes import RECIPES

_CONTROL_STREAM = 6000
"""In place of the number of a generation, so that control models have seeds of their own."""


def num_controls(settings: Settings, *, num_folds: int) -> int:
    """Count the models of a control: those that predict together, or one of each fold where there are several."""
    return min(settings.num_base, max(settings.num_members, num_folds if num_folds > 1 else 0))


def train_control(run: RunContext, base: Sequence[Student], *, report: Callable[[float], None]) -> Stage | None:
    """Train base models on, for as many steps as students of all generations take; None: students begin anew.

    Args:
        run: the run.
        base: the models that teach first, by number.
        report: is told steps.
    """
    setup = run.setup
    num_generations = num_generations_inherited(setup.recipe, setup.settings)
    if not num_generations or setup.recipe.teachers is None:
        return None
    num = num_controls(setup.settings, num_folds=len(setup.folds))
    settings = setup.settings.model_copy(update={"num_base": num, "epochs": num_generations * setup.settings.epochs})
    alone = replace(setup, recipe=RECIPES[setup.recipe.teachers], settings=settings)
    jobs = fit_jobs(alone, 0, mix_folds(alone, 0, None), folder=run.store.root / CONTROL)
    # The best of each fold, so that the sides are as good as they get.
    ranked = [
        [each for each in sorted(base, key=lambda student: -student.score) if each.fold == fold]
        for fold in range(len(setup.folds))
    ]
    jobs = [
        replace(
            job,
            start=ranked[index % len(ranked)][index // len(ranked)].model,
            seed=seed_for(setup.settings.seed, _CONTROL_STREAM, index),
        )
        for index, job in enumerate(jobs)
    ]
    students = train(jobs, num_folds=len(setup.folds), store=run.store, pool=run.pool, report=report)
    return make_stage(run, CONTROL, students, earlier=())
