"""What an ensemble says of an image, and what it has to know for that."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from incmask.base.config import Task
from incmask.base.words import ShortRepr
from incmask.data.dataset import ClassInfo
from incmask.data.volumes.grid import VolumeFormat
from incmask.method.values import SpreadRule, ValueRange


@dataclass(frozen=True, repr=False)
class Prediction(ShortRepr):
    """What an ensemble makes of one image, at the image's own size; of a volume, (H, W) is (D, H, W).

    Attributes:
        label: uint8, (H, W) class ids, for binary 0/1; (H, W, K) 0/1 for multilabel. Numbers: float32, (H, W), in
            the unit of the targets.
        inconsistent: bool, (H, W): pixels on which the members disagree.
        probability: float32, (K, H, W), mean over the members; for multiclass it sums to 1 at most,
            the rest being the masked class. Of numbers there is none, (0, H, W).
        disagreement: float32, (H, W), the share of members that are off the majority: 0 where all agree. Of numbers
            their standard deviation, in the unit of the targets.

    Examples:
        >>> agreed = np.zeros((2, 2), np.uint8)
        >>> Prediction(agreed, agreed > 0, np.zeros((1, 2, 2), np.float32), np.zeros((2, 2), np.float32)).label.shape
        (2, 2)
    """

    label: np.ndarray
    inconsistent: np.ndarray
    probability: np.ndarray
    disagreement: np.ndarray


@dataclass(frozen=True)
class RowsPrediction:
    """What an ensemble makes of some rows of an image.

    Attributes:
        first: place of the first of them.
        prediction: of these rows.
    """

    first: int
    prediction: Prediction


@dataclass(frozen=True)
class AboutValues:
    """What it takes beside that where targets are numbers.

    Attributes:
        target: the range that networks see as 0 to 1.
        spread: which pixels are disputed.
    """

    target: ValueRange
    spread: SpreadRule


_OPTIONAL = ("values", "volumes")
"""Of ``About``, what files of models have only where it is."""


@dataclass(frozen=True)
class About:
    """What an ensemble needs to know beside its weights.

    Attributes:
        task: what the outputs mean.
        classes: as in the data set that it was trained on.
        channels: channels of the network's input.
        intensity: the intensities that become 0 and 255 where images are not 8-bit; None: percentiles.
        size: height and width of the network's input.
        fit: images are scaled to that size, or cut into tiles of it.
        precision: of the computation.
        position_class: the multilabel class that marks the centres of objects; None where there is none.
        values: where targets are numbers; None: there are classes.
        volumes: how the networks see volumes; None: they are of images.
    """

    task: Task
    classes: tuple[ClassInfo, ...]
    channels: int
    intensity: tuple[float, float] | None
    size: tuple[int, int]
    fit: Literal["resize", "tile"]
    precision: Literal["auto", "float32", "bfloat16"]
    position_class: str | None = None
    values: AboutValues | None = None
    volumes: VolumeFormat | None = None

    @property
    def is_of_signals(self) -> bool:
        """Whether networks see one row at a time."""
        return self.size[0] == 1

    def as_dict(self) -> dict[str, Any]:
        """Give the same for a file, without what there is of numbers and volumes alone, where there is none."""
        return {name: each for name, each in asdict(self).items() if each is not None or name not in _OPTIONAL}
