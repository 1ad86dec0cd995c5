"""Which examples make the batch of any step, from the seed alone: nothing to save when a training stops."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from incmask.method.streams import Streams

_ALONE = 2
"""Added to the seed, so that labelled images that train alone have an order of their own."""


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


class SwitchedOrder:
    """An order, and from a step on another one of batches as large.

    Args:
        first, then: the orders.
        step: the first one, counted from 0 over all epochs, that the second order draws.
    """

    def __init__(self, first: Order, then: Order, *, step: int):
        self.batch_size, self.steps_per_epoch = first.batch_size, first.steps_per_epoch
        self._first, self._then, self._step = first, then, step

    def draw(self, step: int) -> Iterator[DrawnExample]:
        """Give the examples of ``step``, counted from 0 over all epochs."""
        return (self._first if step < self._step else self._then).draw(step)

    def examples(self, steps: range) -> NDArray[np.intp]:
        """Give the examples alone of consecutive steps, (steps, batch size)."""
        middle = min(max(self._step, steps.start), steps.stop)
        before, after = range(steps.start, middle), range(middle, steps.stop)
        return np.concatenate([self._first.examples(before), self._then.examples(after)])


def order_of(
    num_labelled: int, num_pseudo: int, streams: Streams, *, batch_size: int, steps_per_epoch: int, seed: int
) -> Order:
    """Give the order in which students draw labelled examples and the pseudo-labelled ones that follow on them.

    Args:
        num_labelled, num_pseudo: examples of each kind.
        streams: whether they are mixed, and when labelled ones stand alone.
        batch_size, steps_per_epoch: as for ``BatchOrder``.
        seed: of the order.
    """
    order: Order = BatchOrder(
        num_labelled + num_pseudo, batch_size=batch_size, steps_per_epoch=steps_per_epoch, seed=seed
    )
    if streams.num_labelled:
        sizes = streams.num_labelled, batch_size - streams.num_labelled
        steps = order.steps_per_epoch
        order = StreamOrder(num_labelled, num_pseudo, batch_sizes=sizes, steps_per_epoch=steps, seed=seed)
    if streams.alone_from is None:
        return order
    alone = BatchOrder(
        num_labelled, batch_size=order.batch_size, steps_per_epoch=order.steps_per_epoch, seed=seed + _ALONE
    )
    return SwitchedOrder(order, alone, step=streams.alone_from)
