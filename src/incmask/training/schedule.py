"""The course of a training: its steps, when it is validated, and the learning rate."""

import itertools
import math
from dataclasses import dataclass, replace
from typing import NamedTuple

from incmask.base.config import Settings
from incmask.training.jobs import Lessons

BETAS = (0.9, 0.999)
"""Shares of Adam's moments that stay at each step."""

_EPSILON = 1e-7

LOOK_COST = 1 / 3
"""Of an image that is looked at, to one that is learnt from: forward alone, to forward and back."""


class PhaseStep(NamedTuple):
    """A step within the epochs: the phase that it belongs to, and its number there over all epochs."""

    phase: int
    step: int


@dataclass(frozen=True)
class Schedule:
    """Steps and validations of a training; those of one schedule can be trained side by side.

    Attributes:
        phases: steps of each part of an epoch.
        batch_sizes: images a step of each part.
        epochs: how often all parts are gone through.
        validated: the parts, counted from 0 over all epochs, that a validation follows.
    """

    phases: tuple[int, ...]
    batch_sizes: tuple[int, ...]
    epochs: int
    validated: tuple[int, ...]

    @classmethod
    def of(cls, lessons: Lessons, settings: Settings) -> "Schedule":
        """Give the course that lessons take under the settings."""
        course = cls(lessons.phases, lessons.batch_sizes, settings.epochs, ())
        validated = validated_parts(
            settings.epochs * len(lessons.phases),
            share=settings.validation_share,
            num_trained=course.num_images,
            num_validation=lessons.num_validation,
        )
        return replace(course, validated=tuple(validated))

    @property
    def num_steps(self) -> int:
        """In all."""
        return self.epochs * sum(self.phases)

    @property
    def num_images(self) -> int:
        """That a network is shown in all steps."""
        return self.epochs * sum(steps * size for steps, size in zip(self.phases, self.batch_sizes, strict=True))

    @property
    def ends(self) -> tuple[int, ...]:
        """The number of steps done by each validation."""
        of_parts = list(itertools.accumulate(self.phases * self.epochs))
        return tuple(of_parts[part] for part in self.validated)

    def epoch(self, validation: int) -> int:
        """Give the epoch, from 1, that a validation, counted from 0, falls into."""
        return self.validated[validation] // len(self.phases) + 1

    def place(self, step: int) -> PhaseStep:
        """Tell where a step, counted from 0 over all, lies."""
        epoch, offset = divmod(step, sum(self.phases))
        for phase, num_steps in enumerate(self.phases):
            if offset < num_steps:
                return PhaseStep(phase, epoch * num_steps + offset)
            offset -= num_steps
        raise AssertionError("an epoch is the sum of its phases")


def validated_parts(num_parts: int, *, share: float, num_trained: int, num_validation: int) -> list[int]:
    """Tell which parts of a training, counted from 0, a validation follows: evenly spaced, the last always among them.

    Args:
        num_parts: there are.
        share: of the time that validation may take, above 0; 1: all parts are validated.
        num_trained: images of all parts together.
        num_validation: images of a validation.
    """
    num = num_parts
    if share < 1 and num_validation:
        affordable = share / (1 - share) * num_trained / (num_validation * LOOK_COST)
        num = max(1, min(num_parts, int(affordable)))
    return [math.ceil(num_parts * (place + 1) / num) - 1 for place in range(num)]


def epsilon(step: int, settings: Settings) -> float:
    """Give what the optimiser of ``step``, counted from 0, adds to the root of its corrected second moment.

    Keras adds 1e-7 before the correction, which enlarges it, too: 32 times at the first step, 1.3 times at the 1000th.
    """
    correction = math.sqrt(1 - BETAS[1] ** (step + 1)) if settings.epsilon == "before_correction" else 1.0
    return _EPSILON / correction


def learning_rate(step: int, num_steps: int, settings: Settings) -> float:
    """Rate of ``step``, counted from 0: constant, or a linear warm-up and half a cosine down to 0."""
    if settings.schedule == "constant":
        return settings.learning_rate
    num_warmup = math.ceil(settings.warmup_fraction * num_steps)
    if step < num_warmup:
        return settings.learning_rate * (step + 1) / num_warmup
    # The steps that are timed may go beyond the last.
    done = (step - num_warmup) / (num_steps - num_warmup) if step < num_steps else 1.0
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
