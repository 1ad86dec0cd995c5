"""Several students in one program, against the same students one after another."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from alone import Trainer

from incmask.base.errors import IncmaskError
from incmask.method.augment import Strength
from incmask.method.quality import mask_channels, num_outputs
from incmask.nets.spec import EvalNetSpec, load_model, load_tensors
from incmask.training.files import CHECKPOINT, HISTORY, MODEL, SCORES
from incmask.training.loop import fit, fit_group
from incmask.training.rating import RatingObjective
from incmask.training.rating_pairs import PairSet
from incmask.training.schedule import Schedule
from incmask.training.segmentation import ConsistencyImages
from incmask.training.trainer import GroupTrainer
from small import NUM_CLASSES, TASKS, Stopped, blocks, rows_of, save_source, some_job, some_settings, stop_after, truth

CPU = torch.device("cpu")
NUM = 3
STRENGTH = Strength(max_blur_px=1, max_noise=10, contrast=0.3, brightness=20, free_rotation=True)


def students(folder, *, task="binary", preset="default", num=NUM, consistent=False, **settings):
    """Students of different seeds, each with images and folds of its own, augmented."""
    chosen = some_settings(preset, **({"precision": "float32"} | settings))
    jobs = []
    for number in range(num):
        job = some_job(folder / str(number), task=task, settings=chosen, num=5, seed=10 + number)
        training = replace(job.objective.training, strengths=(STRENGTH,), rows=rows_of(5, strength=0))
        hidden = save_source(folder, blocks(6, seed=9), truth(blocks(6, seed=9), task), name="hidden")
        objective = replace(
            job.objective,
            training=training,
            unlabelled=ConsistencyImages(hidden.images, STRENGTH) if consistent else None,
        )
        jobs.append(replace(job, objective=objective))
    return jobs


def judges(folder, *, task="binary", num=NUM, **settings):
    """EvalNets that learn to rate blocked masks of random quality."""
    classes, pairs = NUM_CLASSES[task], []
    for name, seed in (("training", 0), ("validation", 1)):
        images, generator = blocks(4, seed=seed), np.random.default_rng(seed)
        source = save_source(folder, images, truth(images, task), generator.random(images.shape[:3]) < 0.1, name=name)
        targets = generator.random((4, num_outputs(task, classes)), np.float32)
        np.save(folder / f"{name}-targets.npy", targets)
        pairs.append(
            PairSet(
                source.images,
                (0, 1, 2, 3),
                source.labels,
                source.inconsistent,
                folder / f"{name}-targets.npy",
                STRENGTH,
            )
        )
    network = EvalNetSpec(1, mask_channels(task, classes), num_outputs(task, classes), width=0.125)
    chosen = some_settings(**({"precision": "float32"} | settings))
    objective = RatingObjective(*pairs, task=task, num_classes=classes)
    return [
        replace(some_job(folder / str(number), settings=chosen, seed=number), network=network, objective=objective)
        for number in range(num)
    ]


def elsewhere(jobs, folder):
    return [replace(job, folder=folder / str(number)) for number, job in enumerate(jobs)]


def assert_same_steps(jobs, num_steps, *, tolerance=2e-5):
    """Losses of each step, from the same weights: a step blows up rounding, since Adam divides by gradients near 0."""
    group, alone = GroupTrainer(jobs, CPU), [Trainer(job, CPU) for job in jobs]
    for step in range(num_steps):
        losses = group.step(step)
        assert losses.tolist() == pytest.approx([trainer.step(step) for trainer in alone], abs=tolerance)
        states = group.state([{}] * len(jobs))
        for state, trainer in zip(states, alone, strict=True):
            theirs = trainer._group.state([{}])[0]
            assert state.keys() == theirs.keys()
            for name, value in state.items():
                assert value.shape == theirs[name].shape
                if "running" in name:
                    torch.testing.assert_close(value, theirs[name], rtol=1e-3, atol=1e-4)
            trainer._group.restore([state])
    return losses


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("preset", ["default", "paper"])
def test_losses_are_those_of_students_one_by_one(tmp_path, preset, task):
    losses = assert_same_steps(students(tmp_path, task=task, preset=preset), 4)
    assert len(set(losses.tolist())) == NUM


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_losses_of_students_that_learn_consistently_are_those_one_by_one(tmp_path, task):
    assert_same_steps(students(tmp_path, task=task, consistent=True, steps_per_epoch=4), 5)


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_losses_of_evalnets_are_those_one_by_one(tmp_path, task):
    assert_same_steps(judges(tmp_path, task=task, steps_per_epoch=3), 4)


def test_gradients_are_those_of_students_one_by_one(tmp_path):
    jobs = students(tmp_path)
    group, alone = GroupTrainer(jobs, CPU), [GroupTrainer([job], CPU) for job in jobs]
    for trainer in (group, *alone):
        assert trainer._backward(trainer.schedule.place(0)) is not None
    for name, parameter in group._trained.network.named_parameters():
        for window, trainer in zip(group._trained.windows(parameter.grad), alone, strict=True):
            theirs = dict(trainer._trained.network.named_parameters())[name].grad
            torch.testing.assert_close(window, theirs, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("make", [students, judges])
def test_files_are_those_of_fit(tmp_path, make):
    """At a rate so low that rounding stays what it is."""
    jobs = make(tmp_path, learning_rate=1e-6)
    others = elsewhere(jobs, tmp_path / "alone")
    reports = []
    fit_group(jobs, reports.append)
    assert reports == [NUM] * jobs[0].num_steps
    for job, other in zip(jobs, others, strict=True):
        fit(other)
        assert sorted(path.name for path in job.folder.iterdir()) == sorted((CHECKPOINT, HISTORY, MODEL, SCORES))
        ours, theirs = (load_model(each.folder / MODEL).state_dict() for each in (job, other))
        for name, value in ours.items():
            torch.testing.assert_close(value, theirs[name], rtol=1e-3, atol=3e-5)
        rows = [list(csv.DictReader((each.folder / HISTORY).read_text().splitlines())) for each in (job, other)]
        for our, their in zip(*rows, strict=True):
            assert our.keys() == their.keys()
            assert (our["epoch"], our["step"]) == (their["epoch"], their["step"])
            for name in ("training_loss", "validation_loss", "validation_score"):
                assert float(our[name]) == pytest.approx(float(their[name]), abs=1e-3)
        scores = [json.loads((each.folder / SCORES).read_text()) for each in (job, other)]
        assert scores[0].keys() == scores[1].keys()
        assert [scores[0][name] for name in ("steps", "images")] == [scores[1][name] for name in ("steps", "images")]
        tensors = [load_tensors(each.folder / CHECKPOINT)[0] for each in (job, other)]
        shapes = [{name: tensor.shape for name, tensor in each.items()} for each in tensors]
        assert shapes[0] == shapes[1]


def test_each_student_keeps_its_own_best_epoch(tmp_path):
    """Validation that is best at another epoch for each."""
    jobs = students(tmp_path, epochs=3, steps_per_epoch=1)
    seen = {}

    class Scripted:
        def __init__(self, number):
            self.number = number

        def open(self, settings, *, seed):
            lessons = jobs[self.number].objective.open(settings, seed=seed)
            lessons.validate = self.validate
            return lessons

        def validate(self, network):
            weights = seen.setdefault(self.number, [])
            weights.append(network.state_dict()["head.weight"].clone())
            return replace_scored(score=float(len(weights) - 1 == self.number))

    fit_group([replace(job, objective=Scripted(number)) for number, job in enumerate(jobs)])
    for number, job in enumerate(jobs):
        assert json.loads((job.folder / SCORES).read_text())["epoch"] == number + 1
        assert torch.equal(load_model(job.folder / MODEL).state_dict()["head.weight"], seen[number][number])


def replace_scored(*, score):
    from incmask.training.rating import RatingScores

    return RatingScores(loss=1 - score, score=score)


@pytest.mark.slow
@pytest.mark.parametrize("make", [students, judges])
def test_an_interrupted_group_ends_with_the_same_bits(tmp_path, make):
    jobs = make(tmp_path)
    others = elsewhere(jobs, tmp_path / "interrupted")
    fit_group(jobs)
    for num_steps in (NUM, 3 * NUM, 5 * NUM):
        with pytest.raises(Stopped):
            fit_group(others, stop_after(num_steps))
    fit_group(others)
    for job, other in zip(jobs, others, strict=True):
        for name in (MODEL, SCORES):
            assert (job.folder / name).read_bytes() == (other.folder / name).read_bytes()


@pytest.mark.slow
def test_students_stopped_between_two_checkpoints_go_on(tmp_path):
    """One is an epoch behind: it is trained by itself."""
    jobs = students(tmp_path, learning_rate=1e-6)
    with pytest.raises(Stopped):
        fit_group(jobs, stop_after(3 * NUM))
    late = (jobs[1].folder / CHECKPOINT).read_bytes()
    with pytest.raises(Stopped):
        fit_group(jobs, stop_after(5 * NUM))
    (jobs[1].folder / CHECKPOINT).write_bytes(late)
    reports = []
    fit_group(jobs, reports.append)
    assert sum(reports) == NUM * jobs[0].num_steps
    others = elsewhere(jobs, tmp_path / "undisturbed")
    fit_group(others)
    for job, other in zip(jobs, others, strict=True):
        ours, theirs = (load_model(each.folder / MODEL).state_dict() for each in (job, other))
        for name, value in ours.items():
            torch.testing.assert_close(value, theirs[name], rtol=1e-3, atol=3e-5)


def test_a_checkpoint_of_a_group_serves_a_student_alone(tmp_path):
    jobs = students(tmp_path, learning_rate=1e-6)
    with pytest.raises(Stopped):
        fit_group(jobs, stop_after(3 * NUM))
    for job in jobs:
        fit(job)
        assert len((job.folder / HISTORY).read_text().splitlines()) == 4


def test_students_go_on_from_models(tmp_path):
    jobs = students(tmp_path, num=2, epochs=1)
    fit_group(jobs)
    further = [
        replace(job, start=start.folder / MODEL)
        for start, job in zip(jobs, elsewhere(jobs, tmp_path / "further"), strict=True)
    ]
    group = GroupTrainer(further, CPU)
    for job, network in zip(jobs, group.averaged, strict=True):
        for name, value in load_model(job.folder / MODEL).state_dict().items():
            assert torch.equal(network.state_dict()[name], value)


def test_a_loss_that_is_no_number_names_its_student(tmp_path):
    jobs = students(tmp_path, epochs=1)
    bad = load_nothing(tmp_path, jobs[1])
    with pytest.raises(IncmaskError, match="loss turned nan at step 1") as caught:
        fit_group([jobs[0], bad, jobs[2]])
    assert caught.value.problems[0].where == str(jobs[1].folder)
    assert not any(job.folder.exists() for job in jobs)


def load_nothing(folder, job):
    """The student begins with weights that are no numbers."""
    from incmask.nets.spec import save_model

    network = job.network.build(seed=1)
    with torch.no_grad():
        network.head.weight.fill_(float("nan"))
    save_model(folder / "nan.safetensors", network.state_dict(), job.network)
    return replace(job, start=folder / "nan.safetensors")


def test_a_mistake_of_one_student_is_told_and_all_threads_end(tmp_path):
    jobs = students(tmp_path)
    empty = replace(jobs[1].objective.training, rows=rows_of(9, strength=0))
    with pytest.raises(IndexError):
        fit_group([jobs[0], replace(jobs[1], objective=replace(jobs[1].objective, training=empty)), jobs[2]])


def test_other_schedules_cannot_be_trained_together(tmp_path):
    jobs = students(tmp_path, steps_per_epoch=0)
    fewer = replace(jobs[1].objective.training, rows=rows_of(3))
    jobs[1] = replace(jobs[1], objective=replace(jobs[1].objective, training=fewer))
    with pytest.raises(ValueError, match="schedules"):
        GroupTrainer(jobs, CPU)


def test_a_schedule_tells_where_a_step_lies(tmp_path):
    (job,) = students(tmp_path, num=1, consistent=True, steps_per_epoch=5, epochs=2)
    schedule = Schedule.of(job.objective.open(job.settings, seed=1), job.settings)
    assert (schedule.phases, schedule.batch_sizes, schedule.num_steps, schedule.num_images) == ((3, 2), (2, 4), 10, 28)
    assert schedule.ends == (3, 5, 8, 10)
    assert [schedule.epoch(validation) for validation in range(4)] == [1, 1, 2, 2]
    places = [schedule.place(step) for step in range(10)]
    assert places == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (0, 3), (0, 4), (0, 5), (1, 2), (1, 3)]
