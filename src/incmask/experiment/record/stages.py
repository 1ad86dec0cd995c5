"""The stages of a finished run: what its students learnt and reached, and the EvalNets that rate."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from incmask.base.errors import fail
from incmask.base.intact import intact, read_json
from incmask.base.tables import parse_rows
from incmask.experiment.paths import EVALNETS_REPORT, student_folder
from incmask.experiment.scores import ScoreRow
from incmask.experiment.setup import BASE, CONTROL
from incmask.experiment.student import Student, rank, read_student, total_steps
from incmask.nets.spec import NetworkSpec, read_spec
from incmask.training.files import HISTORY
from incmask.training.files import SCORES as STUDENT_SCORES

_TITLES = {BASE: "base models", CONTROL: "base models trained on"}

ENSEMBLE = "ensemble"
"""What ``scores.csv`` calls the members together."""


@dataclass(frozen=True)
class HistoryRow:
    """One validation of a student: a line of its ``history.csv``.

    Attributes:
        step: of the training, from 1.
        training_loss: mean since the validation before.
        validation_loss, validation_score: of the averaged weights.
        seconds: since the validation before.
    """

    step: int
    training_loss: float
    validation_loss: float
    validation_score: float
    seconds: float


@dataclass(frozen=True)
class StageRecord:
    """Models that were trained together.

    Attributes:
        name: "base", "gen-1" and so on; the folder.
        students: best first; their ``fold`` is 0 where validation is common to all.
        histories: of each student.
        num_members: the first so many students predict together.
        width: width factor of the networks; None: they stand on an encoder, which has none.
    """

    name: str
    students: tuple[Student, ...]
    histories: tuple[tuple[HistoryRow, ...], ...]
    num_members: int
    width: float | None

    @property
    def title(self) -> str:
        """The stage as people call it."""
        return _TITLES.get(self.name) or f"generation {self.generation}"

    @property
    def generation(self) -> int:
        """0 for models without unlabelled images."""
        return 0 if self.name in _TITLES else int(self.name.removeprefix("gen-"))

    @property
    def members(self) -> tuple[Student, ...]:
        """Those that predict together."""
        return self.students[: self.num_members]

    @property
    def num_steps(self) -> tuple[int, ...]:
        """The different numbers of steps that the students took, ascending."""
        return tuple(sorted({student.num_steps for student in self.students}))

    @property
    def num_inherited(self) -> tuple[int, ...]:
        """The different numbers of steps in the weights that the students began with, ascending; (0,): new weights."""
        return tuple(sorted({student.num_inherited for student in self.students}))

    @property
    def total_steps(self) -> int:
        """The most steps behind one of its models, with those in the weights that it began with."""
        return total_steps(self.students)

    @property
    def seconds(self) -> float:
        """Of all trainings of the stage, one after the other."""
        return sum(row.seconds for history in self.histories for row in history)


def read_stage(root: Path, name: str, scores: Sequence[ScoreRow], *, num_members: int, num_folds: int) -> StageRecord:
    """Read the students of a stage, and how they were trained.

    Args:
        root: the run folder.
        name: of the stage.
        scores: of the run.
        num_members: students that predict together.
        num_folds: of the labelled images.

    Raises:
        OSError, ValueError, KeyError: a file is missing or damaged.
    """
    # The run wrote the students of a stage down best first.
    numbers = dict.fromkeys(int(row.model) for row in scores if row.stage == name and row.model != ENSEMBLE)
    students = tuple(
        read_student(student_folder(root / name, number), number=number, num_folds=num_folds) for number in numbers
    )
    spec = read_spec(students[0].model)
    return StageRecord(
        name=name,
        students=students,
        histories=tuple(read_history(student.folder) for student in students),
        num_members=num_members,
        width=spec.width if isinstance(spec, NetworkSpec) else None,
    )


def read_history(folder: Path) -> tuple[HistoryRow, ...]:
    """Read the validations of a student, oldest first; none where they are gone.

    Raises:
        OSError, ValueError: the table is damaged.
    """
    path = intact(folder / HISTORY)
    return tuple(parse_rows(path.read_text(encoding="utf-8"), HistoryRow)) if path.exists() else ()


def judges_useful(folder: Path) -> bool | None:
    """Tell whether the EvalNets in a folder know more than the mean; None: there are none."""
    report = read_json(folder / EVALNETS_REPORT)
    return None if report is None else bool(report["mae"] < report["mean_mae"])


def read_judges(folder: Path, *, num_evalnets: int, num_judges: int, num_folds: int) -> tuple[Path, ...]:
    """Give the models of the EvalNets that rate together, best first.

    Args:
        folder: of the EvalNets.
        num_evalnets: that were trained.
        num_judges: that rate.
        num_folds: of the labelled images.

    Raises:
        IncmaskError: what one reached is gone.
    """
    students = []
    for number in range(1, num_evalnets + 1):
        one = student_folder(folder, number)
        try:
            students.append(read_student(one, number=number, num_folds=min(num_folds, num_evalnets)))
        except OSError as error:
            raise fail(one / STUDENT_SCORES, f"cannot be read ({error.strerror})", "restore the run folder") from error
    return tuple(each.model for each in rank(students)[:num_judges])
