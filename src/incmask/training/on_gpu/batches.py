"""Training images that lie on the device as bytes, and are augmented there."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from incmask.base.config import Settings
from incmask.base.device import free_bytes, resolve_device
from incmask.method.mixture import PLAIN, TrainingSet
from incmask.training.batches import Batch, Batches, BatchOrder, DrawnExample
from incmask.training.jobs import FitJob
from incmask.training.on_gpu.augment import BatchChange, Change, batch_change, draw_change, upload
from incmask.training.on_gpu.pairs import bytes_of_pairs, pairs_on
from incmask.training.on_gpu.stacks import (
    DeviceExamples,
    bytes_held,
    bytes_to_finish,
    bytes_to_upload,
    distinct_rows,
    examples_on,
    finish,
    rows_in_stacks,
    stacks_on,
)
from incmask.training.rating import JudgingLessons, RatingObjective
from incmask.training.rating_batches import PairBatch, PairBatches
from incmask.training.segmentation import Segmentation, SegmentationLessons

Drawn = TypeVar("Drawn")

_SHARE = 0.4
"""Of the memory that a device would have free without images, what all of them may take."""

_STEPS_AN_UPLOAD = 32
"""Whose examples are brought to the device together."""

_NO_CHANGE = Change()

_FIRST_PLACE = DrawnExample(0, 0)


@dataclass(frozen=True)
class OnDevice:
    """To learn a segmentation from images on the device; where they have no room there, batches are made ahead.

    Attributes:
        objective: what is learnt.
    """

    objective: Segmentation

    def open(self, settings: Settings, *, seed: int) -> SegmentationLessons:
        """Bring the images to the device of the settings, unless they are there."""
        lessons = self.objective.open(settings, seed=seed)
        training, device = self.objective.training, resolve_device(settings.device)
        num_bytes = bytes_to_upload(training, device)
        if _are_fixed(training, redraw=settings.redraw):
            # Examples that are finished need no stacks any more.
            num_bytes = min(num_bytes, bytes_to_finish(training, distinct_rows(training)[0], device))
        kind: type[DeviceBatches] | type[PrefetchedBatches] = DeviceBatches
        if not _has_room(num_bytes, device):
            kind = PrefetchedBatches
        lessons.batches = kind(training, order=lessons.batches.order, redraw=settings.redraw, seed=seed, device=device)
        return lessons


@dataclass(frozen=True)
class JudgingOnDevice:
    """To learn to rate pairs that lie on the device; where they have no room, or change, batches are made ahead.

    Attributes:
        objective: what is learnt.
    """

    objective: RatingObjective

    def open(self, settings: Settings, *, seed: int) -> JudgingLessons:
        """Bring the pairs to the device of the settings, unless they are there."""
        lessons = self.objective.open(settings, seed=seed)
        batches, device = lessons.batches, resolve_device(settings.device)
        assert isinstance(batches, PairBatches)
        is_fixed = batches.are_fixed and _has_room(bytes_of_pairs(batches, device), device)
        lessons.batches = DevicePairs(batches, device) if is_fixed else PrefetchedPairs(batches, device)
        return lessons


def on_device(job: FitJob) -> FitJob:
    """The same training, with its images on the device where that is known how to do."""
    if isinstance(job.objective, Segmentation):
        return replace(job, objective=OnDevice(job.objective))
    return replace(job, objective=JudgingOnDevice(job.objective)) if isinstance(job.objective, RatingObjective) else job


class _BatchesFor(Batches):
    """Batches for a device.

    Args:
        training_set, redraw, seed: as for ``Batches``.
        order: which examples make a batch.
        device: where.
    """

    def __init__(self, training_set: TrainingSet, *, order: BatchOrder, redraw: bool, seed: int, device: torch.device):
        super().__init__(
            training_set,
            batch_size=order.batch_size,
            steps_per_epoch=order.steps_per_epoch,
            redraw=redraw,
            seed=seed,
        )
        self.order = order
        self._device = device


class DeviceBatches(_BatchesFor):
    """Draws the batch of any step from images on the device.

    Order and augmentation are those of ``Batches`` but for noise, which the device draws. Where each example is always
    the same, and there is room, all are finished before the first step; else each batch is augmented by itself.
    """

    def __init__(self, training_set: TrainingSet, *, order: BatchOrder, redraw: bool, seed: int, device: torch.device):
        super().__init__(training_set, order=order, redraw=redraw, seed=seed, device=device)
        self._size: tuple[int, int] = self._images[0].shape[1], self._images[0].shape[2]
        self._examples: DeviceExamples | None = None
        if _are_fixed(training_set, redraw=redraw):
            rows, self._places = distinct_rows(training_set)
            if _has_room(bytes_to_finish(training_set, rows, device), device):
                self._examples = examples_on(training_set, rows, device, change_of=self._change)
                self._rows = _RowsOfSteps(order, self._places, device)
                return
        self._stacks = stacks_on(training_set.sources, device)
        self._places = rows_in_stacks(training_set.sources, training_set.rows)
        self._ahead: _Ahead[BatchChange] = _Ahead()

    def draw(self, step: int) -> Batch:
        """The batch of ``step``, counted from 0 over all epochs."""
        if self._examples is not None:
            return self._examples.rows(self._rows.of(step)).batch()
        change = self._ahead.draw(self._draw_changes, step)
        return finish(
            *self._stacks.take(change.to(self._device)),
            task=self._set.task,
            blocking=self._set.blocking,
            has_ignored=self._stacks.has_ignored,
        ).batch()

    def _draw_changes(self, step: int) -> BatchChange:
        places = list(self.order.draw(step))
        examples = [place.example for place in places]
        changes = [self._change(row, place) for row, place in zip(self._set.rows[examples], places, strict=True)]
        return batch_change(changes, self._places[examples], self._size)

    def _change(self, row: np.ndarray, place: DrawnExample = _FIRST_PLACE) -> Change:
        if row["strength"] == PLAIN:
            return _NO_CHANGE
        return draw_change(self._set.strengths[row["strength"]], self._size, self._generator(row, place))


class PrefetchedBatches(_BatchesFor):
    """Draws batches on the CPU, each a step ahead in a thread of its own, and copies them to the device meanwhile."""

    def __init__(self, training_set: TrainingSet, *, order: BatchOrder, redraw: bool, seed: int, device: torch.device):
        super().__init__(training_set, order=order, redraw=redraw, seed=seed, device=device)
        self._ahead: _Ahead[Batch] = _Ahead()

    def draw(self, step: int) -> Batch:
        """The batch of ``step``, counted from 0 over all epochs."""
        return _each(self._ahead.draw(self._draw, step), lambda tensor: upload(tensor, self._device))

    def _draw(self, step: int) -> Batch:
        batch = super().draw(step)
        return _each(batch, Tensor.pin_memory) if self._device.type == "cuda" else batch


class DevicePairs:
    """Draws the batch of any step from pairs that were finished before the first."""

    def __init__(self, batches: PairBatches, device: torch.device):
        self._pairs = pairs_on(batches, device)
        self._rows = _RowsOfSteps(batches.order, np.arange(len(batches)), device)

    def draw(self, step: int) -> PairBatch:
        """The batch of ``step``, counted from 0 over all epochs."""
        return self._pairs.rows(self._rows.of(step))


class PrefetchedPairs:
    """Draws batches on the CPU, each a step ahead in a thread of its own."""

    def __init__(self, batches: PairBatches, device: torch.device):
        self._batches, self._device = batches, device
        self._ahead: _Ahead[PairBatch] = _Ahead()

    def draw(self, step: int) -> PairBatch:
        """The batch of ``step``, counted from 0 over all epochs."""
        return PairBatch(*(upload(each, self._device) for each in self._ahead.draw(self._batches.draw, step).tensors))


class _RowsOfSteps:
    """Which rows on a device make the batches of an order, brought there for many steps at once."""

    def __init__(self, order: BatchOrder, places: np.ndarray, device: torch.device):
        self._order, self._places, self._device = order, places, device
        self._uploaded: tuple[int, Tensor] | None = None

    def of(self, step: int) -> Tensor:
        """Rows of a step, int64, (N,)."""
        number, place = divmod(step, _STEPS_AN_UPLOAD)
        if self._uploaded is None or self._uploaded[0] != number:
            steps = range(number * _STEPS_AN_UPLOAD, (number + 1) * _STEPS_AN_UPLOAD)
            self._uploaded = number, upload(torch.from_numpy(self._places[self._order.examples(steps)]), self._device)
        return self._uploaded[1][place]


class _Ahead(Generic[Drawn]):
    """Draws what a step needs in a thread of its own, while the step before is taken."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._next: tuple[int, Future[Drawn]] | None = None
        self._is_first = True

    def draw(self, function: Callable[[int], Drawn], step: int) -> Drawn:
        """What the function, always the same, gives for a step; it is fastest if that follows on the one before."""
        ahead, self._next = self._next, None
        drawn = ahead[1].result() if ahead and ahead[0] == step else function(step)
        # While the device's work is recorded, in a training's first step, no other thread may take memory there.
        if not self._is_first:
            self._next = step + 1, self._thread.submit(function, step + 1)
        self._is_first = False
        return drawn


def _each(batch: Batch, function: Callable[[Tensor], Tensor]) -> Batch:
    weight = None if batch.weight is None else function(batch.weight)
    return Batch(function(batch.image), function(batch.target), weight)


def _are_fixed(training_set: TrainingSet, *, redraw: bool) -> bool:
    """Whether each example is always the same."""
    return not redraw or bool((training_set.rows["strength"] == PLAIN).all())


def _has_room(num_bytes: int, device: torch.device) -> bool:
    """Whether so much more may be brought to the device."""
    free = free_bytes(device)
    if free is None or not num_bytes:
        return True
    held = bytes_held(device)
    return held + num_bytes <= _SHARE * (held + free)
