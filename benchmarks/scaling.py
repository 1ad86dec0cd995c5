"""Time and memory of a whole ``incmask run`` as the unlabelled images grow in number.

    python -m benchmarks.scaling OUT [--numbers 100 1000 10000] [--side 256] [--width 0.125]

256×256×3, recipe IM, two base models and one generation of two students, 8 steps of 8 each, and masks of all unlabelled
images. The time that does not depend on their number is the first row's but for its images. Prints a table and writes
``OUT/scaling.json``. Unlabelled images are links to 100 files, so that the disk holds the stacks and results alone.
"""

import argparse
import json
import os
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np

from benchmarks.memory import watch
from incmask.data.synthetic import make_fields

NUM_FILES = 100


def main() -> None:
    """Measure each number of images."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--numbers", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--width", type=float, default=0.125)
    options = parser.parse_args()
    results = {}
    print("| unlabelled images | seconds | images/s over the first row | peak MiB |\n|---|---|---|---|")
    for num in options.numbers:
        data = options.out / str(num) / "data"
        make_data(data, num, side=options.side)
        watched = watch(
            [
                *("run", str(data), "-o", str(options.out / str(num) / "run"), "--quiet", "--recipe", "im"),
                *("--set", "num_base=2", "--set", "num_students=2", "--set", "num_kept=2"),
                *("--set", "num_generations=1", "--set", "epochs=1", "--set", "steps_per_epoch=8"),
                *("--set", "batch_size=8", "--set", f"width={options.width}"),
                *("--size", str(options.side), str(options.side)),
            ]
        )
        results[num] = asdict(watched)
        first_num, first = next(iter(results.items()))
        more = watched.seconds - first["seconds"]
        rate = f"{(num - first_num) / more:.0f}" if more > 0 else ""
        print(f"| {num:,} | {watched.seconds:.0f} | {rate} | {watched.peak_mib} |", flush=True)
        (options.out / "scaling.json").write_text(json.dumps(results, indent=1))


def make_data(data: Path, num: int, *, side: int) -> None:
    """Write 8 labelled images, 8 for validation, and links."""
    fields = make_fields(NUM_FILES, seed=1, size=(side, side), task="binary")
    images = np.repeat(fields.images, 3, axis=3)
    for part, first in (("labelled", 0), ("val", 8)):
        for folder in ("images", "masks"):
            (data / part / folder).mkdir(parents=True, exist_ok=True)
        for index in range(first, first + 8):
            cv2.imwrite(str(data / part / "images" / f"{index}.png"), images[index])
            cv2.imwrite(str(data / part / "masks" / f"{index}.png"), fields.labels[index] * 255)
    unlabelled = data / "unlabelled" / "images"
    unlabelled.mkdir(parents=True, exist_ok=True)
    for index in range(num):
        path = unlabelled / f"{index:06d}.png"
        if path.exists():
            continue
        if index < NUM_FILES:
            cv2.imwrite(str(path), images[index])
        else:
            os.link(unlabelled / f"{index % NUM_FILES:06d}.png", path)


if __name__ == "__main__":
    main()
