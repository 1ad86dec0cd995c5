"""What all tests share."""

import gc
import sys

import pytest
from hypothesis import HealthCheck, settings

from incmask.commands import cli

# A loaded machine may take any time for an example. For more of them: --hypothesis-profile=thorough.
for name, num in (("quick", 20), ("thorough", 500)):
    settings.register_profile(name, max_examples=num, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("quick")


def pytest_collection_finish() -> None:
    """Spare ``gc.collect``, which trainings call, what is imported by now: it would take half a second each time."""
    gc.collect()
    gc.freeze()


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
