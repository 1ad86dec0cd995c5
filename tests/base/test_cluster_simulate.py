import pytest
from benchmarks.cluster_simulate import simulate


@pytest.mark.parametrize(
    ("runs", "num_workers", "costs", "seconds"),
    [
        # Two of three at once, the third after them; then the next stage, though a worker was free before.
        ([[[2, 2, 2], [3]]], 2, {}, 7),
        # What one run leaves free another one takes.
        ([[[2], [2]], [[2], [2]]], 2, {}, 4),
        ([[[2], [2]], [[2], [2]]], 1, {}, 8),
        # The second is sent while the first is done; what a worker takes to begin, it takes each time.
        ([[[1, 1]]], 1, {"send_s": 0.5}, 2.5),
        ([[[1, 1]]], 1, {"start_s": 1}, 4),
    ],
)
def test_jobs_wait_for_workers_and_stages_for_those_before(runs, num_workers, costs, seconds):
    assert simulate(runs, num_workers, **costs) == seconds
