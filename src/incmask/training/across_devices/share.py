"""Which part of each batch a process has that trains a network with others, and how they add up what they have."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from incmask.base.caller import setting
from incmask.base.errors import fail


@dataclass(frozen=True)
class Share:
    """Which part of each batch is this process's.

    Attributes:
        place: of this process, from 0; the first one validates and writes.
        num: of processes that train the network.
    """

    place: int = 0
    num: int = 1

    @property
    def is_first(self) -> bool:
        """Whether it is this process that validates and writes."""
        return self.place == 0

    def sizes(self, num_images: int) -> list[int]:
        """Divide the images of a batch among the processes, as evenly as they can be.

        Raises:
            IncmaskError: there are fewer than processes.
        """
        if num_images < self.num:
            raise fail(
                setting("devices_per_network"),
                f"{self.num} devices share a batch of {num_images}",
                "use a larger batch_size or fewer devices",
            )
        return [num_images // self.num + (place < num_images % self.num) for place in range(self.num)]


_share = Share()


def share() -> Share:
    """Tell which part of each batch is this process's; all of it where it trains alone."""
    return _share


def take(own: Share) -> None:
    """Say so, once the processes have found each other."""
    global _share
    _share = own


def add_up(tensors: Sequence[Tensor]) -> None:
    """Let each tensor be the sum of those of all processes.

    Raises:
        IncmaskError: another process is gone.
    """
    for kind in {each.dtype for each in tensors}:
        alike = [each for each in tensors if each.dtype == kind]
        joined = sum_of_all(torch.cat([each.flatten() for each in alike]))
        for each, total in zip(alike, joined.split([each.numel() for each in alike]), strict=True):
            each.copy_(total.view_as(each))


def sum_of_all(tensor: Tensor) -> Tensor:
    """Add up the tensors of all processes, in place; raises what ``add_up`` does."""
    # Not at the top: few trainings need it.
    from torch import distributed

    try:
        distributed.all_reduce(tensor)
    except RuntimeError as error:
        what = "lost another one that trained the same network, most likely killed for want of memory"
        raise fail("worker process", what, f"run the same again with a smaller {setting('batch_size')}") from error
    return tensor
