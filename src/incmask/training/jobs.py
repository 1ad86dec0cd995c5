"""One network to train, as a value, and what an objective must offer."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from torch import Tensor, nn

from incmask.base.config import Settings
from incmask.nets.spec import Spec


class Scored(Protocol):
    """What validation came to: a loss, and a score of which more is better."""

    @property
    def loss(self) -> float: ...

    @property
    def score(self) -> float: ...


class Lessons(Protocol):
    """An objective made ready in the process that trains.

    Attributes:
        phases: steps of each part of an epoch; validation follows each part.
        batch_sizes: images a step of each part.
        num_validation: images that a validation takes.
        by_loss: whether the validation loss chooses the epoch, and not the score.
    """

    phases: tuple[int, ...]
    batch_sizes: tuple[int, ...]
    num_validation: int
    by_loss: bool

    def loss(self, network: nn.Module, *, phase: int, step: int) -> Tensor:
        """Loss of a step; may be called in a thread of its own."""
        ...

    def validate(self, network: nn.Module) -> Scored: ...


class Objective(Protocol):
    """What is learnt, as a value that can be sent to another process."""

    def open(self, settings: Settings, *, seed: int) -> Lessons: ...


@dataclass(frozen=True)
class FitJob:
    """One network to train; everything it needs, so that it can run in any process.

    Attributes:
        folder: where its files go.
        network: what to build.
        objective: what it learns.
        settings: steps, rates, losses.
        seed: of weights, order and augmentation.
        start: model file whose weights it begins with; None: new ones.
    """

    folder: Path
    network: Spec
    objective: Objective
    settings: Settings
    seed: int
    start: Path | None = None

    @property
    def num_steps(self) -> int:
        """Training steps in all."""
        return self.settings.epochs * sum(self.objective.open(self.settings, seed=self.seed).phases)
