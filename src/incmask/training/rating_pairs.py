"""Pairs of an image and a mask whose quality is known: what EvalNets learn from (paper section 2.4.5)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from incmask.base.config import IGNORED, Settings, Task
from incmask.base.described import callable_by_job
from incmask.base.device import device_of
from incmask.base.npy_rows import Rows
from incmask.base.progress import Report, ignore
from incmask.method.agreement import Inconsistency, agreement
from incmask.method.augment import Strength
from incmask.method.labels import labels_of
from incmask.method.quality import mask_channels, network_targets, targets
from incmask.nets.forward import chunk_images, predict_probabilities
from incmask.nets.spec import load_model

TRAINING_PASSES, VALIDATION_PASSES = 10, 3
"""Blocked pairs that are made of each image (section 2.4.7)."""

_SIDES_PX = (0, 3, 5)
_FEWEST_VOTERS, _MOST_VOTERS = 2, 4


@dataclass(frozen=True)
class PairSet:
    """Pairs in stacks.

    Attributes:
        images: ``.npy``, uint8, (N, H, W, C).
        rows: of the images that are used.
        labels: ``.npy``, uint8, (pairs, H, W) or (pairs, H, W, K); pair i belongs to image ``rows[i % len(rows)]``.
        inconsistent: ``.npy``, bool, (pairs, H, W); None: nothing is blocked.
        targets: ``.npy``, float32, (pairs, outputs).
        strength: maxima by which every second pair of an image is augmented; None: none is.
        seed: of that augmentation, where it is drawn once.
        depth: slices of each image, where they are sheets of volumes; None: they are images.
    """

    images: Path
    rows: tuple[int, ...]
    labels: Path
    inconsistent: Path | None
    targets: Path
    strength: Strength | None = None
    seed: int = 0
    depth: int | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """Those that belong to the pairs alone."""
        return tuple(path for path in (self.labels, self.inconsistent, self.targets) if path)

    def is_augmented(self, pair: int) -> bool:
        """Tell whether a pair is shown augmented: half of the pairs of each image, and of each pass, are."""
        number_of_pass, image = divmod(pair, len(self.rows))
        return self.strength is not None and (number_of_pass + image) % 2 == 1


@dataclass(frozen=True)
class PairJob:
    """Pairs to make of a range of images, in any process.

    Attributes:
        members: model files whose masks are used.
        images, truth: ``.npy`` of images and their true labels.
        rows: of the images that are used.
        labels: ``.npy`` that is there already and whose rows are filled in.
        inconsistent: the same for blocked pairs; None: the members' masks as they are, and the true one.
        num_passes: blocked pairs of each image.
        first, last: the images ``rows[first:last]``.
        task, num_classes: what the models predict.
        settings: device, precision, seed.
        depth: slices of each image, where they are sheets of volumes; None: they are images.
    """

    members: tuple[Path, ...]
    images: Path
    truth: Path
    rows: tuple[int, ...]
    labels: Path
    inconsistent: Path | None
    num_passes: int
    first: int
    last: int
    task: Task
    num_classes: int
    settings: Settings
    depth: int | None = None

    @property
    def pairs_an_image(self) -> int:
        """How many pairs each image gives."""
        return self.num_passes if self.inconsistent else len(self.members) + 1


@dataclass(frozen=True)
class PairTargets:
    """What a network is to say of the pairs of ``rows[first:]``: float32, (pairs an image, images, outputs)."""

    first: int
    targets: np.ndarray


@callable_by_job
def make_pairs(job: PairJob, report: Report = ignore) -> PairTargets:
    """Write the masks of a range and measure them against the truth."""
    device = device_of(job.settings)
    networks = [load_model(path).to(device) for path in job.members]
    images, truths = Rows(job.images), Rows(job.truth)
    labels = Rows(job.labels)
    masks = Rows(job.inconsistent) if job.inconsistent else None
    found = []
    num = chunk_images(mask_channels(job.task, job.num_classes), images.shape)
    for first in range(job.first, job.last, num):
        rows = job.rows[first : min(first + num, job.last)]
        truth = truths[np.asarray(rows)]
        made = []
        for number, each in enumerate(_make(job, networks, images[np.asarray(rows)], truth, rows=rows)):
            place = slice(number * len(job.rows) + first, number * len(job.rows) + first + len(rows))
            labels[place] = each.label
            if masks is not None and each.inconsistent is not None:
                masks[place] = each.inconsistent
            known = targets(each.label, truth, each.inconsistent, task=job.task, num_classes=job.num_classes)
            made.append(network_targets(known, job.task))
        found.append(np.stack(made))
        report(len(rows))
    return PairTargets(job.first, np.concatenate(found, 1))


@dataclass(frozen=True)
class _Made:
    """One mask for each image of a chunk: uint8 labels (N, ...), and bool (N, H, W) or None."""

    label: np.ndarray
    inconsistent: np.ndarray | None


def _make(
    job: PairJob, networks: Sequence[nn.Module], images: np.ndarray, truth: np.ndarray, *, rows: Sequence[int]
) -> Iterator[_Made]:
    """Give the masks of a chunk, as many as there are pairs an image."""
    members = (
        predict_probabilities([network], images, task=job.task, precision=job.settings.precision)[0]
        for network in networks
    )
    if job.inconsistent is None:
        for member in members:
            yield _Made(labels_of(job.task).decode(member), None)
        yield _Made(np.where(truth == IGNORED, 0, truth), None)
        return
    votes = np.stack([labels_of(job.task).votes(member) for member in members])
    for number in range(job.num_passes):
        made = [
            _vote(votes[:, [place]], job, np.random.default_rng([job.settings.seed, number, row]))
            for place, row in enumerate(rows)
        ]
        yield _Made(np.concatenate([each.label for each in made]), np.concatenate([each.inconsistent for each in made]))


def _vote(votes: np.ndarray, job: PairJob, generator: np.random.Generator) -> Inconsistency:
    """Let a random few vote on one image, and thin and widen the mask at random."""
    num_voters = int(generator.integers(_FEWEST_VOTERS, min(_MOST_VOTERS, len(votes)), endpoint=True))
    voters = generator.choice(len(votes), num_voters, replace=False)
    erode_px, dilate_px = (int(side) for side in generator.choice(_SIDES_PX, 2))
    return agreement(votes[voters], task=job.task, erode_px=erode_px, dilate_px=dilate_px, depth=job.depth)
