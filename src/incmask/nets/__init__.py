"""Networks."""

from incmask.nets.unet import UNet

__all__ = ["UNet"]
