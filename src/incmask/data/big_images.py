"""Images read some rows at a time, so that one larger than memory can be predicted."""

import math
from pathlib import Path
from typing import Protocol

import numpy as np
import tifffile

from incmask.data.readers import to_network_range
from incmask.errors import IncmaskError, fail

STRIP_ROWS = 256
"""PixelRows that are looked at together where something is found out about a whole image."""

_MAX_PIECE_BYTES = 1 << 30
_MAX_SIDE_PX = 1 << 20
_PERCENTILES = (0.1, 99.9)
_ALPHA = (tifffile.EXTRASAMPLE.ASSOCALPHA, tifffile.EXTRASAMPLE.UNASSALPHA)


class PixelRows(Protocol):
    """An image of which some rows at a time are in memory.

    Attributes:
        height, width: in pixels.
    """

    height: int
    width: int

    def read(self, first: int, last: int) -> np.ndarray:
        """PixelRows ``first`` to ``last - 1``: (rows, W, C)."""

    def close(self) -> None:
        """Let go of the file, if there is one."""


class ArrayRows:
    """An image that is in memory.

    Args:
        image: (H, W, C).
    """

    def __init__(self, image: np.ndarray):
        self._image = image
        self.height, self.width = image.shape[:2]

    def read(self, first: int, last: int) -> np.ndarray:
        """PixelRows ``first`` to ``last - 1``: (rows, W, C)."""
        return self._image[first:last]

    def close(self) -> None:
        """Nothing to let go of."""


class TiffRows:
    """The full-size page of a TIFF, decoded piece by piece: (H, W, C) in the file's own type, without alpha.

    Args:
        path: the file. Smaller copies of the picture (pyramids) are passed over.

    Raises:
        IncmaskError: the file is broken, has several pages, or stores its pixels in a single large compressed piece.
    """

    def __init__(self, path: Path):
        self._path = path
        self._decoded: dict[int, np.ndarray] = {}
        try:
            self._file = tifffile.TiffFile(path)
        except Exception as error:  # tifffile raises anything on broken files
            raise _broken(path, error) from error
        try:
            self._page = _full_page(path, self._file)
            self._look()
        except IncmaskError:
            self.close()
            raise
        except Exception as error:
            self.close()
            raise _broken(path, error) from error

    def read(self, first: int, last: int) -> np.ndarray:
        """PixelRows ``first`` to ``last - 1``: (rows, W, C)."""
        try:
            values = self._read_plain(first, last) if self._plain else self._read_pieces(first, last)
        except Exception as error:  # decoders raise anything on broken files
            raise _broken(self._path, error) from error
        return self._as_displayed(values)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _look(self) -> None:
        """Find out how the pixels are stored, and refuse what cannot be read."""
        page, path = self._page, self._path
        self.height, self.width = page.imagelength, page.imagewidth
        if max(self.height, self.width) > _MAX_SIDE_PX or self.height * self.width == 0:
            raise fail(path, f"has {self.width}×{self.height} pixels", f"give it sides of 1 to {_MAX_SIDE_PX}")
        axes, separated = page.axes, page.photometric == tifffile.PHOTOMETRIC.SEPARATED
        if page.dtype is None or axes not in ("YX", "YXS", "SYX") or separated:
            raise fail(path, f"is a TIFF with axes {axes}", "save it as a grey or RGB TIFF, or as PNG")
        ends = (offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True))
        if max(ends, default=0) > self._file.filehandle.size:
            raise ValueError("the file ends before its pixel data")
        self._dtype, self._separate = page.dtype, axes == "SYX"
        strip = (min(int(page.rowsperstrip), self.height), self.width)
        self._side = (page.tilelength, page.tilewidth) if page.is_tiled else strip
        # An uncompressed page is one run of numbers, however it is cut into strips.
        self._plain = bool(page.is_contiguous) and page.compression == 1 and page.bitspersample in (8, 16, 32, 64)
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
            start = (plane * self.height + first) * row_numbers * dtype.itemsize
            handle.seek(page.dataoffsets[0] + start)
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
        """All pieces that lie side by side in a row of them."""
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

    def _as_displayed(self, values: np.ndarray) -> np.ndarray:
        page = self._page
        extra = page.extrasamples
        if values.shape[2] > 1 and extra and extra[-1] in _ALPHA:
            values = values[..., :-1]
        if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE and values.dtype in (np.bool_, np.uint8, np.uint16):
            values = ~values
        if values.dtype == np.bool_:
            values = values.astype(np.uint8) * np.uint8(255)
        if page.photometric == tifffile.PHOTOMETRIC.PALETTE and page.colormap is not None:
            table = np.ascontiguousarray((np.asarray(page.colormap) >> 8).astype(np.uint8).T)
            values = table[values[..., 0]]
        return values


class NetworkRows:
    """PixelRows as the network sees them: 8 bits and its number of channels.

    Args:
        rows: of any type.
        channels, intensity: as for ``to_network_range``.
        where: the file, for messages.

    Raises:
        IncmaskError: intensities that are neither of 8 nor of 16 bits, for which no two are named.
    """

    def __init__(self, rows: PixelRows, *, channels: int, intensity: tuple[float, float] | None, where: object = ""):
        self._rows, self._channels, self._where = rows, channels, where
        self.height, self.width = rows.height, rows.width
        # Channels of their own have limits of their own.
        known = intensity is not None or rows.read(0, 1).dtype == np.uint8
        self._limits = [intensity] if known else _limits(rows, where)

    def read(self, first: int, last: int) -> np.ndarray:
        """PixelRows ``first`` to ``last - 1``: uint8, (rows, W, channels)."""
        values = self._rows.read(first, last)
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise fail(self._where, "has NaN or infinite intensities", "replace them by numbers, such as 0")
        if len(self._limits) > 1:
            planes = [
                to_network_range(values[..., [index]], 1, intensity=limits) for index, limits in enumerate(self._limits)
            ]
            values = np.concatenate(planes, 2)
            return to_network_range(values, self._channels, where=self._where)
        return to_network_range(values, self._channels, intensity=self._limits[0], where=self._where)

    def close(self) -> None:
        """Let go of the file, if there is one."""
        self._rows.close()


def open_big_image(path: Path, *, at_least: int) -> TiffRows | None:
    """Open a TIFF of ``at_least`` pixels or more; None for everything else, which is read whole.

    Raises:
        IncmaskError: it is such a TIFF but cannot be read; see ``TiffRows``.
    """
    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages.first
            if page.imagelength * page.imagewidth < at_least:
                return None
    except Exception:  # no TIFF, or a broken one, of which the usual reader says more
        return None
    return TiffRows(path)


def _full_page(path: Path, file: tifffile.TiffFile) -> tifffile.TiffPage:
    pages = [page for page in file.pages if not page.aspage().is_reduced]
    if len(pages) != 1:
        # Scanners of slides keep copies, labels and overviews as pages that do not say that they are.
        levels = file.series[0].levels
        if len(levels) > 1 and len(levels[0].pages) == 1 and levels[0].pages[0] is not None:
            return levels[0].pages[0].aspage()
        raise fail(
            path,
            f"is a TIFF of {len(pages)} pages; one page a file is read",
            "save each page as a file of its own, or, where the pages are channels, as one page with all channels",
        )
    return pages[0].aspage()


def _limits(rows: PixelRows, where: object) -> list[tuple[float, float] | None]:
    """The percentiles that ``to_network_range`` takes of a whole image: one pair, or one for each channel."""
    first = rows.read(0, 1)
    if first.dtype != np.uint16:
        raise fail(
            where,
            f"is too large to find the range of its {first.dtype} intensities",
            "save it with 8 or 16 bits, or name the range as `intensity` when training",
        )
    num = 1 if first.shape[2] in (1, 3) else first.shape[2]
    counts = np.zeros((num, 1 << 16), np.int64)
    for top in range(0, rows.height, STRIP_ROWS):
        values = rows.read(top, min(top + STRIP_ROWS, rows.height))
        for index in range(num):
            part = values if num == 1 else values[..., index]
            counts[index] += np.bincount(part.ravel(), minlength=1 << 16)
    return [_percentiles(each) for each in counts]


def _percentiles(counts: np.ndarray) -> tuple[float, float]:
    """The percentiles of as many whole numbers 0, 1, 2, … as ``counts`` says, linear between neighbours."""
    up_to = np.cumsum(counts)
    low, high = (_number_at(up_to, (int(up_to[-1]) - 1) * percent / 100) for percent in _PERCENTILES)
    return low, high


def _number_at(up_to: np.ndarray, place: float) -> float:
    before = math.floor(place)
    low, high = np.searchsorted(up_to, [before, min(before + 1, int(up_to[-1]) - 1)], side="right")
    return float(low + (place - before) * (high - low))


def _broken(path: Path, error: Exception) -> IncmaskError:
    text = (str(error).strip() or type(error).__name__).splitlines()[0][:120]
    return fail(path, f"is broken or truncated ({text})", "copy or export the file again")
