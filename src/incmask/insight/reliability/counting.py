"""How often pixels are wrong, told apart by disagreement and by what is predicted there."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from incmask.base.config import IGNORED, Settings, Task
from incmask.base.described import callable_by_job
from incmask.base.device import resolve_device
from incmask.base.npy_rows import Rows
from incmask.base.progress import Report, ignore
from incmask.method.agreement import disagreement
from incmask.method.labels import labels_of
from incmask.method.metrics import Counts, count
from incmask.method.scoring import Scoring
from incmask.nets.forward import chunk_images, predict_probabilities
from incmask.nets.spec import load_model

ALL = "(all)"
"""In place of a class: all pixels."""
BACKGROUND = "background"


@dataclass(frozen=True)
class HeldOutJob:
    """Labelled images to predict, in any process.

    Attributes:
        members: model files that have not seen the images.
        images, labels: ``.npy`` of the stack.
        rows: of it.
        scoring: what the labels mean, and how they are scored.
        num_classes: in the labels.
        settings: device and precision.
    """

    members: tuple[Path, ...]
    images: Path
    labels: Path
    rows: tuple[int, ...]
    scoring: Scoring
    num_classes: int
    settings: Settings


@dataclass(frozen=True)
class Tally:
    """Counts of N rows or images; int64, ignored pixels left out.

    Attributes:
        total: (N, S, n + 1), pixels by scope and number of members off the majority; scopes: all, and by predicted
            class as ``scopes`` names them.
        wrong: (N, S, n + 1), those that are predicted wrong.
        object_px: (N,), pixels that are foreground or disputed.
        counts: for the scores.
    """

    total: NDArray[np.int64]
    wrong: NDArray[np.int64]
    object_px: NDArray[np.int64]
    counts: Counts


def scopes(task: Task, class_names: Sequence[str]) -> list[str]:
    """Name what pixels are told apart by: all of them, then by what is predicted."""
    return [ALL, *([] if labels_of(task).is_exclusive else [BACKGROUND]), *class_names]


@callable_by_job
def tally(job: HeldOutJob, report: Report = ignore) -> Tally:
    """Predict the rows of a job and count."""
    device, task = resolve_device(job.settings.device), job.scoring.task
    networks = [load_model(path).to(device) for path in job.members]
    images, labels = Rows(job.images), Rows(job.labels)
    parts = []
    num = chunk_images(job.num_classes + 1, images.shape)
    for start in range(0, len(job.rows), num):
        rows = np.array(job.rows[start : start + num])
        members = predict_probabilities(networks, images[rows], task=task, precision=job.settings.precision)
        mean, truth = members.mean(0), labels[rows]
        votes = labels_of(task).votes(members)
        share = np.stack([disagreement(votes[:, index], task=task) for index in range(len(rows))])
        num_classes = job.num_classes
        predicted = labels_of(task).decode(mean)
        found = count_errors(predicted, truth, share, task=task, num_classes=num_classes, num_members=len(networks))
        if job.scoring.masked == "wrong":
            # What a person gets differs from what is scored.
            found = replace(found, counts=count(job.scoring.decode(mean), truth, task=task, num_classes=num_classes))
        parts.append(found)
        report(len(rows))
    return join(parts)


def count_errors(
    predicted: np.ndarray,
    truth: np.ndarray,
    share: np.ndarray,
    *,
    task: Task,
    num_classes: int,
    num_members: int,
) -> Tally:
    """Count pixels and wrong ones by disagreement.

    A pixel of classes that may overlap is wrong if any class is, and of a class if that one is.

    Args:
        predicted, truth: uint8, (N, H, W) or (N, H, W, K); truth with 255 where there is no label.
        share: float, (N, H, W), share of the members off the majority.
        task, num_classes: what they mean.
        num_members: n.
    """
    labels = labels_of(task)
    channels, truths = (values if labels.is_layered else values[..., None] for values in (predicted, truth))
    known, differs = truths != IGNORED, channels != truths
    valid, wrong = known.all(-1), differs.any(-1)
    foreground = labels.foreground(predicted)
    pairs = [(valid, wrong)] if labels.is_exclusive else [(valid, wrong), (valid & ~foreground, wrong)]
    for number in range(num_classes):
        layer = number if labels.is_layered else 0
        pairs.append((known[..., layer] & labels.class_pixels(predicted, number), differs[..., layer]))
    # One bin a row and level.
    num_levels = num_members + 1
    bins = np.rint(share * num_members).astype(np.int64)
    bins += num_levels * np.arange(len(bins))[:, None, None]

    def by_level(pixels: np.ndarray) -> NDArray[np.int64]:
        return np.bincount(bins[pixels], minlength=num_levels * len(bins)).reshape(len(bins), num_levels)

    return Tally(
        np.stack([by_level(inside) for inside, _ in pairs], 1),
        np.stack([by_level(inside & is_wrong) for inside, is_wrong in pairs], 1),
        (valid & (foreground | (share > 0))).sum((1, 2)),
        count(predicted, truth, task=task, num_classes=num_classes),
    )


def join(parts: Sequence[Tally]) -> Tally:
    """Chain counts of the same models' classes, one part or more."""
    total, wrong, object_px = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("total", "wrong", "object_px")
    )
    return Tally(total, wrong, object_px, Counts.join([part.counts for part in parts]))


def by_image(found: Tally, names: Sequence[str]) -> Tally:
    """Add up the rows (tiles) of each image, in the order in which images come first."""
    places = {name: place for place, name in enumerate(dict.fromkeys(names))}
    index = [places[name] for name in names]

    def add(values: NDArray[np.int64]) -> NDArray[np.int64]:
        sums = np.zeros((len(places), *values.shape[1:]), np.int64)
        np.add.at(sums, index, values)
        return sums

    counts = Counts(**{each.name: add(getattr(found.counts, each.name)) for each in fields(Counts)})
    return Tally(add(found.total), add(found.wrong), add(found.object_px), counts)
