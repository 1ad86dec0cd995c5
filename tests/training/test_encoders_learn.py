"""Networks on an encoder in training: their rates, their dropout, alone and side by side."""

from dataclasses import replace

import pytest
import torch

from incmask.nets.encoders.named import read_encoder
from incmask.nets.spec import EncoderSpec, load_model, load_tensors, save_encoder
from incmask.training.capacity import students_at_a_time, training_bytes, weight_bytes
from incmask.training.files import CHECKPOINT, HISTORY, MODEL
from incmask.training.loop import fit, fit_group
from incmask.training.together.row import NetworkRow, group_of
from incmask.training.trainer import GroupTrainer
from small import Stopped, some_job, some_settings, stop_after

CPU = torch.device("cpu")


def job_of(folder, weights=None, *, seed=7, frozen=False, side=32, **settings):
    """A student on the tiny encoder, of images of one channel."""
    job = some_job(folder, settings=some_settings(net="tiny", width=0.5, **settings), seed=seed, side=side)
    spec = EncoderSpec("tiny", 1, 1, batch_norm_momentum=0.9, frozen=frozen)
    if weights is not None:
        save_encoder(folder / "e.safetensors", read_encoder("tiny", weights), net="tiny", origin="", licence="")
    return replace(job, network=spec, encoder=None if weights is None else folder / "e.safetensors")


def changes(trainer, before):
    """Give how much each weight of the trained network changed, by name."""
    network = trainer._trained.members[0]
    return {name: (value - before[name]).detach().abs() for name, value in network.named_parameters()}


@pytest.mark.parametrize("rate", [0.25, 1.0])
def test_encoders_learn_at_a_rate_of_their_own(plugged, tmp_path, rate):
    """The first step of Adam is as long as the rate, whatever the gradient, where that is not next to nothing."""
    job = job_of(
        tmp_path,
        plugged,
        learning_rate=1e-3,
        encoder_rate=rate,
        schedule="constant",
        weight_decay=0.0,
        precision="float32",
    )
    trainer = GroupTrainer([job], CPU)
    before = {name: value.clone() for name, value in trainer._trained.members[0].named_parameters()}
    trainer.step(0)
    longest = {name: float(change.max()) for name, change in changes(trainer, before).items()}
    of_encoder = [value for name, value in longest.items() if name.startswith("encoder.")]
    others = [value for name, value in longest.items() if not name.startswith("encoder.")]
    assert max(of_encoder) == pytest.approx(1e-3 * rate, rel=1e-2)
    assert max(others) == pytest.approx(1e-3, rel=1e-2)


def test_a_student_begins_with_the_weights_of_the_file(plugged, tmp_path):
    trainer = GroupTrainer([job_of(tmp_path, plugged)], CPU)
    expected = read_encoder("tiny", plugged)
    for network in (*trainer.averaged, *trainer._trained.members):
        assert all(torch.equal(value, expected[name]) for name, value in network.encoder.state_dict().items())
    # The decoder's are the seed's.
    other, same = (GroupTrainer([job_of(tmp_path, seed=seed)], CPU).averaged[0] for seed in (8, 7))
    assert torch.equal(trainer.averaged[0].decoder.head.weight, same.decoder.head.weight)
    assert not torch.equal(trainer.averaged[0].decoder.head.weight, other.decoder.head.weight)


def test_a_frozen_encoder_is_in_the_model_as_it_was_in_the_file(plugged, tmp_path):
    job = job_of(tmp_path, plugged, frozen=True, encoder_rate=0.0)
    fit(job)
    model, expected = load_model(job.folder / MODEL), read_encoder("tiny", plugged)
    assert all(torch.equal(value, expected[name]) for name, value in model.encoder.state_dict().items())
    # Nor are there moments of it.
    state, _ = load_tensors(job.folder / CHECKPOINT)
    num = sum(1 for _ in model.decoder.parameters())
    assert {int(name.split(".")[1]) for name in state if name.startswith("optimiser.")} == set(range(num))


@pytest.mark.slow
@pytest.mark.parametrize("frozen", [True, False])
def test_interrupted_training_ends_with_the_same_bits(plugged, tmp_path, frozen):
    """Dropout included, which draws the same whenever a step is taken."""
    job = job_of(tmp_path, plugged, frozen=frozen, encoder_rate=0.0 if frozen else 0.5)
    fit(job)
    other = replace(job, folder=tmp_path / "interrupted")
    torch.manual_seed(5)
    for num_steps in (1, 3, 5):
        with pytest.raises(Stopped):
            fit(other, stop_after(num_steps))
    fit(other)
    assert (other.folder / MODEL).read_bytes() == (job.folder / MODEL).read_bytes()
    histories = [(each.folder / HISTORY).read_text().splitlines() for each in (job, other)]
    assert [line.rpartition(",")[0] for line in histories[0]] == [line.rpartition(",")[0] for line in histories[1]]


def test_dropout_is_drawn_anew_at_each_step_and_leaves_the_global_generator_as_it_was(plugged, tmp_path):
    job = job_of(tmp_path, plugged, learning_rate=1e-9, redraw=False)
    trainer, drawn = GroupTrainer([job], CPU), []
    dropout = trainer._trained.members[0].encoder.stages[0][2]
    dropout.register_forward_hook(lambda module, given, output: drawn.append(output == 0))
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    for step in (0, 1, 0):
        trainer._backward(trainer.schedule.place(step))
    assert torch.equal(torch.rand(4), expected)
    assert torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0], drawn[1])


def test_a_batch_in_parts_has_the_gradients_of_its_draws(plugged, tmp_path):
    """Each part is computed twice, forward and on the way back, with the same dropout."""
    trainer, drawn = GroupTrainer([job_of(tmp_path, plugged, side=64)], CPU), []
    trainer._network.num = 2
    dropout = trainer._trained.members[0].encoder.stages[0][2]
    dropout.register_forward_hook(lambda module, given, output: drawn.append(output == 0))
    trainer._backward(trainer.schedule.place(0))
    # Back in the other order.
    assert len(drawn) == 4
    assert torch.equal(drawn[0], drawn[3])
    assert torch.equal(drawn[1], drawn[2])
    assert not torch.equal(drawn[0], drawn[1])


def without_dropout(trainer):
    for network in trainer._trained.members:
        for stage in network.encoder.stages:
            stage[2].p = 0.0
    return trainer


@pytest.mark.slow
@pytest.mark.parametrize("frozen", [True, False])
def test_students_side_by_side_come_to_what_they_come_to_alone(plugged, tmp_path, frozen):
    chosen = {"precision": "float32", "learning_rate": 1e-6, "encoder_rate": 0.5, "frozen": frozen}
    jobs = [job_of(tmp_path / str(seed), plugged, seed=seed, side=64, **chosen) for seed in (1, 2)]
    together = without_dropout(GroupTrainer(jobs, CPU))
    alone = [without_dropout(GroupTrainer([job], CPU)) for job in jobs]
    for step in range(3):
        losses = together.step(step)
        assert losses.tolist() == pytest.approx([float(trainer.step(step)) for trainer in alone], rel=1e-4)
    states = together.state([{}] * 2)
    # Where gradients are large, so that moments are more than rounding.
    last = max(int(name.split(".")[1]) for name in states[0] if name.startswith("optimiser."))
    for state, trainer in zip(states, alone, strict=True):
        (theirs,) = trainer.state([{}])
        assert state.keys() == theirs.keys()
        for name, value in state.items():
            assert value.shape == theirs[name].shape
            if name.startswith(f"optimiser.{last}."):
                torch.testing.assert_close(value, theirs[name], rtol=1e-2, atol=1e-6)
        # Each goes on alone with what is its own.
        trainer.restore([state])
        assert all(torch.equal(value, state[name]) for name, value in trainer.state([{}])[0].items())
    # What one of them kept goes on in the row, at its place.
    other = without_dropout(GroupTrainer(jobs, CPU))
    other.restore([trainer.state([{}])[0] for trainer in alone])
    assert other.step(3).tolist() == pytest.approx([float(trainer.step(3)) for trainer in alone], rel=1e-4)


@pytest.mark.slow
def test_a_row_interrupted_ends_with_the_same_bits(plugged, tmp_path):
    jobs = [job_of(tmp_path / str(seed), plugged, seed=seed) for seed in (1, 2)]
    teams = [replace(job, team=1) for job in jobs]
    others = [replace(job, folder=tmp_path / f"other {number}") for number, job in enumerate(teams)]
    fit_group(teams)
    with pytest.raises(Stopped):
        fit_group(others, stop_after(6))
    fit_group(others)
    for job, other in zip(teams, others, strict=True):
        assert (other.folder / MODEL).read_bytes() == (job.folder / MODEL).read_bytes()


def test_networks_on_encoders_train_one_after_the_other(plugged, tmp_path):
    job = job_of(tmp_path, plugged)
    assert students_at_a_time(job, CPU) == 1
    networks = [job.network.build(seed=seed) for seed in (1, 2)]
    group = group_of(networks)
    assert isinstance(group, NetworkRow)
    images = [torch.rand(2, 1, 32, 32), torch.rand(2, 1, 32, 32)]
    for network in networks:
        network.eval()
    outputs = group.split(group.network(group.join(images)))
    assert all(
        torch.equal(output, network(image)) for output, network, image in zip(outputs, networks, images, strict=True)
    )


def test_memory_counts_every_layer_of_an_encoder_and_its_weights(plugged):
    spec = EncoderSpec("tiny", 3, 1)
    network = spec.build()
    assert weight_bytes(spec) > 5 * 4 * sum(each.numel() for each in network.parameters())
    # The encoder's convolution and norm of each size keep 4 and 8 channels' values; the decoder's come on top.
    kept = sum(2 * channels / 4**level for level, channels in enumerate((4, 4, 6, 6, 8), 1))
    assert training_bytes(spec, size=(64, 64), batch_size=1) > 8 * kept * 64 * 64
    assert training_bytes(spec, size=(128, 64), batch_size=3) == 6 * training_bytes(spec, size=(64, 64), batch_size=1)
