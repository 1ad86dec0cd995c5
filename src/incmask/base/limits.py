"""What a machine refuses, in a person's words: memory, open files, room."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from incmask.base.caller import option
from incmask.base.errors import IncmaskError, fail
from incmask.base.machine import left_of_addresses

_NO_MEMORY = ("out of memory", "not enough memory", "allocate memory", "failed to map segment", "start new thread")
"""Of the errors of torch's allocators, the loader and threads, which have no type of their own."""

_TOLD = {
    errno.EMFILE: ("open files", "as many are open as are allowed", "raise the limit first: ulimit -n 1024"),
    errno.ENFILE: ("open files", "as many are open as the machine allows", "close other programs"),
    errno.ENOSPC: ("disk", "is full", "make room; the same command goes on from here"),
    errno.EACCES: ("file", "may not be opened", "give yourself the right to it"),
    errno.EIO: ("disk", "failed", "look after it; the same command goes on from here"),
    errno.EROFS: ("disk", "may be read only", "choose another folder, or let it be written"),
    errno.EFBIG: ("file", "would be larger than is allowed", "raise the limit: ulimit -f unlimited"),
    errno.EDQUOT: ("disk", "is full, as far as your quota goes", "make room; the same command goes on from here"),
}
_MEMORY = ("memory", "does not suffice", "close other programs, or raise the limit (ulimit -v, or the container's)")


_LOADED_BYTES = 1_200_000_000
"""Of addresses, most of them of torch's code, that a command takes before it reads a file."""


def check_addresses() -> None:
    """Refuse to load what a command needs where ``ulimit -v`` leaves too little: a library would end the process.

    Raises:
        IncmaskError: it does.
    """
    left = min(left_of_addresses(), default=None)
    if left is not None and left < _LOADED_BYTES and "torch" not in sys.modules:
        what = f"ulimit -v leaves {left / 1e9:.1f} GB to each process, and its programs alone take 1.2"
        raise fail("memory", what, "raise the limit: ulimit -v unlimited")


def is_working_folder_gone() -> bool:
    """Tell whether the folder that this process works in was removed, so that no path but absolute ones is any."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether it is memory that lacks."""
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
        return True
    return isinstance(error, RuntimeError | ImportError) and any(words in str(error) for words in _NO_MEMORY)


def refusal_of(error: BaseException) -> IncmaskError | None:
    """Word an error of the machine; None: it is another one.

    Examples:
        >>> print(refusal_of(OSError(errno.EMFILE, "Too many open files")))
        open files: as many are open as are allowed; raise the limit first: ulimit -n 1024
        >>> refusal_of(OSError(errno.ENOENT, "No such file")) is None
        True
    """
    if isinstance(error, RuntimeError) and "deterministic implementation" in str(error):
        what = "the GPU has no way to compute a part of this run the same each time"
        return fail(option("deterministic"), what, "leave it out, or use a CPU")
    if is_out_of_memory(error):
        return fail(*_MEMORY)
    if isinstance(error, FileNotFoundError) and is_working_folder_gone():
        return fail("working folder", "was removed", "change to one that is there (cd), and call it again")
    where, what, mend = _TOLD.get(error.errno or 0, ("", "", "")) if isinstance(error, OSError) else ("", "", "")
    return fail(getattr(error, "filename", None) or where, what, mend) if what else None


@contextmanager
def refusals_told() -> Iterator[None]:
    """Let what the machine refuses inside come up in a person's words."""
    try:
        yield
    except (MemoryError, OSError, RuntimeError, ImportError) as error:
        if (told := refusal_of(error)) is None:
            raise
        raise told from error
