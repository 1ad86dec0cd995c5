"""Signals drawn as curves: what goes in, what is true, and what was predicted."""

import cv2
import numpy as np

from incmask.method.values import ValueRange

_HEIGHT_PX, _LEAST_WIDTH_PX = 160, 480
_MARGIN_PX = 6
_GREY, _GREEN, _BLUE, _MAGENTA = (170, 170, 170), (0, 140, 60), (20, 80, 220), (200, 0, 160)


def draw_curves(
    image: np.ndarray, said: np.ndarray, target: ValueRange, *, true: np.ndarray | None, disputed: np.ndarray | None
) -> np.ndarray:
    """Draw a signal: grey what goes in, green the target, blue the prediction, magenta where that is disputed.

    Args:
        image: uint8, (1, W, C), of which the first channel is drawn over the whole height.
        said: (1, W) predicted numbers.
        target: the range that the whole height shows.
        true: (1, W), NaN where nothing is known; None: there is no target.
        disputed: bool, (1, W); None: that is not shown.

    Returns:
        uint8, (h, w, 3).
    """
    picture = np.full((_HEIGHT_PX, max(_LEAST_WIDTH_PX, min(image.shape[1], 2 * _LEAST_WIDTH_PX)), 3), 255, np.uint8)
    _draw(picture, image[0, :, 0] / 255.0, _GREY)
    if true is not None:
        _draw(picture, target.scaled(true[0]), _GREEN)
    _draw(picture, target.scaled(said[0]), _BLUE)
    if disputed is not None:
        _draw(picture, np.where(disputed[0], target.scaled(said[0]), np.nan), _MAGENTA)
    return picture


def _draw(picture: np.ndarray, shares: np.ndarray, colour: tuple[int, int, int]) -> None:
    """Draw shares of the height, 0 to 1 from the bottom; a line breaks where there is no number."""
    height, width = picture.shape[:2]
    columns = np.rint((np.arange(len(shares)) + 0.5) / len(shares) * width - 0.5)
    known = np.isfinite(shares)
    rows = height - 1 - _MARGIN_PX - np.clip(np.where(known, shares, 0), -0.05, 1.05) * (height - 1 - 2 * _MARGIN_PX)
    points = np.stack([columns, np.rint(rows)], axis=1).astype(np.int32)
    for run in np.split(np.arange(len(shares)), np.flatnonzero(np.diff(known.astype(np.int8))) + 1):
        if known[run[0]]:
            cv2.polylines(picture, [points[run].reshape(-1, 1, 2)], False, colour, 1, cv2.LINE_AA)
