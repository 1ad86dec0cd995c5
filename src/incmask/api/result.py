"""A run that has ended, as a value: its scores, how it was trained, its models and what they make of images."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from incmask.api.listening import AnyPath
from incmask.base.config import Device
from incmask.base.errors import fail
from incmask.base.limits import refusals_told
from incmask.base.notebook import picture_html, table_html
from incmask.base.npy_rows import Rows
from incmask.base.records import RUN
from incmask.base.validation import choose
from incmask.data.stack import read_stack
from incmask.data.volumes.grid import Spacing
from incmask.experiment.paths import stack_folder
from incmask.experiment.record.images import read_shares
from incmask.experiment.record.run import RunRecord, read_run
from incmask.experiment.record.stages import ENSEMBLE, HistoryRow
from incmask.experiment.reproduce import Reproduced
from incmask.experiment.scores import ScoreRow
from incmask.insight.report.picture import load_matplotlib
from incmask.insight.report.run_page.plots import Course, plot_course
from incmask.insight.report.run_page.stored import Verdict, read_verdict
from incmask.prediction.ensemble import About, Ensemble, Prediction
from incmask.prediction.model_folder import ABOUT
from incmask.prediction.overlays import draw_overlay
from incmask.prediction.value_layers import in_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NUM_PICTURES = 4
"""Shown of a result."""


@dataclass(frozen=True, repr=False)
class Result:
    """What a run came to, or a model folder alone, which has ``ensemble``, ``about`` and ``predict`` only.

    Attributes:
        folder: of the run.
        device: where its networks predict.
        problems: what ``run`` could not make, such as a report without matplotlib, with the remedy; a line each.
        reproduced: how the run compares with the one that it repeats; None: it repeats none.

    Examples:
        >>> result = incmask.load("myrun", device="cpu")
        >>> result.chosen in result.stages
        True
        >>> result.history["base/1"][-1].validation_score <= 1
        True
        >>> result.predict(np.zeros((40, 30), np.uint8))[0].label.shape
        (40, 30)
    """

    folder: Path
    device: Device = "auto"
    problems: tuple[str, ...] = ()
    reproduced: Reproduced | None = None

    @cached_property
    def ensemble(self) -> Ensemble:
        """The models that were handed over; they are read when they are first asked for."""
        return Ensemble.load(self.folder, device=self.device)

    @property
    def about(self) -> About:
        """Tell of the models: task, classes, channels, size, fit and intensity."""
        return self.ensemble.about

    @cached_property
    def record(self) -> RunRecord:
        """Everything that the run wrote down, read when it is first asked for."""
        if (self.folder / ABOUT).exists():
            raise fail(self.folder, "is a model folder, which tells nothing of its run", "load the run folder")
        return read_run(self.folder)

    @property
    def scores(self) -> tuple[ScoreRow, ...]:
        """Scores of every model on validation and, where there is one, on test: the rows of ``scores.csv``."""
        return self.record.scores

    @property
    def history(self) -> dict[str, tuple[HistoryRow, ...]]:
        """The validations of every model, by names such as "base/1" and "gen-2/3"."""
        return {
            f"{stage.name}/{student.number}": rows
            for stage in self.record.all_stages
            for student, rows in zip(stage.students, stage.histories, strict=True)
        }

    @property
    def stages(self) -> dict[str, float]:
        """The validation score of each stage, "base" and generations, in their order."""
        return {stage.name: self.record.stage_score(stage) for stage in self.record.all_stages}

    @property
    def chosen(self) -> str:
        """The stage whose models were handed over: the best on validation."""
        return self.record.chosen

    @property
    def verdict(self) -> Verdict | None:
        """Whether the unlabelled images helped; None: that was not asked, or not written down."""
        return read_verdict(self.folder)

    def predict(self, images: Any, *, spacing: Spacing | None = None) -> list[Prediction]:
        """Predict images, or volumes, of any size and number of channels that the models can take.

        Args:
            images: NumPy arrays (H, W) or (H, W, C), Pillow images, tensors (H, W), (H, W, C) or (C, H, W), or lists of
                numbers, in a list or a stack; or a single one of these. Of any integer or float type: 8-bit values as
                they are, others scaled as in training. Of models of volumes: NumPy arrays (D, H, W) or (D, H, W, C).
            spacing: of these volumes: distance of slices, rows and columns; None: that of the training.

        Returns:
            A list: for each image the label, the disputed pixels and the probabilities, at the image's own size.

        Raises:
            IncmaskError: an image of another shape or number of channels, or of NaN and infinite values alone.
        """
        return self.ensemble.predict(images, spacing=spacing)

    def plot(self, what: Course = "scores", *, ax: "Axes | None" = None) -> "Axes":
        """Draw how training went, with matplotlib: a line a model, a colour a stage.

        Args:
            what: "scores" on validation, or training "losses".
            ax: what is drawn on; None: a new figure of ``matplotlib.pyplot``.

        Returns:
            The axes; ``plot().figure.savefig("scores.png")`` writes them.

        Raises:
            IncmaskError: matplotlib is not installed, or no such drawing is known.
        """
        choose({"scores": None, "losses": None}, what, option="what")
        load_matplotlib("plot")
        if ax is None:
            from matplotlib import pyplot

            _, ax = pyplot.subplots(layout="constrained")
        plot_course(ax, self.record.all_stages, what, score_name=self.record.scoring.name)
        return ax

    def __repr__(self) -> str:
        if (self.folder / ABOUT).exists():
            return f"Result({str(self.folder)!r}: {self.ensemble!r})"
        record = self.record
        reached = [f"{record.stage_score(record.handed_over):.3f} on validation"]
        reached += [f"{row.score:.3f} on test" for row in [self._test_score(self.chosen)] if row]
        return f"Result({str(self.folder)!r}: {record.names['recipe']}, {self.chosen}, {', '.join(reached)})"

    def _test_score(self, stage: str) -> ScoreRow | None:
        return self.record.score_of(stage, ENSEMBLE, "test")

    @refusals_told()
    def _repr_html_(self) -> str:
        """Tell what a notebook shows: the scores, and the unlabelled images with the most disputed pixels."""
        has_test = any(row.split == "test" for row in self.scores)
        header = ["stage", "validation", *(["test"] if has_test else []), ""]
        rows = []
        for name, score in self.stages.items():
            test = self._test_score(name)
            on_test = [f"{test.score:.3f}" if test else ""] if has_test else []
            rows.append([name, f"{score:.3f}", *on_test, "handed over" if name == self.chosen else ""])
        pictures = "".join(self._pictures())
        legend = "<div>Outlines are the mask's; disputed pixels are magenta.</div>" if pictures else ""
        said = f"<div>{self.record.scoring.full_name}</div>"
        return f"<div>{table_html(header, rows)}{said}{pictures}{legend}</div>"

    def _pictures(self) -> Iterator[str]:
        shown, folder = read_shares(self.folder)[:_NUM_PICTURES], stack_folder(self.folder, "unlabelled")
        if not shown or not folder.exists():
            return
        stack = read_stack(folder)
        # Of an image in tiles its first one.
        images = Rows(stack.images)[np.array([stack.names.index(each.name) for each in shown])]
        about = self.about
        for share, image, found in zip(shown, images, self.ensemble.predict_each(list(images)), strict=True):
            if about.values is not None:
                drawn = in_colours(found.label, about.values.target, disputed=found.inconsistent)
            else:
                drawn = draw_overlay(image, found.label, found.inconsistent, task=about.task, classes=about.classes)
            yield picture_html(drawn, caption=f"{share.name}: {share.inconsistent_fraction:.1%} disputed")


def load(folder: AnyPath, *, device: Device = "auto") -> Result:
    """Read what a run came to: its scores, how it was trained, and its models.

    Args:
        folder: what ``run`` made, or its ``model/`` alone, which has models and nothing else.
        device: where they are to run; "auto": a GPU where there is one.

    Returns:
        The result; each part of it is read when it is first asked for.

    Raises:
        IncmaskError: there is no run that has ended and no model, or a file is damaged.

    Examples:
        >>> incmask.load("myrun", device="cpu").predict(np.zeros((40, 30), np.uint8))[0].disagreement.shape
        (40, 30)
    """
    result = Result(Path(folder), device)
    # Whoever loads something that is none, or is damaged, is told at once. Runs of a comparison have no models.
    if not (result.folder / RUN).exists() or result.record.delivered:
        _ = result.ensemble
    return result
