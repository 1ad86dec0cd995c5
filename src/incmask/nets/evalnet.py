"""The EvalNet, which tells from an image and its label how good the label is (paper section 2.7, appendix A.3)."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from incmask.nets.unet import Conv, Conv3d, Pooling, checked_poolings, draw_weights, norm, norm3d

LEAST_SIDE_PX = 16
"""Least height and width of an image."""

HeadWeights = Literal["he_normal", "glorot_uniform"]

_BLOCKS = 5

POOLINGS = 1 + _BLOCKS
"""One of the streams, and one of each block."""


class EvalNet(nn.Module):
    """Two streams, for the image and for its label, joined and brought down to a few scores.

    Each stream is a 1x1 convolution and one block of the U-Net's encoder (3x3 and 1x1 convolution, batch norm,
    pooling); five more blocks follow on the joined streams, then the mean over the image and a dense layer. The paper
    calls that layer linear; a sigmoid follows here, as in the published code, since what it estimates lies in 0..1.

    In three dimensions all of these are cubes, and the mean is over the volume.

    Args:
        image_channels: channels of the image, 1 or more.
        mask_channels: channels of the label, 1 or more.
        num_outputs: scores an image, 1 or more.
        width: alpha; both streams have ``int(16 * width)`` filters, block i of the five has ``int(16 * 2**i * width)``
            (paper: 1 for ISIC, else 2).
        batch_norm_momentum: in Keras's meaning, the share of the running statistics that stays
            at each step (paper: 0.99).
        head: how the dense layer's weights are drawn: ``"he_normal"`` as all others, or ``"glorot_uniform"``, Keras's
            own choice, as for one layer of ratings and another of detections (more than one output).
        ndim: 2 for images, 3 for volumes.
        poolings: by how much each of the six poolings shrinks each axis, 1 or 2; None: all by 2.

    ``forward`` takes intensities of 0 to 255, shape ``(N, image_channels, H, W)``, and the label as 0/1,
    ``(N, mask_channels, H, W)``, and returns float32 ``(N, num_outputs)`` in 0..1. Any ``H`` and ``W`` from
    ``LEAST_SIDE_PX`` will do: the six poolings round an odd side up and leave a side of 1, which for multiples of 64 is
    what pooling as in the paper does. The last batch norm has an image's sides divided by 32 before it, so training
    with a batch of one image needs a side of more than 32. Of volumes both are ``(N, C, D, H, W)``, of any sides.

    Raises:
        ValueError: an argument outside its range, an image that is too small, or a label of other sides.
    """

    def __init__(
        self,
        image_channels: int,
        mask_channels: int,
        num_outputs: int,
        width: float = 1.0,
        *,
        batch_norm_momentum: float = 0.99,
        head: HeadWeights = "he_normal",
        ndim: Literal[2, 3] = 2,
        poolings: Sequence[Sequence[int]] | None = None,
    ):
        super().__init__()
        if ndim not in (2, 3):
            raise ValueError(f"EvalNet: ndim must be 2 or 3, got {ndim}")
        self.ndim, self.poolings = ndim, checked_poolings(poolings, ndim, num=POOLINGS, where="EvalNet")
        if head not in get_args(HeadWeights):
            raise ValueError(f"EvalNet: head must be one of {', '.join(get_args(HeadWeights))}, got {head!r}")
        if min(image_channels, mask_channels, num_outputs) < 1:
            raise ValueError(
                "EvalNet: image_channels, mask_channels and num_outputs must be 1 or more, "
                f"got {image_channels}, {mask_channels} and {num_outputs}"
            )
        if not 0 <= batch_norm_momentum < 1:
            raise ValueError(
                f"EvalNet: batch_norm_momentum must be in [0, 1), got {batch_norm_momentum}; it is the share that stays"
            )
        filters = [int(16 * 2**i * width) for i in range(_BLOCKS)]
        if filters[0] < 1:
            raise ValueError(f"EvalNet: width must be at least 1/16, got {width}")
        momentum = 1 - batch_norm_momentum
        first, *others = self.poolings
        self.image_stream = _stream(image_channels, filters[0], momentum, first)
        self.mask_stream = _stream(mask_channels, filters[0], momentum, first)
        sizes = zip(pairwise([2 * filters[0], *filters]), others, strict=True)
        self.blocks = nn.Sequential(*(_block(a, b, momentum, factors) for (a, b), factors in sizes))
        self.head = nn.Linear(filters[-1], num_outputs)
        draw_weights(self)
        if head == "glorot_uniform":
            for half in self.head.weight.chunk(min(2, num_outputs)):
                nn.init.xavier_uniform_(half)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        least, axes = (LEAST_SIDE_PX, "H, W") if self.ndim == 2 else (1, "D, H, W")
        if image.ndim != 2 + self.ndim or min(image.shape[2:]) < least:
            raise ValueError(
                f"EvalNet: expected (N, C, {axes}) with sides of {least} or more, got {tuple(image.shape)}; "
                "pad or resize the image"
            )
        if mask.ndim != image.ndim or mask.shape[2:] != image.shape[2:]:
            raise ValueError(
                f"EvalNet: expected a mask (N, M, {axes}) of the image's sides {tuple(image.shape[2:])}, "
                f"got {tuple(mask.shape)}; give both at one size"
            )
        x = self.blocks(torch.cat([self.image_stream(image / 255), self.mask_stream(mask)], dim=1))
        with torch.autocast(x.device.type, enabled=False):
            return torch.sigmoid(self.head(x.float().mean(tuple(range(2, x.ndim)))))


def _stream(in_channels: int, filters: int, momentum: float, factors: Pooling) -> nn.Sequential:
    conv, norm_of = (Conv3d, norm3d) if len(factors) == 3 else (Conv, norm)
    return nn.Sequential(
        conv(in_channels, filters, 1), norm_of(filters, momentum), _block(filters, filters, momentum, factors)
    )


def _block(in_channels: int, out_channels: int, momentum: float, factors: Pooling) -> nn.Sequential:
    conv, norm_of, pool = (Conv3d, norm3d, nn.MaxPool3d) if len(factors) == 3 else (Conv, norm, nn.MaxPool2d)
    return nn.Sequential(
        conv(in_channels, out_channels, 3),
        conv(out_channels, out_channels, 1),
        norm_of(out_channels, momentum),
        pool(factors, ceil_mode=True),
    )
