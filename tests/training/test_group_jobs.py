"""Which students train together, and how a GPU's worker trains them; the CPU stands in for it."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from incmask.base.store import Store
from incmask.experiment import train as experiment
from incmask.experiment.setup import BASE
from incmask.experiment.train import train
from incmask.nets.spec import NetworkSpec
from incmask.training import capacity as module
from incmask.training.capacity import fitting_students, students_at_a_time, training_bytes
from incmask.training.files import MODEL, SCORES
from incmask.training.gpu_group import fit_students, group_jobs
from incmask.training.on_gpu.batches import FixedBatches
from incmask.training.together import quick
from incmask.training.trainer import GroupTrainer
from small import rows_of, some_job, some_settings, some_setup, student_jobs

NETWORK = NetworkSpec(in_channels=3, out_channels=1, width=0.5)


@pytest.fixture
def trained(monkeypatch):
    """The numbers of students of each program that was run."""
    nums = []
    init = GroupTrainer.__init__

    def noted(self, jobs, device):
        nums.append(len(jobs))
        init(self, jobs, device)

    monkeypatch.setattr(GroupTrainer, "__init__", noted)
    return nums


def jobs_of(folder, num=5, **settings):
    return [
        some_job(folder / str(seed), seed=seed, settings=some_settings(epochs=1, **settings)) for seed in range(num)
    ]


def room_for(num):
    return 2 * num * training_bytes(NetworkSpec(1, 1, 0.125), size=(32, 32), batch_size=2)


def test_students_of_one_shape_and_schedule_are_put_together(tmp_path):
    jobs = jobs_of(tmp_path, 6, steps_per_epoch=0)
    jobs[1] = replace(jobs[1], network=replace(jobs[1].network, width=0.25))
    # A fold with fewer images has fewer steps.
    fewer = replace(jobs[4].objective.training, rows=rows_of(2))
    jobs[4] = replace(jobs[4], objective=replace(jobs[4].objective, training=fewer))
    jobs[5] = replace(jobs[5], settings=some_settings(epochs=1, steps_per_epoch=0, learning_rate=1.0))
    assert group_jobs(jobs) == [(jobs[0], jobs[2], jobs[3]), (jobs[1],), (jobs[4],), (jobs[5],)]
    assert group_jobs([]) == []


def test_several_devices_share_students_and_never_part_a_team(tmp_path):
    jobs = jobs_of(tmp_path)
    assert group_jobs(jobs, num_devices=2) == [(jobs[0], jobs[2], jobs[4]), (jobs[1], jobs[3])]
    assert group_jobs(jobs, num_devices=9) == [(job,) for job in jobs]
    a, b, c, d = (replace(job, team=index // 2) for index, job in enumerate(jobs[:4]))
    assert group_jobs([a, b, c, d], num_devices=4) == [(a, b), (c, d)]


def test_each_device_of_a_pool_trains_a_share(tmp_path, monkeypatch):
    monkeypatch.setattr(experiment, "resolve_device", lambda name: torch.device("cuda"))
    jobs, asked = jobs_of(tmp_path), []
    pool = SimpleNamespace(num_devices=3, run=lambda function, groups, report: asked.append((function, groups)) or [])
    assert list(experiment._trained(jobs, pool, lambda amount: None)) == []
    assert asked == [(fit_students, group_jobs(jobs, num_devices=3))]


@pytest.mark.slow
@pytest.mark.parametrize(("free", "nums"), [(None, [1] * 5), (room_for(5), [5]), (room_for(3), [3, 2]), (10, [1] * 5)])
def test_as_many_train_together_as_there_is_room_for(tmp_path, monkeypatch, trained, caplog, free, nums):
    monkeypatch.setattr(module, "free_bytes", lambda device: free)
    jobs, reports = jobs_of(tmp_path), []
    fit_students(jobs, reports.append)
    assert trained == nums
    assert sum(reports) == 5 * 2
    assert all((job.folder / MODEL).exists() and (job.folder / SCORES).exists() for job in jobs)
    # One at a time is what a device without kernels of our own does anyway.
    assert caplog.messages == ["the device has memory for 3 of 5 students at a time"] * (nums == [3, 2])


def test_images_lie_on_the_device(tmp_path, monkeypatch):
    seen = []
    init = GroupTrainer.__init__

    def noted(self, jobs, device):
        init(self, jobs, device)
        seen.extend(type(lessons.batches) for lessons in self.lessons)

    monkeypatch.setattr(GroupTrainer, "__init__", noted)
    fit_students(jobs_of(tmp_path, 2), lambda amount: None)
    assert seen == [FixedBatches] * 2


def test_memory_of_a_device_counts_activations():
    one = training_bytes(NETWORK, size=(64, 64), batch_size=4)
    for available, num in ((None, 1), (0, 1), (2 * one, 1), (10 * one, 5), (11 * one, 5)):
        assert fitting_students(NETWORK, size=(64, 64), batch_size=4, available=available) == num


@pytest.mark.parametrize(
    ("kind", "capability", "triton", "precision", "num"),
    [
        ("cuda", (8, 0), True, "bfloat16", 5),
        ("cuda", (8, 0), True, "auto", 5),
        ("cuda", (8, 0), True, "float32", 1),
        ("cuda", (7, 5), True, "auto", 1),
        ("cuda", (6, 1), True, "bfloat16", 1),
        ("cuda", (8, 0), False, "bfloat16", 1),
        ("meta", (8, 0), False, "float32", 5),
    ],
)
def test_without_kernels_of_our_own_a_gpu_trains_one_after_another(
    tmp_path, monkeypatch, kind, capability, triton, precision, num
):
    finder = SimpleNamespace(find_spec=lambda name: "found" if triton else None)
    monkeypatch.setattr(quick, "importlib", SimpleNamespace(util=finder))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=None: capability)
    monkeypatch.setattr(module, "free_bytes", lambda device: room_for(5))
    (job,) = jobs_of(tmp_path, 1, precision=precision)
    assert students_at_a_time(job, torch.device(kind)) == num


def test_a_gpu_gets_groups_and_each_student_is_recorded(tmp_path, monkeypatch, trained):
    """The stage of a run as on a GPU: one job for its worker, files and results as ever."""
    this, asked, reports = some_setup(tmp_path, recipe="ldt"), [], []
    monkeypatch.setattr(experiment, "resolve_device", lambda name: torch.device("meta"))
    monkeypatch.setattr(module, "free_bytes", lambda device: 2**40)

    class Worker:
        num_devices = 1

        def run(self, function, groups, report):
            asked.append([[job.folder.name for job in group] for group in groups])
            for group in groups:
                yield group, function(group, report)

    pool = Worker()
    with Store(tmp_path / "run", run={}, data={}) as store:
        jobs = student_jobs(this, store.root / BASE)
        found = train(jobs, num_folds=1, store=store, pool=pool, report=reports.append)
        assert all(store.has(job.folder / MODEL) for job in jobs)
        assert asked == [[["1", "2", "3"]]]
        assert trained == [3]
        assert [each.number for each in found] == [1, 2, 3]
        assert sum(reports) == 3
        assert train(jobs, num_folds=1, store=store, pool=pool, report=reports.append) == found
