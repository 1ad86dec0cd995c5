"""Lists of images, a name a line, that tell the parts: ``train.txt``, ``val.txt`` and ``test.txt``."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath

from incmask.base.errors import Problem
from incmask.data.dataset import PartName
from incmask.data.folder.names import is_image, name_of, nfc, part_of

_PATTERNS = ("*.txt", "*/*.txt", "*/*/*.txt")
"""Where a data folder may have them."""

_FOLDERS = ("", "imagesets", "segmentation", "splits", "split", "lists", "metadata")


def listed_part(path: str) -> PartName | None:
    """Tell which part a file lists, by its path below the data folder; None: it is no list."""
    file = PurePosixPath(path)
    is_list = file.suffix.casefold() == ".txt" and file.parent.name.casefold() in _FOLDERS
    return part_of(file.stem) if is_list else None


def parts_below(root: Path, names: Collection[str], problems: list[Problem]) -> tuple[dict[str, PartName], list[str]]:
    """Give the part of each image that a list in a data folder names, and the lists; as ``parts_of_lists``."""
    files = {path.relative_to(root).as_posix(): path for pattern in _PATTERNS for path in root.glob(pattern)}
    lists = {below: path.read_bytes() for below, path in files.items() if listed_part(below)}
    return parts_of_lists(lists, names, problems), sorted(lists)


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
            name = next((known[each] for each in _spelt(line) if each in known), None)
            if part is None or name is None:
                continue
            if found.setdefault(name, part) != part:
                what = f"lists {name}, which is in the list of {found[name]}, too"
                problems.append(Problem(path, what, "keep it in one of them"))
    return found


def _spelt(line: str) -> Iterator[str]:
    """Give what a line may call an image: all of it, since names may have spaces, or its first word."""
    for text in (line.strip(), (line.split() or [""])[0]):
        path = text.replace("\\", "/").lstrip("./")
        name = name_of(PurePosixPath(path)) if is_image(path) else path
        yield from (name, name.rpartition("/")[2])
