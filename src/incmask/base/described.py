"""Jobs and their results as data, JSON and arrays: to read them from files runs nothing but what is named here.

A function that a job may call is entered with ``@callable_by_job``. Records are dataclasses and models of
pydantic, found by their names in modules of this package, or in those that the reader allows.
"""

import importlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from pathlib import Path
from types import FunctionType
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel

from incmask.base.caller import option
from incmask.base.errors import fail
from incmask.base.files import whole_file, write_text
from incmask.base.parse import parse_json

OURS = "incmask"

Function = TypeVar("Function", bound=Callable[..., Any])

_functions: dict[str, Callable[..., Any]] = {}
"""Those that a job in a file may call, by name."""

_PLAIN = (bool, int, float, str, type(None))
_SEQUENCES: dict[str, type] = {"tuple": tuple, "set": set, "frozenset": frozenset}
_KIND, _CONTENT = "is", "of"


def callable_by_job(function: Function) -> Function:
    """Let jobs in files call a function of a module's top level."""
    _functions[name_of(function)] = function
    return function


def name_of(value: Callable[..., Any]) -> str:
    """Name a function or class by its module and its own name.

    Raises:
        IncmaskError: another process would not find it.

    Examples:
        >>> name_of(write_described)
        'incmask.base.described:write_described'
    """
    if value.__module__ == "__main__" or "." in value.__qualname__:
        where = f"{value.__qualname__} of {value.__module__}"
        raise fail(where, "cannot be found by other processes", "define it at the top of a module, and import it")
    return f"{value.__module__}:{value.__qualname__}"


def function_name(function: Callable[..., Any]) -> str:
    """Name a function that was entered with ``@callable_by_job``.

    Raises:
        IncmaskError: it was not.
    """
    name = name_of(function)
    if name not in _functions:
        remedy = "enter it with @callable_by_job of incmask.base.described"
        raise fail(name, "is no function that jobs in files may call", remedy)
    return name


def function_of(name: str, *, modules: Collection[str] = (OURS,)) -> Callable[..., Any]:
    """Find a function that jobs may call.

    Args:
        name: as of ``name_of``.
        modules: packages, or modules beside any, that may be imported.

    Raises:
        IncmaskError: there is none of that name.
    """
    _module_of(name, modules)
    if name not in _functions:
        raise _unknown(name)
    return _functions[name]


def modules_of(names: Collection[str]) -> list[str]:
    """Give the packages that functions and classes come from, by their names."""
    return sorted({name.partition(":")[0].partition(".")[0] for name in names} | {OURS})


def write_described(path: Path, value: object) -> list[str]:
    """Write a value to ``path``, and its arrays beside it with the ending ``.npz``; the first is there last.

    Returns:
        The names of the classes and functions in it.

    Raises:
        IncmaskError: it cannot be written, or holds what is no data.
    """
    packed = _Packing()
    tree = packed.pack(value)
    if packed.arrays:
        with whole_file(path.with_suffix(".npz")) as temporary, open(temporary, "wb") as handle:
            # Names of arguments are the arrays' own.
            np.savez(handle, allow_pickle=False, **packed.arrays)
    write_text(path, json.dumps(tree))
    return sorted(packed.names)


def read_described(path: Path, *, modules: Collection[str] = (OURS,)) -> Any:
    """Read what ``write_described`` wrote.

    Args:
        path: of its JSON.
        modules: packages, or modules beside any, that may be imported.

    Raises:
        IncmaskError: it is damaged, or names what may not be imported.
    """
    try:
        tree = parse_json(path.read_text(encoding="utf-8"))
        beside = path.with_suffix(".npz")
        if not beside.exists():
            return _unpack(tree, {}, modules)
        with np.load(beside, allow_pickle=False) as arrays:
            return _unpack(tree, arrays, modules)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise fail(path, f"is no description of a job or a result ({error})", "run the same command again") from error


class _Packing:
    """Makes JSON of values.

    Attributes:
        arrays: those in it, by the names that they have there.
        names: of the classes and functions in it.
    """

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}
        self.names: set[str] = set()

    def pack(self, value: Any) -> Any:
        if type(value) in _PLAIN:
            return value
        if isinstance(value, list):
            return [self.pack(each) for each in value]
        kind, content = self._told(value)
        return {_KIND: kind, _CONTENT: content}

    def _told(self, value: Any) -> tuple[str, Any]:
        if type(value) in _SEQUENCES.values():
            return type(value).__name__, [self.pack(each) for each in value]
        if isinstance(value, Path):
            return "path", str(value)
        if isinstance(value, FunctionType):
            self.names.add(name := function_name(value))
            return "function", name
        if isinstance(value, partial):
            return "partial", [self.pack(value.func), self.pack(value.args), self.pack(value.keywords)]
        if isinstance(value, range):
            return "range", [value.start, value.stop, value.step]
        if isinstance(value, Mapping):
            return "mapping", [[self.pack(key), self.pack(each)] for key, each in value.items()]
        if isinstance(value, np.ndarray | np.generic):
            if value.dtype.hasobject:
                raise _no_data("an array of objects")
            name = f"array{len(self.arrays)}"
            self.arrays[name] = np.asarray(value)
            return "array" if isinstance(value, np.ndarray) else "number", name
        if not (is_dataclass(value) or isinstance(value, BaseModel)) or isinstance(value, type):
            raise _no_data(name_of(type(value)))
        kind = name_of(type(value))
        self.names.add(kind)
        return kind, {name: self.pack(getattr(value, name)) for name in _names(type(value))}


def _unpack(tree: Any, arrays: Mapping[str, np.ndarray], modules: Collection[str]) -> Any:
    def back(tree: Any) -> Any:
        if isinstance(tree, list):
            return [back(each) for each in tree]
        if not isinstance(tree, dict):
            return tree
        kind, content = tree[_KIND], tree[_CONTENT]
        if kind in _SEQUENCES:
            return _SEQUENCES[kind](back(each) for each in content)
        if kind == "path":
            return Path(content)
        if kind == "range":
            return range(*content)
        if kind == "function":
            return function_of(content, modules=modules)
        if kind == "partial":
            function, arguments, keywords = map(back, content)
            return partial(function, *arguments, **keywords)
        if kind == "mapping":
            return {back(key): back(each) for key, each in content}
        if kind in ("array", "number"):
            return arrays[content] if kind == "array" else arrays[content][()]
        return _class_of(kind, modules)(**{name: back(each) for name, each in content.items()})

    return back(tree)


def _names(kind: type) -> list[str]:
    if issubclass(kind, BaseModel):
        return [*kind.model_fields]
    return [each.name for each in fields(kind) if each.init]  # type: ignore[arg-type]


def _class_of(name: str, modules: Collection[str]) -> type:
    found = getattr(_module_of(name, modules), name.partition(":")[2], None)
    if not isinstance(found, type) or not (is_dataclass(found) or issubclass(found, BaseModel)):
        raise _unknown(name)
    return found


def _module_of(name: str, modules: Collection[str]) -> Any:
    module = name.partition(":")[0]
    if module.partition(".")[0] not in modules:
        raise _unknown(name)
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise fail(module, f"cannot be imported ({error})", "install the same on all nodes") from error


def _no_data(what: str) -> Exception:
    return fail(what, "is no data, so that no job in a file can hold it", f"use {option('on', 'local')}")


def _unknown(name: str) -> Exception:
    return fail(name, "is nothing that a job in a file may name", "run the same command again")
