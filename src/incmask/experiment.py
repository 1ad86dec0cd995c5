"""The main job: a data set and a recipe in; models, masks, disputed pixels and scores out."""

import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from incmask.config import CONFIG_NAME, Settings, choose, read_config, resolve_settings, validated
from incmask.data.dataset import DataOptions, Dataset
from incmask.data.scan import load_dataset
from incmask.data.split import describe_folds, make_folds
from incmask.data.stack import Stack, build_stack, derive_size, read_stack
from incmask.ensemble import About, save_ensemble
from incmask.errors import fail
from incmask.evaluation import EvaluateJob, ScoreRow, evaluate_models, from_csv, to_csv
from incmask.execute.local import LocalPool
from incmask.execute.machine import num_cores
from incmask.execute.plan import fitting_workers, seconds_per_step, train_cost
from incmask.generation import run_generation
from incmask.outputs import MASK_SHARES, ImageFile, predict_files, share_jobs, shares_csv
from incmask.predict import Validation
from incmask.profiles import PROFILES
from incmask.progress import Progress, Silent, ignore
from incmask.recipes import RECIPES
from incmask.store import Store, hash_file
from incmask.students import Setup, Student, adopt, fit_jobs, rank, stage_name, train

SCORES, MODEL = "scores.csv", "model"


@dataclass(frozen=True)
class Choices:
    """What to run; None leaves the choice to ``incmask.toml``, and to the defaults after that.

    Attributes:
        recipe: a name of ``RECIPES``.
        preset, effort: names of ``PRESETS`` and ``EFFORTS``.
        profile: a name of ``PROFILES``.
        settings: single settings, which win over all else.
    """

    recipe: str | None = None
    preset: str | None = None
    effort: str | None = None
    profile: str | None = None
    settings: dict[str, object] | None = None


@dataclass(frozen=True)
class Stage:
    """Models that were trained together, best first.

    Attributes:
        name: "base", "gen-1" and so on.
        students: ranked by validation.
        members: those that predict together.
        score: on validation, of the members together (cross-validated: their mean).
    """

    name: str
    students: tuple[Student, ...]
    members: tuple[Student, ...]
    score: float


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
    file = read_config(data)
    preset = choices.preset or file.preset or "default"
    effort = choices.effort or file.effort
    recipe_name = choices.recipe or file.recipe or "im+"
    recipe = choose(RECIPES, recipe_name, option="--recipe")
    profile_name = choices.profile or file.profile or "generic"
    profile = choose(PROFILES, profile_name, option="--profile")
    settings = resolve_settings(preset=preset, effort=effort, from_file=file.settings, overrides=choices.settings)
    dataset = load_dataset(data, validated(DataOptions, file.data, where=str(data / CONFIG_NAME)))
    for note in dataset.notes:
        progress.say(note)
    if recipe.teachers and not dataset.unlabelled:
        progress.say(f"no unlabelled images: this is {recipe.teachers} alone")
        recipe_name, recipe = recipe.teachers, RECIPES[recipe.teachers]
    _check(settings, dataset, recipe_name)
    size = settings.size or derive_size(dataset.labelled, fit=settings.fit)
    effort_name = effort or ("paper" if preset == "paper" else "normal")
    progress.say(
        f"recipe {recipe_name} ({recipe.title}), preset {preset}, effort {effort_name}, "
        f"networks of {size[0]}×{size[1]}×{dataset.channels} and width {settings.width:g}"
    )

    described = {
        "recipe": recipe_name,
        "preset": preset,
        "effort": effort_name,
        "profile": profile_name,
        "size": list(size),
        # How the work is shared out changes no number.
        "settings": settings.model_dump(exclude={"num_workers", "size"}),
    }
    with Store(out, run=described, data=_describe(dataset)) as store:
        store.write(out / "environment.json", _environment())
        folds = make_folds([], has_val=True, seed=settings.seed)
        setup = Setup(dataset, recipe, profile, settings, size, {}, folds)
        num_workers = settings.num_workers or num_cores()
        stacks = _stacks(setup, store, num_threads=num_workers)
        names = stacks["labelled"].names
        folds = make_folds(names, has_val="val" in stacks, seed=settings.seed)
        if told := describe_folds(folds, names):
            progress.say(told)
        setup = Setup(dataset, recipe, profile, settings, size, stacks, folds)
        widest = setup.network(settings.num_generations if recipe.teachers else 0)
        wanted, num_workers = (
            num_workers,
            fitting_workers(widest, size=size, batch_size=settings.batch_size, num_workers=num_workers),
        )
        if num_workers < wanted:
            progress.say(f"memory for {num_workers} of {wanted} workers; a smaller --set batch_size takes less")
        with LocalPool(num_workers) as pool:
            stages = _train_all(setup, store, pool, progress, num_workers=num_workers, base_from=base_from)
            chosen = max(stages, key=lambda stage: stage.score)
            progress.say(_verdict(stages, chosen))
            model = _hand_over(setup, store, chosen)
            progress.doing("scoring all models")
            scores = _evaluate(setup, stages, store, pool)
            progress.doing("masks for all unlabelled images")
            _write_masks(setup, store, pool, model)
    return Outcome(out, recipe_name, tuple(stages), chosen, tuple(scores), time.monotonic() - started)


def _check(settings: Settings, dataset: Dataset, recipe_name: str) -> None:
    recipe = RECIPES[recipe_name]
    if recipe.labelled == "full" and any(item.masks is None for item in dataset.unlabelled):
        raise fail(
            dataset.root / "unlabelled",
            f"recipe {recipe_name} needs the true masks of all unlabelled images",
            "put them into unlabelled/masks, or choose another recipe",
        )
    least = min(settings.num_base, settings.num_students, settings.num_kept)
    if recipe.teachers and settings.num_members > least:
        raise fail(
            "setting num_members",
            f"{settings.num_members} voting members, but only {least} models to take them from",
            f"use --set num_members={max(2, least)}, or more of num_base, num_students and num_kept",
        )


def _describe(dataset: Dataset) -> dict[str, object]:
    """Everything about the data that a run depends on."""
    return {
        "task": dataset.task,
        "classes": [asdict(each) for each in dataset.classes],
        "encoding": asdict(dataset.encoding),
        "channels": dataset.channels,
        "intensity": dataset.intensity,
        "parts": {
            part: {
                item.name: {
                    "size": [item.height, item.width],
                    "files": {
                        path.relative_to(dataset.root).as_posix(): hash_file(path)
                        for path in (item.image, *(item.masks or ()))
                        if path is not None
                    },
                }
                for item in items
            }
            for part, items in dataset.parts()
        },
    }


def _environment() -> str:
    import json

    packages = ("incmask", "torch", "numpy", "scipy", "opencv-python-headless", "pillow", "tifffile", "safetensors")
    return json.dumps(
        {
            "python": platform.python_version(),
            "platform": platform.platform(),
            "processor": platform.machine(),
            "packages": {name: version(name) for name in packages},
        },
        indent=1,
    )


def _stacks(setup: Setup, store: Store, *, num_threads: int) -> dict[str, Stack]:
    stacks = {}
    for part, items in setup.dataset.parts():
        if not items:
            continue
        folder = store.root / "stacks" / part
        done = folder / "index.csv"
        if store.has(done, folder / "images.npy"):
            stacks[part] = read_stack(folder)
            continue
        stacks[part] = build_stack(
            items,
            setup.dataset,
            size=setup.size,
            fit=setup.settings.fit,
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
    num_workers: int,
    base_from: Path | None,
) -> list[Stage]:
    settings, recipe = setup.settings, setup.recipe
    base_recipe = RECIPES[recipe.teachers] if recipe.teachers else recipe
    base_setup = Setup(setup.dataset, base_recipe, setup.profile, settings, setup.size, setup.stacks, setup.folds)
    num_generations = settings.num_generations if recipe.teachers else 0
    base_jobs = fit_jobs(base_setup, store.root, generation=0, pseudo=None)

    def cost(generation: int) -> float:
        return train_cost(setup.width(generation))

    base_work = sum(job.num_steps for job in base_jobs) * cost(0)
    steps_later = _expected_steps(setup, base_jobs[0].num_steps)
    later_work = sum(
        settings.num_students * steps_later * cost(generation) for generation in range(1, num_generations + 1)
    )
    if not store.has(base_jobs[-1].folder / "model.safetensors"):
        # A validated image costs a third of a trained one.
        num_validated = len(setup.stacks["val"]) if "val" in setup.stacks else len(setup.folds[0].validation or ())
        num_trained = base_jobs[0].num_steps / settings.epochs * settings.batch_size
        seconds = seconds_per_step(base_jobs[0], pool=pool) * (base_work + later_work) / cost(0) / num_workers
        seconds *= 1 + num_validated / num_trained / 3
        progress.say(
            f"{len(base_jobs)} base models"
            + (f", then {num_generations} generations of {settings.num_students} students" if num_generations else "")
            + f": about {_duration(seconds)} on {num_workers} worker{'s' if num_workers > 1 else ''}"
        )
    progress.expect(base_work + later_work)

    if base_from is not None:
        adopt(store, source=base_from, jobs=base_jobs)
    progress.doing(f"training {len(base_jobs)} base models")
    students = train(
        base_setup, base_jobs, store=store, pool=pool, report=lambda steps: progress.advance(steps * cost(0))
    )
    stages = [_stage(setup, 0, students, pool)]
    progress.say(f"base models: {_score_name(setup)} {stages[0].score:.3f} on validation")
    for generation in range(1, num_generations + 1):
        teachers = stages[-1].students[: settings.num_kept][: settings.num_members]
        students = run_generation(setup, teachers, generation, store=store, pool=pool, progress=progress, cost=cost)
        stages.append(_stage(setup, generation, students, pool))
        progress.say(f"generation {generation}: {_score_name(setup)} {stages[-1].score:.3f} on validation")
    return stages


def _stage(setup: Setup, generation: int, students: Sequence[Student], pool: LocalPool) -> Stage:
    settings = setup.settings
    by_loss = settings.select_by == "loss" or (settings.select_by == "auto" and setup.dataset.task == "multilabel")
    ranked = tuple(rank(students, by_loss=by_loss))
    members = ranked[: settings.num_members]
    if len(setup.folds) > 1:
        # Members of other folds have seen these images, so only each one's own fold is honest.
        score = sum(member.score for member in members) / len(members)
    else:
        name = stage_name(generation)
        score = next(pool.run(evaluate_models, [_job(setup, name, "ensemble", "val", members)], ignore))[1].score
    return Stage(stage_name(generation), ranked, members, score)


def _job(setup: Setup, stage: str, model: str, split: str, members: Sequence[Student]) -> EvaluateJob:
    if split == "val":
        images = setup.validation(members[0].fold)
    else:
        images = Validation(setup.stacks[split].images, setup.stacks[split].labels)
    return EvaluateJob(
        stage=stage,
        model=model,
        split=split,
        members=tuple(member.model for member in members),
        images=images,
        task=setup.dataset.task,
        class_names=tuple(each.name for each in setup.dataset.classes),
        position_class=setup.dataset.position_class,
        settings=setup.settings,
    )


def _evaluate(setup: Setup, stages: Sequence[Stage], store: Store, pool: LocalPool) -> list[ScoreRow]:
    """Score every model, once everything is chosen: the only place that reads the test images."""
    path = store.root / SCORES
    if store.has(path):
        return from_csv(path.read_text(encoding="utf-8"))
    jobs = []
    for stage in stages:
        for split in ("val", "test"):
            if split == "test" and "test" not in setup.stacks:
                continue
            jobs += [_job(setup, stage.name, str(each.number), split, [each]) for each in stage.students]
            if split == "test" or len(setup.folds) == 1:
                jobs.append(_job(setup, stage.name, "ensemble", split, stage.members))
    rows = dict(pool.run(evaluate_models, jobs, ignore))
    scores = [rows[job] for job in jobs]
    store.write(path, to_csv(scores))
    return scores


def _hand_over(setup: Setup, store: Store, chosen: Stage) -> Path:
    dataset, folder = setup.dataset, store.root / MODEL
    about = About(
        task=dataset.task,
        classes=dataset.classes,
        channels=dataset.channels,
        intensity=dataset.intensity,
        size=setup.size,
        fit=setup.settings.fit,
        precision=setup.settings.precision,
    )
    paths = save_ensemble(
        folder,
        [member.model for member in chosen.members],
        about,
        scores={"stage": chosen.name, _score_name(setup): chosen.score},
    )
    store.record(*paths)
    return folder


def _write_masks(setup: Setup, store: Store, pool: LocalPool, model: Path) -> None:
    table = store.root / MASK_SHARES
    items = setup.dataset.unlabelled
    if not items or store.has(table):
        return
    files = [ImageFile(item.name, item.image) for item in items]
    jobs = share_jobs(files, model, out=store.root, device=setup.settings.device, num_jobs=4 * pool.num_workers)
    shares = [share for _, done in pool.run(predict_files, jobs, ignore) for share in done.shares]
    store.write(table, shares_csv(shares, [each.name for each in setup.dataset.classes]))


def _expected_steps(setup: Setup, base_steps: int) -> int:
    """Steps of a later student; where an epoch is one pass, if every pseudo-label is used."""
    settings = setup.settings
    if settings.steps_per_epoch:
        return base_steps
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


def _score_name(setup: Setup) -> str:
    return "IoU" if setup.dataset.task == "binary" else "mIoU"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} seconds"
    if seconds < 5400:
        return f"{round(seconds / 60)} minutes"
    return f"{seconds / 3600:.1f} hours"
