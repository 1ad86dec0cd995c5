import threading
import time

import pytest

from incmask.base.threads import Behind, as_they_end, side_by_side


@pytest.mark.parametrize("num_threads", [1, 2, 5])
@pytest.mark.parametrize("num_items", [0, 1, 2, 9])
def test_results_come_in_order_and_few_are_held(num_threads, num_items):
    lock, now, most = threading.Lock(), 0, 0
    done = [threading.Event() for _ in range(num_items)]

    def square(number):
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        # Of each two the later is done first.
        if num_threads > 1 and number % 2 == 0 and number + 1 < num_items:
            assert done[number + 1].wait(60)
        with lock:
            now -= 1
        done[number].set()
        return number**2

    assert list(side_by_side(square, range(num_items), num_threads=num_threads)) == [n**2 for n in range(num_items)]
    assert most <= num_threads


def test_results_that_nobody_takes_hold_up_the_work():
    done = []
    results = side_by_side(done.append, range(50), num_threads=2)
    next(results)
    # This waits for what was begun.
    results.close()
    assert len(done) <= 4


@pytest.mark.parametrize("num_threads", [1, 2, 3])
def test_work_begins_as_soon_as_what_it_waits_for_is_done(num_threads):
    # Two chains of three, and one that needs both.
    waits_for = [(), (), {0}, {1}, {2}, {3}, {4, 5}]
    begun, done, lock, now, most = [], [], threading.Lock(), 0, 0

    def work(place):
        nonlocal now, most
        with lock:
            assert {*waits_for[place]} <= {*done}
            begun.append(place)
            now += 1
            most = max(most, now)
        if num_threads > 1 and place == 0:
            # Nothing holds up the other chain.
            while 5 not in done:
                time.sleep(0.001)
        with lock:
            now -= 1
            done.append(place)
        return place * 10

    ended = list(as_they_end(work, waits_for, num_threads=num_threads, end=lambda: None))
    assert sorted(ended) == [(place, place * 10) for place in range(7)]
    assert {*begun[:2]} == {0, 1}
    assert begun[2:] == ([*range(2, 7)] if num_threads == 1 else [3, 5, 2, 4, 6])
    assert most == min(num_threads, 2)


def test_the_rest_is_told_to_end_and_waited_for_where_one_fails():
    ending, left = threading.Event(), []

    def work(place):
        if place == 1:
            raise ValueError("of one")
        assert ending.wait(60)
        time.sleep(0.01)
        left.append(place)
        raise InterruptedError

    with pytest.raises(ValueError, match="of one"):
        list(as_they_end(work, [()] * 5, num_threads=3, end=ending.set))
    # The others are not begun any more.
    assert sorted(left) == [0, 2]


def test_the_caller_goes_on_while_something_is_done():
    go_on = threading.Event()
    with Behind[int](100, num_threads=2) as behind:
        behind.put(lambda: int(go_on.wait(10)), num_bytes=60)
        behind.put(lambda: 2, num_bytes=40)
        assert behind.results == []
        go_on.set()
    assert behind.results == [1, 2]


def test_what_waits_is_limited():
    done = []
    with Behind[None](100) as behind:
        for number in range(1, 21):
            behind.put(lambda number=number: done.append(number), num_bytes=40)
            # What is among the results is done; all else may be waiting.
            assert 40 * (number - len(behind.results)) <= 100
            assert len(done) >= len(behind.results)
        # More than all that may wait.
        behind.put(lambda: None, num_bytes=1000)
        assert len(behind.results) == 20
    assert len(behind.results) == 21
    assert len(done) == 20


@pytest.mark.parametrize("num_more", [0, 5])
def test_an_error_comes_up_at_a_later_call_or_the_end(num_more):
    done = []

    def fails():
        raise OSError("disk full")

    def work():
        with Behind[None](10, num_threads=1) as behind:
            behind.put(fails, num_bytes=10)
            for _ in range(num_more):
                behind.put(lambda: done.append(1), num_bytes=10)

    with pytest.raises(OSError, match="disk full"):
        work()
    assert done == []


def test_the_callers_own_error_is_the_one_that_comes_up():
    failing = threading.Event()

    def work():
        with Behind[bool](100) as behind:
            behind.put(lambda: failing.wait(60), num_bytes=1)
            failing.set()
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        work()
