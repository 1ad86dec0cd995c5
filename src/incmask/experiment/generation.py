"""One generation, in order: teachers label, labels are rated, pairs are mixed, students train."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from incmask.base.files import whole_file
from incmask.base.npy_rows import Rows, new_rows
from incmask.base.pool import Pool, run_ranges
from incmask.base.progress import Progress
from incmask.base.store import Store
from incmask.experiment.evalnets import Judges
from incmask.experiment.labelling import LabelJob, Views, label_range
from incmask.experiment.paths import INCONSISTENT, INDEX, LABEL, PSEUDO
from incmask.experiment.pseudo_labels import PseudoLabels, describe_pseudo_labels, index_csv, read_pseudo_labels
from incmask.experiment.rating import CandidateJob, RateJob, choose_range, rate_range
from incmask.experiment.setup import Setup, seed_for, stage_name
from incmask.experiment.student import Student
from incmask.experiment.students import fit_jobs, train
from incmask.method.blocking import foreground_fraction
from incmask.method.copies import Band, band_of, num_copies
from incmask.method.growth import width_of
from incmask.method.labels import labels_of
from incmask.method.mixture import TrainingPart, TrainingStacks
from incmask.method.recipes import BestCandidate, Vote
from incmask.nets.forward import CHUNK
from incmask.training.capacity import train_cost

_JOB_IMAGES = 8 * CHUNK
_VIEWS_STREAM = 2000
"""In place of the number of a student, so that views have seeds of their own."""


@dataclass(frozen=True)
class Generations:
    """What stays the same over the generations of a run.

    Attributes:
        setup, store, pool, progress: of the run.
        judges: EvalNets, where the recipe has them.
        threshold: least rating of a mask that is accepted, where candidates are rated.
    """

    setup: Setup
    store: Store
    pool: Pool
    progress: Progress
    judges: Judges | None = None
    threshold: float = 0.0

    def folder(self, generation: int) -> Path:
        """The folder of a generation."""
        return self.store.root / stage_name(generation)


def run_generation(run: Generations, teachers: Sequence[Student], generation: int) -> list[Student]:
    """Label with the teachers, then train this generation's students.

    Args:
        run: what stays the same.
        teachers: all students of the generation before, best first.
        generation: counted from 1.
    """
    setup, folder = run.setup, run.folder(generation)
    pairs = None
    if setup.recipe.labeller is not None:
        run.progress.doing(f"generation {generation}: labelling")
        pairs = label(run, teachers, generation)
        told = describe_pseudo_labels(folder / PSEUDO / INDEX)
        run.progress.say(f"generation {generation}: {told}")
    starts = teachers if setup.recipe.objective == "consistency" else ()
    jobs = fit_jobs(setup, folder, generation=generation, pseudo=pairs, starts=starts)
    cost = train_cost(width_of(setup.recipe, setup.settings, generation))
    run.progress.doing(f"generation {generation}: training {len(jobs)} students")
    return train(
        jobs,
        num_folds=len(setup.folds),
        store=run.store,
        pool=run.pool,
        report=lambda steps: run.progress.advance(steps * cost),
    )


def label(run: Generations, teachers: Sequence[Student], generation: int) -> TrainingPart:
    """Label the unlabelled images and write what came of it.

    Leaves ``label.npy``, ``inconsistent.npy`` (rows as in the unlabelled stack) and ``index.csv``.

    Args:
        run: what stays the same.
        teachers: all students of the generation before, best first.
        generation: counted from 1.

    Returns:
        The admitted pairs.
    """
    setup, store = run.setup, run.store
    unlabelled, folder = setup.stacks["unlabelled"], run.folder(generation) / PSEUDO
    labels, masks, index = (folder / name for name in (LABEL, INCONSISTENT, INDEX))
    if not store.has(labels, masks, index):
        shape = (len(unlabelled), *setup.size)
        with whole_file(labels) as labels_path, whole_file(masks) as masks_path:
            classes = (len(setup.dataset.classes),) if setup.dataset.task == "multilabel" else ()
            new_rows(labels_path, np.uint8, shape + classes)
            new_rows(masks_path, np.bool_, shape)
            if isinstance(setup.recipe.labeller, BestCandidate):
                found = _choose(run, teachers, generation, labels_path)
            else:
                found = _vote(run, teachers, generation, labels_path, masks_path)
        store.record(labels, masks)
        store.write(index, index_csv(unlabelled.names, found))
    known = read_pseudo_labels(index)
    rows = np.flatnonzero(known.admitted)
    return TrainingPart(TrainingStacks(unlabelled.images, labels, masks), rows.tolist(), known.copies[rows].tolist())


def _vote(run: Generations, teachers: Sequence[Student], generation: int, labels: Path, masks: Path) -> PseudoLabels:
    """Let the teachers, or views of the best one, vote; then rate where the recipe weighs by quality."""
    setup, settings, dataset = run.setup, run.setup.settings, run.setup.dataset
    vote = setup.recipe.labeller
    assert isinstance(vote, Vote)
    voters = teachers[: settings.num_kept][: settings.num_members if vote.teachers == "several" else 1]
    seed = seed_for(settings.seed, generation, _VIEWS_STREAM)
    views = Views(settings.num_views, setup.profile.moderate, seed) if vote.views == "several" else None
    unlabelled = setup.stacks["unlabelled"]
    jobs = [
        LabelJob(
            members=tuple(voter.model for voter in voters),
            images=unlabelled.images,
            label=labels,
            inconsistent=masks,
            first=first,
            last=last,
            task=dataset.task,
            num_outputs=labels_of(dataset.task).num_outputs(len(dataset.classes)),
            vote=vote,
            settings=settings,
            views=views,
            # Without blocking there is nothing to outnumber, thin or widen: every pair is used as it is.
            admit=settings.admit if setup.recipe.blocking else "all",
            erode_px=settings.erode_px if setup.recipe.blocking else 0,
            dilate_px=settings.dilate_px if setup.recipe.blocking else 0,
        )
        for first, last in _ranges(len(unlabelled))
    ]
    parts = run_ranges(run.pool, label_range, jobs)
    admitted, disputed, foreground = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("admitted", "inconsistent_fraction", "foreground_fraction")
    )
    if setup.recipe.copies == "one":
        return PseudoLabels(admitted, disputed, foreground, None, np.ones(len(admitted), int))
    quality = _rate(run, labels, masks)
    known = settings.quality_band or setup.profile.quality_band
    band = Band(*known) if known else band_of(quality[admitted] if admitted.any() else quality)
    # Ratings that are all the same weigh nothing.
    copies = num_copies(quality, band=band) if known or band.low < band.high else np.ones(len(quality), int)
    return PseudoLabels(admitted, disputed, foreground, quality, copies)


def _rate(run: Generations, labels: Path, masks: Path) -> np.ndarray:
    """Rate all pairs: by the EvalNets, or by the true masks."""
    setup = run.setup
    by_truth = setup.recipe.copies == "by_true_quality"
    unlabelled = setup.stacks["unlabelled"]
    jobs = [
        RateJob(
            judges=run.judges.models if run.judges and not by_truth else (),
            images=unlabelled.images,
            label=labels,
            inconsistent=masks,
            truth=unlabelled.labels if by_truth else None,
            first=first,
            last=last,
            task=setup.dataset.task,
            num_classes=len(setup.dataset.classes),
            settings=setup.settings,
        )
        for first, last in _ranges(len(unlabelled))
    ]
    parts = run_ranges(run.pool, rate_range, jobs)
    return np.concatenate([part.quality for part in parts])


def _choose(run: Generations, teachers: Sequence[Student], generation: int, labels: Path) -> PseudoLabels:
    """Take the best of all teachers' masks and the one accepted before (section 2.4.5)."""
    assert run.judges is not None
    setup, unlabelled = run.setup, run.setup.stacks["unlabelled"]
    # Below every rating, so that a mask is chosen even if none is rated above 0.
    before = np.full(len(unlabelled), -1.0)
    if generation > 1:
        folder = run.folder(generation - 1) / PSEUDO
        earlier = read_pseudo_labels(folder / INDEX)
        assert earlier.quality is not None
        before = np.where(earlier.admitted, earlier.quality, -1)
        chosen, old = Rows(labels), Rows(folder / LABEL)
        for row in np.flatnonzero(earlier.admitted).tolist():
            chosen[row] = old[row]
    jobs = [
        CandidateJob(
            teachers=tuple(teacher.model for teacher in teachers),
            judges=run.judges.models,
            images=unlabelled.images,
            label=labels,
            quality=before[first:last],
            first=first,
            last=last,
            task=setup.dataset.task,
            num_classes=len(setup.dataset.classes),
            settings=setup.settings,
        )
        for first, last in _ranges(len(unlabelled))
    ]
    parts = run_ranges(run.pool, choose_range, jobs)
    quality = np.concatenate([part.quality for part in parts])
    # One by one; all of them may be larger than memory.
    chosen = Rows(labels)
    foreground = np.array(
        [foreground_fraction(chosen[row][None], None, task=setup.dataset.task)[0] for row in range(len(chosen))]
    )
    none = np.zeros(len(quality))
    return PseudoLabels(quality >= run.threshold, none, foreground, quality, np.ones(len(quality), int))


def _ranges(num_images: int) -> list[tuple[int, int]]:
    return [(first, min(first + _JOB_IMAGES, num_images)) for first in range(0, num_images, _JOB_IMAGES)]
