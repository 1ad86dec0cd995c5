"""The U-Net in three dimensions: counted by hand, and against the one of images on a volume of one slice."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from incmask.nets.costs import count_parameters
from incmask.nets.sheets import SheetUNet
from incmask.nets.spec import NetworkSpec, VolumeSpec, load_model, read_spec, save_model
from incmask.nets.unet import UNet
from incmask.training.capacity import training_bytes

FLAT = ((1, 2, 2),) * 4


def conv(inputs: int, outputs: int, side: int) -> int:
    return inputs * outputs * side**3 + outputs


def test_parameters_as_counted_by_hand():
    f0, f1, f2, f3, f4 = 8, 16, 32, 64, 128
    total = conv(3, f0, 1) + 4 * f0
    total += sum(conv(a, b, 3) + conv(b, b, 1) + 4 * b for a, b in ((f0, f0), (f0, f1), (f1, f2), (f2, f3)))
    total += conv(f3, f4, 3) + conv(f4, f3, 1) + 4 * f3
    for a, b in ((f3, f2), (f2, f1), (f1, f0), (f0, f0)):
        total += conv(a, a, 1) + 4 * a + conv(a, a, 3) + conv(a, b, 1) + 4 * b
    assert count_parameters(UNet(3, 2, 0.5, ndim=3)) == total + conv(f0, 2, 1)


@pytest.mark.parametrize(
    ("poolings", "shape", "bottleneck"),
    [
        (None, (16, 32, 16), (1, 2, 1)),
        (FLAT, (3, 16, 32), (3, 1, 2)),
        (((1, 2, 2), (2, 2, 2), (1, 2, 2), (1, 1, 2)), (6, 8, 16), (3, 1, 1)),
    ],
)
def test_sides_shrink_where_they_can_bear_it(poolings, shape, bottleneck):
    network, seen = UNet(1, 2, 0.25, ndim=3, poolings=poolings).eval(), []
    network.bottleneck.register_forward_hook(lambda module, given, output: seen.append(output.shape))
    assert network(torch.zeros(2, 1, *shape)).shape == (2, 2, *shape)
    assert seen[0][2:] == bottleneck


def test_a_volume_of_one_slice_is_an_image():
    """With the middle slice of each cube as square, both compute the same: beyond the only slice there are zeros."""
    cubes, squares = UNet(1, 3, 0.25, ndim=3, poolings=FLAT), UNet(1, 3, 0.25)
    state = {
        name: weight[:, :, weight.shape[2] // 2] if weight.ndim == 5 else weight
        for name, weight in cubes.state_dict().items()
    }
    squares.load_state_dict(state)
    image = torch.rand(2, 1, 32, 16) * 255
    for network in (cubes, squares):
        network.train()
    torch.testing.assert_close(cubes(image[:, :, None])[:, :, 0], squares(image), atol=1e-4, rtol=1e-4)


def test_weights_are_drawn_as_for_images():
    weight = UNet(1, 1, 2, ndim=3).encoder[3][0].weight
    assert weight.shape == (256, 128, 3, 3, 3)
    assert abs(float(weight.detach().var()) * 128 * 27 - 2) < 0.02


def test_a_sheet_is_its_volume():
    network = SheetUNet(1, 2, 0.25, depth=4, poolings=((2, 2, 2), (1, 2, 2), (1, 2, 2), (1, 1, 1))).eval()
    volume = torch.rand(1, 1, 4, 8, 16) * 255
    expected = UNet.forward(network, volume)
    assert torch.equal(network(volume.reshape(1, 1, 32, 16)), expected.reshape(1, 2, 32, 16))


def test_files_keep_networks_of_volumes(tmp_path):
    spec = VolumeSpec(1, 3, 0.25, depth=4, poolings=FLAT)
    network = spec.build(seed=3)
    save_model(tmp_path / "model.safetensors", network.state_dict(), spec)
    loaded = load_model(tmp_path / "model.safetensors")
    sheet = torch.rand(1, 1, 4 * 16, 16)
    assert torch.equal(loaded(sheet), network.eval()(sheet))
    assert VolumeSpec(1, 3, 0.25, depth=4, poolings=[list(each) for each in FLAT]) == spec


def test_other_shapes_are_refused():
    network = UNet(1, 1, 0.25, ndim=3, poolings=FLAT)
    for shape in ((1, 1, 3, 16, 8), (1, 1, 16, 16)):
        with pytest.raises(ValueError, match="multiples of"):
            network(torch.zeros(shape))
    for poolings in (((2, 2, 2),) * 3, ((2, 3, 2),) * 4, ((2, 2),) * 4):
        with pytest.raises(ValueError, match="poolings"):
            UNet(1, 1, ndim=3, poolings=poolings)
    with pytest.raises(ValueError, match="depth"):
        SheetUNet(1, 1, 0.25, depth=5, poolings=((2, 2, 2),) * 4)
    assert isinstance(NetworkSpec(1, 1, 0.25).build(), UNet)


def test_instance_norm_sees_each_volume_by_itself():
    batch, instance = (UNet(2, 3, 0.25, ndim=3, volume_norm=norm).train() for norm in ("batch", "instance"))
    generator = torch.Generator().manual_seed(0)
    volumes = torch.randint(256, (2, 2, 16, 32, 16), generator=generator).float()
    with torch.no_grad():
        for network, alone_is_the_same in ((batch, False), (instance, True)):
            together, alone = network(volumes), torch.cat([network(each[None]) for each in volumes])
            assert torch.allclose(together, alone, atol=5e-3) is alone_is_the_same
        assert torch.equal(instance(volumes), instance.eval()(volumes))
        entering = instance.stem[0](volumes / 255)
        found = instance.stem[1](entering)
    assert not list(instance.buffers())
    values = entering.double().numpy()
    mean, variance = (of(values, axis=(2, 3, 4), keepdims=True) for of in (np.mean, np.var))
    np.testing.assert_allclose(found.numpy(), (values - mean) / np.sqrt(variance + 1e-3), atol=1e-4)
    assert len([each for each in instance.modules() if isinstance(each, torch.nn.InstanceNorm3d)]) == 1 + 4 + 1 + 4 * 2
    with pytest.raises(ValueError, match="volume_norm must be one of batch, instance, got 'group'"):
        UNet(1, 1, 0.25, ndim=3, volume_norm="group")


def test_a_network_with_instance_norm_is_read_as_it_was(tmp_path):
    spec = VolumeSpec(1, 2, 0.125, depth=16, poolings=((2, 2, 2),) * 4, volume_norm="instance")
    network = spec.build(seed=3).eval()
    save_model(tmp_path / "m.safetensors", network.state_dict(), spec)
    assert read_spec(tmp_path / "m.safetensors") == spec
    sheet = torch.rand(1, 1, 16 * 16, 16) * 255
    with torch.no_grad():
        assert torch.equal(load_model(tmp_path / "m.safetensors")(sheet), network(sheet))
    smaller = torch.rand(1, 1, 16 * 16, 16) * 0
    assert load_model(tmp_path / "m.safetensors")(smaller).isfinite().all(), "though a single voxel is left of it"
    assert training_bytes(spec, size=(16 * 16, 16), batch_size=2) == training_bytes(
        replace(spec, volume_norm="batch"), size=(16 * 16, 16), batch_size=2
    )
