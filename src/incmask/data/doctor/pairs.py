"""What images and their masks tell together: reads some of them once more."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from incmask.base.errors import IncmaskError
from incmask.base.machine import num_cores
from incmask.base.threads import side_by_side
from incmask.base.words import counted
from incmask.data.dataset import Dataset, Item
from incmask.data.doctor.finding import Finding, how_to_fix, label_of, worst_first
from incmask.data.doctor.inverted import Ground, ground_of, inverted_finding
from incmask.data.doctor.shifts import Fit, Shift, find_shift, fit_of
from incmask.data.doctor.tiny import Sides, object_sides, scale_of, tiny_finding
from incmask.data.images.readers import read_label, read_network_image
from incmask.method.labels import labels_of

MOST_PAIRS = 100
"""Of each part, evenly spread: enough to tell what concerns many."""

_MASKED = ("labelled", "val", "test")


@dataclass(frozen=True)
class Pair:
    """An image with its mask, looked at.

    Attributes:
        part, item: which it is.
        fit: of outlines and edges; None where they tell nothing.
        sides: of the objects of each class.
        ground: of a mask of one class, or of one class and background, what tells whether these are swapped.
    """

    part: str
    item: Item
    fit: Fit | None
    sides: tuple[np.ndarray, ...]
    ground: Ground | None = None


def look_at_pairs(dataset: Dataset, *, most: int | None = MOST_PAIRS) -> list[Pair]:
    """Look at images with their masks; those that cannot be read are left out.

    Args:
        dataset: the data.
        most: of each part; None: all.
    """

    def look(place: tuple[str, Item]) -> Pair | None:
        part, item = place
        try:
            image = read_network_image(item.image, channels=dataset.channels, intensity=dataset.intensity)
            label = read_label(item, dataset)
        except IncmaskError:
            return None
        ground = ground_of(image, label) if labels_of(dataset.task).is_one_class else None
        return Pair(part, item, fit_of(image, label), tuple(object_sides(label, dataset)), ground)

    places = [(part, item) for part in _MASKED for item in _some(getattr(dataset, part), most)]
    pairs = side_by_side(look, places, num_threads=min(8, num_cores()))
    return [pair for pair in pairs if pair is not None]


def _some(items: Sequence[Item], most: int | None) -> Sequence[Item]:
    if most is None or len(items) <= most:
        return items
    return [items[place] for place in np.linspace(0, len(items) - 1, most).round().astype(int)]


def findings_of_pairs(
    dataset: Dataset, *, size: tuple[int, int], fit: Literal["resize", "tile"]
) -> tuple[Finding, ...]:
    """Find masks that are swapped or lie beside what they show, and objects that vanish at the networks' size.

    Args:
        dataset: the data.
        size: height and width of the networks' input.
        fit: whether images are brought to it, or cut.
    """
    pairs = look_at_pairs(dataset)
    tiny = _tiny(dataset, [pair for pair in pairs if pair.part == "labelled"], size) if fit == "resize" else ()
    return (*_inverted(pairs), *_shifted(pairs), *tiny)


def _inverted(pairs: Sequence[Pair]) -> Iterator[Finding]:
    known = [(label_of(pair.part, pair.item), pair.ground) for pair in pairs if pair.ground is not None]
    found = inverted_finding([file for file, _ in known], [ground for _, ground in known])
    if found is not None:
        yield found


def _tiny(dataset: Dataset, pairs: Sequence[Pair], size: tuple[int, int]) -> Iterator[Finding]:
    for number, info in enumerate(dataset.classes):
        found = [Sides(pair.item, pair.sides[number], scale_of(pair.item, size)) for pair in pairs]
        if (finding := tiny_finding(info.name, found, size)) is not None:
            yield finding


def find_shifts(pairs: Sequence[Pair]) -> list[tuple[Shift, list[Pair]]]:
    """Find masks that lie beside what they show, in each part, or where no part has any, in all of them together."""
    by_part = [[pair for pair in pairs if pair.part == part] for part in _MASKED]
    found = [(shift, some) for some in by_part if (shift := find_shift([pair.fit for pair in some])) is not None]
    if not found and (shift := find_shift([pair.fit for pair in pairs])) is not None:
        found = [(shift, list(pairs))]
    return [(shift, [some[place] for place in shift.places]) for shift, some in found]


def _shifted(pairs: Sequence[Pair]) -> Iterator[Finding]:
    for shift, shifted in find_shifts(pairs):
        down, right = shift.step_px
        num = sum(pair.part in {each.part for each in shifted} for pair in pairs)
        what = (
            f"{counted(len(shifted), 'mask')} of {num:,} looked at lie beside what they show: outlines fit best when "
            f"moved {_moved(down, 'down', 'up')} and {_moved(right, 'right', 'left')}"
        )
        remedy = f"export them anew without cropping or offset, or have {how_to_fix()} move them"
        files = worst_first([label_of(pair.part, pair.item) for pair in shifted], shift.gains)
        yield Finding("shifted_masks", "warning", files, float(max(abs(down), abs(right))), what, remedy)


def _moved(step: int, forth: str, back: str) -> str:
    return f"{counted(abs(step), 'pixel')} {forth if step >= 0 else back}"
