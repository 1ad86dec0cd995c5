"""Networks of volumes and signals that travel as images: slices below each other, or a single row."""

from collections.abc import Sequence

from torch import Tensor

from incmask.method.sheets import folded, unfolded
from incmask.nets.unet import UNet


class SheetUNet(UNet):
    """A U-Net in three dimensions that takes and gives sheets: (N, C, D·H, W).

    Args:
        in_channels, out_channels, width, batch_norm_momentum, poolings: as for ``UNet``.
        depth: slices of a sheet.

    Raises:
        ValueError: an argument outside its range, or a sheet that has not so many slices.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        width: float,
        *,
        depth: int,
        poolings: Sequence[Sequence[int]],
        batch_norm_momentum: float = 0.99,
    ):
        super().__init__(
            in_channels, out_channels, width, batch_norm_momentum=batch_norm_momentum, ndim=3, poolings=poolings
        )
        if depth < 1 or depth % self.steps[0]:
            raise ValueError(f"SheetUNet: depth must be a multiple of {self.steps[0]}, got {depth}")
        self.depth = depth

    def forward(self, image: Tensor) -> Tensor:
        if image.ndim != 4 or image.shape[2] % self.depth:
            raise ValueError(f"SheetUNet: expected (N, C, D·H, W) with D = {self.depth}, got {tuple(image.shape)}")
        return folded(super().forward(unfolded(image, self.depth, axis=2)), axis=2)


class RowUNet(UNet):
    """A U-Net of signals that takes and gives images, of which each row is a signal: (N, C, H, W).

    Args:
        in_channels, out_channels, width, batch_norm_momentum: as for ``UNet``.

    Raises:
        ValueError: an argument outside its range, or rows of another length than a multiple of 16.
    """

    def __init__(self, in_channels: int, out_channels: int, width: float, *, batch_norm_momentum: float = 0.99):
        super().__init__(in_channels, out_channels, width, batch_norm_momentum=batch_norm_momentum, ndim=1)

    def forward(self, image: Tensor) -> Tensor:
        if image.ndim != 4 or image.shape[3] % self.steps[0]:
            what = f"expected (N, C, H, W) with W a multiple of {self.steps[0]}, got {tuple(image.shape)}"
            raise ValueError(f"RowUNet: {what}")
        return self.of_rows(image)
