"""Teachers and unlabelled images in, pseudo-labels and their disputed pixels out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from incmask.base.config import Settings, Task
from incmask.base.device import resolve_device
from incmask.base.npy_rows import Rows
from incmask.base.progress import Report, ignore
from incmask.method.agreement import combine
from incmask.method.augment import Strength, draw_geometry, flip_rotate, photometric, undo
from incmask.method.blocking import AdmissionRule, admitted, foreground_fraction
from incmask.method.recipes import Vote
from incmask.nets.forward import chunk_images, predict_probabilities
from incmask.nets.spec import load_model


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
