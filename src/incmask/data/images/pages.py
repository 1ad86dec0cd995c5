"""The pages of a TIFF that hold its picture: one, or one for each channel."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from incmask.base.errors import fail

MAX_PAGES = 65_536
"""Of a file: pages may name each other in a circle, of which there is no end."""

_ALPHA = (tifffile.EXTRASAMPLE.ASSOCALPHA, tifffile.EXTRASAMPLE.UNASSALPHA)
_GDAL_NODATA = 42113

_FOREIGN = (
    tifffile.PHOTOMETRIC.SEPARATED,
    tifffile.PHOTOMETRIC.CIELAB,
    tifffile.PHOTOMETRIC.ICCLAB,
    tifffile.PHOTOMETRIC.ITULAB,
    tifffile.PHOTOMETRIC.LOGL,
    tifffile.PHOTOMETRIC.LOGLUV,
    tifffile.PHOTOMETRIC.CFA,
)
"""Numbers that are no intensities of grey, or of red, green and blue."""

_DECODED_TO_RGB = (6, 7, 33007, 34892)
"""The kinds of JPEG, by the numbers that TIFF gives to compressions."""

_JPEG_2000_IN_YCBCR = 33003


@dataclass(frozen=True)
class Plane:
    """Where pixels of a picture lie.

    Attributes:
        page: the page that tells how they are stored.
        skipped: pixels of earlier planes that lie before them in the page's data, which are not compressed then.
    """

    page: tifffile.TiffPage
    skipped: int = 0


def full_planes(path: Path, file: tifffile.TiffFile) -> tuple[Plane, ...]:
    """Find the picture at full size: a single page, or a page for each channel where the file says that they are such.

    OME-TIFF, ImageJ and tifffile say so by their axes, CYX. Smaller copies of the picture (pyramids) are passed over.

    Args:
        path: for messages.
        file: opened.

    Raises:
        IncmaskError: the file has several pages that are no channels, such as slices or points in time.
    """
    pages = [*_pages(file)]
    if len(pages) > MAX_PAGES or len({page.offset for page in pages}) < len(pages):
        raise fail(
            path,
            f"is a TIFF of more than {MAX_PAGES:,} pages, or its pages name each other in a circle",
            "save it anew, each page as a file of its own",
        )
    pages = [page for page in pages if not page.is_reduced and not page.is_mask]
    if len(pages) == 1 and not _has_hidden_planes(file):
        return (Plane(pages[0]),)
    levels = file.series[0].levels
    full = levels[0]
    told = [page.aspage() for page in full.pages if page is not None]
    if len(told) == 1 and len(levels) > 1:
        # Scanners of slides keep copies, labels and overviews as pages that do not say that they are.
        return (Plane(told[0]),)
    # Channels that lie in other files are not looked for there.
    if full.axes == "CYX" and len(file.series) == 1 and not full.is_multifile:
        num_channels, height, width = full.shape
        if len(told) == num_channels and _are_alike(told):
            return tuple(Plane(page) for page in told)
        if len(told) == 1 and full.dataoffset is not None:
            return tuple(Plane(told[0], index * height * width) for index in range(num_channels))
    num_planes = max(len(pages), full.size // full.keyframe.size)
    raise fail(
        path,
        f"is a TIFF of {num_planes} pages; one page a file is read, or one a channel where the file says so",
        "save each page as a file of its own, or as OME-TIFF with the axes ZYX, where pages are slices of a volume, or "
        "CYX, where they are channels: with Fiji, or tifffile.imwrite('x.ome.tif', …, metadata={'axes': 'ZYX'})",
    )


def missing_of(file: tifffile.TiffFile, picture: tifffile.TiffPage) -> np.ndarray | None:
    """Give the pixels, (H, W), that a page of the file masks, as GDAL writes it; None: there is no such page."""
    for page in _pages(file):
        if page.is_mask and not page.is_reduced and page.shape[:2] == (picture.imagelength, picture.imagewidth):
            return np.asarray(page.asarray() == 0)
    return None


def _pages(file: tifffile.TiffFile) -> Iterator[tifffile.TiffPage]:
    """Give the pages of a file; where they name each other in a circle, up to the first that comes again."""
    seen: set[int] = set()
    for page in itertools.islice(file.pages, MAX_PAGES + 1):
        yield _whole(page)
        if page.offset in seen:
            return
        seen.add(page.offset)


def _whole(page: tifffile.TiffPage | tifffile.TiffFrame) -> tifffile.TiffPage:
    return page.aspage()


def check_page(path: Path, file: tifffile.TiffFile, page: tifffile.TiffPage) -> np.dtype[Any]:
    """Refuse a page that is no picture of any number of channels, or whose pixels are not all there.

    Returns:
        the type of its numbers.

    Raises:
        IncmaskError: it has other axes or colours.
        ValueError: the file is truncated.
    """
    if page.dtype is None or page.axes not in ("YX", "YXS", "SYX") or not _is_plain(page):
        what = f"is a TIFF with axes {page.axes} in {tifffile.PHOTOMETRIC(page.photometric).name}"
        raise fail(path, what, "save it as a grey or RGB TIFF, or as PNG")
    if page.dtype.kind not in "buif":
        raise fail(path, f"is a TIFF of {page.dtype} numbers", "save it as a TIFF of whole or floating numbers")
    # tifffile fills with zeros what a truncated file lacks.
    ends = (offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True))
    if max(ends, default=0) > file.filehandle.size:
        raise ValueError("the file ends before its pixel data")
    return page.dtype


@dataclass(frozen=True)
class Displayed:
    """Pixels of a page as they are shown.

    Attributes:
        values: (H, W, C) without alpha.
        palette: that they are indices of, uint8 (n, 3); None: of none.
        alpha: (H, W); None: the page has none.
    """

    values: np.ndarray
    palette: np.ndarray | None
    alpha: np.ndarray | None


def _is_plain(page: tifffile.TiffPage) -> bool:
    """Tell whether the numbers of a page are grey or RGB intensities or indices of a palette, once they are decoded."""
    if page.photometric == tifffile.PHOTOMETRIC.YCBCR:
        return page.compression in _DECODED_TO_RGB
    if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE and page.dtype is not None and page.dtype.kind not in "bu":
        return False
    return page.photometric not in _FOREIGN and page.compression != _JPEG_2000_IN_YCBCR


def as_displayed(page: tifffile.TiffPage, values: np.ndarray) -> Displayed:
    """Take apart a page's alpha, and turn its truth values and black-on-white to bytes and white-on-black.

    Args:
        page: tells what its numbers mean.
        values: (H, W, C).
    """
    alpha = None
    if values.shape[2] > 1 and page.extrasamples and page.extrasamples[-1] in _ALPHA:
        values, alpha = values[..., :-1], values[..., -1]
    if is_inverted(page):
        values = ~values
    if values.dtype == np.bool_:
        values = values.astype(np.uint8) * np.uint8(255)
    palette = None
    if page.photometric == tifffile.PHOTOMETRIC.PALETTE and page.colormap is not None:
        palette = np.ascontiguousarray((np.asarray(page.colormap) >> 8).astype(np.uint8).T)
    return Displayed(values, palette, alpha)


def is_inverted(page: tifffile.TiffPage) -> bool:
    """Tell whether larger numbers are darker, as in black-on-white scans.

    tifffile marks every array of truth values so, for want of another mark; these are meant as they are.
    """
    if page.photometric != tifffile.PHOTOMETRIC.MINISWHITE:
        return False
    return page.dtype != np.bool_ or not page.software.startswith("tifffile")


def no_data_of(page: tifffile.TiffPage) -> float | None:
    """Give the value that GDAL's tag names for pixels that were not measured; None: there is no such tag."""
    try:
        return float(str(page.tags.valueof(_GDAL_NODATA)).strip("\0 "))
    except ValueError:
        return None


def _has_hidden_planes(file: tifffile.TiffFile) -> bool:
    """Tell whether the only page is followed by planes that have none: ImageJ writes files beyond 4 GB so."""
    if not (file.is_imagej or file.is_shaped):
        return False
    series = file.series[0]
    return series.size > series.keyframe.size * len(series.pages)


def _are_alike(pages: list[tifffile.TiffPage]) -> bool:
    return len({(page.shape, str(page.dtype), page.axes) for page in pages}) == 1 and pages[0].axes == "YX"
