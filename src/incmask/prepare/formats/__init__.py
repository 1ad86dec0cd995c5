"""People's own data in the layouts that annotation tools write: what each reader gives, and what readers share."""

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np

from incmask.config import Task
from incmask.data.dataset import ClassInfo
from incmask.data.decode import Raster, decode
from incmask.data.layout import IMAGE_SUFFIXES
from incmask.errors import IncmaskError, Problem, fail
from incmask.prepare.images import entry_path
from incmask.prepare.plan import Entry
from incmask.prepare.sources import read_entry

Files = Mapping[str, Entry]
"""Files by their path below the source."""

_TOLD_AT_MOST = 30
_MAX_THREADS = 8
_NO_FOLDER = re.compile(r"[^\w +()\[\]&=,-]")

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
class Picture:
    """An image of the source.

    Attributes:
        name: its path below the source without the folder that only says that it is an image, and without ending.
        path: below the source.
        image: its file.
        label: how its label is made; None: it has none.
    """

    name: str
    path: str
    image: Entry
    label: Label | None


@dataclass(frozen=True)
class Found:
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
    pictures: tuple[Picture, ...]
    ignored: bool = False
    bare: Label | None = None
    notes: tuple[str, ...] = ()


def images_of(files: Files) -> dict[str, Entry]:
    """Give the files whose ending is that of an image."""
    return {path: entry for path, entry in files.items() if path.lower().endswith(IMAGE_SUFFIXES)}


def files_ending(files: Files, *endings: str) -> dict[str, Entry]:
    """Give the files with one of ``endings`` (in lower case), in any capitals."""
    return {path: entry for path, entry in files.items() if path.lower().endswith(endings)}


def read_raster(entry: Entry) -> Raster:
    """Decode an image file; raises as ``decode`` and ``read_entry`` do."""
    return decode(entry_path(entry), read_entry(entry))


def read_json(entry: Entry) -> Any:
    """Read a JSON file.

    Raises:
        IncmaskError: it is none, or damaged.
    """
    try:
        return json.loads(read_entry(entry).decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        line = str(error).splitlines()[0][:120]
        raise fail(entry_path(entry), f"is no readable JSON file ({line})", "export it again") from error


def raise_problems(problems: Sequence[Problem]) -> None:
    """Raise what is wrong, where anything is; of many problems the first ones and their number.

    Raises:
        IncmaskError: there are problems.
    """
    if len(problems) > _TOLD_AT_MOST:
        num_left = len(problems) - _TOLD_AT_MOST
        problems = [*problems[:_TOLD_AT_MOST], Problem("", f"{num_left} more like these", "mend these first")]
    if problems:
        raise IncmaskError(problems)


def look_at(jobs: Iterable[Given], look: Callable[[Given], Seen]) -> list[Seen]:
    """Do ``look`` for each job, several at a time; give the results in the order of the jobs.

    Raises:
        IncmaskError: with the problems of all jobs.
    """

    def attempt(job: Given) -> Seen | IncmaskError:
        try:
            return look(job)
        except IncmaskError as error:
            return error

    with ThreadPoolExecutor(min(_MAX_THREADS, os.cpu_count() or 1)) as pool:
        results = list(pool.map(attempt, jobs))
    raise_problems([problem for result in results if isinstance(result, IncmaskError) for problem in result.problems])
    return [result for result in results if not isinstance(result, IncmaskError)]


def folder_names(names: Sequence[str]) -> tuple[str, ...]:
    """Give each class a folder name that any file system takes, different even where capitals do not count."""
    found: list[str] = []
    for name in names:
        plain = _NO_FOLDER.sub("_", name).strip() or "class"
        folder, number = plain, 2
        while folder.casefold() in {other.casefold() for other in found}:
            folder, number = f"{plain}_{number}", number + 1
        found.append(folder)
    return tuple(found)
