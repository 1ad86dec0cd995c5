"""Do unlabelled volumes help? Approaches at equal total steps on MR volumes, beside MONAI's ``BasicUNet``.

    python -m benchmarks.volumes OUT [--data ../shared/data] [--draws 3] [--steps 400] [--approaches ldt,im,monai]

Each draw chooses 10 % of the hippocampus volumes as the labelled ones, or ``--labelled``. Each of two networks takes as
many steps over all stages, and their mean is scored on the test volumes, in their own grids: Dice by class and volume,
and the distance of surfaces. A line for each training is appended to ``OUT/results.jsonl``, and what has one there, or
in ``volumes.jsonl`` beside this file, is not trained again; run folders are removed. ``im default`` is IM as the
default preset has it. ``im++`` trains two EvalNets beside, each for as many steps as a network of a stage.

``monai`` takes ``pip install monai``: BasicUNet on the labelled volumes alone, by Dice with cross-entropy, Adam with a
cosine rate, random crops, flips from left to right, the same spacing, the best of ten validations.
"""

import argparse
import itertools
import json
import shutil
from collections import defaultdict
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.result_lines import RESULTS, Line, read_lines, train_missing
from benchmarks.study.approaches import APPROACHES as OF_STUDY
from benchmarks.study.approaches import NUM_MEMBERS, Approach
from benchmarks.study.sets import PARTS, SETS, drawn
from benchmarks.study.table import Found, difference, laid_out, with_interval
from incmask.base.pool import HerePool
from incmask.data.dataset import Dataset, Item
from incmask.data.images.readers import read_label, read_network_image
from incmask.data.volumes.grid import resample, resample_image, resample_label
from incmask.data.volumes.patches import grid_of
from incmask.experiment.choices import resolve
from incmask.experiment.executor import Executor
from incmask.experiment.named import Choices
from incmask.experiment.run import run
from incmask.experiment.volumes import distances_of, mean_distances
from incmask.method.metrics import Counts, count, dice
from incmask.method.sheets import folded, unfolded

SET, MONAI, BASELINE, DEFAULT = "hippocampus", "monai", "ldt", "im default"
CLASSES = ("anterior", "posterior")
MEASURED = Path(__file__).with_suffix(".jsonl")
"""Lines of earlier trainings."""
APPROACHES: dict[str, Approach] = {
    **{name: OF_STUDY[name] for name in ("ldt", "strong-ldt", "me")},
    DEFAULT: OF_STUDY["im streams ignored"],
    **{name: OF_STUDY[name] for name in ("fdt", "im", "im+")},
    "im++": Approach("im++", {"num_evalnets": NUM_MEMBERS}),
}
NAMES = ("ldt", "strong-ldt", "me", DEFAULT, "fdt", MONAI, "im", "im+", "im++")

_OWN: dict[str, object] = {"batch_size": 2, "width": 0.25}
_SPACING = 2.0
_MOST = {"unlabelled": 40, "val": 10, "test": 32}
"""Volumes of each part, so that a processor can do it."""
_FEATURES = (4, 4, 8, 16, 32, 4)
"""Of BasicUNet: its own shape at an eighth of its width, with about as many weights as the other networks have here."""
_CROP, _MULTIPLE = (16, 32, 16), 16
_RATE, _LOOKS = 1e-3, 10


@dataclass(frozen=True)
class Trial:
    """One training: of a draw of labelled volumes, an approach and a number of steps of each member."""

    draw: int
    approach: str
    steps: int
    labelled: int
    norm: str

    @property
    def key(self) -> str:
        """What it is found again by."""
        return "/".join(map(str, (self.labelled, self.draw, self.steps, self.approach, self.norm)))


def arrange(source: Path, target: Path, *, draw: int, labelled: int) -> None:
    """Write a data folder, the unlabelled volumes with their true masks, unless it is there."""
    if target.exists():
        return
    split: dict[str, list[str]] = json.loads((source / "split.json").read_text(encoding="utf-8"))
    chosen = drawn(replace(SETS[SET], num_labelled=labelled), split, draw=draw)
    split |= dict(zip(("labelled", "unlabelled"), chosen, strict=True))
    beginning = target.with_name(target.name + ".part")
    shutil.rmtree(beginning, ignore_errors=True)
    for part, (own, theirs) in itertools.product(PARTS, (("images", "images"), ("masks", "labels"))):
        (beginning / part / own).mkdir(parents=True)
        for name in split[part][: _MOST.get(part)]:
            shutil.copyfile(source / theirs / name, beginning / part / own / name)
    classes = ", ".join(f'{{name = "{name}", value = {place}}}' for place, name in enumerate(("background", *CLASSES)))
    text = f"profile = 'upright'\n[data]\ntask = 'multiclass'\nclasses = [{classes}]\nspacing = {[_SPACING] * 3}\n"
    (beginning / "incmask.toml").write_text(text, encoding="utf-8")
    beginning.rename(target)


def train(trial: Trial, data: Path, folder: Path) -> Line:
    """Train an approach, and score what it made: not what a user is handed, which may be the base models."""
    approach = APPROACHES[trial.approach]
    settings = approach.resolved(steps=trial.steps, seed=trial.draw + 1) | _OWN
    settings |= {"device": "cpu", "volume_norm": trial.norm}
    shutil.rmtree(folder, ignore_errors=True)
    executor = Executor(HerePool, lambda job, pool: 0.0)
    outcome = run(data, folder, choices=Choices(approach.recipe, settings=settings), executor=executor)
    shutil.rmtree(folder)
    best = max(outcome.stages[1:] or outcome.stages, key=lambda stage: stage.score)
    wanted = (best.name, "ensemble", "test")
    (row,) = (row for row in outcome.scores if (row.stage, row.model, row.split) == wanted)
    assert row.counts is not None
    return {"stage": best.name, **scores_of(row.names, row.counts, row.details)}


def scores_of(names: tuple[str, ...], counts: Counts, distances: dict[str, float]) -> Line:
    """Give Dice by class and volume, and the distances of surfaces, mean of all volumes that have both."""
    by_class = dice(counts)[:, 1:]
    return {
        "dice": dict(zip(CLASSES, by_class.mean(0).tolist(), strict=True)),
        "by_image": dict(zip(names, by_class.mean(1).tolist(), strict=True)),
        **{name: value for name, value in distances.items() if name.startswith(("hd95/", "surface_distance/"))},
    }


def train_monai(trial: Trial, data: Path) -> Line:
    """Train as many BasicUNets as other approaches have members, and score their mean."""
    dataset = resolve(data, Choices("ldt")).dataset
    networks = [_fitted(dataset, trial.steps, seed=100 * trial.draw + number) for number in range(NUM_MEMBERS)]
    counts, distances = [], []
    for item in dataset.test:
        label, truth = folded(_label(networks, item, dataset)), read_label(item, dataset)
        counts.append(count(label[None], truth[None], task=dataset.task, num_classes=1 + len(CLASSES)))
        names = [info.name for info in dataset.classes]
        distances.append(distances_of(label, truth, grid_of(item), task=dataset.task, class_names=names))
    return scores_of(tuple(item.name for item in dataset.test), Counts.join(counts), mean_distances(distances))


def _fitted(dataset: Dataset, steps: int, *, seed: int) -> torch.nn.Module:
    nets, losses = import_module("monai.networks.nets"), import_module("monai.losses")
    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    network: torch.nn.Module = nets.BasicUNet(
        spatial_dims=3, in_channels=1, out_channels=1 + len(CLASSES), features=_FEATURES
    )
    loss_of = losses.DiceCELoss(to_onehot_y=True, softmax=True)
    optimizer = torch.optim.Adam(network.parameters(), _RATE)
    rates = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    pairs = [(_volume(item, dataset), _truth(item, dataset)) for item in dataset.labelled]
    best, best_weights = -1.0, network.state_dict()
    for step in range(1, steps + 1):
        chosen = generator.integers(0, len(pairs), int(str(_OWN["batch_size"])))
        image, label = (
            np.stack(side) for side in zip(*(_crop(*pairs[each], generator) for each in chosen), strict=True)
        )
        network.train()
        optimizer.zero_grad()
        loss_of(network(torch.from_numpy(image)[:, None]), torch.from_numpy(label)[:, None]).backward()
        optimizer.step()
        rates.step()
        if step % max(1, steps // _LOOKS) == 0 and (score := _validated(network, dataset)) > best:
            best, best_weights = score, {name: value.clone() for name, value in network.state_dict().items()}
    network.load_state_dict(best_weights)
    return network


def _crop(
    image: NDArray[np.float32], label: NDArray[np.int64], generator: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Cut a part out at random, and mirror it from left to right half of the time."""
    room = [max(0, side - own) for side, own in zip(image.shape, _CROP, strict=True)]
    firsts = [int(generator.integers(0, most + 1)) for most in room]
    inside = tuple(slice(first, first + side) for first, side in zip(firsts, _CROP, strict=True))
    behind = [(0, max(0, side - own)) for side, own in zip(_CROP, image.shape, strict=True)]
    parts = [np.pad(each[inside], behind) for each in (image, label)]
    if generator.random() < 0.5:
        parts = [part[..., ::-1].copy() for part in parts]
    return parts[0], parts[1]


def _validated(network: torch.nn.Module, dataset: Dataset) -> float:
    found = []
    for item in dataset.val:
        truth = read_label(item, dataset)[None]
        label = folded(_label([network], item, dataset))[None]
        found.append(dice(count(label, truth, task=dataset.task, num_classes=1 + len(CLASSES)))[:, 1:].mean())
    return float(np.mean(found))


@torch.inference_mode()
def _label(networks: list[torch.nn.Module], item: Item, dataset: Dataset) -> NDArray[np.uint8]:
    """Predict a volume in one piece, and bring the probabilities back to its own grid: ids, (D, H, W)."""
    volume = _volume(item, dataset)
    image = torch.from_numpy(_padded(volume, volume.shape))[None, None]
    members = torch.stack([network.eval()(image).softmax(1)[0] for network in networks])
    inside = (slice(None), *(slice(side) for side in volume.shape))
    probability = resample(members.mean(0).numpy()[inside], grid_of(item).shape)
    return probability.argmax(0).astype(np.uint8)


def _volume(item: Item, dataset: Dataset) -> NDArray[np.float32]:
    """Read a volume at the common spacing, with mean 0 and standard deviation 1."""
    assert dataset.volumes is not None
    sheet = read_network_image(item.image, channels=1, intensity=dataset.intensity)
    grid = grid_of(item)
    volume = resample_image(unfolded(sheet, grid.shape[0]), dataset.volumes.shape_of(grid))[..., 0].astype(np.float32)
    return (volume - volume.mean()) / volume.std()


def _truth(item: Item, dataset: Dataset) -> NDArray[np.int64]:
    assert dataset.volumes is not None
    grid = grid_of(item)
    label = resample_label(unfolded(read_label(item, dataset), grid.shape[0]), dataset.volumes.shape_of(grid))
    return label.astype(np.int64)


def _padded(volume: NDArray[Any], size: tuple[int, ...]) -> NDArray[Any]:
    """Add zeros behind, up to what BasicUNet can halve four times."""
    sides = [-(-side // _MULTIPLE) * _MULTIPLE for side in size]
    return np.pad(volume, [(0, side - own) for side, own in zip(sides, volume.shape, strict=True)])


def table(lines: list[Line]) -> str:
    """Write a row an approach; differences have 95 % intervals over draws and test volumes."""
    found: Found = defaultdict(dict)
    for line in lines:
        found[SET, line["approach"]][line["draw"], 0] = line
    heading = [*CLASSES, *(f"hd95 {name}" for name in CLASSES), f"minus {BASELINE}", f"{DEFAULT} minus it", "seconds"]
    rows = [["approach (draws)", *heading]]
    for name in (each for each in NAMES if found[SET, each]):
        own = list(found[SET, name].values())
        cells = [f"{np.mean([line['dice'][each] for line in own]):.3f}" for each in CLASSES]
        # A class that was found in no volume has no surface.
        surfaces = ([line[f"hd95/{each}"] for line in own if f"hd95/{each}" in line] for each in CLASSES)
        cells += [f"{np.mean(known):.2f}" if known else "" for known in surfaces]
        for first, second in ((name, BASELINE), (DEFAULT, name)):
            told = None if first == second else difference(found, SET, first, second)
            cells.append("" if told is None else with_interval(told.mean, told.reach()))
        rows.append([f"{name} ({len(own)})", *cells, f"{np.mean([line['seconds'] for line in own]):.0f}"])
    return laid_out(rows)


def main() -> None:
    """Train what has no line yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--approaches", type=lambda text: text.split(","), default=list(NAMES))
    parser.add_argument("--draws", type=int, default=3, help="of the labelled volumes; each with another seed")
    parser.add_argument("--steps", type=int, default=400, help="of a member in all")
    parser.add_argument("--labelled", type=int, default=17, help="volumes: 17 are 10 %%")
    parser.add_argument("--norm", choices=("instance", "batch"), default="instance", help="of our networks")
    parser.add_argument("--only-table", action="store_true")
    options = parser.parse_args()
    if unknown := {*options.approaches} - {*NAMES}:
        raise SystemExit(f"--approaches: {', '.join(sorted(unknown))}: not one of {', '.join(NAMES)}")
    if MONAI in options.approaches and not options.only_table:
        try:
            import_module("monai")
        except ImportError:
            raise SystemExit("monai is not installed: pip install monai, or leave it out of --approaches") from None
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / RESULTS
    lines = read_lines(MEASURED, path)
    trials = [
        Trial(draw, name, options.steps, options.labelled, MONAI if name == MONAI else options.norm)
        for draw, name in itertools.product(range(options.draws), options.approaches)
    ]

    def trained(trial: Trial) -> Line:
        data = options.out / "data" / f"{trial.labelled}-{trial.draw}"
        arrange(options.data / SET, data, draw=trial.draw, labelled=trial.labelled)
        return train_monai(trial, data) if trial.approach == MONAI else train(trial, data, options.out / "run")

    for line in train_missing([] if options.only_table else trials, lines, path, trained):
        print(f"{line['key']}: {np.mean([*line['dice'].values()]):.3f}, {line['seconds']:.0f} s", flush=True)
    print(table([line for line in lines if line["key"] in {trial.key for trial in trials}]))


if __name__ == "__main__":
    main()
