"""Labelled and pseudo-labelled images side by side: how many of each in a batch, and how much they weigh."""

import math
from dataclasses import dataclass, replace

from incmask.base.config import Settings

_HALF = 0.5


@dataclass(frozen=True)
class Streams:
    """How labelled and pseudo-labelled images go through a training.

    Attributes:
        num_labelled: of each batch, whose first ones they are; 0: all images are one mixture.
        weight: of the loss of the pseudo-labelled ones, to that of the labelled ones.
        ramp_steps: in which that weight rises from 0.
        strong: share of the pseudo-labelled images that are changed most strongly.
        cutmix: share of them that get a rectangle of another one.
        changed_from: the step, counted from 0, that both begin with.
        alone_from: the step from which on labelled images train alone; None: they never do.
        curriculum_steps: in whose first half images are as they are; then more and more of them are augmented.

    Examples:
        >>> streams = Streams(num_labelled=8, weight=2.0, ramp_steps=4, curriculum_steps=4)
        >>> [streams.weight_at(step) for step in range(6)]
        [0.5, 1.0, 1.5, 2.0, 2.0, 2.0]
        >>> [streams.augmented_at(step) for step in range(6)]
        [0.0, 0.0, 0.5, 1.0, 1.0, 1.0]
    """

    num_labelled: int = 0
    weight: float = 1.0
    ramp_steps: int = 0
    strong: float = 0.0
    cutmix: float = 0.0
    changed_from: int = 0
    alone_from: int | None = None
    curriculum_steps: int = 0

    def weight_at(self, step: int) -> float:
        """Give the weight of the pseudo-labelled images in a step, counted from 0."""
        return self.weight * min(1.0, (step + 1) / self.ramp_steps) if self.ramp_steps else self.weight

    def is_alone(self, step: int) -> bool:
        """Tell whether labelled images train alone in a step."""
        return self.alone_from is not None and step >= self.alone_from

    def shares_at(self, step: int) -> tuple[float, float]:
        """Give the shares ``strong`` and ``cutmix`` of a step."""
        return (self.strong, self.cutmix) if step >= self.changed_from else (0.0, 0.0)

    def augmented_at(self, step: int) -> float:
        """Give the share of the images to be augmented that are so in a step; the others are as they are."""
        num_plain = self.curriculum_steps // 2
        if step >= self.curriculum_steps:
            return 1.0
        return max(0, step + 1 - num_plain) / (self.curriculum_steps - num_plain)


MIXED = Streams()
"""Every image is as good as any other."""


def streams_of(settings: Settings, *, num_steps: int, has_pseudo: bool) -> Streams:
    """Give what the settings ask for.

    Args:
        settings: ``streams``, ``labelled_share``, ``pseudo_weight``, ``ramp_fraction``, ``strong``, ``cutmix``,
            ``strong_from``, ``finetune_fraction``, ``curriculum`` and ``batch_size``.
        num_steps: of the training.
        has_pseudo: whether there are pseudo-labelled images; without any, there is nothing to tell apart.

    Examples:
        >>> streams = streams_of(Settings(streams="two", finetune_fraction=0.1), num_steps=1000, has_pseudo=True)
        >>> streams.num_labelled, streams.ramp_steps, streams.alone_from
        (8, 200, 900)
    """
    if not has_pseudo:
        return MIXED
    num_alone = int(settings.finetune_fraction * num_steps)
    streams = Streams(
        strong=settings.strong,
        cutmix=settings.cutmix,
        changed_from=math.ceil(settings.strong_from * num_steps),
        alone_from=num_steps - num_alone if num_alone else None,
        curriculum_steps=math.ceil(settings.curriculum * num_steps),
    )
    if settings.streams == "mixed":
        return streams
    wanted = round(settings.batch_size * (settings.labelled_share or _HALF))
    return replace(
        streams,
        num_labelled=min(max(1, wanted), settings.batch_size - 1),
        weight=settings.pseudo_weight,
        ramp_steps=math.ceil(settings.ramp_fraction * num_steps),
    )
