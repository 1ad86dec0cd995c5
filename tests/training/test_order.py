from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from incmask.method.streams import MIXED, Streams
from incmask.training.order import BatchOrder, StreamOrder, order_of


@given(
    nums=st.tuples(st.integers(1, 9), st.integers(1, 30)),
    sizes=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    steps_per_epoch=st.integers(1, 5),
)
def test_every_batch_has_its_numbers_of_both_and_passes_have_no_gap(nums, sizes, steps_per_epoch):
    order = StreamOrder(*nums, batch_sizes=sizes, steps_per_epoch=steps_per_epoch, seed=3)
    assert (order.batch_size, order.steps_per_epoch) == (sum(sizes), steps_per_epoch)
    steps = range(12)
    drawn = [list(order.draw(step)) for step in steps]
    assert [[each.example for each in batch] for batch in drawn] == order.examples(steps).tolist()
    kinds = [each[: sizes[0]] for each in drawn], [each[sizes[0] :] for each in drawn]
    for kind, num, offset in zip(kinds, nums, (0, nums[0]), strict=True):
        flat = [each for batch in kind for each in batch]
        assert {each.example for each in flat} <= set(range(offset, offset + num))
        # Every whole pass has each example once.
        for number in range(len(flat) // num):
            counts = Counter(each.example for each in flat if each.number_of_pass == number)
            assert counts == dict.fromkeys(range(offset, offset + num), 1)


def test_a_step_is_the_same_whatever_was_drawn_before():
    def order():
        return StreamOrder(5, 9, batch_sizes=(2, 3), steps_per_epoch=4, seed=1)

    assert np.array_equal(order().examples(range(30))[17], order().examples(range(17, 18))[0])
    assert list(order().draw(17)) == list(order().draw(17))


def test_orders_differ_between_seeds_and_between_the_kinds():
    one, other = (StreamOrder(20, 20, batch_sizes=(20, 20), steps_per_epoch=1, seed=seed) for seed in (1, 2))
    first, second = one.examples(range(1))[0][:20], one.examples(range(1))[0][20:] - 20
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, other.examples(range(1))[0][:20])


@given(
    alone_from=st.integers(0, 20),
    num_labelled_each=st.integers(0, 3),
    start=st.integers(0, 20),
    num_steps=st.integers(0, 20),
    steps_per_epoch=st.integers(0, 4),
)
def test_labelled_examples_stand_alone_from_a_step_on(alone_from, num_labelled_each, start, num_steps, steps_per_epoch):
    streams = Streams(num_labelled=num_labelled_each, alone_from=alone_from)
    sizes = {"batch_size": 4, "steps_per_epoch": steps_per_epoch, "seed": 3}
    order, before = order_of(5, 9, streams, **sizes), order_of(5, 9, Streams(num_labelled=num_labelled_each), **sizes)
    assert (order.batch_size, order.steps_per_epoch) == (before.batch_size, before.steps_per_epoch)
    steps = range(start, start + num_steps)
    drawn = order.examples(steps)
    assert drawn.shape == (num_steps, 4)
    for step, examples in zip(steps, drawn, strict=True):
        assert [each.example for each in order.draw(step)] == examples.tolist()
        if step < alone_from:
            assert list(order.draw(step)) == list(before.draw(step))
        else:
            assert set(examples.tolist()) <= set(range(5))


def test_a_mixture_is_the_order_of_batches():
    sizes = {"batch_size": 4, "steps_per_epoch": 0, "seed": 3}
    ours, theirs = order_of(5, 9, MIXED, **sizes), BatchOrder(14, **sizes)
    assert np.array_equal(ours.examples(range(20)), theirs.examples(range(20)))
