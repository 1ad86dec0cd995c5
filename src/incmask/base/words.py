"""Numbers in sentences, and values in a line."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

_MOST = 60
"""Letters of a value that is shown whole."""


def counted(num: int, thing: str) -> str:
    """Write a number with what is counted, whose plural ends in s.

    Examples:
        >>> counted(1, "image"), counted(1200, "image")
        ('1 image', '1,200 images')
    """
    return f"{num:,} {thing}{'' if num == 1 else 's'}"


def are(num: int, thing: str) -> str:
    """Write the same with what is said of it.

    Examples:
        >>> are(1, "image"), are(3, "image")
        ('1 image is', '3 images are')
    """
    return does(num, thing, "are")


def does(num: int, thing: str, verb: str) -> str:
    """Write the same with any verb.

    Examples:
        >>> does(1, "image", "have"), does(1, "image", "lose"), does(2, "image", "have")
        ('1 image has', '1 image loses', '2 images have')
    """
    single = {"are": "is", "have": "has", "do": "does"}.get(verb, f"{verb}s")
    return f"{counted(num, thing)} {single if num == 1 else verb}"


class ShortRepr:
    """A dataclass that shows itself in a line: of arrays their type and shape, of long values their number.

    Examples:
        >>> from dataclasses import dataclass
        >>> @dataclass(repr=False)
        ... class Found(ShortRepr):
        ...     name: str
        ...     pixels: tuple
        >>> Found("a", (1, 2)), Found("b", (1,) * 100)
        (Found(name='a', pixels=(1, 2)), Found(name='b', pixels=100 in a tuple))
    """

    def __repr__(self) -> str:
        shown = (f"{each.name}={_short(getattr(self, each.name))}" for each in fields(self))  # type: ignore[arg-type]
        return f"{type(self).__name__}({', '.join(shown)})"


def _short(value: Any) -> str:
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    if isinstance(value, Mapping | list | tuple):
        held = value.values() if isinstance(value, Mapping) else value
        has_arrays = any(hasattr(each, "shape") for each in held)
        if has_arrays or len(whole := repr(value)) > _MOST:
            return f"{len(value)} in a {type(value).__name__}"
        return whole
    if is_dataclass(value) and len(repr(value)) > _MOST:
        return f"{type(value).__name__}(...)"
    return repr(value)


def duration(seconds: float) -> str:
    """Tell a time to a person.

    Examples:
        >>> [duration(seconds) for seconds in (0, 1, 80, 300, 7200)]
        ['1 second', '1 second', '80 seconds', '5 minutes', '2.0 hours']
    """
    if seconds < 90:
        num = max(1, round(seconds))
        return f"{num} second{'s' * (num > 1)}"
    return f"{round(seconds / 60)} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
