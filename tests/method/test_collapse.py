"""What is no chance any more: against SciPy's tests, and how often it is taken for one."""

import numpy as np
import pytest
from scipy import stats

from incmask.method.collapse import CHANCE, LEAST_FALL, chance_of_loss, chance_of_none, has_fallen


@pytest.mark.parametrize(("num_with", "num", "num_others"), [(2, 3, 1), (4, 4, 5), (8, 10, 50), (0, 5, 9), (1, 1, 99)])
def test_a_class_in_no_pseudo_label_is_fishers_exact_test(num_with, num, num_others):
    table = [[num_with, num - num_with], [0, num_others]]
    expected = stats.fisher_exact(table, alternative="greater").pvalue
    assert chance_of_none(num_with, num, num_others) == pytest.approx(expected)


@pytest.mark.parametrize("num", [0, 1, 7, 20])
def test_a_class_that_leaves_its_images_is_the_exact_sign_test(num):
    expected = stats.binomtest(num, num, alternative="greater").pvalue if num else 1.0
    assert chance_of_loss(num) == pytest.approx(expected)


def test_a_fall_is_told_as_by_the_paired_t_test():
    generator = np.random.default_rng(1)
    told = {True: 0, False: 0}
    for _ in range(200):
        num = int(generator.integers(2, 12))
        before = generator.random(num)
        now = before - 0.1 + 0.1 * generator.standard_normal(num)
        expected = stats.ttest_rel(before, now, alternative="greater").pvalue < CHANCE
        expected = bool(expected and (before - now).mean() >= LEAST_FALL)
        assert has_fallen(before, now) == expected
        told[expected] += 1
    assert min(told.values()) > 30


@pytest.mark.parametrize(
    ("before", "now", "fell"),
    [
        # All alike, and by more than the least fall.
        ([0.9, 0.8], [0.8, 0.7], True),
        # As sure, and too little.
        ([0.90, 0.80, 0.70], [0.86, 0.76, 0.66], False),
        # Of a single image nothing can be told.
        ([0.9], [0.0], False),
        ([], [], False),
        ([0.5, 0.6], [0.6, 0.9], False),
        # On the mean by 0.3, of images that part: t = 0.3 / (0.436 / sqrt(3)) = 1.19, and 6.96 are asked for.
        ([0.8, 0.8, 0.8], [0.0, 0.6, 0.9], False),
    ],
)
def test_a_fall_by_hand(before, now, fell):
    assert has_fallen(np.array(before), np.array(now)) is fell


@pytest.mark.parametrize("num", [5, 20])
def test_generations_that_are_alike_are_seldom_taken_for_a_fall(num):
    generator = np.random.default_rng(2)
    # Skewed, as overlaps are: most change little, a few by much.
    wrong = sum(
        has_fallen(before, np.clip(before + generator.laplace(0, 0.1, num), 0, 1))
        for before in generator.beta(4, 1, (2000, num))
    )
    assert wrong / 2000 < 2 * CHANCE
