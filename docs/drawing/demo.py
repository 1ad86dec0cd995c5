"""The picture of what ``incmask demo`` comes to."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from drawing.canvas import BLUE, GREY, ORANGE, drawing, paint, show, write_picture
from PIL import Image

import incmask
from incmask.base.progress import Silent
from incmask.commands.demo import NUM_TEST, Demo, run_demo
from incmask.experiment.executor import Executor
from incmask.experiment.outcome_text import ensemble_score
from incmask.insight.report.picture import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NUM_SHOWN = 4
_NAMES = {
    "ldt": "labels alone",
    "strong-ldt": "labels alone, augmented",
    "me": "unlabelled images, all pixels",
    "im": "unlabelled images, without\ndisputed pixels (incmask)",
    "fdt": "all true masks",
}


@dataclass(frozen=True)
class Photo:
    """A photograph of the test part, (H, W, 3), its true mask, and what two approaches make of it, (H, W)."""

    image: np.ndarray
    truth: np.ndarray
    alone: np.ndarray
    found: incmask.Prediction


def draw_demo(folder: Path, *, demo: Path) -> Path:
    """Draw the first test photographs and all scores of ``demo``, which goes on or is only read if it has ended."""
    done = run_demo(demo, executor=Executor(), progress=Silent())
    scores = {name: ensemble_score(outcome, stage.name).score for name, (outcome, stage) in done.lines().items()}
    picture = drawing(
        partial(_draw, _photos(done), scores),
        name="demo",
        alt="Four photographs of leaves, their true masks, those of models trained on five labels alone and of models "
        "trained on unlabelled images, too; and the scores of five approaches.",
    )
    return write_picture(folder, picture)


def _photos(done: Demo) -> list[Photo]:
    paths = sorted((done.root / "data" / "test" / "images").glob("*.png"))[:NUM_SHOWN]
    images = [np.asarray(Image.open(path)) for path in paths]
    truths = [np.asarray(Image.open(path.parents[1] / "masks" / path.name)) > 0 for path in paths]
    alone, found = (incmask.load(done.root / name).predict(images) for name in ("ldt", "im"))
    return [Photo(*each) for each in zip(images, truths, [each.label for each in alone], found, strict=True)]


def _draw(photos: Sequence[Photo], scores: dict[str, float]) -> "Figure":
    figure = new_figure(width_in=9.6, height_in=4.3)
    left, right = figure.subfigures(1, 2, width_ratios=(5, 4))
    for place, (line, photo) in enumerate(zip(left.subplots(len(photos), 5), photos, strict=True)):
        panels = {
            "photograph": photo.image,
            "true mask": paint((photo.truth, "#FFFFFF")),
            "labels alone": paint((photo.alone, "#FFFFFF")),
            "incmask": paint((photo.found.label, "#FFFFFF")),
            "disputed": paint((photo.found.inconsistent, ORANGE)),
        }
        for axes, (title, pixels) in zip(line, panels.items(), strict=True):
            show(axes, pixels, "" if place else title)
    _draw_scores(right.subplots(), scores)
    return figure


def _draw_scores(axes: "Axes", scores: dict[str, float]) -> None:
    names = list(scores)[::-1]
    colours = [BLUE if name == "im" else "#B5B5B5" for name in names]
    bars = axes.barh([_NAMES[name] for name in names], [scores[name] for name in names], color=colours)
    axes.bar_label(bars, fmt="%.2f", padding=3, fontsize=9)
    axes.set_xlim(0, 1)
    axes.set_xlabel(f"IoU, mean over {NUM_TEST} test photographs", fontsize=9)
    axes.tick_params(labelsize=9)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.spines["left"].set_color(GREY)
