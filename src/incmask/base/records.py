"""What a run folder was begun with: ``run.toml`` and ``data.json``, and how two of them differ."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from incmask.base.errors import IncmaskError, fail
from incmask.base.intact import GONE, read_text
from incmask.base.packed_texts import in_order
from incmask.base.parse import parse_json, parse_toml

RUN, DATA = "run.toml", "data.json"

_PARTS = "parts"
"""What ``data.json`` says of the images, by part and name."""

_MOST_TOLD = 10

_STREAMED = 3
"""Levels of a record that may be very long: what it tells, the part, the image."""


@dataclass(frozen=True)
class Records:
    """What a run is about: the content of its ``run.toml`` and ``data.json``, without what is None."""

    run: dict[str, Any]
    data: dict[str, Any]


def as_records(*, run: Mapping[str, Any], data: Mapping[str, Any]) -> Records:
    """Tell what a run folder begun with these would say of itself; of images when it is asked for."""
    parts = {_PARTS: data[_PARTS]} if _PARTS in data else {}
    return Records(as_written(run), as_written({**data, _PARTS: None}) | parts)


def differences(there: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Say in a line each where two nested mappings differ, at most ten of them.

    Args:
        there: as it was read from a file.
        now: the same, or as it is before it is written.

    Examples:
        >>> differences({"seed": 1, "data": {"n": 8}}, {"seed": 1, "data": {"n": 9}})
        ['data.n was 8 when the run began and is 9 now']
    """
    lines = _each_difference(there, now, under="")
    told = [*islice(lines, _MOST_TOLD)]
    num_more = sum(1 for _ in lines)
    return [*told[:-1], f"and {num_more + 1} more differences"] if num_more else told


def _each_difference(there: Mapping[str, Any], now: Mapping[str, Any], *, under: str) -> Iterator[str]:
    def is_now(name: str) -> bool:
        return name in now and now[name] is not None

    # Of a million images none is held.
    for name in in_order(chain(there, (name for name in now if name not in there))):
        if name not in there or not is_now(name):
            # Its value may be long, and says no more.
            if is_now(name):
                yield f"{under}{name} was not there when the run began"
            elif name in there:
                yield f"{under}{name} is gone"
            continue
        old, new = there[name], now[name]
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _each_difference(old, new, under=f"{under}{name}.")
        elif old != (new := json.loads(json.dumps(new, default=_as_dict))):
            yield f"{under}{name} was {old!r} when the run began and is {new!r} now"


def read_written(path: Path) -> dict[str, Any]:
    """Read one of the two files.

    Raises:
        IncmaskError: it is not there, or no file of its kind.
    """
    try:
        text = read_text(path)
        return without_none(parse_toml(text) if path.suffix == ".toml" else parse_json(text))
    except (*GONE, ValueError, AttributeError) as error:
        raise cannot_be_read(path, error) from error


def cannot_be_read(path: Path, error: Exception) -> IncmaskError:
    """Say that one of the two files is not there, or no file of its kind."""
    return fail(path, f"cannot be read ({error})", "restore it, or name the folder of another run")


def as_written(values: Mapping[str, Any]) -> dict[str, Any]:
    """As values come back from a file: lists for tuples, and nothing for None, which TOML does not know."""
    return without_none(json.loads(json.dumps(values, default=_as_dict)))


def _as_dict(values: object) -> dict[str, Any]:
    if isinstance(values, Mapping):
        return dict(values.items())
    raise TypeError(f"{type(values).__name__} is no value of JSON")


def json_parts(values: Mapping[str, Any], *, depth: int = 1) -> Iterator[str]:
    """Give the text of JSON, indented by 1, in parts, so that mappings which make their values need not hold them.

    Args:
        values: mappings of any kind down to the third level, then those that JSON knows.
        depth: of these values.

    Examples:
        >>> "".join(json_parts({"a": {"b": [1]}}))
        '{\\n "a": {\\n  "b": [\\n   1\\n  ]\\n }\\n}'
    """
    indent, begin = "\n" + " " * depth, "{"
    for name, value in values.items():
        yield f"{begin}{indent}{json.dumps(name)}: "
        if isinstance(value, Mapping) and depth < _STREAMED:
            yield from json_parts(value, depth=depth + 1)
        else:
            yield json.dumps(value, indent=1).replace("\n", indent)
        begin = ","
    yield "{}" if begin == "{" else indent[:-1] + "}"


def without_none(there: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is None, at any depth of mappings."""
    return {
        name: without_none(value) if isinstance(value, dict) else value
        for name, value in there.items()
        if value is not None
    }
