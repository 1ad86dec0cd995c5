"""Labels that are numbers: an image without its noise, distances."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar

from array_api_compat import array_namespace

from incmask.method.exact import Array
from incmask.method.labels.base import Label, Labels, Pixels, Probability, Spatial

if TYPE_CHECKING:  # data are prepared without torch
    from torch import Tensor


class Continuous(Labels):
    """Numbers instead of classes: floating, (..., H, W), NaN where there is none; one output, without an activation.

    What networks learn is scaled so that the labelled targets lie in 0 to 1 (``ValueRange``).

    Attributes:
        zero_is_missing: a target of 0 or less is none.
    """

    is_continuous = True
    dtype = "float32"
    no_label = math.nan
    has_ground = False
    zero_is_missing: ClassVar[bool] = False

    def probabilities(self, logits: Annotated["Tensor", "n c h w"]) -> Annotated["Tensor", "n c h w"]:
        """See ``Labels.probabilities``: the numbers themselves."""
        return logits

    def votes(self, probability: Probability) -> Label:
        """See ``Labels.votes``: the numbers, floating, (..., H, W)."""
        return probability[..., 0, :, :]

    def is_missing(self, label: Annotated[Array, "*any"]) -> Annotated[Array, "*any"]:
        """See ``Labels.is_missing``."""
        return array_namespace(label).isnan(label)

    def foreground(self, label: Pixels) -> Spatial:
        """See ``Labels.foreground``: wherever there is a number."""
        return ~self.is_missing(label)

    def class_pixels(self, label: Pixels, number: int) -> Spatial:
        """See ``Labels.class_pixels``: wherever there is a number."""
        return ~self.is_missing(label)

    def object_classes(self, num_classes: int) -> range:
        """See ``Labels.object_classes``: none."""
        return range(0)

    def ground_name(self, class_names: Sequence[str]) -> str:
        """See ``Labels.ground_name``: there is none."""
        return ""


class Denoise(Continuous):
    """What an image or a signal is without its noise.

    Examples:
        >>> Denoise().votes(np.array([[[0.2, 0.7]]])).tolist()
        [[0.2, 0.7]]
    """

    task = "denoise"
    score_name = "SSIM"
    follows_intensity = True


class Depth(Continuous):
    """How far away each pixel is; 0 or less: not measured.

    Examples:
        >>> Depth().is_missing(np.array([1.5, np.nan])).tolist()
        [False, True]
    """

    task = "depth"
    score_name = "δ<1.25"
    zero_is_missing = True
