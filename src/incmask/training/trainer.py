"""The state of one training, or of several that run as one program, and its step."""

import gc
import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from incmask.base.caller import setting, settings, size_option
from incmask.base.device import autocast
from incmask.base.errors import fail
from incmask.nets.spec import SignalSpec, VolumeEvalNetSpec, VolumeSpec, begin_with, load_model
from incmask.training.across_devices.network import ShareOfBatch
from incmask.training.across_devices.share import add_up, share
from incmask.training.adamw import AdamW
from incmask.training.jobs import FitJob, Lesson
from incmask.training.online import OnlineLessons, Teams
from incmask.training.schedule import PhaseStep, Schedule, epsilon, learning_rate
from incmask.training.together.group import Weight
from incmask.training.together.micro_batches import MicroBatches
from incmask.training.together.quick import compiler_errors, quick
from incmask.training.together.rendezvous import Together
from incmask.training.together.row import Group, NetworkRow, group_of

_LOG = logging.getLogger(__name__)

_APART = 2**40
"""Between the seeds of what two processes draw that train one network."""


class GroupTrainer:
    """Students of one network shape and one schedule that take each step together.

    Each has its own weights, order and augmentation, and comes to what it would come to alone, up to rounding: the
    sum of their losses has no term that two of them share, and the optimiser changes each number by itself.

    Args:
        jobs: what to train; one alone is run as it is.
        device: where.

    Attributes:
        lessons: what each learns.
        schedule: of all of them.
        averaged: the networks that are scored and kept: running means of those that are trained.

    Raises:
        ValueError: the schedules differ.
    """

    def __init__(self, jobs: Sequence[FitJob], device: torch.device):
        settings = jobs[0].settings
        self.lessons = [job.objective.open(job.settings, seed=job.seed) for job in jobs]
        schedules = {Schedule.of(each, settings) for each in self.lessons}
        if len(schedules) > 1:
            raise ValueError("students of different schedules cannot be trained together")
        (self.schedule,) = schedules
        # Both begin with the same weights.
        self._averaged, self._trained = (_networks(jobs, device) for _ in range(2))
        self.averaged = self._averaged.members
        for network in self.averaged:
            network.eval()
        self._trained.network.train()
        online = [each for each in self.lessons if isinstance(each, OnlineLessons)]
        self._teams = Teams(online, self.averaged) if online else None
        self._settings, self._device = settings, device
        self._is_of_volumes = isinstance(jobs[0].network, VolumeSpec | VolumeEvalNetSpec)
        # A loss of two views goes forth twice before it goes back.
        is_recorded = len(self.lessons[0].phases) == 1
        # Encoders of others may have dropout; ours draw nothing as they compute.
        self._seed = jobs[0].seed if isinstance(self._trained, NetworkRow) else None
        self._is_shared = share().num > 1
        if self._is_shared:
            run: nn.Module = ShareOfBatch(self._trained.network)
        else:
            run = quick(self._trained, device, settings.precision, is_recorded=is_recorded)
        self._network = MicroBatches(run, draws=self._seed is not None)
        self._together: Together[Tensor] = Together(self._trained, self._forward)
        self._means, self._values = (
            list(group.network.state_dict().values()) for group in (self._averaged, self._trained)
        )
        self._statistics = list(self._trained.network.buffers())
        self._statistics_before = [torch.empty_like(each) for each in self._statistics]
        # In the optimiser's order: sorting leaves that of each kind.
        self._weights = sorted(self._trained.weights, key=lambda weight: weight.of_encoder)
        self._optimiser = AdamW(
            [each.parameter for each in self._weights],
            [_rate_of(each, jobs[0]) for each in self._weights],
        )

    def step(self, step: int) -> Tensor:
        """Take ``step``, counted from 0; return the losses, one for each student, on the device.

        Where the device's memory does not suffice, batches are cut in half from then on.

        Raises:
            IncmaskError: not even single images fit.
        """
        place = self.schedule.place(step)
        while (losses := self._backward(place)) is None:
            self._cut_batches()
        settings = self._settings
        self._optimiser.step(
            rate=learning_rate(step, self.schedule.num_steps, settings),
            epsilon=epsilon(step, settings),
            # The paper's decay is not multiplied by the learning rate, the library's is (section 2.6.2).
            weight_decay=settings.weight_decay / settings.learning_rate,
        )
        self._average(min(settings.average_decay, (1 + step) / (10 + step)))
        return losses

    def state(self, best: Sequence[Mapping[str, Tensor]]) -> list[dict[str, Tensor]]:
        """Give all tensors that it takes to go on, for each student, and its best weights so far."""
        states = []
        for kept, network, averaged in zip(best, self._trained.members, self.averaged, strict=True):
            parts = {"best": kept, "network": network.state_dict(), "averaged": averaged.state_dict()}
            states.append({f"{part}.{name}": tensor for part, state in parts.items() for name, tensor in state.items()})
        for index, moments in self._optimiser.moments.items():
            weight = self._weights[index]
            for name, stacked in moments.items():
                for (member, place), tensor in zip(weight.owners, weight.windows(stacked), strict=True):
                    states[member][f"optimiser.{place}.{name}"] = tensor
        return states

    def restore(self, states: Sequence[Mapping[str, Tensor]]) -> list[dict[str, Tensor]]:
        """Take up what ``state`` gave; return the best weights so far of each.

        Raises:
            KeyError, IndexError, RuntimeError: they are of other networks.
        """
        parts: list[dict[str, dict[str, Tensor]]] = []
        for state, network, averaged in zip(states, self._trained.members, self.averaged, strict=True):
            split: dict[str, dict[str, Tensor]] = {"best": {}, "network": {}, "averaged": {}, "optimiser": {}}
            for name, tensor in state.items():
                part, _, rest = name.partition(".")
                split[part][rest] = tensor
            network.load_state_dict(split["network"])
            averaged.load_state_dict(split["averaged"])
            parts.append(split)
        kept = [_by_place(split["optimiser"]) for split in parts]
        moments = {index: _moments(weight, kept) for index, weight in enumerate(self._weights)}
        self._optimiser.restore(moments)
        return [split["best"] for split in parts]

    def _backward(self, place: PhaseStep) -> Tensor | None:
        """Lay down the gradients of a step; None where memory did not suffice, with everything as before."""
        _copy(self._statistics, to=self._statistics_before)
        self._optimiser.forget_gradients()
        try:
            with self._drawing(place.step):
                losses = self._losses(place)
                losses.sum().backward()
            if self._is_shared:
                add_up([each.parameter.grad for each in self._weights if each.parameter.grad is not None])
            return losses.detach()
        except torch.OutOfMemoryError:
            if self._is_shared:
                # The others, which may have room, are at another place by now.
                raise
            _copy(self._statistics_before, to=self._statistics)
            return None
        except compiler_errors() as error:
            if self._is_shared or self._network.network is self._trained.network:
                raise
            _LOG.warning("the networks could not be compiled, and run slower as they are (%s)", error)
            self._network.network = self._trained.network
            _copy(self._statistics_before, to=self._statistics)
        return self._backward(place)

    def _drawing(self, step: int) -> AbstractContextManager[None]:
        """Let networks that draw numbers draw the same ones whenever a step is taken."""
        return (
            nullcontext() if self._seed is None else _seeded(self._seed + step + share().place * _APART, self._device)
        )

    def _losses(self, place: PhaseStep) -> Tensor:
        lessons: Sequence[Lesson] = self.lessons
        if self._teams is not None:
            lessons = self._teams.taught(place.step, num_parts=self._network.num)
        losses = [partial(each.loss, phase=place.phase, step=place.step) for each in lessons]
        if len(losses) == 1:
            return losses[0](self._network)[None]
        return torch.stack(self._together.run(losses))

    def _forward(self, *inputs: Tensor) -> Tensor:
        # The students' own contexts are those of their threads.
        with autocast(self._device, self._settings.precision):
            return self._network(*inputs)

    def _cut_batches(self) -> None:
        # What failed is held by its traceback until it is collected.
        gc.collect()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        size = max(self.schedule.batch_sizes)
        if self._network.num >= size:
            raise fail(
                f"device {self._device.type}",
                "has not enough memory for a single image",
                f"use a smaller {size_option(volumes=self._is_of_volumes)} or {setting('width')}, "
                f"or {settings(device='cpu')}",
            )
        self._network.num *= 2
        # Parts go forth twice before they go back, and what was recorded holds memory.
        self._network.network = getattr(self._network.network, "unrecorded", self._network.network)
        _LOG.warning(
            "out of memory: from here on a batch goes through the networks in %d parts, and their gradients are added "
            "up; batch norm sees %d images at a time",
            self._network.num,
            -(-size // self._network.num),
        )

    @torch.no_grad()
    def _average(self, decay: float) -> None:
        """Move the averages a step towards the networks, running statistics included."""
        pairs = list(zip(self._means, self._values, strict=True))
        means, values = zip(*(pair for pair in pairs if pair[0].is_floating_point()), strict=True)
        get_ema_multi_avg_fn(decay)(means, values, 0)
        for count, value in pairs:
            if not count.is_floating_point():
                count.copy_(value)


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def _by_place(optimiser: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    """Sort a network's moments by the place of the tensor that they are of."""
    sorted_: dict[int, dict[str, Tensor]] = defaultdict(dict)
    for name, tensor in optimiser.items():
        place, _, key = name.partition(".")
        sorted_[int(place)][key] = tensor
    return sorted_


def _moments(weight: Weight, kept: Sequence[Mapping[int, Mapping[str, Tensor]]]) -> dict[str, Tensor]:
    """Put the owners' moments of a tensor together."""
    of_owners = [kept[member].get(place, {}) for member, place in weight.owners]
    moments = dict(of_owners[0])
    for key, first in moments.items():
        if first.ndim:
            moments[key] = torch.cat([each[key] for each in of_owners])
    return moments


@torch.no_grad()
def _copy(tensors: Sequence[Tensor], *, to: Sequence[Tensor]) -> None:
    # One by one takes longer to start than to do; of networks without running statistics there are none.
    if to:
        torch._foreach_copy_(list(to), list(tensors))


def _rate_of(weight: Weight, job: FitJob) -> float:
    """Give the rate of a weight as a share of the learning rate."""
    if weight.of_encoder:
        return job.settings.encoder_rate
    # Of an image that repeats a signal, each row of a kernel would take the step, and their sum three of them.
    is_line = isinstance(job.network, SignalSpec) and weight.parameter.shape[2:] == (1, 3)
    return 3.0 if is_line else 1.0


def _networks(jobs: Sequence[FitJob], device: torch.device) -> Group:
    return group_of([_network(job).to(device) for job in jobs])


def _network(job: FitJob) -> nn.Module:
    """Give a network with the weights that it begins with."""
    if job.start:
        return load_model(job.start)
    network = job.network.build(seed=job.seed)
    if job.encoder:
        begin_with(network, job.encoder)
    return network
