"""A job done on another machine: whether all is as it is here, and what comes back."""

import importlib.metadata
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from pathlib import Path

from incmask.base.caller import is_command_line, word_for_command_line
from incmask.base.errors import IncmaskError, fail
from incmask.base.files import nearest_existing
from incmask.base.limits import is_out_of_memory
from incmask.base.pool import Job, Result, one_thread
from incmask.base.progress import Report

_MUST_EQUAL = ("incmask", "torch", "numpy")

_LOOK_S, _PATIENCE_S = 0.5, 10.0
"""Between two looks at a path, and until it must be seen by all nodes."""


@dataclass(frozen=True)
class Sent:
    """What a worker compares with what it has itself, and is told beside its job.

    Attributes:
        versions: of what numbers depend on.
        paths: that must be there.
        for_command_line: whom messages are for.
    """

    versions: Mapping[str, str]
    paths: tuple[Path, ...]
    for_command_line: bool

    def check(self) -> None:
        """Refuse to work on another version, or where other files are seen.

        Raises:
            IncmaskError: told with both.
        """
        node, ours = platform.node(), versions()
        for name, version in self.versions.items():
            if ours[name] != version:
                raise fail(
                    f"node {node}",
                    f"has {name} {ours[name]}, and {version} is here",
                    f"install {name}=={version} on all nodes",
                )
        for path in self.paths:
            if not _comes_to_be(path):
                raise fail(
                    f"node {node}",
                    f"does not see {path}",
                    "put data and run folder on storage that all nodes mount under the same path",
                )


def sent_with(function: object, job: object) -> Sent:
    """Give what goes with a function and its job."""
    return Sent(versions(), seen_here((function, job)), is_command_line())


def done_elsewhere(
    function: Callable[[Job, Report], Result], job: Job, sent: Sent, report: Report
) -> tuple[Result | None, IncmaskError | None]:
    """Do a job in a worker of another machine; our errors come back as values, which travel anywhere."""
    word_for_command_line(sent.for_command_line)
    try:
        sent.check()
        # What was not imported with the function takes its number of threads from the environment.
        with one_thread() if "torch" in sys.modules else nullcontext():
            return function(job, report), None
    except IncmaskError as error:
        return None, error
    except (MemoryError, OSError, RuntimeError) as error:
        if is_out_of_memory(error):
            return None, fail(f"node {platform.node()}", "ran out of memory", "use smaller images or nodes with more")
        raise


def versions() -> dict[str, str]:
    """Give the versions that must be the same on all nodes.

    Examples:
        >>> sorted(versions())
        ['Python', 'incmask', 'numpy', 'torch']
    """
    major, minor, _ = platform.python_version_tuple()
    return {"Python": f"{major}.{minor}"} | {name: importlib.metadata.version(name) for name in _MUST_EQUAL}


def seen_here(job: object) -> tuple[Path, ...]:
    """Give what a job names of the file system, or the nearest folder above it that is there."""
    return tuple(sorted({nearest_existing(path) for path in _paths_of(job)}))


def _paths_of(value: object) -> Iterator[Path]:
    if isinstance(value, Path):
        yield value
    elif is_dataclass(value):
        for each in fields(value):
            yield from _paths_of(getattr(value, each.name))
    elif isinstance(value, partial):
        yield from _paths_of((value.args, value.keywords))
    elif isinstance(value, Mapping):
        yield from _paths_of(tuple(value.values()))
    elif isinstance(value, tuple | list):
        for each in value:
            yield from _paths_of(each)


def _comes_to_be(path: Path) -> bool:
    """Wait a little: what one node wrote is seen by others later on some kinds of storage."""
    until = time.monotonic() + _PATIENCE_S
    while not path.exists():
        if time.monotonic() > until:
            return False
        time.sleep(_LOOK_S)
    return True
