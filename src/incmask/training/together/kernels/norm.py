"""Batch norms, from and to the sums of whole channels."""

import triton
import triton.language as tl
from torch import Tensor


def begin_norm(
    sums: Tensor,
    weight: Tensor,
    bias: Tensor,
    running_mean: Tensor,
    running_variance: Tensor,
    *,
    num_pixels: int,
    momentum: float,
    eps: float,
) -> Tensor:
    """Give scale, shift, mean and reciprocal deviation, (4, networks × channels), and move the running statistics.

    Args:
        sums: (programs, 2, networks, channels), of values and their squares.
        weight, bias, running_mean, running_variance: (networks × channels,).
        num_pixels: behind the sums.
        momentum: share of the new in the running statistics.
        eps: added to the variance.

    Raises:
        ValueError: a single pixel has no variance.
    """
    if num_pixels < 2:
        raise ValueError("a batch norm in training needs more than 1 value a channel")
    num_channels = len(weight)
    kept = weight.new_empty(4, num_channels)
    _begin_norm[(triton.cdiv(num_channels, 8),)](
        sums,
        weight,
        bias,
        running_mean,
        running_variance,
        kept,
        len(sums),
        num_pixels,
        momentum,
        eps,
        CHANNELS=num_channels,
        BLOCK_R=64,
        BLOCK_C=8,
    )
    return kept


def end_norm(scale_gradient: Tensor, shift_gradient: Tensor, kept: Tensor, *, num_pixels: int) -> tuple[Tensor, Tensor]:
    """Give the gradient of a norm's weight and its moments; see ``_end_norm``."""
    num_channels = kept.shape[1]
    weight_gradient, moments = kept.new_empty(num_channels), kept.new_empty(2, num_channels)
    _end_norm[(triton.cdiv(num_channels, 64),)](
        scale_gradient.contiguous(),
        shift_gradient.contiguous(),
        kept,
        weight_gradient,
        moments,
        num_pixels,
        CHANNELS=num_channels,
        BLOCK_C=64,
    )
    return weight_gradient, moments


@triton.jit
def _begin_norm(
    sums,
    weight,
    bias,
    running_mean,
    running_variance,
    kept,
    num_programs,
    num_pixels,
    momentum,
    eps,
    CHANNELS: tl.constexpr,
    BLOCK_R: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """Give scale, shift, mean and reciprocal deviation (4, CHANNELS) from sums (programs, 2, CHANNELS)."""
    channel = tl.program_id(0) * BLOCK_C + tl.arange(0, BLOCK_C)
    mask = channel < CHANNELS
    total = tl.zeros((BLOCK_R, BLOCK_C), tl.float32)
    squares = tl.zeros((BLOCK_R, BLOCK_C), tl.float32)
    for first in range(0, num_programs, BLOCK_R):
        program = first + tl.arange(0, BLOCK_R)
        place = program[:, None] * (2 * CHANNELS) + channel[None, :]
        there = (program < num_programs)[:, None] & mask[None, :]
        total += tl.load(sums + place, mask=there, other=0.0)
        squares += tl.load(sums + place + CHANNELS, mask=there, other=0.0)
    mean = tl.sum(total, 0) / num_pixels
    variance = tl.maximum(tl.sum(squares, 0) / num_pixels - mean * mean, 0.0)
    reciprocal = 1 / tl.sqrt(variance + eps)
    scale = tl.load(weight + channel, mask=mask, other=0.0) * reciprocal
    shift = tl.load(bias + channel, mask=mask, other=0.0) - mean * scale
    tl.store(kept + channel, scale, mask=mask)
    tl.store(kept + CHANNELS + channel, shift, mask=mask)
    tl.store(kept + 2 * CHANNELS + channel, mean, mask=mask)
    tl.store(kept + 3 * CHANNELS + channel, reciprocal, mask=mask)
    before = tl.load(running_mean + channel, mask=mask, other=0.0)
    tl.store(running_mean + channel, before + momentum * (mean - before), mask=mask)
    before = tl.load(running_variance + channel, mask=mask, other=0.0)
    unbiased = variance * (num_pixels / (num_pixels - 1))
    tl.store(running_variance + channel, before + momentum * (unbiased - before), mask=mask)


@triton.jit
def _end_norm(
    scale_gradient,
    shift_gradient,
    kept,
    weight_gradient,
    moments,
    num_pixels,
    CHANNELS: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """Give the gradient of a norm's weight, and the moments by which gradients pass its statistics, (2, CHANNELS)."""
    channel = tl.program_id(0) * BLOCK_C + tl.arange(0, BLOCK_C)
    mask = channel < CHANNELS
    by_scale = tl.load(scale_gradient + channel, mask=mask, other=0.0)
    by_shift = tl.load(shift_gradient + channel, mask=mask, other=0.0)
    scale = tl.load(kept + channel, mask=mask, other=0.0)
    mean = tl.load(kept + 2 * CHANNELS + channel, mask=mask, other=0.0)
    reciprocal = tl.load(kept + 3 * CHANNELS + channel, mask=mask, other=0.0)
    by_weight = reciprocal * (by_scale - mean * by_shift)
    tl.store(weight_gradient + channel, by_weight, mask=mask)
    of_values = -scale * reciprocal * by_weight / num_pixels
    tl.store(moments + channel, -scale * by_shift / num_pixels - of_values * mean, mask=mask)
    tl.store(moments + CHANNELS + channel, of_values, mask=mask)
