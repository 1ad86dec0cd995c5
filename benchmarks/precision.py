"""Whether training in bfloat16 scores as training in float32 does.

    python -m benchmarks.precision OUT [--seeds 5] [--device auto|cpu|cuda] [--size 64] [--width 0.5] [--steps 300]
                                       [--batch-size 8] [--num-labelled 32] [--num-val 64]

For each seed other fields of cells are made up, and one student with the default preset's settings is trained on
them twice: in float32 and in bfloat16, with the same first weights, order and augmentation. It is scored at the end,
in the precision that it was trained in, as ``run`` does. Both precisions share what a seed brings, so their scores are
compared seed by seed: the interval is the 95 % t interval of the mean of the differences. Times a few steps first and
says how long it will take. Prints a table and writes ``OUT/precision.json``.

The default takes about ten minutes on one core without bfloat16 in hardware, where it is emulated and slow.
"""

import argparse
import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from incmask.base.choosing import resolve_settings
from incmask.base.device import fast_in_bfloat16, resolve_device
from incmask.base.files import write_text
from incmask.base.local_pool import keep_freed_memory
from incmask.base.progress import ignore
from incmask.data.synthetic import make_fields
from incmask.insight.report.statistics import DIFFERENCE_BOUNDS, summarise
from incmask.method.mixture import ROW, TrainingSet, TrainingStacks
from incmask.method.profiles import PROFILES
from incmask.method.scoring import Scoring
from incmask.nets.spec import NetworkSpec
from incmask.training.files import SCORES
from incmask.training.gpu_group import fit_students
from incmask.training.jobs import FitJob
from incmask.training.loop import fit
from incmask.training.segmentation import Segmentation
from incmask.training.trainer import GroupTrainer
from incmask.training.validation import Validation

Precision = Literal["float32", "bfloat16"]

PRECISIONS: tuple[Precision, Precision] = ("float32", "bfloat16")

_TIMED_STEPS = 3


def main(arguments: Sequence[str] | None = None) -> None:
    """Train in both precisions and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--size", type=int, default=64, help="side of the images in pixels, a multiple of 16")
    parser.add_argument("--width", type=float, default=0.5)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--num-labelled", type=int, default=32)
    parser.add_argument("--num-val", type=int, default=64)
    options = parser.parse_args(arguments)
    device = resolve_device(options.device)
    # As in a worker.
    torch.set_num_threads(1)
    keep_freed_memory()
    # What an earlier call left would be taken for trainings to go on with.
    shutil.rmtree(options.out / "students", ignore_errors=True)
    jobs = {
        precision: [make_job(options, seed, precision) for seed in range(1, options.seeds + 1)]
        for precision in PRECISIONS
    }
    if device.type == "cpu":
        seconds = sum(seconds_of(jobs[precision][0], options.steps) for precision in PRECISIONS) * options.seeds
        print(f"about {seconds / 60:.0f} minutes", flush=True)
    scores = {precision: train(jobs[precision], device) for precision in PRECISIONS}
    differences = np.subtract(scores["bfloat16"], scores["float32"]).tolist()
    summary = summarise(differences, bounds=DIFFERENCE_BOUNDS)
    print(f"{'seed':>6}{'float32':>10}{'bfloat16':>10}{'difference':>12}")
    for seed, (full, half, difference) in enumerate(zip(*scores.values(), differences, strict=True), 1):
        print(f"{seed:>6}{full:>10.4f}{half:>10.4f}{difference:>+12.4f}")
    print(f"{'mean':>6}{np.mean(scores['float32']):>10.4f}{np.mean(scores['bfloat16']):>10.4f}{summary.mean:>+12.4f}")
    if summary.num > 1:
        print(f"bfloat16 minus float32, 95 % interval: {summary.low:+.4f} to {summary.high:+.4f}")
    about = {name: value for name, value in vars(options).items() if name != "out"}
    about |= {"device": device.type, "bfloat16_in_hardware": fast_in_bfloat16(device), "torch": torch.__version__}
    # One seed has no interval, and JSON no word for what is no number.
    told = {name: value for name, value in asdict(summary).items() if np.isfinite(value)}
    result = {"about": about, "scores": scores, "differences": differences, "difference": told}
    write_text(options.out / "precision.json", json.dumps(result, indent=1))


def make_job(options: argparse.Namespace, seed: int, precision: Precision) -> FitJob:
    """A student on fields of its seed, scored once, at the end."""
    num, folder = options.num_labelled, options.out / "data"
    images, labels = (folder / f"{name}-{seed}.npy" for name in ("images", "labels"))
    if precision == PRECISIONS[0]:
        fields = make_fields(num + options.num_val, seed=seed, size=(options.size, options.size), task="binary")
        folder.mkdir(parents=True, exist_ok=True)
        np.save(images, fields.images)
        np.save(labels, fields.labels)
    rows = np.zeros(num, ROW)
    rows["index"], rows["seed"] = np.arange(num), np.arange(num)
    settings = resolve_settings(
        overrides={
            "epochs": 1,
            "steps_per_epoch": options.steps,
            "batch_size": options.batch_size,
            "width": options.width,
            "precision": precision,
            "device": options.device,
        }
    )
    strength = PROFILES["generic"].strength(1)
    return FitJob(
        folder=options.out / "students" / precision / str(seed),
        network=NetworkSpec(1, 1, options.width, settings.batch_norm_momentum),
        objective=Segmentation(
            TrainingSet((TrainingStacks(images, labels),), (strength,), rows, "binary"),
            Validation(images, labels, tuple(range(num, num + options.num_val))),
            num_classes=1,
            scoring=Scoring("binary"),
        ),
        settings=settings,
        seed=seed,
    )


def seconds_of(job: FitJob, num_steps: int) -> float:
    """Time a training by its first steps."""
    trainer = GroupTrainer([job], torch.device("cpu"))
    trainer.step(0)
    started = time.perf_counter()
    for step in range(1, 1 + _TIMED_STEPS):
        trainer.step(step)
    return (time.perf_counter() - started) / _TIMED_STEPS * num_steps


def train(jobs: Sequence[FitJob], device: torch.device) -> list[float]:
    """Train, on a GPU side by side; give the validation scores."""
    if device.type == "cpu":
        for job in jobs:
            fit(job)
            print(f"{job.settings.precision}, seed {job.seed}: {score(job):.4f}", flush=True)
    else:
        fit_students(jobs, ignore)
    return [score(job) for job in jobs]


def score(job: FitJob) -> float:
    """What a student reached at the end of its training, 0 to 1."""
    return float(json.loads((job.folder / SCORES).read_text(encoding="utf-8"))["validation_score"])


if __name__ == "__main__":
    main()
