"""Networks on stacks of images: probabilities, labels and validation scores."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from incmask.base.config import Settings
from incmask.base.npy_rows import Rows
from incmask.method.labels import labels_of
from incmask.method.losses import segmentation_loss
from incmask.method.scoring import Scoring, Tally, join_tallies
from incmask.nets.forward import chunk_images, forward
from incmask.nets.sheets import SheetUNet
from incmask.training.batches import make_batch


@dataclass(frozen=True)
class Validation:
    """Labelled images that a network is scored on.

    Attributes:
        images: ``.npy``, uint8, (N, H, W, C).
        labels: ``.npy``, uint8, (N, H, W) or (N, H, W, K), 255: no label; or float32, (N, H, W), NaN: none.
        rows: which images; None: all.
    """

    images: Path
    labels: Path
    rows: tuple[int, ...] | None = None

    def __len__(self) -> int:
        return len(Rows(self.images)) if self.rows is None else len(self.rows)

    def chunks(self, num_outputs: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Images and labels, as many at a time as ``chunk_images`` says."""
        images, labels = Rows(self.images), Rows(self.labels)
        rows = np.arange(len(images)) if self.rows is None else np.asarray(self.rows)
        num = chunk_images(num_outputs, images.shape)
        for first in range(0, len(rows), num):
            chosen = rows[first : first + num]
            yield images[chosen], labels[chosen]


@dataclass(frozen=True)
class Evaluation:
    """What a network reached.

    Attributes:
        loss: mean loss over the images.
        score: the main score, a mean over images.
        counts: what every other score is computed from.
    """

    loss: float
    score: float
    counts: Tally


@torch.inference_mode()
def evaluate(
    networks: Sequence[nn.Module],
    validation: Validation,
    *,
    scoring: Scoring,
    num_classes: int,
    settings: Settings,
    loss: str,
    target_values: Sequence[float] | None = None,
) -> Evaluation:
    """Score the mean of the networks' probabilities on labelled images.

    Args:
        networks: in evaluation mode, all on one device.
        validation: the images.
        scoring: what the labels mean, and how they are scored.
        num_classes: in the labels.
        settings: precision.
        loss: its kind.
        target_values: as for ``segmentation_loss``.
    """
    task, kind = scoring.task, labels_of(scoring.task)
    counts, losses, num_images = [], 0.0, 0
    depth = next((each.depth for each in networks if isinstance(each, SheetUNet)), None)
    for images, labels in validation.chunks(kind.num_outputs(num_classes)):
        logits = forward(networks, images, precision=settings.precision)
        blank = np.zeros(labels.shape[:3], bool)
        batch = make_batch(images[:, :1, :1], labels, blank, task=task, blocking=None).to(logits.device)
        chunk_loss = segmentation_loss(
            logits.mean(0), batch.target, task=task, kind=loss, weight=batch.weight, target_values=target_values
        )
        losses += float(chunk_loss) * len(images)
        num_images += len(images)
        mean = torch.stack([kind.probabilities(each) for each in logits]).mean(0)
        predicted = scoring.decode(mean.cpu().numpy())
        counts.append(scoring.tally(predicted, scoring.in_unit(labels), num_classes=num_classes, depth=depth))
    joined = join_tallies(counts)
    return Evaluation(loss=losses / num_images, score=scoring.mean(joined), counts=joined)
