"""Images that are equal, pixel by pixel: which they are, what must be said of them, and which stay together."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

from incmask.base.errors import Problem
from incmask.base.packed import Packed
from incmask.base.packed_texts import repeated
from incmask.base.words import are
from incmask.data.dataset import PARTS, Item
from incmask.data.folder.names import first_of

Items = Mapping[str, Sequence[Item]]
"""The images of each part."""
Place = tuple[str, Item]
"""An image and its part."""
Copies = Sequence[Sequence[Place]]
"""Images that are equal, two or more each."""

_HELD = ("labelled", "val", "test")
_EXAMPLES = 10


def find_copies(items: Items, digests: Mapping[Path, str | None]) -> Copies:
    """Find images that are equal, within parts and across them, in the order of the parts.

    Args:
        items: the images of each part.
        digests: of the pixels of each file, None for images that are never told to be equal.
    """

    def of_all() -> Iterator[str]:
        found = (digests[item.image] for part in PARTS for item in items[part])
        return (digest for digest in found if digest is not None)

    if not (several := repeated(of_all)):
        return []
    found: dict[str, list[Place]] = defaultdict(list)
    for part in PARTS:
        for item in items[part]:
            if (digest := digests[item.image]) in several:
                found[digest].append((part, item))
    return [*found.values()]


def copy_problems(root: Path, copies: Copies) -> Iterator[Problem]:
    """Tell of images that are learnt from and scored on, or that both choose and test."""
    for first, second in combinations(_HELD, 2):
        if pairs := _across(copies, first, second):
            what = f"{are(len(pairs), 'image')} in {first} and in {second}, so scores are too good: {_listed(pairs)}"
            yield Problem(str(root), what, f"take {'it' if len(pairs) == 1 else 'them'} out of one of the two")


def copy_notes(copies: Copies) -> Iterator[str]:
    """Tell of equal images that spoil nothing."""
    for part in _HELD:
        of_part = [[place for place in places if place[0] == part] for places in copies]
        pairs = [(places[0], place) for places in of_part for place in places[1:]]
        if pairs:
            yield f"{are(len(pairs), 'image')} in {part} twice, and on one side of every split: {_listed(pairs)}"
    if pairs := _across(copies, "labelled", "unlabelled"):
        yield f"{are(len(pairs), 'image')} in labelled and in unlabelled: {_listed(pairs)}"
    for part in ("val", "test"):
        if pairs := _across(copies, "unlabelled", part):
            what = f"{are(len(pairs), 'image')} in unlabelled and in {part}, so they are learnt from, if without labels"
            yield f"{what}: {_listed(pairs)}"


def joined(items: Items, copies: Copies) -> dict[str, Sequence[Item]]:
    """Give the items with one subject for all that are equal, and for all that share a subject with one of these."""
    if not copies:
        return {**items}
    # Slow to be loaded, and seldom needed.
    from scipy.cluster.hierarchy import DisjointSet

    equal = {(part, item.name) for places in copies for part, item in places}
    touched = {item.subject for part in items for item in items[part] if (part, item.name) in equal} - {None}

    def is_touched(part: str, item: Item) -> bool:
        return item.subject in touched or (part, item.name) in equal

    # All others stay as they are, perhaps a million of them.
    places = [(part, item) for part in items for item in items[part] if is_touched(part, item)]
    together = DisjointSet([(part, item.name) for part, item in places])
    subjects: dict[str, tuple[str, str]] = {}
    for part, item in places:
        if item.subject is not None:
            together.merge(subjects.setdefault(item.subject, (part, item.name)), (part, item.name))
    for (part, item), *others in copies:
        for other_part, other in others:
            together.merge((part, item.name), (other_part, other.name))
    told: dict[tuple[str, str], str] = {}
    for subject, place in subjects.items():
        told.setdefault(together[place], subject)
    names: dict[tuple[str, tuple[str, str]], list[str]] = defaultdict(list)
    for part, item in places:
        names[part, together[part, item.name]].append(item.name)

    def subject_of(part: str, item: Item) -> str | None:
        if not is_touched(part, item):
            return item.subject
        root = together[part, item.name]
        of_part = names[part, root]
        return told.get(root) or (of_part[0] if len(of_part) > 1 else None)

    return {
        part: Packed(Item, (replace(item, subject=subject_of(part, item)) for item in items[part])) for part in items
    }


def _across(copies: Copies, first: str, second: str) -> list[tuple[Place, Place]]:
    """Give for each image of the second part that is in the first part, too, the two places."""
    return [
        (next(place for place in places if place[0] == first), place)
        for places in copies
        if any(part == first for part, _ in places)
        for place in places
        if place[0] == second
    ]


def _listed(pairs: Sequence[tuple[Place, Place]]) -> str:
    texts = [" = ".join(f"{part}/{item.name}" for part, item in pair) for pair in pairs]
    return first_of(texts, _EXAMPLES)
