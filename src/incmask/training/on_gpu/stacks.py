"""What students learn from, on a device as bytes: stacks as they are, and finished examples; each there once."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from weakref import WeakValueDictionary

import numpy as np
import torch
from torch import Tensor

from incmask.base.config import IGNORED, Task
from incmask.base.npy_rows import Rows
from incmask.method.labels import labels_of
from incmask.method.mixture import PLAIN, ROW, TrainingSet, TrainingStacks
from incmask.method.recipes import Blocking
from incmask.nets.forward import as_floats
from incmask.training.batches import Batch
from incmask.training.on_gpu.augment import BatchChange, Change, batch_change, photometric_batch, take_pixels
from incmask.training.on_gpu.pairs import Pairs, pairs_held

_ROWS_AT_ONCE = 16
"""Read from disk, or augmented, at a time."""


class Stacks:
    """The stacks of all sources of a training set, one after the other, on a device.

    Attributes:
        images: uint8, (N, H, W, C).
        labels: uint8, (N, H, W) or (N, H, W, K).
        inconsistent: bool, (N, H, W); None where no source has any such pixels.
        has_ignored: whether some pixels have no label.
    """

    def __init__(self, sources: Sequence[TrainingStacks], device: torch.device):
        self.images = _load([Rows(source.images) for source in sources], device)
        self.labels = _load([Rows(source.labels) for source in sources], device)
        self.inconsistent: Tensor | None = None
        if any(source.inconsistent for source in sources):
            blank = np.zeros((1, *self.images.shape[1:3]), bool)
            masks = [
                Rows(source.inconsistent) if source.inconsistent else np.broadcast_to(blank, (num, *blank.shape[1:]))
                for source, num in zip(sources, _lengths(sources), strict=True)
            ]
            self.inconsistent = _load(masks, device)
        self.has_ignored = bool((self.labels == IGNORED).any())

    @property
    def tensors(self) -> list[Tensor]:
        """Images, labels and, where there are any, masks."""
        return [self.images, self.labels, *([] if self.inconsistent is None else [self.inconsistent])]

    def take(self, change: BatchChange) -> tuple[Tensor, Tensor, Tensor | None]:
        """Take images, labels and masks of a batch, and augment them."""
        pixels = change.pixels()
        masks = None if self.inconsistent is None else take_pixels(self.inconsistent, pixels)
        images = photometric_batch(take_pixels(self.images, pixels), change)
        return images, take_pixels(self.labels, pixels), masks


@dataclass(frozen=True)
class DeviceExamples:
    """Examples to which all has been done, as bytes on a device.

    Attributes:
        image: uint8, (N, H, W, C).
        target: uint8, as that of a ``Batch``.
        weight: as that of a ``Batch``.
        task: what the targets mean.
        stacks: those that the images belong to; None: they are these examples' own.
    """

    image: Tensor
    target: Tensor
    weight: Tensor | None
    task: Task
    stacks: Stacks | None = None

    @property
    def tensors(self) -> list[Tensor]:
        """Image, target and, where there is one, weight."""
        return [self.image, self.target, *([] if self.weight is None else [self.weight])]

    def rows(self, index: Tensor) -> "DeviceExamples":
        """Some of them, by number."""
        image, target, *weights = (tensor.index_select(0, index) for tensor in self.tensors)
        return DeviceExamples(image, target, weights[0] if weights else None, self.task)

    def batch(self) -> Batch:
        """All of them."""
        return Batch(
            image=as_floats(self.image),
            target=self.target.long() if labels_of(self.task).is_exclusive else self.target.float(),
            weight=self.weight,
        )


_stacks: WeakValueDictionary[Hashable, Stacks] = WeakValueDictionary()
_examples: WeakValueDictionary[Hashable, DeviceExamples] = WeakValueDictionary()
"""Those in use: students of a generation share theirs, and what no student needs any more makes room."""


def stacks_on(sources: tuple[TrainingStacks, ...], device: torch.device) -> Stacks:
    """Bring stacks to a device, unless they are there."""
    key = _key(sources, device)
    stacks = _stacks.get(key)
    if stacks is None:
        stacks = _stacks[key] = Stacks(sources, device)
    return stacks


def examples_on(
    training_set: TrainingSet, rows: np.ndarray, device: torch.device, *, change_of: Callable[[np.ndarray], Change]
) -> DeviceExamples:
    """Finish examples on a device, unless they are there.

    Args:
        training_set: that they belong to.
        rows: of ``distinct_rows``.
        device: where.
        change_of: the augmentation of a row, which follows from the row alone.
    """
    key = _examples_key(training_set, rows, device)
    examples = _examples.get(key)
    if examples is None:
        examples = _examples[key] = _finished(training_set, rows, stacks_on(training_set.sources, device), change_of)
    return examples


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
    if _key(training_set.sources, device) in _stacks:
        return 0
    return sum(_lengths(training_set.sources)) * sum(_row_bytes(training_set))


def bytes_to_finish(training_set: TrainingSet, rows: np.ndarray, device: torch.device) -> int:
    """Bytes that ``examples_on`` takes at most, with those of the stacks."""
    if _examples_key(training_set, rows, device) in _examples:
        return 0
    image, label, mask = _row_bytes(training_set)
    is_shared = not mask and _are_plain(rows)
    # A target and a weight are as large as a label.
    return bytes_to_upload(training_set, device) + len(rows) * (2 * label + (0 if is_shared else image))


def bytes_held(device: torch.device) -> int:
    """Bytes of all stacks and examples on a device."""
    everything: list[Stacks | DeviceExamples | Pairs] = [*_stacks.values(), *_examples.values(), *pairs_held.values()]
    tensors = [tensor for each in everything for tensor in each.tensors]
    # Some examples and stacks are the same.
    return sum({each.data_ptr(): each.nbytes for each in tensors if each.device.type == device.type}.values())


def finish(
    images: Tensor,
    labels: Tensor,
    inconsistent: Tensor | None,
    *,
    task: Task,
    blocking: Blocking | None,
    has_ignored: bool,
) -> DeviceExamples:
    """Do on the device what ``make_batch`` does to arrays, with new tensors only where something changes.

    Args:
        images: uint8, (N, H, W, C).
        labels: uint8, (N, H, W) or (N, H, W, K); 255: no label.
        inconsistent: bool, (N, H, W); None: nowhere.
        task: what the labels mean.
        blocking: what is done to inconsistent pixels; None: nothing.
        has_ignored: whether labels may hold 255; to look would stop the device.
    """
    blocking, counts = blocking or Blocking(False, False), None
    if has_ignored or not blocking.in_loss:
        counts = labels != IGNORED
    if has_ignored and counts is not None:
        labels = labels.masked_fill(~counts, 0)
    kind = labels_of(task)
    labels = kind.with_masked(labels)
    if inconsistent is not None:
        mask = kind.over_layers(inconsistent)
        images = images.masked_fill(inconsistent[..., None], 0) if blocking.image else images
        labels = labels.masked_fill(mask, 0) if blocking.label else labels
        counts = counts if blocking.in_loss or counts is None else counts & ~mask
    if kind.is_layered:
        labels, counts = _channels_first(labels), None if counts is None else _channels_first(counts)
    return DeviceExamples(images, labels, counts, task)


def _channels_first(tensor: Tensor) -> Tensor:
    return tensor.movedim(-1, 1).contiguous()


def _finished(
    training_set: TrainingSet, rows: np.ndarray, stacks: Stacks, change_of: Callable[[np.ndarray], Change]
) -> DeviceExamples:
    task, blocking = training_set.task, training_set.blocking

    def block(images: Tensor, labels: Tensor, masks: Tensor | None) -> DeviceExamples:
        return finish(images, labels, masks, task=task, blocking=blocking, has_ignored=stacks.has_ignored)

    if stacks.inconsistent is None and _are_plain(rows):
        return replace(block(stacks.images, stacks.labels, None), stacks=stacks)
    height, width = stacks.images.shape[1:3]
    wholes: list[Tensor] = []
    for first in range(0, len(rows), _ROWS_AT_ONCE):
        here = rows[first : first + _ROWS_AT_ONCE]
        places = rows_in_stacks(training_set.sources, here)
        change = batch_change([change_of(row) for row in here], places, (height, width)).to(stacks.images.device)
        parts = block(*stacks.take(change)).tensors
        wholes = wholes or [part.new_empty((len(rows), *part.shape[1:])) for part in parts]
        for whole, part in zip(wholes, parts, strict=True):
            whole[first : first + len(here)] = part
    image, target, *weights = wholes
    return DeviceExamples(image, target, weights[0] if weights else None, task)


def _load(parts: Sequence[Rows | np.ndarray], device: torch.device) -> Tensor:
    """Bring arrays to a device, one after the other in a single stack."""
    empty = torch.from_numpy(np.empty(0, parts[0].dtype))
    stack = torch.empty((sum(map(len, parts)), *parts[0].shape[1:]), dtype=empty.dtype, device=device)
    done = 0
    for part in parts:
        for first in range(0, len(part), _ROWS_AT_ONCE):
            values = np.ascontiguousarray(part[first : first + _ROWS_AT_ONCE])
            stack[done : done + len(values)] = torch.from_numpy(values).to(device)
            done += len(values)
    return stack


def _lengths(sources: Sequence[TrainingStacks]) -> list[int]:
    return [len(Rows(source.images)) for source in sources]


def _row_bytes(training_set: TrainingSet) -> tuple[int, int, int]:
    """Of an image, its label and its mask."""
    image, label = (
        int(np.prod(Rows(path).shape[1:])) for path in (training_set.sources[0].images, training_set.sources[0].labels)
    )
    has_masks = any(source.inconsistent for source in training_set.sources)
    return image, label, int(np.prod(Rows(training_set.sources[0].images).shape[1:3])) if has_masks else 0


def _are_plain(rows: np.ndarray) -> bool:
    return bool((rows["strength"] == PLAIN).all())


def _key(sources: Sequence[TrainingStacks], device: torch.device) -> Hashable:
    paths = [path for source in sources for path in (source.images, source.labels, source.inconsistent)]
    return tuple(path and (path, path.stat().st_mtime_ns) for path in paths), device


def _examples_key(training_set: TrainingSet, rows: np.ndarray, device: torch.device) -> Hashable:
    """What determines them."""
    about = training_set.strengths, training_set.task, training_set.blocking
    return _key(training_set.sources, device), rows.tobytes(), about
