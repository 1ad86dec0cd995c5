"""Networks of volumes that travel as sheets: slices below each other, so that all else sees images."""

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
