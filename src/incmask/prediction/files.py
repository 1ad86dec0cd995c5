"""Masks, disagreement and other pictures of many image files, written at each image's own size."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from incmask.base.errors import IncmaskError, Problem
from incmask.base.progress import Report, ignore
from incmask.base.tables import csv_text
from incmask.base.threads import Behind
from incmask.data.images.big_images import ArrayRows, NetworkRows, PixelRows, open_big_image
from incmask.data.images.readers import read_network_image
from incmask.method.cells import CellChannels, cell_channels, count_cells
from incmask.prediction.ensemble import About, Ensemble, Prediction
from incmask.prediction.layers import DISAGREEMENT as DISAGREEMENT
from incmask.prediction.layers import INCONSISTENT as INCONSISTENT
from incmask.prediction.layers import MASKS as MASKS
from incmask.prediction.layers import ExtraOutputs, LayersWriter, RowsOfLayers

MASK_SHARES, CELL_COUNTS = "masks.csv", "counts.csv"

NOTHING_MORE = ExtraOutputs()
"""Mask, disputed pixels and disagreement alone."""

BYTES_AT_ONCE = 256 * 2**20
"""Decoded images held at a time, as a number of bytes of their probabilities."""

ROWS_PIXELS = 1 << 24
"""Images of so many pixels or more are predicted some rows at a time."""


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
        out: folder that the folders of pictures are made in.
        pictures: what is written.
        device: where the networks run.
        num_threads: batches of tiles that are predicted side by side.
    """

    model: Path
    files: tuple[ImageFile, ...]
    out: Path
    pictures: ExtraOutputs
    device: Literal["auto", "cpu", "cuda", "mps"]
    num_threads: int = 1


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
        height, width: in pixels.
        inconsistent_fraction: share of disputed pixels, 0 to 1.
        disagreement: mean share of members that are off the majority, 0 to 1.
        class_pixels: pixels of each class, in the order of the classes.
        num_objects: connected objects of each class, corners included; for exclusive classes without class 0.
        cells: None where no class marks positions, and for images that are predicted some rows at a time.
        files: what was written, below the output folder.
    """

    name: str
    height: int
    width: int
    inconsistent_fraction: float
    disagreement: float
    class_pixels: tuple[int, ...]
    num_objects: tuple[int, ...]
    cells: CellCounts | None = None
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Predicted:
    """What a job did: shares of the images that were written, problems of those that could not be read."""

    shares: tuple[MaskShares, ...]
    problems: tuple[Problem, ...]


def predict_files(job: PredictJob, report: Report = ignore) -> Predicted:
    """Predict the files of a job and write the pictures of each."""
    ensemble = Ensemble.load(job.model, device=job.device, num_threads=job.num_threads)
    about = ensemble.about
    shares: list[MaskShares] = []
    problems: list[Problem] = []
    batch: list[tuple[ImageFile, np.ndarray]] = []
    num_bytes = 0

    def flush() -> None:
        for (file, image), prediction in zip(batch, ensemble.predict([image for _, image in batch]), strict=True):
            size, parts = prediction.inconsistent.shape, [(image, prediction)]
            behind.put(partial(_write, job, file, about, size=size, parts=parts), num_bytes=_num_bytes(image, about))
        report(len(batch))
        batch.clear()

    # Until a file is safe on the disk takes a fifth of the networks' time, and no processor.
    with Behind[MaskShares](BYTES_AT_ONCE) as behind:
        for file in job.files:
            try:
                image = _open(file.path, about)
                if not isinstance(image, np.ndarray):
                    with closing(image):
                        size = (image.height, image.width)
                        shares.append(_write(job, file, about, size=size, parts=_parts(ensemble, image)))
                    report(1)
                    continue
            except IncmaskError as error:
                if any(problem.where != str(file.path) for problem in error.problems):
                    raise  # not of this image: the disk is full, say
                problems += error.problems
                report(1)
                continue
            batch.append((file, image))
            num_bytes += _num_bytes(image, about)
            if num_bytes > BYTES_AT_ONCE or len(batch) >= 32:
                flush()
                num_bytes = 0
        flush()
    return Predicted((*shares, *behind.results), tuple(problems))


def share_jobs(
    files: Sequence[ImageFile],
    model: Path,
    *,
    out: Path,
    device: Literal["auto", "cpu", "cuda", "mps"],
    num_jobs: int,
    pictures: ExtraOutputs = NOTHING_MORE,
    num_threads: int = 1,
) -> list[PredictJob]:
    """Share files out over at most ``num_jobs`` jobs that write to folders in ``out``."""
    return [
        PredictJob(model, tuple(files[first::num_jobs]), out, pictures, device, num_threads)
        for first in range(min(num_jobs, len(files)))
    ]


def tables(
    shares: Sequence[MaskShares],
    *,
    class_names: Sequence[str],
    position_class: str | None,
    table_name: str = MASK_SHARES,
) -> dict[str, str]:
    """Give the tables of all images by file name, the one of shares last.

    Args:
        shares: of the images.
        class_names: of the model's classes.
        position_class: the one that marks the centres of cells; with it, cells are in ``counts.csv``.
        table_name: of the table of shares.
    """
    masks = {table_name: shares_csv(shares, class_names)}
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
    """A line an image: disputed share, mean disagreement; share, area in pixels and objects of each class."""
    rows = (
        (
            share.name,
            share.height,
            share.width,
            f"{share.inconsistent_fraction:.6f}",
            f"{share.disagreement:.6f}",
            *(f"{pixels / (share.height * share.width):.6f}" for pixels in share.class_pixels),
            *share.class_pixels,
            *share.num_objects,
        )
        for share in sorted(shares, key=lambda share: share.name)
    )
    # Exclusive classes have one that is ground, without objects, and it comes first.
    num_counted = len(shares[0].num_objects) if shares else len(class_names)
    with_objects = class_names[len(class_names) - num_counted :]
    columns = [("fraction", class_names), ("area_px", class_names), ("objects", with_objects)]
    header = ("name", "height", "width", "inconsistent_fraction", "disagreement")
    return csv_text((*header, *(f"{what}/{name}" for what, names in columns for name in names)), rows)


def _open(path: Path, about: About) -> np.ndarray | PixelRows:
    """The image as the network sees it, whole or, where it is large, by rows."""
    big = open_big_image(path, at_least=ROWS_PIXELS)
    if big is not None:
        try:
            return NetworkRows(big, channels=about.channels, intensity=about.intensity, where=path)
        except IncmaskError:
            big.close()
            raise
    image = read_network_image(path, channels=about.channels, intensity=about.intensity)
    return image if image.shape[0] * image.shape[1] < ROWS_PIXELS else ArrayRows(image)


def _num_bytes(image: np.ndarray, about: About) -> int:
    """Of an image's probabilities."""
    return 4 * (len(about.classes) + 1) * image.shape[0] * image.shape[1]


def _parts(ensemble: Ensemble, rows: PixelRows) -> Iterator[tuple[np.ndarray, Prediction]]:
    for part in ensemble.predict_rows(rows):
        yield rows.read(part.first, part.first + len(part.prediction.inconsistent)), part.prediction


def _write(
    job: PredictJob,
    file: ImageFile,
    about: About,
    *,
    size: tuple[int, int],
    parts: Iterable[tuple[np.ndarray, Prediction]],
) -> MaskShares:
    """Write the pictures of an image that comes with its prediction in one or several parts, from the top."""
    channels = cell_channels([each.name for each in about.classes], about.position_class)
    cells = None
    with LayersWriter(
        job.out, file.name, size, task=about.task, classes=about.classes, pictures=job.pictures
    ) as writer:
        for image, prediction in parts:
            label = prediction.label
            writer.add(
                RowsOfLayers(image, label, prediction.inconsistent, prediction.disagreement, prediction.probability)
            )
            # Cells that lie across two parts could not be found.
            if channels is not None and label.shape[:2] == size:
                cells = _cell_counts(label, channels)
        layers = writer.finish()
    return MaskShares(
        file.name,
        *size,
        layers.inconsistent_fraction,
        layers.disagreement,
        layers.class_pixels,
        layers.num_objects,
        cells,
        layers.files,
    )


def _cell_counts(label: np.ndarray, channels: CellChannels) -> CellCounts:
    cells = count_cells(label, position=channels.position, cell_classes=channels.cell_classes)
    return CellCounts(tuple(cells.counts.tolist()), int((cells.types == -1).sum()))
