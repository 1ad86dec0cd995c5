"""The usual order to compare with: images whose pixels have the highest mean entropy first."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from incmask.base.config import Settings, Task
from incmask.base.described import callable_by_job
from incmask.base.device import resolve_device
from incmask.base.npy_rows import Rows
from incmask.base.pool import Pool, run_ranges
from incmask.base.progress import Report, ignore
from incmask.experiment.record.images import StackImage
from incmask.experiment.record.run import RunRecord
from incmask.method.labels import labels_of
from incmask.nets.forward import CHUNK, chunk_images, predict_probabilities
from incmask.nets.spec import load_model

_JOB_IMAGES = 8 * CHUNK


@dataclass(frozen=True)
class EntropyJob:
    """A range of images to look at, in any process.

    Attributes:
        members: model files, the mean of whose probabilities counts.
        stack: ``.npy``, uint8, (N, H, W, C).
        first, last: rows ``first`` to ``last - 1``.
        task: what the models predict.
        num_outputs: their logits a pixel.
        settings: device and precision.
    """

    members: tuple[Path, ...]
    stack: Path
    first: int
    last: int
    task: Task
    num_outputs: int
    settings: Settings


@dataclass(frozen=True)
class Entropies:
    """Mean entropy of the pixels of the rows from ``first`` on: float, (N,), nats."""

    first: int
    values: NDArray[np.float64]


@callable_by_job
def entropy_range(job: EntropyJob, report: Report = ignore) -> Entropies:
    """Compute the entropies of a range."""
    device = resolve_device(job.settings.device)
    networks = [load_model(path).to(device) for path in job.members]
    stack = Rows(job.stack)
    values = []
    num = chunk_images(job.num_outputs, stack.shape)
    for first in range(job.first, job.last, num):
        images = stack[first : min(first + num, job.last)]
        mean = predict_probabilities(networks, images, task=job.task, precision=job.settings.precision).mean(0)
        values.append(entropy(mean, job.task))
        report(len(images))
    return Entropies(job.first, np.concatenate(values))


def entropy(probability: np.ndarray, task: Task) -> NDArray[np.float64]:
    """Mean entropy of the pixels of each image, (N,), in nats; classes that may overlap are added up.

    Args:
        probability: float, (N, C, H, W), as networks give them.
        task: what the channels mean.
    """
    certain = np.clip(probability.astype(np.float64), 1e-12, 1)
    surprise = -certain * np.log(certain)
    if not labels_of(task).is_exclusive:
        other = np.clip(1 - probability.astype(np.float64), 1e-12, 1)
        surprise -= other * np.log(other)
    return surprise.sum(1).mean((1, 2))


def image_entropies(run: RunRecord, images: Sequence[StackImage], *, pool: Pool) -> NDArray[np.float64]:
    """Give the mean entropy of the pixels of unlabelled images of a run, (N,), in nats.

    Args:
        run: whose models.
        images: of its unlabelled ones.
        pool: workers.
    """
    num_rows = max((row for image in images for row in image.rows), default=-1) + 1
    jobs = [
        EntropyJob(
            members=run.members,
            stack=run.stack("unlabelled").images,
            first=first,
            last=min(first + _JOB_IMAGES, num_rows),
            task=run.task,
            num_outputs=labels_of(run.task).num_outputs(len(run.class_names)),
            settings=run.settings,
        )
        for first in range(0, num_rows, _JOB_IMAGES)
    ]
    values = np.concatenate([part.values for part in run_ranges(pool, entropy_range, jobs)])
    return np.array([values[list(image.rows)].mean() for image in images])
