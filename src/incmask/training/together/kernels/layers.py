"""The layers of our networks, several networks at once, with their gradients.

Values lie as (networks G, images N, height, width, channels). ``scale`` and ``shift`` (G, channels) are a batch norm
that values have yet to pass; a layer takes it in as it reads.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function

from incmask.training.together.kernels.convolve import End, convolve
from incmask.training.together.kernels.norm import begin_norm, end_norm
from incmask.training.together.kernels.pool import pool as pool_forward
from incmask.training.together.kernels.pool import pool_back
from incmask.training.together.kernels.rise import rise as rise_forward
from incmask.training.together.kernels.rise import rise_back
from incmask.training.together.kernels.weigh import sum_edges, weigh


def point(values: Tensor, scale: Tensor | None, conv: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor, Tensor]:
    """Convolve each pixel, ReLU, batch norm; ``scale`` alone stands for a factor of the values."""
    return _Point.apply(values, scale, conv.weight, conv.bias, norm.weight, norm.bias, norm)  # type: ignore[no-untyped-call]


def block(
    values: Tensor, scale: Tensor | None, shift: Tensor | None, wide: nn.Conv2d, conv: nn.Conv2d, norm: nn.BatchNorm2d
) -> tuple[Tensor, Tensor, Tensor]:
    """Convolve 3×3, ReLU, convolve each pixel, ReLU, batch norm."""
    parameters = (wide.weight, wide.bias, conv.weight, conv.bias, norm.weight, norm.bias)
    return _Block.apply(values, scale, shift, *parameters, norm)  # type: ignore[no-untyped-call]


def pool(values: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Batch norm, and the largest of 2×2."""
    return _Pool.apply(values, scale, shift, False)  # type: ignore[no-untyped-call]


def pool_and_keep(values: Tensor, scale: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """Batch norm; that, and the largest of 2×2 of it."""
    return _Pool.apply(values, scale, shift, True)  # type: ignore[no-untyped-call]


def rise(values: Tensor, scale: Tensor, shift: Tensor, skip: Tensor) -> Tensor:
    """Batch norm, each pixel four times, plus ``skip``."""
    return _Rise.apply(values, scale, shift, skip)  # type: ignore[no-untyped-call]


def head(values: Tensor, scale: Tensor, shift: Tensor, conv: nn.Conv2d) -> Tensor:
    """Batch norm, convolve each pixel; float32."""
    return _Head.apply(values, scale, shift, conv.weight, conv.bias)  # type: ignore[no-untyped-call]


class _Point(Function):
    @staticmethod
    def forward(
        ctx: Any, values: Tensor, scale: Any, weight: Tensor, bias: Tensor, gamma: Tensor, beta: Tensor, norm: Any
    ) -> Any:
        taps = _by_network(weight, len(values))
        outputs, sums = convolve(values, taps, end="relu", bias=bias, scale=scale, with_sums=True)
        kept = _begin(sums, outputs, norm)
        ctx.save_for_backward(values, scale, taps, outputs, kept)
        ctx.weight_shape = weight.shape
        return outputs, *_scale_and_shift(kept, len(values))

    @staticmethod
    def backward(ctx: Any, gradients: Tensor, scale_gradient: Tensor, shift_gradient: Tensor) -> Any:
        values, scale, taps, outputs, kept = ctx.saved_tensors
        gradients = gradients.contiguous()
        by_gamma, moments = end_norm(scale_gradient, shift_gradient, kept, num_pixels=_num_pixels(outputs))
        end: End = "none" if not ctx.needs_input_grad[0] else "plain" if scale is None else "scale"
        by_values, by_weight, by_bias = weigh(
            values, gradients, taps, end=end, scale=scale, outputs=outputs, moments=moments
        )
        if scale is not None:
            by_weight *= scale[:, None, None]
        return (
            by_values,
            None,
            _like(by_weight, ctx.weight_shape),
            by_bias.flatten(),
            by_gamma,
            shift_gradient.flatten(),
            None,
        )


class _Block(Function):
    @staticmethod
    def forward(
        ctx: Any,
        values: Tensor,
        scale: Any,
        shift: Any,
        wide: Tensor,
        wide_bias: Tensor,
        weight: Tensor,
        bias: Tensor,
        gamma: Tensor,
        beta: Tensor,
        norm: Any,
    ) -> Any:
        wide_taps, taps = (_by_network(each, len(values)) for each in (wide, weight))
        middle, _ = convolve(values, wide_taps, end="relu", bias=wide_bias, scale=scale, shift=shift)
        outputs, sums = convolve(middle, taps, end="relu", bias=bias, with_sums=True)
        kept = _begin(sums, outputs, norm)
        ctx.save_for_backward(values, scale, shift, wide_taps, middle, taps, outputs, kept)
        ctx.shapes = wide.shape, weight.shape
        return outputs, *_scale_and_shift(kept, len(values))

    @staticmethod
    def backward(ctx: Any, gradients: Tensor, scale_gradient: Tensor, shift_gradient: Tensor) -> Any:
        values, scale, shift, wide_taps, middle, taps, outputs, kept = ctx.saved_tensors
        gradients = gradients.contiguous()
        by_gamma, moments = end_norm(scale_gradient, shift_gradient, kept, num_pixels=_num_pixels(outputs))
        by_middle, by_weight, by_bias = weigh(middle, gradients, taps, end="mask", outputs=outputs, moments=moments)
        assert by_middle is not None
        end: End = "plain" if scale is None else "scale"
        by_values, by_wide, by_wide_bias = weigh(values, by_middle, wide_taps, end=end, scale=scale)
        by_scale = by_shift = None
        if scale is not None:
            by_wide, by_scale, by_shift = _through_norm(
                by_wide, wide_taps, scale, shift, _sums_of_taps(by_middle, by_wide_bias)
            )
        wide_shape, shape = ctx.shapes
        return (
            by_values,
            by_scale,
            by_shift,
            _like(by_wide, wide_shape),
            by_wide_bias.flatten(),
            _like(by_weight, shape),
            by_bias.flatten(),
            by_gamma,
            shift_gradient.flatten(),
            None,
        )


class _Pool(Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, scale: Tensor, shift: Tensor, keep: bool) -> Any:
        ctx.save_for_backward(values, scale, shift)
        skip, pooled = pool_forward(values, scale, shift, with_skip=keep)
        return (skip, pooled) if keep else pooled

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        values, scale, shift = ctx.saved_tensors
        *skip, pooled = (each.contiguous() for each in gradients)
        by_values, (by_shift, by_scale) = pool_back(values, scale, shift, skip[0] if skip else None, pooled)
        return by_values, by_scale, by_shift, None


class _Rise(Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, scale: Tensor, shift: Tensor, skip: Tensor) -> Any:
        ctx.save_for_backward(values, scale, shift)
        return rise_forward(values, scale, shift, skip)

    @staticmethod
    def backward(ctx: Any, gradients: Tensor) -> Any:
        values, scale, shift = ctx.saved_tensors
        gradients = gradients.contiguous()
        by_values, (by_shift, by_scale) = rise_back(values, scale, shift, gradients)
        return by_values, by_scale, by_shift, gradients


class _Head(Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, scale: Tensor, shift: Tensor, weight: Tensor, bias: Tensor) -> Any:
        taps = _by_network(weight, len(values))
        outputs, _ = convolve(
            values, taps, end="linear", bias=bias, scale=scale, shift=shift, exact=True, dtype=torch.float32
        )
        ctx.save_for_backward(values, scale, shift, taps)
        ctx.weight_shape = weight.shape
        return outputs

    @staticmethod
    def backward(ctx: Any, gradients: Tensor) -> Any:
        values, scale, shift, taps = ctx.saved_tensors
        by_values, by_weight, by_bias = weigh(values, gradients.contiguous(), taps, end="scale", scale=scale)
        by_weight, by_scale, by_shift = _through_norm(by_weight, taps, scale, shift, by_bias[..., None])
        return by_values, by_scale, by_shift, _like(by_weight, ctx.weight_shape), by_bias.flatten()


def _through_norm(
    by_weight: Tensor, weight: Tensor, scale: Tensor, shift: Tensor, sums: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Give the gradients of a convolution's weight and of the scale and shift before it.

    No look at the pixels is needed: a scale acts on the values as on the weights that they meet, so that its gradient
    is the sum of each weight times the gradient that it would have without the scale.

    Args:
        by_weight: (G, out, taps, in), for values without scale and shift.
        weight: (G, out, taps, in).
        scale, shift: (G, in).
        sums: (G, out, taps) of the gradients after the convolution, where the tap sees a pixel.
    """
    by_scale = (weight * by_weight).sum((1, 2))
    by_shift = (weight * sums[..., None]).sum((1, 2))
    return scale[:, None, None] * by_weight + shift[:, None, None] * sums[..., None], by_scale, by_shift


def _sums_of_taps(gradients: Tensor, total: Tensor) -> Tensor:
    """Sum gradients (G, N, H, W, out) for each tap of 3×3 where it sees a pixel: (G, out, taps); ``total``: of all."""
    top, bottom, left, right, top_left, top_right, bottom_left, bottom_right = sum_edges(gradients)
    upper, middle, lower = total - top, total, total - bottom
    taps = (
        (upper - left + top_left, upper, upper - right + top_right),
        (middle - left, middle, middle - right),
        (lower - left + bottom_left, lower, lower - right + bottom_right),
    )
    return torch.stack([tap for row in taps for tap in row], -1)


def _begin(sums: Tensor, outputs: Tensor, norm: nn.BatchNorm2d) -> Tensor:
    if norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)
    assert norm.momentum is not None
    assert norm.running_mean is not None
    assert norm.running_var is not None
    return begin_norm(
        sums,
        norm.weight,
        norm.bias,
        norm.running_mean,
        norm.running_var,
        num_pixels=_num_pixels(outputs),
        momentum=norm.momentum,
        eps=norm.eps,
    )


def _scale_and_shift(kept: Tensor, num_networks: int) -> tuple[Tensor, Tensor]:
    scale, shift = kept[:2].unflatten(1, (num_networks, -1)).unbind()
    return scale, shift


def _by_network(weight: Tensor, num_networks: int) -> Tensor:
    """(G × out, in, kernel, kernel) as (G, out, taps, in)."""
    return weight.detach().permute(0, 2, 3, 1).contiguous().unflatten(0, (num_networks, -1)).flatten(2, 3)


def _like(gradient: Tensor, shape: torch.Size) -> Tensor:
    """Give the other way round."""
    return gradient.reshape(shape[0], *shape[2:], shape[1]).permute(0, 3, 1, 2)


def _num_pixels(values: Tensor) -> int:
    return values[0, ..., 0].numel()
