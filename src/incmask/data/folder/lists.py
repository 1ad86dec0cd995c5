"""Lists of images, a name a line, that tell the parts: ``train.txt``, ``val.txt`` and ``test.txt``."""

from collections.abc import Collection, Mapping
from pathlib import PurePosixPath

from incmask.base.errors import Problem
from incmask.data.dataset import PartName
from incmask.data.folder.names import is_image, name_of, nfc, part_of

LIST_PATTERNS = ("*.txt", "*/*.txt", "*/*/*.txt")
"""Where a data folder may have them."""

_FOLDERS = ("", "imagesets", "segmentation", "splits", "split", "lists")


def listed_part(path: str) -> PartName | None:
    """Tell which part a file lists, by its path below the data folder; None: it is no list."""
    file = PurePosixPath(path)
    is_list = file.suffix.casefold() == ".txt" and file.parent.name.casefold() in _FOLDERS
    return part_of(file.stem) if is_list else None


def parts_of_lists(lists: Mapping[str, bytes], names: Collection[str], problems: list[Problem]) -> dict[str, PartName]:
    """Give the part of each image that is listed.

    A line is a name, or a path of the image, with or without ending; what follows after a space is its mask's.

    Args:
        lists: the content of each file by its path.
        names: of the images.
        problems: gets a line for each image that is in two lists.
    """
    known = {name: name for name in names} | {name.rpartition("/")[2]: name for name in names}
    found: dict[str, PartName] = {}
    for path, content in lists.items():
        part = listed_part(path)
        for line in nfc(content.decode("utf-8-sig", "replace")).splitlines():
            name = known.get(_plain(line)) or known.get(_plain(line).rpartition("/")[2])
            if part is None or name is None:
                continue
            if found.setdefault(name, part) != part:
                what = f"lists {name}, which is in the list of {found[name]}, too"
                problems.append(Problem(path, what, "keep it in one of them"))
    return found


def _plain(line: str) -> str:
    path = (line.split() or [""])[0].replace("\\", "/").lstrip("./")
    return name_of(PurePosixPath(path)) if is_image(path) else path
