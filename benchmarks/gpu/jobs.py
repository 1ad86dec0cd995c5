"""The trainings that are timed: base models, EvalNets and students of IM++ on ISIC 2018."""

import gc
import itertools
import time
from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from benchmarks.gpu.bench import NUM_LABELLED, NUM_UNLABELLED, Bench
from incmask.method.mixture import TrainingPart, TrainingStacks, mix
from incmask.method.profiles import PROFILES
from incmask.method.recipes import RECIPES
from incmask.method.scoring import Scoring
from incmask.nets.spec import EvalNetSpec, NetworkSpec, Spec
from incmask.training.capacity import students_at_a_time
from incmask.training.jobs import FitJob, Objective
from incmask.training.on_gpu.batches import on_device
from incmask.training.rating import RatingObjective
from incmask.training.rating_pairs import PairSet
from incmask.training.segmentation import Segmentation
from incmask.training.trainer import GroupTrainer
from incmask.training.validation import Validation

Kind = Literal["base", "evalnet", "student"]


class Group:
    """Networks that train as one program, as many of those wanted as the device has room for.

    Attributes:
        num: of them.
        start_seconds: that the first step took, compiling included.
    """

    def __init__(self, bench: Bench, kind: Kind, *, width: float, num: int):
        # What the last group left.
        gc.collect()
        torch.cuda.empty_cache()
        jobs = make_jobs(bench, kind, width=width, num=num)
        if bench.device.type != "cpu":
            num = min(num, students_at_a_time(jobs[0], bench.device))
        self._bench = bench
        started = time.perf_counter()
        self._trainer = GroupTrainer([on_device(job) for job in jobs[:num]], bench.device)
        self.num = len(self._trainer.lessons)
        self._steps = itertools.count()
        self.step().tolist()
        self.start_seconds = time.perf_counter() - started

    def step(self) -> Tensor:
        """Take the next step."""
        return self._trainer.step(next(self._steps))

    def speed(self) -> float:
        """Images that train a second."""
        return self.num * self._bench.sizes.batch_size / self._bench.seconds_a_step(self.step)

    def forward_speed(self) -> float:
        """Images that are scored a second, one network at a time, as validation does."""
        lessons, network = self._trainer.lessons[0], self._trainer.averaged[0]
        return lessons.num_validation / self._bench.seconds_a_step(lambda: lessons.validate(network), share=0.25)


def make_jobs(bench: Bench, kind: Kind, *, width: float, num: int) -> list[FitJob]:
    """Networks that train as in IM++ on ISIC 2018: base models on plain images, students at the strongest augmentation.

    A student has as many examples as there, but fewer images that stand behind them.
    """
    momentum = bench.settings.batch_norm_momentum
    network: Spec
    objective: Objective
    if kind == "evalnet":
        network, objective = EvalNetSpec(3, 1, 1, width, momentum), _judging(bench)
    else:
        network, objective = NetworkSpec(3, 1, width, momentum), _segmentation(bench, kind)
    return [FitJob(bench.out / str(seed), network, objective, bench.settings, seed) for seed in range(num)]


def _judging(bench: Bench) -> RatingObjective:
    images, labels, masks, targets = map(bench.path, ("images", "labels", "inconsistent", "targets"))
    pairs = PairSet(images, tuple(range(bench.sizes.num_fields)), labels, masks, targets)
    augmented = replace(pairs, strength=PROFILES["isic2018"].evalnet)
    return RatingObjective(augmented, pairs, task="binary", num_classes=1)


def _segmentation(bench: Bench, kind: Kind) -> Segmentation:
    images, labels, masks = map(bench.path, ("images", "labels", "inconsistent"))
    rows = (np.arange(NUM_LABELLED + NUM_UNLABELLED) % bench.sizes.num_fields).tolist()
    training = mix(
        RECIPES["im++" if kind == "student" else "ldt"],
        labelled=[TrainingPart(TrainingStacks(images, labels), rows[:NUM_LABELLED])],
        pseudo=TrainingPart(TrainingStacks(images, labels, masks), rows[NUM_LABELLED:]) if kind == "student" else None,
        generation=bench.settings.num_generations,
        profile=PROFILES["isic2018"],
        settings=bench.settings,
        task="binary",
    )
    return Segmentation(training, Validation(images, labels, tuple(rows[: bench.sizes.num_val])), 1, Scoring("binary"))
