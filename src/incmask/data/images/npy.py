"""Arrays of NumPy's own format as images: a signal is an image of one row."""

import io
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from incmask.base.errors import fail

NPY_START = npy.MAGIC_PREFIX


def array_of(path: Path, content: bytes) -> np.ndarray:
    """Give the array of a ``.npy`` file as (H, W) or (H, W, C); N numbers as (1, N).

    Raises:
        IncmaskError: it holds no real numbers, or other axes.
        ValueError: it is broken, or not as long as it says.
    """
    stream = io.BytesIO(content)
    read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[npy.read_magic(stream)]
    shape, is_fortran, dtype = read(stream)
    if dtype.kind not in "buif" or dtype.itemsize > 8:
        raise fail(path, f"holds {dtype}", "save real numbers, such as float32")
    if not 1 <= len(shape) <= 3 or 0 in shape:
        raise fail(path, f"has the shape {shape}", "save (N,) for a signal, (H, W) or (H, W, channels) for an image")
    values = np.frombuffer(content, dtype, offset=stream.tell())
    if values.size != int(np.prod(shape, dtype=object)):
        raise ValueError(f"{values.size} numbers, expected {shape}")
    array = values.reshape(shape, order="F" if is_fortran else "C")
    array = array[None] if array.ndim == 1 else array
    return np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="), copy=False))
