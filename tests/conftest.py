"""What tests of whole runs share."""

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from incmask.commands import cli


class InlinePool:
    """Stands in for ``LocalPool``: the same calls, one job after the other in this process."""

    def __init__(self, num_workers: int, *, networks: bool = True, less_memory: str = ""):
        self.num_workers = num_workers

    def run(
        self, function: Callable[[Any, Callable[[int], None]], Any], jobs: Sequence[Any], report: Callable[[int], None]
    ) -> Iterator[tuple[Any, Any]]:
        for job in jobs:
            yield job, function(job, report)

    def close(self) -> None:
        """Nothing to end."""

    def __enter__(self) -> "InlinePool":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


@pytest.fixture
def inline(monkeypatch):
    """Run everything in this process, on one thread as workers do."""
    import torch

    from incmask.experiment import run as experiment
    from incmask.experiment import stages
    from incmask.insight.comparison import compare
    from incmask.insight.ranking import rank
    from incmask.insight.reliability import measure
    from incmask.prediction import folder as inference

    for module in (compare, experiment, inference, measure, rank):
        monkeypatch.setattr(module, "LocalPool", InlinePool)
    # The time of a few steps is told before a run, but takes as long as the rest of a tiny one.
    monkeypatch.setattr(stages, "seconds_per_step", lambda job, *, pool: 0.01)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def call(monkeypatch, capsys):
    """Call the command line; give exit code, standard output and standard error."""

    def called(*words):
        monkeypatch.setattr(sys, "argv", ["incmask", *map(str, words)])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = 0 if end.code is None else end.code
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return called
