"""The EvalNet, which tells from an image and its label how good the label is (paper section 2.7, appendix A.3)."""

from itertools import pairwise
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from incmask.nets.unet import Conv, draw_weights, norm

LEAST_SIDE_PX = 16
"""Least height and width of an image."""

HeadWeights = Literal["he_normal", "glorot_uniform"]

_BLOCKS = 5


class EvalNet(nn.Module):
    """Two streams, for the image and for its label, joined and brought down to a few scores.

    Each stream is a 1x1 convolution and one block of the U-Net's encoder (3x3 and 1x1 convolution, batch norm,
    pooling); five more blocks follow on the joined streams, then the mean over the image and a dense layer. The paper
    calls that layer linear; a sigmoid follows here, as in the published code, since what it estimates lies in 0..1.

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

    ``forward`` takes intensities of 0 to 255, shape ``(N, image_channels, H, W)``, and the label as 0/1,
    ``(N, mask_channels, H, W)``, and returns float32 ``(N, num_outputs)`` in 0..1. Any ``H`` and ``W`` from
    ``LEAST_SIDE_PX`` will do: the six poolings round an odd side up and leave a side of 1, which for multiples of 64 is
    what pooling as in the paper does. The last batch norm has an image's sides divided by 32 before it, so training
    with a batch of one image needs a side of more than 32.

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
    ):
        super().__init__()
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
        self.image_stream = _stream(image_channels, filters[0], momentum)
        self.mask_stream = _stream(mask_channels, filters[0], momentum)
        self.blocks = nn.Sequential(*(_block(a, b, momentum) for a, b in pairwise([2 * filters[0], *filters])))
        self.head = nn.Linear(filters[-1], num_outputs)
        draw_weights(self)
        if head == "glorot_uniform":
            for half in self.head.weight.chunk(min(2, num_outputs)):
                nn.init.xavier_uniform_(half)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        if image.ndim != 4 or min(image.shape[-2:]) < LEAST_SIDE_PX:
            raise ValueError(
                f"EvalNet: expected (N, C, H, W) with H and W of {LEAST_SIDE_PX} or more, got {tuple(image.shape)}; "
                "pad or resize the image"
            )
        if mask.ndim != 4 or mask.shape[-2:] != image.shape[-2:]:
            raise ValueError(
                f"EvalNet: expected a mask (N, M, H, W) of the image's sides {tuple(image.shape[-2:])}, "
                f"got {tuple(mask.shape)}; give both at one size"
            )
        x = self.blocks(torch.cat([self.image_stream(image / 255), self.mask_stream(mask)], dim=1))
        with torch.autocast(x.device.type, enabled=False):
            return torch.sigmoid(self.head(x.float().mean((2, 3))))


def _stream(in_channels: int, filters: int, momentum: float) -> nn.Sequential:
    return nn.Sequential(Conv(in_channels, filters, 1), norm(filters, momentum), _block(filters, filters, momentum))


def _block(in_channels: int, out_channels: int, momentum: float) -> nn.Sequential:
    return nn.Sequential(
        Conv(in_channels, out_channels, 3),
        Conv(out_channels, out_channels, 1),
        norm(out_channels, momentum),
        nn.MaxPool2d(2, ceil_mode=True),
    )
