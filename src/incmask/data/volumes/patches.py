"""Volumes as stacks of patches that networks see, each a sheet, and predictions of patches put together again."""

import math
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from incmask.base.errors import fail
from incmask.base.files import whole_file, write_text
from incmask.base.machine import available_bytes
from incmask.base.npy_rows import new_rows
from incmask.base.tables import rows_text
from incmask.base.threads import side_by_side
from incmask.data.dataset import Dataset, Item
from incmask.data.images.readers import read_label, read_network_image
from incmask.data.images.tiles import TILE_OVERLAP_FRACTION
from incmask.data.stack import Stack, StackRow, build_stack
from incmask.data.volumes.grid import Box, Grid, VolumeFormat, resample, resample_image, resample_label, resample_values
from incmask.method.labels import labels_of
from incmask.method.sheets import folded, unfolded

_FLOAT_BYTES, _COPIES = 4, 3


def grid_of(item: Item) -> Grid:
    """Give the grid of an item that is a volume."""
    assert item.grid is not None, "images of volumes have one"
    return item.grid


def cut_patches(volume: NDArray[Any], places: Sequence[Box], patch: Box, *, fill: float | None = None) -> list[Any]:
    """Copy patches out of a volume, as sheets; beyond the volume it is mirrored, or ``fill`` where that is given.

    Args:
        volume: (D, H, W) or (D, H, W, C).
        places: the first voxel of each patch.
        patch: the shape of each.
        fill: value beyond the volume, for labels.
    """
    missing = [(0, max(0, side - length)) for side, length in zip(patch, volume.shape[:3], strict=True)]
    missing += [(0, 0)] * (volume.ndim - 3)
    if any(after for _, after in missing):
        how: dict[str, Any] = {"mode": "symmetric"} if fill is None else {"constant_values": fill}
        volume = np.pad(volume, missing, **how)
    insides = [tuple(slice(first, first + side) for first, side in zip(place, patch, strict=True)) for place in places]
    return [folded(volume[inside]) for inside in insides]


def image_patches(sheet: NDArray[np.uint8], grid: Grid, shown: VolumeFormat, *, overlapping: bool) -> list[Any]:
    """Give the patches of a volume as networks see it.

    Args:
        sheet: uint8, (D·H, W, C), in the volume's own grid.
        grid: of the volume.
        shown: how networks see it.
        overlapping: patches have a quarter of a side in common, for predictions; else as little as there is to.
    """
    volume = resample_image(unfolded(sheet, grid.shape[0]), shown.shape_of(grid))
    return cut_patches(volume, _starts(grid, shown, overlapping=overlapping), shown.patch)


def label_patches(label: NDArray[Any], grid: Grid, shown: VolumeFormat) -> list[Any]:
    """Give the patches of what was predicted of a volume, mirrored beyond it as those of its image are.

    Args:
        label: sheet (D·H, W) or (D·H, W, K), in the volume's own grid.
        grid: of the volume.
        shown: how networks see it.
    """
    volume = resample_label(unfolded(label, grid.shape[0]), shown.shape_of(grid))
    return cut_patches(volume, _starts(grid, shown, overlapping=False), shown.patch)


def _starts(grid: Grid, shown: VolumeFormat, *, overlapping: bool) -> list[Box]:
    return shown.starts(grid, overlap_fraction=TILE_OVERLAP_FRACTION if overlapping else 0.0)


def join_patches(outputs: Iterable[NDArray[np.float32]], grid: Grid, shown: VolumeFormat) -> NDArray[np.float32]:
    """Put what networks say of overlapping patches together, and bring it back to a volume's own grid.

    Args:
        outputs: probabilities of each patch of ``image_patches``, (n, C, d·h, w).
        grid: of the volume.
        shown: how networks see it.

    Returns:
        (n, C, D·H, W), blended with weights that fade towards the rim of each patch.
    """
    shape = shown.shape_of(grid)
    weight, (total, weights) = _blend_weight(shown.patch), (np.zeros(0), np.zeros(shape, np.float32))
    for place, output in zip(_starts(grid, shown, overlapping=True), outputs, strict=True):
        patch = unfolded(output, shown.depth, axis=2)
        if not total.size:
            total = np.zeros((*patch.shape[:2], *shape), np.float32)
        inside = tuple(slice(first, first + side) for first, side in zip(place, shown.patch, strict=True))
        within = tuple(slice(0, side) for side in weights[inside].shape)
        total[:, :, *inside] += (patch * weight)[:, :, *within]
        weights[inside] += weight[within]
    total /= weights
    joined: NDArray[np.float32] = folded(resample(total, grid.shape), axis=2)
    return joined


def _blend_weight(patch: Box) -> NDArray[np.float32]:
    from_rim = [np.minimum(np.arange(side) + 1, side - np.arange(side)) for side in patch]
    return np.asarray(np.minimum.reduce(np.meshgrid(*from_rim, indexing="ij")), np.float32)


def check_memory(where: object, grid: Grid, shown: VolumeFormat, *, num_numbers: int) -> None:
    """Refuse to predict a volume that memory has no room for.

    Args:
        where: for messages.
        grid: of the volume.
        shown: how networks see it.
        num_numbers: that are predicted of each voxel, of all networks together.

    Raises:
        IncmaskError: it has not.
    """
    voxels = max(math.prod(grid.shape), math.prod(shown.shape_of(grid)))
    needed, available = _COPIES * _FLOAT_BYTES * num_numbers * voxels, available_bytes()
    if available is not None and needed > available:
        what = f"of {grid.told()} takes {needed / 2**30:.1f} GiB of memory to predict, {available / 2**30:.1f} are free"
        raise fail(where, what, "cut it into several volumes that overlap, or close other programs")


def stack_of(
    items: Sequence[Item],
    dataset: Dataset,
    *,
    size: tuple[int, int],
    fit: Literal["resize", "tile"],
    folder: Path,
    num_threads: int = 1,
) -> Stack:
    """Write the stack of images or of volumes; arguments as for ``build_stack``."""
    if dataset.volumes is None:
        return build_stack(items, dataset, size=size, fit=fit, folder=folder, num_threads=num_threads)
    return _build_volume_stack(items, dataset, dataset.volumes, folder=folder, num_threads=num_threads)


def _build_volume_stack(
    items: Sequence[Item], dataset: Dataset, shown: VolumeFormat, *, folder: Path, num_threads: int
) -> Stack:
    """Read volumes, and labels where all items have them, and write their patches."""
    firsts: dict[str, int] = {}
    names: list[str] = []
    for item in items:
        firsts[item.name] = len(names)
        names += [item.name] * len(_starts(grid_of(item), shown, overlapping=False))
    stack = Stack(folder, tuple(names))
    has_labels = all(item.masks is not None for item in items)
    pixels, kind = (len(names), *shown.sheet), labels_of(dataset.task)
    with ExitStack() as files:
        images = new_rows(files.enter_context(whole_file(stack.images)), np.uint8, (*pixels, dataset.channels))
        labels = None
        if has_labels:
            labels_path = files.enter_context(whole_file(stack.labels))
            labels = new_rows(labels_path, kind.dtype, kind.shape(pixels, len(dataset.classes)))

        def fill(item: Item) -> None:
            grid, first = grid_of(item), firsts[item.name]
            sheet = read_network_image(item.image, channels=dataset.channels, intensity=dataset.intensity)
            for row, patch in enumerate(image_patches(sheet, grid, shown, overlapping=False), first):
                images[row] = patch
            if labels is None:
                return
            given, shape = unfolded(read_label(item, dataset), grid.shape[0]), shown.shape_of(grid)
            if dataset.target is None:
                label = resample_label(given, shape)
            else:
                label = resample_values(dataset.target.scaled(given), shape)
            places = _starts(grid, shown, overlapping=False)
            for row, patch in enumerate(cut_patches(label, places, shown.patch, fill=kind.no_label), first):
                labels[row] = patch

        for _ in side_by_side(fill, items, num_threads=num_threads):
            pass
    sizes = {item.name: (item.height, item.width) for item in items}
    write_text(stack.index, rows_text([StackRow(name, 0, 0, *sizes[name]) for name in names], StackRow))
    return stack
