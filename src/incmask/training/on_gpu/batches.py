"""Training images that lie on the device as bytes, and are augmented there."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, Protocol

import numpy as np
import torch
from torch import Tensor

from incmask.base.config import Settings
from incmask.base.device import device_of, free_bytes
from incmask.method.augment import Strength
from incmask.method.cutmix import Cuts, cut_mix
from incmask.training.batches import Batch, Batches, BatchKind, Draws, finish
from incmask.training.jobs import FitJob
from incmask.training.on_gpu.ahead import Ahead
from incmask.training.on_gpu.augment import BatchChange, Change, batch_change, draw_change, upload
from incmask.training.on_gpu.held import bytes_held
from incmask.training.on_gpu.pairs import bytes_of_pairs, pairs_on
from incmask.training.on_gpu.stacks import (
    bytes_to_finish,
    bytes_to_upload,
    distinct_rows,
    examples_on,
    rows_in_stacks,
    stacks_on,
)
from incmask.training.on_gpu.views import DeviceViews, bytes_of_views
from incmask.training.online import FileViews, OnlineLessons, Views
from incmask.training.order import DrawnExample, Order
from incmask.training.rating import JudgingLessons, RatingObjective
from incmask.training.rating_batches import PairBatch, PairBatches
from incmask.training.segmentation import Segmentation, SegmentationLessons

_SHARE = 0.4
"""Of the memory that a device would have free without images, what all of them may take."""

_STEPS_AN_UPLOAD = 32
"""Whose examples are brought to the device together."""

_NO_CHANGE = Change()

_FIRST_PLACE = DrawnExample(0, 0)


@dataclass(frozen=True)
class OnDevice:
    """To learn from images on the device; where they have no room there, or change, batches are made ahead.

    Attributes:
        objective: what is learnt.
    """

    objective: Segmentation | RatingObjective

    def open(self, settings: Settings, *, seed: int) -> SegmentationLessons | JudgingLessons:
        """Bring the images to the device of the settings, unless they are there."""
        lessons, device = self.objective.open(settings, seed=seed), device_of(settings)
        if isinstance(lessons, SegmentationLessons):
            assert isinstance(lessons.batches, Batches)
            lessons.batches = batches_on(lessons.batches, device)
            if isinstance(lessons, OnlineLessons) and isinstance(lessons.views, FileViews):
                lessons.views = views_on(lessons.views, device)
        else:
            assert isinstance(lessons.batches, PairBatches)
            lessons.batches = pair_batches_on(lessons.batches, device)
        return lessons


def on_device(job: FitJob) -> FitJob:
    """Give the same training, with its images on the device where that is known how to do."""
    objective = job.objective
    return replace(job, objective=OnDevice(objective)) if isinstance(objective, Segmentation | RatingObjective) else job


def batches_on(batches: Batches, device: torch.device) -> Draws[Batch]:
    """Draw batches from images on a device; they are the same but for noise, which the device draws.

    Where each example is always the same, and there is room, all are finished before the first step; else each batch
    is augmented by itself, and where there is no room for that either, made ahead.
    """
    training_set = batches.training_set
    if training_set.depth is not None or batches.size[0] == 1:
        # Volumes and signals are changed on the CPU alone.
        return PrefetchedBatches(batches, device)
    if batches.are_fixed:
        rows, places = distinct_rows(training_set)
        # Examples that are finished need no stacks any more.
        if _has_room(bytes_to_finish(training_set, rows, device), device):
            examples = examples_on(training_set, rows, device, change_of=partial(_fixed_change, batches))
            return FixedBatches(examples, batches.order, places, device)
    if _has_room(bytes_to_upload(training_set, device), device):
        return DeviceBatches(batches, device)
    return PrefetchedBatches(batches, device)


def views_on(views: FileViews, device: torch.device) -> Views:
    """Draw unlabelled images that lie on a device, and change them there; as they are where there is no room.

    Volumes are changed on the CPU alone.
    """
    is_there = views.team.depth is None and _has_room(bytes_of_views(views, device), device)
    return DeviceViews(views, device) if is_there else views


def pair_batches_on(batches: PairBatches, device: torch.device) -> Draws[PairBatch]:
    """Draw batches from pairs on a device where they are always the same and have room; else make them ahead."""
    if batches.are_fixed and _has_room(bytes_of_pairs(batches, device), device):
        return FixedBatches(pairs_on(batches, device), batches.order, np.arange(len(batches)), device)
    return PrefetchedBatches(batches, device)


class DeviceBatches:
    """Draws the batch of any step from images on a device, which augments them.

    Args:
        batches: that these are to be but for noise, which the device draws.
        device: where.
    """

    def __init__(self, batches: Batches, device: torch.device):
        training_set = batches.training_set
        self._batches, self._device = batches, device
        self._stacks = stacks_on(training_set.sources, device)
        self._places = rows_in_stacks(training_set.sources, training_set.rows)
        self._ahead: Ahead[tuple[BatchChange, Cuts | None]] = Ahead()

    def draw(self, step: int) -> Batch:
        """Give the batch of ``step``, counted from 0 over all epochs."""
        training_set, (change, cuts) = self._batches.training_set, self._ahead.draw(self._draw_changes, step)
        images, labels, masks = self._stacks.take(change.to(self._device))
        if cuts is not None:
            cuts = Cuts(*(upload(torch.from_numpy(each), self._device) for each in (cuts.source, cuts.inside)))
            images, labels = cut_mix(images, cuts), cut_mix(labels, cuts)
            masks = None if masks is None else cut_mix(masks, cuts)
        return finish(
            images,
            labels,
            masks,
            task=training_set.task,
            blocking=training_set.blocking,
            has_ignored=self._stacks.has_ignored,
        ).batch()

    def _draw_changes(self, step: int) -> tuple[BatchChange, Cuts | None]:
        places = list(self._batches.order.draw(step))
        examples, training_set = [place.example for place in places], self._batches.training_set
        rows = training_set.rows[examples]
        changes = [
            _change(self._batches, row, self._batches.strength(place, step), place)
            for row, place in zip(rows, places, strict=True)
        ]
        fillers = None
        if len(training_set.fillers):
            chosen = [self._batches.filler(place) for place in places]
            rows = np.array([row if filler is None else filler for row, filler in zip(rows, chosen, strict=True)])
            fillers = rows_in_stacks(training_set.sources, rows)
        change = batch_change(changes, self._places[examples], self._batches.size, fillers=fillers)
        return change, self._batches.cuts(places, step)


class PrefetchedBatches(Generic[BatchKind]):
    """Draws batches on the CPU, each a step ahead in a thread of its own, and copies them to the device meanwhile."""

    def __init__(self, batches: Draws[BatchKind], device: torch.device):
        self._batches, self._device = batches, device
        self._ahead: Ahead[BatchKind] = Ahead()

    def draw(self, step: int) -> BatchKind:
        """Give the batch of ``step``, counted from 0 over all epochs."""
        return self._ahead.draw(self._draw, step).map(lambda tensor: upload(tensor, self._device))

    def _draw(self, step: int) -> BatchKind:
        batch = self._batches.draw(step)
        return batch.map(Tensor.pin_memory) if self._device.type == "cuda" else batch


class Examples(Protocol[BatchKind]):
    """What lies on a device finished."""

    def take(self, index: Tensor) -> BatchKind: ...


class FixedBatches(Generic[BatchKind]):
    """Draws the batch of any step from examples that were finished before the first.

    Args:
        examples: on a device.
        order: which of them make a batch, which is brought there for many steps at once.
        places: of each example of the order among those on the device.
        device: where.

    Attributes:
        examples: those given.
    """

    def __init__(self, examples: Examples[BatchKind], order: Order, places: np.ndarray, device: torch.device):
        self.examples = examples
        self._order, self._places, self._device = order, places, device
        self._uploaded: tuple[int, Tensor] | None = None

    def draw(self, step: int) -> BatchKind:
        """Give the batch of ``step``, counted from 0 over all epochs."""
        number, place = divmod(step, _STEPS_AN_UPLOAD)
        if self._uploaded is None or self._uploaded[0] != number:
            steps = range(number * _STEPS_AN_UPLOAD, (number + 1) * _STEPS_AN_UPLOAD)
            self._uploaded = number, upload(torch.from_numpy(self._places[self._order.examples(steps)]), self._device)
        return self.examples.take(self._uploaded[1][place])


def _fixed_change(batches: Batches, row: np.ndarray) -> Change:
    """Tell what is done to an example whenever it is drawn."""
    return _change(batches, row, batches.own_strength(row), _FIRST_PLACE)


def _change(batches: Batches, row: np.ndarray, strength: Strength | None, place: DrawnExample) -> Change:
    """Tell what is done to an example that is changed so strongly at most."""
    return draw_change(strength, batches.size, batches.generator(row, place)) if strength else _NO_CHANGE


def _has_room(num_bytes: int, device: torch.device) -> bool:
    """Tell whether so much more may be brought to the device."""
    free = free_bytes(device)
    if free is None or not num_bytes:
        return True
    held = bytes_held(device)
    return held + num_bytes <= _SHARE * (held + free)
