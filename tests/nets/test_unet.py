"""The U-Net against the paper's Table 3, counted operations and a forward pass written anew."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import truncnorm
from torch import Tensor
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from incmask.nets.unet import UNet, keras_he_normal_

# Width factor: millions of parameters (paper, Table 3), billions of operations for one image.
TABLE_3 = {
    0.5: (0.1716, 0.625),
    0.75: (0.3843, 1.403),
    1.0: (0.6817, 2.4914),
    1.25: (1.0637, 3.890),
    1.5: (1.5304, 5.599),
    1.75: (2.0817, 7.619),
    2.0: (2.7176, 9.949),
}


def num_values(net: UNet) -> int:
    """Count trainable parameters and batch-norm statistics, as Keras does."""
    buffers = sum(b.numel() for name, b in net.named_buffers() if not name.endswith("num_batches_tracked"))
    return sum(p.numel() for p in net.parameters()) + buffers


@pytest.mark.parametrize("width", TABLE_3)
def test_parameters_equal_table_3(width):
    with torch.device("meta"):  # counted only, so without values
        net = UNet(3, 1, width)
    assert round(num_values(net) / 1e6, 4) == TABLE_3[width][0]


def test_parameters_by_the_unit():
    assert num_values(UNet(3, 1, 0.5)) == 171_561


@pytest.mark.slow
@pytest.mark.parametrize("width", TABLE_3)
def test_operations_per_image(width):
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        UNet(3, 1, width).eval()(torch.zeros(1, 3, 32, 32))
    # Convolutions cost the same at every pixel, so the count at 256x256 is 64 times that at 32x32.
    decimals = 4 if width == 1 else 3
    assert round(64 * counter.get_total_flops() / 1e9, decimals) == TABLE_3[width][1]


@pytest.mark.parametrize(("height", "width_px"), [(16, 16), (32, 48), (80, 16)])
@pytest.mark.parametrize(("in_channels", "out_channels"), [(1, 3), (3, 1), (5, 9)])
def test_shape_and_type_of_the_output(height, width_px, in_channels, out_channels):
    torch.manual_seed(0)
    net = UNet(in_channels, out_channels, 0.25).eval()
    image = torch.randint(256, (2, in_channels, height, width_px)).float()
    assert net(image).shape == (2, out_channels, height, width_px)
    assert net(image).dtype == torch.float32
    with torch.autocast("cpu", torch.bfloat16):
        reduced = net(image)
    assert reduced.dtype == torch.float32
    # Processors round in places of their own: a single value may be far off where all of them together are not.
    exact = net(image)
    size = torch.linalg.vector_norm(exact)
    assert size > 0
    assert torch.linalg.vector_norm(reduced - exact) < 0.15 * size


def forward_anew(state: dict[str, Tensor], image: Tensor, *, training: bool = False) -> Tensor:
    """The forward pass of the method's description, on the weights alone; in training norms are of the batch."""

    def conv(x: Tensor, name: str) -> Tensor:
        weight = state[f"{name}.weight"]
        return functional.conv2d(x, weight, state[f"{name}.bias"], padding=weight.shape[-1] // 2)

    def norm(x: Tensor, name: str) -> Tensor:
        mean, var, gain, offset = (
            state[f"{name}.{part}"][:, None, None] for part in ("running_mean", "running_var", "weight", "bias")
        )
        if training:
            mean = x.mean((0, 2, 3), keepdim=True)
            var = (x - mean).square().mean((0, 2, 3), keepdim=True)
        return (x - mean) / (var + 1e-3).sqrt() * gain + offset

    x = norm(conv(image / 255, "stem.0").relu(), "stem.1")
    skips = []
    for level in range(4):
        x = conv(conv(x, f"encoder.{level}.0").relu(), f"encoder.{level}.1").relu()
        skips.append(norm(x, f"encoder.{level}.2"))
        n, c, h, w = x.shape
        x = skips[-1].reshape(n, c, h // 2, 2, w // 2, 2).amax((3, 5))
    x = norm(conv(conv(x, "bottleneck.0").relu(), "bottleneck.1").relu(), "bottleneck.2")
    for level in range(4):
        x = x.repeat_interleave(2, 2).repeat_interleave(2, 3) + skips[3 - level]
        x = norm(conv(x, f"decoder.{level}.0").relu(), f"decoder.{level}.1")
        x = conv(conv(x, f"decoder.{level}.2").relu(), f"decoder.{level}.3").relu()
        x = norm(x, f"decoder.{level}.4")
    return conv(x, "head")


def test_forward_equals_one_written_anew():
    torch.manual_seed(0)
    net = UNet(2, 3, 0.5)
    image = torch.randint(256, (2, 2, 32, 48)).float()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for values in (module.weight.data, module.running_var):
                values.uniform_(0.5, 1.5)
            for values in (module.bias.data, module.running_mean):
                values.normal_()
    net.double().eval()
    with torch.no_grad():
        expected = forward_anew(net.state_dict(), image.double())
        net.float()
        torch.testing.assert_close(net(image), expected.float(), rtol=1e-4, atol=1e-4)


def test_gradients_equal_those_of_one_written_anew(monkeypatch):
    """In training, in double precision to the end, of a loss that weighs every output alike at random."""
    monkeypatch.setattr(Tensor, "float", lambda tensor: tensor)
    torch.manual_seed(0)
    net = UNet(2, 3, 0.5).double().train()
    image, weight = torch.randint(256, (3, 2, 32, 48)).double(), torch.randn(3, 3, 32, 48).double()
    anew = {
        name: tensor.clone().requires_grad_(tensor.is_floating_point()) for name, tensor in net.state_dict().items()
    }
    (net(image).sigmoid() * weight).sum().backward()
    (forward_anew(anew, image, training=True).sigmoid() * weight).sum().backward()
    for name, parameter in net.named_parameters():
        size = anew[name].grad.abs().max()
        assert size > 0, name
        assert (parameter.grad - anew[name].grad).abs().max() < 1e-10 * max(size, 1), name


def test_widths_of_the_levels():
    net = UNet(3, 1, 0.5)
    encoder = [(block[0].in_channels, block[0].out_channels, block[1].out_channels) for block in net.encoder]
    assert encoder == [(8, 8, 8), (8, 16, 16), (16, 32, 32), (32, 64, 64)]
    assert (net.bottleneck[0].out_channels, net.bottleneck[1].out_channels) == (128, 64)
    decoder = [[block[i].out_channels for i in (0, 2, 3)] for block in net.decoder]
    assert decoder == [[64, 64, 32], [32, 32, 16], [16, 16, 8], [8, 8, 8]]


def test_batch_norm_momentum_is_the_share_that_stays():
    net = UNet(1, 1, 0.25, batch_norm_momentum=0.9)
    net.train()
    image = torch.randint(256, (4, 1, 16, 16)).float()
    net(image)
    norm = net.stem[1]
    with torch.no_grad():
        entering = net.stem[0](image / 255)
    torch.testing.assert_close(norm.running_mean, 0.9 * torch.zeros(4) + 0.1 * entering.mean((0, 2, 3)))
    torch.testing.assert_close(norm.running_var, 0.9 * torch.ones(4) + 0.1 * entering.var((0, 2, 3)))


def test_batch_norms_follow_the_paper_by_default():
    norms = [module for module in UNet(1, 1, 0.25).modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert len(norms) == 1 + 4 + 1 + 4 * 2
    for norm in norms:
        assert norm.eps == 1e-3
        assert norm.momentum == pytest.approx(0.01)


def test_he_normal_has_its_spread_and_its_cut():
    torch.manual_seed(0)
    weight = keras_he_normal_(torch.empty(400, 50, 3, 3))
    fan_in = 50 * 9
    cut = 2 * math.sqrt(2 / fan_in) / truncnorm(-2, 2).std()
    assert weight.std().item() == pytest.approx(math.sqrt(2 / fan_in), rel=0.01)
    assert weight.mean().abs().item() < 0.01 * cut
    assert weight.abs().max().item() <= cut * (1 + 1e-6)
    assert weight.abs().max().item() > 0.999 * cut
    # A normal cut at two deviations has far more values near the cut than one scaled to fit.
    expected = truncnorm(-2, 2).cdf(-1.5) * 2
    assert np.mean(weight.abs().numpy() > 0.75 * cut) == pytest.approx(expected, rel=0.03)


def test_weights_begin_he_normal_and_biases_at_zero():
    torch.manual_seed(0)
    for name, module in UNet(3, 4, 2).named_modules():
        if isinstance(module, torch.nn.Conv2d):
            fan_in = module.weight[0].numel()
            assert (module.bias == 0).all(), name
            if module.weight.numel() > 5000:
                assert module.weight.std().item() == pytest.approx(math.sqrt(2 / fan_in), rel=0.05), name


@pytest.mark.parametrize("shape", [(1, 1, 24, 16), (1, 1, 16, 24), (1, 16, 16)])
def test_other_image_sizes_are_refused(shape):
    with pytest.raises(ValueError, match="multiples of 16"):
        UNet(1, 1, 0.25)(torch.zeros(shape))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"in_channels": 0}, "in_channels"),
        ({"out_channels": 0}, "out_channels"),
        ({"width": 0.06}, "width"),
        ({"batch_norm_momentum": 1.0}, "batch_norm_momentum"),
        ({"batch_norm_momentum": -0.1}, "batch_norm_momentum"),
    ],
)
def test_arguments_outside_their_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        UNet(**({"in_channels": 1, "out_channels": 1, "width": 0.25} | arguments))
