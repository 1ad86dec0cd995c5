"""Single files written anew: a mask moved, an image turned upright."""

from pathlib import Path

import cv2
import numpy as np

from incmask.base.files import write_bytes
from incmask.data.dataset import MaskEncoding
from incmask.data.images.decode import Raster
from incmask.data.images.orientation import UPRIGHT
from incmask.data.images.writers import write_indexed, write_tiff

_PNG_TYPES = (np.uint8, np.uint16)


def moved(values: np.ndarray, step_px: tuple[int, int], *, fill: int | tuple[int, int, int] | None) -> np.ndarray:
    """Move a mask down and right; where nothing is known it has ``fill``, or goes on as at its edge.

    Args:
        values: (H, W) or (H, W, 3), as the file has them.
        step_px: rows down and columns right, less than the mask's size.
        fill: the value of pixels without a label; None: there is none.

    Examples:
        >>> moved(np.array([[1, 2, 3]]), (0, 1), fill=None), moved(np.array([[1, 2, 3]]), (0, -1), fill=255)
        (array([[1, 1, 2]]), array([[  2,   3, 255]]))
    """
    (down, right), (height, width) = step_px, values.shape[:2]
    rows, columns = np.arange(height) - down, np.arange(width) - right
    shifted = values[np.clip(rows, 0, height - 1)[:, None], np.clip(columns, 0, width - 1)]
    if fill is not None:
        shifted[(rows < 0) | (rows >= height)] = fill
        shifted[:, (columns < 0) | (columns >= width)] = fill
    return np.asarray(shifted)


def no_label_of(encoding: MaskEncoding, raster: Raster) -> int | tuple[int, int, int] | None:
    """Give what stands for pixels without a label in a mask; None where nothing does, or this file cannot spell it."""
    ignore = encoding.ignore
    is_colour = raster.palette is None and raster.values.ndim == 3
    return ignore if isinstance(ignore, tuple) == is_colour else None


def is_mendable(raster: Raster) -> bool:
    """Tell whether a file is turned, and says nothing that would be lost where it is written upright."""
    return raster.orientation != UPRIGHT and raster.no_data is None and raster.missing is None


def write_raster(path: Path, raster: Raster, values: np.ndarray, taken: frozenset[Path]) -> Path:
    """Write values as a file that loses nothing and needs no orientation.

    Args:
        path: where the file would be if it kept its ending.
        raster: that they are of, which tells of palette and alpha.
        values: as ``Raster.values``.
        taken: paths of other files.

    Returns:
        Its path: with the ending .png, or .tif where there is another file of that name or PNG cannot hold it.
    """
    if raster.alpha is not None:
        if raster.palette is not None:
            values = Raster(values, palette=raster.palette).to_colour()
        values = np.dstack([np.repeat(values[..., None], 3, 2) if values.ndim == 2 else values, raster.alpha])
    is_png = values.dtype in _PNG_TYPES and (values.ndim == 2 or values.shape[2] in (3, 4))
    png = path.with_suffix(".png")
    if not is_png or (png != path and png in taken):
        target = path if path.suffix.casefold() in (".tif", ".tiff") else path.with_suffix(".tif")
        write_tiff(target, values if raster.palette is None else Raster(values, palette=raster.palette).to_colour())
        return target
    if raster.palette is not None and raster.alpha is None:
        write_indexed(png, values.astype(np.uint8), [(int(r), int(g), int(b)) for r, g, b in raster.palette])
        return png
    order = [2, 1, 0, 3][: values.shape[2]] if values.ndim == 3 else None
    write_bytes(png, cv2.imencode(".png", values if order is None else values[..., order])[1].tobytes())
    return png
