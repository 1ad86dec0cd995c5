"""The models of a run: which are to be trained, those that were, and the best of them."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from incmask.batches import Source, TrainingSet, num_outputs
from incmask.config import Settings
from incmask.data.dataset import Dataset
from incmask.data.split import Fold
from incmask.data.stack import Stack
from incmask.errors import fail
from incmask.execute.local import LocalPool
from incmask.files import whole_file
from incmask.fit import CHECKPOINT, HISTORY, MODEL, SCORES, FitJob, fit
from incmask.mixture import Part, mix
from incmask.models import NetworkSpec
from incmask.predict import Validation
from incmask.profiles import Profile
from incmask.recipes import Recipe
from incmask.store import Store

BASE = "base"


@dataclass(frozen=True)
class Setup:
    """What stays the same over a run.

    Attributes:
        dataset, recipe, profile, settings: the choices, resolved.
        size: height and width of the networks' input.
        stacks: by part ("labelled", "unlabelled", "val", "test"), those that have images.
        folds: what trains and what chooses; student i takes fold i modulo their number.
    """

    dataset: Dataset
    recipe: Recipe
    profile: Profile
    settings: Settings
    size: tuple[int, int]
    stacks: dict[str, Stack]
    folds: tuple[Fold, ...]

    def validation(self, fold: int) -> Validation:
        """The images that choose, for a student of ``fold``."""
        rows = self.folds[fold].validation
        stack = self.stacks["val" if rows is None else "labelled"]
        return Validation(stack.images, stack.labels, rows)

    def network(self, generation: int) -> NetworkSpec:
        """The networks of ``generation``."""
        return NetworkSpec(
            in_channels=self.dataset.channels,
            out_channels=num_outputs(self.dataset.task, len(self.dataset.classes)),
            width=width_of(self.recipe, self.settings, generation),
            batch_norm_momentum=self.settings.batch_norm_momentum,
        )


@dataclass(frozen=True)
class Student:
    """A trained model and what it reached on its validation images.

    Attributes:
        folder: holds its files.
        number: from 1.
        fold: of the labelled images, counted from 0.
        epoch: that was kept, from 1.
        loss, score: on validation.
        num_steps: that it was trained for.
    """

    folder: Path
    number: int
    fold: int
    epoch: int
    loss: float
    score: float
    num_steps: int

    @property
    def model(self) -> Path:
        """Its weights."""
        return self.folder / MODEL


def width_of(recipe: Recipe, settings: Settings, generation: int) -> float:
    """Width factor of a generation's networks; 0 is the base (paper section 2.6.1)."""
    grows = recipe.width == "growing" and generation > 0
    return settings.width + settings.width_step * (generation - 1 if grows else 0)


def stage_name(generation: int) -> str:
    """The folder of a generation; 0 is the base."""
    return f"gen-{generation}" if generation else BASE


def seed_for(seed: int, generation: int, student: int) -> int:
    """A seed of its own for each student: the same run seed gives the same, on any machine."""
    return int(np.random.SeedSequence([seed, generation, student]).generate_state(1)[0])


def rank(students: Sequence[Student], *, by_loss: bool, earlier: Sequence[Student] = ()) -> list[Student]:
    """Order students by validation, best first.

    Folds differ in difficulty, so each student is compared with the mean of its own fold's.

    Args:
        students: of one stage.
        by_loss: by validation loss, else by score.
        earlier: students of the stages before; they tell how difficult a fold is where a stage has but one of it.
    """

    def merit(student: Student) -> float:
        return -student.loss if by_loss else student.score

    means = {
        fold: float(np.mean([merit(each) for each in (*earlier, *students) if each.fold == fold]))
        for fold in {student.fold for student in students}
    }
    return sorted(students, key=lambda student: (means[student.fold] - merit(student), student.number))


def mean_over_folds(students: Sequence[Student]) -> float:
    """Mean validation score, each fold counting alike however many students it has."""
    folds = {student.fold for student in students}
    return float(np.mean([np.mean([each.score for each in students if each.fold == fold]) for fold in folds]))


def fit_jobs(setup: Setup, folder: Path, *, generation: int, pseudo: Part | None) -> list[FitJob]:
    """The students of a generation, ready to train."""
    settings = setup.settings
    labelled = setup.stacks["labelled"]
    jobs = []
    mixed: dict[int, TrainingSet] = {}
    for index in range(settings.num_students if generation else settings.num_base):
        number_of_fold = index % len(setup.folds)
        if number_of_fold not in mixed:
            parts = [Part(Source(labelled.images, labelled.labels), setup.folds[number_of_fold].training)]
            if setup.recipe.labelled == "full":
                others = setup.stacks["unlabelled"]
                parts.append(Part(Source(others.images, others.labels), range(len(others))))
            mixed[number_of_fold] = mix(
                setup.recipe,
                labelled=parts,
                pseudo=pseudo,
                generation=generation,
                profile=setup.profile,
                settings=settings,
                task=setup.dataset.task,
            )
        jobs.append(
            FitJob(
                folder=folder / stage_name(generation) / "students" / str(index + 1),
                network=setup.network(generation),
                training=mixed[number_of_fold],
                validation=setup.validation(number_of_fold),
                num_classes=len(setup.dataset.classes),
                settings=settings,
                seed=seed_for(settings.seed, generation, index),
            )
        )
    return jobs


def train(
    setup: Setup, jobs: Sequence[FitJob], *, store: Store, pool: LocalPool, report: Callable[[float], None]
) -> list[Student]:
    """Train the students that are not trained yet and return all of them."""
    to_do = []
    for job in jobs:
        if store.has(*_files(job.folder)):
            report(job.num_steps)
        else:
            to_do.append(job)
    for job, _ in pool.run(fit, to_do, report):
        store.record(*_files(job.folder))
    students = []
    for index, job in enumerate(jobs):
        (job.folder / CHECKPOINT).unlink(missing_ok=True)
        reached = json.loads((job.folder / SCORES).read_text(encoding="utf-8"))
        students.append(
            Student(
                folder=job.folder,
                number=index + 1,
                fold=index % len(setup.folds),
                epoch=reached["epoch"],
                loss=reached["validation_loss"],
                score=reached["validation_score"],
                num_steps=reached["steps"],
            )
        )
    return students


def adopt(store: Store, *, source: Path, jobs: Sequence[FitJob]) -> None:
    """Copy students that another run of the same data and settings has trained, instead of training them."""
    for job in jobs:
        if store.has(*_files(job.folder)):
            continue
        theirs = source / BASE / "students" / job.folder.name
        for path in _files(job.folder):
            if not (theirs / path.name).exists():
                raise fail(theirs, "has no trained student", "finish that run first")
            with whole_file(path) as temporary:
                shutil.copyfile(theirs / path.name, temporary)
        store.record(*_files(job.folder))


def _files(folder: Path) -> tuple[Path, Path, Path]:
    return folder / MODEL, folder / HISTORY, folder / SCORES
