"""Numbers that grow: few are held, very many lie in a temporary file of this process but for the last ones."""

import errno
import os
import tempfile
from array import array
from collections.abc import Iterable, Iterator
from itertools import chain
from threading import Lock
from typing import IO, TYPE_CHECKING, Any, Union
from weakref import finalize

from incmask.base.made import Made

if TYPE_CHECKING:
    import numpy as np

_BLOCK_BYTES = 2**15
"""Of a column so many bytes are held that are not on disk yet, and as many that were read last."""

_Read = Union["array[Any]", "memoryview[Any]"]

_ON_DISK = "/var/tmp"  # noqa: S108 - what lies there has no name


class Numbers(Made[Any]):
    """Numbers of one kind, as those of ``array``.

    Args:
        code: of the kind, as for ``array``.
        numbers: the first of them.

    Examples:
        >>> numbers = Numbers("q", [3, 4])
        >>> numbers.append(5)
        >>> numbers, numbers[-1], numbers[:2]
        ((3, 4, 5), 5, (3, 4))
    """

    def __init__(self, code: str, numbers: Iterable[Any] = ()):
        self._code: Any = code
        self._last, self._blocks = array(code), list[_Block]()
        self._in_block = _BLOCK_BYTES // self._last.itemsize
        self._read: tuple[int, _Read] = (-1, self._last)
        self.extend(numbers)

    def append(self, number: Any) -> None:
        """Add a number."""
        self._last.append(number)
        if len(self._last) >= self._in_block:
            self._spill()

    def extend(self, numbers: Iterable[Any]) -> None:
        """Add numbers."""
        for number in numbers:
            self.append(number)

    def extend_bytes(self, content: bytes) -> None:
        """Add numbers by their bytes."""
        self._last.frombytes(content)
        if len(self._last) >= self._in_block:
            self._spill()

    def _spill(self) -> None:
        whole = len(self._last) // self._in_block * self._in_block
        for first in range(0, whole, self._in_block):
            self._blocks.append(_Block(self._last[first : first + self._in_block].tobytes()))
        self._last = self._last[whole:]

    def __len__(self) -> int:
        return len(self._blocks) * self._in_block + len(self._last)

    def _at(self, place: int) -> Any:
        number, within = divmod(place, self._in_block)
        return self._block(number)[within]

    def _block(self, number: int) -> _Read:
        if number == len(self._blocks):
            return self._last
        known, block = self._read  # of one moment, as threads may ask for others
        if known != number:
            block = memoryview(self._blocks[number].read()).cast(self._code)
            self._read = (number, block)
        return block

    def _each_block(self) -> Iterator[_Read]:
        for block in self._blocks:
            yield memoryview(block.read()).cast(self._code)
        yield self._last

    def __iter__(self) -> Iterator[Any]:
        return chain.from_iterable(self._each_block())

    def between(self, start: int, stop: int) -> bytes:
        """Give the bytes of the numbers from a place to before another one; they are there."""
        number, within = divmod(start, self._in_block)
        found = self._block(number)[within : within + stop - start].tobytes()
        while len(found) < (stop - start) * self._last.itemsize:
            number += 1
            found += self._block(number)[: stop - start - len(found) // self._last.itemsize].tobytes()
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> "np.ndarray":
        import numpy as np

        found = np.concatenate([np.frombuffer(block, self._code) for block in self._each_block()])
        return found if dtype is None else found.astype(dtype, copy=False)

    def __getstate__(self) -> tuple[str, list[bytes]]:
        return self._code, [block.tobytes() for block in self._each_block()]

    def __setstate__(self, state: tuple[str, list[bytes]]) -> None:
        self.__init__(state[0])  # type: ignore[misc]
        for block in state[1]:
            self.extend_bytes(block)


class _Block:
    """A block of bytes in the file; where that cannot be written, such as on a full disk, they are held.

    Args:
        content: ``_BLOCK_BYTES`` of them.
    """

    __slots__ = ("_file", "_held", "_number")

    def __init__(self, content: bytes):
        self._held, self._file, self._number = b"", _File.of_process(), -1
        try:
            self._number = self._file.write(content)
        except OSError:
            self._held = content

    def read(self) -> bytes:
        """Give its bytes."""
        return self._held or self._file.read(self._number)

    def __del__(self) -> None:
        if not self._held:
            self._file.give_back(self._number)


class _File:
    """Blocks of a file that goes with the process."""

    _of_process: "_File | None" = None

    def __init__(self) -> None:
        self._pid, self._lock = os.getpid(), Lock()
        self._num_blocks, self._free = 0, list[int]()
        self._handle: IO[bytes] | None = None

    @classmethod
    def of_process(cls) -> "_File":
        """Give the one that this process writes; that of another, which it was forked from, is only read."""
        if cls._of_process is None or cls._of_process._pid != os.getpid():
            cls._of_process = _File()
        return cls._of_process

    def write(self, content: bytes) -> int:
        """Write a block, and give its number.

        Raises:
            OSError: the disk does not take it.
        """
        with self._lock:
            if self._handle is None:
                self._handle = tempfile.TemporaryFile(prefix="incmask-", dir=_folder(), buffering=0)  # noqa: SIM115
                finalize(self, self._handle.close)
            # Others may be given back at any moment.
            is_new = not self._free
            number = self._num_blocks if is_new else self._free.pop()
            try:
                self._handle.seek(number * _BLOCK_BYTES)
                if self._handle.write(content) < len(content):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            except OSError:
                if not is_new:
                    self.give_back(number)
                raise
            self._num_blocks += is_new
            return number

    def read(self, number: int) -> bytes:
        """Read a block.

        Raises:
            OSError: the disk does not give it.
        """
        assert self._handle is not None
        if hasattr(os, "pread"):
            found = os.pread(self._handle.fileno(), _BLOCK_BYTES, number * _BLOCK_BYTES)
        else:
            with self._lock:
                self._handle.seek(number * _BLOCK_BYTES)
                found = self._handle.read(_BLOCK_BYTES)
        if len(found) < _BLOCK_BYTES:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return found

    def give_back(self, number: int) -> None:
        """Let others write where a block was."""
        if self._pid == os.getpid():
            self._free.append(number)


def _folder() -> str | None:
    """Give a folder on a disk, as that for temporary files is one in memory on many systems; None: whatever it is."""
    is_told = any(os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP"))
    return None if is_told or not os.access(_ON_DISK, os.W_OK) else _ON_DISK
