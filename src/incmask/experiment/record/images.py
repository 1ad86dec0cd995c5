"""The images of a finished run: their rows in its stacks, their masks and what is disputed of them."""

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from incmask.base.errors import fail
from incmask.base.intact import intact
from incmask.base.made import Made
from incmask.base.packed import Packed
from incmask.base.packed_texts import merged
from incmask.base.shards import path_in_shard
from incmask.base.spilled import Numbers
from incmask.base.store import INCONSISTENT
from incmask.base.tables import rows_of
from incmask.data.dataset import Scheme
from incmask.data.images.files import read_raster
from incmask.data.images.masks import grey_values
from incmask.data.images.tiles import Window, windows
from incmask.data.images.writers import path_inside
from incmask.data.stack import StackRow
from incmask.data.volumes.names import NIFTI, TIFF
from incmask.method.labels import labels_of
from incmask.prediction.layers import DISAGREEMENT, MASKS
from incmask.prediction.shares import MASK_SHARES

_ENDINGS = (".png", ".tif", NIFTI, TIFF)


@dataclass(frozen=True, slots=True)
class StackImage:
    """An image of a stack.

    Attributes:
        name: of the image.
        height, width: its own size in pixels.
        rows: of the stack, which follow each other.
        windows: which part of the image each row shows; it may reach beyond the image.
    """

    name: str
    height: int
    width: int
    rows: tuple[int, ...]
    windows: tuple[Window, ...]

    @property
    def whole(self) -> Window:
        """All of it."""
        return Window(0, 0, self.height, self.width)

    def regions(self, crop_px: int | None) -> list[Window]:
        """Give the image, or the crops that cover it evenly; none reaches beyond it.

        Args:
            crop_px: side of the crops; None: the whole image.
        """
        if crop_px is None:
            return [self.whole]
        side = (min(crop_px, self.height), min(crop_px, self.width))
        return windows((self.height, self.width), side)


def stack_images(index: Path, sizes: Iterable[tuple[str, tuple[int, int]]]) -> Sequence[StackImage]:
    """Read which images a stack holds, in the order of its rows; each is made when it is asked for.

    Args:
        index: the stack's ``index.csv``.
        sizes: names of images with height and width of each.

    Raises:
        IncmaskError: the table is damaged, or names an image that is not known.
    """
    rows = Packed(StackRow, rows_of(intact(index), StackRow, mend="restore the run folder"))
    known = Packed(_Size, (_Size(name, *size) for name, size in sizes))
    places, begins = Numbers("I"), Numbers("Q")
    before = None
    for number, name in enumerate(rows.column("name")):
        if name != before:
            if (place := known.place("name", name)) is None:
                what = f"names an image that data.json does not know: {name}"
                raise fail(index, what, "restore the run folder")
            places.append(place)
            begins.append(number)
        before = name
    begins.append(len(rows))
    return _StackImages(rows, known, places, begins)


@dataclass(frozen=True, slots=True)
class _Size:
    name: str
    height: int
    width: int


class _StackImages(Made[StackImage]):
    """Images of a stack, whose rows follow each other.

    Args:
        rows: of the stack.
        known: images with their sizes.
        places: of each image among those.
        begins: of each image the first of its rows, and behind the last one how many there are.
    """

    def __init__(self, rows: Packed[StackRow], known: Packed[_Size], places: Numbers, begins: Numbers):
        self._rows, self._known, self._places, self._begins = rows, known, places, begins

    def __len__(self) -> int:
        return len(self._places)

    def _at(self, place: int) -> StackImage:
        image, numbers = self._known[self._places[place]], range(self._begins[place], self._begins[place + 1])
        rows = map(self._rows.__getitem__, numbers)
        shown = tuple(Window(row.top, row.left, row.height, row.width) for row in rows)
        return StackImage(image.name, image.height, image.width, tuple(numbers), shown)


@dataclass(frozen=True, slots=True)
class ShareRow:
    """An image of ``masks.csv``: its disputed share, and the share of each class, 0 to 1.

    ``disputed_of_foreground`` is the share of what is foreground or disputed that is disputed; nan where an earlier
    version did not tell.
    """

    name: str
    inconsistent_fraction: float
    class_fractions: tuple[float, ...]
    disputed_of_foreground: float = math.nan


def read_shares(root: Path) -> Packed[ShareRow]:
    """Read what is disputed of each unlabelled image, the most disputed first; none where there are no masks.

    Raises:
        OSError, ValueError, KeyError: the table is damaged.
    """
    path = intact(root / MASK_SHARES)
    if not path.exists():
        return Packed(ShareRow)
    rows = map(_share_row, rows_of(path, dict[str, str]))
    return Packed(ShareRow, merged(rows, _most_disputed_first, pack=partial(Packed, ShareRow)))


def _most_disputed_first(row: ShareRow) -> tuple[float, str]:
    return -row.inconsistent_fraction, row.name


def _share_row(line: Mapping[str, str]) -> ShareRow:
    return ShareRow(
        name=line["name"],
        inconsistent_fraction=float(line["inconsistent_fraction"]),
        class_fractions=tuple(float(value) for key, value in line.items() if key.startswith("fraction/")),
        disputed_of_foreground=float(line.get("disputed_of_foreground", "nan")),
    )


@dataclass(frozen=True)
class PredictedMask:
    """What the members of an ensemble made of an image.

    Attributes:
        label: uint8, (H, W) class ids, for binary 0/1; (H, W, K) 0/1 for multilabel.
        inconsistent: bool, (H, W): pixels on which they disagree.
    """

    label: np.ndarray
    inconsistent: np.ndarray


def read_mask(root: Path, name: str, scheme: Scheme, *, size: tuple[int, int] | None = None) -> PredictedMask:
    """Read the mask of an unlabelled image of a finished run and its disputed pixels, at the image's own size.

    Args:
        root: the run folder.
        name: of the image.
        scheme: what the mask means.
        size: height and width of the image; None: they are not known.

    Raises:
        IncmaskError: a file is missing, broken or of another size.
    """

    def read(folder: Path) -> np.ndarray:
        path = picture_path(folder, name)
        values = grey_values(read_raster(path))
        if size is not None and values.shape != size:
            raise fail(path, f"is {values.shape[1]}×{values.shape[0]}, not the image's size", "restore the file")
        return values

    layers = [read(folder) for folder in mask_folders(root, scheme).values()]
    labels = labels_of(scheme.task)
    label = np.stack(layers, 2) if labels.is_layered else layers[0]
    inconsistent = read(inconsistent_folder(root)) > 0
    if label.shape[:2] != inconsistent.shape:
        raise fail(root / MASKS / name, "has another size than its disputed pixels", "run again in another folder")
    return PredictedMask((label if labels.is_exclusive else label > 0).astype(np.uint8), inconsistent)


def picture_path(folder: Path, name: str) -> Path:
    """Give the file of a picture, whatever its ending, or its path in an archive; ``.png`` where there is none."""
    paths = [path_inside(folder, name, ending) for ending in _ENDINGS]
    if (stored := path_in_shard(folder, name, _ENDINGS)) is not None:
        return stored
    # One by one, since there may be very many. A name may be too long with one ending and not with another;
    # `Path.is_file` raises then.
    return next((path for path in paths if os.path.isfile(intact(path))), paths[0])


def mask_folders(root: Path, scheme: Scheme) -> dict[str, Path]:
    """Give the folder of the masks, as "mask"; of classes that may overlap that of each, by its name."""
    if not labels_of(scheme.task).is_layered:
        return {"mask": root / MASKS}
    return {
        each.name: path_inside(root / MASKS, each.value if isinstance(each.value, str) else each.name, "")
        for each in scheme.classes
    }


def inconsistent_folder(root: Path) -> Path:
    """Give the folder of the disputed pixels; an earlier version left them in that of the disagreement alone."""
    return root / (INCONSISTENT if (root / INCONSISTENT).is_dir() else DISAGREEMENT)
