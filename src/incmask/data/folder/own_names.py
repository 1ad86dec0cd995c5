"""Masks of public data sets whose paths tell of their images in a way of their own. Opens no file."""

import re
from collections.abc import Container

_WAYS = (
    # Cell Tracking Challenge: of 01/t007.tif
    (re.compile(r"((?:.*/)?\d\d)_(?:GT|ST)/SEG/man_seg(\d+)(\.tiff?)$"), r"\1/t\2\3"),
    # TNBC: of Slide_01/01_1.png
    (re.compile(r"((?:.*/)?)GT_(\d+)/([^/]+)$"), r"\1Slide_\2/\3"),
)

TRACKS = re.compile(r"(?:.*/)?\d\d_(?:GT|ST)/TRA/man_track\d+\.tiff?$")
"""Markers of the Cell Tracking Challenge, which are no masks."""


def image_of_mask(path: str, there: Container[str]) -> str | None:
    """Give the image of a mask by its path; None: it is no such mask, or its image is not there.

    Examples:
        >>> image_of_mask("01_GT/SEG/man_seg007.tif", {"01/t007.tif"})
        '01/t007.tif'
        >>> image_of_mask("GT_02/02_1.png", {"Slide_02/02_1.png"})
        'Slide_02/02_1.png'
    """
    for way, image in _WAYS:
        if (found := way.fullmatch(path)) and (of := found.expand(image)) in there:
            return of
    return None
