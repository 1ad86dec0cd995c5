"""One predicted label file: what occurs in it, and its class ids."""

from pathlib import Path

import numpy as np

from incmask.base.caller import option
from incmask.base.errors import fail
from incmask.data.folder.recognise import Recognised
from incmask.data.images.decode import MAX_PIXELS, Raster, decode, read_bytes
from incmask.data.images.masks import MaskFacts, decode_mask, grey_values, mask_facts, pack_colours
from incmask.prediction.other_models.find import ARRAY_SUFFIX, AS_ARRAYS

_MOST = (1 << 16) - 1
_AS_LABELS = "save the class of each pixel as a whole number"


def prediction_facts(path: Path, *, threshold: float | None) -> MaskFacts:
    """Read a label file and count its values.

    Args:
        path: an image, or a NumPy array (H, W).
        threshold: floating values are probabilities, and foreground above it; None: they are class ids.

    Raises:
        IncmaskError: the file is broken, or holds what is no label.
    """
    values = _read_array(path, threshold)
    if values is None:
        facts = mask_facts(path)
        if facts.grid is not None:
            raise fail(path, "is a volume", AS_ARRAYS)
        return facts
    found, counts = np.unique(values, return_counts=True)
    if found[0] < 0 or found[-1] > _MOST:
        what = f"has values from {found[0]} to {found[-1]}; those of classes are 0 to {_MOST}"
        raise fail(path, what, _AS_LABELS)
    height, width = values.shape
    pixels = dict(zip(found.tolist(), counts.tolist(), strict=True))
    return MaskFacts(path, height, width, is_colour=False, counts=pixels, palette=None, is_lossy=False)


def read_ids(path: Path, spelling: Recognised, *, threshold: float | None) -> np.ndarray:
    """Read a label file as class ids: uint8 (H, W).

    Raises:
        IncmaskError: the file is broken, or holds what it did not hold when its folder was looked through.
    """
    values = _read_array(path, threshold)
    raster = decode_mask(path, read_bytes(path)) if values is None else Raster(values)
    keys = pack_colours(raster.to_colour()) if spelling.encoding.kind == "colour" else grey_values(raster)
    ids = spelling.ids()
    known = np.array(sorted(ids), np.int64)
    place = np.searchsorted(known[:-1], keys)
    if (known[place] != keys).any():
        raise fail(path, "was changed while it was read", "wait until it is written, and call again")
    return np.array([ids[key] for key in known.tolist()], np.uint8)[place]


def _read_array(path: Path, threshold: float | None) -> np.ndarray | None:
    """Read whole numbers (H, W) from an array or a floating TIFF; None: another image, which is decoded as a mask."""
    suffix = path.suffix.casefold()
    if suffix == ARRAY_SUFFIX:
        values = _load(path)
    elif suffix in (".tif", ".tiff"):
        values = decode(path, read_bytes(path)).values
        if values.dtype.kind != "f" or values.ndim > 2:
            return None
    else:
        return None
    return _whole(path, values, threshold) if values.dtype.kind == "f" else values


def _load(path: Path) -> np.ndarray:
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        line = (str(error).splitlines() or ["empty"])[0]
        raise fail(path, f"is no array that can be read ({line})", "write it with numpy.save") from error
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "buif":
        raise fail(path, "holds no numbers", "write the labels with numpy.save, as whole numbers")
    if values.ndim == 3 and 1 in (values.shape[0], values.shape[-1]):
        values = values[0] if values.shape[0] == 1 else values[..., 0]
    if values.ndim != 2:
        remedy = "write the likeliest class of each pixel, or, where classes overlap, a folder for each with (H, W)"
        raise fail(path, f"has shape {values.shape}, expected (H, W)", remedy)
    if not values.size:
        raise fail(path, "has no pixels", "write it again")
    if values.size > MAX_PIXELS:
        what = f"has {values.size} pixels, more than the {MAX_PIXELS // 10**6} million that are read"
        raise fail(path, what, "cut it into tiles")
    return np.array(values, np.uint8 if values.dtype == bool else None)


def _whole(path: Path, values: np.ndarray, threshold: float | None) -> np.ndarray:
    if not np.isfinite(values).all():
        raise fail(path, "has values that are NaN or infinite", "write a number for each pixel")
    least, most = values.min(), values.max()
    if threshold is not None:
        if least < 0 or most > 1:
            what = (
                f"has values from {least:g} to {most:g}, where {option('threshold')} expects probabilities from 0 to 1"
            )
            raise fail(path, what, f"write probabilities, or leave out {option('threshold')} and {_AS_LABELS}")
        return (values > threshold).astype(np.uint8)
    if np.abs(values).max() > _MOST or (values != np.rint(values)).any():
        what = f"has fractions from {least:g} to {most:g}, as probabilities are"
        raise fail(path, what, f"give {option('threshold', 0.5)} if they are those of a foreground; else {_AS_LABELS}")
    return values.astype(np.int64)
