"""Which images are meant by folders, files and patterns, and what each is called in an output folder."""

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from incmask.base.errors import fail
from incmask.data.folder.names import IMAGE_SUFFIXES, is_image, walk


def find_images(given: Sequence[str | Path], *, out: Path | None = None, may_be_empty: bool = False) -> dict[str, Path]:
    """Find images by name: their paths with subfolders and without endings, sorted.

    Names begin below a folder that is given; where several are, with the folder's own name. Single files and those
    of a pattern are named from the folder that they have in common.

    Args:
        given: folders, files, and patterns such as ``plates/*/*.tif`` for whatever the shell has not replaced.
        out: left out where it lies below a folder: masks of an earlier call are no images.
        may_be_empty: a folder or pattern without images is none to complain about.

    Raises:
        IncmaskError: one is not there or is ``out``, a pattern or a folder holds no image, or two images have the same
            name.
    """
    folders: list[Path] = []
    files: list[Path] = []
    for path in _paths(given, may_be_empty):
        (folders if path.is_dir() else files).append(path)
    found: dict[str, Path] = {}
    for folder in folders:
        if out is not None and folder.resolve() == out.resolve():
            raise fail(out, "holds the images themselves", "choose another folder with -o")
        prefix = f"{folder.resolve().name}/" if len(folders) > 1 else ""
        inside = [file for file in walk(folder, skip=[out] if out else []) if is_image(file)]
        if not inside and not may_be_empty:
            raise fail(folder, f"holds no images ({', '.join(IMAGE_SUFFIXES)})", "name the folder that holds them")
        for file in inside:
            _enter(found, prefix + file.relative_to(folder).with_suffix("").as_posix(), file)
    if files:
        places = [Path(os.path.abspath(file)) for file in files]
        common = os.path.commonpath([place.parent for place in places])
        for file, place in zip(files, places, strict=True):
            _enter(found, place.relative_to(common).with_suffix("").as_posix(), file)
    return dict(sorted(found.items()))


def _paths(given: Sequence[str | Path], may_be_empty: bool) -> Iterator[Path]:
    for each in given:
        path = Path(each)
        if path.exists():
            yield path
        elif glob.has_magic(str(each)):
            matches = sorted(map(Path, glob.glob(str(each), recursive=True)))
            matches = [match for match in matches if match.is_file() and is_image(match)]
            if not matches and not may_be_empty:
                raise fail(each, "matches no images", "check the pattern, and put it in quotes")
            yield from matches
        else:
            raise fail(each, "is not there", "check the path")


def _enter(found: dict[str, Path], name: str, file: Path) -> None:
    before = found.setdefault(name, file)
    if before is not file and before.resolve() != file.resolve():
        raise fail(
            file,
            f"has the same name as {before} in the output folder",
            "rename one of the two, or predict it elsewhere",
        )
