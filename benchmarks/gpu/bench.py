"""What is measured where, on which data, and how steps are timed."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from incmask.base.config import Settings
from incmask.base.device import autocast
from incmask.data.synthetic import make_fields

Results = dict[str, Any]
Step = Callable[[], object]

NUM_LABELLED, NUM_UNLABELLED, NUM_VAL = 259, 2335, 100
"""Images of ISIC 2018 (paper section 2.2)."""

_WARM_UP_STEPS, _TRIED_STEPS = 3, 3


@dataclass(frozen=True)
class Sizes:
    """How large everything is that is measured."""

    side_px: int = 256
    batch_size: int = 32
    num_students: int = 5
    num_base: int = 10
    num_evalnets: int = 5
    widths: tuple[float, float] = (0.5, 1.5)
    evalnet_width: float = 1.0
    num_fields: int = 128
    num_val: int = NUM_VAL
    profiled_steps: int = 10
    equal_steps: int = 150
    matrix_side: int = 8192
    copy_bytes: int = 2**30


TINY = Sizes(
    side_px=32,
    batch_size=2,
    num_students=2,
    num_base=2,
    num_evalnets=2,
    widths=(0.125, 0.25),
    evalnet_width=0.125,
    num_fields=4,
    num_val=2,
    profiled_steps=2,
    equal_steps=3,
    matrix_side=64,
    copy_bytes=2**16,
)


@dataclass(frozen=True)
class Bench:
    """What is measured where.

    Attributes:
        out: folder of the data and of the results.
        sizes: of everything.
        device: that is measured.
        settings: of all trainings.
        seconds: of each measurement, about.
        rounds: how often what is compared is measured.
    """

    out: Path
    sizes: Sizes
    device: torch.device
    settings: Settings
    seconds: float
    rounds: int

    @property
    def bytes_a_value(self) -> int:
        """Of an activation."""
        with autocast(self.device, self.settings.precision):
            return 2 if torch.is_autocast_enabled(self.device.type) else 4

    def path(self, name: str) -> Path:
        """Of a stack that ``make_data`` writes."""
        return self.out / f"{name}.npy"

    def seconds_a_step(self, step: Step, *, share: float = 1.0) -> float:
        """Time steps for about that share of the seconds, after some that are not counted."""
        self._run(step, _WARM_UP_STEPS)
        return self._run(step, max(_TRIED_STEPS, int(share * self.seconds / self._run(step, _TRIED_STEPS))))

    def wait(self) -> None:
        """Until the device has done all that it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def _run(self, step: Step, num: int) -> float:
        started = time.perf_counter()
        for _ in range(num):
            step()
        self.wait()
        return (time.perf_counter() - started) / num


def make_data(bench: Bench) -> None:
    """Write the stacks that are learnt from."""
    num, side = bench.sizes.num_fields, bench.sizes.side_px
    fields = make_fields(num, seed=1, size=(side, side), task="binary")
    disputed = np.random.default_rng(1).random((num, side // 8, side // 8)) < 0.05
    stacks = {
        "images": np.repeat(fields.images, 3, axis=3),
        "labels": fields.labels,
        "inconsistent": disputed.repeat(8, 1).repeat(8, 2),
        "targets": np.linspace(0, 1, num, dtype=np.float32)[:, None],
    }
    bench.out.mkdir(parents=True, exist_ok=True)
    for name, values in stacks.items():
        np.save(bench.path(name), values)
