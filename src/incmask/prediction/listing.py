"""Which images are meant by folders, files and patterns, and what each is called in an output folder."""

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import takewhile
from pathlib import Path, PurePosixPath

from incmask.base.caller import another_folder
from incmask.base.errors import Problem, fail, is_text
from incmask.data.folder.derived import images_alone
from incmask.data.folder.names import IMAGE_SUFFIXES, is_array, is_image, key_of_name, name_of
from incmask.data.folder.walk import (
    holds_results,
    is_silent,
    is_volume_folder,
    nameless,
    passed_over_notes,
    walk,
)
from incmask.data.volumes.names import VOLUME_SUFFIXES


@dataclass
class Listing:
    """What was found.

    Attributes:
        images: by name: their paths with subfolders and without endings, sorted.
        problems: what cannot be an image of that name.
        passed_over: folders that hold no images of their own.
        left_out: what is said of pictures that are no images of their own.
        joined: what is said of images of several files.
        with_arrays: NPY is an image, too.
    """

    images: dict[str, Path] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    passed_over: list[Path] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    joined: str = ""
    with_arrays: bool = False

    _keys: dict[str, Path] = field(default_factory=dict)

    def takes(self, file: Path) -> bool:
        """Tell by its ending whether a file is an image that is read; a folder that was found among files is one."""
        return is_image(file) or (self.with_arrays and is_array(file)) or file.is_dir()

    def enter(self, below: str, file: Path) -> None:
        """Enter an image by its path.

        Raises:
            IncmaskError: another one has the same name, or one that is the same on some disks.
        """
        name = name_of(PurePosixPath(below))
        before = self._keys.setdefault(key_of_name(name), file)
        if before is not file and before.resolve() != file.resolve():
            what = f"has the same name as {before} in the output folder, perhaps but for capitals or accents"
            raise fail(file, what, "rename one of the two, or predict it elsewhere")
        if before is file:
            self.images[name] = file

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should be told."""
        joined = [self.joined] if self.joined else []
        return (*passed_over_notes(dict.fromkeys(self.passed_over)), *self.left_out, *joined)


def find_images(
    given: Sequence[str | Path], *, out: Path | None = None, may_be_empty: bool = False, with_arrays: bool = False
) -> Listing:
    """Find images by name.

    Names begin below a folder that is given; where several are, with the folder's own name. Single files and those
    of a pattern are named from the folder that they have in common. Folders that hold results are passed over, and
    what is hidden in the others.

    Args:
        given: folders, files, and patterns such as ``plates/*/*.tif`` for whatever the shell has not replaced.
        out: left out where it lies below a folder: masks of an earlier call are no images.
        may_be_empty: a folder or pattern without images is none to complain about.
        with_arrays: NPY is an image, too, as where targets are numbers.

    Raises:
        IncmaskError: one is not there or is ``out``, a pattern or a folder holds no image, or two images have the same
            name.
    """
    found = Listing(with_arrays=with_arrays)
    paths = list(_paths(given, may_be_empty, found))
    folders = [path for path in paths if path.is_dir() and not is_volume_folder(path)]
    if len(paths) > 1:  # the shell may have replaced a pattern by all that is there
        found.passed_over += [path for path in folders if is_silent(path.name) or holds_results(path)]
        folders = [path for path in folders if path not in found.passed_over]
    for folder in folders:
        prefix = f"{folder.resolve().name}/" if len(folders) > 1 else ""
        _enter_folder(found, folder, prefix, out=out, may_be_empty=may_be_empty)
    _enter_files(found, [path for path in paths if not path.is_dir() or is_volume_folder(path)])
    found.images = dict(sorted(found.images.items()))
    return found


def _enter_folder(found: Listing, folder: Path, prefix: str, *, out: Path | None, may_be_empty: bool) -> None:
    if out is not None and folder.resolve() == out.resolve():
        raise fail(out, "holds the images themselves", another_folder())
    walked = walk(folder, skip=[out] if out else [])
    found.passed_over += walked.passed_over
    found.problems += walked.problems
    pictures = {PurePosixPath(file.relative_to(folder).as_posix()): file for file in walked.files if found.takes(file)}
    inside, left_out = images_alone(pictures)
    found.left_out += left_out
    if not inside and not may_be_empty:
        others = "".join(f"; {note}" for note in found.notes)
        what = f"holds no images ({', '.join((*IMAGE_SUFFIXES, *VOLUME_SUFFIXES))}){others}"
        raise fail(folder, what, "name the folder that holds them")
    for below, file in inside.items():
        found.enter(f"{prefix}{below}", file)


def _enter_files(found: Listing, files: Sequence[Path]) -> None:
    if not files:
        return
    places = [Path(os.path.abspath(file)) for file in files]
    common = Path(os.path.commonpath([place.parent for place in places]))
    found.problems += nameless(common, places)
    for file, place in zip(files, places, strict=True):
        if is_text(below := place.relative_to(common)):
            found.enter(below.as_posix(), file)


def _paths(given: Sequence[str | Path], may_be_empty: bool, found: Listing) -> Iterator[Path]:
    for each in given:
        path = Path(each)
        if path.exists():
            yield path
        elif glob.has_magic(str(each)):
            matches = list(_matches(str(each), found))
            if not matches and not may_be_empty:
                raise fail(each, "matches no images", "check the pattern, and put it in quotes")
            yield from matches
        else:
            raise fail(each, "is not there", "check the path")


def _matches(pattern: str, found: Listing) -> Iterator[Path]:
    """Give the images that a pattern means, each once however links lead to it, and none that a walk passes over."""
    fixed = Path(*takewhile(lambda part: not glob.has_magic(part), Path(pattern).parts))
    seen: set[Path] = set()
    are_results = cache(holds_results)
    for match in sorted(map(Path, glob.glob(pattern, recursive=True)), key=lambda path: (len(path.parts), path)):
        folders = [folder for folder in match.parents if fixed in folder.parents]
        passed = [folder for folder in folders if is_silent(folder.name) or are_results(folder)]
        found.passed_over += passed[-1:]
        is_one = match.is_file() or is_volume_folder(match)
        if not passed and is_one and found.takes(match) and (place := match.resolve()) not in seen:
            seen.add(place)
            yield match
