"""Masks as pictures, as napari and drawing programs take them: ids in one file, or a file a class."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from incmask.base.caller import option
from incmask.base.config import IGNORED
from incmask.base.errors import Problem, collected, fail, raise_problems
from incmask.base.files import write_text
from incmask.data.dataset import Scheme
from incmask.data.images.masks import grey_values, pack_colour, pack_colours
from incmask.data.images.writers import path_inside
from incmask.exchange.formats.common import Files, Label, images_of, read_mask
from incmask.exchange.formats.sheets import IMAGES, Corrected, Known, LabelSheet
from incmask.exchange.sources.archives import SourceFile
from incmask.method.labels import labels_of

MASKS, UNSURE_FOLDER = "masks", "unsure"

WriteRaster = Callable[[Path, np.ndarray], None]


@dataclass(frozen=True)
class RasterLabel:
    """A label that came as pictures.

    Attributes:
        scheme: what labels mean.
        masks: the files by the folder of the class; by "" where one file holds all.
        unsure: the file of the unsure pixels; None: no pixel is unsure.
    """

    scheme: Scheme
    masks: Mapping[str, SourceFile]
    unsure: SourceFile | None

    def make(self, height: int, width: int) -> np.ndarray:
        """Read the label.

        Returns:
            uint8 as ``Example.label``.

        Raises:
            IncmaskError: a file is damaged, of another size, or holds what is no class.
        """
        size = (height, width)
        labels = labels_of(self.scheme.task)
        if labels.is_layered:
            entries = [self.masks.get(folder) for folder in self.scheme.folders]
            label = np.stack([_binary(each, size) if each else np.zeros(size, np.uint8) for each in entries], axis=2)
        else:
            label = (self._ids if labels.is_exclusive else _binary)(self.masks[""], size)
        if self.unsure is not None:
            label[_values(self.unsure, size) != 0] = IGNORED
        return label

    def _ids(self, entry: SourceFile, size: tuple[int, int]) -> np.ndarray:
        raster = read_mask(entry)
        num = len(self.scheme.classes)
        if raster.values.ndim == 3 and (raster.values != raster.values[..., :1]).any():
            # A drawing program saved colours in place of ids.
            packed = pack_colours(raster.values[..., :3])
            ids = np.full(packed.shape, num, np.int64)
            for index, info in enumerate(self.scheme.classes):
                ids[packed == pack_colour(info.colour)] = index
        else:
            ids = grey_values(raster)
        _check_size(entry, ids, size)
        strange = np.unique(ids[(ids != IGNORED) & ((ids < 0) | (ids >= num))])
        if strange.size:
            what = f"holds {', '.join(map(str, strange[:5].tolist()))}, which is the id of no class (0 to {num - 1})"
            raise fail(entry.where, what, "paint with the ids, or the colours, of the classes")
        return ids.astype(np.uint8)


def read_rasters(files: Files, known: Known, *, masks: str) -> Corrected:
    """Find the pictures of each image below the folders ``masks`` and ``UNSURE_FOLDER``.

    Raises:
        IncmaskError: there are none, or they are of unknown images or classes.
    """
    scheme = known.scheme
    is_layered = labels_of(scheme.task).is_layered
    found: dict[str, dict[str, SourceFile]] = {}
    unsure: dict[str, SourceFile] = {}
    problems: list[Problem] = []
    for path, entry in images_of(files).items():
        parts = PurePosixPath(path).parts
        folder = next((part for part in parts[:-1] if part in (IMAGES, masks, UNSURE_FOLDER)), IMAGES)
        if folder == IMAGES:
            continue
        with collected(problems):
            below = parts[parts.index(folder) + 1 :]
            in_class = ""
            if folder == masks and is_layered:
                in_class, below = below[0], below[1:]
                if in_class not in scheme.folders or not below:
                    what = f"lies in no folder of a class; they are {', '.join(scheme.folders)}"
                    raise fail(entry.where, what, f"move it to {masks}/<class>/")
            name = known.find("/".join(below), where=entry.where)
            into, key = (unsure, name) if folder == UNSURE_FOLDER else (found.setdefault(name, {}), in_class)
            if into.setdefault(key, entry) is not entry:
                raise fail(entry.where, "is a second file for the same image", "keep one of the two")
    raise_problems(problems)
    labels: dict[str, Label] = {name: RasterLabel(scheme, each, unsure.get(name)) for name, each in found.items()}
    if not labels:
        raise fail(option("from"), f"found no pictures below a folder {masks}/", "give the folder that was exported")
    return Corrected(labels)


def write_rasters(
    sheets: Iterable[LabelSheet],
    folder: Path,
    scheme: Scheme,
    *,
    masks: str,
    ending: str,
    write: WriteRaster,
    write_unsure: WriteRaster,
) -> None:
    """Write the ids of each image, or 0 and 1 in a folder a class, and its unsure pixels; and what the ids mean.

    Args:
        sheets: the images.
        folder: into which all goes.
        scheme: what labels mean.
        masks: the folder of the ids.
        ending: of the files.
        write: writes ids, (H, W) uint8.
        write_unsure: writes unsure pixels, (H, W) bool.
    """
    is_layered = labels_of(scheme.task).is_layered
    if is_layered:
        lines = [f"{below}/: {info.name}\n" for below, info in zip(scheme.folders, scheme.foreground, strict=True)]
    else:
        ground = labels_of(scheme.task).ground_name([info.name for info in scheme.classes])
        names = [ground, *(info.name for info in scheme.foreground)]
        lines = [f"{index}: {name}\n" for index, name in enumerate(names)]
    write_text(folder / "ids.txt", "".join(lines))
    for sheet in sheets:
        for index, in_class in enumerate(scheme.folders if is_layered else [""]):
            values = np.ascontiguousarray(sheet.label[..., index]) if is_layered else sheet.label
            write(path_inside(folder / masks / in_class, sheet.name, ending), values)
        write_unsure(path_inside(folder / UNSURE_FOLDER, sheet.name, ending), sheet.unsure)


def _binary(entry: SourceFile, size: tuple[int, int]) -> np.ndarray:
    values = _values(entry, size)
    present = np.unique(values)
    if present.size > 2 or (present.size == 2 and present[0] != 0):
        some = ", ".join(map(str, present[:5].tolist()))
        what = f"holds {present.size} values ({some}…) where 0 and one other belong"
        raise fail(entry.where, what, "paint without soft edges, and save without loss")
    return (values != 0).astype(np.uint8)


def _values(entry: SourceFile, size: tuple[int, int]) -> np.ndarray:
    values = grey_values(read_mask(entry))
    _check_size(entry, values, size)
    return values


def _check_size(entry: SourceFile, values: np.ndarray, size: tuple[int, int]) -> None:
    if values.shape != size:
        what = f"has {values.shape[1]}×{values.shape[0]} pixels, but its image {size[1]}×{size[0]}"
        raise fail(entry.where, what, "save it at the size of its image")
