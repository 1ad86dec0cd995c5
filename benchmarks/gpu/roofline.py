"""What bounds training, operations or memory, and the share of what is attainable that training reaches.

Operations: three times the forward pass's, counted by ``incmask.nets.costs``. Bytes: each convolution, ReLU, batch
norm, pooling, upsampling and addition reads each operand once and writes its result once, forward and back, with 2
bytes a value in bfloat16 (4 in float32) and 1 for the place of a maximum; weights, shared by a batch, are left out. So
a program that fuses layers can be above 100 %, and one that reads an operand twice cannot reach it. Peaks: a large
product of matrices and a large copy, measured here.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks.gpu.bench import Bench, Results, Step
from benchmarks.gpu.jobs import Group
from incmask.nets.costs import flops_an_image
from incmask.nets.spec import NetworkSpec

_COUNTED_SIDE_PX = 64


@dataclass(frozen=True)
class Peaks:
    """Operations and bytes a second that the device reaches."""

    operations: float
    bytes: float


def measure(bench: Bench, earlier: Results) -> Results:
    """Compare what is reached at each width, measured now or earlier, with what is attainable."""
    peaks = measure_peaks(bench)
    print(f"peaks: {peaks.operations / 1e12:.3f} TFLOP/s, {peaks.bytes / 1e9:.1f} GB/s")
    heads = ("width", "GFLOP/image", "MB/image", "bound by", "attainable/s", "reached/s", "share")
    print("".join(f"{head:>13}" for head in heads))
    results: Results = {f"peak_{name}": value for name, value in asdict(peaks).items()}
    for width in bench.sizes.widths:
        network = NetworkSpec(3, 1, width).build().train()
        small = (3, _COUNTED_SIDE_PX, _COUNTED_SIDE_PX)
        # All of it grows with the area.
        area = bench.sizes.side_px**2 / _COUNTED_SIDE_PX**2
        operations = area * 3 * flops_an_image(network, small)
        num_bytes = area * bytes_an_image(network, small, bytes_a_value=bench.bytes_a_value)
        by_operations, by_memory = operations / peaks.operations, num_bytes / peaks.bytes
        bound, attainable = "operations" if by_operations > by_memory else "memory", 1 / max(by_operations, by_memory)
        if known := earlier.get("training"):
            reached = float(np.median(known[str(width)]["images_per_second"]["incmask"]))
        else:
            reached = Group(bench, "base", width=width, num=bench.sizes.num_students).speed()
        share = reached / attainable
        print(
            f"{width:>13}{operations / 1e9:>13.3f}{num_bytes / 1e6:>13.1f}{bound:>13}"
            f"{attainable:>13.0f}{reached:>13.0f}{share:>13.1%}"
        )
        results[str(width)] = {"operations": operations, "bytes": num_bytes, "bound": bound}
        results[str(width)] |= {"attainable": attainable, "reached": reached, "share": share}
    return results


def measure_peaks(bench: Bench) -> Peaks:
    """Time a large product of matrices, and a large copy."""
    side, dtype = bench.sizes.matrix_side, torch.bfloat16 if bench.bytes_a_value == 2 else torch.float32
    left, right, product = (torch.ones(side, side, dtype=dtype, device=bench.device) for _ in range(3))
    source, target = (torch.ones(bench.sizes.copy_bytes, dtype=torch.uint8, device=bench.device) for _ in range(2))

    def fastest(step: Step) -> float:
        return min(bench.seconds_a_step(step, share=0.1) for _ in range(bench.rounds))

    by_product, by_copy = fastest(lambda: torch.matmul(left, right, out=product)), fastest(lambda: target.copy_(source))
    return Peaks(operations=2 * side**3 / by_product, bytes=2 * bench.sizes.copy_bytes / by_copy)


def bytes_an_image(network: nn.Module, shape: tuple[int, int, int], *, bytes_a_value: int) -> int:
    """Count the bytes that training moves for one image of ``shape`` (C, H, W), by the method described above."""

    def count(num_images: int) -> int:
        with _Traffic(bytes_a_value) as traffic:
            network(torch.zeros(num_images, *shape)).sum().backward()
        return traffic.num_bytes

    # What does not grow with the batch, weights above all, falls out.
    return count(2) - count(1)


class _Traffic(TorchDispatchMode):
    """Adds up the bytes of the operands and results of layers; ``bytes_a_value`` of those that are no whole numbers."""

    _LAYERS = frozenset(
        f"{layer}{way}"
        for layer in ("convolution", "native_batch_norm", "max_pool2d_with_indices", "upsample_nearest2d")
        for way in ("", "_backward")
    ) | {"relu", "relu_", "threshold_backward", "add"}

    def __init__(self, bytes_a_value: int):
        super().__init__()
        self.num_bytes = 0
        self._bytes_a_value = bytes_a_value

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if name in self._LAYERS:
            # The way back through a pooling takes its input for the shape alone; gradient and places are what it reads.
            read = (args[0], args[-1]) if name == "max_pool2d_with_indices_backward" else args
            for each in tree_leaves((read, result)):
                if isinstance(each, Tensor):
                    self.num_bytes += each.numel() * (self._bytes_a_value if each.is_floating_point() else 1)
        return result
