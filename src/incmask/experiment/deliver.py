"""What is made of trained models: their scores, the model that is handed over, the masks of all images."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from incmask.base.errors import IncmaskError, Problem
from incmask.base.progress import ignore
from incmask.base.shards import SHARDED_FROM, SHARDS
from incmask.experiment.image_objects import image_objects_csv
from incmask.experiment.mask_shards import files_of, remove_tables, tables_of, write_in_shards
from incmask.experiment.paths import (
    IMAGE_COUNTS,
    IMAGE_OBJECTS,
    IMAGE_SCORES,
    MODEL,
    SCORES,
    TOGETHER,
    VALIDATION_SCORES,
)
from incmask.experiment.scores import (
    EvaluateJob,
    ScoreRow,
    about_of,
    evaluate_models,
    from_csv,
    image_counts_csv,
    image_scores_csv,
    to_csv,
)
from incmask.experiment.setup import RunContext, Setup
from incmask.experiment.student import Student, mean_over_folds, rank
from incmask.experiment.watch import check_unchanged
from incmask.method.object_scores import ObjectMatch
from incmask.prediction.files import ImageFile, Predicted, PredictJob, predict_files
from incmask.prediction.layers import DISAGREEMENT, INCONSISTENT, MASKS
from incmask.prediction.model_folder import save_ensemble
from incmask.prediction.shares import CELL_COUNTS, MASK_SHARES, MaskShares
from incmask.prediction.value_layers import PREDICTIONS

_LEAST_FILES = 8
"""Images that are worth the reading of a model, at least."""
_MOST_FILES = 1_000
"""Images of a job at most, so that little is lost with a worker, and little is sent to one at a time."""


@dataclass(frozen=True)
class Stage:
    """Models that were trained together, best first.

    Attributes:
        name: "base", "control", "gen-1" and so on.
        students: ranked by validation.
        members: those that predict together.
        score: on validation, of the members together (cross-validated: the mean over folds of all students).
        rows: what was scored for it in this process, which need not be scored again.
    """

    name: str
    students: tuple[Student, ...]
    members: tuple[Student, ...]
    score: float
    rows: Mapping[EvaluateJob, ScoreRow] = field(default_factory=dict, compare=False)


def make_stage(run: RunContext, name: str, students: Sequence[Student], *, earlier: Sequence[Stage]) -> Stage:
    """Rank the students of a stage and score the best of them together.

    Args:
        run: the run.
        name: of the stage.
        students: all of the stage.
        earlier: the stages before it.
    """
    before = [student for stage in earlier for student in stage.students]
    ranked = tuple(rank(students, earlier=before))
    members = ranked[: run.setup.settings.num_members]
    path = run.store.root / name / TOGETHER
    rows: dict[EvaluateJob, ScoreRow] = {}
    if not run.store.has(path):
        score, rows = _score(run, name, ranked, members)
        run.store.write(path, json.dumps({"validation_score": score}))
    score = json.loads(path.read_text(encoding="utf-8"))["validation_score"]
    return Stage(name, ranked, members, score, rows)


def _score(
    run: RunContext, name: str, students: Sequence[Student], members: Sequence[Student]
) -> tuple[float, dict[EvaluateJob, ScoreRow]]:
    """Score a stage on the whole images that choose; give the rows, too."""
    jobs = jobs_that_choose(run.setup, name, students, members)
    rows = dict(run.pool.run(evaluate_models, jobs, ignore))
    if len(run.setup.folds) == 1:
        return rows[jobs[0]].score, rows
    scored = [replace(student, score=rows[job].score) for job, student in zip(jobs, students, strict=True)]
    return mean_over_folds(scored), rows


def jobs_that_choose(
    setup: Setup, name: str, students: Sequence[Student], members: Sequence[Student]
) -> list[EvaluateJob]:
    """Give what there is to score of a stage to choose it: its members together, or of several folds each student."""
    if len(setup.folds) == 1:
        return [_job(setup, name, "ensemble", "val", members)]
    # Members of other folds have seen these images, so only each one's own fold is honest.
    return [_job(setup, name, str(each.number), "val", [each]) for each in students]


def evaluate_all(run: RunContext, stages: Sequence[Stage]) -> list[ScoreRow]:
    """Score every model, once everything is chosen: the only place that reads the test images."""
    setup, store = run.setup, run.store
    path, besides = store.root / SCORES, (IMAGE_SCORES, VALIDATION_SCORES, IMAGE_COUNTS, IMAGE_OBJECTS)
    lost = store.lost(*(store.root / name for name in besides))
    if store.has(path) and not lost:
        return from_csv(path.read_text(encoding="utf-8"))
    jobs = [job for stage in stages for job in _jobs(setup, stage)]
    known = {job: row for stage in stages for job, row in stage.rows.items()}
    rows = known | dict(run.pool.run(evaluate_models, [job for job in jobs if job not in known], ignore))
    scores = [rows[job] for job in jobs]
    check_unchanged(run.stamps)
    if "test" in setup.stacks:
        store.write(store.root / IMAGE_SCORES, image_scores_csv(scores))
    store.write(store.root / VALIDATION_SCORES, image_scores_csv(scores, split="val"))
    class_names = [each.name for each in setup.dataset.classes]
    if not setup.labels.is_continuous:
        store.write(store.root / IMAGE_COUNTS, image_counts_csv(scores, class_names))
    if any(row.objects for row in scores):
        store.write(store.root / IMAGE_OBJECTS, image_objects_csv(_objects(scores)))
    store.write(path, to_csv(scores))
    return scores


def _jobs(setup: Setup, stage: Stage) -> Iterator[EvaluateJob]:
    """Give what there is to score of a stage."""
    for split in ("val", "test"):
        if split == "test" and "test" not in setup.stacks:
            continue
        yield from (_job(setup, stage.name, str(each.number), split, [each]) for each in stage.students)
        if split == "test" or len(setup.folds) == 1:
            yield _job(setup, stage.name, "ensemble", split, stage.members)


def _objects(scores: Sequence[ScoreRow]) -> Iterator[tuple[str, str, str, str, ObjectMatch]]:
    for row in scores:
        for name, match in zip(row.names, row.objects, strict=True):
            yield row.stage, row.model, row.split, name, match


def hand_over(run: RunContext, chosen: Stage) -> Path:
    """Write the models that predict together to ``model/``."""
    setup, folder = run.setup, run.store.root / MODEL
    paths = save_ensemble(
        folder,
        [member.model for member in chosen.members],
        about_of(setup.dataset, setup.size, setup.settings),
        scores={"stage": chosen.name, setup.scoring.full_name: chosen.score},
    )
    run.store.record(*paths)
    return folder


def write_masks(run: RunContext, model: Path) -> None:
    """Write masks and disputed pixels of all unlabelled images, by the models that were handed over.

    Of more than ``SHARDED_FROM`` images they lie in archives, each of which stays once it is whole; of damaged ones
    these alone are made anew.
    """
    setup, store = run.setup, run.store
    table, items = store.root / MASK_SHARES, setup.dataset.unlabelled
    layers = (MASKS, PREDICTIONS, INCONSISTENT, DISAGREEMENT, CELL_COUNTS, SHARDS)
    lost = store.lost(*(store.root / name for name in layers))
    is_told = store.has(table)
    if is_told:
        remove_tables(store)
    if not items or (is_told and not lost):
        return
    job = PredictJob(model, (), store.root, device=setup.settings.device)
    predicted = partial(_predicted, run)
    if len(items) > SHARDED_FROM and setup.dataset.volumes is None:
        write_in_shards(run, job, lost, predicted=predicted, is_told=is_told)
        return
    job = replace(job, files=tuple(ImageFile(item.name, item.image) for item in items))
    shares: list[MaskShares] = []
    for _, done in predicted(job.share_out(_num_jobs(len(items), run.pool.num_workers))):
        # While others are predicted; that all are there, and of these images, the table tells.
        store.record(*files_of(store.root, done))
        shares += (replace(share, files=()) for share in done.shares)
    for file, text in tables_of(setup, shares).items():
        store.write(store.root / file, text)


def _num_jobs(num_files: int, num_workers: int) -> int:
    """Give more than workers, so that none waits long for another at the end; each reads the model."""
    num_jobs = min(4 * num_workers, max(num_workers, num_files // _LEAST_FILES))
    return max(num_jobs, -(-num_files // _MOST_FILES))


def _predicted(run: RunContext, jobs: Sequence[PredictJob]) -> Iterator[tuple[PredictJob, Predicted]]:
    """Give what came of each job as it ends, and in the end tell of images that could not be read."""
    problems: list[Problem] = []
    for job, done in run.pool.run(predict_files, jobs, ignore):
        yield job, done
        problems += done.problems
    if problems:
        raise IncmaskError(problems)
    check_unchanged(run.stamps)


def _job(setup: Setup, stage: str, model: str, split: str, members: Sequence[Student]) -> EvaluateJob:
    dataset = setup.dataset
    return EvaluateJob(
        stage=stage,
        model=model,
        split=split,
        members=tuple(member.model for member in members),
        items=setup.validation_items(members[0].fold) if split == "val" else tuple(dataset.test),
        dataset=replace(dataset, labelled=(), unlabelled=(), val=(), test=()),
        size=setup.size,
        scoring=setup.scoring,
        settings=setup.settings,
    )
