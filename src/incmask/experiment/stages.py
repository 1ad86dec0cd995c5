"""All stages of a run: base models, networks that rate, and generation after generation."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from types import MappingProxyType

from incmask.base.words import counted, duration
from incmask.experiment.advice import advice
from incmask.experiment.budget import TIME_SHARE
from incmask.experiment.collapse import ends_with_stage
from incmask.experiment.control import num_controls, train_control
from incmask.experiment.deliver import Stage, make_stage
from incmask.experiment.evalnets import Judges, evalnet_width, train_evalnets
from incmask.experiment.executor import Clock
from incmask.experiment.generation import run_generation
from incmask.experiment.jobs import fit_jobs, mix_folds
from incmask.experiment.needs import needs_of
from incmask.experiment.paths import EVALNETS, STUDENTS
from incmask.experiment.setup import BASE, CONTROL, RunContext, Setup, Start, base_folders, stage_name
from incmask.experiment.student import Student
from incmask.experiment.train import adopt, train
from incmask.experiment.workload import planned_work, seconds_of
from incmask.method.growth import num_generations_of, num_students_of
from incmask.method.profiles import rests_on_full_truth
from incmask.method.recipes import RECIPES
from incmask.training.capacity import rating_cost, train_cost
from incmask.training.files import MODEL as WEIGHTS
from incmask.training.jobs import FitJob


@dataclass(frozen=True)
class Trained:
    """All models of a run.

    Attributes:
        stages: the base models of the recipe that teaches first, then the generations.
        others: base models of other recipes, whose masks are examples for the EvalNets.
        judges: EvalNets, where the recipe has them.
        control: base models that were trained on as long as students, where these begin with their weights.
    """

    stages: tuple[Stage, ...]
    others: tuple[Student, ...] = ()
    judges: Judges | None = None
    control: Stage | None = None

    @property
    def all_stages(self) -> tuple[Stage, ...]:
        """Those that may be handed over: base, what was trained on without unlabelled images, generations."""
        base, *generations = self.stages
        return (base, *([self.control] if self.control else []), *generations)


def train_all(
    run: RunContext, *, clock: Clock, bases: Mapping[str, Path], start: Start | None = None, control: bool = False
) -> Trained:
    """Train what is not trained yet: base models, EvalNets where the recipe has them, and every generation.

    Args:
        run: the run.
        clock: tells how long a training step takes in the pool.
        bases: run folders whose base models are taken over, by recipe.
        start: models of an earlier round that base models begin with.
        control: also train what students that begin with their teachers' weights are fairly compared with.
    """
    setup, progress, recipe = run.setup, run.progress, run.setup.recipe
    models = _train_bases(run, clock=clock, bases=bases, start=start, control=control)
    teachers, *others = models.values()
    stages = [make_stage(run, BASE, teachers, earlier=())]
    progress.say(f"base models: {setup.scoring.full_name} {stages[0].score:.3f} on validation")

    judges = None
    if recipe.evalnets:
        progress.doing(f"training {setup.settings.num_evalnets} EvalNets")
        cost = rating_cost(evalnet_width(setup))
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
        if not students:
            break
        stages.append(make_stage(run, stage_name(generation), students, earlier=stages))
        progress.say(f"generation {generation}: {setup.scoring.full_name} {stages[-1].score:.3f} on validation")
        if ends_with_stage(run, generation, stages):
            break
    run = _with_generations(run, len(stages) - 1)
    alone = _train_control(run, teachers) if control else None
    # What is not trained any more is no work that lies ahead.
    progress.advance(_work(setup, bases=bases, control=control) - _work(run.setup, bases=bases, control=control))
    return Trained(tuple(stages), tuple(model for each in others for model in each), judges, alone)


def _with_generations(run: RunContext, num: int) -> RunContext:
    """Give a run as one of so many generations, where it ended before its last one."""
    if num >= num_generations_of(run.setup.recipe, run.setup.settings):
        return run
    settings = run.setup.settings.model_copy(update={"num_generations": num})
    return replace(run, setup=replace(run.setup, settings=settings))


def _train_control(run: RunContext, base: Sequence[Student]) -> Stage | None:
    run.progress.doing("training on without unlabelled images, to compare")
    cost = train_cost(run.setup.settings.width)
    stage = train_control(run, base, report=lambda steps: run.progress.advance(steps * cost))
    if stage:
        score = f"{run.setup.scoring.full_name} {stage.score:.3f} on validation"
        run.progress.say(f"as long without unlabelled images: {score}")
    return stage


def _train_bases(
    run: RunContext, *, clock: Clock, bases: Mapping[str, Path], start: Start | None, control: bool
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
    num_labelled, num_other = _num_images(setup)
    work, left = (_work(setup, bases=bases, control=control, done=done) for done in ({}, _num_done(run)))
    for name in jobs:
        if name in bases:
            adopt(store, source=bases[name], jobs=jobs[name])
    if left and not bases:
        _say_how_long(run, jobs[next(iter(jobs))][0], clock=clock, left=left, is_all=left == work, control=control)
    for sentence in advice(recipe, settings, num_labelled=num_labelled, num_unlabelled=num_other):
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


def _num_images(setup: Setup) -> tuple[int, int]:
    """Count the labelled images that train, and the unlabelled ones."""
    return len(setup.folds[0].training), len(setup.stacks.get("unlabelled", ()))


def _work(
    setup: Setup, *, bases: Collection[str], control: bool, done: Mapping[str, int] = MappingProxyType({})
) -> float:
    """Give all training that lies ahead, as ``planned_work`` counts it."""
    num_labelled, num_unlabelled = _num_images(setup)
    return planned_work(
        setup.recipe,
        setup.settings,
        taken_over=bases,
        done=done,
        num_labelled=num_labelled,
        num_unlabelled=num_unlabelled,
        num_controls=num_controls(setup.settings, num_folds=len(setup.folds)) if control else 0,
    )


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


def _num_done(run: RunContext) -> dict[str, int]:
    """Count the models that are trained already, by the folder of their stage."""
    stages = [
        *base_folders(run.setup.recipe),
        EVALNETS,
        CONTROL,
        *map(stage_name, range(1, num_generations_of(run.setup.recipe, run.setup.settings) + 1)),
    ]
    folders = {stage: (run.store.root / stage / STUDENTS).glob("*") for stage in stages}
    return {stage: sum(run.store.has(each / WEIGHTS) for each in found) for stage, found in folders.items()}


_BESIDES_S = 20.0
"""To start workers, and for reliability, ranking and report, however little is trained."""


def _say_how_long(run: RunContext, job: FitJob, *, clock: Clock, left: float, is_all: bool, control: bool) -> None:
    setup, pool, settings = run.setup, run.pool, run.setup.settings
    students = counted(num_students_of(setup.recipe, settings), "student")
    generations = counted(num_generations_of(setup.recipe, settings), "generation")
    rows = {part: len(stack) for part, stack in setup.stacks.items()}
    needs = needs_of(setup, rows, num_workers=pool.num_workers, control=control)
    seconds = seconds_of(
        left,
        setup.recipe,
        settings,
        step_seconds=clock(job, pool),
        num_workers=pool.num_workers,
        num_unlabelled=len(setup.stacks.get("unlabelled", ())),
    )
    seconds = seconds / TIME_SHARE + _BESIDES_S
    run.progress.say(
        counted(settings.num_base, "base model")
        + (f", then {generations} of {students}" if setup.recipe.teachers else "")
        + f": about {duration(seconds)}"
        + ("" if is_all else " are left")
        + f" on {counted(pool.num_workers, 'worker')}, up to {needs.told()}"
    )
