"""Batch norm and pooling."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from incmask.training.together.kernels.blocks import grid_without_convolution, store_sums


def pool(values: Tensor, scale: Tensor, shift: Tensor, *, with_skip: bool) -> tuple[Tensor, Tensor]:
    """Normalise and pool 2×2; give the normalised values (nothing of use unless ``with_skip``) and the pooled ones."""
    num_networks, num_images, height, width, num_channels = values.shape
    pooled = values.new_empty((num_networks, num_images, height // 2, width // 2, num_channels))
    skip = torch.empty_like(values) if with_skip else pooled
    _pool(values, scale, shift, skip, pooled, values, scale, with_skip=with_skip, back=False)
    return skip, pooled


def pool_back(
    values: Tensor, scale: Tensor, shift: Tensor, skip_gradient: Tensor | None, pooled_gradient: Tensor
) -> tuple[Tensor, Tensor]:
    """Give the gradient of what was pooled, and sums for its batch norm, (2, networks, channels)."""
    target, with_skip = torch.empty_like(values), skip_gradient is not None
    skip = pooled_gradient if skip_gradient is None else skip_gradient
    sums = _pool(values, scale, shift, skip, pooled_gradient, target, None, with_skip=with_skip, back=True)
    return target, sums.sum(0)


def _pool(
    values: Tensor,
    scale: Tensor,
    shift: Tensor,
    skip: Tensor,
    pooled: Tensor,
    target: Tensor,
    sums: Tensor | None,
    *,
    with_skip: bool,
    back: bool,
) -> Tensor:
    num_networks, num_images, height, width, num_channels = pooled.shape
    grid, blocks = grid_without_convolution(num_networks, num_images * height * width, num_channels)
    if sums is None:
        sums = values.new_empty((grid[0], 2, num_networks, num_channels), dtype=torch.float32)
    _pool_kernel[grid](
        values,
        scale,
        shift,
        skip,
        pooled,
        target,
        sums,
        num_images * height * width,
        C=num_channels,
        WIDTH=width,
        SKIP=with_skip,
        BACK=back,
        **blocks,
    )
    return sums


@triton.jit
def _pool_kernel(
    values,
    scale,
    shift,
    skip,
    pooled,
    target,
    sums,
    num_pooled,
    C: tl.constexpr,
    WIDTH: tl.constexpr,
    SKIP: tl.constexpr,
    BACK: tl.constexpr,
    BLOCK_P: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """Normalise, keep that in ``skip`` (``SKIP``), and pool 2×2 to (networks, pooled pixels, C); or with ``BACK`` the
    way back, where ``skip`` and ``pooled`` stand for the gradients. WIDTH is that after pooling."""
    first = tl.program_id(0)
    network = tl.program_id(1).to(tl.int64)
    values += network * num_pooled * 4 * C
    skip += network * num_pooled * 4 * C
    target += network * num_pooled * 4 * C
    pooled += network * num_pooled * C
    channel = tl.program_id(2) * BLOCK_C + tl.arange(0, BLOCK_C)
    factor = tl.load(scale + network * C + channel, mask=channel < C, other=0.0)[None, :]
    added = tl.load(shift + network * C + channel, mask=channel < C, other=0.0)[None, :]
    total = tl.zeros((BLOCK_P, BLOCK_C), tl.float32)
    products = tl.zeros((BLOCK_P, BLOCK_C), tl.float32)
    for tile in range(first, tl.cdiv(num_pooled, BLOCK_P), tl.num_programs(0)):
        pixel = tile * BLOCK_P + tl.arange(0, BLOCK_P)
        mask = (pixel < num_pooled)[:, None] & (channel < C)[None, :]
        corner = (pixel // WIDTH * (4 * WIDTH) + pixel % WIDTH * 2)[:, None] * C + channel[None, :]
        place = pixel[:, None] * C + channel[None, :]
        v0 = tl.load(values + corner, mask=mask, other=0.0).to(tl.float32)
        v1 = tl.load(values + corner + C, mask=mask, other=0.0).to(tl.float32)
        v2 = tl.load(values + corner + 2 * WIDTH * C, mask=mask, other=0.0).to(tl.float32)
        v3 = tl.load(values + corner + (2 * WIDTH + 1) * C, mask=mask, other=0.0).to(tl.float32)
        # Compared as they are kept, so that equal ones are equal on the way back.
        n0 = (v0 * factor + added).to(pooled.dtype.element_ty)
        n1 = (v1 * factor + added).to(pooled.dtype.element_ty)
        n2 = (v2 * factor + added).to(pooled.dtype.element_ty)
        n3 = (v3 * factor + added).to(pooled.dtype.element_ty)
        largest = tl.maximum(
            tl.maximum(n0.to(tl.float32), n1.to(tl.float32)), tl.maximum(n2.to(tl.float32), n3.to(tl.float32))
        )
        if not BACK:
            if SKIP:
                tl.store(skip + corner, n0, mask=mask)
                tl.store(skip + corner + C, n1, mask=mask)
                tl.store(skip + corner + 2 * WIDTH * C, n2, mask=mask)
                tl.store(skip + corner + (2 * WIDTH + 1) * C, n3, mask=mask)
            tl.store(pooled + place, largest.to(pooled.dtype.element_ty), mask=mask)
        else:
            gradient = tl.load(pooled + place, mask=mask, other=0.0).to(tl.float32)
            is0 = n0.to(tl.float32) == largest
            is1 = (n1.to(tl.float32) == largest) & ~is0
            is2 = (n2.to(tl.float32) == largest) & ~is0 & ~is1
            g0 = tl.where(is0, gradient, 0.0)
            g1 = tl.where(is1, gradient, 0.0)
            g2 = tl.where(is2, gradient, 0.0)
            g3 = tl.where(is0 | is1 | is2, 0.0, gradient)
            if SKIP:
                g0 += tl.load(skip + corner, mask=mask, other=0.0).to(tl.float32)
                g1 += tl.load(skip + corner + C, mask=mask, other=0.0).to(tl.float32)
                g2 += tl.load(skip + corner + 2 * WIDTH * C, mask=mask, other=0.0).to(tl.float32)
                g3 += tl.load(skip + corner + (2 * WIDTH + 1) * C, mask=mask, other=0.0).to(tl.float32)
            total += g0 + g1 + g2 + g3
            products += g0 * v0 + g1 * v1 + g2 * v2 + g3 * v3
            tl.store(target + corner, (g0 * factor).to(target.dtype.element_ty), mask=mask)
            tl.store(target + corner + C, (g1 * factor).to(target.dtype.element_ty), mask=mask)
            tl.store(target + corner + 2 * WIDTH * C, (g2 * factor).to(target.dtype.element_ty), mask=mask)
            tl.store(target + corner + (2 * WIDTH + 1) * C, (g3 * factor).to(target.dtype.element_ty), mask=mask)
    if BACK:
        store_sums(sums, total, products, first, network, tl.num_programs(1), channel, C)
