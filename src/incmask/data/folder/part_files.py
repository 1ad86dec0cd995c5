"""The files of one part of a data folder, before images and masks are paired, and what there is to say of them."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from incmask.base.choosing import CONFIG_NAME
from incmask.base.errors import Problem
from incmask.base.words import counted
from incmask.data.dataset import DataOptions
from incmask.data.folder.arrangement import Place
from incmask.data.folder.derived import without_derived
from incmask.data.folder.files_below import FilesBelow
from incmask.data.folder.names import is_array, is_image, name_of, without_mask_suffix
from incmask.data.folder.pairing import Files, split_by_suffix
from incmask.data.folder.walk import walk
from incmask.data.volumes.names import is_zarr
from incmask.data.volumes.ngff import label_of_store
from incmask.method.labels import labels_of


@dataclass
class Remarks:
    """What there is to say of a folder, gathered while it is read."""

    notes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    passed_over: list[Path] = field(default_factory=list)

    def problem(self, where: object, what: str, remedy: str) -> None:
        """Tell what is wrong where, and how to mend it."""
        self.problems.append(Problem(str(where), what, remedy))


@dataclass(frozen=True)
class PartFiles:
    """The files of one part before they are paired."""

    folder: Path
    images: Files
    masks: Files
    mask_folder: Path | None


def files_of_part(place: Place, options: DataOptions, *, log: Remarks, skip: Collection[Path]) -> PartFiles:
    """List the images and masks of the part at a place; ``skip``: folders that are none of it."""
    folder, image_folder, mask_folder = place.folder, place.images, place.masks
    with_arrays = options.task is not None and labels_of(options.task).is_continuous
    if image_folder is None:
        outside = {path for path in (mask_folder, *skip) if path is not None}
        images = files_below(folder, log, skip=outside, with_arrays=with_arrays)
    else:
        images = files_below(image_folder, log, with_arrays=with_arrays)
    if mask_folder is None:
        files = images
        images, masks = split_by_suffix(files, options.mask_suffix)
        _note_left(folder, len(files) - len(images) - len(masks), options, log)
        return PartFiles(folder, images, masks or _labels_in(images), None)
    masks = files_below(mask_folder, log, with_arrays=with_arrays)
    if options.mask_suffix is not None:
        suffixed = {
            below: path for below, path in masks.items() if without_mask_suffix(name_of(below), options.mask_suffix)
        }
        _note_left(mask_folder, len(masks) - len(suffixed), options, log)
        masks = suffixed
    return PartFiles(folder, images, masks, mask_folder)


def files_below(folder: Path, log: Remarks, *, skip: Collection[Path] = (), with_arrays: bool = False) -> Files:
    """List the image files below ``folder``, and arrays where these are read, too; note what else is there."""
    found, others = FilesBelow(folder), Counter[str]()
    walked = walk(folder, skip=skip)
    log.problems += walked.problems
    log.passed_over += walked.passed_over
    for path in walked.files:
        if ((is_image(path) or (with_arrays and is_array(path))) and path.is_file()) or path.is_dir():
            found.append(path)
        elif path.is_symlink() and not path.exists():
            log.problem(path, "is a link to what is not there", "get the file (git annex get, dvc pull), or remove it")
        elif path.name != CONFIG_NAME:
            others[path.suffix.casefold() or path.name] += 1
    images, left_out = without_derived(found)
    log.notes += [f"{short_path(folder)}: {note}" for note in left_out]
    if others:
        endings = ", ".join(f"{count} {ending}" for ending, count in sorted(others.items()))
        log.notes.append(f"{short_path(folder)}: left alone, as they are no images that are read: {endings}")
    return images


def _labels_in(images: Files) -> Files:
    """Give the labels that lie in stores of zarr beside their images."""
    stores = {below: path for below, path in images.items() if is_zarr(path) and path.is_dir()}
    return {below: labels for below, path in stores.items() if (labels := label_of_store(path)) is not None}


def short_path(folder: Path) -> str:
    """Give the last two names of a path, by which readers know it."""
    return "/".join(folder.parts[-2:])


def _note_left(folder: Path, num: int, options: DataOptions, log: Remarks) -> None:
    if num:
        log.notes.append(f"{folder.name}: left alone, as not ending in {options.mask_suffix}: {counted(num, 'file')}")
