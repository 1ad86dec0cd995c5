"""How EvalNets learn to rate masks, and how several of them rate together (paper section 2.4.5)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from incmask.augment.ops import augment_pair
from incmask.batches import Order, image_tensor
from incmask.blocking import block_image
from incmask.config import Settings, Task
from incmask.device import autocast
from incmask.predict import chunk_images
from incmask.quality.pairs import PairSet
from incmask.quality.targets import mask_channels, mask_planes, quality
from incmask.rows import Rows


@dataclass(frozen=True)
class Judging:
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
class Judged:
    """What a network reached: mean squared error of its outputs, and 1 minus the mean absolute error of its ratings."""

    loss: float
    score: float


class JudgingLessons:
    """Batches and losses of ``Judging``.

    Attributes:
        phases, batch_sizes, num_validation: as of every objective; one part an epoch.
        by_loss: the paper ranks by the mean absolute error (section 2.7.1).
    """

    phases: tuple[int, ...]
    batch_sizes: tuple[int, ...]
    num_validation: int
    by_loss: bool = False

    def __init__(self, objective: Judging, settings: Settings, *, seed: int):
        self._objective = objective
        self._settings = settings
        self._seed = seed
        self._pairs = _Pairs(objective.training)
        self._order = Order(
            len(self._pairs), batch_size=settings.batch_size, steps_per_epoch=settings.steps_per_epoch, seed=seed
        )
        self.phases = (self._order.steps_per_epoch,)
        self.batch_sizes = (self._order.batch_size,)
        self.num_validation = len(_Pairs(objective.validation))

    def loss(self, network: nn.Module, *, phase: int, step: int) -> Tensor:
        """Mean squared error of a step's batch (section 2.7.1)."""
        places = list(self._order.draw(step))
        images, labels, masks = self._pairs.take([place.example for place in places])
        strength = self._objective.training.strength
        if strength is not None:
            for index, place in enumerate(places):
                if self._objective.training.is_augmented(place.example):
                    seeds = [place.example, *([self._seed, place.number_of_pass] if self._settings.redraw else [])]
                    pair = augment_pair(
                        images[index],
                        labels[index],
                        None if masks is None else masks[index],
                        strength=strength,
                        generator=np.random.default_rng(seeds),
                    )
                    images[index], labels[index] = pair.image, pair.label
                    if masks is not None:
                        masks[index] = pair.inconsistent
        outputs = _run(
            network,
            images,
            labels,
            masks,
            task=self._objective.task,
            num_classes=self._objective.num_classes,
            settings=self._settings,
        )
        target = torch.from_numpy(self._pairs.targets[[place.example for place in places]])
        return (outputs - target.to(outputs.device)).square().mean()

    def validate(self, network: nn.Module) -> Judged:
        """Rate the validation pairs."""
        judgement = judge_pairs([network], self._objective, settings=self._settings)
        return Judged(
            loss=float(np.square(judgement.outputs - judgement.targets).mean()),
            score=1 - float(np.abs(judgement.predicted - judgement.true).mean()),
        )


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


def judge_pairs(networks: Sequence[nn.Module], objective: Judging, *, settings: Settings) -> Judgement:
    """Rate all validation pairs by the mean of the networks' outputs."""
    pairs = _Pairs(objective.validation)
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
    return np.mean(
        [
            _run(network, images, labels, inconsistent, task=task, num_classes=num_classes, settings=settings)
            .cpu()
            .numpy()
            for network in networks
        ],
        axis=0,
    )


class _Pairs:
    """The stacks of a set, open."""

    def __init__(self, pairs: PairSet):
        self._images, self._labels = (Rows(path) for path in (pairs.images, pairs.labels))
        self._inconsistent = Rows(pairs.inconsistent) if pairs.inconsistent else None
        self._rows = np.asarray(pairs.rows)
        self.targets: np.ndarray = np.load(pairs.targets)

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the images."""
        return self._images.shape

    def take(self, chosen: Sequence[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Copies of images, labels and masks."""
        index = np.asarray(chosen)
        images = self._images[self._rows[index % len(self._rows)]]
        return images, self._labels[index], None if self._inconsistent is None else self._inconsistent[index]


def _run(
    network: nn.Module,
    images: np.ndarray,
    labels: np.ndarray,
    inconsistent: np.ndarray | None,
    *,
    task: Task,
    num_classes: int,
    settings: Settings,
) -> Tensor:
    device = next(network.parameters()).device
    planes = torch.from_numpy(mask_planes(labels, inconsistent, task=task, num_classes=num_classes)).to(device)
    if inconsistent is not None:
        images = block_image(images, inconsistent)
    with autocast(device, settings.precision):
        return network(image_tensor(images).to(device), planes)
