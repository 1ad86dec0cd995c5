"""Few labels without ``val/``: are they used better where models take turns to miss some, or where all miss the same?

    python -m benchmarks.few_labels OUT --sets nuclei-10,cats,nuclei-4 --draws 4

Each draw of the labels is trained twice, with as many networks and steps: as it lies, so that each model is trained
without another fifth of the labelled images; and with the first of these fifths as ``val/``, so that no model is
trained on it. Every training is a line in ``OUT/few_labels.jsonl``; the same command goes on where it was stopped.
"""

import argparse
import json
import shutil
from pathlib import Path

from benchmarks.study.approaches import APPROACHES
from benchmarks.study.sets import SETS, arrange
from incmask.base.pool import HerePool
from incmask.data.dataset import DataOptions
from incmask.data.folder.scan import load_dataset
from incmask.data.split import make_folds
from incmask.experiment.choices import Choices
from incmask.experiment.executor import Executor
from incmask.experiment.run import run

APPROACH = "im streams ignored"
TURNS, APART = "in turns", "set apart"


def main() -> None:
    """Read the command line, train, and print."""
    parser = argparse.ArgumentParser(description="How are few labels used best?")
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--sets", default="nuclei-10,cats,nuclei-4")
    parser.add_argument("--draws", type=int, default=4, help="of the labelled images, each with a seed of its own")
    parser.add_argument("--steps", type=int, default=450, help="of a member in all")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    results = options.out / "few_labels.jsonl"
    known = {json.loads(line)["key"] for line in results.open()} if results.exists() else set()
    for draw in range(options.draws):
        for name in options.sets.split(","):
            for way in (TURNS, APART):
                if (key := f"{name}/{draw}/{way}") not in known:
                    line = {"key": key, **_trained(name, draw, way, options)}
                    with results.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(line) + "\n")
                    print(line, flush=True)


def _trained(name: str, draw: int, way: str, options: argparse.Namespace) -> dict[str, object]:
    """Train on a draw of the labels; give what each stage reached on the test images, and which one was chosen."""
    approach, seed, out = APPROACHES[APPROACH], draw + 1, options.out / "run"
    settings = approach.resolved(steps=options.steps, seed=seed) | {"device": "cpu"}
    data = _arranged(name, draw, way, seed=seed, num_models=int(str(settings["num_base"])), options=options)
    shutil.rmtree(out, ignore_errors=True)
    choices = Choices(recipe=approach.recipe, settings=settings)
    outcome = run(data, out, choices=choices, executor=Executor(HerePool, lambda job, pool: 0.0))
    test = {row.stage: row.score for row in outcome.scores if (row.model, row.split) == ("ensemble", "test")}
    validation = {stage.name: stage.score for stage in outcome.all_stages}
    return {"chosen": outcome.chosen.name, "test": test, "validation": validation}


def _arranged(name: str, draw: int, way: str, *, seed: int, num_models: int, options: argparse.Namespace) -> Path:
    """Write a draw as a data folder without ``val/``, or with what the first model would miss in it."""
    folder: Path = options.out / "data" / f"{name}-{draw}-{way.replace(' ', '-')}"
    if not folder.exists():
        folder.parent.mkdir(exist_ok=True)
        arrange(SETS[name], options.data, folder, draw=draw)
        shutil.rmtree(folder / "val")
        if way == APART:
            labelled = load_dataset(folder, DataOptions()).labelled
            first = make_folds([item.name for item in labelled], has_val=False, seed=seed, num_models=num_models)[0]
            for item in [labelled[row] for row in first.validation or ()]:
                for path in filter(None, (item.image, *(item.masks or ()))):
                    target = folder / "val" / path.relative_to(folder / "labelled")
                    target.parent.mkdir(parents=True, exist_ok=True)
                    path.rename(target)
    return folder


if __name__ == "__main__":
    main()
