"""Which files are images and which their masks where no name says so: names that go together, and a look at some.

Two *series* go together whose paths are the same but for what each has throughout: a folder (``sat``, ``map``), or
words before or behind a name (``x_rgb``, ``x_label``). Of two such, the masks are those that are drawn in areas.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import PurePosixPath

from incmask.base.errors import IncmaskError
from incmask.data.dataset import PartName
from incmask.data.folder.names import first_of, name_of, part_in
from incmask.data.folder.series import FEWEST, Key, Keyed, Series, members_of, some_of
from incmask.data.images.masks import MAX_COLOURS, MaskFacts, is_black_and_white, is_shaded

_HAVE_IMAGES = 0.8
"""Of the files of a series of masks, those whose image is there."""

_LOOKED_AT = 6
"""Pairs that are opened to tell which is the mask."""

_TRIES = 40
"""Pairs of series that are looked at, those with most files first."""

_SIDES = re.compile(
    r"instance|inst(?=ids?)|object|panoptic|colou?r|overlay|vis|edge|border|boundar|contour|depth|disp|confiden|prob|"
    r"skelet|box|preview|thumb|weight|distance|fov",
    re.IGNORECASE,
)
"""Words of what is derived of a mask, or of another kind, where several series may be the masks."""


_ANNOTATORS = re.compile(
    r"(\d+)(?:st|nd|rd|th)(?-i:(?![a-z]))|(?:manual|observer|annotator|expert|reader|rater)[ _.-]?(\d+)", re.IGNORECASE
)
"""Words of who drew masks, where several did."""


@dataclass(frozen=True)
class Alike:
    """Images and masks that go together.

    Attributes:
        images, masks: what the files of both have throughout.
        mask_of: the mask of each image, by paths.
        bare: images without one.
        others: series that go with the images, too, and are left alone.
    """

    images: Series
    masks: Series
    mask_of: Mapping[PurePosixPath, PurePosixPath]
    bare: tuple[PurePosixPath, ...]
    others: tuple[Series, ...]

    def __str__(self) -> str:
        others = f" (and not {first_of([*map(str, self.others)], 4)})" if self.others else ""
        text = f"no name tells images from masks; by what goes together and is in them, images: {self.images}, "
        return f"{text}masks: {self.masks}{others}; where that is wrong, call the folders images and masks"

    def pairs(self) -> Iterator[tuple[PurePosixPath, PurePosixPath | None]]:
        """Give each image with its mask, sorted; None: it has none."""
        return ((image, self.mask_of.get(image)) for image in sorted([*self.mask_of, *self.bare]))

    def part_of(self, image: PurePosixPath) -> PartName | None:
        """Give the part that paths of an image and its mask tell; without a mask it is unlabelled; None: none does."""
        mask = self.mask_of.get(image)
        return "unlabelled" if mask is None else told_part(image) or told_part(mask)

    def name_of(self, image: PurePosixPath) -> str:
        """Give the path of an image without the ending, and without the folders that tell kind and part."""
        folders = enumerate(image.parts[:-1])
        kept = [each for depth, each in folders if depth != self.images.depth and part_in(each) is None]
        return name_of(PurePosixPath(*kept, image.name))


Tells = Callable[[Sequence[tuple[PurePosixPath, PurePosixPath]]], int]
"""Tells of pairs of files which are the masks: the first (-1), the second (1), or neither (0)."""


def told_part(image: PurePosixPath) -> PartName | None:
    """Give the part that a folder of an image's path tells; None: none does."""
    return next((part for folder in image.parts[:-1] if (part := part_in(folder))), None)


def find_alike(files: Collection[PurePosixPath], tells: Tells) -> tuple[Alike, ...]:
    """Find images and masks among pictures.

    Args:
        files: their paths below one folder.
        tells: which of two files each are the masks; called with a few pairs.

    Returns:
        What goes together: several where parts have folders of their own. Nothing where no two series do, where the
        files do not tell which are the masks, or where several series may be the masks.
    """
    left, found = {*files}, []
    while alike := _best(left, tells):
        found.append(alike)
        left -= {*alike.mask_of, *alike.mask_of.values(), *alike.bare}
    return tuple(found)


def _best(files: Collection[PurePosixPath], tells: Tells) -> Alike | None:
    """Give the two series with most pairs of which one are masks."""
    members = members_of(some_of(files))
    shared: Counter[tuple[Series, Series]] = Counter()
    by_key: dict[Key, list[Series]] = defaultdict(list)
    for series, keys in members.items():
        for key in keys:
            by_key[key].append(series)
    for together in by_key.values():
        shared.update(pair for pair in combinations(sorted(together), 2) if _may_go(*pair))
    rows = [(pair, num) for pair, num in shared.items() if num >= FEWEST]
    rows.sort(key=lambda row: (-row[1], sum(each.num_words for each in row[0]), row[0]))
    seen: set[frozenset[frozenset[PurePosixPath]]] = set()
    for (first, second), _ in rows:
        one, two = _apart(members[first], members[second])
        pairs = [(one[key], two[key]) for key in sorted(one.keys() & two.keys())]
        found = frozenset(map(frozenset, pairs))
        # The same may be told apart by more words than it takes.
        if len(pairs) < FEWEST or found in seen or not _are_of_a_part(pairs):
            continue
        if len(seen) == _TRIES:
            break
        seen.add(found)
        told = tells(pairs[:: max(1, len(pairs) // _LOOKED_AT)][:_LOOKED_AT])
        if not told:
            continue
        images, masks = (first, second) if told > 0 else (second, first)
        if len(pairs) >= _HAVE_IMAGES * len(two if masks == second else one):
            return _chosen(files, members, images, masks, tells)
    return None


def _may_go(first: Series, second: Series) -> bool:
    """Tell whether two series differ by what tells images from masks, at the same place of the path."""
    return first.num_others == second.num_others and (first.depth == second.depth or -1 in (first.depth, second.depth))


def _are_of_a_part(pairs: Iterable[tuple[PurePosixPath, PurePosixPath]]) -> bool:
    """Tell whether no two files that go together are of different parts, as of training and of tests."""
    return all(None in (parts := (told_part(one), told_part(two))) or parts[0] == parts[1] for one, two in pairs)


def _apart(first: Keyed, second: Keyed) -> tuple[Keyed, Keyed]:
    """Take from a series the files that another has, too, which has more words: what is left has none of them."""
    one, two = {*first.values()}, {*second.values()}
    if one > two:
        return {key: path for key, path in first.items() if path not in two}, second
    if two > one:
        return first, {key: path for key, path in second.items() if path not in one}
    return (first, second) if one.isdisjoint(two) else ({}, {})


def _chosen(
    files: Collection[PurePosixPath],
    members: Mapping[Series, Keyed],
    images: Series,
    masks: Series,
    tells: Tells,
) -> Alike | None:
    """Take the masks: of several series that may be them, the one that is not derived of another; None: several are."""
    pictures, keyed_masks = _apart(members[images], members[masks])
    paired = {key: path for key, path in pictures.items() if key in keyed_masks}
    rivals: dict[frozenset[PurePosixPath], Series] = {frozenset(keyed_masks.values()): masks}
    made_of_them = set[Series]()
    for series, keyed in members.items():
        both = sorted(keyed.keys() & paired.keys())
        others = frozenset(keyed.values())
        if len(both) < max(FEWEST, _HAVE_IMAGES * len(keyed)) or not others.isdisjoint(paired.values()):
            continue
        if not _may_go(images, series) or not _are_of_a_part((paired[key], keyed[key]) for key in both):
            continue
        made_of_them.add(series)
        is_new = all(others.isdisjoint(each) for each in rivals)
        if is_new and tells([(paired[key], keyed[key]) for key in both[:_LOOKED_AT]]) > 0:
            rivals[others] = series
    plain = [series for series in rivals.values() if not _SIDES.search(series.words)]
    # What has all that another has, and more, such as semantic_rgb beside semantic, was made of it.
    plain = [each for each in plain if not any(each.is_more_than(other) for other in plain)]
    best = [series for series in plain if "trainid" in series.words.casefold()] or _of_first_annotator(plain)
    if len(best) != 1:
        return None
    whole = members_of(files, only={images, *best, *made_of_them})
    if not {images, *best} <= whole.keys():
        return None
    pictures, keyed_masks = _apart(whole[images], whole[best[0]])
    mask_of = {path: keyed_masks[key] for key, path in pictures.items() if key in keyed_masks}
    # Nor is what lies beside images under their names, such as overlays, an image.
    made = {path for series in made_of_them & whole.keys() for path in whole[series].values()}
    bare = tuple(sorted({*pictures.values()} - {*mask_of} - made))
    return Alike(images, best[0], mask_of, bare, tuple(sorted({*rivals.values()} - {*best})))


def _of_first_annotator(several: Sequence[Series]) -> list[Series]:
    """Leave out, of series that differ by who drew them alone, those of the second and further ones."""
    first: dict[str, Series] = {}
    for series in sorted(several, key=_annotators):
        first.setdefault(_ANNOTATORS.sub("#", series.words), series)
    return [*first.values()]


def _annotators(series: Series) -> list[int]:
    return [int("".join(numbers)) for numbers in _ANNOTATORS.findall(series.words)]


def by_look(facts_at: Callable[[PurePosixPath], MaskFacts]) -> Tells:
    """Tell masks from images by what is in them.

    Args:
        facts_at: reads a file as a mask; raises ``IncmaskError`` where it can be none.
    """

    def tells(pairs: Sequence[tuple[PurePosixPath, PurePosixPath]]) -> int:
        first, second = (all(is_drawn(facts_at, pair[place]) for pair in pairs) for place in (0, 1))
        return int(second) - int(first)

    return tells


def is_drawn(facts_at: Callable[[PurePosixPath], MaskFacts], path: PurePosixPath) -> bool:
    """Tell whether a picture is drawn in areas, as masks are; ``facts_at`` is as for ``by_look``."""
    try:
        fact = facts_at(path)
    except IncmaskError:
        return False  # of more channels than masks have, or of other numbers
    return len(fact.counts) <= MAX_COLOURS or not is_shaded(fact) or is_black_and_white(fact)
