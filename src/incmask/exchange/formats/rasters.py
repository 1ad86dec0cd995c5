"""Masks as pictures, as napari and drawing programs take them: ids in one file, or a file a class."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import numpy as np

from incmask.base.config import IGNORED
from incmask.base.errors import IncmaskError, Problem, fail, raise_problems
from incmask.data.dataset import Scheme
from incmask.data.images.decode import Raster
from incmask.data.images.masks import pack_colour, pack_colours
from incmask.exchange.formats.common import Files, Label, images_of, read_raster
from incmask.exchange.formats.sheets import IMAGES, Corrected, Known, LabelSheet
from incmask.exchange.sources.archives import SourceFile

MASKS, UNSURE_FOLDER = "masks", "unsure"


@dataclass(frozen=True)
class RasterFiles:
    """The files of an image.

    Attributes:
        masks: by the folder of the class; by "" where one file holds all.
        unsure: None: no pixel is unsure.
    """

    masks: Mapping[str, SourceFile]
    unsure: SourceFile | None


@dataclass(frozen=True)
class RasterLabel:
    """A label that came as pictures.

    Attributes:
        scheme: what labels mean.
        pictures: the files.
    """

    scheme: Scheme
    pictures: RasterFiles

    def make(self, height: int, width: int) -> np.ndarray:
        """Read the label.

        Returns:
            uint8 as ``Example.label``.

        Raises:
            IncmaskError: a file is damaged, of another size, or holds what is no class.
        """
        size, masks = (height, width), self.pictures.masks
        if self.scheme.task == "multilabel":
            layers = [
                np.zeros(size, np.uint8) if (entry := masks.get(folder)) is None else _binary(entry, size)
                for folder in self.scheme.folders
            ]
            label = np.stack(layers, axis=2)
        else:
            read = _binary if self.scheme.task == "binary" else self._ids
            label = read(masks[""], size)
        if self.pictures.unsure is not None:
            label[_values(self.pictures.unsure, size) != 0] = IGNORED
        return label

    def _ids(self, entry: SourceFile, size: tuple[int, int]) -> np.ndarray:
        raster = read_raster(entry)
        num = len(self.scheme.classes)
        if raster.values.ndim == 3 and (raster.values != raster.values[..., :1]).any():
            # A drawing program saved colours in place of ids.
            packed = pack_colours(raster.values[..., :3])
            ids = np.full(packed.shape, num, np.int64)
            for index, info in enumerate(self.scheme.classes):
                ids[packed == pack_colour(info.colour)] = index
        else:
            ids = _plane(raster)
        _check_size(entry, ids, size)
        strange = np.unique(ids[(ids != IGNORED) & ((ids < 0) | (ids >= num))])
        if strange.size:
            what = f"holds {', '.join(map(str, strange[:5].tolist()))}, which is the id of no class (0 to {num - 1})"
            raise fail(entry.where, what, "paint with the ids, or the colours, of the classes")
        return ids.astype(np.uint8)


@dataclass
class _Files:
    masks: dict[str, SourceFile] = field(default_factory=dict)
    unsure: SourceFile | None = None


def read_rasters(files: Files, known: Known, *, masks: str) -> Corrected:
    """Find the pictures of each image below the folders ``masks`` and ``UNSURE_FOLDER``.

    Raises:
        IncmaskError: there are none, or they are of unknown images or classes.
    """
    scheme = known.scheme
    found: dict[str, _Files] = {}
    problems: list[Problem] = []
    for path, entry in images_of(files).items():
        parts = PurePosixPath(path).parts
        folder = next((part for part in parts[:-1] if part in (IMAGES, masks, UNSURE_FOLDER)), IMAGES)
        if folder == IMAGES:
            continue
        below = parts[parts.index(folder) + 1 :]
        in_class = ""
        where = entry.where
        try:
            if folder == masks and scheme.task == "multilabel":
                in_class, below = below[0], below[1:]
                if in_class not in scheme.folders or not below:
                    what = f"lies in no folder of a class; they are {', '.join(scheme.folders)}"
                    raise fail(where, what, f"move it to {masks}/<class>/")
            mine = found.setdefault(known.find("/".join(below), where=where), _Files())
            if (mine.unsure if folder == UNSURE_FOLDER else mine.masks.get(in_class)) is not None:
                raise fail(where, "is a second file for the same image", "keep one of the two")
        except IncmaskError as error:
            problems += error.problems
            continue
        if folder == UNSURE_FOLDER:
            mine.unsure = entry
        else:
            mine.masks[in_class] = entry
    raise_problems(problems)
    labels: dict[str, Label] = {
        name: RasterLabel(scheme, RasterFiles(each.masks, each.unsure)) for name, each in found.items() if each.masks
    }
    if not labels:
        raise fail("--from", f"found no pictures below a folder {masks}/", "give the folder that was exported")
    return Corrected(labels)


def layers_of(sheet: LabelSheet, scheme: Scheme) -> dict[str, np.ndarray]:
    """Give what is written for an image: its ids by "", or 0 and 1 by the folder of each class; uint8."""
    if scheme.task != "multilabel":
        return {"": sheet.label}
    return {folder: np.ascontiguousarray(sheet.label[..., index]) for index, folder in enumerate(scheme.folders)}


def ids_text(scheme: Scheme) -> str:
    """Tell the meaning of the ids, a line each."""
    if scheme.task == "multilabel":
        pairs = zip(scheme.folders, scheme.foreground, strict=True)
        return "".join(f"{folder}/: {info.name}\n" for folder, info in pairs)
    names = ["background", *(info.name for info in scheme.foreground)]
    return "".join(f"{index}: {name}\n" for index, name in enumerate(names))


def _binary(entry: SourceFile, size: tuple[int, int]) -> np.ndarray:
    values = _values(entry, size)
    present = np.unique(values)
    if present.size > 2 or (present.size == 2 and present[0] != 0):
        what = (
            f"holds {present.size} values ({', '.join(map(str, present[:5].tolist()))}…) where 0 and one other belong"
        )
        raise fail(entry.where, what, "paint without soft edges, and save without loss")
    return (values != 0).astype(np.uint8)


def _values(entry: SourceFile, size: tuple[int, int]) -> np.ndarray:
    values = _plane(read_raster(entry))
    _check_size(entry, values, size)
    return values


def _plane(raster: Raster) -> np.ndarray:
    return raster.values if raster.values.ndim == 2 else raster.values.max(axis=2)


def _check_size(entry: SourceFile, values: np.ndarray, size: tuple[int, int]) -> None:
    if values.shape != size:
        what = f"has {values.shape[1]}×{values.shape[0]} pixels, but its image {size[1]}×{size[0]}"
        raise fail(entry.where, what, "save it at the size of its image")
