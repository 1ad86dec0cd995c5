"""One generation, in order: teachers label, pairs are mixed, students train, the best are found."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from incmask.batches import Source
from incmask.data.stack import new_stack
from incmask.execute.local import LocalPool
from incmask.execute.plan import train_cost
from incmask.files import csv_text, whole_file
from incmask.labelling import LabelJob, LabelledRange, label_range
from incmask.mixture import Part
from incmask.predict import CHUNK
from incmask.progress import Progress, Report, ignore
from incmask.store import Store
from incmask.students import Setup, Student, fit_jobs, stage_name, train, width_of

_LABEL_JOB_IMAGES = 8 * CHUNK


def label(
    setup: Setup,
    teachers: Sequence[Student],
    folder: Path,
    *,
    store: Store,
    pool: LocalPool,
    report: Report,
) -> Part:
    """Label the unlabelled images by the teachers' votes and write what came of it.

    Leaves ``label.npy``, ``inconsistent.npy`` (rows as in the unlabelled stack) and ``index.csv``.

    Returns:
        The admitted pairs.
    """
    assert setup.recipe.labeller is not None
    unlabelled = setup.stacks["unlabelled"]
    num_images = len(unlabelled)
    labels, masks, index = (folder / name for name in ("label.npy", "inconsistent.npy", "index.csv"))
    if store.has(labels, masks, index):
        report(num_images)
    else:
        dataset, settings = setup.dataset, setup.settings
        shape = (num_images, *setup.size)
        with whole_file(labels) as labels_path, whole_file(masks) as masks_path:
            classes = (len(dataset.classes),) if dataset.task == "multilabel" else ()
            new_stack(labels_path, np.uint8, shape + classes).flush()
            new_stack(masks_path, np.bool_, shape).flush()
            jobs = [
                LabelJob(
                    members=tuple(teacher.model for teacher in teachers),
                    images=unlabelled.images,
                    label=labels_path,
                    inconsistent=masks_path,
                    first=first,
                    last=min(first + _LABEL_JOB_IMAGES, num_images),
                    task=dataset.task,
                    vote=setup.recipe.labeller,
                    settings=settings,
                    # Without blocking there is nothing to outnumber, thin or widen: every pair is used as it is.
                    admit=settings.admit if setup.recipe.blocking else "all",
                    erode_px=settings.erode_px if setup.recipe.blocking else 0,
                    dilate_px=settings.dilate_px if setup.recipe.blocking else 0,
                )
                for first in range(0, num_images, _LABEL_JOB_IMAGES)
            ]
            ranges = sorted((result for _, result in pool.run(label_range, jobs, report)), key=lambda part: part.first)
        store.record(labels, masks)
        store.write(index, _index_csv(unlabelled.names, ranges))
    with open(index, newline="", encoding="utf-8") as handle:
        rows = [row for row, line in enumerate(csv.DictReader(handle)) if line["admitted"] == "True"]
    return Part(Source(unlabelled.images, labels, masks), rows)


def describe_pseudo_labels(index: Path) -> str:
    """Say in a line what the pseudo-labels of a generation are like."""
    with open(index, newline="", encoding="utf-8") as handle:
        lines = list(csv.DictReader(handle))
    used = [line for line in lines if line["admitted"] == "True"]
    if not used:
        return f"none of the {len(lines)} pseudo-labels is certain enough to be used; the labelled images train alone"
    disputed, foreground = (
        float(np.mean([float(line[name]) for line in used]))
        for name in ("inconsistent_fraction", "foreground_fraction")
    )
    text = f"{len(used)} of {len(lines)} pseudo-labels used, {disputed:.1%} of their pixels disputed"
    if foreground == 0:
        return f"{text}; they hold no foreground at all: the teachers have collapsed to background"
    return f"{text}, {foreground:.1%} foreground"


def run_generation(
    setup: Setup,
    teachers: Sequence[Student],
    generation: int,
    *,
    store: Store,
    pool: LocalPool,
    progress: Progress,
) -> list[Student]:
    """Label with the teachers, then train this generation's students.

    Args:
        setup: of the run.
        teachers: voting members, best first.
        generation: counted from 1.
        store, pool, progress: of the run.
    """
    folder = store.root / stage_name(generation)
    progress.doing(f"generation {generation}: labelling")
    pairs = label(setup, teachers, folder / "pseudo", store=store, pool=pool, report=ignore)
    progress.say(f"generation {generation}: {describe_pseudo_labels(folder / 'pseudo' / 'index.csv')}")
    jobs = fit_jobs(setup, store.root, generation=generation, pseudo=pairs)
    cost = train_cost(width_of(setup.recipe, setup.settings, generation))
    progress.doing(f"generation {generation}: training {len(jobs)} students")
    return train(setup, jobs, store=store, pool=pool, report=lambda steps: progress.advance(steps * cost))


def _index_csv(names: Sequence[str], ranges: Sequence[LabelledRange]) -> str:
    rows = [
        (part.first + offset, names[part.first + offset], bool(used), f"{disputed:.6f}", f"{foreground:.6f}")
        for part in ranges
        for offset, (used, disputed, foreground) in enumerate(
            zip(part.admitted, part.inconsistent_fraction, part.foreground_fraction, strict=True)
        )
    ]
    return csv_text(("row", "name", "admitted", "inconsistent_fraction", "foreground_fraction"), rows)
