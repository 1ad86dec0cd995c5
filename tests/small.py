"""Small stacks and jobs for the tests of training: a few images of blocks, networks of a few filters."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from incmask.base.config import Settings, Task
from incmask.base.presets import PRESETS
from incmask.base.progress import Report
from incmask.base.tables import csv_text
from incmask.data.dataset import ClassInfo, Dataset, LabelStatistics, MaskEncoding
from incmask.data.split import Fold
from incmask.data.stack import Stack
from incmask.experiment.jobs import fit_jobs, mix_folds
from incmask.experiment.setup import Setup
from incmask.experiment.student import Student
from incmask.method.labels import labels_of
from incmask.method.mixture import PLAIN, ROW, TrainingPart, TrainingSet, TrainingStacks
from incmask.method.profiles import PROFILES
from incmask.method.recipes import RECIPES
from incmask.method.scoring import Scoring
from incmask.nets.spec import NetworkSpec, load_model, save_model
from incmask.training.files import HISTORY, MODEL, SCORES
from incmask.training.jobs import FitJob, Lesson
from incmask.training.online import OnlineLessons, TaughtLessons
from incmask.training.schedule import Schedule
from incmask.training.segmentation import Segmentation
from incmask.training.validation import Validation

# As in the workers; and idle threads do not spin beside other tests.
torch.set_num_threads(1)

TASKS: tuple[Task, ...] = ("binary", "multilabel", "multiclass")
NUM_CLASSES = {"binary": 1, "multilabel": 2, "multiclass": 3}


def blocks(num: int, *, seed: int = 0, side: int = 32, channels: int = 1) -> np.ndarray:
    """Give images of 8×8 blocks of random grey, (N, side, side, C) uint8, none of it 0."""
    grey = np.random.default_rng(seed).integers(1, 256, (num, side // 8, side // 8, channels), dtype=np.uint8)
    return grey.repeat(8, 1).repeat(8, 2)


def truth(images: np.ndarray, task: Task) -> np.ndarray:
    """Give labels that follow from the brightness of the first channel."""
    grey = images[..., 0]
    if task == "multilabel":
        return np.stack([grey > 80, grey > 160], -1).astype(np.uint8)
    return (grey > 80).astype(np.uint8) + (grey > 160) if task == "multiclass" else (grey > 128).astype(np.uint8)


def save_source(
    folder: Path, images: np.ndarray, labels: np.ndarray, inconsistent: np.ndarray | None = None, *, name: str = "set"
) -> TrainingStacks:
    """Write stacks."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for part, values in (("images", images), ("labels", labels), ("inconsistent", inconsistent)):
        if values is not None:
            paths[part] = folder / f"{name}-{part}.npy"
            np.save(paths[part], values)
    return TrainingStacks(**paths)


def student_jobs(
    setup: Setup,
    folder: Path,
    *,
    generation: int = 0,
    pseudo: TrainingPart | None = None,
    teachers: Sequence[Student] = (),
) -> list[FitJob]:
    """Give the students of a generation, ready to train."""
    return fit_jobs(setup, generation, mix_folds(setup, generation, pseudo), folder=folder, teachers=teachers)


def rows_of(num: int, *, strength: int = PLAIN) -> np.ndarray:
    """Give a row for each image of the first source, all with their own seeds."""
    rows = np.zeros(num, ROW)
    rows["index"], rows["strength"], rows["seed"] = np.arange(num), strength, np.arange(num) + 100
    return rows


def some_settings(preset: str = "default", **values: object) -> Settings:
    """Give the settings of a preset with little to do; of the default one without what recipes get beside."""
    few = {"epochs": 3, "batch_size": 2, "steps_per_epoch": 2, "device": "cpu", "width": 0.125, "validation_share": 1.0}
    return Settings.model_validate(few | (PRESETS[preset] if preset != "default" else {}) | {"batch_size": 2} | values)


def some_job(
    folder: Path,
    *,
    task: Task = "binary",
    settings: Settings | None = None,
    labels: np.ndarray | None = None,
    num: int = 4,
    seed: int = 7,
    side: int = 32,
) -> FitJob:
    """Give a student to train on four images and to score on three; ``labels`` replace the true ones."""
    settings = settings or some_settings()
    images, others = blocks(num, side=side), blocks(3, seed=1, side=side)
    source = save_source(folder / "data", images, truth(images, task) if labels is None else labels)
    val = save_source(folder / "data", others, truth(others, task), name="val")
    return FitJob(
        folder=folder / "student",
        network=NetworkSpec(1, labels_of(task).num_outputs(NUM_CLASSES[task]), settings.width),
        objective=Segmentation(
            TrainingSet((source,), (), rows_of(num), task),
            Validation(val.images, val.labels),
            NUM_CLASSES[task],
            Scoring(task),
        ),
        settings=settings,
        seed=seed,
    )


WITH_VAL = (Fold((0, 1, 2, 3), None),)
"""Four labelled images train, others choose."""


def some_setup(
    folder: Path, *, recipe: str = "im", task: Task = "binary", folds: tuple[Fold, ...] = WITH_VAL, **settings: object
) -> Setup:
    """Give a run of four labelled images, five unlabelled ones and two for validation, of three and two students."""
    stacks = {}
    for seed, (part, num) in enumerate((("labelled", 4), ("unlabelled", 5), ("val", 2))):
        stack = Stack(folder / "stacks" / part, tuple(f"{part} {index}" for index in range(num)))
        stack.folder.mkdir(parents=True)
        images = blocks(num, seed=seed)
        np.save(stack.images, images)
        np.save(stack.labels, truth(images, task))
        stacks[part] = stack
    dataset = Dataset(
        root=folder,
        task=task,
        classes=tuple(ClassInfo(str(index), (0, 0, 0), index) for index in range(NUM_CLASSES[task])),
        encoding=MaskEncoding("grey"),
        channels=1,
        labelled=(),
        unlabelled=(),
        val=(),
        test=(),
        notes=(),
        statistics=LabelStatistics((), 0, 0, 0),
    )
    few = {"epochs": 1, "steps_per_epoch": 1, "num_base": 3, "num_students": 2, "width_step": 0.0625}
    values = some_settings(**(few | settings))
    return Setup(dataset, RECIPES[recipe], PROFILES["generic"], values, (32, 32), stacks, folds)


def student_of_pairs(folder: Path, *, recipe: str = "im", task: Task = "binary", **settings: object) -> FitJob:
    """Give a student of four labelled images and five pseudo-labelled ones.

    A fifth of the pairs is disputed, the last two are the most certain; a tenth of the true labels is 255.
    """
    setup = some_setup(folder, recipe=recipe, task=task, **settings)
    labelled, unlabelled, generator = setup.stacks["labelled"], setup.stacks["unlabelled"], np.random.default_rng(5)
    labels = np.load(labelled.labels)
    labels[generator.random(labels.shape) < 0.1] = 255
    np.save(labelled.labels, labels)
    images = np.load(unlabelled.images)
    source = save_source(folder, images, truth(images, task), generator.random(images.shape[:3]) < 0.2, name="pairs")
    pseudo = TrainingPart(replace(source, images=unlabelled.images), range(len(images)), certain=(3, 4))
    return student_jobs(setup, folder, generation=1, pseudo=pseudo)[0]


def fit_nothing(job: FitJob, report: Report) -> None:
    """Leave what ``fit`` leaves, of a network as it began; for tests of what is trained, not of what comes of it."""
    network = load_model(job.start) if job.start else job.network.build(seed=job.seed).eval()
    lessons = job.objective.open(job.settings, seed=job.seed)
    with torch.inference_mode():
        # What a training reads is read.
        lesson: Lesson = lessons
        if isinstance(lessons, OnlineLessons):
            lesson = TaughtLessons(lessons, lessons.ask([network] * (lessons.place + 1), 0))
        for phase in range(len(lessons.phases)):
            lesson.loss(network, phase=phase, step=0)
        scored = lessons.validate(network)
    save_model(job.folder / MODEL, network.state_dict(), job.network)
    schedule = Schedule.of(lessons, job.settings)
    reached = {"epoch": 1, "validation_loss": scored.loss, "validation_score": scored.score}
    row = reached | {"step": schedule.num_steps, "training_loss": scored.loss, "seconds": 0.0}
    (job.folder / HISTORY).write_text(csv_text(list(row), [list(row.values())]))
    (job.folder / SCORES).write_text(json.dumps(reached | {"steps": schedule.num_steps, "images": schedule.num_images}))
    report(schedule.num_steps)


def fit_nothing_together(jobs: Sequence[FitJob], report: Report) -> None:
    """Do as much for the students of a team."""
    for job in jobs:
        fit_nothing(job, report)


class Stopped(Exception):
    pass


def stop_after(num_steps):
    """A report that interrupts the training once so many steps were done."""
    done = 0

    def report(amount):
        nonlocal done
        done += amount
        if done >= num_steps:
            raise Stopped

    return report
