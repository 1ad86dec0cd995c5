"""One network to train, as a value, and what an objective must offer."""

from collections.abc import Sequence
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


class Lesson(Protocol):
    """What a step is learnt from."""

    def loss(self, network: nn.Module, *, phase: int, step: int) -> Tensor:
        """Loss of a step; may be called in a thread of its own."""
        ...


class Lessons(Lesson, Protocol):
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
        encoder: file of the weights that its encoder begins with, where ``start`` is None; None: new ones.
        team: number of the team of students that learn from each other, so that they train as one program and keep one
            checkpoint; None: it needs nobody.
    """

    folder: Path
    network: Spec
    objective: Objective
    settings: Settings
    seed: int
    start: Path | None = None
    encoder: Path | None = None
    team: int | None = None

    @property
    def num_steps(self) -> int:
        """Training steps in all."""
        return self.settings.epochs * sum(self.objective.open(self.settings, seed=self.seed).phases)


def teams_of(jobs: Sequence[FitJob]) -> list[tuple[FitJob, ...]]:
    """Put those together that need each other; one that needs nobody is alone."""
    teams: dict[int | Path, list[FitJob]] = {}
    for job in jobs:
        teams.setdefault(job.folder if job.team is None else job.team, []).append(job)
    return [tuple(team) for team in teams.values()]
