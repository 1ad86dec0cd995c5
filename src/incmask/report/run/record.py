"""A finished run folder as records: what was chosen, trained and found; reads text files alone."""

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from incmask.config import Settings, Task, validated
from incmask.ensemble import ABOUT
from incmask.errors import fail
from incmask.evaluation import ScoreRow, from_csv
from incmask.fit import HISTORY
from incmask.models import load_tensors
from incmask.outputs import MASK_SHARES
from incmask.recipes import RECIPES, Recipe
from incmask.results import MODEL, SCORES
from incmask.rounds import ENVIRONMENT
from incmask.store import RUN, read_records
from incmask.students import BASE, Student, folds_of, mean_over_folds, read_student

ENSEMBLE = "ensemble"
"""What ``scores.csv`` calls the members together."""


@dataclass(frozen=True)
class HistoryRow:
    """One validation of a student.

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
        width: width factor of the networks.
    """

    name: str
    students: tuple[Student, ...]
    histories: tuple[tuple[HistoryRow, ...], ...]
    num_members: int
    width: float

    @property
    def title(self) -> str:
        """The stage as people call it."""
        return "base models" if self.name == BASE else f"generation {self.generation}"

    @property
    def generation(self) -> int:
        """0 for the base models."""
        return 0 if self.name == BASE else int(self.name.removeprefix("gen-"))

    @property
    def members(self) -> tuple[Student, ...]:
        """Those that predict together."""
        return self.students[: self.num_members]

    @property
    def num_steps(self) -> tuple[int, ...]:
        """The different numbers of steps that the students took, ascending."""
        return tuple(sorted({student.num_steps for student in self.students}))

    @property
    def seconds(self) -> float:
        """Of all trainings of the stage, one after the other."""
        return sum(row.seconds for history in self.histories for row in history)


@dataclass(frozen=True)
class ShareRow:
    """An image of ``masks.csv``: its disputed share, and the share of each class, 0 to 1."""

    name: str
    inconsistent_fraction: float
    class_fractions: tuple[float, ...]


@dataclass(frozen=True)
class RunRecord:
    """What a finished run says of itself.

    Attributes:
        root: the run folder.
        names: of recipe, preset, effort and profile, by these words.
        settings: resolved.
        size: height and width of the networks' input.
        data: content of ``data.json``.
        environment: content of ``environment.json``; empty where it lacks.
        stages: base and generations, in order.
        delivered: name of the stage whose models were handed over; None: a run of a comparison hands over none.
        scores: of every model.
        shares: of every unlabelled image, the most disputed first.
        folds: parts that the labelled images were divided into for validation; 1 where validation is common to all.
    """

    root: Path
    names: dict[str, str]
    settings: Settings
    size: tuple[int, int]
    data: dict[str, Any]
    environment: dict[str, Any]
    stages: tuple[StageRecord, ...]
    delivered: str | None
    scores: tuple[ScoreRow, ...]
    shares: tuple[ShareRow, ...]
    folds: int

    @property
    def task(self) -> Task:
        """What the labels mean."""
        task: Task = self.data["task"]
        return task

    @property
    def class_names(self) -> tuple[str, ...]:
        """In the order of the classes."""
        return tuple(each["name"] for each in self.data["classes"])

    @property
    def recipe(self) -> Recipe | None:
        """What the recipe's name stands for; None for one of someone's own that is not known here."""
        return RECIPES.get(self.names["recipe"])

    @property
    def base(self) -> StageRecord:
        """The models without unlabelled images."""
        return self.stages[0]

    @property
    def score_name(self) -> str:
        """Of the main score."""
        return "IoU" if self.task == "binary" else "mIoU"

    @property
    def chosen(self) -> str:
        """Name of the stage whose models were handed over, or would be: the best by validation."""
        return self.delivered or max(self.stages, key=self.stage_score).name

    @property
    def handed_over(self) -> StageRecord:
        """The stage whose models were handed over, or would be."""
        return next(stage for stage in self.stages if stage.name == self.chosen)

    def part(self, name: str) -> Mapping[str, Any]:
        """The images of "labelled", "unlabelled", "val" or "test" by name, with their sizes and files."""
        items: Mapping[str, Any] = self.data["parts"].get(name, {})
        return items

    def stage_score(self, stage: StageRecord) -> float:
        """The validation score by which stages were compared."""
        scored = self.score_of(stage.name, ENSEMBLE, "val")
        return mean_over_folds(stage.students) if scored is None else scored.score

    def score_of(self, stage: str, model: str, split: str) -> ScoreRow | None:
        """The scores of a student or of the members together, where they were taken."""
        key = (stage, model, split)
        return next((row for row in self.scores if (row.stage, row.model, row.split) == key), None)


def read_run(root: Path) -> RunRecord:
    """Read a finished run folder.

    Raises:
        IncmaskError: it is none, the run has not ended, or a file is damaged.
    """
    if not (root / RUN).exists():
        if (root / "runs").is_dir():
            raise fail(root, "holds a comparison; its page is compare.html", "name one of the folders in its runs/")
        raise fail(root, "is no run folder", "name the folder that `incmask run` wrote")
    if not (root / SCORES).exists():
        raise fail(root, "holds no finished run", "let the same `incmask run` go on to its end first")
    records = read_records(root)
    try:
        run, data = dict(records.run), records.data
        settings = validated(Settings, run.pop("settings"), where=str(root / RUN))
        size = tuple(run.pop("size"))
        scores = from_csv((root / SCORES).read_text(encoding="utf-8"))
        folds = _num_folds(data, settings)
        names = list(dict.fromkeys(row.stage for row in scores))
        environment = root / ENVIRONMENT
        model = root / MODEL / ABOUT
        return RunRecord(
            root=root,
            names={name: str(value) for name, value in run.items()},
            settings=settings,
            size=size,
            data=data,
            environment=json.loads(environment.read_text(encoding="utf-8")) if environment.exists() else {},
            stages=tuple(_stage(root, name, scores, settings, folds=folds) for name in names),
            delivered=json.loads(model.read_text(encoding="utf-8"))["validation"]["stage"] if model.exists() else None,
            scores=tuple(scores),
            shares=tuple(_shares(root / MASK_SHARES)),
            folds=folds,
        )
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise fail(root, f"a file of the run cannot be read ({error!r})", "restore it, or run again") from error


def read_table(path: Path) -> list[dict[str, str]]:
    """Read a CSV file; an absent one has no lines.

    Raises:
        IncmaskError: it is no such file.
    """
    try:
        with open(path, newline="", encoding="utf-8") as handle:
            return list(csv.DictReader(handle))
    except FileNotFoundError:
        return []
    except (OSError, ValueError, csv.Error) as error:
        raise fail(path, f"is no readable table ({error})", "restore it, or remove it") from error


def _num_folds(data: Mapping[str, Any], settings: Settings) -> int:
    # As many as the run made: that depends on the images' names, and not on tiles.
    names = tuple(data["parts"]["labelled"])
    return len(folds_of(names, has_val=bool(data["parts"].get("val")), settings=settings))


def _stage(root: Path, name: str, scores: list[ScoreRow], settings: Settings, *, folds: int) -> StageRecord:
    # The run wrote the students of a stage down best first.
    numbers = dict.fromkeys(int(row.model) for row in scores if row.stage == name and row.model != ENSEMBLE)
    students = tuple(
        read_student(root / name / "students" / str(number), number=number, num_folds=folds) for number in numbers
    )
    _, about = load_tensors(students[0].model)
    return StageRecord(
        name=name,
        students=students,
        histories=tuple(_history(student.folder / HISTORY) for student in students),
        num_members=settings.num_members,
        width=float(about["network"]["width"]),
    )


def _history(path: Path) -> tuple[HistoryRow, ...]:
    return tuple(
        HistoryRow(
            step=int(row["step"]),
            training_loss=float(row["training_loss"]),
            validation_loss=float(row["validation_loss"]),
            validation_score=float(row["validation_score"]),
            seconds=float(row["seconds"]),
        )
        for row in read_table(path)
    )


def _shares(path: Path) -> list[ShareRow]:
    rows = [
        ShareRow(
            name=line["name"],
            inconsistent_fraction=float(line["inconsistent_fraction"]),
            class_fractions=tuple(float(value) for key, value in line.items() if key.startswith("fraction/")),
        )
        for line in read_table(path)
    ]
    return sorted(rows, key=lambda row: (-row.inconsistent_fraction, row.name))
