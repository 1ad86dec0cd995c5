"""Threads beside the work, for what waits or lets others run: results in order, and little held at once."""

from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence, Sized
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def side_by_side(function: Callable[[Item], Result], items: Iterable[Item], *, num_threads: int) -> Iterator[Result]:
    """Give a function's results in the order of the items, ``num_threads`` of them worked on at once."""
    if num_threads == 1 or (isinstance(items, Sized) and len(items) == 1):
        yield from map(function, items)
        return
    with ThreadPoolExecutor(num_threads) as pool:
        running: deque[Future[Result]] = deque()
        for item in items:
            if len(running) > num_threads:
                yield running.popleft().result()
            running.append(pool.submit(function, item))
        while running:
            yield running.popleft().result()


def as_they_end(
    work: Callable[[int], Result],
    waits_for: Sequence[Collection[int]],
    *,
    num_threads: int,
    end: Callable[[], None],
) -> Generator[tuple[int, Result], None, None]:
    """Yield places of work with its results as each ends; begun in the order of the places, as soon as may be.

    Args:
        work: does what stands at a place.
        waits_for: at each place, the earlier ones that have to be done first.
        num_threads: places that are worked on at once; 1: in this thread, and none is begun before the last was taken.
        end: is called where something failed, or where nobody takes more, so that what still works ends; it is waited
            for.
    """
    places = range(len(waits_for))
    if num_threads == 1:
        yield from ((place, work(place)) for place in places)
        return
    done, waiting, running = set[int](), list(places), dict[Future[Result], int]()
    pool = ThreadPoolExecutor(num_threads)
    try:
        while waiting or running:
            ready = [place for place in waiting if done.issuperset(waits_for[place])]
            for place in ready[: num_threads - len(running)]:
                waiting.remove(place)
                running[pool.submit(work, place)] = place
            ended, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in sorted(ended, key=running.__getitem__):
                place = running.pop(future)
                result = future.result()
                done.add(place)
                yield place, result
    finally:
        end()
        pool.shutdown()


class Behind(Generic[Result]):
    """Does things in threads of its own, while its caller goes on.

    An error comes up with a later call, or at the end.

    Args:
        max_bytes: of what waits to be done; a single thing may take more.
        num_threads: things that are done at once.

    Attributes:
        results: of what is done, in the order given; of everything, once the ``with`` has ended.
    """

    def __init__(self, max_bytes: int, *, num_threads: int = 4):
        self.results: list[Result] = []
        self._max_bytes, self._num_bytes = max_bytes, 0
        self._waiting: deque[tuple[Future[Result], int]] = deque()
        self._pool = ThreadPoolExecutor(num_threads)

    def put(self, work: Callable[[], Result], *, num_bytes: int) -> None:
        """Have something done; waits where too much is waiting.

        Args:
            work: is called in one of the threads.
            num_bytes: that are held until it is done.
        """
        while self._waiting and self._num_bytes + num_bytes > self._max_bytes:
            self._take()
        self._waiting.append((self._pool.submit(work), num_bytes))
        self._num_bytes += num_bytes

    def __enter__(self) -> "Behind[Result]":
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        try:
            while self._waiting and kind is None:
                self._take()
        finally:
            self._pool.shutdown(cancel_futures=True)

    def _take(self) -> None:
        future, num_bytes = self._waiting.popleft()
        self._num_bytes -= num_bytes
        self.results.append(future.result())
