"""Rows of .npy files against NumPy's own memory maps."""

import os
import resource

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from incmask.base.npy_rows import Rows, new_rows

SHAPES = arrays.array_shapes(min_dims=1, max_dims=4, max_side=5)
DTYPES = st.sampled_from([np.uint8, np.bool_, np.float32, np.int64])


@given(array=DTYPES.flatmap(lambda dtype: arrays.arrays(dtype, SHAPES)), data=st.data())
def test_reads_what_a_memory_map_reads(tmp_path_factory, array, data):
    path = tmp_path_factory.mktemp("rows") / "x.npy"
    np.save(path, array)
    rows, known = Rows(path), np.load(path, mmap_mode="r")
    assert (rows.shape, rows.dtype, len(rows)) == (known.shape, known.dtype, len(known))
    row = data.draw(st.integers(0, len(array) - 1))
    first, last = sorted(data.draw(st.tuples(*[st.integers(0, len(array) + 2)] * 2)))
    chosen = np.array(data.draw(st.lists(st.integers(0, len(array) - 1))), int)
    for index in (row, slice(first, last), slice(None), chosen):
        assert np.array_equal(rows[index], known[index], equal_nan=array.dtype.kind == "f")
        assert rows[index].dtype == known.dtype


@given(shape=SHAPES, data=st.data())
def test_writes_what_a_memory_map_writes(tmp_path_factory, shape, data):
    folder = tmp_path_factory.mktemp("rows")
    known = np.zeros(shape, np.uint8)
    rows = new_rows(folder / "x.npy", np.uint8, shape)
    first, last = sorted(data.draw(st.tuples(*[st.integers(0, shape[0])] * 2)))
    values = data.draw(arrays.arrays(np.uint8, (last - first, *shape[1:])))
    known[first:last] = values
    rows[first:last] = values
    row = data.draw(st.integers(0, shape[0] - 1))
    known[row] = 7
    rows[row] = np.full(shape[1:], 7)
    assert np.array_equal(np.load(folder / "x.npy"), known)


def test_refuses_what_does_not_fit(tmp_path):
    rows = new_rows(tmp_path / "x.npy", np.uint8, (3, 2))
    for index, values in ((0, np.zeros(3)), (slice(0, 2), np.zeros((3, 2))), (3, np.zeros(2)), (-1, np.zeros(2))):
        with pytest.raises(ValueError, match="rows"):
            rows[index] = values
    for index in (3, -1, np.array([0, 3])):
        with pytest.raises(IndexError, match="rows"):
            rows[index]
    assert not np.load(tmp_path / "x.npy").any()
    for array in (np.zeros(()), np.zeros((2, 3), order="F")):
        np.save(tmp_path / "y.npy", array)
        with pytest.raises(ValueError, match="rows"):
            Rows(tmp_path / "y.npy")


def test_a_new_file_takes_its_room_at_once(tmp_path):
    new_rows(tmp_path / "x.npy", np.uint8, (4, 64, 64))
    assert (tmp_path / "x.npy").stat().st_size == 4 * 64 * 64 + 128
    if hasattr(os, "posix_fallocate"):
        assert (tmp_path / "x.npy").stat().st_blocks * 512 >= 4 * 64 * 64


def test_what_was_read_or_written_stays_no_memory(tmp_path):
    num, side = 400, 256
    rows = new_rows(tmp_path / "x.npy", np.uint8, (num, side, side, 3))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for row in range(num):
        rows[row] = rows[row] + np.uint8(1)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < num * side * side * 3 / 4
