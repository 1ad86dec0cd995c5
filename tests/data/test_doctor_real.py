"""False alarms on real images: none."""

import importlib
import sys
from pathlib import Path

import pytest

from incmask.experiment.checked import check_data
from nightly import NIGHTLY

sys.path.append(str(Path(__file__).parents[2]))
sets = importlib.import_module("benchmarks.study.sets")

DATA = Path(__file__).parents[2] / "../shared/data"


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data")
@pytest.mark.parametrize("name", ["cats", "nuclei-10", pytest.param("cells", marks=NIGHTLY), "hippocampus", "aerial"])
def test_real_images_raise_no_alarm(tmp_path, name):
    sets.arrange(sets.SETS[name], DATA, tmp_path / name, draw=0)
    checked = check_data(tmp_path / name)
    assert checked.problems == ()
    assert [str(each) for each in checked.findings if each.severity == "warning"] == []
