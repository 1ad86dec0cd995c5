"""What a step needs, drawn while the step before is taken."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Drawn = TypeVar("Drawn")


class Ahead(Generic[Drawn]):
    """Draws what a step needs in a thread of its own, while the step before is taken."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._next: tuple[int, Future[Drawn]] | None = None
        self._is_first = True

    def draw(self, function: Callable[[int], Drawn], step: int) -> Drawn:
        """Give what the function, always the same, gives for a step; fastest if that follows on the one before."""
        ahead, self._next = self._next, None
        drawn = ahead[1].result() if ahead and ahead[0] == step else function(step)
        # While the device's work is recorded, in a training's first step, no other thread may take memory there.
        if not self._is_first:
            self._next = step + 1, self._thread.submit(function, step + 1)
        self._is_first = False
        return drawn
