"""The models of a run: which are to be trained, those that were, and the best of them."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from incmask.batches import Source, TrainingSet, num_outputs
from incmask.config import Settings, resolve_settings
from incmask.data.dataset import Dataset
from incmask.data.split import Fold, make_folds
from incmask.data.stack import Stack
from incmask.device import resolve_device
from incmask.execute.group import fit_students, group_jobs
from incmask.execute.local import LocalPool
from incmask.fit import CHECKPOINT, HISTORY, MODEL, SCORES, FitJob, fit
from incmask.mixture import Part, mix
from incmask.models import NetworkSpec
from incmask.objectives import Segmentation, Unlabelled
from incmask.predict import Validation
from incmask.profiles import Profile
from incmask.recipes import BestCandidate, Recipe
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

    def views(self) -> Unlabelled | None:
        """Where students learn to be consistent: on what."""
        if self.recipe.objective != "consistency":
            return None
        strength = self.profile.consistency[self.settings.consistency_strength]
        return Unlabelled(self.stacks["unlabelled"].images, strength)

    def network(self, generation: int, *, momentum: float | None = None) -> NetworkSpec:
        """The networks of ``generation``; ``momentum`` of the batch norm, where it is not the settings'."""
        return NetworkSpec(
            in_channels=self.dataset.channels,
            out_channels=num_outputs(self.dataset.task, len(self.dataset.classes)),
            width=width_of(self.recipe, self.settings, generation),
            batch_norm_momentum=self.settings.batch_norm_momentum if momentum is None else momentum,
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
        num_images: that it was shown in these steps.
    """

    folder: Path
    number: int
    fold: int
    epoch: int
    loss: float
    score: float
    num_steps: int
    num_images: int

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


def folds_of(names: Sequence[str], *, has_val: bool, settings: Settings) -> tuple[Fold, ...]:
    """Divide labelled images into folds, the same for every recipe, so that base models can be shared.

    Args:
        names: of the images, or of the images that tiles were cut from.
        has_val: whether there is a part of its own that chooses.
        settings: seed, and numbers of models: there are no more folds than the smallest stage has models.
    """
    num_models = min(settings.num_base, settings.num_students)
    return make_folds(names, has_val=has_val, seed=settings.seed, num_models=num_models)


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


def training_settings(recipe: Recipe, settings: Settings, *, num_pairs: int, num_full: int) -> Settings:
    """The settings of a student, where its approach asks for others than the run's.

    Args:
        recipe: the approach.
        settings: of the run.
        num_pairs: images that it learns from.
        num_full: images that it would learn from if all had true masks.
    """
    one_pass = settings.steps_per_epoch == 0
    full_steps = max(1, num_full // settings.batch_size)
    changes: dict[str, object] = {}
    if recipe.labelled == "strong":
        modern = resolve_settings()
        changes |= {name: getattr(modern, name) for name in _HOW_TO_TRAIN}
        changes |= {"steps_per_epoch": full_steps} if one_pass else {}
    if recipe.objective == "consistency":
        # The paper trains twice as long, and by the loss (section 2.4.3).
        changes |= {"select_by": "loss"} | ({"epochs": 2 * settings.epochs} if one_pass else {})
    if isinstance(recipe.labeller, BestCandidate) and one_pass:
        least = max(1, int(full_steps * recipe.labeller.least_steps))
        changes |= {"steps_per_epoch": least} if num_pairs // settings.batch_size < least else {}
    return settings.model_copy(update=changes)


_HOW_TO_TRAIN = ("schedule", "warmup_fraction", "batch_norm_momentum", "average_decay", "loss", "redraw", "select_by")
"""What the strong baseline takes from the default preset."""


def fit_jobs(
    setup: Setup, folder: Path, *, generation: int, pseudo: Part | None, starts: Sequence[Student] = ()
) -> list[FitJob]:
    """The students of a generation, ready to train.

    Args:
        setup: of the run.
        folder: that a folder for each student is made in.
        generation: 0 for base models.
        pseudo: pairs beside the labelled part.
        starts: trained models, best first; each student begins with the weights of the best of its own fold.
            None: with new ones.
    """
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
        training = mixed[number_of_fold]
        used = training_settings(
            setup.recipe,
            settings,
            num_pairs=len(training.rows),
            num_full=len(setup.folds[number_of_fold].training) + len(setup.stacks.get("unlabelled", ())),
        )
        jobs.append(
            FitJob(
                folder=folder / "students" / str(index + 1),
                network=setup.network(generation, momentum=used.batch_norm_momentum),
                objective=Segmentation(
                    training, setup.validation(number_of_fold), len(setup.dataset.classes), setup.views()
                ),
                settings=used,
                seed=seed_for(settings.seed, generation, index),
                start=next((each.model for each in starts if each.fold == number_of_fold), None),
            )
        )
    return jobs


def train(
    jobs: Sequence[FitJob], *, num_folds: int, store: Store, pool: LocalPool, report: Callable[[float], None]
) -> list[Student]:
    """Train the networks that are not trained yet and return all; number i is of fold i modulo ``num_folds``."""
    to_do = []
    for job in jobs:
        if store.has(*_files(job.folder)):
            report(job.num_steps)
        else:
            to_do.append(job)
    for job in _trained(to_do, pool, report):
        store.record(*_files(job.folder))
    students = []
    for index, job in enumerate(jobs):
        (job.folder / CHECKPOINT).unlink(missing_ok=True)
        students.append(read_student(job.folder, number=index + 1, num_folds=num_folds))
    return students


def read_student(folder: Path, *, number: int, num_folds: int) -> Student:
    """Read what ``fit`` wrote of a student.

    Args:
        folder: holds its files.
        number: of the student, from 1; it is of fold ``number - 1`` modulo ``num_folds``.
        num_folds: of the labelled images.

    Raises:
        OSError, ValueError, KeyError: there is no such file, or it is damaged.
    """
    reached = json.loads((folder / SCORES).read_text(encoding="utf-8"))
    return Student(
        folder=folder,
        number=number,
        fold=(number - 1) % num_folds,
        epoch=reached["epoch"],
        loss=reached["validation_loss"],
        score=reached["validation_score"],
        num_steps=reached["steps"],
        num_images=reached["images"],
    )


def _trained(jobs: Sequence[FitJob], pool: LocalPool, report: Callable[[float], None]) -> Iterator[FitJob]:
    """Train; yield each job when it is done."""
    if jobs and resolve_device(jobs[0].settings.device).type != "cpu":
        for group, _ in pool.run(fit_students, group_jobs(jobs), report):
            yield from group
    else:
        # Small networks train best one a core.
        yield from (job for job, _ in pool.run(fit, jobs, report))


def adopt(store: Store, *, source: Path, jobs: Sequence[FitJob]) -> None:
    """Take students that another run of the same data and settings has trained, instead of training them."""
    for job in jobs:
        theirs = source / BASE / "students" / job.folder.name
        store.adopt({theirs / path.name: path for path in _files(job.folder)})


def _files(folder: Path) -> tuple[Path, Path, Path]:
    return folder / MODEL, folder / HISTORY, folder / SCORES
