"""Images a second of training, beside the loop that one would write first for a GPU.

``incmask``       students trained as one program, as ``run`` does on a GPU.
``not compiled``  the same students, still as one program, with compiling switched off. So the ratio beside it is what
                  compiling brings, and the plain loop's ratio divided by it is what the rest does: one program for
                  all, and batches made on the device. A CPU compiles nothing: there both are the same.
``plain loop``    one student after another: channels last, autocast, images as bytes on the device, nothing compiled.

In turn, medians. Steps alone: compiling and validation are not in it.
"""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch

from benchmarks.gpu.bench import Bench, Results, Step
from benchmarks.gpu.jobs import Group
from benchmarks.speed import in_turn
from incmask.device import autocast
from incmask.models import NetworkSpec

Found = TypeVar("Found")


def measure(bench: Bench, _: Results) -> Results:
    """Compare the sides at each width."""
    return {str(width): _compare(bench, width) for width in bench.sizes.widths}


def _compare(bench: Bench, width: float) -> Results:
    group, step = Group(bench, "base", width=width, num=bench.sizes.num_students), plain_step(bench, width)
    print(f"width {width}: {group.num} students as one program, after {group.start_seconds:.0f} s to the first step")
    sides = {
        "incmask": group.speed,
        "not compiled": lambda: uncompiled(group.speed),
        "plain loop": lambda: bench.sizes.batch_size / bench.seconds_a_step(step),
    }
    return in_turn(sides, bench.rounds) | {"num": group.num, "start_seconds": group.start_seconds}


def uncompiled(call: Callable[[], Found]) -> Found:
    """Call with all that torch has compiled run as it was before; it stays compiled for later calls."""
    with torch.compiler.set_stance("force_eager"):
        return call()


def plain_step(bench: Bench, width: float) -> Step:
    """The step of a loop that one would write for one student on a GPU."""
    device, size = bench.device, bench.sizes.batch_size
    network = NetworkSpec(3, 1, width).build().to(device).train()
    images, labels = (torch.from_numpy(np.load(bench.path(name))).to(device) for name in ("images", "labels"))
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-4)

    def step() -> None:
        chosen = torch.randint(len(images), (size,), device=device)
        with autocast(device, bench.settings.precision):
            # A view of (N, H, W, C) as (N, C, H, W) lies channels last.
            logits = network(images[chosen].permute(0, 3, 1, 2).float())
        loss = (logits[:, 0].sigmoid() - labels[chosen].float()).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step
