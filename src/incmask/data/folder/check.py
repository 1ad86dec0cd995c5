"""What ``incmask check`` says of a data set."""

from collections.abc import Sequence

import numpy as np

from incmask.base.caller import option
from incmask.data.dataset import Dataset, Item


def describe(dataset: Dataset) -> list[str]:
    """Describe a data set in lines: parts, sizes, channels, classes with their share of pixels, and all notes."""
    lines = [f"{part}: {len(items)} images{_sizes(items)}" for part, items in dataset.parts()]
    lines.append(f"the network sees {dataset.channels} channel{'s' if dataset.channels > 1 else ''}")
    lines.append(f"task: {dataset.task}, {len(dataset.classes)} class{'es' if len(dataset.classes) > 1 else ''}")
    statistics = dataset.statistics
    seen = max(1, statistics.total_pixels - statistics.ignored_pixels)
    for info, num_pixels in zip(dataset.classes, statistics.class_pixels, strict=True):
        lines.append(f"class {info.name}: {_percent(num_pixels / seen)} of the labelled pixels")
    if dataset.position_class is not None:
        lines.append(f"class {dataset.position_class} marks centres, so that objects are counted")
    if statistics.empty_masks:
        lines.append(f"{statistics.empty_masks} of {len(dataset.labelled)} labelled images show background only")
    if statistics.ignored_pixels:
        lines.append(f"ignored: {_percent(statistics.ignored_pixels / statistics.total_pixels)} of the pixels")
    if all(item.subject is None for _, items in dataset.parts() for item in items):
        lines.append(f"groups: each image for itself; {option('group')} tells which show the same subject")
    return [*lines, *(f"note: {note}" for note in dataset.notes)]


def _sizes(items: Sequence[Item]) -> str:
    if not items:
        return ""
    by_area = sorted(items, key=lambda item: item.height * item.width)
    texts = [f"{item.width}×{item.height}" for item in (by_area[0], by_area[len(by_area) // 2], by_area[-1])]
    if len({(item.height, item.width) for item in items}) == 1:
        return f" of {texts[0]} pixels"
    return f" of {texts[0]} to {texts[2]} pixels, the median {texts[1]}"


def _percent(share: float) -> str:
    """Write a share with three digits that count, so that rare classes do not read as none."""
    return f"{float(np.format_float_positional(100 * share, precision=3, fractional=False)):g} %"
