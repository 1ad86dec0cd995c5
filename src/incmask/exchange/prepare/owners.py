"""What the owners' data sets share: finding and pairing their files, and splitting their names."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from pathlib import PurePosixPath
from typing import Literal

import numpy as np

from incmask.base.errors import IncmaskError, Problem, collected, fail
from incmask.exchange.prepare.images import SourcePair
from incmask.exchange.sources.archives import SourceFile
from incmask.exchange.sources.sources import SourceTree

_TOLD_AT_MOST = 10


@dataclass(frozen=True)
class Picked:
    """Names in two sets, each sorted."""

    chosen: tuple[str, ...]
    rest: tuple[str, ...]


@dataclass(frozen=True)
class OwnersPart:
    """A part of a data set as its owner distributes it.

    Attributes:
        name: the owner's.
        num_images: that it holds.
        images: the last names of the folder of the images, "/" between.
        masks: the same of their masks.
        archives: that bring the two, as the owner names them.
        where: what messages call it.
    """

    name: str
    num_images: int
    images: str
    masks: str
    archives: tuple[str, str]
    where: str


def find_pairs(
    source: SourceTree,
    parts: Sequence[OwnersPart],
    endings: Sequence[Collection[str]],
    *,
    page: str,
    below: bool = True,
) -> list[dict[str, SourcePair]]:
    """Give the images and masks of each part, by name.

    Args:
        source: the download.
        parts: of the data set.
        endings: of images, and of masks.
        page: where the owner distributes them.
        below: look into folders below those of the parts, too.

    Raises:
        IncmaskError: a folder lacks, or images or masks have no counterpart.
    """
    wanted = {
        folder: archive
        for each in parts
        for folder, archive in zip((each.images, each.masks), each.archives, strict=True)
    }
    folders = require_all(source, wanted, page=page)
    if not below:
        folders = [{name: entry for name, entry in files.items() if "/" not in name} for files in folders]
    return [
        pair_up(*map(by_stem, both, endings), where=part.where)
        for both, part in zip(zip(folders[::2], folders[1::2], strict=True), parts, strict=True)
    ]


def require_all(source: SourceTree, wanted: Mapping[str, str], *, page: str) -> list[dict[str, SourceFile]]:
    """Give the files of every folder, as ``SourceTree.require`` does; ``wanted`` tells the archive that brings it.

    Raises:
        IncmaskError: folders are missing; all of them are told.
    """
    found: list[dict[str, SourceFile]] = []
    problems: list[Problem] = []
    for folder, archive in wanted.items():
        with collected(problems):
            found.append(source.require(*folder.split("/"), page=page, archive=archive))
    if problems:
        raise IncmaskError([*dict.fromkeys(problems)])
    return found


def pick(names: Iterable[str], fraction: float, *, seed: int, rounding: Literal["floor", "ceil"]) -> Picked:
    """Choose ``fraction`` of ``names``, the same whatever their order.

    Args:
        names: all different.
        fraction: from 0 to 1, taken as its decimal digits say: 0.1 of 30 is 3 however it is rounded.
        seed: of the permutation of the sorted names, whose first ones are chosen.
        rounding: "floor" or "ceil" of the number chosen.
    """
    order = shuffled(names, seed=seed)
    exact = Fraction(str(fraction)) * len(order)
    num_chosen = floor(exact) if rounding == "floor" else ceil(exact)
    return Picked(tuple(sorted(order[:num_chosen])), tuple(sorted(order[num_chosen:])))


def choose_sources(num_crops: Mapping[str, int], fraction: float, *, seed: int) -> Picked:
    """Choose images in a random order, as many as bring their crops nearest to ``fraction`` of all.

    Args:
        num_crops: of each image by its name; two images or more.
        fraction: of all crops, from 0 to 1; the number is rounded down.
        seed: of the permutation of the sorted names, whose first ones are chosen.

    Returns:
        One image or more, and one or more that are left.
    """
    order = shuffled(num_crops, seed=seed)
    wanted = floor(Fraction(str(fraction)) * sum(num_crops.values()))
    totals = np.cumsum([num_crops[name] for name in order])[:-1]
    num_chosen = int(np.abs(totals - wanted).argmin()) + 1
    return Picked(tuple(sorted(order[:num_chosen])), tuple(sorted(order[num_chosen:])))


def shuffled(names: Iterable[str], *, seed: int) -> list[str]:
    """Give names in a random order, the same whatever theirs is."""
    ordered = sorted(names)
    return [ordered[index] for index in np.random.default_rng(seed).permutation(len(ordered))]


def divide(
    pairs: Mapping[str, SourcePair], fraction: float, *, seed: int, rounding: Literal["floor", "ceil"]
) -> list[dict[str, SourcePair]]:
    """Give the pairs that ``pick`` chooses, and the others."""
    picked = pick(pairs, fraction, seed=seed, rounding=rounding)
    return [{name: pairs[name] for name in names} for names in (picked.chosen, picked.rest)]


def by_stem(files: Mapping[str, SourceFile], endings: Collection[str]) -> dict[str, SourceFile]:
    """Give the files that end with one of ``endings``, in any capitals, by their name without folder and ending.

    Raises:
        IncmaskError: two have the same name.
    """
    found: dict[str, SourceFile] = {}
    for relative, entry in files.items():
        name = PurePosixPath(relative).name
        ending = next((ending for ending in endings if name.lower().endswith(ending.lower())), None)
        if ending is None:
            continue
        stem = name[: len(name) - len(ending)]
        if stem in found:
            what = f"is there a second time as {found[stem].where}"
            raise fail(entry.where, what, "remove one of the two")
        found[stem] = entry
    return found


def pair_up(
    images: Mapping[str, SourceFile], masks: Mapping[str, SourceFile], *, where: str, suffix: str = ""
) -> dict[str, SourcePair]:
    """Pair images and masks by name, in any capitals; the names are the images'.

    Args:
        images: by name.
        masks: by name.
        where: what folder they belong to, for the message.
        suffix: of all messages.

    Raises:
        IncmaskError: there are none, or an image or a mask lacks its other half.
    """
    folded = {name.casefold(): entry for name, entry in masks.items()}
    pairs = {
        name: SourcePair(entry, folded[name.casefold()]) for name, entry in images.items() if name.casefold() in folded
    }
    alone = {name: ("mask", entry) for name, entry in images.items() if name not in pairs}
    known = {name.casefold() for name in images}
    alone |= {name: ("image", entry) for name, entry in masks.items() if name.casefold() not in known}
    again = "unpack or download the set again"
    if alone:
        told = list(alone.values())[:_TOLD_AT_MOST]
        problems = [Problem(str(entry.where), f"has no {lacks}{suffix}", again) for lacks, entry in told]
        if len(alone) > len(told):
            problems.append(Problem(where, f"{len(alone) - len(told)} more have no counterpart{suffix}", again))
        raise IncmaskError(problems)
    if not pairs:
        raise fail(where, f"holds no images with masks{suffix}", again)
    return pairs


def incomplete(parts: Sequence[OwnersPart], have: Sequence[Collection[object]]) -> Iterator[str]:
    """Say of each part that has another number of images than its owner distributes, in the same order."""
    for part, images in zip(parts, have, strict=True):
        if len(images) != part.num_images:
            what = f"{len(images)} images, where the owner distributes {part.num_images}"
            yield f"{part.name}: {what}: is the download complete?"


def paper_settings(
    size: tuple[int, int], *, width: float = 1.0, quality_band: tuple[float, float], evalnet_width: float = 2.0
) -> dict[str, object]:
    """Give the settings with which the paper trained on a data set."""
    return {
        "size": list(size),
        "width": width,
        "width_step": 0.25,
        "erode_px": 0,
        "dilate_px": 0,
        "quality_band": list(quality_band),
        "evalnet_width": evalnet_width,
    }
