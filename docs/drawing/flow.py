"""The whole way from images to result, as boxes and arrows around one example."""

from typing import TYPE_CHECKING

import numpy as np
from drawing.canvas import BLUE, GREY, INK, ORANGE, PALE, SKY, VERMILION, drawing, grey, paint, sharp
from drawing.example import example

from incmask.insight.report.picture import Drawing, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Point = tuple[float, float]
_WIDTH, _HEIGHT = 112.0, 82.0
_BOX_WIDTH, _BOX_HEIGHT, _PIXELS = 30.0, 18.0, 8.4
"""In the drawing's units; the last is the side of the small pictures in a box."""
_UNITS_IN = 12.5
"""Units an inch."""


def flow() -> Drawing:
    """Draw the way of the data."""
    return drawing(
        _draw,
        name="flow",
        alt="Labelled images train base models; the best on validation become teachers; they label unlabelled images; "
        "masks are compared; disputed pixels are blocked; students train on labelled images and blocked pairs; the "
        "best students become the next teachers; validation chooses the result.",
    )


def _draw() -> "Figure":
    figure = new_figure(width_in=_WIDTH / _UNITS_IN, height_in=_HEIGHT / _UNITS_IN)
    axes = figure.subplots()
    axes.set_aspect("equal")
    shown = example()
    image, truth = grey(shown.image), paint((shown.truth, "#FFFFFF"))
    masks = [paint((member, colour)) for member, colour in zip(shown.members, (SKY, ORANGE), strict=True)]
    voted = paint((shown.vote.label, BLUE), (shown.vote.inconsistent, VERMILION))
    blocked = grey(shown.blocked_image), paint((shown.blocked_label, "#FFFFFF"))
    left, middle, right = 17.0, 56.0, 95.0
    rows = (72.0, 51.0, 30.0, 9.5)
    _box(axes, (left, rows[0]), "Labelled images\na few, with masks", [image, truth])
    _box(axes, (middle, rows[0]), "1. Base models\nlearn from these alone", [])
    _box(axes, (middle, rows[1]), "2. Teachers\nthe best on validation", [])
    _box(axes, (right, rows[0]), "Unlabelled images\nmany", [image])
    _box(axes, (right, rows[1]), "3. Each teacher\ndraws a mask", masks)
    _box(axes, (right, rows[2]), "4. Compare the masks\nblue: agreed, orange: disputed", [voted])
    _box(axes, (right, rows[3]), "5. Block the disputed pixels\nblack in image and label", list(blocked))
    _box(axes, (middle, rows[3]), "6. Students learn anew\nfrom labels and blocked pairs", [])
    _box(axes, (left, rows[3]), "Result\nmodels, masks, doubtful pixels", [voted])
    half_width, half_height = _BOX_WIDTH / 2, _BOX_HEIGHT / 2
    for start, end in (
        ((left + half_width, rows[0]), (middle - half_width, rows[0])),
        ((middle, rows[0] - half_height), (middle, rows[1] + half_height)),
        ((middle + half_width, rows[1]), (right - half_width, rows[1])),
        ((right, rows[0] - half_height), (right, rows[1] + half_height)),
        ((right, rows[1] - half_height), (right, rows[2] + half_height)),
        ((right, rows[2] - half_height), (right, rows[3] + half_height)),
        ((right - half_width, rows[3]), (middle + half_width, rows[3])),
        ((middle - half_width, rows[3]), (left + half_width, rows[3])),
        ((left + 6, rows[0] - half_height), (middle - half_width + 1, rows[3] + half_height - 0.5)),
    ):
        _arrow(axes, start, end)
    _arrow(axes, (middle + 5, rows[3] + half_height), (middle + 5, rows[1] - half_height), colour=VERMILION)
    axes.text(
        middle + 3.5, rows[2] + 1, "the best students\nare the next teachers:\none generation",
        color=VERMILION, fontsize=9, va="center", ha="right",
    )  # fmt: skip
    axes.set(xlim=(0, _WIDTH), ylim=(0, _HEIGHT))
    axes.axis("off")
    return figure


def _box(axes: "Axes", centre: Point, text: str, pictures: list[np.ndarray]) -> None:
    """Draw a box with two lines of text and small pictures below them."""
    from matplotlib.patches import FancyBboxPatch

    x, y = centre[0] - _BOX_WIDTH / 2, centre[1] - _BOX_HEIGHT / 2
    style = "round,pad=0,rounding_size=1.5"
    axes.add_patch(FancyBboxPatch((x, y), _BOX_WIDTH, _BOX_HEIGHT, boxstyle=style, facecolor=PALE, edgecolor=GREY))
    first, second = text.split("\n")
    top = y + _BOX_HEIGHT if pictures else centre[1] + 5
    axes.text(centre[0], top - 2.6, first, ha="center", va="center", fontsize=10, weight="bold", color=INK)
    axes.text(centre[0], top - 6.2, second, ha="center", va="center", fontsize=9.5, color=INK)
    gap = 2.0
    across = len(pictures) * _PIXELS + (len(pictures) - 1) * gap
    for place, pixels in enumerate(pictures):
        start = centre[0] - across / 2 + place * (_PIXELS + gap)
        axes.imshow(
            sharp(pixels), extent=(start, start + _PIXELS, y + 0.8, y + 0.8 + _PIXELS), interpolation="none", zorder=3
        )


def _arrow(axes: "Axes", start: Point, end: Point, *, colour: str = INK) -> None:
    axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "linewidth": 1.6, "color": colour, "shrinkA": 1})
