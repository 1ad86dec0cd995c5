"""Which order of labelling beats labelling at random? On small images whose labels are all known.

    python -m benchmarks.rank_simulate SET OUT [--data ../shared/data] [--start 4] [--budget 12] [--seeds 5]

SET is a name of ``benchmarks.study.sets``. Each seed draws the images that are labelled at first; models are trained on
them, labels of unlabelled images are bought in several orders, and models trained anew for as many steps. The same
command goes on where it was stopped, and more seeds are added to those that are there. Printed: what
``incmask loop --oracle`` tells.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.study.sets import SETS, arrange
from incmask.api.looping import simulate_loop
from incmask.base.pool import HerePool
from incmask.base.terminal import Terminal
from incmask.experiment.executor import Executor
from incmask.experiment.named import Choices
from incmask.insight.ranking.orders import ORDERS
from incmask.insight.ranking.present import simulation_text, write_picture

SETTINGS: dict[str, object] = {
    "width": 0.25,
    "epochs": 5,
    "batch_size": 8,
    "num_base": 2,
    "num_members": 2,
    "augment": "everything",
    "num_workers": 1,
}
"""Models of a width at which they learn in seconds, of which two vote."""


def main() -> None:
    """Train, order, buy, train again; in this process, so that nothing else is needed."""
    parser = argparse.ArgumentParser(description="Try which order beats random.")
    parser.add_argument("set", choices=SETS)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--start", type=int, default=4)
    parser.add_argument("--budget", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=200, help="of each model, a multiple of 5")
    parser.add_argument("--files", type=int, help="at most, of each part but the labelled one")
    parser.add_argument("--orders", nargs="+", default=ORDERS)
    options = parser.parse_args()
    started, data = time.monotonic(), options.out / "data"
    kind = replace(SETS[options.set], num_files=options.files)
    arrange(kind, options.data, data, draw=0)
    settings = {**SETTINGS, "size": list(kind.size), "steps_per_epoch": options.steps // 5}
    with Terminal() as progress:
        simulation = simulate_loop(
            data,
            options.out / "simulation",
            oracle=data / "unlabelled" / "masks",
            budget=options.budget,
            num_rounds=options.rounds,
            orders=options.orders,
            num_start=options.start,
            num_seeds=options.seeds,
            choices=Choices(recipe="ldt", settings=settings),
            executor=Executor(HerePool, lambda job, pool: 0.0),
            progress=progress,
        )
    write_picture(simulation)
    print(simulation_text(simulation))
    print(f"{(time.monotonic() - started) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
