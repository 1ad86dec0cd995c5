import pytest
import torch
from torch import nn

from incmask.nets.spec import EvalNetSpec, NetworkSpec, VolumeEvalNetSpec
from incmask.training.together.group import NetworkGroup
from incmask.training.together.row import NetworkRow, group_of

SPECS = {
    "unet": (NetworkSpec(3, 2, 0.125), [(2, 3, 32, 32)]),
    "grey": (NetworkSpec(1, 1, 0.25), [(4, 1, 64, 32)]),
    "evalnet": (EvalNetSpec(3, 2, 4, 0.125), [(3, 3, 48, 33), (3, 2, 48, 33)]),
}


def networks(spec, num=3):
    """In 64 bits but for the head, which asks for 32: a batch norm blows rounding up where a channel hardly varies."""
    built = [spec.build(seed=seed).double() for seed in range(num)]
    for network in built:
        network.head.float()
    return built


def inputs(shapes, num=3):
    generator = torch.Generator().manual_seed(0)
    return [[torch.rand(shape, generator=generator, dtype=torch.float64) * 255 for shape in shapes] for _ in range(num)]


@pytest.mark.slow
@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("training", [True, False])
def test_a_group_is_its_members_side_by_side(name, training):
    """Outputs, running statistics and gradients of every weight."""
    spec, shapes = SPECS[name]
    alone, group = networks(spec), NetworkGroup(networks(spec))
    shown = inputs(shapes)
    for network in (*alone, group.network):
        network.train(training)
    expected = [network(*each) for network, each in zip(alone, shown, strict=True)]
    outputs = group.split(group.network(*(group.join(each) for each in zip(*shown, strict=True))))
    for output, theirs in zip(outputs, expected, strict=True):
        assert output.shape == theirs.shape
        torch.testing.assert_close(output, theirs, rtol=1e-5, atol=1e-5)
    # Weighed, so that a gradient that went to another member would show.
    sum(number * each.square().sum() for number, each in enumerate(outputs, 1)).backward()
    sum(number * each.square().sum() for number, each in enumerate(expected, 1)).backward()
    for key, parameter in group.network.named_parameters():
        for window, network in zip(group.windows(parameter.grad), alone, strict=True):
            theirs = dict(network.named_parameters())[key].grad
            scale = theirs.abs().max() + 1e-3
            torch.testing.assert_close(window / scale, theirs / scale, rtol=1e-5, atol=1e-5)
    for member, network in zip(group.members, alone, strict=True):
        for key, buffer in network.named_buffers():
            torch.testing.assert_close(dict(member.named_buffers())[key], buffer)


def test_networks_that_rate_volumes_are_run_in_turn():
    spec = VolumeEvalNetSpec(1, 2, 3, 0.125, depth=2, poolings=((1, 2, 2),) * 6)
    members = [spec.build(seed=seed).eval() for seed in range(3)]
    group, shown = group_of(members), inputs([(2, 1, 2 * 16, 16), (2, 2, 2 * 16, 16)])
    assert isinstance(group, NetworkRow)
    shown = [[each.float() for each in pair] for pair in shown]
    outputs = group.split(group.network(*(group.join(each) for each in zip(*shown, strict=True))))
    for member, pair, output in zip(members, shown, outputs, strict=True):
        torch.testing.assert_close(output, member(*pair), rtol=1e-4, atol=1e-5)
    owned = sum(weight.parameter.numel() for weight in group.weights)
    assert owned == 3 * sum(each.numel() for each in members[0].parameters())


@pytest.mark.parametrize("name", SPECS)
def test_members_are_windows(name):
    spec, _ = SPECS[name]
    before = [network.state_dict() for network in networks(spec)]
    group = NetworkGroup(networks(spec))
    for member, theirs in zip(group.members, before, strict=True):
        assert list(member.state_dict()) == list(theirs)
        for key, value in member.state_dict().items():
            assert torch.equal(value, theirs[key])
    with torch.no_grad():
        for tensor in group.network.state_dict().values():
            tensor.add_(1)
    for member, theirs in zip(group.members, before, strict=True):
        for key, value in member.state_dict().items():
            assert torch.equal(value, theirs[key] + 1)
    group.members[1].load_state_dict(before[1])
    for key, stacked in group.network.state_dict().items():
        assert torch.equal(group.windows(stacked)[1], before[1][key])
        if stacked.ndim:
            assert torch.equal(group.windows(stacked)[2], before[2][key] + 1)


def test_weights_lie_channels_last():
    group = NetworkGroup(networks(SPECS["unet"][0]))
    for parameter in group.network.parameters():
        if parameter.ndim == 4:
            assert parameter.is_contiguous(memory_format=torch.channels_last)
    for member in group.members:
        for parameter in member.parameters():
            if parameter.ndim == 4:
                assert parameter.is_contiguous(memory_format=torch.channels_last)
    assert group.join([torch.zeros(2, 3, 4, 5)] * 3).is_contiguous(memory_format=torch.channels_last)


def test_one_network_is_left_alone():
    (network,) = networks(SPECS["unet"][0], 1)
    group = NetworkGroup([network])
    assert group.network is network


def test_a_layer_that_is_not_known_is_told():
    with pytest.raises(TypeError, match="GroupNorm"):
        NetworkGroup([nn.Sequential(nn.Conv2d(1, 2, 1), nn.GroupNorm(1, 2)) for _ in range(2)])
    # A dense layer takes all features at once, so that they do not lie side by side.
    with pytest.raises(TypeError, match="Linear"):
        NetworkGroup([nn.Sequential(nn.Linear(2, 2)) for _ in range(2)])
