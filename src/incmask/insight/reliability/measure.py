"""What the disagreement of a finished run's models is worth, on images that none of them has learnt from."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from incmask.base.errors import IncmaskError
from incmask.base.machine import num_cores
from incmask.base.pool import OpenPool, Pool
from incmask.base.progress import Progress, Report, Silent, ignore
from incmask.base.store import reopen
from incmask.data.stack import Stack
from incmask.experiment.paths import ERRORS, ERRORS_FIGURE, IMAGE_RELIABILITY, RELIABILITY
from incmask.experiment.record.run import RunRecord, open_run
from incmask.experiment.record.stages import ENSEMBLE
from incmask.insight.reliability.counting import HeldOutJob, Tally, by_image, join, scopes, tally
from incmask.insight.reliability.rows import (
    ErrorRow,
    ImageReliability,
    Reliability,
    error_rows,
    errors_csv,
    image_rows,
    images_csv,
)
from incmask.insight.report.plots_reliability import reliability_picture
from incmask.nets.forward import CHUNK

_JOB_IMAGES = 8 * CHUNK


def measure_reliability(run: RunRecord, pool: Pool, report: Report = ignore) -> Reliability:
    """Compare the disagreement of a run's models with their errors, on validation and test images.

    Args:
        run: whose models.
        pool: workers.
        report: called with numbers of images.
    """
    errors: list[ErrorRow] = []
    images: list[ImageReliability] = []
    num_subjects: dict[str, int] = {}
    class_names = run.class_names
    held_out = _held_out(run)
    for part in held_out:
        jobs = _jobs(run, part)
        done = dict(pool.run(tally, jobs, report))
        names = [part.stack.names[row] for job in jobs for row in job.rows]
        found = by_image(join([done[job] for job in jobs]), names)
        of_images = list(dict.fromkeys(names))
        subjects = [part.subjects[name] for name in of_images]
        num_subjects[part.split] = len(set(subjects))
        errors += error_rows(
            part.split,
            scopes(run.task, class_names),
            found.total,
            found.wrong,
            subjects=subjects,
        )
        images += image_rows(
            part.split,
            of_images,
            found,
            scores=_scores(run, part.split, of_images, found),
        )
    note = "no two models have left the same labelled images unseen, so nothing is known of validation images"
    notes = () if any(part.split == "val" for part in held_out) else (note,)
    return Reliability(tuple(errors), tuple(images), num_subjects, notes)


def write_reliability(
    root: Path, *, open_pool: OpenPool, num_workers: int = 0, progress: Progress | None = None
) -> Reliability:
    """Write ``error_vs_disagreement.csv``, ``image_reliability.csv`` and ``reliability.json`` into a finished run.

    Where matplotlib is installed, ``error_vs_disagreement.svg`` too.

    Args:
        root: the run folder.
        open_pool: gives workers.
        num_workers: processes; 0: one a core, as many as are worth starting.
        progress: a listener.

    Raises:
        IncmaskError: the folder holds no finished run, or cannot be written.
    """
    progress = progress or Silent()
    run = open_run(root)
    with reopen(root) as store:
        num_images = sum(len(rows) for part in _held_out(run) for _, rows in part.unseen_by)
        progress.expect(num_images)
        progress.doing("errors against disagreement")
        with open_pool(min(num_workers or num_cores(), max(1, -(-num_images // CHUNK)))) as pool:
            found = measure_reliability(run, pool, progress.advance)
        store.write(root / ERRORS, errors_csv(found.errors))
        store.write(root / IMAGE_RELIABILITY, images_csv(found.images))
        store.write(root / RELIABILITY, json.dumps(found.as_dict(), indent=1))
        try:
            picture = reliability_picture(found.errors, found.images, score_name=run.scoring.name)
        except IncmaskError:
            # Without matplotlib the numbers are there all the same.
            picture = None
        if picture:
            store.write(root / ERRORS_FIGURE, picture.svg)
    return found


@dataclass(frozen=True)
class _HeldOut:
    """Labelled images that some models have not seen: groups of models, each with rows of the stack."""

    split: str
    stack: Stack
    subjects: dict[str, str]
    unseen_by: tuple[tuple[tuple[Path, ...], tuple[int, ...]], ...]


def _held_out(run: RunRecord) -> list[_HeldOut]:
    found = []
    for part in ("val", "test"):
        if run.part(part):
            stack = run.stack(part)
            found.append(_HeldOut(part, stack, run.groups(part), ((run.members, tuple(range(len(stack)))),)))
    folds = run.folds
    if folds[0].validation is None or {*folds[0].validation} & {*folds[0].training}:
        return found
    if len(folds) == 1:
        groups = [(run.members, folds[0].validation)]
    else:
        # Of each image only those models are asked that were trained without its fold.
        students = sorted(run.handed_over.students, key=lambda student: student.number)
        of_fold = [tuple(each.model for each in students if each.fold == fold) for fold in range(len(folds))]
        num = min(map(len, of_fold))
        groups = [(members[:num], fold.validation or ()) for members, fold in zip(of_fold, folds, strict=True)]
    if min(len(members) for members, _ in groups) > 1:
        found.insert(0, _HeldOut("val", run.stack("labelled"), run.groups("labelled"), tuple(groups)))
    return found


def _scores(run: RunRecord, split: str, names: Sequence[str], found: Tally) -> Sequence[float]:
    """Give the scores of images as the run wrote them down; of folds, whose models judge together here alone, anew."""
    stored, model = run.image_scores if split == "test" else run.validation_scores, f"{run.chosen}/{ENSEMBLE}"
    if stored is None or model not in stored.scores:
        return run.scoring.by_image(found.counts).tolist()
    scores = dict(zip(stored.names, stored.scores[model], strict=True))
    return [scores[name] for name in names]


def _jobs(run: RunRecord, part: _HeldOut) -> list[HeldOutJob]:
    jobs: list[HeldOutJob] = []
    for members, rows in part.unseen_by:
        for start in range(0, len(rows), _JOB_IMAGES):
            jobs.append(
                HeldOutJob(
                    members=members,
                    images=part.stack.images,
                    labels=part.stack.labels,
                    rows=rows[start : start + _JOB_IMAGES],
                    scoring=run.scoring,
                    num_classes=len(run.class_names),
                    settings=run.settings,
                )
            )
    return jobs
