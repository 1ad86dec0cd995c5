"""Ratings of pseudo-labels, and the best of several candidates by their ratings (paper sections 2.4.5, 2.4.7)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from incmask.base.config import Settings, Task
from incmask.base.device import resolve_device
from incmask.base.npy_rows import Rows
from incmask.base.progress import Report, ignore
from incmask.method.labels import labels_of
from incmask.method.quality import mask_channels, quality, true_quality
from incmask.nets.forward import chunk_images, predict_probabilities
from incmask.nets.spec import load_model
from incmask.training.rating import judge


@dataclass(frozen=True)
class RateJob:
    """A range of pseudo-labels to rate, in any process.

    Attributes:
        judges: model files of the EvalNets; empty: the truth is known and rates.
        images, label, inconsistent: ``.npy`` of the pairs.
        truth: ``.npy`` of the true labels; None: EvalNets rate.
        first, last: rows ``first`` to ``last - 1``.
        task, num_classes: what the labels mean.
        settings: device and precision.
    """

    judges: tuple[Path, ...]
    images: Path
    label: Path
    inconsistent: Path
    truth: Path | None
    first: int
    last: int
    task: Task
    num_classes: int
    settings: Settings


@dataclass(frozen=True)
class RatedRange:
    """Ratings of the rows from ``first`` on: float, (N,), 0 to 1."""

    first: int
    quality: np.ndarray


def rate_range(job: RateJob, report: Report = ignore) -> RatedRange:
    """Rate the pairs of a range, blocked."""
    device = resolve_device(job.settings.device)
    judges = [load_model(path).to(device) for path in job.judges]
    images, labels, masks = (Rows(path) for path in (job.images, job.label, job.inconsistent))
    truths = Rows(job.truth) if job.truth else None
    ratings = []
    num = chunk_images(mask_channels(job.task, job.num_classes), images.shape)
    for first in range(job.first, job.last, num):
        rows = slice(first, min(first + num, job.last))
        label, mask = labels[rows], masks[rows]
        if truths is not None:
            ratings.append(true_quality(label, truths[rows], mask, task=job.task, num_classes=job.num_classes))
        else:
            outputs = judge(
                judges,
                images[rows],
                label,
                mask,
                task=job.task,
                num_classes=job.num_classes,
                settings=job.settings,
            )
            ratings.append(quality(outputs, job.task))
        report(len(label))
    return RatedRange(job.first, np.concatenate(ratings))


@dataclass(frozen=True)
class CandidateJob:
    """A range of images for each of which the best of several masks is sought, in any process.

    Attributes:
        teachers: model files, each of which proposes a mask.
        judges: model files of the EvalNets.
        images: ``.npy``, uint8, (N, H, W, C).
        label: ``.npy`` that is there already, with the masks accepted so far, and takes the better ones.
        quality: ratings of the masks accepted so far, for the rows from ``first`` to ``last - 1``; -1 without.
        first, last: rows ``first`` to ``last - 1``.
        task, num_classes: what the models predict.
        settings: device and precision.
    """

    teachers: tuple[Path, ...]
    judges: tuple[Path, ...]
    images: Path
    label: Path
    quality: np.ndarray
    first: int
    last: int
    task: Task
    num_classes: int
    settings: Settings


def choose_range(job: CandidateJob, report: Report = ignore) -> RatedRange:
    """Put the best mask of each image of a range into ``job.label`` and give its rating.

    A mask that was accepted before stays unless a better one comes.
    """
    device = resolve_device(job.settings.device)
    teachers, judges = ([load_model(path).to(device) for path in paths] for paths in (job.teachers, job.judges))
    images, labels = Rows(job.images), Rows(job.label)
    best = job.quality.astype(float).copy()
    num = chunk_images(mask_channels(job.task, job.num_classes), images.shape)
    for first in range(job.first, job.last, num):
        rows = slice(first, min(first + num, job.last))
        of_job = slice(rows.start - job.first, rows.stop - job.first)
        ratings = best[of_job]
        chosen = labels[rows]
        for teacher in teachers:
            (member,) = predict_probabilities([teacher], images[rows], task=job.task, precision=job.settings.precision)
            label = labels_of(job.task).decode(member)
            outputs = judge(
                judges,
                images[rows],
                label,
                None,
                task=job.task,
                num_classes=job.num_classes,
                settings=job.settings,
            )
            rating = quality(outputs, job.task)
            better = rating > ratings
            ratings, chosen[better] = np.where(better, rating, ratings), label[better]
        labels[rows], best[of_job] = chosen, ratings
        report(len(ratings))
    return RatedRange(job.first, best)
