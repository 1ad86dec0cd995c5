"""Augment a batch where it lies, on a GPU or elsewhere: what ``ops`` does to pairs on the CPU.

Draws are those of ``ops``, and so are flips, turns, contrast, brightness and blur, to the bit. Noise comes from torch's
generator of the device: other numbers of the same distribution.

Nothing here waits for the device, so that it need not wait for the next batch: what it has to know of a batch's images
goes there in one piece, and what depends on it is decided before.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
import torch
from torch import Tensor

from incmask.method.augment import Geometry, Strength, draw_geometry, draw_table

_LARGEST_SEED = 2**63 - 1

_KERNEL_SUM = 256

_AS_IT_IS = Geometry()

_SAME_INTENSITIES = np.arange(256, dtype=np.uint8)

_FIRST, _DOWN, _RIGHT, _FILLER, _BLURRED, _BACK, _TABLE = range(7)
"""Columns of the numbers of a batch; the last begins those of the tables."""


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


@dataclass(frozen=True)
class BatchChange:
    """What is done to the images of a batch, taken from a stack.

    Attributes:
        numbers: int64, a row for each image: the pixel of the stack that its first one is, the way in the stack to
            the pixel below, to that on the right and to the same one of the image that it is filled from; the image
            that comes at this place in the order of blur, and the place of this image in it; its table, if any image
            of the batch has one.
        size: height and width.
        blurs: radius, and number of images that have it, in the order of blur.
        noises: maximum and seed for each image; maximum 0: none.
        is_filled: whether images have what others have where they are inconsistent.
    """

    numbers: Tensor
    size: tuple[int, int]
    blurs: tuple[tuple[int, int], ...]
    noises: tuple[tuple[int, int], ...]
    is_filled: bool = False

    def to(self, device: torch.device) -> "BatchChange":
        """Give the same on a device."""
        return replace(self, numbers=upload(self.numbers, device))

    def fill(self, pixels: Tensor, inconsistent: Tensor) -> Tensor:
        """Give the same pixels as ``pixels``, but those of other images where the mask (N, H, W) says so."""
        return torch.where(inconsistent, pixels + self.numbers[:, _FILLER, None, None], pixels)

    def pixels(self) -> Tensor:
        """Find the pixel of the stack that each pixel of the batch is: int64, (N, H, W)."""
        height, width = (torch.arange(side, device=self.numbers.device) for side in self.size)
        first, down, right = (self.numbers[:, column, None] for column in (_FIRST, _DOWN, _RIGHT))
        return (first + down * height)[:, :, None] + (right * width)[:, None]


def draw_change(strength: Strength, shape: tuple[int, ...], generator: np.random.Generator) -> Change:
    """Draw what ``augment_pair`` would do with ``generator`` to an image of ``shape`` (H, W, ...)."""
    geometry = draw_geometry(strength, shape, generator)
    return replace(draw_intensities(strength, generator), geometry=geometry)


def draw_intensities(strength: Strength, generator: np.random.Generator) -> Change:
    """Draw what ``photometric`` would do with ``generator`` to an image."""
    table = draw_table(strength, generator)
    blur_px = int(generator.integers(strength.max_blur_px, endpoint=True))
    seed = int(generator.integers(_LARGEST_SEED)) if strength.max_noise else 0
    return Change(_AS_IT_IS, table, blur_px, strength.max_noise, seed)


def batch_change(
    changes: Sequence[Change], rows: np.ndarray, size: tuple[int, int], *, fillers: np.ndarray | None = None
) -> BatchChange:
    """Put the changes of single images together.

    Args:
        changes: one for each image; turns by 90 degrees only where H is W.
        rows: of the stack, (N,): which images.
        size: height and width.
        fillers: of the stack, (N,): from which images these are filled; None: from none.
    """
    paths = np.array([_path(change.geometry, size) for change in changes], np.int64)
    image_px = size[0] * size[1]
    paths[:, 0] += rows.astype(np.int64) * image_px
    to_fillers = np.zeros(len(rows), np.int64) if fillers is None else (fillers.astype(np.int64) - rows) * image_px
    radii_px = np.array([change.blur_px for change in changes])
    order = np.argsort(radii_px, kind="stable")
    columns = [paths, to_fillers[:, None], order[:, None], np.argsort(order)[:, None]]
    if any(change.table is not None for change in changes):
        columns.append(np.stack([_SAME_INTENSITIES if each.table is None else each.table for each in changes]))
    different, counts = np.unique(radii_px, return_counts=True)
    return BatchChange(
        torch.from_numpy(np.concatenate(columns, axis=1, dtype=np.int64)),
        size,
        blurs=tuple(zip(different.tolist(), counts.tolist(), strict=True)),
        noises=tuple((change.max_noise, change.noise_seed) for change in changes),
        is_filled=fillers is not None,
    )


def take_pixels(stack: Tensor, pixels: Tensor) -> Tensor:
    """Take the batch whose pixels ``BatchChange.pixels`` found, (N, H, W, ...), from a stack (M, H, W, ...)."""
    return stack.flatten(0, 2).index_select(0, pixels.flatten()).view(*pixels.shape, *stack.shape[3:])


def photometric_batch(images: Tensor, change: BatchChange) -> Tensor:
    """Change the intensities of each image: contrast and brightness, blur, noise.

    Args:
        images: uint8, (N, H, W, C).
        change: of each, on the images' device; where they come from plays no part.
    """
    if change.numbers.shape[1] > _TABLE:
        images = _look_up(images, change.numbers[:, _TABLE:])
    if change.blurs[-1][0]:
        images = _blur_each(images, change)
    if any(max_noise for max_noise, _ in change.noises):
        images = _add_noise(images, change.noises)
    return images


def upload(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy from the CPU to a device, without waiting where the device is a CUDA GPU."""
    if device.type != "cuda":
        return tensor.to(device)
    # From pinned memory the copy goes on while the device computes.
    return (tensor if tensor.is_pinned() else tensor.pin_memory()).to(device, non_blocking=True)


@lru_cache
def _path(geometry: Geometry, size: tuple[int, int]) -> tuple[int, int, int]:
    """Of a moved image: the pixel that its first one was, and the ways to what the pixel below and on the right was."""
    height, width = size
    turns = geometry.quarter_turns
    # Turns are flips and, by 90 degrees, an exchange of the axes.
    from_below = geometry.flip_vertical != (turns in (2, 3))
    from_right = geometry.flip_horizontal != (turns in (1, 2))
    first = from_below * (height - 1) * width + from_right * (width - 1)
    down, right = -width if from_below else width, -1 if from_right else 1
    return (first, right, down) if turns % 2 else (first, down, right)


def _look_up(images: Tensor, tables: Tensor) -> Tensor:
    first = torch.arange(len(images), device=images.device, dtype=torch.int32) * 256
    places = images.int().add_(first[:, None, None, None])
    return tables.byte().flatten().index_select(0, places.flatten()).view_as(images)


def _blur_each(images: Tensor, change: BatchChange) -> Tensor:
    # In the order of their radii, since a range of rows is taken without asking the device for them.
    images, first = images.index_select(0, change.numbers[:, _BLURRED]), 0
    for radius_px, num in change.blurs:
        if radius_px:
            part = images[first : first + num]
            part.copy_(_blur(part, radius_px))
        first += num
    return images.index_select(0, change.numbers[:, _BACK])


def _blur(images: Tensor, radius_px: int) -> Tensor:
    """Blur with a kernel of side ``2 radius_px + 1``: one axis after the other, mirrored at the edge."""
    kernel = _kernel(2 * radius_px + 1)
    # All sums are whole numbers below 2**24, which 32 bits hold exactly.
    blurred = images.float()
    for axis in (1, 2):
        side = images.shape[axis]
        edged = blurred.index_select(axis, _mirrored(side, radius_px, images.device))
        blurred = edged.narrow(axis, 0, side) * kernel[0]
        for place, weight in enumerate(kernel[1:], 1):
            blurred.add_(edged.narrow(axis, place, side), alpha=weight)
    return blurred.div_(_KERNEL_SUM**2).add_(0.5).floor_().byte()


@lru_cache
def _mirrored(side: int, radius_px: int, device: torch.device) -> Tensor:
    """Give the places of an axis and, before and behind it, of its mirror image."""
    places = [cv2.borderInterpolate(i, side, cv2.BORDER_REFLECT_101) for i in range(-radius_px, side + radius_px)]
    return upload(torch.tensor(places), device)


@lru_cache
def _kernel(side_px: int) -> tuple[int, ...]:
    """Give the Gaussian kernel as OpenCV takes it for bytes: whole numbers whose sum is 256, the middle one the rest.

    What is lost in rounding a weight is added to the next, so that the kernel keeps its shape.
    """
    rest, half = 0.0, []
    for weight in cv2.getGaussianKernel(side_px, 0)[: side_px // 2, 0].tolist():
        exact = _KERNEL_SUM * weight + rest
        half.append(round(exact))
        rest = exact - half[-1]
    return (*half, _KERNEL_SUM - 2 * sum(half), *reversed(half))


def _add_noise(images: Tensor, noises: Sequence[tuple[int, int]]) -> Tensor:
    generator = torch.Generator(images.device)
    noisy = torch.zeros(images.shape, dtype=torch.int16, device=images.device)
    for part, (max_noise, seed) in zip(noisy.unbind(), noises, strict=True):
        if max_noise:
            generator.manual_seed(seed)
            part.random_(-max_noise, max_noise, generator=generator)
    return noisy.add_(images).clamp_(0, 255).byte()
