"""Labelled and pseudo-labelled images side by side: how many of each in a batch, and how much they weigh."""

import math
from dataclasses import dataclass

from incmask.base.config import Settings

_HALF = 0.5


@dataclass(frozen=True)
class Streams:
    """How labelled and pseudo-labelled images go through a training.

    Attributes:
        num_labelled: of each batch, whose first ones they are; 0: all images are one mixture.
        weight: of the loss of the pseudo-labelled ones, to that of the labelled ones.
        ramp_steps: in which that weight rises from 0.

    Examples:
        >>> streams = Streams(num_labelled=8, weight=2.0, ramp_steps=4)
        >>> [streams.weight_at(step) for step in range(6)]
        [0.5, 1.0, 1.5, 2.0, 2.0, 2.0]
    """

    num_labelled: int = 0
    weight: float = 1.0
    ramp_steps: int = 0

    def weight_at(self, step: int) -> float:
        """Give the weight of the pseudo-labelled images in a step, counted from 0."""
        return self.weight * min(1.0, (step + 1) / self.ramp_steps) if self.ramp_steps else self.weight


MIXED = Streams()
"""Every image is as good as any other."""


def streams_of(settings: Settings, *, num_steps: int, has_pseudo: bool) -> Streams:
    """Give what the settings ask for.

    Args:
        settings: ``streams``, ``labelled_share``, ``pseudo_weight``, ``ramp_fraction`` and ``batch_size``.
        num_steps: of the training.
        has_pseudo: whether there are pseudo-labelled images; without any, there is nothing to tell apart.

    Examples:
        >>> streams_of(Settings(streams="two", batch_size=16), num_steps=1000, has_pseudo=True)
        Streams(num_labelled=8, weight=1.0, ramp_steps=200)
    """
    if settings.streams == "mixed" or not has_pseudo:
        return MIXED
    wanted = round(settings.batch_size * (settings.labelled_share or _HALF))
    return Streams(
        num_labelled=min(max(1, wanted), settings.batch_size - 1),
        weight=settings.pseudo_weight,
        ramp_steps=math.ceil(settings.ramp_fraction * num_steps),
    )
