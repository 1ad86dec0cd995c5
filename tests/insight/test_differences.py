import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from incmask.insight.report.differences import (
    LEAST_SUBJECTS,
    Estimate,
    Source,
    by_subject,
    can_tell,
    mean_over,
    paired_difference,
    ratio_over_subjects,
    unpaired_difference,
)

tables = arrays(np.float64, st.tuples(st.integers(2, 5), st.integers(2, 6)), elements=st.floats(0, 1))


def some_scores(num_trainings=4, num_subjects=9, *, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((num_trainings, num_subjects))


def test_two_repeats_and_two_subjects_by_hand():
    # Differences .1 .3 / .2 .6: rows .2 and .4, columns .15 and .45; variances .02 and .045, of the mean .01 and .0225.
    # With a single degree of freedom t is 12.7062, so that the reaches are 1.27062 and 1.90593.
    found = paired_difference([[0.5, 0.8], [0.5, 0.7]], [[0.4, 0.5], [0.3, 0.1]])
    assert found.mean == pytest.approx(0.3)
    assert [(source.draw, source.num) for source in found.sources] == [("repeat", 2), ("subject", 2)]
    assert [source.variance for source in found.sources] == pytest.approx([0.01, 0.0225])
    reach = math.sqrt(1.27062**2 + 1.90593**2)
    assert found.reach() == pytest.approx(reach, abs=1e-4)
    # Scores lie from 0 to 1, so that a difference does from -1 to 1.
    assert found.ends() == (-1, 1)
    assert found.ends(0.5) == pytest.approx((0.3 - math.hypot(0.1, 0.15), 0.3 + math.hypot(0.1, 0.15)))


def test_the_parts_are_those_of_an_analysis_of_variance():
    """In a balanced table without repetition, the mean squares of rows and columns tell the spread of the mean."""
    differences = some_scores() - some_scores(seed=1)
    num_rows, num_columns = differences.shape
    grand = differences.mean()
    rows = num_columns * sum((row.mean() - grand) ** 2 for row in differences) / (num_rows - 1)
    columns = num_rows * sum((column.mean() - grand) ** 2 for column in differences.T) / (num_columns - 1)
    found = paired_difference(some_scores(), some_scores(seed=1))
    assert [source.variance for source in found.sources] == pytest.approx(
        [rows / differences.size, columns / differences.size]
    )


def test_where_one_draw_alone_varies_it_is_the_t_test():
    first, second = some_scores(5, 1), some_scores(5, 1, seed=1)
    expected = stats.ttest_rel(first[:, 0], second[:, 0])
    # The same for all subjects, then the same for all repeats.
    by_repeat = paired_difference(np.repeat(first, 8, 1), np.repeat(second, 8, 1))
    by_image = paired_difference(np.repeat(first.T, 3, 0), np.repeat(second.T, 3, 0))
    for found in (by_repeat, by_image):
        assert found.p_value == pytest.approx(expected.pvalue)
        interval = expected.confidence_interval(0.95)
        assert (found.low, found.high) == pytest.approx((max(interval.low, -1), min(interval.high, 1)))


@given(first=tables, shift=st.floats(-1, 1))
def test_what_repeats_and_subjects_have_in_common_cancels(first, shift):
    second = np.random.default_rng(0).random(first.shape)
    plain = paired_difference(first, second)
    moved = paired_difference(first + shift, second + shift)
    assert (moved.mean, moved.low, moved.high) == pytest.approx((plain.mean, plain.low, plain.high), abs=1e-9)


@given(first=tables)
def test_the_other_way_round_only_the_sign_changes(first):
    second = np.random.default_rng(0).random(first.shape)
    there, back = paired_difference(first, second), -paired_difference(second, first)
    assert (back.mean, back.low, back.high) == pytest.approx((there.mean, there.low, there.high), abs=1e-9)
    assert back.p_value == pytest.approx(there.p_value, rel=1e-6)


@given(
    mean=st.floats(-0.5, 0.5).filter(lambda mean: abs(mean) > 1e-6),
    parts=st.lists(st.tuples(st.integers(2, 400), st.floats(1e-8, 1)), min_size=1, max_size=3),
)
def test_the_p_value_is_the_level_whose_interval_ends_at_0(mean, parts):
    found = Estimate(mean, tuple(Source("subject", num, variance) for num, variance in parts))
    assert 0 < found.p_value <= 1
    if found.p_value > 1e-40:
        reach = math.sqrt(sum(stats.t.isf(found.p_value / 2, num - 1) ** 2 * variance for num, variance in parts))
        assert reach == pytest.approx(abs(mean), rel=1e-6)
    assert (found.p_value < 0.05) == (not found.low <= 0 <= found.high) or found.p_value == pytest.approx(0.05)


def test_a_clear_difference_is_as_unlikely_as_numbers_can_say():
    assert 0 < Estimate(1.0, (Source("subject", 300, 1e-12),)).p_value <= 1e-40


@pytest.mark.parametrize("shift", [0.0, 0.1])
def test_differences_all_alike_say_nothing(shift):
    scores = some_scores()
    found = paired_difference(scores + shift, scores)
    assert found.mean == pytest.approx(shift, abs=1e-12)
    assert found.p_value == 1
    assert found.high - found.low < 1e-9


def test_models_trained_apart_by_hand():
    # Rows .5 .7 and .2 .4 .3: variances .02 / 2 and .01 / 3; columns .7 - .4 and .5 - .2, which are alike.
    found = unpaired_difference([[0.6, 0.4], [0.8, 0.6]], [[0.3, 0.1], [0.5, 0.3], [0.4, 0.2]])
    assert found.mean == pytest.approx(0.3)
    assert {source.draw: source.num for source in found.sources} == {"model with": 2, "model without": 3, "subject": 2}
    assert [source.variance for source in found.sources] == pytest.approx([0.01, 0.01 / 3, 0], abs=1e-12)
    assert found.reach() == pytest.approx(math.hypot(12.7062 * 0.1, 4.30265 * math.sqrt(0.01 / 3)), abs=1e-4)


def test_a_single_training_has_no_interval_and_no_p_value():
    scores = some_scores()
    for found in (
        paired_difference(scores[:1], scores[1:2]),
        unpaired_difference(scores[:1], scores),
        unpaired_difference(scores, scores[:1]),
        paired_difference(scores[:, :1], scores[:, 1:2]),
    ):
        assert all(math.isnan(value) for value in (found.low, found.high, found.p_value))
        assert not can_tell(found)


def test_few_subjects_have_an_interval_but_no_verdict():
    # Of n subjects all may differ the same way by chance with probability 2 / 2**n, which is above 5 % up to n = 5.
    assert next(num for num in range(1, 20) if 2 / 2**num < 0.05) == LEAST_SUBJECTS
    few = paired_difference(some_scores(3, 5), some_scores(3, 5, seed=1))
    assert math.isfinite(few.low)
    assert not can_tell(few)
    assert can_tell(paired_difference(some_scores(2, 6), some_scores(2, 6, seed=1)))
    assert can_tell(mean_over("repeat", [0.1, 0.2]))
    assert can_tell(mean_over("fold", [0.1, 0.2, 0.3]))


def test_more_repeats_of_the_same_spread():
    found = paired_difference(some_scores(3), some_scores(3, seed=1))
    more = found.with_num("repeat", 12)
    repeat, subject = found.sources
    assert (more.num("repeat"), more.num("subject")) == (12, 9)
    assert more.sources[0].variance == pytest.approx(repeat.variance / 4)
    assert more.sources[1] == subject
    assert more.reach() < found.reach()
    assert more.reach(0.01) > more.reach()


@pytest.mark.parametrize("shapes", [((3, 2), (4, 2)), ((0, 2), (0, 2)), ((2,), (2,)), ((2, 3), (2, 4))])
def test_other_shapes_are_refused(shapes):
    with pytest.raises(ValueError, match="expected"):
        paired_difference(*(np.zeros(shape) for shape in shapes))


def test_models_on_other_subjects_are_refused():
    with pytest.raises(ValueError, match="scores of 3 and 4 subjects, expected the same"):
        unpaired_difference(np.zeros((2, 3)), np.zeros((5, 4)))


def test_each_subject_counts_alike_whatever_its_images():
    scores = [[0.2, 0.9, 0.4, 0.6], [0.0, 0.1, 0.2, 0.1]]
    assert by_subject(scores, ["a", "b", "a", "a"]) == pytest.approx(np.array([[0.4, 0.9], [0.1, 0.1]]))


@given(labels=st.lists(st.sampled_from("abcd"), min_size=1, max_size=9))
def test_subjects_are_averaged_in_the_order_in_which_they_come(labels):
    scores = np.random.default_rng(0).random(len(labels))
    of = {label: [score for score, each in zip(scores, labels, strict=True) if each == label] for label in labels}
    assert by_subject(scores, labels) == pytest.approx(np.array([np.mean(values) for values in of.values()]))


def test_a_mean_over_images_of_their_own_has_the_t_interval():
    values = some_scores(1, 12)[0]
    found = ratio_over_subjects(values, np.ones(12), list("abcdefghijkl"))
    expected = stats.ttest_1samp(values, 0)
    assert (found.mean, found.p_value) == pytest.approx((values.mean(), expected.pvalue))
    interval = expected.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    same = ratio_over_subjects([0.5, 0.5, 0.5], np.ones(3), list("abc"))
    assert (same.mean, same.low, same.high) == (0.5, 0.5, 0.5)
    assert math.isnan(ratio_over_subjects([0.5], [1], ["a"]).low)


@given(first=tables)
def test_no_interval_reaches_beyond_what_a_mean_can_be(first):
    second = np.random.default_rng(0).random(first.shape)
    for found in (paired_difference(first, second), unpaired_difference(first, second), mean_over("fold", first[0])):
        assert -1 <= found.low <= found.mean <= found.high <= 1
        back = -found
        assert (back.low, back.high) == (-found.high, -found.low)
    share = ratio_over_subjects(first[0], np.ones(first.shape[1]), [str(place) for place in range(first.shape[1])])
    assert 0 <= share.low <= share.mean + 1e-12
    assert share.mean - 1e-12 <= share.high <= 1


def test_a_ratio_by_hand():
    # Subjects a (3 of 10) and b (5 of 10): ratio .4, so that a's part is 1 too small and b's 1 too large, of 10.
    found = ratio_over_subjects([1, 5, 2], [4, 10, 6], ["a", "b", "a"])
    assert found.mean == pytest.approx(0.4)
    (source,) = found.sources
    assert (source.draw, source.num) == ("subject", 2)
    assert source.variance == pytest.approx(np.var([-0.1, 0.1], ddof=1) / 2)


def test_a_ratio_scatters_as_drawing_subjects_anew_says():
    rng = np.random.default_rng(0)
    whole = rng.integers(20, 90, 200)
    part = rng.binomial(whole, rng.beta(2, 6, 200))
    found = ratio_over_subjects(part, whole, [str(place) for place in range(200)])
    expected = stats.bootstrap(
        (part, whole), lambda a, b, axis: a.sum(axis) / b.sum(axis), paired=True, n_resamples=4999, rng=1
    )
    assert math.sqrt(found.sources[0].variance) == pytest.approx(expected.standard_error, rel=0.05)
