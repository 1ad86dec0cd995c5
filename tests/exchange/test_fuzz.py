"""Changed files are read or refused in a line: a few of those that ``benchmarks.fuzz`` tries by the million."""

import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.fuzz.__main__ import execute
from benchmarks.fuzz.mutate import mutated
from benchmarks.fuzz.targets import Target

from incmask.base.errors import fail

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
def test_changed_files_end_in_no_error_but_our_own(tmp_path):
    kinds = ("records", "archives", "models", "corrections", "pictures")
    options = ["--executions", "260", "--batch", "20", "--seconds", "600", "--out", tmp_path / "fuzz"]
    options += ["--kinds", *kinds]
    done = subprocess.run([sys.executable, "-m", "benchmarks.fuzz", *options], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert re.search(r"^260 executions, 0 kinds of wrong ends$", done.stdout, re.M), done.stdout


def test_what_goes_wrong_is_told_from_what_is_refused(tmp_path):
    def ended(read):
        return execute(Target("any", (), read), {"a/b": b"1"}, tmp_path / "x" / "data", 10)

    def refuse(folder):
        raise fail(folder, "is wrong", "mend it")

    def refuse_without_a_mend(folder):
        raise fail(folder, "is wrong", "")

    assert ended(lambda folder: (folder / "a" / "b").read_bytes()) == "read"
    assert ended(refuse) == "refused"
    assert ended(refuse_without_a_mend).startswith("no mend: ")
    assert ended(lambda folder: 1 / 0) == "ZeroDivisionError at elsewhere: division by zero"


@pytest.mark.parametrize("content", [b'{"a": [1, "b"]}', bytes(range(256))])
def test_the_same_number_changes_a_file_in_the_same_way(content):
    first, again = ([mutated(content, random.Random(number)) for number in range(200)] for _ in range(2))
    assert first == again
    assert len({*first}) > 120
