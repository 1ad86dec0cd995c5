"""A network on an encoder: images standardised, encoded, and brought back to their size."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from incmask.base.bounds import ENCODER_STEP_PX
from incmask.nets.encoders.encoder import Parts
from incmask.nets.unet import Conv, draw_weights, norm

CHANNELS = (1, 3)
"""Channels of images that networks on an encoder take: one, which stands for all three colours, or three."""

_FILTERS = (128, 64, 32, 32)
_LAST_FILTERS = 16


class EncoderNet(nn.Module):
    """An encoder and a decoder as one network.

    Args:
        parts: both, and how images are standardised.
        in_channels: of the image, 1 or 3.
        momentum: of batch norms, in torch's meaning.
        frozen: the encoder stays as it is, its running statistics included.

    ``forward`` takes intensities of 0 to 255, shape ``(N, in_channels, H, W)`` with ``H`` and ``W`` multiples of 32,
    and returns float32 logits ``(N, out_channels, H, W)``.

    Raises:
        ValueError: another number of channels, or an image whose sides are no multiples of 32.
    """

    step_px = ENCODER_STEP_PX
    mean: Tensor
    std: Tensor

    def __init__(self, parts: Parts, *, in_channels: int, momentum: float, frozen: bool):
        super().__init__()
        if in_channels not in CHANNELS:
            raise ValueError(f"EncoderNet: in_channels must be one of {CHANNELS}, got {in_channels}")
        self.encoder, self.decoder, self.bottleneck = parts.encoder, parts.decoder, nn.Identity()
        self._in_channels, self._frozen = in_channels, frozen
        # Saved with the weights, so that another version of the encoder's package changes nothing.
        self.register_buffer("mean", torch.tensor(parts.mean)[:, None, None])
        self.register_buffer("std", torch.tensor(parts.std)[:, None, None])
        for module in self.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.momentum = momentum
        self.encoder.requires_grad_(not frozen)
        self.train()

    def train(self, mode: bool = True) -> "EncoderNet":
        """Set training or evaluation mode; an encoder that is frozen stays in the latter."""
        super().train(mode)
        if self._frozen:
            self.encoder.eval()
        return self

    def forward(self, image: Tensor) -> Tensor:
        step = self.step_px
        if image.ndim != 4 or image.shape[1] != self._in_channels or image.shape[-2] % step or image.shape[-1] % step:
            raise ValueError(
                f"EncoderNet: expected (N, {self._in_channels}, H, W) with H and W multiples of {step}, "
                f"got {tuple(image.shape)}; pad or resize the image"
            )
        *finer, deepest = self.encoder((image.expand(-1, 3, -1, -1) / 255 - self.mean) / self.std)
        logits: Tensor = self.decoder([*finer, self.bottleneck(deepest)], image.shape[-2:])
        return logits.float()


class UNetDecoder(nn.Module):
    """Feature maps brought together from the deepest to the finest, and to the image's size, as in a U-Net.

    Args:
        channels: of the maps, the finest first.
        num_outputs: logits a pixel.
        momentum: of its batch norms; ``EncoderNet`` sets it anew.
    """

    def __init__(self, channels: Sequence[int], num_outputs: int, *, momentum: float = 0.1):
        super().__init__()
        *finer, deepest = channels
        filters = [deepest, *(_FILTERS[min(place, len(_FILTERS) - 1)] for place in range(len(finer))), _LAST_FILTERS]
        self.blocks = nn.ModuleList(
            _block(a + skip, b, momentum)
            for a, b, skip in zip(filters, filters[1:], [*reversed(finer), 0], strict=False)
        )
        self.head = nn.Conv2d(_LAST_FILTERS, num_outputs, 1)
        draw_weights(self)

    def forward(self, maps: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        *finer, x = maps
        *inner, last = self.blocks
        for block, skip in zip(inner, reversed(finer), strict=True):
            x = block(torch.cat([functional.interpolate(x, size=skip.shape[-2:], mode="nearest"), skip], 1))
        x = last(functional.interpolate(x, size=size, mode="nearest"))
        with torch.autocast(x.device.type, enabled=False):
            return self.head(x.float())


def _block(in_channels: int, out_channels: int, momentum: float) -> nn.Sequential:
    return nn.Sequential(
        Conv(in_channels, out_channels, 3),
        norm(out_channels, momentum),
        Conv(out_channels, out_channels, 3),
        norm(out_channels, momentum),
    )
