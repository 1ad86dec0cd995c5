"""Networks on encoders, of volumes and of signals as one: one after the other, since their layers are other kinds."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from incmask.nets.encoders.network import EncoderNet
from incmask.nets.sheets import RowUNet, SheetEvalNet, SheetUNet
from incmask.training.together.group import NetworkGroup, Weight

RowMember = EncoderNet | SheetUNet | SheetEvalNet | RowUNet
"""Networks with layers that cannot be joined."""


class NetworkRow:
    """Networks that take each step together, and are run one after the other; else as ``NetworkGroup``.

    Args:
        members: networks of one shape, on one device, in one mode.

    Attributes:
        members: the networks given.
        network: takes each input with the members' channels joined by ``join``, and gives all their outputs so.
    """

    def __init__(self, members: Sequence[RowMember]):
        self.members = tuple(members)
        self.network: nn.Module = self.members[0] if len(self.members) == 1 else _InTurn(self.members)

    @property
    def weights(self) -> list[Weight]:
        """All that learns; what is frozen is not among it."""
        return [weight for number, member in enumerate(self.members) for weight in _weights_of(member, number)]

    def join(self, inputs: Sequence[Tensor]) -> Tensor:
        """Put the members' inputs, each (N, C, H, W), side by side: (N, members × C, H, W)."""
        return torch.cat(tuple(inputs), 1)

    def split(self, output: Tensor) -> tuple[Tensor, ...]:
        """Take the output of ``network`` apart, one for each member."""
        return output.chunk(len(self.members), 1)


Group = NetworkGroup | NetworkRow


def group_of(members: Sequence[nn.Module]) -> Group:
    """Put networks together in the way that there is for their kind."""
    row = [member for member in members if isinstance(member, RowMember)]
    return NetworkRow(row) if row else NetworkGroup(members)


class _InTurn(nn.Module):
    def __init__(self, members: Sequence[nn.Module]):
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, *inputs: Tensor) -> Tensor:
        parts = zip(*(each.chunk(len(self.members), 1) for each in inputs), strict=True)
        return torch.cat([member(*part) for member, part in zip(self.members, parts, strict=True)], 1)


def _weights_of(member: RowMember, number: int) -> Iterator[Weight]:
    encoder = {id(each) for each in member.encoder.parameters()} if isinstance(member, EncoderNet) else set()
    learning = (each for each in member.parameters() if each.requires_grad)
    for place, parameter in enumerate(learning):
        yield Weight(parameter, ((number, place),), of_encoder=id(parameter) in encoder)
