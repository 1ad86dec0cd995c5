"""Which images show the same subject: as a person tells, or else as ``split.csv`` or their names do."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path, PurePosixPath

from incmask.base.caller import option
from incmask.base.errors import IncmaskError, Problem, fail
from incmask.base.packed import Packed
from incmask.base.packed_texts import Texts
from incmask.base.words import counted
from incmask.data.dataset import Item
from incmask.data.folder.copies import Items, copy_notes, copy_problems, find_copies, joined
from incmask.data.folder.group_table import SPLIT_FILE, GroupTable, read_group_table
from incmask.data.folder.names import first_of, name_of
from incmask.data.folder.subjects import find_groups
from incmask.data.rounds import without_round

AUTO, NONE = "auto", "none"

_CHOICES = r"choose auto, none, a CSV file, or a pattern such as '(patient\d+)'"
_EXAMPLES = 3
_SCORED = ("labelled", "val", "test")

SubjectOf = Callable[[str, Item], str | None]
"""Gives the subject of an image of a part; None: nothing tells."""


@dataclass(frozen=True)
class Grouping:
    """The images of each part with their subjects, and what must be said of them."""

    items: dict[str, Sequence[Item]]
    notes: tuple[str, ...]
    problems: tuple[Problem, ...]


def group_items(root: Path, items: Items, option: str, digests: Mapping[Path, str | None]) -> Grouping:
    """Give each image its subject: that which is told, and the same one for images that are equal.

    Args:
        root: the data folder.
        items: the images of each part.
        option: as ``DataOptions.group``.
        digests: as for ``find_copies``.
    """
    copies = find_copies(items, digests)
    try:
        rule = _rule(root, items, option)
    except IncmaskError as error:
        return Grouping(joined(items, copies), (), (*error.problems, *copy_problems(root, copies)))
    told = {part: _told(part, items[part], rule.subject_of) for part in items}
    notes = [*rule.notes, *_notes(told, rule.told_by), *copy_notes(copies)]
    problems = [*_left_out(told, option), *copy_problems(root, copies)]
    return Grouping(joined(told, copies), tuple(notes), tuple(problems))


def _told(part: str, items: Sequence[Item], subject_of: SubjectOf) -> Sequence[Item]:
    return Packed(Item, (replace(item, subject=subject_of(part, item)) for item in items))


def pattern_group(pattern: str, *, where: object = "") -> Callable[[str], str | None]:
    """Give what finds the group in a name: the first group of a regular expression, or else its whole match.

    Raises:
        IncmaskError: it is no regular expression.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise fail(where or option("group"), f"{pattern!r} is no regular expression ({error})", _CHOICES) from error

    def group_of(name: str) -> str | None:
        found = compiled.search(name)
        return (found[min(compiled.groups, 1)] or None) if found else None

    return group_of


@dataclass(frozen=True)
class _Rule:
    """How subjects are told, in words, too; ``told_by`` is empty where nothing tells any."""

    subject_of: SubjectOf
    told_by: str = ""
    notes: tuple[str, ...] = ()


def _rule(root: Path, items: Items, option: str) -> _Rule:
    if option == NONE:
        return _Rule(_untold)
    if option == AUTO:
        return _split_file(root, items) or _by_names(items)
    if option.casefold().endswith(".csv"):
        # A file of the data comes first, so that incmask.toml means the same wherever the command is given.
        path = next((path for path in (root / option, Path(option)) if path.is_file()), None)
        if path is None:
            raise fail(f"group {option}", "is not there", "name a CSV file with the columns name and group")
        return _Rule(_from_table(root, read_group_table(path)), path.name)
    group_of = pattern_group(option, where="group")
    return _Rule(lambda _, item: group_of(without_round(item.name)), f"the pattern {option}")


def _untold(part: str, item: Item) -> None:
    """Say that nothing tells the subject."""


def _split_file(root: Path, items: Items) -> _Rule | None:
    """Give the rule of ``split.csv``, where it puts images together."""
    if not (root / SPLIT_FILE).is_file():
        return None
    try:
        subject_of = _from_table(root, read_group_table(root / SPLIT_FILE))
    except IncmaskError as error:
        what = error.problems[0].what
        return replace(_by_names(items), notes=(f"{SPLIT_FILE} tells no groups, since it {what}",))
    found = (subject for part in items for item in items[part] if (subject := subject_of(part, item)) is not None)
    is_shared = any(num > 1 for num in Counter(found).values())
    return _Rule(subject_of, SPLIT_FILE) if is_shared else None


def _from_table(root: Path, table: GroupTable) -> SubjectOf:
    def subject_of(part: str, item: Item) -> str | None:
        name = without_round(item.name)
        return table.group_of(
            part, name, f"{part}/{name}", name_of(PurePosixPath(item.image.relative_to(root).as_posix()))
        )

    return subject_of


def _by_names(items: Items) -> _Rule:
    """Give the rule of the names: of all images or, where others are called otherwise, of those that are scored."""
    names = {part: Texts(without_round(item.name) for item in items[part]) for part in items}
    told = find_groups(Texts(name for part in names for name in names[part]))
    if not told.subjects:
        told = find_groups([name for part in _SCORED for name in names[part]])
    if told.subjects:
        return _Rule(lambda _, item: told.subjects.get(without_round(item.name)), "names")
    what = f"all names begin with {told.only}, as if images showed one subject: then scores say nothing of others"
    return _Rule(_untold, notes=(what,) if told.only else ())


def _notes(items: Items, told_by: str) -> Iterator[str]:
    subjects = {part: {item.subject for item in items[part] if item.subject is not None} for part in items}
    if not told_by or not any(subjects.values()):
        return
    counts = ", ".join(f"{part} {len(found)}" for part, found in subjects.items() if found)
    changed = f"({option('group')} changes this)"
    yield f"groups by {told_by}: {counts}{_example(items)}; validation and folds keep them whole {changed}"
    if len(items["labelled"]) > 1 and len({item.group for item in items["labelled"]}) == 1:
        only = items["labelled"][0].group
        yield f"all labelled images are of one group, {only}: nothing tells how well others would be segmented"
    for first, second in [*combinations(_SCORED, 2), ("unlabelled", "val"), ("unlabelled", "test")]:
        shared = sorted(subjects[first] & subjects[second])
        if shared:
            listed = first_of(shared, _EXAMPLES)
            yield f"{len(shared)} groups are in {first} and in {second}, so scores say less about new ones: {listed}"


def _example(items: Items) -> str:
    first: dict[str, str] = {}
    for part in items:
        for item in items[part]:
            if item.subject is not None and (other := first.setdefault(item.subject, item.name)) != item.name:
                return f", such as {item.subject} of {other} and {item.name}"
    return ""


def _left_out(items: Items, option: str) -> Iterator[Problem]:
    """Tell of images of which a person's own rule says nothing."""
    if option in (AUTO, NONE):
        return
    names = [f"{part}/{item.name}" for part in _SCORED for item in items[part] if item.subject is None]
    if names:
        listed = first_of(names, _EXAMPLES)
        is_table = option.casefold().endswith(".csv")
        remedy = "add a row name,group for each" if is_table else f"give one that fits all names, or {_CHOICES}"
        yield Problem(f"group {option}", f"tells no group of {counted(len(names), 'image')}: {listed}", remedy)
