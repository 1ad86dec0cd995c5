"""A person's own data, in the layout that annotation tools write, to a plan."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath

import numpy as np

from incmask.base.choosing import CONFIG_NAME
from incmask.base.described import callable_by_job
from incmask.base.errors import Problem, fail, raise_problems
from incmask.base.parse import parse_toml
from incmask.base.validation import validated
from incmask.data.dataset import POSITION_NAMES, DataOptions
from incmask.data.folder.derived import without_derived
from incmask.data.folder.group_table import SPLIT_FILE
from incmask.data.images.decode import decode, may_have_alpha
from incmask.data.images.intensity import to_network_range
from incmask.data.images.readers import image_of
from incmask.exchange.formats.channels import joined_channels
from incmask.exchange.formats.common import Files, FoundImages, SourceImage, look_at, read_raster, top_file
from incmask.exchange.formats.table import read_layout
from incmask.exchange.prepare.parts import (
    Division,
    draw,
    groups_of,
    read_split,
    split_of_folders,
    split_of_lists,
    without_part,
)
from incmask.exchange.prepare.plan import Count, Destination, Example, Plan, PrepareOptions, Work
from incmask.exchange.sources.archives import SourceFile
from incmask.exchange.sources.sources import SourceTree
from incmask.method.labels import labels_of


@callable_by_job
def labelled(place: Destination, picture: SourceImage, data: DataOptions) -> Iterator[Example]:
    """Make one example of an image with its label; more than 8 bits are scaled as ``to_network_range`` does.

    Args:
        place: where they go.
        picture: the image, and how its label is made.
        data: tells which intensities become 0 and 255 where the image is not 8-bit, and whether alpha is a channel.

    Raises:
        IncmaskError: a file is damaged, or the label or another channel does not fit the image.
    """
    image, *others = (_read(entry, data) for entry in (picture.image, *picture.more))
    height, width, _ = image.shape
    for entry, other in zip(picture.more, others, strict=True):
        if other.shape != image.shape:
            what = f"has the shape {other.shape} where the first channel has {image.shape}"
            raise fail(entry.where, what, "export the channels at one size, each in grey")
    label = None if picture.label is None else picture.label.make(height, width)
    yield Example(place, np.concatenate([image, *others], axis=2), label)


def _read(entry: SourceFile, data: DataOptions) -> np.ndarray:
    image = image_of(entry.where, read_raster(entry), channels=data.channels)
    return to_network_range(image, image.shape[2], intensity=data.intensity, where=entry.where)


def _alpha_problem(picture: SourceImage) -> Problem | None:
    """Ask what an alpha channel is, which may be a band of its own; raises as ``read_raster`` does."""
    content = picture.image.read()
    if not may_have_alpha(content):
        return None
    raster = decode(picture.image.where, content)
    image = image_of(picture.image.where, raster)
    if not raster.has_drawn_alpha:
        return None
    have = image.shape[2]
    what = "has a transparency that is not the same everywhere, or a band that is said to be one"
    remedy = f"write channels = {have} under [data] in {CONFIG_NAME} to leave it out, or {have + 1} to take it"
    return Problem(str(picture.image.where), what, remedy)


def plan(source: SourceTree, options: PrepareOptions) -> Plan:
    """Plan a data folder from a person's own images and annotations.

    ``[data]`` in an ``incmask.toml`` beside them tells what they do not: task, classes with their colours, ignore,
    mask_suffix, position_class, intensity. A ``split.csv`` (source, part) beside them, or else folders such as train
    and test, tell the parts; else they are drawn.

    Args:
        source: the files.
        options: layout, seed, groups and shares.

    Raises:
        IncmaskError: the layout is not recognised, or files do not fit together; all problems are told.
    """
    raise_problems(source.problems)
    kept, notes = without_derived({PurePosixPath(path): entry for path, entry in (source.folder() or {}).items()})
    files: Files = {str(path): entry for path, entry in kept.items()}
    where = source.root
    files, channels = joined_channels(files)
    data = _data_options(files)
    found = read_layout(files, options.layout, data, where=where)
    pictures = (replace(each, more=channels.get(each.path, ())) for each in found.pictures)
    found = replace(found, pictures=_without_common_folder(tuple(pictures)))
    division = _divide(files, found, options)
    placed = _placed_pictures(found, division)
    if not any(place.part == "labelled" for place in placed):
        raise fail(where, "leaves no image with a label to learn from", "give more images masks or annotations")
    if data.channels is None:
        raise_problems([each for each in look_at([*placed.values()], _alpha_problem) if each])
    works = tuple(Work((place,), partial(labelled, place, picture, data)) for place, picture in placed.items())
    groups = division.groups or groups_of(found.pictures, options.group)
    num_found, num_labelled = len(found.pictures), sum(picture.label is not None for picture in found.pictures)
    return Plan(
        title=where.stem if where.is_file() else where.name,
        task=found.task,
        classes=found.classes,
        works=works,
        sources=tuple(placed),
        groups={
            place.name: groups[picture.name]
            for place, picture in placed.items()
            if groups.get(picture.name, picture.name) != picture.name
        },
        counts=(Count("images found", num_found), Count("images with a label", num_labelled)),
        ignored=found.ignored,
        position_class=_position_class(found, data, where),
        notes=(*notes, *found.notes, *division.notes),
    )


def _data_options(files: Files) -> DataOptions:
    entry = top_file(files, CONFIG_NAME)
    if entry is None:
        return DataOptions()
    where = entry.where
    try:
        content = parse_toml(entry.read().decode("utf-8-sig"))
    except ValueError as error:
        raise fail(where, f"is no readable TOML file ({error})", "mend the line or remove the file") from error
    return validated(DataOptions, content.get("data", {}), where=f"{where} [data]")


def _without_common_folder(pictures: tuple[SourceImage, ...]) -> tuple[SourceImage, ...]:
    """Cut the folders that all names begin with, such as the folder in an archive."""
    folders = [picture.name.split("/")[:-1] for picture in pictures]
    shared = 0
    while folders and all(len(parts) > shared and parts[shared] == folders[0][shared] for parts in folders):
        shared += 1
    return tuple(replace(picture, name="/".join(picture.name.split("/")[shared:])) for picture in pictures)


def _divide(files: Files, found: FoundImages, options: PrepareOptions) -> Division:
    table = top_file(files, SPLIT_FILE)
    if table is not None:
        return read_split(table, found.pictures, bare_is_empty=found.bare is not None)
    told = split_of_folders(found.pictures) or split_of_lists(files, found.pictures)
    return told or draw(found.pictures, options)


def _placed_pictures(found: FoundImages, division: Division) -> Mapping[Destination, SourceImage]:
    """Give the pictures that have a part, by their place."""
    short = [without_part(picture.name) for picture in found.pictures]
    is_unique = len({name.casefold() for name in short}) == len(short)
    placed: dict[Destination, SourceImage] = {}
    for picture, name in zip(found.pictures, short, strict=True):
        part = division.parts.get(picture.name)
        if part is None:
            continue
        if picture.label is None and part != "unlabelled":
            picture = replace(picture, label=found.bare)
        placed[Destination(part, name if is_unique else picture.name)] = picture
    return placed


def _position_class(found: FoundImages, data: DataOptions, where: object) -> str | None:
    names, is_layered = [info.name for info in found.classes], labels_of(found.task).is_layered
    if data.position_class is not None:
        if data.position_class not in names or not is_layered:
            what = f'position_class = "{data.position_class}" is no class of a multilabel task; there are '
            raise fail(where, what + ", ".join(names), "name one of them under [data] in incmask.toml")
        return data.position_class
    if not is_layered:
        return None
    return next((name for name in names if name.casefold() in POSITION_NAMES), None)
