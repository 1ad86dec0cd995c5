"""What a network is trained on: rows that point into stacks, and the batches drawn from them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Protocol, Self, TypeVar

import numpy as np
import torch
from torch import Tensor

from incmask.base.config import Task
from incmask.base.npy_rows import Rows
from incmask.method.augment import Strength, augment_pair
from incmask.method.augment_volumes import augment_sheet
from incmask.method.blocking import filled
from incmask.method.cutmix import Cuts, cut_mix, draw_cuts
from incmask.method.labels import labels_of
from incmask.method.mixture import PLAIN, TrainingSet
from incmask.method.recipe import Blocking
from incmask.method.streams import MIXED, Streams
from incmask.nets.forward import as_floats
from incmask.training.order import DrawnExample, order_of

_FILLING, _STRONG, _CUTTING, _AUGMENTING = 6001, 6002, 6003, 6004
"""Behind other seeds, for draws of their own: what fills an example, how strongly it is changed, what is cut, and when
it is augmented first."""


class BatchTensors:
    """A batch: a dataclass of tensors, of which some may be None."""

    @property
    def tensors(self) -> list[Tensor]:
        """All that are there."""
        return [each for each in self._values() if each is not None]

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """Give the same with each tensor changed."""
        return type(self)(*(None if each is None else function(each) for each in self._values()))

    def to(self, device: torch.device) -> Self:
        """Give the same on a device."""
        return self.map(lambda tensor: tensor.to(device))

    def _values(self) -> list[Tensor | None]:
        return [getattr(self, each.name) for each in fields(self)]  # type: ignore[arg-type]


BatchKind = TypeVar("BatchKind", bound=BatchTensors, covariant=True)


class Draws(Protocol[BatchKind]):
    """Draws the batch of any step, counted from 0 over all epochs."""

    def draw(self, step: int) -> BatchKind: ...


@dataclass(frozen=True)
class Batch(BatchTensors):
    """Tensors of one step.

    Attributes:
        image: float32, (N, C, H, W), 0 to 255, channels last in memory.
        target: binary (N, H, W) float 0/1; multilabel (N, K, H, W) float 0/1; multiclass (N, H, W)
            int64, 0 the masked class and the real ids one higher; numbers (N, H, W) float.
        weight: bool of the target's shape, False where a pixel does not count; None: all count.
    """

    image: Tensor
    target: Tensor
    weight: Tensor | None


class Batches:
    """Draws the batch of any step.

    Args:
        training_set: what to draw from.
        batch_size, steps_per_epoch: as for ``BatchOrder``.
        redraw: augment each example anew each time; else the same way always, for every student.
        seed: of the order and, with ``redraw``, of the augmentation.
        streams: how labelled and pseudo-labelled examples go side by side.

    Attributes:
        training_set: that given.
        order: which examples make a batch.
        are_fixed: whether each example is always the same, and made of one image.
        size: height and width of the images.
    """

    def __init__(
        self,
        training_set: TrainingSet,
        *,
        batch_size: int,
        steps_per_epoch: int,
        redraw: bool,
        seed: int,
        streams: Streams = MIXED,
    ):
        self.training_set = training_set
        self._images = [Rows(source.images) for source in training_set.sources]
        self._labels = [Rows(source.labels) for source in training_set.sources]
        self._inconsistent = [
            None if source.inconsistent is None else Rows(source.inconsistent) for source in training_set.sources
        ]
        is_plain = bool((training_set.rows["strength"] == PLAIN).all())
        are_changed = len(training_set.fillers) > 0 or streams.strong > 0 or streams.cutmix > 0
        self.are_fixed = not are_changed and (is_plain or not (redraw or streams.curriculum_steps))
        self.size: tuple[int, int] = self._images[0].shape[1], self._images[0].shape[2]
        self._redraw = redraw
        self._seed = seed
        self._streams = streams
        self._num_labelled = len(training_set.rows) - training_set.num_pseudo
        self.order = order_of(
            self._num_labelled,
            training_set.num_pseudo,
            streams,
            batch_size=batch_size,
            steps_per_epoch=steps_per_epoch,
            seed=seed,
        )

    def draw(self, step: int) -> Batch:
        """Give the batch of ``step``, counted from 0 over all epochs."""
        places = list(self.order.draw(step))
        images, labels, masks = map(np.stack, zip(*(self._example(place, step) for place in places), strict=True))
        if (cuts := self.cuts(places, step)) is not None:
            images, labels, masks = (cut_mix(each, cuts) for each in (images, labels, masks))
        return make_batch(images, labels, masks, task=self.training_set.task, blocking=self.training_set.blocking)

    def _example(self, place: DrawnExample, step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        row = self.training_set.rows[place.example]
        image, label, mask = self._read(row)
        if (filler := self.filler(place)) is not None:
            image, label, mask = filled((image, label, mask), self._read(filler), task=self.training_set.task)
        if (strength := self.strength(place, step)) is not None:
            # Augmented first and blocked afterwards, so that a blocked pixel is 0 and not brightened.
            generator, depth = self.generator(row, place), self.training_set.depth
            if depth is None:
                pair = augment_pair(image, label, mask, strength=strength, generator=generator)
            else:
                pair = augment_sheet(image, label, mask, depth=depth, strength=strength, generator=generator)
            assert pair.label is not None
            assert pair.inconsistent is not None
            return pair.image, pair.label, pair.inconsistent
        return image, label, mask

    def _read(self, row: "np.void | np.ndarray") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        source, index = int(row["source"]), int(row["index"])
        image, label, stack = self._images[source][index], self._labels[source][index], self._inconsistent[source]
        return image, label, np.zeros(image.shape[:2], bool) if stack is None else stack[index]

    def filler(self, place: DrawnExample) -> "np.void | np.ndarray | None":
        """Choose the row whose pixels stand in place of an example's inconsistent ones; None: nothing does."""
        rows, fillers = self.training_set.rows, self.training_set.fillers
        if not len(fillers) or not self._is_pseudo(place):
            return None
        chosen: np.void = fillers[self.generator(rows[place.example], place, _FILLING).integers(len(fillers))]
        return chosen

    def strength(self, place: DrawnExample, step: int) -> Strength | None:
        """Give the maxima by which an example is changed in a step; None: it is as it is."""
        row, (share, _) = self.training_set.rows[place.example], self._streams.shares_at(step)
        augmented = self._streams.augmented_at(step)
        if augmented < 1 and self.generator(row, place, _AUGMENTING).random() >= augmented:
            return None
        if share and self._is_pseudo(place) and self.generator(row, place, _STRONG).random() < share:
            return self.training_set.strengths[-1]
        return self.own_strength(row)

    def own_strength(self, row: "np.void | np.ndarray") -> Strength | None:
        """Give the maxima by which an example is changed unless a step asks for more; None: it is as it is."""
        return None if row["strength"] == PLAIN else self.training_set.strengths[row["strength"]]

    def cuts(self, places: Sequence[DrawnExample], step: int) -> Cuts | None:
        """Tell which pseudo-labelled examples of a step's batch get a rectangle of another one; None: none does."""
        _, share = self._streams.shares_at(step)
        pseudo = np.flatnonzero([self._is_pseudo(place) for place in places])
        if not share or len(pseudo) < 2:
            return None
        generator = np.random.default_rng([self._seed, step, _CUTTING])
        drawn = draw_cuts(len(pseudo), self.size, share=share, generator=generator, depth=self.training_set.depth)
        source, inside = np.arange(len(places)), np.zeros((len(places), *self.size), bool)
        source[pseudo], inside[pseudo] = pseudo[drawn.source], drawn.inside
        return Cuts(source, inside)

    def _is_pseudo(self, place: DrawnExample) -> bool:
        return place.example >= self._num_labelled

    def generator(self, row: "np.void | np.ndarray", place: DrawnExample, *stream: int) -> np.random.Generator:
        """Give the source of an example's augmentation, or of another stream of draws for it."""
        seeds = [int(row["seed"]), self._seed, place.number_of_pass] if self._redraw else [int(row["seed"])]
        return np.random.default_rng([*seeds, *stream])


@dataclass(frozen=True)
class ByteExamples:
    """Examples to which all has been done, as bytes (targets that are numbers: float32), on any device.

    Attributes:
        image: uint8, (N, H, W, C).
        target: uint8, as that of a ``Batch``.
        weight: as that of a ``Batch``.
        task: what the targets mean.
        stacks: what the images belong to, which lives as long; None: they are these examples' own.
    """

    image: Tensor
    target: Tensor
    weight: Tensor | None
    task: Task
    stacks: object = None

    @property
    def tensors(self) -> list[Tensor]:
        """Image, target and, where there is one, weight."""
        return [self.image, self.target, *([] if self.weight is None else [self.weight])]

    def take(self, index: Tensor) -> Batch:
        """Give some of them, by number."""
        image, target, *weights = (tensor.index_select(0, index) for tensor in self.tensors)
        return ByteExamples(image, target, weights[0] if weights else None, self.task).batch()

    def batch(self) -> Batch:
        """Give all of them."""
        return Batch(
            image=as_floats(self.image),
            target=self.target.long() if labels_of(self.task).is_exclusive else self.target.float(),
            weight=self.weight,
        )


def make_batch(
    images: np.ndarray, labels: np.ndarray, inconsistent: np.ndarray, *, task: Task, blocking: Blocking | None
) -> Batch:
    """Block the inconsistent pixels and turn arrays into tensors: see ``finish``."""
    tensors = (torch.from_numpy(np.require(each, requirements=["C", "W"])) for each in (images, labels, inconsistent))
    has_ignored = bool(labels_of(task).is_missing(labels).any())
    batch = finish(*tensors, task=task, blocking=blocking, has_ignored=has_ignored).batch()
    return batch if batch.weight is None or not batch.weight.all() else replace(batch, weight=None)


def finish(
    images: Tensor,
    labels: Tensor,
    inconsistent: Tensor | None,
    *,
    task: Task,
    blocking: Blocking | None,
    has_ignored: bool,
) -> ByteExamples:
    """Block the inconsistent pixels, with new tensors only where something changes.

    Args:
        images: uint8, (N, H, W, C).
        labels: uint8, (N, H, W) or (N, H, W, K), 255: no label; or float32, (N, H, W), NaN: none.
        inconsistent: bool, (N, H, W); None: nowhere.
        task: what the labels mean.
        blocking: what is done to inconsistent pixels; None: nothing.
        has_ignored: whether pixels may lack a label; to look would stop the device.
    """
    kind, blocking, counts = labels_of(task), blocking or Blocking(False, False), None
    # Where 0 means something, a blocked pixel cannot be learnt as 0.
    in_loss = blocking.in_loss and (kind.has_ground or not blocking.label)
    if has_ignored or not in_loss:
        counts = ~kind.is_missing(labels)
    if has_ignored and counts is not None:
        labels = labels.masked_fill(~counts, 0)
    labels = kind.with_masked(labels)
    if inconsistent is not None:
        mask = kind.over_layers(inconsistent)
        images = images.masked_fill(inconsistent[..., None], 0) if blocking.image else images
        labels = labels.masked_fill(mask, 0) if blocking.label else labels
        counts = counts if in_loss or counts is None else counts & ~mask
    target = kind.channels_first(labels).contiguous()
    weight = None if counts is None else kind.channels_first(counts).contiguous()
    return ByteExamples(images, target, weight, task)
