"""A run folder as a value, whose parts are read when they are first asked for: the one reader of what a run leaves."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from incmask.base.caller import command
from incmask.base.errors import fail
from incmask.base.images_on_disk import read_records
from incmask.base.intact import intact, read_json
from incmask.base.packed import Packed
from incmask.base.records import RUN, read_written
from incmask.base.tables import rows_of
from incmask.data.split import Fold
from incmask.data.stack import Stack, read_stack
from incmask.experiment.collapse import collapses
from incmask.experiment.image_objects import image_objects_from_csv
from incmask.experiment.paths import (
    EVALNETS,
    IMAGE_COUNTS,
    IMAGE_OBJECTS,
    IMAGE_SCORES,
    MODEL,
    RUNS,
    SCORES,
    VALIDATION_SCORES,
    stack_folder,
)
from incmask.experiment.record.described import Described
from incmask.experiment.record.images import ShareRow, StackImage, read_shares, stack_images
from incmask.experiment.record.stages import ENSEMBLE, StageRecord, judges_useful, read_judges, read_stage
from incmask.experiment.scores import (
    ImageCounts,
    ImageScores,
    ScoreRow,
    from_csv,
    image_counts_from_csv,
    image_scores_from_csv,
)
from incmask.experiment.setup import CONTROL, folds_of
from incmask.experiment.student import mean_over_folds
from incmask.method.object_scores import ObjectMatch
from incmask.prediction.ensemble import Ensemble
from incmask.prediction.model_folder import ABOUT
from incmask.prediction.shares import MASK_SHARES

DAMAGE = (OSError, ValueError, KeyError, TypeError, IndexError)
"""What reading a damaged file comes to."""


@dataclass(frozen=True)
class RunRecord(Described):
    """What a run was given, and what the files of its folder hold.

    Parts are read when they are first asked for, and raise ``OSError``, ``ValueError``, ``KeyError``, ``TypeError`` or
    ``IndexError`` where their file is damaged, unless they say otherwise.
    """

    # The images at the networks' size

    def stack(self, part: str) -> Stack:
        """Give the images of a part at the networks' size."""
        return read_stack(stack_folder(self.root, part))

    def stack_files(self, part: str) -> Stack:
        """Give the same without what its rows show."""
        return Stack(stack_folder(self.root, part), ())

    def images(self, part: str) -> Sequence[StackImage]:
        """Give the images of a part and their rows in its stack, none where it has none."""
        sizes = ((name, (item["size"][0], item["size"][1])) for name, item in self.part(part).items())
        return stack_images(Stack(stack_folder(self.root, part), ()).index, sizes) if self.part(part) else ()

    @cached_property
    def folds(self) -> tuple[Fold, ...]:
        """Tell what trained and what chose: rows of the stack of labelled images."""
        return self._folds(self.stack("labelled").names)

    @cached_property
    def image_folds(self) -> tuple[Fold, ...]:
        """Give the same by images, as places in ``part("labelled")``; one without validation where there is ``val``."""
        return self._folds(tuple(self.part("labelled")))

    def _folds(self, names: Sequence[str]) -> tuple[Fold, ...]:
        groups, has_val = self.groups("labelled"), bool(self.part("val"))
        return folds_of(names, groups=groups, has_val=has_val, settings=self.settings)

    # Stages and scores

    def table(self, name: str, *, mend: str = "restore it, or remove it") -> list[dict[str, str]]:
        """Give the lines of a CSV file in the run folder, none where it lacks; ``IncmaskError`` if it is no table."""
        return list(self.each_row(name, mend=mend))

    def each_row(self, name: str, *, mend: str = "restore it, or remove it") -> Iterator[dict[str, str]]:
        """Give the same line by line, as there may be a million."""
        path = intact(self.root / name, mend=mend)
        if path.exists():
            yield from rows_of(path, dict[str, str], mend=mend)

    @cached_property
    def scores(self) -> tuple[ScoreRow, ...]:
        """Of every model; none before the run has ended."""
        path = intact(self.root / SCORES)
        return tuple(from_csv(path.read_text(encoding="utf-8"))) if path.exists() else ()

    @cached_property
    def image_scores(self) -> ImageScores | None:
        """Of the test images; None where there are none."""
        return self._image_scores(IMAGE_SCORES)

    @cached_property
    def validation_scores(self) -> ImageScores | None:
        """Of the images that chose; None where an earlier version did not write them down."""
        return self._image_scores(VALIDATION_SCORES)

    def _image_scores(self, name: str) -> ImageScores | None:
        path = intact(self.root / name)
        return image_scores_from_csv(path.read_text(encoding="utf-8")) if path.exists() else None

    def image_counts(self, stage: str, model: str, split: str) -> ImageCounts | None:
        """Give the pixels of whole images as a student, or the members together, see them; None: not written down."""
        path = intact(self.root / IMAGE_COUNTS)
        if not path.exists():
            return None
        return image_counts_from_csv(path.read_text(encoding="utf-8"), stage=stage, model=model, split=split)

    def image_objects(self, stage: str, model: str, split: str) -> tuple[ObjectMatch, ...]:
        """Give the objects of whole images as a student, or the members together, find them; none: not looked for."""
        path = intact(self.root / IMAGE_OBJECTS)
        if not path.exists():
            return ()
        return image_objects_from_csv(path.read_text(encoding="utf-8"), stage=stage, model=model, split=split)

    @cached_property
    def stages(self) -> tuple[StageRecord, ...]:
        """Base and generations, in order."""
        return tuple(stage for stage in self.all_stages if stage.name != CONTROL)

    @cached_property
    def all_stages(self) -> tuple[StageRecord, ...]:
        """Those that may be handed over: also what was trained on without unlabelled images."""
        num_members, num_folds = self.settings.num_members, len(self.image_folds)
        return tuple(
            read_stage(self.root, name, self.scores, num_members=num_members, num_folds=num_folds)
            for name in dict.fromkeys(row.stage for row in self.scores)
        )

    @property
    def base(self) -> StageRecord:
        """The models that taught first."""
        return self.stages[0]

    @property
    def without(self) -> StageRecord:
        """The models without unlabelled images that were trained the longest."""
        return next((stage for stage in self.all_stages if stage.name == CONTROL), self.base)

    def score_of(self, stage: str, model: str, split: str) -> ScoreRow | None:
        """Give the scores of a student or of the members together, where they were taken."""
        key = (stage, model, split)
        return next((row for row in self.scores if (row.stage, row.model, row.split) == key), None)

    def stage_score(self, stage: StageRecord) -> float:
        """Give the validation score by which stages were compared."""
        if scored := self.score_of(stage.name, ENSEMBLE, "val"):
            return scored.score
        rows = [(each, self.score_of(stage.name, str(each.number), "val")) for each in stage.students]
        return mean_over_folds([replace(each, score=row.score) if row else each for each, row in rows])

    @cached_property
    def collapses(self) -> tuple[str, ...]:
        """Generations that collapsed, and what became of it, in a sentence each."""
        return tuple(collapses(self.root))

    # What was handed over

    @cached_property
    def about(self) -> dict[str, Any] | None:
        """Content of ``model.json``; None: a run of a comparison hands over nothing."""
        found: dict[str, Any] | None = read_json(self.root / MODEL / ABOUT)
        return found

    @property
    def delivered(self) -> str | None:
        """Name of the stage whose models were handed over; None: there are none."""
        return None if self.about is None else str(self.about["validation"]["stage"])

    @property
    def members(self) -> tuple[Path, ...]:
        """The models that were handed over, best first."""
        return tuple(self.root / MODEL / name for name in (self.about or {"members": ()})["members"])

    @property
    def chosen(self) -> str:
        """Name of the stage whose models were handed over, or would be: the best by validation."""
        return self.delivered or max(self.all_stages, key=self.stage_score).name

    @property
    def handed_over(self) -> StageRecord:
        """The stage whose models were handed over, or would be."""
        return next(stage for stage in self.all_stages if stage.name == self.chosen)

    # Masks of the unlabelled images, and what rates them

    @cached_property
    def shares(self) -> Packed[ShareRow]:
        """Of every unlabelled image, the most disputed first; none where there are no masks."""
        return read_shares(self.root)

    @cached_property
    def judges_useful(self) -> bool | None:
        """Tell whether the EvalNets know more than the mean; None: the run has none."""
        if self.recipe is None or self.recipe.evalnets is None:
            return None
        return judges_useful(self.root / EVALNETS)

    @property
    def judges_blocked(self) -> bool:
        """Whether the EvalNets rate masks whose disputed pixels are blocked, as they learnt to."""
        return self.recipe is not None and self.recipe.evalnets is not None and self.recipe.evalnets.blocked

    @cached_property
    def judges(self) -> tuple[Path, ...]:
        """Give the EvalNets' models that rate together, best first; none where these know no more than the mean."""
        if not self.judges_useful:
            return ()
        settings = self.settings
        return read_judges(
            self.root / EVALNETS,
            num_evalnets=settings.num_evalnets,
            num_judges=settings.judging,
            num_folds=len(self.folds),
        )


def read_record(root: Path) -> RunRecord:
    """Give what a run folder says, whether or not the run has ended.

    Raises:
        IncmaskError: it is none.
    """
    return RunRecord(root, read_records(root))


def read_run(root: Path) -> RunRecord:
    """Read a run folder whose run has ended, all of it.

    Raises:
        IncmaskError: it is none, the run has not ended, or a file is damaged.
    """
    _check_kind(root)
    if not intact(root / SCORES).exists():
        raise fail(root, "holds no finished run", f"let the same {command('run')} go on to its end first")
    record = read_record(root)
    try:
        # All that is text, so that what is damaged is told at once.
        _ = record.settings, record.size, record.environment, record.all_stages, record.delivered, record.shares
    except DAMAGE as error:
        raise fail(root, f"a file of the run cannot be read ({error!r})", "restore it, or run again") from error
    return record


def _check_kind(root: Path) -> None:
    """Refuse folders of other commands, and those of none."""
    one = "name one of the folders in its runs/"
    if not intact(root / RUN).exists():
        if (root / RUNS).is_dir():
            raise fail(root, "holds a comparison; its page is compare.html", one)
        raise fail(root, "is no run folder", f"name the folder that {command('run')} wrote")
    if "tuning" in read_written(root / RUN):
        raise fail(root, "holds a search for settings; its table is trials.csv", one)


def open_run(root: Path) -> RunRecord:
    """Give what a run folder says whose models were handed over and whose masks were written.

    Raises:
        IncmaskError: it is none, the run has not ended, or its models are damaged.
    """
    _check_kind(root)
    record = read_record(root)
    # All of the models, which whoever opens a run is about to use.
    Ensemble.load(root, device="cpu")
    if record.part("unlabelled") and not intact(root / MASK_SHARES).exists():
        raise fail(root, "holds a run that has not ended", f"let the same {command('run')} go on to its end first")
    return record
