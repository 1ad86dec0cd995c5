"""The main job: a data set and a recipe in; models, masks, disputed pixels and scores out."""

import json
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from incmask.choices import Choices, Resolved, resolve
from incmask.config import Settings
from incmask.data.split import describe_folds, make_folds
from incmask.data.stack import Stack, build_stack, read_stack
from incmask.device import resolve_device
from incmask.errors import IncmaskError, Problem
from incmask.evaluation import ScoreRow
from incmask.execute.local import LocalPool
from incmask.execute.machine import num_cores
from incmask.execute.plan import fitting_workers, seconds_per_step, train_cost
from incmask.fit import MODEL as WEIGHTS
from incmask.generation import run_generation
from incmask.progress import Progress, Silent
from incmask.recipes import RECIPES, Recipe
from incmask.results import Stage, evaluate_all, hand_over, make_stage, score_name, write_masks
from incmask.store import Store, as_records, differences, read_records
from incmask.students import Setup, adopt, fit_jobs, train, width_of

_PACKAGES = ("incmask", "torch", "numpy", "scipy", "opencv-python-headless", "pillow", "tifffile", "safetensors")

_OF_STUDENTS = {
    *("num_base", "num_students", "num_generations", "num_kept", "num_members"),
    *("erode_px", "dilate_px", "admit", "width_step"),
}
"""Settings that make no difference to a base model."""


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    Attributes:
        root: the run folder.
        recipe: its name.
        stages: base and generations.
        chosen: the stage whose models were handed over.
        scores: of every model on validation and, where there is one, on test.
        seconds: this call took.
    """

    root: Path
    recipe: str
    stages: tuple[Stage, ...]
    chosen: Stage
    scores: tuple[ScoreRow, ...]
    seconds: float


def run(
    data: Path, out: Path, *, choices: Choices, progress: Progress | None = None, base_from: Path | None = None
) -> Outcome:
    """Train, label, train again, and write everything to a run folder; goes on where it was stopped.

    Args:
        data: folder with ``labelled/`` and ``unlabelled/``.
        out: run folder.
        choices: what to run.
        progress: a listener.
        base_from: run folder of the recipe that teaches first, same data and settings: its models
            are taken over instead of being trained once more.

    Raises:
        IncmaskError: something about the data, the choices or the folder is wrong; nothing was lost.
    """
    started = time.monotonic()
    progress = progress or Silent()
    chosen = resolve(data, choices)
    for note in chosen.notes:
        progress.say(note)
    # Before the folder is begun with choices that do not fit this machine or the models to be taken over.
    num_workers = _num_workers(chosen, progress)
    if base_from is not None:
        _check_source(base_from, chosen)
    with Store(out, run=chosen.describe_run(), data=chosen.describe_data()) as store:
        store.write(out / "environment.json", _environment())
        setup = _set_up(chosen, _stacks(chosen, store, num_threads=num_workers), progress)
        with LocalPool(num_workers) as pool:
            stages = _train_all(setup, store, pool, progress, base_from=base_from)
            best = max(stages, key=lambda stage: stage.score)
            progress.say(_verdict(stages, best))
            model = hand_over(setup, store, best)
            progress.doing("scoring all models")
            scores = evaluate_all(setup, stages, store, pool)
            progress.doing("masks for all unlabelled images")
            write_masks(setup, store, pool, model)
    return Outcome(out, chosen.names["recipe"], tuple(stages), best, tuple(scores), time.monotonic() - started)


def _check_source(source: Path, chosen: Resolved) -> None:
    """Refuse base models that this run would not have trained itself."""

    theirs = read_records(source)
    ours = as_records(run=chosen.describe_run(), data=chosen.describe_data())
    told = differences(_of_base(theirs.run), _of_base(ours.run)) + differences(theirs.data, ours.data)
    if told:
        remedy = "take it back, or train the base models anew"
        raise IncmaskError([Problem(str(source), difference, remedy) for difference in told])


def _of_base(run: Mapping[str, Any]) -> dict[str, Any]:
    """The choices that base models depend on."""
    recipe = RECIPES[run["recipe"]].teachers or run["recipe"]
    settings = {name: value for name, value in run["settings"].items() if name not in _OF_STUDENTS}
    return {"size": run["size"], "profile": run["profile"], "recipe": recipe, "settings": settings}


def _num_workers(chosen: Resolved, progress: Progress) -> int:
    """How many students train side by side: one a core, as many as memory has room for."""
    settings = chosen.settings
    # Several processes on one GPU only wait for each other.
    on_cpu = resolve_device(settings.device).type == "cpu"
    wanted = settings.num_workers or (num_cores() if on_cpu else 1)
    setup = Setup(chosen.dataset, chosen.recipe, chosen.profile, settings, chosen.size, stacks={}, folds=())
    widest = setup.network(settings.num_generations if chosen.recipe.teachers else 0)
    room = fitting_workers(widest, size=chosen.size, batch_size=settings.batch_size, num_workers=wanted)
    if room < wanted:
        progress.say(f"memory for {room} of {wanted} workers; a smaller --set batch_size takes less")
    return room


def _set_up(chosen: Resolved, stacks: dict[str, Stack], progress: Progress) -> Setup:
    names = stacks["labelled"].names
    settings = chosen.settings
    num_models = min(settings.num_base, settings.num_students) if chosen.recipe.teachers else settings.num_base
    folds = make_folds(names, has_val="val" in stacks, seed=settings.seed, num_models=num_models)
    if told := describe_folds(folds, names):
        progress.say(told)
    return Setup(chosen.dataset, chosen.recipe, chosen.profile, settings, chosen.size, stacks, folds)


def _stacks(chosen: Resolved, store: Store, *, num_threads: int) -> dict[str, Stack]:
    stacks = {}
    for part, items in chosen.dataset.parts():
        if not items:
            continue
        if part == "unlabelled" and chosen.recipe.labelled != "full":
            # Their true masks are none of this recipe's business.
            items = tuple(replace(item, masks=None) for item in items)
        folder = store.root / "stacks" / part
        done = folder / "index.csv"
        if store.has(done, folder / "images.npy"):
            stacks[part] = read_stack(folder)
            continue
        stacks[part] = build_stack(
            items,
            chosen.dataset,
            size=chosen.size,
            fit=chosen.settings.fit,
            folder=folder,
            num_threads=num_threads,
        )
        store.record(*stacks[part].files)
    return stacks


def _train_all(
    setup: Setup,
    store: Store,
    pool: LocalPool,
    progress: Progress,
    *,
    base_from: Path | None,
) -> list[Stage]:
    settings, recipe = setup.settings, setup.recipe
    base_recipe = RECIPES[recipe.teachers] if recipe.teachers else recipe
    base_setup = Setup(setup.dataset, base_recipe, setup.profile, settings, setup.size, setup.stacks, setup.folds)
    num_generations = settings.num_generations if recipe.teachers else 0
    base_jobs = fit_jobs(base_setup, store.root, generation=0, pseudo=None)

    work = planned_work(
        recipe, settings, steps=base_jobs[0].num_steps, later_steps=_later_steps(setup), with_base=base_from is None
    )
    if base_from is not None:
        adopt(store, source=base_from, jobs=base_jobs)
    elif not store.has(base_jobs[-1].folder / WEIGHTS):
        # A validated image costs a third of a trained one.
        num_validated = len(setup.stacks["val"]) if "val" in setup.stacks else len(setup.folds[0].validation or ())
        num_trained = base_jobs[0].num_steps / settings.epochs * settings.batch_size
        seconds = seconds_per_step(base_jobs[0], pool=pool) * work / train_cost(settings.width) / pool.num_workers
        progress.say(
            f"{len(base_jobs)} base models"
            + (f", then {num_generations} generations of {settings.num_students} students" if num_generations else "")
            + f": about {_duration(seconds * (1 + num_validated / num_trained / 3))}"
            + f" on {pool.num_workers} worker{'s' if pool.num_workers > 1 else ''}"
        )
    progress.expect(work)

    def report_base(steps: float) -> None:
        if base_from is None:
            progress.advance(steps * train_cost(settings.width))

    progress.doing(f"training {len(base_jobs)} base models")
    students = train(base_setup, base_jobs, store=store, pool=pool, report=report_base)
    stages = [make_stage(setup, 0, students, earlier=(), pool=pool)]
    progress.say(f"base models: {score_name(setup)} {stages[0].score:.3f} on validation")
    for generation in range(1, num_generations + 1):
        teachers = stages[-1].students[: settings.num_kept][: settings.num_members]
        students = run_generation(setup, teachers, generation, store=store, pool=pool, progress=progress)
        stages.append(make_stage(setup, generation, students, earlier=stages, pool=pool))
        progress.say(f"generation {generation}: {score_name(setup)} {stages[-1].score:.3f} on validation")
    return stages


def planned_work(
    recipe: Recipe, settings: Settings, *, steps: int, later_steps: int | None = None, with_base: bool = True
) -> float:
    """The training of a run in units of progress.

    Args:
        recipe, settings: of the run.
        steps: of a base model.
        later_steps: of a student; None: as many.
        with_base: whether the base models are trained, too.
    """
    work = settings.num_base * steps * train_cost(settings.width) if with_base else 0.0
    if recipe.teachers:
        students = settings.num_students * (steps if later_steps is None else later_steps)
        work += sum(
            students * train_cost(width_of(recipe, settings, generation))
            for generation in range(1, settings.num_generations + 1)
        )
    return work


def _later_steps(setup: Setup) -> int | None:
    """Steps of a student; where an epoch is one pass: if every pseudo-label is used."""
    settings = setup.settings
    if settings.steps_per_epoch:
        return None
    num_images = len(setup.folds[0].training) + len(setup.stacks.get("unlabelled", ()))
    return settings.epochs * max(1, num_images // settings.batch_size)


def _verdict(stages: Sequence[Stage], chosen: Stage) -> str:
    """Whether the unlabelled images helped, in a sentence."""
    base, best = stages[0], max(stages[1:], key=lambda stage: stage.score, default=None)
    if best is None:
        return f"validation score {base.score:.3f}"
    difference = f"{base.score:.3f} without them, {best.score:.3f} with them ({best.name})"
    if chosen is base:
        return (
            f"the unlabelled images did not help on validation: {difference}; the models without them are handed over"
        )
    return f"the unlabelled images helped on validation: {difference}; those models are handed over"


def _environment() -> str:
    """Where the run took place, for ``environment.json``."""
    return json.dumps(
        {
            "python": platform.python_version(),
            "platform": platform.platform(),
            "processor": platform.machine(),
            "packages": {name: version(name) for name in _PACKAGES},
        },
        indent=1,
    )


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} seconds"
    if seconds < 5400:
        return f"{round(seconds / 60)} minutes"
    return f"{seconds / 3600:.1f} hours"
