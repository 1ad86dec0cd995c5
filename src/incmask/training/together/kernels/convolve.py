"""A convolution with what stands before and behind it, and its way back."""

from typing import Literal

import torch
import triton
import triton.language as tl
from torch import Tensor

from incmask.training.together.kernels.blocks import before_relu, block_of, dot_type, num_programs, store_sums

End = Literal["relu", "linear", "mask", "scale", "plain", "none"]
"""What is done to results; see ``_convolve``."""

_TILES = {
    (1, 16): (64, 1, 1),
    (1, 32): (64, 1, 1),
    (1, 64): (64, 4, 3),
    (9, 16): (64, 2, 1),
    (9, 32): (64, 1, 1),
    (9, 64): (128, 4, 3),
}
"""By taps and channels of the larger block: pixels of a tile, warps of a program, steps that are loaded ahead.

Those that are fastest on an H100 (``benchmarks.gpu --only tiles``)."""


def convolve(
    values: Tensor,
    weight: Tensor,
    *,
    end: End,
    back: bool = False,
    bias: Tensor | None = None,
    scale: Tensor | None = None,
    shift: Tensor | None = None,
    inputs: Tensor | None = None,
    outputs: Tensor | None = None,
    moments: Tensor | None = None,
    with_sums: bool = False,
    exact: bool = False,
    dtype: torch.dtype | None = None,
) -> tuple[Tensor, Tensor]:
    """Convolve; see ``_convolve``.

    Args:
        values: (G, N, H, W, K).
        weight: (G, channels out, taps, channels in), float32.
        end: of the kernel.
        back: the way back, with the same weight.
        bias: (G, channels out).
        scale, shift: of a batch norm of the values, (G, K); with ``back`` the scale is that of the inputs.
        inputs: whose gradients these become.
        outputs, moments: of the ReLU and batch norm that the gradients have yet to pass.
        with_sums: whether they are wanted.
        exact: weights with all their digits.
        dtype: of the result; None: that of the values.

    Returns:
        The result (G, N, H, W, channels), and sums (programs, 2, G, channels), or, where not wanted, nothing of use.
    """
    num_networks, num_images, height, width, num_in = values.shape
    num_out = weight.shape[3] if back else weight.shape[1]
    num_pixels = num_images * height * width
    target = values.new_empty((num_networks, num_images, height, width, num_out), dtype=dtype)
    block_k, block_n = block_of(num_in), block_of(num_out)
    block_p, num_warps, num_stages = _TILES[weight.shape[2], max(block_k, block_n)]
    blocks_n = triton.cdiv(num_out, block_n)
    programs = num_programs(triton.cdiv(num_pixels, block_p), num_networks * blocks_n * num_warps)
    sums = values.new_empty((programs, 2, num_networks, num_out) if with_sums else 1, dtype=torch.float32)
    is_shifted = shift is not None and not back
    _convolve[(programs, num_networks, blocks_n)](
        values,
        values if outputs is None else outputs,
        weight if moments is None else moments,
        weight,
        weight if scale is None else scale,
        (weight * shift[:, None, None]).sum(-1) if is_shifted else weight,  # type: ignore[index]
        weight if bias is None else bias,
        target if inputs is None else inputs,
        target,
        sums,
        num_pixels,
        K=num_in,
        N=num_out,
        HEIGHT=height,
        WIDTH=width,
        TAPS=weight.shape[2],
        BACK=back,
        BEFORE_RELU=outputs is not None,
        SCALED=scale is not None and not back,
        SHIFTED=is_shifted,
        END=end,
        SUMS=with_sums,
        EXACT=exact,
        DOT=dot_type(values.dtype),
        BLOCK_P=block_p,
        BLOCK_K=block_k,
        BLOCK_N=block_n,
        num_warps=num_warps,
        num_stages=num_stages,
    )
    return target, sums


@triton.jit
def _convolve(
    values,
    outputs,
    moments,
    weight,
    scale,
    fold,
    bias,
    inputs,
    target,
    sums,
    num_pixels,
    K: tl.constexpr,
    N: tl.constexpr,
    HEIGHT: tl.constexpr,
    WIDTH: tl.constexpr,
    TAPS: tl.constexpr,
    BACK: tl.constexpr,
    BEFORE_RELU: tl.constexpr,
    SCALED: tl.constexpr,
    SHIFTED: tl.constexpr,
    END: tl.constexpr,
    SUMS: tl.constexpr,
    EXACT: tl.constexpr,
    DOT: tl.constexpr,
    BLOCK_P: tl.constexpr,
    BLOCK_K: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """Convolve (networks, pixels, K) to (networks, pixels, N); with ``BACK`` the way back to a convolution's input.

    Grid: programs that share the tiles of pixels, networks, blocks of N. ``BEFORE_RELU``: the values are gradients
    after the ReLU that gave ``outputs``, and after the batch norm that stood behind it. ``END``: what is done to
    a result: "relu", "linear" (both add the bias), "mask" (the way back through the ReLU that gave ``inputs``), "scale"
    (through the batch norm of ``inputs``) or "plain". ``SUMS``: of results and their squares, (programs, 2, networks,
    N). ``EXACT``: weights with all their digits.
    """
    first = tl.program_id(0)
    network = tl.program_id(1).to(tl.int64)
    num_networks = tl.num_programs(1)
    values += network * num_pixels * K
    outputs += network * num_pixels * K
    moments += network * K
    scale += network * (N if BACK else K)
    inputs += network * num_pixels * N
    target += network * num_pixels * N
    weight += network * N * TAPS * K
    n = tl.program_id(2) * BLOCK_N + tl.arange(0, BLOCK_N)
    blocks_k: tl.constexpr = (K + BLOCK_K - 1) // BLOCK_K
    # More would take minutes to compile.
    unrolled: tl.constexpr = TAPS * blocks_k * BLOCK_K * BLOCK_N <= 9 * 32 * 32
    matrices: tl.tuple = ()
    if unrolled:
        for part in tl.static_range(TAPS * blocks_k):
            matrix = _load_matrix(
                weight, scale, part // blocks_k, part % blocks_k, n, K, N, TAPS, BACK, SCALED, BLOCK_K
            )
            matrices += (matrix.to(DOT),)
            if EXACT:
                matrices += ((matrix - matrix.to(DOT).to(tl.float32)).to(DOT),)
    if SHIFTED:
        # Of a shift, what each tap adds wherever the pixel that it sees is there.
        tap = tl.arange(0, 16)
        of_tap = (network * N + n)[None, :] * TAPS + tap[:, None]
        shifted = tl.load(fold + of_tap, mask=(tap < TAPS)[:, None] & (n < N)[None, :], other=0.0)
        shifted_high = shifted.to(DOT)
        shifted_low = (shifted - shifted_high.to(tl.float32)).to(DOT)
    total = tl.zeros((BLOCK_P, BLOCK_N), tl.float32)
    squares = tl.zeros((BLOCK_P, BLOCK_N), tl.float32)
    for tile in range(first, tl.cdiv(num_pixels, BLOCK_P), tl.num_programs(0)):
        pixel = tile * BLOCK_P + tl.arange(0, BLOCK_P)
        row = pixel // WIDTH % HEIGHT
        column = pixel % WIDTH
        result = tl.zeros((BLOCK_P, BLOCK_N), tl.float32)
        if unrolled:
            for part in tl.static_range(TAPS * blocks_k):
                seen = _load_values(
                    values, outputs, moments, part // blocks_k, part % blocks_k, pixel, row, column, num_pixels,
                    num_networks, K, HEIGHT, WIDTH, TAPS, BEFORE_RELU, DOT, BLOCK_K,
                )  # fmt: skip
                if EXACT:
                    result = tl.dot(seen, matrices[2 * part], result, input_precision="ieee")
                    result = tl.dot(seen, matrices[2 * part + 1], result, input_precision="ieee")
                else:
                    result = tl.dot(seen, matrices[part], result, input_precision="ieee")
        else:
            for part in range(TAPS * blocks_k):
                seen = _load_values(
                    values, outputs, moments, part // blocks_k, part % blocks_k, pixel, row, column, num_pixels,
                    num_networks, K, HEIGHT, WIDTH, TAPS, BEFORE_RELU, DOT, BLOCK_K,
                )  # fmt: skip
                matrix = _load_matrix(
                    weight, scale, part // blocks_k, part % blocks_k, n, K, N, TAPS, BACK, SCALED, BLOCK_K
                )
                result = tl.dot(seen, matrix.to(DOT), result, input_precision="ieee")
        if SHIFTED:
            down = tap // 3 - 1 if TAPS == 9 else tap * 0
            across = tap % 3 - 1 if TAPS == 9 else tap * 0
            there = (pixel < num_pixels)[:, None] & (tap < TAPS)[None, :]
            there &= (row[:, None] + down[None, :] >= 0) & (row[:, None] + down[None, :] < HEIGHT)
            there &= (column[:, None] + across[None, :] >= 0) & (column[:, None] + across[None, :] < WIDTH)
            result = tl.dot(there.to(DOT), shifted_high, result, input_precision="ieee")
            result = tl.dot(there.to(DOT), shifted_low, result, input_precision="ieee")
        place = pixel[:, None] * N + n[None, :]
        mask = (pixel < num_pixels)[:, None] & (n < N)[None, :]
        if END == "relu" or END == "linear":
            result += tl.load(bias + network * N + n, mask=n < N, other=0.0)[None, :]
            if END == "relu":
                result = tl.maximum(result, 0.0)
        if END == "mask":
            result = tl.where(tl.load(inputs + place, mask=mask, other=0.0) > 0, result, 0.0)
        if END == "scale":
            result *= tl.load(scale + n, mask=n < N, other=0.0)[None, :]
        kept = result.to(target.dtype.element_ty)
        tl.store(target + place, kept, mask=mask)
        if SUMS:
            seen_once = tl.where(mask, kept.to(tl.float32), 0.0)
            total += seen_once
            squares += seen_once * seen_once
    if SUMS:
        store_sums(sums, total, squares, first, network, num_networks, n, N)


@triton.jit
def _load_values(
    values, outputs, moments, tap, block_k, pixel, row, column, num_pixels, num_networks, K: tl.constexpr,
    HEIGHT: tl.constexpr, WIDTH: tl.constexpr, TAPS: tl.constexpr, BEFORE_RELU: tl.constexpr, DOT: tl.constexpr,
    BLOCK_K: tl.constexpr,
):  # fmt: skip
    """Read what a tap sees from a tile of pixels, a block of K; nothing beyond the edges."""
    there = pixel < num_pixels
    moved = pixel
    if TAPS == 9:
        down = tap // 3 - 1
        across = tap % 3 - 1
        there &= (row + down >= 0) & (row + down < HEIGHT) & (column + across >= 0) & (column + across < WIDTH)
        moved = pixel + (down * WIDTH + across)
    k = block_k * BLOCK_K + tl.arange(0, BLOCK_K)
    place = moved[:, None] * K + k[None, :]
    mask = there[:, None] & (k < K)[None, :]
    seen = tl.load(values + place, mask=mask, other=0.0)
    if BEFORE_RELU:
        seen = before_relu(seen, outputs + place, moments, k, mask, K, num_networks * K)
    return seen.to(DOT)


@triton.jit
def _load_matrix(
    weight, scale, tap, block_k, n, K: tl.constexpr, N: tl.constexpr, TAPS: tl.constexpr, BACK: tl.constexpr,
    SCALED: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """Read the weights of a tap from a block of K to ``n``, float32."""
    k = block_k * BLOCK_K + tl.arange(0, BLOCK_K)
    if BACK:
        at = k[:, None] * (TAPS * N) + (TAPS - 1 - tap) * N + n[None, :]
    else:
        at = n[None, :] * (TAPS * K) + tap * K + k[:, None]
    matrix = tl.load(weight + at, mask=(k < K)[:, None] & (n < N)[None, :], other=0.0)
    if SCALED:
        matrix *= tl.load(scale + k, mask=k < K, other=0.0)[:, None]
    return matrix
