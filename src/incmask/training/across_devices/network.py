"""What stands for a network that several processes train: it sees a share of the batch, and gives what all say."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from incmask.training.across_devices.share import share, sum_of_all


class ShareOfBatch(nn.Module):
    """Stands for a network in training: takes whole batches, computes this process's share, gives what all said.

    Args:
        network: takes tensors whose first axis is the batch and gives one.
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, *inputs: Tensor) -> Tensor:
        mine = share()
        sizes = mine.sizes(len(inputs[0]))
        with _NormsOfAll(sizes, mine.place):
            output = self.network(*(each.split(sizes)[mine.place] for each in inputs))
        return _Joined.apply(output, sizes, mine.place)  # type: ignore[no-any-return, no-untyped-call]


class _Joined(torch.autograd.Function):
    """Puts the outputs of all processes together; on the way back each takes its own part of the gradient."""

    @staticmethod
    def forward(ctx: Any, output: Tensor, sizes: Sequence[int], place: int) -> Tensor:
        ctx.sizes, ctx.place = sizes, place
        joined = output.new_zeros(sum(sizes), *output.shape[1:])
        joined.split(sizes)[place].copy_(output)
        return sum_of_all(joined)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return gradients[0].split(ctx.sizes)[ctx.place], None, None


class _NormsOfAll(TorchFunctionMode):
    """Lets batch norms of any class take their statistics from the images of all processes.

    Args:
        sizes: images of each process.
        place: of this one.
    """

    def __init__(self, sizes: Sequence[int], place: int):
        super().__init__()
        self._shares = [size / sum(sizes) for size in sizes]
        self._place = place

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if function is functional.batch_norm:
            return self._norm(*args, **(kwargs or {}))
        return function(*args, **(kwargs or {}))

    def _norm(
        self,
        values: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        if not training:
            return functional.batch_norm(values, running_mean, running_var, weight, bias, False, momentum, eps)
        mean, var, num = self._statistics(values.detach())
        if running_mean is not None and running_var is not None:
            running_mean.lerp_(mean, momentum)
            running_var.lerp_(var * (num / (num - 1)), momentum)
        return _Normed.apply(values, weight, bias, mean, var, eps, num)  # type: ignore[no-any-return, no-untyped-call]

    def _statistics(self, values: Tensor) -> tuple[Tensor, Tensor, float]:
        """Give mean and variance of each channel over all processes, and of how many values they are."""
        var, mean = torch.var_mean(values.float(), _but_channels(values), correction=0)
        table = mean.new_zeros(len(self._shares), 2, len(mean))
        table[self._place] = torch.stack([mean, var])
        sum_of_all(table)
        shares = mean.new_tensor(self._shares)[:, None]
        means, variances = table.unbind(1)
        mean = (shares * means).sum(0)
        var = (shares * (variances + (means - mean).square())).sum(0)
        return mean, var, values.numel() / values.shape[1] / self._shares[self._place]


class _Normed(torch.autograd.Function):
    """Batch norm with statistics that depend on the values of all processes."""

    @staticmethod
    def forward(
        ctx: Any,
        values: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        mean: Tensor,
        var: Tensor,
        eps: float,
        num: float,
    ) -> Tensor:
        ctx.save_for_backward(values, weight, mean, (var + eps).rsqrt())
        ctx.num = num
        return functional.batch_norm(values, mean, var, weight, bias, False, 0.0, eps)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        values, weight, mean, scale = ctx.saved_tensors
        gradient, axes = gradients[0].float(), _but_channels(values)
        over = (slice(None), *(None,) * (values.ndim - 2))
        normed = (values.float() - mean[over]) * scale[over]
        of_bias, of_weight = gradient.sum(axes), (gradient * normed).sum(axes)
        sums = sum_of_all(torch.stack([of_bias, of_weight])) / ctx.num
        factor = scale if weight is None else scale * weight
        of_values = (gradient - sums[0][over] - normed * sums[1][over]) * factor[over]
        # Those of weight and bias are of this process's images, and are added up with all others.
        found = (of_values.to(values.dtype), of_weight, of_bias)
        return *(each if needed else None for each, needed in zip(found, ctx.needs_input_grad, strict=False)), *(
            None,
        ) * 4


def _but_channels(values: Tensor) -> list[int]:
    return [0, *range(2, values.ndim)]
