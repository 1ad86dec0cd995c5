import csv
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import mean_absolute_error

from incmask.base.pool import HerePool
from incmask.base.progress import Silent, ignore
from incmask.base.store import Store
from incmask.data.split import Fold
from incmask.experiment.evalnets import JudgesReport, evalnet_spec, train_evalnets
from incmask.experiment.setup import BASE, RunContext
from incmask.experiment.train import train
from incmask.method.quality import mask_channels, num_outputs, quality
from incmask.method.recipes import RECIPES
from incmask.nets.spec import EvalNetSpec, load_model
from incmask.training.jobs import FitJob
from incmask.training.rating import judge_pairs
from small import NUM_CLASSES, TASKS, WITH_VAL, some_setup, student_jobs

TWO_FOLDS = (Fold((2, 3), (0, 1)), Fold((0, 1), (2, 3)))


def trained(folder, *, recipe="im++", task="binary", folds=WITH_VAL, **settings):
    """Three base models, then three EvalNets of which two are judges."""
    few = {"num_evalnets": 3, "num_judges": 2, "precision": "float32"}
    this = some_setup(folder, recipe=recipe, task=task, folds=folds, **(few | settings))
    with Store(folder / "run", run={}, data={}) as store:
        jobs = student_jobs(replace(this, recipe=RECIPES["ldt"]), store.root / BASE)
        pool = Pool()
        models = train(jobs, num_folds=len(folds), store=store, pool=pool, report=ignore)
        pool.jobs.clear()
        judges = train_evalnets(RunContext(this, store, pool, Silent()), models, report=ignore)
    return this, judges, pool.jobs


class Pool(HerePool):
    """Remembers its jobs."""

    def __init__(self):
        super().__init__(1)
        self.jobs = []

    def run(self, function, jobs, report):
        self.jobs += jobs
        yield from super().run(function, jobs, report)


def objectives_of(jobs):
    return [job.objective for job in jobs if isinstance(job, FitJob)]


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_judges_are_the_best_by_mean_absolute_error_and_are_reported(tmp_path, task):
    this, judges, jobs = trained(tmp_path, task=task)
    (objective, *others) = objectives_of(jobs)
    assert others == [objective, objective]
    # Ten blocked pairs of each of four images, three of each of the two that validate.
    targets = [np.load(pairs.targets) for pairs in (objective.training, objective.validation)]
    num = num_outputs(task, NUM_CLASSES[task])
    assert [each.shape for each in targets] == [(40, num), (6, num)]
    assert np.load(objective.training.inconsistent).shape == (40, 32, 32)
    assert (objective.training.strength, objective.validation.strength) == (this.profile.evalnet, None)

    errors = {}
    for student in judges.students:
        judged = judge_pairs([load_model(student.model)], objective, settings=this.settings)
        errors[student.model] = mean_absolute_error(judged.true, judged.predicted)
        assert student.score == pytest.approx(1 - errors[student.model], abs=1e-6)
    assert list(judges.models) == sorted(errors, key=errors.get)[:2]

    with open(tmp_path / "run" / "evalnets" / "ratings.csv", newline="") as handle:
        table = list(csv.DictReader(handle))
    predicted, true = (np.array([float(line[name]) for line in table]) for name in ("predicted", "true"))
    together = judge_pairs([load_model(path) for path in judges.models], objective, settings=this.settings)
    np.testing.assert_allclose(predicted, together.predicted)
    np.testing.assert_allclose(true, quality(targets[1], task))
    report = judges.report
    assert (report.num_judges, report.num_pairs) == (2, 6)
    assert report.mae == pytest.approx(mean_absolute_error(true, predicted))
    mean = quality(targets[0], task).mean()
    assert report.mean_mae == pytest.approx(mean_absolute_error(true, np.full(6, mean)))
    if np.ptp(predicted) and np.ptp(true):
        assert report.pearson == pytest.approx(np.corrcoef(predicted, true)[0, 1])
        ranks = [stats.rankdata(values) for values in (predicted, true)]
        assert report.spearman == pytest.approx(np.corrcoef(*ranks)[0, 1])


def test_plain_pairs_are_all_models_masks_and_the_truth(tmp_path):
    _, judges, jobs = trained(tmp_path, recipe="evalnet")
    (objective, *_) = objectives_of(jobs)
    for pairs, num_images in ((objective.training, 4), (objective.validation, 2)):
        assert (pairs.inconsistent, pairs.strength) == (None, None)
        targets = np.load(pairs.targets)
        # Three models and the truth.
        assert len(targets) == 4 * num_images
        assert (targets[-num_images:] == 1).all()
    assert judges.report.num_pairs == 8
    assert not (tmp_path / "run" / "evalnets" / "pairs-1" / "training" / "inconsistent.npy").exists()


def test_each_judges_its_own_fold(tmp_path):
    this, judges, jobs = trained(tmp_path, folds=TWO_FOLDS)
    first, second, third = objectives_of(jobs)
    assert (first, first == second) == (third, False)
    assert (first.training.rows, first.validation.rows) == ((2, 3), (0, 1))
    assert (second.training.rows, second.validation.rows) == ((0, 1), (2, 3))
    assert [student.fold for student in judges.students] == [0, 1, 0]
    # Each of both judges rates the 2 · 3 validation pairs of its own fold.
    assert judges.report.num_pairs == 12
    best = [student for path in judges.models for student in judges.students if student.model == path]
    parts = [
        judge_pairs([load_model(student.model)], (first, second)[student.fold], settings=this.settings)
        for student in best
    ]
    errors = np.abs(np.concatenate([part.predicted - part.true for part in parts]))
    assert judges.report.mae == pytest.approx(errors.mean())


def test_no_more_folds_than_evalnets(tmp_path):
    _, judges, jobs = trained(tmp_path, folds=TWO_FOLDS, num_evalnets=1, num_judges=1)
    assert len(objectives_of(jobs)) == 1
    assert judges.report.num_pairs == 6


@pytest.mark.slow
@pytest.mark.parametrize(("settings", "num"), [({}, 2), ({"num_members": 3}, 3), ({"num_evalnets": 1}, 1)])
def test_as_many_judges_as_members_unless_they_are_counted(tmp_path, settings, num):
    this, judges, _ = trained(tmp_path, num_judges=0, **settings)
    assert (len(judges.models), judges.report.num_judges, this.settings.judging) == (num, num, num)


def test_eval_nets_of_each_repeat_see_pairs_augmented_in_another_way(tmp_path):
    for seed in (1, 2):
        _, _, jobs = trained(tmp_path / str(seed), seed=seed, num_evalnets=1)
        assert objectives_of(jobs)[0].training.seed == seed


def test_trained_judges_are_not_trained_again(tmp_path):
    this, judges, _ = trained(tmp_path)
    with Store(tmp_path / "run", run={}, data={}) as store:
        pool = Pool()
        # Of other models nothing is asked any more.
        again = train_evalnets(RunContext(this, store, pool, Silent()), [], report=ignore)
    assert again == judges
    assert pool.jobs == []


@pytest.mark.parametrize("task", TASKS)
def test_the_network_of_a_task(tmp_path, task):
    this = some_setup(tmp_path, task=task, recipe="im++", width=0.25)
    num_classes = NUM_CLASSES[task]
    assert replace(evalnet_spec(this), head="glorot_uniform") == evalnet_spec(
        replace(this, settings=this.settings.model_copy(update={"evalnet_head": "glorot_uniform"}))
    )
    assert evalnet_spec(this) == EvalNetSpec(
        image_channels=1,
        mask_channels=mask_channels(task, num_classes),
        num_outputs=num_outputs(task, num_classes),
        width=0.5,
        batch_norm_momentum=this.settings.batch_norm_momentum,
    )
    wider = replace(this, settings=this.settings.model_copy(update={"evalnet_width": 1.5}))
    assert evalnet_spec(wider).width == 1.5


def report_of(*, mae=0.1, mean_mae=0.2, spearman=0.756):
    return JudgesReport(num_judges=2, num_pairs=6, mae=mae, mean_mae=mean_mae, pearson=0.5, spearman=spearman)


def test_what_is_told_of_useful_judges():
    assert report_of().useful
    assert report_of().sentence() == (
        "EvalNets: ratings are off by 0.100 on validation (the mean by 0.200), rank correlation 0.76"
    )
    assert report_of(spearman=None).sentence().endswith("validation (the mean by 0.200)")


@pytest.mark.parametrize("mae", [0.2, 0.3])
def test_judges_no_better_than_the_mean_are_warned_of(mae):
    report = report_of(mae=mae)
    assert not report.useful
    assert report.sentence() == (
        "warning: the EvalNets are no better than predicting the mean (ratings are off by "
        f"{mae:.3f} on validation, the mean by 0.200): copies and choices by their ratings are no better than chance"
    )
