"""Teachers and unlabelled images in, pseudo-labels and their disputed pixels out."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from incmask.blocking import AdmissionRule, admitted
from incmask.config import Settings, Task
from incmask.device import resolve_device
from incmask.models import load_model
from incmask.predict import CHUNK, forward, probabilities, to_label
from incmask.progress import Report, ignore
from incmask.recipes import Vote
from incmask.vote import Inconsistency, inconsistency


@dataclass(frozen=True)
class LabelJob:
    """A range of images to label, in any process.

    Attributes:
        members: model files of the voting teachers.
        images: ``.npy``, uint8, (N, H, W, C).
        label, inconsistent: ``.npy`` that are there already and whose rows are filled in.
        first, last: rows ``first`` to ``last - 1``.
        task: what the models predict.
        vote: how members are combined.
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
    vote: Vote
    admit: AdmissionRule
    settings: Settings
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
    images = np.load(job.images, mmap_mode="r")
    labels, masks = np.load(job.label, mmap_mode="r+"), np.load(job.inconsistent, mmap_mode="r+")
    facts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for first in range(job.first, job.last, CHUNK):
        rows = slice(first, min(first + CHUNK, job.last))
        logits = forward(networks, images[rows], precision=job.settings.precision)
        members = np.stack([probabilities(each, job.task).cpu().numpy() for each in logits])
        voted = combine(
            members,
            task=job.task,
            vote=job.vote,
            erode_px=job.erode_px,
            dilate_px=job.dilate_px,
        )
        labels[rows], masks[rows] = voted.label, voted.inconsistent
        foreground = voted.label.any(-1) if job.task == "multilabel" else voted.label > 0
        facts.append(
            (
                admitted(voted.label, voted.inconsistent, task=job.task, rule=job.admit),
                voted.inconsistent.mean((1, 2)),
                (foreground & ~voted.inconsistent).mean((1, 2)),
            )
        )
        report(len(voted.label))
    labels.flush()
    masks.flush()
    return LabelledRange(job.first, *(np.concatenate(fact) for fact in zip(*facts, strict=True)))


def combine(members: np.ndarray, *, task: Task, vote: Vote, erode_px: int = 0, dilate_px: int = 0) -> Inconsistency:
    """Turn members' probabilities into a pseudo-label and the mask of disputed pixels.

    Args:
        members: float, (n, N, C, H, W) as the networks give them; multiclass channel 0 is the masked class.
        task: what the channels mean.
        vote: hard votes, or the mean probability for multilabel and multiclass (paper section 2.2).
        erode_px, dilate_px: sides of the squares, as for ``inconsistency``.

    Returns:
        label uint8 (N, H, W) or (N, H, W, K), the likeliest class also where disputed, except that a
        disputed binary pixel is background (algorithm 1); inconsistent bool (N, H, W).
    """
    mean = members.mean(0)
    if task == "binary":
        votes = (members[:, :, 0] > 0.5).astype(np.uint8)
        return inconsistency(votes, task=task, erode_px=erode_px, dilate_px=dilate_px, spatial_ndim=2)
    likeliest = to_label(mean, task)
    if task == "multilabel":
        votes = np.moveaxis((members > 0.5).astype(np.uint8), 2, 1)
        record = inconsistency(votes, task=task, erode_px=erode_px, dilate_px=dilate_px, spatial_ndim=2)
        agreed, disputed = np.moveaxis(record.label, 0, -1), record.inconsistent[..., None]
    else:
        votes = members.argmax(2).astype(np.uint8)
        # A pixel that all members take for masked is disputed as well: make the first one dissent.
        votes[0][(votes == 0).all(0)] = 1
        record = inconsistency(votes, task=task, erode_px=erode_px, dilate_px=dilate_px, spatial_ndim=2)
        agreed, disputed = record.label - 1, record.inconsistent
    if vote.soft:
        return Inconsistency(likeliest, record.inconsistent)
    return Inconsistency(np.where(disputed, likeliest, agreed).astype(np.uint8), record.inconsistent)
