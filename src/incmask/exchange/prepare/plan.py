"""What a person may choose, and what is to be made of a downloaded data set, before anything is written."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from incmask.base.config import Task
from incmask.data.dataset import ClassInfo, PartName


@dataclass(frozen=True)
class PrepareOptions:
    """The choices, for all kinds of data sets; a kind ignores those it does not know.

    Attributes:
        paper: do what the paper did, even where that is worse.
        ids: of Cityscapes: "all" 34 ids, or the 19 that are usually "train"ed, the rest ignored.
        group_split: of HeLa: crops of one frame stay together.
        seed: of everything random.
        layout: of a person's own folder: how images and masks lie in it; None: find out.
        group: of a person's own folder: a regular expression whose first group, or else whole match, in an image's
            name tells what must stay together (a patient, slide or movie); "none": each image for itself; None: as
            the names tell.
        val_fraction: of a person's own folder: share of the groups for validation, 0 to 1.
        test_fraction: of a person's own folder: share of the groups for the test, 0 to 1.
        labelled_fraction: of a person's own folder: share of the rest whose masks are learnt from, 0 to 1.
    """

    paper: bool = False
    ids: Literal["all", "train"] = "all"
    group_split: bool = True
    seed: int = 42
    layout: str | None = None
    group: str | None = None
    val_fraction: float = 0.1
    test_fraction: float = 0.1
    labelled_fraction: float = 1.0


@dataclass(frozen=True)
class Destination:
    """Where an example goes: its part, and its name without ending."""

    part: PartName
    name: str


@dataclass(frozen=True)
class Example:
    """An image with its label, ready to be written.

    Attributes:
        place: where it goes.
        image: uint8, (H, W, C), C 1 or 3.
        label: uint8, (H, W) ids, binary 0/1, or (H, W, K) of 0/1; 255 where there is no label. None: no label at all.
    """

    place: Destination
    image: np.ndarray
    label: np.ndarray | None


@dataclass(frozen=True)
class Work:
    """A piece of work as a value that any process can do; small, since there may be thousands.

    Attributes:
        places: what ``make`` gives, in this order.
        make: reads the source and makes the examples: a function of a module's top level with what it is to read. It
            raises ``IncmaskError`` where a file is damaged.
    """

    places: tuple[Destination, ...]
    make: Callable[[], Iterator[Example]]


@dataclass(frozen=True)
class Count:
    """How many of something there are.

    Attributes:
        name: such as "labelled".
        found: here.
        paper: in the paper's table 2; None: not told.
        note: why they differ; may be empty.
    """

    name: str
    found: int
    paper: int | None = None
    note: str = ""


@dataclass(frozen=True)
class Origin:
    """Where a data set comes from, and what its owner asks for.

    Attributes:
        page: where its owner distributes it.
        citation: that its owner asks for.
        licence: its name and what it demands, in a line.
    """

    page: str
    citation: str
    licence: str


@dataclass(frozen=True)
class Plan:
    """A data folder to be written.

    Attributes:
        title: of the data set.
        task: what the labels mean.
        classes: names, colours, and in ``value`` what stands for them in the masks that are written: 255 for binary,
            ids for multiclass, folder names for multilabel.
        works: what makes all examples.
        sources: of each source image, its part, for ``split.csv``.
        groups: of source images by name, the subject that others may show, too, for ``split.csv``; those that lack
            stand for themselves.
        profile: a name of ``PROFILES``.
        settings: for ``[settings]`` of ``incmask.toml``.
        counts: for ``SOURCE.md``, and to be told.
        origin: where the data come from; None: a person's own.
        ignored: whether labels may hold 255.
        position_class: the class that marks centres.
        notes: what a person should be told.
    """

    title: str
    task: Task
    classes: tuple[ClassInfo, ...]
    works: tuple[Work, ...]
    sources: tuple[Destination, ...]
    groups: dict[str, str] = field(default_factory=dict)
    profile: str = "generic"
    settings: dict[str, object] = field(default_factory=dict)
    counts: tuple[Count, ...] = ()
    origin: Origin | None = None
    ignored: bool = False
    position_class: str | None = None
    notes: tuple[str, ...] = ()
