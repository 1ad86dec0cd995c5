"""Teachers and unlabelled images in, pseudo-labels and their disputed pixels out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from incmask.augment.ops import Strength, draw_geometry, flip_rotate, photometric, undo
from incmask.blocking import AdmissionRule, admitted
from incmask.config import Settings, Task
from incmask.device import resolve_device
from incmask.models import load_model
from incmask.predict import chunk_images, predict_probabilities, to_label
from incmask.progress import Report, ignore
from incmask.recipes import Vote
from incmask.rows import Rows
from incmask.vote import Inconsistency, inconsistency


@dataclass(frozen=True)
class Views:
    """Changed versions of an image that a model votes on (paper section 2.4.2).

    Attributes:
        num: how many.
        strength: maxima of the changes.
        seed: of the changes; each image and view draws its own.
    """

    num: int
    strength: Strength
    seed: int


@dataclass(frozen=True)
class LabelJob:
    """A range of images to label, in any process.

    Attributes:
        members: model files of the voting teachers.
        images: ``.npy``, uint8, (N, H, W, C).
        label, inconsistent: ``.npy`` that are there already and whose rows are filled in.
        first, last: rows ``first`` to ``last - 1``.
        task: what the models predict.
        num_outputs: their logits a pixel.
        vote: how members are combined.
        views: where members vote on changed versions of each image; None: on the image itself.
        admit: which binary pairs are used.
        settings: device and precision.
        erode_px, dilate_px: sides of the squares that change the mask, as for ``inconsistency``.
    """

    members: tuple[Path, ...]
    images: Path
    label: Path
    inconsistent: Path
    first: int
    last: int
    task: Task
    num_outputs: int
    vote: Vote
    admit: AdmissionRule
    settings: Settings
    views: Views | None = None
    erode_px: int = 0
    dilate_px: int = 0


@dataclass(frozen=True)
class LabelledRange:
    """What is known of the pseudo-labels of a range; arrays of one value an image.

    Attributes:
        first: first row of the range.
        admitted: bool, whether the pair is used.
        inconsistent_fraction: share of disputed pixels, 0 to 1.
        foreground_fraction: share of pixels with a class other than background, disputed ones left out.
    """

    first: int
    admitted: np.ndarray
    inconsistent_fraction: np.ndarray
    foreground_fraction: np.ndarray


def label_range(job: LabelJob, report: Report = ignore) -> LabelledRange:
    """Label the images of a range and write the rows of ``job.label`` and ``job.inconsistent``."""
    device = resolve_device(job.settings.device)
    networks = [load_model(path).to(device) for path in job.members]
    images, labels, masks = (Rows(path) for path in (job.images, job.label, job.inconsistent))
    facts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    num = chunk_images(job.num_outputs, images.shape)
    for first in range(job.first, job.last, num):
        rows = slice(first, min(first + num, job.last))
        members = _members(job, networks, images[rows], first=first)
        voted = combine(
            members,
            task=job.task,
            vote=job.vote,
            erode_px=job.erode_px,
            dilate_px=job.dilate_px,
        )
        labels[rows], masks[rows] = voted.label, voted.inconsistent
        facts.append(
            (
                admitted(voted.label, voted.inconsistent, task=job.task, rule=job.admit),
                voted.inconsistent.mean((1, 2)),
                # A soft vote keeps what is disputed.
                foreground_fraction(voted.label, None if job.vote.soft else voted.inconsistent, task=job.task),
            )
        )
        report(len(voted.label))
    return LabelledRange(job.first, *(np.concatenate(fact) for fact in zip(*facts, strict=True)))


def _members(job: LabelJob, networks: Sequence[nn.Module], images: np.ndarray, *, first: int) -> np.ndarray:
    """Probabilities of every voter: float32, (n, N, C, H, W); ``first`` is the row of the first image."""
    if job.views is None:
        return predict_probabilities(networks, images, task=job.task, precision=job.settings.precision)
    voters = []
    for view in range(job.views.num):
        changed, geometries = [], []
        for row, image in enumerate(images, first):
            generator = np.random.default_rng([job.views.seed, row, view])
            geometries.append(draw_geometry(job.views.strength, image.shape, generator))
            moved = flip_rotate(image, geometries[-1])
            changed.append(photometric(moved, strength=job.views.strength, generator=generator))
        voters += [
            np.stack(
                [
                    np.moveaxis(undo(np.moveaxis(each, 0, -1), geometry), -1, 0)
                    for each, geometry in zip(member, geometries, strict=True)
                ]
            )
            for member in predict_probabilities(
                networks, np.stack(changed), task=job.task, precision=job.settings.precision
            )
        ]
    return np.stack(voters)


def foreground_fraction(label: np.ndarray, inconsistent: np.ndarray | None, *, task: Task) -> np.ndarray:
    """Share of each image's pixels with a class other than background, disputed ones left out: (N,), 0 to 1."""
    foreground = label.any(-1) if task == "multilabel" else label > 0
    return (foreground if inconsistent is None else foreground & ~inconsistent).mean((1, 2))


def combine(members: np.ndarray, *, task: Task, vote: Vote, erode_px: int = 0, dilate_px: int = 0) -> Inconsistency:
    """Turn members' probabilities into a pseudo-label and the mask of disputed pixels.

    Args:
        members: float, (n, N, C, H, W) as the networks give them; multiclass channel 0 is the masked class.
            A single one answers alone, and nothing is disputed.
        task: what the channels mean.
        vote: hard votes, or the mean probability for multilabel and multiclass (paper section 2.2).
        erode_px, dilate_px: sides of the squares, as for ``inconsistency``.

    Returns:
        label uint8 (N, H, W) or (N, H, W, K), the likeliest class also where disputed, except that a
        disputed binary pixel is background (algorithm 1); inconsistent bool (N, H, W).
    """
    mean = members.mean(0)
    if len(members) == 1:
        return Inconsistency(to_label(mean, task), np.zeros((len(mean), *mean.shape[2:]), bool))
    if task == "binary":
        return agreement(hard_votes(members, task), task=task, erode_px=erode_px, dilate_px=dilate_px)
    likeliest = to_label(mean, task)
    agreed = agreement(hard_votes(members, task), task=task, erode_px=erode_px, dilate_px=dilate_px)
    disputed = agreed.inconsistent[..., None] if task == "multilabel" else agreed.inconsistent
    label = likeliest if vote.soft else np.where(disputed, likeliest, agreed.label).astype(np.uint8)
    return Inconsistency(label, agreed.inconsistent)


def hard_votes(probability: np.ndarray, task: Task) -> np.ndarray:
    """What each member says of each pixel, uint8 (..., H, W) or (..., H, W, K); multiclass: 0 the masked class.

    Args:
        probability: float, (..., C, H, W) as the networks give them.
        task: what the channels mean.
    """
    if task == "multiclass":
        return probability.argmax(-3).astype(np.uint8)
    votes = (probability > 0.5).astype(np.uint8)
    return votes[..., 0, :, :] if task == "binary" else np.moveaxis(votes, -3, -1)


def agreement(votes: np.ndarray, *, task: Task, erode_px: int = 0, dilate_px: int = 0) -> Inconsistency:
    """Compare hard votes (n, N, H, W) or (n, N, H, W, K), as ``hard_votes`` gives them, n >= 2.

    Returns:
        label uint8 (N, H, W) or (N, H, W, K), real ids, 0 where disputed; inconsistent bool (N, H, W), True also
        where all take a multiclass pixel for masked.
    """
    if task == "multilabel":
        votes = np.moveaxis(votes, -1, 1)
    if task == "multiclass":
        nothing = (votes == 0).all(0)
        if nothing.any():
            # Make the first one dissent.
            votes = votes.copy()
            votes[0][nothing] = 1
    record = inconsistency(votes, task=task, erode_px=erode_px, dilate_px=dilate_px, spatial_ndim=2)
    if task == "multilabel":
        return Inconsistency(np.moveaxis(record.label, 0, -1), record.inconsistent)
    if task == "multiclass":
        return Inconsistency(np.maximum(record.label, 1) - 1, record.inconsistent)
    return record
