"""Images that show the same and are not equal: saved anew, scaled, brightened, cut by a little, turned or mirrored."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np

from incmask.base.caller import option
from incmask.base.words import counted
from incmask.data.dataset import PARTS, Item
from incmask.data.doctor.crops import cut_copies
from incmask.data.doctor.finding import Finding, how_to_fix, label_of, worst_first
from incmask.data.doctor.hashes import alike
from incmask.data.images.readers import ImageFacts, read_image
from incmask.data.images.sketch import small_grey

SPOILED = {
    ("labelled", "val"): "models are chosen by what they have learnt, and scores are too good",
    ("labelled", "test"): "scores are too good",
    ("val", "test"): "scores are too good, as models are chosen by them",
    ("unlabelled", "val"): "they are learnt from, if without labels",
    ("unlabelled", "test"): "they are learnt from, if without labels",
}
"""Parts of which the one spoils the other, and how; the first is the one to take images out of."""


@dataclass(frozen=True)
class NearCopy:
    """Two images that show the same.

    Attributes:
        parts, items: of the one and the other, in the order of the parts.
        likeness: correlation of their detail, up to 1.
    """

    parts: tuple[str, str]
    items: tuple[Item, Item]
    likeness: float

    def __str__(self) -> str:
        return " ~ ".join(label_of(part, item) for part, item in zip(self.parts, self.items, strict=True))


def near_copies(items: Mapping[str, Sequence[Item]], images: Mapping[Path, ImageFacts]) -> tuple[NearCopy, ...]:
    """Find images that show the same, but for those that are equal pixel by pixel, which are told of elsewhere.

    Of very many unlabelled images some are compared, see ``MOST_COMPARED``.
    """
    every = ((part, item, images[item.image]) for part in PARTS for item in items[part])
    pictured = [(part, item, fact) for part, item, fact in every if fact.sketch.grey is not None]
    places, facts = [(part, item) for part, item, _ in pictured], [fact for *_, fact in pictured]
    greys = [fact.sketch.grey for fact in facts if fact.sketch.grey is not None]
    parts, digests = [part for part, _ in places], [fact.digest for fact in facts]
    pairs = alike(greys, parts)
    left = sorted({*range(len(places))} - _told(parts, digests, pairs))
    pairs = _cut([places[place] for place in left], [greys[place] for place in left], left, images) | pairs
    return tuple(
        NearCopy((parts[one], parts[other]), (places[one][1], places[other][1]), likeness)
        for (one, other), likeness in pairs.items()
        if digests[one] != digests[other]
    )


def _told(parts: Sequence[str], digests: Sequence[str | None], pairs: Iterable[tuple[int, int]]) -> set[int]:
    """Give the places of what is to be taken out already, since it is equal or alike to what it spoils."""
    parts_of: dict[str, set[str]] = defaultdict(set)
    for part, digest in zip(parts, digests, strict=True):
        if digest is not None:
            parts_of[digest].add(part)
    equal = {
        place
        for place, (part, digest) in enumerate(zip(parts, digests, strict=True))
        if digest is not None and any((part, other) in SPOILED for other in parts_of[digest])
    }
    return equal | {one for one, other in pairs if (parts[one], parts[other]) in SPOILED}


def _cut(
    places: Sequence[tuple[str, Item]],
    greys: Sequence[np.ndarray],
    numbers: Sequence[int],
    images: Mapping[Path, ImageFacts],
) -> dict[tuple[int, int], float]:
    """Find images, by their numbers, that are cut out of others, where parts spoil each other."""
    parts = [part for part, _ in places]
    if not {*parts} & {"val", "test"}:
        return {}

    @cache
    def fine(place: int) -> np.ndarray:
        path = places[place][1].image
        return small_grey(read_image(path), images[path].limits)

    found = cut_copies(np.stack(greys), parts, SPOILED, fine)
    return {(numbers[one], numbers[other]): likeness for (one, other), likeness in found.items()}


def near_copy_findings(
    copies: Sequence[NearCopy], items: Mapping[str, Sequence[Item]], images: Mapping[Path, ImageFacts]
) -> Iterator[Finding]:
    """Tell of images that are learnt from and scored on, and note those that spoil nothing, or were not compared."""
    for parts in combinations_with_replacement(("labelled", "unlabelled", "val", "test"), 2):
        if pairs := [copy for copy in copies if copy.parts == parts]:
            yield _finding(parts, pairs)
    others = items["unlabelled"]
    num = sum(images[item.image].sketch.grey is not None for item in others)
    if num < len(others):
        what = f"{num:,} of {counted(len(others), 'unlabelled image')} were compared with all others, evenly chosen"
        remedy = "that others show the same would not be noticed, unless pixel by pixel"
        yield Finding("near_copies", "note", (), num / len(others), what, remedy)


def _finding(parts: tuple[str, str], pairs: Sequence[NearCopy]) -> Finding:
    first, second = parts
    spoiled = SPOILED.get(parts)
    where = f"in {first} twice" if first == second else f"in {first} and in {second}"
    likeness = max(pair.likeness for pair in pairs)
    num = len({pair.items[1].image for pair in pairs})
    what = f"{counted(num, 'image')} {where} but for small changes (correlation of detail up to {likeness:.2f})"
    files = worst_first([str(pair) for pair in pairs], [pair.likeness for pair in pairs])
    if spoiled is None:
        remedy = f"leave them, or take one of each pair out; {option('group')} keeps images of one subject together"
        return Finding("near_copies", "note", files, likeness, what, remedy)
    remedy = f"take them out of {first}, or have {how_to_fix()} do it"
    return Finding("near_copies", "warning", files, likeness, f"{what}, so {spoiled}", remedy)
