"""Finished runs for the tests of what is made of them."""

from runs import PARTS, make_data, run_tiny


def finish(folder, task="binary", recipe="ldt", *, parts=PARTS, **settings):
    """Make data and run; give the run folder, beside which ``data`` lies."""
    run_tiny(make_data(folder / "data", task, parts, truth=False), folder / "run", recipe, **settings)
    return folder / "run"
