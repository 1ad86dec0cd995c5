"""What all tests share."""

import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from torch import nn
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

import shapes  # noqa: F401 - first: it checks what is imported of the method after it
from incmask.commands import cli

# For the processes that these begin, one for each core: a second thread would wait for a core that is not free.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

# In a shell's background programs are deaf to Ctrl-C, and so would be those that these tests start and end with it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A loaded machine may take any time for an example. For more of them: --hypothesis-profile=thorough.
for name, num in (("quick", 20), ("thorough", 500)):
    settings.register_profile(name, max_examples=num, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("quick")

# Runs and traces make so many objects that looking for garbage at every 700 of them takes several percent of the time.
gc.set_threshold(50_000, 20, 50)


TOGETHER = {
    **dict.fromkeys(("test_collect.py", "test_compare.py", "test_comparison_present.py"), "a comparison"),
    **dict.fromkeys(("test_model_export.py", "test_exporting.py"), "traces"),
}
"""What a process makes but once for the tests of several files."""


class TogetherScheduling(LoadFileScheduling):
    """Tests of a file go to the same process, and so do those of files that look at the same."""

    def _split_scope(self, nodeid: str) -> str:
        path = super()._split_scope(nodeid)
        return TOGETHER.get(path.rpartition("/")[2], path)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> TogetherScheduling:
    return TogetherScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that have slow tests, so that no long one is left for one core alone at the end."""
    long = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in long)


@pytest.fixture(autouse=True, scope="module")
def _keep_what_is_there() -> None:
    """Spare ``gc.collect``, which trainings call, what was imported by now: it would take half a second each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def _no_waiting_for_the_disk() -> Iterator[None]:
    """Leave it to the system when it writes: no test outlives a power cut, and a run asks for it fifty times."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture(autouse=True, scope="session")
def _networks_read_once() -> Iterator[None]:
    """Keep the last networks that were read to score and to label, which leave them as they are: a run reads each five
    times, which takes longer than all that these say."""
    from incmask.experiment import labelling, scores
    from incmask.nets.spec import load_model

    kept: dict[tuple[Path, bytes], nn.Module] = {}

    def read_once(path: Path) -> nn.Module:
        key = path, path.read_bytes() if path.is_file() else b""
        if key not in kept:
            kept[key] = load_model(path)
        while len(kept) > 16:
            del kept[next(iter(kept))]
        return kept[key]

    with pytest.MonkeyPatch.context() as patch:
        for module in (labelling, scores):
            patch.setattr(module, "load_model", read_once)
        yield


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory) -> Callable[[str], Path]:
    """Give a run of ``finished_runs.RUNS`` by its name; all tests share it, so that they leave it as it is."""
    from finished_runs import finished_run

    root = tmp_path_factory.getbasetemp()
    return cache(partial(finished_run, root.parent if "PYTEST_XDIST_WORKER" in os.environ else root))


@pytest.fixture
def plugged(monkeypatch, tmp_path) -> Path:
    """Let another package offer the encoder ``tiny``; give the file of its weights."""
    from tiny_encoder import plug_in

    monkeypatch.setattr(sys, "path", [str(tmp_path / "plugged"), *sys.path])
    return plug_in(tmp_path / "plugged", monkeypatch)


@pytest.fixture
def untrained(monkeypatch) -> None:
    """Let runs save their networks as they begin: for tests of what is trained, not of what comes of it."""
    from finished_runs import leave_untrained

    leave_untrained(monkeypatch)


@pytest.fixture
def undrawn(monkeypatch) -> None:
    """Let figures be made and not rendered: for tests of what a page tells, not of what its figures show."""
    from finished_runs import leave_undrawn

    leave_undrawn(monkeypatch)


@pytest.fixture(scope="session")
def traces() -> dict[object, Any]:
    """What was traced, for ``share_traces``."""
    return {}


@pytest.fixture
def traced_once(monkeypatch, traces) -> None:
    """Let exports of the same networks share what is traced: tracing takes longer than most tests."""
    from export_models import share_traces

    share_traces(monkeypatch, traces)


@pytest.fixture
def call(monkeypatch, capsys):
    """Call the command line, which works in this process; give exit code, standard output and standard error."""

    def called(*words):
        from runs import HERE

        monkeypatch.setattr(sys, "argv", ["incmask", *map(str, words)])
        code = 0
        try:
            cli.main(HERE)
        except SystemExit as end:
            code = 0 if end.code is None else end.code
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return called
