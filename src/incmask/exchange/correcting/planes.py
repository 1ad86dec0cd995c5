"""Labels as they are painted: a plane of ids, or one of 0 and 1 a class; a page has them, and the unsure, as bytes."""

from dataclasses import dataclass

import numpy as np

from incmask.base.errors import fail
from incmask.data.dataset import Colour, Scheme
from incmask.exchange.names import UNSURE
from incmask.experiment.record.images import PredictedMask
from incmask.method.labels import labels_of
from incmask.prediction.overlays import disputed_colour, visible_colour

_AGAIN = "load the page anew, and correct the image again"


@dataclass(frozen=True)
class Brush:
    """What a person paints with.

    Attributes:
        name: of the class.
        colour: that can be seen on an image.
        plane: that it paints on.
        value: that it leaves there.
    """

    name: str
    colour: Colour
    plane: int
    value: int


@dataclass(frozen=True)
class Planes:
    """How the labels of a run are painted, and how they lie in bytes.

    Attributes:
        scheme: what labels mean.
    """

    scheme: Scheme

    @property
    def num(self) -> int:
        """Count the planes, that of the unsure pixels included."""
        return 1 + (len(self.scheme.foreground) if labels_of(self.scheme.task).is_layered else 1)

    @property
    def highest(self) -> int:
        """Give the highest value of a label."""
        return len(self.scheme.classes) - 1 if labels_of(self.scheme.task).is_exclusive else 1

    @property
    def brushes(self) -> tuple[Brush, ...]:
        """Give a brush a class; 0 erases."""
        labels, scheme = labels_of(self.scheme.task), self.scheme
        numbers = labels.object_classes(len(scheme.classes))
        return tuple(
            Brush(
                info.name,
                visible_colour(info.colour),
                plane=place if labels.is_layered else 0,
                value=number if labels.is_exclusive else 1,
            )
            for place, (number, info) in enumerate(zip(numbers, scheme.foreground, strict=True))
        )

    @property
    def unsure(self) -> Brush:
        """Give the brush of what nobody can tell."""
        return Brush(UNSURE, disputed_colour(self.scheme.foreground), plane=self.num - 1, value=1)

    def num_bytes(self, size: tuple[int, int]) -> int:
        """Count the bytes of an image of this height and width."""
        return self.num * size[0] * size[1]

    def split(self, mask: PredictedMask) -> np.ndarray:
        """Give the planes of a mask, the unsure pixels last: uint8, (planes, H, W)."""
        layers = np.moveaxis(np.atleast_3d(mask.label), -1, 0)
        return np.concatenate([layers, mask.inconsistent[None].astype(np.uint8)])

    def join(self, planes: np.ndarray, size: tuple[int, int]) -> PredictedMask:
        """Undo ``split``, of planes of whole numbers that may be anything.

        Raises:
            IncmaskError: they are no label of an image of this size.
        """
        if planes.shape != (self.num, *size):
            raise fail("the mask", f"has the shape {planes.shape} where {(self.num, *size)} belongs", _AGAIN)
        for values, highest in ((planes[:-1], self.highest), (planes[-1], 1)):
            if values.max() > highest or values.min() < 0:
                wrong = values.max() if values.max() > highest else values.min()
                raise fail("the mask", f"holds {wrong} where 0 to {highest} belong", "paint with the classes alone")
        layers = planes[:-1].astype(np.uint8)
        is_layered = labels_of(self.scheme.task).is_layered
        return PredictedMask(np.moveaxis(layers, 0, -1) if is_layered else layers[0], planes[-1] > 0)

    def pack(self, mask: PredictedMask) -> bytes:
        """Give the bytes of a mask: those of its planes, one behind the other."""
        return self.split(mask).tobytes()

    def unpack(self, content: bytes, size: tuple[int, int]) -> PredictedMask:
        """Undo ``pack``, of bytes that may be anything; raises as ``join`` does."""
        if len(content) != self.num_bytes(size):
            what = f"has {len(content):,} bytes where {self.num_bytes(size):,} belong"
            raise fail("the mask", what, _AGAIN)
        return self.join(np.frombuffer(content, np.uint8).reshape(self.num, *size), size)
