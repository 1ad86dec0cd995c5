"""Students that train side by side on one GPU, as one program."""

import gc
import logging
from collections.abc import Sequence

from incmask.device import free_bytes, resolve_device
from incmask.execute.on_device import on_device
from incmask.execute.plan import fitting_students
from incmask.fit import FitJob, Schedule, fit_group
from incmask.objectives import Segmentation
from incmask.progress import Report
from incmask.quality.judging import Judging
from incmask.rows import Rows

_LOG = logging.getLogger(__name__)


def group_jobs(jobs: Sequence[FitJob]) -> list[tuple[FitJob, ...]]:
    """Put together what one program can train: networks of one shape, with the same settings and schedule."""
    groups: dict[object, list[FitJob]] = {}
    for job in jobs:
        schedule = Schedule.of(job.objective.open(job.settings, seed=job.seed), job.settings)
        groups.setdefault((job.network, job.settings, schedule), []).append(job)
    return [tuple(group) for group in groups.values()]


def fit_students(jobs: Sequence[FitJob], report: Report) -> None:
    """Train what ``group_jobs`` put together, as many at a time as the device has room for.

    Args:
        jobs: a group.
        report: called with the number of steps done since the last call, those of all students together.

    Raises:
        IncmaskError: as of ``fit_group``.
    """
    device = resolve_device(jobs[0].settings.device)
    num = fitting_students(
        jobs[0].network,
        size=_image_size(jobs[0]),
        batch_size=jobs[0].settings.batch_size,
        available=free_bytes(device),
    )
    if num < len(jobs):
        _LOG.warning("the device has memory for %d of %d students at a time", num, len(jobs))
    for first in range(0, len(jobs), num):
        fit_group([on_device(job) for job in jobs[first : first + num]], report)
        # Trainings refer to themselves, and would hold the device's memory until Python looks.
        gc.collect()


def _image_size(job: FitJob) -> tuple[int, int]:
    """Height and width of the images that a network learns from."""
    if isinstance(job.objective, Segmentation):
        images = job.objective.training.sources[0].images
    else:
        assert isinstance(job.objective, Judging)
        images = job.objective.training.images
    _, height, width, _ = Rows(images).shape
    return height, width
