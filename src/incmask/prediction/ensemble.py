"""The deliverable: some networks and all that it takes to predict images of any size with them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from incmask.base.config import MaskedAnswers
from incmask.base.device import resolve_device
from incmask.base.errors import fail
from incmask.base.threads import side_by_side
from incmask.base.words import counted
from incmask.data.images.big_images import STRIP_ROWS, PixelRows
from incmask.data.images.tiles import (
    TILE_OVERLAP_FRACTION,
    Window,
    add_tile,
    assemble,
    blend_weight,
    cut,
    enlarge_rows,
    scale_image,
    shrink_rows,
    windows,
)
from incmask.data.volumes.grid import Grid, Spacing
from incmask.data.volumes.patches import check_memory, image_patches, join_patches
from incmask.method.agreement import disagreement
from incmask.method.labels import labels_of
from incmask.method.values import mean_of_values, spread_of
from incmask.nets.forward import chunk_images, forward
from incmask.nets.spec import load_model
from incmask.prediction.given import network_images, network_volumes, unfolded_prediction
from incmask.prediction.model_folder import model_folder, read_about
from incmask.prediction.values import About as About
from incmask.prediction.values import AboutValues
from incmask.prediction.values import Prediction as Prediction
from incmask.prediction.values import RowsPrediction as RowsPrediction


class Ensemble:
    """Networks that predict together.

    Args:
        networks: two or more see where they disagree; one never does.
        about: everything else.
        device: where they run.
        num_threads: batches that are predicted side by side; the results are the same.
        masked: what stands in labels where the masked class is the likeliest, as for ``Labels.decode``.

    Attributes:
        networks: in evaluation mode, on the device.
        about: as given.

    Examples:
        >>> from incmask.data.dataset import ClassInfo
        >>> about = About("binary", (ClassInfo("cell", (255, 255, 255), 255),), 1, None, (16, 16), "resize", "float32")
        >>> ensemble = Ensemble([nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1)], about, device="cpu")
        >>> ensemble
        Ensemble(2 networks of 16×16×1, binary: cell)
        >>> ensemble.predict(np.zeros((20, 30), np.uint8))[0].label.shape
        (20, 30)
    """

    def __init__(
        self,
        networks: Sequence[nn.Module],
        about: About,
        *,
        device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
        num_threads: int = 1,
        masked: MaskedAnswers = "next_best",
    ):
        self.about = about
        self._num_threads, self._masked = num_threads, masked
        self.networks = [network.to(resolve_device(device)).eval() for network in networks]

    @classmethod
    def load(
        cls, folder: Path, *, device: Literal["auto", "cpu", "cuda", "mps"] = "auto", num_threads: int = 1
    ) -> "Ensemble":
        """Read a model folder, or the one in a run folder.

        Args:
            folder: what ``run`` made, or its ``model/`` alone.
            device: where the networks are to run; "auto": a GPU where there is one.
            num_threads: batches that are predicted side by side.

        Returns:
            The ensemble.

        Raises:
            IncmaskError: there is none, or a file of it is damaged.
        """
        folder = model_folder(folder)
        about, members = read_about(folder)
        networks = [load_model(path) for path in members]
        return cls(networks, about, device=device, num_threads=num_threads)

    def __repr__(self) -> str:
        about, num = self.about, len(self.networks)
        names = ", ".join(info.name for info in about.classes)
        size = "×".join(map(str, (*(about.volumes.patch if about.volumes else about.size), about.channels)))
        return f"Ensemble({counted(num, 'network')} of {size}, {about.task}: {names})"

    def predict(self, images: Any, *, spacing: Spacing | None = None) -> list[Prediction]:
        """Predict images, or volumes, of any size and number of channels that the networks can take.

        Args:
            images: NumPy arrays (H, W) or (H, W, C), Pillow images, tensors (H, W), (H, W, C) or (C, H, W), or lists of
                numbers, in a list or a stack; or a single one of these. Of any integer or float type: 8-bit values as
                they are, others scaled as in training. Of models of volumes: NumPy arrays (D, H, W) or (D, H, W, C); of
                models of signals also (N,).
            spacing: of these volumes: distance of slices, rows and columns; None: that of the training.

        Returns:
            A list: for each image the label, the disputed pixels and the probabilities, at the image's own size.

        Raises:
            IncmaskError: an image of another shape or number of channels, or of NaN and infinite values alone.
        """
        about = self.about
        if about.volumes is not None:
            volumes = network_volumes(images, about.volumes, about=about, spacing=spacing)
            return [unfolded_prediction(self.predict_sheet(*each), each[1]) for each in volumes]
        seen = network_images(images, channels=about.channels, intensity=about.intensity, signals=about.is_of_signals)
        return list(self.predict_each([*seen]))

    def predict_each(self, images: Sequence[np.ndarray]) -> Iterator[Prediction]:
        """Predict images as networks see them, one after the other: fewer are held at a time.

        Args:
            images: uint8, (H, W, channels) each, of any sizes.

        Returns:
            Their predictions, each as it is asked for.

        Raises:
            IncmaskError: an image of another type or number of channels.
        """
        about = self.about
        for image in images:
            if image.ndim != 3 or image.shape[2] != about.channels or image.dtype != np.uint8 or not image.size:
                what = f"expected uint8 (H, W, {about.channels}), got {image.dtype} {image.shape}"
                raise fail("predict_each(images)", what, "convert the image first, or use predict, which does")
        tiles: list[np.ndarray] = []
        places: list[list[Window | None]] = []
        for image in images:
            where: list[Window | None] = [None]
            if about.fit == "tile":
                where = list(windows(image.shape[:2], about.size, overlap_fraction=TILE_OVERLAP_FRACTION))
            places.append(where)
            tiles += [scale_image(image, about.size) if place is None else cut(image, place) for place in where]
        outputs = self._outputs(tiles)
        for image, where in zip(images, places, strict=True):
            members = assemble([(place, next(outputs)) for place in where], image.shape[:2])
            yield self._prediction(members)

    def predict_sheet(self, sheet: np.ndarray, grid: Grid, *, where: object = "volumes") -> Prediction:
        """Predict a volume as networks see it, at its own grid: in patches that overlap.

        Args:
            sheet: uint8, (D·H, W, channels).
            grid: of the volume.
            where: for messages.

        Returns:
            Its prediction, as of an image (D·H, W).

        Raises:
            IncmaskError: memory does not suffice, or the models are of images.
        """
        shown, kind = self.about.volumes, labels_of(self.about.task)
        if shown is None:
            raise fail(where, "is a volume, and the models are of images", "predict its slices")
        num_outputs = len(self.networks) * kind.num_outputs(len(self.about.classes))
        check_memory(where, grid, shown, num_numbers=num_outputs)
        patches = image_patches(sheet, grid, shown, overlapping=True)
        return self._prediction(join_patches(self._outputs(patches), grid, shown))

    def predict_rows(self, image: PixelRows) -> Iterator[RowsPrediction]:
        """Predict an image that need not fit into memory, some rows at a time, from the top.

        The same as ``predict`` but for rounding: tiles lie at the same places, and are blended in the same way.

        Args:
            image: rows are uint8, (rows, W, channels).

        Returns:
            What was predicted of the rows from the top, some at a time.
        """
        if self.about.fit == "tile":
            return self._predict_tile_rows(image)
        return self._predict_resized_rows(image)

    def _predict_tile_rows(self, image: PixelRows) -> Iterator[RowsPrediction]:
        size, (height, width) = (image.height, image.width), self.about.size
        places = windows(size, self.about.size, overlap_fraction=TILE_OVERLAP_FRACTION)
        tops = sorted({place.top for place in places})
        weight = blend_weight((height, width))
        total, weights = np.zeros(0), np.zeros(0)
        for top, below in zip(tops, [*tops[1:], image.height], strict=True):
            strip = image.read(top, min(top + height, image.height))
            where = [Window(0, place.left, height, width) for place in places if place.top == top]
            outputs = self._outputs([cut(strip, place) for place in where])
            for place, tile in zip(where, outputs, strict=True):
                if not weights.size:
                    total = np.zeros((*tile.shape[:2], height, image.width), np.float32)
                    weights = np.zeros((height, image.width), np.float32)
                add_tile(total, weights, place, tile, weight)
            # The tiles of the next row reach no higher than its top.
            done = below - top
            yield RowsPrediction(top, self._prediction(total[..., :done, :] / weights[:done]))
            total[..., : height - done, :] = total[..., done:, :].copy()
            weights[: height - done] = weights[done:].copy()
            total[..., height - done :, :], weights[height - done :] = 0, 0

    def _predict_resized_rows(self, image: PixelRows) -> Iterator[RowsPrediction]:
        (height, width), size = self.about.size, (image.height, image.width)
        if height > size[0] or width > size[1]:
            small = scale_image(image.read(0, image.height), self.about.size)
        else:
            mean = np.zeros((height, width, self.about.channels), np.float32)
            for first in range(0, image.height, STRIP_ROWS):
                rows = image.read(first, min(first + STRIP_ROWS, image.height))
                mean += shrink_rows(rows, self.about.size, first=first, num_rows=image.height)
            small = np.clip(np.rint(mean), 0, 255).astype(np.uint8)
        (members,) = self._outputs([small])
        for first in range(0, image.height, STRIP_ROWS):
            last = min(first + STRIP_ROWS, image.height)
            yield RowsPrediction(first, self._prediction(enlarge_rows(members, size, first=first, last=last)))

    def _outputs(self, tiles: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
        """Members' probabilities of each tile: float32, (n, C, h, w)."""
        num = chunk_images(
            labels_of(self.about.task).num_outputs(len(self.about.classes)), (len(tiles), *self.about.size)
        )
        chunks = [tiles[first : first + num] for first in range(0, len(tiles), num)]
        for chunk in side_by_side(self._predict_chunk, chunks, num_threads=self._num_threads):
            yield from chunk

    def _predict_chunk(self, tiles: Sequence[np.ndarray]) -> np.ndarray:
        logits = forward(self.networks, np.stack(tiles), precision=self.about.precision)
        with torch.inference_mode():
            return torch.stack([labels_of(self.about.task).probabilities(each) for each in logits], 1).cpu().numpy()

    def _prediction(self, members: np.ndarray) -> Prediction:
        if self.about.values is not None:
            return _values_of(members[:, 0], self.about.values)
        task, mean = self.about.task, members.mean(0)
        label = labels_of(task).decode(mean[None], masked=self._masked)[0]
        probability = labels_of(task).of_classes(mean)
        share = disagreement(labels_of(task).votes(members), task=task)
        return Prediction(label, share > 0, probability, share)


def _values_of(members: np.ndarray, about: AboutValues) -> Prediction:
    """Give the mean of members' numbers (n, H, W), where they differ too much, and by how much they do."""
    found, target = mean_of_values(members, about.spread), about.target
    spread = (spread_of(members) * target.span).astype(np.float32)
    return Prediction(target.undone(found.label), found.inconsistent, members[:0], spread)
