"""Whether unlabelled inputs help where targets are numbers: signals, depths and noisy nuclei, at equal total steps.

    python -m benchmarks.regression OUT [--data ../shared/data] [--seeds 3] [--steps 240]

Every seed draws labelled images and made-up scenes anew. Each of two networks takes as many steps over all stages: LDT
and FDT all at once; ME and IM a third as base models, and two thirds as students that go on from a teacher. A line for
each training is appended to OUT/results.jsonl, and what has one is not trained again; in the end the table is printed.
"""

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from incmask.base.pool import HerePool
from incmask.data.images.decode import decode, read_bytes
from incmask.experiment.executor import Executor
from incmask.experiment.named import Choices
from incmask.experiment.run import run
from incmask.method.value_scores import measure, value_table

PARTS = {"labelled": 4, "unlabelled": 30, "val": 6, "test": 20}
APPROACHES = ("ldt", "me", "im", "fdt")
MAIN = {"signals": ("psnr", "ssim"), "depths": ("rmse", "abs_rel", "delta_1"), "nuclei": ("psnr", "ssim")}
_T_OF_THREE = 4.303
_NOISE = 25.0

Pair = tuple[np.ndarray, np.ndarray]
"""An input, uint8 or float32, and its target, float32."""


def signals(num: int, generator: np.random.Generator, data: Path) -> Iterator[Pair]:
    """Make up steps and waves of 128 numbers, and add noise."""
    at = np.arange(128)
    for _ in range(num):
        clean = np.zeros(128)
        for edge in generator.integers(0, 128, 4):
            clean += generator.normal(0, 1) * (at >= edge)
        clean += generator.uniform(0.2, 1) * np.sin(at * generator.uniform(0.05, 0.3) + generator.uniform(0, 6))
        yield (clean + generator.normal(0, 0.5, 128))[None].astype(np.float32), clean[None].astype(np.float32)


def depths(num: int, generator: np.random.Generator, data: Path) -> Iterator[Pair]:
    """Make up rooms of 48×48: a floor, a wall and boxes, darker where they are farther, of unlike shades and noise."""
    rows, columns = np.mgrid[:48, :48]
    for _ in range(num):
        horizon = generator.integers(11, 22)
        wall = generator.uniform(6, 9)
        depth = np.minimum(wall, 1.5 + 45 / np.maximum(rows - horizon, 1) ** 1.1)
        shade = np.where(depth < wall, 190, 150).astype(np.float64)
        for _ in range(int(generator.integers(2, 5))):
            bottom, left = generator.integers(horizon + 5, 46), generator.integers(0, 38)
            near = depth[bottom, 0]
            height, width = (int(generator.uniform(20, 45) / near * 2) + 3 for _ in range(2))
            inside = (rows <= bottom) & (rows > bottom - height) & (columns >= left) & (columns < left + width)
            inside &= depth > near
            depth, shade = np.where(inside, near, depth), np.where(inside, generator.uniform(110, 230), shade)
        light = shade * np.exp(-0.12 * depth) * generator.uniform(0.85, 1.15)
        yield np.clip(light + generator.normal(0, 6, light.shape), 0, 255).astype(np.uint8), depth.astype(np.float32)


def nuclei(num: int, generator: np.random.Generator, data: Path) -> Iterator[Pair]:
    """Give nuclei under the microscope, grey and 48×48, with noise added."""
    paths = sorted((data / "nuclei" / "images").glob("*.png"))
    for place in generator.permutation(len(paths))[:num]:
        image = np.atleast_3d(decode(paths[place], read_bytes(paths[place])).to_colour())[..., :3].mean(2)
        side = min(image.shape)
        clean = cv2.resize(image[:side, :side].astype(np.float32), (48, 48), interpolation=cv2.INTER_AREA)
        yield np.clip(clean + generator.normal(0, _NOISE, clean.shape), 0, 255).astype(np.uint8), clean


SETS: dict[str, Callable[[int, np.random.Generator, Path], Iterator[Pair]]] = {
    "signals": signals,
    "depths": depths,
    "nuclei": nuclei,
}


def arrange(name: str, root: Path, *, seed: int, data: Path) -> dict[str, list[Pair]]:
    """Write a data folder, with the true targets of the unlabelled inputs for FDT; give all pairs by part."""
    pairs = list(SETS[name](sum(PARTS.values()), np.random.default_rng([seed, len(name)]), data))
    found, first = {}, 0
    for part, num in PARTS.items():
        found[part] = pairs[first : first + num]
        first += num
        for index, (image, target) in enumerate(found[part]):
            for folder, values in (("images", image), ("targets", target)):
                path = root / part / folder / f"{part}{index}.npy"
                path.parent.mkdir(parents=True, exist_ok=True)
                np.save(path, values)
    task = "depth" if name == "depths" else "denoise"
    (root / "incmask.toml").write_text(f'profile = "upright"\n[data]\ntask = "{task}"\n', encoding="utf-8")
    return found


def without_training(name: str, found: Mapping[str, Sequence[Pair]]) -> dict[str, float]:
    """Score what needs no network: the noisy input itself, or everywhere the labelled depths' mean."""
    targets = [target for _, target in found["labelled"]]
    span = max(map(np.max, targets)) - min(map(np.min, targets))
    mean = float(np.mean([target.mean() for target in targets]))
    said = np.stack([np.full_like(t, mean) if name == "depths" else i.astype(np.float32) for i, t in found["test"]])
    errors = measure(said, np.stack([target for _, target in found["test"]]), span=float(span))
    return value_table(errors, "depth" if name == "depths" else "denoise")


def train(
    name: str, seed: int, approach: str, folder: Path, *, steps: int, more: Mapping[str, object] | None = None
) -> dict[str, float]:
    """Train an approach; give its test scores at the stage that validation chose, or that stands for it.

    Args:
        name: of the set.
        seed: of the draw and the networks.
        approach: a recipe.
        folder: with the data in it, and for the run.
        steps: of a network, over all stages.
        more: other settings.
    """
    third = steps // 3
    staged = approach in ("me", "im")
    settings: dict[str, object] = {
        "seed": seed,
        "epochs": 10,
        "steps_per_epoch": (third if staged else steps) // 10,
        "batch_size": 8,
        "num_base": 2,
        "num_students": 2,
        "num_kept": 2,
        "num_generations": 2,
        "width": 0.25,
        "num_workers": 1,
        "device": "cpu",
        "on_collapse": "ignore",
        **(more or {}),
    }
    executor, out = Executor(HerePool, lambda job, pool: 0.01), folder / f"run-{approach}"
    bases = None
    if staged:
        bases = {"ldt": folder / "base"}
        run(folder / "data", bases["ldt"], choices=Choices("ldt", settings=settings), executor=executor)
    done = run(folder / "data", out, choices=Choices(approach, settings=settings), executor=executor, bases=bases)
    test = {row.stage: row.details for row in done.scores if (row.model, row.split) == ("ensemble", "test")}
    last = test[done.stages[-1].name]
    disputed = [float(np.load(path).mean()) for path in sorted(out.glob("gen-*/pseudo/inconsistent.npy"))]
    return {
        **test[done.chosen.name],
        **{f"last/{score}": value for score, value in last.items()},
        "disputed": disputed[-1] if disputed else 0.0,
    }


def interval(values: Sequence[float]) -> str:
    """Write a mean with its 95 % interval over three repeats, by Student's t."""
    mean, num = float(np.mean(values)), len(values)
    if num != 3:
        return f"{mean:.3f}"
    half = _T_OF_THREE * float(np.std(values, ddof=1)) / math.sqrt(num)
    return f"{mean:.3f} ({mean - half:.3f} to {mean + half:.3f})"


def table(lines: Sequence[dict[str, object]]) -> str:
    """Write a line an approach, and its difference to LDT on the same draws."""
    text = []
    for name, scores in MAIN.items():
        text.append(f"\n{name}\n| approach | {' | '.join(scores)} | difference to ldt: {scores[0]} |")
        text.append("|" + "---|" * (len(scores) + 2))
        for approach in ("nothing", *APPROACHES):
            mine, theirs = ({each["seed"]: each for each in lines if (each["set"], each["approach"]) == (name, what)}
                            for what in (approach, "ldt"))  # fmt: skip
            if not mine:
                continue
            cells = [interval([float(each[score]) for each in mine.values()]) for score in scores]  # type: ignore[arg-type]
            both = [seed for seed in mine if seed in theirs]
            moved = [float(mine[seed][scores[0]]) - float(theirs[seed][scores[0]]) for seed in both]  # type: ignore[arg-type]
            text.append(f"| {approach} | {' | '.join(cells)} | {interval(moved) if moved else ''} |")
    return "\n".join(text)


def main() -> None:
    """Train what has no line yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=240)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    path = given.out / "results.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    known = {(line["set"], line["seed"], line["approach"]) for line in lines}
    for seed in range(1, given.seeds + 1):
        for name in given.sets.split(","):
            folder = given.out / f"{name}-{seed}"
            found = arrange(name, folder / "data", seed=seed, data=given.data)
            for approach in ("nothing", *APPROACHES):
                if (name, seed, approach) in known:
                    continue
                started = time.monotonic()
                if approach == "nothing":
                    scores = without_training(name, found)
                else:
                    scores = train(name, seed, approach, folder, steps=given.steps)
                seconds = round(time.monotonic() - started, 1)
                lines.append({"set": name, "seed": seed, "approach": approach, **scores, "seconds": seconds})
                with path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(lines[-1]) + "\n")
    print(table(lines))


if __name__ == "__main__":
    main()
