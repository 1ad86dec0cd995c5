"""Unlabelled images for students in teams, on a device as bytes, and changed there."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from incmask.base.npy_rows import Rows
from incmask.method.augment import draw_geometry
from incmask.training.on_gpu.ahead import Ahead
from incmask.training.on_gpu.augment import (
    BatchChange,
    Change,
    batch_change,
    draw_intensities,
    photometric_batch,
    take_pixels,
)
from incmask.training.on_gpu.held import held, hold, load_rows
from incmask.training.online import FileViews, generator_of


@dataclass(frozen=True)
class Images:
    """A stack on a device: uint8, (N, H, W, C)."""

    stack: Tensor

    @property
    def tensors(self) -> Sequence[Tensor]:
        """It alone."""
        return (self.stack,)


class DeviceViews:
    """Draws the unlabelled images of any step on a device.

    Args:
        views: that these are to be but for noise, which the device draws.
        device: where.
    """

    def __init__(self, views: FileViews, device: torch.device):
        self._team, self._order, self._device = views.team, views.order, device
        self._images = hold(_key(views.team.images, device), lambda: _load(views.team.images, device))
        _, height, width, _ = self._images.stack.shape
        self._size = height, width
        self._weak: Ahead[BatchChange] = Ahead()
        self._strong: Ahead[BatchChange] = Ahead()

    def weak(self, step: int) -> Tensor:
        """See ``Views.weak``."""
        change = self._weak.draw(self._draw_geometries, step).to(self._device)
        return take_pixels(self._images.stack, change.pixels())

    def strong(self, weak: Tensor, step: int, *, seed: int) -> Tensor:
        """See ``Views.strong``; the seed is the same at each step."""
        change = self._strong.draw(partial(self._draw_intensities, seed=seed), step).to(self._device)
        return photometric_batch(weak, change)

    def _draw_geometries(self, step: int) -> BatchChange:
        places = list(self._order.draw(step))
        strength, seed = self._team.strength, self._team.seed
        changes = [Change(draw_geometry(strength, self._size, generator_of(seed, place))) for place in places]
        return batch_change(changes, np.array([place.example for place in places]), self._size)

    def _draw_intensities(self, step: int, *, seed: int) -> BatchChange:
        places = self._order.draw(step)
        changes = [draw_intensities(self._team.strength, generator_of(seed, place)) for place in places]
        return batch_change(changes, np.arange(len(changes)), self._size)


def bytes_of_views(views: FileViews, device: torch.device) -> int:
    """Bytes that ``DeviceViews`` takes, unless the images are on the device."""
    return 0 if _key(views.team.images, device) in held else int(np.prod(Rows(views.team.images).shape))


def _load(path: Path, device: torch.device) -> Images:
    return Images(load_rows([Rows(path)], device))


def _key(path: Path, device: torch.device) -> Hashable:
    return Images, path, path.stat().st_mtime_ns, device
