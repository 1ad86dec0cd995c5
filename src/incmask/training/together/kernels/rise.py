"""Batch norm, doubling and addition."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from incmask.training.together.kernels.blocks import grid_without_convolution, store_sums


def rise(values: Tensor, scale: Tensor, shift: Tensor, skip: Tensor) -> Tensor:
    """Normalise, double height and width, and add ``skip``."""
    target = torch.empty_like(skip)
    _rise(values, scale, shift, skip, target, scale, back=False)
    return target


def rise_back(values: Tensor, scale: Tensor, shift: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Give the gradient of what was doubled, and sums for its batch norm, (2, networks, channels)."""
    target = torch.empty_like(values)
    return target, _rise(values, scale, shift, gradient, target, None, back=True).sum(0)


def _rise(
    values: Tensor, scale: Tensor, shift: Tensor, skip: Tensor, target: Tensor, sums: Tensor | None, *, back: bool
) -> Tensor:
    num_networks, num_images, height, width, num_channels = values.shape
    grid, blocks = grid_without_convolution(num_networks, num_images * height * width, num_channels)
    if sums is None:
        sums = values.new_empty((grid[0], 2, num_networks, num_channels), dtype=torch.float32)
    _rise_kernel[grid](
        values,
        scale,
        shift,
        skip,
        target,
        sums,
        num_images * height * width,
        C=num_channels,
        WIDTH=width,
        BACK=back,
        **blocks,
    )
    return sums


@triton.jit
def _rise_kernel(
    values,
    scale,
    shift,
    skip,
    target,
    sums,
    num_low,
    C: tl.constexpr,
    WIDTH: tl.constexpr,
    BACK: tl.constexpr,
    BLOCK_P: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """Normalise, double height and width, and add ``skip``; or with ``BACK`` the way back, where ``skip`` stands for
    the gradients. WIDTH is that before."""
    first = tl.program_id(0)
    network = tl.program_id(1).to(tl.int64)
    values += network * num_low * C
    skip += network * num_low * 4 * C
    target += network * num_low * (C if BACK else 4 * C)
    channel = tl.program_id(2) * BLOCK_C + tl.arange(0, BLOCK_C)
    factor = tl.load(scale + network * C + channel, mask=channel < C, other=0.0)[None, :]
    added = tl.load(shift + network * C + channel, mask=channel < C, other=0.0)[None, :]
    total = tl.zeros((BLOCK_P, BLOCK_C), tl.float32)
    products = tl.zeros((BLOCK_P, BLOCK_C), tl.float32)
    for tile in range(first, tl.cdiv(num_low, BLOCK_P), tl.num_programs(0)):
        pixel = tile * BLOCK_P + tl.arange(0, BLOCK_P)
        mask = (pixel < num_low)[:, None] & (channel < C)[None, :]
        corner = (pixel // WIDTH * (4 * WIDTH) + pixel % WIDTH * 2)[:, None] * C + channel[None, :]
        value = tl.load(values + pixel[:, None] * C + channel[None, :], mask=mask, other=0.0).to(tl.float32)
        s0 = tl.load(skip + corner, mask=mask, other=0.0).to(tl.float32)
        s1 = tl.load(skip + corner + C, mask=mask, other=0.0).to(tl.float32)
        s2 = tl.load(skip + corner + 2 * WIDTH * C, mask=mask, other=0.0).to(tl.float32)
        s3 = tl.load(skip + corner + (2 * WIDTH + 1) * C, mask=mask, other=0.0).to(tl.float32)
        if BACK:
            gradient = s0 + s1 + s2 + s3
            total += gradient
            products += gradient * value
            kept = (gradient * factor).to(target.dtype.element_ty)
            tl.store(target + pixel[:, None] * C + channel[None, :], kept, mask=mask)
        else:
            value = value * factor + added
            tl.store(target + corner, (s0 + value).to(target.dtype.element_ty), mask=mask)
            tl.store(target + corner + C, (s1 + value).to(target.dtype.element_ty), mask=mask)
            tl.store(target + corner + 2 * WIDTH * C, (s2 + value).to(target.dtype.element_ty), mask=mask)
            tl.store(target + corner + (2 * WIDTH + 1) * C, (s3 + value).to(target.dtype.element_ty), mask=mask)
    if BACK:
        store_sums(sums, total, products, first, network, tl.num_programs(1), channel, C)
