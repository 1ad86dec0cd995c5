"""Share of the wall time in which the device runs a kernel, by the profiler, and the slowest kernels.

The profiler slows the side that launches, so kernel time is also divided by the time of a step without it.
"""

import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

from torch.profiler import ProfilerActivity, profile

from benchmarks.gpu.bench import Bench, Results, Step
from benchmarks.gpu.jobs import Group
from incmask.base.errors import fail

_TOP = 5


@dataclass(frozen=True)
class Kernel:
    """What ran on the device, and when it started and ended, in seconds."""

    name: str
    start: float
    end: float


def measure(bench: Bench, _: Results) -> Results:
    """Profile the steps of each width."""
    return {str(width): _profile_width(bench, width) for width in bench.sizes.widths}


def _profile_width(bench: Bench, width: float) -> Results:
    group, num_steps = Group(bench, "base", width=width, num=bench.sizes.num_students), bench.sizes.profiled_steps
    alone = bench.seconds_a_step(group.step)
    kernels, wall = trace(bench, group.step, num_steps=num_steps)
    covered = covered_length((kernel.start, kernel.end) for kernel in kernels)
    found = {
        "share": covered / wall,
        "share_without_profiler": covered / num_steps / alone,
        "milliseconds_a_step": 1e3 * alone,
        "kernels_a_step": len(kernels) / num_steps,
    }
    print(f"width {width}")
    for name, value in found.items():
        print(f"{value:>10.3f}  {name.replace('_', ' ')}")
    slowest = slowest_kernels(kernels)
    for name, share in slowest.items():
        print(f"{share:>10.1%}  {name[:100]}")
    return found | {"slowest": slowest}


def trace(bench: Bench, step: Step, *, num_steps: int) -> tuple[list[Kernel], float]:
    """Profile steps: what ran on the device, and the wall time in seconds.

    On a CPU the operators stand for kernels.

    Raises:
        IncmaskError: the profiler saw nothing.
    """
    on_cpu = bench.device.type == "cpu"
    activities = [ProfilerActivity.CPU] if on_cpu else [ProfilerActivity.CPU, ProfilerActivity.CUDA]
    # The first profile of a process takes long to begin.
    with profile(activities=activities):
        step()
        bench.wait()
    with profile(activities=activities) as profiler:
        started = time.perf_counter()
        for _ in range(num_steps):
            step()
        bench.wait()
        wall = time.perf_counter() - started
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(path))
        events = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
    kinds = {"cpu_op"} if on_cpu else {"kernel", "gpu_memcpy", "gpu_memset"}
    # Times there are in microseconds.
    kernels = [
        Kernel(each["name"], each["ts"] / 1e6, (each["ts"] + each["dur"]) / 1e6)
        for each in events
        if each.get("cat") in kinds
    ]
    if not kernels:
        raise fail("profiler", "saw no kernel", "let no other profiler use the device, or leave out --only busy")
    return kernels, wall


def covered_length(intervals: Iterable[tuple[float, float]]) -> float:
    """Length of what intervals cover together, whether they overlap or not."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(intervals):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def slowest_kernels(kernels: Iterable[Kernel]) -> dict[str, float]:
    """Names that take most of the kernel time, slowest first, with their share of it, 0 to 1."""
    by_name: defaultdict[str, float] = defaultdict(float)
    for kernel in kernels:
        by_name[kernel.name] += kernel.end - kernel.start
    total = sum(by_name.values())
    slowest = sorted(by_name.items(), key=itemgetter(1), reverse=True)[:_TOP]
    return {name: length / total for name, length in slowest}
