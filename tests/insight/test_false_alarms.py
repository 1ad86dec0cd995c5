"""Equal approaches are called different in 5 % of trials at most: the simulation of the benchmark, in few trials."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

sys.path.append(str(Path(__file__).parents[2]))
false_alarms = importlib.import_module("benchmarks.false_alarms")

NUM_TRIALS = 150
MOST = stats.binom.isf(1e-4, NUM_TRIALS, 0.05)
"""More alarms than these are hardly ever seen where 5 % is the rate."""


@pytest.mark.slow
@pytest.mark.parametrize("num_repeats", [2, 5])
@pytest.mark.parametrize("case", false_alarms.CASES, ids=lambda case: case.name)
def test_the_rate_of_false_alarms(case, num_repeats):
    found = false_alarms.differences(case, num_repeats, np.random.default_rng(1), NUM_TRIALS)
    assert sum(map(false_alarms.excludes, found)) <= MOST


def test_the_rule_of_images_alone_would_be_noticed():
    case = false_alarms.SEEDS_AND_IMAGES
    rng, rule = np.random.default_rng(1), false_alarms.RULES["images alone, as before"]
    assert sum(rule(*case.scores(rng, (3, 3)), case.subjects) for _ in range(NUM_TRIALS)) > 3 * MOST


def test_all_tables_are_made():
    made = [(title, header, list(rows)) for title, header, rows in false_alarms.tables(np.random.default_rng(1), 8)]
    assert len({title for title, _, _ in made}) == len(made) == 7
    for _, header, rows in made:
        assert {len(row) for row in rows} == {len(header)}
    num_cases = len(false_alarms.CASES)
    assert [len(rows) for _, _, rows in made] == [num_cases + 1, num_cases, 2, 8, 8, 3, 4]
