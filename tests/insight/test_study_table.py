import math
from collections import defaultdict

import numpy as np
import pytest
from benchmarks.study.table import Found, difference
from scipy import stats


def lines(scores):
    """Lines of an approach: by draw and seed, the scores of two slices of each of three volumes."""
    names = [f"brain{volume}_z{place:03}" for volume in range(3) for place in (1, 2)]
    return {key: {"by_image": dict(zip(names, values, strict=True))} for key, values in scores.items()}


def test_a_difference_is_of_draws_and_of_what_images_show():
    generator = np.random.default_rng(3)
    keys = [(0, 1), (0, 2), (1, 1), (2, 1)]
    first, second = ({key: generator.random(6) for key in keys} for _ in range(2))
    found: Found = defaultdict(dict)
    found["hippocampus", "im"], found["hippocampus", "ldt"] = lines(first), lines(second)
    # Another approach has more, which has nothing to be compared with.
    found["hippocampus", "im"][2, 2] = lines({(2, 2): np.ones(6)})[2, 2]

    of_pairs = {key: (first[key] - second[key]).reshape(3, 2).mean(1) for key in keys}
    of_draws = np.array([(of_pairs[0, 1] + of_pairs[0, 2]) / 2, of_pairs[1, 1], of_pairs[2, 1]])
    reaches = [stats.t.ppf(0.975, 2) * stats.sem(of_draws.mean(axis)) for axis in (0, 1)]

    told = difference(found, "hippocampus", "im", "ldt")
    assert told is not None
    assert told.mean == pytest.approx(of_draws.mean())
    assert told.reach() == pytest.approx(math.hypot(*reaches))
    assert difference(found, "hippocampus", "im", "fdt") is None
