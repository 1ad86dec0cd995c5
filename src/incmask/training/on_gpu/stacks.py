"""What students learn from, on a device as bytes: stacks as they are, and finished examples; each there once."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor

from incmask.base.config import IGNORED
from incmask.base.npy_rows import Rows
from incmask.method.mixture import PLAIN, ROW, TrainingSet, TrainingStacks
from incmask.training.batches import ByteExamples, finish
from incmask.training.on_gpu.augment import BatchChange, Change, batch_change, photometric_batch, take_pixels
from incmask.training.on_gpu.held import ROWS_AT_ONCE, held, hold, join_parts, load_rows


class Stacks:
    """The stacks of all sources of a training set, one after the other, on a device.

    Attributes:
        images: uint8, (N, H, W, C).
        labels: uint8, (N, H, W) or (N, H, W, K); numbers as float32, (N, H, W).
        inconsistent: bool, (N, H, W); None where no source has any such pixels.
        has_ignored: whether some pixels have no label.
    """

    def __init__(self, sources: Sequence[TrainingStacks], device: torch.device):
        self.images = load_rows([Rows(source.images) for source in sources], device)
        self.labels = load_rows([Rows(source.labels) for source in sources], device)
        self.inconsistent: Tensor | None = None
        if any(source.inconsistent for source in sources):
            blank = np.zeros((1, *self.images.shape[1:3]), bool)
            masks = [
                Rows(source.inconsistent) if source.inconsistent else np.broadcast_to(blank, (num, *blank.shape[1:]))
                for source, num in zip(sources, _lengths(sources), strict=True)
            ]
            self.inconsistent = load_rows(masks, device)
        is_missing = self.labels.isnan() if self.labels.is_floating_point() else self.labels == IGNORED
        self.has_ignored = bool(is_missing.any())

    @property
    def tensors(self) -> list[Tensor]:
        """Images, labels and, where there are any, masks."""
        return [self.images, self.labels, *([] if self.inconsistent is None else [self.inconsistent])]

    def take(self, change: BatchChange) -> tuple[Tensor, Tensor, Tensor | None]:
        """Take images, labels and masks of a batch, and augment them."""
        pixels = change.pixels()
        masks = None
        if self.inconsistent is not None:
            masks = take_pixels(self.inconsistent, pixels)
            if change.is_filled:
                pixels = change.fill(pixels, masks)
                masks = take_pixels(self.inconsistent, pixels)
        images = photometric_batch(take_pixels(self.images, pixels), change)
        return images, take_pixels(self.labels, pixels), masks


def stacks_on(sources: tuple[TrainingStacks, ...], device: torch.device) -> Stacks:
    """Bring stacks to a device, unless they are there."""
    return hold(_key(sources, device), lambda: Stacks(sources, device))


def examples_on(
    training_set: TrainingSet, rows: np.ndarray, device: torch.device, *, change_of: Callable[[np.ndarray], Change]
) -> ByteExamples:
    """Finish examples on a device, unless they are there.

    Args:
        training_set: that they belong to.
        rows: of ``distinct_rows``.
        device: where.
        change_of: the augmentation of a row, which follows from the row alone.
    """
    return hold(
        _examples_key(training_set, rows, device),
        lambda: _finished(training_set, rows, stacks_on(training_set.sources, device), change_of),
    )


def distinct_rows(training_set: TrainingSet) -> tuple[np.ndarray, np.ndarray]:
    """Leave out rows that are the same example; where none is augmented, give all rows of the stacks instead.

    Returns:
        Array of ``ROW``, and for each row of the training set its place there.
    """
    rows = training_set.rows.copy()
    plain = rows["strength"] == PLAIN
    rows["seed"][plain] = 0
    if not plain.all():
        return np.unique(rows, return_inverse=True)
    lengths = _lengths(training_set.sources)
    every = np.zeros(sum(lengths), ROW)
    every["source"], every["strength"] = np.repeat(np.arange(len(lengths)), lengths), PLAIN
    every["index"] = np.concatenate([np.arange(num) for num in lengths])
    return every, rows_in_stacks(training_set.sources, rows)


def rows_in_stacks(sources: Sequence[TrainingStacks], rows: np.ndarray) -> np.ndarray:
    """Find where rows of a training set are in its ``Stacks``."""
    firsts = np.array([0, *accumulate(_lengths(sources))])
    return firsts[rows["source"]] + rows["index"]


def bytes_to_upload(training_set: TrainingSet, device: torch.device) -> int:
    """Bytes of the stacks, unless they are on the device."""
    if _key(training_set.sources, device) in held:
        return 0
    return sum(_lengths(training_set.sources)) * sum(_row_bytes(training_set))


def bytes_to_finish(training_set: TrainingSet, rows: np.ndarray, device: torch.device) -> int:
    """Bytes that ``examples_on`` takes at most, with those of the stacks."""
    if _examples_key(training_set, rows, device) in held:
        return 0
    image, label, mask = _row_bytes(training_set)
    is_shared = not mask and _are_plain(rows)
    # A target and a weight are as large as a label.
    return bytes_to_upload(training_set, device) + len(rows) * (2 * label + (0 if is_shared else image))


def _finished(
    training_set: TrainingSet, rows: np.ndarray, stacks: Stacks, change_of: Callable[[np.ndarray], Change]
) -> ByteExamples:
    task, blocking = training_set.task, training_set.blocking

    def block(images: Tensor, labels: Tensor, masks: Tensor | None) -> ByteExamples:
        return finish(images, labels, masks, task=task, blocking=blocking, has_ignored=stacks.has_ignored)

    if stacks.inconsistent is None and _are_plain(rows):
        return replace(block(stacks.images, stacks.labels, None), stacks=stacks)
    height, width = stacks.images.shape[1:3]

    def parts() -> Iterator[Sequence[Tensor]]:
        for first in range(0, len(rows), ROWS_AT_ONCE):
            here = rows[first : first + ROWS_AT_ONCE]
            places = rows_in_stacks(training_set.sources, here)
            change = batch_change([change_of(row) for row in here], places, (height, width)).to(stacks.images.device)
            yield block(*stacks.take(change)).tensors

    image, target, *weights = join_parts(parts(), len(rows), stacks.images.device)
    return ByteExamples(image, target, weights[0] if weights else None, task)


def _lengths(sources: Sequence[TrainingStacks]) -> list[int]:
    return [len(Rows(source.images)) for source in sources]


def _row_bytes(training_set: TrainingSet) -> tuple[int, int, int]:
    """Of an image, its label and its mask."""
    first = training_set.sources[0]
    image, label = (
        int(np.prod(rows.shape[1:])) * rows.dtype.itemsize for rows in (Rows(first.images), Rows(first.labels))
    )
    has_masks = any(source.inconsistent for source in training_set.sources)
    return image, label, int(np.prod(Rows(training_set.sources[0].images).shape[1:3])) if has_masks else 0


def _are_plain(rows: np.ndarray) -> bool:
    return bool((rows["strength"] == PLAIN).all())


def _key(sources: Sequence[TrainingStacks], device: torch.device) -> Hashable:
    paths = [path for source in sources for path in (source.images, source.labels, source.inconsistent)]
    return tuple(path and (path, path.stat().st_mtime_ns) for path in paths), device


def _examples_key(training_set: TrainingSet, rows: np.ndarray, device: torch.device) -> Hashable:
    """Tell what determines them."""
    about = training_set.strengths, training_set.task, training_set.blocking
    return _key(training_set.sources, device), rows.tobytes(), about
