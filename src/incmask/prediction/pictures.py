"""Pictures of an image's own size, taken some rows at a time: PNG, or tiled TIFF where they are large."""

import io
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import tifffile

from incmask.base.files import TEMPORARY_SUFFIX, cannot_write, whole_file, write_bytes
from incmask.base.shards import Keep
from incmask.data.dataset import Colour
from incmask.data.images.writers import as_png, indexed_png

BIG_PIXELS = 1 << 26
"""From so many pixels on, a picture is a tiled TIFF, of which viewers need not read all."""

_TILE_PX = 512


class PictureWriter:
    """Takes the rows of a picture and writes it when all are there, whole or not at all.

    A picture that comes in one part stays in memory; several parts wait on disk, beside the target.

    Args:
        path: without an ending; ``write`` chooses it.
        size: height and width.
        colours: of the ids; None: the values are a picture already.
        keep: what takes files into an archive, but for large ones; None: each lies for itself.
    """

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        *,
        colours: Sequence[Colour] | None = None,
        keep: Keep | None = None,
    ):
        self._path, self._size, self._colours, self._keep = path, size, colours, keep
        self._parts: Spool | None = None
        self._whole: np.ndarray | None = None
        self._dtype = np.dtype(np.uint8)

    def add(self, rows: np.ndarray) -> None:
        """Take the rows that come next: whole numbers, (rows, W) or (rows, W, 3), or float32, (rows, W)."""
        if rows.dtype == np.float32:
            self._dtype = rows.dtype
        if len(rows) == self._size[0]:
            self._whole = rows
            return
        if self._parts is None:
            self._parts = Spool(self._path.parent, rows)
        self._parts.add(rows)

    def write(self, *, table: np.ndarray | None = None) -> Path:
        """Write the file, and remove one of the other ending from an earlier time.

        Args:
            table: the id that each value becomes; None: values stay.

        Returns:
            Its path: ``.png`` for up to ``BIG_PIXELS`` pixels of 8 bits, else ``.tif``, as always for float32.
        """
        dtype = np.min_scalar_type(int(table.max())) if table is not None else self._dtype
        is_large = self._size[0] * self._size[1] >= BIG_PIXELS
        is_tiff = is_large or dtype.itemsize > 1
        png, tiff = (self._path.with_name(f"{self._path.name}{ending}") for ending in (".png", ".tif"))
        path, other = (tiff, png) if is_tiff else (png, tiff)
        if self._keep is not None and not is_large:
            content = io.BytesIO()
            self._write_tiff(content, dtype, table) if is_tiff else content.write(self._as_png(path, table))
            return self._keep(path, content.getvalue())
        if is_tiff:
            with whole_file(path) as temporary:
                self._write_tiff(temporary, dtype, table)
        else:
            write_bytes(path, self._as_png(path, table))
        other.unlink(missing_ok=True)
        return path

    def _as_png(self, path: Path, table: np.ndarray | None) -> bytes:
        values = self._rows(0, self._size[0], table)
        if self._colours is not None:
            return indexed_png(values, self._colours)
        return as_png(path, values) if values.ndim == 2 else cv2.imencode(".png", values[..., ::-1])[1].tobytes()

    def close(self) -> None:
        """Let go of what waits on disk."""
        if self._parts is not None:
            self._parts.close()

    def _rows(self, first: int, last: int, table: np.ndarray | None) -> np.ndarray:
        if self._whole is not None:
            rows = self._whole[first:last]
        else:
            assert self._parts is not None, "rows come before the picture is written"
            rows = self._parts.read(first, last)
        return rows if table is None else table.astype(np.min_scalar_type(int(table.max())))[rows]

    def _write_tiff(self, to: Path | io.BytesIO, dtype: np.dtype, table: np.ndarray | None) -> None:
        height, width = self._size
        colour = self._rows(0, 1, table).shape[2:]
        photometric, colour_map = "rgb" if colour else "minisblack", None
        if self._colours is not None:
            photometric, colour_map = "palette", np.zeros((3, 256), np.uint16)
            colour_map[:, : len(self._colours)] = np.array(self._colours, np.uint16).T * 257
        with tifffile.TiffWriter(to, bigtiff=height * width >= 1 << 30) as writer:
            writer.write(
                self._tiles(dtype, colour, table),
                shape=(height, width, *colour),
                dtype=dtype,
                tile=(_TILE_PX, _TILE_PX),
                compression="zlib",
                photometric=photometric,
                colormap=colour_map,
                metadata=None,
            )

    def _tiles(self, dtype: np.dtype, colour: tuple[int, ...], table: np.ndarray | None) -> Iterator[np.ndarray]:
        height, width = self._size
        for top in range(0, height, _TILE_PX):
            rows = self._rows(top, min(top + _TILE_PX, height), table)
            for left in range(0, width, _TILE_PX):
                part = rows[:, left : left + _TILE_PX]
                tile = np.zeros((_TILE_PX, _TILE_PX, *colour), dtype)
                tile[: part.shape[0], : part.shape[1]] = part
                yield tile


class Spool:
    """Rows of an array on disk, in a file that has no name and goes with the process.

    Args:
        folder: where there is room for it; made if it is not there.
        like: rows of the shape and type that will come.

    Raises:
        IncmaskError: the folder cannot be written to.
    """

    def __init__(self, folder: Path, like: np.ndarray):
        self._folder, self._dtype, self._shape = folder, like.dtype, like.shape[1:]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=folder, suffix=TEMPORARY_SUFFIX)  # noqa: SIM115
        except OSError as error:
            raise cannot_write(self._folder, error) from error

    def add(self, rows: np.ndarray) -> None:
        """Put rows behind those that are there."""
        try:
            self._file.write(np.ascontiguousarray(rows).data)
        except OSError as error:
            raise cannot_write(self._folder, error) from error

    def read(self, first: int, last: int) -> np.ndarray:
        """Rows ``first`` to ``last - 1``."""
        row_bytes = int(np.prod(self._shape)) * self._dtype.itemsize
        self._file.seek(first * row_bytes)
        content = self._file.read((last - first) * row_bytes)
        self._file.seek(0, 2)
        return np.frombuffer(content, self._dtype).reshape(last - first, *self._shape)

    def close(self) -> None:
        """Give the room back."""
        self._file.close()
