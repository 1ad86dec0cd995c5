"""What a run will take: time, measured by a few steps of training, and memory, counted."""

import time
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import nn

from incmask.base.caller import setting, settings, size_option
from incmask.base.described import callable_by_job
from incmask.base.device import device_of, free_bytes
from incmask.base.errors import IncmaskError, fail
from incmask.base.machine import available_bytes
from incmask.base.npy_rows import Rows
from incmask.base.pool import Pool
from incmask.base.progress import Report, ignore
from incmask.nets.costs import count_parameters
from incmask.nets.spec import EncoderSpec, SignalSpec, Spec, VolumeEvalNetSpec, VolumeSpec
from incmask.training.across_devices.processes import on_all_devices
from incmask.training.jobs import FitJob
from incmask.training.on_gpu.batches import on_device
from incmask.training.rating import RatingObjective
from incmask.training.segmentation import Segmentation
from incmask.training.together.quick import has_kernels
from incmask.training.trainer import GroupTrainer

PROCESS_BYTES = 320 * 2**20
"""What a worker takes before it trains: the libraries and the allocator's slack."""

_DEVICE_SHARE = 0.5
"""Of a device's free memory that activations may take; images, and what its libraries keep, have the rest."""

_BATCH_BYTES = 8
"""Of each value of a batch that is made ahead for a GPU: as read, as augmented, and in float32, and the labels."""

_ANY_WIDTH, _BY_WIDTH, _RATING_BY_WIDTH = 0.2, 0.8, 0.35
"""Of a step at width 1: what any width takes, and what grows with it, of a U-Net and of an EvalNet; measured on a
processor for widths of 0.125 to 2 (``docs/results.md``). It grows between the square, as operations do, and the first
power, as memory traffic does."""

_COPIES, _FLOAT_BYTES = 5, 4
_SIDE = 64
_OF_VOLUMES = VolumeSpec | VolumeEvalNetSpec
_WARM_UP_STEPS, _TIMED_STEPS = 1, 2


def train_cost(width: float) -> float:
    """Work of a training step, relative to that at width 1."""
    return _ANY_WIDTH + _BY_WIDTH * width**1.8


def rating_cost(width: float) -> float:
    """Work of a training step of an EvalNet in the same units: less, since nothing goes back up to the image's size."""
    return _ANY_WIDTH + _RATING_BY_WIDTH * width**1.8


@lru_cache
def training_bytes(network: Spec, *, size: tuple[int, int], batch_size: int) -> int:
    """Memory that a training step takes: the activations kept for the way back, and as much again
    for what lies between them and their gradients. Counted on a small image, since all of them grow with the area."""
    counted = size if isinstance(network, _OF_VOLUMES | SignalSpec) else (_SIDE, _SIDE)
    kept: list[int] = []
    model = network.build().eval()
    for module in model.modules():
        # Encoders have layers of any kind.
        if isinstance(module, nn.Conv2d | nn.Conv3d | nn.BatchNorm2d | nn.BatchNorm3d | nn.InstanceNorm3d) or (
            isinstance(network, EncoderSpec) and next(module.parameters(recurse=False), None) is not None
        ):
            module.register_forward_hook(lambda _module, _args, output: kept.append(output.numel()))
    with torch.inference_mode():
        model(*(torch.zeros(1, channels, *counted) for channels in network.input_channels))
    return 8 * sum(kept) * batch_size * size[0] * size[1] // (counted[0] * counted[1])


@lru_cache
def weight_bytes(network: Spec) -> int:
    """Memory that a network's own numbers take: its weights, their average and gradients, and two moments of each.

    Those of our own networks are few enough to lie in ``PROCESS_BYTES``.
    """
    return _COPIES * _FLOAT_BYTES * count_parameters(network.build()) if isinstance(network, EncoderSpec) else 0


def batch_bytes(network: Spec, *, size: tuple[int, int], batch_size: int) -> int:
    """Memory of this machine that a network's training takes where its activations lie on a GPU: two batches, since
    one is made while another is copied."""
    return 2 * _BATCH_BYTES * sum(network.input_channels) * batch_size * size[0] * size[1]


def fitting_workers(
    network: Spec,
    *,
    size: tuple[int, int],
    batch_size: int,
    num_workers: int,
    num_together: int = 1,
    num_on_gpu: int = 0,
    num_processes: int = 1,
    available: int | None = None,
) -> int:
    """Tell how many workers have room to train side by side, ``num_workers`` at most.

    Args:
        network: the widest of the run.
        size: height and width of its input.
        batch_size: images a step.
        num_workers: wanted.
        num_together: networks that a worker trains as one program, in its own memory.
        num_on_gpu: networks that a worker trains together on a GPU with memory of its own: activations lie there, so
            that the process and the batches alone are counted; 0: there is no such GPU.
        num_processes: that train a network together in a worker, beside its own where there are several.
        available: bytes of this machine; None: ask the system.

    Raises:
        IncmaskError: not even one has.
    """
    available = available_bytes() if available is None else available
    if available is None:
        return num_workers
    counted = batch_bytes if num_on_gpu else training_bytes
    each = counted(network, size=size, batch_size=batch_size) + (0 if num_on_gpu else weight_bytes(network))
    needed = PROCESS_BYTES + (num_on_gpu or num_together) * each
    if num_processes > 1:
        needed += num_processes * (PROCESS_BYTES + weight_bytes(network))
    if needed > available:
        fitting = int(batch_size * (available - PROCESS_BYTES) / (needed - PROCESS_BYTES))
        smaller_batch = f"use {settings(batch_size=fitting)}, a smaller" if fitting >= 1 else "use a smaller"
        raise fail(
            "memory",
            f"training at {_told(network, size)} with batches of {batch_size} takes about {needed / 2**30:.1f} GiB, "
            f"{available / 2**30:.1f} GiB are free",
            f"{smaller_batch} {size_option(volumes=isinstance(network, _OF_VOLUMES))} or {setting('width')}, "
            "or close other programs",
        )
    return max(1, min(num_workers, available // needed))


def _told(network: Spec, size: tuple[int, int]) -> str:
    """Tell a size as a person knows it: of a sheet, slices, rows and columns."""
    height, width = size
    sides = (network.depth, height // network.depth, width) if isinstance(network, _OF_VOLUMES) else size
    return "×".join(map(str, sides))


def fits(network: Spec, *, size: tuple[int, int], batch_size: int, num_workers: int) -> bool:
    """Tell whether so many workers have room to train; arguments as for ``fitting_workers``."""
    try:
        return fitting_workers(network, size=size, batch_size=batch_size, num_workers=num_workers) == num_workers
    except IncmaskError:
        return False


def fitting_students(network: Spec, *, size: tuple[int, int], batch_size: int, available: int | None) -> int:
    """Tell how many students of one shape have room on a device when they train as one program, 1 or more.

    With room for none, one is tried all the same, since batches can be cut.

    Args:
        network: theirs.
        size: height and width of its input.
        batch_size: images a step.
        available: bytes on the device; None: the device does not tell, so that one is all that is sure.
    """
    if available is None:
        return 1
    needed = training_bytes(network, size=size, batch_size=batch_size)
    return max(1, int(_DEVICE_SHARE * available) // needed)


def students_at_a_time(job: FitJob, device: torch.device) -> int:
    """Tell how many students like this one a device trains best as one program."""
    if isinstance(job.network, EncoderSpec | _OF_VOLUMES | SignalSpec):
        # Their layers are of other kinds, so that they run one after the other.
        return 1
    if job.settings.devices_per_network > 1:
        return 1
    if device.type == "cuda" and not has_kernels(device, job.settings.precision):
        # The library's grouped convolutions take longer than one network after another.
        return 1
    return fitting_students(
        job.network, size=image_size(job), batch_size=job.settings.batch_size, available=free_bytes(device)
    )


def seconds_per_step(job: FitJob, pool: Pool) -> float:
    """Time a few training steps of a student in all workers at once, since they compete for memory."""
    times = [seconds for _, seconds in pool.run(_time_steps, [job] * pool.num_workers, ignore)]
    return sum(times) / len(times)


@callable_by_job
def _time_steps(job: FitJob, report: Report) -> float:
    return on_all_devices(_timed, [job], report)


def _timed(jobs: Sequence[FitJob], report: Report) -> float:
    (job,), device = jobs, device_of(jobs[0].settings)
    # On a GPU the students of a generation train together.
    num = 0 if device.type == "cpu" else min(job.settings.num_students, students_at_a_time(job, device))
    jobs = [on_device(job)] * num or [job]
    trainer = GroupTrainer(jobs, device)
    for step in range(_WARM_UP_STEPS):
        trainer.step(step).tolist()
    started = time.monotonic()
    for step in range(_WARM_UP_STEPS, _WARM_UP_STEPS + _TIMED_STEPS):
        # Taken from the device, which else would still compute.
        trainer.step(step).tolist()
    report(0)
    return (time.monotonic() - started) / _TIMED_STEPS / len(jobs)


def image_size(job: FitJob) -> tuple[int, int]:
    """Height and width of the images that a network learns from."""
    if isinstance(job.objective, Segmentation):
        images = job.objective.training.sources[0].images
    else:
        assert isinstance(job.objective, RatingObjective)
        images = job.objective.training.images
    _, height, width, _ = Rows(images).shape
    return height, width
