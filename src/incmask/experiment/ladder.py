"""How much can be trained, from little to much, and how a person says how long it may take."""

import math
import re
from dataclasses import dataclass

from incmask.base.bounds import STEP_PX
from incmask.base.caller import option
from incmask.base.errors import fail


@dataclass(frozen=True)
class Rung:
    """How much is trained.

    Attributes:
        side_px: of a square with as many pixels as the networks' input has at most.
        num_models: base models, and students of each generation.
        num_generations: of students.
        num_steps: of each training.
    """

    side_px: int
    num_models: int
    num_generations: int
    num_steps: int


LADDER = (
    Rung(64, 2, 1, 300),
    Rung(64, 2, 2, 300),
    Rung(80, 2, 2, 300),
    Rung(96, 2, 2, 300),
    Rung(96, 2, 2, 400),
    Rung(112, 2, 2, 400),
    Rung(128, 2, 2, 500),
    Rung(144, 2, 2, 500),
    Rung(144, 4, 2, 500),
    Rung(160, 4, 2, 500),
    Rung(192, 4, 2, 600),
    Rung(224, 4, 2, 700),
    Rung(256, 4, 2, 800),
    Rung(256, 4, 3, 1000),
    Rung(384, 4, 3, 1000),
    Rung(512, 4, 3, 1000),
    Rung(512, 6, 3, 2000),
)
"""From little to much: no number falls. Of small images the size stays, and what they leave goes into steps."""

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds_from(text: str) -> float:
    """Read a time such as "20m".

    Raises:
        IncmaskError: it is none.

    Examples:
        >>> [seconds_from(text) for text in ("90s", "20m", "1.5h", "2 d")]
        [90.0, 1200.0, 5400.0, 172800.0]
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhd])\s*", text.lower())
    if not found or not float(found[1]):
        raise fail(option("time"), f"expected a number of s, m, h or d, got {text!r}", "use 20m, or 2h")
    return float(found[1]) * _UNITS[found[2]]


def shrunk(size: tuple[int, int], *, side_px: int, step: int = STEP_PX) -> tuple[int, int]:
    """Bring a size to as many pixels as a square of this side has, or fewer, in the networks' steps and in its shape.

    Long images are not made narrower than square ones are for as long a training.

    Examples:
        >>> shrunk((560, 768), side_px=128), shrunk((144, 256), side_px=64), shrunk((48, 64), side_px=128)
        ((112, 144), (48, 80), (48, 64))
    """
    if size[0] == 1:  # a signal's one row stays
        return 1, max(step, min(size[1], side_px**2) // step * step)
    factor = min(1.0, side_px / math.sqrt(math.prod(size)))
    height, width = (max(step, round(side * factor / step) * step) for side in size)
    return height, width
