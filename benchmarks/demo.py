"""How much of the room between labels alone and all true masks the demo closes, on images of several seeds.

    python -m benchmarks.demo OUT [--seeds 7,11]

Prints a line for each seed and approach: IoU on validation and test, and the share of the room on test.
"""

import argparse
import time
from pathlib import Path

from incmask.base.terminal import Terminal
from incmask.commands.demo import Demo, run_demo
from incmask.experiment.executor import Executor
from incmask.experiment.outcome_text import ensemble_score


def main() -> None:
    """Run the demo for each seed, into a folder of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=lambda text: [int(each) for each in text.split(",")], default=[7, 11])
    options = parser.parse_args()
    print("| seed | approach | validation | test | share of the room |\n|---|---|---|---|---|")
    for seed in options.seeds:
        began = time.monotonic()
        with Terminal() as progress:
            demo = run_demo(options.out / str(seed), executor=Executor(), progress=progress, seed=seed)
        print("\n".join(rows(demo, seed)), f"\n{time.monotonic() - began:.0f} seconds")


def rows(demo: Demo, seed: int) -> list[str]:
    """Give the lines of a table."""
    tests = {name: ensemble_score(outcome, stage.name).score for name, (outcome, stage) in demo.lines().items()}
    least, room = tests["ldt"], tests["fdt"] - tests["ldt"]
    return [
        f"| {seed} | {name} | {stage.score:.3f} | {tests[name]:.3f} | {(tests[name] - least) / room:.0%} |"
        for name, (_, stage) in demo.lines().items()
    ]


if __name__ == "__main__":
    main()
