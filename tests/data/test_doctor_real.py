"""False alarms on real images: none."""

import importlib
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from incmask.experiment.checked import check_data
from nightly import NIGHTLY

sys.path.append(str(Path(__file__).parents[2]))
sets = importlib.import_module("benchmarks.study.sets")

DATA = Path(__file__).parents[2] / "../shared/data"


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data")
@pytest.mark.parametrize(
    ("name", "num_files"),
    [(name, 40) for name in ("cats", "nuclei-10", "hippocampus", "aerial")]
    + [pytest.param(name, None, marks=NIGHTLY) for name in ("cats", "nuclei-10", "cells", "aerial")],
)
def test_real_images_raise_no_alarm(tmp_path, name, num_files):
    """All images with labels, and of each other part so many files at most; none: as many as the set has."""
    kind = sets.SETS[name]
    most = min(filter(None, (kind.num_files, num_files)), default=None)
    sets.arrange(replace(kind, num_files=most), DATA, tmp_path / name, draw=0)
    checked = check_data(tmp_path / name)
    assert checked.problems == ()
    assert [str(each) for each in checked.findings if each.severity == "warning"] == []
