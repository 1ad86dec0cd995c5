"""What all figures share: how an approach looks, and a drawing turned into an SVG that depends on nothing else."""

import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray

from incmask.base.errors import fail

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Drawing:
    """A figure.

    Attributes:
        name: fit for a file or an id.
        title: its heading.
        alt: what it shows, in a sentence.
        svg: an ``<svg>`` element that needs no other file.
    """

    name: str
    title: str
    alt: str
    svg: str


@dataclass(frozen=True)
class PictureSheet:
    """Pictures in a grid.

    Attributes:
        name: fit for a file or an id.
        title: its heading.
        alt: what it shows, in a sentence.
        png: the content of a PNG file, RGB.
    """

    name: str
    title: str
    alt: str
    png: bytes


def load_matplotlib(wanted_by: str = "the report") -> ModuleType:
    """Import matplotlib with its ``figure``, and nothing that keeps figures or needs a display.

    Args:
        wanted_by: what cannot be made without, for the message.

    Raises:
        IncmaskError: it is not installed.
    """
    try:
        import matplotlib.figure
    except ModuleNotFoundError as error:
        raise fail(wanted_by, "matplotlib is not installed", "pip install 'incmask[report]'") from error
    return matplotlib


def new_figure(*, width_in: float, height_in: float) -> "Figure":
    """Give an empty figure that arranges its own contents."""
    figure: Figure = load_matplotlib().figure.Figure(figsize=(width_in, height_in), layout="constrained")
    return figure


def as_rgb(image: Pixels) -> Pixels:
    """Show (H, W, C) as (H, W, 3): one channel is grey, two are red and green, any after the third are not shown."""
    if image.shape[-1] == 1:
        return np.repeat(image, 3, axis=-1)
    return np.pad(image[..., :3], ((0, 0), (0, 0), (0, max(0, 3 - image.shape[-1]))))


def slug(text: str) -> str:
    """Make a name that is fit for a file or an id; "im+" and "im++" stay apart."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower().replace("+", "-plus")).strip("-")


_INK = "#010203"
"""Stands for the colour of the text around a figure, until it is written."""


def to_picture(draw: Callable[[], "Figure"], *, name: str, title: str, alt: str, themed: bool = False) -> Drawing:
    """Draw a figure and write it as SVG, the same for the same data whatever a user's matplotlib settings are.

    Args:
        draw: makes the figure.
        name, title, alt: of the picture.
        themed: clear behind, its axes and letters in the page's own colour, dark or light; else black on white.

    Raises:
        IncmaskError: matplotlib is not installed.
    """
    matplotlib = load_matplotlib()
    name = slug(name)
    buffer = io.StringIO()
    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {
                "svg.hashsalt": name,  # ids are the same each time, and differ between figures of one page
                "svg.fonttype": "none",
                "svg.id": name,
                "text.parse_math": False,  # a class may be called "$a$"
                "font.size": 9,
                "legend.fontsize": 8,
            }
        )
        if themed:
            inks = ("axes.edgecolor", "axes.labelcolor", "axes.titlecolor", "text.color", "xtick.color", "ytick.color")
            matplotlib.rcParams.update({**dict.fromkeys(inks, _INK), "savefig.transparent": True})
        # The browser has glyphs, such as Chinese ones, that the font for the layout lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        draw().savefig(buffer, format="svg", metadata=nothing)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg ") :]  # without the prologue, which has no place within a page
    svg = svg.replace("<svg ", f'<svg role="img" aria-label={quoteattr(alt)} ', 1)
    svg = svg.replace(_INK, "currentColor")
    svg = svg.replace('<g id="', f'<g id="{name}-')  # nothing refers to groups; pages want ids once
    return Drawing(name, title, alt, svg)
