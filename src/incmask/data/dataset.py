"""What a data folder holds, as records: the classes, how masks spell them, and the files of each part."""

import colorsys
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from incmask.base.config import Task
from incmask.data.volumes.grid import Grid, VolumeFormat
from incmask.method.labels import labels_of
from incmask.method.values import ValueRange

PartName = Literal["labelled", "unlabelled", "val", "test"]
PARTS: tuple[PartName, ...] = get_args(PartName)

MaskKind = Literal["grey", "colour", "folders"]
Byte = Annotated[int, Field(ge=0, le=255)]
Colour = tuple[int, int, int]
ColourOption = tuple[Byte, Byte, Byte]
_Length = Annotated[float, Field(gt=0, le=1e6)]
_Side = Annotated[int, Field(ge=1, le=512)]

MAX_CLASSES = 254
"""Ids 0 to 253; 254 is kept free for checks and 255 stands for ignored pixels."""

POSITION_NAMES = ("position", "mod_position", "centre", "center")
"""Names by which the class that marks the centres of objects is recognised."""


@dataclass(frozen=True)
class ClassInfo:
    """One class.

    Attributes:
        name: what people call it.
        colour: how it is drawn, RGB, 0 to 255.
        value: what stands for it in the mask files: a grey value or palette index, an RGB colour, or
            the name of its folder.
    """

    name: str
    colour: Colour
    value: int | Colour | str


@dataclass(frozen=True)
class MaskEncoding:
    """How mask files spell the classes.

    Attributes:
        kind: "grey" for single-channel values or palette indices, "colour" for RGB colours,
            "folders" for one folder of masks for each class.
        ignore: the value or colour of pixels without a label; None where there is none.
        nearest: of "colour": pixels take the nearest of the colours, since edges are soft.
    """

    kind: MaskKind
    ignore: int | Colour | None = None
    nearest: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """One image, with its masks where it has any.

    Attributes:
        name: path below the part's image folder without the ending, with forward slashes; unique in
            its part.
        image: the image file.
        masks: None where unlabelled; one file for "grey" and "colour", one for each class for
            "folders", None there where the class does not occur.
        height: rows of the image as displayed.
        width: columns of the image as displayed.
        subject: what it shows (a patient, slide, frame or volume), where other images may show it, too; None: nothing
            tells, and the image stands for itself.
        grid: of a volume, whose height is that of its slices below each other; None: it is an image.
    """

    name: str
    image: Path
    masks: tuple[Path | None, ...] | None
    height: int
    width: int
    subject: str | None = None
    grid: Grid | None = None

    @property
    def group(self) -> str:
        """The unit that it is of, for splits and statistics: its subject, or else its own name."""
        return self.name if self.subject is None else self.subject


@dataclass(frozen=True)
class LabelStatistics:
    """Pixel counts over the labelled part.

    Attributes:
        class_pixels: pixels of each class, in the order of the classes.
        ignored_pixels: pixels without a label; of several folders, the mean over the classes.
        total_pixels: all pixels.
        empty_masks: images on which nothing but background is labelled.
    """

    class_pixels: tuple[int, ...]
    ignored_pixels: int
    total_pixels: int
    empty_masks: int


@dataclass(frozen=True)
class Dataset:
    """A folder that was understood.

    Attributes:
        root: the folder.
        task: "binary", "multiclass" (one class a pixel) or "multilabel" (classes may overlap); or numbers: "denoise",
            "depth".
        classes: the foreground alone for binary; all ids, background included, for multiclass; the
            channels for multilabel; of numbers a single one that stands for them.
        encoding: how the masks spell the classes.
        channels: channels that the network sees.
        labelled: images with masks to learn from.
        unlabelled: images without masks; where a ``masks`` folder lies beside them, the hidden truth,
            which only fully supervised comparisons may use.
        val: images with masks for selection; may be empty.
        test: images with masks for the final evaluation; may be empty.
        notes: what was recognised and must be said aloud, a line each.
        statistics: pixel counts over the labelled part.
        position_class: the multilabel class that marks the centres of objects; None where there is none.
        intensity: the intensities that become 0 and 255 where images are not 8-bit; None for each
            image's own percentiles.
        target: the range of the labelled targets, where these are numbers; None: there are classes.
        volumes: how networks see volumes; None: the data are images.
    """

    root: Path
    task: Task
    classes: tuple[ClassInfo, ...]
    encoding: MaskEncoding
    channels: int
    labelled: Sequence[Item]
    unlabelled: Sequence[Item]
    val: Sequence[Item]
    test: Sequence[Item]
    notes: tuple[str, ...]
    statistics: LabelStatistics
    position_class: str | None = None
    intensity: tuple[float, float] | None = None
    target: ValueRange | None = None
    volumes: VolumeFormat | None = None

    @property
    def depth(self) -> int | None:
        """Slices of what networks see of volumes at a time; None: the data are images."""
        return None if self.volumes is None else self.volumes.depth

    @property
    def is_of_signals(self) -> bool:
        """Whether targets are numbers and all images are of one row."""
        return self.target is not None and all(item.height == 1 for _, items in self.parts() for item in items)

    def size_told(self, size: tuple[int, int]) -> str:
        """Tell a person the size of what networks see, of which ``size`` is height and width."""
        return "×".join(map(str, size if self.volumes is None else self.volumes.patch))

    def parts(self) -> Iterator[tuple[str, Sequence[Item]]]:
        """Give the name and the items of each part."""
        for part in PARTS:
            yield part, getattr(self, part)

    def groups(self) -> dict[str, str]:
        """Give the group of each labelled image by its name."""
        return {item.name: item.group for item in self.labelled}


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ClassOption(_Options):
    """One class as ``incmask.toml`` names it.

    Attributes:
        name: what people call it.
        value: its grey value, RGB colour or folder; by default its place in the list, its colour for
            masks in colours, its name for folders.
        colour: how it is drawn, RGB.
    """

    name: Annotated[str, Field(min_length=1)]
    value: Annotated[int, Field(ge=0, le=65535)] | ColourOption | str | None = None
    colour: ColourOption | None = None


class DataOptions(_Options):
    """The ``[data]`` section of ``DATA/incmask.toml``: what the folder itself does not tell.

    Attributes:
        task: "binary", "multiclass" or "multilabel"; "denoise" or "depth" where targets are numbers.
        classes: the classes, in the order of their ids.
        encoding: "grey", "colour" or "folders".
        ignore: value or colour of pixels without a label; "none" where every value is a class.
        channels: channels that the network sees; 1 turns RGB into grey.
        mask_suffix: what a mask's name has after the image's name, such as "_mask".
        position_class: the class that marks the centres of objects, so that cells can be counted.
        intensity: the intensities that become 0 and 255 where images are not 8-bit; by default the
            0.1 and 99.9 percentiles of each image; of tasks with numbers the range of the labelled images.
        target_range: the numbers that networks see as 0 and 1; by default the least and greatest labelled target.
        group: which images show the same subject: "auto" (``split.csv`` or names, where they tell), "none" (each image
            its own), a CSV file of names and groups, or a regular expression whose first group, or else whole match,
            in an image's name is the subject.
        spacing: of volumes: distance of slices, rows and columns that all are brought to; by default the median.
        patch: of volumes: slices, rows and columns that networks see at a time; by default the median size.
    """

    task: Task | None = None
    classes: tuple[ClassOption, ...] = ()
    encoding: MaskKind | None = None
    ignore: Annotated[int, Field(ge=0, le=65535)] | ColourOption | Literal["none"] | None = None
    channels: Annotated[int, Field(ge=1, le=256)] | None = None
    mask_suffix: Annotated[str, Field(min_length=1)] | None = None
    position_class: str | None = None
    intensity: tuple[float, float] | None = None
    target_range: tuple[float, float] | None = None
    group: Annotated[str, Field(min_length=1)] = "auto"
    spacing: tuple[_Length, _Length, _Length] | None = None
    patch: tuple[_Side, _Side, _Side] | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [option.name for option in self.classes]
        if len(set(names)) < len(names):
            raise ValueError("two classes have the same name")
        if len(names) > MAX_CLASSES:
            raise ValueError(f"{len(names)} classes; at most {MAX_CLASSES} are possible")
        if self.intensity is not None and not self.intensity[0] < self.intensity[1]:
            raise ValueError("the first of the two intensities must be the lower one")
        if self.target_range is not None and not self.target_range[0] < self.target_range[1]:
            raise ValueError("the first of the two numbers of target_range must be the lower one")
        return self


def default_colour(index: int) -> Colour:
    """Give a colour for class ``index`` >= 0: black for 0, well apart from its neighbours otherwise.

    Examples:
        >>> default_colour(0), default_colour(1)
        ((0, 0, 0), (38, 101, 255))
    """
    if index == 0:
        return (0, 0, 0)
    # The golden ratio spreads hues evenly however many there are; two levels of value tell near hues apart.
    red, green, blue = colorsys.hsv_to_rgb(index * 0.618034 % 1.0, 0.85, 1.0 if index % 2 else 0.7)
    return (round(red * 255), round(green * 255), round(blue * 255))


@dataclass(frozen=True)
class Scheme:
    """What labels mean.

    Attributes:
        task: "binary", "multiclass" or "multilabel".
        classes: as ``Dataset.classes``.
    """

    task: Task
    classes: tuple[ClassInfo, ...]

    @property
    def foreground(self) -> tuple[ClassInfo, ...]:
        """The classes that are drawn: all but the background."""
        return self.classes[1:] if labels_of(self.task).is_exclusive else self.classes

    @property
    def folders(self) -> tuple[str, ...]:
        """A folder name for each class that is drawn."""
        return folder_names([each.name for each in self.foreground])


_NO_FOLDER = re.compile(r"[^\w +()\[\]&=,-]")


def folder_names(names: Sequence[str]) -> tuple[str, ...]:
    """Give each class a folder name that any file system takes, different even where capitals do not count.

    Examples:
        >>> folder_names(["Cell", "cell", "a/b"])
        ('Cell', 'cell_2', 'a_b')
    """
    found: list[str] = []
    for name in names:
        plain = _NO_FOLDER.sub("_", name).strip() or "class"
        folder, number = plain, 2
        while folder.casefold() in {other.casefold() for other in found}:
            folder, number = f"{plain}_{number}", number + 1
        found.append(folder)
    return tuple(found)
