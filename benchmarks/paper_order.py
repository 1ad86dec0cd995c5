"""All approaches under ``--preset paper``, on three sets that stand for the paper's tasks: whose order is found again?

    python -m benchmarks.paper_order OUT [--sets nuclei] [--seeds 1,2,3] [--workers 1]

Nuclei stand for ISIC 2018 (binary), their body, border and centre for HeLa (multilabel), aerial photographs for
Cityscapes (multiclass). A tenth of the training images is labelled, as in the paper; all is small enough for a
processor. Each set and seed is a comparison of its own in ``OUT``, which goes on where it was stopped; its scores are
added to ``paper_order.csv`` beside this file, and a table of all seeds that stand there is printed beside the paper's
(table A.1).
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan
from pathlib import Path

from scipy.stats import spearmanr

from benchmarks.study.sets import SETS, Set, arrange
from incmask.base.files import write_text
from incmask.base.tables import read_rows, rows_text
from incmask.base.terminal import Terminal
from incmask.experiment.executor import Executor
from incmask.experiment.named import Choices
from incmask.insight.comparison.compare import Comparison, compare
from incmask.insight.report.comparison_page.tables import reported
from incmask.insight.report.statistics import SCORE_BOUNDS, summarise

TASKS: dict[str, tuple[Set, str]] = {
    "nuclei": (replace(SETS["nuclei-44"], size=(48, 48), num_labelled=24, num_files=216), "ISIC 2018"),
    "cells": (replace(SETS["cells"], size=(48, 48), num_labelled=24, num_files=216), "HeLa"),
    "aerial": (replace(SETS["aerial"], size=(48, 80)), "Cityscapes"),
}
"""What is trained, and the paper's set that it stands for."""

SETTINGS: dict[str, object] = {
    "epochs": 20,
    "batch_size": 8,
    "num_base": 3,
    "num_students": 2,
    "num_generations": 2,
    "num_kept": 2,
    "num_evalnets": 2,
    "width": 0.25,
    "width_step": 0.125,
    "evalnet_width": 0.5,
    # The paper's 0.99 lags behind in trainings of less than some 400 steps.
    "batch_norm_momentum": 0.9,
}

TABLE_A1: dict[str, tuple[float, float, float]] = {
    "fdt": (0.751, 0.696, 0.456),
    "ldt": (0.671, 0.565, 0.320),
    "aldt": (0.724, 0.659, 0.374),
    "me": (0.690, 0.592, 0.350),
    "ie": (0.681, 0.369, 0.262),
    "cl": (0.588, 0.601, 0.345),
    "ns": (0.743, 0.680, 0.400),
    "evalnet": (0.737, 0.663, 0.355),
    "im": (0.723, 0.682, 0.407),
    "im+": (0.739, 0.692, 0.427),
    "im++": (0.762, 0.686, 0.428),
    "aim+": (0.753, 0.695, 0.412),
    "aim++": (0.770, 0.694, 0.424),
}
"""The paper's best of three repeats, of the sets in the order of ``TASKS``."""

MEASURED = Path(__file__).with_suffix(".csv")


@dataclass(frozen=True)
class Row:
    """What one run came to: the test score of its reported student."""

    set_name: str
    recipe: str
    seed: int
    score: float


def main() -> None:
    """Train what is not trained yet, and print."""
    parser = argparse.ArgumentParser(description="Compare all approaches as the paper trains them.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--sets", type=lambda text: text.split(","), default=list(TASKS))
    parser.add_argument("--seeds", type=lambda text: list(map(int, text.split(","))), default=[1, 2, 3])
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    for name in options.sets:
        folder = options.out / "data" / name
        folder.parent.mkdir(parents=True, exist_ok=True)
        arrange(TASKS[name][0], options.data, folder, draw=0)
        for seed in options.seeds:
            with Terminal() as progress:
                done = compare(
                    folder,
                    options.out / f"{name}-{seed}",
                    choices=Choices(preset="paper", settings=SETTINGS | {"num_workers": options.workers, "seed": seed}),
                    executor=Executor(),
                    recipes=(*TABLE_A1, "strong-ldt", "gt-im++"),
                    num_repeats=1,
                    progress=progress,
                )
            _keep(rows_of(done, name, seed))
        print(beside_paper([row for row in _kept() if row.set_name == name], name))


def rows_of(done: Comparison, name: str, seed: int) -> list[Row]:
    """Give the reported student of each approach."""
    return [
        Row(name, approach.recipe, seed, value.student.score)
        for approach, (value,) in reported(done.models, done.totals).items()
    ]


def beside_paper(rows: Sequence[Row], name: str) -> str:
    """Give a table of a set: best, mean and its 95 % interval over seeds, beside the paper's best; ranks of both."""
    scores: dict[str, list[float]] = {}
    for row in rows:
        scores.setdefault(row.recipe, []).append(row.score)
    found = {recipe: summarise(values, bounds=SCORE_BOUNDS) for recipe, values in scores.items()}
    theirs = {recipe: best[list(TASKS).index(name)] for recipe, best in TABLE_A1.items()}
    both = [recipe for recipe in found if recipe in theirs]
    ours_ranked, theirs_ranked = (
        _ranks({recipe: values[recipe] for recipe in both})
        for values in ({recipe: each.best for recipe, each in found.items()}, theirs)
    )
    lines = [
        f"{name}, for {TASKS[name][1]}",
        "| approach | best | mean | 95 % of the mean | paper (best of 3) | rank | paper's rank |",
        "|---" * 7 + "|",
    ]
    for recipe, each in sorted(found.items(), key=lambda pair: -pair[1].best):
        paper = (f"{theirs[recipe]:.3f}", ours_ranked[recipe], theirs_ranked[recipe]) if recipe in theirs else ("",) * 3
        interval = "" if isnan(each.low) else f"{each.low:.3f} to {each.high:.3f}"
        cells = (recipe, f"{each.best:.3f}", f"{each.mean:.3f}", interval, *paper)
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    order = spearmanr([ours_ranked[recipe] for recipe in both], [theirs_ranked[recipe] for recipe in both])
    return "\n".join([*lines, f"rank correlation with the paper {order.statistic:.2f} (p {order.pvalue:.2g})"])


def _kept() -> list[Row]:
    return read_rows(MEASURED, Row) if MEASURED.exists() else []


def _keep(rows: Sequence[Row]) -> None:
    kept = {(row.set_name, row.recipe, row.seed): row for row in (*_kept(), *rows)}
    write_text(MEASURED, rows_text([kept[key] for key in sorted(kept)], Row))


def _ranks(scores: Mapping[str, float]) -> dict[str, int]:
    return {recipe: place for place, recipe in enumerate(sorted(scores, key=lambda each: -scores[each]), 1)}


if __name__ == "__main__":
    main()
