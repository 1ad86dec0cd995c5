"""A range of unlabelled images labelled in a worker process, whatever the labeller is, and rated where it counts."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from incmask.base.config import Settings, Task
from incmask.base.described import callable_by_job
from incmask.base.device import device_of
from incmask.base.npy_rows import Rows
from incmask.base.progress import Report, ignore
from incmask.experiment.pseudo_labels import REASON, PseudoLabels, join
from incmask.method.augment import Strength
from incmask.method.blocking import admitted, foreground_fraction, why_left_out
from incmask.method.detail import without_details
from incmask.method.labelling import Labelled, Unlabelled
from incmask.method.labels import labels_of
from incmask.method.quality import quality, true_quality
from incmask.method.recipe import Recipe
from incmask.nets.forward import chunk_images, predict_probabilities
from incmask.nets.spec import load_model
from incmask.training.rating import judge


@dataclass(frozen=True)
class LabelJob:
    """A range of images to label, in any process.

    Attributes:
        recipe: says how. Without its blocking there is nothing to outnumber, thin or widen: every pair is used as it
            is.
        teachers: model files.
        judges: model files of the EvalNets; empty where nobody asks them.
        images: ``.npy``, uint8, (N, H, W, C).
        truth: ``.npy`` of the true labels; None: they are unknown, or none of the recipe's business.
        label, inconsistent: ``.npy`` that are there already and whose rows are filled in.
        first, last: rows ``first`` to ``last - 1``.
        task, num_classes: what the models predict.
        settings: of the run.
        strength, seed: of changed views.
        before: ``.npy`` with the labels of the generation before; None: there are none to keep.
        quality: ratings of those of them that were accepted, for the rows of the range; -1 for the others.
        position: channel that marks the places of cells, which are drawn anew; None: they are left as they are.
        depth: slices of each image, where they are sheets of volumes; None: they are images.
        detail_px: side of the square whose details labels lack; 0: they have all.
    """

    recipe: Recipe
    teachers: tuple[Path, ...]
    judges: tuple[Path, ...]
    images: Path
    truth: Path | None
    label: Path
    inconsistent: Path
    first: int
    last: int
    task: Task
    num_classes: int
    settings: Settings
    strength: Strength
    seed: int
    before: Path | None
    quality: np.ndarray
    position: int | None = None
    depth: int | None = None
    detail_px: int = 0


@dataclass(frozen=True)
class LabelledRange:
    """What is known of the pseudo-labels of the rows from ``first`` on; ``admitted`` by the rule of the settings."""

    first: int
    known: PseudoLabels


@callable_by_job
def label_range(job: LabelJob, report: Report = ignore) -> LabelledRange:
    """Label the images of a range and write the rows of ``job.label`` and ``job.inconsistent``."""
    device, settings, labeller = device_of(job.settings), job.settings, job.recipe.labeller
    assert labeller is not None
    is_blocked = job.recipe.blocking is not None
    teachers, judges = ([load_model(path).to(device) for path in paths] for paths in (job.teachers, job.judges))
    images, labels, masks = (Rows(path) for path in (job.images, job.label, job.inconsistent))
    before, truth = (Rows(path) if path else None for path in (job.before, job.truth))
    # Candidates are looked at one by one, of many teachers; what votes is compared together, from images read once.
    groups = [[teacher] for teacher in teachers] if labeller.rates else [teachers]
    parts = []

    def predict(pictures: np.ndarray) -> Iterator[np.ndarray]:
        for group in groups:
            yield from predict_probabilities(group, pictures, task=job.task, precision=settings.precision)

    num = chunk_images(labels_of(job.task).num_outputs(job.num_classes), images.shape)
    for first in range(job.first, job.last, num):
        rows = slice(first, min(first + num, job.last))
        pictures, known = images[rows], job.quality[rows.start - job.first : rows.stop - job.first]
        accepted = np.zeros((len(pictures), *labels.shape[1:]), labels.dtype)
        if before is not None:
            accepted[known >= 0] = before[rows][known >= 0]

        def rate(label: np.ndarray, mask: np.ndarray | None = None, pictures: np.ndarray = pictures) -> np.ndarray:
            outputs = judge(
                judges, pictures, label, mask, task=job.task, num_classes=job.num_classes, settings=settings
            )
            return quality(outputs, job.task)

        found = labeller.label(
            Unlabelled(
                images=pictures,
                first=first,
                task=job.task,
                settings=settings,
                predict=predict,
                rate=rate,
                label=accepted,
                quality=known,
                erode_px=settings.erode_px if is_blocked else 0,
                dilate_px=settings.dilate_px if is_blocked else 0,
                strength=job.strength,
                seed=job.seed,
                max_blocked_share=settings.max_blocked_share if is_blocked else 1.0,
                position=job.position,
                depth=job.depth,
            )
        )
        label, mask = _coarsened(job, found), found.inconsistent
        labels[rows], masks[rows] = label, mask
        rating = found.quality
        if job.recipe.copies == "by_quality":
            rating = rate(label, mask)
        elif job.recipe.copies == "by_true_quality":
            assert truth is not None
            rating = true_quality(label, truth[rows], mask, task=job.task, num_classes=job.num_classes)
        raw, rule = found.raw or found, settings.admit if is_blocked else "all"
        used = admitted(raw.label, raw.inconsistent, task=job.task, rule=rule)
        parts.append(
            PseudoLabels(
                admitted=used,
                inconsistent_fraction=mask.mean((1, 2)),
                foreground_fraction=foreground_fraction(label, mask if is_blocked else None, task=job.task),
                quality=rating,
                copies=np.ones(len(label), int),
                left_out=np.where(used, "", why_left_out(raw.label, raw.inconsistent, task=job.task)).astype(REASON),
            )
        )
        report(len(label))
    return LabelledRange(job.first, join(parts))


def _coarsened(job: LabelJob, found: Labelled) -> np.ndarray:
    """Take from labels what is too fine for those that learn from them; places of cells that were drawn anew stay."""
    if not job.detail_px:
        return found.label
    blocked = found.inconsistent if job.recipe.blocking is not None else np.zeros_like(found.inconsistent)
    label = without_details(found.label, blocked, task=job.task, side_px=job.detail_px, depth=job.depth)
    if job.position is not None:
        label[..., job.position] = found.label[..., job.position]
    return label
