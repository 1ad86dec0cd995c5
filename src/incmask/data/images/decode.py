"""Image files to arrays: PNG, JPEG, BMP and TIFF, told apart by content, guarded against what is broken or huge."""

import io
import logging
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import tifffile
from PIL import BmpImagePlugin, Image, JpegImagePlugin, PngImagePlugin

from incmask.base.errors import IncmaskError, fail
from incmask.data.images.page_rows import PageRows
from incmask.data.images.pages import as_displayed, check_page, full_planes

MAX_PIXELS = 300_000_000
"""Images with more pixels are refused before memory is taken for them."""

MAX_FILE_BYTES = 2 << 30

_ORIENTATION = 0x0112
_TIFF_STARTS = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
_TILE = "cut the image into tiles of at most 10000×10000 pixels"
_REPLACE = "copy or export the file again, or take it out of the folder"

# tifffile reports broken tags through logging; what matters is raised below as an error of its own.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class Raster:
    """A decoded file, as displayed and without its alpha channel.

    Attributes:
        values: (H, W) or (H, W, C), in the file's own type; palette indices where ``palette`` is given.
        palette: (n, 3) uint8, the RGB colour of each index; None where the values are no indices.
        turned: the displayed image is the stored one turned by 90° (EXIF).
    """

    values: np.ndarray
    palette: np.ndarray | None = None
    turned: bool = False

    def to_colour(self) -> np.ndarray:
        """Give the values with palette indices replaced by their colours; (H, W) or (H, W, C)."""
        if self.palette is None:
            return self.values
        table = np.zeros((max(256, int(self.values.max(initial=0)) + 1), 3), np.uint8)
        table[: len(self.palette)] = self.palette
        colours: np.ndarray = table[self.values]
        return colours


def read_bytes(path: Path) -> bytes:
    """Read a file whole.

    Raises:
        IncmaskError: the file cannot be opened, is empty, or is larger than any image that is read.
    """
    try:
        size_bytes = path.stat().st_size
        if size_bytes > MAX_FILE_BYTES:
            raise fail(path, f"has {size_bytes >> 20} MiB, more than the {MAX_FILE_BYTES >> 20} that are read", _TILE)
        content = path.read_bytes()
    except OSError as error:
        raise fail(
            path, f"cannot be opened ({error.strerror or error})", "check that it is there and may be read"
        ) from error
    if not content:
        raise fail(path, "is empty (0 bytes)", _REPLACE)
    return content


def decode(path: Path, content: bytes) -> Raster:
    """Decode the ``content`` of the file ``path``.

    Raises:
        IncmaskError: no image of a known format, broken, truncated, too large, or of pages that are no channels.
    """
    try:
        if content.startswith(_TIFF_STARTS):
            return _decode_tiff(path, content)
        if content.startswith(b"\x89PNG\r\n\x1a\n"):
            return _decode_png(path, content)
        if content.startswith(b"\xff\xd8\xff"):
            return _decode_jpeg(path, content)
        if content.startswith(b"BM"):
            return _from_pillow(path, BmpImagePlugin.BmpImageFile(io.BytesIO(content)))
    except IncmaskError:
        raise
    except Exception as error:  # decoders raise anything on broken files, and none of it may reach the user
        raise broken(path, error, _REPLACE) from error
    raise fail(
        path,
        "is no PNG, JPEG, BMP or TIFF image, whatever its ending says",
        "convert it to PNG or take it out of the folder",
    )


def broken(path: Path, error: Exception, remedy: str) -> IncmaskError:
    """Say in a line that a file cannot be decoded, and why."""
    why = (str(error).strip() or type(error).__name__).splitlines()[0][:120]
    return fail(path, f"is broken or truncated ({why})", remedy)


def _guard(path: Path, height: int, width: int) -> None:
    if height * width > MAX_PIXELS:
        raise fail(
            path, f"has {width}×{height} pixels, more than the {MAX_PIXELS // 10**6} million that are read", _TILE
        )
    if height * width == 0:
        raise fail(path, "has no pixels", _REPLACE)


def _from_pillow(path: Path, image: Image.Image) -> Raster:
    # Pillow's own classes are opened by hand: Image.open warns of large images through a global limit.
    _guard(path, image.height, image.width)
    image.load()
    if image.mode in ("P", "PA"):
        indices = np.asarray(image.getchannel("P") if image.mode == "PA" else image)
        palette = np.asarray(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
        return Raster(indices, palette)
    if image.mode in ("CMYK", "YCbCr", "LAB", "HSV", "RGBX"):
        image = image.convert("RGB")
    values = np.asarray(image)
    if values.dtype == bool:
        values = values.astype(np.uint8) * np.uint8(255)
    if image.mode in ("LA", "La"):
        values = values[..., 0]
    if image.mode in ("RGBA", "RGBa"):
        values = values[..., :3]
    return Raster(values)


def _decode_png(path: Path, content: bytes) -> Raster:
    image = PngImagePlugin.PngImageFile(io.BytesIO(content))
    bit_depth, colour_type = content[24], content[25]
    if bit_depth == 16 and colour_type in (2, 4, 6):
        # Pillow cuts 16-bit colours to 8 bit. It still decodes the file here because it notices truncation.
        _guard(path, image.height, image.width)
        image.load()
        values = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
        if values is None:
            raise ValueError("the pixel data cannot be decoded")
        return Raster(values[..., 0] if colour_type == 4 else np.ascontiguousarray(values[..., 2::-1]))
    raster = _from_pillow(path, image)
    if bit_depth == 16:
        return Raster(raster.values.astype(np.uint16))
    return raster


def _decode_jpeg(path: Path, content: bytes) -> Raster:
    pixels, orientation = _take_exif(content)
    values = _from_pillow(path, JpegImagePlugin.JpegImageFile(io.BytesIO(pixels))).values
    turned = orientation >= 5
    if turned:
        values = values.swapaxes(0, 1)
    # What is left after the transposition of 5 to 8: which axes run backwards (EXIF 2.3, tag 274).
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    return Raster(np.ascontiguousarray(values), turned=turned)


def _take_exif(content: bytes) -> tuple[bytes, int]:
    """Split off a JPEG's EXIF blocks, since Pillow warns where they are broken; give the rest and the orientation."""
    kept, orientation, at = [content[:2]], 1, 2
    while at + 4 <= len(content) and content[at] == 0xFF and content[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(content[at + 2 : at + 4], "big")
        if content[at + 1] != 0xE1:
            kept.append(content[at:end])
        elif content[at + 4 : at + 10] == b"Exif\x00\x00":
            orientation = _orientation(content[at + 10 : end])
        at = end
    return b"".join([*kept, content[at:]]), orientation


def _orientation(exif: bytes) -> int:
    try:
        # An EXIF block is a TIFF without pixels.
        with tifffile.TiffFile(io.BytesIO(exif)) as file:
            value = file.pages.first.tags.valueof(_ORIENTATION)
    except Exception:  # a broken block says nothing about the pixels, and tifffile raises anything on it
        return 1
    return value if value in range(1, 9) else 1


def _decode_tiff(path: Path, content: bytes) -> Raster:
    # Pixels in other files, which OME-TIFF allows, are not looked for there.
    with tifffile.TiffFile(io.BytesIO(content), _multifile=False) as file:
        planes = full_planes(path, file)
        page = planes[0].page
        _guard(path, page.imagelength, page.imagewidth)
        if len(planes) > 1:
            rows = [PageRows(path, file, plane).read(0, page.imagelength) for plane in planes]
            return Raster(np.concatenate(rows, axis=2))
        check_page(path, file, page)
        values = page.asarray()
        values = np.moveaxis(values, 0, -1) if page.axes == "SYX" else np.atleast_3d(values)
        values, palette = as_displayed(page, values)
    return Raster(np.ascontiguousarray(values[..., 0] if values.shape[2] == 1 else values), palette)
