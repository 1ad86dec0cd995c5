"""Means and roots that NumPy and torch, on any device, round to the same bits."""

import operator
from functools import reduce
from typing import Annotated, Any

from array_api_compat import array_namespace

Array = Any
"""A NumPy array or a torch tensor; what comes out is of the same library and on the same device as what went in."""


def mean_of_members(values: Annotated[Array, "n *rest"]) -> Annotated[Array, "*rest"]:
    """Average floating values over axis 0.

    Examples:
        >>> mean_of_members(np.array([[0.0, 1.0], [1.0, 1.0]])).tolist()
        [0.5, 1.0]
    """
    # Member by member: a library's own sum picks its own order, and the last bit could decide a vote.
    return reduce(operator.add, values) / values.shape[0]


def mean_of_image(values: Annotated[Array, "..."], ndim: int) -> Annotated[Array, "..."]:
    """Average over the last ``ndim`` axes, kept as 1; folding by halves sums in the same order in every library.

    Examples:
        >>> mean_of_image(np.array([[[1.0, 2.0], [3.0, 6.0]]]), 2).tolist()
        [[[3.0]]]
    """
    xp = array_namespace(values)
    kept = values.shape[: values.ndim - ndim]
    folded = xp.reshape(values, (*kept, -1))
    num_values = length = folded.shape[-1]
    while length > 1:
        half, odd = length // 2, folded[..., 2 * (length // 2) :]
        folded = xp.concat([folded[..., :half] + folded[..., half : 2 * half], odd], axis=-1)
        length = folded.shape[-1]
    return xp.reshape(folded / num_values, (*kept, *(1,) * ndim))


def square_root(values: Annotated[Array, "*any"]) -> Annotated[Array, "*any"]:
    """Give the nearest number to the root of float32 or float64 values >= 0.

    Torch's own root is one bit off on some processors. The rest that it leaves, values - root², is found without
    rounding by splitting the root into halves whose products fit (Dekker 1971); half of it per root mends the last bit.

    Examples:
        >>> square_root(np.array([0.0, 2.0, 9.0])).tolist()
        [0.0, 1.4142135623730951, 3.0]
    """
    xp = array_namespace(values)
    root = xp.sqrt(values)
    spread = root * (2.0**12 + 1 if values.dtype == xp.float32 else 2.0**27 + 1)
    high = spread - (spread - root)
    low = root - high
    square = root * root
    rounded_off = ((high * high - square) + 2 * high * low) + low * low
    rest = (values - square) - rounded_off
    return root + rest / xp.where(root > 0, 2 * root, xp.ones_like(root))
