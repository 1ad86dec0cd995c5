"""Rounds of labelling: which corrected masks were added to a data folder, from which run and which tool."""

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from incmask.base.caller import either
from incmask.base.errors import fail
from incmask.base.files import write_text
from incmask.base.intact import intact
from incmask.base.parse import parse_json
from incmask.base.progress import Silent
from incmask.data.remote import local_copy
from incmask.data.storage import is_url

ROUNDS = "rounds.json"
ENVIRONMENT = "environment.json"


def _once_more() -> str:
    how = either("`incmask run DATA -o RUN`", "`incmask.run(DATA, out=RUN)`")
    return f"let {how} run once more, with the folder of the data and this run"


_PREFIX = re.compile(r"^round-\d+/")

FIRST = 1
"""The number of the round that a person labelled without a run."""


class Round(BaseModel):
    """Corrected masks that were added together.

    Attributes:
        number: from 2, as the labels that were there at first are round 1.
        folder: of its images and masks, below the data folder.
        names: of the unlabelled images that it labels; they are unlabelled no more.
        run: the run folder whose pseudo-labels were corrected, as a path from the data folder.
        source: the format that they came in, a name of ``labels.formats.TARGETS``.
        date: when they were added, ISO 8601.
        ignore: the value or colour of pixels without a label in its masks; None: there are none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: Annotated[int, Field(gt=FIRST)]
    folder: Annotated[str, Field(min_length=1)]
    names: tuple[str, ...]
    run: str
    source: str
    date: str
    ignore: int | tuple[int, int, int] | None = None

    @property
    def prefix(self) -> str:
        """What stands before the names of its images in the labelled part."""
        return f"round-{self.number}/"


def without_round(name: str) -> str:
    """Give the name of a labelled image as it was before a round added it.

    Examples:
        >>> without_round("round-2/slide 3/a"), without_round("a")
        ('slide 3/a', 'a')
    """
    return _PREFIX.sub("", name)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    rounds: tuple[Round, ...]


def read_rounds(root: Path) -> tuple[Round, ...]:
    """Give the rounds of a data folder.

    A round counts while its folder is there: it comes to be with one rename, and whoever removes the folder undoes it.

    Args:
        root: the data folder.

    Raises:
        IncmaskError: the record is damaged, or names a folder outside the data folder.
    """
    path = root / ROUNDS
    try:
        rounds = _File.model_validate_json(path.read_bytes()).rounds
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except (OSError, ValueError) as error:
        line = str(error).splitlines()[0]
        raise fail(
            path, f"cannot be read ({line})", "restore it, or remove it and the folders of the rounds"
        ) from error
    for each in rounds:
        if Path(each.folder).is_absolute() or ".." in Path(each.folder).parts:
            raise fail(path, f"names the folder {each.folder}, outside the data", "restore the file")
    return tuple(each for each in rounds if (root / each.folder).is_dir())


def write_rounds(root: Path, rounds: Sequence[Round]) -> None:
    """Write the record of a data folder, whole or not at all."""
    content = _File(rounds=tuple(rounds)).model_dump(mode="json")
    write_text(root / ROUNDS, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def current_round(root: Path) -> int:
    """Give the number of the round that a data folder is in; 1 where nothing was added."""
    return max((each.number for each in read_rounds(root)), default=FIRST)


def run_folder(data: Path, *, ending: str = "run") -> Path:
    """Give the folder of results of a data folder: beside it, with the number of the round from the second one on."""
    data = data.resolve()
    number = current_round(data) if ending == "run" else FIRST
    return data.with_name(f"{data.name}-{ending}" + (f"-{number}" if number > FIRST else ""))


def path_from(root: Path, folder: Path) -> str:
    """Give a folder as a path from the data folder, so that both may be moved together."""
    try:
        return Path(os.path.relpath(folder.resolve(), root.resolve())).as_posix()
    except ValueError:
        # On another drive.
        return folder.resolve().as_posix()


def data_folder(run: Path) -> Path:
    """Give the data folder of a run, as its record of the environment tells; of a URL, a copy on this machine.

    Raises:
        IncmaskError: it does not tell, or there is no such folder any more; or the URL cannot be read.
    """
    path = run / ENVIRONMENT
    try:
        content: Any = parse_json(intact(path).read_text(encoding="utf-8"))
        told = content["data"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise fail(path, "does not tell where the data lie", _once_more()) from error
    root = Path(os.path.normpath(run.resolve() / told))
    if not root.is_dir():
        if is_url(url := content.get("url")):
            return local_copy(url, Silent())
        raise fail(root, "is not there, where the data of the run were", _once_more())
    return root
