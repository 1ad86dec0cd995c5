"""A network whose way forth and back are each started at once."""

from typing import Any

import torch
from torch import Tensor, nn


class Recorded(nn.Module):
    """Records what a network does to its first inputs, as CUDA graphs, and repeats it for others of their shapes.

    A network has so many small kernels that starting them one by one takes longer than running them. In between two
    calls there must be a way back, since both use the same memory.

    Args:
        network: in training mode.

    Attributes:
        unrecorded: the network given, also used for inputs of other shapes.
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.unrecorded = network
        self._shapes: list[torch.Size] = []
        self._recorded: Any = None

    def forward(self, *inputs: Tensor) -> Tensor:
        if self._recorded is None:
            self._record(inputs)
        is_like_these = self._shapes == [each.shape for each in inputs]
        return (self._recorded if is_like_these else self.unrecorded)(*inputs)

    def _record(self, inputs: tuple[Tensor, ...]) -> None:
        # It runs the network a few times, which must leave no trace in the statistics.
        before = [buffer.clone() for buffer in self.unrecorded.buffers()]
        samples = tuple(each.detach().clone(memory_format=torch.preserve_format) for each in inputs)
        # What records gives its module another forward.
        with torch.autocast("cuda", enabled=False):
            self._recorded = torch.cuda.make_graphed_callables(_Call(self.unrecorded), samples)
        for buffer, value in zip(self.unrecorded.buffers(), before, strict=True):
            buffer.copy_(value)
        self._shapes = [each.shape for each in inputs]


class _Call(nn.Module):
    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.network(*inputs)
