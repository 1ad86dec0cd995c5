"""Image files to arrays: told apart by content, guarded against what is broken or huge."""

import io
import logging
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import tifffile
from PIL import BmpImagePlugin, GifImagePlugin, Image, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from incmask.base.errors import IncmaskError, fail
from incmask.base.intact import GONE, cannot_read
from incmask.base.shards import read_from_archive
from incmask.data.images.npy import NPY_START, array_of
from incmask.data.images.orientation import UPRIGHT, of_exif, of_page, of_png, take_exif, upright
from incmask.data.images.page_rows import PageRows
from incmask.data.images.pages import as_displayed, check_page, full_planes, is_inverted, missing_of, no_data_of
from incmask.data.volumes.grid import Grid
from incmask.data.volumes.names import begins_as_dicom, is_nifti
from incmask.data.volumes.tiff import grid_of_tiff, slices_of
from incmask.method.sheets import folded

MAX_PIXELS = 300_000_000
"""Images with more pixels are refused before memory is taken for them."""

MAX_VALUES = 4 * MAX_PIXELS
"""Of all channels together."""

MAX_FILE_BYTES = 2 << 30

_TIFF_STARTS = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
_TILE = "cut the image into tiles of at most 10000×10000 pixels"
_REPLACE = "copy or export the file again, or take it out of the folder"

# tifffile reports broken tags through logging; what matters is raised below as an error of its own.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class Raster:
    """A decoded file, as displayed.

    Attributes:
        values: (H, W) or (H, W, C) without alpha, in the file's own type; palette indices where ``palette`` is given.
        palette: (n, 3) uint8, the RGB colour of each index; None where the values are no indices.
        orientation: 1 to 8, how the stored image was turned and mirrored to be displayed (EXIF 2.3, tag 274).
        alpha: (H, W), how opaque each pixel is; None where the file has no such channel.
        no_data: the value of pixels that were not measured; None where the file names none.
        missing: (H, W), the pixels that the file says are none; None: it says that of none.
        inverted: in the file 0 is white, and the values are those that it stores turned round.
        is_lossy: compression changed the values that were drawn.
        grid: of a volume, whose values are a sheet, (D·H, W) or (D·H, W, C); None: it is an image.
    """

    values: np.ndarray
    palette: np.ndarray | None = None
    orientation: int = UPRIGHT
    alpha: np.ndarray | None = None
    no_data: float | None = None
    missing: np.ndarray | None = None
    inverted: bool = False
    is_lossy: bool = False
    grid: Grid | None = None

    @property
    def turned(self) -> bool:
        """Whether the displayed image is the stored one turned by 90°."""
        return self.orientation >= 5

    @property
    def has_drawn_alpha(self) -> bool:
        """Whether its alpha channel tells pixels apart."""
        return self.alpha is not None and bool((self.alpha != self.alpha[0, 0]).any())

    def to_colour(self) -> np.ndarray:
        """Give the values with palette indices replaced by their colours; (H, W) or (H, W, C)."""
        if self.palette is None:
            return self.values
        table = np.zeros((max(256, int(self.values.max(initial=0)) + 1), 3), np.uint8)
        table[: len(self.palette)] = self.palette
        colours: np.ndarray = table[self.values]
        return colours


def read_bytes(path: Path) -> bytes:
    """Read a file whole; its path may lead into an archive of ``base.shards``.

    Raises:
        IncmaskError: the file cannot be opened, is empty, or is larger than any image that is read.
    """
    try:
        if (stored := read_from_archive(path)) is not None:
            return stored
        size_bytes = path.stat().st_size
        if size_bytes > MAX_FILE_BYTES:
            raise fail(path, f"has {size_bytes >> 20} MiB, more than the {MAX_FILE_BYTES >> 20} that are read", _TILE)
        content = path.read_bytes()
    except GONE as error:
        raise fail(path, f"cannot be opened ({error.strerror})", "check that it is there") from error
    except OSError as error:
        raise cannot_read(path, error) from error
    if not content:
        raise fail(path, "is empty (0 bytes)", _REPLACE)
    return content


def decode(path: Path, content: bytes, *, volumes: bool = False) -> Raster:
    """Decode the ``content`` of the file ``path``; with ``volumes`` those, too, as sheets: slices below each other.

    Raises:
        IncmaskError: no image of a known format, broken, truncated, too large, or of pages that are no channels.
    """
    try:
        if is_nifti(path) or begins_as_dicom(content):
            return _decode_volume(path, content, volumes=volumes)
        if content.startswith(_TIFF_STARTS):
            return _decode_tiff(path, content, volumes=volumes)
        if content.startswith(b"\x89PNG\r\n\x1a\n"):
            return _decode_png(path, content)
        if content.startswith(b"\xff\xd8\xff"):
            return _decode_jpeg(path, content)
        if content.startswith(b"BM"):
            return from_pillow(path, BmpImagePlugin.BmpImageFile(io.BytesIO(content)))
        if content.startswith((b"GIF87a", b"GIF89a")):
            return from_pillow(path, _of_one_page(path, GifImagePlugin.GifImageFile(io.BytesIO(content))))
        if content.startswith(NPY_START):
            return Raster(array_of(path, content))
        if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
            return _decode_webp(path, content)
    except IncmaskError:
        raise
    except Exception as error:  # decoders raise anything on broken files, and none of it may reach the user
        raise broken(path, error, _REPLACE) from error
    raise fail(
        path,
        "is no PNG, JPEG, BMP, GIF, WebP or TIFF image, whatever its ending says",
        "convert it to PNG or take it out of the folder",
    )


def _decode_volume(path: Path, content: bytes, *, volumes: bool) -> Raster:
    if not volumes:
        raise fail(path, "is a volume, where an image is expected", "save its slices as PNG or TIFF")
    # What reads volumes is there with an extra alone, and takes long to import.
    from incmask.data.volumes.read import decode_volume

    return decode_volume(path, content)


def _sheet_of_tiff(path: Path, file: tifffile.TiffFile, grid: Grid) -> Raster:
    depth, height, width = grid.shape
    _guard(path, depth * height, width)
    if file.series[0].size > MAX_VALUES:
        what = f"has {file.series[0].size} numbers, more than the {MAX_VALUES // 10**6} million that are read"
        raise fail(path, what, "crop it, or save fewer channels")
    values = np.ascontiguousarray(folded(slices_of(file)))
    return Raster(values[..., 0] if values.shape[2:] == (1,) else values, grid=grid)


def may_have_alpha(content: bytes) -> bool:
    """Tell by its first bytes whether a file can have an alpha channel."""
    if content.startswith(b"\x89PNG"):
        return content[25:26] in (b"\4", b"\6")
    if content.startswith(_TIFF_STARTS):
        try:
            with tifffile.TiffFile(io.BytesIO(content), _multifile=False) as file:
                return bool(file.pages.first.extrasamples)
        except Exception:  # of a broken file anything; whoever decodes it says so
            return True
    return content.startswith((b"BM", b"RIFF"))


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


def from_pillow(path: Path, image: Image.Image) -> Raster:
    """Give the pixels of an opened image, as ``decode`` does."""
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
        return Raster(values[..., 0], alpha=values[..., 1])
    if image.mode in ("RGBA", "RGBa"):
        return Raster(values[..., :3], alpha=values[..., 3])
    return Raster(values)


def _decode_png(path: Path, content: bytes) -> Raster:
    image = PngImagePlugin.PngImageFile(io.BytesIO(content))
    _of_one_page(path, image)
    bit_depth, colour_type = content[24], content[25]
    raster = from_pillow(path, image)
    if bit_depth == 16 and colour_type in (2, 4, 6):
        # Pillow cuts 16-bit colours to 8 bit. It still decoded the file because it notices truncation.
        raster = _deep_png(content, colour_type)
    elif bit_depth == 16:
        raster = Raster(raster.values.astype(np.uint16))
    # What stands behind the pixels is only known once they are read.
    return _turned(raster, of_png(image.info))


def _deep_png(content: bytes, colour_type: int) -> Raster:
    """Decode a PNG of 16 bits in colours or with alpha."""
    values = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None:
        raise ValueError("the pixel data cannot be decoded")
    alpha = values[..., 3] if values.shape[2] == 4 else None
    return Raster(values[..., 0] if colour_type == 4 else np.ascontiguousarray(values[..., 2::-1]), alpha=alpha)


def _decode_jpeg(path: Path, content: bytes) -> Raster:
    pixels, orientation = take_exif(content)
    raster = from_pillow(path, JpegImagePlugin.JpegImageFile(io.BytesIO(pixels)))
    return _turned(replace(raster, is_lossy=True), orientation)


def _decode_webp(path: Path, content: bytes) -> Raster:
    image = WebPImagePlugin.WebPImageFile(io.BytesIO(content))
    raster = replace(from_pillow(path, _of_one_page(path, image)), is_lossy=_has_block(content, b"VP8 "))
    return _turned(raster, of_exif(image.info.get("exif", b"")))


def _has_block(content: bytes, name: bytes) -> bool:
    """Tell whether a WebP file has a block, such as that of pixels with loss."""
    at = 12
    while at + 8 <= len(content) and content[at : at + 4] != name:
        num_bytes = int.from_bytes(content[at + 4 : at + 8], "little")
        at += 8 + num_bytes + num_bytes % 2
    return content[at : at + 4] == name


def _of_one_page(path: Path, image: Image.Image) -> Image.Image:
    """Refuse an animation, of which only one picture could be meant."""
    num_pages = getattr(image, "n_frames", 1)
    if num_pages > 1:
        raise fail(path, f"has {num_pages} pictures, which follow each other", "save each as a file of its own")
    return image


def _turned(raster: Raster, orientation: int) -> Raster:
    """Show a raster as its file's orientation says."""
    if orientation == UPRIGHT:
        return raster
    alpha, missing = (None if each is None else upright(each, orientation) for each in (raster.alpha, raster.missing))
    values = upright(raster.values, orientation)
    return replace(raster, values=values, alpha=alpha, missing=missing, orientation=orientation)


def _decode_tiff(path: Path, content: bytes, *, volumes: bool) -> Raster:
    # Pixels in other files, which OME-TIFF allows, are not looked for there.
    with tifffile.TiffFile(io.BytesIO(content), _multifile=False) as file:
        if volumes and (grid := grid_of_tiff(file)) is not None:
            return _sheet_of_tiff(path, file, grid)
        planes = full_planes(path, file)
        page = planes[0].page
        _guard(path, page.imagelength, page.imagewidth)
        if (num := page.imagelength * page.imagewidth * page.samplesperpixel) > MAX_VALUES:
            what = f"has {num} numbers, more than the {MAX_VALUES // 10**6} million that are read"
            raise fail(path, what, "save fewer channels, or cut the image into tiles")
        orientation, no_data = of_page(page), no_data_of(page)
        if len(planes) > 1:
            rows = [PageRows(path, file, plane).read(0, page.imagelength) for plane in planes]
            missing = missing_of(file, page)
            return _turned(Raster(np.concatenate(rows, axis=2), no_data=no_data, missing=missing), orientation)
        check_page(path, file, page)
        values = page.asarray()
        values = np.moveaxis(values, 0, -1) if page.axes == "SYX" else np.atleast_3d(values)
        shown = as_displayed(page, values)
        missing = missing_of(file, page)
    values = np.ascontiguousarray(shown.values[..., 0] if shown.values.shape[2] == 1 else shown.values)
    raster = Raster(
        values, shown.palette, alpha=shown.alpha, no_data=no_data, missing=missing, inverted=is_inverted(page)
    )
    return _turned(raster, orientation)
