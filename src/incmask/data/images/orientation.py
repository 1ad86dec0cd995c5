"""Which way up a file says that its pixels are to be shown: the orientation of EXIF, TIFF and XMP."""

import io
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import tifffile

ORIENTATION = 0x0112
UPRIGHT = 1

_XMP = re.compile(rb"tiff:Orientation(?:=[\"']|>)\s*([1-8])")
_EXIF_START = b"Exif\x00\x00"


def upright(values: np.ndarray, orientation: int) -> np.ndarray:
    """Turn and mirror (H, W, ...) pixels as ``orientation``, 1 to 8, says that they are to be shown."""
    if orientation >= 5:
        values = values.swapaxes(0, 1)
    # What is left after the transposition of 5 to 8: which axes run backwards (EXIF 2.3, tag 274).
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    return np.ascontiguousarray(values)


def of_page(page: tifffile.TiffPage) -> int:
    """Give the orientation of a page of a TIFF."""
    value = page.tags.valueof(ORIENTATION)
    return value if value in range(1, 9) else UPRIGHT


def of_exif(exif: bytes) -> int:
    """Give the orientation that an EXIF block tells, with or without its leading name; 1 where it tells none."""
    try:
        # An EXIF block is a TIFF without pixels.
        with tifffile.TiffFile(io.BytesIO(exif.removeprefix(_EXIF_START))) as file:
            return of_page(file.pages.first)
    except Exception:  # a broken block says nothing about the pixels, and tifffile raises anything on it
        return UPRIGHT


def of_xmp(xmp: bytes) -> int:
    """Give the orientation that XMP metadata tell; 1 where they tell none."""
    found = _XMP.search(xmp)
    return int(found[1]) if found else UPRIGHT


def of_png(told: Mapping[Any, Any]) -> int:
    """Give the orientation that a PNG's blocks tell, as Pillow lists them: eXIf, its older spelling, or XMP."""
    exif = told.get("exif")
    if exif is None and (raw := told.get("Raw profile type exif")) is not None:
        try:
            exif = bytes.fromhex("".join(str(raw).split("\n")[3:]))
        except ValueError:
            exif = b""
    orientation = of_exif(exif) if exif else UPRIGHT
    return orientation if orientation != UPRIGHT else of_xmp(str(told.get("XML:com.adobe.xmp", "")).encode())


def take_exif(content: bytes) -> tuple[bytes, int]:
    """Split off a JPEG's EXIF and XMP blocks, since Pillow warns where they are broken, and read what they tell.

    Returns:
        the JPEG without them, and the orientation.
    """
    kept, exif, xmp, at = [content[:2]], b"", b"", 2
    while at + 4 <= len(content) and content[at] == 0xFF and content[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(content[at + 2 : at + 4], "big")
        block = content[at + 4 : end]
        if content[at + 1] != 0xE1:
            kept.append(content[at:end])
        elif block.startswith(_EXIF_START):
            exif = block
        else:
            xmp += block
        at = end
    orientation = of_exif(exif) if exif else UPRIGHT
    return b"".join([*kept, content[at:]]), orientation if orientation != UPRIGHT else of_xmp(xmp)
