"""Rows of ``.npy`` files, without a memory map: pages of a map that were touched count as a process's memory."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from incmask.base.intact import GONE, cannot_read, intact


class Rows:
    """The rows of an array on disk; what is read is a copy.

    May be used by several threads and processes as long as no two write, or one writes and one reads, the same row.

    Args:
        path: a ``.npy`` file whose first axis counts the rows, in C order.

    Attributes:
        shape: of the whole array.
        dtype: of its values.

    Raises:
        DamagedError: a run wrote the file, and it is not what was written, or it cannot be read.
        FileNotFoundError, NotADirectoryError, ValueError: it is not there, or is no such array.
    """

    def __init__(self, path: Path):
        try:
            array = np.load(intact(path), mmap_mode="r")
        except GONE:
            raise
        except OSError as error:
            raise cannot_read(path, error) from error
        if not isinstance(array, np.memmap) or not array.ndim or not array.flags.c_contiguous:
            raise ValueError(f"{path} has no rows in C order")
        self.shape: tuple[int, ...] = array.shape
        self.dtype: np.dtype[Any] = array.dtype
        self._path, self._offset = path, array.offset

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: "int | slice | NDArray[np.integer[Any]]") -> NDArray[Any]:
        """Read a row, a range of step 1, or rows by number; indices count from 0, and none is negative."""
        if isinstance(index, slice):
            first, last, step = index.indices(len(self))
            assert step == 1, "ranges are read in one piece"
            return self._read(first, max(0, last - first))
        if isinstance(index, np.ndarray):
            first, last = (int(index[0]), int(index[-1])) if len(index) else (0, -1)
            if last - first == len(index) - 1 and (np.diff(index) == 1).all():
                return self._read(first, len(index))  # at once, as they mostly follow each other
            rows = np.empty((len(index), *self.shape[1:]), self.dtype)
            for place, number in enumerate(index.tolist()):
                rows[place] = self._read(number, 1)[0]
            return rows
        row: NDArray[Any] = self._read(index, 1)[0]
        return row

    def __setitem__(self, first: "int | slice", values: NDArray[Any]) -> None:
        """Write a row, or rows one after another from the start of a range on.

        Raises:
            ValueError: the values have not the shape of these rows.
            OSError: the file cannot be written.
        """
        start, stop = (first.start, first.stop) if isinstance(first, slice) else (first, first + 1)
        shape = (stop - start, *self.shape[1:]) if isinstance(first, slice) else self.shape[1:]
        if values.shape != shape or not 0 <= start <= stop <= len(self):
            raise ValueError(f"rows {start} to {stop} of {self.shape} take {shape}, got {values.shape}")
        with open(self._path, "r+b") as handle:
            handle.seek(self._offset + start * self._row_bytes)
            handle.write(np.ascontiguousarray(values, self.dtype).data)

    @property
    def _row_bytes(self) -> int:
        return int(np.prod(self.shape[1:])) * self.dtype.itemsize

    def _read(self, first: int, num: int) -> NDArray[Any]:
        if not 0 <= first <= first + num <= len(self):
            raise IndexError(f"rows {first} to {first + num} of {len(self)}")
        count = num * int(np.prod(self.shape[1:]))
        values = np.fromfile(self._path, self.dtype, count, offset=self._offset + first * self._row_bytes)
        return values.reshape(num, *self.shape[1:])


def new_rows(path: Path, dtype: DTypeLike, shape: tuple[int, ...]) -> Rows:
    """Make a ``.npy`` file of zeros to be filled.

    Raises:
        OSError: the disk has no room for all of it.
    """
    np.lib.format.open_memmap(path, "w+", np.dtype(dtype), shape)
    if hasattr(os, "posix_fallocate"):
        with open(path, "r+b") as handle:
            os.posix_fallocate(handle.fileno(), 0, path.stat().st_size)
    return Rows(path)
