"""The networks that rate pseudo-labels: their examples, their training, and how good they are."""

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from scipy import stats

from incmask.base.config import Settings
from incmask.base.described import callable_by_job
from incmask.base.device import device_of
from incmask.base.files import whole_file
from incmask.base.npy_rows import new_rows
from incmask.base.pool import run_ranges
from incmask.base.progress import Report, ignore
from incmask.base.tables import csv_text
from incmask.data.volumes.grid import poolings_of
from incmask.experiment.paths import EVALNETS, EVALNETS_REPORT, RATINGS, student_folder
from incmask.experiment.setup import RunContext, Setup, seed_for
from incmask.experiment.student import Student, rank
from incmask.experiment.train import train
from incmask.method.quality import mask_channels, num_outputs, quality
from incmask.nets.evalnet import POOLINGS
from incmask.nets.forward import CHUNK
from incmask.nets.spec import EvalNetSpec, VolumeEvalNetSpec, load_model
from incmask.training.jobs import FitJob
from incmask.training.rating import Judgement, RatingObjective, judge_pairs
from incmask.training.rating_pairs import TRAINING_PASSES, VALIDATION_PASSES, PairJob, PairSet, make_pairs

_SEED_STREAM = 1000
"""In place of the number of a generation, so that EvalNets have seeds of their own."""

_LEAST_SIDE = 2
"""Voxels that a side of a volume keeps in the networks that rate, so that a batch norm has several of each volume."""


@dataclass(frozen=True)
class JudgesReport:
    """How well ratings match the true quality of the validation pairs.

    Attributes:
        num_judges, num_pairs: how many networks rated together, and what.
        mae: mean absolute error of their ratings.
        mean_mae: the same of always predicting the mean quality of the training pairs.
        pearson, spearman: correlation of rating and quality; None where either is constant.
    """

    num_judges: int
    num_pairs: int
    mae: float
    mean_mae: float
    pearson: float | None
    spearman: float | None

    @property
    def useful(self) -> bool:
        """Whether they know more than the mean."""
        return self.mae < self.mean_mae

    def sentence(self) -> str:
        """Tell what a person should know of them."""
        error = f"ratings are off by {self.mae:.3f} on validation"
        if not self.useful:
            return (
                f"warning: the EvalNets are no better than predicting the mean ({error}, the mean by "
                f"{self.mean_mae:.3f}): copies and choices by their ratings are no better than chance"
            )
        rank_of = "" if self.spearman is None else f", rank correlation {self.spearman:.2f}"
        return f"EvalNets: {error} (the mean by {self.mean_mae:.3f}){rank_of}"


@dataclass(frozen=True)
class Judges:
    """EvalNets that rate together.

    Attributes:
        models: their files, best first.
        students: all that were trained.
        report: how good they are.
    """

    models: tuple[Path, ...]
    students: tuple[Student, ...]
    report: JudgesReport


def evalnet_width(setup: Setup) -> float:
    """Width factor of the EvalNets (appendix A.3: twice the networks')."""
    return setup.settings.evalnet_width or 2 * setup.settings.width


def evalnet_spec(setup: Setup) -> EvalNetSpec:
    """Give the network that rates the masks of a run."""
    spec = EvalNetSpec(
        image_channels=setup.dataset.channels,
        mask_channels=mask_channels(setup.task, setup.num_classes),
        num_outputs=num_outputs(setup.task, setup.num_classes),
        width=evalnet_width(setup),
        batch_norm_momentum=setup.settings.batch_norm_momentum,
        head=setup.settings.evalnet_head,
    )
    if (volumes := setup.dataset.volumes) is None:
        return spec
    poolings = poolings_of(volumes.patch, volumes.spacing, num_levels=POOLINGS, least_side=_LEAST_SIDE)
    return VolumeEvalNetSpec(**vars(spec), depth=volumes.depth, poolings=poolings)


def train_evalnets(run: RunContext, models: Sequence[Student], *, report: Callable[[float], None]) -> Judges:
    """Train EvalNets on the masks of base models, and rank them by validation (section 2.4.5).

    Leaves the pairs, ``students/``, ``ratings.csv`` (predicted and true quality of the validation pairs by the best
    together) and ``quality.json``.

    Args:
        run: the run.
        models: whose masks are examples.
        report: called with training steps.
    """
    setup, settings, folder = run.setup, run.setup.settings, run.store.root / EVALNETS
    objectives = [
        RatingObjective(
            training=_pairs(run, models, folder / f"pairs-{fold + 1}" / "training", fold),
            validation=_pairs(run, models, folder / f"pairs-{fold + 1}" / "validation", fold, validation=True),
            task=setup.task,
            num_classes=setup.num_classes,
        )
        for fold in range(min(len(setup.folds), settings.num_evalnets))
    ]
    jobs = [
        FitJob(
            folder=student_folder(folder, index + 1),
            network=evalnet_spec(setup),
            objective=objectives[index % len(objectives)],
            settings=settings,
            seed=seed_for(settings.seed, _SEED_STREAM, index),
        )
        for index in range(settings.num_evalnets)
    ]
    students = train(jobs, num_folds=len(objectives), store=run.store, pool=run.pool, report=report)
    best = rank(students)[: settings.judging]
    examined = _examine(run, best, objectives, folder)
    return Judges(tuple(student.model for student in best), tuple(students), examined)


def _pairs(run: RunContext, models: Sequence[Student], folder: Path, fold: int, *, validation: bool = False) -> PairSet:
    """Make the pairs of one side of a fold, unless they are there."""
    setup, evalnets = run.setup, run.setup.recipe.evalnets
    blocked = evalnets is not None and evalnets.blocked
    source = setup.validation(fold) if validation else setup.training(fold)
    rows = source.rows if source.rows is not None else tuple(range(len(setup.stacks["val"])))
    pairs = PairSet(
        images=source.images,
        rows=rows,
        labels=folder / "label.npy",
        inconsistent=folder / "inconsistent.npy" if blocked else None,
        targets=folder / "targets.npy",
        # Section 2.4.7; the plain ones are as the models made them.
        strength=setup.profile.evalnet if blocked and not validation else None,
        seed=setup.settings.seed,
        depth=setup.dataset.depth,
    )
    if run.store.has(*pairs.files):
        return pairs
    with ExitStack() as files:
        labels = files.enter_context(whole_file(pairs.labels))
        masks = files.enter_context(whole_file(pairs.inconsistent)) if pairs.inconsistent else None
        template = PairJob(
            members=tuple(model.model for model in models),
            images=source.images,
            truth=source.labels,
            rows=rows,
            labels=labels,
            inconsistent=masks,
            num_passes=VALIDATION_PASSES if validation else TRAINING_PASSES,
            first=0,
            last=len(rows),
            task=setup.task,
            num_classes=setup.num_classes,
            settings=setup.settings,
            depth=setup.dataset.depth,
        )
        num_pairs = template.pairs_an_image * len(rows)
        new_rows(labels, np.uint8, setup.labels.shape((num_pairs, *setup.size), setup.num_classes))
        if masks is not None:
            new_rows(masks, np.bool_, (num_pairs, *setup.size))
        jobs = [
            replace(template, first=first, last=min(first + CHUNK, len(rows))) for first in range(0, len(rows), CHUNK)
        ]
        parts = run_ranges(run.pool, make_pairs, jobs)
    targets = np.concatenate([part.targets for part in parts], 1)
    with whole_file(pairs.targets) as path, open(path, "wb") as handle:
        np.save(handle, targets.reshape(num_pairs, -1))
    run.store.record(*pairs.files)
    return pairs


@dataclass(frozen=True)
class _Examination:
    """Validation pairs to be rated by models together."""

    models: tuple[Path, ...]
    objective: RatingObjective
    settings: Settings


@callable_by_job
def _judge_together(job: _Examination, report: Report) -> Judgement:
    device = device_of(job.settings)
    networks = [load_model(path).to(device) for path in job.models]
    return judge_pairs(networks, job.objective, settings=job.settings)


def _examine(
    run: RunContext, best: Sequence[Student], objectives: Sequence[RatingObjective], folder: Path
) -> JudgesReport:
    """Rate the validation pairs by the judges together; with several folds each judge rates its own fold's."""
    path, store = folder / EVALNETS_REPORT, run.store
    if store.has(path, folder / RATINGS):
        return JudgesReport(**json.loads(path.read_text(encoding="utf-8")))
    if len(objectives) == 1:
        groups = [(best, objectives[0])]
    else:
        groups = [((student,), objectives[student.fold]) for student in best]
    jobs = [
        _Examination(tuple(student.model for student in students), objective, run.setup.settings)
        for students, objective in groups
    ]
    done = dict(run.pool.run(_judge_together, jobs, ignore))
    judged = [done[job] for job in jobs]
    predicted, true = (np.concatenate([getattr(each, name) for each in judged]) for name in ("predicted", "true"))
    known = quality(np.load(objectives[0].training.targets), run.setup.task)
    varied = len(true) > 2 and np.ptp(predicted) > 0 and np.ptp(true) > 0
    found = JudgesReport(
        num_judges=len(best),
        num_pairs=len(true),
        mae=float(np.abs(predicted - true).mean()),
        mean_mae=float(np.abs(known.mean() - true).mean()),
        pearson=float(stats.pearsonr(predicted, true).statistic) if varied else None,
        spearman=float(stats.spearmanr(predicted, true).statistic) if varied else None,
    )
    store.write(folder / RATINGS, csv_text(("predicted", "true"), zip(predicted.tolist(), true.tolist(), strict=True)))
    store.write(path, json.dumps(asdict(found), indent=1))
    return found
