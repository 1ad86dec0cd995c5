"""The only training loop."""

import itertools
import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from incmask.config import Settings
from incmask.device import resolve_device
from incmask.errors import fail
from incmask.files import csv_text, write_text
from incmask.models import Spec, load_model, load_tensors, save_model, save_tensors
from incmask.progress import Report, ignore

MODEL, HISTORY, SCORES, CHECKPOINT = "model.safetensors", "history.csv", "scores.json", "checkpoint.safetensors"

_VALIDATION_COST = 1 / 3
"""Of an image that is looked at, to one that is learnt from: forward alone, to forward and back."""


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

    @property
    def phases(self) -> tuple[int, ...]: ...

    @property
    def batch_sizes(self) -> tuple[int, ...]: ...

    @property
    def num_validation(self) -> int: ...

    @property
    def by_loss(self) -> bool: ...

    def loss(self, network: nn.Module, *, phase: int, step: int) -> Tensor: ...

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


class Trainer:
    """The state of a training and its step.

    Args:
        job: what to train.
        device: where.

    Attributes:
        lessons: what is learnt.
        num_steps: in all.
        averaged: the network that is scored and kept: a running mean of the trained one.
    """

    def __init__(self, job: FitJob, device: torch.device):
        self.lessons = job.objective.open(job.settings, seed=job.seed)
        self.num_steps = job.settings.epochs * sum(self.lessons.phases)
        # Both begin with the same weights.
        self.averaged, self._network = (
            (load_model(job.start) if job.start else job.network.build(seed=job.seed)).to(device) for _ in range(2)
        )
        self.averaged.eval()
        self._network.train()
        self._job = job
        # The paper's decay is not multiplied by the learning rate, torch's is (section 2.6.2).
        self._optimiser = torch.optim.AdamW(
            self._network.parameters(),
            lr=job.settings.learning_rate,
            weight_decay=job.settings.weight_decay / job.settings.learning_rate,
            eps=1e-7,
            fused=True,
        )

    def step(self, step: int) -> float:
        """Take ``step``, counted from 0; return its loss.

        Raises:
            IncmaskError: the loss is no finite number.
        """
        settings = self._job.settings
        for group in self._optimiser.param_groups:
            group["lr"] = learning_rate(step, self.num_steps, settings)
        loss = self._loss(step)
        value = float(loss.detach())
        _check_finite(value, self._job, what="the loss", step=step + 1)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._optimiser.step()
        self._average(min(settings.average_decay, (1 + step) / (10 + step)))
        return value

    def _loss(self, step: int) -> Tensor:
        """Find the phase that ``step`` belongs to, and its number there over all epochs."""
        epoch, offset = divmod(step, sum(self.lessons.phases))
        for phase, num_steps in enumerate(self.lessons.phases):
            if offset < num_steps:
                return self.lessons.loss(self._network, phase=phase, step=epoch * num_steps + offset)
            offset -= num_steps
        raise AssertionError("an epoch is the sum of its phases")

    def state(self, best: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """All tensors that it takes to go on, and the best weights so far."""
        parts = {"best": best, "network": self._network.state_dict(), "averaged": self.averaged.state_dict()}
        tensors = {f"{part}.{name}": tensor for part, state in parts.items() for name, tensor in state.items()}
        for index, state in self._optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{name}": tensor for name, tensor in state.items()}
        return tensors

    def restore(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Take up what ``state`` gave; return the best weights so far."""
        parts: dict[str, dict[str, Tensor]] = {"best": {}, "network": {}, "averaged": {}, "optimiser": {}}
        for name, tensor in tensors.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = tensor
        self._network.load_state_dict(parts["network"])
        self.averaged.load_state_dict(parts["averaged"])
        moments: dict[int, dict[str, Tensor]] = {}
        parameters = list(self._network.parameters())
        for name, tensor in parts["optimiser"].items():
            index, _, key = name.partition(".")
            # The fused optimiser walks memory, so the moments must lie like their parameter.
            alike = tensor if tensor.ndim == 0 else torch.empty_like(parameters[int(index)]).copy_(tensor)
            moments.setdefault(int(index), {})[key] = alike
        groups = self._optimiser.state_dict()["param_groups"]
        self._optimiser.load_state_dict({"state": moments, "param_groups": groups})
        return parts["best"]

    @torch.no_grad()
    def _average(self, decay: float) -> None:
        """Move the average a step towards the network, running statistics included."""
        states = (self.averaged.state_dict().values(), self._network.state_dict().values())
        for mean, value in zip(*states, strict=True):
            if mean.is_floating_point() and decay:
                mean.lerp_(value, 1 - decay)
            else:
                mean.copy_(value)


def fit(job: FitJob, report: Report = ignore) -> None:
    """Train a student and write ``model.safetensors`` (its best epoch), ``history.csv``, ``scores.json``.

    After each validation everything needed to go on is in ``checkpoint.safetensors``; a later call
    continues there and ends with the same numbers.

    Args:
        job: what to train.
        report: called with the number of steps done since the last call.

    Raises:
        IncmaskError: the loss is no finite number, the checkpoint is damaged or another training's,
            or a file cannot be written.
    """
    settings = job.settings
    trainer = Trainer(job, resolve_device(settings.device))
    lessons = trainer.lessons
    # The step after which each part of an epoch ends, and the parts that a validation follows.
    ends = list(itertools.accumulate(lessons.phases * settings.epochs))
    num_images = settings.epochs * sum(
        steps * size for steps, size in zip(lessons.phases, lessons.batch_sizes, strict=True)
    )
    validated = validated_parts(
        len(ends), share=settings.validation_share, num_trained=num_images, num_validation=lessons.num_validation
    )
    best: dict[str, Tensor] = {}
    history: list[dict[str, float]] = []
    checkpoint = job.folder / CHECKPOINT
    if checkpoint.exists():
        tensors, about = load_tensors(checkpoint)
        try:
            history, best = about["history"], trainer.restore(tensors)
        except (KeyError, IndexError, ValueError, RuntimeError) as error:
            raise fail(checkpoint, "belongs to another training", "remove it and run again") from error
        report(ends[validated[len(history) - 1]])

    for part in validated[len(history) :]:
        started, losses = time.monotonic(), 0.0
        first = ends[validated[len(history) - 1]] if history else 0
        for step in range(first, ends[part]):
            losses += trainer.step(step)
            report(1)
        scored = lessons.validate(trainer.averaged)
        _check_finite(scored.loss, job, what="the validation loss", step=ends[part])
        history.append(
            {
                "epoch": part // len(lessons.phases) + 1,
                "step": ends[part],
                "training_loss": losses / (ends[part] - first),
                "validation_loss": scored.loss,
                "validation_score": scored.score,
                "seconds": round(time.monotonic() - started, 3),
            }
        )
        if _best(history, by_loss=lessons.by_loss) is history[-1]:
            best = {name: tensor.clone() for name, tensor in trainer.averaged.state_dict().items()}
        save_tensors(checkpoint, trainer.state(best), {"history": history})

    chosen = _best(history, by_loss=lessons.by_loss)
    save_model(job.folder / MODEL, best, job.network)
    write_text(job.folder / HISTORY, csv_text(list(chosen), [list(row.values()) for row in history]))
    kept = ("epoch", "validation_loss", "validation_score")
    reached = {name: chosen[name] for name in kept} | {"steps": trainer.num_steps, "images": num_images}
    write_text(job.folder / SCORES, json.dumps(reached, indent=1))


def validated_parts(num_parts: int, *, share: float, num_trained: int, num_validation: int) -> list[int]:
    """Which parts of a training, counted from 0, a validation follows: evenly spaced, the last always among them.

    Args:
        num_parts: there are.
        share: of the time that validation may take, above 0; 1: all parts are validated.
        num_trained: images of all parts together.
        num_validation: images of a validation.
    """
    num = num_parts
    if share < 1 and num_validation:
        affordable = share / (1 - share) * num_trained / (num_validation * _VALIDATION_COST)
        num = max(1, min(num_parts, int(affordable)))
    return [math.ceil(num_parts * (place + 1) / num) - 1 for place in range(num)]


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


def _check_finite(loss: float, job: FitJob, *, what: str, step: int) -> None:
    if not math.isfinite(loss):
        raise fail(
            job.folder,
            f"{what} turned {loss} at step {step}",
            f"lower the learning rate, for example --set learning_rate={job.settings.learning_rate / 3:.1g}, "
            "or use --set precision=float32, in a new run folder",
        )


def _best(history: list[dict[str, float]], *, by_loss: bool) -> dict[str, float]:
    """The validation whose weights are kept, the first of equals (paper section 2.6.2)."""
    return max(history, key=lambda row: -row["validation_loss"] if by_loss else row["validation_score"])
