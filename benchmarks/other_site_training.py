"""Do unlabelled images of another site help? Real images, changed as another stain, camera or weather would.

    python -m benchmarks.other_site_training OUT [--data ../shared/data] [--sets nuclei-44,aerial] [--draws 3]

Labelled and validation images are as they are. The default preset's IM is trained with unlabelled images as they are,
and with all of them changed, once for each change; labelled images alone as strongly augmented (``strong-ldt``) and as
they are (``ldt``), which see no unlabelled ones, once. Every test image is there as it is and in each change, so that
each training is scored on all sites. Told, too: how much of the objects the base models dispute on the unlabelled
images, and whether ``check`` says that these are unlike the labelled ones. A line a training is appended to
``OUT/results.jsonl``, and what has one there, or in ``other_site_training.jsonl`` beside this file, is not trained
again.
"""

import argparse
import itertools
import shutil
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.other_site import CHANGES, Change, changed
from benchmarks.result_lines import RESULTS, Line, read_lines, train_missing
from benchmarks.study.approaches import APPROACHES
from benchmarks.study.sets import SETS, arrange
from benchmarks.study.table import laid_out, with_interval
from benchmarks.study.train import scores_of
from incmask.experiment.checked import check_data
from incmask.experiment.paths import INCONSISTENT, LABEL, PSEUDO
from incmask.experiment.setup import stage_name
from incmask.insight.report.differences import by_subject, paired_difference

MEASURED = Path(__file__).with_suffix(".jsonl")
"""Lines of earlier trainings."""

HERE = "as they are"
ALONE, DEFAULT = ("ldt", "strong-ldt"), "im streams ignored"
_SITE = "__"
"""Between the name of a test image and its change."""


@dataclass(frozen=True)
class Trial:
    """One training.

    Attributes:
        set: a name of ``CHANGES``.
        draw: of the labelled images, and the training's seed.
        steps: of each member over all stages.
        approach: a name of ``APPROACHES``.
        unlabelled: a change of its unlabelled images, or ``HERE``.
    """

    set: str
    draw: int
    steps: int
    approach: str
    unlabelled: str

    @property
    def key(self) -> str:
        """What it is found again by."""
        return "/".join(map(str, (self.set, self.draw, self.steps, self.approach, self.unlabelled)))


def arranged(trial: Trial, source: Path, out: Path) -> Path:
    """Write the data folder of a training, unless it is there: test images of all sites, unlabelled ones of one."""
    target = out / "data" / f"{trial.set}-{trial.draw}-{trial.unlabelled.replace(' ', '-').replace(',', '')}"
    if target.exists():
        return target
    beginning = target.with_name(target.name + ".part")
    shutil.rmtree(beginning, ignore_errors=True)
    arrange(SETS[trial.set], source, beginning, draw=trial.draw)
    images = {part: sorted((beginning / part / "images").iterdir()) for part in ("unlabelled", "test")}
    if trial.unlabelled != HERE:
        _change(images["unlabelled"], images["unlabelled"], CHANGES[trial.set][trial.unlabelled])
    for place, change in enumerate(CHANGES[trial.set].values(), 1):
        _change(images["test"], [path.with_stem(f"{path.stem}{_SITE}{place}") for path in images["test"]], change)
        for path in images["test"]:
            for mask in [*(beginning / "test/masks").rglob(f"{path.stem}.*")]:
                shutil.copyfile(mask, mask.with_stem(f"{path.stem}{_SITE}{place}"))
    beginning.rename(target)
    return target


def _change(sources: list[Path], targets: list[Path], change: Change) -> None:
    images = [cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB) for path in sources]
    for path, other in zip(targets, changed(images, change, 1.0), strict=True):
        cv2.imwrite(str(path), cv2.cvtColor(other, cv2.COLOR_RGB2BGR))


def train(trial: Trial, data: Path, folder: Path) -> Line:
    """Train, score by site, and tell what is disputed and said of the unlabelled images."""
    approach = APPROACHES[trial.approach]
    settings = approach.resolved(steps=trial.steps, seed=trial.draw + 1) | {"device": "cpu"}
    line = scores_of(approach.recipe, data, folder, settings=settings)
    pseudo = folder / stage_name(1) / PSEUDO
    if pseudo.exists():
        label, mask = np.load(pseudo / LABEL), np.load(pseudo / INCONSISTENT)
        is_object = (label.any(-1) if label.ndim == 4 else label > 0) & ~mask
        line["disputed"] = float((mask.mean((1, 2)) / np.maximum((mask | is_object).mean((1, 2)), 1e-9)).mean())
        line["told"] = any(finding.kind == "unlike_labelled" for finding in check_data(data).findings)
    shutil.rmtree(folder)
    return line


def table(name: str, lines: list[Line]) -> str:
    """Write a row for each approach and its unlabelled images: scores by site, and what they add to labels alone."""
    sites = (HERE, *CHANGES[name])
    found: dict[tuple[str, str], dict[int, Line]] = defaultdict(dict)
    for line in lines:
        found[line["approach"], line["unlabelled"]][line["draw"]] = line
    added = [f"minus {ALONE[1]}, {site}" for site in sites]
    rows = [[f"{name}: unlabelled images", *sites, *added, "disputed", "told"]]
    for (approach, unlabelled), own in found.items():
        cells = [f"{approach} ({len(own)})" if approach in ALONE else f"im, {unlabelled} ({len(own)})"]
        cells += [f"{np.mean([_at(line, place).mean() for line in own.values()]):.3f}" for place in range(len(sites))]
        for place in range(len(sites)):
            told = "" if approach in ALONE else _difference(name, own, found[ALONE[1], HERE], place)
            cells.append(told)
        known = [line["disputed"] for line in own.values() if "disputed" in line]
        cells.append(f"{np.mean(known):.2f}" if known else "")
        cells.append(f"{sum(line['told'] for line in own.values())} of {len(own)}" if known else "")
        rows.append(cells)
    return laid_out(rows)


def _difference(name: str, own: dict[int, Line], others: dict[int, Line], place: int) -> str:
    draws = sorted(own.keys() & others.keys())
    if not draws:
        return ""
    subjects = [SETS[name].subject(image) for image in _names(own[draws[0]], place)]
    sides = (by_subject([_at(side[draw], place) for draw in draws], subjects) for side in (own, others))
    told = paired_difference(*sides)
    return with_interval(told.mean, told.reach())


def _names(line: Line, place: int) -> list[str]:
    """Give the test images of a site, by the names that they have as they are."""
    parted = (image.rpartition(_SITE) if _SITE in image else (image, "", "0") for image in sorted(line["by_image"]))
    return [stem for stem, _, number in parted if number == str(place)]


def _at(line: Line, place: int) -> NDArray[np.float64]:
    ending = f"{_SITE}{place}" if place else ""
    return np.array([line["by_image"][f"{image}{ending}"] for image in _names(line, place)])


def main() -> None:
    """Train what has no line yet, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--sets", type=lambda text: text.split(","), default=list(CHANGES))
    parser.add_argument("--steps", type=int, default=600, help="of a member in all")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--only-table", action="store_true")
    options = parser.parse_args()
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    (options.out / "data").mkdir(parents=True, exist_ok=True)
    path = options.out / RESULTS
    lines = read_lines(MEASURED, path)
    trials = [
        Trial(name, draw, options.steps, approach, unlabelled)
        for draw, name in itertools.product(range(options.draws), options.sets)
        for approach, unlabelled in (
            *((each, HERE) for each in ALONE),
            *((DEFAULT, each) for each in (HERE, *CHANGES[name])),
        )
    ]

    def trained(trial: Trial) -> Line:
        return train(trial, arranged(trial, options.data, options.out), options.out / "run")

    for line in train_missing([] if options.only_table else trials, lines, path, trained):
        print(f"{line['key']}: {line['ensemble']:.3f}, {line['seconds']:.0f} s", flush=True)
    wanted = {trial.key for trial in trials}
    for name in options.sets:
        print(table(name, [line for line in lines if line["key"] in wanted and line["set"] == name]), end="\n\n")


if __name__ == "__main__":
    main()
