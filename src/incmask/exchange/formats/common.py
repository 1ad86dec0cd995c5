"""People's own data in the layouts that annotation tools write: what each reader gives, and what readers share."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any, Protocol, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from incmask.base.config import Task
from incmask.base.errors import IncmaskError, fail, raise_problems
from incmask.base.parse import parse_json
from incmask.base.threads import side_by_side
from incmask.data.dataset import ClassInfo, default_colour, folder_names
from incmask.data.folder.names import IMAGE_SUFFIXES
from incmask.data.images.decode import Raster, decode
from incmask.data.images.masks import decode_mask
from incmask.exchange.sources.archives import SourceFile
from incmask.method.labels import labels_of

Files = Mapping[str, SourceFile]
"""Files by their path below the source."""
_MAX_THREADS = 8

Given = TypeVar("Given")
Seen = TypeVar("Seen")


class Label(Protocol):
    """How the label of an image is made, as a value that any process can do."""

    def make(self, height: int, width: int) -> np.ndarray:
        """Make the label as ``Example.label`` for an image of that size.

        Raises:
            IncmaskError: a file is damaged, or does not fit the image.
        """


@dataclass(frozen=True)
class SourceImage:
    """An image of the source.

    Attributes:
        name: its path below the source without the folder that only says that it is an image, and without ending.
        path: below the source.
        image: its file.
        label: how its label is made; None: it has none.
        more: the files of its further channels, where each has one of its own.
    """

    name: str
    path: str
    image: SourceFile
    label: Label | None
    more: tuple[SourceFile, ...] = ()


@dataclass(frozen=True)
class FoundImages:
    """What a reader found.

    Attributes:
        task: what the labels mean.
        classes: as ``Plan.classes``.
        pictures: by name, sorted.
        ignored: whether labels may hold 255.
        bare: the label of an image without annotations where a person says that it shows nothing; None: not possible.
        notes: what a person should be told.
    """

    task: Task
    classes: tuple[ClassInfo, ...]
    pictures: tuple[SourceImage, ...]
    ignored: bool = False
    bare: Label | None = None
    notes: tuple[str, ...] = ()


class Record(BaseModel):
    """An object of a JSON file that a tool wrote; what is not read of it may be anything."""

    model_config = ConfigDict(extra="ignore", frozen=True)


RecordT = TypeVar("RecordT", bound=Record)


def as_record(kind: type[RecordT], given: Any, *, where: str, mend: str, above: str = "") -> RecordT:
    """Check an object of a JSON file.

    Args:
        kind: what it has to be.
        given: the object.
        where: for the message.
        mend: what a person can do.
        above: before the name of a part that is wrong.

    Raises:
        IncmaskError: it is of another kind.
    """
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        raise fail(where, f"has a wrong {above}{'.'.join(map(str, first['loc']))} ({first['msg']})", mend) from error


def classes_of(task: Task, named: Sequence[ClassInfo]) -> tuple[ClassInfo, ...]:
    """Give classes what stands for them in the masks that are written, and multiclass ones a background."""
    labels = labels_of(task)
    if labels.is_one_class:
        return (replace(named[0], value=255),)
    names = [info.name for info in named]
    if labels.is_layered:
        return tuple(replace(info, value=folder) for info, folder in zip(named, folder_names(names), strict=True))
    background = next((name for name in ("background", "rest", "no class") if name not in names), "")
    numbered = (replace(info, value=class_id) for class_id, info in enumerate(named, start=1))
    return (ClassInfo(background, default_colour(0), 0), *numbered)


def images_of(files: Files) -> dict[str, SourceFile]:
    """Give the files whose ending is that of an image."""
    return files_ending(files, *IMAGE_SUFFIXES)


def files_ending(files: Files, *endings: str) -> dict[str, SourceFile]:
    """Give the files with one of ``endings`` (in lower case), in any capitals."""
    return {path: entry for path, entry in files.items() if path.lower().endswith(endings)}


def top_file(files: Files, name: str) -> SourceFile | None:
    """Give the file of that name that lies highest; None: there is none."""
    paths = [path for path in files if PurePosixPath(path).name == name]
    return files[min(paths, key=lambda path: (path.count("/"), path))] if paths else None


def read_raster(entry: SourceFile) -> Raster:
    """Decode an image file; raises as ``decode`` and ``SourceFile.read`` do."""
    return decode(entry.where, entry.read())


def read_mask(entry: SourceFile) -> Raster:
    """Decode a mask file; raises as ``decode_mask`` and ``SourceFile.read`` do."""
    return decode_mask(entry.where, entry.read())


def read_json(entry: SourceFile) -> Any:
    """Read a JSON file.

    Raises:
        IncmaskError: it is none, or damaged.
    """
    try:
        return parse_json(entry.read().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        remedy = "save it in UTF-8: open it in an editor with the encoding that it has, and save it with UTF-8"
        raise fail(entry.where, f"is no text in UTF-8 (byte {error.start})", remedy) from error
    except ValueError as error:
        line = str(error).splitlines()[0][:120]
        raise fail(entry.where, f"is no readable JSON file ({line})", "export it again") from error


def look_at(jobs: Sequence[Given], look: Callable[[Given], Seen]) -> list[Seen]:
    """Do ``look`` for each job, several at a time; give the results in the order of the jobs.

    Raises:
        IncmaskError: with the problems of all jobs.
    """

    def attempt(job: Given) -> Seen | IncmaskError:
        try:
            return look(job)
        except IncmaskError as error:
            return error

    results = list(side_by_side(attempt, jobs, num_threads=min(_MAX_THREADS, os.cpu_count() or 1)))
    raise_problems([problem for result in results if isinstance(result, IncmaskError) for problem in result.problems])
    return [result for result in results if not isinstance(result, IncmaskError)]
