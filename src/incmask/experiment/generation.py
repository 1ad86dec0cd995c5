"""A generation as section 2.4 of the paper has it: label and rate, admit, copy, mix, train."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from incmask.base.files import whole_file
from incmask.base.npy_rows import new_rows
from incmask.base.pool import run_ranges
from incmask.base.words import counted
from incmask.experiment.collapse import ends_with_labels
from incmask.experiment.jobs import fit_jobs, label_jobs, mix_folds
from incmask.experiment.labelling import label_range
from incmask.experiment.paths import INCONSISTENT, INDEX, LABEL, PSEUDO
from incmask.experiment.pseudo_labels import (
    REASON,
    PseudoLabels,
    describe_pseudo_labels,
    index_csv,
    join,
    read_pseudo_labels,
)
from incmask.experiment.setup import RunContext
from incmask.experiment.student import Student
from incmask.experiment.train import train
from incmask.experiment.workload import step_cost
from incmask.method.blocking import least_disputed
from incmask.method.copies import Band, band_of, num_copies
from incmask.method.mixture import TrainingPart, TrainingStacks


def run_generation(run: RunContext, teachers: Sequence[Student], generation: int) -> list[Student]:
    """Label with the teachers, then train this generation's students on the combined data.

    Args:
        run: the run.
        teachers: all students of the generation before, best first.
        generation: counted from 1.

    Returns:
        The students; none where the labels have collapsed and the run ends with them.
    """
    setup, folder = run.setup, run.folder(generation)
    pseudo = None
    if setup.recipe.labeller is not None:
        run.progress.doing(f"generation {generation}: labelling")
        pseudo = pseudo_label(run, teachers, generation)
        ground = setup.labels.ground_name([each.name for each in setup.dataset.classes])
        run.progress.say(f"generation {generation}: {describe_pseudo_labels(folder / PSEUDO / INDEX, ground=ground)}")
        if ends_with_labels(run, generation):
            return []
    # What is disputed is blocked where the training reads it, as the recipe says (section 2.4.6).
    data = mix_folds(setup, generation, pseudo)
    jobs = fit_jobs(setup, generation, data, folder=folder, teachers=teachers)
    run.progress.doing(f"generation {generation}: training {counted(len(jobs), 'student')}")
    cost = step_cost(setup.recipe, setup.settings, generation)
    return train(
        jobs,
        num_folds=len(setup.folds),
        store=run.store,
        pool=run.pool,
        report=lambda steps: run.progress.advance(steps * cost),
    )


def pseudo_label(run: RunContext, teachers: Sequence[Student], generation: int) -> TrainingPart:
    """Label the unlabelled images and give the pairs that are used, unless that was done before.

    Leaves ``label.npy``, ``inconsistent.npy`` (rows as in the unlabelled stack) and ``index.csv``.
    """
    unlabelled, folder = run.setup.stacks["unlabelled"], run.folder(generation) / PSEUDO
    pairs = TrainingStacks(unlabelled.images, folder / LABEL, folder / INCONSISTENT)
    files, index = (folder / LABEL, folder / INCONSISTENT), folder / INDEX
    if not run.store.has(*files, index):
        with _empty(run, pairs) as new:
            labels = label(run, teachers, generation, new)
            used = admit(run, labels)
            copied = copy(run, used)
        run.store.record(*files)
        run.store.write_parts(index, index_csv(unlabelled.names, copied))
    known = read_pseudo_labels(index)
    rows = np.flatnonzero(known.admitted)
    certain = rows[least_disputed(known.inconsistent_fraction[rows])]
    return TrainingPart(pairs, rows.tolist(), known.copies[rows].tolist(), certain.tolist())


def label(run: RunContext, teachers: Sequence[Student], generation: int, pairs: TrainingStacks) -> PseudoLabels:
    """Let the labeller make labels and masks of disputed pixels from the teachers (sections 2.4.1 to 2.4.6).

    Pairs are rated where their copies depend on it: by the EvalNets (section 2.4.8), or the true masks (section 3.8).
    """
    parts = run_ranges(run.pool, label_range, [*label_jobs(run, teachers, generation, pairs)])
    return join([part.known for part in parts])


def admit(run: RunContext, labels: PseudoLabels) -> PseudoLabels:
    """Keep, of labels that were rated as they were made, those that reach the threshold (section 2.4.5).

    Others keep what the rule says that compares foreground with disputed pixels (section 2.4.6).
    """
    labeller = run.setup.recipe.labeller
    if labeller is None or not labeller.rates or labels.quality is None:
        return labels
    used = labels.quality >= run.threshold
    return replace(labels, admitted=used, left_out=np.where(used, "", "rating").astype(REASON))


def copy(run: RunContext, labels: PseudoLabels) -> PseudoLabels:
    """Use pairs the more often the better they are, where the recipe weighs by quality (sections 2.4.8 and 3.8)."""
    setup, quality = run.setup, labels.quality
    if setup.recipe.copies == "one" or quality is None:
        return labels
    known = setup.quality_band
    band = Band(*known) if known else band_of(quality[labels.admitted] if labels.admitted.any() else quality)
    # Ratings that are all the same weigh nothing.
    copies = num_copies(quality, band=band) if known or band.low < band.high else labels.copies
    return replace(labels, copies=copies)


@contextmanager
def _empty(run: RunContext, pairs: TrainingStacks) -> Iterator[TrainingStacks]:
    """Make the files of labels and masks, which get their names once they are filled in."""
    setup = run.setup
    pixels = (len(setup.stacks["unlabelled"]), *setup.size)
    assert pairs.inconsistent is not None
    with whole_file(pairs.labels) as labels, whole_file(pairs.inconsistent) as masks:
        new_rows(labels, setup.labels.dtype, setup.labels.shape(pixels, setup.num_classes))
        new_rows(masks, np.bool_, pixels)
        yield TrainingStacks(pairs.images, labels, masks)
