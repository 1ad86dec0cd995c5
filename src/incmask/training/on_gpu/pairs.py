"""What EvalNets learn from, on a device as bytes, each pair there once."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from weakref import WeakValueDictionary

import torch
from torch import Tensor

from incmask.training.batches import DrawnExample
from incmask.training.rating_batches import PairBatch, PairBatches

_PAIRS_AT_ONCE = 16
"""Read from disk and augmented at a time."""


@dataclass(frozen=True)
class Pairs:
    """Pairs on a device, augmented and blocked.

    Attributes:
        tensors: those of a ``PairBatch``.
    """

    tensors: tuple[Tensor, ...]

    def rows(self, index: Tensor) -> PairBatch:
        """Some of them, by number."""
        return PairBatch(*(tensor.index_select(0, index) for tensor in self.tensors))


pairs_held: WeakValueDictionary[Hashable, Pairs] = WeakValueDictionary()
"""Those in use: EvalNets of a run share theirs, and what none needs any more makes room."""


def pairs_on(batches: PairBatches, device: torch.device) -> Pairs:
    """Finish pairs that are always the same and bring them to a device, unless they are there."""
    key = _key(batches, device)
    pairs = pairs_held.get(key)
    if pairs is None:
        wholes: list[Tensor] = []
        for first, batch in _parts(batches):
            wholes = wholes or [
                part.new_empty((len(batches), *part.shape[1:]), device=device) for part in batch.tensors
            ]
            for whole, part in zip(wholes, batch.tensors, strict=True):
                whole[first : first + len(part)] = part.to(device)
        pairs = pairs_held[key] = Pairs(tuple(wholes))
    return pairs


def bytes_of_pairs(batches: PairBatches, device: torch.device) -> int:
    """Bytes that ``pairs_on`` takes."""
    if _key(batches, device) in pairs_held:
        return 0
    return len(batches) * sum(tensor.nbytes for tensor in batches.of([DrawnExample(0, 0)]).tensors)


def _parts(batches: PairBatches) -> Iterable[tuple[int, PairBatch]]:
    for first in range(0, len(batches), _PAIRS_AT_ONCE):
        examples = range(first, min(first + _PAIRS_AT_ONCE, len(batches)))
        yield first, batches.of([DrawnExample(0, example) for example in examples])


def _key(batches: PairBatches, device: torch.device) -> Hashable:
    pairs = batches.pairs
    paths = [path for path in (pairs.images, pairs.labels, pairs.inconsistent, pairs.targets) if path]
    return pairs, tuple(path.stat().st_mtime_ns for path in paths), device
