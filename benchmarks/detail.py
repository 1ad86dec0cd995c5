"""What pseudo-labels gain or lose by lacking details (``detail_px``), against the true masks of unlabelled images.

    python -m benchmarks.detail RUN [RUN...] [--data DATA] [--sides 0,3,5,7]

Runs are of any recipe that votes, with data whose ``unlabelled/masks`` are known; DATA, where a run's own has moved.
For each generation prints the mean IoU or mIoU of the labels that were used, on pixels that are not disputed, as the
members said and without what is narrower than each square. Trains nothing: it tells of labels, and not of students.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from incmask.base.choosing import read_config
from incmask.data.folder.scan import load_dataset
from incmask.data.rounds import data_folder
from incmask.data.stack import build_stack
from incmask.experiment.choices import data_options
from incmask.experiment.paths import INCONSISTENT, INDEX, LABEL, PSEUDO
from incmask.experiment.pseudo_labels import read_pseudo_labels
from incmask.experiment.record.run import read_record
from incmask.method.detail import without_details
from incmask.method.quality import true_quality


def main() -> None:
    """Read the command line, measure, and print."""
    parser = argparse.ArgumentParser(description="Do labels without details come nearer to the truth?")
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--sides", default="0,3,5,7", help="of squares, in pixels of the networks' input")
    options = parser.parse_args()
    for run in options.runs:
        for line in measured(run, options.data or data_folder(run), [int(side) for side in options.sides.split(",")]):
            print(line)


def measured(run: Path, data: Path, sides_px: list[int]) -> list[str]:
    """Give a line for each generation of a run."""
    record = read_record(run)
    dataset = load_dataset(data, data_options(data, read_config(data), None))
    with tempfile.TemporaryDirectory() as folder:
        size = tuple(record.records.run["size"])
        stack = build_stack(dataset.unlabelled, dataset, size=size, fit=record.settings.fit, folder=Path(folder))
        truth = np.load(stack.labels)
    lines, kind = [], {"task": dataset.task, "num_classes": len(dataset.classes)}
    for pseudo in sorted(run.glob(f"gen-*/{PSEUDO}")):
        used = read_pseudo_labels(pseudo / INDEX).admitted
        label, mask = (np.load(pseudo / name)[used] for name in (LABEL, INCONSISTENT))
        scores = {
            side: true_quality(without_details(label, mask, task=dataset.task, side_px=side), truth[used], mask, **kind)
            for side in sides_px
        }
        told = ", ".join(f"{side}: {score.mean():.4f}" for side, score in scores.items())
        changes = [scores[side] - scores[sides_px[0]] for side in sides_px[1:]]
        better = ", ".join(f"{(change > 0).sum()} better {(change < 0).sum()} worse" for change in changes)
        lines.append(f"{run.name} {pseudo.parent.name}, {used.sum()} labels: {told} ({better})")
    return lines


if __name__ == "__main__":
    main()
