"""Finished runs for the tests of what is made of them."""

import pytest
import torch

from conftest import InlinePool
from runs import PARTS, make_data, run_tiny


def in_this_process(patch):
    """Run jobs one after the other, on one thread as workers do."""
    from incmask.experiment import run as experiment
    from incmask.experiment import stages
    from incmask.insight.ranking import rank, simulate
    from incmask.insight.reliability import measure

    for module in (experiment, rank, simulate, measure):
        patch.setattr(module, "LocalPool", InlinePool)
    patch.setattr(stages, "seconds_per_step", lambda job, *, pool: 0.01)
    torch.set_num_threads(1)


def finish(folder, task="binary", recipe="ldt", *, parts=PARTS, **settings):
    """Make data and run; give the run folder, beside which ``data`` lies."""
    with pytest.MonkeyPatch.context() as patch:
        in_this_process(patch)
        run_tiny(make_data(folder / "data", task, parts, truth=False), folder / "run", recipe, **settings)
    return folder / "run"
