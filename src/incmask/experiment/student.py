"""A trained model as a value, and the order of several."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from incmask.base.intact import intact
from incmask.training.files import MODEL, SCORES


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
        num_inherited: steps in the weights that it began with, of a teacher or of an earlier round, as far as known.
    """

    folder: Path
    number: int
    fold: int
    epoch: int
    loss: float
    score: float
    num_steps: int
    num_images: int
    num_inherited: int = 0

    @property
    def model(self) -> Path:
        """Its weights."""
        return self.folder / MODEL


def rank(students: Sequence[Student], *, earlier: Sequence[Student] = ()) -> list[Student]:
    """Order students by their validation score, best first, whatever chose their epochs.

    Folds differ in difficulty, so each student is compared with the mean of its own fold's.

    Args:
        students: of one stage.
        earlier: students of the stages before; they tell how difficult a fold is where a stage has but one of it.
    """
    means = {
        fold: float(np.mean([each.score for each in (*earlier, *students) if each.fold == fold]))
        for fold in {student.fold for student in students}
    }
    return sorted(students, key=lambda student: (means[student.fold] - student.score, student.number))


def mean_over_folds(students: Sequence[Student]) -> float:
    """Mean validation score, each fold counting alike however many students it has."""
    folds = {student.fold for student in students}
    return float(np.mean([np.mean([each.score for each in students if each.fold == fold]) for fold in folds]))


def total_steps(students: Sequence[Student]) -> int:
    """Give the most steps behind one of several models, with those in the weights that it began with."""
    return max(student.num_steps + student.num_inherited for student in students)


def read_student(folder: Path, *, number: int, num_folds: int) -> Student:
    """Read what ``fit`` wrote of a student.

    Args:
        folder: holds its files.
        number: of the student, from 1; it is of fold ``number - 1`` modulo ``num_folds``.
        num_folds: of the labelled images.

    Raises:
        OSError, ValueError, KeyError: there is no such file, or it is damaged.
    """
    reached = json.loads(intact(folder / SCORES).read_text(encoding="utf-8"))
    return Student(
        folder=folder,
        number=number,
        fold=(number - 1) % num_folds,
        epoch=reached["epoch"],
        loss=reached["validation_loss"],
        score=reached["validation_score"],
        num_steps=reached["steps"],
        num_images=reached["images"],
        num_inherited=reached.get("inherited_steps", 0),
    )
