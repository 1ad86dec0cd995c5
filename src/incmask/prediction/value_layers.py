"""What is written for an image of which numbers were predicted, some rows at a time."""

from contextlib import AbstractContextManager
from pathlib import Path

import cv2
import numpy as np

from incmask.base.caller import option
from incmask.base.config import Task
from incmask.base.errors import fail
from incmask.base.shards import Keep
from incmask.base.store import INCONSISTENT
from incmask.data.images.writers import path_inside
from incmask.data.volumes.write import VolumeFile, VolumeWriter
from incmask.method.values import ValueRange
from incmask.prediction.layers import DISAGREEMENT, OVERLAYS, ExtraOutputs
from incmask.prediction.overlays import DISPUTED_COLOUR
from incmask.prediction.pictures import PictureWriter
from incmask.prediction.shares import MaskShares
from incmask.prediction.values import Prediction

PREDICTIONS = "predictions"


def check_pictures(pictures: ExtraOutputs, task: Task) -> None:
    """Refuse pictures of classes where numbers are predicted.

    Raises:
        IncmaskError: they are asked for.
    """
    for name in ("probabilities", "instances", "split"):
        if getattr(pictures, name):
            raise fail(option(name), f"is for classes, and {task} predicts numbers", "leave it out")


class ValuesWriter(AbstractContextManager["ValuesWriter"]):
    """Takes the rows of a prediction from the top, and writes it as float32 TIFF in the end, or in its volume's grid.

    Beside it goes the members' standard deviation, in the same unit, and as a PNG what is disputed; with overlays, too,
    the prediction in colours.

    Args:
        out: folder that the folders of pictures are made in.
        name: of the image, below each of them, without ending.
        size: height and width.
        target: the range that colours show.
        pictures: what is written besides.
        keep: as for ``PictureWriter``.
        volume: what a sheet is of, whose pictures are volumes; None: it is an image.

    Raises:
        IncmaskError: the name leads out of the folder.
    """

    def __init__(
        self,
        out: Path,
        name: str,
        size: tuple[int, int],
        *,
        target: ValueRange,
        pictures: ExtraOutputs,
        keep: Keep | None = None,
        volume: VolumeFile | None = None,
    ):
        self._volume = volume
        self._out, self._name, self._size, self._keep = out, name, size, keep
        self._target, self._pictures = target, pictures
        self._writers: dict[str, PictureWriter | VolumeWriter] = {}
        self._num_inconsistent, self._spread = 0, 0.0

    def add(self, image: np.ndarray, rows: Prediction) -> None:
        """Take the rows that come next: of the image, which is not drawn, and of what was predicted for them."""
        self._num_inconsistent += int(rows.inconsistent.sum())
        self._spread += float(rows.disagreement.sum(dtype=np.float64))
        self._put(PREDICTIONS, rows.label)
        self._put(DISAGREEMENT, rows.disagreement)
        self._put(INCONSISTENT, rows.inconsistent * np.uint8(255))
        if self._pictures.overlays:
            self._put(OVERLAYS, in_colours(rows.label, self._target, disputed=rows.inconsistent))

    def finish(self) -> MaskShares:
        """Write the pictures, each whole or not at all; tell what was counted."""
        paths = [writer.write() for writer in self._writers.values()]
        num_pixels = self._size[0] * self._size[1]
        return MaskShares(
            self._name,
            *self._size,
            inconsistent_fraction=self._num_inconsistent / num_pixels,
            disagreement=self._spread / num_pixels,
            class_pixels=(),
            num_objects=(),
            files=tuple(path.relative_to(self._out).as_posix() for path in paths),
            disputed_of_foreground=self._num_inconsistent / num_pixels,
        )

    def __exit__(self, *error: object) -> None:
        for writer in self._writers.values():
            writer.close()

    def _put(self, folder: str, rows: np.ndarray) -> None:
        if folder not in self._writers:
            path = path_inside(self._out, f"{folder}/{self._name}", "")
            if self._volume is None:
                self._writers[folder] = PictureWriter(path, self._size, keep=self._keep)
            else:
                self._writers[folder] = VolumeWriter(path, self._volume)
        self._writers[folder].add(rows)


def in_colours(values: np.ndarray, target: ValueRange, *, disputed: np.ndarray | None = None) -> np.ndarray:
    """Draw numbers from dark blue over green to yellow: uint8, (H, W, 3).

    Args:
        values: (H, W), NaN where there is none, which is black.
        target: what is darkest and brightest.
        disputed: bool, (H, W), drawn over in magenta.
    """
    known = ~np.isnan(values)
    levels = np.rint(np.clip(target.scaled(np.where(known, values, target.low)), 0, 1) * 255).astype(np.uint8)
    drawn = cv2.applyColorMap(levels, cv2.COLORMAP_VIRIDIS)[..., ::-1].copy()
    drawn[~known] = 0
    if disputed is not None:
        drawn[disputed] = drawn[disputed] // 2 + np.array(DISPUTED_COLOUR, np.uint8) // 2
    return drawn
