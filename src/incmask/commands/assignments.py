"""What stands behind ``--set``: one value of a setting, or several to be tried."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from incmask.base.errors import fail
from incmask.base.parse import parse_toml


@dataclass(frozen=True)
class Grid:
    """Settings with one value, and those of which several are to be tried."""

    single: dict[str, Any]
    several: dict[str, list[Any]]


def parse_grid(assignments: Sequence[str]) -> Grid:
    """Read ``--set`` where a setting may have several values: ``["epochs=5", "num_members=2,3,4"]``.

    Of a setting that is named twice, the last entry counts.

    Raises:
        IncmaskError: an entry without "=", or a value that stands there twice.
    """
    grid = Grid({}, {})
    for assignment in assignments:
        ((name, value),) = parse_assignments([assignment]).items()
        # A list such as size=[96,96] is one value, and so is a word.
        pieces = value.split(",") if isinstance(value, str) else []
        for earlier in (grid.single, grid.several):
            earlier.pop(name, None)
        if len(pieces) < 2:
            grid.single[name] = value
            continue
        values = [parse_assignments([f"{name}={piece}"])[name] for piece in pieces]
        # 1 and 1.0 would be the same training twice.
        if any(each in values[:place] for place, each in enumerate(values)):
            raise fail(f"--set {assignment}", "a value stands there twice", "name each value once")
        grid.several[name] = values
    return grid


def parse_assignments(assignments: Sequence[str]) -> dict[str, Any]:
    """Read ``["epochs=5", "schedule=constant"]``: TOML values, where a bare word is a text.

    Raises:
        IncmaskError: an entry without "=".
    """
    values: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise fail(f"--set {assignment}", "expected name=value", "for example --set epochs=20")
        try:
            values[name.strip()] = parse_toml(f"value = {text}")["value"]
        except ValueError:
            values[name.strip()] = text.strip()
    return values
