"""What goes wrong by a user's hand: what, where, what was expected, and how to mend it."""

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, in one line.

    Attributes:
        where: the file, folder or option; "" where there is none.
        what: what is wrong, and what was expected.
        remedy: how to mend it.

    Examples:
        >>> print(Problem("a.png", "is broken", "save it again"))
        a.png: is broken; save it again
    """

    where: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return printable(": ".join(part for part in (self.where, f"{self.what}; {self.remedy}") if part))


_NO_TEXT = re.compile("[\ud800-\udfff]")


def printable(text: str) -> str:
    r"""Give a text with the bytes of file names that are no text as ``\xe9``, so that it can be shown and written.

    Examples:
        >>> print(printable("caf\udce9.png"))
        caf\xe9.png
    """

    def escaped(found: re.Match[str]) -> str:
        code = ord(found[0])
        return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"

    return _NO_TEXT.sub(escaped, text)


def is_text(path: object) -> bool:
    """Tell whether a path can be written in a table, and on other systems."""
    return not _NO_TEXT.search(str(path))


def renaming(how: str) -> str:
    """Give the mend of a name that is no text; where a system is set to ASCII, no name beyond is, which is to mend."""
    if sys.getfilesystemencoding() == "utf-8":
        return how
    return "set PYTHONUTF8=1 first: by this machine's language (LC_ALL, LANG) names are read as ASCII alone"


class IncmaskError(Exception):
    """A mistake that the user can mend; the command line prints its lines without a traceback.

    Args:
        problems: what is wrong, one ``Problem`` each, one or more.

    Attributes:
        problems: the same as a tuple.

    Examples:
        >>> try:
        ...     raise IncmaskError(Problem("a.png", "is broken", "save it again"))
        ... except IncmaskError as error:
        ...     print(error.problems[0].remedy)
        save it again
    """

    def __init__(self, problems: Problem | Sequence[Problem]):
        self.problems = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[type, tuple[tuple[Problem, ...]]]:
        # Errors come back from worker processes; the default would rebuild this one from its text.
        return type(self), (self.problems,)


def fail(where: object, what: str, remedy: str) -> IncmaskError:
    """Make the error for a single problem: ``raise fail(path, "is no image", "remove it")``."""
    return IncmaskError(Problem(str(where), what, remedy))


_TOLD_AT_MOST = 30


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


@contextmanager
def collected(problems: list[Problem]) -> Iterator[None]:
    """Add what goes wrong inside to ``problems``, and go on behind it."""
    try:
        yield
    except IncmaskError as error:
        problems += error.problems
