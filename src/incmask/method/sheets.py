"""Volumes as sheets: slices below each other, (D·H, W), as which they go through all that compares no neighbours.

Votes, losses, scores, blocking and files see images. What does look at neighbours (networks, morphology, augmentation,
patches) unfolds a sheet to (D, H, W), and folds what it made of it.
"""

from typing import Annotated

from array_api_compat import array_namespace

from incmask.method.exact import Array


def unfolded(sheet: Annotated[Array, "..."], depth: int, *, axis: int = 0) -> Annotated[Array, "..."]:
    """Give a sheet's slices an axis of their own: (..., D·H, W, ...) to (..., D, H, W, ...).

    Args:
        sheet: a NumPy array or a tensor.
        depth: D.
        axis: of D·H, counted from 0.

    Raises:
        ValueError: the sheet has not so many slices.

    Examples:
        >>> import numpy as np
        >>> unfolded(np.arange(6).reshape(6, 1), 2).shape
        (2, 3, 1)
    """
    height, rest = divmod(sheet.shape[axis], depth)
    if rest:
        raise ValueError(f"a sheet of {sheet.shape[axis]} rows has not {depth} slices")
    shape = (*sheet.shape[:axis], depth, height, *sheet.shape[axis + 1 :])
    unfolded: Array = array_namespace(sheet).reshape(sheet, shape)
    return unfolded


def folded(volume: Annotated[Array, "..."], *, axis: int = 0) -> Annotated[Array, "..."]:
    """Undo ``unfolded``: (..., D, H, W, ...) to (..., D·H, W, ...).

    Examples:
        >>> import numpy as np
        >>> folded(np.arange(6).reshape(2, 3, 1)).ravel().tolist()
        [0, 1, 2, 3, 4, 5]
    """
    depth, height = volume.shape[axis : axis + 2]
    shape = (*volume.shape[:axis], depth * height, *volume.shape[axis + 2 :])
    folded: Array = array_namespace(volume).reshape(volume, shape)
    return folded
