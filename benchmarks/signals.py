"""What a training step on signals takes: as one row, and as the 16 copies of it that networks of images need.

    python -m benchmarks.signals [--width 0.5] [--batch 8] [--lengths 128,1024] [--draws 0 --out OUT]

Both networks take the same signals by turns, forth and back, on one core; the median of what the process computed is
printed in milliseconds, and how many times as long the images take. With draws, both are trained on all labels of as
many draws of ``benchmarks.regression``, 240 steps each: PSNR, SSIM and the seconds that the process computed.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.regression import arrange, train
from incmask.base.bounds import STEP_PX
from incmask.nets.spec import NetworkSpec, SignalSpec

_ROUNDS = 20


def step_ms(network: nn.Module, images: Tensor) -> float:
    """Take a step forth and back; give the milliseconds that the process computed."""
    started = time.process_time()
    network(images).square().mean().backward()
    return 1e3 * (time.process_time() - started)


def draw(seed: int, out: Path, *, width: float) -> None:
    """Train both networks on a draw, and print a line each."""
    for name, size in (("row", (1, 128)), ("image", (STEP_PX, 128))):
        folder = out / f"{seed}-{name}"
        arrange("signals", folder / "data", seed=seed, data=Path())
        started = time.process_time()
        scores = train("signals", seed, "fdt", folder, steps=240, more={"size": size, "width": width})
        seconds = time.process_time() - started
        print(
            f"draw {seed}, {name}: PSNR {scores['psnr']:.1f} dB, SSIM {scores['ssim']:.3f}, {seconds:.1f} s", flush=True
        )


def main() -> None:
    """Measure all lengths, and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=float, default=0.5)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--lengths", default="128,1024")
    parser.add_argument("--draws", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("signals"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    row, image = SignalSpec(1, 1, given.width).build(), NetworkSpec(1, 1, given.width).build()
    for length in map(int, given.lengths.split(",")):
        signals = 255 * torch.rand(given.batch, 1, 1, length)
        copies = signals.expand(-1, -1, STEP_PX, -1).contiguous(memory_format=torch.channels_last)
        times = [(step_ms(row, signals), step_ms(image, copies)) for _ in range(_ROUNDS)]
        alone, copied = np.median(times, axis=0).tolist()
        told = f"{alone:.1f} ms, as images {copied:.1f} ms, {copied / alone:.1f} times"
        print(f"{given.batch} signals of {length}: {told}")
    for seed in range(1, given.draws + 1):
        draw(seed, given.out, width=given.width)


if __name__ == "__main__":
    main()
