"""What is shown of a run and what is saved of it, without a window: layers from the desk, and painting back to it."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from incmask.exchange.correcting.desk import Desk
from incmask.exchange.correcting.planes import Brush

Painted = Sequence[np.ndarray] | np.ndarray
"""Planes, those of the unsure pixels last."""

LayerData = tuple[np.ndarray, dict[str, Any], Literal["image", "labels"]]
"""A layer as napari takes it: data, options, kind."""

_OPACITY = 0.5


class Session:
    """The images of a desk, one after the other; painting is given back as planes, those of the unsure pixels last.

    Args:
        desk: of ``open_desk``.

    Attributes:
        desk: the same.
        index: of the image that is shown.
    """

    def __init__(self, desk: Desk):
        self.desk = desk
        self.index = next(iter(self._left()), 0)
        self._loaded = self._before = self._planes()

    @property
    def title(self) -> str:
        """Say which image is shown, whether it is saved, and why it is worth a look."""
        image = self.desk.images[self.index]
        saved = ", saved" if self.desk.is_saved(self.index) else ""
        reason = f"\n{image.reason}" if image.reason else ""
        return f"{self.index + 1} of {len(self.desk.images)}: {image.name}{saved}{reason}"

    @property
    def progress(self) -> str:
        """Say how many images are saved, and the line that takes them up."""
        done = self.desk.corrected()
        next_step = f"\n{done.next_step}" if done.next_step else ""
        return f"{len(done.names)} of {len(self.desk.images)} saved in {done.out}{next_step}"

    def image_layers(self) -> list[LayerData]:
        """Give the layers of the image: one, or for other than one or three channels one a channel."""
        pixels, name = self.desk.pixels(self.index), self.desk.images[self.index].name
        if pixels.shape[2] == 3 and pixels.dtype == np.uint8:
            return [(pixels, {"name": name, "rgb": True}, "image")]
        channels: list[LayerData] = [
            (pixels[..., number], {"name": f"{name}, channel {number + 1}", "blending": "additive"}, "image")
            for number in range(pixels.shape[2])
        ]
        return channels if len(channels) > 1 else [(pixels[..., 0], {"name": name}, "image")]

    def label_layers(self) -> list[LayerData]:
        """Give a layer a plane, in their order: one of all classes, or one a class; that of the unsure pixels last."""
        planes = self.desk.planes
        layers: list[LayerData] = []
        for number, values in enumerate(self._loaded):
            brushes = [brush for brush in (*planes.brushes, planes.unsure) if brush.plane == number]
            name = brushes[0].name if len(brushes) == 1 else "classes"
            features = {"class": _names(brushes, int(values.max()))}
            options = {"name": name, "opacity": _OPACITY, "colormap": _colours(brushes), "features": features}
            layers.append((values.copy(), options, "labels"))
        return layers

    def models_planes(self) -> np.ndarray:
        """Give the planes of what the models say of the image: uint8, (planes, H, W)."""
        return self.desk.planes.split(self.desk.models_mask(self.index))

    def settle(self, planes: Painted) -> np.ndarray:
        """Give the plane of the unsure pixels without those whose class changed since the last call, (H, W)."""
        now = np.array(planes)
        changed = (now[:-1] != self._before[:-1]).any(0)
        self._before = now.copy()
        return np.where(changed, 0, now[-1])

    def is_changed(self, planes: Painted) -> bool:
        """Tell whether planes differ from those that were shown at first or saved last."""
        return not np.array_equal(np.array(planes), self._loaded)

    def save(self, planes: Painted) -> None:
        """Save planes of the image; raises as ``Planes.join`` and ``Desk.save`` do."""
        values, size = np.array(planes), self.desk.images[self.index].size
        self.desk.save(self.index, self.desk.planes.join(values, size))
        self._loaded = values

    def forward(self) -> bool:
        """Show the next image that is not saved, or else the first of these; False: all are saved."""
        left = self._left()
        if left:
            self.move(next((index for index in left if index > self.index), left[0]))
        return bool(left)

    def move(self, index: int) -> None:
        """Show the image of this place; beyond the ends that at the end."""
        self.index = min(max(index, 0), len(self.desk.images) - 1)
        self._loaded = self._before = self._planes()

    def _left(self) -> list[int]:
        return [index for index in range(len(self.desk.images)) if not self.desk.is_saved(index)]

    def _planes(self) -> np.ndarray:
        return self.desk.planes.split(self.desk.mask(self.index))


def _colours(brushes: Sequence[Brush]) -> dict[int | None, tuple[float, ...]]:
    """Give the colour of each value of a plane: what is 0, or no class, is not seen."""
    seen: dict[int | None, tuple[float, ...]] = {
        brush.value: (*(part / 255 for part in brush.colour), 1.0) for brush in brushes
    }
    return {None: (0.0,) * 4, 0: (0.0,) * 4, **seen}


def _names(brushes: Sequence[Brush], highest: int) -> list[str]:
    """Name each value of a plane, from 0 on, as napari shows under the pointer."""
    names = {brush.value: brush.name for brush in brushes}
    return [names.get(value, "") for value in range(max([highest, *names]) + 1)]
