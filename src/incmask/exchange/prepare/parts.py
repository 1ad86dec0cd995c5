"""Which part each image goes to: as a person tells, as folders tell, or drawn by groups that stay together."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from incmask.base.errors import Problem, fail, raise_problems
from incmask.base.tables import parse_rows
from incmask.base.words import are
from incmask.data.dataset import PARTS, PartName
from incmask.data.folder.group_table import SPLIT_FILE
from incmask.data.folder.groups import NONE, pattern_group
from incmask.data.folder.lists import listed_part, parts_of_lists
from incmask.data.folder.names import name_of, part_of
from incmask.data.folder.subjects import find_groups
from incmask.data.split import take_groups
from incmask.exchange.formats.common import Files, SourceImage
from incmask.exchange.prepare.owners import shuffled
from incmask.exchange.prepare.plan import PrepareOptions
from incmask.exchange.sources.archives import SourceFile


@dataclass(frozen=True)
class Division:
    """The part of each image.

    Attributes:
        parts: by the image's name; those that are left out lack.
        notes: what a person should be told.
        groups: by the image's name, where a table tells what others show, too.
    """

    parts: Mapping[str, PartName]
    notes: tuple[str, ...] = ()
    groups: Mapping[str, str] = field(default_factory=dict)


def read_split(entry: SourceFile, pictures: Sequence[SourceImage], *, bare_is_empty: bool) -> Division:
    """Read a table of the columns source, the image's name or path, and part; there may be a column group.

    Images without a label that it does not list are unlabelled.

    Args:
        entry: the file.
        pictures: all images.
        bare_is_empty: an image without annotation may be told to be labelled, since it then shows background only.

    Raises:
        IncmaskError: it lacks an image, lists one that is not there, or names other parts; all of them are told.
    """
    where = entry.where
    try:
        rows: list[dict[Any, Any]] = parse_rows(entry.read().decode("utf-8-sig"), dict)
    except ValueError as error:
        raise fail(where, f"is no readable table ({error})", "save it as CSV in UTF-8") from error
    if not rows or not {"source", "part"} <= {*rows[0]}:
        raise fail(where, "has no columns source and part", "write a line source,part and below it one for each image")
    names = {picture.path: picture.name for picture in pictures}
    names |= {name_of(PurePosixPath(picture.path)): picture.name for picture in pictures}
    names |= {picture.name: picture.name for picture in pictures}
    known: dict[str, PartName] = {part: part for part in PARTS}
    problems: list[Problem] = []
    parts: dict[str, PartName] = {}
    groups: dict[str, str] = {}
    for number, row in enumerate(rows, start=2):
        source, given = (row["source"] or "").strip(), (row["part"] or "").strip()
        part = known.get(given)
        name = names.get(source) or names.get(name_of(PurePosixPath(source or "-")))
        at = f"{where}, row {number}"
        if part is None:
            problems.append(Problem(at, f"names the part {given!r}", f"use one of {', '.join(known)}"))
        elif name is None:
            problems.append(
                Problem(at, f"names the image {source!r}, which is not there", "remove it, or add the image")
            )
        elif parts.setdefault(name, part) != part:
            problems.append(Problem(at, f"puts {source} into {part} and {parts[name]}", "keep one of the two rows"))
        elif group := (row.get("group") or "").strip():
            groups[name] = group
    for picture in pictures:
        found = parts.get(picture.name)
        if found is None and picture.label is None:
            parts[picture.name] = "unlabelled"
        elif found is None:
            problems.append(Problem(str(where), f"does not list {picture.name}", "add a row for it"))
        elif found != "unlabelled" and picture.label is None and not bare_is_empty:
            what = f"puts {picture.name} into {found}, but it has no label"
            problems.append(Problem(str(where), what, "put it into unlabelled, or add its mask"))
    raise_problems(problems)
    return Division(parts, (f"parts as {SPLIT_FILE} tells",), groups)


def split_of_folders(pictures: Sequence[SourceImage]) -> Division | None:
    """Give the parts that the first folder of each name tells, such as train, val and test; None: it does not.

    Images without a label are left out of val and test.
    """
    first = [part_of(picture.name.partition("/")[0]) for picture in pictures]
    told = [part for part in first if part is not None]
    if len(told) < len(first) or len({*told}) < 2:
        return None
    division = _divided(pictures, told)
    return Division(division.parts, ("parts as the folders tell", *division.notes))


def split_of_lists(files: Files, pictures: Sequence[SourceImage]) -> Division | None:
    """Give the parts that lists of images tell, such as ``train.txt`` and ``val.txt``; None: there are none.

    Raises:
        IncmaskError: an image is in two lists.
    """
    lists = {path: entry.read() for path, entry in files.items() if listed_part(path)}
    problems: list[Problem] = []
    found = parts_of_lists(lists, [picture.name for picture in pictures], problems)
    raise_problems(problems)
    if not found:
        return None
    division = _divided(pictures, [found.get(picture.name, "unlabelled") for picture in pictures])
    return Division(division.parts, ("parts as lists tell; images in none are unlabelled", *division.notes))


def without_part(name: str) -> str:
    """Give a name without the folder that tells its part."""
    first, _, rest = name.partition("/")
    return rest if rest and part_of(first) else name


def _divided(pictures: Sequence[SourceImage], told: Sequence[PartName]) -> Division:
    """Give each image the part that is told.

    Those without a label are unlabelled, or left out of val and test where others there have one.
    """
    parts: dict[str, PartName] = {}
    scored = {part for picture, part in zip(pictures, told, strict=True) if picture.label is not None}
    for picture, part in zip(pictures, told, strict=True):
        if picture.label is not None:
            parts[picture.name] = part
        elif part not in scored & {"val", "test"}:
            parts[picture.name] = "unlabelled"
    num_left = len(pictures) - len(parts)
    note = f"{are(num_left, 'image')} left out: of val or test, and without a label"
    return Division(parts, (note,) if num_left else ())


def groups_of(pictures: Sequence[SourceImage], pattern: str | None) -> dict[str, str]:
    """Give the group of each image by its name.

    Args:
        pictures: all images.
        pattern: a regular expression, whose first group, or else whole match, in the name is the group; "none": each
            image for itself; None: as ``find_groups`` reads the names.

    Raises:
        IncmaskError: the pattern is none, or does not fit all names.
    """
    names = {picture.name: picture.name for picture in pictures}
    if pattern in (None, NONE):
        return {**names, **(find_groups(tuple(names)).subjects if pattern is None else {})}
    group_of = pattern_group(pattern)
    found = {picture.name: group_of(picture.name) for picture in pictures}
    what = f"has no group, since {pattern!r} does not occur in its name"
    raise_problems(
        [Problem(name, what, "give a pattern that fits all names") for name, group in found.items() if group is None]
    )
    return {name: group for name, group in found.items() if group is not None}


def draw(pictures: Sequence[SourceImage], options: PrepareOptions) -> Division:
    """Draw the parts: whole groups go to training, val or test, by ``options.seed``.

    Shares are of the images with a label. Test is drawn first, then val, then those of the rest that stay labelled;
    a part whose share is an image or more gets at least one group while one is left for training. Images without a
    label are unlabelled; those of groups in val or test are left out, as they would teach what is tested.

    Raises:
        IncmaskError: shares that leave nothing, no image with a label, or a pattern that fits not all names.
    """
    _check_shares(options)
    groups = groups_of(pictures, options.group)
    sizes: dict[str, int] = defaultdict(int)
    for picture in pictures:
        sizes[groups[picture.name]] += picture.label is not None
    order = shuffled((group for group, size in sizes.items() if size), seed=options.seed)
    total = sum(sizes.values())
    test = _take(order, sizes, round(options.test_fraction * total))
    rest = [group for group in order if group not in test]
    val = _take(rest, sizes, round(options.val_fraction * total))
    rest = [group for group in rest if group not in val]
    kept = frozenset(rest)
    if options.labelled_fraction < 1:
        target = max(1, round(options.labelled_fraction * sum(sizes[group] for group in rest)))
        kept = _take(rest, sizes, target) or kept
    group_parts: dict[str, PartName] = {
        **dict.fromkeys(rest, "unlabelled"),
        **dict.fromkeys(kept, "labelled"),
        **dict.fromkeys(val, "val"),
        **dict.fromkeys(test, "test"),
    }
    division = _divided(pictures, [group_parts.get(groups[picture.name], "unlabelled") for picture in pictures])
    notes = [*division.notes]
    if len(sizes) < len(pictures) or options.group not in (None, NONE):
        notes.append(f"{len(sizes)} groups stay together: {len(test)} in test, {len(val)} in val")
    for name, share, taken in (("test", options.test_fraction, test), ("val", options.val_fraction, val)):
        if share and not taken:
            notes.append(f"no images are set aside for {name}: there are too few to spare")
    return Division(division.parts, tuple(notes))


def _check_shares(options: PrepareOptions) -> None:
    example = "choose a share such as 0.1"
    for name in ("val_fraction", "test_fraction"):
        if not 0 <= (share := getattr(options, name)) < 1:
            raise fail(name, f"is {share:g}; 0 to below 1 is expected", example)
    if options.val_fraction + options.test_fraction >= 1:
        raise fail("val_fraction", "and test_fraction leave nothing to learn from", "choose shares such as 0.1")
    if not 0 < options.labelled_fraction <= 1:
        raise fail("labelled_fraction", f"is {options.labelled_fraction:g}; above 0 to 1 is expected", example)


def _take(order: Sequence[str], sizes: Mapping[str, int], target: int) -> frozenset[str]:
    """Take groups as ``take_groups`` does; none where nothing can be spared, or less than an image is wanted."""
    return take_groups(order, sizes, target) if target >= 1 and len(order) >= 2 else frozenset()
