"""What ``incmask check`` says of a data set."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from incmask.base.caller import option
from incmask.base.config import Task
from incmask.base.words import counted
from incmask.data.dataset import Dataset, Item
from incmask.method.labels import labels_of

_MOST_LISTED = 20
"""Classes with a line each."""


@dataclass(frozen=True)
class PartFacts:
    """The images of a part.

    Attributes:
        num_images: how many.
        smallest, median, largest: height and width of three of them, by their pixels, or slices, rows and columns of
            volumes; None where there are none.
    """

    num_images: int
    smallest: tuple[int, ...] | None
    median: tuple[int, ...] | None
    largest: tuple[int, ...] | None


@dataclass(frozen=True)
class DataFacts:
    """What is in a data folder.

    Attributes:
        task: "binary", "multiclass", "multilabel", "denoise" or "depth".
        classes: of each by its name the share of the labelled pixels, 0 to 1; of numbers one, by the task's name.
        channels: that the networks see.
        parts: "labelled", "unlabelled", "val" and "test".
        num_empty: labelled images that show background only.
        ignored_fraction: share of the pixels that have no label, 0 to 1.
        position_class: the class that marks centres, so that objects are counted; None: there is none.
        notes: how masks and names were understood.
    """

    task: Task
    classes: dict[str, float]
    channels: int
    parts: dict[str, PartFacts]
    num_empty: int
    ignored_fraction: float
    position_class: str | None
    notes: tuple[str, ...]


def facts_of(dataset: Dataset) -> DataFacts:
    """Count what is in a data set."""
    statistics = dataset.statistics
    seen = max(1, statistics.total_pixels - statistics.ignored_pixels)
    shares = (num_pixels / seen for num_pixels in statistics.class_pixels)
    return DataFacts(
        task=dataset.task,
        classes=dict(zip((info.name for info in dataset.classes), shares, strict=True)),
        channels=dataset.channels,
        parts={part: _part(items) for part, items in dataset.parts()},
        num_empty=statistics.empty_masks,
        ignored_fraction=statistics.ignored_pixels / max(1, statistics.total_pixels),
        position_class=dataset.position_class,
        notes=dataset.notes,
    )


def _part(items: Sequence[Item]) -> PartFacts:
    sizes: list[tuple[int, ...]] = [
        (item.height, item.width) if item.grid is None else item.grid.shape for item in items
    ]
    by_area = sorted(sizes, key=math.prod)
    if not by_area:
        return PartFacts(0, None, None, None)
    return PartFacts(len(by_area), by_area[0], by_area[len(by_area) // 2], by_area[-1])


def describe(dataset: Dataset) -> list[str]:
    """Describe a data set in lines: parts, sizes, channels, classes with their share of pixels, and all notes."""
    facts = facts_of(dataset)
    kind = "image" if dataset.volumes is None else "volume"
    lines = [f"{part}: {counted(each.num_images, kind)}{_sizes(each)}" for part, each in facts.parts.items()]
    lines.append(f"the network sees {dataset.channels} channel{'s' if dataset.channels > 1 else ''}")
    if dataset.target is not None:
        lines.append(f"task: {dataset.task}, numbers from {dataset.target.low:g} to {dataset.target.high:g}")
    else:
        lines.append(f"task: {dataset.task}, {len(dataset.classes)} class{'es' if len(dataset.classes) > 1 else ''}")
        lines += _class_lines(facts.classes)
    if dataset.position_class is not None:
        lines.append(f"class {dataset.position_class} marks centres, so that objects are counted")
    if facts.num_empty:
        ground = labels_of(dataset.task).ground_name(list(facts.classes))
        lines.append(f"{facts.num_empty} of {len(dataset.labelled)} labelled images show {ground} only")
    if facts.ignored_fraction:
        lines.append(f"ignored: {_percent(facts.ignored_fraction)} of the pixels")
    if all(item.subject is None for _, items in dataset.parts() for item in items):
        lines.append(f"groups: each image for itself; {option('group')} tells which show the same subject")
    return [*lines, *(f"note: {note}" for note in dataset.notes)]


def _sizes(part: PartFacts) -> str:
    sizes = [size for size in (part.smallest, part.median, part.largest) if size]
    # Of images width before height, as everybody does; of volumes slices first.
    texts = ["×".join(map(str, reversed(size) if len(size) == 2 else size)) for size in sizes]
    unit = "pixels" if sizes and len(sizes[0]) == 2 else "voxels"
    if len({*texts}) < 2:
        return f" of {texts[0]} {unit}" if texts else ""
    return f" of {texts[0]} to {texts[2]} {unit}, the median {texts[1]}"


def _class_lines(classes: Mapping[str, float]) -> list[str]:
    """Tell the share of each class; of very many those that are seen most and least."""
    if len(classes) <= _MOST_LISTED:
        return [f"class {name}: {_percent(share)} of the labelled pixels" for name, share in classes.items()]
    seen = sorted((item for item in classes.items() if item[1]), key=lambda item: -item[1])
    told, half = [f"{name} {_percent(share)}" for name, share in seen], _MOST_LISTED // 2
    return [
        f"of the labelled pixels most show {', '.join(told[:half])}",
        f"of the labelled pixels fewest show {', '.join(told[half:][-half:])}",
    ]


def _percent(share: float) -> str:
    """Write a share with three digits that count, so that rare classes do not read as none."""
    return f"{float(np.format_float_positional(100 * share, precision=3, fractional=False)):g} %"
