"""Time, memory and files of a whole ``incmask run`` with very many unlabelled images, by what it is doing.

    python -m benchmarks.million OUT [--numbers 2000 20000 100000] [--no-report]

16×16 pixels, made on the fly, each another one; recipe IM, two base models and one generation of two students, 8 steps
of 8 each, in one process. So hardly any time goes into networks, and what is left is what each image costs whatever its
size. Prints a table, and one of seconds by stage; writes ``OUT/million.json``.
"""

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from benchmarks.memory import Watched, watch
from incmask.base.run_log import LOG

SIDE_PX = 16
NUM_LABELLED = 8

CHOICES = (
    *("--quiet", "--recipe", "im", "--size", str(SIDE_PX), str(SIDE_PX), "--yes"),
    *("--set", "num_base=2", "--set", "num_students=2", "--set", "num_kept=2", "--set", "num_generations=1"),
    *("--set", "epochs=1", "--set", "steps_per_epoch=8", "--set", "batch_size=8", "--set", "width=0.125"),
    *("--set", "num_workers=1", "--set", "on_collapse=ignore"),
)


@dataclass(frozen=True)
class Measured:
    """What a run of some number of images took: in all, its files, its bytes beside the data's, seconds by stage."""

    watched: Watched
    num_files: int
    num_bytes: int
    stages: dict[str, float]


def main() -> None:
    """Measure each number of images."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--numbers", type=int, nargs="+", default=[2000, 20_000, 100_000])
    parser.add_argument("--no-report", action="store_true")
    options = parser.parse_args()
    results: dict[int, Measured] = {}
    header = ("unlabelled images", "seconds", "of processors", "peak MiB", "leads", "open files", "files", "MB")
    print("|", " | ".join(header), "|")
    print("|---" * len(header) + "|")
    for num in options.numbers:
        folder = options.out / str(num)
        make_data(folder / "data", num)
        results[num] = measure(folder, ["--no-report"] * options.no_report)
        watched = results[num].watched
        row = (f"{num:,}", f"{watched.seconds:.0f}", f"{watched.processor_seconds:.0f}", watched.peak_mib)
        row = (*row, watched.peak_leading_mib)
        row = (*row, watched.peak_open_files, f"{results[num].num_files:,}", f"{results[num].num_bytes / 1e6:.0f}")
        print("|", " | ".join(map(str, row)), "|", flush=True)
        text = json.dumps({num: asdict(each) for num, each in results.items()}, indent=1)
        (options.out / "million.json").write_text(text)
    stages = dict.fromkeys(stage for each in results.values() for stage in each.stages)
    print(f"\n| seconds | {' | '.join(f'{num:,}' for num in results)} |\n|---|{'---|' * len(results)}")
    for stage in stages:
        print(f"| {stage} |", " | ".join(f"{each.stages.get(stage, 0):.1f}" for each in results.values()), "|")


def make_data(data: Path, num: int) -> None:
    """Write labelled images, as many for validation, and the unlabelled ones: bright discs in noise."""
    generator = np.random.default_rng(1)
    for part in ("labelled", "val"):
        for index in range(NUM_LABELLED):
            image, disc = _disc(generator)
            _write(data / part / "images" / f"{part}{index}.png", image)
            _write(data / part / "masks" / f"{part}{index}.png", disc.astype(np.uint8) * 255)
    for index in range(num):
        _write(data / "unlabelled" / f"{index:07d}.png", _disc(generator)[0])


def _disc(generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.ogrid[:SIDE_PX, :SIDE_PX]
    top, left, radius = generator.uniform((4, 4, 2), (12, 12, 5))
    disc = np.hypot(rows - top, columns - left) < radius
    return np.where(disc, 120, 0).astype(np.uint8) + generator.integers(0, 110, disc.shape, np.uint8), disc


def _write(path: Path, image: np.ndarray) -> None:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(".png", image)[1].tobytes())


def measure(folder: Path, more: Sequence[str] = ()) -> Measured:
    """Run on the data in a folder, and count what came of it."""
    run = folder / "run"
    watched = watch(["run", str(folder / "data"), "-o", str(run), *CHOICES, *more])
    files = [path for where, _, names in os.walk(run) for path in (os.path.join(where, name) for name in names)]
    return Measured(watched, len(files), sum(map(os.path.getsize, files)), _stages(run / LOG, watched.seconds))


def _stages(log: Path, seconds: float) -> dict[str, float]:
    """Give the seconds of each stage that the log names; before it begins the folder is read, behind it all is told."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    times = [(datetime.fromisoformat(line["time"]).timestamp(), line) for line in lines]
    changes = [(time, line.get("what", line["event"])) for time, line in times if line["event"] in ("begin", "doing")]
    changes.append((times[-1][0], ""))
    stages: dict[str, float] = {}
    for (begun, what), (ended, _) in pairwise(changes):
        stages[what.replace("begin", "stacks")] = stages.get(what, 0) + ended - begun
    return stages | {"before and behind these": seconds - sum(stages.values())}


if __name__ == "__main__":
    main()
