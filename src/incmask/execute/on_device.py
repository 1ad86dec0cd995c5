"""Training images that lie on the device as bytes, and are augmented there."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from weakref import WeakValueDictionary

import numpy as np
import torch
from torch import Tensor

from incmask.augment.on_device import Change, draw_change, flip_rotate_batch, photometric_batch
from incmask.batches import PLAIN, Batch, Batches, Order, Place, TrainingSet
from incmask.config import IGNORED, Settings, Task
from incmask.device import free_bytes, resolve_device
from incmask.fit import FitJob
from incmask.objectives import Segmentation, SegmentationLessons
from incmask.recipes import Blocking
from incmask.rows import Rows

_SHARE = 0.4
"""Of the device's free memory, that the images may take."""

_UPLOAD_ROWS = 64
"""Read from disk at a time."""


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
        free = free_bytes(device)
        kind: type[DeviceBatches] | type[PrefetchedBatches] = DeviceBatches
        if free is not None and bytes_to_upload(training, device) > _SHARE * free:
            kind = PrefetchedBatches
        lessons.batches = kind(training, order=lessons.batches.order, redraw=settings.redraw, seed=seed, device=device)
        return lessons


def on_device(job: FitJob) -> FitJob:
    """The same training, with its images on the device where that is known how to do."""
    return replace(job, objective=OnDevice(job.objective)) if isinstance(job.objective, Segmentation) else job


class _DeviceStack:
    """A stack on the device.

    Attributes:
        values: of the stack's type and shape.
        has_ignored: whether some pixels have no label.
    """

    def __init__(self, path: Path, device: torch.device):
        rows = Rows(path)
        empty = torch.from_numpy(np.empty(0, rows.dtype))
        self.values = torch.empty(rows.shape, dtype=empty.dtype, device=device)
        for first in range(0, len(rows), _UPLOAD_ROWS):
            part = slice(first, first + _UPLOAD_ROWS)
            self.values[part] = torch.from_numpy(rows[part]).to(device)
        self.has_ignored = self.values.dtype == torch.uint8 and bool((self.values == IGNORED).any())


_stacks: WeakValueDictionary[tuple[Path, int, torch.device], _DeviceStack] = WeakValueDictionary()
"""Those in use: students of a generation share theirs, and what no student needs any more makes room."""


class _BatchesFor(Batches):
    """Batches for a device.

    Args:
        training_set, redraw, seed: as for ``Batches``.
        order: which examples make a batch.
        device: where.
    """

    def __init__(self, training_set: TrainingSet, *, order: Order, redraw: bool, seed: int, device: torch.device):
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
    """Draws the batch of any step from stacks on the device.

    Order and augmentation are those of ``Batches`` but for noise, which the device draws.
    """

    def __init__(self, training_set: TrainingSet, *, order: Order, redraw: bool, seed: int, device: torch.device):
        super().__init__(training_set, order=order, redraw=redraw, seed=seed, device=device)
        sources = training_set.sources
        self._image_stacks = [_on_device(source.images, device) for source in sources]
        self._label_stacks = [_on_device(source.labels, device) for source in sources]
        self._masks = [
            None if source.inconsistent is None else _on_device(source.inconsistent, device) for source in sources
        ]
        self._has_ignored = any(stack.has_ignored for stack in self._label_stacks)

    def draw(self, step: int) -> Batch:
        """The batch of ``step``, counted from 0 over all epochs."""
        places = list(self.order.draw(step))
        rows = self._set.rows[[place.example for place in places]]
        images = self._take([stack.values for stack in self._image_stacks], rows)
        labels = self._take([stack.values for stack in self._label_stacks], rows)
        blank = torch.zeros(1, dtype=torch.bool, device=self._device).expand(1, *images.shape[1:3])
        masks = self._take([blank if stack is None else stack.values for stack in self._masks], rows)
        changes = [self._change(place, row, images.shape[1:]) for place, row in zip(places, rows, strict=True)]
        geometries = [change.geometry for change in changes]
        images, labels, masks = (flip_rotate_batch(each, geometries) for each in (images, labels, masks))
        return make_device_batch(
            photometric_batch(images, changes),
            labels,
            masks,
            task=self._set.task,
            blocking=self._set.blocking,
            has_ignored=self._has_ignored,
        )

    def _take(self, stacks: Sequence[Tensor], rows: np.ndarray) -> Tensor:
        """Rows of several stacks; one of a single row stands for any."""
        taken = torch.empty((len(rows), *stacks[0].shape[1:]), dtype=stacks[0].dtype, device=self._device)
        for source, stack in enumerate(stacks):
            (here,) = np.nonzero(rows["source"] == source)
            if len(here):
                index = np.where(len(stack) > 1, rows["index"][here], 0).astype(np.int64)
                taken[torch.from_numpy(here).to(self._device)] = stack[torch.from_numpy(index).to(self._device)]
        return taken

    def _change(self, place: Place, row: np.ndarray, shape: Sequence[int]) -> Change:
        if row["strength"] == PLAIN:
            return Change()
        return draw_change(self._set.strengths[row["strength"]], tuple(shape), self._generator(row, place))


class PrefetchedBatches(_BatchesFor):
    """Draws batches on the CPU, each a step ahead in a thread of its own, and copies them to the device meanwhile."""

    def __init__(self, training_set: TrainingSet, *, order: Order, redraw: bool, seed: int, device: torch.device):
        super().__init__(training_set, order=order, redraw=redraw, seed=seed, device=device)
        self._thread = ThreadPoolExecutor(1)
        self._ahead: tuple[int, Future[Batch]] | None = None

    def draw(self, step: int) -> Batch:
        """The batch of ``step``, counted from 0 over all epochs."""
        ahead, self._ahead = self._ahead, None
        batch = ahead[1].result() if ahead and ahead[0] == step else self._draw(step)
        self._ahead = step + 1, self._thread.submit(self._draw, step + 1)
        return replace(
            batch,
            image=self._to_device(batch.image),
            target=self._to_device(batch.target),
            weight=None if batch.weight is None else self._to_device(batch.weight),
        )

    def _draw(self, step: int) -> Batch:
        batch = super().draw(step)
        if self._device.type != "cuda":
            return batch
        # From pinned memory the copy goes on while the device computes.
        return replace(
            batch,
            image=batch.image.pin_memory(),
            target=batch.target.pin_memory(),
            weight=None if batch.weight is None else batch.weight.pin_memory(),
        )

    def _to_device(self, tensor: Tensor) -> Tensor:
        return tensor.to(self._device, non_blocking=True)


def make_device_batch(
    images: Tensor, labels: Tensor, inconsistent: Tensor, *, task: Task, blocking: Blocking | None, has_ignored: bool
) -> Batch:
    """Do on the device what ``make_batch`` does to arrays.

    Args:
        images: uint8, (N, H, W, C).
        labels: uint8, (N, H, W) or (N, H, W, K); 255: no label.
        inconsistent: bool, (N, H, W).
        task: what the labels mean.
        blocking: what is done to inconsistent pixels; None: nothing.
        has_ignored: whether labels may hold 255; to look would stop the device.
    """
    mask = inconsistent[..., None] if task == "multilabel" else inconsistent
    if blocking and blocking.image:
        images = images.masked_fill(inconsistent[..., None], 0)
    counts = labels != IGNORED
    labels = labels.masked_fill(~counts, 0)
    if task == "multiclass":
        # Id 0 is the masked class: the real ids move up by one (paper section 2.4.6).
        labels = labels.long() + 1
    if blocking and blocking.label:
        labels = labels.masked_fill(mask, 0)
    in_loss = blocking is None or blocking.in_loss
    if not in_loss:
        counts = counts & ~mask
    if task == "multilabel":
        labels, counts = labels.movedim(-1, 1).contiguous(), counts.movedim(-1, 1).contiguous()
    return Batch(
        image=images.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.channels_last),
        target=labels if task == "multiclass" else labels.float(),
        weight=counts if has_ignored or not in_loss else None,
    )


def bytes_to_upload(training_set: TrainingSet, device: torch.device) -> int:
    """Bytes of the stacks that are not on the device yet."""
    paths = {path for source in training_set.sources for path in (source.images, source.labels, source.inconsistent)}
    return sum(path.stat().st_size for path in paths if path is not None and _key(path, device) not in _stacks)


def _on_device(path: Path, device: torch.device) -> _DeviceStack:
    key = _key(path, device)
    stack = _stacks.get(key)
    if stack is None:
        stack = _stacks[key] = _DeviceStack(path, device)
    return stack


def _key(path: Path, device: torch.device) -> tuple[Path, int, torch.device]:
    return path, path.stat().st_mtime_ns, device
