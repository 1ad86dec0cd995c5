"""Which files are images and which their masks where no name says so: names that go together, and a look at some.

Two *series* go together whose paths are the same but for what each has throughout: a folder (``sat``, ``map``), or
words before or behind a name (``x_rgb``, ``x_label``). Of two such, the masks are those that are drawn in areas.
"""

import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import PurePosixPath

from incmask.base.errors import IncmaskError
from incmask.data.dataset import PartName
from incmask.data.folder.names import first_of, name_of, part_in
from incmask.data.images.masks import MAX_COLOURS, MaskFacts, is_black_and_white, is_shaded

Key = tuple[tuple[str, ...], str]
"""What a file has of its image's: the folders, and the name without what its series has throughout."""

_Keyed = Mapping[Key, PurePosixPath]
"""The files of a series."""

_WORDS_BEFORE, _WORDS_BEHIND = (0, 1), (0, 1, 2)
"""So many words of a name may be its series'."""

_FOLDERS = (1, 2, 3)
"""So many folders below each other may be."""

_FEWEST = 2
"""Files that a series has at least."""

_HAVE_IMAGES = 0.8
"""Of the files of a series of masks, those whose image is there."""

_LOOKED_FOR = 10_000
"""Of more files as many are searched for series."""

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


@dataclass(frozen=True, order=True)
class Series:
    """What the files of a series have throughout.

    Attributes:
        depth: place of the folders among those of the path; -1: none tells.
        folder: the folders there, one to three.
        before, behind: of the name; ``behind`` may be the ending.
        num_others: other folders of the path, which tell files of the series apart.
    """

    depth: int
    folder: str
    before: str
    behind: str
    num_others: int

    def __str__(self) -> str:
        name = f"{self.before}*{self.behind}"
        return self.folder if self.folder and name == "*" else f"{self.folder}/{name}".lstrip("/")

    @property
    def num_words(self) -> int:
        """How much of the path is the series'."""
        return len(re.findall(r"[^ _.-]+", self.before + self.behind)) + len(PurePosixPath(self.folder).parts)

    def is_more_than(self, other: "Series") -> bool:
        """Tell whether the folder is another's with a word behind it."""
        more = self.folder.removeprefix(other.folder)
        return bool(other.folder) and more != self.folder and more[:1] in tuple(" _.-")

    @property
    def words(self) -> str:
        """All that its files have throughout."""
        return f"{self.folder} {self.before} {self.behind}"


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
    members = _members(_some(files))
    shared: Counter[tuple[Series, Series]] = Counter()
    by_key: dict[Key, list[Series]] = defaultdict(list)
    for series, keys in members.items():
        for key in keys:
            by_key[key].append(series)
    for together in by_key.values():
        shared.update(pair for pair in combinations(sorted(together), 2) if _may_go(*pair))
    rows = [(pair, num) for pair, num in shared.items() if num >= _FEWEST]
    rows.sort(key=lambda row: (-row[1], sum(each.num_words for each in row[0]), row[0]))
    seen: set[frozenset[frozenset[PurePosixPath]]] = set()
    for (first, second), _ in rows:
        one, two = _apart(members[first], members[second])
        pairs = [(one[key], two[key]) for key in sorted(one.keys() & two.keys())]
        found = frozenset(map(frozenset, pairs))
        # The same may be told apart by more words than it takes.
        if len(pairs) < _FEWEST or found in seen or not _are_of_a_part(pairs):
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


def _apart(first: _Keyed, second: _Keyed) -> tuple[_Keyed, _Keyed]:
    """Take from a series the files that another has, too, which has more words: what is left has none of them."""
    one, two = {*first.values()}, {*second.values()}
    if one > two:
        return {key: path for key, path in first.items() if path not in two}, second
    if two > one:
        return first, {key: path for key, path in second.items() if path not in one}
    return (first, second) if one.isdisjoint(two) else ({}, {})


def _chosen(
    files: Collection[PurePosixPath],
    members: Mapping[Series, _Keyed],
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
        if len(both) < max(_FEWEST, _HAVE_IMAGES * len(keyed)) or not others.isdisjoint(paired.values()):
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
    whole = _members(files, only={images, *best, *made_of_them})
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


def _some(files: Collection[PurePosixPath]) -> list[PurePosixPath]:
    """Give some of very many files, such that those of one name stay together: by the numbers in it."""
    one_of = -(-len(files) // _LOOKED_FOR)
    names = ((path, "".join(re.findall(r"\d", path.stem)) or path.stem) for path in files)
    return sorted(path for path, name in names if zlib.crc32(name.encode()) % one_of == 0)


def _members(files: Collection[PurePosixPath], only: Collection[Series] | None = None) -> dict[Series, _Keyed]:
    """Give the files of each series by what is left of their paths; without series in which that is of two files."""
    found: dict[Series, dict[Key, PurePosixPath]] = defaultdict(dict)
    double: set[Series] = set()
    for path in sorted(files):
        for series, key in _readings(path):
            if only is None or series in only:
                if key in found[series]:
                    double.add(series)
                found[series][key] = path
    return {series: keys for series, keys in found.items() if series not in double and len(keys) >= _FEWEST}


def _readings(path: PurePosixPath) -> Iterator[tuple[Series, Key]]:
    """Give the series of which a file may be, and what is left of its path in each."""
    *folders, stem = PurePosixPath(name_of(path)).parts
    words = [(word.start(), word.end(), word[0]) for word in re.finditer(r"[^ _.-]+", stem)]
    above = [(-1, "", tuple(folders))]
    for depth, num in product(range(len(folders)), _FOLDERS):
        if depth + num <= len(folders):
            rest = (*folders[:depth], *folders[depth + num :])
            above.append((depth, "/".join(folders[depth : depth + num]), rest))
    for before, behind in product(_WORDS_BEFORE, _WORDS_BEHIND):
        taken = [*words[:before], *(words[-behind:] if behind else ())]
        if before + behind >= max(len(words), 1) or not all(re.search(r"[^\W\d]", word) for *_, word in taken):
            continue  # what has no letter tells of one image, and so does what is left
        start, end = words[before][0] if before else 0, words[-behind - 1][1] if behind else len(stem)
        for depth, folder, rest in above:
            yield Series(depth, folder, stem[:start], stem[end:], len(rest)), (rest, stem[start:end].casefold())
    yield Series(-1, "", "", path.name[len(stem) :], len(folders)), (tuple(folders), stem.casefold())
    if folders:  # image.png and mask.png in a folder for each subject
        yield Series(-1, "", stem, "", len(folders)), (tuple(folders), "")


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
