"""Images a second of training, beside the loop that one would write first for a GPU.

``incmask``     students trained as one program, as ``run`` does on a GPU.
``plain loop``  one student after another: channels last, autocast, images as bytes on the device, layer by layer.

``compiled`` measures the plain loop with its network compiled by torch, and the students as one program layer by layer,
in grouped convolutions. In turn, medians. Steps alone: compiling, recording and validation are not in it.
"""

import gc

import numpy as np
import torch
from torch import nn

from benchmarks.gpu.bench import Bench, Results, Step
from benchmarks.gpu.jobs import Group
from benchmarks.speed import in_turn
from incmask.base.device import autocast
from incmask.nets.spec import NetworkSpec
from incmask.training.together.group import NetworkGroup


def measure(bench: Bench, _: Results) -> Results:
    """Compare the sides at each width."""
    return {str(width): _compare(bench, width) for width in bench.sizes.widths}


def measure_compiled(bench: Bench, _: Results) -> Results:
    """Compare what the library alone makes of each width."""
    return {str(width): _compare_compiled(bench, width) for width in bench.sizes.widths}


def _compare_compiled(bench: Bench, width: float) -> Results:
    num, size = bench.sizes.num_students, bench.sizes.batch_size
    print(f"width {width}")
    compiled, grouped = plain_step(bench, width, is_compiled=True), plain_step(bench, width, num=num)
    plain = plain_step(bench, width)
    sides = {
        "compiled": lambda: size / bench.seconds_a_step(compiled),
        "grouped": lambda: num * size / bench.seconds_a_step(grouped),
        "plain loop": lambda: size / bench.seconds_a_step(plain),
    }
    return in_turn(sides, bench.rounds)


def _compare(bench: Bench, width: float) -> Results:
    group, step = Group(bench, "base", width=width, num=bench.sizes.num_students), plain_step(bench, width)
    print(f"width {width}: {group.num} students as one program, after {group.start_seconds:.0f} s to the first step")
    sides = {"incmask": group.speed, "plain loop": lambda: bench.sizes.batch_size / bench.seconds_a_step(step)}
    return in_turn(sides, bench.rounds) | {"num": group.num, "start_seconds": group.start_seconds}


def plain_step(bench: Bench, width: float, *, num: int = 1, is_compiled: bool = False) -> Step:
    """The step of a loop that one would write for one student on a GPU, or for several whose layers are grouped."""
    gc.collect()
    device, size = bench.device, bench.sizes.batch_size
    networks: list[nn.Module] = [NetworkSpec(3, 1, width).build().to(device).train() for _ in range(num)]
    network = NetworkGroup(networks).network
    # On a CPU that would take a compiler for C++.
    called = torch.compile(network, dynamic=False) if is_compiled and device.type == "cuda" else network
    images, labels = (torch.from_numpy(np.load(bench.path(name))).to(device) for name in ("images", "labels"))
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-4)

    def step() -> None:
        chosen = torch.randint(len(images), (size,), device=device)
        with autocast(device, bench.settings.precision):
            # A view of (N, H, W, C) as (N, C, H, W) lies channels last.
            logits = called(images[chosen].permute(0, 3, 1, 2).float().repeat(1, num, 1, 1))
        loss = (logits.sigmoid() - labels[chosen, None].float()).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step
