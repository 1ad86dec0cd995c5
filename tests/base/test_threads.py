import threading
import time

import pytest

from incmask.base.threads import Behind, side_by_side


@pytest.mark.parametrize("num_threads", [1, 2, 5])
@pytest.mark.parametrize("num_items", [0, 1, 2, 9])
def test_results_come_in_order_and_few_are_held(num_threads, num_items):
    lock, now, most = threading.Lock(), 0, 0

    def square(number):
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        # Later ones are done first.
        time.sleep(0.002 * (num_items - number))
        with lock:
            now -= 1
        return number**2

    assert list(side_by_side(square, range(num_items), num_threads=num_threads)) == [n**2 for n in range(num_items)]
    assert most <= num_threads


def test_results_that_nobody_takes_hold_up_the_work():
    done = []
    results = side_by_side(done.append, range(50), num_threads=2)
    next(results)
    time.sleep(0.05)
    assert len(done) <= 4
    results.close()


def test_the_caller_goes_on_while_something_is_done():
    go_on = threading.Event()
    with Behind[int](100, num_threads=2) as behind:
        behind.put(lambda: int(go_on.wait(10)), num_bytes=60)
        behind.put(lambda: 2, num_bytes=40)
        assert behind.results == []
        go_on.set()
    assert behind.results == [1, 2]


def test_what_waits_is_limited():
    waiting, most = 0, 0

    def work():
        nonlocal waiting
        time.sleep(0.002)
        waiting -= 40

    with Behind[None](100) as behind:
        for _ in range(20):
            behind.put(work, num_bytes=40)
            waiting += 40
            most = max(most, waiting)
        # More than all that may wait.
        behind.put(lambda: None, num_bytes=1000)
        assert len(behind.results) == 20
    assert len(behind.results) == 21
    assert most <= 120


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
    def work():
        with Behind[None](100) as behind:
            behind.put(lambda: time.sleep(0.01), num_bytes=1)
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        work()
