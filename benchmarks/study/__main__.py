"""Train what is not trained yet of the study, and print its table.

    python -m benchmarks.study OUT --sets cats,nuclei-10 --approaches ldt,fdt,me,im --steps 300,1000 --draws 3 --seeds 2

Every training is a line in ``OUT/results.jsonl``; the same command goes on where it was stopped, and more of anything
adds to what is there. What was measured before stands in ``measured.jsonl`` beside this file, and is not trained again.
Run folders are removed. ``--only-table`` trains nothing.
"""

import argparse
import itertools
from pathlib import Path

from benchmarks.study.approaches import APPROACHES
from benchmarks.study.sets import SETS
from benchmarks.study.table import table
from benchmarks.study.train import Trial, train_missing
from incmask.base.errors import IncmaskError
from incmask.base.validation import choose


def main() -> None:
    """Read the command line, train, and print."""
    parser = argparse.ArgumentParser(description="Do the unlabelled images help?")
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--sets", type=_listed, default=list(SETS))
    parser.add_argument("--approaches", type=_listed, default=list(APPROACHES))
    parser.add_argument("--steps", type=_listed, default=["300", "1000", "3000"], help="of a member in all")
    parser.add_argument("--draws", type=int, default=3, help="of the labelled images")
    parser.add_argument("--seeds", type=int, default=2, help="of the training, of each draw")
    parser.add_argument("--jobs", type=int, default=1, help="trainings side by side, one thread each")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--of", default="im streams ignored", help="the approach that the others are compared with")
    parser.add_argument("--only-table", action="store_true")
    options = parser.parse_args()
    try:
        for known, names, option in (
            (SETS, options.sets, "--sets"),
            (APPROACHES, [*options.approaches, options.of], "--approaches"),
        ):
            for name in names:
                choose(known, name, option=option)
    except IncmaskError as error:
        raise SystemExit(str(error)) from None
    trials = [
        Trial(set=name, draw=draw, seed=seed, steps=int(steps), approach=approach, device=options.device)
        # All approaches of a draw and a seed before the next: what is there is always complete pairs.
        for seed, draw, steps, name, approach in itertools.product(
            range(1, options.seeds + 1),
            range(options.draws),
            options.steps,
            options.sets,
            options.approaches,
        )
    ]
    if not options.only_table:
        train_missing(trials, data=options.data, out=options.out, num_jobs=options.jobs)
    print(table(options.out, trials, of=options.of))


def _listed(text: str) -> list[str]:
    return text.split(",")


if __name__ == "__main__":
    main()
