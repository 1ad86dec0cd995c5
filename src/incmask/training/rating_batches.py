"""The batches that an EvalNet learns from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from incmask.base.config import Settings, Task
from incmask.base.npy_rows import Rows
from incmask.method.augment import Sample, augment_pair
from incmask.method.augment_volumes import augment_sheet
from incmask.method.blocking import block_image
from incmask.method.quality import mask_planes
from incmask.training.batches import BatchTensors
from incmask.training.order import BatchOrder, DrawnExample
from incmask.training.rating_pairs import PairSet


@dataclass(frozen=True)
class PairBatch(BatchTensors):
    """Tensors of one step.

    Attributes:
        image: uint8, (N, H, W, C), blocked.
        planes: of the masks (``mask_planes``), 0 or 1, uint8, (N, M, H, W).
        target: float32, (N, outputs).
    """

    image: Tensor
    planes: Tensor
    target: Tensor


class OpenPairs:
    """The stacks of a set of pairs.

    Attributes:
        targets: float32, (pairs, outputs).
    """

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


class PairBatches:
    """Draws the batch of any step.

    Args:
        pairs: to draw from.
        task, num_classes: what the masks mean.
        settings: batch size, steps, and whether augmentation is drawn anew each time.
        seed: of the order and of that augmentation.

    Attributes:
        pairs: those given.
        order: which pairs make a batch.
        are_fixed: whether each pair is always the same.
    """

    def __init__(self, pairs: PairSet, *, task: Task, num_classes: int, settings: Settings, seed: int):
        self.pairs = pairs
        self._open = OpenPairs(pairs)
        self._task: Task = task
        self._num_classes, self._redraw, self._seed = num_classes, settings.redraw, seed
        self.order = BatchOrder(
            len(self._open), batch_size=settings.batch_size, steps_per_epoch=settings.steps_per_epoch, seed=seed
        )
        self.are_fixed = pairs.strength is None or not settings.redraw

    def __len__(self) -> int:
        return len(self._open)

    def draw(self, step: int) -> PairBatch:
        """Give the batch of ``step``, counted from 0 over all epochs."""
        return self.of(list(self.order.draw(step)))

    def of(self, places: Sequence[DrawnExample]) -> PairBatch:
        """Augment and block some pairs."""
        examples = [place.example for place in places]
        images, labels, masks = self._open.take(examples)
        for index, place in enumerate(places):
            if self.pairs.is_augmented(place.example):
                pair = self._augmented(place, images[index], labels[index], None if masks is None else masks[index])
                images[index], labels[index] = pair.image, pair.label
                if masks is not None:
                    masks[index] = pair.inconsistent
        planes = mask_planes(labels, masks, task=self._task, num_classes=self._num_classes)
        if masks is not None:
            images = block_image(images, masks)
        return PairBatch(
            torch.from_numpy(images),
            torch.from_numpy(planes.astype(np.uint8)),
            torch.from_numpy(self._open.targets[examples]),
        )

    def _augmented(self, place: DrawnExample, image: np.ndarray, label: np.ndarray, mask: np.ndarray | None) -> Sample:
        assert self.pairs.strength is not None
        seeds = [self._seed, place.number_of_pass] if self._redraw else [self.pairs.seed]
        generator = np.random.default_rng([place.example, *seeds])
        if self.pairs.depth is None:
            return augment_pair(image, label, mask, strength=self.pairs.strength, generator=generator)
        # Flips and turns alone, as of images: a pair that is scaled has another quality, since some of it is gone.
        return augment_sheet(
            image,
            label,
            mask,
            depth=self.pairs.depth,
            strength=self.pairs.strength,
            generator=generator,
            is_exact=True,
        )
