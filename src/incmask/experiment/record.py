"""A finished run folder as records: what was chosen, trained and found; reads text files alone."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from incmask.base.config import Settings, Task, validated
from incmask.base.errors import fail
from incmask.base.store import RUN, Records, read_records
from incmask.data.dataset import ClassInfo, Colour, Scheme
from incmask.data.images.decode import decode, read_bytes
from incmask.data.images.masks import grey_values
from incmask.data.images.tiles import Window, windows
from incmask.data.images.writers import path_inside
from incmask.data.rounds import ENVIRONMENT
from incmask.data.split import Fold
from incmask.data.stack import read_stack
from incmask.experiment.paths import EVALNETS, EVALNETS_REPORT, IMAGE_SCORES, MODEL, SCORES
from incmask.experiment.scores import ScoreRow, from_csv, image_scores_from_csv
from incmask.experiment.setup import BASE, folds_of
from incmask.experiment.student import Student, mean_over_folds, rank, read_student
from incmask.method.recipes import RECIPES, Recipe
from incmask.nets.spec import load_tensors
from incmask.prediction.ensemble import ABOUT, About, Ensemble
from incmask.prediction.layers import DISAGREEMENT, INCONSISTENT, MASKS
from incmask.prediction.shares import MASK_SHARES
from incmask.training.loop import HISTORY
from incmask.training.loop import SCORES as STUDENT_SCORES

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


@dataclass(frozen=True)
class CardFacts:
    """What is known of a model; what follows ``about`` is empty where its run folder is gone.

    Attributes:
        name: of the run, or else of the model folder.
        about: the content of ``model.json``.
        records: what the run was about.
        scores: of all models of the run.
        image_scores: each model's test scores, one an image, by names such as "gen-1/ensemble".
        versions: of the packages that the run used.
    """

    name: str
    about: dict[str, Any]
    records: Records | None = None
    scores: Sequence[ScoreRow] = ()
    image_scores: Mapping[str, Sequence[float]] | None = None
    versions: Mapping[str, str] | None = None

    @property
    def stage(self) -> str:
        """The stage whose models were handed over."""
        return str(self.about.get("validation", {}).get("stage", ""))


def read_facts(folder: Path) -> CardFacts:
    """Read the records of a run folder, or of its model folder.

    Raises:
        IncmaskError: there is no model, or a record is damaged.
    """
    folder = folder.resolve()
    model = folder / MODEL if (folder / MODEL / ABOUT).exists() else folder
    try:
        about = json.loads((model / ABOUT).read_text(encoding="utf-8"))
        root = model.parent
        if model.name != MODEL or not (root / RUN).exists():
            return CardFacts(model.name, about)
        return CardFacts(
            name=root.name,
            about=about,
            records=read_records(root),
            scores=from_csv(_text(root / SCORES)) if (root / SCORES).exists() else (),
            image_scores=_by_image(root / IMAGE_SCORES) if (root / IMAGE_SCORES).exists() else None,
            versions=json.loads(_text(root / ENVIRONMENT))["packages"] if (root / ENVIRONMENT).exists() else None,
        )
    except (FileNotFoundError, NotADirectoryError):
        raise fail(folder, "holds no model", "name a run folder whose run has ended, or a model folder") from None
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise fail(folder, f"has a damaged record ({error})", "restore it or run again") from error


def _by_image(path: Path) -> dict[str, list[float]]:
    """Each model's test scores, one an image: of tiles, the mean of their image."""
    found = image_scores_from_csv(_text(path))
    names, rows = np.unique(found.names, return_inverse=True)
    num_rows = np.bincount(rows, minlength=len(names))
    return {model: (np.bincount(rows, values) / num_rows).tolist() for model, values in found.scores.items()}


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


RANKING = "ranking.csv"


@dataclass(frozen=True)
class PseudoLabel:
    """What a run says of an image: its label as ``Sheet.label``, and bool (H, W), where it is unsure."""

    label: np.ndarray
    unsure: np.ndarray


@dataclass(frozen=True)
class CorrectionOrder:
    """Images of a run.

    Attributes:
        names: those that are most worth correcting first.
        source: the file of the run that tells.
    """

    names: tuple[str, ...]
    source: str


def scheme_of(records: Records) -> Scheme:
    """Give what the labels of a run mean.

    Raises:
        IncmaskError: the record of the run is damaged.
    """
    try:
        task: Task = records.data["task"]
        return Scheme(task, tuple(_class_info(each) for each in records.data["classes"]))
    except (KeyError, TypeError, ValueError) as error:
        raise fail("data.json", f"does not tell the classes ({error!r})", "restore it, or run again") from error


def order_of(run: Path) -> CorrectionOrder:
    """Give the images in the order of the run's ranking, or else the most disputed first.

    Raises:
        IncmaskError: there are no masks, or a table is damaged.
    """
    shares = _rows(run / MASK_SHARES)
    if not shares:
        raise fail(run, "holds no masks of unlabelled images", "name a finished run of a folder with unlabelled images")
    known = {row.get("name") for row in shares}
    ranking = _rows(run / RANKING)
    try:
        if ranking:
            ordered = sorted(ranking, key=lambda row: int(row["rank"]))
            # Of an image that is ranked in crops, the first counts.
            names = tuple(dict.fromkeys(row["name"] for row in ordered if row["name"] in known))
            return CorrectionOrder(names, RANKING)
        ordered = sorted(shares, key=lambda row: -float(row["inconsistent_fraction"]))
        return CorrectionOrder(tuple(row["name"] for row in ordered), MASK_SHARES)
    except (KeyError, ValueError, TypeError) as error:
        raise fail(run / (RANKING if ranking else MASK_SHARES), f"is damaged ({error!r})", "write it anew") from error


def read_pseudo_label(run: Path, name: str, scheme: Scheme) -> PseudoLabel:
    """Read the mask of an image and its disputed pixels.

    Raises:
        IncmaskError: a file is not there, or is damaged.
    """
    if scheme.task == "multilabel":
        folders = [each.value if isinstance(each.value, str) else each.name for each in scheme.classes]
        label = np.stack([_picture(path_inside(run / MASKS, each, ""), name) > 0 for each in folders], axis=2)
    else:
        label = _picture(run / MASKS, name)
    if scheme.task == "binary":
        label = label > 0
    folder = INCONSISTENT if (run / INCONSISTENT).is_dir() else DISAGREEMENT
    unsure = _picture(run / folder, name) > 0
    if label.shape[:2] != unsure.shape:
        raise fail(run / MASKS / name, "has another size than its disputed pixels", "run again in another folder")
    return PseudoLabel(label.astype(np.uint8), unsure)


def _picture(folder: Path, name: str) -> np.ndarray:
    paths = [path_inside(folder, name, ending) for ending in (".png", ".tif")]
    path = next((path for path in paths if path.is_file()), paths[0])
    return grey_values(decode(path, read_bytes(path)))


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with open(path, newline="", encoding="utf-8") as handle:
            return list(csv.DictReader(handle))
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise fail(path, f"cannot be read ({error})", "write it anew") from error


def _class_info(given: dict[str, Any]) -> ClassInfo:
    value = given["value"]
    return ClassInfo(given["name"], _colour(given["colour"]), _colour(value) if isinstance(value, list) else value)


def _colour(given: list[int]) -> Colour:
    red, green, blue = given
    return (red, green, blue)


@dataclass(frozen=True)
class StackImage:
    """An image of a stack.

    Attributes:
        name: of the image.
        height, width: its own size in pixels.
        rows: of the stack, which follow each other.
        windows: which part of the image each row shows; it may reach beyond the image.
    """

    name: str
    height: int
    width: int
    rows: tuple[int, ...]
    windows: tuple[Window, ...]

    @property
    def whole(self) -> Window:
        """All of it."""
        return Window(0, 0, self.height, self.width)

    def regions(self, crop_px: int | None) -> list[Window]:
        """The image, or the crops that cover it evenly; none reaches beyond it.

        Args:
            crop_px: side of the crops; None: the whole image.
        """
        if crop_px is None:
            return [self.whole]
        side = (min(crop_px, self.height), min(crop_px, self.width))
        return windows((self.height, self.width), side)


def stack_images(index: Path, sizes: dict[str, tuple[int, int]]) -> list[StackImage]:
    """Read which images a stack holds, in the order of its rows.

    Args:
        index: the stack's ``index.csv``.
        sizes: height and width of each image, by name.

    Raises:
        IncmaskError: the table names an image that is not known.
    """
    rows: dict[str, list[int]] = {}
    places: dict[str, list[Window]] = {}
    with open(index, newline="", encoding="utf-8") as handle:
        for row, line in enumerate(csv.DictReader(handle)):
            where = Window(*(int(line[side]) for side in ("top", "left", "height", "width")))
            rows.setdefault(line["name"], []).append(row)
            places.setdefault(line["name"], []).append(where)
    if unknown := next((name for name in rows if name not in sizes), None):
        raise fail(index, f"names an image that data.json does not know: {unknown}", "restore the run folder")
    return [StackImage(name, *sizes[name], tuple(rows[name]), tuple(places[name])) for name in rows]


def cover(region: Window, window: Window, cells: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Measure how much of each cell of a grid over ``window`` lies in ``region``, by rows and by columns.

    A cell's share of the region's area is the product of the two.

    Args:
        region, window: of one image.
        cells: rows and columns of the grid.

    Returns:
        pixels, (rows,) and (columns,); all 0 where the two do not meet.
    """
    return (
        _overlap(region.top, region.height, window.top, window.height, cells[0]),
        _overlap(region.left, region.width, window.left, window.width, cells[1]),
    )


def _overlap(start: int, length: int, window_start: int, window_length: int, cells: int) -> NDArray[np.float32]:
    edges = window_start + np.arange(cells + 1) * (window_length / cells)
    inside = np.clip(edges, start, start + length)
    return np.diff(inside).astype(np.float32)


@dataclass(frozen=True)
class RatingNetworks:
    """Networks that rate masks.

    Attributes:
        models: their files.
        blocked: they rate masks whose disputed pixels are blocked, as they learnt to.
    """

    models: tuple[Path, ...]
    blocked: bool


@dataclass(frozen=True)
class Votes:
    """What an ensemble made of an image, at the image's own size.

    Attributes:
        label: uint8, (H, W) or (H, W, K).
        disputed: bool, (H, W).
    """

    label: np.ndarray
    disputed: np.ndarray


def read_votes(run: Path, image: StackImage, *, task: Task, classes: Sequence[ClassInfo]) -> Votes:
    """Read the mask and the disputed pixels of an unlabelled image of a finished run.

    Raises:
        IncmaskError: a file is missing, broken or of another size.
    """

    def read(folder: Path) -> np.ndarray:
        path = path_inside(folder, image.name)
        values = grey_values(decode(path, read_bytes(path)))
        if values.shape != (image.height, image.width):
            raise fail(path, f"is {values.shape[1]}×{values.shape[0]}, not the image's size", "restore the file")
        return values

    if task == "multilabel":
        # Folders of classes, as they are written.
        names = [info.value if isinstance(info.value, str) else info.name for info in classes]
        label = np.stack([read(run / MASKS / name) > 0 for name in names], -1).astype(np.uint8)
    else:
        label = read(run / MASKS)
        label = (label > 0).astype(np.uint8) if task == "binary" else label.astype(np.uint8)
    # Of a share of the members or yes and no: what is above 0 is disputed.
    return Votes(label, read(run / DISAGREEMENT) > 0)


@dataclass(frozen=True)
class FinishedRun:
    """A run whose models were handed over and whose masks were written.

    Attributes:
        root: its folder.
        records: what it says of itself.
        about: of its models.
        members: their files, best first.
        stage: that they are of.
        settings: of the run.
        judging: networks that rate masks; None where it has none, or none that know more than the mean.
        notes: what a person should know.
    """

    root: Path
    records: Records
    about: About
    members: tuple[Path, ...]
    stage: str
    settings: Settings
    judging: RatingNetworks | None
    notes: tuple[str, ...]

    def stack(self, part: str) -> Path:
        """The images of a part at the networks' size, uint8, (N, H, W, C)."""
        return read_stack(self.root / "stacks" / part).images

    def images(self, part: str) -> list[StackImage]:
        """The images of a part, none where it has none."""
        items = self.records.data["parts"].get(part) or {}
        sizes = {name: (item["size"][0], item["size"][1]) for name, item in items.items()}
        return stack_images(self.root / "stacks" / part / "index.csv", sizes) if sizes else []

    def folds(self) -> tuple[Fold, ...]:
        """What trained and what chose."""
        return _folds(self.root, self.records, self.settings)


def open_run(root: Path) -> FinishedRun:
    """Read what a run folder says of itself.

    Raises:
        IncmaskError: it is none, or the run has not ended.
    """
    records = read_records(root)
    about = Ensemble.load(root, device="cpu").about
    if records.data["parts"].get("unlabelled") and not (root / MASK_SHARES).exists():
        raise fail(root, "holds a run that has not ended", "give the command again that began it")
    model = json.loads((root / MODEL / ABOUT).read_text(encoding="utf-8"))
    settings = validated(Settings, records.run["settings"], where=str(root / "run.toml"))
    judging, notes = _judging(root, records, settings)
    return FinishedRun(
        root=root,
        records=records,
        about=about,
        members=tuple(root / MODEL / name for name in model["members"]),
        stage=model["validation"]["stage"],
        settings=settings,
        judging=judging,
        notes=notes,
    )


def _judging(root: Path, records: Records, settings: Settings) -> tuple[RatingNetworks | None, tuple[str, ...]]:
    """The EvalNets that rate together, unless they are of no use."""
    folder = root / EVALNETS
    recipe = RECIPES.get(records.run["recipe"])
    if recipe is None or recipe.evalnets is None or not (folder / EVALNETS_REPORT).exists():
        return None, ()
    report = json.loads((folder / EVALNETS_REPORT).read_text(encoding="utf-8"))
    if not report["mae"] < report["mean_mae"]:
        return None, ("the EvalNets know no more than the mean, so their ratings are left out",)
    num_folds = min(len(_folds(root, records, settings)), settings.num_evalnets)
    students = [
        _student(folder / "students" / str(number), number=number, num_folds=num_folds)
        for number in range(1, settings.num_evalnets + 1)
    ]
    best = rank(students, by_loss=False)[: settings.num_judges]
    return RatingNetworks(tuple(each.model for each in best), recipe.evalnets.blocked), ()


def _folds(root: Path, records: Records, settings: Settings) -> tuple[Fold, ...]:
    names = read_stack(root / "stacks" / "labelled").names
    return folds_of(names, has_val=bool(records.data["parts"].get("val")), settings=settings)


def _student(folder: Path, *, number: int, num_folds: int) -> Student:
    try:
        return read_student(folder, number=number, num_folds=num_folds)
    except OSError as error:
        raise fail(folder / STUDENT_SCORES, f"cannot be read ({error.strerror})", "restore the run folder") from error
