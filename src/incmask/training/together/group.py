"""Several networks of one shape as one: their channels side by side, in grouped convolutions."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from incmask.nets.evalnet import EvalNet


@dataclass(frozen=True)
class Weight:
    """A tensor of a group's network that learns.

    Attributes:
        parameter: the tensor.
        owners: the members that have a part of it, in order, each with the place among its own tensors that learn.
        of_encoder: whether it is of an encoder that was trained before.
    """

    parameter: nn.Parameter
    owners: tuple[tuple[int, int], ...]
    of_encoder: bool = False

    def windows(self, stacked: Tensor) -> tuple[Tensor, ...]:
        """Give each owner's part of a tensor like the parameter; a single number is everybody's."""
        return stacked.chunk(len(self.owners)) if stacked.ndim else (stacked,) * len(self.owners)


class NetworkGroup:
    """Networks that are run together; each keeps its own weights, gradients and batch-norm statistics.

    A batch norm takes its statistics from each channel alone, and the optimiser changes each weight by itself, so that
    every network comes to what it would come to alone, up to rounding.

    Args:
        members: networks of one class and shape, on one device, in one mode. Their tensors become windows onto those
            of ``network``: what changes there changes here, and the other way round.

    Attributes:
        members: the networks given.
        network: takes each input with the members' channels joined by ``join``, and gives all their outputs
            so; a single member itself where there is one alone.

    Raises:
        TypeError: the networks have a layer that is not known here.
    """

    def __init__(self, members: Sequence[nn.Module]):
        self.members = tuple(members)
        self.network = self.members[0]
        if len(self.members) > 1:
            self.network = _stack(self.members)
            for number, member in enumerate(self.members):
                _become_window(member, self.network, number=number, num=len(self.members))

    @property
    def weights(self) -> list[Weight]:
        """All that learns."""
        num = len(self.members)
        return [
            Weight(parameter, tuple((member, place) for member in range(num)))
            for place, parameter in enumerate(self.network.parameters())
        ]

    def join(self, inputs: Sequence[Tensor]) -> Tensor:
        """Put the members' inputs, each (N, C, H, W), side by side: (N, members × C, H, W), channels last in memory."""
        return torch.cat(tuple(inputs), 1).contiguous(memory_format=torch.channels_last)

    def split(self, output: Tensor) -> tuple[Tensor, ...]:
        """Take the output of ``network`` apart, one for each member."""
        return output.chunk(len(self.members), 1)

    def windows(self, stacked: Tensor) -> tuple[Tensor, ...]:
        """Give each member's part of a tensor like a parameter of ``network``; a single number is everybody's."""
        return stacked.chunk(len(self.members)) if stacked.ndim else (stacked,) * len(self.members)


class _EvalNets(nn.Module):
    """EvalNets side by side: each has its image and its mask joined, and a dense layer of its own."""

    def __init__(self, stacked: EvalNet, num: int):
        super().__init__()
        self.image_stream, self.mask_stream = stacked.image_stream, stacked.mask_stream
        self.blocks, self.head = stacked.blocks, stacked.head
        self._num = num

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        streams = (self.image_stream(image / 255), self.mask_stream(mask))
        x = self.blocks(torch.cat([each.unflatten(1, (self._num, -1)) for each in streams], 2).flatten(1, 2))
        with torch.autocast(x.device.type, enabled=False):
            means = x.float().mean((2, 3), keepdim=True)
            weight = self.head.weight[..., None, None]
            return torch.sigmoid(functional.conv2d(means, weight, self.head.bias, groups=self._num)).flatten(1)


def _stack(members: Sequence[nn.Module]) -> nn.Module:
    stacked, num = copy.deepcopy(members[0]), len(members)
    for module in stacked.modules():
        if isinstance(module, nn.Conv2d):
            module.in_channels, module.out_channels = num * module.in_channels, num * module.out_channels
            module.groups *= num
        elif isinstance(module, nn.BatchNorm2d):
            module.num_features *= num
        elif isinstance(module, nn.Linear) and isinstance(stacked, EvalNet):
            # Its input, the features of one network, is as wide as before.
            module.out_features *= num
        elif next(module.parameters(recurse=False), None) is not None:
            raise TypeError(f"networks with {type(module).__name__} layers cannot be run together")
    if isinstance(stacked, EvalNet):
        stacked = _EvalNets(stacked, num).train(stacked.training)
    tensors = [_tensors(member) for member in members]
    for name, tensor in _tensors(stacked).items():
        if tensor.ndim:
            tensor.data = torch.cat([each[name].data for each in tensors])
    return stacked.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _become_window(member: nn.Module, network: nn.Module, *, number: int, num: int) -> None:
    stacked = _tensors(network)
    for name, tensor in _tensors(member).items():
        # How many batches a norm has seen is the same number for all.
        tensor.data = stacked[name].data.chunk(num)[number] if tensor.ndim else stacked[name].data


def _tensors(network: nn.Module) -> dict[str, Tensor]:
    return dict(network.named_parameters()) | dict(network.named_buffers())
