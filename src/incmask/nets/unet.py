"""The 1x1 U-Net (paper section 2.6.1, appendix A.2)."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from incmask.base.bounds import STEP_PX

LEVELS = 4
"""Number of poolings: height and width must be multiples of 2**LEVELS."""

_KERAS_TRUNCATION = 0.87962566103423978
"""Standard deviation of a unit normal cut at two standard deviations; Keras divides by it."""


VolumeNorm = Literal["batch", "instance"]

Pooling = tuple[int, ...]
"""By how much a level shrinks each axis: 2, or 1 where an axis cannot bear it."""


class UNet(nn.Module):
    """A small U-Net with a 1x1 convolution after every 3x3 one and added, not joined, skips.

    In three dimensions all of these are cubes, and of signals lines.

    Args:
        in_channels: channels of the image, 1 or more.
        out_channels: logits a pixel: 1 for binary, one a class for multilabel, and for multiclass
            one a class plus the masked class 0.
        width: the paper's alpha; level i has ``int(16 * 2**i * width)`` filters.
        batch_norm_momentum: in Keras's meaning, the share of the running statistics that stays
            at each step (paper: 0.99).
        ndim: 1 for signals, 2 for images, 3 for volumes.
        poolings: by how much each of the four levels shrinks each axis, 1 or 2; None: all by 2.
        volume_norm: by what volumes are normalised: statistics of the "batch", which run on for prediction, or of each
            volume by itself, "instance", which small batches do not blur.

    ``forward`` takes intensities of 0 to 255, shape ``(N, in_channels, H, W)`` with ``H`` and ``W``
    multiples of 16, and returns float32 logits ``(N, out_channels, H, W)``. Of volumes both are ``(N, C, D, H, W)``, of
    signals ``(N, C, W)``.
    With other ``poolings``, each side is a multiple of what all levels together shrink its axis by.

    Raises:
        ValueError: an argument outside its range, or an image whose sides are no multiples of these.
    """

    step_px = STEP_PX

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        width: float = 1.0,
        *,
        batch_norm_momentum: float = 0.99,
        ndim: Literal[1, 2, 3] = 2,
        poolings: Sequence[Sequence[int]] | None = None,
        volume_norm: VolumeNorm = "batch",
    ):
        super().__init__()
        if ndim not in (1, 2, 3):
            raise ValueError(f"UNet: ndim must be 1, 2 or 3, got {ndim}")
        if volume_norm not in get_args(VolumeNorm):
            raise ValueError(f"UNet: volume_norm must be one of {', '.join(get_args(VolumeNorm))}, got {volume_norm!r}")
        self.ndim, self.poolings = ndim, checked_poolings(poolings, ndim, num=LEVELS, where="UNet")
        self.steps = tuple(math.prod(of_axis) for of_axis in zip(*self.poolings, strict=True))
        if in_channels < 1 or out_channels < 1:
            raise ValueError(
                f"UNet: in_channels and out_channels must be 1 or more, got {in_channels} and {out_channels}"
            )
        if not 0 <= batch_norm_momentum < 1:
            raise ValueError(
                f"UNet: batch_norm_momentum must be in [0, 1), got {batch_norm_momentum}; it is the share that stays"
            )
        f0, f1, f2, f3, f4 = (int(16 * 2**i * width) for i in range(LEVELS + 1))
        if f0 < 1:
            raise ValueError(f"UNet: width must be at least 1/16, got {width}")
        momentum = 1 - batch_norm_momentum
        of_volumes = norm3d if volume_norm == "batch" else instance_norm3d
        conv, norm_of = {1: (RowConv, norm), 2: (Conv, norm), 3: (Conv3d, of_volumes)}[ndim]
        self.stem = nn.Sequential(conv(in_channels, f0, 1), norm_of(f0, momentum))
        self.encoder = nn.ModuleList(
            nn.Sequential(conv(a, b, 3), conv(b, b, 1), norm_of(b, momentum))
            for a, b in ((f0, f0), (f0, f1), (f1, f2), (f2, f3))
        )
        self.bottleneck = nn.Sequential(conv(f3, f4, 3), conv(f4, f3, 1), norm_of(f3, momentum))
        self.decoder = nn.ModuleList(
            nn.Sequential(
                conv(a, a, 1),
                norm_of(a, momentum),
                conv(a, a, 3),
                conv(a, b, 1),
                norm_of(b, momentum),
            )
            for a, b in ((f3, f2), (f2, f1), (f1, f0), (f0, f0))
        )
        self.head = (nn.Conv3d if ndim == 3 else nn.Conv2d)(f0, out_channels, 1)
        draw_weights(self)

    def forward(self, image: Tensor) -> Tensor:
        if image.ndim != 2 + self.ndim or any(
            side % step for side, step in zip(image.shape[2:], self.steps, strict=True)
        ):
            raise ValueError(f"UNet: {self._expected()}, got {tuple(image.shape)}; pad or resize the image")
        return self.of_rows(image[:, :, None])[:, :, 0] if self.ndim == 1 else self._logits(image)

    def of_rows(self, image: Tensor) -> Tensor:
        """Give the logits of signals that lie below each other: of ``(N, C, H, W)``, each row a signal."""
        return self._logits(image)

    def _logits(self, image: Tensor) -> Tensor:
        pool = nn.functional.max_pool3d if self.ndim == 3 else nn.functional.max_pool2d
        x = self.stem(image / 255)
        skips = []
        # Of signals rows are never mixed.
        poolings = [(1, *factors) if self.ndim == 1 else factors for factors in self.poolings]
        for block, factors in zip(self.encoder, poolings, strict=True):
            x = block(x)
            skips.append(x)
            x = pool(x, factors)
        x = self.bottleneck(x)
        for block, factors in zip(self.decoder, reversed(poolings), strict=True):
            scales = [float(factor) for factor in factors]
            x = block(nn.functional.interpolate(x, scale_factor=scales, mode="nearest") + skips.pop())
        with torch.autocast(x.device.type, enabled=False):
            return self.head(x.float())

    def _expected(self) -> str:
        if self.ndim == 1:
            return f"expected (N, C, W) with W a multiple of {self.steps[0]}"
        if self.ndim == 2:
            return f"expected (N, C, H, W) with H and W multiples of {' and '.join(map(str, sorted({*self.steps})))}"
        return f"expected (N, C, D, H, W) with sides that are multiples of {self.steps}"


def checked_poolings(
    poolings: Sequence[Sequence[int]] | None, ndim: int, *, num: int, where: str
) -> tuple[Pooling, ...]:
    """Give the poolings of a network, ``num`` of them; None: each axis by 2.

    Raises:
        ValueError: they are others.
    """
    given = tuple(tuple(factors) for factors in poolings or ((2,) * ndim,) * num)
    if len(given) != num or any(len(each) != ndim or not {*each} <= {1, 2} for each in given):
        raise ValueError(f"{where}: poolings must be {num} times {ndim} factors of 1 or 2, got {given}")
    return given


class Conv(nn.Conv2d):
    """Convolution of the same size, then ReLU."""

    def __init__(self, in_channels: int, out_channels: int, side: int):
        super().__init__(in_channels, out_channels, side, padding="same")

    def reset_parameters(self) -> None:
        if _DRAWN.get():
            super().reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.relu(super().forward(x), inplace=True)


class RowConv(Conv):
    """The same of signals: each row of an image is one."""

    def __init__(self, in_channels: int, out_channels: int, side: int):
        nn.Conv2d.__init__(self, in_channels, out_channels, (1, side), padding="same")


class Conv3d(nn.Conv3d):
    """The same of volumes."""

    def __init__(self, in_channels: int, out_channels: int, side: int):
        super().__init__(in_channels, out_channels, side, padding="same")

    def reset_parameters(self) -> None:
        if _DRAWN.get():
            super().reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        if self.training and x.shape[2] == 2 and x.device.type == "cpu":
            # With oneDNN 3.12 the gradient of the weights is wrong in bfloat16 where there are two slices.
            with torch.autocast("cpu", enabled=False):
                return nn.functional.relu(super().forward(x.to(self.weight.dtype)), inplace=True)
        return nn.functional.relu(super().forward(x), inplace=True)


def norm(channels: int, momentum: float) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=momentum)


def norm3d(channels: int, momentum: float) -> nn.BatchNorm3d:
    """The same of volumes."""
    return nn.BatchNorm3d(channels, eps=1e-3, momentum=momentum)


def instance_norm3d(channels: int, momentum: float) -> nn.InstanceNorm3d:
    """The same by statistics of each volume by itself, of which none run on."""
    return _InstanceNorm3d(channels, eps=1e-3, affine=True)


class _InstanceNorm3d(nn.InstanceNorm3d):
    """A single voxel is its own mean, which torch refuses to subtract."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) if x[0, 0].numel() > 1 else self.bias[:, None, None, None] + 0 * x


_DRAWN: ContextVar[bool] = ContextVar("_DRAWN", default=True)


@contextmanager
def undrawn() -> Iterator[None]:
    """Make networks whose weights are still to be set: to draw those of small ones takes as long as all the rest."""
    token = _DRAWN.set(False)
    try:
        yield
    finally:
        _DRAWN.reset(token)


def draw_weights(network: nn.Module) -> None:
    """Draw all weights as Keras's ``HeNormal`` and set all biases to 0, as the paper's networks begin."""
    if not _DRAWN.get():
        return
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d | nn.Linear):
            keras_he_normal_(module.weight)
            assert module.bias is not None
            nn.init.zeros_(module.bias)


@torch.no_grad()
def keras_he_normal_(weight: Tensor) -> Tensor:
    """Fill a convolution's weight as Keras's ``HeNormal``: a normal cut at two standard deviations,
    widened so that the cut normal has variance 2 / fan_in."""
    fan_in = weight[0].numel()
    std = math.sqrt(2 / fan_in) / _KERAS_TRUNCATION
    return nn.init.trunc_normal_(weight, std=std, a=-2 * std, b=2 * std)
