"""Functions that each call a network, with one call of all their networks at once."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Generic, TypeVar

from torch import Tensor, nn

from incmask.training.together.row import Group

Result = TypeVar("Result")


class Together(Generic[Result]):
    """Runs a function for each network of a group, and answers what they ask of their networks all at once.

    The functions need not know of each other: each runs in a thread of its own, and stops where it calls its network
    until the others call theirs. So whatever is learnt can be learnt by several at once, and they draw and augment
    their batches side by side.

    Args:
        group: the networks.
        forward: runs the group's network on joined inputs.
    """

    def __init__(self, group: Group, forward: Callable[..., Tensor]):
        self._group = group
        self._forward = forward
        self._threads = ThreadPoolExecutor(len(group.members))

    def run(self, functions: Sequence[Callable[[nn.Module], Result]]) -> list[Result]:
        """Call each function with a network; all of them call it equally often.

        Args:
            functions: one for each member.

        Raises:
            Exception: the first that a function or the network raised; all functions have ended by then.
        """
        events: SimpleQueue[_Event] = SimpleQueue()
        running = [
            self._threads.submit(_run, function, _Caller(self._group.network, number, events), number, events)
            for number, function in enumerate(functions)
        ]
        num_waiting = len(functions)
        while num_waiting:
            met = sorted((events.get() for _ in range(num_waiting)), key=lambda event: event.number)
            calls = [event.call for event in met if event.call is not None]
            num_waiting = len(calls)
            if num_waiting == len(functions):
                self._answer(calls)
            else:
                for call in calls:
                    call.answer.set_exception(_AloneError("a function ended without calling its network, others wait"))
        errors = [error for each in running if (error := each.exception()) is not None]
        # What made one end is the reason why the others were left alone.
        for error in sorted(errors, key=lambda error: isinstance(error, _AloneError)):
            raise error
        return [each.result() for each in running]

    def _answer(self, calls: "Sequence[_Call]") -> None:
        try:
            inputs = [self._group.join(each) for each in zip(*(call.inputs for call in calls), strict=True)]
            outputs = self._group.split(self._forward(*inputs))
        except Exception as error:
            for call in calls:
                call.answer.set_exception(error)
        else:
            for call, output in zip(calls, outputs, strict=True):
                call.answer.set_result(output)


class _AloneError(Exception):
    """The call of a function was not answered, since another's did not come."""


@dataclass(frozen=True)
class _Call:
    """What a function asks of its network."""

    inputs: tuple[Tensor, ...]
    answer: "Future[Tensor]"


@dataclass(frozen=True)
class _Event:
    """A function called its network, or (None) has ended."""

    number: int
    call: _Call | None


class _Caller(nn.Module):
    """Stands for one network of the group."""

    def __init__(self, network: nn.Module, number: int, events: "SimpleQueue[_Event]"):
        super().__init__()
        # Tells callers which device it is on.
        self.first = next(network.parameters())
        self._number, self._events = number, events

    def forward(self, *inputs: Tensor) -> Tensor:
        call = _Call(inputs, Future())
        self._events.put(_Event(self._number, call))
        return call.answer.result()


def _run(
    function: Callable[[nn.Module], Result], network: nn.Module, number: int, events: "SimpleQueue[_Event]"
) -> Result:
    try:
        return function(network)
    finally:
        events.put(_Event(number, None))
