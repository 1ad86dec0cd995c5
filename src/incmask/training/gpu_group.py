"""Students that train side by side on one GPU, as one program."""

import gc
import logging
from collections.abc import Sequence

import torch

from incmask.base.described import callable_by_job
from incmask.base.device import device_of
from incmask.base.progress import Report
from incmask.training.capacity import students_at_a_time
from incmask.training.jobs import FitJob, teams_of
from incmask.training.loop import fit_group
from incmask.training.on_gpu.batches import on_device
from incmask.training.schedule import Schedule

_LOG = logging.getLogger(__name__)


def group_jobs(jobs: Sequence[FitJob], *, num_devices: int = 1) -> list[tuple[FitJob, ...]]:
    """Put together what one program can train: networks of one shape, with the same settings and schedule.

    Args:
        jobs: to train.
        num_devices: that share a group's teams, and students that need nobody, as evenly as these can be divided.
    """
    groups: dict[object, list[FitJob]] = {}
    for job in jobs:
        schedule = Schedule.of(job.objective.open(job.settings, seed=job.seed), job.settings)
        groups.setdefault((job.network, job.settings, schedule), []).append(job)
    return [share for group in groups.values() for share in _shared(teams_of(group), num_devices)]


def _shared(teams: Sequence[tuple[FitJob, ...]], num_devices: int) -> list[tuple[FitJob, ...]]:
    shares = [teams[place::num_devices] for place in range(min(num_devices, len(teams)))]
    return [tuple(job for team in share for job in team) for share in shares]


@callable_by_job
def fit_students(jobs: Sequence[FitJob], report: Report) -> None:
    """Train what ``group_jobs`` put together, as many at a time as the device has room for.

    Args:
        jobs: a group.
        report: called with the number of steps done since the last call, those of all students together.

    Raises:
        IncmaskError: as of ``fit_group``.
    """
    device = device_of(jobs[0].settings)
    num = students_at_a_time(jobs[0], device)
    if 1 < num < len(jobs):
        _LOG.warning("the device has memory for %d of %d students at a time", num, len(jobs))
    teams = teams_of(jobs)
    # A team stays together, whether or not there is room for it; batches can be cut.
    num_teams = max(1, num // len(teams[0]))
    for first in range(0, len(teams), num_teams):
        fit_group([on_device(job) for team in teams[first : first + num_teams] for job in team], report)
        # Trainings refer to themselves, and would hold the device's memory until Python looks.
        gc.collect()
        if device.type == "cuda":
            # What was recorded has memory of its own, which nothing else can use.
            torch.cuda.empty_cache()
