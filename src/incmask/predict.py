"""Networks on stacks of images: probabilities, labels and validation scores."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from incmask.batches import image_tensor, make_batch, num_outputs
from incmask.cells import CellChannels, mean_cell_count_error
from incmask.config import Settings, Task
from incmask.device import autocast
from incmask.losses import segmentation_loss
from incmask.metrics import Counts, count, main_scores
from incmask.rows import Rows

CHUNK, CHUNK_BYTES = 32, 64 * 2**20
"""Images a forward pass, and bytes of what comes out of it, at most."""


@dataclass(frozen=True)
class Validation:
    """Labelled images that a network is scored on.

    Attributes:
        images: ``.npy``, uint8, (N, H, W, C).
        labels: ``.npy``, uint8, (N, H, W) or (N, H, W, K); 255: no label.
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
        score: the task's main score: mean IoU of the foreground (binary) or mIoU.
        counts: what every other score is computed from.
        cell_count_error: mean over images of the error of ``mean_cell_count_error``; None where cells were not counted.
    """

    loss: float
    score: float
    counts: Counts
    cell_count_error: float | None = None


def chunk_images(num_outputs: int, shape: tuple[int, ...]) -> int:
    """Images a forward pass: fixed by what they are, so that results do not depend on how work is shared out.

    Args:
        num_outputs: numbers that come out for each pixel.
        shape: of images, (N, H, W, C).
    """
    return max(1, min(CHUNK, CHUNK_BYTES // (4 * num_outputs * shape[1] * shape[2])))


def probabilities(logits: Tensor, task: Task) -> Tensor:
    """Softmax over the channels for multiclass, else sigmoid; shape stays (N, C, H, W)."""
    return logits.softmax(1) if task == "multiclass" else logits.sigmoid()


def to_label(probability: np.ndarray, task: Task) -> np.ndarray:
    """The likeliest real classes: uint8 (N, H, W) ids or (N, H, W, K) for multilabel.

    Args:
        probability: float, (N, C, H, W) as the network gives them; multiclass channel 0 is the
            masked class, which is never an answer here.
        task: what the channels mean.
    """
    if task == "multiclass":
        return probability[:, 1:].argmax(1).astype(np.uint8)
    label = (probability > 0.5).astype(np.uint8)
    return label[:, 0] if task == "binary" else np.moveaxis(label, 1, -1)


@torch.inference_mode()
def forward(
    networks: Sequence[nn.Module], images: np.ndarray, *, precision: Literal["auto", "float32", "bfloat16"]
) -> Tensor:
    """Logits of every network: float32, (n, N, C, H, W), on the networks' device.

    Args:
        networks: in evaluation mode, all on one device.
        images: uint8, (N, H, W, C).
        precision: of the computation.
    """
    device = next(networks[0].parameters()).device
    tensor = image_tensor(images, device)
    with autocast(device, precision):
        return torch.stack([network(tensor) for network in networks])


@torch.inference_mode()
def predict_probabilities(
    networks: Sequence[nn.Module],
    images: np.ndarray,
    *,
    task: Task,
    precision: Literal["auto", "float32", "bfloat16"],
) -> np.ndarray:
    """Probabilities of every network: float32, (n, N, C, H, W); else as ``forward``."""
    logits = forward(networks, images, precision=precision)
    return np.stack([probabilities(each, task).cpu().numpy() for each in logits])


@torch.inference_mode()
def evaluate(
    networks: Sequence[nn.Module],
    validation: Validation,
    *,
    task: Task,
    num_classes: int,
    settings: Settings,
    loss: str,
    cells: CellChannels | None = None,
) -> Evaluation:
    """Score the mean of the networks' probabilities on labelled images.

    Args:
        networks: in evaluation mode, all on one device.
        validation: the images.
        task, num_classes: what the labels mean.
        settings: precision, ``empty_iou``.
        loss: its kind.
        cells: count the cells in these channels, too, which takes milliseconds an image; None: do not.
    """
    counts, losses, cell_count_errors, num_images = [], 0.0, 0.0, 0
    for images, labels in validation.chunks(num_outputs(task, num_classes)):
        logits = forward(networks, images, precision=settings.precision)
        blank = np.zeros(labels.shape[:3], bool)
        batch = make_batch(images[:, :1, :1], labels, blank, task=task, blocking=None)
        target = batch.target.to(logits.device)
        weight = None if batch.weight is None else batch.weight.to(logits.device)
        chunk_loss = segmentation_loss(logits.mean(0), target, task=task, kind=loss, weight=weight)
        losses += float(chunk_loss) * len(images)
        num_images += len(images)
        mean = torch.stack([probabilities(each, task) for each in logits]).mean(0)
        predicted = to_label(mean.cpu().numpy(), task)
        counts.append(count(predicted, labels, task=task, num_classes=num_classes))
        if cells is not None:
            cell_count_errors += len(images) * mean_cell_count_error(
                predicted, labels, position=cells.position, cell_classes=cells.cell_classes
            )
    joined = Counts.join(counts)
    return Evaluation(
        loss=losses / num_images,
        score=main_score(joined, task=task, empty_iou=settings.empty_iou),
        counts=joined,
        cell_count_error=None if cells is None else cell_count_errors / num_images,
    )


def main_score(counts: Counts, *, task: Task, empty_iou: float) -> float:
    """The score that models are chosen by: IoU for binary, else mIoU; mean over images, 0 to 1."""
    return float(main_scores(counts, task=task, empty=empty_iou).mean())
