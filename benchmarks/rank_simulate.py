"""Does labelling in the order of ``incmask rank`` beat labelling at random? On nuclei, whose labels are all known.

    python examples/arrange_nuclei.py NUCLEI DATA
    python -m benchmarks.rank_simulate DATA OUT [--seeds 5]

DATA is a data folder with true masks beside its unlabelled images. Models are trained on its labelled images; then
labels of unlabelled images are bought in ranked, random and entropy order, and as many steps trained again. The same
command goes on where it was stopped, and more seeds are added to those that are there. Printed, and written to
``OUT/simulation/``: what ``incmask rank --simulate`` tells, and what the disagreement of the first models was worth.
"""

import argparse
import time
from pathlib import Path

from incmask.base.files import write_text
from incmask.base.terminal import Terminal
from incmask.experiment.choices import Choices
from incmask.experiment.executor import Executor
from incmask.experiment.run import run
from incmask.insight.ranking.present import FIGURE, simulation_picture, simulation_text
from incmask.insight.ranking.simulate import simulate
from incmask.insight.reliability.measure import write_reliability

SETTINGS: dict[str, object] = {
    "size": [64, 64],
    "width": 0.25,
    "epochs": 10,
    "steps_per_epoch": 40,
    "batch_size": 16,
    "num_base": 3,
    "num_members": 3,
    "augment": "everything",
}
"""400 steps a model, of three that vote."""


def main() -> None:
    """Train, rank, buy, train again."""
    parser = argparse.ArgumentParser(description="Try on nuclei whether ranking beats random.")
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--budget", type=int, default=16)
    parser.add_argument("--recipe", default="ldt", help="a recipe that learns from the unlabelled images takes longer")
    options = parser.parse_args()
    started = time.monotonic()
    with Terminal() as progress:
        first = options.out / "run"
        choices, executor = Choices(recipe=options.recipe, settings=SETTINGS), Executor()
        run(options.data, first, choices=choices, executor=executor, progress=progress)
        reliability = write_reliability(first, open_pool=executor.open_pool, progress=progress)
        simulation = simulate(
            first,
            options.data,
            options.out / "simulation",
            executor=executor,
            pool="unlabelled",
            num_seeds=options.seeds,
            budget=options.budget,
            progress=progress,
        )
    write_text(simulation.root / FIGURE, simulation_picture(simulation).svg)
    print(simulation_text(simulation))
    print(reliability.sentence())
    for split, measures in reliability.correlations().items():
        found = measures["disputed_of_foreground"]
        print(
            f"{split}: disputed share and score, r {found.pearson:.2f}, rank r {found.spearman:.2f}, {found.num} images"
        )
    print(f"{(time.monotonic() - started) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
