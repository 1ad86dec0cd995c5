"""The network of signals, against the same in torch's one-dimensional layers."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from incmask.nets import UNet
from incmask.nets.sheets import RowUNet
from incmask.nets.spec import NetworkSpec, SignalSpec, load_model, save_model
from incmask.training.together.row import NetworkRow, group_of


def by_hand(network, signals):
    """Compute the network with the one-dimensional layers of torch."""

    def layers(block, x):
        for layer in block:
            if isinstance(layer, nn.BatchNorm2d):
                x = functional.batch_norm(
                    x, layer.running_mean, layer.running_var, layer.weight, layer.bias, eps=layer.eps
                )
            else:
                x = functional.relu(functional.conv1d(x, layer.weight[:, :, 0], layer.bias, padding="same"))
        return x

    x, skips = layers(network.stem, signals / 255), []
    for block in network.encoder:
        x = layers(block, x)
        skips.append(x)
        x = functional.max_pool1d(x, 2)
    x = layers(network.bottleneck, x)
    for block in network.decoder:
        x = layers(block, functional.interpolate(x, scale_factor=2.0) + skips.pop())
    return functional.conv1d(x, network.head.weight[:, :, 0], network.head.bias)


def of_signals(**more):
    torch.manual_seed(0)
    network = UNet(2, 3, 0.25, ndim=1, **more).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return network


def test_signals_are_seen_as_one_dimensional_layers_see_them():
    network, signals = of_signals(), 255 * torch.rand(4, 2, 48)
    with torch.inference_mode():
        assert torch.allclose(network(signals), by_hand(network, signals), atol=1e-4)
    assert {tuple(each.weight.shape[2:]) for each in network.modules() if isinstance(each, nn.Conv2d)} == {
        (1, 1),
        (1, 3),
    }


def test_rows_do_not_know_of_each_other():
    network = RowUNet(2, 1, 0.25).eval()
    rows = 255 * torch.rand(3, 2, 5, 32)
    with torch.inference_mode():
        alone = torch.stack([network(rows[:, :, each : each + 1])[:, :, 0] for each in range(5)], dim=2)
        assert torch.allclose(network(rows), alone, atol=1e-5)
        assert torch.allclose(UNet.forward(network, rows[:, :, 2]), alone[:, :, 2], atol=1e-5)


def test_other_lengths_are_refused():
    for network, shape in ((of_signals(), (1, 2, 40)), (of_signals(), (1, 2, 1, 48)), (RowUNet(2, 1, 0.25), (1, 2, 8))):
        with pytest.raises(ValueError, match="expected"):
            network(torch.zeros(shape))
    with pytest.raises(ValueError, match="ndim must be"):
        UNet(1, 1, ndim=4)


def test_a_file_tells_that_it_is_of_signals(tmp_path):
    spec = SignalSpec(1, 1, 0.25)
    network = spec.build(seed=3)
    save_model(tmp_path / "a.safetensors", network.state_dict(), spec)
    read = load_model(tmp_path / "a.safetensors")
    assert isinstance(read, RowUNet)
    assert all(torch.equal(one, other) for one, other in zip(read.parameters(), network.parameters(), strict=True))
    save_model(
        tmp_path / "b.safetensors", (flat := NetworkSpec(1, 1, 0.25).build()).state_dict(), NetworkSpec(1, 1, 0.25)
    )
    assert type(load_model(tmp_path / "b.safetensors")) is type(flat) is UNet
    assert isinstance(group_of([network, read]), NetworkRow)
