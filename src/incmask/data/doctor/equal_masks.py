"""Masks that are the same on all images: a field of view, or a template, taken for what was drawn."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from incmask.data.dataset import Item
from incmask.data.doctor.finding import Finding, label_of
from incmask.data.doctor.hashes import alike
from incmask.data.images.masks import MaskFacts
from incmask.data.images.readers import ImageFacts
from incmask.data.images.sketch import SIDE_PX

_FEW = 3
"""Of fewer masks, only those that are equal pixel by pixel are told."""
_MOST_UNLIKE = 0.05
"""Share of the rest, or of the commonest value where that is less, by which equal masks may differ."""
_MOST_OTHER = 0.001
"""Share of the pixels that may have a value that the typical mask has not."""
_MOST_ALIKE = 0.5
"""Where more of the images than these show the same, too, their masks are rightly equal."""

_HELD = ("labelled", "val", "test")


def equal_mask_findings(
    items: Mapping[str, Sequence[Item]], images: Mapping[Path, ImageFacts], masks: Mapping[Path, MaskFacts]
) -> Iterator[Finding]:
    """Tell of parts whose masks are all equal, or nearly, while their images are not."""
    for part in _HELD:
        with_masks = [item for item in items[part] if item.masks]
        drawn = [[masks.get(path) if path else None for path in item.masks or ()] for item in with_masks]
        equal = equal_share(drawn)
        if not equal or _show_the_same([images[item.image] for item in with_masks]):
            continue
        nearly = "" if equal == 1 else "nearly "
        what = (
            f"all {len(drawn)} masks in {part} are {nearly}equal, though their images differ: a field of view or a "
            "template, and not what was drawn on each image"
        )
        remedy = "put the masks that were drawn in their place; leave them where all images do show the same outline"
        files = tuple(label_of(part, item) for item in with_masks)
        yield Finding("equal_masks", "warning", files, equal, what, remedy)


def equal_share(drawn: Sequence[Sequence[MaskFacts | None]]) -> float:
    """Give how much of masks is equal, where all are, or nearly; 0 where they are not, or nothing is drawn.

    Args:
        drawn: of each image the masks, one or one for each class; None: it has none of that class.
    """
    if len(drawn) < 2:
        return 0.0
    planes = np.stack([_plane(of_image) for of_image in drawn])
    common = np.sort(planes, axis=0)[len(planes) // 2]
    values, counts = np.unique(common, return_counts=True)
    differing = (planes != common).mean((1, 2))
    ground = float(counts.max() / common.size)
    smaller = min(ground, 1 - ground)
    if not common.any() or differing.max() > _MOST_UNLIKE * smaller or _share_of_others(drawn, {*values.tolist()}):
        return 0.0
    is_same = _are_same(drawn) and not differing.any()
    if (len(drawn) < _FEW or ground == 1) and not is_same:
        return 0.0
    return 1.0 if is_same else min(0.999, float(1 - differing.mean()))


def _are_same(drawn: Sequence[Sequence[MaskFacts | None]]) -> bool:
    counts = [[fact and fact.counts for fact in of_image] for of_image in drawn]
    return all(each == counts[0] for each in counts)


def _plane(of_image: Sequence[MaskFacts | None]) -> np.ndarray:
    empty = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    return np.concatenate([empty if fact is None else fact.sketch for fact in of_image])


def _share_of_others(drawn: Sequence[Sequence[MaskFacts | None]], values: set[int]) -> bool:
    """Tell whether any mask has values that the typical one has not, though its few pixels were passed over."""
    counts = [fact.counts for of_image in drawn for fact in of_image if fact is not None]
    others = (sum(num for value, num in count.items() if value not in values) / sum(count.values()) for count in counts)
    return max(others, default=0.0) > _MOST_OTHER


def _show_the_same(facts: Sequence[ImageFacts]) -> bool:
    """Tell whether most images show the same as another."""
    pairs = alike([fact.sketch.grey for fact in facts if fact.sketch.grey is not None])
    return len({place for pair in pairs for place in pair}) > _MOST_ALIKE * len(facts)
