"""Augment a batch where it lies, on a GPU or elsewhere: what ``ops`` does to pairs on the CPU.

Draws are those of ``ops``, and so are flips, turns, contrast, brightness and blur, to the bit. Noise comes from torch's
generator of the device: other numbers of the same distribution.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import cv2
import numpy as np
import torch
from torch import Tensor

from incmask.augment.ops import Geometry, Strength, draw_geometry, draw_table

Key = TypeVar("Key")

_LARGEST_SEED = 2**63 - 1


_KERNEL_SUM = 256

_AS_IT_IS = Geometry()


@dataclass(frozen=True)
class Change:
    """What is done to one image.

    Attributes:
        geometry: flips and turns.
        table: the new intensity of each, uint8 (256,); None: as they are.
        blur_px: radius of the Gaussian kernel; 0: none.
        max_noise: noise is drawn from [-max_noise, max_noise); 0: none.
        noise_seed: of the noise.
    """

    geometry: Geometry = _AS_IT_IS
    table: np.ndarray | None = None
    blur_px: int = 0
    max_noise: int = 0
    noise_seed: int = 0


def draw_change(strength: Strength, shape: tuple[int, ...], generator: np.random.Generator) -> Change:
    """Draw what ``augment_pair`` would do with ``generator`` to an image of ``shape`` (H, W, ...)."""
    geometry = draw_geometry(strength, shape, generator)
    table = draw_table(strength, generator)
    blur_px = int(generator.integers(strength.max_blur_px, endpoint=True))
    seed = int(generator.integers(_LARGEST_SEED)) if strength.max_noise else 0
    return Change(geometry, table, blur_px, strength.max_noise, seed)


def flip_rotate_batch(pixels: Tensor, geometries: Sequence[Geometry]) -> Tensor:
    """Apply ``flip_rotate`` to each of a batch, (N, H, W) or (N, H, W, C); turns by 90 degrees keep the shape only
    where H is W."""
    moved = torch.empty_like(pixels)
    for geometry, rows in _alike(geometries, pixels.device):
        if geometry == _AS_IT_IS:
            moved[rows] = pixels[rows]
            continue
        axes = [axis for axis, flips in ((1, geometry.flip_vertical), (2, geometry.flip_horizontal)) if flips]
        moved[rows] = pixels[rows].flip(axes).rot90(geometry.quarter_turns, (1, 2))
    return moved


def photometric_batch(images: Tensor, changes: Sequence[Change]) -> Tensor:
    """Change the intensities of each image: contrast and brightness, blur, noise.

    Args:
        images: uint8, (N, H, W, C).
        changes: one for each; their geometry plays no part.
    """
    images = _look_up(images, changes)
    for radius_px, rows in _alike([change.blur_px for change in changes], images.device):
        if radius_px:
            images[rows] = _blur(images[rows], radius_px)
    if any(change.max_noise for change in changes):
        images = _add_noise(images, changes)
    return images


def _look_up(images: Tensor, changes: Sequence[Change]) -> Tensor:
    as_it_is = np.arange(256, dtype=np.uint8)
    tables = np.stack([as_it_is if change.table is None else change.table for change in changes])
    flat = torch.from_numpy(tables).to(images.device, non_blocking=True).reshape(-1)
    first = torch.arange(len(images), device=images.device, dtype=torch.int32) * 256
    return flat[images.int() + first[:, None, None, None]]


def _blur(images: Tensor, radius_px: int) -> Tensor:
    """Blur with a kernel of side ``2 radius_px + 1``: one axis after the other, mirrored at the edge."""
    kernel = _kernel(2 * radius_px + 1)
    # All sums are whole numbers below 2**24, which 32 bits hold exactly.
    blurred = images.float()
    for axis in (1, 2):
        side = images.shape[axis]
        places = [cv2.borderInterpolate(i, side, cv2.BORDER_REFLECT_101) for i in range(-radius_px, side + radius_px)]
        edged = blurred.index_select(axis, torch.tensor(places, device=images.device))
        blurred = torch.zeros_like(blurred)
        for place, weight in enumerate(kernel):
            blurred.add_(edged.narrow(axis, place, side), alpha=weight)
    return blurred.div_(_KERNEL_SUM**2).add_(0.5).floor_().byte()


@lru_cache
def _kernel(side_px: int) -> tuple[int, ...]:
    """The Gaussian kernel as OpenCV takes it for bytes: whole numbers whose sum is 256, the middle one the rest.

    What is lost in rounding a weight is added to the next, so that the kernel keeps its shape.
    """
    rest, half = 0.0, []
    for weight in cv2.getGaussianKernel(side_px, 0)[: side_px // 2, 0].tolist():
        exact = _KERNEL_SUM * weight + rest
        half.append(round(exact))
        rest = exact - half[-1]
    return (*half, _KERNEL_SUM - 2 * sum(half), *reversed(half))


def _add_noise(images: Tensor, changes: Sequence[Change]) -> Tensor:
    generator = torch.Generator(images.device)
    noise = torch.zeros(images.shape, dtype=torch.int16, device=images.device)
    for part, change in zip(noise, changes, strict=True):
        if change.max_noise:
            generator.manual_seed(change.noise_seed)
            part.random_(-change.max_noise, change.max_noise, generator=generator)
    return (images.short() + noise).clamp_(0, 255).byte()


def _alike(keys: Sequence[Key], device: torch.device) -> list[tuple[Key, Tensor]]:
    """The rows of each key."""
    rows: dict[Key, list[int]] = {}
    for row, key in enumerate(keys):
        rows.setdefault(key, []).append(row)
    return [(key, torch.tensor(places, device=device)) for key, places in rows.items()]
