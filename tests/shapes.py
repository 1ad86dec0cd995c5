"""Check in tests that the method's arrays have the shapes that its signatures give.

A signature says ``Annotated[NDArray[np.uint8], "n h w"]``: NumPy's own type, which mypy reads with its dtype, and axes
in the words of jaxtyping. So the package itself needs no jaxtyping, and nothing is checked where it is used. Here, what
is imported of ``incmask.method`` after this module is wrapped: once a call has returned, beartype and jaxtyping compare
the arrays that it took and gave, those in records among them, with their types. A call that is refused is not compared,
since it is there to be refused.
"""

import dataclasses
import functools
import importlib.abc
import importlib.machinery
import inspect
import sys
import types
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import jaxtyping
import numpy as np
from beartype.door import is_bearable
from torch import Tensor

CHECKED = "incmask.method."

_KINDS = {
    np.bool_: jaxtyping.Bool,
    np.uint8: jaxtyping.UInt8,
    np.int64: jaxtyping.Int64,
    np.float32: jaxtyping.Float32,
    np.float64: jaxtyping.Float64,
    np.floating: jaxtyping.Float,
}


def checked(function: Callable, hints: dict[str, Any]) -> Callable:
    """Wrap a function so that what it took and gave is compared with its types."""
    signature = inspect.signature(function)
    right: set[tuple] = set()

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        values = signature.bind(*args, **kwargs).arguments | {"return": result}
        given = [each for name, value in values.items() for each in _arrays(name, value, hints.get(name))]
        # Types and shapes that were right once are right again: most calls of a run are like one before.
        looks = tuple((name, id(hint), _look(value)) for name, value, hint in given)
        if looks not in right:
            _compare(function, given)
            right.add(looks)
        return result

    return wrapper


def _compare(function: Callable, given: list[tuple[str, Any, Any]]) -> None:
    with jaxtyping.jaxtyped("context"):
        # What can be read in one way alone settles the axes for what can be read in several.
        for name, value, hint in sorted(given, key=lambda each: len(options(each[2]))):
            if not is_bearable(value, jaxtyped_hint(hint)):
                found = f"{value.dtype} {tuple(value.shape)}" if hasattr(value, "shape") else repr(value)
                raise AssertionError(f"{function.__qualname__}: {name} is {found}, expected {hint}")


def _look(value: Any) -> object:
    """Give what the comparison sees of a value: of an array its type and shape; others, and symbolic sides, are new."""
    if isinstance(value, np.ndarray | Tensor) and all(type(side) is int for side in value.shape):
        return type(value), value.dtype, tuple(value.shape)
    return type(value) if value is None or isinstance(value, int | float) else object()


@functools.cache
def jaxtyped_hint(hint: Any) -> Any:
    """Put jaxtyping's types in the place of annotated arrays."""
    if get_origin(hint) is Annotated:
        array, axes = get_args(hint)
        if array is Any or array is Tensor:
            return jaxtyping.Shaped[array, axes]
        kind = get_args(get_args(array)[1])[0] if get_args(array) else None  # none: of any dtype
        return _KINDS.get(kind, jaxtyping.Shaped)[np.ndarray, axes]
    found = options(hint)
    return Union[tuple(map(jaxtyped_hint, found))] if len(found) > 1 else hint  # noqa: UP007


def options(hint: Any) -> tuple[Any, ...]:
    """Give the types of a union; one that is none is alone."""
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _arrays(name: str, value: Any, hint: Any) -> Iterator[tuple[str, Any, Any]]:
    if hint is not None and _is_array(hint):
        yield name, value, hint
    for field, of_field in _fields(type(value)):
        yield from _arrays(f"{name}.{field}", getattr(value, field), of_field)


@functools.cache
def _is_array(hint: Any) -> bool:
    return any(get_origin(option) is Annotated for option in options(hint))


@functools.cache
def _fields(kind: type) -> tuple[tuple[str, Any], ...]:
    """Give the fields of a record of the method, with their types; others have none."""
    if not (dataclasses.is_dataclass(kind) and kind.__module__.startswith(CHECKED)):
        return ()
    return tuple(get_type_hints(kind, include_extras=True).items())


def public_functions(module: types.ModuleType) -> Iterator[tuple[Any, str, Callable]]:
    """Give the public functions and methods that a module defines: where they are, their name, and they."""
    classes = [
        found for found in vars(module).values() if inspect.isclass(found) and found.__module__ == module.__name__
    ]
    for owner in (module, *classes):
        for name, found in vars(owner).items():
            if inspect.isfunction(found) and found.__module__ == module.__name__ and not name.startswith("_"):
                yield owner, name, found


def hints_of(owner: Any, name: str) -> dict[str, Any]:
    """Give a function's types; a method's are those of the class that has it first."""
    first = next(each for each in reversed(owner.__mro__) if name in vars(each)) if inspect.isclass(owner) else owner
    try:
        return get_type_hints(getattr(first, name), localns={"Tensor": Tensor}, include_extras=True)
    except NameError:  # it names what is imported for type checkers alone, which is no array
        return {}


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        spec = importlib.machinery.PathFinder.find_spec(name, path) if name.startswith(CHECKED) else None
        if spec is not None:
            execute = spec.loader.exec_module

            def exec_module(module: types.ModuleType) -> None:
                execute(module)
                for owner, each, function in list(public_functions(module)):
                    setattr(owner, each, checked(function, hints_of(owner, each)))

            spec.loader.exec_module = exec_module
        return spec


assert not any(name.startswith(CHECKED) for name in sys.modules), "import this before the package"
sys.meta_path.insert(0, _Finder())
