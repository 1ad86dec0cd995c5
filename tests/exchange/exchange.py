"""A data folder, a run folder as a finished run leaves it, and corrections, for the tests of the labelling loop."""

import csv
import itertools
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from incmask.base.store import INCONSISTENT, Store
from incmask.base.tables import csv_text
from incmask.data.dataset import ClassInfo, Scheme
from incmask.data.images.writers import write_label, write_png
from incmask.data.rounds import ENVIRONMENT, path_from
from incmask.experiment.choices import resolve
from incmask.experiment.named import Choices
from incmask.experiment.record.images import PredictedMask
from incmask.prediction.layers import MASKS
from runs import SETTINGS, make_data

SIZE = (24, 20)

HEADER = ((7, 5), (2, 4), (3, 4), (7, 4), (15, 4))
"""Of Label Studio's brush masks: bytes, and counts of 3, 4, 8 or 16 bits."""

SCHEMES = {
    "binary": Scheme("binary", (ClassInfo("foreground", (255, 255, 255), 255),)),
    "multiclass": Scheme(
        "multiclass",
        tuple(
            ClassInfo(name, colour, index)
            for index, (name, colour) in enumerate(
                (("background", (0, 0, 0)), ("class_1", (255, 38, 122)), ("class_2", (60, 179, 27)))
            )
        ),
    ),
    "multilabel": Scheme(
        "multilabel", (ClassInfo("bright", (255, 38, 122), "bright"), ClassInfo("dark", (60, 179, 27), "dark"))
    ),
}


def blobs(seed: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Give a mask with holes, several objects, some of one pixel, and some at the border; bool."""
    generator = np.random.default_rng(seed)
    height, width = size
    mask = generator.random(size) < 0.06
    mask[3 : height // 2, 2 : width // 2] = True
    mask[5 : height // 2 - 2, 4 : width // 2 - 2] = False
    mask[height // 2 + 2 :, width // 2 :] ^= generator.random((height - height // 2 - 2, width - width // 2)) < 0.5
    return mask


def pseudo_label(seed: int, task: str, size: tuple[int, int] = SIZE) -> PredictedMask:
    """Give a label with unsure pixels."""
    one, other = blobs(seed, size), blobs(seed + 1000, size)
    labels = {
        "binary": one.astype(np.uint8),
        "multiclass": np.where(one, 1, other.astype(np.uint8) * 2).astype(np.uint8),
        "multilabel": np.stack([one, other], 2).astype(np.uint8),
    }
    return PredictedMask(labels[task], np.random.default_rng(seed + 1).random(size) < 0.1)


def expected(pseudo: PredictedMask) -> np.ndarray:
    """Give what is to come back of a label that nobody corrected."""
    label = pseudo.label.copy()
    label[pseudo.inconsistent] = 255
    return label


def make_run(data: Path, run: Path, pseudo: Mapping[str, PredictedMask], *, task: str) -> Path:
    """Write what a run leaves of these unlabelled images."""
    chosen = resolve(data, Choices(recipe="im", settings=SETTINGS))
    classes = chosen.dataset.classes
    with Store(run, run=chosen.describe_run(), data=chosen.describe_data()) as store:
        store.write(run / ENVIRONMENT, json.dumps({"data": path_from(run, data)}))
        rows = []
        for name, each in pseudo.items():
            write_label(run / MASKS, name, each.label, task=chosen.dataset.task, classes=classes)
            write_png(run / INCONSISTENT / f"{name}.png", each.inconsistent.astype(np.uint8) * np.uint8(255))
            rows.append((name, each.inconsistent.mean()))
        store.write(run / "masks.csv", csv_text(("name", "inconsistent_fraction"), rows))
    return run


def make_loop(root: Path, task: str = "binary", *, num: int = 3) -> tuple[Path, Path, dict[str, PredictedMask]]:
    """Make a data folder and a run of it; one image lies in a folder, and no two have the same size."""
    data = make_data(root / "data", task, {"labelled": 2, "val": 1}, truth=True)
    pseudo = {}
    for index in range(num):
        name, size = f"slide/x.{index}" if index == 1 else f"x.{index}", (SIZE[0] + index, SIZE[1] + 2 * index)
        path = data / "unlabelled" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(index).integers(0, 256, size, np.uint8)).save(path)
        pseudo[name] = pseudo_label(index, task, size)
    return data, make_run(data, root / "data-run", pseudo, task=task), pseudo


def write_ranking(run: Path, names: list[str]) -> None:
    """Write a ranking."""
    with open(run / "ranking.csv", "w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(("rank", "name", "score", "reason"))
        writer.writerows((rank, name, 1 / rank, "because") for rank, name in enumerate(names, start=1))


def submit(folder: Path) -> None:
    """Do what Label Studio does where a person submits predictions as they are."""
    path = folder / "tasks.json"
    tasks = json.loads(path.read_text(encoding="utf-8"))
    for index, task in enumerate(tasks, start=1):
        results = task.pop("predictions")[0]["result"]
        task |= {
            "id": index,
            "predictions": [],
            "annotations": [{"id": index, "result": results, "was_cancelled": False}],
        }
    path.write_text(json.dumps(tasks), encoding="utf-8")


def packed(*fields: tuple[int, int]) -> bytes:
    """Pack numbers of so many bits each."""
    text = "".join(f"{value:0{bits}b}" for value, bits in fields)
    text += "0" * (-len(text) % 8)
    return bytes(int(text[at : at + 8], 2) for at in range(0, len(text), 8))


def packed_mask(mask: np.ndarray, longest: int) -> bytes:
    """Pack a mask in runs of at most so many bytes, with counts of the fewest bits that hold them."""
    values = (mask[..., None] * np.full(4, 255)).ravel()
    starts = [0, *(np.flatnonzero(np.diff(values)) + 1).tolist(), values.size]
    fields = [(values.size, 32), *HEADER]
    for start, end in itertools.pairwise(starts):
        for at in range(start, end, longest):
            count = min(end - at, longest) - 1
            place = sum(count >= 1 << bits for bits in (3, 4, 8))
            fields += [(1, 1), (place, 2), (count, (3, 4, 8, 16)[place]), (int(values[at]), 8)]
    return packed(*fields)
