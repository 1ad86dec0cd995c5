"""A table of which images show the same subject: a person's own, or the ``split.csv`` that ``prepare`` writes."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from incmask.base.errors import Problem, fail, raise_problems
from incmask.base.tables import read_rows
from incmask.data.folder.names import is_image, name_of, nfc

SPLIT_FILE = "split.csv"
"""Tells the part of each image of a source; may lie beside a person's own, and is written beside what is prepared."""

_COLUMNS = "write a line name,group and below it one for each image"
_CROP = re.compile(r"[-_]\d+$")
"""Ends the name of a crop, whose source has a row."""


@dataclass(frozen=True)
class GroupTable:
    """A table that was read.

    Attributes:
        groups: by part, "" where the part makes no difference, and name.
    """

    groups: Mapping[tuple[str, str], str]

    def group_of(self, part: str, *names: str) -> str | None:
        """Give the group of an image by any of its names, or of the image that it was cut from; None: no row tells."""
        keys = [(place, name) for name in (*names, *(_CROP.sub("", name) for name in names)) for place in (part, "")]
        return next((self.groups[key] for key in keys if key in self.groups), None)


def read_group_table(path: Path) -> GroupTable:
    """Read a CSV file with the columns name, or source, and group, of which the part may restrict a row.

    Names may have their part before them, and their ending. Without a column group each source is a group, with all
    crops of it (``source-003``); an image whose group is blank stands for itself.

    Raises:
        IncmaskError: it is no such table, or gives an image two groups.
    """
    rows = read_rows(path, dict[str, str], mend=f"save it as CSV in UTF-8; {_COLUMNS}")
    header = rows[0].keys() if rows else {}
    column = next((name for name in ("name", "source") if name in header), None)
    if column is None or ("group" not in header and column != "source"):
        raise fail(path, f"has no columns name and group, but {', '.join(header) or 'no row'}", _COLUMNS)
    found: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for number, row in enumerate(rows, start=2):
        name, part = _plain(row[column]), (row.get("part") or "").strip()
        if name:
            group = (row.get("group") or "").strip() or name
            found[part, name].setdefault(group, number)
    raise_problems(list(_contradictions(path, found)))
    groups = {key: next(iter(given)) for key, given in found.items()}
    return GroupTable(_for_any_part(groups, told="group" in header))


def _contradictions(path: Path, found: Mapping[tuple[str, str], Mapping[str, int]]) -> Iterator[Problem]:
    for (_, name), given in found.items():
        if len(given) > 1:
            first, second, *_ = given
            where = f"{path}, row {given[second]}"
            yield Problem(
                where, f"puts {name} into the group {second}, and row {given[first]} into {first}", "keep one"
            )


def _for_any_part(groups: dict[tuple[str, str], str], *, told: bool) -> dict[tuple[str, str], str]:
    """Let rows count in every part whose names occur once; sources of one name in two parts are two subjects."""
    parts: dict[str, list[str]] = defaultdict(list)
    for part, name in groups:
        parts[name].append(part)
    if not told:
        groups = {(part, name): f"{part}/{name}" if len(parts[name]) > 1 else name for part, name in groups}
    return {("", name): groups[of[0], name] for name, of in parts.items() if len(of) == 1} | groups


def _plain(name: str) -> str:
    path = PurePosixPath(nfc((name or "").strip()).replace("\\", "/"))
    return "" if not path.name else name_of(path) if is_image(path.name) else str(path)
