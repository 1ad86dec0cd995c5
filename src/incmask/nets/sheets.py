"""Networks of volumes and signals that travel as images: slices below each other, or a single row."""

from collections.abc import Sequence

from torch import Tensor

from incmask.method.sheets import folded, unfolded
from incmask.nets.evalnet import EvalNet, HeadWeights
from incmask.nets.unet import UNet, VolumeNorm


class SheetUNet(UNet):
    """A U-Net in three dimensions that takes and gives sheets: (N, C, D·H, W).

    Args:
        in_channels, out_channels, width, batch_norm_momentum, poolings, volume_norm: as for ``UNet``.
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
        volume_norm: VolumeNorm = "batch",
    ):
        super().__init__(
            in_channels,
            out_channels,
            width,
            batch_norm_momentum=batch_norm_momentum,
            ndim=3,
            poolings=poolings,
            volume_norm=volume_norm,
        )
        if depth < 1 or depth % self.steps[0]:
            raise ValueError(f"SheetUNet: depth must be a multiple of {self.steps[0]}, got {depth}")
        self.depth = depth

    def forward(self, image: Tensor) -> Tensor:
        if image.ndim != 4 or image.shape[2] % self.depth:
            raise ValueError(f"SheetUNet: expected (N, C, D·H, W) with D = {self.depth}, got {tuple(image.shape)}")
        return folded(super().forward(unfolded(image, self.depth, axis=2)), axis=2)


class SheetEvalNet(EvalNet):
    """An EvalNet in three dimensions that takes sheets: an image (N, C, D·H, W) and a label (N, M, D·H, W).

    Args:
        image_channels, mask_channels, num_outputs, width, poolings, batch_norm_momentum, head: as for ``EvalNet``.
        depth: slices of a sheet.

    Raises:
        ValueError: an argument outside its range, a sheet that has not so many slices, or a label of other sides.
    """

    def __init__(
        self,
        image_channels: int,
        mask_channels: int,
        num_outputs: int,
        width: float,
        *,
        depth: int,
        poolings: Sequence[Sequence[int]],
        batch_norm_momentum: float = 0.99,
        head: HeadWeights = "he_normal",
    ):
        super().__init__(
            image_channels,
            mask_channels,
            num_outputs,
            width,
            batch_norm_momentum=batch_norm_momentum,
            head=head,
            ndim=3,
            poolings=poolings,
        )
        if depth < 1:
            raise ValueError(f"SheetEvalNet: depth must be 1 or more, got {depth}")
        self.depth = depth

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        for sheet in (image, mask):
            if sheet.ndim != 4 or sheet.shape[2] % self.depth:
                what = f"expected (N, C, D·H, W) with D = {self.depth}, got {tuple(sheet.shape)}"
                raise ValueError(f"SheetEvalNet: {what}")
        return super().forward(*(unfolded(sheet, self.depth, axis=2) for sheet in (image, mask)))


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
