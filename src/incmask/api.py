"""The same jobs as the commands, from Python."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from incmask import experiment
from incmask.choices import Choices
from incmask.comparison.compare import Comparison
from incmask.comparison.compare import compare as run_comparison
from incmask.comparison.plan import ALL
from incmask.comparison.present import find, write_findings, write_page
from incmask.data.readers import to_network_range
from incmask.ensemble import Ensemble, Prediction
from incmask.errors import fail
from incmask.evaluation import ScoreRow
from incmask.experiment import Outcome
from incmask.progress import Progress
from incmask.results import Stage


@dataclass(frozen=True)
class Result:
    """What a run came to.

    Attributes:
        outcome: stages, scores and the folder.
        ensemble: the models that were handed over.
    """

    outcome: Outcome
    ensemble: Ensemble

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
        """Predict images of any size: see ``predict``."""
        return predict(self.ensemble, images)


def run(
    data: str | os.PathLike[str],
    *,
    out: str | os.PathLike[str] | None = None,
    recipe: str | None = None,
    preset: str | None = None,
    effort: str | None = None,
    profile: str | None = None,
    settings: Mapping[str, object] | None = None,
    progress: Progress | None = None,
) -> Result:
    """Do the main job: the same as ``incmask run``.

    Args:
        data: folder with ``labelled/`` and ``unlabelled/``.
        out: run folder; default: DATA with ``-run`` behind its name. An unfinished run there goes on.
        recipe: a name of ``RECIPES``; default "im+".
        preset: "default" or "paper".
        effort: "quick", "normal" or "paper".
        profile: kind of images, for the augmentation.
        settings: single settings by name.
        progress: a listener; default: silence.

    Raises:
        IncmaskError: the data, a choice or the folder is wrong; each problem says how to mend it.
    """
    choices = Choices(
        recipe=recipe, preset=preset, effort=effort, profile=profile, settings=dict(settings) if settings else None
    )
    outcome = experiment.run(
        Path(data), Path(out) if out else default_out(Path(data)), choices=choices, progress=progress
    )
    return Result(outcome, load(outcome.root))


def compare(
    data: str | os.PathLike[str],
    *,
    out: str | os.PathLike[str] | None = None,
    recipes: Sequence[str] = (ALL,),
    num_repeats: int = 3,
    equal_steps: bool = False,
    preset: str | None = None,
    effort: str | None = None,
    profile: str | None = None,
    settings: Mapping[str, object] | None = None,
    grid: Mapping[str, Sequence[object]] | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Compare approaches on the same images: the same as ``incmask compare``, tables and page included.

    Args:
        data: folder with ``labelled/`` and ``unlabelled/``.
        out: folder; default: DATA with ``-compare`` behind its name. An unfinished comparison there goes on.
        recipes: names of ``RECIPES``, or "all" alone.
        num_repeats: how often all is repeated with another seed.
        equal_steps: also train every approach for as many steps as FDT takes.
        preset, effort, profile, settings: as for ``run``.
        grid: settings with several values, all of which are tried.
        progress: a listener; default: silence.

    Returns:
        Its rows: ``models``, ``totals``, ``images``, ``pseudo`` and ``frequencies``.

    Raises:
        IncmaskError: the data, a choice or the folder is wrong, or the packages for reports are not installed.
    """
    choices = Choices(preset=preset, effort=effort, profile=profile, settings=dict(settings) if settings else None)
    comparison = run_comparison(
        Path(data),
        Path(out) if out else default_out(Path(data), ending="compare"),
        choices=choices,
        recipes=recipes,
        num_repeats=num_repeats,
        grid=grid,
        equal_steps=equal_steps,
        progress=progress,
    )
    findings = find(comparison)
    write_findings(comparison, findings)
    write_page(comparison, findings)
    return comparison


def load(folder: str | os.PathLike[str], *, device: Literal["auto", "cpu", "cuda", "mps"] = "auto") -> Ensemble:
    """Read the models of a run folder or a model folder.

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
        IncmaskError: an image of another shape or number of channels, or with NaN or infinite values.
    """
    return list(
        ensemble.predict(
            [_network_image(image, ensemble, where=f"images[{index}]") for index, image in enumerate(images)]
        )
    )


def _network_image(image: np.ndarray, ensemble: Ensemble, *, where: str) -> np.ndarray:
    if image.ndim not in (2, 3) or image.size == 0 or image.dtype.kind not in "buif":
        raise fail(where, f"expected (H, W) or (H, W, C) numbers, got {image.dtype} {image.shape}", "convert it")
    if not np.isfinite(image).all():
        raise fail(where, "has NaN or infinite intensities", "replace them by numbers, such as 0")
    image = np.atleast_3d(image)
    if image.dtype == bool:
        image = image.astype(np.uint8) * np.uint8(255)
    about = ensemble.about
    return to_network_range(image, about.channels, intensity=about.intensity, where=where)


def default_out(data: Path, *, ending: str = "run") -> Path:
    """The folder of results of a data folder: beside it, with ``-run`` or another ending behind its name."""
    data = data.resolve()
    return data.with_name(f"{data.name}-{ending}")
