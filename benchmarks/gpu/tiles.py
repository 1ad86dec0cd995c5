"""Which tiles the kernels of convolutions are fastest with, for ``_TILES`` in ``incmask.training.together.kernels``.

Each tile is tried for all convolutions at once, forth and back, at both widths; times of launches are added up by the
number of taps and the size of blocks, as the tables are laid out. Compiling takes minutes, one width after the other.
"""

from collections import defaultdict
from typing import Any

import torch

from benchmarks.gpu.bench import Bench, Results
from incmask.nets.spec import NetworkSpec
from incmask.training.together.group import NetworkGroup
from incmask.training.together.quick import has_kernels

TILES = (
    *((32, 1, 1), (64, 1, 1), (64, 1, 2), (64, 2, 1), (64, 4, 1), (64, 4, 2), (64, 4, 3)),
    *((128, 1, 1), (128, 2, 1), (128, 4, 1), (128, 4, 3), (128, 8, 1)),
)
"""Pixels, warps, stages."""

Times = dict[tuple[str, int, int], dict[tuple[int, int, int], float]]


def measure(bench: Bench, _: Results) -> Results:
    """Try all tiles, and print the best."""
    if not has_kernels(bench.device, "bfloat16"):
        print("there are no kernels for this device")
        return {}
    from incmask.training.together.kernels import convolve, weigh

    modules: dict[str, Any] = {"convolve": convolve, "weigh": weigh}
    times: Times = defaultdict(dict)
    for width in bench.sizes.widths:
        for tile in TILES:
            for module in modules.values():
                module._TILES = dict.fromkeys(module._TILES, tile)
            for key, milliseconds in _time(bench, modules, width).items():
                times[key][tile] = times[key].get(tile, 0.0) + milliseconds
    results = {}
    for (name, taps, block), found in sorted(times.items()):
        best = sorted(found.items(), key=lambda item: item[1])[:3]
        results[f"{name} {taps} {block}"] = best
        print(f"{name:<10}{taps} taps, blocks of {block}: " + ", ".join(f"{tile} {took:.2f} ms" for tile, took in best))
    return results


def _time(bench: Bench, modules: dict[str, Any], width: float) -> dict[tuple[str, int, int], float]:
    """Milliseconds of all launches of a step."""
    from incmask.training.together.kernels import fuse

    num, side, size = bench.sizes.num_students, bench.sizes.side_px, bench.sizes.batch_size
    group = NetworkGroup([NetworkSpec(3, 1, width).build(seed=seed).to(bench.device).train() for seed in range(num)])
    images = torch.rand(size, 3 * num, side, side, device=bench.device) * 255
    times: dict[tuple[str, int, int], float] = defaultdict(float)
    kernels = {name: getattr(module, f"_{name}") for name, module in modules.items()}
    for name, module in modules.items():
        setattr(module, f"_{name}", _Timed(name, kernels[name], times))
    try:
        fuse(group, torch.bfloat16)(images).sum().backward()
    finally:
        for name, module in modules.items():
            setattr(module, f"_{name}", kernels[name])
    return times


class _Timed:
    """A kernel that adds the time of its launches up."""

    def __init__(self, name: str, kernel: Any, times: dict[tuple[str, int, int], float]):
        self._name, self._kernel, self._times = name, kernel, times

    def __getitem__(self, grid: tuple[int, ...]) -> Any:
        def launch(*args: Any, **options: Any) -> None:
            kernel = self._kernel[grid]
            kernel(*args, **options)
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            kernel(*args, **options)
            end.record()
            torch.cuda.synchronize()
            key = self._name, options["TAPS"], max(options["BLOCK_K"], options["BLOCK_N"])
            self._times[key] += start.elapsed_time(end)

        return launch
