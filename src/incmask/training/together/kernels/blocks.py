"""What the kernels have in common: tiles of pixels, blocks of channels, sums of a program."""

import torch
import triton
import triton.language as tl

_WARPS = 132 * 16
"""Started at once, about: a program goes through many tiles of pixels, so that its sums are few."""

_MOST_CHANNELS = 64
"""In a block."""

_VALUES = 2048
"""Of a tile of a kernel without convolution."""


def num_programs(num_tiles: int, others: int) -> int:
    """Programs that share tiles, where each of them is started for ``others`` warps."""
    return min(num_tiles, max(1, triton.cdiv(_WARPS, others)))


def block_of(num_channels: int) -> int:
    """Channels of a block of a convolution."""
    return min(max(triton.next_power_of_2(num_channels), 16), _MOST_CHANNELS)


def grid_without_convolution(
    num_networks: int, num_pixels: int, num_channels: int
) -> tuple[tuple[int, int, int], dict[str, int]]:
    """Give the grid, programs × networks × blocks of channels, and the blocks."""
    block_c = min(triton.next_power_of_2(num_channels), _MOST_CHANNELS)
    block_p = _VALUES // block_c
    blocks = triton.cdiv(num_channels, block_c)
    programs = num_programs(triton.cdiv(num_pixels, block_p), num_networks * blocks * 4)
    return (programs, num_networks, blocks), {"BLOCK_P": block_p, "BLOCK_C": block_c}


def dot_type(dtype: torch.dtype) -> tl.dtype:
    """In which values meet weights."""
    return tl.bfloat16 if dtype == torch.bfloat16 else tl.float32


@triton.jit
def before_relu(gradients, outputs, moments, channel, mask, CHANNELS: tl.constexpr, second):
    """Take gradients back through a batch norm's statistics and the ReLU before it."""
    values = tl.load(outputs, mask=mask, other=0.0).to(tl.float32)
    mean = tl.load(moments + channel, mask=channel < CHANNELS, other=0.0)
    variance = tl.load(moments + second + channel, mask=channel < CHANNELS, other=0.0)
    return tl.where(values > 0, gradients.to(tl.float32) + mean[None, :] + variance[None, :] * values, 0.0)


@triton.jit
def store_sums(sums, total, products, program, network, num_networks, channel, CHANNELS: tl.constexpr):
    """Write a program's sums into (programs, 2, networks, CHANNELS)."""
    sums += (program * 2 * num_networks + network) * CHANNELS + channel
    tl.store(sums, tl.sum(total, 0), mask=channel < CHANNELS)
    tl.store(sums + num_networks * CHANNELS, tl.sum(products, 0), mask=channel < CHANNELS)
