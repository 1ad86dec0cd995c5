"""A device whose memory does not suffice, played by a network that takes no more than so many images at a time."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from incmask.base.errors import IncmaskError
from incmask.method.augment import Strength
from incmask.training.files import HISTORY, SCORES
from incmask.training.loop import fit, fit_group
from incmask.training.segmentation import ConsistencyImages
from incmask.training.trainer import GroupTrainer
from small import blocks, save_source, some_job, some_settings, truth

CPU = torch.device("cpu")
BATCH = 6


class Room:
    """Lets a network take ``most`` images at a time; counts those that it took."""

    def __init__(self, network, most):
        self.most = most
        self.taken = []
        network.register_forward_pre_hook(self._take)

    def _take(self, network, inputs):
        if len(inputs[0]) > self.most:
            raise torch.OutOfMemoryError(f"no room for {len(inputs[0])} images")
        self.taken.append(len(inputs[0]))


def job_of(folder, *, num=8, seed=7, consistent=False, **settings):
    chosen = some_settings(**({"batch_size": BATCH, "precision": "float32", "learning_rate": 1e-5} | settings))
    job = some_job(folder, settings=chosen, num=num, seed=seed)
    if not consistent:
        return job
    hidden = save_source(folder, blocks(8, seed=9), truth(blocks(8, seed=9), "binary"), name="hidden")
    return replace(
        job, objective=replace(job.objective, unlabelled=ConsistencyImages(hidden.images, Strength(max_noise=9)))
    )


def trainer_with(jobs, *, most=None, frozen=False):
    trainer = GroupTrainer(jobs, CPU)
    if frozen:
        for module in trainer._trained.network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
    return trainer, Room(trainer._trained.network, most or 10**6)


def gradients(trainer):
    return {name: value.grad for name, value in trainer._trained.network.named_parameters()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("num", "consistent", "loss"),
    # Each pair of choices once.
    [(1, False, "mse"), (1, True, "cross_entropy_dice"), (3, False, "cross_entropy_dice"), (3, True, "mse")],
)
def test_gradients_are_those_of_the_whole_batch(tmp_path, num, consistent, loss):
    """With batch norms that do not look at the batch."""
    jobs = [
        job_of(tmp_path / str(seed), seed=seed, consistent=consistent, loss=loss, steps_per_epoch=2)
        for seed in range(num)
    ]
    (cut, room), (whole, _) = trainer_with(jobs, most=2, frozen=True), trainer_with(jobs, frozen=True)
    for step in range(3):
        losses = cut.step(step)
        torch.testing.assert_close(losses, whole.step(step), rtol=1e-5, atol=1e-6)
        expected = gradients(whole)
        for name, gradient in gradients(cut).items():
            scale = expected[name].abs().max() + 1e-6
            torch.testing.assert_close(gradient / scale, expected[name] / scale, rtol=1e-3, atol=1e-3)
        cut.restore(whole.state([{}] * num))
    assert cut._network.num == 4
    # Six images in four parts are three of two; each goes forward twice.
    assert room.taken[-3:] == [2, 2, 2]


@pytest.mark.parametrize(
    ("most", "num_parts", "told"), [(5, [2], [3]), (3, [2], [3]), (2, [2, 4], [3, 2]), (1, [2, 4, 8], [3, 2, 1])]
)
def test_batches_are_halved_until_they_fit_and_a_line_says_so(tmp_path, caplog, most, num_parts, told):
    trainer, room = trainer_with([job_of(tmp_path, batch_size=BATCH)], most=most)
    for step in range(2):
        assert math.isfinite(float(trainer.step(step)))
    assert [record.args for record in caplog.records] == list(zip(num_parts, told, strict=True))
    assert "out of memory: from here on a batch goes through the networks in 2 parts" in caplog.messages[0]
    assert "batch norm sees 3 images at a time" in caplog.messages[0]
    # The effective batch stays: all images go forward and, recomputed, back.
    last = room.taken[-2 * math.ceil(BATCH / told[-1]) :]
    assert sum(last) == 2 * BATCH


def test_a_step_that_failed_leaves_nothing_behind(tmp_path):
    """It ends as if batches had been cut from the start: weights, statistics, moments, averages."""
    job = job_of(tmp_path)
    (failing, room), (cut, _) = trainer_with([job]), trainer_with([job])
    for step in range(4):
        if step == 2:
            room.most, cut._network.num = 3, 2
        assert torch.equal(failing.step(step), cut.step(step))
    (ours,), (theirs,) = failing.state([{}]), cut.state([{}])
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name


def test_what_was_recorded_is_given_up_where_batches_are_cut(tmp_path, monkeypatch):
    from incmask.training import trainer as module

    class Recorded(nn.Module):
        def __init__(self, network):
            super().__init__()
            self.unrecorded = network
            self.num = 0

        def forward(self, *inputs):
            self.num += 1
            return self.unrecorded(*inputs)

    monkeypatch.setattr(module, "quick", lambda group, *_, is_recorded: Recorded(group.network))
    job = job_of(tmp_path)
    trainer, room = trainer_with([job], most=3)
    recorded = trainer._network.network
    expected, _ = trainer_with([job])
    expected._network.num = 2
    assert torch.equal(trainer.step(0), expected.step(0))
    assert trainer._network.network is trainer._trained.network
    assert recorded.num == 1
    assert room.taken == [3] * 4


def test_a_device_without_room_for_one_image_is_told(tmp_path):
    trainer, room = trainer_with([job_of(tmp_path)])
    room.most = 0
    with pytest.raises(IncmaskError, match=r"device cpu: has not enough memory for a single image; use a smaller"):
        trainer.step(0)


@pytest.mark.slow
@pytest.mark.parametrize("num", [1, 2])
def test_a_training_goes_on_to_its_end(tmp_path, monkeypatch, caplog, num):
    jobs = [job_of(tmp_path / str(seed), seed=seed) for seed in range(num)]
    init = GroupTrainer.__init__

    def small(self, *args):
        init(self, *args)
        Room(self._trained.network, 4)

    monkeypatch.setattr(GroupTrainer, "__init__", small)
    fit(jobs[0]) if num == 1 else fit_group(jobs)
    assert len(caplog.records) == 1
    for job in jobs:
        assert (job.folder / SCORES).exists()
        for line in (job.folder / HISTORY).read_text().splitlines()[1:]:
            assert all(math.isfinite(float(value)) for value in line.split(","))


def test_another_error_of_a_network_is_raised(tmp_path):
    trainer, _ = trainer_with([job_of(tmp_path)])

    def broken(network, inputs):
        raise RuntimeError("a defect")

    trainer._trained.network.register_forward_pre_hook(broken)
    with pytest.raises(RuntimeError, match="a defect"):
        trainer.step(0)


def test_networks_that_cannot_be_compiled_run_as_they_are(tmp_path, monkeypatch, caplog):
    from incmask.training import trainer as module

    class Compiled(nn.Module):
        def __init__(self, network):
            super().__init__()
            self.network = network

        def forward(self, *inputs):
            raise RuntimeError("no compiler")

    job = job_of(tmp_path)
    expected = [float(trainer_with([job])[0].step(0))]
    monkeypatch.setattr(module, "quick", lambda group, *_, is_recorded: Compiled(group.network))
    trainer, _ = trainer_with([job])
    assert [float(trainer.step(0))] == expected
    assert len(caplog.messages) == 1
    assert "could not be compiled" in caplog.messages[0]
    assert "no compiler" in caplog.messages[0]
