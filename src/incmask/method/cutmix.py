"""CutMix: a rectangle of an image, with its label and mask, is put into another (French et al. 2020)."""

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from array_api_compat import array_namespace, device

from incmask.method.exact import Array
from incmask.method.sheets import folded

SMALLEST, LARGEST = 0.1, 0.5
"""Share of an image's area that a rectangle takes, drawn evenly; French et al. take the largest always."""


@dataclass(frozen=True)
class Cuts:
    """Rectangles of a batch's images that come from other images of the batch.

    Attributes:
        source: int64, (N,): the image that each takes its rectangle from.
        inside: bool, (N, H, W): the rectangle's pixels; none where an image stays as it is.
    """

    source: Annotated[Array, "n"]
    inside: Annotated[Array, "n h w"]


def draw_cuts(
    num: int, size: tuple[int, int], *, share: float, generator: np.random.Generator, depth: int | None = None
) -> Cuts:
    """Draw which images get a rectangle of the one before them, the first one of the last, and where it lies.

    A rectangle has the sides' ratio of the image and lies at the same place in both.

    Args:
        num: images of the batch, 1 or more.
        size: height and width.
        share: of the images that get one, 0 to 1: the probability of each.
        generator: source of all draws.
        depth: slices of a sheet, in which a box is cut; None: images.

    Examples:
        >>> cuts = draw_cuts(2, (4, 4), share=1, generator=np.random.default_rng(0))
        >>> cuts.source.tolist(), cuts.inside[0].astype(int).tolist()
        ([1, 0], [[0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    """
    sides = size if depth is None else (depth, size[0] // depth, size[1])
    inside = np.zeros((num, *sides), bool)
    for image in inside:
        if generator.random() >= share:
            continue
        drawn = generator.uniform(SMALLEST, LARGEST)
        factor = math.sqrt(drawn) if depth is None else math.cbrt(drawn)
        parts = [max(1, int(side * factor)) for side in sides]
        starts = [int(generator.integers(whole - part + 1)) for whole, part in zip(sides, parts, strict=True)]
        image[tuple(slice(start, start + part) for start, part in zip(starts, parts, strict=True))] = True
    return Cuts(np.roll(np.arange(num, dtype=np.int64), 1), inside if depth is None else folded(inside, axis=1))


def cut_mix(stack: Annotated[Array, "n h w"] | Annotated[Array, "n h w k"], cuts: Cuts) -> Annotated[Array, "..."]:
    """Put the rectangles into images, labels or masks; with the same cuts they stay together.

    Args:
        stack: (N, H, W) or (N, H, W, C), a NumPy array or a tensor on any device.
        cuts: of these images.

    Returns:
        A new array of the stack's shape and type.

    Examples:
        >>> cuts = Cuts(np.array([1, 0]), np.array([[[True, False]], [[False, False]]]))
        >>> cut_mix(np.array([[[1, 2]], [[3, 4]]]), cuts).tolist()
        [[[3, 2]], [[3, 4]]]
    """
    xp = array_namespace(stack)
    source, inside = (xp.asarray(each, device=device(stack)) for each in (cuts.source, cuts.inside))
    return xp.where(inside[..., None] if stack.ndim == 4 else inside, xp.take(stack, source, axis=0), stack)
