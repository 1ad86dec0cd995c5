"""The pixels of a page of a TIFF, some rows at a time."""

import math
from pathlib import Path

import numpy as np
import tifffile

from incmask.base.errors import fail
from incmask.data.images.pages import Plane, as_displayed, check_page

_MAX_PIECE_BYTES = 1 << 30
_MAX_SIDE_PX = 1 << 20


class PageRows:
    """A page, decoded piece by piece: (H, W, C) in the file's own type.

    Args:
        path: for messages.
        file: opened.
        plane: the page, and where its pixels begin.
        keeps_alpha: whether an alpha channel is the last one; else it is left out.

    Raises:
        IncmaskError: the page has no rows of pixels, or stores them in a single large compressed piece.
        Exception: tifffile's, of a broken file.
    """

    def __init__(self, path: Path, file: tifffile.TiffFile, plane: Plane, *, keeps_alpha: bool = False):
        self._keeps_alpha = keeps_alpha
        self._path, self._file, self._page, self._skipped = path, file, plane.page, plane.skipped
        self._decoded: dict[int, np.ndarray] = {}
        self._look()

    def read(self, first: int, last: int) -> np.ndarray:
        """Rows ``first`` to ``last - 1``: (rows, W, C)."""
        values = self._read_plain(first, last) if self._plain else self._read_pieces(first, last)
        shown = as_displayed(self._page, values)
        if self._keeps_alpha and shown.alpha is not None:
            return np.dstack([shown.values, shown.alpha])
        return shown.values if shown.palette is None else shown.palette[shown.values[..., 0]]

    def _look(self) -> None:
        """Find out how the pixels are stored, and refuse what cannot be read."""
        page, path = self._page, self._path
        self.height, self.width = page.imagelength, page.imagewidth
        if max(self.height, self.width) > _MAX_SIDE_PX or self.height * self.width == 0:
            raise fail(path, f"has {self.width}×{self.height} pixels", f"give it sides of 1 to {_MAX_SIDE_PX}")
        self._dtype, self._separate = check_page(path, self._file, page), page.axes == "SYX"
        strip = (min(int(page.rowsperstrip), self.height), self.width)
        self._side = (page.tilelength, page.tilewidth) if page.is_tiled else strip
        # An uncompressed page is one run of numbers, however it is cut into strips.
        self._plain = bool(page.is_contiguous) and page.compression == 1 and page.bitspersample in (8, 16, 32, 64)
        if self._skipped and not self._plain:
            raise fail(path, "tells of one page only, though it has several", "save it as OME-TIFF")
        piece_bytes = math.prod(self._side) * page.samplesperpixel * self._dtype.itemsize
        if not self._plain and piece_bytes > _MAX_PIECE_BYTES:
            raise fail(path, f"stores its pixels in pieces of {piece_bytes >> 20} MiB", "save it as a tiled TIFF")

    def _read_plain(self, first: int, last: int) -> np.ndarray:
        page, handle = self._page, self._file.filehandle
        dtype = self._dtype.newbyteorder(self._file.byteorder)
        samples = page.samplesperpixel
        row_numbers = self.width * (1 if self._separate else samples)
        planes = []
        for plane in range(samples if self._separate else 1):
            start = self._skipped + (plane * self.height + first) * row_numbers
            handle.seek(page.dataoffsets[0] + start * dtype.itemsize)
            content = handle.read((last - first) * row_numbers * dtype.itemsize)
            planes.append(np.frombuffer(content, dtype).reshape(last - first, self.width, -1))
        return np.concatenate(planes, 2).astype(self._dtype, copy=False)

    def _read_pieces(self, first: int, last: int) -> np.ndarray:
        height = self._side[0]
        needed = range(first // height, -(-last // height))
        # The next rows overlap these; what lies above is not asked for again.
        self._decoded = {row: pieces for row, pieces in self._decoded.items() if row >= needed.start}
        parts = []
        for row in needed:
            if row not in self._decoded:
                self._decoded[row] = self._decode_row(row)
            top = row * height
            parts.append(self._decoded[row][max(0, first - top) : last - top])
        return np.concatenate(parts)

    def _decode_row(self, row: int) -> np.ndarray:
        """Give all pieces that lie side by side in a row of them."""
        page, (height, width) = self._page, self._side
        num_rows, num_columns = -(-self.height // height), -(-self.width // width)
        num_planes = page.samplesperpixel if self._separate else 1
        samples = page.samplesperpixel // num_planes
        values = np.zeros((min(height, self.height - row * height), self.width, num_planes * samples), self._dtype)
        tables = {"jpegtables": page.jpegtables} if page.jpegtables is not None else {}
        for plane in range(num_planes):
            for column in range(num_columns):
                index = (plane * num_rows + row) * num_columns + column
                if page.databytecounts[index] == 0:  # left out by the writer, since it is empty
                    continue
                self._file.filehandle.seek(page.dataoffsets[index])
                content = self._file.filehandle.read(page.databytecounts[index])
                piece = page.decode(content, index, **tables)[0]
                assert piece is not None
                left = column * width
                piece = piece[0, : len(values), : self.width - left]
                values[: piece.shape[0], left : left + piece.shape[1], plane * samples : (plane + 1) * samples] = piece
        return values
