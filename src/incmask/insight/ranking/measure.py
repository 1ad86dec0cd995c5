"""What is known of each region of many images: features, disputed pixels, expected quality. A pass over the images."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from incmask.base.config import Settings
from incmask.base.described import callable_by_job
from incmask.base.device import resolve_device
from incmask.base.npy_rows import Rows, new_rows
from incmask.base.progress import Report, ignore
from incmask.data.dataset import Scheme
from incmask.data.images.tiles import Window, cut, scale_label
from incmask.data.volumes.grid import Grid, VolumeFormat
from incmask.data.volumes.patches import label_patches
from incmask.experiment.record.images import PredictedMask, StackImage, read_mask
from incmask.insight.ranking.features import RegionMeans, bottleneck, row_chunks
from incmask.method.labels import labels_of
from incmask.method.quality import quality
from incmask.nets.spec import load_model
from incmask.training.rating import judge


@dataclass(frozen=True)
class MeasureJob:
    """Images to look at, in any process.

    Attributes:
        first: number of the first region, over all jobs.
        images: of the stack.
        stack: its ``images.npy``.
        crop_px: side of the crops; None: whole images.
        member: model file whose bottleneck gives the features.
        run: folder with the masks and disputed pixels of the images; None: there are none.
        judges: model files that rate these masks; empty: nothing rates.
        judges_blocked: they rate masks whose disputed pixels are blocked, as they learnt to.
        scheme: what the masks mean.
        settings: device and precision.
        shown: how networks see volumes; None: the images are none.
        grids: of these volumes.
    """

    first: int
    images: tuple[StackImage, ...]
    stack: Path
    crop_px: int | None
    member: Path
    run: Path | None
    judges: tuple[Path, ...]
    judges_blocked: bool
    scheme: Scheme
    settings: Settings
    shown: VolumeFormat | None = None
    grids: tuple[Grid, ...] = ()


@dataclass(frozen=True)
class InconsistentPixels:
    """What is disputed in R regions; int64.

    Attributes:
        area_px: (R,), all pixels.
        inconsistent_px: (R,), those on which the members disagree.
        object_px: (R,), those that are foreground or disputed.
        by_class: (R, K), disputed pixels by predicted class.
    """

    area_px: NDArray[np.int64]
    inconsistent_px: NDArray[np.int64]
    object_px: NDArray[np.int64]
    by_class: NDArray[np.int64]


@dataclass(frozen=True)
class Measured:
    """What is known of R regions.

    Attributes:
        first: number of the first one.
        features: float32, (R, D), in memory or on disk.
        quality: float32, (R,), expected quality of the mask, 0 to 1; None where nothing rates.
        disputed: what the members disagree on; None where there are no masks.
    """

    first: int
    features: NDArray[np.float32] | Rows
    quality: NDArray[np.float32] | None
    inconsistent: InconsistentPixels | None


@callable_by_job
def measure(job: MeasureJob, report: Report = ignore) -> Measured:
    """Look at the images of a job; what is held at a time depends on the size of an image, not on their number."""
    device = resolve_device(job.settings.device)
    member = load_model(job.member).to(device)
    judges = [load_model(path).to(device) for path in job.judges]
    stack = Rows(job.stack)
    _, height, width, _ = stack.shape
    regions = [image.regions(job.crop_px) for image in job.images]
    features = [RegionMeans(each) for each in regions]
    ratings = [RegionMeans(each) for each in regions]
    votes_of = lru_cache(maxsize=1)(lambda place: _votes(job, place))
    seen_of = lru_cache(maxsize=1)(lambda place: _as_seen(votes_of(place), job, place, (height, width)))
    for chunk in row_chunks(
        job.images, num_outputs=labels_of(job.scheme.task).num_outputs(len(job.scheme.classes)), shape=stack.shape
    ):
        pictures = stack[np.array([each.row for each in chunk])]
        for each, grid in zip(chunk, bottleneck(member, pictures, precision=job.settings.precision), strict=True):
            features[each.image].add(each.window, grid)
        if job.judges:
            seen = [seen_of(each.image)[each.row] for each in chunk]
            rated = judge(
                judges,
                pictures,
                np.stack([each.label for each in seen]),
                np.stack([each.inconsistent for each in seen]) if job.judges_blocked else None,
                task=job.scheme.task,
                num_classes=len(job.scheme.classes),
                settings=job.settings,
            )
            for each, rating in zip(chunk, quality(rated, job.scheme.task), strict=True):
                ratings[each.image].add(each.window, np.full((1, 1, 1), rating))
        report(len(chunk))
    return Measured(
        job.first,
        np.concatenate([each.means() for each in features]),
        np.concatenate([each.means() for each in ratings])[:, 0] if job.judges else None,
        None if job.run is None else _join([_count(votes_of(place), each, job) for place, each in enumerate(regions)]),
    )


def gathered(parts: Iterable[Measured], num: int, *, folder: Path) -> Measured:
    """Put what is known of some regions each together, whatever order they come in.

    Args:
        parts: one or more, all of the same run.
        num: regions of all of them.
        folder: takes the features, which of a million images take more memory than all else.
    """
    joined: Measured | None = None
    for part in parts:
        if joined is None:
            joined = _empty_like(part, num, folder)
        place = slice(part.first, part.first + len(part.features))
        assert isinstance(part.features, np.ndarray), "they come from a job"
        joined.features[place] = part.features
        if part.quality is not None and joined.quality is not None:
            joined.quality[place] = part.quality
        if part.inconsistent is not None and joined.inconsistent is not None:
            for each in fields(InconsistentPixels):
                getattr(joined.inconsistent, each.name)[place] = getattr(part.inconsistent, each.name)
    assert joined is not None, "there is a part"
    return joined


def _empty_like(part: Measured, num: int, folder: Path) -> Measured:
    def empty(values: NDArray[Any]) -> NDArray[Any]:
        return np.empty((num, *values.shape[1:]), values.dtype)

    counts = part.inconsistent
    return Measured(
        0,
        new_rows(folder / "features.npy", np.float32, (num, part.features.shape[1])),
        None if part.quality is None else empty(part.quality),
        None if counts is None else InconsistentPixels(*(empty(value) for value in vars(counts).values())),
    )


def _votes(job: MeasureJob, place: int) -> PredictedMask:
    assert job.run is not None, "without masks there is nothing to rate or count"
    image = job.images[place]
    return read_mask(job.run, image.name, job.scheme, size=(image.height, image.width))


def _count(votes: PredictedMask, regions: Sequence[Window], job: MeasureJob) -> InconsistentPixels:
    found, labels = [], labels_of(job.scheme.task)
    for region in regions:
        inside = slice(region.top, region.top + region.height), slice(region.left, region.left + region.width)
        label, inconsistent = votes.label[inside], votes.inconsistent[inside]
        objects = inconsistent | labels.foreground(label)
        by_class = [
            (labels.class_pixels(label, number) & inconsistent).sum() for number in range(len(job.scheme.classes))
        ]
        found.append((inconsistent.size, inconsistent.sum(), objects.sum(), by_class))
    return InconsistentPixels(*(np.array(each, np.int64) for each in zip(*found, strict=True)))


def _join(parts: Sequence[InconsistentPixels]) -> InconsistentPixels:
    return InconsistentPixels(
        *(np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(InconsistentPixels))
    )


def _as_seen(votes: PredictedMask, job: MeasureJob, place: int, size: tuple[int, int]) -> dict[int, PredictedMask]:
    """Tell what was voted as the rows of the stack show an image: scaled, or cut; a volume in patches."""
    image = job.images[place]
    if job.shown is not None:
        patches = (label_patches(each, job.grids[place], job.shown) for each in (votes.label, votes.inconsistent))
        return dict(zip(image.rows, map(PredictedMask, *patches), strict=True))
    if image.windows == (image.whole,) and (image.height, image.width) != size:
        scaled = scale_label(votes.label, size), scale_label(votes.inconsistent.astype(np.uint8), size) > 0
        return {image.rows[0]: PredictedMask(*scaled)}
    return {
        row: PredictedMask(cut(votes.label, window), cut(votes.inconsistent, window))
        for row, window in zip(image.rows, image.windows, strict=True)
    }
