"""What the owners' data sets share: reading, pairing and resizing their files, and splitting their names."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from pathlib import PurePosixPath
from typing import Literal

import cv2
import numpy as np

from incmask.base.errors import IncmaskError, Problem, fail
from incmask.data.images.decode import decode
from incmask.data.images.masks import grey_values
from incmask.data.images.readers import image_of, to_network_range
from incmask.exchange.prepare.plan import Destination, Example
from incmask.exchange.sources.archives import SourceFile
from incmask.exchange.sources.sources import SourceTree

REFUSED = 254
"""In ``PairWork.ids``: a value that no mask may hold. No data set has so many ids."""

_TOLD_AT_MOST = 10


@dataclass(frozen=True)
class Picked:
    """Names in two sets, each sorted."""

    chosen: tuple[str, ...]
    rest: tuple[str, ...]


@dataclass(frozen=True)
class SourcePair:
    """An image and its mask."""

    image: SourceFile
    mask: SourceFile


@dataclass(frozen=True)
class Wanted:
    """A folder of the source, and the archive that brings it.

    Attributes:
        names: the last names of its path.
        archive: as its owner names it.
    """

    names: tuple[str, ...]
    archive: str


@dataclass(frozen=True)
class PairWork:
    """One image and its mask, each resized as a whole.

    Attributes:
        place: where they go.
        pair: their files.
        size: height and width.
        area: as in ``resize_image``.
        ids: for each of the 256 values of the mask, its id, 255 for no label, or ``REFUSED``.
    """

    place: Destination
    pair: SourcePair
    size: tuple[int, int]
    area: bool
    ids: bytes

    @property
    def places(self) -> tuple[Destination, ...]:
        """Give the one place."""
        return (self.place,)

    def make(self) -> Iterator[Example]:
        """Make the one example.

        Raises:
            IncmaskError: a file is damaged, their sizes differ, or the mask holds a value that is refused.
        """
        image, values = read_rgb(self.pair.image), read_values(self.pair.mask)
        check_same_size(self.pair, image, values)
        label = np.frombuffer(self.ids, np.uint8)[values]
        if (label == REFUSED).any():
            strange = ", ".join(map(str, np.unique(values[label == REFUSED])[:_TOLD_AT_MOST].tolist()))
            what = f"holds the values {strange}, which its owner's masks do not have"
            raise fail(self.pair.mask.where, what, "use the masks as their owner distributes them")
        yield Example(self.place, resize_image(image, self.size, area=self.area), resize_label(label, self.size))


def require_all(source: SourceTree, wanted: Sequence[Wanted], *, page: str) -> list[dict[str, SourceFile]]:
    """Give the files of every folder, as ``SourceTree.require`` does.

    Raises:
        IncmaskError: folders are missing; all of them are told.
    """
    found: list[dict[str, SourceFile]] = []
    problems: list[Problem] = []
    for want in wanted:
        try:
            found.append(source.require(*want.names, page=page, archive=want.archive))
        except IncmaskError as error:
            problems += [problem for problem in error.problems if problem not in problems]
    if problems:
        raise IncmaskError(problems)
    return found


def read_rgb(entry: SourceFile) -> np.ndarray:
    """Read an image in colours.

    Returns:
        (H, W, 3) uint8, as displayed; more than 8 bits are scaled as ``to_network_range`` does.

    Raises:
        IncmaskError: no image, broken, too large, or of other channels than 1 or 3.
    """
    return _read_image(entry, 3)


def read_grey(entry: SourceFile) -> np.ndarray:
    """Read an image in grey.

    Returns:
        (H, W) uint8, as displayed; colours become their luma, more than 8 bits are scaled.

    Raises:
        IncmaskError: as ``read_rgb``.
    """
    return _read_image(entry, 1)[..., 0]


def _read_image(entry: SourceFile, channels: int) -> np.ndarray:
    path = entry.where
    return to_network_range(image_of(path, decode(path, entry.read())), channels, where=path)


def read_values(entry: SourceFile) -> np.ndarray:
    """Read a mask exactly as its values stand in the file.

    Returns:
        (H, W) uint8; indices where the file has a palette.

    Raises:
        IncmaskError: no image, broken, too large, in colours, or with values beyond 0 to 255.
    """
    path = entry.where
    raster = decode(path, entry.read())
    values = grey_values(raster)
    if raster.values.ndim == 3 and (raster.values != values[..., None]).any():
        raise fail(path, "is in colours where a mask of grey values is expected", "download it again from its owner")
    if values.dtype == np.uint8:
        return values
    narrow = np.clip(values, 0, 255).astype(np.uint8)
    if (narrow != values).any():
        what = f"has values from {values.min()} to {values.max()} where 0 to 255 are expected"
        raise fail(path, what, "download it again from its owner")
    return narrow


def check_same_size(pair: SourcePair, image: np.ndarray, mask: np.ndarray) -> None:
    """Check that the arrays of a pair have the same (H, W).

    Raises:
        IncmaskError: they have not.
    """
    if image.shape[:2] != mask.shape[:2]:
        height, width = image.shape[:2]
        what = f"has {mask.shape[1]}×{mask.shape[0]} pixels for an image of {width}×{height}"
        raise fail(pair.mask.where, what, "download image and mask again from their owner")


def resize_image(image: np.ndarray, size: tuple[int, int], *, area: bool) -> np.ndarray:
    """Resize an image.

    Args:
        image: (H, W) or (H, W, C) uint8, C up to 4.
        size: height and width.
        area: where it shrinks, each pixel becomes the mean of the area it covers, which leaves no false
            patterns (ours); else bilinear between four pixels, as in the paper. Enlarging is always bilinear.

    Returns:
        uint8 with as many dimensions as ``image``.
    """
    height, width = size
    resized = image
    if area:
        shrunk = min(height, image.shape[0]), min(width, image.shape[1])
        resized = _resize(resized, shrunk, cv2.INTER_AREA)
    return _resize(resized, size, cv2.INTER_LINEAR).reshape(height, width, *image.shape[2:])


def resize_label(label: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a label: each pixel takes the value of the pixel that holds its centre; nothing is mixed.

    A centre between two pixels takes one of them, always the same.

    Args:
        label: (H, W) or (H, W, K) uint8.
        size: height and width.

    Returns:
        uint8 with as many dimensions as ``label``.
    """
    return _resize(label, size, cv2.INTER_NEAREST_EXACT).reshape(*size, *label.shape[2:])


def _resize(values: np.ndarray, size: tuple[int, int], how: int) -> np.ndarray:
    if values.shape[:2] == size:
        return values
    return cv2.resize(np.ascontiguousarray(values), size[::-1], interpolation=how)


def pick(names: Iterable[str], fraction: float, *, seed: int, rounding: Literal["floor", "ceil"]) -> Picked:
    """Choose ``fraction`` of ``names``, the same whatever their order.

    Args:
        names: all different.
        fraction: from 0 to 1, taken as its decimal digits say: 0.1 of 30 is 3 however it is rounded.
        seed: of the permutation of the sorted names, whose first ones are chosen.
        rounding: "floor" or "ceil" of the number chosen.
    """
    ordered = sorted(names)
    exact = Fraction(str(fraction)) * len(ordered)
    num_chosen = floor(exact) if rounding == "floor" else ceil(exact)
    shuffled = [ordered[index] for index in np.random.default_rng(seed).permutation(len(ordered))]
    return Picked(tuple(sorted(shuffled[:num_chosen])), tuple(sorted(shuffled[num_chosen:])))


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


def pair_up(images: Mapping[str, SourceFile], masks: Mapping[str, SourceFile], *, where: str) -> dict[str, SourcePair]:
    """Pair images and masks by name, in any capitals; the names are the images'.

    Args:
        images: by name.
        masks: by name.
        where: what folder they belong to, for the message.

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
        problems = [Problem(str(entry.where), f"has no {lacks}", again) for lacks, entry in told]
        if len(alone) > len(told):
            problems.append(Problem(where, f"{len(alone) - len(told)} more have no counterpart", again))
        raise IncmaskError(problems)
    if not pairs:
        raise fail(where, "holds no images with masks", again)
    return pairs


def incomplete(distributed: Mapping[str, int], have: Sequence[Collection[object]]) -> Iterator[str]:
    """Say of each part that has another number of images than its owner distributes, in the same order."""
    for (part, whole), images in zip(distributed.items(), have, strict=True):
        if len(images) != whole:
            yield f"{part}: {len(images)} images, where the owner distributes {whole}: is the download complete?"
