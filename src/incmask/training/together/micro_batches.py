"""A batch through a network in parts, where memory does not suffice for all of it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


class MicroBatches(nn.Module):
    """Runs a network on a batch in several parts, forward and, one part at a time, back.

    What is kept of a part until its way back is its input alone; the rest is computed once more. So the memory of one
    part suffices, and the gradients are those of the whole batch for any loss of all outputs, a Dice over the batch
    among them. A batch norm takes its statistics from each part, though, so that with it the numbers are those of a
    smaller batch; its running statistics move in a step as far as they would without parts.

    Args:
        network: takes tensors whose first axis is the batch and gives one.
        draws: whether it draws numbers as it computes, which are then drawn alike on the way back.

    Attributes:
        num: parts that a batch is cut into, 1 or more; may be changed between steps.
    """

    def __init__(self, network: nn.Module, *, draws: bool = False):
        super().__init__()
        self.network = network
        self._draws = draws
        self.num = 1

    def forward(self, *inputs: Tensor) -> Tensor:
        if self.num == 1:
            return self.network(*inputs)
        parts = list(zip(*(each.chunk(self.num) for each in inputs), strict=True))
        outputs = []
        for place, part in enumerate(parts):
            with _statistics(self.network, num_parts=len(parts), counted=place == 0):
                outputs.append(
                    checkpoint(
                        self.network,
                        *part,
                        use_reentrant=False,
                        preserve_rng_state=self._draws,
                        context_fn=self._contexts,
                    )
                )
        return torch.cat(outputs)

    def _contexts(self) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        """Of the way forward, and of its repetition on the way back, which the statistics have seen already."""
        return nullcontext(), _statistics(self.network, num_parts=0, counted=False)


@contextmanager
def _statistics(network: nn.Module, *, num_parts: int, counted: bool) -> Iterator[None]:
    """Let the running statistics move by a part's share of a step, 0 parts: not at all."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d)]
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        assert norm.momentum is not None
        norm.momentum = 1 - (1 - norm.momentum) ** (1 / num_parts) if num_parts else 0.0
        if not counted:
            norm.num_batches_tracked = None
    try:
        yield
    finally:
        for norm, (momentum, num_batches) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, num_batches
