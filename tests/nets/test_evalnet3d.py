"""The EvalNet in three dimensions: counted by hand, against one written anew, and on a volume of one slice."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import nn

from incmask.nets.costs import count_parameters, flops_an_image
from incmask.nets.evalnet import EvalNet
from incmask.nets.sheets import SheetEvalNet
from incmask.nets.spec import EvalNetSpec, VolumeEvalNetSpec, load_model, save_model
from incmask.nets.unet import Conv3d

FLAT = ((1, 2, 2),) * 6
SOME = ((1, 2, 2), (2, 2, 2), (2, 1, 2), (1, 1, 1), (2, 2, 1), (1, 1, 1))


def conv(inputs, outputs, side):
    return inputs * outputs * side**3 + outputs


def block(inputs, outputs):
    return conv(inputs, outputs, 3) + conv(outputs, outputs, 1) + 4 * outputs


def unsettled(network, *, seed=0):
    """Give batch norms statistics, gains and offsets that matter."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
            for values in (module.weight.data, module.running_var):
                values.uniform_(0.5, 1.5, generator=generator)
            for values in (module.bias.data, module.running_mean):
                values.normal_(std=0.3, generator=generator)
    return network


def pair(*shape, masks=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    number, *sides = shape
    image = torch.randint(256, (number, 1, *sides), generator=generator).float()
    return image, torch.randint(2, (number, masks, *sides), generator=generator).float()


def test_parameters_as_counted_by_hand():
    streams = conv(1, 8, 1) + conv(4, 8, 1) + 2 * (4 * 8 + block(8, 8))
    blocks = block(16, 8) + block(8, 16) + block(16, 32) + block(32, 64) + block(64, 128)
    assert count_parameters(EvalNet(1, 4, 6, 0.5, ndim=3)) == streams + blocks + 6 * 129


def test_a_volume_of_one_slice_is_an_image():
    """With the middle slice of each cube as square, both compute the same: beyond the only slice there are zeros."""
    cubes, squares = EvalNet(1, 3, 4, 0.5, ndim=3, poolings=FLAT), EvalNet(1, 3, 4, 0.5)
    squares.load_state_dict(
        {
            name: weight[:, :, weight.shape[2] // 2] if weight.ndim == 5 else weight
            for name, weight in cubes.state_dict().items()
        }
    )
    image, mask = pair(3, 40, 64)
    for network in (cubes, squares):
        network.train()
    rated = cubes(image[:, :, None], mask[:, :, None])
    assert rated.std() > 0.01
    torch.testing.assert_close(rated, squares(image, mask), atol=1e-5, rtol=1e-4)


def convolved(values, weight, bias):
    """Cross-correlate (C, D, H, W) with each filter, zeros beyond."""
    found = [
        sum(ndimage.correlate(one, kernel, mode="constant") for one, kernel in zip(values, of_output, strict=True))
        for of_output in weight
    ]
    return np.stack(found) + bias[:, None, None, None]


def pooled(values, factors):
    """Take the largest of each box, the last ones of which may be cut off."""
    sides = [range(0, length, factor) for length, factor in zip(values.shape[1:], factors, strict=True)]
    shape = tuple(map(len, sides))
    found = np.empty((len(values), *shape))
    for place in np.ndindex(shape):
        box = tuple(slice(at * factor, (at + 1) * factor) for at, factor in zip(place, factors, strict=True))
        found[:, *place] = values[:, *box].max((1, 2, 3))
    return found


def test_ratings_as_of_a_loop_over_voxels():
    """Of one volume with odd sides, in double precision by SciPy's correlation."""
    torch.manual_seed(0)
    network = unsettled(EvalNet(1, 3, 4, 0.125, ndim=3, poolings=SOME)).double().eval()
    state = {name: value.numpy() for name, value in network.state_dict().items()}
    image, mask = pair(1, 5, 11, 8)

    def layer(values, name):
        return np.maximum(convolved(values, state[f"{name}.weight"], state[f"{name}.bias"]), 0)

    def norm(values, name):
        mean, var, gain, offset = (
            state[f"{name}.{part}"][:, None, None, None] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (values - mean) / np.sqrt(var + 1e-3) * gain + offset

    def whole_block(values, name, factors):
        return pooled(norm(layer(layer(values, f"{name}.0"), f"{name}.1"), f"{name}.2"), factors)

    streams = [
        whole_block(norm(layer(given, f"{name}.0"), f"{name}.1"), f"{name}.2", SOME[0])
        for given, name in ((image[0].double().numpy() / 255, "image_stream"), (mask[0].numpy(), "mask_stream"))
    ]
    values = np.concatenate(streams)
    for level, factors in enumerate(SOME[1:]):
        values = whole_block(values, f"blocks.{level}", factors)
    assert values.shape == (32, 1, 2, 1)
    expected = 1 / (1 + np.exp(-(state["head.weight"] @ values.mean((1, 2, 3)) + state["head.bias"])))
    assert expected.std() > 0.01
    with torch.no_grad():
        network.head.float()
        found = network(image.double(), mask.double())
    np.testing.assert_allclose(found[0].numpy(), expected, rtol=1e-4)


def test_a_sheet_is_its_volume():
    network = unsettled(SheetEvalNet(1, 3, 4, 0.25, depth=5, poolings=SOME)).eval()
    image, mask = pair(2, 5, 12, 10)
    expected = EvalNet.forward(network, image, mask)
    found = network(image.reshape(2, 1, 60, 10), mask.reshape(2, 3, 60, 10))
    assert torch.equal(found, expected)
    assert found.std() > 1e-3


def test_files_keep_networks_of_volumes(tmp_path):
    spec = VolumeEvalNetSpec(1, 3, 4, 0.25, depth=5, poolings=SOME)
    network = spec.build(seed=3)
    save_model(tmp_path / "model.safetensors", network.state_dict(), spec)
    loaded = load_model(tmp_path / "model.safetensors")
    sheets = [each.flatten(2, 3) for each in pair(2, 5, 12, 10)]
    assert torch.equal(loaded(*sheets), network.eval()(*sheets))
    assert (loaded.depth, loaded.poolings) == (5, SOME)
    assert VolumeEvalNetSpec(1, 3, 4, 0.25, depth=5, poolings=[list(each) for each in SOME]) == spec
    assert not isinstance(EvalNetSpec(1, 3, 4, 0.25).build(), SheetEvalNet)


def test_operations_are_counted_by_voxel():
    """Of one level that pools nothing: each weight of a convolution is used once a voxel."""
    spec = VolumeEvalNetSpec(1, 1, 1, 0.125, depth=4, poolings=((1, 1, 1),) * 6)
    network = spec.build()
    weights = sum(module.weight.numel() for module in network.modules() if isinstance(module, Conv3d))
    assert flops_an_image(network, (1, 4 * 6, 5), (1, 4 * 6, 5)) == 2 * (weights * 4 * 6 * 5 + 32)


def test_other_shapes_are_refused():
    network = EvalNet(1, 1, 1, 0.25, ndim=3)
    with pytest.raises(ValueError, match=r"\(N, C, D, H, W\)"):
        network(torch.zeros(1, 1, 16, 16), torch.zeros(1, 1, 16, 16))
    with pytest.raises(ValueError, match="mask"):
        network(torch.zeros(1, 1, 4, 8, 8), torch.zeros(1, 1, 8, 4, 8))
    for poolings in (((2, 2, 2),) * 4, ((2, 3, 2),) * 6, ((2, 2),) * 6):
        with pytest.raises(ValueError, match="EvalNet: poolings"):
            EvalNet(1, 1, 1, 0.25, ndim=3, poolings=poolings)
    with pytest.raises(ValueError, match="ndim"):
        EvalNet(1, 1, 1, 0.25, ndim=1)
    with pytest.raises(ValueError, match="depth"):
        SheetEvalNet(1, 1, 1, 0.25, depth=0, poolings=SOME)
    sheets = SheetEvalNet(1, 1, 1, 0.25, depth=3, poolings=SOME)
    for image, mask in (((1, 1, 8, 4), (1, 1, 9, 4)), ((1, 1, 9, 4), (1, 1, 3, 3, 4))):
        with pytest.raises(ValueError, match="D = 3"):
            sheets(torch.zeros(image), torch.zeros(mask))


@pytest.mark.parametrize("depth", range(1, 6))
def test_gradients_in_bfloat16_are_near_those_in_double_precision(depth):
    """Whatever stood in memory before: a library's gradient of two slices was made of what nobody had written."""
    layer = Conv3d(8, 8, 3).to(memory_format=torch.channels_last_3d).train()
    wide = nn.Conv3d(8, 8, 3, padding="same").double()
    wide.load_state_dict(layer.state_dict())
    image = torch.randn(2, 8, depth, 3, 2, generator=torch.Generator().manual_seed(depth))
    nobody_wrote = [torch.full((2**power,), math.nan, dtype=torch.bfloat16) for power in range(10, 21)]
    del nobody_wrote
    with torch.autocast("cpu", torch.bfloat16):
        said = layer(image.contiguous(memory_format=torch.channels_last_3d))
    said.float().square().sum().backward()
    wide(image.double()).relu().square().sum().backward()
    for ours, theirs in ((layer.weight.grad, wide.weight.grad), (layer.bias.grad, wide.bias.grad)):
        assert float((ours - theirs).abs().max()) < 0.05 * float(theirs.abs().max())
