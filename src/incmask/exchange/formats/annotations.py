"""What the readers of annotations share: finding the annotated images, and turning named shapes into labels."""

import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import PurePosixPath
from typing import Protocol

from incmask.base.errors import Problem, fail, raise_problems
from incmask.base.words import are
from incmask.data.dataset import MAX_CLASSES, ClassInfo, Colour, DataOptions, default_colour
from incmask.exchange.formats.common import Files, FoundImages, Label, SourceImage, classes_of, images_of
from incmask.exchange.formats.naming import is_mask, names_of
from incmask.exchange.formats.shapes import DrawnLabel, NamedArea, is_background, overlap_anywhere
from incmask.exchange.formats.sheets import Corrected, Known, closest
from incmask.exchange.names import UNSURE
from incmask.method.labels import labels_of


@dataclass(frozen=True)
class Annotated:
    """The annotations of an image.

    Attributes:
        where: the file that holds them, for messages.
        areas: in the order of drawing.
        size: height and width of the image as the file tells; None: it does not.
    """

    where: str
    areas: tuple[NamedArea, ...]
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class Annotations:
    """What a tool's files tell.

    Attributes:
        images: all that they annotate, by what a finder calls them.
        names: of the classes, in their order; empty: as they sort.
        colours: of classes.
        notes: what a person should be told.
    """

    images: Mapping[str, Annotated]
    names: tuple[str, ...] = ()
    colours: Mapping[str, Colour] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Finder(Protocol):
    """Knows images by the names that annotations give them."""

    def find(self, name: str, *, beside: str, where: object) -> str:
        """Find an image; ``Images.find`` tells of the arguments.

        Raises:
            IncmaskError: there is none, or several may be meant.
        """


Parse = Callable[[Files, Finder], Annotations]
"""Read a tool's files.

Raises:
    IncmaskError: they break the format, or images are not there; all problems are told.
"""


class Images:
    """The images of a source, to be found by the names that annotations give.

    Attributes:
        files: by their path.
        names: the path of each by its name.

    Args:
        files: of the source.

    Raises:
        IncmaskError: two images have the same path but for their ending.
    """

    def __init__(self, files: Files):
        self.files = images_of(files)
        self.names = names_of(self.files)
        self._by_name: dict[str, list[str]] = {}
        self._by_stem: dict[str, list[str]] = {}
        for path in self.files:
            name = _plain(PurePosixPath(path).name)
            self._by_name.setdefault(name, []).append(path)
            self._by_stem.setdefault(PurePosixPath(name).stem, []).append(path)

    def find(self, name: str, *, beside: str, where: object) -> str:
        """Find an image anywhere in the source.

        Args:
            name: its path or name, with or without ending, in any capitals.
            beside: path of the file that names it; images near it are preferred.
            where: for messages.

        Returns:
            Its path.

        Raises:
            IncmaskError: there is none, or several are as near.
        """
        wanted = _plain(name.replace("\\", "/"))
        last = PurePosixPath(wanted).name
        found = self._by_name.get(last) or self._by_stem.get(last, [])
        if not found:
            raise fail(where, f"names the image {name}, which is not there", "put it anywhere into the folder")

        def nearness(path: str) -> tuple[bool, int]:
            tail = f"/{_plain(path)}".endswith(f"/{wanted.lstrip('./')}")
            above = zip(PurePosixPath(path).parent.parts, PurePosixPath(beside).parent.parts, strict=False)
            return tail, sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], above))

        mend = "rename the images so that each name occurs once"
        return closest({path: nearness(path) for path in found}, name=name, where=where, mend=mend)


@dataclass(frozen=True)
class Sheet:
    """What a file of its own tells of an image; ``num_flat`` counts points and lines, which have no area."""

    image: str
    annotated: Annotated
    num_flat: int
    colours: Mapping[str, Colour] = field(default_factory=dict)


def joined(sheets: Sequence[Sheet]) -> Annotations:
    """Give what several files tell.

    Raises:
        IncmaskError: two annotate one image; all such problems are told.
    """
    found: dict[str, Annotated] = {}
    problems: list[Problem] = []
    for sheet in sheets:
        if (other := found.get(sheet.image)) is not None:
            what = f"annotates {sheet.image}, as {other.where} does"
            problems.append(Problem(sheet.annotated.where, what, "keep one of the two"))
        found[sheet.image] = sheet.annotated
    raise_problems(problems)
    num_flat = sum(sheet.num_flat for sheet in sheets)
    notes = (f"left out, as they have no area: {num_flat:,} points and lines",) if num_flat else ()
    colours = {name: colour for sheet in sheets for name, colour in sheet.colours.items()}
    return Annotations(found, colours=colours, notes=notes)


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


def read_annotated(parse: Parse, files: Files, data: DataOptions, *, where: object) -> FoundImages:
    """Turn annotations into labels: binary for one class, multilabel where classes overlap, else multiclass.

    Images that are not annotated have no label. Classes that ``data`` does not name, where it names any, and classes
    without a shape are left out.

    Args:
        parse: reads the annotations.
        files: of the source.
        data: may tell task and classes.
        where: the source, for messages.

    Raises:
        IncmaskError: nothing is annotated, or the task does not fit; or as ``parse`` raises.
    """
    images = Images(files)
    read = _with_one_spelling(parse(files, images), data)
    annotated, notes = read.images, [*read.notes]
    counts = Counter(area.name for item in annotated.values() for area in item.areas if area.name is not None)
    names = [name for name in read.names or sorted(counts) if not is_background(name)]
    told = {option.name: option for option in data.classes if not is_background(option.name)}
    chosen = [*told] if told else [name for name in names if counts[name]]
    left_out = [name for name in names if name not in chosen]
    if left_out:
        why = "incmask.toml does not name" if told else "no shape has"
        notes.append(f"left out, as {why} them: the classes {', '.join(left_out[:20])}")
    if not any(counts[name] for name in chosen):
        also = f" ({'; '.join(notes)})" if notes else ""
        mend = "annotate images, or check the names of the classes"
        raise fail(where, f"holds no annotated areas of any class{also}", mend)
    if len(chosen) >= MAX_CLASSES:
        raise fail(where, f"holds {len(chosen)} classes; at most {MAX_CLASSES - 1} are possible", "join some")
    areas = {
        path: tuple(area for area in item.areas if area.name is None or area.name in chosen or is_background(area.name))
        for path, item in annotated.items()
    }
    task = data.task
    if task is None:
        overlapping = overlap_anywhere([*areas.values()]) if len(chosen) > 1 else None
        task = "binary" if len(chosen) == 1 else "multiclass" if overlapping is None else "multilabel"
        if overlapping is not None:
            example = [*areas][overlapping]
            notes.append(f"classes overlap, such as in {example}, so each has a mask of its own")
    is_one = labels_of(task).is_one_class
    if is_one and len(chosen) > 1:
        raise fail(where, f'task = "binary" but there are the classes {", ".join(chosen)}', "name one of them")
    labels: dict[str, Label] = {
        path: DrawnLabel(item.where, areas[path], task, tuple(chosen), item.size) for path, item in annotated.items()
    }
    pictures = tuple(
        SourceImage(name, path, images.files[path], labels.get(path)) for name, path in sorted(images.names.items())
    )
    masks = {picture.path for picture in pictures if picture.label is None and is_mask(picture.path)}
    if masks:
        pictures = tuple(picture for picture in pictures if picture.path not in masks)
        notes.append(f"{are(len(masks), 'image')} left out, in folders for masks and named by no annotation")
    num_bare = len(pictures) - len(annotated)
    if num_bare:
        notes.append(
            f"{are(num_bare, 'image')} without annotation and taken as unlabelled; list those that show background "
            f"only in a split.csv (source,part) as labelled, val or test"
        )
    colour_of = {**read.colours} | {name: option.colour for name, option in told.items() if option.colour}
    classes = [
        ClassInfo(name, colour_of.get(name) or ((255, 255, 255) if is_one else default_colour(index)), name)
        for index, name in enumerate(chosen, start=1)
    ]
    ignored = any(area.name is None for of_image in areas.values() for area in of_image)
    return FoundImages(
        task,
        classes_of(task, classes),
        pictures,
        ignored,
        bare=DrawnLabel(str(where), (), task, tuple(chosen)),
        notes=tuple(notes),
    )


def _with_one_spelling(read: Annotations, data: DataOptions) -> Annotations:
    """Join classes whose names differ by capitals or spaces alone, under the name that ``data`` has, or the commonest.

    Classes that ``data`` names apart stay apart.
    """
    counts = Counter(area.name for item in read.images.values() for area in item.areas if area.name is not None)
    told = [option.name for option in data.classes]
    order = sorted({*counts, *read.names}, key=lambda name: (name not in told, -counts[name], name))
    first: dict[str, str] = {}
    spelt = {name: name if name in told else first.setdefault(_same(name), name) for name in order}
    spelt |= {name: _told_as(name, told) or spelt[name] for name in spelt if name not in told}
    joined = sorted(name for name, now in spelt.items() if name != now)
    if not joined:
        return read

    def renamed(item: Annotated) -> Annotated:
        areas = (NamedArea(None if area.name is None else spelt[area.name], area.area) for area in item.areas)
        return replace(item, areas=tuple(areas))

    line = ", ".join(f'{{name = "{name}"}}' for name in sorted({*joined, *(spelt[name] for name in joined)}))
    names = ", ".join(f"{name!r} as {spelt[name]!r}" for name in joined)
    note = f"classes whose names differ by capitals or spaces are one: {names}; to keep them apart, "
    return replace(
        read,
        images={path: renamed(item) for path, item in read.images.items()},
        names=tuple(dict.fromkeys(spelt[name] for name in read.names)),
        notes=(*read.notes, f"{note}write classes = [{line}] under [data] in incmask.toml"),
    )


def _same(name: str) -> str:
    return " ".join(_plain(name).split())


def _told_as(name: str, told: Sequence[str]) -> str | None:
    return next((each for each in told if _same(each) == _same(name)), None)


def corrected(read: Annotations, known: Known) -> Corrected:
    """Give how the label of each image is made.

    Areas of the class ``UNSURE``, and those without a class, have no label.

    Raises:
        IncmaskError: areas of unknown classes.
    """
    names = tuple(each.name for each in known.scheme.foreground)
    problems: list[Problem] = []
    labels: dict[str, Label] = {}
    for name, item in read.images.items():
        there = {area.name for area in item.areas if area.name is not None and not is_background(area.name)}
        strange = sorted(there - {*names, UNSURE})
        if strange:
            what = f"{name} has areas of the class {', '.join(strange)}; the run knows {', '.join(names)} and {UNSURE}"
            problems.append(Problem(item.where, what, "give them one of these classes, or remove them"))
        areas = tuple(NamedArea(None, area.area) if area.name == UNSURE else area for area in item.areas)
        labels[name] = DrawnLabel(item.where, areas, known.scheme.task, names, item.size)
    raise_problems(problems)
    return Corrected(labels, read.notes)
