"""What all drawings share: colours, pixels as panels, and a file that depends on nothing but the code."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from incmask.base.files import write_text
from incmask.insight.report.comparison_page.style import cycle_style
from incmask.insight.report.picture import Drawing, to_picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, VERMILION, GREEN, PURPLE, SKY, ORANGE = (cycle_style(index).colour for index in range(6))
GREY, PALE, INK = "#767676", "#EFEFEF", "#202020"
_FEW_COLOURS, _SHARP_PX = 16, 480
_FONTS = re.compile(r"'DejaVu Sans'[^;\"]*sans-serif")
"""Nine names stand at every word."""


def rgb(colour: str) -> np.ndarray:
    """Turn "#0072B2" into uint8 (3,)."""
    return np.frombuffer(bytes.fromhex(colour[1:]), np.uint8)


def grey(image: np.ndarray) -> np.ndarray:
    """Show a grey image (H, W) or (H, W, 1) as (H, W, 3)."""
    return np.repeat(image.reshape(*image.shape[:2], 1), 3, axis=2)


def paint(*layers: tuple[np.ndarray, str], ground: str = "#000000") -> np.ndarray:
    """Colour the pixels of masks (H, W), later layers over earlier ones: uint8 (H, W, 3)."""
    drawn = np.empty((*layers[0][0].shape, 3), np.uint8)
    drawn[...] = rgb(ground)
    for mask, colour in layers:
        drawn[mask.astype(bool)] = rgb(colour)
    return drawn


def sharp(pixels: np.ndarray) -> np.ndarray:
    """Enlarge what has few colours, since some viewers of SVG blur the borders of pixels."""
    few = len(np.unique(pixels.reshape(-1, 3), axis=0)) <= _FEW_COLOURS
    times = max(1, _SHARP_PX // max(pixels.shape[:2])) if few else 1
    return pixels.repeat(times, axis=0).repeat(times, axis=1)


def show(axes: "Axes", pixels: np.ndarray, title: str = "", *, lines: bool = False) -> None:
    """Fill a panel with uint8 (H, W, 3); ``lines`` draws a line between neighbouring pixels."""
    height, width = pixels.shape[:2]
    axes.imshow(sharp(pixels), interpolation="none", extent=(-0.5, width - 0.5, height - 0.5, -0.5))
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(title, fontsize=9)
    for side in axes.spines.values():
        side.set(color=GREY, linewidth=0.8)
    if lines:
        axes.hlines(np.arange(1, height) - 0.5, -0.5, width - 0.5, color=GREY, linewidth=0.4)
        axes.vlines(np.arange(1, width) - 0.5, -0.5, height - 0.5, color=GREY, linewidth=0.4)


def drawing(draw: Callable[[], "Figure"], *, name: str, alt: str) -> Drawing:
    """Draw on white, which can be read on light and on dark pages."""
    return to_picture(draw, name=name, title=name, alt=alt)


def write_picture(folder: Path, picture: Drawing) -> Path:
    """Write ``folder/NAME.svg``, whole or not at all; on white, whatever it was drawn on."""
    svg = _FONTS.sub("'DejaVu Sans', Verdana, Arial, sans-serif", picture.svg)
    if "currentColor" in svg:
        # A page of its own has no colour to take; drawn for the report, which is dark or light.
        svg = svg.replace("currentColor", INK)
        end = svg.index(">") + 1
        svg = f'{svg[:end]}<rect width="100%" height="100%" fill="#ffffff"/>{svg[end:]}'
    write_text(folder / f"{picture.name}.svg", svg)
    return folder / f"{picture.name}.svg"
