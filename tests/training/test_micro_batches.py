import copy

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from incmask.method.losses import segmentation_loss
from incmask.nets.spec import EvalNetSpec, NetworkSpec, VolumeEvalNetSpec, VolumeSpec
from incmask.training.together.micro_batches import MicroBatches

KINDS = ("mse", "cross_entropy", "cross_entropy_dice")


def images(num, channels=1, *, side=32, seed=0):
    return torch.rand(num, channels, side, side, generator=torch.Generator().manual_seed(seed)) * 255


def frozen(network):
    """Batch norms that take their running statistics."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    return network


def gradients(network, loss):
    return torch.autograd.grad(loss, list(network.parameters()))


@pytest.mark.slow
@pytest.mark.parametrize("num", [2, 3, 4, 8])
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_the_whole_batch_s_for_any_loss(num, kind):
    """Where no layer looks at several images: a Dice over the batch and pixels that do not count are no trouble."""
    network = frozen(NetworkSpec(1, 1, 0.125).build(seed=1).train())
    shown = images(7)
    target = (shown[:, 0] > 128).float()
    weight = torch.rand(target.shape, generator=torch.Generator().manual_seed(2)) > 0.4
    results = []
    for parts in (1, num):
        parted = MicroBatches(network)
        parted.num = parts
        loss = segmentation_loss(parted(shown), target, task="binary", kind=kind, weight=weight)
        results.append((loss, gradients(network, loss)))
    (whole, expected), (cut, found) = results
    torch.testing.assert_close(cut, whole)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def test_two_inputs_are_cut_alike():
    network = frozen(EvalNetSpec(1, 2, 3, 0.125).build(seed=1).train())
    parted = MicroBatches(network)
    parted.num = 2
    torch.testing.assert_close(parted(images(5), images(5, 2)), network(images(5), images(5, 2)))


@pytest.mark.parametrize(
    "spec",
    [
        NetworkSpec(1, 1, 0.125, batch_norm_momentum=0.9),
        VolumeSpec(1, 1, 0.125, depth=2, poolings=((1, 2, 2),) * 4, batch_norm_momentum=0.9),
        VolumeEvalNetSpec(1, 1, 1, 0.125, depth=2, poolings=((1, 2, 2),) * 6, batch_norm_momentum=0.9),
    ],
    ids=["images", "volumes", "ratings of volumes"],
)
def test_batch_norm_sees_a_part_and_its_statistics_move_as_in_a_step(spec):
    network = spec.build(seed=1).train()
    shown = [images(2, seed=number).repeat(2, 1, 1, 1) for number in range(len(spec.input_channels))]
    before = copy.deepcopy(network)
    parted = MicroBatches(network)
    parted.num = 2
    parted(*shown).sum().backward()
    # Both parts are the same images, so that a step of them is a step of one.
    before(*(each[:2] for each in shown)).sum().backward()
    for name, buffer in before.named_buffers():
        if name.endswith(("running_mean", "num_batches_tracked")):
            torch.testing.assert_close(dict(network.named_buffers())[name], buffer)
    momenta = {each.momentum for each in network.modules() if isinstance(each, nn.BatchNorm2d | nn.BatchNorm3d)}
    assert momenta == {1 - 0.9}
    for ours, theirs in zip(network.parameters(), before.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, 2 * theirs.grad, rtol=1e-4, atol=1e-4)


def test_the_whole_batch_is_run_as_it_is():
    network = NetworkSpec(1, 1, 0.125).build(seed=1).train()
    assert torch.equal(MicroBatches(network)(images(3)), copy.deepcopy(network)(images(3)))


class Largest(TorchDispatchMode):
    """Remembers how many numbers the largest result of a convolution had."""

    def __init__(self):
        super().__init__()
        self.numel = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        if "convolution" in str(operation) and isinstance(result, torch.Tensor):
            self.numel = max(self.numel, result.numel())
        return result


def test_no_convolution_sees_more_than_a_part():
    network = NetworkSpec(1, 1, 0.125).build(seed=1).train()
    sizes = []
    for num in (1, 2, 4):
        parted = MicroBatches(network)
        parted.num = num
        with Largest() as largest:
            parted(images(8)).sum().backward()
        sizes.append(largest.numel)
    assert sizes[0] == 2 * sizes[1] == 4 * sizes[2]


def test_nothing_is_kept_but_inputs_and_outputs():
    network = NetworkSpec(1, 1, 0.125).build(seed=1).train()
    kept = []
    for num in (1, 4):
        parted, total = MicroBatches(network), [0]
        parted.num = num

        def count(tensor, total=total):
            total[0] += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            parted(images(8))
        kept.append(total[0])
    assert kept[1] < 0.05 * kept[0]
