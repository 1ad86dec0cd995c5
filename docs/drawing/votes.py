"""What the vote, the morphology and the blocking do, on single pixels."""

from typing import TYPE_CHECKING

import numpy as np
from drawing.canvas import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION, drawing, grey, paint, show
from drawing.example import example

from incmask.base.config import Task
from incmask.insight.report.picture import Drawing, new_figure
from incmask.method.agreement import inconsistency

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WHITE = "#FFFFFF"


def one_image() -> Drawing:
    """Draw one image on its way through the vote."""
    return drawing(
        _draw_one_image,
        name="one-image",
        alt="A made-up field of cells; the masks of two members; the agreed label; the disputed pixels; the image and "
        "the label in which these pixels are black.",
    )


def _draw_one_image() -> "Figure":
    shown = example()
    vote = shown.vote
    panels = (
        ("image", grey(shown.image)),
        ("member 1", paint((shown.members[0], SKY))),
        ("member 2", paint((shown.members[1], ORANGE))),
        ("agreed label", paint((vote.label, BLUE))),
        ("inconsistent pixels", paint((vote.inconsistent, VERMILION))),
        ("agreed and disputed", paint((vote.label, BLUE), (vote.inconsistent, VERMILION))),
        ("blocked image", grey(shown.blocked_image)),
        ("blocked label", paint((shown.blocked_label, _WHITE))),
    )
    figure = new_figure(width_in=8.4, height_in=4.7)
    for axes, (title, pixels) in zip(figure.subplots(2, 4).flat, panels, strict=True):
        show(axes, pixels, title)
    return figure


_BINARY = np.array(
    [
        [[0, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 1, 0], [0, 0, 0, 0, 0]],
        [[0, 1, 1, 0, 0], [1, 1, 1, 0, 0], [0, 0, 1, 1, 1], [0, 0, 0, 0, 0]],
        [[0, 1, 1, 0, 0], [0, 1, 0, 1, 0], [0, 0, 1, 1, 0], [0, 0, 0, 0, 1]],
    ]
)
_OTHER = np.array(
    [
        [[0, 0, 0, 1, 1], [0, 0, 0, 1, 1], [0, 0, 0, 0, 0], [1, 0, 0, 0, 0]],
        [[0, 0, 0, 1, 1], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0], [1, 0, 0, 0, 0]],
        [[0, 0, 0, 1, 1], [0, 0, 0, 1, 1], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]],
    ]
)
_IDS = np.array(
    [
        [[1, 2, 2, 1, 1], [1, 2, 2, 2, 1], [1, 3, 2, 1, 1], [3, 3, 1, 1, 1]],
        [[1, 2, 2, 1, 1], [1, 2, 2, 1, 1], [1, 2, 2, 1, 1], [3, 3, 3, 1, 1]],
        [[1, 2, 2, 1, 1], [1, 2, 2, 1, 1], [1, 3, 2, 1, 1], [3, 3, 1, 1, 2]],
    ]
)
_CELLS: dict[Task, dict[int, tuple[str, str]]] = {
    "binary": {0: ("0", _WHITE), 1: ("1", SKY)},
    "multilabel": {0: ("–", _WHITE), 1: ("a", SKY), 2: ("b", ORANGE), 3: ("ab", GREEN)},
    "multiclass": {0: ("0", _WHITE), 1: ("1", SKY), 2: ("2", ORANGE), 3: ("3", PURPLE)},
}
"""What a pixel of each value looks like."""


def grids() -> Drawing:
    """Draw the votes of two and of three members for each task, as ``incmask.inconsistency`` gives them."""
    return drawing(
        _draw_grids,
        name="votes",
        alt="Grids of 4 times 5 pixels for the tasks binary, multilabel and multiclass, with two and with three "
        "members: each member's label, the agreed label, and the pixels on which they do not all agree.",
    )


def _draw_grids() -> "Figure":
    figure = new_figure(width_in=8.4, height_in=9.4)
    grid = figure.subplots(6, 5)
    rows: list[tuple[Task, int]] = [(task, num) for task in _CELLS for num in (2, 3)]
    for line, (task, num_members) in zip(grid, rows, strict=True):
        votes = _votes(task, num_members)
        found = inconsistency(votes, task=task)
        for place in range(3):
            if place < num_members:
                _show_values(line[place], _values(votes[place], task), task, title=f"member {place + 1}")
            else:
                line[place].axis("off")
        _show_values(line[3], _values(found.label, task), task, title="label")
        show(line[4], paint((found.inconsistent, VERMILION), ground=_WHITE), "inconsistent", lines=True)
        for row, column in np.argwhere(found.inconsistent):
            line[4].text(column, row, "×", ha="center", va="center", fontsize=9, color=_WHITE)
        line[0].set_ylabel(f"{task}\n{num_members} members", fontsize=9)
    return figure


def _votes(task: Task, num_members: int) -> np.ndarray:
    if task == "multilabel":
        return np.stack([_BINARY, _OTHER], axis=1)[:num_members]
    return (_IDS if task == "multiclass" else _BINARY)[:num_members]


def _values(label: np.ndarray, task: Task) -> np.ndarray:
    """Give a number for each pixel: for multilabel 1 for the first channel and 2 for the second, added."""
    return label[0] + 2 * label[1] if task == "multilabel" else label


def _show_values(axes: "Axes", values: np.ndarray, task: Task, *, title: str) -> None:
    cells = _CELLS[task]
    pixels = paint(*((values == value, colour) for value, (_, colour) in cells.items()), ground=_WHITE)
    show(axes, pixels, title, lines=True)
    for (row, column), value in np.ndenumerate(values):
        axes.text(column, row, cells[int(value)][0], ha="center", va="center", fontsize=8)


_SIDES = ((0, 0), (3, 0), (0, 3), (3, 5))
"""Of the squares that erode and dilate."""


def squares() -> Drawing:
    """Draw what erosion and dilation make of a small mask, as ``incmask.inconsistency`` gives it."""
    return drawing(
        _draw_squares,
        name="erode-dilate",
        alt="The same inconsistent pixels without change, eroded by 3, dilated by 3, and eroded by 3 then dilated by "
        "5; below each the label, with the pixels that the erosion gave back.",
    )


def _draw_squares() -> "Figure":
    members = _two_members()
    plain = inconsistency(members, task="binary").inconsistent
    figure = new_figure(width_in=8.4, height_in=4.5)
    grid = figure.subplots(2, len(_SIDES))
    for column, (erode_px, dilate_px) in enumerate(_SIDES):
        found = inconsistency(members, task="binary", erode_px=erode_px, dilate_px=dilate_px)
        title = f"erode_px={erode_px}, dilate_px={dilate_px}"
        show(grid[0, column], paint((found.inconsistent, VERMILION), ground=_WHITE), title, lines=True)
        given_back = plain & ~found.inconsistent
        label = paint(
            (found.label, BLUE),
            (given_back & (found.label == 1), SKY),
            (given_back & (found.label == 0), GREEN),
            (found.inconsistent, "#000000"),
            ground=_WHITE,
        )
        show(grid[1, column], label, lines=True)
    grid[0, 0].set_ylabel("inconsistent", fontsize=9)
    grid[1, 0].set_ylabel("label after blocking", fontsize=9)
    return figure


def _two_members() -> np.ndarray:
    """Give two masks that differ by a thin rim, a thick part and a single pixel."""
    members = np.zeros((2, 16, 16), np.uint8)
    members[0, 3:9, 2:8] = 1
    members[1, 3:9, 2:9] = 1
    members[0, 9:14, 9:14] = 1
    members[1, 9:11, 9:11] = 1
    members[1, 1, 13] = 1
    return members
