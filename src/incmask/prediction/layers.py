"""What is written for one predicted image, and what is counted in it, some rows at a time."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from incmask.base.config import Task
from incmask.base.shards import Keep
from incmask.base.store import INCONSISTENT
from incmask.data.dataset import ClassInfo
from incmask.data.images.writers import path_inside
from incmask.data.volumes.write import VolumeFile, VolumeWriter
from incmask.method.instances import ObjectChannels, find_objects, object_channels, split_objects
from incmask.method.labels import labels_of
from incmask.prediction.ensemble import Prediction
from incmask.prediction.objects import Finder, ObjectFinder, VolumeObjects, WholeObjects
from incmask.prediction.overlays import draw_overlay
from incmask.prediction.pictures import PictureWriter
from incmask.prediction.shares import MaskShares

MASKS, DISAGREEMENT = "masks", "disagreement"
PROBABILITIES, OVERLAYS, INSTANCES = "probabilities", "overlays", "instances"


@dataclass(frozen=True)
class ExtraOutputs:
    """What is written for an image beside its mask, its disputed pixels and its disagreement.

    Attributes:
        probabilities: 8-bit pictures, 0 to 255 for 0 to 1; one a class where there are several.
        overlays: the image with the outlines of the mask and the disputed pixels.
        instances: objects as ids 1, 2, …: what hangs together, one picture a class where there are several; where a
            class marks centres, one picture of the objects that these and their borders tell apart.
        split: objects that touch are split at their waists, where models mark no centres.
    """

    probabilities: bool = False
    overlays: bool = False
    instances: bool = False
    split: bool = False


class LayersWriter(AbstractContextManager["LayersWriter"]):
    """Takes the rows of an image and its prediction from the top, and writes all pictures in the end.

    Args:
        out: folder that the folders of pictures are made in.
        name: of the image, below each of them, without ending.
        size: height and width.
        task, classes: of the labels.
        pictures: what is written.
        position_class: the class that marks the centres of objects; None: none does.
        volume: what a sheet is of, whose pictures are volumes; None: it is an image.
        keep: as for ``PictureWriter``.

    Raises:
        IncmaskError: the name leads out of the folder.
    """

    def __init__(
        self,
        out: Path,
        name: str,
        size: tuple[int, int],
        *,
        task: Task,
        classes: Sequence[ClassInfo],
        pictures: ExtraOutputs,
        position_class: str | None = None,
        volume: VolumeFile | None = None,
        keep: Keep | None = None,
    ):
        self._volume, self._keep = volume, keep
        self._out, self._name, self._size = out, name, size
        self._labels, self._classes, self._pictures = labels_of(task), classes, pictures
        self._writers: dict[str, PictureWriter | VolumeWriter] = {}
        channels = object_channels([info.name for info in classes], position_class)
        self._whole = None if channels is None else _by_centres(channels, grow=pictures.instances)
        self._finders: dict[int, Finder] = {}
        if volume is not None:
            self._whole = None
            for number in labels_of(task).object_classes(len(classes)):
                self._finders[number] = VolumeObjects(volume.grid.shape[0])
        elif self._whole is None:
            for number in labels_of(task).object_classes(len(classes)):
                self._finders[number] = _at_waists(grow=pictures.instances) if pictures.split else ObjectFinder()
        self._class_pixels = np.zeros(len(classes), np.int64)
        self._num_inconsistent, self._num_object, self._disagreement = 0, 0, 0.0
        self._last_label: np.ndarray | None = None

    def add(self, image: np.ndarray, rows: Prediction) -> None:
        """Take the rows that come next: of the image, uint8 (rows, W, C), and of what was predicted for them."""
        self._num_inconsistent += int(rows.inconsistent.sum())
        self._num_object += int((self._labels.foreground(rows.label) | rows.inconsistent).sum())
        self._disagreement += float(rows.disagreement.sum(dtype=np.float64))
        self._put(INCONSISTENT, rows.inconsistent * np.uint8(255))
        self._put(DISAGREEMENT, to_bytes(rows.disagreement))
        if self._labels.is_exclusive:
            self._put(MASKS, rows.label)
            self._class_pixels += np.bincount(rows.label.ravel(), minlength=len(self._classes))
        for number, info in enumerate(self._classes):
            if self._pictures.probabilities:
                self._put(self._folder(PROBABILITIES, info), to_bytes(rows.probability[number]))
            if not self._labels.is_exclusive:
                plane = self._labels.class_pixels(rows.label, number)
                self._put(self._folder(MASKS, info), plane * np.uint8(255 if self._volume is None else 1))
                self._class_pixels[number] += int(plane.sum(dtype=np.int64))
            if number in self._finders:
                ids = self._finders[number].add(self._labels.class_pixels(rows.label, number))
                self._put_ids(self._folder(INSTANCES, info), ids)
        if self._whole is not None:
            self._put_ids(INSTANCES, self._whole.add(rows.label))
        if self._pictures.overlays:
            drawn = draw_overlay(
                image,
                rows.label,
                rows.inconsistent,
                task=self._labels.task,
                classes=self._classes,
                above=self._last_label,
            )
            self._put(OVERLAYS, drawn)
            self._last_label = rows.label[-1].copy()

    def finish(self) -> MaskShares:
        """Write the pictures, each whole or not at all; tell what was counted."""
        finders = {self._folder(INSTANCES, self._classes[number]): each for number, each in self._finders.items()}
        if self._whole is not None:
            finders[INSTANCES] = self._whole
        for folder, finder in finders.items():
            self._put_ids(folder, finder.finish())
        tables = {folder: finder.final_ids() for folder, finder in finders.items()}
        paths = [writer.write(table=tables.get(folder)) for folder, writer in self._writers.items()]
        num_pixels = self._size[0] * self._size[1]
        return MaskShares(
            self._name,
            *self._size,
            inconsistent_fraction=self._num_inconsistent / num_pixels,
            disagreement=self._disagreement / num_pixels,
            class_pixels=tuple(self._class_pixels.tolist()),
            num_objects=tuple(num for finder in finders.values() for num in finder.counts()),
            files=tuple(path.relative_to(self._out).as_posix() for path in paths),
            disputed_of_foreground=self._num_inconsistent / max(1, self._num_object),
        )

    def __exit__(self, *error: object) -> None:
        for writer in self._writers.values():
            writer.close()

    def _put(self, folder: str, rows: np.ndarray) -> None:
        if folder not in self._writers:
            ids = folder == MASKS and self._labels.is_exclusive
            colours = [info.colour for info in self._classes] if ids else None
            path = path_inside(self._out, f"{folder}/{self._name}", "")
            self._writers[folder] = (
                PictureWriter(path, self._size, colours=colours, keep=self._keep)
                if self._volume is None
                else VolumeWriter(path, self._volume)
            )
        self._writers[folder].add(rows)

    def _put_ids(self, folder: str, ids: np.ndarray) -> None:
        if self._pictures.instances and ids.size:
            self._put(folder, ids)

    def _folder(self, kind: str, info: ClassInfo) -> str:
        """One folder for a binary task, else one a class, named as the folders of masks are."""
        if self._labels.is_one_class:
            return kind
        return f"{kind}/{info.value if self._labels.is_layered and isinstance(info.value, str) else info.name}"


def _by_centres(channels: ObjectChannels, *, grow: bool) -> WholeObjects:
    bodies = list(channels.bodies)
    return WholeObjects(
        partial(find_objects, channels=channels, grow=grow),
        lambda label: (label[..., bodies] == 1).any(-1),
        num_types=len(bodies),
    )


def _at_waists(*, grow: bool) -> WholeObjects:
    return WholeObjects(partial(split_objects, grow=grow), lambda mask: mask)


def to_bytes(share: np.ndarray) -> np.ndarray:
    """Turn 0 to 1 into 0 to 255: uint8 of the same shape."""
    return np.rint(np.clip(share, 0, 1) * 255).astype(np.uint8)
