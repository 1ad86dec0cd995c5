"""What a network and its training cost: parameters and floating point operations (paper table 3, equation 1)."""

import copy
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from incmask.nets.spec import NetworkSpec

PAPER_GFLOPS = {0.5: 0.0062, 0.75: 0.014, 1.0: 0.0249, 1.25: 0.0389, 1.5: 0.056, 1.75: 0.0762, 2.0: 0.0994}
"""Of a forward pass by width, as table 3 prints them: 100 times too small."""

_PAPER_SIDE_PX = 256
_COUNTED_SIDE_PX = 64


@dataclass(frozen=True)
class CostRow:
    """One width of table 3, counted and as printed.

    Attributes:
        width: the paper's alpha.
        num_parameters: as ``count_parameters`` counts them.
        gflops: counted, of a forward pass of one image.
        paper_gflops: as the paper prints it.
    """

    width: float
    num_parameters: int
    gflops: float
    paper_gflops: float

    @property
    def ratio(self) -> float:
        """How many times the printed figure the counted one is."""
        return self.gflops / self.paper_gflops


def count_parameters(network: nn.Module) -> int:
    """Count trainable weights and the running statistics of batch norms, as table 3 of the paper does."""
    trainable = sum(weight.numel() for weight in network.parameters() if weight.requires_grad)
    # How many batches a norm has seen is a buffer as well, but a whole number and no part of the network.
    return trainable + sum(buffer.numel() for buffer in network.buffers() if buffer.is_floating_point())


def flops_an_image(network: nn.Module, *shapes: tuple[int, ...]) -> int:
    """Count the operations of a forward pass of one image: 2 a multiply-add, convolutions and linear layers alone.

    The network stays as it is. One pass is computed in earnest, on the CPU.

    Args:
        network: any.
        shapes: of each of its inputs, without the batch: ``(3, 256, 256)``; an EvalNet takes two, image and mask.
    """
    # In evaluation mode, since a batch norm refuses to train on one value a channel. Not on the meta device,
    # where torch 2.13 has no autocast to switch off, as the U-Net does for its output.
    subject = copy.deepcopy(network).cpu().eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        subject(*(torch.zeros(1, *shape) for shape in shapes))
    return counter.get_total_flops()


def paper_costs() -> list[CostRow]:
    """Count table 3 anew, for one output and images of 256 by 256 pixels in 3 channels."""
    # Every layer of the U-Net costs the same a pixel, so a smaller image tells as much in a sixteenth of the time.
    images = (_PAPER_SIDE_PX // _COUNTED_SIDE_PX) ** 2
    rows = []
    for width, printed in PAPER_GFLOPS.items():
        network = NetworkSpec(in_channels=3, out_channels=1, width=width).build()
        flops = images * flops_an_image(network, (3, _COUNTED_SIDE_PX, _COUNTED_SIDE_PX))
        rows.append(CostRow(width, count_parameters(network), flops / 1e9, printed))
    return rows
