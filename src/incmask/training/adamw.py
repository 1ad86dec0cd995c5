"""AdamW as the library computes it, without its optimiser class: the first of these loads a compiler, for nothing."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.optim.adamw import adamw

from incmask.training.schedule import BETAS


class AdamW:
    """Changes parameters by their gradients, in place; some at a share of the rate.

    Args:
        parameters: what is changed.
        shares: of the rate, one for each parameter.

    Attributes:
        moments: of each parameter that had a gradient, by its place: ``step``, ``exp_avg`` and ``exp_avg_sq``.
    """

    def __init__(self, parameters: Sequence[Tensor], shares: Sequence[float]):
        self.moments: dict[int, dict[str, Tensor]] = {}
        self._parameters = tuple(parameters)
        self._by_share: dict[float, list[int]] = defaultdict(list)
        for place, share in enumerate(shares):
            self._by_share[share].append(place)

    def forget_gradients(self) -> None:
        """Let the next way back lay down new ones."""
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self, *, rate: float, epsilon: float, weight_decay: float) -> None:
        """Take a step; parameters without a gradient stay as they are.

        Args:
            rate: of learning, before shares.
            epsilon: added to the root of the second moment.
            weight_decay: multiplied by the rate, as the library does.
        """
        for share, places in self._by_share.items():
            moved = [place for place in places if self._parameters[place].grad is not None]
            moments = [self._moments(place) for place in moved]
            adamw(
                [self._parameters[place] for place in moved],
                [_not_none(self._parameters[place].grad) for place in moved],
                [each["exp_avg"] for each in moments],
                [each["exp_avg_sq"] for each in moments],
                [],
                [each["step"] for each in moments],
                fused=True,
                amsgrad=False,
                maximize=False,
                beta1=BETAS[0],
                beta2=BETAS[1],
                lr=share * rate,
                eps=epsilon,
                weight_decay=weight_decay,
            )

    def restore(self, moments: Mapping[int, Mapping[str, Tensor]]) -> None:
        """Take up what ``moments`` were; what a network has and does not use has none.

        Raises:
            IndexError, KeyError, RuntimeError: they are of other parameters.
        """
        for place, each in moments.items():
            for name, tensor in each.items():
                self._moments(place)[name].copy_(tensor)

    def _moments(self, place: int) -> dict[str, Tensor]:
        parameter = self._parameters[place]
        if place not in self.moments:
            # The fused step walks memory, so moments lie as their parameter does.
            self.moments[place] = {
                "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
                "exp_avg": torch.zeros_like(parameter, memory_format=torch.preserve_format),
                "exp_avg_sq": torch.zeros_like(parameter, memory_format=torch.preserve_format),
            }
        return self.moments[place]


def _not_none(gradient: Tensor | None) -> Tensor:
    assert gradient is not None
    return gradient
