"""How EvalNets learn to rate masks, and how several of them rate together (paper section 2.4.5)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from incmask.base.config import Settings, Task
from incmask.base.device import autocast
from incmask.method.blocking import block_image
from incmask.method.losses import rating_loss
from incmask.method.quality import mask_channels, mask_planes, quality
from incmask.nets.forward import as_floats, chunk_images, image_tensor
from incmask.training.batches import Draws
from incmask.training.rating_batches import OpenPairs, PairBatch, PairBatches
from incmask.training.rating_pairs import PairSet


@dataclass(frozen=True)
class RatingObjective:
    """To predict the quality of the pairs of a set.

    Attributes:
        training: what to learn from.
        validation: what chooses the epoch.
        task, num_classes: what the masks mean.
    """

    training: PairSet
    validation: PairSet
    task: Task
    num_classes: int

    def open(self, settings: Settings, *, seed: int) -> "JudgingLessons":
        """Make ready to draw batches."""
        return JudgingLessons(self, settings, seed=seed)


@dataclass(frozen=True)
class RatingScores:
    """What a network reached: the loss of its outputs, and 1 minus the mean absolute error of its ratings."""

    loss: float
    score: float


class JudgingLessons:
    """Batches and losses of ``RatingObjective``.

    Attributes:
        phases, batch_sizes, num_validation: as of every objective; one part an epoch.
        batches: what is learnt from.
        by_loss: the paper ranks by the mean absolute error (section 2.7.1).
    """

    def __init__(self, objective: RatingObjective, settings: Settings, *, seed: int):
        self._objective = objective
        self._settings = settings
        batches = PairBatches(
            objective.training,
            task=objective.task,
            num_classes=objective.num_classes,
            settings=settings,
            seed=seed,
        )
        self.batches: Draws[PairBatch] = batches
        self.phases: tuple[int, ...] = (batches.order.steps_per_epoch,)
        self.batch_sizes: tuple[int, ...] = (batches.order.batch_size,)
        self.by_loss = False
        self.num_validation = len(OpenPairs(objective.validation))

    def loss(self, network: nn.Module, *, phase: int, step: int) -> Tensor:
        """Give the loss of a step's batch (section 2.7.1)."""
        batch = self.batches.draw(step)
        device = next(network.parameters()).device
        image, planes, target = (each.to(device, non_blocking=True) for each in batch.tensors)
        with autocast(device, self._settings.precision):
            outputs = network(as_floats(image), planes.float())
        return self._compare(outputs, target)

    def validate(self, network: nn.Module) -> RatingScores:
        """Rate the validation pairs."""
        judgement = judge_pairs([network], self._objective, settings=self._settings)
        return RatingScores(
            loss=float(self._compare(*map(torch.from_numpy, (judgement.outputs, judgement.targets)))),
            score=1 - float(np.abs(judgement.predicted - judgement.true).mean()),
        )

    def _compare(self, outputs: Tensor, target: Tensor) -> Tensor:
        return rating_loss(outputs, target, task=self._objective.task, detection=self._settings.detection_loss)


@dataclass(frozen=True)
class Judgement:
    """Ratings of pairs whose quality is known.

    Attributes:
        outputs, targets: float32, (pairs, outputs).
        predicted, true: ratings and the true quality, (pairs,).
    """

    outputs: np.ndarray
    targets: np.ndarray
    predicted: np.ndarray
    true: np.ndarray


def judge_pairs(networks: Sequence[nn.Module], objective: RatingObjective, *, settings: Settings) -> Judgement:
    """Rate all validation pairs by the mean of the networks' outputs."""
    pairs = OpenPairs(objective.validation)
    outputs = []
    num = chunk_images(mask_channels(objective.task, objective.num_classes), pairs.shape)
    for first in range(0, len(pairs), num):
        images, labels, masks = pairs.take(range(first, min(first + num, len(pairs))))
        outputs.append(
            judge(
                networks,
                images,
                labels,
                masks,
                task=objective.task,
                num_classes=objective.num_classes,
                settings=settings,
            )
        )
    joined, known = np.concatenate(outputs), np.asarray(pairs.targets)
    return Judgement(joined, known, quality(joined, objective.task), quality(known, objective.task))


@torch.inference_mode()
def judge(
    networks: Sequence[nn.Module],
    images: np.ndarray,
    labels: np.ndarray,
    inconsistent: np.ndarray | None,
    *,
    task: Task,
    num_classes: int,
    settings: Settings,
) -> np.ndarray:
    """Mean of the networks' outputs for each pair: float32, (N, outputs).

    Args:
        networks: in evaluation mode, all on one device.
        images: uint8, (N, H, W, C), not blocked.
        labels: uint8, (N, H, W) ids or (N, H, W, K).
        inconsistent: bool, (N, H, W): pixels to be blocked; None: none.
        task, num_classes: what the labels mean.
        settings: precision.
    """
    device = next(networks[0].parameters()).device
    planes = torch.from_numpy(mask_planes(labels, inconsistent, task=task, num_classes=num_classes)).to(device)
    blocked = image_tensor(images if inconsistent is None else block_image(images, inconsistent), device)
    with autocast(device, settings.precision):
        return np.mean([network(blocked, planes).cpu().numpy() for network in networks], axis=0)
