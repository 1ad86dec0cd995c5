"""What EvalNets learn from, on a device as bytes, each pair there once."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from incmask.training.on_gpu.held import ROWS_AT_ONCE, held, hold, join_parts
from incmask.training.order import DrawnExample
from incmask.training.rating_batches import PairBatch, PairBatches


@dataclass(frozen=True)
class Pairs:
    """Pairs on a device, augmented and blocked.

    Attributes:
        tensors: those of a ``PairBatch``.
    """

    tensors: tuple[Tensor, ...]

    def take(self, index: Tensor) -> PairBatch:
        """Give some of them, by number."""
        return PairBatch(*(tensor.index_select(0, index) for tensor in self.tensors))


def pairs_on(batches: PairBatches, device: torch.device) -> Pairs:
    """Finish pairs that are always the same and bring them to a device, unless they are there."""
    return hold(_key(batches, device), lambda: Pairs(tuple(join_parts(_parts(batches), len(batches), device))))


def bytes_of_pairs(batches: PairBatches, device: torch.device) -> int:
    """Bytes that ``pairs_on`` takes."""
    if _key(batches, device) in held:
        return 0
    return len(batches) * sum(tensor.nbytes for tensor in batches.of([DrawnExample(0, 0)]).tensors)


def _parts(batches: PairBatches) -> Iterator[Sequence[Tensor]]:
    for first in range(0, len(batches), ROWS_AT_ONCE):
        examples = range(first, min(first + ROWS_AT_ONCE, len(batches)))
        yield batches.of([DrawnExample(0, example) for example in examples]).tensors


def _key(batches: PairBatches, device: torch.device) -> Hashable:
    pairs = batches.pairs
    paths = [path for path in (pairs.images, pairs.labels, pairs.inconsistent, pairs.targets) if path]
    return pairs, tuple(path.stat().st_mtime_ns for path in paths), device
