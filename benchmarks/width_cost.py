"""Processor time of a training step by width, of U-Nets and EvalNets, beside what plans and ``--time`` count.

    python -m benchmarks.width_cost

One thread, bfloat16, batches of 8 at 128×128 pixels and of 4 at 256×256. Each step is timed four times, the least
counts, and all are told as a share of the U-Net's of width 1.
"""

import time
from collections.abc import Sequence

import torch
from torch import nn

from incmask.nets.spec import EvalNetSpec, NetworkSpec
from incmask.training.capacity import rating_cost, train_cost

WIDTHS = (0.125, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
BATCHES = ((128, 8), (256, 4))


def main() -> None:
    """Time all widths, and print a table a size."""
    torch.set_num_threads(1)
    torch.manual_seed(1)
    for side, batch in BATCHES:
        image, mask = (_channels_last(torch.rand(batch, channels, side, side)) for channels in (3, 1))
        unets = [_seconds(NetworkSpec(3, 1, width).build(), [image]) for width in WIDTHS]
        ratings = [_seconds(EvalNetSpec(3, 1, 1, width).build(), [image, mask]) for width in WIDTHS]
        one = unets[WIDTHS.index(1.0)]
        print(f"\n{batch} of {side}×{side}: {one:.3f} s at width 1")
        print("| width |", " | ".join(map(str, WIDTHS)), "|\n|---|" + "---|" * len(WIDTHS))
        for name, found in (("U-Net", unets), ("EvalNet", ratings)):
            print(f"| {name} |", " | ".join(f"{seconds / one:.2f}" for seconds in found), "|")
        for name, cost in (("U-Net, counted", train_cost), ("EvalNet, counted", rating_cost)):
            print(f"| {name} |", " | ".join(f"{cost(width):.2f}" for width in WIDTHS), "|")


def _channels_last(values: torch.Tensor) -> torch.Tensor:
    return values.to(memory_format=torch.channels_last)


def _seconds(network: nn.Module, inputs: Sequence[torch.Tensor]) -> float:
    network = network.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer, times = torch.optim.Adam(network.parameters()), []
    for _ in range(4):
        started = time.process_time()
        with torch.autocast("cpu", torch.bfloat16):
            found = network(*inputs)
        found.float().square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        times.append(time.process_time() - started)
    return min(times)


if __name__ == "__main__":
    main()
