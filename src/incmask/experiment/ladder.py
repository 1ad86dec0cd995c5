"""How much can be trained, from little to much, and how a person says how long it may take."""

import re
from dataclasses import dataclass

from incmask.base.bounds import STEP_PX
from incmask.base.caller import option
from incmask.base.errors import fail


@dataclass(frozen=True)
class Rung:
    """How much is trained.

    Attributes:
        longest_px: side of the networks' input at most.
        num_models: base models, and students of each generation.
        num_generations: of students.
        num_steps: of each training.
    """

    longest_px: int
    num_models: int
    num_generations: int
    num_steps: int


LADDER = (
    Rung(64, 2, 1, 300),
    Rung(64, 2, 2, 300),
    Rung(96, 2, 2, 400),
    Rung(128, 2, 2, 500),
    Rung(128, 4, 2, 500),
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


def shrunk(size: tuple[int, int], *, longest_px: int, step: int = STEP_PX) -> tuple[int, int]:
    """Bring a size to a longer side of at most so many pixels, in the networks' steps.

    Examples:
        >>> shrunk((560, 768), longest_px=128), shrunk((48, 64), longest_px=128)
        ((96, 128), (48, 64))
    """
    factor = min(1.0, longest_px / max(size))
    height, width = (max(step, round(side * factor / step) * step) for side in size)
    return height, width
