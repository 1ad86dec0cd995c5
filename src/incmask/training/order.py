"""Which examples make the batch of any step, from the seed alone: nothing to save when a training stops."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class DrawnExample:
    """An example: the number of the pass over all of them, and which one it is."""

    number_of_pass: int
    example: int


class Order(Protocol):
    """Which examples make the batch of any step, counted from 0 over all epochs.

    Attributes:
        batch_size: examples a step.
        steps_per_epoch: at least 1.
    """

    batch_size: int
    steps_per_epoch: int

    def draw(self, step: int) -> Iterator[DrawnExample]: ...

    def examples(self, steps: range) -> NDArray[np.intp]: ...


def steps_of_epoch(num_examples: int, *, batch_size: int, steps_per_epoch: int) -> int:
    """Count the steps of an epoch: as many as given; 0: those of one pass without its remainder, at least one."""
    return steps_per_epoch or max(1, num_examples // batch_size)


class BatchOrder:
    """Examples in shuffled passes.

    Args:
        num_examples: to draw from.
        batch_size: examples a step, at most.
        steps_per_epoch: 0: an epoch is one shuffled pass whose remainder is left out, at least one
            step (paper section 2.6.2). Else shuffled passes follow each other without a gap.
        seed: of the order.
    """

    def __init__(self, num_examples: int, *, batch_size: int, steps_per_epoch: int, seed: int):
        one_pass = steps_per_epoch == 0
        self.batch_size = min(batch_size, num_examples) if one_pass else batch_size
        self.steps_per_epoch = steps_of_epoch(num_examples, batch_size=batch_size, steps_per_epoch=steps_per_epoch)
        self._examples_per_pass = self.steps_per_epoch * self.batch_size if one_pass else num_examples
        self._order = lru_cache(maxsize=2)(
            lambda number: np.random.default_rng([seed, number]).permutation(num_examples)[: self._examples_per_pass]
        )

    def draw(self, step: int) -> Iterator[DrawnExample]:
        """Give the examples of ``step``, counted from 0 over all epochs."""
        numbers, examples = self._find(range(step, step + 1))
        yield from map(DrawnExample, numbers.tolist(), examples.tolist())

    def examples(self, steps: range) -> NDArray[np.intp]:
        """Give the examples alone of consecutive steps, (steps, batch size)."""
        return self._find(steps)[1].reshape(len(steps), self.batch_size)

    def _find(self, steps: range) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Give the numbers of passes and the examples of consecutive steps, one after the other."""
        positions = np.arange(steps.start * self.batch_size, steps.stop * self.batch_size)
        numbers, offsets = np.divmod(positions, self._examples_per_pass)
        found = np.empty_like(positions)
        for number in np.unique(numbers).tolist():
            here = numbers == number
            found[here] = self._order(number)[offsets[here]]
        return numbers, found


class StreamOrder:
    """Two orders side by side: so many examples of the first kind before so many of the second, in every batch.

    Args:
        num_first, num_second: to draw from; the numbers of the second follow on those of the first.
        batch_sizes: examples of each kind a step.
        steps_per_epoch: in which passes over each kind follow each other without a gap.
        seed: of both.
    """

    def __init__(
        self, num_first: int, num_second: int, *, batch_sizes: tuple[int, int], steps_per_epoch: int, seed: int
    ):
        self.batch_size, self.steps_per_epoch = sum(batch_sizes), steps_per_epoch
        # Another order than that of the first.
        self._orders = [
            BatchOrder(num, batch_size=size, steps_per_epoch=steps_per_epoch, seed=seed + place)
            for place, (num, size) in enumerate(zip((num_first, num_second), batch_sizes, strict=True))
        ]
        self._offsets = (0, num_first)

    def draw(self, step: int) -> Iterator[DrawnExample]:
        """Give the examples of ``step``, counted from 0 over all epochs."""
        for order, offset in zip(self._orders, self._offsets, strict=True):
            for drawn in order.draw(step):
                yield DrawnExample(drawn.number_of_pass, drawn.example + offset)

    def examples(self, steps: range) -> NDArray[np.intp]:
        """Give the examples alone of consecutive steps, (steps, batch size)."""
        parts = [order.examples(steps) + offset for order, offset in zip(self._orders, self._offsets, strict=True)]
        return np.concatenate(parts, axis=1)
