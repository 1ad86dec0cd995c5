"""What lies on devices for trainings to draw from, each there once: trainings share it, and what none needs is gone."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Protocol, TypeVar
from weakref import WeakValueDictionary

import numpy as np
import torch
from torch import Tensor

from incmask.base.npy_rows import Rows

ROWS_AT_ONCE = 16
"""Read from disk, or augmented, at a time."""


class Held(Protocol):
    """Something that lies on a device."""

    @property
    def tensors(self) -> Sequence[Tensor]: ...


Kind = TypeVar("Kind", bound=Held)

held: WeakValueDictionary[Hashable, Held] = WeakValueDictionary()
"""Those in use, by what they are made of."""


def hold(key: Hashable, make: Callable[[], Kind]) -> Kind:
    """Make what has this key, unless it is there."""
    found = held.get(key)
    if found is None:
        found = held[key] = make()
    return found  # type: ignore[return-value]


def bytes_held(device: torch.device) -> int:
    """Bytes of all that lies on a device."""
    tensors = [tensor for each in held.values() for tensor in each.tensors]
    # Some examples and stacks are the same.
    return sum({each.data_ptr(): each.nbytes for each in tensors if each.device.type == device.type}.values())


def join_parts(parts: Iterable[Sequence[Tensor]], num_rows: int, device: torch.device) -> list[Tensor]:
    """Put the rows of some tensors, which come in parts of one or more rows, behind each other on a device."""
    wholes: list[Tensor] = []
    done = 0
    for part in parts:
        wholes = wholes or [each.new_empty((num_rows, *each.shape[1:]), device=device) for each in part]
        for whole, each in zip(wholes, part, strict=True):
            whole[done : done + len(each)] = each.to(device)
        done += len(part[0])
    return wholes


def load_rows(parts: Sequence[Rows | np.ndarray], device: torch.device) -> Tensor:
    """Bring arrays to a device, one after the other in a single stack."""
    rows = (
        [torch.from_numpy(np.ascontiguousarray(part[first : first + ROWS_AT_ONCE]))]
        for part in parts
        for first in range(0, len(part), ROWS_AT_ONCE)
    )
    (stack,) = join_parts(rows, sum(map(len, parts)), device)
    return stack
