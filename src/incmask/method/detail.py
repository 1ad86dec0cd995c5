"""How fine pseudo-labels are, by the width of the networks that learn from them (paper, section 4)."""

from typing import Annotated

from array_api_compat import array_namespace

from incmask.base.config import Settings, Task
from incmask.method.exact import Array
from incmask.method.growth import width_of
from incmask.method.labels import labels_of
from incmask.method.morphology import dilate, erode, nearest_ids
from incmask.method.recipe import Recipe
from incmask.method.sheets import folded, unfolded


def detail_side(recipe: Recipe, settings: Settings, generation: int) -> int:
    """Side of the square whose details a generation's pseudo-labels lack: odd; 0 or 1: none.

    It is ``detail_px`` in the first generation, and as much smaller later as networks are wider.

    Args:
        recipe: the approach; one whose labeller has no such setting keeps all details.
        settings: ``detail_px``, and how widths grow.
        generation: counted from 1.

    Examples:
        >>> from incmask.method.recipes import RECIPES
        >>> settings = Settings(detail_px=5)  # of widths 0.5, 0.75, 1
        >>> [detail_side(RECIPES["im+"], settings, each) for each in (1, 2, 3)]
        [5, 3, 1]
        >>> [detail_side(RECIPES[name], settings, 3) for name in ("im", "evalnet")]
        [5, 0]
    """
    if not settings.detail_px or recipe.labeller is None or "detail_px" not in recipe.labeller.settings:
        return 0
    first, now = (width_of(recipe, settings, each) for each in (1, generation))
    side_px = int(settings.detail_px * first / now)
    return max(0, side_px - (side_px + 1) % 2)


def without_details(
    label: Annotated[Array, "n h w"] | Annotated[Array, "n h w k"],
    inconsistent: Annotated[Array, "n h w"],
    *,
    task: Task,
    side_px: int,
    depth: int | None = None,
) -> Annotated[Array, "n h w"] | Annotated[Array, "n h w k"]:
    """Take from labels what is narrower than a square.

    A class keeps its opening: the squares that lie in it as a whole. Of one class, and of each that may overlap others,
    the ground does so next, which closes gaps. Exclusive classes do so all at once, and what they lose takes the
    nearest class that lies within the square, of equally near ones the lower id; where there is none it stays.
    Inconsistent pixels might be anything, so that a class reaches into them, and stay as they are.

    Args:
        label: integers, (N, H, W), or 0/1 (N, H, W, K) of layers.
        inconsistent: bool, (N, H, W).
        task: what the labels mean; no numbers.
        side_px: of the square, odd; 1 leaves all as it is.
        depth: slices of each sheet, in which squares are cubes; None: images.

    Examples:
        >>> import numpy as np
        >>> label = np.array([[[0, 1, 0, 0, 0, 1, 1, 1, 0, 1, 1, 1]] * 3])
        >>> without_details(label, label > 1, task="binary", side_px=3)[0, 0].tolist()
        [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1]
    """
    if side_px <= 1:
        return label
    xp, kind = array_namespace(label), labels_of(task)
    first, unknown = label, inconsistent
    if depth is not None:
        first, unknown = (unfolded(each, depth, axis=1) for each in (label, inconsistent))
    if kind.is_layered:
        first, unknown = xp.moveaxis(first, -1, 1), unknown[:, None, ...]
    change = _of_exclusive if kind.is_exclusive else _of_layers
    changed = change(first, unknown, side_px, range(-2 if depth is None else -3, 0))
    if kind.is_layered:
        changed = xp.moveaxis(changed, 1, -1)
    changed = changed if depth is None else folded(changed, axis=1)
    return xp.astype(xp.where(kind.over_layers(inconsistent), label, changed), label.dtype)


def _of_layers(label: Array, unknown: Array, side_px: int, axes: range) -> Array:
    xp = array_namespace(label)
    opened = (label > 0) & _opened((label > 0) | unknown, side_px, axes)
    return xp.astype(opened | ~_opened(~opened | unknown, side_px, axes), label.dtype)


def _of_exclusive(label: Array, unknown: Array, side_px: int, axes: range) -> Array:
    xp = array_namespace(label)
    kept = xp.zeros_like(unknown)
    for number in xp.unique_values(label):
        here = label == number
        kept |= here & ~unknown & _opened(here | unknown, side_px, axes)
    near = nearest_ids(label, ~kept, side_px=side_px, axes=axes)
    return xp.where(dilate(kept, side_px=side_px, axes=axes), near, label)


def _opened(mask: Array, side_px: int, axes: range) -> Array:
    return dilate(erode(mask, side_px=side_px, axes=axes), side_px=side_px, axes=axes)
