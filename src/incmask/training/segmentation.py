"""What a segmentation network learns: labels, and for the consistency loss to predict the same for two views."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from incmask.base.bounds import step_px
from incmask.base.config import Settings
from incmask.base.device import autocast
from incmask.base.errors import fail
from incmask.base.npy_rows import Rows
from incmask.method.augment import Strength
from incmask.method.labels import labels_of
from incmask.method.losses import loss_of, segmentation_loss, selects_by_loss, two_stream_loss
from incmask.method.mixture import TrainingSet
from incmask.method.scoring import Scoring
from incmask.method.streams import streams_of
from incmask.method.views import draw_view, relit, turned
from incmask.nets.forward import image_tensor
from incmask.training.batches import Batch, Batches, Draws
from incmask.training.order import BatchOrder, steps_of_epoch
from incmask.training.validation import Evaluation, Validation, evaluate


@dataclass(frozen=True)
class ConsistencyImages:
    """Images without labels, for the consistency loss.

    Attributes:
        images: ``.npy``, uint8, (N, H, W, C).
        strength: maxima by which the two views of an image may differ.
        depth: slices of each image, where they are sheets of volumes; None: they are images.
    """

    images: Path
    strength: Strength
    depth: int | None = None


@dataclass(frozen=True)
class Segmentation:
    """To predict the labels of a training set; with ``unlabelled``, consistently (paper section 2.4.3).

    Attributes:
        training: what to learn from.
        validation: what chooses the epoch.
        num_classes: classes in the labels.
        scoring: of the validation images.
        unlabelled: with them every epoch has a second part, whose loss is the mean squared difference of the
            predictions for two views of the same image.
        target_values: as for ``segmentation_loss``.
    """

    training: TrainingSet
    validation: Validation
    num_classes: int
    scoring: Scoring
    unlabelled: ConsistencyImages | None = None
    target_values: tuple[float, ...] | None = None

    def open(self, settings: Settings, *, seed: int) -> "SegmentationLessons":
        """Make ready to draw batches."""
        return SegmentationLessons(self, settings, seed=seed)


class SegmentationLessons:
    """Batches and losses of a ``Segmentation``.

    Attributes:
        phases: steps of each part of an epoch: with labels, and where there are unlabelled images without.
        batch_sizes: images a step of each part.
        num_validation: images that a validation takes.
        by_loss: whether the validation loss chooses the epoch, and not the score.
    """

    def __init__(self, objective: Segmentation, settings: Settings, *, seed: int):
        self._objective = objective
        self._settings = settings
        steps, self._views = settings.steps_per_epoch, None
        if objective.unlabelled is not None:
            # Of a fixed number of steps each part takes half; else each is one pass over its images.
            self._views = _Views(
                objective.unlabelled, settings, steps_per_epoch=max(1, steps // 2) if steps else 0, seed=seed
            )
            steps = max(1, steps - steps // 2) if steps else 0
        training = objective.training
        num_steps = settings.epochs * steps_of_epoch(
            len(training.rows), batch_size=settings.batch_size, steps_per_epoch=steps
        )
        self._streams = streams_of(settings, num_steps=num_steps, has_pseudo=training.num_pseudo > 0)
        batches = Batches(
            training,
            batch_size=settings.batch_size,
            steps_per_epoch=steps,
            redraw=settings.redraw,
            seed=seed,
            streams=self._streams,
        )
        self.batches: Draws[Batch] = batches
        orders = [batches.order, *([self._views.order] if self._views else [])]
        self.phases: tuple[int, ...] = tuple(order.steps_per_epoch for order in orders)
        # Of an unlabelled image, both views are images that the network is shown.
        self.batch_sizes: tuple[int, ...] = tuple(order.batch_size * (1 + phase) for phase, order in enumerate(orders))
        self.num_validation = len(objective.validation)
        self.by_loss = selects_by_loss(settings, objective.training.task)

    def loss(self, network: nn.Module, *, phase: int, step: int) -> Tensor:
        """Loss of a step of a phase, counted from 0 over all epochs.

        Raises:
            IncmaskError: the batch is too small to learn from.
        """
        return self._loss_of_labels(network, step) if phase == 0 else self._loss_of_views(network, step)

    def validate(self, network: nn.Module) -> Evaluation:
        """Score on the validation images."""
        return evaluate(
            [network],
            self._objective.validation,
            scoring=self._objective.scoring,
            num_classes=self._objective.num_classes,
            settings=self._settings,
            loss=loss_of(self._settings, self._objective.training.task),
            target_values=self._objective.target_values,
        )

    def _loss_of_labels(self, network: nn.Module, step: int) -> Tensor:
        batch = self.batches.draw(step).to(next(network.parameters()).device)
        logits, num_labelled = self._forward(network, batch.image), self._streams.num_labelled
        if not num_labelled or self._streams.is_alone(step):
            return self._compare(logits, batch)
        rows = (slice(num_labelled), slice(num_labelled, None))
        losses = (self._compare(logits[part], batch.map(itemgetter(part))) for part in rows)
        return two_stream_loss(*losses, pseudo_weight=self._streams.weight_at(step))

    def _compare(self, logits: Tensor, batch: Batch) -> Tensor:
        """Loss of what a network says of a batch."""
        task = self._objective.training.task
        return segmentation_loss(
            logits,
            batch.target,
            task=task,
            kind=loss_of(self._settings, task),
            weight=batch.weight,
            target_values=self._objective.target_values,
        )

    def _loss_of_views(self, network: nn.Module, step: int) -> Tensor:
        assert self._views is not None
        first, second = (
            labels_of(self._objective.training.task).probabilities(self._forward(network, image_tensor(view)))
            for view in self._views.draw(step)
        )
        # Through both: neither view is the teacher of the other.
        return (first - second).square().mean()

    def _forward(self, network: nn.Module, images: Tensor) -> Tensor:
        step = step_px(self._settings.net)
        if images[:, 0].numel() < 2 * step * min(step, images.shape[2]):
            # The innermost layer would have a single pixel to take its statistics from.
            raise fail(
                "batch",
                f"a single image of {min(step, images.shape[2])}×{step} pixels is too little to learn from",
                "use a larger batch_size or size",
            )
        device = next(network.parameters()).device
        with autocast(device, self._settings.precision):
            return network(images.to(device))


class _Views:
    """Draws two views of each image of a batch: flipped and turned alike, and changed in intensity each for itself."""

    def __init__(self, unlabelled: ConsistencyImages, settings: Settings, *, steps_per_epoch: int, seed: int):
        self._images = Rows(unlabelled.images)
        self._strength, self._depth = unlabelled.strength, unlabelled.depth
        self._seed = seed
        # Another order than that of the labelled images.
        self.order = BatchOrder(
            len(self._images), batch_size=settings.batch_size, steps_per_epoch=steps_per_epoch, seed=seed + 1
        )

    def draw(self, step: int) -> Sequence[np.ndarray]:
        """Two stacks of views, uint8 (N, H, W, C)."""
        views: list[list[np.ndarray]] = [[], []]
        for place in self.order.draw(step):
            image = self._images[place.example]
            generator = np.random.default_rng([self._seed, place.number_of_pass, place.example])
            geometry = draw_view(self._strength, image.shape, generator, depth=self._depth)
            moved = turned(image, geometry, depth=self._depth)
            for view in views:
                view.append(relit(moved, strength=self._strength, generator=generator, depth=self._depth))
        return [np.stack(view) for view in views]
