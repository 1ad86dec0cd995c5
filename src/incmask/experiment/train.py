"""Training of a run's networks: those that are not trained yet, or that no other run has trained."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from incmask.base.device import resolve_device
from incmask.base.pool import Pool
from incmask.base.store import Store
from incmask.experiment.paths import student_folder
from incmask.experiment.setup import BASE
from incmask.experiment.student import Student, read_student
from incmask.training.files import CHECKPOINT, HISTORY, MODEL, SCORES
from incmask.training.gpu_group import fit_students, group_jobs
from incmask.training.jobs import FitJob, teams_of
from incmask.training.loop import fit, fit_group


def train(
    jobs: Sequence[FitJob], *, num_folds: int, store: Store, pool: Pool, report: Callable[[float], None]
) -> list[Student]:
    """Train the networks that are not trained yet and return all; number i is of fold i modulo ``num_folds``."""
    to_do: list[FitJob] = []
    for team in teams_of(jobs):
        if store.has(*(path for job in team for path in _files(job.folder))):
            report(sum(job.num_steps for job in team))
        else:
            to_do += team
    for job in _trained(to_do, pool, report):
        store.record(*_files(job.folder))
    students = []
    for index, job in enumerate(jobs):
        (job.folder / CHECKPOINT).unlink(missing_ok=True)
        students.append(read_student(job.folder, number=index + 1, num_folds=num_folds))
    return students


def _trained(jobs: Sequence[FitJob], pool: Pool, report: Callable[[float], None]) -> Iterator[FitJob]:
    """Train; yield each job when it is done."""
    if jobs and resolve_device(jobs[0].settings.device).type != "cpu":
        for group, _ in pool.run(fit_students, group_jobs(jobs, num_devices=pool.num_devices), report):
            yield from group
        return
    teams = teams_of(jobs)
    if any(len(team) > 1 for team in teams):
        for team, _ in pool.run(fit_group, teams, report):
            yield from team
    else:
        # Small networks train best one a core.
        yield from (job for job, _ in pool.run(fit, jobs, report))


def adopt(store: Store, *, source: Path, jobs: Sequence[FitJob]) -> None:
    """Take students that another run of the same data and settings has trained, instead of training them."""
    for job in jobs:
        theirs = student_folder(source / BASE, int(job.folder.name))
        store.adopt({theirs / path.name: path for path in _files(job.folder)})


def _files(folder: Path) -> tuple[Path, Path, Path]:
    return folder / MODEL, folder / HISTORY, folder / SCORES
