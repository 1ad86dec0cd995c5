"""Values that a person wrote, checked: each mistake is a problem with the names that were meant."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import pydantic
from pydantic import BaseModel, ConfigDict

from incmask.base.errors import IncmaskError, Problem, fail

Model = TypeVar("Model", bound=BaseModel)


class ConfigSection(BaseModel):
    """A part of the configuration: frozen; unknown names, other types and infinite numbers are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    whys: ClassVar[Mapping[str, str]] = {}
    """What keeps a number within its bounds, by its name."""


def choose(known: Mapping[str, Any], name: str, *, option: str) -> Any:
    """Return ``known[name]``.

    Raises:
        IncmaskError: an unknown name; the message lists the known ones.
    """
    if name not in known:
        near = difflib.get_close_matches(name.casefold(), known, n=1)
        raise fail(
            option,
            f"unknown name {name!r}",
            f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(known)}",
        )
    return known[name]


def validated(model: type[Model], values: Mapping[str, Any], *, where: str) -> Model:
    """Build ``model`` from ``values``.

    Raises:
        IncmaskError: with a problem for each wrong value, and the near names for each unknown one.
    """
    try:
        return model.model_validate(dict(values))
    except pydantic.ValidationError as error:
        problems = [_problem(model, item, where) for item in _joined(error.errors(), values)]
        raise IncmaskError(problems) from None


def _joined(errors: Sequence[Any], values: Mapping[str, Any]) -> list[Any]:
    """Give one error for each value: where it may be of several kinds, pydantic tells what is wrong as each of them."""
    found: dict[tuple[Any, ...], list[Any]] = {}
    for item in errors:
        loc = item["loc"]
        found.setdefault(loc[:3] if len(loc) > 1 and isinstance(loc[1], int) else loc[:1], []).append(item)
    return [items[0] if len(items) == 1 else _union(key, items, values) for key, items in found.items()]


def _union(key: tuple[Any, ...], items: Sequence[Any], values: Mapping[str, Any]) -> Any:
    given: Any = values
    for part in key:
        given = given[part] if isinstance(part, int) or part in given else None
    messages = dict.fromkeys(item["msg"].removeprefix("Input should be ") for item in items)
    return {"type": "union", "loc": key, "msg": f"should be {', or '.join(messages)}", "input": given}


def _problem(model: type[BaseModel], item: Any, where: str) -> Problem:
    name = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        if len(item["loc"]) > 1:
            return Problem(where, f"unknown name {name!r}", "correct or remove it")
        near = difflib.get_close_matches(name, model.model_fields, n=3)
        known = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(model.model_fields)}"
        return Problem(where, f"unknown name {name!r}", known)
    message = item["msg"].removeprefix("Value error, ").lower()
    if not name:
        return Problem(where, message, "correct it")
    return Problem(where, f"{name} = {item.get('input')!r}: {message}", f"correct {name}{_range(model, name)}")


def _range(model: type[BaseModel], name: str) -> str:
    """Give the bounds of a number, and the reason for them where it has one."""
    whys: Mapping[str, str] = getattr(model, "whys", {})
    if name not in whys:
        return ""
    held = model.model_fields[name].metadata
    low, high = (next(getattr(each, side) for each in held if hasattr(each, side)) for side in ("ge", "le"))
    return f": {low:g} to {high:g}, as {whys[name]}"
