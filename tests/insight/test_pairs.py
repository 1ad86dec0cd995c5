import numpy as np
import pytest
from scipy import stats

from incmask.insight.report.differences import paired_difference
from incmask.insight.report.pairs import compare_pairs
from incmask.insight.report.statistics import Summary, holm


def test_all_pairs_are_single_comparisons_and_holm():
    base = np.random.default_rng(0).random((3, 80))
    rng = np.random.default_rng(2)
    arrays_of = {"a": base, "b": base + rng.normal(0.05, 0.02, (3, 80)), "c": base + rng.normal(0, 0.02, (3, 80))}
    scores = {name: dict(enumerate(values, 1)) for name, values in arrays_of.items()}
    summaries = {"a": Summary(0, 0.1, 0.1, 0.2, 0, 3), "b": Summary(0, 0.1, 0.3, 0.4, 0, 3)}
    found = compare_pairs(scores, summaries=summaries)
    assert [row.first + row.second for row in found] == ["ab", "ac", "bc"]
    for row in found:
        assert row.difference == paired_difference(arrays_of[row.first], arrays_of[row.second])
    assert [row.adjusted_p for row in found] == holm([row.difference.p_value for row in found]).tolist()
    assert [row.significant for row in found] == [row.adjusted_p < 0.05 for row in found]
    assert found[0].significant
    assert [row.intervals_overlap for row in found] == [False, None, None]
    assert (found[0].turned.first, found[0].turned.difference) == ("b", -found[0].difference)


def test_a_pair_has_the_repeats_that_both_have():
    base = np.random.default_rng(0).random((3, 7))
    scores = {"a": {1: base[0], 2: base[1], 3: base[2]}, "b": {3: base[0], 2: base[2]}, "c": {2: base[2]}}
    found = {row.first + row.second: row for row in compare_pairs(scores)[:2]}
    assert found["ab"].difference == paired_difference(base[[1, 2]], base[[2, 0]])
    assert (found["ac"].significant, found["ac"].difference.mean) == (None, pytest.approx((base[1] - base[2]).mean()))
    # What cannot be told is no test, and costs the others nothing.
    assert found["ab"].adjusted_p == found["ab"].difference.p_value


def test_without_images_repeats_alone_are_drawn():
    scores = {"a": {1: 0.5, 2: 0.7, 3: 0.6}, "b": {1: 0.4, 2: 0.4, 3: 0.4}}
    (row,) = compare_pairs(scores)
    assert row.difference.p_value == pytest.approx(stats.ttest_1samp([0.1, 0.3, 0.2], 0).pvalue)
    assert (row.difference.num("repeat"), row.difference.num("subject")) == (3, 0)
    assert row.significant is False


def test_one_approach_makes_no_pairs():
    assert compare_pairs({"a": {1: [0.1, 0.2]}}) == []
    assert compare_pairs({}) == []
