"""Processes that train a network together come to what one comes to alone."""

import csv
from dataclasses import replace

import pytest
import torch
from in_shares import fit_until_killed, steps_in_threads, steps_of
from test_group import judges, students
from test_online_lessons import team

from incmask.base.errors import IncmaskError
from incmask.base.progress import ignore
from incmask.nets.spec import EncoderSpec, VolumeEvalNetSpec, VolumeSpec, load_tensors
from incmask.training import trainer
from incmask.training.across_devices.processes import on_all_devices
from incmask.training.across_devices.share import Share
from incmask.training.files import CHECKPOINT, HISTORY, MODEL
from incmask.training.loop import fit
from incmask.training.trainer import GroupTrainer
from nightly import AT_NIGHT
from small import some_job, some_settings, student_of_pairs

# Not three and three, or two and two: shares need not be of one size.
NUM_IMAGES = 5
# So low that Adam, which divides by gradients near 0, does not blow up rounding.
RATE = {"learning_rate": 1e-7}


def volumes(folder):
    """A student of volumes of two slices, as sheets."""
    (job,) = students(folder, num=1, batch_size=NUM_IMAGES, **RATE)
    objective = replace(job.objective, training=replace(job.objective.training, depth=2))
    return [replace(job, network=VolumeSpec(1, 1, 0.25, depth=2, poolings=((1, 2, 2),) * 4), objective=objective)]


def rated_volumes(folder):
    """An EvalNet of volumes of two slices, as sheets."""
    (job,) = judges(folder, num=1, batch_size=NUM_IMAGES, **RATE)
    objective = replace(job.objective, training=replace(job.objective.training, depth=2))
    network = VolumeEvalNetSpec(**vars(job.network), depth=2, poolings=((1, 2, 2),) * 6)
    return [replace(job, network=network, objective=objective)]


def on_encoder(folder):
    """A student on an encoder that stays as it is: the tiny one has dropout, which each process draws for itself."""
    job = some_job(folder, settings=some_settings(net="tiny", batch_size=NUM_IMAGES, precision="float32", **RATE))
    return [replace(job, network=EncoderSpec("tiny", 1, 1, batch_norm_momentum=0.9, frozen=True))]


def streams(folder):
    """A student of two streams, each of which has a mean of its own."""
    given = {"streams": "two", "pseudo_weight": 3.0, "ramp_fraction": 0.0, "cutmix": 0.5, "precision": "float32"}
    return [student_of_pairs(folder, task="multiclass", batch_size=NUM_IMAGES, **given, **RATE)]


def students_of(folder, num=1, **settings):
    return students(folder, num=num, batch_size=NUM_IMAGES, **RATE, **settings)


KINDS = {
    "dice": students_of,
    "paper": lambda folder: students_of(folder, preset="paper", task="multilabel"),
    "two views": lambda folder: students_of(folder, consistent=True, steps_per_epoch=2),
    "streams": streams,
    "side by side": lambda folder: students_of(folder, num=2),
    "a team": lambda folder: team(folder, **RATE),
    "evalnets": lambda folder: judges(folder, num=1, batch_size=NUM_IMAGES, **RATE),
    "volumes": volumes,
    "evalnets of volumes": rated_volumes,
}


@pytest.fixture
def doubled(monkeypatch):
    """Let networks compute in 64 bits, so that rounding turns no maximum and no rectifier around."""
    build = trainer._network

    def wide(job):
        network = build(job).double()
        network.register_forward_pre_hook(lambda module, inputs: tuple(each.double() for each in inputs))
        return network

    monkeypatch.setattr(trainer, "_network", wide)
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)


def check_steps(jobs, patch, *, num=2):
    alone, together = steps_of(GroupTrainer(jobs, torch.device("cpu"))), steps_in_threads(jobs, patch, num=num)
    for steps in together:
        for mine, first in zip(steps, together[0], strict=True):
            # To the same bits, so that their weights stay the same.
            assert all(torch.equal(mine[name], first[name]) for name in first)
    for mine, theirs in zip(together[0], alone, strict=True):
        assert mine.keys() == theirs.keys()
        largest = max(float(each.abs().max()) for name, each in theirs.items() if "running" not in name)
        for name, value in theirs.items():
            near = {"rtol": 1e-12, "atol": 1e-12} if "running" in name else {"rtol": 1e-9, "atol": 1e-9 * largest}
            torch.testing.assert_close(mine[name], value, **near)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_losses_gradients_and_statistics_are_those_of_one_device(doubled, tmp_path, monkeypatch, kind):
    check_steps(KINDS[kind](tmp_path), monkeypatch)


def test_so_are_those_of_networks_on_encoders_in_three_processes(doubled, plugged, tmp_path, monkeypatch):
    check_steps(on_encoder(tmp_path), monkeypatch, num=3)


def test_a_batch_has_an_image_for_each_process():
    assert [Share(0, 3).sizes(num) for num in (3, 7, 8)] == [[1, 1, 1], [3, 2, 2], [3, 3, 2]]
    with pytest.raises(IncmaskError, match=r"devices_per_network.*: 3 devices share a batch of 2; use a larger batch"):
        Share(0, 3).sizes(2)


def test_devices_that_are_not_there_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr("incmask.training.across_devices.processes.resolve_device", lambda name: torch.device("mps"))
    with pytest.raises(IncmaskError, match="2 devices train a network together, and this process may use 1; use"):
        fit(some_job(tmp_path, settings=some_settings(devices_per_network=2)))


def job_of(folder, **settings):
    return some_job(folder, settings=some_settings(batch_size=3, precision="float32", **settings))


def rows_of(job):
    return list(csv.DictReader((job.folder / HISTORY).read_text().splitlines()))


@pytest.mark.slow
@AT_NIGHT
def test_two_processes_come_to_the_files_of_one(tmp_path):
    one, two = (job_of(tmp_path / str(num), devices_per_network=num, **RATE) for num in (1, 2))
    fit(one)
    reports = []
    fit(two, reports.append)
    assert reports == [1] * two.num_steps
    mine, theirs = (load_tensors(job.folder / MODEL)[0] for job in (two, one))
    assert mine.keys() == theirs.keys()
    for name, value in theirs.items():
        torch.testing.assert_close(mine[name], value, rtol=1e-4, atol=1e-5)
    for row, expected in zip(rows_of(two), rows_of(one), strict=True):
        for name in ("step", "training_loss", "validation_loss", "validation_score"):
            assert float(row[name]) == pytest.approx(float(expected[name]), rel=1e-4)
    assert sorted(path.name for path in two.folder.iterdir()) == sorted(path.name for path in one.folder.iterdir())


@pytest.mark.slow
@AT_NIGHT
def test_a_process_that_is_killed_ends_the_training_with_a_line_and_the_next_goes_on(tmp_path):
    job, other = (job_of(tmp_path / name, devices_per_network=2, epochs=4) for name in ("whole", "killed"))
    fit(job)
    with pytest.raises(
        IncmaskError, match=r"^worker process: (was killed|lost another one).*, most likely .*; run the"
    ):
        on_all_devices(fit_until_killed, [other], ignore)
    assert (other.folder / CHECKPOINT).exists()
    assert not (other.folder / MODEL).exists()
    fit(other)
    assert (other.folder / MODEL).read_bytes() == (job.folder / MODEL).read_bytes()
