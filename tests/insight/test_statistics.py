import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from incmask.insight.report.statistics import LEAST_PAIRS, Summary, correlation, holm, intervals_overlap, summarise

scores_of_repeats = st.lists(st.floats(0, 1), min_size=2, max_size=6).filter(lambda values: np.ptp(values) > 1e-6)


def test_three_repeats_by_hand():
    # Deviations -.02, 0, .02: variance .0004, error .02 / sqrt 3, t quantile of 2 degrees 4.302653.
    found = summarise([0.70, 0.72, 0.74])
    error = 0.02 / math.sqrt(3)
    assert found.mean == pytest.approx(0.72)
    assert found.standard_error == pytest.approx(error)
    assert (found.low, found.high) == pytest.approx((0.72 - 4.302653 * error, 0.72 + 4.302653 * error), abs=1e-7)
    assert (found.best, found.num) == (0.74, 3)


@given(values=scores_of_repeats)
def test_the_interval_is_scipys(values):
    found = summarise(values)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


@given(values=scores_of_repeats)
def test_no_interval_of_scores_reaches_beyond_them(values):
    free, bound = summarise(values), summarise(values, bounds=(0, 1))
    assert (bound.low, bound.high) == (max(free.low, 0), min(free.high, 1))
    assert (bound.mean, bound.standard_error) == (free.mean, free.standard_error)


def test_the_best_error_is_the_lowest():
    assert summarise([3.0, 2.0, 5.0], higher_is_better=False).best == 2.0


def test_one_repeat_has_no_error_and_no_interval():
    found = summarise([0.7])
    assert (found.mean, found.best, found.num) == (0.7, 0.7, 1)
    assert all(math.isnan(value) for value in (found.standard_error, found.low, found.high))


def test_nothing_cannot_be_summarised():
    with pytest.raises(ValueError, match="no values"):
        summarise([])


def interval(low, high, num=3):
    return Summary((low + high) / 2, 0.1, low, high, high, num)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (interval(0.1, 0.3), interval(0.2, 0.4), True),
        (interval(0.1, 0.4), interval(0.2, 0.3), True),
        (interval(0.1, 0.3), interval(0.3, 0.4), True),
        (interval(0.1, 0.2), interval(0.3, 0.4), False),
        (interval(0.1, 0.2), summarise([0.15]), None),
    ],
)
def test_overlap_either_way(first, second, expected):
    assert intervals_overlap(first, second) is expected
    assert intervals_overlap(second, first) is expected


def test_holm_by_hand():
    # Sorted .01 .03 .04 times 3 2 1: .03 .06 .04, then never less than the one before.
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.9, 0.6]) == pytest.approx([1, 1])
    assert holm([]).size == 0


@given(p_values=st.lists(st.floats(0, 1), min_size=1, max_size=8), level=st.floats(0.001, 0.999))
def test_holm_rejects_what_its_steps_reject(p_values, level):
    rejected = set()
    for step, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[index] * (len(p_values) - step) >= level:
            break
        rejected.add(index)
    assert {index for index, p in enumerate(holm(p_values)) if p < level} == rejected


def test_correlations_by_hand():
    # Deviations -1.5 -.5 .5 1.5 and -4 -3 -1 8: 19 / sqrt(5 · 90); ranks 1 2 3 4 for both.
    found = correlation(3 * [1, 2, 3, 4], 3 * [1, 2, 4, 13])
    assert found.pearson == pytest.approx(19 / math.sqrt(450))
    assert found.spearman == pytest.approx(1)
    assert found.num == 12


def test_a_few_pairs_tell_no_correlation():
    few = [0.1 * index for index in range(LEAST_PAIRS)]
    assert correlation(few, few).pearson == pytest.approx(1)
    told = correlation(few[1:], few[1:])
    assert np.isnan([told.pearson, told.spearman]).all()
    assert told.num == LEAST_PAIRS - 1


def test_a_missing_value_takes_its_pair_along():
    whole = correlation(4 * [1, 3, 2], 4 * [2.0, 2.5, 9.0])
    found = correlation(4 * [1, math.nan, 3, 2, 7], 4 * [2.0, 5.0, 2.5, 9.0, math.nan])
    assert found == whole
    assert found.num == 12


@pytest.mark.parametrize(
    ("x", "y", "num"),
    [
        (4 * [1, 2, 3], 4 * [5, 5, 5], 12),
        (4 * [0.1 + 0.2, 0.3, 0.3], 4 * [1, 2, 3], 12),
        ([0, 0], [1, 2], 2),
        ([1], [2], 1),
        ([], [], 0),
        ([math.nan, 1], [1, 2], 1),
    ],
)
def test_constants_and_too_few_pairs_have_no_correlation(x, y, num):
    found = correlation(x, y)
    assert math.isnan(found.pearson)
    assert math.isnan(found.spearman)
    assert found.num == num
