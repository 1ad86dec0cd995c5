import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from incmask.base.errors import IncmaskError
from incmask.base.pool import HerePool
from incmask.base.progress import Silent
from incmask.base.store import Store
from incmask.data.split import Fold
from incmask.experiment import deliver
from incmask.experiment.deliver import Stage, make_stage
from incmask.experiment.scores import ScoreRow
from incmask.experiment.setup import BASE, RunContext, seed_for, stage_name
from incmask.experiment.student import Student, mean_over_folds, rank
from incmask.experiment.train import adopt, train
from incmask.method.growth import training_settings, width_of
from incmask.method.mixture import PLAIN, TrainingPart, TrainingStacks
from incmask.method.profiles import PROFILES
from incmask.method.recipes import RECIPES
from incmask.training.files import CHECKPOINT, HISTORY, MODEL, SCORES
from incmask.training.validation import Validation
from small import TASKS, some_settings, some_setup, student_jobs


def student(number, *, fold=0, score=0.0, loss=0.0):
    return Student(Path(str(number)), number, fold, 1, loss, score, 10, 20)


def ranked(students, **options):
    return [each.number for each in rank(students, **options)]


def test_the_best_score_comes_first_and_the_first_of_equals():
    students = [student(1, score=0.5), student(2, score=0.7), student(3, score=0.7), student(4, score=0.1)]
    assert ranked(students) == [2, 3, 1, 4]
    assert ranked(students[::-1]) == [2, 3, 1, 4]


def test_the_loss_ranks_no_model():
    students = [student(1, loss=0.5, score=1.0), student(2, loss=0.2, score=0.1), student(3, loss=0.9, score=0.4)]
    assert ranked(students) == [1, 3, 2]


@pytest.mark.parametrize("task", TASKS)
def test_whatever_chose_the_epochs_the_score_chooses_the_models(tmp_path, monkeypatch, task):
    """By loss, which picks the paper's epochs of overlapping classes, the order would be the other way round."""
    folds = (Fold((0, 1), (2, 3)), Fold((2, 3), (0, 1)))
    setup = some_setup(tmp_path, task=task, folds=folds, select_by="auto", num_members=2)
    students = [student(number, fold=number % 2, loss=number / 10, score=number / 10) for number in (1, 3, 2, 4)]
    earlier = [student(1, fold=fold, score=0.1) for fold in (0, 1) for _ in range(9)]
    of_wholes = {"1": 0.7, "2": 0.1, "3": 0.5, "4": 0.3}
    monkeypatch.setattr(
        deliver, "evaluate_models", lambda job, report: ScoreRow(job.stage, job.model, "val", of_wholes[job.model], {})
    )
    with Store(tmp_path / "run", run={}, data={}) as store:
        run = RunContext(setup, store, HerePool(), Silent())
        stage = make_stage(run, "gen-1", students, earlier=[Stage("base", tuple(earlier), (), 0.1)])
    assert [each.number for each in stage.students] == [4, 3, 2, 1]
    assert [each.number for each in stage.members] == [4, 3]
    # Of whole images, each by the models that have not seen it; a fold counts alike.
    assert stage.score == pytest.approx(((0.7 + 0.5) / 2 + (0.1 + 0.3) / 2) / 2)


def test_across_folds_each_is_compared_with_its_own_fold():
    """Fold 0 is easy, fold 1 hard: 3 is worse than 1, but far above its fold."""
    students = [
        student(1, fold=0, score=0.92),
        student(2, fold=1, score=0.30),
        student(3, fold=0, score=0.88),
        student(4, fold=1, score=0.50),
    ]
    assert ranked(students) == [4, 1, 3, 2]


def test_earlier_students_tell_how_difficult_a_fold_is():
    """Alone in their folds, 1 falls behind what fold 0 gave before, 2 gets ahead of fold 1."""
    students = [student(1, fold=0, score=0.80), student(2, fold=1, score=0.40)]
    earlier = [student(1, fold=0, score=0.90), student(2, fold=1, score=0.30), student(3, fold=0, score=0.86)]
    assert ranked(students) == [1, 2]
    assert ranked(students, earlier=earlier) == [2, 1]


def test_the_mean_over_folds_counts_each_fold_alike():
    students = [student(1, fold=0, score=0.9), student(2, fold=1, score=0.3), student(3, fold=0, score=0.7)]
    assert mean_over_folds(students) == pytest.approx((0.8 + 0.3) / 2)


def test_students_alone_in_their_folds_keep_their_order():
    assert ranked([student(number, fold=number, score=1 / number) for number in (3, 1, 2)]) == [1, 2, 3]


def test_widths_and_names_of_the_generations():
    settings = some_settings(width=0.5, width_step=0.25)
    assert [width_of(RECIPES["im+"], settings, generation) for generation in range(6)] == [
        *(0.5, 0.5, 0.75, 1.0, 1.25, 1.5),
    ]
    assert {width_of(RECIPES["im"], settings, generation) for generation in range(6)} == {0.5}
    assert [stage_name(generation) for generation in (0, 1, 12)] == ["base", "gen-1", "gen-12"]


def test_every_student_has_a_seed_of_its_own():
    seeds = {seed_for(*key) for key in np.ndindex(4, 6, 10)}
    assert len(seeds) == 240
    assert seed_for(1, 2, 3) == seed_for(1, 2, 3)


def test_jobs_of_the_base(tmp_path):
    this = some_setup(tmp_path, recipe="ldt")
    jobs = student_jobs(this, tmp_path / "run")
    assert [job.folder.relative_to(tmp_path / "run").as_posix() for job in jobs] == [
        f"students/{number}" for number in (1, 2, 3)
    ]
    assert len({job.seed for job in jobs}) == 3
    val = this.stacks["val"]
    for job in jobs:
        assert job.objective.validation == Validation(val.images, val.labels)
        assert job.objective.training.rows["index"].tolist() == [0, 1, 2, 3]
        assert (job.network.in_channels, job.network.out_channels, job.network.width) == (1, 1, 0.125)
        assert job.network.batch_norm_momentum == this.settings.batch_norm_momentum
        # The same data for all: only the seeds differ.
        assert job.objective.training is jobs[0].objective.training


@pytest.mark.parametrize(
    ("marks", "position_target", "values"), [("1", 3, (1, 3)), ("0", 3, (3, 1)), ("1", 1, None), (None, 3, None)]
)
def test_more_may_be_asked_where_a_class_marks_positions(tmp_path, marks, position_target, values):
    this = some_setup(tmp_path, task="multilabel", position_target=position_target)
    this = replace(this, dataset=replace(this.dataset, position_class=marks))
    assert {job.objective.target_values for job in student_jobs(this, tmp_path / "base")} == {values}
    # The strong baseline is trained as the default preset does.
    strong = student_jobs(replace(this, recipe=RECIPES["strong-ldt"]), tmp_path / "strong")
    assert {job.objective.target_values for job in strong} == {None}


def test_jobs_of_a_generation_learn_from_the_pseudo_labels_and_grow(tmp_path):
    this = some_setup(tmp_path, recipe="im+", task="multiclass")
    pseudo = TrainingPart(
        TrainingStacks(this.stacks["unlabelled"].images, tmp_path / "label.npy", tmp_path / "mask.npy"), [0, 3]
    )
    jobs = student_jobs(this, tmp_path, generation=2, pseudo=pseudo)
    assert len(jobs) == 2
    assert jobs[0].network.width == 0.125 + 0.0625
    assert jobs[0].network.out_channels == 4
    rows = jobs[0].objective.training.rows
    assert rows["index"].tolist() == [0, 1, 2, 3, 0, 3]
    assert (rows["strength"] == PLAIN).tolist() == [True] * 4 + [False] * 2
    assert jobs[0].objective.training.sources[1] == pseudo.source


def test_fdt_takes_the_unlabelled_images_with_their_masks(tmp_path):
    this = some_setup(tmp_path, recipe="fdt")
    (job, *_) = student_jobs(this, tmp_path)
    assert len(job.objective.training.rows) == 9
    assert job.objective.training.sources[1].labels == this.stacks["unlabelled"].labels


def test_students_take_the_folds_in_turn(tmp_path):
    folds = (Fold((2, 3), (0, 1)), Fold((0, 1), (2, 3)))
    this = some_setup(tmp_path, recipe="ldt", folds=folds)
    jobs = student_jobs(this, tmp_path)
    assert [job.objective.training.rows["index"].tolist() for job in jobs] == [[2, 3], [0, 1], [2, 3]]
    assert [job.objective.validation.rows for job in jobs] == [(0, 1), (2, 3), (0, 1)]
    assert {job.objective.validation.images for job in jobs} == {this.stacks["labelled"].images}


class Pool:
    """Works in this process, last job first, and remembers what it was asked for."""

    def __init__(self):
        self.asked = []

    def run(self, function, jobs, report):
        self.asked.append([job.folder.name for job in jobs])
        for job in reversed(jobs):
            yield job, function(job, report)


def test_only_what_is_not_trained_yet_is_trained(tmp_path):
    this, pool, reports = some_setup(tmp_path, recipe="ldt"), Pool(), []
    with Store(tmp_path / "run", run={}, data={}) as store:
        jobs = student_jobs(this, store.root / BASE)
        students = train(jobs, num_folds=1, store=store, pool=pool, report=reports.append)
        assert [each.number for each in students] == [1, 2, 3]
        assert [each.folder for each in students] == [job.folder for job in jobs]
        for each in students:
            reached = json.loads((each.folder / SCORES).read_text())
            assert (each.loss, each.score) == (reached["validation_loss"], reached["validation_score"])
            assert (each.epoch, each.num_steps, each.model) == (1, 1, each.folder / MODEL)
            assert each.num_images == reached["images"] == 2
            assert not (each.folder / CHECKPOINT).exists()
        # One of them is damaged, another was written by nobody knows whom.
        (jobs[1].folder / MODEL).write_bytes(b"")
    with Store(tmp_path / "run", run={}, data={}) as store:
        again = train(jobs, num_folds=1, store=store, pool=pool, report=reports.append)
    assert pool.asked == [["1", "2", "3"], ["2"]]
    assert again == students
    assert sum(reports) == 6


def test_students_of_another_run_are_taken_over(tmp_path):
    this, pool = some_setup(tmp_path, recipe="ldt"), Pool()
    with Store(tmp_path / "theirs", run={}, data={}) as store:
        theirs = train(
            student_jobs(this, store.root / BASE),
            num_folds=1,
            store=store,
            pool=pool,
            report=lambda amount: None,
        )
    with Store(tmp_path / "ours", run={}, data={}) as store:
        jobs = student_jobs(this, store.root / BASE)
        adopt(store, source=tmp_path / "theirs", jobs=jobs)
        ours = train(jobs, num_folds=1, store=store, pool=pool, report=lambda amount: None)
    assert pool.asked == [["1", "2", "3"], []]
    for one, other in zip(theirs, ours, strict=True):
        assert (one.score, one.loss) == (other.score, other.loss)
        assert one.model.read_bytes() == other.model.read_bytes()


def test_a_run_without_trained_students_has_none_to_give(tmp_path):
    this = some_setup(tmp_path, recipe="ldt")
    with Store(tmp_path / "ours", run={}, data={}) as store:
        jobs = student_jobs(this, store.root / BASE)
        with pytest.raises(IncmaskError, match=r"1/model\.safetensors: is not there; finish that run first"):
            adopt(store, source=tmp_path / "theirs", jobs=jobs)
        assert not store.has(jobs[0].folder / HISTORY)


def test_students_of_the_consistency_loss_begin_with_the_best_of_their_own_fold(tmp_path):
    """The best of another fold has been trained on the images that score here."""
    folds = (Fold((2, 3), (0, 1)), Fold((0, 1), (2, 3)))
    this = some_setup(tmp_path, recipe="cl", folds=folds, num_students=3, consistency_strength="high")
    best_first = [student(4, fold=1), student(1, fold=0), student(2, fold=1), student(3, fold=0)]
    jobs = student_jobs(this, tmp_path, generation=1, teachers=best_first)
    assert [job.start for job in jobs] == [best_first[1].model, best_first[0].model, best_first[1].model]
    for job in jobs:
        assert job.objective.unlabelled.images == this.stacks["unlabelled"].images
        assert job.objective.unlabelled.strength == PROFILES["generic"].consistency["high"]
    # No other approach has the second part, or begins with trained weights.
    for recipe in ("ldt", "im"):
        for job in student_jobs(replace(this, recipe=RECIPES[recipe]), tmp_path, generation=1):
            assert (job.start, job.objective.unlabelled) == (None, None)


def test_students_that_begin_with_teachers_take_another_each_of_their_own_fold(tmp_path):
    folds = (Fold((2, 3), (0, 1)), Fold((0, 1), (2, 3)))
    this = some_setup(tmp_path, recipe="im", folds=folds, num_students=6, start="teacher")
    best_first = [student(4, fold=1), student(1, fold=0), student(2, fold=1), student(3, fold=0), student(5, fold=0)]

    def begin(setup, **given):
        return [
            each.start for each in student_jobs(setup, tmp_path, **({"generation": 1, "teachers": best_first} | given))
        ]

    ours = [(1, 3, 5), (4, 2, 4)]  # of each fold, the best first, and again where there are fewer than students
    by_number = {each.number: each.model for each in best_first}
    assert begin(this) == [by_number[ours[index % 2][index // 2]] for index in range(6)]
    assert begin(this, generation=3) == begin(this)
    # Base models have no teachers, nor has who learns from labels alone.
    assert set(begin(this, generation=0)) == set(begin(replace(this, recipe=RECIPES["ldt"]))) == {None}
    assert set(begin(replace(this, settings=this.settings.model_copy(update={"start": "fresh"})))) == {None}


def test_networks_that_are_wider_than_their_teachers_begin_anew(tmp_path):
    growing = some_setup(tmp_path, recipe="im+", start="teacher", width=0.125, width_step=0.0625)
    teachers = [student(1), student(2)]
    begun = [student_jobs(growing, tmp_path, generation=each, teachers=teachers)[0].start for each in (1, 2, 3)]
    assert begun == [teachers[0].model, None, None]
    level = replace(growing, settings=growing.settings.model_copy(update={"width_step": 0.0}))
    assert student_jobs(level, tmp_path, generation=3, teachers=teachers)[1].start == teachers[1].model


MODERN = {
    "schedule": "warmup_cosine",
    "warmup_fraction": 0.05,
    "epsilon": "after_correction",
    "position_target": 1.0,
    "batch_norm_momentum": 0.9,
    "average_decay": 0.98,
    "loss": "cross_entropy_dice",
    "redraw": True,
    "select_by": "score",
}


@pytest.mark.parametrize(
    ("recipe", "values", "changes"),
    [
        # One pass over 10 pairs in batches of 4, where all 46 images would take 11 steps.
        *(
            (name, {}, {})
            for name, recipe in RECIPES.items()
            if name not in ("strong-ldt", "cl", "evalnet") and not recipe.is_online
        ),
        # Averaged copies label, which the paper's preset has not.
        *((name, {}, {"redraw": True, "average_decay": 0.98}) for name, recipe in RECIPES.items() if recipe.is_online),
        ("mt", {"average_decay": 0.5}, {"redraw": True}),
        ("strong-ldt", {}, MODERN | {"steps_per_epoch": 11}),
        ("strong-ldt", {"steps_per_epoch": 7}, MODERN),
        ("strong-ldt", {"batch_size": 64}, MODERN | {"steps_per_epoch": 1}),
        ("cl", {}, {"select_by": "loss", "epochs": 6}),
        ("cl", {"steps_per_epoch": 7}, {"select_by": "loss"}),
        # A third of 11 is 3 whole steps, more than 10 pairs give.
        ("evalnet", {}, {"steps_per_epoch": 3}),
        ("evalnet", {"batch_size": 3}, {"steps_per_epoch": 5}),
        # Of 46 images 4 steps: a pass over the pairs is one step, as many as a third.
        ("evalnet", {"batch_size": 10}, {}),
        ("evalnet", {"batch_size": 64}, {"steps_per_epoch": 1}),
        ("evalnet", {"steps_per_epoch": 7}, {}),
    ],
)
def test_settings_of_a_student_by_hand(recipe, values, changes):
    run = some_settings("paper", **({"steps_per_epoch": 0, "batch_size": 4, "epochs": 3} | values))
    used = training_settings(RECIPES[recipe], run, num_pairs=10, num_full=46)
    assert used.model_dump() == run.model_dump() | changes


def test_enough_pairs_need_no_least_number_of_steps():
    run = some_settings("paper", steps_per_epoch=0, batch_size=4)
    # 47 steps with all images, so 15 at least: 60 pairs.
    for num_pairs, steps in ((59, 15), (60, 0), (188, 0)):
        used = training_settings(RECIPES["evalnet"], run, num_pairs=num_pairs, num_full=188)
        assert used.steps_per_epoch == steps


def test_jobs_have_the_settings_of_their_approach(tmp_path):
    this = some_setup(tmp_path, recipe="strong-ldt", steps_per_epoch=0, batch_norm_momentum=0.99, epochs=3)
    (job, *_) = student_jobs(this, tmp_path)
    # 9 images in all in batches of 2, of which 4 are labelled.
    assert (job.settings.steps_per_epoch, job.num_steps) == (4, 12)
    assert job.network.batch_norm_momentum == 0.9
    rows = job.objective.training.rows
    assert rows["index"].tolist() == [0, 1, 2, 3]
    assert {job.objective.training.strengths[each] for each in rows["strength"]} == {PROFILES["generic"].strengths[0]}
    assert job.settings.redraw
