"""What tells which pseudo-labels are good: how much of an image is disputed, or the rating of EvalNets?

    python -m benchmarks.image_quality OUT [--data ../shared/data] [--sets cats,nuclei-10] [--steps 300] [--seed 1]

On each set two base models vote on the unlabelled images, as IM has them do, and EvalNets that learnt from the masks of
these models rate what came of it, as IM++ has them do. Rank correlations (Spearman) are with the true IoU of each
pseudo-label, disputed pixels being background; 95 % intervals are percentiles over draws of the images, of a training.
A line a set is kept in ``OUT/results.jsonl`` and not made again. Both sets have one class.
"""

import argparse
import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.study.sets import SETS, arrange
from benchmarks.study.table import laid_out
from incmask.base.pool import HerePool
from incmask.data.folder.scan import scan
from incmask.data.images.readers import read_label
from incmask.experiment.executor import Executor
from incmask.experiment.named import Choices
from incmask.experiment.paths import INCONSISTENT, INDEX, LABEL, PSEUDO
from incmask.experiment.pseudo_labels import read_pseudo_labels
from incmask.experiment.run import run
from incmask.experiment.setup import stage_name
from incmask.method.metrics import count, iou

SIGNS = {
    "disputed": "share of the pixels that are disputed",
    "disputed of object": "of those that are object or disputed",
    "rating": "EvalNets' rating",
}
NUM_BOOTSTRAPS = 1000

Values = NDArray[np.float64]


def train(data: Path, folder: Path, *, steps: int, seed: int) -> dict[str, list[float]]:
    """Train base models and EvalNets; give each sign and the true score of every unlabelled image."""
    settings: dict[str, object] = {
        "seed": seed,
        "epochs": 10,
        "steps_per_epoch": max(1, steps // 10),
        "batch_size": 16,
        "width": 0.5,
        "evalnet_width": 0.5,
        "num_base": 2,
        "num_students": 2,
        "num_kept": 2,
        "num_evalnets": 2,
        "num_generations": 1,
        "num_workers": 1,
        "device": "cpu",
    }
    shutil.rmtree(folder, ignore_errors=True)
    run(data, folder, choices=Choices("im++", settings=settings), executor=Executor(HerePool, lambda job, pool: 0.0))
    found = signs_of(folder, data)
    shutil.rmtree(folder)
    return found


def signs_of(folder: Path, data: Path) -> dict[str, list[float]]:
    """Read each sign, and the true score, of the first generation's pseudo-labels of a run."""
    pseudo, dataset = folder / stage_name(1) / PSEUDO, scan(data).dataset
    label, mask = np.load(pseudo / LABEL), np.load(pseudo / INCONSISTENT)
    truth = np.stack([read_label(item, dataset) for item in dataset.unlabelled])
    known = read_pseudo_labels(pseudo / INDEX)
    assert known.quality is not None
    # A disputed pixel is background to students, and to what EvalNets learn to rate.
    true = iou(count(label * ~mask, truth, task="binary", num_classes=1))[:, 0]
    is_object = (label > 0) & ~mask
    disputed = mask.mean((1, 2))
    return {
        "disputed": disputed.tolist(),
        "disputed of object": (disputed / np.maximum(disputed + is_object.mean((1, 2)), 1e-9)).tolist(),
        "rating": known.quality.astype(float).tolist(),
        "true": true.tolist(),
    }


def spearman(sign: Values, true: Values) -> float:
    """Correlate ranks; 0 where either is the same of all images."""
    return float(stats.spearmanr(sign, true).statistic) if np.ptp(sign) and np.ptp(true) else 0.0


def interval(values: Values) -> tuple[float, float]:
    """Give the 2.5th and the 97.5th percentile."""
    low, high = np.percentile(values, (2.5, 97.5))
    return float(low), float(high)


def compared(found: dict[str, list[float]], *, seed: int = 0) -> list[list[str]]:
    """Give a row for each sign: its correlation with the true score, and by how much it beats the rating.

    Where much is disputed the score is low, so these two count with the other sign.
    """
    generator, true = np.random.default_rng(seed), np.asarray(found["true"])
    draws = [np.arange(len(true)), *generator.integers(0, len(true), (NUM_BOOTSTRAPS, len(true)))]
    directed = {name: np.asarray(found[name]) * (1 if name == "rating" else -1) for name in SIGNS}
    known = {name: np.array([spearman(sign[draw], true[draw]) for draw in draws]) for name, sign in directed.items()}
    rows = []
    for name, told in SIGNS.items():
        cells = [told]
        for values in (known[name], known[name] - known["rating"]):
            low, high = interval(values[1:])
            cells.append(f"{values[0]:+.2f} ({low:+.2f} to {high:+.2f})" if values.any() else "")
        rows.append(cells)
    return rows


def main() -> None:
    """Train what has no line yet, and print a table for each set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--sets", default="cats,nuclei-10")
    parser.add_argument("--steps", type=int, default=300, help="of a network")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    path = given.out / "results.jsonl"
    lines: list[dict[str, Any]] = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    for name in given.sets.split(","):
        key = f"{name}/{given.steps}/{given.seed}"
        if all(line["key"] != key for line in lines):
            started = time.monotonic()
            arrange(SETS[name], given.data, given.out / "data" / name, draw=0)
            found = train(given.out / "data" / name, given.out / "run", steps=given.steps, seed=given.seed)
            lines.append({"key": key, "found": found, "seconds": time.monotonic() - started})
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(lines[-1]) + "\n")
        (line,) = (line for line in lines if line["key"] == key)
        heading = ["sign", "rank correlation with the true IoU", "minus that of the rating"]
        print(f"{key}: {len(line['found']['true'])} images, {line['seconds']:.0f} s")
        print(laid_out([heading, *compared(line["found"])]), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
