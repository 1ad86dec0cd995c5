"""The only training loop."""

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from incmask.batches import Batches, TrainingSet
from incmask.config import Settings
from incmask.device import autocast, resolve_device
from incmask.errors import fail
from incmask.files import csv_text, write_text
from incmask.losses import segmentation_loss
from incmask.models import NetworkSpec, load_tensors, save_model, save_tensors
from incmask.nets.unet import LEVELS
from incmask.predict import Validation, evaluate
from incmask.progress import Report, ignore

MODEL, HISTORY, SCORES, CHECKPOINT = "model.safetensors", "history.csv", "scores.json", "checkpoint.safetensors"


@dataclass(frozen=True)
class FitJob:
    """One student to train; everything it needs, so that it can run in any process.

    Attributes:
        folder: where its files go.
        network: what to build.
        training: what to learn from.
        validation: what chooses the epoch.
        num_classes: classes in the labels.
        settings: steps, rates, losses.
        seed: of weights, order and augmentation.
    """

    folder: Path
    network: NetworkSpec
    training: TrainingSet
    validation: Validation
    num_classes: int
    settings: Settings
    seed: int

    @property
    def num_steps(self) -> int:
        """Training steps in all."""
        return self.settings.epochs * self.batches().steps_per_epoch

    def batches(self) -> Batches:
        """The batches, from the seeds."""
        return Batches(
            self.training,
            batch_size=self.settings.batch_size,
            steps_per_epoch=self.settings.steps_per_epoch,
            redraw=self.settings.redraw,
            seed=self.seed,
        )


class Trainer:
    """The state of a training and its step.

    Args:
        job: what to train.
        device: where.

    Attributes:
        batches: what is drawn from.
        num_steps: in all.
        averaged: the network that is scored and kept: a running mean of the trained one.
    """

    def __init__(self, job: FitJob, device: torch.device):
        self.batches = job.batches()
        self.num_steps = job.settings.epochs * self.batches.steps_per_epoch
        # Both begin with the same weights.
        self.averaged = job.network.build(seed=job.seed).to(device).eval()
        self._network = job.network.build(seed=job.seed).to(device).train()
        self._job = job
        self._device = device
        self._loss = loss_of(job.settings, job.training.task)
        # The paper's decay is not multiplied by the learning rate, torch's is (section 2.6.2).
        self._optimiser = torch.optim.AdamW(
            self._network.parameters(),
            lr=job.settings.learning_rate,
            weight_decay=job.settings.weight_decay / job.settings.learning_rate,
            eps=1e-7,
            fused=True,
        )

    def step(self, step: int) -> float:
        """Learn from the batch of ``step``, counted from 0; return its loss.

        Raises:
            IncmaskError: the loss is no finite number.
        """
        settings, device = self._job.settings, self._device
        for group in self._optimiser.param_groups:
            group["lr"] = learning_rate(step, self.num_steps, settings)
        batch = self.batches.draw(step)
        if batch.image[:, 0].numel() < 2 * 4**LEVELS:
            # The innermost layer would have a single pixel to take its statistics from.
            raise fail(
                "batch", "a single image of 16×16 pixels is too little to learn from", "use a larger batch_size or size"
            )
        with autocast(device, settings.precision):
            logits = self._network(batch.image.to(device))
        loss = segmentation_loss(
            logits,
            batch.target.to(device),
            task=self._job.training.task,
            kind=self._loss,
            weight=None if batch.weight is None else batch.weight.to(device),
        )
        value = float(loss.detach())
        _check_finite(value, self._job, what="the loss", step=step + 1)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._optimiser.step()
        self._average(min(settings.average_decay, (1 + step) / (10 + step)))
        return value

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

    After each epoch everything needed to go on is in ``checkpoint.safetensors``; a later call
    continues there and ends with the same numbers.

    Args:
        job: what to train.
        report: called with the number of steps done since the last call.

    Raises:
        IncmaskError: the loss is no finite number, the checkpoint is damaged or another training's,
            or a file cannot be written.
    """
    settings, task = job.settings, job.training.task
    trainer = Trainer(job, resolve_device(settings.device))
    steps_per_epoch = trainer.batches.steps_per_epoch
    best: dict[str, Tensor] = {}
    history: list[dict[str, float]] = []
    checkpoint = job.folder / CHECKPOINT
    if checkpoint.exists():
        tensors, about = load_tensors(checkpoint)
        try:
            history, best = about["history"], trainer.restore(tensors)
        except (KeyError, IndexError, ValueError, RuntimeError) as error:
            raise fail(checkpoint, "belongs to another training", "remove it and run again") from error
        report(len(history) * steps_per_epoch)

    for epoch in range(len(history), settings.epochs):
        started, losses = time.monotonic(), 0.0
        for step in range(epoch * steps_per_epoch, (epoch + 1) * steps_per_epoch):
            losses += trainer.step(step)
            report(1)
        scored = evaluate(
            [trainer.averaged],
            job.validation,
            task=task,
            num_classes=job.num_classes,
            settings=settings,
            loss=loss_of(settings, task),
        )
        _check_finite(scored.loss, job, what="the validation loss", step=(epoch + 1) * steps_per_epoch)
        history.append(
            {
                "epoch": epoch + 1,
                "step": (epoch + 1) * steps_per_epoch,
                "training_loss": losses / steps_per_epoch,
                "validation_loss": scored.loss,
                "validation_score": scored.score,
                "seconds": round(time.monotonic() - started, 3),
            }
        )
        if _best_epoch(history, settings, task) == epoch:
            best = {name: tensor.clone() for name, tensor in trainer.averaged.state_dict().items()}
        save_tensors(checkpoint, trainer.state(best), {"history": history})

    chosen = history[_best_epoch(history, settings, task)]
    save_model(job.folder / MODEL, best, job.network)
    write_text(job.folder / HISTORY, csv_text(list(chosen), [list(row.values()) for row in history]))
    kept = ("epoch", "validation_loss", "validation_score")
    reached = {name: chosen[name] for name in kept} | {"steps": trainer.num_steps}
    write_text(job.folder / SCORES, json.dumps(reached, indent=1))


def selects_by_loss(settings: Settings, task: str) -> bool:
    """Whether validation chooses by loss; ``auto`` is the paper's choice: by loss for multilabel, else by score."""
    return settings.select_by == "loss" or (settings.select_by == "auto" and task == "multilabel")


def loss_of(settings: Settings, task: str) -> str:
    """The loss that is meant by the settings; ``auto`` is the paper's (section 2.6.2)."""
    if settings.loss != "auto":
        return settings.loss
    return "cross_entropy" if task == "multiclass" else "mse"


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


def _best_epoch(history: list[dict[str, float]], settings: Settings, task: str) -> int:
    """Index of the epoch to keep, the first of equals (paper section 2.6.2; method: loss for multilabel)."""
    by_loss = selects_by_loss(settings, task)
    merits = [-row["validation_loss"] if by_loss else row["validation_score"] for row in history]
    return merits.index(max(merits))
