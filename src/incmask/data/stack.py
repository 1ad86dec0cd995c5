"""A part of a data set at the network's size, as stacks of equal arrays."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from incmask.base.bounds import STEP_PX
from incmask.base.files import whole_file, write_parts
from incmask.base.intact import intact
from incmask.base.npy_rows import new_rows
from incmask.base.packed import Packed
from incmask.base.packed_texts import Texts
from incmask.base.spilled import Numbers
from incmask.base.tables import rows_of, rows_parts
from incmask.base.threads import side_by_side
from incmask.data.dataset import Dataset, Item
from incmask.data.images.readers import read_label, read_network_image
from incmask.data.images.tiles import Window, cut, scale_image, scale_label, scale_values, windows
from incmask.data.volumes.grid import VolumeFormat
from incmask.method.labels import labels_of

LARGEST_SIDE_PX = 512
"""Derived sizes stop here; larger networks' inputs have to be asked for."""
LARGEST_TILE_PX = 256
LONGEST_SIGNAL = 4096


@dataclass(frozen=True, slots=True)
class StackRow:
    """What a row of a stack shows: a line of its ``index.csv``.

    Attributes:
        name: of the image.
        top, left, height, width: the tile's place in it, in pixels; it may reach beyond. Or the whole image.
    """

    name: str
    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True)
class Stack:
    """Stacks on disk and what their rows are.

    Attributes:
        folder: holds ``images.npy``, for labelled images ``labels.npy``, and ``index.csv``.
        names: the image of each row; tiles of one image follow each other.
    """

    folder: Path
    names: Sequence[str]

    @property
    def images(self) -> Path:
        """uint8, (N, H, W, C)."""
        return self.folder / "images.npy"

    @property
    def labels(self) -> Path:
        """uint8, (N, H, W) class ids or (N, H, W, K), 255: no label; or scaled numbers, float32, NaN: none."""
        return self.folder / "labels.npy"

    @property
    def index(self) -> Path:
        """A line a row: image, tile."""
        return self.folder / "index.csv"

    @property
    def all_files(self) -> tuple[Path, ...]:
        """All files that a stack may have."""
        return self.images, self.labels, self.index

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that there are."""
        return tuple(path for path in self.all_files if path.exists())

    def __len__(self) -> int:
        return len(self.names)


def derive_size(
    items: Sequence[Item], *, fit: Literal["resize", "tile"], step: int = STEP_PX, signals: bool = False
) -> tuple[int, int]:
    """Height and width for the network: the median image's, rounded to multiples of ``step``.

    When scaling, the longer side is at most 512 and the aspect stays; tiles are at most 256 a side. Signals are images
    of one row, of 4096 numbers at most.
    """
    if signals:
        length = min(LONGEST_SIGNAL, float(np.median([item.width for item in items])))
        return 1, max(step, round(length / step) * step)
    height, width = (float(np.median([getattr(item, side) for item in items])) for side in ("height", "width"))
    if fit == "tile":
        height, width = min(height, LARGEST_TILE_PX), min(width, LARGEST_TILE_PX)
    else:
        factor = min(1.0, LARGEST_SIDE_PX / max(height, width))
        height, width = height * factor, width * factor
    return max(step, round(height / step) * step), max(step, round(width / step) * step)


def row_names(
    items: Sequence[Item],
    *,
    size: tuple[int, int],
    fit: Literal["resize", "tile"],
    volumes: VolumeFormat | None = None,
) -> list[str]:
    """Give the image of each row that a stack of these items has; arguments as for ``build_stack``."""
    if volumes is not None:
        return [item.name for item in items if item.grid for _ in volumes.starts(item.grid)]
    tiled = fit == "tile"
    return [item.name for item in items for _ in (windows((item.height, item.width), size) if tiled else [None])]


def build_stack(
    items: Sequence[Item],
    dataset: Dataset,
    *,
    size: tuple[int, int],
    fit: Literal["resize", "tile"],
    folder: Path,
    num_threads: int = 1,
) -> Stack:
    """Read images, and labels where all items have them, and write them at the network's size.

    Args:
        items: what to read, in this order.
        dataset: channels, classes, encoding.
        size: height and width, multiples of 16.
        fit: scale whole images, or cut tiles at their own resolution.
        folder: where the stacks go.
        num_threads: images read at the same time.

    Raises:
        IncmaskError: an image or mask cannot be read, or the folder not be written.
    """

    def windows_of(item: Item) -> Sequence[Window]:
        whole = (item.height, item.width)
        return windows(whole, size) if fit == "tile" else [Window(0, 0, *whole)]

    rows, begins = Packed(StackRow), Numbers("Q")
    for item in items:
        begins.append(len(rows))
        for window in windows_of(item):
            rows.append(StackRow(item.name, window.top, window.left, window.height, window.width))
    stack = Stack(folder, rows.column("name"))
    has_labels = all(item.masks is not None for item in items)
    kind = labels_of(dataset.task)
    label_shape = kind.shape((len(rows), *size), len(dataset.classes))
    scale = scale_values if kind.is_continuous else scale_label

    with ExitStack() as files:
        images_path = files.enter_context(whole_file(stack.images))
        images = new_rows(images_path, np.uint8, (len(rows), *size, dataset.channels))
        labels = None
        if has_labels:
            labels_path = files.enter_context(whole_file(stack.labels))
            labels = new_rows(labels_path, kind.dtype, label_shape)

        def fill(begun: tuple[int, Item]) -> None:
            first, item = begun
            image = read_network_image(item.image, channels=dataset.channels, intensity=dataset.intensity)
            label = None if labels is None else read_label(item, dataset)
            if label is not None and dataset.target is not None:
                label = dataset.target.scaled(label)
            for row, window in enumerate(windows_of(item), start=first):
                images[row] = cut(image, window) if fit == "tile" else scale_image(image, size)
                if labels is not None and label is not None:
                    labels[row] = cut(label, window, fill=kind.no_label) if fit == "tile" else scale(label, size)

        for _ in side_by_side(fill, zip(begins, items, strict=True), num_threads=num_threads):
            pass
    write_parts(stack.index, rows_parts(rows, StackRow))
    return stack


def read_stack(folder: Path) -> Stack:
    """Open what ``build_stack`` wrote.

    Raises:
        IncmaskError: a file of it is damaged.
    """
    for path in (stack := Stack(folder, ())).all_files:
        intact(path)
    return replace(stack, names=Texts(row.name for row in rows_of(stack.index, StackRow)))
