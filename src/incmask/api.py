"""The same jobs as the commands, from Python."""

import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from incmask.base.errors import fail
from incmask.base.notebook import picture_html, table_html
from incmask.base.progress import Progress
from incmask.base.terminal import show_progress
from incmask.data.from_arrays import ArrayData, write_data
from incmask.data.images.decode import Raster
from incmask.data.images.given import channels_first_hint, check_several, image_array
from incmask.data.images.readers import network_image
from incmask.data.rounds import run_folder
from incmask.data.stack import read_stack
from incmask.experiment import run as experiment
from incmask.experiment.choices import Choices
from incmask.experiment.deliver import Stage
from incmask.experiment.executor import Executor
from incmask.experiment.outcome_text import ensemble_score
from incmask.experiment.paths import stack_folder
from incmask.experiment.record.images import read_shares
from incmask.experiment.run import Outcome
from incmask.experiment.scores import ScoreRow
from incmask.insight.comparison.best_of import best_of as find_best
from incmask.insight.comparison.compare import Comparison
from incmask.insight.comparison.compare import compare as run_comparison
from incmask.insight.comparison.plan import ALL
from incmask.insight.comparison.present import find, write_findings, write_page
from incmask.insight.finish import FinishedFiles, finish
from incmask.method.recipes import Recipe
from incmask.prediction.ensemble import Ensemble, Prediction
from incmask.prediction.overlays import draw_overlay

_NUM_PICTURES = 4
"""Shown of a result."""


@dataclass(frozen=True)
class Result:
    """What a run came to.

    Attributes:
        outcome: stages, scores and the folder.
        ensemble: the models that were handed over.
        finished: report, ranking and what is known of the disagreement; empty with ``report=False``.
    """

    outcome: Outcome
    ensemble: Ensemble
    finished: FinishedFiles = field(default_factory=FinishedFiles)

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.outcome.root

    @property
    def scores(self) -> tuple[ScoreRow, ...]:
        """Scores of every model on validation and, where there is one, on test."""
        return self.outcome.scores

    @property
    def chosen(self) -> Stage:
        """The stage whose models were handed over: the best on validation."""
        return self.outcome.chosen

    def predict(self, images: Sequence[np.ndarray]) -> list[Prediction]:
        """Predict images of any size and number of channels that the models can take.

        Args:
            images: (H, W) or (H, W, C) each, of any integer or float type; 8-bit values as they are,
                others scaled as in training.

        Returns:
            For each image the label, the disputed pixels and the probabilities, at the image's own size.

        Raises:
            IncmaskError: an image of another shape or number of channels, or of NaN and infinite values alone.
        """
        return predict(self.ensemble, images)

    def _repr_html_(self) -> str:
        """Tell what a notebook shows: the scores, and the unlabelled images with the most disputed pixels."""
        has_test = any(row.split == "test" for row in self.scores)
        header = ["stage", "validation", *(["test"] if has_test else []), ""]
        rows = []
        for stage in self.outcome.all_stages:
            test = [f"{ensemble_score(self.outcome, stage.name).score:.3f}"] if has_test else []
            rows.append([stage.name, f"{stage.score:.3f}", *test, "handed over" if stage is self.chosen else ""])
        pictures = "".join(self._pictures())
        legend = "<div>Outlines are the mask's; disputed pixels are magenta.</div>" if pictures else ""
        said = f"<div>{self.outcome.scoring.full_name}</div>"
        return f"<div>{table_html(header, rows)}{said}{pictures}{legend}</div>"

    def _pictures(self) -> Iterator[str]:
        shown = read_shares(self.folder)[:_NUM_PICTURES]
        if not shown:
            return
        stack = read_stack(stack_folder(self.folder, "unlabelled"))
        # Of an image in tiles its first one.
        images = np.load(stack.images, mmap_mode="r")[[stack.names.index(each.name) for each in shown]]
        about = self.ensemble.about
        for share, image, found in zip(shown, images, self.ensemble.predict(list(images)), strict=True):
            drawn = draw_overlay(image, found.label, found.inconsistent, task=about.task, classes=about.classes)
            yield picture_html(drawn, caption=f"{share.name}: {share.inconsistent_fraction:.1%} disputed")


def run(
    data: str | os.PathLike[str] | ArrayData,
    *,
    out: str | os.PathLike[str] | None = None,
    recipe: str | Recipe | None = None,
    preset: str | None = None,
    effort: str | None = None,
    profile: str | None = None,
    group: str | None = None,
    time: str | None = "auto",
    settings: Mapping[str, object] | None = None,
    best_of: str | os.PathLike[str] | None = None,
    fresh: bool = False,
    report: bool = True,
    progress: Progress | bool = False,
    executor: Executor | None = None,
) -> Result:
    """Do the main job: the same as ``incmask run``.

    Args:
        data: folder with ``labelled/`` and ``unlabelled/``, or arrays.
        out: run folder; default: DATA with ``-run`` behind its name, and for arrays a temporary folder, which goes
            with the result unless the process is killed. An unfinished run there goes on. The arrays themselves
            are not kept there: see ``write_data``.
        recipe: a name of ``RECIPES``, or a recipe of your own; default "im".
        preset: "default" or "paper".
        effort: "quick", "normal" or "paper".
        profile: kind of images, for the augmentation.
        group: which images show the same subject and are never on both sides of a split: "auto" (``split.csv``, or
            names that tell), "none", a CSV file of names and groups, or a regular expression whose first group, or else
            whole match, in an image's name is the subject.
        time: how long it may take, such as "20m" or "2h": sizes, models and steps follow from it, and a longer one
            later goes on. "auto": 20 minutes where nothing else says how much; None: as long as it takes.
        settings: single settings by name.
        best_of: folder of a comparison on the same data that swept ``erode_px`` and ``dilate_px`` of "im": the best of
            them by validation are taken.
        fresh: after corrected labels were imported: do not begin with the earlier round's models.
        report: also write ``report.html``, ``ranking.csv``, the model card, and what disagreement says about errors.
        progress: True shows lines and a bar, here or in the notebook; or a listener.
        executor: where the work is done; default: in processes of this machine.

    Raises:
        IncmaskError: the data, a choice or the folder is wrong; each problem says how to mend it.
    """
    choices = Choices(recipe, preset, effort, profile, group, time, dict(settings) if settings else None)
    where = executor or Executor()
    with _listening(progress) as listener:

        def run_data(data: Path, out: Path) -> Result:
            best = find_best(Path(best_of), data, choices) if best_of else None
            if best and listener:
                listener.say(best.told)
            chosen = best.over(choices) if best else choices
            outcome = experiment.run(data, out, choices=chosen, executor=where, progress=listener, warm=not fresh)
            finished = finish(outcome, open_pool=where.open_pool, progress=listener) if report else FinishedFiles()
            return Result(outcome, load(outcome.root), finished)

        if isinstance(data, ArrayData):
            return _run_arrays(data, None if out is None else Path(out), run_data)
        return run_data(Path(data), Path(out) if out else run_folder(Path(data)))


def _run_arrays(data: ArrayData, out: Path | None, run_data: Callable[[Path, Path], Result]) -> Result:
    with tempfile.TemporaryDirectory(prefix="incmask-") as folder:
        write_data(data, Path(folder) / "data")
        if out is not None:
            return run_data(Path(folder) / "data", out)
        kept = tempfile.mkdtemp(prefix="incmask-")
        try:
            result = run_data(Path(folder) / "data", Path(kept) / "run")
        except BaseException:
            shutil.rmtree(kept, ignore_errors=True)
            raise
    weakref.finalize(result, shutil.rmtree, kept, ignore_errors=True)
    return result


@contextmanager
def _listening(progress: Progress | bool) -> Iterator[Progress | None]:
    if not isinstance(progress, bool):
        yield progress
    elif progress:
        with show_progress() as shown:
            yield shown
    else:
        yield None


def compare(
    data: str | os.PathLike[str],
    *,
    out: str | os.PathLike[str] | None = None,
    recipes: Sequence[str | Recipe] = (ALL,),
    num_repeats: int = 3,
    equal_steps: bool = False,
    preset: str | None = None,
    effort: str | None = None,
    profile: str | None = None,
    group: str | None = None,
    settings: Mapping[str, object] | None = None,
    grid: Mapping[str, Sequence[object]] | None = None,
    best_of: str | os.PathLike[str] | None = None,
    progress: Progress | bool = False,
    executor: Executor | None = None,
) -> Comparison:
    """Compare approaches on the same images: the same as ``incmask compare``, tables and page included.

    Args:
        data: folder with ``labelled/`` and ``unlabelled/``.
        out: folder; default: DATA with ``-compare`` behind its name. An unfinished comparison there goes on.
        recipes: names of ``RECIPES``, recipes of your own, or "all" alone.
        num_repeats: how often all is repeated with another seed.
        equal_steps: also train every approach for as many steps as FDT takes.
        preset: as for ``run``.
        effort: as for ``run``.
        profile: as for ``run``.
        group: as for ``run``.
        settings: as for ``run``; the same for all approaches.
        grid: settings with several values, all of which are tried.
        best_of: as for ``run``; for all approaches with inconsistency masks.
        progress: as for ``run``.
        executor: as for ``run``.

    Returns:
        Its rows: ``models``, ``totals``, ``images``, ``pseudo`` and ``frequencies``.

    Raises:
        IncmaskError: the data, a choice or the folder is wrong, or the packages for reports are not installed.
    """
    choices = Choices(None, preset, effort, profile, group, settings=dict(settings) if settings else None)
    with _listening(progress) as listener:
        comparison = run_comparison(
            Path(data),
            Path(out) if out else run_folder(Path(data), ending="compare"),
            choices=choices,
            executor=executor or Executor(),
            recipes=recipes,
            num_repeats=num_repeats,
            grid=grid,
            equal_steps=equal_steps,
            best_of=find_best(Path(best_of), Path(data), choices, grid=grid or ()) if best_of else None,
            progress=listener,
        )
    findings = find(comparison)
    write_findings(comparison, findings)
    write_page(comparison, findings)
    return comparison


def load(folder: str | os.PathLike[str], *, device: Literal["auto", "cpu", "cuda", "mps"] = "auto") -> Ensemble:
    """Read the models of a run folder or a model folder.

    Args:
        folder: what ``run`` made, or its ``model/`` alone.
        device: where they are to run; "auto": a GPU where there is one.

    Raises:
        IncmaskError: there are none, or a file is damaged.
    """
    return Ensemble.load(Path(folder), device=device)


def predict(ensemble: Ensemble, images: Sequence[np.ndarray]) -> list[Prediction]:
    """Predict images of any size and number of channels that the ensemble can take.

    Args:
        ensemble: from ``load``.
        images: (H, W) or (H, W, C) each, of any integer or float type; 8-bit values as they are,
            others scaled as in training.

    Returns:
        For each image the label, the disputed pixels and the probabilities, at the image's own size.

    Raises:
        IncmaskError: an image of another shape or number of channels, or of NaN and infinite values alone.
    """
    check_several(images, "images")
    return list(
        ensemble.predict(
            [_network_image(image, ensemble, where=f"images[{index}]") for index, image in enumerate(images)]
        )
    )


def _network_image(given: np.ndarray, ensemble: Ensemble, *, where: str) -> np.ndarray:
    image, about = image_array(given, where), ensemble.about
    if image.shape[2:] not in ((), (1,), (3,), (about.channels,)) and (remedy := channels_first_hint(image.shape)):
        raise fail(where, f"has the shape {image.shape}, which has its channels in front", remedy)
    return network_image(where, Raster(np.atleast_3d(image)), channels=about.channels, intensity=about.intensity)
