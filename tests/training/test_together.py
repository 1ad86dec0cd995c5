import pytest
import torch

from incmask.nets.spec import NetworkSpec
from incmask.training.together.group import NetworkGroup
from incmask.training.together.rendezvous import Together


@pytest.fixture
def group():
    return NetworkGroup([NetworkSpec(1, 1, 0.125).build(seed=seed).eval() for seed in range(3)])


def images(seed):
    return torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(seed)) * 255


def test_functions_get_the_outputs_of_their_own_networks(group):
    calls = []

    def forward(*inputs):
        calls.append(inputs)
        return group.network(*inputs)

    def twice(seed):
        def function(network):
            assert next(network.parameters()).device.type == "cpu"
            return network(images(seed)), network(images(seed + 10))

        return function

    results = Together(group, forward).run([twice(seed) for seed in range(3)])
    assert len(calls) == 2
    for seed, (first, second) in enumerate(results):
        torch.testing.assert_close(first, group.members[seed](images(seed)), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(second, group.members[seed](images(seed + 10)), rtol=1e-4, atol=1e-5)


def test_it_can_be_used_again(group):
    together = Together(group, group.network)
    for _ in range(3):
        assert len(together.run([lambda network: network(images(0))] * 3)) == 3


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("num_calls", [0, 1])
def test_the_mistake_of_one_is_raised_and_frees_the_others(group, place, num_calls):
    ended = []

    def function(number):
        def run(network):
            try:
                for call in range(2):
                    if number == place and call == num_calls:
                        raise ZeroDivisionError("mine")
                    network(images(number))
            finally:
                ended.append(number)

        return run

    together = Together(group, group.network)
    with pytest.raises(ZeroDivisionError, match="mine"):
        together.run([function(number) for number in range(3)])
    assert sorted(ended) == [0, 1, 2]
    assert len(together.run([lambda network: network(images(0))] * 3)) == 3


def test_an_error_of_the_network_is_everybody_s(group):
    def forward(*inputs):
        raise torch.OutOfMemoryError("no room")

    with pytest.raises(torch.OutOfMemoryError, match="no room"):
        Together(group, forward).run([lambda network: network(images(0))] * 3)


def test_functions_that_do_not_call_alike_are_told(group):
    def twice(network):
        network(images(0))
        return network(images(0))

    with pytest.raises(Exception, match="without calling its network"):
        Together(group, group.network).run([twice, twice, lambda network: network(images(0))])


def test_functions_may_do_without_the_network(group):
    assert Together(group, group.network).run([lambda network: 5] * 3) == [5, 5, 5]
