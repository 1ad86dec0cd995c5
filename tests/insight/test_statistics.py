import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from incmask.insight.report.statistics import (
    Difference,
    Summary,
    compare_pairs,
    correlation,
    holm,
    intervals_overlap,
    paired_bootstrap,
    summarise,
)

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


@pytest.mark.parametrize("num_images", [2, 7, 60])
def test_the_bootstrap_is_scipys(num_images):
    rng = np.random.default_rng(num_images)
    second = rng.random(num_images)
    first = second + rng.exponential(0.05, num_images) - 0.03
    found = paired_bootstrap(first, second, num_resamples=2000, seed=5)
    expected = stats.bootstrap((first - second,), np.mean, n_resamples=2000, method="BCa", rng=np.random.default_rng(5))
    assert found.mean == pytest.approx(np.mean(first - second))
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval), abs=1e-12)
    drawn = expected.bootstrap_distribution
    tail = min(np.sum(drawn <= 1e-12), np.sum(drawn >= -1e-12))
    assert found.p_value == pytest.approx(min(1, 2 * (1 + tail) / 2001))


def test_the_p_value_is_that_of_a_t_test_where_there_are_many_images():
    rng = np.random.default_rng(0)
    first, second = rng.random(400) + 0.01, rng.random(400)
    found = paired_bootstrap(first, second, num_resamples=20_000, seed=1)
    # The share of resamples beyond 0 has an error of its own, about 0.002 here.
    assert found.p_value == pytest.approx(stats.ttest_rel(first, second).pvalue, abs=0.005)


def test_a_clear_difference_is_as_unlikely_as_resamples_can_say():
    rng = np.random.default_rng(0)
    scores = rng.random(50)
    found = paired_bootstrap(scores + 0.2 + 0.01 * rng.random(50), scores, num_resamples=999, seed=1)
    assert found.p_value == 2 / 1000
    assert 0.2 < found.low < found.mean < found.high < 0.21


@pytest.mark.parametrize("shift", [0.0, 0.1])
@pytest.mark.parametrize("num_images", [1, 9])
def test_differences_all_alike_say_nothing(shift, num_images):
    scores = np.random.default_rng(0).random(num_images)
    found = paired_bootstrap(scores + shift, scores, num_resamples=99, seed=1)
    assert found == Difference(pytest.approx(shift), found.mean, found.mean, 1.0)


def test_images_without_a_difference_count_for_both_sides():
    # One of three images differs: (2/3)^3 of the resamples are exactly 0, none is below.
    first, second = np.array([0.3, 0.9, 0.7]), np.array([0.3, 0.9, 0.6])
    assert paired_bootstrap(first, second, num_resamples=20_000, seed=1).p_value == pytest.approx(16 / 27, abs=0.02)


@given(
    scores=arrays(np.float64, st.tuples(st.just(2), st.integers(1, 12)), elements=st.floats(0, 1)),
    seed=st.integers(0, 99),
)
def test_the_other_way_round_only_the_sign_changes(scores, seed):
    there = paired_bootstrap(*scores, num_resamples=199, seed=seed)
    back = -paired_bootstrap(*scores[::-1], num_resamples=199, seed=seed)
    assert 0 < there.p_value <= 1
    assert there.low <= there.high
    assert (back.mean, back.low, back.high, back.p_value) == pytest.approx(
        (there.mean, there.low, there.high, there.p_value), abs=1e-9
    )


@pytest.mark.parametrize("shapes", [((3,), (4,)), ((0,), (0,)), ((2, 2), (2, 2))])
def test_other_shapes_are_refused(shapes):
    with pytest.raises(ValueError, match="expected the same"):
        paired_bootstrap(*(np.zeros(shape) for shape in shapes), seed=0)


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


def test_all_pairs_are_single_comparisons_with_shared_resamples():
    rng = np.random.default_rng(2)
    base = rng.random(80)
    scores = {"a": base, "b": base + rng.normal(0.05, 0.05, 80), "c": base + rng.normal(0.01, 0.1, 80), "d": base}
    summaries = {"a": interval(0.1, 0.2), "b": interval(0.3, 0.4), "c": interval(0.15, 0.35)}
    found = compare_pairs(scores, summaries=summaries, num_resamples=999, seed=4)
    assert [row.first + row.second for row in found] == ["ab", "ac", "ad", "bc", "bd", "cd"]
    for row in found:
        alone = paired_bootstrap(scores[row.first], scores[row.second], num_resamples=999, seed=4)
        assert row.difference.p_value == alone.p_value
        assert (row.difference.low, row.difference.high) == pytest.approx((alone.low, alone.high), abs=1e-12)
    adjusted = holm([row.difference.p_value for row in found])
    assert [row.adjusted_p for row in found] == list(adjusted)
    assert [row.significant for row in found] == [True, False, False, True, True, False]
    assert [row.intervals_overlap for row in found] == [False, True, None, True, None, None]


def test_many_pairs_can_still_be_significant():
    # 24 approaches make 276 pairs: 276 times 2 / 10,000 would be above 0.05.
    rng = np.random.default_rng(0)
    scores = {str(index): 0.02 * index + 0.001 * rng.random(10) for index in range(24)}
    found = compare_pairs(scores, seed=0)
    assert len(found) == 276
    assert all(row.significant for row in found)


def test_one_approach_makes_no_pairs():
    assert compare_pairs({"a": [0.1, 0.2]}, seed=0) == []
    assert compare_pairs({}, seed=0) == []


def test_chunks_do_not_change_the_drawings(monkeypatch):
    scores = np.random.default_rng(0).random((2, 30))
    whole = paired_bootstrap(*scores, num_resamples=500, seed=3)
    monkeypatch.setattr("incmask.insight.report.statistics._CHUNK_INDICES", 100)
    assert paired_bootstrap(*scores, num_resamples=500, seed=3) == whole


def test_correlations_by_hand():
    # Deviations -1.5 -.5 .5 1.5 and -4 -3 -1 8: 19 / sqrt(5 · 90); ranks 1 2 3 4 for both.
    found = correlation([1, 2, 3, 4], [1, 2, 4, 13])
    assert found.pearson == pytest.approx(19 / math.sqrt(450))
    assert found.spearman == pytest.approx(1)
    assert found.num == 4


def test_a_missing_value_takes_its_pair_along():
    whole = correlation([1, 3, 2], [2.0, 2.5, 9.0])
    found = correlation([1, math.nan, 3, 2, 7], [2.0, 5.0, 2.5, 9.0, math.nan])
    assert found == whole
    assert found.num == 3


@pytest.mark.parametrize(
    ("x", "y", "num"),
    [
        ([1, 2, 3], [5, 5, 5], 3),
        ([0.1 + 0.2, 0.3, 0.3], [1, 2, 3], 3),
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
