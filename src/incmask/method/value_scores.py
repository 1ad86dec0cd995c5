"""How far numbers are from the true ones: RMSE, AbsRel, δ < 1.25, PSNR and SSIM, image by image."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Annotated

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from incmask.base.config import Task
from incmask.method.sheets import unfolded

Floats = NDArray[np.floating]
ByImage = Annotated[NDArray[np.float64], "n"]
Images = Annotated[Floats, "n h w"]

MOST_DB = 100.0
"""Of an image without any error, whose PSNR would be infinite."""

CLOSE = 1.25
"""A distance is right within this factor (Eigen et al. 2014)."""

_SIGMA, _TAPS = 1.5, 11
"""Of the window that SSIM looks through (Wang et al. 2004)."""
_K1, _K2 = 0.01, 0.03


@dataclass(frozen=True)
class Errors:
    """What N images lose, each a mean over its pixels with a true number; float64, nan for an image without any.

    Attributes:
        valid: (N,) pixels with a true number.
        squared: (N,) squared error, in the square of the targets' unit.
        absolute: (N,) absolute error, in their unit.
        relative: (N,) absolute error as a share of the true number, where that is greater than 0.
        close: (N,) share of those pixels whose number is right within a factor of 1.25.
        psnr_db: (N,) peak signal-to-noise ratio, the peak being the range of the labelled targets.
        ssim: (N,) structural similarity, with the same range; nan where no window is whole.
    """

    valid: Annotated[NDArray[np.int64], "n"]
    squared: ByImage
    absolute: ByImage
    relative: ByImage
    close: ByImage
    psnr_db: ByImage
    ssim: ByImage

    @staticmethod
    def join(parts: Sequence["Errors"]) -> "Errors":
        """Chain images, of one part or more.

        Examples:
            >>> one = measure(np.ones((1, 1, 2)), np.ones((1, 1, 2)), span=1)
            >>> Errors.join([one, one]).psnr_db.tolist()
            [100.0, 100.0]
        """
        columns = {each.name: [getattr(part, each.name) for part in parts] for each in fields(Errors)}
        return Errors(**{name: np.concatenate(values) for name, values in columns.items()})


def measure(prediction: Images, truth: Images, *, span: float, depth: int | None = None) -> Errors:
    """Compare predictions with the true numbers.

    Args:
        prediction: in the targets' unit.
        truth: the same, NaN where it is not known.
        span: > 0, from the least to the greatest labelled target.
        depth: slices of sheets, which are compared as volumes; None: they are images.

    Examples:
        >>> found = measure(np.array([[[1.0, 4.0, 9.0]]]), np.array([[[1.0, 2.0, np.nan]]]), span=2)
        >>> found.valid.tolist(), found.squared.tolist(), found.relative.tolist(), found.close.tolist()
        ([2], [2.0], [0.5], [0.5])
    """
    rows = [_measured(*pair, span=span, depth=depth) for pair in zip(prediction, truth, strict=True)]
    valid, *others = (np.array(column) for column in zip(*rows, strict=True))
    return Errors(valid.astype(np.int64), *others)


def _measured(prediction: Floats, truth: Floats, *, span: float, depth: int | None) -> tuple[float, ...]:
    known = np.isfinite(truth)
    if not known.any():
        return (0, *[np.nan] * 6)
    said, true = prediction[known].astype(np.float64), truth[known].astype(np.float64)
    error = np.abs(said - true)
    squared = float(np.mean(error**2))
    psnr_db = min(MOST_DB, 10 * np.log10(span**2 / squared)) if squared else MOST_DB
    positive = true > 0
    relative = close = np.nan
    if positive.any():
        relative = float(np.mean(error[positive] / true[positive]))
        close = float(np.mean(_is_close(said[positive], true[positive])))
    shown = (prediction, truth) if depth is None else (unfolded(prediction, depth), unfolded(truth, depth))
    return int(known.sum()), squared, float(error.mean()), relative, close, psnr_db, ssim(*shown, span=span)


def _is_close(said: Floats, true: Floats) -> NDArray[np.bool_]:
    return (said < CLOSE * true) & (true < CLOSE * said)


def ssim(prediction: Annotated[Floats, "*sides"], truth: Annotated[Floats, "*sides"], *, span: float) -> float:
    """Give the structural similarity of an image or a volume (Wang et al. 2004), the mean over whole windows.

    Windows are Gaussian, 11 pixels wide, and no wider than the image along a side that is shorter, so that a signal of
    one row has windows of one row. Of volumes they are cubes.

    Args:
        prediction: as for ``measure``.
        truth: the same, NaN where it is not known: windows with such a pixel are left out.
        span: as for ``measure``.

    Returns:
        -1 to 1; nan where no window is whole.

    Examples:
        >>> ssim(np.eye(12), np.eye(12), span=1)
        1.0
    """
    taps = [_taps(side) for side in truth.shape]
    known = np.isfinite(truth)
    true, said = np.where(known, truth, 0).astype(np.float64), np.where(known, prediction, 0).astype(np.float64)
    is_whole = _smoothed(known.astype(np.float64), taps) > 1 - 1e-9
    if not is_whole.any():
        return float("nan")
    mean_said, mean_true = _smoothed(said, taps), _smoothed(true, taps)
    var_said, var_true = _smoothed(said**2, taps) - mean_said**2, _smoothed(true**2, taps) - mean_true**2
    both = _smoothed(said * true, taps) - mean_said * mean_true
    c1, c2 = (_K1 * span) ** 2, (_K2 * span) ** 2
    above = (2 * mean_said * mean_true + c1) * (2 * both + c2)
    below = (mean_said**2 + mean_true**2 + c1) * (var_said + var_true + c2)
    return float((above / below)[is_whole].mean())


def _taps(side: int) -> NDArray[np.float64]:
    radius = (min(_TAPS, side) - 1) // 2
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / _SIGMA) ** 2)
    return np.asarray(weights / weights.sum())


def _smoothed(values: Floats, taps: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Average through the window, where it lies inside the image."""
    if values.ndim == 3:
        for axis, each in enumerate(taps):
            values = ndimage.correlate1d(values, each, axis=axis, mode="nearest")
        rims = (slice(len(each) // 2, side - len(each) // 2) for each, side in zip(taps, values.shape, strict=True))
        return np.asarray(values[tuple(rims)])
    rows, columns = taps
    (top, left), (height, width) = (len(rows) // 2, len(columns) // 2), values.shape
    means = cv2.sepFilter2D(values, cv2.CV_64F, columns, rows, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(means[top : height - top, left : width - left])


def main_scores(errors: Errors, task: Task) -> ByImage:
    """Give each image's main score: of depth the share of close pixels, else the structural similarity.

    Examples:
        >>> main_scores(measure(np.ones((1, 2, 2)), np.full((1, 2, 2), 2.0), span=1), "depth").tolist()
        [0.0]
    """
    return errors.close if task == "depth" else errors.ssim


def value_table(errors: Errors, task: Task) -> dict[str, float]:
    """Make the table of scores, means over images: of depth ``rmse``, ``abs_rel`` and ``delta_1``, the share of pixels
    right within a factor of 1.25; of others ``psnr`` in decibels, ``ssim`` and ``rmse``; of both ``mae``.

    Examples:
        >>> errors = measure(np.ones((1, 2, 2)), np.full((1, 2, 2), 2.0), span=1)
        >>> value_table(errors, "depth")
        {'rmse': 1.0, 'abs_rel': 0.5, 'delta_1': 0.0, 'mae': 1.0}
    """
    rmse, mae = {"rmse": mean_of(np.sqrt(errors.squared))}, {"mae": mean_of(errors.absolute)}
    if task == "depth":
        return rmse | {"abs_rel": mean_of(errors.relative), "delta_1": mean_of(errors.close)} | mae
    return {"psnr": mean_of(errors.psnr_db), "ssim": mean_of(errors.ssim)} | rmse | mae


def mean_of(values: ByImage) -> float:
    """Average over the images that have a score; 0 where none has.

    Examples:
        >>> mean_of(np.array([1.0, np.nan, 3.0]))
        2.0
    """
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else 0.0
