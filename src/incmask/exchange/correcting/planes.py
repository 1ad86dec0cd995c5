"""Labels as the page paints them: a plane of bytes for ids, or one of 0 and 1 a class, and one of unsure pixels."""

from dataclasses import dataclass

import numpy as np

from incmask.base.errors import fail
from incmask.data.dataset import Scheme
from incmask.method.labels import labels_of

_AGAIN = "load the page anew, and correct the image again"


@dataclass(frozen=True)
class Planes:
    """How the labels of a run lie in bytes.

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

    def num_bytes(self, size: tuple[int, int]) -> int:
        """Count the bytes of an image of this height and width."""
        return self.num * size[0] * size[1]

    def pack(self, label: np.ndarray, unsure: np.ndarray) -> bytes:
        """Give the bytes of a label and its unsure pixels.

        Args:
            label: uint8, (H, W), or (H, W, K) of layers.
            unsure: bool, (H, W).
        """
        layers = np.moveaxis(np.atleast_3d(label), -1, 0)
        return np.concatenate([layers, unsure[None].astype(np.uint8)]).tobytes()

    def unpack(self, content: bytes, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Undo ``pack``, of bytes that may be anything.

        Raises:
            IncmaskError: they are no label of an image of this size.
        """
        if len(content) != self.num_bytes(size):
            what = f"has {len(content):,} bytes where {self.num_bytes(size):,} belong"
            raise fail("the mask", what, _AGAIN)
        planes = np.frombuffer(content, np.uint8).reshape(self.num, *size)
        for values, highest in ((planes[:-1], self.highest), (planes[-1], 1)):
            if values.max() > highest:
                raise fail("the mask", f"holds {values.max()} where at most {highest} belongs", _AGAIN)
        is_layered = labels_of(self.scheme.task).is_layered
        return np.moveaxis(planes[:-1], 0, -1) if is_layered else planes[0], planes[-1] > 0
