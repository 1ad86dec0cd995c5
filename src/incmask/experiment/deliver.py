"""What is made of trained models: their scores, the model that is handed over, the masks of all images."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from incmask.base.errors import IncmaskError
from incmask.base.progress import ignore
from incmask.experiment.paths import IMAGE_SCORES, MODEL, SCORES, TOGETHER, VALIDATION_SCORES
from incmask.experiment.scores import EvaluateJob, ScoreRow, evaluate_models, from_csv, image_scores_csv, to_csv
from incmask.experiment.setup import RunContext, Setup
from incmask.experiment.student import Student, mean_over_folds, rank
from incmask.prediction.ensemble import About, save_ensemble
from incmask.prediction.files import ImageFile, PredictJob, predict_files
from incmask.prediction.shares import MASK_SHARES, tables
from incmask.training.validation import Validation


@dataclass(frozen=True)
class Stage:
    """Models that were trained together, best first.

    Attributes:
        name: "base", "control", "gen-1" and so on.
        students: ranked by validation.
        members: those that predict together.
        score: on validation, of the members together (cross-validated: the mean over folds of all students).
    """

    name: str
    students: tuple[Student, ...]
    members: tuple[Student, ...]
    score: float


def make_stage(run: RunContext, name: str, students: Sequence[Student], *, earlier: Sequence[Stage]) -> Stage:
    """Rank the students of a stage and score the best of them together.

    Args:
        run: the run.
        name: of the stage.
        students: all of the stage.
        earlier: the stages before it.
    """
    setup, settings, store = run.setup, run.setup.settings, run.store
    before = [student for stage in earlier for student in stage.students]
    ranked = tuple(rank(students, earlier=before))
    members = ranked[: settings.num_members]
    if len(setup.folds) > 1:
        # Members of other folds have seen these images, so only each one's own fold is honest.
        score = mean_over_folds(students)
    else:
        path = store.root / name / TOGETHER
        if not store.has(path):
            row = next(run.pool.run(evaluate_models, [_job(setup, name, "ensemble", "val", members)], ignore))[1]
            store.write(path, json.dumps({"validation_score": row.score}))
        score = json.loads(path.read_text(encoding="utf-8"))["validation_score"]
    return Stage(name, ranked, members, score)


def evaluate_all(run: RunContext, stages: Sequence[Stage]) -> list[ScoreRow]:
    """Score every model, once everything is chosen: the only place that reads the test images."""
    setup, store = run.setup, run.store
    path = store.root / SCORES
    if store.has(path):
        return from_csv(path.read_text(encoding="utf-8"))
    jobs = []
    for stage in stages:
        for split in ("val", "test"):
            if split == "test" and "test" not in setup.stacks:
                continue
            jobs += [_job(setup, stage.name, str(each.number), split, [each]) for each in stage.students]
            if split == "test" or len(setup.folds) == 1:
                jobs.append(_job(setup, stage.name, "ensemble", split, stage.members))
    rows = dict(run.pool.run(evaluate_models, jobs, ignore))
    scores = [rows[job] for job in jobs]
    if "test" in setup.stacks:
        store.write(store.root / IMAGE_SCORES, image_scores_csv(setup.stacks["test"].names, scores))
    chose = setup.stacks["val" if "val" in setup.stacks else "labelled"].names
    store.write(store.root / VALIDATION_SCORES, image_scores_csv(chose, scores, split="val"))
    store.write(path, to_csv(scores))
    return scores


def hand_over(run: RunContext, chosen: Stage) -> Path:
    """Write the models that predict together to ``model/``."""
    setup, dataset, folder = run.setup, run.setup.dataset, run.store.root / MODEL
    about = About(
        task=dataset.task,
        classes=dataset.classes,
        channels=dataset.channels,
        intensity=dataset.intensity,
        size=setup.size,
        fit=setup.settings.fit,
        precision=setup.settings.precision,
        position_class=dataset.position_class,
    )
    paths = save_ensemble(
        folder,
        [member.model for member in chosen.members],
        about,
        scores={"stage": chosen.name, setup.scoring.full_name: chosen.score},
    )
    run.store.record(*paths)
    return folder


def write_masks(run: RunContext, model: Path) -> None:
    """Write masks and disputed pixels of all unlabelled images, by the models that were handed over."""
    setup, store = run.setup, run.store
    table = store.root / MASK_SHARES
    items = setup.dataset.unlabelled
    if not items or store.has(table):
        return
    files = [ImageFile(item.name, item.image) for item in items]
    job = PredictJob(model, tuple(files), store.root, device=setup.settings.device)
    shares_of_work = job.share_out(4 * run.pool.num_workers)
    done = [predicted for _, predicted in run.pool.run(predict_files, shares_of_work, ignore)]
    if problems := [problem for each in done for problem in each.problems]:
        raise IncmaskError(problems)
    shares = [share for each in done for share in each.shares]
    names = [each.name for each in setup.dataset.classes]
    for file, text in tables(shares, class_names=names, position_class=setup.dataset.position_class).items():
        store.write(store.root / file, text)


def _job(setup: Setup, stage: str, model: str, split: str, members: Sequence[Student]) -> EvaluateJob:
    if split == "val":
        images = setup.validation(members[0].fold)
    else:
        images = Validation(setup.stacks[split].images, setup.stacks[split].labels)
    return EvaluateJob(
        stage=stage,
        model=model,
        split=split,
        members=tuple(member.model for member in members),
        images=images,
        scoring=setup.scoring,
        class_names=tuple(each.name for each in setup.dataset.classes),
        position_class=setup.dataset.position_class,
        settings=setup.settings,
    )
