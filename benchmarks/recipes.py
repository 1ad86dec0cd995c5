"""All recipes on one data set, at equal steps, over several seeds.

    python -m benchmarks.recipes DATA OUT --seeds 1 2 3 --preset default --set epochs=10 --set steps_per_epoch=32

For each seed LDT, ALDT and FDT are trained, and the other recipes start from that seed's LDT models. A recipe's
models are the best of its generations by validation; test is scored once, at the end. Printed, and written to
``OUT/results.csv``: for each recipe the mean and the standard error over seeds of the test score of its best student
(chosen on validation), of the mean of its students and of two members voting; training steps, and minutes.
"""

import argparse
import csv
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from incmask.choices import Choices
from incmask.config import parse_assignments
from incmask.errors import IncmaskError
from incmask.experiment import Outcome, run
from incmask.recipes import RECIPES

RECIPES_IN_ORDER = ("ldt", "aldt", "fdt", "me", "im", "im+")


@dataclass(frozen=True)
class Row:
    """Test scores of one recipe and seed."""

    recipe: str
    seed: int
    stage: str
    validation: float
    best_student: float
    mean_student: float
    members: float
    steps_per_model: int
    steps_of_all_models: int
    minutes: float


def row_of(outcome: Outcome, *, seed: int) -> Row:
    """Read a finished run."""
    stages = outcome.stages
    # The base is another recipe's result, unless there is nothing else.
    best = max(stages[1:] or stages, key=lambda stage: stage.score)
    test = {row.model: row.score for row in outcome.scores if (row.stage, row.split) == (best.name, "test")}
    students = [test[str(student.number)] for student in best.students]
    return Row(
        recipe=outcome.recipe,
        seed=seed,
        stage=best.name,
        validation=best.score,
        best_student=students[0],
        mean_student=float(np.mean(students)),
        members=test["ensemble"],
        steps_per_model=best.students[0].num_steps,
        steps_of_all_models=sum(student.num_steps for stage in stages for student in stage.students),
        minutes=outcome.seconds / 60,
    )


def write_rows(path: Path, rows: list[Row]) -> None:
    """Write a line a recipe and seed."""
    with open(path, "w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, fieldnames=list(Row.__dataclass_fields__), lineterminator="\n")
        writer.writeheader()
        writer.writerows(vars(row) for row in rows)


def table(rows: list[Row]) -> str:
    """Markdown: mean and standard error over seeds."""
    lines = [
        "| recipe | seeds | best student | mean of students | two members | steps a model | steps in all | minutes |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for recipe in dict.fromkeys(row.recipe for row in rows):
        own = [row for row in rows if row.recipe == recipe]
        cells = [
            _with_error([getattr(row, name) for row in own]) for name in ("best_student", "mean_student", "members")
        ]
        steps, all_steps = own[0].steps_per_model, own[0].steps_of_all_models
        minutes = np.mean([row.minutes for row in own])
        lines.append(f"| {recipe} | {len(own)} | {' | '.join(cells)} | {steps} | {all_steps} | {minutes:.1f} |")
    return "\n".join(lines)


def _with_error(values: list[float]) -> str:
    if len(values) < 2:
        return f"{values[0]:.3f}"
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1) / np.sqrt(len(values)):.3f}"


def main() -> None:
    """Run what is not finished yet and print the table."""
    parser = argparse.ArgumentParser(description="Compare recipes at equal steps.")
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--preset", default="default")
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES_IN_ORDER), choices=list(RECIPES))
    parser.add_argument("--set", action="append", default=[], dest="assignments", metavar="NAME=VALUE")
    options = parser.parse_args()
    settings = parse_assignments(options.assignments)
    rows: list[Row] = []
    try:
        for seed in options.seeds:
            for name in options.recipes:
                outcome = run(
                    options.data,
                    options.out / f"seed-{seed}" / name,
                    choices=Choices(recipe=name, preset=options.preset, settings=settings | {"seed": seed}),
                    base_from=options.out / f"seed-{seed}" / "ldt" if RECIPES[name].teachers else None,
                )
                rows.append(row_of(outcome, seed=seed))
                write_rows(options.out / "results.csv", rows)
                print(rows[-1], file=sys.stderr, flush=True)
    except IncmaskError as error:
        sys.exit(str(error))
    print(table(rows))


if __name__ == "__main__":
    main()
