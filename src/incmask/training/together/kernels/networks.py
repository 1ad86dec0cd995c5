"""U-Nets and EvalNets of a group, layer by layer in fused kernels."""

from typing import Any

import torch
from torch import Tensor, nn

from incmask.training.together.kernels import layers


class FusedNetwork(nn.Module):
    """The networks of a group.

    Args:
        network: of the group, on a GPU; its weights and statistics are used and changed.
        num: networks in it.
        dtype: of what lies between layers.

    ``forward`` takes and gives what ``network`` does, in training mode.
    """

    def __init__(self, network: nn.Module, num: int, dtype: torch.dtype):
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._num, self._dtype = num, dtype


class FusedUNet(FusedNetwork):
    """A group's U-Nets."""

    def forward(self, image: Tensor) -> Tensor:
        net: Any = self.network
        if _is_too_large(image, net.stem[0].out_channels, self._num):
            return net(image)
        x = _apart(image, self._num, self._dtype)
        skips = []
        x, scale, shift = layers.point(x, _one_over_255(x), *net.stem)
        norm: tuple[Tensor | None, Tensor | None] = scale, shift
        for block in net.encoder:
            x, scale, shift = layers.block(x, *norm, *block)
            skip, x = layers.pool_and_keep(x, scale, shift)
            skips.append(skip)
            # What is pooled has passed its norm.
            norm = None, None
        x, scale, shift = layers.block(x, *norm, *net.bottleneck)
        for conv, batch_norm, *block in net.decoder:
            x = layers.rise(x, scale, shift, skips.pop())
            x, scale, shift = layers.point(x, None, conv, batch_norm)
            x, scale, shift = layers.block(x, scale, shift, *block)
        return layers.head(x, scale, shift, net.head).permute(1, 0, 4, 2, 3).flatten(1, 2)


class FusedEvalNet(FusedNetwork):
    """A group's EvalNets, for images whose sides are multiples of 64; others go through ``network`` itself."""

    _DIVISOR = 64

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        net: Any = self.network
        is_odd = any(side % self._DIVISOR for side in image.shape[2:])
        if is_odd or _is_too_large(image, 2 * net.image_stream[0].out_channels, self._num):
            return net(image, mask)
        images, masks = (_apart(each, self._num, self._dtype) for each in (image, mask))
        x = torch.cat(
            [_stream(images, _one_over_255(images), net.image_stream), _stream(masks, None, net.mask_stream)], -1
        )
        for block in net.blocks:
            x = layers.pool(*layers.block(x, None, None, *block[:3]))
        weight, bias = (each.unflatten(0, (self._num, -1)) for each in (net.head.weight, net.head.bias))
        scores = torch.einsum("gnf,gof->ngo", x.float().mean((2, 3)), weight) + bias
        return scores.sigmoid().flatten(1)


def _stream(values: Tensor, factor: Tensor | None, stream: Any) -> Tensor:
    conv, norm, block = stream
    return layers.pool(*layers.block(*layers.point(values, factor, conv, norm), *block[:3]))


def _apart(joined: Tensor, num: int, dtype: torch.dtype) -> Tensor:
    """(N, networks × C, H, W) as (networks, N, H, W, C)."""
    return joined.permute(0, 2, 3, 1).unflatten(3, (num, -1)).movedim(3, 0).to(dtype).contiguous()


def _is_too_large(joined: Tensor, channels: int, num: int) -> bool:
    """Tell whether a network's values are too many to be numbered in 32 bits; inner levels have fewer."""
    num_pixels = joined.shape[0] * joined.shape[2] * joined.shape[3]
    return num_pixels * max(channels, joined.shape[1]) >= 2**31 * num


def _one_over_255(values: Tensor) -> Tensor:
    return torch.full((len(values), values.shape[-1]), 1 / 255, device=values.device)
