"""Pseudo-labels against the truth: errors, masks and class frequencies (paper sections 3.6, 3.11, figure 9)."""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from incmask.base.config import IGNORED, Task
from incmask.base.described import callable_by_job
from incmask.base.npy_rows import Rows
from incmask.base.progress import Report, ignore
from incmask.experiment.paths import INCONSISTENT, INDEX, LABEL
from incmask.experiment.pseudo_labels import read_pseudo_labels
from incmask.insight.report.comparison_page.rows import MASK_CLASS, DataFrequencyRow, FrequencyRow, PseudoRow, Variant
from incmask.method.blocking import block_label
from incmask.method.labels import labels_of
from incmask.method.metrics import count
from incmask.method.scoring import Scoring

_CHUNK = 32


@dataclass(frozen=True)
class PseudoJob:
    """The pseudo-labels of a generation to compare with the truth, in any process.

    Attributes:
        variant, generation: whose they are.
        folder: holds them.
        names: of the images.
        truth: ``.npy``, uint8, (N, H, W) or (N, H, W, K).
        scoring: what the labels mean, and how they are scored.
        class_names: of the classes.
        blocked: whether disputed pixels are masked in the label.
        num_plain: how often an admitted pair is used as it is, beside its augmented copies.
    """

    variant: Variant
    generation: int
    folder: Path
    names: tuple[str, ...]
    truth: Path
    scoring: Scoring
    class_names: tuple[str, ...]
    blocked: bool
    num_plain: int = 0


@dataclass(frozen=True)
class PseudoFacts:
    """Rows of a generation."""

    pairs: tuple[PseudoRow, ...]
    frequencies: tuple[FrequencyRow, ...]


@callable_by_job
def compare_with_truth(job: PseudoJob, report: Report = ignore) -> PseudoFacts:
    """Measure every pseudo-label, and count classes over all of them."""
    known = read_pseudo_labels(job.folder / INDEX)
    labels, masks, truths = (Rows(path) for path in (job.folder / LABEL, job.folder / INCONSISTENT, job.truth))
    errors, scores = [], []
    pixels = np.zeros((2, len(job.class_names)))
    num_pixels = num_masked = 0
    for first in range(0, len(labels), _CHUNK):
        rows = slice(first, first + _CHUNK)
        label, truth = labels[rows], truths[rows]
        mask = masks[rows] if job.blocked else np.zeros(label.shape[:3], bool)
        errors += _error_fractions(label, truth, mask).tolist()
        scores += _scores(label, truth, mask, job).tolist()
        task, num_classes = job.scoring.task, len(job.class_names)
        pixels += [_class_pixels(label, task, num_classes, mask), _class_pixels(truth, task, num_classes)]
        num_pixels, num_masked = num_pixels + mask.size, num_masked + int(mask.sum())
        report(len(label))
    pairs = tuple(
        PseudoRow(
            **asdict(job.variant),
            generation=job.generation,
            name=name,
            used=bool(known.admitted[row]),
            copies=job.num_plain + int(known.copies[row]) if known.admitted[row] else 0,
            inconsistent_fraction=float(known.inconsistent_fraction[row]) if job.blocked else 0.0,
            error_fraction=errors[row],
            iou=scores[row],
            quality=None if known.quality is None else float(known.quality[row]),
        )
        for row, name in enumerate(job.names)
    )
    shares = [
        *zip(job.class_names, *(pixels / num_pixels).tolist(), strict=True),
        *([(MASK_CLASS, num_masked / num_pixels, 0.0)] if job.blocked else []),
    ]
    frequencies = tuple(
        FrequencyRow(
            **asdict(job.variant),
            generation=job.generation,
            class_name=name,
            pseudo_fraction=pseudo,
            true_fraction=true,
        )
        for name, pseudo, true in shares
    )
    return PseudoFacts(pairs, frequencies)


@dataclass(frozen=True)
class TruthJob:
    """True masks whose classes are counted, in any process.

    Attributes:
        labelled, unlabelled: ``.npy``, uint8, (N, H, W) or (N, H, W, K).
        task, class_names: what the labels mean.
    """

    labelled: Path
    unlabelled: Path
    task: Task
    class_names: tuple[str, ...]


@callable_by_job
def count_classes(job: TruthJob, report: Report = ignore) -> tuple[DataFrequencyRow, ...]:
    """Tell how frequent each class is in the labelled images, and in all images."""
    pixels, num_pixels = np.zeros((2, len(job.class_names))), np.zeros((2, 1))
    for place, truths in enumerate((Rows(job.labelled), Rows(job.unlabelled))):
        for first in range(0, len(truths), _CHUNK):
            truth = truths[first : first + _CHUNK]
            pixels[place] += _class_pixels(truth, job.task, len(job.class_names))
            num_pixels[place] += np.prod(labels_of(job.task).pixels(truth.shape))
            report(len(truth))
    labelled, full = pixels[0] / num_pixels[0], pixels.sum(0) / num_pixels.sum(0)
    return tuple(map(DataFrequencyRow, job.class_names, labelled.tolist(), full.tolist()))


def _error_fractions(label: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Give the share of wrong pixels among those neither masked nor without a true label: (N,), 0 where there is none.

    A multilabel pixel is wrong if any of its channels is.
    """
    wrong, unknown = label != truth, truth == IGNORED
    if label.ndim == 4:
        wrong, unknown = (wrong & ~unknown).any(-1), unknown.all(-1)
    counts = ~mask & ~unknown
    return (wrong & counts).sum((1, 2)) / np.maximum(counts.sum((1, 2)), 1)


def _scores(label: np.ndarray, truth: np.ndarray, mask: np.ndarray, job: PseudoJob) -> np.ndarray:
    """Main score of the label as students see it: a masked pixel is background, or no class."""
    exclusive = labels_of(job.scoring.task).is_exclusive
    blocked = np.where(mask, IGNORED, label) if exclusive else block_label(label, mask, task=job.scoring.task)
    counts = count(blocked, truth, task=job.scoring.task, num_classes=len(job.class_names))
    return job.scoring.by_image(counts)


def _class_pixels(label: np.ndarray, task: Task, num_classes: int, mask: np.ndarray | None = None) -> np.ndarray:
    """Count the pixels of each class, outside the mask where there is one."""
    found = (labels_of(task).class_pixels(label, number) for number in range(num_classes))
    return np.array([(each if mask is None else each & ~mask).sum() for each in found])
