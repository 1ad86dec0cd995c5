"""Commands that are broken at any file say so in a line, and the same command comes to the same files afterwards."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_two_commands_that_are_broken_by_chance(tmp_path):
    options = ("--count", "2", "--seed", "4", "--out", str(tmp_path / "out"))
    jobs = ("--jobs", "predict", "import")
    command = (sys.executable, "-W", "ignore", "-m", "benchmarks.crash", *options, *jobs)
    root = Path(__file__).parents[2]
    ended = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "2 broken, 0 ended ill" in ended.stdout
