"""How fast students are trained and images labelled on a CPU, beside the loops that one would write first.

    python -m benchmarks.speed OUT [--keras PYTHON] [--only training labelling step validation start]
                                   [--rounds 3] [--seconds 20]

256×256×3, width 0.5, batch 32, made-up fields of cells. What is compared runs in turn, ``--rounds`` times, and the
medians are divided, so that a machine that is shared slows both sides. Prints tables and writes ``OUT/speed.json``.

``training``    images a second of five students in worker processes, against one student after another.
``labelling``   images a second of decoding, two members, votes, masks and writing; the networks' share of the time.
``step``        share of a training step that drawing, augmenting and blocking a batch takes, at the full augmentation.
``validation``  share of a training with the default preset's settings that its validations take.
``start``       seconds of ``incmask --help`` and of ``import incmask``.

``--keras PYTHON`` names a Python that has TensorFlow; without, Keras is left out.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from incmask.base.choosing import resolve_settings
from incmask.base.config import Settings
from incmask.base.local_pool import LocalPool, keep_freed_memory
from incmask.base.machine import num_cores
from incmask.base.progress import ignore
from incmask.data.synthetic import make_fields
from incmask.method.mixture import PLAIN, ROW, TrainingSet, TrainingStacks
from incmask.method.profiles import PROFILES
from incmask.method.scoring import Scoring
from incmask.nets.spec import NetworkSpec, save_model
from incmask.training.jobs import FitJob
from incmask.training.loop import fit
from incmask.training.segmentation import Segmentation
from incmask.training.trainer import GroupTrainer
from incmask.training.validation import Validation

SIDE, BATCH, WIDTH, NUM_STUDENTS = 256, 32, 0.5, 5
LOOPS = Path(__file__).with_name("loops.py")


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", nargs="+", choices=list(SECTIONS), default=list(SECTIONS))
    parser.add_argument("--keras", type=Path, help="a Python with TensorFlow")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20, help="of each loop")
    options = parser.parse_args()
    make_data(options.out / "data")
    # What is timed in this process has what a worker has.
    torch.set_num_threads(1)
    keep_freed_memory()
    results = {}
    for name in options.only:
        print(f"\n## {name}")
        results[name] = SECTIONS[name](options)
        (options.out / "speed.json").write_text(json.dumps(results, indent=1))


def make_data(data: Path, *, num_labelled: int = 160, num_unlabelled: int = 400) -> None:
    """Write PNG files and the stacks that students read."""
    if (data / "labels.npy").exists():
        return
    fields = make_fields(num_labelled, seed=1, size=(SIDE, SIDE), task="binary")
    images = np.repeat(fields.images, 3, axis=3)
    for index in range(num_labelled):
        write(data / "labelled" / "images" / f"{index:04d}.png", images[index])
        write(data / "labelled" / "masks" / f"{index:04d}.png", fields.labels[index] * np.uint8(255))
    for index in range(num_unlabelled):
        write(data / "unlabelled" / "images" / f"{index:04d}.png", images[index % num_labelled])
    np.save(data / "images.npy", images)
    np.save(data / "labels.npy", fields.labels)


def write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels)


def training_job(out: Path, number: int, *, num_steps: int, augment: bool = False) -> FitJob:
    """A student on the labelled images, for one epoch of ``num_steps``."""
    data = out / "data"
    rows = np.zeros(160, ROW)
    rows["index"], rows["strength"], rows["seed"] = np.arange(160), 0 if augment else PLAIN, np.arange(160)
    strength = PROFILES["isic2018"].strongest if augment else None
    return FitJob(
        folder=out / "students" / str(number),
        network=NetworkSpec(in_channels=3, out_channels=1, width=WIDTH, batch_norm_momentum=0.9),
        objective=Segmentation(
            TrainingSet(
                (TrainingStacks(data / "images.npy", data / "labels.npy"),),
                (strength,) if strength else (),
                rows,
                "binary",
            ),
            Validation(data / "images.npy", data / "labels.npy", rows=(0, 1)),
            num_classes=1,
            scoring=Scoring("binary"),
        ),
        settings=settings(epochs=1, steps_per_epoch=num_steps, batch_size=BATCH),
        seed=number,
    )


def settings(*, epochs: int, steps_per_epoch: int, batch_size: int) -> Settings:
    chosen = resolve_settings(preset="default", effort=None)
    return chosen.model_copy(
        update={"epochs": epochs, "steps_per_epoch": steps_per_epoch, "batch_size": batch_size, "device": "cpu"}
    )


def loop(options: argparse.Namespace, library: str, what: str) -> float:
    """Images a second of a loop in a process of its own."""
    python = options.keras if library == "keras" else sys.executable
    command = [str(python), str(LOOPS), library, what, str(options.out / "data"), "--seconds", str(options.seconds)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    measured = json.loads(done.stdout.splitlines()[-1])
    return measured["images"] / measured["seconds"]


def training(options: argparse.Namespace) -> dict[str, Any]:
    num_steps = max(4, int(options.seconds))

    def ours() -> float:
        remove(options.out / "students")
        with LocalPool(num_cores()) as pool:
            jobs = [training_job(options.out, number, num_steps=num_steps) for number in range(NUM_STUDENTS)]
            started = time.perf_counter()
            list(pool.run(fit, jobs, ignore))
            return NUM_STUDENTS * num_steps * BATCH / (time.perf_counter() - started)

    sides: dict[str, Callable[[], float]] = {"incmask": ours, "PyTorch loop": lambda: loop(options, "torch", "train")}
    if options.keras:
        sides["Keras loop"] = lambda: loop(options, "keras", "train")
    return in_turn(sides, options.rounds)


def labelling(options: argparse.Namespace) -> dict[str, Any]:
    from incmask.base.progress import Silent
    from incmask.data.dataset import ClassInfo
    from incmask.prediction.ensemble import About
    from incmask.prediction.folder import predict_folder
    from incmask.prediction.model_folder import save_ensemble

    model, data = options.out / "model", options.out / "data" / "unlabelled" / "images"
    spec = NetworkSpec(in_channels=3, out_channels=1, width=WIDTH, batch_norm_momentum=0.9)
    members = [options.out / f"member-{seed}.safetensors" for seed in (1, 2)]
    for seed, path in enumerate(members):
        save_model(path, spec.build(seed=seed).state_dict(), spec)
    about = About("binary", (ClassInfo("cell", (255, 0, 0), 255),), 3, None, (SIDE, SIDE), "resize", "auto")
    save_ensemble(model, members, about, scores={})

    def ours(num_workers: int = 0) -> float:
        remove(options.out / "masks")
        started = time.perf_counter()
        done = predict_folder(
            model, data, options.out / "masks", open_pool=LocalPool, num_workers=num_workers, progress=Silent()
        )
        return len(done.shares) / (time.perf_counter() - started)

    sides: dict[str, Callable[[], float]] = {"incmask": ours, "PyTorch loop": lambda: loop(options, "torch", "label")}
    if options.keras:
        sides["Keras loop"] = lambda: loop(options, "keras", "label")
    share = networks_share(options, model)
    print(f"the networks take {share:.0%} of labelling in a worker")
    return in_turn(sides, options.rounds) | {"networks_share": share}


def networks_share(options: argparse.Namespace, model: Path) -> float:
    """Share of ``predict_files``, in one process on one thread, that passes inside the networks."""
    script = f"""
import time, torch, pathlib
torch.set_num_threads(1)
from incmask.base.local_pool import keep_freed_memory
from incmask.nets.unet import UNet
from incmask.prediction.folder import list_images
from incmask.prediction.files import PredictJob, predict_files
keep_freed_memory()
inside, call = [0.0], UNet.__call__
def timed(self, *args):
    started = time.perf_counter()
    try:
        return call(self, *args)
    finally:
        inside[0] += time.perf_counter() - started
UNet.__call__ = timed
model, out = pathlib.Path({str(model)!r}), pathlib.Path({str(options.out / "masks-share")!r})
files = list_images(pathlib.Path({str(options.out / "data" / "unlabelled" / "images")!r}))
warm = PredictJob(model, tuple(files[:32]), out, device="cpu")
predict_files(warm)
job = PredictJob(model, tuple(files[:256]), out, device="cpu")
inside[0], started = 0.0, time.perf_counter()
predict_files(job)
print(inside[0] / (time.perf_counter() - started))
"""
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    return float(done.stdout)


def step(options: argparse.Namespace) -> dict[str, Any]:
    share = time_drawing(training_job(options.out, 0, num_steps=8, augment=True))
    print(f"drawing, augmenting and blocking: {share:.1%} of a step")
    return {"batch_share": share}


def time_drawing(job: FitJob) -> float:
    """Share of the time of six steps that drawing their batches takes."""
    trainer = GroupTrainer([job], torch.device("cpu"))
    batches: Any = trainer.lessons[0].batches  # type: ignore[attr-defined]
    draw, inside = batches.draw, [0.0]

    def timed(number: int) -> Any:
        started = time.perf_counter()
        batch = draw(number)
        inside[0] += time.perf_counter() - started
        return batch

    batches.draw = timed
    trainer.step(0)
    inside[0], started = 0.0, time.perf_counter()
    for number in range(1, 7):
        trainer.step(number)
    return inside[0] / (time.perf_counter() - started)


def validation(options: argparse.Namespace) -> dict[str, Any]:
    results = {}
    print(f"{'validation images':>18}{'validations':>13}{'share of time':>15}")
    for num_images in (16, 64, 160):
        job = training_job(options.out, 0, num_steps=1)
        default = resolve_settings(preset="default", effort=None)
        job = replace(
            job,
            settings=default.model_copy(update={"device": "cpu", "epochs": 4, "steps_per_epoch": 10}),
            objective=replace(
                job.objective, validation=replace(job.objective.validation, rows=tuple(range(num_images)))
            ),
        )
        measured = time_validation(job)
        results[str(num_images)] = measured
        print(f"{num_images:>18}{measured['validations']:>13}{measured['share']:>15.1%}")
    return results


def time_validation(job: FitJob) -> dict[str, float]:
    """Share of a training that validation takes, and how many there are."""
    from incmask.training.segmentation import SegmentationLessons

    remove(job.folder)
    validate, inside, calls = SegmentationLessons.validate, [0.0], [0]

    def timed(self: SegmentationLessons, network: Any) -> Any:
        started = time.perf_counter()
        try:
            return validate(self, network)
        finally:
            inside[0] += time.perf_counter() - started
            calls[0] += 1

    SegmentationLessons.validate = timed  # type: ignore[method-assign]
    try:
        started = time.perf_counter()
        fit(job)
        return {"share": inside[0] / (time.perf_counter() - started), "validations": calls[0]}
    finally:
        SegmentationLessons.validate = validate  # type: ignore[method-assign]


def start(options: argparse.Namespace) -> dict[str, Any]:
    commands = {
        "incmask --help": [sys.executable, "-m", "incmask", "--help"],
        "import incmask": [sys.executable, "-c", "import incmask"],
        "nothing": [sys.executable, "-c", "pass"],
    }
    results = {}
    for name, command in commands.items():
        times = []
        for _ in range(7):
            started = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            times.append(time.perf_counter() - started)
        results[name] = statistics.median(times)
        print(f"{name:<16}{results[name]:6.2f} s")
    return results


def in_turn(sides: dict[str, Callable[[], float]], rounds: int) -> dict[str, Any]:
    """Measure each side ``rounds`` times, in turn; images a second, and how many times the others' the first is."""
    speeds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, measure in sides.items():
            speeds[name].append(measure())
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    first = next(iter(medians.values()))
    print(f"{'':<16}{'images/s':>10}{'all rounds':>28}{'ratio':>8}")
    for name, values in speeds.items():
        rounds_text = " ".join(f"{value:.1f}" for value in values)
        print(f"{name:<16}{medians[name]:>10.1f}{rounds_text:>28}{first / medians[name]:>8.1f}")
    return {"images_per_second": speeds, "ratios": {name: first / value for name, value in medians.items()}}


def remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


SECTIONS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "training": training,
    "labelling": labelling,
    "step": step,
    "validation": validation,
    "start": start,
}


if __name__ == "__main__":
    main()
