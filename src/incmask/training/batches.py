"""What a network is trained on: rows that point into stacks, and the batches drawn from them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from incmask.base.config import IGNORED, Task
from incmask.base.npy_rows import Rows
from incmask.method.augment import augment_pair
from incmask.method.blocking import block_image, block_label
from incmask.method.labels import labels_of
from incmask.method.mixture import PLAIN, TrainingSet
from incmask.method.recipes import Blocking
from incmask.nets.forward import image_tensor


@dataclass(frozen=True)
class Batch:
    """Tensors of one step.

    Attributes:
        image: float32, (N, C, H, W), 0 to 255, channels last in memory.
        target: binary (N, H, W) float 0/1; multilabel (N, K, H, W) float 0/1; multiclass (N, H, W)
            int64, 0 the masked class and the real ids one higher.
        weight: bool of the target's shape, False where a pixel does not count; None: all count.
    """

    image: Tensor
    target: Tensor
    weight: Tensor | None


class BatchOrder:
    """Which examples make the batch of any step, from the seed alone: nothing to save when a training stops.

    Args:
        num_examples: to draw from.
        batch_size: examples a step, at most.
        steps_per_epoch: 0: an epoch is one shuffled pass whose remainder is left out, at least one
            step (paper section 2.6.2). Else shuffled passes follow each other without a gap.
        seed: of the order.
    """

    def __init__(self, num_examples: int, *, batch_size: int, steps_per_epoch: int, seed: int):
        one_pass = steps_per_epoch == 0
        self.batch_size = min(batch_size, num_examples) if one_pass else batch_size
        self.steps_per_epoch = steps_per_epoch or max(1, num_examples // batch_size)
        self._examples_per_pass = self.steps_per_epoch * self.batch_size if one_pass else num_examples
        self._order = lru_cache(maxsize=2)(
            lambda number: np.random.default_rng([seed, number]).permutation(num_examples)[: self._examples_per_pass]
        )

    def draw(self, step: int) -> Iterator["DrawnExample"]:
        """The examples of ``step``, counted from 0 over all epochs."""
        numbers, examples = self._find(range(step, step + 1))
        yield from map(DrawnExample, numbers.tolist(), examples.tolist())

    def examples(self, steps: range) -> NDArray[np.intp]:
        """The examples alone of consecutive steps, (steps, batch size)."""
        return self._find(steps)[1].reshape(len(steps), self.batch_size)

    def _find(self, steps: range) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The numbers of passes and the examples of consecutive steps, one after the other."""
        positions = np.arange(steps.start * self.batch_size, steps.stop * self.batch_size)
        numbers, offsets = np.divmod(positions, self._examples_per_pass)
        found = np.empty_like(positions)
        for number in np.unique(numbers).tolist():
            here = numbers == number
            found[here] = self._order(number)[offsets[here]]
        return numbers, found


@dataclass(frozen=True)
class DrawnExample:
    """An example: the number of the pass over all of them, and which one it is."""

    number_of_pass: int
    example: int


class Batches:
    """Draws the batch of any step.

    Args:
        training_set: what to draw from.
        batch_size, steps_per_epoch: as for ``BatchOrder``.
        redraw: augment each example anew each time; else the same way always, for every student.
        seed: of the order and, with ``redraw``, of the augmentation.
    """

    def __init__(self, training_set: TrainingSet, *, batch_size: int, steps_per_epoch: int, redraw: bool, seed: int):
        self._set = training_set
        self._images = [Rows(source.images) for source in training_set.sources]
        self._labels = [Rows(source.labels) for source in training_set.sources]
        self._inconsistent = [
            None if source.inconsistent is None else Rows(source.inconsistent) for source in training_set.sources
        ]
        self._redraw = redraw
        self._seed = seed
        self.order = BatchOrder(
            len(training_set.rows), batch_size=batch_size, steps_per_epoch=steps_per_epoch, seed=seed
        )

    def draw(self, step: int) -> Batch:
        """The batch of ``step``, counted from 0 over all epochs."""
        examples = [self._example(place) for place in self.order.draw(step)]
        images, labels, masks = zip(*examples, strict=True)
        return make_batch(
            np.stack(images), np.stack(labels), np.stack(masks), task=self._set.task, blocking=self._set.blocking
        )

    def _example(self, place: DrawnExample) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        row = self._set.rows[place.example]
        source, index = int(row["source"]), int(row["index"])
        image, label = self._images[source][index], self._labels[source][index]
        stack = self._inconsistent[source]
        mask = np.zeros(image.shape[:2], bool) if stack is None else stack[index]
        if row["strength"] != PLAIN:
            # Augmented first and blocked afterwards, so that a blocked pixel is 0 and not brightened.
            pair = augment_pair(
                image,
                label,
                mask,
                strength=self._set.strengths[row["strength"]],
                generator=self._generator(row, place),
            )
            assert pair.label is not None
            assert pair.inconsistent is not None
            return pair.image, pair.label, pair.inconsistent
        return image, label, mask

    def _generator(self, row: "np.void | np.ndarray", place: DrawnExample) -> np.random.Generator:
        """The source of an example's augmentation."""
        seeds = [int(row["seed"]), self._seed, place.number_of_pass] if self._redraw else [int(row["seed"])]
        return np.random.default_rng(seeds)


def make_batch(
    images: np.ndarray, labels: np.ndarray, inconsistent: np.ndarray, *, task: Task, blocking: Blocking | None
) -> Batch:
    """Block the inconsistent pixels and turn arrays into tensors.

    Args:
        images: uint8, (N, H, W, C).
        labels: uint8, (N, H, W) or (N, H, W, K); 255: no label.
        inconsistent: bool, (N, H, W).
        task: what the labels mean.
        blocking: what is done to inconsistent pixels; None: nothing.
    """
    if blocking and blocking.image:
        images = block_image(images, inconsistent)
    kind, known = labels_of(task), labels != IGNORED
    counts = known if blocking is None or blocking.in_loss else known & ~kind.over_layers(inconsistent)
    target = kind.with_masked(np.where(known, labels, 0))
    if blocking and blocking.label:
        target = block_label(target, inconsistent, task=task)
    target = target.astype(np.int64 if kind.is_exclusive else np.float32)
    return Batch(
        image=image_tensor(images),
        target=torch.from_numpy(np.ascontiguousarray(kind.channels_first(target))),
        weight=None if counts.all() else torch.from_numpy(np.ascontiguousarray(kind.channels_first(counts))),
    )
