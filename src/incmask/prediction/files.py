"""Masks, disagreement and other pictures of many image files, written at each image's own size."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np

from incmask.base.described import callable_by_job
from incmask.base.errors import IncmaskError, Problem, fail
from incmask.base.progress import Report, ignore
from incmask.base.shards import Keep, Shard, ShardWriter
from incmask.base.threads import Behind
from incmask.base.words import ShortRepr
from incmask.data.images.big_images import ArrayRows, NetworkRows, PixelRows, open_big_image
from incmask.data.images.decode import decode, read_bytes
from incmask.data.images.files import read_raster
from incmask.data.images.readers import network_image, read_network_image
from incmask.data.volumes.write import VolumeFile
from incmask.method.cells import count_cells
from incmask.method.instances import ObjectChannels, object_channels
from incmask.prediction.ensemble import About, Ensemble, Prediction
from incmask.prediction.given import check_is_signal
from incmask.prediction.layers import ExtraOutputs, LayersWriter
from incmask.prediction.shares import CellCounts, MaskShares
from incmask.prediction.value_layers import ValuesWriter

NOTHING_MORE = ExtraOutputs()
"""Mask, disputed pixels and disagreement alone."""

BYTES_AT_ONCE = 256 * 2**20
"""Decoded images held at a time, as a number of bytes of their probabilities."""

ROWS_PIXELS = 1 << 24
"""Images of so many pixels or more are predicted some rows at a time."""


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An image to predict.

    Attributes:
        name: its path below the output folder, without ending.
        path: the file.
        more: files of its further channels, where each has one of its own.
    """

    name: str
    path: Path
    more: tuple[Path, ...] = ()

    @property
    def paths(self) -> tuple[Path, ...]:
        """All of its files."""
        return (self.path, *self.more)


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
        shard: of archives that take the pictures, where the files are all that it has; "": each lies for itself.
        amends: the archives keep what they hold of other images.
    """

    model: Path
    files: tuple[ImageFile, ...]
    out: Path
    pictures: ExtraOutputs = NOTHING_MORE
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    num_threads: int = 1
    shard: str = ""
    amends: bool = False

    def in_shards(self, shards: Sequence[Shard]) -> "list[PredictJob]":
        """Share the files out, a shard a job; ``shards`` are those of all their names."""
        files = iter(sorted(self.files, key=lambda file: file.name))
        return [replace(self, shard=each.shard, files=tuple(islice(files, each.images))) for each in shards]

    def share_out(self, num_jobs: int) -> "list[PredictJob]":
        """Share the files out over at most so many jobs."""
        return [replace(self, files=self.files[first::num_jobs]) for first in range(min(num_jobs, len(self.files)))]


@dataclass(frozen=True, repr=False)
class Predicted(ShortRepr):
    """What came of images.

    Attributes:
        shares: what was found in each image that was predicted now.
        problems: of images that could not be read.
        num_unchanged: images that had been predicted before, with the same model and options.
        notes: what a person should be told.
        archives: that hold the pictures, below the output folder.
    """

    shares: tuple[MaskShares, ...]
    problems: tuple[Problem, ...]
    num_unchanged: int = 0
    notes: tuple[str, ...] = ()
    archives: tuple[str, ...] = ()


@callable_by_job
def predict_files(job: PredictJob, report: Report = ignore) -> Predicted:
    """Predict the files of a job and write the pictures of each."""
    ensemble = Ensemble.load(job.model, device=job.device, num_threads=job.num_threads)
    about = ensemble.about
    shares: list[MaskShares] = []
    problems: list[Problem] = []
    batch: list[tuple[ImageFile, np.ndarray]] = []
    num_bytes = 0

    def flush() -> None:
        for (file, image), prediction in zip(batch, ensemble.predict_each([image for _, image in batch]), strict=True):
            size, parts = prediction.inconsistent.shape, [(image, prediction)]
            work = partial(_write, job, file, about, size=size, parts=parts, keep=keep)
            # Archives take one file after the other, and wait for the disk once.
            shares.append(work()) if keep else behind.put(work, num_bytes=_num_bytes(image, about))
        report(len(batch))
        batch.clear()

    # Until a file is safe on the disk takes a fifth of the networks' time, and no processor.
    with ExitStack() as stack, Behind[MaskShares](BYTES_AT_ONCE) as behind:
        archives = stack.enter_context(ShardWriter(job.out, job.shard, amends=job.amends)) if job.shard else None
        keep = archives.keep if archives else None
        for file in job.files:
            try:
                if about.volumes is not None:
                    shares.append(_write_volume(job, file, ensemble))
                    report(1)
                    continue
                image = _open(file, about)
                if not isinstance(image, np.ndarray):
                    with closing(image):
                        size = (image.height, image.width)
                        shares.append(_write(job, file, about, size=size, parts=_parts(ensemble, image), keep=keep))
                    report(1)
                    continue
            except IncmaskError as error:
                if any(problem.where not in map(str, file.paths) for problem in error.problems):
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
    written = tuple(path.relative_to(job.out).as_posix() for path in archives.paths) if archives else ()
    if written:
        inside = tuple(f"{archive}/" for archive in written)
        shares = [replace(each, files=tuple(f for f in each.files if not f.startswith(inside))) for each in shares]
    return Predicted((*shares, *behind.results), tuple(problems), archives=written)


def _open(file: ImageFile, about: About) -> np.ndarray | PixelRows:
    """Give the image as the network sees it, whole or, where it is large, by rows."""
    if file.more:
        return _by_rows_if_large(_joined(file, about))
    path = file.path
    big = open_big_image(path, at_least=ROWS_PIXELS, channels=about.channels)
    if big is not None:
        try:
            return NetworkRows(big, channels=about.channels, intensity=about.intensity, where=path)
        except IncmaskError:
            big.close()
            raise
    raster = decode(path, read_bytes(path))
    image = network_image(path, raster, channels=about.channels, intensity=about.intensity)
    if about.is_of_signals:
        check_is_signal(path, image)
    return _by_rows_if_large(image)


def _write_volume(job: PredictJob, file: ImageFile, ensemble: Ensemble) -> MaskShares:
    """Predict a volume and write what there is of it in its own grid."""
    raster, about = read_raster(file.path), ensemble.about
    if raster.grid is None:
        raise fail(file.path, "is an image, and the models are of volumes", "name volumes, or models of images")
    sheet = network_image(file.path, raster, channels=about.channels, intensity=about.intensity)
    prediction = ensemble.predict_sheet(sheet, raster.grid, where=file.path)
    volume = VolumeFile(file.path, raster.grid)
    return _write(job, file, about, size=sheet.shape[:2], parts=[(sheet, prediction)], volume=volume)


def _joined(file: ImageFile, about: About) -> np.ndarray:
    """Read an image of a file a channel: (H, W, C) uint8."""
    planes = [read_network_image(path, channels=1, intensity=about.intensity) for path in file.paths]
    for path, plane in zip(file.paths, planes, strict=True):
        if plane.shape != planes[0].shape:
            what = f"has {_size(plane)} pixels where the first channel has {_size(planes[0])}"
            raise fail(path, what, "export the channels at one size")
    return np.concatenate(planes, axis=2)


def _size(image: np.ndarray) -> str:
    return f"{image.shape[1]}×{image.shape[0]}"


def _by_rows_if_large(image: np.ndarray) -> np.ndarray | PixelRows:
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
    volume: VolumeFile | None = None,
    keep: Keep | None = None,
) -> MaskShares:
    """Write the pictures of an image that comes with its prediction in one or several parts, from the top."""
    if about.values is not None:
        target, pictures = about.values.target, job.pictures
        with ValuesWriter(
            job.out, file.name, size, target=target, pictures=pictures, keep=keep, volume=volume
        ) as values:
            for image, prediction in parts:
                values.add(image, prediction)
            return values.finish()
    channels = object_channels([each.name for each in about.classes], about.position_class)
    cells = None
    with LayersWriter(
        job.out,
        file.name,
        size,
        task=about.task,
        classes=about.classes,
        pictures=job.pictures,
        position_class=about.position_class,
        volume=volume,
        keep=keep,
    ) as writer:
        for image, prediction in parts:
            writer.add(image, prediction)
            # Cells that lie across two parts could not be found.
            if channels is not None and prediction.label.shape[:2] == size:
                cells = _cell_counts(prediction.label, channels)
        return replace(writer.finish(), cells=cells)


def _cell_counts(label: np.ndarray, channels: ObjectChannels) -> CellCounts:
    cells = count_cells(label, position=channels.centre, cell_classes=channels.bodies)
    return CellCounts(tuple(cells.counts.tolist()), int((cells.types == -1).sum()))
