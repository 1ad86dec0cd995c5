"""All stages of a run: base models, networks that rate, and generation after generation."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

from incmask.experiment.advice import advice
from incmask.experiment.deliver import Stage, make_stage
from incmask.experiment.evalnets import Judges, evalnet_width, train_evalnets
from incmask.experiment.executor import Clock
from incmask.experiment.generation import run_generation
from incmask.experiment.jobs import fit_jobs, mix_folds
from incmask.experiment.setup import RunContext, Setup, Start, base_folders
from incmask.experiment.student import Student
from incmask.experiment.train import adopt, train
from incmask.experiment.workload import planned_work
from incmask.method.growth import num_generations_of, num_students_of
from incmask.method.profiles import rests_on_full_truth
from incmask.method.recipes import RECIPES
from incmask.training.capacity import train_cost
from incmask.training.jobs import FitJob
from incmask.training.loop import MODEL as WEIGHTS


@dataclass(frozen=True)
class Trained:
    """All models of a run.

    Attributes:
        stages: the base models of the recipe that teaches first, then the generations.
        others: base models of other recipes, whose masks are examples for the EvalNets.
        judges: EvalNets, where the recipe has them.
    """

    stages: tuple[Stage, ...]
    others: tuple[Student, ...] = ()
    judges: Judges | None = None


def train_all(run: RunContext, *, clock: Clock, bases: Mapping[str, Path], start: Start | None = None) -> Trained:
    """Train what is not trained yet: base models, EvalNets where the recipe has them, and every generation.

    Args:
        run: the run.
        clock: tells how long a training step takes in the pool.
        bases: run folders whose base models are taken over, by recipe.
        start: models of an earlier round that base models begin with.
    """
    setup, progress, recipe = run.setup, run.progress, run.setup.recipe
    models = _train_bases(run, clock=clock, bases=bases, start=start)
    teachers, *others = models.values()
    stages = [make_stage(run, 0, teachers, earlier=())]
    progress.say(f"base models: {setup.scoring.full_name} {stages[0].score:.3f} on validation")

    judges = None
    if recipe.evalnets:
        progress.doing(f"training {setup.settings.num_evalnets} EvalNets")
        cost = train_cost(evalnet_width(setup))
        judges = train_evalnets(
            run,
            [model for name in recipe.evalnets.examples_from for model in models[name]],
            report=lambda steps: progress.advance(steps * cost),
        )
        progress.say(judges.report.sentence())
    threshold = _threshold(setup, models) if recipe.labeller and recipe.labeller.rates else 0.0
    for sentence in resting_on_truth(setup):
        progress.say(sentence)
    run = replace(run, judges=judges.models if judges else (), threshold=threshold)
    for generation in range(1, num_generations_of(recipe, setup.settings) + 1):
        students = run_generation(run, stages[-1].students, generation)
        stages.append(make_stage(run, generation, students, earlier=stages))
        progress.say(f"generation {generation}: {setup.scoring.full_name} {stages[-1].score:.3f} on validation")
    return Trained(tuple(stages), tuple(model for each in others for model in each), judges)


def _train_bases(
    run: RunContext, *, clock: Clock, bases: Mapping[str, Path], start: Start | None
) -> dict[str, list[Student]]:
    """Train the base models, by recipe, of those that teach first; say before how long all will take."""
    setup, store, progress = run.setup, run.store, run.progress
    settings, recipe = setup.settings, setup.recipe
    jobs = {}
    for folder, name in base_folders(recipe).items():
        of_base = replace(setup, recipe=RECIPES[name]) if name else setup
        jobs[name] = fit_jobs(of_base, 0, mix_folds(of_base, 0, None), folder=store.root / folder)
        if start is not None:
            jobs[name] = _warm(jobs[name], start.models.get(folder, ()))
    to_train = [name for name in jobs if name not in bases]
    images = {
        "num_labelled": len(setup.folds[0].training),
        "num_unlabelled": len(setup.stacks.get("unlabelled", ())),
    }
    work = planned_work(recipe, settings, taken_over=bases, **images)
    for name in jobs:
        if name in bases:
            adopt(store, source=bases[name], jobs=jobs[name])
    if to_train and not store.has(jobs[to_train[-1]][-1].folder / WEIGHTS):
        _say_how_long(run, jobs[to_train[0]][0], clock=clock, work=work)
    for sentence in advice(recipe, settings, **images):
        progress.say(sentence)
    progress.expect(work)

    models = {}
    for name in jobs:
        cost = train_cost(settings.width) if name in to_train else 0.0
        progress.doing(f"training {len(jobs[name])} base models")
        models[name] = train(
            jobs[name],
            num_folds=len(setup.folds),
            store=store,
            pool=run.pool,
            report=lambda steps, cost=cost: progress.advance(steps * cost),  # type: ignore[misc]
        )
    return models


def _warm(jobs: Sequence[FitJob], models: Sequence[Path | None]) -> list[FitJob]:
    """Let networks begin with trained ones, where there are such."""
    return [replace(job, start=model) for job, model in zip_longest(jobs, models[: len(jobs)])]


def _threshold(setup: Setup, models: Mapping[str, Sequence[Student]]) -> float:
    """Least rating of an accepted mask: the setting, the profile's, or the score of the best ALDT model.

    A recipe that has none takes the best of those that teach first.
    """
    if setup.settings.quality_threshold is not None:
        return setup.settings.quality_threshold
    if setup.profile.quality_band is not None:
        return setup.profile.quality_band[1]
    return max(model.score for model in models.get("aldt", next(iter(models.values()))))


def resting_on_truth(setup: Setup) -> Iterator[str]:
    """Say what a recipe knows from true masks of all images, which a benchmark has and nobody else."""
    whence = "which the paper knows from models that learnt from all true masks"
    band, known, labeller = setup.quality_band, setup.profile.quality_band, setup.recipe.labeller
    if setup.recipe.copies != "one" and band and rests_on_full_truth(band):
        yield f"copies go from 1 to 5 between qualities of {band[0]:g} and {band[1]:g}, {whence}"
    if labeller and labeller.rates and known and setup.settings.quality_threshold is None:
        yield f"masks that are rated {known[1]:g} or more are accepted, {whence}"


def _say_how_long(run: RunContext, job: FitJob, *, clock: Clock, work: float) -> None:
    setup, pool, settings = run.setup, run.pool, run.setup.settings
    num_generations, num_students = num_generations_of(setup.recipe, settings), num_students_of(setup.recipe, settings)
    # A validated image costs a third of a trained one.
    num_validated = len(setup.stacks["val"]) if "val" in setup.stacks else len(setup.folds[0].validation or ())
    num_trained = job.num_steps / settings.epochs * settings.batch_size
    seconds = clock(job, pool) * work / train_cost(settings.width) / pool.num_workers
    run.progress.say(
        f"{settings.num_base} base models"
        + (f", then {num_generations} generations of {num_students} students" if num_generations else "")
        + f": about {_duration(seconds * (1 + num_validated / num_trained / 3))}"
        + f" on {pool.num_workers} worker{'s' if pool.num_workers > 1 else ''}"
    )


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} seconds"
    if seconds < 5400:
        return f"{round(seconds / 60)} minutes"
    return f"{seconds / 3600:.1f} hours"
