"""Pictures of what runs on made-up images come to; this trains, for some minutes."""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from drawing.canvas import GREY, ORANGE, drawing, grey, show, write_picture

import incmask
from incmask.base.config import Task
from incmask.base.local_pool import LocalPool
from incmask.data.dataset import ClassInfo
from incmask.data.synthetic import make_fields, write_dataset
from incmask.experiment.record.run import read_run
from incmask.experiment.record.stages import ENSEMBLE
from incmask.insight.ranking.rank import rank_run
from incmask.insight.ranking.rows import RankedRow
from incmask.insight.reliability.measure import write_reliability
from incmask.insight.report.page import Figures
from incmask.insight.report.picture import Drawing, new_figure
from incmask.insight.report.run_page.course import course_blocks
from incmask.insight.report.run_page.reliability import reliability_blocks
from incmask.prediction.overlays import draw_overlay

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZE = (64, 64)
NUM_LABELLED, NUM_UNLABELLED, NUM_VAL, NUM_TEST = 80, 120, 30, 40
SETTINGS: dict[str, object] = {
    "num_base": 3,
    "num_students": 3,
    "num_members": 3,
    "epochs": 6,
    "steps_per_epoch": 100,
    "batch_size": 8,
    "width": 0.25,
    "width_step": 0.125,
    "erode_px": 3,
    "labelled_share": 0.5,
}
_SEED, _CROP_PX, _NUM_CROPS = 7, 32, 6
_NUM_GENERATIONS: dict[Task, int] = {"binary": 1, "multiclass": 1, "multilabel": 2}
_SHOWN = (0.0, 0.35, 0.7)
"""Which images: places in the order from most to least disputed, 0 to 1; no others were looked at first."""
_FIGURES = ("scores-by-step", "disputed-by-generation", "classes-by-generation", "error-vs-disagreement")
"""Of the report."""


@dataclass(frozen=True)
class Shown:
    """An image and what the handed-over models make of it.

    Attributes:
        image: uint8, (H, W, 1).
        truth: as the task has labels.
        prediction: label, disputed pixels and disagreement.
    """

    image: np.ndarray
    truth: np.ndarray
    prediction: incmask.Prediction


def draw_gallery(folder: Path, *, runs: Path) -> Iterator[Path]:
    """Train a small run for each task and draw its results.

    Args:
        folder: of the pictures.
        runs: folder of data and runs; a run that is there goes on, or is only drawn if it has ended.

    Yields:
        The files.
    """
    for task in _NUM_GENERATIONS:
        result = _train(runs / task, task)
        yield write_picture(folder, _results(result, task))
    # Of the last one, which is like the data that the method was made for.
    for picture in (_ranking(result.folder), *_report_figures(result.folder)):
        yield write_picture(folder, picture)


def _train(folder: Path, task: Task) -> incmask.Result:
    if not (folder / "data" / "incmask.toml").exists():
        write_dataset(
            folder / "data",
            num_labelled=NUM_LABELLED,
            num_unlabelled=NUM_UNLABELLED,
            num_val=NUM_VAL,
            num_test=NUM_TEST,
            seed=_SEED,
            size=SIZE,
            task=task,
        )
    settings = SETTINGS | {"num_generations": _NUM_GENERATIONS[task]}
    return incmask.run(folder / "data", out=folder / "run", recipe="im+", settings=settings, progress=True)


def _results(result: incmask.Result, task: Task) -> Drawing:
    fields = make_fields(NUM_LABELLED + NUM_UNLABELLED, seed=_SEED, size=SIZE, task=task)
    images, truth = fields.images[NUM_LABELLED:], fields.labels[NUM_LABELLED:]
    predictions = result.predict(list(images))
    order = np.argsort([-found.inconsistent.mean() for found in predictions], kind="stable")
    rows = [int(order[round(place * (len(order) - 1))]) for place in _SHOWN]
    shown = [Shown(images[row], truth[row], predictions[row]) for row in rows]
    return drawing(
        partial(_draw_results, shown, task, result.ensemble.about.classes, told=_told(result, task)),
        name=f"results-{task}",
        alt=f"Three made-up fields, task {task}: image, true mask, the models' mask, disputed pixels, disagreement, "
        "and the outlines and disputed pixels over the image.",
    )


def _told(result: incmask.Result, task: Task) -> str:
    """Say how good the models are, so that nobody takes the best picture for the rule."""
    scored = result.record.score_of(result.chosen, ENSEMBLE, "test")
    assert scored is not None, "there are test images"
    stage = result.chosen
    models = f"models of generation {stage.removeprefix('gen-')}" if stage.startswith("gen-") else "base models"
    return f"{task}: {result.record.scoring.full_name} {scored.score:.2f}, mean over {NUM_TEST} test images, {models}"


def _draw_results(shown: Sequence[Shown], task: Task, classes: Sequence[ClassInfo], *, told: str) -> "Figure":
    from matplotlib.patches import Patch

    figure = new_figure(width_in=8.6, height_in=1.62 * len(shown) + 0.6)
    grid = figure.subplots(len(shown), 6)
    for place, (line, one) in enumerate(zip(grid, shown, strict=True)):
        found = one.prediction
        overlay = draw_overlay(one.image, found.label, found.inconsistent, task=task, classes=classes)
        panels = {
            "image": grey(one.image),
            "true mask": _coloured(one.truth, task, classes),
            "mask": _coloured(found.label, task, classes),
            "inconsistent": grey(found.inconsistent.astype(np.uint8) * np.uint8(255)),
            "disagreement": grey(np.rint(255 * found.disagreement).astype(np.uint8)),
            "overlay": overlay,
        }
        for axes, (title, pixels) in zip(line, panels.items(), strict=True):
            show(axes, pixels, "" if place else title)
    figure.suptitle(told, fontsize=9)
    named = [info for info in classes if info.colour != (0, 0, 0)]
    handles = [Patch(facecolor=f"#{bytes(info.colour).hex()}", edgecolor=GREY, label=info.name) for info in named]
    handles.append(Patch(facecolor="#FF00FF", label="disputed (overlay)"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
    return figure


def _coloured(label: np.ndarray, task: Task, classes: Sequence[ClassInfo]) -> np.ndarray:
    drawn = np.zeros((*label.shape[:2], 3), np.uint8)
    for place, info in enumerate(classes):
        mask = label[..., place] if task == "multilabel" else label == place + (task == "binary")
        drawn[mask.astype(bool)] = info.colour
    return drawn


def _ranking(run: Path) -> Drawing:
    rows = rank_run(run, open_pool=LocalPool, crop_px=_CROP_PX, top=_NUM_CROPS).rows
    fields = make_fields(NUM_LABELLED + NUM_UNLABELLED, seed=_SEED, size=SIZE)
    images = {f"field_{row:05d}": image for row, image in enumerate(fields.images)}
    return drawing(
        partial(_draw_ranking, rows, images),
        name="ranking",
        alt=f"The {len(rows)} first crops of a ranking, framed in their images, with the reason.",
    )


def _draw_ranking(rows: Sequence[RankedRow], images: dict[str, np.ndarray]) -> "Figure":
    from matplotlib.patches import Rectangle

    figure = new_figure(width_in=8.4, height_in=7.2)
    for axes, row in zip(figure.subplots(2, len(rows) // 2).flat, rows, strict=True):
        show(axes, grey(images[Path(row.name).stem]), f"{row.rank}. {row.name}")
        assert row.crop is not None
        corner = (row.crop.left - 0.5, row.crop.top - 0.5)
        width, height = row.crop.width, row.crop.height
        axes.add_patch(Rectangle(corner, width, height, facecolor="none", linewidth=2.5, edgecolor=ORANGE))
        axes.set_xlabel(textwrap.fill(row.reason, 40), fontsize=8)
    return figure


def _report_figures(run: Path) -> list[Drawing]:
    write_reliability(run, open_pool=LocalPool)
    record = read_run(run)
    blocks = [*course_blocks(record), *reliability_blocks(record)]
    found = [picture for block in blocks if isinstance(block, Figures) for picture in block.pictures]
    return [picture for picture in found if picture.name in _FIGURES]
