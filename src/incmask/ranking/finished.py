"""A finished run, from its folder alone."""

import json
from dataclasses import dataclass
from pathlib import Path

from incmask.config import Settings, validated
from incmask.data.split import Fold
from incmask.data.stack import read_stack
from incmask.ensemble import ABOUT, About, Ensemble
from incmask.errors import fail
from incmask.evalnets import FOLDER as EVALNETS
from incmask.evalnets import REPORT
from incmask.fit import SCORES
from incmask.outputs import MASK_SHARES
from incmask.ranking.measure import Judging
from incmask.ranking.regions import StackImage, stack_images
from incmask.recipes import RECIPES
from incmask.results import MODEL
from incmask.store import Records, read_records
from incmask.students import Student, folds_of, rank, read_student


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
    judging: Judging | None
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


def _judging(root: Path, records: Records, settings: Settings) -> tuple[Judging | None, tuple[str, ...]]:
    """The EvalNets that rate together, unless they are of no use."""
    folder = root / EVALNETS
    recipe = RECIPES.get(records.run["recipe"])
    if recipe is None or recipe.evalnets is None or not (folder / REPORT).exists():
        return None, ()
    report = json.loads((folder / REPORT).read_text(encoding="utf-8"))
    if not report["mae"] < report["mean_mae"]:
        return None, ("the EvalNets know no more than the mean, so their ratings are left out",)
    num_folds = min(len(_folds(root, records, settings)), settings.num_evalnets)
    students = [
        _student(folder / "students" / str(number), number=number, num_folds=num_folds)
        for number in range(1, settings.num_evalnets + 1)
    ]
    best = rank(students, by_loss=False)[: settings.num_judges]
    return Judging(tuple(each.model for each in best), recipe.evalnets.blocked), ()


def _folds(root: Path, records: Records, settings: Settings) -> tuple[Fold, ...]:
    names = read_stack(root / "stacks" / "labelled").names
    return folds_of(names, has_val=bool(records.data["parts"].get("val")), settings=settings)


def _student(folder: Path, *, number: int, num_folds: int) -> Student:
    try:
        return read_student(folder, number=number, num_folds=num_folds)
    except OSError as error:
        raise fail(folder / SCORES, f"cannot be read ({error.strerror})", "restore the run folder") from error
