"""The gradients of a convolution."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from incmask.training.together.kernels.blocks import before_relu, block_of, dot_type, num_programs
from incmask.training.together.kernels.convolve import End, convolve

_LARGEST_FUSED = 9 * 32 * 32
"""Weights of a convolution whose gradients are all found in one pass."""

_TILES = {
    (1, 16): (128, 1, 1),
    (1, 32): (64, 4, 2),
    (1, 64): (64, 4, 3),
    (9, 16): (64, 1, 2),
    (9, 32): (64, 2, 1),
    (9, 64): (64, 4, 2),
}
"""By taps and channels of the larger block: pixels of a tile, warps of a program, steps that are loaded ahead.

Those that are fastest on an H100 (``benchmarks.gpu --only tiles``)."""


def weigh(
    values: Tensor,
    gradients: Tensor,
    weight: Tensor,
    *,
    end: End,
    scale: Tensor | None = None,
    outputs: Tensor | None = None,
    moments: Tensor | None = None,
) -> tuple[Tensor | None, Tensor, Tensor]:
    """Give the gradients of a convolution; see ``_weigh``.

    Returns:
        Of the input (None where ``end`` is "none"); of the weight, for values that have not passed their batch norm; of
        the bias (G, channels out).
    """
    num_networks, num_images, height, width, num_in = values.shape
    num_out, num_taps = weight.shape[1:3]
    num_pixels = num_images * height * width
    block_k, block_n = block_of(num_in), block_of(num_out)
    is_one = num_in <= block_k and num_out <= block_n and num_taps * block_k * block_n <= _LARGEST_FUSED
    target = None
    if end != "none":
        if is_one:
            target = torch.empty_like(values)
        else:
            target, _ = convolve(
                gradients,
                weight,
                end=end,
                back=True,
                scale=scale,
                inputs=values,
                outputs=outputs,
                moments=moments,
                dtype=values.dtype,
            )
    taps_here = 9 if num_taps == 9 and is_one else min(num_taps, 3)
    blocks = num_taps // taps_here * triton.cdiv(num_in, block_k) * triton.cdiv(num_out, block_n)
    block_p, num_warps, num_stages = _TILES[num_taps, max(block_k, block_n)]
    programs = num_programs(triton.cdiv(num_pixels, block_p), num_networks * blocks * num_warps)
    weight_parts = values.new_empty((programs, *weight.shape), dtype=torch.float32)
    bias_parts = values.new_empty((programs, num_networks, num_out), dtype=torch.float32)
    _weigh[(blocks, programs, num_networks)](
        values,
        gradients,
        gradients if outputs is None else outputs,
        weight if moments is None else moments,
        weight,
        weight if scale is None else scale,
        values if target is None else target,
        weight_parts,
        bias_parts,
        num_pixels,
        K=num_in,
        N=num_out,
        HEIGHT=height,
        WIDTH=width,
        TAPS=num_taps,
        TAPS_HERE=taps_here,
        BEFORE_RELU=outputs is not None,
        END=end if is_one else "none",
        DOT=dot_type(values.dtype),
        BLOCK_P=block_p,
        BLOCK_K=block_k,
        BLOCK_N=block_n,
        num_warps=num_warps,
        num_stages=num_stages,
    )
    return target, weight_parts.sum(0), bias_parts.sum(0)


def sum_edges(gradients: Tensor) -> Tensor:
    """Sum (G, N, H, W, C) over each outermost row, column and corner: (8, G, C); see ``_sum_edges``."""
    num_networks, num_images, height, width, num_channels = gradients.shape
    block_n = block_of(num_channels)
    sums = gradients.new_empty((num_networks, num_images, 8, num_channels), dtype=torch.float32)
    _sum_edges[(num_networks * num_images, triton.cdiv(num_channels, block_n))](
        gradients,
        sums,
        N=num_channels,
        HEIGHT=height,
        WIDTH=width,
        BLOCK_P=triton.next_power_of_2(max(height, width)),
        BLOCK_N=block_n,
    )
    return sums.sum(1).movedim(0, 1)


@triton.jit
def _weigh(
    values,
    gradients,
    outputs,
    moments,
    weight,
    scale,
    target,
    weight_parts,
    bias_parts,
    num_pixels,
    K: tl.constexpr,
    N: tl.constexpr,
    HEIGHT: tl.constexpr,
    WIDTH: tl.constexpr,
    TAPS: tl.constexpr,
    TAPS_HERE: tl.constexpr,
    BEFORE_RELU: tl.constexpr,
    END: tl.constexpr,
    DOT: tl.constexpr,
    BLOCK_P: tl.constexpr,
    BLOCK_K: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """Give the gradients of a convolution's weights and bias, and, unless ``END`` is "none", of its input as well.

    ``values`` (networks, pixels, K) went in, ``gradients`` (networks, pixels, N) are those of what came out. Grid:
    blocks of taps, K and N; programs that share the tiles of pixels; networks. Each program writes its part of the
    sums: ``weight_parts`` (programs, networks, N, TAPS, K) and ``bias_parts`` (programs, networks, N). With the input's
    gradient there is one block; ``END`` as in ``convolve``.
    """
    blocks_k: tl.constexpr = (K + BLOCK_K - 1) // BLOCK_K
    block = tl.program_id(0)
    first_tap = block % (TAPS // TAPS_HERE) * TAPS_HERE
    block_k = block // (TAPS // TAPS_HERE) % blocks_k
    k = block_k * BLOCK_K + tl.arange(0, BLOCK_K)
    n = block // (TAPS // TAPS_HERE) // blocks_k * BLOCK_N + tl.arange(0, BLOCK_N)
    first = tl.program_id(1)
    network = tl.program_id(2).to(tl.int64)
    num_networks = tl.num_programs(2)
    values += network * num_pixels * K
    target += network * num_pixels * K
    gradients += network * num_pixels * N
    outputs += network * num_pixels * N
    moments += network * N
    weight += network * N * TAPS * K
    in_matrix = (k < K)[:, None] & (n < N)[None, :]
    of_weights: tl.tuple = ()
    matrices: tl.tuple = ()
    for nth in tl.static_range(TAPS_HERE):
        of_weights += (tl.zeros((BLOCK_K, BLOCK_N), tl.float32),)
        if END != "none":
            from_here = n[:, None] * (TAPS * K) + nth * K + k[None, :]
            matrix = tl.load(weight + from_here, mask=(n < N)[:, None] & (k < K)[None, :], other=0.0)
            matrices += (matrix.to(DOT),)
    of_bias = tl.zeros((16, BLOCK_N), tl.float32)
    ones = tl.full((16, BLOCK_P), 1.0, tl.float32).to(DOT)
    for tile in range(first, tl.cdiv(num_pixels, BLOCK_P), tl.num_programs(1)):
        pixel = tile * BLOCK_P + tl.arange(0, BLOCK_P)
        row = pixel // WIDTH % HEIGHT
        column = pixel % WIDTH
        place = pixel[:, None] * K + k[None, :]
        mask = (pixel < num_pixels)[:, None] & (k < K)[None, :]
        seen = tl.load(values + place, mask=mask, other=0.0).to(DOT)
        turned = tl.trans(seen)
        result = tl.zeros((BLOCK_P, BLOCK_K), tl.float32)
        new_of_weights: tl.tuple = ()
        for nth in tl.static_range(TAPS_HERE):
            there = pixel < num_pixels
            moved = pixel
            if TAPS == 9:
                # Where this pixel was seen with this tap.
                down = 1 - (first_tap + nth) // 3
                across = 1 - (first_tap + nth) % 3
                there &= (row + down >= 0) & (row + down < HEIGHT) & (column + across >= 0) & (column + across < WIDTH)
                moved = pixel + (down * WIDTH + across)
            at = moved[:, None] * N + n[None, :]
            is_there = there[:, None] & (n < N)[None, :]
            part = tl.load(gradients + at, mask=is_there, other=0.0)
            if BEFORE_RELU:
                part = before_relu(part, outputs + at, moments, n, is_there, N, num_networks * N)
            part = part.to(DOT)
            new_of_weights += (tl.dot(turned, part, of_weights[nth], input_precision="ieee"),)
            if nth == TAPS_HERE // 2:
                of_bias = tl.dot(ones, part, of_bias, input_precision="ieee")
            if END != "none":
                result = tl.dot(part, matrices[nth], result, input_precision="ieee")
        of_weights = new_of_weights
        if END == "mask":
            result = tl.where(seen > 0, result, 0.0)
        if END == "scale":
            result *= tl.load(scale + network * K + k, mask=k < K, other=0.0)[None, :]
        if END != "none":
            tl.store(target + place, result.to(target.dtype.element_ty), mask=mask)
    weight_parts += (first * num_networks + network) * N * TAPS * K
    for nth in tl.static_range(TAPS_HERE):
        to_here = n[None, :] * (TAPS * K) + (first_tap + nth) * K + k[:, None]
        tl.store(weight_parts + to_here, of_weights[nth], mask=in_matrix)
    # The middle tap alone sees each pixel once.
    if (first_tap + TAPS_HERE // 2 == TAPS // 2) & (block_k == 0):
        tl.store(bias_parts + (first * num_networks + network) * N + n, tl.sum(of_bias, 0) / 16, mask=n < N)


@triton.jit
def _sum_edges(
    gradients,
    sums,
    N: tl.constexpr,
    HEIGHT: tl.constexpr,
    WIDTH: tl.constexpr,
    BLOCK_P: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """Sum the gradients (images, HEIGHT, WIDTH, N) of the outermost pixels of each image: (images, 8, N).

    The first and the last row, the first and the last column, and the corners: first row, first column; first, last;
    last, first; last, last. Grid: images, blocks of N.
    """
    image = tl.program_id(0).to(tl.int64)
    n = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    gradients += image * HEIGHT * WIDTH * N + n[None, :]
    sums += image * 8 * N + n
    along = tl.arange(0, BLOCK_P)[:, None]
    in_row = (along < WIDTH) & (n < N)[None, :]
    in_column = (along < HEIGHT) & (n < N)[None, :]
    for end in tl.static_range(2):
        row = tl.load(gradients + (end * (HEIGHT - 1) * WIDTH + along) * N, mask=in_row, other=0.0).to(tl.float32)
        tl.store(sums + end * N, tl.sum(row, 0), mask=n < N)
        column = tl.load(gradients + (along * WIDTH + end * (WIDTH - 1)) * N, mask=in_column, other=0.0).to(tl.float32)
        tl.store(sums + (2 + end) * N, tl.sum(column, 0), mask=n < N)
        tl.store(sums + (4 + 2 * end) * N, tl.sum(tl.where(along == 0, row, 0.0), 0), mask=n < N)
        tl.store(sums + (5 + 2 * end) * N, tl.sum(tl.where(along == WIDTH - 1, row, 0.0), 0), mask=n < N)
