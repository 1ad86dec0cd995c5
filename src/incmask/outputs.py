"""Masks and doubtful pixels of many image files, written at each image's own size."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from incmask.cells import CellChannels, cell_channels, count_cells
from incmask.data.readers import read_network_image
from incmask.data.writers import path_inside, write_grey, write_label
from incmask.ensemble import Ensemble
from incmask.errors import IncmaskError, Problem
from incmask.files import csv_text
from incmask.progress import Report, ignore

MASKS, DISAGREEMENT = "masks", "disagreement"
MASK_SHARES, CELL_COUNTS = "masks.csv", "counts.csv"

BYTES_AT_ONCE = 256 * 2**20
"""Decoded images held at a time, as a number of bytes of their probabilities."""


@dataclass(frozen=True)
class ImageFile:
    """An image to predict.

    Attributes:
        name: its path below the output folder, without ending.
        path: the file.
    """

    name: str
    path: Path


@dataclass(frozen=True)
class PredictJob:
    """Files to predict, in any process.

    Attributes:
        model: a model folder.
        files: the images.
        masks, disagreement: folders that the masks and the disputed pixels go into.
        device: where the networks run.
    """

    model: Path
    files: tuple[ImageFile, ...]
    masks: Path
    disagreement: Path
    device: Literal["auto", "cpu", "cuda", "mps"]


@dataclass(frozen=True)
class CellCounts:
    """The cells of an image.

    Attributes:
        of_types: cells of each type, in the order of the classes without the one that marks positions.
        unclear: cells of which no type prevails.
    """

    of_types: tuple[int, ...]
    unclear: int


@dataclass(frozen=True)
class MaskShares:
    """What was found in an image.

    Attributes:
        name: of the image.
        inconsistent_fraction: share of disputed pixels, 0 to 1.
        class_fractions: share of pixels of each class, in the order of the classes.
        cells: None where no class marks positions.
    """

    name: str
    inconsistent_fraction: float
    class_fractions: tuple[float, ...]
    cells: CellCounts | None = None


@dataclass(frozen=True)
class Predicted:
    """What a job did: shares of the images that were written, problems of those that could not be read."""

    shares: tuple[MaskShares, ...]
    problems: tuple[Problem, ...]


def predict_files(job: PredictJob, report: Report = ignore) -> Predicted:
    """Predict the files of a job and write a mask and a disagreement map for each."""
    ensemble = Ensemble.load(job.model, device=job.device)
    about = ensemble.about
    channels = cell_channels([each.name for each in about.classes], about.position_class)
    shares: list[MaskShares] = []
    problems: list[Problem] = []
    batch: list[tuple[ImageFile, np.ndarray]] = []

    def flush() -> None:
        for (file, _), prediction in zip(batch, ensemble.predict([image for _, image in batch]), strict=True):
            write_label(job.masks, file.name, prediction.label, task=about.task, classes=about.classes)
            write_grey(path_inside(job.disagreement, file.name), prediction.inconsistent.astype(np.uint8) * 255)
            shares.append(
                MaskShares(
                    file.name,
                    float(prediction.inconsistent.mean()),
                    _class_fractions(prediction.label, len(about.classes)),
                    None if channels is None else _cell_counts(prediction.label, channels),
                )
            )
        report(len(batch))
        batch.clear()

    num_bytes = 0
    for file in job.files:
        try:
            image = read_network_image(file.path, channels=about.channels, intensity=about.intensity)
        except IncmaskError as error:
            problems += error.problems
            report(1)
            continue
        batch.append((file, image))
        num_bytes += image.shape[0] * image.shape[1] * 4 * (len(about.classes) + 1)
        if num_bytes > BYTES_AT_ONCE or len(batch) >= 32:
            flush()
            num_bytes = 0
    flush()
    return Predicted(tuple(shares), tuple(problems))


def share_jobs(
    files: Sequence[ImageFile],
    model: Path,
    *,
    out: Path,
    device: Literal["auto", "cpu", "cuda", "mps"],
    num_jobs: int,
) -> list[PredictJob]:
    """Share files out over at most ``num_jobs`` jobs that write to ``out/masks`` and ``out/disagreement``."""
    return [
        PredictJob(model, tuple(files[first::num_jobs]), out / MASKS, out / DISAGREEMENT, device)
        for first in range(min(num_jobs, len(files)))
    ]


def tables(shares: Sequence[MaskShares], *, class_names: Sequence[str], position_class: str | None) -> dict[str, str]:
    """Give the tables of all images by file name, ``masks.csv`` last.

    Args:
        shares: of the images.
        class_names: of the model's classes.
        position_class: the one that marks the centres of cells; with it, cells are in ``counts.csv``.
    """
    masks = {MASK_SHARES: shares_csv(shares, class_names)}
    channels = cell_channels(class_names, position_class)
    if channels is None:
        return masks
    return {CELL_COUNTS: counts_csv(shares, [class_names[index] for index in channels.cell_classes])} | masks


def counts_csv(shares: Sequence[MaskShares], type_names: Sequence[str]) -> str:
    """A line an image: how many cells there are of each type, and how many of no clear one."""
    rows = (
        (share.name, *share.cells.of_types, share.cells.unclear)
        for share in sorted(shares, key=lambda share: share.name)
        if share.cells is not None
    )
    return csv_text(("name", *(f"count/{name}" for name in type_names), "unclear"), rows)


def shares_csv(shares: Sequence[MaskShares], class_names: Sequence[str]) -> str:
    """A line an image: disputed share, and the share of each class."""
    rows = (
        (share.name, *(f"{number:.6f}" for number in (share.inconsistent_fraction, *share.class_fractions)))
        for share in sorted(shares, key=lambda share: share.name)
    )
    return csv_text(("name", "inconsistent_fraction", *(f"fraction/{name}" for name in class_names)), rows)


def _class_fractions(label: np.ndarray, num_classes: int) -> tuple[float, ...]:
    if label.ndim == 3:
        return tuple(label.mean((0, 1)).tolist())
    if num_classes == 1:
        return (float(label.mean()),)
    return tuple((np.bincount(label.ravel(), minlength=num_classes) / label.size).tolist())


def _cell_counts(label: np.ndarray, channels: CellChannels) -> CellCounts:
    cells = count_cells(label, position=channels.position, cell_classes=channels.cell_classes)
    return CellCounts(tuple(cells.counts.tolist()), int((cells.types == -1).sum()))
