"""What tests of whole runs share."""

import sys

import pytest

from incmask.commands import cli


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
