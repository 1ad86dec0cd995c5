"""Targets that are numbers: how members differ, and what a network's numbers lose (paper, section 4)."""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from incmask.base.config import Settings
from incmask.method.agreement import Inconsistency, continuous_inconsistency
from incmask.method.morphology import dilate, erode
from incmask.method.sheets import folded, unfolded

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class ValueRange:
    """The range of the labelled targets, which networks see as 0 to 1.

    Attributes:
        low, high: the least and the greatest, in the targets' own unit; low < high.

    Examples:
        >>> ValueRange(2, 4).scaled(np.array([3.0, np.nan])).tolist()
        [0.5, nan]
        >>> ValueRange(2, 4).undone(np.float32([0.5])).tolist()
        [3.0]
    """

    low: float
    high: float

    @property
    def span(self) -> float:
        """From the least to the greatest."""
        return self.high - self.low

    def scaled(self, values: Annotated[Floats, "*any"]) -> Annotated[NDArray[np.float32], "*any"]:
        """Give values as networks learn them: float32; NaN stays."""
        return ((values.astype(np.float64) - self.low) / self.span).astype(np.float32)

    def undone(self, scaled: Annotated[Floats, "*any"]) -> Annotated[NDArray[np.float32], "*any"]:
        """Give what networks say in the targets' own unit: float32."""
        return (scaled.astype(np.float64) * self.span + self.low).astype(np.float32)


@dataclass(frozen=True)
class SpreadRule:
    """Which pixels are disputed.

    Attributes:
        limit: the standard deviation over members beyond which they are.
        unit: of the limit: "image_mean", the deviation's mean over the image; "range", that of the labelled targets.
    """

    limit: float = 2.0
    unit: Literal["image_mean", "range"] = "image_mean"


def spread_rule_of(settings: Settings) -> SpreadRule:
    """Give the rule that is meant by the settings.

    Examples:
        >>> spread_rule_of(Settings(max_spread=0.1, spread_unit="range"))
        SpreadRule(limit=0.1, unit='range')
    """
    return SpreadRule(settings.max_spread, settings.spread_unit)


def mean_of_values(
    members: Annotated[Floats, "m *n h w"],
    rule: SpreadRule,
    *,
    erode_px: int = 0,
    dilate_px: int = 0,
    depth: int | None = None,
) -> Inconsistency:
    """Give the members' mean, and where they differ too much; of one member nothing is disputed.

    Args:
        members: scaled values.
        rule: says what is too much.
        erode_px, dilate_px: sides of the squares that change the mask, as for ``inconsistency``; a pixel that an
            erosion frees keeps its mean.
        depth: slices of sheets, of whose masks cubes change them; None: they are images.

    Examples:
        >>> members = np.array([[[0.5, 0.2, 0.3]], [[0.5, 0.4, 0.3]]])
        >>> mean_of_values(members, SpreadRule(0.05, "range")).inconsistent.tolist()
        [[False, True, False]]
    """
    if len(members) == 1:
        return Inconsistency(members[0], np.zeros(members.shape[1:], np.bool_))
    relative = rule.unit == "image_mean"
    found = continuous_inconsistency(members, threshold=rule.limit, relative=relative, spatial_ndim=2)
    mask: NDArray[np.bool_] = found.inconsistent
    axes: tuple[int, ...] = (-2, -1)
    if depth is not None:
        mask, axes = unfolded(mask, depth, axis=mask.ndim - 2), (-3, -2, -1)
    if erode_px > 1:
        mask = erode(mask, side_px=erode_px, axes=axes)
    if dilate_px > 1:
        mask = dilate(mask, side_px=dilate_px, axes=axes)
    return Inconsistency(found.label, mask if depth is None else folded(mask, axis=mask.ndim - 3))


def spread_of(members: Annotated[Floats, "m *rest"]) -> Annotated[Floats, "*rest"]:
    """Give the standard deviation over members, of which there may be one.

    Examples:
        >>> spread_of(np.array([[1.0, 4.0], [1.0, 6.0]])).tolist()
        [0.0, 1.0]
    """
    return np.asarray(members.std(0))
