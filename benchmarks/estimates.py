"""What a run says that it will take, against what it took: time, memory and disk, at three sizes.

``python -m benchmarks.estimates OUT`` makes small data, runs each size once, and prints a line each with both and their
ratio, estimate over actual. Exit code 1: one is outside 1 / 1.5 to 1.5. A few minutes on two idle cores.
"""

import argparse
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.memory import watch
from incmask.data.synthetic import write_dataset

FACTOR = 1.5
SIZES = {
    "small": {"side": 64, "steps": 10, "num_unlabelled": 60},
    "middle": {"side": 128, "steps": 10, "num_unlabelled": 60},
    "large": {"side": 256, "steps": 10, "num_unlabelled": 60},
}
SETTINGS = {"num_base": 2, "num_students": 2, "num_generations": 2, "epochs": 2, "batch_size": 8, "device": "cpu"}
PARTS = {"num_labelled": 8, "num_val": 8, "num_test": 8}

_TOLD = re.compile(r": about ([\d.]+) (\w+?)s? on .*, up to ([\d.]+) (MB|GB) of memory and ([\d.]+) (MB|GB) of disk")
_UNITS = {"second": 1, "minute": 60, "hour": 3600, "MB": 1e6, "GB": 1e9}


@dataclass(frozen=True)
class Figure:
    """Something of a run, as it was estimated and as it came.

    Attributes:
        what: it is.
        estimate, actual: seconds or bytes.
    """

    what: str
    estimate: float
    actual: float

    @property
    def ratio(self) -> float:
        """Estimate over actual."""
        return self.estimate / self.actual

    @property
    def is_near(self) -> bool:
        """Whether it is within the factor."""
        return 1 / FACTOR <= self.ratio <= FACTOR


def read(told: str) -> tuple[float, float, float]:
    """Give seconds and bytes of memory and disk that a run said it would take.

    Examples:
        >>> read("2 base models: about 1.5 hours on 2 workers, up to 1.2 GB of memory and 30 MB of disk")
        (5400.0, 1200000000.0, 30000000.0)
    """
    found = _TOLD.search(told)
    if not found:
        raise ValueError(f"no estimate in {told!r}")
    values = [float(found[place]) * _UNITS[found[place + 1]] for place in (1, 3, 5)]
    return values[0], values[1], values[2]


def measure(root: Path, name: str) -> list[Figure]:
    """Run one size and give its figures."""
    size, data, out, told = SIZES[name], root / f"{name}-data", root / name, root / f"{name}.log"
    side = size["side"]
    write_dataset(data, **PARTS, num_unlabelled=size["num_unlabelled"], size=(side, side), seed=1)
    settings = SETTINGS | {"steps_per_epoch": size["steps"]}
    options = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    with open(told, "w", encoding="utf-8") as log:
        took = watch(["run", str(data), "-o", str(out), *options], told=log)
    seconds, memory, disk = read(told.read_text(encoding="utf-8"))
    used = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    return [
        Figure("seconds", seconds, took.seconds),
        Figure("memory", memory, took.peak_mib * 2**20),
        Figure("disk", disk, used),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    root = parser.parse_args().out
    figures = {name: measure(root, name) for name in SIZES}
    for name, found in figures.items():
        for each in found:
            print(f"{name:<8}{each.what:<8}{each.estimate:>16,.0f}{each.actual:>16,.0f}{each.ratio:>8.2f}")
    return int(not all(each.is_near for found in figures.values() for each in found))


if __name__ == "__main__":
    sys.exit(main())
