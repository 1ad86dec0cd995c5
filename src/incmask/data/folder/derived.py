"""Pictures that were made of an image and lie beside it: what programs leave there, and, to predict, masks."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import TypeVar

from incmask.base.words import counted
from incmask.data.folder.names import (
    is_image,
    name_of,
    owner_of_numbered,
    role_of,
    without_ending,
    without_mask_suffix,
)
from incmask.data.folder.own_names import TRACKS

_T = TypeVar("_T")
_EXAMPLES = 3

_BY_PROGRAMS = re.compile(
    r"[ _.-](?:(?:cp[ _.-])?(?:flows|output|outlines|dp|cellprob)(?:[ _.-]cp)?|"
    r"object[ _.-](?:predictions|identities|probabilities)|probabilit(?:y|ies)|prob|uncertainty|features|"
    r"overlays?|contours?|viz|visualization|preview|thumb|thumbnail|heatmap|pred|preds|predictions?|"
    r"superpixels|parts[ _.-]?\d*)$",
    re.IGNORECASE,
)
"""What cellpose, ilastik and others put behind an image's name."""

_DRAWINGS = re.compile(r"overlays?|contours?|heatmaps?|previews?|thumb(?:nail)?s?|visuali[sz]ations?", re.IGNORECASE)
"""Folders beside others for what is only looked at."""


def without_derived(files: Mapping[PurePosixPath, _T]) -> tuple[Mapping[PurePosixPath, _T], tuple[str, ...]]:
    """Leave out pictures that programs made of others which lie beside them, and say which.

    Args:
        files: by their paths; those that are no pictures stay.

    Returns:
        The others, and what a person should be told.
    """
    left_out = _made_of_others(files, lambda name: _BY_PROGRAMS.sub("", name))
    drawings = {below for below in files if is_image(below.name) and any(map(_DRAWINGS.fullmatch, below.parts[:-1]))}
    left_out |= drawings if drawings and _holds_images(below for below in files if below not in drawings) else set()
    rest, notes = _rest(files, left_out, "made by programs of the images beside them")
    rest, more = _rest(rest, {below for below in rest if TRACKS.match(str(below))}, "markers of tracks, and no masks")
    return rest, notes + more


def images_alone(files: Mapping[PurePosixPath, _T]) -> tuple[Mapping[PurePosixPath, _T], tuple[str, ...]]:
    """Leave out the masks of other pictures as well, in folders for masks or beside their images.

    Args:
        files: pictures, by their paths.

    Returns:
        As ``without_derived``.
    """
    rest, notes = without_derived(files)
    in_folders = {below for below in rest if any(map(_is_of_masks, below.parts[:-1]))}
    masks = in_folders if len(in_folders) < len(rest) else set()
    masks |= _made_of_others(rest, lambda name: without_ending(without_mask_suffix(name, None)))
    masks |= _made_of_others(rest, owner_of_numbered)
    rest, more = _rest(rest, masks, "masks of other images")
    return rest, notes + more


def _is_of_masks(folder: str) -> bool:
    words = [role_of(word).kind for word in (folder, *re.split(r"[ _.-]", folder))]
    return ("mask" in words and "image" not in words) or folder.casefold().startswith("segmentation")


def _holds_images(files: Iterable[PurePosixPath]) -> bool:
    return any(is_image(below.name) for below in files)


def _made_of_others(files: Collection[PurePosixPath], owner: Callable[[str], str]) -> set[PurePosixPath]:
    """Give those whose name tells that they were made of another one which is there."""

    def named() -> Iterator[tuple[PurePosixPath, str]]:
        return ((below, name_of(below)) for below in files if is_image(below.name))

    # Of a million images hardly any has such a name.
    owners = {below: of for below, name in named() if (of := owner(name)) not in ("", name)}
    wanted = {*owners.values()}
    known = {name for _, name in named() if name in wanted} if wanted else set()
    return {below for below, of in owners.items() if of in known}


def _rest(
    files: Mapping[PurePosixPath, _T], left_out: Collection[PurePosixPath], why: str
) -> tuple[Mapping[PurePosixPath, _T], tuple[str, ...]]:
    if not left_out:
        return files, ()
    listed = ", ".join(below.name for below in sorted(left_out)[:_EXAMPLES])
    note = f"left out, as {why}: {counted(len(left_out), 'file')}, such as {listed}"
    return {below: each for below, each in files.items() if below not in left_out}, (note,)
