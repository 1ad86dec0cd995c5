"""The models of a run: which are to be trained, those that were, and the best of them."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from incmask.base.device import resolve_device
from incmask.base.pool import Pool
from incmask.base.store import Store
from incmask.experiment.setup import BASE, Setup, seed_for
from incmask.experiment.student import Student, read_student
from incmask.method.growth import training_settings
from incmask.method.mixture import TrainingPart, TrainingSet, TrainingStacks, mix
from incmask.training.gpu_group import fit_students, group_jobs
from incmask.training.jobs import FitJob
from incmask.training.loop import CHECKPOINT, HISTORY, MODEL, SCORES, fit
from incmask.training.segmentation import Segmentation


def fit_jobs(
    setup: Setup, folder: Path, *, generation: int, pseudo: TrainingPart | None, starts: Sequence[Student] = ()
) -> list[FitJob]:
    """The students of a generation, ready to train.

    Args:
        setup: of the run.
        folder: that a folder for each student is made in.
        generation: 0 for base models.
        pseudo: pairs beside the labelled part.
        starts: trained models, best first; each student begins with the weights of the best of its own fold.
            None: with new ones.
    """
    settings = setup.settings
    labelled = setup.stacks["labelled"]
    jobs = []
    mixed: dict[int, TrainingSet] = {}
    for index in range(settings.num_students if generation else settings.num_base):
        number_of_fold = index % len(setup.folds)
        if number_of_fold not in mixed:
            parts = [
                TrainingPart(TrainingStacks(labelled.images, labelled.labels), setup.folds[number_of_fold].training)
            ]
            if setup.recipe.labelled == "full":
                others = setup.stacks["unlabelled"]
                parts.append(TrainingPart(TrainingStacks(others.images, others.labels), range(len(others))))
            mixed[number_of_fold] = mix(
                setup.recipe,
                labelled=parts,
                pseudo=pseudo,
                generation=generation,
                profile=setup.profile,
                settings=settings,
                task=setup.dataset.task,
            )
        training = mixed[number_of_fold]
        used = training_settings(
            setup.recipe,
            settings,
            num_pairs=len(training.rows),
            num_full=len(setup.folds[number_of_fold].training) + len(setup.stacks.get("unlabelled", ())),
        )
        jobs.append(
            FitJob(
                folder=folder / "students" / str(index + 1),
                network=setup.network(generation, momentum=used.batch_norm_momentum),
                objective=Segmentation(
                    training, setup.validation(number_of_fold), len(setup.dataset.classes), setup.views()
                ),
                settings=used,
                seed=seed_for(settings.seed, generation, index),
                start=next((each.model for each in starts if each.fold == number_of_fold), None),
            )
        )
    return jobs


def train(
    jobs: Sequence[FitJob], *, num_folds: int, store: Store, pool: Pool, report: Callable[[float], None]
) -> list[Student]:
    """Train the networks that are not trained yet and return all; number i is of fold i modulo ``num_folds``."""
    to_do = []
    for job in jobs:
        if store.has(*_files(job.folder)):
            report(job.num_steps)
        else:
            to_do.append(job)
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
        for group, _ in pool.run(fit_students, group_jobs(jobs), report):
            yield from group
    else:
        # Small networks train best one a core.
        yield from (job for job, _ in pool.run(fit, jobs, report))


def adopt(store: Store, *, source: Path, jobs: Sequence[FitJob]) -> None:
    """Take students that another run of the same data and settings has trained, instead of training them."""
    for job in jobs:
        theirs = source / BASE / "students" / job.folder.name
        store.adopt({theirs / path.name: path for path in _files(job.folder)})


def _files(folder: Path) -> tuple[Path, Path, Path]:
    return folder / MODEL, folder / HISTORY, folder / SCORES
