"""The EvalNet against a count by hand and a forward pass written anew."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from incmask.nets.evalnet import EvalNet


def pair(*shape, image_channels=3, mask_channels=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    n, height, width = shape
    image = torch.randint(256, (n, image_channels, height, width), generator=generator).float()
    return image, torch.randint(2, (n, mask_channels, height, width), generator=generator).float()


def test_parameters_counted_by_hand():
    # Convolution: (inputs * side**2 + 1) * outputs; batch norm: 2 an output.
    streams = (3 + 1) * 16 + (1 + 1) * 16 + 2 * (32 + 145 * 16 + 17 * 16 + 32)
    blocks = (
        ((32 * 9 + 1) * 16 + 17 * 16 + 32)
        + ((16 * 9 + 1) * 32 + 33 * 32 + 64)
        + ((32 * 9 + 1) * 64 + 65 * 64 + 128)
        + ((64 * 9 + 1) * 128 + 129 * 128 + 256)
        + ((128 * 9 + 1) * 256 + 257 * 256 + 512)
    )
    expected = streams + blocks + 257
    assert expected == 491_233
    assert sum(p.numel() for p in EvalNet(3, 1, 1).parameters()) == expected


def test_filters_grow_with_the_width():
    net = EvalNet(1, 3, 6, 2.0)
    for stream, in_channels in ((net.image_stream, 1), (net.mask_stream, 3)):
        assert [stream[0].in_channels, stream[0].out_channels] == [in_channels, 32]
        assert [stream[2][i].out_channels for i in (0, 1)] == [32, 32]
    assert [(block[0].in_channels, block[1].out_channels) for block in net.blocks] == [
        (64, 32),
        (32, 64),
        (64, 128),
        (128, 256),
        (256, 512),
    ]
    assert (net.head.in_features, net.head.out_features) == (512, 6)


def forward_anew(state: dict[str, Tensor], image: Tensor, mask: Tensor, *, training: bool = False) -> Tensor:
    """The forward pass of the method's description, on the weights alone; sides are multiples of 64."""

    def conv(x: Tensor, name: str) -> Tensor:
        weight = state[f"{name}.weight"]
        return functional.conv2d(x, weight, state[f"{name}.bias"], padding=weight.shape[-1] // 2).relu()

    def norm(x: Tensor, name: str) -> Tensor:
        mean, var, gain, offset = (
            state[f"{name}.{part}"][:, None, None] for part in ("running_mean", "running_var", "weight", "bias")
        )
        if training:
            mean = x.mean((0, 2, 3), keepdim=True)
            var = (x - mean).square().mean((0, 2, 3), keepdim=True)
        return (x - mean) / (var + 1e-3).sqrt() * gain + offset

    def block(x: Tensor, name: str) -> Tensor:
        x = norm(conv(conv(x, f"{name}.0"), f"{name}.1"), f"{name}.2")
        n, c, h, w = x.shape
        return x.reshape(n, c, h // 2, 2, w // 2, 2).amax((3, 5))

    a = block(norm(conv(image / 255, "image_stream.0"), "image_stream.1"), "image_stream.2")
    b = block(norm(conv(mask, "mask_stream.0"), "mask_stream.1"), "mask_stream.2")
    x = torch.cat([a, b], 1)
    for level in range(5):
        x = block(x, f"blocks.{level}")
    scores = torch.einsum("nc,oc->no", x.mean((2, 3)), state["head.weight"]) + state["head.bias"]
    return 1 / (1 + (-scores).exp())


def test_forward_equals_one_written_anew():
    torch.manual_seed(0)
    net = EvalNet(2, 3, 4, 0.5)
    image, mask = pair(2, 64, 128, image_channels=2, mask_channels=3)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for values in (module.weight.data, module.running_var):
                values.uniform_(0.5, 1.5)
            for values in (module.bias.data, module.running_mean):
                values.normal_(std=0.3)
    net.double().eval()
    with torch.no_grad():
        expected = forward_anew(net.state_dict(), image.double(), mask.double())
        assert expected.std() > 0.01
        torch.testing.assert_close(net.float()(image, mask), expected.float(), rtol=1e-4, atol=1e-4)


def test_gradients_equal_those_of_one_written_anew(monkeypatch):
    """In training, in double precision to the end, of the squared error."""
    monkeypatch.setattr(Tensor, "float", lambda tensor: tensor)
    torch.manual_seed(0)
    net = EvalNet(2, 3, 4, 0.5).double().train()
    image, mask = (each.double() for each in pair(3, 64, 128, image_channels=2, mask_channels=3))
    target = torch.rand(3, 4).double()
    anew = {
        name: tensor.clone().requires_grad_(tensor.is_floating_point()) for name, tensor in net.state_dict().items()
    }
    (net(image, mask) - target).square().mean().backward()
    (forward_anew(anew, image, mask, training=True) - target).square().mean().backward()
    for name, parameter in net.named_parameters():
        size = anew[name].grad.abs().max()
        assert size > 0, name
        assert (parameter.grad - anew[name].grad).abs().max() < 1e-10 * max(size, 1), name


@pytest.mark.parametrize(("height", "width"), [(16, 16), (17, 31), (32, 48), (64, 64), (100, 65)])
def test_output_of_every_size(height, width):
    torch.manual_seed(0)
    net = EvalNet(3, 4, 6, 0.25)
    image, mask = pair(3, height, width, mask_channels=4)
    net(image, mask)  # a training pass
    net.eval()
    with torch.no_grad():
        scores = net(image, mask)
        with torch.autocast("cpu", torch.bfloat16):
            reduced = net(image, mask)
    assert scores.shape == (3, 6)
    assert scores.dtype == reduced.dtype == torch.float32
    assert ((scores > 0) & (scores < 1)).all()
    torch.testing.assert_close(reduced, scores, rtol=0.1, atol=0.1)


def test_extreme_outputs_stay_within_0_and_1():
    net = EvalNet(1, 1, 2, 0.25).eval()
    net.head.bias.data = torch.tensor([-500.0, 500.0])
    assert net(*pair(1, 16, 16, image_channels=1)).tolist() == [[0.0, 1.0]]


def test_gradient_reaches_every_parameter():
    torch.manual_seed(0)
    net = EvalNet(3, 2, 4, 0.5)
    net(*pair(4, 64, 64, mask_channels=2)).square().sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_both_inputs_count():
    torch.manual_seed(0)
    net = EvalNet(3, 1, 1, 0.25).eval()
    image, mask = pair(2, 32, 32)
    scores = net(image, mask)
    assert (net(255 - image, mask) != scores).all()
    assert (net(image, torch.zeros_like(mask)) != scores).all()


def test_channels_last_equals_contiguous():
    torch.manual_seed(0)
    net = EvalNet(3, 2, 4, 0.5).eval()
    image, mask = pair(2, 48, 64, mask_channels=2)
    with torch.no_grad():
        scores = net(image, mask)
        net.to(memory_format=torch.channels_last)
        last = net(*(x.to(memory_format=torch.channels_last) for x in (image, mask)))
    torch.testing.assert_close(last, scores, rtol=1e-5, atol=1e-6)


def test_same_seed_same_net():
    scores = []
    for seed in (7, 7, 8):
        torch.manual_seed(seed)
        scores.append(EvalNet(3, 1, 1, 0.25).eval()(*pair(2, 32, 32)))
    assert torch.equal(scores[0], scores[1])
    assert not torch.equal(scores[0], scores[2])


def test_weights_begin_he_normal_and_biases_at_zero():
    torch.manual_seed(0)
    for name, module in EvalNet(3, 4, 64, 1.0).named_modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            assert (module.bias == 0).all(), name
            if module.weight.numel() > 5000:
                expected = math.sqrt(2 / module.weight[0].numel())
                assert module.weight.std().item() == pytest.approx(expected, rel=0.05), name


@pytest.mark.parametrize(("num_outputs", "num_each"), [(1, 1), (64, 32)])
def test_the_last_layer_may_begin_as_in_keras(num_outputs, num_each):
    """Uniform within the root of 6 / (inputs + outputs), for ratings and detections by themselves; else nothing new."""
    nets = []
    for head in ("he_normal", "glorot_uniform"):
        torch.manual_seed(0)
        nets.append(EvalNet(3, 1, num_outputs, 1.0, head=head))
    he, glorot = nets
    for (name, ours), theirs in zip(he.named_parameters(), glorot.parameters(), strict=True):
        assert torch.equal(ours, theirs) == (name != "head.weight"), name
    limit = math.sqrt(6 / (256 + num_each))
    weight = glorot.head.weight
    assert 0.97 * limit < weight.abs().max() <= limit
    assert weight.std().item() == pytest.approx(limit / math.sqrt(3), rel=0.05)


def test_batch_norms_follow_the_paper():
    norms = [module for module in EvalNet(1, 1, 1, 0.25).modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert len(norms) == 2 * 2 + 5
    for norm in norms:
        assert norm.eps == 1e-3
        assert norm.momentum == pytest.approx(0.01)


def test_batch_norm_momentum_is_the_share_that_stays():
    net = EvalNet(1, 1, 1, 0.25, batch_norm_momentum=0.9)
    image, mask = pair(4, 16, 16, image_channels=1)
    net(image, mask)
    with torch.no_grad():
        entering = net.mask_stream[0](mask)
    torch.testing.assert_close(net.mask_stream[1].running_mean, 0.1 * entering.mean((0, 2, 3)))


@pytest.mark.parametrize("shape", [(1, 1, 15, 16), (1, 1, 16, 15), (1, 16, 16)])
def test_small_images_are_refused(shape):
    with pytest.raises(ValueError, match="16 or more"):
        EvalNet(1, 1, 1, 0.25)(torch.zeros(shape), torch.zeros(1, 1, 16, 16))


@pytest.mark.parametrize("shape", [(1, 1, 16, 32), (1, 16, 16)])
def test_masks_of_other_sides_are_refused(shape):
    with pytest.raises(ValueError, match="mask"):
        EvalNet(1, 1, 1, 0.25)(torch.zeros(1, 1, 16, 16), torch.zeros(shape))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_channels": 0}, "image_channels"),
        ({"mask_channels": 0}, "mask_channels"),
        ({"num_outputs": 0}, "num_outputs"),
        ({"width": 0.06}, "width"),
        ({"batch_norm_momentum": 1.0}, "batch_norm_momentum"),
        ({"batch_norm_momentum": -0.1}, "batch_norm_momentum"),
        ({"head": "zeros"}, "head"),
    ],
)
def test_arguments_outside_their_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        EvalNet(**({"image_channels": 1, "mask_channels": 1, "num_outputs": 1, "width": 0.25} | arguments))
