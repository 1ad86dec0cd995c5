"""The image with what was found drawn over it."""

from collections.abc import Sequence

import numpy as np

from incmask.base.config import Task
from incmask.data.dataset import ClassInfo, Colour
from incmask.method.labels import labels_of

DISPUTED_COLOUR: Colour = (255, 0, 255)
"""Of disputed pixels, unless a class looks like it."""
_OTHERS: tuple[Colour, ...] = ((255, 128, 0), (0, 255, 255), (255, 255, 0), (0, 0, 255), (0, 255, 0), (255, 255, 255))
_ALIKE = 120
"""Colours nearer to each other than this are hard to tell apart: a distance in RGB."""
OUTLINE_COLOUR: Colour = (255, 220, 0)
"""Of classes that are black or white, which would not be seen on grey images."""


def draw_overlay(
    image: np.ndarray,
    label: np.ndarray,
    inconsistent: np.ndarray,
    *,
    task: Task,
    classes: Sequence[ClassInfo],
    above: np.ndarray | None = None,
) -> np.ndarray:
    """Draw the outlines of the mask, a pixel wide, in the classes' colours, and tint the disputed pixels.

    An outline is where a pixel is of another class than the one above or to its left, so that an image may be drawn
    some rows at a time.

    Args:
        image: uint8, (H, W, C); of other than 1 or 3 channels the mean is shown.
        label: uint8, (H, W) or (H, W, K).
        inconsistent: bool, (H, W).
        task, classes: of the label.
        above: the row of the label above the first one, (W,) or (W, K); None at the top of the image.

    Returns:
        uint8, (H, W, 3).
    """
    if image.shape[2] not in (1, 3):
        image = image.mean(2, keepdims=True).astype(np.uint8)
    drawn = np.repeat(image, 3 // image.shape[2], axis=2)
    drawn[inconsistent] = drawn[inconsistent] // 2 + np.array(disputed_colour(classes), np.uint8) // 2
    labels = labels_of(task)
    if labels.is_layered:
        for index, info in enumerate(classes):
            row = None if above is None else above[..., index]
            drawn[outlines(label[..., index], row)] = visible_colour(info.colour)
        return drawn
    colours = [visible_colour(info.colour) for info in classes]
    # On either side of an outline may be the background, which has no colour to see.
    table = np.array([*([(0, 0, 0)] if labels.is_one_class else []), *colours], np.uint8)
    neighbours = np.stack([label, _shifted(label, above, axis=0), _shifted(label, None, axis=1)]).max(0)
    edge = outlines(label, above)
    drawn[edge] = table[neighbours[edge]]
    return drawn


def disputed_colour(classes: Sequence[ClassInfo], usual: Colour = DISPUTED_COLOUR) -> Colour:
    """Give a colour for disputed pixels that is no class's: the usual one, or else that which is farthest from them.

    Examples:
        >>> disputed_colour([ClassInfo("cell", (0, 200, 0), 1)])
        (255, 0, 255)
        >>> disputed_colour([ClassInfo("lips", (250, 10, 250), 1), ClassInfo("skin", (230, 140, 40), 2)])
        (0, 255, 255)
    """
    taken = np.array([visible_colour(info.colour) for info in classes], float).reshape(-1, 1, 3)
    choice = [usual, *_OTHERS]
    nearest = np.linalg.norm(taken - np.array(choice, float), axis=-1).min(0, initial=np.inf)
    return usual if nearest[0] >= _ALIKE else choice[int(np.argmax(nearest))]


def outlines(label: np.ndarray, above: np.ndarray | None) -> np.ndarray:
    """Pixels that differ from the one above or to the left: bool, (H, W).

    Args:
        label: (H, W).
        above: the row before the first, (W,); None: as the first.
    """
    return (label != _shifted(label, above, axis=0)) | (label != _shifted(label, None, axis=1))


def _shifted(label: np.ndarray, before: np.ndarray | None, *, axis: int) -> np.ndarray:
    edge = np.take(label, [0], axis) if before is None else np.expand_dims(before, axis)
    return np.concatenate([edge, np.delete(label, -1, axis)], axis)


def visible_colour(colour: Colour) -> Colour:
    """Give the colour in which a class is drawn over an image: its own, unless that is black or white."""
    return OUTLINE_COLOUR if colour in ((0, 0, 0), (255, 255, 255)) else colour
