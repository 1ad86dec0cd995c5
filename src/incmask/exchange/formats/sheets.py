"""What is exchanged with a labelling tool: the classes, and each image with its mask and its unsure pixels."""

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from incmask.base.config import IGNORED
from incmask.base.errors import fail
from incmask.data.dataset import Colour, Scheme
from incmask.exchange.formats.common import Files, Label
from incmask.exchange.names import UNSURE
from incmask.method.labels import labels_of

IMAGES = "images"
UNSURE_COLOUR: Colour = (255, 0, 255)


@dataclass(frozen=True, eq=False)
class ClassPixels:
    """The pixels of a class: bool, (H, W); and the numbers of its objects there, None: what hangs together is one."""

    name: str
    mask: np.ndarray
    ids: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class LabelSheet:
    """An image with what the models say of it.

    Attributes:
        name: ``Item.name``.
        file: path of the image below the folder of images.
        label: uint8, (H, W) ids, binary 0/1, or (H, W, K) of 0/1.
        unsure: bool, (H, W).
        object_ids: numbers of the objects of a class, (H, W), by the number of the class; where it lacks, what hangs
            together is one.
    """

    name: str
    file: str
    label: np.ndarray
    unsure: np.ndarray
    object_ids: Mapping[int, np.ndarray] = field(default_factory=dict)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        height, width = self.unsure.shape
        return height, width

    def uncorrected(self) -> np.ndarray:
        """Give the label that comes back where nobody corrects anything: ``IGNORED`` at unsure pixels."""
        label = self.label.copy()
        label[self.unsure] = IGNORED
        return label

    def layers(self, scheme: Scheme) -> Iterator[ClassPixels]:
        """Give the pixels of each class that is drawn, and last the unsure ones."""
        labels = labels_of(scheme.task)
        for number, info in zip(labels.object_classes(len(scheme.classes)), scheme.foreground, strict=True):
            yield ClassPixels(info.name, labels.class_pixels(self.label, number), self.object_ids.get(number))
        yield ClassPixels(UNSURE, self.unsure)


def hex_colours(scheme: Scheme) -> dict[str, str]:
    """Give the colour of each class that is drawn, and of the unsure pixels, such as #ff00ff."""
    colours = {each.name: each.colour for each in scheme.foreground} | {UNSURE: UNSURE_COLOUR}
    return {name: "#{:02x}{:02x}{:02x}".format(*colour) for name, colour in colours.items()}


class Known:
    """What a run knows: its images and classes, to make sense of what a tool calls them.

    Args:
        scheme: what labels mean.
        names: of the images.
    """

    def __init__(self, scheme: Scheme, names: Iterable[str]):
        self.scheme = scheme
        self._by_last: dict[str, list[str]] = {}
        for name in names:
            parts = _parts(name)
            self._by_last.setdefault(parts[-1].casefold(), []).append("/".join(parts))

    def find(self, name: str, *, beside: str = "", where: object) -> str:
        """Find an image by a path that ends as its name does, with or without the ending of a file.

        A tool may leave out the folders above, or add some; the name that shares most with the path is taken.

        Args:
            name: as the tool tells it.
            beside: path of the file that tells it.
            where: for messages.

        Raises:
            IncmaskError: the run has no such image, or several.
        """
        *parts, last = _parts(name) or ("",)
        if last.casefold() not in self._by_last:
            last = _without_ending(last)
        found = self._by_last.get(last.casefold(), [])
        if not found:
            raise fail(where, f"names the image {name}, of which the run has no mask", "take it out, or name its run")
        path = (*_parts(beside)[:-1], *parts, last)
        likeness = {each: _likeness(path, _parts(each)) for each in found}
        return closest(likeness, name=name, where=where, mend="export with folders' names")


def closest(nearness: Mapping[str, tuple[int, ...]], *, name: str, where: object, mend: str) -> str:
    """Give the image that is nearest to the ``name`` that a file gives, of all that may be meant.

    Raises:
        IncmaskError: several are as near.
    """
    nearest = [each for each, near in nearness.items() if near == max(nearness.values())]
    if len(nearest) > 1:
        raise fail(where, f"names the image {name}, which may be any of {', '.join(nearest[:4])}", mend)
    return nearest[0]


def _parts(path: str) -> tuple[str, ...]:
    return tuple(part for part in unicodedata.normalize("NFC", path).replace("\\", "/").split("/") if part)


def _without_ending(name: str) -> str:
    stem, dot, ending = name.rpartition(".")
    return stem if stem and dot and len(ending) <= 4 else name


def _likeness(path: tuple[str, ...], name: tuple[str, ...]) -> tuple[int, bool, bool]:
    """Tell how much of its end a path shares with a name, whether all of the name, and whether in its capitals."""
    num = 0
    for left, right in zip(reversed(path), reversed(name), strict=False):
        if left.casefold() != right.casefold():
            break
        num += 1
    return num, num == len(name), path[-num:] == name[-num:]


@dataclass(frozen=True)
class Corrected:
    """What a tool gave back.

    Attributes:
        labels: how the label of each image is made, 255 where it is unsure, by the image's name.
        notes: what a person should be told.
    """

    labels: Mapping[str, Label]
    notes: tuple[str, ...] = ()


Write = Callable[[Iterable[LabelSheet], Path, Scheme], None]
"""Write sheets to a folder; their images lie in it already."""

Read = Callable[[Files, Known], Corrected]
"""Read what came back.

Raises:
    IncmaskError: with everything that is wrong.
"""
