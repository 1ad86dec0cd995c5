import re

import pytest

from incmask.base.errors import IncmaskError
from incmask.nets.spec import EvalNetSpec, NetworkSpec, VolumeEvalNetSpec, VolumeSpec
from incmask.training.capacity import (
    PROCESS_BYTES,
    batch_bytes,
    fitting_workers,
    rating_cost,
    train_cost,
    training_bytes,
)

NETWORK = NetworkSpec(in_channels=3, out_channels=1, width=0.5)


def room(available, *, num_workers=4, batch_size=16, num_on_gpu=0):
    return fitting_workers(
        NETWORK,
        size=(128, 128),
        batch_size=batch_size,
        num_workers=num_workers,
        num_on_gpu=num_on_gpu,
        available=available,
    )


def needed(batch_size=16):
    return PROCESS_BYTES + training_bytes(NETWORK, size=(128, 128), batch_size=batch_size)


def test_memory_grows_with_the_batch_and_the_area():
    one = training_bytes(NETWORK, size=(64, 64), batch_size=1)
    assert training_bytes(NETWORK, size=(64, 64), batch_size=6) == 6 * one
    assert training_bytes(NETWORK, size=(128, 192), batch_size=1) == 6 * one
    wider = training_bytes(NetworkSpec(3, 1, 1.0), size=(64, 64), batch_size=1)
    assert 1.9 < wider / one < 2.1  # activations are as many as the filters
    # A layer of 64·½ filters keeps 4 bytes a filter and pixel, and there are more than two of them.
    assert one > 2 * 4 * 32 * 64 * 64


def test_as_many_workers_as_there_is_room_for():
    assert room(100 * needed()) == 4
    assert room(4 * needed()) == 4
    assert room(4 * needed() - 1) == 3
    assert room(needed()) == 1
    assert room(100 * needed(), num_workers=1) == 1


def test_processes_that_train_a_network_together_are_counted():
    shares = {"size": (128, 128), "batch_size": 16, "num_workers": 4, "num_processes": 2}
    # The worker waits beside them; what a batch takes lies in both, a part in each.
    each = needed() + 2 * PROCESS_BYTES
    assert fitting_workers(NETWORK, **shares, available=2 * each) == 2
    assert fitting_workers(NETWORK, **shares, available=2 * each - 1) == 1


def test_too_little_memory_names_a_batch_size_that_fits():
    available = needed() - 2**20
    with pytest.raises(IncmaskError) as error:
        room(available)
    (problem,) = error.value.problems
    assert "batches of 16" in problem.what
    assert "128×128" in problem.what
    smaller = int(re.search(r'"batch_size": (\d+)', problem.remedy)[1])
    assert 1 <= smaller < 16
    assert room(available, batch_size=smaller) == 1


def test_no_batch_size_is_named_where_none_fits():
    with pytest.raises(IncmaskError) as error:
        room(PROCESS_BYTES // 2)
    assert "batch_size" not in error.value.problems[0].remedy
    assert 'settings["size"]' in error.value.problems[0].remedy


def test_of_volumes_the_patch_is_named():
    network = VolumeSpec(in_channels=1, out_channels=2, width=0.125, depth=16, poolings=((1, 2, 2),) * 4)
    with pytest.raises(IncmaskError) as error:
        fitting_workers(network, size=(16 * 32, 48), batch_size=1, num_workers=1, available=PROCESS_BYTES // 2)
    (problem,) = error.value.problems
    assert "training at 16×32×48 " in problem.what
    assert problem.remedy.startswith("use a smaller patch in incmask.toml or ")


def test_of_volumes_ratings_take_what_their_layers_keep():
    """Of an EvalNet that shrinks nothing: all numbers of each convolution and batch norm, twice 4 bytes."""
    network = VolumeEvalNetSpec(1, 4, 1, 0.125, depth=3, poolings=((1, 1, 1),) * 6)
    streams, blocks = 2 * (2 + 2 + 3 * 2), 3 * (2 + 4 + 8 + 16 + 32)
    assert training_bytes(network, size=(3 * 4, 5), batch_size=2) == 8 * (streams + blocks) * 2 * 3 * 4 * 5
    with pytest.raises(IncmaskError, match=r"training at 3×4×5 .* patch"):
        fitting_workers(network, size=(12, 5), batch_size=1, num_workers=1, available=PROCESS_BYTES // 2)


def test_on_a_gpu_batches_count_and_activations_do_not():
    # Two batches of 16 images of 128×128 in 3 channels, of 8 bytes a value.
    batches = 2 * 16 * 128 * 128 * 3 * 8
    assert batch_bytes(NETWORK, size=(128, 128), batch_size=16) == batches
    assert batches < training_bytes(NETWORK, size=(128, 128), batch_size=16) / 4
    # A width that no CPU's memory has room for makes no difference.
    assert batch_bytes(NetworkSpec(3, 1, 8.0), size=(128, 128), batch_size=16) == batches
    # An EvalNet's mask is an input, too.
    assert batch_bytes(EvalNetSpec(3, 1, 1, 1.0), size=(128, 128), batch_size=16) == batches // 3 * 4
    needed_by_five = PROCESS_BYTES + 5 * batches
    assert room(needed_by_five, num_on_gpu=5) == 1
    assert room(2 * needed_by_five, num_on_gpu=5) == 2
    assert room(2 * needed_by_five - 1, num_on_gpu=5) == 1
    assert room(100 * needed_by_five, num_on_gpu=5) == 4


def test_a_machine_too_small_for_the_batches_of_its_gpu_is_told_a_batch_size_that_fits():
    available = PROCESS_BYTES + 5 * batch_bytes(NETWORK, size=(128, 128), batch_size=16) - 1
    with pytest.raises(IncmaskError) as error:
        room(available, num_on_gpu=5)
    assert '"batch_size": 15' in error.value.problems[0].remedy
    assert room(available, num_on_gpu=5, batch_size=15) == 1


def test_a_system_that_does_not_tell_gets_what_was_asked_for(monkeypatch):
    monkeypatch.setattr("incmask.training.capacity.available_bytes", lambda: None)
    assert room(None) == 4
    monkeypatch.setattr("incmask.training.capacity.available_bytes", lambda: 2 * needed())
    assert room(None) == 2


def test_wider_networks_cost_more_than_their_width_and_less_than_its_square():
    assert train_cost(1.0) == 1.0
    assert 2 < train_cost(2.0) < 4
    # An EvalNet of twice the width takes about as long.
    assert 1 < rating_cost(1.0) / train_cost(0.5) < 1.5
