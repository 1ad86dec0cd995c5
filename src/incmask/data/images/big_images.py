"""Images read some rows at a time, so that one larger than memory can be predicted."""

import math
from pathlib import Path
from typing import Protocol

import numpy as np
import tifffile

from incmask.base.errors import IncmaskError, fail
from incmask.data.images.decode import broken
from incmask.data.images.intensity import HUGE, PERCENTILES, as_intensities, to_bytes, to_channels
from incmask.data.images.orientation import UPRIGHT, of_page
from incmask.data.images.page_rows import PageRows
from incmask.data.images.pages import full_planes, missing_of, no_data_of

STRIP_ROWS = 256
"""Rows that are looked at together where something is found out about a whole image."""

_REPLACE = "copy or export the file again"


class PixelRows(Protocol):
    """An image of which some rows at a time are in memory.

    Attributes:
        height, width: in pixels.
    """

    height: int
    width: int

    def read(self, first: int, last: int) -> np.ndarray:
        """Rows ``first`` to ``last - 1``: (rows, W, C)."""

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
        """Rows ``first`` to ``last - 1``: (rows, W, C)."""
        return self._image[first:last]

    def close(self) -> None:
        """Nothing to let go of."""


class TiffRows:
    """The full-size picture of a TIFF, decoded piece by piece: (H, W, C) in the file's own type, without alpha.

    Args:
        path: the file: of one page, or of one for each channel; see ``full_planes``.
        channels: that are wanted; where an alpha channel makes so many, it is the last one.

    Attributes:
        no_data: the value of pixels that were not measured; None where the file names none.
        missing: (H, W), the pixels that the file masks; None: it masks none.

    Raises:
        IncmaskError: the file is broken, has several pages that are no channels, or stores its pixels in a single
            large compressed piece.
    """

    def __init__(self, path: Path, *, channels: int | None = None):
        self._path = path
        try:
            # Pixels in other files, which OME-TIFF allows, are not looked for there.
            self._file = tifffile.TiffFile(path, _multifile=False)
        except Exception as error:  # tifffile raises anything on broken files
            raise broken(path, error, _REPLACE) from error
        try:
            planes = full_planes(path, self._file)
            keeps_alpha = planes[0].page.samplesperpixel == channels
            self._planes = [PageRows(path, self._file, plane, keeps_alpha=keeps_alpha) for plane in planes]
            self.no_data = no_data_of(planes[0].page)
            self.missing = missing_of(self._file, planes[0].page)
        except IncmaskError:
            self.close()
            raise
        except Exception as error:
            self.close()
            raise broken(path, error, _REPLACE) from error
        self.height, self.width = self._planes[0].height, self._planes[0].width

    def read(self, first: int, last: int) -> np.ndarray:
        """Rows ``first`` to ``last - 1``: (rows, W, C)."""
        try:
            parts = [plane.read(first, last) for plane in self._planes]
        except Exception as error:  # decoders raise anything on broken files
            raise broken(self._path, error, _REPLACE) from error
        return parts[0] if len(parts) == 1 else np.concatenate(parts, 2)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


class NetworkRows:
    """Rows as the network sees them: 8 bits and its number of channels.

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
        file = rows if isinstance(rows, TiffRows) else None
        self._no_data, self._missing = (file.no_data, file.missing) if file else (None, None)
        # Channels of their own have limits of their own.
        is_narrow = rows.read(0, 1).dtype == np.uint8
        self._limits = (
            [] if is_narrow else [intensity] if intensity else _limits(rows, self._no_data, self._missing, where)
        )

    def read(self, first: int, last: int) -> np.ndarray:
        """Rows ``first`` to ``last - 1``: uint8, (rows, W, channels)."""
        values = self._rows.read(first, last)
        if values.dtype.kind == "f":  # of all rows these stand apart, and may of some be all that there is
            values = np.where(np.abs(values) < HUGE, values, np.nan)
        missing = None if self._missing is None else self._missing[first:last]
        values = as_intensities(values, no_data=self._no_data, missing=missing)
        return to_channels(
            to_bytes(values, self._limits) if self._limits else values, self._channels, where=self._where
        )

    def close(self) -> None:
        """Let go of the file, if there is one."""
        self._rows.close()


def open_big_image(path: Path, *, at_least: int, channels: int) -> TiffRows | None:
    """Open a TIFF of ``at_least`` pixels or more; None for everything else, which is read whole.

    Args:
        path: the file.
        at_least: pixels.
        channels: as for ``TiffRows``.

    Raises:
        IncmaskError: it is such a TIFF but cannot be read; see ``TiffRows``.
    """
    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages.first
            if page.imagelength * page.imagewidth < at_least or of_page(page) != UPRIGHT:
                return None
    except Exception:  # no TIFF, or a broken one, of which the usual reader says more
        return None
    return TiffRows(path, channels=channels)


def _limits(
    rows: PixelRows, no_data: float | None, missing: np.ndarray | None, where: object
) -> list[tuple[float, float]]:
    """Give what ``limits_of`` gives for a whole image."""
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
        if missing is not None:
            values = values[~missing[top : top + STRIP_ROWS]][:, None]
        for index in range(num):
            part = values if num == 1 else values[..., index]
            counts[index] += np.bincount(part.ravel(), minlength=1 << 16)
    if no_data is not None and no_data in range(1 << 16):
        counts[:, int(no_data)] = 0
    return [_percentiles(each) for each in counts]


def _percentiles(counts: np.ndarray) -> tuple[float, float]:
    """Give the percentiles of as many whole numbers 0, 1, 2, … as ``counts`` says, linear between neighbours."""
    found = np.flatnonzero(counts)
    if not len(found):
        return 0.0, 0.0
    up_to = np.cumsum(counts)
    low, high = (_number_at(up_to, (int(up_to[-1]) - 1) * percent / 100) for percent in PERCENTILES)
    return (low, high) if low < high else (float(found[0]), float(found[-1]))


def _number_at(up_to: np.ndarray, place: float) -> float:
    before = math.floor(place)
    low, high = np.searchsorted(up_to, [before, min(before + 1, int(up_to[-1]) - 1)], side="right")
    return float(low + (place - before) * (high - low))
