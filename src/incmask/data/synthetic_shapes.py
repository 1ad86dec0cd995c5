"""What made-up images are drawn of: closed outlines, rings about them, and smooth noise."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Blob:
    """A closed outline about a centre: an ellipse with waves on it."""

    y: float
    x: float
    radius_px: float
    stretch: float
    angle: float
    waves: Floats
    phases: Floats


def distance_from(blob: Blob, rows: Floats, columns: Floats) -> Floats:
    """Distance from the centre in units of the outline: 1 on it."""
    y, x = rows - blob.y, columns - blob.x
    along = (x * np.cos(blob.angle) + y * np.sin(blob.angle)) / blob.stretch**0.5
    across = (y * np.cos(blob.angle) - x * np.sin(blob.angle)) * blob.stretch**0.5
    turn = np.arctan2(across, along)
    outline = 1 + sum(
        wave * np.cos(k * turn + phase) for k, (wave, phase) in enumerate(zip(blob.waves, blob.phases, strict=True), 2)
    )
    distance: Floats = np.hypot(along, across) / (blob.radius_px * np.maximum(outline, 0.4))
    return distance


def ring(distance: Floats, at: float, width: float) -> Floats:
    """Give a band along an outline: 1 at the distance ``at``, less away from it."""
    band: Floats = np.exp(-(((distance - at) / width) ** 2))
    return band


def smooth_noise(size: tuple[int, ...], grain_px: float, generator: np.random.Generator) -> Floats:
    """Noise of mean 0 and deviation about 1 whose values ``grain_px`` apart know little of each other."""
    coarse = generator.normal(size=[int(side / grain_px) + 4 for side in size])
    fine: Any = cv2.resize(coarse, None, fx=grain_px, fy=grain_px, interpolation=cv2.INTER_CUBIC)
    # Away from the border, and at no fixed place between the coarse values.
    top, left = generator.integers(int(grain_px), int(2 * grain_px), 2, endpoint=True)
    noise: Floats = fine[top : top + size[0], left : left + size[1]]
    return noise
