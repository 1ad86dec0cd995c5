"""Processes that train a network together, in tests: as threads, which begin at once, and what real ones do."""

import os
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor

from incmask.base.progress import Report
from incmask.training import trainer as trainer_module
from incmask.training.across_devices import network as network_module
from incmask.training.across_devices import share as share_module
from incmask.training.across_devices.share import Share, share
from incmask.training.files import CHECKPOINT
from incmask.training.jobs import FitJob
from incmask.training.loop import fit_group
from incmask.training.trainer import GroupTrainer

Steps = list[dict[str, Tensor]]


def steps_in_threads(jobs: Sequence[FitJob], patch: pytest.MonkeyPatch, *, num: int) -> list[Steps]:
    """Give what ``steps_of`` gives in each of the threads that take themselves for processes of one network."""
    own, barrier, tensors = threading.local(), threading.Barrier(num), [torch.empty(0)] * num

    def sum_of_all(tensor: Tensor) -> Tensor:
        tensors[own.share.place] = tensor.clone()
        barrier.wait()
        tensor.copy_(torch.stack(tensors).sum(0))
        barrier.wait()
        return tensor

    for module in (share_module, network_module):
        patch.setattr(module, "sum_of_all", sum_of_all)
    for module in (network_module, trainer_module):
        patch.setattr(module, "share", lambda: getattr(own, "share", Share()))

    def trainer_of(place: int) -> GroupTrainer:
        own.share = Share(place, num)
        return GroupTrainer(jobs, torch.device("cpu"))

    def begin(place: int) -> Steps:
        own.share = Share(place, num)
        try:
            return steps_of(trainers[place])
        except BaseException:
            barrier.abort()
            raise

    # One after the other, since weights are drawn by a generator that all threads share.
    trainers = [trainer_of(place) for place in range(num)]
    with ThreadPoolExecutor(num) as threads:
        return list(threads.map(begin, range(num)))


def steps_of(trainer: GroupTrainer, num: int = 2) -> Steps:
    """Give the losses of the first steps, the gradients of all weights, and the running statistics after them."""
    steps = []
    for step in range(num):
        found = {"losses": trainer.step(step)}
        network = trainer._trained.network
        found |= {name: each.grad.clone() for name, each in network.named_parameters() if each.grad is not None}
        found |= {name: each.clone() for name, each in network.named_buffers()}
        steps.append(found)
    return steps


def fit_until_killed(jobs: Sequence[FitJob], report: Report) -> None:
    """Train; the last process ends itself once there is a checkpoint."""

    def look(amount: int) -> None:
        if jobs[0].folder.joinpath(CHECKPOINT).exists():
            os.kill(os.getpid(), signal.SIGKILL)

    fit_group(jobs, report if share().is_first else look)
