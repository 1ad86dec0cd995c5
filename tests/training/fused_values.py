"""Compare the fused kernels, run by Triton's interpreter, with the layers in 64 bits; print the differences as JSON.

    TRITON_INTERPRET=1 python tests/nets/fused_values.py

Triton decides once for a process whether it interprets, so that this is one of its own. ``test_fused.py`` starts it and
judges what it prints: relative differences by name, and the values of small examples.
"""

import copy
import dataclasses
import functools
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from triton.runtime import interpreter

from incmask.nets.evalnet import EvalNet
from incmask.nets.spec import EvalNetSpec, NetworkSpec
from incmask.nets.unet import Conv, UNet, norm
from incmask.training.together.group import NetworkGroup
from incmask.training.together.kernels import blocks, convolve, fuse, layers, weigh
from incmask.training.together.kernels.norm import begin_norm

Differences = dict[str, float]

NUM_IMAGES = 2


def main() -> None:
    """Print all of it."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    hasten()
    found: dict[str, Any] = {"programs": [blocks.num_programs(*each) for each in ((10, 4), (10**6, 10), (5, 10**6))]}
    found["as on a GPU"] = block(num=1, channels=(8, 8, 8), sides=(5, 11), with_norm=True)
    use_tiles(128)
    found |= {
        "point": point(num=2, channels=(3, 8), sides=(3, 5), factor=1 / 255),
        "wide point": point(num=1, channels=(72, 66), sides=(2, 3), factor=None),
        "block 8 12 16": block(num=2, channels=(8, 12, 16), sides=(3, 5), with_norm=True),
        "block 24 48 12": block(num=2, channels=(24, 48, 12), sides=(4, 2), with_norm=True),
        "block 72 80 66": block(num=1, channels=(72, 80, 66), sides=(2, 3), with_norm=True),
        "block 16 72 8": block(num=3, channels=(16, 72, 8), sides=(3, 2), with_norm=False),
        "block of one pixel": block(num=1, channels=(8, 8, 8), sides=(1, 1), with_norm=True, num_images=20),
        "head": head(num=2, channels=(12, 3), sides=(3, 5)),
        "pool": pool(5, sides=(4, 6), keep=False),
        "pool and keep": pool(70, sides=(2, 4), keep=True),
        "rise": rise(5, sides=(2, 3)),
        "wide rise": rise(70, sides=(1, 2)),
        "edges": {f"{height}×{width}": edges(height, width) for height, width in ((1, 1), (1, 4), (5, 1), (4, 6))},
        "begun norm": begun(),
        "ties": ties(),
        "ties of bfloat16": ties_of_bfloat16(),
    }
    # Several programs, of several tiles each; the last tile is not full.
    use_tiles(16, num_warps=8, values=32)
    found |= {
        "point of many tiles": point(num=1, channels=(2, 8), sides=(5, 9), factor=0.5),
        "block of many tiles": block(num=1, channels=(8, 8, 8), sides=(5, 11), with_norm=True),
        "wide block of many tiles": block(num=1, channels=(66, 8, 66), sides=(3, 7), with_norm=True),
        "pool of many tiles": pool(4, sides=(6, 14), keep=True),
        "rise of many tiles": rise(4, sides=(3, 7)),
    }
    use_tiles(2048, values=2**14)
    found |= {
        "U-Net, grey": unet(num=1, channels=(1, 1), filters=(8, 16), sides=(16, 48)),
        "U-Nets, 3": unet(num=3, channels=(2, 2), filters=(8, 24), sides=(48, 32), num_images=1),
        "U-Nets, two views": unet(num=2, channels=(3, 1), filters=(8, 12), sides=(16, 32), num_calls=2),
        "U-Net, all levels": unet(num=1, channels=(3, 3), filters=None, sides=(32, 32)),
    }
    use_tiles(4096, values=2**14)
    found |= {"EvalNets": evalnets(sides=(64, 64)), "EvalNets, other sides": evalnets(sides=(32, 64))}
    print(json.dumps(found))


def hasten() -> None:
    """Keep what the interpreter looks up at each call, and let it not look for overflows."""
    inspect.getmembers = functools.cache(inspect.getmembers)
    builder = interpreter.interpreter_builder
    builder.options = dataclasses.replace(builder.options, sanitize_overflow=False)


def use_tiles(num_pixels: int, *, num_warps: int = 1, values: int = 2048) -> None:
    """Change the sizes of tiles and how many programs are started; the interpreter likes few that are large."""
    for module in (convolve, weigh):
        module._TILES = dict.fromkeys(module._TILES, (num_pixels, 1, 1))
    blocks._WARPS, blocks._VALUES = num_warps, values


def compare(
    ours: Callable[..., Tensor], theirs: Callable[..., Tensor], tensors: Mapping[str, Tensor], *modules: nn.Module
) -> Differences:
    """Call both, go back from a sum of their results weighed at random, and compare all that comes of it."""
    mine = {name: tensor.clone().requires_grad_(name != "image") for name, tensor in tensors.items()}
    known = {name: tensor.double().requires_grad_(name != "image") for name, tensor in tensors.items()}
    references = [copy.deepcopy(module).double() for module in modules]
    result, expected = ours(*mine.values(), *modules), theirs(*known.values(), *references)
    weights = torch.randn(expected.shape)
    (result * weights).sum().backward()
    (expected * weights).sum().backward()
    found = {"result": difference(result, expected)}
    for name, tensor in mine.items():
        if tensor.requires_grad:
            found[f"gradient of {name}"] = difference(tensor.grad, known[name].grad)
    for number, (module, reference) in enumerate(zip(modules, references, strict=True)):
        found |= compare_state(module, reference, f"{type(module).__name__} {number}")
    return found


def compare_state(module: nn.Module, reference: nn.Module, name: str) -> Differences:
    """Compare gradients and statistics."""
    found = {}
    for key, parameter in reference.named_parameters():
        found[f"gradient of {name} {key}"] = difference(module.get_parameter(key).grad, parameter.grad)
    for key, buffer in reference.named_buffers():
        found[f"{name} {key}"] = difference(module.get_buffer(key), buffer)
    return found


def difference(result: Tensor | None, expected: Tensor | None) -> float:
    """The norm of the difference, in norms of what was expected."""
    assert result is not None
    assert expected is not None
    assert result.shape == expected.shape
    result, expected = (each.detach().double() for each in (result, expected))
    # A gradient may be 0 but for rounding, as that of a bias before a norm if the ReLU between them lets all pass.
    return float((result - expected).norm() / expected.norm().clamp_min(0.01 * expected.numel() ** 0.5))


def random(*shape: int) -> Tensor:
    """Values of both signs."""
    return torch.randn(shape)


def vary(module: nn.Module) -> None:
    """Give biases and norms numbers of their own: at the start they are 0 and 1."""
    with torch.no_grad():
        for each in module.modules():
            if isinstance(each, nn.BatchNorm2d):
                each.weight.copy_(1 + 0.3 * random(each.num_features))
                each.weight[::3] *= -1
                each.bias.normal_(0, 0.5)
            if isinstance(each, nn.Conv2d | nn.Linear):
                # Few channels that are always 0 after the ReLU: their norms blow rounding up.
                each.bias.normal_(0.3, 0.2)


def convolution(num: int, channels: Sequence[int], side: int) -> nn.Conv2d:
    """One for each network."""
    made = nn.Conv2d(num * channels[0], num * channels[1], side, padding="same", groups=num)
    vary(made)
    # Most channels come to values of both signs: without any that the ReLU stops, a bias before a norm has no gradient.
    made.weight.data *= 4
    return made.to(memory_format=torch.channels_last)


def varied_norm(num_channels: int) -> nn.BatchNorm2d:
    """With statistics of its own."""
    made = norm(num_channels, 0.1)
    vary(made)
    made.running_mean.normal_()
    return made


def joined(values: Tensor) -> Tensor:
    """(G, N, H, W, C) as (N, G × C, H, W)."""
    return values.permute(1, 0, 4, 2, 3).flatten(1, 2)


def apart(values: Tensor, num: int) -> Tensor:
    """The other way round."""
    return values.unflatten(1, (num, -1)).permute(1, 0, 3, 4, 2)


def scaled(values: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """As a batch norm does."""
    return values * scale[:, None, None, None] + shift[:, None, None, None]


def point(*, num: int, channels: tuple[int, int], sides: tuple[int, int], factor: float | None) -> Differences:
    """A convolution of single pixels; with a factor that of an image, which needs no gradient."""

    def ours(values, conv, norm):
        scale = None if factor is None else torch.full((num, channels[0]), factor)
        return scaled(*layers.point(values, scale, conv, norm))

    def theirs(values, conv, norm):
        return apart(norm(conv(joined(values) * (factor or 1)).relu()), num)

    values = random(num, NUM_IMAGES, *sides, channels[0])
    tensors = {"values": values} if factor is None else {"image": values / factor}
    return compare(ours, theirs, tensors, convolution(num, channels, 1), varied_norm(num * channels[1]))


def block(
    *,
    num: int,
    channels: tuple[int, int, int],
    sides: tuple[int, int],
    with_norm: bool,
    num_images: int = NUM_IMAGES,
) -> Differences:
    """Two convolutions, of 3×3 and of single pixels; before them a norm or none."""

    def ours(values, *rest):
        before = rest[:-3] or (None, None)
        return scaled(*layers.block(values, *before, *rest[-3:]))

    def theirs(values, *rest):
        before, (wide, conv, norm) = rest[:-3], rest[-3:]
        shown = scaled(values, *before) if before else values
        return apart(norm(conv(wide(joined(shown)).relu()).relu()), num)

    tensors = {"values": random(num, num_images, *sides, channels[0])}
    if with_norm:
        tensors |= {"scale": random(num, channels[0]), "shift": random(num, channels[0])}
    convolutions = convolution(num, channels[:2], 3), convolution(num, channels[1:], 1)
    return compare(ours, theirs, tensors, *convolutions, varied_norm(num * channels[2]))


def head(*, num: int, channels: tuple[int, int], sides: tuple[int, int]) -> Differences:
    """The last convolution."""
    tensors = {"values": random(num, NUM_IMAGES, *sides, channels[0])}
    tensors |= {"scale": random(num, channels[0]), "shift": random(num, channels[0])}
    return compare(
        layers.head,
        lambda values, scale, shift, conv: apart(conv(joined(scaled(values, scale, shift))), num),
        tensors,
        convolution(num, channels, 1),
    )


def pool(num_channels: int, *, sides: tuple[int, int], keep: bool, num: int = 2) -> Differences:
    """The largest of 2×2, where zeros as after a ReLU are often equal."""

    def ours(values, scale, shift):
        if not keep:
            return layers.pool(values, scale, shift)
        kept, pooled = layers.pool_and_keep(values, scale, shift)
        return torch.cat([kept.flatten(), pooled.flatten()])

    def theirs(values, scale, shift):
        normed = scaled(values, scale, shift)
        pooled = apart(functional.max_pool2d(joined(normed), 2), num)
        return torch.cat([normed.flatten(), pooled.flatten()]) if keep else pooled

    values = {"values": random(num, NUM_IMAGES, *sides, num_channels).relu()}
    return compare(ours, theirs, values | {name: random(num, num_channels) for name in ("scale", "shift")})


def rise(num_channels: int, *, sides: tuple[int, int], num: int = 2) -> Differences:
    """Each pixel four times, and a skip connection added."""

    def theirs(values, scale, shift, skip):
        return scaled(values, scale, shift).repeat_interleave(2, 2).repeat_interleave(2, 3) + skip

    tensors = {"values": random(num, NUM_IMAGES, *sides, num_channels)}
    tensors |= {name: random(num, num_channels) for name in ("scale", "shift")}
    tensors["skip"] = random(num, NUM_IMAGES, 2 * sides[0], 2 * sides[1], num_channels)
    return compare(layers.rise, theirs, tensors)


def edges(height: int, width: int) -> float:
    """Sums of what each tap sees, against going there pixel by pixel."""
    gradients = random(2, 3, height, width, 66)
    direct = torch.zeros(2, 66, 9)
    for tap in range(9):
        for row in range(height):
            for column in range(width):
                if 0 <= row + tap // 3 - 1 < height and 0 <= column + tap % 3 - 1 < width:
                    direct[..., tap] += gradients[:, :, row, column].sum(1)
    return float((layers._sums_of_taps(gradients, gradients.sum((1, 2, 3))) - direct).abs().max())


def begun() -> dict[str, list[float]]:
    """A norm from the sums of 70 programs: 4 values each, of two channels; the second is always 3."""
    values = torch.stack([torch.arange(280.0) % 7, torch.full((280,), 3.0)], 1)
    parts = values.unflatten(0, (70, 4))
    sums = torch.stack([parts.sum(1), parts.square().sum(1)], 1)[:, :, None]
    weight, bias = torch.tensor([2.0, 1.0]), torch.tensor([10.0, 20.0])
    mean, variance = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
    kept = begin_norm(sums, weight, bias, mean, variance, num_pixels=280, momentum=0.25, eps=0.01)
    names = ("scale", "shift", "mean", "reciprocal")
    found = dict(zip(names, kept.tolist(), strict=True))
    return found | {"running mean": mean.tolist(), "running variance": variance.tolist()}


def ties() -> dict[str, Any]:
    """Windows of 2×2 with equal values, side by side: two channels, of which the second is turned round."""
    rows = torch.tensor([[0, 0, 1, 2, 0, 1], [0, 0, 2, 0, 2, 2]]).float()
    values = torch.stack([rows, rows], -1)[None, None].requires_grad_()
    scale, shift = (torch.tensor([each]).requires_grad_() for each in ([2.0, -1.0], [0.0, 5.0]))
    pooled = layers.pool(values, scale, shift)
    (pooled * torch.tensor([1.0, 10, 100])[:, None]).sum().backward()
    found = {"pooled": pooled[0, 0, 0].T, "values": values.grad[0, 0].movedim(-1, 0)}
    found |= {"scale": scale.grad[0], "shift": shift.grad[0]}
    return {name: tensor.tolist() for name, tensor in found.items()}


def ties_of_bfloat16() -> list[float]:
    """Values that are the same once 256 was added to them, since above 256 bfloat16 knows even numbers alone."""
    values = torch.tensor([0.25, 0.75, 0.5, 0.5], dtype=torch.bfloat16).reshape(1, 1, 2, 2, 1).requires_grad_()
    layers.pool(values, torch.ones(1, 1), torch.full((1, 1), 256.0)).sum().backward()
    return values.grad.flatten().tolist()


def unet(
    *,
    num: int,
    channels: tuple[int, int],
    filters: tuple[int, int] | None,
    sides: tuple[int, int],
    num_images: int = NUM_IMAGES,
    num_calls: int = 1,
    device: str = "cpu",
) -> Differences:
    """U-Nets; ``filters``: of one level alone and of the bottleneck below it."""
    width = filters[0] / 16 if filters else 0.25
    members = [NetworkSpec(*channels, width).build(seed=seed).train() for seed in range(num)]
    for member in members:
        if filters:
            shorten_unet(member, *filters)
        vary(member)
    shown = [[torch.rand(num_images, channels[0], *sides) * 255 for _ in members] for _ in range(num_calls)]
    return compare_networks(members, [[(each,) for each in call] for call in shown], device)


def shorten_unet(network: UNet, first: int, second: int) -> None:
    """Leave one level."""
    network.encoder, network.decoder = network.encoder[:1], network.decoder[-1:]
    network.bottleneck = nn.Sequential(Conv(first, second, 3), Conv(second, first, 1), norm(first, 0.01))


def evalnets(*, sides: tuple[int, int], device: str = "cpu") -> Differences:
    """Two EvalNets of two blocks, 4 outputs and masks of 2 channels."""
    members = [EvalNetSpec(3, 2, 4, 0.25).build(seed=seed).train() for seed in range(2)]
    for member in members:
        shorten_evalnet(member)
        vary(member)
    shown = [(torch.rand(1, 3, *sides) * 255, (random(1, 2, *sides) > 0).float()) for _ in members]
    return compare_networks(members, [shown], device)


def shorten_evalnet(network: EvalNet) -> None:
    """Leave two blocks, of 4 and 8 filters."""
    network.blocks, network.head = network.blocks[:2], nn.Linear(8, network.head.out_features)


def compare_networks(
    members: Sequence[nn.Module], calls: Sequence[Sequence[Sequence[Tensor]]], device: str
) -> Differences:
    """Show inputs to networks as one and to each alone, then go back from all calls at once."""
    members = [member.to(device) for member in members]
    calls = [[[each.to(device) for each in own] for own in inputs] for inputs in calls]
    references = [copy.deepcopy(member).double() for member in members]
    for reference in references:
        # It is computed in 32 bits whatever comes before.
        reference.head.float()
    group = NetworkGroup(members)
    fused = fuse(group, torch.float32)
    results = [fused(*(group.join(each) for each in zip(*inputs, strict=True))) for inputs in calls]
    expected = [
        torch.cat([ref(*(each.double() for each in own)) for ref, own in zip(references, inputs, strict=True)], 1)
        for inputs in calls
    ]
    result, known = torch.cat(results), torch.cat(expected)
    # A sum weighed at random alone has small gradients, to which pixels at the edge of a ReLU matter.
    weights = known.detach() / known.detach().std() + random(*known.shape).to(device)
    (result * weights).sum().backward()
    (known * weights).sum().backward()
    found = {"result": difference(result, known)}
    for number, (member, reference) in enumerate(zip(group.members, references, strict=True)):
        for key, parameter in reference.named_parameters():
            gradient = group.windows(group.network.get_parameter(key).grad)[number]
            found[f"gradient of network {number} {key}"] = difference(gradient, parameter.grad)
        for key, buffer in reference.named_buffers():
            found[f"network {number} {key}"] = difference(member.get_buffer(key), buffer)
    return found


if __name__ == "__main__":
    main()
