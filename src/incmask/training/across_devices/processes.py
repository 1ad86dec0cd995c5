"""One network on several devices: each computes its share of every batch, and all come to the same weights.

A process for each device draws the same batches and looks at its own images of them. What the networks say is put
together before it is compared, so that each process knows the loss of the whole batch, whatever its terms are; batch
norms take their statistics from all images, and gradients are added up. So the numbers are those of one device at the
same batch, up to rounding, but for networks that draw numbers (dropout), which each process draws for itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from incmask.base.caller import setting, settings
from incmask.base.device import num_gpus, resolve_device
from incmask.base.errors import fail
from incmask.base.local_pool import LocalPool
from incmask.base.progress import Report, ignore
from incmask.training.across_devices.share import Share, share, take
from incmask.training.jobs import FitJob

Result = TypeVar("Result")

_PATIENCE = timedelta(days=1)
"""That processes wait for each other: the first validates and writes alone. One that ends is noticed at once."""


def on_all_devices(
    function: Callable[[Sequence[FitJob], Report], Result], jobs: Sequence[FitJob], report: Report
) -> Result:
    """Train in as many processes of this machine as the settings give a network devices; else here.

    Args:
        function: of a module's top level; called with the jobs in each process.
        jobs: with the same settings.
        report: called with what the first process reports.

    Returns:
        What the function gives in the first process.

    Raises:
        IncmaskError: there are not so many devices, or from the function, or a process was killed.
    """
    num = jobs[0].settings.devices_per_network
    if num == 1 or share().num > 1:
        return function(jobs, report)
    kind = resolve_device(jobs[0].settings.device).type
    there = {"cuda": num_gpus(), "mps": 1}.get(kind, num)
    if there < num:
        raise fail(
            setting("devices_per_network"),
            f"{num} devices train a network together, and this process may use {there}",
            f"use {settings(devices_per_network=there)}",
        )
    gpus = range(num) if kind == "cuda" else ()
    with TemporaryDirectory() as folder, LocalPool(num, devices=gpus) as pool:
        parts = [_Part(function, tuple(jobs), Share(place, num), Path(folder) / "meeting") for place in range(num)]
        found = {part.share.place: result for part, result in pool.run(_take_part, parts, report)}
    return found[0]


@dataclass(frozen=True)
class _Part:
    """What a process does.

    Attributes:
        function, jobs: as of ``on_all_devices``.
        share: its part of each batch.
        meeting: file by which the processes find each other.
    """

    function: Callable[[Sequence[FitJob], Report], Any]
    jobs: tuple[FitJob, ...]
    share: Share
    meeting: Path


def _take_part(part: _Part, report: Report) -> Any:
    from torch import distributed

    distributed.init_process_group(
        "nccl" if resolve_device(part.jobs[0].settings.device).type == "cuda" else "gloo",
        init_method=part.meeting.as_uri(),
        rank=part.share.place,
        world_size=part.share.num,
        timeout=_PATIENCE,
    )
    take(part.share)
    # Left as it is where something fails, so that the others wait until they are ended, and the reason is told.
    result = part.function(part.jobs, report if part.share.is_first else ignore)
    distributed.destroy_process_group()
    return result
