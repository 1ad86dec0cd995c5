"""The data sets of the study, small enough for a processor: read from ``../shared/data``, written as data folders."""

import colorsys
import gzip
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from examples.arrange_nuclei import FOREGROUND, LAYERS, label_of

from incmask.base.config import Task
from incmask.data.dataset import ClassInfo
from incmask.data.images.decode import decode, read_bytes
from incmask.data.images.writers import write_label

PARTS = ("labelled", "unlabelled", "val", "test")
_BINARY: Task = "binary"
_MULTILABEL: Task = "multilabel"
_SLICES = (0.4, 0.5, 0.6)
"""Of a volume, at these shares of its extent along the last axis."""
_MR_CLASSES = tuple(
    ClassInfo(name, colour, place)
    for place, (name, colour) in enumerate(
        (("background", (0, 0, 0)), ("anterior", (0, 160, 255)), ("posterior", (255, 160, 0)))
    )
)


@dataclass(frozen=True)
class Item:
    """An image and its label: uint8, (H, W, C), and (H, W) or (H, W, K)."""

    name: str
    image: np.ndarray
    label: np.ndarray


Reader = Callable[[Path, str], list[Item]]
"""Gives what a file of a set, by its name in ``split.json``, holds."""


@dataclass(frozen=True)
class Set:
    """A data set of the study.

    Attributes:
        folder: below the data.
        task, classes: what the labels mean.
        size: height and width that it is brought to.
        read: reads one of its files.
        num_labelled: files that keep their label; the other training files become unlabelled. None: as split.
        num_files: at most, of each part but the labelled one.
        group: gives what files belong together by name, such as a flight; draws keep it together.
        subject: gives what an image shows by its name; images of one subject are no independent ones.
    """

    folder: str
    task: Task
    classes: tuple[ClassInfo, ...]
    size: tuple[int, int]
    read: Reader
    num_labelled: int | None = None
    num_files: int | None = None
    group: Callable[[str], str] = str
    subject: Callable[[str], str] = str


def _nuclei(multilabel: bool) -> Reader:
    def read(root: Path, name: str) -> list[Item]:
        image, path = _photograph(root / "images" / name), root / "labels" / name
        label = label_of(decode(path, read_bytes(path)).values, multilabel=multilabel)
        return [Item(Path(name).stem, image, label)]

    return read


def _cats(root: Path, name: str) -> list[Item]:
    mask = cv2.imread(str(root / "masks" / name), cv2.IMREAD_GRAYSCALE)
    return [Item(Path(name).stem, _photograph(root / "images" / name), (mask > 127).astype(np.uint8))]


def _aerial(root: Path, name: str) -> list[Item]:
    path = root / "masks" / name
    return [Item(Path(name).stem, _photograph(root / "images" / name), decode(path, read_bytes(path)).values)]


def _hippocampus(root: Path, name: str) -> list[Item]:
    image, label = (_volume(root / part / name).astype(np.float64) for part in ("images", "labels"))
    # Intensities of volumes differ by four orders of magnitude.
    low, high = np.percentile(image, (1, 99))
    grey = np.clip((image - low) / (high - low) * 255, 0, 255).astype(np.uint8)
    stem, places = name.removesuffix(".nii.gz"), [int(share * image.shape[2]) for share in _SLICES]
    return [
        Item(f"{stem}_z{place:03}", grey[:, :, place, None], label[:, :, place].astype(np.uint8)) for place in places
    ]


_TYPES = {2: np.uint8, 4: np.int16, 8: np.int32, 16: np.float32, 64: np.float64, 256: np.int8, 512: np.uint16}


def _volume(path: Path) -> np.ndarray:
    """Read a NIfTI-1 file of three axes, as its values are stored."""
    content = gzip.decompress(path.read_bytes())
    shape = np.frombuffer(content, "<i2", 3, 42)
    kind, first = int(np.frombuffer(content, "<i2", 1, 70)[0]), int(np.frombuffer(content, "<f4", 1, 108)[0])
    return np.frombuffer(content, np.dtype(_TYPES[kind]), int(shape.prod()), first).reshape(shape, order="F")


def _flight(name: str) -> str:
    return name.split("_")[0]


def _photograph(path: Path) -> np.ndarray:
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def _aerial_classes() -> tuple[ClassInfo, ...]:
    names = "background person bike car drone boat animal obstacle construction vegetation road sky"
    classes = []
    for place, name in enumerate(names.split()):
        red, green, blue = colorsys.hsv_to_rgb(place / 12, 0.8, 0.9)
        classes.append(ClassInfo(name, (int(255 * red), int(255 * green), int(255 * blue)), place))
    return tuple(classes)


def _nuclei_set(num_labelled: int | None = None, *, multilabel: bool = False) -> Set:
    classes, task = LAYERS if multilabel else FOREGROUND, _MULTILABEL if multilabel else _BINARY
    return Set("nuclei", task, classes, (64, 64), _nuclei(multilabel), num_labelled)


SETS: dict[str, Set] = {
    "cats": Set("feral_cats", "binary", FOREGROUND, (64, 64), _cats),
    "nuclei-4": _nuclei_set(4),
    "nuclei-10": _nuclei_set(10),
    "nuclei-44": _nuclei_set(),
    "cells": _nuclei_set(10, multilabel=True),
    "hippocampus": Set(
        "hippocampus", "multiclass", _MR_CLASSES, (48, 48), _hippocampus, 4, subject=lambda name: name.split("_z")[0]
    ),
    "aerial": Set("aeroscapes", "multiclass", _aerial_classes(), (64, 112), _aerial, group=_flight, subject=_flight),
}
"""The sets by name; a number is that of the labelled files."""


def arrange(kind: Set, source: Path, target: Path, *, draw: int) -> None:
    """Write a set as a data folder, the unlabelled images with their true masks, unless it is there.

    Args:
        kind: of data.
        source: folder of all data.
        target: folder to make.
        draw: which training files are the labelled ones; 0: those of ``split.json``, as far as their number goes.
    """
    if target.exists():
        return
    split: dict[str, list[str]] = json.loads((source / kind.folder / "split.json").read_text(encoding="utf-8"))
    split |= dict(zip(("labelled", "unlabelled"), drawn(kind, split, draw=draw), strict=True))
    beginning = target.with_name(target.name + ".part")
    shutil.rmtree(beginning, ignore_errors=True)
    for part in PARTS:
        for file in split[part][: None if part == "labelled" else kind.num_files]:
            for item in kind.read(source / kind.folder, file):
                _write(kind, item, beginning / part)
    beginning.rename(target)


def drawn(kind: Set, split: dict[str, list[str]], *, draw: int) -> tuple[list[str], list[str]]:
    """Give the labelled and the unlabelled training files; what belongs together stays on one side."""
    num = kind.num_labelled or len(split["labelled"])
    files = split["labelled"] + split["unlabelled"]
    if draw:
        order = np.random.default_rng(draw).permutation(sorted({kind.group(file) for file in files})).tolist()
        files = sorted(files, key=lambda file: (order.index(kind.group(file)), file))
        while num < len(files) and kind.group(files[num]) == kind.group(files[num - 1]):
            num += 1
    return files[:num], files[num:]


def _write(kind: Set, item: Item, folder: Path) -> None:
    (folder / "images").mkdir(parents=True, exist_ok=True)
    size = kind.size[::-1]
    image = cv2.resize(item.image, size, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(folder / "images" / f"{item.name}.png"), image if image.ndim == 2 else image[..., ::-1])
    label = cv2.resize(item.label, size, interpolation=cv2.INTER_NEAREST)
    write_label(folder / "masks", item.name, label, task=kind.task, classes=kind.classes)
